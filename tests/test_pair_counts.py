"""Counts of labels and pairs by themselves: how often a label applies, and what is left of one that is forgotten."""

import pickle

import numpy as np
import pytest

from ihomer.kernels.partition_counts import EMPTY, FORGOTTEN, pair_count
from ihomer.pair_counts import PairCounts


def counted(counts, rows):
    ends, cluster = np.cumsum([0, *map(len, rows)]), np.zeros(16, np.int32)
    counts.count(ends, np.concatenate(rows).astype(np.int32), np.ones(len(rows)), cluster)
    return counts


def indices(*labels):
    return np.array(labels, np.int32)


def test_how_often_a_label_applies_is_its_faded_share_or_what_its_pause_says():
    counts = PairCounts(100, 0.5, False, 0)
    assert counts.how_often(indices(0)).tolist() == [0.0]
    counts.touch(indices(2))  # it is named by the event that comes next
    counted(counts, [[0], [0, 1], [1]])
    assert counts.how_often(indices(0, 1, 2)).tolist() == pytest.approx([0.75 / 1.75, 1.5 / 1.75, 0.0])
    counts.touch(indices(1))
    assert counts.how_often(indices(1)).tolist() == pytest.approx([1.5 / 1.75])
    steady = counted(PairCounts(100, 1.0, False, 0), [[0]] * 20 + [[1]] * 20)
    assert steady.how_often(indices(0, 1)).tolist() == [3 / 21, 0.5]


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_nothing_is_left_of_a_label_that_is_forgotten(gone):
    counts = counted(PairCounts(100, 1.0, True, 0), [[0, 1, 2], [0, 2], [1]])
    counts.forget_labels(indices(gone))
    rest = sorted({0, 1, 2} - {gone})
    assert counts.counts(3).tolist() == [0.0 if label == gone else 2.0 for label in range(3)]
    assert counts.keys[counts.keys != EMPTY].tolist() == [rest[0] << 32 | rest[1]]
    assert counts.n_pairs == 1
    assert pair_count(counts.keys, counts.values, *rest) == (2.0 if gone == 1 else 1.0)
    assert counts.ring_label[:6].tolist() == [FORGOTTEN if label == gone else label for label in (0, 1, 2, 0, 2, 1)]


def test_a_copy_counts_the_same_labels_of_a_large_event():
    counts = PairCounts(20, 1.0, True, 7)
    copied = pickle.loads(pickle.dumps(counts))
    for one in (counts, copied):
        counted(one, [[*range(10)], [*range(3, 15)]])
    assert copied.label_count.tolist() == counts.label_count.tolist()
    assert counts.label_count.sum() == 10.0
    assert copied.keys.tolist() == counts.keys.tolist()
