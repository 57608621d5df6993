"""Values of a file of settings are those that their options take, and nothing starts before they are."""

import pytest
from click.testing import CliRunner

from streams.cli import main


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Return what `ihomer run` says of a file of settings that it refuses."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.jsonl").write_text('{"x": {}}\n')

    def answer(text, *arguments):
        (tmp_path / "run.toml").write_text(text)
        ends = ["--source", "file:in.jsonl", "--sink", "file:out"]
        found = CliRunner().invoke(main, ["run", *ends, *arguments, "--config", "run.toml"])
        assert found.exit_code == 2, found.output
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "run.toml"]
        (line,) = found.stderr.splitlines()
        return line

    return answer


@pytest.mark.parametrize(("name", "value", "wanted"), [
    *((name, value, "true or false") for name in ("follow", "group-offsets") for value in ("2", "1.0", "'true'", "[true]")),
    *((name, value, "a whole number, as 10")
      for name in ("max_events", "top", "late-most", "window", "keep", "seed", "metrics_port", "labels_per_event")
      for value in ("2.9", "2.0", "true", "false", "'2'", "[1, 2]", "nan", "2020-01-01", "{ a = 1 }")),
    *((name, value, 'a number of seconds, or a time in quotes, as "10m"')
      for name in ("idle-exit", "commit_every", "patience", "late-age")
      for value in ("true", "[0.5]", "2020-01-01", "{ env = 'HOME' }")),
    *((name, value, "a text in quotes")
      for name in ("checkpoint", "every", "group", "model", "start", "log-level")
      for value in ("3", "true", "0.5", "['a']", "2020-01-01", "{ env = 'HOME' }")),
    *(("model-option", value, "a text in quotes, or a list of such") for value in ("3", "[1]", "['a=1', true]", "[['a=1']]")),
])
def test_a_value_is_of_the_type_that_its_option_takes(said, name, value, wanted):
    assert said(f"[run]\n{name} = {value}\n") == f"ihomer: run.toml: run.{name} must be {wanted}"


@pytest.mark.parametrize(("name", "value", "says"), [
    ("top", "-1", "-1 is not in the range"),
    ("max_events", "0", "0 is not in the range"),
    ("metrics-port", "70000", "70000 is not in the range"),
    ("patience", "0", "'0' is not above 0"),
    ("idle-exit", "nan", "'nan' is no time"),
    ("commit-every", "1" + 400 * "0", "is more than 23 days"),
    ("patience", "'24d'", "'24d' is more than 23 days"),
    ("patience", "'ten'", "'ten' is no time, as 0.5, 30s, 10m, 12h or 7d"),
    ("metrics-port", "0x1" + 5000 * "0", "4300 digits"),
    ("log-level", "'loud'", "'loud' is not one of"),
    ("every", "'often'", "'often' is neither a number of messages"),
    ("every", "'0s'", "'0s' is neither a number of messages"),
    ("start", "'soon'", "'soon' is neither earliest nor latest"),
    ("late-age", "'old'", "'old' is no time"),
    ("late-age", "'-1d'", "'-1d' is not 0 or above"),
    ("late-age", "'36501d'", "is more than 36,500 days"),
    ("labels", "'a,a'", "twice"),
    ("model-option", "'depth'", "'depth' is not KEY=VALUE"),
    ("checkpoint", '"a\\u0000b"', "null"),
])
def test_a_value_out_of_range_names_the_file(said, name, value, says):
    line = said(f"[run]\n{name} = {value}\n")
    assert line.startswith(f"ihomer: run.toml: run.{name}: ")
    assert says in line


def test_a_value_is_refused_though_the_command_line_gives_another(said):
    assert said("[run]\ntop = 0.9\n", "--top", "3").startswith("ihomer: run.toml: run.top must be")


def test_a_model_without_that_name_names_the_file(said):
    assert said('[model]\nname = "oracle"\n').startswith("ihomer: run.toml: model.name: 'oracle' is not one of")


def test_settings_of_a_model_that_is_not_run_are_refused(said):
    assert said('[run]\nmodel = "mlhat"\n[model]\nname = "ihomer"\n').endswith(
        "run.toml: model.name is ihomer, and run.model is mlhat: name one"
    )
    line = said('[model]\nname = "ihomer"\nmost_labels = 50\n', "--model", "mlhat")
    assert line == "ihomer: the file's settings of a model are those of ihomer, and the model is mlhat"


def test_values_of_every_type_are_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.jsonl").write_text('{"x": {}, "y": ["a"]}\n' * 5)
    (tmp_path / "run.toml").write_text("""
        [run]
        source = "file:in.jsonl"
        sink = "file:out"
        checkpoint = "state"
        every = "2"
        max_events = 3
        patience = "2m"
        commit-every = 0.25
        idle-exit = 0.5
        follow = true
        group_offsets = false
        model = "mlhat"
        model-option = ["grace_period=50", "seed_of_none=1"]
    """)
    found = CliRunner().invoke(main, ["run", "--config", "run.toml"])
    assert "mlhat has no setting 'seed_of_none'" in found.stderr
    text = (tmp_path / "run.toml").read_text()
    (tmp_path / "run.toml").write_text(text.replace(', "seed_of_none=1"', ""))
    found = CliRunner().invoke(main, ["run", "--config", "run.toml"])
    assert found.exit_code == 0, found.output
    assert len((tmp_path / "out").read_text().splitlines()) == 3


def test_every_of_many_digits_is_one_line(tmp_path):
    for text in ("9" * 5000, "9" * 5000 + "s", "0" * 5000):
        found = CliRunner().invoke(main, ["run", "--source", "-", "--sink", "-", "--every", text])
        assert found.exit_code == 2
        assert "is neither a number of messages" in found.stderr
        assert len(found.stderr) < 200
