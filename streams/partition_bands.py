"""The clusters of the labels over time, as bands of colour."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.recorder import Sample

__all__ = ["bands"]

MOST_RUNS = 20_000
NONE = -1

Clusters = NDArray[np.int32]


def bands(
    samples: Sequence[Sample],
    names: Sequence[str],
    chosen: NDArray[np.int64],
    weight: NDArray[np.float64],
    leaves: Sequence[int],
) -> dict[str, Any] | None:
    """Return in which cluster each label was over time.

    A colour goes from a cluster to the one after it that shares most labels with it, so that a cluster that only has got a new
    number, or a few labels more, keeps it.

    Parameters
    ----------
    samples
        The samples of a run.
    names
        Names of all labels.
    chosen
        Indices of the labels to show.
    weight
        How often each label was true, float64[labels]; frequent ones come first in their cluster.
    leaves
        Clusters at the end, in the order in which they are to stand.

    Returns
    -------
    dict or None
        Rows of (name, runs), each run (sample, cluster, colour) from that sample on; the colours of the clusters at the end;
        None without clusters.
    """
    steps = _steps(samples, len(chosen))
    if not steps:
        return None
    table = np.full((len(steps), len(names)), NONE, np.int32)
    for row, (_, clusters) in zip(table, steps, strict=True):
        row[: len(clusters)] = clusters
    colours = _colours(table)
    last = colours[-1]
    position = {cluster: place for place, cluster in enumerate(leaves)}

    def rank(label: int) -> tuple[Any, ...]:
        cluster = int(table[-1, label])
        past = tuple(table[::-1, label].tolist())
        return position.get(cluster, len(position)), past, -float(weight[label]), label

    rows = []
    for label in sorted(chosen.tolist(), key=rank):
        runs: list[tuple[int, int, int]] = []
        for (sample, _), cluster, colour in zip(steps, table[:, label].tolist(), colours, strict=True):
            if not runs or runs[-1][1] != cluster:
                runs.append((sample, cluster, colour.get(cluster, NONE)))
        rows.append([names[label], runs])
    return {"rows": rows, "colours": {str(cluster): colour for cluster, colour in last.items()}, "n_labels": len(names)}


def _steps(samples: Sequence[Sample], n_labels: int) -> list[tuple[int, Clusters]]:
    """Return places of samples with their clusters, where these have changed; fewer where that is too much to show."""
    found = [(place, sample.clusters) for place, sample in enumerate(samples) if sample.clusters is not None]
    steps = [step for i, step in enumerate(found) if i == 0 or step[1] is not found[i - 1][1]]
    while len(steps) * n_labels > MOST_RUNS and len(steps) > 2:
        steps = [steps[0], *steps[1:-1:2], steps[-1]] if len(steps) > 3 else [steps[0], steps[-1]]
    return steps


def _colours(table: NDArray[np.int32]) -> list[Mapping[int, int]]:
    """Return for each row of clusters, int32[steps, labels], cluster -> colour."""
    colours: list[Mapping[int, int]] = []
    before: dict[int, int] = {}
    for step, row in enumerate(table):
        overlap: dict[tuple[int, int], int] = {}
        sizes: dict[int, int] = {}
        previous = table[step - 1] if step else np.full_like(row, NONE)
        for old, new in zip(previous.tolist(), row.tolist(), strict=True):
            if new != NONE:
                sizes[new] = sizes.get(new, 0) + 1
                if old != NONE:
                    overlap[old, new] = overlap.get((old, new), 0) + 1
        now: dict[int, int] = {}
        for (old, new), _ in sorted(overlap.items(), key=lambda item: (-item[1], item[0])):
            if new not in now and before[old] not in now.values():
                now[new] = before[old]
        taken = {*before.values(), *now.values()}
        for new in sorted(sizes, key=lambda cluster: (-sizes[cluster], cluster)):
            if new not in now:
                free = next(colour for colour in range(len(taken) + 1) if colour not in taken)
                now[new] = free
                taken.add(free)
        colours.append(now)
        before = now
    return colours
