"""A live run as the command line describes it: source, sink and model put together, and what it says of itself."""

import gc
import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ihomer.interface import StreamClassifier
from ihomer.persistence import ModelFileError, open_file
from streams.answering import Answering
from streams.checkpoint import CheckpointFolder
from streams.config import ClientSettings
from streams.endpoints import Endpoint, EndpointError, FileEndpoint, KafkaEndpoint, StandardEndpoint
from streams.errors import SourceError
from streams.late import LateStore
from streams.live import LiveRun, Log, Pace, Saved
from streams.live_files import FileLiveSource, StandardInputSource
from streams.live_sinks import FileLiveSink, StandardOutputSink, refuse_unfit_files
from streams.made_with import ENDS, MODEL_FROM
from streams.message import LiveSink, LiveSource
from streams.models import SettingError, build_model, load_model
from streams.run import BASELINE, MODEL
from streams.status import CheckpointStatus, Status, resident_memory

__all__ = ["Reporter", "ServiceSettings", "live_run", "start_left_alone"]

_READINGS = ("total", "window")
_PERIOD = 1.0  # seconds between two statuses
_SILENT = 60.0  # seconds in a commit, or without a word from the source's brokers, which are asked more often: too many
_RATE_OVER = 10.0  # seconds
_LATE_LONGEST = 7 * 86_400.0  # seconds
_OLDER_ENDS = 60.0  # seconds within which an older process sees that it is one: it learns a thousand messages at a time


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What a live run reads, writes and learns with.

    Attributes
    ----------
    source, sink
        Where messages come from and predictions go.
    dead_letters
        Where malformed messages are reported; None: they are counted, and logged by code and place alone.
    labels
        Topics beside those of the source that bring late labels.
    folder
        Folder of the checkpoints; None: none are made.
    keep
        How many checkpoints are kept.
    start
        Where a new run starts: "earliest", "latest", or seconds since 1970.
    group
        Consumer group that the consumed offsets are committed for; None: one named after the run.
    from_group
        Start a new run where the group has committed offsets.
    follow
        A source file grows: wait at its end for more.
    model, seed, model_options
        As in `build_model`; one of ihomer's classifiers.
    model_from
        File of the model that a new run begins with, as `load_model` reads it, in place of one that these three describe.
    top, window, labels_per_event
        As in `Answering`.
    late_most, late_longest
        As in `LateStore`; None for 7 days.
    pace
        When to commit, to checkpoint and to end.
    source_client, sink_client
        Settings of the Kafka clients.
    """

    source: Endpoint
    sink: Endpoint
    dead_letters: Endpoint | None = None
    labels: tuple[str, ...] = ()
    folder: Path | None = None
    keep: int = 3
    start: Literal["earliest", "latest"] | float = "earliest"
    group: str | None = None
    from_group: bool = False
    follow: bool = False
    model: str = "ihomer"
    seed: int = 0
    model_options: dict[str, Any] = field(default_factory=dict)
    model_from: Path | None = None
    top: int = 5
    window: int = 1000
    labels_per_event: int = 1000
    late_most: int = 100_000
    late_longest: float | None = None
    pace: Pace = field(default_factory=Pace)
    source_client: ClientSettings = field(default_factory=ClientSettings)
    sink_client: ClientSettings = field(default_factory=ClientSettings)


@contextmanager
def start_left_alone() -> Iterator[None]:
    """Leave all objects that there are at the start out of garbage collection, until the end.

    Libraries bring a million objects, which stay. Each full collection would look through them, for up to a fifth of the time
    of a live run.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def live_run(settings: ServiceSettings, log: Log, on_turn: Callable[[LiveRun], object]) -> LiveRun:
    """Return a run that is ready to start.

    Raises
    ------
    EndpointError
        If source, sink and dead letters do not go together.
    SettingError
        As `build_model`, and for a model that is only for comparison.
    OSError, SourceError
        As `CheckpointFolder`; or a new run cannot begin with the model of `model_from`, or was to begin with one before.
    OSError, SinkError
        If a file cannot be written to: that ends no older process, which opening it does.
    """
    _check(settings)
    sink, dead = settings.sink, settings.dead_letters
    if isinstance(sink, FileEndpoint):
        refuse_unfit_files(sink.path, dead.path if isinstance(dead, FileEndpoint) else None)
    _new_answering(settings)  # a wrong setting shows before anything is opened
    folder = None if settings.folder is None else CheckpointFolder(settings.folder, settings.keep)
    first_models = [_first_model(settings, folder)]

    def new() -> Answering:
        if folder is not None and folder.has_checkpoint:
            first_models.clear()  # it stands there now
        return _new_answering(settings, *first_models)

    run = LiveRun(
        folder,
        lambda: _open_source(settings, "none" if folder is None else folder.run, run, log),
        lambda name: _open_sink(settings, name, run, log),
        new,
        settings.pace,
        log,
        on_turn,
        _made_with(settings),
        sink_first=isinstance(settings.sink, KafkaEndpoint),
    )
    return run


def _own_topics(settings: ServiceSettings) -> list[str]:
    """Return the topics of the source's cluster that the run writes to."""
    source = settings.source
    ends = [end for end in (settings.sink, settings.dead_letters) if isinstance(end, KafkaEndpoint)]
    servers = set(source.servers) if isinstance(source, KafkaEndpoint) else set()
    return [topic for end in ends if servers & set(end.servers) for topic in end.topics]


def _check(settings: ServiceSettings) -> None:
    source, sink, dead = settings.source, settings.sink, settings.dead_letters
    read = (*source.topics, *settings.labels) if isinstance(source, KafkaEndpoint) else ()
    for topic in _own_topics(settings):
        if topic in read:
            raise EndpointError(f"topic {topic!r} is read from and written to: each message would bring another one")
    if isinstance(sink, KafkaEndpoint):
        sink.topic  # noqa: B018 - raises unless it is exactly one
    if dead is not None:
        _check_dead_letters(sink, dead)
    if settings.labels and not (isinstance(source, KafkaEndpoint) and source.topics):
        raise EndpointError("topics of late labels go with a source of topics in Kafka")
    if settings.folder is None and KafkaEndpoint in (type(source), type(sink)):
        raise EndpointError("with Kafka a folder for checkpoints is needed (--checkpoint): it names the run")
    if settings.folder is not None and isinstance(source, StandardEndpoint):
        raise EndpointError("standard input cannot be read again, so that checkpoints of it would be of no use")
    if isinstance(source, FileEndpoint):
        written = [os.path.realpath(end.path) for end in (sink, dead) if isinstance(end, FileEndpoint)]
        if os.path.realpath(source.path) in written:
            raise EndpointError(f"{source.path} is read from and written to: name another file")
    _refuse_what_would_be_ignored(settings)


def _check_dead_letters(sink: Endpoint, dead: Endpoint) -> None:
    """Raise unless dead letters can go beside the predictions."""
    if not isinstance(sink, KafkaEndpoint):
        if not isinstance(dead, FileEndpoint):
            raise EndpointError("dead letters go where the predictions go: into a file of this machine")
    elif not isinstance(dead, KafkaEndpoint):
        raise EndpointError("dead letters go where the predictions go: into a topic of the same cluster")
    elif set(dead.servers) != set(sink.servers):
        raise EndpointError("dead letters share a transaction with the predictions: name the same servers")
    elif dead.topics == sink.topics:
        raise EndpointError(f"topic {sink.topic!r} is to take the predictions and the dead letters: name another one for these")


def _refuse_what_would_be_ignored(settings: ServiceSettings) -> None:
    if not isinstance(settings.source, KafkaEndpoint):
        given = {"--start": settings.start != "earliest", "--group": settings.group is not None}
        for option, is_given in {**given, "--group-offsets": settings.from_group}.items():
            if is_given:
                raise EndpointError(f"{option} goes with a source in Kafka; other sources are read from their beginning")
        if settings.late_longest is not None:
            raise EndpointError("--late-age goes with a source in Kafka; lines of others have no time to tell the age by")
    if settings.group == "":
        raise EndpointError("--group needs a name")
    if settings.from_group and settings.group is None:
        raise EndpointError("--group-offsets goes with the --group whose offsets are meant")
    if settings.group is not None and not settings.from_group and not _shares_servers(settings):
        raise EndpointError(
            "--group would have no effect: offsets are committed for it where source and sink name a server of one Kafka "
            "cluster, and looked at with --group-offsets"
        )
    if settings.pace.idle_exit is not None and isinstance(settings.source, FileEndpoint) and not settings.follow:
        raise EndpointError("--idle-exit goes with a source that is waited for; a file without --follow ends at its end")
    if settings.follow and not isinstance(settings.source, FileEndpoint):
        raise EndpointError("--follow goes with a source file; Kafka and standard input are waited for in any case")


def _shares_servers(settings: ServiceSettings) -> bool:
    """Whether source and sink are in one Kafka cluster, as far as the names of its servers tell."""
    source, sink = settings.source, settings.sink
    if not (isinstance(source, KafkaEndpoint) and isinstance(sink, KafkaEndpoint)):
        return False
    return not set(source.servers).isdisjoint(sink.servers)


def _late_longest(settings: ServiceSettings) -> float:
    return _LATE_LONGEST if settings.late_longest is None else settings.late_longest


def _made_with(settings: ServiceSettings) -> dict[str, Any]:
    """Return, as JSON has it, what a checkpoint keeps of the settings whatever they are later."""
    options = {f"model-option {name}": value for name, value in settings.model_options.items()}
    model = {"model": settings.model, "seed": settings.seed}
    if settings.model_from is not None:
        model = _digest_of(settings.model_from)
    places = _place_of(settings.source), ",".join(sorted(settings.labels)), _place_of(settings.sink)
    ends = dict(zip(ENDS, places, strict=True))
    kept = {**model, **ends, "window": settings.window}
    late = {"late-most": settings.late_most, "late-age": _late_longest(settings)}
    made_with = {**kept, "labels-per-event": settings.labels_per_event, **late, **options}
    as_json: dict[str, Any] = json.loads(json.dumps(made_with, default=str))
    return as_json


def _digest_of(model: Path) -> dict[str, Any]:
    """Return what tells the file of a model from another one; None where there is none any more."""
    try:
        with open_file(model) as file:
            return {MODEL_FROM: hashlib.file_digest(file, "sha256").hexdigest()[:16]}
    except (OSError, ModelFileError):
        return {MODEL_FROM: None}


def _place_of(end: Endpoint) -> str:
    """Return what an end is called wherever its servers or folders are."""
    if isinstance(end, KafkaEndpoint):
        return f"kafka {end.pattern or ','.join(sorted(end.topics))}"
    return f"file {end.path.name}" if isinstance(end, FileEndpoint) else "-"


def _new_answering(settings: ServiceSettings, first_model: StreamClassifier | None = None) -> Answering:
    model: Any = first_model
    if model is None:
        model = build_model(settings.model, settings.seed, settings.model_options)
    if not isinstance(model, StreamClassifier):
        raise SettingError(f"model {settings.model} is there to compare with, not for a live run")
    late = LateStore(settings.late_most, _late_longest(settings))
    return Answering(model, settings.top, settings.window, late, settings.labels_per_event)


def _first_model(settings: ServiceSettings, folder: CheckpointFolder | None) -> StreamClassifier | None:
    """Return the model from a file that a new run begins with, if it is to; one that is continued does without the file."""
    path = settings.model_from
    if folder is not None and folder.has_checkpoint:
        return None
    if path is None:
        if folder is not None and MODEL_FROM in (folder.made_with() or {}):
            raise SourceError(
                f"{folder.path}: a run that ended before its first checkpoint was to begin with the model of a file: name it "
                "again by --model-from, or take another folder"
            )
        return None
    try:
        return load_model(path)
    except ModelFileError as error:
        raise SourceError(str(error)) from None


def _open_source(settings: ServiceSettings, name: str, run: LiveRun, log: Log) -> LiveSource:
    source = settings.source
    if isinstance(source, StandardEndpoint):
        return StandardInputSource()
    if isinstance(source, FileEndpoint):
        if settings.folder is None:
            return FileLiveSource(source.path, follow=settings.follow)
        reason = "it has no end and is no JSON: left for the next run"
        return FileLiveSource(
            source.path,
            follow=settings.follow,
            begun_path=settings.folder / "source.json",
            on_unfinished=lambda number: log.warning("unfinished_line", line=number + 1, reason=reason),
        )
    from streams.kafka import KafkaSource

    return KafkaSource(
        source.servers,
        (*source.topics, *settings.labels),
        source.pattern,
        settings.start,
        group=settings.group or f"ihomer-{name}",
        from_group=settings.from_group,
        settings=settings.source_client.revealed(),
        patience=settings.pace.patience,
        on_lost=lambda partition, first, stop: log.error(
            "messages_lost", topic=partition[0], partition=partition[1], first=first, stop=stop
        ),
        exclude=_own_topics(settings),
        is_stopping=lambda: run.is_stopping,
        ids_path=None if settings.folder is None else settings.folder / "topics.json",
    )


def _open_sink(settings: ServiceSettings, name: str, run: LiveRun, log: Log) -> LiveSink:
    sink, dead = settings.sink, settings.dead_letters
    dead_path = dead.path if isinstance(dead, FileEndpoint) else None
    if isinstance(sink, StandardEndpoint):
        return StandardOutputSink(dead_path=dead_path)
    if isinstance(sink, FileEndpoint):
        if settings.folder is None:
            return FileLiveSink(sink.path, dead_path)
        return FileLiveSink(sink.path, dead_path, patience=_OLDER_ENDS, run=name)
    from streams.kafka import KafkaSink, KafkaSource

    opened = KafkaSink(
        sink.servers,
        sink.topic,
        dead.topic if isinstance(dead, KafkaEndpoint) else None,
        transactional_id=f"ihomer-{name}",
        group=settings.group or f"ihomer-{name}",
        run=name,
        mark="source" if _shares_servers(settings) else "sink",
        settings=settings.sink_client.revealed(),
        patience=settings.pace.patience,
        is_stopping=lambda: run.is_stopping,
        on_made=lambda topics: log.warning("topics_made", topics=topics, reason="there were none; the broker's defaults hold"),
    )
    if isinstance(run.source, KafkaSource):
        try:
            run.source.refuse_topics(opened.topic_ids)
        except BaseException:
            opened.close()
            raise
    return opened


class _Counters:
    """Makes numbers that never fall of those of a run, which do where it starts again at its last checkpoint."""

    def __init__(self) -> None:
        self._highest: dict[str, int] = {}
        self._risen: dict[str, tuple[int, int]] = {}

    def highest(self, name: str, number: int) -> int:
        """Return the highest so far: for a number that comes back to where it was."""
        self._highest[name] = max(number, self._highest.get(name, 0))
        return self._highest[name]

    def risen(self, name: str, number: int) -> int:
        """Return by how much a number has risen in all: for one that begins anew, or is of what comes and goes."""
        before, total = self._risen.get(name, (0, 0))
        total += max(0, number - before)
        self._risen[name] = number, total
        return total


def _reason(run: LiveRun, silence: float) -> str:
    """Return why a run is not healthy; "" if it is."""
    if not run.is_healthy:
        return run.last_failure or ""
    if run.seconds_committing >= _SILENT:
        return f"answers have waited for the sink for {run.seconds_committing:.0f} s"
    if missing := getattr(run.source, "missing", []):
        return f"no such topic any more: {', '.join(missing)}"
    if without_leader := getattr(run.source, "without_leader", []):
        return f"without a leader, so that it cannot be read: {', '.join(without_leader)}"
    return f"nothing heard from the source for {silence:.0f} s" if silence >= _SILENT else ""


class Reporter:
    """Makes a `Status` of a run once a second, and at once when its health changes, and hands it on.

    Parameters
    ----------
    publish
        Each takes every status.
    """

    def __init__(self, publish: Sequence[Callable[[Status], object]]) -> None:
        self._publish = publish
        self._started = time.time()
        self._saved: tuple[Saved, float] | None = None  # the last checkpoint, and when it was made, in seconds since 1970
        self._next = 0.0
        self._was_healthy = True
        self._past: deque[tuple[float, int]] = deque()
        self._counters = _Counters()

    def __call__(self, run: LiveRun) -> None:
        """Report, if it is time to."""
        now = time.monotonic()
        if now < self._next and run.is_healthy == self._was_healthy:
            return
        self._next, self._was_healthy = now + _PERIOD, run.is_healthy
        status = self.status(run, now)
        for take in self._publish:
            take(status)

    def status(self, run: LiveRun, now: float) -> Status:
        """Return what the run says of itself."""
        answering, model = run.answering, run.answering.model
        late, highest, risen = answering.late, self._counters.highest, self._counters.risen
        summary: dict[str, int] = getattr(model, "summary", {})
        reason = _reason(run, float(getattr(run.source, "silence", 0.0)))
        return Status(
            started_at=self._started,
            n_read=highest("read", answering.n_read),
            n_predicted=highest("predicted", answering.n_predicted),
            n_learned=highest("learned", answering.n_learned),
            n_refused=highest("refused", answering.n_dead["value"]),
            dead_letters=self._dead_letters(answering),
            n_late_joined=highest("joined", answering.n_joined),
            n_late_waiting=late.n_waiting,
            n_late_expired=highest("expired", late.n_expired),
            n_late_orphan=highest("orphan", late.n_orphans),
            n_late_repeated=highest("repeated", late.n_repeated),
            n_late_early=late.n_early,
            lag={} if run.source is None else run.source.lag(),
            events_per_second=self._rate(now, answering.n_read),
            scores={reading: answering.scoring.counted_scores(MODEL, reading) for reading in _READINGS},
            baseline_scores={reading: answering.scoring.counted_scores(BASELINE, reading) for reading in _READINGS},
            drifts={
                name.removeprefix("n_drifts_"): risen(name, n) for name, n in summary.items() if name.startswith("n_drifts_")
            },
            n_labels=summary.get("n_labels", 0),
            n_features=summary.get("n_features", 0),
            n_clusters=summary.get("n_clusters", 1),
            partition_version=summary.get("n_partition_changes", 0),
            n_transactions=run.n_transactions,
            seconds_committing=run.seconds_committing,
            checkpoint=self._checkpoint(run),
            n_lost=risen("lost", getattr(run.source, "lost", 0)),
            resident_bytes=resident_memory(),
            healthy=run.is_healthy and not reason,
            reason=reason,
        )

    def _dead_letters(self, answering: Answering) -> dict[str, int]:
        counts = {code: self._counters.highest(f"dead {code}", n) for code, n in answering.n_dead.items()}
        n_too_large = self._counters.risen("too large", answering.n_too_large)
        return {**counts, "size": n_too_large} if n_too_large else counts

    def _rate(self, now: float, n_read: int) -> float:
        """Return the messages per second of the last seconds."""
        self._past.append((now, n_read))
        while now - self._past[0][0] > _RATE_OVER:
            self._past.popleft()
        since, before = self._past[0]
        return max(0.0, (n_read - before) / (now - since)) if now > since else 0.0

    def _checkpoint(self, run: LiveRun) -> CheckpointStatus | None:
        saved = run.saved
        if saved is None:
            return None
        if self._saved is None or self._saved[0] is not saved:
            # Of the clocks as they are now: the one of the day may be set later, and not go with the monotonic one.
            self._saved = saved, time.time() - (time.monotonic() - saved.at)
        return CheckpointStatus(run.n_checkpoints, saved.seconds, saved.size, self._saved[1])
