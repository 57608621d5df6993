"""Simple learners that a model has to beat: labelsets repeated, nearest neighbours, river's logistic regression."""

import time
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import linear_model, optim, preprocessing
from scipy import sparse

from ihomer.baselines import MajorityLabelset

__all__ = ["logistic_regression", "majority_labelset", "nearest_neighbours", "previous_labelset"]

_N_NEIGHBOURS, _WINDOW, _BLOCK = 10, 1000, 250
_RATE = 0.3  # of stochastic gradient descent

Labels = NDArray[np.uint8]


def previous_labelset(Y: Labels) -> Labels:
    """Return, for each event, the labelset of the one before."""
    return np.vstack([np.zeros_like(Y[:1]), Y[:-1]])


def majority_labelset(Y: Labels) -> Labels:
    """Return, for each event, the labelset that was most frequent before it, as `MajorityLabelset` answers."""
    model, answers = MajorityLabelset(), np.zeros_like(Y)
    for answer, row in zip(answers, Y, strict=True):
        answer[list(model.predict_set_one({}))] = 1
        model.learn_one({}, np.flatnonzero(row).tolist())
    return answers


def nearest_neighbours(X: NDArray[np.float64] | sparse.csr_array, Y: Labels) -> Labels:
    """Return, for each event, the labels that most of the 10 nearest of the 1,000 events before it carry.

    Nearest by Euclidean distance of the values as given, a missing one counting as 0; the earlier event on a tie.
    """
    rows = sparse.csr_array(np.nan_to_num(X) if isinstance(X, np.ndarray) else X)
    rows.data = np.nan_to_num(rows.data)
    square = np.asarray(rows.multiply(rows).sum(axis=1)).ravel()
    answers = np.zeros_like(Y)
    for start in range(0, len(Y), _BLOCK):
        stop = min(start + _BLOCK, len(Y))
        first = max(0, start - _WINDOW)
        past = rows[first:stop]
        distance = square[first:stop] - 2.0 * (rows[start:stop] @ past.T).toarray()
        for i in range(max(start, 1), stop):
            window = distance[i - start, max(0, i - _WINDOW - first) : i - first]
            nearest = np.argsort(window, kind="stable")[:_N_NEIGHBOURS] + i - len(window)
            answers[i] = 2 * Y[nearest].sum(axis=0) > len(nearest)
    return answers


def logistic_regression(X: NDArray[np.float64] | sparse.csr_array, Y: Labels, seconds: float) -> Labels:
    """Return the answers of river's logistic regression for each label, SGD at 0.3, for as many events as the time allows.

    Dense features go through river's `StandardScaler`, sparse ones as they are. A missing value is left out.
    """
    models = [linear_model.LogisticRegression(optim.SGD(_RATE)) for _ in range(Y.shape[1])]
    scaler = preprocessing.StandardScaler() if isinstance(X, np.ndarray) else None
    answers = []
    end = time.perf_counter() + seconds
    for i, y in enumerate(Y.tolist()):
        x = _named(X, i)
        if scaler is not None:
            scaler.learn_one(x)
            x = scaler.transform_one(x)
        answers.append([model.predict_one(x) for model in models])
        for model, applies in zip(models, y, strict=True):
            model.learn_one(x, bool(applies))
        if time.perf_counter() > end:
            break
    return np.array(answers, np.uint8)


def _named(X: NDArray[np.float64] | sparse.csr_array, row: int) -> dict[Hashable, Any]:
    pairs: Iterable[tuple[int, float]]
    if isinstance(X, np.ndarray):
        pairs = enumerate(X[row].tolist())
    else:
        a, b = X.indptr[row], X.indptr[row + 1]
        pairs = zip(X.indices[a:b].tolist(), X.data[a:b].tolist(), strict=True)
    return {column: value for column, value in pairs if value == value}
