"""The folder of a live run: checkpoints, the journal of what was read since, and who may write."""

import errno
import fcntl
import json
import os
import re
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import IO, Any

import msgspec

from ihomer.persistence import Content, remove_unfinished, write_file
from streams.errors import SourceError
from streams.message import Fenced, Message, Partition

__all__ = ["CheckpointFolder", "Reading", "Span", "spans_of"]

_CHECKPOINT = re.compile(r"checkpoint-(\d{15})\.ihomer")
_JOURNAL = re.compile(r"journal-(\d{15})")


class Span(msgspec.Struct, frozen=True, array_like=True):
    """Messages of one partition that were read one after another.

    Attributes
    ----------
    topic, partition
        Where they stand.
    first, stop
        Offset of the first one, and the one behind the last.
    count
        How many they are; offsets have gaps.
    """

    topic: str
    partition: int
    first: int
    stop: int
    count: int

    @property
    def where(self) -> Partition:
        """The partition."""
        return self.topic, self.partition


class Reading(msgspec.Struct, frozen=True, array_like=True):
    """What one transaction read.

    Attributes
    ----------
    number
        Number of messages read in all when it ended.
    spans
        The messages, in the order in which they were learned.
    """

    number: int
    spans: list[Span]


_PATIENCE = 30.0  # seconds that a lock is waited for; it is held for as long as a file takes to be written

_READING = msgspec.json.Decoder(Reading).decode
_ENCODE = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Line:
    """A sound line of a journal, and where it ends in the file."""

    reading: Reading | None  # None: the one before it went through
    end: int


class CheckpointFolder:
    """Checkpoints of one run and the journal of its transactions, in a folder that one process at a time may write.

    The journal says, before a transaction is committed, what it has read and in which order. After a crash the messages
    behind the newest checkpoint are learned again in that order, as far as their transactions went through.

    The process that calls `take_over` last is the owner; an older one is refused by `Fenced` when it writes next.

    Parameters
    ----------
    path
        The folder; it is made if it is missing.
    keep
        How many checkpoints are kept, at least 1; a damaged one is skipped for the one before.

    Attributes
    ----------
    run
        Name of the run, given when the folder is first used.

    Raises
    ------
    OSError
        If the folder cannot be made or written.
    SourceError
        If the folder holds the run of a newer version, or its description is damaged.

    Examples
    --------
    >>> import tempfile
    >>> from streams.checkpoint import CheckpointFolder, Reading, Span
    >>> with tempfile.TemporaryDirectory() as path:
    ...     folder = CheckpointFolder(path)
    ...     folder.take_over()
    ...     folder.begin(0)
    ...     folder.note(Reading(3, [Span("clicks", 0, 17, 20, 3)]))
    ...     folder.note(Reading(5, [Span("clicks", 1, 0, 2, 2)]))
    ...     print([reading.number for reading in folder.readings(0, 3)])
    ...     folder.close()
    [3]
    """

    def __init__(self, path: str | Path, keep: int = 3) -> None:
        if keep < 1:
            raise ValueError(f"keep must be at least 1, not {keep}")
        self.path = Path(path)
        self.keep = keep
        self._token = uuid.uuid4().hex
        self._has_owned = False
        self._journal: IO[bytes] | None = None
        self.path.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self.run = self._named()

    def _named(self) -> str:
        """Return the name of the run; give it one if it is new."""
        file = self.path / "run.json"
        if not file.exists():
            write_file(file, json.dumps({"version": 1, "run": uuid.uuid4().hex}).encode())
        try:
            found = self._description()
            version, name = found["version"], found["run"]
        except (ValueError, KeyError, TypeError):
            raise SourceError(f"{file}: damaged; it names the run, whose transactions carry the name") from None
        if version != 1 or not isinstance(name, str):
            raise SourceError(f"{file}: made by a newer version of ihomer")
        return name

    def _description(self) -> Any:
        return json.loads((self.path / "run.json").read_bytes())

    def note_made_with(self, options: Mapping[str, Any]) -> None:
        """Write down, beside the name of the run, what its model was made with.

        Raises
        ------
        Fenced, OSError
            As `save`.
        """
        with self.owned():
            content = json.dumps({**self._description(), "made_with": dict(options)}).encode()
            write_file(self.path / "run.json", content)

    def made_with(self) -> dict[str, Any] | None:
        """Return what `note_made_with` wrote down; None where it was not called."""
        found = self._description().get("made_with")
        return found if isinstance(found, dict) else None

    # Who may write -------------------------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # Opened for reading: the journal goes on where the folder cannot be written any more.
        lock = os.open(self.path / "lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            deadline = time.monotonic() + _PATIENCE
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        held = f"{self.path}: held by another process for {_PATIENCE:g} seconds"
                        raise TimeoutError(held) from None
                    time.sleep(0.002)
            yield
        finally:
            os.close(lock)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Keep others from taking over while the block runs.

        Raises
        ------
        Fenced
            If another process has taken over.
        SourceError
            If the folder was removed or emptied since this process took it over.
        """
        with self._locked():
            self.check_owner()
            yield

    def check_owner(self) -> None:
        """Raise what `owned` does if another process has taken over so far; unlike there, one may do so right after."""
        owner = self.path / "owner"
        if self._has_owned and not owner.exists():
            raise SourceError(f"{self.path}: the folder of the run was removed or emptied while it went on")
        if not owner.exists() or owner.read_text() != self._token:
            raise Fenced(f"another process has taken over the run in {self.path}")

    def take_over(self) -> None:
        """Become the one process that may write; an older one is refused from now on.

        What a process that was killed has left half written is removed: whoever writes has the lock.
        """
        with self._locked():
            write_file(self.path / "owner", self._token.encode())
            self._has_owned = True
            remove_unfinished(self.path)

    # Checkpoints ---------------------------------------------------------------------------------------------------

    def _numbers(self, pattern: re.Pattern[str]) -> list[int]:
        found = (pattern.fullmatch(name) for name in os.listdir(self.path))
        return sorted(int(match[1]) for match in found if match)

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is any, sound or not: the run has begun."""
        return bool(self._numbers(_CHECKPOINT))

    def checkpoint_path(self, number: int) -> Path:
        """Return the file of the checkpoint after `number` messages."""
        return self.path / f"checkpoint-{number:015d}.ihomer"

    def _journal_path(self, number: int) -> Path:
        return self.path / f"journal-{number:015d}"

    def save(self, number: int, content: Content) -> None:
        """Write the checkpoint after `number` messages and start its journal; drop checkpoints that are too many.

        Raises
        ------
        Fenced
            If another process has taken over.
        OSError
            If it cannot be written. All is then as it was before, and the journal goes on.
        """
        with self.owned():
            self._open_journal(number)
            write_file(self.checkpoint_path(number), content)
            for old in self._numbers(_CHECKPOINT)[: -self.keep]:
                with suppress(OSError):  # one that stays does no harm
                    self.checkpoint_path(old).unlink()
            self._drop_journals()

    def save_within(self, number: int, content: Content) -> None:
        """Write the checkpoint after `number` messages where the journal tells already what comes after; drop nothing.

        Raises
        ------
        Fenced, OSError
            As `save`.
        """
        with self.owned():
            write_file(self.checkpoint_path(number), content)

    def _drop_journals(self) -> None:
        """Remove the journals that lie wholly before the oldest checkpoint."""
        oldest = min(self._numbers(_CHECKPOINT))
        for start, following in pairwise(self._numbers(_JOURNAL)):
            if following <= oldest:
                with suppress(OSError):
                    self._journal_path(start).unlink()

    def checkpoints(self) -> list[int]:
        """Return the numbers of the checkpoints, sound or not, the newest first."""
        return self._numbers(_CHECKPOINT)[::-1]

    # The journal ---------------------------------------------------------------------------------------------------

    def begin(self, number: int) -> None:
        """Start a journal of what follows after `number` messages."""
        with self.owned():
            self._open_journal(number)

    def _open_journal(self, number: int) -> None:
        file = self._journal_path(number).open("ab", buffering=0)
        self.close()
        self._journal = file
        _sync_folder(self.path)

    def note(self, reading: Reading) -> None:
        """Write down what a transaction has read, before it is committed. On return it is on the disk.

        Raises
        ------
        Fenced
            If another process has taken over.
        OSError
            If it cannot be written: the transaction must not be committed. All is then as it was before.
        """
        with self.owned():
            self._append(_ENCODE(reading), sync=True)

    def note_committed(self) -> None:
        """Write down that the last transaction went through; on return it need not be on the disk.

        Raises
        ------
        Fenced, OSError
            As `note`.
        """
        with self.owned():
            self._append(b"null", sync=False)

    def _append(self, text: bytes, sync: bool) -> None:
        if self._journal is None:
            raise OSError(errno.EBADF, "the journal is not open")
        file = self._journal
        end = os.fstat(file.fileno()).st_size
        line = b"%08x %b\n" % (zlib.crc32(text), text)
        try:
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file.name))
            if sync:
                os.fsync(file.fileno())
        except OSError as error:
            try:
                os.ftruncate(file.fileno(), end)
            except BaseException:  # what stands behind half a line is never read: without a clean end it is not used again
                self.close()
                raise
            raise OSError(error.errno, error.strerror, str(file.name)) from None

    def _lines(self, number: int) -> list[_Line]:
        """Return the sound lines of a journal; they end at the first that is not, as a crash may have left it."""
        try:
            content = self._journal_path(number).read_bytes()
        except FileNotFoundError:
            return []
        lines: list[_Line] = []
        at = 0
        while (end := content.find(b"\n", at)) >= 0:
            mark, _, text = content[at:end].partition(b" ")
            if mark != b"%08x" % zlib.crc32(text):
                break
            at = end + 1
            lines.append(_Line(None if text == b"null" else _READING(text), at))
        return lines

    def _all_lines(self) -> Iterator[_Line]:
        """Yield the lines of all journals; those of one that lie behind the start of the next did not go through."""
        starts = self._numbers(_JOURNAL)
        for start, following in zip_longest(starts, starts[1:]):
            for line in self._lines(start):
                if following is not None and line.reading is not None and line.reading.number > following:
                    break
                yield line

    def last_committed(self) -> int:
        """Return the number of messages after the last transaction of which is written down that it went through."""
        last = max(self._numbers(_JOURNAL), default=0)
        before = 0
        for line in self._all_lines():
            if line.reading is not None:
                before = line.reading.number
            else:
                last = max(last, before)
        return last

    def readings(self, number: int, until: int) -> Iterator[Reading]:
        """Yield what was read after the first `number` messages, up to message `until`.

        Raises
        ------
        SourceError
            If the journals do not tell all of it.
        """
        reached = number
        for line in self._all_lines():
            if line.reading is not None and reached < line.reading.number <= until:
                if line.reading.number - sum(span.count for span in line.reading.spans) != reached:
                    break
                reached = line.reading.number
                yield line.reading
        if reached != until:
            raise SourceError(
                f"{self.path}: the journals end at message {reached}, and {until} have been answered; the model of an older "
                "backup can go on: ihomer inspect --model-to FILE, then a new folder with --model-from FILE"
            )

    def cut(self, until: int) -> None:
        """Forget what was read after message `until`: its transactions did not go through. The journal goes on there."""
        with self.owned():
            starts = self._numbers(_JOURNAL)
            for start in starts:
                if start > until:
                    self._journal_path(start).unlink()
                    continue
                end = 0
                for line in self._lines(start):
                    if line.reading is not None and line.reading.number > until:
                        break
                    end = line.end
                os.truncate(self._journal_path(start), end)
            self._open_journal(max((start for start in starts if start <= until), default=until))

    def close(self) -> None:
        """Close the journal; safe to call twice."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None


def _sync_folder(path: Path) -> None:
    """Make sure that a new file's name is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def spans_of(messages: Sequence[Message]) -> Iterator[Span]:
    """Yield the runs of messages of the same partition."""
    start = 0
    for i in range(1, len(messages) + 1):
        first = messages[start]
        if i == len(messages) or (messages[i].topic, messages[i].partition) != (first.topic, first.partition):
            yield Span(first.topic, first.partition, first.offset, messages[i - 1].offset + 1, i - start)
            start = i
