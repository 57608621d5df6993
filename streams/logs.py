"""What a live run tells on standard error: events with a name and fields, as text or JSON, without payloads or secrets."""

import json
import logging
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence, Set
from types import TracebackType
from typing import Any, Self, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from ihomer.printable import printable
from streams.secret import Secret, is_secret_name

__all__ = ["FORMATS", "LEVELS", "Failing", "Foreign", "Logger", "Paced", "Whole", "make_logger"]

Logger = FilteringBoundLogger

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")

_LONGEST_TEXT = 200
_MOST_PARTS = 20
_DEEPEST = 3
_LONGEST_PAUSE = 60.0  # seconds between two lines on what goes on failing
_SAME_AGAIN = 10.0  # seconds between two lines of a library that say the same
_OWN_PORT = re.compile(r"(?<=<-)\d+")  # in what the Kafka client says of a connection: each has another one
_MOST_KEPT = 100  # lines of a library that another one is compared with
_PAYLOADS = frozenset(("body", "data", "headers", "payload", "raw", "record", "value", "x", "y"))
_BYTES = (bytes, bytearray, memoryview)
_FIRST = ["timestamp", "level", "event"]


def make_logger(format: str = "text", level: str = "info", file: TextIO | None = None) -> Logger:
    """Return a logger that writes one line for each event; pass it to whoever has something to tell.

    Fields whose names are those of secrets or payloads are left out, bytes are never written, texts are cut to 200
    characters, unless they are `Whole`, and hold no control characters. What cannot be written is dropped: a log does not end
    a run.

    Parameters
    ----------
    format
        "text": ``key=value`` pairs. "json": one object a line.
    level
        The lowest level that is written: "debug", "info", "warning" or "error".
    file
        Where to; by default standard error.

    Raises
    ------
    ValueError
        If there is no such format or level.

    Examples
    --------
    >>> import sys
    >>> from streams.logs import make_logger
    >>> log = make_logger("text", file=sys.stdout)
    >>> log.info("checkpoint", number=3, seconds=0.25, password="swordfish") # doctest: +ELLIPSIS
    timestamp=... level=info event=checkpoint number=3 seconds=0.25 password=(secret)
    """
    if format not in FORMATS:
        raise ValueError(f"there is no log format {format!r}; there are {', '.join(FORMATS)}")
    if level not in LEVELS:
        raise ValueError(f"there is no log level {level!r}; there are {', '.join(LEVELS)}")
    render: Any = (
        structlog.processors.LogfmtRenderer(key_order=_FIRST, bool_as_flag=False)
        if format == "text"
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    logger: Logger = structlog.wrap_logger(
        _Lines(sys.stderr if file is None else file),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _in_order,
            _guarded if format == "json" else _guarded_flat,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        context_class=dict,
        cache_logger_on_first_use=False,
    )
    return logger


class Whole(str):
    """A text that a logger does not cut: what an error says, which cut would not tell what to do.

    Examples
    --------
    >>> import sys
    >>> from streams.logs import Whole, make_logger
    >>> log = make_logger("json", file=sys.stdout)
    >>> log.error("failed", reason=Whole("no such file")) # doctest: +ELLIPSIS
    {"timestamp": "...", "level": "error", "event": "failed", "reason": "no such file"}
    """


class _Lines:
    """Writes lines; what fails to be written is dropped, and all of it where the process was started without standard error."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file

    def msg(self, line: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = msg


def _json(record: Any, **_: Any) -> str:
    return json.dumps(record, allow_nan=False)


def _in_order(logger: Any, method: str, fields: EventDict) -> EventDict:
    first = {name: fields[name] for name in _FIRST}
    return first | {name: value for name, value in fields.items() if name not in first}


def _guarded(logger: Any, method: str, fields: EventDict) -> EventDict:
    return {_clean(name): _field(name, value, 0) for name, value in fields.items()}


def _guarded_flat(logger: Any, method: str, fields: EventDict) -> EventDict:
    """Guard fields for lines of text: names without spaces, and what has parts as JSON."""
    flat = {}
    for name, value in _guarded(logger, method, fields).items():
        plain = "".join("_" if character in ' ="' else character for character in name) or "_"
        flat[plain] = _json(value) if isinstance(value, list | dict) else value
    return flat


def _field(name: str, value: Any, depth: int) -> Any:
    """Return what may be shown of a field."""
    if isinstance(value, Secret) or is_secret_name(name):
        return "(secret)"
    if name.lower() in _PAYLOADS:
        return "(not shown)"
    return _shown(value, depth)


def _shown(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else "(huge)"
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, Whole):
        return printable(value)
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, _BYTES):
        return f"({len(value)} bytes)"
    if isinstance(value, BaseException):
        return _clean(f"{type(value).__name__}: {value}")
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {_clean(str(key)): _field(str(key), part, depth + 1) for key, part in list(value.items())[:_MOST_PARTS]}
    if depth < _DEEPEST and isinstance(value, Sequence | Set):
        return [_shown(part, depth + 1) for part in list(value)[:_MOST_PARTS]]
    return f"({type(value).__name__})"


def _clean(text: str) -> str:
    """Return a text cut to a length, and fit to be shown."""
    return printable(text[:_LONGEST_TEXT] + "..." * (len(text) > _LONGEST_TEXT))


class Paced:
    """Tells how far a run is, at most once in a period; what comes too soon is left out.

    Parameters
    ----------
    logger
        Where to.
    seconds
        The period.
    clock
        Gives the time in seconds.

    Examples
    --------
    >>> import sys
    >>> from streams.logs import Paced, make_logger
    >>> times = iter([0.0, 0.4, 1.5])
    >>> paced = Paced(make_logger(file=sys.stdout), clock=lambda: next(times))
    >>> for learned in (1, 2, 3):
    ...     paced.info("progress", learned=learned) # doctest: +ELLIPSIS
    timestamp=... level=info event=progress learned=1
    timestamp=... level=info event=progress learned=3
    """

    def __init__(self, logger: Logger, seconds: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._seconds = seconds
        self._clock = clock
        self._next: float | None = None

    def info(self, event: str, **fields: Any) -> None:
        """Tell it, unless the last time is too near."""
        now = self._clock()
        if self._next is None or now >= self._next:
            self._next = now + self._seconds
            self._logger.info(event, **fields)


class Failing:
    """Tells of what fails again and again: the first time, then at intervals that double up to a minute, and when it works.

    Parameters
    ----------
    error, info
        Take an event with fields; as the methods of structlog's loggers do.
    what
        What fails.

    Examples
    --------
    >>> from streams.logs import Failing
    >>> def say(event, **fields):
    ...     print(event, fields)
    >>> journal = Failing(say, say, "journal")
    >>> journal.failed("the disk is full")
    journal_failed {'reason': 'the disk is full', 'times': 1}
    >>> journal.failed("the disk is full")
    >>> journal.works() # doctest: +ELLIPSIS
    journal_works_again {'after': 0..., 'times': 2}
    """

    def __init__(self, error: Callable[..., object], info: Callable[..., object], what: str) -> None:
        self._error, self._info = error, info
        self._what = what
        self._times = 0
        self._pause = 1.0
        self._since = self._next = 0.0

    def failed(self, reason: str) -> None:
        """Note a failure, and tell it unless the last time is too near."""
        now = time.monotonic()
        if not self._times:
            self._since = self._next = now
        self._times += 1
        if now >= self._next:
            self._error(f"{self._what}_failed", reason=reason, times=self._times)
            self._next = now + self._pause
            self._pause = min(2.0 * self._pause, _LONGEST_PAUSE)

    def works(self) -> None:
        """Tell that it has worked, if it has failed before, which is forgotten then."""
        if self._times:
            self._info(f"{self._what}_works_again", after=round(time.monotonic() - self._since, 1), times=self._times)
            self._times, self._pause = 0, 1.0


class Foreign(logging.Handler):
    """Takes over what a library logs by Python's `logging`, as a context manager.

    At most ten lines a second are written, the same one once in ten seconds, and each says how many were left out before it.
    Bytes among the arguments of a message are not shown, and debug messages, which can hold anything, not at all.

    Parameters
    ----------
    logger
        Where to.
    library
        Name of the library's logger, such as "kafka".
    level
        Lowest level that is taken over.

    Examples
    --------
    >>> import logging, sys
    >>> from streams.logs import Foreign, make_logger
    >>> with Foreign(make_logger(file=sys.stdout), "kafka"):
    ...     logging.getLogger("kafka.conn").warning("no answer to %s", b"payload") # doctest: +ELLIPSIS
    timestamp=... level=warning event=library name=kafka.conn message="no answer to (7 bytes)"
    """

    def __init__(self, logger: Logger, library: str, level: int = logging.WARNING) -> None:
        super().__init__(max(level, logging.INFO))
        self._logger = logger
        self._source = logging.getLogger(library)
        self._propagates = self._source.propagate
        self._next = 0.0
        self._n_left_out = 0
        self._not_before: dict[tuple[str, str], float] = {}  # when a line may be written again

    def __enter__(self) -> Self:
        self._source.addHandler(self)
        self._source.propagate = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.removeHandler(self)
        self._source.propagate = self._propagates

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record of the library."""
        now = time.monotonic()
        name, message = record.name, _message(record)
        line = name, _OWN_PORT.sub("", message)
        if now < self._next or now < self._not_before.get(line, now):
            self._n_left_out += 1
            return
        self._next = now + 0.1
        if len(self._not_before) >= _MOST_KEPT:
            self._not_before.clear()
        self._not_before[line] = now + _SAME_AGAIN
        more = {"left_out": self._n_left_out} if self._n_left_out else {}
        self._n_left_out = 0
        level = "error" if record.levelno >= logging.ERROR else "warning" if record.levelno >= logging.WARNING else "info"
        getattr(self._logger, level)("library", name=name, message=message, **more)


def _message(record: logging.LogRecord) -> str:
    """Return what a library says, without bytes."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    try:
        return str(record.msg) % tuple(_shown(part, 0) if isinstance(part, _BYTES) else part for part in arguments)
    except (TypeError, ValueError):
        return str(record.msg)
