"""Logistic regression that, after each event, goes over some past events again."""

import numpy as np

from ihomer.kernels.common import inner, jit
from ihomer.kernels.linear import linear_score, linear_step
from ihomer.kernels.odds import MOST_ODDS, NEGATIVE, POSITIVE, UNOBSERVED, bounded, probability
from ihomer.kernels.random import uniform

_RATE = 1.0
_TIMES = 4  # past events per event
N_PAIRS, N_POSITIVE, N_LABELS = 0, 1, 2


@inner
def store_event(index, value, shrink, first, last, target, slot, sizes, entry, entry_value, labels):
    """Write an event to a slot: its pairs, and its labels, positives first, then unobserved ones."""
    n_pairs = min(last - first, entry.shape[1])
    for k in range(n_pairs):
        entry[slot, k], entry_value[slot, k] = index[first + k], shrink * value[first + k]
    sizes[slot, N_PAIRS] = n_pairs
    count = 0
    for kind in (POSITIVE, UNOBSERVED):
        for label in range(target.size):
            if target[label] == kind and count < labels.shape[1]:
                labels[slot, count] = label
                count += 1
        if kind == POSITIVE:
            sizes[slot, N_POSITIVE] = count
    sizes[slot, N_LABELS] = count


@inner
def gradient_step(index, value, first, last, mark, base, rate, w, score):
    """Take one step on an event: W_l += rate (y_l - p_l) x, p_l from base_l + W_l x. mark : uint8[labels]."""
    linear_score(index, value, first, last, w, score)
    for label in range(score.size):
        error = (mark[label] == POSITIVE) - probability(bounded(float(score[label]) + base[label], MOST_ODDS))
        score[label] = 0.0 if mark[label] == UNOBSERVED else rate * error
    linear_step(index, value, first, last, w, score)


@jit
def rehearsal_rows(
    indptr,
    index,
    value,
    target,
    weight,
    shrink,
    learn,
    number,
    size,
    sizes,
    importance,
    entry,
    entry_value,
    labels,
    base,
    w,
    out,
    at,
):
    """Predict each row into out[row, :, at]; if `learn`, step on it, then on 4 of the last `size` events drawn at random.

    number : of the first row; sizes : int64[slots, 3], pairs, positives and labels of each event kept
    importance : float64[slots]; entry : int32[slots, width]; entry_value : float32[slots, width]
    labels : int32[slots, most]; base : place of the log-odds in `out` that the model starts from
    w : float32[rows of weights + 1, labels or more]
    """
    n_labels = out.shape[1]
    score, start = np.empty(n_labels, np.float32), np.empty(n_labels)
    mark = np.empty(n_labels, np.uint8)
    for row in range(out.shape[0]):
        first, last = indptr[row], indptr[row + 1]
        linear_score(index, value, first, last, w, score)
        for label in range(n_labels):
            start[label] = out[row, label, base]
            out[row, label, at] = bounded(float(score[label]) + start[label], MOST_ODDS)
        if not learn:
            continue
        n = number + row
        gradient_step(index, value, first, last, target[row, :n_labels], start,
                      _RATE * min(weight[row], 8.0) * shrink[row], w, score)  # fmt: skip
        slot = n % size
        store_event(index, value, shrink[row], first, last, target[row, :n_labels], slot, sizes, entry, entry_value, labels)
        importance[slot] = min(weight[row], 8.0)
        kept = min(n + 1, size)
        for time in range(_TIMES):
            slot = np.int64(uniform(np.int64(0), n, np.int64(time)) * kept)
            mark[:] = NEGATIVE
            for k in range(sizes[slot, N_LABELS]):
                mark[labels[slot, k]] = POSITIVE if k < sizes[slot, N_POSITIVE] else UNOBSERVED
            gradient_step(
                entry[slot],
                entry_value[slot],
                np.int64(0),
                sizes[slot, N_PAIRS],
                mark,
                start,
                _RATE * importance[slot],
                w,
                score,
            )
