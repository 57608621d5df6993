"""Normal scores of ranks: where a value stands among those of its feature, whatever their distribution.

The score of a value v is the normal quantile of its rank, Phi^-1(r(v)) (van der Waerden, Indagationes Mathematicae 14, 1952),
r(v) the share of the feature's values that are less, with half of those that are equal. So units, logarithms and long tails
change no score, and a value far out changes those of others little; what is lost is how far values lie apart. What is kept of
the values is 16 quantiles, those of the shares (i + 1/2) / 16, and the latest ones: when these are 16, the quantiles become
those of the mixture of both distributions.
"""

from statistics import NormalDist

import numpy as np

from ihomer.kernels.common import allocating, copy_first, inner
from ihomer.kernels.encoding import MAX_MAGNITUDE

N_QUANTILES = 16
LATEST, N_TAKEN, N_WAITING = N_QUANTILES, 2 * N_QUANTILES, 2 * N_QUANTILES + 1  # columns behind the quantiles
N_COLUMNS = 2 * N_QUANTILES + 2
MOST_TAKEN = 2000.0  # values that the quantiles count as at most: they follow the stream
_SCORES = np.array([NormalDist().inv_cdf(r / 64) for r in (1, *range(2, 64, 4), 63)])  # of r = 1/64, the 16 shares, 63/64


@inner
def point_of(table, first, i, least):
    """Return a point of the line F: 0 is where it begins, 1 to 16 are the values, 17 is where it ends.

    It begins and ends half as far beyond the outermost values as the next ones are away, `least` at least: else the quantiles
    could not follow values beyond them.
    """
    last = first + N_QUANTILES - 1
    if i == 0:
        return table[first] - max(0.5 * (table[first + 1] - table[first]), least)
    if i == N_QUANTILES + 1:
        return table[last] + max(0.5 * (table[last] - table[last - 1]), least)
    return table[first + i - 1]


@inner
def part_of(value, low, high, otherwise):
    """Return which part of the way from `low` to `high` a value is, from 0 to 1; `otherwise` where there is no way."""
    return min(max((value - low) / (high - low), 0.0), 1.0) if high > low else otherwise


@inner
def within_bounds(value):
    """Return a value that lies within what values may be, though it has been rounded."""
    return min(max(value, -MAX_MAGNITUDE), MAX_MAGNITUDE)


@inner
def n_below(value, table):
    """Return how many of the 16 quantiles are less than a value: by halving, without a branch that could be guessed wrong."""
    n = np.int64(table[7] < value) * 8
    n += np.int64(table[n + 3] < value) * 4
    n += np.int64(table[n + 1] < value) * 2
    n += np.int64(table[n] < value)
    return n + np.int64(table[n] < value)


@inner
def shares_of_rank(value, table, first, n_less, n_up_to, least):
    """Return F(v-) and F(v), the shares of values that are less than v, and not more, where 16 sorted ones from column `first`
    on stand for all; so many of these are less, and not more.

    F is a line from where it begins, 0, through value i at (i + 1/2) / 16 to where it ends, 1; a step where values are equal.
    table : float64[34]; least : see `point_of`
    """
    if n_up_to > n_less:
        return (n_less + 0.5) / N_QUANTILES, (n_up_to - 0.5) / N_QUANTILES
    if n_less == 0:
        low, high = point_of(table, first, 0, least), table[first]
        place = 0.5 * part_of(value, low, high, 0.0)
    elif n_less == N_QUANTILES:
        low, high = table[first + N_QUANTILES - 1], point_of(table, first, N_QUANTILES + 1, least)
        place = N_QUANTILES - 0.5 + 0.5 * part_of(value, low, high, 1.0)
    else:
        place = n_less - 0.5 + part_of(value, table[first + n_less - 1], table[first + n_less], 1.0)
    return place / N_QUANTILES, place / N_QUANTILES


@inner
def normal_score(value, table, least):
    """Return Phi^-1((F(v-) + F(v)) / 2), a straight line between the shares of the quantiles, from -2.15 to 2.15.

    table : float64[34], of a feature with quantiles; least : see `point_of`
    """
    n_less = n_below(value, table)
    n_up_to = n_less
    while n_up_to < N_QUANTILES and table[n_up_to] == value:
        n_up_to += 1
    less, up_to = shares_of_rank(value, table, 0, n_less, n_up_to, least)
    q = 0.5 * N_QUANTILES * (less + up_to)
    place = q + min(q, 0.5) + max(q - (N_QUANTILES - 0.5), 0.0)
    i = min(np.int64(place), N_QUANTILES)
    return _SCORES[i] + (place - i) * (_SCORES[i + 1] - _SCORES[i])


@inner
def sort_latest(table):
    """Sort the 16 latest values."""
    for i in range(LATEST + 1, LATEST + N_QUANTILES):
        value, j = table[i], i
        while j > LATEST and table[j - 1] > value:
            table[j] = table[j - 1]
            j -= 1
        table[j] = value


@inner
def counted(value, table, first, n_less, n_up_to):
    """Return how many of 16 sorted values are less than one, and not more: no fewer than of one that was not larger."""
    while n_up_to < N_QUANTILES and table[first + n_up_to] <= value:
        n_up_to += 1
    while n_less < n_up_to and table[first + n_less] < value:
        n_less += 1
    return n_less, n_up_to


@allocating
def merge_latest(table, least):
    """Take the 16 latest values, sorted, into the quantiles: these become those of (n F_old + 16 F_latest) / (n + 16).

    That is a line between the points of both, which are gone through side by side, with a step where there is one in either.
    """
    n, quantiles = table[N_TAKEN], np.empty(N_QUANTILES)
    part, late = n / (n + N_QUANTILES), N_QUANTILES / (n + N_QUANTILES)
    i, j, found, before, share_before, n_points = 0, 0, 0, 0.0, 0.0, N_QUANTILES + 2
    own, other = (0, 0), (0, 0)
    while found < N_QUANTILES:
        value, latest = point_of(table, 0, min(i, n_points - 1), least), point_of(table, LATEST, min(j, n_points - 1), least)
        is_old = j == n_points or (i < n_points and value <= latest)
        value, i, j = value if is_old else latest, i + is_old, j + (not is_old)
        own, other = counted(value, table, 0, own[0], own[1]), counted(value, table, LATEST, other[0], other[1])
        less, up_to = shares_of_rank(value, table, 0, own[0], own[1], least)
        less_late, up_to_late = shares_of_rank(value, table, LATEST, other[0], other[1], least)
        less, up_to = part * less + late * less_late, part * up_to + late * up_to_late
        is_last = i == n_points and j == n_points
        while found < N_QUANTILES and (is_last or (found + 0.5) / N_QUANTILES <= up_to):
            quantiles[found], rise = value, (found + 0.5) / N_QUANTILES - share_before
            if rise < less - share_before:
                quantiles[found] = within_bounds(min(before + rise / (less - share_before) * (value - before), value))
            found += 1
        before, share_before = value, up_to
    copy_first(quantiles, table, N_QUANTILES)


@inner
def note_value(value, table, least):
    """Take a value in. table : float64[34]; least : see `point_of`"""
    n = np.int64(table[N_WAITING])
    table[LATEST + n] = within_bounds(value)
    table[N_WAITING] = n + 1.0
    if n + 1 == N_QUANTILES:
        sort_latest(table)
        if table[N_TAKEN] == 0.0:
            copy_first(table[LATEST:], table, N_QUANTILES)
        else:
            merge_latest(table, least)
        table[N_TAKEN] = min(table[N_TAKEN] + N_QUANTILES, MOST_TAKEN)
        table[N_WAITING] = 0.0


@inner
def start_ranks(table):
    """Forget all values."""
    table[N_TAKEN] = table[N_WAITING] = 0.0
