"""The command `ihomer`."""

import json
import os
import stat
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

if TYPE_CHECKING:
    from rich.console import Console

    from streams.evaluate import Settings
    from streams.event import Sink
    from streams.results import Result

__all__ = ["main"]

FAILED, INTERRUPTED = 2, 130

# Named here too, so that --help need not wait for what they stand for.
_MODELS = ("ihomer", "paper", "mlhat", "majority", "no-change")
_FORMATS = ("arff", "csv", "jsonl", "libsvm", "parquet", "xmc")

_AT_LEAST_0, _AT_LEAST_1 = click.IntRange(0), click.IntRange(1)


class _OneLineErrors(click.Group):
    """A group of commands whose errors are one line on standard error, with exit code 2."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and, unless `standalone_mode` is off, leave Python with its exit code."""
        try:
            code = super().main(args, prog_name, complete_var, False, **extra)
        except click.ClickException as error:
            if not standalone_mode:
                raise
            click.echo(f"ihomer: {' '.join(error.format_message().split())}", err=True)
            sys.exit(FAILED)
        except click.Abort:
            if not standalone_mode:
                raise
            sys.exit(INTERRUPTED)
        if not standalone_mode:
            return code
        sys.exit(code if isinstance(code, int) else 0)


class _JsonFile:
    """A file for one JSON object, opened before the run so that it does not run in vain; "-" is standard output.

    What the file held stays until `write`. A file that was made and not written to is removed again.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._is_new = False
        if path != "-":
            self._is_new = not os.path.lexists(path)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            if self._is_new:
                os.remove(self._path)

    def write(self, record: Any) -> None:
        """Write the object and close the file."""
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        raw = text.encode("utf-8", errors="backslashreplace")
        if self._descriptor is None:
            click.echo(raw, nl=False)
            return
        if stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            os.ftruncate(self._descriptor, 0)
        with os.fdopen(self._descriptor, "wb") as file:
            self._descriptor = None
            file.write(raw)


def _model_options(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
    """Return KEY=VALUE texts as a dictionary; a value that is no JSON is a text."""
    options: dict[str, Any] = {}
    for text in texts:
        key, _, value = text.partition("=")
        if not (key and value):
            raise click.BadParameter(f"{text!r} is not KEY=VALUE")
        if key in options:
            raise click.BadParameter(f"{key} is given twice")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return options


@click.group(cls=_OneLineErrors, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ihomer", prog_name="ihomer", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Learn multi-label data streams: online label clusters, one adaptive tree for each."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@main.command("evaluate")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--model", type=click.Choice(_MODELS), default="ihomer", show_default=True, help="What learns.")
@click.option(
    "--model-option",
    "model_options",
    metavar="KEY=VALUE",
    multiple=True,
    callback=_model_options,
    help="A setting of the model; the value is JSON. Can be given several times.",
)
@click.option("--seed", type=_AT_LEAST_0, metavar="N", default=0, show_default=True, help="Seed of the model.")
@click.option("--labels", metavar="NAMES", help="The labels: NAME,NAME,... or PREFIX* or the first N columns (last: -N).")
@click.option("--format", "file_format", type=click.Choice(_FORMATS), help="Format of the files, if their names do not tell.")
@click.option("--shuffle", type=_AT_LEAST_0, metavar="SEED", help="Shuffle the events; all are read into memory.")
@click.option("--limit", type=_AT_LEAST_0, metavar="N", help="Take the first N events, after shuffling.")
@click.option(
    "--delay",
    type=_AT_LEAST_0,
    metavar="N",
    default=0,
    help="Labels arrive N events late: the model learns an event when N later ones have been predicted.",
)
@click.option(
    "--on-error",
    type=click.Choice(("raise", "skip")),
    default="raise",
    show_default=True,
    help="What a malformed event does: end the run, or be counted and left out.",
)
@click.option("--window", type=_AT_LEAST_1, metavar="N", default=1000, show_default=True, help="Events of running scores.")
@click.option(
    "--proba",
    "probabilities",
    is_flag=True,
    help="Ask for probabilities too, for precision@1/3/5, log-loss and --predictions. Without it events go through the "
    "model many at a time; with it each is predicted twice, one by one, which takes longer.",
)
@click.option(
    "--top", type=_AT_LEAST_1, metavar="K", default=5, show_default=True, help="Probabilities in each of the --predictions."
)
@click.option("--json", "json_path", metavar="OUT", help="Write settings and results; - is standard output.")
@click.option("--predictions", "predictions_path", metavar="OUT", help="Write each prediction, as JSON lines.")
@click.option("--quiet", is_flag=True, help="Show nothing but errors.")
@click.pass_context
def _evaluate(
    context: click.Context,
    /,
    files: tuple[Path, ...],
    file_format: str | None,
    json_path: str | None,
    predictions_path: str | None,
    quiet: bool,
    **given: Any,
) -> None:
    """Test, then train: predict each event of FILE, then learn it.

    Prints the scores beside those of predicting the labels of the event before, what happened in the model, and the label
    clusters it found. Several files come one after another, each with a new model. Without FILE: the Yeast stream (2,417
    genes, 14 labels) that comes with river.

    ARFF files find their labels in an .xml file beside them (MULAN) or in their relation (MEKA).

    Ctrl-C ends the run and prints what there is so far (exit code 130).
    """
    from streams.errors import MalformedEvent, SourceError
    from streams.evaluate import Settings
    from streams.jsonlines import JsonLinesSink

    settings = Settings(**given, format=file_format)
    try:
        _check(files, settings)
        with ExitStack() as stack:
            json_file = None if json_path is None else stack.enter_context(_JsonFile(json_path))
            sink = None if predictions_path is None else stack.enter_context(JsonLinesSink(predictions_path))
            results, interrupted = _evaluate_all(files, settings, sink, quiet, json_path == "-")
            if json_file is not None:
                json_file.write(_summary(files, settings, results, interrupted))
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        raise click.ClickException(f"{place}{error.strerror or error}") from None
    except (SourceError, MalformedEvent) as error:
        raise click.ClickException(str(error)) from None
    if interrupted:
        context.exit(INTERRUPTED)


def _check(files: Sequence[Path], settings: "Settings") -> None:
    """Raise what can be raised before anything is opened for writing."""
    from streams.evaluate import reader_options
    from streams.models import SettingError, build_model

    try:
        build_model(settings.model, settings.seed, settings.model_options)
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
    progress = Console(stderr=True)
    return progress, progress if standard_output_is_taken else Console()


def _evaluate_all(
    files: Sequence[Path], settings: "Settings", sink: "Sink | None", quiet: bool, standard_output_is_taken: bool
) -> "tuple[list[Result], bool]":
    """Evaluate one file after another; return the results so far, and whether Ctrl-C has ended it."""
    from streams.evaluate import Interrupts, evaluate, stream_names
    from streams.progress import progress_on
    from streams.report import print_means, print_result

    to_watch, to_read = _consoles(quiet, standard_output_is_taken)
    results: list[Result] = []
    with Interrupts() as interrupts:
        try:
            streams: Sequence[tuple[Path | None, str]] = list(zip(files, stream_names(files), strict=True))
            for file, name in streams or [(None, "yeast")]:
                progress = progress_on(to_watch, name, settings.window)
                results.append(evaluate(file, settings, progress, sink=sink, interrupts=interrupts))
                if to_read is not None:
                    print_result(to_read, results[-1], settings.model)
                if results[-1].interrupted:
                    return results, True
        except KeyboardInterrupt:
            return results, True
    if to_read is not None and len(results) > 1:
        print_means(to_read, results, settings.model)
    return results, False


def _summary(files: Sequence[Path], settings: "Settings", results: "Sequence[Result]", interrupted: bool) -> dict[str, Any]:
    from streams.results import summary_record

    record = summary_record(results, {"files": [str(file) for file in files], **asdict(settings)})
    return {**record, "interrupted": interrupted}
