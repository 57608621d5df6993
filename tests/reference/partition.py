"""The label partition the slow way: dictionaries of counts, every decision drawn from all pairs of labels.

Sums run over neighbours in ascending order, so that they have the bits of the fast twin and ties break alike.
"""

import math
from collections import deque

import numpy as np

from tests.reference.adwin import Adwin
from tests.reference.label_graph import Graph, Sides, bound, pair_statistics, pivots, settle, strongest_tie

MOST_OF_A_ROW = 1024
RING_ROWS, RING_LABELS = 4096, 65536


def power_of_two(least):
    power = 1
    while power < least:
        power *= 2
    return power


# Counting ------------------------------------------------------------------------------------------------------------


class Counts:
    """Counts of labels and pairs; fades, drops, samples and forgets like the fast twin."""

    def __init__(self, max_pairs=2_000_000, fading=1.0, detect_drift=True, seed=0):
        self.max_pairs, self.fading, self.detect_drift, self.seed = max_pairs, fading, detect_drift, seed
        self.most = 1
        while (self.most + 1) * self.most <= max_pairs and self.most < MOST_OF_A_ROW:
            self.most += 1
        self.label = {}
        self.pairs = {}
        self.sizes = np.zeros(self.most + 1)
        self.scale = 1.0
        self.n_events = self.work = self.n_dropped = self.positions = 0
        self.slots = 256
        self.ring = deque(maxlen=RING_ROWS)
        self.detector = Adwin()
        self.drift_seen = False

    def mass(self):
        return float(self.sizes.sum() * self.scale)

    def count(self, labels, w, cluster_of):
        """Count an event with ascending labels."""
        start = 0 if len(labels) <= self.most else (self.n_events + self.seed) * 40503 % len(labels)
        taken = [labels[(start + k) % len(labels)] for k in range(min(len(labels), self.most))]
        found = [tuple(sorted((x, y))) for k, x in enumerate(taken) for y in taken[k + 1 :]]
        self._make_room(len(found), sum(pair not in self.pairs for pair in found))
        self.n_events += 1
        self.work += len(found) + 32
        self.scale *= self.fading
        if self.scale < 1e-100:
            self._multiply(self.scale)
            self.scale = 1.0
        self._add(taken, found, w / self.scale)
        if self.detect_drift:
            self.ring.append((self.positions, taken, w))
            self.positions += len(taken)
            if found:
                cut = sum(cluster_of[x] != cluster_of[y] for x, y in found)
                self.drift_seen |= self.detector.update(cut / len(found), 0.002) > 0

    def _add(self, taken, found, amount):
        for x in taken:
            self.label[x] = self.label.get(x, 0.0) + amount
        for pair in found:
            self.pairs[pair] = self.pairs.get(pair, 0.0) + amount
        self.sizes[len(taken)] += amount

    def _multiply(self, factor):
        self.label = {x: n * factor for x, n in self.label.items()}
        self.pairs = {pair: n * factor for pair, n in self.pairs.items()}
        self.sizes *= factor

    def _at_least_0(self):
        self.label = {x: max(n, 0.0) for x, n in self.label.items()}
        self.pairs = {pair: max(n, 0.0) for pair, n in self.pairs.items()}
        self.sizes = np.maximum(self.sizes, 0.0)

    def _make_room(self, n_found, n_missing):
        while True:
            limit = min(self.max_pairs, self.slots // 8 * 5)
            if len(self.pairs) + n_found <= limit or len(self.pairs) + n_missing <= limit:
                return
            if self.slots // 8 * 5 < self.max_pairs:
                self.slots *= 2
            else:
                self._drop_weakest()

    def _drop_weakest(self):
        used = len(self.pairs)
        n = max((used + 3) // 4, used + self.most * (self.most - 1) // 2 - self.max_pairs)

        def chance(pair):
            return ((pair[0] << 32 | pair[1]) + self.seed) * 0x9E3779B97F4A7C15 % 2**64

        for pair in sorted(self.pairs, key=lambda pair: (self.pairs[pair], chance(pair)))[:n]:
            del self.pairs[pair]
        self.n_dropped += n

    def forget_before_drift(self, n_labels):
        rows, found = [], 0
        for start, taken, w in reversed(self.ring):
            if found == self.detector.width or start < self.positions - RING_LABELS:
                break
            found += len(taken) > 1
            rows.append((taken, w))
        recent = 0.0
        for age, (taken, w) in enumerate(rows):
            recent += len(taken) * w * self.fading**age / self.scale
        self._recount(rows, -1.0)
        self._at_least_0()
        padded = np.zeros(max(16, power_of_two(1 + max(self.label, default=0))))
        for x, n in self.label.items():
            padded[x] = n
        old = 0.0
        for n in padded:  # the fast twin sums in a compiled loop, not pairwise
            old += n
        rho = min(1.0, max(0.05 * recent, 20.0 * n_labels / self.scale) / old) if old > 0.0 else 1.0
        self._multiply(rho)
        self._recount(rows, 1.0)
        return len(rows)

    def _recount(self, rows, times):
        for age in reversed(range(len(rows))):
            taken, w = rows[age]
            known = [tuple(sorted((x, y))) for k, x in enumerate(taken) for y in taken[k + 1 :]]
            self._add(taken, [pair for pair in known if pair in self.pairs], times * w * self.fading**age / self.scale)

    def calm(self):
        self.drift_seen = False
        self.detector = Adwin()


# Clusters ------------------------------------------------------------------------------------------------------------


class Node:
    def __init__(self, number, above):
        self.number, self.above, self.below, self.cut = number, above, None, None

    def leaves(self):
        return [self] if self.below is None else self.below[0].leaves() + self.below[1].leaves()


class Partition:
    """Labels are whole numbers; a label's index is its place in the order of first appearance, lower numbers first."""

    def __init__(self, n_min, delta, tau, least, most, published, **counting):
        self.n_min, self.tau, self.least, self.most, self.published = n_min, tau, least, most, published
        self.log_term = math.log(1.0 / delta)
        self.counts = Counts(**counting)
        self.index = {}
        self.cluster_of = {}
        self.root = None
        self.n_nodes = 0
        self.usual = 1
        self.drifts = []

    def clusters(self):
        return {c: {x for x in self.index if self.cluster_of[self.index[x]] == c} for c in set(self.cluster_of.values())}

    def learn(self, positive, negative=(), w=1.0):
        known = [self.index[x] for x in positive if x in self.index]
        for x in sorted({*positive, *negative} - set(self.index)):
            self._admit(x, x in positive, known)
        self.counts.count(sorted(self.index[x] for x in positive), w, self.cluster_of)
        if self.root is not None and self.counts.n_events % self.n_min == 0 and self._due():
            self._check()

    def _new(self, above):
        self.n_nodes += 1
        return Node(self.n_nodes - 1, above)

    def _admit(self, name, applies, known):
        if self.root is None:
            self.root = self._new(None)
        inside = list(self.cluster_of.values())
        if applies and known:
            near = [self.cluster_of[i] for i in known]
            chosen = min(near, key=lambda c: (-near.count(c), c))
        else:
            chosen = min((leaf.number for leaf in self.root.leaves()), key=lambda c: (inside.count(c), c))
        i = self.index[name] = len(self.index)
        self.cluster_of[i] = chosen
        if applies:
            known.append(i)

    def _due(self):
        room = max(16, power_of_two(len(self.index)))
        cost = self.counts.slots + 8 * room + 500 * len(self.root.leaves())
        return self.counts.drift_seen or 4 * self.counts.work >= cost

    def _check(self):
        drift = self.counts.drift_seen
        if drift:
            share = self.counts.detector.mean()
            self.drifts.append((self.counts.n_events, self.counts.forget_before_drift(len(self.index)), share))
            self.counts.calm()
        self.counts.work = 0
        self._look()
        if not self.published:
            self._repair()
        elif drift:
            self.rebuild_from_root()
        else:
            self._merge_siblings()
        self._join_small()
        n_before = len(self.root.leaves())
        self._split(sorted(self.root.leaves(), key=lambda leaf: leaf.number))
        if len(self.root.leaves()) > n_before:
            self.counts.calm()

    def rebuild(self):
        self._look()
        self.rebuild_from_root()

    def _look(self):
        sizes = self.counts.sizes
        found = 1 + int(np.argmax(sizes[1:]))
        if sizes[found] > 1.1 * sizes[self.usual]:
            self.usual = found
        self.floor = self.least
        if self.least is None:
            self.floor = self.usual if self.most is None else min(self.usual, (self.most + 1) // 2)
        count = [self.counts.label.get(i, 0.0) * self.counts.scale for i in range(len(self.index))]
        pairs = {pair: n * self.counts.scale for pair, n in self.counts.pairs.items()}
        self.graph = Graph(count, pairs, self.counts.mass(), self.log_term)

    def _members(self, cluster):
        return self.graph.frequent_first([i for i, c in self.cluster_of.items() if c == cluster])

    def _leaf(self, number):
        return next(leaf for leaf in self.root.leaves() if leaf.number == number)

    def _remove(self, leaf):
        above = leaf.above
        sibling = above.below[1] if above.below[0] is leaf else above.below[0]
        sibling.above = above.above
        if above.above is None:
            self.root = sibling
        else:
            above.above.below = [sibling if node is above else node for node in above.above.below]
        return sibling

    def _size(self, cluster):
        return list(self.cluster_of.values()).count(cluster)

    def _fits(self, size):
        return self.most is None or size <= self.most

    def _join(self, cluster, target):
        for i in [i for i, c in self.cluster_of.items() if c == cluster]:
            self.cluster_of[i] = target

    def _repair(self):
        ties = [
            (c, *strongest_tie(self.graph, self._members(c), self.cluster_of)) for c in sorted(set(self.cluster_of.values()))
        ]
        size = {c: self._size(c) for c in set(self.cluster_of.values())}
        done = set()
        for cluster, target, surplus in ties:
            if surplus > 0.0 and self._fits(size[cluster] + size[target]) and not {cluster, target} & done:
                self._join(cluster, target)
                self._remove(self._leaf(cluster))
                done |= {cluster, target}
        settle(self.graph, self.cluster_of, self.most)
        for leaf in sorted(self.root.leaves(), key=lambda leaf: leaf.number):
            if self._size(leaf.number) == 0:
                self._remove(leaf)

    def _diameter(self, cluster):
        members = self._members(cluster)
        if len(members) < 2:
            return 0.0, math.inf
        _, _, d, n = pivots(self.graph, members, self.published)
        return d, bound(n, self.log_term)

    def _merge_siblings(self):
        parents = {leaf.above for leaf in self.root.leaves() if leaf.above is not None}
        for parent in sorted(parents, key=lambda node: node.number):
            if any(child.below is not None for child in parent.below):
                continue
            diameter, eps = parent.cut
            spread = False
            for child in parent.below:
                d, eps_child = self._diameter(child.number)
                spread |= d - diameter > max(eps_child, eps)
            if spread and self._fits(sum(self._size(child.number) for child in parent.below)):
                children, parent.below = parent.below, None
                parent.number = self._new(None).number
                for child in children:
                    self._join(child.number, parent.number)

    def _nearest(self, cluster):
        average = {}
        for x in [i for i, c in sorted(self.cluster_of.items()) if c == cluster]:
            for y, (_, energy) in self.graph.links[x].items():
                average[self.cluster_of[y]] = average.get(self.cluster_of[y], 0.0) + energy
        average = {c: total / self._size(c) for c, total in average.items() if c != cluster and total > 0.0}
        return sorted(average, key=lambda c: (-average[c], c))

    def _join_small(self):
        least = (self.floor + 1) // 2 if self.least is None else self.floor
        sizes = sorted((self._size(c), c) for c in set(self.cluster_of.values()))
        for n, cluster in sizes:
            if n >= least or self._size(cluster) >= least or self.root.below is None:
                continue
            leaf = self._leaf(cluster)
            sibling = leaf.above.below[1] if leaf.above.below[0] is leaf else leaf.above.below[0]
            beside = sorted((c.number for c in sibling.leaves()), key=lambda c: (self._size(c), c))
            near = self._nearest(cluster) + beside
            room = [target for target in near if self._fits(self._size(target) + self._size(cluster))]
            self._join(cluster, (room or near)[0])
            self._remove(leaf)

    def _cut(self, members):
        forced = not self._fits(len(members))
        if len(members) < 2 or (len(members) < 2 * self.floor and not forced):
            return None
        a, b, d, n = pivots(self.graph, members, self.published)
        eps = bound(n, self.log_term)
        sides = Sides(self.graph, members)
        if self.published:
            d1, d2, d0, mean = pair_statistics(self.graph, members)
            informed = d1 - d2 > eps or eps < self.tau
            tested = informed and (d1 - d0) * abs(d1 + d0 - 2.0 * mean) > eps
            sides.choose(a, b)
            good = True
        else:
            tested = eps < self.tau
            sides.choose(a, b)
            sides.improve()
            surplus, ratio = sides.separation()
            good = surplus > 0.0 and ratio < 0.5
        if not tested and not forced:
            return None
        if good and min(map(len, sides.both())) >= self.floor:
            return sides.both(), d, eps
        return (self._by_force(members, a, b), d, eps) if forced else None

    def _by_force(self, members, a, b):
        sides = Sides(self.graph, members)
        sides.choose(a, b)
        least = min(self.floor, len(members) // 2)
        left = min(max(sides.size(0), least), len(members) - least)
        leaning = sorted(members, key=lambda x: sides.pull[1][x] - sides.pull[0][x] + sides.side[x])
        return [[x for x in members if x in leaning[:left]], [x for x in members if x in leaning[left:]]]

    def _split(self, leaves):
        for leaf in leaves:
            found = self._cut(self._members(leaf.number))
            if found is None:
                continue
            sides, d, eps = found
            leaf.cut = d, eps
            leaf.below = [self._new(leaf), self._new(leaf)]
            for child, side in zip(leaf.below, sides, strict=True):
                for i in side:
                    self.cluster_of[i] = child.number
            self._split(leaf.below[::-1])

    def rebuild_from_root(self):
        old = dict(self.cluster_of)
        before = {frozenset(self._members(c)): c for c in set(self.cluster_of.values())}
        self.root = self._new(None)
        self.cluster_of = dict.fromkeys(self.cluster_of, self.root.number)
        self._split([self.root])
        for leaf in self.root.leaves():
            members = self._members(leaf.number)
            if frozenset(members) in before:
                leaf.number = before[frozenset(members)]
                for i in members:
                    self.cluster_of[i] = leaf.number
        if self.cluster_of != old:
            self.counts.calm()
