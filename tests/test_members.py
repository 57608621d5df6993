"""Members by themselves: on which labels they vote, with what weight, and when they lose their vote or have drifted."""

import numpy as np
import pytest

from ihomer import MLHATClassifier
from ihomer.encoder import Batch
from ihomer.kernels.voting import FAST, SLOW
from ihomer.learner import TreeLearner
from ihomer.members import Member


def indices(*labels):
    return np.array(labels, np.int32)


def member_of(*labels):
    return Member(0, 0, TreeLearner(MLHATClassifier()._settings(1), indices(*labels)), 0)


def beside_others(member, n_voters=2, joined=()):
    """Tell a member how many vote on each of ten labels, and on which of them a voter has joined."""
    member.note_company(np.full(10, n_voters, np.int32), np.isin(np.arange(10), joined))
    return member


def test_a_vote_counts_by_recent_loss_unless_it_is_the_only_one():
    member = member_of(2, 5, 7)
    assert [member.place_of(label) for label in (2, 5, 7, 0, 3, 9)] == [0, 1, 2, -1, -1, -1]
    member.recent[:] = 0.5, 0.0, 0.1
    assert [member.weight_on(label) for label in (2, 5, 7, 3)] == [1.0, 1.0, 1.0, 0.0]
    beside_others(member)
    assert [member.weight_on(label) for label in (2, 5, 7, 3)] == pytest.approx([4.0, 1e6, 100.0, 0.0])
    member.stop_voting(np.array([True, False, False]))
    assert [member.weight_on(label) for label in (2, 5)] == pytest.approx([0.0, 1e6])
    assert member.votes.tolist() == [False, True, True]
    beside_others(member, n_voters=1)
    assert [member.weight_on(label) for label in (2, 5)] == [0.0, 1.0]


def test_a_label_that_comes_back_or_takes_a_place_is_a_newcomer():
    member = beside_others(member_of(2, 5))
    member.recent[:], member.duel_sum[:], member.duel_weight[:] = 0.1, 3.0, 9.0
    member.forget_labels(indices(2))
    assert member.voting.tolist() == [False, True]
    member.add_labels(indices(3, 9))
    assert [member.place_of(label) for label in (3, 5, 9)] == [0, 1, 2]
    assert member.votes.tolist() == [True] * 3
    assert member.recent.tolist() == [1.0, 0.1, 1.0]
    assert (member.duel_sum.tolist(), member.duel_weight.tolist()) == ([0.0, 3.0, 0.0], [0.0, 9.0, 0.0])
    member.stop_voting(np.array([False, True, False]))
    member.reset(np.array([False, True, False]))
    assert (member.votes.tolist(), member.recent.tolist()) == ([True] * 3, [1.0] * 3)
    assert [losses.tolist() for losses in member.duels()] == [[0.0] * 3, [0.0] * 3]


def test_duels_start_anew_on_the_labels_on_which_a_voter_has_joined():
    member = member_of(2, 5, 7)
    member.duel_sum[:], member.duel_weight[:] = (0.5, 3.0, 2.0), (1.0, 4.0, 8.0)
    beside_others(member, joined=(5, 6))
    assert [losses.tolist() for losses in member.duels()] == [[0.5, 0.0, 0.25], [1.0, 0.0, 8.0]]


@pytest.mark.parametrize(
    ("own", "n_own", "rival", "n_rival", "loses"),
    [
        (0.182, 201, 0.1, 201, True), (0.18, 201, 0.1, 201, False), (0.9, 200, 0.1, 999, False), (0.9, 999, 0.1, 200, False),
        (0.1, 501, 0.1, 501, True), (0.09, 999, 0.1, 999, False), (0.1, 500, 0.1, 999, False), (0.1, 999, 0.1, 500, False),
        (0.9, 0, 0.1, 0, False),
    ],
)  # fmt: skip
def test_a_member_loses_where_it_is_clearly_worse_or_has_been_no_better_for_long(own, n_own, rival, n_rival, loses):
    """At 0.1, sqrt(2 e (1 - e) ln(2 / 0.05) (1 / n + 1 / n')) is 0.0813 after 201 events of both."""
    member = member_of(4)
    member.duel_sum[:], member.duel_weight[:] = own * n_own, n_own
    assert member.loses_to(np.array([rival]), np.array([float(n_rival)])).tolist() == [loses]


@pytest.mark.parametrize(("recent", "has_drifted"), [(0.119, False), (0.121, True)])
def test_a_member_has_drifted_whose_loss_is_a_fifth_larger_of_late(recent, has_drifted):
    member = member_of(4)
    assert not member.has_drifted
    member.mean_loss[[FAST, SLOW]] = recent, 0.1
    assert member.has_drifted == has_drifted


def test_losses_are_noted_of_observed_labels_with_a_vote():
    member, p = member_of(1, 3, 4), np.array([[0.8, 0.3, 0.6]])
    ends, nothing = np.array([0, 1]), np.zeros(2, np.int64)
    batch = Batch(nothing, indices(), np.zeros(0), ends, indices(1), ends, indices(4), np.ones(1))
    share, total = np.zeros((1, 5)), np.zeros((1, 5))
    member.vote(p, batch, 0, False, share, total)
    assert member.recent.tolist() == [1.0] * 3
    member.vote(p, batch, 0, True, share, total)
    assert (share.tolist(), total.tolist()) == ([[0.0, 1.6, 0.0, 0.6, 1.2]], [[0.0, 2.0, 0.0, 2.0, 2.0]])
    assert member.recent == pytest.approx([0.98 + 0.02 * 0.04, 0.98 + 0.02 * 0.09, 1.0])
    assert member.mean_loss[[FAST, SLOW]] == pytest.approx([0.98 * 0.25 + 0.02 * 0.065, 0.998 * 0.25 + 0.002 * 0.065])
    assert member.duel_weight.tolist() == [0.0] * 3
    beside_others(member).vote(p, batch, 0, True, share, total)
    assert [losses.tolist() for losses in member.duels()] == [pytest.approx([0.04, 0.09, 0.0]), [1.0, 1.0, 0.0]]
