"""Connections to a real broker that are lost where the client does not reckon with it."""

from typing import Any

import pytest

from tests.test_kafka import committed_soon, kafka_client, sink_for


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
