"""Online mixing of log-odds: weights of all labels and of groups of them by Newton's method, and small ones of each label.

The last input of each label is the constant 1. Labels are grouped, for each event anew, by how often they apply and by how far
the experts together move that, since an expert that serves common labels well may mean little for rare ones, and one that tells
well what does not apply may tell little of what does.
"""

import math

import numpy as np

from ihomer.kernels.common import allocating, inner, jit
from ihomer.kernels.linalg import solve_four
from ihomer.kernels.odds import MOST_ODDS, POSITIVE, UNOBSERVED, bounded, probability

STRENGTH = 150.0  # information that the weights of the start count for
_KEEP = 0.9995  # of the information, per event: the weights look back about 2,000 events
_RATE = 0.001  # of a label's own weights
_START = 1.0  # of the sum of their mean squared gradients
_MOST_WEIGHT = 8.0  # of an event
_LEAST_CURVATURE = 1e-4  # w p (1 - p) below which a label tells the information nothing and costs no time
MOST_INPUT = 8.0  # log-odds of an expert are not believed beyond it
N_GROUPS = 9  # of labels: rare, less rare and common ones, each less likely than usual, likelier, or far likelier
_RARE, _UNCOMMON = -4.0, -2.0  # log-odds of rates: 1.8 % and 12 %
_USUAL, _FAR = 0.0, 2.5  # log-odds by which a label is likelier than its rate


@inner
def group_of(inputs, start, rate):
    """Return the group, 1 to 9, of a label whose rate has these log-odds, for an event.

    inputs : float32[inputs], log-odds s; start : float64[inputs], weights of the experts at the start
    """
    lift = -bounded(rate, MOST_INPUT)
    for i in range(start.size):
        lift += start[i] * bounded(float(inputs[i]), MOST_INPUT)
    return 1 + 3 * ((rate >= _RARE) + (rate >= _UNCOMMON)) + (lift >= _USUAL) + (lift >= _FAR)


@allocating
def mix_row(inputs, group, weights, own, out):
    """Write q_l = sum over inputs i of (w_i + w_gi + v_li) s_li, g the group of label l, to `out`, float64[labels].

    inputs : float32[labels, inputs], log-odds s, without the constant; group : uint8[labels], 0 for none
    weights : float64[1 + groups, inputs + 1], w of all labels and of each group
    own : float64[labels, inputs + 2], v and, in the last place, S of `mix_gather`
    """
    n = inputs.shape[1]
    both = weights.copy()
    for g in range(1, weights.shape[0]):
        for i in range(n + 1):
            both[g, i] += weights[0, i]
    for label in range(out.size):
        w = both[group[label]]
        total = w[n] + own[label, n]
        for i in range(n):
            total += (w[i] + own[label, i]) * bounded(float(inputs[label, i]), MOST_INPUT)
        out[label] = bounded(total, MOST_ODDS)


@inner
def mix_gather(inputs, odds, target, group, weight, information, own, gradient, s, observed):
    """Add an event to the gradient and the information of each group, and learn each label's own weights.

    g = sum over labels of (y_l - p_l) s_l,  I += sum of p_l (1 - p_l) s_l s_l'
    S_l += mean over i of g_li^2,  v_li += rate g_li / sqrt(S_l)  (AdaGrad with one rate for a label)
    information : float64[1 + groups, inputs + 1, inputs + 1], lower triangles; gradient : float64[1 + groups, inputs + 1]
    s : float64[inputs + 1], work space; observed : bool[1 + groups], out, whether a group has an observed label
    """
    n = inputs.shape[1] + 1
    s[n - 1] = 1.0
    gradient[:], observed[:] = 0.0, False
    for label in range(odds.size):
        if target[label] == UNOBSERVED:
            continue
        p = probability(odds[label])
        error = weight * ((1.0 if target[label] == POSITIVE else 0.0) - p)
        curvature = weight * p * (1.0 - p)
        square = 1.0
        for i in range(n - 1):
            s[i] = bounded(float(inputs[label, i]), MOST_INPUT)
            square += s[i] * s[i]
        ours, v = gradient[group[label]], own[label]
        observed[group[label]] = True
        v[n] += error * error * square / n
        share = _RATE * error / math.sqrt(v[n])
        for i in range(n):
            ours[i] += error * s[i]
            v[i] += share * s[i]
        if curvature > _LEAST_CURVATURE:
            for i in range(n):
                c = curvature * s[i]
                row = information[group[label], i]
                for k in range(i + 1):
                    row[k] += c * s[k]


@allocating
def sum_of_groups(information, gradient):
    """Let the information fade, I = keep I, and return that of all labels, float64[inputs + 1, inputs + 1]; write the gradient
    of all labels to gradient[0].
    """
    n_sets, n = gradient.shape
    total, by_group = np.zeros((n, n)), information.reshape(n_sets, n * n)
    entries = total.reshape(n * n)
    for g in range(n_sets):
        known = by_group[g]
        for at in range(entries.size):
            known[at] *= _KEEP
            entries[at] += known[at]
    for g in range(1, n_sets):
        for i in range(n):
            gradient[0, i] += gradient[g, i]
    return total


@allocating
def mix_learn(inputs, odds, target, group, weight, weights, information, own, gradient, work):
    """Learn from one event by the log-loss of the mixture: w += (I + I_0)^-1 g, for all labels and for each group.

    The gradient and information of all labels are the sums of those of the groups; I_0 is `STRENGTH` on the diagonal. A group
    without an observed label has nothing to learn.
    gradient : float64[1 + groups, inputs + 1], work : float64[inputs + 1, inputs + 1, 4], work space
    """
    n, n_sets = inputs.shape[1] + 1, weights.shape[0]
    observed, step = np.empty(n_sets, np.bool_), np.empty((n, 4))
    mix_gather(inputs, odds, target, group, min(weight, _MOST_WEIGHT), information, own, gradient, np.empty(n), observed)
    total = sum_of_groups(information, gradient)
    moved, n_moved = np.zeros(n_sets, np.int64), np.int64(1)
    for g in range(1, n_sets):
        moved[n_moved] = g
        n_moved += observed[g]
    for first in range(0, n_moved, 4):
        for lane in range(4):
            g = moved[min(first + lane, n_moved - 1)]
            known = total if g == 0 else information[g]
            for i in range(n):
                step[i, lane] = gradient[g, i]
                for k in range(i + 1):
                    work[i, k, lane] = known[i, k]
                work[i, i, lane] += STRENGTH
        solve_four(work, step, n)
        for lane in range(min(4, n_moved - first)):
            for i in range(n):
                weights[moved[first + lane], i] += step[i, lane]


@jit
def find_group(inputs, start, rate):
    """Return `group_of` to Python."""
    return group_of(inputs, start, rate)


@jit
def mix_rows(inputs, rate, target, weight, learn, known, start, weights, information, own, out):
    """Mix each row of `inputs`, float32[rows, labels, inputs], into `out`, float64[rows, labels], unless it is `known`, and
    learn it if `learn`.

    rate : float32[rows, labels, any], the first of which are the log-odds of how often each label has applied
    start : float64[inputs], weights of the experts at the start
    """
    n_labels = out.shape[1]
    group = np.empty(n_labels, np.uint8)
    gradient, work = np.empty(weights.shape), np.empty((information.shape[1], information.shape[1], 4))
    for row in range(out.shape[0]):
        for label in range(n_labels):
            group[label] = group_of(inputs[row, label], start, float(rate[row, label, 0]))
        if not known:
            mix_row(inputs[row], group, weights, own, out[row])
        if learn:
            mix_learn(
                inputs[row], out[row], target[row, :n_labels], group, weight[row], weights, information, own, gradient, work
            )


def weights_start(n_groups, start):
    """Return weights of the inputs in the ratio of `start`, their sum 1, none of the constant, none of the groups; and the
    information on them.
    """
    n_inputs = len(start)
    weights = np.zeros((1 + n_groups, n_inputs + 1))
    weights[0, :n_inputs] = np.array(start) / sum(start)
    return weights, np.zeros((1 + n_groups, n_inputs + 1, n_inputs + 1))


def own_start(n_labels, n_inputs):
    """Return the own weights of labels of which nothing is known."""
    own = np.zeros((n_labels, n_inputs + 2))
    own[:, -1] = _START
    return own
