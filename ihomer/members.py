"""The learners of a stream: which of them votes on which label, how well it does, and when it has to go."""

import math

import numpy as np
from numpy.typing import NDArray

from ihomer.encoder import Batch
from ihomer.kernels.voting import FAST, LEAST_LOSS, SLOW, cast_votes
from ihomer.learner import TreeLearner

__all__ = ["Member"]

_SIGNIFICANCE = 0.05  # risk that the loser of a duel is no worse
_LEAST_EVENTS = 200  # of a duel before it is judged
_PATIENCE = 500  # events after which an ancestor that is no better goes
_RISEN = 1.2  # recent mean loss over the long-run one: the learner's labels have drifted


class Member:
    """A learner with its votes.

    Parameters
    ----------
    number
        Number of the member, in order of birth.
    cluster
        Id of the label cluster that it was born for.
    learner
        The tree.
    start
        Number of events of the stream before the first that the tree learns.
    """

    def __init__(self, number: int, cluster: int, learner: TreeLearner, start: int) -> None:
        self.number = number
        self.start = start
        self.cluster = cluster
        self.learner = learner
        self.is_primary = True  # it is the learner of a living cluster, not just an ancestor
        self.mean_loss = np.full(2, 0.25)
        self.voting: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.alone: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.recent: NDArray[np.float64] = np.zeros(0)
        self.duel_sum: NDArray[np.float64] = np.zeros(0)
        self.duel_weight: NDArray[np.float64] = np.zeros(0)
        self._resize(0)

    def _resize(self, old: int) -> None:
        """Fit the arrays over the learner's label places, of which the first `old` are known."""
        more = self.learner.n_labels - old
        self.voting = np.concatenate([self.voting[:old], np.ones(more, np.bool_)])
        self.alone = np.concatenate([self.alone[:old], np.ones(more, np.bool_)])
        # The recent loss of a newcomer is the worst: it is not believed before it has been right.
        self.recent = np.concatenate([self.recent[:old], np.ones(more)])
        self.duel_sum = np.concatenate([self.duel_sum[:old], np.zeros(more)])
        self.duel_weight = np.concatenate([self.duel_weight[:old], np.zeros(more)])

    def add_labels(self, labels: NDArray[np.int32]) -> None:
        """Take in labels, ascending, that the learner does not have."""
        old = self.learner.n_labels
        self.learner.add_labels(labels)
        self._resize(old)
        self.reset(np.isin(self.learner.label_id, labels))

    def forget_labels(self, labels: NDArray[np.int32]) -> None:
        """Drop labels that are known to the stream no longer."""
        self.voting[self.learner.label_place[np.isin(self.learner.label_id, labels)]] = False
        self.learner.forget_labels(labels)

    def reset(self, chosen: NDArray[np.bool_]) -> None:
        """Start some of the learner's labels, bool[label_id], as those of a newcomer."""
        places = self.learner.label_place[chosen]
        self.voting[places] = True
        self.recent[places] = 1.0
        self.duel_sum[places] = self.duel_weight[places] = 0.0

    @property
    def votes(self) -> NDArray[np.bool_]:
        """bool[label_id]: the labels on which the member votes."""
        return self.voting[self.learner.label_place]

    def place_of(self, label: int) -> int:
        """Return the column of a label in the learner's predictions, or -1."""
        at = int(np.searchsorted(self.learner.label_id, label))
        has_it = at < len(self.learner.label_id) and self.learner.label_id[at] == label
        return int(self.learner.label_place[at]) if has_it else -1

    def weight_on(self, label: int) -> float:
        """Return the weight of the member's vote on a label; 0 without a vote."""
        place = self.place_of(label)
        if place < 0 or not self.voting[place]:
            return 0.0
        return 1.0 if self.alone[place] else 1.0 / max(float(self.recent[place]), LEAST_LOSS) ** 2

    def stop_voting(self, chosen: NDArray[np.bool_]) -> None:
        """Take the vote on some of the learner's labels, bool[label_id], away."""
        self.voting[self.learner.label_place[chosen]] = False

    def note_company(self, n_voters: NDArray[np.int32], joined: NDArray[np.bool_]) -> None:
        """Note who is alone on its label, and start duels anew where a voter has joined; both by label of the stream."""
        ids, places = self.learner.label_id, self.learner.label_place
        self.alone[places] = n_voters[ids] < 2
        self.duel_sum[places[joined[ids]]] = 0.0
        self.duel_weight[places[joined[ids]]] = 0.0

    def vote(
        self, p: NDArray[np.float64], batch: Batch, start: int, learn: bool, share: NDArray[np.float64],
        total: NDArray[np.float64],
    ) -> None:  # fmt: skip
        """Add the votes p on rows `start` and following; if `learn`, see how good they were."""
        cast_votes(
            p, self.learner.label_id, self.learner.label_place, self.voting, self.alone, self.recent, self.duel_sum,
            self.duel_weight, self.mean_loss, batch.y_indptr, batch.y_index, batch.u_indptr, batch.u_index, start, learn,
            share, total,
        )  # fmt: skip

    @property
    def has_drifted(self) -> bool:
        """Whether the loss of late is clearly above what it was in the long run."""
        return bool(self.mean_loss[FAST] > _RISEN * self.mean_loss[SLOW])

    def duels(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean loss and number of events since the last voter joined, float64[label_id] each."""
        places = self.learner.label_place
        weight = self.duel_weight[places]
        return self.duel_sum[places] / np.maximum(weight, 1.0), weight

    def loses_to(self, loss: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell on which of its labels, bool[label_id], the member is worse than a rival with these losses.

        Significantly worse, by sqrt(2 e (1 - e) ln(2 / significance) (1 / n + 1 / n')), after 200 events of both; or not
        better after 500.
        """
        own, events = self.duels()
        least = np.minimum(events, weight)
        spread = 2.0 * loss * (1.0 - loss) * math.log(2.0 / _SIGNIFICANCE)
        bound = np.sqrt(spread * (1.0 / np.maximum(events, 1.0) + 1.0 / np.maximum(weight, 1.0)))
        worse = (least > _LEAST_EVENTS) & (own - loss > bound)
        result: NDArray[np.bool_] = worse | ((least > _PATIENCE) & (own >= loss))
        return result
