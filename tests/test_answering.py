"""What a live run makes of its messages is what the rules say, one message after another."""

import json
import random

import pytest

from ihomer import IHOMERClassifier, LabelPartition
from ihomer.metrics import Scoreboard
from ihomer.persistence import KINDS, pack
from streams.answering import Answering
from streams.late import LateStore
from streams.message import Message

TOP = 3


def new_model():
    return IHOMERClassifier(seed=3, clustering=LabelPartition(n_min=20), experts=("frequency", "linear"))


class KeepingSink:
    """Keeps what it is given."""

    def __init__(self):
        self.answers, self.dead = [], []

    def write(self, record, key=None):
        self.answers.append((record, key))

    def write_dead(self, record, key=None):
        self.dead.append((record["source"], record["error"], key))


class OneByOne:
    """The rules: an event is answered when it comes, and learned and scored as soon as its labels are there too."""

    def __init__(self):
        self.model, self.sink = new_model(), KeepingSink()
        self.boards = {name: Scoreboard(window=50) for name in ("model", "baseline")}
        self.previous = set()
        self.waiting, self.early = {}, {}
        self.n_learned = self.n_joined = 0

    def take(self, message):
        said = json.loads(message.value)
        x, y, name, weight = (said.get(part) for part in ("x", "y", "id", "w"))
        if x is None:
            self.take_labels(name, y)
            return
        source = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
        if max((abs(value) for value in x.values() if type(value) is float), default=0.0) > 1e200:  # the model refuses it
            self.sink.dead.append((source, "value", message.key))
            return
        y = self.early.pop(name, None) if y is None else y
        guesses = {"model": self.model.predict_set_one(x), "baseline": self.previous}
        proba = {label: round(p, 6) for label, p in self.model.predict_topk_one(x, TOP)} if self.model.labels else {}
        n_changes = self.model.summary["n_partition_changes"]
        record = {
            "id": name, "source": source, "labels": sorted(guesses["model"]), "proba": proba, "learned": self.n_learned,
            "partition_version": n_changes,
        }  # fmt: skip
        self.sink.write(record, message.key if name is None else name.encode())
        event = x, 1.0 if weight is None else weight, guesses
        if y is not None:
            self.learn(y, *event)
        elif name is not None:
            self.waiting[name] = event

    def take_labels(self, name, y):
        if name in self.waiting:
            self.learn(y, *self.waiting.pop(name))
            self.n_joined += 1
        else:
            self.early[name] = y

    def learn(self, y, x, weight, guesses):
        self.model.learn_one(x, y, weight)
        self.n_learned += 1
        for name, board in self.boards.items():
            board.update(y, guesses[name], None, weight)
        named = y if isinstance(y, dict) else dict.fromkeys(y, True)
        # What was last known of a label that is not observed stands.
        self.previous = {label for label, applies in named.items() if applies or (applies is None and label in self.previous)}


def messages_of(n, seed=0):
    """Events with and without labels, names and weights; labels that come earlier, later and twice; some that are refused."""
    rng = random.Random(seed)
    values, later = [], []
    for number in range(n):
        x = {f"f{j}": round(rng.gauss(0, 1), 3) for j in range(rng.randint(2, 5))} | {"sky": rng.choice(["red", "grey"])}
        y = [f"l{j}" for j in range(5) if rng.random() < (0.7 if x.get("f1", 0) > 0 else 0.1)]
        name, weight = {"id": f"e{number}"}, rng.choice([{}, {"w": 0.25}, {"w": 3.0}])
        kind = rng.randrange(7)
        if kind == 0:
            values.append({"x": x, **weight})
        elif kind == 1:
            values += [{**name, "y": y}, {**name, "x": x, **weight}]
        elif kind == 2:
            values.append({**name, "x": x, **weight})
            later.append({**name, "y": {"l0": "l0" in y, "l1": None, "l2": "l2" in y}})
        elif kind == 3:  # its own labels count, and the early ones go on waiting
            values += [{**name, "y": ["l4"]}, {**name, "x": x, "y": y, **weight}]
        elif kind == 4 and rng.random() < 0.3:
            values.append({"x": {**x, "f0": 1e300}, "y": y, **weight})
        else:
            values.append({"x": x, "y": y, **weight} | rng.choice([{}, name]))
        if later and rng.random() < 0.2:
            values.append(later.pop(rng.randrange(len(later))))
    return [
        Message("t", number % 3, 10 + number, json.dumps(value).encode(), float(number), rng.choice([None, b"k%d" % number]))
        for number, value in enumerate(values)
    ]


@pytest.mark.parametrize("n_at_once", [1, 7, 1000])
def test_messages_are_answered_learned_and_scored_by_the_rules(n_at_once):
    messages, twin, sink = messages_of(150), OneByOne(), KeepingSink()
    for message in messages:
        twin.take(message)
    answering = Answering(new_model(), top=TOP, window=50)
    for start in range(0, len(messages), n_at_once):
        answering.take(messages[start : start + n_at_once], sink)
    assert sink.answers == twin.sink.answers
    assert sink.dead == twin.sink.dead
    assert len(sink.dead) > 2
    assert pack(answering.model, KINDS) == pack(twin.model, KINDS)
    for reading in ("total", "window"):
        for name, board in twin.boards.items():
            assert answering.scoring.scores(name, reading) == pytest.approx(board.scores(reading), rel=1e-9)
    assert twin.boards["model"].scores("total") != twin.boards["baseline"].scores("total")
    assert (answering.n_read, answering.n_predicted) == (len(messages), len(sink.answers))
    assert (answering.n_learned, answering.n_joined) == (twin.n_learned, twin.n_joined)
    assert (answering.late.n_waiting, answering.late.n_early) == (len(twin.waiting), len(twin.early))
    assert min(twin.n_joined, len(twin.waiting), len(twin.early)) > 2


def values_of(*records):
    return [json.dumps(record).encode() for record in records]


def test_late_labels_that_come_too_late_by_the_time_of_the_messages_teach_nothing():
    """However many messages are taken at once."""
    x = {"x": {"f": 1}}
    values = values_of({"id": "a", **x}, {**x, "y": ["p"]}, {"id": "b", **x}, {"id": "a", "y": ["q"]})
    for times, n_joined in (((0.0, 5.0, 9.0, 10.0), 1), ((0.0, 5.0, 9.0, 10.5), 0)):
        messages = [Message("t", 0, i, value, time) for i, (value, time) in enumerate(zip(values, times, strict=True))]
        for n_at_once in (1, 4):
            answering = Answering(new_model(), late=LateStore(longest=10.0))
            for start in range(0, 4, n_at_once):
                answering.take(messages[start : start + n_at_once])
            assert (answering.n_joined, answering.late.n_expired) == (n_joined, 1 - n_joined)
            assert answering.model.labels == ["p", "q"][: 1 + n_joined]


@pytest.mark.parametrize("place", ["id", "id of labels", "label", "label of a dictionary", "feature", "value"])
def test_a_text_may_have_a_thousand_characters(place):
    def record(text):
        return {
            "id": {"id": text, "x": {"f": 1}},
            "id of labels": {"id": text, "y": ["p"]},
            "label": {"x": {"f": 1}, "y": ["p", text]},
            "label of a dictionary": {"x": {"f": 1}, "y": {"p": True, text: False}},
            "feature": {"x": {"f": 1, text: 1}},
            "value": {"x": {"f": 1, "g": text, "h": "short"}},
        }[place]

    answering = Answering(new_model())
    values = values_of(record("é" * 1000), record("é" * 1001))
    answering.take([Message("t", 0, number, value) for number, value in enumerate(values)])
    assert dict(answering.n_dead) == {"length": 1}


def test_a_dead_letter_has_the_first_16384_bytes_of_its_message_and_says_how_many_there_were():
    written = []
    sink = KeepingSink()
    sink.write_dead = lambda record, key=None: written.append((record, key))
    lengths = (16_384, 16_385)
    answering, told = Answering(new_model()), []
    answering.on_dead = lambda code, place: told.append((code, place["offset"]))
    answering.take([Message("t", 2, n, b"x" * n, None, b"k") for n in lengths], sink)
    assert told == [("json", n) for n in lengths]
    assert [key for _, key in written] == [b"k", b"k"]
    assert [record["raw"] for record, _ in written] == ["x" * 16_384] * 2
    assert [record.get("raw_length") for record, _ in written] == [None, 16_385]
    assert [record["source"] for record, _ in written] == [{"topic": "t", "partition": 2, "offset": n} for n in lengths]


def test_a_weight_that_no_score_takes_is_malformed_and_nothing_is_learned():
    answering = Answering(new_model())
    values = values_of(*({"x": {"f": 1}, "y": ["p"], "w": w} for w in (1e300, 1e-300, 2.0)))
    answering.take([Message("t", 0, number, value) for number, value in enumerate(values)])
    assert (answering.n_learned, dict(answering.n_dead)) == (1, {"weight": 2})


def test_a_message_without_a_value_is_counted_and_passed_over():
    answering, sink = Answering(new_model()), KeepingSink()
    answering.take([Message("t", 0, 0, None), Message("t", 0, 1, b'{"x": {}}'), Message("t", 0, 2, None)], sink)
    assert (answering.n_read, answering.n_tombstones, answering.n_predicted, sink.dead) == (3, 2, 1, [])
