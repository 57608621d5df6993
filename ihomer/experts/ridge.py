"""Second-order linear models as experts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihomer.experts.base import Expert, Outputs, Rows, larger, square_in_lines
from ihomer.kernels.ridge import AT_ONCE, FALLS_AT_ONCE, RIDGE, USED, ridge_rows, settle

__all__ = ["Ridge"]

_MOST_PLACES = 1025  # one for the constant: an event costs places^2


class Ridge(Expert):
    """Recursive least squares, and logistic regression with its gain, on up to 1,024 features."""

    outputs = ("ridge", "ridge, logistic")
    start = (0.12, 0.08)

    def __init__(self) -> None:
        self._place_of = np.full(0, -1, np.int32)
        self._counts = np.zeros(0)
        self._holder = np.full(1, -1, np.int32)
        self._hand = np.array([1, 0, 0, 0, 0, 0])
        self._covariance = square_in_lines(np.full((1, 1), 1.0 / RIDGE, np.float32), 1)
        self._weights = np.zeros((1, 2, 0), np.float32)
        self._gains = np.zeros((AT_ONCE, 1), np.float32)
        self._errors = np.zeros((AT_ONCE, 2, 0), np.float32)
        self._falls = np.zeros((FALLS_AT_ONCE, 1), np.float32)
        self._scales = np.zeros(FALLS_AT_ONCE, np.float32)

    def grow(self, n_labels: int, n_features: int) -> None:
        self._weights = larger(self._weights, 2, n_labels)
        self._errors = larger(self._errors, 2, n_labels)
        self._place_of = larger(self._place_of, 0, n_features, -1)
        self._counts = larger(self._counts, 0, n_features)
        more = min(n_features + 1, _MOST_PLACES) - len(self._holder)
        if more > 0:
            self._holder = np.pad(self._holder, (0, more), constant_values=-1)
            self._covariance = square_in_lines(self._covariance, len(self._holder))
            self._weights = np.pad(self._weights, ((0, more), (0, 0), (0, 0)))
            self._gains = np.pad(self._gains, ((0, 0), (0, more)))
            self._falls = np.pad(self._falls, ((0, 0), (0, more)))

    def run(self, rows: Rows, learn: bool, out: Outputs, at: int, known: bool = False) -> None:
        features = (rows.indptr, rows.feature, rows.relevant)
        ridge_rows(features, rows.target, rows.weight, rows.shrink[1], learn, self._models(), 0, out, at)

    def _models(self) -> tuple[NDArray[Any], ...]:
        """Return `Regressions` as the kernels take them: the two models' weights side by side."""
        weights = self._weights.reshape(len(self._weights), -1)
        errors = self._errors.reshape(len(self._errors), -1)
        return (
            self._counts, self._place_of, self._holder, self._hand, self._covariance, weights, self._gains, errors, self._falls,
            self._scales,
        )  # fmt: skip

    def doubt(self, recent: int) -> None:
        """Let the weights move as at the start, from where they are: the covariance is reset (Goodwin and Sin 1984)."""
        settle(self._weights.shape[2], self._models())
        used = self._hand[USED]
        self._covariance[:used] = 0.0
        np.fill_diagonal(self._covariance[:used], 1.0 / RIDGE)

    def forget_labels(self, labels: NDArray[np.int32]) -> None:
        self._weights[:, :, labels] = 0.0
        self._errors[:, :, labels] = 0.0

    def forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        gone = np.flatnonzero(forgotten[: len(self._place_of)])
        places = self._place_of[gone]
        places = places[places >= 0]
        if len(places):
            settle(self._weights.shape[2], self._models())
        self._place_of[gone] = -1
        self._counts[gone] = 0.0
        self._holder[places] = -1
        self._covariance[places] = 0.0
        self._covariance[:, places] = 0.0
        self._covariance[places, places] = 1.0 / RIDGE
        self._weights[places] = 0.0
