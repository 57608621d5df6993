"""Events to feed a live run with: known streams by name, or a data file again, with labels that come late."""

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from streams.event import Event, Record, event_record
from streams.synthetic import Drift, SyntheticStream

__all__ = ["STREAMS", "Pace", "Sent", "messages", "named_stream"]

_FEWEST_TO_DRIFT = 20
_LONGEST_SLEEP = 0.1


def _drifts(what: str, n_events: int) -> list[Drift]:
    quarter, width = n_events // 4, max(1, n_events // 10)
    if n_events < _FEWEST_TO_DRIFT or what == "stationary":
        return []
    if what == "drift":
        return [
            Drift(quarter, "sudden", what="features"),
            Drift(2 * quarter, "gradual", width, "correlation"),
            Drift(3 * quarter, "sudden", what="labels"),
        ]
    kind: Any = "sudden" if what == "words" else what
    return [Drift(2 * quarter, kind, width, "features")]


_NUMBERS: dict[str, Any] = {
    "n_labels": 20, "n_features": 50, "groups": 5, "n_nominal": 2, "zipf": 0.5, "noise": 2.0, "missing": 0.01,
}
_WORDS: dict[str, Any] = {"n_labels": 100, "n_features": 0, "groups": 20, "n_words": 5000, "zipf": 1.0}

STREAMS = {
    "drift": "three drifts: of the features at 1/4, of the label groups from 1/2 on, of the label frequencies at 3/4",
    "sudden": "the features change from one event to the next in the middle",
    "gradual": "the features change by chance, more and more often, from the middle on",
    "incremental": "the features move little by little from the middle on",
    "recurring": "the features change and change back from the middle on",
    "stationary": "nothing changes",
    "words": "a bag of 5,000 words and 100 labels, with a sudden drift in the middle",
}
"""Name of a stream -> what is special about it."""


def named_stream(name: str, n_events: int, seed: int) -> SyntheticStream:
    """Return one of `STREAMS`: 20 labels in 5 groups, 50 numbers and 2 words as features, 1 % of them missing.

    Streams of less than 20 events do not drift.

    Raises
    ------
    ValueError
        If there is no such stream.

    Examples
    --------
    >>> from streams.generate import named_stream
    >>> stream = named_stream("drift", 1000, seed=0)
    >>> stream.drift_points, len(stream.labels)
    ((250, 500, 750), 20)
    """
    if name not in STREAMS:
        raise ValueError(f"there is no stream {name!r}; there are {', '.join(STREAMS)}")
    shape = _WORDS if name == "words" else _NUMBERS
    return SyntheticStream(n_events, **shape, drifts=_drifts(name, n_events), seed=seed)


class Sent(NamedTuple):
    """A message to send: the record, its key, and whether it is an event or labels that come late."""

    record: Record
    key: bytes
    is_event: bool


def messages(events: Iterable[Event], late_share: float = 0.0, late_delay: int = 100, seed: int = 0) -> Iterator[Sent]:
    """Yield events as records with ids; some without labels, which follow on their own.

    The key of a message is the id of its event, so that Kafka brings an event and its labels to one partition.

    Parameters
    ----------
    events
        The events. One without an id gets its number.
    late_share
        Share of the events whose labels come late; which ones is drawn by chance.
    late_delay
        Number of later events after which the labels come; what is left comes at the end.
    seed
        Seed of that chance.

    Raises
    ------
    ValueError
        If the share is not from 0 to 1 or the delay is negative.

    Examples
    --------
    >>> from streams.event import Event
    >>> from streams.generate import messages
    >>> events = [Event({"cloud": 1}, {"rain"}), Event({"cloud": 0}, set())]
    >>> for sent in messages(events, late_share=1.0, late_delay=1):
    ...     print(sent.record)
    {'id': '0', 'x': {'cloud': 1}}
    {'id': '1', 'x': {'cloud': 0}}
    {'id': '0', 'y': ['rain']}
    {'id': '1', 'y': []}
    """
    if not 0.0 <= late_share <= 1.0:
        raise ValueError(f"the share of late labels must be from 0 to 1, not {late_share}")
    if late_delay < 0:
        raise ValueError(f"the delay must be a number of events, at least 0, not {late_delay}")
    return _messages(events, late_share, late_delay, random.Random(seed))


def _messages(events: Iterable[Event], late_share: float, late_delay: int, chance: random.Random) -> Iterator[Sent]:
    waiting: deque[tuple[int, Sent]] = deque()
    for number, given in enumerate(events):
        event = given if given.id is not None else replace(given, id=str(number))
        record = event_record(event)
        key = str(event.id).encode("utf-8", errors="surrogatepass")
        is_late = chance.random() < late_share and event.y is not None
        if is_late:
            labels = {"id": record["id"], "y": record.pop("y")}
            waiting.append((number + late_delay, Sent(labels, key, False)))
        yield Sent(record, key, True)
        while waiting and waiting[0][0] <= number:
            yield waiting.popleft()[1]
    for _, sent in waiting:
        yield sent


class Pace:
    """Lets events through at a rate.

    Parameters
    ----------
    rate
        Events per second.
    is_over
        Asked while it waits; it waits no longer when this says so.

    Raises
    ------
    ValueError
        If the rate is not positive.

    Examples
    --------
    >>> from streams.generate import Pace
    >>> pace = Pace(rate=1000.0)
    >>> [pace.seconds_left() <= 0.001 for _ in range(2) if pace.wait() is None]
    [True, True]
    """

    def __init__(self, rate: float, is_over: Callable[[], bool] = lambda: False) -> None:
        if not rate > 0:
            raise ValueError(f"the rate must be a number of events per second above 0, not {rate}")
        self._period = 1.0 / rate
        self._is_over = is_over
        self._next = time.monotonic()

    def seconds_left(self) -> float:
        """Return how long the next event has to wait; 0 or less if it is its turn."""
        return self._next - time.monotonic()

    def wait(self) -> None:
        """Wait for the turn of the next event. A pause of more than a second is not made up for."""
        while (left := self.seconds_left()) > 0 and not self._is_over():
            time.sleep(min(left, _LONGEST_SLEEP))
        self._next = max(self._next, time.monotonic() - 1.0) + self._period
