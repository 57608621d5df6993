"""The command `ihomer evaluate`."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.common import (
    AT_LEAST_0,
    AT_LEAST_1,
    BASELINES,
    FORMATS,
    MODEL_OPTION_OF,
    MODELS,
    SEED_OF,
    STANDARD_OUTPUT,
    OutputFile,
    StandardWriter,
    is_given,
    model_options,
    refuse_other_models,
    require_standard_output,
    tell,
)
from streams.errors import in_words, naming

if TYPE_CHECKING:
    from rich.console import Console

    from streams.evaluate import Interrupts, Settings
    from streams.event import Sink
    from streams.models import Model
    from streams.results import Failure, Result

__all__ = ["command"]


_OF_FILES = {
    "--labels": "labels",
    "--label-separator": "label_separator",
    "--ignore": "ignore",
    "--id": "id_column",
    "--nominal": "nominal",
    "--decimal": "decimal",
    "--format": "format",
}


@dataclass(slots=True)
class _Outcome:
    """What came out of the files so far.

    Attributes
    ----------
    results
        What came out of each file that has come to its end.
    pages
        What a report shows of each; None if there is to be none.
    failed
        What there is of those that something has ended before.
    signal
        What has ended the run early; None if no signal has.
    is_interrupted
        Whether the last file has not come, or not to its end: because of a signal, or since an output failed.
    """

    pages: list[dict[str, Any]] | None
    results: "list[Result]" = field(default_factory=list)
    failed: "list[Failure]" = field(default_factory=list)
    signal: int | None = None
    is_interrupted: bool = True

    @property
    def is_learned(self) -> bool:
        """Whether the last file has been learned to its end."""
        return bool(self.results) and not self.results[-1].interrupted


@click.command("evaluate")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--model",
    type=click.Choice(MODELS),
    default="ihomer",
    show_default=True,
    help="What learns: the default model, the published one, its tree alone; or a baseline: the most frequent labelset so far, "
    "or that of the event before.",
)
@click.option(
    "--model-option",
    "model_options",
    metavar="KEY=VALUE",
    multiple=True,
    callback=model_options,
    help=MODEL_OPTION_OF,
)
@click.option("--seed", type=AT_LEAST_0, metavar="N", default=0, show_default=True, help=SEED_OF)
@click.option(
    "--labels",
    metavar="NAMES",
    help="The labels: NAME,NAME,... (any format but libsvm and XMC), or the first N columns, the last with -N (ARFF, CSV, "
    "Parquet), or PREFIX* (CSV, Parquet), or the NAME of one column that lists those that apply (Parquet; CSV with "
    "--label-separator). A name that has a comma, is a number or ends in * stands in double quotes.",
)
@click.option(
    "--label-separator", metavar="TEXT", help="What stands between the labels in the one column that --labels names (CSV)."
)
@click.option(
    "--ignore", metavar="NAMES", help="Columns to read past, as ids, times and texts: NAME,NAME,... (ARFF, CSV, Parquet)."
)
@click.option("--id", "id_column", metavar="NAME", help="Column of ids, which --predictions then name (CSV, Parquet).")
@click.option("--nominal", metavar="NAMES", help="Columns whose numbers are names, as postcodes: NAME,NAME,... (CSV).")
@click.option(
    "--decimal", type=click.Choice((".", ",")), help="Decimal mark; by default , where ; stands between cells, else . (CSV)."
)
@click.option("--format", "file_format", type=click.Choice(FORMATS), help="Format of the files, if their names do not tell.")
@click.option("--shuffle", type=AT_LEAST_0, metavar="SEED", help="Shuffle the events; all are read into memory.")
@click.option("--limit", type=AT_LEAST_0, metavar="N", help="Take the first N events, after shuffling.")
@click.option(
    "--delay",
    type=AT_LEAST_0,
    metavar="N",
    default=0,
    help="Labels arrive N events late: the model learns an event when N later ones have been predicted.",
)
@click.option(
    "--on-error",
    type=click.Choice(("raise", "skip")),
    default="raise",
    show_default=True,
    help="What a malformed event does: end the run, or be counted and left out. It is an error if all are.",
)
@click.option("--window", type=AT_LEAST_1, metavar="N", default=1000, show_default=True, help="Events of running scores.")
@click.option(
    "--proba",
    "probabilities",
    is_flag=True,
    help="Ask for probabilities too, for precision@1/3/5, log-loss (a label that applies before it has a probability costs "
    "34.5, which outweighs all else in a short stream) and --predictions. Without it events go through the "
    "model many at a time; with it each is predicted twice, one by one, which takes longer.",
)
@click.option(
    "--top", type=AT_LEAST_1, metavar="K", default=5, show_default=True, help="Probabilities in each of the --predictions."
)
@click.option("--json", "json_path", metavar="OUT", help="Write settings and results; - is standard output.")
@click.option(
    "--predictions", "predictions_path", metavar="OUT", help="Write each prediction, as JSON lines; - is standard output."
)
@click.option(
    "--report",
    "report_path",
    metavar="OUT.html",
    help="Write a page to look at: scores, clusters, experts, speed and memory over time, labels, calibration, errors. "
    "Watching slows the first few thousand events down.",
)
@click.option(
    "--model-to",
    "model_path",
    metavar="OUT",
    help="Write the model as it is after FILE, for `ihomer run --model-from` and for Python; none if FILE is not read to its "
    "end.",
)
@click.option(
    "--model-from",
    metavar="FILE",
    help="Begin each FILE with a model that has learned already: a file of --model-to, of `ihomer inspect --model-to`, or of "
    "`save`.",
)
@click.option("--quiet", is_flag=True, help="Show nothing but errors.")
@click.pass_context
def command(
    context: click.Context,
    /,
    files: tuple[Path, ...],
    file_format: str | None,
    json_path: str | None,
    predictions_path: str | None,
    report_path: str | None,
    model_path: str | None,
    quiet: bool,
    **given: Any,
) -> None:
    """Test, then train: predict each event of FILE, then learn it.

    Prints the scores beside those of predicting the labels of the event before, what happened in the model, and the label
    clusters it found. Several files come one after another, each with a new model, or as --model-from brings it. Without FILE:
    the Yeast stream (2,417 genes, 14 labels) that comes with river.

    An event in a file of JSON lines is {"id": "...", "x": {"name": value}, "y": ["label"], "w": 1}; only x must be. It counts
    in all scores as often as its weight w says. --labels then names labels that are known from the start. ARFF files find their
    labels in an .xml file beside them (MULAN), in their relation (MEKA) or in a line @outputs (KEEL).

    Ctrl-C, SIGTERM and SIGHUP end the run, which prints and writes what there is so far (exit codes 130, 143, 129). A file that
    cannot be read to its end has partial scores, of the events before the error; they stand in no mean, the other files are
    evaluated all the same, and the exit code is 2.
    """
    from streams.errors import MalformedEvent, SourceError
    from streams.evaluate import Settings, first_model

    if given["model_from"] is not None:
        refuse_other_models(context, bool(given["model_options"]))
    settings = Settings(**given, format=file_format)
    if not files and (ignored := [option for option, name in _OF_FILES.items() if getattr(settings, name) is not None]):
        raise click.UsageError(f"{' and '.join(ignored)} without FILE: what is evaluated then is the Yeast stream")
    if is_given(context, "top") and (predictions_path is None or not settings.probabilities):
        raise click.UsageError("--top goes with --predictions and --proba: without both, no probabilities are written")
    if model_path is not None and len(files) > 1:
        raise click.UsageError("--model-to goes with one FILE: each has a model of its own")
    if model_path is not None and settings.model in BASELINES:
        raise click.UsageError(f"--model-to keeps what a live run can begin with, and {settings.model} is a baseline")
    outputs = {"--json": json_path, "--predictions": predictions_path, "--report": report_path, "--model-to": model_path}
    to_standard_output = [option for option, path in outputs.items() if path == "-"]
    if len(to_standard_output) > 1:
        raise click.UsageError(f"{' and '.join(to_standard_output)} cannot both go to standard output")
    outcome = _Outcome(pages=None if report_path is None else [])
    try:
        _check(files, settings)
        _require_different_files(files, outputs, settings)
        with ExitStack() as stack:
            json_file, report_file, model_file = (
                None if path is None else stack.enter_context(OutputFile(path)) for path in (json_path, report_path, model_path)
            )
            sink = None if predictions_path is None else stack.enter_context(_open_sink(predictions_path))
            model = None if model_file is None else first_model(settings)
            try:
                _evaluate_all(files, settings, outcome, sink, _consoles(quiet, bool(to_standard_output)), model)
            finally:
                _keep(outcome, files, settings, json_file, report_file, model_file, model)
            # In here: predictions of which there is none yet do not replace those of an earlier run.
            if outcome.signal is not None:
                if model_path is not None and not outcome.is_learned:
                    tell(click.ClickException(f"interrupted; no model is written to {model_path}"))
                context.exit(128 + outcome.signal)
            if outcome.failed:
                names = ", ".join(failure.stream for failure in outcome.failed)
                raise click.ClickException(f"{len(outcome.failed)} of {len(files)} files failed: {names}")
    except (OSError, SourceError, MalformedEvent) as error:
        without = f"; no model is written to {model_path}" if model_path is not None and outcome.failed else ""
        raise click.ClickException(f"{in_words(error)}{without}") from None


def _open_sink(path: str) -> "AbstractContextManager[Sink]":
    from streams.jsonlines import JsonLinesSink

    return StandardWriter() if path == "-" else JsonLinesSink(path)


def _require_different_files(files: Sequence[Path], outputs: dict[str, str | None], settings: "Settings") -> None:
    """Refuse an output that is one of the files read, or another output: it would be overwritten."""
    from streams.files import files_read

    read = (part for file in files for part in files_read(file, settings.format))
    taken = {_identity(file): "a file that is read" for file in read}
    model = None if settings.model_from is None else _identity(Path(settings.model_from))
    for option, given in outputs.items():
        if given is None or given == "-" or Path(given).is_char_device():
            continue
        if option != "--model-to" and _identity(Path(given)) == model:
            raise click.UsageError(f"{option} {given} is also the file of the model")
        file = _identity(Path(given))
        if file in taken:
            raise click.UsageError(f"{option} {given} is also {taken[file]}")
        taken[file] = option


def _identity(path: Path) -> str | tuple[int, int]:
    """Return what is the same for all names of a file."""
    try:
        found = path.stat()
    except OSError:
        return os.path.realpath(path)
    return found.st_dev, found.st_ino


def _check(files: Sequence[Path], settings: "Settings") -> None:
    """Raise what can be raised before anything is opened for writing."""
    from streams.evaluate import first_model, reader_options
    from streams.models import SettingError

    try:
        first_model(settings)
    except SettingError as error:
        raise click.UsageError(str(error)) from None
    for file in files:
        # A pipe can be opened only once.
        if not file.is_fifo():
            file.open("rb").close()
        reader_options(file, settings)


def _consoles(quiet: bool, standard_output_is_taken: bool) -> "tuple[Console | None, Console | None]":
    """Return where progress and where results are shown."""
    from rich.console import Console

    if quiet:
        return None, None
    if not standard_output_is_taken:
        require_standard_output()
    progress = Console(stderr=True)
    return progress, progress if standard_output_is_taken else Console()


def _evaluate_all(
    files: Sequence[Path],
    settings: "Settings",
    outcome: "_Outcome",
    sink: "Sink | None",
    consoles: "tuple[Console | None, Console | None]",
    model: "Model | None",
) -> None:
    """Evaluate one file after another, with `model` if it is not None, and note what comes out of each.

    One of several that cannot be read to its end is told of, and the next one comes.
    """
    from streams.errors import MalformedEvent, SourceError
    from streams.evaluate import Interrupts, stream_names
    from streams.report import print_means

    to_read = consoles[1]
    streams: Sequence[tuple[Path | None, str]] = list(zip(files, stream_names(files), strict=True))
    with Interrupts() as interrupts:
        try:
            for file, name in streams or [(None, "yeast")]:
                try:
                    _evaluate_one(file, name, settings, outcome, sink, consoles, model, interrupts)
                except (SourceError, MalformedEvent, OSError) as error:
                    of_output = isinstance(error, OSError) and error.filename != str(file)
                    if of_output:
                        raise
                    if len(files) <= 1:
                        outcome.is_interrupted = False
                        raise
                    tell(click.ClickException(in_words(error)))
        except KeyboardInterrupt:
            outcome.signal = interrupts.number
            return
    outcome.is_interrupted = False
    if to_read is not None and len(outcome.results) > 1:
        with naming(STANDARD_OUTPUT):
            print_means(to_read, outcome.results, settings.model_name)


def _evaluate_one(
    file: Path | None,
    name: str,
    settings: "Settings",
    outcome: "_Outcome",
    sink: "Sink | None",
    consoles: "tuple[Console | None, Console | None]",
    model: "Model | None",
    interrupts: "Interrupts",
) -> None:
    """Evaluate a file, note and show what came out, also of a part; raise KeyboardInterrupt if a signal has ended it before."""
    from streams.errors import MalformedEvent, SourceError
    from streams.evaluate import evaluate
    from streams.html_report import page_of
    from streams.progress import progress_on
    from streams.recorder import Recorder
    from streams.report import print_result
    from streams.results import Failure

    to_watch, to_read = consoles
    progress = progress_on(to_watch, name, settings.window)
    recorder = None if outcome.pages is None else Recorder()
    partial: list[Result] = []

    def show(result: "Result") -> None:
        if outcome.pages is not None and recorder is not None:
            outcome.pages.append(page_of(recorder, result, settings, file))
        if to_read is not None:
            with naming(STANDARD_OUTPUT):
                print_result(to_read, result, settings.model_name)

    try:
        result = evaluate(
            file, settings, progress,
            sink=sink, interrupts=interrupts, recorder=recorder, model=model, on_partial=partial.append,
        )  # fmt: skip
    except (SourceError, MalformedEvent, OSError) as error:
        outcome.failed.append(Failure(name, in_words(error), partial[0] if partial else None))
        for result in partial:
            show(result)
        raise
    outcome.results.append(result)
    show(result)
    if result.interrupted:
        raise KeyboardInterrupt


def _keep(
    outcome: "_Outcome",
    files: Sequence[Path],
    settings: "Settings",
    json_file: OutputFile | None,
    report_file: OutputFile | None,
    model_file: OutputFile | None,
    model: "Model | None",
) -> None:
    """Write what was measured and learned, whatever came after it."""
    is_measured = outcome.results or any(failure.partial is not None for failure in outcome.failed)
    if json_file is not None and (is_measured or outcome.signal is not None):
        json_file.write(_summary(files, settings, outcome))
    if report_file is not None and outcome.pages:
        report_file.write_text(_page(outcome.pages, outcome.failed))
    if model_file is not None and outcome.is_learned:
        model_file.write_raw(_packed(model))


def _packed(model: "Model | None") -> bytes:
    from ihomer.persistence import KINDS, pack

    return pack(model, KINDS)


def _page(pages: Sequence[dict[str, Any]], failed: "Sequence[Failure]") -> str:
    from streams.html_report import report_page

    return report_page(pages, f"ihomer: {', '.join(page['stream'] for page in pages)}", failed)


def _summary(files: Sequence[Path], settings: "Settings", outcome: "_Outcome") -> dict[str, Any]:
    from streams.results import summary_record

    told = {"files": [str(file) for file in files], **settings.record()}
    return summary_record(outcome.results, told, failed=outcome.failed, interrupted=outcome.is_interrupted)
