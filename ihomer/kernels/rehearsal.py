"""Two models that, after each event, go over some past events again: logistic regression, and a layer of hidden units."""

import numpy as np

from ihomer.kernels.common import inner, jit
from ihomer.kernels.hidden import N_UNITS, hidden_score, hidden_step, measure_strength, wake_rows, weigh_by_relevance
from ihomer.kernels.linear import linear_score, linear_step, padded
from ihomer.kernels.odds import MOST_ODDS, NEGATIVE, POSITIVE, UNOBSERVED, bounded, probability
from ihomer.kernels.random import uniform

_RATE = 1.0
_TIMES, _HIDDEN_TIMES = 4, 2  # past events per event
_MEASURED = 16  # events after which the strength of the units is measured again
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
    """Take one step on an event, from what `linear_score` wrote to `score`: W_l += rate (y_l - p_l) x, p_l from base_l + W_l x.

    mark : uint8[labels]
    """
    for label in range(mark.size):
        error = (mark[label] == POSITIVE) - probability(np.float32(bounded(float(score[label]) + base[label], MOST_ODDS)))
        score[label] = 0.0 if mark[label] == UNOBSERVED else rate * error
    linear_step(index, value, first, last, w, score)


@jit
def rehearsal_rows(
    indptr, index, value, target, weight, shrink, learn, number, size, sizes, importance, entry, entry_value, labels, base, w,
    lower, lower_square, upper, upper_square, out, at, strength, is_new, relevant, relevant_shrink,
):  # fmt: skip
    """Predict each row into out[row, :, at:at + 2]; if `learn`, step on it, then on some of the last `size` events, drawn at
    random: four by the logistic regression, of which two by the hidden layer.

    number : of the first row; sizes : int64[slots, 3], pairs, positives and labels of each event kept
    importance : float64[slots]; entry : int32[slots, width]; entry_value : float32[slots, width]
    labels : int32[slots, most]; base : place of the log-odds in `out` that the models start from
    w : float32[rows of weights + 1, labels or more]; lower, lower_square, upper, upper_square : see `ihomer.kernels.hidden`
    strength : float32[units], see `weigh_by_relevance`; is_new, relevant, relevant_shrink : of `Rows`, the last two out
    """
    n_labels = out.shape[1]
    width = padded(n_labels, min(w.shape[1], upper.shape[1]))
    score, hidden = np.empty(width, np.float32), np.empty(width, np.float32)
    unit, back = np.empty(N_UNITS + 1, np.float32), np.empty(N_UNITS, np.float32)
    start, mark = np.empty(n_labels), np.empty(n_labels, np.uint8)
    lanes = np.empty(N_UNITS // 2, np.float32)
    for row in range(out.shape[0]):
        first, last = indptr[row], indptr[row + 1]
        linear_score(index, value, first, last, w, score)
        hidden_score(index, value, first, last, lower, upper, unit, hidden)
        relevant_shrink[row] = weigh_by_relevance(
            index, is_new, first, last, lower, strength, lanes, relevant, relevant_shrink[row]
        )
        for label in range(n_labels):
            start[label] = out[row, label, base]
            out[row, label, at] = bounded(float(score[label]) + start[label], MOST_ODDS)
            out[row, label, at + 1] = bounded(float(hidden[label]) + start[label], MOST_ODDS)
        if not learn:
            continue
        n, t, own = number + row, target[row, :n_labels], min(weight[row], 8.0)
        gradient_step(index, value, first, last, t, start, _RATE * own * shrink[row], w, score)
        if wake_rows(index, first, last, lower, lower_square):
            hidden_score(index, value, first, last, lower, upper, unit, hidden)
        hidden_step(index, value, first, last, t, start, own * shrink[row], lower, lower_square, upper, upper_square, unit,
                    hidden, back)  # fmt: skip
        slot = n % size
        store_event(index, value, shrink[row], first, last, t, slot, sizes, entry, entry_value, labels)
        importance[slot] = own
        kept = min(n + 1, size)
        for time in range(_TIMES):
            slot = np.int64(uniform(np.int64(0), n, np.int64(time)) * kept)
            mark[:] = NEGATIVE
            for k in range(sizes[slot, N_LABELS]):
                mark[labels[slot, k]] = POSITIVE if k < sizes[slot, N_POSITIVE] else UNOBSERVED
            past, values, stop = entry[slot], entry_value[slot], sizes[slot, N_PAIRS]
            linear_score(past, values, np.int64(0), stop, w, score)
            gradient_step(past, values, np.int64(0), stop, mark, start, _RATE * importance[slot], w, score)
            if time < _HIDDEN_TIMES:
                hidden_score(past, values, np.int64(0), stop, lower, upper, unit, hidden)
                hidden_step(past, values, np.int64(0), stop, mark, start, importance[slot], lower, lower_square, upper,
                            upper_square, unit, hidden, back)  # fmt: skip
        if (n + 1) % _MEASURED == 0:
            measure_strength(upper, np.int64(width), strength)
