"""A real Kafka broker of our own: one node on free loopback ports, in a temporary directory, ended by its process id."""

import ctypes
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Broker", "missing"]

_HERE = Path(__file__).resolve().parent
_START = 90.0  # seconds
_PR_SET_PDEATHSIG = 1

_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/data
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
message.max.bytes=20000000
log.retention.check.interval.ms=500
log.segment.delete.delay.ms=0
"""

_LOGGING = """
rootLogger.level = warn
rootLogger.appenderRef.out.ref = OUT
appender.out.type = Console
appender.out.name = OUT
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1} %m%n
"""


def missing() -> str | None:
    """Return what a broker cannot be started without and is not here; None if all is here."""
    absent = [name for name in ("java", "mvn") if shutil.which(name) is None]
    return f"{' and '.join(absent)} not found" if absent else None


def _libraries() -> Path:
    """Return the folder of the broker's jars, fetched by Maven once for each content of the pom."""
    pom = _HERE / "pom.xml"
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ihomer-broker"
    folder = root / hashlib.sha256(pom.read_bytes()).hexdigest()[:16]
    if not folder.exists():
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root) as fresh:
            command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", "-DincludeScope=runtime"]
            subprocess.run([*command, f"-DoutputDirectory={fresh}/jars"], check=True, stdin=subprocess.DEVNULL)
            try:
                os.rename(f"{fresh}/jars", folder)
            except OSError:  # somebody else was faster
                if not folder.exists():
                    raise
    return folder


def _free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Broker:
    """A Kafka broker that listens on 127.0.0.1 from `start` to `stop`.

    Its data stays from one start to the next, and goes when the object is left.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ihomer-broker-"))
        self.port, controller = _free_ports(2)
        self._classes = f"{_libraries()}/*"
        text = _PROPERTIES.format(port=self.port, controller=controller, folder=self._folder)
        (self._folder / "server.properties").write_text(text)
        (self._folder / "log4j2.properties").write_text(_LOGGING)
        self._process: subprocess.Popen[bytes] | None = None
        self._run("kafka.tools.StorageTool", "format", "--standalone", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", self._settings)

    @property
    def address(self) -> str:
        """HOST:PORT for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the broker has printed."""
        path = self._folder / "out.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def _settings(self) -> str:
        return str(self._folder / "server.properties")

    def _command(self, main: str, *arguments: str) -> list[str]:
        options = ["-Xmx512m", "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={self._folder}/log4j2.properties"]
        return ["java", *options, "-cp", self._classes, main, *arguments]

    def _run(self, main: str, *arguments: str) -> None:
        done = subprocess.run(self._command(main, *arguments), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"{main} failed:\n{done.stdout}{done.stderr}")

    def start(self) -> None:
        """Start the broker and wait until it answers."""
        with (self._folder / "out.log").open("ab") as out:
            self._process = subprocess.Popen(
                self._command("kafka.Kafka", self._settings),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
            )
        deadline = time.monotonic() + _START
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the broker does not start:\n{self.log[-4000:]}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        from kafka import KafkaAdminClient
        from kafka.errors import KafkaError

        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
            client = KafkaAdminClient(bootstrap_servers=self.address, request_timeout_ms=5000)
        except (OSError, KafkaError):
            return False
        try:
            return bool(client.describe_cluster())
        except (OSError, KafkaError):
            return False
        finally:
            client.close()

    def stop(self) -> None:
        """End the broker in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the broker at once."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart(self) -> None:
        """End the broker in good order and start it again."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
