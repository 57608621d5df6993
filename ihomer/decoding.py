"""From mixed log-odds to probabilities and a labelset, for a named objective."""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ihomer.experts.base import Alike, larger
from ihomer.experts.linear import fitted, forget_rows
from ihomer.kernels.decoding import DONE, N_FOUND, N_WEIGHTS, decode_rows
from ihomer.kernels.labelsets import COUNT, KEEP_RECENT, N_EVENTS, N_FACTORS, N_LATEST, N_MEMBERS, N_SETS, N_WORDS, RECENT
from ihomer.kernels.mixing import own_start, weights_start
from ihomer.kernels.tallies import N_MET, N_TALLIES
from ihomer.mixing import start_own, with_own

__all__ = ["OBJECTIVES", "Decoder", "Features"]

_SCORE_RATE = 0.3  # of the steps of the scores by which labelsets are told from each other

OBJECTIVES = ("hamming", "subset", "example_f1", "micro_f1", "macro_f1", "balanced")

Features: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]
"""The features of some rows, as indptr, feature, value and shrink: row r has the pairs feature[indptr[r]:indptr[r + 1]] with
their values, and learned from is the row times shrink[r].
"""


def without_features(n_rows: int) -> Features:
    """Return rows without features."""
    return np.zeros(n_rows + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32), np.ones(n_rows, np.float32)


class Workings(NamedTuple):
    """What the last answer was made from; see `decode_rows`."""

    inputs: NDArray[np.float32]  # [labels, 2]
    by_label: NDArray[np.float64]  # [2, labels]
    weights_of_sets: NDArray[np.float64]  # [5, sets]
    live: NDArray[np.int32]
    score: NDArray[np.float32]  # [width of a row of weights]
    found: NDArray[np.float64]

    @classmethod
    def to(cls, n_labels: int, n_sets: int, width: int) -> "Workings":
        """Return room for so many labels and labelsets, and for the scores of labels whose rows of weights have some width."""
        inputs, by_label, score = np.empty((n_labels, 2), np.float32), np.empty((2, n_labels)), np.empty(width, np.float32)
        return cls(inputs, by_label, np.empty((N_WEIGHTS, n_sets)), np.empty(n_sets, np.int32), score, np.zeros(N_FOUND))


Answers: TypeAlias = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Probabilities and answers to log-odds, [rows, labels] each."""


class Decoder:
    """Joint decoding over all labels.

    Parameters
    ----------
    objective
        One of `OBJECTIVES`.
    most_labelsets
        How many labelsets are remembered; where there are more, the rarer half is forgotten.
    scored
        Learn from the features which labelset applies, as a conditional random field over those seen.
    """

    n_exchanges = 4  # labels that the balanced answer may differ by from the best one of a score or labelset seen

    def __init__(self, objective: str, most_labelsets: int, scored: bool = True) -> None:
        self._objective = OBJECTIVES.index(objective)
        self._most = most_labelsets
        self._score_rate = _SCORE_RATE if scored else 0.0
        self._header = np.zeros(3, np.int64)
        self._factor = np.array([1.0, 0.3, 0.1, 1.0, 0.5])
        self._information = 20.0 * np.eye(N_FACTORS)
        self._score_weights = np.zeros((1, 1, 0), np.float32)
        self._novelty = np.array([[-1.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
        self._latest = np.full(N_LATEST, -1, np.int32)
        self._weights, self._weights_information = weights_start(0, (1.0, 1.0))
        self._own = own_start(0, 2)
        self._total = np.zeros(2)
        self._tally = np.zeros((0, 2))
        self._events = np.zeros(N_TALLIES)
        self._asked: Answers | None = None  # the last answer, if nothing was learned since: often it is learned next
        self._workings = Workings.to(0, 0, 0)
        self._empty(min(64, most_labelsets))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_asked": None, "_workings": Workings.to(0, 0, 0)}

    def _empty(self, room: int) -> None:
        """Drop all labelsets, and make room for some; how many there are the header tells."""
        self._table = np.full(1 << (4 * room - 1).bit_length(), -1, np.int32)
        self._hashes = np.zeros(room, np.uint64)
        self._signatures = np.zeros((N_WORDS, room), np.uint64)
        self._ends = np.zeros(room + 1, np.int64)
        self._pool = np.zeros(4 * room, np.int32)
        self._stats = np.zeros((room, 3))
        self._total_count = np.zeros(1)
        self._last_seen = np.zeros(room, np.int64)

    @property
    def n_events(self) -> int:
        """How many events were learned."""
        return int(self._header[N_EVENTS])

    @property
    def n_labelsets(self) -> int:
        """How many labelsets are remembered."""
        return int(self._header[N_SETS])

    def grow(self, n_labels: int, n_features: int) -> None:
        """Make room for labels and features."""
        self._score_weights = fitted(self._score_weights, n_labels, n_features if self._score_rate else 0)

    def run(
        self,
        odds: NDArray[np.float64],
        target: NDArray[np.uint8],
        weight: NDArray[np.float64],
        learn: bool,
        alike: Alike | None = None,
        known: bool = False,
        features: Features | None = None,
        judged: NDArray[np.uint8] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return probabilities and answers, [rows, labels], for log-odds; learn each row in turn if `learn`.

        `alike` holds the past events like each row, by their numbers as this decoder has learned them; `features` those of the
        rows, none if it is None; `judged` what its mixture learns from in place of `target`. With `known` there is one row, the
        last that was asked about, and nothing has changed since.
        """
        n_labels = odds.shape[1]
        if n_labels > self._score_weights.shape[2]:
            self.grow(n_labels, 0)
        if n_labels > len(self._own):
            self._own, self._tally = with_own(self._own, n_labels), larger(self._tally, 0, n_labels)
        now, self._asked = self._asked, None
        known = known and learn and now is not None
        if now is None or not known:
            now = np.empty(odds.shape), np.empty(odds.shape, np.bool_)
        proba, answer = now
        near = tuple(Alike.to(len(odds), 0) if alike is None else alike)
        x = without_features(len(odds)) if features is None else features
        mixture = (self._weights, self._weights_information, self._own)
        tallies = (self._total, self._tally[:n_labels], self._events)
        row, status = 0, None
        while status != DONE:
            made_from = tuple(self._fitted_workings(n_labels))
            sets = (
                self._header, self._table, self._hashes, self._signatures, self._ends, self._pool, self._stats,
                self._total_count, self._last_seen, self._latest, self._factor, self._information,
            )  # fmt: skip
            row, status = decode_rows(
                odds, x, near, target, target if judged is None else judged, weight, learn, known, row, self._objective,
                self._score_rate, self.n_exchanges, sets, self._score_weights[0], self._novelty, mixture, tallies, made_from,
                proba, answer,
            )  # fmt: skip
            if status != DONE:
                self._make_room(n_labels)
                known = False
        if not learn and len(odds) == 1:
            self._asked = now
        return now

    def _fitted_workings(self, n_labels: int) -> Workings:
        """Return room for what an answer is made from: what the last one was made from, where that has the same size."""
        workings, n_sets = self._workings, len(self._hashes)
        if workings.by_label.shape[1] != n_labels or len(workings.live) != n_sets:
            workings = self._workings = Workings.to(n_labels, n_sets, self._score_weights.shape[2])
        return workings

    def _make_room(self, n_labels: int) -> None:
        self._pool = larger(self._pool, 0, int(self._header[N_MEMBERS]) + n_labels)
        room = len(self._hashes)
        if self.n_labelsets < room:
            return
        kept = np.arange(room)
        if room == self._most:
            recent = self._stats[:, RECENT] * KEEP_RECENT ** (self._header[N_EVENTS] - self._last_seen)
            order = np.lexsort((-self._last_seen, -(self._stats[:, COUNT] + recent)))
            kept = np.sort(order[: self._most // 2])
        self._keep(kept, min(2 * room, self._most))

    def _keep(self, kept: NDArray[np.int64], room: int) -> None:
        """Keep some labelsets, in the order given, in a table with room for more."""
        ends, pool, hashes, signatures = self._ends, self._pool, self._hashes, self._signatures
        stats, last_seen, old_latest = self._stats[kept], self._last_seen[kept], self._latest
        members = [pool[ends[s] : ends[s + 1]] for s in kept.tolist()]
        self._empty(room)
        used = sum(map(len, members))
        self._pool = np.zeros(len(pool), np.int32)
        self._pool[:used] = np.concatenate([np.zeros(0, np.int32), *members])
        self._header[N_SETS], self._header[N_MEMBERS] = len(kept), used
        self._ends[1 : len(kept) + 1] = np.cumsum([len(m) for m in members])
        self._hashes[: len(kept)], self._stats[: len(kept)], self._last_seen[: len(kept)] = hashes[kept], stats, last_seen
        self._total_count[0] = stats[:, COUNT].sum()
        self._signatures[:, : len(kept)] = signatures[:, kept]
        mask = len(self._table) - 1
        for number, h in enumerate(hashes[kept].tolist()):
            at = (h >> 20) & mask
            while self._table[at] >= 0:
                at = (at + 1) & mask
            self._table[at] = number
        renumbered = np.full(len(ends), -1, np.int32)
        renumbered[kept] = np.arange(len(kept))
        self._latest = renumbered[old_latest]  # the last place is for those without a labelset, -1

    def forget_labels(self, labels: NDArray[np.int32]) -> None:
        """Start labels anew, and drop the labelsets with one of them."""
        self._score_weights[:, :, labels[labels < self._score_weights.shape[2]]] = 0.0
        start_own(self._own, labels)
        self._tally[labels[labels < len(self._tally)]] = 0.0
        self._events[N_MET] = (self._tally[:, 1] > 0.0).sum()
        n_sets = self.n_labelsets
        used = int(self._header[N_MEMBERS])
        owner = np.repeat(np.arange(n_sets), np.diff(self._ends[: n_sets + 1]))
        gone = np.unique(owner[np.isin(self._pool[:used], labels)])
        if len(gone):
            self._keep(np.setdiff1d(np.arange(n_sets), gone), len(self._hashes))

    def forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        """Start features anew, bool[features]."""
        forget_rows(self._score_weights, np.flatnonzero(forgotten))
