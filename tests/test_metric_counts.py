"""What the scores count however events come and go: as matrices, with and without probabilities, taken back."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from ihomer import MLHATClassifier
from ihomer.metrics import LogLoss, Scoreboard


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
    board.update_indices([5, 9], [5])
    assert board.n_labels == 2
    board.update_many(nothing, nothing)
    assert board.n_labels == 9
    assert board.score("hamming_loss") == 1 / 18


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


def test_data_frames_count_by_the_names_of_their_columns():
    rng = np.random.default_rng(2)
    truth = pd.DataFrame(rng.random((40, 3)) < 0.4, columns=["sun", "rain", "hail"]).astype(float)
    truth.iloc[3, 1], truth.iloc[7] = np.nan, np.nan
    answers = pd.DataFrame(rng.random((40, 3)) < 0.4, columns=["hail", "rain", "snow"])
    p = pd.DataFrame(rng.random((40, 2)), columns=["rain", "sun"])
    weights = rng.random(40) + 0.5
    frames, rows = Scoreboard(["rain", "sun"], window=10), Scoreboard(["rain", "sun"], window=10)
    for part in (slice(0, 25), slice(25, 40)):
        frames.update_many(truth[part], answers[part], p[part], w=weights[part])
    for i in range(40):
        rows.update(*(frame.iloc[i].to_dict() for frame in (truth, answers, p)), weights[i])
    assert frames.n_labels == 4
    for reading in ("total", "window"):
        assert frames.scores(reading) == rows.scores(reading)


def test_what_a_model_answers_to_a_frame_is_scored_as_what_it_answers_to_dictionaries():
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(80, 3)), columns=list("vwx"))
    Y = pd.DataFrame({"sun": X.v > 0.2, "rain": X.w > 0, "hail": X.x > 1})
    model, frames, rows = MLHATClassifier(), Scoreboard(), Scoreboard()
    model.learn_many(X[:50], Y[:50])
    frames.update_many(Y[50:], model.predict_many(X[50:]), model.predict_proba_many(X[50:]))
    for x, y in zip(X[50:].to_dict("records"), Y[50:].to_dict("records"), strict=True):
        rows.update(y, model.predict_one(x), model.predict_proba_one(x))
    assert frames.scores() == rows.scores()


def test_frames_that_do_not_fit_change_nothing():
    frame, array = pd.DataFrame({"a": [0, 1], "b": [1, 1]}), np.eye(2)
    board = Scoreboard()
    for arguments, message in (
        ((frame, array), "all are data frames or none is"),
        ((frame, frame, array), "all are data frames or none is"),
        ((frame, frame[:1]), "different numbers of rows: 2, 1"),
        ((2 * frame, frame), "truth of label"),
        ((frame, frame, 2.0 * frame), "not a number from 0 to 1"),
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
    board = Scoreboard()
    board.update({"a"}, {"a"}, {"a": 1.0 + 1e-7, "b": -1e-7})
    assert board.score("log_loss") == pytest.approx(0.0, abs=1e-12)
