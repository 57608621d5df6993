"""The mixture of the experts' log-odds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ihomer.kernels.mixing import N_GROUPS, find_group, mix_rows, own_start, weights_start

__all__ = ["Mixture", "start_own", "with_own"]

_DOUBT = 0.3  # of the information is left after a drift


class Mixture:
    """Online logistic mixing: p_l = 1 / (1 + exp(-sum over inputs of (w + w_g + v_l) s_l)), learned by its log-loss.

    The weights w serve all labels, w_g those that apply about as often as label l (rare ones, less rare ones, common ones) and
    that the experts, by their weights at the start, take to be about as much likelier than usual for the event; v_l serves the
    label alone. The constant 1 is one more input.

    Parameters
    ----------
    start
        What each of the log-odds of a label weighs at first, in comparison with the others.
    fixed
        Keep these weights.
    """

    def __init__(self, start: Sequence[float], fixed: bool = False) -> None:
        self.fixed = fixed
        self._weights, self._information = weights_start(N_GROUPS, start)
        self._own = own_start(0, len(start))
        self._start = self._weights[0, :-1].copy()

    def run(
        self,
        inputs: NDArray[np.float32],
        rate: NDArray[np.float32],
        target: NDArray[np.uint8],
        weight: NDArray[np.float64],
        learn: bool,
        known: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return the mixed log-odds, float64[rows, labels], of inputs, float32[rows, labels, inputs]; learn if `learn`.

        `rate`, float32[rows, labels, any], holds the log-odds of how often each label has applied in its first place. With
        `known` there is one row: what the last call returned, which only asked about it.
        """
        if inputs.shape[1] > len(self._own):
            self._own = with_own(self._own, inputs.shape[1])
        odds = np.empty(inputs.shape[:2]) if known is None else known
        mix_rows(
            inputs, rate, target, weight, learn and not self.fixed, known is not None, self._start, self._weights,
            self._information, self._own, odds,
        )  # fmt: skip
        return odds

    @property
    def weights(self) -> NDArray[np.float64]:
        """The weights of the inputs: the mean of those of the groups of labels, by the information that each has given."""
        given = np.trace(self._information[1:, :-1, :-1], axis1=1, axis2=2)
        share = given / given.sum() if given.sum() > 0.0 else np.full(N_GROUPS, 1.0 / N_GROUPS)
        result: NDArray[np.float64] = self._weights[0, :-1] + share @ self._weights[1:, :-1]
        return result

    def weights_of(self, label: int, rate: float, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the weights of the inputs, float32[inputs], for a label whose rate has these log-odds."""
        own = self._own[label, :-2] if label < len(self._own) else 0.0
        of_group = self._weights[find_group(inputs, self._start, rate), :-1]
        result: NDArray[np.float64] = self._weights[0, :-1] + of_group + own
        return result

    def doubt(self) -> None:
        """Believe less in the weights: something has changed."""
        self._information *= _DOUBT

    def forget_labels(self, labels: NDArray[np.int32]) -> None:
        """Start labels anew."""
        start_own(self._own, labels)


def with_own(own: NDArray[np.float64], n_labels: int) -> NDArray[np.float64]:
    """Return the own weights of at least so many labels: those given, or a copy with a power of two of places."""
    if n_labels <= len(own):
        return own
    result: NDArray[np.float64] = own_start(1 << (n_labels - 1).bit_length(), own.shape[1] - 2)
    result[: len(own)] = own
    return result


def start_own(own: NDArray[np.float64], labels: NDArray[np.int32]) -> None:
    """Start the own weights of labels anew, of those that have some."""
    known = labels[labels < len(own)]
    own[known] = own_start(len(known), own.shape[1] - 2)
