"""The nearest of the last events as experts."""

import numpy as np
from numpy.typing import NDArray

from ihomer.experts.base import Expert, Outputs, Rows, larger
from ihomer.kernels.local import local_rows
from ihomer.kernels.window import MOST_PAIRS, N_LABELS, N_PAIRS, N_POSITIVE, N_WANTED

__all__ = ["Neighbours"]

_WINDOW = 2048
_MOST_LABELS = 1024  # of an event that are kept


class Neighbours(Expert):
    """Votes of the nearest neighbours in two windows, and local regressions among the nearest, in two kernels."""

    outputs = ("5 neighbours of 2,048", "4 neighbours of 170", "local ridge", "local ridge, Gaussian")

    def __init__(self) -> None:
        self._number = 0
        self._ring = np.full((0, 4), -1)
        self._importance = np.zeros(0)
        self._entry = np.zeros((0, 0), np.int32)
        self._entry_value = np.zeros((0, 0), np.float32)
        self._link = np.zeros((0, 0), np.int32)
        self._labels = np.zeros((0, 0), np.int32)
        self._gram = np.zeros((0, 0), np.float32)
        self._head = np.full(0, -1, np.int32)
        self._present = np.zeros(0, np.int32)
        self._column_of = np.full(0, -1, np.int32)
        self._holder = np.zeros(0, np.int32)
        self._columns = np.zeros((0, _WINDOW), np.float32)
        self._state = np.zeros(2, np.int64)

    def grow(self, n_labels: int, n_features: int) -> None:
        self._head = larger(self._head, 0, n_features, -1)
        self._present = larger(self._present, 0, n_features)
        self._column_of = larger(self._column_of, 0, n_features, -1)

    def _fit(self, rows: Rows) -> None:
        """Make room for some rows that are to be learned."""
        slots = min(self._number + len(rows.weight), _WINDOW)
        if slots > len(self._ring):
            slots = min(max(slots, 2 * len(self._ring), 64), _WINDOW)
            self._ring = larger(self._ring, 0, slots, -1)[:slots]
            self._importance = larger(self._importance, 0, slots)[:slots]
            self._entry = larger(self._entry, 0, slots)[:slots]
            self._entry_value = larger(self._entry_value, 0, slots)[:slots]
            self._link = larger(self._link, 0, slots)[:slots]
            self._labels = larger(self._labels, 0, slots)[:slots]
            self._gram = larger(larger(self._gram, 0, slots), 1, slots)[:slots, :slots].copy()
        widest = min(int(np.diff(rows.indptr).max(initial=0)), MOST_PAIRS)
        self._entry = larger(self._entry, 1, widest)[:, :MOST_PAIRS]
        self._entry_value = larger(self._entry_value, 1, widest)[:, :MOST_PAIRS]
        self._link = larger(self._link, 1, widest)[:, :MOST_PAIRS]
        most = min(int((rows.target != 0).sum(axis=1).max(initial=0)), _MOST_LABELS)
        self._labels = larger(self._labels, 1, most)
        if self._state[N_WANTED]:
            wanted = int((self._present > len(self._ring) // 32).sum())
            self._columns = larger(self._columns, 0, max(8, wanted, len(self._columns) + 1))
            self._holder = larger(self._holder, 0, len(self._columns))
            self._state[N_WANTED] = 0

    def run(self, rows: Rows, learn: bool, out: Outputs, at: int) -> None:
        if learn:
            self._fit(rows)
        local_rows(
            rows.indptr, rows.index, rows.scaled, rows.target, rows.weight, learn, self._number, _WINDOW, self._ring,
            self._importance, self._entry, self._entry_value, self._link, self._head, self._present, self._column_of,
            self._holder, self._columns, self._state, self._labels, self._gram, 0, out, at,
        )  # fmt: skip
        if learn:
            self._number += len(rows.weight)

    def forget_labels(self, labels: NDArray[np.int32]) -> None:
        for slot, (_, _, n_positive, n_labels) in enumerate(self._ring.tolist()):
            if n_labels <= 0:
                continue
            kept = ~np.isin(self._labels[slot, :n_labels], labels)
            self._labels[slot, : kept.sum()] = self._labels[slot, :n_labels][kept]
            self._ring[slot, N_POSITIVE] = kept[:n_positive].sum()
            self._ring[slot, N_LABELS] = kept.sum()

    def forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        """Cut the rows' links to features; what these rows have in common with each other stays as it was."""
        for slot, n_pairs in enumerate(self._ring[:, N_PAIRS].tolist()):
            if n_pairs > 0:
                features = self._entry[slot, :n_pairs]
                features[forgotten[features] & (features >= 0)] = -1
        gone = forgotten[: len(self._head)]
        size = len(gone)
        self._head[:size][gone] = -1
        self._present[:size][gone] = 0
        for column in range(int(self._state[0]) - 1, -1, -1):
            if gone[self._holder[column]]:
                self._drop_column(column)

    def _drop_column(self, column: int) -> None:
        last = int(self._state[0]) - 1
        self._column_of[self._holder[column]] = -1
        if column != last:
            self._columns[column] = self._columns[last]
            self._holder[column] = self._holder[last]
            self._column_of[self._holder[column]] = column
        self._state[0] = last
