"""Three ways to read a stream of outcomes: all of it, its last n events, or all of it with the old fading."""

from collections import deque
from collections.abc import Iterator

import numpy as np

from ihomer.metrics.tally import FloatArray, Outcome, Tally

__all__ = ["Faded", "Total", "Window"]

LARGEST_EXACT_WEIGHT = 2.0**20
RESCALE_ABOVE = 1e100


class Total:
    """All events count alike.

    Parameters
    ----------
    n_ranks
        How many values of k precision at k is counted for.
    """

    def __init__(self, n_ranks: int) -> None:
        self._tally = Tally(n_ranks)

    def add(self, outcome: Outcome, weight: float | FloatArray) -> None:
        """Count one event, or n with weights of shape (n,)."""
        self._tally.add(outcome, weight)

    def remove(self, outcome: Outcome, weight: float) -> None:
        """Take back an event that was counted.

        Raises
        ------
        ValueError
            If no event is left.
        """
        if self._tally.n_events == 0:
            raise ValueError("revert: no event is left to take back")
        self._tally.subtract(outcome, weight)

    def tally(self) -> Tally:
        """Return the counts as they are now."""
        return self._tally


def _is_exact(weight: float) -> bool:
    """Tell whether sums of such weights are exact."""
    return float(weight).is_integer() and weight <= LARGEST_EXACT_WEIGHT


class Window:
    """The last events only; the oldest is forgotten exactly.

    With whole weights up to 2**20 subtracting is exact. What is not exact (the log loss, other weights) is
    counted anew from the kept events: after each full turn of the window, and for such weights before each
    reading.

    Parameters
    ----------
    size
        Number of events to keep.
    n_ranks
        How many values of k precision at k is counted for.
    """

    def __init__(self, size: int, n_ranks: int) -> None:
        self._size = size
        self._n_ranks = n_ranks
        self._events: deque[tuple[Outcome, float]] = deque()
        self._tally = Tally(n_ranks)
        self._forgotten = 0
        self._n_inexact = 0  # events in the window whose weight a sum may round
        self._rounded = False

    def add(self, outcome: Outcome, weight: float | FloatArray) -> None:
        """Count one event, or n with weights of shape (n,), and forget what is older than the window."""
        if isinstance(weight, np.ndarray):
            first = max(0, len(weight) - self._size)
            for event, its_weight in zip(_singles(outcome, first), weight[first:].tolist(), strict=True):
                self.add(event, its_weight)
            return
        if len(self._events) == self._size:
            self._forget_oldest()
        self._events.append((outcome, weight))
        self._n_inexact += not _is_exact(weight)
        self._tally.add(outcome, weight)

    def tally(self) -> Tally:
        """Return the counts of the events in the window. Reading changes nothing, whenever it is done."""
        return self._recounted() if self._rounded else self._tally

    def _forget_oldest(self) -> None:
        outcome, weight = self._events.popleft()
        self._tally.subtract(outcome, weight)
        self._forgotten += 1
        self._rounded = self._rounded or self._n_inexact > 0
        self._n_inexact -= not _is_exact(weight)
        if self._forgotten == self._size and (self._rounded or self._tally.ranked_weight):
            self._tally, self._rounded = self._recounted(), False
        self._forgotten %= self._size

    def _recounted(self) -> Tally:
        tally = Tally(self._n_ranks)
        for outcome, weight in self._events:
            tally.add(outcome, weight)
        return tally


class Faded:
    """Each event multiplies the weight of all earlier ones by a factor.

    Instead, the weight of new events grows, and everything is scaled down before it grows too large: no score
    changes when all sums are multiplied. What weighs less than about 1e-300 of the newest event is forgotten.

    Parameters
    ----------
    factor
        Factor per event, above 0 and below 1.
    n_ranks
        How many values of k precision at k is counted for.
    """

    def __init__(self, factor: float, n_ranks: int) -> None:
        self._factor = factor
        self._growth = 1.0
        self._tally = Tally(n_ranks)

    def add(self, outcome: Outcome, weight: float | FloatArray) -> None:
        """Fade what was counted and count one event, or n in their order with weights of shape (n,)."""
        if isinstance(weight, np.ndarray):
            self._tally.scale(self._factor ** len(weight) / self._growth)
            self._growth = 1.0
            self._tally.add(outcome, weight * self._factor ** np.arange(len(weight) - 1.0, -1.0, -1.0))
            return
        self._growth /= self._factor
        if self._growth > RESCALE_ABOVE:
            self._tally.scale(1.0 / self._growth)
            self._growth = 1.0
        self._tally.add(outcome, weight * self._growth)

    def tally(self) -> Tally:
        """Return the counts, all multiplied by the same number."""
        return self._tally


def _singles(outcome: Outcome, first: int) -> Iterator[Outcome]:
    """Cut outcomes of n events into n outcomes of one event, from event `first` on."""
    assert outcome.rows is not None
    order = np.argsort(outcome.rows, kind="stable")
    cells = outcome.cells[order]
    n_true, n_predicted, n_both, n_unobserved = (np.asarray(column).tolist() for column in outcome[3:7])
    losses = np.asarray(outcome.loss).tolist()
    bounds = np.searchsorted(outcome.rows[order], np.arange(len(n_true) + 1))
    for row in range(first, len(n_true)):
        # Copies, since views would keep the whole batch alive for as long as the window is.
        yield Outcome(
            cells=cells[bounds[row] : bounds[row + 1]].copy(),
            n_labels=outcome.n_labels,
            rows=None,
            n_true=n_true[row],
            n_predicted=n_predicted[row],
            n_both=n_both[row],
            n_unobserved=n_unobserved[row],
            hits=None if outcome.hits is None else outcome.hits[row].copy(),
            loss=losses[row],
        )
