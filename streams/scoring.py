"""Scores of several predictors over the same events, counted many events at a time."""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from ihomer.encoder import MAX_WEIGHT, MIN_WEIGHT
from ihomer.metrics import Scoreboard
from ihomer.metrics.outcomes import read_truth
from streams.errors import MalformedEvent

__all__ = ["Scoring", "check_weight"]

_BLOCK = 256  # events that are counted together: a single one costs twenty times as much

Probabilities = Mapping[Any, Any]


def check_weight(weight: float) -> None:
    """Raise `MalformedEvent` for a weight that cannot be scored, before anything is learned: scores are counted later."""
    if not MIN_WEIGHT <= weight <= MAX_WEIGHT:
        raise MalformedEvent("weight", f"the weight must be from {MIN_WEIGHT:g} to {MAX_WEIGHT:g}, not {weight:g}")


class Scoring:
    """Scoreboards of several predictors, which are asked about the same events.

    Without probabilities the events wait until there are enough of them, or until a score is read. Both ways give the
    same scores.

    Parameters
    ----------
    names
        The predictors.
    labels
        Labels known from the start; all others count as known from the start as soon as they are named.
    window
        Number of events for the reading "window".
    fading
        Factor by which each event multiplies the weight of all earlier ones, for the reading "faded"; None for no such
        reading.
    with_probabilities
        Whether each prediction comes with probabilities, for precision at k and the log loss.

    Examples
    --------
    >>> from streams.scoring import Scoring
    >>> scoring = Scoring(["model", "guess"], labels=["rain", "snow"])
    >>> scoring.add({"rain"}, {"model": {"rain"}, "guess": {"rain", "snow"}})
    >>> scoring.add({"rain", "snow"}, {"model": {"rain", "snow"}, "guess": {"rain", "snow"}})
    >>> [scoring.scores(name)["subset_accuracy"] for name in ("model", "guess")]
    [1.0, 0.5]
    """

    def __init__(
        self,
        names: Iterable[str],
        labels: Collection[Hashable] = (),
        window: int = 1000,
        with_probabilities: bool = False,
        fading: float | None = None,
    ) -> None:
        self.n_scored = 0
        self.readings = ("total", "window") if fading is None else ("total", "window", "faded")
        self._with_probabilities = with_probabilities
        labels = list(dict.fromkeys(labels))
        self._index = {label: place for place, label in enumerate(labels)}
        self._n_counted = 0
        self._boards = {
            name: Scoreboard(labels if with_probabilities else None, window=window, fading=fading) for name in names
        }
        self._truths: list[tuple[list[int], list[int]]] = []
        self._weights: list[float] = []
        self._predictions: dict[str, list[list[int]]] = {name: [] for name in self._boards}

    @property
    def n_labels(self) -> int:
        """Number of labels known so far."""
        return len(self._index)

    def add(
        self,
        true: Any,
        predicted: Mapping[str, Collection[Hashable]],
        probabilities: Mapping[str, Probabilities] | None = None,
        weight: float = 1.0,
    ) -> None:
        """Count one event.

        Parameters
        ----------
        true
            The labels that apply; or a dictionary label -> True, False, or None or nan for one not observed. An event with a
            dictionary that observes none is not counted.
        predicted
            Of each predictor, the labels it says apply.
        probabilities
            Of each predictor, label -> p or label -> {True: p, False: 1 - p}.
        weight
            Weight of the event.
        """
        index = self._index
        positive, unobserved, named = read_truth(true)
        for labels in (named, *predicted.values()):
            for label in labels:
                if label not in index:
                    index[label] = len(index)
        is_scored = not unobserved or len(unobserved) < len(named)
        self.n_scored += is_scored
        if self._with_probabilities:
            offers = probabilities or {}
            for name, board in self._boards.items():
                board.update(true, predicted[name], offers[name], weight)
            return
        if not is_scored:
            return
        self._truths.append(([index[label] for label in positive], [index[label] for label in unobserved]))
        self._weights.append(weight)
        for name, rows in self._predictions.items():
            rows.append([index[label] for label in predicted[name]])
        if len(self._weights) == _BLOCK:
            self._count()

    def scores(self, name: str, reading: str = "total") -> dict[str, float]:
        """Return all scores of one predictor: "total", of the last events ("window"), or "faded"."""
        self._count()
        return self._boards[name].scores(reading)  # type: ignore[arg-type]

    def counted_scores(self, name: str, reading: str = "total") -> dict[str, float]:
        """Return the same without the events that still wait to be counted together, which go on waiting.

        Reading these changes nothing, so that when they are read has no effect on the last bits of later scores. There are none
        before the first event has been counted: 0 would be taken for a score.
        """
        if self.n_scored == len(self._weights):
            return {}
        return self._boards[name].scores(reading)  # type: ignore[arg-type]

    def all_scores(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return all scores: predictor -> reading -> score -> value."""
        return {name: {reading: self.scores(name, reading) for reading in self.readings} for name in self._boards}

    def _count(self) -> None:
        """Count the events that wait; a label may be new without any, by an event that observes nothing."""
        n_labels = len(self._index)
        if not self._weights and n_labels == self._n_counted:
            return
        self._n_counted = n_labels
        positive = _matrix([positive for positive, _ in self._truths], n_labels)
        if any(unobserved for _, unobserved in self._truths):
            missing = _matrix([unobserved for _, unobserved in self._truths], n_labels)
            missing.data[:] = np.nan
            positive = positive + missing
        for name, board in self._boards.items():
            board.update_many(positive, _matrix(self._predictions[name], n_labels), w=self._weights)
            self._predictions[name] = []
        self._truths, self._weights = [], []


def _matrix(rows: Sequence[Sequence[int]], n_columns: int) -> Any:
    """Return rows of column numbers as a sparse 0/1 matrix."""
    ends = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=ends[1:])
    columns = np.fromiter((column for row in rows for column in row), np.int64, ends[-1])
    return sparse.csr_array((np.ones(len(columns)), columns, ends), shape=(len(rows), n_columns))
