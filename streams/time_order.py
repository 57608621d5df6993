"""Messages of several partitions, given out in the order of their times."""

import math
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence, Set
from heapq import heappop, heappush

from streams.message import Message, Partition

__all__ = ["TimeOrder"]

_MOST_BYTES = 1 << 26
_BESIDE = 200  # bytes of a message beside its key and value
_BEFORE_ALL = -math.inf


class TimeOrder:
    """Messages of several partitions that wait to be given out: those of one partition in their order, the oldest first.

    A partition that is behind, of which more messages are known to come, keeps the others waiting while none of its own wait,
    as long as what waits takes little memory. Messages without a time wait for none. A time that has not come yet counts as
    now, so that a wrong clock delays the messages that it has stamped no longer than until the others are read.

    Parameters
    ----------
    tolerance
        Seconds by which the messages of a partition may be given out before older ones of another: runs of them cost less.
    most_bytes
        Of messages that wait, beyond which no partition is waited for.
    now
        The clock, seconds since 1970.

    Examples
    --------
    >>> from streams.message import Message
    >>> from streams.time_order import TimeOrder
    >>> order = TimeOrder()
    >>> order.put([Message("events", 0, 7, b"{}", 1000.0), Message("events", 0, 8, b"{}", 3000.0)])
    >>> order.put([Message("labels", 0, 4, b"{}", 2000.0)])
    >>> [message.offset for message in order.take(10)]
    [7, 4, 8]
    """

    def __init__(self, tolerance: float = 1.0, most_bytes: int = _MOST_BYTES, now: Callable[[], float] = time.time) -> None:
        self._tolerance, self._most_bytes, self._now = tolerance, most_bytes, now
        self._waiting: dict[Partition, deque[tuple[float, Message]]] = {}
        self._oldest: list[tuple[float, Partition]] = []  # a heap: the time of the first that waits of each partition
        self._reached: dict[Partition, float] = {}  # time of the last one that was put
        self._n_bytes = 0

    @property
    def partitions(self) -> Set[Partition]:
        """Those of which messages wait."""
        return self._waiting.keys()

    def next_offset(self, partition: Partition) -> int | None:
        """Return the offset behind the last message of a partition that waits; None if none does."""
        waiting = self._waiting.get(partition)
        return waiting[-1][1].offset + 1 if waiting else None

    def put(self, messages: Sequence[Message]) -> None:
        """Take the next messages of one partition, at least one."""
        partition, now = (messages[0].topic, messages[0].partition), self._now()
        timed = [(_BEFORE_ALL if one.timestamp is None else min(one.timestamp, now), one) for one in messages]
        self._n_bytes += sum(map(_size, messages))
        self._reached[partition] = timed[-1][0]
        if partition in self._waiting:
            self._waiting[partition].extend(timed)
        else:
            self._waiting[partition] = deque(timed)
            heappush(self._oldest, (timed[0][0], partition))

    def awaited(self, behind: Collection[Partition]) -> Partition | None:
        """Return which of those that are `behind` may bring the oldest message; None where messages of all of them wait."""
        empty = (partition for partition in behind if partition not in self._waiting)
        return min(empty, key=self._has_reached, default=None)

    def take(self, most: int, behind: Collection[Partition] = ()) -> list[Message]:
        """Return the next messages, at most so many; none that may be younger than what comes of those that are `behind`."""
        taken: list[Message] = []
        awaited = self.awaited(behind)
        limit = math.inf if awaited is None else self._has_reached(awaited)
        while self._oldest and len(taken) < most:
            first, partition = self._oldest[0]
            if first > limit and self._n_bytes <= self._most_bytes:
                break
            heappop(self._oldest)
            waiting = self._waiting[partition]
            while waiting and len(taken) < most and waiting[0][0] <= first + self._tolerance:
                taken.append(waiting.popleft()[1])
                self._n_bytes -= _size(taken[-1])
            if waiting:
                heappush(self._oldest, (waiting[0][0], partition))
            else:
                del self._waiting[partition]
                limit = min(limit, self._reached[partition]) if partition in behind else limit
        return taken

    def drop(self, partition: Partition) -> None:
        """Forget what waits of a partition, and the time that it has reached."""
        self._reached.pop(partition, None)
        if waiting := self._waiting.pop(partition, None):
            self._n_bytes -= sum(_size(message) for _, message in waiting)
            self._oldest = sorted(entry for entry in self._oldest if entry[1] != partition)

    def _has_reached(self, partition: Partition) -> float:
        return self._reached.get(partition, _BEFORE_ALL)


def _size(message: Message) -> int:
    return len(message.value or b"") + len(message.key or b"") + _BESIDE
