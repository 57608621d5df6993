"""Scores of the models on real sets, test-then-train in one pass, beside the previous labelset.

    python -m benchmarks.scores                     # the sets of the README, about four minutes
    python -m benchmarks.scores --write             # and write results/scores.json
    python -m benchmarks.scores --shuffle 1 scene   # some sets, shuffled

One configuration for all sets, seed 0, file order unless --shuffle.
"""

import argparse
import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.common import DATA, events_of, labels_of, matrices, write
from ihomer import IHOMERClassifier, MLHATClassifier
from ihomer.metrics import Scoreboard

SETS = (
    "flags", "emotions", "yeast", "scene", "birds", "medical", "enron", "slashdot", "ohsumed", "tmc2007_500", "bibtex",
)  # fmt: skip
MODELS: dict[str, Callable[[], Any]] = {
    "default": IHOMERClassifier,
    "paper": IHOMERClassifier.paper,
    "tree alone": MLHATClassifier,
}
SCORES = ("subset_accuracy", "example_f1", "micro_f1", "macro_f1")


def scores_of(truth: np.ndarray, predicted: np.ndarray, labels: list[str]) -> dict[str, float]:
    """Return the scores of predictions, bool[events, labels], made before each event was learned."""
    board = Scoreboard(labels=labels)
    board.update_many(truth, predicted)
    found = board.scores()
    return {name: round(float(found[name]), 4) for name in SCORES}


def measure(name: str, shuffle: int | None) -> dict[str, Any]:
    """Run all models over one set."""
    events = events_of(name)
    if shuffle is not None:
        random.Random(shuffle).shuffle(events)
    X, Y, _, labels = matrices(events, labels_of(name))
    before = np.vstack([np.zeros_like(Y[:1]), Y[:-1]])
    rows: dict[str, Any] = {"n_events": len(events), "previous labelset": scores_of(Y, before, labels)}
    for model_name, make in MODELS.items():
        model = make()
        start = time.perf_counter()
        predicted = np.vstack(
            [model.test_then_train_many(X[i : i + 1000], Y[i : i + 1000]) for i in range(0, len(events), 1000)]
        )
        seconds = time.perf_counter() - start
        rows[model_name] = {**scores_of(Y, predicted, labels), "events_per_second": round(len(events) / seconds)}
        if hasattr(model, "partition"):
            rows[model_name]["cluster_sizes"] = sorted((len(c) for c in model.partition.clusters.values()), reverse=True)
            rows[model_name]["n_drifts"] = sum(drift["where"] != "node" for drift in model.drifts)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--shuffle", type=int)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if not DATA.exists():
        parser.error(f"no data sets in {DATA}; IHOMER_DATA names another folder")
    result: dict[str, Any] = {}
    for name in arguments.sets:
        result[name] = measure(name, arguments.shuffle)
        print(name, result[name], flush=True)
    if arguments.write:
        order = "file" if arguments.shuffle is None else f"shuffled with seed {arguments.shuffle}"
        write("scores" if arguments.shuffle is None else "scores_shuffled", {"order": order, "sets": result})


if __name__ == "__main__":
    main()
