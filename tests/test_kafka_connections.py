"""Connections to a real broker that are lost, or go silent, where the client does not reckon with it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
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
