"""How often each label applies: in the long run, of late, and after what the last two events carried."""

import numpy as np

from ihomer.kernels.common import inner, jit
from ihomer.kernels.odds import POSITIVE, UNOBSERVED, single_log_odds

_KEEP_SLOW, _KEEP_RECENT, _KEEP_SEQUENCE = 0.9999, 0.95, 0.995  # per event
_PRIOR = 2.0  # events that the shared rate counts for
_LEAST = 1e-5  # of a probability
_MOST_SHARED = 1e5  # weight counted for a rate that all labels share, from which on it is halved
SLOW, RECENT = 0, 1


@inner
def context_of(marks):
    """Return which of the last two events carried the label: 0 none, 1 the last, 2 the one before, 3 both."""
    return marks[0] + 2 * marks[1]


@inner
def frequency_predict(rates, shared, marks, sequence, sequence_shared, out, at):
    """Write three log-odds per label: (positives + 2 r) / (events + 2), with r the mean rate of all labels, slow and fast
    fading, and the same for the events after which the label stood as it stands now.
    """
    for label in range(out.shape[0]):
        for speed in range(2):
            base = min(max((shared[speed, 0] + 0.02) / (shared[speed, 1] + 1.0), 0.001), 0.5)
            r = rates[label, speed]
            out[label, at + speed] = single_log_odds((r[0] + _PRIOR * base) / (r[1] + _PRIOR), _LEAST)
        k = context_of(marks[label])
        base = sequence_shared[k, 0] / sequence_shared[k, 1]
        c = sequence[label, k]
        out[label, at + 2] = single_log_odds((c[0] + _PRIOR * base) / (c[1] + _PRIOR), _LEAST)


@inner
def frequency_learn(target, weight, rates, shared, marks, sequence, sequence_shared):
    """Take one event in; see `frequency_rows`."""
    for i in range(2):
        shared[SLOW, i] *= _KEEP_SLOW
        shared[RECENT, i] *= _KEEP_RECENT
    for label in range(target.size):
        k = context_of(marks[label])
        marks[label, 1] = marks[label, 0]
        marks[label, 0] = target[label] == POSITIVE
        if target[label] == UNOBSERVED:
            continue
        positive = weight if target[label] == POSITIVE else 0.0
        for speed in range(2):
            keep = _KEEP_SLOW if speed == SLOW else _KEEP_RECENT
            rates[label, speed, 0] = keep * rates[label, speed, 0] + positive
            rates[label, speed, 1] = keep * rates[label, speed, 1] + weight
            shared[speed, 0] += positive
            shared[speed, 1] += weight
        sequence[label, k, 0] = _KEEP_SEQUENCE * sequence[label, k, 0] + positive
        sequence[label, k, 1] = _KEEP_SEQUENCE * sequence[label, k, 1] + weight
        sequence_shared[k, 0] += positive
        sequence_shared[k, 1] += weight
        if sequence_shared[k, 1] > _MOST_SHARED:
            sequence_shared[k, 0] *= 0.5
            sequence_shared[k, 1] *= 0.5


@jit
def frequency_rows(target, weight, learn, known, rates, shared, marks, sequence, sequence_shared, out, at):
    """Predict each row into out[row, :, at:at + 3], unless it is `known`, and learn it if `learn`.

    target : uint8[rows, labels]; weight : float64[rows]; out : float32[rows, labels, outputs]
    rates : float64[labels, 2, 2], slow and recent: weight of positives, of all; shared : float64[2, 2], over all labels
    marks : uint8[labels, 2], whether the last event and the one before carried the label
    sequence : float64[labels, 4, 2], by what the last two carried: positives, all; sequence_shared : float64[4, 2]
    """
    n_labels = out.shape[1]
    for row in range(out.shape[0]):
        if not known:
            frequency_predict(rates, shared, marks, sequence, sequence_shared, out[row], np.int64(at))
        if learn:
            frequency_learn(target[row, :n_labels], weight[row], rates, shared, marks, sequence, sequence_shared)
