"""Kafka topics as a live source."""

import math
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from streams.errors import SourceError
from streams.kafka_client import (
    COMPRESSION_LIBRARIES,
    STOPPING,
    Call,
    Clients,
    CorruptRecordError,
    KafkaError,
    LeaderNotAvailableError,
    LogTruncationError,
    OffsetOutOfRangeError,
    OffsetSpec,
    TopicPartition,
    UnknownTopicOrPartitionError,
    UnsupportedCodecError,
    found_topics,
    half_read,
    message_of,
    topic_id,
    translated,
)
from streams.kafka_topics import Found, TopicIds
from streams.message import Gone, Message, Partition, Positions, Unreachable
from streams.time_order import TimeOrder

__all__ = ["KafkaSource"]

_T = TypeVar("_T")
_PARTITION_BYTES = 1 << 19
_MOMENT = 5.0  # seconds for which a topic that has a name may be unknown: to a broker that has just come back none is known
_LONGEST_BEHIND = 10.0  # seconds for which messages of other partitions wait for one of which Kafka gives none
_BREATH = 1.0  # seconds without an answer, after which Kafka is asked for one where messages wait
_WITHOUT_LEADER = 60.0  # seconds for which a partition has no leader, after which that is told: less passes
_END_OF_TIME = 1e15  # seconds since 1970, beyond which Kafka has no number


class _Survey(NamedTuple):
    """Where to begin in partitions that are new, where all of them end, of which topics they are, and which have no leader."""

    fresh: Positions
    ends: Positions
    ids: dict[str, str]
    leaderless: Sequence[Partition] = ()
    is_whole: bool = True


class KafkaSource:
    """Topics of a Kafka cluster, read with positions of its own: no consumer group decides or remembers anything.

    Only what transactions have committed is read. Partitions that appear later, and with `pattern` topics that
    appear later, are read from their beginning. Messages come in the order of their times, to a second, as far as they were
    there when Kafka was last asked for the ends of partitions, which is at the start and every `refresh` seconds; a partition
    of which Kafka gives nothing for ten seconds, in which it answers otherwise, is not waited for. Memory is bounded: of each
    partition one answer is kept as it came, and what waits for older messages is what was unpacked of one before; beyond 64 MiB
    of that the order is given up.

    Parameters
    ----------
    servers
        HOST:PORT, several of them with commas or as a sequence.
    topics
        Names of topics; all of them have to exist.
    pattern
        A regular expression that whole topic names match; instead of `topics`. No topic has to match yet.
    exclude
        Topics that are not read though they match: those that the reader writes to.
    start
        Where to begin in the partitions that are there now: "earliest", "latest" (what has not been committed yet), or
        seconds since 1970, for the first message that is not older.
    group
        A consumer group; only `from_group` looks at it.
    from_group
        Begin at the offsets that `group` has committed, where it has, which has to be in some partition; else at `start`.
    settings
        Settings of the client, such as `security_protocol`, `ssl_cafile`, `sasl_mechanism`.
    max_messages
        The most that `poll` returns.
    max_bytes
        About the most that a broker sends in one answer; a larger message comes through all the same.
    refresh
        Seconds between looks for new partitions.
    ids_path
        A file where the ids of topics that were read from are kept beside the positions, so that one that was deleted and made
        anew is told from the one that was read; None: they are kept as long as this object.
    patience
        Seconds without any answer after which `poll` and `span` raise `Unreachable`; 0 = wait for ever.
    is_stopping
        Whether the process is to end: then Kafka is waited for ten seconds at most.
    on_lost
        Called with partition, first and stop where offsets first <= offset < stop were deleted before they were read.

    Attributes
    ----------
    lost
        How many offsets were gone before they were read.
    missing
        Those of `topics` that are not there any more.

    Raises
    ------
    LookupError
        If one of `topics` does not exist, or `group` has committed no offset in any, if it is to begin there.
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
        exclude: Collection[str] = (),
        ids_path: Path | None = None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        if isinstance(topics, str) or bool(topics) == bool(pattern):
            raise ValueError("a Kafka source needs either a list of topics or a pattern")
        if start not in ("earliest", "latest") and not (isinstance(start, int | float) and 0 <= start < _END_OF_TIME):
            raise ValueError(f"start must be 'earliest', 'latest' or seconds since 1970, not {start!r}")
        if from_group and not group:
            raise ValueError("from_group needs a group")
        self._clients = Clients(servers, settings, patience, is_stopping)
        self._topics = tuple(dict.fromkeys(topics))
        self._pattern = re.compile(pattern) if pattern else None
        self._exclude, self._ids = frozenset(exclude), TopicIds(ids_path)
        self._start, self._group = start, group if from_group else None
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._refresh = min(refresh, patience / 3) if patience else refresh
        self._patience, self._is_stopping = patience, is_stopping
        self._on_lost = on_lost
        self.lost = 0
        self.missing: list[str] = []
        self._leaderless: dict[Partition, float] = {}  # and since when
        self._positions: Positions = {}
        self._kept: Positions = {}
        self._ends: Positions = {}
        self._order = TimeOrder()
        self._backlog: set[Partition] = set()  # those that may not have reached these ends
        self._given_up: set[Partition] = set()  # of these, those that are not waited for
        self._blocked_since = math.inf
        self._current_ids: dict[str, str] = {}
        self._written_ids: frozenset[str] = frozenset()
        self._absent: set[str] = set()
        self._started = False
        self._survey: Call[_Survey] | None = None
        self._survey_begun = self._ends_known = -math.inf
        self._is_asked = False
        self._replay: Any = None
        self._replay_at: tuple[Partition, int] | None = None
        self._admin = self._clients.admin()
        try:
            self._consumer = self._connect()
            self._adopt(self._first_survey())
        except BaseException:
            self.close()
            raise
        self._heard = self._surveyed = self._asked = time.monotonic()

    def refuse_topics(self, ids: Collection[str]) -> None:
        """Read no topic that has one of these ids, whatever its name and its servers are called: the run writes there.

        Raises
        ------
        SourceError
            If one is read; later, so does `poll`.
        """
        self._written_ids = frozenset(ids) - {""}
        self._check_written(self._current_ids)

    def poll(self, timeout: float) -> list[Message]:
        """Return the next messages; see `LiveSource`.

        Raises
        ------
        Gone
            If a log ends before the next message, or its topic has another id: it was cut off or made anew, and what was read
            is not what it holds.
        Unreachable
            If Kafka has not answered for `patience` seconds.
        SourceError
            If messages are compressed in a way for which there is no library here.
        """
        self._started = True
        not_asked = time.monotonic() - self._asked  # seconds since the last call
        self._heard += not_asked
        self._blocked_since += not_asked
        self._look_for_partitions()
        deadline = time.monotonic() + timeout
        messages = self._next_in_time()
        while not messages:
            left = deadline - time.monotonic()
            self._fetch_more(min(max(left, 0.0), _BREATH))
            self._look_for_partitions()
            messages = self._next_in_time()
            if left <= 0.0:
                break
        for message in messages:
            self._positions[message.topic, message.partition] = message.offset + 1
        self._asked = time.monotonic()
        if self._patience and not messages and self.silence > self._patience:
            raise Unreachable(f"no answer from Kafka for {self._patience:g} s")
        return messages

    @property
    def positions(self) -> Positions:
        """Offset of the next message of each known partition."""
        return dict(self._positions)

    def seek(self, positions: Mapping[Partition, int]) -> None:
        """Go on at these positions; those of unknown partitions are kept for when they appear.

        Before the first `poll`, partitions that are not named are read from their beginning: they appeared after the positions
        were noted.

        Raises
        ------
        Gone
            If one of the topics is not the one that was read from.
        """
        self._ids.check(self._current_ids)
        fresh = [place for place in self._positions if place not in positions]
        if fresh and not self._started:
            self._move(self._wait(lambda: self._offsets(fresh, "earliest")))
        for place, offset in positions.items():
            if place in self._positions:
                self._move({place: offset})
            else:
                self._kept[place] = offset
        self._note_ids({topic for (topic, _), offset in positions.items() if offset > 0})

    def span(self, partition: Partition, first: int, stop: int) -> Iterator[list[Message]]:
        """Yield messages once more; see `LiveSource`."""
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
            except (OffsetOutOfRangeError, LogTruncationError):
                raise Gone(f"offsets {next_offset} to {stop - 1} of {_name(partition)} are not all there any more") from None
            self._ids.check({partition[0]: topic_id(self._replay, partition[0])})
            records = [record for record in found.get(place, ()) if record.offset < stop]
            if records:
                heard = time.monotonic()
                yield [message_of(record) for record in records]
                next_offset = records[-1].offset + 1
            reached = self._reached(self._replay, partition)
            if len(records) < len(found.get(place, ())) or reached > stop:
                return
            if reached == stop:
                break
            if not records:
                self._check_end(place, partition, stop)
                longest = min(self._patience or STOPPING, STOPPING) if self._is_stopping() else self._patience
                if longest and time.monotonic() - heard > longest:
                    raise Unreachable(f"no answer from Kafka for {longest:g} s")
        self._replay_at = (partition, stop)

    def lag(self) -> Positions:
        """Return how many offsets lie between position and end; some of them may hold no message.

        Raises
        ------
        Gone
            As `poll`.
        """
        lags: Positions = {}
        for place, offset in self._positions.items():
            end = max(self._consumer.highwater(TopicPartition(*place)) or 0, self._ends.get(place, 0))
            lags[place] = max(0, end - (offset if place in self._order.partitions else self._looked_at(place)))
        return lags

    def is_read_up(self, since: float) -> bool:
        """Whether Kafka has said since a time, on the monotonic clock, that all is read; `poll` asks it if it has not."""
        self._is_asked = self._ends_known < since
        is_known = not self._is_asked and not self._order.partitions
        return is_known and all(self._looked_at(place) >= self._ends.get(place, 0) for place in self._positions)

    @property
    def without_leader(self) -> list[str]:
        """Partitions that have had no leader for a minute, so that nothing of them can be read."""
        long_ago = time.monotonic() - _WITHOUT_LEADER
        return [_name(place) for place, since in self._leaderless.items() if since <= long_ago]

    @property
    def silence(self) -> float:
        """Seconds of `poll` in which Kafka has not answered; it is asked for partitions at least every `refresh` seconds."""
        return self._asked - self._heard

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
        return Call(function).result(self._patience, self._is_stopping)

    def _next_in_time(self) -> list[Message]:
        """Return the next messages of what was fetched; none where partitions are behind that may bring older ones."""
        while self._order.partitions:
            behind = self._backlog - self._given_up
            if messages := self._order.take(self._max_messages, behind):
                self._blocked_since = math.inf
                return messages
            awaited = self._order.awaited(behind)
            assert awaited is not None
            if self._is_behind(awaited):
                self._wait_for_behind()
                return []
            self._backlog.remove(awaited)
        self._blocked_since = math.inf
        return []

    def _is_behind(self, place: Partition) -> bool:
        """Whether more messages of a partition are known to be there than were fetched."""
        return place in self._positions and self._looked_at(place) < self._ends.get(place, 0)

    def _wait_for_behind(self) -> None:
        """Note that messages wait; end that after a while, but not where Kafka is away as a whole."""
        now = time.monotonic()
        self._blocked_since = min(self._blocked_since, now)
        self._is_asked |= now - self._heard > _BREATH
        if now - self._blocked_since > _LONGEST_BEHIND and now - self._heard < _MOMENT:
            self._given_up |= self._backlog - self._order.partitions

    def _note_answer(self) -> None:
        now = time.monotonic()
        if now - self._heard > _MOMENT:  # it was away
            self._blocked_since = max(self._blocked_since, now)
        self._heard = now

    def _looked_at(self, place: Partition) -> int:
        """Return the offset of a partition up to which nothing is left to fetch."""
        return max(self._positions[place], self._reached(self._consumer, place))

    def _fetch_more(self, timeout: float) -> None:
        """Fetch messages of the partitions of which none wait."""
        waiting = {TopicPartition(*place) for place in self._order.partitions} - half_read(self._consumer)
        paused = self._consumer.paused()
        self._consumer.pause(*(waiting - paused))
        self._consumer.resume(*(paused - waiting))
        found = self._fetch(self._consumer, timeout)
        for partition, records in found.items():
            self._ids.check({partition.topic: topic_id(self._consumer, partition.topic)})
            self._given_up.discard((partition.topic, partition.partition))
            self._order.put([message_of(record) for record in records])
        if found:
            self._note_ids({partition.topic for partition in found})
            self._note_answer()

    def _fetch(self, consumer: Any, timeout: float) -> dict[Any, list[Any]]:
        if not self._positions:
            time.sleep(min(timeout, 0.1))
            return {}
        try:
            found = self._poll_client(consumer, timeout, self._max_messages)
        except OffsetOutOfRangeError as error:
            for partition in error.args[0]:
                self._go_on_behind_the_deleted((partition.topic, partition.partition))
            return {}
        except LogTruncationError as error:
            raise _cut_off(error) from None
        return found

    def _reached(self, consumer: Any, place: Partition) -> int:
        """Return the offset up to which the client has looked; it is there too that it tells of a log that was cut off."""
        try:
            return consumer.position(TopicPartition(*place), timeout_ms=0) or 0
        except LogTruncationError as error:
            raise _cut_off(error) from None

    def _poll_client(self, consumer: Any, timeout: float, count: int) -> dict[Any, list[Any]]:
        try:
            found: dict[Any, list[Any]] = consumer.poll(timeout_ms=int(timeout * 1000), max_records=count)
        except (OffsetOutOfRangeError, LogTruncationError):
            raise
        except CorruptRecordError as error:
            raise OSError(f"a record that Kafka has is damaged: {error}") from None
        except UnsupportedCodecError as error:
            told = f"Kafka has messages in a compression that cannot be read ({error.args[0]})"
            raise SourceError(f"{told}: {COMPRESSION_LIBRARIES}") from None
        except KafkaError as error:
            if not error.retriable:
                raise translated(error) from None
            time.sleep(min(timeout, 0.1))
            return {}
        return found

    def _go_on_behind_the_deleted(self, place: Partition) -> None:
        """Go on at the beginning of the log; raise `Gone` where it is its end that is missing."""
        old = self._order.next_offset(place) or self._positions[place]
        earliest = self._wait(lambda: self._offsets([place], "earliest"))[place]
        if earliest < old:
            end = self._wait(lambda: self._offsets([place], "latest"))[place]
            raise Gone(f"{_name(place)} ends at offset {end}, and {old} is the next one: it was cut off or made anew")
        if place in self._order.partitions:
            self._consumer.seek(TopicPartition(*place), earliest)
        else:
            self._move({place: earliest})
        self.lost += earliest - old
        if self._on_lost is not None and old < earliest:
            self._on_lost(place, old, earliest)

    def _check_end(self, place: Any, partition: Partition, stop: int) -> None:
        """Raise `Gone` if the log ends before `stop`: what stood there was read once, so it must have been there."""
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
                found = survey.result(1.0)
            except (ConnectionError, LookupError):
                return
            self._note_answer()
            self._ids.check(found.ids)
            self._leaderless = {place: self._leaderless.get(place, now) for place in found.leaderless}
            self._leave(found.ids)
            self._adopt(found)
            if found.is_whole:
                self._ends_known = self._survey_begun
        elif self._survey is None and (self._is_asked or now - self._surveyed > self._refresh):
            self._is_asked, self._survey_begun = False, now
            self._survey = Call(lambda: self._look(set(self._positions)))

    def _first_survey(self) -> _Survey:
        deadline = time.monotonic() + _MOMENT
        found = self._wait(lambda: self._settled(deadline))
        fresh = self._wait(lambda: self._offsets(found.places, self._start))
        if self._group is not None:
            group = self._group
            committed = self._wait(lambda: self._admin.list_group_offsets([group])[group])
            at = {(partition.topic, partition.partition): mark.offset for partition, mark in committed.items()}
            marks = {place: at[place] for place in fresh if at.get(place, -1) >= 0}
            if fresh and not marks and not self._ids:
                raise LookupError(
                    f"group {group!r} has no committed offset in {', '.join(sorted(found.ids))}; to begin elsewhere, leave "
                    "--group-offsets out"
                )
            fresh |= marks
        return _Survey(fresh, self._wait(lambda: self._offsets(found.places, "latest")), found.ids)

    def _settled(self, deadline: float) -> Found:
        """Return what there is at the start; raise what passes with another try where that has to be waited for.

        A partition that appears later is read from its beginning, so one that begins elsewhere must not be missed.
        """
        found = self._found()
        if found.unsettled:
            raise LeaderNotAvailableError(f"topic {found.unsettled[0]} cannot be described for now")
        if missing := sorted(set(self._topics) - set(found.ids)):
            if time.monotonic() < deadline:
                raise UnknownTopicOrPartitionError(missing[0])
            raise LookupError(f"no such topic: {', '.join(missing)}")
        begins_elsewhere = not self._ids and (self._start != "earliest" or self._group is not None)
        if found.leaderless and begins_elsewhere:
            raise LeaderNotAvailableError(f"{_name(found.leaderless[0])} has no leader for now")
        return found

    def _found(self) -> Found:
        return found_topics(self._admin, None if self._pattern else self._topics, self._matches)

    def _matches(self, topic: str) -> bool:
        return self._pattern is None or (self._pattern.fullmatch(topic) is not None and topic not in self._exclude)

    def _look(self, known: set[Partition]) -> _Survey:
        found = self._found()
        fresh = self._offsets([place for place in found.places if place not in known], "earliest")
        is_whole = not found.unsettled and not found.leaderless
        return _Survey(fresh, self._offsets(found.places, "latest"), found.ids, found.leaderless, is_whole)

    def _leave(self, ids: Mapping[str, str]) -> None:
        """Ask no more for topics that are not there, twice in a row; their positions are kept for when they appear again."""
        absent = {topic for topic in (*self._topics, *(topic for topic, _ in self._positions)) if topic not in ids}
        self.missing = sorted(absent & self._absent & set(self._topics))
        if gone := [place for place in self._positions if place[0] in absent & self._absent]:
            for place in gone:
                self._kept[place] = self._positions.pop(place)
                self._order.drop(place)
            # A client that has once been told of a topic asks for it for ever.
            consumer, self._consumer = self._consumer, self._connect()
            consumer.close()
            self._assign(self._positions)
            self._move(self._positions)
        self._absent = absent

    def _offsets(self, places: Sequence[Partition], at: Literal["earliest", "latest"] | float) -> Positions:
        if not places:
            return {}
        spec: Any = OffsetSpec.EARLIEST if at == "earliest" else OffsetSpec.LATEST if isinstance(at, str) else int(at * 1000)
        found = self._admin.list_partition_offsets({TopicPartition(*place): spec for place in places}, "read_committed")
        offsets = {(partition.topic, partition.partition): entry.offset for partition, entry in found.items()}
        if none_since := [place for place, offset in offsets.items() if offset < 0]:
            offsets |= self._offsets(none_since, "latest")
        return offsets

    def _adopt(self, survey: _Survey) -> None:
        """Read partitions that are new too, from these offsets or from what was kept for them."""
        self._check_written(survey.ids)
        self._ends |= survey.ends
        self._backlog |= survey.ends.keys()
        self._current_ids = survey.ids
        fresh = {place: self._kept.pop(place, at) for place, at in survey.fresh.items() if place not in self._positions}
        if fresh:
            self._assign([*self._positions, *fresh])
            self._move(fresh)

    def _check_written(self, ids: Mapping[str, str]) -> None:
        for topic, one in ids.items():
            if one in self._written_ids:
                raise SourceError(f"topic {topic!r} is read from and written to: each message would bring another one")

    def _assign(self, places: Collection[Partition]) -> None:
        self._consumer.assign([TopicPartition(*place) for place in places])

    def _note_ids(self, topics: Collection[str]) -> None:
        if self._ids.lacks(topics):
            ids = {topic: topic_id(self._consumer, topic) or self._current_ids.get(topic, "") for topic in topics}
            self._ids.note(ids)

    def _move(self, offsets: Positions) -> None:
        for place, offset in list(offsets.items()):
            self._consumer.seek(TopicPartition(*place), offset)
            self._positions[place] = offset
            self._order.drop(place)
            self._backlog.add(place)


def _name(partition: Partition) -> str:
    return f"partition {partition[1]} of {partition[0]}"


def _cut_off(error: Any) -> Gone:
    cut = ", ".join(_name((partition.topic, partition.partition)) for partition in error.divergent_offsets)
    return Gone(f"what was read of {cut} is not all there any more: its end was cut off")
