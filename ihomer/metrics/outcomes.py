"""One event: from what is true, predicted and probable to an outcome that can be counted."""

import math
import numbers
from collections.abc import Hashable, Mapping, Sequence
from itertools import chain, groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ihomer.frames import is_missing
from ihomer.metrics.tally import FloatArray, Outcome, label_cells
from ihomer.settings import told
from ihomer.vocabulary import in_name_order

__all__ = [
    "LOSS_OF_UNNAMED",
    "Offers",
    "as_float",
    "as_truth",
    "cell_losses",
    "labels_above_half",
    "listed",
    "outcome_of_event",
    "outside",
    "read_labels",
    "read_probabilities",
    "read_truth",
    "read_weight",
    "top",
]

SMALLEST_WEIGHT = 1e-100
LARGEST_WEIGHT = 1e100
SMALLEST_PROBABILITY = 1e-15
_ROUNDING = 1e-6  # by which a probability may be below 0 or above 1: sums of float32 are
LOSS_OF_UNNAMED = -float(np.log(SMALLEST_PROBABILITY))
"""Log loss of a true label that was given no probability."""


def as_float(value: Any) -> float:
    """Return a number as a float, infinite if it is too large for one; nan for what is no number, such as a string."""
    if isinstance(value, str | bytes | np.complexfloating):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return math.nan


def read_weight(w: object) -> float:
    """Return the weight of an event.

    Raises
    ------
    ValueError
        If it is no number, or neither 0 nor from 1e-100 to 1e100.
    """
    weight = as_float(w)
    if not (weight == 0 or SMALLEST_WEIGHT <= weight <= LARGEST_WEIGHT):
        raise ValueError(f"w must be 0, or a weight from 1e-100 to 1e100, not {told(w)}")
    return weight


def as_truth(label: Hashable, value: Any) -> bool | None:
    """Return whether a label applies, None for "not observed".

    Raises
    ------
    ValueError
        If the value is none of True, False, 1, 0, None and nan.
    """
    if is_missing(value) or (isinstance(value, numbers.Real) and value != value):
        return None
    if not isinstance(value, np.bool_ | numbers.Real) or value not in (0, 1):
        raise ValueError(f"truth of label {told(label)}: {told(value)} is not True, False or None")
    return bool(value)


def _holds_bools(labels: Mapping[Hashable, Any]) -> bool:
    """Tell whether all values of a dictionary are True or False, in little time."""
    return type(labels) is dict and set(map(type, labels.values())) <= {bool}


def read_truth(labels: object) -> tuple[list[Hashable], list[Hashable], list[Hashable]]:
    """Return the true, the unobserved and all named labels.

    Parameters
    ----------
    labels
        A dictionary label -> True, False, or None (also NaN) for "not observed"; or a set or sequence of the
        true labels.

    Raises
    ------
    ValueError
        If it is a string, a value is none of these, or a label is not hashable.
    """
    if not isinstance(labels, Mapping):
        named = listed(labels, "truth")
        return named, [], named
    if _holds_bools(labels):
        return [label for label, applies in labels.items() if applies], [], list(labels)
    true, unobserved = [], []
    for label, value in labels.items():
        applies = value if value is True or value is False else as_truth(label, value)
        if applies:
            true.append(label)
        elif applies is None:
            unobserved.append(label)
    return true, unobserved, list(labels)


def read_labels(labels: object) -> tuple[list[Hashable], list[Hashable]]:
    """Return the predicted and all named labels.

    Parameters
    ----------
    labels
        A dictionary label -> True, False, None (no answer: not predicted) or a probability, in either form of
        `read_probabilities` (predicted if above one half); or a set or sequence of the predicted labels.

    Raises
    ------
    ValueError
        If it is a string, a value is none of these, or a label is not hashable.
    """
    if not isinstance(labels, Mapping):
        named = listed(labels, "prediction")
        return named, named
    return labels_above_half(labels), list(labels)


def labels_above_half(labels: Mapping[Hashable, Any]) -> list[Hashable]:
    """Return the labels with a value of True or a probability above one half.

    Raises
    ------
    ValueError
        If a value is neither a truth value nor a probability nor None.
    """
    if _holds_bools(labels):
        return [label for label, applies in labels.items() if applies]
    chosen = []
    for label, value in labels.items():
        if type(value) is bool:
            applies = value
        else:
            applies = (type(value) is float or not is_missing(value)) and _number(label, value) > 0.5
        if applies:
            chosen.append(label)
    return chosen


def read_probabilities(probabilities: object) -> tuple[list[Hashable], FloatArray]:
    """Return the named labels and the probability of each to be true.

    Parameters
    ----------
    probabilities
        A dictionary label -> p, or label -> {True: p, False: q} (without the key True, p is 0).

    Raises
    ------
    ValueError
        If it is no dictionary, or a value is a truth value (a hard label says nothing about probability), or not a number
        from 0 to 1.
    """
    if not isinstance(probabilities, Mapping):
        raise ValueError(f"probabilities must be a dictionary label -> p, not {told(probabilities)}")
    values = []
    for label, value in probabilities.items():
        if isinstance(value, bool | np.bool_):
            raise ValueError(f"probability of label {told(label)}: {told(value)} is a hard label, not a probability")
        values.append(_number(label, value))
    return list(probabilities), np.array(values, dtype=np.float64)


def listed(labels: object, what: str, meaning: str = "it holds the labels that apply, no 0 or 1 for each") -> list[Hashable]:
    """Return the labels of a set or sequence, which has a meaning.

    Raises
    ------
    ValueError
        If it is none, a label is not hashable, or one is named twice, as in a list of 0 and 1 for each label.
    """
    # Arrays and series mostly hold a 0 or 1 for each label, which would be taken for labels.
    if isinstance(labels, str | bytes) or not hasattr(labels, "__iter__") or hasattr(labels, "dtype"):
        raise ValueError(f"{what} must be a dictionary, or a set or sequence of labels, not {told(labels)}")
    try:
        given = list(labels)
        names = list(dict.fromkeys(given))
    except TypeError:
        raise ValueError(f"{what} holds a label that is not hashable: {told(labels)}") from None
    if len(names) < len(given):
        raise ValueError(f"{what} names a label twice: {meaning}; not {told(labels)}")
    return names


def _number(label: Hashable, value: Any) -> float:
    if isinstance(value, dict):
        value = value.get(True, 0.0)
    number = value if type(value) is float else as_float(value)
    if not -_ROUNDING <= number <= 1.0 + _ROUNDING:
        raise ValueError(f"probability of label {told(label)}: {told(value)} is not a number from 0 to 1")
    return number


def outside(probabilities: FloatArray) -> npt.NDArray[np.bool_]:
    """Tell which are no numbers from 0 to 1, but for rounding."""
    return ~((probabilities >= -_ROUNDING) & (probabilities <= 1.0 + _ROUNDING))


def top(labels: Sequence[Hashable], probabilities: FloatArray, k: int) -> list[int]:
    """Return the positions of the k most probable labels, best first; ties stand in name order.

    A probability of 0 is no offer: fewer than k positions come back when fewer are above 0.
    """
    offers = np.flatnonzero(probabilities > 0)
    if len(offers) > k:
        least = np.partition(probabilities[offers], -k)[-k]
        offers = offers[probabilities[offers] >= least]
    offers = offers[np.argsort(-probabilities[offers], kind="stable")]
    ranking: list[int] = []
    for _, tied in groupby(offers.tolist(), key=probabilities.__getitem__):
        position = {labels[i]: i for i in tied}
        ranking.extend(position[label] for label in in_name_order(position))
    return ranking[:k]


def cell_losses(probabilities: FloatArray, true: npt.NDArray[np.bool_]) -> FloatArray:
    """Return -ln p of what happened, p clipped to [1e-15, 1 - 1e-15]."""
    clipped = np.clip(probabilities, SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)
    losses: FloatArray = -np.log(np.where(true, clipped, 1.0 - clipped))
    return losses


class Offers(NamedTuple):
    """Probabilities of one event: distinct label indices, what ties are ordered by, and the values."""

    indices: list[int]
    names: Sequence[Hashable]
    values: FloatArray

    def observed(self, unobserved: set[int]) -> "Offers":
        """Return the offers of the other labels."""
        if unobserved.isdisjoint(self.indices):
            return self
        kept = [i for i, index in enumerate(self.indices) if index not in unobserved]
        return Offers([self.indices[i] for i in kept], [self.names[i] for i in kept], self.values[kept])


def outcome_of_event(
    true: set[int], predicted: set[int], unobserved: set[int], offers: Offers | None, ranks: Sequence[int]
) -> Outcome:
    """Compare one event's label indices; what is unobserved counts nowhere."""
    predicted = predicted - unobserved if unobserved else predicted
    both = true & predicted
    n_both, n_true, n_predicted = len(both), len(true), len(predicted)
    labels = np.fromiter(chain(both, true, predicted), np.int64, n_both + n_true + n_predicted)
    hits, loss = None, 0.0
    if offers is not None:
        offers = offers.observed(unobserved)
        happened = np.array([index in true for index in offers.indices], dtype=bool)
        hit = happened[top(offers.names, offers.values, max(ranks))]
        hits = np.array([hit[:k].sum() for k in ranks], dtype=np.int64)
        unnamed = n_true - int(happened.sum())
        loss = float(cell_losses(offers.values, happened).sum()) + LOSS_OF_UNNAMED * unnamed
    return Outcome(
        cells=label_cells(labels, n_both, n_true),
        n_labels=1 + max(max(true, default=-1), max(predicted, default=-1)),
        rows=None,
        n_true=n_true,
        n_predicted=n_predicted,
        n_both=n_both,
        n_unobserved=len(unobserved),
        hits=hits,
        loss=loss,
    )
