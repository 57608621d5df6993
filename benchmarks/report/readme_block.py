"""What README.md shows of the comparison; `benchmarks.readme` puts it there."""

import tomllib
from pathlib import Path

import numpy as np

from benchmarks.compare.cells import LINES, read
from benchmarks.compare.settings import load
from benchmarks.report import statistics, tables
from benchmarks.report.__main__ import PUBLISHED, current
from benchmarks.report.results import Results, by_order, more_is_better

_ORDERS = ("previous labelset", "MLHAT", "paper", "VW multilabel_oaa", "default")
_FOUR = ("subset_accuracy", "example_f1", "micro_f1", "macro_f1")


def _results(path: Path, order: str) -> Results:
    """Return the results of an order; ValueError if there are none."""
    found = by_order(current(read(path), load()))
    if order not in found:
        raise ValueError(f"{path} has no results of order {order}")
    return found[order]


def compare(path: Path = LINES, order: str = "file") -> str:
    """Return mean ranks, streams finished and speed of every model, and the relative improvement beside the published one.

    Raises
    ------
    ValueError
        If there are no results of that order.
    """
    results = _results(path, order)
    claims = tomllib.loads(PUBLISHED.read_text())["claims"]
    head, rows = tables.improvement_table(results, results.group("ours"))
    return "\n\n".join(
        [
            _ranks(results),
            tables.markdown(head, rows),
            f"Published: {claims['global_percent']} % over global and {claims['local_percent']} % over local baselines.",
        ]
    )


def all_cells(path: Path = LINES, order: str = "file") -> str:
    """Return subset accuracy / micro-F1 of every model on every stream; † for a stream that was not finished."""
    results = _results(path, order)
    subset, micro = (results.table(score, partial=True) for score in ("subset_accuracy", "micro_f1"))
    rows = []
    for j in np.argsort(-np.nan_to_num(subset).mean(0), kind="stable").tolist():
        model = results.models[j]
        cells = [
            "–" if np.isnan(subset[i, j])
            else f"{tables.number(subset[i, j])} / {tables.number(micro[i, j])}" + "†" * (not results.is_complete(name, model))
            for i, name in enumerate(results.sets)
        ]  # fmt: skip
        rows.append([model, *cells])
    return tables.markdown(["model", *results.sets], rows)


def partitioning(path: Path = LINES, order: str = "file") -> str:
    """Return the mean scores of the published trees with several partitions."""
    return tables.markdown(*tables.partition_table(_results(path, order)))


def orders(path: Path = LINES) -> str:
    """Return the subset accuracy of some models on each stream in file order -> shuffled, for streams with both orders."""
    first, second = _results(path, "file"), _results(path, "shuffled")
    models = [model for model in _ORDERS if model in first.models and model in second.models]
    before, after = (results.of(models).table("subset_accuracy") for results in (first, second))
    rows = []
    for name in set(first.sets) & set(second.sets):
        pairs = zip(before[first.sets.index(name)], after[second.sets.index(name)], strict=True)
        rows.append([name, *[f"{tables.number(a)} → {tables.number(b)}" for a, b in pairs]])
    rows.sort(key=lambda row: first.sets.index(row[0]))
    return tables.markdown(["subset accuracy, file order → shuffled", *models], rows)


def _ranks(results: Results) -> str:
    ranks = np.array([statistics.ranks(more_is_better(results.table(score), score)).mean(0) for score in _FOUR])
    rows = []
    for j in np.argsort(ranks.mean(0), kind="stable").tolist():
        model = results.models[j]
        n_finished = sum(results.is_complete(name, model) for name in results.sets)
        rows.append(
            [
                model, results.groups[model], f"{n_finished} of {len(results.sets)}",
                " / ".join(f"{rank:.1f}" for rank in ranks[:, j]), tables.mean_rate(results, model),
            ]
        )  # fmt: skip
    head = ["model", "group", "streams finished", "mean rank: subset / example / micro / macro", "events per second"]
    return tables.markdown(head, rows)
