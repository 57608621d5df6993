"""Making the arrays of a tree larger. Each function returns the tree with new arrays and leaves the old ones as they were,
but for the header, which it updates last."""

import numpy as np

from ihomer.kernels.blocks import rehash
from ihomer.kernels.nodes import rehash_labelsets
from ihomer.kernels.tree_state import ENTRY, LEAST, MOST, NONE, linked
from ihomer.kernels.window import MOST_PAIRS


def _padded(array, axis, size, value=0):
    """Return a copy that is `size` long on `axis`, filled up with `value`."""
    shape = list(array.shape)
    shape[axis] = size
    larger = np.full(shape, value, array.dtype)
    larger[tuple(slice(0, n) for n in array.shape)] = array
    return larger


def _join(h, count, first, old, new):
    """Put the places old..new-1 before the free ones in the header's list and count; return their links."""
    links = linked(new, h[first], old)
    h[first] = old
    h[count] += new - old
    return links


def with_more_nodes(t):
    """Return the tree with twice as many nodes."""
    old, new = len(t.nodes), 2 * len(t.nodes)
    t = t._replace(nodes=_padded(t.nodes, 0, new), labels=_padded(t.labels, 0, new), detector=_padded(t.detector, 0, new))
    t.nodes["next"][old:] = _join(t.header[0], "free_nodes", "next_node", old, new)
    return t


def with_more_slots(t):
    """Return the tree with twice as many leaf slots."""
    old, new = len(t.slots), 2 * len(t.slots)
    t = t._replace(
        slots=_padded(t.slots, 0, new, NONE),
        row_size=_padded(t.row_size, 0, new),
        row_index=_padded(t.row_index, 0, new),
        row_value=_padded(t.row_value, 0, new),
        row_label=_padded(t.row_label, 0, new),
        intercept=_padded(t.intercept, 0, new),
        labelsets=_padded(t.labelsets, 0, new),
    )
    t.slots["next"][old:] = _join(t.header[0], "free_slots", "next_slot", old, new)
    return t


def with_more_blocks(t, needed):
    """Return the tree with twice as many blocks, or more until `needed` are free."""
    old, new = len(t.blocks), 2 * len(t.blocks)
    while t.header[0]["free_blocks"] + new - old < needed:
        new *= 2
    entries = len(t.table)
    while entries < 2 * new:
        entries *= 2
    table = np.full(entries, NONE, ENTRY)
    rehash(t.table, table)
    t = t._replace(
        blocks=_padded(t.blocks, 0, new),
        stats=_padded(t.stats, 0, new),
        coefficient=_padded(t.coefficient, 0, new),
        table=table,
    )
    t.blocks["next"][old:] = _join(t.header[0], "free_blocks", "next_block", old, new)
    return t


def with_wider_rows(t, needed):
    """Return the tree with room for `needed` pairs or more, but no more than are kept of an event, in each stored row."""
    width = min(max(needed, t.row_index.shape[2] * 3 // 2), MOST_PAIRS)
    return t._replace(row_index=_padded(t.row_index, 2, width), row_value=_padded(t.row_value, 2, width))


def with_more_labelsets(t):
    """Return the tree with twice as large sets of labelsets."""
    larger = np.zeros((t.labelsets.shape[0], 2 * t.labelsets.shape[1]), np.uint64)
    rehash_labelsets(t.labelsets, larger)
    return t._replace(labelsets=larger)


def with_label_room(t, n_labels):
    """Return the tree with arrays for `n_labels` labels or more."""
    room = t.labels.shape[2]
    if n_labels <= room:
        return t
    room = n_labels if room == 0 else max(n_labels, room * 5 // 4 + 1)
    models = int(t.settings[0]["n_models"])
    stats = _padded(t.stats, 1, 1 + room)
    stats[:, t.stats.shape[1] :, LEAST] = np.inf
    stats[:, t.stats.shape[1] :, MOST] = -np.inf
    return t._replace(
        labels=_padded(t.labels, 2, room),
        row_label=_padded(t.row_label, 2, room),
        intercept=_padded(t.intercept, 1, room * models),
        coefficient=_padded(t.coefficient, 1, room * models),
        stats=stats,
    )


def clear_label(t, place):
    """Set everything that was learned at one label's place back to nothing."""
    models = int(t.settings[0]["n_models"])
    t.labels[:, :, place] = 0.0
    t.row_label[:, :, place] = False
    t.intercept[:, place * models : (place + 1) * models] = 0.0
    t.coefficient[:, place * models : (place + 1) * models] = 0.0
    t.stats[:, 1 + place, :] = 0.0
    t.stats[:, 1 + place, LEAST] = np.inf
    t.stats[:, 1 + place, MOST] = -np.inf
