"""IHOMERClassifier: experts mixed and decoded jointly; online label clusters with adaptive trees; drift watched globally."""

import copy
from collections import deque
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihomer import settings
from ihomer.decoding import OBJECTIVES
from ihomer.encoder import NO_LABELS, Batch, Indices, one_row
from ihomer.ensemble import Ensemble
from ihomer.experts import EXPERTS
from ihomer.interface import StreamClassifier
from ihomer.interrupts import in_turn
from ihomer.kernels.adwin import CLOCK, adwin_arrays, adwin_updates_to_check, adwin_width
from ihomer.kernels.voting import count_votes, watch_answers
from ihomer.learner import TreeLearner
from ihomer.members import Member
from ihomer.partition import LabelPartition
from ihomer.partition_changes import by_cluster
from ihomer.predictions import Answer, Learned, Proba, all_learned
from ihomer.replay import Replay
from ihomer.tree import MLHATClassifier
from ihomer.vocabulary import Vocabulary, shown

__all__ = ["IHOMERClassifier"]

_MOST_DRIFTS = 1000
_WORTH_TELLING = 0.1  # probability from which `debug_one` tells where it comes from
_LONG_CLOCK = 128  # events from one look for a drift to the next, where no trees have to be looked at more often: in between
# rows are learned at once, and what the experts keep is fetched from memory once for all of these


class IHOMERClassifier(StreamClassifier):
    """Incremental hierarchy of multi-label classifiers (iHOMER), with experts, mixing and joint decoding.

    Many cheap online experts give log-odds for each label; they are mixed with weights learned online, and one labelset is
    decoded for all labels together. The label space is split, while the model learns, into disjoint clusters of labels that
    occur together; with the expert "tree", each cluster has an adaptive tree of its own, whose learners follow when the
    clusters change.

    Parameters
    ----------
    objective
        What the answers are to be best in: ``"hamming"``, ``"subset"`` (accuracy), ``"example_f1"``, ``"micro_f1"``,
        ``"macro_f1"``; or ``"balanced"``, for all but the first at once. Probabilities depend on it only where `global_drift`,
        which watches the answers, sees a drift.
    experts
        Which experts are mixed: some of ``"frequency"``, ``"neighbours"``, ``"linear"``, ``"rehearsal"`` (an additive model and
        a layer of hidden units that go over past events again; the units tell ``"neighbours"``, ``"linear"`` and ``"ridge"``
        which features matter), ``"ridge"``, ``"bayes"``, ``"tree"``; and ``"labelsets"``, a linear model that tells whole
        labelsets from each other, for decoding.
        ``("tree",)`` alone is the published model: answers are then the labels of p > 1/2, whatever `objective` says.
    mixing
        ``"learned"``, or ``"mean"``: all experts the same weight.
    most_labelsets
        How many distinct labelsets are remembered for decoding, from 64 to 1,000,000; the rarer half makes room. Time per event
        grows with it.
    most_labels
        How many labels the experts know at a time, from 2 to 1,000,000: all while there are no more than that, later the most
        frequent ones. What an event takes, and memory, grow with them and not with all labels. A label comes in when it applies
        twice as often as the rarest of them; until then it is not answered, and its probability is that of its count alone.
    clustering
        The settings of the clustering of the labels: a `LabelPartition`; None for one with its defaults.
        ``LabelPartition(split_test="never")`` keeps all labels in one cluster.
    tree
        The settings of the clusters' trees: an `MLHATClassifier`; None for one that starts alternates on drift. Its
        `max_features`, `max_labels` and `seed` are not used.
    global_drift
        Watch the loss of the whole model with ADWIN; when it rises, the mixture is open to other weights, past events from
        before the change count less, ridge regression moves as fast as at the start, the partition is built anew and clusters
        whose loss has risen get new trees. Looked for every 128 events; every 32, as is usual, where there are trees.
    drift_delta
        ADWIN's risk of a false alarm there, between 0 and 1.
    max_ancestors
        Most older trees that vote on a label beside the one of its cluster, from 0 to 100.
    replay
        Number of the last events that a new tree starts from, from 0 to 1,000,000; after a drift, those since the change.
    max_features
        Bound on the number of feature names (and nominal values), at least 2; the eighth learned longest ago makes room.
    seed
        Seed of the random numbers of the trees, at least 0; nothing else depends on it.

    Attributes
    ----------
    partition
        The `LabelPartition` of the labels: `clusters`, `tree`, `version`, `similarity`. It is there to be looked at: the model
        alone teaches it.
    labels, features, nominal_features
        What the model knows by name.
    n_learned
        How many events it has learned.
    drifts, summary
        What was detected and when; sizes and counts.
    expert_weights
        What each expert weighs in the mixture.

    Raises
    ------
    ValueError
        If a setting is out of range; the message names it.

    Notes
    -----
    The defaults are those of the tables in README, where each expert, and learned mixing, better some score in the mean of
    eleven public data sets. Of 12,305 labels, to know 4,096 (`most_labels`) gave better answers than to know 1,024 or all. Of
    16 public sets only delicious has more labelsets than `most_labelsets`, and none more features than `max_features`, which
    bounds memory. `drift_delta` is what ADWIN is mostly run with. `max_ancestors` and `replay` matter where there are trees.

    References
    ----------
    Neves, Lourenço, Cano, Marreiros: Incremental hierarchy of multi-label classifiers. ECAI 2025, arXiv 2507.20894.

    Examples
    --------
    >>> from river import datasets
    >>> from ihomer import IHOMERClassifier
    >>> from ihomer.metrics import MicroF1
    >>> model, score = IHOMERClassifier(seed=1), MicroF1()
    >>> for x, y in datasets.Yeast().take(500):
    ...     score.update(y, model.predict_one(x))
    ...     model.learn_one(x, y)
    >>> score
    MicroF1: 62.22%
    """

    _parts = frozenset(["partition"])

    def __init__(
        self,
        objective: str = "balanced",
        experts: tuple[str, ...] | list[str] = (
            "frequency", "neighbours", "linear", "rehearsal", "ridge", "bayes", "labelsets",
        ),
        mixing: str = "learned",
        most_labelsets: int = 8192,
        most_labels: int = 4096,
        clustering: LabelPartition | None = None,
        tree: MLHATClassifier | None = None,
        global_drift: bool = True,
        drift_delta: float = 0.002,
        max_ancestors: int = 2,
        replay: int = 256,
        max_features: int = 65536,
        seed: int = 0,
    ) -> None:
        self.objective = objective
        self.experts = tuple(experts) if isinstance(experts, list) else experts  # JSON and YAML know no tuples
        self.mixing = mixing
        self.most_labelsets = settings.plain(most_labelsets)
        self.most_labels = settings.plain(most_labels)
        self.clustering = clustering
        self.tree = tree
        self.global_drift = settings.plain(global_drift)
        self.drift_delta = settings.plain(drift_delta)
        self.max_ancestors = settings.plain(max_ancestors)
        self.replay = settings.plain(replay)
        self.max_features = settings.plain(max_features)
        self.seed = settings.plain(seed)
        settings.one_of("objective", objective, OBJECTIVES)
        settings.one_of("mixing", mixing, ("learned", "mean"))
        settings.whole("most_labelsets", self.most_labelsets, 64, 1_000_000)
        settings.whole("most_labels", self.most_labels, 2, 1_000_000)
        settings.flag("global_drift", self.global_drift)
        settings.fraction("drift_delta", self.drift_delta)
        settings.whole("max_ancestors", self.max_ancestors, 0, 100)
        settings.whole("replay", self.replay, 0, 1_000_000)
        settings.whole("seed", self.seed, 0, 2**63 - 1)
        if clustering is not None and not isinstance(clustering, LabelPartition):
            raise ValueError(f"clustering must be a LabelPartition or None, not {settings.told(clustering)}")
        if tree is not None and not isinstance(tree, MLHATClassifier):
            raise ValueError(f"tree must be an MLHATClassifier or None, not {settings.told(tree)}")
        self._start(settings.whole("max_features", self.max_features, 2, 2**31 - 1))
        self.partition: LabelPartition = LabelPartition() if clustering is None else clustering.clone()
        self._own_partition()
        self._tree = MLHATClassifier(alternate_on="drift") if tree is None else tree.clone()
        names = _checked(self.experts)
        only_trees = names == ("tree",)
        self._ensemble = None if only_trees else Ensemble(names, mixing, objective, self.most_labelsets, self.most_labels)
        self._has_trees = "tree" in names
        self._members: list[Member] = []
        self._n_members = 0
        self._replay = Replay(self.replay)
        self._detector = adwin_arrays(1)
        self._clock = CLOCK if self._has_trees else _LONG_CLOCK
        self._drifts: deque[dict[str, Any]] = deque(maxlen=_MOST_DRIFTS)
        self._n_drifts = 0

    @classmethod
    def paper(cls, **overrides: Any) -> "IHOMERClassifier":
        """Return the model in the configuration of the paper; `overrides` are constructor arguments.

        Trees alone, the published split test of ODAC with its settings (confidence 0.9, tau 0.1), the published tree, one
        ancestor.
        """
        arguments: dict[str, Any] = {
            "experts": ("tree",),
            "clustering": LabelPartition(split_test="odac", delta=0.1, tau=0.1),
            "tree": MLHATClassifier(),
            "max_ancestors": 1,
            "replay": 0,
        }
        return cls(**{**arguments, **overrides})

    @classmethod
    def _unit_test_params(cls) -> Iterator[dict[str, Any]]:
        yield {"seed": 7}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._own_partition()

    def _own_partition(self) -> None:
        self.partition._is_owned = True

    @property
    def _labels(self) -> Vocabulary:
        return self.partition.labels

    # Labels and clusters -------------------------------------------------------------------------------------------

    def _admit(self, new: list[Hashable], positive: list[Hashable]) -> None:
        labels = self.partition.labels
        crowded = len(labels) + len(new) > self.partition.max_labels
        before = dict(labels.items()) if crowded else {}
        self.partition._make_known(new, positive)
        gone = np.array(sorted(i for name, i in before.items() if labels.get(name) != i), np.int32)
        if len(gone):
            for member in self._members:
                member.forget_labels(gone)
            self._replay.forget_labels(gone)
            if self._ensemble is not None:
                self._grow()
                self._ensemble.forget_labels(gone)
        self._grow()
        self._rearrange(self.replay)

    def _grow(self) -> None:
        if self._ensemble is not None:
            self._ensemble.grow(self._labels.size, max(1, len(self._encoder.kind)))

    def _rearrange(self, replay: int) -> None:
        """Give each cluster of the partition a learner; those of clusters that are gone stay while their labels need them.

        New learners start from the last `replay` events.
        """
        if not self._has_trees:
            return
        cluster_of = self.partition.cluster_index
        joined = np.zeros(len(cluster_of), np.bool_)
        living = {member.cluster: member for member in self._members if member.is_primary}
        used = np.flatnonzero(cluster_of >= 0).astype(np.int32)
        for cluster, labels in by_cluster(cluster_of[used], used):
            member = living.pop(cluster, None)
            if member is None:
                self._add_member(cluster, labels, replay)
                joined[labels] = True
                continue
            missing = labels[~np.isin(labels, member.learner.label_id)]
            if len(missing):
                member.add_labels(missing)
            back = np.isin(member.learner.label_id, labels) & ~member.votes
            member.reset(back)
            joined[missing] = True
            joined[member.learner.label_id[back]] = True
        for member in living.values():
            member.is_primary = False
        self._note_company(joined)

    def _add_member(self, cluster: int, labels: NDArray[np.int32], replay: int) -> None:
        past = self._replay.latest(replay)
        learner = TreeLearner(self._member_settings(self._n_members), labels)
        member = Member(self._n_members, cluster, learner, self.partition.n_events - len(past.weight))
        if len(past.weight):
            p = member.learner.learn(past, 0, len(past.weight), self._encoder.kind, self._dense)
            nowhere = np.zeros((len(p), len(self.partition.cluster_index)))
            member.vote(p, past, 0, True, nowhere, nowhere)
        self._members.append(member)
        self._n_members += 1

    def _member_settings(self, number: int) -> NDArray[Any]:
        """Return the settings of the tree of a member, whose seed is its own."""
        return self._tree._settings((self.seed + number * 0x9E3779B9) % 2**63)

    def _note_company(self, joined: NDArray[np.bool_]) -> None:
        """Count the voters of each label, dismiss the oldest where there are too many, and members without a vote."""
        cluster_of = self.partition.cluster_index
        n_voters = np.zeros(len(cluster_of), np.int32)
        homes = [member.is_primary & (cluster_of[member.learner.label_id] == member.cluster) for member in self._members]
        for member, is_home in zip(self._members, homes, strict=True):
            n_voters[member.learner.label_id[member.votes & is_home]] += 1
        for member, is_home in zip(reversed(self._members), reversed(homes), strict=True):
            ids, votes = member.learner.label_id, member.votes & ~is_home
            surplus = votes & (n_voters[ids] > self.max_ancestors)
            member.stop_voting(surplus)
            n_voters[ids[votes & ~surplus]] += 1
        self._members = [member for member in self._members if member.is_primary or member.votes.any()]
        for member in self._members:
            member.note_company(n_voters, joined)

    def _judge(self) -> None:
        """Take the vote from ancestors that do worse than the learner of their label's cluster."""
        cluster_of = self.partition.cluster_index
        loss, weight = np.zeros(len(cluster_of)), np.zeros(len(cluster_of))
        rivals = []
        for member in self._members:
            ids = member.learner.label_id
            home = member.votes & (cluster_of[ids] == member.cluster) if member.is_primary else np.zeros(len(ids), np.bool_)
            own_loss, own_weight = member.duels()
            loss[ids[home]], weight[ids[home]] = own_loss[home], own_weight[home]
            if (member.votes & ~home).any():
                rivals.append((member, home))
        lost = False
        for member, home in rivals:
            ids = member.learner.label_id
            losing = member.votes & ~home & member.loses_to(loss[ids], weight[ids])
            member.stop_voting(losing)
            lost = lost or bool(losing.any())
        if lost:
            self._note_company(np.zeros(len(cluster_of), np.bool_))

    # Learning and predicting ---------------------------------------------------------------------------------------

    @property
    def _version(self) -> int:
        return self.partition.version

    def _learn(self, batch: Batch, brought: Indices) -> Learned:
        self._grow()
        n_rows = len(batch.weight)
        if n_rows == 1:
            return self._learn_rows(batch, 0, 1, brought)
        start, parts = 0, []
        while start < n_rows:
            stop = self._end_of_quiet(batch, start)
            parts.append(self._learn_rows(batch, start, stop, brought if start == 0 else NO_LABELS))
            start = stop
        return all_learned(parts)

    def _end_of_quiet(self, batch: Batch, start: int) -> int:
        """Return where the rows end that can be learned at once: what may change the learners comes after the last one."""
        quiet: int = adwin_updates_to_check(self._detector, 0, self._clock)
        if self._has_trees:
            quiet = min(quiet, self.partition.rows_to_check, CLOCK - (self.n_learned + start) % CLOCK)
        stop = min(start + quiet, len(batch.weight))
        if self._ensemble is None:
            return stop
        return self._ensemble.places.stop(batch, start, min(start + self._ensemble.rows_at_once(self._labels.size), stop))

    def _learn_rows(self, batch: Batch, start: int, stop: int, brought: Indices) -> Learned:
        """Learn some rows between which nothing of the learners can change but by learning."""
        p, answer = self._run(batch, start, stop, True, brought)
        verdict = watch_answers(
            answer, batch.y_indptr, batch.y_index, batch.u_indptr, batch.u_index, start, self._detector, self.drift_delta,
            self._clock,
        )  # fmt: skip
        if self._has_trees:
            self._replay.extend(batch, start, stop)
        version = self._teach_partition(batch, start, stop)
        if self._ensemble is not None and self._ensemble.places.is_partial:
            applied = batch.y_index[batch.y_indptr[stop - 1] : batch.y_indptr[stop]]
            self._ensemble.seat(applied, self.partition._counts.how_often)
        if verdict > 0 and self.global_drift:
            self._answer_drift(self.n_learned + stop)
        elif self.partition.version != version[-1]:
            self._rearrange(self.replay)
        if self._has_trees and (self.n_learned + stop) % CLOCK == 0:
            self._judge()
        return Learned(p, answer, version)

    def _teach_partition(self, batch: Batch, start: int, stop: int) -> list[int]:
        """Let the partition learn some rows, up to each of its tests in turn; return its version before each."""
        version: list[int] = []
        while start < stop:
            end = min(start + self.partition.rows_to_check, stop)
            version += [self.partition.version] * (end - start)
            ends, index, weight = batch.y_indptr, batch.y_index, batch.weight
            if end - start < len(weight):
                first, last = ends[start], ends[end]
                ends, index, weight = ends[start : end + 1] - first, index[first:last], weight[start:end]
            self.partition._learn(ends, index, weight)
            start = end
        return version

    def _run(self, batch: Batch, start: int, stop: int, learn: bool, brought: Indices) -> tuple[Proba, Answer]:
        """Return probabilities and answers for some rows, learning each if `learn`."""
        trees = self._ask_trees(batch, start, stop, learn) if self._has_trees else None
        if self._ensemble is None:
            assert trees is not None
            return trees, trees > 0.5
        return self._ensemble.run(batch, start, stop, self._labels.size, trees, learn, brought)

    def _ask_trees(self, batch: Batch, start: int, stop: int, learn: bool) -> Proba:
        """Return the votes of the clusters' trees, float64[rows, labels], which learn each row if `learn`."""
        out = np.empty((stop - start, self._labels.size))
        share, total = np.zeros(out.shape), np.zeros(out.shape)
        for member in self._members:
            if learn:
                p = member.learner.learn(batch, start, stop, self._encoder.kind, self._dense)
            else:
                p = member.learner.predict(batch, start, stop, self._dense)
            member.vote(p, batch, start, learn, share, total)
        count_votes(share, total, out)
        return out

    def _answer_drift(self, event: int) -> None:
        """The loss of the model has risen: build the partition anew, and replace the learners that have become worse."""
        since = adwin_width(self._detector, 0)
        if self._ensemble is not None:
            self._ensemble.doubt(since)
        changes = self.partition.rebuild()
        drifted = [member for member in self._members if member.is_primary and member.has_drifted]
        for member in drifted:
            member.is_primary = False
        self._rearrange(min(self.replay, since))
        self._n_drifts += 1
        self._drifts.append(
            {
                "event": event,
                "where": "global",
                "what": "loss rose",
                "clusters_changed": len(changes),
                "learners_replaced": [member.cluster for member in drifted],
            }
        )

    def _predict(self, batch: Batch) -> tuple[Proba, Answer]:
        return self._run(batch, 0, len(batch.weight), False, NO_LABELS)

    def _forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        for member in self._members:
            member.learner.forget_features(forgotten)
        self._replay.forget_features(forgotten)
        if self._ensemble is not None:
            self._grow()
            self._ensemble.forget_features(forgotten)

    # Looking inside ------------------------------------------------------------------------------------------------

    @property
    @in_turn
    def summary(self) -> dict[str, int]:
        """Sizes, and counts of what happened: events, labels, features, clusters, learners, leaves, drifts."""
        inside = [member.learner.summary() for member in self._members]
        return {
            "n_learned": self.n_learned,
            "n_labels": len(self._labels),
            "n_features": len(self._encoder.features),
            "n_clusters": self.partition.n_clusters,
            "n_learners": len(self._members),
            "n_leaves": sum(tree["n_leaves"] for tree in inside),
            "n_splits": sum(tree["n_splits"] for tree in inside),
            "n_partition_changes": self.partition.version,
            "n_drifts_global": self._n_drifts,
            "n_drifts_partition": self.partition._n_drifts,
            "n_drifts_local": sum(tree["n_drifts"] for tree in inside),
        }

    @property
    @in_turn
    def drifts(self) -> list[dict[str, Any]]:
        """What was detected, by event: where (global, partition or node, then with cluster and node) and what it did.

        Of the global ones the last 1,000 are told, of the partition as many, and of each tree the last 512.
        """
        found = copy.deepcopy(list(self._drifts))
        for drift in self.partition.drifts:
            what = "label pairs cut more often"
            found.append({"event": drift.event, "where": "partition", "what": what, "window": drift.window})
        for member in self._members:
            for event, node, what in member.learner.notes():
                event += member.start
                found.append({"event": event, "where": "node", "cluster": member.cluster, "node": node, "what": what})
        return sorted(found, key=lambda drift: int(drift["event"]))

    @property
    @in_turn
    def expert_weights(self) -> dict[str, float]:
        """Weights that the experts' log-odds have in the mixture: the mean of those for rare, less rare and common labels, by
        how much has been learned from each.

        A label's own corrections come on top. Weights can be negative and need not sum to 1. Empty where nothing is mixed, as
        with the experts ``("tree",)``.

        Examples
        --------
        >>> from ihomer import IHOMERClassifier
        >>> IHOMERClassifier(experts=("ridge",), mixing="mean").expert_weights
        {'ridge': 0.5, 'ridge, logistic': 0.5}
        """
        if self._ensemble is None:
            return {}
        return dict(zip(self._ensemble.mixed_outputs, self._ensemble.mixture.weights.tolist(), strict=True))

    @in_turn
    def draw(self, form: str = "dot") -> str:
        """Return the tree of clusters as graphviz source (``"dot"``) or as indented text (``"text"``)."""
        return self.partition.draw(form)

    @in_turn
    def debug_one(self, x: dict[Any, Any]) -> str:
        """Return, as text, how a prediction comes about.

        Cluster by cluster the labels, each with its probability, a star if it is in the answer, and, where that says most,
        the experts with the largest part in its log-odds (weight times log-odds); and the trees that vote.
        """
        self._refuse_if_broken()
        batch = one_row(*self._encoder.encode(x))
        p, answer = (row[0] for row in self._predict(batch))
        votes = [(member, member.learner.predict(batch, 0, 1, self._dense)[0]) for member in self._members]
        odds = rate = None
        if self._ensemble is not None and len(p):
            trees = self._ask_trees(batch, 0, 1, learn=False) if self._has_trees else None
            odds, rate = (rows[0] for rows in self._ensemble.expert_odds(batch, len(p), trees))
        lines = []
        for cluster, labels in self.partition.clusters.items():
            lines.append(f"cluster {cluster}")
            for name in sorted(labels, key=lambda name: -p[self._labels.get(name)]):
                label = self._labels.get(name)
                line = f"  {p[label]:.3f} {'*' if answer[label] else ' '} {shown(name)}"
                if odds is not None and rate is not None and (answer[label] or p[label] >= _WORTH_TELLING):
                    line += self._experts_in_words(odds, rate, label)
                lines.append(line + _voters_in_words(votes, label))
        return "\n".join(lines)

    def _experts_in_words(self, odds: NDArray[np.float32], rate: NDArray[np.float32], label: int) -> str:
        """Return the three experts with the largest part in a label's log-odds; of one they do not know, nothing.

        odds, rate : of `Ensemble.expert_odds`, of one event
        """
        assert self._ensemble is not None
        place = self._ensemble.places.of(label)
        if place < 0:
            return ""
        parts = self._ensemble.mixture.weights_of(place, float(rate[place]), odds[place]) * odds[place]
        largest = np.argsort(-np.abs(parts), kind="stable")[:3]
        told = (f"{self._ensemble.mixed_outputs[i]} {parts[i]:+.2f}" for i in largest)
        return "  <- " + "; ".join(told)


def _checked(experts: Any) -> tuple[str, ...]:
    """Return names of experts, without repetition, or raise."""
    known = (*EXPERTS, "labelsets", "tree")
    for name in experts if isinstance(experts, tuple) else ():
        settings.one_of("experts", name, known)
    if not isinstance(experts, tuple) or not set(experts) - {"labelsets"} or len(set(experts)) < len(experts):
        names, told = ", ".join(map(repr, known)), settings.told(experts)
        raise ValueError(f"experts must be a tuple or list of different names of {names}, not 'labelsets' alone; not {told}")
    return experts


def _voters_in_words(votes: list[tuple[Member, Proba]], label: int) -> str:
    """Return the votes on a label, where there is more than one: member, share of the weight, probability."""
    found = [
        (member.number, member.weight_on(label), p[member.place_of(label)]) for member, p in votes if member.weight_on(label)
    ]
    if len(found) < 2:
        return ""
    total = sum(weight for _, weight, _ in found)
    return "  <- " + ", ".join(f"learner {number} {weight / total:.0%} says {p:.3f}" for number, weight, p in found)
