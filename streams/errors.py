"""What can be wrong with a source or a sink: one event, or the whole of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

__all__ = ["MalformedEvent", "SinkError", "SourceError", "in_words", "naming"]

_LONGEST_MESSAGE = 500  # characters: a message may repeat what stood in the event, which has no bound


class SourceError(ValueError):
    """A source cannot be read, or not any further: a damaged file, a bad header, labels that are missing."""


class SinkError(ValueError):
    """A sink cannot be written to without risk for what it holds, or is not what it was left as."""


class MalformedEvent(ValueError):
    """One event cannot be understood; the events after it may be sound.

    Attributes
    ----------
    code
        What kind of fault it is, in one word: ``json``, ``encoding``, ``type``, ``field``, ``duplicate``,
        ``number``, ``weight``, ``label``, ``columns``, ``value``, ``index``, ``quote``, ``length``
        or ``size``.
    message
        The fault in words, without the place; of more than 500 characters the middle is left out.
    file
        The file that holds the event, or None.
    line
        Number of the event's first line, from 1, or None.
    row
        Number of the event's row, from 1, in a file that has no lines, or None.
    raw
        The event as it stood in the source, or None.

    Examples
    --------
    >>> from streams.errors import MalformedEvent
    >>> error = MalformedEvent("columns", "3 values for 4 columns").at(file="rain.csv", line=7)
    >>> str(error), error.code
    ('rain.csv:7: 3 values for 4 columns', 'columns')
    """

    def __init__(self, code: str, message: str) -> None:
        message = _shortened(message)
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.file: str | None = None
        self.line: int | None = None
        self.row: int | None = None
        self.raw: bytes | None = None

    def at(
        self,
        file: str | Path | None = None,
        line: int | None = None,
        row: int | None = None,
        raw: bytes | None = None,
    ) -> Self:
        """Say where the fault is and return the same error."""
        self.file = None if file is None else str(file)
        self.line = line
        self.row = row
        self.raw = raw
        return self

    def __str__(self) -> str:
        place = self.file or ""
        if self.line is not None:
            place = f"{place}:{self.line}" if place else f"line {self.line}"
        elif self.row is not None:
            place = f"{place}, row {self.row}" if place else f"row {self.row}"
        return f"{place}: {self.message}" if place else self.message


@contextmanager
def naming(file: str | Path) -> Iterator[None]:
    """Let an OSError of writing or closing a file name it, as that of opening it does.

    Examples
    --------
    >>> from streams.errors import naming
    >>> with naming("rain.csv"):
    ...     raise OSError(28, "No space left on device")
    Traceback (most recent call last):
    ...
    OSError: [Errno 28] No space left on device: 'rain.csv'
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(file)
        raise


def in_words(error: Exception) -> str:
    """Return what an error says; of one of the system the file and what was wrong, without its number.

    Examples
    --------
    >>> from streams.errors import in_words
    >>> in_words(OSError(28, "No space left on device", "rain.csv"))
    'rain.csv: No space left on device'
    """
    if not isinstance(error, OSError):
        return str(error)
    place = f"{error.filename}: " if error.filename is not None else ""
    return f"{place}{error.strerror or error}"


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST_MESSAGE:
        return text
    end = _LONGEST_MESSAGE // 4
    return f"{text[: _LONGEST_MESSAGE - end - 1]}\N{HORIZONTAL ELLIPSIS}{text[-end:]}"
