"""Linear models that know how the features vary together: recursive least squares, and logistic regression with its gain."""

from typing import NamedTuple

import numpy as np

from ihomer.kernels.common import allocating, inner, jit
from ihomer.kernels.odds import LEAST_P, MOST_ODDS, POSITIVE, UNOBSERVED, bounded, probability, single_log_odds

RIDGE = 0.3  # penalty on the squared weights
_BIAS = np.float32(0.3)  # value of the constant feature, which has place 0
_LOGISTIC = 6.0  # step of the logistic model in units of the gain: its curvature p (1 - p) is at most 1/4
_NOISE = np.float32(2e-5)  # added to the variance of each weight per event: the weights follow a drifting stream
_MUCH_MORE = 2.0  # times as frequent as the holder of a place must a feature be to take it
_SMALL = 0.15  # x' P x below which an event changes P little: then every fourth is taken, four times as heavy
_EVERY = 4
AT_ONCE, FALLS_AT_ONCE = 8, 4  # steps of W, and of P, that wait until they are taken together: that moves all of it in memory
USED, TRIED, N_LEARNED, WAITING, FALLS, NOISES = 0, 1, 2, 3, 4, 5


class Regressions(NamedTuple):
    """Both models, as kernels hand them to each other: each common feature has a place."""

    counts: np.ndarray  # float64[features], how many events had each
    place_of: np.ndarray  # int32[features], -1 for none
    holder: np.ndarray  # int32[places], the feature there, or -1
    hand: np.ndarray  # int64[6]: places in use, the place tried last, how many events, steps of W and P that wait, and noises
    covariance: np.ndarray  # float32[places, places or more], P
    weights: np.ndarray  # float32[places, 2 * (labels or more)], W
    gains: np.ndarray  # float32[8, places], g of the steps of W that wait
    errors: np.ndarray  # float32[8, 2 * (labels or more)], e of these
    falls: np.ndarray  # float32[4, places or more], g of the steps of P that wait: those of events that change it
    scales: np.ndarray  # float32[4], h of these


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
def add_products(matrix, n_rows, width, left, right, at):
    """Add the sum of left[k, r] right[k] over the four k from `at` on to each row r of a matrix.

    matrix : float32[n_rows or more, width or more]; left : float32[k, n_rows or more]; right : float32[k, width or more]
    """
    first, second, third, fourth = right[at], right[at + 1], right[at + 2], right[at + 3]
    for r in range(n_rows):
        a, b, c, d = left[at, r], left[at + 1, r], left[at + 2, r], left[at + 3, r]
        row = matrix[r]
        for j in range(width):
            row[j] += (a * first[j] + b * second[j]) + (c * third[j] + d * fourth[j])


@inner
def take_steps(n_labels, models):
    """Take the steps of W that wait: W += sum of g_i e_i'."""
    weights, gains, errors = models.weights, models.gains, models.errors
    for step in range(0, models.hand[WAITING], 4):
        add_products(weights, models.hand[USED], weights.shape[1] // 2 + n_labels, gains, errors, step)
    models.hand[WAITING] = 0
    gains[:] = 0.0
    errors[:] = 0.0


@allocating
def take_falls(models):
    """Take the steps of P that wait: P -= sum of h_i g_i g_i'; then noise on its diagonal, up to where it started."""
    hand, covariance, falls, scales = models.hand, models.covariance, models.falls, models.scales
    used, noise, most = hand[USED], np.float32(hand[NOISES]) * _NOISE, np.float32(1.0 / RIDGE)
    left = np.empty((FALLS_AT_ONCE, used), np.float32)
    for step in range(FALLS_AT_ONCE):
        for place in range(used):
            left[step, place] = -scales[step] * falls[step, place]
    add_products(covariance, used, used, left, falls, np.int64(0))
    for place in range(used):
        if covariance[place, place] < most:
            covariance[place, place] += noise
    hand[FALLS], hand[NOISES] = 0, 0
    falls[:] = 0.0
    scales[:] = 0.0


@jit
def settle(n_labels, of_models):
    """Take the steps that wait into the models, `Regressions`; see `take_steps` and `take_falls`."""
    models = Regressions(*of_models)
    take_steps(n_labels, models)
    take_falls(models)


@inner
def place_features(index, first, last, n_labels, models):
    """Count the features of an event, and give places to those that have none: a free one, or that of a much rarer feature."""
    counts, place_of, holder, hand = models.counts, models.place_of, models.holder, models.hand
    for k in range(first, last):
        f = index[k]
        counts[f] += 1.0
        if place_of[f] >= 0:
            continue
        if hand[USED] < models.covariance.shape[0]:
            place = hand[USED]
            hand[USED] += 1
        else:
            hand[TRIED] = hand[TRIED] + 1 if hand[TRIED] + 1 < hand[USED] else 1
            place = hand[TRIED]
            if holder[place] >= 0 and counts[f] <= _MUCH_MORE * counts[holder[place]] + 1.0:
                continue
            if holder[place] >= 0:
                place_of[holder[place]] = -1
            take_steps(n_labels, models)
            take_falls(models)
        clear_place(place, models.covariance, models.weights)
        place_of[f] = place
        holder[place] = f


@inner
def pairs_with_places(index, value, first, last, place_of, places, values):
    """Write places and values of the constant and of the features that have a place; return how many."""
    places[0], values[0] = 0, _BIAS
    size = np.int64(1)
    for k in range(first, last):
        if place_of[index[k]] >= 0:
            places[size], values[size] = place_of[index[k]], value[k]
            size += 1
    return size


@inner
def along(places, values, size, gains, step):
    """Return g' x, g of a step that waits: gains[step]."""
    total = np.float32(0.0)
    for k in range(size):
        total += values[k] * gains[step, places[k]]
    return total


@inner
def gain_of(places, values, size, models, gain):
    """Write P x - sum of h_i (g_i' x) g_i over the steps of P that wait to `gain`, float32[places]; return its product with x.

    Four rows of P at once: the gain is gone through less often.
    """
    covariance, falls, scales, used = models.covariance, models.falls, models.scales, models.hand[USED]
    for i in range(used):
        gain[i] = 0.0
    whole = size // 4 * 4
    for k in range(0, whole, 4):
        a, b, c, d = values[k], values[k + 1], values[k + 2], values[k + 3]
        first, second = covariance[places[k]], covariance[places[k + 1]]
        third, fourth = covariance[places[k + 2]], covariance[places[k + 3]]
        for i in range(used):
            gain[i] += (a * first[i] + b * second[i]) + (c * third[i] + d * fourth[i])
    for k in range(whole, size):
        x, row = values[k], covariance[places[k]]
        for i in range(used):
            gain[i] += x * row[i]
    for step in range(models.hand[FALLS]):
        part, fall = scales[step] * along(places, values, size, falls, step), falls[step]
        for i in range(used):
            gain[i] -= part * fall[i]
    quadratic = 0.0
    for k in range(size):
        quadratic += float(values[k]) * float(gain[places[k]])
    return quadratic


@inner
def ridge_scores(places, values, size, n_labels, models, score):
    """Write W x + sum of (g_i' x) e_i over the steps of W that wait, of both models, to `score`, float32[2 * (labels or
    more)], each in its half.
    """
    width = score.size // 2 + n_labels
    score[:width] = 0.0
    for k in range(size):
        x, row = values[k], models.weights[places[k]]
        for i in range(width):
            score[i] += x * row[i]
    for step in range(models.hand[WAITING]):
        x, row = along(places, values, size, models.gains, step), models.errors[step]
        for i in range(width):
            score[i] += x * row[i]


@jit
def ridge_rows(features, target, weight, shrink, learn, of_models, base, out, at):
    """Predict each row into out[row, :, at:at + 2], and learn it if `learn`.

    Recursive least squares on y (Plackett 1950), its score read as a probability; and logistic regression from the log-odds
    in place `base` of `out`, stepping along the same gain.
    features : indptr, feature and relevant of `Rows`; of_models : `Regressions`
    """
    indptr, index, value = features
    models, n_labels, longest = Regressions(*of_models), out.shape[1], 1
    hand, place_of, errors = models.hand, models.place_of, models.errors
    for row in range(out.shape[0]):
        longest = max(longest, indptr[row + 1] - indptr[row] + 1)
    places, values = np.empty(longest, np.int64), np.empty(longest, np.float32)
    score = np.zeros(models.weights.shape[1], np.float32)
    second = score.size // 2
    for row in range(out.shape[0]):
        first, last = indptr[row], indptr[row + 1]
        size = pairs_with_places(index, value, first, last, place_of, places, values)
        ridge_scores(places, values, size, n_labels, models, score)
        for label in range(n_labels):
            out[row, label, at] = single_log_odds(float(score[label]), LEAST_P)
            out[row, label, at + 1] = bounded(float(score[second + label]) + out[row, label, base], MOST_ODDS)
        if not learn:
            continue
        place_features(index, first, last, n_labels, models)
        size = pairs_with_places(index, value, first, last, place_of, places, values)
        for k in range(1, size):
            values[k] *= shrink[row]
        gain = models.gains[hand[WAITING]]
        quadratic = gain_of(places, values, size, models, gain)
        if not (0.0 <= quadratic < 1e6):  # rounding has spoiled P
            gain[:] = 0.0
            take_steps(n_labels, models)
            take_falls(models)
            for place in range(hand[USED]):
                clear_place(place, models.covariance, models.weights[:0])
            gain = models.gains[0]
            quadratic = gain_of(places, values, size, models, gain)
        step, error = np.float32(1.0 / (1.0 / weight[row] + quadratic)), errors[hand[WAITING]]
        for label in range(n_labels):
            if target[row, label] != UNOBSERVED:
                y = 1.0 if target[row, label] == POSITIVE else 0.0
                error[label] = step * (y - score[label])
                error[second + label] = step * (_LOGISTIC * (y - probability(out[row, label, at + 1])))
        hand[N_LEARNED] += 1
        times = 1
        if quadratic < _SMALL:
            times = _EVERY if hand[N_LEARNED] % _EVERY == 0 else 0
        if times > 0:
            fall = models.falls[hand[FALLS]]
            for place in range(hand[USED]):
                fall[place] = gain[place]
            models.scales[hand[FALLS]] = np.float32(1.0 / (1.0 / (times * weight[row]) + quadratic))
            hand[NOISES] += times
            hand[FALLS] += 1
            if hand[FALLS] == FALLS_AT_ONCE:
                take_falls(models)
        hand[WAITING] += 1
        if hand[WAITING] == AT_ONCE:
            take_steps(n_labels, models)
