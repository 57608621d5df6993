"""The base of all file sources, and numbered lines of plain and compressed files for those that read text."""

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from streams.errors import MalformedEvent, SourceError
from streams.event import Closing, Event

__all__ = ["DAMAGE", "FileSource", "LineSource", "Lines", "OnError", "packing_of", "plain_name"]

OnError: TypeAlias = Literal["raise", "skip"] | Callable[[MalformedEvent], object]

# A file without line ends must not fill the memory.
LONGEST_LINE = 1 << 28

# How what is compressed begins. Behind the signature of bzip2 stands that of a block, or of the end.
_PACKINGS: dict[bytes, Any] = {rb"\x1f\x8b": gzip, rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)": bz2, rb"\xfd7zXZ\x00": lzma}
_ARCHIVES = {rb"PK\x03\x04": "zip", rb"Rar!\x1a\x07": "RAR", rb"7z\xbc\xaf\x27\x1c": "7z", rb"\x28\xb5\x2f\xfd": "Zstandard"}
DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError)


def packing_of(first: bytes) -> Any:
    """Return the module whose `open` reads a file that begins with these bytes, 16 or all; None if it is not compressed.

    Examples
    --------
    >>> import bz2
    >>> from streams.lines import packing_of
    >>> packing_of(bz2.compress(b"one")) is bz2, packing_of(b"one")
    (True, None)
    """
    return next((packing for beginning, packing in _PACKINGS.items() if re.match(beginning, first)), None)


def plain_name(name: str) -> str:
    """Return a file's name without what says that it is compressed.

    Examples
    --------
    >>> from streams.lines import plain_name
    >>> plain_name("Yeast.ARFF.gz"), plain_name("yeast_train.svm.bz2")
    ('Yeast.ARFF', 'yeast_train.svm')
    """
    return re.sub(r"\.(?:gz|bz2|xz)$", "", name, flags=re.IGNORECASE)


class FileSource(Closing):
    """What all file sources share: the cursor, the count of malformed events, opening and closing.

    Parameters
    ----------
    path
        The file.
    start
        What `snapshot` gave: the source goes on after that event. 0 is the beginning.
    on_error
        What is done with a malformed event: "raise" ends the source with the `MalformedEvent`; "skip" counts
        it and goes on; a function is called with the error, and the source goes on.

    Attributes
    ----------
    n_malformed
        Number of malformed events that were met since the file was opened.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from streams.files import open_source
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "three.jsonl"
    ...     _ = path.write_text('{"x": {"rain": 1}}\\n{"x": 1}\\n{"x": {"rain": 2}}\\n')
    ...     with open_source(path, on_error="skip") as source:
    ...         [event.x for event in source], source.n_malformed, source.snapshot()
    ([{'rain': 1}, {'rain': 2}], 1, 3)
    """

    labels: tuple[str, ...] = ()

    def __init__(self, path: str | Path, *, start: int = 0, on_error: OnError = "raise") -> None:
        if on_error not in ("raise", "skip") and not callable(on_error):
            raise ValueError(f"on_error must be 'raise', 'skip' or a function, not {on_error!r}")
        if isinstance(start, bool) or not isinstance(start, int) or start < 0:
            raise ValueError(f"start must be a position that a snapshot gave, not {start!r}")
        self.path = Path(path)
        self.n_malformed = 0
        self._on_error: OnError = on_error
        self._position = start
        self._closed = False
        self._events = self._read()

    def __iter__(self) -> Iterator[Event]:
        """Return the one iterator over the events not given out yet.

        Raises
        ------
        ValueError
            If the source was closed before its end.
        """
        if self._closed:
            raise ValueError(f"{self.path}: the source is closed")
        return self._events

    def _read(self) -> Iterator[Event]:
        raise NotImplementedError

    def _report(self, error: MalformedEvent) -> None:
        """Count a malformed event and do with it what the caller asked for."""
        self.n_malformed += 1
        if self._on_error == "raise":
            self.close()
            raise error
        if self._on_error != "skip":
            self._on_error(error)

    def snapshot(self) -> int:
        """Return the position after the last event given out: so many lines (Parquet: rows) are behind it."""
        return self._position

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._closed = True


class Lines:
    """Numbered lines of a file, plain or compressed by gzip, bzip2 or xz, with their line ends.

    A UTF-8 byte order mark is removed. Whether a file is compressed is seen from its first bytes, not its name.

    Examples
    --------
    >>> import gzip, tempfile
    >>> from pathlib import Path
    >>> from streams.lines import Lines
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "two.gz"
    ...     _ = path.write_bytes(gzip.compress(b"one\\ntwo"))
    ...     lines = Lines(path)
    ...     [(lines.number, line) for line in lines]
    [(1, b'one\\n'), (2, b'two')]
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        self._file = path.open("rb")
        self._reader: io.BufferedReader | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile = self._file
        self._again: list[bytes] = []
        self._ended = False
        try:
            if packing := packing_of(self._file.peek(16)):
                self._reader = packing.open(self._file)
            self._refuse_foreign(self._peek())
        except BaseException:
            self.close()
            raise

    def _peek(self) -> bytes:
        try:
            return self._reader.peek(8)[:8]
        except DAMAGE as error:
            raise self._damaged(error) from None

    def _refuse_foreign(self, first: bytes) -> None:
        if not first:
            raise SourceError(f"{self.path}: the file is empty")
        if first[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise SourceError(f"{self.path}: this is UTF-{32 if first[2:4] == bytes(2) else 16}; convert it to UTF-8")
        for beginning, kind in _ARCHIVES.items():
            if re.match(beginning, first):
                raise SourceError(f"{self.path}: this is a {kind} archive; unpack it")
        if b"\0" in first:
            raise SourceError(f"{self.path}: this is no text, or in an encoding as UTF-16; convert it to UTF-8")

    def _damaged(self, error: Exception) -> SourceError:
        if isinstance(error, EOFError):
            return SourceError(f"{self.path}: the compressed file is cut off after line {self.number}")
        if isinstance(error, gzip.BadGzipFile) and str(error).startswith("Not a gzipped file"):
            return SourceError(f"{self.path}: damaged after line {self.number}: behind the compressed data stand other bytes")
        return SourceError(f"{self.path}: damaged after line {self.number}: {error}")

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._again:
            line = self._again.pop()
        elif self._ended:
            raise StopIteration
        else:
            line = self._read_line()
        self.number += 1
        return line

    def _read_line(self) -> bytes:
        try:
            line = self._reader.readline(LONGEST_LINE)
        except DAMAGE as error:
            raise self._damaged(error) from None
        if len(line) == LONGEST_LINE:
            raise SourceError(f"{self.path}:{self.number + 1}: a line of more than {LONGEST_LINE} bytes")
        if not line:
            self._ended = True
            self.close()
            raise StopIteration
        return line if self.number else line.removeprefix(codecs.BOM_UTF8)

    def give_back(self, lines: Sequence[bytes]) -> None:
        """Let these lines, the last ones that were read, be read again."""
        self._again.extend(reversed(lines))
        self.number -= len(lines)

    def skip_to(self, number: int) -> None:
        """Read on until `number` lines are behind.

        Raises
        ------
        SourceError
            If the file has fewer lines.
        """
        for _ in islice(self, max(0, number - self.number)):
            pass
        if self.number < number:
            raise SourceError(f"{self.path}: goes on after line {number}, but there are only {self.number}")

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._reader is not self._file:
            self._reader.close()
        self._file.close()


class LineSource(FileSource):
    """A source that makes one event of each line, after a header if the format has one.

    Parameters
    ----------
    path, start, on_error
        As in `FileSource`; a position is the number of lines behind it.
    encoding
        Encoding of the text. By default UTF-8, and a line that is not UTF-8 is taken for Latin-1.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from streams.event import Event
    >>> from streams.lines import LineSource
    >>> class WordSource(LineSource):
    ...     def _event(self, raw, number):
    ...         return Event(dict.fromkeys(self._text(raw).split(), 1), position=number)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "words.txt"
    ...     _ = path.write_text("heavy rain\\nlight rain\\n")
    ...     with WordSource(path) as source:
    ...         [event.x for event in source]
    [{'heavy': 1, 'rain': 1}, {'light': 1, 'rain': 1}]
    """

    def __init__(self, path: str | Path, *, start: int = 0, on_error: OnError = "raise", encoding: str | None = None) -> None:
        super().__init__(path, start=start, on_error=on_error)
        if encoding is not None:
            _refuse_encoding(encoding)
        self._encoding = encoding
        self._lines = Lines(self.path)
        try:
            self._refuse_one_long_line()
            self._read_header()
            self._lines.skip_to(start)
        except MalformedEvent as error:
            self.close()
            raise SourceError(str(error.at(self.path, self._lines.number))) from None
        except BaseException:
            self.close()
            raise

    def _refuse_one_long_line(self) -> None:
        """Raise for a file whose lines end in CR alone: all of it would be taken for one line, mostly without a word."""
        for raw in self._lines:
            self._lines.give_back([raw])
            if not raw.endswith(b"\n") and b"\r" in raw.rstrip(b"\r"):
                raise SourceError(f"{self.path}: the lines end in CR alone; convert them to LF or CR LF")
            break

    def _read_header(self) -> None:
        """Read what comes before the first event."""

    def _event(self, raw: bytes, number: int) -> Event | None:
        """Return the event of a line, or None if the line holds none.

        `number` is the number of lines up to and with this one. What needs more lines reads them itself.
        """
        raise NotImplementedError

    def _finish(self) -> None:
        """Check what can be checked only at the end of the file."""

    def _read(self) -> Iterator[Event]:
        lines = self._lines
        for raw in lines:
            number = lines.number
            try:
                event = self._event(raw, number)
            except MalformedEvent as error:
                self._position = lines.number
                self._report(error.at(self.path, number, raw=raw))
            else:
                self._position = lines.number
                if event is not None:
                    yield event
        self._finish()

    def _text(self, raw: bytes) -> str:
        """Return a line as text, without its line end."""
        try:
            return raw.decode(self._encoding or "utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            if self._encoding is None:
                return raw.decode("latin-1").rstrip("\r\n")
            raise MalformedEvent("encoding", f"not {self._encoding}") from None

    def close(self) -> None:
        super().close()
        self._lines.close()


def _refuse_encoding(name: str) -> None:
    """Raise ValueError unless `name` is an encoding in which a line end is the one byte it is in ASCII."""
    probe = b""
    with contextlib.suppress(LookupError, UnicodeError):
        probe = "\n".encode(name)
    if probe != b"\n":
        raise ValueError(f"{name!r} is not an encoding that can be read line by line")
