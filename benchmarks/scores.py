"""Scores of the models on real sets, test-then-train in one pass, beside simple baselines.

    python -m benchmarks.scores                     # the sets of the README, about four minutes
    python -m benchmarks.scores --write             # and write results/scores.json
    python -m benchmarks.scores --shuffle 1 scene   # some sets, shuffled
    python -m benchmarks.scores --predictions DIR   # and write each set's default answers as JSON lines

One configuration for all sets, seed 0, file order unless --shuffle.
"""

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
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
    **{f"objective={o}": (lambda o=o: IHOMERClassifier(objective=o)) for o in ("subset", "example_f1", "micro_f1", "macro_f1")},
    "paper": IHOMERClassifier.paper,
    "tree alone": MLHATClassifier,
}
SCORES = ("subset_accuracy", "example_f1", "micro_f1", "macro_f1")
FIRST = 200  # events, scored apart: a warm-up hole would show


def scores_of(truth: np.ndarray, predicted: np.ndarray, labels: list[str]) -> dict[str, float]:
    """Return the scores of predictions, bool[events, labels], made before each event was learned."""
    board = Scoreboard(labels=labels)
    board.update_many(truth, predicted)
    found = board.scores()
    return {name: round(float(found[name]), 4) for name in SCORES}


def majority_labelset(Y: np.ndarray) -> np.ndarray:
    """Return, for each event, the labelset that was most frequent before it; the earlier one on a tie."""
    counts: dict[bytes, int] = {}
    best = np.zeros(Y.shape[1], np.uint8).tobytes()
    answers = []
    for row in Y:
        answers.append(np.frombuffer(best, np.uint8))
        key = row.tobytes()
        counts[key] = counts.get(key, 0) + 1
        if counts[key] > counts.get(best, 0):
            best = key
    return np.array(answers)


def answers_of(model: Any, X: Any, Y: np.ndarray) -> np.ndarray:
    """Return the answers to all events, each before it was learned."""
    return np.vstack([model.test_then_train_many(X[i : i + 1000], Y[i : i + 1000]) for i in range(0, len(Y), 1000)])


def measure(name: str, shuffle: int | None, predictions: Path | None = None) -> dict[str, Any]:
    """Run all models over one set."""
    events = events_of(name)
    if shuffle is not None:
        random.Random(shuffle).shuffle(events)
    X, Y, _, labels = matrices(events, labels_of(name))
    simple = {
        "previous labelset": np.vstack([np.zeros_like(Y[:1]), Y[:-1]]),
        "majority labelset": majority_labelset(Y),
    }
    rows: dict[str, Any] = {"n_events": len(events)}
    for baseline, predicted in simple.items():
        rows[baseline] = {**scores_of(Y, predicted, labels), "first": scores_of(Y[:FIRST], predicted[:FIRST], labels)}
    for model_name, make in MODELS.items():
        model = make()
        start = time.perf_counter()
        predicted = answers_of(model, X, Y)
        seconds = time.perf_counter() - start
        rows[model_name] = {**scores_of(Y, predicted, labels), "events_per_second": round(len(events) / seconds)}
        rows[model_name]["first"] = scores_of(Y[:FIRST], predicted[:FIRST], labels)
        if hasattr(model, "partition"):
            rows[model_name]["cluster_sizes"] = sorted((len(c) for c in model.partition.clusters.values()), reverse=True)
            rows[model_name]["n_drifts"] = sum(drift["where"] != "node" for drift in model.drifts)
        if predictions is not None and model_name == "default":
            lines = (json.dumps({"labels": [labels[i] for i in np.flatnonzero(row)]}) for row in predicted)
            (predictions / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return rows


def means(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return each model's mean scores over all sets."""
    names = [name for name in next(iter(result.values())) if name != "n_events"]
    return {
        name: {score: round(float(np.mean([rows[name][score] for rows in result.values()])), 4) for score in SCORES}
        for name in names
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--shuffle", type=int)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--predictions", type=Path)
    arguments = parser.parse_args()
    if not DATA.exists():
        parser.error(f"no data sets in {DATA}; IHOMER_DATA names another folder")
    if arguments.predictions is not None:
        arguments.predictions.mkdir(parents=True, exist_ok=True)
    answers_of(IHOMERClassifier(), np.eye(3), np.eye(3, dtype=np.uint8))  # compiled, if it was not
    result: dict[str, Any] = {}
    for name in arguments.sets:
        result[name] = measure(name, arguments.shuffle, arguments.predictions)
        print(
            name, {model: rows for model, rows in result[name].items() if model in ("default", "previous labelset")}, flush=True
        )
    for model, row in means(result).items():
        print(f"{model:22s}", row)
    if arguments.write:
        order = "file" if arguments.shuffle is None else f"shuffled with seed {arguments.shuffle}"
        write(
            "scores" if arguments.shuffle is None else "scores_shuffled",
            {"order": order, "sets": result, "means": means(result)},
        )


if __name__ == "__main__":
    main()
