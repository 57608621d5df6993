"""LabelPartition: disjoint clusters of labels that occur together, found and kept up to date on a stream."""

import math
from collections import deque
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence, Set, Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import base

from ihomer import settings
from ihomer.cluster_upkeep import ClusterUpkeep
from ihomer.encoder import MAX_WEIGHT, MIN_WEIGHT, checked_weight, labels_of
from ihomer.interrupts import Changeable, Uninterrupted, in_turn
from ihomer.label_graph import CutRules
from ihomer.label_tree import LabelNode
from ihomer.pair_counts import PairCounts
from ihomer.partition_changes import Change, ChangeLog, PartitionDrift, changes_between
from ihomer.partition_drawing import label_tree_as_dot, label_tree_as_text
from ihomer.rows import LabelRows, Marked, label_rows, row_weights
from ihomer.vocabulary import Vocabulary, in_name_order, oldest

__all__ = ["Change", "LabelPartition", "PartitionDrift"]

_TESTS = ("separation", "odac", "never")
_MOST_DRIFTS = 1000

Indices = NDArray[np.int32]
Named = tuple[list[Hashable], list[Hashable]]


class LabelPartition(Changeable, base.Base):
    r"""Disjoint clusters of labels that occur together, found and kept up to date while the stream runs.

    All labels start in one cluster. Each `n_min` events every cluster is tested for a cut into two sides that hardly occur
    together; cuts make a binary tree whose leaves are the clusters. With :math:`n_i` the weight of events that carry label i,
    :math:`n_{ij}` of those that carry both, N of all, two labels are linked by what they share beyond chance,

    .. math:: s_{ij} = \frac{\max(0, n_{ij} - n_i n_j / N)}{n_i + n_j - n_{ij} + \ln(1 / \delta)},

    and :math:`s_{ij}^2` is the energy of the link. A cluster is cut when

    - its pivots, two frequent labels with many links of which few or none lead from one to the other, were seen often enough:
      :math:`\sqrt{\ln(1 / \delta) / (2 n)} < \tau`, n the weight of events that carry either;
    - on both sides, the energy across the cut is less than that of the links inside; and
    - the difference, in units of similarity, exceeds Bernstein's bound at risk `delta`.

    In between, a cluster whose labels are drawn more to another one than to each other joins it, and a label that is clearly
    drawn to another cluster moves there. ADWIN watches the share of an event's label pairs that the partition cuts; when it
    rises, the counts forget most of what lies before the change, so that the clusters soon follow.

    Parameters
    ----------
    n_min
        Number of events from one test to the next, at least 1. Where labels are many, tests wait until counting has cost a fair
        share of what they cost.
    delta
        Risk in the bounds, between 0 and 1.
    tau
        The bound, in units of dissimilarity and greater than 0, below which the pivots count as known well enough.
    min_cluster_size
        No cut leaves fewer labels on a side, and a cluster that has shrunk below joins another one; at least 1. None: the usual
        size of a labelset of the stream, where a cluster joins another one only below half of that.
    max_cluster_size
        A larger cluster is cut at the next test, where it costs least; at least twice `min_cluster_size`, less 1. None: no
        bound.
    fading
        Factor by which all counts shrink with each event, greater than 0 and at most 1; 1: never.
    max_labels
        Bound on the number of labels, at least 8. When it is reached, the eighth that applied, or was new, longest ago is
        forgotten.
    max_pairs
        Bound on the number of label pairs that are counted, at least 64. When it is reached, the quarter that occurred least is
        dropped.
    detect_drift
        Whether to watch for drift. The newest 4,096 label sets are then kept.
    split_test
        ``"separation"``: the test above. ``"odac"``: the published one, with d = 1 - Jaccard similarity, d1 >= d2 its largest
        values in the cluster, d0 the smallest, m the mean and eps the bound of the most distant pair:
        (d1 - d2 > eps or eps < tau) and (d1 - d0) abs(d1 + d0 - 2 m) > eps. Then two sibling clusters are merged when the
        diameter of one exceeds that of their parent by the bounds, no label moves by itself, and drift rebuilds the tree.
        ``"never"``: no test; all labels stay in one cluster, so that there is nothing to watch for drift either.
    seed
        Decides what chance must decide, at least 0: which pairs go when all occurred equally often, and which labels of an
        event with more than 1,024 are counted.

    Attributes
    ----------
    labels
        The names, with the indices by which `learn_rows` and `cluster_index` know them.
    version
        Rises by one whenever the partition has changed.

    Raises
    ------
    ValueError
        If a setting is out of range, or `max_cluster_size` is given though `split_test` is ``"never"``; the message names it.

    Notes
    -----
    The defaults are chosen on planted groups of 2 to 8 labels and on the label sets of eleven public data sets. At delta = .01
    and tau = .2 a cut needs pivots that were seen 58 times: groups are found within 200 to 2,000 events and then never cut by
    mistake, nothing is cut where labels hardly occur together (scene, medical, slashdot), and no drift is seen in a shuffled
    order. A smaller `delta` leaves rare labels in large clusters; a larger one cuts groups that chance holds apart. `n_min` is
    the rhythm of the trees that learn the clusters.

    The published test sees nothing in two equal groups, whose mean dissimilarity lies in the middle of its range, and cuts
    where most pairs never occur together, whether or not the rest do; its label pairs are compared one by one, while the
    energy of a link to many labels is judged as a whole.

    One event costs O(number of its labels squared); memory follows the labels and pairs that occurred.

    References
    ----------
    Rodrigues, Gama, Pedroso: Hierarchical clustering of time-series data streams (ODAC). IEEE TKDE 20(5), 2008.
    Bifet, Gavaldà: Learning from time-changing data with adaptive windowing. SDM 2007.

    Examples
    --------
    >>> from ihomer.partition import LabelPartition
    >>> partition = LabelPartition(n_min=50, min_cluster_size=2)
    >>> weather = [{"rain", "wind"}, {"sun", "heat"}, {"rain", "wind", "cold"}, {"sun", "heat", "dry"}, {"cold", "wind"}]
    >>> for event in range(300):
    ...     partition.learn_one(weather[event % 5])
    >>> partition.clusters
    {1: ('dry', 'heat', 'sun'), 2: ('cold', 'rain', 'wind')}
    >>> round(partition.similarity("rain", "wind"), 3), partition.cluster_of("dry")
    (0.667, 1)
    >>> [(change.event, change.kind, change.cluster, change.parents) for change in partition.changes[-3:]]
    [(100, 'born', 1, (0,)), (100, 'born', 2, (0,)), (100, 'retired', 0, ())]
    """

    _parts = frozenset(["labels"])

    def __init__(
        self,
        n_min: int = 200,
        delta: float = 0.01,
        tau: float = 0.2,
        min_cluster_size: int | None = None,
        max_cluster_size: int | None = None,
        fading: float = 1.0,
        max_labels: int = 1_000_000,
        max_pairs: int = 2_000_000,
        detect_drift: bool = True,
        split_test: str = "separation",
        seed: int = 0,
    ) -> None:
        self.n_min = settings.plain(n_min)
        self.delta = settings.plain(delta)
        self.tau = settings.plain(tau)
        self.min_cluster_size = settings.plain(min_cluster_size)
        self.max_cluster_size = settings.plain(max_cluster_size)
        self.fading = settings.plain(fading)
        self.max_labels = settings.plain(max_labels)
        self.max_pairs = settings.plain(max_pairs)
        self.detect_drift = settings.plain(detect_drift)
        self.split_test = split_test
        self.seed = settings.plain(seed)
        self._check_settings()
        smallest, largest = self.min_cluster_size or 1, self.max_cluster_size
        rules = CutRules(math.log(1.0 / self.delta), self.tau, split_test == "odac", smallest, largest)
        self.labels = Vocabulary()
        self.version = 0
        self._splits = split_test != "never"
        self._counts = PairCounts(self.max_pairs, self.fading, self.detect_drift and self._splits, self.seed)
        self._upkeep = ClusterUpkeep(self._counts, rules, self.min_cluster_size is not None, self.n_min)
        self._log = ChangeLog()
        self._drifts: deque[PartitionDrift] = deque(maxlen=_MOST_DRIFTS)
        self._n_drifts = 0
        self._n_forgotten = 0

    def _check_settings(self) -> None:
        settings.whole("n_min", self.n_min, 1, 2**53)
        settings.fraction("delta", self.delta)
        settings.positive("tau", self.tau)
        if self.min_cluster_size is not None:
            settings.whole("min_cluster_size", self.min_cluster_size, 1, 2**30)
        if self.max_cluster_size is not None:
            settings.whole("max_cluster_size", self.max_cluster_size, 2 * (self.min_cluster_size or 1) - 1, 2**31 - 1)
        settings.positive("fading", self.fading, 1.0)
        settings.whole("max_labels", self.max_labels, 8, 2**31 - 1)
        settings.whole("max_pairs", self.max_pairs, 64, 2**31 - 1)
        settings.flag("detect_drift", self.detect_drift)
        settings.one_of("split_test", self.split_test, _TESTS)
        if self.split_test == "never" and self.max_cluster_size is not None:
            raise ValueError('max_cluster_size must be None where split_test is "never", which keeps all labels in one cluster')
        settings.whole("seed", self.seed, 0, 2**63 - 1)

    _is_owned = False  # by a model, which alone teaches it

    @classmethod
    def _unit_test_params(cls) -> Iterator[dict[str, Any]]:
        yield {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_is_owned"}

    def _refuse_if_owned(self) -> None:
        """Raise RuntimeError if a model alone may teach this partition: what the model keeps of labels would not follow."""
        if self._is_owned:
            advice = "clone(include_attributes=True) makes one that can be taught by itself"
            raise RuntimeError(f"this LabelPartition is that of a model, which alone teaches it; {advice}")

    # Learning by name ----------------------------------------------------------------------------------------------

    @in_turn
    def learn_one(self, y: Any, w: float = 1.0) -> None:
        """Learn the labels of one event.

        Parameters
        ----------
        y
            The labels that apply, as a set, list or tuple; or a dictionary label -> bool. A label with False is known from
            then on; one with None was not observed and is left out.
        w
            Weight of the event, from 1e-100 to 1e9.

        Raises
        ------
        TypeError, ValueError
            If an argument is not of that form. The partition is then as it was before.
        RuntimeError
            If the partition is that of a model.
        """
        self._refuse_if_owned()
        weight = checked_weight(w)
        positive, _, negative = labels_of(y)
        new = self.labels.new_names(positive, negative)
        with Uninterrupted(self):
            self._count([self._known(new, positive)], np.array([weight]))

    @in_turn
    def learn_many(self, Y: Any, w: Any = None, names: Sequence[Hashable] | None = None) -> None:
        """Learn the labels of many events in turn, with the same result as one by one.

        Parameters
        ----------
        Y
            A list of what `learn_one` takes; or a 0/1 matrix (nan: not observed), as data frame, NumPy array or SciPy sparse
            matrix, of which the last names only the labels that apply.
        w
            Weights of the events, one number from 1e-100 to 1e9 each; None for 1.
        names
            Label names of the columns of a matrix; None for those of the data frame, or 0, 1, ...

        Raises
        ------
        TypeError, ValueError
            If an argument is not of that form. The partition is then as it was before.
        RuntimeError
            If the partition is that of a model.
        """
        self._refuse_if_owned()
        rows = label_rows(Y, _n_rows(Y))
        if names is not None:
            rows = _renamed(rows, names, Y)
        weights = row_weights(w, _n_rows(Y))
        with Uninterrupted(self) as held:
            self._learn_named(_named_rows(rows), weights, held)

    def _learn_named(self, rows: Iterator[Named], weights: NDArray[np.float64], held: Uninterrupted) -> None:
        """Learn names that apply and those that do not, row by row; Ctrl-C, `held` back, may come between rounds of tests."""
        waiting: list[Indices] = []
        start, room = 0, self.rows_to_check
        for row, (positive, negative) in enumerate(rows):
            if new := self.labels.new_names(positive, negative):
                self._count(waiting, weights[start:row])
                waiting, start = [], row
                room = self.rows_to_check
                held.release()
            waiting.append(self._known(new, positive))
            if len(waiting) == room:
                self._count(waiting, weights[start : row + 1])
                waiting, start = [], row + 1
                room = self.rows_to_check
                held.release()
        self._count(waiting, weights[start:])

    def _known(self, new: list[Hashable], positive: list[Hashable]) -> Indices:
        """Make new names known; return the indices of the positive ones, ascending."""
        if new:
            self._make_known(new, positive)
        return self.labels.known(positive)

    def _count(self, rows: list[Indices], weights: NDArray[np.float64]) -> None:
        if rows:
            indptr = np.zeros(len(rows) + 1, np.int64)
            np.cumsum([len(row) for row in rows], out=indptr[1:])
            index = rows[0] if len(rows) == 1 else np.concatenate(rows)
            self._learn(indptr, index, weights)

    # Learning by index ---------------------------------------------------------------------------------------------

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        used = self.cluster_index
        return len(np.unique(used[used >= 0]))

    @property
    def cluster_index(self) -> Indices:
        """Cluster of each label index, int32[labels.size]; -1 for an index not in use. A view to look at: it follows the
        partition, and cannot be written to.
        """
        view = self._upkeep.cluster[: self.labels.size]
        view.flags.writeable = False
        return view

    @property
    def n_events(self) -> int:
        """Number of events learned."""
        return self._counts.n_events

    @property
    def rows_to_check(self) -> int:
        """Number of events up to and including the next one after which clusters may change."""
        return self.n_min - self._counts.n_events % self.n_min

    @in_turn
    def add_labels(self, names: Sequence[Hashable], positive: Collection[Hashable]) -> list[Change]:
        """Make labels known that the next event names, each in the cluster that it shares most of its event's labels with.

        Parameters
        ----------
        names
            The names, in name order; known ones are ignored. Beyond `max_labels` new ones the rest is left out.
        positive
            All labels that apply to the event, known or new.

        Returns
        -------
        list
            What happened to clusters, those included that lost labels which had to be forgotten: their indices are free, or
            belong to new names already.

        Raises
        ------
        TypeError, ValueError
            If an argument is not of that form, or a name is nan. The partition is then as it was before.
        RuntimeError
            If the partition is that of a model.
        """
        self._refuse_if_owned()
        return self._make_known(_distinct(names, "names"), _distinct(positive, "positive"))

    @in_turn
    def _make_known(self, names: Sequence[Hashable], positive: Collection[Hashable]) -> list[Change]:
        """Do what `add_labels` does, also in the partition of a model."""
        names = [name for name in names if name not in self.labels][: self.max_labels]
        in_name_order(names)  # raises if that cannot be
        if not names:
            return []
        with Uninterrupted(self):
            return self._add_labels(names, positive)

    def _add_labels(self, names: list[Hashable], positive: Collection[Hashable]) -> list[Change]:
        """Do what `_make_known` does, with names that are new."""
        self._counts.touch(self.labels.known(positive))
        changes = self._make_room(len(names))
        known = self.labels.known(positive)
        index = [self.labels.add(name) for name in names]
        self._upkeep.fit(self.labels.size)
        self._counts.touch(np.array(index, np.int32))
        applying = set(positive)
        first = self._upkeep.tree.root < 0
        joined = self._upkeep.admit([(i, name in applying) for i, name in zip(index, names, strict=True)], known.tolist())
        event, kind = self._counts.n_events, "born" if first else "grown"
        return self._note(
            changes
            + [
                Change(event, kind, cluster, (), tuple(map(self.labels.name, members)), tuple(members))
                for cluster, members in sorted(joined.items())
            ]
        )

    def _make_room(self, n_new: int) -> list[Change]:
        """Forget the labels that applied, or were new, longest ago, an eighth or more, if `n_new` would be too many."""
        surplus = len(self.labels) + n_new - self.max_labels
        if surplus <= 0:
            return []
        gone = oldest(np.flatnonzero(self._upkeep.cluster >= 0), self._counts.last_seen, self.max_labels, surplus)
        before = self._upkeep.cluster.copy()
        self._upkeep.remove(gone.astype(np.int32))
        changes = self._changes_since(before)
        for i in gone[::-1].tolist():
            self.labels.free(i)
        self._n_forgotten += len(gone)
        return changes

    @in_turn
    def learn_rows(self, indptr: NDArray[np.int64], index: Indices, weight: NDArray[np.float64]) -> list[Change]:
        """Learn events given by label indices; the same as `learn_one` for each.

        Parameters
        ----------
        indptr, index
            int64[rows + 1], int32[:]: row r carries the labels index[indptr[r]:indptr[r + 1]], ascending, each once.
        weight
            float64[rows], from 1e-100 to 1e9; at most `rows_to_check` rows.

        Returns
        -------
        list
            What happened to clusters after the last row.

        Raises
        ------
        ValueError
            If an argument is not of that form, or the rows reach beyond the next test. The partition is then as it was before.
        RuntimeError
            If the partition is that of a model.
        """
        self._refuse_if_owned()
        _check_rows(indptr, index, weight, self.cluster_index)
        if len(weight) > self.rows_to_check:
            raise ValueError(f"learn_rows takes at most {self.rows_to_check} rows now, not {len(weight)}")
        with Uninterrupted(self):
            return self._learn(indptr, index, weight)

    @in_turn
    def _learn(self, indptr: NDArray[np.int64], index: Indices, weight: NDArray[np.float64]) -> list[Change]:
        """Do what `learn_rows` does, with arguments that are known to be right."""
        self._counts.count(indptr, index, weight, self._upkeep.cluster)
        if not self._splits or not self._upkeep.is_due:
            return []
        before = self._upkeep.cluster.copy()
        drift = self._upkeep.check()
        if drift is not None:
            self._drifts.append(PartitionDrift(self._counts.n_events, drift.window, drift.cut_share))
            self._n_drifts += 1
        return self._note(self._changes_since(before))

    @in_turn
    def rebuild(self) -> list[Change]:
        """Build the label tree anew from the root, now; a cluster with the same labels as before keeps its id."""
        if not self._splits:
            return []
        before = self._upkeep.cluster.copy()
        with Uninterrupted(self):
            self._upkeep.rebuild()
            return self._note(self._changes_since(before))

    def _changes_since(self, before: Indices) -> list[Change]:
        return changes_between(before, self._upkeep.cluster, self._counts.n_events, self.labels.name)

    def _note(self, changes: list[Change]) -> list[Change]:
        if changes:
            self._log.extend(changes)
            self.version += 1
        return changes

    # Looking inside ------------------------------------------------------------------------------------------------

    @property
    @in_turn
    def clusters(self) -> dict[int, tuple[Hashable, ...]]:
        """The partition: cluster id -> its labels in name order."""
        found: dict[int, list[Hashable]] = {}
        for name, i in self.labels.items():
            found.setdefault(int(self._upkeep.cluster[i]), []).append(name)
        return {cluster: tuple(in_name_order(found[cluster])) for cluster in sorted(found)}

    @in_turn
    def cluster_of(self, name: Hashable) -> int:
        """Return the id of a label's cluster; KeyError if the label is not known."""
        return int(self._upkeep.cluster[self._index(name)])

    @in_turn
    def similarity(self, a: Hashable, b: Hashable) -> float:
        """Return the Jaccard similarity of two labels; KeyError if one is not known."""
        return self._counts.similarity(self._index(a), self._index(b))

    def _index(self, name: Hashable) -> int:
        index = self.labels.get(name)
        if index < 0:
            raise KeyError(f"no label {settings.told(name)}")
        return index

    @property
    @in_turn
    def changes(self) -> list[Change]:
        """What happened to clusters, oldest first: the last 1,000 records, or fewer if they name many labels."""
        return list(self._log.records)

    @property
    @in_turn
    def drifts(self) -> list[PartitionDrift]:
        """The drifts seen, oldest first; the last 1,000."""
        return list(self._drifts)

    @property
    @in_turn
    def tree(self) -> list[LabelNode]:
        """The label tree: each node before its two subtrees, the left one first."""
        tree, clusters = self._upkeep.tree, self.clusters
        return [LabelNode(node, depth, tree.cut.get(node), clusters.get(node, ())) for node, depth in tree.walk()]

    @in_turn
    def draw(self, form: str = "dot") -> str:
        """Return the label tree as graphviz source (``"dot"``) or as indented text (``"text"``)."""
        as_dot = settings.one_of("form", form, ("dot", "text")) == "dot"
        return (label_tree_as_dot if as_dot else label_tree_as_text)(self._upkeep.tree, self.clusters)

    @property
    @in_turn
    def summary(self) -> dict[str, int]:
        """Sizes, and counts of what happened."""
        sizes = [len(names) for names in self.clusters.values()]
        return {
            "n_events": self._counts.n_events,
            "n_labels": len(self.labels),
            "n_clusters": len(sizes),
            "largest_cluster": max(sizes, default=0),
            "usual_labelset_size": self._upkeep.usual_size,
            "n_pairs": self._counts.n_pairs,
            "bytes_of_pairs": self._counts.n_bytes,
            "n_pairs_dropped": self._counts.n_dropped,
            "n_labels_forgotten": self._n_forgotten,
            "n_changes": self._log.n_seen,
            "n_changes_dropped": self._log.n_dropped,
            "n_drifts": self._n_drifts,
            "version": self.version,
        }


def _n_rows(Y: Any) -> int:
    shape = getattr(Y, "shape", None)
    if shape is not None:
        return int(shape[0]) if shape else 0
    return len(Y) if isinstance(Y, Sized) else 0


def _check_rows(indptr: Any, index: Any, weight: Any, cluster: Indices) -> None:
    """Check rows of label indices; `cluster`: the cluster of each label, -1 where there is none."""
    for name, array, dtype in (("indptr", indptr, np.int64), ("index", index, np.int32), ("weight", weight, np.float64)):
        if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype != dtype:
            raise ValueError(f"{name} must be a one-dimensional array of {np.dtype(dtype)}")
    ends = len(indptr) == len(weight) + 1 and indptr[0] == 0 and indptr[-1] == len(index) and bool((np.diff(indptr) >= 0).all())
    if not ends:
        raise ValueError(f"indptr must rise from 0 to {len(index)} in {len(weight)} steps")
    if not bool(((index >= 0) & (index < len(cluster))).all()) or bool((cluster[index] < 0).any()):
        raise ValueError("index must hold indices of known labels")
    starts = np.zeros(len(index) + 1, np.bool_)
    starts[indptr] = True
    if not bool((starts[1:-1] | (np.diff(index) > 0)).all()):
        raise ValueError("the indices of each row must ascend")
    if not bool(((weight >= MIN_WEIGHT) & (weight <= MAX_WEIGHT)).all()):
        raise ValueError(f"every weight must be from {MIN_WEIGHT:g} to {MAX_WEIGHT:g}")


def _renamed(rows: LabelRows | list[Marked], names: Sequence[Hashable], Y: Any) -> LabelRows:
    """Give the columns of a matrix, which has been read as `rows`, other names."""
    if not isinstance(rows, LabelRows):
        raise ValueError("names are for the columns of a matrix, not for a list of label sets")
    if isinstance(names, Set):  # it has them in no order
        raise TypeError(f"names must be a list of names, not a {type(names).__name__}")
    n_columns = Y.shape[1]
    given = list(names) if isinstance(names, Iterable) and not isinstance(names, str | bytes) else names
    distinct = _distinct(given, "names")
    if len(given) != n_columns or len(distinct) != n_columns:
        raise ValueError(f"names must be {n_columns} different names, one for each column")
    in_name_order(distinct)  # raises if that cannot be
    own = distinct if rows.all_named else [distinct[column] for column in rows.table.names]  # type: ignore[call-overload]
    return rows._replace(table=rows.table._replace(names=own))


def _distinct(given: Any, what: str) -> list[Hashable]:
    """Return names, each once, or raise TypeError."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):  # of a text each letter would be a name
        raise TypeError(f"{what} must be a list of names, not a {type(given).__name__}")
    try:
        return list(dict.fromkeys(given))
    except TypeError:
        raise TypeError(f"{what} holds a name that is not hashable: {settings.told(given)}") from None


def _named_rows(rows: LabelRows | list[Marked]) -> Iterator[Named]:
    """Yield the names that apply and those that are named but negative, row by row."""
    if not isinstance(rows, LabelRows):
        for positive, _, negative in rows:
            yield positive, negative
        return
    table = rows.table
    columns = table.names
    for row in range(table.n_rows):
        a, b = table.indptr[row], table.indptr[row + 1]
        entries = list(zip(table.column[a:b].tolist(), table.value[a:b].tolist(), strict=True))
        positive = [columns[c] for c, value in entries if value == 1.0]
        if rows.all_named:
            given = {c for c, _ in entries}
            yield positive, [name for c, name in enumerate(columns) if c not in given]
        else:
            yield positive, []
