"""The rates of labels as experts."""

import numpy as np
from numpy.typing import NDArray

from ihomer.experts.base import Expert, Outputs, Rows, larger
from ihomer.kernels.frequency import frequency_rows

__all__ = ["Frequency"]


class Frequency(Expert):
    """How often each label applies in the long run, of late, and after what the last two events carried."""

    outputs = ("long-run rate", "recent rate", "previous labelsets")
    start = (0.01, 0.01, 0.01)

    def __init__(self) -> None:
        self._rates = np.zeros((0, 2, 2))
        self._shared = np.zeros((2, 2))
        self._marks = np.zeros((0, 2), np.uint8)
        self._sequence = np.zeros((0, 4, 2))
        self._sequence_shared = np.full((4, 2), (0.5, 1.0))
        self._n_labels = 0

    def grow(self, n_labels: int, n_features: int) -> None:
        self._rates = larger(self._rates, 0, n_labels)
        self._marks = larger(self._marks, 0, n_labels)
        self._sequence = larger(self._sequence, 0, n_labels)
        self._start(np.arange(self._n_labels, n_labels))
        self._n_labels = max(self._n_labels, n_labels)

    def _start(self, labels: NDArray[np.int64]) -> None:
        """Start labels as ones that no event so far has carried."""
        self._rates[labels] = 0.0
        if self._n_labels:
            self._rates[labels, :, 1] = self._rates[: self._n_labels, :, 1].max(axis=0)
        self._marks[labels] = 0
        self._sequence[labels] = 0.0

    def run(self, rows: Rows, learn: bool, out: Outputs, at: int, known: bool = False) -> None:
        frequency_rows(
            rows.target, rows.weight, learn, known, self._rates, self._shared, self._marks, self._sequence,
            self._sequence_shared, out, at,
        )  # fmt: skip

    def forget_labels(self, labels: NDArray[np.int32]) -> None:
        self._start(labels.astype(np.int64))

    def forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        pass
