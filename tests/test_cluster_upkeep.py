"""What becomes of label clusters that are not as the counts would have them."""

import math

import numpy as np
import pytest

from ihomer import partition_changes
from ihomer.kernels.adwin import adwin_width
from ihomer.kernels.partition_counts import DRIFT, WORK
from ihomer.partition import LabelPartition
from ihomer.partition_changes import Change, ChangeLog, changes_between


def learned(events, **settings):
    """Return a partition that has learned events a hundred times and has not looked at its clusters yet."""
    partition = LabelPartition(n_min=10**6, **settings)
    for _ in range(100):
        for labels in events:
            partition.learn_one(labels)
    return partition


def put(partition, clusters):
    """Put labels, which are their own indices, into clusters."""
    upkeep = partition._upkeep
    leaves = [upkeep.tree.plant()]
    while len(leaves) < len(clusters):
        leaves += upkeep.tree.split(leaves.pop(), 1.0, 0.1)
    for leaf, labels in zip(leaves, clusters, strict=True):
        upkeep.cluster[list(labels)] = leaf
    upkeep._size = {}


def checked(partition):
    """Look at the clusters once; return them as sets of labels."""
    upkeep = partition._upkeep
    upkeep.check()
    assert sorted(upkeep.tree.leaves()) == sorted(partition.clusters)
    return {frozenset(labels) for labels in partition.clusters.values()}


def test_a_cluster_whose_last_labels_have_moved_away_is_taken_away():
    partition = learned([{0, 1, 2, 6}, {3, 4, 5, 7}], min_cluster_size=2, max_cluster_size=4)
    put(partition, [{0, 1, 2}, {3, 4, 5}, {6, 7}])  # neither has room for both
    assert checked(partition) == {frozenset({0, 1, 2, 6}), frozenset({3, 4, 5, 7})}


def test_a_cluster_joins_another_where_both_just_fit():
    partition = learned([{0, 1, 2, 3}, {4, 5, 6, 7}], min_cluster_size=2, max_cluster_size=4)
    put(partition, [{0, 1}, {4, 5, 6, 7}, {2, 3}])
    assert checked(partition) == {frozenset({0, 1, 2, 3}), frozenset({4, 5, 6, 7})}


def test_large_labelsets_do_not_keep_clusters_of_half_the_largest_size_from_being_cut_off():
    partition = learned([{*range(7)}, {*range(7)}, {7, 8, 9}], max_cluster_size=5)
    assert partition._upkeep.counts.size_count.argmax() == 7
    found = checked(partition)
    assert frozenset({7, 8, 9}) in found
    assert all(3 <= len(cluster) <= 5 for cluster in found)


def test_of_the_largest_size_a_cluster_has_half_at_least_rounded_up():
    partition = learned([{*range(7)}, {*range(7)}, {7, 8}], max_cluster_size=5)
    assert all(3 <= len(cluster) <= 5 for cluster in checked(partition))


@pytest.mark.parametrize(("most", "expected"), [(3, {2: (0, 1), 3: (2, 3)}), (4, {4: (0, 1, 2, 3)})])
def test_leaves_are_merged_where_both_just_fit(most, expected):
    partition = learned([{0}, {1}, {2}, {3}], min_cluster_size=2, max_cluster_size=most, split_test="odac")
    put(partition, [{0, 1}, {2, 3}])
    tree = partition._upkeep.tree
    tree.cut[tree.root] = (0.1, 0.1)  # the labels of either leaf lie further apart now
    checked(partition)
    assert partition.clusters == expected


def test_labels_that_come_and_go_have_no_cluster_before_or_after():
    before, after = np.array([-1, 0, 0, 1, -1], np.int32), np.array([0, 0, 2, -1, -1], np.int32)
    found = changes_between(before, after, 7, "abcde".__getitem__)
    assert [(change.kind, change.cluster, change.parents, change.labels) for change in found] == [
        ("born", 2, (0,), ("c",)),
        ("grown", 0, (), ("a",)),
        ("shrunk", 0, (), ("c",)),
        ("retired", 1, (), ("d",)),
    ]


def test_changes_tell_their_event_and_their_labels_and_clusters_ascending():
    before, after = np.array([8, 1] * 20, np.int32), np.array([3, 3, 4, 4] * 10, np.int32)
    third, fourth = (tuple(i for i in range(40) if i % 4 // 2 == half) for half in (0, 1))
    labels = {c: tuple(f"l{i}" for i in range(40) if before[i] == c) for c in (1, 8)}
    assert changes_between(before, after, 7, "l{}".format) == [
        Change(7, "born", 3, (1, 8), tuple(map("l{}".format, third)), third),
        Change(7, "born", 4, (1, 8), tuple(map("l{}".format, fourth)), fourth),
        Change(7, "retired", 1, (), labels[1], tuple(range(1, 40, 2))),
        Change(7, "retired", 8, (), labels[8], tuple(range(0, 40, 2))),
    ]


def test_clusters_are_looked_at_when_counting_has_cost_a_quarter_of_that_or_after_a_drift():
    partition = learned([{0, 1}, {2, 3}])
    upkeep, meta = partition._upkeep, partition._counts.meta
    upkeep.n_min = 50
    put(partition, [{0, 1}, {2, 3}])
    cost = len(partition._counts.keys) + 8 * len(upkeep.cluster) + 500 * 2
    for work, seen, is_due in ((cost / 4 - 1, 0, False), (cost / 4, 0, True), (0, 1, True)):
        meta[WORK], meta[DRIFT] = work, seen
        assert upkeep.is_due is is_due
    upkeep.n_min = 51
    assert not upkeep.is_due
    without_labels = LabelPartition()
    without_labels._counts.meta[DRIFT] = 1
    assert not without_labels._upkeep.is_due


def test_a_size_of_labelsets_is_the_usual_one_when_it_is_a_tenth_more_frequent():
    partition = learned([{0, 1}])
    upkeep, count = partition._upkeep, partition._counts.size_count
    for more, usual in ((11.0, 2), (11.5, 3)):
        count[:] = 0.0
        count[2], count[3], upkeep.usual_size = 10.0, more, 2
        upkeep._update_usual_size()
        assert upkeep.usual_size == usual


def test_the_usual_size_is_1_at_first_and_never_0():
    upkeep = learned([{0}])._upkeep
    upkeep.counts.size_count[:3] = 99.0, 10.0, 11.0
    upkeep._update_usual_size()
    assert upkeep.usual_size == 1


def test_changes_are_kept_as_long_as_they_are_few_and_name_few_labels(monkeypatch):
    monkeypatch.setattr(partition_changes, "MOST_RECORDS", 3)
    monkeypatch.setattr(partition_changes, "MOST_LABELS", 6)
    log = ChangeLog()
    for n_labels, kept in ((2, [2]), (2, [2, 2]), (2, [2, 2, 2]), (1, [2, 2, 1]), (3, [2, 1, 3]), (4, [4]), (9, [])):
        log.extend([Change(1, "born", 0, (), ("a",) * n_labels, (0,) * n_labels)])
        assert [len(change.indices) for change in log.records] == kept
    assert (log.n_seen, log.n_dropped) == (7, 7)
    log.extend([Change(1, "shrunk", 0, (), (), ())] * 4)
    assert (len(log.records), log.n_dropped) == (3, 8)
    log.extend([Change(2, "born", 0, (), ("a",), (0,))] * 2)
    assert [change.event for change in log.records] == [1, 2, 2]


def test_a_thousand_changes_and_two_hundred_thousand_labels_are_kept():
    log = ChangeLog()
    log.extend([Change(1, "born", 0, (), ("a",), (0,))] * 1001)
    assert len(log.records) == 1000
    log.extend([Change(2, "born", 0, (), ("a",) * n, (0,) * n) for n in (200_000 - 10, 1)])
    assert len(log.records) == 11


def test_a_cluster_is_cut_where_its_largest_dissimilarity_stands_out_before_the_bound_is_small():
    """The bound is 0.042, the two largest dissimilarities are 1 and 0.5."""
    partition = learned([{0, 2}, {1, 2}], split_test="odac", delta=0.5, tau=0.01, min_cluster_size=1)
    assert len(checked(partition)) == 2


@pytest.mark.parametrize("applies", [0, 3])
def test_a_label_that_comes_after_the_tree_was_built_anew_joins_its_smallest_cluster(applies):
    partition = learned([{0, 1, 2}, {3, 4}], min_cluster_size=2)
    partition.rebuild()
    partition.learn_one({5: False, applies: True})
    assert sorted(partition.clusters.values()) == [(0, 1, 2), (3, 4, 5)]


def test_a_label_that_shares_as_many_with_two_clusters_joins_the_older():
    partition = learned([{0, 1}, {2, 3}])
    put(partition, [{2, 3}, {0, 1}])
    partition.learn_one([0, 2, 4])
    assert sorted(partition.clusters.values()) == [(0, 1), (2, 3, 4)]


def test_the_smallest_cluster_is_looked_for_once_more_after_each_label():
    partition = learned([{0, 1}, {2, 3}, {4, 5, 6}])
    put(partition, [{0, 1}, {2, 3}, {4, 5, 6}])
    for event, expected in (
        ({7: False, 8: True}, [(0, 1, 7), (2, 3, 8), (4, 5, 6)]),  # the one that does not apply shares none with the other
        ({9: False}, [(0, 1, 7, 9), (2, 3, 8), (4, 5, 6)]),
        ({2: True, 10: True}, [(0, 1, 7, 9), (2, 3, 8, 10), (4, 5, 6)]),
        ({4: True, 11: True}, [(0, 1, 7, 9), (2, 3, 8, 10), (4, 5, 6, 11)]),
        ({12: False}, [(0, 1, 7, 9, 12), (2, 3, 8, 10), (4, 5, 6, 11)]),
    ):
        partition.learn_one(event)
        assert sorted(partition.clusters.values()) == expected


def test_a_cluster_that_has_lost_labels_is_the_smallest():
    partition = learned([{0, 1, 2}, {3, 4, 5}])
    put(partition, [{0, 1, 2}, {3, 4, 5}])
    partition.learn_one({0: True, 6: True, 3: False})
    upkeep = partition._upkeep
    upkeep.remove(np.array([1, 2], np.int32))
    assert upkeep.admit([(7, False)], []) == {int(upkeep.cluster[0]): [7]}


@pytest.mark.parametrize("n_labels", [3, 17, 40])
def test_there_is_as_much_room_for_the_clusters_of_labels_as_for_their_counts(n_labels):
    """A power of two: when clusters are looked at goes by it, and not by the steps in which labels came."""
    upkeep = learned([{0}, set(range(n_labels))])._upkeep
    assert len(upkeep.cluster) == len(upkeep.counts.label_count) == max(16, 1 << (n_labels - 1).bit_length())


@pytest.mark.parametrize(("first", "second", "joined"), [({1, 2, 3}, {4, 5}, 1), ({1, 2}, {3, 4}, 0), ({3, 4}, {1, 2}, 0)])
def test_a_small_cluster_without_links_joins_the_smallest_beside_it_of_these_the_oldest(first, second, joined):
    partition = learned([{0}, {1, 2, 3}, {4, 5}] if len(first) > 2 else [{0}, {1, 2}, {3, 4}], min_cluster_size=2)
    clusters = [first, second]
    put(partition, [{0}, *clusters])
    clusters[joined] = clusters[joined] | {0}
    assert checked(partition) == {*map(frozenset, clusters)}


@pytest.mark.parametrize(
    ("most", "expected"), [(None, [{0, 1, 2, 3}, {4, 5}]), (4, [{0, 1, 2, 3}, {4, 5}]), (3, [{1, 2, 3}, {0, 4, 5}])]
)
def test_a_small_cluster_joins_the_nearest_that_has_room(most, expected):
    partition = learned([{0, 1, 2, 3}, {1, 2, 3}, {4, 5}], split_test="odac", min_cluster_size=2, max_cluster_size=most)
    put(partition, [{0}, {4, 5}, {1, 2, 3}])
    assert checked(partition) == {*map(frozenset, expected)}


def test_where_no_cluster_has_room_a_small_one_joins_the_nearest_which_is_cut():
    partition = learned([{0, 1, 2, 3}, {1, 2, 3}, {4, 5, 6}], split_test="odac", min_cluster_size=2, max_cluster_size=3)
    put(partition, [{0}, {1, 2, 3}, {4, 5, 6}])
    found = checked(partition)
    assert len(found) == 3
    assert frozenset({4, 5, 6}) in found


def test_clusters_that_are_too_small_join_each_other_once():
    partition = learned([{0, 1}, {2, 3}], split_test="odac", min_cluster_size=2)
    put(partition, [{0}, {1}, {2, 3}])
    before = partition._upkeep.cluster[:4].tolist()
    partition._upkeep.check()
    assert partition._upkeep.cluster[:4].tolist() == [before[1], *before[1:]]


def test_a_cluster_of_a_third_of_the_usual_size_is_too_small():
    partition = learned([{0, 1, 2}, {3, 4, 5}, {4, 5, 6}], split_test="odac")
    put(partition, [{6}, {0, 1, 2}, {3, 4, 5}])
    assert checked(partition) == {frozenset({0, 1, 2}), frozenset({3, 4, 5, 6})}


def test_all_labels_may_be_fewer_than_the_least_size():
    assert checked(learned([{0}], min_cluster_size=2)) == {frozenset({0})}


def test_after_a_drift_or_cuts_the_detector_of_drift_is_empty_and_after_each_look_work_is_measured_anew():
    partition = learned([{0, 1, 2}, {3, 4, 5}], min_cluster_size=2)
    counts, found = partition._counts, []
    for has_drifted in (False, False, True):
        counts.meta[DRIFT] = int(has_drifted)
        for _ in range(20):
            partition.learn_one({0, 1, 2})
        before = adwin_width(counts.detector, 0)
        assert len(checked(partition)) == 2
        found.append((before, adwin_width(counts.detector, 0)))
        assert counts.work == 0
        assert not counts.drift_seen
    assert found == [(220, 0), (20, 20), (40, 0)]


def test_a_tree_built_anew_with_the_same_clusters_leaves_the_detector_of_drift_as_it_is():
    partition = learned([{0, 1, 2}, {3, 4, 5}], min_cluster_size=2)
    partition.rebuild()
    for _ in range(20):
        partition.learn_one({0, 1, 2})
    detector = partition._counts.detector
    assert adwin_width(detector, 0) == 20
    assert partition.rebuild() == []
    assert adwin_width(detector, 0) == 20
    put(partition, [{0, 1, 3}, {2, 4, 5}])
    assert partition.rebuild()
    assert adwin_width(detector, 0) == 0


@pytest.mark.parametrize("most", [None, 3])
def test_of_labels_that_have_not_applied_nothing_is_known_and_only_force_cuts_them(most):
    partition = LabelPartition(max_cluster_size=most, min_cluster_size=1, n_min=1)
    partition.learn_one(dict.fromkeys("abcdefg", False) | {"z": True})
    partition.learn_many([{"z"}] * 30)
    cuts = [node.cut for node in partition.tree if node.cut is not None]
    assert all(len(cluster) <= (most or 8) for cluster in partition.clusters.values())
    assert cuts == [] if most is None else (1.0, math.inf) in cuts
