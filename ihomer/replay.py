"""The last events of a stream, kept so that a new learner can start from them."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from ihomer.encoder import Batch

__all__ = ["Replay"]

Row = tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int32], NDArray[np.int32], float]


class Replay:
    """A window of encoded events.

    Parameters
    ----------
    size
        How many events are kept.
    """

    def __init__(self, size: int) -> None:
        self._rows: deque[Row] = deque(maxlen=size)

    def __len__(self) -> int:
        return len(self._rows)

    def extend(self, batch: Batch, start: int, stop: int) -> None:
        """Take some rows of a batch in."""
        keep = self._rows.maxlen or 0
        for row in range(max(start, stop - keep), stop):
            x = slice(batch.x_indptr[row], batch.x_indptr[row + 1])
            y = slice(batch.y_indptr[row], batch.y_indptr[row + 1])
            u = slice(batch.u_indptr[row], batch.u_indptr[row + 1])
            labels, unobserved = batch.y_index[y].copy(), batch.u_index[u].copy()
            self._rows.append((batch.x_index[x].copy(), batch.x_value[x].copy(), labels, unobserved, float(batch.weight[row])))

    def latest(self, count: int) -> Batch:
        """Return the last `count` events, or as many as there are, oldest first."""
        rows = list(self._rows)[max(0, len(self._rows) - count) :]
        index, value, positive, unobserved, weight = zip(*rows, strict=True) if rows else ((),) * 5

        def joined(arrays: tuple[NDArray[np.int32], ...]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
            indptr = np.zeros(len(arrays) + 1, np.int64)
            np.cumsum([len(array) for array in arrays], out=indptr[1:])
            return indptr, np.concatenate([np.zeros(0, np.int32), *arrays])

        x_indptr, x_index = joined(index)
        x_value = np.concatenate([np.zeros(0), *value])
        return Batch(x_indptr, x_index, x_value, *joined(positive), *joined(unobserved), np.array(weight))

    def forget_labels(self, gone: NDArray[np.int32]) -> None:
        """Take labels out of all events."""
        for i, (index, value, positive, unobserved, weight) in enumerate(self._rows):
            positive, unobserved = positive[~np.isin(positive, gone)], unobserved[~np.isin(unobserved, gone)]
            self._rows[i] = (index, value, positive, unobserved, weight)

    def forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        """Take features, bool[features], out of all events."""
        for i, (index, value, positive, unobserved, weight) in enumerate(self._rows):
            keep = ~forgotten[index]
            self._rows[i] = (index[keep], value[keep], positive, unobserved, weight)
