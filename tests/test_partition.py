"""LabelPartition: planted groups found, whatever the names and the form of input; bounds, and records."""

import math
import pickle
import random
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from ihomer.partition import Change, LabelPartition
from tests.partition_parts import check_invariants, found, planted, replay, same_bits

SIZES = [(2, 2, 2), (4, 4), (4,) * 10, (8,) * 5, (2, 3, 4, 5, 6, 7, 8), (3,) * 12, (8, 2, 2, 2, 8)]


# Planted groups ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(("share", "noise"), [(0.6, 0.0), (1.0, 0.0), (0.6, 0.1)])
def test_planted_groups_are_found_exactly_and_again_after_they_are_drawn_anew(sizes, share, noise):
    for seed in range(3):
        partition = LabelPartition(min_cluster_size=2)
        for groups, events in planted(seed, sizes, 3_000, share, noise, n_phases=2):
            partition.learn_many(events[:1_500])
            early = found(partition)
            partition.learn_many(events[1_500:])
            assert found(partition) == groups
            if partition.summary["n_events"] == 3_000:
                assert early == groups
                assert not partition.drifts
        check_invariants(partition)
        assert all(3_000 < drift.event <= 4_000 for drift in partition.drifts)


@pytest.mark.parametrize("sizes", [(4,) * 10, (5,) * 6], ids=str)
def test_groups_are_found_with_the_default_least_size(sizes):
    for seed in range(3):
        ((groups, events),) = planted(seed, sizes, 3_000, 0.7)
        partition = LabelPartition()
        partition.learn_many(events)
        assert found(partition) == groups


def test_two_hundred_labels_and_a_pause_between_phases():
    first, second = planted(5, (5,) * 40, 4_000, 0.9, n_phases=2)
    partition = LabelPartition(min_cluster_size=2)
    partition.learn_many(first[1])
    assert found(partition) == first[0]
    partition.learn_many(second[1])
    assert found(partition) == second[0]


def test_what_never_occurs_together_stays_together():
    """Labels that exclude each other give no reason to cut; nor do labels that occur independently."""
    rng = random.Random(1)
    exclusive, independent = LabelPartition(), LabelPartition()
    for _ in range(3_000):
        exclusive.learn_one([rng.randrange(12)])
        independent.learn_one([i for i in range(12) if rng.random() < 0.3])
    assert found(exclusive) == found(independent) == {frozenset(range(12))}


def test_a_group_is_not_cut_further_however_long_the_stream_is():
    ((groups, events),) = planted(2, (6, 6, 6), 30_000, 0.5)
    partition = LabelPartition(min_cluster_size=1)
    partition.learn_many(events)
    assert found(partition) == groups
    assert partition.changes[-1].event <= 2_000


def test_a_label_put_in_the_wrong_place_moves():
    """It comes alone at first, so that it enters the smallest cluster; then it occurs with the others of its own."""
    rng = random.Random(4)
    groups = [list("abcde"), list("vwxyz")]
    partition = LabelPartition(min_cluster_size=2, detect_drift=False)
    partition.learn_many([[name for name in rng.choice(groups) if rng.random() < 0.7] for _ in range(1_000)])
    partition.learn_many([["new"], ["new"]])
    home = partition.cluster_of("new")
    away = next(group for group in groups if partition.cluster_of(group[0]) != home)
    partition.learn_many([[*(name for name in away if rng.random() < 0.7), "new"] for _ in range(400)])
    assert partition.cluster_of("new") == partition.cluster_of(away[0])
    check_invariants(partition)


def test_a_new_label_enters_the_cluster_it_shares_most_labels_with_else_the_smallest():
    ((groups, events),) = planted(1, (5, 3, 4), 1_500)
    partition = LabelPartition(min_cluster_size=2)
    partition.learn_many(events)
    assert found(partition) == groups
    five, three, four = (next(sorted(g) for g in groups if len(g) == n) for n in (5, 3, 4))
    partition.learn_one([*five[:2], three[0], "with five"])
    partition.learn_one(["alone"])
    partition.learn_one({"not at all": False, four[0]: True})
    assert partition.cluster_of("with five") == partition.cluster_of(five[0])
    assert partition.cluster_of("alone") == partition.cluster_of(three[0])
    assert partition.cluster_of("not at all") == min(partition.cluster_of(three[0]), partition.cluster_of(four[0]))


def test_drift_is_told_with_its_window():
    (_, first), (_, second) = planted(3, (4,) * 5, 2_000, 0.8, n_phases=2)
    partition = LabelPartition(min_cluster_size=2)
    partition.learn_many(first)
    assert partition.drifts == []
    partition.learn_many(second)
    (drift, *_) = partition.drifts
    assert 2_000 < drift.event <= 2_400
    assert 32 <= drift.window <= 1_000
    assert 0.2 < drift.cut_share <= 1.0
    assert partition.summary["n_drifts"] == len(partition.drifts)
    blind = LabelPartition(min_cluster_size=2, detect_drift=False)
    blind.learn_many(first + second)
    assert blind.drifts == []


def test_fading_follows_a_change_without_a_detector():
    (_, first), (groups, second) = planted(3, (4,) * 5, 4_000, 0.8, n_phases=2)
    partition = LabelPartition(min_cluster_size=2, fading=0.999, detect_drift=False)
    partition.learn_many(first + second)
    assert found(partition) == groups


def test_published_test_finds_groups_and_follows_drift():
    for groups, events in planted(1, (3,) * 12, 3_000, 0.9):
        partition = LabelPartition(split_test="odac", min_cluster_size=3)
        partition.learn_many(events)
        check_invariants(partition)
        assert found(partition) == groups


@pytest.mark.parametrize("n_others", [0, 100])
def test_after_a_drift_each_event_counts_once_at_most(n_others):
    partition, rng, carried = LabelPartition(n_min=50, min_cluster_size=2), random.Random(1), Counter()
    partition.learn_one({f"other {i}": False for i in range(n_others)})
    while not partition.drifts:
        groups = ["ab", "cd"] if partition.summary["n_events"] < 400 else ["ac", "bd"]
        labels = set(rng.choice(groups))
        partition.learn_one(labels)
        carried.update(labels)
    counts = partition._counts.counts(partition.labels.size)
    for label, n in carried.items():
        assert counts[partition.labels.get(label)] <= n + 1e-9
    assert partition._counts.mass <= partition.summary["n_events"] + 1e-9
    before = counts.sum() - 2.0 * partition.drifts[-1].window
    assert before <= 20.0 * (4 + n_others) + 1e-9


def test_never_keeps_all_labels_in_one_cluster_through_drift_rebuilding_and_forgetting():
    for seed in range(3):
        partition = LabelPartition(split_test="never", n_min=20, delta=0.9, tau=5.0, min_cluster_size=2, max_labels=16)
        for phase, (_, events) in enumerate(planted(seed, (4, 4, 6), 1_000, 0.8, n_phases=2)):
            for y in events:
                partition.learn_one([*y, f"new {phase}"] if y[0] == "label 3" else y)
            assert found(partition) == {frozenset(partition.labels)}
        assert partition.rebuild() == partition.drifts == []
        check_invariants(partition)
        partition.learn_one([f"other {i}" for i in range(16)])
        assert found(partition) == {frozenset(f"other {i}" for i in range(16))}
        assert partition.similarity("other 1", "other 2") == 1.0
        check_invariants(partition)
    cutting = LabelPartition(n_min=20, delta=0.9, tau=5.0, min_cluster_size=2, max_labels=16)
    cutting.learn_many(events)
    assert len(cutting.clusters) > 1
    with pytest.raises(ValueError, match="max_cluster_size"):
        LabelPartition(split_test="never", max_cluster_size=3)


# Names, forms, batches -----------------------------------------------------------------------------------------------


def test_names_and_their_order_do_not_matter():
    ((_, events),) = planted(6, (3, 4, 5, 2), 1_200, 0.7, 0.1)
    plain, renamed, shuffled = (LabelPartition(n_min=100) for _ in range(3))
    rng = random.Random(0)
    for y in events:
        plain.learn_one(y)
        renamed.learn_one([f"a longer {name}" for name in y])
        shuffled.learn_one(dict.fromkeys(rng.sample(y, len(y)), True))
        assert plain.cluster_index.tolist() == renamed.cluster_index.tolist() == shuffled.cluster_index.tolist()
    assert list(plain.clusters.values()) == [
        tuple(name.removeprefix("a longer ") for name in names) for names in renamed.clusters.values()
    ]
    assert pickle.dumps(plain._counts) == pickle.dumps(shuffled._counts)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sets(st.integers(0, 30), max_size=6), st.floats(0.01, 100.0)), max_size=200),
    st.lists(st.integers(1, 60), min_size=1),
    st.sampled_from([3, 10, 64]),
)
def test_one_by_one_in_batches_and_by_index_give_the_same_bits(rows, batch_sizes, n_min):
    arguments = {"n_min": n_min, "delta": 0.3, "tau": 1.0, "max_labels": 16, "max_pairs": 64}
    single, batched, indexed = (LabelPartition(**arguments) for _ in range(3))
    for y, w in rows:
        single.learn_one(y, w)
    start = 0
    while start < len(rows):
        size = batch_sizes[start % len(batch_sizes)]
        chunk = rows[start : start + size]
        batched.learn_many([y for y, _ in chunk], [w for _, w in chunk])
        start += size
    for y, w in rows:
        new = sorted(name for name in y if name not in indexed.labels)
        if new:
            indexed.add_labels(new, y)
        index = np.array(sorted(i for i in map(indexed.labels.get, y) if i >= 0), np.int32)
        indexed.learn_rows(np.array([0, len(index)]), index, np.array([w]))
    same_bits(single, batched)
    same_bits(single, indexed)
    check_invariants(single)


def test_a_label_that_is_new_in_the_middle_of_a_batch_puts_no_test_off():
    events = [[*y, f"new {i}"] if i % 37 == 5 else y for i, y in enumerate(planted(5, (4, 4), 400)[0][1])]
    single, batched = LabelPartition(n_min=50), LabelPartition(n_min=50)
    for y in events:
        single.learn_one(y)
    batched.learn_many(events)
    assert len(single.clusters) > 1
    assert single.changes == batched.changes
    same_bits(single, batched)


def test_learn_rows_takes_rows_up_to_the_next_test_and_returns_what_changed():
    ((groups, events),) = planted(8, (4, 4, 4), 1_000)
    partition = LabelPartition(n_min=100, min_cluster_size=2)
    names = sorted({name for y in events for name in y})
    collected = partition.add_labels(names, names)
    while events:
        room = partition.rows_to_check
        assert room == 100
        rows = [sorted(map(partition.labels.get, y)) for y in events[:room]]
        indptr = np.cumsum([0, *map(len, rows)])
        with pytest.raises(ValueError, match="at most 100 rows"):
            partition.learn_rows(np.zeros(102, np.int64), np.zeros(0, np.int32), np.ones(101))
        version = partition.version
        changes = partition.learn_rows(indptr, np.concatenate(rows).astype(np.int32), np.ones(len(rows)))
        assert partition.version == version + bool(changes)
        collected += changes
        events = events[room:]
    assert found(partition) == groups
    assert collected == partition.changes
    names_of = {c: {partition.labels.name(i) for i in members} for c, members in replay(collected).items()}
    assert names_of == {c: set(members) for c, members in partition.clusters.items()}


def test_forms_of_input_agree():
    rng = np.random.default_rng(1)
    likely = np.where(rng.random((300, 1)) < 0.5, [0.6] * 4 + [0.02] * 4, [0.02] * 4 + [0.6] * 4)
    matrix = (rng.random((300, 8)) < likely).astype(float)
    names = list("ehgfdcba")
    dicts = [dict(zip(names, (row == 1).tolist(), strict=True)) for row in matrix]
    forms = [LabelPartition(n_min=50) for _ in range(4)]
    forms[0].learn_many(dicts)
    for y in dicts:
        forms[1].learn_one(y)
    forms[2].learn_many(pd.DataFrame(matrix.astype(int), columns=names))
    forms[3].learn_many(matrix, names=names)
    for other in forms[1:]:
        same_bits(forms[0], other)
    assert len(forms[0].clusters) == 2
    sets, csr = LabelPartition(n_min=50), LabelPartition(n_min=50)
    sets.learn_many([set(np.flatnonzero(row).tolist()) for row in matrix])
    csr.learn_many(sparse.csr_array(matrix))
    same_bits(sets, csr)
    named, wide = LabelPartition(n_min=50), LabelPartition(n_min=50)
    named.learn_many([{names[column] for column in np.flatnonzero(row)} for row in matrix])
    wider = sparse.csr_array(np.insert(matrix, [0, 3, 8], 0.0, axis=1))
    wide.learn_many(wider, names=["x", *names[:3], "y", *names[3:], "z"])
    same_bits(named, wide)
    with pytest.raises(ValueError, match="names must be 11 different names"):
        wide.learn_many(wider, names=names)


def test_unobserved_labels_are_skipped_and_negative_ones_known():
    partition = LabelPartition()
    partition.learn_one({"a": True, "b": None, "c": False})
    assert sorted(partition.labels) == ["a", "c"]
    partition.learn_many(np.array([[1.0, math.nan, 0.0], [1.0, 1.0, 0.0]]), names=["a", "b", "c"])
    assert partition.similarity("a", "b") == pytest.approx(1 / 3)
    assert partition.similarity("a", "c") == 0.0


def test_similarity_is_jaccard_and_weights_count():
    partition = LabelPartition()
    partition.learn_one({"a", "b"}, w=3.0)
    partition.learn_one({"a"}, w=1.5)
    partition.learn_one({"b", "c"})
    assert partition.similarity("a", "b") == partition.similarity("b", "a") == pytest.approx(3.0 / 5.5)
    assert partition.similarity("a", "c") == 0.0
    assert partition.similarity("c", "c") == 1.0
    twice, weighted = LabelPartition(), LabelPartition()
    for _ in range(10):
        twice.learn_many([["x", "y"], ["x", "y"], ["y"]])
        weighted.learn_many([["x", "y"], ["y"]], [2.0, 1.0])
    assert twice.similarity("x", "y") == weighted.similarity("x", "y")


# Records and bounds --------------------------------------------------------------------------------------------------


def test_records_tell_the_whole_story():
    partition = LabelPartition(n_min=50, min_cluster_size=2, max_labels=24)
    rng = random.Random(2)
    for phase in range(6):
        ((_, events),) = planted(phase, (4,) * 5, 300, 0.8, 0.2)
        for y in events:
            partition.learn_one([*y, f"rare {rng.random()}"] if rng.random() < 0.02 else y)
    told = partition.changes
    assert partition.summary["n_changes"] == len(told) < 1_000
    by_index = replay(told)
    assert by_index == {c: {partition.labels.get(name) for name in names} for c, names in partition.clusters.items()}
    ever = {change.cluster for change in told}
    assert all(parent in ever for change in told for parent in change.parents)
    assert {change.kind for change in told} == {"born", "grown", "shrunk", "retired"}
    assert partition.summary["n_labels_forgotten"] > 0


def test_parents_are_where_the_labels_came_from():
    ((groups, events),) = planted(1, (4, 4), 400)
    partition = LabelPartition(min_cluster_size=2)
    partition.learn_many(events)
    assert found(partition) == groups
    born = [change for change in partition.changes if change.kind == "born" and change.event > 0]
    assert [change.parents for change in born] == [(0,), (0,)]
    assert {frozenset(change.labels) for change in born} == groups
    assert partition.changes[-1] == Change(born[0].event, "retired", 0, (), partition.changes[-1].labels, tuple(range(8)))


def test_the_log_is_bounded_and_counts_what_it_dropped():
    partition = LabelPartition(n_min=1000)
    for i in range(1_500):
        partition.learn_one([i])
    summary = partition.summary
    assert len(partition.changes) == 1_000
    assert summary["n_changes_dropped"] == 500
    assert summary["n_changes"] == 1_500
    huge = LabelPartition(n_min=1000)
    for k in range(3):
        huge.learn_one([*range(k * 80_000, (k + 1) * 80_000)])
    assert len(huge.changes) == 2


@pytest.mark.parametrize("n_labels", [8, 50])
def test_ever_new_labels_stay_within_the_bounds(n_labels):
    partition = LabelPartition(n_min=20, max_labels=n_labels, max_pairs=64, min_cluster_size=1)
    rng = random.Random(1)
    for event in range(3_000):
        partition.learn_one({event // 3, event // 3 + 1, rng.randrange(10)})
        assert len(partition.labels) <= n_labels
        assert partition.labels.size <= n_labels
        assert partition.summary["n_pairs"] <= 64
        if event % 50 == 0:
            check_invariants(partition)
    counts = partition._counts
    assert len(counts.keys) <= 256
    assert partition.summary["bytes_of_pairs"] == 16 * len(counts.keys)
    assert len(counts.ring_weight) == 4096
    used = counts.keys[counts.keys >= 0]
    assert (counts.label_count[used >> 32] > 0.0).all()
    assert partition.summary["n_labels_forgotten"] > 900
    assert (partition.summary["n_pairs_dropped"] > 0) == (n_labels == 50)  # 8 labels have no more than 28 pairs


def test_forgotten_labels_leave_nothing_behind_for_the_next_holder_of_their_index():
    partition = LabelPartition(max_labels=8)
    partition.learn_many([[f"old {i}", f"old {i + 1}"] for i in range(7)] * 3)
    partition.learn_one(["new"])
    index = partition.labels.get("new")
    assert [change.kind for change in partition.changes[-2:]] == ["shrunk", "grown"]
    assert partition.changes[-2].labels == ("old 0",)
    assert partition.changes[-2].indices == (index,)
    assert partition.similarity("new", "old 1") == 0.0
    assert (partition._counts.ring_label[:42] == -1).sum() == 3
    with pytest.raises(KeyError):
        partition.cluster_of("old 0")


def test_more_new_labels_than_there_is_room_for():
    partition = LabelPartition(max_labels=8)
    partition.learn_one([0, 1, 2])
    partition.learn_one([*range(10, 30)])
    assert len(partition.labels) == 8
    assert sorted(partition.labels) == [*range(10, 18)]
    check_invariants(partition)
    partition.learn_one([5])
    assert len(partition.labels) == 8
    check_invariants(partition)


def test_a_label_set_of_thousands_costs_no_more_than_a_large_one():
    partition = LabelPartition(n_min=2)
    partition.learn_many([[*range(5_000)], [*range(3_000)], [1, 2]])
    assert partition.summary["n_pairs"] <= 2 * 1024 * 1023 // 2 + 1
    check_invariants(partition)


@pytest.mark.parametrize(("least", "most"), [(1, 1), (1, 3), (3, 5), (None, 7), (4, 9)])
def test_cluster_sizes_respect_their_bounds(least, most):
    ((_, events),) = planted(1, (6, 6, 5, 5, 8), 2_000, 0.8)
    partition = LabelPartition(n_min=100, min_cluster_size=least, max_cluster_size=most)
    partition.learn_many(events)
    sizes = [len(names) for names in partition.clusters.values()]
    assert max(sizes) <= most
    assert min(sizes) >= (least or 1)
    check_invariants(partition)


def test_no_cut_leaves_less_than_the_least_size():
    ((_, events),) = planted(1, (2, 3, 4, 5), 2_000, 0.8)
    for least in range(1, 8):
        partition = LabelPartition(min_cluster_size=least)
        partition.learn_many(events)
        assert min(len(names) for names in partition.clusters.values()) >= least


def test_a_label_of_the_event_that_brings_new_ones_is_not_forgotten():
    partition = LabelPartition(max_labels=8)
    for name in "abcdefgh":
        partition.learn_one({name})
    partition.learn_one({"a", "i"})
    assert set(partition.labels) == set("acdefghi")


def test_the_label_that_applied_or_was_new_longest_ago_is_forgotten():
    """One that is new counts as newer than those that applied before, also where it does not apply."""
    partition = LabelPartition(max_labels=8)
    partition.learn_many([[*range(8)], [0, *range(2, 8)], {8: False}])
    assert sorted(partition.labels) == [0, *range(2, 9)]
    partition.learn_many([[0], {9: False}])
    assert sorted(partition.labels) == [0, *range(3, 10)]
