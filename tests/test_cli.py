"""The command `ihomer evaluate`: what it prints and writes, and how it fails."""

import datetime
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from streams.cli import main

ROWS = [
    {"x": {"a": 1.0, "b": 0.5}, "y": ["p"]},
    {"x": {"a": 0.0, "b": 1.5}, "y": ["p", "q"]},
    {"x": {"a": 2.0}, "y": ["p", "q"]},
    {"x": {"b": 2.5}, "y": []},
]
COMMAND = [sys.executable, "-c", "from streams.cli import main; main()", "evaluate"]


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


def record_of(*arguments):
    answer = run(*arguments, "--quiet", "--json", "-")
    assert answer.exit_code == 0, answer.output
    assert answer.stderr == ""
    return json.loads(answer.stdout)


def scores_of(*arguments):
    return record_of(*arguments)["scores"]


def labels_in(path):
    return [json.loads(line)["labels"] for line in path.read_text().splitlines()]


def process(*arguments, **more):
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120, **more)


# Scores --------------------------------------------------------------------------------------------------------------


def test_no_change_predicts_the_labels_before(tiny):
    # Predicted {}, {p}, {p, q}, {p, q} for {p}, {p, q}, {p, q}, {}.
    scores = scores_of(tiny, "--model", "no-change")
    assert scores["subset_accuracy"] == pytest.approx(1 / 4)
    assert scores["example_f1"] == pytest.approx((0 + 2 / 3 + 1 + 0) / 4)
    assert scores["micro_f1"] == pytest.approx(2 * 3 / (5 + 5))


def test_delay_holds_the_labels_back(tiny):
    # Before event i only events up to i - 2 are learned: {}, {}, {p}, {p, q} for {p}, {p, q}, {p, q}, {}.
    record = record_of(tiny, "--model", "no-change", "--delay", "1")
    for scores in (record["scores"], record["baseline"]):
        assert scores["subset_accuracy"] == 0
        assert scores["example_f1"] == pytest.approx((0 + 0 + 2 / 3 + 0) / 4)
        assert scores["hamming_loss"] == pytest.approx((1 + 2 + 1 + 2) / 8)
    assert record["streams"][0]["counts"] == {"predicted": 4, "learned": 4, "scored": 4, "skipped": 0, "labels": 2}


def test_baseline_stands_beside_any_model(tiny):
    for model in ("ihomer", "majority", "no-change"):
        assert record_of(tiny, "--model", model)["baseline"] == scores_of(tiny, "--model", "no-change")


def test_probabilities_are_asked_for_on_demand(tiny):
    assert "log_loss" not in scores_of(tiny, "--model", "mlhat")
    record = record_of(tiny, "--model", "mlhat", "--proba")
    for scores in (record["scores"], record["baseline"]):
        assert {"precision_at_1", "precision_at_3", "precision_at_5", "log_loss"} <= set(scores)


def test_limit(tiny):
    assert record_of(tiny, "--model", "no-change", "--limit", "2")["streams"][0]["counts"]["predicted"] == 2
    assert record_of(tiny, "--model", "no-change", "--limit", "0")["scores"]["micro_f1"] == 0.0


@pytest.mark.parametrize(("window", "f1"), [(2, 1.0), (4, 0.5), (1000, 0.5)])
def test_scores_of_the_last_events_are_of_so_many(tmp_path, window, f1):
    path = tmp_path / "late.jsonl"
    path.write_text("".join(f'{{"x": {{}}, "y": ["{label}"]}}\n' for label in "pqqq"))
    stream = record_of(path, "--model", "no-change", "--window", window)["streams"][0]
    assert (stream["scores_of_window"]["example_f1"], stream["scores"]["example_f1"]) == (f1, 0.5)


def test_shuffle_is_fixed_by_its_seed(tmp_path):
    path, out = tmp_path / "many.jsonl", tmp_path / "out.jsonl"
    path.write_text("".join(json.dumps({"x": {}, "y": [str(i)], "id": str(i)}) + "\n" for i in range(50)))

    def ids(*arguments):
        assert run(path, "--model", "no-change", "--quiet", "--predictions", out, *arguments).exit_code == 0
        return [json.loads(line)["id"] for line in out.read_text().splitlines()]

    assert ids() == [str(i) for i in range(50)]
    assert ids("--shuffle", 3) == ids("--shuffle", 3) != ids("--shuffle", 4)
    assert sorted(ids("--shuffle", 3)) == sorted(ids())
    assert ids("--shuffle", 3, "--limit", 7) == ids("--shuffle", 3)[:7]


def test_seed_and_model_options_reach_the_model(tiny):
    record = record_of(tiny, "--model", "mlhat", "--seed", 7, "--model-option", "grace_period=50")
    assert record["settings"]["seed"] == 7
    assert record["settings"]["model_options"] == {"grace_period": 50}


def test_several_files_come_one_after_another(tiny, tmp_path):
    short = tmp_path / "short.jsonl"
    short.write_text(json.dumps(ROWS[0]) + "\n")
    answer = run(tiny, short, "--model", "no-change")
    assert answer.exit_code == 0
    assert answer.stdout.count("previous labelset") == 3
    assert "mean of 2 streams" in answer.stdout
    record = record_of(tiny, short, "--model", "no-change")
    assert [stream["stream"] for stream in record["streams"]] == ["tiny", "short"]
    # The second begins anew: before its first event nothing is known.
    assert record["streams"][1]["scores"]["subset_accuracy"] == 0
    assert record["scores"]["subset_accuracy"] == (1 / 4 + 0) / 2


# What is written -----------------------------------------------------------------------------------------------------


def test_json_names_settings_versions_and_results_in_one_order(tiny, tmp_path):
    out = tmp_path / "out.json"
    out.write_text("x" * 100_000)
    assert run(tiny, "--model", "majority", "--quiet", "--json", out).exit_code == 0
    record = json.loads(out.read_text())
    assert list(record) == ["settings", "versions", "interrupted", "failed", "scores", "baseline", "streams"]
    assert list(record["versions"]) == ["ihomer", "river", "numpy", "numba", "python"]
    assert record["versions"]["ihomer"] == importlib.metadata.version("ihomer")
    assert record["settings"]["files"] == [str(tiny)]
    assert record["interrupted"] is False
    stream = record["streams"][0]
    assert stream["scores"] == record["scores"]
    assert stream["clusters"] is None
    again = record_of(tiny, "--model", "majority")
    for each in (record, again):
        del each["streams"][0]["events_per_second"]
    assert json.dumps(record) == json.dumps(again)


def test_json_names_clusters_and_drifts(tmp_path):
    out = tmp_path / "out.json"
    assert run("--limit", 1000, "--quiet", "--json", out).exit_code == 0
    stream = json.loads(out.read_text())["streams"][0]
    labels = [name for names in stream["clusters"].values() for name in names]
    assert sorted(labels) == sorted(f"Class{i}" for i in range(1, 15))
    assert stream["partition_version"] > 0
    assert isinstance(stream["drifts"], list)


def test_table_goes_to_standard_error_when_json_is_standard_output(tiny):
    answer = run(tiny, "--model", "no-change", "--json", "-")
    assert json.loads(answer.stdout)["settings"]["model"] == "no-change"
    assert "previous labelset" in answer.stderr


def test_quiet_shows_nothing(tiny):
    answer = run(tiny, "--model", "no-change", "--quiet")
    assert (answer.exit_code, answer.output) == (0, "")


def test_predictions_are_written_in_order(tiny, tmp_path):
    out = tmp_path / "predictions.jsonl"
    assert run(tiny, "--model", "no-change", "--quiet", "--predictions", out).exit_code == 0
    assert labels_in(out) == [[], ["p"], ["p", "q"], ["p", "q"]]
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert [record["source"] for record in records] == [{"file": str(tiny), "event": i, "line": i} for i in (1, 2, 3, 4)]
    shuffled = tmp_path / "shuffled.jsonl"
    assert run(tiny, "--model", "no-change", "--quiet", "--shuffle", "1", "--predictions", shuffled).exit_code == 0
    places = [json.loads(line)["source"] for line in shuffled.read_text().splitlines()]
    assert [place["event"] for place in places] == [1, 2, 3, 4]
    assert [place["line"] for place in places] == [1 + i for i in np.random.default_rng(1).permutation(4).tolist()]
    assert [record["learned"] for record in records] == [0, 1, 2, 3]
    assert all(record["proba"] == {} for record in records)


def test_predictions_carry_the_top_probabilities(tiny, tmp_path):
    out = tmp_path / "predictions.jsonl"
    arguments = (tiny, "--model", "no-change", "--quiet", "--predictions", out, "--proba", "--top", 1)
    assert run(*arguments).exit_code == 0
    assert [json.loads(line)["proba"] for line in out.read_text().splitlines()] == [{}, {"p": 1.0}, {"p": 1.0}, {"p": 1.0}]


# What is shown -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0, 2])
def test_predictions_are_the_same_beside_a_report(tiny, tmp_path, delay):
    written = []
    for report in ([], ["--report", tmp_path / "page.html"]):
        path = tmp_path / "predictions.jsonl"
        assert run(tiny, "--model", "majority", "--delay", delay, "--predictions", path, *report).exit_code == 0
        written.append(path.read_text())
    assert written[0] == written[1]


def test_table_shows_scores_beside_the_baseline(tiny):
    answer = run(tiny, "--model", "mlhat")
    assert answer.exit_code == 0
    assert "mlhat   previous labelset" in answer.stdout
    row = next(line for line in answer.stdout.splitlines() if "micro-F1" in line)
    assert row.split()[2] == f"{record_of(tiny)['baseline']['micro_f1']:.4f}"


def test_plain_output_has_no_control_characters(tiny):
    answer = process(tiny, "--model", "no-change", env={**os.environ, "FORCE_COLOR": "1"})
    assert answer.returncode == 0
    assert answer.stderr == ""
    answer = process(tiny, "--model", "no-change")
    assert not set(answer.stdout + answer.stderr) & {"\x1b", "\r", "\b"}
    assert max(map(len, answer.stdout.splitlines())) <= 80


def test_without_a_command_the_help_is_shown():
    answer = CliRunner().invoke(main, [])
    assert answer.exit_code == 0
    assert "evaluate" in answer.stdout
    assert "precision@1/3/5" in run("--help").stdout


def test_version():
    answer = CliRunner().invoke(main, ["--version"])
    assert answer.stdout == f"ihomer {importlib.metadata.version('ihomer')}\n"


@pytest.mark.parametrize("name", ["evalute", "", "evaluate rain.csv"])
def test_a_wrong_command_is_told_which_there_are(name):
    answer = CliRunner().invoke(main, [name])
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr == f"ihomer: No such command {name!r}. There are evaluate, generate, inspect, run.\n"


# Errors --------------------------------------------------------------------------------------------------------------


def assert_one_line(answer, message):
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert len(answer.stderr.splitlines()) == 1
    assert answer.stderr.startswith("ihomer: ")
    assert message in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.arff"], "missing.arff: No such file"),
        (["--model", "oracle"], "oracle"),
        (["--no-such-option"], "--no-such-option"),
        (["--model", "mlhat", "--model-option", "grace_period=-1"], "grace_period"),
        (["--json", "/no/such/folder/out.json"], "/no/such/folder/out.json: No such file"),
    ],
)
def test_errors_are_one_line(arguments, message, tmp_path):
    assert_one_line(process(*arguments, cwd=tmp_path), message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["."], "Is a directory"),
        (["--limit", "many"], "many"),
        (["--delay", "-1"], "--delay"),
        (["--window", "0"], "--window"),
        (["--model-option", "depth"], "'depth' is not KEY=VALUE"),
        (["--model-option", "tau=1", "--model-option", "tau=2"], "tau is given twice"),
        (["--model-option", "tau=" + 100_000 * "["], "the value of tau is nested too deep"),
        (["--model", "mlhat", "--model-option", "depth=3"], "no setting 'depth'"),
        (["--model", "ihomer", "--model-option", "tree.depth=3"], "tree has no setting 'depth'"),
        (["--predictions", "/no/such/folder/out.jsonl"], "/no/such/folder/out.jsonl: No such file"),
        (["rain.txt", "--format", "spreadsheet"], "spreadsheet"),
        (["rain.xyz"], "the name tells no format; give one of arff, csv, jsonl, libsvm, parquet, xmc (--format)\n"),
        (["rain.jsonl", "--labels", "2"], "labels of a jsonl file cannot be given by their number, as in '2'"),
        (["rain.txt", "--labels", "a,b"], "given by their name, as in 'a,b'; if it is no libsvm file, give --format"),
        (["rain.txt", "--format", "libsvm", "--labels", "-1"], "cannot be given by their number, as in '-1'\n"),
        (["rain.jsonl", "--labels", "a*"], "labels of a jsonl file cannot be given by their prefix, as in 'a*'"),
        (["rain.jsonl", "--labels", "a,"], "'a,' has an empty name among the labels"),
        (["rain.jsonl", "--ignore", "a"], "a jsonl file has no columns to read past, as 'a'"),
        (["rain.jsonl", "--id", "a"], "a jsonl file has no column of ids, as 'a'"),
        (["rain.txt", "--nominal", "a"], "a libsvm file has no columns whose numbers could be names, as 'a'"),
        (["rain.jsonl", "--decimal", ","], "a jsonl file has no decimal mark to choose, as ','"),
        (["rain.csv", "--labels", "-1", "--ignore", "a,"], "'a,' has an empty name among the names for ignore; \"''\" is"),
        (["--top", "5"], "--top goes with --predictions and --proba"),
        (["--top", "3", "--proba"], "--top goes with --predictions and --proba"),
        (["--top", "3", "--predictions", "out.jsonl"], "--top goes with --predictions and --proba"),
        (["--labels", "a", "--format", "csv"], "--labels and --format without FILE: what is evaluated then is the Yeast"),
        (["rain.csv", "--labels", "-1", "--ignore", "hail"], "no column is named 'hail'"),
        (["rain.csv"], "nothing says which columns are labels: give their names, number or prefix (--labels)\n"),
        (["rain.csv", "--labels", "hail*"], "no column begins with 'hail'"),
        (["rain.csv", "--labels", "hail,snow"], "no column is named 'hail'"),
        (["rain.csv", "--labels", "1_0"], "no column is named '1_0'"),
        (["rain.csv", "--labels", "rain", "--ignore", "rain"], "column 'rain' is asked for as a label, and as id, weight or"),
        (["rain.csv", "--labels", "rain", "--id", "rain"], "column 'rain' is asked for as a label, and as id, weight or"),
        (["rain.csv", "--labels", "-1"], "rain.csv:2: "),
    ],
)
def test_errors_say_what_is_wrong(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("rain.txt", "rain.xyz", "rain.jsonl"):
        Path(name).write_text("{}\n")
    Path("rain.csv").write_text("cloud,rain\n0.5,perhaps\n0.5,1\n")
    answer = run("--model", "majority", *arguments)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert len(answer.stderr.splitlines()) == 1
    assert message in answer.stderr


def test_failing_outputs_are_reported_before_the_run(tmp_path):
    assert run("bad.jsonl", "--json", "/no/such/out.json").exit_code == 2
    kept, new = tmp_path / "kept.json", tmp_path / "new.json"
    kept.write_text("of an earlier run")
    bad = tmp_path / "bad.jsonl"
    bad.write_text("nonsense\n")
    for path in (kept, new):
        assert run(bad, "--model", "no-change", "--json", path).exit_code == 2
    assert kept.read_text() == "of an earlier run"
    assert not new.exists()


def test_full_disk_is_one_line(tiny):
    answer = process(tiny, "--model", "no-change", "--quiet", "--json", "/dev/full")
    assert_one_line(answer, "/dev/full: No space left")


def test_a_malformed_row_is_named_by_line(tmp_path):
    folder = tmp_path / ("long" * 20)  # a place longer than a line of the terminal stays in one piece
    folder.mkdir()
    path = folder / "bad.jsonl"
    path.write_text('{"x": {"a": 1}, "y": ["p"]}\n{"x": {"a": }\n{"x": {}, "y": ["p"]}\n')
    answer = run(path, "--model", "no-change")
    assert answer.exit_code == 2
    assert len(answer.stderr.splitlines()) == 1
    assert f"{path}:2: " in answer.stderr
    assert f"{path}:2: " in answer.stdout
    answer = run(path, "--model", "no-change", "--on-error", "skip")
    assert answer.exit_code == 0
    assert "skipped: 1 event\n" in re.sub(" +\n", "\n", answer.stdout)
    assert f"{path}:2: " in answer.stdout
    stream = record_of(path, "--model", "no-change", "--on-error", "skip")["streams"][0]
    assert stream["counts"] == {"predicted": 2, "learned": 2, "scored": 2, "skipped": 1, "labels": 1}
    assert stream["skipped"][0].startswith(f"{path}:2: ")


def test_the_first_three_of_many_malformed_rows_are_named(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text("".join("{\n" if i in (1, 3, 4, 6, 7) else '{"x": {}, "y": ["p"]}\n' for i in range(9)))
    stream = record_of(path, "--model", "no-change", "--on-error", "skip")["streams"][0]
    assert stream["counts"]["skipped"] == 5
    assert [text[: len(f"{path}:2: ")] for text in stream["skipped"]] == [f"{path}:{line}: " for line in (2, 4, 5)]


def test_an_event_that_the_model_refuses_is_named(tmp_path):
    path = tmp_path / "huge.jsonl"
    path.write_text('{"x": {"a": 1}, "y": ["p"]}\n{"x": {"a": 1e300}, "y": ["p"]}\n{"x": {}, "y": ["p"]}\n')
    answer = run(path, "--model", "mlhat")
    assert answer.exit_code == 2
    assert f"{path}:2: x['a']" in answer.stderr
    counts = record_of(path, "--model", "mlhat", "--on-error", "skip")["streams"][0]["counts"]
    assert counts == {"predicted": 2, "learned": 2, "scored": 2, "skipped": 1, "labels": 1}


@pytest.mark.parametrize("options", [[], ["--delay", "1"], ["--delay", "5"], ["--proba"]])
def test_a_file_without_labels_is_an_error(tmp_path, options):
    path, scores = tmp_path / "bare.jsonl", tmp_path / "scores.json"
    path.write_text(3 * '{"x": {"a": 1}}\n')
    answer = run(path, "--model", "mlhat", *options, "--json", scores)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert f"{path}: none of 3 events has labels" in answer.stderr
    assert not scores.exists()
    path.write_text(3 * '{"x": {"a": 1}, "y": {"p": null}}\n')
    assert f"{path}: none of 3 events has labels" in run(path, "--model", "mlhat", *options).stderr
    path.write_text('{"x": {"a": 1}}\n{"x": {"a": 1}, "y": []}\n')
    assert record_of(path, "--model", "mlhat", *options)["streams"][0]["counts"]["learned"] == 1


@pytest.mark.parametrize("options", [[], ["--shuffle", "1"], ["--limit", "9", "--on-error", "skip"]])
def test_a_file_with_a_header_alone_is_an_error(tmp_path, options):
    path, scores = tmp_path / "sky.csv", tmp_path / "scores.json"
    path.write_text("cloud,rain\n\n")
    answer = run(path, "--labels", "-1", "--model", "no-change", *options, "--json", scores)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert f"{path}: there is no event in it" in answer.stderr
    assert not scores.exists()


@pytest.mark.parametrize("delay", [0, 5])
@pytest.mark.parametrize("row", ["nonsense", '{"x": {}, "y": ["p"], "w": 1e300}'])
def test_a_file_of_which_all_is_skipped_is_an_error(tmp_path, row, delay):
    path, scores = tmp_path / "bad.jsonl", tmp_path / "scores.json"
    path.write_text(3 * f"{row}\n")
    answer = run(path, "--model", "no-change", "--delay", delay, "--on-error", "skip", "--json", scores)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert f"no event was left of 3, all were skipped: {path}:1: " in answer.stderr
    assert not scores.exists()


@pytest.mark.parametrize("delay", [0, 1, 9])
def test_an_event_whose_weight_is_refused_is_skipped_and_not_answered_whenever_its_labels_come(tmp_path, delay):
    path, answers = tmp_path / "weighed.jsonl", tmp_path / "answers.jsonl"
    event = '{"id": "%d", "x": {}, "y": ["p"], "w": %s}\n'
    path.write_text("".join(event % (i, "1e300" if i == 1 else "1") for i in range(4)))
    more = ["--model", "no-change", "--on-error", "skip", "--predictions", answers]
    record = record_of(path, "--delay", delay, *more)
    assert record["streams"][0]["counts"] == {"predicted": 3, "learned": 3, "scored": 3, "skipped": 1, "labels": 1}
    assert [json.loads(line)["id"] for line in answers.read_text().splitlines()] == ["0", "2", "3"]


@pytest.mark.parametrize("model", ["mlhat", "no-change"])
@pytest.mark.parametrize("weight", ["1e-150", "1e300"])
def test_a_weight_that_no_score_can_count_is_named(tmp_path, model, weight):
    path = tmp_path / "weighed.jsonl"
    path.write_text('{"x": {}, "y": ["p"]}\n{"x": {}, "y": ["p"], "w": %s}\n{"x": {}, "y": ["p"]}\n' % weight)  # noqa: UP031
    answer = run(path, "--model", model)
    assert answer.exit_code == 2
    assert f"{path}:2: " in answer.stderr
    assert "must be from 1e-100 to 1e+09" in answer.stderr
    counts = record_of(path, "--model", model, "--on-error", "skip")["streams"][0]["counts"]
    assert (counts["learned"], counts["scored"], counts["skipped"]) == (2, 2, 1)


def test_help_says_how_the_labels_of_each_format_are_named(tmp_path):
    told = " ".join(run("--help").stdout.split())
    assert "PREFIX* (CSV, Parquet)" in told
    refused = [("arff", "l*"), ("jsonl", "l*"), ("jsonl", "-2"), ("svm", "l*"), ("svm", "l"), ("xmc", "2")]
    for ending, labels in refused:
        path = tmp_path / f"a.{ending}"
        path.write_text("\n")
        assert "cannot be given by their" in run(path, "--labels", labels).stderr


def test_columns_are_ignored(tmp_path):
    table = {"when": ["1 May", "2 May"], "cloud": [0, 1], "rain": [1, 1], "key": ["a", "b"]}
    paths = [tmp_path / "sky.csv", tmp_path / "sky.arff"]
    attributes = ["when string", "cloud numeric", "rain {0,1}", "key string"]
    header = "".join(f"@attribute {attribute}\n" for attribute in attributes)
    paths[1].write_text(f"@relation sky\n{header}@data\n'1 May',0,1,a\n'2 May',1,1,b\n")
    paths[0].write_text("".join(",".join(map(str, row)) + "\n" for row in [table, *zip(*table.values(), strict=True)]))
    if importlib.util.find_spec("pyarrow"):
        arrow, parquet = map(importlib.import_module, ("pyarrow", "pyarrow.parquet"))
        paths.append(tmp_path / "sky.parquet")
        parquet.write_table(arrow.table(table | {"when": [datetime.date(2026, 5, 1)] * 2}), paths[2])
    for path in paths:
        record = record_of(path, "--model", "no-change", "--labels", "-1", "--ignore", "when, key")
        assert record["streams"][0]["counts"]["labels"] == 1
        assert record["scores"]["micro_f1"] == pytest.approx(2 / 3)


def test_features_that_are_texts_are_told(tmp_path):
    path = tmp_path / "sky.csv"
    path.write_text("cloud,kind,rain\n" + "".join(f'"{i},5",{"ab"[i % 2]},{i % 2}\n' for i in range(6)))
    answer = run(path, "--labels", "rain", "--model", "mlhat")
    assert "features that are texts: cloud (6 different), kind (2 different)" in answer.stdout
    assert "texts" not in run(path, "--labels", "rain", "--model", "mlhat", "--decimal", ",", "--ignore", "kind").stdout
    assert record_of(path, "--labels", "rain", "--model", "mlhat")["streams"][0]["nominal"] == {"cloud": 6, "kind": 2}


@pytest.mark.parametrize("name", ["''", '""'])
def test_quotes_stand_for_a_column_without_a_name(tmp_path, name):
    path = tmp_path / "sky.csv"
    path.write_text("cloud,,rain\n1,0,1\n2,1,0\n")
    assert record_of(path, "--model", "no-change", "--labels", "rain", "--ignore", name)["streams"][0]["counts"]["labels"] == 1


def test_a_star_at_the_end_of_a_list_belongs_to_a_name(tmp_path):
    path = tmp_path / "sky.csv"
    path.write_text("cloud,rain,hail*\n1,0,1\n2,1,0\n")
    for labels, count in (("rain,hail*", 2), ("hail*", 1), ("ra*", 1)):
        assert record_of(path, "--model", "no-change", "--labels", labels)["streams"][0]["counts"]["labels"] == count


def test_predictions_name_the_ids_of_rows(tmp_path):
    path, out = tmp_path / "sky.csv", tmp_path / "out.jsonl"
    path.write_text('key;cloud;code;rain;\na1;"1.000,5";7;1;\na2;,5;07;0;\n')
    ways = ["--labels", "rain", "--id", "key", "--nominal", "code", "--predictions", str(out), "--model", "no-change"]
    assert run(path, "--quiet", "--shuffle", "1", *ways).exit_code == 0
    assert {json.loads(line)["id"] for line in out.read_text().splitlines()} == {"a1", "a2"}


def test_labels_are_listed_in_one_column(tmp_path):
    rows = [("0", "a b"), ("1", "b"), ("2", ""), ("3", "b a")]
    (tmp_path / "tags.csv").write_text("x,tags\n" + "".join(",".join(row) + "\n" for row in rows))
    records = [json.dumps({"x": {"x": float(x)}, "y": tags.split()}) for x, tags in rows]
    (tmp_path / "tags.jsonl").write_text("\n".join(records))
    listed = record_of(tmp_path / "tags.csv", "--model", "no-change", "--labels", "tags", "--label-separator", " ")
    plain = record_of(tmp_path / "tags.jsonl", "--model", "no-change")
    assert listed["scores"] == plain["scores"]
    assert listed["streams"][0]["counts"]["labels"] == 2
    assert listed["settings"]["label_separator"] == " "
    wrong = run(tmp_path / "tags.jsonl", "--label-separator", " ")
    assert wrong.exit_code == 2
    assert "a jsonl file has no text between labels, as ' '" in wrong.stderr


def test_labels_are_chosen(tmp_path):
    path = tmp_path / "sky.csv"
    path.write_text("cloud,is_rain,is_snow\n1,1,0\n1,1,1\n")
    for labels in ("is_rain,is_snow", "is_*", "-2"):
        assert scores_of(path, "--model", "no-change", "--labels", labels)["micro_f1"] == pytest.approx(2 / 4)
    assert record_of(path, "--model", "no-change", "--labels", "2")["streams"][0]["counts"]["labels"] == 2


# Real sets -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def scorer(shared_data):
    path = shared_data.parent / "tools" / "mlscore.py"
    if not path.exists():
        pytest.skip("the independent scorer is not there")
    return path


def scored_by(scorer, stem, *predictions):
    answer = subprocess.run(
        [sys.executable, str(scorer), str(stem), *map(str, predictions)], capture_output=True, text=True, timeout=120
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["flags", "scene", "medical", "slashdot", "enron"])
def test_no_change_equals_the_independent_scorer(shared_data, scorer, name):
    expected = scored_by(scorer, shared_data / name)
    record = record_of(shared_data / f"{name}.arff.gz", "--model", "no-change")
    assert record["streams"][0]["counts"]["scored"] == expected.pop("rows")
    for scores in (record["scores"], record["baseline"]):
        for score, value in expected.items():
            assert scores[score] == pytest.approx(value, abs=1e-6), score


@pytest.mark.shared
@pytest.mark.parametrize("arguments", [[], ["--delay", "20"], ["--proba"], ["--limit", "100"], ["--model", "mlhat"]])
@pytest.mark.parametrize("name", ["flags", "emotions"])
def test_predictions_score_as_the_json_says(shared_data, scorer, tmp_path, name, arguments):
    out = tmp_path / "predictions.jsonl"
    record = record_of(shared_data / f"{name}.arff.gz", "--predictions", out, *arguments)
    expected = scored_by(scorer, shared_data / name, out)
    assert record["streams"][0]["counts"]["scored"] == expected.pop("rows")
    for score, value in expected.items():
        assert record["scores"][score] == pytest.approx(value, abs=1e-6), score


@pytest.mark.shared
def test_blocks_score_as_single_events(shared_data, tmp_path):
    file = shared_data / "medical.arff.gz"
    assert scores_of(file) == scores_of(file, "--predictions", tmp_path / "out.jsonl")
