"""The Kafka source and sinks against a real broker."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.kafka_broker import Broker
from ihomer.baselines import MajorityLabelset
from streams.answering import Answering
from streams.errors import SinkError, SourceError
from streams.kafka import KafkaEventSink, KafkaSink, KafkaSource
from streams.kafka_client import Call
from streams.message import Fenced, Gone, Message, Partition, Unreachable

kafka_client = pytest.importorskip("kafka")

_KEEP_OLD = {"retention.ms": "-1"}  # for tests that write timestamps of the past: a broker deletes after a week


def make(admin: Any, topic: str, partitions: int = 1, **configs: str) -> None:
    admin.create_topics({topic: {"num_partitions": partitions, "configs": configs}})
    admin.wait_for_topics([topic])


def read(source: KafkaSource, count: int, patience: float = 30.0) -> list[Message]:
    """Read until `count` messages are there, and once more, so that too many are seen too."""
    messages: list[Message] = []
    end = time.monotonic() + patience
    while len(messages) < count and time.monotonic() < end:
        messages += source.poll(0.5)
    return messages + source.poll(0.2)


def committed_soon(sink: KafkaSink, number: int | None) -> int | None:
    """Return what a sink has committed, as soon as that is `number`: to the sink that committed, the broker shows it only when
    the end of the transaction has reached all partitions, which may be a little later.
    """
    end = time.monotonic() + 20
    while (found := sink.committed()) != number and time.monotonic() < end:
        time.sleep(0.05)
    return found


def values(messages: list[Message]) -> list[int]:
    return [json.loads(message.value or b"null")["n"] for message in messages]


def until(condition: Callable[[], bool], patience: float = 30.0) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def fill(address: str, topic: str, count: int, partitions: int = 1, first: int = 0) -> None:
    sink = KafkaEventSink(address, topic, partitions)
    for n in range(first, first + count):
        sink.write({"n": n}, key=str(n % 17).encode())
    sink.close()


def test_every_message_comes_once_and_in_order_within_its_partition(kafka: str, topic: str) -> None:
    fill(kafka, topic, 3000, partitions=3)
    source = KafkaSource(kafka, [topic], max_messages=70)
    assert source.positions == {(topic, partition): 0 for partition in range(3)}
    messages: list[Message] = []
    while len(messages) < 3000:
        found = source.poll(5.0)
        assert 0 < len(found) <= 70
        messages += found
    assert sorted(values(messages)) == list(range(3000))
    for partition in range(3):
        ours = [message for message in messages if message.partition == partition]
        assert [message.offset for message in ours] == list(range(len(ours)))
        assert values(ours) == sorted(values(ours))
        assert source.positions[topic, partition] == len(ours) > 0
    assert source.lag() == {(topic, partition): 0 for partition in range(3)}
    assert not source.at_end
    source.close()
    source.close()


def test_a_full_partition_does_not_keep_the_others_waiting(kafka: str, topic: str, admin: Any, producer: Any) -> None:
    make(admin, topic, 3)
    source = KafkaSource(kafka, [topic], max_messages=100)
    for _ in range(3000):
        producer.send(topic, value=b"x" * 1000, partition=0)
    for partition in (1, 2):
        producer.send(topic, value=b"y", partition=partition)
    producer.flush()
    seen: list[int] = []
    while len(set(seen)) < 3:
        seen += [message.partition for message in source.poll(5.0)]
    assert seen.count(0) < 2500
    source.close()


def test_seek_goes_on_where_it_says_and_keeps_what_is_not_there_yet(kafka: str, topic: str, admin: Any, producer: Any) -> None:
    fill(kafka, topic, 100)
    source = KafkaSource(kafka, [topic], refresh=0.2)
    source.seek({(topic, 0): 90, (topic, 1): 2})
    assert source.positions == {(topic, 0): 90}
    assert values(read(source, 10)) == list(range(90, 100))
    source.seek({(topic, 0): 40})
    assert values(read(source, 60)) == list(range(40, 100))
    admin.create_partitions({topic: 2})
    admin.wait_for_topics([topic])
    for n in range(5):
        producer.send(topic, value=json.dumps({"n": n}).encode(), partition=1)
    producer.flush()
    assert values(read(source, 3)) == [2, 3, 4]
    assert source.positions == {(topic, 0): 100, (topic, 1): 5}
    source.close()


def test_a_span_is_read_again_without_moving(kafka: str, topic: str) -> None:
    fill(kafka, topic, 1000, partitions=2)
    source = KafkaSource(kafka, [topic], max_messages=100)
    messages = read(source, 1000)
    before = source.positions
    spans = [(0, 10, 11), (0, 11, 250), (1, 0, 150), (0, 250, 300), (1, 150, 151), (1, 20, 20), (0, 0, before[topic, 0])]
    for partition, first, stop in spans:
        again = list(source.span((topic, partition), first, stop))
        assert all(0 < len(part) <= 100 for part in again)
        expected = [message for message in messages if message.partition == partition and first <= message.offset < stop]
        assert [message for part in again for message in part] == expected
    assert source.positions == before
    with pytest.raises(Gone):
        list(source.span((topic, 0), 5, before[topic, 0] + 1))
    source.close()


def test_a_span_whose_beginning_was_deleted_is_gone(kafka: str, topic: str, admin: Any) -> None:
    fill(kafka, topic, 100)
    source = KafkaSource(kafka, [topic])
    read(source, 100)
    admin.delete_records({kafka_client.TopicPartition(topic, 0): 30})
    with pytest.raises(Gone, match="offsets 10 to 59"):
        list(source.span((topic, 0), 10, 60))
    assert len([message for part in source.span((topic, 0), 30, 60) for message in part]) == 30
    source.close()


def test_what_is_deleted_under_the_reader_is_told_and_the_rest_is_read(kafka: str, topic: str, admin: Any) -> None:
    fill(kafka, topic, 100)
    told: list[tuple[Partition, int, int]] = []
    source = KafkaSource(kafka, [topic], on_lost=lambda *what: told.append(what))
    admin.delete_records({kafka_client.TopicPartition(topic, 0): 30})
    source.seek({(topic, 0): 10})
    assert values(read(source, 70)) == list(range(30, 100))
    assert told == [((topic, 0), 10, 30)]
    assert source.lost == 20
    source.close()


def test_a_position_beyond_the_end_is_not_what_was_deleted(kafka: str, topic: str, admin: Any) -> None:
    fill(kafka, topic, 100)
    told: list[tuple[Partition, int, int]] = []
    source = KafkaSource(kafka, [topic], on_lost=lambda *what: told.append(what))
    source.seek({(topic, 0): 5000})
    with pytest.raises(Gone, match=r"partition 0 of .* ends at offset 100, and 5000 is the next one"):
        read(source, 1)
    assert (told, source.lost) == ([], 0)
    source.close()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (kafka_client.errors.InvalidTopicError("bad"), Unreachable),
        (kafka_client.errors.TopicAuthorizationFailedError("t"), PermissionError),
        (kafka_client.errors.CorruptRecordError("t"), OSError),
        (kafka_client.errors.SaslAuthenticationFailedError("t"), PermissionError),
        (kafka_client.errors.UnsupportedCodecError("no library for zstd"), SourceError),
    ],
)
def test_errors_of_the_client_are_told_as_those_of_a_source(error: Exception, expected: type[Exception]) -> None:
    class Consumer:
        def poll(self, **options: Any) -> None:
            raise error

    source = object.__new__(KafkaSource)
    with pytest.raises(expected):
        source._poll_client(Consumer(), 0.0, 1)


def test_a_log_whose_end_was_cut_off_is_told() -> None:
    place = kafka_client.TopicPartition("t", 3)

    class Consumer:
        def poll(self, **options: Any) -> None:
            raise kafka_client.errors.LogTruncationError({place: 9}, {place: None})

    source = object.__new__(KafkaSource)
    source._positions, source._max_messages = {("t", 3): 9}, 10
    with pytest.raises(Gone, match="partition 3 of t"):
        source._fetch(Consumer(), 0.0)


def test_a_pattern_takes_topics_that_appear_later(kafka: str, topic: str) -> None:
    fill(kafka, f"{topic}-a", 10)
    fill(kafka, f"other-{topic}-a", 10)
    source = KafkaSource(kafka, pattern=f"{topic}-[ab]", start="latest", refresh=0.2)
    assert source.positions == {(f"{topic}-a", 0): 10}
    fill(kafka, f"{topic}-b", 5)
    assert sorted(values(read(source, 5))) == list(range(5))
    assert set(source.positions) == {(f"{topic}-a", 0), (f"{topic}-b", 0)}
    source.close()
    nothing = KafkaSource(kafka, pattern=f"{topic}-none", refresh=0.2)
    assert nothing.poll(0.05) == []
    assert nothing.lag() == {}
    nothing.close()


def test_a_topic_that_does_not_exist_is_an_error(kafka: str, topic: str, admin: Any) -> None:
    with pytest.raises(LookupError, match=topic):
        KafkaSource(kafka, [topic])
    assert topic not in admin.list_topics()


def test_start_by_latest_and_by_time(kafka: str, topic: str, admin: Any, producer: Any) -> None:
    make(admin, topic, 2, **_KEEP_OLD)
    for n in range(10):
        producer.send(topic, value=json.dumps({"n": n}).encode(), partition=0, timestamp_ms=1_700_000_000_000 + 1000 * n)
    producer.flush()
    source = KafkaSource(kafka, [topic], start=1_700_000_006.5)
    messages = read(source, 3)
    assert values(messages) == [7, 8, 9]
    assert [message.timestamp for message in messages] == [1_700_000_007.0, 1_700_000_008.0, 1_700_000_009.0]
    source.close()
    late = KafkaSource(kafka, [topic], start=1_800_000_000.0)
    assert late.positions == {(topic, 0): 10, (topic, 1): 0}
    late.close()
    latest = KafkaSource(kafka, [topic], start="latest")
    assert latest.poll(0.2) == []
    producer.send(topic, value=b'{"n": 10}', partition=1).get(10)
    assert values(read(latest, 1)) == [10]
    latest.close()


def test_after_a_restart_a_partition_that_is_new_is_read_from_its_beginning(kafka: str, topic: str) -> None:
    fill(kafka, topic, 20, partitions=2)
    source = KafkaSource(kafka, [topic], start="latest")
    source.seek({(topic, 0): source.positions[topic, 0]})
    assert source.positions[topic, 1] == 0
    assert source.positions[topic, 0] > 0
    source.close()


def test_after_a_restart_a_topic_that_is_new_is_read_from_its_beginning(kafka: str, topic: str) -> None:
    fill(kafka, f"{topic}-a", 10)
    before = KafkaSource(kafka, pattern=f"{topic}-[ab]", start="latest")
    positions = before.positions
    before.close()
    fill(kafka, f"{topic}-b", 5)
    for known in (positions, {}):
        source = KafkaSource(kafka, pattern=f"{topic}-[ab]", start="latest")
        source.seek(known)
        assert source.positions == {(f"{topic}-a", 0): 10 if known else 0, (f"{topic}-b", 0): 0}
        source.close()


def test_tombstones_keys_headers_and_ten_megabytes(kafka: str, topic: str, admin: Any, producer: Any) -> None:
    make(admin, topic, **_KEEP_OLD)
    huge = b"[" + b"7" * 10_000_000 + b"]"
    producer.send(topic, key=b"k", value=None, timestamp_ms=1_700_000_000_123)
    producer.send(topic, value=b"{}", headers=[("h", b"\xff"), ("h", b"2")])
    producer.send(topic, value=huge)
    producer.send(topic, value=b"")
    producer.flush()
    source = KafkaSource(kafka, [topic], max_bytes=10_000)
    first, second, third, fourth = read(source, 4)
    assert first == Message(topic, 0, 0, None, 1_700_000_000.123, b"k")
    assert (second.key, second.value) == (None, b"{}")
    assert type(second.value) is bytes
    assert third.value == huge
    assert fourth.value == b""
    assert [m.value for part in source.span((topic, 0), 2, 3) for m in part] == [huge]
    source.close()


def sink_for(address: str, topic: str, **options: Any) -> KafkaSink:
    return KafkaSink(address, topic, f"{topic}-dead", transactional_id=f"id-{topic}", **options)


def test_only_what_is_committed_is_seen_and_the_number_is_found_again(kafka: str, topic: str, admin: Any) -> None:
    fill(kafka, f"{topic}-in", 10, partitions=2)
    sink = sink_for(kafka, topic, group=f"g-{topic}")
    assert sink.committed() is None
    source = KafkaSource(kafka, [topic, f"{topic}-dead"])
    sink.begin()
    sink.write({"n": 0}, key=b"k")
    sink.write_dead({"n": -1, "raw": "x"}, key=b"d")
    sink.abort()
    sink.begin()
    sink.write({"n": 1}, key=b"k")
    sink.write_dead({"n": 2}, key=b"d")
    assert source.poll(0.3) == []
    sink.commit(7, {(f"{topic}-in", 0): 3, (f"{topic}-in", 1): 4})
    messages = read(source, 2)
    assert sorted((message.topic, json.loads(message.value or b"")["n"], message.key) for message in messages) == [
        (topic, 1, b"k"),
        (f"{topic}-dead", 2, b"d"),
    ]
    sink.begin()
    sink.commit(9, {(f"{topic}-in", 1): 6})
    assert committed_soon(sink, 9) == 9
    offsets = admin.list_group_offsets([f"g-{topic}"])[f"g-{topic}"]
    assert {(place.partition, mark.offset, mark.metadata) for place, mark in offsets.items()} == {
        (0, 3, f"ihomer:id-{topic}:7"),
        (1, 6, f"ihomer:id-{topic}:9"),
    }
    sink.close()
    sink.close()
    again = KafkaSource(kafka, [f"{topic}-in"], group=f"g-{topic}", from_group=True)
    assert again.positions == {(f"{topic}-in", 0): 3, (f"{topic}-in", 1): 6}
    again.close()
    source.close()


def test_runs_that_share_a_group_find_their_own_numbers_again(kafka: str, topic: str, admin: Any) -> None:
    fill(kafka, f"{topic}-in", 10)
    sinks = [KafkaSink(kafka, topic, transactional_id=f"{topic}-{run}", run=run, group=f"g-{topic}") for run in ("a", "b")]
    for number, sink in enumerate(sinks, 1):
        sink.begin()
        sink.commit(number, {(f"{topic}-in", 0): 5 * number})
    assert [committed_soon(sink, number) for number, sink in enumerate(sinks, 1)] == [1, 2]
    (mark,) = admin.list_group_offsets([f"g-{topic}"])[f"g-{topic}"].values()
    assert mark.offset == 10
    for sink in sinks:
        sink.close()


def test_a_number_that_an_earlier_version_left_in_the_group_is_found(kafka: str, topic: str) -> None:
    fill(kafka, f"{topic}-in", 10)
    place = kafka_client.TopicPartition(f"{topic}-in", 0)
    consumer = kafka_client.KafkaConsumer(bootstrap_servers=kafka, group_id=f"g-{topic}")
    consumer.commit({place: kafka_client.structs.OffsetAndMetadata(7, "ihomer:mine:123", -1)})
    consumer.close()
    for run, number in (("mine", 123), ("other", None)):
        sink = KafkaSink(kafka, topic, transactional_id=f"{topic}-{run}", run=run, group=f"g-{topic}")
        assert sink.committed() == number
        sink.close()


def test_the_mark_of_a_file_and_of_another_run(kafka: str, topic: str) -> None:
    sink = sink_for(kafka, topic, run="a:b", mark="sink")
    sink.begin()
    sink.write({"n": 1})
    sink.commit(12, {("events.jsonl", 0): 345})
    sink.close()
    other = sink_for(kafka, topic, run="a", mark="sink")
    assert other.committed() is None
    other.close()
    same = sink_for(kafka, topic, run="a:b", mark="sink")
    assert same.committed() == 12
    same.close()


def test_the_older_of_two_sinks_is_fenced(kafka: str, topic: str) -> None:
    older = sink_for(kafka, topic, mark="sink")
    older.begin()
    older.write({"n": 1})
    older.commit(1, {})
    older.begin()
    older.write({"n": 2})
    newer = sink_for(kafka, topic, mark="sink")
    assert newer.committed() == 1
    with pytest.raises(Fenced):
        older.commit(2, {})
    newer.begin()
    newer.write({"n": 3})
    newer.commit(2, {})
    older.begin()
    with pytest.raises(Fenced):
        older.commit(3, {})
    source = KafkaSource(kafka, [topic])
    assert values(read(source, 2)) == [1, 3]
    for one in (older, newer, source):
        one.close()


def test_a_sink_that_was_killed_in_mid_transaction_leaves_nothing(kafka: str, topic: str) -> None:
    program = (
        "import os, sys\n"
        "from streams.kafka import KafkaSink\n"
        "address, topic = sys.argv[1:]\n"
        "sink = KafkaSink(address, topic, transactional_id='id-' + topic, mark='sink')\n"
        "sink.begin(); sink.write({'n': 1}); sink.commit(1, {})\n"
        "producer = sink._producer\n"
        "producer.begin_transaction(); producer.send(topic, value=b'{\"n\": 2}'); producer.flush()\n"
        "producer.send_offsets_to_transaction(sink._offsets(2, {}), sink._own_group)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, kafka, topic], timeout=60, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == -9, ended.stderr
    source = KafkaSource(kafka, [topic])
    sink = sink_for(kafka, topic, mark="sink")
    assert sink.committed() == 1
    sink.begin()
    sink.write({"n": 3})
    sink.commit(2, {})
    assert values(read(source, 2)) == [1, 3]
    sink.close()
    source.close()


def test_a_record_that_is_too_large_is_refused_before_anything_is_sent(kafka: str, topic: str, admin: Any) -> None:
    make(admin, topic, **{"max.message.bytes": "100000"})
    make(admin, f"{topic}-dead", **{"max.message.bytes": "100000"})
    sink = sink_for(kafka, topic, mark="sink")
    sink.begin()
    sink.write({"n": 1, "raw": "x" * 99_000})
    with pytest.raises(ValueError, match="larger than topic"):
        sink.write({"n": 2, "raw": "x" * 100_000})
    with pytest.raises(ValueError, match="larger than topic"):
        sink.write({"n": 2}, key=b"x" * 100_000)
    with pytest.raises(ValueError, match="nan"):
        sink.write({"n": float("nan")})
    for n in range(1000):
        sink.write({"n": n, "raw": "x" * 1000})
    sink.write_dead({"n": 3, "raw": "\x00\U0001f600" * 100_000}, key=b"k" * 100_000)
    sink.commit(1, {})
    source = KafkaSource(kafka, [topic])
    assert values(read(source, 1001)) == [1, *range(1000)]
    dead = KafkaSource(kafka, [f"{topic}-dead"])
    (message,) = read(dead, 1)
    record = json.loads(message.value or b"")
    assert record["raw_length"] == 200_000
    assert record["raw"].startswith("\x00\U0001f600")
    assert message.key is None
    for one in (sink, source, dead):
        one.close()


def test_a_dead_letter_is_cut_until_it_fits(kafka: str, topic: str, admin: Any) -> None:
    make(admin, f"{topic}-dead", **{"max.message.bytes": "20000"})
    sink = sink_for(kafka, topic, mark="sink")
    sink.begin()
    place = {"topic": topic, "partition": 0, "offset": 7}
    sink.write_dead({"source": place, "error": "json", "message": "m" * 30_000, "raw": "r" * 9})
    sink.write_dead({"source": place, "error": "json", "message": "m", "raw": "r" * 30_000, "raw_length": 90_000})
    name = b"\x7f" * 300_000
    for value in (b'{"x":{"%b":1,"%b":2}}' % (name, name), b'{"x":{},"%b":1}' % name):
        Answering(MajorityLabelset()).take([Message(topic, 0, 7, value)], sink)
    sink.commit(1, {})
    dead = KafkaSource(kafka, [f"{topic}-dead"])
    first, second, third, fourth = (json.loads(message.value or b"") for message in read(dead, 4))
    assert first == {"source": place, "error": "json", "raw_length": 9}
    assert (second["message"], second["raw_length"]) == ("m", 90_000)
    for record, length, code in ((third, 600_017, "duplicate"), (fourth, 300_013, "field")):
        assert (record["error"], record["source"], record["raw_length"]) == (code, place, length)
        assert len(record["message"]) == 500
    for one in (sink, dead):
        one.close()


def test_a_topic_that_has_no_room_for_any_dead_letter_is_refused(kafka: str, topic: str, admin: Any) -> None:
    make(admin, f"{topic}-dead", **{"max.message.bytes": "4000"})
    with pytest.raises(SinkError, match=r"max\.message\.bytes of 8704 or more"):
        sink_for(kafka, topic)


def test_transactions_are_begun_and_ended_in_turn(kafka: str, topic: str) -> None:
    sink = KafkaSink(kafka, topic, transactional_id=topic, mark="sink")
    with pytest.raises(RuntimeError):
        sink.commit(1, {})
    with pytest.raises(RuntimeError):
        sink.write({"n": 1})
    sink.abort()
    sink.begin()
    sink.write_dead({"n": 1})
    with pytest.raises(RuntimeError):
        sink.begin()
    sink.commit(1, {})
    assert committed_soon(sink, 1) == 1
    sink.close()


def test_a_transaction_is_filled_while_the_one_before_is_committed(kafka: str, topic: str) -> None:
    sink = sink_for(kafka, topic, mark="sink")
    source = KafkaSource(kafka, [topic])
    sink.settle()
    for number in range(1, 6):
        sink.begin()
        for _ in range(number * 100):
            sink.write({"n": number})
        if number > 1:
            with pytest.raises(RuntimeError, match="not settled"):
                sink.start_commit(number, {})
        sink.settle()
        assert sink.is_settled
        assert committed_soon(sink, number - 1 or None) == (number - 1 or None)
        sink.start_commit(number, {})
    sink.settle()
    assert values(read(source, 1500)) == [number for number in range(1, 6) for _ in range(number * 100)]
    assert committed_soon(sink, 5) == 5
    sink.close()
    source.close()


# Killed in mid-commit the broker keeps the client waiting for a minute: `python -m benchmarks.kills` does that.
def test_a_broker_that_is_restarted_loses_and_doubles_nothing(own_broker: Broker) -> None:
    fill(own_broker.address, "in", 300)
    source = KafkaSource(own_broker.address, ["in"], max_messages=10)
    sink = KafkaSink(own_broker.address, "out", transactional_id="id", settings={"request_timeout_ms": 2000})
    assert sink.committed() is None
    done: list[int] = []
    breaker = threading.Thread(target=lambda: (until(lambda: len(done) > 100), own_broker.restart()))
    breaker.start()
    while len(done) < 600:
        found = values(source.poll(0.5))
        if found:
            sink.begin()
            for n in found:
                sink.write({"n": n})
            done += found
            sink.commit(len(done), source.positions)
        if len(done) == 300 and not breaker.is_alive():
            own_broker.restart()
            fill(own_broker.address, "in", 300, first=300)
    breaker.join()
    assert done == list(range(600))
    assert committed_soon(sink, 600) == 600
    out = KafkaSource(own_broker.address, ["out"])
    assert values(read(out, 600)) == list(range(600))
    impatient = KafkaSource(own_broker.address, ["out"], start="latest", patience=1.5)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert impatient.poll(0.1) == []
    own_broker.stop()
    with pytest.raises(Unreachable):
        read(impatient, 1)
    impatient.close()
    for one in (source, sink, out):
        one.close()


def test_who_is_not_there_is_unreachable() -> None:
    settings = {"bootstrap_timeout_ms": 500}
    for address in ("127.0.0.1:1", "no-such-host.invalid:9092"):
        with pytest.raises(Unreachable):
            KafkaSource(address, ["t"], settings=settings)
        with pytest.raises(Unreachable):
            KafkaSink(address, "t", transactional_id="t", settings=settings)
        with pytest.raises(Unreachable):
            KafkaEventSink(address, "t", settings=settings)


@pytest.mark.parametrize("patience", [0.0, 600.0])
def test_who_is_to_end_waits_for_kafka_no_longer(monkeypatch: pytest.MonkeyPatch, patience: float) -> None:
    monkeypatch.setattr("streams.kafka_client.STOPPING", 0.3)
    start = time.monotonic()
    with pytest.raises(Unreachable, match=r"0\.3 s"):
        Call(lambda: time.sleep(30.0), again=False).result(patience, lambda: time.monotonic() > start + 0.5)
    assert time.monotonic() < start + 20.0


def test_a_sink_of_little_patience_is_one_all_the_same(kafka: str, topic: str) -> None:
    for patience, settings in ((2.0, {}), (9.0, {"request_timeout_ms": 20_000, "linger_ms": 50})):
        sink = sink_for(kafka, topic, mark="sink", patience=patience, settings=settings)
        sink.begin()
        sink.commit(1, {})
        sink.close()
