"""The multi-label Hoeffding tree of Read, Bifet, Holmes and Pfahringer (2012), on ihomer's tree kernels."""

import copy
from collections import Counter, deque
from collections.abc import Hashable
from typing import Any, Protocol, TypeAlias

from river.tree import HoeffdingTreeClassifier

from ihomer import MLHATClassifier
from ihomer.kernels.nodes import child_of
from ihomer.kernels.tree_state import NONE

Features: TypeAlias = dict[Hashable, Any]
Labelset = frozenset[str]


class Leaf(Protocol):
    """What predicts at a leaf."""

    def predict(self, x: Features) -> Labelset:
        """Return the labels predicted."""
        ...

    def learn(self, x: Features, labels: Labelset) -> None:
        """Learn one event."""
        ...


class MajorityLabelset:
    """Predicts the labelset seen most often, the one seen first on a tie.

    Examples
    --------
    >>> from benchmarks.compare.hoeffding import MajorityLabelset
    >>> leaf = MajorityLabelset()
    >>> for labels in ("b", "a", "a"):
    ...     leaf.learn({}, frozenset(labels))
    >>> sorted(leaf.predict({}))
    ['a']
    """

    def __init__(self) -> None:
        self.count: Counter[Labelset] = Counter()
        self._best: Labelset = frozenset()

    def predict(self, x: Features) -> Labelset:
        """Return the labels predicted; none before anything is learned."""
        return self._best

    def learn(self, x: Features, labels: Labelset) -> None:
        """Count the labelset of an event."""
        self.count[labels] += 1
        if self.count[labels] > self.count[self._best]:
            self._best = labels


class PrunedSets:
    """Pruned sets (Read, Pfahringer, Holmes 2008): one class for each frequent labelset, learned by a Hoeffding tree.

    The first events are only kept and answered by the majority labelset. Then labelsets seen more than `prune` times
    become the classes; an event with a rarer one is learned as the largest class that is part of it (the more frequent
    one on a tie), or not at all.

    Parameters
    ----------
    buffer
        Number of events that are kept before the classes are fixed.
    prune
        Number of times up to which a labelset is rare.
    parameters
        Settings of river's `HoeffdingTreeClassifier`.
    """

    def __init__(self, buffer: int = 1000, prune: int = 1, **parameters: Any) -> None:
        self.buffer, self.prune = buffer, prune
        self._majority = MajorityLabelset()
        self._waiting: deque[tuple[Features, Labelset]] = deque()
        self._classes: list[Labelset] = []
        self._tree = HoeffdingTreeClassifier(**parameters)

    def predict(self, x: Features) -> Labelset:
        """Return the labels predicted."""
        found = self._tree.predict_one(x) if self._classes else None
        return self._majority.predict(x) if found is None else self._classes[int(found)]

    def learn(self, x: Features, labels: Labelset) -> None:
        """Learn one event."""
        if self._classes:
            self._learn_class(x, labels)
            return
        self._majority.learn(x, labels)
        self._waiting.append((x, labels))
        if len(self._waiting) >= self.buffer:
            ranked = self._majority.count.most_common()
            self._classes = [labels for labels, times in ranked if times > self.prune] or [ranked[0][0]]
            while self._waiting:
                self._learn_class(*self._waiting.popleft())

    def _learn_class(self, x: Features, labels: Labelset) -> None:
        # Classes stand in order of frequency, and max keeps the first of equals.
        parts = [i for i, known in enumerate(self._classes) if known <= labels]
        if parts:
            best = max(parts, key=lambda i: len(self._classes[i]))
            if self._classes[best] or not labels:
                self._tree.learn_one(x, best)


class MultiLabelHoeffdingTree:
    """Multi-label Hoeffding tree (MLHT): one tree for all labels, no drift handling, a learner of labelsets at each leaf.

    The tree itself is `MLHATClassifier` with alternates and bootstrap off; its own leaf predictors are not asked. The
    leaves that a split makes start with copies of the learner of the leaf that was split.

    Parameters
    ----------
    leaf
        The learner of a leaf, copied for each; None for `MajorityLabelset`.
    grace_period, delta, tau
        Settings of the split test.
    seed
        Seed of the tree.

    Examples
    --------
    >>> from river import datasets
    >>> from benchmarks.compare.hoeffding import MultiLabelHoeffdingTree
    >>> from ihomer.metrics import MicroF1
    >>> model, score = MultiLabelHoeffdingTree(), MicroF1()
    >>> for x, y in datasets.Yeast().take(300):
    ...     score.update(y, model.predict_one(x))
    ...     model.learn_one(x, y)
    >>> score
    MicroF1: 49.27%
    """

    def __init__(
        self, leaf: Leaf | None = None, grace_period: int = 200, delta: float = 1e-5, tau: float = 0.05, seed: int = 0
    ) -> None:
        self._tree = MLHATClassifier(
            grace_period=grace_period,
            delta=delta,
            tau=tau,
            n_models=1,
            bootstrap=False,
            alternate_on="never",
            max_leaves=1000,
            seed=seed,
        )
        self._leaves: dict[int, Leaf] = {}
        self._new: Leaf = MajorityLabelset() if leaf is None else leaf
        self._labels: dict[str, bool] = {}

    @property
    def n_leaves(self) -> int:
        """Number of leaves of the tree."""
        return self._tree.summary["n_leaves"]

    def _path(self, x: Features) -> list[int]:
        """Return the nodes that an event passes, the leaf last."""
        index, value = self._tree._encoder.encode(x)
        state = self._tree._learner.state
        node = int(state.header[0]["root"])
        path = [node]
        while state.nodes[node]["left"] != NONE:
            node = int(child_of(state, node, index, value))
            path.append(node)
        return path

    def _learner_of(self, path: list[int]) -> tuple[Leaf, bool]:
        """Return the learner of the deepest node that has one, and whether that is the leaf itself."""
        for node in reversed(path):
            if node in self._leaves:
                return self._leaves[node], node == path[-1]
        return self._new, False

    def predict_one(self, x: Features) -> dict[str, bool]:
        """Return for each label named so far whether it is predicted."""
        found = self._learner_of(self._path(x))[0].predict(x)
        return {label: label in found for label in self._labels}

    def learn_one(self, x: Features, y: dict[str, bool]) -> None:
        """Learn one event: in the tree, then in the leaf that it reaches."""
        self._tree.learn_one(x, y)
        self._labels.update(dict.fromkeys(y, False))
        path = self._path(x)
        learner, own = self._learner_of(path)
        if not own:
            learner = self._leaves[path[-1]] = copy.deepcopy(learner)
        learner.learn(x, frozenset(label for label, on in y.items() if on))
