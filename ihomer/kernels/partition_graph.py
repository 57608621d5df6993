"""The graph of labels that occur together, and the tests that cut it: pivots, sides, separation, moves.

`count` float64[labels] says how often each label occurred. The graph is in CSR form: neighbours of label x are
`neighbour[start[x]:start[x + 1]]`, int32, ascending; `together` float64 says how often x and each of them occurred together,
`energy` float64 is the square of their similarity beyond chance, shrunk by the evidence: with N the weight of all events,

    e_xy = (max(0, n_xy - n_x n_y / N) / (n_x + n_y - n_xy + ln(1 / delta)))^2.

A sum of energies is dominated by a label's nearest neighbours; the many weak links of chance hardly count in it.
`group` int32[labels] tells labels apart: the labels of group g are the cluster being tested. `member` int32[m] lists them,
the most frequent first.
"""

import math

import numpy as np

from ihomer.kernels.common import INDEX, VALUE, allocating, inner, jit
from ihomer.kernels.partition_counts import EMPTY

MASK = 0xFFFFFFFF
PASSES = 10  # of improvement of two sides


@inner
def _fill(keys, values, unit, position, neighbour, together):
    for slot in range(keys.size):
        if keys[slot] != EMPTY:
            i, j = keys[slot] >> 32, keys[slot] & MASK
            neighbour[position[i]] = j
            neighbour[position[j]] = i
            together[position[i]] = together[position[j]] = values[slot] * unit
            position[i] += 1
            position[j] += 1


@allocating
def _starts(keys, n_labels):
    start = np.zeros(n_labels + 1, np.int64)
    for slot in range(keys.size):
        if keys[slot] != EMPTY:
            start[(keys[slot] >> 32) + 1] += 1
            start[(keys[slot] & MASK) + 1] += 1
    for x in range(n_labels):
        start[x + 1] += start[x]
    return start


@jit
def label_graph(keys, values, count, unit, n_events, log_term):
    """Return (start, neighbour, together, energy) of all pairs; `unit` times a stored value is a count.

    The rows are sorted by writing a symmetric matrix out once by slots and once more by rows.
    """
    start = _starts(keys, count.size)
    unsorted = np.empty(start[-1], INDEX)
    unsorted_together = np.empty(start[-1], VALUE)
    _fill(keys, values, unit, start[:-1].copy(), unsorted, unsorted_together)
    neighbour = np.empty(start[-1], INDEX)
    together = np.empty(start[-1], VALUE)
    energy = np.empty(start[-1], VALUE)
    position = start[:-1].copy()
    for x in range(count.size):
        for k in range(start[x], start[x + 1]):
            y, n_xy = unsorted[k], unsorted_together[k]
            beyond_chance = max(0.0, n_xy - count[x] * count[y] / n_events)
            similarity = beyond_chance / (count[x] + count[y] - n_xy + log_term)
            neighbour[position[y]] = x
            together[position[y]] = n_xy
            energy[position[y]] = similarity * similarity
            position[y] += 1
    return start, neighbour, together, energy


@inner
def dissimilarity(n_x, n_y, n_xy):
    """Return d = 1 - n_xy / (n_x + n_y - n_xy); 1 where nothing is known."""
    either = n_x + n_y - n_xy
    return 1.0 - n_xy / either if either > 0.0 else 1.0


@jit
def pair_statistics(member, group, count, start, neighbour, together):
    """Return (d1, d2, d0, mean) of the dissimilarities in a cluster: the largest two, the least, the mean.

    Pairs without an edge have d = 1; only the edges are visited.
    """
    g = group[member[0]]
    d1, d2, d0, total, stored = -1.0, -1.0, 2.0, 0.0, 0
    for x in member:
        for k in range(start[x], start[x + 1]):
            y = neighbour[k]
            if y > x and group[y] == g:
                d = dissimilarity(count[x], count[y], together[k])
                stored += 1
                total += d
                d0 = min(d0, d)
                d2 = max(d2, min(d, d1))
                d1 = max(d1, d)
    pairs = member.size * (member.size - 1) // 2
    if stored < pairs:
        d2 = 1.0 if pairs - stored > 1 else max(d1, d2)
        d1 = 1.0
        d0 = min(d0, 1.0)
    mean = (total + (pairs - stored)) / pairs
    return d1, max(d2, 0.0), d0, mean


@allocating
def _frequent_strangers(member, group, start, neighbour, rank):
    """Return the ranks (a, b) of two labels without an edge: b as frequent as can be, then a; (-1, -1) if none.

    Each label that is passed over has edges to all more frequent ones, so that the work is bounded by the edges.
    """
    g = group[member[0]]
    seen = np.full(member.size, -1, np.int64)
    for b in range(1, member.size):
        x = member[b]
        known = 0
        for k in range(start[x], start[x + 1]):
            y = neighbour[k]
            if group[y] == g and rank[y] < b:
                seen[rank[y]] = b
                known += 1
        if known < b:
            a = 0
            while seen[a] == b:
                a += 1
            return a, b
    return -1, -1


@inner
def _doubt(n, log_term):
    if log_term == 0.0:
        return 0.0
    return math.sqrt(log_term / (2.0 * n)) if n > 0.0 else math.inf


@jit
def informed_by(member, group, count, start, neighbour, energy, informed):
    """Write informed float64[labels]: n_x sqrt(E_x), about how often label x occurred with others of its cluster.

    E_x is its energy within the cluster.
    """
    g = group[member[0]]
    for x in member:
        total = 0.0
        for k in range(start[x], start[x + 1]):
            if group[neighbour[k]] == g:
                total += energy[k]
        informed[x] = count[x] * math.sqrt(total)


@jit
def pivots(member, group, rank, weight, count, start, neighbour, together, log_term):
    """Return (a, b, d, n) of two labels that lie far apart: their d, and the number of events that inform it.

    The pair has the largest d_ab - sqrt(log_term / (2 min(weight_a, weight_b))), which with log_term 0 is the largest
    d_ab. Of equal ones, pairs without an edge come first, of which it is the one whose second label comes first in `member`,
    which is ordered by `weight`; of pairs with an edge it is one whose first label comes first.
    weight float64[labels]; rank int32[labels] is overwritten with the place of each label in `member`.
    """
    for r in range(member.size):
        rank[member[r]] = r
    g = group[member[0]]
    a, b = _frequent_strangers(member, group, start, neighbour, rank)
    best, best_d, best_together = -math.inf, 1.0, 0.0
    if b >= 0:
        best = 1.0 - _doubt(weight[member[b]], log_term)
    for r in range(member.size):
        x = member[r]
        for k in range(start[x], start[x + 1]):
            y = neighbour[k]
            if group[y] == g and rank[y] > r:
                d = dissimilarity(count[x], count[y], together[k])
                score = d - _doubt(weight[y], log_term)
                if score > best or a < 0:
                    a, b, best, best_d, best_together = r, rank[y], score, d, together[k]
    x, y = member[a], member[b]
    return x, y, best_d, count[x] + count[y] - best_together


@inner
def _join(x, s, g, group, side, size, start, neighbour, energy, pull, frontier, n_frontier):
    """Put x on side s; tell its neighbours, and list those that had no link to either side before."""
    side[x] = s
    size[s] += 1
    for k in range(start[x], start[x + 1]):
        y = neighbour[k]
        if group[y] == g and energy[k] > 0.0:
            if side[y] < 0 and pull[0, y] + pull[1, y] == 0.0:
                frontier[n_frontier] = y
                n_frontier += 1
            pull[s, y] += energy[k]
    return n_frontier


@inner
def _smaller(size):
    return 0 if size[0] <= size[1] else 1


@jit
def choose_sides(member, group, a, b, start, neighbour, energy, side, pull):
    """Divide a cluster between the pivots: each label goes where its average link is stronger.

    Labels linked to what stands already go first, the clearest before the others, so that those that belong together
    follow each other; when none is linked, the most frequent label that is left goes to the smaller side.
    Writes side int8[labels] and pull float64[2, labels], the energy between a label and each side.
    """
    g = group[member[0]]
    for x in member:
        side[x] = -1
        pull[0, x] = pull[1, x] = 0.0
    size = np.zeros(2, np.int64)
    frontier = np.empty(member.size, INDEX)
    n = _join(a, np.int64(0), g, group, side, size, start, neighbour, energy, pull, frontier, np.int64(0))
    if side[b] < 0:
        n = _join(b, np.int64(1), g, group, side, size, start, neighbour, energy, pull, frontier, n)
    begin, seed = 0, 0
    while size[0] + size[1] < member.size:
        end = n
        if begin == end:
            while side[member[seed]] >= 0:
                seed += 1
            x = member[seed]
            n = _join(x, _smaller(size), g, group, side, size, start, neighbour, energy, pull, frontier, n)
            continue
        margin = np.empty(end - begin, VALUE)
        for k in range(begin, end):
            y = frontier[k]
            margin[k - begin] = -abs(pull[0, y] / size[0] - pull[1, y] / size[1])
        for k in np.argsort(margin, kind="mergesort"):
            x = frontier[begin + k]
            if side[x] < 0:
                left, right = pull[0, x] / size[0], pull[1, x] / size[1]
                s = 0 if left > right else 1 if right > left else _smaller(size)
                n = _join(x, s, g, group, side, size, start, neighbour, energy, pull, frontier, n)
        begin = end


@jit
def improve_sides(member, group, start, neighbour, energy, side, pull):
    """Move labels to the side that they have more energy with until none gains, at most `PASSES` times over all."""
    g = group[member[0]]
    for _ in range(PASSES):
        moved = False
        for x in member:
            s = side[x]
            if pull[1 - s, x] <= pull[s, x] * (1.0 + 1e-9):
                continue
            side[x] = 1 - s
            moved = True
            for k in range(start[x], start[x + 1]):
                y = neighbour[k]
                if group[y] == g:
                    pull[s, y] -= energy[k]
                    pull[1 - s, y] += energy[k]
        if not moved:
            return


@inner
def chance_bound(mean, n, log_term):
    """Return Bernstein's bound for a mean of n values of 0 or 1: sqrt(2 v ln(1 / delta) / n) + ln(1 / delta) / (3 n)."""
    p = min(max(mean, 0.0), 1.0)
    return math.sqrt(2.0 * p * (1.0 - p) * log_term / n) + log_term / (3.0 * n)


@jit
def separation(member, count, side, pull, log_term):
    """Return (surplus, ratio) for the side of a divided cluster that is less clearly set off, and both sizes.

    With I, O the energy of a side's labels with their own and with the other side, and |x| = sqrt(I_x + O_x):
    clear = (I - O) / sum |x|, in units of similarity; surplus = clear - bound, by Bernstein for n events, the mean
    count of the side's labels, weighted by energy; ratio = O / I. A side without energy is not set off: (-inf, inf).
    """
    inside = np.zeros(2, VALUE)
    outside = np.zeros(2, VALUE)
    norm = np.zeros(2, VALUE)
    informed = np.zeros(2, VALUE)
    size = np.zeros(2, np.int64)
    for x in member:
        s = side[x]
        own, other = max(pull[s, x], 0.0), max(pull[1 - s, x], 0.0)
        size[s] += 1
        inside[s] += own
        outside[s] += other
        norm[s] += math.sqrt(own + other)
        informed[s] += (own + other) * count[x]
    surplus, ratio = math.inf, 0.0
    for s in range(2):
        if inside[s] == 0.0:
            return -math.inf, math.inf, size[0], size[1]
        clear = (inside[s] - outside[s]) / norm[s]
        surplus = min(surplus, clear - chance_bound(clear, informed[s] / (inside[s] + outside[s]), log_term))
        ratio = max(ratio, outside[s] / inside[s])
    return surplus, ratio, size[0], size[1]


@jit
def cluster_energies(x, place, start, neighbour, energy, total):
    """Add the energy between label x and each cluster to total float64[clusters]; place int32[labels] is a label's cluster."""
    for k in range(start[x], start[x + 1]):
        total[place[neighbour[k]]] += energy[k]


@jit
def settle(order, place, size, largest, count, start, neighbour, energy, log_term, hold):
    """Move each label, in turn, to the cluster that draws it clearly more than its own; return how many moved.

    From a cluster with energy E to one with F > E: if E < hold F, and sqrt(F) - sqrt(E) exceeds Bernstein's bound for
    n_x events.
    `order` int32[m]: labels; place int32[labels], size int64[clusters] are brought up to date; no cluster grows beyond
    `largest`.
    """
    total = np.zeros(size.size, VALUE)
    moved = 0
    for x in order:
        best = own = place[x]
        cluster_energies(x, place, start, neighbour, energy, total)
        for k in range(start[x], start[x + 1]):
            p = place[neighbour[k]]
            if (total[p] > total[best] or (total[p] == total[best] and p < best)) and p != own and size[p] < largest:
                best = p
        gain = math.sqrt(total[best]) - math.sqrt(total[own])
        if best != own and total[own] < hold * total[best] and gain > chance_bound(gain, count[x], log_term):
            place[x] = best
            size[own] -= 1
            size[best] += 1
            moved += 1
        for k in range(start[x], start[x + 1]):
            total[place[neighbour[k]]] = 0.0
        total[own] = 0.0
    return moved


@jit
def strongest_tie(member, place, count, start, neighbour, energy, log_term, hold, total):
    """Return (cluster, surplus): the other cluster that a cluster has most energy with, and how clearly it is drawn there.

    With I, O the energy of its labels with their own and with that cluster, and |x| = sqrt(I_x + O_x):
    surplus = drawn - bound, drawn = (O - hold I) / sum |x|, the bound Bernstein's for n events, the mean count of its labels,
    weighted by energy. No energy with any other cluster: (-1, -inf). total float64[clusters]: zeros, and left so.
    """
    own = place[member[0]]
    for x in member:
        cluster_energies(x, place, start, neighbour, energy, total)
    best = -1
    for x in member:
        for k in range(start[x], start[x + 1]):
            p = place[neighbour[k]]
            if p == own or total[p] == 0.0:
                continue
            if best < 0 or total[p] > total[best] or (total[p] == total[best] and p < best):
                best = p
    drawn = total[best] - hold * total[own] if best >= 0 else -math.inf
    for x in member:
        for k in range(start[x], start[x + 1]):
            total[place[neighbour[k]]] = 0.0
    if drawn <= 0.0:
        return best, -math.inf
    norm, informed, weight = 0.0, 0.0, 0.0
    for x in member:
        both = 0.0
        for k in range(start[x], start[x + 1]):
            if place[neighbour[k]] == own or place[neighbour[k]] == best:
                both += energy[k]
        norm += math.sqrt(both)
        weight += both
        informed += both * count[x]
    return best, drawn / norm - chance_bound(drawn / norm, informed / weight, log_term)
