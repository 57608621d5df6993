"""What an expert is, and the rows it is shown."""

import abc
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DOUBT", "MOST_WEIGHTS", "Alike", "Expert", "Outputs", "Rows", "close_gaps", "drop_labels", "larger", "square_in_lines",
    "weight_rows", "width_in_lines",
]  # fmt: skip

DOUBT = 0.3  # of its weight is left to a past event that is doubted
MOST_WEIGHTS = 1 << 24  # of one model: where features times labels are more, features share rows of weights
_PER_LINE = 16  # float32 in one cache line, of 64 bytes

Outputs = NDArray[np.float32]


@dataclass(slots=True)  # made and read faster than a named tuple: each event has its own, which every expert reads
class Rows:
    """Events as experts see them: row r has the pairs feature[indptr[r]:indptr[r + 1]] with their values.

    What is behind the last pair is of no account.
    """

    indptr: NDArray[np.int64]
    feature: NDArray[np.int32]  # ascending in a row
    is_present: NDArray[np.bool_]  # else it is a feature that many events have: it is 0, which is unusual
    is_new: NDArray[np.bool_]  # no event had the feature before
    is_centred: NDArray[np.bool_]  # most events so far had the feature, with values that differ
    position: NDArray[np.float32]  # value on the scale of its feature: the normal score of its rank, if it is centred
    raw: NDArray[np.float32]  # value as given, the row of unit length
    relevant: NDArray[np.float32]  # position, more where the feature is rare or much depends on it, the row of unit length
    target: NDArray[np.uint8]  # [rows, labels]; 0 negative, 1 positive, 2 unobserved
    weight: NDArray[np.float64]
    shrink: NDArray[np.float32]  # [2, rows]: learned from is the row times it: raw and relevant; see `scale_rows`
    widest: int  # most pairs of a row
    most_labels: int  # most labels of a row that apply or were not observed; 0 where nothing is learned
    n_centred: int  # all centred features are below it


class Alike(NamedTuple):
    """Past events like some rows: the labels of event number[row, i] count share[row, i] in what is expected of the row's."""

    number: NDArray[np.int64]  # [rows, most], counted from 0 as the events were learned; -1: none
    share: NDArray[np.float64]  # [rows, most]; may be negative

    @classmethod
    def to(cls, n_rows: int, most: int) -> "Alike":
        """Return room for so many events for each row."""
        return cls(np.empty((n_rows, most), np.int64), np.empty((n_rows, most)))

    def part(self, start: int, stop: int) -> "Alike":
        """Return what belongs to some of the rows."""
        return Alike(self.number[start:stop], self.share[start:stop])


class Expert(abc.ABC):
    """One or more online learners that give log-odds for all labels.

    A subclass names its outputs, says what they weigh at first, which is about what such an output has come to weigh on streams
    of many kinds (`python -m benchmarks.expert_weights`), and brings `grow`, `run`, `forget_labels` and `forget_features`. It
    is used once it stands in `ihomer.experts.EXPERTS` and a model's setting `experts` names it. A model that has another one
    than stand there from the first can be pickled, but not saved.

    Examples
    --------
    >>> import numpy as np
    >>> from ihomer import IHOMERClassifier
    >>> from ihomer.experts import EXPERTS, Expert
    >>> class Persistence(Expert):
    ...     outputs, start = ("as the event before",), (0.3,)
    ...     def grow(self, n_labels, n_features):
    ...         known = getattr(self, "before", np.zeros(0, np.bool_))
    ...         self.before = np.pad(known, (0, n_labels - len(known)))
    ...     def run(self, rows, learn, out, at, known=False):
    ...         for row, target in enumerate(rows.target):
    ...             out[row, :, at] = np.where(self.before, 2.0, -2.0)
    ...             self.before = target == 1 if learn else self.before
    ...     def forget_labels(self, labels):
    ...         self.before[labels] = False
    ...     def forget_features(self, forgotten):
    ...         pass
    >>> EXPERTS["persistence"] = Persistence
    >>> model = IHOMERClassifier(experts=("persistence",))
    >>> for event in range(100):
    ...     model.learn_one({}, {"dry"} if event // 10 % 2 else {"wet"})
    >>> f"{model.predict_proba_one({})['dry'][True]:.2f}"
    '0.90'
    >>> del EXPERTS["persistence"]
    """

    outputs: ClassVar[tuple[str, ...]]
    start: ClassVar[tuple[float, ...]]  # what each output weighs in the mixture at first, beside those of other experts
    finds_alike: ClassVar[bool] = False  # it looks for past events like the rows of a `run`, and then has those of the last one
    alike: Alike | None = None

    @abc.abstractmethod
    def grow(self, n_labels: int, n_features: int) -> None:
        """Make room for labels and features: called when their numbers have changed, before the next `run`."""

    @abc.abstractmethod
    def run(self, rows: Rows, learn: bool, out: Outputs, at: int, known: bool = False) -> None:
        """Predict each row into out[row, :, at:at + len(outputs)], and learn it, in turn, if `learn`.

        `out` is float32[rows, labels, outputs of all experts]; place 0 holds the log-odds of the label's rate. With `known`
        there is one row, which is learned: `out` is that of the last call, which only asked about it.
        """

    def doubt(self, recent: int) -> None:  # noqa: B027
        """Believe less in what past events have taught, but for the last `recent` ones: something has changed before these.

        By itself an expert does nothing: one whose steps do not become smaller and which keeps no events, or one that this
        makes no better.
        """

    @abc.abstractmethod
    def forget_labels(self, labels: NDArray[np.int32]) -> None:
        """Start labels anew whose indices will be given to others."""

    @abc.abstractmethod
    def forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        """Start features anew, bool[features], whose indices will be given to others."""


def larger(array: NDArray[Any], axis: int, size: int, fill: float = 0.0) -> NDArray[Any]:
    """Return an array with at least `size` places along an axis: itself, or a copy with a power of two of places.

    How large it gets depends on what it has had to hold, not on the steps in which that came.
    """
    if array.shape[axis] >= size:
        return array
    shape = list(array.shape)
    shape[axis] = 1 << (size - 1).bit_length()
    result = np.full(shape, fill, array.dtype)
    result[tuple(slice(0, n) for n in array.shape)] = array
    return result


def square_in_lines(matrix: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return a matrix of `size` rows and `width_in_lines(size)` columns that holds another one, and where each row begins with
    a cache line.

    Kernels that go through a large one take less time for it: else half of what they fetch at once lies in two lines.
    """
    width = width_in_lines(size)
    room = np.zeros(size * width + _PER_LINE, np.float32)
    first = -(room.ctypes.data // room.itemsize) % _PER_LINE
    result = room[first : first + size * width].reshape(size, width)
    result[: matrix.shape[0], : matrix.shape[1]] = matrix
    return result


def width_in_lines(size: int) -> int:
    """Return how many float32 fill the cache lines that `size` of them need."""
    return -(-size // _PER_LINE) * _PER_LINE


def close_gaps(dropped: NDArray[np.bool_], *arrays: NDArray[Any]) -> None:
    """Move what is dropped of each row of some arrays, in place, behind the rest of the row, whose order stays.

    dropped : bool[rows, places], as the arrays
    """
    rows = np.flatnonzero(dropped.any(axis=1))
    order = np.argsort(dropped[rows], axis=1, kind="stable")
    for array in arrays:
        array[rows] = np.take_along_axis(array[rows], order, axis=1)


def drop_labels(stored: NDArray[np.int32], n_positive: NDArray[np.int64], n_labels: NDArray[np.int64], gone: Any) -> None:
    """Drop the labels `gone` from those stored with events, in place.

    stored : int32[events, most]; n_positive, n_labels : int64[events], how many of the first ones apply, how many there are
    """
    place = np.arange(stored.shape[1])
    dropped = (place < n_labels[:, None]) & np.isin(stored, gone)
    n_positive -= (dropped & (place < n_positive[:, None])).sum(axis=1)
    n_labels -= dropped.sum(axis=1)
    close_gaps(dropped, stored)


def weight_rows(n_labels: int, n_features: int) -> int:
    """Return how many rows of weights a model may have for so many labels."""
    return max(1, min(n_features, MOST_WEIGHTS // max(n_labels, 1)))
