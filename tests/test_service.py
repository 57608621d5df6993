"""A live run as its settings describe it, and what it says of its speed, its scores and its health."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from ihomer import MLHATClassifier
from streams.answering import Answering
from streams.checkpoint import CheckpointFolder
from streams.endpoints import EndpointError, FileEndpoint, KafkaEndpoint, StandardEndpoint, parse_endpoint
from streams.live import Pace
from streams.logs import make_logger
from streams.made_with import differences, tell_differences
from streams.message import Message
from streams.models import SettingError
from streams.run import BASELINE, MODEL
from streams.service import Reporter, ServiceSettings, _made_with, live_run

SETTINGS = ServiceSettings(StandardEndpoint(), StandardEndpoint(), model="mlhat")


def fake_run(answering=None, **more):
    fields = {"is_healthy": True, "last_failure": None, "seconds_committing": 0.0, "source": None, "saved": None}
    answering = Answering(MLHATClassifier()) if answering is None else answering
    return SimpleNamespace(answering=answering, n_transactions=0, **{**fields, **more})


def messages(*records, every=1.0):
    return [Message("t", 0, i, json.dumps(record).encode(), i * every) for i, record in enumerate(records)]


@pytest.mark.parametrize("model", ["majority", "no-change"])
def test_a_model_to_compare_with_is_refused(model):
    with pytest.raises(SettingError, match=f"model {model} is there to compare with"):
        live_run(replace(SETTINGS, model=model), make_logger(), lambda run: None)


@pytest.mark.parametrize(("servers", "is_same"), [("two:9092,one:9092", True), ("one:9092", False)])
def test_the_servers_of_dead_letters_may_be_named_in_any_order(tmp_path, servers, is_same):
    sink, dead = parse_endpoint("kafka://one:9092,two:9092/answers"), parse_endpoint(f"kafka://{servers}/dead")
    settings = replace(SETTINGS, source=FileEndpoint(Path("sky.jsonl")), sink=sink, dead_letters=dead, folder=tmp_path)
    with nullcontext() if is_same else pytest.raises(EndpointError, match="name the same servers"):
        live_run(settings, make_logger(), lambda run: None)


def test_the_rate_is_that_of_the_last_ten_seconds_and_never_below_0():
    run, reporter = fake_run(), Reporter([])
    rates = []
    for now, n_read in [(100.0, 30), (105.0, 80), (110.0, 230), (120.0, 1230), (121.0, 130)]:
        run.answering.n_read = n_read
        rates.append(reporter.status(run, now).events_per_second)
    # 50 in 5 s, 200 in 10 s, 1000 in the 10 s since 110; then the run has gone back to its checkpoint.
    assert rates == [0.0, 10.0, 20.0, 100.0, 0.0]


@pytest.mark.parametrize(
    ("state", "silence", "reason"),
    [
        ({}, 59.0, ""),
        ({}, 60.0, "nothing heard from the source for 60 s"),
        ({"seconds_committing": 59.0}, 0.0, ""),
        ({"seconds_committing": 60.0}, 0.0, "answers have waited for the sink for 60 s"),
        ({"last_failure": "of before"}, 0.0, ""),
        ({"last_failure": "the disk", "is_healthy": False}, 90.0, "the disk"),
    ],
)
def test_a_run_is_healthy_where_it_has_no_reason_not_to_be(state, silence, reason):
    run = fake_run(**state, source=SimpleNamespace(silence=silence, lag=dict))
    status = Reporter([]).status(run, 0.0)
    assert (status.healthy, status.reason) == (not reason, reason)


def test_a_status_tells_model_and_baseline_and_all_and_the_last_events_apart():
    answering = Answering(MLHATClassifier(), window=10)
    labels = [["a"]] * 400 + [["a"], ["b"]] * 56
    answering.take(messages(*({"x": {}, "y": y} for y in labels)))
    status = Reporter([]).status(fake_run(answering), 0.0)
    for name, told in ((MODEL, status.scores), (BASELINE, status.baseline_scores)):
        assert told == {reading: answering.scoring.scores(name, reading) for reading in ("total", "window")}
    assert [status.baseline_scores[reading]["subset_accuracy"] for reading in ("total", "window")] == [400 / 512, 0.0]
    assert status.scores["total"]["subset_accuracy"] > 400 / 512


def test_a_status_tells_no_score_before_one_has_been_counted():
    answering = Answering(MLHATClassifier())
    empty = {"total": {}, "window": {}}
    for n_events in (0, 255):
        answering.take(messages(*({"x": {}, "y": ["a"]} for _ in range(n_events))))
        status = Reporter([]).status(fake_run(answering), 0.0)
        assert (status.scores, status.baseline_scores) == (empty, empty)
    answering.take(messages({"x": {}, "y": ["a"]}))
    assert Reporter([]).status(fake_run(answering), 0.0).scores["total"]["micro_f1"] > 0.9


def test_only_what_is_refused_for_a_value_counts_as_refused():
    answering = Answering(MLHATClassifier())
    answering.take([Message("t", 0, 0, b"{"), *messages({"x": 1}, {"x": {}, "y": ["a"]})])
    status = Reporter([]).status(fake_run(answering), 0.0)
    assert (status.n_refused, sum(status.dead_letters.values())) == (0, 2)
    answering.n_dead["value"] += 1
    assert Reporter([]).status(fake_run(answering), 0.0).n_refused == 1


@pytest.mark.parametrize(
    "change",
    [
        {"model": "ihomer"}, {"seed": 1}, {"window": 7}, {"labels_per_event": 7}, {"late_most": 7}, {"late_longest": 7.0},
        {"model_options": {"a": (1, 2)}}, {"source": FileEndpoint(Path("a"))}, {"sink": KafkaEndpoint(("h:1",), ("b",))},
        {"labels": ("late",)},
    ],
)  # fmt: skip
def test_what_a_continued_run_keeps_is_noted(change):
    before, after = _made_with(SETTINGS), _made_with(replace(SETTINGS, **change))
    assert sum(before.get(name) != after.get(name) for name in before.keys() | after.keys()) == 1
    assert json.loads(json.dumps(after)) == after


@pytest.mark.parametrize(
    ("before", "now", "ignored", "ends"),
    [
        ({"model": "ihomer", "seed": 0}, {"model": "ihomer", "seed": 0}, [], []),
        ({"model": "ihomer", "seed": 0}, {"model": "mlhat", "seed": 1}, ["model", "seed"], []),
        ({"model": "ihomer", "seed": 0}, {"model": "ihomer", "seed": 0, "model-option a": 2}, ["model-option a"], []),
        ({"model": "ihomer", "seed": 0, "model-option a": 2}, {"model": "ihomer", "seed": 0}, ["model-option a"], []),
        ({"model": "mlhat", "seed": 1}, {"model-from": "1e7a"}, ["model-from"], []),
        ({"model": "mlhat", "seed": 1}, {"model-from": None}, ["model-from"], []),
        ({"model-from": "1e7a"}, {"model-from": "1e7a"}, [], []),
        ({"model-from": "1e7a"}, {"model-from": None}, [], []),
        ({"model-from": "1e7a"}, {"model-from": "beef"}, ["model-from"], []),
        ({"model-from": "1e7a"}, {"model": "ihomer", "seed": 0}, [], []),
        ({"model-from": "1e7a"}, {"model": "mlhat", "seed": 0, "model-option a": 2}, ["model", "model-option a"], []),
        ({"model-from": "1e7a", "window": 7}, {"model": "ihomer", "seed": 3, "window": 9}, ["seed", "window"], []),
        ({"source": "kafka a", "sink": "-"}, {"source": "kafka b", "sink": "-"}, [], ["source"]),
        ({"seed": 0}, {"seed": 0, "source": "kafka b", "sink": "-"}, [], []),
        ({"labels": "late"}, {"labels": ""}, [], ["labels"]),
    ],
)  # fmt: skip
def test_what_differs_from_what_a_run_was_made_with(before, now, ignored, ends):
    assert differences(before, now) == (ignored, ends)


def test_ends_that_were_not_written_down_are_from_then_on(tmp_path):
    folder, told = CheckpointFolder(tmp_path), []
    folder.take_over()
    folder.note_made_with({"seed": 0})
    for sink in ("a", "a", "b", "b"):
        tell_differences(folder, {"seed": 0, "sink": sink}, lambda event, **fields: told.append((event, fields["sink"])))
    assert told == [("ends_changed", "b")]
    folder.close()


@pytest.mark.parametrize("change", [{"top": 7}, {"keep": 7}, {"pace": Pace(idle_exit=7.0)}, {"folder": Path("seven")}])
def test_what_may_change_in_a_continued_run_is_not_noted(change):
    assert _made_with(replace(SETTINGS, **change)) == _made_with(SETTINGS)


def test_settings_reach_what_takes_the_messages(tmp_path):
    source = parse_endpoint("kafka://127.0.0.1:1/in")
    bounds = {"top": 2, "window": 3, "labels_per_event": 4, "late_most": 5, "late_longest": 60.0}
    settings = replace(SETTINGS, source=source, folder=tmp_path / "run", **bounds)
    answering = live_run(settings, make_logger("text", "error"), lambda run: None).answering
    answers = []
    sink = SimpleNamespace(write=lambda record, key=None: answers.append(record), write_dead=lambda record, key=None: None)
    labels = [list("abcd"), ["b"], ["a"], ["b"], ["a"], ["a"], ["a"], ["a"], list("abcde")]
    answering.take(messages(*({"x": {}, "y": y} for y in labels)), sink)
    assert (answering.n_learned, sum(answering.n_dead.values())) == (8, 1)
    assert max(len(answer["proba"]) for answer in answers) == 2
    assert [answering.scoring.scores(BASELINE, reading)["subset_accuracy"] for reading in ("total", "window")] == [3 / 8, 1.0]
    answering.take(messages(*({"id": str(i), "x": {}} for i in range(9)), every=0.0))
    assert (answering.late.n_waiting, answering.late.n_expired) == (5, 4)
    answering.take(messages({"id": "late", "x": {}}, {"id": "later", "x": {}}, every=100.0))
    assert answering.late.n_waiting == 1
