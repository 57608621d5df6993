"""Scores of the models on real sets, test-then-train in one pass, beside simple baselines.

    python -m benchmarks.scores                     # the sets of the README, about four minutes
    python -m benchmarks.scores --write             # and write results/scores.json
    python -m benchmarks.scores --shuffle 1 scene   # some sets, shuffled: results/scores_shuffled.json
    python -m benchmarks.scores --further --write   # the further sets: results/scores_further.json
    python -m benchmarks.scores --only default      # some models; with --write the others' results stay,
                                                    # and each row names the commit that it was measured at
    python -m benchmarks.scores --predictions DIR   # and write each set's default answers as JSON lines

One configuration for all sets, seed 0, file order unless --shuffle. River's logistic regression gets at most two minutes a set;
where that is not enough, its row says how many events it had (`n_events`) and what the default scored on these.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.common import commit, events_of, labels_of, load, matrices, require_sets, run_command, with_rows, write
from benchmarks.simple import logistic_regression, majority_labelset, nearest_neighbours, previous_labelset
from ihomer import IHOMERClassifier, MLHATClassifier
from ihomer.experts import EXPERTS
from ihomer.metrics import Scoreboard
from streams.memory import order_of

SETS = (
    "flags", "emotions", "yeast", "scene", "birds", "medical", "enron", "slashdot", "ohsumed", "tmc2007_500", "bibtex",
)  # fmt: skip
FURTHER = ("foodtruck", "corel5k", "eukaryote_go", "tmc2007_500_v1", "delicious")
SIMPLE: dict[str, Callable[[Any, np.ndarray], np.ndarray]] = {
    "previous labelset": lambda X, Y: previous_labelset(Y),
    "majority labelset": lambda X, Y: majority_labelset(Y),
    "river logistic regression": lambda X, Y: logistic_regression(X, Y, SECONDS),
    "nearest neighbours": nearest_neighbours,
}
AS_THEY_COME = "labels as they come"  # no label is named before it applies
MODELS: dict[str, Callable[[], Any]] = {
    "default": IHOMERClassifier,
    **{f"objective={o}": partial(IHOMERClassifier, objective=o) for o in ("subset", "example_f1", "micro_f1", "macro_f1")},
    AS_THEY_COME: IHOMERClassifier,
    "paper": IHOMERClassifier.paper,
    "tree alone": MLHATClassifier,
}
SCORES = ("subset_accuracy", "example_f1", "micro_f1", "macro_f1")
ALONE: dict[str, Callable[[], Any]] = {
    f"{name} alone": partial(IHOMERClassifier, experts=(name,)) for name in EXPERTS
}
SECONDS = 120.0  # for river's logistic regression on one set
FIRST = 200  # events, scored apart: a warm-up hole would show


def scores_of(truth: np.ndarray, predicted: np.ndarray, labels: list[str]) -> dict[str, float]:
    """Return the scores of predictions, bool[events, labels], made before each event was learned."""
    board = Scoreboard(labels=labels)
    board.update_many(truth, predicted)
    found = board.scores()
    return {name: round(float(found[name]), 4) for name in SCORES}


def answers_of(model: Any, X: Any, Y: Any) -> np.ndarray:
    """Return the answers to all events, bool[events, labels], each before it was learned.

    The rows of an array name all labels, those of a sparse matrix the labels that apply.
    """
    parts: list[np.ndarray | sparse.csr_array] = [
        model.test_then_train_many(X[i : i + 1000], Y[i : i + 1000]) for i in range(0, Y.shape[0], 1000)
    ]
    return np.vstack([part.toarray() if sparse.issparse(part) else part for part in parts])


def measure(name: str, shuffle: int | None, only: list[str], predictions: Path | None = None) -> dict[str, Any]:
    """Run some models over one set."""
    events = events_of(name)
    if shuffle is not None:
        events = [events[place] for place in order_of(len(events), shuffle).tolist()]
    X, Y, _, labels = matrices(events, labels_of(name))
    rows: dict[str, Any] = {"n_events": len(events)}
    answers: dict[str, np.ndarray] = {}
    for model_name in only:
        if model_name in SIMPLE:
            predicted = SIMPLE[model_name](X, Y)
            rows[model_name] = {} if len(predicted) == len(Y) else {"n_events": len(predicted)}
        else:
            model = {**MODELS, **ALONE}[model_name]()
            start = time.perf_counter()
            predicted = answers_of(model, X, sparse.csr_array(Y) if model_name == AS_THEY_COME else Y)
            rows[model_name] = {"events_per_second": round(len(events) / (time.perf_counter() - start))}
            if hasattr(model, "partition"):
                rows[model_name]["cluster_sizes"] = sorted((len(c) for c in model.partition.clusters.values()), reverse=True)
                rows[model_name]["n_drifts"] = sum(drift["where"] != "node" for drift in model.drifts)
        rows[model_name].update(scores_of(Y[: len(predicted)], predicted, labels))
        rows[model_name]["first"] = scores_of(Y[:FIRST], predicted[:FIRST], labels)
        rows[model_name]["commit"] = commit()
        answers[model_name] = predicted
    for model_name, predicted in answers.items():
        if len(predicted) < len(Y) and "default" in answers:
            rows[model_name]["default_on_these"] = scores_of(Y[: len(predicted)], answers["default"][: len(predicted)], labels)
    if predictions is not None:
        lines = (json.dumps({"labels": [labels[i] for i in np.flatnonzero(row)]}) for row in answers["default"])
        (predictions / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return rows


def means(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return each model's mean scores over all sets."""
    names = [name for name in next(iter(result.values())) if name != "n_events"]
    return {
        name: {score: round(float(np.mean([rows[name][score] for rows in result.values()])), 4) for score in SCORES}
        for name in names
        if all(name in rows for rows in result.values())
    }


def kept(file: str, sets: dict[str, Any], order: str) -> dict[str, Any]:
    """Return new results of some models on some sets, with what the file has of other models and sets.

    Raises
    ------
    ValueError
        If what the file has is of another order.
    """
    found = load(file, {"order": order, "sets": {}})
    if found["order"] != order:
        raise ValueError(f"{file}.json is of the order {found['order']}: results of another order do not go with it")
    return with_rows(found["sets"], sets)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", help="names of data sets; all of README's table by default")
    parser.add_argument("--further", action="store_true", help="the sets beyond the eleven")
    parser.add_argument("--shuffle", type=int, metavar="SEED", help="shuffle the events, as `ihomer evaluate --shuffle`")
    parser.add_argument("--only", nargs="*", choices=[*SIMPLE, *MODELS, *ALONE], help="these models alone")
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    parser.add_argument("--predictions", type=Path, metavar="DIR", help="write the default's answers there, as JSON lines")
    arguments = parser.parse_args()
    names = arguments.sets or (FURTHER if arguments.further else SETS)
    require_sets(parser, names)
    if arguments.predictions is not None:
        if arguments.only and "default" not in arguments.only:
            parser.error("--predictions writes the answers of the default model: put it among --only")
        arguments.predictions.mkdir(parents=True, exist_ok=True)
    usual = arguments.shuffle is None and not arguments.further
    only = arguments.only or [*SIMPLE, *(MODELS if usual else ("default", "paper", *ALONE))]
    answers_of(IHOMERClassifier(), np.eye(3), np.eye(3, dtype=np.uint8))  # compiled, if it was not
    file = "scores_further" if arguments.further else "scores"
    order = "file"
    if arguments.shuffle is not None:
        file, order = f"{file}_shuffled", f"shuffled with seed {arguments.shuffle}"
    result: dict[str, Any] = {}
    for name in names:
        result[name] = measure(name, arguments.shuffle, only, arguments.predictions)
        for model in only:
            print(f"{name:16s} {model:28s}", {score: result[name][model][score] for score in SCORES}, flush=True)
        if arguments.write:
            together = kept(file, result, order)
            write(file, {"order": order, "sets": together, "means": means(together)})
    for model, row in means(result).items():
        print(f"{model:28s}", row)


if __name__ == "__main__":
    run_command(main)
