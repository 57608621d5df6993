"""`ihomer run` against a real broker that asks for TLS and a password.

In processes of their own: the client leaves sockets of TLS to the garbage collector.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.kafka_broker import Broker, free_ports
from tests.killing import read_all

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "sword-fish-7"
DOORS = ("secure", "login")


class Secured(NamedTuple):
    """A broker with three doors: an open one, one with TLS and SASL, and one with SASL alone."""

    open_address: str
    address: str
    without_tls: str
    certificate: Path

    def settings(self) -> dict[str, str]:
        """Return what a client must be told beside the password."""
        return {
            "security_protocol": "SASL_SSL",
            "ssl_cafile": str(self.certificate),
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": "ihomer",
        }


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Return a key store for the broker and the certificate in it, as text."""
    store, certificate = folder / "keys.p12", folder / "certificate.pem"
    named = ["-alias", "broker", "-keystore", str(store), "-storetype", "PKCS12", "-storepass", PASSWORD]
    who = ["-dname", "CN=localhost", "-ext", "SAN=ip:127.0.0.1,dns:localhost", "-validity", "2"]
    for command in (["-genkeypair", "-keyalg", "RSA", *who], ["-exportcert", "-rfc", "-file", str(certificate)]):
        subprocess.run(["keytool", *command, *named], check=True, capture_output=True, timeout=60)
    return store, certificate


@pytest.fixture(scope="module")
def secured(broker_or_skip: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    store, certificate = make_certificate(tmp_path_factory.mktemp("keys"))
    port, port_without_tls = free_ports(2)
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    door = {
        "sasl.enabled.mechanisms": "PLAIN",
        **{f"listener.name.{name}.plain.sasl.jaas.config": f'{module} required user_ihomer="{PASSWORD}";' for name in DOORS},
        "ssl.keystore.location": str(store),
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.password": PASSWORD,
    }
    doors = {"SECURE": (port, "SASL_SSL"), "LOGIN": (port_without_tls, "SASL_PLAINTEXT")}
    with Broker(settings=door, more_listeners=doors) as broker:
        yield Secured(broker.address, f"127.0.0.1:{port}", f"127.0.0.1:{port_without_tls}", certificate)


def run(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from streams.cli import main; main()", *arguments]
    where = {"cwd": ROOT, "env": {**os.environ, **environment}, "stdin": subprocess.DEVNULL}
    return subprocess.run(command, **where, capture_output=True, text=True, timeout=120)


def test_a_run_takes_its_password_from_the_environment_and_shows_it_nowhere(secured: Secured, tmp_path: Path) -> None:
    events = ["--to", f"kafka://{secured.open_address}/events", "--events", "300", "--partitions", "2", "--quiet"]
    assert run(["generate", *events]).returncode == 0
    lines = ["[kafka]", "bootstrap_timeout_ms = 30000", *(f'{name} = "{value}"' for name, value in secured.settings().items())]
    config = tmp_path / "run.toml"
    config.write_text("\n".join([*lines, 'sasl_plain_password = { env = "KAFKA_PASSWORD" }', ""]))
    ends = ["--source", f"kafka://{secured.address}/events", "--sink", f"kafka://{secured.address}/answers"]
    arguments = ["run", *ends, "--checkpoint", str(tmp_path / "run"), "--idle-exit", "2", "--config", str(config)]
    done = run([*arguments, "--log-level", "debug"], KAFKA_PASSWORD=PASSWORD)
    assert done.returncode == 0, done.stderr
    assert len(read_all(secured.open_address, "answers")) == 300
    assert PASSWORD not in done.stdout + done.stderr
    refused = run([*arguments, "--patience", "1"], KAFKA_PASSWORD="wrong-word-5")
    assert refused.returncode == 2
    assert "Kafka does not allow it: Authentication failed: Invalid username or password" in refused.stderr.splitlines()[-1]
    assert "wrong-word-5" not in refused.stdout + refused.stderr


def test_a_wrong_password_is_told_without_tls_too(secured: Secured, tmp_path: Path) -> None:
    options = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_plain_username": "ihomer"}
    config = tmp_path / "run.toml"
    lines = ["[kafka]", *(f'{name} = "{value}"' for name, value in options.items())]
    config.write_text("\n".join([*lines, 'sasl_plain_password = { env = "KAFKA_PASSWORD" }', ""]))
    ends = ["--source", f"kafka://{secured.without_tls}/events", "--sink", "-", "--checkpoint", str(tmp_path / "run")]
    refused = run(["run", *ends, "--config", str(config), "--patience", "1"], KAFKA_PASSWORD="wrong-word-5")
    assert refused.returncode == 2
    assert "Kafka does not allow it: Authentication failed: Invalid username or password" in refused.stderr.splitlines()[-1]
    assert "wrong-word-5" not in refused.stdout + refused.stderr
