"""The blocks of a tree: one for each leaf and feature that met, found by open addressing, listed per leaf.

A block holds what the leaf knows about the feature: summaries of its values per label, and logistic weights. Memory thus
follows the pairs (leaf, feature) that occurred.
"""

import numpy as np

from ihomer.kernels.common import jit
from ihomer.kernels.random import mix
from ihomer.kernels.tree_state import LEAST, MOST, NONE


@jit
def key_of(slot, feature):
    """Return the table key of a leaf slot and a feature."""
    return np.int64(slot) << 32 | np.int64(feature)


@jit
def place_of(table_key, key):
    """Return where in `table_key` (length a power of two) `key` stands, or the empty entry where it would go."""
    last = np.uint64(table_key.size - 1)
    i = mix(np.uint64(key)) & last
    while table_key[i] != key and table_key[i] != NONE:
        i = (i + np.uint64(1)) & last
    return np.int64(i)


@jit
def find_block(t, slot, feature):
    """Return the block of a leaf slot and feature, or NONE."""
    place = place_of(t.table_key, key_of(slot, feature))
    return t.table_block[place] if t.table_key[place] != NONE else NONE


@jit
def take_block(t, slot, feature):
    """Return the block of a leaf slot and feature, a cleared new one if there was none (the caller has reserved it)."""
    place = place_of(t.table_key, key_of(slot, feature))
    if t.table_key[place] != NONE:
        return t.table_block[place]
    h = t.header[0]
    h["free_blocks"] -= 1
    block = t.free_block[h["free_blocks"]]
    t.table_key[place] = key_of(slot, feature)
    t.table_block[place] = block
    t.block_feature[block] = feature
    t.block_next[block] = t.head[slot]
    t.head[slot] = block
    t.stats[block, :, :] = 0.0
    t.stats[block, :, LEAST] = np.inf
    t.stats[block, :, MOST] = -np.inf
    t.coefficient[block, :] = 0.0
    return block


@jit
def _forget_key(table_key, table_block, key):
    """Remove a key and move back the entries behind it, so that no gap breaks a probe sequence."""
    last = table_key.size - 1
    hole = place_of(table_key, key)
    i = hole
    while True:
        i = (i + 1) & last
        if table_key[i] == NONE:
            break
        home = np.int64(mix(np.uint64(table_key[i])) & np.uint64(last))
        if ((i - home) & last) >= ((i - hole) & last):
            table_key[hole] = table_key[i]
            table_block[hole] = table_block[i]
            hole = i
    table_key[hole] = NONE


@jit
def free_blocks_of(t, slot):
    """Give back all blocks of a leaf slot."""
    h = t.header[0]
    block = t.head[slot]
    while block != NONE:
        _forget_key(t.table_key, t.table_block, key_of(slot, t.block_feature[block]))
        t.free_block[h["free_blocks"]] = block
        h["free_blocks"] += 1
        block = t.block_next[block]
    t.head[slot] = NONE


@jit
def free_features(t, forgotten):
    """Forget features everywhere in the tree.

    `forgotten`: bool[number of features]. Their blocks are given back, stored rows lose their values, and a test on one of
    them is from now on decided by the value 0.
    """
    h = t.header[0]
    for slot in range(t.head.size):
        previous = NONE
        block = t.head[slot]
        while block != NONE:
            following = t.block_next[block]
            if forgotten[t.block_feature[block]]:
                _forget_key(t.table_key, t.table_block, key_of(slot, t.block_feature[block]))
                t.free_block[h["free_blocks"]] = block
                h["free_blocks"] += 1
                if previous == NONE:
                    t.head[slot] = following
                else:
                    t.block_next[previous] = following
            else:
                previous = block
            block = following
        for row in range(t.row_size.shape[1]):
            for k in range(t.row_size[slot, row]):
                if forgotten[t.row_index[slot, row, k]]:
                    t.row_value[slot, row, k] = 0.0
    for node in range(t.nodes.size):
        feature = t.nodes[node]["feature"]
        if feature != NONE and forgotten[feature]:
            t.nodes[node]["feature"] = NONE


@jit
def rehash(table_key, table_block, new_key, new_block):
    """Copy all entries into a larger, empty table."""
    for i in range(table_key.size):
        if table_key[i] != NONE:
            place = place_of(new_key, table_key[i])
            new_key[place] = table_key[i]
            new_block[place] = table_block[i]
