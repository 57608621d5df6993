"""The command `ihomer generate`, and the defaults that a file of settings gives to a command."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.cli import main
from streams.cli.common import OneLineErrors
from streams.cli.config_option import read_config
from streams.event import Event, LateLabels, decode_message, encode_record
from streams.generate import STREAMS, Pace, messages, named_stream

COMMAND = [sys.executable, "-c", "from streams.cli import main; main()", "generate"]


def run(*arguments):
    return CliRunner().invoke(main, ["generate", *map(str, arguments)])


def records(path):
    raw = path.read_bytes()
    return [json.loads(line) for line in (gzip.decompress(raw) if path.suffix == ".gz" else raw).splitlines()]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.jsonl"


# Streams -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("n_events", [0, 1, 19, 20, 41])
def test_streams_of_any_length(name, n_events):
    assert len(list(named_stream(name, n_events, 3))) == n_events


def test_each_stream_drifts_where_it_says():
    points = {name: named_stream(name, 1000, 0).drift_points for name in STREAMS}
    assert points.pop("recurring") == (500, 600, 700, 800, 900)
    assert points.pop("stationary") == ()
    assert points.pop("drift") == (250, 500, 750)
    assert set(points.values()) == {(500,)}
    with pytest.raises(ValueError, match="no stream 'storm'; there are drift"):
        named_stream("storm", 10, 0)


@settings(deadline=None)
@given(
    n_events=st.integers(0, 60),
    share=st.floats(0, 1),
    delay=st.integers(0, 70),
    seed=st.integers(0, 5),
    unlabelled=st.booleans(),
)
def test_late_labels_come_once_after_their_event_and_in_time(n_events, share, delay, seed, unlabelled):
    events = [Event({"a": i}, None if unlabelled and i % 3 == 0 else {str(i)}, id=f"e{i}") for i in range(n_events)]
    sent = list(messages(events, share, delay, seed))
    assert [one.record["id"] for one in sent if one.is_event] == [event.id for event in events]
    seen, labels = [], {}
    for one in sent:
        message = decode_message(encode_record(one.record))
        assert one.key == message.id.encode()
        if isinstance(message, LateLabels):
            number = int(message.id[1:])
            assert events[number].y is not None
            assert seen[number].y is None
            assert len(seen) == min(number + delay + 1, n_events)
        else:
            seen.append(message)
        if message.y is not None:
            assert message.id not in labels
            labels[message.id] = message.y
    assert labels == {event.id: event.y for event in events if event.y is not None}


def test_share_of_late_labels():
    events = [Event({}, {"a"}) for _ in range(10_000)]
    n_late = sum(not sent.is_event for sent in messages(events, 0.3, 5, 1))
    assert 2850 < n_late < 3150
    for share, delay in ((-0.1, 1), (1.1, 1), (float("nan"), 1), (0.5, -1)):
        with pytest.raises(ValueError, match="must be"):
            messages(events, share, delay)


def test_pace_that_is_over_does_not_wait():
    pace = Pace(1e-9, lambda: True)
    pace.wait()
    pace.wait()
    for rate in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="rate"):
            Pace(rate)


# The command ---------------------------------------------------------------------------------------------------------


def test_file_of_events(out):
    answer = run("--to", f"file:{out}", "--events", 50, "--seed", 4)
    assert (answer.exit_code, answer.stderr) == (0, "50 events written\n")
    written = records(out)
    assert [record["id"] for record in written] == [str(number) for number in range(50)]
    assert [decode_message(line) for line in out.read_bytes().splitlines()][7].x == next(
        iter(named_stream("drift", 50, 4).events(7))
    ).x
    again = run("--to", f"file:{out}", "--events", 50)
    assert again.exit_code == 2
    assert "--append" in again.stderr
    assert records(out) == written
    assert run("--to", f"file:{out}", "--events", 50, "--seed", 4, "--append", "--quiet").stderr == ""
    assert records(out) == written * 2


def test_seed_and_name_make_the_stream(tmp_path):
    texts = {}
    for name, seed in (("drift", 1), ("drift", 1), ("drift", 2), ("words", 1)):
        out = tmp_path / f"{len(texts)}{name}{seed}.jsonl"
        assert run("--to", f"file:{out}", "--events", 5, "--seed", seed, "--stream", name).exit_code == 0
        assert texts.setdefault((name, seed), out.read_bytes()) == out.read_bytes()
    assert len(set(texts.values())) == 3


def test_late_labels_and_gzip(tmp_path):
    out = tmp_path / "out.jsonl.gz"
    answer = run("--to", f"file:{out}", "--events", 100, "--late-share", 0.5, "--late-delay", 10)
    n_late = sum("x" not in record for record in records(out))
    assert 25 < n_late < 75
    assert answer.stderr == f"100 events and {n_late} late labels written\n"
    assert set(Counter(record["id"] for record in records(out) if "y" in record).values()) == {1}


def test_data_file_again(tmp_path, out):
    table = tmp_path / "sky.csv"
    table.write_text("cloud,rain\n0.5,1\n0.25,0\n,1\n")
    assert run("--to", f"file:{out}", "--stream", table, "--labels", -1, "--rate", 1000).exit_code == 0
    assert records(out) == [
        {"id": "0", "x": {"cloud": 0.5}, "y": ["rain"]},
        {"id": "1", "x": {"cloud": 0.25}, "y": []},
        {"id": "2", "x": {"cloud": None}, "y": ["rain"]},
    ]
    assert run("--to", f"file:{out}", "--stream", "yeast", "--events", 2, "--append").exit_code == 0
    assert len(records(out)) == 5


def test_data_file_whose_columns_are_texts_and_lists_of_labels(tmp_path, out):
    (tmp_path / "sky.csv").write_text("when,cloud,tags\n1 May,0.5,rain snow\n2 May,1,\n")
    ways = ["--labels", "tags", "--label-separator", " ", "--ignore", "when", "--quiet"]
    assert run("--stream", tmp_path / "sky.csv", "--to", f"file:{out}", *ways).exit_code == 0
    found = [(record["x"], sorted(record["y"])) for record in records(out)]
    assert found == [({"cloud": 0.5}, ["rain", "snow"]), ({"cloud": 1.0}, [])]


def test_data_file_whose_numbers_are_names_or_have_another_decimal_mark(tmp_path, out):
    (tmp_path / "sky.csv").write_text("place;cloud;rain\n01234;1.5;1\n")
    ways = ["--labels", "rain", "--nominal", "place", "--decimal", ".", "--quiet"]
    assert run("--stream", tmp_path / "sky.csv", "--to", f"file:{out}", *ways).exit_code == 0
    assert records(out) == [{"id": "0", "x": {"place": "01234", "cloud": 1.5}, "y": ["rain"]}]


@pytest.mark.parametrize(("arguments", "says"), [
    (["--to", "out.jsonl"], "did you mean file:out.jsonl"),
    (["--to", "kafka://anna:swordfish@h:1/a"], "no user and no password"),
    (["--to", "kafka://h:1/a,b"], "one topic"),
    (["--to", "kafka://h:1/a", "--append"], "--append is for file:"),
    (["--to", "kafka://h:1/a", "--config", "none.toml"], "none.toml: No such file"),
    (["--to", "-", "--partitions", "3"], "--partitions is for kafka"),
    (["--to", "-", "--stream", "storm"], "no stream and no file 'storm'"),
    (["--to", "-", "--stream", "storm.jsonl"], "No such file"),
    (["--to", "-", "--labels", "3"], "--labels is for data files, and drift is none"),
    (["--to", "-", "--stream", "yeast", "--decimal", ","], "--decimal is for data files, and yeast is none"),
    (["--to", "-", "--stream", "yeast", "--format", "csv"], "--format is for data files, and yeast is none"),
    (["--to", "-", "--rate", "0"], "--rate"),
    (["--to", "-", "--rate", "nan"], "rate"),
    (["--to", "-", "--late-share", "2"], "--late-share"),
    (["--to", "-", "--late-delay", "10"], "--late-delay is for events whose labels come late"),
    (["--to", "-", "--late-share", "0", "--late-delay", "10"], "without --late-share there are none"),
    (["--to", "file:none/a.jsonl"], "none/a.jsonl: No such file"),
    (["--to", "file:."], "directory"),
    ([], "--to"),
])
def test_errors_are_one_line(tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    answer = run(*arguments)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert answer.stderr.count("\n") == 1
    assert says in answer.stderr
    assert "swordfish" not in answer.stderr


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_a_file_is_not_written_to_while_it_is_read(tmp_path, link):
    path, target = tmp_path / "events.jsonl", tmp_path / "link.jsonl"
    path.write_text('{"x": {}}\n')
    if link is None:
        target = path
    else:
        link(path, target)
    answer = run("--to", f"file:{target}", "--stream", path, "--append")
    assert answer.exit_code == 2
    assert "is also a file that is read" in answer.stderr
    assert path.read_text() == '{"x": {}}\n'


def test_the_names_of_labels_beside_an_arff_file_are_not_written_to(tmp_path):
    path, names = tmp_path / "a.arff", tmp_path / "a.xml"
    path.write_text("@relation r\n@attribute f numeric\n@attribute l {0,1}\n@data\n1,1\n")
    names.write_text('<labels><label name="l"/></labels>')
    answer = run("--to", f"file:{names}", "--stream", path, "--append")
    assert answer.exit_code == 2
    assert "is also a file that is read" in answer.stderr
    assert names.read_text() == '<labels><label name="l"/></labels>'


def test_malformed_line_of_a_data_file_is_told(tmp_path, out):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"x": {}}\n{"x": 1}\n')
    answer = run("--to", f"file:{out}", "--stream", bad)
    assert answer.exit_code == 2
    assert "bad.jsonl:2" in answer.stderr
    assert len(records(out)) == 1


def test_reader_that_has_enough():
    with subprocess.Popen(
        [*COMMAND, "--to", "-", "--events", "1000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert json.loads(child.stdout.readline())["id"] == "0"
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGHUP, 0)])
def test_signal_ends_with_whole_messages_and_their_labels(out, number, code, hangups_are_heard):
    command = [*COMMAND, "--to", "-", "--events", "1000000", "--rate", "200", "--late-share", "1", "--late-delay", "20"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        text = child.stdout.readline()
        os.kill(child.pid, number)
        text += child.stdout.read()
        child.wait(timeout=60)
    assert child.returncode == code
    found = [json.loads(line) for line in text.splitlines()]
    with_labels = [record["id"] for record in found if "y" in record]
    assert with_labels == [record["id"] for record in found if "x" in record]


def test_help_of_all_commands_imports_little():
    code = (
        "import sys\nfrom streams.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'numpy', 'msgspec', 'kafka', 'ihomer', 'rich', 'structlog'} & set(sys.modules), sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


# Settings from a file ------------------------------------------------------------------------------------------------


@click.command("toy", cls=click.Command)
@click.option("--config", type=click.Path(path_type=Path), is_eager=True, callback=read_config)
@click.option("--model", default="ihomer")
@click.option("--max-events", type=int)
@click.option("--checkpoint", required=True)
@click.option("--group-offsets", is_flag=True)
def toy(config, **options):
    click.echo(json.dumps(options | config.options_of(options["model"]), sort_keys=True))


def toy_run(tmp_path, text, *arguments):
    path = tmp_path / "run.toml"
    path.write_text(text)
    group = OneLineErrors("all", {"toy": toy})
    return CliRunner().invoke(group, ["toy", *arguments, "--config", str(path)])


def test_file_gives_defaults_and_the_command_line_wins(tmp_path):
    text = '[run]\nmax-events = 5\ncheckpoint = "a"\ngroup_offsets = true\n[model]\nname = "mlhat"\ngrace_period = 9\n'
    answer = toy_run(tmp_path, text)
    assert json.loads(answer.stdout) == {
        "checkpoint": "a", "grace_period": 9, "group_offsets": True, "max_events": 5, "model": "mlhat",
    }
    answer = toy_run(tmp_path, text.replace("grace_period = 9\n", ""), "--max-events", "6", "--model", "majority")
    assert json.loads(answer.stdout) == {"checkpoint": "a", "group_offsets": True, "max_events": 6, "model": "majority"}
    answer = toy_run(tmp_path, text, "--model", "majority")
    assert "those of mlhat, and the model is majority" in str(answer.exception)


@pytest.mark.parametrize(("text", "says"), [
    ("[run]\nmax-event = 5", "did you mean run.max-events?"),
    ("[run]\nmax-events = 'many'", "run.toml: run.max-events must be a whole number"),
    ("[run]\nconfig = 'other'", "unknown name run.config"),
    ("", "--checkpoint"),
])
def test_errors_of_the_file_are_one_line(tmp_path, text, says):
    answer = toy_run(tmp_path, text)
    assert answer.exit_code == 2
    assert answer.stderr.count("\n") == 1
    assert says in answer.stderr
