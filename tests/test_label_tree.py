"""The tree of label clusters by itself, and which cluster a small one joins."""

import numpy as np

from ihomer.label_graph import CutRules, LabelGraph
from ihomer.label_tree import LabelTree
from ihomer.pair_counts import PairCounts


def test_what_is_left_of_a_tree_moves_up_to_its_root():
    tree = LabelTree()
    left, right = tree.split(tree.plant(), 1.0, 0.1)
    a, b = tree.split(right, 0.9, 0.2)
    tree.remove(left)
    assert (tree.root, [*tree.walk()]) == (right, [(right, 0), (a, 1), (b, 1)])
    assert (tree.parent, tree.children, tree.cut) == ({right: -1, a: right, b: right}, {right: (a, b)}, {right: (0.9, 0.2)})
    tree.remove(b)
    assert (tree.root, tree.parent, tree.children, tree.cut) == (a, {a: -1}, {}, {})
    tree.remove(a)
    assert (tree.root, [*tree.leaves()]) == (-1, [])


def test_merged_leaves_leave_nothing_behind():
    tree = LabelTree()
    left, right = tree.split(tree.plant(), 1.0, 0.1)
    tree.split(left, 0.9, 0.2)
    merged = tree.merge(left)
    assert [*tree.walk()] == [(0, 0), (merged, 1), (right, 1)]
    assert (tree.parent, tree.children, tree.cut) == ({0: -1, merged: 0, right: 0}, {0: (merged, right)}, {0: (1.0, 0.1)})
    merged = tree.merge(0)
    assert (tree.root, tree.parent, tree.children, tree.cut) == (merged, {merged: -1}, {}, {})


def test_a_root_that_is_planted_anew_is_all_that_there_is():
    tree = LabelTree()
    tree.split(tree.plant(), 1.0, 0.1)
    root = tree.plant()
    assert (tree.root, tree.parent, tree.children, tree.cut) == (root, {root: -1}, {}, {})
    assert root == 3


def test_a_leaf_keeps_its_side_under_another_number():
    tree = LabelTree()
    left, right = tree.split(tree.plant(), 1.0, 0.1)
    assert (tree.rename(left, 9), tree.rename(right, 7)) == (9, 7)
    assert (tree.children, tree.parent) == ({0: (9, 7)}, {0: -1, 7: 0, 9: 0})


def test_the_nearest_cluster_is_that_of_the_strongest_link_on_average():
    """Not that of the largest sum, nor the label's own; one without a link is not near."""
    rows = [[0, 1]] * 6 + [[0, label] for label in (2, 3, 4, 5)] * 4 + [[0, 8]] * 6 + [[6]] * 200
    counts = PairCounts(10_000, 1.0, False, 0)
    cluster = np.full(16, -1, np.int32)
    cluster[:9] = [3, 5, 7, 7, 7, 7, 9, 9, 3]
    indptr = np.cumsum([0, *map(len, rows)])
    counts.count(indptr, np.concatenate(rows).astype(np.int32), np.ones(len(rows)), cluster)
    graph = LabelGraph(counts, cluster, CutRules(4.6, 0.2, False, 2, None))
    assert graph.nearest_clusters(np.array([0], np.int32)) == [5, 7]
    assert graph.diameter(np.array([1], np.int32)) == (0.0, np.inf)
    assert [graph.bound(n) for n in (0.0, 0.5, 2.3)] == [np.inf, 4.6**0.5, 1.0]
