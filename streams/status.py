"""What a live run says of itself at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil

from streams.message import Partition

__all__ = ["CheckpointStatus", "Status", "resident_memory"]

Readings = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class CheckpointStatus:
    """The last checkpoint that was written.

    Attributes
    ----------
    number
        How many have been written, this one too.
    seconds
        How long it took.
    n_bytes
        How long its file is.
    at
        When it was done, in seconds since 1970.
    """

    number: int
    seconds: float
    n_bytes: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a live run says of itself at one moment. Nothing in it is changed later: each moment has its own.

    Attributes
    ----------
    started_at
        When the process started to run, in seconds since 1970.
    n_read, n_predicted, n_learned, n_refused
        Events read, predicted, learned, and refused by the model.
    dead_letters
        Number of dead letters by `MalformedEvent.code`; "size": answers that were too large for the sink, with or without a
        place for dead letters.
    n_late_joined, n_late_waiting, n_late_expired, n_late_orphan, n_late_repeated, n_late_early
        Late labels: those that found their event; events that wait for labels now; events given up for age or number;
        labels whose event is not known; events and labels in whose place others of the same name have come; labels that came
        before their event and wait for it now.
    lag
        How many offsets lie between the position and the end of each partition.
    events_per_second
        Rate over the last period.
    scores, baseline_scores
        ``{reading: {score: value}}`` of the model and of the baseline beside it.
    drifts
        Number of drifts by kind; those of clusters that are gone count on.
    n_labels, n_features, n_clusters, partition_version
        Size of the model, and how often its label clusters have changed.
    n_transactions
        Transactions that went through.
    seconds_committing
        For how long answers have waited for the sink; 0 where none wait.
    checkpoint
        The last checkpoint, or None before the first.
    n_lost
        Messages that were gone before they were read.
    resident_bytes
        Memory of the process.
    healthy, reason
        Whether it does its work; if not, why.

    Examples
    --------
    >>> from streams.status import Status
    >>> status = Status(started_at=0.0, n_read=12, lag={("events", 0): 3}, healthy=False, reason="no answer from the broker")
    >>> status.n_read, status.reason
    (12, 'no answer from the broker')
    """

    started_at: float
    n_read: int = 0
    n_predicted: int = 0
    n_learned: int = 0
    n_refused: int = 0
    dead_letters: Mapping[str, int] = field(default_factory=dict)
    n_late_joined: int = 0
    n_late_waiting: int = 0
    n_late_expired: int = 0
    n_late_orphan: int = 0
    n_late_repeated: int = 0
    n_late_early: int = 0
    lag: Mapping[Partition, int] = field(default_factory=dict)
    events_per_second: float = 0.0
    scores: Readings = field(default_factory=dict)
    baseline_scores: Readings = field(default_factory=dict)
    drifts: Mapping[str, int] = field(default_factory=dict)
    n_labels: int = 0
    n_features: int = 0
    n_clusters: int = 0
    partition_version: int = 0
    n_transactions: int = 0
    seconds_committing: float = 0.0
    checkpoint: CheckpointStatus | None = None
    n_lost: int = 0
    resident_bytes: int = 0
    healthy: bool = True
    reason: str = ""


def resident_memory() -> int:
    """Return how many bytes of memory this process holds.

    Examples
    --------
    >>> from streams.status import resident_memory
    >>> resident_memory() > 1 << 20
    True
    """
    return int(psutil.Process().memory_info().rss)
