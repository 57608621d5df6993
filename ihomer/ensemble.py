"""The experts of a stream, the mixture of their log-odds, and the decoding of the mixture, as one learner."""

from dataclasses import replace
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ihomer.decoding import Decoder
from ihomer.encoder import NO_LABELS, Batch
from ihomer.experts import EXPERTS, Expert
from ihomer.experts.base import Outputs, Rows
from ihomer.kernels.odds import UNOBSERVED
from ihomer.mixing import Mixture
from ihomer.places import LabelPlaces, OftenOf
from ihomer.scaling import FeatureScale

__all__ = ["Ensemble"]

_MOST_OUTPUTS = 4_000_000  # log-odds held at once
_LEAST_P = 0.002  # of a tree, whose 0 and 1 mean little
_TREE_START = 0.05  # what the trees weigh in the mixture at first; see `Expert.start`


class Asked(NamedTuple):
    """One event that was predicted, and what came of it."""

    features: NDArray[np.int32]
    values: NDArray[np.float64]
    tree: NDArray[np.float64] | None
    out: Outputs  # [1, places, outputs]
    odds: NDArray[np.float64]  # [1, places], mixed

    def is_about(self, batch: Batch, tree: NDArray[np.float64] | None, n_places: int) -> bool:
        """Tell whether an event is this one; mostly its pairs are the same objects."""
        is_same = _is_same(self.features, batch.x_index) and _is_same(self.values, batch.x_value) and _is_same(self.tree, tree)
        return is_same and self.out.shape[1] == n_places


class Ensemble:
    """Experts, mixture and decoder.

    Parameters
    ----------
    names
        Families of experts of `ihomer.experts.EXPERTS`; "tree", whose probabilities are given from outside; and "labelsets",
        with which the decoder learns whole labelsets.
    mixing
        "learned", or "mean" for equal weights.
    objective
        What the answer is to be best in.
    most_labelsets
        How many labelsets are remembered.
    most_labels
        How many labels have a place: what experts, mixture and decoder call a label is a place. See `LabelPlaces`.
    """

    def __init__(self, names: tuple[str, ...], mixing: str, objective: str, most_labelsets: int, most_labels: int) -> None:
        # The label's rate is the start of the others, so its expert is always there, if not always mixed in.
        self._experts: list[Expert] = [make() for name, make in EXPERTS.items() if name in names or name == "frequency"]
        self.outputs = [output for expert in self._experts for output in expert.outputs]
        self._outputs_at = [0, *accumulate(len(expert.outputs) for expert in self._experts)]  # of each expert, and the trees
        start = [weight for expert in self._experts for weight in expert.start]
        self._first = 0 if "frequency" in names else len(self._experts[0].outputs)
        if "tree" in names:
            self.outputs.append("tree")
            start.append(_TREE_START)
        if mixing == "mean":
            start = [1.0] * len(start)
        self.mixture = Mixture(start[self._first :], fixed=mixing == "mean")
        self.decoder = Decoder(objective, most_labelsets, "labelsets" in names)
        self._scale = FeatureScale()
        self.places = LabelPlaces(most_labels)
        self._finder = next((expert for expert in self._experts if expert.finds_alike), None)
        self._room = (0, 0)  # labels and features that there is room for
        self._asked: Asked | None = None  # the last event, if nothing was learned since: often it is learned next

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_asked": None}

    @property
    def mixed_outputs(self) -> list[str]:
        """Names of the log-odds that are mixed."""
        return self.outputs[self._first :]

    def rows_at_once(self, n_labels: int) -> int:
        """Return how many rows may be run at once."""
        return max(1, _MOST_OUTPUTS // (max(self._n_places(n_labels), 1) * len(self.outputs)))

    def _n_places(self, n_labels: int) -> int:
        return min(n_labels, self.places.most)

    def grow(self, n_labels: int, n_features: int) -> None:
        """Make room for labels and features."""
        if (n_labels, n_features) == self._room:
            return
        self._room = (n_labels, n_features)
        self.places.grow(n_labels)
        self._scale.grow(n_features)
        n_places = self._n_places(n_labels)
        self.decoder.grow(n_places, n_features)
        for expert in self._experts:
            expert.grow(n_places, n_features)

    def run(
        self,
        batch: Batch,
        start: int,
        stop: int,
        n_labels: int,
        tree: NDArray[np.float64] | None,
        learn: bool,
        brought: NDArray[np.int32] = NO_LABELS,
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return probabilities and answers, [rows, labels], for some rows; learn each in turn if `learn`.

        `tree` holds the probabilities of the trees, float64[rows, labels]; `brought` the labels that are known because they
        apply to the first of the rows.
        """
        rows = self._rows(batch, start, stop, n_labels, learn)
        if tree is not None:
            tree = self.places.seated(tree)
        asked, self._asked = self._asked, None
        if asked is not None and not (learn and len(batch.weight) == 1 and asked.is_about(batch, tree, rows.target.shape[1])):
            asked = None
        out = self._run_experts(rows, tree, learn, None if asked is None else asked.out)
        judged = self._judged(rows.target, brought) if len(brought) else rows.target
        odds = self.mixture.run(self._mixed(out), out, judged, rows.weight, learn, None if asked is None else asked.odds)
        if not learn and len(batch.weight) == 1:
            self._asked = Asked(batch.x_index, batch.x_value, tree, out, odds)
        features = (rows.indptr, rows.feature, rows.relevant, rows.shrink[1])
        alike = None if self._finder is None else self._finder.alike
        p, answer = self.decoder.run(odds, rows.target, rows.weight, learn, alike, asked is not None, features, judged)
        if not self.places.is_partial:
            return p, answer
        n_events = self.decoder.n_events - np.arange(len(p), 0, -1) if learn else np.full(len(p), self.decoder.n_events)
        return self.places.spread(p, answer, n_labels, n_events)

    def _rows(self, batch: Batch, start: int, stop: int, n_labels: int, learn: bool) -> Rows:
        """Return some rows of a batch as experts see them, with the labels that have a place."""
        rows = self._scale.rows(batch, start, stop, n_labels, learn)
        return replace(rows, target=self.places.seated(rows.target)) if self.places.is_partial else rows

    def _judged(self, target: NDArray[np.uint8], brought: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Return the targets that the mixtures learn from: without the labels that the first row has brought.

        That such a label applies says nothing about the experts: there would be none if it did not, and all other rare labels
        would look likelier for it.
        """
        judged = target.copy()
        judged[0, [place for place in map(self.places.of, brought.tolist()) if place >= 0]] = UNOBSERVED
        return judged

    def _run_experts(
        self, rows: Rows, tree: NDArray[np.float64] | None, learn: bool, asked: Outputs | None = None
    ) -> Outputs:
        """Return the experts' log-odds, float32[rows, places, outputs]: those that were `asked` for before, or new ones; see
        `Expert.run`.
        """
        known, (n_rows, n_places) = asked is not None, rows.target.shape
        out = np.empty((n_rows, n_places, len(self.outputs)), np.float32) if asked is None else asked
        for expert, at in zip(self._experts, self._outputs_at, strict=False):
            expert.run(rows, learn, out, at, known)
        if tree is not None and not known:
            p = np.clip(tree, _LEAST_P, 1.0 - _LEAST_P)
            out[:, :, self._outputs_at[-1]] = np.log(p / (1.0 - p))
        return out

    def _mixed(self, out: Outputs) -> Outputs:
        """Return the log-odds that are mixed, float32[rows, places, outputs]."""
        return out if self._first == 0 else np.ascontiguousarray(out[:, :, self._first :])

    def expert_odds(self, batch: Batch, n_labels: int, tree: NDArray[np.float64] | None) -> tuple[Outputs, Outputs]:
        """Return each expert's log-odds for the rows of a batch, float32[rows, places, mixed outputs], and the rates'."""
        self._asked = None
        rows = self._rows(batch, 0, len(batch.weight), n_labels, False)
        tree = None if tree is None else self.places.seated(tree)
        out = self._run_experts(rows, tree, False)
        return self._mixed(out), out[:, :, 0]

    def doubt(self, recent: int) -> None:
        """Be open to other weights, and believe less in past events but for the last `recent` ones: something has changed."""
        self._asked = None
        self.mixture.doubt()
        for expert in self._experts:
            expert.doubt(recent)

    def seat(self, applied: NDArray[np.int32], often_of: OftenOf) -> None:
        """Give labels that have just applied the places of rarer ones, which start anew; see `LabelPlaces.seat`."""
        self._forget_places(self.places.seat(applied, often_of, self.decoder.n_events))

    def forget_labels(self, labels: NDArray[np.int32]) -> None:
        """Start labels anew whose indices are given to others."""
        self._forget_places(self.places.forget_labels(labels))

    def _forget_places(self, places: NDArray[Any]) -> None:
        if not len(places):
            return
        self._asked = None
        parts: list[Any] = [*self._experts, self.mixture, self.decoder]
        for part in parts:
            part.forget_labels(places)

    def forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        """Start features anew, bool[features]."""
        self._asked = None
        self._scale.forget_features(forgotten)
        self.decoder.forget_features(forgotten)
        for expert in self._experts:
            expert.forget_features(forgotten)


def _is_same(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    """Tell whether two arrays hold the same bits."""
    return a is b or (a is not None and b is not None and a.tobytes() == b.tobytes())
