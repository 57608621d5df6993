"""The last events of a stream, kept so that those nearest to a new one are found fast.

Rows lie in a ring: event number n has slot n % size. Each pair (feature, value) of a row points to the last earlier row with
the same feature, so that the rows which share a feature are walked newest first. A feature that many rows have gets a column
besides, over which a sum runs without a jump; sums are the same either way.
"""

import numpy as np

from ihomer.kernels.common import inner, jit
from ihomer.kernels.odds import NEGATIVE, POSITIVE

WIDTH_BITS = 12
MOST_PAIRS = 1 << WIDTH_BITS  # of a row that are kept
_PIECE = 64  # rows looked through at once for such as may be among the nearest
NUMBER, N_PAIRS, N_POSITIVE, N_LABELS = 0, 1, 2, 3


@inner
def shared_products(index, value, first, last, number, size, ring, entry, entry_value, link, head, column_of, columns, out):
    """Write the dot product of an event with each row to `out`, float32[slots].

    number : of the event; ring : int64[slots, 4], of each row: number (-1: none), how many pairs, positives, labels
    entry, link : int32[slots, width], feature and slot * 2^12 + place of its last earlier pair, or -1
    entry_value : float32[slots, width]; head : int32[features], as link; column_of : int32[features], or -1
    A link into a row that has been overwritten leads to a newer row: the walk ends there.
    """
    n_slots = min(number, size)
    out[:n_slots] = 0.0
    for k in range(first, last):
        x, feature = value[k], index[k]
        if column_of[feature] >= 0:
            column = columns[column_of[feature]]
            for slot in range(n_slots):
                out[slot] += x * column[slot]
            continue
        at, newest = head[feature], number
        while at >= 0:
            slot, place = at >> WIDTH_BITS, at & (MOST_PAIRS - 1)
            row = ring[slot, NUMBER]
            if row >= newest or row < number - size:
                break
            out[slot] += x * entry_value[slot, place]
            newest, at = row, link[slot, place]


@inner
def slots_above(products, slot, n_rows, size, least, found):
    """Write those of the `n_rows` slots before `slot` with a product above `least` to `found`; return how many, and the last
    slot looked at. Without a branch: which they are cannot be foreseen.
    """
    count = np.int64(0)
    for _ in range(n_rows):
        slot = slot - 1 if slot > 0 else size - 1
        found[count] = slot
        count += products[slot] > least
    return count, slot


@inner
def nearest_slots(products, slot, n_rows, size, best, similarity):
    """Write the rows of largest product, which must be positive, of the `n_rows` rows before `slot`; return how many.

    best, similarity : int64[m], float64[m], out: largest first, on a tie newer first
    """
    m, found, least = best.size, np.int64(0), np.float32(0.0)
    candidates = np.empty(_PIECE, np.int64)
    for start in range(0, n_rows, _PIECE):
        count, slot = slots_above(products, slot, min(_PIECE, n_rows - start), size, least, candidates)
        for i in range(count):
            p = products[candidates[i]]
            if p <= least:
                continue
            place = min(found, m - 1)
            while place > 0 and p > similarity[place - 1]:
                similarity[place], best[place] = similarity[place - 1], best[place - 1]
                place -= 1
            similarity[place], best[place] = p, candidates[i]
            found = min(found + 1, m)
            if found == m:
                least = np.float32(similarity[m - 1])
    return found


@inner
def remove_row(slot, ring, entry, head, present, column_of, columns):
    """Take the row in a slot out of columns, counts and heads; links to it are left, and known by its number."""
    for place in range(ring[slot, N_PAIRS]):
        feature = entry[slot, place]
        if feature < 0:
            continue
        present[feature] -= 1
        if head[feature] == (slot << WIDTH_BITS) + place:
            head[feature] = -1
        if column_of[feature] >= 0:
            columns[column_of[feature], slot] = 0.0


@jit
def fill_column(feature, size, ring, entry_value, link, head, column):
    """Write the values of a feature in all rows to `column`, float32[slots]."""
    column[:] = 0.0
    at = head[feature]
    newest = ring[at >> WIDTH_BITS, NUMBER] + 1
    oldest = newest - size
    while at >= 0:
        slot, place = at >> WIDTH_BITS, at & (MOST_PAIRS - 1)
        row = ring[slot, NUMBER]
        if row >= newest or row < oldest:
            break
        column[slot] = entry_value[slot, place]
        newest, at = row, link[slot, place]


@inner
def insert_row(
    index, value, shrink, first, last, target, number, size, ring, entry, entry_value, link, head, present, column_of,
    columns, labels,
):  # fmt: skip
    """Put an event in the slot of the oldest row. labels : int32[slots, most], positives, then unobserved ones."""
    slot = number % size
    if number >= size:
        remove_row(slot, ring, entry, head, present, column_of, columns)
    n_pairs = min(last - first, entry.shape[1])
    ring[slot, NUMBER], ring[slot, N_PAIRS] = number, n_pairs
    for place in range(n_pairs):
        feature = index[first + place]
        entry[slot, place], entry_value[slot, place] = feature, shrink * value[first + place]
        link[slot, place] = head[feature]
        head[feature] = (slot << WIDTH_BITS) + place
        present[feature] += 1
        if column_of[feature] >= 0:
            columns[column_of[feature], slot] = shrink * value[first + place]
    count = 0
    for label in range(target.size):
        if target[label] == POSITIVE and count < labels.shape[1]:
            labels[slot, count] = label
            count += 1
    ring[slot, N_POSITIVE] = count
    for label in range(target.size):
        if target[label] != POSITIVE and target[label] != NEGATIVE and count < labels.shape[1]:
            labels[slot, count] = label
            count += 1
    ring[slot, N_LABELS] = count
