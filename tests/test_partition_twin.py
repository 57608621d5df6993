"""LabelPartition and its kernels against the slow twin: the same clusters, ids, drifts and counts, event after event."""

import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ihomer.kernels.partition_counts import pair_count
from ihomer.partition import LabelPartition
from tests.reference.partition import Counts, Partition

PLANTED = st.tuples(
    st.integers(0, 2**32 - 1),  # seed
    st.integers(2, 24),  # labels
    st.lists(  # phases: largest group, share of a group that an event carries, share of noisy events, events
        st.tuples(st.integers(1, 7), st.sampled_from([0.4, 0.7, 1.0]), st.sampled_from([0.0, 0.1, 0.5]), st.integers(1, 250)),
        min_size=1,
        max_size=3,
    ),
)
SETTINGS = st.fixed_dictionaries(
    {
        "n_min": st.sampled_from([1, 5, 10, 30, 50]),
        "delta": st.sampled_from([0.5, 0.2, 0.05, 0.01]),
        "tau": st.sampled_from([0.1, 0.3, 0.6, 1.5]),
        "min_cluster_size": st.sampled_from([None, 1, 2, 3]),
        "max_cluster_size": st.sampled_from([None, None, 5, 6, 9]),
        "fading": st.sampled_from([1.0, 1.0, 0.5, 0.99]),
        "max_pairs": st.sampled_from([64, 100, 2_000_000]),
        "detect_drift": st.booleans(),
        "split_test": st.sampled_from(["separation", "separation", "odac"]),
        "seed": st.integers(0, 100),
    }
)


def planted_rows(seed, n_labels, phases):
    rng = random.Random(seed)
    rows = []
    for largest, share, noise, n_events in phases:
        labels = rng.sample(range(n_labels), n_labels)
        groups = []
        while labels:
            size = rng.randint(1, largest)
            groups.append(labels[:size])
            labels = labels[size:]
        for _ in range(n_events):
            y = {x for x in rng.choice(groups) if rng.random() < share}
            if rng.random() < noise:
                y |= {rng.randrange(n_labels), rng.randrange(n_labels)}
            rows.append(y)
    return rows


def twin_of(partition):
    p = partition
    return Partition(
        p.n_min,
        p.delta,
        p.tau,
        p.min_cluster_size,
        p.max_cluster_size,
        p.split_test == "odac",
        max_pairs=p.max_pairs,
        fading=p.fading,
        detect_drift=p.detect_drift,
        seed=p.seed,
    )


def assert_same_partition(fast, slow):
    assert {c: set(names) for c, names in fast.clusters.items()} == slow.clusters()


@settings(max_examples=120, deadline=None)
@given(PLANTED, SETTINGS, st.sampled_from([(1.0,), (0.5, 1.0, 2.0)]))
@example((0, 12, [(4, 0.7, 0.1, 250), (4, 0.7, 0.1, 250)]), {"n_min": 30, "delta": 0.2, "tau": 0.6}, (1.0,))
def test_same_clusters_as_the_slow_twin(planted, given_settings, weights):
    fast = LabelPartition(**given_settings)
    slow = twin_of(fast)
    for event, y in enumerate(planted_rows(*planted)):
        w = weights[event % len(weights)]
        fast.learn_one(y, w)
        slow.learn(y, w=w)
        if fast.rows_to_check == fast.n_min:
            assert_same_partition(fast, slow)
    assert_same_partition(fast, slow)
    assert [(d.event, d.window) for d in fast.drifts] == [drift[:2] for drift in slow.drifts]
    np.testing.assert_allclose([d.cut_share for d in fast.drifts], [share for *_, share in slow.drifts], rtol=1e-9)
    fast.rebuild()
    if slow.root is not None:
        slow.rebuild()
    assert_same_partition(fast, slow)


@pytest.mark.parametrize(("split_test", "fading"), [("separation", 1.0), ("odac", 1.0), ("separation", 0.999)])
def test_same_clusters_and_drifts_on_a_stream_that_changes(split_test, fading):
    fast = LabelPartition(n_min=50, split_test=split_test, min_cluster_size=2, fading=fading)
    slow = twin_of(fast)
    for y in planted_rows(3, 20, [(4, 0.8, 0.0, 800), (4, 0.8, 0.0, 800)]):
        fast.learn_one(y)
        slow.learn(y)
    assert_same_partition(fast, slow)
    assert fast.drifts
    assert [(d.event, d.window) for d in fast.drifts] == [drift[:2] for drift in slow.drifts]
    counts = slow.counts
    np.testing.assert_allclose(fast._counts.counts(20), [counts.label[i] * counts.scale for i in range(20)], rtol=1e-9)
    assert len(fast.clusters) > 3


def put_elsewhere(fast, slow, rng):
    """Put the labels of both into clusters drawn at random, whose tree was cut at random dissimilarities."""
    labels = sorted(slow.cluster_of)
    upkeep = fast._upkeep
    cluster_of = dict.fromkeys(labels, upkeep.tree.plant())
    slow.root = slow._new(None)
    while len(set(cluster_of.values())) < min(rng.randint(2, 6), len(labels)):
        divided = rng.choice([c for c in cluster_of.values() if list(cluster_of.values()).count(c) > 1])
        inside = [i for i in labels if cluster_of[i] == divided]
        cut = rng.choice([0.0, 0.3, 0.9]), rng.choice([0.01, 0.2, 0.8])
        leaf = next(leaf for leaf in slow.root.leaves() if leaf.number == divided)
        leaf.cut, leaf.below = cut, [slow._new(leaf), slow._new(leaf)]
        first, second = upkeep.tree.split(divided, *cut)
        gone = set(rng.sample(inside, rng.randint(1, len(inside) - 1)))
        cluster_of |= {i: second if i in gone else first for i in inside}
    slow.cluster_of = cluster_of
    upkeep.cluster[labels] = [cluster_of[i] for i in labels]


@settings(max_examples=150, deadline=None)
@given(PLANTED, SETTINGS, st.integers(0, 2**32 - 1))
def test_misplaced_labels_are_brought_together_as_in_the_slow_twin(planted, given_settings, seed):
    fast = LabelPartition(**given_settings | {"n_min": 10**6})
    slow = twin_of(fast)
    for y in planted_rows(*planted):
        fast.learn_one(y)
        slow.learn(y)
    if not slow.cluster_of:
        return
    put_elsewhere(fast, slow, random.Random(seed))
    for _ in range(4):
        fast._upkeep.check()
        slow._check()
        assert_same_partition(fast, slow)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sets(st.integers(0, 60), max_size=40), st.floats(1e-6, 1e6)), max_size=60),
    st.sampled_from([1.0, 0.999, 0.5, 1e-60]),
    st.sampled_from([64, 72, 160, 10_000]),  # 72: nine labels fill half of it; 160: as many as a table has room for
    st.integers(0, 1000),
)
@example([({*range(start, start + 40)}, 1.0) for start in range(20)], 1.0, 72, 2**63 - 1)
def test_same_counts_as_the_slow_twin(rows, fading, max_pairs, seed):
    fast = LabelPartition(n_min=1000, fading=fading, max_pairs=max_pairs, seed=seed)
    slow = Counts(max_pairs=max_pairs, fading=fading, seed=seed % 2**31)
    fast.add_labels(range(61), ())
    for y, w in rows:
        fast.learn_one(y, w)
        slow.count(sorted(y), w, [0] * 61)
    assert fast.summary["n_pairs"] == len(slow.pairs) <= max_pairs
    assert fast.summary["n_pairs_dropped"] == slow.n_dropped
    counts = fast._counts
    assert len(counts.keys) == slow.slots
    expected = [slow.label.get(i, 0.0) * slow.scale for i in range(61)]
    np.testing.assert_allclose(counts.counts(61), expected, rtol=1e-9, atol=0.0)
    for (i, j), n in slow.pairs.items():
        found = pair_count(counts.keys, counts.values, i, j) * counts.scale[0]
        np.testing.assert_allclose(found, n * slow.scale, rtol=1e-9, atol=0.0)
    np.testing.assert_allclose(counts.mass, slow.mass(), rtol=1e-9)


def test_a_huge_event_is_sampled_as_in_the_slow_twin():
    fast, slow = LabelPartition(n_min=1000), Counts()
    fast.add_labels(range(1500), ())
    for y in ([*range(1500)], [*range(100, 1400)], [1, 2, 3]):
        fast.learn_one(y)
        slow.count(y, 1.0, [0] * 1500)
    assert fast.summary["n_pairs"] == len(slow.pairs)
    assert fast._counts.counts(1500).tolist() == [slow.label.get(i, 0.0) for i in range(1500)]
