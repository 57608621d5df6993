"""The mixture of the experts' log-odds."""

import numpy as np
from numpy.typing import NDArray

from ihomer.kernels.mixing import STRENGTH, mix_rows, own_start

__all__ = ["Mixture"]

_DOUBT = 0.3  # of the information is left after a drift


class Mixture:
    """Online logistic mixing: p_l = 1 / (1 + exp(-sum over inputs of (w + v_l) s_l)), the weights learned by its log-loss.

    Parameters
    ----------
    n_inputs
        How many log-odds are mixed for each label.
    fixed
        Keep equal weights.
    """

    def __init__(self, n_inputs: int, fixed: bool = False) -> None:
        self.fixed = fixed
        self.weights: NDArray[np.float64] = np.full(n_inputs, 1.0 / n_inputs)
        self._information = STRENGTH * np.eye(n_inputs)
        self._own, self._own_bias = own_start(0, n_inputs)

    def run(
        self, inputs: NDArray[np.float32], target: NDArray[np.uint8], weight: NDArray[np.float64], learn: bool
    ) -> NDArray[np.float64]:
        """Return the mixed log-odds, float64[rows, labels], of inputs, float32[rows, labels, inputs]; learn if `learn`."""
        n_labels = inputs.shape[1]
        if n_labels > len(self._own):
            own, bias = own_start(1 << (n_labels - 1).bit_length(), len(self.weights))
            own[: len(self._own)], bias[: len(self._own)] = self._own, self._own_bias
            self._own, self._own_bias = own, bias
        odds = np.empty(inputs.shape[:2])
        mix_rows(
            inputs, target, weight, learn and not self.fixed, self.weights, self._information, self._own, self._own_bias, odds
        )
        return odds

    def weights_of(self, label: int) -> NDArray[np.float64]:
        """Return the weights for a label, shared and own ones together."""
        own = self._own[label, :, 0] if label < len(self._own) else 0.0
        result: NDArray[np.float64] = self.weights + own
        return result

    def doubt(self) -> None:
        """Believe less in the weights: something has changed."""
        self._information *= _DOUBT

    def forget_labels(self, labels: NDArray[np.int32]) -> None:
        """Start labels anew."""
        known = labels[labels < len(self._own)]
        self._own[known], self._own_bias[known] = own_start(len(known), len(self.weights))
