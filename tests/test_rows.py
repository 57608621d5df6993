"""Rows of many events: what is refused, entries that stand twice, and answers that come in parts."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from ihomer import IHOMERClassifier, MLHATClassifier
from ihomer.encoder import MAX_MAGNITUDE
from ihomer.rows import FoundLabels, feature_rows, label_rows
from ihomer.vocabulary import Vocabulary


@pytest.mark.parametrize("value", [-np.inf, np.inf, -2 * MAX_MAGNITUDE, 2 * MAX_MAGNITUDE])
def test_values_without_bounds_are_refused_on_either_side(value):
    with pytest.raises(ValueError, match="every value in X must be finite"):
        feature_rows(np.array([[1.0, value]]), Vocabulary())


@pytest.mark.parametrize("n_rows", [1, 3])
def test_labels_of_more_or_fewer_events_are_refused(n_rows):
    for labels in (np.zeros((2, 1)), [{"a"}, {"b"}]):
        with pytest.raises(ValueError, match=f"Y has 2 rows, X has {n_rows}"):
            label_rows(labels, n_rows)


def test_entries_of_a_sparse_matrix_that_stand_twice_are_added():
    matrix = sparse.csr_array((np.array([1.0, 2.5, 1.0, -1.0]), np.array([3, 3, 5, 5]), np.array([0, 4])), shape=(1, 9))
    assert feature_rows(matrix, Vocabulary()).as_dicts(0, 1) == [{3: 3.5}]


def test_answers_in_parts_stand_below_one_another_and_only_by_names_that_are_equal():
    names = [3, 2**61 + 2, 1, -1]  # the second has the hash of 3
    labels = SimpleNamespace(name=names.__getitem__)
    found = FoundLabels(range(5))
    found.add(np.array([[True, False, False, False], [False, True, False, True]]), labels)
    found.add(np.array([[False, True, True, False]]), labels)
    assert np.argwhere(found.like(np.zeros((3, 5)))).tolist() == [[0, 3], [2, 1]]


@pytest.mark.parametrize("matrix", [np.ones((2, 3)), sparse.csr_array(np.ones((2, 3)))])
@pytest.mark.parametrize("method", ["predict_many", "predict_proba_many", "learn_many", "test_then_train_many"])
def test_columns_without_names_are_told_where_features_have_them(matrix, method):
    model = MLHATClassifier()
    model.learn_one({"rain": 1.0}, {"wet"})
    labels = [{"wet"}, set()] if "predict" not in method else None
    with pytest.warns(UserWarning, match="the model has learned features with names") as told:
        getattr(model, method)(matrix, *([labels] if labels else []))
    assert [warning.filename for warning in told] == [__file__]


@pytest.mark.parametrize("matrix", [np.eye(2), sparse.csr_array(np.eye(2))])
@pytest.mark.parametrize("method", ["learn_many", "test_then_train_many"])
def test_labels_without_names_are_told_where_labels_have_them(matrix, method):
    model = MLHATClassifier()
    model.learn_one({"rain": 1.0}, {"wet"})
    with pytest.warns(UserWarning, match="Y is a matrix, whose columns are the labels 0, 1, ...") as told:
        getattr(model, method)([{"rain": 0.5}, {"rain": 1.0}], matrix)
    assert [warning.filename for warning in told] == [__file__]


def test_columns_without_names_are_not_told_of_where_features_are_numbers_or_none_is_known(recwarn):
    model = IHOMERClassifier(experts=("frequency",))
    model.predict_many(np.ones((1, 2)))
    model.learn_one({"rain": 1.0, 1: 2.0}, {"wet"})
    model.predict_many(np.ones((1, 2)))
    assert not recwarn.list


def test_columns_without_names_are_not_told_of_where_features_that_are_texts_have_numbers_as_names(recwarn):
    model = MLHATClassifier()
    model.learn_one({0: "red", 1: "blue"}, {"wet"})
    model.predict_many(np.ones((1, 2)))
    assert not recwarn.list


@pytest.mark.parametrize("matrix", [np.ones((0, 3)), np.ones((2, 0)), sparse.csr_array((2, 3))])
def test_columns_without_names_are_not_told_of_where_they_hold_nothing(matrix, recwarn):
    model = MLHATClassifier()
    model.learn_one({"rain": 1.0}, {"wet"})
    assert model.predict_many(matrix).shape == (matrix.shape[0], 1)
    assert not recwarn.list


def test_columns_that_a_frame_names_by_fractions_are_those_of_a_matrix(recwarn):
    model = MLHATClassifier()
    model.learn_many(pd.DataFrame([[1.0, 2.0]], columns=[0.0, 1.0]), [{"wet"}])
    model.predict_many(np.ones((1, 2)))
    assert model.features == [0.0, 1.0]
    assert not recwarn.list
