"""Slow twins of the scores: every event kept, every score computed anew, label by label, in fractions."""

import math
from fractions import Fraction

CLIP = 1e-15


def truth_of(true, label):
    """Return True, False or None (not observed)."""
    if isinstance(true, dict):
        value = true.get(label, False)
        return None if value is None or value != value else bool(value)
    return label in true


def chance_of(value):
    """Return the probability that a prediction's value stands for."""
    if isinstance(value, dict):
        return value.get(True, 0.0)
    return 0.0 if value is None else float(value)


def is_predicted(predicted, label):
    """Return whether a prediction, a dictionary or a set, holds a label."""
    if isinstance(predicted, dict):
        return label in predicted and chance_of(predicted[label]) > 0.5
    return label in predicted


def is_scored(event):
    """Return whether an event's truth names no label, or observes one."""
    true = event[0]
    return not isinstance(true, dict) or not true or any(truth_of(true, label) is not None for label in true)


def known_labels(events, labels=()):
    """Return all labels that are declared or named."""
    known = set(labels)
    for true, predicted, probabilities, _ in events:
        known |= set(true) | set(predicted) | set(probabilities or ())
    return known


def weighted(events, window=None, fading=None):
    """Return the scored events that a reading holds, each with its weight as a fraction."""
    scored = [event for event in events if is_scored(event)]
    if window is not None:
        scored = scored[-window:]
    factor = Fraction(1 if fading is None else fading)
    return [(event, Fraction(event[3]) * factor ** (len(scored) - 1 - i)) for i, event in enumerate(scored)]


def ratio(part, whole):
    """Return part / whole, 0 for 0 / 0."""
    return float(part / whole) if whole else 0.0


def f1_of_cells(cells):
    """Return 2 TP / (TP + FN + TP + FP), 0 if there is nothing to find; cells are (truth, answer, weight)."""
    hit = sum((w for truth, answer, w in cells if truth and answer), Fraction(0))
    named = sum((w * (truth + answer) for truth, answer, w in cells), Fraction(0))
    return ratio(2 * hit, named)


def example_score(cells, kind):
    """Return F1 or Jaccard of one event, 1 if nothing is true or predicted."""
    true = {label for label, truth, _ in cells if truth}
    predicted = {label for label, _, answer in cells if answer}
    if not true and not predicted:
        return Fraction(1)
    if kind == "f1":
        return Fraction(2 * len(true & predicted), len(true) + len(predicted))
    return Fraction(len(true & predicted), len(true | predicted))


def ranking(probabilities):
    """Return the labels with a probability above 0, most probable first, ties in the order of their names."""
    offers = [(-chance_of(value), label) for label, value in probabilities.items() if chance_of(value) > 0]
    return [label for _, label in sorted(offers)]


def cell_loss(probabilities, label, truth):
    """Return -ln of the clipped probability of what happened; nothing for a label that nobody names."""
    if label not in probabilities and not truth:
        return 0.0
    p = min(max(chance_of(probabilities.get(label, 0.0)), CLIP), 1.0 - CLIP)
    return -math.log(p if truth else 1.0 - p)


def scores(events, labels=(), window=None, fading=None, ranks=(1, 3, 5)):
    """Return all scores of events (true, predicted, probabilities or None, weight)."""
    known = known_labels(events, labels)
    held = weighted(events, window, fading)
    total = sum((w for _, w in held), Fraction(0))
    exact = f1 = jaccard = wrong = cells_observed = Fraction(0)
    per_label = {label: [] for label in known}
    for (true, predicted, _, _), w in held:
        cells = [(label, truth_of(true, label), is_predicted(predicted, label)) for label in known]
        cells = [cell for cell in cells if cell[1] is not None]
        exact += w * all(truth == answer for _, truth, answer in cells)
        wrong += w * sum(truth != answer for _, truth, answer in cells)
        cells_observed += w * len(cells)
        f1 += w * example_score(cells, "f1")
        jaccard += w * example_score(cells, "jaccard")
        for label, truth, answer in cells:
            per_label[label].append((truth, answer, w))
    result = {
        "subset_accuracy": ratio(exact, total),
        "hamming_loss": ratio(wrong, cells_observed),
        "example_f1": ratio(f1, total),
        "jaccard": ratio(jaccard, total),
        "micro_f1": f1_of_cells([cell for cells in per_label.values() for cell in cells]),
        "macro_f1": math.fsum(f1_of_cells(cells) for cells in per_label.values()) / len(known) if known else 0.0,
    }
    ranked = [(event, w) for event, w in held if event[2] is not None]
    if sum(w for _, w in ranked) > 0:
        result.update(probability_scores(ranked, known, ranks))
    return result


def probability_scores(ranked, known, ranks):
    """Return precision at each k and the log loss of weighted events with probabilities."""
    total = sum((w for _, w in ranked), Fraction(0))
    result = {}
    for k in ranks:
        hits = Fraction(0)
        for (true, _, probabilities, _), w in ranked:
            offers = {x: p for x, p in probabilities.items() if truth_of(true, x) is not None}
            hits += w * sum(bool(truth_of(true, label)) for label in ranking(offers)[:k])
        result[f"precision_at_{k}"] = ratio(hits, total * k)
    loss, cells = Fraction(0), Fraction(0)
    for (true, _, probabilities, _), w in ranked:
        for label in known:
            truth = truth_of(true, label)
            if truth is not None:
                loss += w * Fraction(cell_loss(probabilities, label, truth))
                cells += w
    result["log_loss"] = ratio(loss, cells)
    return result
