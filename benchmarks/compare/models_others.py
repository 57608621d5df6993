"""Models of other libraries; each is optional, and one that is not installed fails in its own cells."""

import tempfile
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.compare.sets import Stream


class Vowpal:
    """Vowpal Wabbit's multi-label reductions, one event at a time.

    Parameters
    ----------
    n_labels
        Number of labels; Vowpal Wabbit has to know it from the start.
    reduction
        "multilabel_oaa" (one linear model for each label) or "plt" (a probabilistic label tree). Both answer with their
        own labelset: those of p > 1/2.
    arguments
        Further arguments of its command line.
    seed
        Its seed.
    """

    def __init__(self, n_labels: int, reduction: str, arguments: str, seed: int) -> None:
        import vowpalwabbit

        command = f"--{reduction} {n_labels} --quiet --random_seed {seed} {arguments}"
        self._workspace = vowpalwabbit.Workspace(command)
        self._n_labels = n_labels

    def test_then_train_many(self, X: Any, Y: Any) -> Any:
        """Return the answers, bool[events, labels], each made before its event was learned."""
        X = sparse.csr_array(X)
        answers = np.zeros(Y.shape, bool)
        for row in range(len(Y)):
            cells = slice(X.indptr[row], X.indptr[row + 1])
            pairs = zip(X.indices[cells].tolist(), X.data[cells].tolist(), strict=True)
            features = " ".join(f"{column}:{value!r}" for column, value in pairs if value == value and value != 0)
            answers[row, self._answer(f"| {features}")] = True
            labels = ",".join(map(str, np.flatnonzero(Y[row]).tolist()))
            self._workspace.learn(f"{labels} | {features}")
        return answers

    def _answer(self, text: str) -> list[int]:
        return [label for label in self._workspace.predict(text) if 0 <= label < self._n_labels]


class PrefixRefits:
    """napkinXC's probabilistic label tree with its defaults, fitted anew each time that the number of events has doubled.

    The library has no incremental interface in Python. The events before the first fit are answered with no label, and
    the others by the last fit: those of p > 1/2.

    Parameters
    ----------
    first
        Number of events before the first fit.
    seed
        Its seed.
    """

    def __init__(self, first: int, seed: int) -> None:
        from napkinxc.models import PLT

        self._make = PLT
        self._due = first
        self._seed = seed
        self._model: Any = None
        self._folder: Any = None
        self._rows: list[Any] = []
        self._labels: list[list[int]] = []

    def test_then_train_many(self, X: Any, Y: Any) -> Any:
        """Return the answers, bool[events, labels], each made before its event was learned."""
        X = sparse.csr_matrix(np.nan_to_num(X) if isinstance(X, np.ndarray) else X)
        answers = np.zeros(Y.shape, bool)
        row = 0
        while row < len(Y):
            stop = min(len(Y), row + self._due - len(self._labels))
            if self._model is not None:
                for i, found in enumerate(self._model.predict(X[row:stop], top_k=0, threshold=0.5), row):
                    answers[i, list(found)] = True
            self._rows.append(X[row:stop])
            self._labels += [np.flatnonzero(y).tolist() for y in Y[row:stop]]
            if len(self._labels) == self._due:
                self._fit()
            row = stop
        return answers

    def _fit(self) -> None:
        folder = tempfile.TemporaryDirectory()
        model = self._make(folder.name, threads=1, seed=self._seed, verbose=0)
        model.fit(sparse.vstack(self._rows, format="csr"), self._labels)
        self._model, self._folder = model, folder
        self._due *= 2


def vowpal(stream: Stream, seed: int, reduction: str, arguments: str = "") -> Vowpal:
    """Return Vowpal Wabbit."""
    return Vowpal(len(stream.labels), reduction, arguments, seed)


def napkin(stream: Stream, seed: int, first: int) -> PrefixRefits:
    """Return napkinXC's label tree."""
    return PrefixRefits(first, seed)
