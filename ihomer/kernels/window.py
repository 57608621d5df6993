"""The last events of a stream, kept so that those nearest to a new one are found fast.

Rows lie in a ring: event number n has slot n % size. Each pair (feature, value) of a row points to the last earlier row with
the same feature, so that the rows which share a feature are walked newest first. A feature that many rows have gets a column
besides, over which a sum runs without a jump; sums are the same either way. Values are those of rows of unit length, kept as
whole numbers of 16 bits: what is read for an event is mostly columns, and half as much of it stays closer to the processor.
"""

import math

import numpy as np

from ihomer.kernels.common import inner, jit
from ihomer.kernels.odds import NEGATIVE, POSITIVE

WIDTH_BITS = 12
MOST_PAIRS = 1 << WIDTH_BITS  # of a row that are kept
NUMBER, N_PAIRS, N_POSITIVE, N_LABELS = 0, 1, 2, 3
UNITS = 32767  # of a value as it is kept
_HALVINGS, _FEW = 6, 4  # until so many times the rows looked for are above a bound


@inner
def in_units(z):
    """Return a number from -1 to 1 as a whole number of 32767ths: the nearest one."""
    return np.int16(math.floor(min(max(UNITS * z, -UNITS), UNITS) + 0.5))


@inner
def shared_products(index, value, first, last, number, size, ring, entry, entry_value, link, head, column_of, columns, out):
    """Write the dot product of an event with each row to `out`, float32[slots].

    number : of the event; ring : int64[slots, 4], of each row: number (-1: none), how many pairs, positives, labels
    entry, link : int32[slots, width], feature and slot * 2^12 + place of its last earlier pair, or -1
    entry_value : int16[slots, width], values times 32767; head : int32[features], as link; column_of : int32[features], or -1
    A link into a row that has been overwritten leads to a newer row: the walk ends there.
    """
    n_slots = min(number, size)
    out[:n_slots] = 0.0
    for k in range(first, last):
        x, feature = np.float32(value[k] / np.float32(UNITS)), index[k]
        if column_of[feature] >= 0:
            column = columns[column_of[feature]]
            for slot in range(n_slots):
                out[slot] += x * np.float32(column[slot])
            continue
        at, newest = head[feature], number
        while at >= 0:
            slot, place = at >> WIDTH_BITS, at & (MOST_PAIRS - 1)
            row = ring[slot, NUMBER]
            if row >= newest or row < number - size:
                break
            out[slot] += x * np.float32(entry_value[slot, place])
            newest, at = row, link[slot, place]


@inner
def coarse_bound(products, n_slots, m):
    """Return a bound that at least m products are above, or 0 if not so many are positive; mostly not many more are.

    By halving, without a branch for each product: to count what is above a number takes a fraction of the time in which the
    largest are kept in order.
    """
    low, high = np.float32(0.0), np.float32(0.0)
    for slot in range(n_slots):
        high = max(high, products[slot])
    for _ in range(_HALVINGS):
        middle, count = np.float32(0.5) * low + np.float32(0.5) * high, 0
        for slot in range(n_slots):
            count += products[slot] > middle
        if count >= m:
            low = middle
            if count <= _FEW * m:
                break
        else:
            high = middle
    return low


@inner
def bounds_of_nearest(products, n, m, low):
    """Return two bounds, low and high: at most m of n products are above `high`, and if it is not as low as `low`, all between
    the two are equal, and more than m are above `low`. None is below the `low` given.
    """
    high, count = low, 0
    for i in range(n):
        high = max(high, products[i])
        count += products[i] > low
    if count <= m:
        return low, low
    while True:
        middle = np.float32(0.5) * low + np.float32(0.5) * high
        if middle <= low or middle >= high:
            return low, high
        count = 0
        for i in range(n):
            count += products[i] > middle
        if count == m:
            return middle, middle
        if count > m:
            low = middle
        else:
            high = middle


@inner
def slots_above(products, slot, n_rows, size, least, found):
    """Write those of the `n_rows` slots before `slot` with a product above `least` to `found`, newest first; return how many.

    Without a branch: which they are cannot be foreseen. found : int64[more than n_rows]
    """
    count = np.int64(0)
    for _ in range(n_rows):
        slot = slot - 1 if slot > 0 else size - 1
        found[count] = slot
        count += products[slot] > least
    return count


@inner
def nearest_slots(products, slot, n_rows, size, candidates, near, best, similarity):
    """Write the rows of largest product, which must be positive, of the `n_rows` rows before `slot`; return how many.

    Of equal ones the newer are taken. best, similarity : int64[m], float64[m], out, newest first; candidates, near : int64[more
    than n_rows], float32[more than n_rows], work space
    """
    low = coarse_bound(products, n_rows, best.size)
    count = slots_above(products, slot, n_rows, size, low, candidates)
    for i in range(count):
        near[i] = products[candidates[i]]
    low, high = bounds_of_nearest(near, count, best.size, low)
    n_above = np.int64(0)
    for i in range(count):
        n_above += near[i] > high
    n_equal, found = best.size - n_above, np.int64(0)  # how many of the equal ones there is room for
    for i in range(count):
        if near[i] <= low:
            continue
        if near[i] <= high:
            if n_equal == 0:
                continue
            n_equal -= 1
        best[found], similarity[found] = candidates[i], near[i]
        found += 1
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
            columns[column_of[feature], slot] = 0


@jit
def fill_column(feature, size, ring, entry_value, link, head, column):
    """Write the values of a feature in all rows to `column`, int16[slots]."""
    column[:] = 0
    at = head[feature]
    if at < 0:
        return
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
        feature, kept = index[first + place], in_units(shrink * value[first + place])
        entry[slot, place], entry_value[slot, place] = feature, kept
        link[slot, place] = head[feature]
        head[feature] = (slot << WIDTH_BITS) + place
        present[feature] += 1
        if column_of[feature] >= 0:
            columns[column_of[feature], slot] = kept
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
