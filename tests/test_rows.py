"""Rows of many events: what is refused, entries that stand twice, and answers that come in parts."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from ihomer.encoder import MAX_MAGNITUDE
from ihomer.rows import FoundLabels, feature_rows, label_rows


@pytest.mark.parametrize("value", [-np.inf, np.inf, -2 * MAX_MAGNITUDE, 2 * MAX_MAGNITUDE])
def test_values_without_bounds_are_refused_on_either_side(value):
    with pytest.raises(ValueError, match="every value in X must be finite"):
        feature_rows(np.array([[1.0, value]]))


@pytest.mark.parametrize("n_rows", [1, 3])
def test_labels_of_more_or_fewer_events_are_refused(n_rows):
    for labels in (np.zeros((2, 1)), [{"a"}, {"b"}]):
        with pytest.raises(ValueError, match=f"Y has 2 rows, X has {n_rows}"):
            label_rows(labels, n_rows)


def test_entries_of_a_sparse_matrix_that_stand_twice_are_added():
    matrix = sparse.csr_array((np.array([1.0, 2.5, 1.0, -1.0]), np.array([3, 3, 5, 5]), np.array([0, 4])), shape=(1, 9))
    assert feature_rows(matrix).as_dicts(0, 1) == [{3: 3.5}]


def test_answers_in_parts_stand_below_one_another_and_only_by_names_that_are_equal():
    names = [3, 2**61 + 2, 1, -1]  # the second has the hash of 3
    labels = SimpleNamespace(name=names.__getitem__)
    found = FoundLabels(range(5))
    found.add(np.array([[True, False, False, False], [False, True, False, True]]), labels)
    found.add(np.array([[False, True, True, False]]), labels)
    assert np.argwhere(found.like(np.zeros((3, 5)))).tolist() == [[0, 3], [2, 1]]
