"""The scale of each feature, and rows brought to it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihomer.encoder import Batch
from ihomer.experts.base import Rows, larger
from ihomer.kernels.odds import mark_targets
from ihomer.kernels.ranks import N_COLUMNS
from ihomer.kernels.scaling import N_SUMS, list_usual, scale_rows

__all__ = ["FeatureScale"]


class FeatureScale:
    """Running mean and spread of each feature, and the ranks of values: linear models and distances are shown one scale."""

    def __init__(self) -> None:
        self._sums = np.zeros((0, N_SUMS))
        self._n_seen = np.zeros(1)
        self._ranks = np.zeros((0, N_COLUMNS))  # of features, more than all that are centred
        self._usual = np.zeros(0, np.int32)
        self._n_usual = np.zeros(1, np.int64)
        self._pairs = _pairs(0)  # of the rows of the last call

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pairs": _pairs(0)}

    def grow(self, n_features: int) -> None:
        """Make room for features."""
        self._sums = larger(self._sums, 0, n_features)
        self._usual = larger(self._usual, 0, n_features)

    def rows(self, batch: Batch, start: int, stop: int, n_labels: int, learn: bool) -> Rows:
        """Return some rows of a batch as experts see them, each scaled with itself taken in; keep it so if `learn`.

        The pairs of these rows are overwritten by the next call.
        """
        n_rows = stop - start
        shrink, indptr = np.empty((2, n_rows), np.float32), np.empty(n_rows + 1, np.int64)
        x, row, widest, n_centred = (batch.x_indptr, batch.x_index, batch.x_value), start, 0, 0
        while True:
            scale = (self._sums, self._n_seen, self._usual, self._n_usual, self._ranks)
            row, most, centred = scale_rows(x, start, stop, learn, scale, row, indptr, self._pairs, shrink)
            widest, n_centred = max(widest, most), max(n_centred, centred)
            if n_centred > len(self._ranks):
                self._ranks = larger(self._ranks, 0, n_centred)
            if row == stop:
                break
            self._make_room(int(indptr[row - start]), int(batch.x_indptr[stop] - batch.x_indptr[row]))
        most_labels = 0
        if learn:
            target = np.empty((n_rows, n_labels), np.uint8)
            most_labels = mark_targets(batch.y_indptr, batch.y_index, batch.u_indptr, batch.u_index, start, target)
        else:
            target = np.zeros((n_rows, n_labels), np.uint8)
        weight = batch.weight if n_rows == len(batch.weight) else batch.weight[start:stop]
        feature, is_present, is_new, is_centred, position, raw, relevant = self._pairs
        return Rows(
            indptr, feature, is_present, is_new, is_centred, position, raw, relevant, target, weight, shrink, widest,
            most_labels, n_centred,
        )  # fmt: skip

    def _make_room(self, used: int, more: int) -> None:
        """Make room for more pairs than those in use, and for the usual features once at least."""
        old, self._pairs = self._pairs, _pairs(2 * (used + more + int(self._n_usual[0])))
        for array, kept in zip(self._pairs, old, strict=True):
            array[:used] = kept[:used]

    def forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        """Start features anew, bool[features]."""
        size = min(len(forgotten), len(self._sums))
        self._sums[:size][forgotten[:size]] = 0.0
        self._ranks[np.flatnonzero(forgotten[: len(self._ranks)])] = 0.0
        self._ranks = larger(self._ranks, 0, self.find_usual())

    def find_usual(self) -> int:
        """Find out from the sums which features are usual; return a number that all centred ones are below."""
        self._usual = np.zeros(len(self._sums), np.int32)
        self._n_usual[0], n_centred = list_usual(self._sums, self._n_seen[0], self._usual)
        return int(n_centred)


def _pairs(room: int) -> tuple[NDArray[Any], ...]:
    """Return room for pairs: feature, is_present, is_new, is_centred, position, raw and relevant, as in `Rows`."""
    marks, values = (np.empty(room, np.bool_) for _ in range(3)), (np.empty(room, np.float32) for _ in range(3))
    return np.empty(room, np.int32), *marks, *values
