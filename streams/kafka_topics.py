"""Which topics stand behind the names that a run reads: one that is deleted and made anew has another id."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ihomer.persistence import write_file
from streams.errors import SourceError
from streams.message import Gone, Partition

__all__ = ["Found", "TopicIds"]

_VERSION = 1


class Found(NamedTuple):
    """What Kafka tells of topics.

    Attributes
    ----------
    places
        Partitions that can be read.
    ids
        Id of each topic that is there, by name; "" where it is not told.
    unsettled
        Topics that cannot be described for a moment.
    leaderless
        Partitions that have no leader for a moment.
    """

    places: list[Partition]
    ids: dict[str, str]
    unsettled: list[str]
    leaderless: list[Partition]


class TopicIds:
    """The ids of topics that have been read from.

    Parameters
    ----------
    path
        A file that keeps them from one process to the next, beside the checkpoints; None: they are kept in memory alone.

    Raises
    ------
    SourceError
        If the file is damaged.

    Examples
    --------
    >>> from streams.kafka_topics import TopicIds
    >>> ids = TopicIds()
    >>> ids.note({"sky": "zq3K"})
    >>> ids.check({"sky": "zq3K", "sea": "1x_b"})
    >>> ids.check({"sky": "Rk0A"})
    Traceback (most recent call last):
    ...
    streams.message.Gone: topic sky was deleted and made anew: what was read of it is not what it holds
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._ids = {} if path is None or not path.exists() else _read(path)
        self._is_written = True

    def __len__(self) -> int:
        return len(self._ids)

    def lacks(self, topics: Iterable[str]) -> bool:
        """Whether one of these topics is not known, or not written down."""
        return not self._is_written or any(topic not in self._ids for topic in topics)

    def note(self, ids: Mapping[str, str]) -> None:
        """Remember the ids of topics that are not known, and write them down; where the disk refuses, that is tried again."""
        fresh = {topic: one for topic, one in ids.items() if one and topic not in self._ids}
        if not fresh and self._is_written:
            return
        self._ids |= fresh
        self._is_written = self._path is None
        if self._path is not None:
            content = json.dumps({"version": _VERSION, "topics": dict(sorted(self._ids.items()))}).encode()
            with suppress(OSError):
                write_file(self._path, content)
                self._is_written = True

    def check(self, ids: Mapping[str, str]) -> None:
        """Raise `Gone` if a topic that is known has another id now."""
        for topic, one in ids.items():
            if one and self._ids.get(topic, one) != one:
                raise Gone(f"topic {topic} was deleted and made anew: what was read of it is not what it holds")


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_bytes())
        version, topics = found["version"], found["topics"]
        ids = {str(topic): str(one) for topic, one in topics.items()}
    except (AttributeError, ValueError, KeyError, TypeError):
        raise SourceError(f"{path}: damaged; without it topics that were made anew cannot be told") from None
    if version != _VERSION:
        raise SourceError(f"{path}: made by a newer version of ihomer")
    return ids
