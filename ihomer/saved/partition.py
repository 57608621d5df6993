"""State of a label partition: counts, the hash table of pairs, the ring of label sets, clusters and their tree."""

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihomer.cluster_upkeep import ClusterUpkeep
from ihomer.kernels import partition_counts as kernels
from ihomer.label_tree import LabelTree
from ihomer.pair_counts import PairCounts
from ihomer.partition import LabelPartition
from ihomer.partition_changes import MOST_LABELS, MOST_RECORDS, Change, ChangeLog, PartitionDrift
from ihomer.saved.fields import (
    BEYOND,
    ENDLESS,
    Fields,
    check_detectors,
    check_probes,
    fill_vocabulary,
    held,
    made,
    next_power,
    settings_of,
    vocabulary_state,
)
from ihomer.saved.values import is_name

__all__ = ["partition_of", "partition_state"]

_KINDS = ("born", "grown", "shrunk", "retired")
_MOST_CLUSTER = 2**31 - 2**24  # room is left for the numbers of later clusters
_OF_SETTINGS = ("max_pairs", "fading", "drift_delta", "seed", "_taken")


def partition_state(partition: LabelPartition) -> dict[str, Any]:
    """Return the state of a partition."""
    partition._refuse_if_broken()
    upkeep = partition._upkeep
    return {
        "settings": settings_of(partition),
        "labels": vocabulary_state(partition.labels),
        "version": partition.version,
        "counts": held(partition._counts, *_OF_SETTINGS),
        "clusters": held(upkeep, "counts", "rules", "least_given", "n_min", "tree", "_size", "_by_size"),
        "tree": held(upkeep.tree),
        "changes": [
            [c.event, c.kind, c.cluster, c.parents, c.labels, c.indices] for c in partition._log.records
        ],
        "n_changes": partition._log.n_seen,
        "drifts": [[d.event, d.window, d.cut_share] for d in partition._drifts],
        "n_drifts": partition._n_drifts,
        "n_forgotten": partition._n_forgotten,
    }


def partition_of(state: Any) -> LabelPartition:
    """Return a partition with a state from a file."""
    fields = Fields(state, "the partition")
    partition: LabelPartition = made(LabelPartition, fields.take("settings"))
    fill_vocabulary(partition.labels, fields.nested("labels"))
    used = partition.labels.is_in_use()
    fields.require(used.sum() <= partition.max_labels, "there are more labels than max_labels")
    partition.version = fields.counter("version")
    _fill_counts(partition._counts, fields.nested("counts"), partition.labels.size)
    _fill_upkeep(partition._upkeep, fields.nested("clusters"), fields.nested("tree"), used)
    _fill_changes(partition._log, fields)
    _fill_drifts(partition._drifts, fields)
    partition._n_drifts = fields.whole("n_drifts", 0, ENDLESS)
    partition._n_forgotten = fields.whole("n_forgotten", 0, ENDLESS)
    fields.done()
    return partition


def _fill_counts(counts: PairCounts, f: Fields, n_labels: int) -> None:
    most, room = len(counts._taken), max(len(counts.label_count), next_power(n_labels))
    fewest_slots = len(counts.keys)
    counts.label_count = f.finite("label_count", (room,), 0.0)
    counts.last_seen = f.counters("last_seen", (room,))
    counts.size_count = f.finite("size_count", (most + 1,), 0.0)
    counts.keys = f.array("keys", np.int64, (None,))
    counts.values = f.finite("values", counts.keys.shape, 0.0)
    # Places of labels that the ring has not reached yet hold 0.
    counts.ring_label = f.array("ring_label", np.int32, counts.ring_label.shape, kernels.FORGOTTEN, max(0, n_labels - 1))
    counts.ring_row = f.counters("ring_row", counts.ring_row.shape)
    f.require(counts.ring_row[:, 1].max() <= most, "a label set in the ring is too long")
    counts.ring_weight = f.finite("ring_weight", counts.ring_weight.shape, 0.0)
    counts.detector = f.array("detector", np.float64, counts.detector.shape)
    check_detectors(f, counts.detector)
    counts.meta = f.counters("meta", counts.meta.shape)
    counts.scale = f.array("scale", np.float64, (1,), kernels.TINY_SCALE, 1.0)
    counts.n_dropped = f.whole("n_dropped", 0, ENDLESS)
    f.done()
    _check_pairs(f, counts, n_labels, fewest_slots)


def _check_pairs(f: Fields, counts: PairCounts, n_labels: int, fewest_slots: int) -> None:
    filled = counts.keys != kernels.EMPTY
    key = counts.keys[filled]
    low, high = key >> 32, key & 0xFFFFFFFF
    f.require(bool(((low >= 0) & (low < high) & (high < n_labels)).all()), "a pair is none of two known labels")
    f.require(len(np.unique(key)) == len(key) == counts.n_pairs, "the number of pairs is wrong")
    n_slots = len(counts.keys)
    f.require(n_slots >= fewest_slots and next_power(n_slots) == n_slots, "the table of pairs has an impossible size")
    f.require(len(key) <= min(kernels.room_in(counts.keys), counts.max_pairs), "the table of pairs is too full")
    mixed = key.astype(np.uint64) * kernels.HASH
    home = ((mixed ^ (mixed >> np.uint64(29))) >> np.uint64(3)).astype(np.int64) & (n_slots - 1)
    check_probes(f, filled, home, "pairs")


def _fill_upkeep(upkeep: ClusterUpkeep, f: Fields, tree: Fields, used: NDArray[np.bool_]) -> None:
    upkeep.cluster = f.array("cluster", np.int32, upkeep.counts.label_count.shape, -1)
    upkeep.usual_size = f.whole("usual_size", 1, len(upkeep.counts.size_count) - 1)
    f.done()
    f.require(bool(((upkeep.cluster[: len(used)] >= 0) == used).all()), "a label has no cluster, or a free index has one")
    f.require(bool((upkeep.cluster[len(used) :] == -1).all()), "an index that no label had has a cluster")
    _fill_tree(upkeep.tree, tree)
    leaves = set(upkeep.tree.leaves())
    if used.any():
        f.require(set(upkeep.cluster[upkeep.cluster >= 0].tolist()) == leaves, "the clusters are not the leaves of the tree")
    else:
        f.require(len(leaves) <= 1, "there are clusters without labels")
        upkeep._size = dict.fromkeys(leaves, 0)


def _fill_tree(tree: LabelTree, f: Fields) -> None:
    """Give a label tree its nodes, which must be one binary tree."""
    tree.next_node = f.whole("next_node", 0, _MOST_CLUSTER)
    tree.root = f.whole("root", -1, tree.next_node - 1)
    parent, children, cut = f.take("parent"), f.take("children"), f.take("cut")
    f.done()
    f.require(all(type(part) is dict for part in (parent, children, cut)), "the tree of clusters has no nodes")
    f.require(children.keys() == cut.keys(), "the cuts are not those of the inner nodes")
    f.require(all(_is_tuple(pair, 2, int) for pair in children.values()), "an inner node has no two children")
    f.require(all(_is_tuple(pair, 2, float) for pair in cut.values()), "a cut has no diameter and bound")
    waiting, met = [(tree.root, -1)] if tree.root >= 0 else [], set()
    while waiting:
        node, above = waiting.pop()
        good = 0 <= node < tree.next_node and node not in met and parent.get(node) == above
        f.require(good, "the tree of clusters is none")
        met.add(node)
        waiting += [(child, node) for child in children.get(node, ())]
    f.require(met == parent.keys() and children.keys() <= met, "the tree of clusters has nodes beside it")
    f.require(all(type(node) is int for part in (parent, children, cut) for node in part), "a node is no number")
    f.require(all(type(node) is int for node in parent.values()), "a node is no number")
    tree.parent, tree.children, tree.cut = parent, children, cut


def _is_tuple(value: Any, size: int, kind: type) -> bool:
    return type(value) is tuple and len(value) == size and all(type(part) is kind for part in value)


def _is_numbers(value: Any) -> bool:
    return type(value) is tuple and all(type(part) is int and abs(part) <= BEYOND for part in value)


def _fill_changes(log: ChangeLog, f: Fields) -> None:
    records = f.items("changes")
    log.n_seen = f.whole("n_changes", len(records), ENDLESS)
    for record in records:
        f.require(type(record) is list and len(record) == 6, "a change is none")
        event, kind, cluster, parents, labels, indices = record
        f.require(_is_numbers((event, cluster)) and kind in _KINDS and _is_numbers(parents), "a change is none")
        f.require(_is_numbers(indices) and type(labels) is tuple and len(labels) == len(indices), "a change is none")
        f.require(all(is_name(name) and not isinstance(name, type) for name in labels), "a change names no label")
        log.records.append(Change(event, kind, cluster, parents, labels, indices))
        log._n_labels += len(indices)
    f.require(len(records) <= MOST_RECORDS and log._n_labels <= MOST_LABELS, "there are too many changes")


def _fill_drifts(drifts: deque[PartitionDrift], f: Fields) -> None:
    found = f.items("drifts")
    f.require(len(found) <= (drifts.maxlen or 0), "there are too many drifts")
    for drift in found:
        f.require(type(drift) is list and len(drift) == 3, "a drift is none")
        f.require(_is_numbers(tuple(drift[:2])) and type(drift[2]) is float, "a drift is none")
        drifts.append(PartitionDrift(*drift))
