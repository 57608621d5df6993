"""Online mixing of log-odds: weights of all labels and of groups of them by Newton's method, and small ones of each label.

The last input of each label is the constant 1. Labels are grouped, for each event anew, by how often they apply and by how far
the experts together move that, since an expert that serves common labels well may mean little for rare ones, and one that tells
well what does not apply may tell little of what does.
"""

import math
from typing import NamedTuple

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


class Work(NamedTuple):
    """Work space of one event, G groups and the labels that have none, n inputs with the constant."""

    both: np.ndarray  # float64[1 + G, n], weights of each group with those of all labels
    gradient: np.ndarray  # float64[1 + G, n]
    s: np.ndarray  # float64[n], log-odds of a label
    total: np.ndarray  # float64[n, n], information of all labels
    systems: np.ndarray  # float64[n, n, 4]
    step: np.ndarray  # float64[n, 4]
    observed: np.ndarray  # bool[1 + G], whether a group has an observed label
    moved: np.ndarray  # int64[1 + G], groups whose weights move


@allocating
def work_of(weights):
    """Return work space for weights, float64[1 + groups, inputs + 1]."""
    n_sets, n = weights.shape
    return Work(
        np.empty((n_sets, n)), np.empty((n_sets, n)), np.empty(n), np.empty((n, n)), np.empty((n, n, 4)), np.empty((n, 4)),
        np.empty(n_sets, np.bool_), np.empty(n_sets, np.int64),
    )  # fmt: skip


@inner
def group_of(inputs, start, rate):
    """Return the group, 1 to 9, of a label whose rate has these log-odds, for an event.

    inputs : float32[inputs], log-odds s; start : float64[inputs], weights of the experts at the start
    """
    lift = -bounded(rate, MOST_INPUT)
    for i in range(start.size):
        lift += start[i] * bounded(float(inputs[i]), MOST_INPUT)
    return 1 + 3 * ((rate >= _RARE) + (rate >= _UNCOMMON)) + (lift >= _USUAL) + (lift >= _FAR)


@inner
def mix_row(inputs, group, weights, own, both, out):
    """Write q_l = sum over inputs i of (w_i + w_gi + v_li) s_li, g the group of label l, to `out`, float64[labels].

    inputs : float32[labels, inputs], log-odds s, without the constant; group : uint8[labels], 0 for none
    weights : float64[1 + groups, inputs + 1], w of all labels and of each group
    own : float64[labels, inputs + 2], v and, in the last place, S of `mix_gather`; both : of `Work`
    """
    n = inputs.shape[1]
    for g in range(weights.shape[0]):
        for i in range(n + 1):
            both[g, i] = weights[g, i] + weights[0, i] if g > 0 else weights[0, i]
    for label in range(out.size):
        w = both[group[label]]
        total = w[n] + own[label, n]
        for i in range(n):
            total += (w[i] + own[label, i]) * bounded(float(inputs[label, i]), MOST_INPUT)
        out[label] = bounded(total, MOST_ODDS)


@inner
def mix_gather(inputs, odds, target, group, weight, information, own, work):
    """Add an event to the gradient and the information of each group, and learn each label's own weights.

    g = sum over labels of (y_l - p_l) s_l,  I += sum of p_l (1 - p_l) s_l s_l'
    S_l += mean over i of g_li^2,  v_li += rate g_li / sqrt(S_l)  (AdaGrad with one rate for a label)
    information : float64[1 + groups, inputs + 1, inputs + 1], lower triangles; work : its `gradient` and `observed` are out
    """
    n, gradient, s, observed = inputs.shape[1] + 1, work.gradient, work.s, work.observed
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


@inner
def sum_of_groups(information, gradient, total):
    """Let the information fade, I = keep I, and write that of all labels to `total`, float64[inputs + 1, inputs + 1], and their
    gradient to gradient[0].
    """
    n_sets, n = gradient.shape
    by_group, entries = information.reshape(n_sets, n * n), total.reshape(n * n)
    entries[:] = 0.0
    for g in range(n_sets):
        known = by_group[g]
        for at in range(entries.size):
            known[at] *= _KEEP
            entries[at] += known[at]
    for g in range(1, n_sets):
        for i in range(n):
            gradient[0, i] += gradient[g, i]


@inner
def mix_learn(inputs, odds, target, group, weight, weights, information, own, work):
    """Learn from one event by the log-loss of the mixture: w += (I + I_0)^-1 g, for all labels and for each group.

    The gradient and information of all labels are the sums of those of the groups; I_0 is `STRENGTH` on the diagonal. A group
    without an observed label has nothing to learn.
    """
    n, n_sets = inputs.shape[1] + 1, weights.shape[0]
    gradient, systems, step, moved = work.gradient, work.systems, work.step, work.moved
    mix_gather(inputs, odds, target, group, min(weight, _MOST_WEIGHT), information, own, work)
    sum_of_groups(information, gradient, work.total)
    moved[0], n_moved = 0, np.int64(1)
    for g in range(1, n_sets):
        moved[n_moved] = g
        n_moved += work.observed[g]
    for first in range(0, n_moved, 4):
        for lane in range(4):
            g = moved[min(first + lane, n_moved - 1)]
            known = work.total if g == 0 else information[g]
            for i in range(n):
                step[i, lane] = gradient[g, i]
                for k in range(i + 1):
                    systems[i, k, lane] = known[i, k]
                systems[i, i, lane] += STRENGTH
        solve_four(systems, step, n)
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
    group, work = np.empty(n_labels, np.uint8), work_of(weights)
    for row in range(out.shape[0]):
        for label in range(n_labels):
            group[label] = group_of(inputs[row, label], start, float(rate[row, label, 0]))
        if not known:
            mix_row(inputs[row], group, weights, own, work.both, out[row])
        if learn:
            mix_learn(inputs[row], out[row], target[row, :n_labels], group, weight[row], weights, information, own, work)


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
