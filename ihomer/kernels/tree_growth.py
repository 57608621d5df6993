"""Making the arrays of a tree larger. Each function returns the tree with new arrays and leaves the old ones as they were,
but for the header, which it updates last."""

import numpy as np

from ihomer.kernels.blocks import rehash
from ihomer.kernels.common import INDEX
from ihomer.kernels.nodes import rehash_labelsets
from ihomer.kernels.tree_state import LEAST, MOST, NONE


def _padded(array, axis, size, value=0):
    """Return a copy that is `size` long on `axis`, filled up with `value`."""
    shape = list(array.shape)
    shape[axis] = size
    larger = np.full(shape, value, array.dtype)
    larger[tuple(slice(0, n) for n in array.shape)] = array
    return larger


def _push_free(stack, n_free, first, last):
    """Put the new places first..last-1 under the free ones of a stack that has been made longer: lower places go first."""
    stack[last - first : last - first + n_free] = stack[:n_free].copy()
    stack[: last - first] = np.arange(first, last, dtype=INDEX)[::-1]
    return n_free + last - first


def with_more_nodes(t):
    """Return the tree with twice as many nodes."""
    old, new = len(t.nodes), 2 * len(t.nodes)
    t = t._replace(
        nodes=_padded(t.nodes, 0, new),
        free_node=_padded(t.free_node, 0, new),
        positive=_padded(t.positive, 0, new),
        unobserved=_padded(t.unobserved, 0, new),
        inherited=_padded(t.inherited, 0, new),
        detector=_padded(t.detector, 0, new),
    )
    h = t.header[0]
    h["free_nodes"] = _push_free(t.free_node, h["free_nodes"], old, new)
    return t


def with_more_slots(t):
    """Return the tree with twice as many leaf slots."""
    old, new = len(t.head), 2 * len(t.head)
    t = t._replace(
        free_slot=_padded(t.free_slot, 0, new),
        head=_padded(t.head, 0, new, NONE),
        row_size=_padded(t.row_size, 0, new),
        row_index=_padded(t.row_index, 0, new),
        row_value=_padded(t.row_value, 0, new),
        row_label=_padded(t.row_label, 0, new),
        intercept=_padded(t.intercept, 0, new),
        labelsets=_padded(t.labelsets, 0, new),
    )
    h = t.header[0]
    h["free_slots"] = _push_free(t.free_slot, h["free_slots"], old, new)
    return t


def with_more_blocks(t, needed):
    """Return the tree with twice as many blocks, or more until `needed` are free."""
    old, new = len(t.block_next), 2 * len(t.block_next)
    h = t.header[0]
    while h["free_blocks"] + new - old < needed:
        new *= 2
    entries = len(t.table_key)
    while entries < 2 * new:
        entries *= 2
    table_key, table_block = np.full(entries, NONE, np.int64), np.zeros(entries, INDEX)
    rehash(t.table_key, t.table_block, table_key, table_block)
    t = t._replace(
        free_block=_padded(t.free_block, 0, new),
        block_feature=_padded(t.block_feature, 0, new),
        block_next=_padded(t.block_next, 0, new, NONE),
        stats=_padded(t.stats, 0, new),
        coefficient=_padded(t.coefficient, 0, new),
        table_key=table_key,
        table_block=table_block,
    )
    h["free_blocks"] = _push_free(t.free_block, h["free_blocks"], old, new)
    return t


def with_wider_rows(t, needed):
    """Return the tree with room for `needed` pairs or more in each stored row."""
    width = max(needed, t.row_index.shape[2] * 3 // 2)
    return t._replace(row_index=_padded(t.row_index, 2, width), row_value=_padded(t.row_value, 2, width))


def with_more_labelsets(t):
    """Return the tree with twice as large sets of labelsets."""
    larger = np.zeros((t.labelsets.shape[0], 2 * t.labelsets.shape[1]), np.uint64)
    rehash_labelsets(t.labelsets, larger)
    return t._replace(labelsets=larger)


def with_label_room(t, n_labels):
    """Return the tree with arrays for `n_labels` labels or more."""
    room = t.positive.shape[1]
    if n_labels <= room:
        return t
    room = n_labels if room == 0 else max(n_labels, room * 5 // 4 + 1)
    models = int(t.settings[0]["n_models"])
    stats = _padded(t.stats, 1, 1 + room)
    stats[:, t.stats.shape[1] :, LEAST] = np.inf
    stats[:, t.stats.shape[1] :, MOST] = -np.inf
    return t._replace(
        positive=_padded(t.positive, 1, room),
        unobserved=_padded(t.unobserved, 1, room),
        inherited=_padded(t.inherited, 1, room),
        row_label=_padded(t.row_label, 2, room),
        intercept=_padded(t.intercept, 1, room * models),
        coefficient=_padded(t.coefficient, 1, room * models),
        stats=stats,
    )


def clear_label(t, place):
    """Set everything that was learned at one label's place back to nothing."""
    models = int(t.settings[0]["n_models"])
    t.positive[:, place] = 0.0
    t.unobserved[:, place] = 0.0
    t.inherited[:, place] = 0.0
    t.row_label[:, :, place] = False
    t.intercept[:, place * models : (place + 1) * models] = 0.0
    t.coefficient[:, place * models : (place + 1) * models] = 0.0
    t.stats[:, 1 + place, :] = 0.0
    t.stats[:, 1 + place, LEAST] = np.inf
    t.stats[:, 1 + place, MOST] = -np.inf
