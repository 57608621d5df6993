"""Logistic regressions at several rates as experts."""

import numpy as np
from numpy.typing import NDArray

from ihomer.experts.base import Expert, Outputs, Rows, larger, weight_rows
from ihomer.kernels.linear import linear_rows

__all__ = ["Linear", "fitted", "forget_rows"]

_RATES = np.array([0.5, 2.0])  # of the models of relevant features, which start from the label's rate
_RAW_RATES = np.array([2.0])  # of those of features as given, which start from nothing and so follow the last events


class Linear(Expert):
    """Logistic regressions by stochastic gradient descent, on relevant and on given values, at several rates."""

    outputs = ("linear, rate 0.5", "linear, rate 2", "linear, raw values")
    start = (0.02, 0.05, 0.06)

    def __init__(self) -> None:
        self._weights = np.zeros((len(_RATES), 1, 0), np.float32)
        self._raw_weights = np.zeros((len(_RAW_RATES), 1, 0), np.float32)

    def grow(self, n_labels: int, n_features: int) -> None:
        self._weights = fitted(self._weights, n_labels, n_features)
        self._raw_weights = fitted(self._raw_weights, n_labels, n_features)

    def run(self, rows: Rows, learn: bool, out: Outputs, at: int, known: bool = False) -> None:
        linear_rows(
            rows.indptr, rows.feature, rows.relevant, rows.raw, rows.target, rows.weight, rows.shrink, learn, known, _RATES,
            _RAW_RATES, 0, self._weights, self._raw_weights, out, at,
        )  # fmt: skip

    def forget_labels(self, labels: NDArray[np.int32]) -> None:
        self._weights[:, :, labels] = 0.0
        self._raw_weights[:, :, labels] = 0.0

    def forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        for weights in (self._weights, self._raw_weights):
            forget_rows(weights, np.flatnonzero(forgotten))


def fitted(weights: NDArray[np.float32], n_labels: int, n_features: int) -> NDArray[np.float32]:
    """Return weights with room for labels and features; the last row is that of the constant."""
    width = weights.shape[2]
    if n_labels > width:
        weights = larger(weights, 2, n_labels)
        width = weights.shape[2]
    n_rows = weight_rows(width, n_features)
    if n_rows + 1 <= weights.shape[1]:
        return _folded(weights, weight_rows(width, 1 << 62))
    result = np.zeros((len(weights), n_rows + 1, width), np.float32)
    result[:, : weights.shape[1] - 1] = weights[:, :-1]
    result[:, -1] = weights[:, -1]
    return result


def forget_rows(weights: NDArray[np.float32], features: NDArray[np.int64]) -> None:
    """Start the weights of features anew, of those that have a row; the last row is that of the constant."""
    weights[:, features[features < weights.shape[1] - 1]] = 0.0


def _folded(weights: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """Return weights with at most so many rows beside the constant's: those of features that share a row are averaged."""
    n_rows = weights.shape[1] - 1
    if n_rows <= most:
        return weights
    result = np.zeros((len(weights), most + 1, weights.shape[2]), np.float32)
    owners = np.arange(n_rows) % most
    for model, old in zip(result, weights, strict=True):
        np.add.at(model, owners, old[:-1])
    result[:, :-1] /= np.bincount(owners, minlength=most)[None, :, None]
    result[:, -1] = weights[:, -1]
    return result
