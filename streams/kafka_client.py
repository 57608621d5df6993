"""The one module that imports the Kafka client: its objects from one set of settings, and what its errors mean here."""

import logging
import math
import re
import ssl
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import (
    AuthorizationError,
    CorruptRecordError,
    InvalidRecordError,
    KafkaConfigurationError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    LeaderNotAvailableError,
    LogTruncationError,
    OffsetOutOfRangeError,
    RequestTimedOutError,
    SaslAuthenticationFailedError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    UnsupportedCodecError,
    for_code,
)
from kafka.future import Future
from kafka.net.compat import KafkaNetClient
from kafka.net.inet import create_connection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport
from kafka.protocol.metadata import ApiVersionsRequest
from kafka.structs import OffsetAndMetadata

from streams.config import ConfigError
from streams.errors import SinkError
from streams.kafka_settings import check_settings
from streams.kafka_topics import Found
from streams.message import Fenced, Message, Unreachable

__all__ = [
    "COMPRESSION_LIBRARIES",
    "RECORD_OVERHEAD",
    "STOPPING",
    "AuthorizationError",
    "Call",
    "Clients",
    "CorruptRecordError",
    "InvalidRecordError",
    "KafkaError",
    "LeaderNotAvailableError",
    "LogTruncationError",
    "OffsetAndMetadata",
    "OffsetOutOfRangeError",
    "OffsetSpec",
    "TopicPartition",
    "UnknownTopicOrPartitionError",
    "UnsupportedCodecError",
    "absent_topics",
    "close_producer",
    "found_topics",
    "half_read",
    "message_of",
    "prepared",
    "topic_id",
    "translated",
]

COMPRESSION_LIBRARIES = "pip install 'kafka-python[lz4,snappy,zstd]'"
_T = TypeVar("_T")
_BATCH_BYTES = 1 << 18
_BETWEEN_LOOKS = 0.2  # seconds
STOPPING = 10.0  # seconds for which Kafka is waited for where the process is to end
_CONNECTED_WITHIN = 5.0  # seconds for which one broker is waited for at first, and longer after each failure
_ANSWERED_WITHIN = 10.0  # seconds without a byte of an answer, after which a broker is taken for gone, as its cluster does
_DOUBTED_AFTER = 2.0  # seconds without a word, after which a broker that is written to is asked for one
_LONGEST_CONNECTING = 30.0  # seconds: what the client does by itself
_FOR_EVER = 2**31 - 1  # milliseconds
RECORD_OVERHEAD = 512  # frame of a batch and of a record, without the key and the value
_BROKER_RECORD_BYTES = 1048588  # what a broker takes when nothing is configured
_FENCING = re.compile("ProducerFenced|InvalidProducerEpoch|InvalidProducerIdMapping|TransactionCoordinatorFenced")


class Call(Generic[_T]):
    """A function that runs beside in a thread, so that waiting for it can end where the client would wait for ever.

    Errors that may pass are answered by another try, if `again` says so.
    """

    def __init__(self, function: Callable[[], _T], again: bool = True) -> None:
        self._function, self._again, self._given_up = function, again, False
        self._since = time.monotonic()
        self._value: list[_T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return not self._thread.is_alive()

    def result(
        self,
        patience: float,
        is_stopping: Callable[[], bool] = lambda: False,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> _T:
        """Return what the function returns, at most `patience` seconds after its start, 0 = ever; ten where `is_stopping`.

        `meanwhile` is called a few times a second; what it raises ends the waiting.
        """
        since, longest = self._since, patience or math.inf
        while not self.done:
            meanwhile()
            if longest > STOPPING and is_stopping():
                since, longest = time.monotonic(), STOPPING
            left = since + longest - time.monotonic()
            if left <= 0.0:
                self._given_up = True
                raise Unreachable(f"no answer from Kafka for {longest:g} s")
            self._thread.join(min(left, _BETWEEN_LOOKS))
        if self._error is not None:
            raise translated(self._error) from self._error
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


class _ToTheLastWord:
    """Hands on what a broker sent before it closed the connection, which tells why: the client drops it."""

    def _sock_recv(self) -> tuple[bytes, Any]:
        data, error = super()._sock_recv()  # type: ignore[misc]
        return data, None if data else error  # the end is there to be read again


class _OpenTransport(_ToTheLastWord, KafkaTCPTransport):  # type: ignore[misc]
    """A connection without TLS."""


class _SecureTransport(_ToTheLastWord, KafkaSSLTransport):  # type: ignore[misc]
    """A connection by TLS, which is made within some time or closed."""

    async def shake_hands(self, timeout_at: float | None) -> None:
        """Agree on keys."""
        try:
            while True:
                try:
                    self._sock.do_handshake()
                    return
                except ssl.SSLWantReadError:
                    await self._net.wait_read(self._sock, timeout_at)
                except ssl.SSLWantWriteError:
                    await self._net.wait_write(self._sock, timeout_at)
        except BaseException as error:
            self._sock.close()
            if isinstance(error, Exception):
                raise KafkaConnectionError(f"Handshake failed: {error}") from error
            raise


class _Brokers(KafkaConnectionManager):  # type: ignore[misc]
    """The connections of one client, of which none holds it up for long.

    Some brokers take connections and do not answer, as machines that stand still, and networks swallow what is sent. For the
    server that it begins with the client by itself waits until its time to begin is over, for a handshake of TLS for ever, and
    for each answer half a minute. Here servers that have failed come last, and a broker that has not sent a byte for a while,
    though it owes an answer, is taken for gone: then Kafka is asked who does its work now.
    """

    def __init__(self, network: Any, failed: dict[tuple[str, int], float], longest: float, **settings: Any) -> None:
        super().__init__(network, **settings, socket_connection_setup_timeout_ms=int(1000 * _CONNECTED_WITHIN))
        self._failed = failed
        self._bootstrap_brokers, self.cluster.bootstrap_brokers = self.cluster.bootstrap_brokers, self._best_servers
        self._longest = longest + settings.get("fetch_max_wait_ms", 0) / 1000
        self._is_writing = "acks" in settings
        self._look_for_silent()

    def get_connection(self, node_id: Any, timeout_ms: float | None = None, **options: Any) -> Any:
        """Return a connection to a broker, which is not tried for longer because there is more time."""
        usual = self.socket_connection_setup_timeout_ms(node_id)
        return super().get_connection(node_id, usual if timeout_ms is None else min(usual, timeout_ms), **options)

    def update_backoff(self, node_id: Any) -> Any:
        """Note that a broker could not be reached."""
        if broker := self.cluster.broker_metadata(node_id):
            self._failed[broker.host, broker.port] = time.monotonic()
        return super().update_backoff(node_id)

    async def _connect(
        self, node: Any, conn: Any, reset_backoff_on_connect: bool = True, timeout_at: float | None = None
    ) -> None:
        """Connect to a broker; where it refuses a login, or closes the connection, try again later and later.

        The client takes such a connection for one that was made, and would make a hundred a second.
        """
        before = self._backoff.get(node.node_id)
        await super()._connect(node, conn, reset_backoff_on_connect=False, timeout_at=timeout_at)
        if not reset_backoff_on_connect:
            return
        if conn.init_future.succeeded():
            self.reset_backoff(node.node_id)
        elif self._backoff.get(node.node_id) == before:
            self.update_backoff(node.node_id)

    async def _build_transport(self, node: Any, timeout_at: float | None = None) -> Any:
        where = node.host, node.port, self.config["socket_options"]
        opened = await create_connection(self._net, *where, proxy_url=self.config["proxy_url"], timeout_at=timeout_at)
        if not self.ssl_enabled:
            return _OpenTransport(self._net, opened, host=node.host)
        settings = {name: value for name, value in self.config.items() if name.startswith("ssl_")}
        transport = _SecureTransport(self._net, opened, host=node.host, **settings)
        await transport.shake_hands(timeout_at)
        return transport

    def _best_servers(self) -> list[Any]:
        """Return the servers to begin with that have not failed, or the one whose failure is longest ago."""
        servers = self._bootstrap_brokers()
        since = [self._failed.get((one.host, one.port), 0.0) for one in servers]
        return [one for one, failed in zip(servers, since, strict=True) if failed == min(since)]

    def _look_for_silent(self) -> None:
        now, longest_silence = time.monotonic(), 0.0
        for connection in list(self._conns.values()):
            owed, transport = connection.in_flight_requests, connection.transport
            silence = now - max(transport.last_read, owed[0][2]) if owed and transport is not None else 0.0
            longest_silence = max(silence, longest_silence)
            if silence > self._longest:
                connection.close(KafkaConnectionError(f"broker {connection.node_id} has not answered for {self._longest:g} s"))
        if self._is_writing:
            self._ask_those_that_owe_nothing(now)
            if longest_silence > _DOUBTED_AFTER:
                self.cluster.request_update()  # for who does the work now
        if not self.closed:
            self._net.call_later(1.0, self._look_for_silent)

    def _ask_those_that_owe_nothing(self, now: float) -> None:
        """Ask brokers whether they are there, before they are sent something that would be waited for.

        The requests of a transaction follow each other: each of them would find out anew that a broker hangs.
        """
        for connection in list(self._conns.values()):
            is_free = connection.connected and not connection.paused and not connection.in_flight_requests
            if is_free and now - connection.transport.last_read > _DOUBTED_AFTER:
                names = {name: self.config[name] for name in ("client_software_name", "client_software_version")}
                connection.send_request(ApiVersionsRequest(**names), request_timeout_ms=int(1000 * _CONNECTED_WITHIN))


class _Connections(KafkaNetClient):  # type: ignore[misc]
    """The client's connections to brokers, and what its producer is told of those that fail.

    Of one that cannot be made it expects to be told by False. An error in that place loses the request that was to go out, as
    where a broker closes a connection while a partition is added to a transaction: what waits for the transaction would wait
    for ever. Of a request without an answer it expects to be told as of a lost connection, and asks again; any other word ends
    the transaction.
    """

    def __init__(self, failed: dict[tuple[str, int], float], longest: float, **settings: Any) -> None:
        network = NetworkSelector(**settings)
        super().__init__(network, _Brokers(network, failed, longest, **settings))

    def await_ready(self, node_id: Any, timeout_ms: float = 30_000) -> bool:
        """Tell whether there is a connection to a broker, within some time."""
        try:
            return bool(super().await_ready(node_id, timeout_ms=timeout_ms))
        except KafkaConnectionError:
            return False

    def send(self, node_id: Any, request: Any, **options: Any) -> Any:
        """Send a request; return what the answer will be."""
        answer = Future()

        def fail(error: Any) -> None:
            answer.failure(KafkaConnectionError(str(error)) if isinstance(error, RequestTimedOutError) else error)

        super().send(node_id, request, **options).add_callback(answer.success).add_errback(fail)
        return answer


class Clients:
    """Makes the client's objects from one set of settings; each connects within `patience` seconds, 0 = what the client does.

    Where `is_stopping`, it is given ten seconds. A broker that says nothing for ten seconds, or `request_timeout_ms` of the
    settings, though it is asked, is taken for gone.

    Raises
    ------
    ConfigError
        As `check_settings`, and for a setting that the client refuses. Values are never told.
    """

    def __init__(
        self,
        servers: str | Sequence[str],
        settings: Mapping[str, Any] | None,
        patience: float = 0.0,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._is_stopping = is_stopping
        self._connects_within = {"bootstrap_timeout_ms": int(patience * 1000)} if 0.0 < patience < _LONGEST_CONNECTING else {}
        self._servers = servers.split(",") if isinstance(servers, str) else list(servers)
        self._settings = dict(settings or {})
        self._failed: dict[tuple[str, int], float] = {}  # where nobody answered, and when
        kinds = (KafkaAdminClient, KafkaConsumer, KafkaProducer)
        check_settings(self._settings, [kind.DEFAULT_CONFIG for kind in kinds])
        # Below this level the client logs settings and messages.
        logger = logging.getLogger("kafka")
        if logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)

    def admin(self) -> Any:
        """Return an administrator."""
        return self._made(KafkaAdminClient, {})

    def consumer(self, **options: Any) -> Any:
        """Return a consumer that reads what is committed and commits nothing by itself."""
        fixed = {"enable_auto_commit": False, "isolation_level": "read_committed", "auto_offset_reset": "none"}
        return self._made(KafkaConsumer, {**fixed, "allow_auto_create_topics": False, **options})

    def producer(self, patience: float, limits: Collection[int], **options: Any) -> Any:
        """Return a producer to topics that take records of so many bytes; it tries for `patience` seconds, 0 = for ever."""
        wait = min(int(patience * 1000), _FOR_EVER) if patience else _FOR_EVER
        fixed = {"acks": "all", "enable_idempotence": True, "allow_auto_create_topics": False, "max_block_ms": wait}
        # A batch is refused as a record is, and the client does not wait for the parts that it then makes of it.
        sizes = {"batch_size": min(_BATCH_BYTES, *limits), "max_request_size": max(limits) + RECORD_OVERHEAD}
        # For so long the client waits in vain for a broker that has just come back.
        times = {"request_timeout_ms": min(10_000, wait), "linger_ms": 5}
        times |= {name: self._settings[name] for name in times if self._settings.get(name) is not None}
        # The client asks for that; `Call` ends with our patience all the same.
        delivery = min(max(wait, sum(times.values()) + 1), _FOR_EVER)
        return self._made(KafkaProducer, {**fixed, **sizes, **times, "delivery_timeout_ms": delivery, **options})

    def _made(self, kind: Any, options: dict[str, Any]) -> Any:
        chosen = {name: value for name, value in self._settings.items() if name in kind.DEFAULT_CONFIG}
        networks: list[Any] = []
        longest = (self._settings.get("request_timeout_ms") or 1000 * _ANSWERED_WITHIN) / 1000

        def network(**everything: Any) -> Any:
            networks.append(_Connections(self._failed, longest, **everything))
            return networks[-1]

        fixed = {"bootstrap_servers": self._servers, "reconnect_backoff_max_ms": 2000, "kafka_client": network}
        fixed |= self._connects_within
        everything = {**fixed, **options, **chosen}
        refusals = _Refusals()
        with refusals:
            making = Call(lambda: _made_or_error(kind, everything), again=False)
            try:
                made = making.result(0.0, self._is_stopping)
            except Unreachable as error:  # it is not waited for any longer
                made = error
        if not isinstance(made, Exception):
            return made
        for one in networks:  # the client leaves its thread and sockets behind where it cannot connect
            one.close()
        if isinstance(made, RuntimeError) and "compression codec" in str(made):
            raise ConfigError(f"there is no library for the Kafka setting 'compression_type': {COMPRESSION_LIBRARIES}")
        if isinstance(made, (KafkaConfigurationError, AssertionError, TypeError, ValueError)):
            given = ", ".join(sorted(chosen)) or "none"
            raise ConfigError(f"the Kafka client refuses its settings ({given}): {type(made).__name__}")
        if refusals.last is not None and isinstance(made, (KafkaTimeoutError, Unreachable)):
            raise PermissionError(f"Kafka does not allow it: {refusals.last}")
        raise made if isinstance(made, Unreachable) else translated(made)


def _made_or_error(kind: Any, options: Mapping[str, Any]) -> Any:
    """Return a client's object, or the error as it is: what that means is told by who asked for it."""
    try:
        return kind(**options)
    except Exception as error:
        return error


class _Refusals(logging.Handler):
    """Notes that a broker refuses a login, while a client connects: that tries again, and says at last only that it could not.

    Attributes
    ----------
    last
        What the broker said, or None.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.last: str | None = None
        self._logger = logging.getLogger("kafka.net.transport")

    def __enter__(self) -> Self:
        self._logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Look at what the client says."""
        _, name, said = record.getMessage().rpartition("SaslAuthenticationFailedError: ")
        if name:
            self.last = said.rstrip(")")


def translated(error: BaseException) -> BaseException:
    """Return the error that says what the client's error means."""
    if _FENCING.search(f"{type(error).__name__} {error}"):
        return Fenced("another process writes with the same transactional_id, or the transaction was open for too long")
    if isinstance(error, (AuthorizationError, SaslAuthenticationFailedError)):
        return PermissionError(f"Kafka does not allow it: {error}")
    if isinstance(error, InvalidRecordError):  # as one without a key in a compacted topic: it will be refused again
        return SinkError(f"Kafka refuses what is written: {str(error).rpartition('InvalidRecordError: ')[2]}")
    if isinstance(error, (KafkaError, OSError)):
        name = f"{type(error).__name__}: "
        return Unreachable(f"Kafka: {name}{str(error).removeprefix(name)}")  # the client's own errors begin with their name
    return error


def prepared(
    admin: Any, topics: Sequence[str], partitions: int, on_made: Callable[[list[str]], object] = lambda topics: None
) -> dict[str, int]:
    """Make topics that do not exist, and tell which; return how many bytes of key and value a record of each may have."""
    there = {topic["name"] for topic in admin.describe_topics(list(topics)) if topic["error_code"] == 0}
    if missing := [topic for topic in topics if topic not in there]:
        with suppress(TopicAlreadyExistsError):
            admin.create_topics({topic: {"num_partitions": partitions} for topic in missing})
            on_made(missing)
        admin.wait_for_topics(missing)
    limits = dict.fromkeys(topics, _BROKER_RECORD_BYTES)
    try:
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic, ["max.message.bytes"]) for topic in topics]
        found = admin.describe_configs(resources, config_filter="all")["topic"]
        limits |= {topic: int(found[topic]["max.message.bytes"]["value"]) for topic in topics}
    except (KafkaError, KeyError, TypeError, ValueError):
        pass  # who may write need not be allowed to read settings
    return {topic: limit - RECORD_OVERHEAD for topic, limit in limits.items()}


def absent_topics(admin: Any, topics: Sequence[str]) -> set[str]:
    """Return those of some topics that Kafka does not know."""
    found = admin.describe_topics(list(topics))
    return {topic["name"] for topic in found if for_code(topic["error_code"]) is UnknownTopicOrPartitionError}


def found_topics(admin: Any, topics: Sequence[str] | None, wanted: Callable[[str], bool]) -> Found:
    """Return what Kafka tells of these topics, None for all, as far as they are wanted and not its own."""
    found = Found([], {}, [], [])
    for topic in admin.describe_topics(None if topics is None else list(topics)):
        name, error = topic["name"], for_code(topic["error_code"])
        if error is UnknownTopicOrPartitionError or not wanted(name) or (topics is None and topic["is_internal"]):
            continue
        if topic["error_code"] == 0:
            found.ids[name] = _id_text(topic.get("topic_id"))
        elif error.retriable:
            found.ids[name] = ""
            found.unsettled.append(name)
        for partition in topic["partitions"] if topic["error_code"] == 0 else ():
            place = name, int(partition["partition_index"])
            if partition["error_code"] == 0:
                found.places.append(place)
            elif for_code(partition["error_code"]).retriable:
                found.leaderless.append(place)
    return found


def topic_id(consumer: Any, topic: str) -> str:
    """Return the id of the topic that a consumer reads under a name; "" if it does not know it."""
    cluster = getattr(consumer, "_cluster", None)
    return "" if cluster is None else _id_text(cluster.topic_id(topic))


def half_read(consumer: Any) -> set[Any]:
    """Return the partition, if any, of which a consumer holds unpacked messages, or an error that its next `poll` raises.

    It must not be paused then: the client (kafka-python 3.0.12, `fetched_records`) would not find these messages again, ask
    Kafka for no more of the partition, and forget the error.
    """
    records = getattr(getattr(consumer, "_fetcher", None), "_next_partition_records", None)
    return {records.topic_partition} if records else set()


def _id_text(found: Any) -> str:
    return "" if found is None or str(found) == str(UUID(int=0)) else str(found)


def message_of(record: Any) -> Message:
    """Return a record of the client as a message."""
    timestamp = record.timestamp
    return Message(
        record.topic,
        record.partition,
        record.offset,
        record.value,
        timestamp / 1000 if timestamp is not None and timestamp >= 0 else None,
        record.key,
    )


def close_producer(producer: Any) -> None:
    """Close a producer without waiting for long."""
    for _ in range(2):
        try:
            producer.close(timeout=5)
            return
        except Exception:  # what was not acknowledged has been told already
            # It gives up where records are left over, and leaves its thread and sockets behind.
            producer._sender.force_close()
    logging.getLogger(__name__).debug("the producer did not close in order")
