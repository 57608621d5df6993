"""What the commands share: exit codes, choices, one-line errors, a file for JSON."""

import json
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from streams.printable import printable

if TYPE_CHECKING:
    from streams.config import Config
    from streams.event import Record

__all__ = [
    "AT_LEAST_0",
    "AT_LEAST_1",
    "FAILED",
    "FORMATS",
    "INTERRUPTED",
    "MODELS",
    "JsonFile",
    "OneLineErrors",
    "Seconds",
    "StandardWriter",
    "model_options",
    "of_system",
    "read_config",
]

FAILED, INTERRUPTED = 2, 130

# Named here too, so that --help need not wait for what they stand for.
MODELS = ("ihomer", "paper", "mlhat", "majority", "no-change")
FORMATS = ("arff", "csv", "jsonl", "libsvm", "parquet", "xmc")

AT_LEAST_0, AT_LEAST_1 = click.IntRange(0), click.IntRange(1)


class Seconds(click.FloatRange):
    """A number of seconds that clocks and clients can wait for: up to 23 days, as milliseconds have to fit 31 bits."""

    def __init__(self, min_open: bool = False) -> None:
        super().__init__(0, 2_000_000, min_open=min_open)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail; one that is none is within no range."""
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        return number


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
            code = super().main(args, prog_name, complete_var, False, **extra)
        except click.ClickException as error:
            if not standalone_mode:
                raise
            click.echo(f"ihomer: {printable(' '.join(error.format_message().split()))}", err=True)
            sys.exit(FAILED)
        except click.Abort:
            if not standalone_mode:
                raise
            sys.exit(INTERRUPTED)
        if not standalone_mode:
            return code
        sys.exit(code if isinstance(code, int) else 0)


class JsonFile:
    """A file for one JSON object or one text, opened before the run so that it does not run in vain; "-" is standard output.

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
        raw = text.encode("utf-8", errors="backslashreplace")
        if self._descriptor is None:
            click.echo(raw, nl=False)
            return
        if stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            os.ftruncate(self._descriptor, 0)
        with os.fdopen(self._descriptor, "wb") as file:
            self._descriptor = None
            file.write(raw)


class StandardWriter:
    """JSON lines on standard output."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, record: "Record", key: bytes | None = None) -> None:
        """Write one record; it is out for sure only after `flush`."""
        from streams.event import encode_record

        sys.stdout.buffer.write(encode_record(record) + b"\n")

    def flush(self) -> None:
        """Bring out what was written."""
        sys.stdout.buffer.flush()

    def close(self) -> None:
        """Bring out what was written; standard output stays open."""
        self.flush()


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


def read_config(context: click.Context, parameter: click.Parameter, path: Path | None) -> "Config":
    """Read the file of `--config`, whose ``[run]`` and ``[model]`` become defaults of the other options.

    The option must be eager, so that it is read before them. What stands on the command line wins.
    """
    from streams.config import Config, ConfigError, load_config

    if path is None:
        return Config()
    options = {_own_name(option): option for option in context.command.params if option is not parameter}
    try:
        config = load_config(path, options)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    defaults = dict(context.default_map or {})
    for name, value in config.run.items():
        # Of an option that can be given several times, a single value is a list of one.
        is_one_of_many = options[name].multiple and not isinstance(value, list)
        defaults[str(options[name].name)] = [value] if is_one_of_many else value
    if config.model is not None and "model" in options:
        defaults.setdefault("model", config.model)
    context.default_map = defaults
    return config


def _own_name(option: click.Parameter) -> str:
    """Return what an option is called on the command line, with ``_`` for ``-``."""
    return max(option.opts, key=len).removeprefix("--").replace("-", "_")


def of_system(error: OSError) -> click.ClickException:
    """Return what the system refused as an error of one line that names the file."""
    place = f"{error.filename}: " if error.filename is not None else ""
    return click.ClickException(f"{place}{error.strerror or error}")
