"""Topics and partitions that are read in the order of time, against a real broker."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kafka_broker import Broker
from streams import kafka_source
from streams.endpoints import parse_endpoint
from streams.errors import SourceError
from streams.kafka import KafkaSource
from streams.live import Pace
from streams.logs import make_logger
from streams.message import Message
from streams.service import ServiceSettings, live_run
from tests.live_parts import read

kafka_client = pytest.importorskip("kafka")

DAY = 86_400.0
BEGIN = 1.7e9  # seconds since 1970


def make(admin: Any, **partitions: int) -> None:
    kept = {"retention.ms": "-1"}  # messages of long ago would soon be deleted
    admin.create_topics({topic: {"num_partitions": count, "configs": kept} for topic, count in partitions.items()})
    admin.wait_for_topics(list(partitions))


def send(producer: Any, topic: str, partition: int, times: list[float], value: bytes = b"{}") -> None:
    for seconds in times:
        producer.send(topic, value=value, partition=partition, timestamp_ms=int(1000 * seconds))
    producer.flush()


def disorder(messages: list[Message]) -> float:
    latest = worst = 0.0
    for message in messages:
        assert message.timestamp is not None
        latest = max(latest, message.timestamp)
        worst = max(worst, latest - message.timestamp)
    return worst


@pytest.mark.parametrize("max_messages", [70, 1000])
def test_what_was_there_comes_in_the_order_of_time(
    kafka: str, topic: str, admin: Any, producer: Any, max_messages: int
) -> None:
    rare = f"{topic}-rare"
    make(admin, **{topic: 3, rare: 1})
    for partition in range(3):
        send(producer, topic, partition, [BEGIN + 10.0 * n + partition for n in range(2000)], b"x" * 400)
    send(producer, rare, 0, [BEGIN + 500.0 * n for n in range(40)])
    source = KafkaSource(kafka, [topic, rare], max_messages=max_messages)
    messages = read(source, 6040)
    assert len(messages) == 6040
    assert disorder(messages) <= 1.0
    for place in [(topic, 0), (topic, 1), (topic, 2), (rare, 0)]:
        offsets = [message.offset for message in messages if (message.topic, message.partition) == place]
        assert offsets == list(range(len(offsets)))
        assert source.positions[place] == len(offsets)
    assert set(source.lag().values()) == {0}
    source.close()


def test_positions_and_lag_are_of_what_was_given_out(kafka: str, topic: str, admin: Any, producer: Any) -> None:
    make(admin, **{topic: 2})
    send(producer, topic, 0, [BEGIN + n for n in range(0, 100, 2)])
    send(producer, topic, 1, [BEGIN + 40.0 + n for n in range(1, 100, 2)])
    source = KafkaSource(kafka, [topic], max_messages=7)
    first = read(source, 7)
    given = len(first)
    assert [(message.partition, message.offset) for message in first] == [(0, n) for n in range(given)]
    assert source.positions == {(topic, 0): given, (topic, 1): 0}
    assert source.lag() == {(topic, 0): 50 - given, (topic, 1): 50}
    assert not source.is_read_up(0.0)
    rest = read(source, 100 - given)
    assert sorted(message.offset for message in first + rest) == sorted([*range(50)] * 2)
    source.close()


def test_seek_takes_back_what_waits(kafka: str, topic: str, admin: Any, producer: Any) -> None:
    make(admin, **{topic: 2})
    for partition in range(2):
        send(producer, topic, partition, [BEGIN + 10.0 * n + partition for n in range(100)])
    source = KafkaSource(kafka, [topic], max_messages=10)
    calm = read(source, 200)
    source.seek({(topic, 0): 0, (topic, 1): 0})
    assert read(source, 30)[:30] == calm[:30]
    source.seek({(topic, 0): 20, (topic, 1): 40})
    expected = [message for message in calm if message.offset >= (20, 40)[message.partition]]
    assert read(source, 140) == expected
    source.close()


def test_one_that_is_read_up_keeps_nobody_waiting(kafka: str, topic: str, admin: Any, producer: Any) -> None:
    make(admin, **{topic: 3})
    send(producer, topic, 0, [BEGIN, BEGIN + 1e5])
    source = KafkaSource(kafka, [topic])
    assert len(read(source, 2, 5.0)) == 2
    send(producer, topic, 1, [BEGIN + 2e5])
    send(producer, topic, 0, [BEGIN + 5.0])
    begun = time.monotonic()
    assert len(read(source, 2, 5.0)) == 2
    assert time.monotonic() - begun < 2.0
    source.close()


def test_one_that_gives_nothing_is_waited_for_a_while_only(
    kafka: str, topic: str, admin: Any, producer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_source, "_LONGEST_BEHIND", 3.0)
    monkeypatch.setattr(kafka_source, "_BREATH", 100.0)  # Kafka is not asked for the ends of partitions meanwhile
    make(admin, **{topic: 2})
    send(producer, topic, 0, [BEGIN + 10.0 * n for n in range(30)])
    send(producer, topic, 1, [BEGIN + 100.0])
    source = KafkaSource(kafka, [topic], max_messages=3)
    source._ends[topic, 1] = 3  # as if Kafka had two more there, and their broker were away
    assert [message.offset for message in read(source, 12)] == [*range(11), 0]
    begun = time.monotonic()
    assert source.poll(0.1) == []
    assert [message.offset for message in read(source, 19)] == [*range(11, 30)]
    assert 2.5 < time.monotonic() - begun < 20.0
    send(producer, topic, 1, [BEGIN + 500.0])
    send(producer, topic, 0, [BEGIN + 600.0])
    assert [(message.partition, message.offset) for message in read(source, 1)] == [(1, 1)]
    assert [(message.partition, message.offset) for message in read(source, 1)] == [(0, 30)]
    source.close()


def test_the_client_unpacks_no_more_at_once_than_a_poll_gives(kafka: str, topic: str, admin: Any) -> None:
    make(admin, **{topic: 3})
    packing = kafka_client.KafkaProducer(bootstrap_servers=kafka, linger_ms=100, compression_type="gzip")
    for partition in range(3):
        send(packing, topic, partition, [BEGIN + 10.0 * n + partition for n in range(1000)])
    packing.close()
    source = KafkaSource(kafka, [topic], max_messages=100)
    poll, counts = source._consumer.poll, []

    def counted(**options: Any) -> Any:
        found = poll(**options)
        counts.append(sum(map(len, found.values())))
        return found

    source._consumer.poll = counted
    messages = read(source, 3000)
    assert disorder(messages) <= 1.0
    assert sum(counts) == len(messages) == 3000
    assert max(counts) == 100
    source.close()


def test_an_error_behind_messages_that_wait_is_told(
    kafka: str, topic: str, admin: Any, producer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(admin, **{topic: 2})
    send(producer, topic, 0, [BEGIN + n for n in range(3000)], b"x" * 400)
    send(producer, topic, 1, [BEGIN + 2500.0])
    packing = kafka_client.KafkaProducer(bootstrap_servers=kafka, compression_type="gzip")
    send(packing, topic, 1, [BEGIN + 2e4], b"x" * 400)
    packing.close()
    monkeypatch.setattr("kafka.codec.has_gzip", lambda: False)
    source = KafkaSource(kafka, [topic])
    with pytest.raises(SourceError, match="compression that cannot be read"):
        read(source, 3002, 5.0)
    source.close()


def test_while_kafka_is_away_the_order_is_kept(own_broker: Broker, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_source, "_LONGEST_BEHIND", 2.5)
    monkeypatch.setattr(kafka_source, "_MOMENT", 2.0)
    with kafka_client.KafkaAdminClient(bootstrap_servers=own_broker.address) as admin:
        make(admin, **{topic: 2})
    with kafka_client.KafkaProducer(bootstrap_servers=own_broker.address, linger_ms=5) as producer:
        for partition in range(2):
            times = [BEGIN + 100.0 * n + 40.0 * partition for n in range(3000)]
            send(producer, topic, partition, times, b"x" * 300 * (1 + partition))
    source = KafkaSource(own_broker.address, [topic], max_messages=100)
    messages = read(source, 100)
    own_broker.pause()
    messages += read(source, 6000, 5.0)
    own_broker.go_on()
    assert len(messages) < 6000
    messages += read(source, 6000 - len(messages))
    assert len(messages) == 6000
    assert disorder(messages) <= 1.0
    source.close()


def test_what_was_deleted_while_older_messages_wait_is_left_out(kafka: str, topic: str, admin: Any, producer: Any) -> None:
    make(admin, **{topic: 2})
    send(producer, topic, 0, [BEGIN + 100.0 + n for n in range(2000)], b"x" * 1000)
    send(producer, topic, 1, [BEGIN + n for n in range(3)])
    lost: list[tuple[Any, int, int]] = []
    source = KafkaSource(kafka, [topic], max_messages=10, on_lost=lambda *of: lost.append(of))
    first = read(source, 10)
    given = len(first) - 3
    expected = [(1, n) for n in range(3)] + [(0, n) for n in range(given)]
    assert [(message.partition, message.offset) for message in first] == expected
    admin.delete_records({kafka_client.TopicPartition(topic, 0): 1900})
    rest = []
    while source.positions[topic, 0] < 2000:
        rest += source.poll(5.0)
    offsets = [message.offset for message in rest]
    assert offsets == sorted(offsets)
    assert offsets[0] == given
    assert offsets[-100:] == [*range(1900, 2000)]
    assert source.lost == sum(stop - start for _, start, stop in lost) == 2000 - given - len(rest) > 0
    source.close()


def test_a_long_backlog_finds_its_labels_in_their_own_topic(
    kafka: str, topic: str, admin: Any, producer: Any, tmp_path: Path
) -> None:
    labels = f"{topic}-labels"
    make(admin, **{topic: 2, labels: 1})
    count, delay = 3000, 60
    for n in range(count):
        at = BEGIN + 30 * DAY * n / count
        value = json.dumps({"id": f"{n}", "x": {"a": n % 7}}).encode()
        producer.send(topic, value=value, partition=n % 2, timestamp_ms=int(1000 * at))
        value = json.dumps({"id": f"{n}", "y": ["rain"] if n % 7 > 2 else ["sun"]}).encode()
        producer.send(labels, value=value, partition=0, timestamp_ms=int(1000 * (at + delay)))
    producer.flush()
    settings = ServiceSettings(
        parse_endpoint(f"kafka://{kafka}/{topic}"),
        parse_endpoint(f"kafka://{kafka}/{topic}-answers"),
        labels=(labels,),
        folder=tmp_path,
        late_longest=2 * DAY,
        pace=Pace(idle_exit=2.0),
    )
    run = live_run(settings, make_logger(level="error"), lambda run: None)
    run.run(lambda: False)
    late = run.answering.late
    assert run.answering.n_learned == count
    assert (late.n_expired, late.n_orphans, late.n_waiting, late.n_early) == (0, 0, 0, 0)
