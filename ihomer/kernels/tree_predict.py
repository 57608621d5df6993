"""What a tree predicts: the leaves that have a vote, each leaf's own probabilities, and their weighted mean."""

from typing import NamedTuple

import numpy as np

from ihomer.kernels.blocks import find_block
from ihomer.kernels.common import allocating, copy_first, inner, jit
from ihomer.kernels.logistic import logistic_predict, logistic_scores
from ihomer.kernels.neighbours import neighbours_predict
from ihomer.kernels.nodes import child_of, is_leaf, leaf_of, mean_loss
from ihomer.kernels.split import entropy
from ihomer.kernels.tree_state import INHERITED_ROW, NONE, POSITIVE_ROW, UNOBSERVED_ROW

_LEAST_LOSS = 0.001  # a voter without a loss so far does not silence all others


class Voters(NamedTuple):
    """Work space for one event: the leaves it reaches. V = most voters, L labels, M models, K pairs of the event."""

    leaf: np.ndarray  # int64[V]: 0 is the main leaf, then one leaf for each alternate on the main path
    owner: np.ndarray  # int64[V]: the node whose mean loss weighs the vote; for an alternate its root
    ready: np.ndarray  # bool[V]: the leaf has a prediction
    p: np.ndarray  # float64[V, L]: its prediction
    z: np.ndarray  # float64[V, L * M]: its logistic scores
    block: np.ndarray  # int64[V, K]: its block of each feature of the event


@inner
def most_pairs(indptr, start, stop):
    """Return the largest number of pairs of a row."""
    most = 0
    for row in range(start, stop):
        most = max(most, indptr[row + 1] - indptr[row])
    return most


@allocating
def new_voters(t, n_pairs):
    """Allocate the work space for events of up to `n_pairs` pairs."""
    h = t.header[0]
    # One alternate for each inner node of a path, as many new ones, and one leaf that a split may add.
    most = 2 * h["deepest"] + 3
    n_labels = h["n_labels"]
    return Voters(
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.zeros(most, np.bool_),
        np.zeros((most, n_labels)),
        np.empty((most, n_labels * t.settings[0]["n_models"])),
        np.empty((most, n_pairs), np.int64),
    )


@inner
def find_voters(t, voters, x_index, x_value):
    """Route an event; fill leaf and owner; return the number of voters."""
    node = t.header[0]["root"]
    above = node
    n_voters = 1
    while not is_leaf(t, node):
        alternate = t.nodes[node]["alternate"]
        if alternate != NONE:
            voters.leaf[n_voters] = leaf_of(t, alternate, x_index, x_value)
            voters.owner[n_voters] = alternate
            n_voters += 1
        above = node
        node = child_of(t, node, x_index, x_value)
    voters.leaf[0] = node
    voters.owner[0] = above
    return n_voters


@inner
def leaf_scores(t, voters, v, x_index, x_value):
    """Look up the blocks of voter v and compute its logistic scores."""
    slot = t.nodes[voters.leaf[v]]["slot"]
    for k in range(x_index.size):
        voters.block[v, k] = find_block(t, slot, x_index[k])
    logistic_scores(t, slot, voters.block[v], x_value, voters.z[v])


@jit
def uses_neighbours(t, node):
    """Tell whether leaf `node` predicts by its neighbours: while it is young, or its entropy is low."""
    n, settings = t.nodes[node], t.settings[0]
    if n["weight"] < settings["young_weight"]:
        return True
    n_labels = t.header[0]["n_labels"]
    total = n["weight"] + n["inherited"]
    count = np.empty(n_labels)
    observed = np.empty(n_labels)
    for label in range(n_labels):
        count[label] = t.labels[node, POSITIVE_ROW, label] + t.labels[node, INHERITED_ROW, label]
        observed[label] = 1.0 - t.labels[node, UNOBSERVED_ROW, label] / total
    return entropy(count, total, observed) < settings["entropy_threshold"]


@inner
def predict_leaf(t, voters, v, x_index, x_value, dense, with_scores):
    """Compute the prediction of voter v.

    dense : float64[features], zeros, used and zeroed again; with_scores : compute the logistic scores in any case
    """
    node = voters.leaf[v]
    p = voters.p[v]
    n_labelsets = t.nodes[node]["n_labelsets"]
    near = n_labelsets > 1 and uses_neighbours(t, node)
    if with_scores or (n_labelsets > 1 and not near):
        leaf_scores(t, voters, v, x_index, x_value)
    voters.ready[v] = n_labelsets > 0
    if n_labelsets == 1:
        for label in range(p.size):
            p[label] = 1.0 if t.labels[node, POSITIVE_ROW, label] > 0.0 else 0.0
    elif near:
        neighbours_predict(t, node, x_index, x_value, dense, p)
    elif n_labelsets > 1:
        logistic_predict(voters.z[v], t.settings[0]["n_models"], p)


@inner
def combine_votes(t, voters, n_voters, out):
    """Write the mean of the voters' predictions, weighted by 1 / loss^2, to `out`, float64[L]; zeros without a voter."""
    out[:] = 0.0
    total = 0.0
    n_votes, last = 0, 0
    for v in range(n_voters):
        owner = t.nodes[voters.owner[v]]
        old_enough = v == 0 or owner["weight"] + owner["inherited"] > t.settings[0]["alternate_weight"]
        if voters.ready[v] and old_enough:
            loss = max(mean_loss(t, voters.owner[v]), _LEAST_LOSS)
            weight = 1.0 / (loss * loss)
            total += weight
            n_votes, last = n_votes + 1, v
            for label in range(out.size):
                out[label] += weight * voters.p[v, label]
    if n_votes == 1:
        copy_first(voters.p[last], out, out.size)
    elif n_votes > 1:
        for label in range(out.size):
            out[label] /= total


@jit
def predict_rows(t, x_indptr, x_index, x_value, start, stop, dense, out):
    """Predict rows start..stop-1 of a sparse matrix without changing the tree; out : float64[stop - start, L]."""
    voters = new_voters(t, most_pairs(x_indptr, start, stop))
    for row in range(start, stop):
        a, b = x_indptr[row], x_indptr[row + 1]
        n_voters = find_voters(t, voters, x_index[a:b], x_value[a:b])
        for v in range(n_voters):
            predict_leaf(t, voters, v, x_index[a:b], x_value[a:b], dense, False)
        combine_votes(t, voters, n_voters, out[row - start])
