"""Three ways to read a stream of outcomes: all of it, its last n events, or all of it with the old fading."""

from collections import deque
from collections.abc import Collection, Iterator
from typing import TypeAlias

import numpy as np

from ihomer.metrics.tally import FloatArray, Outcome, Tally

__all__ = ["Faded", "Total", "Window"]

Weighed: TypeAlias = tuple[Outcome, float]
"""One event and its weight."""
WeighedBlock: TypeAlias = tuple[Outcome, FloatArray]
"""Outcomes of n >= 1 events in the order of their rows, and their weights, shape (n,)."""

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
        """Take back an event that was counted."""
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
    reading. What is exact can be counted in any order, so that many events at once are.

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
        # What is in the window, oldest first: one by one, or, as long as all of it is exact, in blocks of many events.
        self._events: deque[Weighed] = deque()
        self._blocks: deque[WeighedBlock] = deque()
        self._tally = Tally(n_ranks)
        self._forgotten = 0
        self._n_inexact = 0  # events in the window whose weight a sum may round
        self._rounded = False

    def add(self, outcome: Outcome, weight: float | FloatArray) -> None:
        """Count one event, or n with weights of shape (n,), and forget what is older than the window."""
        if not isinstance(weight, np.ndarray):
            self._spread()
            self._add_one(outcome, weight)
        elif len(weight):
            block = _last(outcome, weight, self._size)
            if self._is_exact_with(block):
                self._add_block(block)
                return
            self._spread()
            for event in _singles(block):
                self._add_one(*event)

    def events(self) -> list[Weighed]:
        """Return each event in the window with its weight, oldest first."""
        return [*(event for block in self._blocks for event in _singles(block)), *self._events]

    def tally(self) -> Tally:
        """Return the counts of the events in the window. Reading changes nothing, whenever it is done."""
        return self._recounted() if self._rounded else self._tally

    def _is_exact_with(self, block: WeighedBlock) -> bool:
        """Tell whether these events and all that are in the window can be added and subtracted without rounding."""
        if self._rounded or self._n_inexact or self._tally.n_ranked:
            return False
        outcome, weights = block
        return outcome.hits is None and all(map(_is_exact, weights.tolist()))

    def _add_block(self, block: WeighedBlock) -> None:
        """Do what `_add_one` does with each of these events, in one step."""
        if self._events:
            self._blocks.append(_joined(self._events))
            self._events.clear()
        n_old = max(0, self._tally.n_events + len(block[1]) - self._size)
        self._forgotten = (self._forgotten + n_old) % self._size
        while n_old:
            oldest = self._blocks.popleft()
            if len(oldest[1]) > n_old:
                oldest, rest = _split(oldest, n_old)
                self._blocks.appendleft(rest)
            self._tally.subtract(*oldest)
            n_old -= len(oldest[1])
        self._tally.add(*block)
        self._blocks.append(block)

    def _spread(self) -> None:
        """Keep the events one by one."""
        if self._blocks:
            self._events = deque(self.events())
            self._blocks.clear()

    def _add_one(self, outcome: Outcome, weight: float) -> None:
        if len(self._events) == self._size:
            self._forget_oldest()
        self._events.append((outcome, weight))
        self._n_inexact += not _is_exact(weight)
        self._tally.add(outcome, weight)

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
        for outcome, weight in self.events():
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


def _last(outcome: Outcome, weights: FloatArray, n: int) -> WeighedBlock:
    """Return the last n of the events, or all, as a block of their own."""
    assert outcome.rows is not None
    order = np.argsort(outcome.rows, kind="stable")
    block = outcome._replace(cells=outcome.cells[order], rows=outcome.rows[order]), weights
    return block if len(weights) <= n else _split(block, len(weights) - n)[1]


def _split(block: WeighedBlock, n: int) -> tuple[WeighedBlock, WeighedBlock]:
    """Return the first n events, at least one, and the others."""
    outcome, weights = block
    assert outcome.rows is not None
    at = int(np.searchsorted(outcome.rows, n))
    cells, rows = (outcome.cells[:at], outcome.cells[at:]), (outcome.rows[:at], outcome.rows[at:] - n)
    parts = []
    for i, part in enumerate((slice(0, n), slice(n, None))):
        n_true, n_predicted, n_both, n_unobserved = (np.asarray(column)[part] for column in outcome[3:7])
        hits = None if outcome.hits is None else outcome.hits[part]
        loss = np.asarray(outcome.loss)[part]
        counted = Outcome(
            cells[i], outcome.n_labels, rows[i], n_true, n_predicted, n_both, n_unobserved, hits, loss
        )
        parts.append((counted, weights[part]))
    return parts[0], parts[1]


def _singles(block: WeighedBlock) -> Iterator[Weighed]:
    """Yield each event of a block by itself."""
    outcome, weights = block
    assert outcome.rows is not None
    bounds = np.searchsorted(outcome.rows, np.arange(len(weights) + 1)).tolist()
    counts = zip(*(np.asarray(column).tolist() for column in outcome[3:7]), strict=True)
    losses = np.asarray(outcome.loss).tolist()
    for i, ((n_true, n_predicted, n_both, n_unobserved), weight) in enumerate(zip(counts, weights.tolist(), strict=True)):
        # Copies, since views would keep the whole block alive for as long as the window is.
        cells = outcome.cells[bounds[i] : bounds[i + 1]].copy()
        hits = None if outcome.hits is None else outcome.hits[i].copy()
        yield Outcome(cells, outcome.n_labels, None, n_true, n_predicted, n_both, n_unobserved, hits, losses[i]), weight


def _joined(events: Collection[Weighed]) -> WeighedBlock:
    """Put events without probabilities together; there is at least one."""
    cells = [outcome.cells for outcome, _ in events]
    counts = np.array([outcome[3:7] for outcome, _ in events], np.int64)
    joined = Outcome(
        cells=np.concatenate(cells),
        n_labels=max(outcome.n_labels for outcome, _ in events),
        rows=np.repeat(np.arange(len(cells)), [len(part) for part in cells]),
        n_true=counts[:, 0],
        n_predicted=counts[:, 1],
        n_both=counts[:, 2],
        n_unobserved=counts[:, 3],
        hits=None,
        loss=np.zeros(len(cells)),
    )
    return joined, np.array([weight for _, weight in events])
