"""How much faster or slower has the default model become since a commit? Both versions in turns: they meet the machine alike.

    python -m benchmarks.speed_change            # beside the commit of results/speed.json; about ten minutes
    python -m benchmarks.speed_change COMMIT     # beside another one

Each version has a process of its own, in which each path is run on the first 3,000 events of a set once to compile, and then
once a round. What counts is the median over the rounds of the time that this version takes, divided by that of the other;
`low` and `high` are the quartiles.
"""

import argparse
import io
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.common import events_of, load, matrices, require_sets, run_command

ROOT = Path(__file__).resolve().parents[1]
SETS = ("yeast", "scene", "tmc2007_500", "bibtex")
EVENTS, ROUNDS = 3000, 9
PATHS = {
    "many": "model.test_then_train_many(X, Y)",
    "one at a time": "for x, y in events: model.test_then_train_one(x, y)",
    "one by one": "for x, y in events: model.predict_one(x), model.learn_one(x, y)",
}

_WORKER = """
import pickle, sys, time
from ihomer import IHOMERClassifier
with open(sys.argv[1], "rb") as file:
    events, X, Y = pickle.load(file)
for code in sys.stdin:
    model = IHOMERClassifier()
    start = time.perf_counter()
    exec(code)
    print(time.perf_counter() - start, flush=True)
"""


class Version:
    """A process that runs the code of one folder on one set."""

    def __init__(self, folder: Path, data: Path, cache: Path | None = None) -> None:
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        if cache is not None:
            environment["NUMBA_CACHE_DIR"] = str(cache)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment, cwd=folder,
        )  # fmt: skip

    def seconds(self, code: str) -> float:
        """Return the time that a path takes with a new model."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(code + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def sources_of(commit: str, folder: Path) -> None:
    """Write the package as it was at a commit to a folder."""
    asked = ["git", "archive", commit, "ihomer"]
    found = subprocess.run(asked, cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(found)) as archive:
        archive.extractall(folder, filter="data")


def compared(now: list[float], before: list[float], n_events: int) -> dict[str, float]:
    """Return the median and quartiles of the rounds' ratios, and both versions' events per second in their best rounds."""
    low, ratio, high = np.quantile(np.array(now) / np.array(before), (0.25, 0.5, 0.75)).tolist()
    best = {"best": n_events / min(now), "best_before": n_events / min(before)}
    return {key: round(value, 3) for key, value in {"ratio": ratio, "low": low, "high": high, **best}.items()}


def measure(name: str, folders: tuple[Path, Path], place: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Return the figures of each path on one set, with the folders of this version and of the other one."""
    events = events_of(name)[:EVENTS]
    X, Y, _, _ = matrices(events)
    data = place / f"{name}.pickle"
    data.write_bytes(pickle.dumps((events, X, Y)))
    versions = [Version(folders[0], data), Version(folders[1], data, place / "cache")]
    found = {}
    try:
        for path, code in PATHS.items():
            seconds: list[list[float]] = [[], []]
            for i in range(rounds + 1):
                for which in (0, 1) if i % 2 else (1, 0):
                    seconds[which].append(versions[which].seconds(code))
            found[path] = compared(seconds[0][1:], seconds[1][1:], len(events))
    finally:
        for version in versions:
            version.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit", nargs="?", help="by default that of results/speed.json")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    require_sets(parser, arguments.sets)
    commit = arguments.commit or load("speed")["machine"]["commit"]
    with tempfile.TemporaryDirectory() as place:
        before = Path(place) / "before"
        sources_of(commit, before)
        for name in arguments.sets:
            print(name, measure(name, (ROOT, before), Path(place), arguments.rounds), flush=True)


if __name__ == "__main__":
    run_command(main)
