"""What answers are worth: fading counts by which labels are answered and scores are weighed."""

from typing import NamedTuple

import numpy as np

from ihomer.kernels.common import inner
from ihomer.kernels.odds import POSITIVE, UNOBSERVED

KEEP = 0.999  # of the counts of all labels, per event
_FADE_LABEL = 0.005  # of those of one label, per event that it is answered to; as often as it applies where it is not
_F1_WORTH, _MOST_F1_WORTH = 3.6, 2.3  # see `f1_worth`
_START_EVENTS, _START_EXACT, _START_F1 = 50.0, 0.35, 0.62  # events that the scores of the start count for, and these
_START_LABELS = 2.0 * _START_EVENTS  # as the events of the start had and were answered one label each
TRUE, SIZE = 0, 1
N_EVENTS_FADED, N_MET, EXACT, F1 = 0, 1, 2, 3
N_TALLIES = 4


class Tallies(NamedTuple):
    """What answers are worth.

    The best F1 is reached by answering all labels that are more probable than half of it (Lipton, Elkan, Naryanaswamy 2014), so
    it is followed by what such answers are expected to reach: true positives, and answered plus true ones, added up from the
    probabilities and not from the labels that applied. Of a rare label these are too few to tell a threshold by, and a
    threshold that is too low keeps itself low: its many false positives lower the F1 that it is half of.
    """

    total: np.ndarray  # float64[2], true positives, and answered plus true ones, over all labels
    own: np.ndarray  # float64[labels, 2], those of each label; 0 before a label is met
    events: np.ndarray  # float64[4]: fading number of events, how many labels have been met, and what `note_answer` counts


@inner
def f1_of_all(total):
    """Return the micro-F1 to be expected: (2 TP + 62) / (answered + true + 100)."""
    return (2.0 * total[TRUE] + _START_F1 * _START_LABELS) / (total[SIZE] + _START_LABELS)


@inner
def f1_of_label(own):
    """Return the F1 of a label to be expected: (2 TP + 1) / (answered + true + 2), as if one of two had been right before."""
    return (2.0 * own[TRUE] + 1.0) / (own[SIZE] + 2.0)


@inner
def f1_worth(events):
    """Return what one more expected example-F1 is worth in the balanced answer, in right labelsets.

    min(3.6 A / F, 2.3), A and F the mean subset accuracy and example-F1 of the answers so far: a share of the one score is
    worth a share of the other, so that where hardly any labelset is right, each right one counts for much.
    """
    exact = events[EXACT] + _START_EVENTS * _START_EXACT
    return min(_F1_WORTH * exact / (events[F1] + _START_EVENTS * _START_F1), _MOST_F1_WORTH)


@inner
def note_expected(target, p, tallies):
    """Count what the labels above half the F1 so far are expected to add to it, in the count of all labels and in their own.

    The first event that a label applies to counts as one that it was not answered to, since it could not be. Later on a label
    counts whether it was observed or not: its probability was known.
    """
    total, own, events = tallies.total, tallies.own, tallies.events
    events[N_EVENTS_FADED] = KEEP * events[N_EVENTS_FADED] + 1.0
    half = f1_of_all(total) / 2.0
    total[TRUE] *= KEEP
    total[SIZE] *= KEEP
    for label in range(target.size):
        q, t = p[label], own[label]
        if t[SIZE] == 0.0:
            if target[label] == POSITIVE:
                events[N_MET] += 1.0
                total[SIZE] += 1.0
                t[SIZE] = 1.0
            continue
        if q > half:
            total[TRUE] += q
            total[SIZE] += 1.0
        total[SIZE] += q
        said = 1.0 if q > f1_of_label(t) / 2.0 else 0.0
        keep = 1.0 - _FADE_LABEL * max(said, q)
        t[TRUE] = keep * t[TRUE] + said * q
        t[SIZE] = keep * t[SIZE] + said + q


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
