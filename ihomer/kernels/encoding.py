"""Dense events to sparse pairs."""

from ihomer.kernels.common import jit

MAX_MAGNITUDE = 1e100  # of a feature's value: its square, times any sum of weights, is still a number


@jit
def pack(values, order, index, out_index, out_value):
    """Write the pairs of an event whose values are not 0, index ascending; return how many, or -1.

    values : float64[n]; order : int64[n], position in `values` of the i-th name by index; index : int32[n], ascending, -1
    for a name without one; out_index, out_value : int32[n], float64[n]

    -1: a value is not a number, too large, or its name has no index. What was written is then of no use.
    """
    size = 0
    for i in range(values.size):
        value = values[order[i]]
        if value != 0.0:
            if index[i] < 0 or not abs(value) <= MAX_MAGNITUDE:
                return -1
            out_index[size] = index[i]
            out_value[size] = value
            size += 1
    return size
