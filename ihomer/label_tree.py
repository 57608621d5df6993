"""The binary tree of label clusters: leaves are the clusters in use, inner nodes the cuts that made them."""

from collections.abc import Hashable, Iterator
from typing import NamedTuple

__all__ = ["LabelNode", "LabelTree"]


class LabelNode(NamedTuple):
    """A node of a tree of label clusters, for those who look at it.

    Attributes
    ----------
    number
        Number of the node; that of a leaf is the id of its cluster.
    depth
        Number of cuts above it.
    cut
        Of an inner node: diameter and bound of its cluster when it was cut. None for a leaf.
    labels
        Of a leaf: the labels of its cluster in name order. Empty for an inner node.
    """

    number: int
    depth: int
    cut: tuple[float, float] | None
    labels: tuple[Hashable, ...]


class LabelTree:
    """Nodes by number; a number is never used twice, so that a cluster's number names it for good.

    Attributes
    ----------
    root
        Number of the root, -1 while there is none.
    next_node
        The number that the next node gets.
    parent, children
        Node -> its parent (-1 for the root); inner node -> its two children.
    cut
        Inner node -> (diameter, bound) of its cluster when it was cut.

    Examples
    --------
    >>> from ihomer.label_tree import LabelTree
    >>> tree = LabelTree()
    >>> root = tree.plant()
    >>> left, right = tree.split(root, 1.0, 0.1)
    >>> tree.split(right, 1.0, 0.2)
    (3, 4)
    >>> list(tree.leaves()), tree.sibling(left)
    ([1, 3, 4], 2)
    >>> tree.remove(3)
    >>> list(tree.leaves()), tree.sibling(left)
    ([1, 4], 4)
    """

    def __init__(self) -> None:
        self.root = -1
        self.next_node = 0
        self.parent: dict[int, int] = {}
        self.children: dict[int, tuple[int, int]] = {}
        self.cut: dict[int, tuple[float, float]] = {}

    def _new(self, parent: int) -> int:
        node = self.next_node
        self.next_node += 1
        self.parent[node] = parent
        return node

    def plant(self) -> int:
        """Drop all nodes and start with a new root; return its number."""
        self.parent, self.children, self.cut = {}, {}, {}
        self.root = self._new(-1)
        return self.root

    def split(self, leaf: int, diameter: float, bound: float) -> tuple[int, int]:
        """Give a leaf two children and return their numbers."""
        self.children[leaf] = (self._new(leaf), self._new(leaf))
        self.cut[leaf] = (diameter, bound)
        return self.children[leaf]

    def merge(self, parent: int) -> int:
        """Replace an inner node and its two leaves by a new leaf; return its number."""
        for child in self.children.pop(parent):
            del self.parent[child]
        del self.cut[parent]
        return self.rename(parent, self._new(-1))

    def rename(self, old: int, new: int) -> int:
        """Give a leaf another number, which is not in use, and return it."""
        self._hang(new, self.parent.pop(old), old)
        return new

    def _hang(self, node: int, above: int, old: int) -> None:
        """Put a node in the place of a child `old` of the node `above`, or of the root where that is -1."""
        self.parent[node] = above
        if above < 0:
            self.root = node
        else:
            left, right = self.children[above]
            self.children[above] = (node, right) if left == old else (left, node)

    def remove(self, leaf: int) -> None:
        """Take a leaf away; its sibling's subtree moves up to the place of their parent."""
        above = self.parent.pop(leaf)
        if above < 0:
            self.root = -1
            return
        left, right = self.children.pop(above)
        del self.cut[above]
        self._hang(right if left == leaf else left, self.parent.pop(above), above)

    def sibling(self, node: int) -> int:
        """Return the other child of the parent of a node that is not the root."""
        left, right = self.children[self.parent[node]]
        return right if left == node else left

    def is_leaf(self, node: int) -> bool:
        """Tell whether a node has no children."""
        return node not in self.children

    def walk(self, node: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield (node, depth) of a subtree, all of it by default, parents first, left before right."""
        start = self.root if node is None else node
        waiting = [(start, 0)] if start >= 0 else []
        while waiting:
            node, depth = waiting.pop()
            yield node, depth
            for child in reversed(self.children.get(node, ())):
                waiting.append((child, depth + 1))

    def leaves(self, node: int | None = None) -> Iterator[int]:
        """Yield the leaves of a subtree, all of them by default, from left to right."""
        return (n for n, _ in self.walk(node) if self.is_leaf(n))
