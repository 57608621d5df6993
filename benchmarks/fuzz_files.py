"""Altered model files: each must be refused, or load as a model that works.

    python -m benchmarks.fuzz_files --files 10000 --write

Small files of several models are altered blindly (the checksum no longer fits) and by someone who means harm (it fits again).
Child processes load them, with bounds of memory and time and with the kernels' indices checked, and let what has loaded
predict, learn, draw and be saved again.
"""

import argparse
import math
import multiprocessing
import os
import random
import resource
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import file_damage
from benchmarks.common import run_command
from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier
from ihomer.kernels.common import SOURCES
from ihomer.metrics import Scoreboard
from ihomer.persistence import KINDS, ModelFileError, pack, unpack

MEMORY = 256 << 20  # bytes beyond what a child has after it has compiled all
SECONDS = 60.0  # for one file
OUTCOMES = ("refused", "equal", "differs, but works", "fails", "crash", "hang", "memory")
BAD = OUTCOMES[3:]


def events(n: int, seed: int, n_labels: int = 10, n_features: int = 30) -> list[tuple[dict[Any, Any], dict[Any, Any]]]:
    """Return events of numbers, nominal and missing values, whose features and labels come and go."""
    r = random.Random(seed)
    found = []
    for i in range(n):
        turn = i // 25
        topic = r.randrange(4)
        x: dict[Any, Any] = {f"f{(topic * 7 + turn + r.randrange(12)) % n_features}": r.gauss(topic, 1.0) for _ in range(8)}
        x["colour"] = r.choice(["red", "green", "blue", None])
        y: dict[Any, Any] = {(topic * 2 + turn // 4 + k) % n_labels: r.random() < 0.8 for k in range(3)}
        if r.random() < 0.1:
            y[r.randrange(n_labels)] = None
        found.append((x, y))
    return found


def sources() -> dict[str, bytes]:
    """Return model files by name."""
    growing = MLHATClassifier(
        grace_period=20, delta=0.4, tau=3.0, young_weight=15, window=20, n_models=2, max_leaves=12, alternate_weight=15.0,
        max_labels=8, max_features=24, adwin_delta=0.9,
    )  # fmt: skip
    clustering = LabelPartition(n_min=25, max_labels=8, max_pairs=64, fading=0.999)
    models = {
        "default": IHOMERClassifier(seed=1),
        "forgetting": IHOMERClassifier(seed=2, clustering=clustering, max_features=24, most_labelsets=64, most_labels=5),
        "trees": IHOMERClassifier.paper(seed=3, tree=growing, clustering=clustering, replay=30, max_features=24),
        "mixed": IHOMERClassifier(seed=4, experts=("neighbours", "tree"), tree=growing, objective="micro_f1", replay=20),
        "one tree": growing.clone(),
    }
    files = {}
    for number, (name, model) in enumerate(models.items()):
        for x, y in events(260 if name in ("trees", "one tree") else 140, number):
            model.learn_one(x, y)
        files[name] = pack(model, KINDS)
    board = Scoreboard(window=20, fading=0.99)
    for x, y in events(60, 9):
        board.update(y, {k: bool(v) for k, v in y.items()}, {k: x.get("f1", 0.4) % 1.0 for k in y})
    files["scores"] = pack({"scores": board, "position": [3, 4]}, KINDS)
    return files


def exercise(value: Any) -> None:
    """Use what a file held; whatever goes wrong is raised."""
    if isinstance(value, dict):
        for part in value.values():
            if isinstance(part, Scoreboard):
                part.update({1, 2}, {2, 3}, {2: 0.5})
                for reading in ("total", "window", "faded"):
                    if reading in part._readings:
                        part.scores(reading)
        return
    if not isinstance(value, IHOMERClassifier | MLHATClassifier):
        return
    asked = events(3, 77)
    for x, _ in asked:
        value.predict_one(x)
        value.predict_proba_one(x)
        value.debug_one(x)
    for x, y in [*events(16, 78, 13, 34), ({}, set()), ({"new": 1.0}, {"new"})]:
        value.learn_one(x, y)
    for x, _ in asked:
        value.predict_proba_one(x)
    for form in ("dot", "text"):
        value.draw(form)
    _ = value.summary, value.drifts, value.labels
    unpack(pack(value, KINDS), KINDS)


def verdict(data: bytes, original: bytes) -> tuple[str, str]:
    """Load a file and use what it holds; return the outcome and a message."""
    try:
        value = unpack(data, KINDS)
    except ModelFileError as error:
        return "refused", str(error)
    except MemoryError as error:
        return "memory", f"load: {error!r}"
    except BaseException as error:
        return "fails", f"load: {error!r}"
    try:
        same = pack(value, KINDS) == original
        exercise(value)
    except MemoryError as error:
        return "memory", f"use: {error!r}"
    except BaseException as error:
        return "fails", f"use: {error!r}"
    return ("equal" if same else "differs, but works"), ""


def child(connection: Connection, originals: dict[str, bytes]) -> None:
    """Answer (name of the original, bytes) with a verdict until the pipe closes."""
    for data in originals.values():
        found = verdict(data, data)
        if found[0] != "equal":
            raise AssertionError(f"an unaltered file: {found}")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    np.seterr(all="ignore")  # numbers that make no sense are part of the game
    connection.send(("ready", ""))
    while True:
        name, data = connection.recv()
        connection.send(verdict(data, originals[name]))


class Child:
    """A process that judges files; it is started anew after it has died or hung."""

    def __init__(self, originals: dict[str, bytes]) -> None:
        self._originals = originals
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=child, args=(other, self._originals), daemon=True)
        self._process.start()
        other.close()
        if not self._pipe.poll(900.0) or self._pipe.recv()[0] != "ready":
            raise RuntimeError("the child did not start")

    def judge(self, name: str, data: bytes) -> tuple[str, str]:
        """Return the outcome for one file and a message."""
        try:
            self._pipe.send((name, data))
            if self._pipe.poll(SECONDS):
                found: tuple[str, str] = self._pipe.recv()
                return found
            outcome = ("hang", f"no answer after {SECONDS:g} s")
        except (EOFError, OSError):
            self._process.join()
            outcome = ("crash", f"exit code {self._process.exitcode}")
        self.close()
        self._start()
        return outcome

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def run(n_files: int, seed: int, keep: Path | None = None, most_seconds: float = math.inf) -> dict[str, Any]:
    """Judge altered files, as many as there is time for; return how many had each outcome, by the way they were altered."""
    originals = sources()
    judge = Child(originals)
    counts: dict[str, Counter[str]] = {}
    bad: list[dict[str, Any]] = []
    started = time.perf_counter()
    for number in range(n_files):
        if time.perf_counter() - started > most_seconds:
            break
        r = random.Random(f"{seed} {number}")
        name = r.choice(list(originals))
        how, data = file_damage.damaged(r, originals[name], list(originals.values()))
        outcome, message = judge.judge(name, data)
        counts.setdefault(how, Counter())[outcome] += 1
        if outcome in BAD:
            bad.append({"number": number, "file": name, "how": how, "outcome": outcome, "message": message[:300]})
            print(bad[-1], flush=True)
            if keep is not None:
                (keep / f"{number}.{outcome}").write_bytes(data)
    judge.close()
    total = sum(counts.values(), Counter())
    return {
        "n_files": sum(total.values()),
        "seed": seed,
        "bounds_checked": os.environ.get("NUMBA_BOUNDSCHECK") == "1",
        "originals": {name: len(data) for name, data in originals.items()},
        "memory_beyond_start": MEMORY,
        "seconds": round(time.perf_counter() - started, 1),
        "outcomes": {outcome: total[outcome] for outcome in OUTCOMES},
        "by_kind": {how: {o: found[o] for o in OUTCOMES if found[o]} for how, found in sorted(counts.items())},
        "bad": bad,
    }


def main() -> None:
    """Run and print the counts; exit with 1 if a file crashed, hung, failed or took too much memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000, help="how many; 1,000 by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop earlier, after that time")
    parser.add_argument("--unchecked", action="store_true", help="run the kernels as users do, without checked indices")
    parser.add_argument("--keep", type=Path, help="folder for the files that are not refused and do not work")
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    arguments = parser.parse_args()
    if not arguments.unchecked and os.environ.get("NUMBA_BOUNDSCHECK") != "1":
        # Numba reads this when it is imported, and its cache does not tell code with checks from code without.
        cache = Path(os.environ.get("NUMBA_CACHE_DIR", Path(__file__).resolve().parents[1] / ".numba_cache"))
        folder = cache / f"checked-{SOURCES}"
        environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(folder)}
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.fuzz_files", *sys.argv[1:]], environment)
    result = run(arguments.files, arguments.seed, arguments.keep, 60.0 * arguments.minutes)
    print(result["outcomes"], result["by_kind"], sep="\n")
    if arguments.write:
        from benchmarks.common import write

        write("fuzz_files" + ("_unchecked" if arguments.unchecked else ""), result)
    raise SystemExit(any(result["outcomes"][outcome] for outcome in BAD))


if __name__ == "__main__":
    run_command(main)
