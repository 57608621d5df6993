"""What the benchmarks share: the machine they ran on, where results go, real sets as matrices."""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from ihomer.persistence import write_file
from streams.files import open_source

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("IHOMER_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def machine() -> dict[str, Any]:
    """Return what a figure depends on: commit, processor, cores, versions."""
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    names = ("ihomer", "river", "numpy", "numba", "scipy")
    return {
        "commit": commit(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }


def commit() -> str | None:
    """Return the commit that is checked out, or None where there is no git or no repository."""
    try:
        asked = ["git", "rev-parse", "--short=12", "HEAD"]
        found = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    except OSError:
        return None
    return found.stdout.strip() or None


def write(name: str, result: dict[str, Any]) -> None:
    """Write a result with the machine it was measured on."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    replace_text(path, json.dumps({"machine": machine(), **result}, indent=1) + "\n")
    print(f"written: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


def load(name: str, otherwise: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a result that was written, or `otherwise`, if that is given, where there is none.

    Raises
    ------
    FileNotFoundError
        If there is none, and nothing is given in its place.
    """
    path = RESULTS / f"{name}.json"
    if otherwise is not None and not path.exists():
        return otherwise
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def with_rows(old: dict[str, Any], new: dict[str, Any], models: Iterable[str] | None = None) -> dict[str, Any]:
    """Return rows by set and model: the new ones in place of the old, in the order of `models`, if that is given."""
    sets = {**old, **{name: {**old.get(name, {}), **rows} for name, rows in new.items()}}
    if models is None:
        return sets
    order = list(models)
    return {name: {model: rows[model] for model in order if model in rows} for name, rows in sets.items()}


def replace_text(path: Path, text: str) -> None:
    """Write a file in one step: one that is interrupted leaves what was there."""
    write_file(path, text.encode())


def run_command(main: Callable[[], None]) -> None:
    """Run what a benchmark's command does; Ctrl-C ends it with a word in place of a traceback, and with code 130."""
    try:
        main()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def require_all_to_write(parser: argparse.ArgumentParser, chosen: Iterable[str], all_sets: Iterable[str]) -> None:
    """End the command if not all sets are to be measured: a file of speeds holds those of one run."""
    if set(chosen) != set(all_sets):
        parser.error("--write is for all sets at once, as speeds of different runs are not comparable: name none")


def require_sets(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """End the command with a message that says which real sets are missing, if any are."""
    if not DATA.exists():
        parser.error(f"no data sets in {DATA}; IHOMER_DATA names another folder")
    missing = [name for name in dict.fromkeys(names) if not (DATA / f"{name}.arff.gz").exists()]
    if missing:
        parser.error(f"no set {', '.join(missing)} in {DATA}; IHOMER_DATA names another folder")


def events_of(name: str) -> list[tuple[dict[str, Any], set[str]]]:
    """Return a real set of the data folder as pairs of features and labels."""
    with open_source(DATA / f"{name}.arff.gz") as source:
        return [(dict(event.x), {label for label, on in _truth(event.y) if on}) for event in source]


def labels_of(name: str) -> list[str]:
    """Return all labels that a real set declares, those that never apply too."""
    with open_source(DATA / f"{name}.arff.gz") as source:
        return sorted(source.labels)


def _truth(y: Any) -> list[tuple[str, bool]]:
    return [(name, bool(on)) for name, on in y.items()] if isinstance(y, dict) else [(name, True) for name in y]


def matrices(
    events: list[tuple[dict[str, Any], set[str]]], labels: list[str] | None = None
) -> tuple[Any, np.ndarray, list[str], list[str]]:
    """Return features (sparse where most are 0; nominal values as 0/1 columns) and labels as matrices, with their names.

    Columns stand in the order in which a classifier numbers what events of dictionaries bring, so that it answers the same.
    """
    spread: list[dict[str | tuple[str, str], Any]] = [
        {(k, v) if isinstance(v, str) else k: 1.0 if isinstance(v, str) else v for k, v in x.items()} for x, _ in events
    ]
    found = dict.fromkeys(name for x in spread for name in x)
    keys: list[str | tuple[str, str]] = [
        *sorted(k for k in found if isinstance(k, str)),
        *sorted(k for k in found if isinstance(k, tuple)),
    ]
    names = ["=".join(k) if isinstance(k, tuple) else k for k in keys]
    labels = labels or sorted({label for _, y in events for label in y})
    column = {k: i for i, k in enumerate(keys)}
    place = {label: i for i, label in enumerate(labels)}
    cells = [(row, column[k], np.nan if v is None else float(v)) for row, x in enumerate(spread) for k, v in x.items()]
    rows, columns, values = (np.array(part) for part in zip(*cells, strict=True))
    X = sparse.csr_array((values, (rows, columns)), shape=(len(events), len(names)))
    X.eliminate_zeros()
    Y = np.zeros((len(events), len(labels)), np.uint8)
    for row, (_, y) in enumerate(events):
        Y[row, [place[label] for label in y]] = 1
    dense = X.nnz > 0.2 * X.shape[0] * X.shape[1]
    return (X.toarray() if dense else X), Y, names, labels
