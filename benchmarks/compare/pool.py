"""Runs cells, each in a process of its own with a time and a memory limit, some at the same time."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from benchmarks.compare.cells import line_of
from benchmarks.compare.settings import Cell, Settings

_START_SECONDS = 300.0  # to load a stream and to compile
_GRACE_SECONDS = 60.0
_PATIENCE = 10.0  # times the budget, in seconds of the wall, until a process that does not look at its budget is killed
_LOOK_SECONDS = 0.05
_AWAKE_SECONDS = 0.5  # a signal does not wake the main thread if it comes just before that falls asleep, or to another one
_ROOM = 2.0  # of address space for what a process maps and does not use
_WORDS_OF_AN_ERROR = 300

_REPOSITORY = Path(__file__).resolve().parents[2]


class Stopped(Exception):
    """The run was ended from outside."""


class Runner:
    """Runs cells; `stop` ends those that are running.

    Parameters
    ----------
    settings
        The settings of the run.
    events
        Number of events after which each cell stops, whatever the time; None for the budget of the settings.
    """

    def __init__(self, settings: Settings, events: int | None = None) -> None:
        self._settings = settings
        self._events = events
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End all processes that were started here."""
        self._stopped.set()

    def run(self, cell: Cell) -> dict[str, Any]:
        """Compute a cell and return its line.

        Raises
        ------
        Stopped
            If the run was ended.
        """
        with tempfile.TemporaryDirectory() as folder:
            request, out, errors = (Path(folder) / name for name in ("request.json", "out.jsonl", "errors.txt"))
            request.write_text(json.dumps(self._request(cell)))
            died = self._process(request, out, errors)
            return line_of(self._settings, cell, _last_state(out), died)

    def _request(self, cell: Cell) -> dict[str, Any]:
        s = self._settings
        return {
            "set": s.set_table(cell.set), "model": s.model_tables[cell.model], "order": cell.order, "seed": cell.seed,
            "limit": s.limit, "seconds": s.seconds, "memory_mb": s.memory_mb, "events": self._events, "parent": os.getpid(),
        }  # fmt: skip

    def _process(self, request: Path, out: Path, errors: Path) -> str | None:
        """Run the process of a cell; return why it ended without a result, or None."""
        command = [sys.executable, "-m", "benchmarks.compare.worker", str(request), str(out)]
        with errors.open("wb") as sink:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=sink, cwd=_REPOSITORY,
                env=_environment(request.parent), start_new_session=True,
            )  # fmt: skip
            try:
                _bound_memory(process.pid, self._settings.memory_mb)
                killed = self._watch(process, out)
            finally:
                _kill(process)
        if killed is not None:
            return killed
        if process.returncode == 0:
            return None
        return _told(process.returncode, errors.read_text(errors="replace"))

    def _watch(self, process: subprocess.Popen[bytes], out: Path) -> str | None:
        began = time.monotonic()
        started: float | None = None
        longest = _PATIENCE * self._settings.seconds + _GRACE_SECONDS if self._events is None else float("inf")
        while process.poll() is None:
            if self._stopped.is_set():
                raise Stopped
            now = time.monotonic()
            if started is None and out.exists() and out.stat().st_size:
                started = now
            if started is None and now - began > _START_SECONDS:
                return f"did not start within {_START_SECONDS:g} s"
            if started is not None and now - started > longest:
                return f"killed: had not come back {longest:g} s after it started"
            time.sleep(_LOOK_SECONDS)
        return None


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment of a process: one thread, the same hashes each time, temporary files where they are removed."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONHASHSEED": "0", "TMPDIR": str(folder)}


def _bound_memory(pid: int, memory_mb: int) -> None:
    """Bound the data of a process, where the system can; the process itself looks at its memory once a second."""
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):
        import resource

        most = int(_ROOM * memory_mb * 1e6)
        resource.prlimit(pid, resource.RLIMIT_DATA, (most, most))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_state(out: Path) -> dict[str, Any]:
    """Return the last state that a process has written whole, {} for none."""
    for text in reversed(out.read_text().splitlines() if out.exists() else []):
        with contextlib.suppress(json.JSONDecodeError):
            state: dict[str, Any] = json.loads(text)
            return state
    return {}


def _told(code: int, errors: str) -> str:
    """Return what a process that failed has said last."""
    lines = [line for line in errors.splitlines() if line.strip()]
    last = lines[-1].strip()[:_WORDS_OF_AN_ERROR] if lines else "said nothing"
    return last if code > 0 else f"ended by signal {signal.Signals(-code).name}: {last}"


def run_all(runner: Runner, cells: Iterable[Cell], jobs: int, begun: Callable[[Cell], None]) -> Iterator[dict[str, Any]]:
    """Run cells, `jobs` at the same time; yield their lines as they come. What is running is ended if the caller stops."""

    def one(cell: Cell) -> dict[str, Any]:
        begun(cell)
        return runner.run(cell)

    waiting = iter(cells)
    with ThreadPoolExecutor(jobs) as pool:
        running: set[Future[dict[str, Any]]] = set()
        try:
            while True:
                while len(running) < jobs and (cell := next(waiting, None)) is not None:
                    running.add(pool.submit(one, cell))
                if not running:
                    return
                done, running = wait(running, _AWAKE_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            runner.stop()
