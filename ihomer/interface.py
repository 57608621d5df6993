"""What the classifiers share: river's contract, batches, prediction in every form. Subclasses bring the learning."""

import abc
import os
from collections.abc import Hashable, Mapping
from itertools import chain
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from river import base

from ihomer import settings
from ihomer.encoder import (
    NO_LABELS,
    Batch,
    Checked,
    Encoder,
    Indices,
    Values,
    checked_weight,
    joined,
    labels_of,
    one_row,
    unlabelled,
)
from ihomer.frames import is_frame
from ihomer.interrupts import Changeable, Uninterrupted, in_turn
from ihomer.predictions import Answer, Collect, Learned, Prediction, Proba
from ihomer.rows import (
    Columns,
    FoundLabels,
    LabelRows,
    Marked,
    feature_rows,
    frame_like,
    has_columns,
    in_columns,
    in_each,
    label_rows,
    named_in_row,
    row_weights,
    some_entries,
    with_indices,
)
from ihomer.vocabulary import Vocabulary, in_name_order

__all__ = ["StreamClassifier"]

_CHUNK = 256  # rows that are encoded and learned at once: bounds the work space of a batch


class StreamClassifier(Changeable, base.MultiLabelClassifier, abc.ABC):
    """Base of the multi-label stream classifiers: everything but the learning itself.

    A subclass checks its settings, calls `_start`, and brings `_labels`, `_admit`, `_learn`, `_predict`, `_forget_features`.
    """

    def _start(self, max_features: int) -> None:
        self._encoder = Encoder(max_features)
        self._dense = np.zeros(len(self._encoder.kind))
        self.n_learned = 0

    # What a subclass brings ----------------------------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def _labels(self) -> Vocabulary:
        """The labels known so far."""

    @abc.abstractmethod
    def _admit(self, new: list[Hashable], positive: list[Hashable]) -> None:
        """Give indices to new labels, in name order; `positive`: all labels that apply to the event that brings them."""

    @property
    def _version(self) -> int:
        """Number of changes of the label clusters so far."""
        return 0

    @abc.abstractmethod
    def _learn(self, batch: Batch, brought: Indices) -> Learned:
        """Predict each row, then learn it, in turn; `brought` are the labels that are known because they apply to the first."""

    @abc.abstractmethod
    def _predict(self, batch: Batch) -> tuple[Proba, Answer]:
        """Return probabilities and answers, [rows, labels]."""

    @abc.abstractmethod
    def _forget_features(self, forgotten: NDArray[np.bool_]) -> None:
        """Drop what was learned about features."""

    # River's contract ----------------------------------------------------------------------------------------------

    @property
    def _multiclass(self) -> bool:
        return False

    @property
    @in_turn
    def labels(self) -> list[Hashable]:
        """The labels known so far, in name order."""
        return in_name_order(self._labels)

    @property
    @in_turn
    def features(self) -> list[Hashable]:
        """The features known so far, in name order.

        Examples
        --------
        >>> from ihomer import IHOMERClassifier
        >>> model = IHOMERClassifier()
        >>> model.learn_one({"sky": "grey", "rain": 0.5}, {"wet"})
        >>> model.features
        ['rain', 'sky']
        """
        return in_name_order(self._encoder.feature_names())

    @property
    @in_turn
    def nominal_features(self) -> dict[Hashable, int]:
        """The features that have brought strings, with the number of different ones that are known; in name order.

        Examples
        --------
        >>> from ihomer import IHOMERClassifier
        >>> model = IHOMERClassifier()
        >>> model.learn_many([{"sky": "grey", "rain": 0.5}, {"sky": "blue", "rain": "0,5"}], [{"wet"}, {"dry"}])
        >>> model.nominal_features
        {'rain': 1, 'sky': 2}
        """
        n_values = self._encoder.n_nominal_values()
        return {name: n_values[name] for name in in_name_order(n_values)}

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        del state["_dense"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._dense = np.zeros(len(self._encoder.kind))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file, at once or not at all.

        Parameters
        ----------
        path
            The file, a safetensors file; what has its name is replaced. After any error it is as it was before.

        Raises
        ------
        TypeError
            If a label or a feature has a name that is no str, int, float, bool, None, bytes, NumPy number, or tuple or
            frozenset of these; or if the model is of a subclass, of whose own parts the file would hold none.
        OSError
            If the file cannot be written.
        """
        from ihomer import persistence

        persistence.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the model that a file holds; it goes on as the one that was saved would have, bit by bit.

        Nothing in the file is run, whoever made it.

        Parameters
        ----------
        path
            A file that `save` wrote.

        Raises
        ------
        ModelFileError
            A ValueError: the file is damaged, altered, of another format (older ones too), or holds something else.
        OSError
            If the file cannot be read.
        """
        from ihomer import persistence

        return persistence.load(path, cls)

    @in_turn
    def learn_one(self, x: Mapping[Any, Any], y: Any, w: float = 1.0) -> None:
        """Learn one event.

        Parameters
        ----------
        x
            Features: name -> number (up to 1e100), string (a nominal value), bool, None or nan (missing). One not named is 0.
        y
            The labels that apply, as a set, list or tuple; or a dictionary label -> bool, None or nan for one not observed.
        w
            Weight of the event, from 1e-100 to 1e9.

        Raises
        ------
        TypeError, ValueError
            If an argument is not of that form. The model is then as it was before.
        RuntimeError
            If an error, as of memory that is out, has left the model half changed: it learns, answers and is saved no more.
        """
        self._learn_event(x, y, w)

    def _learn_event(self, x: Mapping[Hashable, Any], y: Any, w: float) -> tuple[Learned, frozenset[Hashable]]:
        """Learn one event; return what was predicted for it before, and the labels that it brought."""
        weight, named = checked_weight(w), labels_of(y)
        encoded, new = self._encoder.check(x), self._labels.new_names(*named)
        with Uninterrupted(self):
            brought = self._make_known(new, named[0])
            batch = self._single(encoded, named, weight)
            learned = self._learn(batch, self._brought_by_applying(batch, brought))
            self.n_learned += 1
        return learned, brought

    @in_turn
    def test_then_train_one(self, x: Mapping[Any, Any], y: Any, w: float = 1.0) -> dict[Hashable, bool]:
        """Return what `predict_one` would have answered, and learn the event: in less time than the two calls take.

        Parameters
        ----------
        x, y, w
            As in `learn_one`.

        Returns
        -------
        dict
            For each label known before, whether it was predicted. One that has had to make room for a label of `y` is left out,
            and has had no say in the others; a feature that has had to make room for one of `x` has had none either, also if it
            is one of `x`, where these are more than `max_features`. Where trees take part, or features share rows of weights
            (README, Limits), a feature name that the event brings has its say already.

        Raises
        ------
        TypeError, ValueError
            As `learn_one`; the model is then as it was before.
        """
        learned, brought = self._learn_event(x, y, w)
        answer = self._labels.by_name(learned.answer[0].tolist())
        return {name: applies for name, applies in answer.items() if name not in brought} if brought else answer

    @in_turn
    def predict_proba_one(self, x: Mapping[Any, Any], **kwargs: Any) -> dict[Hashable, dict[bool, float]]:
        """Return the probabilities that each known label applies (True) and does not (False); `x` as in `predict_one`."""
        proba = self._labels.by_name(self._predict_row(x)[0].tolist())
        return {name: {True: p, False: 1.0 - p} for name, p in proba.items()}

    @in_turn
    def predict_one(self, x: Mapping[Any, Any], **kwargs: Any) -> dict[Hashable, bool]:
        """Return for each known label whether it is predicted; this changes nothing in the model.

        `x` and the errors are those of `learn_one`; features that the model has not learned say nothing. What else is given, as
        other models of river may take, is passed over.
        """
        return self._labels.by_name(self._predict_row(x)[1].tolist())

    @in_turn
    def predict_set_one(self, x: Mapping[Any, Any]) -> set[Hashable]:
        """Return the predicted labels; `x` as in `predict_one`."""
        return {self._labels.name(i) for i in np.flatnonzero(self._named(self._predict_row(x)[1])).tolist()}

    @in_turn
    def predict_topk_one(self, x: Mapping[Any, Any], k: int) -> list[tuple[Hashable, float]]:
        """Return the k most probable labels with their probabilities, ties in name order; `x` as in `predict_one`.

        Raises
        ------
        ValueError
            If `k` is no whole number of at least 1.
        """
        settings.whole("k", k, 1)
        return self._tops(self._predict_row(x)[0][np.newaxis], k, frozenset())[0]

    # Batches -------------------------------------------------------------------------------------------------------

    @in_turn
    def learn_many(self, X: Any, y: Any, w: Any = None) -> None:
        """Learn many events in turn, with the same result as one by one.

        Rows of `X`, `y` and `w` belong together by their order; the index of a data frame is not looked at. Of the feature
        names that one event brings, in any form, those beyond half of `max_features` in name order are left out of it.

        Parameters
        ----------
        X
            Data frame, NumPy array, SciPy sparse matrix (columns are then named 0, 1, ...), or list of dictionaries; values as
            in `learn_one`.
        y
            The same forms with 0/1 entries (nan: not observed), or a list of label sets; named as river's pipelines name it.
            Each row of an array or data frame names all labels; a row of a sparse matrix those that apply, so that a label is
            known from then on.
        w
            Weights of the events, one number from 1e-100 to 1e9 each; None for 1.

        Raises
        ------
        TypeError, ValueError
            If an argument is not of that form. The model is then as it was before.
        """
        self._run_many(X, y, w, lambda learned, brought: None)

    @in_turn
    def test_then_train_many(self, X: Any, Y: Any, w: Any = None) -> Any:
        """Learn many events in turn; return the predictions made for each before it was learned.

        The arguments are those of `learn_many`, `Y` being its `y`. The answer is of the kind of `Y`: a list of sets, a data
        frame of bools, with more columns for labels that were answered and have none in `Y`, or a bool array or sparse bool
        matrix of the shape of `Y`, in which labels without a column there have no place.
        """
        if not has_columns(Y):
            predicted: list[list[Hashable]] = []
            self._run_many(X, Y, w, lambda learned, _: predicted.extend(self._names(learned.answer)))
            return [set(names) for names in predicted]
        found = FoundLabels(Y)
        self._run_many(X, Y, w, lambda learned, _: found.add(self._named(learned.answer), self._labels))
        return found.answer()

    @in_turn
    def answer_many(self, X: Any, Y: Any, k: int, w: Any = None) -> list[Prediction]:
        """Learn many events in turn; return all that can be said of each before it was learned.

        Parameters
        ----------
        X, Y, w
            As in `learn_many`, `Y` being its `y`.
        k
            Number of most probable labels to name.

        Raises
        ------
        TypeError, ValueError
            As `learn_many`, and if `k` is no whole number of at least 0. The model is then as it was before.
        """
        settings.whole("k", k, 0)
        found: list[Prediction] = []
        n_before = self.n_learned

        def collect(learned: Learned, brought: frozenset[Hashable]) -> None:
            tops = self._tops(learned.proba, k, brought)
            for names, top, version in zip(self._names(learned.answer), tops, learned.version, strict=True):
                found.append(Prediction(names, top, n_before + len(found), version))

        self._run_many(X, Y, w, collect)
        return found

    @in_turn
    def foresee_many(self, X: Any, k: int) -> list[Prediction]:
        """Return what `answer_many` does, for events `X` that are not learned; `k` as there."""
        settings.whole("k", k, 0)
        p, answer = self._predict_rows(X)
        tops = self._tops(p, k, frozenset())
        pairs = zip(self._names(answer), tops, strict=True)
        return [Prediction(names, top, self.n_learned, self._version) for names, top in pairs]

    @in_turn
    def predict_many(self, X: Any) -> Any:
        """Return predictions for many events `X`: a frame for a frame, a bool array for a matrix, a list of sets for a list.

        Columns are the known labels in name order; where all labels are whole numbers from 0 to 1,048,575, column j of an
        array is label j, so that an array is as wide as the largest of them: of few labels with large numbers ask with a list.
        """
        answer = self._predict_rows(X)[1]
        if not has_columns(X):
            return [set(names) for names in self._names(answer)]
        return self._like_features(answer, X)

    @in_turn
    def predict_proba_many(self, X: Any) -> Any:
        """Return the probability of each label for many events, in the forms of `predict_many` (for a list: dictionaries)."""
        p = self._predict_rows(X)[0]
        if not has_columns(X):
            return [self._labels.by_name(row) for row in p.tolist()]
        return self._like_features(p, X)

    # Inside --------------------------------------------------------------------------------------------------------

    def _predict_row(self, x: Mapping[Hashable, Any]) -> tuple[Proba, Answer]:
        self._refuse_if_broken()
        with self._while_loading():
            index, value = self._encoder.encode(x)
            p, answer = self._predict(one_row(index, value))
            if not self._is_loaded:
                self._is_loaded = self.n_learned > 0
        return p[0], answer[0]

    def _make_known(self, new: list[Hashable], positive: list[Hashable]) -> frozenset[Hashable]:
        """Give indices to labels that are new, of which those of the event that are `positive` apply; return them."""
        if new:
            self._admit(new, positive)
        return frozenset(new)

    def _brought_by_applying(self, batch: Batch, brought: frozenset[Hashable]) -> Indices:
        """Return the labels that the first row of a batch has brought, none if some of these do not apply to it: then it names
        what there is, whether it applies or not.
        """
        if not brought:
            return NO_LABELS
        indices = self._labels.known(brought)
        return indices if np.isin(indices, batch.y_index[: batch.y_indptr[1]]).all() else NO_LABELS

    def _single(self, checked: Checked, named: Marked, weight: float) -> Batch:
        """Return one event that is about to be learned, giving indices to as many new feature names as it may bring."""
        encoder = self._encoder
        index, value, new, x = checked
        if new:
            encoder.protect(index)
            new = new[: self._most_new]
            if encoder.surplus(len(new)):
                self._forget_features(encoder.forget_oldest(encoder.surplus(len(new))))
            encoder.add(new)
            self._fit_dense()
            index, value = encoder.encode(x)
        encoder.touch(index)
        known, (positive, unobserved, _) = self._labels.known, named  # a label may have been forgotten again meanwhile
        return one_row(index, value, known(positive), known(unobserved), weight)

    def _fit_dense(self) -> None:
        if len(self._dense) < len(self._encoder.kind):
            self._dense = np.zeros(len(self._encoder.kind))

    def _named(self, answer: Answer) -> Answer:
        """Return an answer, bool[..., labels], without the indices of labels that have been forgotten."""
        if len(self._labels) == self._labels.size:
            return answer
        return answer & self._labels.is_in_use()

    def _names(self, answer: Answer) -> list[list[Hashable]]:
        """Return the labels of each row of an answer."""
        row_of, indices = np.nonzero(self._named(answer))
        names = [self._labels.name(i) for i in indices.tolist()]
        ends = np.searchsorted(row_of, np.arange(1, len(answer) + 1)).tolist()
        return [names[a:b] for a, b in zip([0, *ends], ends, strict=False)]

    def _tops(self, p: Proba, k: int, brought: frozenset[Hashable]) -> list[list[tuple[Hashable, float]]]:
        """Return the k most probable labels of each row; the first row has not heard of the labels that it `brought`."""
        if k == 0:  # as where a run learns again what it has answered: names are many to put in order
            return [[] for _ in range(len(p))]
        names = self.labels
        columns = p[:, [self._labels.get(name) for name in names]]
        order = np.argsort(-columns, axis=1, kind="stable")
        first = [column for column in order[0].tolist() if names[column] not in brought] if len(p) else []
        chosen = [first[:k], *order[1:, :k].tolist()] if len(p) else []
        return [[(names[column], float(row[column])) for column in some] for some, row in zip(chosen, columns, strict=True)]

    def _run_many(self, X: Any, Y: Any, w: Any, collect: Collect) -> None:
        """Check all rows, then learn them in turn; hand out what was predicted for each before it was learned."""
        features = feature_rows(X, self._encoder.features)
        n_rows = features.n_rows if isinstance(features, Columns) else len(features)
        labels = label_rows(Y, n_rows, self._labels)
        weights = row_weights(w, n_rows)
        if isinstance(features, Columns) and isinstance(labels, LabelRows):
            start, reach = 0, _CHUNK
            with Uninterrupted(self) as held:
                while start < n_rows:
                    stop, asked = self._run_columns(features, labels, weights, start, min(start + reach, n_rows), collect)
                    # What is behind a row that must go alone is looked through again: not more than may go before the next.
                    reach = 2 * (stop - start) if stop < asked else min(2 * reach, _CHUNK)
                    start = stop
                    held.release()
            return
        rows = features.as_dicts(0, n_rows) if isinstance(features, Columns) else features
        checked = in_each(lambda x: (self._encoder.version, self._encoder.check(x)), rows)
        with Uninterrupted(self) as held:
            waiting: list[Batch] = []
            brought: frozenset[Hashable] = frozenset()
            version = self._version
            for i, (encoder_version, encoded) in enumerate(checked):
                if encoder_version != self._encoder.version:
                    encoded = self._encoder.check(encoded.x)
                named = named_in_row(labels, i)
                if encoded.new or len(waiting) == _CHUNK or not self._labels.has_all(chain(*named)):
                    self._run_batch(waiting, version, brought, collect)
                    waiting = []
                    held.release()
                if not waiting:
                    version = self._version
                    brought = self._make_known(self._labels.new_names(*named), named[0])
                waiting.append(self._single(encoded, named, weights[i]))
            self._run_batch(waiting, version, brought, collect)

    def _run_batch(self, rows: list[Batch], version: int, brought: frozenset[Hashable], collect: Collect) -> None:
        """Learn encoded events in turn; the first one has `brought` labels, and before these the clusters had a `version`."""
        if not rows:
            return
        batch = rows[0] if len(rows) == 1 else joined(rows)
        learned = self._learn(batch, self._brought_by_applying(batch, brought))
        learned.version[0] = version
        self.n_learned += len(batch.weight)
        if brought:  # `predict_one` would not have known them
            learned.answer[0, self._labels.known(brought)] = False
        collect(learned, brought)

    def _run_columns(
        self, features: Columns, labels: LabelRows, weights: Values, start: int, stop: int, collect: Collect
    ) -> tuple[int, int]:
        """Learn rows from `start` up to `stop`, the next row that brings a label, or the next that must go alone.

        Return where it stopped, and where it would have if no row had to go alone.
        """
        named = named_in_row(labels, start)
        version = self._version
        brought = self._make_known(self._labels.new_names(*named), named[0])
        asked = self._before_new_label(labels, start + 1, stop)
        new, stop = self._new_columns(features, start, asked)
        if stop == start:
            x = features.as_dicts(start, start + 1)[0]
            self._run_batch([self._single(self._encoder.check(x), named, weights[start])], version, brought, collect)
            return start + 1, asked
        self._run_batch([self._encode_columns(features, labels.table, weights, start, stop, new)], version, brought, collect)
        return stop, asked

    def _before_new_label(self, labels: LabelRows, start: int, stop: int) -> int:
        """Return the first row from `start` on with a label that is not known yet, at most `stop`."""
        table = labels.table
        unknown = self._labels.indices(table.names) < 0
        if labels.all_named and unknown.any():
            return start
        a, b = table.indptr[start], table.indptr[stop]
        entries = np.flatnonzero(unknown[table.column[a:b]])
        if not len(entries):
            return stop
        return int(np.searchsorted(table.indptr, a + entries[0], side="right")) - 1

    def _new_columns(self, features: Columns, start: int, stop: int) -> tuple[list[Hashable], int]:
        """Return the names that rows from `start` on bring, in order of appearance, up to `stop` or the next row that must go
        alone; and where that is.

        Alone goes one where a name would push out an older one, or that brings more names than one event may; or the first, if
        a value is missing anywhere for a name that is not known yet.
        """
        unknown = self._encoder.features.indices(features.names) < 0
        a, b = features.indptr[start], features.indptr[stop]
        missing = np.isnan(features.value[a:b])
        if missing.any() and (self._encoder.has_nominal or unknown[features.column[a:b][missing]].any()):
            return [], start
        new: list[Hashable] = []
        for row, names in features.by_first_row(start, stop, unknown):
            if len(names) > self._most_new or self._encoder.surplus(len(new) + len(names)):
                return new, row
            new += names
        return new, stop

    @property
    def _most_new(self) -> int:
        """How many feature names one event may bring."""
        return self._encoder.max_features // 2

    def _encode_columns(
        self, features: Columns, table: Columns, weights: Values, start: int, stop: int, new: list[Hashable]
    ) -> Batch:
        self._encoder.add(new)
        x_indptr, x_index, x_value = with_indices(features, start, stop, self._encoder.features)
        self._encoder.touch_rows(x_indptr, x_index)
        self._fit_dense()
        indptr, index, value = with_indices(table, start, stop, self._labels)
        positive, unobserved = some_entries(indptr, index, value == 1.0), some_entries(indptr, index, np.isnan(value))
        return Batch(x_indptr, x_index, x_value, *positive, *unobserved, weights[start:stop])

    def _predict_rows(self, X: Any) -> tuple[Proba, Answer]:
        self._refuse_if_broken()
        features = feature_rows(X, self._encoder.features)
        n_rows = features.n_rows if isinstance(features, Columns) else len(features)
        p = np.empty((n_rows, self._labels.size))
        answer = np.empty(p.shape, np.bool_)
        for start in range(0, n_rows, _CHUNK):
            part = slice(start, min(start + _CHUNK, n_rows))
            with self._while_loading():
                p[part], answer[part] = self._predict_some(features, part)
                self._is_loaded = self.n_learned > 0
        return p, answer

    def _predict_some(self, features: Columns | list[Mapping[Hashable, Any]], part: slice) -> tuple[Proba, Answer]:
        if isinstance(features, Columns) and not self._encoder.has_nominal:
            return self._predict(unlabelled(*with_indices(features, part.start, part.stop, self._encoder.features)))
        rows = features.as_dicts(part.start, part.stop) if isinstance(features, Columns) else features[part]
        found = [self._predict(one_row(*encoded)) for encoded in in_each(self._encoder.encode, rows, part.start)]
        return np.concatenate([p for p, _ in found]), np.concatenate([answer for _, answer in found])

    def _like_features(self, columns: NDArray[Any], X: Any) -> Any:
        """Return columns by label index as a frame like `X` or as an array, in name order."""
        names = self.labels
        answer: NDArray[Any] = columns[:, [self._labels.get(name) for name in names]]
        if is_frame(X):
            return frame_like(answer, names, X)
        return in_columns(answer, names)
