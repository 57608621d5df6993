"""What do the places of labels bring where labels are many? Accuracy, time and memory by how many labels the experts know.

    python -m benchmarks.many_labels            # about ten minutes
    python -m benchmarks.many_labels --write    # and write results/many_labels.json

Each cell is a process of its own, which learns by `test_then_train_many` in batches of 500. Micro-F1 is that of the second half
of the events, and the time that of the last 2,000, in processor time. Two streams: delicious, and one of 30,000 labels that
follow Zipf's law (exponent 0.8), 3 an event; each label has eight words of its own out of 5,000, and brings each of them with
probability 0.6, among 15 random ones.
"""

import argparse
import json
import subprocess
import sys
import time
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.common import events_of, load, require_sets, run_command, write
from benchmarks.compare.worker import peak_memory_mb
from benchmarks.readme_parts import table
from ihomer import IHOMERClassifier
from ihomer.metrics import MicroF1
from streams.zipf import zipf_labelsets

CELLS = {"zipf": (1024, 4096, 32_768), "delicious": (128, 256, 512, 1024)}
EVENTS = {"zipf": 10_000, "delicious": 5000}
N_LABELS, N_WORDS, OWN, SHOWN, NOISE = 30_000, 5000, 8, 0.6, 15
BATCH, TIMED = 500, 2000

Events = list[tuple[dict[str, float], set[str]]]


def zipf_events(n_events: int, n_labels: int = N_LABELS) -> Events:
    """Return events of a synthetic stream of very many labels.

    Examples
    --------
    >>> from benchmarks.many_labels import zipf_events
    >>> [len(labels) for _, labels in zipf_events(4)]
    [3, 3, 4, 3]
    """
    rng = np.random.default_rng(1)
    own = rng.integers(0, N_WORDS, (n_labels, OWN))
    indptr, index = zipf_labelsets(n_labels, 3.0, n_events, 1, 0.8)
    events = []
    for start, stop in pairwise(indptr):
        labels = index[start:stop]
        shown = own[labels][rng.random((len(labels), OWN)) < SHOWN]
        words = np.concatenate([shown, rng.integers(0, N_WORDS, NOISE)])
        events.append(({f"word {word}": 1.0 for word in words}, {f"label {label}" for label in labels}))
    return events


def events_for(name: str) -> Events:
    """Return the events of a stream."""
    if name == "zipf":
        return zipf_events(EVENTS[name])
    return events_of(name)[: EVENTS[name]]


def measure(events: Events, most_labels: int) -> dict[str, float]:
    """Learn a stream with so many places for labels; return the figures of one cell."""
    model, score = IHOMERClassifier(most_labels=most_labels), MicroF1()
    seconds = 0.0
    for start in range(0, len(events), BATCH):
        x, y = zip(*events[start : start + BATCH], strict=True)
        begin = time.process_time()
        answers = model.test_then_train_many(x, y)
        if start >= len(events) - TIMED:
            seconds += time.process_time() - begin
        for true, answer in zip(y, answers, strict=True):
            if start >= len(events) // 2:
                score.update(true, answer)
    return {
        "micro_f1": round(score.get(), 4),
        "milliseconds": round(1e3 * seconds / min(TIMED, len(events)), 3),
        "memory_mb": round(peak_memory_mb()),
        "n_labels": model.summary["n_labels"],
    }


def many_labels_block() -> str:
    """Return the table of the README."""
    rows = []
    for name, found in load("many_labels")["streams"].items():
        base = found["cells"]["4096" if "4096" in found["cells"] else max(found["cells"], key=int)]["milliseconds"]
        for most, cell in found["cells"].items():
            known = f"{min(int(most), cell['n_labels']):,} of {cell['n_labels']:,}"
            figures = [f"{cell['micro_f1']:.3f}".lstrip("0"), f"{cell['milliseconds'] / base:.2f}", f"{cell['memory_mb']:,}"]
            rows.append([name, known, *figures])
    return table(["stream", "labels known to the experts", "micro-F1", "time, relative", "MB"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    parser.add_argument("--cell", nargs=2, metavar=("STREAM", "LABELS"), help="measure only this, and print it as JSON")
    arguments = parser.parse_args()
    require_sets(parser, ["delicious"])
    if arguments.cell:
        print(json.dumps(measure(events_for(arguments.cell[0]), int(arguments.cell[1]))))
        return
    measure(zipf_events(100), 4)  # compiles, which would take memory of the first cell
    streams: dict[str, Any] = {}
    for name, sizes in CELLS.items():
        streams[name] = {"n_events": EVENTS[name], "cells": {}}
        for most in sizes:
            command = [sys.executable, "-m", "benchmarks.many_labels", "--cell", name, str(most)]
            found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            streams[name]["cells"][str(most)] = json.loads(found)
            print(name, most, streams[name]["cells"][str(most)], flush=True)
    if arguments.write:
        write("many_labels", {"streams": streams})


if __name__ == "__main__":
    run_command(main)
