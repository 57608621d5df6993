"""What a model does over time, in a bounded number of samples, for a report that people look at."""

import time
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ihomer.metrics.outcomes import read_truth
from streams.label_counts import Calibration, Instead, LabelCounts
from streams.status import resident_memory

__all__ = ["MOST_SAMPLES", "Recorder", "Sample"]

MOST_SAMPLES = 200
FIRST_INTERVAL = 16

Scores: TypeAlias = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Predictor -> reading ("total", "window", "faded") -> score -> value."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The state of a run after some events.

    Attributes
    ----------
    event
        Number of events learned.
    seconds
        Time since the recorder was made.
    memory
        Bytes that the process holds in memory.
    scores
        Predictor -> reading -> score -> value.
    weights
        Weight of each expert in the mixture.
    clusters
        Cluster of each label, int32[labels known by then], -1 for none; None without clusters.
    """

    event: int
    seconds: float
    memory: int
    scores: Scores
    weights: Mapping[str, float]
    clusters: NDArray[np.int32] | None


class Recorder:
    """Counts what is predicted, and takes samples of scores, experts, clusters, speed and memory while a stream runs.

    Samples are taken every 16 events at first. Whenever there are too many, every other one is dropped and the interval
    doubles: a stream of any length ends with 100 to 200 samples, evenly spaced. So memory is bounded by the number of labels.
    After which events samples are taken depends on their number alone.

    Parameters
    ----------
    most_samples
        Number of samples that are kept at most; an even number, at least 2.
    clock
        Gives seconds.

    Attributes
    ----------
    labels, instead, calibration
        Counts of the events so far.
    samples
        The samples that are kept, oldest first.
    model
        What the last sample was taken of.
    n_before
        Number of events that it had learned before the run.

    Raises
    ------
    ValueError
        If `most_samples` is odd or less than 2.

    Examples
    --------
    >>> from ihomer import IHOMERClassifier
    >>> from streams.recorder import Recorder
    >>> model, recorder = IHOMERClassifier(experts=("frequency",)), Recorder(most_samples=4)
    >>> for n in range(1, 101):
    ...     recorder.add({"a", "b"}, model.predict_set_one({}), model.predict_proba_one({}))
    ...     model.learn_one({}, {"a", "b"})
    ...     if recorder.events_to_sample(n) == 0:
    ...         recorder.sample(n, model, {})
    >>> [sample.event for sample in recorder.samples], recorder.labels.both.tolist()
    ([32, 64, 96], [99.0, 99.0])
    """

    def __init__(self, most_samples: int = MOST_SAMPLES, clock: Callable[[], float] = time.perf_counter) -> None:
        if most_samples < 2 or most_samples % 2:
            raise ValueError(f"most_samples must be even, at least 2, not {most_samples!r}")
        self.labels = LabelCounts()
        self.instead = Instead()
        self.calibration = Calibration()
        self.samples: list[Sample] = []
        self.model: Any = None
        self.n_before = 0
        self._most_samples = most_samples
        self._interval = FIRST_INTERVAL
        self._next = FIRST_INTERVAL
        self._last: Sample | None = None
        self._clusters_at: tuple[int, int, NDArray[np.int32] | None] = (-1, -1, None)
        self._clock = clock
        self._start = clock()

    def add(
        self,
        true: Any,
        predicted: Collection[Hashable],
        probabilities: Mapping[Hashable, Any] | None = None,
        weight: float = 1.0,
    ) -> None:
        """Count one event.

        Parameters
        ----------
        true
            The labels that apply; or a dictionary label -> True, False, or None or nan for one not observed. An event with a
            dictionary that observes none is not counted, but its labels are known from then on, as they are to the scores.
        predicted
            The labels that were predicted for it.
        probabilities
            Label -> p or label -> {True: p, False: 1 - p}; None if they were not asked for.
        weight
            Weight of the event.
        """
        places = self.labels.places
        applying, not_observed, named = read_truth(true)
        places([*named, *predicted, *(probabilities or ())])
        positive, unobserved = set(applying), set(not_observed)
        if unobserved and len(unobserved) == len(named):
            return
        said = {label for label in predicted if label not in unobserved}
        self.labels.add(positive, said, weight)
        missed, wrong = sorted(places(positive - said)), sorted(places(said - positive))
        if missed:
            self.instead.add(missed, wrong, weight)
        if probabilities is not None:
            offers: list[Any] = list(probabilities.values())
            if offers and isinstance(offers[0], Mapping):
                offers = [p[True] for p in offers]
            self.calibration.add(places(probabilities), offers, places(positive), places(unobserved), weight)

    def begin(self, labels: Collection[Hashable], n_before: int) -> None:
        """Make labels known that no event may ever name; note how many events the model had learned before the run."""
        self.labels.places(labels)
        self.n_before = n_before

    def events_to_sample(self, n_learned: int) -> int:
        """Return the number of events until the next sample is due, 0 if it is."""
        return max(0, self._next - n_learned)

    def sample(self, n_learned: int, model: Any, scores: Scores) -> None:
        """Take a sample.

        Parameters
        ----------
        n_learned
            Number of events learned.
        model
            What learns; looked into for `expert_weights` and `partition`, if it has them.
        scores
            Predictor -> reading -> score -> value.
        """
        self.model = model
        taken = Sample(
            event=n_learned,
            seconds=self._clock() - self._start,
            memory=resident_memory(),
            scores=self._with_loss(scores),
            weights=dict(getattr(model, "expert_weights", {})),
            clusters=self._clusters(getattr(model, "partition", None)),
        )
        self._last = taken
        if n_learned < self._next:
            return
        self.samples.append(taken)
        if len(self.samples) > self._most_samples:
            del self.samples[::2]
            self._interval *= 2
        self._next = (n_learned // self._interval + 1) * self._interval

    @property
    def all_samples(self) -> list[Sample]:
        """The samples kept, and the last one taken."""
        if self._last is None or (self.samples and self.samples[-1].event >= self._last.event):
            return list(self.samples)
        return [*self.samples, self._last]

    def _with_loss(self, scores: Scores) -> Scores:
        """Add the log-loss so far, where the scores have none and there are probabilities."""
        counts = self.calibration
        total_loss = counts.total_loss
        cells = counts.weight * len(self.labels.index) - counts.total_unobserved
        ours = scores.get("model", {})
        if cells <= 0 or "log_loss" in ours.get("total", {}):
            return scores
        return {**scores, "model": {**ours, "total": {**ours.get("total", {}), "log_loss": total_loss / cells}}}

    def _clusters(self, partition: Any) -> NDArray[np.int32] | None:
        """Return the cluster of each label; the very array of the sample before while nothing has changed."""
        if partition is None:
            return None
        version, n_labels, clusters = self._clusters_at
        if clusters is None or (partition.version, len(partition.labels)) != (version, n_labels):
            members = [(self.labels.places(names), key) for key, names in partition.clusters.items()]
            clusters = np.full(len(self.labels.index), -1, np.int32)
            for places, key in members:
                clusters[places] = key
            self._clusters_at = partition.version, len(partition.labels), clusters
        return clusters
