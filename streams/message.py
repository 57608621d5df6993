"""What comes from a live source, and what a live source and a live sink have to do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from streams.event import Record

__all__ = ["Fenced", "Gone", "LiveSink", "LiveSource", "Message", "Partition", "Positions", "Unreachable", "patiently"]

Partition: TypeAlias = tuple[str, int]
"""Topic and number of one partition; a file is the only partition, 0, of the topic that has its name."""
Positions: TypeAlias = dict[Partition, int]
"""Offset of the NEXT message of each partition."""


class Unreachable(ConnectionError):
    """The other side does not answer for longer than is waited for; it may later."""


class Fenced(RuntimeError):
    """Another process has taken over: this one must not write any more."""


class Gone(LookupError):
    """Messages that are to be read again are not there any more."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a live source as it came.

    Attributes
    ----------
    topic, partition, offset
        Where it stood.
    value
        Its bytes; None for a tombstone.
    timestamp
        Seconds since 1970 that the message carries, or None.
    key
        Its key, or None.
    """

    topic: str
    partition: int
    offset: int
    value: bytes | None
    timestamp: float | None = None
    key: bytes | None = None


class LiveSource(Protocol):
    """Partitions of messages that are read side by side, each in order; positions are the reader's own."""

    def poll(self, timeout: float) -> list[Message]:
        """Return the next messages, a bounded number; wait up to `timeout` seconds for the first of them.

        Messages of one partition come in the order of their offsets, with gaps where there are none. `positions` has moved
        behind them on return.

        Raises
        ------
        Gone
            If the source is seen to hold other messages than those that were read.
        Unreachable
            If the source has been out of reach for too long.
        """
        ...

    @property
    def positions(self) -> Positions:
        """Offset of the next message of each known partition."""
        ...

    def seek(self, positions: Mapping[Partition, int]) -> None:
        """Go on at these positions in these partitions; those of unknown partitions are kept for when they appear."""
        ...

    def span(self, partition: Partition, first: int, stop: int) -> Iterator[list[Message]]:
        """Yield the messages of one partition with first <= offset < stop once more; `positions` stay as they are.

        Raises
        ------
        Gone
            If the source holds them no longer.
        """
        ...

    def lag(self) -> Positions:
        """Return, for each partition, how many offsets lie between its position and its end."""
        ...

    @property
    def at_end(self) -> bool:
        """Whether nothing can come any more: the end of a file."""
        ...

    def close(self) -> None:
        """Let go of files and connections; safe to call twice."""
        ...


class LiveSink(Protocol):
    """Takes records in transactions, each of which carries the number of the last message it answers for."""

    def begin(self) -> None:
        """Start a transaction."""
        ...

    def write(self, record: Record, key: bytes | None = None) -> None:
        """Write a prediction."""
        ...

    def write_dead(self, record: Record, key: bytes | None = None) -> None:
        """Write a dead letter; without a place for them it is dropped here (the loop counts and logs it)."""
        ...

    def start_commit(self, number: int, positions: Positions) -> None:
        """Start to bring out all records since `begin`, or none of them; `settle` tells how it went.

        The next transaction can be begun meanwhile, but its commit not be started.

        Parameters
        ----------
        number
            How many messages have been read in all: what `committed` returns after a restart.
        positions
            Of the partitions that were read from, to be made known to the outside.

        Raises
        ------
        RuntimeError
            If no transaction is open, or the last one is not settled.
        Fenced, Unreachable
            As `settle`.
        OSError
            If nothing is out, and it may go better later: the run opens the sink anew, and does the transaction again.
        SinkError
            If it will never go better; the run ends.
        """
        ...

    @property
    def is_settled(self) -> bool:
        """Whether `settle` returns at once."""
        ...

    def settle(self) -> None:
        """Wait until the commit that was started has gone through; return at once if there is none.

        Raises
        ------
        Fenced
            If another process has taken over.
        Unreachable
            If it is not known whether the transaction went through; the process must end, and the restart finds out.
        """
        ...

    def abort(self) -> None:
        """Drop all records since `begin`, if there is a transaction."""
        ...

    def committed(self) -> int | None:
        """Return the `number` of the last transaction that went through; None if the sink keeps none."""
        ...

    def close(self) -> None:
        """Let go of files and connections; safe to call twice. An open transaction is dropped."""
        ...


@contextmanager
def patiently() -> Iterator[None]:
    """Make of what fails in a sink, as a full disk, what is tried again; what is not allowed does not pass by waiting."""
    try:
        yield
    except (Unreachable, PermissionError):
        raise
    except OSError as error:
        raise Unreachable(f"the sink: {error}") from error
