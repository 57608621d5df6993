"""Known drift: which version of a generator's model is in force at which event."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from streams.zipf import check_count

__all__ = ["WHATS", "Drift", "Mixture", "Timeline"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IndexArray: TypeAlias = npt.NDArray[np.int64]
Kind: TypeAlias = Literal["sudden", "gradual", "incremental", "recurring"]
What: TypeAlias = Literal["features", "labels", "correlation"]

KINDS = ("sudden", "gradual", "incremental", "recurring")
WHATS = ("features", "labels", "correlation")


@dataclass(frozen=True)
class Drift:
    """One change of the model that draws a stream.

    Attributes
    ----------
    at
        Number of the first event that it concerns; the first event of a stream has number 0.
    kind
        "sudden": from one event to the next. "gradual": each event is drawn from the new model with a probability
        that rises linearly from 0 to 1 over `width` events. "incremental": the model itself moves linearly over
        `width` events (what cannot move, words and nominal values, changes gradually). "recurring": the new model
        for `width` events, then that before the drift for `width` events, and so on in turns.
    width
        Number of events; a sudden drift does not look at it.
    what
        "features": P(x | labels), all centres, topics and preferred values are drawn anew. "labels": the
        frequencies of the labels. "correlation": which labels form a group; it cannot be incremental.

    Raises
    ------
    ValueError
        If an attribute is none of these.

    Examples
    --------
    >>> from streams.drift import Drift
    >>> Drift(at=5000, kind="gradual", width=500, what="labels").ends
    5500
    """

    at: int
    kind: Kind = "sudden"
    width: int = 1
    what: What = "features"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.what not in WHATS:
            raise ValueError(f"what must be one of {', '.join(WHATS)}, not {self.what!r}")
        check_count("at", self.at, 1)
        check_count("width", self.width, 1)
        if self.kind == "incremental" and self.what == "correlation":
            raise ValueError("kind incremental: groups of labels cannot move little by little; take gradual")

    @property
    def ends(self) -> int:
        """Number of the first event that is drawn from the new model for sure."""
        return self.at + (self.width if self.kind in ("gradual", "incremental") else 0)


class Mixture(NamedTuple):
    """For each event, two versions of a part of the model, and the share of the second."""

    first: IndexArray
    second: IndexArray
    share: FloatArray


class Timeline:
    """Which version of one part of the model is in force when; version 0 is that of the beginning.

    Parameters
    ----------
    drifts
        The drifts of this part, in their order.
    """

    def __init__(self, drifts: Sequence[Drift]) -> None:
        self._steps: list[tuple[Drift, int]] = []
        for drift in drifts:
            if self._steps and drift.at < max(self._steps[-1][0].ends, self._steps[-1][0].at + 1):
                raise ValueError(f"drifts: {drift} starts before {self._steps[-1][0]} has ended")
            before = self.mixture(np.array([drift.at - 1]), np.zeros(1)).second
            self._steps.append((drift, int(before[0])))

    @property
    def n_versions(self) -> int:
        """Number of versions, that of the beginning included."""
        return len(self._steps) + 1

    def mixture(self, numbers: IndexArray, uniform: FloatArray) -> Mixture:
        """Return the versions that the events of these numbers are drawn from.

        Parameters
        ----------
        numbers
            Numbers of events, shape (n,).
        uniform
            Numbers from [0, 1) that decide where chance does, shape (n,).
        """
        first, second = np.zeros_like(numbers), np.zeros_like(numbers)
        share, moves = np.zeros(len(numbers)), np.zeros(len(numbers), dtype=bool)
        for new, (drift, old) in enumerate(self._steps, 1):
            since = numbers - drift.at
            begun = since >= 0
            first[begun], second[begun] = old, new
            share[begun] = _share_of_new(drift, since[begun])
            moves[begun] = (drift.kind == "incremental") & (share[begun] < 1.0)
        chosen = np.where(uniform < share, second, first)
        return Mixture(np.where(moves, first, chosen), np.where(moves, second, chosen), np.where(moves, share, 0.0))


def _share_of_new(drift: Drift, since: IndexArray) -> FloatArray:
    if drift.kind == "sudden":
        return np.ones(len(since))
    if drift.kind == "recurring":
        return np.where(since // drift.width % 2 == 0, 1.0, 0.0)
    return np.minimum((since + 1) / drift.width, 1.0)
