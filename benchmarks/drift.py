"""Recovery after a sudden drift: the default model, the same without drift detection, a new one that takes its place when the
drift comes, each expert alone; and false alarms.

    python -m benchmarks.drift            # about five minutes
    python -m benchmarks.drift --write    # and write results/drift.json

The stream has 300 words, whose chances depend on the labels; at event 6,000 these chances are drawn anew, 29 events later on
each stream, so that a detector which looks at intervals is met at another time each. The loss of an event is
1 - |Y and Z| / |Y or Z|. A model has recovered at the first event at which its mean loss over the last 200 is within 20 % of
the default's over the 2,000 events before the drift; one that never comes there is counted as not recovered.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.common import run_command, write
from ihomer import IHOMERClassifier, LabelPartition
from ihomer.experts import EXPERTS
from streams.drift import Drift
from streams.synthetic import SyntheticStream

AT, LATER, AFTER, WINDOW, LEVEL, BEFORE = 6_000, 29, 8_000, 200, 1.2, 2_000


def without_detection() -> IHOMERClassifier:
    """Return the default model with every detector off."""
    return IHOMERClassifier(clustering=LabelPartition(detect_drift=False), global_drift=False)


def alone(name: str) -> Callable[[], IHOMERClassifier]:
    """Return what makes a model with one family of experts."""
    return lambda: IHOMERClassifier(experts=(name,))


MODELS: dict[str, Callable[[], IHOMERClassifier]] = {
    "default": IHOMERClassifier,
    "without detection": without_detection,
    **{f"{name} alone": alone(name) for name in EXPERTS},
}
REPLACED = "replaced by a new one when the drift comes"  # the default, by somebody who knows of it


def losses(model: IHOMERClassifier, stream: SyntheticStream, start: int = 0) -> np.ndarray:
    """Return the loss of each event from one on, test-then-train."""
    found = []
    for X, Y in stream.blocks(1000, start):
        predicted = model.test_then_train_many(X, Y)
        truth = Y.astype(bool)
        either = (predicted | truth).sum(1)
        both = (predicted & truth).sum(1)
        found.append(np.where(either > 0, 1.0 - both / np.maximum(either, 1), 0.0))
    return np.concatenate(found)


def recovery(loss: np.ndarray, at: int, level: float) -> int | None:
    """Return the number of events from the drift at `at` until the mean loss of the last 200 is at most `level`, or None."""
    total = np.concatenate([[0.0], np.cumsum(loss)])
    for end in range(at + WINDOW, len(loss) + 1):
        if (total[end] - total[end - WINDOW]) / WINDOW <= level:
            return end - at
    return None


def compare(seed: int) -> dict[str, Any]:
    """Run all models on one stream."""
    at = AT + LATER * seed
    drifts = [Drift(at=at, kind="sudden", what="features")]
    stream = SyntheticStream(at + AFTER, n_features=2, n_words=300, separation=0.3, drifts=drifts, seed=seed)
    models = {name: make() for name, make in MODELS.items()}
    found = {name: losses(model, stream) for name, model in models.items()}
    found[REPLACED] = np.concatenate([found["default"][:at], losses(IHOMERClassifier(), stream, at)])
    level = LEVEL * found["default"][at - BEFORE : at].mean()
    row: dict[str, Any] = {"seed": seed, "drift_at": at}
    for name, loss in found.items():
        row[name] = {
            "recovered_after": recovery(loss, at, level),
            "loss_before": round(float(loss[at - BEFORE : at].mean()), 4),
            "loss_next_1000": round(float(loss[at : at + 1000].mean()), 4),
            "loss_last_1000": round(float(loss[-1000:].mean()), 4),
        }
    for name, model in models.items():
        row[name]["detected"] = [d["event"] for d in model.drifts if d["where"] != "node"]
    return row


def faster_than(rows: list[dict[str, Any]], other: str) -> int:
    """Return on how many streams the default recovered earlier."""
    never = AFTER + 1
    return sum((r["default"]["recovered_after"] or never) < (r[other]["recovered_after"] or never) for r in rows)


def false_alarms(n_events: int) -> dict[str, object]:
    """Count detections on a stream without drift."""
    model = IHOMERClassifier()
    losses(model, SyntheticStream(n_events, n_features=2, n_words=300, separation=0.3, seed=100))
    return {"n_events": n_events, **{k: v for k, v in model.summary.items() if "drifts" in k}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    parser.add_argument("--seeds", type=int, default=10, help="number of streams; 10 by default")
    arguments = parser.parse_args()
    rows = []
    for seed in range(arguments.seeds):
        rows.append(compare(seed))
        print({name: row["recovered_after"] for name, row in rows[-1].items() if isinstance(row, dict)}, flush=True)
    result: dict[str, Any] = {"sudden": rows, "stationary": false_alarms(100_000)}
    others = [name for name in (*MODELS, REPLACED) if name != "default"]
    result["default_faster_than"] = {name: f"{faster_than(rows, name)} of {len(rows)}" for name in others}
    print(result["stationary"], result["default_faster_than"])
    if arguments.write:
        write("drift", result)


if __name__ == "__main__":
    run_command(main)
