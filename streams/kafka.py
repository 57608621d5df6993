"""Kafka topics as live source and live sink; the only file that imports the client."""

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition, errors
from kafka.admin import NewTopic
from kafka.structs import OffsetAndMetadata

from streams.errors import SinkError, SourceError
from streams.event import Record, encode_record
from streams.message import Fenced, Gone, Message, Partition, Positions, Unreachable

__all__ = ["KafkaEventSink", "KafkaSink", "KafkaSource"]

_REFRESH = 30.0  # seconds between two looks for new partitions
_REFRESH_WHEN_EMPTY = 1.0
_SILENCE = 10.0  # seconds without a message after which the broker is asked whether it is there
_ASK = 5000  # milliseconds that it may take to answer
_COORDINATOR = 15.0  # seconds that the coordinator of a new group is waited for
_BLOCK = 1000  # messages of one call
_LARGEST_RECORD = 1_000_000  # bytes: brokers take 1,048,588 by default, with the record's own overhead

# Settings that the guarantees rest on, or that are given otherwise.
_OURS = {
    "bootstrap_servers", "group_id", "enable_auto_commit", "auto_offset_reset", "isolation_level", "key_deserializer",
    "value_deserializer", "key_serializer", "value_serializer", "transactional_id", "enable_idempotence", "acks", "retries",
    "consumer_timeout_ms", "allow_auto_create_topics", "kafka_client", "selector",
}  # fmt: skip
_FENCING = (errors.ProducerFencedError, errors.InvalidProducerEpochError)
_HOPELESS = (
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.TransactionalIdAuthorizationFailedError,
    errors.KafkaConfigurationError,
)


def _checked(settings: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Return settings for a client; ValueError, without values, for one that is ours or unknown."""
    for name in settings:
        if name in _OURS:
            raise ValueError(f"the client setting {name} is not free: the run depends on its own value")
        if name not in known:
            raise ValueError(f"the client has no setting {name}")
    return dict(settings)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it names as its causes."""
    yield error
    for cause in (*error.args, error.__cause__):
        if isinstance(cause, BaseException):
            yield from _causes(cause)


@contextmanager
def _translated(what: str, hopeless: type[ValueError]) -> Iterator[None]:
    """Turn the client's errors into ours."""
    try:
        yield
    except (errors.KafkaError, OSError) as error:
        told = f"{what}: {type(error).__name__} {error}".strip()
        if any(isinstance(cause, _FENCING) for cause in _causes(error)):
            raise Fenced(f"{what}: another process writes under the same name") from error
        if any(isinstance(cause, _HOPELESS) for cause in _causes(error)):
            raise hopeless(told) from error
        raise Unreachable(told) from error


class KafkaSource:
    """Topics of a Kafka cluster, all their partitions, with positions of its own.

    Aborted transactions are not seen. Partitions that appear later are read from their beginning. Where the broker has
    deleted messages that were not read yet, reading goes on behind them, and `on_lost` is told.

    Parameters
    ----------
    servers
        Some servers of the cluster, as HOST:PORT.
    topics
        Names of topics; one that does not exist is waited for.
    pattern
        Regular expression for whole names of topics, in place of or beside `topics`.
    start
        Where to start: "earliest", "latest", or at the first message that is not older than so many seconds since 1970.
    group
        Consumer group, for `from_group`.
    from_group
        Start where the group has committed offsets; `start` is for the other partitions.
    settings
        Further settings of the client by its own names: TLS, SASL, fetch sizes.
    patience
        Seconds for which the broker may be silent; 0: for ever.
    on_lost
        Called with partition, position, and the offset where reading goes on.

    Attributes
    ----------
    lost
        Number of offsets that were passed over because they were not there any more.

    Raises
    ------
    Unreachable
        If no server answers.
    SourceError
        If the servers refuse us.
    ValueError
        If a setting is not free.
    """

    def __init__(
        self,
        servers: Sequence[str],
        topics: Sequence[str] = (),
        pattern: str | None = None,
        *,
        start: str | float = "earliest",
        group: str | None = None,
        from_group: bool = False,
        settings: Mapping[str, Any] | None = None,
        patience: float = 600.0,
        on_lost: Callable[[Partition, int, int], object] = lambda partition, position, first: None,
    ) -> None:
        if not topics and pattern is None:
            raise ValueError("a topic or a pattern is needed")
        if isinstance(start, str) and start not in ("earliest", "latest"):
            raise ValueError(f"start must be 'earliest', 'latest' or a time, not {start!r}")
        self.lost = 0
        self._topics, self._pattern = set(topics), None if pattern is None else re.compile(pattern)
        self._patience, self._on_lost = patience, on_lost
        self._options: dict[str, Any] = {
            "fetch_max_bytes": 16 << 20,
            "fetch_max_wait_ms": 100,
            "max_poll_records": _BLOCK,
            "metadata_max_age_ms": int(_REFRESH * 1000),
            "reconnect_backoff_max_ms": 2000,
            "metrics_enabled": False,
            **_checked(settings or {}, KafkaConsumer.DEFAULT_CONFIG),
            "bootstrap_servers": list(servers),
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "isolation_level": "read_committed",
            "allow_auto_create_topics": False,
        }
        self._positions: Positions = {}
        self._kept: Positions = {}  # positions of partitions that are not there yet
        self._replay: KafkaConsumer | None = None
        self._heard = time.monotonic()
        with _translated("source", SourceError):
            self._consumer = KafkaConsumer(group_id=group if from_group else None, **self._options)
            found = self._find()
            self._positions = self._first_positions(found, start)
            if from_group:
                self._positions |= self._committed(found)
            self._assign()
        self._next_look = self._time_of_next_look()

    # Partitions ----------------------------------------------------------------------------------------------------

    def _find(self) -> list[TopicPartition]:
        """Return the partitions there are now."""
        names = set(self._topics)
        if self._pattern is not None:
            names |= {name for name in self._consumer.topics() if self._pattern.fullmatch(name)}
        return [TopicPartition(name, p) for name in sorted(names) for p in sorted(self._consumer.partitions_for_topic(name))]

    def _first_positions(self, partitions: list[TopicPartition], start: str | float) -> Positions:
        if not partitions:
            return {}
        if start == "earliest":
            found = self._consumer.beginning_offsets(partitions)
        elif start == "latest":
            found = self._consumer.end_offsets(partitions)
        else:
            found = self._consumer.end_offsets(partitions)
            times = self._consumer.offsets_for_times({one: int(float(start) * 1000) for one in partitions})
            found |= {one: at.offset for one, at in times.items() if at is not None}
        return {tuple(one): int(offset) for one, offset in found.items()}

    def _committed(self, partitions: list[TopicPartition]) -> Positions:
        found = {tuple(one): self._consumer.committed(one) for one in partitions}
        return {one: int(offset) for one, offset in found.items() if offset is not None}

    def _time_of_next_look(self) -> float:
        return time.monotonic() + (_REFRESH if self._positions else _REFRESH_WHEN_EMPTY)

    def _assign(self) -> None:
        self._consumer.assign([TopicPartition(*where) for where in sorted(self._positions)])
        for where, offset in self._positions.items():
            self._consumer.seek(TopicPartition(*where), offset)

    def _look_for_new(self) -> None:
        new = [one for one in self._find() if tuple(one) not in self._positions]
        if new:
            first = self._first_positions(new, "earliest")
            self._positions |= {where: self._kept.pop(where, offset) for where, offset in first.items()}
            self._assign()
        self._next_look = self._time_of_next_look()

    @property
    def positions(self) -> Positions:
        """Offset of the next message of each known partition."""
        return dict(self._positions)

    def seek(self, positions: Mapping[Partition, int]) -> None:
        """Go on at these positions; those of partitions that are not there are kept for when they are."""
        for where, offset in positions.items():
            (self._positions if where in self._positions else self._kept)[where] = offset
        self._assign()

    # Reading -------------------------------------------------------------------------------------------------------

    def poll(self, timeout: float) -> list[Message]:
        """Return the next messages, at most a thousand; wait up to `timeout` seconds for the first.

        Raises
        ------
        Unreachable
            If the broker has not answered for longer than `patience`.
        """
        if time.monotonic() >= self._next_look:
            with _translated("source", SourceError):
                self._look_for_new()
        try:
            with _translated("source", SourceError):
                try:
                    found = self._consumer.poll(timeout_ms=max(0, int(timeout * 1000)))
                except errors.OffsetOutOfRangeError as error:
                    self._pass_over(error.args[0])
                    return []
        except Unreachable as error:
            self._check_patience(error)
            return []
        if not found:
            if time.monotonic() - self._heard > _SILENCE:
                self._ask_whether_there()
            return []
        self._heard = time.monotonic()
        messages = [_message(record) for records in found.values() for record in records]
        for message in messages:
            self._positions[message.topic, message.partition] = message.offset + 1
        return messages

    def _pass_over(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Go on behind messages that the broker has deleted, or at the end of a partition that has become shorter."""
        first = self._consumer.beginning_offsets(list(offsets))
        last = self._consumer.end_offsets(list(offsets))
        for one, offset in offsets.items():
            goes_on = first[one] if offset < first[one] else last[one]
            self.lost += max(0, goes_on - offset)
            self._positions[tuple(one)] = goes_on
            self._consumer.seek(one, goes_on)
            self._on_lost(tuple(one), offset, goes_on)

    def _ask_whether_there(self) -> None:
        some = [TopicPartition(*where) for where in list(self._positions)[:1]]
        try:
            with _translated("source", SourceError):
                if some:
                    self._consumer.end_offsets(some, timeout_ms=_ASK)
            self._heard = time.monotonic()
        except Unreachable as error:
            self._check_patience(error)

    def _check_patience(self, error: Unreachable) -> None:
        if self._patience and time.monotonic() - self._heard > self._patience + _SILENCE:
            raise error

    def span(self, partition: Partition, first: int, stop: int) -> Iterator[list[Message]]:
        """Yield the messages of one partition with first <= offset < stop once more.

        Raises
        ------
        Gone
            If the broker has deleted some of them.
        Unreachable
            If the broker does not answer.
        """
        one = TopicPartition(*partition)
        with _translated("reading again", SourceError):
            if self._replay is None:
                self._replay = KafkaConsumer(group_id=None, **self._options)
            reader = self._replay
            if reader.beginning_offsets([one])[one] > first:
                raise Gone(f"{one.topic}/{one.partition}: the messages from offset {first} on are deleted")
            reader.assign([one])
            reader.seek(one, first)
        heard = time.monotonic()
        while True:
            with _translated("reading again", SourceError):
                records = reader.poll(timeout_ms=200).get(one, [])
                position = reader.position(one, timeout_ms=_ASK)
            block = [_message(record) for record in records if record.offset < stop]
            if block:
                heard = time.monotonic()
                yield block
            if position is not None and position >= stop:
                return
            if not records and time.monotonic() - heard > max(self._patience, _SILENCE):
                raise Unreachable(f"{one.topic}/{one.partition}: no message from offset {position} on comes")

    def lag(self) -> Positions:
        """Return how many offsets lie before the end of each partition, as far as its end is known."""
        ends = {where: self._consumer.highwater(TopicPartition(*where)) for where in self._positions}
        return {where: max(0, end - self._positions[where]) for where, end in ends.items() if end is not None}

    @property
    def at_end(self) -> bool:
        """False: a topic has no end."""
        return False

    def close(self) -> None:
        """Close the connections; safe to call twice."""
        for consumer in (self._consumer, self._replay):
            if consumer is not None:
                with suppress(errors.KafkaError, OSError):
                    consumer.close(autocommit=False, timeout_ms=1000)


def _message(record: Any) -> Message:
    when = record.timestamp / 1000.0 if record.timestamp is not None and record.timestamp >= 0 else None
    headers = tuple((name, value or b"") for name, value in record.headers)
    return Message(record.topic, record.partition, record.offset, record.value, when, record.key, headers)


class KafkaSink:
    """Predictions and dead letters in topics of a Kafka cluster, in transactions that carry the number of messages read.

    Parameters
    ----------
    servers
        Some servers of the cluster, as HOST:PORT.
    topic, dead_letter_topic
        Where predictions and malformed messages go; without the latter these are dropped here.
    run
        Name of the run: of two processes with the same one the older can write no more.
    group
        Consumer group that the transactions commit offsets for.
    same_cluster
        Whether the messages come from this cluster. Then the consumed offsets are committed; else the number of messages
        is, as the offset of the first partition of `topic`.
    settings
        Further settings of the client by its own names.
    patience
        Seconds for which the broker may be silent on start.

    Attributes
    ----------
    n_too_large
        Predictions that were too large for a record; a dead letter with the code "size" stands in their place.

    Raises
    ------
    Unreachable
        If no server answers.
    SinkError
        If the servers refuse us.
    ValueError
        If a setting is not free.
    """

    def __init__(
        self,
        servers: Sequence[str],
        topic: str,
        *,
        dead_letter_topic: str | None = None,
        run: str,
        group: str,
        same_cluster: bool,
        settings: Mapping[str, Any] | None = None,
        patience: float = 600.0,
    ) -> None:
        self.n_too_large = 0
        self._topic, self._dead_topic = topic, dead_letter_topic
        self._run, self._group, self._same_cluster = run, group, same_cluster
        self._sent: list[Any] = []
        self._is_open = False
        free = _checked(settings or {}, KafkaProducer.DEFAULT_CONFIG)
        self._connection = {"bootstrap_servers": list(servers), **_of_connection(free)}
        with _translated("sink", SinkError):
            self._producer = KafkaProducer(
                **{"linger_ms": 5, "batch_size": 1 << 17, "reconnect_backoff_max_ms": 2000, "metrics_enabled": False, **free},
                bootstrap_servers=list(servers),
                transactional_id=f"ihomer-{run}",
            )
            try:
                self._begin_run(min(patience, 60.0))
            except BaseException:
                self._producer.close(timeout=0)
                raise

    def _begin_run(self, patience: float) -> None:
        """Fence older processes and wait until their last transaction is committed or dropped."""
        deadline = time.monotonic() + patience
        while True:
            try:
                self._producer.init_transactions()
                return
            except errors.KafkaError as error:
                if isinstance(error, _HOPELESS) or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def begin(self) -> None:
        """Start a transaction."""
        with _translated("sink", SinkError):
            self._producer.begin_transaction()
        self._is_open = True

    def write(self, record: Record, key: bytes | None = None) -> None:
        """Write a prediction; in place of one that is too large a dead letter."""
        value = encode_record(record)
        if len(value) + len(key or b"") > _LARGEST_RECORD:
            self.n_too_large += 1
            message = f"the prediction of {len(value)} bytes is too large for a record"
            self.write_dead({"source": record["source"], "error": "size", "message": message, "raw": ""})
            return
        self._send(self._topic, value, key)

    def write_dead(self, record: Record, key: bytes | None = None) -> None:
        """Write a dead letter, if there is a topic for them; a key that is too large is left out."""
        if self._dead_topic is not None:
            self._send(self._dead_topic, encode_record(record), None if len(key or b"") > _LARGEST_RECORD // 2 else key)

    def _send(self, topic: str, value: bytes, key: bytes | None) -> None:
        with _translated("sink", SinkError):
            self._sent.append(self._producer.send(topic, value, key))

    def commit(self, number: int, positions: Positions) -> None:
        """Bring out all records since `begin`, or none of them, with the offsets that were consumed."""
        marks = positions if self._same_cluster else {(self._topic, 0): number}
        metadata = f"ihomer:{self._run}:{number}"
        with _translated("sink", SinkError):
            self._producer.flush()
            for future in self._sent:
                # Records whose batch has failed do not make the transaction fail by themselves.
                if not future.succeeded():
                    raise Unreachable(f"sink: a record was not taken: {future.exception!r}") from future.exception
            offsets = {TopicPartition(*where): OffsetAndMetadata(offset, metadata) for where, offset in marks.items()}
            self._producer.send_offsets_to_transaction(offsets, self._group)
            self._producer.commit_transaction()
        self._sent, self._is_open = [], False

    def abort(self) -> None:
        """Drop all records since `begin`, if there is a transaction."""
        if self._is_open:
            self._sent, self._is_open = [], False
            with _translated("sink", SinkError):
                self._producer.abort_transaction()

    def committed(self) -> int | None:
        """Return the number of messages of the last transaction of this run that went through; None if there is none."""
        with _translated("sink", SinkError):
            client = KafkaAdminClient(**self._connection)
            try:
                found = self._group_offsets(client)
            finally:
                client.close()
        prefix = f"ihomer:{self._run}:"
        told = (mark.metadata or "" for mark in found.values())
        return max((int(text.removeprefix(prefix)) for text in told if text.startswith(prefix)), default=None)

    def _group_offsets(self, client: KafkaAdminClient) -> dict[Any, Any]:
        """Return what the group has committed; a cluster's first group has to wait for its coordinator."""
        deadline = time.monotonic() + _COORDINATOR
        while True:
            try:
                found: dict[Any, Any] = client.list_group_offsets(self._group)[self._group]
                return found
            except errors.RetriableError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def close(self) -> None:
        """Drop an open transaction and close the connections; safe to call twice."""
        with suppress(Unreachable, Fenced, SinkError):
            self.abort()
        with suppress(errors.KafkaError, OSError):
            self._producer.close(timeout=2)


def _of_connection(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those settings that say how a server is reached."""
    return {name: value for name, value in settings.items() if name.startswith(("security_", "ssl_", "sasl_", "api_version"))}


class KafkaEventSink:
    """Events into a topic, each once, outside of any transaction.

    Parameters
    ----------
    servers
        Some servers of the cluster, as HOST:PORT.
    topic
        The topic.
    partitions
        It is made with so many partitions if it is missing.
    settings
        Further settings of the client by its own names.

    Raises
    ------
    Unreachable, SinkError, ValueError
        As `KafkaSink`.
    """

    def __init__(
        self, servers: Sequence[str], topic: str, *, partitions: int = 1, settings: Mapping[str, Any] | None = None
    ) -> None:
        free = _checked(settings or {}, KafkaProducer.DEFAULT_CONFIG)
        self._topic = topic
        self._sent: list[Any] = []
        with _translated("sink", SinkError):
            client = KafkaAdminClient(bootstrap_servers=list(servers), **_of_connection(free))
            try:
                with suppress(errors.TopicAlreadyExistsError):
                    client.create_topics([NewTopic(name=topic, num_partitions=partitions, replication_factor=-1)])
            finally:
                client.close()
            self._producer = KafkaProducer(**{"linger_ms": 5, "batch_size": 1 << 17, **free}, bootstrap_servers=list(servers))

    def write(self, record: Record, key: bytes | None = None) -> None:
        """Write one record.

        Raises
        ------
        ValueError
            If it has no JSON form.
        SinkError
            If it is too large.
        """
        with _translated("sink", SinkError):
            self._sent.append(self._producer.send(self._topic, encode_record(record), key))
        if len(self._sent) >= 10_000:
            self.flush()

    def flush(self) -> None:
        """Wait until all records are there."""
        with _translated("sink", SinkError):
            self._producer.flush()
            for future in self._sent:
                future.get(timeout=0)
        self._sent = []

    def close(self) -> None:
        """Bring out what was written and close the connections; safe to call twice."""
        try:
            self.flush()
        finally:
            with suppress(errors.KafkaError, OSError):
                self._producer.close(timeout=5)
