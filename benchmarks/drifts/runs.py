"""One model on one stream, and what several runs come to."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.compare import worker
from benchmarks.compare.sets import Stream
from benchmarks.drifts.kinds import Kind, cluster_numbers
from benchmarks.drifts.measures import adjusted_rand_index, delay, false_alarms, losses
from benchmarks.drifts.models import Model, river_detections
from streams.synthetic import SyntheticStream

BLOCK = 50  # events between two looks at a model; the detectors of the whole model look every 32 events
ARI_EVERY = 250
CURVE_EVERY = 50


class Spans(NamedTuple):
    """Over which events things are measured, as numbers of events.

    `warm_up`: detections while so many were learned are no false alarms. `horizon`: a detection later after the start of the
    drift counts as missed. `during`: from the start of the drift. `edge`: the last before the drift, and the last of all.
    """

    warm_up: int
    horizon: int
    during: int
    edge: int


def spans_of(n_events: int) -> Spans:
    """Return the spans for streams of a length.

    The horizon is a quarter of the events: longer than a gradual drift, and up to where a recurring one turns back.

    Examples
    --------
    >>> from benchmarks.drifts.runs import spans_of
    >>> spans_of(5000)
    Spans(warm_up=1000, horizon=1250, during=500, edge=1000)
    """
    return Spans(n_events // 5, n_events // 4, n_events // 10, n_events // 5)


class Run(NamedTuple):
    """What one run gave.

    `loss`: float64[events]. `detections`: events learned and where, oldest first. `agreement`: events learned and the
    adjusted Rand index of the model's partition and the true one; empty for a model without one.
    """

    loss: NDArray[np.float64]
    detections: list[tuple[int, str]]
    agreement: list[tuple[int, float]]


def run(model: Model, kind: Kind, seed: int) -> Run:
    """Run a model over a stream, test then train."""
    stream = kind.stream(seed)
    X, Y = next(stream.blocks(kind.n_events))
    table = Stream(X, Y, list(stream.feature_names), list(stream.labels))
    made = model.make(table, seed)
    if hasattr(made, "test_then_train_many"):
        return _run_blocks(made, model, kind, stream, table)
    return _run_rows(made, model, table)


def _run_blocks(made: Any, model: Model, kind: Kind, stream: SyntheticStream, table: Stream) -> Run:
    loss, detections, agreement = [], [], []
    seen: Counter[Any] = Counter()
    for start in range(0, len(table), BLOCK):
        rows = slice(start, min(start + BLOCK, len(table)))
        loss.append(losses(made.test_then_train_many(table.X[rows], table.Y[rows]), table.Y[rows]))
        now = Counter(_notes(made, model.detectors))
        detections += list(_placed(now - seen, start, rows.stop))
        seen = now
        if hasattr(made, "partition") and rows.stop % ARI_EVERY == 0:
            found = cluster_numbers(made.partition.clusters, tuple(range(len(table.labels))))
            agreement.append((rows.stop, adjusted_rand_index(found, kind.true_clusters(stream, rows.stop))))
    return Run(np.concatenate(loss), sorted(detections), agreement)


def _notes(made: Any, detectors: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Return what a model notes of drift; that a loss fell, or a leaf was split, is none."""
    for note in made.drifts:
        if note["where"] in detectors and (note["where"] != "node" or note["what"] == "loss rose"):
            yield note["event"], note["where"], note.get("cluster"), note.get("node")


def _placed(notes: Counter[Any], start: int, stop: int) -> Iterator[tuple[int, str]]:
    """Return when the notes that are new after a block were made.

    A tree that is made for a new cluster learns past events again: what it notes of them stands at the end of the block.
    """
    for event, where, *_ in notes.elements():
        yield event if start < event <= stop else stop, where


def _run_rows(made: Any, model: Model, table: Stream) -> Run:
    answers, detections, before = [], [], 0
    for number, (answer, _) in enumerate(worker.steps_of_row_model(made, table, len(table), dense=True), 1):
        answers.append(answer)
        if model.detectors:
            now = river_detections(made.values())
            detections += [(number, "label")] * (now - before)
            before = now
    return Run(losses(np.concatenate(answers), table.Y), detections, [])


def summed_up(runs: Sequence[Run], kind: Kind, model: Model, spans: Spans) -> dict[str, Any]:
    """Return what the runs of a model on one kind of stream, one for each seed, come to."""
    loss = np.array([found.loss for found in runs])
    parts = {
        "before": loss[:, kind.at - spans.edge : kind.at].mean(1),
        "during": loss[:, kind.at : kind.at + spans.during].mean(1),
        "after": loss[:, -spans.edge :].mean(1),
    }
    result: dict[str, Any] = {
        "n_seeds": len(runs),
        **{f"loss_{part}": round(float(of_seeds.mean()), 4) for part, of_seeds in parts.items()},
        **{f"loss_{part}_of_seeds": _numbers(of_seeds) for part, of_seeds in parts.items()},
        f"loss_every_{CURVE_EVERY}": _numbers(loss.mean(0).reshape(-1, CURVE_EVERY).mean(1)),
    }
    if model.detectors:
        result |= _detections(runs, kind, model, spans)
    if runs[0].agreement:
        curve = np.mean([[index for _, index in found.agreement] for found in runs], axis=0)
        places = [place for place, _ in runs[0].agreement]
        result["ari_before"] = round(float(curve[places.index(kind.at)]), 3)
        result["ari_after"] = round(float(curve[-1]), 3)
        result[f"ari_every_{ARI_EVERY}"] = _numbers(curve)
    return result


def _detections(runs: Sequence[Run], kind: Kind, model: Model, spans: Spans) -> dict[str, Any]:
    """Return delays (one for each seed, None if missed) and false alarms, of all detectors together and of each."""
    until = kind.n_events if kind.drift is None else kind.at
    found: dict[str, Any] = {"quiet_events": (until - spans.warm_up) * len(runs)}
    for where in ("any", *model.detectors):
        events = [[event for event, place in one.detections if where in ("any", place)] for one in runs]
        found[where] = {"false_alarms": sum(false_alarms(one, spans.warm_up, until) for one in events)}
        if kind.drift is not None:
            found[where]["delays"] = [delay(one, kind.at, spans.horizon) for one in events]
    return {"detections": found}


def _numbers(values: NDArray[np.float64]) -> str:
    # One line of text: a list would take a line of the file for each number.
    return " ".join(f"{value:.3f}" for value in values)


def numbers(text: str) -> NDArray[np.float64]:
    """Return a curve that a result holds as text."""
    return np.array(text.split(), np.float64)
