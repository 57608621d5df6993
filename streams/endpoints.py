"""Where a live run reads and writes: the addresses of the command line."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote

__all__ = ["Endpoint", "EndpointError", "FileEndpoint", "KafkaEndpoint", "StandardEndpoint", "parse_endpoint", "parse_topics"]

_KAFKA = "kafka://"
_FILE = "file:"
_PATTERN = "?pattern="
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_FORMS = "kafka://HOST:PORT[,HOST:PORT]/TOPIC[,TOPIC], kafka://HOST:PORT/?pattern=REGEX, file:PATH or -"


class EndpointError(ValueError):
    """An address is none; the message never holds what could be a secret."""


@dataclass(frozen=True, slots=True)
class KafkaEndpoint:
    """Topics of a Kafka cluster.

    Attributes
    ----------
    servers
        Some of its servers, each as ``HOST:PORT``.
    topics
        Names of topics; empty if there is a pattern.
    pattern
        Regular expression for the whole name of a topic, or None.
    """

    servers: tuple[str, ...]
    topics: tuple[str, ...] = ()
    pattern: str | None = None

    @property
    def topic(self) -> str:
        """The only topic.

        Raises
        ------
        EndpointError
            If there is not exactly one.

        Examples
        --------
        >>> from streams.endpoints import parse_endpoint
        >>> parse_endpoint("kafka://127.0.0.1:9092/answers").topic
        'answers'
        """
        if len(self.topics) != 1:
            raise EndpointError("one topic has to be named here: kafka://HOST:PORT/TOPIC")
        return self.topics[0]


@dataclass(frozen=True, slots=True)
class FileEndpoint:
    """A file of JSON lines."""

    path: Path


@dataclass(frozen=True, slots=True)
class StandardEndpoint:
    """Standard input or output."""


Endpoint: TypeAlias = KafkaEndpoint | FileEndpoint | StandardEndpoint


def parse_endpoint(text: str) -> Endpoint:
    """Return what an address stands for.

    Parameters
    ----------
    text
        ``kafka://HOST:PORT[,HOST:PORT]/TOPIC[,TOPIC]``, ``kafka://HOST:PORT[,HOST:PORT]/?pattern=REGEX``, ``file:PATH``
        or ``-``. A pattern may be percent-encoded; a ``+`` in it stays one.

    Raises
    ------
    EndpointError
        If it is none of these, or holds the name or password of a user: arguments are seen by everyone on the machine.

    Examples
    --------
    >>> from streams.endpoints import parse_endpoint
    >>> parse_endpoint("kafka://one:9092,two:9092/rain,snow")
    KafkaEndpoint(servers=('one:9092', 'two:9092'), topics=('rain', 'snow'), pattern=None)
    >>> parse_endpoint("kafka://[::1]:9092/?pattern=weather[.].+").pattern
    'weather[.].+'
    >>> parse_endpoint("file:sky.jsonl").path.name, parse_endpoint("-")
    ('sky.jsonl', StandardEndpoint())
    >>> parse_endpoint("kafka://anna:swordfish@one:9092/rain")
    Traceback (most recent call last):
    ...
    streams.endpoints.EndpointError: an address holds no user and no password; give them in the file of --config
    """
    if text == "-":
        return StandardEndpoint()
    if text.startswith(_FILE):
        path = text.removeprefix(_FILE)
        if not path or "\0" in path:
            raise EndpointError("file: needs the path of a file, as in file:events.jsonl")
        return FileEndpoint(Path(path))
    if text.startswith(_KAFKA):
        return _kafka(text.removeprefix(_KAFKA))
    if "@" in text:
        raise EndpointError(f"no address; there are {_FORMS}")
    hint = f"; did you mean file:{text}?" if ":" not in text and text else f"; there are {_FORMS}"
    raise EndpointError(f"{text!r} is no address{hint}")


def _kafka(text: str) -> KafkaEndpoint:
    place, has_pattern, pattern = text.partition(_PATTERN)
    if "@" in place:
        raise EndpointError("an address holds no user and no password; give them in the file of --config")
    if "?" in place or "#" in place:
        raise EndpointError("kafka: after ? only pattern=REGEX can stand; client settings go into the file of --config")
    authority, slash, names = place.partition("/")
    servers = tuple(_server(server) for server in authority.split(","))
    if has_pattern:
        if names:
            raise EndpointError("kafka: give topics or a pattern, not both")
        return KafkaEndpoint(servers, pattern=_checked_pattern(unquote(pattern)))
    if not (slash and names):
        raise EndpointError("kafka: no topic is named; the form is kafka://HOST:PORT/TOPIC")
    return KafkaEndpoint(servers, parse_topics(names))


def parse_topics(names: str) -> tuple[str, ...]:
    """Return names of topics, which stand in a text with commas between them.

    Raises
    ------
    EndpointError
        If one cannot be a name, or stands there twice.

    Examples
    --------
    >>> from streams.endpoints import parse_topics
    >>> parse_topics("rain,snow")
    ('rain', 'snow')
    """
    topics = tuple(names.split(","))
    for topic in topics:
        if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
            raise EndpointError(f"kafka: {topic!r} cannot be a topic's name: up to 249 of letters, digits, '.', '_' and '-'")
        if topics.count(topic) > 1:
            raise EndpointError(f"kafka: topic {topic!r} is named twice")
    return topics


def _server(text: str) -> str:
    match = _SERVER.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= 65535:
        raise EndpointError(f"kafka: {text!r} is not HOST:PORT")
    return text


def _checked_pattern(pattern: str) -> str:
    if not pattern:
        raise EndpointError("kafka: the pattern is empty")
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise EndpointError(f"kafka: {pattern!r} is no regular expression: {error}") from None
    return pattern
