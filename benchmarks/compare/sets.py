"""The streams of the comparison: real files, river's Yeast, synthetic drift; and the orders of their events."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from benchmarks.common import DATA, events_of, labels_of, matrices
from streams.drift import Drift
from streams.synthetic import SyntheticStream

MOST_DENSE = 4096  # features up to which absent ones are written out as 0 for models that take absent as missing
_MOST_CLUSTERS = 8


@dataclass(frozen=True)
class Stream:
    """All events of a stream in their order; the same numbers for every model.

    Attributes
    ----------
    X
        Features, float64[events, features], dense or CSR; nominal values are 0/1 columns, nan is missing.
    Y
        uint8[events, labels].
    features, labels
        Names of the columns; all labels that the stream declares, those that never apply too.
    """

    X: Any
    Y: NDArray[np.uint8]
    features: list[str]
    labels: list[str]

    def __len__(self) -> int:
        return len(self.Y)

    def part(self, rows: Any) -> "Stream":
        """Return the stream of these rows, in their order."""
        return Stream(self.X[rows], self.Y[rows], self.features, self.labels)


def load(table: dict[str, Any]) -> Stream:
    """Return a stream in the order of its source.

    Parameters
    ----------
    table
        ``make``: "file" (parameter `name`, a set of the data folder), "river_yeast", or "synthetic" (parameters of
        `SyntheticStream`; `drifts` as tables).

    Raises
    ------
    ValueError
        If there is no such stream; the message says what is missing.

    Examples
    --------
    >>> from benchmarks.compare.sets import load
    >>> stream = load({"make": "synthetic", "parameters": {"n_events": 50, "n_labels": 6, "groups": 2}})
    >>> stream.Y.shape, stream.X.shape
    ((50, 6), (50, 20))
    """
    make, parameters = table["make"], table.get("parameters", {})
    if make == "file":
        return _file(**parameters)
    if make == "river_yeast":
        return _river_yeast()
    if make == "synthetic":
        return _synthetic(parameters)
    raise ValueError(f"no stream is made by {make!r}")


def _file(name: str) -> Stream:
    if not Path(DATA / f"{name}.arff.gz").exists():
        raise ValueError(f"the data folder has no set {name!r} (IHOMER_DATA names another folder)")
    X, Y, features, labels = matrices(events_of(name), labels_of(name))
    return Stream(X, Y, features, labels)


def _river_yeast() -> Stream:
    from river import datasets

    events = [(dict(x), {label for label, on in y.items() if on}) for x, y in datasets.Yeast()]
    X, Y, features, labels = matrices(events)
    return Stream(X, Y, features, labels)


def _synthetic(parameters: dict[str, Any]) -> Stream:
    drifts = [Drift(**drift) for drift in parameters.get("drifts", ())]
    source = SyntheticStream(**{**parameters, "drifts": drifts})
    events = [(dict(event.x), set(event.y or ())) for event in source]
    X, Y, features, labels = matrices(events, list(source.labels))
    return Stream(X, Y, features, labels)


def ordered(stream: Stream, order: str, seed: int) -> Stream:
    """Return the stream in an order.

    "file": as it is. "shuffled": by the seed. "clustered": labels are split into clusters (average linkage on the
    Jaccard distance over the whole stream), each event belongs to the cluster that holds most of its labels, and one
    cluster comes after the other, shuffled within: an extreme drift by design.
    """
    if order == "file":
        return stream
    rows = list(range(len(stream)))
    random.Random(seed).shuffle(rows)
    if order == "clustered":
        cluster = dominant_cluster(stream.Y)
        turns = sorted(set(cluster.tolist()))
        random.Random(seed).shuffle(turns)
        turn = {which: i for i, which in enumerate(turns)}
        rows.sort(key=lambda row: turn[int(cluster[row])])
    return stream.part(np.array(rows, np.int64))


def label_clusters(Y: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the cluster of each label, int64[labels]: about the root of their number of clusters, 8 at most."""
    n_labels = Y.shape[1]
    if n_labels < 2:
        return np.zeros(n_labels, np.int64)
    counts = Y.astype(np.float64)
    both = counts.T @ counts
    alone = np.diag(both)
    either = alone[:, None] + alone[None, :] - both
    distance = 1.0 - np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    np.fill_diagonal(distance, 0.0)
    wanted = min(_MOST_CLUSTERS, int(np.ceil(np.sqrt(n_labels))))
    return fcluster(linkage(squareform(distance, checks=False), "average"), wanted, "maxclust").astype(np.int64) - 1


def dominant_cluster(Y: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return for each event the cluster of most of its labels, the lower one on a tie, -1 without labels."""
    cluster = label_clusters(Y)
    member = np.eye(cluster.max(initial=0) + 1, dtype=np.int64)[cluster]
    held = Y.astype(np.int64) @ member
    return np.where(held.sum(1) > 0, held.argmax(1), -1)


class Rows:
    """The events as river's dictionaries, made one at a time.

    Parameters
    ----------
    stream
        The stream.
    dense
        Write absent features out as 0, if there are at most `MOST_DENSE`; else only those that are not 0 are named.
    """

    def __init__(self, stream: Stream, dense: bool) -> None:
        self.dense = dense and len(stream.features) <= MOST_DENSE
        self._stream = stream
        self._zeros = dict.fromkeys(stream.features, 0.0) if self.dense else {}
        self._negative = dict.fromkeys(stream.labels, False)

    def x(self, row: int) -> dict[str, float]:
        """Return the features of an event; a missing value is not named."""
        X, names = self._stream.X, self._stream.features
        found = dict(self._zeros)
        if isinstance(X, np.ndarray):
            columns = np.flatnonzero(X[row]).tolist()
            values = X[row, columns].tolist()
        else:
            cells = slice(X.indptr[row], X.indptr[row + 1])
            columns, values = X.indices[cells].tolist(), X.data[cells].tolist()
        for column, value in zip(columns, values, strict=True):
            if value == value:
                found[names[column]] = value
            else:
                found.pop(names[column], None)
        return found

    def y(self, row: int) -> dict[str, bool]:
        """Return for each label whether it applies."""
        found = dict(self._negative)
        for column in np.flatnonzero(self._stream.Y[row]).tolist():
            found[self._stream.labels[column]] = True
        return found
