"""The live loop: reads, answers, commits and checkpoints, so that each message is learned once and answered once."""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from ihomer.persistence import ModelFileError, open_file
from streams.answering import Answering
from streams.checkpoint import CheckpointFolder, Reading, Span, spans_of
from streams.dead_letters import DeadLetterLog
from streams.errors import SinkError, SourceError
from streams.logs import Failing
from streams.made_with import tell_differences
from streams.message import Fenced, LiveSink, LiveSource, Message, Positions, Unreachable, patiently
from streams.replay import Replay
from streams.state import state_in_parts, unpack_state

__all__ = ["LiveRun", "Pace", "Saved"]

_WAIT = 0.2  # seconds of one poll without an open transaction: how soon a request to stop is seen
_RETRY_DISK = 1.0  # seconds
_LOOK = 0.005  # seconds between two looks at a commit that is waited for
_TAKE_OVER = 3.0  # seconds after which a process that has fenced us has taken over the folder too
_CALM = 60.0  # seconds with nothing to do and nothing amiss, after which a failure is over
_AT_ONCE, _MOST_AT_ONCE = 50, 1000  # messages that are taken before the loop looks round: at first, and at most
_PIECE = 0.25  # seconds that they should take
_TO_LEARN_WHOLE = 5.0  # seconds for which a transaction that is being learned again is gone on with where the run is to stop


class Log(Protocol):
    """Takes events with fields; as structlog's loggers do."""

    def info(self, event: str, **fields: Any) -> Any: ...

    def warning(self, event: str, **fields: Any) -> Any: ...

    def error(self, event: str, **fields: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """When a live run commits, checkpoints and gives up.

    Attributes
    ----------
    checkpoint_messages, checkpoint_seconds
        A checkpoint is due after so many messages, or after so long if there was any message.
    commit_messages, commit_seconds
        Bounds of a transaction: answers are visible after at most so many messages and so long.
    idle_exit
        End after so many seconds without a message; None: never. A source that can be out of reach has to answer then.
    max_messages
        End after so many messages; None: never.
    patience
        Seconds for which a source, a sink or a disk may fail, with nothing committed, before the run ends.
    """

    checkpoint_messages: int | None = None
    checkpoint_seconds: float | None = 60.0
    commit_messages: int = 5000
    commit_seconds: float = 0.5
    idle_exit: float | None = None
    max_messages: int | None = None
    patience: float = 600.0


@dataclass(frozen=True, slots=True)
class Saved:
    """The last checkpoint.

    Attributes
    ----------
    number
        Messages read when it was made.
    size
        Bytes.
    seconds
        How long it took.
    at
        When, on the monotonic clock.
    """

    number: int
    size: int
    seconds: float
    at: float


class _Stopped(Exception):
    """The run is to stop while it is still learning again."""


class LiveRun:
    """One run of a model over live messages.

    A transaction's answers become visible together with the number of messages behind them. Before it is committed the
    journal says what it has read. A checkpoint holds the state after a committed transaction, with the positions in the
    source. On start the newest sound checkpoint is taken, what was committed behind it is learned again in the same order
    without being answered again, and the run goes on there.

    Parameters
    ----------
    folder
        Where checkpoints and journal are; None: none are made, and the run cannot be continued.
    open_source
        Opens the source at its beginning.
    open_sink
        Opens the sink for the run of a name; an older process with that name is kept from writing.
    new
        Makes what takes the messages, which has taken none.
    pace
        When to commit, to checkpoint, and to give up.
    log
        Takes what happens.
    on_turn
        Called after each turn of the loop, at least a few times a second.
    made_with
        What `new` was told, as JSON has it, and "source" and "sink": where the folder was made with something else, that is
        logged. None: nothing is noted and compared.
    sink_first
        Open the sink before an older process is ended, so that a sink that cannot be opened ends none: for sinks that keep
        the older one from writing not when they are opened, but when they are asked what is committed.

    Attributes
    ----------
    answering
        What takes the messages.
    source, sink
        As opened; None before.
    saved
        The last checkpoint of this process, or None.
    n_transactions, n_checkpoints, n_failed_checkpoints, n_reconnects
        Of this process.
    last_failure
        What went wrong last, or None.
    is_healthy
        False from a failure until source and sink are open again, or the next commit is through; and from a failed
        checkpoint until the next one.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ihomer import IHOMERClassifier
    >>> from streams.checkpoint import CheckpointFolder
    >>> from streams.live_files import FileLiveSource
    >>> from streams.live_sinks import FileLiveSink
    >>> from streams.logs import make_logger
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder, events = Path(name), Path(name) / "events.jsonl"
    ...     _ = events.write_text('{"x": {"cloud": 1}, "y": ["rain"]}\\n' * 20)
    ...     source, sink = lambda: FileLiveSource(events), lambda run: FileLiveSink(folder / "answers.jsonl", run=run)
    ...     new, log = lambda: Answering(IHOMERClassifier()), make_logger(level="error")
    ...     run = LiveRun(CheckpointFolder(folder / "run"), source, sink, new, Pace(idle_exit=0.0), log)
    ...     run.run(lambda: False)
    >>> run.saved.number, run.answering.scoring.scores("model", "total")["subset_accuracy"]
    (20, 0.95)
    """

    def __init__(
        self,
        folder: CheckpointFolder | None,
        open_source: Callable[[], LiveSource],
        open_sink: Callable[[str], LiveSink],
        new: Callable[[], Answering],
        pace: Pace,
        log: Log,
        on_turn: Callable[["LiveRun"], object] = lambda run: None,
        made_with: Mapping[str, Any] | None = None,
        sink_first: bool = False,
    ) -> None:
        self.folder = folder
        self.pace = pace
        self.source: LiveSource | None = None
        self.sink: LiveSink | None = None
        self.saved: Saved | None = None
        self.n_transactions = self.n_checkpoints = self.n_failed_checkpoints = self.n_reconnects = 0
        self.last_failure: str | None = None
        self.is_healthy = True
        self._open_source, self._open_sink, self._new = open_source, open_sink, new
        self._log, self._on_turn = log, on_turn
        self._made_with, self._sink_first = made_with, sink_first
        self._dead_letters = DeadLetterLog(log.warning)
        self._journal = Failing(log.error, log.info, "journal")
        self.answering = self._new_answering()
        self._positions: Positions = {}
        self._spans: list[Span] | None = None  # of the open transaction
        self._is_committing = False  # the transaction before it
        self._commit_started = 0.0
        self._polled: deque[Message] = deque()  # and not taken yet
        self._at_once = _AT_ONCE
        self._stop: Callable[[], bool] = lambda: False
        self._opened = self._last_message = 0.0
        self._checkpoint_due, self._checkpoint_not_before = math.inf, 0.0
        self._n_before = self._n_saved = 0
        self._failing_since: float | None = None

    def _new_answering(self) -> Answering:
        answering = self._new()
        answering.on_dead = self._dead_letters
        return answering

    @property
    def seconds_committing(self) -> float:
        """Seconds since a commit was started that is not through yet; 0 without one."""
        return time.monotonic() - self._commit_started if self._is_committing else 0.0

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop, or has failed for as long as its patience: nothing is waited for much longer then."""
        return self._stop() or self._is_patience_over

    @property
    def _is_patience_over(self) -> bool:
        return self._seconds_failing > self.pace.patience

    @property
    def _seconds_failing(self) -> float:
        return 0.0 if self._failing_since is None else time.monotonic() - self._failing_since

    def run(self, stop: Callable[[], bool]) -> None:
        """Go on until `stop` says so, or what `pace` says; then commit and make a checkpoint.

        Raises
        ------
        Fenced
            If another process has taken over the run.
        Unreachable
            If source or sink stayed out of reach for too long, or without a folder at once.
        SinkError
            If there is no folder, and the sink has transactions of an earlier run; or if it will never take anything more.
        SourceError, Gone
            If the run cannot be continued where it was.
        OSError
            If the disk failed for too long. What is not committed is learned again on the next start.
        """
        first, self._stop = True, stop
        while True:
            try:
                self._start(first)
                first = False
                self._loop(stop)
                self._finish()
                return
            except _Stopped:
                return
            except (Fenced, Unreachable) as error:
                if isinstance(error, Fenced):
                    self._end_if_taken_over(error)
                if self.folder is None or stop():
                    raise
                if self._is_patience_over:
                    raise type(error)(f"{error}; nothing has gone through for {self._seconds_failing:.0f} s") from error
                self._note_failure()
                self._fail(str(error))
                self.n_reconnects += 1
                self._log.warning("reconnecting", reason=str(error))
                self._on_turn(self)
            finally:
                self._close()
                self._dead_letters.tell_rest()
            time.sleep(1.0)

    def _note_failure(self) -> None:
        """Note since when nothing goes; one attempt with new connections is made also where that is as long as patience."""
        if self._failing_since is None:
            silence = getattr(self.source, "silence", 0.0)
            self._failing_since = time.monotonic() - max(self.seconds_committing, silence)

    def _end_if_taken_over(self, error: Fenced) -> None:
        """Raise unless the run is still ours: a broker also fences a transaction that took too long."""
        if self.folder is None or self.sink is None:  # not opened: a process of another run has it
            raise error
        with suppress(OSError):
            self.sink.close()  # the newer process may wait for that
        time.sleep(_TAKE_OVER)
        try:
            with self.folder.owned():
                return
        except Fenced:
            raise error from None

    def _fail(self, reason: str) -> None:
        self.is_healthy, self.last_failure = False, reason

    # Start and end -------------------------------------------------------------------------------------------------

    def _start(self, first: bool) -> None:
        """Open all, take the newest checkpoint, and learn again what was committed behind it."""
        folder, self.sink, since = self.folder, None, self._failing_since
        if folder is None:
            self.sink = self._open_sink("none")
            self._refuse_transactions_of_others(self.sink)
            self.source = self._open_source()
        else:
            # In this order: a source out of reach ends no older process; one that is ended writes nothing to the journal any
            # more; what it was committing then is through or dropped when the sink says what it has.
            self._failing_since = time.monotonic() if since is None else since
            self.source = self._open_source()
            if self._sink_first:
                self.sink = self._opened_sink(folder.run, first)
            if first:
                folder.take_over()
            else:
                folder.check_owner()
            self.sink = self.sink or self._opened_sink(folder.run, first)
            committed, self._failing_since = self.sink.committed(), since
            self._recover(folder, self.source, committed, first)
        self._last_message = time.monotonic()
        self._plan_checkpoint(self._last_message)
        if first:
            self._n_before = self.answering.n_read
        self._spans, self._is_committing = None, False
        self._polled.clear()
        self.is_healthy = self._checkpoint_not_before == 0.0
        self._on_turn(self)

    def _refuse_transactions_of_others(self, sink: LiveSink) -> None:
        """Raise if the sink goes on where an earlier run ended: this one begins anew, and would answer all of it again."""
        if sink.committed() is not None:
            raise SinkError("the sink holds the answers of an earlier run; go on with its --checkpoint, or name a new sink")

    def _opened_sink(self, run: str, first: bool) -> LiveSink:
        """Open the sink; what fails at the very first start is likely to be asked for wrongly, and later may pass."""
        if first:
            return self._open_sink(run)
        with patiently():
            return self._open_sink(run)

    def _recover(self, folder: CheckpointFolder, source: LiveSource, committed: int | None, first: bool) -> None:
        number = self._restore(folder)
        if number is None:
            number = 0
            self.answering = self._new_answering()
            self._positions = dict(source.positions)
            if self._made_with is not None:
                folder.note_made_with(self._made_with)
            folder.begin(0)
            if not self._checkpoint():
                raise OSError(f"the first checkpoint could not be written: {self.last_failure}")
        elif first and self._made_with is not None:
            tell_differences(folder, self._made_with, self._log.warning)
        self._n_saved = number  # what is learned again is worth a checkpoint too
        # The sink may have forgotten some, and the journal may not know of the last one.
        until = max(number, folder.last_committed(), committed or 0)
        if committed is not None and committed < until:
            self._log.warning("sink_is_behind", sink=committed, run=until)
        readings = list(folder.readings(number, until))  # first: what a damaged journal still holds is not cut off
        folder.cut(until)
        source.seek(self._positions)
        if until > number:
            self._log.info("learning_again", first=number + 1, last=until)
            self._learn_again(readings, source)
            source.seek(self._positions)
        self._log.info("started", messages=self.answering.n_read, run=folder.run)

    def _restore(self, folder: CheckpointFolder) -> int | None:
        """Take the newest sound checkpoint; return its number, None where there is none at all."""
        reasons: list[str] = []
        for number in folder.checkpoints():
            try:
                answering = self._new_answering()
                with open_file(folder.checkpoint_path(number)) as file:
                    positions = unpack_state(file, answering)
                if answering.n_read != number:
                    raise ModelFileError(f"it holds {answering.n_read} messages, and its name says {number}")
            except (OSError, ModelFileError) as error:
                reasons.append(str(error))
                self._log.error("checkpoint_damaged", file=folder.checkpoint_path(number).name, reason=str(error))
                continue
            self.answering, self._positions = answering, positions
            return number
        if reasons:
            none = f"none of {len(reasons)} checkpoints can be read, the newest because {reasons[0]}"
            raise SourceError(f"{folder.path}: {none}; an empty folder starts anew")
        return None

    def _learn_again(self, readings: Sequence[Reading], source: LiveSource) -> None:
        """Learn what the journal tells, in its order, without answering.

        Raises
        ------
        _Stopped
            If the run is to stop. Of what was learned there is a checkpoint then, if the last transaction is whole soon.
        """
        last = math.inf
        ends: Positions = {}
        for reading in readings:
            for span in reading.spans:
                ends[span.where] = max(span.stop, ends.get(span.where, 0))
        replay = Replay(source, ends)
        for reading in readings:
            for span in reading.spans:
                for messages in replay.parts(span):
                    self.answering.take(messages)
                    self._on_turn(self)
                    last = min(last, time.monotonic() + _TO_LEARN_WHOLE) if self._stop() else last
                    if time.monotonic() > last:
                        raise _Stopped
                self._positions[span.where] = span.stop
            if self._stop():
                self._checkpoint(within_journal=True)
                raise _Stopped

    def _finish(self) -> None:
        """Commit and make a checkpoint at the end of a run."""
        self._commit()
        self._settle()
        if self.folder is not None and self._n_saved < self.answering.n_read:
            deadline = time.monotonic() + min(self.pace.patience, 10 * _RETRY_DISK)
            while not self._checkpoint():
                if time.monotonic() > deadline:
                    raise OSError(f"the last checkpoint could not be written: {self.last_failure}; nothing is lost")
                time.sleep(_RETRY_DISK)
        self._on_turn(self)

    def _close(self) -> None:
        for end in (self.sink, self.source, self.folder):
            if end is not None:
                with suppress(OSError):
                    end.close()

    # The loop ------------------------------------------------------------------------------------------------------

    def _loop(self, stop: Callable[[], bool]) -> None:
        assert self.source is not None
        assert self.sink is not None
        while not stop():
            left = self._messages_left()
            if left == 0:
                return
            if not self._polled:
                self._polled.extend(self.source.poll(self._time_to_wait()))
            now = time.monotonic()
            if self._polled:
                self._last_message = now
                self._take_some(left)
            elif self._spans is None:
                if self.source.at_end or self._is_idle(now):
                    return
                self._look_for_a_newer_process()
                if not self._is_committing and now - self._last_message > _CALM:
                    self._failing_since = None
            if self._spans is not None and self._is_commit_due(time.monotonic()):
                self._commit()
            if self._is_commit_over:
                self._settle()
            if self._spans is None and self._is_checkpoint_due(time.monotonic()):
                self._settle()
                self._checkpoint()
            self._on_turn(self)

    def _messages_left(self) -> int:
        """Return how many messages the open transaction has room for, 0 where the run has had all that it may have."""
        room, most = max(1, self.pace.commit_messages - self._n_open), self.pace.max_messages
        return room if most is None else min(room, max(0, most + self._n_before - self.answering.n_read))

    @property
    def _n_open(self) -> int:
        return sum(span.count for span in self._spans or ())

    def _is_idle(self, now: float) -> bool:
        """Whether nothing has come for as long as `pace` says, and that is not because the source is out of reach."""
        if self.pace.idle_exit is None or now - self._last_message < self.pace.idle_exit:
            return False
        is_read_up: Callable[[float], bool] | None = getattr(self.source, "is_read_up", None)
        return is_read_up is None or is_read_up(self._last_message + self.pace.idle_exit)

    def _look_for_a_newer_process(self) -> None:
        """Raise `Fenced` if one has taken over: with nothing to write, nobody else would tell."""
        if self.folder is not None:
            with suppress(OSError):  # a disk that fails for a while is told by what is written next
                self.folder.check_owner()

    def _time_to_wait(self) -> float:
        if self._spans is None:
            return _WAIT if self.pace.idle_exit is None else min(_WAIT, self.pace.idle_exit)
        return max(0.0, self._opened + self.pace.commit_seconds - time.monotonic())

    def _is_commit_due(self, now: float) -> bool:
        return self._n_open >= self.pace.commit_messages or now >= self._opened + self.pace.commit_seconds

    def _take_some(self, most: int) -> None:
        """Take as many of the messages that were read as take a short time, so that the loop can look round."""
        size = min(self._at_once, len(self._polled), most)
        start = time.monotonic()
        self._take([self._polled.popleft() for _ in range(size)])
        seconds = max(time.monotonic() - start, 1e-9)
        self._at_once = min(max(int(size * _PIECE / seconds), 1), _MOST_AT_ONCE)

    def _take(self, messages: Sequence[Message]) -> None:
        """Answer and learn messages in the open transaction, or a new one."""
        assert self.sink is not None
        if self._spans is None:
            self.sink.begin()
            self._spans, self._opened = [], time.monotonic()
        self.answering.take(messages, self.sink)
        for span in spans_of(messages):
            if self._spans and self._spans[-1].where == span.where:
                last = self._spans.pop()
                span = Span(span.topic, span.partition, last.first, span.stop, last.count + span.count)
            self._spans.append(span)
            self._positions[span.where] = span.stop

    def _commit(self) -> None:
        """Note what the open transaction has read, then start to commit it; the next one is filled meanwhile.

        Before that the transaction before it has to be through: of what the journal says, only the last can be in doubt.
        """
        if self._spans is None:
            return
        assert self.sink is not None
        self._settle()
        number, touched = self.answering.n_read, {span.where: self._positions[span.where] for span in self._spans}
        if self.folder is not None:
            self._note(self.folder, Reading(number, self._spans))
        self._is_committing, self._commit_started = True, time.monotonic()
        with patiently():
            self.sink.start_commit(number, touched)
        self._spans = None

    @property
    def _is_commit_over(self) -> bool:
        """Whether the last transaction is through or not waited for any longer."""
        assert self.sink is not None
        return self.sink.is_settled or self.is_stopping or self.seconds_committing > self.pace.patience

    def _settle(self) -> None:
        """Wait until the last transaction is through, and tell meanwhile how the run is."""
        if not self._is_committing:
            return
        assert self.sink is not None
        while not self._is_commit_over:
            self._on_turn(self)
            time.sleep(_LOOK)
        with patiently():
            self.sink.settle()
        self._is_committing, self._failing_since = False, None
        if self.folder is not None:
            with suppress(OSError):  # only needed where the sink forgets what it has
                self.folder.note_committed()
        self.n_transactions += 1
        self.is_healthy = self.is_healthy or self._checkpoint_not_before == 0.0

    def _note(self, folder: CheckpointFolder, reading: Reading) -> None:
        """Write to the journal; while the disk refuses, try again until patience ends, or the run is to stop."""
        deadline = time.monotonic() + self.pace.patience
        while True:
            try:
                folder.note(reading)
                self._journal.works()
                return
            except OSError as error:
                self._fail(str(error))
                self._journal.failed(str(error))
                if time.monotonic() > deadline or self._stop():
                    raise
            self._on_turn(self)
            time.sleep(_RETRY_DISK)

    # Checkpoints ---------------------------------------------------------------------------------------------------

    def _plan_checkpoint(self, now: float) -> None:
        seconds = self.pace.checkpoint_seconds
        self._checkpoint_due = math.inf if seconds is None else now + seconds

    def _is_checkpoint_due(self, now: float) -> bool:
        n_new = self.answering.n_read - self._n_saved
        if self.folder is None or not n_new or now < self._checkpoint_not_before:
            return False
        most = self.pace.checkpoint_messages
        return now >= self._checkpoint_due or (most is not None and n_new >= most)

    def _checkpoint(self, within_journal: bool = False) -> bool:
        """Write a checkpoint; tell whether that went well. If not, all goes on, and it is tried again later."""
        assert self.folder is not None
        start, number = time.monotonic(), self.answering.n_read
        content = state_in_parts(self.answering, self._positions)
        try:
            (self.folder.save_within if within_journal else self.folder.save)(number, content)
        except OSError as error:
            self.n_failed_checkpoints += 1
            self._fail(str(error))
            self._log.error("checkpoint_failed", reason=str(error))
            self._checkpoint_not_before = time.monotonic() + 10 * _RETRY_DISK
            return False
        self._checkpoint_not_before = 0.0
        now, size = time.monotonic(), sum(map(len, content))
        self.saved = Saved(number, size, now - start, now)
        self.n_checkpoints += 1
        self.is_healthy = True
        self._n_saved = number
        self._plan_checkpoint(now)
        self._log.info("checkpoint", messages=number, bytes=size, seconds=round(now - start, 4))
        return True
