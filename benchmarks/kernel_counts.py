"""How many operations a kernel does, and how many bytes it moves, for one event, from its formulas and array shapes.

Counted of the formulas as they are written: each +, -, *, / of numbers of the event as one operation (`flops`), each exp, log
and square root as one more (`special`). Not counted: comparisons, minimum and maximum, whole-number work such as hashes,
indices and random numbers, and what joins constants only.

Bytes: each cell of an input, of the state and of an output that the event needs, once if it is read (`read`) and once if it
is written (`written`), however often the loops come by. Work space that lives for one event in a few kilobytes is left out.

Each function takes the arguments of one call with one row, copied before the call (`a`), and the same after it (`b`), by the
names of the kernel's parameters.
"""

import inspect
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ihomer.kernels import answers, decoding, local, rehearsal, ridge, tallies, window
from ihomer.kernels.curves import LEAST_LENGTH, MOST_LENGTH, N_KNOTS
from ihomer.kernels.expected import LEAST_POSTERIOR, MOST_ACTIVE
from ihomer.kernels.hidden import N_UNITS, Layer
from ihomer.kernels.labelsets import LOOK_BACK, N_EVENTS, N_LATEST, N_SETS, N_WORDS, Labelsets, Weighed
from ihomer.kernels.linear import BIAS
from ihomer.kernels.mixing import find_group
from ihomer.kernels.odds import POSITIVE, UNOBSERVED
from ihomer.kernels.random import uniform
from ihomer.kernels.window import N_LABELS, N_POSITIVE

__all__ = ["COUNTERS", "Count", "count_call", "solve", "solve_large"]

Arguments = SimpleNamespace
_PROBABILITY = 2  # operations of 1 / (1 + exp(-s)) beside exp
_LOG_ODDS = 2  # of ln(p / (1 - p)) beside ln
_BAYES_AT_ONCE = 12  # ratios that naive Bayes multiplies before it takes a logarithm
_MIXED = 6  # operations of mixing for each expert and label that is learned
_LEAST_CURVATURE = 1e-4


class Count(NamedTuple):
    """Operations, and bytes of the cells that are needed."""

    flops: float = 0.0
    special: float = 0.0
    read: float = 0.0
    written: float = 0.0

    def plus(self, other: "Count") -> "Count":
        """Return the sum of both."""
        return Count(*(mine + its for mine, its in zip(self, other, strict=True)))

    @property
    def operations(self) -> float:
        """All operations."""
        return self.flops + self.special

    @property
    def moved(self) -> float:
        """All bytes."""
        return self.read + self.written


def solve(n: int) -> Count:
    """Count Cholesky's method for n unknowns: n (n - 1) (n + 1) / 3 for the sums of G, n (n + 1) / 2 to divide, 2 n^2 after."""
    return Count((n - 1) * n * (n + 1) / 3 + n * (n + 1) / 2 + 2 * n * n, n)


def solve_large(n: int) -> Count:
    """Count the same by L D L', four columns at a time, for n unknowns and those that make n divisible by 4."""
    padded = -(-n // 4) * 4
    flops = n * n  # divisions by D, and products with L'
    for k in range(0, padded, 4):
        flops += sum(3 + 2 * (padded - row) for pivot in range(k, k + 4) for row in range(pivot + 1, k + 4))
        flops += 4 + sum(12 + 8 * (padded - row) for row in range(k + 4, padded))
    return Count(flops)


def linear(a: Arguments, b: Arguments) -> Count:
    """Count the models of relevant values and of values as given; see `_models`."""
    labels = a.out.shape[1]
    n, observed = _pairs(a.indptr), _observed(a.target, labels)
    count = Count(read=4 * n + labels * (1 + 4 * (a.base >= 0)))
    for w, models in ((a.weights, len(a.rates)), (a.raw_weights, len(a.raw_rates))):
        count = count.plus(_models(n, labels, _padded(labels, w.shape[2]), models, observed, a.learn, a.known))
    return count


def _models(n: int, labels: int, width: int, models: int, observed: int, learn: bool, known: bool) -> Count:
    """Count M regressions of L labels on P pairs: 2 P L for W x and for the step each, and what is done for each label."""
    flops, special = (0 if known else labels + width * (1 + 2 * n)), 0
    if learn:
        flops += 1 + 3 * labels + width * (2 + 2 * n) + observed
        special += labels
    rows = 4 * (n + 1) * width * models
    return Count(models * flops + learn, models * special, 4 * n + rows, 4 * labels * models + rows * learn)


def rehearsed(a: Arguments, b: Arguments) -> Count:
    """Count scores of both models, and steps: of the additive one for the event and four of those kept, by `_additive_step`; of
    the hidden layer for the event and two of those, by `_hidden_score` and `_hidden_step`; and `_relevance`.

    Of P pairs, C are of centred features: their curves have two rows of weights each in what is read and moved.
    """
    indptr, index, position, is_centred, is_new = a.features
    target, number, size, w = a.target, a.number, a.size, a.w
    layer, after, kept = Layer(*a.of_layer), Layer(*b.of_layer), rehearsal.Past(*b.kept)
    n, labels, units = _pairs(indptr), a.out.shape[1], 4 * N_UNITS
    own = slice(indptr[0], indptr[1])
    c, n_new = int(is_centred[own].sum()), int(is_new[own].sum())
    width = _padded(labels, w.shape[1])
    rows = width * w.itemsize
    active = _active(index[own], position[own], is_centred[own], is_new[own], layer)
    read = 9 * n + 4 * labels + (n + c + 1) * rows + (n + 2 * c + 1) * units + active * rows
    count = Count(2 * labels + 3 * n + 2 * c, 2, read, 8 * labels).plus(_additive_score(n, c, width))
    count = count.plus(_hidden_score(n, c, width, active)).plus(_relevance(n, n_new, bool(a.strength.any())))
    if not a.learn:
        return count
    if (number + 1) % rehearsal._MEASURED == 0:
        count = count.plus(Count(2 * N_UNITS * width, 0, N_UNITS * rows, 4 * N_UNITS))
    stored, observed = min(n, kept.entry.shape[1]), _observed(target, labels)
    written = 9 * stored + (n + c + 1) * rows + (n + 2 * c + 1) * (units + 8) + active * (rows + 8)
    count = count.plus(Count(5, 0, labels, written)).plus(_additive_step(n, c, labels, width, observed))
    places = np.append(index[own] % (len(layer.lower) - 1), len(layer.lower) - 1)
    if (layer.lower_square[places] == 0.0).any():
        active = _active(index[own], position[own], is_centred[own], is_new[own], after)
        count = count.plus(_hidden_score(n, c, width, active))
    count = count.plus(_hidden_step(n, c, labels, width, observed, active))
    for time in range(rehearsal._TIMES):
        slot = int(uniform(0, int(number), time) * min(number + 1, size))
        past, positive, marked = kept.sizes[slot].tolist()
        curved = int(kept.is_centred[slot, :past].sum())
        observed = labels - (marked - positive)
        moved = (past + curved + 1) * rows
        count = count.plus(Count(1, 0, 9 * past + 4 * marked + moved, moved)).plus(_additive_score(past, curved, width))
        count = count.plus(_additive_step(past, curved, labels, width, observed))
        if time < rehearsal._HIDDEN_TIMES:
            moved = (past + 2 * curved + 1) * (units + 8)
            pairs = kept.entry[slot, :past], kept.position[slot, :past], kept.is_centred[slot, :past]
            active = _active(*pairs, np.zeros(past, np.bool_), after)
            count = count.plus(_hidden_score(past, curved, width, active))
            count = count.plus(_hidden_step(past, curved, labels, width, observed, active))
            count = count.plus(Count(0, 0, moved, moved))
    return count


def _additive_score(n: int, c: int, width: int) -> Count:
    """Count 2 L for each line and 4 L for each curve, L places of labels, and the shares of the knots."""
    return Count(width * (1 + 2 * (n - c) + 4 * c) + (n - c) + 5 * c + 2)


def _additive_step(n: int, c: int, labels: int, width: int, observed: int) -> Count:
    """Count the errors, and the same for the weights that move."""
    return Count(4 * labels + observed, labels).plus(_additive_score(n, c, width)).plus(Count(width))


def _padded(labels: int, room: int) -> int:
    return min((labels + 15) // 16 * 16, room)


def _active(index: Any, position: Any, is_centred: Any, is_new: Any, layer: Layer) -> int:
    """Return how many hidden units an event wakes, with the constant: from the weights before or after a step, about."""
    between = np.clip(position + 2.0, 0.0, N_KNOTS - 1.0)
    knot = np.minimum(between.astype(int), N_KNOTS - 2)
    share = between - knot
    square = np.where(is_centred, (1.0 - share) ** 2 + share**2, position.astype(float) ** 2)
    known = square[~is_new].sum() or square.sum()
    part = 1.0 / np.clip(np.sqrt(known), LEAST_LENGTH, MOST_LENGTH)
    row, at = index % (len(layer.lower) - 1), index % (layer.curves.shape[1] - 1)
    total = float(BIAS) * layer.lower[-1] + part * (position @ layer.lower[row])
    curved = (1.0 - share)[:, None] * layer.curves[knot, at] + share[:, None] * layer.curves[knot + 1, at]
    return 1 + int((total + part * curved[is_centred].sum(axis=0) > 0.0).sum())


def _hidden_score(n: int, c: int, width: int, active: int) -> Count:
    """Count U' x and curves, 2 P + 4 C + 1 for each unit, and V' h, 2 for each active unit and place of a label."""
    return Count(N_UNITS * (1 + 2 * n + 4 * c) + 2 * active * width + n + 5 * c + 2)


def _relevance(n: int, n_new: int, is_known: bool) -> Count:
    """Count 3 U for each feature and U units, and some for its value, which is brought to unit length."""
    count = Count(n * (3 * N_UNITS - 1) + n - n_new, 0, 5 * n + 4 * n * N_UNITS)
    if not is_known or n == n_new:
        return count
    return count.plus(Count(10 * n - 5 * n_new + 4, n + 2, 4 * n, 4 * n))


def _hidden_step(n: int, c: int, labels: int, width: int, observed: int, active: int) -> Count:
    """Count the errors, what flows back, 2 L for each active unit, and the steps: 2 for each weight moved, 5 for each row."""
    units, lower = N_UNITS, n + 2 * c + 1
    rows = active + lower
    flops = labels * (2 + _PROBABILITY) + observed + 2 * (active - 1) * labels + 2 * (labels + units) + 2
    return Count(flops + 5 * rows + 2 * active * width + 2 * lower * units, labels + rows)


def ridged(a: Arguments, b: Arguments) -> Count:
    """Count, with U places in use, n of them met by the event, and W weights of each place, two for each label: 2 n W for the
    scores and 2 (n + W) s for s steps of W that wait, 2 n U and 2 (n + U) s for the gain and s steps of P that wait; where the
    steps are taken in, 8 for each weight and four steps, and 8 for each covariance.
    """
    indptr, index, _ = a.features
    before, after = ridge.Regressions(*a.of_models), ridge.Regressions(*b.of_models)
    hand, falls = after.hand, int(before.hand[ridge.FALLS])
    n, labels, waiting = _pairs(indptr), a.out.shape[1], int(before.hand[ridge.WAITING])
    width = before.errors.shape[1] // 2 + labels
    met = 1 + int((after.place_of[index[indptr[0] : indptr[1]]] >= 0).sum())
    count = Count(2 * met * width + 2 * waiting * (met + width) + labels * (_LOG_ODDS + 1), labels)
    count = count.plus(Count(read=12 * n + 4 * labels + 4 * (met + waiting) * width + 4 * waiting * met, written=8 * labels))
    if not a.learn:
        return count
    used, observed = int(hand[ridge.USED]), _observed(a.target, labels)
    flops = n + 2 * (n + 1 - met) + (met - 1) + 2 * met * used + falls * (2 * met + 1 + 2 * used) + 2 * met
    learned = int(hand[ridge.FALLS] != falls)
    count = count.plus(Count(flops + 3 + 7 * observed + 4 * learned, observed))
    count = count.plus(
        Count(read=8 * n + labels + 4 * used * (met + falls), written=8 * n + 4 * used * (1 + learned) + 8 * labels)
    )  # fmt: skip
    if not hand[ridge.WAITING]:
        moved = 4 * used * 2 * width
        count = count.plus(Count(2 * ridge.AT_ONCE * used * width, 0, moved, moved))
    if learned and not hand[ridge.FALLS]:
        noisy = int((np.diag(before.covariance)[:used] < np.float32(1.0 / ridge.RIDGE)).sum())
        moved = 4 * used * used
        count = count.plus(Count(2 * ridge.FALLS_AT_ONCE * (used + 1) * used + noisy, 0, moved, moved))
    return count


def naive_bayes(a: Arguments, b: Arguments) -> Count:
    """Count 5 operations for each label and feature that is known, 9 for each label, a logarithm for each twelve ratios."""
    pairs = slice(a.indptr[0], a.indptr[1])
    features = a.index[pairs][a.is_present[pairs]] % len(a.counts)
    n, labels = len(features), a.out.shape[1]
    known = int((a.totals[features] > 0.0).sum())
    groups = -(-known // _BAYES_AT_ONCE)
    count = Count(
        labels * (9 + 5 * known + groups), labels * (1 + groups), 12 * n + labels * (16 + 4 * known), 4 * labels
    )  # fmt: skip
    if a.known:
        count = Count()
    if not a.learn:
        return count
    positive = int((a.target[0, :labels] == POSITIVE).sum())
    unobserved = labels - _observed(a.target, labels)
    flops = n + 3 * labels + 2 * n * (positive + unobserved) + 3 * unobserved
    return count.plus(Count(flops, 0, labels, 8 * n + 16 * labels + 4 * n * (positive + unobserved)))


def _mix(labels: int, inputs: int, groups: int, moved: int, observed: int, curved: int, known: bool) -> Count:
    """Count the mixing, unless what comes of it is `known`, and learning of one row with G groups of labels; `moved` sets of
    weights have something to learn, `curved` labels are uncertain enough to take part in the information.
    """
    n, sets = inputs + 1, groups + 1
    solved = -(-moved // 4) * 4  # four at a time
    flops = (0 if known else groups * n + labels * (1 + 3 * inputs)) + 2 * sets * n * n + observed * (15 + _MIXED * inputs)
    flops += curved * n * (n + 2) + (moved - 1) * n + (solved + moved) * n
    count = Count(flops, 2 * observed)
    for _ in range(solved):
        count = count.plus(solve(n))
    return count


def mixed(a: Arguments, b: Arguments) -> Count:
    """Count 3 E for each label's log-odds of E inputs and 2 E for its group, 6 E to learn it, (E + 1) (E + 3) for the
    information; and systems of E + 1 unknowns, for all labels and for each group that has an observed one.
    """
    labels, n_inputs = a.inputs.shape[1:]
    groups = len(a.weights) - 1
    grouping = Count(labels * 2 * n_inputs)
    if not a.learn:
        flops = groups * (n_inputs + 1) + labels * (1 + 3 * n_inputs)
        return grouping.plus(Count(flops, 0, labels * (4 + 4 * n_inputs + 16 * (n_inputs + 1)), 8 * labels))
    p = 1.0 / (1.0 + np.exp(-b.out[0]))
    seen = a.target[0, :labels] != UNOBSERVED
    curved = int((min(a.weight[0], 8.0) * p * (1.0 - p) > _LEAST_CURVATURE)[seen].sum())
    group = {find_group(s, a.start, rate[0]) for s, rate in zip(a.inputs[0][seen], a.rate[0][seen], strict=True)}
    cells = 16 * labels * (n_inputs + 1) + 8 * (groups + 1) * (n_inputs + 1) * (n_inputs + 2)
    count = grouping.plus(_mix(labels, n_inputs, groups, 1 + len(group), int(seen.sum()), curved, a.known))
    return count.plus(Count(read=labels * (4 * n_inputs + 5) + cells, written=8 * labels + cells))


def near(a: Arguments, b: Arguments) -> Count:
    """Count dot products with the N rows of the window, 2 N for a feature with a column, 2 for each row met over links for
    another; a system of up to 32 unknowns; 13 operations for each label; and 8 for the kernel with each row, once learned.
    """
    indptr, index, _ = a.features
    kept_rows, products, size = window.Window(a.size, *a.of_window), b.products, a.size
    ring, column_of = kept_rows.ring, kept_rows.column_of
    n, labels, kept = _pairs(indptr), a.out.shape[1], min(a.number, size)
    own = index[indptr[0] : indptr[1]]
    has_column = column_of[own] >= 0
    columns, walked = int(has_column.sum()), int(kept_rows.present[own[~has_column]].sum())
    flops, special, read = 2 * labels + n + 2 * (columns * kept + walked), labels, 16 * n + 2 * columns * kept + 14 * walked
    order = (int(a.number) - 1 - np.arange(kept)) % size
    order = order[products[order] > 0.0]
    nearest = order[np.argsort(-products[order], kind="stable")]
    voters = nearest[: local.N_VOTERS]
    flops += 2 * len(voters) + (len(voters) > 0) + _votes(ring, voters) + (4 + _LOG_ODDS) * labels
    special += labels
    rows, m = nearest[: local.N_NEAR], min(len(nearest), local.N_NEAR)
    pairs = m * (m + 1) // 2
    flops += 3 * _halvings(products[:kept], local.N_NEAR)
    flops += 3 * m + pairs + 5 * m + solve_large(m).flops + _votes(ring, rows) + (3 + _LOG_ODDS) * labels
    special += labels
    read += 4 * labels + 4 * kept + pairs + 8 * m + 4 * int(ring[rows, N_LABELS].sum())
    count = Count(flops, special, read, 4 * local.N_OUTPUTS * labels + 4 * kept + 16 * m) if not a.known else Count()
    if not a.learn:
        return count
    stored = min(n, kept_rows.entry.shape[1])
    with_column = int((column_of[own[:stored]] >= 0).sum())
    return count.plus(Count(3 * stored + 8 * kept, 0, labels + 12 * n, 18 * stored + 2 * with_column + kept + 32))


def _halvings(products: NDArray[np.float32], m: int) -> int:
    """Return how often the span of the products is halved: until few more than m, but six times at most, and then until m of
    those above are above the middle, or the rest are equal.
    """
    low, high = np.float32(0.0), max(np.float32(0.0), products.max(initial=np.float32(0.0)))
    coarse, top = 0, high
    while coarse < window._HALVINGS:
        coarse += 1
        middle = np.float32(0.5) * low + np.float32(0.5) * high
        above = int((products > middle).sum())
        low, high = (middle, high) if above >= m else (low, middle)
        if m <= above <= window._FEW * m:
            break
    if (products > low).sum() <= m:
        return coarse
    high = top
    for halvings in range(coarse + 1, 1000):
        middle = np.float32(0.5) * low + np.float32(0.5) * high
        above = int((products > middle).sum())
        if middle <= low or middle >= high or above == m:
            return halvings
        low, high = (middle, high) if above > m else (low, middle)
    raise AssertionError("a float has no thousand digits")


def decoded(a: Arguments, b: Arguments) -> Count:
    """Count the balanced answer; see `_weighing`, `_joining`, `_answering`, `_noting` and `_scored` for its parts.

    How many sizes of answers are looked at for the best expected F1, and how often a label is exchanged, is not to be seen from
    outside: the size of the answer and one more are counted, and one look at all exchanges.
    """
    sets, header = Labelsets(*a.of_sets), a.of_sets[0]
    if len(b.odds) <= a.start or (a.learn and header[N_EVENTS] == b.of_sets[0][N_EVENTS]):  # it only asked for room
        return Count()
    odds, target, judged = a.odds[0], a.target[0], a.judged[0]
    _, _, by_set, live, _, found = b.made_from
    weighed, proba, answer = Weighed(by_set[0], by_set[1], by_set[2], by_set[3], by_set[4], live), b.proba[0], b.answer[0]
    posterior = weighed.posterior
    labels, n_sets = len(odds), int(header[N_SETS])
    met = tallies.Tallies(*a.of_tallies).own[:, tallies.SIZE] > 0.0
    p = np.where(met, 1.0 / (1.0 + np.exp(-odds)), 0.0)
    active = active_of(p)
    near_sets, new = weighed.live[: int(found[decoding.N_LIVE])], float(found[decoding.NEW])
    count = Count(2 * met.sum() + 2 * labels, met.sum() + labels, 9 * labels, 9 * labels)
    n, width = _pairs(a.features[0]), _padded(labels, a.w.shape[1])
    rows = 4 * (n + 1) * width
    count = count.plus(Count(0 if a.known else width * (1 + 2 * n), 0, 8 * n + rows))
    is_recent = header[N_EVENTS] - sets.last_seen[:n_sets] <= LOOK_BACK
    count = count.plus(_weighing(sets.ends, sets.pool, active, is_recent, len(near_sets), labels))
    count = count.plus(_lifting(a.alike[0][0], n_sets, sets.latest, int(header[N_EVENTS]), weighed.lift))
    sizes = np.diff(sets.ends)[near_sets]
    weighty = posterior[near_sets] > LEAST_POSTERIOR
    largest_seen = int(min(sizes[weighty].max(initial=1), len(active)))
    joined, largest_new = _joining(p[active], int(weighty.sum()), int(sizes[weighty].sum()))
    largest = max(largest_seen, largest_new)
    tried = min(answers.MOST_CANDIDATES, 3 + int(((1.0 - new) * posterior[near_sets] > answers.LEAST_CANDIDATE).sum()))
    count = count.plus(joined).plus(_answering(len(active), largest, tried, int(answer.sum())))
    n_inputs = decoding.Mixture(*a.of_mixture).weights.shape[1] - 1
    final = Count((4 + _LOG_ODDS) * met.sum() + _PROBABILITY * labels, met.sum() + labels, 32 * labels + 16 * labels)
    count = count.plus(final)
    if not a.learn:
        return count.plus(Count((1 + 3 * n_inputs) * labels))
    known = target[:labels] != UNOBSERVED
    mixed = judged[:labels] != UNOBSERVED
    curved = int((proba * (1.0 - proba) > _LEAST_CURVATURE)[mixed].sum())
    count = count.plus(_mix(labels, n_inputs, 0, 1, int(mixed.sum()), curved, a.known))
    count = count.plus(_noting(int(met.sum())))
    if not known.all():  # the labelset is not learned
        return count
    count = count.plus(_scored(n, width, int((target[:labels] == POSITIVE).sum())))
    return count.plus(Count(60 * len(near_sets) + 150, 6, labels + 40 * len(near_sets), 48 * labels + 72))


def _scored(n: int, width: int, size: int) -> Count:
    """Count the step of the scores of labels: 1 for each label that applies; 3 for each error, and 2 P + 2 for the weights of
    each label.
    """
    return Count(size + width * (5 + 2 * n) + 3, 0, 0, 4 * (n + 1) * width)


def active_of(p: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the labels that take part in a joint answer: those of p > 0.003, or above the bound that leaves 64."""
    least = 0.003
    while (p > least).sum() > MOST_ACTIVE:
        least = 2.0 * least if least < 0.4 else 0.5 * (1.0 + least)
    return np.flatnonzero(p > least)


def _weighing(ends: Any, pool: Any, active: Any, is_recent: Any, n_live: int, n_labels: int) -> Count:
    """Count the weighing of all seen labelsets: two sums and a product over the members of each that its signature, 64 bits for
    64 labels, does not rule out, 14 operations for each possible one, 2 and ln for each of these that is recent, exp for each
    label that may apply and each live set.
    """
    is_active, n_sets = np.zeros(n_labels, bool), len(is_recent)
    is_active[active] = True
    members, size = pool[: ends[n_sets]], np.diff(ends[: n_sets + 1])
    owner = np.repeat(np.arange(n_sets), size)
    has_bit = np.zeros(64 * N_WORDS, bool)
    has_bit[active % len(has_bit)] = True
    let_through, possible = (np.bincount(owner, ~good[members % len(good)], n_sets) == 0 for good in (has_bit, is_active))
    walked, n_possible = int(size[let_through].sum()), int((let_through & possible).sum())
    n_recent = int((let_through & possible & is_recent).sum())
    flops = 3 * walked + 14 * n_possible + 2 * n_recent + 2 * n_live
    read = 8 * n_sets * min(N_WORDS, (n_labels + 63) // 64) + 4 * walked + 48 * n_possible
    return Count(flops, n_recent + 1 + len(active) + n_live, read, 8 * (n_sets + 4 * n_possible) + 4 * n_sets)


def _lifting(alike: Any, n_sets: int, latest: Any, now: int, lift: Any) -> Count:
    """Count how often seen labelsets occur among events alike: 2 operations for each event, 7 and a logarithm for each labelset
    that these have.
    """
    recent = alike[(alike >= max(now - N_LATEST, 0)) & (alike < now)]
    sets = latest[recent % N_LATEST]
    sets = sets[sets >= 0]
    more = int((lift[np.unique(sets)] > 0.0).sum())
    return Count(2 * len(sets) + 7 * more, more, 20 * len(alike), 16 * n_sets)


def _joining(p: NDArray[np.float64], n_sets: int, n_members: int) -> tuple[Count, int]:
    """Count the joint distribution of A active labels and sizes up to k: A (3 A + 2) for that of the sizes, 7 A k to divide
    each label out of it (3 A k where its p is above 1/2, and the distribution without it) and to add it up.

    Return it, and the largest size worth looking at.
    """
    sizes = np.ones(1)
    for q in p:
        sizes = np.convolve(sizes, [1.0 - q, q])
    n, largest = len(p), len(p)
    tail = 0.0
    while largest > 1 and tail + sizes[largest] < 1e-4:
        tail += sizes[largest]
        largest -= 1
    likely = int((p > 0.5).sum())
    flops = n * (3 * n + 2) + (n - largest) * 2
    flops += (n - likely) * (2 + 4 * (largest - 1)) + likely * (n - 1) * (3 * largest + 2) + 3 * n * largest
    return Count(flops + n_sets + 2 * n_members, 0, 4 * n_members), largest


def _answering(n_active: int, largest: int, tried: int, size: int) -> Count:
    """Count the choice of an answer: 14 for each active label's worth; 3 A k for the mass and for each size the gains of the
    best expected F1; for each answer tried 2 A, and 2 k for each of its labels; for the best exchange twice the gains, and 7
    for each active label.
    """
    flops = 14 + 14 * n_active
    flops += n_active * largest + (size + 2) * (2 * n_active * largest + 3)
    flops += tried * (2 * n_active + 2 * size * largest + size + 6)
    flops += 4 * n_active * largest + 7 * n_active + 4 * size
    return Count(flops, tried, 16 * n_active)


def _noting(n_labels: int) -> Count:
    """Count what the answers are expected to be worth, for each label that has been met: 16 each."""
    return Count(8 + 16 * n_labels, 0, 16 * n_labels, 16 * n_labels)


def _pairs(indptr: Any) -> int:
    return int(indptr[1] - indptr[0])


def _observed(target: Any, n_labels: int) -> int:
    return int((target[0, :n_labels] != UNOBSERVED).sum())


def _votes(ring: Any, rows: Any) -> int:
    positive, all_labels = ring[rows, N_POSITIVE].sum(), ring[rows, N_LABELS].sum()
    return int(positive + 2 * (all_labels - positive))


COUNTERS: dict[str, Callable[[Arguments, Arguments], Count]] = {
    "linear_rows": linear,
    "rehearsal_rows": rehearsed,
    "ridge_rows": ridged,
    "bayes_rows": naive_bayes,
    "mix_rows": mixed,
    "local_rows": near,
    "decode_rows": decoded,
}
"""Name of a kernel -> what counts its work for one event."""


def count_call(kernel: Any, before: Sequence[Any], after: Sequence[Any]) -> Count:
    """Return the work of a call of one of `COUNTERS` for one event, from the arguments copied before and as they are after.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmarks.kernel_counts import count_call
    >>> from ihomer.kernels.mixing import mix_rows, own_start, weights_start
    >>> inputs, weights = np.zeros((1, 3, 2), np.float32), weights_start(0, (1.0, 1.0))
    >>> rate, target, weight = np.zeros((1, 3, 1), np.float32), np.zeros((1, 3), np.uint8), np.ones(1)
    >>> start = weights[0][0, :-1]
    >>> call = (inputs, rate, target, weight, False, False, start, *weights, own_start(3, 2), np.zeros((1, 3)))
    >>> count_call(mix_rows, call, call).flops
    33
    """
    names = inspect.signature(kernel.py_func).parameters
    a, b = (SimpleNamespace(**dict(zip(names, arguments, strict=True))) for arguments in (before, after))
    return COUNTERS[kernel.py_func.__name__](a, b)
