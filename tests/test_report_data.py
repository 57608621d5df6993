"""What the page of `ihomer evaluate --report` is told."""

import json

import pytest

from streams.evaluate import Settings, evaluate
from streams.html_report import page_of
from streams.progress import Progress
from streams.recorder import Recorder

EVENT, UNLABELLED, MALFORMED = {"x": {}, "y": ["a"]}, {"x": {}}, {"x": 1}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([EVENT, EVENT], [["events", 2], ["labels", 1]]),
        # Skipped events are beside those predicted, also where they are as many.
        ([EVENT, MALFORMED], [["events", 1], ["skipped", 1], ["labels", 1]]),
        ([UNLABELLED, UNLABELLED], [["events", 2], ["of these learned", 0], ["of these scored", 0], ["labels", 0]]),
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
