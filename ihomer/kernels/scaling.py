"""Features brought to a common scale, so that linear models and distances work on raw values."""

import math

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
def to_unit_length(values, first, last):
    """Divide values[first:last] by their Euclidean norm, unless it is 0."""
    square = 0.0
    for k in range(first, last):
        square += float(values[k]) * float(values[k])
    if square > 0.0:
        norm = math.sqrt(square)
        for k in range(first, last):
            values[k] = values[k] / norm


@jit
def scale_rows(x_indptr, x_index, x_value, start, stop, learn, sums, n_seen, indptr, index, scaled_value, raw_value):
    """Write rows without their missing values, each row scaled feature by feature and brought to unit length.

    sums : float64[features, 3], of the present values: how many, sum, sum of squares; n_seen : float64[1], events
    indptr : int64[rows + 1]; index : int32[pairs]; scaled_value, raw_value : float32[pairs], out; raw_value is the value
    as given, at unit length. A row is scaled with itself taken into the sums; without `learn` they are left as they were.
    """
    used = 0
    indptr[0] = 0
    for row in range(start, stop):
        first = used
        seen = n_seen[0] + 1.0
        largest = 0.0
        for k in range(x_indptr[row], x_indptr[row + 1]):
            value = x_value[k]
            if math.isnan(value):
                continue
            s = sums[x_index[k]]
            count, total, square = s[COUNT] + 1.0, s[TOTAL] + value, s[SQUARE] + value * value
            if learn:
                s[COUNT], s[TOTAL], s[SQUARE] = count, total, square
            index[used] = x_index[k]
            scaled_value[used] = scaled(value, count, total, square, seen)
            largest = max(largest, abs(value))
            used += 1
        at = first
        for k in range(x_indptr[row], x_indptr[row + 1]):
            if not math.isnan(x_value[k]):
                raw_value[at] = x_value[k] / largest if largest > 0.0 else 0.0
                at += 1
        to_unit_length(scaled_value, first, used)
        to_unit_length(raw_value, first, used)
        indptr[row - start + 1] = used
        if learn:
            n_seen[0] = seen
            if seen > _LONG:
                n_seen[0] *= 0.5
                sums[:] *= 0.5
