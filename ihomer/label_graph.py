"""LabelGraph: the labels and their links at one moment, and the decisions drawn from them."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ihomer.kernels import partition_graph as kernels
from ihomer.pair_counts import PairCounts
from ihomer.partition_changes import by_cluster

__all__ = ["Cut", "CutRules", "LabelGraph"]

MOST_CUT = 0.5  # energy across a cut, as a share of the energy inside either side, where each link counts from both ends
HOLD = 0.8  # energy with its own cluster that keeps a label there, as a share of that with another one

Members = NDArray[np.int32]


class CutRules(NamedTuple):
    """What a cut must satisfy; see `ihomer.LabelPartition` for the settings."""

    log_term: float  # ln(1 / delta)
    tau: float
    published: bool
    least: int
    most: int | None


class Cut(NamedTuple):
    """Two sides of a cluster, its diameter, and the bound that goes with it."""

    sides: tuple[Members, Members]
    diameter: float
    bound: float


class LabelGraph:
    """Labels, their links, and the clusters they are in.

    Parameters
    ----------
    counts
        Counts of labels and pairs.
    cluster
        int32[labels], the cluster of each label, -1 for an index not in use. Decisions made here are written to it.
    rules
        What a cut must satisfy.
    """

    def __init__(self, counts: PairCounts, cluster: Members, rules: CutRules) -> None:
        n_labels = len(cluster)
        self.rules = rules
        self.cluster = cluster
        self.count = counts.counts(n_labels)
        self._edges = kernels.label_graph(counts.keys, counts.values, self.count, counts.scale[0], counts.mass, rules.log_term)
        self._weight = np.zeros(n_labels)
        self._rank = np.zeros(n_labels, np.int32)
        self._side = np.zeros(n_labels, np.int8)
        self._pull = np.zeros((2, n_labels))

    def clusters(self) -> dict[int, Members]:
        """Return cluster -> its labels, the most frequent first."""
        order = self._by_count()
        return dict(by_cluster(self.cluster[order], order))

    def _by_count(self) -> Members:
        """Return the labels that have a cluster, the most frequent first."""
        used = np.flatnonzero(self.cluster >= 0).astype(np.int32)
        return used[np.argsort(-self.count[used], kind="stable")]

    def bound(self, n: float) -> float:
        """Return the Hoeffding bound sqrt(ln(1 / delta) / (2 n)) of a mean of n values in [0, 1]."""
        return math.sqrt(self.rules.log_term / (2.0 * n)) if n > 0.0 else math.inf

    def pivots(self, member: Members) -> tuple[int, int, float, float]:
        """Return two labels of a cluster that lie far apart, their dissimilarity, and its bound."""
        start, neighbour, together, energy = self._edges
        weight, log_term = self.count, 0.0
        if not self.rules.published:
            weight, log_term = self._weight, self.rules.log_term
            kernels.informed_by(member, self.cluster, self.count, start, neighbour, energy, weight)
            member = member[np.argsort(-weight[member], kind="stable")]
        a, b, d, n = kernels.pivots(member, self.cluster, self._rank, weight, self.count, start, neighbour, together, log_term)
        return int(a), int(b), float(d), self.bound(n)

    def diameter(self, member: Members) -> tuple[float, float]:
        """Return the largest dissimilarity in a cluster and its bound; (0, inf) for a single label."""
        return self.pivots(member)[2:] if len(member) > 1 else (0.0, math.inf)

    def cut(self, member: Members) -> Cut | None:
        """Return how to split a cluster, or None if it should stay; one that is too large is cut in any case."""
        rules = self.rules
        forced = rules.most is not None and len(member) > rules.most
        if len(member) < 2 * rules.least:  # one that is too large is not: see the bounds that `LabelPartition` takes
            return None
        a, b, diameter, bound = self.pivots(member)
        if not forced and not (self._differs(member, bound) if rules.published else bound < rules.tau):
            return None
        start, neighbour, _, energy = self._edges
        kernels.choose_sides(member, self.cluster, a, b, start, neighbour, energy, self._side, self._pull)
        if rules.published:
            size = np.bincount(self._side[member], minlength=2)
            accepted = bool(size.min() >= rules.least)
        else:
            kernels.improve_sides(member, self.cluster, start, neighbour, energy, self._side, self._pull)
            accepted = self._set_off(member)
        if not accepted:
            if not forced:
                return None
            self._divide_by_force(member, a, b)
        side = self._side[member]
        return Cut((member[side == 0], member[side == 1]), diameter, bound)

    def _differs(self, member: Members, bound: float) -> bool:
        """Apply the published test: (d1 - d2 > eps or eps < tau) and (d1 - d0) |d1 + d0 - 2 mean| > eps."""
        start, neighbour, together, _ = self._edges
        d1, d2, d0, mean = kernels.pair_statistics(member, self.cluster, self.count, start, neighbour, together)
        informed = d1 - d2 > bound or bound < self.rules.tau
        return bool(informed and (d1 - d0) * abs(d1 + d0 - 2.0 * mean) > bound)

    def _set_off(self, member: Members) -> bool:
        """Tell whether the two sides are clearly separated and neither is too small."""
        surplus, ratio, *sizes = kernels.separation(member, self.count, self._side, self._pull, self.rules.log_term)
        return bool(surplus > 0.0 and ratio < MOST_CUT and min(sizes) >= self.rules.least)

    def _divide_by_force(self, member: Members, a: int, b: int) -> None:
        """Cut where it costs least among the places that leave both sides large enough."""
        start, neighbour, _, energy = self._edges
        kernels.choose_sides(member, self.cluster, a, b, start, neighbour, energy, self._side, self._pull)
        least = min(self.rules.least, len(member) // 2)
        left = int(np.count_nonzero(self._side[member] == 0))
        left = min(max(left, least), len(member) - least)
        leaning = np.argsort(self._pull[1, member] - self._pull[0, member] + self._side[member], kind="stable")
        self._side[member[leaning[:left]]] = 0
        self._side[member[leaning[left:]]] = 1

    def ties(self, members: dict[int, Members]) -> list[tuple[int, int]]:
        """Return (cluster, other) where the labels of a cluster are clearly drawn more to another than to each other.

        `members`, here and below, are those of `clusters`.
        """
        ids, place = self._places(members)
        total = np.zeros(len(ids))
        start, neighbour, _, energy = self._edges
        found = []
        for cluster, member in members.items():
            best, surplus = kernels.strongest_tie(
                member, place, self.count, start, neighbour, energy, self.rules.log_term, HOLD, total
            )
            if surplus > 0.0:
                found.append((cluster, ids[best]))
        return found

    def settle(self, members: dict[int, Members]) -> int:
        """Move single labels to the clusters that draw them clearly more; return how many moved."""
        used = self._by_count()
        order = used[self.count[used] > 0.0]
        ids, place = self._places(members)
        size = np.array([len(member) for member in members.values()], np.int64)
        start, neighbour, _, energy = self._edges
        largest = self.rules.most if self.rules.most is not None else len(self.cluster)
        moved = kernels.settle(order, place, size, largest, self.count, start, neighbour, energy, self.rules.log_term, HOLD)
        if moved:
            self.cluster[used] = np.array(ids, np.int32)[place[used]]
        return int(moved)

    def _places(self, members: dict[int, Members]) -> tuple[list[int], NDArray[np.int32]]:
        """Return the cluster ids in order, and the place of each label's cluster among them."""
        place = np.zeros(len(self.cluster), np.int32)
        for at, member in enumerate(members.values()):
            place[member] = at
        return list(members), place

    def nearest_clusters(self, member: Members) -> list[int]:
        """Return the other clusters that a cluster has links to, the strongest average link first."""
        members = self.clusters()
        ids, place = self._places(members)
        total = np.zeros(len(ids))
        start, neighbour, _, energy = self._edges
        for x in member:
            kernels.cluster_energies(x, place, start, neighbour, energy, total)
        total /= [len(others) for others in members.values()]
        order = np.argsort(-total, kind="stable")
        own = self.cluster[member[0]]
        return [ids[p] for p in order if total[p] > 0.0 and ids[p] != own]
