"""One layer of hidden units between features and labels, learned by back-propagation."""

import math

import numpy as np

from ihomer.kernels.common import inner
from ihomer.kernels.linear import BIAS, linear_score
from ihomer.kernels.odds import MOST_ODDS, POSITIVE, UNOBSERVED, bounded, probability
from ihomer.kernels.random import uniform

N_UNITS = 64
_RATE = 0.1
START = 0.03  # of a row's summed squared gradients: a row of which nothing is known moves by little
_SPREAD = 0.17  # weights of a feature start in [-0.17, 0.17], at random, so that no two units learn the same
_SEED = 64
_CONSTANT = 1 << 32  # number of the constant, where the rows of features have theirs


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
def wake_rows(index, first, last, lower, lower_square):
    """Wake the rows of an event's features and of the constant; return whether one of them was asleep."""
    n_rows = lower.shape[0] - 1
    woken = wake_row(np.int64(n_rows), np.int64(_CONSTANT), lower, lower_square)
    for k in range(first, last):
        row = np.int64(index[k] % n_rows)
        woken |= wake_row(row, row, lower, lower_square)
    return woken


@inner
def hidden_score(index, value, first, last, lower, upper, unit, score):
    """Write h = max(0, U' x) to `unit`, float32[units], and V' h to `score`, float32[labels].

    lower : float32[rows + 1, units], U; upper : float32[units + 1, labels or more], V; the last rows are those of the constant
    """
    linear_score(index, value, first, last, lower, unit)
    constant = upper[unit.size]
    for label in range(score.size):
        score[label] = BIAS * constant[label]
    for j in range(unit.size):
        h = max(unit[j], np.float32(0.0))
        unit[j] = h
        row = upper[j]
        for label in range(score.size):
            score[label] += h * row[label]


@inner
def step_row(row, x, mean_square, row_square, place, step):
    """Take a step of AdaGrad with one rate for a whole row of weights: S += x^2 m, W_j += rate x b_j / sqrt(S).

    step : float32[n], b; mean_square : m, the mean of b^2; row_square : float64[rows], S, of which `place` is the row's
    """
    row_square[place] += float(x) * float(x) * mean_square
    c = np.float32(_RATE * x / math.sqrt(row_square[place]))
    for j in range(step.size):
        row[j] += c * step[j]


@inner
def mean_square_of(step):
    """Return the mean of the squares of float32[n]."""
    total = 0.0
    for j in range(step.size):
        total += float(step[j]) * float(step[j])
    return total / step.size


@inner
def hidden_step(index, value, first, last, mark, base, weight, lower, lower_square, upper, upper_square, unit, score, back):
    """Take one step on an event by its log-loss, from what `hidden_score` wrote to `unit` and `score`.

    e_l = w (y_l - p_l), p_l from base_l + score_l;  b_j = sum over l of V_jl e_l where h_j > 0, else 0
    V_j moves along h_j e, U_f along x_f b, as `step_row` says.
    mark : uint8[labels]; lower_square : float64[rows + 1], upper_square : float64[units + 1]; back : float32[units]
    """
    for label in range(score.size):
        error = (mark[label] == POSITIVE) - probability(bounded(float(score[label]) + base[label], MOST_ODDS))
        score[label] = 0.0 if mark[label] == UNOBSERVED else weight * error
    for j in range(unit.size):
        row, total = upper[j], np.float32(0.0)
        for label in range(score.size):
            total += row[label] * score[label]
        back[j] = total if unit[j] > 0.0 else np.float32(0.0)
    mean_square = mean_square_of(score)
    for j in range(unit.size):
        step_row(upper[j], unit[j], mean_square, upper_square, j, score)
    step_row(upper[unit.size], BIAS, mean_square, upper_square, unit.size, score)
    mean_square = mean_square_of(back)
    n_rows = lower.shape[0] - 1
    for k in range(first, last):
        row = index[k] % n_rows
        step_row(lower[row], value[k], mean_square, lower_square, row, back)
    step_row(lower[n_rows], BIAS, mean_square, lower_square, n_rows, back)
