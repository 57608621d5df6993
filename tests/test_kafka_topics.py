"""Topics that are deleted, made anew or without a leader under a reader, against a real broker."""

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streams.endpoints import EndpointError, parse_endpoint
from streams.errors import SourceError
from streams.kafka import KafkaEventSink, KafkaSink, KafkaSource
from streams.kafka_client import Clients
from streams.kafka_sink import _shortened_dead_letter, _Watch
from streams.kafka_topics import Found
from streams.live import LiveRun, Pace
from streams.logs import make_logger
from streams.message import Gone, Unreachable
from streams.service import ServiceSettings, _reason, live_run
from tests.killing import read_all
from tests.live_parts import read

kafka_client = pytest.importorskip("kafka")

_LEADER_NOT_AVAILABLE, _UNKNOWN_TOPIC = 5, 3


def fill(address: str, topic: str, count: int, partitions: int = 1, first: int = 0) -> None:
    sink = KafkaEventSink(address, topic, partitions)
    for n in range(first, first + count):
        sink.write({"id": f"{n}", "x": {"n": n}, "y": ["rain"]}, key=str(n).encode())
    sink.close()


def until(condition: Callable[[], bool], patience: float = 20.0) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def delete(admin: Any, topic: str) -> None:
    admin.delete_topics([topic])
    until(lambda: topic not in admin.list_topics())


def make_anew(address: str, admin: Any, topic: str, count: int) -> None:
    delete(admin, topic)
    fill(address, topic, count, first=1000)


def run_of(kafka: str, topic: str, folder: Path, **more: Any) -> LiveRun:
    sink = parse_endpoint(f"file:{folder}/answers")
    pace = Pace(idle_exit=1.0, patience=20.0)
    settings = {"source": parse_endpoint(f"kafka://{kafka}/{topic}"), "sink": sink, "folder": folder / "run", "model": "mlhat"}
    return live_run(ServiceSettings(**{**settings, "pace": pace, **more}), make_logger("text", "error"), lambda run: None)


def test_a_run_does_not_go_on_in_a_topic_that_was_made_anew(kafka: str, topic: str, admin: Any, tmp_path: Path) -> None:
    fill(kafka, topic, 5)
    run_of(kafka, topic, tmp_path).run(lambda: False)
    run_of(kafka, topic, tmp_path).run(lambda: False)
    make_anew(kafka, admin, topic, 9)
    with pytest.raises(Gone, match=f"topic {topic} was deleted and made anew"):
        run_of(kafka, topic, tmp_path).run(lambda: False)
    assert len((tmp_path / "answers").read_text().splitlines()) == 5


def test_a_checkpoint_without_ids_of_topics_is_gone_on_with(kafka: str, topic: str, tmp_path: Path) -> None:
    fill(kafka, topic, 5)
    run_of(kafka, topic, tmp_path).run(lambda: False)
    (tmp_path / "run" / "topics.json").unlink()
    fill(kafka, topic, 5, first=5)
    run = run_of(kafka, topic, tmp_path)
    run.run(lambda: False)
    assert run.answering.n_read == 10
    assert list(json.loads((tmp_path / "run" / "topics.json").read_bytes())["topics"]) == [topic]
    (tmp_path / "run" / "topics.json").write_text("{")
    with pytest.raises(SourceError, match=r"topics\.json: damaged"):
        run_of(kafka, topic, tmp_path).run(lambda: False)


def test_a_topic_that_is_made_anew_under_the_reader_is_told(kafka: str, topic: str, admin: Any) -> None:
    fill(kafka, topic, 5)
    source = KafkaSource(kafka, [topic], refresh=0.2)
    assert len(read(source, 5)) == 5
    make_anew(kafka, admin, topic, 9)
    with pytest.raises(Gone, match="made anew"):
        read(source, 1000)
    source.close()


def test_who_is_to_end_waits_for_no_connection_and_no_leader(
    kafka: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.kafka_client.STOPPING", 0.5)
    fill(kafka, topic, 5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(Unreachable):
            KafkaSource(address, [topic], is_stopping=lambda: True)
        with pytest.raises(Unreachable):
            KafkaSink(address, topic, transactional_id=topic, is_stopping=lambda: True)
    found = Found([], {topic: ""}, [topic], [])
    monkeypatch.setattr("streams.kafka_source.found_topics", lambda *given: found)
    with pytest.raises(Unreachable):
        KafkaSource(kafka, [topic], is_stopping=lambda: True)
    assert time.monotonic() < begun + 20.0


def test_who_is_to_end_waits_for_nothing_that_is_read_again(
    own_broker: Any, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.kafka_source.STOPPING", 1.0)
    fill(own_broker.address, topic, 5)
    source = KafkaSource(own_broker.address, [topic], is_stopping=lambda: True)
    assert sum(map(len, source.span((topic, 0), 0, 3))) == 3
    own_broker.kill()
    begun = time.monotonic()
    with pytest.raises(Unreachable):
        list(source.span((topic, 0), 3, 50))
    assert time.monotonic() < begun + 20.0
    source.close()


def test_nothing_is_replayed_from_a_topic_that_was_made_anew(kafka: str, topic: str, admin: Any) -> None:
    fill(kafka, topic, 5)
    source = KafkaSource(kafka, [topic])
    assert len(read(source, 5)) == 5
    make_anew(kafka, admin, topic, 9)
    with pytest.raises(Gone, match="made anew"):
        list(source.span((topic, 0), 0, 5))
    source.close()


def test_a_topic_of_which_nothing_was_read_may_be_made_anew(kafka: str, topic: str, admin: Any) -> None:
    fill(kafka, topic, 0)
    source = KafkaSource(kafka, [topic], refresh=0.2)
    source.seek(source.positions)
    assert source.poll(0.2) == []
    make_anew(kafka, admin, topic, 3)
    assert len(read(source, 3)) == 3
    source.close()


def test_a_topic_that_is_gone_is_asked_for_no_more_and_its_position_kept(
    kafka: str, topic: str, admin: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fill(kafka, f"{topic}-a", 5)
    fill(kafka, f"{topic}-b", 5)
    source = KafkaSource(kafka, pattern=f"{topic}-.", refresh=0.2)
    assert len(read(source, 10)) == 10
    delete(admin, f"{topic}-b")
    end = time.monotonic() + 20
    while set(source.positions) != {(f"{topic}-a", 0)}:
        assert time.monotonic() < end
        assert source.poll(0.2) == []
    assert set(source.lag()) == {(f"{topic}-a", 0)}
    read(source, 1, patience=1.0)
    caplog.clear()
    fill(kafka, f"{topic}-a", 3, first=5)
    assert len(read(source, 3)) == 3
    read(source, 1, patience=2.0)
    assert [record.getMessage() for record in caplog.records if f"{topic}-b" in record.getMessage()] == []
    fill(kafka, f"{topic}-b", 9)
    with pytest.raises(Gone, match=f"topic {topic}-b was deleted"):
        read(source, 1)
    source.close()


def test_a_named_topic_that_is_gone_is_told(kafka: str, topic: str, admin: Any) -> None:
    fill(kafka, topic, 5)
    fill(kafka, f"{topic}-more", 5)
    source = KafkaSource(kafka, [topic, f"{topic}-more"], refresh=0.2)
    read(source, 10)
    assert source.missing == []
    delete(admin, topic)
    until(lambda: source.poll(0.2) == [] and source.missing == [topic])
    time.sleep(0.5)
    assert source.poll(0.2) == []
    assert (source.missing, set(source.positions)) == ([topic], {(f"{topic}-more", 0)})
    run: Any = SimpleNamespace(is_healthy=True, seconds_committing=0.0, source=source)
    assert _reason(run, 0.0) == f"no such topic any more: {topic}"
    source.close()


@pytest.fixture
def describing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int, list[Any]], object]], None]:
    """Let a function change what the administrator of the next sources tells of topics; it takes how often that was."""
    made = Clients.admin

    def install(change: Callable[[int, list[Any]], object]) -> None:
        def admin(clients: Clients) -> Any:
            client, times = made(clients), iter(range(1_000_000))
            described = client.describe_topics

            def describe_topics(topics: Any) -> Any:
                found = described(topics)
                change(next(times), found)
                return found

            client.describe_topics = describe_topics
            return client

        monkeypatch.setattr(Clients, "admin", admin)

    return install


def test_a_partition_without_a_leader_for_a_moment_is_waited_for(kafka: str, topic: str, describing: Any) -> None:
    fill(kafka, topic, 40, partitions=2)

    def change(number: int, found: list[Any]) -> None:
        if number < 3:
            found[0]["partitions"][1]["error_code"] = _LEADER_NOT_AVAILABLE

    describing(change)
    source = KafkaSource(kafka, [topic], start="latest")
    assert sum(source.positions.values()) == 40
    assert set(source.positions) == {(topic, 0), (topic, 1)}
    source.close()
    from_earliest = KafkaSource(kafka, [topic], refresh=0.2)
    assert set(from_earliest.positions) == {(topic, 0)}
    assert len(read(from_earliest, 40)) == 40
    from_earliest.close()


def test_a_partition_that_stays_without_a_leader_is_told(
    kafka: str, topic: str, describing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(kafka, topic, 40, partitions=2)
    has_leader: list[bool] = []

    def change(number: int, found: list[Any]) -> None:
        if not has_leader:
            found[0]["partitions"][1]["error_code"] = _LEADER_NOT_AVAILABLE

    describing(change)
    monkeypatch.setattr("streams.kafka_source._WITHOUT_LEADER", 2.0)
    source = KafkaSource(kafka, [topic], refresh=0.2)
    run: Any = SimpleNamespace(is_healthy=True, seconds_committing=0.0, source=source)
    began = time.monotonic()
    until(lambda: [source.poll(0.1)] != [] and _reason(run, 0.0) != "")
    assert time.monotonic() - began > 2.0, "it may pass"
    assert _reason(run, 0.0) == f"without a leader, so that it cannot be read: partition 1 of {topic}"
    has_leader.append(True)
    until(lambda: [source.poll(0.1)] != [] and _reason(run, 0.0) == "")
    assert set(source.positions) == {(topic, 0), (topic, 1)}
    source.close()


@pytest.mark.parametrize("error", [_LEADER_NOT_AVAILABLE, _UNKNOWN_TOPIC])
def test_a_topic_that_is_not_told_of_for_a_moment_is_waited_for(kafka: str, topic: str, describing: Any, error: int) -> None:
    fill(kafka, topic, 4)

    def change(number: int, found: list[Any]) -> None:
        if number < 5:
            found[0].update(error_code=error, partitions=[])

    describing(change)
    source = KafkaSource(kafka, [topic])
    assert source.positions == {(topic, 0): 0}
    source.close()


def test_a_log_that_was_cut_off_is_told_by_whoever_notices_it(kafka: str, topic: str) -> None:
    fill(kafka, topic, 5)
    source = KafkaSource(kafka, [topic])
    assert len(read(source, 5)) == 5
    cut = kafka_client.errors.LogTruncationError({kafka_client.TopicPartition(topic, 0): None})
    source._consumer._fetcher._cached_log_truncation = cut
    with pytest.raises(Gone, match=f"partition 0 of {topic} is not all there"):
        source.lag()
    assert len([message for part in source.span((topic, 0), 0, 2) for message in part]) == 2
    source._replay.position = lambda *place, **options: (_ for _ in ()).throw(cut)
    with pytest.raises(Gone, match="not all there"):
        list(source.span((topic, 0), 2, 5))
    source.close()


def test_the_lag_of_a_closed_source_is_the_one_it_had(kafka: str, topic: str) -> None:
    fill(kafka, topic, 5)
    source = KafkaSource(kafka, [topic])
    source.close()
    assert set(source.lag()) == {(topic, 0)}


@pytest.mark.parametrize("end", ["sink", "dead_letters"])
def test_a_topic_that_is_read_is_not_written_to(tmp_path: Path, end: str) -> None:
    names = ("in", "out") if end == "sink" else ("out", "in")
    sink, dead = (parse_endpoint(f"kafka://two:1,one:1/{name}") for name in names)
    for source, labels in (("kafka://one:1/in,more", ()), ("kafka://one:1/more", ("in",))):
        with pytest.raises(EndpointError, match="'in' is read from and written to"):
            run_of("one:1", "in", tmp_path, source=parse_endpoint(source), labels=labels, sink=sink, dead_letters=dead)


@pytest.mark.parametrize("source", ["{topic}-events", "?pattern={topic}-.*"])
@pytest.mark.parametrize("end", ["sink", "dead_letters"])
def test_a_topic_that_is_read_is_not_written_to_under_another_name_of_its_servers(
    kafka: str, topic: str, tmp_path: Path, source: str, end: str
) -> None:
    fill(kafka, f"{topic}-events", 5)
    others = kafka.replace("127.0.0.1", "localhost")
    assert others != kafka
    names = (f"{topic}-events", "dead") if end == "sink" else ("answers", f"{topic}-events")
    sink, dead = (parse_endpoint(f"kafka://{others}/{name}") for name in names)
    read = parse_endpoint(f"kafka://{kafka}/{source.format(topic=topic)}")
    run = run_of(kafka, topic, tmp_path, source=read, sink=sink, dead_letters=dead)
    with pytest.raises(SourceError, match=f"'{topic}-events' is read from and written to"):
        run.run(lambda: False)
    with closing(KafkaSource(kafka, [f"{topic}-events"])) as source:
        assert len(source.poll(10.0)) == 5
        assert source.poll(0.5) == []


def test_a_topic_that_is_written_to_is_not_read_when_it_appears(kafka: str, topic: str, tmp_path: Path) -> None:
    fill(kafka, f"{topic}-events", 5)
    sink = parse_endpoint(f"kafka://{kafka.replace('127.0.0.1', 'localhost')}/{topic}-answers")
    read = parse_endpoint(f"kafka://{kafka}/?pattern={topic}-.*")
    pace = Pace(idle_exit=20.0, patience=3.0)
    with pytest.raises(SourceError, match=f"'{topic}-answers' is read from and written to"):
        run_of(kafka, topic, tmp_path, source=read, sink=sink, pace=pace).run(lambda: False)


def test_one_topic_does_not_take_answers_and_dead_letters(tmp_path: Path) -> None:
    end = parse_endpoint("kafka://one:1/out")
    with pytest.raises(EndpointError, match="'out' is to take the predictions and the dead letters"):
        run_of("one:1", "in", tmp_path, sink=end, dead_letters=end)


def test_a_pattern_leaves_out_what_the_run_itself_writes(kafka: str, topic: str, tmp_path: Path) -> None:
    fill(kafka, f"{topic}-events", 5)
    KafkaEventSink(kafka, f"{topic}-events").write({"x": "malformed"})
    ends = {name: parse_endpoint(f"kafka://{kafka}/{topic}-{name}") for name in ("answers", "dead")}
    source = parse_endpoint(f"kafka://{kafka}/?pattern={topic}-.*")
    for _ in range(2):
        run = run_of(kafka, topic, tmp_path, source=source, sink=ends["answers"], dead_letters=ends["dead"])
        run.run(lambda: False)
    assert {place[0] for place in run._positions} == {f"{topic}-events"}


def test_a_run_is_not_idle_while_its_broker_is_away(own_broker: Any, topic: str, tmp_path: Path) -> None:
    fill(own_broker.address, topic, 5)
    run = run_of(own_broker.address, topic, tmp_path)
    gone: list[float] = []

    def fall_silent(run: LiveRun) -> None:
        if not gone and run.answering.n_read == 5:
            gone.append(time.monotonic())
            own_broker.pause()
            timer.start()

    timer = threading.Timer(4.0, own_broker.go_on)
    run._on_turn = fall_silent
    run.run(lambda: False)
    assert time.monotonic() > gone[0] + 4.0
    assert run.answering.n_read == 5


def test_a_source_is_read_up_where_its_end_holds_no_message(kafka: str, topic: str) -> None:
    fill(kafka, topic, 5)
    source = KafkaSource(kafka, [topic], max_messages=2)
    begun = time.monotonic()
    assert len(source.poll(5.0)) == 2
    assert not source.is_read_up(begun)
    until(lambda: source._look_for_partitions() is None and source._ends_known > begun)
    assert not source.is_read_up(begun)
    assert source.lag() == {(topic, 0): 3}
    assert len(read(source, 3)) == 3
    assert source.is_read_up(begun)
    producer = kafka_client.KafkaProducer(bootstrap_servers=kafka, transactional_id=topic)
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(topic, b"{}").get(10)
    producer.abort_transaction()
    producer.close()
    later = time.monotonic()
    assert not source.is_read_up(later)
    until(lambda: source.poll(0.1) == [] and source.is_read_up(later))
    assert (source.positions, source.lag()) == ({(topic, 0): 5}, {(topic, 0): 0})
    source.close()


def test_the_lag_is_told_before_anything_is_read(kafka: str, topic: str) -> None:
    fill(kafka, topic, 5)
    source = KafkaSource(kafka, [topic], max_messages=2)
    until(lambda: source._look_for_partitions() is None and not source.is_read_up(0.0) and bool(source._ends))
    assert source.lag() == {(topic, 0): 5}
    source.close()


def test_who_learns_for_longer_than_its_patience_takes_that_for_no_silence(kafka: str, topic: str) -> None:
    fill(kafka, topic, 0)
    source = KafkaSource(kafka, [topic], patience=1.0)
    time.sleep(1.5)
    assert source.poll(0.1) == []
    assert source.silence < 1.0
    source.close()


def test_a_group_that_stands_at_the_first_message_begins_there(kafka: str, topic: str, admin: Any) -> None:
    fill(kafka, topic, 40, partitions=2)
    fill(kafka, f"{topic}-of-others", 5)
    consumer = kafka_client.KafkaConsumer(bootstrap_servers=kafka, group_id=topic)
    mark = kafka_client.structs.OffsetAndMetadata(0, "", -1)
    consumer.commit({kafka_client.TopicPartition(name, 0): mark for name in (topic, f"{topic}-of-others")})
    consumer.close()
    with closing(KafkaSource(kafka, [topic], start="latest", group=topic, from_group=True)) as source:
        assert set(source.positions) == {(topic, 0), (topic, 1)}
        assert source.positions[topic, 0] == 0
        assert source.positions[topic, 1] > 0


def test_a_group_that_has_no_offset_in_the_topics_is_no_place_to_begin(kafka: str, topic: str, admin: Any) -> None:
    fill(kafka, topic, 4)
    fill(kafka, f"{topic}-of-others", 5)
    consumer = kafka_client.KafkaConsumer(bootstrap_servers=kafka, group_id=f"{topic}-group")
    mark = kafka_client.structs.OffsetAndMetadata(3, "", -1)
    consumer.commit({kafka_client.TopicPartition(f"{topic}-of-others", 0): mark})
    consumer.close()
    for group in (f"{topic}-group", "misspelt"):
        with pytest.raises(LookupError, match=f"group '{group}' has no committed offset in {topic}; to begin"):
            KafkaSource(kafka, [topic], group=group, from_group=True)


def test_a_run_that_goes_on_does_without_the_offsets_of_its_group(kafka: str, topic: str, tmp_path: Path) -> None:
    fill(kafka, topic, 4)
    ids = tmp_path / "topics.json"
    with closing(KafkaSource(kafka, [topic], ids_path=ids)) as source:
        until(lambda: bool(source.poll(0.1)))
    with closing(KafkaSource(kafka, [topic], group="expired", from_group=True, ids_path=ids)) as source:
        assert set(source.positions) == {(topic, 0)}


def test_a_run_that_reads_no_topic_of_the_cluster_leaves_nothing_in_the_group(kafka: str, topic: str, admin: Any) -> None:
    with closing(KafkaSink(kafka, topic, transactional_id=topic, group=f"{topic}-group", mark="sink")) as sink:
        sink.begin()
        sink.commit(12, {("events.jsonl", 0): 345})
        until(lambda: sink.committed() == 12)
    assert admin.list_group_offsets([f"{topic}-group"])[f"{topic}-group"] == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either a list of topics or a pattern"),
        ({"topics": "events"}, "either a list of topics or a pattern"),
        ({"topics": ["events"], "pattern": "e.*"}, "either a list of topics or a pattern"),
        ({"topics": ["events"], "start": "newest"}, "start must be"),
        ({"topics": ["events"], "start": -1.0}, "start must be"),
        ({"topics": ["events"], "start": 1e15}, "start must be"),
        ({"topics": ["events"], "start": float("nan")}, "start must be"),
        ({"topics": ["events"], "from_group": True}, "from_group needs a group"),
    ],
)
def test_a_source_that_cannot_be_is_refused_before_it_connects(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KafkaSource("127.0.0.1:1", **options)


def test_a_run_whose_name_no_mark_holds_is_refused_before_it_connects() -> None:
    with pytest.raises(ValueError, match="too long"):
        KafkaSink("127.0.0.1:1", "out", transactional_id="id", run="r" * 993)


def test_an_event_that_is_larger_than_its_topic_takes_is_refused(kafka: str, topic: str, admin: Any) -> None:
    admin.create_topics({topic: {"num_partitions": 1, "configs": {"max.message.bytes": "10000"}}})
    admin.wait_for_topics([topic])
    sink = KafkaEventSink(kafka, topic)
    with pytest.raises(ValueError, match=f"larger than topic {topic} takes"):
        sink.write({"x": "r" * 10_000})
    with pytest.raises(ValueError, match=f"larger than topic {topic} takes"):
        sink.write({"x": "r" * 5_000}, key=b"k" * 5_000)
    sink.write({"x": "r" * 9_000})
    sink.close()
    with closing(KafkaSource(kafka, [topic])) as source:
        assert [json.loads(message.value or b"") for message in read(source, 1)] == [{"x": "r" * 9_000}]


@pytest.mark.parametrize("character", ["r", '"', "\n", "\x00", "é", "日", "\U0001f600"])
@pytest.mark.parametrize("room", [8192, 8193, 100_000])
def test_a_shortened_dead_letter_holds_a_part_of_what_came_and_fits(character: str, room: int) -> None:
    letter = {"source": {"offset": 7}, "error": "json", "message": "m" * 500, "raw": character * 200_000}
    short = _shortened_dead_letter(letter, room)
    record = json.loads(short)
    assert room // 20 < len(short) <= room
    assert record == {**letter, "raw": character * len(record["raw"]), "raw_length": 200_000}
    again = json.loads(_shortened_dead_letter({**record, "raw_length": 90_000_000}, 8192))
    assert again["raw_length"] == 90_000_000


def test_topics_that_a_sink_has_to_make_are_told(kafka: str, topic: str, admin: Any) -> None:
    made: list[list[str]] = []
    for _ in range(2):
        KafkaSink(kafka, topic, f"{topic}-dead", transactional_id=topic, on_made=made.append).close()
    assert made == [[topic, f"{topic}-dead"]]
    admin.delete_topics([topic])
    until(lambda: topic not in admin.list_topics())
    KafkaSink(kafka, topic, f"{topic}-dead", transactional_id=topic, on_made=made.append).close()
    assert made[1:] == [[topic]]


def commit_both(sink: KafkaSink) -> None:
    """Commit an answer and a dead letter, as a run does: it looks whether that is settled."""
    sink.begin()
    sink.write({"n": 2})
    sink.write_dead({"n": 3})
    sink.start_commit(2, {})
    until(lambda: sink.is_settled)
    sink.settle()


@pytest.mark.parametrize("gone", ["", "-dead"])
def test_a_topic_that_is_deleted_while_answers_are_written_is_told_and_made_anew(
    kafka: str, topic: str, admin: Any, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.kafka_sink._BETWEEN_LOOKS", 0.5)
    sink = KafkaSink(kafka, topic, f"{topic}-dead", transactional_id=topic, mark="sink", patience=30.0)
    sink.begin()
    sink.write({"n": 1})
    sink.commit(1, {})
    delete(admin, topic + gone)
    with pytest.raises(Unreachable, match=f"no such topic any more: {topic}{gone}$"):
        commit_both(sink)
    sink.close()
    made: list[list[str]] = []
    again = KafkaSink(kafka, topic, f"{topic}-dead", transactional_id=topic, mark="sink", on_made=made.append)
    assert made == [[topic + gone]]
    commit_both(again)
    again.close()
    assert [json.loads(m.value or b"") for m in read_all(kafka, f"{topic}-dead")] == [{"n": 3}]
    assert [json.loads(m.value or b"")["n"] for m in read_all(kafka, topic)] == ([1, 2] if gone else [2])


def test_a_topic_that_one_look_does_not_find_is_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.kafka_sink._BETWEEN_LOOKS", 0.0)
    found = iter([{"a"}, set(), {"a"}, None, {"a"}, {"b"}, {"a"}, {"a", "b"}])

    def absent() -> set[str]:
        if (topics := next(found, set())) is None:
            raise PermissionError("Kafka does not allow it")
        return topics

    watch = _Watch(absent)
    watch.begin()
    gone: list[set[str]] = []
    until(lambda: bool(gone.append(watch.look()) or gone[-1]))
    assert gone[-1] == {"a"}
    assert next(found, None) is None, "it was told too early"
