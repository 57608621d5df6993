"""The one loop: predict, learn, score, emit."""

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import nsmallest
from itertools import groupby
from typing import Any

from ihomer.baselines import PreviousLabelset
from ihomer.encoder import checked_number
from ihomer.interface import StreamClassifier
from ihomer.kernels.compiling import watched_compilation
from streams.errors import MalformedEvent
from streams.event import Event, Sink, Truth, prediction_record
from streams.models import Model, drifts_since
from streams.recorder import Recorder
from streams.scoring import Scoring, check_weight

__all__ = ["BASELINE", "MODEL", "Run"]

MODEL, BASELINE = "model", "baseline"

_LARGEST_BLOCK = 256
_ALL = 2**31  # labels to name with their probabilities
_MOST_TOLD = 1000  # labels that a model is told of before they apply: each costs something from the first event on
_LONGEST_BLOCK = 0.1  # seconds: between blocks progress is shown, and the loop can be left

Labels = set[Hashable]
Probabilities = Mapping[Hashable, Mapping[bool, float]]


@dataclass(slots=True)
class _Asked:
    """An event and what was predicted for it, until its labels arrive."""

    number: int
    event: Event
    predicted: Labels
    by_baseline: Labels
    probabilities: dict[str, Probabilities] | None


class Run:
    """Predicts each event of a stream, then learns it, and scores the model beside a baseline.

    The baseline predicts the labels of the event before; it is asked about the very same events, and learns them when the
    model does. An event without labels is predicted only.

    Parameters
    ----------
    model
        What predicts and learns.
    labels
        Labels known from the start: for the scores, and, if they are not more than 1,000, named to the model with the first
        event that it learns.
    delay
        Number of later events that are predicted before the labels of an event arrive. With 0 the model has learned all
        events before the one it predicts.
    window
        Number of events for the scores of the last events.
    probabilities
        Ask for probabilities too. They cost a second prediction of each event.
    sink
        Takes a record of each prediction, in the order of the events.
    source
        What stands as ``source`` in these records, beside the number of the event in the order of the run, and its line or row
        in the file if it has one.
    top
        Number of most probable labels in these records, if there are probabilities.
    recorder
        Watches the run for a report. Scores have a third reading then, "faded", in which an event weighs 1 - 1/`window` of
        the next one. Probabilities come with the predictions; only where labels are delayed do they cost a second one.
    on_refused
        Called with the error when the model refuses an event, which is then left out; without it the error is raised.

    Attributes
    ----------
    n_read, n_predicted, n_learned, n_refused
        Events read, predicted, learned, and refused by the model.
    scoring
        Scores of `MODEL` and `BASELINE`. An event is scored when its labels arrive.

    Raises
    ------
    ValueError
        If `delay` is negative.

    Examples
    --------
    >>> from ihomer.baselines import MajorityLabelset
    >>> from streams.event import Event
    >>> from streams.run import Run
    >>> run = Run(MajorityLabelset())
    >>> days = ["dry", "wet", "dry", "dry", "dry", "wet", "dry"]
    >>> run.finish(Event({}, {day}) for day in days)
    >>> for name in ("model", "baseline"):
    ...     print(f"{run.scoring.scores(name)['subset_accuracy']:.3f}")
    0.571
    0.286
    """

    def __init__(
        self,
        model: Model,
        *,
        labels: tuple[str, ...] = (),
        delay: int = 0,
        window: int = 1000,
        probabilities: bool = False,
        sink: Sink | None = None,
        source: Mapping[str, Any] | None = None,
        top: int = 5,
        on_refused: Callable[[MalformedEvent], object] | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        if delay < 0:
            raise ValueError(f"delay must be a number of events, at least 0, not {delay!r}")
        self.model = model
        self.baseline = PreviousLabelset()
        self.n_read = self.n_predicted = self.n_learned = self.n_refused = 0
        self._n_before: int = getattr(model, "n_learned", 0)
        fading = None if recorder is None or window < 2 else 1.0 - 1.0 / min(window, 2**53)  # of more, it would be 1
        self.scoring = Scoring((MODEL, BASELINE), labels, window, probabilities, fading)
        self._recorder = recorder
        if recorder is not None:
            recorder.begin(labels, self._n_before)
        self._untold = labels if len(labels) <= _MOST_TOLD else ()  # labels of which the model has not been told
        self._delay = delay
        self._probabilities = probabilities
        self._sink = sink
        self._source = dict(source or {})
        self._top = top
        self._on_refused = on_refused
        self._test_then_train: Any = getattr(model, "test_then_train_many", None)
        self._answer: Any = getattr(model, "answer_many", None)
        self._model_checks = isinstance(model, StreamClassifier)
        self._waiting: deque[_Asked] = deque()
        self._clock: tuple[int, float, float] | None = None

    @property
    def drifts(self) -> list[dict[str, Any]]:
        """What has happened in the model in this run, oldest first; "event" is the number of events of the run."""
        return drifts_since(self.model, self._n_before)

    @property
    def is_warm(self) -> bool:
        """Whether the model has learned an event, or would have if it had labels: it is compiled then."""
        return self.n_learned > 0 or self.n_predicted > self._delay + 1

    @property
    def events_per_second(self) -> float | None:
        """Rate since the model was warm, compilation left out; None before the next event."""
        if self._clock is None:
            return None
        n_before, start, now = self._clock
        n_since = self.n_predicted - n_before
        return n_since / (now - start) if n_since and now > start else None

    def finish(self, events: Iterable[Event]) -> None:
        """Go through all events."""
        for _ in self.blocks(events):
            pass

    def blocks(self, events: Iterable[Event]) -> Iterator[int]:
        """Go through all events, a few at a time; yield how many after each few.

        Between two yields the run is in order: all that was predicted has been learned and scored, but for labels that
        are delayed. These are learned when the events have come to their end.

        Raises
        ------
        MalformedEvent
            If the model refuses an event and nobody else takes the error.
        """
        together = self._test_then_train is not None and not self._delay
        asks_for_each = self._sink is not None or self._probabilities or (self._recorder is not None and self._answer is None)
        largest = _LARGEST_BLOCK if together and not asks_for_each else 1
        step = self._test_then_train_block if together else self._predict_block
        size, start = 1, time.perf_counter()
        block: list[Event] = []
        with watched_compilation(lambda: None) as compilation:
            for event in events:
                block.append(event)
                if len(block) < size and not self._is_to_sample_after(len(block)):
                    continue
                step(block)
                compiled = compilation.taken()
                yield self._tick(len(block), compiled)
                now = time.perf_counter()
                size = _next_size(size, largest, now - start - compiled)
                start, block = now, []
            if block:
                step(block)
                yield self._tick(len(block), compilation.taken())
            while self._waiting:
                self._arrive(self._waiting.popleft())
                yield self._tick(0, compilation.taken())

    def record(self) -> None:
        """Let the recorder, if there is one, see the run as it is now."""
        if self._recorder is not None:
            self._recorder.sample(self.n_learned, self.model, self.scoring.all_scores())

    def _is_to_sample_after(self, n_events: int) -> bool:
        return self._recorder is not None and n_events >= self._recorder.events_to_sample(self.n_learned)

    def _tick(self, n_events: int, compiled: float) -> int:
        """Take note of the time after some events, `compiled` seconds of which were spent on machine code."""
        if self._recorder is not None and not self._recorder.events_to_sample(self.n_learned):
            self.record()
        if self.is_warm:
            now = time.perf_counter()
            n_before, start, _ = self._clock or (self.n_predicted, now - compiled, now)
            self._clock = n_before, start + compiled, now
        return n_events

    def _test_then_train_block(self, events: list[Event]) -> None:
        for labelled, some in groupby(events, lambda event: event.y is not None):
            if labelled:
                self._test_then_train_some(list(some))
            else:
                self._predict_block(list(some))

    def _test_then_train_some(self, events: list[Event]) -> None:
        """Predict and learn events in turn, in one call of the model; one by one if it refuses an event."""
        version = self._partition_version
        try:
            probabilities = self._ask_for_probabilities(events[0])
            predicted, offers = self._learn_together(events)
        except (TypeError, ValueError) as error:
            if len(events) > 1:
                for event in events:
                    self._test_then_train_some([event])
            else:
                self.n_read += 1
                self._refuse(self.n_read, events[0], error)
            return
        for event, labels, offer in zip(events, predicted, offers, strict=True):
            asked = self._answered(event, labels, probabilities, version)
            self._account(asked, offer)

    def _learn_together(self, events: list[Event]) -> tuple[list[Labels], list[dict[Hashable, float] | None]]:
        """Return predictions, and probabilities if they are recorded and can be had in the same go."""
        x, w = [event.x for event in events], [event.w for event in events]
        y = [self._told(events[0].y), *(event.y for event in events[1:])]
        if self._recorder is None or self._answer is None:
            predicted, self._untold = self._test_then_train(x, y, w), ()
            return predicted, [None] * len(events)
        answers, self._untold = self._answer(x, y, _ALL, w), ()
        return [set(answer.labels) for answer in answers], [dict(answer.top) for answer in answers]

    def _predict_block(self, events: list[Event]) -> None:
        """Predict events, and learn what they follow by the delay."""
        for event in events:
            try:
                if event.y is not None:  # before it is answered: what is refused later would count among the answers alone
                    check_weight(event.w)
                if not self._model_checks:
                    _check_numbers(event.x)
                probabilities = self._ask_for_probabilities(event)
                labels = self.model.predict_set_one(event.x)
            except (TypeError, ValueError) as error:
                self.n_read += 1
                self._refuse(self.n_read, event, error)
                continue
            self._waiting.append(self._answered(event, labels, probabilities, self._partition_version))
            if len(self._waiting) > self._delay:
                self._arrive(self._waiting.popleft())

    def _arrive(self, asked: _Asked) -> None:
        """Learn an event whose labels have arrived."""
        event = asked.event
        if event.y is None:
            return
        try:
            self.model.learn_one(event.x, self._told(event.y), event.w)
            self._untold = ()
        except (TypeError, ValueError) as error:
            self._refuse(asked.number, event, error)
        else:
            self._account(asked)

    def _told(self, y: Truth) -> Truth:
        """Return the labels of an event, and with the first one that is learned all that there are: a model that knows a label
        before it applies learns from each event to which it does not.
        """
        if not self._untold or y is None:
            return y
        if isinstance(y, Mapping):
            return {**dict.fromkeys(self._untold, False), **y}
        return {label: label in y for label in dict.fromkeys((*self._untold, *y))}

    def _ask_for_probabilities(self, event: Event) -> dict[str, Probabilities] | None:
        recorded = self._recorder is not None and (self._delay > 0 or self._answer is None)
        if not self._probabilities and not recorded:
            return None
        return {MODEL: self.model.predict_proba_one(event.x), BASELINE: self.baseline.predict_proba_one(event.x)}

    def _answered(self, event: Event, labels: Labels, probabilities: dict[str, Probabilities] | None, version: int) -> _Asked:
        """Take note of a prediction, before the event is learned by the baseline and counted as learned."""
        self.n_read += 1
        self.n_predicted += 1
        asked = _Asked(self.n_read, event, labels, self.baseline.predict_set_one(event.x), probabilities)
        if self._sink is not None:
            self._emit(self._sink, asked, version)
        return asked

    def _account(self, asked: _Asked, offer: Mapping[Hashable, float] | None = None) -> None:
        """Take note that the model has learned an event; `offer`: the model's probabilities, if they came with its answer."""
        event = asked.event
        self.n_learned += 1
        self.baseline.learn_one(event.x, event.y, event.w)
        predicted = {MODEL: asked.predicted, BASELINE: asked.by_baseline}
        self.scoring.add(event.y, predicted, asked.probabilities, event.w)
        if self._recorder is not None:
            asked_for = None if asked.probabilities is None else asked.probabilities[MODEL]
            self._recorder.add(event.y, asked.predicted, asked_for if offer is None else offer, event.w)

    def _refuse(self, number: int, event: Event, error: Exception) -> None:
        self.n_refused += 1
        has_place = event.line is not None or event.row is not None
        refused = MalformedEvent("value", str(error) if has_place else f"event {number}: {error}")
        refused.at(self._source.get("file"), event.line, event.row)
        if self._on_refused is None:
            raise refused from None
        self._on_refused(refused)

    @property
    def _partition_version(self) -> int:
        return int(getattr(getattr(self.model, "partition", None), "version", 0))

    def _emit(self, sink: Sink, asked: _Asked, version: int) -> None:
        labels: Any = asked.predicted
        proba: dict[Any, float] = {}
        if self._probabilities and asked.probabilities is not None:
            offers = ((name, p[True]) for name, p in asked.probabilities[MODEL].items())
            proba = dict(nsmallest(self._top, offers, key=lambda offer: (-offer[1], offer[0])))
        place = {"line": asked.event.line, "row": asked.event.row}
        sink.write(
            prediction_record(
                labels,
                proba,
                learned=self._n_before + self.n_learned,
                partition_version=version,
                id=asked.event.id,
                source={**self._source, "event": asked.number, **{name: n for name, n in place.items() if n is not None}},
            )
        )


def _check_numbers(x: Mapping[Any, Any]) -> None:
    """Refuse an event that ihomer's models refuse, for any other one: scores are of the same events then."""
    for name, value in x.items():
        if not isinstance(value, str):
            checked_number(name, value)


def _next_size(size: int, largest: int, seconds: float) -> int:
    """Return how many events to take at once, after `size` of them have taken so long."""
    if seconds > _LONGEST_BLOCK:
        return max(1, size // 2)
    return min(2 * size, largest) if seconds < _LONGEST_BLOCK / 2 else size
