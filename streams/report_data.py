"""What a recorder has seen, as JSON that the report page draws."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.label_counts import LabelCounts
from streams.models import drifts_since
from streams.partition_bands import bands
from streams.recorder import Recorder, Sample
from streams.report import SCORES

__all__ = ["stream_data"]

MOST_NAME = 120  # characters
MOST_LABELS = 20_000
MOST_BANDS = 400
MOST_DRIFTS = 2_000
MOST_NODES = 2_000
MOST_WORST = 100
MOST_INSTEAD = 8
# A tree also tells of its splits and alternate subtrees.
DRIFT_TITLES = {"global": "global drift", "partition": "partition drift", "node": "change in a tree"}


def stream_data(
    recorder: Recorder,
    stream: str,
    *,
    facts: Mapping[str, Any] | None = None,
    counts: Mapping[str, int] | None = None,
    times: Mapping[str, Any] | None = None,
    interrupted: bool = False,
    error: str | None = None,
) -> dict[str, Any]:
    """Return what a recorder has seen of one stream, as JSON.

    Parameters
    ----------
    recorder
        What has watched the stream, up to a last sample at its end.
    stream
        Name of the stream.
    facts
        Settings to show: name -> value.
    counts
        Numbers to show: name -> value.
    times
        What differs from run to run, to show: name -> value. Nothing else in the result does.
    interrupted
        Whether the stream was left before its end.
    error
        What has ended the stream half-way; None if nothing has.

    Examples
    --------
    >>> from streams.evaluate import Settings, evaluate
    >>> from streams.progress import Progress
    >>> from streams.recorder import Recorder
    >>> from streams.report_data import stream_data
    >>> recorder = Recorder()
    >>> _ = evaluate(None, Settings(model="majority", limit=200), Progress("yeast"), recorder=recorder)
    >>> data = stream_data(recorder, "yeast")
    >>> data["final"]["model"]["total"]["micro_f1"], data["labels"][0][:3]
    (0.48272, ['Class12', 149, 182])
    """
    samples, labels = recorder.all_samples, recorder.labels
    partition = getattr(recorder.model, "partition", None)
    names = [_text(label) for label in labels.index]
    order = _most_frequent(labels)
    shown = np.sort(order[:MOST_LABELS])
    return {
        "stream": _text(stream),
        "interrupted": interrupted,
        "error": error,
        "facts": [[_text(name), _text(value)] for name, value in (facts or {}).items()],
        "counts": {name: int(value) for name, value in (counts or {}).items()},
        "told": _told(counts or {}),
        "titles": {name: [title.title, title.more_is_better] for name, title in SCORES.items()},
        "final": _final(samples),
        "events": [sample.event for sample in samples],
        "series": _series(samples),
        "experts": _experts(samples),
        "drifts": _drifts(drifts_since(recorder.model, recorder.n_before)),
        "labels": _label_rows(recorder, names, shown),
        "n_labels": len(names),
        "partition": bands(samples, names, order[:MOST_BANDS], labels.true, _leaf_order(partition)),
        "tree": _tree(partition),
        "calibration": _calibration(recorder),
        "instead": _instead(recorder, names),
        "times": {**(times or {}), **_times(samples)},
    }


def _text(value: Any) -> str:
    text = str(value)
    return text if len(text) <= MOST_NAME else f"{text[: MOST_NAME - 1]}…"


def _told(counts: Mapping[str, int]) -> list[list[Any]]:
    """Return the counts that are worth a line, each with its title: other numbers than that of the events, and skipped ones."""
    n_events = counts.get("predicted")
    rows: list[list[Any]] = []
    for name, value in counts.items():
        if name == "predicted":
            rows.append(["events", int(value)])
        elif name in ("learned", "scored"):
            rows += [[f"of these {name}", int(value)]] * (value != n_events)
        elif name != "skipped" or value:
            rows.append([name, int(value)])
    return rows


def _number(value: float, digits: int = 5) -> float | None:
    """Return a number with some decimal places; None for what JSON has no word for."""
    return round(float(value), digits) if math.isfinite(value) else None


def _numbers(values: Iterable[float], digits: int = 5) -> list[float | None]:
    return [_number(value, digits) for value in values]


def _whole(value: float) -> float | int | None:
    """Return a weight as a whole number where it is one."""
    return int(value) if float(value).is_integer() else _number(value, 3)


def _final(samples: Sequence[Sample]) -> dict[str, Any]:
    if not samples:
        return {}
    return {
        who: {reading: {name: _number(value) for name, value in scores.items()} for reading, scores in readings.items()}
        for who, readings in samples[-1].scores.items()
    }


def _series(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return predictor -> reading -> score -> value at each sample, None where it was not there yet."""
    keys = dict.fromkeys(
        (who, reading, name)
        for sample in samples
        for who, readings in sample.scores.items()
        for reading, scores in readings.items()
        for name in scores
    )
    series: dict[str, Any] = {}
    for who, reading, name in keys:
        values = [sample.scores.get(who, {}).get(reading, {}).get(name, math.nan) for sample in samples]
        series.setdefault(who, {}).setdefault(reading, {})[name] = _numbers(values)
    return series


def _experts(samples: Sequence[Sample]) -> list[list[Any]]:
    """Return each expert with its weights, the largest at the end first."""
    names = dict.fromkeys(name for sample in samples for name in sample.weights)
    rows = [[_text(name), _numbers((sample.weights.get(name, math.nan) for sample in samples), 4)] for name in names]
    return sorted(rows, key=lambda row: -(row[1][-1] or 0.0))


def _drifts(drifts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the newest drifts, how many there were of each kind, and what a kind that is shown is called."""
    found = [[int(drift["event"]), _text(drift.get("where", "")), _text(drift.get("what", ""))] for drift in drifts]
    counts = Counter(where for _, where, _ in found)
    titles = {where: DRIFT_TITLES[where] for where in counts if where in DRIFT_TITLES}
    return {"marks": found[-MOST_DRIFTS:], "counts": dict(counts), "titles": titles}


def _most_frequent(labels: LabelCounts) -> NDArray[np.int64]:
    return np.lexsort((np.arange(len(labels.index)), -labels.predicted, -labels.true))


def _label_rows(recorder: Recorder, names: Sequence[str], shown: NDArray[np.int64]) -> list[list[Any]]:
    """Return for each label: name, times true, times predicted, precision, recall, F1, log-loss; most frequent first."""
    labels = recorder.labels
    losses = recorder.calibration.mean_losses(len(names))
    rows = []
    for i in shown.tolist():
        both, true, predicted = float(labels.both[i]), float(labels.true[i]), float(labels.predicted[i])
        ratios = [_ratio(both, predicted), _ratio(both, true), _ratio(2 * both, true + predicted)]
        loss = None if losses is None else _number(losses[i])
        rows.append([names[i], _whole(true), _whole(predicted), *ratios, loss])
    return sorted(rows, key=lambda row: -row[1])


def _ratio(part: float, whole: float) -> float | None:
    return _number(part / whole, 4) if whole > 0 else None


def _leaf_order(partition: Any) -> list[int]:
    """Return the clusters from left to right in the label tree."""
    tree = getattr(partition, "tree", None) or []
    return [node.number for node in tree if node.cut is None]


def _tree(partition: Any) -> list[dict[str, Any]]:
    nodes = []
    for node in (getattr(partition, "tree", None) or [])[:MOST_NODES]:
        record: dict[str, Any] = {"node": node.number, "depth": node.depth}
        if node.cut is None:
            record |= {"n": len(node.labels), "labels": [_text(label) for label in node.labels[:12]]}
        else:
            record |= {"cut": _numbers(node.cut, 3)}
        nodes.append(record)
    return nodes


def _calibration(recorder: Recorder) -> dict[str, Any] | None:
    """Return the bins, each with a 95 % interval of Wilson's for the share that happened, and the expected error.

    Of pairs of different weights w there count (sum of w)^2 / (sum of w^2) for the interval (Kish 1965).
    """
    counts = recorder.calibration
    counts.flush()
    total = float(counts.count.sum())
    if total <= 0:
        return None
    bins: list[list[Any]] = []
    of_bins = np.stack([counts.pairs, counts.count, counts.squares, counts.happened, counts.said], axis=1).tolist()
    for pairs, count, squares, happened, said in of_bins:
        if count <= 0:
            bins.append([0, None, None, None, None])
            continue
        share = happened / count
        bins.append([_whole(pairs), *_numbers([said / count, share, *_wilson(share, count / squares * count)])])
    error = float(np.abs(counts.happened - counts.said).sum()) / total
    return {"bins": bins, "pairs": _whole(float(counts.pairs.sum())), "error": _number(error)}


def _wilson(share: float, n: float) -> tuple[float, float]:
    z = 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _instead(recorder: Recorder, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the labels with most errors, each with what was predicted instead of it."""
    labels = recorder.labels
    missed, alarms = labels.true - labels.both, labels.predicted - labels.both
    order = np.lexsort((np.arange(len(names)), -(missed + alarms)))
    rows = []
    for i in order[:MOST_WORST].tolist():
        if missed[i] + alarms[i] <= 0:
            break
        shares = recorder.instead.of(i)
        nothing = shares.pop(-1, 0.0)
        rows.append(
            {
                "label": names[i],
                "true": _whole(labels.true[i]),
                "missed": _whole(missed[i]),
                "alarms": _whole(alarms[i]),
                "f1": _ratio(2 * float(labels.both[i]), float(labels.true[i] + labels.predicted[i])),
                "nothing": _number(nothing, 2),
                "others": [[names[j], _number(share, 2)] for j, share in list(shares.items())[:MOST_INSTEAD]],
            }
        )
    return rows


def _times(samples: Sequence[Sample]) -> dict[str, Any]:
    return {
        "seconds": _numbers((sample.seconds for sample in samples), 4),
        "memory": [sample.memory for sample in samples],
    }
