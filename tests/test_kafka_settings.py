"""What settings of the Kafka client and its users are refused, most of them before anything is connected to."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kafka_broker import Broker
from streams.config import ConfigError

pytest.importorskip("kafka")

from kafka.errors import KafkaTimeoutError

from streams.kafka import KafkaEventSink, KafkaSink, KafkaSource
from streams.kafka_client import Clients, close_producer, translated
from streams.message import Unreachable

ROOT = Path(__file__).resolve().parents[1]
NOWHERE = "127.0.0.1:1"
LOGIN = {"sasl_mechanism": "PLAIN", "sasl_plain_username": "ihomer", "sasl_plain_password": "swordfish"}


def refusal_of(settings: dict[str, Any]) -> str:
    """Return in what words each of source and sinks refuses settings."""
    told = set()
    for make in (
        lambda: KafkaSource(NOWHERE, ["t"], settings=settings),
        lambda: KafkaSink(NOWHERE, "t", transactional_id="t", settings=settings),
        lambda: KafkaEventSink(NOWHERE, "t", settings=settings),
    ):
        with pytest.raises(ConfigError) as refused:
            make()
        told.add(str(refused.value))
    assert len(told) == 1
    return told.pop()


@pytest.mark.parametrize("protocol", ["ssl", "SASL_SLL", "sasl_ssl", "Plaintext", "SSL ", "", "FOO"])
def test_a_protocol_that_is_none_is_refused_and_never_taken_for_plain_text(protocol: str) -> None:
    told = refusal_of({"security_protocol": protocol, **LOGIN})
    assert "PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL" in told
    assert "swordfish" not in told


@pytest.mark.parametrize(
    ("settings", "unused"),
    [
        (LOGIN, "sasl_mechanism"),
        ({"security_protocol": "SSL", **LOGIN}, "sasl_mechanism"),
        ({"ssl_cafile": __file__}, "ssl_cafile"),
        ({"security_protocol": "PLAINTEXT", "ssl_check_hostname": True}, "ssl_check_hostname"),
        ({"security_protocol": "SASL_PLAINTEXT", **LOGIN, "ssl_password": "swordfish"}, "ssl_password"),
    ],
)
def test_a_login_or_certificates_that_the_protocol_does_not_use_are_refused(settings: dict[str, Any], unused: str) -> None:
    told = refusal_of(settings)
    assert f"'{unused}' is of no use" in told
    assert "swordfish" not in told


def test_a_login_needs_its_mechanism() -> None:
    assert "needs the Kafka setting 'sasl_mechanism'" in refusal_of({"security_protocol": "SASL_SSL"})


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("retry_backoff_ms", "abc", "a whole number"),
        ("request_timeout_ms", "abc", "a whole number"),
        ("transaction_timeout_ms", "x", "a whole number"),
        ("transaction_timeout_ms", 2**31, "a whole number"),
        ("linger_ms", True, "a whole number"),
        ("fetch_min_bytes", -5, "a whole number"),
        ("receive_buffer_bytes", "1", "a whole number"),
        ("bootstrap_timeout_ms", 1.5, "a whole number"),
        ("ssl_check_hostname", "no", "true or false"),
        ("client_id", 5, "a text"),
        ("compression_type", 1, "a text"),
        ("metric_group_prefix", 5, "a text"),
        ("sasl_plain_password", 12345, "a text"),
    ],
)
def test_a_value_of_another_kind_than_the_clients_is_refused(name: str, value: object, told: str) -> None:
    refused = refusal_of({name: value})
    assert refused.startswith(f"the Kafka setting '{name}' must be {told}")
    assert "12345" not in refused


def test_what_chooses_partitions_is_not_free() -> None:
    assert "'partitioner' is not free" in refusal_of({"partitioner": "x"})


def test_a_run_with_such_a_setting_ends_with_one_line(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text('[kafka]\nsecurity_protocol = "ssl"\n')
    ends = ["--source", f"kafka://{NOWHERE}/a", "--sink", f"kafka://{NOWHERE}/b", "--checkpoint", str(tmp_path / "run")]
    command = [sys.executable, "-c", "from streams.cli import main; main()", "run", *ends, "--config", str(config)]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("ihomer: the Kafka setting 'security_protocol' must be one of PLAINTEXT, SSL")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["enable_auto_commit", "isolation_level", "acks", "group_id", "transactional_id", "retries"])
def test_settings_that_break_a_promise_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        KafkaSource("127.0.0.1:1", ["t"], settings={name: "secret"})
    with pytest.raises(ValueError, match="sasl_passwort") as unknown:
        KafkaSink("127.0.0.1:1", "t", transactional_id="t", settings={"sasl_passwort": "secret"})
    assert "secret" not in str(unknown.value)


def test_security_settings_reach_the_client(kafka: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    sasl = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "user",
        "sasl_plain_password": "secret-word",
        "bootstrap_timeout_ms": 1000,
    }
    with pytest.raises((PermissionError, Unreachable)):
        KafkaSource(kafka, ["t"], settings=sasl)
    # In a process of its own, for the client leaves these sockets, wrapped for TLS, to whichever test comes later.
    program = (
        "from streams.kafka import KafkaSource; from streams.message import Unreachable\n"
        f"try: KafkaSource({kafka!r}, ['t'], settings={{'security_protocol': 'SSL', 'bootstrap_timeout_ms': 1000}})\n"
        "except (PermissionError, Unreachable): print('refused')\n"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60).stdout == "refused\n"
    with pytest.raises(FileNotFoundError):
        KafkaSource(kafka, ["t"], settings={"security_protocol": "SSL", "ssl_cafile": "no-such-file"})
    assert "secret-word" not in caplog.text


def test_what_makes_no_sense_is_refused() -> None:
    for options in (
        {},
        {"topics": "events"},
        {"topics": ["a"], "pattern": "b"},
        {"topics": ["a"], "start": "newest"},
        {"topics": ["a"], "start": -0.001},
        {"topics": ["a"], "start": float("nan")},
        {"topics": ["a"], "from_group": True},
    ):
        with pytest.raises(ValueError, match=r"topics|start|group"):
            KafkaSource("127.0.0.1:1", **options)


def test_only_the_client_module_imports_the_client() -> None:
    program = "import sys, streams.cli, streams.message; sys.exit('kafka' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


@pytest.mark.parametrize("error", [KafkaTimeoutError("not there"), TimeoutError("not there")])
def test_what_a_client_says_is_told_with_the_name_of_the_error_once(error: Exception) -> None:
    assert str(translated(error)) == f"Kafka: {type(error).__name__}: not there"


def test_a_producer_whose_records_stay_behind_is_closed_all_the_same(own_broker: Broker) -> None:
    KafkaEventSink(own_broker.address, "in").close()
    before = set(threading.enumerate())
    producer = Clients(own_broker.address, None).producer(60.0, [1000])
    producer.send("in", b"1").get(20)
    threads = set(threading.enumerate()) - before
    own_broker.pause()
    producer.send("in", b"2")
    close_producer(producer)
    own_broker.go_on()
    assert threads
    for thread in threads:
        thread.join(20.0)
        assert not thread.is_alive()
