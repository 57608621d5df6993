"""One layer of hidden units between features and labels, learned by back-propagation."""

import math
from typing import NamedTuple

import numpy as np

from ihomer.kernels.common import allocating, inner, row_of
from ihomer.kernels.curves import add_curves, line_score, shares_of
from ihomer.kernels.linear import BIAS
from ihomer.kernels.odds import MOST_ODDS, POSITIVE, UNOBSERVED, bounded, probability
from ihomer.kernels.random import uniform
from ihomer.kernels.scaling import to_unit_length

N_UNITS = 64  # hidden units
_EVEN = 0.3  # of the mean relevance of an event's features, added to that of each
MOST_RELEVANCE = 1e30  # what is more, or no number, comes from weights that are spoiled
_RATE = np.float32(0.1)  # of the AdaGrad steps
START = 0.03  # of a row's summed squared gradients: a row of which nothing is known moves by little
_SPREAD = 0.17  # weights of a feature start in [-0.17, 0.17], at random, so that no two units learn the same
_MOST = 1e30  # sum of squares of a step: what is larger comes from weights that are spoiled
_SEED = 64  # of the weights at the start, which depend on nothing else
_CONSTANT = 1 << 32  # number of the constant, where the rows of features have theirs


class Layer(NamedTuple):
    """The weights of the layer, and of each row of them 0.03 and the summed squared gradients; 0 of a row of U that sleeps."""

    lower: np.ndarray  # float32[rows + 1, units], U, from all features; the last row is that of the constant
    lower_square: np.ndarray  # float64[rows + 1]
    curves: np.ndarray  # float32[5, rows of curves + 1, units], C, from centred features beside U
    curves_square: np.ndarray  # float64[5, rows of curves + 1]
    upper: np.ndarray  # float32[units + 1, places or more], V, to labels; the last row is that of the constant
    upper_square: np.ndarray  # float64[units + 1]


@inner
def wake_row(row, number, lower, lower_square):
    """Give a row of weights that no event has had so far its random start; return whether it had none.

    Until then it is 0: an answer must not depend on whether the name of a feature is known already.
    """
    if lower_square[row] > 0.0:
        return False
    lower_square[row] = START
    for unit in range(lower.shape[1]):
        lower[row, unit] = _SPREAD * (2.0 * uniform(np.int64(_SEED), np.int64(number), np.int64(unit)) - 1.0)
    return True


@inner
def wake_rows(points, lower, lower_square):
    """Wake the rows of an event's features and of the constant; return whether one of them was asleep.

    Those of curves need no start of their own: the units differ already.
    """
    n_rows = lower.shape[0] - 1
    woken = wake_row(np.int64(n_rows), np.int64(_CONSTANT), lower, lower_square)
    for k in range(points.first, points.last):
        row = np.int64(row_of(points.feature[k], n_rows))
        woken |= wake_row(row, row, lower, lower_square)
    return woken


@inner
def hidden_score(points, layer, unit, active, score):
    """Write U' x + curves to `unit`, float32[units + 1], its last place being the constant's, and V' h, h = max(0, `unit`), to
    `score`, float32[places] of `padded`. See `line_score` and `add_curves`.

    The units with h > 0 are written to `active`, int64[units + 1], the constant last; return how many: the others cost no time.
    """
    line_score(points, layer.lower, True, unit[:N_UNITS])
    add_curves(points, layer.curves, unit[:N_UNITS])
    unit[N_UNITS] = BIAS
    score[:] = 0.0
    n_active = np.int64(0)
    for j in range(unit.size):
        active[n_active] = j
        n_active += unit[j] > 0.0
    for i in range(n_active):
        h, row = unit[active[i]], layer.upper[active[i]]
        for label in range(score.size):
            score[label] += h * row[label]
    return n_active


@inner
def sum_of_lanes(lanes):
    """Return the sum of the first eight of `lanes`, float32[32]."""
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))


@inner
def measure_strength(upper, places, strength):
    """Write the sum over labels l of V_jl^2 of each unit j to `strength`, float32[units]; places : how many of a row of V"""
    for j in range(strength.size):
        total = 0.0
        for label in range(places):
            total += float(upper[j, label]) * float(upper[j, label])
        strength[j] = total if total < MOST_RELEVANCE else MOST_RELEVANCE  # so also where it is no number


@inner
def relevance_of(row, strength, lanes):
    """Return sum over units j of U_fj^2 times the strength of j, for the row U_f of a feature.

    In sums side by side, which a processor takes at once. lanes : float32[32], work space
    """
    for j in range(N_UNITS // 2):
        low, high = row[j], row[N_UNITS // 2 + j]
        lanes[j] = strength[j] * low * low + strength[N_UNITS // 2 + j] * high * high
    for j in range(N_UNITS // 8):
        lanes[j] = (lanes[j] + lanes[8 + j]) + (lanes[16 + j] + lanes[24 + j])
    return sum_of_lanes(lanes)


@allocating
def weigh_by_relevance(points, is_new, lower, strength, lanes, relevant, shrink):
    """Multiply the values of an event in `relevant` by sqrt(s_f + 0.3 mean of s), and bring them to unit length without the
    features that are new; return what they are to be multiplied by to be so with them. Where all s are 0 the values are left,
    and `shrink` is returned.

    s_f = sum over units j of U_fj^2 times the strength of j: how fast the log-odds of labels move with feature f, as if all
    units were active. It stands for the diagonal of the mean outer product of gradients, by which a kernel method that
    measures distances finds the features that a neural network finds (Radhakrishnan, Beaglehole, Pandit, Belkin, Science 2024).
    Of curves nothing is said: their slopes come from few events each, and the mean slope is that of the line beside them.
    lanes : float32[32], work space
    """
    first, n_rows = points.first, lower.shape[0] - 1
    size = points.last - first
    total, count = 0.0, 0
    wide, new = np.empty(size), np.empty(size, np.bool_)
    for k in range(size):
        s = relevance_of(lower[row_of(points.feature[first + k], n_rows)], strength, lanes)
        wide[k], new[k] = s if s < MOST_RELEVANCE else MOST_RELEVANCE, is_new[first + k]
        if not new[k]:
            total, count = total + wide[k], count + 1
    if total == 0.0:
        return float(shrink)
    even = _EVEN * total / count
    for k in range(size):
        wide[k] = relevant[first + k] * math.sqrt(wide[k] + even)
    result = to_unit_length(wide, new, size)
    for k in range(size):
        relevant[first + k] = wide[k]
    return result


@inner
def mean_square_of(step, size):
    """Return the mean of the first `size` squares, 0 of none; a step that is not finite or out of bounds is taken as 0."""
    total = 0.0
    for j in range(size):
        total += float(step[j]) * float(step[j])
    if not total < _MOST:
        step[:] = 0.0
        total = 0.0
    return total / max(size, 1)


@inner
def step_upper(unit, active, n_active, error, n_labels, upper, upper_square):
    """Take a step of AdaGrad with one rate for a row: S_j += h_j^2 mean of e_l^2, V_j += rate h_j e / sqrt(S_j)."""
    mean_square = mean_square_of(error, n_labels)
    if mean_square == 0.0:
        return
    for i in range(n_active):
        j = active[i]
        h = unit[j]
        upper_square[j] += float(h) * float(h) * mean_square
        c = _RATE * h / math.sqrt(np.float32(upper_square[j]))
        row = upper[j]
        for label in range(error.size):
            row[label] += c * error[label]


@inner
def step_row(x, back, mean_square, row, square):
    """Take a step of AdaGrad with one rate for a row: S += x^2 mean of b_j^2, U += rate x b / sqrt(S); return S."""
    square += float(x) * float(x) * mean_square
    c = _RATE * x / math.sqrt(np.float32(square))
    for j in range(N_UNITS):
        row[j] += c * back[j]
    return square


@inner
def step_lower(points, back, layer):
    """Take a step on the rows of an event's features and of the constant; see `step_row`."""
    mean_square = mean_square_of(back, N_UNITS)
    if mean_square == 0.0:
        return
    lower, lower_square, curves, curves_square = layer.lower, layer.lower_square, layer.curves, layer.curves_square
    n_rows, n_curves, part = lower.shape[0] - 1, curves.shape[1] - 1, np.float32(1.0 / points.length)
    for k in range(points.first, points.last):
        at = row_of(points.feature[k], n_rows)
        lower_square[at] = step_row(part * points.position[k], back, mean_square, lower[at], lower_square[at])
        if points.is_centred[k]:
            j, below, above = shares_of(points.position[k], part)
            at = row_of(points.feature[k], n_curves)
            curves_square[j, at] = step_row(below, back, mean_square, curves[j, at], curves_square[j, at])
            curves_square[j + 1, at] = step_row(above, back, mean_square, curves[j + 1, at], curves_square[j + 1, at])
    lower_square[n_rows] = step_row(BIAS, back, mean_square, lower[n_rows], lower_square[n_rows])


@inner
def hidden_step(points, mark, base, weight, layer, unit, active, n_active, score, back):
    """Take one step on an event by its log-loss, from what `hidden_score` wrote to `unit` and `score`.

    e_l = w (y_l - p_l), p_l from base_l + score_l;  b_j = sum over l of V_jl e_l where h_j > 0, else 0
    mark : uint8[labels]; back : float32[units]
    """
    for label in range(mark.size):
        error = (mark[label] == POSITIVE) - probability(np.float32(bounded(float(score[label]) + base[label], MOST_ODDS)))
        score[label] = 0.0 if mark[label] == UNOBSERVED else weight * error
    back[:] = 0.0
    for i in range(n_active - 1):  # the last one is the constant
        row, total = layer.upper[active[i]], np.float32(0.0)
        for label in range(mark.size):
            total += row[label] * score[label]
        back[active[i]] = total
    step_upper(unit, active, n_active, score, mark.size, layer.upper, layer.upper_square)
    step_lower(points, back, layer)
