"""Lines of results: one for each cell, in a file that only grows; the last line of a cell counts."""

import json
import os
import shlex
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, machine
from benchmarks.compare.settings import DEFAULT, Cell, Settings

LINES = RESULTS / "compare.jsonl"
COMPLETE, PARTIAL, FAILED = "complete", "partial", "failed"
_OPTIONAL = ("vowpalwabbit", "napkinxc")


def command_of(settings: Settings, cell: Cell, events: int | None) -> str:
    """Return the command that computes a cell again; with `events`, up to that event whatever the time."""
    words = ["python", "-m", "benchmarks.compare"]
    if settings.path != DEFAULT:
        words += ["--settings", os.path.relpath(settings.path)]
    if settings.limit:
        words += ["--limit", str(settings.limit)]
    if events is not None:
        words += ["--seconds", f"{settings.seconds:g}", "--memory-mb", str(settings.memory_mb), "--events", str(events)]
    return shlex.join([*words, "--cell", cell.set, cell.model, cell.order, str(cell.seed)])


def _reason(settings: Settings, state: dict[str, Any], died: str | None) -> tuple[str, str | None]:
    """Return the status of a cell and why it is not complete."""
    done, events = state.get("events_done", 0), state.get("events")
    if died is not None:
        return FAILED, died
    if done == events:
        return COMPLETE, None
    return PARTIAL, f"{settings.seconds:g} s and {settings.memory_mb} MB were enough for {done} of {events} events"


def line_of(settings: Settings, cell: Cell, state: dict[str, Any], died: str | None) -> dict[str, Any]:
    """Return the line of a cell.

    Parameters
    ----------
    settings, cell
        What was asked for.
    state
        The last state that its process told; {} for none.
    died
        Why the process ended without a result; None if it did not.
    """
    status, reason = _reason(settings, state, died)
    table = settings.model_tables[cell.model]
    seconds = state.get("seconds", 0.0)
    done = state.get("events_done", 0)
    return {
        **cell._asdict(),
        "digest": settings.digest(cell),
        "limit": settings.limit,
        "group": table["group"],
        "command": command_of(settings, cell, done if status == PARTIAL else None),
        "status": status,
        "reason": reason,
        "note": table.get("note"),
        "input": state.get("input"),
        "events_done": done,
        "events": state.get("events"),
        "n_labels": state.get("n_labels"),
        "n_features": state.get("n_features"),
        "scores": state.get("scores"),
        "measured": {
            "seconds": round(seconds, 3),
            "events_per_second": round(done / seconds, 1) if seconds > 0 else None,
            "peak_memory_mb": state.get("peak_memory_mb"),
            "stopped_by": state.get("ended"),
            "budget_seconds": settings.seconds,
            "budget_mb": settings.memory_mb,
            **machine(),
            **{name: _version(name) for name in _OPTIONAL},
        },
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def read(path: Path) -> list[dict[str, Any]]:
    """Return the last line of each cell and digest, in the order of the file; a line cut off in writing is passed over."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        found[(*(line[key] for key in Cell._fields), line["digest"])] = line
    return list(found.values())


def append(path: Path, line: dict[str, Any]) -> None:
    """Write a line at the end of the file; what an interrupted run left of one is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        cut = file.tell() > 0
        if cut:
            file.seek(-1, os.SEEK_END)
            cut = file.read(1) != b"\n"
        file.write((b"\n" if cut else b"") + json.dumps(line).encode() + b"\n")


def is_done(settings: Settings, cell: Cell, line: dict[str, Any], retry: bool) -> bool:
    """Tell whether a line answers a cell: complete, or not complete with no smaller budget.

    With `retry` failed cells are computed again.
    """
    if tuple(line[key] for key in Cell._fields) != cell or line["digest"] != settings.digest(cell):
        return False
    if line["status"] == FAILED:
        return not retry
    measured = line["measured"]
    enough = measured["budget_seconds"] >= settings.seconds and measured["budget_mb"] >= settings.memory_mb
    return bool(line["status"] == COMPLETE or enough)
