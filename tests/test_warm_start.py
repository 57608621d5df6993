"""A model that has learned a file goes live: `ihomer evaluate --model-to`, `ihomer run --model-from`."""

import json
import re

import pytest
from click.testing import CliRunner

from benchmarks.live import events
from ihomer import LabelPartition, MLHATClassifier
from ihomer.persistence import save
from ihomer.printable import printable
from streams.cli import main
from streams.models import load_model


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.fixture
def parts(tmp_path):
    """Files of the first 900 events of a stream and of the other 300, and the events."""
    records = list(events(1200, 20, 6))
    past, live = tmp_path / "past.jsonl", tmp_path / "live.jsonl"
    past.write_text(lines(records[:900]))
    live.write_text(lines(records[900:]))
    return past, live, records


def ihomer(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def live_from(model, live, folder, *more):
    ends = ["--source", f"file:{live}", "--sink", f"file:{folder}.out", "--checkpoint", folder]
    return ihomer("run", *ends, "--model-from", model, *more)


def learned(records, **settings):
    model = MLHATClassifier(**settings)
    for record in records:
        model.learn_one(record["x"], set(record["y"]))
    return model


def test_a_live_run_goes_on_with_what_was_learned_from_a_file(parts, tmp_path):
    past, live, records = parts
    model, folder, taken = tmp_path / "model", tmp_path / "run", tmp_path / "taken"
    answer = ihomer("evaluate", past, "--model", "mlhat", "--model-option", "grace_period=100", "--quiet", "--model-to", model)
    assert answer.exit_code == 0
    assert load_model(model).grace_period == 100
    assert live_from(model, live, folder, "--max-events", "100").exit_code == 0
    model.unlink()
    again = live_from(model, live, folder)
    assert again.exit_code == 0
    assert "options_ignored" not in again.stderr
    answers = [json.loads(line) for line in (tmp_path / "run.out").read_text().splitlines()]
    expected = learned(records[:900], grace_period=100)
    for answer, record in zip(answers, records[900:], strict=True):
        assert answer["labels"] == sorted(expected.predict_set_one(record["x"]))
        expected.learn_one(record["x"], set(record["y"]))
    shown = ihomer("inspect", folder, "--model-to", taken)
    assert shown.exit_code == 0
    rows = dict(re.findall(r"^(learned|learned by the model) +(\d+)", shown.stdout, re.MULTILINE))
    assert rows == {"learned": "300", "learned by the model": "1200"}
    assert load_model(taken).n_learned == 1200
    assert load_model(taken).predict_proba_one(records[0]["x"]) == expected.predict_proba_one(records[0]["x"])


def test_a_run_without_checkpoints_begins_with_the_model_each_time(parts, tmp_path):
    _, live, records = parts
    model = tmp_path / "model"
    learned(records[:900]).save(model)
    first, second = (
        ihomer("run", "--source", f"file:{live}", "--sink", f"file:{tmp_path / name}", "--model-from", model) for name in "ab"
    )
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert json.loads((tmp_path / "a").read_text().splitlines()[0])["learned"] == 900


def test_what_no_live_run_can_begin_with_is_refused_before_anything_is_opened(parts, tmp_path):
    _, live, records = parts
    model, folder = tmp_path / "model", tmp_path / "run"
    learned(records[:50]).save(model)
    save(LabelPartition(), tmp_path / "partition")
    numbered = MLHATClassifier()
    numbered.learn_one({"rain": 1}, [7])
    numbered.save(tmp_path / "numbered")
    for name, x in (("columns", {1: 0.5}), ("coloured", {("sky",): "blue"})):
        unlike = MLHATClassifier()
        unlike.learn_one(x, ["a"])
        unlike.save(tmp_path / name)
    damaged = tmp_path / "damaged"
    damaged.write_bytes(model.read_bytes()[:-1])
    refused = {
        "missing": "missing: No such file",
        "partition": "partition: it holds an object of type LabelPartition, which is no classifier",
        "numbered": "numbered: its label 7 is no text",
        "columns": "columns: its feature 1 is no text",
        "coloured": "coloured: its feature ('sky',) is no text",
        "damaged": "damaged: the checksum does not fit",
        "": "not a regular file",
    }
    for name, reason in refused.items():
        answer = live_from(tmp_path / name, live, folder)
        assert answer.exit_code == 2
        assert reason in answer.stderr
        assert len(answer.stderr.splitlines()) == 1
        if " is no text" in reason:  # the labels of a file are others than those that it has learned
            answer = ihomer("evaluate", live, "--model-from", tmp_path / name, "--predictions", tmp_path / "run.out")
            assert answer.exit_code == 2
            assert reason in answer.stderr
    assert not (tmp_path / "run.out").exists()
    assert live_from(model, live, folder).exit_code == 0


def test_a_model_from_a_file_has_its_own_settings(parts, tmp_path):
    _, live, records = parts
    model, config, chosen = tmp_path / "model", tmp_path / "options.toml", tmp_path / "model.toml"
    learned(records[:50]).save(model)
    config.write_text("[model]\nname = 'mlhat'\n")
    chosen.write_text(f"[run]\nmodel-from = '{model}'\n")
    for more, named in (
        (["--model", "ihomer"], "--model"),
        (["--seed", "0"], "--seed"),
        (["--model-option", "grace_period=100"], "--model-option"),
        (["--config", config], "--model"),
    ):
        answer = live_from(model, live, tmp_path / "run", *more)
        assert answer.exit_code == 2
        assert f"leave out {named}\n" in answer.stderr
    ends = ["--source", f"file:{live}", "--sink", f"file:{tmp_path / 'out'}"]
    assert ihomer("run", *ends, "--config", chosen).exit_code == 0
    assert ihomer("run", *ends, "--config", chosen, "--seed", "1").exit_code == 2


def test_a_run_that_goes_on_says_that_it_does_so_without_another_model(parts, tmp_path):
    _, live, records = parts
    model, copy, folder = tmp_path / "model", tmp_path / "copy", tmp_path / "run"
    learned(records[:50]).save(model)
    copy.write_bytes(model.read_bytes())
    ends = ["--source", f"file:{live}", "--sink", f"file:{folder}.out", "--checkpoint", folder]
    started, alike, without = live_from(model, live, folder), live_from(copy, live, folder), ihomer("run", *ends)
    learned(records[:60]).save(model)
    other = live_from(model, live, folder)
    model.unlink()
    gone = live_from(model, live, folder)
    answers = (started, alike, without, other, gone)
    assert [answer.exit_code for answer in answers] == [0] * 5
    assert ["options_ignored" in answer.stderr for answer in answers] == [False, False, False, True, False]
    assert "model-from" in other.stderr
    fresh = tmp_path / "fresh"
    assert ihomer("run", *[str(part).replace(str(folder), str(fresh)) for part in ends]).exit_code == 0
    told = live_from(copy, live, fresh).stderr
    assert "options_ignored" in told
    assert "model-from" in told


def test_a_run_that_was_to_begin_with_a_model_begins_with_no_other(parts, tmp_path):
    """It ended before its first checkpoint."""
    _, live, records = parts
    model, folder = tmp_path / "model", tmp_path / "run"
    learned(records[:50]).save(model)
    assert live_from(model, live, folder, "--max-events", "10").exit_code == 0
    for written in (*folder.glob("checkpoint-*"), *folder.glob("journal-*"), *tmp_path.glob("run.out*")):
        written.unlink()
    ends = ["--source", f"file:{live}", "--sink", f"file:{folder}.out", "--checkpoint", folder]
    answer = ihomer("run", *ends)
    assert answer.exit_code == 2
    assert "was to begin with the model of a file: name it again by --model-from" in answer.stderr
    assert not (tmp_path / "run.out").exists()
    assert live_from(model, live, folder, "--max-events", "10").exit_code == 0
    assert json.loads((tmp_path / "run.out").read_text().splitlines()[0])["learned"] == 50


def test_other_ends_of_a_run_are_told_once(parts, tmp_path):
    past, live, _ = parts
    folder = tmp_path / "run"

    def run_on(source, sink):
        ends = ["--source", f"file:{source}", "--sink", f"file:{tmp_path / sink}"]
        answer = ihomer("run", *ends, "--checkpoint", folder, "--model", "mlhat", "--max-events", "10")
        assert answer.exit_code == 0
        return [line for line in answer.stderr.splitlines() if "ends_changed" in line]

    assert run_on(live, "a") == []
    assert run_on(live, "a") == []
    (told,) = run_on(past, "a")
    assert 'source="file past.jsonl"' in told
    assert "sink" not in told.replace("sink_", "")
    (told,) = run_on(past, "b")
    assert 'sink="file b"' in told
    assert run_on(past, "b") == []


def test_an_evaluation_writes_its_model_once_and_whole(parts, tmp_path):
    past, live, _ = parts
    model = tmp_path / "model"
    several = ihomer("evaluate", past, live, "--model", "mlhat", "--model-to", model)
    assert (several.exit_code, "--model-to goes with one FILE" in several.stderr) == (2, True)
    same = ihomer("evaluate", past, "--model", "mlhat", "--model-to", past)
    assert (same.exit_code, "--model-to" in same.stderr) == (2, True)
    assert ihomer("evaluate", past, "--model", "mlhat", "--model-to", tmp_path / "no" / "model").exit_code == 2
    broken = tmp_path / "broken.jsonl"
    broken.write_text(past.read_text() + "nonsense\n")
    half_way = ihomer("evaluate", broken, "--model", "mlhat", "--model-to", model)
    assert (half_way.exit_code, f"; no model is written to {model}\n" in half_way.stderr) == (2, True)
    assert not model.exists()
    baseline = ihomer("evaluate", past, "--model", "majority", "--model-to", model)
    assert (baseline.exit_code, "majority is a baseline" in baseline.stderr) == (2, True)
    assert not model.exists()
    assert ihomer("evaluate", "--model", "mlhat", "--limit", "100", "--quiet", "--model-to", model).exit_code == 0
    assert load_model(model).n_learned == 100


def test_a_file_is_evaluated_with_what_was_learned_from_another(parts, tmp_path):
    past, live, records = parts
    model, kept, told = tmp_path / "model", tmp_path / "kept", tmp_path / "told.json"
    small = ["--model", "mlhat", "--model-option", "grace_period=20"]
    assert ihomer("evaluate", past, "--quiet", *small, "--model-to", model).exit_code == 0
    before = model.read_bytes()
    outputs = ["--predictions", tmp_path / "predictions", "--json", told, "--model-to", kept]
    answer = ihomer("evaluate", live, "--model-from", model, *outputs)
    assert answer.exit_code == 0
    assert "model" in answer.output
    assert model.read_bytes() == before
    expected = learned(records[:900], grace_period=20)
    past_drifts = expected.drifts
    answers = [json.loads(line) for line in (tmp_path / "predictions").read_text().splitlines()]
    for answer, record in zip(answers, records[900:], strict=True):
        assert answer["labels"] == sorted(expected.predict_set_one(record["x"]))
        assert answer["learned"] == expected.n_learned
        expected.learn_one(record["x"], set(record["y"]))
    result = json.loads(told.read_text())
    new = [{**drift, "event": drift["event"] - 900} for drift in expected.drifts if drift["event"] > 900]
    assert result["streams"][0]["drifts"] == new
    assert new
    assert past_drifts
    assert result["settings"]["model_from"] == str(model)
    assert "model" not in result["settings"]
    assert load_model(kept).predict_proba_one(records[0]["x"]) == expected.predict_proba_one(records[0]["x"])


@pytest.mark.parametrize("name", ["[z]", "[bold]m", "m\x1b[31m\n.bin"])
def test_the_name_of_the_file_of_a_model_is_shown_as_it_is(parts, tmp_path, name):
    _, live, records = parts
    learned(records[:5]).save(tmp_path / name)
    answer = ihomer("evaluate", live, "--limit", "5", "--model-from", tmp_path / name)
    assert f" {printable(name)} " in answer.output
    assert "\x1b" not in answer.output


def test_each_file_begins_with_the_model_of_the_file(parts, tmp_path):
    past, live, _ = parts
    model, told = tmp_path / "model", tmp_path / "told.json"
    assert ihomer("evaluate", past, "--quiet", "--model", "mlhat", "--model-to", model).exit_code == 0
    assert ihomer("evaluate", live, live, "--quiet", "--model-from", model, "--json", told).exit_code == 0
    first, second = json.loads(told.read_text())["streams"]
    assert first["scores"] == second["scores"]
    assert first["counts"] == second["counts"]


def test_a_model_goes_on_in_its_own_file(parts, tmp_path):
    past, live, records = parts
    model = tmp_path / "model"
    assert ihomer("evaluate", past, "--quiet", "--model", "mlhat", "--model-to", model).exit_code == 0
    assert ihomer("evaluate", live, "--quiet", "--model-from", model, "--model-to", model).exit_code == 0
    assert load_model(model).n_learned == len(records)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--model", "mlhat"], "leave out --model"),
        (["--seed", "0", "--model-option", "grace_period=3"], "leave out --seed and --model-option"),
        (["--json", "model"], "--json model is also the file of the model"),
    ],
)
def test_what_does_not_go_with_a_model_from_a_file_is_refused(parts, tmp_path, monkeypatch, more, reason):
    _, live, records = parts
    monkeypatch.chdir(tmp_path)
    learned(records[:5]).save("model")
    before = (tmp_path / "model").read_bytes()
    answer = ihomer("evaluate", live, "--model-from", "model", *more)
    assert answer.exit_code == 2
    assert reason in answer.stderr
    assert (tmp_path / "model").read_bytes() == before


@pytest.mark.parametrize("damage", ["none", "cut", "other"])
def test_a_file_that_holds_no_model_ends_an_evaluation_before_anything_is_written(parts, tmp_path, damage):
    _, live, records = parts
    model, told = tmp_path / "model", tmp_path / "told.json"
    told.write_text("as it was")
    if damage == "cut":
        learned(records[:5]).save(model)
        model.write_bytes(model.read_bytes()[:-9])
    elif damage == "other":
        save(LabelPartition(), model)
    answer = ihomer("evaluate", live, "--model-from", model, "--json", told)
    assert answer.exit_code == 2
    assert str(model) in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert told.read_text() == "as it was"
