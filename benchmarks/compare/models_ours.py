"""ihomer's models for the comparison."""

import math
from typing import Any

import numpy as np

from benchmarks.compare.hoeffding import MultiLabelHoeffdingTree, PrunedSets
from benchmarks.compare.sets import Stream
from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier


def ihomer(stream: Stream, seed: int, **parameters: Any) -> IHOMERClassifier:
    """Return the default model."""
    return IHOMERClassifier(seed=seed, **parameters)


def paper(stream: Stream, seed: int, **parameters: Any) -> IHOMERClassifier:
    """Return the published model."""
    return IHOMERClassifier.paper(seed=seed, **parameters)


def paper_one_cluster(stream: Stream, seed: int) -> IHOMERClassifier:
    """Return the published model with all labels in one cluster."""
    return IHOMERClassifier.paper(seed=seed, clustering=LabelPartition(split_test="never"))


class ClustersOfTrees:
    """An adaptive tree for each of some fixed clusters of labels, which are drawn at random.

    Parameters
    ----------
    n_labels
        Number of labels.
    n_clusters
        Number of clusters, of sizes as equal as can be.
    seed
        Seed of the clusters and of the trees.
    """

    def __init__(self, n_labels: int, n_clusters: int, seed: int) -> None:
        order = np.random.default_rng(seed).permutation(n_labels)
        self.clusters = [np.sort(cluster) for cluster in np.array_split(order, n_clusters)]
        self._trees = [MLHATClassifier(seed=seed) for _ in self.clusters]

    def test_then_train_many(self, X: Any, Y: Any) -> Any:
        """Return the answers, bool[events, labels], each made before its event was learned."""
        answers = np.zeros(Y.shape, bool)
        for cluster, tree in zip(self.clusters, self._trees, strict=True):
            answers[:, cluster] = tree.test_then_train_many(X, Y[:, cluster])
        return answers


def random_clusters(stream: Stream, seed: int, each_label: bool = False) -> ClustersOfTrees:
    """Return trees of random clusters, as many as the root of the number of labels; or one tree for each label."""
    n_labels = len(stream.labels)
    return ClustersOfTrees(n_labels, n_labels if each_label else math.ceil(math.sqrt(n_labels)), seed)


def mlhat(stream: Stream, seed: int, **parameters: Any) -> MLHATClassifier:
    """Return the adaptive tree alone."""
    return MLHATClassifier(seed=seed, **parameters)


def mlht(stream: Stream, seed: int, **parameters: Any) -> MultiLabelHoeffdingTree:
    """Return the tree without drift handling, with majority labelsets at its leaves."""
    return MultiLabelHoeffdingTree(seed=seed, **parameters)


def mlht_ps(stream: Stream, seed: int, buffer: int, prune: int, **parameters: Any) -> MultiLabelHoeffdingTree:
    """Return the tree without drift handling, with pruned sets of Hoeffding trees at its leaves."""
    return MultiLabelHoeffdingTree(leaf=PrunedSets(buffer, prune, **parameters), seed=seed, **parameters)
