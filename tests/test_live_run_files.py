"""`ihomer run` from file to file: a full disk, Ctrl-C, wrong options, a file of settings, garbage collection."""

import gc
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path
from types import SimpleNamespace

import click
import numba
import pytest
from click.testing import CliRunner

from benchmarks.live import events
from ihomer import MLHATClassifier
from streams import service
from streams.cli import main
from streams.cli.run import _FirstCompilation
from streams.logs import make_logger
from streams.service import start_left_alone
from streams.signals import StopSignals

ROOT = Path(__file__).resolve().parents[1]
IHOMER = [sys.executable, "-c", "from streams.cli import main; main()"]


@pytest.fixture
def stream(tmp_path):
    """A file of 1,500 events."""
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in events(1500, 20, 6)))
    return path


def run(*arguments, **options):
    return subprocess.run(
        [*IHOMER, "run", *map(str, arguments)], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, **options
    )


def arguments_of(stream, folder, *more):
    ends = ["--source", f"file:{stream}", "--sink", f"file:{folder}.out"]
    return [*ends, "--checkpoint", folder, "--commit-every", "0", "--every", "300", *more]


def test_an_event_whose_line_is_still_being_written_is_answered_by_a_later_run(tmp_path):
    stream, folder = tmp_path / "growing.jsonl", tmp_path / "run"
    whole = "".join(json.dumps({"id": str(i), "x": {"a": i}, "y": ["odd"] if i % 2 else []}) + "\n" for i in range(30))
    for end, told in ((whole.index('"a": 20') + 3, ["21"]), (len(whole) - 1, [])):
        stream.write_text(whole[:end])
        ended = run(*arguments_of(stream, folder, "--model", "mlhat", "--log-format", "json"))
        lines = [json.loads(line) for line in ended.stderr.splitlines()]
        assert ended.returncode == 0
        assert [str(line["line"]) for line in lines if line["event"] == "unfinished_line"] == told
        assert not [line for line in lines if line["event"] == "dead_letter"]
    answers = [json.loads(line)["id"] for line in Path(f"{folder}.out").read_text().splitlines()]
    assert answers == [str(i) for i in range(30)]


def test_a_full_disk_loses_nothing(stream, tmp_path):
    calm, full = tmp_path / "calm", tmp_path / "full"
    assert run(*arguments_of(stream, calm)).returncode == 0

    def no_large_files():
        # Enough for answers, journal and the first checkpoint, which knows nothing yet; not for one that has learned.
        resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, 700_000))

    failed = run(*arguments_of(stream, full, "--patience", "2"), preexec_fn=no_large_files)
    assert failed.returncode == 2
    assert "checkpoint_failed" in failed.stderr
    assert "nothing is lost" in failed.stderr
    again = run(*arguments_of(stream, full))
    assert again.returncode == 0, again.stderr
    assert "learning_again" in again.stderr
    assert Path(f"{full}.out").read_bytes() == Path(f"{calm}.out").read_bytes()
    last = "checkpoint-000000000001500.ihomer"
    assert (full / last).read_bytes() == (calm / last).read_bytes()


def following(stream, folder, *more):
    """Start a process that has learned the whole stream when this returns, and waits for more."""
    command = [*IHOMER, "run", *map(str, arguments_of(stream, folder, "--follow", *more))]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not re.search('messages(=|": )1500', line := process.stderr.readline()):
        assert line
    return process


@pytest.mark.parametrize(
    ("name", "reason"),
    [("no/folder/out.jsonl", "No such file"), ("out.gz", "gzipped"), ("own", "holds something"), ("", "not a regular file")],
)
def test_a_newer_run_whose_file_cannot_be_written_ends_no_older_one(stream, tmp_path, name, reason):
    folder, own = tmp_path / "run", tmp_path / "own"
    own.write_text("of somebody else")
    process = following(stream, folder)
    newer = run("--source", f"file:{stream}", "--sink", f"file:{tmp_path / name}", "--checkpoint", folder)
    assert newer.returncode == 2
    assert reason in newer.stderr
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.0)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert own.read_text() == "of somebody else"


def test_ctrl_c_commits_and_leaves_with_0(stream, tmp_path):
    folder = tmp_path / "run"
    process = following(stream, folder)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "event=stopped messages=1500" in told
    assert len(Path(f"{folder}.out").read_text().splitlines()) == 1500


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_before_all_is_loaded_leaves_with_0(stream, tmp_path, number, hangups_are_heard):
    folder = tmp_path / "run"
    started = subprocess.Popen([*IHOMER, "run", *map(str, arguments_of(stream, folder))], cwd=ROOT, stderr=subprocess.PIPE)
    status = Path(f"/proc/{started.pid}/status")
    while not int(re.search(r"SigCgt:\s*(\w+)", status.read_text())[1], 16) >> (signal.SIGHUP - 1) & 1:
        assert started.poll() is None
        time.sleep(0.005)
    started.send_signal(number)
    _, told = started.communicate(timeout=60)
    assert (started.returncode, told) == (0, b"")
    assert run(*arguments_of(stream, folder)).returncode == 0
    assert len(Path(f"{folder}.out").read_text().splitlines()) == 1500


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_the_first_kernels_are_compiled_is_not_waited_for(stream, tmp_path, number):
    folder = tmp_path / "run"
    nothing_compiled = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    command = [*IHOMER, "run", *map(str, arguments_of(stream, folder, "--log-format", "json"))]
    with subprocess.Popen(command, cwd=ROOT, env=nothing_compiled, stderr=subprocess.PIPE, text=True) as process:
        while json.loads(process.stderr.readline())["event"] != "compiling":
            assert process.poll() is None
        process.send_signal(number)
        try:
            _, told = process.communicate(timeout=30)  # one kernel takes seconds, all of them more than a minute
        finally:
            process.kill()
    last = json.loads(told)
    assert (process.returncode, last["event"]) == (0, "stopped")
    assert "nothing is lost" in last["reason"]
    assert run(*arguments_of(stream, folder)).returncode == 0
    assert len(Path(f"{folder}.out").read_text().splitlines()) == 1500


def test_a_signal_of_the_terminal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as signals:
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGHUP)
            assert not signals.stop
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with StopSignals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGHUP)  # a terminal that is closed may send it twice
            assert signals.stop
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("n_transactions", "seconds_committing"), [(1, 0.0), (0, 0.1)])
def test_a_stop_while_kernels_are_compiled_later_is_waited_for(n_transactions, seconds_committing):
    with StopSignals() as signals:
        told = []
        monitor = SimpleNamespace(expect_compilation=lambda: told.append("compiling"))
        first = _FirstCompilation(make_logger(), signals, monitor)
        first.begin()
        assert told == ["compiling"]
        first.end(SimpleNamespace(n_transactions=n_transactions, seconds_committing=seconds_committing))
        first.begin()
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.stop


def test_a_newer_process_takes_over_and_the_older_one_ends(stream, tmp_path):
    folder = tmp_path / "run"
    older = following(stream, folder)
    newer = run(*arguments_of(stream, folder))
    _, told = older.communicate(timeout=60)
    assert (older.returncode, newer.returncode) == (3, 0), told + newer.stderr
    assert "another process has taken over" in told
    assert len(Path(f"{folder}.out").read_text().splitlines()) == 1500


def test_the_log_of_one_that_is_taken_over_is_json_to_its_end(stream, tmp_path):
    folder = tmp_path / "run"
    older = following(stream, folder, "--log-format", "json")
    assert run(*arguments_of(stream, folder)).returncode == 0
    _, told = older.communicate(timeout=60)
    last = [json.loads(line) for line in told.splitlines()][-1]
    assert (older.returncode, last["level"], last["event"], last["exit_code"]) == (3, "error", "failed", 3)
    assert "another process has taken over" in last["reason"]


def test_without_checkpoints_answers_are_not_doubled(stream, tmp_path):
    ends = ["--source", f"file:{stream}", "--sink", f"file:{tmp_path}/out", "--max-events", 50]
    assert run(*ends).returncode == 0
    again = run(*ends)
    assert again.returncode == 2
    assert again.stderr.splitlines()[-1].startswith("ihomer: the sink holds the answers of an earlier run")
    assert len((tmp_path / "out").read_text().splitlines()) == 50


def test_options_that_a_continued_run_ignores_are_told(stream, tmp_path):
    folder = tmp_path / "run"
    assert run(*arguments_of(stream, folder, "--max-events", 20)).returncode == 0
    more = ("--model", "mlhat", "--window", 7, "--late-most", 9, "--max-events", 20)
    again = run(*arguments_of(stream, folder, *more))
    assert again.returncode == 0
    (told,) = (line for line in again.stderr.splitlines() if "options_ignored" in line)
    assert '["late-most", "model", "window"]' in told.replace("\\", "")


def test_another_source_or_sink_than_before_is_refused(stream, tmp_path):
    """A source file of the same name, and a sink that another run writes to; the run goes on with its own."""
    first, second = tmp_path / "first", tmp_path / "second"
    assert run(*arguments_of(stream, first, "--max-events", 300)).returncode == 0
    assert run(*arguments_of(stream, second, "--max-events", 200)).returncode == 0
    answers = Path(f"{second}.out").read_bytes()
    ends = ["--source", f"file:{stream}", "--sink", f"file:{second}.out", "--checkpoint", first]
    done = run(*ends)
    assert done.returncode == 2
    assert "holds the answers of another run" in done.stderr.splitlines()[-1]
    assert Path(f"{second}.out").read_bytes() == answers
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / stream.name
    other.write_bytes(b'{"x": {}}\n' * 400)
    done = run(*arguments_of(other, first))
    assert done.returncode == 2
    assert "not the file that was read under this name" in done.stderr.splitlines()[-1]
    other.write_bytes(stream.read_bytes())
    assert run(*arguments_of(other, first)).returncode == 0
    assert len(Path(f"{first}.out").read_text().splitlines()) == 1500


@pytest.mark.parametrize("setting", ["acks = 1", "no_such = 1", 'bootstrap_timeout_ms = "soon"'])
def test_a_wrong_setting_of_the_client_is_told_in_one_line(setting, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(f"[kafka]\n{setting}\n")
    ends = ["--source", "kafka://127.0.0.1:1/clicks", "--sink", "-", "--checkpoint", tmp_path / "run"]
    done = run(*ends, "--config", config)
    assert done.returncode == 2
    assert setting.split()[0] in done.stderr
    assert done.stderr.count("\n") == 1


def test_max_events_ends_and_the_next_run_goes_on(stream, tmp_path):
    folder = tmp_path / "run"
    for n_lines in (400, 800, 1200, 1500):
        assert run(*arguments_of(stream, folder, "--max-events", 400)).returncode == 0
        assert len(Path(f"{folder}.out").read_text().splitlines()) == n_lines


def test_standard_input_is_learned_without_checkpoints(stream):
    done = subprocess.run(
        [*IHOMER, "run", "--source", "-", "--sink", "-", "--top", "2"],
        cwd=ROOT, input=stream.read_bytes(), capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["learned"] for answer in answers] == list(range(1500))
    assert len(answers[-1]["proba"]) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--source", "-"], "Missing option '--sink'"),
        (["--source", "nowhere", "--sink", "-"], "did you mean file:nowhere?"),
        (["--source", "kafka://127.0.0.1:1/a", "--sink", "-"], "--checkpoint"),
        (["--source", "-", "--sink", "-", "--checkpoint", "x"], "cannot be read again"),
        (["--source", "-", "--sink", "-", "--every", "0"], "neither a number of messages"),
        (["--source", "-", "--sink", "-", "--late-age", "soon"], "is no time"),
        (["--source", "-", "--sink", "-", "--start", "now"], "is neither earliest"),
        (["--source", "-", "--sink", "-", "--patience", "0"], "--patience"),
        (["--source", "-", "--sink", "-", "--patience", "inf"], "--patience"),
        (["--source", "-", "--sink", "-", "--commit-every", "nan"], "'nan' is no time"),
        (["--source", "-", "--sink", "-", "--start", "0001-01-01"], "is before 1970"),
        (["--source", "-", "--sink", "-", "--start", "1969-12-31T23:59:59.999Z"], "is before 1970"),
        (["--source", "-", "--sink", "-", "--model-option", "depth=3"], "has no setting 'depth'"),
        (["--source", "-", "--sink", "-", "--dead-letter", "kafka://127.0.0.1:1/a"], "into a file"),
        (["--source", "file:none.jsonl", "--sink", "-"], "none.jsonl"),
        (["--source", "file:none.jsonl", "--sink", "-", "--checkpoint", ""], "a folder needs a name"),
    ],
)
def test_wrong_options_are_told_in_one_line(arguments, told, tmp_path):
    done = run(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


FILES = ["--source", "file:none.jsonl", "--sink", "-"]
KAFKA = ["--source", "kafka://127.0.0.1:1/a", "--sink", "-", "--patience", "0.1"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--source", "file:in", "--sink", "-", "--dead-letter", "file:./in"], "is read from and written to"),
        (["--source", "file:in", "--sink", f"file:{ROOT}/in"], "is read from and written to"),
        ([*FILES, "--start", "latest"], "--start goes with a source in Kafka"),
        ([*FILES, "--group", "g"], "--group goes with a source in Kafka"),
        ([*FILES, "--late-age", "1h"], "--late-age goes with a source in Kafka"),
        ([*FILES, "--late-age", "7d"], "--late-age goes with a source in Kafka"),
        (["--source", "-", "--sink", "-", "--late-age", "7d"], "--late-age goes with a source in Kafka"),
        (["--source", "-", "--sink", "-", "--group-offsets"], "--group-offsets goes with a source in Kafka"),
        ([*KAFKA, "--group-offsets"], "--group-offsets goes with the --group"),
        ([*KAFKA, "--group", ""], "--group needs a name"),
        ([*KAFKA, "--group", "g"], "--group would have no effect"),
        ([*KAFKA[:2], "--sink", "kafka://127.0.0.1:2/b", *KAFKA[4:], "--group", "g"], "--group would have no effect"),
        ([*FILES, "--every", "500"], "--every goes with --checkpoint"),
        ([*FILES, "--every", "20s"], "--every goes with --checkpoint"),
        ([*FILES, "--every", "60s"], "--every goes with --checkpoint"),
        ([*FILES, "--keep", "9"], "--keep goes with --checkpoint"),
        ([*FILES, "--keep", "3"], "--keep goes with --checkpoint"),
        ([*FILES, "--metrics-host", "::1"], "--metrics-host goes with --metrics-port"),
        ([*FILES, "--metrics-host", "127.0.0.1"], "--metrics-host goes with --metrics-port"),
        ([*FILES, "--idle-exit", "9"], "--idle-exit goes with a source that is waited for"),
        ([*KAFKA, "--follow"], "--follow goes with a source file"),
        ([*KAFKA, "--labels", ""], "'--labels': kafka: '' cannot be a topic's name"),
        ([*KAFKA, "--labels", "a,,b"], "'--labels': kafka: '' cannot be a topic's name"),
        ([*KAFKA, "--metrics-port", "0", "--metrics-host", ""], "--metrics-host '', --metrics-port 0: "),
        ([*KAFKA, "--metrics-port", "0", "--metrics-host", "a" * 70], "--metrics-host 'aaa"),
    ],
)
def test_options_that_would_be_ignored_or_fail_later_are_refused(arguments, told, tmp_path):
    folder = ["--checkpoint", str(tmp_path)] if arguments[:2] == KAFKA[:2] else []
    answer = CliRunner().invoke(main, ["run", *arguments, *folder])
    assert answer.exit_code == 2
    assert told in answer.stderr
    assert answer.stderr.count("\n") == 1


JSON = ["--log-format", "json"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--source", "-", *JSON], "Missing option '--sink'."),
        ([*JSON, "--source", "-", "--sink"], "Option '--sink' requires an argument."),
        (["--no-such", "3", *FILES, "--log-format=json"], click.NoSuchOption("--no-such").format_message()),
        (["--late-age", "1w", *FILES, *JSON], "Invalid value for '--late-age': '1w' is no time, as 0.5, 30s, 10m, 12h or 7d"),
        ([*FILES, *JSON, "--late-age", "7d"], "--late-age goes with a source in Kafka"),
        ([*FILES, *JSON, "--model-option", "depth=3"], "model ihomer has no setting 'depth'"),
        ([*FILES, *JSON, "--config", f"{'long/' * 50}name"], f"{'long/' * 50}name: No such file or directory"),
    ],
)
def test_an_error_is_a_line_of_a_log_of_json(arguments, told):
    answer = CliRunner().invoke(main, ["run", *arguments])
    *_, last = (json.loads(line) for line in answer.stderr.splitlines())
    assert (answer.exit_code, last["level"], last["event"], last["exit_code"]) == (2, "error", "failed", 2)
    assert last["reason"].startswith(told)
    arguments = [{"json": "text", "--log-format=json": "--log-format=text"}.get(each, each) for each in arguments]
    assert f"ihomer: {last['reason']}" == CliRunner().invoke(main, ["run", *arguments]).stderr.splitlines()[-1]


def test_an_error_is_a_line_of_json_where_a_file_of_settings_asks_for_that(tmp_path):
    (tmp_path / "run.toml").write_text('[run]\nlog-format = "json"\n')
    for arguments in (FILES, FILES[:2]):
        answer = CliRunner().invoke(main, ["run", *arguments, "--config", str(tmp_path / "run.toml")])
        assert answer.exit_code == 2
        assert [json.loads(line)["level"] for line in answer.stderr.splitlines()][-1] == "error"


@pytest.mark.parametrize("options", ['"depth=3"', '["max_depth=3", "depth=3"]'])
def test_settings_of_the_model_come_from_a_file_by_the_name_of_their_option(options, tmp_path):
    (tmp_path / "run.toml").write_text(f'[run]\nmodel = "mlhat"\nmodel-option = {options}\n')
    answer = CliRunner().invoke(main, ["run", *FILES, "--config", str(tmp_path / "run.toml")])
    assert "mlhat has no setting 'depth'" in answer.stderr


def test_options_and_model_come_from_a_file_of_settings(stream, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text(
        f'[run]\nsource = "file:{stream}"\nsink = "file:{tmp_path}/out"\ncheckpoint = "{tmp_path}/run"\nmax-events = 50\n'
        '[model]\nname = "mlhat"\ngrace_period = 77\n'
    )
    done = run("--config", config, "--max-events", 60)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out").read_text().splitlines()) == 60
    shown = subprocess.run([*IHOMER, "inspect", tmp_path / "run", "--json"], cwd=ROOT, capture_output=True, text=True)
    assert json.loads(shown.stdout)["model"]["class"] == "MLHATClassifier"


class Ring:
    """What only a garbage collector frees."""

    def __init__(self):
        self.itself = self


def test_garbage_of_a_run_is_collected_and_what_was_there_before_is_left_alone():
    def failing_run():
        with start_left_alone():
            assert gc.get_freeze_count() > 10_000
            seen = weakref.ref(Ring())
            gc.collect()
            assert seen() is None
            raise KeyError

    assert gc.get_freeze_count() == 0
    with pytest.raises(KeyError):
        failing_run()
    assert gc.get_freeze_count() == 0


def test_compilation_is_told_while_it_goes_on_and_not_where_machine_code_is_there(stream, tmp_path, monkeypatch):
    build = service.build_model

    def build_slowly(*arguments):
        numba.njit(lambda x: x + 1)(1)
        return build(*arguments)

    calm = CliRunner().invoke(main, ["run", *map(str, arguments_of(stream, tmp_path / "calm"))])
    again = CliRunner().invoke(main, ["run", *map(str, arguments_of(stream, tmp_path / "again"))])
    monkeypatch.setattr(service, "build_model", build_slowly)
    slow = CliRunner().invoke(main, ["run", *map(str, arguments_of(stream, tmp_path / "slow"))])
    assert (calm.exit_code, again.exit_code, slow.exit_code) == (0, 0, 0)
    told = [re.findall("event=(compiling|compiled seconds=[0-9.]+|started)", result.stderr) for result in (again, slow)]
    assert told[0] == ["started"]
    assert told[1][:2] == ["compiling", "started"]
    assert re.fullmatch(r"compiled seconds=\d+\.\d", told[1][2])
    assert len(told[1]) == 3


def test_the_model_of_a_run_is_taken_out_of_its_checkpoint(stream, tmp_path):
    folder, taken = tmp_path / "run", tmp_path / "model"
    assert run(*arguments_of(stream, folder, "--model", "mlhat")).returncode == 0
    answer = CliRunner().invoke(main, ["inspect", str(folder), "--json", "--model-to", str(taken)])
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["model"]["class"] == "MLHATClassifier"
    model, expected = MLHATClassifier.load(taken), MLHATClassifier()
    events = [json.loads(line) for line in stream.read_text().splitlines()]
    expected.learn_many([event["x"] for event in events], [set(event["y"]) for event in events])
    assert model.n_learned == 1500
    assert model.predict_proba_one(events[0]["x"]) == expected.predict_proba_one(events[0]["x"])
    newest = folder / "checkpoint-000000000001500.ihomer"
    before = newest.read_bytes()
    older = min(folder.glob("checkpoint-*.ihomer"))
    assert older != newest
    for file, where in ((newest, folder), (newest, newest), (older, newest), (folder / "model", folder)):
        answer = CliRunner().invoke(main, ["inspect", str(where), "--model-to", str(file)])
        assert answer.exit_code == 2
        assert "name a file elsewhere" in answer.stderr
    assert newest.read_bytes() == before
    with pytest.raises(ValueError, match="`ihomer inspect --model-to` takes the model out"):
        MLHATClassifier.load(newest)
    answer = CliRunner().invoke(main, ["inspect", str(taken)])
    assert "it is no checkpoint: it holds an object of type MLHATClassifier" in answer.stderr


def test_signals_are_waited_for_before_what_takes_long_is_loaded():
    code = (
        "import sys, streams.signals as signals; from streams.cli import main\n"
        "signals.StopSignals.__enter__ = lambda self: sys.exit(7 + ('numpy' in sys.modules))\n"
        "main(['run', '--source', '-', '--sink', '-'])"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.DEVNULL).returncode == 7


def test_the_last_line_of_the_log_tells_the_scores_of_all_events(stream, tmp_path):
    folder = tmp_path / "run"
    ended = run(*arguments_of(stream, folder, "--max-events", "100", "--log-format", "json", "--model", "mlhat"))
    last = json.loads(ended.stderr.splitlines()[-1])
    assert (last["event"], last["messages"]) == ("stopped", 100)
    held = json.loads(CliRunner().invoke(main, ["inspect", str(folder), "--json"]).stdout)["scores"]["model window"]
    assert last["subset_accuracy"] == round(held["subset_accuracy"], 4)
    assert last["micro_f1"] == round(held["micro_f1"], 4)


def test_the_last_line_of_the_log_tells_no_scores_where_no_event_has_labels(tmp_path):
    events = tmp_path / "events.jsonl"
    events.write_text('{"x": {"a": 1}}\n')
    ended = run(*arguments_of(events, tmp_path / "run", "--log-format", "json", "--model", "mlhat"))
    last = json.loads(ended.stderr.splitlines()[-1])
    assert (last["event"], last["messages"]) == ("stopped", 1)
    assert "micro_f1" not in last
