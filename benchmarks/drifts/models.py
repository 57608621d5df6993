"""The models: ours with each detector off, the trees alone, river's adaptive trees and forests for each label."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from benchmarks.compare import settings
from benchmarks.compare.models import build
from benchmarks.compare.sets import Stream
from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier

_TABLES = settings.load().model_tables


class Model(NamedTuple):
    """How a model is made, where it detects drift, and on how many seeds it is run at most."""

    make: Callable[[Stream, int], Any]
    detectors: tuple[str, ...] = ()
    most_seeds: int = 1000


def _default(**parameters: Any) -> Callable[[Stream, int], Any]:
    return lambda stream, seed: IHOMERClassifier(seed=seed, **parameters)


def _paper(**parameters: Any) -> Callable[[Stream, int], Any]:
    return lambda stream, seed: IHOMERClassifier.paper(seed=seed, **parameters)


def _compared(name: str) -> Callable[[Stream, int], Any]:
    """Return what makes a model with its settings of compare.toml."""
    return lambda stream, seed: build(_TABLES[name], seed, stream)


# As `IHOMERClassifier.paper` has them. A tree that may grow no alternates still notes that its loss rose, and nothing follows.
_PAPER_BLIND = LabelPartition(split_test="odac", delta=0.1, tau=0.1, detect_drift=False)
_TREE_BLIND = MLHATClassifier(alternate_on="never")
_BLIND = LabelPartition(detect_drift=False)

# The slow ones on fewer seeds; the result says on how many each was run.
MODELS = {
    "default": Model(_default(), ("global", "partition")),
    "default, no global detector": Model(_default(global_drift=False), ("partition",)),
    "default, no partition detector": Model(_default(clustering=_BLIND), ("global",)),
    "default, no detector": Model(_default(clustering=_BLIND, global_drift=False)),
    "paper": Model(_paper(), ("global", "partition", "node")),
    "paper, no global detector": Model(_paper(global_drift=False), ("partition", "node")),
    "paper, no partition detector": Model(_paper(clustering=_PAPER_BLIND), ("global", "node")),
    "paper, no alternates in trees": Model(_paper(tree=_TREE_BLIND), ("global", "partition")),
    "paper, no detector": Model(_paper(global_drift=False, clustering=_PAPER_BLIND, tree=_TREE_BLIND)),
    "MLHAT": Model(_compared("MLHAT"), ("node",)),
    "MLHT": Model(_compared("MLHT")),
    "BR HAT": Model(_compared("BR HAT"), ("label",), most_seeds=2),
    "BR ARF": Model(_compared("BR ARF"), ("label",), most_seeds=1),
}


def river_detections(models: Iterable[Any]) -> int:
    """Return how many drifts the models of all labels have detected so far, by their public counters.

    A forest counts the drifts of its trees. An adaptive tree has no such counter: it counts the alternates that it has
    started, which it does when it sees the loss of a node rise.

    Raises
    ------
    TypeError
        If a model has neither counter.
    """
    total = 0
    for one in models:
        if hasattr(one, "n_drifts_detected"):
            total += one.n_drifts_detected()
        elif hasattr(one, "n_alternate_trees"):
            total += one.n_alternate_trees
        else:
            raise TypeError(f"{type(one).__name__} counts no drifts")
    return total
