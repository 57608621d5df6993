"""What the page of `ihomer evaluate --report` is told."""

import json

import pytest

from ihomer import MLHATClassifier
from streams.evaluate import Settings, evaluate
from streams.generate import named_stream
from streams.html_report import page_of
from streams.progress import Progress
from streams.recorder import Recorder
from streams.report_data import stream_data
from streams.run import Run

EVENT, UNLABELLED, MALFORMED = {"x": {}, "y": ["a"]}, {"x": {}}, {"x": 1}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([EVENT, EVENT], [["events", 2], ["labels", 1]]),
        # Skipped events are beside those predicted, also where they are as many.
        ([EVENT, MALFORMED], [["events", 1], ["skipped", 1], ["labels", 1]]),
        (
            [EVENT, UNLABELLED, MALFORMED],
            [["events", 2], ["of these learned", 1], ["of these scored", 1], ["skipped", 1], ["labels", 1]],
        ),
    ],
)
def test_numbers_of_events_are_told_as_what_they_are(tmp_path, rows, told):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recorder, how = Recorder(), Settings(model="majority", on_error="skip")
    result = evaluate(path, how, Progress("rows"), recorder=recorder)
    assert page_of(recorder, result, how, path)["told"] == told


def test_labels_of_few_events_are_counted_as_by_hand():
    recorder = Recorder()
    events = [("a", "b"), ("a", "a"), ("bc", "bc"), ("a", ""), ("a", "c"), ("a", "c"), ("d", "d")]
    for true, predicted in events:
        recorder.add(set(true), set(predicted))
    recorder.sample(len(events), None, {})
    data = stream_data(recorder, "few")
    assert data["labels"] == [
        ["a", 5, 1, 1.0, 0.2, 0.3333, None], ["b", 1, 2, 0.5, 1.0, 0.6667, None], ["c", 1, 3, 0.3333, 1.0, 0.5, None],
        ["d", 1, 1, 1.0, 1.0, 1.0, None],
    ]  # fmt: skip
    others = [["c", 2.0], ["b", 1.0]]
    assert data["instead"] == [
        {"label": "a", "true": 5, "missed": 4, "alarms": 0, "f1": 0.3333, "nothing": 1.0, "others": others},
        {"label": "c", "true": 1, "missed": 0, "alarms": 2, "f1": 0.5, "nothing": 0.0, "others": []},
        {"label": "b", "true": 1, "missed": 0, "alarms": 1, "f1": 0.6667, "nothing": 0.0, "others": []},
    ]


def test_long_names_are_cut_where_they_are_too_long():
    recorder = Recorder()
    recorder.add({"x" * 120, "y" * 121}, set())
    recorder.sample(1, None, {})
    names = {row[0] for row in stream_data(recorder, "long")["labels"]}
    assert names == {"x" * 120, "y" * 119 + "…"}


def test_what_happens_in_a_tree_is_not_called_a_drift():
    model, recorder = MLHATClassifier(grace_period=50, tau=0.5), Recorder()
    run = Run(model, recorder=recorder)
    run.finish(named_stream("sudden", 1000, seed=1))
    run.record()
    assert {drift["what"] for drift in model.drifts} >= {"loss rose", "leaf split"}
    drifts = stream_data(recorder, "sudden")["drifts"]
    assert drifts["counts"] == {"node": len(model.drifts)}
    assert drifts["titles"] == {"node": "change in a tree"}
