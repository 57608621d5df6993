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
_MOST = 1e30  # sum of squares of a step: what is larger comes from weights that are spoiled
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
    """Write h = max(0, U' x) to `unit`, float32[units + 1], its last place being the constant's, and V' h to `score`.

    lower : float32[rows + 1, units], U; upper : float32[units + 1, places or more], V; the last rows are those of the constant
    score : float32[places], of `padded`
    """
    linear_score(index, value, first, last, lower, unit[:N_UNITS])
    unit[N_UNITS] = BIAS
    score[:] = 0.0
    for j in range(unit.size):
        h = unit[j] if unit[j] > 0.0 else np.float32(0.0)
        unit[j] = h
        row = upper[j]
        for label in range(score.size):
            score[label] += h * row[label]


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
def step_upper(unit, error, n_labels, upper, upper_square):
    """Take a step of AdaGrad with one rate for a row: S_j += h_j^2 mean of e_l^2, V_j += rate h_j e / sqrt(S_j)."""
    mean_square = mean_square_of(error, n_labels)
    if mean_square == 0.0:
        return
    for j in range(unit.size):
        h = unit[j]
        upper_square[j] += float(h) * float(h) * mean_square
        c = np.float32(_RATE * h / math.sqrt(upper_square[j]))
        row = upper[j]
        for label in range(error.size):
            row[label] += c * error[label]


@inner
def step_lower(index, value, first, last, back, lower, lower_square):
    """Take a step of AdaGrad with one rate for a row: S_f += x_f^2 mean of b_j^2, U_f += rate x_f b / sqrt(S_f)."""
    mean_square = mean_square_of(back, N_UNITS)
    if mean_square == 0.0:
        return
    n_rows = lower.shape[0] - 1
    for k in range(first, last + 1):
        at, x = (index[k] % n_rows, value[k]) if k < last else (n_rows, BIAS)
        lower_square[at] += float(x) * float(x) * mean_square
        c = np.float32(_RATE * x / math.sqrt(lower_square[at]))
        row = lower[at]
        for j in range(back.size):
            row[j] += c * back[j]


@inner
def hidden_step(index, value, first, last, mark, base, weight, lower, lower_square, upper, upper_square, unit, score, back):
    """Take one step on an event by its log-loss, from what `hidden_score` wrote to `unit` and `score`.

    e_l = w (y_l - p_l), p_l from base_l + score_l;  b_j = sum over l of V_jl e_l where h_j > 0, else 0
    mark : uint8[labels]; lower_square : float64[rows + 1], upper_square : float64[units + 1]; back : float32[units]
    """
    for label in range(mark.size):
        error = (mark[label] == POSITIVE) - probability(np.float32(bounded(float(score[label]) + base[label], MOST_ODDS)))
        score[label] = 0.0 if mark[label] == UNOBSERVED else weight * error
    for j in range(N_UNITS):
        row, total = upper[j], np.float32(0.0)
        for label in range(mark.size):
            total += row[label] * score[label]
        back[j] = total if unit[j] > 0.0 else np.float32(0.0)
    step_upper(unit, score, mark.size, upper, upper_square)
    step_lower(index, value, first, last, back, lower, lower_square)
