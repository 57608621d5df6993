"""Streams of label sets, and what holds of any partition, for tests of the partition."""

import itertools
import random

import numpy as np


def planted(seed, sizes, n_events, share=0.7, noise=0.0, n_phases=1):
    """Return (groups, events) of each phase: an event carries some labels of one group, the names in random order."""
    rng = random.Random(seed)
    names = [f"label {i}" for i in range(sum(sizes))]
    phases = []
    for _ in range(n_phases):
        rng.shuffle(names)
        cuts = np.cumsum([0, *sizes]).tolist()
        groups = [names[a:b] for a, b in itertools.pairwise(cuts)]
        events = []
        for _ in range(n_events):
            group = rng.choice(groups)
            y = [name for name in group if rng.random() < share] or [rng.choice(group)]
            if rng.random() < noise:
                y = list({*y, rng.choice(names)})
            rng.shuffle(y)
            events.append(y)
        phases.append(({frozenset(group) for group in groups}, events))
    return phases


def found(partition):
    return {frozenset(names) for names in partition.clusters.values()}


def check_invariants(partition):
    """Each known label is in exactly one cluster; the tree's leaves, the index and the names agree."""
    listed = [name for names in partition.clusters.values() for name in names]
    assert len(listed) == len(partition.labels)
    assert set(map(id, listed)) == set(map(id, partition.labels))
    index = partition.cluster_index
    assert index.dtype == np.int32
    assert len(index) == partition.labels.size
    for name, i in partition.labels.items():
        assert index[i] == partition.cluster_of(name) >= 0
    assert np.count_nonzero(index >= 0) == len(partition.labels)
    leaves = [node for node, _ in partition._upkeep.tree.walk() if partition._upkeep.tree.is_leaf(node)]
    assert sorted(leaves) == list(partition.clusters)


def replay(changes):
    """Rebuild the clusters, by label index, from the records alone."""
    clusters = {}
    for change in changes:
        if change.kind == "born":
            assert change.cluster not in clusters
            clusters[change.cluster] = set(change.indices)
        elif change.kind == "grown":
            assert not clusters[change.cluster] & set(change.indices)
            clusters[change.cluster] |= set(change.indices)
        elif change.kind == "shrunk":
            assert clusters[change.cluster] > set(change.indices)
            clusters[change.cluster] -= set(change.indices)
        else:
            assert change.kind == "retired"
            assert clusters.pop(change.cluster) == set(change.indices)
    return clusters


def same_bits(a, b):
    assert a.clusters == b.clusters
    assert a.changes == b.changes
    assert a.summary == b.summary
    for name, array in vars(a._counts).items():
        if isinstance(array, np.ndarray) and name != "_taken":
            np.testing.assert_array_equal(array, getattr(b._counts, name), err_msg=name)


def events_whose_labels_change_group(n):
    """Yield events with two or three labels of one of three groups; every 150 events a label goes over to another group."""
    rng, groups = random.Random(0), [list("abc"), list("def"), list("ghi")]
    for i in range(n):
        if i % 150 == 149:
            a, b = rng.sample(range(3), 2)
            if len(groups[a]) > 2:
                groups[b].append(groups[a].pop(rng.randrange(len(groups[a]))))
        k = rng.randrange(3)
        labels = rng.sample(groups[k], min(len(groups[k]), rng.choice([2, 3])))
        yield {"x": float(k), "z": rng.random()}, labels
