"""Naive Bayes over the presence of features: what each feature alone says of a label, summed."""

import math

import numpy as np

from ihomer.kernels.common import inner, jit, row_of
from ihomer.kernels.odds import POSITIVE, UNOBSERVED, bounded

_STRENGTH = 2.0  # events that the label's rate counts for in a feature's
_MOST = 8.0  # dependent features say the same again and again: the sum is bounded
_AT_ONCE = 12  # ratios multiplied before a logarithm is taken: 2e4 ** 12 is far from overflow
_LONG = 20_000.0  # events with a feature after which its counts are halved


@inner
def bayes_predict(index, counts, totals, rates, product, prior, out, at):
    """Write ln(r / (1 - r)) + sum over features f of ln(o_f (1 - r) / r),  o_f = (n_fl + 2 r) / (n_f - n_fl + 2 (1 - r)).

    r : rate of the label; n_f, n_fl : weight of the events with the feature, of those with the label too
    product : float64[labels], prior : float64[labels, 2], work space; out : float32[labels, outputs]
    """
    n_rows = counts.shape[0]
    n_known = 0
    for k in range(index.size):
        n_known += totals[row_of(index[k], n_rows)] > 0.0
    for label in range(out.shape[0]):
        r = (rates[label, 0] + 0.5) / (rates[label, 1] + 1.0)
        product[label] = 1.0
        prior[label, 0], prior[label, 1] = _STRENGTH * r, _STRENGTH * (1.0 - r)
        out[label, at] = (1.0 - n_known) * math.log(r / (1.0 - r))
    done = 0
    for k in range(index.size):
        f = row_of(index[k], n_rows)
        n = totals[f]
        if n == 0.0:
            continue
        done += 1
        for label in range(out.shape[0]):
            c = float(counts[f, label])
            product[label] *= (c + prior[label, 0]) / (max(n - c, 0.0) + prior[label, 1])
        if done % _AT_ONCE == 0 or done == n_known:
            for label in range(out.shape[0]):
                out[label, at] += math.log(product[label])
                product[label] = 1.0
    for label in range(out.shape[0]):
        out[label, at] = bounded(float(out[label, at]), _MOST)


@inner
def bayes_learn(index, target, weight, counts, totals, rates):
    """Take one event in; an unobserved label counts as its rate says."""
    n_rows = counts.shape[0]
    for k in range(index.size):
        totals[row_of(index[k], n_rows)] += weight
    for label in range(target.size):
        share = 1.0 if target[label] == POSITIVE else 0.0
        if target[label] == UNOBSERVED:
            share = (rates[label, 0] + 0.5) / (rates[label, 1] + 1.0)
        if share > 0.0:
            for k in range(index.size):
                counts[row_of(index[k], n_rows), label] += share * weight
        rates[label, 0] += share * weight
        rates[label, 1] += weight
        if rates[label, 1] > _LONG:
            rates[label, 0] *= 0.5
            rates[label, 1] *= 0.5
    for k in range(index.size):
        f = row_of(index[k], n_rows)
        if totals[f] > _LONG:
            totals[f] *= 0.5
            for label in range(counts.shape[1]):
                counts[f, label] *= np.float32(0.5)


@jit
def bayes_rows(indptr, index, is_present, target, weight, learn, known, counts, totals, rates, out, at):
    """Predict each row into out[row, :, at], unless it is `known`, and learn it if `learn`.

    is_present : bool[pairs], whether an event has the feature of a pair
    counts : float32[rows of counts, labels or more]; totals : float64[rows of counts]; rates : float64[labels or more, 2]
    """
    n_labels = out.shape[1]
    longest = 0
    for row in range(out.shape[0]):
        longest = max(longest, indptr[row + 1] - indptr[row])
    product, prior, present = np.empty(n_labels), np.empty((n_labels, 2)), np.empty(longest, np.int32)
    for row in range(out.shape[0]):
        size = np.int64(0)
        for k in range(indptr[row], indptr[row + 1]):
            present[size] = index[k]
            size += is_present[k]
        if not known:
            bayes_predict(present[:size], counts, totals, rates, product, prior, out[row], np.int64(at))
        if learn:
            bayes_learn(present[:size], target[row, :n_labels], weight[row], counts, totals, rates)
