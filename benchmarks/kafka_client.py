"""What the Kafka client costs: events per second of reading and of writing, each step of the way added in turn.

    python -m benchmarks.kafka_client            # about a minute; needs java and mvn, or IHOMER_KAFKA=HOST:PORT
    python -m benchmarks.kafka_client --write    # and write results/kafka_client.json

Events have 100 numeric features and 20 labels, about 2 KB of JSON; broker and client share the machine. Shares are of the bare
client's rate in the same run. `learn` is the default learner, predicting and learning one event at a time.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from benchmarks.common import run_command, write
from benchmarks.kafka_broker import Broker
from ihomer import IHOMERClassifier
from streams.event import Event, Record, Value, decode_event, encode_event
from streams.kafka import KafkaEventSink, KafkaSink, KafkaSource

EVENTS = 20_000
LEARNED = 3_000
BATCH = 1_000
FEATURES, LABELS = 100, 20


def events(count: int) -> Iterator[Event]:
    """Return events whose labels depend on their features."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(FEATURES, LABELS))
    for number in range(count):
        x = rng.normal(size=FEATURES)
        on = x @ weights > 5.0
        features: dict[str, Value] = {f"x{index}": round(float(value), 6) for index, value in enumerate(x)}
        yield Event(features, {f"label {label}": bool(on[label]) for label in range(LABELS)}, id=str(number))


def rate(work: Callable[[], int]) -> float:
    """Return how many events per second `work` handles; it returns how many there were."""
    start = time.perf_counter()
    return work() / (time.perf_counter() - start)


def read_bare(address: str) -> int:
    """Read the topic by the client alone."""
    consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, isolation_level="read_committed")
    consumer.assign([TopicPartition("events", 0)])
    consumer.seek_to_beginning()
    count = 0
    while count < EVENTS:
        count += sum(len(records) for records in consumer.poll(1000, max_records=BATCH).values())
    consumer.close()
    return count


def read(address: str, handle: Callable[[bytes], Any], limit: int = EVENTS) -> int:
    """Read the topic through `KafkaSource`, handing each value on."""
    source = KafkaSource(address, ["events"], max_messages=BATCH)
    count = 0
    while count < limit:
        for message in source.poll(1.0):
            handle(message.value or b"")
            count += 1
    source.close()
    return count


def write_bare(address: str, values: list[bytes]) -> int:
    """Write by the client alone, every record acknowledged at the end."""
    producer = KafkaProducer(bootstrap_servers=address, linger_ms=5, batch_size=1 << 18)
    for value in values:
        producer.send("plain", value=value)
    producer.flush()
    producer.close()
    return len(values)


def write_transactions(address: str, records: list[dict[str, Any]]) -> int:
    """Write through `KafkaSink`, `BATCH` records in a transaction."""
    sink = KafkaSink(address, "predictions", transactional_id="benchmark", mark="sink")
    for first in range(0, len(records), BATCH):
        sink.begin()
        for record in records[first : first + BATCH]:
            sink.write(record)
        sink.commit(first + BATCH, {})
    sink.close()
    return len(records)


def learn(address: str) -> int:
    """Read, decode, predict and learn."""
    model = IHOMERClassifier()

    def handle(raw: bytes) -> None:
        event = decode_event(raw)
        model.predict_proba_one(event.x)
        model.learn_one(event.x, event.y)

    return read(address, handle, LEARNED)


@contextmanager
def broker() -> Iterator[str]:
    """Give the address of the broker that is running, or of one of our own."""
    if address := os.environ.get("IHOMER_KAFKA"):
        yield address
        return
    with Broker() as own:
        yield own.address


def measure(address: str) -> dict[str, float]:
    """Return events per second of each way."""
    sink = KafkaEventSink(address, "events")
    records: list[Record] = [{"id": event.id, "x": event.x, "y": event.y} for event in events(EVENTS)]
    values = [encode_event(Event(record["x"], record["y"], id=record["id"])) for record in records]
    for record in records:
        sink.write(record)
    sink.close()
    KafkaEventSink(address, "plain").close()
    learn(address)  # compiles
    return {
        "bytes of an event": sum(map(len, values)) / len(values),
        "read, client alone": rate(lambda: read_bare(address)),
        "read, KafkaSource": rate(lambda: read(address, len)),
        "read and decode": rate(lambda: read(address, decode_event)),
        "read, decode, predict, learn": rate(lambda: learn(address)),
        "write, client alone": rate(lambda: write_bare(address, values)),
        "write in transactions": rate(lambda: write_transactions(address, records)),
    }


def main() -> None:
    """Measure, print and, if asked, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write results/kafka_client.json")
    arguments = parser.parse_args()
    with broker() as address:
        found = measure(address)
    for name, value in found.items():
        base = found["write, client alone" if name.startswith("write") else "read, client alone"]
        print(f"{name:32} {value:10,.0f}" + ("" if name.startswith("bytes") else f"  {value / base:6.1%}"))
    if arguments.write:
        write("kafka_client", {"events": EVENTS, "learned": LEARNED, "batch": BATCH, "per_second": found})


if __name__ == "__main__":
    run_command(main)
