"""Kafka topics as live sinks: predictions in transactions, and plain events."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from streams.errors import SinkError
from streams.event import Record, encode_record
from streams.kafka_client import (
    RECORD_OVERHEAD,
    Call,
    Clients,
    InvalidRecordError,
    OffsetAndMetadata,
    TopicPartition,
    absent_topics,
    close_producer,
    found_topics,
    prepared,
)
from streams.message import Positions, Unreachable

__all__ = ["KafkaEventSink", "KafkaSink"]

_PENDING_BYTES = 1 << 24
_BETWEEN_LOOKS = 5.0  # seconds of waiting between two looks whether the topics are there
_LEAST_DEAD_LETTER = 8192  # bytes that hold code and place, also where that is the path of a file


class _Watch:
    """Looks, while a sink waits, whether its topics are there: the client waits for one that is deleted as for a leader.

    To a broker that has just come back no topic is known: one is gone where that is said twice in a row.
    """

    def __init__(self, absent: Callable[[], set[str]]) -> None:
        self._absent = absent
        self._looking: Call[set[str]] | None = None
        self._before: set[str] = set()
        self._gone: set[str] = set()
        self._next = math.inf

    def begin(self) -> None:
        """Begin to wait."""
        self._looking, self._before, self._gone = None, set(), set()
        self._next = time.monotonic() + _BETWEEN_LOOKS

    def look(self) -> set[str]:
        """Return the topics that are gone; it does not wait for Kafka."""
        if self._looking is not None and self._looking.done:
            absent: set[str] = set()
            with suppress(Exception):  # what is wrong with Kafka is told by what the sink waits for
                absent = self._looking.result(1.0)
            self._gone, self._before = absent & self._before, absent
            self._looking, self._next = None, time.monotonic() + _BETWEEN_LOOKS
        elif self._looking is None and time.monotonic() >= self._next:
            self._looking = Call(self._absent, again=False)
        return self._gone

    def check(self) -> None:
        """Raise `Unreachable` if a topic is gone: a new sink makes it anew."""
        if gone := self.look():
            raise Unreachable(f"no such topic any more: {', '.join(sorted(gone))}")


class KafkaSink:
    """Predictions and dead letters in Kafka transactions that carry how far the run has come.

    Records wait in memory until `commit`, which sends and commits them at once: a learner may take as long as it likes between
    `begin` and `commit`. With `start_commit` and `settle` it can go on while the brokers are waited for.

    Parameters
    ----------
    servers
        As in `KafkaSource`.
    topic
        Where predictions go; it is made, with the broker's defaults, if it does not exist.
    dead_letter_topic
        Where dead letters go, likewise; None drops them.
    transactional_id
        Who writes: of two sinks with the same one, the older is fenced as soon as the newer starts.
    group
        A consumer group whose offsets show the outside how far the run is, where `mark` is "source". How far it is for the run
        itself stands in a group of its own that is named as `transactional_id`: others may commit for this one too.
    run
        Name of the run; numbers that other runs left behind are not taken for this one's. By default `transactional_id`.
    mark
        "source" if the positions are of topics of this very cluster: they are committed as the groups' offsets. "sink" if not:
        the number itself is committed, as an offset of partition 0 of `topic`, for the run's own group alone.
    settings
        As in `KafkaSource`. `transaction_timeout_ms`, 300,000 by default: a broker that is away for longer in mid-commit drops
        the transaction, and the sink is fenced.
    patience
        Seconds within which a commit has to go through; 0 = wait for ever.
    is_stopping
        Whether the process is to end: then Kafka is waited for ten seconds at most.
    on_made
        Called with the topics that were not there and have been made.

    Raises
    ------
    Unreachable
        As `KafkaSource`.
    SinkError
        If the topic of dead letters takes no record that could say what was wrong with which message.
    ValueError
        If a setting is unknown or would break what is promised here.

    Examples
    --------
    >>> from streams.kafka import KafkaSink
    >>> sink = KafkaSink("127.0.0.1:9092", "predictions", transactional_id="umbrellas")  # doctest: +SKIP
    >>> sink.begin()  # doctest: +SKIP
    >>> sink.write({"labels": ["umbrella"]})  # doctest: +SKIP
    >>> sink.commit(1, {("events", 0): 1})  # doctest: +SKIP
    >>> sink.committed()  # doctest: +SKIP
    1
    """

    def __init__(
        self,
        servers: str | Sequence[str],
        topic: str,
        dead_letter_topic: str | None = None,
        *,
        transactional_id: str,
        group: str | None = None,
        run: str | None = None,
        mark: Literal["source", "sink"] = "source",
        settings: Mapping[str, Any] | None = None,
        patience: float = 600.0,
        is_stopping: Callable[[], bool] = lambda: False,
        on_made: Callable[[list[str]], object] = lambda topics: None,
    ) -> None:
        self._topic, self._dead_letter_topic = topic, dead_letter_topic
        self._own_group = transactional_id
        self._groups = list(dict.fromkeys([transactional_id, group or transactional_id]))
        self._prefix = f"ihomer:{run or transactional_id}:"
        if len(self._prefix) > 1000:
            raise ValueError("the name of the run is too long")
        self._mark, self._patience, self._is_stopping = mark, patience, is_stopping
        self._waiting: list[tuple[str, bytes, bytes | None]] | None = None
        self._committing: Call[None] | None = None
        self._ready = False
        self._watch = _Watch(lambda: absent_topics(self._admin, topics))
        self._clients = Clients(servers, settings, patience, is_stopping)
        topics = [topic] if dead_letter_topic is None else [topic, dead_letter_topic]
        self._admin = self._clients.admin()
        try:
            self._limits = Call(lambda: prepared(self._admin, topics, -1, on_made)).result(patience, is_stopping)
            self._check_room_for_dead_letters()
            found = Call(lambda: found_topics(self._admin, topics, lambda topic: True)).result(patience, is_stopping)
            self.topic_ids = frozenset(found.ids.values())
            self._producer = self._clients.producer(
                patience, self._limits.values(), transactional_id=transactional_id, transaction_timeout_ms=300_000
            )
        except BaseException:
            self._admin.close()
            raise

    def begin(self) -> None:
        """Start a transaction.

        Raises
        ------
        Fenced
            As `committed`.
        RuntimeError
            If one is open.
        """
        if self._waiting is not None:
            raise RuntimeError("a transaction is open already")
        self._take_over()
        self._waiting = []

    def write(self, record: Record, key: bytes | None = None) -> None:
        """Write a prediction.

        Raises
        ------
        ValueError
            If the record cannot be encoded or, with its key, is larger than the topic takes; nothing is written then.
        """
        self._put(self._topic, encode_record(record), key)

    def write_dead(self, record: Record, key: bytes | None = None) -> None:
        """Write a dead letter; it never fails for its size.

        Where it is larger than the topic takes, its key goes first, then the end of its `raw`, then all but its source and
        error; `raw_length` says how many characters `raw` had.
        """
        if self._dead_letter_topic is None:
            return
        room = self._limits[self._dead_letter_topic]
        value = encode_record(record)
        if len(value) + len(key or b"") > room:
            key = None
        if len(value) > room:
            value = _shortened_dead_letter(record, room)
        self._put(self._dead_letter_topic, value, key)

    def commit(self, number: int, positions: Positions) -> None:
        """Bring out all records since `begin`, or none of them, and wait until that is done; see `start_commit`."""
        self.start_commit(number, positions)
        self.settle()

    def start_commit(self, number: int, positions: Positions) -> None:
        """Start to bring out all records since `begin`; see `LiveSink`.

        On return all of them are with the client: handing them over while another thread runs takes longer than alone.
        """
        waiting = self._opened()
        if self._committing is not None:
            raise RuntimeError("the last commit is not settled")
        self._waiting = None
        self._watch.begin()
        sending = Call(lambda: self._send(waiting), again=False)
        futures = sending.result(self._patience, self._is_stopping, self._watch.check)
        offsets = self._offsets(number, positions)
        groups = self._groups if self._mark == "source" and positions else [self._own_group]
        self._committing = Call(lambda: self._end_transaction(futures, offsets, groups), again=False)

    @property
    def is_settled(self) -> bool:
        """Whether `settle` returns at once."""
        return self._committing is None or self._committing.done or bool(self._watch.look())

    def settle(self) -> None:
        """Wait until the commit that was started has gone through; see `LiveSink`."""
        committing, self._committing = self._committing, None
        if committing is not None:
            committing.result(self._patience, self._is_stopping, self._watch.check)

    def abort(self) -> None:
        """Drop all records since `begin`."""
        self._waiting = None

    def committed(self) -> int | None:
        """Return the number of this run's last transaction that went through; None if there is none.

        From here on any older sink with the same `transactional_id` is fenced, and what it had open is dropped or completed.

        Raises
        ------
        Fenced
            If a newer sink has taken over.
        Unreachable
            If Kafka does not answer within `patience`.
        """
        self._take_over()
        marks = Call(self._marks).result(self._patience, self._is_stopping)
        return max(marks, default=None)

    def close(self) -> None:
        """Close the connections; an open transaction is dropped. Safe to call twice."""
        self._waiting = None
        close_producer(self._producer)
        self._admin.close()

    def _check_room_for_dead_letters(self) -> None:
        topic = self._dead_letter_topic
        if topic is not None and self._limits[topic] < _LEAST_DEAD_LETTER:
            least = _LEAST_DEAD_LETTER + RECORD_OVERHEAD
            raise SinkError(f"dead letters need a topic with max.message.bytes of {least} or more, unlike {topic}")

    def _opened(self) -> list[tuple[str, bytes, bytes | None]]:
        if self._waiting is None:
            raise RuntimeError("no transaction is open")
        return self._waiting

    def _put(self, topic: str, value: bytes, key: bytes | None) -> None:
        waiting = self._opened()
        size = len(value) + len(key or b"")
        if size > self._limits[topic]:
            raise ValueError(f"a record of {size} bytes is larger than topic {topic} takes, {self._limits[topic]} bytes")
        waiting.append((topic, value, key))

    def _take_over(self) -> None:
        if not self._ready:
            Call(self._producer.init_transactions).result(self._patience, self._is_stopping)
            self._ready = True

    def _offsets(self, number: int, positions: Positions) -> dict[Any, Any]:
        at = positions if self._mark == "source" and positions else {(self._topic, 0): number}
        text = f"{self._prefix}{number}"
        return {TopicPartition(*place): OffsetAndMetadata(offset, text, -1) for place, offset in at.items()}

    def _send(self, waiting: list[tuple[str, bytes, bytes | None]]) -> list[Any]:
        """Open a transaction and hand records over to the client."""
        self._producer.begin_transaction()
        return [self._producer.send(topic, value=value, key=key) for topic, value, key in waiting]

    def _end_transaction(self, futures: list[Any], offsets: dict[Any, Any], groups: Sequence[str]) -> None:
        """Commit. Everything is acknowledged before the end is asked for.

        The client takes a new epoch by itself where a broker has forgotten the old one, and forgets what was open: a commit
        with records under way could then end in silence, without them.
        """
        self._producer.flush()
        _acknowledged(futures)
        for group in groups:
            self._producer.send_offsets_to_transaction(offsets, group)
        self._producer.commit_transaction()

    def _marks(self) -> list[int]:
        """Return the numbers that this run has left as marks; earlier versions left them in `group` alone."""
        return [number for group in self._groups for number in self._marks_in(group)]

    def _marks_in(self, group: str) -> list[int]:
        committed = self._admin.list_group_offsets([group])[group]
        ours = [partition for partition, mark in committed.items() if (mark.metadata or "").startswith("ihomer:")]
        numbers = []
        consumer = self._clients.consumer(group_id=group)
        try:
            for partition in ours:
                # The consumer, unlike the administrator, waits for offsets whose transaction is being completed.
                mark = consumer.committed(partition, metadata=True)
                text = mark.metadata if mark is not None else ""
                if text.startswith(self._prefix) and text[len(self._prefix) :].isdecimal():
                    numbers.append(int(text[len(self._prefix) :]))
        finally:
            consumer.close()
        return numbers


class KafkaEventSink:
    """A topic that events are written to, without transactions; each is written once also where the network stumbles.

    Parameters
    ----------
    servers, settings, patience
        As in `KafkaSource`; a record that is not acknowledged within `patience` seconds is an error.
    topic
        Name of the topic.
    partitions
        How many partitions it gets if it does not exist.
    is_stopping
        Tells that the process is to end: Kafka is waited for ten seconds at most from then on.

    Raises
    ------
    Unreachable, ValueError
        As `KafkaSource`.

    Examples
    --------
    >>> from streams.kafka import KafkaEventSink
    >>> sink = KafkaEventSink("127.0.0.1:9092", "events", partitions=3)  # doctest: +SKIP
    >>> sink.write({"x": {"rain": 0.5}})  # doctest: +SKIP
    >>> sink.close()  # doctest: +SKIP
    """

    def __init__(
        self,
        servers: str | Sequence[str],
        topic: str,
        partitions: int = 1,
        *,
        settings: Mapping[str, Any] | None = None,
        patience: float = 600.0,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._topic, self._patience, self._is_stopping = topic, patience, is_stopping
        self._futures: list[Any] = []
        self._pending = 0
        self._is_lost = False  # records were not acknowledged, which has been told
        clients = Clients(servers, settings)
        admin = clients.admin()
        try:
            self._limit = Call(lambda: prepared(admin, [topic], partitions)).result(patience, is_stopping)[topic]
        finally:
            admin.close()
        self._producer = clients.producer(patience, [self._limit])

    def write(self, record: Record, key: bytes | None = None) -> None:
        """Take one record; it is out for sure only after `flush` or `close`.

        Raises
        ------
        Unreachable
            If earlier records have not been acknowledged.
        ValueError
            If the record cannot be encoded or is larger than the topic takes.
        """
        value = encode_record(record)
        size = len(value) + len(key or b"")
        if size > self._limit:
            raise ValueError(f"a record of {size} bytes is larger than topic {self._topic} takes, {self._limit} bytes")
        if self._pending + size > _PENDING_BYTES:
            self.flush()
        self._pending += size
        producer = self._producer
        self._futures.append(producer.send(self._topic, value=value, key=key))

    def flush(self) -> None:
        """Wait until all records are acknowledged.

        Raises
        ------
        Unreachable
            If one is not.
        """
        futures, self._futures, self._pending = self._futures, [], 0
        self._is_lost = True
        Call(self._producer.flush).result(self._patience, self._is_stopping)
        Call(lambda: _acknowledged(futures), again=False).result(self._patience, self._is_stopping)
        self._is_lost = False

    def close(self) -> None:
        """Bring out what was written and close the connections; safe to call twice."""
        try:
            if not self._is_lost:
                self.flush()
        finally:
            close_producer(self._producer)


def _shortened_dead_letter(record: Record, room: int) -> bytes:
    """Return a dead letter in at most `room` bytes, which are `_LEAST_DEAD_LETTER` or more."""
    raw = str(record.get("raw", ""))
    length = {"raw_length": record.get("raw_length", len(raw))}
    rest = len(encode_record({**record, "raw": "", **length}))
    if rest <= room:
        # A character takes up to 12 bytes: two JSON escapes.
        return encode_record({**record, "raw": raw[: (room - rest) // 12], **length})
    return encode_record({"source": record.get("source"), "error": record.get("error"), **length})


def _acknowledged(futures: list[Any]) -> None:
    """Raise what went wrong with the first record that was refused, or else that was not acknowledged.

    Where one record of a batch is refused the others fail with it, and their errors do not say why.
    """
    failed = [future for future in futures if not future.succeeded()]
    for future in sorted(failed, key=lambda future: not isinstance(future.exception, InvalidRecordError)):
        future.get(timeout=10)
