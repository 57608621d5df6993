"""What the nearest of the last events say: votes of neighbours, and kernel ridge regression among them alone."""

import numpy as np

from ihomer.kernels.common import inner, jit
from ihomer.kernels.linalg import solve_large
from ihomer.kernels.odds import LEAST_P, probability, single_log_odds
from ihomer.kernels.window import N_LABELS, N_POSITIVE, NUMBER, insert_row, nearest_slots, shared_products

N_VOTERS = 5
N_NEAR = 32  # rows of the local regression
_UNITS = np.float32(255.0)  # of the kernel of two rows as it is kept
_RIDGE = 0.3
_MOST_WEIGHT = 8.0  # of a row: the ridge of a heavier one would be lost in the rounding of what is kept
_LEAST_SIMILARITY = 1e-3
N_OUTPUTS = 2


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
def add_votes(slot, share, ring, labels, prior, votes):
    """Add `share` to votes[l] for each label l of the row in a slot; an unobserved label counts as its rate says."""
    for k in range(ring[slot, N_POSITIVE]):
        votes[labels[slot, k]] += share
    for k in range(ring[slot, N_POSITIVE], ring[slot, N_LABELS]):
        votes[labels[slot, k]] += share * prior[labels[slot, k]]


@inner
def vote(voters, n_voters, best, similarity, ring, labels, importance, prior, votes, out, at):
    """Write ln(p / (1 - p)), p_l = (sum of the shares of neighbours with l + m r_l) / (sum of shares + m).

    share : similarity times the weight of the event; m : mean share, r : rate of the label
    """
    total = 0.0
    votes[:] = 0.0
    for i in range(n_voters):
        slot = best[voters[i]]
        share = max(similarity[voters[i]], _LEAST_SIMILARITY) * importance[slot]
        total += share
        add_votes(slot, share, ring, labels, prior, votes)
    mean = total / n_voters if n_voters > 0 else 1.0
    for label in range(votes.size):
        out[label, at] = single_log_odds((votes[label] + mean * prior[label]) / (total + mean), 1e-5)


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
def local_ridge(best, similarity, found, gram, ring, labels, importance, prior, a, share, votes, out, at):
    """Write the log-odds of p = r + k' (K + R)^-1 (Y - r), K and k : `power` of the dot products among the neighbours, newest
    first, and with the event.

    R : diagonal, 0.3 / weight of the row, of 8 at most
    gram : uint8[slots, slots], `power` of the dot products of each row with the older ones, times 255
    share : float64[found], k' (K + R)^-1, out; a : float64[32, 32], work space
    """
    for i in range(found):
        row = gram[best[i]]
        for j in range(i, found):
            a[i, j] = row[best[j]] * (1.0 / _UNITS)
        a[i, i] += _RIDGE / min(importance[best[i]], _MOST_WEIGHT)
        share[i] = power(similarity[i])
    solve_large(a, share, found, _RIDGE / _MOST_WEIGHT)
    total = 0.0
    votes[:] = 0.0
    for i in range(found):
        total += share[i]
        add_votes(best[i], share[i], ring, labels, prior, votes)
    for label in range(votes.size):
        out[label, at] = single_log_odds(prior[label] * (1.0 - total) + votes[label], LEAST_P)


@inner
def local_predict(
    index, value, first, last, n, size, ring, importance, entry, entry_value, link, head, column_of, columns, labels, gram,
    base, products, candidates, near, voters, best, similarity, share, votes, prior, a, alike, alike_share, out, at,
):  # fmt: skip
    """Write the two log-odds of each label to out[:, at:at + 2], and the neighbours to `alike`; see `local_rows`."""
    for label in range(votes.size):
        prior[label] = min(max(probability(out[label, base]), 1e-4), 0.9)
    shared_products(index, value, first, last, n, size, ring, entry, entry_value, link, head, column_of, columns, products)
    found = nearest_slots(products, n % size, min(n, size), size, candidates, near, best, similarity)
    n_voters = choose_voters(similarity, found, voters)
    vote(voters, n_voters, best, similarity, ring, labels, importance, prior, votes, out, np.int64(at))
    local_ridge(best, similarity, found, gram, ring, labels, importance, prior, a, share, votes, out, np.int64(at + 1))
    for i in range(alike.size):
        alike[i] = ring[best[i], NUMBER] if i < found else -1
        alike_share[i] = share[i] if i < found else 0.0


@jit
def local_rows(
    indptr, index, value, target, weight, shrink, learn, known, number, size, ring, importance, entry, entry_value, link, head,
    present, column_of, columns, labels, gram, base, products, alike, alike_share, out, at,
):  # fmt: skip
    """Predict each row into out[row, :, at:at + 2], and put it in the window if `learn`.

    Outputs: 5 neighbours of the window, local regression among 32
    number : of the first row; importance : float64[slots], weights of the events; base : place of the rate in `out`
    products : float32[size or more], of the last row with those of the window, out
    alike, alike_share : int64[rows, 32], float64[rows, 32], numbers of the rows of the regression, -1 where there are fewer,
    and the weights of their labels there, out
    known : these, `products` and `out` already hold what a call without `learn` wrote for the one row, and nothing was learned
    since
    The other arrays are those of `ihomer.kernels.window`.
    """
    n_labels = out.shape[1]
    best, similarity, share = np.empty(N_NEAR, np.int64), np.empty(N_NEAR), np.empty(N_NEAR)
    votes, prior, a = np.empty(n_labels), np.empty(n_labels), np.empty((N_NEAR, N_NEAR))
    candidates, near, voters = np.empty(size + 1, np.int64), np.empty(size + 1, np.float32), np.empty(N_VOTERS, np.int64)
    for row in range(out.shape[0]):
        first, last = indptr[row], indptr[row + 1]
        n = number + row if learn else np.int64(number)
        if not known:
            local_predict(
                index, value, first, last, n, size, ring, importance, entry, entry_value, link, head, column_of, columns,
                labels, gram, base, products, candidates, near, voters, best, similarity, share, votes, prior, a, alike[row],
                alike_share[row], out[row], np.int64(at),
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
                gram[slot, other] = in_steps(power(shrink[row] * products[other]))
            gram[slot, slot] = in_steps(np.float32(1.0))
