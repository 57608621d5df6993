"""What the scores count however events come and go: as matrices, with and without probabilities, taken back."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

from ihomer import MLHATClassifier
from ihomer.metrics import LogLoss, MicroF1, Scoreboard


def test_a_sparse_matrix_counts_as_what_it_stands_for_and_stays_as_it_is():
    """Also where an entry is put together from parts, or is a 0 that is stored."""
    dense, other = np.array([[0, 1, 0], [0, 0, 1]]), np.array([[1, 1, 0], [0, 0, 0]])
    odd = sparse.csr_array(([0.5, 0.5, 0.0, 1.0], [1, 1, 0, 2], [0, 3, 4]), shape=(2, 3))
    found = []
    for one in (dense, odd):
        board = Scoreboard()
        board.update_many(one, other)
        board.update_many(other, one, probabilities=one)
        found.append(board.scores())
    assert found[0] == found[1]
    assert odd.data.tolist() == [0.5, 0.5, 0.0, 1.0]
    with pytest.raises(ValueError, match=r"true holds 2\.0"):
        Scoreboard().update_many(2 * odd, other)


@pytest.mark.parametrize("with_probabilities", [(True,), (True, False), (False, True), (True, False, True)])
def test_a_window_is_the_same_bit_for_bit_where_some_events_have_probabilities(with_probabilities):
    rng = np.random.default_rng(1)
    at_once, one_by_one = Scoreboard(6, window=30), Scoreboard(6, window=30)
    for is_ranked in with_probabilities:
        true, predicted = (rng.random((2, 20, 6)) < 0.4).astype(int)
        p = rng.random((20, 6)) if is_ranked else None
        at_once.update_many(true, predicted, p)
        for i in range(20):
            rows = [np.flatnonzero(matrix[i]) for matrix in (true, predicted)]
            one_by_one.update_indices(*rows, None if p is None else p[i])
        assert at_once.scores("window") == one_by_one.scores("window")


def test_a_label_that_was_named_before_its_column_came_is_one_label():
    board, nothing = Scoreboard(), np.zeros((1, 8), int)
    board.update_indices([5, 8, 11], [5, 8])
    assert board.n_labels == 3
    board.update_many(nothing, nothing)
    assert board.n_labels == 10
    assert board.score("hamming_loss") == 1 / 20


def test_a_matrix_of_fewer_columns_than_there_are_labels_makes_none_unknown():
    board = Scoreboard(5)
    board.update_many(np.eye(2), np.ones((2, 2)))
    assert board.n_labels == 5
    assert board.score("hamming_loss") == 2 / 10


def test_an_index_is_known_also_where_its_label_was_not_observed():
    board = Scoreboard()
    board.update_indices([0], [0, 1], unobserved=[5])
    assert board.n_labels == 3
    assert board.score("hamming_loss") == 1 / 2
    with pytest.raises(ValueError, match="index 2"):
        Scoreboard(["a", "b"]).update_indices([0], [0], unobserved=[2])


def test_an_event_of_which_nothing_is_observed_is_taken_back_also_where_it_is_the_only_one():
    board = Scoreboard()
    board.update({"a": None}, {"b"})
    assert board.n_labels == 2
    board.revert({"a": None}, {"b"})
    assert board.n_labels == 0


def test_hits_that_are_taken_back_leave_no_residue():
    board, weights = Scoreboard(), (0.1, 0.2, 0.3)
    board.update({"a"}, {"a"})  # stays, and has no probabilities
    for w in weights:
        board.update({"a"}, {"a"}, {"a": 0.9}, w)
    for w in weights:
        board.revert({"a"}, {"a"}, {"a": 0.9}, w)
    board.update({"a"}, {"a"}, {"a": 0.9}, 1e-20)
    assert board.score("precision_at_1") == 1.0


def test_when_all_events_are_taken_back_what_comes_next_is_counted_alone():
    board, weights = Scoreboard(), (0.1, 0.2, 0.3)  # the sum of the weights, taken back one by one, leaves 1e-16
    for w in weights:
        board.update({"a"}, {"a"}, w=w)
    for w in weights:
        board.revert({"a"}, {"a"}, w=w)
    assert board.score("subset_accuracy") == 0.0
    board.update({"a"}, {"b"}, w=1e-20)
    assert board.score("subset_accuracy") == 0.0


@pytest.mark.parametrize("w", [0.0, 1e-100, 1e100])
def test_weights_at_their_bounds_are_counted(w):
    board = Scoreboard()
    board.update({"a"}, {"a"}, w=w)
    assert board.score("subset_accuracy") == (w > 0.0)


def one_by_one(frames, weights, **settings):
    board = Scoreboard(**settings)
    for i, w in enumerate(weights):
        rows = [{name: None if value != value else value for name, value in frame.iloc[i].items()} for frame in frames]
        board.update(*rows, w=w)
    return board


@pytest.mark.parametrize("seed", range(6))
def test_data_frames_count_by_the_names_of_their_columns(seed):
    rng = np.random.default_rng(seed)
    truth = pd.DataFrame(rng.random((40, 3)) < 0.4, columns=["sun", "rain", "hail"]).astype(float)
    truth.iloc[3, 1], truth.iloc[7] = np.nan, np.nan
    answers = pd.DataFrame(rng.random((40, 3)) < 0.4, columns=["hail", "rain", "snow"])
    if seed % 2:  # a probability, or no answer
        answers = pd.DataFrame(rng.integers(0, 5, (40, 3)) / 4, columns=answers.columns)
        answers.iloc[5, 1] = np.nan
    p = pd.DataFrame(rng.integers(0, 4, (40, 2)) / 3, columns=["wind", "sun"])  # many are alike, and many 0
    weights = rng.integers(1, 4, 40) if seed < 3 else rng.random(40) + 0.5
    settings = {"labels": ["rain", "sun"], "window": 10, "fading": 0.9}
    frames, whole = Scoreboard(**settings), [truth, answers] + ([p] if seed != 2 else [])
    for part in (slice(0, 25), slice(25, 40)):
        frames.update_many(*(frame[part] for frame in whole), w=weights[part])
    rows = one_by_one(whole, weights.tolist(), **settings)
    assert frames.vocabulary._index == rows.vocabulary._index
    assert frames.n_labels == rows.n_labels
    for reading in ("total", "window", "faded"):
        assert frames.scores(reading) == pytest.approx(rows.scores(reading), rel=1e-12)


def test_labels_of_a_frame_become_unknown_when_each_of_its_rows_is_taken_back():
    frame = pd.DataFrame({"a": [1, 0], "b": [0, 1]})
    board = Scoreboard()
    board.update_many(frame, frame)
    assert board.n_labels == 2
    for row in frame.to_dict("records"):
        assert board.n_labels == 2
        board.revert(row, row)
    assert board.n_labels == 0


def test_a_frame_of_the_last_of_many_labels_is_counted():
    names, last = [f"l{i:02}" for i in range(40)], pd.DataFrame({"l39": [1.0, 0.0]})
    board = Scoreboard(names)
    board.update_many(last, last)
    assert board.score("macro_f1") == 1 / 40


def test_what_a_model_answers_to_a_frame_is_scored_as_what_it_answers_to_dictionaries():
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(80, 3)), columns=list("vwx"))
    Y = pd.DataFrame({"sun": X.v > 0.2, "rain": X.w > 0, "hail": X.x > 1})
    model, frames, rows = MLHATClassifier(), Scoreboard(), Scoreboard()
    model.learn_many(X[:50], Y[:50])
    frames.update_many(Y[50:], model.predict_many(X[50:]), model.predict_proba_many(X[50:]))
    for x, y in zip(X[50:].to_dict("records"), Y[50:].to_dict("records"), strict=True):
        rows.update(y, model.predict_one(x), model.predict_proba_one(x))
    assert frames.scores() == pytest.approx(rows.scores(), rel=1e-12)


@pytest.mark.parametrize("kind", ["object", "Int64", "bool", "category", "arrow"])
def test_frames_of_any_kind_count_alike(kind):
    truth = pd.DataFrame({"a": [1, 0, 1], "b": [0, 0, 1]}).astype(bool)
    answers = truth[["b", "a"]].iloc[::-1]
    expected = one_by_one([truth, answers], [1.0] * 3)
    board = Scoreboard()
    if kind == "arrow":
        board.update_many(pa.Table.from_pandas(truth), pa.Table.from_pandas(answers, preserve_index=False))
    else:
        board.update_many(truth.astype(kind), answers.astype(kind))
    assert board.scores() == expected.scores()


def test_frames_that_do_not_fit_change_nothing():
    frame, array = pd.DataFrame({"a": [0, 1], "b": [1, 1]}), np.eye(2)
    board = Scoreboard()
    for arguments, message in (
        ((frame, array), "all are data frames or none is"),
        ((frame, frame, array), "all are data frames or none is"),
        ((frame, frame[:1]), "different numbers of rows: 2, 1"),
        ((2 * frame, frame), "truth of label"),
        ((frame, frame, 2.0 * frame), "not a number from 0 to 1"),
        ((frame, frame, frame.astype({"b": bool})), "is a hard label, not a probability"),
        ((frame, frame, None, [1.0]), "w has shape"),
    ):
        with pytest.raises(ValueError, match=message):
            board.update_many(*arguments)
    assert board.n_labels == 0
    board.update_indices([1], [1])
    with pytest.raises(ValueError, match="by index"):
        board.update_many(frame, frame)


@pytest.mark.parametrize("p", [1.5, -0.5, 80, 10**400, np.inf])
def test_what_is_no_probability_is_refused(p):
    board = Scoreboard(["a", "b"])
    for call in (
        lambda: board.update({"a": True}, {"a": p}),
        lambda: board.update({"a": True}, {"a": True}, {"b": {True: p, False: 1 - p}}),
        lambda: LogLoss().update({"a": True}, {"a": p}),
        lambda: board.update_indices([0], [0], [p, 0.5]),
        lambda: board.update_many(np.eye(2), np.eye(2), np.array([[0.5, p], [0.0, 0.0]])),
    ):
        with pytest.raises(ValueError, match="probabilit"):
            call()
    assert set(board.scores().values()) == {0.0}


def test_a_probability_may_be_outside_by_rounding():
    board, by_index = Scoreboard(), Scoreboard()
    board.update({"a"}, {"a"}, {"a": 1.0 + 1e-7, "b": -1e-7})
    by_index.update_many(np.eye(2), np.eye(2), np.array([[1.0 + 1e-7, -1e-7], [-1e-7, 1.0]]))
    for one in (board, by_index):
        assert one.score("log_loss") == pytest.approx(0.0, abs=1e-12)
    ranked = Scoreboard(ranks=(1,))
    ranked.update_many(np.eye(2), np.eye(2), np.full((2, 2), -1e-7))  # no offers
    assert ranked.score("precision_at_1") == 0.0


@pytest.mark.parametrize("settings", [{}, {"window": 2}, {"fading": 0.5}])
def test_a_row_of_a_frame_without_observed_labels_counts_nowhere_also_where_others_are_answered(settings):
    truth = pd.DataFrame({"a": [1.0, np.nan, np.nan], "b": [0.0, np.nan, np.nan]})
    answers = pd.DataFrame({"a": [0, 1, 0], "c": [1, 1, 0], "b": [0, 0, 1]})
    p = answers * 0.5
    for frames in ((truth, answers), (truth, answers, p), (truth[1:], answers[1:]), (truth[1:], answers[1:], p[1:])):
        board = Scoreboard(**settings)
        board.update_many(*frames)
        rows = one_by_one(frames, [1.0] * len(frames[0]), **settings)
        assert board.n_labels == rows.n_labels == 3
        for reading in board._readings:
            assert board.scores(reading) == pytest.approx(rows.scores(reading), rel=1e-12)


def test_frames_without_rows_name_nothing():
    frame, board = pd.DataFrame({"a": [1], "b": [0]}), Scoreboard()
    board.update_many(frame[:0], frame[:0])
    board.update_indices([5], [5])
    assert board.scores()["subset_accuracy"] == 1.0


def test_what_is_masked_is_not_observed_in_the_truth_and_refused_elsewhere():
    hidden = np.ma.array([[1, 0], [0, 1]], mask=[[0, 1], [1, 0]])
    answers = np.ones((2, 2), int)
    masked, filled = Scoreboard(), Scoreboard()
    masked.update_many(hidden, answers)
    filled.update_many(np.array([[1.0, np.nan], [np.nan, 1.0]]), answers)
    assert masked.scores() == filled.scores()
    assert masked.scores()["micro_f1"] == 1.0
    for wrong in ((answers, hidden), (answers, answers, hidden)):
        with pytest.raises(ValueError, match="has masked entries"):
            masked.update_many(*wrong)
    assert masked.scores() == filled.scores()


@pytest.mark.parametrize("kind", [np.array, pd.Series])
def test_arrays_and_series_are_no_sets_of_labels(kind):
    for score in (MicroF1(), Scoreboard()):
        for true, predicted in ((kind([1, 0]), {"a"}), ({"a"}, kind([True, False]))):
            with pytest.raises(ValueError, match="must be a dictionary, or a set or sequence of labels"):
                score.update(true, predicted)


def test_an_index_that_there_is_no_room_for_changes_nothing():
    board = Scoreboard(window=5)
    board.update_indices([1], [1])
    before = board.scores()
    for wrong in (1 << 24, 10**11, 2**64 - 1):
        with pytest.raises(ValueError, match=r"too large: there is room for 16777216 labels"):
            board.update_indices([wrong], [3])
    wide = sparse.csr_array((np.ones(1, np.int8), np.array([2**40]), np.array([0, 1])), shape=(1, 2**40 + 1))
    with pytest.raises(ValueError, match="too large"):
        board.update_many(wide, wide)
    assert (board.scores(), board.n_labels) == (before, 1)
