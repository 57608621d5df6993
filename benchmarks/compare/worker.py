"""One cell in its own process: `python -m benchmarks.compare.worker REQUEST OUT`, started by `benchmarks.compare.pool`.

REQUEST is a JSON file with the tables of stream and model, order, seed and bounds. To OUT one JSON line is written when the
model starts, then at most one a second while it works, and one at the end. A process that is killed leaves the last one.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from benchmarks.compare import sets
from benchmarks.compare.models import build
from ihomer.metrics import Scoreboard

SCORES = ("subset_accuracy", "hamming_loss", "example_f1", "micro_f1", "macro_f1", "micro_precision", "micro_recall")
_BLOCK = 100  # events given to a matrix model at once, between two looks at the clock
_WARM_UP = 300


class Scores:
    """Scores of a stream so far."""

    def __init__(self, labels: list[str]) -> None:
        self._board = Scoreboard(labels=labels)
        self._right = self._true = self._predicted = 0
        self.n_events = 0

    def update(self, truth: Any, predicted: Any) -> None:
        """Count answers, bool[events, labels]."""
        truth, predicted = truth.astype(bool), predicted.astype(bool)
        self._board.update_many(truth, predicted)
        self._right += int((truth & predicted).sum())
        self._true += int(truth.sum())
        self._predicted += int(predicted.sum())
        self.n_events += len(truth)

    def found(self) -> dict[str, float]:
        """Return the scores; precision is 0 if nothing was predicted, recall if nothing was true."""
        scores = {
            **self._board.scores(),
            "micro_precision": self._right / max(self._predicted, 1),
            "micro_recall": self._right / max(self._true, 1),
        }
        return {name: round(float(scores[name]), 6) for name in SCORES}


def peak_memory_mb() -> float:
    """Return the most memory that this process has used, in 10^6 bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 1e6 if sys.platform == "darwin" else used * 1024 / 1e6


Step = tuple[Any, float]  # answers bool[events, labels] to the next events; processor seconds that the model took


def _clock_of(model: Any) -> Callable[[], float]:
    """Return the clock for a model: processor time, which other processes on the machine do not change much.

    A model that works in a process of its own is timed by the wall.
    """
    return time.perf_counter if getattr(model, "works_elsewhere", False) else time.process_time


def steps_of_matrix_model(model: Any, stream: sets.Stream, stop: int) -> Iterator[Step]:
    """Run a model that takes many events at once."""
    clock = _clock_of(model)
    for start in range(0, stop, _BLOCK):
        rows = slice(start, min(start + _BLOCK, stop))
        began = clock()
        answers = model.test_then_train_many(stream.X[rows], stream.Y[rows])
        yield np.asarray(answers, bool), clock() - began


def steps_of_row_model(model: Any, stream: sets.Stream, stop: int, dense: bool) -> Iterator[Step]:
    """Run a model that takes one event at a time; making its dictionaries does not count as its time."""
    rows = sets.Rows(stream, dense)
    place = {label: column for column, label in enumerate(stream.labels)}
    clock = _clock_of(model)
    for row in range(stop):
        x, y = rows.x(row), rows.y(row)
        began = clock()
        found = model.predict_one(x)
        model.learn_one(x, y)
        spent = clock() - began
        answer = np.zeros((1, len(place)), bool)
        answer[0, [place[label] for label, on in found.items() if on]] = True
        yield answer, spent


def steps(model: Any, stream: sets.Stream, stop: int, table: dict[str, Any]) -> Iterator[Step]:
    """Run a model over the first `stop` events."""
    if hasattr(model, "test_then_train_many"):
        return steps_of_matrix_model(model, stream, stop)
    return steps_of_row_model(model, stream, stop, table.get("input") == "dense")


def input_of(model: Any, stream: sets.Stream, table: dict[str, Any]) -> str:
    """Return in which form the model is given its events."""
    if hasattr(model, "test_then_train_many"):
        return "matrix"
    return "dense" if sets.Rows(stream, table.get("input") == "dense").dense else "sparse"


def run(request: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
    """Compute a cell.

    Parameters
    ----------
    request
        `set`, `model` (tables), `order`, `seed`, `limit`, `seconds`, `memory_mb`, and `events`: None, or the number of
        events after which to stop, whatever the time.
    say
        Takes the state: at the start, once a second, and at the end.
    """
    stream = sets.ordered(sets.load(request["set"]), request["order"], request["seed"])
    if request["limit"]:
        stream = stream.part(slice(0, request["limit"]))
    table, seed, exactly = request["model"], request["seed"], request["events"]
    stop = len(stream) if exactly is None else min(exactly, len(stream))
    if table.get("warm_up"):
        for _ in steps(build(table, seed, stream), stream, min(_WARM_UP, stop), table):
            pass
    model = build(table, seed, stream)
    scores = Scores(stream.labels)
    about = {
        "events": len(stream), "n_labels": len(stream.labels), "n_features": len(stream.features),
        "input": input_of(model, stream, table),
    }  # fmt: skip

    def state(seconds: float, ended: str | None) -> dict[str, Any]:
        found = scores.found() if scores.n_events else None
        return {
            **about, "events_done": scores.n_events, "scores": found, "ended": ended, "seconds": seconds,
            "peak_memory_mb": round(peak_memory_mb(), 1),
        }  # fmt: skip

    say(state(0.0, None))
    seconds, said, ended = 0.0, time.monotonic(), "end"
    for answers, spent in steps(model, stream, stop, table):
        scores.update(stream.Y[scores.n_events : scores.n_events + len(answers)], answers)
        seconds += spent
        if time.monotonic() - said > 1.0:
            say(state(seconds, None))
            said = time.monotonic()
            if peak_memory_mb() > request["memory_mb"] and exactly is None:
                ended = "memory"
                break
        if exactly is None and seconds > request["seconds"] and scores.n_events < stop:
            ended = "time"
            break
    say(state(seconds, ended))


def main() -> None:
    request = json.loads(Path(sys.argv[1]).read_text())
    with Path(sys.argv[2]).open("w") as out:
        run(request, lambda state: _write(out, state, request["parent"]))


def _write(out: TextIO, state: dict[str, Any], parent: int) -> None:
    if os.getppid() != parent:
        sys.exit("who started this process is gone")
    out.write(json.dumps(state) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
