"""Probabilities and log-odds, kept within bounds; what was observed of the labels of a row."""

import math

import numpy as np

from ihomer.kernels.common import inner, jit

MOST_ODDS = 12.0  # log-odds beyond it are as good as certain
LEAST_P = 0.002  # of a score that is not a probability by construction
NEGATIVE, POSITIVE, UNOBSERVED = 0, 1, 2


@inner
def probability(odds):
    """Return 1 / (1 + exp(-odds)); of a float32 by its exponential, which takes a third of the time."""
    return 1.0 / (1.0 + math.exp(-odds))


@inner
def bounded(odds, most):
    """Return log-odds moved into [-most, most]; 0 for nan."""
    if odds > most:
        return most
    if odds < -most:
        return -most
    return odds if odds == odds else 0.0


@inner
def log_odds(p, least):
    """Return ln(p / (1 - p)) with p moved into [least, 1 - least]."""
    p = min(max(p, least), 1.0 - least)
    return math.log(p / (1.0 - p))


@inner
def single_log_odds(p, least):
    """Return the same as a float32, as experts give it: its logarithm takes half the time."""
    p = min(max(p, least), 1.0 - least)
    return math.log(np.float32(p / (1.0 - p)))


@jit
def mark_targets(y_indptr, y_index, u_indptr, u_index, start, target):
    """Write what is known of each label to `target`, uint8[rows, labels], for the rows from `start` on.

    Return the largest number of labels of a row that apply or were not observed.
    """
    most = 0
    for row in range(target.shape[0]):
        mark = target[row]
        mark[:] = NEGATIVE
        at = start + row
        most = max(most, y_indptr[at + 1] - y_indptr[at] + u_indptr[at + 1] - u_indptr[at])
        for k in range(y_indptr[at], y_indptr[at + 1]):
            mark[y_index[k]] = POSITIVE
        for k in range(u_indptr[at], u_indptr[at + 1]):
            mark[u_index[k]] = UNOBSERVED
    return most
