"""JSON lines: one JSON object per line, read as events or written as records."""

import gzip
import io
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from streams.errors import MalformedEvent, naming
from streams.event import Event, Record, decode_event, encode_record
from streams.lines import LineSource, OnError

__all__ = ["JsonLinesSink", "JsonLinesSource"]


class JsonLinesSource(LineSource):
    """Events of a file with one JSON object per line, in the form of `decode_event`; plain or compressed.

    Parameters
    ----------
    path
        The file.
    labels
        The names of all labels, if they are known; the file need not have them all.
    start, on_error
        As in `LineSource`; a position is the number of lines behind it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from streams.jsonlines import JsonLinesSource
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sky.jsonl"
    ...     _ = path.write_text('{"x": {"cloud": 0.5}, "y": ["rain"]}\\n{"x": {"cloud": 0}, "y": []}\\n')
    ...     with JsonLinesSource(path) as source:
    ...         [(event.x, event.y, event.position) for event in source]
    [({'cloud': 0.5}, frozenset({'rain'}), 1), ({'cloud': 0}, frozenset(), 2)]
    """

    def __init__(
        self,
        path: str | Path,
        *,
        labels: Sequence[str] = (),
        start: int = 0,
        on_error: OnError = "raise",
    ) -> None:
        if isinstance(labels, str):
            raise ValueError(f"labels must be a list of names, not the text {labels!r}")
        self.labels = tuple(labels)
        super().__init__(path, start=start, on_error=on_error)

    def _event(self, raw: bytes, number: int) -> Event | None:
        raw = raw.strip(b" \t\r\n")
        try:
            return decode_event(raw, number, number) if raw else None
        except MalformedEvent as error:
            if raw not in (b"{", b"[") and not raw.startswith((b"[{", b"[ {")):
                raise
            # An array of all events, or JSON that was made to be read by people.
            raise MalformedEvent(error.code, f"{error.message}; each line has to be one event, from {{ to }}") from None


class JsonLinesSink:
    """Writes records to a file, one JSON object per line; gzipped if its name ends in ``.gz``.

    Parameters
    ----------
    path
        The file.
    append
        Whether a file that is there already is continued, not replaced. What is replaced is there until the first record is
        written, or the sink is closed without an error: so it is not lost where there turns out to be nothing to write.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from streams.event import Event, event_record
    >>> from streams.jsonlines import JsonLinesSink
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sky.jsonl"
    ...     with JsonLinesSink(path) as sink:
    ...         sink.write(event_record(Event({"cloud": 0.5}, {"rain"})))
    ...     path.read_text()
    '{"x":{"cloud":0.5},"y":["rain"]}\\n'
    """

    def __init__(self, path: str | Path, *, append: bool = False) -> None:
        self.path = Path(path)
        self._file: IO[bytes] = self.path.open("ab")
        self._writer: IO[bytes] | None = None
        self._replaces = not append

    def _begin(self) -> IO[bytes]:
        """Return what is written to; what the file is to replace is gone then."""
        if self._writer is None:
            if self._replaces and stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
                self._file.truncate(0)
            self._writer = self._file
            if self.path.name.lower().endswith(".gz"):
                packed = gzip.GzipFile(filename="", mode="wb", fileobj=self._file, mtime=0)
                self._writer = io.BufferedWriter(cast(io.RawIOBase, packed), 1 << 16)
        return self._writer

    def write(self, record: Record) -> None:
        """Write one record; it is in the file for sure only after `flush` or `close`.

        Raises
        ------
        ValueError
            If the record has no JSON form, in which case nothing is written, or the sink is closed.
        """
        line = encode_record(record) + b"\n"
        with naming(self.path):
            self._begin().write(line)

    def flush(self) -> None:
        """Hand all that was written to the operating system."""
        with naming(self.path):
            if self._writer is not None:
                self._writer.flush()
            self._file.flush()

    def close(self) -> None:
        """Write the rest and close the file; safe to call twice."""
        with naming(self.path):
            try:
                if not self._file.closed:
                    writer = self._begin()
                    if writer is not self._file:
                        writer.close()
            finally:
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self._writer is None:
            self._file.close()
        self.close()
