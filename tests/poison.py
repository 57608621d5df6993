"""Malformed messages of many kinds among good ones, and what has to become of them."""

import json
import random
from collections.abc import Sequence

from streams.kafka import KafkaEventSink
from tests.killing import read_all


def malformed(number: int, rng: random.Random) -> list[tuple[bytes, str]]:
    """Return a message of each malformed kind, with the code that it is to be reported with."""
    x = {"f0": rng.random(), "f1": number}
    good = {"x": x, "y": ["l1"]}
    return [
        (b"not json", "json"),
        (b"", "json"),
        (b'{"x": {"f0": 1}', "json"),
        (json.dumps([good]).encode(), "type"),
        (json.dumps({**good, "x": [1, 2]}).encode(), "type"),
        (b'{"x": {"f0": NaN}, "y": []}', "number"),
        (b'{"x": {"f0": Infinity}, "y": []}', "number"),
        (b'{"x": {"f0": 1, "f0": 2}, "y": []}', "duplicate"),
        (b'{"x": {"f0": 1}, "x": {"f0": 2}, "y": []}', "duplicate"),
        (json.dumps({**good, "id": "a" * 10_000_000}).encode(), "length"),
        (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "type"),
        (json.dumps({**good, "y": [1, 2]}).encode(), "type"),
        (json.dumps({**good, "y": {"l1": "yes"}}).encode(), "type"),
        (json.dumps({"y": ["l1"]}).encode(), "field"),
        (json.dumps({**good, "w": -1.0}).encode(), "weight"),
        (json.dumps({**good, "w": 0}).encode(), "weight"),
        (b'{"x": {"f\xff\xfe": 1}, "y": []}', "encoding"),
        (json.dumps({**good, "z": 1}).encode(), "field"),
        (json.dumps({**good, "x": {"f0": {"deep": 1}}}).encode(), "type"),
        (json.dumps({**good, "x": {**x, "f0": 1e300}}).encode(), "value"),
        (json.dumps({**good, "w": 1e-150}).encode(), "weight"),
        (json.dumps({**good, "w": 1e300}).encode(), "weight"),
        (json.dumps({**good, "y": [f"l{i}" for i in range(1_001)]}).encode(), "label"),
    ]


N_KINDS = len(malformed(0, random.Random(0)))


def mixed_with_poison(n_good: int, seed: int = 0) -> tuple[list[bytes], list[str]]:
    """Return good events with a malformed message after each tenth, and the codes of the latter."""
    rng = random.Random(seed)
    values: list[bytes] = []
    codes: list[str] = []
    for number in range(n_good):
        x = {f"f{j}": round(rng.gauss(0, 1), 4) for j in range(5)}
        values.append(json.dumps({"id": f"e{number}", "x": x, "y": [f"l{int(x['f0'] > 0)}"]}).encode())
        if number % 10 == 0:
            value, code = malformed(number // 10, rng)[number // 10 % N_KINDS]
            values.append(value)
            codes.append(code)
    return values, codes


def write_raw(broker: str, topic: str, values: Sequence[bytes]) -> None:
    """Write bytes as they are."""
    sink = KafkaEventSink([broker], topic, partitions=3)
    try:
        for number, value in enumerate(values):
            sink._futures.append(sink._producer.send(topic, value=value, key=b"%d" % number))
        sink.flush()
    finally:
        sink.close()


def outcome_of_poison(broker: str, topic: str, values: Sequence[bytes], codes: Sequence[str]) -> dict[str, int]:
    """Count answers and dead letters, and those that have not the code or the place that they should have."""
    dead = [json.loads(message.value or b"") for message in read_all(broker, f"{topic}-dead")]
    good = {value for value in values if b'"id": "e' in value}
    expected = dict(zip((value for value in values if value not in good), codes, strict=True))
    places = {(m.partition, m.offset): expected[m.value or b""] for m in read_all(broker, topic) if m.value not in good}
    found = {(letter["source"]["partition"], letter["source"]["offset"]): letter["error"] for letter in dead}
    wrong = len(found.items() ^ places.items())
    answers = [json.loads(message.value or b"")["id"] for message in read_all(broker, f"{topic}-answers")]
    twice = len(answers) - len(set(answers))
    return {"answers": len(answers), "answered_twice": twice, "dead_letters": len(dead), "wrong_code_or_place": wrong}
