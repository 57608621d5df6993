"""What a live run costs around the learner, how fast it is back, and whether it stays as it is for a long time.

    python -m benchmarks.live throughput --write         # about four minutes
    python -m benchmarks.live resume --write             # about four minutes
    python -m benchmarks.live poison --write             # about two minutes
    python -m benchmarks.live soak --minutes 30 --write

Each needs Java and Maven, but for `resume`. Events have 100 numbers and 20 labels, of which about three apply.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from kafka import KafkaConsumer, TopicPartition

from benchmarks.common import run_command, write
from benchmarks.kafka_broker import Broker, missing_programs
from benchmarks.speed import run_python
from ihomer import IHOMERClassifier
from ihomer.persistence import open_file
from streams.answering import Answering
from streams.checkpoint import CheckpointFolder
from streams.event import decode_message
from streams.kafka import KafkaEventSink, KafkaSink, KafkaSource
from streams.live import LiveRun, Pace
from streams.logs import make_logger
from streams.message import Message
from streams.service import start_left_alone
from streams.state import state_in_parts, unpack_state
from tests.killing import KeepingSink, read_all
from tests.poison import N_KINDS, mixed_with_poison, outcome_of_poison, write_raw

_IHOMER = [sys.executable, "-c", "from streams.cli import main; main()"]
_EVENTS = 60_000  # starting and connecting take about a second, which must not count much
_MEGABYTES = """
import contextlib, sys
from streams.cli import main
from streams.status import resident_memory
with contextlib.redirect_stdout(sys.stderr):
    main(["evaluate", "--quiet"], standalone_mode=False)
print(resident_memory() / 1e6)
"""
_ROUNDS = 3  # of which the median counts: a busy neighbour must not decide what is compared


def events(n: int, n_features: int = 100, n_labels: int = 20, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield events whose labels depend on a few of their features."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(n_features, n_labels)) * (rng.random((n_features, n_labels)) < 0.1)
    for number in range(n):
        x = rng.normal(size=n_features)
        labels = np.flatnonzero(x @ weights + rng.normal(size=n_labels) * 0.5 > 3.0)
        yield {
            "id": str(number),
            "x": {f"f{j}": round(float(value), 4) for j, value in enumerate(x)},
            "y": [f"l{j}" for j in labels],
        }


class NullSink(KeepingSink):
    """Takes transactions and keeps nothing."""

    def begin(self) -> None:
        """Start a transaction."""

    def write(self, record: dict[str, Any], key: bytes | None = None) -> None:
        """Drop a prediction."""

    def start_commit(self, number: int, positions: Any) -> None:
        """Do nothing."""

    is_settled = True

    def settle(self) -> None:
        """Do nothing."""

    def committed(self) -> None:
        """Return None."""

    def close(self) -> None:
        """Do nothing."""


def rate(run: Callable[[], int]) -> float:
    """Return how many events a second a run deals with, which returns their number."""
    start = time.perf_counter()
    return run() / (time.perf_counter() - start)


def bare_client(address: str) -> int:
    """Consume with nothing but the client."""
    consumer = KafkaConsumer(bootstrap_servers=address, group_id=None, max_poll_records=1000)
    partitions = [TopicPartition("events", p) for p in sorted(consumer.partitions_for_topic("events"))]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    n = 0
    while n < _EVENTS:
        n += sum(map(len, consumer.poll(timeout_ms=500).values()))
    consumer.close()
    return n


def through_source(address: str, each: Callable[[Message], object]) -> int:
    """Consume through `KafkaSource`, and do something with each message."""
    source = KafkaSource([address], ["events"])
    n = 0
    while n < _EVENTS:
        for message in source.poll(0.5):
            each(message)
            n += 1
    source.close()
    return n


def live(address: str, folder: Path | None, with_sink: bool) -> int:
    """Go through all events with a `LiveRun`."""

    def open_sink(run: str) -> Any:
        if with_sink:
            return KafkaSink([address], "answers", transactional_id=f"ihomer-{run}")
        return NullSink()

    run = LiveRun(
        None if folder is None else CheckpointFolder(folder),
        lambda: KafkaSource([address], ["events"]),
        open_sink,
        lambda: Answering(IHOMERClassifier()),
        Pace(checkpoint_seconds=5.0, max_messages=_EVENTS),
        make_logger(level="error"),
    )
    with start_left_alone():
        run.run(lambda: False)
    return run.answering.n_read


def measure_throughput() -> dict[str, Any]:
    """Measure each layer over the same events in the same run."""
    with Broker() as broker, tempfile.TemporaryDirectory() as folder:
        sink = KafkaEventSink([broker.address], "events", partitions=3)
        for record in events(_EVENTS):
            sink.write(record, record["id"].encode())
        sink.close()
        messages = read_all(broker.address, "events")
        said: list[Any] = [decode_message(message.value or b"") for message in messages]
        warm = IHOMERClassifier()
        warm.answer_many([event.x for event in said[:600]], [sorted(event.y) for event in said[:600]], 5)

        def learner() -> int:
            model = IHOMERClassifier()
            for start in range(0, len(said), 1000):
                some = said[start : start + 1000]
                model.answer_many([event.x for event in some], [sorted(event.y) for event in some], 5)
            return len(said)

        def decode_and_encode(message: Message) -> None:
            event: Any = decode_message(message.value or b"")
            warm._encoder.check(event.x)

        address = broker.address
        steps: dict[str, Callable[[], int]] = {
            "bare client": lambda: bare_client(address),
            "source": lambda: through_source(address, lambda message: None),
            "source and decode": lambda: through_source(address, lambda message: decode_message(message.value or b"")),
            "source, decode and encode": lambda: through_source(address, decode_and_encode),
            "learner alone, without Kafka": learner,
            "run with the learner": lambda: live(address, None, with_sink=False),
            "run with transactions and checkpoints": lambda: live(address, Path(tempfile.mkdtemp(dir=folder)), with_sink=True),
        }
        rounds = [{name: rate(step) for name, step in steps.items()} for _ in range(_ROUNDS)]
    rates = {name: float(np.median([one[name] for one in rounds])) for name in steps}
    learner_seconds = 1.0 / rates["learner alone, without Kafka"]
    around = 1.0 / rates["run with transactions and checkpoints"] - learner_seconds
    return {
        "n_events": _EVENTS,
        "n_rounds": _ROUNDS,
        "bytes_per_event": round(float(np.mean([len(message.value or b"") for message in messages]))),
        "events_per_second": {name: round(value) for name, value in rates.items()},
        "events_per_second_least_and_most": {
            name: [round(min(one[name] for one in rounds)), round(max(one[name] for one in rounds))] for name in steps
        },
        "share_of_bare_client": {name: round(value / rates["bare client"], 3) for name, value in rates.items()},
        "seconds_around_the_learner_over_its_own": round(around / learner_seconds, 3),
    }


def _times(answering: Answering, folder: Path) -> dict[str, float]:
    """Return size and seconds of writing a checkpoint, and of being back from it."""
    store = CheckpointFolder(folder)
    store.take_over()
    start = time.perf_counter()
    content = state_in_parts(answering, {("events", 0): answering.n_read})
    packed = time.perf_counter()
    store.save(answering.n_read, content)
    saved = time.perf_counter()
    with open_file(store.checkpoint_path(store.checkpoints()[0])) as file:
        unpack_state(file, Answering(IHOMERClassifier()))
    back = time.perf_counter()
    store.close()
    return {
        "megabytes": round(sum(map(len, content)) / 1e6, 2),
        "pack_seconds": round(packed - start, 4),
        "write_seconds": round(saved - packed, 4),
        "restore_seconds": round(back - saved, 4),
    }


def measure_resume() -> dict[str, Any]:
    """Measure models of several sizes, and one model after ever more events."""
    result: dict[str, Any] = {"by_size": [], "by_events": []}
    for n_features, n_labels in ((4, 3), (500, 60), (3000, 110)):
        answering = Answering(IHOMERClassifier())
        records = events(300, n_features, n_labels)
        answering.model.learn_many(*zip(*(({**r["x"]}, r["y"]) for r in records), strict=True))
        with tempfile.TemporaryDirectory() as folder:
            result["by_size"].append({"features": n_features, "labels": n_labels, **_times(answering, Path(folder))})
        print(result["by_size"][-1], flush=True)
    answering = Answering(IHOMERClassifier())
    some = [(r["x"], r["y"]) for r in events(20_000, 8, 5)]
    x, y = [pair[0] for pair in some], [pair[1] for pair in some]
    for n_events in (10_000, 100_000, 1_000_000):
        while answering.n_read < n_events:
            start = answering.n_read % len(x)
            answering.model.learn_many(x[start : start + 10_000], y[start : start + 10_000])
            answering.n_read += 10_000
        with tempfile.TemporaryDirectory() as folder:
            result["by_events"].append({"events": n_events, **_times(answering, Path(folder))})
        print(result["by_events"][-1], flush=True)
    return result


def _run_arguments(address: str, folder: str, *more: str) -> list[str]:
    cluster = f"kafka://{address}"
    ends = ["--source", f"{cluster}/events", "--sink", f"{cluster}/events-answers", "--dead-letter", f"{cluster}/events-dead"]
    return [*_IHOMER, "run", *ends, "--checkpoint", folder, *more]


def measure_poison() -> dict[str, Any]:
    """Mix 1,000 malformed messages of many kinds with 10,000 good ones."""
    with Broker() as broker, tempfile.TemporaryDirectory() as folder:
        values, codes = mixed_with_poison(10_000)
        write_raw(broker.address, "events", values)
        done = subprocess.run(_run_arguments(broker.address, folder, "--idle-exit", "5"), capture_output=True, text=True)
        found = outcome_of_poison(broker.address, "events", values, codes)
    return {"good": 10_000, "malformed": len(codes), "kinds": N_KINDS, "exit_code": done.returncode, **found}


def measure_soak(minutes: float) -> dict[str, Any]:
    """Run at full rate for some time; watch the memory, and count what comes out.

    The kernels are compiled before, by another process: the one that compiles holds more for as long as it lives.
    """
    with Broker() as broker, tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as cache:
        (compiled,), (loaded,) = run_python(_MEGABYTES, cache), run_python(_MEGABYTES, cache)
        generate = ["generate", "--to", f"kafka://{broker.address}/events", "--partitions", "3", "--quiet"]
        producer = subprocess.Popen([*_IHOMER, *generate, "--events", "1000000000", "--late-share", "0.02", "--rate", "4000"])
        time.sleep(5.0)
        arguments = _run_arguments(broker.address, folder, "--every", "20s")
        run = subprocess.Popen(arguments, env={**os.environ, "NUMBA_CACHE_DIR": cache}, stderr=subprocess.DEVNULL)
        watched, samples, start = psutil.Process(run.pid), [], time.monotonic()
        try:
            while time.monotonic() - start < 60.0 * minutes:
                time.sleep(5.0)
                if run.poll() is not None:
                    raise RuntimeError(f"the run ended with {run.returncode}")
                samples.append((time.monotonic() - start, watched.memory_info().rss / 1e6))
            run.terminate()
            code = run.wait(120)
        finally:
            producer.terminate()
            producer.wait()
            run.kill()
        shown = subprocess.run([*_IHOMER, "inspect", folder, "--json"], capture_output=True, text=True, check=True).stdout
        answers = _count_answers(broker.address)
    import json

    counts = json.loads(shown)["counts"]
    seconds, megabytes = np.array(samples).T
    later = seconds > seconds[-1] / 3
    slope = np.polyfit(seconds[later] / 3600, megabytes[later], 1)[0]
    return {
        "minutes": minutes,
        "exit_code": code,
        "messages": counts["n_read"],
        "messages_per_second": round(counts["n_read"] / float(seconds[-1])),
        "events_predicted": counts["n_predicted"],
        "answers": answers[0],
        "answered_twice": answers[0] - answers[1],
        "megabytes_at_a_third": round(float(megabytes[later][0]), 1),
        "megabytes_at_the_end": round(float(megabytes[-1]), 1),
        "megabytes_most": round(float(megabytes.max()), 1),
        "slope_megabytes_per_hour": round(float(slope), 2),
        "more_megabytes_where_kernels_are_compiled": round(compiled - loaded, 1),
        "samples": [[round(float(s)), round(float(m), 1)] for s, m in samples[:: max(1, len(samples) // 60)]],
    }


def _count_answers(address: str) -> tuple[int, int]:
    """Return how many answers there are, and to how many events."""
    import msgspec

    class Answer(msgspec.Struct):
        source: dict[str, str | int]

    decode = msgspec.json.Decoder(Answer).decode
    n, places = 0, set()
    source = KafkaSource([address], ["events-answers"])
    idle = 0
    while idle < 10:
        messages = source.poll(0.5)
        idle = 0 if messages else idle + 1
        for message in messages:
            place = decode(message.value or b"").source
            places.add((place["partition"], place["offset"]))
            n += 1
    source.close()
    return n, len(places)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("throughput", "resume", "poison", "soak"))
    parser.add_argument("--minutes", type=float, default=30.0, help="of the soak; 30 by default")
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    arguments = parser.parse_args()
    if arguments.what != "resume" and missing_programs():
        parser.error(str(missing_programs()))
    if arguments.what == "soak":
        result = measure_soak(arguments.minutes)
    else:
        result = {"throughput": measure_throughput, "resume": measure_resume, "poison": measure_poison}[arguments.what]()
    for name, value in result.items():
        if name != "samples":
            print(f"{name:40s} {value}")
    if arguments.write:
        write(f"live_{arguments.what}", result)


if __name__ == "__main__":
    run_command(main)
