"""Nodes of a tree: making and freeing them, routing an event, and their label statistics."""

import math

import numpy as np

from ihomer.kernels.adwin import CLOCK, adwin_reset, adwin_update
from ihomer.kernels.blocks import free_blocks_of
from ihomer.kernels.common import allocating, inner, jit
from ihomer.kernels.odds import POSITIVE, UNOBSERVED
from ihomer.kernels.random import mix
from ihomer.kernels.tree_state import LOSS_FELL, LOSS_ROSE, MAX_LABELSETS, NONE, POSITIVE_ROW, UNOBSERVED_ROW


@inner
def is_leaf(t, node):
    """Tell whether a node is a leaf."""
    return t.nodes[node]["left"] == NONE


@inner
def value_of(x_index, x_value, feature):
    """Return the value of a feature in an event: 0 if it is not listed, nan if it is missing."""
    low, high = 0, x_index.size
    while low < high:
        middle = (low + high) // 2
        if x_index[middle] < feature:
            low = middle + 1
        else:
            high = middle
    return x_value[low] if low < x_index.size and x_index[low] == feature else 0.0


@jit
def child_of(t, node, x_index, x_value):
    """Return the child to which an event goes; a missing value goes to the heavier child, left on a tie."""
    n = t.nodes[node]
    value = 0.0 if n["feature"] == NONE else value_of(x_index, x_value, n["feature"])
    if math.isnan(value):
        left, right = t.nodes[n["left"]], t.nodes[n["right"]]
        goes_left = left["weight"] + left["inherited"] >= right["weight"] + right["inherited"]
    else:
        goes_left = value <= n["threshold"]
    return n["left"] if goes_left else n["right"]


@inner
def leaf_of(t, node, x_index, x_value):
    """Return the leaf that an event reaches from `node` through children."""
    while not is_leaf(t, node):
        node = child_of(t, node, x_index, x_value)
    return node


@inner
def take_slot(t):
    """Return a cleared leaf slot (the caller has reserved it)."""
    h = t.header[0]
    slot = h["next_slot"]
    h["next_slot"] = t.slots[slot]["next"]
    h["free_slots"] -= 1
    t.intercept[slot, :] = 0.0
    t.labelsets[slot, :] = 0
    return slot


@inner
def give_slot(t, slot):
    """Free a leaf slot and all its blocks."""
    free_blocks_of(t, slot)
    h = t.header[0]
    t.slots[slot]["next"] = h["next_slot"]
    h["next_slot"] = slot
    h["free_slots"] += 1


@inner
def take_leaf(t, parent, depth, background):
    """Return a new, empty leaf (the caller has reserved node and slot)."""
    h = t.header[0]
    node = h["next_node"]
    n = t.nodes[node]
    h["next_node"] = n["next"]
    h["free_nodes"] -= 1
    n["used"] = True
    n["parent"], n["depth"], n["background"] = parent, depth, background
    n["left"] = n["right"] = n["alternate"] = n["feature"] = NONE
    n["n_labelsets"] = n["row_first"] = n["row_count"] = 0
    n["threshold"] = n["weight"] = n["inherited"] = n["last_attempt"] = 0.0
    n["since_drift"] = n["loss_sum"] = n["loss_weight"] = 0.0
    n["nominal"] = False
    n["slot"] = take_slot(t)
    t.labels[node, :, :] = 0.0
    adwin_reset(t.detector, node)
    h["n_leaves"] += 1
    h["deepest"] = max(h["deepest"], depth)
    return node


@allocating
def free_subtree(t, top):
    """Free `top`, everything below it and all alternates in it."""
    h = t.header[0]
    waiting = np.empty(t.nodes.size, np.int64)
    waiting[0] = top
    n_waiting = 1
    while n_waiting > 0:
        n_waiting -= 1
        node = waiting[n_waiting]
        n = t.nodes[node]
        if n["alternate"] != NONE:
            waiting[n_waiting] = n["alternate"]
            n_waiting += 1
        if n["left"] != NONE:
            waiting[n_waiting] = n["left"]
            waiting[n_waiting + 1] = n["right"]
            n_waiting += 2
        else:
            give_slot(t, n["slot"])
            h["n_leaves"] -= 1
        n["used"] = False
        n["next"] = h["next_node"]
        h["next_node"] = node
        h["free_nodes"] += 1


@allocating
def clear_background(t, top):
    """Mark all nodes of a subtree as part of the main tree."""
    waiting = np.empty(t.nodes.size, np.int64)
    waiting[0] = top
    n_waiting = 1
    while n_waiting > 0:
        n_waiting -= 1
        n = t.nodes[waiting[n_waiting]]
        n["background"] = False
        if n["left"] != NONE:
            waiting[n_waiting] = n["left"]
            waiting[n_waiting + 1] = n["right"]
            n_waiting += 2


@inner
def count_labels(t, node, y, weight):
    """Add an event to the label statistics of a node. y : uint8[L], marks of `odds`."""
    t.nodes[node]["weight"] += weight
    for label in range(y.size):
        if y[label] == POSITIVE:
            t.labels[node, POSITIVE_ROW, label] += weight
        elif y[label] == UNOBSERVED:
            t.labels[node, UNOBSERVED_ROW, label] += weight


@inner
def insert_key(table, key):
    """Put a key that is not 0 into an open-addressing set, uint64[power of two]; return whether it was new."""
    last = np.uint64(table.size - 1)
    i = mix(key) & last
    while table[i] != np.uint64(0) and table[i] != key:
        i = (i + np.uint64(1)) & last
    is_new = table[i] == np.uint64(0)
    table[i] = key
    return is_new


@jit
def rehash_labelsets(labelsets, larger):
    """Copy every leaf's set of labelsets, uint64[S, P], into an empty larger one."""
    for slot in range(labelsets.shape[0]):
        for i in range(labelsets.shape[1]):
            if labelsets[slot, i] != np.uint64(0):
                insert_key(larger[slot], labelsets[slot, i])


@inner
def count_labelset(t, node, y):
    """Count the event's labelset among the distinct ones of a leaf, up to MAX_LABELSETS."""
    n = t.nodes[node]
    if n["n_labelsets"] >= MAX_LABELSETS:
        return
    key = np.uint64(1)  # that of the empty labelset; 0 marks an empty entry
    for label in range(y.size):
        if y[label] == POSITIVE:
            key += mix(np.uint64(label + 1))
    if key == np.uint64(0):
        key = np.uint64(1)
    n["n_labelsets"] += insert_key(t.labelsets[n["slot"]], key)


@inner
def note(t, node, what):
    """Keep a note of what has happened at a node, over the oldest one."""
    h = t.header[0]
    entry = t.notes[h["n_notes"] % t.notes.size]
    entry["event"], entry["node"], entry["what"] = h["n_events"], node, what
    h["n_notes"] += 1


@inner
def mean_loss(t, node):
    """Return the mean loss of a node since its last reset; 0 before the first event."""
    n = t.nodes[node]
    return n["loss_sum"] / n["loss_weight"] if n["loss_weight"] > 0.0 else 0.0


@inner
def watch_loss(t, node, loss, weight):
    """Take a loss into the mean and the detector of a node; return (mean before, mean after, change detected)."""
    n = t.nodes[node]
    before = mean_loss(t, node)
    n["loss_sum"] += weight * loss
    n["loss_weight"] += weight
    after = mean_loss(t, node)
    settings = t.settings[0]
    value = after if settings["drift_of_mean"] else loss
    verdict = adwin_update(t.detector, node, value, settings["adwin_delta"], CLOCK)
    if verdict != 0:
        t.header[0]["n_detected"] += 1
        note(t, node, LOSS_ROSE if verdict > 0 else LOSS_FELL)
    return before, after, verdict != 0


@inner
def forget_loss(t, node):
    """Start the mean loss of a node afresh."""
    n = t.nodes[node]
    n["loss_sum"] = n["loss_weight"] = n["since_drift"] = 0.0
