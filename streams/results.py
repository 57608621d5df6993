"""What came out of a run, and the JSON form of it."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, TypeAlias

from streams.run import BASELINE, MODEL, Run

__all__ = ["Failure", "Result", "mean_scores", "result_of", "summary_record", "versions"]

Scores: TypeAlias = dict[str, float]


@dataclass(frozen=True, slots=True)
class Result:
    """What came out of one stream.

    Attributes
    ----------
    stream
        Name of the stream.
    counts
        Numbers: events predicted, learned and scored; skipped, since they were malformed or the model refused them; labels.
    events_per_second
        Rate once the model was compiled; None if there were too few events.
    scores, baseline
        Scores of the model and of the baseline over all events, and over the last ones ("window").
    drifts
        What happened in the model, oldest first; each with "event", the number of events learned by then.
    clusters
        Id of each label cluster to its labels; None if the model has no clusters.
    partition_version
        Number of changes of the clusters.
    skipped
        Messages of the first few skipped events.
    interrupted
        Whether the stream was left before its end.
    error
        What has ended the stream half-way, in words; None if nothing has. All else is of the events before that.
    nominal
        Features that brought texts, with the number of different ones: a number that was read as a text shows here.

    Examples
    --------
    >>> from streams.evaluate import Settings, evaluate
    >>> from streams.progress import Progress
    >>> result = evaluate(None, Settings(model="no-change", limit=100), Progress("yeast"))
    >>> result.stream, result.counts
    ('yeast', {'predicted': 100, 'learned': 100, 'scored': 100, 'skipped': 0, 'labels': 14})
    """

    stream: str
    counts: dict[str, int]
    events_per_second: float | None
    scores: dict[str, Scores]
    baseline: dict[str, Scores]
    drifts: list[dict[str, Any]]
    clusters: dict[int, list[str]] | None = None
    partition_version: int | None = None
    skipped: list[str] = field(default_factory=list)
    interrupted: bool = False
    error: str | None = None
    nominal: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """What there is of a stream that something has ended before its end.

    Attributes
    ----------
    stream
        Name of the stream.
    error
        What was wrong.
    partial
        What came out of the events before that; None if none of them was scored.
    """

    stream: str
    error: str
    partial: Result | None = None


def result_of(
    run: Run,
    stream: str,
    *,
    n_malformed: int = 0,
    skipped: Sequence[str] = (),
    interrupted: bool = False,
    error: str | None = None,
) -> Result:
    """Return what came out of a run so far.

    Parameters
    ----------
    run
        The run; it can go on afterwards.
    stream, skipped, interrupted, error
        As in `Result`.
    n_malformed
        Number of events that could not be read.

    Examples
    --------
    >>> from ihomer.baselines import MajorityLabelset
    >>> from streams.event import Event
    >>> from streams.results import result_of
    >>> from streams.run import Run
    >>> run = Run(MajorityLabelset())
    >>> run.finish(Event({}, {day}) for day in ["dry", "wet", "dry", "dry"])
    >>> result_of(run, "days").counts
    {'predicted': 4, 'learned': 4, 'scored': 4, 'skipped': 0, 'labels': 2}
    """
    partition = getattr(run.model, "partition", None)
    clusters = None
    if partition is not None:
        clusters = {int(key): [str(name) for name in names] for key, names in sorted(partition.clusters.items())}
    scoring = run.scoring
    return Result(
        stream=stream,
        counts={
            "predicted": run.n_predicted,
            "learned": run.n_learned,
            "scored": scoring.n_scored,
            "skipped": n_malformed + run.n_refused,
            "labels": scoring.n_labels,
        },
        events_per_second=run.events_per_second,
        scores={reading: scoring.scores(MODEL, reading) for reading in ("total", "window")},
        baseline={reading: scoring.scores(BASELINE, reading) for reading in ("total", "window")},
        drifts=run.drifts,
        clusters=clusters,
        partition_version=None if partition is None else int(partition.version),
        nominal={str(name): n for name, n in getattr(run.model, "nominal_features", {}).items()},
        skipped=list(skipped),
        interrupted=interrupted,
        error=error,
    )


def mean_scores(several: Sequence[Scores]) -> Scores:
    """Return the mean of each score, for those that all have.

    Examples
    --------
    >>> from streams.results import mean_scores
    >>> mean_scores([{"micro_f1": 0.25, "log_loss": 1.0}, {"micro_f1": 0.75}])
    {'micro_f1': 0.5}
    """
    names = [name for name in several[0] if all(name in scores for scores in several)] if several else []
    return {name: sum(scores[name] for scores in several) / len(several) for name in names}


def summary_record(
    results: Sequence[Result],
    settings: Mapping[str, Any],
    *,
    failed: Sequence[Failure] = (),
    interrupted: bool = False,
) -> dict[str, Any]:
    """Return settings, versions and results as what JSON can hold, with keys in an order that never changes.

    The scores at the top are means over the streams that have results.

    Parameters
    ----------
    results
        What came out of each stream.
    settings
        How they were read, and by what predicted.
    failed
        The streams that came to no end, which count in no mean.
    interrupted
        Whether streams were left out since the run ended before they came; one that was left half-way says so itself.
    """
    return {
        "settings": dict(settings),
        "versions": versions(),
        "interrupted": interrupted or any(result.interrupted for result in results),
        "failed": [_failure_record(failure) for failure in failed],
        "scores": mean_scores([result.scores["total"] for result in results]),
        "baseline": mean_scores([result.baseline["total"] for result in results]),
        "streams": [_stream_record(result) for result in results],
    }


def _failure_record(failure: Failure) -> dict[str, Any]:
    partial = None if failure.partial is None else _stream_record(failure.partial)
    return {"stream": failure.stream, "error": failure.error, "partial": partial}


def _stream_record(result: Result) -> dict[str, Any]:
    return {
        "stream": result.stream,
        "interrupted": result.interrupted,
        "counts": result.counts,
        "events_per_second": result.events_per_second,
        "scores": result.scores["total"],
        "scores_of_window": result.scores["window"],
        "baseline": result.baseline["total"],
        "baseline_of_window": result.baseline["window"],
        "drifts": result.drifts,
        "partition_version": result.partition_version,
        "clusters": None if result.clusters is None else {str(key): names for key, names in result.clusters.items()},
        "nominal": result.nominal,
        "skipped": result.skipped,
    }


def versions() -> dict[str, str]:
    """Return the versions of what the results depend on.

    Examples
    --------
    >>> from streams.results import versions
    >>> list(versions())
    ['ihomer', 'river', 'numpy', 'numba', 'python']
    """
    packages = ("ihomer", "river", "numpy", "numba")
    return {**{name: version(name) for name in packages}, "python": platform.python_version()}
