"""The last events of a stream, kept so that those nearest to a new one are found fast.

Rows lie in a ring: event number n has slot n % size. Each pair (feature, value) of a row points to the last earlier row with
the same feature, so that the rows which share a feature are walked newest first. A feature that many rows have gets a column
besides, over which a sum runs without a jump; sums are the same either way. Values are those of rows of unit length, kept as
whole numbers of 16 bits: what is read for an event is mostly columns, and half as much of it stays closer to the processor.
"""

import math
from typing import NamedTuple

import numpy as np

from ihomer.kernels.common import inner, jit
from ihomer.kernels.odds import NEGATIVE, POSITIVE

WIDTH_BITS = 12
MOST_PAIRS = 1 << WIDTH_BITS  # of a row that are kept
NUMBER, N_PAIRS, N_POSITIVE, N_LABELS = 0, 1, 2, 3
UNITS = 32767  # of a value as it is kept
_HALVINGS, _FEW = 6, 4  # until so many times the rows looked for are above a bound


class Window(NamedTuple):
    """The rows kept, as kernels hand them to each other."""

    size: int  # how many rows are kept when it is full; there is room for fewer before
    ring: np.ndarray  # int64[slots, 4], of each row: number (-1: none), how many pairs, positives, labels
    entry: np.ndarray  # int32[slots, width], features; -1 for one that was forgotten
    entry_value: np.ndarray  # int16[slots, width], values times 32767
    link: np.ndarray  # int32[slots, width], slot * 2^12 + place of the last earlier pair with the feature, or -1
    head: np.ndarray  # int32[features], the same of the last pair of all
    present: np.ndarray  # int32[features], how many rows have it
    column_of: np.ndarray  # int32[features], its column, or -1
    columns: np.ndarray  # int16[columns, slots], its values in all rows
    labels: np.ndarray  # int32[slots, most], positives, then unobserved ones


@inner
def in_units(z):
    """Return a number from -1 to 1 as a whole number of 32767ths: the nearest one."""
    return np.int16(math.floor(min(max(UNITS * z, -UNITS), UNITS) + 0.5))


@inner
def add_columns(index, value, k, last, n_slots, window, out):
    """Add the columns of feature k and, if it has one, of the next feature, times their values, to `out`; return how many.

    Two at once, since `out` has to be read and written for each look at it.
    """
    x, column = np.float32(value[k] / np.float32(UNITS)), window.columns[window.column_of[index[k]]]
    if k + 1 == last or window.column_of[index[k + 1]] < 0:
        for slot in range(n_slots):
            out[slot] += x * np.float32(column[slot])
        return 1
    y, other = np.float32(value[k + 1] / np.float32(UNITS)), window.columns[window.column_of[index[k + 1]]]
    for slot in range(n_slots):
        out[slot] = (out[slot] + x * np.float32(column[slot])) + y * np.float32(other[slot])
    return 2


@inner
def add_linked(x, head, number, window, out):
    """Add a feature's values in the rows that its links lead to, times x, to `out`.

    A link into a row that has been overwritten leads to a newer row: the walk ends there.
    """
    at, newest, oldest = head, number, number - window.size
    ring, link, entry_value = window.ring, window.link, window.entry_value
    while at >= 0:
        slot, place = at >> WIDTH_BITS, at & (MOST_PAIRS - 1)
        row = ring[slot, NUMBER]
        if row >= newest or row < oldest:
            break
        out[slot] += x * np.float32(entry_value[slot, place])
        newest, at = row, link[slot, place]


@inner
def shared_products(index, value, first, last, number, window, out):
    """Write the dot product of an event, whose number is given, with each row to `out`, float32[slots]."""
    n_slots, k = min(number, window.size), first
    out[:n_slots] = 0.0
    while k < last:
        if window.column_of[index[k]] >= 0:
            k += add_columns(index, value, k, last, n_slots, window, out)
        else:
            add_linked(np.float32(value[k] / np.float32(UNITS)), window.head[index[k]], number, window, out)
            k += 1


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
        middle, count = np.float32(0.5) * low + np.float32(0.5) * high, np.int32(0)
        for slot in range(n_slots):
            count = np.int32(count + (products[slot] > middle))  # as wide as a product, so that eight are compared at once
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
    count, n_before = np.int64(0), min(n_rows, slot)
    for k in range(n_before):
        found[count] = slot - 1 - k
        count += products[slot - 1 - k] > least
    for k in range(n_rows - n_before):
        found[count] = size - 1 - k
        count += products[size - 1 - k] > least
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
def remove_row(slot, window):
    """Take the row in a slot out of columns, counts and heads; links to it are left, and known by its number."""
    for place in range(window.ring[slot, N_PAIRS]):
        feature = window.entry[slot, place]
        if feature < 0:
            continue
        window.present[feature] -= 1
        if window.head[feature] == (slot << WIDTH_BITS) + place:
            window.head[feature] = -1
        if window.column_of[feature] >= 0:
            window.columns[window.column_of[feature], slot] = 0


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
def insert_row(index, value, shrink, first, last, target, number, window):
    """Put an event in the slot of the oldest row, its values times `shrink`. target : uint8[labels]"""
    slot, ring, labels = number % window.size, window.ring, window.labels
    if number >= window.size:
        remove_row(slot, window)
    n_pairs = min(last - first, window.entry.shape[1])
    ring[slot, NUMBER], ring[slot, N_PAIRS] = number, n_pairs
    for place in range(n_pairs):
        feature, kept = index[first + place], in_units(shrink * value[first + place])
        window.entry[slot, place], window.entry_value[slot, place] = feature, kept
        window.link[slot, place] = window.head[feature]
        window.head[feature] = (slot << WIDTH_BITS) + place
        window.present[feature] += 1
        if window.column_of[feature] >= 0:
            window.columns[window.column_of[feature], slot] = kept
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
