"""How fast is it? Events per second of predicting and learning, and the time to start.

    python -m benchmarks.speed            # about nine minutes; the best of five runs counts
    python -m benchmarks.speed --write    # and write results/speed.json

Each set is run in file order, test-then-train, after compilation, in the same process: `IHOMERClassifier.paper()` by
`test_then_train_many` and by `predict_one` and `learn_one` for each event, the default model likewise and by
`test_then_train_one`, and river's logistic regression for each label (SGD 0.3, sparse dictionaries; where a set takes it more
than six seconds, as many of the first events as it manages in these).
`published` is what the authors' code of the tree does on a 2-core machine; where it is too slow to be run, the paper's
configuration is left out as well.
"""

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks.common import events_of, matrices, require_all_to_write, require_sets, run_command, write
from ihomer import IHOMERClassifier

PUBLISHED = {"flags": 226.0, "emotions": 101.0, "yeast": 95.0, "scene": 28.0, "medical": 1.8, "slashdot": 2.5}
SETS = (*PUBLISHED, "tmc2007_500", "bibtex")
BUDGET = 6.0
REPEATS = 5

Path = tuple[Callable[[], Any], Callable[[Any], int]]  # makes a model; predicts and learns events with it, returns how many

_FIRST_EVENT = """
import time
start = time.perf_counter()
from ihomer import {name}
imported = time.perf_counter()
model = {name}{make}
x = {{f"x{{i}}": 0.1 * i for i in range(12)}}
model.predict_one(x)
model.learn_one(x, {{"a": True, "b": False}})
model.predict_one(x)
print(imported - start, time.perf_counter() - start)
"""

_EVERYTHING = """
import time
start = time.perf_counter()
import numpy as np
from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier
rng = np.random.default_rng(0)
X = rng.normal(size=(600, 12))
Y = (rng.random((600, 6)) < 0.4).astype(np.uint8)
model = IHOMERClassifier(clustering=LabelPartition(n_min=50), max_features=16)
model.test_then_train_many(X, Y)
for i in range(40):
    x = {f"word {i}-{j}": 1.0 for j in range(5)}
    model.predict_proba_one(x)
    model.learn_one(x, {f"label {i % 9}", "other"})
model.debug_one(x), model.draw(), model.drifts, model.partition.rebuild()
IHOMERClassifier.paper(max_features=16).test_then_train_many(X, Y)
MLHATClassifier(max_features=16, grace_period=20, delta=0.5, tau=1.0).test_then_train_many(X, Y)
print(time.perf_counter() - start)
"""


def rates(paths: dict[str, dict[str, Path]]) -> dict[str, dict[str, float]]:
    """Return the events per second of each path of each set, the best of some rounds.

    In each round every path of every set is run once: what slows the machine down for some minutes slows one round of all.
    """
    best = {name: dict.fromkeys(some, 0.0) for name, some in paths.items()}
    for number in range(REPEATS):
        for name, some in paths.items():
            for path, (make, run) in some.items():
                model = make()
                start = time.perf_counter()
                done = run(model)
                best[name][path] = max(best[name][path], done / (time.perf_counter() - start))
            print(number + 1, name, {path: round(rate) for path, rate in best[name].items()}, flush=True)
    return best


def many(model: Any, X: Any, Y: Any) -> int:
    """Predict and learn all events in one call."""
    model.test_then_train_many(X, Y)
    return int(X.shape[0])


def one_at_a_time(model: Any, events: list[Any]) -> int:
    """Predict and learn each event in one call."""
    for x, y in events:
        model.test_then_train_one(x, y)
    return len(events)


def one_by_one(model: Any, events: list[Any]) -> int:
    """Predict and learn each event."""
    for x, y in events:
        model.predict_one(x)
        model.learn_one(x, y)
    return len(events)


def river_models(labels: list[str]) -> dict[str, Any]:
    """Return river's logistic regression for each label."""
    from river import linear_model, optim

    return {label: linear_model.LogisticRegression(optim.SGD(0.3)) for label in labels}


def river_one_by_one(models: dict[str, Any], events: list[Any]) -> int:
    """Predict and learn events with a binary model for each label, within the budget; return how many."""
    start = time.perf_counter()
    for done, (x, y) in enumerate(events):
        if time.perf_counter() - start > BUDGET:
            return done
        sparse = {name: value for name, value in x.items() if value}
        for label, model in models.items():
            model.predict_one(sparse)
            model.learn_one(sparse, label in y)
    return len(events)


def paths_of(name: str) -> dict[str, Path]:
    """Return what is timed on a set."""
    events = events_of(name)
    X, Y, _, labels = matrices(events)
    numeric = [({k: v for k, v in x.items() if not isinstance(v, str) and v is not None}, y) for x, y in events]
    paths: dict[str, Path] = {
        "default_many": (IHOMERClassifier, lambda m: many(m, X, Y)),
        "default_one_at_a_time": (IHOMERClassifier, lambda m: one_at_a_time(m, events)),
        "default_one_by_one": (IHOMERClassifier, lambda m: one_by_one(m, events)),
        "river_logistic": (lambda: river_models(labels), lambda m: river_one_by_one(m, numeric)),
    }
    if name in PUBLISHED:
        paths["paper_many"] = (IHOMERClassifier.paper, lambda m: many(m, X, Y))
        paths["paper_one_by_one"] = (IHOMERClassifier.paper, lambda m: one_by_one(m, events))
    return paths


def compared(name: str, rates: dict[str, float]) -> dict[str, float]:
    """Return the rates on a set, and how they stand to each other."""
    row = dict(rates)
    row["default_many_over_river"] = row["default_many"] / row["river_logistic"]
    row["default_one_over_river"] = row["default_one_by_one"] / row["river_logistic"]
    if name in PUBLISHED:
        row["published"] = PUBLISHED[name]
        row["paper_many_over_published"] = row["paper_many"] / row["published"]
        row["paper_one_over_published"] = row["paper_one_by_one"] / row["published"]
        row["paper_many_over_river"] = row["paper_many"] / row["river_logistic"]
        row["paper_one_over_river"] = row["paper_one_by_one"] / row["river_logistic"]
    return {key: round(value, 1) for key, value in row.items()}


def run_python(code: str, cache: str) -> list[float]:
    """Run code in a new process whose compiled kernels are kept in a folder; return the numbers that it prints."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
    return [round(float(word), 2) for word in out.split()]


def starts() -> dict[str, float]:
    """Return seconds: to compile everything cold, to import and to answer the first event in a second process."""
    with tempfile.TemporaryDirectory() as cache:
        (everything,) = run_python(_EVERYTHING, cache)
        (again,) = run_python(_EVERYTHING, cache)
        first = _FIRST_EVENT.format(name="IHOMERClassifier", make="()")
        imported, answered = run_python(first, cache)
    return {
        "cold_everything": everything,
        "warm_everything": again,
        "warm_import": imported,
        "warm_first_event": answered,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    parser.add_argument("sets", nargs="*", default=list(SETS), help="names of data sets; all by default")
    arguments = parser.parse_args()
    if arguments.write:
        require_all_to_write(parser, arguments.sets, SETS)
    require_sets(parser, ["flags", *arguments.sets])
    result: dict[str, Any] = {"starts_seconds": starts()}
    print(result["starts_seconds"], flush=True)
    warm_up = IHOMERClassifier.paper()
    one_by_one(warm_up, events_of("flags"))
    one_by_one(IHOMERClassifier(), events_of("flags"))
    one_at_a_time(IHOMERClassifier(), events_of("flags"))
    paths = {name: paths_of(name) for name in arguments.sets}
    gc.collect()
    gc.freeze()  # the events of other sets are not to cost time
    found = rates(paths)
    result["events_per_second"] = {name: compared(name, row) for name, row in found.items()}
    if arguments.write:
        write("speed", result)


if __name__ == "__main__":
    run_command(main)
