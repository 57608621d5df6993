"""MLHATClassifier: a multi-label Hoeffding adaptive tree for all labels of a stream."""

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihomer import settings
from ihomer.drawing import path_as_text, tree_as_dot, tree_as_text
from ihomer.encoder import Batch, Indices
from ihomer.interface import StreamClassifier
from ihomer.interrupts import in_turn
from ihomer.kernels import tree_state
from ihomer.learner import TreeLearner
from ihomer.predictions import Answer, Learned, Proba
from ihomer.vocabulary import Vocabulary, oldest, shown

__all__ = ["MLHATClassifier"]

_ALTERNATE_ON = ("never", "warning", "drift")
_DRIFT_INPUT = ("loss", "mean")


class MLHATClassifier(StreamClassifier):
    r"""Multi-label Hoeffding adaptive tree (MLHAT).

    One incremental tree predicts all labels together. A node sees the labels as a multivariate Bernoulli; a leaf is split by
    the test that lowers the entropy :math:`H = \sum_l h(p_l)` most, once the Hoeffding bound says that it is the best one. A
    leaf predicts by its nearest neighbours while it is young or its labels are nearly certain, else by bagged logistic
    regressions. Each inner node watches the loss below it with ADWIN and grows an alternate subtree that may take its place.

    Parameters
    ----------
    grace_period
        Weight that a leaf sees between two attempts to split, greater than 0.
    delta
        Risk of choosing the wrong test, for the Hoeffding bound, between 0 and 1.
    tau
        Below this bound, in bits and greater than 0, two tests count as equally good and the leaf is split.
    young_weight
        Weight, greater than 0, below which a leaf predicts by its neighbours.
    entropy_threshold
        Entropy in bits, greater than 0, below which a leaf predicts by its neighbours however old it is.
    n_neighbors
        Number of neighbours, from 1 to 10,000.
    window
        Number of events that a leaf keeps to look for neighbours, from 1 to 1,000,000; of each at most the 4,096 values
        furthest from 0.
    n_models
        Number of bagged logistic regressions for each label, from 1 to 1,000.
    learning_rate
        Step of their stochastic gradient descent, greater than 0 and at most 1e6.
    bootstrap
        Weigh each event by Poisson(1), at least 1, and bag the logistic regressions.
    alternate_on
        When an inner node starts an alternate subtree: ``"warning"``, whenever the mean loss has risen (as published);
        ``"drift"``, when ADWIN sees it rise; ``"never"``.
    drift_input
        What ADWIN watches: the ``"loss"`` of each event, or (as in the published code) its running ``"mean"``.
    alternate_weight
        Weight, greater than 0, that an alternate must have seen to vote, and to be compared.
    switch_significance
        Risk of the comparison of an alternate with the subtree beside it, between 0 and 1.
    adwin_delta
        ADWIN's risk of a false alarm, between 0 and 1.
    max_leaves
        Bound on the number of leaves, alternates included, from 1 to 1,000,000. With the features this bounds the memory.
    max_depth
        Bound on the depth, from 0 to 1,000.
    max_features
        Bound on the number of feature names (and nominal values), at least 2; the eighth learned longest ago makes room.
    max_labels
        Bound on the number of labels, at least 1; the eighth that applied longest ago makes room.
    seed
        Seed of all random numbers, at least 0.

    Raises
    ------
    ValueError
        If a setting is out of range; the message names it.

    Notes
    -----
    The defaults up to `adwin_delta`, but for `drift_input`, are those of the published code; the bounds on leaves, depth,
    features, labels and what is kept of a wide event are ours, for memory and time.

    Five steps of the published code are mended here. An alternate is judged by its own loss (the code gives an alternate below
    the root the loss of the node above). When the leaf of an alternate below the root splits, it stays an alternate (there it
    overwrites the subtree in use). The null test has merit 0, not minus infinity. The entropy sums over the labels alone (there
    an "empty" label takes part, and with a single label the entropy is 0). ADWIN watches the loss of each event, not its
    running mean (`drift_input`).

    References
    ----------
    Esteban, Cano, Zafra, Ventura: Hoeffding adaptive trees for multi-label classification on data streams.
    Knowledge-Based Systems 304, 2024.

    Examples
    --------
    >>> from river import datasets, stream
    >>> from ihomer import MLHATClassifier
    >>> from ihomer.metrics import MicroF1
    >>> model, score = MLHATClassifier(seed=1), MicroF1()
    >>> for x, y in datasets.Yeast().take(500):
    ...     score.update(y, model.predict_one(x))
    ...     model.learn_one(x, y)
    >>> score
    MicroF1: 56.69%
    """

    def __init__(
        self,
        grace_period: int = 200,
        delta: float = 1.6587784772850855e-7,
        tau: float = 0.05,
        young_weight: float = 750.0,
        entropy_threshold: float = 0.3,
        n_neighbors: int = 4,
        window: int = 170,
        n_models: int = 10,
        learning_rate: float = 0.3,
        bootstrap: bool = True,
        alternate_on: str = "warning",
        drift_input: str = "loss",
        alternate_weight: float = 200.0,
        switch_significance: float = 0.05,
        adwin_delta: float = 0.002,
        max_leaves: int = 64,
        max_depth: int = 20,
        max_features: int = 65536,
        max_labels: int = 65536,
        seed: int = 0,
    ) -> None:
        self.grace_period = settings.plain(grace_period)
        self.delta = settings.plain(delta)
        self.tau = settings.plain(tau)
        self.young_weight = settings.plain(young_weight)
        self.entropy_threshold = settings.plain(entropy_threshold)
        self.n_neighbors = settings.plain(n_neighbors)
        self.window = settings.plain(window)
        self.n_models = settings.plain(n_models)
        self.learning_rate = settings.plain(learning_rate)
        self.bootstrap = settings.plain(bootstrap)
        self.alternate_on = alternate_on
        self.drift_input = drift_input
        self.alternate_weight = settings.plain(alternate_weight)
        self.switch_significance = settings.plain(switch_significance)
        self.adwin_delta = settings.plain(adwin_delta)
        self.max_leaves = settings.plain(max_leaves)
        self.max_depth = settings.plain(max_depth)
        self.max_features = settings.plain(max_features)
        self.max_labels = settings.plain(max_labels)
        self.seed = settings.plain(seed)
        record = self._settings(self.seed)
        settings.whole("max_labels", self.max_labels, 1, 2**31 - 1)
        self._start(settings.whole("max_features", self.max_features, 2, 2**31 - 1))
        self._vocabulary = Vocabulary()
        self._last_applied = np.zeros(0, np.int64)
        self._learner = TreeLearner(record, np.zeros(0, np.int32))

    def _settings(self, seed: int) -> NDArray[Any]:
        """Check the settings of a tree and return them as a record for the kernels."""
        record = np.zeros(1, tree_state.SETTINGS)
        r = record[0]
        r["grace_period"] = settings.positive("grace_period", self.grace_period)
        r["delta"] = settings.fraction("delta", self.delta)
        r["tau"] = settings.positive("tau", self.tau)
        r["young_weight"] = settings.positive("young_weight", self.young_weight)
        r["entropy_threshold"] = settings.positive("entropy_threshold", self.entropy_threshold)
        r["n_neighbors"] = settings.whole("n_neighbors", self.n_neighbors, 1, 10_000)
        r["window"] = settings.whole("window", self.window, 1, 1_000_000)
        r["n_models"] = settings.whole("n_models", self.n_models, 1, 1000)
        r["learning_rate"] = settings.positive("learning_rate", self.learning_rate, 1e6)
        r["intercept_rate"] = 0.01
        r["bootstrap"] = settings.flag("bootstrap", self.bootstrap)
        r["alternate_on"] = _ALTERNATE_ON.index(settings.one_of("alternate_on", self.alternate_on, _ALTERNATE_ON))
        r["drift_of_mean"] = settings.one_of("drift_input", self.drift_input, _DRIFT_INPUT) == "mean"
        r["alternate_weight"] = settings.positive("alternate_weight", self.alternate_weight)
        r["switch_significance"] = settings.fraction("switch_significance", self.switch_significance)
        r["adwin_delta"] = settings.fraction("adwin_delta", self.adwin_delta)
        r["min_branch_fraction"] = 0.01
        r["n_thresholds"] = 10
        r["max_leaves"] = settings.whole("max_leaves", self.max_leaves, 1, 1_000_000)
        r["max_depth"] = settings.whole("max_depth", self.max_depth, 0, 1000)
        r["seed"] = settings.whole("seed", seed, 0, 2**63 - 1)
        return record

    @classmethod
    def _unit_test_params(cls) -> Iterator[dict[str, Any]]:
        yield {"seed": 7}

    @property
    def _labels(self) -> Vocabulary:
        return self._vocabulary

    def _admit(self, new: list[Hashable], positive: list[Hashable]) -> None:
        new = new[: self.max_labels]
        applying = [i for i in map(self._vocabulary.get, positive) if i >= 0]
        self._last_applied[applying] = self.n_learned + 1
        surplus = len(self._vocabulary) + len(new) - self.max_labels
        if surplus > 0:
            gone = oldest(self._vocabulary.in_use(), self._last_applied, self.max_labels, surplus)
            self._learner.forget_labels(gone.astype(np.int32))
            for index in gone[::-1].tolist():
                self._vocabulary.free(index)
        ids = np.array([self._vocabulary.add(name) for name in new], np.int32)
        if self._vocabulary.size > len(self._last_applied):
            room = max(self._vocabulary.size, 2 * len(self._last_applied))
            self._last_applied = np.concatenate([self._last_applied, np.zeros(room - len(self._last_applied), np.int64)])
        self._last_applied[ids] = self.n_learned
        self._learner.add_labels(np.sort(ids))

    def _learn(self, batch: Batch, brought: Indices) -> Learned:
        p = self._learner.learn(batch, 0, len(batch.weight), self._encoder.kind, self._dense)
        number = self.n_learned + 1 + np.arange(len(batch.weight))
        self._last_applied[batch.y_index] = np.repeat(number, np.diff(batch.y_indptr))
        return Learned(*self._spread(p), [0] * len(p))

    def _predict(self, batch: Batch) -> tuple[Proba, Answer]:
        return self._spread(self._learner.predict(batch, 0, len(batch.weight), self._dense))

    def _spread(self, p: Proba) -> tuple[Proba, Answer]:
        """Return the tree's columns as columns of the vocabulary, and the labels that exceed 1/2."""
        if not self._learner.in_place:
            out = np.zeros((len(p), self._vocabulary.size))
            out[:, self._learner.label_id] = p[:, self._learner.label_place]
            p = out
        return p, p > 0.5

    def _forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        self._learner.forget_features(forgotten)

    @property
    @in_turn
    def summary(self) -> dict[str, int]:
        """Sizes, and counts of what happened: events, labels, features, nodes, leaves, alternates, drifts."""
        return {
            "n_learned": self.n_learned,
            "n_labels": len(self._vocabulary),
            "n_features": len(self._encoder.features),
            **self._learner.summary(),
        }

    @property
    @in_turn
    def drifts(self) -> list[dict[str, Any]]:
        """What happened in the tree, oldest first: event, node and what (loss rose, leaf split, ...); the last 512."""
        return [{"event": event, "where": "node", "node": node, "what": what} for event, node, what in self._learner.notes()]

    @in_turn
    def draw(self, form: str = "dot") -> str:
        """Return the tree as graphviz source (``"dot"``) or as indented text (``"text"``)."""
        draw = tree_as_dot if settings.one_of("form", form, ("dot", "text")) == "dot" else tree_as_text
        return draw(self._learner, self._encoder.features, self._vocabulary)

    @in_turn
    def debug_one(self, x: dict[Any, Any]) -> str:
        """Return, as text, the path of an event through the tree and the probabilities there."""
        self._refuse_if_broken()
        index, value = self._encoder.encode(x)
        lines = path_as_text(self._learner.state, index, value, self._encoder.features)
        ranked = self.predict_topk_one(x, len(self._vocabulary)) if len(self._vocabulary) else []
        lines += [f"{p:.3f} {'*' if p > 0.5 else ' '} {shown(name)}" for name, p in ranked]
        return "\n".join(lines)
