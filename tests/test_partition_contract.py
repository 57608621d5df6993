"""LabelPartition: settings and events checked, nothing half done, copies, and what holds after every event."""

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import base

from ihomer.partition import LabelPartition
from tests.partition_parts import check_invariants, found, planted, same_bits


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("n_min", [0, -1, 2.5, "x", None, True]),
        ("delta", [0, 1, 2.0, math.nan, "x", None]),
        ("tau", [0, -1.0, math.nan, math.inf, "x", None]),
        ("min_cluster_size", [0, -1, 1.5, "x"]),
        ("max_cluster_size", [0, -1, 1.5, "x", 10**30]),
        ("fading", [0.0, 1.1, -1.0, math.nan, "x", None]),
        ("max_labels", [0, 7, 1.5, None, 2**31]),
        ("max_pairs", [0, 63, 1.5, None]),
        ("detect_drift", [0, "yes", None]),
        ("split_test", ["other", None, 3]),
        ("seed", [-1, 1.5, None]),
    ],
)
def test_settings_are_checked_and_named(name, values):
    for value in values:
        with pytest.raises(ValueError, match=name):
            LabelPartition(**{name: value})


def test_the_bounds_of_cluster_sizes_must_leave_room():
    with pytest.raises(ValueError, match="max_cluster_size"):
        LabelPartition(min_cluster_size=4, max_cluster_size=6)
    LabelPartition(min_cluster_size=4, max_cluster_size=7)


@pytest.mark.parametrize(
    ("y", "w", "error"),
    [
        ("abc", 1.0, TypeError),
        (7, 1.0, TypeError),
        (None, 1.0, TypeError),
        ([["a"]], 1.0, TypeError),
        ({"a": "yes"}, 1.0, TypeError),
        ({"a": 0.5}, 1.0, TypeError),
        (["new", math.nan], 1.0, ValueError),
        ({"new": True, ("x", math.nan): False}, 1.0, ValueError),
        ({"new"}, -1.0, ValueError),
        ({"new"}, 0.0, ValueError),
        ({"new"}, math.nan, ValueError),
        ({"new"}, math.inf, ValueError),
        ({"new"}, "1", TypeError),
        ({"new"}, None, TypeError),
    ],
)
def test_a_bad_event_changes_nothing(y, w, error):
    partition = LabelPartition(n_min=3)
    partition.learn_many([["a", "b"], ["c"], ["a", "d"]])
    before = pickle.dumps(partition)
    with pytest.raises(error):
        partition.learn_one(y, w)
    with pytest.raises(error):
        partition.learn_many([["e"], y], [1.0, w])
    assert pickle.dumps(partition) == before


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("ab",), TypeError),
        ((5,), TypeError),
        ((iter([["a"]]),), TypeError),
        (({"a": True},), TypeError),
        ((np.array([[0.0, 2.0]]),), ValueError),
        ((np.array(3),), ValueError),
        ((np.array([["a"]]),), ValueError),
        (([["a"], ["b"]], [1.0]), ValueError),
        (([["a"], ["b"]], 2.0), TypeError),
        (([["a"], ["b"]], [1.0, -2.0]), ValueError),
        ((np.array([[0.0, 1.0]]), None, ["a"]), ValueError),
        ((np.array([[0.0, 1.0]]), None, ["a", "a"]), ValueError),
        (([["a"]], None, ["a"]), ValueError),
    ],
)
def test_a_bad_batch_changes_nothing(arguments, error):
    partition = LabelPartition()
    before = pickle.dumps(partition)
    with pytest.raises(error):
        partition.learn_many(*arguments)
    assert pickle.dumps(partition) == before


GOOD_ROWS = {"indptr": np.array([0, 2, 3]), "index": np.array([0, 1, 0], np.int32), "weight": np.ones(2)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"indptr": [0, 2, 3]}, "indptr must be"),
        ({"indptr": np.array([0, 2, 3], np.int32)}, "indptr must be"),
        ({"indptr": np.array([[0, 2, 3]])}, "indptr must be"),
        ({"indptr": np.array([0, 3])}, "rise"),
        ({"indptr": np.zeros(0, np.int64), "weight": np.ones(0)}, "rise"),
        ({"indptr": np.array([1, 2, 3])}, "rise"),
        ({"indptr": np.array([0, 2, 4])}, "rise"),
        ({"indptr": np.array([0, 4, 3])}, "rise"),
        ({"indptr": np.array([0, -1, 3])}, "rise"),
        ({"index": np.array([0, 1, 0])}, "index must be"),
        ({"index": np.array([0, 1, 4], np.int32)}, "known labels"),
        ({"index": np.array([0, 1, -1], np.int32)}, "known labels"),
        ({"index": np.array([1, 0, 0], np.int32)}, "ascend"),
        ({"index": np.array([0, 0, 1], np.int32)}, "ascend"),
        ({"weight": np.ones(2, np.float32)}, "weight must be"),
        ({"weight": np.ones(3)}, "rise"),
        ({"weight": np.array([1.0, 0.0])}, "weight must be from"),
        ({"weight": np.array([1.0, math.nan])}, "weight must be from"),
        ({"weight": np.array([1.0, 2e9])}, "weight must be from"),
    ],
)
def test_bad_rows_of_indices_change_nothing(wrong, message):
    partition = LabelPartition(n_min=10)
    partition.learn_one(["a", "b"])
    before = pickle.dumps(partition)
    with pytest.raises(ValueError, match=message):
        partition.learn_rows(**{**GOOD_ROWS, **wrong})
    assert pickle.dumps(partition) == before
    partition.learn_rows(**GOOD_ROWS)
    partition.learn_rows(np.array([0, 0, 0]), np.zeros(0, np.int32), np.ones(2))
    partition.learn_rows(np.zeros(1, np.int64), np.zeros(0, np.int32), np.ones(0))
    assert partition.n_events == 5


def test_rows_of_forgotten_labels_are_refused():
    partition = LabelPartition(max_labels=8)
    partition.learn_many([[i] for i in range(8)])
    partition.add_labels(["a", "b"], ["a"])
    partition.add_labels(["c"], [])
    free = sorted(set(range(partition.labels.size)) - {i for _, i in partition.labels.items()})
    for index in free:
        with pytest.raises(ValueError, match="known labels"):
            partition.learn_rows(np.array([0, 1]), np.array([index], np.int32), np.ones(1))


@pytest.mark.parametrize(
    "call",
    [
        lambda partition: partition.learn_many(np.eye(2), names=[math.nan, "c"]),
        lambda partition: partition.learn_many(np.eye(2), names={"c", "d"}),
        lambda partition: partition.learn_many(np.eye(2), names="cd"),
        lambda partition: partition.add_labels([math.nan], []),
        lambda partition: partition.add_labels([("c", math.nan)], []),
        lambda partition: partition.add_labels(["c"], [["a"]]),
        lambda partition: partition.add_labels("cd", []),
        lambda partition: partition.add_labels(["c"], "ac"),
        lambda partition: partition.add_labels(["c"], None),
    ],
)
def test_names_that_are_refused_leave_a_partition_as_it_was(call):
    partition, calm = LabelPartition(), LabelPartition()
    partition.learn_one({"a", "b"})
    calm.learn_one({"a", "b"})
    with pytest.raises((TypeError, ValueError)):
        call(partition)
    same_bits(partition, calm)
    partition.learn_one({"c"})
    assert set(partition.labels) == {"a", "b", "c"}


def test_labels_that_are_known_or_named_twice_are_ignored():
    partition = LabelPartition(n_min=2)
    before = pickle.dumps(partition)
    assert partition.add_labels([], []) == []
    assert pickle.dumps(partition) == before
    partition.add_labels(["a", "b", "a"], ["a"])
    assert partition.clusters == {0: ("a", "b")}
    before = pickle.dumps(partition)
    assert partition.add_labels(["b", "a"], ["a"]) == []
    assert pickle.dumps(partition) == before
    (change,) = partition.add_labels(["a", "c", "c"], ["a"])
    assert change.labels == ("c",)
    check_invariants(partition)


def test_empty_batches_and_events():
    partition = LabelPartition(n_min=1)
    partition.learn_many([])
    assert partition.clusters == {}
    assert partition.changes == partition.rebuild() == []
    assert partition.draw() == "digraph labels {\n  node [shape=box];\n}"
    assert partition.draw("text") == ""
    partition.learn_many([[], (), {}, set(), frozenset()])
    assert partition.summary["n_events"] == 5
    assert partition.clusters == {}
    partition.learn_one(["a"])
    assert partition.clusters == {0: ("a",)}
    assert partition.draw("text") == "cluster 0: a"
    with pytest.raises(KeyError, match="no label 'b'"):
        partition.cluster_of("b")
    with pytest.raises(KeyError):
        partition.similarity("a", "b")
    with pytest.raises(ValueError, match="form"):
        partition.draw("picture")


NAMES = st.one_of(
    st.integers(),
    st.text(max_size=3),
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False),
    st.tuples(st.integers(0, 3)),
    st.binary(max_size=2),
)
LABEL_SETS = st.one_of(
    st.sets(NAMES, max_size=8),
    st.lists(NAMES, max_size=5, unique=True),
    st.dictionaries(NAMES, st.sampled_from([True, False, None])),
    st.integers(1, 3000).map(range).map(list),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(LABEL_SETS, max_size=30),
    st.sampled_from([1, 2, 7]),
    st.sampled_from([8, 20, 1000]),
    st.sampled_from(["separation", "odac"]),
    st.sampled_from([None, 1, 3]),
)
def test_each_label_is_in_exactly_one_cluster_after_every_event(rows, n_min, max_labels, split_test, most):
    partition = LabelPartition(
        n_min=n_min, delta=0.9, tau=5.0, max_labels=max_labels, max_pairs=64, split_test=split_test, max_cluster_size=most
    )
    for y in rows:
        partition.learn_one(y)
        check_invariants(partition)
    partition.rebuild()
    check_invariants(partition)
    partition.draw()


def test_rebuild_keeps_the_ids_of_clusters_that_stay():
    ((groups, events),) = planted(1, (4, 5, 6), 2_000)
    partition = LabelPartition(min_cluster_size=2)
    partition.learn_many(events)
    before, watched = partition.clusters, pickle.dumps(partition._counts)
    assert partition.rebuild() == []
    assert partition.clusters == before
    assert pickle.dumps(partition._counts) == watched
    assert found(partition) == groups
    assert partition.learn_many(events) is None
    assert partition.clusters == before


def test_copies_go_on_alike():
    first, second = planted(9, (3, 4, 5), 700, n_phases=2)
    partition = LabelPartition(n_min=50, min_cluster_size=2, seed=4)
    partition.learn_many(first[1])
    copies = [pickle.loads(pickle.dumps(partition)), copy.deepcopy(partition)]
    assert pickle.dumps(partition) == pickle.dumps(partition)
    partition.learn_many(second[1])
    for other in copies:
        other.learn_many(second[1])
        same_bits(partition, other)
    clone = partition.clone()
    assert isinstance(clone, base.Base)
    assert clone.clusters == {}
    assert clone._get_params() == partition._get_params()
    assert "seed=4" in repr(partition)
    clone.learn_many(first[1] + second[1])
    same_bits(partition, clone)


def test_drawing_names_every_cluster():
    ((_, events),) = planted(1, (4, 20), 2_000)
    partition = LabelPartition(min_cluster_size=2)
    partition.learn_many([*events, ['a "quoted" \\ name\n']])
    dot, text = partition.draw(), partition.draw(form="text")
    assert dot.startswith("digraph")
    assert dot.count("->") == 2
    assert '\\"quoted\\" \\\\ name\\\\n' in dot
    assert "(20 labels)" in text
    for cluster in partition.clusters:
        assert f"cluster {cluster}: " in text
        assert f"  {cluster} [label=" in dot
