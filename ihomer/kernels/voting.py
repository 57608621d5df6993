"""Putting the learners of a stream together: each label's probability is the mean of its voters', weighted by recent loss."""

import numpy as np

from ihomer.kernels.adwin import adwin_update
from ihomer.kernels.common import inner, jit
from ihomer.kernels.odds import NEGATIVE, POSITIVE, UNOBSERVED
from ihomer.kernels.tree_learn import spread_labels

_KEEP = 0.98  # of the recent loss, per event: it looks back about 50 events
_KEEP_FAST, _KEEP_SLOW = 0.98, 0.998  # of the two mean losses of a learner
LEAST_LOSS = 0.001  # recent loss of a voter: one that is never wrong would silence all others
FAST, SLOW = 0, 1


@inner
def note_losses(p, y, voting, alone, recent, duel_sum, duel_weight, mean_loss):
    """Take one event into the losses of a learner: (p - y)^2 of each observed label. y : uint8[L], marks of `odds`."""
    total, observed = 0.0, 0
    for place in range(p.size):
        if y[place] == UNOBSERVED or not voting[place]:
            continue
        error = p[place] - y[place]
        loss = error * error
        recent[place] = _KEEP * recent[place] + (1.0 - _KEEP) * loss
        total += loss
        observed += 1
        if not alone[place]:
            duel_sum[place] += loss
            duel_weight[place] += 1.0
    if observed > 0:
        mean_loss[FAST] = _KEEP_FAST * mean_loss[FAST] + (1.0 - _KEEP_FAST) * total / observed
        mean_loss[SLOW] = _KEEP_SLOW * mean_loss[SLOW] + (1.0 - _KEEP_SLOW) * total / observed


@jit
def cast_votes(
    p, label_id, label_place, voting, alone, recent, duel_sum, duel_weight, mean_loss,
    y_indptr, y_index, u_indptr, u_index, start, learn, share, total,
):  # fmt: skip
    """Add one learner's votes on some rows, and, if `learn`, note its losses after each row.

    p : float64[rows, L], its predictions; label_id, label_place : int32[n], int64[n], its labels and their columns
    voting, alone : bool[L], it has a vote on the label, and nobody else has; recent, duel_sum, duel_weight : float64[L]
    y, u : positive and unobserved labels; row `start` of them is row 0 of p
    share, total : float64[rows, labels], sums of weight * p and of weight; weight = 1 / recent^2, or 1 for a lone voter
    """
    y = np.empty(p.shape[1], np.uint8)
    for row in range(p.shape[0]):
        for i in range(label_id.size):
            place, label = label_place[i], label_id[i]
            if voting[place]:
                loss = max(recent[place], LEAST_LOSS)
                weight = 1.0 if alone[place] else 1.0 / (loss * loss)
                share[row, label] += weight * p[row, place]
                total[row, label] += weight
        if learn:
            at = start + row
            y[:] = 0
            spread_labels(label_id, label_place, y_index[y_indptr[at] : y_indptr[at + 1]], np.uint8(POSITIVE), y)
            spread_labels(label_id, label_place, u_index[u_indptr[at] : u_indptr[at + 1]], np.uint8(UNOBSERVED), y)
            note_losses(p[row], y, voting, alone, recent, duel_sum, duel_weight, mean_loss)


@jit
def count_votes(share, total, out):
    """Write share / total to `out`, float64[rows, labels]; 0 where nobody voted."""
    for row in range(out.shape[0]):
        for label in range(out.shape[1]):
            out[row, label] = share[row, label] / total[row, label] if total[row, label] > 0.0 else 0.0


@jit
def watch_answers(answer, y_indptr, y_index, u_indptr, u_index, start, detector, delta, clock):
    """Show the loss of each answer to ADWIN; return 1 or -1 if its mean has risen or fallen, else 0.

    loss = 1 - |Y and Z| / |Y or Z| over observed labels, Z the answer; 0 if both sets are empty
    answer : bool[rows, labels]; row `start` of y and u is row 0 of it; detector, delta, clock : see `ihomer.kernels.adwin`
    """
    mark = np.empty(answer.shape[1], np.uint8)
    verdict = 0
    for row in range(answer.shape[0]):
        at = start + row
        mark[:] = NEGATIVE
        for k in range(y_indptr[at], y_indptr[at + 1]):
            mark[y_index[k]] = POSITIVE
        for k in range(u_indptr[at], u_indptr[at + 1]):
            mark[u_index[k]] = UNOBSERVED
        both, either = 0, 0
        for label in range(mark.size):
            if mark[label] != UNOBSERVED:
                both += answer[row, label] and mark[label] == POSITIVE
                either += answer[row, label] or mark[label] == POSITIVE
        loss = 1.0 - both / either if either > 0 else 0.0
        found = adwin_update(detector, np.int64(0), loss, delta, clock)
        if found != 0:
            verdict = found
    return verdict
