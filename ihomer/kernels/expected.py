"""The answer of largest expected example-F1 under a joint distribution of labels (Dembczynski, Waegeman et al. 2011).

The distribution enters through D[l, k] = P(label l applies, and k labels apply in all), and P(none applies).
"""

import numpy as np

from ihomer.kernels.common import copy_first, inner

MOST_ACTIVE = 64  # labels that take part
_TWO_OVER = 2.0 / np.maximum(np.arange(2 * MOST_ACTIVE + 2), 1)  # 2 / n by n: to multiply takes less time than to divide
LEAST_POSTERIOR = 1e-6  # of a seen labelset that counts
_LEAST_P = 0.003  # of a label that takes part, unless too many do
_NEGLIGIBLE = 1e-4  # probability of larger labelsets, beyond which sizes are not looked at


@inner
def active_labels(p, active, place):
    """Write the labels that may apply to `active`, int64[64], and their places there to `place`, int64[labels], else -1.

    Return how many. Where more than 64 have p > 0.003, the bound is raised until no more do.
    """
    least = _LEAST_P
    while True:
        count = 0
        for label in range(p.size):
            count += p[label] > least
        if count <= MOST_ACTIVE:
            break
        least = least * 2.0 if least < 0.4 else 0.5 * (1.0 + least)
    at = np.int64(0)
    for label in range(p.size):
        place[label] = -1
        if p[label] > least:
            active[at], place[label] = label, at
            at += 1
    return at


@inner
def add_seen(share, live, n_live, ends, pool, posterior, place, n_active, joint, marginal):
    """Add the posterior of the seen labelsets to the labels' marginals, and `share` times it to D; return the empty set's part
    of the latter, and the size of the largest of them.
    """
    none, largest = 0.0, np.int64(1)
    for i in range(n_live):
        s = np.uint32(live[i])
        if posterior[s] <= LEAST_POSTERIOR:
            continue
        w = share * posterior[s]
        size = ends[s + 1] - ends[s]
        if size == 0:
            none += w
        largest = max(largest, min(size, n_active))
        for k in range(ends[s], ends[s + 1]):
            label = np.uint32(pool[k])
            marginal[label] += posterior[s]
            if place[label] >= 0:
                joint[place[label], min(size, n_active)] += w
    return none, largest


@inner
def count_distribution(p, active, n_active, skip, size, out):
    """Write the distribution of how many of the active labels but one apply, independent: out[k] for k <= size."""
    out[: size + 1] = 0.0
    out[0] = 1.0
    for j in range(n_active):
        if j == skip:
            continue
        q = p[active[j]]
        for k in range(size, 0, -1):
            out[k] += q * (out[k - 1] - out[k])
        out[0] *= 1.0 - q


@inner
def add_independent(share, p, active, n_active, joint, counts, without):
    """Add `share` times the independent labels' part to D; return the probability that none applies, and the largest size
    worth looking at.
    """
    count_distribution(p, active, n_active, np.int64(-1), n_active, counts)
    largest, tail = n_active, 0.0
    while largest > 1 and tail + counts[largest] < _NEGLIGIBLE:
        tail += counts[largest]
        largest -= 1
    for j in range(n_active):
        q = p[active[j]]
        if q <= 0.5:  # divide the label out of the distribution
            without[0] = counts[0] / (1.0 - q)
            for k in range(1, largest):
                without[k] = max(counts[k] - q * without[k - 1], 0.0) / (1.0 - q)
        else:
            count_distribution(p, active, n_active, j, largest, without)
        for k in range(1, largest + 1):
            joint[j, k] += share * q * without[k - 1]
    return share * counts[0], largest


@inner
def expected_f1(chosen, size, joint, n_active, largest):
    """Return sum over chosen l and k of D[l, k] 2 / (size + k); chosen : uint8[active]."""
    total = 0.0
    for j in range(n_active):
        if chosen[j]:
            for k in range(1, largest + 1):
                total += joint[j, k] * _TWO_OVER[size + k]
    return total


@inner
def gains_of_size(size, joint, n_active, largest, gain):
    """Write what each label adds to the expected F1 of an answer of so many labels: sum over k of D[l, k] 2 / (size + k)."""
    for j in range(n_active):
        gain[j] = 0.0
        for k in range(1, largest + 1):
            gain[j] += joint[j, k] * _TWO_OVER[size + k]


@inner
def best_expected_f1(none, joint, n_active, largest, gain, trial, chosen):
    """Write the set of largest expected F1 to `chosen`, uint8[active]; return its size.

    For each size s the best set takes the labels that add most, see `gains_of_size`. No set of size s is worth more than
    2 / (s + 1) times the sum of D.
    """
    best, best_size = none, np.int64(0)
    chosen[:n_active] = 0
    mass = 0.0
    for j in range(n_active):
        for k in range(1, largest + 1):
            mass += joint[j, k]
    for size in range(1, n_active + 1):
        if 2.0 * mass / (size + 1) <= best:
            break
        gains_of_size(size, joint, n_active, largest, gain)
        trial[:n_active] = 0
        total = 0.0
        for _ in range(size):
            at = -1
            for j in range(n_active):
                if trial[j] == 0 and (at < 0 or gain[j] > gain[at]):
                    at = j
            trial[at] = 1
            total += gain[at]
        if total > best:
            best, best_size = total, np.int64(size)
            copy_first(trial, chosen, n_active)
    return best_size
