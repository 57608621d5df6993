"""What each part of the default model brings: one part changed at a time, over the sets of `benchmarks.scores`.

    python -m benchmarks.ablation                        # about fifteen minutes
    python -m benchmarks.ablation --write                # and write results/ablation.json
    python -m benchmarks.ablation --only default --write # one variant; the others' results stay

Trees are off by default, and without them the partition decides nothing; so it is changed where trees learn its clusters, in
the mixture and in the published model. Random clusters are those of our partition, of the same sizes at the same times, with
the labels dealt out by chance.

Log-loss is the sum over labels of the negative logarithm of what the observed value was given, in nats per event.
"""

import argparse
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import commit, events_of, labels_of, load, matrices, require_sets, run_command, with_rows, write
from benchmarks.scores import SCORES, SETS, answers_of, scores_of
from ihomer import IHOMERClassifier, LabelPartition
from ihomer.decoding import OBJECTIVES
from ihomer.experts import EXPERTS, Rows
from ihomer.experts.rehearsal import Rehearsal


class SilentRehearsal(Rehearsal):
    """Rehearsal that tells no other expert how much depends on each feature: to these it counts by how rare it is alone."""

    def run(self, rows: Rows, *args: Any, **kwargs: Any) -> None:
        relevant, shrink = rows.relevant.copy(), rows.shrink.copy()
        super().run(rows, *args, **kwargs)
        rows.relevant[:], rows.shrink[:] = relevant, shrink


class StraightRehearsal(Rehearsal):
    """Rehearsal to which every feature is a line: none has a curve."""

    def run(self, rows: Rows, *args: Any, **kwargs: Any) -> None:
        super().run(replace(rows, is_centred=np.zeros_like(rows.is_centred), n_centred=0), *args, **kwargs)


class RandomPartition(LabelPartition):
    """The partition that is found, with the labels exchanged at random, always the same way: sizes stay, meaning goes.

    All labels must be known before the first event.
    """

    @property
    def cluster_index(self) -> NDArray[np.int32]:
        """Cluster of each label index, int32[labels.size]."""
        found = super().cluster_index
        exchanged: NDArray[np.int32] = found[np.random.default_rng(self.seed).permutation(len(found))]
        return exchanged


ALL = (*EXPERTS, "labelsets")
WITH_TREES: dict[str, Any] = {"experts": (*ALL, "tree")}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    **{f"without {name}": {"experts": tuple(other for other in ALL if other != name)} for name in ALL},
    **{f"{name} alone": {"experts": (name,)} for name in EXPERTS},
    "no curves": {"rehearsal": StraightRehearsal},
    "features weighed by rarity alone": {"rehearsal": SilentRehearsal},
    "no exchange of labels": {"decoding": {"n_exchanges": 0}},
    "mixing by how often labels apply": {"mixture": {"_start": 0.0}},  # to what is likelier or not the groups are blind
    "mean instead of learned mixing": {"mixing": "mean"},
    "with trees": WITH_TREES,
    "with trees, one cluster": {**WITH_TREES, "clustering": LabelPartition(split_test="never")},
    "with trees, random clusters": {**WITH_TREES, "clustering": RandomPartition()},
    "published": {"paper": True},
    "published, one cluster": {"paper": True, "clustering": LabelPartition(split_test="never")},
    "published, our clusters": {"paper": True, "clustering": LabelPartition()},
    "published, random clusters": {"paper": True, "clustering": RandomPartition()},
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
    """Keeps the probabilities, and each expert's log-odds, that a model gives while it learns."""

    def __init__(self, model: IHOMERClassifier) -> None:
        self.p: list[np.ndarray] = []
        self.odds: list[np.ndarray] = []
        run = model._run

        def keep_p(*args: Any, **kwargs: Any) -> Any:
            p, answer = run(*args, **kwargs)
            self.p.append(p)
            return p, answer

        model._run = keep_p  # type: ignore[method-assign]
        if model._ensemble is None:
            return
        mixed = model._ensemble._mixed

        def keep_odds(out: np.ndarray) -> np.ndarray:
            out = mixed(out)
            self.odds.append(out.copy())
            return out

        model._ensemble._mixed = keep_odds  # type: ignore[method-assign]


def probabilities(
    X: Any,
    Y: np.ndarray,
    each: bool,
    paper: bool = False,
    rehearsal: type[Rehearsal] = Rehearsal,
    decoding: dict[str, float] | None = None,
    mixture: dict[str, float] | None = None,
    **settings: Any,
) -> tuple[np.ndarray, dict[str, float], np.ndarray]:
    """Return the model's probabilities for each event before it was learned, each expert's log-loss, and the answers.

    `decoding` holds what is another in the decoder than its class says, `mixture` arrays of the mixture that have one value.
    """
    with patch.dict(EXPERTS, rehearsal=rehearsal):
        model = IHOMERClassifier.paper(**settings) if paper else IHOMERClassifier(**settings)
    model._admit(list(range(Y.shape[1])), [])  # all labels known from the start: the columns are theirs
    recorder = Recorder(model)
    if model._ensemble is not None:
        for name, value in (decoding or {}).items():
            setattr(model._ensemble.decoder, name, value)
        for name, value in (mixture or {}).items():
            getattr(model._ensemble.mixture, name)[:] = value
    answers = answers_of(model, X, Y)
    p = np.vstack(recorder.p)
    losses: dict[str, float] = {}
    if each and model._ensemble is not None:
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
            "commit": commit(),
        }
        if losses:
            rows[variant]["experts_log_loss"] = losses
            rows[variant]["over_best_expert"] = round(rows[variant]["log_loss"] / min(losses.values()), 4)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", default=list(SETS), help="names of data sets; all by default")
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), default=list(VARIANTS), help="these models alone")
    arguments = parser.parse_args()
    require_sets(parser, arguments.sets)
    variants = {name: VARIANTS[name] for name in arguments.only}
    found: dict[str, Any] = {}
    for name in arguments.sets:
        found[name] = measure(name, variants)
        print(name, *(f"{variant}: {row}" for variant, row in found[name].items()), sep="\n  ", flush=True)
    result = found
    if arguments.write:  # what is on file now: another run may have written meanwhile
        result = with_rows(load("ablation", {"sets": {}})["sets"], found, VARIANTS)
    columns = (*SCORES, "log_loss", "calibration_error")
    mean = {
        variant: {score: round(float(np.mean([rows[variant][score] for rows in result.values()])), 4) for score in columns}
        for variant in VARIANTS
        if all(variant in rows for rows in result.values())
    }
    for variant, row in mean.items():
        print(f"{variant:34s}", row)
    if arguments.write:
        write("ablation", {"sets": result, "means": mean})


if __name__ == "__main__":
    run_command(main)
