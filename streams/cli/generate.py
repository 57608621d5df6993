"""The command `ihomer generate`."""

import os
import signal
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import click

from streams.cli.common import (
    AT_LEAST_0,
    AT_LEAST_1,
    FORMATS,
    INTERRUPTED,
    StandardWriter,
    drop_what_nobody_reads,
    is_given,
    of_system,
    require_standard_output,
)
from streams.signals import given_back, heard_once, taken_by

if TYPE_CHECKING:
    from streams.endpoints import Endpoint
    from streams.event import Event, Record, Source

__all__ = ["command"]

_OF_DATA_FILES = ("labels", "label_separator", "ignore", "nominal", "decimal", "file_format")
_DEFAULT_EVENTS = 10_000
_LONGEST_HELD = 0.1  # seconds: to flush for each event would cost more than the event


class _Writer(Protocol):
    """Takes messages."""

    def write(self, record: "Record", key: bytes | None = None) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class _FileWriter:
    """JSON lines in a file, or on standard output."""

    def __init__(self, path: str | Path, append: bool) -> None:
        from streams.jsonlines import JsonLinesSink

        if not append and os.path.isfile(path) and os.path.getsize(path):
            raise click.ClickException(f"{path}: holds something already; move it away or give --append")
        self._sink = JsonLinesSink(path, append=append)

    def write(self, record: "Record", key: bytes | None = None) -> None:
        self._sink.write(record)

    def flush(self) -> None:
        self._sink.flush()

    def close(self) -> None:
        self._sink.close()


class _Stop:
    """Notes the first Ctrl-C, SIGTERM or SIGHUP, so that a message is never cut; the second Ctrl-C ends at once."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = taken_by(self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        given_back(self._before)

    def is_noted(self) -> bool:
        return self.signal is not None

    def _take(self, number: int, frame: FrameType | None) -> None:
        heard_once(number)
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number


@click.command("generate")
@click.option(
    "--to", "target", metavar="WHERE", required=True, help="kafka://HOST:PORT/TOPIC, file:PATH or - for standard output."
)
@click.option(
    "--stream",
    metavar="NAME|FILE",
    default="drift",
    show_default=True,
    help="drift, sudden, gradual, incremental, recurring, stationary, words, yeast, or a data file.",
)
@click.option("--events", "n_events", type=AT_LEAST_0, metavar="N", help="Number of events; 10,000, or all of a data file.")
@click.option("--seed", type=AT_LEAST_0, metavar="S", default=0, show_default=True, help="Seed of all that is drawn by chance.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), metavar="R", help="Events per second; else as fast as can be.")
@click.option("--partitions", type=AT_LEAST_1, metavar="P", help="Partitions of the Kafka topic, if it has to be made.")
@click.option(
    "--late-share", type=click.FloatRange(0, 1), metavar="F", default=0.0, help="Share of events whose labels come later."
)
@click.option(
    "--late-delay",
    type=AT_LEAST_0,
    metavar="N",
    default=100,
    show_default=True,
    help="After how many more events these labels come.",
)
@click.option("--labels", metavar="NAMES", help="Labels of a data file, as in `ihomer evaluate`.")
@click.option("--label-separator", metavar="TEXT", help="What stands between them in one column, as in `ihomer evaluate`.")
@click.option("--ignore", metavar="NAMES", help="Columns of a data file to read past, as in `ihomer evaluate`.")
@click.option("--nominal", metavar="NAMES", help="Columns whose numbers are names, as in `ihomer evaluate`.")
@click.option("--decimal", type=click.Choice((".", ",")), help="Decimal mark of a data file, as in `ihomer evaluate`.")
@click.option("--format", "file_format", type=click.Choice(FORMATS), help="Format of a data file, if its name does not tell.")
@click.option("--append", is_flag=True, help="Write behind what a file holds; ids begin at 0 again.")
@click.option("--config", "config_path", type=click.Path(path_type=Path), metavar="FILE", help="TOML file with Kafka settings.")
@click.option("--quiet", is_flag=True, help="Show nothing but errors.")
@click.pass_context
def command(context: click.Context, /, target: str, quiet: bool, append: bool, **given: Any) -> None:
    """Write a stream of events as JSON messages, to try a live run with.

    The stream is a synthetic one whose drifts are known, or a data file again. Events have ids; with --late-share some
    come without labels, which follow as {"id", "y"} messages.
    """
    from streams.config import ConfigError
    from streams.endpoints import EndpointError, StandardEndpoint, parse_endpoint
    from streams.errors import MalformedEvent, SourceError

    if is_given(context, "late_delay") and not given["late_share"]:
        raise click.UsageError("--late-delay is for events whose labels come late, and without --late-share there are none")
    stop = _Stop()
    try:
        endpoint = parse_endpoint(target)
        _refuse_own_output(given["stream"], given["file_format"], endpoint)
        try:
            with _source(given) as events, closing(_writer(endpoint, append, stop, given)) as writer, stop:
                n_events, n_labels = _send(events, writer, stop, given)
        except BrokenPipeError:
            if endpoint != StandardEndpoint():
                raise
            drop_what_nobody_reads()  # whoever read has enough, which is no error where a stream has no end
            return
    except (EndpointError, ConfigError, SourceError, MalformedEvent, ValueError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise of_system(error) from None
    if not quiet:
        from ihomer.printable import counted

        late = f" and {counted(n_labels, 'late label')}" if n_labels else ""
        click.echo(f"{counted(n_events, 'event')}{late} written", err=True)
    if stop.signal == signal.SIGINT:
        context.exit(INTERRUPTED)


def _refuse_own_output(stream: str, file_format: str | None, endpoint: "Endpoint") -> None:
    """Refuse to write to a file that is read: behind a data file, that would go on for ever."""
    from streams.endpoints import FileEndpoint, KafkaEndpoint
    from streams.files import files_read
    from streams.generate import STREAMS

    if isinstance(endpoint, KafkaEndpoint) or stream in STREAMS or stream == "yeast":
        return
    if not isinstance(endpoint, FileEndpoint):
        require_standard_output()
    try:
        written = os.stat(endpoint.path if isinstance(endpoint, FileEndpoint) else sys.stdout.fileno())
    except OSError:
        return
    if not stat.S_ISREG(written.st_mode) or not os.path.exists(stream):
        return
    for file in files_read(stream, file_format):
        if file.exists() and os.path.samestat(written, os.stat(file)):
            raise click.UsageError(f"what --to writes to is also a file that is read, {file}")


def _source(given: dict[str, Any]) -> "Source":
    """Open a stream or a data file."""
    from streams.generate import STREAMS, named_stream

    name, n_events = given["stream"], given["n_events"]
    ignored = [option for option in _OF_DATA_FILES if given[option] is not None]
    if ignored and (name in STREAMS or name == "yeast"):
        told = " and ".join(f"--{option.removeprefix('file_').replace('_', '-')}" for option in ignored)
        raise click.UsageError(f"{told} {'is' if len(ignored) == 1 else 'are'} for data files, and {name} is none")
    if name in STREAMS:
        return named_stream(name, _DEFAULT_EVENTS if n_events is None else n_events, given["seed"]).source()
    from streams.evaluate import Settings, bundled_yeast, reader_options
    from streams.files import limited, open_source

    file = Path(name)
    if name == "yeast":
        source: Any = bundled_yeast()
    elif not file.exists() and not file.suffix:
        raise click.UsageError(f"there is no stream and no file {name!r}; streams are {', '.join(STREAMS)}, yeast")
    else:
        how = {option.removeprefix("file_"): given[option] for option in _OF_DATA_FILES}
        options = reader_options(file, Settings(**how))
        source = open_source(file, format=given["file_format"], **options)
    return source if n_events is None else limited(source, n_events)


def _writer(endpoint: "Endpoint", append: bool, stop: _Stop, given: dict[str, Any]) -> _Writer:
    from streams.endpoints import FileEndpoint, KafkaEndpoint

    if not isinstance(endpoint, KafkaEndpoint):
        for option, name in (("partitions", "--partitions"), ("config_path", "--config")):
            if given[option] is not None:
                raise click.UsageError(f"{name} is for kafka://")
        if isinstance(endpoint, FileEndpoint):
            return _FileWriter(endpoint.path, append)
        return StandardWriter()
    if append:
        raise click.UsageError("--append is for file:")
    import importlib

    from streams.config import Config, load_config

    topic = endpoint.topic
    config = Config() if given["config_path"] is None else load_config(given["config_path"])
    sink_class: Any = importlib.import_module("streams.kafka").KafkaEventSink
    wanted = {} if given["partitions"] is None else {"partitions": given["partitions"]}
    settings = config.sink_kafka.revealed()
    sink: _Writer = sink_class(endpoint.servers, topic, settings=settings, is_stopping=stop.is_noted, **wanted)
    return sink


def _send(events: "Iterable[Event]", writer: _Writer, stop: _Stop, given: dict[str, Any]) -> tuple[int, int]:
    """Write all messages; return how many of them were events and how many late labels."""
    from streams.generate import messages

    counts = [0, 0]
    paced = _paced(events, writer, stop, given["rate"])
    for sent in messages(paced, given["late_share"], given["late_delay"], given["seed"]):
        writer.write(sent.record, sent.key)
        counts[not sent.is_event] += 1
    return counts[0], counts[1]


def _paced(events: "Iterable[Event]", writer: _Writer, stop: _Stop, rate: float | None) -> "Iterator[Event]":
    """Yield events in their time, until the end is asked for; what is written is out within a tenth of a second."""
    from streams.generate import Pace

    pace = None if rate is None else Pace(rate, stop.is_noted)
    flushed = time.monotonic()
    for event in events:
        if pace is not None:
            left, now = pace.seconds_left(), time.monotonic()
            if left > _LONGEST_HELD or now - flushed > _LONGEST_HELD:
                writer.flush()
                flushed = now
            pace.wait()
        if stop.is_noted():
            return
        yield event
