"""Models that rehearse, as experts."""

import numpy as np
from numpy.typing import NDArray

from ihomer.experts.base import DOUBT, Expert, Outputs, Rows, close_gaps, drop_labels, larger, weight_rows
from ihomer.experts.linear import fitted, forget_rows
from ihomer.kernels.curves import N_KNOTS
from ihomer.kernels.hidden import N_UNITS, START
from ihomer.kernels.rehearsal import N_LABELS, N_PAIRS, N_POSITIVE, rehearsal_rows

__all__ = ["Rehearsal"]

_WINDOW = 2048  # past events that are kept
_MOST_PAIRS = 4096  # of an event that are kept
_MOST_LABELS = 1024  # and these
_OF_PAIRS = ("_entry", "_entry_position", "_entry_centred")


class Rehearsal(Expert):
    """An additive model, and a layer of hidden units, that go over past events again: they get more out of few.

    From the weights of the units it is told to later experts how much depends on each feature (`Rows.relevant`).
    """

    outputs = ("additive, rehearsing", "hidden layer, rehearsing")
    start = (0.03, 0.18)

    def __init__(self) -> None:
        self._number = 0
        self._sizes = np.zeros((0, 3), np.int64)
        self._importance = np.zeros(0)
        self._entry = np.zeros((0, 0), np.int32)
        self._entry_position = np.zeros((0, 0), np.float32)
        self._entry_centred = np.zeros((0, 0), np.bool_)
        self._length = np.zeros(0)
        self._labels = np.zeros((0, 0), np.int32)
        self._n_curves = 0  # centred features have had indices below it
        self._weights = np.zeros((1, 1, 0), np.float32)
        self._curves = np.zeros((N_KNOTS, 1, 0), np.float32)
        self._lower = np.zeros((1, N_UNITS), np.float32)
        self._lower_square = np.zeros(1)
        self._lower_curves = np.zeros((N_KNOTS, 1, N_UNITS), np.float32)
        self._lower_curves_square = np.full((N_KNOTS, 1), START)
        self._upper = np.zeros((N_UNITS + 1, 0), np.float32)
        self._upper_square = np.full(N_UNITS + 1, START)
        self._strength = np.zeros(N_UNITS, np.float32)

    def grow(self, n_labels: int, n_features: int) -> None:
        self._weights = fitted(self._weights, n_labels, n_features)
        self._curves = larger(self._curves, 2, n_labels)
        if self._n_curves:
            self._curves = fitted(self._curves, n_labels, self._n_curves)
        self._upper = larger(self._upper, 1, n_labels)
        more = weight_rows(N_UNITS, n_features) + 1 - len(self._lower)
        if more > 0:  # the last row stays that of the constant
            self._lower = np.insert(self._lower, [-1] * more, 0.0, axis=0)
            self._lower_square = np.insert(self._lower_square, [-1] * more, 0.0)

    def _grow_curves(self, n_centred: int) -> None:
        self._n_curves = n_centred
        self._curves = fitted(self._curves, self._curves.shape[2], n_centred)
        self._lower_curves = fitted(self._lower_curves, N_UNITS, n_centred)
        more = self._lower_curves.shape[1] - self._lower_curves_square.shape[1]
        self._lower_curves_square = np.pad(self._lower_curves_square, ((0, 0), (0, more)), constant_values=START)

    def _fit(self, rows: Rows) -> None:
        """Make room for rows that are to be learned."""
        if rows.n_centred > self._n_curves:
            self._grow_curves(rows.n_centred)
        n_slots, slots = len(self._sizes), self._number + len(rows.weight)
        has_slots = n_slots == _WINDOW or slots <= n_slots
        if has_slots and rows.widest <= self._entry.shape[1] and rows.most_labels <= self._labels.shape[1]:
            return
        slots, widest, most = min(slots, _WINDOW), min(rows.widest, _MOST_PAIRS), min(rows.most_labels, _MOST_LABELS)
        for name in ("_sizes", "_importance", "_labels", *_OF_PAIRS):
            setattr(self, name, larger(getattr(self, name), 0, slots))
        self._length = larger(self._length, 0, slots, 1.0)
        for name in _OF_PAIRS:
            setattr(self, name, larger(getattr(self, name), 1, max(widest, 1)))
        self._labels = larger(self._labels, 1, max(most, 1))

    def run(self, rows: Rows, learn: bool, out: Outputs, at: int, known: bool = False) -> None:
        if learn:
            self._fit(rows)
        features = (rows.indptr, rows.feature, rows.position, rows.is_centred, rows.is_new)
        past = (
            self._sizes, self._importance, self._entry, self._entry_position, self._entry_centred, self._length, self._labels,
        )  # fmt: skip
        layer = (
            self._lower, self._lower_square, self._lower_curves, self._lower_curves_square, self._upper, self._upper_square,
        )  # fmt: skip
        rehearsal_rows(
            features, rows.target, rows.weight, learn, self._number, _WINDOW, past, 0, self._weights[0], self._curves, layer,
            self._strength, rows.relevant, rows.shrink[1], out, at,
        )  # fmt: skip
        if learn:
            self._number += len(rows.weight)

    def doubt(self, recent: int) -> None:
        age = (self._number - 1 - np.arange(len(self._importance))) % _WINDOW  # of the event in each slot
        self._importance[age >= recent] *= DOUBT

    def forget_labels(self, labels: NDArray[np.int32]) -> None:
        self._weights[:, :, labels] = 0.0
        self._curves[:, :, labels] = 0.0
        self._upper[:, labels] = 0.0
        drop_labels(self._labels, self._sizes[:, N_POSITIVE], self._sizes[:, N_LABELS], labels)

    def forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        gone = np.flatnonzero(forgotten)
        for weights in (self._weights, self._curves):
            forget_rows(weights, gone)
        straight = gone[gone < self._lower_curves.shape[1] - 1]
        self._lower_curves[:, straight], self._lower_curves_square[:, straight] = 0.0, START
        stored = np.arange(self._entry.shape[1]) < self._sizes[:, N_PAIRS, None]
        dropped = stored & forgotten[np.where(stored, self._entry, 0)]
        n_rows = len(self._lower) - 1
        in_use = self._entry[stored & ~dropped] % max(n_rows, 1)  # a row may have other features, and what rehearses is awake
        asleep = np.setdiff1d(gone[gone < n_rows], in_use)
        self._lower[asleep], self._lower_square[asleep] = 0.0, 0.0
        self._sizes[:, N_PAIRS] -= dropped.sum(axis=1)
        close_gaps(dropped, *(getattr(self, name) for name in _OF_PAIRS))
