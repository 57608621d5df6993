"""The state of one tree as plain arrays, and how the arrays are made and made larger.

Sizes: N nodes, S leaf slots, W window rows, K stored pairs of a row, L labels, M logistic models, B blocks (one per leaf
and feature seen there), H entries of the block table, P entries of a leaf's set of labelsets. All are capacities.
"""

from typing import NamedTuple

import numpy as np

from ihomer.kernels.adwin import adwin_arrays
from ihomer.kernels.common import INDEX, VALUE

NONE = -1
ALTERNATE_NEVER, ALTERNATE_ON_WARNING, ALTERNATE_ON_DRIFT = 0, 1, 2
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
        ("n_neighbors", INDEX),
        ("window", INDEX),
        ("n_models", INDEX),
        ("n_thresholds", INDEX),
        ("max_leaves", INDEX),
        ("max_depth", INDEX),
        ("alternate_on", INDEX),
        ("bootstrap", np.bool_),
        ("drift_of_mean", np.bool_),
        ("inherit", np.bool_),
    ]
)
HEADER = np.dtype(
    [
        ("n_events", np.int64),
        ("n_labels", INDEX),
        ("root", INDEX),
        ("n_leaves", INDEX),
        ("deepest", INDEX),
        ("free_nodes", INDEX),
        ("free_slots", INDEX),
        ("free_blocks", INDEX),
        ("n_splits", np.int64),
        ("n_switched", np.int64),
        ("n_dropped", np.int64),
        ("n_detected", np.int64),
        ("n_notes", np.int64),
    ]
)
NOTES = 512  # how many of the last notes are kept
NOTE = np.dtype([("event", np.int64), ("node", INDEX), ("what", INDEX)])
LOSS_ROSE, LOSS_FELL, ALTERNATE_MADE, ALTERNATE_SWITCHED, ALTERNATE_DROPPED, LEAF_SPLIT = range(6)
NODE = np.dtype(
    [
        ("parent", INDEX),
        ("left", INDEX),
        ("right", INDEX),
        ("alternate", INDEX),
        ("feature", INDEX),  # NONE in a leaf, and in an inner node whose feature was forgotten
        ("slot", INDEX),  # NONE in an inner node
        ("depth", INDEX),
        ("n_labelsets", INDEX),
        ("row_first", INDEX),
        ("row_count", INDEX),
        ("threshold", VALUE),
        ("weight", VALUE),
        ("inherited", VALUE),
        ("since_drift", VALUE),
        ("loss_sum", VALUE),
        ("loss_weight", VALUE),
        ("last_attempt", VALUE),
        ("background", np.bool_),
        ("nominal", np.bool_),
    ]
)

# Columns of TreeState.stats: weight, mean and sum of squared deviations of the values that are not zero, their range, and
# the weight of events in which the feature was missing.
N, MEAN, M2, LEAST, MOST, MISSING = range(6)


class TreeState(NamedTuple):
    """All arrays of one tree."""

    settings: np.ndarray  # SETTINGS[1]
    header: np.ndarray  # HEADER[1]
    label_id: np.ndarray  # int32[L], ascending: the labels of the stream that this tree predicts
    label_place: np.ndarray  # int32[L]: the position in this tree of label_id[i]
    nodes: np.ndarray  # NODE[N]
    free_node: np.ndarray  # int32[N], stack
    positive: np.ndarray  # float64[N, L]: weight of positives, learned here
    unobserved: np.ndarray  # float64[N, L]: weight of events in which the label was unobserved, learned here
    inherited: np.ndarray  # float64[N, L]: weight of positives that the split of the parent sent here
    detector: np.ndarray  # float64[N, ...]: row n is the ADWIN of node n
    notes: np.ndarray  # NOTE[NOTES]: what happened last, note i at place i % NOTES
    free_slot: np.ndarray  # int32[S], stack
    head: np.ndarray  # int32[S]: first block of the leaf's list
    row_size: np.ndarray  # int32[S, W]
    row_index: np.ndarray  # int32[S, W, K]
    row_value: np.ndarray  # float64[S, W, K]
    row_label: np.ndarray  # bool[S, W, L]
    intercept: np.ndarray  # float64[S, L * M]
    labelsets: np.ndarray  # uint64[S, P]: open addressing, 0 = empty
    free_block: np.ndarray  # int32[B], stack
    block_feature: np.ndarray  # int32[B]
    block_next: np.ndarray  # int32[B]: next block of the same leaf
    stats: np.ndarray  # float64[B, 1 + L, 6]: all events, then each label's positives
    coefficient: np.ndarray  # float64[B, L * M]
    table_key: np.ndarray  # int64[H]: slot << 32 | feature, NONE = empty
    table_block: np.ndarray  # int32[H]


def new_tree(settings, label_ids):
    """Return the state of a tree that has learned nothing: one leaf, no blocks.

    settings : SETTINGS[1]; label_ids : int32[L], ascending
    """
    n_labels, n_models, window = len(label_ids), int(settings[0]["n_models"]), int(settings[0]["window"])
    nodes, slots, blocks, width = 4, 1, 8, 8
    header = np.zeros(1, HEADER)
    tree = TreeState(
        settings=settings,
        header=header,
        label_id=np.array(label_ids, INDEX),
        label_place=np.arange(n_labels, dtype=INDEX),
        nodes=np.zeros(nodes, NODE),
        free_node=np.arange(nodes, dtype=INDEX)[::-1].copy(),
        positive=np.zeros((nodes, n_labels)),
        unobserved=np.zeros((nodes, n_labels)),
        inherited=np.zeros((nodes, n_labels)),
        detector=adwin_arrays(nodes),
        notes=np.zeros(NOTES, NOTE),
        free_slot=np.arange(slots, dtype=INDEX)[::-1].copy(),
        head=np.full(slots, NONE, INDEX),
        row_size=np.zeros((slots, window), INDEX),
        row_index=np.zeros((slots, window, width), INDEX),
        row_value=np.zeros((slots, window, width)),
        row_label=np.zeros((slots, window, n_labels), np.bool_),
        intercept=np.zeros((slots, n_labels * n_models)),
        labelsets=np.zeros((slots, 64), np.uint64),
        free_block=np.arange(blocks, dtype=INDEX)[::-1].copy(),
        block_feature=np.zeros(blocks, INDEX),
        block_next=np.full(blocks, NONE, INDEX),
        stats=np.zeros((blocks, 1 + n_labels, 6)),
        coefficient=np.zeros((blocks, n_labels * n_models)),
        table_key=np.full(4 * blocks, NONE, np.int64),
        table_block=np.zeros(4 * blocks, INDEX),
    )
    # Node 0 and slot 0 are the root leaf.
    root = tree.nodes[0]
    for field in ("parent", "left", "right", "alternate", "feature"):
        root[field] = NONE
    h = header[0]
    h["n_labels"], h["n_leaves"] = n_labels, 1
    h["free_nodes"], h["free_slots"], h["free_blocks"] = nodes - 1, slots - 1, blocks
    return tree
