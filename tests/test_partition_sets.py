"""LabelPartition on real label sets: clusters that make sense, neither one for all nor chains of single labels."""

import random

import pytest

from ihomer.partition import LabelPartition
from streams.files import open_source

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def label_sets(shared_data):
    """Return the label sets of a set, read once."""
    read = {}

    def of(name):
        if name not in read:
            with open_source(shared_data / f"{name}.arff.gz") as source:
                read[name] = [sorted(event.y) for event in source]
        return read[name]

    return of


def partition_of(events, **settings):
    partition = LabelPartition(**settings)
    partition.learn_many(events)
    return partition


def sizes_of(partition):
    return sorted(map(len, partition.clusters.values()), reverse=True)


@pytest.mark.parametrize(("name", "least", "largest"), [("yeast", 2, 0.6), ("bibtex", 12, 0.35), ("corel5k", 10, 0.35)])
def test_clusters_are_neither_one_nor_a_chain_of_single_labels(label_sets, name, least, largest):
    for split_test in ("separation", "odac"):
        sizes = sizes_of(partition_of(label_sets(name), split_test=split_test))
        assert len(sizes) >= least
        assert sizes[0] <= largest * sum(sizes)
        assert sum(size for size in sizes if size > 1) >= 0.8 * sum(sizes)


def test_delicious(label_sets):
    sizes = sizes_of(partition_of(label_sets("delicious")))
    assert len(sizes) >= 20
    assert sizes[0] <= 0.2 * sum(sizes)
    assert sizes[-1] >= 10


@pytest.mark.parametrize("name", ["scene", "medical"])
def test_labels_that_exclude_each_other_stay_together(label_sets, name):
    assert len(partition_of(label_sets(name)).clusters) <= 3


def test_links_of_chance_with_the_most_frequent_labels_hold_nothing_together(label_sets):
    """In enron A.A1 is in half of all events, so that it occurs with B.B2 often, but no more often than chance has it."""
    partition = partition_of(label_sets("enron"))
    assert partition.cluster_of("B.B1") == partition.cluster_of("B.B2") != partition.cluster_of("A.A1")


@pytest.mark.parametrize(
    "group",
    [
        ("immunoassay", "immunosensor", "electrochemistry", "liposome"),
        ("epitope", "apob", "mapping", "ldl"),
        ("software", "architecture", "requirements", "maintenance"),
        ("education", "games", "children", "mathematics"),
        ("folksonomy", "tagging", "social"),
        ("semantic", "semanticweb", "wiki"),
    ],
)
def test_topics_of_bibtex_stay_whole(label_sets, group):
    partition = partition_of(label_sets("bibtex"))
    assert len({partition.cluster_of(f"TAG_{name}") for name in group}) == 1


@pytest.mark.parametrize("name", ["yeast", "enron", "bibtex", "corel5k", "medical"])
def test_no_drift_is_seen_in_a_shuffled_order(label_sets, name):
    for seed in range(3):
        events = random.Random(seed).sample(label_sets(name), len(label_sets(name)))
        assert partition_of(events).drifts == []


def test_the_cut_pairs_are_few(label_sets):
    """Fewer pairs of labels are cut than by clusters of the same sizes drawn at random."""
    for name in ("yeast", "bibtex", "corel5k", "delicious"):
        partition = partition_of(label_sets(name))
        elsewhere = random.Random(1).sample(partition.cluster_index.tolist(), len(partition.labels))
        at_random = dict(zip(partition.labels, elsewhere, strict=True))
        cut = shuffled = total = 0
        for y in label_sets(name)[-1000:]:
            for i, a in enumerate(y):
                for b in y[:i]:
                    total += 1
                    cut += partition.cluster_of(a) != partition.cluster_of(b)
                    shuffled += at_random[a] != at_random[b]
        assert cut < 0.9 * shuffled, (name, cut / total, shuffled / total)
