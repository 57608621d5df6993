"""Kafka topics as sources and sinks; the one module that imports the client, and only when it connects."""

import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Generic, Literal, TypeVar

from streams.event import Record, encode_record
from streams.message import Fenced, Gone, Message, Partition, Positions, Unreachable

__all__ = ["KafkaEventSink", "KafkaSink", "KafkaSource"]

_T = TypeVar("_T")
_RESERVED = frozenset(
    [
        "acks", "allow_auto_create_topics", "auto_commit_interval_ms", "auto_offset_reset", "bootstrap_servers",
        "check_crcs", "consumer_timeout_ms", "default_offset_commit_callback", "delivery_timeout_ms",
        "enable_auto_commit", "enable_idempotence", "exclude_internal_topics", "fetch_max_bytes", "group_id",
        "group_instance_id", "isolation_level", "kafka_client", "key_deserializer", "key_serializer", "max_block_ms",
        "max_in_flight_requests_per_connection", "max_partition_fetch_bytes", "max_poll_records", "metadata_max_age_ms",
        "partition_assignment_strategy", "retries", "selector", "transactional_id", "value_deserializer",
        "value_serializer",
    ]
)
_PARTITION_BYTES = 1 << 20
_BATCH_BYTES = 1 << 18
_PENDING_BYTES = 1 << 24
_RECORD_OVERHEAD = 512  # frame of a batch and of a record, without the key and the value
_BROKER_RECORD_BYTES = 1048588  # what a broker takes when nothing is configured
_FENCING = re.compile("ProducerFenced|InvalidProducerEpoch|InvalidProducerIdMapping|TransactionCoordinatorFenced")


class KafkaSource:
    """Topics of a Kafka cluster, read with positions of its own: no consumer group decides or remembers anything.

    Only what transactions have committed is read. Partitions that appear later, and with `pattern` topics that
    appear later, are read from their beginning. Memory is bounded: nothing is fetched ahead of what `poll` gives out but
    one answer of each broker.

    Parameters
    ----------
    servers
        HOST:PORT, several of them with commas or as a sequence.
    topics
        Names of topics; all of them have to exist.
    pattern
        A regular expression that whole topic names match; instead of `topics`. No topic has to match yet.
    start
        Where to begin in the partitions that are there now: "earliest", "latest" (what has not been committed yet), or
        seconds since 1970, for the first message that is not older.
    group
        A consumer group; only `from_group` looks at it.
    from_group
        Begin at the offsets that `group` has committed, where it has; else at `start`.
    settings
        Settings of the client, such as `security_protocol`, `ssl_cafile`, `sasl_mechanism`.
    max_messages
        The most that `poll` returns.
    max_bytes
        About the most that a broker sends in one answer; a larger message comes through all the same.
    refresh
        Seconds between looks for new partitions.
    patience
        Seconds without any answer after which `poll` and `span` raise `Unreachable`; 0 = wait for ever.
    on_lost
        Called with partition, first and stop where offsets first <= offset < stop are gone before they were read.

    Attributes
    ----------
    lost
        How many offsets were gone before they were read.

    Raises
    ------
    LookupError
        If one of `topics` does not exist.
    Unreachable
        If no broker answers within `bootstrap_timeout_ms` of the settings, 30 s by default.
    ValueError
        If a setting is unknown or would break what is promised here.

    Examples
    --------
    >>> from streams.kafka import KafkaSource
    >>> source = KafkaSource("127.0.0.1:9092", ["events"])  # doctest: +SKIP
    >>> source.poll(1.0)[0].value  # doctest: +SKIP
    b'{"x": {"rain": 0.5}, "y": ["umbrella"]}'
    """

    def __init__(
        self,
        servers: str | Sequence[str],
        topics: Collection[str] = (),
        pattern: str | None = None,
        start: Literal["earliest", "latest"] | float = "earliest",
        *,
        group: str | None = None,
        from_group: bool = False,
        settings: Mapping[str, Any] | None = None,
        max_messages: int = 1000,
        max_bytes: int = 1 << 24,
        refresh: float = 30.0,
        patience: float = 600.0,
        on_lost: Callable[[Partition, int, int], None] | None = None,
    ) -> None:
        if isinstance(topics, str) or bool(topics) == bool(pattern):
            raise ValueError("a Kafka source needs either a list of topics or a pattern")
        if isinstance(start, str) and start not in ("earliest", "latest"):
            raise ValueError(f"start must be 'earliest', 'latest' or seconds since 1970, not {start!r}")
        if from_group and not group:
            raise ValueError("from_group needs a group")
        self._clients = _Clients(servers, settings)
        self._topics = tuple(dict.fromkeys(topics))
        self._pattern = re.compile(pattern) if pattern else None
        self._start, self._group = start, group if from_group else None
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._refresh = min(refresh, patience / 3) if patience else refresh
        self._patience = patience
        self._on_lost = on_lost
        self.lost = 0
        self._positions: Positions = {}
        self._kept: Positions = {}
        self._ends: Positions = {}
        self._started = False
        self._survey: _Call[tuple[Positions, Positions]] | None = None
        self._replay: Any = None
        self._replay_at: tuple[Partition, int] | None = None
        self._admin = self._clients.admin()
        try:
            self._consumer = self._connect()
            self._adopt(*self._first_survey())
        except BaseException:
            self.close()
            raise
        self._heard = self._surveyed = time.monotonic()

    def poll(self, timeout: float) -> list[Message]:
        """Return the next messages; see `LiveSource`."""
        self._started = True
        self._look_for_partitions()
        messages: list[Message] = []
        for partition, records in self._fetch(self._consumer, timeout).items():
            place: Partition = (partition.topic, partition.partition)
            messages.extend(_message(record) for record in records)
            self._positions[place] = records[-1].offset + 1
        if messages:
            self._heard = time.monotonic()
        elif self._patience and time.monotonic() - self._heard > self._patience:
            raise Unreachable(f"no answer from Kafka for {self._patience:g} s")
        return messages

    @property
    def positions(self) -> Positions:
        """Offset of the next message of each known partition."""
        return dict(self._positions)

    def seek(self, positions: Mapping[Partition, int]) -> None:
        """Go on at these positions; those of unknown partitions are kept for when they appear.

        Before the first `poll`, partitions that are not named but whose topic is, are read from their beginning: they appeared
        after the positions were noted.
        """
        if not self._started and positions and self._start != "earliest":
            topics = {topic for topic, _ in positions}
            fresh = [place for place in self._positions if place not in positions and place[0] in topics]
            self._move(self._wait(lambda: self._offsets(fresh, "earliest")))
        for place, offset in positions.items():
            if place in self._positions:
                self._move({place: offset})
            else:
                self._kept[place] = offset

    def span(self, partition: Partition, first: int, stop: int) -> Iterator[list[Message]]:
        """Yield messages once more; see `LiveSource`."""
        from kafka import TopicPartition
        from kafka.errors import OffsetOutOfRangeError

        place = TopicPartition(*partition)
        if self._replay is None:
            self._replay = self._connect()
        if self._replay_at != (partition, first):
            self._replay.assign([place])
            self._replay.seek(place, first)
        self._replay_at = None
        next_offset, heard = first, time.monotonic()
        while next_offset < stop:
            try:
                found = self._poll_client(self._replay, 0.5, min(self._max_messages, stop - next_offset))
            except OffsetOutOfRangeError:
                raise Gone(f"offsets {next_offset} to {stop - 1} of {_name(partition)} are not all there any more") from None
            records = [record for record in found.get(place, ()) if record.offset < stop]
            if records:
                heard = time.monotonic()
                yield [_message(record) for record in records]
                next_offset = records[-1].offset + 1
            if len(records) < len(found.get(place, ())) or self._replay.position(place, timeout_ms=0) > stop:
                return
            if self._replay.position(place, timeout_ms=0) == stop:
                break
            if not records:
                self._check_end(place, partition, stop)
                if self._patience and time.monotonic() - heard > self._patience:
                    raise Unreachable(f"no answer from Kafka for {self._patience:g} s")
        self._replay_at = (partition, stop)

    def lag(self) -> Positions:
        """Return how many offsets lie between position and end; some of them may hold no message."""
        from kafka import TopicPartition

        lags: Positions = {}
        for place, offset in self._positions.items():
            partition = TopicPartition(*place)
            reached = self._consumer.position(partition, timeout_ms=0)
            end = max(self._consumer.highwater(partition) or 0, self._ends.get(place, 0))
            lags[place] = max(0, end - max(offset, reached or 0))
        return lags

    @property
    def at_end(self) -> bool:
        """False: a topic has no end."""
        return False

    def close(self) -> None:
        """Close the connections; safe to call twice."""
        for client in (getattr(self, "_consumer", None), self._replay, self._admin):
            if client is not None:
                client.close()

    def _connect(self) -> Any:
        return self._clients.consumer(
            fetch_max_bytes=self._max_bytes,
            max_partition_fetch_bytes=min(_PARTITION_BYTES, self._max_bytes),
            max_poll_records=self._max_messages,
        )

    def _wait(self, function: Callable[[], _T]) -> _T:
        return _Call(function).result(self._patience)

    def _fetch(self, consumer: Any, timeout: float) -> dict[Any, list[Any]]:
        from kafka.errors import LogTruncationError, OffsetOutOfRangeError

        if not self._positions:
            time.sleep(min(timeout, 0.1))
            return {}
        try:
            found = self._poll_client(consumer, timeout, self._max_messages)
        except OffsetOutOfRangeError as error:
            for partition in error.args[0]:
                self._go_on_at_earliest(partition)
            return {}
        except LogTruncationError as error:
            for partition, point in error.divergent_offsets.items():
                if point is None:
                    self._go_on_at_earliest(partition)
                else:
                    self._move({(partition.topic, partition.partition): point.offset})
            return {}
        return found

    def _poll_client(self, consumer: Any, timeout: float, count: int) -> dict[Any, list[Any]]:
        from kafka.errors import AuthorizationError, CorruptRecordError, KafkaError

        try:
            found: dict[Any, list[Any]] = consumer.poll(timeout_ms=int(timeout * 1000), max_records=count)
        except AuthorizationError as error:
            raise PermissionError(f"Kafka does not allow it: {error}") from None
        except CorruptRecordError as error:
            raise OSError(f"a record that Kafka has is damaged: {error}") from None
        except KafkaError as error:
            if not error.retriable:
                raise
            time.sleep(min(timeout, 0.1))
            return {}
        return found

    def _go_on_at_earliest(self, partition: Any) -> None:
        place: Partition = (partition.topic, partition.partition)
        old = self._positions[place]
        earliest = self._wait(lambda: self._offsets([place], "earliest"))[place]
        self._move({place: earliest})
        stop = max(earliest, old)
        self.lost += stop - old
        if self._on_lost is not None:
            self._on_lost(place, old, stop)

    def _check_end(self, place: Any, partition: Partition, stop: int) -> None:
        """Raise `Gone` if the log ends before `stop`: what stood there was read once, so it must have been there."""
        from kafka.errors import KafkaError

        try:
            end = self._replay.end_offsets([place], timeout_ms=5000)[place]
        except KafkaError:
            return
        if end < stop:
            raise Gone(f"{_name(partition)} ends at offset {end} now, before {stop - 1}")

    def _look_for_partitions(self) -> None:
        now = time.monotonic()
        if self._survey is not None and self._survey.done:
            survey, self._survey, self._surveyed = self._survey, None, now
            try:
                self._adopt(*survey.result(1.0))
                self._heard = now
            except (ConnectionError, LookupError):
                pass
        elif self._survey is None and now - self._surveyed > self._refresh:
            self._survey = _Call(lambda: self._offsets_of_new(set(self._positions)))

    def _first_survey(self) -> tuple[Positions, Positions]:
        places = self._wait(self._places)
        if missing := set(self._topics) - {topic for topic, _ in places}:
            raise LookupError(f"no such topic: {', '.join(sorted(missing))}")
        found = self._wait(lambda: self._offsets(places, self._start))
        if self._group is not None:
            group = self._group
            committed = self._wait(lambda: self._admin.list_group_offsets([group])[group])
            at = {(partition.topic, partition.partition): mark.offset for partition, mark in committed.items()}
            found |= {place: at[place] for place in found if at.get(place, -1) >= 0}
        return found, {}

    def _places(self) -> list[Partition]:
        topics = self._admin.describe_topics(None if self._pattern else list(self._topics))
        return [
            (topic["name"], partition["partition_index"])
            for topic in topics
            if topic["error_code"] == 0 and (self._pattern is None or self._matches(topic))
            for partition in topic["partitions"]
            if partition["error_code"] == 0
        ]

    def _matches(self, topic: Mapping[str, Any]) -> bool:
        return self._pattern is not None and not topic["is_internal"] and self._pattern.fullmatch(topic["name"]) is not None

    def _offsets_of_new(self, known: set[Partition]) -> tuple[Positions, Positions]:
        places = self._places()
        return self._offsets([place for place in places if place not in known], "earliest"), self._offsets(places, "latest")

    def _offsets(self, places: Sequence[Partition], at: Literal["earliest", "latest"] | float) -> Positions:
        from kafka import TopicPartition
        from kafka.admin import OffsetSpec

        if not places:
            return {}
        spec: Any = OffsetSpec.EARLIEST if at == "earliest" else OffsetSpec.LATEST if isinstance(at, str) else int(at * 1000)
        found = self._admin.list_partition_offsets({TopicPartition(*place): spec for place in places}, "read_committed")
        offsets = {(partition.topic, partition.partition): entry.offset for partition, entry in found.items()}
        if none_since := [place for place, offset in offsets.items() if offset < 0]:
            offsets |= self._offsets(none_since, "latest")
        return offsets

    def _adopt(self, offsets: Positions, ends: Positions) -> None:
        """Read these partitions too, from these offsets or from what was kept for them."""
        from kafka import TopicPartition

        self._ends |= ends
        fresh = {place: self._kept.pop(place, offset) for place, offset in offsets.items() if place not in self._positions}
        if fresh:
            self._consumer.assign([TopicPartition(*place) for place in [*self._positions, *fresh]])
            self._move(fresh)

    def _move(self, offsets: Positions) -> None:
        from kafka import TopicPartition

        for place, offset in offsets.items():
            self._consumer.seek(TopicPartition(*place), offset)
            self._positions[place] = offset


class KafkaSink:
    """Predictions and dead letters in Kafka transactions that carry how far the run has come.

    Records wait in memory until `commit`, which sends and commits them at once: a learner may take as long as it likes between
    `begin` and `commit`.

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
        The consumer group whose offsets show the outside how far the run is; by default named as `transactional_id`.
    run
        Name of the run; numbers that other runs left behind are not taken for this one's. By default `transactional_id`.
    mark
        "source" if the positions are of topics of this very cluster: they are committed as the group's offsets. "sink" if not:
        the number itself is committed, as an offset of partition 0 of `topic`.
    settings
        As in `KafkaSource`. `transaction_timeout_ms`, 300,000 by default: a broker that is away for longer in mid-commit drops
        the transaction, and the sink is fenced.
    patience
        Seconds within which a commit has to go through; 0 = wait for ever.

    Raises
    ------
    Unreachable
        As `KafkaSource`.
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
    ) -> None:
        self._topic, self._dead_letter_topic = topic, dead_letter_topic
        self._group = group or transactional_id
        self._prefix = f"ihomer:{run or transactional_id}:"
        if len(self._prefix) > 1000:
            raise ValueError("the name of the run is too long")
        self._mark, self._patience = mark, patience
        self._waiting: list[tuple[str, bytes, bytes | None]] | None = None
        self._ready = False
        self._clients = _Clients(servers, settings)
        topics = [topic] if dead_letter_topic is None else [topic, dead_letter_topic]
        self._admin = self._clients.admin()
        try:
            self._limits = _Call(lambda: _prepared(self._admin, topics, -1)).result(patience)
            self._producer = self._clients.producer(
                patience, max(self._limits.values()), transactional_id=transactional_id, transaction_timeout_ms=300_000
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
        """Write a dead letter. Where it is larger than the topic takes, its key goes first, then the end of its `raw`."""
        if self._dead_letter_topic is None:
            return
        room = self._limits[self._dead_letter_topic]
        value = encode_record(record)
        if key is not None and len(value) + len(key) > room:
            key = None
        raw = record.get("raw")
        if len(value) > room and isinstance(raw, str):
            rest = len(encode_record({**record, "raw": "", "raw_length": len(raw)}))
            # A character takes up to 12 bytes: two JSON escapes.
            value = encode_record({**record, "raw": raw[: max(0, room - rest) // 12], "raw_length": len(raw)})
        self._put(self._dead_letter_topic, value, key)

    def commit(self, number: int, positions: Positions) -> None:
        """Bring out all records since `begin`, or none of them; see `LiveSink`."""
        waiting = self._opened()
        self._waiting = None
        _Call(lambda: self._transact(waiting, self._offsets(number, positions)), again=False).result(self._patience)

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
        marks = _Call(self._marks).result(self._patience)
        return max(marks, default=None)

    def close(self) -> None:
        """Close the connections; an open transaction is dropped. Safe to call twice."""
        self._waiting = None
        _close_producer(self._producer)
        self._admin.close()

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
            _Call(self._producer.init_transactions).result(self._patience)
            self._ready = True

    def _offsets(self, number: int, positions: Positions) -> dict[Any, Any]:
        from kafka import TopicPartition
        from kafka.structs import OffsetAndMetadata

        at = positions if self._mark == "source" and positions else {(self._topic, 0): number}
        text = f"{self._prefix}{number}"
        return {TopicPartition(*place): OffsetAndMetadata(offset, text, -1) for place, offset in at.items()}

    def _transact(self, waiting: list[tuple[str, bytes, bytes | None]], offsets: dict[Any, Any]) -> None:
        """Send and commit. Everything is acknowledged before the end is asked for.

        The client takes a new epoch by itself where a broker has forgotten the old one, and forgets what was open: a commit
        with records under way could then end in silence, without them.
        """
        self._producer.begin_transaction()
        futures = [self._producer.send(topic, value=value, key=key) for topic, value, key in waiting]
        self._producer.flush()
        for future in futures:
            if not future.succeeded():
                raise future.exception or RuntimeError("a record was not acknowledged")
        self._producer.send_offsets_to_transaction(offsets, self._group)
        self._producer.commit_transaction()

    def _marks(self) -> list[int]:
        committed = self._admin.list_group_offsets([self._group])[self._group]
        ours = [partition for partition, mark in committed.items() if (mark.metadata or "").startswith("ihomer:")]
        numbers = []
        consumer = self._clients.consumer(group_id=self._group)
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
    ) -> None:
        self._topic, self._patience = topic, patience
        self._futures: list[Any] = []
        self._pending = 0
        clients = _Clients(servers, settings)
        admin = clients.admin()
        try:
            self._limit = _Call(lambda: _prepared(admin, [topic], partitions)).result(patience)[topic]
        finally:
            admin.close()
        self._producer = clients.producer(patience, self._limit)

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
        _Call(self._producer.flush).result(self._patience)
        for future in futures:
            if not future.succeeded():
                raise Unreachable(f"a record was not acknowledged: {future.exception}")

    def close(self) -> None:
        """Bring out what was written and close the connections; safe to call twice."""
        try:
            self.flush()
        finally:
            _close_producer(self._producer)


class _Call(Generic[_T]):
    """A function that runs beside in a thread, so that waiting for it can end where the client would wait for ever.

    Errors that may pass are answered by another try, if `again` says so.
    """

    def __init__(self, function: Callable[[], _T], again: bool = True) -> None:
        self._function, self._again, self._given_up = function, again, False
        self._value: list[_T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def result(self, patience: float) -> _T:
        """Return what the function returns; wait `patience` seconds for it, 0 = for ever."""
        self._thread.join(patience or None)
        if not self.done:
            self._given_up = True
            raise Unreachable(f"no answer from Kafka for {patience:g} s")
        if self._error is not None:
            raise _translated(self._error) from self._error
        return self._value[0]

    def _run(self) -> None:
        while not self._given_up:
            try:
                self._value.append(self._function())
                return
            except Exception as error:
                self._error = error
                if not (self._again and getattr(error, "retriable", False)):
                    return
            time.sleep(0.1)
            self._error = None


class _Clients:
    """Makes the client's objects from one set of settings.

    Raises
    ------
    ValueError
        For a setting that none of the client's objects has, or that would break a promise. Values are never told.
    """

    def __init__(self, servers: str | Sequence[str], settings: Mapping[str, Any] | None) -> None:
        from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

        self._servers = servers.split(",") if isinstance(servers, str) else list(servers)
        self._settings = dict(settings or {})
        kinds = (KafkaAdminClient, KafkaConsumer, KafkaProducer)
        for name in self._settings:
            if name in _RESERVED:
                raise ValueError(f"the Kafka setting {name!r} is not free: it decides what can be promised")
            if not any(name in kind.DEFAULT_CONFIG for kind in kinds):
                raise ValueError(f"there is no Kafka setting {name!r}")
        # Below this level the client logs settings and messages.
        logger = logging.getLogger("kafka")
        if logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)

    def admin(self) -> Any:
        from kafka import KafkaAdminClient

        return self._made(KafkaAdminClient, {})

    def consumer(self, **options: Any) -> Any:
        from kafka import KafkaConsumer

        fixed = {"enable_auto_commit": False, "isolation_level": "read_committed", "auto_offset_reset": "none"}
        return self._made(KafkaConsumer, {**fixed, "allow_auto_create_topics": False, **options})

    def producer(self, patience: float, largest: int, **options: Any) -> Any:
        from kafka import KafkaProducer

        wait = int(patience * 1000) if patience else 2**31 - 1
        fixed = {"acks": "all", "enable_idempotence": True, "allow_auto_create_topics": False, "linger_ms": 5}
        sizes = {"batch_size": min(_BATCH_BYTES, largest), "max_request_size": largest + _RECORD_OVERHEAD}
        # The client wants a record's whole time to be no shorter than one request's.
        request = {"request_timeout_ms": min(30_000, wait)}
        return self._made(
            KafkaProducer, {**fixed, **sizes, **request, "max_block_ms": wait, "delivery_timeout_ms": wait, **options}
        )

    def _made(self, kind: Any, options: dict[str, Any]) -> Any:
        chosen = {name: value for name, value in self._settings.items() if name in kind.DEFAULT_CONFIG}
        try:
            return kind(**{"bootstrap_servers": self._servers, "reconnect_backoff_max_ms": 2000, **options, **chosen})
        except Exception as error:
            raise _translated(error) from None


def _translated(error: BaseException) -> BaseException:
    """Return the error of `streams.message` that says what the client's error means."""
    from kafka.errors import AuthorizationError, KafkaError, SaslAuthenticationFailedError

    if _FENCING.search(f"{type(error).__name__} {error}"):
        return Fenced("another process writes with the same transactional_id, or the transaction was open for too long")
    if isinstance(error, (AuthorizationError, SaslAuthenticationFailedError)):
        return PermissionError(f"Kafka does not allow it: {error}")
    if isinstance(error, (KafkaError, OSError)):
        return Unreachable(f"Kafka: {type(error).__name__}: {error}")
    return error


def _prepared(admin: Any, topics: Sequence[str], partitions: int) -> dict[str, int]:
    """Make topics that do not exist; return how many bytes of key and value a record of each may have."""
    from kafka.admin import ConfigResource, ConfigResourceType
    from kafka.errors import KafkaError, TopicAlreadyExistsError

    there = {topic["name"] for topic in admin.describe_topics(list(topics)) if topic["error_code"] == 0}
    if missing := [topic for topic in topics if topic not in there]:
        with suppress(TopicAlreadyExistsError):
            admin.create_topics({topic: {"num_partitions": partitions} for topic in missing})
        admin.wait_for_topics(missing)
    limits = dict.fromkeys(topics, _BROKER_RECORD_BYTES)
    try:
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic, ["max.message.bytes"]) for topic in topics]
        found = admin.describe_configs(resources, config_filter="all")["topic"]
        limits |= {topic: int(found[topic]["max.message.bytes"]["value"]) for topic in topics}
    except (KafkaError, KeyError, TypeError, ValueError):
        pass  # who may write need not be allowed to read settings
    return {topic: limit - _RECORD_OVERHEAD for topic, limit in limits.items()}


def _message(record: Any) -> Message:
    timestamp = record.timestamp
    headers = tuple((name, value or b"") for name, value in record.headers) if record.headers else ()
    return Message(
        record.topic,
        record.partition,
        record.offset,
        record.value,
        timestamp / 1000 if timestamp is not None and timestamp >= 0 else None,
        record.key,
        headers,
    )


def _name(partition: Partition) -> str:
    return f"partition {partition[1]} of {partition[0]}"


def _close_producer(producer: Any) -> None:
    try:
        producer.close(timeout=5)
    except Exception:  # what was not acknowledged has been told already
        logging.getLogger(__name__).debug("the producer did not close in order")
