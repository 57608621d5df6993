"""Connections to a real broker that are lost, or go silent, where the client does not reckon with it."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.kafka_broker import Broker
from streams import kafka_client as ours
from streams.kafka import KafkaSource
from streams.kafka_client import Clients
from streams.message import Unreachable
from tests.test_kafka import committed_soon, fill, kafka_client, read, sink_for, values


@pytest.fixture
def silent_servers() -> Iterator[str]:
    """Servers that take connections and never say a word, as machines do that hang."""
    with ExitStack() as stack:
        listening = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        yield ",".join(f"127.0.0.1:{one.getsockname()[1]}" for one in listening)


def test_a_connection_that_is_lost_while_a_partition_is_added_holds_no_transaction_up(
    kafka: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = pytest.importorskip("kafka.net.compat").KafkaNetClient
    sink = sink_for(kafka, topic, mark="sink", patience=30)
    manager, ready, lost = sink._producer._transaction_manager, network.await_ready, []

    def lost_once(self: Any, node_id: Any, *more: Any, **options: Any) -> Any:
        if manager._pending_partitions_in_transaction and not lost:
            lost.append(node_id)
            raise kafka_client.errors.KafkaConnectionError("closed just now")
        return ready(self, node_id, *more, **options)

    monkeypatch.setattr(network, "await_ready", lost_once)
    sink.begin()
    sink.write({"n": 1})
    sink.commit(1, {})
    assert len(lost) == 1
    assert committed_soon(sink, 1) == 1
    sink.close()


def test_servers_that_do_not_answer_are_passed_over(
    kafka: str, topic: str, silent_servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(kafka, topic, 10)
    monkeypatch.setattr(ours, "_CONNECTED_WITHIN", 0.5)
    start = time.monotonic()
    source = KafkaSource(f"{silent_servers},{kafka}", [topic])
    assert time.monotonic() - start < 5.0
    assert values(read(source, 10)) == list(range(10))
    source.close()
    clients = Clients(f"{silent_servers},{kafka}", None)
    clients.admin().close()
    start = time.monotonic()
    for _ in range(5):
        clients.admin().close()
    assert time.monotonic() - start < 3.0, "what one has found out does not help the next"


def test_a_server_that_lets_a_handshake_wait_is_given_up(silent_servers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "_CONNECTED_WITHIN", 0.5)
    told: list[str] = []

    def connect() -> None:
        try:
            KafkaSource(silent_servers, ["events"], settings={"security_protocol": "SSL"}, patience=2.0)
        except Unreachable as error:
            told.append(str(error))

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(15.0)
    assert len(told) == 1


def test_a_broker_that_hangs_while_it_owes_answers(
    own_broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(own_broker.address, "in", 10)
    monkeypatch.setattr(ours, "_ANSWERED_WITHIN", 1.0)
    source = KafkaSource(own_broker.address, ["in"])
    sink = sink_for(own_broker.address, "out", mark="sink", settings={"request_timeout_ms": 1000})
    sink.begin()
    sink.write({"n": 1})
    sink.commit(1, {})
    assert values(read(source, 10)) == list(range(10))
    own_broker.pause()
    sink.begin()
    sink.write({"n": 2})
    sink.start_commit(2, {})
    source.poll(5.0)
    own_broker.go_on()
    sink.settle()
    assert "has not answered for 1.5 s" in caplog.text, "the source waits for what does not come"
    fill(own_broker.address, "in", 10, first=10)
    assert values(read(source, 10)) == list(range(10, 20))
    assert committed_soon(sink, 2) == 2
    sink.close()
    source.close()


def test_a_server_that_closes_connections_at_once_is_not_asked_without_a_pause(own_broker: Broker) -> None:
    fill(own_broker.address, "in", 10)
    source = KafkaSource(own_broker.address, ["in"], refresh=0.1)
    assert values(read(source, 10)) == list(range(10))
    own_broker.stop()
    host, _, port = own_broker.address.rpartition(":")
    n_taken, deadline = 0, time.monotonic() + 5.0
    with socket.create_server((host, int(port))) as closing:
        closing.settimeout(0.05)
        while (now := time.monotonic()) < deadline:
            source.poll(0.0)
            with suppress(TimeoutError):
                closing.accept()[0].close()
                n_taken += 1
    assert 2 <= n_taken < 40, f"{n_taken} connections in {now - deadline + 5.0:.1f} s"
    own_broker.start()
    fill(own_broker.address, "in", 10, first=10)
    assert values(read(source, 10)) == list(range(10, 20))
    source.close()


def test_a_generator_that_is_to_end_waits_ten_seconds_for_a_broker_that_hangs(own_broker: Broker, tmp_path: Path) -> None:
    arguments = ["generate", "--to", f"kafka://{own_broker.address}/events", "--events", "100000", "--rate", "50"]
    with (tmp_path / "told").open("w") as told:
        process = subprocess.Popen(
            [sys.executable, "-c", "from streams.cli import main; main()", *arguments], stdin=subprocess.DEVNULL, stderr=told
        )
    try:
        source = KafkaSource(own_broker.address, [], pattern="events", refresh=0.2)
        assert len(read(source, 10)) >= 10
        own_broker.pause()
        time.sleep(1.0)  # it waits for a message to be acknowledged, and has ten minutes of patience
        process.terminate()
        assert process.wait(60) == 2
    finally:
        process.kill()
        process.wait()
        own_broker.go_on()
    source.close()
    assert (tmp_path / "told").read_text() == "ihomer: no answer from Kafka for 10 s\n"


class Connection:
    """Stands for one that has last read something so many seconds ago, and is owed an answer for so many, if at all."""

    def __init__(self, read: float, owed: float | None = None, **state: Any) -> None:
        now = time.monotonic()
        self.node_id, self.connected, self.paused, self.sent, self.lost = 1, True, state.get("paused", set()), [], []
        self.transport = SimpleNamespace(last_read=now - read)
        self.in_flight_requests = [] if owed is None else [(0, None, now - owed)]
        self.close = self.lost.append

    def send_request(self, request: Any, request_timeout_ms: int) -> None:
        self.sent.append((type(request).__name__, request_timeout_ms))


@pytest.mark.parametrize(("owed", "n_updates", "n_lost"), [(1.0, 0, 0), (4.0, 1, 0), (12.0, 1, 1)])
@pytest.mark.parametrize("is_writing", [True, False])
def test_brokers_that_owe_nothing_are_asked_whether_they_are_there(
    is_writing: bool, owed: float, n_updates: int, n_lost: int
) -> None:
    late, idle, busy, heard = Connection(30.0, owed), Connection(30.0), Connection(30.0, 0.1), Connection(1.0)
    updates, calls = [], []
    brokers: Any = object.__new__(ours._Brokers)
    brokers._conns, brokers._longest, brokers.closed = dict(enumerate([late, idle, busy, heard])), 10.0, False
    brokers.config = {"client_software_name": "ihomer", "client_software_version": "1"}
    brokers.cluster = SimpleNamespace(request_update=lambda: updates.append(1))
    brokers._net, brokers._is_writing = SimpleNamespace(call_later=lambda *call: calls.append(call)), is_writing
    brokers._look_for_silent()
    assert idle.sent == [("ApiVersionsRequest", 5000)] * is_writing
    assert len(updates) == n_updates * is_writing
    assert late.sent == busy.sent == heard.sent == []
    assert len(late.lost) == n_lost
    assert len(calls) == 1
