"""Features brought to a common scale, so that linear models and distances work on raw values."""

import math

import numpy as np

from ihomer.kernels.common import inner, jit

_USUAL = 0.9  # a feature present in more than this share of the events is centred
_MOST = 5.0  # standard deviations
_LONG = 50_000.0  # events after which the sums are halved: the scale follows the stream
COUNT, TOTAL, SQUARE = 0, 1, 2


@inner
def scaled(value, count, total, square, n_seen):
    """Return a value on its feature's scale: (v - mean) / sd if nearly always present, else v / root mean square."""
    mean = total / count
    mean_square = square / count
    variance = mean_square - mean * mean
    if count > _USUAL * n_seen and variance > 1e-9 * mean_square:
        result = (value - mean) / math.sqrt(variance)
    elif mean_square > 0.0:
        result = value / math.sqrt(mean_square)
    else:
        result = 0.0
    return min(max(result, -_MOST), _MOST)


@inner
def to_unit_length(values, is_new, first, last):
    """Divide values[first:last] by the Euclidean norm of those that are not new; return that norm over the norm of all.

    What is new is cut to [-1, 1] after the division. Where there is nothing else, nothing counts as new.
    """
    square, largest = 0.0, 0.0
    for k in range(first, last):
        if not is_new[k]:
            largest = max(largest, abs(values[k]))
    if largest == 0.0:
        for k in range(first, last):
            is_new[k] = False
            largest = max(largest, abs(values[k]))
    if largest > 0.0:
        for k in range(first, last):
            if not is_new[k]:
                square += (values[k] / largest) ** 2
    norm = largest * math.sqrt(square) if square > 0.0 else 1.0
    known, total = 0.0, 0.0
    for k in range(first, last):
        values[k] = values[k] / norm
        if is_new[k]:
            values[k] = min(max(values[k], -1.0), 1.0)
        else:
            known += values[k] * values[k]
        total += values[k] * values[k]
    return math.sqrt(known / total) if total > 0.0 else 1.0


@jit
def scale_rows(x_indptr, x_index, x_value, start, stop, learn, sums, n_seen, indptr, index, scaled_value, raw_value, shrink):
    """Write rows without their missing values, each row scaled feature by feature, and as given, both at unit length.

    A row is scaled with itself taken into the sums; without `learn` they are left as they were. A feature that no event had
    before takes no part in the length, so that an answer does not depend on whether its name is known already; what is
    learned from is the row times `shrink`, which is of unit length with it. Return how many pairs the longest row has then.

    sums : float64[features, 3], of the present values: how many, sum, sum of squares; n_seen : float64[1], events
    indptr : int64[rows + 1]; index : int32[pairs]; scaled_value, raw_value : float32[pairs]; shrink : float32[2, rows], out
    """
    used, most = 0, 0
    indptr[0] = 0
    widest = 0
    for row in range(start, stop):
        widest = max(widest, x_indptr[row + 1] - x_indptr[row])
    is_new, wide_scaled, wide_raw = np.empty(widest, np.bool_), np.empty(widest), np.empty(widest)
    for row in range(start, stop):
        size = np.int64(0)
        seen = n_seen[0] + 1.0
        for k in range(x_indptr[row], x_indptr[row + 1]):
            value = x_value[k]
            if math.isnan(value):
                continue
            s = sums[x_index[k]]
            count, total, square = s[COUNT] + 1.0, s[TOTAL] + value, s[SQUARE] + value * value
            is_new[size] = s[COUNT] == 0.0
            if learn:
                s[COUNT], s[TOTAL], s[SQUARE] = count, total, square
            index[used + size] = x_index[k]
            wide_scaled[size] = scaled(value, count, total, square, seen)
            wide_raw[size] = value
            size += 1
        shrink[0, row - start] = to_unit_length(wide_scaled, is_new.copy(), np.int64(0), size)
        shrink[1, row - start] = to_unit_length(wide_raw, is_new, np.int64(0), size)
        for k in range(size):
            scaled_value[used + k], raw_value[used + k] = wide_scaled[k], wide_raw[k]
        used += size
        most = max(most, size)
        indptr[row - start + 1] = used
        if learn:
            n_seen[0] = seen
            if seen > _LONG:
                n_seen[0] *= 0.5
                for feature in range(sums.shape[0]):
                    for i in range(sums.shape[1]):
                        sums[feature, i] *= 0.5
    return most
