"""The experts of a stream, the mixture of their log-odds, and the decoding of the mixture, as one learner."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihomer.decoding import Decoder
from ihomer.encoder import Batch
from ihomer.experts import EXPERTS, Expert
from ihomer.experts.base import Outputs, Rows
from ihomer.mixing import Mixture
from ihomer.scaling import FeatureScale

__all__ = ["Ensemble"]

_MOST_OUTPUTS = 4_000_000  # log-odds held at once
_LEAST_P = 0.002  # of a tree, whose 0 and 1 mean little


class Ensemble:
    """Experts, mixture and decoder.

    Parameters
    ----------
    names
        Families of experts of `ihomer.experts.EXPERTS`; and "tree", whose probabilities are given from outside.
    mixing
        "learned", or "mean" for equal weights.
    objective
        What the answer is to be best in.
    most_labelsets
        How many labelsets are remembered.
    """

    def __init__(self, names: tuple[str, ...], mixing: str, objective: str, most_labelsets: int) -> None:
        # The label's rate is the start of the others, so its expert is always there, if not always mixed in.
        self._experts: list[Expert] = [make() for name, make in EXPERTS.items() if name in names or name == "frequency"]
        self.outputs = [output for expert in self._experts for output in expert.outputs]
        self._first = 0 if "frequency" in names else len(self._experts[0].outputs)
        self.takes_tree = "tree" in names
        if self.takes_tree:
            self.outputs.append("tree")
        self.mixture = Mixture(len(self.outputs) - self._first, fixed=mixing == "mean")
        self.decoder = Decoder(objective, most_labelsets)
        self._scale = FeatureScale()
        self._room = (0, 0)  # labels and features that there is room for

    @property
    def mixed_outputs(self) -> list[str]:
        """Names of the log-odds that are mixed."""
        return self.outputs[self._first :]

    def rows_at_once(self, n_labels: int) -> int:
        """Return how many rows may be run at once."""
        return max(1, _MOST_OUTPUTS // (max(n_labels, 1) * len(self.outputs)))

    def grow(self, n_labels: int, n_features: int) -> None:
        """Make room for labels and features."""
        if (n_labels, n_features) == self._room:
            return
        self._room = (n_labels, n_features)
        self._scale.grow(n_features)
        for expert in self._experts:
            expert.grow(n_labels, n_features)

    def run(
        self, batch: Batch, start: int, stop: int, n_labels: int, tree: NDArray[np.float64] | None, learn: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return probabilities and answers, [rows, labels], for some rows; learn each in turn if `learn`.

        `tree` holds the probabilities of the trees, float64[rows, labels].
        """
        rows = self._scale.rows(batch, start, stop, n_labels, learn)
        inputs, rate = self._inputs(rows, n_labels, tree, learn)
        odds = self.mixture.run(inputs, rate, rows.target, rows.weight, learn)
        return self.decoder.run(odds, rows.target, rows.weight, learn)

    def _inputs(self, rows: Rows, n_labels: int, tree: NDArray[np.float64] | None, learn: bool) -> tuple[Outputs, Outputs]:
        """Return the experts' log-odds that are mixed, float32[rows, labels, outputs], and those of the labels' rates."""
        out = np.empty((len(rows.weight), n_labels, len(self.outputs)), np.float32)
        at = 0
        for expert in self._experts:
            expert.run(rows, learn, out, at)
            at += len(expert.outputs)
        if tree is not None:
            p = np.clip(tree, _LEAST_P, 1.0 - _LEAST_P)
            out[:, :, at] = np.log(p / (1.0 - p))
        return np.ascontiguousarray(out[:, :, self._first :]), np.ascontiguousarray(out[:, :, 0])

    def expert_odds(self, batch: Batch, n_labels: int, tree: NDArray[np.float64] | None) -> tuple[Outputs, Outputs]:
        """Return each expert's log-odds for the rows of a batch, float32[rows, labels, mixed outputs], and the rates'."""
        rows = self._scale.rows(batch, 0, len(batch.weight), n_labels, False)
        return self._inputs(rows, n_labels, tree, False)

    def forget_labels(self, labels: NDArray[np.int32]) -> None:
        """Start labels anew whose indices are given to others."""
        parts: list[Any] = [*self._experts, self.mixture, self.decoder]
        for part in parts:
            part.forget_labels(labels)

    def forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        """Start features anew, bool[features]."""
        self._scale.forget_features(forgotten)
        for expert in self._experts:
            expert.forget_features(forgotten)
