"""The streams: one for each kind of drift and each part of the model that drifts, and one without drift."""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.drift import KINDS, WHATS, Drift
from streams.synthetic import SyntheticStream

# Numbers alone, so that river's trees, which take an absent word as missing, see the same as the others. Ten of them with
# centres 1.5 times as far apart as the noise is wide: the default model errs on about a tenth, so a rise is seen at once,
# and a tree errs on a third, so that it can get worse and better.
N_LABELS, N_GROUPS, N_FEATURES, SEPARATION = 12, 4, 10, 1.5
N_EVENTS = 5_000
STATIONARY = "stationary"


@dataclass(frozen=True)
class Kind:
    """A stream whose drift and partition are known.

    Attributes
    ----------
    name
        "stationary", or kind and what of its drift.
    number
        Enters the seeds, so that no two streams begin with the same events.
    drift
        Its drift, in the middle; None for none.
    n_events
        Number of events.
    """

    name: str
    number: int
    drift: Drift | None
    n_events: int = N_EVENTS

    @property
    def at(self) -> int:
        """Number of the first event of the drift; half of the events without one."""
        return self.n_events // 2 if self.drift is None else self.drift.at

    def stream(self, seed: int) -> SyntheticStream:
        """Return the stream of a seed."""
        return SyntheticStream(
            self.n_events, n_labels=N_LABELS, groups=N_GROUPS, n_features=N_FEATURES, separation=SEPARATION,
            drifts=[] if self.drift is None else [self.drift], seed=1000 * self.number + seed,
        )  # fmt: skip

    def true_clusters(self, stream: SyntheticStream, n_learned: int) -> NDArray[np.int64]:
        """Return the true cluster of each label, int64[labels], for a model that has learned so many events, one at least.

        While a gradual drift of the partition goes on, it is the one that most events come from.
        """
        number = n_learned - 1
        drift = self.drift
        if drift is not None and drift.kind == "gradual" and drift.at <= number < drift.ends:
            number = drift.at - 1 if number < drift.at + drift.width // 2 else drift.ends
        return cluster_numbers(dict(enumerate(stream.groups_at(number))), stream.labels)


def cluster_numbers(
    clusters: "dict[int, tuple[Hashable, ...]] | dict[int, frozenset[str]]", labels: "tuple[Hashable, ...]"
) -> NDArray[np.int64]:
    """Return the number of the cluster of each label, int64[labels]; -1 for those in none."""
    found = {label: number for number, members in clusters.items() for label in members}
    return np.array([found.get(label, -1) for label in labels], np.int64)


def kinds(n_events: int = N_EVENTS) -> list[Kind]:
    """Return all streams: each kind of drift of each part of the model, as far as the generator has it.

    The drift begins in the middle. A gradual and an incremental one last a fifth of the events; a recurring one turns back
    after a quarter, so that the last quarter is the old model again.

    Examples
    --------
    >>> from benchmarks.drifts.kinds import kinds
    >>> [kind.name for kind in kinds()][:4], len(kinds())
    (['stationary', 'sudden features', 'sudden labels', 'sudden correlation'], 12)
    """
    width = {"sudden": 1, "gradual": n_events // 5, "incremental": n_events // 5, "recurring": n_events // 4}
    found = [Kind(STATIONARY, 1, None, n_events)]
    for kind in KINDS:
        for what in WHATS:
            if (kind, what) == ("incremental", "correlation"):
                continue  # the generator refuses it: groups cannot move little by little
            drift = Drift(at=n_events // 2, kind=kind, width=width[kind], what=what)  # type: ignore[arg-type]
            found.append(Kind(f"{kind} {what}", len(found) + 1, drift, n_events))
    return found
