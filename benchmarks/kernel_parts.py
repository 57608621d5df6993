"""Which part of the three costliest kernels takes the time?

    python -m benchmarks.kernel_parts            # about a minute
    python -m benchmarks.kernel_parts --write    # and write results/kernel_parts.json

A default model learns the first 5,000 events of a set, the last ones one at a time. For some of these the arguments of the
decoder, the local regressions and the ridge are kept as they were; then each part of the kernel is run again and again on them,
and the mean of the fastest runs is given in processor time. Repeated, a part finds its cells in the cache and its branches
foreseen: the sum of the parts over the time of the whole kernel (`benchmarks.roofline`) tells how much that is worth.
"""

import argparse
import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.common import DATA, events_of, matrices, write
from benchmarks.readme_parts import load, table
from benchmarks.roofline import EVENTS, SETS, fastest, learned, replaced
from ihomer import IHOMERClassifier
from ihomer.kernels.common import jit
from ihomer.kernels.decoding import balanced, best_expected_f1, label_worth, learn_labelset, note_thresholds, novelty_of
from ihomer.kernels.expected import MOST_ACTIVE, active_labels, add_independent, add_seen
from ihomer.kernels.labelsets import weigh_sets
from ihomer.kernels.local import N_NEAR, RECENT, local_ridge, vote
from ihomer.kernels.mixing import mix_learn
from ihomer.kernels.odds import probability
from ihomer.kernels.ridge import gain_of, ridge_scores, update_covariance, update_weights
from ihomer.kernels.window import insert_row, nearest_slots, shared_products

SAMPLES, SPACING = 16, 16  # events whose arguments are kept, one out of so many
_SECONDS = 0.02  # of each part on each of them
_TIMES = 20  # a part is run within one timed call
DECODER = (
    "probabilities, active labels", "weighing the labelsets", "joint distribution", "best expected F1", "worth of each label",
    "balanced answer, with these two", "learning the mixture", "learning the thresholds", "learning the labelset",
)  # fmt: skip
NEAR = ("products with the window", "nearest rows", "votes", "local ridge", "local ridge, Gaussian", "keeping the row")
RIDGE = ("scores", "gain", "weights", "covariance")


@jit
def decoder_part(
    part, times, odds, target, weight, header, table, hashes, ends, pool, stats, last_seen, latest, factor, information,
    novelty, shared, shared_information, own, own_bias, total, tally, events, inputs, final, weights_of_sets, live, found,
    proba,
):  # fmt: skip
    """Run one part of the decoding of one row, learning included, after all that it needs. The arrays: see `decode_rows`."""
    n_labels = odds.size
    p, place, members = np.empty(n_labels), np.empty(n_labels, np.int64), np.empty(n_labels + 1, np.int32)
    joint, marginal, active = np.empty((MOST_ACTIVE, MOST_ACTIVE + 1)), np.zeros(n_labels), np.empty(MOST_ACTIVE, np.int64)
    counts, without, gain = np.empty(MOST_ACTIVE + 1), np.empty(MOST_ACTIVE + 1), np.empty(MOST_ACTIVE)
    trial, chosen = np.zeros((2, MOST_ACTIVE), np.uint8)
    value, gradient, work = np.empty(MOST_ACTIVE), np.empty(2), np.empty((2, 2))
    likelihood, recency, posterior = weights_of_sets[0], weights_of_sets[1], weights_of_sets[2]
    log_none, n_active = 0.0, np.int64(0)
    for _ in range(times if part == 0 else 1):
        log_none = 0.0
        for label in range(n_labels):
            p[label] = probability(odds[label]) if tally[label, 0, 1] > 0.0 else 0.0
            log_none += np.log(1.0 - p[label])
        n_active = active_labels(p, active, place)
    n_live, best, covered = np.int64(0), np.int64(-1), 0.5
    for _ in range(times if part == 1 else 1):
        n_live, best, covered = weigh_sets(
            odds, log_none, header, ends, pool, stats, last_seen, latest, factor, place, likelihood, recency, posterior, live
        )
    new, first, second = novelty_of(n_live, covered, posterior[best] if best >= 0 else 1.0, novelty)
    none, largest = 0.0, np.int64(1)
    for _ in range(times if part == 2 else 1):
        joint[:n_active, : n_active + 1] = 0.0
        none, largest = add_seen(1.0 - new, live, n_live, ends, pool, posterior, place, n_active, joint, marginal)
        none_new, largest_new = add_independent(new, p, active, n_active, joint, counts, without)
        none, largest = none + none_new, max(largest, largest_new)
    for _ in range(times if part == 3 else 0):
        best_expected_f1(none, joint, n_active, largest, gain, trial, chosen)
    for _ in range(times if part == 4 else 0):
        label_worth(n_active, active, proba, total, tally, events, value)
    for _ in range(times if part == 5 else 0):
        balanced(
            best, live, n_live, none, joint, largest, proba, n_active, active, odds, log_none, new, covered, ends, pool,
            members, table, hashes, posterior, place, total, tally, events, gain, trial, chosen,
        )  # fmt: skip
    for _ in range(times if part == 6 else 0):
        mix_learn(inputs, final, target, weight, shared, shared_information, own, own_bias, gradient, work)
    for _ in range(times if part == 7 else 0):
        note_thresholds(target, proba, total, tally, events)
    for _ in range(times if part == 8 else 0):
        learn_labelset(
            target, odds, weight, new, first, second, header, table, hashes, ends, pool, stats, last_seen, latest, likelihood,
            recency, posterior, live, n_live, factor, information, novelty, members,
        )  # fmt: skip


@jit
def near_part(
    part, times, index, value, target, shrink, number, size, ring, importance, entry, entry_value, link, head, present,
    column_of, columns, labels, gram, products, prior, out,
):  # fmt: skip
    """Run one part of what the nearest rows say of one row, after all that it needs. The arrays: see `local_rows`."""
    best, similarity, share = np.empty(N_NEAR, np.int64), np.empty(N_NEAR), np.empty(N_NEAR)
    votes, a = np.empty(prior.size), np.empty((N_NEAR, N_NEAR))
    first, last = np.int64(0), np.int64(index.size)
    kept = min(number, size)
    for _ in range(times if part == 0 else 1):
        shared_products(
            index, value, first, last, number, size, ring, entry, entry_value, link, head, column_of, columns, products
        )
    found, slot = np.int64(0), np.int64(0)
    for _ in range(times if part == 1 else 1):
        found, slot = nearest_slots(products, number % size, min(kept, RECENT), size, np.int64(0), best, similarity)
        found, slot = nearest_slots(products, slot, kept - min(kept, RECENT), size, found, best, similarity)
    for _ in range(times if part == 2 else 0):
        for at in range(2):
            vote(best, similarity, min(found, 5), ring, labels, importance, prior, share, votes, out, np.int64(at))
    for _ in range(times if part == 3 else 0):
        local_ridge(best, similarity, found, False, gram, ring, labels, importance, prior, a, share, votes, out, np.int64(2))
    for _ in range(times if part == 4 else 0):
        local_ridge(best, similarity, found, True, gram, ring, labels, importance, prior, a, share, votes, out, np.int64(3))
    for more in range(times if part == 5 else 0):
        insert_row(
            index, value, shrink, first, last, target, number + more, size, ring, entry, entry_value, link, head, present,
            column_of, columns, labels,
        )  # fmt: skip
        for other in range(kept):
            gram[number % size, other] = shrink * products[other]


@jit
def ridge_part(part, times, places, values, used, covariance, weights, gain, score):
    """Run one part of the ridge for one row. The arrays: see `ridge_rows`."""
    size = np.int64(places.size)
    for _ in range(times if part == 0 else 0):
        ridge_scores(places, values, size, weights, score)
    for _ in range(times if part == 1 else 0):
        gain_of(places, values, size, used, covariance, gain)
    for _ in range(times if part == 2 else 0):
        update_weights(used, gain, np.float32(1e-6), score, weights)
    for _ in range(times if part == 3 else 0):
        update_covariance(used, gain, np.float32(1e-6), np.float32(0.0), covariance)


Call = tuple[Callable[..., Any], tuple[Any, ...]]


def decoder_call(a: tuple[Any, ...], b: tuple[Any, ...]) -> Call:
    """Return what runs a part of the decoder, and its arguments, from those of a call before (`a`) and after (`b`)."""
    row = (a[0][0], a[1][0, : a[0].shape[1]], float(a[2][0]))
    return decoder_part, (*row, *a[7:25], *b[25:30], b[30][0])


def near_call(a: tuple[Any, ...], b: tuple[Any, ...]) -> Call:
    """Return the same for the local regressions."""
    row = slice(a[0][0], a[0][1])
    prior = np.clip(1.0 / (1.0 + np.exp(-a[23][0, :, a[21]].astype(float))), 1e-4, 0.9)
    out = np.empty((a[23].shape[1], 4), np.float32)
    target = a[3][0, : a[23].shape[1]]
    return near_part, (a[1][row], a[2][row], target, a[5][0], int(a[8]), int(a[9]), *a[10:21], a[22], prior, out)


def ridge_call(a: tuple[Any, ...], b: tuple[Any, ...]) -> Call:
    """Return the same for the ridge."""
    row = slice(a[0][0], a[0][1])
    places = b[8][a[1][row]].astype(np.int64)
    met = places >= 0
    values = np.concatenate([[0.3], a[2][row][met]]).astype(np.float32)
    gain, score = np.zeros(len(b[11]), np.float32), np.zeros(b[12].shape[1], np.float32)
    return ridge_part, (np.concatenate([[0], places[met]]), values, int(b[10][0]), b[11], b[12], gain, score)


_KERNELS: dict[str, tuple[tuple[str, ...], Callable[..., Call]]] = {
    "decode_rows": (DECODER, decoder_call),
    "local_rows": (NEAR, near_call),
    "ridge_rows": (RIDGE, ridge_call),
}


def sampled(model: Any, X: Any, Y: Any, spacing: int) -> dict[str, list[Call]]:
    """Learn rows one at a time; return, for one of so many, what runs the parts of each kernel with its arguments."""
    found: dict[str, list[Call]] = {name: [] for name in _KERNELS}
    row = 0

    def wrap(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        if name not in _KERNELS:
            return kernel

        def call(*arguments: Any) -> Any:
            keep = row % spacing == 0
            before = copy.deepcopy(arguments) if keep else arguments
            result = kernel(*arguments)
            if keep:
                found[name].append(_KERNELS[name][1](before, copy.deepcopy(arguments)))
            return result

        return call

    with replaced(wrap):
        for row in range(len(Y)):
            model.learn_many(X[row : row + 1], Y[row : row + 1])
    return found


def microseconds_of_part(calls: list[Call], part: int, times: int = _TIMES, seconds: float = _SECONDS) -> float:
    """Return the mean over calls of the microseconds of one part: what more runs of it take, over what one takes."""
    spent = []
    for kernel, arguments in calls:
        own = copy.deepcopy(arguments)
        many, one = (fastest(partial(kernel, part, n, *own), seconds) for n in (times + 1, 1))
        spent.append(max(0.0, many - one) / times)
    return float(np.mean(spent)) * 1e6


def measure(X: Any, Y: Any, samples: int = SAMPLES, spacing: int = SPACING, **timing: Any) -> dict[str, dict[str, float]]:
    """Return the microseconds per event of each part of each kernel."""
    n_last = samples * spacing
    last = slice(len(Y) - n_last, len(Y))
    found = sampled(learned(IHOMERClassifier, X, Y, n_last), X[last], Y[last], spacing)
    return {
        name: {told: round(microseconds_of_part(found[name], part, **timing), 3) for part, told in enumerate(parts)}
        for name, (parts, _) in _KERNELS.items()
    }


def parts_block(found: dict[str, Any] | None = None) -> str:
    """Return the microseconds of each part on each set."""
    sets = (found or load("kernel_parts"))["sets"]
    rows = [
        [f"{kernel}: {part}", *[f"{row[kernel][part]:,.2f}" for row in sets.values()]]
        for kernel, (parts, _) in _KERNELS.items()
        for part in parts
    ]
    return table(["µs each time, repeated", *sets], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("sets", nargs="*", default=list(SETS))
    arguments = parser.parse_args()
    if not DATA.exists():
        parser.error(f"no data sets in {DATA}; IHOMER_DATA names another folder")
    result: dict[str, Any] = {"sets": {}}
    for name in arguments.sets:
        X, Y, _, _ = matrices(events_of(name)[:EVENTS])
        result["sets"][name] = measure(X, Y)
        print(name, result["sets"][name], flush=True)
    print(parts_block(result))
    if arguments.write:
        write("kernel_parts", result)


if __name__ == "__main__":
    main()
