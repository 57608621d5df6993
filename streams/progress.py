"""How far a run is: in place on a terminal, a line now and then elsewhere, or nothing."""

import time
from contextlib import ExitStack
from threading import Thread
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ihomer.kernels.compiling import watched_compilation
from ihomer.printable import counted, printable
from streams.report import SCORES
from streams.run import MODEL, Run

__all__ = ["LineProgress", "LiveProgress", "Progress", "progress_on"]

_RUNNING = ("subset_accuracy", "example_f1", "micro_f1")
_READING = "reading"
COMPILING = "compiling (first run only)"

_SLOW_START = 2.0  # seconds without a learned event, after which they are counted
_BETWEEN_LINES = 10.0
_BETWEEN_READINGS = 0.25


class Progress:
    """Shows nothing; the others show something in the same calls.

    Parameters
    ----------
    stream
        Name of the stream.
    window
        Number of events of the reading "window".

    Examples
    --------
    >>> from streams.progress import Progress
    >>> with Progress("yeast") as progress:
    ...     progress.begin(total=2417)
    >>> progress.total
    2417
    """

    def __init__(self, stream: str, window: int = 1000) -> None:
        self.stream = printable(stream)
        self.window = window
        self.total: int | None = None
        self._watch = ExitStack()

    def __enter__(self) -> Self:
        self._watch.enter_context(watched_compilation(self.compile))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._watch.close()
        self.stop()

    def begin(self, total: int | None) -> None:
        """The source is open, and the model comes next; `total`: number of events, if it is known."""
        self.total = total

    def compile(self) -> None:
        """Kernels are being compiled: no machine code of an earlier process is there."""

    def update(self, run: Run) -> None:
        """Some more events are done."""

    def stop(self) -> None:
        """Leave the screen as it was."""


class LineProgress(Progress):
    """Writes a plain line every ten seconds, and one when kernels are being compiled.

    Parameters
    ----------
    console
        Where the lines go.
    stream, window
        As in `Progress`.

    Examples
    --------
    >>> import io
    >>> from rich.console import Console
    >>> from streams.progress import LineProgress
    >>> console = Console(file=io.StringIO())
    >>> with LineProgress(console, "yeast") as progress:
    ...     progress.begin(total=2417)
    >>> console.file.getvalue()
    ''
    """

    def __init__(self, console: Console, stream: str, window: int = 1000) -> None:
        super().__init__(stream, window)
        self._console = console
        self._next_line: float | None = None  # not before the model is warm
        self._telling: Thread | None = None

    def compile(self) -> None:
        # Not in here: an error of the console would come out of Numba, and leave the model half-way.
        self._telling = Thread(target=self._write, args=[COMPILING], daemon=True)
        self._telling.start()

    def stop(self) -> None:
        if self._telling is not None:
            self._telling.join()

    def update(self, run: Run) -> None:
        if self._next_line is None and run.is_warm:
            self._next_line = time.monotonic() + _BETWEEN_LINES
        if self._next_line is None or time.monotonic() < self._next_line:
            return
        self._next_line = time.monotonic() + _BETWEEN_LINES
        scores = run.scoring.scores(MODEL, "window")
        shown = [f"{SCORES[name].title} {scores[name]:.3f}" for name in _RUNNING]
        done = ", ".join(filter(None, [_count(run.n_predicted, self.total), _rate(run)]))
        self._write(f"{done}; last {self.window:,}: {', '.join(shown)}")

    def _write(self, text: str) -> None:
        self._console.print(f"{self.stream}: {text}", markup=False, highlight=False, soft_wrap=True)


class LiveProgress(Progress):
    """A bar, the rate and the running scores, in place; gone when the run is over.

    Parameters
    ----------
    console
        The terminal.
    stream, window
        As in `Progress`.

    Examples
    --------
    >>> from rich.console import Console
    >>> from streams.progress import LiveProgress
    >>> Console(width=60).print(LiveProgress(Console(), "yeast"))  # doctest: +ELLIPSIS
     yeast  ...  reading
    """

    def __init__(self, console: Console, stream: str, window: int = 1000) -> None:
        super().__init__(stream, window)
        self._spinner = Spinner("dots", style="cyan")
        self._since = time.monotonic()
        self._n_done = 0
        self._rate = ""
        self._readings: dict[str, dict[str, float]] = {}
        self._next_reading = 0.0
        self._begun = self._compiles = False
        self._live = Live(self, console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return super().__enter__()

    def begin(self, total: int | None) -> None:
        super().begin(total)
        self._begun = True
        self._since = time.monotonic()

    def compile(self) -> None:
        self._compiles = True

    def update(self, run: Run) -> None:
        now = time.monotonic()
        if not run.is_warm or now < self._next_reading:
            return
        self._next_reading = now + _BETWEEN_READINGS
        scoring = run.scoring
        self._readings = {f"last {self.window:,}": scoring.scores(MODEL, "window"), "total": scoring.scores(MODEL)}
        self._rate = _rate(run)
        self._n_done = run.n_predicted

    def stop(self) -> None:
        self._live.stop()

    def __rich__(self) -> RenderableType:
        """Return what is on the screen now."""
        line = Table.grid(padding=(0, 2))
        stream = Text(self.stream, style="bold", overflow="ellipsis", no_wrap=True)
        if not self._readings:
            waited = time.monotonic() - self._since
            state = _READING if not self._begun else COMPILING if self._compiles else "starting"
            line.add_row(stream, self._spinner, f"{state}, {waited:.0f} s" if waited > _SLOW_START else state)
            return _inset(line)
        bar = ProgressBar(self.total, self._n_done, 24, complete_style="cyan") if self.total else self._spinner
        line.add_row(stream, bar, _count(self._n_done, self.total), Text(self._rate, style="cyan"))
        return _inset(Group(line, self._scores()))

    def _scores(self) -> Table:
        table = Table.grid(padding=(0, 3))
        table.add_column(style="dim")
        for _ in _RUNNING:
            table.add_column(justify="right")
        table.add_row("", *(Text(SCORES[name].title, style="dim") for name in _RUNNING))
        for reading, scores in self._readings.items():
            table.add_row(reading, *(f"{scores[name]:.3f}" for name in _RUNNING))
        return table


def progress_on(console: Console | None, stream: str, window: int) -> Progress:
    """Return the progress that suits a console: in place, by lines, or none if there is no console."""
    if console is None:
        return Progress(stream, window)
    in_place = console.file.isatty() and not console.is_dumb_terminal
    return (LiveProgress if in_place else LineProgress)(console, stream, window)


def _inset(renderable: RenderableType) -> Padding:
    """Return it in line with the tables; not as wide as the screen, or the ^C of a terminal would begin a new line."""
    return Padding(renderable, (0, 1), expand=False)


def _count(n_done: int, total: int | None) -> str:
    return counted(n_done, "event") if total is None else f"{n_done:,} of {counted(total, 'event')}"


def _rate(run: Run) -> str:
    rate = run.events_per_second
    return "" if rate is None else f"{rate:,.0f} events/s"
