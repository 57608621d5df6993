"""Dense events to sparse pairs."""

from ihomer.kernels.common import jit

MAX_MAGNITUDE = 1e100  # of a feature's value: its square, times any sum of weights, is still a number


@jit
def pack(values, order, index, out_index, out_value):
    """Write the pairs of an event whose values are not 0, index ascending; return how many, or -1.

    values : float64[n]; order : int64[n or more], position in `values` of the i-th name; index : int32[n], of the i-th name,
    -1 for one without; ascending where n is large: each pair is moved past those before it that have a larger one
    out_index, out_value : int32[n], float64[n]

    -1: a value is not a number, too large, or its name has no index. What was written is then of no use.
    """
    size = 0
    for i in range(values.size):
        value = values[order[i]]
        if value != 0.0:
            if index[i] < 0 or not abs(value) <= MAX_MAGNITUDE:
                return -1
            at = size
            while at > 0 and out_index[at - 1] > index[i]:
                out_index[at], out_value[at] = out_index[at - 1], out_value[at - 1]
                at -= 1
            out_index[at], out_value[at] = index[i], value
            size += 1
    return size


@jit
def note_seen(last_seen, index, number):
    """Write the number of an event to `last_seen`, int64[indices], for each of the features that it has."""
    for i in index:
        last_seen[i] = number
