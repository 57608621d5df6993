"""LabelPartition: disjoint clusters of labels that occur together, found and kept up to date on a stream."""

import copy
import math
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import base

from ihomer import settings
from ihomer.encoder import checked_weight, labels_of
from ihomer.label_graph import CutRules, LabelGraph
from ihomer.label_tree import LabelTree
from ihomer.pair_counts import PairCounts
from ihomer.partition_changes import Change, ChangeLog, PartitionDrift, changes_between
from ihomer.partition_drawing import tree_as_dot, tree_as_text
from ihomer.rows import label_sets
from ihomer.vocabulary import Vocabulary, in_name_order

__all__ = ["Change", "LabelPartition", "PartitionDrift"]

_TESTS = ("separation", "odac")
_WAIT = 8  # rebuilding after a drift waits for evidence, at most so many times n_min events


class LabelPartition(base.Base):
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
        self._check()
        self.labels = Vocabulary()
        self._cluster = np.full(16, -1, np.int32)
        self._counts = PairCounts(max_pairs, fading, detect_drift, seed)
        self._tree = LabelTree()
        self._log = ChangeLog()
        self._drifts: deque[PartitionDrift] = deque(maxlen=1000)
        self._least = 1
        self._rebuild_by = -1
        self.version = 0
        self.n_forgotten = 0
        self.n_drifts = 0

    def _check(self) -> None:
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

    # Learning by index

    @property
    def cluster_index(self) -> NDArray[np.int32]:
        return self._cluster[: self.labels.size]

    @property
    def rows_to_check(self) -> int:
        return int(self.n_min - self._counts.n_events % self.n_min)

    def add_labels(self, names: Sequence[Hashable], positive: NDArray[np.int32]) -> list[Change]:
        names = list(names)[: self.max_labels]
        before = self._cluster.copy()
        self._counts.touch(positive)
        changes = self._make_room(len(names))
        alive = [i for i in positive.tolist() if self._cluster[i] >= 0]
        return changes + self._admit(names, alive)

    def learn_rows(self, indptr, index, weight) -> list[Change]:
        self._counts.count(indptr, index, weight, self._cluster)
        if self._counts.n_events % self.n_min:
            return []
        return self._check_structure()
