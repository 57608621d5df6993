"""Linear models that know how the features vary together: recursive least squares, and logistic regression with its gain."""

import numpy as np

from ihomer.kernels.common import inner, jit
from ihomer.kernels.odds import LEAST_P, MOST_ODDS, POSITIVE, UNOBSERVED, bounded, log_odds, probability

RIDGE = 0.3  # penalty on the squared weights
_BIAS = np.float32(0.3)  # value of the constant feature, which has place 0
_LOGISTIC = 6.0  # step of the logistic model in units of the gain: its curvature p (1 - p) is at most 1/4
_NOISE = np.float32(2e-5)  # added to the variance of each weight per event: the weights follow a drifting stream
_MUCH_MORE = 2.0  # times as frequent as the holder of a place must a feature be to take it
_SMALL = 0.15  # x' P x below which an event changes P little: then every fourth is taken, four times as heavy
_EVERY = 4
N_OUTPUTS = 2


@inner
def clear_place(place, covariance, weights):
    """Start a place anew: variance 1 / RIDGE, no covariance, weights 0."""
    size = covariance.shape[0]
    covariance[place] = 0.0
    for i in range(size):
        covariance[i, place] = 0.0
    covariance[place, place] = 1.0 / RIDGE
    if weights.shape[0] > 0:
        weights[place] = 0.0


@inner
def place_features(index, first, last, counts, place_of, holder, hand, covariance, weights):
    """Count the features of an event, and give places to those that have none: a free one, or that of a much rarer feature.

    hand : int64[3], number of places in use, the place that is tried next, and the number of events
    """
    for k in range(first, last):
        f = index[k]
        counts[f] += 1.0
        if place_of[f] >= 0:
            continue
        if hand[0] < covariance.shape[0]:
            place = hand[0]
            hand[0] += 1
        else:
            hand[1] = hand[1] + 1 if hand[1] + 1 < hand[0] else 1
            place = hand[1]
            if holder[place] >= 0 and counts[f] <= _MUCH_MORE * counts[holder[place]] + 1.0:
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
def ridge_scores(places, values, size, n_labels, weights, score):
    """Write W x of both models to `score`, float32[2 * (labels or more)], each in its half."""
    second = score.size // 2
    score[:] = 0.0
    for k in range(size):
        x = values[k]
        row = weights[places[k]]
        for label in range(n_labels):
            score[label] += x * row[label]
        for label in range(second, second + n_labels):
            score[label] += x * row[label]


@inner
def update_weights(used, gain, scale, error, n_labels, weights):
    """W += g e' / (1 / w + x' P x); error : float32[2 * (labels or more)]."""
    second = error.size // 2
    for i in range(used):
        step = gain[i] * scale
        row = weights[i]
        for label in range(n_labels):
            row[label] += step * error[label]
        for label in range(second, second + n_labels):
            row[label] += step * error[label]


@inner
def update_covariance(used, gain, scale, noise, covariance):
    """P -= g g' / (1 / w + x' P x),  g = P x; then noise on the diagonal of P, up to where it started."""
    most = np.float32(1.0 / RIDGE)
    for i in range(used):
        step = gain[i] * scale
        row = covariance[i]
        for j in range(used):
            row[j] -= step * gain[j]
        if row[i] < most:
            row[i] += noise


@jit
def ridge_rows(
    indptr, index, value, target, weight, shrink, learn, counts, place_of, holder, hand, covariance, weights, base, out, at
):
    """Predict each row into out[row, :, at:at + 2], and learn it if `learn`.

    Recursive least squares on y (Plackett 1950), its score read as a probability; and logistic regression from the log-odds
    in place `base` of `out`, stepping along the same gain.
    counts : float64[features], how many events had each feature; place_of : int32[features], -1 for none
    holder : int32[places]; covariance : float32[places, places]; weights : float32[places, 2 * (labels or more)]
    """
    n_labels = out.shape[1]
    longest = 1
    for row in range(out.shape[0]):
        longest = max(longest, indptr[row + 1] - indptr[row] + 1)
    places, values = np.empty(longest, np.int64), np.empty(longest, np.float32)
    gain = np.empty(covariance.shape[0], np.float32)
    score = np.zeros(weights.shape[1], np.float32)
    second = weights.shape[1] // 2
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
        ridge_scores(places, values, size, n_labels, weights, score)
        for label in range(n_labels):
            out[row, label, at] = log_odds(float(score[label]), LEAST_P)
            out[row, label, at + 1] = bounded(float(score[second + label]) + out[row, label, base], MOST_ODDS)
        if not learn:
            continue
        used = hand[0]
        for k in range(1, size):
            values[k] *= shrink[row]
        quadratic = gain_of(places, values, size, used, covariance, gain)
        if not (0.0 <= quadratic < 1e6):  # rounding has spoiled P
            for place in range(used):
                clear_place(place, covariance, weights[:0])
            quadratic = gain_of(places, values, size, used, covariance, gain)
        for label in range(n_labels):
            y = 1.0 if target[row, label] == POSITIVE else 0.0
            seen = target[row, label] != UNOBSERVED
            score[label] = y - score[label] if seen else 0.0
            score[second + label] = _LOGISTIC * (y - probability(float(out[row, label, at + 1]))) if seen else 0.0
        update_weights(used, gain, np.float32(1.0 / (1.0 / weight[row] + quadratic)), score, n_labels, weights)
        hand[2] += 1
        times = 1
        if quadratic < _SMALL:
            times = _EVERY if hand[2] % _EVERY == 0 else 0
        if times > 0:
            heavy = np.float32(1.0 / (1.0 / (times * weight[row]) + quadratic))
            update_covariance(used, gain, heavy, np.float32(times) * _NOISE, covariance)
