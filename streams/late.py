"""Events that wait for their labels, and labels that wait for their event: bounded in number, bytes and age."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.event import Event, Truth

__all__ = ["LateStore", "Waiting"]


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """An event without labels, and what was predicted for it.

    Attributes
    ----------
    x, w
        As in `Event`.
    predicted, by_baseline
        The labels that the model and the baseline predicted.
    """

    x: dict[str, bool | int | float | str | None]
    w: float
    predicted: list[str]
    by_baseline: list[str]


class _Early(msgspec.Struct, frozen=True, array_like=True):
    """Labels whose event has not been seen."""

    positive: list[str] | None
    named: dict[str, bool | None] | None


_ENCODE = msgspec.json.Encoder().encode
_WAITING = msgspec.json.Decoder(Waiting).decode
_EARLY = msgspec.json.Decoder(_Early).decode


class _Shelf:
    """Texts by name with the time they came, oldest first; the oldest go when there are too many or they are too old."""

    def __init__(self) -> None:
        # A plain dictionary looks for its first entry among all that were removed before it.
        self.texts: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self.n_bytes = 0

    def put(self, name: str, time: float, text: bytes) -> bool:
        """Put it last; return whether there was one of that name, which is gone."""
        was_there = self.take(name) is not None
        self.texts[name] = time, text
        self.n_bytes += len(name) + len(text)
        return was_there

    def take(self, name: str) -> bytes | None:
        found = self.texts.pop(name, None)
        if found is None:
            return None
        self.n_bytes -= len(name) + len(found[1])
        return found[1]

    def drop(self, most: int, most_bytes: int, before: float) -> int:
        """Drop the oldest; return how many."""
        n_dropped = 0
        while self.texts:
            oldest = next(iter(self.texts))
            if len(self.texts) <= most and self.n_bytes <= most_bytes and self.texts[oldest][0] >= before:
                break
            self.take(oldest)
            n_dropped += 1
        return n_dropped

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all as three arrays: the texts one after another, their ends in pairs of name and text, and the times."""
        parts = [part for name, (_, text) in self.texts.items() for part in (name.encode(), text)]
        return {
            "text": np.frombuffer(b"".join(parts), np.uint8).copy(),
            "ends": np.cumsum([len(part) for part in parts], dtype=np.int64),
            "times": np.array([time for time, _ in self.texts.values()], np.float64),
        }

    def fill(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` gave; ValueError if it cannot be that."""
        text, ends, times = arrays["text"], arrays["ends"], arrays["times"]
        kinds = text.dtype == np.uint8 and ends.dtype == np.int64 and times.dtype == np.float64
        flat = text.ndim == ends.ndim == times.ndim == 1
        if not kinds or not flat or len(ends) != 2 * len(times) or np.isnan(times).any():
            raise ValueError("arrays of late labels do not fit together")
        bounds = np.concatenate([[0], ends])
        if bounds[-1] != len(text) or (np.diff(bounds) < 0).any():
            raise ValueError("texts of late labels do not fit together")
        whole = text.tobytes()
        parts = [whole[a:b] for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)]
        for name, content, time in zip(parts[::2], parts[1::2], times.tolist(), strict=True):
            self.put(name.decode(), time, content)


class LateStore:
    """Joins events and labels that come apart, whichever comes first.

    Time is that of the messages, so that the same messages give the same joins whenever they are read.

    Parameters
    ----------
    most
        Number of events that wait at most, and of labels likewise; the oldest go first.
    longest
        Seconds that they wait at most.
    most_bytes
        How long the events that wait are at most, in bytes of JSON with their names, and labels likewise; the oldest go first.

    Attributes
    ----------
    n_expired
        Events that have gone without their labels.
    n_orphans
        Labels that have gone without their event.
    n_repeated
        Events and labels whose name was waiting already; the later one stays.

    Raises
    ------
    ValueError
        If a bound is negative.

    Examples
    --------
    >>> from streams.event import Event
    >>> from streams.late import LateStore
    >>> store = LateStore(most=1000, longest=3600.0)
    >>> store.wait("monday", Event({"cloud": 0.5}), {"rain"}, set())
    >>> store.event_of("monday").predicted, store.event_of("monday")
    (['rain'], None)
    """

    def __init__(self, most: int = 100_000, longest: float = 7 * 86_400.0, most_bytes: int = 1 << 30) -> None:
        self._set_bounds(most, longest, most_bytes)
        self.n_expired = self.n_orphans = self.n_repeated = 0
        self._now = 0.0
        self._events, self._labels = _Shelf(), _Shelf()

    def _set_bounds(self, most: int, longest: float, most_bytes: int) -> None:
        if most < 0 or not longest >= 0.0 or most_bytes < 0:
            raise ValueError(f"the bounds must not be negative, not {most}, {longest} and {most_bytes}")
        self.most, self.longest, self.most_bytes = most, longest, most_bytes

    @property
    def n_waiting(self) -> int:
        """Number of events that wait for labels."""
        return len(self._events.texts)

    @property
    def n_early(self) -> int:
        """Number of labels that wait for an event."""
        return len(self._labels.texts)

    def advance(self, time: float | None) -> None:
        """Note the time of a message, in seconds; drop what is too old by then. Time does not go back."""
        if time is None or time <= self._now:
            return
        self._now = time
        self._tidy()

    def _tidy(self) -> None:
        before = self._now - self.longest
        self.n_expired += self._events.drop(self.most, self.most_bytes, before)
        self.n_orphans += self._labels.drop(self.most, self.most_bytes, before)

    def wait(self, name: str, event: Event, predicted: Iterable[Any], by_baseline: Iterable[Any]) -> None:
        """Keep an event for its labels."""
        waiting = Waiting(dict(event.x), event.w, sorted(predicted), sorted(by_baseline))
        self.n_repeated += self._events.put(name, self._now, _ENCODE(waiting))
        self._tidy()

    def event_of(self, name: str) -> Waiting | None:
        """Take out the event that waits for its labels; None if none of that name does."""
        text = self._events.take(name)
        return None if text is None else _WAITING(text)

    def keep_labels(self, name: str, y: Truth) -> None:
        """Keep labels for their event."""
        early = _Early(None, y) if isinstance(y, dict) else _Early(sorted(y or ()), None)
        self.n_repeated += self._labels.put(name, self._now, _ENCODE(early))
        self._tidy()

    def labels_of(self, name: str) -> Truth:
        """Take out the labels that wait for an event; None if none of that name do."""
        text = self._labels.take(name)
        if text is None:
            return None
        early = _EARLY(text)
        return frozenset(early.positive) if early.positive is not None else early.named

    def state(self) -> dict[str, Any]:
        """Return all of it as numbers and arrays, with the bounds: others would drop others when messages are read again."""
        return {
            "counts": [self.n_expired, self.n_orphans, self.n_repeated],
            "bounds": [self.most, self.longest, self.most_bytes],
            "now": self._now,
            "events": self._events.arrays(),
            "labels": self._labels.arrays(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave.

        Raises
        ------
        ValueError
            If it cannot be that.
        """
        self.n_expired, self.n_orphans, self.n_repeated = (int(count) for count in state["counts"])
        most, longest, most_bytes = state["bounds"]
        self._set_bounds(int(most), float(longest), int(most_bytes))
        self._now = float(state["now"])
        self._events.fill(state["events"])
        self._labels.fill(state["labels"])
        for _, text in self._events.texts.values():
            _WAITING(text)
        for _, text in self._labels.texts.values():
            _EARLY(text)
