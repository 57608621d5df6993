"""A live run over three real brokers that are restarted, killed and stopped under it: is each message answered once, and when?

    python -m benchmarks.cluster               # about eight minutes
    python -m benchmarks.cluster --write       # and write results/cluster.json

Topics are kept by all three brokers and take messages while two are there. Events come all the time. The brokers are restarted
one after the other; the leader of a partition, the coordinator of the transactions and the controller are killed and come back
later; one hangs, as a machine does that stands still; two are away at once. Of each the longest time is told in which no
transaction went through, the producer's own waiting included. Afterwards the answers, the dead letters and the last checkpoint
are compared with those of a calm pass over the same messages in the same order. Needs Java and Maven.
"""

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

from benchmarks.common import run_command, write
from benchmarks.kafka_broker import free_ports, missing_programs
from benchmarks.kafka_cluster import Cluster
from benchmarks.kills import compile_kernels
from streams.checkpoint import CheckpointFolder
from tests.killing import differences

_AWAY, _HANGING = 20.0, 45.0  # seconds
_BETWEEN = 5.0  # seconds in which all is well
_LOOK = 0.2  # seconds
_IHOMER = [sys.executable, "-c", "from streams.cli import main; main()"]
_PARTITIONS = 3


class Pulse(Thread):
    """Looks at the metrics of a run, and notes the longest time in which no transaction went through."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._url = f"http://127.0.0.1:{port}/metrics"
        self._over = Event()
        self._count, self._changed = 0.0, time.monotonic()
        self._longest = 0.0

    def run(self) -> None:
        """Look until it is to end."""
        while not self._over.wait(_LOOK):
            count, now = self._transactions(), time.monotonic()
            self._longest = max(self._longest, now - self._changed)
            if count > self._count:
                self._count, self._changed = count, now

    def longest(self) -> float:
        """Return the longest time since the last call."""
        found, self._longest = self._longest, 0.0
        return found

    def wait_for(self, count: int, seconds: float = 120.0) -> None:
        """Wait until so many more transactions went through."""
        wanted, deadline = self._count + count, time.monotonic() + seconds
        while self._count < wanted:
            if time.monotonic() > deadline:
                raise TimeoutError("the run stands still")
            time.sleep(_LOOK)

    def end(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()

    def _transactions(self) -> float:
        try:
            with urllib.request.urlopen(self._url, timeout=1.0) as answer:
                found = re.search(r"^ihomer_transactions_total ([0-9.e+]+)$", answer.read().decode(), re.MULTILINE)
        except OSError:
            return 0.0
        return float(found[1]) if found else 0.0


def disturbances(cluster: Cluster, folder: Path) -> dict[str, Callable[[], None]]:
    """Return what is done to the brokers, by name; afterwards all of them are well."""

    def kill(number: int) -> None:
        cluster.brokers[number].kill()
        time.sleep(_AWAY)
        cluster.brokers[number].start()

    def hang(number: int) -> None:
        cluster.brokers[number].pause()
        time.sleep(_HANGING)
        cluster.brokers[number].go_on()

    def take_two_away() -> None:
        for number in (1, 2):
            cluster.brokers[number].kill()
        time.sleep(_AWAY)
        cluster.start()

    def coordinator() -> int:
        return cluster.coordinator(f"ihomer-{CheckpointFolder(folder).run}")

    return {
        "all restarted, one after the other": cluster.roll,
        "leader of a partition killed": lambda: kill(cluster.leader("events", 0)),
        "coordinator of the transactions killed": lambda: kill(coordinator()),
        "controller killed": lambda: kill(cluster.controller()),
        "leader of the answers hangs": lambda: hang(cluster.leader("answers", 0)),
        "coordinator of the transactions hangs": lambda: hang(coordinator()),
        "two of three killed": take_two_away,
    }


def disturbed(cluster: Cluster, folder: Path, pulse: Pulse) -> dict[str, int]:
    """Disturb the brokers in each way; return the longest standstill of each, in seconds."""
    pulse.wait_for(50)
    standstills = {}
    for what, disturb in disturbances(cluster, folder).items():
        pulse.longest()
        disturb()
        cluster.wait_until_whole()
        pulse.wait_for(50)
        standstills[what] = round(pulse.longest())
        time.sleep(_BETWEEN)
    return standstills


def run_and_disturb(cluster: Cluster, folder: Path, rate: float, seed: int) -> tuple[dict[str, int], str]:
    """Return the longest standstills of a run under load, and what it told.

    Raises
    ------
    RuntimeError
        If it did not end as it should.
    """
    [port] = free_ports(1)
    address = f"kafka://{cluster.address}"
    arguments = ["run", "--source", f"{address}/events", "--sink", f"{address}/answers", "--dead-letter", f"{address}/dead"]
    arguments += ["--checkpoint", str(folder), "--every", "2000", "--keep", "100000", "--commit-every", "0.1"]
    arguments += ["--metrics-port", str(port)]
    generate = ["generate", "--to", f"{address}/events", "--partitions", str(_PARTITIONS), "--events", str(10**9), "--quiet"]
    generate += ["--rate", str(rate), "--late-share", "0.05", "--seed", str(seed)]
    pulse = Pulse(port)
    with tempfile.TemporaryFile("w+") as log:
        producer = subprocess.Popen([*_IHOMER, *generate])
        run = subprocess.Popen([*_IHOMER, *arguments], stderr=log, text=True)
        pulse.start()
        try:
            standstills = disturbed(cluster, folder, pulse)
            producer.send_signal(signal.SIGINT)
            codes = [producer.wait(60)]
            time.sleep(_BETWEEN)
            run.send_signal(signal.SIGTERM)
            codes.append(run.wait(60))
        finally:
            pulse.end()
            for process in (producer, run):
                process.kill()
                process.wait()
        log.seek(0)
        told = log.read()
    if codes != [130, 0]:
        raise RuntimeError(f"producer and run ended with {codes}:\n{told[-4000:]}")
    return standstills, told


def measure(rate: float, seed: int) -> dict[str, Any]:
    """Run, disturb and compare."""
    compile_kernels()
    start = time.perf_counter()
    with Cluster() as cluster, tempfile.TemporaryDirectory() as name:
        standstills, told = run_and_disturb(cluster, Path(name), rate, seed)
        found = differences(cluster.address, Path(name), "events", "answers", "dead")
    return {
        "brokers": len(cluster.brokers),
        "partitions": _PARTITIONS,
        "events_per_second": rate,
        "seconds_away": _AWAY,
        "seconds_hanging": _HANGING,
        "longest_standstill_seconds": standstills,
        "connections_made_anew": told.count("event=reconnecting"),
        "seconds": round(time.perf_counter() - start),
        **found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=150.0, help="events per second, 150 by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    arguments = parser.parse_args()
    if missing_programs():
        parser.error(str(missing_programs()))
    result = measure(arguments.rate, arguments.seed)
    for name, value in result.items():
        print(f"{name:32s} {value}")
    if arguments.write:
        write("cluster", result)


if __name__ == "__main__":
    run_command(main)
