"""What the nearest of the last events say: votes of neighbours, and ridge regression among them alone."""

import math

import numpy as np

from ihomer.kernels.common import inner, jit
from ihomer.kernels.linalg import solve_positive
from ihomer.kernels.odds import LEAST_P, log_odds, probability
from ihomer.kernels.window import N_LABELS, N_POSITIVE, NUMBER, insert_row, nearest_slots, shared_products

N_VOTERS = 5
N_NEAR = 16  # rows of the local regressions
_RIDGE = 0.3
_SHARPNESS = 4.0  # of the second kernel, exp(4 (z'z - 1)), that of a Gaussian on the unit sphere
_LEAST_SIMILARITY = 1e-3
N_OUTPUTS = 3


@inner
def add_votes(best, share, found, ring, labels, prior, votes):
    """Add share_i to votes[l] for each label l of each neighbour i; an unobserved label counts as its rate says."""
    for i in range(found):
        slot = best[i]
        for k in range(ring[slot, N_POSITIVE]):
            votes[labels[slot, k]] += share[i]
        for k in range(ring[slot, N_POSITIVE], ring[slot, N_LABELS]):
            votes[labels[slot, k]] += share[i] * prior[labels[slot, k]]


@inner
def vote(best, similarity, found, ring, labels, importance, prior, share, votes, out, at):
    """Write ln(p / (1 - p)), p_l = (sum of the shares of neighbours with l + m r_l) / (sum of shares + m).

    share : similarity times the weight of the event; m : mean share, r : rate of the label
    """
    total = 0.0
    for i in range(found):
        share[i] = max(similarity[i], _LEAST_SIMILARITY) * importance[best[i]]
        total += share[i]
    mean = total / found if found > 0 else 1.0
    votes[:] = 0.0
    add_votes(best, share, found, ring, labels, prior, votes)
    for label in range(votes.size):
        out[label, at] = log_odds((votes[label] + mean * prior[label]) / (total + mean), 1e-5)


@inner
def near_products(best, found, gram, ring, near):
    """Write the dot products of the neighbours with each other to `near`, float64[found, found], lower triangle.

    gram : float32[slots, slots], dot products of each row with the older ones
    """
    for i in range(found):
        for j in range(i + 1):
            newer, older = best[i], best[j]
            if ring[older, NUMBER] > ring[newer, NUMBER]:
                newer, older = older, newer
            near[i, j] = gram[newer, older]


@inner
def local_ridge(best, similarity, found, sharp, near, ring, labels, importance, prior, a, share, votes, out, at):
    """Write the log-odds of p = r + k' (K + R)^-1 (Y - r), K and k : kernel among the neighbours, and with the event.

    R : diagonal, 0.3 / weight of the row; near : float64[found, found], of `near_products`
    """
    for i in range(found):
        for j in range(i + 1):
            a[i, j] = math.exp(_SHARPNESS * (near[i, j] - 1.0)) if sharp else near[i, j]
        a[i, i] += _RIDGE / importance[best[i]]
        share[i] = math.exp(_SHARPNESS * (similarity[i] - 1.0)) if sharp else similarity[i]
    solve_positive(a, share, found)
    total = 0.0
    for i in range(found):
        total += share[i]
    votes[:] = 0.0
    add_votes(best, share, found, ring, labels, prior, votes)
    for label in range(votes.size):
        out[label, at] = log_odds(prior[label] * (1.0 - total) + votes[label], LEAST_P)


@inner
def local_predict(
    index, value, first, last, n, size, ring, importance, entry, entry_value, link, head, column_of, columns, labels, gram,
    base, products, best, similarity, share, votes, prior, near, a, out, at,
):  # fmt: skip
    """Write the three log-odds of each label to out[:, at:at + 3]; see `local_rows`."""
    for label in range(votes.size):
        prior[label] = min(max(probability(float(out[label, base])), 1e-4), 0.9)
    shared_products(index, value, first, last, n, size, ring, entry, entry_value, link, head, column_of, columns, products)
    kept = min(n, size)
    found = nearest_slots(products, n % size, kept, size, best, similarity)
    few = min(found, N_VOTERS)
    vote(best, similarity, few, ring, labels, importance, prior, share, votes, out, np.int64(at))
    near_products(best, found, gram, ring, near)
    for sharp in range(2):
        local_ridge(
            best, similarity, found, sharp == 1, near, ring, labels, importance, prior, a, share, votes, out,
            np.int64(at + 1 + sharp),
        )  # fmt: skip


@jit
def local_rows(
    indptr, index, value, target, weight, shrink, learn, known, number, size, ring, importance, entry, entry_value, link, head,
    present, column_of, columns, labels, gram, base, products, out, at,
):  # fmt: skip
    """Predict each row into out[row, :, at:at + 3], and put it in the window if `learn`.

    Outputs: 5 neighbours of the window, local regression, the same with a Gaussian kernel
    number : of the first row; importance : float64[slots], weights of the events; base : place of the rate in `out`
    products : float32[size or more], of the last row with those of the window, out
    known : `products` and `out` already hold what a call without `learn` wrote for the one row, and nothing was learned since
    The other arrays are those of `ihomer.kernels.window`.
    """
    n_labels = out.shape[1]
    best, similarity, share = np.empty(N_NEAR, np.int64), np.empty(N_NEAR), np.empty(N_NEAR)
    votes, prior, near, a = np.empty(n_labels), np.empty(n_labels), np.empty((N_NEAR, N_NEAR)), np.empty((N_NEAR, N_NEAR))
    for row in range(out.shape[0]):
        first, last = indptr[row], indptr[row + 1]
        n = number + row if learn else np.int64(number)
        if not known:
            local_predict(
                index, value, first, last, n, size, ring, importance, entry, entry_value, link, head, column_of, columns,
                labels, gram, base, products, best, similarity, share, votes, prior, near, a, out[row], np.int64(at),
            )  # fmt: skip
        if learn:
            slot = n % size
            insert_row(
                index, value, shrink[row], first, last, target[row, :n_labels], n, size, ring, entry, entry_value, link, head,
                present,
                column_of, columns, labels,
            )  # fmt: skip
            importance[slot] = weight[row]
            for other in range(min(n, size)):
                gram[slot, other] = shrink[row] * products[other]
            gram[slot, slot] = 1.0 if last > first else 0.0
