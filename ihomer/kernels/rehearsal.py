"""Two models that, after each event, go over some past events again: an additive one, and a layer of hidden units."""

from typing import NamedTuple

import numpy as np

from ihomer.kernels.common import inner, jit
from ihomer.kernels.curves import Points, add_curves, lengths_of, line_score, line_step, step_curves
from ihomer.kernels.hidden import (
    N_UNITS,
    Layer,
    hidden_score,
    hidden_step,
    measure_strength,
    wake_rows,
    weigh_by_relevance,
)  # fmt: skip
from ihomer.kernels.linear import padded
from ihomer.kernels.odds import MOST_ODDS, NEGATIVE, POSITIVE, UNOBSERVED, bounded, probability
from ihomer.kernels.random import uniform

_RATE = 1.0  # of the steps of the curves
_TIMES, _HIDDEN_TIMES = 4, 2  # past events per event
_MEASURED = 16  # events after which the strength of the units is measured again
N_PAIRS, N_POSITIVE, N_LABELS = 0, 1, 2


class Past(NamedTuple):
    """The events kept, as kernels hand them to each other: each has a slot."""

    sizes: np.ndarray  # int64[slots, 3], pairs, positives and labels of each
    importance: np.ndarray  # float64[slots]
    entry: np.ndarray  # int32[slots, width], features
    position: np.ndarray  # float32[slots, width], on the scale of the feature
    is_centred: np.ndarray  # bool[slots, width]
    length: np.ndarray  # float64[slots], of each with all its features; see `lengths_of`
    labels: np.ndarray  # int32[slots, most], positives first, then unobserved ones


@inner
def store_event(points, target, slot, past):
    """Write an event to a slot: its pairs and its labels."""
    first, n_pairs = points.first, min(points.last - points.first, past.entry.shape[1])
    for k in range(n_pairs):
        past.entry[slot, k], past.position[slot, k] = points.feature[first + k], points.position[first + k]
        past.is_centred[slot, k] = points.is_centred[first + k]
    past.sizes[slot, N_PAIRS] = n_pairs
    count = 0
    for kind in (POSITIVE, UNOBSERVED):
        for label in range(target.size):
            if target[label] == kind and count < past.labels.shape[1]:
                past.labels[slot, count] = label
                count += 1
        if kind == POSITIVE:
            past.sizes[slot, N_POSITIVE] = count
    past.sizes[slot, N_LABELS] = count


@inner
def additive_score(points, w, curves, score):
    """Write the sum of what each feature says to `score`, float32[labels or more]: the curve of a centred one, the line of
    another.
    """
    line_score(points, w, False, score)
    add_curves(points, curves, score)


@inner
def additive_step(points, mark, base, rate, w, curves, score):
    """Take one step on an event, from what `additive_score` wrote to `score`: each weight by rate (y_l - p_l) times its share
    in the score, p_l from base_l + score_l.

    mark : uint8[labels]
    """
    for label in range(mark.size):
        error = (mark[label] == POSITIVE) - probability(np.float32(bounded(float(score[label]) + base[label], MOST_ODDS)))
        score[label] = 0.0 if mark[label] == UNOBSERVED else rate * error
    line_step(points, w, False, score)
    step_curves(points, curves, score)


@jit
def rehearsal_rows(
    features, target, weight, learn, number, size, kept, base, w, curves, of_layer, strength, relevant, shrink, out, at
):  # fmt: skip
    """Predict each row into out[row, :, at:at + 2]; if `learn`, step on it, then on some of the last `size` events, drawn at
    random: four by the additive model, of which two by the hidden layer.

    features : indptr, feature, position, is_centred, is_new of `Rows`; relevant, shrink : float32[pairs], float32[rows], out,
    see `weigh_by_relevance`
    number : of the first row; kept : `Past`; base : place of the log-odds in `out` that the models start from
    w, curves : float32[rows of weights + 1, labels or more], float32[5, rows of curves + 1, labels or more]
    of_layer : `Layer`; strength : float32[units], see `measure_strength`
    """
    indptr, index, position, is_centred, is_new = features
    past, layer = Past(*kept), Layer(*of_layer)
    sizes, labels, n_labels = past.sizes, past.labels, out.shape[1]
    width = padded(n_labels, min(w.shape[1], layer.upper.shape[1]))
    score, hidden = np.empty(width, np.float32), np.empty(width, np.float32)
    unit, back = np.empty(N_UNITS + 1, np.float32), np.empty(N_UNITS, np.float32)
    start, mark = np.empty(n_labels), np.empty(n_labels, np.uint8)
    lanes, active = np.empty(N_UNITS // 2, np.float32), np.empty(N_UNITS + 1, np.int64)
    for row in range(out.shape[0]):
        known, whole = lengths_of(position, is_centred, is_new, indptr[row], indptr[row + 1])
        points = Points(index, position, is_centred, indptr[row], indptr[row + 1], known)
        additive_score(points, w, curves, score)
        n_active = hidden_score(points, layer, unit, active, hidden)
        shrink[row] = weigh_by_relevance(points, is_new, layer.lower, strength, lanes, relevant, shrink[row])
        for label in range(n_labels):
            start[label] = out[row, label, base]
            out[row, label, at] = bounded(float(score[label]) + start[label], MOST_ODDS)
            out[row, label, at + 1] = bounded(float(hidden[label]) + start[label], MOST_ODDS)
        if not learn:
            continue
        n, t, own = number + row, target[row, :n_labels], min(weight[row], 8.0)
        additive_step(points, t, start, _RATE * own * (known / whole), w, curves, score)
        if wake_rows(points, layer.lower, layer.lower_square):
            n_active = hidden_score(points, layer, unit, active, hidden)
        hidden_step(points, t, start, own * (known / whole), layer, unit, active, n_active, hidden, back)
        slot = n % size
        store_event(points, t, slot, past)
        past.importance[slot], past.length[slot] = own, whole
        for time in range(_TIMES):
            slot = np.int64(uniform(np.int64(0), n, np.int64(time)) * min(n + 1, size))
            mark[:] = NEGATIVE
            for k in range(sizes[slot, N_LABELS]):
                mark[labels[slot, k]] = POSITIVE if k < sizes[slot, N_POSITIVE] else UNOBSERVED
            entry, place, centred = past.entry[slot], past.position[slot], past.is_centred[slot]
            points = Points(entry, place, centred, np.int64(0), sizes[slot, N_PAIRS], past.length[slot])
            additive_score(points, w, curves, score)
            additive_step(points, mark, start, _RATE * past.importance[slot], w, curves, score)
            if time < _HIDDEN_TIMES:
                n_active = hidden_score(points, layer, unit, active, hidden)
                hidden_step(points, mark, start, past.importance[slot], layer, unit, active, n_active, hidden, back)
        if (n + 1) % _MEASURED == 0:
            measure_strength(layer.upper, np.int64(width), strength)
