"""ClusterUpkeep: keeps the clusters and their tree in step with the counts. Knows label indices, no names."""

import heapq
from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ihomer.label_graph import CutRules, LabelGraph
from ihomer.label_tree import LabelTree
from ihomer.pair_counts import PairCounts

__all__ = ["ClusterUpkeep", "DriftSeen"]

ROUND_SHARE = 4  # a round of tests waits until counting has cost one part in so many of what the round will cost,
LABEL_COST, CLUSTER_COST = 8, 500  # in slots of the table of pairs, which cost 1
CLEARLY_MORE = 1.1  # by which a labelset size must lead to become the new usual size

Members = NDArray[np.int32]


class DriftSeen(NamedTuple):
    """What `ClusterUpkeep.check` did about a drift: events in the window kept, and their mean share of cut pairs."""

    window: int
    cut_share: float


class ClusterUpkeep:
    """Disjoint clusters of label indices.

    Parameters
    ----------
    counts
        The counts that decide.
    rules
        What a cut must satisfy; `least` is replaced by the usual labelset size if `least_given` is False.
    least_given
        Whether the least size of a cluster was asked for.
    n_min
        Events from one check to the next.
    """

    def __init__(self, counts: PairCounts, rules: CutRules, least_given: bool, n_min: int) -> None:
        self.counts = counts
        self.rules = rules
        self.least_given = least_given
        self.n_min = n_min
        self.cluster = np.full(16, -1, np.int32)
        self.tree = LabelTree()
        self.usual_size = 1
        self._size: dict[int, int] = {}
        self._by_size: list[tuple[int, int]] = []

    def fit(self, n_labels: int) -> None:
        """Make room for label indices below `n_labels`."""
        self.counts.fit(n_labels)
        if n_labels > len(self.cluster):
            more = len(self.counts.label_count) - len(self.cluster)
            self.cluster = np.concatenate([self.cluster, np.full(more, -1, np.int32)])

    def admit(self, new: list[tuple[int, bool]], positive: list[int]) -> dict[int, list[int]]:
        """Give new labels a cluster: the one they share most labels of their event with, else the smallest.

        Parameters
        ----------
        new
            (index, whether it applies) of each new label, in name order.
        positive
            Labels of the event that have a cluster already.

        Returns
        -------
        dict
            Cluster -> the new labels in it.
        """
        if self.tree.root < 0:
            self._size, self._by_size = {self.tree.plant(): 0}, []
        size = self._sizes()
        shared: dict[int, int] = {}
        for i in positive:
            shared[int(self.cluster[i])] = shared.get(int(self.cluster[i]), 0) + 1
        joined: dict[int, list[int]] = {}
        for i, applies in new:
            if applies and shared:
                chosen = min(shared, key=lambda c: (-shared[c], c))
            else:
                chosen = self._smallest()
            self.cluster[i] = chosen
            size[chosen] += 1
            joined.setdefault(chosen, []).append(i)
            if applies:
                shared.setdefault(chosen, 1)  # where there are others it is the one with most of them already
        return joined

    def _sizes(self) -> dict[int, int]:
        """Return cluster -> number of labels; counted anew after clusters have changed."""
        if not self._size:
            self._size = dict(self._counted())
            self._by_size = []
        return self._size

    def _counted(self) -> Counter[int]:
        """Count the labels of each cluster; by number of the cluster, as numbers grow without end."""
        ids, sizes = np.unique(self.cluster[self.cluster >= 0], return_counts=True)
        return Counter(dict(zip(ids.tolist(), sizes.tolist(), strict=True)))

    def _smallest(self) -> int:
        """Return the smallest cluster, of equal ones the oldest; a heap whose entries are corrected when they surface."""
        size = self._sizes()
        if not self._by_size:
            self._by_size = sorted((n, c) for c, n in size.items())
        while self._by_size[0][0] != size[self._by_size[0][1]]:
            chosen = self._by_size[0][1]
            heapq.heapreplace(self._by_size, (size[chosen], chosen))
        return self._by_size[0][1]

    def remove(self, index: Members) -> None:
        """Take labels out of their clusters, and out of the counts."""
        emptied = set(self.cluster[index].tolist())
        self.cluster[index] = -1
        self._remove_empty(emptied)
        self.counts.forget_labels(index)
        self._size = {}

    def _remove_empty(self, among: set[int]) -> None:
        for cluster in sorted(among - set(self.cluster.tolist())):
            self.tree.remove(cluster)

    @property
    def is_due(self) -> bool:
        """Whether `check` has something to do now."""
        counts = self.counts
        if self.tree.root < 0 or counts.n_events % self.n_min:
            return False
        n_clusters = len(self.tree.parent) - len(self.tree.children)
        cost = len(counts.keys) + LABEL_COST * len(self.cluster) + CLUSTER_COST * n_clusters
        return counts.drift_seen or ROUND_SHARE * counts.work >= cost

    def check(self) -> DriftSeen | None:
        """Forget what lies before a drift, if there is one; then bring the clusters in line with the counts."""
        drift = None
        if self.counts.drift_seen:
            share = self.counts.cut_share
            n_labels = int(np.count_nonzero(self.cluster >= 0))
            drift = DriftSeen(self.counts.forget_before_drift(n_labels), share)
            self.counts.calm()
        self.counts.rest()
        graph = self._graph()
        before = self.cluster.copy()
        members = graph.clusters()
        if not self.rules.published:
            self._repair(graph, members)
        elif drift is not None:
            self._rebuild(graph)
        else:
            self._merge_siblings(graph, members)
        if not np.array_equal(self.cluster, before):
            members = graph.clusters()
        if self._join_small(graph, members):
            members = graph.clusters()
        if self._split(graph, members, sorted(members)):
            self.counts.calm()
        self._size = {}
        return drift

    def rebuild(self) -> None:
        """Build the tree anew from the root, now."""
        if self.tree.root >= 0:
            self._rebuild(self._graph())
            self._size = {}

    def _graph(self) -> LabelGraph:
        self._update_usual_size()
        least = self.rules.least
        if not self.least_given:
            least = self.usual_size
            if self.rules.most is not None:
                least = min(least, (self.rules.most + 1) // 2)
        return LabelGraph(self.counts, self.cluster, self.rules._replace(least=least))

    def _update_usual_size(self) -> None:
        """Take the most frequent labelset size, unless it hardly leads over the one in use."""
        size_count = self.counts.size_count
        found = 1 + int(np.argmax(size_count[1:]))
        if size_count[found] > CLEARLY_MORE * size_count[self.usual_size]:
            self.usual_size = found

    def _repair(self, graph: LabelGraph, members: dict[int, Members]) -> None:
        """Let clusters that are drawn to another one more than they hold together join it; then move single labels."""
        done: set[int] = set()
        for cluster, target in graph.ties(members):
            if not done & {cluster, target} and self._fit_together(cluster, target):
                self.cluster[self.cluster == cluster] = target
                self.tree.remove(cluster)
                done |= {cluster, target}
        if graph.settle(graph.clusters() if done else members):
            self._remove_empty(set(self.tree.leaves()))

    def _fit_together(self, a: int, b: int) -> bool:
        """Tell whether two clusters have no more labels than one may have."""
        most = self.rules.most
        return most is None or int(np.count_nonzero((self.cluster == a) | (self.cluster == b))) <= most

    def _merge_siblings(self, graph: LabelGraph, members: dict[int, Members]) -> None:
        """Apply the published rule: merge two leaves if one's diameter exceeds what their parent's was when it was cut."""
        for parent in sorted(self.tree.children):
            left, right = self.tree.children[parent]
            if left not in members or right not in members or not self._has_spread(graph, parent, members):
                continue
            if self._fit_together(left, right):
                merged = self.tree.merge(parent)
                self.cluster[members[left]] = merged
                self.cluster[members[right]] = merged

    def _has_spread(self, graph: LabelGraph, parent: int, members: dict[int, Members]) -> bool:
        diameter, bound = self.tree.cut[parent]
        found = [graph.diameter(members[child]) for child in self.tree.children[parent]]
        return any(d - diameter > max(eps, bound) for d, eps in found)

    def _join_small(self, graph: LabelGraph, members: dict[int, Members]) -> bool:
        """Let each cluster that is too small join the one of the strongest average link, else its sibling; return whether there
        were any.
        """
        least = graph.rules.least if self.least_given else (graph.rules.least + 1) // 2
        small = sorted((len(labels), c) for c, labels in members.items() if len(labels) < least)
        for _, cluster in small:
            member = np.flatnonzero(self.cluster == cluster).astype(np.int32)
            if len(member) >= least or len(self.tree.parent) == 1:
                continue
            size = self._counted()
            beside = sorted(self.tree.leaves(self.tree.sibling(cluster)), key=lambda c: (size[c], c))
            choices = [*graph.nearest_clusters(member), *beside]
            most = self.rules.most
            # Where no cluster has room, the nearest takes it all the same, and is then cut by force.
            target = next((c for c in choices if most is None or size[c] + len(member) <= most), choices[0])
            self.cluster[member] = target
            self.tree.remove(cluster)
        return bool(small)

    def _split(self, graph: LabelGraph, members: dict[int, Members], leaves: list[int]) -> int:
        """Split leaves, and the leaves that come of it, while their tests say so; return how many cuts were made."""
        n_cuts = 0
        waiting = leaves[::-1]
        while waiting:
            leaf = waiting.pop()
            cut = graph.cut(members[leaf])
            if cut is None:
                continue
            n_cuts += 1
            for child, side in zip(self.tree.split(leaf, cut.diameter, cut.bound), cut.sides, strict=True):
                self.cluster[side] = child
                members[child] = side
                waiting.append(child)
        return n_cuts

    def _rebuild(self, graph: LabelGraph) -> None:
        """Split all labels from the root; a cluster with the same labels as before keeps its number."""
        known = {np.sort(member).tobytes(): cluster for cluster, member in graph.clusters().items()}
        old = self.cluster.copy()
        root = self.tree.plant()
        self.cluster[self.cluster >= 0] = root
        members = graph.clusters()
        self._split(graph, members, [root])
        for leaf in list(self.tree.leaves()):
            before = known.get(np.sort(members[leaf]).tobytes())
            if before is not None:
                self.cluster[members[leaf]] = self.tree.rename(leaf, before)
        if not np.array_equal(self.cluster, old):
            self.counts.calm()  # what it has seen is of other clusters; the same ones it goes on watching
