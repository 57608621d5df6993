"""Counts of right and wrong labels, and every score as a function of them."""

import operator
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["SCORES", "Outcome", "Tally", "label_cells", "relabelled"]

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]
Scalar = TypeVar("Scalar", np.float64, np.int64)

# A label has three cells side by side, so that a growing label space never moves one.
# In this order: both, true, predicted.
CELLS = 3

SUMS = (
    "weight",
    "exact",
    "wrong",
    "shared",
    "unobserved",
    "empty",
    "ranked_weight",
    "ranked_unobserved",
    "loss",
)


class Outcome(NamedTuple):
    """What happened in one event (numbers), or in n events at once (arrays of length n).

    Attributes
    ----------
    cells
        The cells of `Tally.per_label` that the events raise, put end to end.
    n_labels
        One more than the largest label index in it.
    rows
        For each cell, the number of its event; None when there is only one event.
    n_true, n_predicted, n_both, n_unobserved
        Labels that were true, predicted, both, and not observed.
    hits
        For each rank k, the number of true labels among the k most probable, shape (ranks,) or (n, ranks);
        None when no probabilities were given.
    loss
        Sum of the log losses of the labels.
    """

    cells: IndexArray
    n_labels: int
    rows: IndexArray | None
    n_true: int | IndexArray
    n_predicted: int | IndexArray
    n_both: int | IndexArray
    n_unobserved: int | IndexArray
    hits: IndexArray | None
    loss: float | FloatArray


def label_cells(labels: IndexArray, n_both: int, n_true: int) -> IndexArray:
    """Return the cells that labels raise which stand in this order: both, true, predicted."""
    cells = CELLS * labels
    cells[n_both:] += 1
    cells[n_both + n_true :] += 1
    return cells


def relabelled(cells: IndexArray, labels: IndexArray) -> IndexArray:
    """Return the cells with `labels[i]` in place of each label i."""
    renamed: IndexArray = CELLS * labels[cells // CELLS] + cells % CELLS
    return renamed


def _grown(array: npt.NDArray[Scalar], size: int) -> npt.NDArray[Scalar]:
    """Return `array` with zeros appended: twice as long, and at least `size`."""
    grown = np.zeros(max(size, 2 * len(array)), dtype=array.dtype)
    grown[: len(array)] = array
    return grown


def _bump(array: FloatArray, index: int | IndexArray, amount: float | npt.NDArray[np.floating]) -> FloatArray:
    """Add `amount` at `index` (one or many, repeats allowed), growing the array where needed."""
    largest = index if isinstance(index, int) else int(index.max(initial=0))
    if largest >= len(array):
        array = _grown(array, largest + 1)
    if isinstance(index, int):
        array[index] += amount
    else:
        np.add.at(array, index, amount)
    return array


def _added(start: Any, amounts: Any) -> Any:
    """Add numbers, or rows, one after another: the last bits do not depend on how many are added at a time."""
    total = np.cumsum(np.concatenate((np.array([start]), amounts)), axis=0)[-1]
    return total if total.ndim else float(total)


class Tally:
    """Weighted sums over events, from which every score follows.

    All sums are whole numbers when the weights are, so that adding and subtracting them loses nothing up to
    2**53: fractions such as 2 |Y and P| / (|Y| + |P|) are kept as one sum of numerators for each denominator.
    The one exception is the log loss.

    Parameters
    ----------
    n_ranks
        How many values of k precision at k is counted for.

    Attributes
    ----------
    n_events, n_ranked
        Events, and events with probabilities, added less subtracted.
    weight, exact, wrong, shared, unobserved, empty
        Sums of w, and of w times: whether the label set is right, wrong labels, labels true and predicted,
        unobserved labels, whether nothing was true or predicted.
    ranked_weight, ranked_unobserved, loss
        Sums of w, w times unobserved labels, and w times log loss, over the events with probabilities.
    hits
        Sums of w times hits for each rank k, shape (n_ranks,).
    shared_by_sum, shared_by_union
        Sum of w |Y and P| over the events with |Y| + |P| = i, and with |Y or P| = i.
    per_label
        For label i, from 3 i on: sums of w where it was both true and predicted, true, predicted.
    """

    def __init__(self, n_ranks: int) -> None:
        self.n_events = self.n_ranked = 0
        self.weight = self.exact = self.wrong = self.shared = self.unobserved = self.empty = 0.0
        self.ranked_weight = self.ranked_unobserved = self.loss = 0.0
        self.hits = np.zeros(n_ranks)
        self.shared_by_sum = np.zeros(16)
        self.shared_by_union = np.zeros(16)
        self.per_label = np.zeros(CELLS * 16)
        self._touches = np.zeros(CELLS * 16, dtype=np.int64)

    def add(self, outcome: Outcome, weight: float | FloatArray) -> None:
        """Count events, each with its weight: one number, or an array of shape (n,)."""
        self._count(outcome, weight, 1)

    def subtract(self, outcome: Outcome, weight: float | FloatArray) -> None:
        """Undo `add` of the same arguments; a sum that no event is left in becomes exactly 0."""
        self._count(outcome, -weight, -1)
        if self.n_events == 0:
            self.scale(0.0)
        if self.n_ranked == 0:
            self.ranked_weight = self.ranked_unobserved = self.loss = 0.0
            self.hits *= 0.0
        cells = outcome.cells
        self.per_label[cells[self._touches[cells] == 0]] = 0.0
        if len(cells) and not self._touches.any():
            self.shared = self.wrong = 0.0
            self.shared_by_sum *= 0.0
            self.shared_by_union *= 0.0

    def scale(self, factor: float) -> None:
        """Multiply all sums."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) * factor)
        for sums in (self.hits, self.shared_by_sum, self.shared_by_union, self.per_label):
            sums *= factor

    def _count(self, outcome: Outcome, weight: float | FloatArray, sign: int) -> None:
        both = outcome.n_both
        size = outcome.n_true + outcome.n_predicted
        plus: Callable[[Any, Any], Any] = operator.add
        n_events, weight_of_row = 1, weight
        if isinstance(weight, np.ndarray):
            plus, n_events, weight_of_row = _added, len(weight), weight[:, None]
        unobserved = weight * outcome.n_unobserved
        self.n_events += sign * n_events
        self.weight = plus(self.weight, weight)
        self.exact = plus(self.exact, weight * (size == 2 * both))
        self.wrong = plus(self.wrong, weight * (size - 2 * both))
        self.shared = plus(self.shared, weight * both)
        self.unobserved = plus(self.unobserved, unobserved)
        self.empty = plus(self.empty, weight * (size == 0))
        self.shared_by_sum = _bump(self.shared_by_sum, size, weight * both)
        self.shared_by_union = _bump(self.shared_by_union, size - both, weight * both)
        if outcome.hits is not None:
            self.n_ranked += sign * n_events
            self.ranked_weight = plus(self.ranked_weight, weight)
            self.ranked_unobserved = plus(self.ranked_unobserved, unobserved)
            self.loss = plus(self.loss, weight * outcome.loss)
            self.hits = plus(self.hits, weight_of_row * outcome.hits)
        self._count_labels(outcome, weight, sign)

    def _count_labels(self, outcome: Outcome, weight: float | FloatArray, sign: int) -> None:
        size = CELLS * outcome.n_labels
        if size > len(self.per_label):
            self.per_label = _grown(self.per_label, size)
            self._touches = _grown(self._touches, size)
        weights = weight if outcome.rows is None else np.take(weight, outcome.rows)
        np.add.at(self.per_label, outcome.cells, weights)
        np.add.at(self._touches, outcome.cells, sign)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _subset_accuracy(tally: Tally, n_known: int) -> float:
    return _ratio(tally.exact, tally.weight)


def _hamming_loss(tally: Tally, n_known: int) -> float:
    return _ratio(tally.wrong, n_known * tally.weight - tally.unobserved)


def _example_f1(tally: Tally, n_known: int) -> float:
    sizes = np.arange(1, len(tally.shared_by_sum))
    return _ratio(float((2.0 * tally.shared_by_sum[1:] / sizes).sum()) + tally.empty, tally.weight)


def _jaccard(tally: Tally, n_known: int) -> float:
    sizes = np.arange(1, len(tally.shared_by_union))
    return _ratio(float((tally.shared_by_union[1:] / sizes).sum()) + tally.empty, tally.weight)


def _micro_f1(tally: Tally, n_known: int) -> float:
    return _ratio(2.0 * tally.shared, 2.0 * tally.shared + tally.wrong)


def _macro_f1(tally: Tally, n_known: int) -> float:
    both, true, predicted = tally.per_label.reshape(-1, CELLS).T
    named = true + predicted
    seen = named > 0
    return _ratio(float((2.0 * both[seen] / named[seen]).sum()), n_known)


def _log_loss(tally: Tally, n_known: int) -> float:
    return _ratio(tally.loss, n_known * tally.ranked_weight - tally.ranked_unobserved)


SCORES: dict[str, Callable[[Tally, int], float]] = {
    "subset_accuracy": _subset_accuracy,
    "hamming_loss": _hamming_loss,
    "example_f1": _example_f1,
    "jaccard": _jaccard,
    "micro_f1": _micro_f1,
    "macro_f1": _macro_f1,
    "log_loss": _log_loss,
}
"""Name of a score -> function of a tally and of the number of known labels; 0/0 is 0."""
