"""Online mixing of log-odds: weights shared by all labels by Newton's method, and small deviations of each label."""

import math

import numpy as np

from ihomer.kernels.common import inner, jit
from ihomer.kernels.linalg import solve_positive
from ihomer.kernels.odds import MOST_ODDS, POSITIVE, UNOBSERVED, bounded, probability

STRENGTH = 150.0  # information that the equal weights of the start count for
_KEEP = 0.9998  # of the information, per event: the weights look back about 5,000 events
_RATE = 0.002  # of a label's own weights
_START = 0.1  # of their summed squared gradients
_MOST_WEIGHT = 8.0
_LEAST_CURVATURE = 1e-4
MOST_INPUT = 8.0  # log-odds of an expert are not believed beyond it


@inner
def mix_row(inputs, shared, own, own_bias, out):
    """Write q_l = b_l + sum over experts e of (w_e + v_le) s_le to `out`, float64[labels].

    inputs : float32[labels, experts], log-odds s; shared : float64[experts], w; own : float64[labels, experts, 2], v and its
    summed squared gradients; own_bias : float64[labels, 2], b likewise
    """
    n_experts = shared.size
    for label in range(out.size):
        total = own_bias[label, 0]
        for e in range(n_experts):
            total += (shared[e] + own[label, e, 0]) * bounded(float(inputs[label, e]), MOST_INPUT)
        out[label] = bounded(total, MOST_ODDS)


@inner
def mix_learn(inputs, odds, target, weight, shared, information, own, own_bias, gradient, work):
    """Learn from one event by the log-loss of the mixture.

    g = sum over labels of (y_l - p_l) s_l,  I = keep I + sum of p_l (1 - p_l) s_l s_l',  w += I^-1 g
    v_le += rate * g_le / sqrt(sum of g_le^2) (AdaGrad)
    information : float64[experts, experts]; gradient, work : float64[experts], float64[experts, experts], work space
    """
    n_experts = shared.size
    w = min(weight, _MOST_WEIGHT)
    gradient[:] = 0.0
    information *= _KEEP
    for e in range(n_experts):
        information[e, e] += (1.0 - _KEEP) * STRENGTH
    s = np.empty(n_experts)
    for label in range(odds.size):
        if target[label] == UNOBSERVED:
            continue
        p = probability(odds[label])
        error = w * ((1.0 if target[label] == POSITIVE else 0.0) - p)
        curvature = w * p * (1.0 - p)
        for e in range(n_experts):
            s[e] = bounded(float(inputs[label, e]), MOST_INPUT)
            step = error * s[e]
            gradient[e] += step
            v = own[label, e]
            v[1] += step * step
            v[0] += _RATE * step / math.sqrt(v[1])
        b = own_bias[label]
        b[1] += error * error
        b[0] += _RATE * error / math.sqrt(b[1])
        if curvature > _LEAST_CURVATURE:
            for e in range(n_experts):
                c = curvature * s[e]
                row = information[e]
                for k in range(e + 1):
                    row[k] += c * s[k]
    work[:] = information
    solve_positive(work, gradient, n_experts)
    for e in range(n_experts):
        shared[e] += gradient[e]


@jit
def mix_rows(inputs, target, weight, learn, shared, information, own, own_bias, out):
    """Mix each row of `inputs`, float32[rows, labels, experts], into `out`, float64[rows, labels]; learn it if `learn`."""
    n_labels = out.shape[1]
    gradient = np.empty(shared.size)
    work = np.empty(information.shape)
    for row in range(out.shape[0]):
        mix_row(inputs[row], shared, own, own_bias, out[row])
        if learn:
            mix_learn(
                inputs[row], out[row], target[row, :n_labels], weight[row], shared, information, own, own_bias, gradient, work
            )


def own_start(n_labels, n_experts):
    """Return the deviations and biases of labels of which nothing is known."""
    own, bias = np.zeros((n_labels, n_experts, 2)), np.zeros((n_labels, 2))
    own[..., 1] = bias[..., 1] = _START
    return own, bias
