"""What answers have been worth so far: fading counts by which thresholds are found and scores are weighed."""

from typing import NamedTuple

import numpy as np

from ihomer.kernels.common import inner
from ihomer.kernels.odds import POSITIVE, UNOBSERVED

KEEP = 0.999  # of the counts behind the thresholds, per event
_KEEP_BAND = 0.9997  # of those of labels of about the same rate
_KEEP_LABEL = 0.995  # of those of one label, per event that it applied to or might have
_SHRINK_BAND = 20.0  # labels applied or answered that the thresholds of all labels count for in those of a band
_SHRINK = 40.0  # and those of its band in a label's own
N_THRESHOLDS = 24
THRESHOLDS = 0.03 + 0.025 * np.arange(N_THRESHOLDS)
N_BANDS = 8  # of labels by the log-odds of their rate: above -1, above -2, ..., above -7 (one event in 1,100), and less
N_WAYS = N_THRESHOLDS + 3  # to answer, whose micro-F1 is followed: a threshold each, and three joint answers
_F1_WORTH, _MOST_F1_WORTH = 3.6, 2.3  # see `f1_worth`
_START_EVENTS, _START_EXACT, _START_F1 = 50.0, 0.35, 0.62  # events that the scores of the start count for, and these
TRUE, SIZE = 0, 1
N_EVENTS_FADED, N_MET, EXACT, F1 = 0, 1, 2, 3
N_TALLIES = 4


class Tallies(NamedTuple):
    """What answers have been worth so far: fading counts of true positives, and of answered plus true ones."""

    total: np.ndarray  # float64[ways, 2], of each way to answer, over all labels
    bands: np.ndarray  # float64[bands, thresholds, 2], over the labels of about the same rate
    own: np.ndarray  # float64[labels, thresholds, 2], of each label
    events: np.ndarray  # float64[4]: fading number of events, how many labels have been met, and what `note_answer` counts


@inner
def f1_of(tally):
    """Return 2 TP / (answered + true), as if one label of two had been right before."""
    return (2.0 * tally[TRUE] + 1.0) / (tally[SIZE] + 2.0)


@inner
def best_way(total, n_ways):
    """Return the way to answer of largest micro-F1 so far among the first `n_ways`."""
    best = np.int64(0)
    for way in range(1, n_ways):
        if f1_of(total[way]) > f1_of(total[best]):
            best = np.int64(way)
    return best


@inner
def band_of(rate):
    """Return the band of a label whose rate has these log-odds; one that is no number is in the first."""
    return np.int64(min(-rate, N_BANDS - 1.0)) if rate < 0.0 else np.int64(0)


@inner
def shared_f1(total, bands, shared):
    """Write what the F1 of each threshold in each band adds to a label's own to `shared`, float64[bands, thresholds].

    Rare labels are best answered at lower thresholds than common ones, and in a count of all labels the common ones prevail.
    That of all labels counts for 20 of a band's own. bands : float64[bands, thresholds, 2], as `total`
    """
    for k in range(N_THRESHOLDS):
        of_all = _SHRINK_BAND * f1_of(total[k])
        for band in range(N_BANDS):
            tally = bands[band, k]
            shared[band, k] = _SHRINK * (2.0 * tally[TRUE] + of_all) / (tally[SIZE] + _SHRINK_BAND)


@inner
def best_threshold(shared, tally):
    """Return a label's threshold of largest F1 so far, and that F1; that of its band counts for 40 of its own.

    shared : float64[thresholds], of `shared_f1` for its band
    tally : float64[thresholds, 2], true positives, and answered plus true
    """
    best, best_f1 = np.int64(0), -1.0
    for k in range(N_THRESHOLDS):
        f1 = (2.0 * tally[k, TRUE] + shared[k]) / (tally[k, SIZE] + _SHRINK)
        if f1 > best_f1:
            best, best_f1 = np.int64(k), f1
    return best, best_f1


@inner
def f1_worth(events):
    """Return what one more expected example-F1 is worth in the balanced answer, in right labelsets.

    min(3.6 A / F, 2.3), A and F the mean subset accuracy and example-F1 of the answers so far: a share of the one score is
    worth a share of the other, so that where hardly any labelset is right, each right one counts for much.
    """
    exact = events[EXACT] + _START_EVENTS * _START_EXACT
    return min(_F1_WORTH * exact / (events[F1] + _START_EVENTS * _START_F1), _MOST_F1_WORTH)


@inner
def note_thresholds(target, p, rate, tallies):
    """Count what each threshold would have answered, for all labels, each band and each label."""
    total, bands, events = tallies.total, tallies.bands, tallies.events
    events[N_EVENTS_FADED] = KEEP * events[N_EVENTS_FADED] + 1.0
    for k in range(N_THRESHOLDS):
        total[k, TRUE] *= KEEP
        total[k, SIZE] *= KEEP
        for band in range(N_BANDS):
            bands[band, k, TRUE] *= _KEEP_BAND
            bands[band, k, SIZE] *= _KEEP_BAND
    for label in range(target.size):
        if target[label] == UNOBSERVED:
            continue
        y = 1.0 if target[label] == POSITIVE else 0.0
        if y == 0.0 and p[label] <= THRESHOLDS[0]:
            continue
        if tallies.own[label, 0, SIZE] == 0.0:
            events[N_MET] += 1.0
        alike = bands[band_of(rate[label])]
        for k in range(N_THRESHOLDS):
            said = 1.0 if p[label] > THRESHOLDS[k] else 0.0
            total[k, TRUE] += said * y
            total[k, SIZE] += said + y
            alike[k, TRUE] += said * y
            alike[k, SIZE] += said + y
            t = tallies.own[label, k]
            t[TRUE] = _KEEP_LABEL * t[TRUE] + said * y
            t[SIZE] = _KEEP_LABEL * t[SIZE] + said + y


@inner
def note_answer(target, answer, events):
    """Count whether an answer was right, and its example-F1; one whose labels were not all observed counts for neither."""
    right, size = 0, 0
    for label in range(target.size):
        if target[label] == UNOBSERVED:
            return
        applies = target[label] == POSITIVE
        right += answer[label] and applies
        size += np.int64(answer[label]) + np.int64(applies)
    events[EXACT] = KEEP * events[EXACT] + (1.0 if 2 * right == size else 0.0)
    events[F1] = KEEP * events[F1] + (2.0 * right / size if size > 0 else 1.0)
