"""What README.md shows of the comparison; `benchmarks.readme` puts it there."""

import tomllib
from pathlib import Path

import numpy as np

from benchmarks.compare.cells import LINES, read
from benchmarks.compare.settings import load
from benchmarks.report import statistics, tables
from benchmarks.report.__main__ import PUBLISHED, current
from benchmarks.report.results import Results, by_order, more_is_better

_FOUR = ("subset_accuracy", "example_f1", "micro_f1", "macro_f1")


def compare(path: Path = LINES, order: str = "file") -> str:
    """Return mean ranks, streams finished and speed of every model, and the relative improvement beside the published one.

    Raises
    ------
    ValueError
        If there are no results of that order.
    """
    found = by_order(current(read(path), load()))
    if order not in found:
        raise ValueError(f"{path} has no results of order {order}")
    results = found[order]
    claims = tomllib.loads(PUBLISHED.read_text())["claims"]
    head, rows = tables.improvement_table(results, results.group("ours"))
    return "\n\n".join(
        [
            _ranks(results),
            tables.markdown(head, rows),
            f"Published: {claims['global_percent']} % over global and {claims['local_percent']} % over local baselines.",
        ]
    )


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
