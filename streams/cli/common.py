"""What the commands share: exit codes, choices, one-line errors, a file for JSON."""

import errno
import json
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click
from click.core import ParameterSource

from streams.errors import in_words, naming

if TYPE_CHECKING:
    from streams.event import Record

__all__ = [
    "AT_LEAST_0",
    "AT_LEAST_1",
    "BASELINES",
    "CLASSIFIERS",
    "FAILED",
    "FORMATS",
    "INTERRUPTED",
    "MODELS",
    "MODEL_OPTION_OF",
    "SECONDS_OF",
    "SEED_OF",
    "STANDARD_OUTPUT",
    "OneLineErrors",
    "OutputFile",
    "StandardWriter",
    "Time",
    "drop_what_nobody_reads",
    "is_given",
    "model_options",
    "of_system",
    "one_line",
    "refuse_other_models",
    "require_standard_output",
    "tell",
]

FAILED, INTERRUPTED = 2, 130
STANDARD_OUTPUT = "standard output"

# Named here too, so that --help need not wait for what they stand for.
BASELINES = ("majority", "no-change")
CLASSIFIERS = ("ihomer", "paper", "mlhat")
MODELS = (*CLASSIFIERS, *BASELINES)
FORMATS = ("arff", "csv", "jsonl", "libsvm", "parquet", "xmc")

MODEL_OPTION_OF = (
    "A setting of the model, by the name that it has in Python, as objective=subset; clustering.NAME and tree.NAME set its "
    "clustering and its trees. The value is JSON, or else a text. Can be given several times."
)
SEED_OF = "Seed of the random numbers of trees; the default model has no trees, and nothing in it depends on the seed."

SECONDS_OF = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_TIME = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)([smhd]?)")

AT_LEAST_0, AT_LEAST_1 = click.IntRange(0), click.IntRange(1)


class Time(click.ParamType):  # type: ignore[type-arg]  # it takes one from click 8.4 on, for which types alone look
    """A time in seconds, as 0.5, or as 30s, 10m, 12h or 7d.

    What clocks and clients wait for is at most 23 days, as milliseconds have to fit 31 bits.
    """

    name = "time"

    def __init__(self, above_0: bool = False, most_days: int = 23) -> None:
        self._above_0 = above_0
        self._most_days = most_days

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number of seconds, or fail."""
        text = str(value)
        told = repr(text[:40])
        match = _TIME.fullmatch(text)
        if match is None:
            self.fail(f"{told} is no time, as 0.5, 30s, 10m, 12h or 7d", param, ctx)
        seconds = float(match[1]) * SECONDS_OF[match[2] or "s"]
        if seconds < 0 or (self._above_0 and seconds == 0):
            self.fail(f"{told} is not {'above 0' if self._above_0 else '0 or above'}", param, ctx)
        if seconds > self._most_days * SECONDS_OF["d"]:
            self.fail(f"{told} is more than {self._most_days:,} days", param, ctx)
        return seconds


class OneLineErrors(click.Group):
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
            # Commands name their own files; what is left is what click prints, as help.
            with naming(STANDARD_OUTPUT):
                code = super().main(args, prog_name, complete_var, False, **extra)
        except (click.ClickException, OSError) as error:
            if not standalone_mode:
                raise
            tell(of_system(error) if isinstance(error, OSError) else error)
            drop_what_nobody_reads()
            sys.exit(FAILED)
        except click.Abort:
            if not standalone_mode:
                raise
            sys.exit(INTERRUPTED)
        if not standalone_mode:
            return code
        sys.exit(code if isinstance(code, int) else 0)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the arguments."""
        with _telling_of_closed_pipes():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that they name."""
        with _telling_of_closed_pipes():
            return super().invoke(ctx)


def one_line(error: click.ClickException) -> str:
    """Return what an error says as one line."""
    return " ".join(error.format_message().split())


def tell(error: click.ClickException) -> None:
    """Write an error as one line to standard error."""
    text = one_line(error)
    if not text.isprintable():
        from ihomer.printable import printable  # brings NumPy and Numba, for which a usual message does not wait

        text = printable(text)
    with suppress(OSError):  # nobody may read that either
        click.echo(f"ihomer: {text}", err=True)


@contextmanager
def _telling_of_closed_pipes() -> Iterator[None]:
    """Let standard output that nobody reads any more be an error like others: click and rich leave with 1 and say nothing."""
    try:
        with naming(STANDARD_OUTPUT):
            yield
    except BrokenPipeError as error:
        raise of_system(error) from None
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        raise click.ClickException(f"{STANDARD_OUTPUT}: {os.strerror(errno.EPIPE)}") from None


def drop_what_nobody_reads() -> None:
    """Let Python not try once more, and complain, at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class OutputFile:
    """A file for one JSON object, text or model, opened before the run so that it does not run in vain; "-" is standard output.

    What the file held stays until all of the new is written, also after an error. A file that was made and not written to is
    removed again.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._is_new = False
        if path == "-":
            require_standard_output()
        else:
            self._is_new = not os.path.lexists(path)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            if self._is_new:
                os.remove(self._path)

    def write(self, record: Any) -> None:
        """Write the object and close the file."""
        self.write_text(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def write_text(self, text: str) -> None:
        """Write a text instead, and close the file."""
        self.write_raw(text.encode("utf-8", errors="backslashreplace"))

    def write_raw(self, raw: bytes) -> None:
        """Write bytes instead, and close the file."""
        if self._descriptor is None:
            with naming(STANDARD_OUTPUT):
                click.echo(raw, nl=False)
            return
        with naming(self._path):
            if not self._is_replaced(self._descriptor, raw):
                self._overwrite(self._descriptor, raw)
        os.close(self._descriptor)
        self._descriptor = None

    def _is_replaced(self, descriptor: int, raw: bytes) -> bool:
        """Replace the file in one step; return False, with nothing done, where it or its folder does not allow that."""
        from ihomer.persistence import write_file

        folder = os.path.realpath(os.path.dirname(self._path))
        # What /dev/stdout leads to is open already: what comes there later has to come into the same file.
        if folder == "/dev" or folder.startswith("/proc/") or not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        try:
            write_file(self._path, raw)
        except PermissionError:
            return False
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._path) from None
        return True

    def _overwrite(self, descriptor: int, raw: bytes) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.ftruncate(descriptor, 0)
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(raw)


class StandardWriter:
    """JSON lines on standard output."""

    def __init__(self) -> None:
        require_standard_output()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, record: "Record", key: bytes | None = None) -> None:
        """Write one record; it is out for sure only after `flush`."""
        from streams.event import encode_record

        line = encode_record(record) + b"\n"
        with naming(STANDARD_OUTPUT):
            sys.stdout.buffer.write(line)

    def flush(self) -> None:
        """Bring out what was written."""
        with naming(STANDARD_OUTPUT):
            sys.stdout.buffer.flush()

    def close(self) -> None:
        """Bring out what was written; standard output stays open."""
        self.flush()


def is_given(context: click.Context, name: str) -> bool:
    """Whether an option was given, also as what holds without it: on the command line or in the file of --config."""
    return context.get_parameter_source(name) is not ParameterSource.DEFAULT


def refuse_other_models(context: click.Context, has_options: bool) -> None:
    """Refuse what describes a model beside --model-from: the model of a file has its own settings."""
    others = [name for name in ("model", "seed") if is_given(context, name)]
    if has_options:
        others.append("model-option")
    if others:
        raise click.UsageError(f"--model-from brings a model with all its settings: leave out --{' and --'.join(others)}")


def require_standard_output() -> None:
    """Fail if the process was started with its standard output closed."""
    if sys.stdout is None:
        raise click.ClickException(f"{STANDARD_OUTPUT} is closed")


def model_options(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
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
        except RecursionError:
            raise click.BadParameter(f"the value of {key} is nested too deep") from None
        except ValueError:
            options[key] = value
    return options


def of_system(error: OSError) -> click.ClickException:
    """Return what the system refused as an error of one line that names the file."""
    return click.ClickException(in_words(error))
