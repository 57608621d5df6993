"""What every learner must beat: repeating the last label set, and the most frequent one."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, TypeAlias

from river import base

from ihomer import settings
from ihomer.metrics.outcomes import as_truth, listed, read_weight
from ihomer.vocabulary import in_name_order, refuse_nan

__all__ = ["MajorityLabelset", "PreviousLabelset"]

Labelset: TypeAlias = tuple[Hashable, ...]


def _read_labels(y: Any) -> dict[Hashable, bool | None]:
    """Return label -> True, False, or None for "not observed"."""
    if isinstance(y, Mapping):
        labels = {
            label: value if value is True or value is False else as_truth(label, value) for label, value in y.items()
        }
    else:
        labels = dict.fromkeys(listed(y, "y"), True)
    refuse_nan(labels.keys())
    return labels


class _LabelsetBaseline(base.MultiLabelClassifier):
    """Answers with one label set, whatever x is."""

    # No sets in the state: their order, and so the bytes of a pickle, changes from one process to the next.
    _answer: dict[Hashable, bool]

    def predict_set_one(self, x: dict[Any, Any]) -> set[Hashable]:
        """Return the predicted labels; none before anything is learned.

        Parameters
        ----------
        x
            Features; they are not looked at.
        """
        return {label for label, predicted in self._answer.items() if predicted}

    def predict_one(self, x: dict[Any, Any], **kwargs: Any) -> dict[Hashable, bool]:
        """Return for each label named so far whether it is predicted.

        Parameters
        ----------
        x
            Features; they are not looked at.
        """
        return dict(self._answer)

    def predict_proba_one(self, x: dict[Any, Any], **kwargs: Any) -> dict[Hashable, dict[bool, float]]:
        """Return for each label named so far a probability of 1 or 0.

        Parameters
        ----------
        x
            Features; they are not looked at.
        """
        return {label: {True: float(predicted), False: float(not predicted)} for label, predicted in self._answer.items()}


class PreviousLabelset(_LabelsetBaseline):
    """Predicts the labels of the event before.

    Many public files are sorted by label; there this baseline is hard to beat, and says how much of another
    model's score is owed to the order. Memory grows with the number of labels only.

    Examples
    --------
    >>> from river import datasets
    >>> from ihomer.baselines import PreviousLabelset
    >>> from ihomer.metrics import MicroF1
    >>> model, metric = PreviousLabelset(), MicroF1()
    >>> for x, y in datasets.Yeast():
    ...     metric.update(y, model.predict_one(x))
    ...     model.learn_one(x, y)
    >>> metric
    MicroF1: 45.80%
    """

    def __init__(self) -> None:
        self._answer = {}
        self._applying: list[Hashable] = []  # the labels that are predicted: few of very many

    def predict_set_one(self, x: dict[Any, Any]) -> set[Hashable]:
        """Return the predicted labels; none before anything is learned.

        Parameters
        ----------
        x
            Features; they are not looked at.
        """
        return set(self._applying)

    def learn_one(self, x: dict[Any, Any], y: Any, w: float = 1.0) -> None:
        """Remember the labels of an event.

        Parameters
        ----------
        x
            Features; they are not looked at.
        y
            A dictionary label -> bool, or a set or sequence of the labels that apply. A label with value None
            is not observed: what was last known about it stands.
        w
            Weight: 0, or from 1e-100 to 1e100; an event of weight 0 is not learned.

        Raises
        ------
        ValueError
            If `y` or `w` is none of these.
        """
        labels = _read_labels(y)
        w = read_weight(w)
        if w == 0:
            return
        answer = self._answer
        told = {label: answer.get(label, False) if value is None else value for label, value in labels.items()}
        for label in self._applying:
            answer[label] = False
        answer.update(told)
        self._applying = [label for label, applies in told.items() if applies]


class MajorityLabelset(_LabelsetBaseline):
    """Predicts the most frequent label set so far; of equally frequent ones that seen first.

    The weight of every distinct label set is kept, exactly, for up to `max_labelsets` of them. When a new one
    finds the table full, the same amount is taken off all, and those left with nothing are dropped (the
    summary of Misra and Gries, 1982): a label set that makes up more than 1 / (max_labelsets + 1) of all
    weight is never lost, and no weight is too small by more than that share of the total. Besides the table,
    memory grows with the number of labels only.

    Parameters
    ----------
    max_labelsets
        Number of distinct label sets that are counted at a time, at least 1.

    Raises
    ------
    ValueError
        If `max_labelsets` is not a whole number of at least 1.

    References
    ----------
    Misra, J. and Gries, D. (1982): Finding repeated elements. Science of Computer Programming 2.

    Examples
    --------
    >>> from river import datasets
    >>> from ihomer.baselines import MajorityLabelset
    >>> from ihomer.metrics import SubsetAccuracy
    >>> model, metric = MajorityLabelset(), SubsetAccuracy()
    >>> for x, y in datasets.Yeast():
    ...     metric.update(y, model.predict_one(x))
    ...     model.learn_one(x, y)
    >>> metric
    SubsetAccuracy: 8.94%
    """

    def __init__(self, max_labelsets: int = 10_000) -> None:
        settings.whole("max_labelsets", max_labelsets, 1)
        self.max_labelsets = max_labelsets
        self._answer = {}
        # In the order in which they were first seen; each labelset in name order.
        self._weights: dict[Labelset, float] = {}
        self._ages: dict[Labelset, int] = {}
        self._n_seen = 0
        self._best: Labelset = ()

    @classmethod
    def _unit_test_params(cls) -> Iterator[dict[str, Any]]:
        yield {"max_labelsets": 8}

    def learn_one(self, x: dict[Any, Any], y: Any, w: float = 1.0) -> None:
        """Count the label set of an event.

        Parameters
        ----------
        x
            Features; they are not looked at.
        y
            A dictionary label -> bool, or a set or sequence of the labels that apply. If a label has value
            None (not observed), the event shows no whole label set and is not counted.
        w
            Weight: 0, or from 1e-100 to 1e100; an event of weight 0 is not learned.

        Raises
        ------
        ValueError
            If `y` or `w` is none of these.
        """
        labels = _read_labels(y)
        w = read_weight(w)
        if w == 0:
            return
        for label in labels:
            self._answer.setdefault(label, False)
        if None in labels.values():
            return
        labelset = tuple(in_name_order(label for label, value in labels.items() if value))
        before = self._best
        if labelset not in self._weights and len(self._weights) >= self.max_labelsets:
            w = self._make_room(w)
        if w > 0:
            self._count(labelset, w)
        if self._best is not before:
            best = set(self._best)
            self._answer = {label: label in best for label in self._answer}

    def _count(self, labelset: Labelset, w: float) -> None:
        if labelset not in self._weights:
            self._n_seen += 1
            self._ages[labelset] = self._n_seen
        weight = self._weights[labelset] = self._weights.get(labelset, 0.0) + w
        best = self._weights.get(self._best, 0.0)
        if weight > best or (weight == best and self._ages[labelset] < self._ages[self._best]):
            self._best = labelset

    def _make_room(self, w: float) -> float:
        """Take the same weight off every counted label set and the new one; return what the new one keeps."""
        taken = min(w, min(self._weights.values()))
        left = {labelset: weight - taken for labelset, weight in self._weights.items()}
        self._weights = {labelset: weight for labelset, weight in left.items() if weight > 0}
        self._ages = {labelset: self._ages[labelset] for labelset in self._weights}
        if self._best not in self._weights:
            self._best = max(self._weights, key=self._weights.__getitem__, default=())
        return w - taken
