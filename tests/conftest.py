"""Test set-up: a place for compiled kernels, interrupts that are taken, and the folder of real data sets where there is one."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kafka_broker import Broker, missing_programs

ROOT = Path(__file__).resolve().parents[1]


os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".numba_cache"))  # not beside the sources
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job, and what it starts, would never see one
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def hangups_are_heard() -> Iterator[None]:
    """Processes that a test starts hear SIGHUP, which under nohup they would ignore as the tests do."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real MULAN sets; IHOMER_DATA names another one."""
    folder = Path(os.environ.get("IHOMER_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "yeast.arff.gz").exists():
        pytest.skip(f"no data sets in {folder}")
    return folder


def _without_broker(reason: str) -> None:
    """Skip, or fail where a broker is required."""
    if os.environ.get("IHOMER_REQUIRE_KAFKA") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def broker_or_skip() -> None:
    """Nothing, where a broker can be started."""
    if reason := missing_programs():
        _without_broker(reason)


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """HOST:PORT of a Kafka broker that lives as long as the tests; IHOMER_KAFKA names one that is running already."""
    if running := os.environ.get("IHOMER_KAFKA"):
        yield running
        return
    if reason := missing_programs():
        _without_broker(reason)
    with Broker() as broker:
        yield broker.address


@pytest.fixture
def topic() -> str:
    """Name of a Kafka topic that no other test uses."""
    return f"t{time.time_ns()}-{os.getpid()}"


@pytest.fixture
def admin(kafka: str) -> Iterator[Any]:
    """An administrator of the broker of `kafka`."""
    from kafka import KafkaAdminClient

    client = KafkaAdminClient(bootstrap_servers=kafka)
    yield client
    client.close()


@pytest.fixture
def producer(kafka: str) -> Iterator[Any]:
    """A producer to the broker of `kafka`, of large messages too."""
    from kafka import KafkaProducer

    client = KafkaProducer(bootstrap_servers=kafka, max_request_size=16_000_000, linger_ms=5)
    yield client
    client.close()


@pytest.fixture
def own_broker(broker_or_skip: None) -> Iterator[Broker]:
    """A broker of one test's own, to be stopped and killed."""
    with Broker() as broker:
        yield broker
