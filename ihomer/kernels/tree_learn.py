"""How a tree learns: losses and alternates on the path, leaves, splits. `learn_rows` is the way in."""

import math

import numpy as np

from ihomer.kernels.adwin import adwin_reset
from ihomer.kernels.blocks import take_block
from ihomer.kernels.common import allocating, inner, jit
from ihomer.kernels.logistic import logistic_learn
from ihomer.kernels.neighbours import push_row
from ihomer.kernels.nodes import (
    child_of,
    clear_background,
    count_labels,
    count_labelset,
    forget_loss,
    free_subtree,
    give_slot,
    is_leaf,
    mean_loss,
    note,
    take_leaf,
    watch_loss,
)
from ihomer.kernels.odds import NEGATIVE, POSITIVE, UNOBSERVED
from ihomer.kernels.random import poisson_one, uniform
from ihomer.kernels.split import add_value, find_split
from ihomer.kernels.tree_predict import (
    combine_votes,
    find_voters,
    leaf_scores,
    most_pairs,
    new_voters,
    predict_leaf,
)
from ihomer.kernels.tree_state import (
    ALTERNATE_DROPPED,
    ALTERNATE_MADE,
    ALTERNATE_NEVER,
    ALTERNATE_ON_WARNING,
    ALTERNATE_SWITCHED,
    INHERITED_ROW,
    LEAF_SPLIT,
    MAX_LABELSETS,
    NONE,
)
from ihomer.kernels.window import MOST_PAIRS

DONE, FULL_NODES, FULL_SLOTS, FULL_BLOCKS, FULL_ROWS, FULL_LABELSETS = range(6)


@inner
def hamming_loss(p, y):
    """Return the share of observed labels whose prediction p > 1/2 is wrong, or -1 if none is observed."""
    wrong, observed = 0, 0
    for label in range(y.size):
        if y[label] != UNOBSERVED:
            observed += 1
            wrong += (p[label] > 0.5) != (y[label] == POSITIVE)
    return wrong / observed if observed > 0 else -1.0


@inner
def replace_by_alternate(t, node):
    """Put the alternate of an inner node in its place and free the old subtree; return the alternate."""
    n, h = t.nodes[node], t.header[0]
    alternate = n["alternate"]
    parent = n["parent"]
    n["alternate"] = NONE
    t.nodes[alternate]["parent"] = parent
    if parent == NONE:
        h["root"] = alternate
    elif t.nodes[parent]["left"] == node:
        t.nodes[parent]["left"] = alternate
    else:
        t.nodes[parent]["right"] = alternate
    free_subtree(t, node)
    clear_background(t, alternate)
    h["n_switched"] += 1
    note(t, alternate, ALTERNATE_SWITCHED)
    return alternate


@inner
def judge_alternate(t, node, loss_before):
    """Return 1 if the alternate of a node is significantly better, -1 if it is significantly worse, else 0.

    bound = sqrt(2 e (1 - e) ln(2 / significance) (1 / weight of the alternate + 1 / weight since the last drift))
    """
    n, settings = t.nodes[node], t.settings[0]
    alternate = t.nodes[n["alternate"]]
    weight = alternate["weight"] + alternate["inherited"]
    if weight <= settings["alternate_weight"] or n["since_drift"] <= settings["alternate_weight"]:
        return 0
    spread = 2.0 * loss_before * (1.0 - loss_before) * math.log(2.0 / settings["switch_significance"])
    bound = math.sqrt(max(spread, 0.0) * (1.0 / weight + 1.0 / n["since_drift"]))
    advantage = loss_before - mean_loss(t, n["alternate"])
    if advantage > bound:
        return 1
    return -1 if -advantage > bound else 0


@inner
def watch_node(t, node, loss, weight):
    """Take the main leaf's loss into an inner node; make, keep, drop or put forward its alternate.

    Return the alternate if it has just been made, else NONE, and the verdict of `judge_alternate`.
    """
    n, settings = t.nodes[node], t.settings[0]
    before, after, detected = watch_loss(t, node, loss, weight)
    made, verdict = NONE, 0
    if n["alternate"] == NONE:
        warned = settings["alternate_on"] == ALTERNATE_ON_WARNING or detected
        allowed = settings["alternate_on"] != ALTERNATE_NEVER and t.header[0]["n_leaves"] < settings["max_leaves"]
        if warned and allowed and after > before:
            made = take_leaf(t, NONE, n["depth"], True)
            n["alternate"] = made
            note(t, node, ALTERNATE_MADE)
    else:
        verdict = judge_alternate(t, node, before)
        if verdict == -1:
            free_subtree(t, n["alternate"])
            n["alternate"] = NONE
            t.header[0]["n_dropped"] += 1
            note(t, node, ALTERNATE_DROPPED)
    if verdict != 1 and detected and after < before:
        forget_loss(t, node)
    return made, verdict


@inner
def watch_path(t, voters, n_voters, x_index, x_value, y, weight):
    """Walk the main path from the root: label statistics, losses, alternates.

    Leaves in `voters.leaf` the leaves that are to learn; NONE marks one that is gone. Return the number of entries, and the
    place of the leaf that learns first: the main one, or that of the subtree that took over.
    """
    loss = hamming_loss(voters.p[0], y) if voters.ready[0] else -1.0
    node = t.header[0]["root"]
    n_leaves = n_voters
    next_voter = 1
    while not is_leaf(t, node):
        child = child_of(t, node, x_index, x_value)
        count_labels(t, node, y, weight)
        t.nodes[node]["since_drift"] += weight
        had_alternate = t.nodes[node]["alternate"] != NONE
        if loss >= 0.0:
            made, verdict = watch_node(t, node, loss, weight)
            if made != NONE:
                voters.leaf[n_leaves] = voters.owner[n_leaves] = made
                voters.ready[n_leaves] = False
                n_leaves += 1
            elif verdict == 1:
                replace_by_alternate(t, node)
                voters.leaf[0] = NONE
                for v in range(next_voter + 1, n_voters):
                    voters.leaf[v] = NONE
                return n_leaves, next_voter
            elif verdict == -1:
                voters.leaf[next_voter] = NONE
        next_voter += had_alternate
        node = child
    return n_leaves, 0


@inner
def watch_own_loss(t, voters, v, x_index, x_value, y, weight):
    """Take a voter's own loss into the root leaf or the root of an alternate, and the event into inner nodes there."""
    owner = voters.owner[v]
    node = owner
    while not is_leaf(t, node):
        count_labels(t, node, y, weight)
        node = child_of(t, node, x_index, x_value)
    if voters.ready[v]:
        loss = hamming_loss(voters.p[v], y)
        t.nodes[owner]["since_drift"] += weight
        if loss >= 0.0:
            before, after, detected = watch_loss(t, owner, loss, weight)
            if detected and after < before:
                forget_loss(t, owner)


@inner
def learn_leaf(t, voters, v, x_index, x_value, y, weight):
    """Let the leaf of voter v learn one event. Its logistic scores stand in voters.z[v]."""
    node = voters.leaf[v]
    slot = t.nodes[node]["slot"]
    count_labels(t, node, y, weight)
    for k in range(x_index.size):
        block = voters.block[v, k]
        if block == NONE:
            block = voters.block[v, k] = take_block(t, slot, x_index[k])
        stats = t.stats[block]
        add_value(stats[0], x_value[k], weight)
        for label in range(y.size):
            if y[label] == POSITIVE:
                add_value(stats[1 + label], x_value[k], weight)
    count_labelset(t, node, y)
    push_row(t, node, x_index, x_value, y)
    logistic_learn(t, slot, voters.block[v], x_value, y, weight, voters.z[v])


@inner
def split_leaf(t, node, feature, threshold, nominal, left, right):
    """Make leaf `node` an inner node with two empty leaves that inherit the weights of the branches.

    left, right : float64[1 + L], weight of all events and of each label's positives
    """
    n, h = t.nodes[node], t.header[0]
    give_slot(t, n["slot"])
    n["slot"] = NONE
    h["n_leaves"] -= 1
    h["n_splits"] += 1
    note(t, node, LEAF_SPLIT)
    n["feature"], n["threshold"], n["nominal"] = feature, threshold, nominal
    if n["parent"] != NONE:  # neither root nor root of an alternate: the losses start with the node
        forget_loss(t, node)
        adwin_reset(t.detector, node)
    n["left"] = take_leaf(t, node, n["depth"] + 1, n["background"])
    n["right"] = take_leaf(t, node, n["depth"] + 1, n["background"])
    t.nodes[n["left"]]["inherited"] = left[0]
    t.nodes[n["right"]]["inherited"] = right[0]
    for label in range(left.size - 1):
        t.labels[n["left"], INHERITED_ROW, label] = left[1 + label]
        t.labels[n["right"], INHERITED_ROW, label] = right[1 + label]


@allocating
def try_split(t, node, kind):
    """Split a leaf if it is due and a test is good enough; return whether it was split."""
    n, settings, h = t.nodes[node], t.settings[0], t.header[0]
    if n["weight"] - n["last_attempt"] < settings["grace_period"]:
        return False
    n["last_attempt"] = n["weight"]
    if n["n_labelsets"] <= 1 or n["depth"] >= settings["max_depth"] or h["n_leaves"] >= settings["max_leaves"]:
        return False
    left = np.empty(1 + h["n_labels"])
    right = np.empty(1 + h["n_labels"])
    feature, threshold = find_split(t, node, kind, left, right)
    if feature == NONE:
        return False
    split_leaf(t, node, feature, threshold, kind[feature] != 0, left, right)
    return True


@inner
def learn_and_grow(t, voters, v, x_index, x_value, y, weight, kind):
    """Let the leaf of voter v learn; if it splits, let the child that the event reaches learn it too.

    The child does not split at once, it has seen one labelset; but with a great weight the event may have been its attempt.
    """
    learn_leaf(t, voters, v, x_index, x_value, y, weight)
    while try_split(t, voters.leaf[v], kind):
        voters.leaf[v] = child_of(t, voters.leaf[v], x_index, x_value)
        leaf_scores(t, voters, v, x_index, x_value)
        learn_leaf(t, voters, v, x_index, x_value, y, weight)


@inner
def learn_event(t, voters, x_index, x_value, y, weight, kind, dense, out):
    """Predict one event into `out`, float64[L], then learn it. y : uint8[L], 0 negative, 1 positive, 2 unobserved."""
    settings, h = t.settings[0], t.header[0]
    if settings["bootstrap"]:
        weight *= max(1, poisson_one(uniform(settings["seed"], h["n_events"], 0)))
    n_voters = find_voters(t, voters, x_index, x_value)
    for v in range(n_voters):
        predict_leaf(t, voters, v, x_index, x_value, dense, True)
    combine_votes(t, voters, n_voters, out)
    root_is_leaf = is_leaf(t, h["root"])
    n_leaves, first = watch_path(t, voters, n_voters, x_index, x_value, y, weight)
    for v in range(n_voters):
        if voters.leaf[v] != NONE and (v > 0 or root_is_leaf):
            watch_own_loss(t, voters, v, x_index, x_value, y, weight)
    learn_and_grow(t, voters, first, x_index, x_value, y, weight, kind)
    for v in range(n_leaves):
        if v != first and voters.leaf[v] != NONE:
            if v >= n_voters:
                leaf_scores(t, voters, v, x_index, x_value)
            learn_and_grow(t, voters, v, x_index, x_value, y, weight, kind)
    h["n_events"] += 1


@inner
def room_for(t, voters, x_index, x_value):
    """Tell whether the next event is sure to find room in every array: DONE, or which array is full."""
    h = t.header[0]
    n_voters = find_voters(t, voters, x_index, x_value)
    node, n_leaves = h["root"], n_voters
    while not is_leaf(t, node):
        n_leaves += t.nodes[node]["alternate"] == NONE
        node = child_of(t, node, x_index, x_value)
    splits = n_leaves if h["n_leaves"] < t.settings[0]["max_leaves"] else 0
    if h["free_nodes"] < n_leaves + 2 * splits:
        return FULL_NODES
    if h["free_slots"] < n_leaves + splits:
        return FULL_SLOTS
    if h["free_blocks"] < (n_leaves + splits) * x_index.size:
        return FULL_BLOCKS
    if t.row_index.shape[2] < min(x_index.size, MOST_PAIRS):
        return FULL_ROWS
    for v in range(n_voters):
        n_labelsets = t.nodes[voters.leaf[v]]["n_labelsets"]
        if n_labelsets < MAX_LABELSETS and 2 * (n_labelsets + 1) > t.labelsets.shape[1]:
            return FULL_LABELSETS
    return DONE


@inner
def spread_labels(label_id, label_place, ids, mark, y):
    """Mark in y, uint8[L], the places of those of `ids`, labels of the stream, that are labels of this tree.

    label_id : int32[...], ascending, the labels of this tree; label_place : int64[...], their places in y
    """
    for i in range(ids.size):
        at = np.searchsorted(label_id, ids[i])
        if at < label_id.size and label_id[at] == ids[i]:
            y[label_place[at]] = mark


@jit
def learn_rows(
    t, label_id, label_place, x_indptr, x_index, x_value, y_indptr, y_index, u_indptr, u_index, weight,
    start, stop, kind, dense, out,
):  # fmt: skip
    """Predict, then learn, rows start..stop-1 in turn; return (next row, DONE or the array that is full).

    A row that finds an array full has changed nothing: enlarge it and call again from that row.

    label_id, label_place : see `spread_labels`
    x : sparse rows, indices ascending; y, u : positive and unobserved labels of each row, ascending; weight : float64[rows]
    kind : uint8[features]; dense : float64[features], zeros; out : float64[rows, L], row `start` first: the predictions
    """
    y = np.empty(t.header[0]["n_labels"], np.uint8)
    n_pairs = most_pairs(x_indptr, start, stop)
    voters = new_voters(t, n_pairs)
    for row in range(start, stop):
        if voters.leaf.size < 2 * t.header[0]["deepest"] + 3:
            voters = new_voters(t, n_pairs)
        a, b = x_indptr[row], x_indptr[row + 1]
        full = room_for(t, voters, x_index[a:b], x_value[a:b])
        if full != DONE:
            return row, full
        y[:] = UNOBSERVED  # a place without a label counts nowhere
        for place in label_place:
            y[place] = NEGATIVE
        spread_labels(label_id, label_place, y_index[y_indptr[row] : y_indptr[row + 1]], np.uint8(POSITIVE), y)
        spread_labels(label_id, label_place, u_index[u_indptr[row] : u_indptr[row + 1]], np.uint8(UNOBSERVED), y)
        learn_event(t, voters, x_index[a:b], x_value[a:b], y, weight[row], kind, dense, out[row - start])
    return stop, DONE
