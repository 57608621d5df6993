"""What is written never destroys what is read, nor what is no file."""

import errno
import gzip
import json
import os
import resource
import shlex
import stat
import subprocess
import sys
from contextlib import contextmanager, suppress

import pytest

from ihomer import MLHATClassifier
from streams.cli.common import OutputFile
from streams.jsonlines import JsonLinesSink

IHOMER = [sys.executable, "-c", "from streams.cli import main; main()"]
LINE = '{"x":{"f":1},"y":["a"]}\n'


def evaluate(folder, *arguments):
    return subprocess.run([*IHOMER, "evaluate", *arguments], cwd=folder, capture_output=True, text=True)


def in_shell(folder, rest):
    """Run a command whose streams the shell leads somewhere."""
    return subprocess.run(["sh", "-c", f"{shlex.join(IHOMER)} {rest}"], cwd=folder, capture_output=True, text=True)


@contextmanager
def full_disk(n_bytes=10):
    """Let no file grow beyond so many bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("option", ["--predictions", "--json", "--report"])
def test_an_output_that_is_read_is_refused(tmp_path, option):
    line = '{"x":{"f":1},"y":["a"]}\n'
    (tmp_path / "in.jsonl").write_text(line)
    found = evaluate(tmp_path, "in.jsonl", option, "./in.jsonl")
    assert found.returncode == 2
    assert "is also a file that is read" in found.stderr
    assert (tmp_path / "in.jsonl").read_text() == line


@pytest.mark.parametrize("option", ["--predictions", "--json", "--report"])
def test_an_output_that_is_another_name_of_what_is_read_is_refused(tmp_path, option):
    line = '{"x":{"f":1},"y":["a"]}\n'
    (tmp_path / "in.jsonl").write_text(line)
    os.link(tmp_path / "in.jsonl", tmp_path / "other")
    found = evaluate(tmp_path, "in.jsonl", option, "other")
    assert found.returncode == 2
    assert f"{option} other is also a file that is read" in found.stderr
    assert (tmp_path / "in.jsonl").read_text() == line


@pytest.mark.parametrize("option", ["--predictions", "--json", "--report"])
@pytest.mark.parametrize("arguments", [["in.arff"], ["in.data", "--format", "arff"]])
def test_an_output_onto_the_label_names_beside_an_arff_file_is_refused(tmp_path, option, arguments):
    names = '<labels><label name="l"/></labels>'
    (tmp_path / arguments[0]).write_text("@relation r\n@attribute f numeric\n@attribute l {0,1}\n@data\n1,1\n")
    beside = "in.xml" if arguments == ["in.arff"] else "in.data.xml"
    (tmp_path / beside).write_text(names)
    found = evaluate(tmp_path, *arguments, option, beside)
    assert found.returncode == 2
    assert f"{option} {beside} is also a file that is read" in found.stderr
    assert (tmp_path / beside).read_text() == names


def test_two_outputs_to_one_file_are_refused(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"x":{"f":1},"y":["a"]}\n')
    found = evaluate(tmp_path, "in.jsonl", "--json", "out", "--predictions", "out")
    assert found.returncode == 2
    assert "--predictions out is also --json" in found.stderr
    assert not (tmp_path / "out").exists()


def test_a_model_is_not_saved_over_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        MLHATClassifier().save(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_predictions_go_to_standard_output(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"id":"one","x":{"f":1},"y":["a"]}\n')
    found = evaluate(tmp_path, "in.jsonl", "--model", "majority", "--predictions", "-")
    assert found.returncode == 0
    assert [json.loads(line)["id"] for line in found.stdout.splitlines()] == ["one"]
    assert "micro-F1" in found.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_two_outputs_to_standard_output_are_refused(tmp_path):
    found = evaluate(tmp_path, "--json", "-", "--predictions", "-")
    assert found.returncode == 2
    assert "--json and --predictions cannot both go to standard output" in found.stderr


def test_predictions_name_a_file_whose_name_is_no_text(tmp_path):
    name = os.fsdecode(b"in\xff.jsonl")
    try:
        (tmp_path / name).write_text('{"x":{"f":1},"y":["a"]}\n')
    except OSError:
        pytest.skip("file names here have to be text")
    found = evaluate(tmp_path, name, "--model", "majority", "--quiet", "--predictions", "out")
    assert (found.returncode, found.stderr) == (0, "")
    assert json.loads((tmp_path / "out").read_text())["source"]["file"] == r"in\udcff.jsonl"


# What cannot be written ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", [
    "evaluate in.jsonl --model no-change --quiet --json /dev/full",
    "evaluate in.jsonl --model no-change --quiet --report /dev/full",
    "evaluate in.jsonl --model no-change --quiet --predictions /dev/full",
    "generate --to file:/dev/full --events 3",
    "generate --to file:/dev/full --events 1000",
])
def test_a_full_disk_names_the_file(tmp_path, rest):
    (tmp_path / "in.jsonl").write_text(LINE)
    found = in_shell(tmp_path, rest)
    assert (found.returncode, found.stderr) == (2, "ihomer: /dev/full: No space left on device\n")


@pytest.mark.parametrize("rest", [
    "--help",
    "run --help",
    "--version",
    "evaluate in.jsonl --model no-change",
    "evaluate in.jsonl in.jsonl --model no-change --quiet --json -",
    "evaluate in.jsonl --model no-change --quiet --predictions -",
    "generate --to - --events 1000",
])
def test_standard_output_onto_a_full_disk_is_one_line(tmp_path, rest):
    (tmp_path / "in.jsonl").write_text(LINE)
    found = in_shell(tmp_path, f"{rest} >/dev/full")
    assert (found.returncode, found.stderr) == (2, "ihomer: standard output: No space left on device\n")


@pytest.mark.parametrize("rest", [
    "evaluate in.jsonl --model no-change",
    "evaluate in.jsonl --model no-change --quiet --json -",
    "evaluate in.jsonl --model no-change --quiet --predictions -",
    "generate --to - --events 3",
    "run --source file:in.jsonl --sink -",
])
def test_a_closed_standard_output_is_one_line(tmp_path, rest):
    (tmp_path / "in.jsonl").write_text(LINE)
    found = in_shell(tmp_path, f"{rest} >&-")
    assert (found.returncode, found.stderr) == (2, "ihomer: standard output is closed\n")


@pytest.mark.parametrize("rest", [
    "--help",
    "run --help",
    "--version",
    "evaluate in.jsonl --model no-change",
    "evaluate in.jsonl --model no-change --quiet --json -",
    "evaluate in.jsonl --model no-change --quiet --predictions -",
    "inspect run",
    "inspect run --json",
])
def test_standard_output_that_nobody_reads_is_one_line(tmp_path, rest):
    (tmp_path / "in.jsonl").write_text(LINE)
    if rest.startswith("inspect"):
        in_shell(tmp_path, "run --source file:in.jsonl --sink file:out.jsonl --model mlhat --checkpoint run")
    reader, writer = os.pipe()
    os.close(reader)
    found = subprocess.run([*IHOMER, *rest.split()], cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (found.returncode, found.stderr) == (2, "ihomer: standard output: Broken pipe\n")
    reader, writer = os.pipe()
    os.close(reader)
    both = subprocess.run([*IHOMER, *rest.split()], cwd=tmp_path, stdout=writer, stderr=writer)
    os.close(writer)
    assert both.returncode == 2


@pytest.mark.parametrize("rest", [
    "evaluate in.jsonl --model no-change --quiet --json loop",
    "run --source file:loop --sink file:out.jsonl",
    "run --source file:in.jsonl --sink file:loop",
    "run --source file:in.jsonl --sink file:out.jsonl --dead-letter file:loop",
])
def test_a_link_to_itself_is_one_line(tmp_path, rest):
    (tmp_path / "in.jsonl").write_text(LINE)
    (tmp_path / "loop").symlink_to("loop")
    found = in_shell(tmp_path, rest)
    assert (found.returncode, found.stderr) == (2, "ihomer: loop: Too many levels of symbolic links\n")


def test_a_run_without_standard_error_does_its_work(tmp_path):
    (tmp_path / "in.jsonl").write_text(LINE)
    found = in_shell(tmp_path, "run --source file:in.jsonl --sink file:out.jsonl --model mlhat 2>&-")
    assert (found.returncode, (tmp_path / "out.jsonl").read_text().count("\n")) == (0, 1)


def test_a_closed_standard_input_is_one_line(tmp_path):
    found = in_shell(tmp_path, "run --source - --sink - <&-")
    assert (found.returncode, found.stderr) == (2, "ihomer: standard input is closed\n")


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_writing_flushing_and_closing_name_the_file(tmp_path, name):
    def write_much(sink):
        for _ in range(20):
            sink.write({"x": {os.urandom(5000).hex(): 1}})

    def write_and_close(sink):
        sink.write({"x": {os.urandom(500).hex(): 1}})
        sink.close()

    def write_and_flush(sink):
        sink.write({"x": {os.urandom(500).hex(): 1}})
        sink.flush()

    for steps in (write_much, write_and_close, write_and_flush):
        sink = JsonLinesSink(tmp_path / name)
        with full_disk(0), pytest.raises(OSError, match="File too large") as caught:
            steps(sink)
        assert caught.value.filename == str(tmp_path / name)
        with full_disk(0), suppress(OSError):
            sink.close()
        assert sink._file.closed


# A result is whole or is the old one ---------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_result_before(tmp_path):
    path = tmp_path / "out.json"
    path.write_text("of an earlier run")
    with pytest.raises(OSError, match=str(path)) as caught, OutputFile(str(path)) as file, full_disk():
        file.write({"a": "b" * 100})
    assert caught.value.errno == errno.EFBIG
    assert path.read_text() == "of an earlier run"
    assert os.listdir(tmp_path) == ["out.json"]


def test_a_full_disk_leaves_no_new_file(tmp_path):
    with pytest.raises(OSError, match="File too large"), OutputFile(str(tmp_path / "out.json")) as file, full_disk():
        file.write({"a": "b" * 100})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", [0o640, 0o600])
def test_a_result_keeps_the_rights_and_the_link_of_the_one_before(tmp_path, mode):
    (tmp_path / "folder").mkdir()
    path, link = tmp_path / "folder" / "out.json", tmp_path / "link.json"
    path.write_text("before " * 100)
    path.chmod(mode)
    link.symlink_to(path)
    with OutputFile(str(link)) as file:
        file.write({"a": 1})
    assert json.loads(path.read_text()) == {"a": 1}
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert link.is_symlink()
    assert os.listdir(path.parent) == ["out.json"]


def test_a_new_result_has_the_usual_rights(tmp_path):
    with OutputFile(str(tmp_path / "out.json")) as file:
        file.write_text("new")
    (tmp_path / "other").touch()
    assert (tmp_path / "out.json").read_text() == "new"
    assert (tmp_path / "out.json").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_file_in_a_folder_that_takes_no_other_is_written_in_place(tmp_path, monkeypatch):
    def refused(path, data):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("ihomer.persistence.write_file", refused)
    path = tmp_path / "out.json"
    path.write_text("before " * 100)
    with OutputFile(str(path)) as file:
        file.write_text("new")
    assert path.read_text() == "new"


def test_a_pipe_and_what_dev_stdout_leads_to_are_written_to_as_they_are(tmp_path):
    (tmp_path / "in.jsonl").write_text(LINE)
    os.mkfifo(tmp_path / "pipe")
    end = os.open(tmp_path / "pipe", os.O_RDWR)
    assert evaluate(tmp_path, "in.jsonl", "--model", "no-change", "--quiet", "--json", "pipe").returncode == 0
    assert os.read(end, 1 << 16).startswith(b"{")
    os.close(end)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    (tmp_path / "out").touch()
    before = (tmp_path / "out").stat().st_ino
    found = in_shell(tmp_path, "evaluate in.jsonl --model no-change --quiet --json /dev/stdout >out")
    assert found.returncode == 0
    assert json.loads((tmp_path / "out").read_text())["interrupted"] is False
    assert (tmp_path / "out").stat().st_ino == before


def test_a_file_that_is_no_checkpoint_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("no checkpoint")
    found = in_shell(tmp_path, "inspect notes.txt")
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert found.stderr.startswith("ihomer: notes.txt: this is not a file of ihomer")


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_predictions_of_an_earlier_run_stay_until_there_are_new_ones(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"of an earlier run")

    def fail(write):
        with JsonLinesSink(path) as sink:
            if write:
                sink.write({"a": 1})
            raise KeyError

    with pytest.raises(KeyError):
        fail(write=False)
    assert path.read_bytes() == b"of an earlier run"
    with pytest.raises(KeyError):
        fail(write=True)
    unpacked = gzip.decompress if name.endswith(".gz") else bytes
    assert unpacked(path.read_bytes()) == b'{"a":1}\n'
    with JsonLinesSink(path):
        pass
    assert unpacked(path.read_bytes()) == b""
