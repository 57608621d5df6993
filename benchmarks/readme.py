"""Puts the numbers of benchmarks/results into README.md and benchmarks/README.md, between <!-- NAME --> and <!-- /NAME -->.

python -m benchmarks.readme
"""

import argparse
import re
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import dirty, growth, many_labels, roofline, speed_paths
from benchmarks.common import load, replace_text, run_command
from benchmarks.drifts.readme_block import drift_kinds
from benchmarks.readme_live import LIVE_BLOCKS
from benchmarks.readme_parts import table
from benchmarks.report.readme_block import all_cells, compare, orders, partitioning
from benchmarks.scores import AS_THEY_COME

PAGES = (Path(__file__).resolve().parents[1] / "README.md", Path(__file__).resolve().parent / "README.md")
MODELS = ("previous labelset", "majority labelset", "paper", "default")
NAMES = ("subset_accuracy", "example_f1", "micro_f1", "macro_f1")


def scores() -> str:
    """Return subset accuracy / example-F1 / micro-F1 / macro-F1 of each model on each set."""
    sets, models = load("scores")["sets"], (*MODELS, AS_THEY_COME)
    rows = [
        [name, *[" / ".join(f"{found[model][score]:.3f}".lstrip("0") for score in NAMES) for model in models]]
        for name, found in sets.items()
    ]
    means = [
        " / ".join(f"{sum(found[model][score] for found in sets.values()) / len(sets):.3f}".lstrip("0") for score in NAMES)
        for model in models
    ]
    return table(["set", *models], [*rows, ["mean", *means]])


def _four(row: dict[str, float]) -> str:
    return " / ".join(f"{row[score]:.3f}".lstrip("0") for score in NAMES)


def _mean(sets: dict[str, Any], model: str) -> dict[str, float]:
    """Return the mean scores of a model over sets; those on file are rounded, and would be rounded again."""
    return {score: sum(row[model][score] for row in sets.values()) / len(sets) for score in NAMES}


def objectives() -> str:
    """Return the mean scores of the default model with each objective."""
    found = load("scores")
    models = [name for name in found["means"] if name == "default" or name.startswith("objective=")]
    rows = [[name, _four(_mean(found["sets"], name))] for name in models]
    return table(["mean of the sets", "scores"], rows)


def shuffled() -> str:
    """Return the scores on shuffled sets."""
    found = load("scores_shuffled")["sets"]
    return table(["set, shuffled", *MODELS], [[name, *[_four(row[model]) for model in MODELS]] for name, row in found.items()])


def further() -> str:
    """Return the scores on the further sets; of events that not all were run, how many were."""
    models = ("previous labelset", "majority labelset", "nearest neighbours", "river logistic regression", "default")
    rows = []
    for name, found in load("scores_further")["sets"].items():
        cells = [_four(found[m]) + (f" (first {found[m]['n_events']:,})" if "n_events" in found[m] else "") for m in models]
        rows.append([name, *cells])
    return table(["further set", *models], rows)


def claims() -> str:
    """Return how many claims hold, and those that do not."""
    found = load("claims")
    rows = [
        [check["claim"], check["where"], f"{check['figure']:,.4g}", f"{check['bound']:,.4g}"]
        for check in found["checks"]
        if not check["holds"]
    ]
    head = f"{found['n_holding']} of {found['n_checks']} comparisons hold; these do not:"
    return head + "\n\n" + table(["claim", "where", "figure", "bound"], rows)


def ablation() -> str:
    """Return the mean scores, log-loss and calibration error of each variant of the default model."""
    found = load("ablation")
    rows = [
        [name, _four(_mean(found["sets"], name)), f"{row['log_loss']:.3f}", f"{row['calibration_error']:.4f}".lstrip("0")]
        for name, row in found["means"].items()
    ]
    return table(["mean of the sets", "scores", "log-loss", "calibration error"], rows)


def calibration() -> str:
    """Return log-loss and calibration error on each set, beside the best single expert."""
    rows = []
    for name, found in load("ablation")["sets"].items():
        row = found["default"]
        best = min(row["experts_log_loss"], key=row["experts_log_loss"].__getitem__)
        rows.append(
            [
                name,
                f"{row['log_loss']:.3f}",
                f"{row['experts_log_loss'][best]:.3f} ({best})",
                f"{row['over_best_expert']:.3f}",
                f"{row['calibration_error']:.4f}".lstrip("0"),
            ]
        )
    return table(["set", "log-loss", "of the best expert", "ratio", "calibration error"], rows)


def debug() -> str:
    """Return what `debug_one` says of one event."""
    text: str = load("debug_one")["text"]
    return "```\n" + text + "\n```"


def speed() -> str:
    """Return events per second of the default and of the paper's configuration, with ratios."""
    found = load("speed")["events_per_second"]
    columns = (
        "default_many", "default_one_at_a_time", "default_one_by_one", "default_many_over_river", "default_one_over_river",
        "paper_many", "paper_one_by_one", "paper_many_over_published", "paper_one_over_published",
    )  # fmt: skip
    rows = [
        [name, *[(f"{row[c]:,.1f}" if c.endswith("river") else f"{row[c]:,.0f}") if c in row else "" for c in columns]]
        for name, row in found.items()
    ]
    head = ["set", "default, many", "one at a time", "one by one", "many / river", "one by one / river", "paper, many"]
    return table([*head, "one by one", "many / published", "one by one / published"], rows)


def starts() -> str:
    """Return the start-up times in words."""
    found = load("speed")["starts_seconds"]
    return (
        f"Importing takes {found['warm_import']:.1f} s and compiles nothing. A first process that needs every kernel, those of "
        f"trees too, is done after {found['cold_everything']:.0f} s; a later one answers its first event "
        f"{found['warm_first_event']:.1f} s after it started."
    )


def drift() -> str:
    """Return what the drift benchmark found."""
    found = load("drift")
    rows = []
    for name in ("default", *found["default_faster_than"]):
        after = [row[name]["recovered_after"] or float("inf") for row in found["sudden"]]
        middle = median(after)
        rows.append(
            [
                name,
                "never" if middle == float("inf") else f"{middle:,.0f}",
                f"{sum(row[name]['loss_before'] for row in found['sudden']) / len(after):.3f}",
                f"{sum(row[name]['loss_next_1000'] for row in found['sudden']) / len(after):.3f}",
                found["default_faster_than"].get(name, ""),
            ]
        )
    stationary = found["stationary"]
    return (
        table(["model", "recovered after", "loss before", "in the next 1,000", "default was faster on"], rows)
        + f"\n\nOn a stationary stream of {stationary['n_events']:,} events the model's loss raised "
        f"{stationary['n_drifts_global']} alarms, the partition {stationary['n_drifts_partition']}."
    )


def clusters() -> str:
    """Return the sizes of the label clusters found."""
    sets = load("scores")["sets"]
    rows = [[name, ", ".join(map(str, found["default"]["cluster_sizes"]))] for name, found in sets.items()]
    return table(["set", "cluster sizes, default model, at the end"], rows)


def paths() -> str:
    """Return events per second of testing, then training, in every form of events."""
    return speed_paths.paths_block(only=speed_paths.TEST_THEN_TRAIN)


BLOCKS = {
    "scores": scores, "objectives": objectives, "shuffled": shuffled, "further": further, "claims": claims,
    "ablation": ablation, "calibration": calibration, "debug": debug, "speed": speed, "starts": starts, "drift": drift,
    "clusters": clusters, "compare": compare, "all-cells": all_cells, "partitioning": partitioning, "orders": orders,
    "drift-kinds": drift_kinds, "dirty": dirty.dirty_block, "codes": dirty.codes_block,
    "paths": paths, "compile": speed_paths.compile_block, "growth": growth.growth_block,
    "many-labels": many_labels.many_labels_block,
    "roofline": roofline.roofline_block, **LIVE_BLOCKS,
}  # fmt: skip


def filled(pages: list[str]) -> list[str]:
    """Return pages with their blocks made anew; each block stands on one of them, once."""
    for name, make in BLOCKS.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        n_found = sum(len(pattern.findall(text)) for text in pages)
        if n_found != 1:
            raise ValueError(f"the pages have {n_found} blocks named {name}")
        body = make()
        pages = [pattern.sub(lambda match, body=body: match.group(1) + body + "\n" + match.group(2), text) for text in pages]  # type: ignore[misc]
    return pages


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    for path, text in zip(PAGES, filled([path.read_text() for path in PAGES]), strict=True):
        replace_text(path, text)


if __name__ == "__main__":
    run_command(main)
