"""What the nearest of the last events say: votes of neighbours, and kernel ridge regression among them alone."""

from typing import NamedTuple

import numpy as np

from ihomer.kernels.common import inner, jit
from ihomer.kernels.linalg import solve_large
from ihomer.kernels.odds import LEAST_P, probability, single_log_odds
from ihomer.kernels.window import N_LABELS, N_POSITIVE, NUMBER, Window, insert_row, nearest_slots, shared_products

N_VOTERS = 5  # rows that vote
N_NEAR = 32  # rows of the local regression
_UNITS = np.float32(255.0)  # of the kernel of two rows as it is kept
_RIDGE = 0.3  # R of a row of weight 1: what the kernel does not explain
_MOST_WEIGHT = 8.0  # of a row: the ridge of a heavier one would be lost in the rounding of what is kept
_LEAST_SIMILARITY = 1e-3  # of a voter: those that have nothing in common with the event are not without a say
N_OUTPUTS = 2


class Space(NamedTuple):
    """Work space of one event."""

    best: np.ndarray  # int64[32], slots of the nearest rows, newest first
    similarity: np.ndarray  # float64[32], their dot products with the event
    share: np.ndarray  # float32[32], what their labels count in the regression
    sizes: np.ndarray  # int64[32, 2], how many positives, and labels, each has
    voters: np.ndarray  # int64[5], places of those that vote
    candidates: np.ndarray  # int64[more than slots]
    near: np.ndarray  # float32[more than slots]
    kernel: np.ndarray  # float32[32, 32]
    votes: np.ndarray  # float64[labels]
    prior: np.ndarray  # float64[labels], rates


@inner
def choose_voters(similarity, found, voters):
    """Write the places of the most similar of the `found` rows, newest first, to `voters`; return how many.

    voters : int64[5], out: the most similar one first, of equal ones the newer
    """
    count = min(found, voters.size)
    for i in range(count):
        place = np.int64(-1)
        for j in range(found):
            taken = False
            for k in range(i):
                taken |= voters[k] == j
            if not taken and (place < 0 or similarity[j] > similarity[place]):
                place = np.int64(j)
        voters[i] = place
    return count


@inner
def find_sizes(found, window, space):
    """Write how many labels the `found` rows have.

    All at once: where each lies in memory is known already, so that none has to wait until the row before has come.
    """
    for i in range(found):
        space.sizes[i, 0] = window.ring[space.best[i], N_POSITIVE]
        space.sizes[i, 1] = window.ring[space.best[i], N_LABELS]


@inner
def add_votes(i, share, window, space):
    """Add `share` to votes[l] for each label l of the i-th nearest row; an unobserved label counts as its rate says."""
    labels, slot, votes, n_positive, n_labels = window.labels, space.best[i], space.votes, space.sizes[i, 0], space.sizes[i, 1]
    for k in range(n_positive):
        votes[labels[slot, k]] += share
    for k in range(n_positive, n_labels):
        votes[labels[slot, k]] += share * space.prior[labels[slot, k]]


@inner
def vote(n_voters, window, importance, space, out):
    """Write ln(p / (1 - p)) to `out`, float32[labels], p_l = (sum of the shares of neighbours with l + m r_l) / (sum of shares
    + m).

    share : similarity times the weight of the event; m : mean share, r : rate of the label
    """
    total, votes, prior = 0.0, space.votes, space.prior
    votes[:] = 0.0
    for i in range(n_voters):
        voter = space.voters[i]
        share = max(space.similarity[voter], _LEAST_SIMILARITY) * importance[space.best[voter]]
        total += share
        add_votes(voter, share, window, space)
    mean = total / n_voters if n_voters > 0 else 1.0
    for label in range(votes.size):
        out[label] = single_log_odds((votes[label] + mean * prior[label]) / (total + mean), 1e-5)


@inner
def power(z):
    """Return the kernel ((1 + z) / 2)^8 of a dot product: near 1 it falls as exp(4 (z - 1)) does."""
    z = np.float32(0.5) + np.float32(0.5) * z
    z *= z
    z *= z
    return z * z


@inner
def in_steps(k):
    """Return a number from 0 to 1 as one of 256 steps: the nearest one."""
    return np.uint8(min(_UNITS * k, _UNITS) + np.float32(0.5))


@inner
def local_ridge(found, window, gram, importance, space, out):
    """Write the log-odds of p = r + k' (K + R)^-1 (Y - r) to `out`, float32[labels], K and k : `power` of the dot products
    among the `found` neighbours, newest first, and with the event.

    R : diagonal, 0.3 / weight of the row, of 8 at most
    gram : uint8[slots, slots], `power` of the dot products of each row with the older ones, times 255
    space.share : k' (K + R)^-1, out
    """
    best, a, share, votes, prior = space.best, space.kernel, space.share, space.votes, space.prior
    for i in range(found):
        row = gram[np.uint32(best[i])]
        for j in range(i, found):
            a[i, j] = row[np.uint32(best[j])] * (np.float32(1.0) / _UNITS)
        a[i, i] += np.float32(_RIDGE / min(importance[best[i]], _MOST_WEIGHT))
        share[i] = power(np.float32(space.similarity[i]))
    solve_large(a, share, found, np.float32(_RIDGE / _MOST_WEIGHT))
    total = 0.0
    votes[:] = 0.0
    for i in range(found):
        total += share[i]
        add_votes(i, share[i], window, space)
    for label in range(votes.size):
        out[label] = single_log_odds(prior[label] * (1.0 - total) + votes[label], LEAST_P)


@inner
def local_predict(index, value, first, last, n, window, importance, gram, base, products, space, alike, alike_share, out, at):
    """Write the two log-odds of each label to out[:, at:at + 2], and the neighbours to `alike`; see `local_rows`."""
    for label in range(space.prior.size):
        space.prior[label] = min(max(probability(out[label, base]), 1e-4), 0.9)
    shared_products(index, value, first, last, n, window, products)
    found = nearest_slots(
        products, n % window.size, min(n, window.size), window.size, space.candidates, space.near, space.best, space.similarity
    )
    find_sizes(found, window, space)
    n_voters = choose_voters(space.similarity, found, space.voters)
    vote(n_voters, window, importance, space, out[:, at])
    local_ridge(found, window, gram, importance, space, out[:, at + 1])
    for i in range(alike.size):
        alike[i] = window.ring[space.best[i], NUMBER] if i < found else -1
        alike_share[i] = space.share[i] if i < found else 0.0


@jit
def local_rows(
    features, target, weight, shrink, learn, known, number, size, of_window, importance, gram, base, products, alike, out, at
):
    """Predict each row into out[row, :, at:at + 2], and put it in the window if `learn`.

    Outputs: 5 neighbours of the window, local regression among 32
    features : indptr, feature and relevant of `Rows`; number : of the first row
    importance : float64[slots], weights of the events; base : place of the rate in `out`
    products : float32[size or more], of the last row with those of the window, out
    alike : int64[rows, 32], float64[rows, 32], numbers of the rows of the regression, -1 where there are fewer, and the weights
    of their labels there, out
    known : these, `products` and `out` already hold what a call without `learn` wrote for the one row, and nothing was learned
    since
    size, of_window : of `Window`; gram : of `local_ridge`
    """
    indptr, index, value = features
    window, n_labels = Window(size, *of_window), out.shape[1]
    space = Space(
        np.empty(N_NEAR, np.int64), np.empty(N_NEAR), np.empty(N_NEAR, np.float32), np.empty((N_NEAR, 2), np.int64),
        np.empty(N_VOTERS, np.int64),
        np.empty(size + 1, np.int64), np.empty(size + 1, np.float32), np.empty((N_NEAR, N_NEAR), np.float32),
        np.empty(n_labels), np.empty(n_labels),
    )  # fmt: skip
    for row in range(out.shape[0]):
        first, last = indptr[row], indptr[row + 1]
        n = number + row if learn else np.int64(number)
        if not known:
            local_predict(
                index, value, first, last, n, window, importance, gram, base, products, space, alike[0][row], alike[1][row],
                out[row], np.int64(at),
            )  # fmt: skip
        if learn:
            slot = n % size
            insert_row(index, value, shrink[row], first, last, target[row, :n_labels], n, window)
            importance[slot] = weight[row]
            for other in range(min(n, size)):
                gram[slot, other] = in_steps(power(shrink[row] * products[other]))
            gram[slot, slot] = in_steps(np.float32(1.0))
