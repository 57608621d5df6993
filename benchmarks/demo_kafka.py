"""A broker, a stream that drifts, and a run that learns it: `make demo-kafka`. All of it is gone afterwards.

Needs Java and Maven for the broker; the first time Maven fetches it.
"""

import argparse
import json
import subprocess
import sys
import tempfile

from rich.console import Console

from benchmarks.common import run_command
from benchmarks.kafka_broker import Broker, missing_programs
from streams.kafka import KafkaSource

_IHOMER = [sys.executable, "-c", "from streams.cli import main; main()"]


def show(console: Console, text: str, arguments: list[str]) -> None:
    """Say what is done, and do it; what it prints is seen."""
    console.print(f"\n[bold]{text}[/bold]\n$ ihomer {' '.join(arguments)}", soft_wrap=True, highlight=False)
    subprocess.run([*_IHOMER, *arguments], check=True, stdin=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000, help="20,000 by default")
    arguments = parser.parse_args()
    if missing_programs():
        parser.error(missing_programs())
    console = Console()
    console.print("Starting a Kafka broker ...")
    with Broker() as broker, tempfile.TemporaryDirectory() as folder:
        cluster = f"kafka://{broker.address}"
        generate = ["generate", "--to", f"{cluster}/events", "--partitions", "3", "--events", str(arguments.events)]
        show(console, "A stream with drifts, some labels late", [*generate, "--late-share", "0.02", "--late-delay", "200"])
        run = ["run", "--source", f"{cluster}/events", "--sink", f"{cluster}/predictions", "--dead-letter", f"{cluster}/dead"]
        show(console, "Predict and learn it, exactly once", [*run, "--checkpoint", folder, "--every", "5s", "--idle-exit", "3"])
        show(console, "What the last checkpoint holds", ["inspect", folder])
        console.print("[bold]The last predictions[/bold]")
        source = KafkaSource(broker.address, ["predictions"])
        last: list[bytes] = []
        while messages := source.poll(2.0):
            last = [*last, *(message.value or b"" for message in messages)][-3:]
        source.close()
        for value in last:
            console.print_json(json.dumps(json.loads(value)), indent=None)


if __name__ == "__main__":
    run_command(main)
