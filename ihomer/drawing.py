"""Trees and predictions as text and as graphviz source."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ihomer.encoder import is_nominal
from ihomer.kernels.nodes import child_of
from ihomer.kernels.tree_predict import uses_neighbours
from ihomer.kernels.tree_state import INHERITED_ROW, NONE, POSITIVE_ROW, TreeState
from ihomer.learner import TreeLearner
from ihomer.printable import counted
from ihomer.vocabulary import Vocabulary, shown

__all__ = ["path_as_text", "quoted", "tree_as_dot", "tree_as_text"]


def quoted(text: str) -> str:
    """Return a text as a graphviz string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _test_of(state: TreeState, node: int, features: Vocabulary) -> tuple[str, str]:
    """Return the tests of the left and of the right branch of an inner node, in words."""
    n = state.nodes[node]
    if n["feature"] == NONE:
        return ("a forgotten feature is 0", "never") if n["threshold"] >= 0 else ("never", "a forgotten feature is 0")
    key = features.name(int(n["feature"]))
    if is_nominal(key):
        name, value = shown(key[1]), shown(key[2])  # type: ignore[index]
        return f"{name} is not {value}", f"{name} is {value}"
    name = shown(key)
    return f"{name} <= {n['threshold']:.6g}", f"{name} > {n['threshold']:.6g}"


def _in_words(learner: TreeLearner, node: int, labels: Vocabulary) -> str:
    """Return the weight of a node, and of a leaf how it predicts and its most frequent labels."""
    state = learner.state
    n = state.nodes[node]
    if n["left"] != NONE:
        return f"weight {n['weight']:.6g}"
    total = n["weight"] + n["inherited"]
    if total <= 0.0:
        return "leaf, nothing learned"
    # What is inherited are estimates.
    share = np.minimum(1.0, (state.labels[node, POSITIVE_ROW] + state.labels[node, INHERITED_ROW]) / total)
    at = dict(zip(learner.label_place.tolist(), learner.label_id.tolist(), strict=True))
    best = [place for place in np.argsort(-share, kind="stable")[:3].tolist() if place in at and share[place] > 0.0]
    names = ", ".join(f"{shown(labels.name(at[place]))} {share[place]:.2f}" for place in best)
    kind = "neighbours" if uses_neighbours(state, node) else "logistic"
    return f"leaf, weight {total:.6g}, {kind}: {names}"


def _walk(state: TreeState, features: Vocabulary) -> Iterator[tuple[int, int, str, int]]:
    """Yield (node, parent, branch in words, depth), parents first; an alternate's branch is called so."""
    waiting = [(int(state.header[0]["root"]), NONE, "", 0)]
    while waiting:
        node, parent, branch, depth = waiting.pop()
        yield node, parent, branch, depth
        n = state.nodes[node]
        if n["left"] != NONE:
            left, right = _test_of(state, node, features)
            waiting.append((int(n["right"]), node, right, depth + 1))
            waiting.append((int(n["left"]), node, left, depth + 1))
        if n["alternate"] != NONE:
            waiting.append((int(n["alternate"]), node, "alternate", depth + 1))


def tree_as_text(learner: TreeLearner, features: Vocabulary, labels: Vocabulary) -> str:
    """Return a tree as indented text, one line for each node."""
    lines = []
    for node, _, branch, depth in _walk(learner.state, features):
        lines.append("  " * depth + (f"{branch}: " if branch else "") + _in_words(learner, node, labels))
    return "\n".join(lines)


def tree_as_dot(learner: TreeLearner, features: Vocabulary, labels: Vocabulary) -> str:
    """Return a tree as graphviz source; alternates hang on dashed edges."""
    lines = ["digraph tree {", "  node [shape=box, fontname=Helvetica];"]
    for node, parent, branch, _ in _walk(learner.state, features):
        is_leaf = learner.state.nodes[node]["left"] == NONE
        lines.append(f"  n{node} [label={quoted(_in_words(learner, node, labels))}{', style=rounded' if is_leaf else ''}];")
        if parent != NONE:
            style = ", style=dashed" if branch == "alternate" else ""
            lines.append(f"  n{parent} -> n{node} [label={quoted(branch)}{style}];")
    lines.append("}")
    return "\n".join(lines)


def path_as_text(state: TreeState, index: Any, value: Any, features: Vocabulary) -> list[str]:
    """Return the tests that an event passes, with its values, and the leaf that it reaches, a line each."""
    lines = []
    given = dict(zip(index.tolist(), value.tolist(), strict=True))
    node = int(state.header[0]["root"])
    while state.nodes[node]["left"] != NONE:
        child = int(child_of(state, node, index, value))
        branch = _test_of(state, node, features)[int(child == state.nodes[node]["right"])]
        feature = int(state.nodes[node]["feature"])
        found = given.get(feature, 0.0)
        alternate = ", an alternate grows beside" if state.nodes[node]["alternate"] != NONE else ""
        lines.append(f"{branch} (value {found:.6g}{alternate})")
        node = child
    n = state.nodes[node]
    kind = "neighbours" if uses_neighbours(state, node) else "logistic regressions"
    labelsets = counted(n["n_labelsets"], "labelset")
    lines.append(f"leaf: weight {n['weight'] + n['inherited']:.6g}, {labelsets}, predicts by {kind}")
    return lines
