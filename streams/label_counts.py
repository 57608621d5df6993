"""How often each label was right and wrong, how sure the model was, and what it said instead."""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihomer.vocabulary import in_name_order

__all__ = ["Calibration", "Instead", "LabelCounts"]

N_BINS = 20
MOST_CELLS = 20_000
MOST_WRONG = 32  # labels of one event whose confusion is counted
SMALLEST_P = 1e-15  # as in the log-loss of the scores
_BLOCK = 256
_MOST_WAITING = 500_000  # probabilities that wait to be counted together

Counts = NDArray[np.float64]


def grown(counts: Counts, size: int) -> Counts:
    """Return counts along the last axis with zeros appended, so that there are at least `size`."""
    if size <= counts.shape[-1]:
        return counts
    wider = np.zeros((*counts.shape[:-1], max(size, 2 * counts.shape[-1])))
    wider[..., : counts.shape[-1]] = counts
    return wider


class LabelCounts:
    """Names of labels with their counts; a label gets an index when it is first named.

    Attributes
    ----------
    index
        Label -> index, oldest first.

    Examples
    --------
    >>> from streams.label_counts import LabelCounts
    >>> counts = LabelCounts()
    >>> counts.add({"rain"}, {"rain", "snow"}, 1.0)
    >>> counts.index["snow"], counts.both.tolist(), counts.predicted.tolist()
    (1, [1.0, 0.0], [1.0, 1.0])
    """

    def __init__(self) -> None:
        self.index: dict[Hashable, int] = {}
        self._counts = np.zeros((3, 16))  # both, true, predicted

    def place(self, label: Hashable) -> int:
        """Return the index of a label, giving it one if it is new."""
        place = self.index.get(label, -1)
        if place < 0:
            place = self.index[label] = len(self.index)
            self._counts = grown(self._counts, len(self.index))
        return place

    def places(self, labels: Collection[Hashable]) -> list[int]:
        """Return the indices of many labels; those that are new get theirs in name order."""
        try:
            return list(map(self.index.__getitem__, labels))
        except KeyError:
            for label in in_name_order({label for label in labels if label not in self.index}):
                self.place(label)
            return list(map(self.index.__getitem__, labels))

    def add(self, true: Collection[Hashable], predicted: Collection[Hashable], weight: float) -> None:
        """Count one event."""
        for label in in_name_order({*true, *predicted}):
            place = self.place(label)
            is_true, is_predicted = label in true, label in predicted
            for row, happened in enumerate((is_true and is_predicted, is_true, is_predicted)):
                if happened:
                    self._counts[row, place] += weight

    @property
    def both(self) -> Counts:
        """Weight of the events in which each label was true and predicted, float64[labels]."""
        return self._counts[0, : len(self.index)]

    @property
    def true(self) -> Counts:
        """Weight of the events in which each label was true, float64[labels]."""
        return self._counts[1, : len(self.index)]

    @property
    def predicted(self) -> Counts:
        """Weight of the events in which each label was predicted, float64[labels]."""
        return self._counts[2, : len(self.index)]


class Instead:
    """What was predicted where a label was missed: each miss is shared among the labels predicted wrongly in its event.

    Of pairs there are at most 20,000; beyond that the rarer half is dropped.

    Examples
    --------
    >>> from streams.label_counts import Instead
    >>> instead = Instead()
    >>> instead.add([0], [1, 2], 1.0)
    >>> instead.add([0], [], 1.0)
    >>> instead.of(0)
    {-1: 1.0, 1: 0.5, 2: 0.5}
    """

    def __init__(self, most_cells: int = MOST_CELLS) -> None:
        self._cells: dict[tuple[int, int], float] = {}
        self._most_cells = most_cells
        self.n_dropped = 0

    def add(self, missed: Sequence[int], wrong: Sequence[int], weight: float) -> None:
        """Count one event by indices of labels; only its first 32 wrong labels share a miss."""
        said = wrong[:MOST_WRONG] or [-1]
        for label in missed[:MOST_WRONG]:
            for other in said:
                cell = (label, other)
                self._cells[cell] = self._cells.get(cell, 0.0) + weight / len(said)
        if len(self._cells) > self._most_cells:
            kept = sorted(self._cells.items(), key=lambda item: (-item[1], item[0]))[: self._most_cells // 2]
            self.n_dropped += len(self._cells) - len(kept)
            self._cells = dict(kept)

    def of(self, label: int) -> dict[int, float]:
        """Return the shares of a label's misses, largest first; -1: nothing was predicted wrongly."""
        found = {other: share for (missed, other), share in self._cells.items() if missed == label}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True, slots=True)
class _Row:
    """The probabilities of one event, and which of the labels apply and which were not observed, by index."""

    labels: NDArray[np.int64]
    p: Counts
    positive: list[int]
    unobserved: list[int]
    weight: float


class Calibration:
    """Probabilities against what happened, in 20 bins of equal width, and the log-loss of each label.

    A label is counted in the events for which it has a probability. Where a label that applies has none, p = 0 as in the
    log-loss of the scores, and no bin is touched.

    Attributes
    ----------
    pairs
        Of each bin, float64[20]: how many pairs of event and label it has.
    count, squares, happened, said
        Of each bin: weight of its pairs, sum of the squared weights, weight of those where the label applies, and the sum of p.
    weight
        Sum of the weights of the events.

    Examples
    --------
    >>> from streams.label_counts import Calibration
    >>> calibration = Calibration()
    >>> calibration.add([0, 1], [0.9, 0.2], [0], [], 1.0)
    >>> calibration.mean_losses(2).round(3).tolist(), calibration.happened[[4, 18]].tolist()
    ([0.105, 0.223], [0.0, 1.0])
    """

    def __init__(self) -> None:
        self.pairs, self.count, self.squares, self.happened, self.said = np.zeros((5, N_BINS))
        self.weight = 0.0
        self._sums = np.zeros((2, 16))  # of each label: loss, weight of events in which it was not observed
        self._rows: list[_Row] = []

    def add(self, labels: list[int], p: list[float], positive: list[int], unobserved: list[int], weight: float) -> None:
        """Count the probabilities of one event; `labels`: the index of the label of each."""
        if len(self._rows) >= min(_BLOCK, 1 + _MOST_WAITING // (1 + len(labels))):
            self.flush()
        self._rows.append(_Row(np.array(labels, np.int64), np.array(p, np.float64), positive, unobserved, weight))

    def flush(self) -> None:
        """Count the events that wait for others to be counted together with."""
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        n_labels = 1 + max(max([int(row.labels.max(initial=-1)), *row.positive, *row.unobserved]) for row in rows)
        self._sums = grown(self._sums, n_labels)
        weight = np.array([row.weight for row in rows])
        p, target = np.full((len(rows), n_labels), np.nan), np.zeros((len(rows), n_labels), np.bool_)
        observed = np.ones(p.shape, np.bool_)
        for i, row in enumerate(rows):
            p[i, row.labels] = row.p
            target[i, row.positive] = True
            observed[i, row.unobserved] = False
        self.weight += float(weight.sum())
        self._sums[1, :n_labels] += weight @ ~observed
        clipped = np.clip(np.nan_to_num(p), SMALLEST_P, 1.0 - SMALLEST_P)
        self._sums[0, :n_labels] += weight @ np.where(observed, -np.log(np.where(target, clipped, 1.0 - clipped)), 0.0)
        counted = observed & ~np.isnan(p)
        self._fill_bins(p[counted], target[counted], np.broadcast_to(weight[:, None], p.shape)[counted])

    def _fill_bins(self, p: Counts, target: NDArray[np.bool_], weight: Counts) -> None:
        bins = np.clip((p * N_BINS).astype(np.int64), 0, N_BINS - 1)
        self.pairs += np.bincount(bins, weight > 0.0, N_BINS)
        self.count += np.bincount(bins, weight, N_BINS)
        self.squares += np.bincount(bins, weight * weight, N_BINS)
        self.happened += np.bincount(bins, weight * target, N_BINS)
        self.said += np.bincount(bins, weight * p, N_BINS)

    @property
    def total_loss(self) -> float:
        """Sum of all log-losses, over pairs of event and label."""
        self.flush()
        return float(self._sums[0].sum())

    @property
    def total_unobserved(self) -> float:
        """Weight of the pairs of event and label that were not observed."""
        self.flush()
        return float(self._sums[1].sum())

    def mean_losses(self, n_labels: int) -> Counts | None:
        """Return the mean log-loss of each label over the events in which it was observed; None without probabilities."""
        self.flush()
        if self.weight <= 0:
            return None
        loss, unobserved = grown(self._sums, n_labels)[:, :n_labels]
        weight = self.weight - unobserved
        mean: Counts = np.divide(loss, weight, out=np.zeros(n_labels), where=weight > 0)
        return mean
