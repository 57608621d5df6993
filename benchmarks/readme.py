"""Puts the numbers of benchmarks/results into README.md, between <!-- NAME --> and <!-- /NAME -->.

    python -m benchmarks.readme
"""

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS

README = Path(__file__).resolve().parents[1] / "README.md"
MODELS = ("previous labelset", "tree alone", "paper", "default")


def _load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return found


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def scores() -> str:
    """Return subset accuracy / example-F1 / micro-F1 / macro-F1 of each model on each set."""
    names = ("subset_accuracy", "example_f1", "micro_f1", "macro_f1")
    sets = _load("scores")["sets"]
    rows = [
        [name, *[" / ".join(f"{found[model][score]:.3f}".lstrip("0") for score in names) for model in MODELS]]
        for name, found in sets.items()
    ]
    means = [
        " / ".join(f"{sum(found[model][score] for found in sets.values()) / len(sets):.3f}".lstrip("0") for score in names)
        for model in MODELS
    ]
    return _table(["set", *MODELS], [*rows, ["mean", *means]])


def speed() -> str:
    """Return events per second of the paper's configuration and of the default, with ratios."""
    found = _load("speed")["events_per_second"]
    rows = [
        [
            name,
            f"{row['paper_many']:,.0f}",
            f"{row['paper_one_by_one']:,.0f}",
            f"{row['default_many']:,.0f}",
            f"{row['default_one_by_one']:,.0f}",
            f"{row['paper_many_over_published']:,.0f}",
            f"{row['paper_one_over_published']:,.0f}",
            f"{row['paper_many_over_river']:,.1f}",
            f"{row['paper_one_over_river']:,.1f}",
        ]
        for name, row in found.items()
    ]
    head = ["set", "paper, many", "one by one", "default, many", "one by one", "many / published", "one / published"]
    return _table([*head, "many / river", "one / river"], rows)


def starts() -> str:
    """Return the start-up times in words."""
    found = _load("speed")["starts_seconds"]
    return (
        f"Importing takes {found['warm_import']:.1f} s and compiles nothing. The first process compiles for "
        f"{found['cold_everything']:.0f} s in all; a later one answers its first event {found['warm_first_event']:.1f} s "
        "after it started."
    )


def drift() -> str:
    """Return what the drift benchmark found, in words."""
    found = _load("drift")
    events = {
        name: sorted(row[name]["recovered_after"] or float("inf") for row in found["sudden"]) for name in ("on", "off")
    }
    middle = {name: values[len(values) // 2] for name, values in events.items()}
    return (
        f"After a sudden drift the loss is back within 20 % of its old level sooner than with all detection off in "
        f"{found['faster_with_detection']} runs (median {middle['on']:,.0f} against {middle['off']:,.0f} events). On a "
        f"stationary stream of {found['stationary']['n_events']:,} events the model's loss raised "
        f"{found['stationary']['n_drifts_global']} alarms, the partition {found['stationary']['n_drifts_partition']}."
    )


def clusters() -> str:
    """Return the sizes of the label clusters found."""
    sets = _load("scores")["sets"]
    rows = [[name, ", ".join(map(str, found["default"]["cluster_sizes"]))] for name, found in sets.items()]
    return _table(["set", "cluster sizes, default model, at the end"], rows)


BLOCKS = {"scores": scores, "speed": speed, "starts": starts, "drift": drift, "clusters": clusters}


def filled(text: str) -> str:
    """Return the README with its blocks made anew."""
    for name, make in BLOCKS.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        body = make()
        text, n = pattern.subn(lambda match, body=body: match.group(1) + body + "\n" + match.group(2), text)  # type: ignore[misc]
        if n != 1:
            raise ValueError(f"README.md has {n} blocks named {name}")
    return text


if __name__ == "__main__":
    README.write_text(filled(README.read_text()))
