"""A live run over a real broker, killed again and again: is each message learned once and answered once?

    python -m benchmarks.kills                 # 50 kills over 20,000 events in 3 partitions, about four minutes
    python -m benchmarks.kills --write         # and write results/kills.json

Half of the lives are ended by the clock, half at a step that matters (before and after each note in the journal, each commit,
each checkpoint, and in the middle of one), or by the clock too where that step is not reached within twelve seconds. The
broker is restarted twice under a process that is at work, once in good order and once by SIGKILL. Afterwards the answers, the
dead letters and the last checkpoint are compared with those of a calm pass over the same messages in the same order. Needs Java
and Maven.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import run_command, write
from benchmarks.kafka_broker import Broker, missing_programs
from ihomer import IHOMERClassifier
from tests.killing import differences, run_and_kill

_COMPILING = 40  # events
_UNDER_WAY = 3.0  # seconds after which a process has begun to answer


def compile_kernels() -> None:
    """Compile what a run uses, which is kept on disk: else the first lives are killed before they have begun to work."""
    X = [{f"x{i % 3}": float(i % 5), "always": float(i)} for i in range(_COMPILING)]
    IHOMERClassifier().answer_many(X, [{f"label {i % 4}"} for i in range(_COMPILING)], 5)


def measure(n_events: int, n_kills: int, seed: int) -> dict[str, Any]:
    """Run, kill and compare."""
    compile_kernels()
    with Broker() as broker, tempfile.TemporaryDirectory() as folder:
        cluster = f"kafka://{broker.address}"
        arguments = ["run", "--source", f"{cluster}/events", "--sink", f"{cluster}/answers", "--dead-letter", f"{cluster}/dead"]
        arguments += ["--checkpoint", folder, "--every", "400", "--keep", "100000", "--commit-every", "0.05"]
        arguments += ["--idle-exit", "6"]
        ihomer = [sys.executable, "-c", "from streams.cli import main; main()"]
        generate = ["generate", "--to", f"{cluster}/events", "--partitions", "3", "--events", str(n_events), "--quiet"]
        rate = n_events / (3.2 * n_kills)
        producer = subprocess.Popen([*ihomer, *generate, "--rate", str(rate), "--late-share", "0.05", "--seed", str(seed)])

        restarts: list[str] = []

        def restart_broker(n_lives: int) -> None:
            if n_lives == n_kills // 3:
                time.sleep(_UNDER_WAY)
                broker.restart()
                restarts.append("in good order")
            if n_lives == 2 * n_kills // 3:
                time.sleep(_UNDER_WAY)
                broker.kill()
                broker.start()
                restarts.append("after SIGKILL")

        start = time.perf_counter()
        try:
            lives = run_and_kill(arguments, n_kills, seed, restart_broker)
            if producer.wait(600):
                raise RuntimeError("the producer failed")
        finally:
            producer.kill()
        last = subprocess.run([*ihomer, *arguments], capture_output=True, text=True)
        if last.returncode:
            raise RuntimeError(f"the last run failed:\n{last.stderr[-4000:]}")
        found = differences(broker.address, Path(folder), "events", "answers", "dead")
    return {
        "n_events": n_events,
        "kills_by_the_clock": lives.killed_by_time,
        "kills_at_a_step": lives.killed_at_step,
        "lives_that_came_to_their_end": lives.came_to_end,
        "errors": lives.errors,
        "broker_restarts": len(restarts),
        "seconds": round(time.perf_counter() - start),
        **found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000, help="20,000 by default")
    parser.add_argument("--kills", type=int, default=50, help="50 by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    arguments = parser.parse_args()
    if missing_programs():
        parser.error(str(missing_programs()))
    result = measure(arguments.events, arguments.kills, arguments.seed)
    for name, value in result.items():
        print(f"{name:32s} {value}")
    if arguments.write:
        write("kills", result)


if __name__ == "__main__":
    run_command(main)
