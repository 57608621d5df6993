"""The blocks of a tree: one for each leaf and feature that met, found by open addressing, listed per leaf.

A block holds what the leaf knows about the feature: summaries of its values per label, and logistic weights. Memory thus
follows the pairs (leaf, feature) that occurred.
"""

import numpy as np

from ihomer.kernels.common import inner, jit
from ihomer.kernels.random import mix
from ihomer.kernels.tree_state import LEAST, MOST, NONE


@inner
def key_of(slot, feature):
    """Return the table key of a leaf slot and a feature."""
    return np.int64(slot) << 32 | np.int64(feature)


@inner
def place_of(table, key):
    """Return where in `table`, ENTRY[power of two], `key` stands, or the empty entry where it would go."""
    last = np.uint64(table.size - 1)
    i = mix(np.uint64(key)) & last
    while table[i]["key"] != key and table[i]["key"] != NONE:
        i = (i + np.uint64(1)) & last
    return np.int64(i)


@inner
def find_block(t, slot, feature):
    """Return the block of a leaf slot and feature, or NONE."""
    entry = t.table[place_of(t.table, key_of(slot, feature))]
    return entry["block"] if entry["key"] != NONE else NONE


@inner
def take_block(t, slot, feature):
    """Return a new, cleared block for a leaf slot and a feature that has none (the caller has reserved it)."""
    entry = t.table[place_of(t.table, key_of(slot, feature))]
    h = t.header[0]
    block = h["next_block"]
    h["next_block"] = t.blocks[block]["next"]
    h["free_blocks"] -= 1
    entry["key"] = key_of(slot, feature)
    entry["block"] = block
    t.blocks[block]["feature"] = feature
    t.blocks[block]["next"] = t.slots[slot]["head"]
    t.slots[slot]["head"] = block
    t.stats[block, :, :] = 0.0
    t.stats[block, :, LEAST] = np.inf
    t.stats[block, :, MOST] = -np.inf
    t.coefficient[block, :] = 0.0
    return block


@inner
def _forget_key(table, key):
    """Remove a key and move back the entries behind it, so that no gap breaks a probe sequence."""
    last = table.size - 1
    hole = place_of(table, key)
    i = hole
    while True:
        i = (i + 1) & last
        if table[i]["key"] == NONE:
            break
        home = np.int64(mix(np.uint64(table[i]["key"])) & np.uint64(last))
        if ((i - home) & last) >= ((i - hole) & last):
            table[hole]["key"] = table[i]["key"]
            table[hole]["block"] = table[i]["block"]
            hole = i
    table[hole]["key"] = NONE


@inner
def _give_block(t, slot, block):
    """Put a block of a leaf slot back to the free ones; return the next block of the leaf."""
    h = t.header[0]
    _forget_key(t.table, key_of(slot, t.blocks[block]["feature"]))
    following = t.blocks[block]["next"]
    t.blocks[block]["next"] = h["next_block"]
    h["next_block"] = block
    h["free_blocks"] += 1
    return following


@inner
def free_blocks_of(t, slot):
    """Give back all blocks of a leaf slot."""
    block = t.slots[slot]["head"]
    while block != NONE:
        block = _give_block(t, slot, block)
    t.slots[slot]["head"] = NONE


@inner
def _free_features_of(t, slot, forgotten):
    """Give back the blocks of forgotten features of one leaf."""
    previous = NONE
    block = t.slots[slot]["head"]
    while block != NONE:
        if forgotten[t.blocks[block]["feature"]]:
            block = _give_block(t, slot, block)
            if previous == NONE:
                t.slots[slot]["head"] = block
            else:
                t.blocks[previous]["next"] = block
        else:
            previous = block
            block = t.blocks[block]["next"]


@jit
def free_features(t, forgotten):
    """Forget features everywhere in the tree.

    `forgotten`: bool[number of features]. Their blocks are given back, stored rows lose their values, and a test on one of
    them is from now on decided by the value 0.
    """
    for node in range(t.nodes.size):
        n = t.nodes[node]
        if not n["used"]:
            continue
        if n["feature"] != NONE and forgotten[n["feature"]]:
            n["feature"] = NONE
        slot = n["slot"]
        if slot == NONE:
            continue
        _free_features_of(t, slot, forgotten)
        for row in range(t.row_size.shape[1]):
            for k in range(t.row_size[slot, row]):
                if forgotten[t.row_index[slot, row, k]]:
                    t.row_value[slot, row, k] = 0.0


@jit
def rehash(table, larger):
    """Copy all entries into a larger, empty table."""
    for i in range(table.size):
        if table[i]["key"] != NONE:
            place = place_of(larger, table[i]["key"])
            larger[place]["key"] = table[i]["key"]
            larger[place]["block"] = table[i]["block"]
