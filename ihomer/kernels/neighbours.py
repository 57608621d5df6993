"""The window of recent events of a leaf, and label powerset by nearest neighbours over it."""

import math

import numpy as np

from ihomer.kernels.common import allocating, inner
from ihomer.kernels.odds import POSITIVE
from ihomer.kernels.window import MOST_PAIRS

_CANCELLED = 1e-3  # a difference below this share of its terms has lost too many digits
_STRIDE = 16  # features between two looks at whether a row is still in the running


@inner
def n_further(x_value, bound):
    """Return how many values are further from 0 than `bound`."""
    count = 0
    for k in range(x_value.size):
        count += abs(x_value[k]) > bound
    return count


@inner
def bounds_of_kept(x_value):
    """Return two bounds and a number: an event keeps its values further from 0 than `high`, and of those further than `low`,
    which are all equally far, so many. These are the values that a distance loses least without.
    """
    if x_value.size <= MOST_PAIRS:
        return -1.0, -1.0, 0
    low, high = 0.0, 0.0
    for k in range(x_value.size):
        if abs(x_value[k]) > high:
            high = abs(x_value[k])
    if n_further(x_value, low) <= MOST_PAIRS:
        return low, low, 0
    while True:
        middle = 0.5 * low + 0.5 * high
        if middle <= low or middle >= high:
            return low, high, MOST_PAIRS - n_further(x_value, high)
        count = n_further(x_value, middle)
        if count == MOST_PAIRS:
            return middle, middle, 0
        if count > MOST_PAIRS:
            low = middle
        else:
            high = middle


@inner
def push_row(t, node, x_index, x_value, y):
    """Append an event to the window of leaf `node`, over the oldest one when the window is full.

    `y`: uint8[L], marks of `odds`. Missing values are left out, which makes them 0 for later neighbours. Of more pairs than a
    window keeps of an event, those stay whose values are furthest from 0, of equal ones the first.
    """
    n = t.nodes[node]
    slot = n["slot"]
    window = t.row_size.shape[1]
    if n["row_count"] < window:
        row = (n["row_first"] + n["row_count"]) % window
        n["row_count"] += 1
    else:
        row = n["row_first"]
        n["row_first"] = (row + 1) % window
    low, high, n_equal = bounds_of_kept(x_value)
    size = 0
    for k in range(x_index.size):
        far = abs(x_value[k])  # a missing value is further than nothing
        if far > high or (far > low and n_equal > 0):
            n_equal -= far <= high
            t.row_index[slot, row, size] = x_index[k]
            t.row_value[slot, row, size] = x_value[k]
            size += 1
    t.row_size[slot, row] = size
    for label in range(y.size):
        t.row_label[slot, row, label] = y[label] == POSITIVE


@inner
def square_outside(t, slot, row, x_index, x_value):
    """Return the sum of the squared values of those features of an event that a stored row does not have."""
    total = 0.0
    at = 0
    for k in range(x_index.size):
        while at < t.row_size[slot, row] and t.row_index[slot, row, at] < x_index[k]:
            at += 1
        shared = at < t.row_size[slot, row] and t.row_index[slot, row, at] == x_index[k]
        if not shared and not math.isnan(x_value[k]):
            total += x_value[k] * x_value[k]
    return total


@inner
def square_distance(t, slot, row, x_index, x_value, dense, x_square, n_known, limit):
    """Return the squared Euclidean distance of a stored row to an event, or inf once it is sure not to be below `limit`.

    dense : float64[features], the event spread out: 0 where it has no value, nan where it is missing
    x_square : sum of its squared values, in index order; n_known : how many they are

    d^2 = sum over the row's features of (v - x)^2 + sum over the event's other features of x^2; the second sum is |x|^2 less
    what the row shares, which saves a pass over the event for each row.
    """
    index, value = t.row_index[slot, row], t.row_value[slot, row]
    size = t.row_size[slot, row]
    inside = 0.0
    shared_square = 0.0
    n_shared = 0
    for first in range(0, size, _STRIDE):
        for k in range(first, min(first + _STRIDE, size)):
            x = dense[np.uint32(index[k])]
            if not math.isnan(x):
                difference = value[k] - x
                inside += difference * difference
                shared_square += x * x
                n_shared += x != 0.0
        if inside >= limit:
            return np.inf
    if n_shared == n_known:
        return inside
    outside = x_square - shared_square
    if outside < _CANCELLED * x_square:
        outside = square_outside(t, slot, row, x_index, x_value)
    return inside + outside


@inner
def nearest_rows(t, node, n_neighbors, x_index, x_value, dense, nearest, distance):
    """Write the nearest stored rows and their squared distances, nearest first, older first on a tie; return how many.

    nearest, distance : int64[n_neighbors], float64[n_neighbors], out. `dense` is all zeros before and after.
    """
    n = t.nodes[node]
    slot = n["slot"]
    window = t.row_size.shape[1]
    x_square = 0.0
    n_known = 0
    for k in range(x_index.size):
        dense[x_index[k]] = x_value[k]
        if not math.isnan(x_value[k]):
            x_square += x_value[k] * x_value[k]
            n_known += 1
    found = 0
    for i in range(n["row_count"]):
        row = (n["row_first"] + i) % window
        limit = distance[found - 1] if found == n_neighbors else np.inf
        d = square_distance(t, slot, row, x_index, x_value, dense, x_square, n_known, limit)
        if not d < limit and found == n_neighbors:
            continue
        place = min(found, n_neighbors - 1)
        while place > 0 and d < distance[place - 1]:
            distance[place] = distance[place - 1]
            nearest[place] = nearest[place - 1]
            place -= 1
        distance[place] = d
        nearest[place] = row
        found = min(found + 1, n_neighbors)
    for k in range(x_index.size):
        dense[x_index[k]] = 0.0
    return found


@allocating
def neighbours_predict(t, node, x_index, x_value, dense, out):
    """Write the neighbours' probabilities of all labels to `out`, float64[L].

    p_l = sum over neighbours with label l of 1/d, divided by the sum of 1/d; an exact match decides alone.
    """
    n_neighbors = t.settings[0]["n_neighbors"]
    nearest = np.empty(n_neighbors, np.int64)
    distance = np.empty(n_neighbors)
    found = nearest_rows(t, node, n_neighbors, x_index, x_value, dense, nearest, distance)
    slot = t.nodes[node]["slot"]
    if distance[0] == 0.0:
        for label in range(out.size):
            out[label] = 1.0 if t.row_label[slot, nearest[0], label] else 0.0
        return
    out[:] = 0.0
    total = 0.0
    for i in range(found):
        closeness = 1.0 / math.sqrt(distance[i])
        total += closeness
        for label in range(out.size):
            if t.row_label[slot, nearest[i], label]:
                out[label] += closeness
    for label in range(out.size):
        out[label] /= total
