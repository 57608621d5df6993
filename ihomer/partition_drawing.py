"""A label tree as text and as graphviz source."""

from collections.abc import Hashable, Mapping

from ihomer.drawing import quoted
from ihomer.label_tree import LabelTree
from ihomer.vocabulary import shown

__all__ = ["label_tree_as_dot", "label_tree_as_text"]

SHOWN = 12  # labels named per cluster

Clusters = Mapping[int, tuple[Hashable, ...]]


def _in_words(names: tuple[Hashable, ...]) -> str:
    words = ", ".join(map(shown, names[:SHOWN]))
    return words if len(names) <= SHOWN else f"{words}, ... ({len(names)} labels)"


def _cut_in_words(tree: LabelTree, node: int) -> str:
    diameter, bound = tree.cut[node]
    return f"cut at diameter {diameter:.3f}, bound {bound:.3f}"


def label_tree_as_text(tree: LabelTree, clusters: Clusters) -> str:
    """Return the tree as indented lines."""
    return "\n".join(
        "  " * depth + (f"cluster {node}: {_in_words(clusters[node])}" if node in clusters else _cut_in_words(tree, node))
        for node, depth in tree.walk()
    )


def label_tree_as_dot(tree: LabelTree, clusters: Clusters) -> str:
    """Return the tree as graphviz source."""
    lines = ["digraph labels {", "  node [shape=box];"]
    for node, _ in tree.walk():
        text = f"{node}: {_in_words(clusters[node])}" if node in clusters else _cut_in_words(tree, node)
        lines.append(f"  {node} [label={quoted(text)}];")
        lines.extend(f"  {node} -> {child};" for child in tree.children.get(node, ()))
    return "\n".join([*lines, "}"])
