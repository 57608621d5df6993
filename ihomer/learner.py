"""One cluster's tree as an object: owns the arrays, makes them larger when a kernel asks, and keeps labels in place."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihomer.encoder import Batch
from ihomer.kernels import tree_growth, tree_learn, tree_state
from ihomer.kernels.blocks import free_features
from ihomer.kernels.tree_predict import predict_rows
from ihomer.kernels.tree_state import NONE, TreeState

__all__ = ["NOTED", "TreeLearner"]

NOTED = ("loss rose", "loss fell", "alternate made", "alternate switched", "alternate dropped", "leaf split")
"""What a note of a tree tells, by its number in `tree_state`."""


class TreeLearner:
    """A multi-label adaptive tree over the labels `label_ids` of a stream.

    Parameters
    ----------
    settings
        One record of `tree_state.SETTINGS`.
    label_ids
        int32[L], ascending: indices of the labels in the stream's vocabulary.
    """

    def __init__(self, settings: NDArray[Any], label_ids: NDArray[np.int32]) -> None:
        self.state: TreeState = tree_state.new_tree(settings, len(label_ids))
        self.label_id: NDArray[np.int32] = np.array(label_ids, np.int32)  # ascending
        self.label_place: NDArray[np.int64] = np.arange(len(label_ids))  # column of label_id[i] in the predictions
        self._note_places()

    @property
    def n_labels(self) -> int:
        """Number of places for labels, the width of the predictions."""
        return int(self.state.header[0]["n_labels"])

    def predict(self, batch: Batch, start: int, stop: int, dense: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return probabilities, float64[stop - start, n_labels], of some rows of a batch.

        `dense` is float64[features], all zeros, and is so again afterwards.
        """
        out = np.empty((stop - start, self.n_labels))
        predict_rows(self.state, batch.x_indptr, batch.x_index, batch.x_value, start, stop, dense, out)
        return out

    def learn(
        self, batch: Batch, start: int, stop: int, kind: NDArray[np.uint8], dense: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Learn some rows of a batch in turn; return the probabilities predicted for each before it was learned."""
        out = np.empty((stop - start, self.n_labels))
        row = start
        while True:
            row, full = tree_learn.learn_rows(
                self.state, self.label_id, self.label_place, *batch, row, stop, kind, dense, out[row - start :]
            )
            if full == tree_learn.DONE:
                return out
            self._make_room(full, int(batch.x_indptr[row + 1] - batch.x_indptr[row]))

    def _make_room(self, full: int, n_pairs: int) -> None:
        t = self.state
        if full == tree_learn.FULL_NODES:
            self.state = tree_growth.with_more_nodes(t)
        elif full == tree_learn.FULL_SLOTS:
            self.state = tree_growth.with_more_slots(t)
        elif full == tree_learn.FULL_BLOCKS:
            self.state = tree_growth.with_more_blocks(t, n_pairs)
        elif full == tree_learn.FULL_ROWS:
            self.state = tree_growth.with_wider_rows(t, n_pairs)
        else:
            self.state = tree_growth.with_more_labelsets(t)

    def add_labels(self, label_ids: NDArray[np.int32]) -> None:
        """Take labels in that the tree does not have: in the past they count as negative."""
        taken = set(self.label_place.tolist())
        places = [place for place in range(self.n_labels) if place not in taken][: len(label_ids)]
        for place in places:
            tree_growth.clear_label(self.state, place)  # it has counted as unobserved since its last label went
        n_labels = self.n_labels + len(label_ids) - len(places)
        places += range(self.n_labels, n_labels)
        self.state = tree_growth.with_label_room(self.state, n_labels)
        ids = np.concatenate([self.label_id, np.asarray(label_ids, np.int32)])
        order = np.argsort(ids)
        self.label_id = ids[order]
        self.label_place = np.concatenate([self.label_place, np.array(places, np.int64)])[order]
        self.state.header[0]["n_labels"] = n_labels
        self._note_places()

    def forget_labels(self, label_ids: NDArray[np.int32]) -> None:
        """Drop labels and all that was learned about them; their places are given to later labels."""
        gone = np.isin(self.label_id, label_ids)
        for place in self.label_place[gone].tolist():
            tree_growth.clear_label(self.state, place)
        self.label_id, self.label_place = self.label_id[~gone], self.label_place[~gone]
        self._note_places()

    def _note_places(self) -> None:
        here = np.arange(self.n_labels)
        self.in_place = np.array_equal(self.label_id, here) and np.array_equal(self.label_place, here)

    def forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        """Drop features, bool[features], and all that was learned about them."""
        free_features(self.state, forgotten)

    def notes(self) -> list[tuple[int, int, str]]:
        """Return what happened in the tree, oldest first: after how many events, node, what; the last 512 are kept."""
        n = int(self.state.header[0]["n_notes"])
        kept = [self.state.notes[i % tree_state.NOTES] for i in range(max(0, n - tree_state.NOTES), n)]
        return [(int(entry["event"]) + 1, int(entry["node"]), NOTED[entry["what"]]) for entry in kept]

    def summary(self) -> dict[str, int]:
        """Return sizes and counts of what happened in the tree."""
        h, nodes = self.state.header[0], self.state.nodes
        used = nodes["used"]
        return {
            "n_nodes": int(used.sum()),
            "n_leaves": int(h["n_leaves"]),
            "n_alternates": int((nodes["alternate"][used] != NONE).sum()),
            "n_splits": int(h["n_splits"]),
            "n_alternates_switched": int(h["n_switched"]),
            "n_alternates_dropped": int(h["n_dropped"]),
            "n_drifts": int(h["n_detected"]),
        }
