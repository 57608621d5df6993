"""The state of one tree as plain arrays, and how the arrays are made and made larger.

Sizes: N nodes, S leaf slots, W window rows, K stored pairs of a row, L labels, M logistic models, B blocks (one per leaf
and feature seen there), H entries of the block table, P entries of a leaf's set of labelsets. All are capacities. K is at most
`window.MOST_PAIRS`.
"""

from typing import NamedTuple

import numpy as np

from ihomer.kernels.adwin import adwin_arrays
from ihomer.kernels.common import INDEX, VALUE

NONE = -1
ALTERNATE_NEVER, ALTERNATE_ON_WARNING = 0, 1
MAX_LABELSETS = 4096  # distinct labelsets that a leaf counts: beyond, log2 of their number says nothing more

SETTINGS = np.dtype(
    [
        ("grace_period", VALUE),
        ("delta", VALUE),
        ("tau", VALUE),
        ("young_weight", VALUE),
        ("entropy_threshold", VALUE),
        ("learning_rate", VALUE),
        ("intercept_rate", VALUE),
        ("alternate_weight", VALUE),
        ("switch_significance", VALUE),
        ("adwin_delta", VALUE),
        ("min_branch_fraction", VALUE),
        ("seed", np.int64),
        ("n_neighbors", np.int64),
        ("window", np.int64),
        ("n_models", np.int64),
        ("n_thresholds", np.int64),
        ("max_leaves", np.int64),
        ("max_depth", np.int64),
        ("alternate_on", np.int64),
        ("bootstrap", np.bool_),
        ("drift_of_mean", np.bool_),
    ]
)
HEADER = np.dtype(
    [
        ("n_events", np.int64),
        ("n_labels", np.int64),
        ("root", np.int64),
        ("n_leaves", np.int64),
        ("deepest", np.int64),
        ("free_nodes", np.int64),  # how many are free
        ("free_slots", np.int64),
        ("free_blocks", np.int64),
        ("next_node", np.int64),  # first of the list of free ones, NONE if there is none
        ("next_slot", np.int64),
        ("next_block", np.int64),
        ("n_splits", np.int64),
        ("n_switched", np.int64),
        ("n_dropped", np.int64),
        ("n_detected", np.int64),
        ("n_notes", np.int64),
    ]
)
NOTES = 512  # how many of the last notes are kept
NOTE = np.dtype([("event", np.int64), ("node", np.int64), ("what", np.int64)])
LOSS_ROSE, LOSS_FELL, ALTERNATE_MADE, ALTERNATE_SWITCHED, ALTERNATE_DROPPED, LEAF_SPLIT = range(6)
NODE = np.dtype(
    [
        ("parent", np.int64),
        ("left", np.int64),
        ("right", np.int64),
        ("alternate", np.int64),
        ("feature", np.int64),  # NONE in a leaf, and in an inner node whose feature was forgotten
        ("slot", np.int64),  # NONE in an inner node
        ("depth", np.int64),
        ("n_labelsets", np.int64),
        ("row_first", np.int64),
        ("row_count", np.int64),
        ("threshold", VALUE),
        ("weight", VALUE),
        ("inherited", VALUE),
        ("since_drift", VALUE),
        ("loss_sum", VALUE),
        ("loss_weight", VALUE),
        ("last_attempt", VALUE),
        ("next", np.int64),  # of a free node: the next free one
        ("used", np.bool_),
        ("background", np.bool_),
        ("nominal", np.bool_),
    ]
)
SLOT = np.dtype([("head", np.int64), ("next", np.int64)])  # first block of the leaf; of a free slot: the next free one
BLOCK = np.dtype([("feature", np.int64), ("next", np.int64)])  # next block of the leaf, or next free block
ENTRY = np.dtype([("key", np.int64), ("block", np.int64)])  # slot << 32 | feature, NONE = empty
POSITIVE_ROW, UNOBSERVED_ROW, INHERITED_ROW = range(3)  # rows of TreeState.labels

# Columns of TreeState.stats: weight, mean and sum of squared deviations of the values that are not zero, their range, and
# the weight of events in which the feature was missing.
N, MEAN, M2, LEAST, MOST, MISSING = range(6)


class TreeState(NamedTuple):
    """All arrays of one tree."""

    settings: np.ndarray  # SETTINGS[1]
    header: np.ndarray  # HEADER[1]
    nodes: np.ndarray  # NODE[N]
    labels: np.ndarray  # float64[N, 3, L]: weights of positives and of unobserved learned here, of positives inherited
    detector: np.ndarray  # float64[N, ...]: row n is the ADWIN of node n
    notes: np.ndarray  # NOTE[NOTES]: what happened last, note i at place i % NOTES
    slots: np.ndarray  # SLOT[S]
    row_size: np.ndarray  # int64[S, W]
    row_index: np.ndarray  # int32[S, W, K]
    row_value: np.ndarray  # float64[S, W, K]
    row_label: np.ndarray  # bool[S, W, L]
    intercept: np.ndarray  # float64[S, L * M]
    labelsets: np.ndarray  # uint64[S, P]: open addressing, 0 = empty
    blocks: np.ndarray  # BLOCK[B]
    stats: np.ndarray  # float64[B, 1 + L, 6]: all events, then each label's positives
    coefficient: np.ndarray  # float64[B, L * M]
    table: np.ndarray  # ENTRY[H]


def new_tree(settings, n_labels):
    """Return the state of a tree that has learned nothing: one leaf, no blocks. settings : SETTINGS[1]"""
    n_models, window = int(settings[0]["n_models"]), int(settings[0]["window"])
    nodes, slots, blocks, width = 4, 1, 8, 8
    tree = TreeState(
        settings=settings,
        header=np.zeros(1, HEADER),
        nodes=np.zeros(nodes, NODE),
        labels=np.zeros((nodes, 3, n_labels)),
        detector=adwin_arrays(nodes),
        notes=np.zeros(NOTES, NOTE),
        slots=np.full(slots, NONE, SLOT),
        row_size=np.zeros((slots, window), np.int64),
        row_index=np.zeros((slots, window, width), INDEX),
        row_value=np.zeros((slots, window, width)),
        row_label=np.zeros((slots, window, n_labels), np.bool_),
        intercept=np.zeros((slots, n_labels * n_models)),
        labelsets=np.zeros((slots, 64), np.uint64),
        blocks=np.zeros(blocks, BLOCK),
        stats=np.zeros((blocks, 1 + n_labels, 6)),
        coefficient=np.zeros((blocks, n_labels * n_models)),
        table=np.full(4 * blocks, NONE, ENTRY),
    )
    # Node 0 and slot 0 are the root leaf.
    root = tree.nodes[0]
    for field in ("parent", "left", "right", "alternate", "feature"):
        root[field] = NONE
    root["used"] = True
    tree.nodes["next"] = linked(nodes, NONE)
    tree.blocks["next"] = linked(blocks, NONE)
    h = tree.header[0]
    h["n_labels"], h["n_leaves"] = n_labels, 1
    h["free_nodes"], h["free_slots"], h["free_blocks"] = nodes - 1, 0, blocks
    h["next_node"], h["next_slot"], h["next_block"] = 1, NONE, 0
    return tree


def linked(stop, last, start=0):
    """Return the links of a list start, start + 1, ..., stop - 1, then `last`."""
    links = np.arange(start + 1, stop + 1)
    links[-1] = last
    return links
