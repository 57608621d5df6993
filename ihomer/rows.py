"""Many events at once: data frames, NumPy and SciPy matrices and lists of dictionaries, as sparse rows with named columns."""

import sys
import warnings
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from numbers import Number
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from river.utils import dataframe
from scipy import sparse

from ihomer.encoder import MAX_MAGNITUDE, Indices, Offsets, Values, as_dict, checked_weight, labels_of, name_of
from ihomer.frames import column_names, is_frame, numbers_of_frame, rows_of_frame
from ihomer.settings import told
from ihomer.vocabulary import Vocabulary, in_name_order, refuse_nan

__all__ = [
    "Columns",
    "FoundLabels",
    "LabelRows",
    "Marked",
    "feature_rows",
    "frame_like",
    "has_columns",
    "in_columns",
    "in_each",
    "label_rows",
    "named_in_row",
    "row_weights",
    "some_entries",
    "with_indices",
]


Marked: TypeAlias = tuple[list[Hashable], list[Hashable], list[Hashable]]
"""Names of labels that apply, that were not observed, and that are named but negative: of one event."""

_Checked = TypeVar("_Checked")

_UNNAMED = (
    "{what} is a matrix, whose columns are the {kind} 0, 1, ..., and the model has learned {kind} with names, so that it is "
    "all new: give a data frame with these names"
)
_MOST_COLUMNS = 2**20  # of an array whose column j is label j
_MOST_MARKS = 4  # columns for each entry, up to which a mark for each column takes less than to sort the entries
_NOT_OF_CALLER = ("ihomer", "river")  # a pipeline of river's may stand between the model and who has called it


class Columns(NamedTuple):
    """A sparse matrix with named columns: entries that are 0 are left out, nan stays."""

    names: list[Hashable]
    indptr: Offsets
    column: Indices
    value: Values

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    def as_dicts(self, start: int, stop: int) -> list[dict[Hashable, float]]:
        """Return rows start..stop-1 as dictionaries of the entries that are not 0."""
        rows = []
        for row in range(start, stop):
            a, b = self.indptr[row], self.indptr[row + 1]
            names = [self.names[c] for c in self.column[a:b].tolist()]
            rows.append(dict(zip(names, self.value[a:b].tolist(), strict=True)))
        return rows

    def by_first_row(self, start: int, stop: int, columns: NDArray[np.bool_]) -> Iterator[tuple[int, list[Hashable]]]:
        """Yield, of rows start..stop-1 in turn, those that have the first entry of some of `columns`, bool[columns], and the
        names of these, in name order.
        """
        a, b = self.indptr[start], self.indptr[stop]
        entries = np.flatnonzero(columns[self.column[a:b]])
        found, first = np.unique(self.column[a:b][entries], return_index=True)
        row_of = np.searchsorted(self.indptr, a + entries[first], side="right")
        brought: dict[int, list[Hashable]] = {}
        for row, column in zip(row_of.tolist(), found.tolist(), strict=True):
            brought.setdefault(row - 1, []).append(self.names[column])
        for row in sorted(brought):
            yield row, in_name_order(brought[row])


class LabelRows(NamedTuple):
    """The label sets of many events: positives and, in dense forms, labels that were not observed (nan)."""

    table: Columns
    all_named: bool  # each row names every column: all are known from the first row on


def has_columns(X: Any) -> bool:
    """Tell whether `X` is a matrix or a data frame, and not rows one by one."""
    return bool(sparse.issparse(X)) or isinstance(X, np.ndarray) or is_frame(X)


def _from_sparse(matrix: Any) -> Columns:
    """Return a sparse matrix; of its columns, which may be any number, those that have entries are named."""
    with np.errstate(over="ignore"):  # of longer floats; what is too large is inf then, and refused
        csr = sparse.csr_array(matrix, dtype=np.float64, copy=True)
    csr.check_format(full_check=True)
    csr.sum_duplicates()
    csr.eliminate_zeros()
    names, column = _used_columns(csr.indices, csr.shape[1])
    return Columns(names.tolist(), csr.indptr.astype(np.int64), column.astype(np.int32), csr.data)


def _used_columns(index: NDArray[Any], width: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the columns of a matrix that have entries, ascending, and for each entry the place of its own among them."""
    if width > _MOST_MARKS * len(index):
        return np.unique(index, return_inverse=True)
    is_used = np.zeros(width, np.bool_)
    is_used[index] = True
    return np.flatnonzero(is_used), (np.cumsum(is_used) - 1)[index]


def _from_dense(matrix: NDArray[Any], names: list[Hashable]) -> Columns:
    rows, columns = np.nonzero(matrix)
    indptr = np.zeros(len(matrix) + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=len(matrix)), out=indptr[1:])
    return Columns(names, indptr, columns.astype(np.int32), matrix[rows, columns].astype(np.float64))


def _numeric_columns(X: Any, what: str) -> Columns | None:
    """Return a matrix or frame as columns; None for a frame with columns that are not numbers."""
    is_sparse: bool = sparse.issparse(X)
    if is_sparse or isinstance(X, np.ndarray):
        if X.ndim != 2 or X.dtype.kind not in "fiub":
            raise ValueError(f"{what} must be a two-dimensional matrix of numbers, not {X.ndim}-d of {X.dtype}")
        if is_sparse:
            return _from_sparse(X)
        with np.errstate(over="ignore"):  # of longer floats; what is too large is inf then, and refused
            values = np.ma.filled(X.astype(np.float64), np.nan)  # what is masked is missing, or not observed
        return _from_dense(np.asarray(values), list(range(X.shape[1])))
    names = column_names(X, what)
    in_name_order(names)  # raises if that cannot be
    numbers = numbers_of_frame(X)
    return None if numbers is None else _from_dense(numbers, names)


def _warn_of_unnamed(matrix: Any, columns: Columns, known: Vocabulary, what: str, kind: str) -> None:
    if is_frame(matrix) or not columns.value.size or not len(known):
        return
    if not any(isinstance(name_of(key), Number) for key in known):
        warnings.warn(_UNNAMED.format(what=what, kind=kind), stacklevel=_level_of_caller())


def _level_of_caller() -> int:
    """Return how many frames up from the function that asks the code of the user stands."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _NOT_OF_CALLER:
        level, frame = level + 1, frame.f_back
    return level


def in_each(check: Callable[[Any], _Checked], rows: Collection[Any], first: int = 0) -> list[_Checked]:
    """Return what a check returns of each row; an error names the row, counted from `first`, unless there is a single one.

    Examples
    --------
    >>> from ihomer.rows import in_each
    >>> in_each(float, ["1", "2"])
    [1.0, 2.0]
    >>> in_each(float, ["1", "two"])
    Traceback (most recent call last):
    ...
    ValueError: row 1: could not convert string to float: 'two'
    """
    found: list[_Checked] = []
    for row in rows:
        try:
            found.append(check(row))
        except (TypeError, ValueError) as error:
            if first + len(rows) == 1:
                raise
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"row {first + len(found)}: {error}") from error
    return found


def _refuse_entries(columns: Columns, is_wrong: NDArray[np.bool_], demand: str) -> None:
    """Raise ValueError, which names the first one, if some entries of a matrix or frame are wrong, bool[entries]."""
    wrong = np.flatnonzero(is_wrong)
    if len(wrong):
        row = int(np.searchsorted(columns.indptr, wrong[0], side="right")) - 1
        name, value = columns.names[columns.column[wrong[0]]], float(columns.value[wrong[0]])
        raise ValueError(f"{demand}, not {value!r} as in row {row}, column {told(name)}")


def feature_rows(X: Any, known: Vocabulary) -> Columns | list[Mapping[Hashable, Any]]:
    """Return X as columns of numbers, or as a list of dictionaries where it has other values too.

    Warns where `known`, the features that a model has learned, are no numbers, and `X` has values in columns without names.

    Raises
    ------
    TypeError, ValueError
        If `X` is no frame, matrix or sequence of dictionaries, or a value is infinite.
    """
    if has_columns(X):
        columns = _numeric_columns(X, "X")
        if columns is None:
            return rows_of_frame(X)
        is_wrong = np.abs(columns.value) > MAX_MAGNITUDE
        _refuse_entries(columns, is_wrong, f"every value in X must be finite and at most {MAX_MAGNITUDE:g} in magnitude")
        _warn_of_unnamed(X, columns, known, "X", "features")
        return columns
    if isinstance(X, Sequence) and not isinstance(X, str | bytes | bytearray | memoryview):
        return in_each(as_dict, X)
    raise TypeError(f"X must be a data frame, a matrix or a list of dictionaries, not {type(X).__name__}")


def _truth_columns(Y: Any) -> Columns:
    """Return a frame of truth values, which stand among None or in columns of any other type, as columns of 1 and nan."""
    names = column_names(Y)
    column = {name: i for i, name in enumerate(names)}
    rows = in_each(labels_of, rows_of_frame(Y))
    values = np.zeros((len(rows), len(names)))
    for row, (positive, unobserved, _) in zip(values, rows, strict=True):
        row[[column[name] for name in positive]] = 1.0
        row[[column[name] for name in unobserved]] = np.nan
    return _from_dense(values, names)


def _marked(y: Any) -> Marked:
    """Return what `labels_of` makes of a label set, or raise if nan is among its names."""
    named = labels_of(y)
    for names in named:
        refuse_nan(names)
    return named


def label_rows(Y: Any, n_rows: int, known: Vocabulary | None = None) -> LabelRows | list[Marked]:
    """Return Y as 0/1 columns, or as a list of what `labels_of` makes of each label set.

    In an array or data frame each row names every column, like a dictionary label -> bool (nan: not observed); a row of a
    sparse matrix is the set of its columns. Warns as `feature_rows` does of `known` labels.

    Raises
    ------
    TypeError, ValueError
        If `Y` is of another form, has another number of rows than `X`, or values other than 0, 1, True, False, nan.
    """
    if has_columns(Y):
        table = _numeric_columns(Y, "Y") or _truth_columns(Y)
        is_wrong = ~(np.isin(table.value, (0.0, 1.0)) | np.isnan(table.value))
        _refuse_entries(table, is_wrong, "every value in Y must be 0 or 1, True or False, or nan (not observed)")
        rows: LabelRows | list[Marked] = LabelRows(table, not sparse.issparse(Y))
        n_found = table.n_rows
    elif isinstance(Y, Sequence) and not isinstance(Y, str | bytes | bytearray | memoryview):
        rows = in_each(_marked, Y)
        in_name_order({name for named in rows for names in named for name in names})  # raises if that cannot be
        n_found = len(rows)
    else:
        raise TypeError(f"Y must be a data frame, a matrix or a list of label sets, not {type(Y).__name__}")
    if n_found != n_rows:
        raise ValueError(f"Y has {n_found} rows, X has {n_rows}")
    if known is not None and isinstance(rows, LabelRows):
        _warn_of_unnamed(Y, rows.table, known, "Y", "labels")
    return rows


def row_weights(w: Any, n_rows: int) -> Values:
    """Return the weights of many events; None stands for 1 each."""
    if w is None:
        return np.ones(n_rows)
    given = w if isinstance(w, list | tuple) else np.asarray(w).tolist()  # NumPy would take True among numbers for 1
    if not isinstance(given, list | tuple):
        raise TypeError(f"w must hold a number for each row, not be a single {type(w).__name__}")
    weights = np.array(in_each(checked_weight, given), np.float64)
    if weights.shape != (n_rows,):
        raise ValueError(f"w has {len(weights)} weights for {n_rows} rows")
    return weights


def with_indices(table: Columns, start: int, stop: int, vocabulary: Vocabulary) -> tuple[Offsets, Indices, Values]:
    """Return some rows as a batch holds them: where they end, vocabulary indices, which ascend in a row, and values.

    Unknown names are left out.
    """
    a, b = table.indptr[start], table.indptr[stop]
    indptr, value = table.indptr[start : stop + 1] - a, table.value[a:b]
    index = vocabulary.indices(table.names)[table.column[a:b]]
    known = index >= 0
    if not known.all():
        value = value[known]
        indptr, index = some_entries(indptr, index, known)
    row = np.repeat(np.arange(stop - start), np.diff(indptr))
    order = np.argsort(row * vocabulary.size + index, kind="stable")
    return indptr, index[order], value[order]


def some_entries(indptr: Offsets, index: Indices, keep: NDArray[np.bool_]) -> tuple[Offsets, Indices]:
    """Return where rows end, and their indices, with some of the entries only."""
    return np.concatenate([[0], np.cumsum(keep)])[indptr], index[keep]


def named_in_row(labels: LabelRows | list[Marked], row: int) -> Marked:
    """Return the names of a row that apply, are not observed, and are named but negative."""
    if not isinstance(labels, LabelRows):
        return labels[row]
    table = labels.table
    a, b = table.indptr[row], table.indptr[row + 1]
    names, values = [table.names[c] for c in table.column[a:b].tolist()], table.value[a:b].tolist()
    positive = [name for name, value in zip(names, values, strict=True) if value == 1.0]
    unobserved = [name for name, value in zip(names, values, strict=True) if value != value]
    if not labels.all_named:
        return positive, unobserved, []
    given = set(names)
    return positive, unobserved, [name for name in table.names if name not in given]


def in_columns(columns: NDArray[Any], names: Sequence[Hashable]) -> NDArray[Any]:
    """Return columns with that of name j in place j, where all names are whole numbers below 1,048,576; else as they are."""
    if not names or not all(map(_is_column, names)):
        return columns
    numbers = np.array(names, np.int64)
    spread = np.zeros((len(columns), 1 + numbers.max()), columns.dtype)
    spread[:, numbers] = columns
    return spread


def _is_column(name: Hashable) -> bool:
    return isinstance(name, int | np.integer) and not isinstance(name, bool) and bool(0 <= name < _MOST_COLUMNS)


class FoundLabels:
    """Answers to rows in turn, as entries of a matrix or frame like one of labels.

    Parameters
    ----------
    Y
        The matrix or frame: a frame gets more columns for labels that are answered and have none there, a matrix has no room
        for such labels.
    """

    def __init__(self, Y: Any) -> None:
        is_named = is_frame(Y)
        self._like = Y
        self._column = {name: i for i, name in enumerate(column_names(Y, "Y"))} if is_named else None
        self._names_are_texts = is_named and not dataframe.into_frame(Y).implementation.is_pandas_like()
        self._width = Y.shape[-1] if not is_named and Y.ndim else 0  # of a matrix
        self._n_rows = 0
        self._rows: list[NDArray[np.int64]] = []
        self._columns: list[NDArray[np.int64]] = []

    def _column_of(self, name: Hashable) -> int:
        """Return the column of a label: in a frame a new one, in a matrix -1, if there is none."""
        if self._column is not None:
            return self._column.setdefault(str(name) if self._names_are_texts else name, len(self._column))
        number = hash(name)  # of whatever equals a number, the number
        return number if 0 <= number < self._width and number == name else -1

    def add(self, answer: NDArray[np.bool_], labels: Vocabulary) -> None:
        """Take in the answers to some rows, bool[rows, labels]; what a matrix has no column for is left out."""
        rows, indices = np.nonzero(answer)
        used, place = _used_columns(indices, answer.shape[1])
        columns = np.array([self._column_of(labels.name(i)) for i in used.tolist()], np.int64)[place]
        self._rows.append(self._n_rows + rows[columns >= 0])
        self._columns.append(columns[columns >= 0])
        self._n_rows += len(answer)

    def answer(self) -> Any:
        """Return all of it, in the form of the matrix or frame."""
        nothing = np.zeros(0, np.int64)
        rows, columns = (np.concatenate([nothing, *parts]) for parts in (self._rows, self._columns))
        is_sparse: bool = sparse.issparse(self._like)
        if is_sparse:
            found = sparse.csr_array((np.ones(len(rows), np.bool_), (rows, columns)), shape=self._like.shape)
            return sparse.csr_matrix(found) if isinstance(self._like, sparse.spmatrix) else found
        answer = np.zeros((self._n_rows, self._width if self._column is None else len(self._column)), np.bool_)
        answer[rows, columns] = True
        return answer if self._column is None else frame_like(answer, list(self._column), self._like)


def frame_like(answer: NDArray[Any], names: Sequence[Hashable], like: Any) -> Any:
    """Return the columns of an array as a data frame of the kind of `like`.

    Raises
    ------
    ValueError
        If frames of that kind name columns by strings, and two names have the same text.
    """
    frame = dataframe.into_frame(like)
    is_pandas = frame.implementation.is_pandas_like()
    if is_pandas and any(name is None or isinstance(name, tuple) for name in names):
        import pandas as pd

        numbered: Any = dataframe.to_native_frame({i: answer[:, i] for i in range(len(names))}, like=frame)
        numbered.columns = pd.Index(list(names), dtype=object, tupleize_cols=False)
        return numbered
    columns = {name if is_pandas else str(name): answer[:, i] for i, name in enumerate(names)}
    if len(columns) < len(names):
        raise ValueError("two labels have the same text, by which such frames name columns: ask with a list of dictionaries")
    return dataframe.to_native_frame(columns, like=frame)
