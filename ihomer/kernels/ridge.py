"""Linear models that know how the features vary together: recursive least squares, and logistic regression with its gain."""

import numpy as np

from ihomer.kernels.common import inner, jit
from ihomer.kernels.odds import LEAST_P, MOST_ODDS, POSITIVE, UNOBSERVED, bounded, log_odds, probability

RIDGE = 0.3  # penalty on the squared weights
_BIAS = np.float32(0.3)  # value of the constant feature, which has place 0
_LOGISTIC = 6.0  # step of the logistic model in units of the gain: its curvature p (1 - p) is at most 1/4
_NOISE = np.float32(1e-4)  # added to the variance of each weight per event: the weights follow a drifting stream
_MUCH_MORE = 2.0  # times as frequent as the holder of a place must a feature be to take it
N_OUTPUTS = 2


@inner
def clear_place(place, covariance, weights):
    """Start a place anew: variance 1 / RIDGE, no covariance, weights 0."""
    size = covariance.shape[0]
    covariance[place] = 0.0
    for i in range(size):
        covariance[i, place] = 0.0
    covariance[place, place] = 1.0 / RIDGE
    weights[:, place] = 0.0


@inner
def place_features(index, first, last, counts, place_of, holder, hand, covariance, weights):
    """Give places to the features of an event that have none: a free one, or that of a much rarer feature.

    hand : int64[2], number of places in use, and the place that is tried next
    """
    for k in range(first, last):
        f = index[k]
        if place_of[f] >= 0:
            continue
        if hand[0] < covariance.shape[0]:
            place = hand[0]
            hand[0] += 1
        else:
            hand[1] = hand[1] + 1 if hand[1] + 1 < hand[0] else 1
            place = hand[1]
            if holder[place] >= 0 and counts[f, 0] <= _MUCH_MORE * counts[holder[place], 0] + 1.0:
                continue
            if holder[place] >= 0:
                place_of[holder[place]] = -1
        clear_place(place, covariance, weights)
        place_of[f] = place
        holder[place] = f


@inner
def gain_of(places, values, size, used, covariance, gain):
    """Write P x to `gain`, float32[places]; return x' P x."""
    for i in range(used):
        gain[i] = 0.0
    for k in range(size):
        x = values[k]
        row = covariance[places[k]]
        for i in range(used):
            gain[i] += x * row[i]
    quadratic = 0.0
    for k in range(size):
        quadratic += float(values[k]) * float(gain[places[k]])
    return quadratic


@inner
def ridge_scores(places, values, size, weights, n_labels, score):
    """Write W x of both models to `score`, float32[2, labels]."""
    for m in range(N_OUTPUTS):
        s = score[m]
        for label in range(n_labels):
            s[label] = 0.0
        for k in range(size):
            x = values[k]
            row = weights[m, places[k]]
            for label in range(n_labels):
                s[label] += x * row[label]


@inner
def ridge_update(used, gain, quadratic, weight, error, covariance, weights):
    """P -= g g' / (1 / w + x' P x),  W += g e' / (1 / w + x' P x),  g = P x; then noise on the diagonal of P.

    error : float32[2, labels], of the two models
    """
    scale = np.float32(1.0 / (1.0 / weight + quadratic))
    most = np.float32(1.0 / RIDGE)
    for i in range(used):
        step = gain[i] * scale
        row = covariance[i]
        for j in range(used):
            row[j] -= step * gain[j]
        if row[i] < most:
            row[i] += _NOISE
        for m in range(N_OUTPUTS):
            w = weights[m, i]
            e = error[m]
            for label in range(e.size):
                w[label] += step * e[label]


@jit
def ridge_rows(
    indptr, index, value, target, weight, learn, counts, place_of, holder, hand, covariance, weights, base, out, at
):
    """Predict each row into out[row, :, at:at + 2], and learn it if `learn`.

    Recursive least squares on y (Plackett 1950), its score read as a probability; and logistic regression from the log-odds
    in place `base` of `out`, stepping along the same gain.
    counts : float64[features, ...], how often each feature was present; place_of : int32[features], -1 for none
    holder : int32[places]; covariance : float32[places, places]; weights : float32[2, places, labels or more]
    """
    n_labels = out.shape[1]
    longest = 1
    for row in range(out.shape[0]):
        longest = max(longest, indptr[row + 1] - indptr[row] + 1)
    places, values = np.empty(longest, np.int64), np.empty(longest, np.float32)
    gain = np.empty(covariance.shape[0], np.float32)
    score = np.empty((N_OUTPUTS, n_labels), np.float32)
    for row in range(out.shape[0]):
        first, last = indptr[row], indptr[row + 1]
        if learn:
            place_features(index, first, last, counts, place_of, holder, hand, covariance, weights)
        places[0], values[0] = 0, _BIAS
        size = 1
        for k in range(first, last):
            if place_of[index[k]] >= 0:
                places[size], values[size] = place_of[index[k]], value[k]
                size += 1
        ridge_scores(places, values, size, weights, n_labels, score)
        for label in range(n_labels):
            out[row, label, at] = log_odds(float(score[0, label]), LEAST_P)
            out[row, label, at + 1] = bounded(float(score[1, label]) + out[row, label, base], MOST_ODDS)
        if not learn:
            continue
        quadratic = gain_of(places, values, size, hand[0], covariance, gain)
        if not (0.0 <= quadratic < 1e6):
            for place in range(hand[0]):
                clear_place(place, covariance, weights[:0])
            quadratic = gain_of(places, values, size, hand[0], covariance, gain)
        for label in range(n_labels):
            y = 1.0 if target[row, label] == POSITIVE else 0.0
            seen = target[row, label] != UNOBSERVED
            score[0, label] = y - score[0, label] if seen else 0.0
            score[1, label] = _LOGISTIC * (y - probability(float(out[row, label, at + 1]))) if seen else 0.0
        ridge_update(hand[0], gain, quadratic, weight[row], score, covariance, weights)
