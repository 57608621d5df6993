"""Features brought to a common scale, so that linear models and distances work on raw values."""

import math
from typing import NamedTuple

import numpy as np

from ihomer.kernels.common import allocating, copy_first, inner, jit
from ihomer.kernels.ranks import N_TAKEN, normal_score, note_value, start_ranks

_USUAL = 0.45  # a feature in more than this share of the events is centred, if its values differ
_ALWAYS = 0.75  # one in more than this share of the events, always with the same value, counts by its absence
_LATE = 5.0  # events before a feature's first one in which it counts as absent; before them it did not exist
MOST_POSITION = 5.0  # standard deviations from the mean is the largest value on the scale
_STEP = 0.03125  # standard deviations by which the outermost quantiles can be left behind at least
_FAR = 20.0  # standard deviations from the mean, from which a value counts in the sums as one at `MOST_POSITION`
_LEAST_COUNT = 10.0  # values from which the sums tell what is far
_BLOCK = 25.0  # values after which it is asked whether the feature has another scale by now
_RARITY = 0.3  # by this much more counts a feature among the relevant values that e times fewer events have
_SURE = 100.0  # events as if every feature had been seen in so many: of few events it cannot be said how rare it is
_SAYS = 0.7  # how much the size of a value says, beside that the event has the feature
_SQUARE_OF_SIZE = 0.19  # mean of (0.7 tanh z)^2 over a standard normal z
_LONG = 50_000.0  # events after which the sums are halved: the scale follows the stream
COUNT, TOTAL, SQUARE, MISSING = 0, 1, 2, 3  # of a feature: values, their sum and sum of squares; events without one
BLOCK_COUNT, BLOCK_TOTAL, BLOCK_SQUARE, BLOCK_FAR = 4, 5, 6, 7  # the first three of the block being filled; how many far out
NEGATIVE = 8  # how many of the values are less than 0
N_SUMS = 9


class Scale(NamedTuple):
    """What is known of the features, as kernels hand it to each other."""

    sums: np.ndarray  # float64[features, 9], see above
    n_seen: np.ndarray  # float64[1], events
    usual: np.ndarray  # int32[features], usual features, ascending
    n_usual: np.ndarray  # int64[1]
    ranks: np.ndarray  # float64[rows, 34], more than all centred features


class Values(NamedTuple):
    """What is known of the values of one feature."""

    n: float
    total: float
    square: float
    n_negative: float
    n_events: float  # in which the feature existed and was not missing


class Pairs(NamedTuple):
    """The features of one row with their values: the first ones are in use."""

    feature: np.ndarray  # int32[pairs], ascending
    is_present: np.ndarray  # bool[pairs]; else the event does not have the feature, and that is not its mean
    is_new: np.ndarray  # bool[pairs], no event had it before
    is_centred: np.ndarray  # bool[pairs], it was usual before the row
    position: np.ndarray  # float64[pairs], values on the scale of their features
    raw: np.ndarray  # float64[pairs], values as given
    relevant: np.ndarray  # float64[pairs], position, more where the feature is rare


@inner
def is_usual(count, n_events):
    """Tell whether many events have a feature. n_events : in which the feature existed and was not missing"""
    return count > max(_USUAL * n_events, 0.0)


@inner
def values_differ(count, total, square):
    """Tell whether the values of a feature are not all the same."""
    mean = total / count
    return square / count - mean * mean > 1e-9 * square / count


@jit
def list_usual(sums, n_seen, usual):
    """Write the usual features to `usual`, int32[features], ascending; return how many, and a number that all centred ones are
    below. sums : float64[features, 9]"""
    found, n_centred = np.int64(0), np.int64(0)
    for feature in range(sums.shape[0]):
        s = sums[feature]
        if is_usual(s[COUNT], n_seen - s[MISSING]):
            usual[found] = feature
            found += 1
            if values_differ(s[COUNT], s[TOTAL], s[SQUARE]):
                n_centred = np.int64(feature + 1)
    return found, n_centred


@inner
def scale_of(count, total, square, n_events):
    """Return mean and standard deviation of a usual feature whose values differ, else 0 and the root mean square of its values
    where present."""
    if is_usual(count, n_events) and values_differ(count, total, square):
        mean = total / n_events
        return mean, math.sqrt(max(square / n_events - mean * mean, 0.0))
    return 0.0, math.sqrt(square / count)


@inner
def on_scale(value, mean, spread):
    """Return (value - mean) / spread, at most 5 in magnitude."""
    return min(max((value - mean) / spread, -MOST_POSITION), MOST_POSITION) if spread > 0.0 else 0.0


@inner
def rare_place(value, known):
    """Return the place of a value of a feature that is not centred: (u + 0.7 tanh z) / sqrt(u^2 + 0.19), of mean square about
    1, with z the standard deviations that it is from the mean of the feature's values, and u the mean of their signs.

    0 stays 0. Where values are counts or amounts, u is 1: it says most that the event has the feature, and of its size the
    order more than by how much, for such values have long tails. Where values are few or all the same, their sign says all.
    One of a feature that is centred from now on has its place on that scale.
    """
    if value == 0.0:
        return 0.0
    mean, spread = scale_of(known.n, known.total, known.square, known.n_events)
    if mean != 0.0:
        return on_scale(value, mean, spread)
    if known.n < _LEAST_COUNT or not values_differ(known.n, known.total, known.square):
        return math.copysign(1.0, value)
    mean, sign = known.total / known.n, 1.0 - 2.0 * known.n_negative / known.n
    spread = math.sqrt(known.square / known.n - mean * mean)
    return (sign + _SAYS * math.tanh((value - mean) / spread)) / math.sqrt(sign * sign + _SQUARE_OF_SIZE)


@inner
def close_block(seen, scale, f):
    """End the block of a feature; if it is on another scale, the sums go on from the block alone.

    That is where most of its values are far out (the feature is given in another unit), or all are within a twentieth of the
    spread so far (which has come from one of the first values being far out, or from another unit).
    seen : number of events
    """
    sums, ranks = scale.sums, scale.ranks
    n_events = seen - sums[f, MISSING]
    n_late_share = sums[f, BLOCK_COUNT] / sums[f, COUNT]
    n_late = sums[f, BLOCK_COUNT] * n_events / sums[f, COUNT]
    _, spread = scale_of(sums[f, COUNT], sums[f, TOTAL], sums[f, SQUARE], n_events)
    _, late = scale_of(sums[f, BLOCK_COUNT], sums[f, BLOCK_TOTAL], sums[f, BLOCK_SQUARE], n_late)
    if 2.0 * sums[f, BLOCK_FAR] > sums[f, BLOCK_COUNT] or (sums[f, BLOCK_FAR] == 0.0 and 0.0 < _FAR * late < spread):
        sums[f, COUNT], sums[f, TOTAL], sums[f, SQUARE] = sums[f, BLOCK_COUNT], sums[f, BLOCK_TOTAL], sums[f, BLOCK_SQUARE]
        sums[f, MISSING] = max(seen - n_late, 0.0)
        sums[f, NEGATIVE] *= n_late_share
        if f < ranks.shape[0]:
            start_ranks(ranks[f])
    sums[f, BLOCK_COUNT : BLOCK_FAR + 1] = 0.0


@inner
def take_in(value, scale, f, seen, learn):
    """Return what is known of feature f with one more value, which goes to `sums[f]` if `learn`.

    A value far out, such as a sensor gives when it fails, counts no more than one that is just rare: else the next thousand
    events would all look the same beside it.
    """
    sums = scale.sums
    missing = max(sums[f, MISSING], seen - 1.0 - _LATE) if sums[f, COUNT] == 0.0 else sums[f, MISSING]
    n_events, kept, is_far = seen - missing, value, False
    if sums[f, COUNT] >= _LEAST_COUNT:
        mean, spread = scale_of(sums[f, COUNT], sums[f, TOTAL], sums[f, SQUARE], n_events - 1.0)
        is_far = abs(value - mean) > _FAR * spread
        if is_far:
            kept = min(max(value, mean - MOST_POSITION * spread), mean + MOST_POSITION * spread)
    count, total, square = sums[f, COUNT] + 1.0, sums[f, TOTAL] + kept, sums[f, SQUARE] + kept * kept
    n_negative = sums[f, NEGATIVE] + (value < 0.0)
    if learn:
        sums[f, COUNT], sums[f, TOTAL], sums[f, SQUARE], sums[f, MISSING] = count, total, square, missing
        sums[f, NEGATIVE] = n_negative
        sums[f, BLOCK_COUNT] += 1.0
        sums[f, BLOCK_TOTAL] += value
        sums[f, BLOCK_SQUARE] += value * value
        sums[f, BLOCK_FAR] += is_far
    return Values(count, total, square, n_negative, n_events)


@inner
def to_unit_length(values, is_new, size):
    """Divide values[:size] by the Euclidean norm of those that are not new; return that norm over the norm of all.

    What is new is cut to [-1, 1] after the division. Where there is nothing else, nothing counts as new.
    """
    square, largest = 0.0, 0.0
    for k in range(size):
        if not is_new[k]:
            largest = max(largest, abs(values[k]))
    if largest == 0.0:
        for k in range(size):
            is_new[k] = False
            largest = max(largest, abs(values[k]))
    if largest > 0.0:
        for k in range(size):
            if not is_new[k]:
                share = values[k] / largest
                square += share * share
    norm = largest * math.sqrt(square) if square > 0.0 else 1.0
    known, total = 0.0, 0.0
    for k in range(size):
        values[k] = values[k] / norm
        if is_new[k]:
            values[k] = min(max(values[k], -1.0), 1.0)
        else:
            known += values[k] * values[k]
        total += values[k] * values[k]
    return math.sqrt(known / total) if total > 0.0 else 1.0


@inner
def centred_place(value, known, table, learn):
    """Return the normal score of a centred value, its place on the scale while there are few; take it in if `learn`, as one
    that is 5 standard deviations from the mean at most.
    """
    mean, spread = scale_of(known.n, known.total, known.square, known.n_events)
    least = _STEP * spread
    score = normal_score(value, table, least) if table[N_TAKEN] > 0.0 else on_scale(value, mean, spread)
    if learn:
        note_value(min(max(value, mean - MOST_POSITION * spread), mean + MOST_POSITION * spread), table, least)
    return score


@inner
def scale_row(x_index, x_value, first, last, learn, scale, pairs, renewed):
    """Write the pairs of one row and what is usual after it, `renewed`, int32[pairs]; return how many of each, and a number
    that all centred features are below, now and after the row.

    The row, its indices ascending, and the usual features are gone through side by side. A usual feature is centred where its
    values differ. Where they are all the same, as of a nominal value or a mark that nearly all events have, an event that has
    it says nothing by that, and one that has not says as much as one with a feature that few have: -1. In the code, n_alike is
    how many events before had the feature, or had it not, as this one. A block ends when the row has its place: the row that is
    learned is the one that was asked about.
    """
    seen, n_usual, usual, sums = scale.n_seen[0] + 1.0, scale.n_usual[0], scale.usual, scale.sums
    size, n_renewed, n_centred, k, u = np.int64(0), np.int64(0), np.int64(0), first, np.int64(0)
    while k < last or u < n_usual:
        is_present = k < last and (u == n_usual or x_index[k] <= usual[u])
        f = x_index[k] if is_present else usual[u]
        is_centred, is_constant, is_centred_next, n_alike = False, False, False, sums[f, COUNT]
        if u < n_usual and usual[u] == f:
            u += 1
            is_centred = values_differ(n_alike, sums[f, TOTAL], sums[f, SQUARE])
            is_constant = not is_centred and n_alike > max(_ALWAYS * (seen - 1.0 - sums[f, MISSING]), 1.0)
        value, is_new, is_missing = 0.0, False, False
        if is_present:
            value, is_new = x_value[k], n_alike == 0.0
            is_missing = math.isnan(value)
            k += 1
        if is_missing and learn:
            sums[f, MISSING] += 1.0
        if is_present and not is_missing:
            known = take_in(value, scale, f, seen, learn)
        else:
            known = Values(n_alike, sums[f, TOTAL], sums[f, SQUARE], sums[f, NEGATIVE], seen - sums[f, MISSING])
        says = not is_missing and (is_present or is_centred)
        if is_constant and not values_differ(known.n, known.total, known.square):
            says, value = not is_missing and not is_present, -sums[f, TOTAL] / sums[f, COUNT]
            n_alike = max(seen - 1.0 - sums[f, MISSING] - n_alike, 0.0)
        if says:
            rarity = 1.0 if is_centred else 1.0 + _RARITY * math.log((seen + _SURE) / (n_alike + 1.0 + _SURE))
            pairs.feature[size], pairs.is_present[size], pairs.is_new[size] = f, is_present, is_new
            pairs.is_centred[size] = is_centred
            place = centred_place(value, known, scale.ranks[f], learn) if is_centred else rare_place(value, known)
            pairs.position[size], pairs.raw[size] = place, value
            pairs.relevant[size] = rarity * pairs.position[size]
            size += 1
        if learn and sums[f, BLOCK_COUNT] >= _BLOCK:
            close_block(seen, scale, f)
        if is_usual(sums[f, COUNT], seen - sums[f, MISSING]):
            renewed[n_renewed] = f
            n_renewed += 1
            is_centred_next = learn and values_differ(sums[f, COUNT], sums[f, TOTAL], sums[f, SQUARE])
        if is_centred or is_centred_next:
            n_centred = np.int64(f + 1)
    return size, n_renewed, n_centred


@allocating
def room_for_pairs(most):
    """Return room for so many pairs."""
    return Pairs(
        np.empty(most, np.int32), np.empty(most, np.bool_), np.empty(most, np.bool_), np.empty(most, np.bool_), np.empty(most),
        np.empty(most), np.empty(most),
    )  # fmt: skip


@inner
def halve(sums, n_seen):
    """Halve all counts and sums."""
    n_seen[0] *= 0.5
    for feature in range(sums.shape[0]):
        for i in range(N_SUMS):
            sums[feature, i] *= 0.5


@jit
def scale_rows(x, start, stop, learn, of_scale, row, indptr, of_pairs, shrink):
    """Write rows with each feature on its scale, as given at unit length, and by relevance at unit length, from `row` on; rows
    start..row-1 are done.

    Missing values are left out. An absent feature is 0; where that is not 0 on its scale, since it is usual, it gets a pair
    too, see `scale_row`. A row is scaled with itself taken into the sums; without `learn` they are left as they were. A feature
    that no event had before takes no part in the length, so that an answer does not depend on whether its name is known
    already; what is learned from is the row times `shrink`, which is of unit length with it.
    A relevant value is a position times 1 + 0.3 ln((events + 100) / (events with the feature + 100)) where the feature is not
    usual: that two events share a rare feature says more than that they share a common one.

    x : indptr, index and value of a batch; of_scale : `Scale`
    indptr : int64[rows + 1], of_pairs : feature, int32[room], is_present, is_new, is_centred, bool[room], position, raw and
    relevant, float32[room], out
    shrink : float32[2, rows], raw and relevant, out
    Return the row before which it stopped, for want of room if it is not `stop`, for pairs or for ranks; how many pairs the
    longest row has; and a number that all centred features are below, also those of the next row.
    """
    x_indptr, x_index, x_value = x
    feature, is_present, is_new, is_centred, position, raw, relevant = of_pairs
    scale, most, n_centred = Scale(*of_scale), np.int64(0), np.int64(0)
    n_seen, usual, n_usual = scale.n_seen, scale.usual, scale.n_usual
    pairs, renewed = room_for_pairs(np.int64(0)), np.empty(0, np.int32)
    indptr[0] = 0
    while row < stop:
        first, last, used = x_indptr[row], x_indptr[row + 1], indptr[row - start]
        width = last - first + n_usual[0]
        if used + width > feature.size or n_centred > scale.ranks.shape[0]:
            break
        if width > renewed.size:
            pairs, renewed = room_for_pairs(2 * width), np.empty(2 * width, np.int32)
        size, n_renewed, below = scale_row(x_index, x_value, first, last, learn, scale, pairs, renewed)
        for k in range(size):
            feature[used + k], is_present[used + k], is_new[used + k] = pairs.feature[k], pairs.is_present[k], pairs.is_new[k]
            is_centred[used + k], position[used + k] = pairs.is_centred[k], pairs.position[k]
        shrink[0, row - start] = to_unit_length(pairs.raw, pairs.is_new.copy(), size)
        shrink[1, row - start] = to_unit_length(pairs.relevant, pairs.is_new, size)
        for k in range(size):
            raw[used + k], relevant[used + k] = pairs.raw[k], pairs.relevant[k]
        row += 1
        indptr[row - start], most, n_centred = used + size, max(most, size), max(n_centred, below)
        if learn:
            copy_first(renewed, usual, n_renewed)
            n_usual[0], n_seen[0] = n_renewed, n_seen[0] + 1.0
            if n_seen[0] > _LONG:
                halve(scale.sums, n_seen)
    return row, most, n_centred
