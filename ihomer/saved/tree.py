"""State of an adaptive tree: its kernels follow links and indices without looking, so every one is checked here."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihomer.kernels import tree_state
from ihomer.kernels.adwin import adwin_arrays
from ihomer.kernels.tree_state import MAX_LABELSETS, NONE, NOTES, TreeState
from ihomer.kernels.window import MOST_PAIRS
from ihomer.learner import NOTED, TreeLearner
from ihomer.saved.fields import BEYOND, MOST, Fields, check_detectors, check_list, check_probes

__all__ = ["RECORDS", "fill_learner", "learner_state", "mixed"]

RECORDS = {
    "tree settings": tree_state.SETTINGS,
    "tree header": tree_state.HEADER,
    "tree nodes": tree_state.NODE,
    "tree slots": tree_state.SLOT,
    "tree blocks": tree_state.BLOCK,
    "tree entries": tree_state.ENTRY,
    "tree notes": tree_state.NOTE,
}
_LEAST_TABLE, _LEAST_LABELSETS = 32, 64


def learner_state(learner: TreeLearner) -> dict[str, Any]:
    """Return the state of a tree."""
    return {"arrays": learner.state._asdict(), "label_id": learner.label_id, "label_place": learner.label_place}


def fill_learner(learner: TreeLearner, fields: Fields, labels_in_use: NDArray[np.bool_], n_features: int) -> None:
    """Give a new tree, made with its settings, its state.

    Parameters
    ----------
    learner
        The new tree.
    fields
        Its state.
    labels_in_use
        bool[label indices of the stream].
    n_features
        Number of feature indices that have been given: only these have names.
    """
    arrays = fields.nested("arrays")
    settings = arrays.array("settings", tree_state.SETTINGS, (1,))
    fields.require(settings.tobytes() == learner.state.settings.tobytes(), "the settings of the tree are not the model's")
    tree = _arrays(arrays, settings)
    arrays.done()
    h = tree.header[0]
    fields.require(0 <= h["n_labels"] <= tree.labels.shape[2], "the tree has too many labels")
    learner.label_id = fields.array("label_id", np.int32, (None,), 0, len(labels_in_use) - 1)
    learner.label_place = fields.array("label_place", np.int64, learner.label_id.shape, 0, int(h["n_labels"]) - 1)
    fields.require(bool((np.diff(learner.label_id) > 0).all()), "label_id does not rise")
    fields.require(bool(labels_in_use[learner.label_id].all()), "label_id names an index that no label has")
    fields.require(len(np.unique(learner.label_place)) == len(learner.label_place), "two labels have one place")
    fields.done()
    _check_counters(arrays, tree)
    _check_nodes(arrays, tree, n_features)
    _check_leaves(arrays, tree, n_features)
    _check_blocks(arrays, tree, n_features)
    check_detectors(arrays, tree.detector)
    learner.state = tree
    learner._note_places()


def _arrays(a: Fields, settings: NDArray[Any]) -> TreeState:
    """Return the arrays, each of the dtype and shape that goes with the others."""
    window, n_models = int(settings[0]["window"]), int(settings[0]["n_models"])
    nodes, slots = a.array("nodes", tree_state.NODE, (None,)), a.array("slots", tree_state.SLOT, (None,))
    blocks = a.array("blocks", tree_state.BLOCK, (None,))
    n, s, b = len(nodes), len(slots), len(blocks)
    a.require(n > 0 and s > 0 and b > 0, "the tree has no nodes, slots or blocks")
    labels = a.array("labels", np.float64, (n, 3, None))
    row_index = a.array("row_index", np.int32, (s, window, None))
    n_labels, width = labels.shape[2], row_index.shape[2]
    a.require(width <= MOST_PAIRS, "rows are wider than a window keeps them")
    return TreeState(
        settings=settings,
        header=a.array("header", tree_state.HEADER, (1,)),
        nodes=nodes,
        labels=labels,
        detector=a.array("detector", np.float64, (n, adwin_arrays(0).shape[1])),
        notes=a.array("notes", tree_state.NOTE, (NOTES,)),
        slots=slots,
        row_size=a.array("row_size", np.int64, (s, window), 0, width),
        row_index=row_index,
        row_value=a.array("row_value", np.float64, (s, window, width)),
        row_label=a.array("row_label", np.bool_, (s, window, n_labels)),
        intercept=a.array("intercept", np.float64, (s, n_labels * n_models)),
        labelsets=a.array("labelsets", np.uint64, (s, None)),
        blocks=blocks,
        stats=a.array("stats", np.float64, (b, 1 + n_labels, 6)),
        coefficient=a.array("coefficient", np.float64, (b, n_labels * n_models)),
        table=a.array("table", tree_state.ENTRY, (None,)),
    )


def _check_counters(a: Fields, t: TreeState) -> None:
    h, settings = t.header[0], t.settings[0]
    for name in ("n_events", "n_splits", "n_switched", "n_dropped", "n_detected", "n_notes"):
        a.require(0 <= h[name] <= BEYOND, f"{name} is impossible")
        h[name] = min(h[name], MOST)
    # A path of that depth has had a leaf beside each of its nodes: work space is bounded by what the file holds.
    a.require(0 <= h["deepest"] <= min(settings["max_depth"], len(t.slots) - 1), "the tree is too deep")
    kept = t.notes[: min(int(h["n_notes"]), NOTES)]
    known = (kept["what"] >= 0) & (kept["what"] < len(NOTED))
    a.require(bool(known.all() and (np.abs(kept["event"]) <= BEYOND).all()), "a note tells of something unknown")


def _check_nodes(a: Fields, t: TreeState, n_features: int) -> None:
    """Check that the nodes in use are one tree with its alternates, and the others the list of free ones."""
    h, n = t.header[0], t.nodes
    free = check_list(a, n["next"], int(h["next_node"]), int(h["free_nodes"]), "free nodes")
    a.require(not n["used"][free].any() and int(n["used"].sum()) == len(n) - len(free), "free nodes are in use")
    met = np.zeros(len(n), np.bool_)
    # Node, its parent, its depth, and whether it is in an alternate.
    waiting = [(int(h["root"]), NONE, 0, False)]
    n_leaves = 0
    while waiting:
        at, parent, depth, background = waiting.pop()
        a.require(0 <= at < len(n), "a node leads out of the tree")
        node = n[at]
        a.require(bool(node["used"]) and not met[at], "a node is free, or stands twice in the tree")
        met[at] = True
        a.require(node["parent"] == parent and node["depth"] == depth <= h["deepest"], "a node has the wrong parent or depth")
        a.require(bool(node["background"]) == background, "a node is wrongly in or out of an alternate")
        left, right, alternate = int(node["left"]), int(node["right"]), int(node["alternate"])
        # An inner node has no feature after it was forgotten.
        a.require(NONE <= node["feature"] < n_features, "a test is on an unknown feature")
        if left == NONE:
            a.require(right == NONE and alternate == NONE and node["feature"] == NONE, "a leaf is none")
            n_leaves += 1
            continue
        a.require(node["slot"] == NONE, "an inner node has the slot of a leaf")
        waiting += [(left, at, depth + 1, background), (right, at, depth + 1, background)]
        if alternate != NONE:
            a.require(not background, "an alternate has an alternate")
            waiting.append((alternate, NONE, depth, True))
    a.require(bool((met == n["used"]).all()), "nodes in use are not in the tree")
    a.require(h["n_leaves"] == n_leaves, "the number of leaves is wrong")


def _check_leaves(a: Fields, t: TreeState, n_features: int) -> None:
    """Check each leaf's slot, its window of events and its set of labelsets."""
    h, n_slots, window = t.header[0], len(t.slots), t.row_size.shape[1]
    free = check_list(a, t.slots["next"], int(h["next_slot"]), int(h["free_slots"]), "free slots")
    leaves = t.nodes[t.nodes["used"] & (t.nodes["left"] == NONE)]
    slot = leaves["slot"]
    a.require(bool(((slot >= 0) & (slot < n_slots)).all()), "a leaf has an unknown slot")
    owners = np.bincount(np.concatenate([slot, free]), minlength=n_slots)
    a.require(bool((owners == 1).all()), "a slot has no owner, or two")
    first, count = leaves["row_first"], leaves["row_count"]
    good = (first >= 0) & (first < window) & (count >= 0) & (count <= window)
    a.require(bool(good.all()), "a leaf has an impossible window")
    stored = np.arange(t.row_index.shape[2]) < t.row_size[:, :, None]
    index = t.row_index[stored]
    a.require(bool(((index >= 0) & (index < n_features)).all()), "a stored event has an unknown feature")
    room = t.labelsets.shape[1]
    a.require(room >= _LEAST_LABELSETS and room & (room - 1) == 0, "the sets of labelsets have an impossible size")
    n_sets = leaves["n_labelsets"]
    a.require(bool((np.count_nonzero(t.labelsets[slot], axis=1) == n_sets).all()), "a leaf's number of labelsets is wrong")
    a.require(bool((n_sets <= min(MAX_LABELSETS, room // 2)).all()), "a leaf has too many labelsets")
    a.require(bool((np.count_nonzero(t.labelsets, axis=1) <= room // 2).all()), "a set of labelsets is too full")
    a.require(bool(((n_sets > 0) <= (count > 0)).all()), "a leaf has labelsets, but no events")


def _check_blocks(a: Fields, t: TreeState, n_features: int) -> None:
    """Check that each block is free, or in the list of one leaf and in the table, under that leaf and its feature."""
    h, n_blocks = t.header[0], len(t.blocks)
    free = check_list(a, t.blocks["next"], int(h["next_block"]), int(h["free_blocks"]), "free blocks")
    owner = np.full(n_blocks, NONE)
    owner[free] = len(t.slots)
    following = t.blocks["next"].tolist()
    for slot in t.nodes["slot"][t.nodes["used"] & (t.nodes["left"] == NONE)].tolist():
        block = int(t.slots["head"][slot])
        while block != NONE:
            a.require(0 <= block < n_blocks and owner[block] == NONE, "the blocks of a leaf are out of bounds or in a circle")
            owner[block] = slot
            block = following[block]
    a.require(bool((owner != NONE).all()), "a block belongs to nothing")
    in_use = np.flatnonzero(owner < len(t.slots))
    feature = t.blocks["feature"][in_use]
    a.require(bool(((feature >= 0) & (feature < n_features)).all()), "a block is of an unknown feature")
    filled = t.table["key"] != NONE
    a.require(len(t.table) >= max(_LEAST_TABLE, 2 * n_blocks), "the table of blocks is too small")
    block = t.table["block"][filled]
    a.require(bool(np.array_equal(np.sort(block), in_use)), "the table of blocks lists other blocks")
    key = t.table["key"][filled]
    a.require(bool((key == (owner[block] << 32 | t.blocks["feature"][block])).all()), "a block stands under the wrong key")
    home = (mixed(key.astype(np.uint64)) & np.uint64(len(filled) - 1)).astype(np.int64)
    check_probes(a, filled, home, "blocks")


def mixed(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the splitmix64 finaliser of each number, as `ihomer.kernels.random.mix`."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return result
