"""What README.md shows of the drift kinds; `benchmarks.readme` puts it there."""

from collections.abc import Iterable
from statistics import median
from typing import Any

import numpy as np

from benchmarks.common import load
from benchmarks.drifts.runs import numbers
from benchmarks.readme_parts import table
from streams.drift import WHATS

DEFAULT = "default"


def drift_kinds(result: dict[str, Any] | None = None) -> str:
    """Return a table of all models over all kinds of drift; of the result on file, or of another.

    Losses are means over the streams with a drift that a model was run on. Where these are not all of them, the default
    model's on the same ones stands beside them.
    """
    found = load("drift_kinds") if result is None else result
    streams = found["kinds"]
    rows = []
    for name in dict.fromkeys(name for kind in streams.values() for name in kind["models"]):
        runs = {kind: row["models"][name] for kind, row in streams.items() if name in row["models"]}
        drifting = {kind: row for kind, row in runs.items() if streams[kind]["starts"] is not None}
        n_seeds, most = (max(row["n_seeds"] for row in of.values()) for of in (runs, _default(streams, streams)))
        title = name if len(runs) == len(streams) else f"{name} ({len(runs)} of {len(streams)} kinds)"
        same = _losses(_default(streams, drifting), n_seeds) if n_seeds < most or len(runs) < len(streams) else ""
        rows.append(
            [
                title, str(n_seeds), *[_delays([runs[kind] for kind in runs if kind.endswith(f" {what}")]) for what in WHATS],
                _alarms(list(runs.values())), _losses(drifting, n_seeds), same, _agreement(list(drifting.values())),
            ]
        )  # fmt: skip
    whats = [f"{what}: found, delay" for what in WHATS]
    losses = ["loss before / during / after", "default on the same streams"]
    return table(["model", "seeds", *whats, "false alarms per 10,000", *losses, "ARI before / after"], rows)


def _default(streams: dict[str, Any], kinds: Iterable[str]) -> dict[str, Any]:
    """Return what the default model came to on some kinds, as far as it was run."""
    return {kind: streams[kind]["models"][DEFAULT] for kind in kinds if DEFAULT in streams[kind]["models"]}


def _losses(rows: dict[str, Any], n_seeds: int) -> str:
    """Return the mean losses of the first seeds."""
    means = (
        np.mean([numbers(row[f"loss_{part}_of_seeds"])[:n_seeds].mean() for row in rows.values()])
        for part in ("before", "during", "after")
    )
    return " / ".join(f"{mean:.3f}" for mean in means) if rows else "–"


def _agreement(rows: list[dict[str, Any]]) -> str:
    known = [(row["ari_before"], row["ari_after"]) for row in rows if "ari_after" in row]
    return " / ".join(f"{mean:.2f}" for mean in np.mean(known, axis=0)) if known else "–"


def _delays(rows: list[dict[str, Any]]) -> str:
    """Return how many drifts were found of how many, and the median delay of those."""
    delays = [delay for row in rows if "detections" in row for delay in row["detections"]["any"]["delays"]]
    if not delays:
        return "–"
    known = [delay for delay in delays if delay is not None]
    middle = f", {median(known):,.0f}" if known else ""
    return f"{len(known)} of {len(delays)}{middle}"


def _alarms(rows: list[dict[str, Any]]) -> str:
    """Return false alarms per 10,000 events, of the stream without drift and of the others before their drift."""
    counted = [row["detections"] for row in rows if "detections" in row]
    n_events = sum(row["quiet_events"] for row in counted)
    return f"{1e4 * sum(row['any']['false_alarms'] for row in counted) / n_events:,.1f}" if n_events else "–"
