"""Logistic regressions by stochastic gradient descent: several rates at once, all labels in one pass over the event."""

import numpy as np

from ihomer.kernels.common import inner, jit, row_of
from ihomer.kernels.odds import MOST_ODDS, POSITIVE, UNOBSERVED, bounded, probability

BIAS = np.float32(0.3)  # value of the constant feature
_MOST_WEIGHT = 8.0  # of an event: the step of a heavier one would overshoot


@inner
def padded(n_labels, room):
    """Return on how many places of a row of weights to work: whole vectors of 16 are done faster than a part of one.

    Weights of places that no label has are 0, and stay so.
    """
    return min((n_labels + 15) // 16 * 16, room)


@inner
def linear_score(index, value, first, last, w, score):
    """Write W' x to `score`, float32[places]; w : float32[rows + 1, places or more], its last row is the constant's."""
    n_rows = w.shape[0] - 1
    constant = w[n_rows]
    for label in range(score.size):
        score[label] = BIAS * constant[label]
    for k in range(first, last):
        x = value[k]
        row = w[row_of(index[k], n_rows)]
        for label in range(score.size):
            score[label] += x * row[label]


@inner
def linear_step(index, value, first, last, w, step):
    """Add step_l x to the weights of each label l; step : float32[places]."""
    n_rows = w.shape[0] - 1
    constant = w[n_rows]
    for label in range(step.size):
        constant[label] += BIAS * step[label]
    for k in range(first, last):
        x = value[k]
        row = w[row_of(index[k], n_rows)]
        for label in range(step.size):
            row[label] += x * step[label]


@inner
def models_row(index, value, first, last, mark, weight, learn, known, rates, base, weights, score, out, at):
    """Predict a row into out[:, at + m] for each model m, unless it is `known`, and learn it if `learn`; see `linear_rows`.

    weight : of the row, times what it is multiplied by before it is learned; score : float32[places], work space
    """
    for m in range(rates.size):
        w = weights[m]
        if not known:
            linear_score(index, value, first, last, w, score)
            for label in range(mark.size):
                s = float(score[label]) + (out[label, base] if base >= 0 else 0.0)
                out[label, at + m] = bounded(s, MOST_ODDS)
        if not learn:
            continue
        rate = rates[m] * weight
        for label in range(mark.size):
            error = (mark[label] == POSITIVE) - probability(out[label, at + m])
            score[label] = 0.0 if mark[label] == UNOBSERVED else rate * error
        linear_step(index, value, first, last, w, score)


@jit
def linear_rows(
    indptr, index, relevant, raw, target, weight, shrink, learn, known, rates, raw_rates, base, weights, raw_weights, out, at
):  # fmt: skip
    """Predict each row into out[row, :, at + m] for each model m, unless it is `known`, and learn it if `learn`: first the
    models of relevant values, which start from place `base` of `out`, then those of values as given, which start from nothing.

    s_l = base_l + W_l x,  W_l += rate * (y_l - 1 / (1 + exp(-s_l))) x
    indptr, index, relevant, raw : the rows, of unit length; target : uint8[rows, labels]; weight : float64[rows]
    relevant, raw, shrink : of `Rows`
    rates, raw_rates : float64[models]; out : float32[rows, labels, outputs]
    weights, raw_weights : float32[models, rows of weights + 1, labels or more]
    """
    n_labels, n_relevant = out.shape[1], rates.size
    score = np.zeros(padded(n_labels, weights.shape[2]), np.float32)
    raw_score = np.zeros(padded(n_labels, raw_weights.shape[2]), np.float32)
    for row in range(out.shape[0]):
        first, last, mark = indptr[row], indptr[row + 1], target[row, :n_labels]
        own = min(weight[row], _MOST_WEIGHT)
        models_row(
            index, relevant, first, last, mark, own * shrink[1, row], learn, known, rates, np.int64(base), weights, score,
            out[row], np.int64(at),
        )  # fmt: skip
        models_row(
            index, raw, first, last, mark, own * shrink[0, row], learn, known, raw_rates, np.int64(-1), raw_weights, raw_score,
            out[row], np.int64(at + n_relevant),
        )  # fmt: skip
