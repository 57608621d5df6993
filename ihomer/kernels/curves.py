"""Curves: weights of knots beside the one weight of a feature, so that what it says may bend with its value.

The position z of a centred feature, the normal score of its rank, lies between two knots, each of which has a row of
weights; the curve says what lies between these, (1 - u) C_j + u C_(j + 1). Added up over the features, curves are an additive
model of splines of degree one (Hastie and Tibshirani, Generalized Additive Models, 1990); as input of a network they are a
piecewise linear encoding of numbers (Gorishniy, Rubachev, Babenko 2022). A feature that is not centred has its line z W alone.
"""

import math
from typing import NamedTuple

import numpy as np

from ihomer.kernels.common import inner, row_of
from ihomer.kernels.linear import BIAS

N_KNOTS = 5  # at -2, -1, 0, 1 and 2; beyond the outer ones it is as there
LEAST_LENGTH, MOST_LENGTH = 1e-3, 1e3  # of a row: that of 4,096 values of 5 is 320
_FIRST = np.float32(-2.0)


class Points(NamedTuple):
    """An event: the pairs from `first` up to `last`."""

    feature: np.ndarray  # int32[pairs]
    position: np.ndarray  # float32[pairs], values on the scale of their features
    is_centred: np.ndarray  # bool[pairs]
    first: int
    last: int
    length: float  # what all is divided by; see `lengths_of`


@inner
def knots_of(z):
    """Return the number j of the knot below z, at most 3, and how far z is on the way to the next one, u in [0, 1]."""
    place = np.float32(0.0)
    if z > _FIRST:  # so also where z is no number
        place = min(z - _FIRST, np.float32(N_KNOTS - 1))
    j = min(np.int64(place), N_KNOTS - 2)
    return j, place - np.float32(j)


@inner
def bounded_length(length):
    """Return a length moved into [0.001, 1000]."""
    return min(max(length, LEAST_LENGTH), MOST_LENGTH)


@inner
def lengths_of(position, is_centred, is_new, first, last):
    """Return the Euclidean norm of a row without the features that are new, and with them, 0.001 at least. A centred feature
    counts by the shares of its knots. Where nothing else is there, none counts as new.
    """
    known, whole = 0.0, 0.0
    for k in range(first, last):
        square = float(position[k]) * float(position[k])
        if is_centred[k]:
            _, u = knots_of(position[k])
            square = (1.0 - float(u)) * (1.0 - float(u)) + float(u) * float(u)
        whole += square
        known += 0.0 if is_new[k] else square
    if known == 0.0:
        known = whole
    return bounded_length(math.sqrt(known)), bounded_length(math.sqrt(whole))


@inner
def shares_of(z, part):
    """Return the number of the knot below z, and the shares of that one and the next in what a curve says, times `part`."""
    j, u = knots_of(z)
    return j, part * (np.float32(1.0) - u), part * u


@inner
def line_score(points, w, with_centred, score):
    """Write the sum of z W over features, divided by the length, and of the constant's weights to `score`, float32[places].

    w : float32[rows + 1, places or more], its last row is the constant's; with_centred : centred features have lines too
    """
    feature, position, is_centred, first, last, length = points
    n_rows, part = w.shape[0] - 1, np.float32(1.0 / length)
    for label in range(score.size):
        score[label] = BIAS * w[n_rows, label]
    for k in range(first, last):
        if with_centred or not is_centred[k]:
            x, row = part * position[k], row_of(feature[k], n_rows)
            for label in range(score.size):
                score[label] += x * w[row, label]


@inner
def line_step(points, w, with_centred, step):
    """Add step_l z, divided by the length, to the weights of each label l; see `line_score`. step : float32[places]"""
    feature, position, is_centred, first, last, length = points
    n_rows, part = w.shape[0] - 1, np.float32(1.0 / length)
    for label in range(step.size):
        w[n_rows, label] += BIAS * step[label]
    for k in range(first, last):
        if with_centred or not is_centred[k]:
            x, row = part * position[k], row_of(feature[k], n_rows)
            for label in range(step.size):
                w[row, label] += x * step[label]


@inner
def add_curves(points, curves, score):
    """Add what the curves say, divided by the length, to `score`, float32[places].

    curves : float32[5, rows + 1, places or more], C; the last row is of no use
    """
    feature, position, is_centred, first, last, length = points
    n_rows, part = curves.shape[1] - 1, np.float32(1.0 / length)
    for k in range(first, last):
        if is_centred[k]:
            j, below, above = shares_of(position[k], part)
            row = row_of(feature[k], n_rows)
            for label in range(score.size):
                score[label] += below * curves[j, row, label] + above * curves[j + 1, row, label]


@inner
def step_curves(points, curves, step):
    """Add step_l times the share that each knot had in `add_curves` to its weights. step : float32[places]"""
    feature, position, is_centred, first, last, length = points
    n_rows, part = curves.shape[1] - 1, np.float32(1.0 / length)
    for k in range(first, last):
        if is_centred[k]:
            j, below, above = shares_of(position[k], part)
            row = row_of(feature[k], n_rows)
            for label in range(step.size):
                curves[j, row, label] += below * step[label]
                curves[j + 1, row, label] += above * step[label]
