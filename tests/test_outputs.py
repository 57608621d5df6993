"""What is written never destroys what is read, nor what is no file."""

import json
import os
import stat
import subprocess
import sys

import pytest

from ihomer import MLHATClassifier


def evaluate(folder, *arguments):
    command = [sys.executable, "-c", "from streams.cli import main; main()", "evaluate", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


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
