"""How `ihomer evaluate` ends where one of several files fails, or a signal or an output ends it early."""

import array
import fcntl
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import streams.evaluate
from streams.cli import main

COMMAND = [sys.executable, "-c", "from streams.cli import main; main()", "evaluate"]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Three files, the second of which is malformed in its third line."""
    monkeypatch.chdir(tmp_path)
    good = "".join(json.dumps({"x": {"a": i}, "y": ["p"] if i % 2 else []}) + "\n" for i in range(6))
    for name, text in (("one", good), ("two", good[: good.index("\n") + 1] * 2 + "nonsense\n" + good), ("three", good)):
        (tmp_path / f"{name}.jsonl").write_text(text)
    return ["one.jsonl", "two.jsonl", "three.jsonl"]


def run(*arguments):
    return CliRunner().invoke(main, ["evaluate", "--model", "majority", *map(str, arguments)])


def test_the_others_have_scores_where_one_file_fails(files, tmp_path):
    answer = run(*files, "--json", "scores.json", "--report", "page.html", "--predictions", "out.jsonl")
    assert answer.exit_code == 2
    first, last = answer.stderr.splitlines()
    assert first.startswith("ihomer: two.jsonl:3: JSON is malformed")
    assert last == "ihomer: 1 of 3 files failed: two"
    assert all(name in answer.stdout for name in (" one ", " two ", " three ", "mean of 2 streams"))
    assert answer.stdout.count("partial") == 1
    assert f"\n partial scores, of the events before this: {first.removeprefix('ihomer: ')}\n" in answer.stdout
    record = json.loads((tmp_path / "scores.json").read_text())
    assert [stream["stream"] for stream in record["streams"]] == ["one", "three"]
    assert [(failure["stream"], failure["error"]) for failure in record["failed"]] == [("two", first.removeprefix("ihomer: "))]
    assert record["interrupted"] is False
    assert record["scores"] == record["streams"][0]["scores"]
    assert (tmp_path / "page.html").stat().st_size > 1000
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 14


def test_a_file_that_is_gone_by_then_has_no_scores(files, tmp_path, monkeypatch):
    opened = streams.evaluate.open_source

    def remove_and_open(file, **options):
        Path("three.jsonl").unlink(missing_ok=True)
        return opened(file, **options)

    monkeypatch.setattr(streams.evaluate, "open_source", remove_and_open)
    answer = run(files[0], files[2], "--quiet", "--json", "scores.json")
    told = "three.jsonl: No such file or directory"
    assert (answer.exit_code, answer.stderr) == (2, f"ihomer: {told}\nihomer: 1 of 2 files failed: three\n")
    record = json.loads((tmp_path / "scores.json").read_text())
    assert (record["failed"], record["interrupted"]) == ([{"stream": "three", "error": told, "partial": None}], False)


def test_a_report_and_scores_of_an_earlier_run_stay_where_all_fail_at_once(files, tmp_path):
    Path(files[1]).write_text("nonsense\n")
    for name in ("scores.json", "page.html"):
        (tmp_path / name).write_text("of an earlier run")
    answer = run(files[1], files[1], "--quiet", "--json", "scores.json", "--report", "page.html")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr.endswith("ihomer: 2 of 2 files failed: two.jsonl, two.jsonl\n")
    assert {(tmp_path / name).read_text() for name in ("scores.json", "page.html")} == {"of an earlier run"}


def _without_times(record):
    return {**record, "events_per_second": None}


@pytest.mark.parametrize("how", [(), ("--delay", "30"), ("--proba",), ("--on-error", "skip")])
def test_a_file_that_fails_half_way_has_the_scores_of_one_that_ends_there(how, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"x": {"a": i % 7}, "y": ["p"] if i % 7 < 3 else ["q"]}) for i in range(700)]
    raw = gzip.compress("\n".join(lines).encode())
    Path("cut.jsonl.gz").write_bytes(raw[: len(raw) * 4 // 5])
    answer = run("cut.jsonl.gz", *how, "--json", "cut.json", "--report", "page.html", "--predictions", "out.jsonl")
    assert (answer.exit_code, answer.stdout.count("partial scores")) == (2, 1)
    record = json.loads(Path("cut.json").read_text())
    assert (record["streams"], record["scores"], record["baseline"], record["interrupted"]) == ([], {}, {}, False)
    (failure,) = record["failed"]
    assert f"ihomer: {failure['error']}\n" == answer.stderr
    n_read = failure["partial"]["counts"]["predicted"]
    assert 256 < n_read < 700
    assert len(Path("out.jsonl").read_text().splitlines()) == n_read
    assert f'"learned":{n_read},' in Path("page.html").read_text("utf-8")
    Path("cut.jsonl").write_text("\n".join(lines[:n_read]))
    assert run("cut.jsonl", *how, "--json", "whole.json").exit_code == 0
    assert _without_times(failure["partial"]) == _without_times(json.loads(Path("whole.json").read_text())["streams"][0])


def test_what_a_model_refuses_in_the_midst_leaves_the_scores_of_the_events_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = ['{"x": {}, "y": ["p"]}\n'] * 300
    lines[200] = '{"x": {}, "y": ["p"], "w": 1e300}\n'
    Path("heavy.jsonl").write_text("".join(lines))
    answer = run("heavy.jsonl", "--json", "scores.json")
    assert (answer.exit_code, answer.stderr[:24]) == (2, "ihomer: heavy.jsonl:201:")
    partial = json.loads(Path("scores.json").read_text())["failed"][0]["partial"]
    assert (partial["counts"]["scored"], partial["counts"]["skipped"]) == (200, 0)
    assert partial["scores"]["subset_accuracy"] == pytest.approx(199 / 200)


def test_a_report_says_first_which_files_have_failed_and_why(files, tmp_path):
    Path("four.jsonl").write_text("<nonsense>\n")
    answer = run(*files, "four.jsonl", "--quiet", "--report", "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    streams, failed = (
        json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page)[1])
        for name in ("data", "failed")
    )
    reasons = [line.removeprefix("ihomer: ") for line in answer.stderr.splitlines()]
    assert reasons[2] == "2 of 4 files failed: two, four"
    assert failed == [["two", reasons[0], True], ["four", reasons[1], False]]
    assert [(stream["stream"], stream["error"]) for stream in streams] == [("one", None), ("two", reasons[0]), ("three", None)]


def test_an_output_that_cannot_be_opened_leaves_nothing_of_the_others(files, tmp_path):
    outputs = ["--predictions", "new.jsonl", "--json", "new.json", "--report", "no/such/page.html"]
    assert run(*files, *outputs).exit_code == 2
    assert not list(tmp_path.glob("new*"))


def test_what_was_measured_is_kept_where_nobody_reads_the_table(files, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    answer = subprocess.run(
        [*COMMAND, "--model", "majority", "one.jsonl", "three.jsonl", "--json", "scores.json"],
        stdout=writing, stderr=subprocess.PIPE, text=True, timeout=200, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (answer.returncode, answer.stderr) == (2, "ihomer: standard output: Broken pipe\n")
    record = json.loads((tmp_path / "scores.json").read_text())
    assert ([stream["stream"] for stream in record["streams"]], record["interrupted"]) == (["one"], True)


# Signals --------------------------------------------------------------------------------------------------------------


def started(*arguments):
    return subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until_read(descriptor):
    """Wait until a pipe is empty, and what was in it has been dealt with."""
    left = array.array("i", [1])
    end = time.monotonic() + 60
    while left[0] and time.monotonic() < end:
        fcntl.ioctl(descriptor, termios.FIONREAD, left)
        time.sleep(0.05)
    time.sleep(1)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_what_was_done(number, code, files, tmp_path, hangups_are_heard):
    pipe, out = tmp_path / "endless.jsonl", tmp_path / "out.json"
    os.mkfifo(pipe)
    with started(files[0], pipe, "--model", "no-change", "--json", out) as running, pipe.open("w") as writer:
        writer.write((tmp_path / files[0]).read_text() * 40)
        writer.flush()
        wait_until_read(writer.fileno())
        running.send_signal(number)
        stdout, stderr = running.communicate(timeout=60)
    assert running.returncode == code
    assert "interrupted" in stdout
    assert "previous labelset" in stdout
    assert stderr == ""
    record = json.loads(out.read_text())
    assert record["interrupted"] is True
    assert [stream["interrupted"] for stream in record["streams"]] == [False, True]
    counts = record["streams"][1]["counts"]
    assert 0 < counts["predicted"] <= 240
    assert counts["predicted"] == counts["learned"] == counts["scored"]


@pytest.mark.parametrize("is_read", [True, False])
def test_a_model_that_a_signal_has_kept_from_the_end_of_a_file_takes_no_place(is_read, files, tmp_path):
    pipe, model = tmp_path / "endless.jsonl", tmp_path / "model"
    os.mkfifo(pipe)
    model.write_text("an earlier one")
    with started(pipe, "--model", "mlhat", "--model-to", model) as running, pipe.open("w") as writer:
        writer.write((tmp_path / files[0]).read_text() * 40)
        writer.flush()
        wait_until_read(writer.fileno())
        if not is_read:
            running.stdout.close()
        running.send_signal(signal.SIGINT)
        last = running.stderr.read().splitlines()[-1]
        assert running.wait(timeout=60) == (130 if is_read else 2)
    assert (f"interrupted; no model is written to {model}" if is_read else "standard output: Broken pipe") in last
    assert model.read_text() == "an earlier one"


def test_ctrl_c_before_the_first_event_prints_nothing(tmp_path):
    pipe, earlier = tmp_path / "silent.jsonl", tmp_path / "predictions.jsonl"
    os.mkfifo(pipe)
    earlier.write_text("of an earlier run")
    with started(pipe, "--model", "no-change", "--predictions", earlier) as running, pipe.open("w"):
        time.sleep(1)
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=60)
    assert (running.returncode, stdout, stderr) == (130, "", "")
    assert earlier.read_text() == "of an earlier run"
