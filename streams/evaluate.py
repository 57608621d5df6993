"""Test-then-train over files, one after another: opens them, runs the loop, and can be interrupted."""

import inspect
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Literal, Self

from ihomer.persistence import ModelFileError
from streams.errors import MalformedEvent, SourceError, in_words
from streams.event import Event, Sink, Source
from streams.files import FORMATS, format_of, limited, open_source, shuffled
from streams.lines import plain_name
from streams.memory import MemorySource
from streams.models import Model, build_model, load_model
from streams.progress import Progress
from streams.recorder import Recorder
from streams.results import Result, result_of
from streams.run import Run
from streams.signals import given_back, heard_once, taken_by

__all__ = ["Interrupts", "Settings", "bundled_yeast", "evaluate", "first_model", "stream_names"]

_MOST_MESSAGES = 3
# One of a list of names: in double quotes, of which one inside is doubled, or without.
_NAME = re.compile(r'(?:^|(?<=,)) *(?:("(?:[^"]|"")*") *(?=,|$)|([^,]*))')
_HAS_NOT = {
    "ignore": "no columns to read past",
    "nominal": "no columns whose numbers could be names",
    "id_column": "no column of ids",
    "decimal": "no decimal mark to choose",
    "label_separator": "no text between labels",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How streams are read, and by what they are predicted.

    Attributes
    ----------
    model, seed, model_options
        As in `build_model`.
    model_from
        File of the model that each stream begins with, as in `load_model`, in place of one that these three describe.
    shuffle
        Seed of the order in which the events come; None for the order of the file.
    limit
        Number of events, after shuffling; None for all.
    delay, window, probabilities, top
        As in `Run`.
    labels
        Names of the labels, their number, or what their names begin with and a ``*``; None if the file says it.
    label_separator
        What stands between labels in the one column that `labels` names; None if each has a column.
    ignore
        Names of columns that are read past; None for none.
    id_column
        Name of the column of ids; None for none.
    nominal
        Names of columns whose numbers are names; None for none.
    decimal
        What stands before the fraction of a number in a CSV file; None as in `CsvSource`.
    format
        Format of the files; None for what their names tell.
    on_error
        Whether a malformed event ends the run, or is counted and stepped over.

    Examples
    --------
    >>> from streams.evaluate import Settings, evaluate
    >>> from streams.progress import Progress
    >>> late = Settings(model="no-change", delay=100)
    >>> f"{evaluate(None, late, Progress('yeast')).scores['total']['example_f1']:.3f}"
    '0.411'
    """

    model: str = "ihomer"
    seed: int = 0
    model_options: dict[str, Any] = field(default_factory=dict)
    model_from: str | None = None
    shuffle: int | None = None
    limit: int | None = None
    delay: int = 0
    window: int = 1000
    probabilities: bool = False
    top: int = 5
    labels: str | None = None
    label_separator: str | None = None
    ignore: str | None = None
    id_column: str | None = None
    nominal: str | None = None
    decimal: Literal[".", ","] | None = None
    format: str | None = None
    on_error: Literal["raise", "skip"] = "raise"

    @property
    def model_name(self) -> str:
        """What the model is called in tables: its own name, or that of its file."""
        return self.model if self.model_from is None else Path(self.model_from).name

    def record(self) -> dict[str, Any]:
        """Return what was set, for a record of results; the settings of a model from a file stand in the file."""
        own = () if self.model_from is None else ("model", "seed", "model_options")
        return {name: value for name, value in asdict(self).items() if name not in own}


class Interrupts:
    """Lets Ctrl-C, SIGTERM and SIGHUP wait while an event is learned and scored, so that both have seen the same events then.

    While the next event is read, and for the second time, they raise KeyboardInterrupt at once; else they are noted. While
    kernels are compiled the first one waits for the compiler, which may not survive what is raised.

    Attributes
    ----------
    noted
        Whether there was one.
    number
        The signal that came last; that of Ctrl-C if there was none.

    Examples
    --------
    >>> import os, signal
    >>> from ihomer.baselines import MajorityLabelset
    >>> from streams.evaluate import Interrupts
    >>> from streams.event import Event
    >>> from streams.progress import Progress
    >>> from streams.run import Run
    >>> def events():
    ...     for day in ["dry", "wet", "dry"]:
    ...         yield Event({}, {day})
    ...     os.kill(os.getpid(), signal.SIGINT)
    ...     yield Event({}, {"never seen"})
    >>> run = Run(MajorityLabelset())
    >>> with Interrupts() as interrupts:
    ...     interrupted = interrupts.finish(run, events(), Progress("days"))
    >>> interrupted, run.n_learned
    (True, 3)
    """

    def __init__(self) -> None:
        self.noted = False
        self.number: int = signal.SIGINT
        self._waits = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = taken_by(self._take)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        given_back(self._before)

    def finish(self, run: Run, events: Iterable[Event], progress: Progress) -> bool:
        """Take a run through its events; return whether it was interrupted on the way.

        Raises
        ------
        KeyboardInterrupt
            If it was interrupted before the model had learned anything.
        """
        try:
            for _ in run.blocks(self._watched(run, events)):
                progress.update(run)
                if self.noted:
                    return True
        except KeyboardInterrupt:
            if not run.is_warm:
                raise
            self.noted = True
        finally:
            self._waits = False
        return self.noted

    def _watched(self, run: Run, events: Iterable[Event]) -> Iterator[Event]:
        for event in events:
            self._waits = run.is_warm
            yield event
            self._waits = False
            if self.noted:
                return
        self._waits = run.is_warm

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        heard_once(number)
        if self.noted or not self._waits:
            raise KeyboardInterrupt
        self.noted = True


class _Skipped:
    """Counts malformed events, and keeps what was said of the first."""

    def __init__(self) -> None:
        self.n_events = 0
        self.messages: list[str] = []

    def __call__(self, error: MalformedEvent) -> None:
        self.n_events += 1
        if len(self.messages) < _MOST_MESSAGES:
            self.messages.append(str(error))


class _UntilFailure:
    """Events, which end where no more can be read; the error is kept, so that those before it are learned and scored first."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.error: SourceError | MalformedEvent | OSError | None = None
        self._events = events

    def __iter__(self) -> Iterator[Event]:
        try:
            yield from self._events
        except (SourceError, MalformedEvent, OSError) as error:
            self.error = error


def bundled_yeast() -> MemorySource:
    """Return the Yeast stream that comes with river: 2417 genes, 103 features, 14 functions as labels.

    Examples
    --------
    >>> from streams.evaluate import bundled_yeast
    >>> len(bundled_yeast())
    2417
    """
    from river import datasets

    yeast: Any = datasets.Yeast
    events = [Event(x, y) for x, y in yeast()]
    return MemorySource(events, labels=events[0].y or ())


def first_model(settings: Settings) -> Model:
    """Return what predicts and learns from the first event on.

    Raises
    ------
    SettingError
        As `build_model`.
    SourceError, OSError
        If the model is to come from a file, which holds none or cannot be read.

    Examples
    --------
    >>> from streams.evaluate import Settings, first_model
    >>> first_model(Settings(model="mlhat", seed=7)).seed
    7
    """
    if settings.model_from is None:
        return build_model(settings.model, settings.seed, settings.model_options)
    try:
        return load_model(Path(settings.model_from))
    except ModelFileError as error:
        raise SourceError(str(error)) from None


def stream_names(files: Sequence[Path]) -> list[str]:
    """Return a short name for each file; the whole path where a short one would stand twice.

    Examples
    --------
    >>> from pathlib import Path
    >>> from streams.evaluate import stream_names
    >>> stream_names([Path("data/yeast.arff.gz"), Path("old/scene.csv"), Path("new/scene.csv")])
    ['yeast', 'old/scene.csv', 'new/scene.csv']
    """
    short = [Path(plain_name(file.name)).stem for file in files]
    times = Counter(short)
    return [name if times[name] == 1 else str(file) for name, file in zip(short, files, strict=True)]


def reader_options(file: Path, settings: Settings) -> dict[str, Any]:
    """Return the options that the reader of a file is given.

    Raises
    ------
    SourceError
        If the format is unknown, its reader cannot be told the labels in that way or something else that is set, or a name is
        empty.
    """
    kind = settings.format or format_of(file)
    taken = inspect.signature(FORMATS[kind]).parameters
    columns = {"ignore": settings.ignore, "nominal": settings.nominal}
    options: dict[str, Any] = {name: _names(text, f"names for {name}") for name, text in columns.items() if text is not None}
    others = {"id_column": settings.id_column, "decimal": settings.decimal, "label_separator": settings.label_separator}
    options |= {name: value for name, value in others.items() if value is not None}
    for option in options:
        if option not in taken:
            raise SourceError(f"{file}: a {kind} file has {_HAS_NOT[option]}, as {getattr(settings, option)!r}")
    text = settings.labels
    if text is not None:
        option, value = _labels_option(text)
        counted = isinstance(value, int)
        if option not in taken or (counted and kind == "jsonl"):
            how = "prefix" if option == "label_prefix" else "number" if counted else "name"
            advice = "" if settings.format else f"; if it is no {kind} file, give --format"
            raise SourceError(f"{file}: labels of a {kind} file cannot be given by their {how}, as in {text!r}{advice}")
        options[option] = value
    return options


def _labels_option(text: str) -> tuple[str, Any]:
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return "labels", int(text)
    if text.endswith("*") and "," not in text:
        return "label_prefix", text[:-1]
    return "labels", _names(text, "labels")


def _names(text: str, what: str) -> list[str]:
    """Return the names in a list of them: what stands in double quotes as it is, without quotes what is between commas."""
    names = []
    for quoted, plain in _NAME.findall(text):
        name = plain.strip()
        if not name and not quoted:
            raise SourceError(f"{text!r} has an empty name among the {what}; \"''\" is a column without a name")
        names.append(quoted[1:-1].replace('""', '"') if quoted else "" if name == "''" else name)
    return names


def _as_text(file: Path) -> str:
    """Return the path of a file as valid Unicode: bytes that are none become escapes."""
    return str(file).encode("utf-8", errors="backslashreplace").decode("utf-8")


def _open(file: Path | None, settings: Settings, on_malformed: Callable[[MalformedEvent], object]) -> Source:
    if file is None:
        source: Source = bundled_yeast()
    else:
        on_error: Any = on_malformed if settings.on_error == "skip" else "raise"
        options = reader_options(file, settings)
        source = open_source(file, format=settings.format, on_error=on_error, **options)
    return source if settings.shuffle is None else shuffled(source, settings.shuffle)


def evaluate(
    file: Path | None,
    settings: Settings,
    progress: Progress,
    *,
    sink: Sink | None = None,
    interrupts: Interrupts | None = None,
    recorder: Recorder | None = None,
    model: Model | None = None,
    on_partial: Callable[[Result], object] | None = None,
) -> Result:
    """Predict, learn and score the events of one file, beside the previous-labelset baseline.

    Parameters
    ----------
    file
        The file; None for the bundled Yeast stream.
    settings
        How.
    progress
        Shows how far it is; its stream is the name of the result.
    sink
        Takes the predictions.
    interrupts
        Where it is noted that the run is to end early.
    recorder
        Watches the run, for a report.
    model
        What predicts and learns; None for what `first_model` makes of `settings`.
    on_partial
        Takes what came out of the events before an error, if any was scored, before the error is raised. Where no more could
        be read, it is what a file would give that ends there.

    Raises
    ------
    SourceError, OSError
        If the file cannot be read, has no event, all of its events were to be skipped, or none has labels; or as `first_model`.
    MalformedEvent
        If an event is malformed and not to be skipped.
    SettingError
        As `build_model`.
    KeyboardInterrupt
        On Ctrl-C before anything is learned, or without `interrupts`; with them on SIGTERM and SIGHUP too.

    Examples
    --------
    >>> from streams.evaluate import Settings, evaluate
    >>> from streams.progress import Progress
    >>> result = evaluate(None, Settings(model="majority", limit=500), Progress("yeast"))
    >>> print(f"{result.scores['total']['micro_f1']:.3f} {result.baseline['total']['micro_f1']:.3f}")
    0.513 0.452
    """
    interrupts = interrupts or Interrupts()
    skipped = _Skipped()
    if model is None:
        model = first_model(settings)
    with progress, _open(file, settings, skipped) as source:
        total = len(source) if isinstance(source, MemorySource) else None
        if settings.limit is not None:
            source = limited(source, settings.limit)
            total = min(settings.limit, total if total is not None else settings.limit)
        run = Run(
            model,
            labels=source.labels,
            delay=settings.delay,
            window=settings.window,
            probabilities=settings.probabilities,
            sink=sink,
            source={"dataset": "yeast"} if file is None else {"file": _as_text(file)},
            top=settings.top,
            on_refused=skipped if settings.on_error == "skip" else None,
            recorder=recorder,
        )
        progress.begin(total)
        interrupted = False
        try:
            interrupted = _finish(run, source, interrupts, progress)
        except (SourceError, MalformedEvent, OSError) as error:
            if on_partial is not None and run.scoring.n_scored:
                on_partial(_so_far(run, progress.stream, skipped, error=in_words(error)))
            raise
        if skipped.n_events and run.n_read == run.n_refused:
            raise SourceError(f"no event was left of {skipped.n_events:,}, all were skipped: {skipped.messages[0]}")
        if not run.n_read and settings.limit != 0 and not interrupted:
            raise SourceError(f"{file}: there is no event in it")
        if run.n_predicted and not run.scoring.n_scored and not interrupted:
            raise SourceError(f"{file}: none of {run.n_predicted:,} events has labels, there is nothing to learn")
        return _so_far(run, progress.stream, skipped, interrupted=interrupted)


def _finish(run: Run, source: Source, interrupts: Interrupts, progress: Progress) -> bool:
    """Take a run through all events that can be read, whatever comes after them; return whether it was interrupted."""
    events = _UntilFailure(source)
    interrupted = interrupts.finish(run, events, progress)
    if events.error is not None:
        raise events.error
    return interrupted


def _so_far(run: Run, stream: str, skipped: _Skipped, *, interrupted: bool = False, error: str | None = None) -> Result:
    run.record()
    return result_of(
        run,
        stream,
        n_malformed=skipped.n_events - run.n_refused,  # a refused event that is raised is none that is skipped: -1 then
        skipped=skipped.messages,
        interrupted=interrupted,
        error=error,
    )
