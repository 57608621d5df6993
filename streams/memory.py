"""Events in memory as a source, and sources that give the events of another: fewer, or in another order."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from streams.errors import SourceError
from streams.event import Closing, Event, Position, Source

__all__ = ["MemorySource", "limited", "order_of", "shuffled"]


class MemorySource(Closing):
    """Events that are in memory already, as a source.

    Parameters
    ----------
    events
        The events; `Event.position` is set to the number of events up to and with each.
    labels
        Names of all labels, if they are known.
    start
        What `snapshot` gave; 0 is the beginning.

    Examples
    --------
    >>> from streams.event import Event
    >>> from streams.memory import MemorySource
    >>> events = [Event({"cloud": 0.5}, {"rain"}), Event({"cloud": 0.0}, set())]
    >>> source = MemorySource(events, start=1)
    >>> next(iter(source)).x, source.snapshot()
    ({'cloud': 0.0}, 2)
    """

    def __init__(self, events: Iterable[Event], labels: Iterable[str] = (), start: int = 0) -> None:
        self.labels = tuple(labels)
        self._stored = list(events)
        if not 0 <= start <= len(self._stored):
            raise SourceError(f"event {start} is asked for, and there are {len(self._stored)}")
        self._position = start
        self._events = self._read()

    def __len__(self) -> int:
        """Return the number of all events, given out or not."""
        return len(self._stored)

    def __iter__(self) -> Iterator[Event]:
        """Return the one iterator over the events not given out yet."""
        return self._events

    def _read(self) -> Iterator[Event]:
        for event in islice(self._stored, self._position, None):
            self._position += 1
            yield replace(event, position=self._position)

    def snapshot(self) -> int:
        """Return the number of events given out, those before the start too."""
        return self._position


def shuffled(source: Iterable[Event], seed: int, *, start: int = 0) -> MemorySource:
    """Return the events of a source in a random order that `seed` fixes.

    All events are read into memory at once, and the source is closed if it can be.

    Parameters
    ----------
    source
        A source that stands at its beginning, or any events.
    seed
        Seed of the order.
    start
        What `snapshot` of the result gave, to go on there.

    Examples
    --------
    >>> from streams.event import Event
    >>> from streams.memory import shuffled
    >>> [event.id for event in shuffled([Event({}, id=name) for name in "abcde"], seed=7)]
    ['c', 'a', 'e', 'b', 'd']
    """
    with closing(source) if isinstance(source, Source) else nullcontext():
        events = list(source)
    labels = source.labels if isinstance(source, Source) else ()
    return MemorySource([events[place] for place in order_of(len(events), seed)], labels, start)


def order_of(n_events: int, seed: int) -> NDArray[np.int64]:
    """Return the places of so many events in the random order that a seed fixes.

    Examples
    --------
    >>> from streams.memory import order_of
    >>> order_of(5, seed=7).tolist()
    [2, 0, 4, 1, 3]
    """
    return np.random.default_rng(seed).permutation(n_events)


class _Limited(Closing):
    """The first events of another source, whose positions, labels and file it shares."""

    def __init__(self, source: Source, n: int) -> None:
        self._source = source
        self._events = islice(source, min(n, sys.maxsize))

    @property
    def labels(self) -> tuple[str, ...]:
        return self._source.labels

    def __iter__(self) -> Iterator[Event]:
        return self._events

    def snapshot(self) -> Position:
        return self._source.snapshot()

    def close(self) -> None:
        self._source.close()


def limited(source: Source, n: int) -> Source:
    """Return a source that ends after the next `n` events of `source`; closing it closes `source`.

    Raises
    ------
    ValueError
        If `n` is negative.

    Examples
    --------
    >>> from streams.event import Event
    >>> from streams.memory import MemorySource, limited
    >>> [event.id for event in limited(MemorySource(Event({}, id=name) for name in "abcde"), 2)]
    ['a', 'b']
    """
    if n < 0:
        raise ValueError(f"a source cannot be limited to {n} events")
    return _Limited(source, n)
