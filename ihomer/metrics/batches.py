"""Many events: rows of 0/1 matrices to outcomes that can be counted."""

from collections.abc import Hashable, Sequence
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ihomer.frames import column_names, holds_truth_values, numbers_of_frame
from ihomer.metrics.outcomes import LOSS_OF_UNNAMED, cell_losses, outside
from ihomer.metrics.tally import FloatArray, IndexArray, Outcome, label_cells
from ihomer.vocabulary import in_name_order

__all__ = ["Matrix", "outcome_of_frames", "outcome_of_rows"]

Matrix: TypeAlias = Any
"""A NumPy array of two dimensions, or a SciPy sparse matrix or array."""

Shape: TypeAlias = tuple[int, int]


def outcome_of_frames(
    true: Matrix, predicted: Matrix, probabilities: Matrix | None, ranks: Sequence[int]
) -> tuple[list[Hashable], Outcome, npt.NDArray[np.bool_]] | None:
    """Compare data frames with as many rows each, row by row, by the names of their columns.

    Returns
    -------
    tuple or None
        The names of all columns, in name order, the outcome of `outcome_of_rows` by their places there, and which rows it
        holds; None where that cannot be had from numbers alone, or a value is refused when rows are read one by one.
    """
    frames = [true, predicted] + ([] if probabilities is None else [probabilities])
    columns = [column_names(frame) for frame in frames]
    names = in_name_order(set(chain.from_iterable(columns)))
    place = {name: i for i, name in enumerate(names)}
    matrices: list[Any] = []
    for frame, own in zip(frames, columns, strict=True):
        values = numbers_of_frame(frame)
        if values is None:
            return None
        matrix = np.zeros((len(values), len(names)))
        matrix[:, [place[name] for name in own]] = values
        matrices.append(matrix)
    truth, answers, *offers = matrices
    known = [answers[~np.isnan(answers)], *offers]
    if any(outside(values).any() for values in known) or not np.isin(truth[~np.isnan(truth)], (0.0, 1.0)).all():
        return None
    if probabilities is not None and holds_truth_values(probabilities):
        return None
    _, outcome, scored = outcome_of_rows(truth, answers > 0.5, offers[0] if offers else None, ranks, len(columns[0]))
    return names, outcome, scored


def outcome_of_rows(
    true: Matrix, predicted: Matrix, probabilities: Matrix | None, ranks: Sequence[int], n_named: int | None = None
) -> tuple[Shape, Outcome, npt.NDArray[np.bool_]]:
    """Compare matrices of shape (n, labels), row by row; a row in which none of `n_named` labels, by default of all, is
    observed is left out.

    Returns
    -------
    tuple
        The shape, the outcome of the rows with an observed label, and which rows these are, shape (n,).

    Raises
    ------
    ValueError
        If shapes differ, or an entry is not 0 or 1 (`true` may hold NaN or be masked for "not observed"), or one of
        `probabilities` not from 0 to 1.
    """
    shape, keys, values = _entries(true, "true")
    unknown = np.isnan(values)
    unobserved, positive = keys[unknown], _labels(keys[~unknown], values[~unknown], "true")
    chosen, values = _observed_entries(predicted, "predicted", shape, unobserved)
    chosen = _labels(chosen, values, "predicted")
    both = np.intersect1d(positive, chosen, assume_unique=True)
    hits, loss = None, np.zeros(shape[0])
    if probabilities is not None:
        offered, values = _observed_entries(probabilities, "probabilities", shape, unobserved)
        if (wrong := outside(values)).any():
            raise ValueError(f"probabilities holds {values[wrong][0]}, which is not from 0 to 1")
        hits = _hits(shape, positive, offered, values, ranks)
        loss = _losses(shape, positive, offered, values)
    n_unobserved = _per_row(unobserved, shape)
    scored = n_unobserved < max(shape[1] if n_named is None else n_named, 1)
    return shape, _joined(shape, scored, (both, positive, chosen), n_unobserved, hits, loss), scored


def _entries(matrix: Matrix, what: str) -> tuple[Shape, IndexArray, FloatArray]:
    """Return the shape, and of each entry but 0, in order: its key (row * columns + column) and its value."""
    if hasattr(matrix, "tocsr"):
        csr = matrix.tocsr(copy=True)
        csr.sum_duplicates()
        csr.eliminate_zeros()
        shape: Shape = csr.shape
        rows = np.repeat(np.arange(shape[0], dtype=np.int64), np.diff(csr.indptr))
        columns, values = csr.indices, csr.data
    else:
        dense = np.asarray(matrix)
        if dense.ndim != 2 or dense.dtype.kind not in "buif":
            raise ValueError(f"{what} must be a matrix of numbers, not {dense.dtype} of shape {dense.shape}")
        if np.ma.is_masked(matrix):
            dense = np.ma.filled(matrix.astype(np.float64), np.nan)
        shape = dense.shape
        rows, columns = np.nonzero(dense)
        values = dense[rows, columns]
    return shape, rows * np.int64(shape[1]) + columns, values.astype(np.float64)


def _observed_entries(matrix: Matrix, what: str, shape: Shape, unobserved: IndexArray) -> tuple[IndexArray, FloatArray]:
    if np.ma.is_masked(matrix):
        raise ValueError(f"{what} has masked entries: what is not observed is told by the true labels")
    its_shape, keys, values = _entries(matrix, what)
    if its_shape != shape:
        raise ValueError(f"{what} has shape {its_shape}, but true has {shape}")
    if unobserved.size:
        kept = ~np.isin(keys, unobserved)
        keys, values = keys[kept], values[kept]
    return keys, values


def _labels(keys: IndexArray, values: FloatArray, what: str) -> IndexArray:
    wrong = values != 1.0
    if wrong.any():
        raise ValueError(f"{what} holds {values[wrong][0]}, which is neither 0 nor 1")
    return keys


def _per_row(keys: IndexArray, shape: Shape, weights: FloatArray | None = None) -> Any:
    return np.bincount(keys // max(shape[1], 1), weights=weights, minlength=shape[0])


def _hits(shape: Shape, positive: IndexArray, offered: IndexArray, values: FloatArray, ranks: Sequence[int]) -> IndexArray:
    """Count true labels among the k most probable ones of each row, for each k; shape (n, ranks)."""
    offers = values > _least_needed(shape, offered, values, max(ranks))
    offered, values = offered[offers], values[offers]
    rows = offered // max(shape[1], 1)
    # Keys rise within a row, so a stable sort leaves ties to the lower index.
    order = np.lexsort((-values, rows))
    place = np.arange(len(order)) - np.searchsorted(rows, rows)
    hit = np.isin(offered[order], positive)
    counts = [np.bincount(rows, weights=hit & (place < k), minlength=shape[0]) for k in ranks]
    return np.array(counts, dtype=np.int64).reshape(len(ranks), shape[0]).T


def _least_needed(shape: Shape, offered: IndexArray, values: FloatArray, k: int) -> FloatArray | float:
    """Return a bound for each entry: at or below it, it is no offer or not among the k best of its row.

    Sorting is slow: of a dense matrix most entries are left out before it.
    """
    n_rows, n_labels = shape
    if n_labels <= k or 4 * len(offered) < n_rows * n_labels:
        return 0.0
    grid = np.zeros(n_rows * n_labels)
    grid[offered] = values
    least = np.partition(grid.reshape(shape), n_labels - k, axis=1)[:, n_labels - k]
    below: FloatArray = np.maximum(np.nextafter(least, -np.inf), 0.0)[offered // n_labels]
    return below


def _losses(shape: Shape, positive: IndexArray, offered: IndexArray, values: FloatArray) -> FloatArray:
    """Sum the log losses of each row, shape (n,)."""
    happened = np.isin(offered, positive)
    unnamed = _per_row(positive, shape) - _per_row(offered[happened], shape)
    losses: FloatArray = _per_row(offered, shape, cell_losses(values, happened)) + LOSS_OF_UNNAMED * unnamed
    return losses


def _joined(
    shape: Shape,
    scored: npt.NDArray[np.bool_],
    parts: Sequence[IndexArray],
    n_unobserved: IndexArray,
    hits: IndexArray | None,
    loss: FloatArray,
) -> Outcome:
    """Build the outcome of the scored rows; what was predicted in the others counts nowhere."""
    n_labels = max(shape[1], 1)
    parts = tuple(part[scored[part // n_labels]] for part in parts)
    keys = np.concatenate(parts)
    new_row = np.cumsum(scored) - 1
    n_both, n_true, n_predicted = (_per_row(part, shape)[scored] for part in parts)
    return Outcome(
        cells=label_cells(keys % n_labels, len(parts[0]), len(parts[1])),
        n_labels=shape[1],
        rows=new_row[keys // n_labels],
        n_true=n_true,
        n_predicted=n_predicted,
        n_both=n_both,
        n_unobserved=n_unobserved[scored],
        hits=None if hits is None else hits[scored],
        loss=loss[scored],
    )
