"""Time and size of model files, and the memory that saving and loading them takes beside the model.

    python -m benchmarks.model_files --write
"""

import argparse
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import run_command, write
from ihomer import IHOMERClassifier

REPEATS = 5
# Name -> experts, features, labels, events: models of about 1, 10, 100 and 400 MB.
MODELS: dict[str, tuple[tuple[str, ...], int, int, int]] = {
    "1 MB": (("frequency", "linear", "bayes"), 100, 20, 500),
    "10 MB": (("frequency", "neighbours", "linear", "rehearsal", "ridge", "bayes", "labelsets"), 100, 20, 3000),
    "100 MB": (("frequency", "neighbours", "linear", "rehearsal", "ridge", "bayes", "labelsets"), 5000, 500, 1500),
    "400 MB": (("frequency", "neighbours", "linear", "rehearsal", "ridge", "bayes", "labelsets"), 25000, 500, 1500),
}


def learned(experts: tuple[str, ...], n_features: int, n_labels: int, n_events: int) -> IHOMERClassifier:
    """Return a model after random events with a tenth of the features, at most 50, and 3 labels each."""
    r = np.random.default_rng(1)
    model = IHOMERClassifier(experts=experts)
    per_event = min(50, n_features // 10)
    for _ in range(n_events):
        names = r.choice(n_features, per_event, replace=False).tolist()
        x = {f"feature {name}": value for name, value in zip(names, r.normal(size=per_event).tolist(), strict=True)}
        model.learn_one(x, {f"label {name}" for name in r.choice(n_labels, 3, replace=False).tolist()})
    return model


def seconds(action: Callable[[], Any]) -> float:
    """Return the median time of an action."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def most_bytes(action: Callable[[], Any]) -> int:
    """Return how many bytes more than before an action has allocated at most."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def main() -> None:
    """Measure and print a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    arguments = parser.parse_args()
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, settings in MODELS.items():
            model = learned(*settings)
            path = Path(folder) / "model"
            found = {
                "experts": list(settings[0]),
                "features": settings[1],
                "labels": settings[2],
                "save_seconds": round(seconds(partial(model.save, path)), 4),
                "load_seconds": round(seconds(partial(IHOMERClassifier.load, path)), 4),
                "bytes": path.stat().st_size,
                "save_most_bytes": most_bytes(partial(model.save, path)),
                "load_most_bytes": most_bytes(partial(IHOMERClassifier.load, path)),
            }
            result[name] = found
            print(f"{name:>7}:", *(f"{key} {value}" for key, value in found.items()), sep="  ")
    if arguments.write:
        write("model_files", {"models": result})


if __name__ == "__main__":
    run_command(main)
