"""A live run that is killed again and again, and the proof that nobody can tell from what it leaves behind."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from ihomer import IHOMERClassifier
from streams.answering import Answering
from streams.checkpoint import CheckpointFolder
from streams.message import Message, Positions
from streams.state import pack_state

_ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Lives:
    """How the processes of a run ended."""

    killed_by_time: int = 0
    killed_at_step: int = 0
    came_to_end: int = 0
    errors: list[str] = field(default_factory=list)

    @property
    def n_kills(self) -> int:
        return self.killed_by_time + self.killed_at_step


class KeepingSink:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes | None, dict[str, Any]]] = []
        self.dead: list[tuple[bytes | None, dict[str, Any]]] = []

    def write(self, record: dict[str, Any], key: bytes | None = None) -> None:
        self.records.append((key, record))

    def write_dead(self, record: dict[str, Any], key: bytes | None = None) -> None:
        self.dead.append((key, record))


def read_all(server: str, topic: str) -> list[Message]:
    """Return all messages of a topic that no aborted transaction has written, partition by partition."""
    consumer = KafkaConsumer(bootstrap_servers=server, isolation_level="read_committed", group_id=None)
    try:
        found = []
        for number in sorted(consumer.partitions_for_topic(topic)):
            one = TopicPartition(topic, number)
            consumer.assign([one])
            consumer.seek(one, 0)
            end = consumer.end_offsets([one])[one]
            while (consumer.position(one) or 0) < end:
                for record in consumer.poll(timeout_ms=500).get(one, []):
                    found.append(
                        Message(topic, number, record.offset, record.value, record.timestamp / 1000.0, record.key)
                    )
        return found
    finally:
        consumer.close(autocommit=False)


def run_and_kill(
    arguments: list[str], n_kills: int, seed: int, during: Callable[[int], object] = lambda n_lives: None
) -> Lives:
    """Start `ihomer run` again and again, each time killed: by the clock, or at a step that matters.

    `during` is called while each process runs, with how many there were before it.
    """
    rng = random.Random(seed)
    lives = Lives()
    while lives.n_kills < n_kills:
        at_step = rng.random() < 0.5
        start = [sys.executable, "-m", "tests.dying_run", str(rng.randint(1, 30) if at_step else 0)]
        quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        life = subprocess.Popen([*start, *arguments], cwd=_ROOT, text=True, **quiet)
        during(lives.n_kills + lives.came_to_end)
        killed_by_time = False
        try:
            # By the clock: some die while they start, some while they learn again, most in the midst of work.
            life.wait(12.0 if at_step else rng.uniform(0.5, 5.0))
        except subprocess.TimeoutExpired:
            life.kill()
            killed_by_time = True
        _, told = life.communicate()
        if life.returncode != -signal.SIGKILL:
            lives.came_to_end += 1
            if life.returncode != 0:
                lives.errors.append(told[-2000:])
        elif killed_by_time:
            lives.killed_by_time += 1
        else:
            lives.killed_at_step += 1
    return lives


def undisturbed(folder: Path, events: list[Message]) -> tuple[KeepingSink, bytes]:
    """Return the answers and the checkpoint of one calm pass over the messages, in the order that the journals tell."""
    by_place = {(m.topic, m.partition, m.offset): m for m in events}
    journal = CheckpointFolder(folder)
    order: list[Message] = []
    for reading in journal.readings(0, len(events)):
        for span in reading.spans:
            places = ((*span.where, offset) for offset in range(span.first, span.stop))
            order += [by_place[place] for place in places if place in by_place]
    assert len(order) == len(events), f"the journals tell of {len(order)} messages out of {len(events)}"
    answering, sink = Answering(IHOMERClassifier()), KeepingSink()
    answering.take(order, sink)  # type: ignore[arg-type]
    positions: Positions = {}
    for message in order:
        positions[message.topic, message.partition] = message.offset + 1
    return sink, pack_state(answering, positions)


def differences(server: str, folder: Path, events_topic: str, answers_topic: str, dead_topic: str) -> dict[str, Any]:
    """Compare what a run has left behind with a calm pass over the same messages."""
    events = read_all(server, events_topic)
    answers = [(m.key, json.loads(m.value or b"")) for m in read_all(server, answers_topic)]
    dead = [(m.key, json.loads(m.value or b"")) for m in read_all(server, dead_topic)]
    calm, checkpoint = undisturbed(folder, events)
    places = [tuple(record["source"].values()) for _, record in answers]
    last = CheckpointFolder(folder).checkpoint_path(len(events)).read_bytes()
    return {
        "events": len(events),
        "answers": len(answers),
        "answered_twice": len(places) - len(set(places)),
        "not_answered": len({tuple(r["source"].values()) for _, r in calm.records} - set(places)),
        "answers_that_differ": sum(a != b for a, b in zip(answers, calm.records, strict=False)),
        "dead_letters": len(dead),
        "dead_letters_that_differ": sum(a != b for a, b in zip(dead, calm.dead, strict=False))
        + abs(len(dead) - len(calm.dead)),
        "last_checkpoint_is_equal": last == checkpoint,
    }


def wait_for(predicate: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come about")
        time.sleep(0.05)
