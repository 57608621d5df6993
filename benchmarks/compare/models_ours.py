"""ihomer's models for the comparison."""

from typing import Any

from benchmarks.compare.hoeffding import MultiLabelHoeffdingTree, PrunedSets
from benchmarks.compare.sets import Stream
from ihomer import IHOMERClassifier, MLHATClassifier


def ihomer(stream: Stream, seed: int, **parameters: Any) -> IHOMERClassifier:
    """Return the default model."""
    return IHOMERClassifier(seed=seed, **parameters)


def paper(stream: Stream, seed: int, **parameters: Any) -> IHOMERClassifier:
    """Return the published model."""
    return IHOMERClassifier.paper(seed=seed, **parameters)


def mlhat(stream: Stream, seed: int, **parameters: Any) -> MLHATClassifier:
    """Return the adaptive tree alone."""
    return MLHATClassifier(seed=seed, **parameters)


def mlht(stream: Stream, seed: int, **parameters: Any) -> MultiLabelHoeffdingTree:
    """Return the tree without drift handling, with majority labelsets at its leaves."""
    return MultiLabelHoeffdingTree(seed=seed, **parameters)


def mlht_ps(stream: Stream, seed: int, buffer: int, prune: int, **parameters: Any) -> MultiLabelHoeffdingTree:
    """Return the tree without drift handling, with pruned sets of Hoeffding trees at its leaves."""
    return MultiLabelHoeffdingTree(leaf=PrunedSets(buffer, prune, **parameters), seed=seed, **parameters)
