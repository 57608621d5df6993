"""The command `ihomer evaluate`: what it prints and writes, and how it fails."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli import main

ROWS = [
    {"x": {"a": 1.0, "b": 0.5}, "y": ["p"]},
    {"x": {"a": 0.0, "b": 1.5}, "y": ["p", "q"]},
    {"x": {"a": 2.0}, "y": ["p", "q"]},
    {"x": {"b": 2.5}, "y": []},
]


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


def result_of(*arguments):
    answer = run(*arguments, "--quiet", "--json", "-")
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


def scores_of(record):
    return record["scores"]


def mlscore_of(shared_data):
    path = shared_data.parent / "tools" / "mlscore.py"
    if not path.exists():
        pytest.skip("the independent scorer is not there")
    spec = importlib.util.spec_from_file_location("mlscore", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_change_predicts_the_labels_before(tiny):
    # Predicted {}, {p}, {p, q}, {p, q} for {p}, {p, q}, {p, q}, {}.
    scores = scores_of(result_of(tiny, "--model", "no-change"))
    assert scores["subset_accuracy"] == pytest.approx(1 / 4)
    assert scores["example_f1"] == pytest.approx((0 + 2 / 3 + 1 + 0) / 4)
    assert scores["micro_f1"] == pytest.approx(2 * 3 / (5 + 5))


def test_delay_holds_the_labels_back(tiny):
    # Labels arrive two events late: predicted {}, {}, {p}, {p, q}... the last learned before event 3 is event 1.
    scores = scores_of(result_of(tiny, "--model", "no-change", "--delay", "1"))
    # Before event i only events up to i - 2 are learned: {}, {}, {p}, {p, q}.
    assert scores["example_f1"] == pytest.approx((0 + 0 + 2 / 3 + 0) / 4)


def test_limit_and_shuffle(tiny):
    assert result_of(tiny, "--model", "no-change", "--limit", "2")["streams"][0]["counts"]["predicted"] == 2
    first = result_of(tiny, "--model", "no-change", "--shuffle", "3")["scores"]
    assert first == result_of(tiny, "--model", "no-change", "--shuffle", "3")["scores"]


def test_table_shows_scores_beside_the_baseline(tiny):
    answer = run(tiny, "--model", "mlhat")
    assert answer.exit_code == 0
    assert "previous labelset" in answer.output
    assert "micro-F1" in answer.output


def test_predictions_are_written_in_order(tiny, tmp_path):
    out = tmp_path / "predictions.jsonl"
    assert run(tiny, "--model", "no-change", "--quiet", "--predictions", out).exit_code == 0
    assert [json.loads(line)["labels"] for line in out.read_text().splitlines()] == [[], ["p"], ["p", "q"], ["p", "q"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.arff"], "missing.arff"),
        (["--model", "oracle"], "oracle"),
        (["--no-such-option"], "--no-such-option"),
        (["--model", "mlhat", "--model-option", "grace_period=-1"], "grace_period"),
        (["--limit", "many"], "many"),
        (["--json", "/no/such/folder/out.json"], "/no/such/folder"),
    ],
)
def test_errors_are_one_line(arguments, message, tmp_path):
    answer = subprocess.run(
        [sys.executable, "-c", "from streams.cli import main; main()", "evaluate", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert len(answer.stderr.strip().splitlines()) == 1
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_malformed_row_is_named_by_line(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"x": {"a": 1}, "y": ["p"]}\n{"x": {"a": }\n')
    answer = run(path, "--model", "no-change")
    assert answer.exit_code == 2
    assert "bad.jsonl" in answer.output
    assert "2" in answer.output
    assert run(path, "--model", "no-change", "--on-error", "skip", "--quiet").exit_code == 0


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # the scorer's
@pytest.mark.parametrize("name", ["flags", "emotions", "medical"])
def test_scores_equal_those_of_the_independent_scorer(shared_data, tmp_path, name):
    scorer = mlscore_of(shared_data)
    _, truth, _, _ = scorer.load(str(shared_data / name))
    out = tmp_path / "predictions.jsonl"
    record = result_of(Path(shared_data) / f"{name}.arff.gz", "--model", "mlhat", "--predictions", out)
    labels = scorer.load(str(shared_data / name))[3]
    place = {label: i for i, label in enumerate(labels)}
    predicted = truth * 0
    for row, line in enumerate(out.read_text().splitlines()):
        predicted[row, [place[label] for label in json.loads(line)["labels"]]] = 1
    expected = scorer.scores(truth, predicted)
    got = scores_of(record)
    for score in ("subset_accuracy", "hamming_loss", "example_f1", "micro_f1", "macro_f1"):
        assert got[score] == pytest.approx(expected[score], abs=1e-6), score
