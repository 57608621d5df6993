"""The numbers on the pages are those of the results on file, and what they show of settings can be used."""

import re
import textwrap
from pathlib import Path

from benchmarks.readme import PAGES, filled
from streams.cli.run import command
from streams.config import load_config
from streams.kafka_client import Clients
from streams.models import build_model

ROOT = Path(__file__).resolve().parents[1]


def test_numbers_come_from_the_results():
    pages = [path.read_text() for path in PAGES]
    assert filled(pages) == pages


def test_the_file_of_settings_is_one(tmp_path):
    text = textwrap.dedent(re.search(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1])
    path = tmp_path / "run.toml"
    path.write_text(text)
    options = {option.removeprefix("--") for parameter in command.params for option in parameter.opts}
    config = load_config(path, options, {"KAFKA_PASSWORD": "swordfish"})
    assert config.run == {"metrics_port": 9100}
    assert build_model(config.model, 0, config.model_options).most_labels == 2000
    for client in (config.source_kafka, config.sink_kafka):
        Clients("127.0.0.1:1", client.revealed())
        assert client.revealed()["sasl_plain_password"] == "swordfish"
