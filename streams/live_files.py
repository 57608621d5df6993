"""JSON lines as live sources: a file, which may be growing, and standard input."""

import contextlib
import json
import os
import select
import stat
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, cast

from streams.beginning import Beginning
from streams.errors import SourceError
from streams.lines import DAMAGE, packing_of
from streams.message import Gone, Message, Partition, Positions

__all__ = ["FileLiveSource", "StandardInputSource"]

_BLOCK = 1 << 18
_MOST_MESSAGES = 1000
_LONGEST_LINE = 1 << 26
_BETWEEN_LOOKS = 0.05
_CUT = b" ... cut off: the line is too long"
_KEPT = 4096
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Lines:
    """Cuts blocks of bytes into numbered lines that are not blank, without their ends.

    A line that is longer than `longest` is cut off, in such a way that it is no JSON any more.
    """

    def __init__(self, longest: int) -> None:
        self.number = 0
        self._longest = longest
        self._start: list[bytes] = []
        self._length = 0

    def feed(self, block: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that end in this block."""
        first, *others = block.split(b"\n")
        self._append(first)
        for part in others:
            yield from self._ended()
            self._append(part)

    @property
    def is_within_line(self) -> bool:
        """Whether a line has begun and not ended yet."""
        return self._length > 0

    @property
    def begun(self) -> bytes:
        """What there is of a line that has not ended yet, as it would be if it ended here."""
        line = b"".join(self._start)
        if self._length > self._longest:
            line = line[:_KEPT] + _CUT
        if self.number == 0:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        return line.strip(b" \t\r")

    @property
    def n_begun(self) -> int:
        """Number of bytes of a line that has not ended yet."""
        return self._length

    def finish(self) -> Iterator[tuple[int, bytes]]:
        """Yield the last line, if it has no end."""
        if self._length:
            yield from self._ended()

    def _append(self, part: bytes) -> None:
        if self._length <= self._longest and part:
            self._start.append(part)
        self._length += len(part)

    def _ended(self) -> Iterator[tuple[int, bytes]]:
        line, number = self.begun, self.number
        self.number += 1
        self._start, self._length = [], 0
        if line:
            yield number, line


class _LineSource:
    """Messages from lines: the offset of a message is the number of lines before it."""

    def __init__(self, name: str, longest: int) -> None:
        self._partition: Partition = (name, 0)
        self._longest = longest
        self._lines = _Lines(longest)
        self._queue: deque[Message] = deque()
        self._next = 0
        self._ended = False
        self._closed = False

    def _read(self, timeout: float) -> bytes | None:
        """Return the next bytes, b"" at the end, None if there are none now."""
        raise NotImplementedError

    def _last_line(self) -> Iterator[tuple[int, bytes]]:
        """Yield the last line, if it has no end."""
        return self._lines.finish()

    def poll(self, timeout: float) -> list[Message]:
        """Return the next lines that are not blank, up to a thousand."""
        if self._closed:
            raise ValueError(f"{self._partition[0]}: the source is closed")
        deadline = time.monotonic() + timeout
        while not self._queue and not self._ended:
            left = deadline - time.monotonic()
            block = self._read(max(left, 0.0))
            if block is None:
                if left <= 0:
                    break
                continue
            lines = self._lines.feed(block) if block else self._last_line()
            topic, partition = self._partition
            # A last line that was taken without its end may get it later: it comes no second time.
            self._queue.extend(Message(topic, partition, number, line) for number, line in lines if number >= self._next)
            self._ended = not block
        messages = [self._queue.popleft() for _ in range(min(len(self._queue), _MOST_MESSAGES))]
        if messages:
            self._next = messages[-1].offset + 1
        if not self._queue:
            self._next = max(self._next, self._lines.number)
        return messages

    @property
    def positions(self) -> Positions:
        """Number of the next line."""
        return {self._partition: self._next}

    @property
    def at_end(self) -> bool:
        """Whether all lines have been given out and no more can come."""
        return self._ended and not self._queue

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        self._closed = True


class FileLiveSource(_LineSource):
    """Lines of a file as messages of the only partition of a topic that has the file's name.

    The offset of a message is the number of lines before its own; blank lines are stepped over.

    Parameters
    ----------
    path
        The file, plain or compressed by gzip, bzip2 or xz, which is seen from its first bytes.
    follow
        Wait for what is appended to the file: it never ends, and a last line without its end is not read yet.
    longest
        Longest line in bytes. Of a longer one the beginning is given out, as what can be no event.
    begun_path
        A file where it is kept beside the positions how the file begins, so that another one of the same name is told from the
        one that was read; None: this object alone can tell.
    on_unfinished
        Called with the number of a last line that has no end and is no JSON: whoever writes the file is not done with it. It is
        then not given out, and what goes on later at `positions` begins with it. None: it is given out as it is.

    Raises
    ------
    OSError
        If the file cannot be opened.
    SourceError
        If a compressed file is to be followed.
    Gone
        If it is another file than the one that was read.

    Notes
    -----
    To go on at a position, the lines before it are read once more. A plain file is counted by `lag` bit by bit as it
    grows, a compressed one as a whole the first time.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from streams.live_files import FileLiveSource
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sky.jsonl"
    ...     _ = path.write_text('{"x": {"cloud": 0.5}}\\n\\n{"x": {"cloud": 1}}\\n')
    ...     source = FileLiveSource(path)
    ...     for message in source.poll(1.0):
    ...         print(message.topic, message.offset, message.value)
    ...     print(source.positions, source.poll(1.0), source.at_end)
    ...     source.close()
    sky.jsonl 0 b'{"x": {"cloud": 0.5}}'
    sky.jsonl 2 b'{"x": {"cloud": 1}}'
    {('sky.jsonl', 0): 3} [] True
    """

    def __init__(
        self,
        path: str | Path,
        *,
        follow: bool = False,
        longest: int = _LONGEST_LINE,
        begun_path: Path | None = None,
        on_unfinished: Callable[[int], object] | None = None,
    ) -> None:
        self.path = Path(path)
        name = os.fsencode(self.path.name).decode(errors="backslashreplace")
        super().__init__(name, longest)
        self._follow = follow
        self._on_unfinished = on_unfinished
        self._beginning = Beginning(self.path, name, begun_path)
        self._file: IO[bytes] | None = None
        self._n_bytes = 0
        self._has_waited = False  # at the end of a file that is followed
        self._count = _Count()
        self._again: FileLiveSource | None = None  # stands where the last span ended
        self._open()

    def poll(self, timeout: float) -> list[Message]:
        """Return the next lines that are not blank, up to a thousand.

        Raises
        ------
        Gone
            If the file is shorter than what was read of it; or, where it is followed, begins with other bytes than it did, or
            has lost its name or given it to another.
        """
        messages = super().poll(timeout)
        if messages:
            with contextlib.suppress(OSError):  # on a full disk it is kept with later messages
                # A line that has not ended may yet be written anew.
                self._beginning.note(self._n_bytes - self._lines.n_begun, self._descriptor)
        return messages

    @property
    def _descriptor(self) -> int:
        assert self._file is not None
        return self._file.fileno()

    def _open(self) -> None:
        """Open the file, at its beginning."""
        file, self._is_packed = _opened(self.path)
        try:
            if self._follow and self._is_packed:
                raise SourceError(f"{self.path}: a compressed file cannot be followed")
            self._beginning.check(file.fileno())
        except BaseException:
            file.close()
            raise
        self._file, self._opened_as = file, os.fstat(file.fileno())

    def _read(self, timeout: float) -> bytes | None:
        assert self._file is not None
        block = _block(self._file, self.path, self._lines.number)
        self._n_bytes += len(block)
        if block:
            if self._has_waited:  # what has grown may have been written anew, and be longer than it was
                self._has_waited = False
                self._beginning.check(self._descriptor)
            return block
        if self._follow:
            self._refuse_other_name()
        if not self._is_packed:
            self._refuse_cut_file()
        if not self._follow:
            return block
        self._has_waited = True
        time.sleep(min(timeout, _BETWEEN_LOOKS))
        return None

    def _last_line(self) -> Iterator[tuple[int, bytes]]:
        if self._on_unfinished is None or not self._lines.begun or _is_json(self._lines.begun):
            return super()._last_line()
        if self._lines.number >= self._next:
            self._on_unfinished(self._lines.number)
        return iter(())

    def _refuse_other_name(self) -> None:
        """Raise if the file that is followed has been removed or replaced."""
        ours = os.fstat(self._descriptor)
        try:
            named = self.path.stat()
        except FileNotFoundError:
            raise Gone(f"{self.path}: the file is not there any more") from None
        if not os.path.samestat(named, ours):
            raise Gone(f"{self.path}: another file has taken its name")

    def _refuse_cut_file(self) -> None:
        """Raise if the file has been cut: where it ends now is not where its lines end, and what was read is gone from it."""
        size = os.fstat(self._descriptor).st_size
        has_size = self._opened_as.st_size > 0 or self._follow  # files of /proc have lines and never a size
        if size < self._n_bytes and has_size:
            raise Gone(f"{self.path}: the file has been cut to {size} bytes, and {self._n_bytes} were read")

    def seek(self, positions: Mapping[Partition, int]) -> None:
        """Go on at this line; other partitions than the file's own never appear.

        Raises
        ------
        Gone
            If the file has fewer lines, or is another one by now; the source is as it was.
        """
        self._end_spans()
        number = positions.get(self._partition)
        if number is None or number == self._next:
            return
        told = self._on_unfinished
        found = FileLiveSource(self.path, follow=self._follow, longest=self._longest, on_unfinished=told)
        try:
            self._beginning.check(found._descriptor)
            found._skip(number)
        except BaseException:
            found.close()
            raise
        if self._file is not None:
            self._file.close()
        self._file, self._lines, self._queue = found._file, found._lines, found._queue
        self._next, self._ended, self._n_bytes = number, found._ended, found._n_bytes
        if not os.path.samestat(self._opened_as, found._opened_as):
            self._count = _Count()
        self._opened_as, self._is_packed = found._opened_as, found._is_packed

    def _skip(self, number: int) -> None:
        """Leave out the lines before this one."""
        self._next = number
        while self._lines.number < number and not self._ended:
            assert self._file is not None
            block = _block(self._file, self.path, self._lines.number)
            if not block and self._follow:
                break
            self._n_bytes += len(block)
            lines = self._lines.feed(block) if block else self._last_line()
            self._queue = deque(Message(*self._partition, place, line) for place, line in lines if place >= number)
            self._ended = not block
        if self._lines.number + self._lines.is_within_line < number:
            raise Gone(f"{self.path}: line {number + 1} is asked for, and there are only {self._lines.number}")

    def span(self, partition: Partition, first: int, stop: int) -> Iterator[list[Message]]:
        """Yield the lines first <= number < stop once more, some at a time.

        Raises
        ------
        Gone
            If the file has fewer lines, or another name, or is another one by now.
        """
        if partition != self._partition:
            raise Gone(f"{self.path}: there is no partition {partition}")
        if first >= stop:
            return
        again = self._reader_at(first)
        try:
            yield from again._until(stop)
        except BaseException:
            again.close()
            raise
        self._again = again

    def _reader_at(self, first: int) -> "FileLiveSource":
        """Return a reader that stands at a line: that of the last span, if it ended there."""
        again, self._again = self._again, None
        if again is not None:
            if again._next == first and not again._ended:
                return again
            again.close()
        again = FileLiveSource(self.path, longest=self._longest)
        try:
            self._beginning.check(again._descriptor)
            again._skip(first)
        except BaseException:
            again.close()
            raise
        return again

    def _until(self, stop: int) -> Iterator[list[Message]]:
        """Yield the lines before `stop`, and stand there."""
        while self._next < stop:
            messages = self.poll(0.0)
            if self.at_end and self._next < stop:
                raise Gone(f"{self.path}: lines up to {stop} are asked for, and there are only {self._next}")
            wanted = [message for message in messages if message.offset < stop]
            self._queue.extendleft(reversed(messages[len(wanted) :]))
            if wanted:
                yield wanted
        self._next = stop

    def _end_spans(self) -> None:
        if self._again is not None:
            self._again.close()
            self._again = None

    def lag(self) -> Positions:
        """Return how many lines are not given out yet; of a file that has lost its name, those counted before."""
        if not (self._is_packed and self._count.n_bytes):
            self._count.go_on(self.path, self._opened_as, self._is_packed)
        n_lines = self._count.n_lines + (self._count.is_within_line and not self._follow)
        return {self._partition: max(n_lines - self._next, 0)}

    def close(self) -> None:
        super().close()
        self._end_spans()
        if self._file is not None:
            self._file.close()


class StandardInputSource(_LineSource):
    """Lines of standard input, or of another descriptor, as messages; what was read cannot be read again.

    Parameters
    ----------
    descriptor
        The descriptor; by default that of standard input. It is not closed.
    longest
        As in `FileLiveSource`.

    Examples
    --------
    >>> import os
    >>> from streams.live_files import StandardInputSource
    >>> read, write = os.pipe()
    >>> _ = os.write(write, b'{"x": {}}\\n{"x"')
    >>> source = StandardInputSource(read)
    >>> [(message.topic, message.offset, message.value) for message in source.poll(1.0)], source.at_end
    ([('-', 0, b'{"x": {}}')], False)
    >>> os.close(write)
    >>> [message.value for message in source.poll(1.0)], source.at_end
    ([b'{"x"'], True)
    >>> os.close(read)
    """

    def __init__(self, descriptor: int | None = None, *, longest: int = _LONGEST_LINE) -> None:
        super().__init__("-", longest)
        if descriptor is None and sys.stdin is None:
            raise SourceError("standard input is closed")
        self._descriptor = sys.stdin.fileno() if descriptor is None else descriptor

    def _read(self, timeout: float) -> bytes | None:
        ready, _, _ = select.select([self._descriptor], [], [], timeout)
        if not ready:
            return None
        try:
            return os.read(self._descriptor, _BLOCK)
        except BlockingIOError:
            return None

    def seek(self, positions: Mapping[Partition, int]) -> None:
        """Count the next line by this number: after a restart the input is taken to go on where the one before stopped.

        Raises
        ------
        Gone
            If lines have been read already.
        """
        number = positions.get(self._partition)
        if number is None or number == self._next:
            return
        if self._lines.number:
            raise Gone("standard input cannot be read again")
        self._lines.number = self._next = number

    def span(self, partition: Partition, first: int, stop: int) -> Iterator[list[Message]]:
        """Raise Gone unless nothing is asked for.

        Raises
        ------
        Gone
            If there is anything between `first` and `stop`.
        """
        if first < stop:
            raise Gone("standard input cannot be read again")
        return iter(())

    def lag(self) -> Positions:
        """Return how many lines have been read and not given out; those that wait in a pipe are not known."""
        return {self._partition: len(self._queue)}


class _Count:
    """Counts the lines of a file, from where it stopped the last time."""

    def __init__(self) -> None:
        self.n_lines = self.n_bytes = 0
        self.is_within_line = False

    def go_on(self, path: Path, ours: os.stat_result, is_packed: bool) -> None:
        try:
            file, _ = _opened(path)
        except (OSError, SourceError):  # one that is open is read to its end without its name
            return
        with file:
            if not os.path.samestat(os.fstat(file.fileno()), ours):  # another one has taken its name
                return
            if not is_packed:
                file.seek(self.n_bytes)
            # What is damaged is told by the one who reads it for its lines.
            with contextlib.suppress(*DAMAGE):
                while block := file.read(_BLOCK):
                    self.n_lines += block.count(b"\n")
                    self.n_bytes += len(block)
                    self.is_within_line = not block.endswith(b"\n")


def _is_json(line: bytes) -> bool:
    """Tell whether a line is whole JSON, of whatever meaning."""
    try:
        json.loads(line)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def _opened(path: Path) -> tuple[IO[bytes], bool]:
    """Open a regular file; return it, and whether it is compressed."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise SourceError(f"{path}: not a regular file; what comes through a pipe is read from -")
    with path.open("rb") as probe:
        packing = packing_of(probe.read(16))
    return cast(IO[bytes], packing.open(path) if packing else path.open("rb", buffering=0)), packing is not None


def _block(file: IO[bytes], path: Path, n_lines: int) -> bytes:
    try:
        return file.read(_BLOCK)
    except DAMAGE as error:
        what = "the compressed file is cut off" if isinstance(error, EOFError) else f"damaged: {error}"
        raise SourceError(f"{path}: after line {n_lines}: {what}") from None
