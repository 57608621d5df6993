"""Rows that the model refuses are named as malformed ones are: by file and line."""

import json

import pyarrow
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from streams.cli import main
from streams.files import open_source

HEAD = "@relation 'r: -C 1'\n@attribute l {0,1}\n@attribute a numeric\n\n@data\n% rows\n"
ORDERS = [[], ["--shuffle", "3"], ["--limit", "3"], ["--delay", "2"], ["--proba"]]


def refusal(path, *arguments):
    found = CliRunner().invoke(main, ["evaluate", str(path), "--model", "mlhat", "--quiet", *arguments])
    assert found.exit_code == 2, found.output
    (line,) = found.stderr.splitlines()
    return line


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("name", "text", "line", "arguments"), [
    ("ref.arff", HEAD + "1,1\n\n0,1e200\n1,2\n", 9, []),
    ("sparse.arff", HEAD + "{0 1}\n{1 1e200}\n{1 2}\n", 8, []),
    ("weight.arff", HEAD + "1,1\n0,1,{1e-200}\n1,2\n", 8, []),
    ("ref.jsonl", '{"x":{"a":1},"y":["l"]}\n\n{"x":{"a":1e200},"y":["l"]}\n{"x":{"a":2},"y":[]}\n', 3, []),
    ("quoted.csv", 'a,b,l\n1,"x\ny",1\n1e200,"x\ny",0\n2,z,1\n', 4, ["--labels", "l"]),
    ("ref.txt", "1 0:1\n# none\n1 0:1e200\n1 0:2\n", 3, []),
])
def test_a_row_that_the_model_refuses_is_named_by_its_line(tmp_path, name, text, line, arguments, order):
    (tmp_path / name).write_text(text)
    assert refusal(tmp_path / name, *arguments, *order).startswith(f"ihomer: {tmp_path / name}:{line}: ")


@pytest.mark.parametrize("order", ORDERS)
def test_a_row_of_a_file_without_lines_is_named_by_its_number(tmp_path, order):
    path = tmp_path / "ref.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"a": [1.0, 2.0, 1e200], "l": [1, 0, 1]}), path)
    assert refusal(path, "--labels", "l", *order).startswith(f"ihomer: {path}, row 3: ")


def test_refused_and_malformed_rows_are_told_alike(tmp_path):
    path = tmp_path / "ref.jsonl"
    path.write_text('{"x":{"a":1},"y":["l"]}\n\n\n{"x":1}\n{"x":{"a":1e200},"y":["l"]}\n{"x":{"a":2},"y":[]}\n')
    out = tmp_path / "out.json"
    arguments = ["evaluate", str(path), "--model", "mlhat", "--quiet", "--on-error", "skip", "--json", str(out)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    places = [text.partition(": ")[0] for text in json.loads(out.read_text())["streams"][0]["skipped"]]
    assert places == [f"{path}:4", f"{path}:5"]


def test_a_source_that_goes_on_names_the_same_lines(tmp_path):
    path = tmp_path / "quoted.csv"
    path.write_text('a,l\n"x\ny",1\n"z\n",0\nw,1\n')
    with open_source(path, labels=["l"]) as source:
        events = list(source)
    assert [(event.line, event.position) for event in events] == [(2, 3), (4, 5), (6, 6)]
    with open_source(path, labels=["l"], start=3) as source:
        assert [event.line for event in source] == [4, 6]
