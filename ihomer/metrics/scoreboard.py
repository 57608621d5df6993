"""All prequential multi-label scores of one stream at once."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ihomer.frames import is_frame, rows_of_frame
from ihomer.interrupts import writable
from ihomer.metrics.batches import Matrix, outcome_of_frames, outcome_of_rows
from ihomer.metrics.outcomes import (
    Offers,
    as_float,
    listed,
    outcome_of_event,
    outside,
    read_labels,
    read_probabilities,
    read_truth,
    read_weight,
)
from ihomer.metrics.readings import Faded, Total, Window
from ihomer.metrics.tally import SCORES, FloatArray, Tally, relabelled
from ihomer.vocabulary import Vocabulary, refuse_nan

__all__ = ["NamedEvent", "Reading", "Scoreboard"]

Reading: TypeAlias = Literal["total", "window", "faded"]
Indices: TypeAlias = npt.NDArray[np.integer] | Collection[int]

SMALLEST_FADING = 1e-9
_MOST_INDICES = 1 << 24  # counts are kept of all labels up to the largest


class NamedEvent(NamedTuple):
    """An event by the names of its labels, checked."""

    true: list[Hashable]
    predicted: list[Hashable]
    unobserved: list[Hashable]
    offered: tuple[list[Hashable], FloatArray] | None
    named: set[Hashable]
    is_scored: bool  # whether any label is observed, or none is named
    weight: float


class Scoreboard:
    """Keeps all multi-label scores of a stream: in total, over the last events, and with the old fading.

    An event is compared in time that grows with the labels it names, not with the label space. Over events
    with true labels Y and predicted labels P, each event with its weight w, the scores are

    - `subset_accuracy`: mean of [Y = P];
    - `hamming_loss`: share of wrong answers among all pairs of an event and a known label;
    - `example_f1`: mean of 2 |Y and P| / (|Y| + |P|), 1 if both are empty;
    - `jaccard`: mean of |Y and P| / |Y or P|, 1 if both are empty;
    - `micro_f1`: 2 sum |Y and P| / sum (|Y| + |P|), 0 if nothing was ever true or predicted;
    - `macro_f1`: mean over the known labels of each label's F1, 0 for one never true and never predicted;
    - `precision_at_k`: mean of (true labels among the k most probable) / k; ties go by the name of the label
      (by index in the index forms), and a probability of 0 is no offer;
    - `log_loss`: mean over all pairs of an event and a known label of -ln p of what happened, p clipped to
      [1e-15, 1 - 1e-15]; a label without probability has p = 0, and costs nothing if it is not true either.

    The last two look only at events with probabilities and are left out until there is one. Before the first
    event every score is 0.

    Known are the labels given here and all that were ever named, be it as false; a label that is not named in
    the truth or the prediction is negative there. A label that becomes known late counts as if it had been
    known from the start: it was neither true nor predicted, hence right. So the scores do not depend on when
    a name comes up, and are those of the finished 0/1 matrices. A label whose truth is None (not observed)
    counts nowhere in its event, and an event whose truth names labels but observes none is not counted at
    all.

    Parameters
    ----------
    labels
        The labels known from the start, in the order of their indices; or only how many there are.
    window
        Number of events for the reading "window", at least 1; without it there is none.
    fading
        Factor by which each event multiplies the weight of all earlier ones, for the reading "faded"; without
        it there is none. At least 1e-9, and below 1.
    ranks
        The values of k for precision at k.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or a label is given twice.

    Examples
    --------
    >>> from ihomer.metrics import Scoreboard
    >>> board = Scoreboard(window=1)
    >>> board.update(true={"rain", "wind"}, predicted={"rain"})
    >>> board.update({"rain": True, "snow": False}, {"rain": True}, probabilities={"rain": 0.8, "snow": 0.1})
    >>> for name, score in board.scores().items():
    ...     print(f"{name:16} {score:.3f}")
    subset_accuracy  0.500
    hamming_loss     0.167
    example_f1       0.833
    jaccard          0.750
    micro_f1         0.800
    macro_f1         0.333
    precision_at_1   1.000
    precision_at_3   0.333
    precision_at_5   0.200
    log_loss         0.110
    >>> board.scores("window")["subset_accuracy"]
    1.0
    >>> Scoreboard(labels=3)
    <Scoreboard: events 0, labels 3, subset_accuracy 0.000, example_f1 0.000, micro_f1 0.000, macro_f1 0.000>
    """

    def __init__(
        self,
        labels: int | Collection[Hashable] | None = None,
        window: int | None = None,
        fading: float | None = None,
        ranks: tuple[int, ...] = (1, 3, 5),
    ) -> None:
        if window is not None and not _is_count(window):
            raise ValueError(f"window must be a whole number of events, at least 1, not {window!r}")
        if fading is not None and not SMALLEST_FADING <= as_float(fading) < 1:
            raise ValueError(f"fading must be at least 1e-9 and below 1, not {fading!r}")
        if not isinstance(ranks, Sequence) or not ranks or not all(map(_is_count, ranks)):
            raise ValueError(f"ranks must be whole numbers, at least 1, not {ranks!r}")
        self.vocabulary = Vocabulary()
        self._n_declared = self._declare(labels)
        # Only labels that were not declared can become unknown again, by `revert`.
        self._times_named: Counter[int] = Counter()
        self._by_index = False
        self._ranks = tuple(ranks)
        self._readings: dict[str, Total | Window | Faded] = {"total": Total(len(ranks))}
        if window is not None:
            self._readings["window"] = Window(int(window), len(ranks))
        if fading is not None:
            self._readings["faded"] = Faded(float(fading), len(ranks))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(writable(state))

    def __repr__(self) -> str:
        scores = (f"{name} {self.score(name):.3f}" for name in ("subset_accuracy", "example_f1", "micro_f1", "macro_f1"))
        return f"<Scoreboard: events {self._tally('total').n_events:,}, labels {self.n_labels:,}, {', '.join(scores)}>"

    def _declare(self, labels: int | Collection[Hashable] | None) -> int:
        if labels is None:
            return 0
        is_number = isinstance(labels, int | np.integer)
        if isinstance(labels, bool | str | bytes) or not (is_number or hasattr(labels, "__iter__")):
            raise ValueError(f"labels must be a number of labels, or a collection of names, not {labels!r}")
        if isinstance(labels, int | np.integer):
            if labels < 0:
                raise ValueError(f"labels must be a number of labels, or their names, not {labels!r}")
            return int(labels)
        names = listed(list(labels), "labels", "each label that is known stands there once")
        refuse_nan(names)
        for name in names:
            self.vocabulary.add(name)
        return len(self.vocabulary)

    @property
    def n_labels(self) -> int:
        """Number of known labels."""
        return self._n_declared + len(self._times_named)

    def update(self, true: object, predicted: object, probabilities: object = None, w: float = 1.0) -> None:
        """Count an event by the names of its labels.

        Parameters
        ----------
        true
            The true labels as a set or sequence, or a dictionary label -> True, False or None (not observed).
        predicted
            The predicted labels as a set or sequence, or a dictionary label -> bool or probability (a label
            above one half is predicted).
        probabilities
            A dictionary label -> p or label -> {True: p, False: 1 - p}, if there are any.
        w
            Weight of the event: 0, or from 1e-100 to 1e100.

        Raises
        ------
        ValueError
            If an argument is malformed; nothing has been counted then.
        """
        self.count(self.checked(true, predicted, probabilities, w))

    def revert(self, true: object, predicted: object, probabilities: object = None, w: float = 1.0) -> None:
        """Take back an `update` of the same arguments: the scores are as if it had never been.

        Up to rounding, for weights that are not whole and for the log loss.

        Raises
        ------
        ValueError
            If an argument is malformed, no event is left, or the board has a window or fading: there, what an
            event has displaced or faded is gone. The board is then as it was before.
        """
        self.count(self.checked(true, predicted, probabilities, w, undo=True), undo=True)

    def checked(self, true: object, predicted: object, probabilities: object, w: float, undo: bool = False) -> NamedEvent:
        """Return an event that can be counted, or taken back if `undo`, or raise as `update` and `revert` do."""
        weight = read_weight(w)
        positive, unobserved, named_true = read_truth(true)
        chosen, named_predicted = read_labels(predicted)
        offered = None if probabilities is None else read_probabilities(probabilities)
        named = set(chain(named_true, named_predicted, offered[0] if offered else ()))
        self._refuse_names(named)
        is_scored = not unobserved or len(unobserved) < len(named_true)
        if undo and len(self._readings) > 1:
            raise ValueError("revert is defined for totals, not with a window or fading")
        if undo and is_scored and not self._tally("total").n_events:
            raise ValueError("revert: no event is left to take back")
        return NamedEvent(positive, chosen, unobserved, offered, named, is_scored, weight)

    def _refuse_names(self, names: Collection[Hashable]) -> None:
        """Raise for names that this board cannot count by."""
        if self._by_index and not len(self.vocabulary):
            raise ValueError("this board counts by index: without labels= it cannot tell what a name means")
        refuse_nan(names)

    def count(self, event: NamedEvent, undo: bool = False) -> None:
        """Count an event that `checked` has returned, or take it back if `undo`."""
        index = self._indices_of(event.named)
        if event.is_scored:
            true, predicted, unobserved = ({index[name] for name in part} for part in event[:3])
            offers = None
            if event.offered is not None:
                names, values = event.offered
                offers = Offers([index[name] for name in names], names, values)
            self._count(true, predicted, unobserved, offers, event.weight, undo=undo)
        self._name(index.values(), -1 if undo else 1)

    def update_indices(
        self,
        true: Indices,
        predicted: Indices,
        probabilities: FloatArray | tuple[Indices, FloatArray] | None = None,
        unobserved: Indices = (),
        w: float = 1.0,
    ) -> None:
        """Count an event by the indices of its labels: places in `labels`, or the caller's own numbers, below 16,777,216.

        Parameters
        ----------
        true, predicted, unobserved
            Indices of the labels that are true, predicted, not observed; repeats do not matter. An event in which no label
            known by then is observed is not counted.
        probabilities
            Probability of label 0, 1, ..., or a pair (indices, probabilities), if there are any.
        w
            Weight of the event: 0, or from 1e-100 to 1e100.

        Raises
        ------
        ValueError
            If an argument is malformed; nothing has been counted then.
        """
        weight = read_weight(w)
        positive, chosen = _index_set(true, "true"), _index_set(predicted, "predicted")
        missing = _index_set(unobserved, "unobserved")
        if positive & missing:
            raise ValueError(f"labels {sorted(positive & missing)} are both true and unobserved")
        offers = None
        if probabilities is not None:
            where, values = _aligned(probabilities)
            offers = Offers(where, where, values)
        named = positive.union(chosen, missing, offers.indices if offers else ())
        self._count_by_index(max(named, default=-1))
        self._name(named, 1)
        if missing and len(missing) == self.n_labels:
            return
        self._count(positive, chosen, missing, offers, weight)

    def update_many(
        self,
        true: Matrix,
        predicted: Matrix,
        probabilities: Matrix | None = None,
        w: npt.ArrayLike | None = None,
    ) -> None:
        """Count the rows of 0/1 matrices as events, in their order; all columns are known labels.

        Parameters
        ----------
        true, predicted
            Labels, shape (n, labels): NumPy arrays or SciPy sparse matrices, whose columns go by their places; or data frames,
            whose columns go by their names and rows by their places: each counts as in `update`. What is NaN or masked in
            `true` is "not observed".
        probabilities
            Probability of each label, in the same form, if there are any.
        w
            Weights, shape (n,).

        Raises
        ------
        ValueError
            If shapes do not fit, or an entry is not 0 or 1; nothing has been counted then.

        Examples
        --------
        >>> import numpy as np
        >>> from ihomer.metrics import Scoreboard
        >>> board = Scoreboard(labels=["rain", "wind"])
        >>> board.update_many(np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]]))
        >>> board.score("subset_accuracy"), board.score("hamming_loss")
        (0.5, 0.25)
        """
        given = [true, predicted] + ([] if probabilities is None else [probabilities])
        if n_frames := sum(map(is_frame, given)):
            if n_frames < len(given):
                raise ValueError("either all are data frames or none is: the columns of matrices have no names")
            self._update_by_name(given, w)
            return
        shape, outcome, scored = outcome_of_rows(true, predicted, probabilities, self._ranks)
        weights = np.ones(shape[0]) if w is None else _read_weights(w, shape[0])
        self._count_by_index(shape[1] - 1)
        self._n_declared = max(self._n_declared, shape[1])
        self._times_named = Counter({i: n for i, n in self._times_named.items() if i >= self._n_declared})
        for reading in self._readings.values():
            reading.add(outcome, weights[scored])

    def _update_by_name(self, frames: Sequence[Matrix], w: npt.ArrayLike | None) -> None:
        """Count the rows of data frames: truth, prediction and, if there are three, probabilities."""
        lengths = [len(frame) for frame in frames]
        if len(set(lengths)) > 1:
            raise ValueError(f"data frames have different numbers of rows: {', '.join(map(str, lengths))}")
        weights = np.ones(lengths[0]) if w is None else _read_weights(w, lengths[0])
        if not lengths[0]:
            return
        true, predicted, *offered = frames
        found = outcome_of_frames(true, predicted, offered[0] if offered else None, self._ranks)
        if found is not None:
            names, outcome, scored = found
            self._refuse_names(names)
            index = self._indices_of(set(names))
            cells = relabelled(outcome.cells, np.array([index[name] for name in names], np.int64))
            for reading in self._readings.values():
                reading.add(outcome._replace(cells=cells, n_labels=self.vocabulary.size), weights[scored])
            self._name(index.values(), lengths[0])
            return
        rows = [rows_of_frame(frame) for frame in frames]
        events = []
        for true, predicted, *offered, weight in zip(*rows, weights.tolist(), strict=True):
            events.append(self.checked(true, predicted, offered[0] if offered else None, weight))
        for event in events:
            self.count(event)

    def score(self, name: str, reading: Reading = "total") -> float:
        """Return one score; 0.0 if it has not been counted yet.

        Raises
        ------
        ValueError
            If there is no such score or reading.
        """
        return self._score(name, self._tally(reading))

    def scores(self, reading: Reading = "total") -> dict[str, float]:
        """Return all scores by name; those of probabilities only if there were any.

        Raises
        ------
        ValueError
            If the board does not keep that reading.
        """
        tally = self._tally(reading)
        names = ["subset_accuracy", "hamming_loss", "example_f1", "jaccard", "micro_f1", "macro_f1"]
        if tally.ranked_weight > 0:
            names += [*(f"precision_at_{k}" for k in self._ranks), "log_loss"]
        return {name: self._score(name, tally) for name in names}

    def _tally(self, reading: Reading) -> Tally:
        if reading not in self._readings:
            raise ValueError(f"no reading {reading!r}: this board keeps {', '.join(self._readings)}")
        return self._readings[reading].tally()

    def _score(self, name: str, tally: Tally) -> float:
        if name in SCORES:
            return SCORES[name](tally, self.n_labels)
        for k, hits in zip(self._ranks, tally.hits.tolist(), strict=True):
            if name == f"precision_at_{k}":
                return hits / (k * tally.ranked_weight) if tally.ranked_weight > 0 else 0.0
        raise ValueError(f"no score {name!r}")

    def _indices_of(self, names: set[Hashable]) -> dict[Hashable, int]:
        """Return the index of each name; new ones get theirs in name order, whatever the order of the set."""
        for name in self.vocabulary.new_names(names):
            self.vocabulary.add(name)
        return self.vocabulary.index_by_name(names)

    def _name(self, indices: Iterable[int], times: int) -> None:
        """Keep count of how often labels were named that were not declared."""
        undeclared = [index for index in indices if index >= self._n_declared] if self._n_declared else indices
        if times == 1:
            self._times_named.update(undeclared)
            return
        for index in undeclared:
            self._times_named[index] += times
            if self._times_named[index] <= 0:
                del self._times_named[index]

    def _count_by_index(self, largest: int) -> None:
        if largest >= _MOST_INDICES:
            raise ValueError(f"index {largest} is too large: there is room for {_MOST_INDICES} labels, whether named or not")
        if len(self.vocabulary) and largest >= self.vocabulary.size:
            raise ValueError(f"index {largest} is none of the {self.vocabulary.size} named labels")
        self._by_index = True

    def _count(
        self,
        true: set[int],
        predicted: set[int],
        unobserved: set[int],
        offers: Offers | None,
        weight: float,
        *,
        undo: bool = False,
    ) -> None:
        outcome = outcome_of_event(true, predicted, unobserved, offers, self._ranks)
        if undo:
            total = self._readings["total"]
            assert isinstance(total, Total)
            total.remove(outcome, weight)
            return
        for reading in self._readings.values():
            reading.add(outcome, weight)


def _is_count(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 1)


def _read_weights(w: npt.ArrayLike, n: int) -> FloatArray:
    given = np.asarray(w)
    if given.shape != (n,):
        raise ValueError(f"w has shape {given.shape}, but there are {n} events")
    if given.dtype.kind not in "buif":
        return np.array([read_weight(weight) for weight in given.tolist()])
    for weight in np.unique(given).tolist():
        read_weight(weight)
    return given.astype(np.float64)


def _index_set(indices: Indices, what: str) -> set[int]:
    if not hasattr(indices, "__iter__"):
        raise ValueError(f"{what} must be label indices, not {indices!r}")
    array = np.asarray(indices if isinstance(indices, np.ndarray) else list(indices))
    if not array.size:
        return set()
    if array.ndim != 1 or array.dtype.kind not in "iu" or array.min() < 0:
        raise ValueError(f"{what} must be label indices, not {indices!r}")
    return set(array.tolist())


def _aligned(probabilities: FloatArray | tuple[Indices, FloatArray]) -> tuple[list[int], FloatArray]:
    """Return distinct label indices and the probability of each."""
    message = "probabilities must be one for each label, or a pair: distinct indices and probabilities"
    try:
        if isinstance(probabilities, tuple):
            indices, given = probabilities
            values, where = np.asarray(given, dtype=np.float64), np.asarray(indices).tolist()
        else:
            values = np.asarray(probabilities, dtype=np.float64)
            where = list(range(len(values))) if values.ndim == 1 else []
        is_wrong = values.shape != (len(where),) or len(_index_set(where, "probabilities")) != len(where)
    except (TypeError, OverflowError):
        raise ValueError(message) from None
    if is_wrong:
        raise ValueError(message)
    if (wrong := outside(values)).any():
        raise ValueError(f"probabilities holds {values[wrong][0]}, which is not from 0 to 1")
    return where, values
