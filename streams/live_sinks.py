"""Files and standard output as live sinks: JSON lines in transactions."""

import abc
import contextlib
import errno
import fcntl
import os
import select
import stat
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from streams.errors import SinkError
from streams.event import Record, encode_record
from streams.message import Fenced, Positions, Unreachable

__all__ = ["FileLiveSink", "StandardOutputSink", "refuse_unfit_files"]


class _Committed(msgspec.Struct, forbid_unknown_fields=True):
    """What stands in the file beside the predictions: the last transaction and how long the files were after it."""

    number: int | None
    n_bytes: int
    dead: str | None = None
    n_dead_bytes: int = 0
    run: str | None = None  # the name of the run that they belong to


class _File:
    """One file that is written to at its committed end, and locked against other processes."""

    def __init__(self, path: Path, patience: float) -> None:
        self.path = path
        self.n_bytes = 0
        self._text = bytearray()
        _refuse_odd_file(path)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            self._lock(patience)
        except BaseException:
            os.close(self._descriptor)
            raise

    def _lock(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Fenced(f"{self.path}: another process writes to this file") from None
            time.sleep(0.05)

    @property
    def length(self) -> int:
        return os.fstat(self._descriptor).st_size

    def add(self, raw: bytes) -> None:
        self._text += raw

    def clear(self) -> None:
        self._text = bytearray()

    def cut(self) -> None:
        """Cut the file back to its committed length."""
        if self.length != self.n_bytes:
            os.ftruncate(self._descriptor, self.n_bytes)

    def refuse_other_file(self) -> None:
        ours = os.fstat(self._descriptor)
        try:
            named = self.path.stat()
        except FileNotFoundError:
            raise Fenced(f"{self.path}: the file is not there any more") from None
        if not os.path.samestat(named, ours):
            raise Fenced(f"{self.path}: another file has taken its name")

    def refuse_cut_file(self, n_bytes: int, record_path: Path) -> None:
        """Raise if the file does not hold all of its last transaction: what is written behind that would leave a gap."""
        if self.length < n_bytes:
            raise SinkError(
                f"{self.path}: is {self.length} bytes long, and was {n_bytes} after the last transaction; "
                "put the file back (no other may take its place while the run goes on), or name another one, which loses no "
                "answer but those that are gone; to begin anew, with a model that knows nothing, "
                f"remove {self.path}, {record_path} and the folder of checkpoints"
            )

    def write(self) -> int:
        """Write what was added behind the committed end, down to the disk; return the new length."""
        self.cut()
        place, left = self.n_bytes, memoryview(bytes(self._text))
        while left:
            n_written = os.pwrite(self._descriptor, left, place)
            place, left = place + n_written, left[n_written:]
        os.fsync(self._descriptor)
        return place

    def accept(self, n_bytes: int) -> None:
        self.n_bytes = n_bytes
        self.clear()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@dataclass(slots=True)
class _Open:
    """Whether a transaction is open."""

    is_open: bool = False

    def begin(self) -> None:
        if self.is_open:
            raise RuntimeError("a transaction is open already")
        self.is_open = True

    def check(self) -> None:
        if not self.is_open:
            raise RuntimeError("no transaction is open")


class _AtOnce(abc.ABC):
    """A sink whose commit has gone through, or not, when it returns."""

    @abc.abstractmethod
    def commit(self, number: int, positions: Positions) -> None:
        """Bring out all records since `begin`."""

    def start_commit(self, number: int, positions: Positions) -> None:
        """Do what `commit` does."""
        self.commit(number, positions)

    @property
    def is_settled(self) -> bool:
        """True: a commit that returns has gone through."""
        return True

    def settle(self) -> None:  # noqa: B027 - there is nothing to wait for
        """Do nothing: a commit that returns has gone through."""


class FileLiveSink(_AtOnce):
    """Predictions in a file of JSON lines, dead letters in another one, both in one transaction.

    A transaction is written behind the end of the last one, brought to the disk, and then its number and the lengths of
    the files replace, in one step, what ``PATH.commit`` says. When the sink is opened, what is longer than that is cut
    off: it belongs to no transaction.

    Parameters
    ----------
    path
        The file.
    dead_path
        The file of dead letters; without it they are dropped.
    append
        Whether files that hold something already, but have no ``PATH.commit``, are continued.
    patience
        Seconds to wait for a process that has one of the files open.
    run
        Name of the run that writes, which the files are then bound to; None for one that cannot be continued.

    Raises
    ------
    SinkError
        If a file holds something and is not to be continued, belongs to another run, is shorter than its last transaction, or
        cannot be such a sink: gzipped, no regular file.
    Fenced
        If another process has one of the files open for longer.
    OSError
        If a file cannot be opened or written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from streams.live_sinks import FileLiveSink
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "answers.jsonl"
    ...     sink = FileLiveSink(path)
    ...     sink.begin()
    ...     sink.write({"labels": ["rain"]})
    ...     sink.commit(1, {})
    ...     sink.begin()
    ...     sink.write({"labels": ["snow"]})
    ...     sink.close()
    ...     again = FileLiveSink(path)
    ...     print(again.committed(), path.read_text())
    ...     again.close()
    1 {"labels":["rain"]}
    """

    def __init__(
        self,
        path: str | Path,
        dead_path: str | Path | None = None,
        *,
        append: bool = False,
        patience: float = 0.0,
        run: str | None = None,
    ) -> None:
        self.path = Path(path)
        self._run = run
        self.dead_path = None if dead_path is None else Path(dead_path)
        self._record_path = _record_path(self.path)
        if self.dead_path is not None:
            _refuse_shared_file(self.dead_path, (self.path, self._record_path))
        self._transaction = _Open()
        self._closed = False
        self._other_dead: tuple[str | None, int] = (None, 0)
        with contextlib.ExitStack() as stack:
            self._file = _File(self.path, patience)
            stack.callback(self._file.close)
            self._dead = None
            if self.dead_path is not None:
                self._dead = _File(self.dead_path, patience)
                stack.callback(self._dead.close)
            self._number = self._take_up(append)
            stack.pop_all()

    def _take_up(self, append: bool) -> int | None:
        """Bring the files to where the last transaction left them; return its number."""
        record = _read_record(self._record_path)
        if record is not None and record.run not in (None, self._run):
            told = f"holds the answers of another run, as {self._record_path.name} says"
            raise SinkError(f"{self.path}: {told}; go on with its --checkpoint, or name a new sink")
        dead = self._dead
        self._set_length(self._file, None if record is None else record.n_bytes, append)
        if dead is not None:
            is_same = record is not None and record.dead == self._dead_name()
            self._set_length(dead, record.n_dead_bytes if record is not None and is_same else None, append)
        # Until this stands, the files are whole only as they are.
        number = None if record is None else record.number
        if dead is None and record is not None:
            self._other_dead = record.dead, record.n_dead_bytes
        n_dead_bytes = 0 if dead is None else dead.n_bytes
        _write_record(self._record_path, self._record(number, self._file.n_bytes, n_dead_bytes))
        self._file.cut()
        if dead is not None:
            dead.cut()
        return number

    def _set_length(self, file: _File, n_bytes: int | None, append: bool) -> None:
        length = file.length
        if n_bytes is None:
            if length and not append:
                raise _unknown(file.path, self._record_path)
            n_bytes = length
        file.refuse_cut_file(n_bytes, self._record_path)
        file.n_bytes = n_bytes

    def _dead_name(self) -> str | None:
        """Return the path of the dead letters as seen from the file, so that both can be moved together."""
        return None if self.dead_path is None else os.path.relpath(self.dead_path, self.path.parent)

    def _record(self, number: int | None, n_bytes: int, n_dead_bytes: int) -> _Committed:
        dead = self._other_dead if self._dead is None else (self._dead_name(), n_dead_bytes)
        return _Committed(number, n_bytes, *dead, self._run)

    def begin(self) -> None:
        """Start a transaction."""
        self._refuse_closed()
        self._transaction.begin()

    def write(self, record: Record, key: bytes | None = None) -> None:
        """Write a prediction; the key is not kept.

        Raises
        ------
        ValueError
            If the record has no JSON form; the transaction is as it was.
        """
        self._transaction.check()
        self._file.add(encode_record(record) + b"\n")

    def write_dead(self, record: Record, key: bytes | None = None) -> None:
        """Write a dead letter, if there is a file for them."""
        self._transaction.check()
        if self._dead is not None:
            self._dead.add(encode_record(record) + b"\n")

    def commit(self, number: int, positions: Positions) -> None:
        """Bring out all records since `begin`, or none of them.

        Raises
        ------
        Fenced
            If a file was replaced by another one.
        SinkError
            If a file was cut: what stood in it is gone.
        Unreachable
            If the last step failed in such a way that it is not known whether it will stand after a power cut.
        OSError
            If the disk is full or the files cannot be written: nothing is out, and the transaction is still open.
        """
        self._refuse_closed()
        self._transaction.check()
        files = [self._file] if self._dead is None else [self._file, self._dead]
        for file in files:
            file.refuse_other_file()
            file.refuse_cut_file(file.n_bytes, self._record_path)
        try:
            lengths = [file.write() for file in files]
            _write_record(self._record_path, self._record(number, lengths[0], lengths[1] if self._dead is not None else 0))
        except Unreachable:
            raise
        except OSError as error:
            for file in files:
                with contextlib.suppress(OSError):
                    file.cut()
            raise OSError(error.errno, error.strerror, error.filename or str(self.path)) from None
        for file, length in zip(files, lengths, strict=True):
            file.accept(length)
        self._number = number
        self._transaction.is_open = False

    def abort(self) -> None:
        """Drop all records since `begin`, if there is a transaction."""
        self._transaction.is_open = False
        self._file.clear()
        if self._dead is not None:
            self._dead.clear()

    def committed(self) -> int | None:
        """Return the number of the last transaction in the files; None if there is none yet."""
        return self._number

    def close(self) -> None:
        """Close the files; safe to call twice. An open transaction is dropped."""
        if not self._closed:
            self._closed = True
            self.abort()
            self._file.close()
            if self._dead is not None:
                self._dead.close()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ValueError(f"{self.path}: the sink is closed")


class StandardOutputSink(_AtOnce):
    """Predictions on standard output: at least once, for what is out cannot be taken back.

    Parameters
    ----------
    descriptor
        Where to write; by default standard output. It is not closed.
    dead_path
        A file that dead letters are appended to, at least once as well; without it they are dropped.

    Raises
    ------
    SinkError
        If standard output is closed.
    OSError
        If the file of dead letters cannot be opened.

    Examples
    --------
    >>> import os
    >>> from streams.live_sinks import StandardOutputSink
    >>> read, write = os.pipe()
    >>> sink = StandardOutputSink(write)
    >>> sink.begin()
    >>> sink.write({"labels": ["rain"]})
    >>> sink.commit(1, {})
    >>> os.read(read, 100), sink.committed()
    (b'{"labels":["rain"]}\\n', None)
    >>> os.close(read)
    >>> os.close(write)
    """

    def __init__(self, descriptor: int | None = None, dead_path: str | Path | None = None) -> None:
        if descriptor is None and sys.stdout is None:
            raise SinkError("standard output is closed")
        self._descriptor = sys.stdout.fileno() if descriptor is None else descriptor
        self._transaction = _Open()
        self._text, self._dead_text = bytearray(), bytearray()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._dead = None if dead_path is None else os.open(dead_path, flags, 0o666)

    def begin(self) -> None:
        """Start a transaction."""
        self._transaction.begin()

    def write(self, record: Record, key: bytes | None = None) -> None:
        """Write a prediction; the key is not kept.

        Raises
        ------
        ValueError
            If the record has no JSON form; the transaction is as it was.
        """
        self._transaction.check()
        self._text += encode_record(record) + b"\n"

    def write_dead(self, record: Record, key: bytes | None = None) -> None:
        """Write a dead letter, if there is a file for them."""
        self._transaction.check()
        if self._dead is not None:
            self._dead_text += encode_record(record) + b"\n"

    def commit(self, number: int, positions: Positions) -> None:
        """Write all records since `begin`.

        Raises
        ------
        SinkError
            If the reader has gone: it does not come back.
        Unreachable
            If only a part could be written for another reason, as a full disk.
        """
        self._transaction.check()
        try:
            if self._dead is not None:
                _write_all(self._dead, self._dead_text)
            _write_all(self._descriptor, self._text)
        except BrokenPipeError:
            raise SinkError("whatever read standard output or the dead letters has ended, so this run ends too") from None
        except OSError as error:
            raise Unreachable(f"standard output or dead letters: {error.strerror}") from None
        self.abort()

    def abort(self) -> None:
        """Drop all records since `begin`, if there is a transaction."""
        self._transaction.is_open = False
        self._text, self._dead_text = bytearray(), bytearray()

    def committed(self) -> int | None:
        """Return None: nobody knows what has been read."""
        return None

    def close(self) -> None:
        """Drop an open transaction; safe to call twice."""
        self.abort()
        if self._dead is not None:
            os.close(self._dead)
            self._dead = None


def _write_all(descriptor: int, text: bytearray) -> None:
    left = memoryview(bytes(text))
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


def _record_path(path: Path) -> Path:
    return path.with_name(path.name + ".commit")


def _refuse_odd_file(path: Path) -> None:
    if path.name.lower().endswith(".gz"):
        raise SinkError(f"{path}: a gzipped file cannot be cut back to its last transaction; write a plain one")
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        raise SinkError(f"{path}: not a regular file; for a pipe write to -")


def _unknown(path: Path, record_path: Path) -> SinkError:
    return SinkError(f"{path}: holds something, and {record_path} does not know of it; move it away, or name another file")


def _refuse_shared_file(dead_path: Path, taken: Iterable[Path]) -> None:
    """Raise if dead letters would go, also by a link, into one of these files."""
    for other in taken:
        is_other = os.path.realpath(dead_path) == os.path.realpath(other)
        if is_other or (dead_path.exists() and other.exists() and dead_path.samefile(other)):
            raise SinkError(f"{dead_path}: dead letters need a file of their own, which {other} is not")


def refuse_unfit_files(path: Path, dead_path: Path | None) -> None:
    """Raise what a `FileLiveSink` of these files is sure to raise, without touching them or who writes to them now.

    Raises
    ------
    SinkError
        If a file is gzipped or no regular one, both are one, or the first one holds something that no sink has written.
    OSError
        If one cannot be opened or made.
    """
    for file in (path,) if dead_path is None else (path, dead_path):
        _refuse_odd_file(file)
        try:
            os.close(os.open(file, os.O_RDWR | os.O_CLOEXEC))
        except FileNotFoundError as error:
            if not file.parent.is_dir():
                raise
            if not os.access(file.parent, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file)) from error
    if dead_path is not None:
        _refuse_shared_file(dead_path, (path, _record_path(path)))
    if _read_record(_record_path(path)) is None and path.exists() and path.stat().st_size > 0:
        raise _unknown(path, _record_path(path))


def _read_record(path: Path) -> _Committed | None:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        record = msgspec.json.decode(raw, type=_Committed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SinkError(f"{path}: not what a sink has written: {error}") from None
    if min(record.n_bytes, record.n_dead_bytes, record.number or 0) < 0:
        raise SinkError(f"{path}: a length or number below 0")
    return record


def _write_record(path: Path, record: _Committed) -> None:
    """Replace the file in one step that a power cut does not undo."""
    new = path.with_name(path.name + ".new")
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path.parent)) from None
    try:
        with new.open("wb") as file:
            file.write(msgspec.json.encode(record))
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
        try:
            os.fsync(folder)
        except OSError as error:
            raise Unreachable(f"{path}: not known to be on the disk: {error.strerror}") from None
    except Unreachable:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(folder)
