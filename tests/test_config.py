"""The file of --config and the addresses: what they say, and that no secret leaves them."""

import contextlib
import copy
import pickle
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config import ConfigError, load_config
from streams.endpoints import EndpointError, FileEndpoint, KafkaEndpoint, StandardEndpoint, parse_endpoint
from streams.models import build_model
from streams.secret import Secret

OPTIONS = ["checkpoint", "every", "group_offsets", "max_events"]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "run.toml"

    def load(text, environment=None, options=OPTIONS):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_config(path, options, environment or {})

    return load


def test_all_tables(config, tmp_path):
    (tmp_path / "token").write_text("of a file\n")
    found = config(
        """
        [run]
        checkpoint = "state"
        group-offsets = true
        max_events = 5
        [model]
        name = "mlhat"
        grace_period = 100
        [kafka]
        client_id = "both"
        security_protocol = "SASL_SSL"
        sasl_plain_password = { env = "PASSWORD" }
        [source.kafka]
        client_id = "reader"
        [sink.kafka]
        sasl_token = { file = "token" }
        """,
        {"PASSWORD": "of the environment"},
    )
    assert found.run == {"checkpoint": "state", "group_offsets": True, "max_events": 5}
    assert build_model(found.model, 0, found.model_options).grace_period == 100
    assert found.source_kafka.revealed() == {
        "client_id": "reader", "security_protocol": "SASL_SSL", "sasl_plain_password": "of the environment",
    }
    assert found.sink_kafka.revealed() == {
        "client_id": "both",
        "security_protocol": "SASL_SSL",
        "sasl_plain_password": "of the environment",
        "sasl_token": "of a file",
    }
    assert "of a file" not in repr(found)
    assert "of the environment" not in f"{found} {found.source_kafka} {vars(found.source_kafka)}"


def test_parts_of_a_model(config):
    found = config('[model]\nname = "ihomer"\n[model.tree]\ngrace_period = 100\n')
    assert build_model(found.model, 0, found.model_options).tree.grace_period == 100
    assert config('[model]\nname = "a"\n[model.b.c]\nd = 1\n').model_options == {"b.c.d": 1}


def test_a_check_is_told_the_option_and_how_it_stands_in_the_file(tmp_path):
    path, told = tmp_path / "run.toml", []
    path.write_text('[run]\nmax-events = 3\ngroup_offsets = true\n[model]\nname = "a"\n')
    load_config(path, [*OPTIONS, "model"], {}, lambda *what: told.append(what))
    assert told == [
        ("max_events", 3, "run.max-events"), ("group_offsets", True, "run.group_offsets"), ("model", "a", "model.name"),
    ]  # fmt: skip
    load_config(path, OPTIONS, {}, lambda *what: told.append(what))
    assert len(told) == 5


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_end_of_the_line_is_no_part_of_a_secret(config, tmp_path, end):
    (tmp_path / "token").write_bytes(f"of a file {end}".encode())
    assert config('[kafka]\na = { file = "token" }\n').source_kafka.revealed() == {"a": "of a file "}


def test_an_environment_without_variables_is_not_that_of_the_process(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('[kafka]\na = { env = "PATH" }\n')
    assert len(load_config(path).source_kafka) == 1
    with pytest.raises(ConfigError, match="PATH is not set"):
        load_config(path, environment={})


def test_empty_file(config):
    found = config("")
    assert (found.run, found.model, found.model_options, len(found.source_kafka)) == ({}, None, {}, 0)


@pytest.mark.parametrize(("text", "says"), [
    ("[rum]", "unknown name rum; did you mean run?"),
    ("max-events = 3", "max-events is an option of the command: it stands in the table .run."),
    ("group_offsets = true", "group_offsets is an option of the command: it stands in the table .run."),
    ("[run]\ncheckpiont = 1", "unknown name run.checkpiont; did you mean run.checkpoint?"),
    ("[run]\nzzzz = 1", "there are checkpoint, every, group-offsets, max-events"),
    ("[run]\nmax-events = 1\nmax_events = 2", "twice"),
    ("[run]\nmax_events = 1\nmax-events = 2", "twice"),
    ("[run]\nmax-events = 2020-01-01", "run.max-events must be a text, a number"),
    ("[run]\ncheckpoint = { env = 'HOME' }", "run.checkpoint must be"),
    ("run = 3", "run must be a table"),
    ("[source]\nkafak.a = 1", "did you mean source.kafka?"),
    ("[source]\nkafka = 1", "source.kafka must be a table"),
    ("[model]\ndepth = 1", "model.name is missing"),
    ("[model]\nname = 1", "model.name must be a text"),
    ("[model]\nname = 'a'\nb = [[1]]", "model.b must be"),
    ("[kafka]\na = { b = 1 }", "kafka.a must be a plain value, or"),
    ("[kafka]\na = { env = 1 }", "kafka.a must be a plain value, or"),
    ("[kafka]\na = {}", "kafka.a must be a plain value, or"),
    ("[kafka]\na = { env = '' }", "kafka.a must be a plain value, or"),
    ("[kafka]\na = 2020-01-01", "kafka.a must be a text, a number"),
    ("[kafka]\na = { env = 'A', file = 'b' }", "kafka.a must be a plain value, or"),
    ("[kafka]\na = { env = 'NOT_THERE' }", "the environment variable NOT_THERE is not set"),
    ("[kafka]\na = { file = 'none' }", "none: No such file"),
    ("[kafka]\na = { file = '.' }", "directory"),
    ("[kafka]\na = { file = \"\\u0000\" }", "cannot be read"),
    ("[kafka", "no TOML"),
    (b"a = '\xff'", "not UTF-8"),
    ("a = " + "[" * 100_000, "nested|no TOML"),
    ("#" * (1 << 21), "longer than"),
])
def test_errors_say_the_place(config, text, says):
    with pytest.raises(ConfigError, match=f"run.toml: .*({says})"):
        config(text)


@pytest.mark.parametrize("name", ["sasl_plain_password", "ssl_password", "api-key", "Token", "clientSecret", "ssl.key.pem"])
def test_secret_in_the_file_itself_is_refused_and_not_repeated(config, name):
    with pytest.raises(ConfigError, match=r"must not stand in this file; give \{ env") as caught:
        config(f'[sink.kafka]\n"{name}" = "swordfish"\n')
    assert "swordfish" not in "".join(traceback.format_exception_only(caught.value))


def test_secret_file_must_hold_one(config, tmp_path):
    for raw, says in ((b"", "empty"), (b"\n", "empty"), (b"\xff", "UTF-8"), (b"a" * 70_000, "longer")):
        (tmp_path / "secret").write_bytes(raw)
        with pytest.raises(ConfigError, match=says):
            config("[kafka]\na = { file = 'secret' }")


def test_empty_variable_is_no_secret(config):
    with pytest.raises(ConfigError, match="NAME is not set"):
        config("[kafka]\na = { env = 'NAME' }", {"NAME": ""})


def test_no_such_file(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.toml")


def test_secret_shows_nothing():
    secret = Secret("swordfish")
    assert secret.reveal() == "swordfish"
    assert "swordfish" not in f"{secret} {secret!r} {[secret]}"
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not written"):
            copied(secret)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_refused_or_read(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "any.toml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    with contextlib.suppress(ConfigError):
        load_config(path, OPTIONS, {})


# Addresses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "endpoint"), [
    ("-", StandardEndpoint()),
    ("kafka://h:1/a", KafkaEndpoint(("h:1",), ("a",))),
    ("kafka://h:1,10.0.0.1:65535,[::1]:9/a,b.c-d_E", KafkaEndpoint(("h:1", "10.0.0.1:65535", "[::1]:9"), ("a", "b.c-d_E"))),
    ("kafka://h:1/?pattern=a+%5B0-9%5D,b@c?d#e", KafkaEndpoint(("h:1",), pattern="a+[0-9],b@c?d#e")),
])
def test_addresses(text, endpoint):
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize("path", ["a.jsonl", "/tmp/a b", "a:b@c", "-", "../a?b#c"])
def test_paths_are_taken_as_they_are(path):
    found = parse_endpoint(f"file:{path}")
    assert isinstance(found, FileEndpoint)
    assert str(found.path) == path


@pytest.mark.parametrize("text", ["kafka://h:1/" + "a" * 249, "kafka://h:65535/a.", "kafka://h:1/..."])
def test_addresses_at_the_bounds(text):
    assert parse_endpoint(text).topic == text.rpartition("/")[2]


@pytest.mark.parametrize(("text", "says"), [
    ("", "no address"), ("a.jsonl", "did you mean file:a.jsonl"), ("http://h/a", "no address"), ("file:", "path"),
    ("file:a\0b", "path"), ("kafka://", "HOST:PORT"), ("kafka:///a", "HOST:PORT"), ("kafka://h/a", "HOST:PORT"),
    ("kafka://h:0/a", "HOST:PORT"), ("kafka://h:65536/a", "HOST:PORT"), ("kafka://h:1,/a", "HOST:PORT"),
    ("kafka://h:1", "no topic"), ("kafka://h:1/", "no topic"), ("kafka://h:1/a,", "cannot be"), ("kafka://h:1/a,a", "twice"),
    ("kafka://h:1/..", "cannot be"), ("kafka://h:1/" + "a" * 250, "cannot be"), ("kafka://h:1/a/b", "cannot be"),
    ("kafka://h:1/a?b=c", "only pattern"), ("kafka://h:1/a?pattern=b", "not both"), ("kafka://h:1/?pattern=", "empty"),
    ("kafka://h:1/?pattern=a{" + "9" * 20 + "}", "regular expression"),
    ("kafka://h:1/?pattern=(", "regular expression"), ("kafka://h:1/a\n", "cannot be"),
])
def test_what_is_no_address(text, says):
    with pytest.raises(EndpointError, match=says):
        parse_endpoint(text)


@pytest.mark.parametrize("text", [
    "kafka://anna:swordfish@h:1/a", "kafka://anna:sword/swordfish@h:1/a", "kafka://swordfish@h:1/?pattern=a",
    "kafka://h:1/a?password=swordfish", "http://anna:swordfish@h/", "kafka:anna:swordfish@h:1/a", "kafka://h:1/a#swordfish",
])
def test_secrets_in_addresses_are_not_repeated(text):
    with pytest.raises(EndpointError) as caught:
        parse_endpoint(text)
    shown = "".join(traceback.format_exception_only(caught.value))
    assert "swordfish" not in shown
    assert "anna" not in shown


def test_only_one_topic_can_be_written_to():
    assert parse_endpoint("kafka://h:1/a").topic == "a"
    for text in ("kafka://h:1/a,b", "kafka://h:1/?pattern=a"):
        with pytest.raises(EndpointError, match="one topic"):
            _ = parse_endpoint(text).topic


@settings(deadline=None)
@given(st.text().map(lambda text: "kafka://" + text) | st.text())
def test_any_address_is_refused_or_read(text):
    with contextlib.suppress(EndpointError):
        parse_endpoint(text)
