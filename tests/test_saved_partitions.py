"""Partitions in files: whatever does not fit in one is told."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks import file_damage
from ihomer import LabelPartition
from ihomer.kernels.partition_counts import EMPTY
from ihomer.partition_changes import Change, PartitionDrift
from ihomer.persistence import KINDS, ModelFileError, pack, unpack

CHANGE, DRIFT = Change(3, "born", 1, (0,), ("a",), (0,)), PartitionDrift(3, 2, 0.5)

MARK = next(iter(KINDS.marks.values()))


def learned() -> LabelPartition:
    """Return a partition whose root 0 was cut into 1, of six labels, and 2, of four."""
    partition = LabelPartition(n_min=25, min_cluster_size=2)
    partition.learn_many([["a", "b", "c", "d", "e", "f"], ["g", "h", "i", "j"]] * 50)
    assert (sorted(map(len, partition.clusters.values())), partition._upkeep.tree.children) == ([4, 6], {0: (1, 2)})
    return partition


def told(partition: LabelPartition, reason: str) -> None:
    with pytest.raises(ModelFileError, match=reason):
        unpack(pack(partition, KINDS), KINDS)


@pytest.mark.parametrize(("change", "reason"), [
    (lambda t: t.cut.pop(0), "not those of the inner nodes"), (lambda t: t.children.update({0: (1,)}), "no two children"),
    (lambda t: t.children.update({0: (1, 2.0)}), "no two children"), (lambda t: t.cut.update({0: (1.0, 0)}), "no diameter"),
    (lambda t: t.cut.update({0: [1.0, 0.5]}), "no diameter"), (lambda t: t.parent.update({2: 1}), "clusters is none"),
    (lambda t: t.children.update({0: (1, 1)}), "clusters is none"), (lambda t: setattr(t, "next_node", 2), "clusters is none"),
    (lambda t: t.parent.update({7: 0}), "nodes beside it"), (lambda t: setattr(t, "root", -1), "nodes beside it"),
    (lambda t: (t.children.update({7: (8, 9)}), t.cut.update({7: (1.0, 0.5)})), "nodes beside it"),
    (lambda t: setattr(t, "parent", {0: -1, True: 0, 2: 0}), "no number"), (lambda t: t.parent.update({1: False}), "no number"),
    (lambda t: setattr(t, "cut", {False: (1.0, 0.5)}), "no number"), (lambda t: setattr(t, "parent", [0, 1, 2]), "no nodes"),
    (lambda t: setattr(t, "next_node", 2**31 - 2**24 + 1), "next_node is no"), (lambda t: setattr(t, "root", 3), "root is no"),
    (lambda t: setattr(t, "more", 1), "not known"),
])  # fmt: skip
def test_a_tree_of_clusters_that_is_none_is_refused(change: Callable[[Any], Any], reason: str) -> None:
    partition = learned()
    unpack(pack(partition, KINDS), KINDS)
    change(partition._upkeep.tree)
    told(partition, reason)


def test_clusters_without_labels_are_refused() -> None:
    partition = LabelPartition()
    tree = partition._upkeep.tree
    root = tree.plant()
    unpack(pack(partition, KINDS), KINDS).learn_one(["a"])
    tree.split(root, 1.0, 0.5)
    told(partition, "clusters without labels")


@pytest.mark.parametrize(("change", "reason"), [
    (lambda c: c.label_count.__setitem__(0, -1.0), "too small"), (lambda c: c.values.__setitem__(0, np.nan), "too small"),
    (lambda c: c.values.__setitem__(0, np.inf), "not finite"), (lambda c: c.size_count.__setitem__(0, -1.0), "too small"),
    (lambda c: c.scale.__setitem__(0, 2.0), "too large"), (lambda c: c.meta.__setitem__(0, -1), "too small"),
    (lambda c: c.ring_weight.__setitem__(0, -1.0), "too small"), (lambda c: c.last_seen.__setitem__(0, -1), "too small"),
    (lambda c: c.ring_label.__setitem__(0, -2), "too small"), (lambda c: setattr(c, "n_dropped", -1), "n_dropped is no"),
    (lambda c: setattr(c, "last_seen", c.last_seen[:8]), "has the shape"), (lambda c: setattr(c, "more", 1), "not known"),
    (lambda c: setattr(c, "keys", c.keys.astype(np.int32)), "no array of int64"), (lambda c: delattr(c, "scale"), "is missing"),
    (lambda c: c.keys.__setitem__(np.flatnonzero(c.keys >= 0)[0], -5 << 32 | 3), "none of two known labels"),
    (lambda c: c._rehash(np.flatnonzero(c.keys >= 0), 128), "an impossible size"),
    (lambda c: (setattr(c, "keys", np.concatenate([c.keys, np.full(44, -1)])), setattr(c, "values", np.zeros(300))),
     "an impossible size"),
])  # fmt: skip
def test_counts_that_are_none_are_refused(change: Callable[[Any], Any], reason: str) -> None:
    partition = learned()
    change(partition._counts)
    told(partition, reason)


@pytest.mark.parametrize("change", [
    replace(CHANGE, event=3.0), replace(CHANGE, event=2**54 + 1), replace(CHANGE, kind="lost"), replace(CHANGE, cluster=True),
    replace(CHANGE, parents=[0]), replace(CHANGE, parents=(0.0,)), replace(CHANGE, indices=(0, 1)),
    replace(CHANGE, indices=("0",)), replace(CHANGE, labels=["a"]), replace(CHANGE, labels=(MARK,)),
    replace(CHANGE, labels=({"a": 1},)),
])  # fmt: skip
def test_a_change_that_is_none_is_refused(change: Change) -> None:
    partition = learned()
    partition._log.extend([CHANGE])
    unpack(pack(partition, KINDS), KINDS)
    partition._log.extend([change])
    told(partition, "a change is none|names no label")


@pytest.mark.parametrize("drift", [
    replace(DRIFT, event=3.0), replace(DRIFT, window=2**54 + 1), replace(DRIFT, window=None), replace(DRIFT, cut_share=1),
])  # fmt: skip
def test_a_drift_that_is_none_is_refused(drift: PartitionDrift) -> None:
    partition = learned()
    partition._drifts.append(DRIFT)
    unpack(pack(partition, KINDS), KINDS)
    partition._drifts.append(drift)
    told(partition, "a drift is none")


@pytest.mark.parametrize(("change", "reason"), [
    (lambda p: vars(p).update(max_labels=8), "more labels than max_labels"), (lambda p: vars(p).update(n_min=0), "are refused"),
    (lambda p: setattr(p, "version", -1), "version is no"), (lambda p: setattr(p, "_n_drifts", -1), "n_drifts is no"),
    (lambda p: setattr(p, "_n_forgotten", -1), "n_forgotten is no"),
    (lambda p: setattr(p._upkeep, "usual_size", 0), "usual_size"),
    (lambda p: setattr(p._upkeep, "more", 1), "not known"),
    (lambda p: setattr(p._log, "n_seen", 1), "n_changes is no"),
    (lambda p: p.labels._free.append(0), "not one name's"),
    (lambda p: setattr(p, "_drifts", deque([DRIFT] * 1001)), "too many drifts"),
    (lambda p: (p._log.records.extend([CHANGE] * 1000), setattr(p._log, "n_seen", 2000)), "too many changes"),
    (lambda p: (p._log.records.extend([replace(CHANGE, labels=("a",) * 100_000, indices=(0,) * 100_000)] * 2),
                setattr(p._log, "n_seen", 100)), "too many changes"),
    (lambda p: p.labels._names.__setitem__(1, "a"), "stands twice"),
    (lambda p: p.labels._names.__setitem__(1, MARK), "should be a name is none"),
    (lambda p: (p.labels._free.append(10), p.labels._names.append("k")), "a free index has a name"),
])  # fmt: skip
def test_what_else_does_not_fit_in_a_partition_is_told(change: Callable[[Any], Any], reason: str) -> None:
    partition = learned()
    change(partition)
    told(partition, reason)


def test_what_stands_beside_a_partition_is_refused() -> None:
    head, body, arrays = file_damage.split(pack(learned(), KINDS))
    body["state"]["part"][1]["dict"].append(["more", 1])
    with pytest.raises(ModelFileError, match="more is not known"):
        unpack(file_damage.joined(head, body, arrays), KINDS)


@pytest.mark.parametrize(("n_labels", "most", "is_good"), [(12, 66, True), (12, 65, False), (18, 999, True), (19, 999, False)])
def test_a_table_of_too_many_pairs_is_refused(n_labels: int, most: int, is_good: bool) -> None:
    """As many as the settings allow, or as 256 slots have room for, which are 160."""
    partition = LabelPartition(max_pairs=most + 200)
    partition.learn_many([[i, j] for i in range(n_labels) for j in range(i)])
    counts = partition._counts
    counts._rehash(np.flatnonzero(counts.keys != EMPTY), 256)
    vars(partition)["max_pairs"] = most
    counts.size_count = counts.size_count[: len(LabelPartition(max_pairs=most)._counts.size_count)]
    if is_good:
        unpack(pack(partition, KINDS), KINDS)
    else:
        told(partition, "too full")


def test_a_partition_that_an_error_has_left_half_changed_is_not_saved() -> None:
    partition = learned()
    partition._broken_by = "MemoryError"
    with pytest.raises(RuntimeError, match="MemoryError"):
        pack(partition, KINDS)
