"""Rows of many events: what is refused, entries that stand twice, and answers that come in parts."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from river.preprocessing import StandardScaler
from scipy import sparse

from ihomer import IHOMERClassifier, MLHATClassifier
from ihomer.encoder import MAX_MAGNITUDE
from ihomer.frames import rows_of_frame
from ihomer.rows import FoundLabels, feature_rows, frame_like, label_rows, named_in_row, row_weights, with_indices
from ihomer.vocabulary import Vocabulary


@pytest.mark.parametrize("value", [-np.inf, np.inf, -2 * MAX_MAGNITUDE, 2 * MAX_MAGNITUDE])
def test_values_without_bounds_are_refused_on_either_side(value):
    with pytest.raises(ValueError, match="every value in X must be finite"):
        feature_rows(np.array([[1.0, value]]), Vocabulary())


def test_errors_in_many_rows_name_the_row():
    sparse_x = sparse.csr_array((np.array([1.0, np.inf]), np.array([70, 80]), np.array([0, 1, 1, 2])), shape=(3, 90))
    frame = pd.DataFrame({"u": [0, 1], "v": [1, 2]})
    X = np.ones((2, 1))
    for wrong, told in (
        (lambda model: model.learn_many(sparse_x, [{"a"}] * 3), r"not inf as in row 2, column 80$"),
        (lambda model: model.learn_many(X, frame), r"not 2\.0 as in row 1, column 'v'$"),
        (lambda model: model.learn_many([{"a": 1.0}, {"a": [1]}], [{"u"}] * 2), r"^row 1: x\['a'\] must be a number"),
        (lambda model: model.learn_many([{"a": 1.0}, 3], [{"u"}] * 2), "^row 1: x must be a dictionary"),
        (lambda model: model.learn_many(X, [{"u"}, 3]), "^row 1: y must be a dictionary"),
        (lambda model: model.learn_many(X, [{"u"}] * 2, [1.0, 0.0]), "^row 1: w must be from"),
        (lambda model: model.predict_many([{"a": 1.0}] * 600 + [{"a": np.inf}]), "^row 600: x"),
    ):
        with pytest.raises((TypeError, ValueError), match=told):
            wrong(IHOMERClassifier())
    with pytest.raises(TypeError, match=r"^y must be a dictionary"):
        IHOMERClassifier().learn_many(X[:1], [3])


@pytest.mark.parametrize("n_rows", [1, 3])
def test_labels_of_more_or_fewer_events_are_refused(n_rows):
    for labels in (np.zeros((2, 1)), [{"a"}, {"b"}]):
        with pytest.raises(ValueError, match=f"Y has 2 rows, X has {n_rows}"):
            label_rows(labels, n_rows)


def test_entries_of_a_sparse_matrix_that_stand_twice_are_added():
    matrix = sparse.csr_array((np.array([1.0, 2.5, 1.0, -1.0]), np.array([3, 3, 5, 5]), np.array([0, 4])), shape=(1, 9))
    assert feature_rows(matrix, Vocabulary()).as_dicts(0, 1) == [{3: 3.5}]
    assert (matrix.data.tolist(), matrix.indices.tolist()) == ([1.0, 2.5, 1.0, -1.0], [3, 3, 5, 5])  # it is the caller's


@pytest.mark.parametrize("matrix", [np.ones(3), np.ones((1, 1, 1)), np.array([["a"]]), np.array([[1j]]), np.array([[None]])])
def test_what_is_no_matrix_of_numbers_is_refused(matrix):
    with pytest.raises(ValueError, match="must be a two-dimensional matrix of numbers"):
        feature_rows(matrix, Vocabulary())
    with pytest.raises(ValueError, match="must be a two-dimensional matrix of numbers"):
        label_rows(matrix, len(matrix))


@pytest.mark.parametrize("given", ["ab", b"ab", bytearray(2), memoryview(b"ab"), 3])
def test_texts_are_no_rows(given):
    with pytest.raises(TypeError, match="X must be a data frame, a matrix or a list of dictionaries, not"):
        feature_rows(given, Vocabulary())
    with pytest.raises(TypeError, match="Y must be a data frame, a matrix or a list of label sets, not"):
        label_rows(given, 2)


def test_nan_is_no_name_of_a_column_or_label():
    frame = pd.DataFrame([[1.0, 0.0]], columns=["a", np.nan])
    for read in (lambda: feature_rows(frame, Vocabulary()), lambda: label_rows(frame, 1), lambda: label_rows([{np.nan}], 1)):
        with pytest.raises(ValueError, match="nan cannot be a name"):
            read()


def test_masked_values_are_missing_and_the_largest_value_is_taken():
    values = np.ma.array([[1, 2, 0]], mask=[[False, True, False]])
    assert str(feature_rows(values, Vocabulary()).as_dicts(0, 1)) == "[{0: 1.0, 1: nan}]"
    assert feature_rows(np.array([[MAX_MAGNITUDE]]), Vocabulary()).as_dicts(0, 1) == [{0: MAX_MAGNITUDE}]


@pytest.mark.parametrize("width", [8, 24, 25, 2**31 - 1])
def test_columns_without_entries_have_no_name_however_many_they_are(width):
    rows, columns = [0, 0, 1, 1, 2, 2], [7, 0, 2, 7, 5, 0]
    matrix = sparse.csr_array((np.arange(1.0, 7.0), (rows, columns)), shape=(3, width))
    found = feature_rows(matrix, Vocabulary())
    assert (found.names, found.column.dtype) == ([0, 2, 5, 7], np.int32)
    assert found.as_dicts(0, 3) == [{0: 2.0, 7: 1.0}, {2: 3.0, 7: 4.0}, {0: 6.0, 5: 5.0}]


def test_a_sparse_matrix_with_entries_beside_it_is_refused():
    matrix = sparse.csr_array(np.eye(3))
    matrix.indices[1] = 7
    with pytest.raises(ValueError, match="indices must be < 3"):
        feature_rows(matrix, Vocabulary())


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.uint8, np.bool_])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.coo_matrix, pd.DataFrame])
def test_columns_have_the_types_that_kernels_are_compiled_for(kind, form):
    columns = feature_rows(form(np.array([[0, 1], [1, 1], [0, 0]], kind)), Vocabulary())
    assert [part.dtype for part in columns[1:]] == [np.int64, np.int32, np.float64]
    assert columns.as_dicts(0, 3) == [{1: 1.0}, {0: 1.0, 1: 1.0}, {}]


def test_names_are_told_by_the_first_row_that_has_them_in_name_order():
    frame = pd.DataFrame([[0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 1], [0, 0, 1, 1]], columns=list("dcba"))
    columns = feature_rows(frame, Vocabulary())
    every = np.ones(4, np.bool_)
    assert list(columns.by_first_row(0, 4, every)) == [(1, ["c"]), (2, ["a", "d"]), (3, ["b"])]
    assert list(columns.by_first_row(2, 4, every)) == [(2, ["a", "c", "d"]), (3, ["b"])]
    assert list(columns.by_first_row(0, 4, np.array([True, False, True, True]))) == [(2, ["a", "d"]), (3, ["b"])]
    assert list(columns.by_first_row(0, 1, every)) == []


def test_columns_of_a_table_go_by_the_indices_of_its_names_and_what_has_none_is_left_out():
    columns, known = feature_rows(pd.DataFrame([[1, 2, 3, 4], [5, 6, 0, 0]], columns=list("abcd")), Vocabulary()), Vocabulary()
    for name in "dca":
        known.add(name)
    found = with_indices(columns, 0, 2, known)
    assert [part.tolist() for part in found] == [[0, 3, 4], [0, 1, 2, 2], [4.0, 3.0, 1.0, 5.0]]
    assert [part.dtype for part in found] == [np.int64, np.int32, np.float64]
    assert [part.tolist() for part in with_indices(columns, 1, 2, known)] == [[0, 1], [2], [5.0]]


def test_a_row_names_what_applies_and_what_is_not_observed_and_that_of_an_array_all_columns():
    truth = np.array([[1.0, np.nan, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]])
    assert named_in_row(label_rows(truth, 2), 0) == ([0, 3], [1], [2])
    assert named_in_row(label_rows(sparse.csr_array(truth), 2), 0) == ([0, 3], [1], [])


@pytest.mark.parametrize("names", [["a", 2], [None, 1], [("a", 1), ("b", 2)], [("a", 1), None]])
def test_a_frame_has_the_names_as_they_are(names):
    frame = frame_like(np.array([[True, False]]), names, pd.DataFrame([[0]]))
    assert not isinstance(frame.columns, pd.MultiIndex)
    assert [type(name) for name in frame.columns] == [type(name) for name in names]
    assert (list(frame.columns), frame.to_numpy().tolist()) == (names, [[True, False]])


def test_what_pandas_calls_missing_is_none_in_the_rows_of_a_frame():
    when = pd.Timestamp(0)
    frame = pd.DataFrame({"n": [1.0, np.nan], "i": pd.array([1, None], "Int64"), "t": [when, pd.NaT], "s": ["u", None]})
    assert rows_of_frame(frame) == [{"n": 1.0, "i": 1, "t": when, "s": "u"}, dict.fromkeys("nits")]


def test_weights_are_one_for_each_row():
    assert row_weights(None, 2).tolist() == [1.0, 1.0]
    assert row_weights(np.array([1, 2]), 2).tolist() == [1.0, 2.0]
    for weights in ([1.0], [1.0, 1.0, 1.0]):
        with pytest.raises(ValueError, match=f"w has {len(weights)} weights for 2 rows"):
            row_weights(weights, 2)
    with pytest.raises(TypeError, match="must hold a number for each row, not be a single float"):
        row_weights(2.0, 2)
    with pytest.raises(TypeError, match="bool"):
        row_weights([2.0, True], 2)


def test_of_columns_without_names_the_first_and_the_last_are_found_and_none_beside_them():
    labels = SimpleNamespace(name=[0, 2, 3, 1.0].__getitem__)
    assert FoundLabels(np.zeros((0, 3))).answer().shape == (0, 3)
    for form in (np.zeros, sparse.csr_array, sparse.csr_matrix):
        found = FoundLabels(form((1, 3)))
        found.add(np.ones((1, 4), np.bool_), labels)
        answer = found.answer()
        assert (type(answer), answer.dtype) == (type(form((1, 3))), np.bool_)
        assert (answer if form is np.zeros else answer.toarray()).tolist() == [[True] * 3]


def test_answers_in_parts_stand_below_one_another_and_only_by_names_that_are_equal():
    names = [3, 2**61 + 2, 1, -1]  # the second has the hash of 3
    labels = SimpleNamespace(name=names.__getitem__)
    found = FoundLabels(np.zeros((3, 5)))
    found.add(np.array([[True, False, False, False], [False, True, False, True]]), labels)
    found.add(np.array([[False, True, True, False]]), labels)
    assert np.argwhere(found.answer()).tolist() == [[0, 3], [2, 1]]


@pytest.mark.parametrize("package", ["pandas", "pyarrow"])
def test_labels_that_a_frame_has_no_column_for_are_answered_in_more_columns(package):
    kind = pd.DataFrame if package == "pandas" else pytest.importorskip(package).table
    model = IHOMERClassifier()
    model.learn_many([{"a": 1.0}] * 50, [{"rain", 7}] * 50)
    answer = model.test_then_train_many(kind({"a": [1.0, 1.0]}), kind({"rain": [True, True], "hail": [False, False]}))
    found = answer if package == "pandas" else answer.to_pandas()
    assert list(map(str, found.columns)) == ["rain", "hail", "7"]
    assert found.to_numpy().tolist() == [[True, False, True]] * 2


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


def test_a_warning_names_the_line_that_calls_a_pipeline():
    pipeline = StandardScaler() | MLHATClassifier()
    frame = pd.DataFrame({"rain": [1.0, 0.5]})
    pipeline.learn_many(frame, [{"wet"}, set()])
    with pytest.warns(UserWarning, match="Y is a matrix, whose columns are the labels 0, 1, ...") as told:
        pipeline.learn_many(frame, np.eye(2))
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
