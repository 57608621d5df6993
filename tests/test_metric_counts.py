"""What the scores count however events come and go: as matrices, with and without probabilities, taken back."""

import numpy as np
import pytest
from scipy import sparse

from ihomer.metrics import Scoreboard


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
