"""Records of what happened to a partition, and how they follow from its clusters before and after."""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Change", "ChangeLog", "PartitionDrift", "by_cluster", "changes_between"]

MOST_RECORDS = 1000
MOST_LABELS = 200_000  # named by all the records that are kept

Clusters = NDArray[np.int32]
_Index = TypeVar("_Index", np.int32, np.int64)


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one cluster.

    Attributes
    ----------
    event
        Number of events learned when it happened.
    kind
        ``"born"``, ``"grown"``, ``"shrunk"`` or ``"retired"``.
    cluster
        Id of the cluster.
    parents
        Born, grown: ids of the clusters that the labels were in before, ascending; new labels come from none.
    labels, indices
        The labels that the cluster was born with, gained, lost, or still had when it retired: names and indices.
    """

    event: int
    kind: str
    cluster: int
    parents: tuple[int, ...]
    labels: tuple[Hashable, ...]
    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PartitionDrift:
    """A rise of the share of label pairs that the partition cuts.

    Attributes
    ----------
    event
        Number of events learned when it was acted on.
    window
        Number of newest events that the counts rest on since.
    cut_share
        Mean share of an event's label pairs that lay in different clusters, over that window.
    """

    event: int
    window: int
    cut_share: float


def by_cluster(key: Clusters, index: NDArray[_Index]) -> Iterator[tuple[int, NDArray[_Index]]]:
    """Yield (cluster, its indices), clusters ascending; `key` is the cluster of each of the indices, whose order stays."""
    order = np.argsort(key, kind="stable")
    key, index = key[order], index[order]
    start = 0
    for stop in [*(np.flatnonzero(key[1:] != key[:-1]) + 1).tolist(), len(key)]:
        yield int(key[start]), index[start:stop]
        start = stop


def changes_between(before: Clusters, after: Clusters, event: int, name_of: Callable[[int], Hashable]) -> list[Change]:
    """Return what happened to each cluster: births, then growth, losses, and retirements.

    Parameters
    ----------
    before, after
        int32[labels], the cluster of each label; -1: none.
    event
        Number to put down.
    name_of
        Label index -> name.
    """
    moved = np.flatnonzero(before != after)
    if not len(moved):
        return []
    lost = {c: index for c, index in by_cluster(before[moved], moved) if c >= 0}
    gained = {c: index for c, index in by_cluster(after[moved], moved) if c >= 0}
    old, new = set(before.tolist()), set(after.tolist())

    def record(kind: str, cluster: int, index: NDArray[np.int64], parents: bool) -> Change:
        came_from = sorted(set(before[index].tolist()) - {-1}) if parents else []
        indices = index.tolist()
        return Change(event, kind, cluster, tuple(came_from), tuple(map(name_of, indices)), tuple(indices))

    return (
        [record("born", c, index, True) for c, index in gained.items() if c not in old]
        + [record("grown", c, index, True) for c, index in gained.items() if c in old]
        + [record("shrunk", c, index, False) for c, index in lost.items() if c in new]
        + [record("retired", c, index, False) for c, index in lost.items() if c not in new]
    )


class ChangeLog:
    """The newest records, bounded by their number and by the labels that they name."""

    def __init__(self) -> None:
        self.records: deque[Change] = deque()
        self.n_seen = 0
        self._n_labels = 0

    @property
    def n_dropped(self) -> int:
        """Number of records that are no longer kept."""
        return self.n_seen - len(self.records)

    def extend(self, changes: list[Change]) -> None:
        """Keep records, the oldest giving way."""
        self.n_seen += len(changes)
        self.records.extend(changes)
        self._n_labels += sum(len(change.indices) for change in changes)
        while len(self.records) > MOST_RECORDS or self._n_labels > MOST_LABELS:
            self._n_labels -= len(self.records.popleft().indices)
