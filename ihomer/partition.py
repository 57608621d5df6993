"""LabelPartition: disjoint clusters of labels that occur together, found and kept up to date on a stream."""

import math
from collections import deque
from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import base

from ihomer import settings
from ihomer.cluster_upkeep import ClusterUpkeep
from ihomer.encoder import checked_weight, labels_of
from ihomer.label_graph import CutRules
from ihomer.pair_counts import PairCounts
from ihomer.partition_changes import Change, ChangeLog, PartitionDrift, changes_between
from ihomer.partition_drawing import label_tree_as_dot, label_tree_as_text
from ihomer.rows import LabelRows, label_rows
from ihomer.vocabulary import Vocabulary, in_name_order

__all__ = ["Change", "LabelPartition", "PartitionDrift"]

_TESTS = ("separation", "odac")
_MOST_DRIFTS = 1000

Indices = NDArray[np.int32]
Named = tuple[list[Hashable], list[Hashable]]


class LabelPartition(base.Base):
    """Disjoint clusters."""

    def __init__(
        self,
        n_min: int = 200,
        delta: float = 0.001,
        tau: float = 0.2,
        min_cluster_size: int | None = None,
        max_cluster_size: int | None = None,
        fading: float = 1.0,
        max_labels: int = 1_000_000,
        max_pairs: int = 4_000_000,
        detect_drift: bool = True,
        split_test: str = "separation",
        seed: int = 0,
    ) -> None:
        self.n_min = n_min
        self.delta = delta
        self.tau = tau
        self.min_cluster_size = min_cluster_size
        self.max_cluster_size = max_cluster_size
        self.fading = fading
        self.max_labels = max_labels
        self.max_pairs = max_pairs
        self.detect_drift = detect_drift
        self.split_test = split_test
        self.seed = seed
        self._check_settings()
        rules = CutRules(
            math.log(1.0 / delta), tau, split_test == "odac", min_cluster_size or 1, max_cluster_size
        )
        self.labels = Vocabulary()
        self.version = 0
        self._counts = PairCounts(max_pairs, fading, detect_drift, seed)
        self._upkeep = ClusterUpkeep(self._counts, rules, min_cluster_size is not None, n_min)
        self._log = ChangeLog()
        self._drifts: deque[PartitionDrift] = deque(maxlen=_MOST_DRIFTS)
        self._n_drifts = 0
        self._n_forgotten = 0

    def _check_settings(self) -> None:
        settings.whole("n_min", self.n_min, 1)
        settings.fraction("delta", self.delta)
        settings.positive("tau", self.tau)
        if self.min_cluster_size is not None:
            settings.whole("min_cluster_size", self.min_cluster_size, 1)
        if self.max_cluster_size is not None:
            settings.whole("max_cluster_size", self.max_cluster_size, 2 * (self.min_cluster_size or 1) - 1)
        if self.fading != 1.0:
            settings.fraction("fading", self.fading)
        settings.whole("max_labels", self.max_labels, 8, 2**31 - 1)
        settings.whole("max_pairs", self.max_pairs, 64, 2**31 - 1)
        settings.flag("detect_drift", self.detect_drift)
        settings.one_of("split_test", self.split_test, _TESTS)
        settings.whole("seed", self.seed, 0, 2**63 - 1)

    @classmethod
    def _unit_test_params(cls) -> Iterator[dict[str, Any]]:
        yield {}

    # Learning by name ----------------------------------------------------------------------------------------------

    def learn_one(self, y: Any, w: float = 1.0) -> None:
        weight = checked_weight(w)
        positive, _, negative = labels_of(y)
        index = self._known(positive, negative)
        self._count([index], [weight])

    def learn_many(self, Y: Any, w: Any = None, names: Sequence[Hashable] | None = None) -> None:
        n_rows = Y.shape[0] if hasattr(Y, "shape") else len(Y)
        rows = label_rows(Y, n_rows)
        if w is None:
            weights = [1.0] * n_rows
        else:
            weights = [checked_weight(weight) for weight in np.asarray(w).tolist()]
            if len(weights) != n_rows:
                raise ValueError(f"w has {len(weights)} weights for {n_rows} rows")
        waiting: list[Indices] = []
        start, room = 0, self.rows_to_check
        for row, (positive, negative) in enumerate(_named_rows(rows, names)):
            if self._has_new(positive, negative):
                self._count(waiting, weights[start:row])
                waiting, start = [], row
                room = self.rows_to_check
            waiting.append(self._known(positive, negative))
            if len(waiting) == room:
                self._count(waiting, weights[start : row + 1])
                waiting, start = [], row + 1
                room = self.rows_to_check
        self._count(waiting, weights[start:])

    def _has_new(self, positive: list[Hashable], negative: list[Hashable]) -> bool:
        return not all(map(self.labels.__contains__, positive)) or not all(map(self.labels.__contains__, negative))

    def _known(self, positive: list[Hashable], negative: list[Hashable]) -> Indices:
        """Make all names known; return the indices of the positive ones, ascending."""
        if self._has_new(positive, negative):
            new = {name for names in (positive, negative) for name in names if name not in self.labels}
            self.add_labels(in_name_order(new), positive)
        found = [i for i in map(self.labels.get, positive) if i >= 0]
        found.sort()
        return np.array(found, np.int32)

    def _count(self, rows: list[Indices], weights: list[float]) -> None:
        if rows:
            indptr = np.zeros(len(rows) + 1, np.int64)
            np.cumsum([len(row) for row in rows], out=indptr[1:])
            index = rows[0] if len(rows) == 1 else np.concatenate(rows)
            self._learn(indptr, index, np.array(weights))

    # Learning by index ---------------------------------------------------------------------------------------------

    @property
    def cluster_index(self) -> Indices:
        return self._upkeep.cluster[: self.labels.size]

    @property
    def rows_to_check(self) -> int:
        return self.n_min - self._counts.n_events % self.n_min

    def add_labels(self, names: Sequence[Hashable], positive: Collection[Hashable]) -> list[Change]:
        names = list(names)[: self.max_labels]
        known = [i for i in map(self.labels.get, positive) if i >= 0]
        self._counts.touch(np.array(known, np.int32))
        changes = self._make_room(len(names))
        before = self._upkeep.cluster.copy()
        index = [self.labels.add(name) for name in names]
        self._upkeep.fit(self.labels.size)
        self._counts.touch(np.array(index, np.int32))
        applying = set(positive)
        new = [(i, name in applying) for i, name in zip(index, names, strict=True)]
        self._upkeep.admit(new, [i for i in known if self._upkeep.cluster[i] >= 0 and i not in set(index)])
        return changes + self._record(before)

    def _make_room(self, n_new: int) -> list[Change]:
        """Forget the labels named longest ago, an eighth of all or more, if `n_new` would be too many."""
        surplus = len(self.labels) + n_new - self.max_labels
        if surplus <= 0:
            return []
        used = np.flatnonzero(self._upkeep.cluster >= 0)
        count = min(len(used), max(surplus, self.max_labels // 8))
        oldest = used[np.argsort(self._counts.last_seen[used], kind="stable")[:count]].astype(np.int32)
        before = self._upkeep.cluster.copy()
        self._upkeep.remove(oldest)
        changes = self._record(before)
        for i in oldest[::-1].tolist():
            self.labels.free(i)
        self._n_forgotten += count
        return changes

    def learn_rows(self, indptr: NDArray[np.int64], index: Indices, weight: NDArray[np.float64]) -> list[Change]:
        if len(weight) > self.rows_to_check:
            raise ValueError(f"learn_rows takes at most {self.rows_to_check} rows now, not {len(weight)}")
        return self._learn(indptr, index, weight)

    def _learn(self, indptr: NDArray[np.int64], index: Indices, weight: NDArray[np.float64]) -> list[Change]:
        self._counts.count(indptr, index, weight, self._upkeep.cluster)
        if not self._upkeep.is_due:
            return []
        before = self._upkeep.cluster.copy()
        drift = self._upkeep.check()
        if drift is not None:
            self._drifts.append(PartitionDrift(self._counts.n_events, drift.window, drift.cut_share))
            self._n_drifts += 1
        return self._record(before)

    def rebuild(self) -> list[Change]:
        before = self._upkeep.cluster.copy()
        self._upkeep.rebuild()
        return self._record(before)

    def _record(self, before: Indices) -> list[Change]:
        after = self._upkeep.cluster
        if len(before) < len(after):
            before = np.concatenate([before, np.full(len(after) - len(before), -1, np.int32)])
        changes = changes_between(before, after, self._counts.n_events, self.labels.name)
        if changes:
            self._log.extend(changes)
            self.version += 1
        return changes

    # Looking inside ------------------------------------------------------------------------------------------------

    @property
    def clusters(self) -> dict[int, tuple[Hashable, ...]]:
        found: dict[int, list[Hashable]] = {}
        for name, i in self.labels.items():
            found.setdefault(int(self._upkeep.cluster[i]), []).append(name)
        return {cluster: tuple(in_name_order(found[cluster])) for cluster in sorted(found)}

    def cluster_of(self, name: Hashable) -> int:
        return int(self._upkeep.cluster[self._index(name)])

    def similarity(self, a: Hashable, b: Hashable) -> float:
        return self._counts.similarity(self._index(a), self._index(b))

    def _index(self, name: Hashable) -> int:
        index = self.labels.get(name)
        if index < 0:
            raise KeyError(f"no label {name!r}")
        return index

    @property
    def changes(self) -> list[Change]:
        return list(self._log.records)

    @property
    def drifts(self) -> list[PartitionDrift]:
        return list(self._drifts)

    def draw(self, form: str = "dot") -> str:
        as_dot = settings.one_of("form", form, ("dot", "text")) == "dot"
        return (label_tree_as_dot if as_dot else label_tree_as_text)(self._upkeep.tree, self.clusters)

    @property
    def summary(self) -> dict[str, int]:
        sizes = [len(names) for names in self.clusters.values()]
        return {
            "n_events": self._counts.n_events,
            "n_labels": len(self.labels),
            "n_clusters": len(sizes),
            "largest_cluster": max(sizes, default=0),
            "usual_labelset_size": self._upkeep.usual_size,
            "n_pairs": self._counts.n_pairs,
            "bytes_of_pairs": self._counts.n_bytes,
            "n_pairs_dropped": self._counts.n_dropped,
            "n_labels_forgotten": self._n_forgotten,
            "n_changes": self._log.n_seen,
            "n_changes_dropped": self._log.n_dropped,
            "n_drifts": self._n_drifts,
            "version": self.version,
        }


def _named_rows(rows: LabelRows | list[Any], names: Sequence[Hashable] | None) -> Iterator[Named]:
    """Yield the names that apply and those that are named but negative, row by row."""
    if not isinstance(rows, LabelRows):
        for y in rows:
            positive, _, negative = labels_of(y)
            yield positive, negative
        return
    table = rows.table
    columns = list(table.names if names is None else names)
    for row in range(table.n_rows):
        a, b = table.indptr[row], table.indptr[row + 1]
        entries = list(zip(table.column[a:b].tolist(), table.value[a:b].tolist(), strict=True))
        positive = [columns[c] for c, value in entries if value == 1.0]
        if rows.all_named:
            given = {c for c, _ in entries}
            yield positive, [name for c, name in enumerate(columns) if c not in given]
        else:
            yield positive, []
