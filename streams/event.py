"""One event of a stream, what gives events and takes records, and the JSON forms of all of them."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, runtime_checkable

import msgspec
from msgspec import UNSET, UnsetType

from streams.errors import MalformedEvent

__all__ = [
    "Closing",
    "Event",
    "LateLabels",
    "Position",
    "Record",
    "Sink",
    "Source",
    "Truth",
    "Value",
    "dead_letter_record",
    "decode_event",
    "decode_message",
    "encode_event",
    "encode_record",
    "event_record",
    "prediction_record",
]

Value: TypeAlias = float | int | str | bool | None
Truth: TypeAlias = frozenset[str] | set[str] | dict[str, bool | None] | None
Position: TypeAlias = Any
Record: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One event: what is known of it, and what is true of it.

    Attributes
    ----------
    x
        Feature name to value. A feature that is not named is 0; None is a missing value.
    y
        The set of labels that apply (the other known labels do not), or label to True, False or None for
        one that was not observed, or None when nothing is known of any label.
    id
        Name of the event, or None.
    w
        Weight, finite and positive.
    position
        Where its source goes on after this event; only the source itself knows how to read it.
    line, row
        Number of its first line in the file that it was read from, or of its row where the file has no lines, from 1; else
        None.

    Examples
    --------
    >>> from streams.event import Event
    >>> Event({"temperature": 21.5, "sky": "clear"}, frozenset({"picnic"}), id="monday")
    Event(x={'temperature': 21.5, 'sky': 'clear'}, y=frozenset({'picnic'}), id='monday', w=1.0, position=None)
    """

    x: dict[str, Value]
    y: Truth = None
    id: str | None = None
    w: float = 1.0
    position: Position = None
    line: int | None = field(default=None, repr=False, compare=False)
    row: int | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class LateLabels:
    """The labels of an event whose features came earlier.

    Attributes
    ----------
    id
        The `Event.id` of that event.
    y
        As in `Event`, never None.
    position
        As in `Event`.

    Examples
    --------
    >>> from streams.event import decode_message
    >>> decode_message(b'{"id": "monday", "y": {"picnic": true, "swim": null}}')
    LateLabels(id='monday', y={'picnic': True, 'swim': None}, position=None)
    """

    id: str
    y: frozenset[str] | set[str] | dict[str, bool | None]
    position: Position = None


@runtime_checkable
class Source(Protocol):
    """What gives events, once each, in order: one cursor that only goes forward.

    A source is iterated as often as wanted, and each loop goes on where the one before stopped.
    """

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of all labels, where the source knows them before the first event; else ()."""
        ...

    def __iter__(self) -> Iterator[Event]:
        """Return an iterator over the events that have not been given out yet."""
        ...

    def snapshot(self) -> Position:
        """Return what JSON can hold and from which the source can be opened again AFTER the last event."""
        ...

    def close(self) -> None:
        """Let go of files and connections; safe to call twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Closing:
    """What is closed at the end of a with statement: base of the sources."""

    def close(self) -> None:
        """Let go of files and connections, if there are any; safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@runtime_checkable
class Sink(Protocol):
    """What takes records: predictions, dead letters, events."""

    def write(self, record: Record) -> None:
        """Take one record; it is out for sure only after `close`."""
        ...

    def close(self) -> None:
        """Bring out what was written; safe to call twice."""
        ...


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    """The JSON object of an event or of late labels."""

    x: dict[str, bool | int | float | str | None] | UnsetType = UNSET
    y: list[str] | dict[str, bool | None] | UnsetType | None = UNSET
    id: str | UnsetType | None = UNSET
    w: float | UnsetType = UNSET


_FORM = 'an event is {"id": "...", "x": {...}, "y": [...], "w": 1.0}, of which only x must be'
_CUT_OFF = "it ends before its JSON object does"
_DECODE = msgspec.json.Decoder(_Message).decode
_ENCODE = msgspec.json.Encoder().encode
# The shortest integer too large for a float64 has 309 digits.
_HUGE_INTEGER = b"0" * 309
_DIGITS_AS_ZEROS = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else ord(" ") for byte in range(256))


def decode_event(raw: bytes, position: Position = None, line: int | None = None) -> Event:
    """Read the JSON form of an event.

    Parameters
    ----------
    raw
        One JSON object in UTF-8: ``{"x": {...}, "y": [...] | {...}, "id": "...", "w": 1.0}``; only x must be, and null for y
        or id is as none.
    position, line
        What becomes `Event.position` and `Event.line`.

    Raises
    ------
    MalformedEvent
        If `raw` is anything else: NaN or infinity, a repeated or unknown name, a value of another type,
        a weight that is not positive and finite.

    Examples
    --------
    >>> from streams.event import decode_event
    >>> decode_event(b'{"x": {"rain": 0.5, "sky": "grey"}, "y": ["umbrella"]}').y
    frozenset({'umbrella'})
    >>> decode_event(b'{"x": {"rain": 0.5, "rain": 1}}')
    Traceback (most recent call last):
    ...
    streams.errors.MalformedEvent: the name 'rain' stands twice in one object
    """
    message = decode_message(raw, position, line)
    if isinstance(message, LateLabels):
        raise MalformedEvent("field", "x is missing: labels alone are no event")
    return message


def decode_message(raw: bytes, position: Position = None, line: int | None = None) -> Event | LateLabels:
    """Read the JSON form of an event, or of labels that come late: ``{"id": "...", "y": ...}``.

    Parameters and errors are those of `decode_event`.
    """
    try:
        message = _DECODE(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _explained(raw, error) from None
    _refuse_repeated_names(raw, message)
    y = message.y
    truth = None if isinstance(y, UnsetType) else frozenset(y) if isinstance(y, list) else y  # null says as much as no y
    identifier = None if isinstance(message.id, UnsetType) else message.id
    if message.x is UNSET:
        if truth is None or identifier is None:
            raise MalformedEvent("field", "x is missing, and there are not both id and y for late labels")
        if message.w is not UNSET:
            raise MalformedEvent("field", "w is no part of late labels: the weight came with the event")
        return LateLabels(identifier, truth, position)
    if _HUGE_INTEGER in raw.translate(_DIGITS_AS_ZEROS):
        _refuse_huge_integers(message.x)
    weight = 1.0
    if message.w is not UNSET:
        weight = message.w
        if not 0.0 < weight < math.inf:
            raise MalformedEvent("weight", f"the weight must be positive and finite, not {weight}")
    return Event(message.x, truth, identifier, weight, position, line)


def _refuse_huge_integers(x: Mapping[str, Value]) -> None:
    for name, value in x.items():
        if type(value) is int:
            try:
                float(value)
            except OverflowError:
                raise MalformedEvent("number", f"the value of {name!r} is too large") from None


def _refuse_repeated_names(raw: bytes, message: _Message) -> None:
    """Raise for a name that stands twice in one object, which the decoder lets the last one win.

    Every name brings one colon, and only strings can bring others. So a text with as many colons as there are
    decoded names has no repeated one; only the rest need the slow look.
    """
    count = 0
    for part in (message.x, message.y, message.id, message.w):
        if part is not UNSET:
            count += 1 + len(part) if isinstance(part, dict) else 1
    if raw.count(b":") != count:
        json.loads(raw, object_pairs_hook=_distinct_pairs, parse_int=float)


def _distinct_pairs(pairs: list[tuple[str, Any]]) -> None:
    names = set()
    for name, _ in pairs:
        if name in names:
            raise MalformedEvent("duplicate", f"the name {name!r} stands twice in one object")
        names.add(name)


def _refuse_constant(text: str) -> None:
    raise MalformedEvent("number", f"{text} is not a JSON number; null is a missing value")


def _explained(raw: bytes, error: Exception) -> MalformedEvent:
    """Turn the decoder's complaint into ours."""
    text = str(error)
    # The decoder's own error is what msgspec raises for it from 0.23 on.
    if isinstance(error, UnicodeDecodeError) or (type(error) is msgspec.DecodeError and text.startswith("Invalid UTF-8")):
        return MalformedEvent("encoding", "not UTF-8")
    if isinstance(error, msgspec.ValidationError):
        if "unknown field" in text:  # the name of the field follows, which may be anything
            return MalformedEvent("field", f"{text}; {_FORM}")
        text += _culprit(raw) if "`$.x[...]`" in text else ""
        return MalformedEvent("number" if "out of range" in text else "type", text)
    try:
        json.loads(raw, parse_constant=_refuse_constant)
    except MalformedEvent as constant:
        return constant
    except (ValueError, RecursionError):
        return MalformedEvent("json", _CUT_OFF if "truncated" in text else text)
    # Python's own reader takes it, as UTF-8 cannot; the decoder may say of it that the data was truncated.
    if "truncated" in text or "surrogate" in text:
        text = r"half of a surrogate pair, as \ud800 alone, is no character"
    return MalformedEvent("json", text)


def _culprit(raw: bytes) -> str:
    """Name the first feature whose value is none, or no float; the decoder names none."""
    try:
        message = json.loads(raw, parse_constant=float, parse_int=float, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):  # the decoder has not come to what is no JSON behind it
        return ""
    x = next((value for name, value in message if name == "x"), None)  # the decoder fails at the first one
    for name, value in x if isinstance(x, _Pairs) else ():
        if isinstance(value, list) or (isinstance(value, float) and math.isinf(value)):
            return f", of {name!r}"
    return ""


class _Pairs(list[tuple[str, Any]]):
    """What stands in an object of JSON, a name that stands there twice as well."""


def event_record(event: Event) -> Record:
    """Return the JSON form of an event as a record; labels are sorted, a weight of 1 is left out.

    Examples
    --------
    >>> from streams.event import Event, event_record
    >>> event_record(Event({"rain": 0.5}, {"umbrella", "boots"}, id="monday"))
    {'id': 'monday', 'x': {'rain': 0.5}, 'y': ['boots', 'umbrella']}
    """
    record: Record = {}
    if event.id is not None:
        record["id"] = event.id
    record["x"] = event.x
    if event.y is not None:
        record["y"] = event.y if isinstance(event.y, dict) else sorted(event.y)
    if event.w != 1.0:
        record["w"] = event.w
    return record


def prediction_record(
    labels: set[str] | frozenset[str],
    proba: Mapping[str, float],
    *,
    learned: int,
    partition_version: int,
    id: str | None = None,
    source: Mapping[str, Any] | None = None,
) -> Record:
    """Return the JSON form of a prediction as a record.

    Parameters
    ----------
    labels
        The predicted labels; they are sorted.
    proba
        Label to probability.
    learned
        Number of events the model had learned when it predicted.
    partition_version
        Number of changes of the label clusters before it predicted.
    id
        The `Event.id` of the event.
    source
        Where the event came from, such as topic, partition and offset.

    Examples
    --------
    >>> from streams.event import prediction_record
    >>> prediction_record({"rain"}, {"rain": 0.75, "snow": 0.125}, learned=9, partition_version=1)
    {'id': None, 'source': None, 'labels': ['rain'], 'proba': {'rain': 0.75, 'snow': 0.125}, 'learned': 9,
     'partition_version': 1}
    """
    return {
        "id": id,
        "source": None if source is None else dict(source),
        "labels": sorted(labels),
        "proba": dict(proba),
        "learned": learned,
        "partition_version": partition_version,
    }


def dead_letter_record(error: MalformedEvent, source: Mapping[str, Any] | None = None) -> Record:
    """Return the JSON form of a malformed event as a record.

    Parameters
    ----------
    error
        What was wrong; its `raw` goes along, bytes that are not UTF-8 as backslash escapes.
    source
        Where the event came from; by default the file and the line or row that `error` knows.

    Examples
    --------
    >>> from streams.event import dead_letter_record, decode_event
    >>> try:
    ...     decode_event(b'{"x": 3}')
    ... except ValueError as error:
    ...     dead_letter_record(error.at("events.jsonl", 3, raw=b'{"x": 3}'))
    {'source': {'file': 'events.jsonl', 'line': 3}, 'error': 'type',
     'message': 'Expected `object`, got `int` - at `$.x`', 'raw': '{"x": 3}'}
    """
    if source is None:
        place = {"file": error.file, "line": error.line, "row": error.row}
        source = {name: value for name, value in place.items() if value is not None}
    raw = (error.raw or b"").decode("utf-8", errors="backslashreplace")
    return {"source": dict(source), "error": error.code, "message": error.message, "raw": raw}


def encode_record(record: Mapping[str, Any]) -> bytes:
    """Return a record as JSON in UTF-8, on one line, without a line end.

    Raises
    ------
    ValueError
        If a number in it is infinite or NaN, a string is not valid Unicode, or a value has no JSON form.
    """
    raw = _encoded(record)
    if b"null" in raw:
        _refuse_nonfinite(record)
    return raw


def encode_event(event: Event) -> bytes:
    """Return the JSON form of an event, from which `decode_event` makes it again.

    A NaN among the features is written as null, which says the same: missing.

    Raises
    ------
    ValueError
        As `encode_record`, and if the weight is not positive and finite or an integer is too large.
    """
    if not 0.0 < event.w < math.inf:
        raise ValueError(f"the weight must be positive and finite, not {event.w}")
    raw = _encoded(event_record(event))
    if b"null" in raw:
        _refuse_nonfinite([value for value in event.x.values() if value == value])
    if _HUGE_INTEGER in raw.translate(_DIGITS_AS_ZEROS):
        _refuse_huge_integers(event.x)
    return raw


def _encoded(record: Mapping[str, Any]) -> bytes:
    """Return JSON in which each number that is not finite has become null."""
    try:
        return _ENCODE(record)
    except UnicodeEncodeError as error:
        raise ValueError(f"not valid Unicode: {error.object!r}") from None
    except (TypeError, msgspec.MsgspecError, OverflowError, RecursionError) as error:
        raise ValueError(f"no JSON form: {error}") from None


def _refuse_nonfinite(value: Any) -> None:
    """Raise for infinity and NaN at any depth."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"JSON has no number {value}")
    elif isinstance(value, Mapping):
        for part in value.items():
            _refuse_nonfinite(part)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for part in value:
            _refuse_nonfinite(part)
