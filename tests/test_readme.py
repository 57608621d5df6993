"""The numbers on the pages are those of the results on file, and what they show of settings can be used."""

import json
import re
import textwrap
from fnmatch import fnmatch
from pathlib import Path
from random import Random

import pytest

from benchmarks.readme import PAGES, filled
from ihomer import IHOMERClassifier
from streams.answering import Answering
from streams.cli.run import command
from streams.config import load_config
from streams.kafka_client import Clients
from streams.message import Message
from streams.models import build_model
from tests.poison import malformed

ROOT = Path(__file__).resolve().parents[1]


def test_numbers_come_from_the_results():
    pages = [path.read_text() for path in PAGES]
    assert filled(pages) == pages


def test_each_module_has_its_place_among_the_rooms():
    rooms = (ROOT / "README.md").read_text().split("## The rooms")[1].split("```")[1]
    folders = re.findall(r"^(ihomer|streams)/ (.*?)^(?=\S)", rooms, re.DOTALL | re.MULTILINE)
    assert [folder for folder, _ in folders] == ["ihomer", "streams"]
    for folder, named in folders:
        patterns = re.findall(r"[\w*]+\.py", named)
        found = {path.name for path in (ROOT / folder).glob("*.py")} - {"__init__.py"}
        assert found <= {name for name in found for pattern in patterns if fnmatch(name, pattern)}, folder
        assert all(any(fnmatch(name, pattern) for name in found) for pattern in patterns), folder


def test_the_file_of_settings_is_one(tmp_path):
    text = textwrap.dedent(re.search(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1])
    path = tmp_path / "run.toml"
    path.write_text(text)
    options = {option.removeprefix("--") for parameter in command.params for option in parameter.opts}
    config = load_config(path, options, {"KAFKA_PASSWORD": "swordfish"})
    assert config.run == {"metrics_port": 9100}
    model = build_model(config.model, 0, config.model_options)
    assert (model.most_labels, model.clustering.n_min) == (2000, 500)
    for client in (config.source_kafka, config.sink_kafka):
        Clients("127.0.0.1:1", client.revealed())
        assert client.revealed()["sasl_plain_password"] == "swordfish"


def test_the_answers_and_the_dead_letter_are_those_of_the_messages():
    said, told = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    records = []

    class Sink:
        def write(self, record, key=None):
            records.append(record)

        write_dead = write

    values = [line.strip().encode() for line in said.strip().splitlines()]
    Answering(IHOMERClassifier()).take([Message("events", 0, n, value) for n, value in enumerate(values)], Sink())
    expected = [json.loads(line) for line in told.strip().splitlines()]
    assert [list(record) for record in records] == [list(record) for record in expected]
    probabilities = [record.pop("proba", {}) for record in records]
    assert probabilities == [pytest.approx(record.pop("proba", {}), abs=1e-5) for record in expected]
    assert records == expected


def test_all_codes_of_dead_letters_are_named():
    named = re.search(r"The codes are\s(.*?);", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    assert set(re.findall(r"`(\w+)`", named)) == {code for _, code in malformed(1, Random(0))} | {"size"}
