"""The scores as river metrics."""

from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import Any

from river.metrics.base import Metrics
from river.metrics.multioutput.base import MultiOutputClassificationMetric

from ihomer import settings
from ihomer.metrics.outcomes import labels_above_half
from ihomer.metrics.scoreboard import NamedEvent, Reading, Scoreboard

__all__ = [
    "ExampleF1",
    "ExampleJaccard",
    "HammingLoss",
    "LogLoss",
    "MacroF1",
    "MicroF1",
    "MultiLabelMetric",
    "MultiLabelMetrics",
    "PrecisionAtK",
    "SubsetAccuracy",
]


class MultiLabelMetrics(Metrics):
    """Several multi-label metrics that are updated together; what `+` makes.

    River's own container cannot pass probabilities to one metric and labels to the next when there are
    several labels; this one can: metrics that want labels get those above one half.

    Parameters
    ----------
    metrics
        The metrics.
    str_sep
        What stands between them when they are printed.

    Examples
    --------
    >>> from ihomer.metrics import LogLoss, MicroF1
    >>> both = MicroF1() + LogLoss()
    >>> both.update({"rain": True, "snow": False}, {"rain": 0.8, "snow": 0.6})
    >>> both
    MicroF1: 66.67%
    LogLoss: 0.569717
    """

    def update(self, y_true: Any, y_pred: Any, w: float = 1.0) -> None:
        """Update every metric, or none if one of them refuses the event."""
        self._count(y_true, y_pred, w, undo=False)

    def revert(self, y_true: Any, y_pred: Any, w: float = 1.0) -> None:
        """Revert every metric, or none if one of them refuses."""
        self._count(y_true, y_pred, w, undo=True)

    def _count(self, y_true: Any, y_pred: Any, w: float, undo: bool) -> None:
        """Check an event for the metrics of this package, count it in those of river, which check nothing before, then here."""
        y_true, y_pred = (list(labels) if isinstance(labels, Iterator) else labels for labels in (y_true, y_pred))
        predictions = self._predictions(y_pred)
        own = [(metric._board, metric._checked(y_true, p, w, undo)) for metric, p in predictions if _is_own(metric)]
        others = [(metric, prediction) for metric, prediction in predictions if not _is_own(metric)]
        for done, (metric, prediction) in enumerate(others):
            try:
                _count_one(metric, y_true, prediction, w, undo)
            except Exception:
                for earlier, its_prediction in others[:done]:
                    _count_one(earlier, y_true, its_prediction, w, not undo)
                raise
        for board, event in own:
            board.count(event, undo)

    def __add__(self, other: Any) -> "MultiLabelMetrics":
        if not isinstance(other, MultiOutputClassificationMetric):
            raise ValueError(f"a {type(other).__name__} metric is not compatible with multi-label metrics")
        self.append(other)
        return self

    def _predictions(self, y_pred: Any) -> list[tuple[Any, Any]]:
        labels = y_pred
        if not self.requires_labels and isinstance(y_pred, Mapping):
            chosen = set(labels_above_half(y_pred))
            labels = {label: label in chosen for label in y_pred}
        return [(metric, labels if metric.requires_labels else y_pred) for metric in self]


def _is_own(metric: Any) -> bool:
    return isinstance(metric, MultiLabelMetric)


def _count_one(metric: Any, y_true: Any, y_pred: Any, w: float, undo: bool) -> None:
    (metric.revert if undo else metric.update)(y_true, y_pred, w)


class MultiLabelMetric(MultiOutputClassificationMetric):
    """Mother class of the multi-label metrics: one score of a `Scoreboard`.

    Truth may be a dictionary label -> True, False, or None or nan (not observed); or a set or sequence of the true
    labels; a prediction a dictionary label -> bool or probability, or a set or sequence of labels. What is
    not named is negative. `Scoreboard` gives the definitions in full.

    Parameters
    ----------
    window
        Score only the last `window` events, at least 1.
    fading
        Factor by which each event multiplies the weight of all earlier ones; at least 1e-9, and below 1.
    labels
        Names of labels known from the start.

    Raises
    ------
    ValueError
        If both a window and fading are given, or one is outside its range.
    """

    _score: str

    def __init__(
        self,
        window: int | None = None,
        fading: float | None = None,
        labels: Collection[Hashable] | None = None,
    ) -> None:
        if window is not None and fading is not None:
            raise ValueError("give window or fading, not both")
        self.window = window
        self.fading = fading
        self.labels = labels
        self._reading: Reading = "window" if window is not None else "total" if fading is None else "faded"
        self._board = self._make_board()

    def _make_board(self) -> Scoreboard:
        return Scoreboard(self.labels, self.window, self.fading)

    def _checked(self, y_true: Any, y_pred: Any, w: float, undo: bool) -> NamedEvent:
        return self._board.checked(y_true, y_pred, None, w, undo)

    def update(self, y_true: Any, y_pred: Any, w: float = 1.0) -> None:
        """Score an event.

        Parameters
        ----------
        y_true
            The labels that apply, as a set or sequence; or a dictionary label -> True, False, or None or nan (not observed).
        y_pred
            The predicted labels, in the same forms; or a dictionary label -> probability.
        w
            Weight of the event, 0 or from 1e-100 to 1e100.

        Raises
        ------
        ValueError
            If an argument is malformed, or a probability is needed and is a hard label; nothing has been counted then.
        """
        self._board.count(self._checked(y_true, y_pred, w, undo=False))

    def revert(self, y_true: Any, y_pred: Any, w: float = 1.0) -> None:
        """Take back an `update` of the same arguments.

        Raises
        ------
        ValueError
            If an argument is malformed, no event is left, or the metric has a window or fading; nothing has changed then.
        """
        self._board.count(self._checked(y_true, y_pred, w, undo=True), undo=True)

    def get(self) -> float:
        """Return the score; 0.0 before the first event."""
        return self._board.score(self._score, self._reading)

    def __add__(self, other: Any) -> MultiLabelMetrics:
        if not isinstance(other, MultiOutputClassificationMetric):
            raise ValueError(f"{type(self).__name__} and {type(other).__name__} metrics are not compatible")
        return MultiLabelMetrics([self, other])  # type: ignore[no-untyped-call]


class SubsetAccuracy(MultiLabelMetric):
    """Share of events whose label set is exactly right.

    Parameters
    ----------
    window, fading, labels
        As in `MultiLabelMetric`.

    Examples
    --------
    >>> from ihomer.metrics import SubsetAccuracy
    >>> metric = SubsetAccuracy()
    >>> metric.update({"rain": True, "snow": False}, {"rain": True})
    >>> metric.update({"rain": True, "snow": True}, {"rain": True})
    >>> metric
    SubsetAccuracy: 50.00%
    """

    _score = "subset_accuracy"


class HammingLoss(MultiLabelMetric):
    """Share of wrong answers among all pairs of an event and an observed, known label.

    A label that becomes known late counts as if it had been known from the start: no one said it was true,
    and no one predicted it, so it was right. Hence the loss is that of the finished 0/1 matrices, whenever
    names come up.

    Parameters
    ----------
    window, fading, labels
        As in `MultiLabelMetric`.

    Examples
    --------
    >>> from ihomer.metrics import HammingLoss
    >>> metric = HammingLoss(labels=["rain", "snow", "wind", "hail"])
    >>> metric.update({"rain": True, "snow": False}, {"rain": True, "wind": True})
    >>> metric
    HammingLoss: 0.25
    """

    _score = "hamming_loss"
    _fmt = ",.6f"

    @property
    def bigger_is_better(self) -> bool:
        """Less is better."""
        return False


class ExampleF1(MultiLabelMetric):
    """Mean over events of 2 |Y and P| / (|Y| + |P|), 1 if both sets are empty.

    Parameters
    ----------
    window, fading, labels
        As in `MultiLabelMetric`.

    Examples
    --------
    >>> from ihomer.metrics import ExampleF1
    >>> metric = ExampleF1()
    >>> metric.update({"rain", "wind"}, {"rain"})
    >>> metric
    ExampleF1: 66.67%
    """

    _score = "example_f1"


class ExampleJaccard(MultiLabelMetric):
    """Mean over events of |Y and P| / |Y or P|, 1 if both sets are empty.

    Parameters
    ----------
    window, fading, labels
        As in `MultiLabelMetric`.

    Examples
    --------
    >>> from ihomer.metrics import ExampleJaccard
    >>> metric = ExampleJaccard()
    >>> metric.update({"rain", "wind"}, {"rain"})
    >>> metric
    ExampleJaccard: 50.00%
    """

    _score = "jaccard"


class MicroF1(MultiLabelMetric):
    """F1 of all answers pooled: 2 sum |Y and P| / sum (|Y| + |P|).

    Parameters
    ----------
    window, fading, labels
        As in `MultiLabelMetric`.

    Examples
    --------
    >>> from ihomer.metrics import MicroF1
    >>> metric = MicroF1(window=1000)
    >>> metric.update({"rain", "wind"}, {"rain"})
    >>> metric.update({"rain"}, {"rain", "snow"})
    >>> metric
    MicroF1: 66.67%
    """

    _score = "micro_f1"


class MacroF1(MultiLabelMetric):
    """Mean over the known labels of each label's F1, 0 for a label never true and never predicted.

    Parameters
    ----------
    window, fading, labels
        As in `MultiLabelMetric`.

    Examples
    --------
    >>> from ihomer.metrics import MacroF1
    >>> metric = MacroF1()
    >>> metric.update({"rain": True, "snow": False, "wind": True}, {"rain": True})
    >>> metric
    MacroF1: 33.33%
    """

    _score = "macro_f1"


class _ProbabilityMetric(MultiLabelMetric):
    """A metric of probabilities: predictions are label -> p or label -> {True: p, False: 1 - p}."""

    @property
    def requires_labels(self) -> bool:
        """Probabilities are required, not labels."""
        return False

    def _checked(self, y_true: Any, y_pred: Any, w: float, undo: bool) -> NamedEvent:
        return self._board.checked(y_true, (), y_pred, w, undo)


class PrecisionAtK(_ProbabilityMetric):
    """Mean over events of (true labels among the k most probable) / k.

    Ties stand in name order; a probability of 0 is no offer. Predictions must be probabilities: river's
    `progressive_val_score` (0.26) gives multi-label metrics hard labels only, which are refused.

    Parameters
    ----------
    k
        How many of the most probable labels are looked at, at least 1.
    window, fading, labels
        As in `MultiLabelMetric`.

    Raises
    ------
    ValueError
        If `k` is no whole number of at least 1; else as in `MultiLabelMetric`.

    Examples
    --------
    >>> from ihomer.metrics import PrecisionAtK
    >>> metric = PrecisionAtK(k=2)
    >>> metric.update({"rain", "wind"}, {"rain": 0.9, "snow": 0.6, "wind": 0.2})
    >>> metric
    PrecisionAtK: 50.00%
    """

    def __init__(
        self,
        k: int = 1,
        window: int | None = None,
        fading: float | None = None,
        labels: Collection[Hashable] | None = None,
    ) -> None:
        settings.whole("k", k, 1)
        self.k = k
        self._score = f"precision_at_{k}"
        super().__init__(window, fading, labels)

    def _make_board(self) -> Scoreboard:
        return Scoreboard(self.labels, self.window, self.fading, ranks=(self.k,))


class LogLoss(_ProbabilityMetric):
    """Mean over all pairs of an event and an observed, known label of -ln p of what happened.

    p is clipped to [1e-15, 1 - 1e-15]; a label without probability has p = 0, and costs nothing if it is not
    true either. Predictions must be probabilities: river's `progressive_val_score` (0.26) gives multi-label
    metrics hard labels only, which are refused.

    Parameters
    ----------
    window, fading, labels
        As in `MultiLabelMetric`.

    Examples
    --------
    >>> from ihomer.metrics import LogLoss
    >>> metric = LogLoss()
    >>> metric.update({"rain": True, "snow": False}, {"rain": {True: 0.8, False: 0.2}, "snow": 0.5})
    >>> metric
    LogLoss: 0.458145
    """

    _score = "log_loss"
    _fmt = ",.6f"

    @property
    def bigger_is_better(self) -> bool:
        """Less is better."""
        return False
