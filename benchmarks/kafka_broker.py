"""A real Kafka broker on loopback for tests, benchmarks and demonstrations: `python -m benchmarks.kafka_broker`."""

import argparse
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

__all__ = ["Broker", "free_ports", "jars", "missing_programs"]

POM = Path(__file__).resolve().parents[1] / "tests" / "kafka" / "pom.xml"
# The end of a process shows in its pipe. The kernel's signal for it comes already when the thread ends that started the broker.
_WATCHDOG = "import os, sys; sys.stdin.buffer.read(); os.kill(int(sys.argv[1]), 9)"

_PROPERTIES = """\
process.roles=broker,controller
node.id={node}
{quorum}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{more}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{more}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT{protocols}
log.dirs={data}
num.partitions=1
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=300
message.max.bytes=20000000
replica.fetch.max.bytes=20000000
socket.request.max.bytes=104857600
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=500
log.segment.delete.delay.ms=100
log.cleaner.dedupe.buffer.size=4194304
"""


def missing_programs() -> str:
    """Return what a broker needs and this machine lacks, as a sentence; "" where nothing is missing.

    Examples
    --------
    >>> isinstance(missing_programs(), str)
    True
    """
    lacking = [name for name in ("java", "mvn") if shutil.which(name) is None]
    return f"a Kafka broker needs {' and '.join(lacking)}" if lacking else ""


def jars() -> Path:
    """Return the folder with the broker's jars; Maven fills it once for each state of the pom.

    Raises
    ------
    RuntimeError
        If Maven fails; its last words are in the message.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ihomer" / "kafka"
    done = cache / hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    if done.is_dir():
        return done
    cache.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=cache))
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={fresh}"]
    outcome = subprocess.run(["mvn", "-B", "-q", "-f", str(POM), *goal], capture_output=True, text=True, timeout=900)
    if outcome.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise RuntimeError(f"Maven could not fetch the broker:\n{outcome.stdout[-2000:]}{outcome.stderr[-2000:]}")
    try:
        fresh.rename(done)
    except OSError:  # another process was faster
        shutil.rmtree(fresh, ignore_errors=True)
    return done


class Broker:
    """One Apache Kafka broker (KRaft) with free loopback ports and a temporary directory of its own.

    It ends when the process that made it ends, however that happens.

    Parameters
    ----------
    memory
        Heap of the Java machine, as in `-Xmx`.
    settings
        More lines of server.properties.
    more_listeners
        Name -> port and security protocol, for listeners beside the open one.
    node
        Its number in the cluster, from 1.
    controllers
        Ports of the controllers of all nodes, in the order of their numbers; none: it is a cluster of its own.

    Attributes
    ----------
    address
        HOST:PORT.
    log
        The broker's own log; it is kept until `close`.

    Examples
    --------
    >>> broker = Broker()  # doctest: +SKIP
    >>> broker.start()  # doctest: +SKIP
    >>> broker.address  # doctest: +SKIP
    '127.0.0.1:40123'
    >>> broker.close()  # doctest: +SKIP
    """

    def __init__(
        self,
        memory: str = "512m",
        settings: dict[str, str] | None = None,
        more_listeners: dict[str, tuple[int, str]] | None = None,
        node: int = 1,
        controllers: Sequence[int] = (),
    ) -> None:
        self._memory = memory
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="ihomer-kafka-"))
        self.log = self._folder / "broker.log"
        port, controller = free_ports(2)
        quorum = f"controller.quorum.bootstrap.servers=127.0.0.1:{controller}"
        self._is_alone = not controllers
        if controllers:
            controller = controllers[node - 1]
            voters = [f"{number}@127.0.0.1:{its_port}" for number, its_port in enumerate(controllers, 1)]
            quorum = f"controller.quorum.voters={','.join(voters)}"
        self.address = f"127.0.0.1:{port}"
        self._port = port
        self._properties = self._folder / "server.properties"
        others = more_listeners or {}
        more = "".join(f",{name}://127.0.0.1:{its_port}" for name, (its_port, _) in others.items())
        protocols = "".join(f",{name}:{protocol}" for name, (_, protocol) in others.items())
        text = _PROPERTIES.format(
            node=node, quorum=quorum, port=port, controller=controller,
            data=self._folder / "data", more=more, protocols=protocols,
        )  # fmt: skip
        self._properties.write_text(text + "".join(f"{name}={value}\n" for name, value in (settings or {}).items()))
        self._formatted = False

    def start(self, timeout: float = 90.0) -> None:
        """Start the broker and wait until it answers a client.

        Raises
        ------
        RuntimeError
            If it ends or does not answer within `timeout` seconds; the end of its log is in the message.
        """
        if self._process is not None:
            return
        if not self._formatted:
            self._format()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._java(), f"-Xmx{self._memory}", "kafka.Kafka", str(self._properties)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._watchdog = subprocess.Popen(
            [sys.executable, "-S", "-c", _WATCHDOG, str(self._process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )
        self._wait(time.monotonic() + timeout)

    def stop(self, timeout: float = 30.0) -> None:
        """End the broker in order; its data stay for another `start`."""
        self._end(signal.SIGTERM, timeout)

    def kill(self) -> None:
        """End the broker by SIGKILL; its data stay for another `start`."""
        self._end(signal.SIGKILL, 30.0)

    def pause(self) -> None:
        """Let the broker stand still, as a machine that hangs; nobody is told."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a broker that stands still go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def restart(self, kill: bool = False) -> None:
        """End the broker and start it again on the same ports and data."""
        self.kill() if kill else self.stop()
        self.start()

    def close(self) -> None:
        """Kill the broker and delete its directory; safe to call twice."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def log_tail(self, characters: int = 4000) -> str:
        """Return the end of the broker's log."""
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _java(self) -> list[str]:
        return ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{self._folder}{os.pathsep}{jars()}/*"]

    def _format(self) -> None:
        (self._folder / "log4j2.properties").write_text(
            "rootLogger.level=WARN\nrootLogger.appenderRef.out.ref=OUT\nappender.out.type=Console\nappender.out.name=OUT\n"
            "appender.out.layout.type=PatternLayout\nappender.out.layout.pattern=[%d] %p %m (%c)%n%throwable\n"
        )
        tool = [*self._java(), "kafka.tools.StorageTool"]
        kind = ["--standalone"] if self._is_alone else []
        command = [*tool, "format", *kind, "-t", "aWhvbWVyLWlob21lci1pLQ", "-c", str(self._properties)]
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if outcome.returncode != 0:
            raise RuntimeError(f"the broker's storage could not be made:\n{outcome.stdout[-2000:]}{outcome.stderr[-2000:]}")
        self._formatted = True

    def _wait(self, end: float) -> None:
        while time.monotonic() < end:
            if self._process is None or self._process.poll() is not None:
                self.kill()
                raise RuntimeError(f"the broker ended while it started:\n{self.log_tail()}")
            if _answers(self._port):
                return
            time.sleep(0.1)
        self.kill()
        raise RuntimeError(f"the broker does not answer:\n{self.log_tail()}")

    def _end(self, number: signal.Signals, timeout: float) -> None:
        process, self._process = self._process, None
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None and watchdog.stdin is not None:
            watchdog.kill()
            watchdog.wait()
            watchdog.stdin.close()
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    """Return loopback ports that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _answers(port: int) -> bool:
    """Whether the broker answers a request for the versions it speaks: the port opens before it serves."""
    header = b"\x00\x12\x00\x00\x00\x00\x00\x01\xff\xff"  # ApiVersions, version 0, correlation 1, no client name
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(len(header).to_bytes(4, "big") + header)
            return len(connection.recv(4)) == 4
    except OSError:
        return False


def main() -> None:
    """Run a broker until the process is told to end; print its address."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with Broker() as broker:
        print(broker.address, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
