"""The command `ihomer run`."""

import logging
import os
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.common import (
    AT_LEAST_0,
    AT_LEAST_1,
    CLASSIFIERS,
    FAILED,
    MODEL_OPTION_OF,
    SECONDS_OF,
    SEED_OF,
    Time,
    drop_what_nobody_reads,
    is_given,
    model_options,
    of_system,
    one_line,
    refuse_other_models,
    tell,
)
from streams.cli.config_option import read_config

if TYPE_CHECKING:
    from streams.config import Config
    from streams.live import LiveRun, Pace
    from streams.logs import Logger
    from streams.monitor import Monitor
    from streams.service import ServiceSettings
    from streams.signals import StopSignals
    from streams.status import Status

__all__ = ["command"]

FENCED = 3
_EVERY = re.compile(r"0*([1-9]\d{0,17})([smhd]?)")
_PROGRESS_PERIOD = 10.0  # seconds
_LONG_WAIT = 5.0  # seconds that answers wait for the sink, from which on it is told
_FIRST_COMPILATION_TAKES = "about a minute, on first use"
_LATER_COMPILATION_TAKES = "some seconds, for what was not needed before"


class _Folder(click.Path):
    """A folder that has a name: "", as of a variable that is not set, would be the one the process was started in."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, or fail."""
        if value == "":
            self.fail("a folder needs a name; . is the one the process was started in", param, ctx)
        return super().convert(value, param, ctx)


def _every(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int | None, float | None]:
    """Return messages and seconds of what is either."""
    match = _EVERY.fullmatch(text or "60s")
    if match is None:
        raise click.BadParameter(f"{str(text)[:40]!r} is neither a number of messages, as 10000, nor a time, as 60s or 5m")
    return (None, float(match[1]) * SECONDS_OF[match[2]]) if match[2] else (int(match[1]), None)


def _topics(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    from streams.endpoints import EndpointError, parse_topics

    try:
        return () if text is None else parse_topics(text)
    except EndpointError as error:
        raise click.BadParameter(str(error)) from None


def _start(context: click.Context, parameter: click.Parameter, text: str) -> str | float:
    """Return "earliest", "latest" or seconds since 1970."""
    from datetime import UTC, datetime

    if text in ("earliest", "latest"):
        return text
    try:
        when = datetime.fromisoformat(text)
        seconds = (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is neither earliest nor latest nor a time, as 2026-01-31T12:00:00Z") from None
    if seconds < 0.0:
        raise click.BadParameter(f"{text!r} is before 1970, where the time of Kafka begins")
    return seconds


class _Command(click.Command):
    """A command whose errors are lines of its log where that is JSON, for whoever reads all lines as that."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the arguments."""
        given = list(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.ClickException as error:
            leniently = {"resilient_parsing": True, "ignore_unknown_options": True}
            _tell_in_log(super().make_context(info_name, given, parent, **extra, **leniently), error, FAILED)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            _tell_in_log(ctx, error, FAILED)
            raise


def _tell_in_log(context: click.Context, error: click.ClickException, code: int) -> None:
    """End with an exit code and a line of the log that tells an error, if the log is JSON; else return."""
    if context.params.get("log_format") == "json":
        from streams.logs import Whole, make_logger

        make_logger("json").error("failed", reason=Whole(one_line(error)), exit_code=code)
        drop_what_nobody_reads()
        context.exit(code)


@click.command("run", cls=_Command)
@click.option(
    "--source", metavar="WHERE", required=True, help="kafka://HOST:PORT/TOPIC[,TOPIC] (or /?pattern=REGEX), file:PATH or -."
)
@click.option(
    "--labels",
    metavar="TOPIC[,TOPIC]",
    callback=_topics,
    help="More topics of the source's servers, with labels that come late.",
)
@click.option("--sink", metavar="WHERE", required=True, help="Where predictions go: kafka://HOST:PORT/TOPIC, file:PATH or -.")
@click.option("--dead-letter", metavar="WHERE", help="Where malformed messages are reported, beside the sink.")
@click.option("--checkpoint", type=_Folder(), metavar="DIR", help="Folder of the run's checkpoints; Kafka needs one.")
@click.option("--every", metavar="N|T", callback=_every, help="A checkpoint every N messages, or as 60s or 5m. [default: 60s]")
@click.option("--keep", type=AT_LEAST_1, metavar="N", default=3, show_default=True, help="Checkpoints that are kept.")
@click.option(
    "--start",
    metavar="WHEN",
    default="earliest",
    show_default=True,
    callback=_start,
    help="Where a new run starts: earliest, latest or a time, as 2026-01-31T12:00:00Z; without a zone it is UTC.",
)
@click.option(
    "--group",
    metavar="NAME",
    help="Consumer group that offsets are committed for, if source and sink are in one Kafka cluster; else the run's own.",
)
@click.option("--group-offsets", is_flag=True, help="A new run starts where the --group has committed offsets.")
@click.option("--follow", is_flag=True, help="The source is a file that grows: wait at its end.")
@click.option("--max-events", type=AT_LEAST_1, metavar="N", help="End after N messages.")
@click.option("--idle-exit", type=Time(), metavar="T", help="End after 10s or 5m without a message, if Kafka answers.")
@click.option(
    "--commit-every",
    type=Time(),
    metavar="T",
    default="0.5s",
    show_default=True,
    help="Time after which predictions are visible at the latest.",
)
@click.option(
    "--patience",
    type=Time(above_0=True),
    metavar="T",
    default="10m",
    show_default=True,
    help="Time for which brokers or disks may fail before the run ends.",
)
@click.option(
    "--model",
    type=click.Choice(CLASSIFIERS),
    default="ihomer",
    show_default=True,
    help="What learns: the default model, the published one, or its tree alone.",
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
    "--model-from",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A new run begins with the model in FILE, which has learned already; a run that is continued has its own.",
)
@click.option("--top", type=AT_LEAST_0, metavar="K", default=5, show_default=True, help="Probabilities in each prediction.")
@click.option("--window", type=AT_LEAST_1, metavar="N", default=1000, show_default=True, help="Events of running scores.")
@click.option(
    "--labels-per-event",
    type=AT_LEAST_1,
    metavar="N",
    default=1000,
    show_default=True,
    help="An event with more labels is malformed; the model would keep them all.",
)
@click.option(
    "--late-most",
    type=AT_LEAST_0,
    metavar="N",
    default=100_000,
    show_default=True,
    help="Events that may wait for their labels, and labels for their event.",
)
@click.option(
    "--late-age",
    type=Time(most_days=36_500),
    metavar="T",
    help="How long they wait, as 30s, 10m, 12h or 7d, by the time of the messages, which only Kafka tells. [default: 7d]",
)
@click.option("--metrics-port", type=click.IntRange(0, 65535), metavar="PORT", help="Serve /metrics and /healthz; 0: any port.")
@click.option("--metrics-host", metavar="HOST", default="127.0.0.1", show_default=True, help="Address that they are served on.")
@click.option("--log-format", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.option("--log-level", type=click.Choice(("debug", "info", "warning", "error")), default="info", show_default=True)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    is_eager=True,
    callback=read_config,
    help="TOML file with defaults of these options, the model and settings of Kafka clients.",
)
@click.pass_context
def command(context: click.Context, /, **given: Any) -> None:
    """Learn live messages: predict each event, then learn it, for as long as they come.

    Messages are JSON: events {"id", "x", "y"}; events without y are predicted and wait for {"id", "y"}. With --checkpoint
    the run goes on where it was, whatever ended it; with Kafka each message is learned once and answered once. Malformed
    messages are reported and passed over.

    SIGTERM, SIGHUP and Ctrl-C commit, write a checkpoint and end with 0. Exit codes: 2 an error, 3 another process has taken
    over.
    """
    from streams.config import ConfigError
    from streams.endpoints import EndpointError
    from streams.errors import SinkError, SourceError
    from streams.message import Fenced, Unreachable
    from streams.models import SettingError

    try:
        config = given.pop("config")
        _refuse_what_goes_with_others(context)
        if given["model_from"] is not None:
            refuse_other_models(context, bool(given["model_options"] or config.model_options))
        _run(given, config)
    except (EndpointError, SettingError) as error:
        raise click.UsageError(str(error)) from None
    except Fenced as error:
        taken_over = click.ClickException(f"{error}; this one ends, nothing was answered twice")
        _tell_in_log(context, taken_over, FENCED)
        tell(taken_over)
        context.exit(FENCED)
    except (ConfigError, LookupError, SinkError, SourceError, Unreachable) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise of_system(error) from None


def _refuse_what_goes_with_others(context: click.Context) -> None:
    """Refuse what would have no effect, also where it is what holds without being given."""
    given = context.params
    if given["checkpoint"] is None:
        for name in ("every", "keep"):
            if is_given(context, name):
                raise click.UsageError(f"--{name} goes with --checkpoint; without it none are made")
    if given["metrics_port"] is None and is_given(context, "metrics_host"):
        raise click.UsageError("--metrics-host goes with --metrics-port; without it nothing is served")


def _settings(given: dict[str, Any], config: "Config") -> "ServiceSettings":
    from streams.endpoints import parse_endpoint
    from streams.service import ServiceSettings

    dead = given["dead_letter"]
    return ServiceSettings(
        source=parse_endpoint(given["source"]),
        sink=parse_endpoint(given["sink"]),
        dead_letters=None if dead is None else parse_endpoint(dead),
        labels=given["labels"],
        folder=given["checkpoint"],
        keep=given["keep"],
        start=given["start"],
        group=given["group"],
        from_group=given["group_offsets"],
        follow=given["follow"],
        model=given["model"],
        seed=given["seed"],
        model_options={**config.options_of(given["model"]), **given["model_options"]},
        model_from=given["model_from"],
        top=given["top"],
        window=given["window"],
        labels_per_event=given["labels_per_event"],
        late_most=given["late_most"],
        late_longest=given["late_age"],
        pace=_pace(given),
        source_client=config.source_kafka,
        sink_client=config.sink_kafka,
    )


def _pace(given: dict[str, Any]) -> "Pace":
    from streams.live import Pace

    messages, seconds = given["every"]
    return Pace(
        checkpoint_messages=messages,
        checkpoint_seconds=seconds,
        commit_seconds=given["commit_every"],
        idle_exit=given["idle_exit"],
        max_messages=given["max_events"],
        patience=given["patience"],
    )


def _monitor(port: int, host: str) -> "Monitor":
    from streams.monitor import Monitor

    try:
        return Monitor(port, host)
    except (OSError, UnicodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise click.ClickException(f"--metrics-host {host!r}, --metrics-port {port}: {reason}") from None


def _run(given: dict[str, Any], config: "Config") -> None:
    from streams.signals import StopSignals

    with StopSignals() as signals:
        _run_until(given, config, signals)


class _FirstCompilation:
    """Lets a request to stop end the process at once while kernels are compiled and no answer of it is on its way yet.

    The compiler takes longer than whoever stops a process has patience, and there is nothing yet that could be lost. Nor does
    whoever watches over its health have that, who is told.
    """

    def __init__(self, log: "Logger", signals: "StopSignals", monitor: "Monitor | None" = None) -> None:
        self._log = log
        self._signals = signals
        self._monitor = monitor
        self._is_under_way = self._has_answers = False
        signals.on_stop = self._end_if_stopped

    def begin(self) -> None:
        """Note that kernels are being compiled."""
        self._log.info("compiling", takes=_LATER_COMPILATION_TAKES if self._has_answers else _FIRST_COMPILATION_TAKES)
        self._is_under_way = True
        if self._monitor is not None:
            self._monitor.expect_compilation()
        self._end_if_stopped()

    def end(self, run: "LiveRun") -> None:
        """Note that what the last turn of the run has needed is compiled."""
        self._is_under_way = False
        self._has_answers = run.n_transactions > 0 or run.seconds_committing > 0.0

    def _end_if_stopped(self) -> None:
        if self._signals.stop and self._is_under_way and not self._has_answers:
            with suppress(RuntimeError):  # of a line that is being written
                self._log.info("stopped", reason="still compiling: no answer has gone out, and nothing is lost")
            os._exit(0)  # to raise anything is what Numba may not survive


def _amiss(status: "Status") -> dict[str, Any]:
    """Return what is to be logged of a run that is not well, or waits."""
    waiting = {"waiting_for_sink": round(status.seconds_committing)} if status.seconds_committing > _LONG_WAIT else {}
    return waiting if status.healthy else {**waiting, "unhealthy": status.reason}


def _run_until(given: dict[str, Any], config: "Config", signals: "StopSignals") -> None:
    from ihomer.kernels.compiling import watched_compilation
    from streams.logs import Foreign, Paced, make_logger
    from streams.run import MODEL
    from streams.service import Reporter, live_run, start_left_alone

    log = make_logger(given["log_format"], given["log_level"])
    paced = Paced(log, _PROGRESS_PERIOD)

    def tell(status: "Status") -> None:
        paced.info(
            "progress",
            messages=status.n_read,
            learned=status.n_learned,
            per_second=round(status.events_per_second),
            lag=sum(status.lag.values()),
            dead=sum(status.dead_letters.values()),
            clusters=status.n_clusters,
            **_scores_to_log(status.scores["window"]),
            **_amiss(status),
        )

    with ExitStack() as stack:
        stack.enter_context(Foreign(log, "kafka", logging.ERROR))
        publish: list[Callable[[Status], object]] = [tell]
        monitor = None
        if given["metrics_port"] is not None:
            monitor = _monitor(given["metrics_port"], given["metrics_host"])
            stack.callback(monitor.close)
            log.info("serving", host=given["metrics_host"], port=monitor.port)
            publish.append(monitor.publish)
        first = _FirstCompilation(log, signals, monitor)
        compilation = stack.enter_context(watched_compilation(first.begin))
        reporter = Reporter(publish)

        def on_turn(run: "LiveRun") -> None:
            if seconds := compilation.taken():
                log.info("compiled", seconds=round(seconds, 1))
            first.end(run)
            reporter(run)

        run = live_run(_settings(given, config), log, on_turn)
        stack.enter_context(start_left_alone())
        if signals.stop:  # before anything was opened, so that no older process has ended for this one
            return
        run.run(lambda: signals.stop)
        answering = run.answering
        dead = answering.n_dead.total()
        scoring = answering.scoring
        scores = _scores_to_log(scoring.scores(MODEL, "window")) if scoring.n_scored else {}
        log.info("stopped", messages=answering.n_read, learned=answering.n_learned, dead=dead, **scores)


def _scores_to_log(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: round(scores[name], 4) for name in ("subset_accuracy", "micro_f1") if name in scores}
