"""The command `python -m benchmarks.compare`."""

import argparse
import json
import signal
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.compare import cells
from benchmarks.compare.pool import Runner, run_all
from benchmarks.compare.settings import DEFAULT, Cell, Settings, SettingsError, load
from benchmarks.report.tables import small_table


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description="All models on all streams.")
    parser.add_argument("--settings", type=Path, default=DEFAULT)
    parser.add_argument("--quick", action="store_true", help="the table [quick] of the settings; prints its table")
    parser.add_argument("--out", type=Path, help="file of results; results/compare.jsonl, or compare_quick.jsonl")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--retry", action="store_true", help="compute cells that failed again")
    parser.add_argument("--again", action="store_true", help="compute cells that are done too, as after a change of the code")
    parser.add_argument("--list", action="store_true", help="only say which cells are left")
    for name, kind in (("sets", str), ("models", str), ("orders", str), ("seeds", int)):
        parser.add_argument(f"--{name}", nargs="+", type=kind, help=f"instead of the {name} of the settings")
    parser.add_argument("--seconds", type=float, help="processor time for one cell")
    parser.add_argument("--memory-mb", type=int, help="memory for one cell")
    parser.add_argument("--limit", type=int, help="number of events after which a stream ends")
    parser.add_argument("--cell", nargs=4, metavar=("SET", "MODEL", "ORDER", "SEED"), help="print the line of one cell")
    parser.add_argument("--events", type=int, help="with --cell: stop after that many events, whatever the time")
    return parser


def _left(settings: Settings, out: Path, retry: bool) -> list[Cell]:
    lines = defaultdict(list)
    for line in cells.read(out):
        lines[Cell(*(line[key] for key in Cell._fields))].append(line)
    return [
        cell for cell in settings.cells() if not any(cells.is_done(settings, cell, line, retry) for line in lines[cell])
    ]


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _summary(line: dict[str, Any]) -> str:
    scores = line["scores"] or {}
    told = " ".join(f"{scores[name]:.3f}" for name in ("subset_accuracy", "micro_f1", "macro_f1") if name in scores)
    return f"{line['set']:14} {line['model']:24} {line['order']:9} {line['seed']} {told:18} {line['reason'] or ''}"


def _run(settings: Settings, todo: list[Cell], jobs: int, out: Path, console: Console) -> None:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )  # fmt: skip
    with Progress(*columns, console=console, speed_estimate_period=3600) as progress:
        task = progress.add_task("cells", total=len(todo))

        def begun(cell: Cell) -> None:
            progress.update(task, description=f"{cell.set}, {cell.model}"[:40].ljust(40))

        for line in run_all(Runner(settings), todo, jobs, begun):
            cells.append(out, line)
            progress.advance(task)
            console.print(_summary(line), highlight=False, markup=False, soft_wrap=True)


def main(words: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = _arguments()
    asked = parser.parse_args(words)
    if asked.jobs < 1 or (asked.events is not None and (asked.events < 1 or not asked.cell)):
        parser.error("--jobs must be at least 1; --events needs --cell and at least 1 event")
    chosen: dict[str, Any] = {name: getattr(asked, name) for name in ("sets", "models", "orders", "seeds", "seconds", "limit")}
    if asked.cell:
        name, model, order, seed = asked.cell
        if not seed.isdecimal():
            parser.error(f"SEED must be a whole number, not {seed!r}")
        chosen |= {"sets": [name], "models": [model], "orders": [order], "seeds": [int(seed)]}
    try:
        settings = load(asked.settings.resolve(), quick=asked.quick, memory_mb=asked.memory_mb, **chosen)
    except (SettingsError, OSError) as error:
        parser.error(str(error))
    if asked.cell:
        line = Runner(settings, asked.events).run(next(settings.cells()))
        print(json.dumps(line))
        return 0 if line["status"] != cells.FAILED else 1
    out = asked.out or (cells.LINES.with_name("compare_quick.jsonl") if asked.quick else cells.LINES)
    console = Console(stderr=True)
    todo = list(settings.cells()) if asked.again else _left(settings, out, asked.retry)
    console.print(f"{len(todo)} of {len(list(settings.cells()))} cells to compute, {settings.seconds:g} s each at most")
    if asked.list:
        for cell in todo:
            print(*cell, sep="\t")
        return 0
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _run(settings, todo, asked.jobs, out, console)
    except KeyboardInterrupt:
        console.print(f"stopped; the same command goes on, {out} has what was computed")
        return 130
    if asked.quick:
        found = {(Cell(*(line[key] for key in Cell._fields)), line["digest"]): line for line in cells.read(out)}
        print(small_table([found[cell, settings.digest(cell)] for cell in settings.cells()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
