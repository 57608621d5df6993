"""Which test splits a leaf: Gaussian summaries per label, multivariate Bernoulli entropy, Hoeffding bound."""

import math

import numpy as np

from ihomer.kernels.common import allocating, inner
from ihomer.kernels.tree_state import LEAST, M2, MEAN, MISSING, MOST, NONE, POSITIVE_ROW, UNOBSERVED_ROW, N

_SQRT_HALF = math.sqrt(0.5)


@inner
def binary_entropy(p):
    """Return -p log2 p - (1 - p) log2 (1 - p) in bits; 0 outside (0, 1)."""
    if p <= 0.0 or p >= 1.0:
        return 0.0
    return -p * math.log2(p) - (1.0 - p) * math.log2(1.0 - p)


@inner
def entropy(count, total, observed):
    """Return the entropy in bits of a multivariate Bernoulli: H = sum over labels of h(count / (total * observed)).

    count : float64[L], weight of positives; observed : float64[L], share of the weight in which the label was observed
    """
    h = 0.0
    if total > 0.0:
        for label in range(count.size):
            if observed[label] > 0.0:
                h += binary_entropy(min(1.0, count[label] / (total * observed[label])))
    return h


@inner
def add_value(summary, value, weight):
    """Take a value that is not zero into a summary, float64[6], by West's weighted update; nan counts as missing."""
    if math.isnan(value):
        summary[MISSING] += weight
        return
    summary[N] += weight
    delta = value - summary[MEAN]
    summary[MEAN] += delta * weight / summary[N]
    summary[M2] += weight * delta * (value - summary[MEAN])
    summary[LEAST] = min(summary[LEAST], value)
    summary[MOST] = max(summary[MOST], value)


@inner
def with_zeros(summary, total, tiny, out):
    """Write weight, mean, deviation, least and most of all known values to `out`, float64[5], zeros included.

    total : weight of all events of the class. The zeros, total - missing - not zero, are merged as a second sample (Chan).
    """
    known = total - summary[MISSING]
    zeros = known - summary[N]
    if zeros < tiny:
        zeros = 0.0
    out[0] = known
    out[1] = out[2] = 0.0
    out[3], out[4] = summary[LEAST], summary[MOST]
    if zeros > 0.0:
        out[3], out[4] = min(out[3], 0.0), max(out[4], 0.0)
    n = summary[N] + zeros  # not quite `known` where the zeros were too few to count
    if known <= 0.0 or n <= 0.0:
        return
    out[1] = summary[MEAN] * (summary[N] / n)
    squares = summary[M2] + summary[MEAN] * summary[MEAN] * (summary[N] * zeros / n)
    if known > 1.0 and squares > 0.0:
        out[2] = math.sqrt(squares / (known - 1.0))


@inner
def weight_left(known, threshold):
    """Return the weight of the values <= threshold under the normal distribution of `known`, float64[5]."""
    if known[0] <= 0.0 or threshold < known[3]:
        return 0.0
    if threshold >= known[4]:
        return known[0]
    if known[2] <= 0.0:
        return 0.0
    return known[0] * 0.5 * math.erfc((known[1] - threshold) / known[2] * _SQRT_HALF)


@inner
def gain(classes, threshold, nominal, node_entropy, observed, min_fraction, left):
    """Return the merit of the test value <= threshold, or -inf if a branch would hold too little.

    classes : float64[1 + L, 5], known values of all events and of each label's positives (see `with_zeros`); where
    `nominal`, column 3 holds the weight of the zeros. left : float64[1 + L], out: the weights that go left

    merit = H(node) - (T_left H(left) + T_right H(right)) / (T_left + T_right)
    """
    for c in range(classes.shape[0]):
        left[c] = classes[c, 3] if nominal else weight_left(classes[c], threshold)
    t_left = left[0]
    t_right = classes[0, 0] - left[0]
    total = t_left + t_right
    if not (t_left > min_fraction * total and t_right > min_fraction * total):
        return -np.inf
    h_left = 0.0
    h_right = 0.0
    for label in range(observed.size):
        share = observed[label]
        if share > 0.0:
            h_left += binary_entropy(min(1.0, left[1 + label] / (t_left * share)))
            h_right += binary_entropy(min(1.0, (classes[1 + label, 0] - left[1 + label]) / (t_right * share)))
    merit = node_entropy - (t_left * h_left + t_right * h_right) / total
    return merit if math.isfinite(merit) else -np.inf


@inner
def known_values(t, node, block, nominal, classes):
    """Write what is known about a block's feature in leaf `node` to `classes`, float64[1 + L, 5]."""
    weight = t.nodes[node]["weight"]
    tiny = 1e-9 * weight
    for c in range(classes.shape[0]):
        total = weight if c == 0 else t.labels[node, POSITIVE_ROW, c - 1]
        with_zeros(t.stats[block, c], total, tiny, classes[c])
        if nominal:
            zeros = classes[c, 0] - t.stats[block, c, N]
            classes[c, 3] = zeros if zeros >= tiny else 0.0


@inner
def best_threshold(t, classes, nominal, node_entropy, observed, left):
    """Return merit and threshold of the best test on one feature; the first one wins a tie."""
    settings = t.settings[0]
    if nominal:
        return gain(classes, 0.5, True, node_entropy, observed, settings["min_branch_fraction"], left), 0.5
    least, most = classes[0, 3], classes[0, 4]
    best, best_at = -np.inf, 0.0
    for i in range(settings["n_thresholds"]):
        threshold = least + (most - least) * (i + 1) / (settings["n_thresholds"] + 1)
        if least < threshold < most:
            merit = gain(classes, threshold, False, node_entropy, observed, settings["min_branch_fraction"], left)
            if merit > best:
                best, best_at = merit, threshold
    return best, best_at


@inner
def observed_share(t, node, weight, out):
    """Write the share of the weight in which each label was observed to `out`, float64[L]."""
    for label in range(out.size):
        out[label] = 1.0 - t.labels[node, UNOBSERVED_ROW, label] / weight


@allocating
def find_split(t, node, kind, left, right):
    """Look for a test that splits leaf `node`; return (feature or NONE, threshold).

    kind : uint8[features], 1 where the feature is the indicator of a nominal value
    left, right : float64[1 + L], out: the weights (all, labels) of the two branches

    Split if best - second best merit > eps or eps < tau, eps = sqrt(R^2 ln(1/delta) / (2 n)), R = log2(distinct labelsets);
    the null test with merit 0 competes.
    """
    n, settings = t.nodes[node], t.settings[0]
    n_labels = left.size - 1
    observed = np.empty(n_labels)
    observed_share(t, node, n["weight"], observed)
    node_entropy = entropy(t.labels[node, POSITIVE_ROW, :n_labels], n["weight"], observed)
    merit_range = max(1.0, math.log2(n["n_labelsets"]))
    eps = merit_range * math.sqrt(math.log(1.0 / settings["delta"]) / (2.0 * n["weight"]))
    if eps >= settings["tau"] and eps >= node_entropy:
        return NONE, 0.0  # no merit exceeds H(node), and the second best is at least 0
    classes = np.empty((1 + n_labels, 5))
    best, second, best_feature, best_at, best_block = 0.0, 0.0, NONE, 0.0, NONE
    block = t.slots[n["slot"]]["head"]
    while block != NONE:
        feature = t.blocks[block]["feature"]
        nominal = kind[feature] != 0
        known_values(t, node, block, nominal, classes)
        merit, threshold = best_threshold(t, classes, nominal, node_entropy, observed, left)
        if merit > best or (merit == best and best_feature != NONE and feature < best_feature):
            second = best
            best, best_feature, best_at, best_block = merit, feature, threshold, block
        elif merit > second:
            second = merit
        block = t.blocks[block]["next"]
    if best_feature == NONE or not (best - second > eps or eps < settings["tau"]):
        return NONE, 0.0
    known_values(t, node, best_block, kind[best_feature] != 0, classes)
    gain(classes, best_at, kind[best_feature] != 0, node_entropy, observed, 0.0, left)
    for c in range(left.size):
        right[c] = classes[c, 0] - left[c]
    return best_feature, best_at
