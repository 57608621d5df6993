"""Does drift detection help? Recovery after a sudden drift, with detection on and off, and false alarms without drift.

    python -m benchmarks.drift            # both parts, about two minutes
    python -m benchmarks.drift --write    # and write results/drift.json

The stream has 300 words, whose chances depend on the labels; at event 6,000 these chances are drawn anew. The loss of an event
is 1 - |Y and Z| / |Y or Z|. Its old level is the mean over the 2,000 events before the drift; recovered is a model at the first
event at which the mean over the last 200 is within 20 % of that.
"""

import argparse
from collections.abc import Callable

import numpy as np

from benchmarks.common import write
from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier
from streams.drift import Drift
from streams.synthetic import SyntheticStream

AT, EVENTS, WINDOW, LEVEL, BEFORE = 6_000, 14_000, 200, 1.2, 2_000


def without_detection() -> IHOMERClassifier:
    """Return the default model with every detector off."""
    return IHOMERClassifier(
        clustering=LabelPartition(detect_drift=False), tree=MLHATClassifier(alternate_on="never"), global_drift=False
    )


def losses(model: IHOMERClassifier, stream: SyntheticStream) -> np.ndarray:
    """Return the loss of each event, test-then-train."""
    found = []
    for X, Y in stream.blocks(1000):
        predicted = model.test_then_train_many(X, Y)
        truth = Y.astype(bool)
        either = (predicted | truth).sum(1)
        both = (predicted & truth).sum(1)
        found.append(np.where(either > 0, 1.0 - both / np.maximum(either, 1), 0.0))
    return np.concatenate(found)


def recovery(loss: np.ndarray) -> int | None:
    """Return the number of events after the drift until the mean loss of the last 200 is back, or None."""
    level = LEVEL * loss[AT - BEFORE : AT].mean()
    total = np.concatenate([[0.0], np.cumsum(loss)])
    for end in range(AT + WINDOW, len(loss) + 1):
        if (total[end] - total[end - WINDOW]) / WINDOW <= level:
            return end - AT
    return None


def compare(what: str, seeds: int) -> list[dict[str, object]]:
    """Run both models on the same streams."""
    rows: list[dict[str, object]] = []
    makers: dict[str, Callable[[], IHOMERClassifier]] = {"on": IHOMERClassifier, "off": without_detection}
    for seed in range(seeds):
        row: dict[str, object] = {"seed": seed, "what": what}
        for name, make in makers.items():
            stream = SyntheticStream(
                EVENTS, n_features=2, n_words=300, separation=0.3, drifts=[Drift(at=AT, kind="sudden", what=what)], seed=seed
            )
            model = make()
            loss = losses(model, stream)
            row[name] = {
                "recovered_after": recovery(loss),
                "loss_before": round(float(loss[AT - BEFORE : AT].mean()), 4),
                "loss_next_1000": round(float(loss[AT : AT + 1000].mean()), 4),
                "loss_last_1000": round(float(loss[-1000:].mean()), 4),
                "detected": [d["event"] for d in model.drifts if d["where"] != "node"],
            }
        print(row, flush=True)
        rows.append(row)
    return rows


def false_alarms(n_events: int) -> dict[str, object]:
    """Count detections on a stream without drift."""
    model = IHOMERClassifier()
    losses(model, SyntheticStream(n_events, n_features=2, n_words=300, separation=0.3, seed=100))
    return {"n_events": n_events, **{k: v for k, v in model.summary.items() if "drifts" in k}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    result = {"sudden": compare("features", arguments.seeds), "stationary": false_alarms(100_000)}
    print(result["stationary"])
    rows = result["sudden"]
    never = EVENTS
    faster = sum((r["on"]["recovered_after"] or never) < (r["off"]["recovered_after"] or never) for r in rows)  # type: ignore[index, union-attr]
    result["faster_with_detection"] = f"{faster} of {len(rows)}"
    print("faster with detection:", result["faster_with_detection"])
    if arguments.write:
        write("drift", result)


if __name__ == "__main__":
    main()
