"""Naive Bayes as an expert."""

import numpy as np
from numpy.typing import NDArray

from ihomer.experts.base import Expert, Outputs, Rows, larger, weight_rows
from ihomer.kernels.bayes import bayes_rows

__all__ = ["Bayes"]


class Bayes(Expert):
    """Naive Bayes over the presence of features."""

    outputs = ("naive Bayes",)
    start = (0.02,)

    def __init__(self) -> None:
        self._counts = np.zeros((1, 0), np.float32)
        self._totals = np.zeros(1)
        self._rates = np.zeros((0, 2))
        self._n_labels = 0

    def grow(self, n_labels: int, n_features: int) -> None:
        self._counts = larger(self._counts, 1, n_labels)
        self._rates = larger(self._rates, 0, n_labels)
        width = self._counts.shape[1]
        most = weight_rows(width, 1 << 62)
        n_rows = min(n_features, most)
        if n_rows > len(self._counts):
            self._counts = larger(self._counts, 0, n_rows)
            self._totals = larger(self._totals, 0, n_rows)
        elif len(self._counts) > most:
            owners = np.arange(len(self._counts)) % most
            counts = np.zeros((most, width), np.float32)
            np.add.at(counts, owners, self._counts)
            self._counts = counts
            self._totals = np.bincount(owners, self._totals, most).astype(np.float64)
        if n_labels > self._n_labels:
            self._start(np.arange(self._n_labels, n_labels))
            self._n_labels = n_labels

    def _start(self, labels: NDArray[np.int64]) -> None:
        """Start labels as ones that no event so far has carried."""
        self._counts[:, labels] = 0.0
        self._rates[labels] = 0.0
        if self._n_labels:
            self._rates[labels, 1] = self._rates[: self._n_labels, 1].max()

    def run(self, rows: Rows, learn: bool, out: Outputs, at: int, known: bool = False) -> None:
        bayes_rows(
            rows.indptr, rows.feature, rows.is_present, rows.target, rows.weight, learn, known, self._counts, self._totals,
            self._rates, out, at,
        )  # fmt: skip

    def forget_labels(self, labels: NDArray[np.int32]) -> None:
        self._start(labels.astype(np.int64))

    def forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        gone = np.flatnonzero(forgotten)
        gone = gone[gone < len(self._totals)]
        self._counts[gone] = 0.0
        self._totals[gone] = 0.0
