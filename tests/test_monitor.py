"""Metrics and health over HTTP, asked by a real client."""

import contextlib
import gc
import http.client
import json
import socket
import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams.monitor import Monitor
from streams.status import CheckpointStatus, Status

FULL = Status(
    started_at=1000.5,
    n_read=10, n_predicted=9, n_learned=8, n_refused=1,
    dead_letters={"json": 3, "type": 1},
    n_late_joined=1, n_late_waiting=2, n_late_expired=3, n_late_orphan=4, n_late_repeated=13, n_late_early=5,
    lag={("events", 0): 7, ("events", 1): 0, ('odd "topic"\\\n', 2): 5},
    events_per_second=123.5,
    scores={"total": {"micro_f1": 0.75}, "window": {"micro_f1": 0.5}},
    baseline_scores={"total": {"micro_f1": 0.25}},
    drifts={"sudden": 2},
    n_labels=20, n_features=30, n_clusters=4, partition_version=6,
    n_transactions=11,
    seconds_committing=41.5,
    checkpoint=CheckpointStatus(number=3, seconds=0.25, n_bytes=4096, at=2000.0),
    n_lost=12,
    resident_bytes=1 << 30,
)


@pytest.fixture
def monitor():
    before = set(threading.enumerate())
    made = Monitor(0, silent_after=30.0)
    yield made
    port = made.port
    made.close()
    made.close()
    assert set(threading.enumerate()) <= before  # those of other tests may end meanwhile
    assert not open_sockets(port)


def open_sockets(port):
    """Return the sockets of this process at a port of its own that nobody has closed."""
    found = [each for each in gc.get_objects() if type(each) is socket.socket and each.fileno() >= 0]
    return [each for each in found if each.family == socket.AF_INET and each.getsockname()[1] == port]


def get(monitor, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", monitor.port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def samples(monitor):
    status, headers, body = get(monitor, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    families = list(text_string_to_metric_families(body.decode()))
    assert all(family.documentation for family in families)
    found = [sample for family in families for sample in family.samples]
    return {(sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value for sample in found}


def test_every_number_of_a_status_is_shown(monitor):
    assert samples(monitor) == {}
    monitor.publish(FULL)
    assert samples(monitor) == {
        ("ihomer_events_read_total",): 10, ("ihomer_events_predicted_total",): 9, ("ihomer_events_learned_total",): 8,
        ("ihomer_events_refused_total",): 1, ("ihomer_transactions_total",): 11, ("ihomer_commit_seconds",): 41.5,
        ("ihomer_messages_lost_total",): 12,
        ("ihomer_events_per_second",): 123.5, ("ihomer_events_awaiting_labels",): 2, ("ihomer_labels",): 20,
        ("ihomer_features",): 30, ("ihomer_clusters",): 4, ("ihomer_partition_version",): 6, ("ihomer_healthy",): 1,
        ("process_resident_memory_bytes",): 1 << 30, ("process_start_time_seconds",): 1000.5,
        ("ihomer_dead_letters_total", "json"): 3, ("ihomer_dead_letters_total", "type"): 1,
        ("ihomer_late_labels_total", "joined"): 1, ("ihomer_late_labels_total", "expired"): 3,
        ("ihomer_late_labels_total", "orphan"): 4, ("ihomer_late_labels_total", "repeated"): 13,
        ("ihomer_labels_awaiting_event",): 5,
        ("ihomer_drifts_total", "sudden"): 2,
        ("ihomer_lag_messages", "0", "events"): 7, ("ihomer_lag_messages", "1", "events"): 0,
        ("ihomer_lag_messages", "2", 'odd "topic"\\\n'): 5,
        ("ihomer_score", "model", "total", "micro_f1"): 0.75, ("ihomer_score", "model", "window", "micro_f1"): 0.5,
        ("ihomer_score", "baseline", "total", "micro_f1"): 0.25,
        ("ihomer_checkpoints_total",): 3, ("ihomer_checkpoint_duration_seconds",): 0.25,
        ("ihomer_checkpoint_size_bytes",): 4096, ("ihomer_checkpoint_timestamp_seconds",): 2000,
    }
    monitor.publish(Status(started_at=0.0, n_read=11))
    assert samples(monitor)[("ihomer_events_read_total",)] == 11


def test_openmetrics_is_understood_too(monitor):
    monitor.publish(FULL)
    _, headers, body = get(monitor, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_all_metrics_are_shown_whichever_are_named(monitor):
    monitor.publish(FULL)
    assert get(monitor, "/metrics?name[]=ihomer_healthy")[2] == get(monitor, "/metrics")[2] != b""


def test_names_are_bounded_in_number(monitor):
    monitor.publish(Status(started_at=0.0, dead_letters={f"code{number:04}": 2 for number in reversed(range(1000))}))
    dead = {key[1]: value for key, value in samples(monitor).items() if key[0] == "ihomer_dead_letters_total"}
    assert set(dead) == {*(f"code{number:04}" for number in range(64)), "(others)"}
    assert sum(dead.values()) == 2000


def test_health(monitor):
    assert get(monitor, "/healthz")[0] == 503
    monitor.publish(FULL)
    status, headers, body = get(monitor, "/healthz")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body) == {"healthy": True, "reason": "", "learned": 8}
    assert get(monitor, "/healthz", "HEAD")[::2] == (200, b"")
    monitor.publish(Status(started_at=0.0, healthy=False, reason="no answer from the broker"))
    status, _, body = get(monitor, "/healthz")
    assert (status, json.loads(body)["reason"]) == (503, "no answer from the broker")
    monitor.publish(Status(started_at=0.0, healthy=False))
    assert json.loads(get(monitor, "/healthz")[2])["reason"] != ""


def test_silence_is_not_healthy():
    monitor = Monitor(0, silent_after=0.0)
    monitor.publish(FULL)
    status, _, body = get(monitor, "/healthz")
    assert status == 503
    assert "no news" in json.loads(body)["reason"]
    monitor.publish(Status(started_at=0.0, healthy=False, reason="no answer from the broker"))
    assert json.loads(get(monitor, "/healthz")[2])["reason"] == "no answer from the broker"
    monitor.close()


def test_each_status_is_news():
    monitor = Monitor(0, silent_after=0.5)
    monitor.publish(FULL)
    time.sleep(0.7)
    assert get(monitor, "/healthz")[0] == 503
    monitor.publish(FULL)
    assert get(monitor, "/healthz")[0] == 200
    monitor.close()


def test_while_kernels_are_compiled_silence_is_healthy_but_nothing_else():
    def health():
        status, _, body = get(monitor, "/healthz")
        return status, json.loads(body)["learned"], samples(monitor).get(("ihomer_healthy",))

    monitor = Monitor(0, silent_after=0.0)
    monitor.expect_compilation()
    assert health() == (200, 0, None)
    monitor.publish(FULL)
    assert health() == (503, 8, 0.0)
    monitor.expect_compilation()
    assert health() == (200, 8, 1.0)
    monitor.publish(Status(started_at=0.0, healthy=False))
    monitor.expect_compilation()
    assert health() == (503, 0, 0.0)
    monitor.close()


def test_an_answer_to_head_ends_with_its_header(monitor):
    with socket.create_connection(("127.0.0.1", monitor.port)) as client:
        client.sendall(b"HEAD /healthz HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.0 503")
    assert answer.endswith(b"\r\n\r\n")


def test_other_paths_and_methods(monitor):
    assert get(monitor, "/")[0] == 404
    assert get(monitor, "/metrics/../etc/passwd")[0] == 404
    assert get(monitor, "/healthz", "POST")[0] == 405


def test_clients_that_say_nothing_or_nonsense_block_nobody(monitor, capfd):
    monitor.publish(FULL)
    idle = [socket.create_connection(("127.0.0.1", monitor.port)) for _ in range(5)]
    idle[0].sendall(b"\x00\xff" * 100 + b"\r\n\r\n")
    assert get(monitor, "/healthz")[0] == 200
    monitor.close()
    for client in idle:
        client.close()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("asks", [b"", b"GET ", b"GET /healthz HTTP/1.1\r\nX: "])
def test_slow_clients_are_cut_off_however_they_go_on(monitor, monkeypatch, asks, capfd):
    monkeypatch.setattr("streams.monitor._LONGEST_REQUEST", 0.5)
    monitor.publish(FULL)
    slow = [socket.create_connection(("127.0.0.1", monitor.port)) for _ in range(32)]
    for said in (asks, *[b"a"] * 11):
        for client in slow:
            with contextlib.suppress(OSError):
                client.sendall(said)
        time.sleep(0.1)
    assert get(monitor, "/healthz")[0] == 200
    for client in slow:
        client.close()
    assert capfd.readouterr().err == ""


def test_flood_of_connections_is_turned_away(monitor):
    monitor.publish(FULL)
    clients = [socket.create_connection(("127.0.0.1", monitor.port)) for _ in range(60)]
    for client in clients[40:]:
        client.settimeout(10)
        assert client.recv(1) == b""
    for client in clients:
        client.close()


def test_many_clients_one_after_another(monitor):
    monitor.publish(FULL)
    assert {get(monitor, "/healthz")[0] for _ in range(100)} == {200}


def test_port_that_is_taken(monitor):
    with pytest.raises(OSError, match="in use"):
        Monitor(monitor.port)


def test_ipv6_if_there_is_any():
    try:
        monitor = Monitor(0, "::1")
    except OSError as error:
        pytest.skip(f"no IPv6: {error}")
    with socket.create_connection(("::1", monitor.port)) as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.0 503")
    monitor.close()
