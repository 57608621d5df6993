"""What a live run says of itself, over HTTP: Prometheus metrics and health."""

import json
import math
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from socketserver import TCPServer, ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.status import CheckpointStatus, Status

__all__ = ["Monitor"]

_MOST_CONNECTIONS = 32
_LONGEST_REQUEST = 10.0  # seconds that a client has to ask and to take the answer, after which it is cut off
_LONGEST_COMPILATION = 600.0  # seconds; a minute is usual, on a machine with nothing else to do
# A code or kind comes from this program and there are few; should that ever fail, the rest is one series.
_MOST_NAMES = 64

_COUNTERS = (
    ("ihomer_events_read", "Messages taken from the source.", "n_read"),
    ("ihomer_events_predicted", "Events that were predicted.", "n_predicted"),
    ("ihomer_events_learned", "Events that were learned.", "n_learned"),
    ("ihomer_events_refused", "Events that the model refused.", "n_refused"),
    ("ihomer_transactions", "Transactions that went through.", "n_transactions"),
    ("ihomer_messages_lost", "Messages that were gone before they were read.", "n_lost"),
)
_GAUGES = (
    ("ihomer_events_per_second", "Events per second over the last period.", "events_per_second"),
    ("ihomer_events_awaiting_labels", "Events that wait for their labels.", "n_late_waiting"),
    ("ihomer_labels_awaiting_event", "Late labels that came before their event, and wait for it.", "n_late_early"),
    ("ihomer_labels", "Labels known to the model.", "n_labels"),
    ("ihomer_features", "Features known to the model.", "n_features"),
    ("ihomer_clusters", "Label clusters of the model.", "n_clusters"),
    ("ihomer_partition_version", "How often the label clusters have changed.", "partition_version"),
    ("ihomer_commit_seconds", "Seconds for which answers have waited for the sink.", "seconds_committing"),
    ("ihomer_healthy", "1 if the run does its work, else 0.", "healthy"),
    ("process_resident_memory_bytes", "Resident memory size in bytes.", "resident_bytes"),
    ("process_start_time_seconds", "Start time of the process since 1970 in seconds.", "started_at"),
)
_LATE = ("joined", "expired", "orphan", "repeated")


class _StatusCollector(Collector):
    """Makes metrics of the status that was published last, each time they are asked for."""

    def __init__(self, last: Callable[[], Status | None]) -> None:
        self._last = last

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        status = self._last()
        if status is None:
            return
        for name, text, attribute in _COUNTERS:
            yield CounterMetricFamily(name, text, value=getattr(status, attribute))
        for name, text, attribute in _GAUGES:
            yield GaugeMetricFamily(name, text, value=float(getattr(status, attribute)))
        yield from _named_counts(status)
        lag = GaugeMetricFamily("ihomer_lag_messages", "Messages behind the position.", labels=["topic", "partition"])
        for (topic, partition), count in status.lag.items():
            lag.add_metric([topic, str(partition)], count)
        yield lag
        yield _scores(status)
        if status.checkpoint is not None:
            yield from _of_checkpoint(status.checkpoint)


def _named_counts(status: Status) -> Iterator[Metric]:
    late = {name: getattr(status, f"n_late_{name}") for name in _LATE}
    for name, text, label, counts in (
        ("ihomer_dead_letters", "Malformed events by code.", "code", status.dead_letters),
        ("ihomer_late_labels", "Labels, and events that waited for them, by what became of them.", "outcome", late),
        ("ihomer_drifts", "Drifts that the model has found, by kind.", "kind", status.drifts),
    ):
        family = CounterMetricFamily(name, text, labels=[label])
        shown = sorted(counts)[:_MOST_NAMES]
        for key in shown:
            family.add_metric([key], counts[key])
        if len(shown) < len(counts):
            family.add_metric(["(others)"], sum(counts.values()) - sum(counts[key] for key in shown))
        yield family


def _scores(status: Status) -> Metric:
    family = GaugeMetricFamily("ihomer_score", "Scores of predictions.", labels=["predictor", "reading", "score"])
    for predictor, readings in (("model", status.scores), ("baseline", status.baseline_scores)):
        for reading, scores in readings.items():
            for score, value in scores.items():
                family.add_metric([predictor, reading, score], value)
    return family


def _of_checkpoint(checkpoint: CheckpointStatus) -> Iterator[Metric]:
    yield CounterMetricFamily("ihomer_checkpoints", "Checkpoints written.", value=checkpoint.number)
    for name, text, value in (
        ("duration_seconds", "How long the last checkpoint took.", checkpoint.seconds),
        ("size_bytes", "How long the file of the last checkpoint is.", checkpoint.n_bytes),
        ("timestamp_seconds", "When the last checkpoint was done, in seconds since 1970.", checkpoint.at),
    ):
        yield GaugeMetricFamily(f"ihomer_checkpoint_{name}", text, value=value)


class _Handler(WSGIRequestHandler):
    """Answers one request and says nothing of it; the server sees to it that it does not take too long."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each connection, up to a number of them and for a bounded time; all end with `stop`."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        self._open: dict[socket.socket, float] = {}  # when each is cut off
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server, which may take long to say nothing."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        if len(self._open) >= _MOST_CONNECTIONS:
            self.shutdown_request(request)
            return
        self._open[request] = time.monotonic() + _LONGEST_REQUEST
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """End the connections whose time is over; called each time round the loop that takes connections."""
        # A timeout of the socket would begin anew with each byte.
        now = time.monotonic()
        self._cut_off([request for request, deadline in self._open.copy().items() if now > deadline])

    def _cut_off(self, requests: Iterable[socket.socket]) -> None:
        for request in requests:
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the client has gone, or sent nothing for too long."""

    def stop(self) -> None:
        """Take no more connections, end those there are, and wait for their threads."""
        self.shutdown()
        self._cut_off(self._open.copy())
        self.server_close()


class Monitor:
    """An HTTP server for the status of a run: ``/metrics`` for Prometheus, ``/healthz`` for whoever restarts it.

    ``/healthz`` answers 200 if the last status says that the run is healthy and is not older than `silent_after`, or kernels
    are being compiled, which a run can say nothing in; else 503 with the reason. Both without a status before the first.

    Parameters
    ----------
    port
        Port to listen on; 0 is any that is free.
    host
        Address to listen on. By default only this machine can ask: the answers are not protected.
    silent_after
        Seconds without a new status after which the run counts as hung. A checkpoint of a large model takes a few.

    Attributes
    ----------
    port
        The port.

    Raises
    ------
    OSError
        If it cannot listen there.

    Examples
    --------
    >>> from urllib.request import urlopen
    >>> from streams.monitor import Monitor
    >>> from streams.status import Status
    >>> monitor = Monitor(0)
    >>> monitor.publish(Status(started_at=0.0, n_learned=12))
    >>> with urlopen(f"http://127.0.0.1:{monitor.port}/healthz") as answer:
    ...     answer.status, answer.read()
    (200, b'{"healthy": true, "reason": "", "learned": 12}\\n')
    >>> monitor.close()
    """

    def __init__(self, port: int, host: str = "127.0.0.1", *, silent_after: float = 60.0) -> None:
        # One reference that is replaced as a whole: whoever reads it has one status, and it does not change.
        self._last: tuple[Status, float] | None = None
        self._silent_after = silent_after
        self._compiling_until = -math.inf
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_StatusCollector(self._status))
        self._metrics: Any = make_wsgi_app(registry)
        self._server = _Server(host, port)
        self._server.set_app(self._answer)
        self.port: int = self._server.server_address[1]
        self._thread: Thread | None = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="monitor")
        self._thread.daemon = True
        self._thread.start()

    def publish(self, status: Status) -> None:
        """Show this status from now on; it must not be changed any more."""
        self._last = status, time.monotonic()
        self._compiling_until = -math.inf

    def expect_compilation(self) -> None:
        """Expect no news for some minutes, since kernels are being compiled, but for what is published next."""
        self._compiling_until = time.monotonic() + _LONGEST_COMPILATION

    def close(self) -> None:
        """Stop answering; no thread is left. Safe to call twice."""
        if self._thread is not None:
            self._server.stop()
            self._thread.join()
            self._thread = None

    def _status(self) -> Status | None:
        last = self._last
        return None if last is None else replace(last[0], healthy=not self._reason(last))

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            code, kind, body = "405 Method Not Allowed", "text/plain", b"GET only\n"
        elif path == "/metrics":
            # All metrics, whatever the query names: the registry does not know their names before it makes them.
            answer: Iterable[bytes] = self._metrics({**environ, "QUERY_STRING": ""}, start_response)
            return answer
        elif path == "/healthz":
            code, kind, body = self._health()
        else:
            code, kind, body = "404 Not Found", "text/plain", b"/metrics or /healthz\n"
        start_response(code, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]

    def _reason(self, last: tuple[Status, float] | None) -> str:
        """Return why the run is not healthy by its last status, or nothing."""
        now = time.monotonic()
        is_compiling = now < self._compiling_until
        if last is None:
            return "" if is_compiling else "nothing is known of the run yet"
        status, at = last
        if not status.healthy:
            return status.reason or "the run is not healthy"
        is_silent = now - at > self._silent_after and not is_compiling
        return f"no news of the run for {now - at:.0f} seconds" if is_silent else ""

    def _health(self) -> tuple[str, str, bytes]:
        last = self._last
        reason = self._reason(last)
        learned = 0 if last is None else last[0].n_learned
        body = json.dumps({"healthy": not reason, "reason": reason, "learned": learned}).encode() + b"\n"
        return "503 Service Unavailable" if reason else "200 OK", "application/json", body
