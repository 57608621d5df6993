"""What each part of the default model brings: one part changed at a time, over the sets of `benchmarks.scores`.

    python -m benchmarks.ablation            # about ten minutes
    python -m benchmarks.ablation --write    # and write results/ablation.json

Log-loss is the sum over labels of the negative logarithm of what the observed value was given, in nats per event.
"""

import argparse
from typing import Any

import numpy as np

from benchmarks.common import DATA, events_of, labels_of, matrices, write
from benchmarks.scores import SCORES, SETS, answers_of, scores_of
from ihomer import IHOMERClassifier
from ihomer.decoding import OBJECTIVES
from ihomer.ensemble import Ensemble
from ihomer.experts import EXPERTS

ALL = tuple(EXPERTS)
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    **{f"without {name}": {"experts": tuple(other for other in ALL if other != name)} for name in ALL},
    **{f"{name} alone": {"experts": (name,)} for name in ALL},
    "mean instead of learned mixing": {"mixing": "mean"},
    "with trees": {"experts": (*ALL, "tree")},
    **{f"objective={name}": {"objective": name} for name in OBJECTIVES if name != "balanced"},
}
_LEAST = 1e-6
_BINS = 15


def log_loss(p: np.ndarray, Y: np.ndarray) -> float:
    """Return the mean over events of the sum over labels of -ln p(observed)."""
    given = np.where(Y == 1, p, 1.0 - p)
    return float(-np.log(np.clip(given, _LEAST, 1.0)).sum(axis=1).mean())


def calibration_error(p: np.ndarray, Y: np.ndarray) -> float:
    """Return the expected calibration error: mean |observed share - mean p| over 15 bins of p, weighted by their size."""
    bins = np.minimum((p * _BINS).astype(int), _BINS - 1).ravel()
    size = np.bincount(bins, minlength=_BINS)
    apart = np.abs(np.bincount(bins, p.ravel(), _BINS) - np.bincount(bins, Y.ravel(), _BINS))
    return float(apart.sum() / size.sum())


class Recorder:
    """Keeps the probabilities, and each expert's, that an ensemble gives while it learns."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.p: list[np.ndarray] = []
        self.odds: list[np.ndarray] = []
        run, inputs = ensemble.run, ensemble._inputs

        def keep_p(*args: Any, **kwargs: Any) -> Any:
            p, answer = run(*args, **kwargs)
            self.p.append(p)
            return p, answer

        def keep_odds(*args: Any) -> Any:
            out = inputs(*args)
            self.odds.append(out.copy())
            return out

        ensemble.run, ensemble._inputs = keep_p, keep_odds  # type: ignore[method-assign]


def probabilities(X: Any, Y: np.ndarray, each: bool, **settings: Any) -> tuple[np.ndarray, dict[str, float], np.ndarray]:
    """Return the model's probabilities for each event before it was learned, each expert's log-loss, and the answers."""
    model = IHOMERClassifier(**settings)
    model.partition.add_labels(list(range(Y.shape[1])), [])  # all labels known from the start: the columns are theirs
    assert model._ensemble is not None
    recorder = Recorder(model._ensemble)
    answers = answers_of(model, X, Y)
    p = np.vstack(recorder.p)
    losses: dict[str, float] = {}
    if each:
        for i, name in enumerate(model._ensemble.mixed_outputs):
            odds = np.vstack([rows[:, :, i] for rows in recorder.odds]).astype(float)
            losses[name] = round(log_loss(1.0 / (1.0 + np.exp(-odds)), Y), 4)
    return p, losses, answers


def measure(name: str, variants: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Run the variants over one set."""
    X, Y, _, labels = matrices(events_of(name), labels_of(name))
    rows: dict[str, Any] = {}
    for variant, settings in variants.items():
        p, losses, answers = probabilities(X, Y, variant == "default", **settings)
        rows[variant] = {
            **scores_of(Y, answers, labels),
            "log_loss": round(log_loss(p, Y), 4),
            "calibration_error": round(calibration_error(p, Y), 4),
        }
        if losses:
            rows[variant]["experts_log_loss"] = losses
            rows[variant]["over_best_expert"] = round(rows[variant]["log_loss"] / min(losses.values()), 4)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    arguments = parser.parse_args()
    if not DATA.exists():
        parser.error(f"no data sets in {DATA}; IHOMER_DATA names another folder")
    variants = {name: VARIANTS[name] for name in arguments.only}
    result: dict[str, Any] = {}
    for name in arguments.sets:
        result[name] = measure(name, variants)
        print(name, result[name].get("default"), flush=True)
    columns = (*SCORES, "log_loss", "calibration_error")
    mean = {
        variant: {score: round(float(np.mean([rows[variant][score] for rows in result.values()])), 4) for score in columns}
        for variant in variants
    }
    for variant, row in mean.items():
        print(f"{variant:32s}", row)
    if arguments.write:
        write("ablation", {"sets": result, "means": mean})


if __name__ == "__main__":
    main()
