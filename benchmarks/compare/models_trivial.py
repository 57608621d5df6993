"""Models that do not look at the features: what every learner must beat."""

from typing import Any

import numpy as np

from benchmarks.compare.sets import Stream
from ihomer.baselines import MajorityLabelset, PreviousLabelset


class LabelPrior:
    """Predicts each label that applied to more than half of the events so far."""

    def __init__(self, n_labels: int) -> None:
        self.count = np.zeros(n_labels)
        self.n_learned = 0

    def _answer(self) -> Any:
        return 2.0 * self.count > self.n_learned

    def test_then_train_many(self, X: Any, Y: Any) -> Any:
        """Return the answers, bool[events, labels], each made before its event was learned."""
        answers = np.zeros(Y.shape, bool)
        for row, y in enumerate(Y):
            answers[row] = self._answer()
            self.count += y
            self.n_learned += 1
        return answers


class RandomAtRate(LabelPrior):
    """Predicts each label with the probability at which it has applied so far, each for itself."""

    def __init__(self, n_labels: int, seed: int) -> None:
        super().__init__(n_labels)
        self._random = np.random.default_rng(seed)

    def _answer(self) -> Any:
        return self._random.random(len(self.count)) * self.n_learned < self.count


def previous_labelset(stream: Stream, seed: int) -> PreviousLabelset:
    """Return what repeats the labelset of the event before."""
    return PreviousLabelset()


def majority_labelset(stream: Stream, seed: int) -> MajorityLabelset:
    """Return what answers with the most frequent labelset."""
    return MajorityLabelset()


def label_prior(stream: Stream, seed: int) -> LabelPrior:
    """Return what predicts the labels that apply more often than not."""
    return LabelPrior(len(stream.labels))


def random_at_rate(stream: Stream, seed: int) -> RandomAtRate:
    """Return what draws each label at its rate."""
    return RandomAtRate(len(stream.labels), seed)
