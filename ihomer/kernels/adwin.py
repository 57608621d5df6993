"""ADWIN2 (Bifet, Gavaldà 2007): has the mean of a sequence changed? Many detectors live in one array.

Row d of `state` is one detector. With L levels and B = `MAX_BUCKETS` it holds, in float64,

    [0] width  [1] total  [2] variance (sum of squared deviations)  [3] updates since the last reset
    [4 : 4 + L]      number of buckets of each level; a bucket of level l sums up 2^l values
    then L * B * 2   (total, variance) of each bucket, oldest first within a level

which is 2,144 bytes at the default of 24 levels: windows of up to 80 million values. A longer window forgets
its oldest bucket. The constants are those of the published implementation (MOA); every boundary is tried.
"""

import math

import numpy as np

from ihomer.kernels.common import VALUE, inner, jit

MAX_BUCKETS = 5  # per level
LEVELS = 24
CLOCK = 32  # updates from one check to the next, as published
MIN_WINDOW = 5  # values that either side of a cut must hold
GRACE_PERIOD = 10  # no check while the window is not wider than this

WIDTH, TOTAL, VARIANCE, TICKS, COUNTS = 0, 1, 2, 3, 4


def adwin_arrays(n, levels=LEVELS):
    """Allocate `n` empty detectors: float64[n, 4 + levels * (1 + 2 * MAX_BUCKETS)]."""
    return np.zeros((n, COUNTS + levels * (1 + 2 * MAX_BUCKETS)), dtype=VALUE)


@jit
def adwin_reset(state, d):
    """Empty detector `d`."""
    state[d, :] = 0.0


@jit
def adwin_width(state, d):
    """Return the number of values in the window of detector `d`."""
    return int(state[d, WIDTH])


@jit
def adwin_mean(state, d):
    """Return the mean of the window of detector `d`; 0 while it is empty."""
    if state[d, WIDTH] == 0.0:
        return 0.0
    return state[d, TOTAL] / state[d, WIDTH]


@jit
def adwin_updates_to_check(state, d, clock):
    """Return the number of updates after which detector `d` looks for a cut next: 1 .. clock."""
    return clock - int(state[d, TICKS]) % clock


@inner
def _levels(state):
    return (state.shape[1] - COUNTS) // (1 + 2 * MAX_BUCKETS)


@inner
def _slot(state, level, k):
    """Return the column of the k-th oldest bucket of a level."""
    return COUNTS + _levels(state) + 2 * (level * MAX_BUCKETS + k)


@inner
def _take_oldest(state, d, level):
    """Remove the oldest bucket of a level and return its (total, variance)."""
    first = _slot(state, level, 0)
    total, variance = state[d, first], state[d, first + 1]
    last = _slot(state, level, int(state[d, COUNTS + level]) - 1)
    for column in range(first, last):
        state[d, column] = state[d, column + 2]
    state[d, last] = 0.0
    state[d, last + 1] = 0.0
    state[d, COUNTS + level] -= 1.0
    return total, variance


@inner
def _drop_from_sums(state, d, size, total, variance):
    """Take a bucket of `size` values out of the sums of the window.

    variance -= v + size * rest * (mean - mean_rest)^2 / (size + rest)
    """
    state[d, WIDTH] -= size
    state[d, TOTAL] -= total
    rest = state[d, WIDTH]
    if rest > 0.0:
        distance = total / size - state[d, TOTAL] / rest
        variance += size * rest * distance * distance / (size + rest)
        state[d, VARIANCE] = max(0.0, state[d, VARIANCE] - variance)
    else:
        state[d, VARIANCE] = 0.0


@inner
def _drop_oldest(state, d):
    """Remove the oldest bucket of the window; return its (size, total)."""
    level = _levels(state) - 1
    while state[d, COUNTS + level] == 0.0:
        level -= 1
    total, variance = _take_oldest(state, d, level)
    size = 2.0**level
    _drop_from_sums(state, d, size, total, variance)
    return size, total


@inner
def _insert(state, d, value):
    """Put a value into the window; a level that is full passes its two oldest buckets on as one."""
    width = state[d, WIDTH]
    if width > 0.0:
        distance = value - state[d, TOTAL] / width
        state[d, VARIANCE] += width * distance * distance / (width + 1.0)
    state[d, WIDTH] += 1.0
    state[d, TOTAL] += value
    levels = _levels(state)
    total, variance = value, 0.0
    for level in range(levels):
        if level == levels - 1 and state[d, COUNTS + level] == MAX_BUCKETS:
            _drop_oldest(state, d)
        full = state[d, COUNTS + level] == MAX_BUCKETS
        next_total, next_variance = 0.0, 0.0
        if full:
            total_a, variance_a = _take_oldest(state, d, level)
            total_b, variance_b = _take_oldest(state, d, level)
            distance = (total_a - total_b) / 2.0**level
            next_total = total_a + total_b
            next_variance = variance_a + variance_b + 2.0**level * distance * distance / 2.0
        slot = _slot(state, level, int(state[d, COUNTS + level]))
        state[d, slot] = total
        state[d, slot + 1] = variance
        state[d, COUNTS + level] += 1.0
        if not full:
            return
        total, variance = next_total, next_variance


@inner
def _has_cut(state, d, delta):
    """Tell whether some bucket boundary splits the window into parts of different mean.

    |mean_0 - mean_1| > sqrt(2 m s^2 ln(2 ln(n) / delta)) + 2/3 m ln(2 ln(n) / delta),
    s^2 the variance of the window, n its width, m = 1 / (n_0 - 4) + 1 / (n_1 - 4).
    """
    width = state[d, WIDTH]
    confidence = math.log(2.0 * math.log(width) / delta)
    deviation = 2.0 * state[d, VARIANCE] / width * confidence
    size_0, total_0 = 0.0, 0.0
    for level in range(_levels(state) - 1, -1, -1):
        size = 2.0**level
        for k in range(int(state[d, COUNTS + level])):
            size_0 += size
            total_0 += state[d, _slot(state, level, k)]
            size_1 = width - size_0
            if size_1 < MIN_WINDOW:
                return False
            if size_0 < MIN_WINDOW:
                continue
            inverse = 1.0 / (size_0 - MIN_WINDOW + 1.0) + 1.0 / (size_1 - MIN_WINDOW + 1.0)
            bound = math.sqrt(deviation * inverse) + 2.0 / 3.0 * confidence * inverse
            if abs(total_0 / size_0 - (state[d, TOTAL] - total_0) / size_1) > bound:
                return True
    return False


@jit
def adwin_update(state, d, value, delta, clock):
    """Show one value, meant to lie in [0, 1], to detector `d`; cut its window while the cut is significant.

    Returns 0: no change; 1: change, and the window kept has a higher mean than what was dropped; -1: change,
    and it has not. A value that is not finite is ignored and leaves the state as it is. `delta` in (0, 1)
    bounds the chance that one check raises a false alarm; `clock` updates lie between two checks.
    """
    if not math.isfinite(value):
        return 0
    _insert(state, d, value)
    state[d, TICKS] += 1.0
    if int(state[d, TICKS]) % clock != 0:
        return 0
    dropped_size, dropped_total = 0.0, 0.0
    while state[d, WIDTH] > GRACE_PERIOD and _has_cut(state, d, delta):
        size, total = _drop_oldest(state, d)
        dropped_size += size
        dropped_total += total
    if dropped_size == 0.0:
        return 0
    return 1 if state[d, TOTAL] / state[d, WIDTH] > dropped_total / dropped_size else -1
