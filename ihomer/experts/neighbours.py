"""The nearest of the last events as experts."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihomer.experts.base import DOUBT, Alike, Expert, Outputs, Rows, drop_labels, larger
from ihomer.kernels.local import N_NEAR, local_rows
from ihomer.kernels.window import MOST_PAIRS, N_LABELS, N_PAIRS, N_POSITIVE, NUMBER, fill_column

__all__ = ["Neighbours"]

_WINDOW = 2048  # past events that are kept
_MOST_LABELS = 1024  # of an event that are kept
_REVISED = 64  # events between two looks at which features are common
_COMMON = 64  # a feature in more than a 64th of the rows gets a column, and loses it below a quarter of that
_LEAST_COMMON = 16  # rows that a feature must be in for a column at least


class Neighbours(Expert):
    """Votes of the 5 nearest of the last 2,048 events, and a kernel ridge regression among the 32 nearest.

    Nearest by `Rows.relevant`, in which each feature counts by how rare it is and how much depends on it.
    """

    outputs = ("5 neighbours", "local ridge")
    start = (0.1, 0.32)
    finds_alike = True

    def __init__(self) -> None:
        self._number = 0
        self._ring = np.full((0, 4), -1)
        self._importance = np.zeros(0)
        self._entry = np.zeros((0, 0), np.int32)
        self._entry_value = np.zeros((0, 0), np.int16)
        self._link = np.zeros((0, 0), np.int32)
        self._labels = np.zeros((0, 0), np.int32)
        self._gram = np.zeros((0, 0), np.uint8)
        self._head = np.full(0, -1, np.int32)
        self._present = np.zeros(0, np.int32)
        self._column_of = np.full(0, -1, np.int32)
        self._holder = np.zeros(0, np.int32)
        self._columns = np.zeros((0, _WINDOW), np.int16)
        self._n_columns = 0
        self._products = np.zeros(_WINDOW, np.float32)  # of the last row with those of the window
        self.alike: Alike | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_products": np.zeros(_WINDOW, np.float32), "alike": None}

    def grow(self, n_labels: int, n_features: int) -> None:
        self._head = larger(self._head, 0, n_features, -1)
        self._present = larger(self._present, 0, n_features)
        self._column_of = larger(self._column_of, 0, n_features, -1)

    def _fit(self, rows: Rows) -> None:
        """Make room for rows of these sizes, up to the next event whose number is a multiple of 64."""
        has_slots = self._number < len(self._gram) or len(self._gram) == _WINDOW
        if has_slots and rows.widest <= self._entry.shape[1] and rows.most_labels <= self._labels.shape[1]:
            return
        widest, most = min(rows.widest, MOST_PAIRS), min(rows.most_labels, _MOST_LABELS)
        slots = min(-(-(self._number + 1) // _REVISED) * _REVISED, _WINDOW)
        for name, fill in (("_ring", -1), ("_importance", 0), ("_entry", 0), ("_entry_value", 0), ("_link", 0), ("_labels", 0)):
            setattr(self, name, larger(getattr(self, name), 0, slots, fill))
        self._gram = larger(larger(self._gram, 0, slots), 1, slots)
        self._entry = larger(self._entry, 1, max(widest, 1))
        self._entry_value = larger(self._entry_value, 1, max(widest, 1))
        self._link = larger(self._link, 1, max(widest, 1))
        self._labels = larger(self._labels, 1, max(most, 1))

    def run(self, rows: Rows, learn: bool, out: Outputs, at: int, known: bool = False) -> None:
        if self.alike is None or len(self.alike.number) != len(rows.weight):
            self.alike = Alike.to(len(rows.weight), N_NEAR)
        if not learn:
            self._run(rows, 0, len(rows.weight), False, False, self.alike, out, at)
            return
        start = 0
        while start < len(rows.weight):
            if self._number % _REVISED == 0:
                self._revise_columns()
            stop = min(start + _REVISED - self._number % _REVISED, len(rows.weight))
            self._fit(rows)
            self._run(rows, start, stop, True, known, self.alike, out, at)
            self._number += stop - start
            start = stop

    def _run(
        self, rows: Rows, start: int, stop: int, learn: bool, known: bool, alike: Alike, out: Outputs, at: int
    ) -> None:
        if stop - start < len(rows.weight):
            part = slice(start, stop)
            indptr, target, weight = rows.indptr[start : stop + 1], rows.target[part], rows.weight[part]
            rows = replace(rows, indptr=indptr, target=target, weight=weight, shrink=rows.shrink[:, part])
            out = out[part]
            alike = alike.part(start, stop)
        window = (
            self._ring, self._entry, self._entry_value, self._link, self._head, self._present, self._column_of, self._columns,
            self._labels,
        )  # fmt: skip
        local_rows(
            (rows.indptr, rows.feature, rows.relevant), rows.target, rows.weight, rows.shrink[1], learn, known, self._number,
            _WINDOW, window, self._importance, self._gram, 0, self._products, tuple(alike), out, at,
        )  # fmt: skip

    def _revise_columns(self) -> None:
        """Give columns to the features that many rows have, and take them from those that few have."""
        held = self._holder[: self._n_columns]
        common = max(min(self._number, _WINDOW) // _COMMON, _LEAST_COMMON)
        for column in np.flatnonzero(4 * self._present[held] < common)[::-1].tolist():
            self._drop_column(column)
        for feature in np.flatnonzero((self._present > common) & (self._column_of < 0)).tolist():
            self._columns = larger(self._columns, 0, self._n_columns + 1)
            self._holder = larger(self._holder, 0, self._n_columns + 1)
            self._fill_column(self._n_columns, feature)
            self._column_of[feature], self._holder[self._n_columns] = self._n_columns, feature
            self._n_columns += 1

    def _fill_column(self, column: int, feature: int) -> None:
        fill_column(feature, _WINDOW, self._ring, self._entry_value, self._link, self._head, self._columns[column])

    def fill_columns(self, room: int) -> None:
        """Fill the columns that features hold, of so many that there is room for: they follow from the rows."""
        self._columns = np.zeros((room, _WINDOW), np.int16)
        for column, feature in enumerate(self._holder[: self._n_columns].tolist()):
            self._fill_column(column, feature)

    def doubt(self, recent: int) -> None:
        self._importance[self._ring[:, NUMBER] < self._number - recent] *= DOUBT

    def forget_labels(self, labels: NDArray[np.int32]) -> None:
        drop_labels(self._labels, self._ring[:, N_POSITIVE], self._ring[:, N_LABELS], labels)

    def forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        """Cut the rows' links to features; what these rows have in common with each other stays as it was."""
        stored = (np.arange(self._entry.shape[1]) < self._ring[:, N_PAIRS, None]) & (self._entry >= 0)
        self._entry[stored & forgotten[np.where(stored, self._entry, 0)]] = -1
        gone = forgotten[: len(self._head)]
        size = len(gone)
        self._head[:size][gone] = -1
        self._present[:size][gone] = 0
        for column in range(self._n_columns - 1, -1, -1):
            if gone[self._holder[column]]:
                self._drop_column(column)

    def _drop_column(self, column: int) -> None:
        last = self._n_columns - 1
        self._column_of[self._holder[column]] = -1
        if column != last:
            self._columns[column] = self._columns[last]
            self._holder[column] = self._holder[last]
            self._column_of[self._holder[column]] = column
        self._n_columns = last
