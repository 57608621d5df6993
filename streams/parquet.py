"""Parquet files. Needs pyarrow, which is imported when the first file is opened."""

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import accumulate, compress, repeat
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from streams.cells import as_truth
from streams.errors import MalformedEvent, SourceError
from streams.event import Event, Truth, Value
from streams.lines import FileSource, OnError
from streams.tables import Roles, assign_roles

__all__ = ["ParquetSource"]

# So many are Python objects at a time.
_MOST_ROWS = 1024
_MOST_CELLS = 100_000


def _import_pyarrow() -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ImportError("Parquet files need pyarrow: install the extra 'parquet' of ihomer") from None
    return pyarrow, pyarrow.parquet


class ParquetSource(FileSource):
    """Events of a Parquet file, read piece by piece.

    Columns may be numbers, truths, texts or dictionaries of these. A null is a missing value, or a label that
    was not observed; so is NaN.

    Parameters
    ----------
    path
        The file.
    labels, label_prefix, id_column, weight_column, ignore
        As in `streams.tables.assign_roles`, for labels that have a column each.
    label_column
        The one column that holds lists of the labels that apply; a null there means that nothing is known. A single name in
        `labels` stands for it where that column holds lists of text.
    start, on_error
        As in `FileSource`; a position is the number of rows behind it.

    Attributes
    ----------
    labels
        Names of the label columns; () with `label_column`.
    features
        Names of the feature columns.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    SourceError
        If the file is damaged, or a column that is asked for is missing or of another type.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pyarrow
    >>> import pyarrow.parquet
    >>> from streams.parquet import ParquetSource
    >>> table = pyarrow.table({"cloud": [0.5, None], "wind": ["calm", "strong"], "tags": [["rain"], []]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sky.parquet"
    ...     pyarrow.parquet.write_table(table, path)
    ...     with ParquetSource(path, label_column="tags") as source:
    ...         [(event.x, event.y) for event in source]
    [({'cloud': 0.5, 'wind': 'calm'}, frozenset({'rain'})), ({'cloud': None, 'wind': 'strong'}, frozenset())]
    """

    def __init__(
        self,
        path: str | Path,
        *,
        labels: Collection[str] | int | None = None,
        label_prefix: str | None = None,
        label_column: str | None = None,
        id_column: str | None = None,
        weight_column: str | None = None,
        ignore: Collection[str] = (),
        start: int = 0,
        on_error: OnError = "raise",
    ) -> None:
        super().__init__(path, start=start, on_error=on_error)
        self._arrow, parquet = _import_pyarrow()
        # pyarrow speaks of a missing or empty file, or a folder, in other words than the other sources.
        with self.path.open("rb") as file:
            if not file.peek(1):
                raise SourceError(f"{self.path}: the file is empty")
        try:
            self._file = parquet.ParquetFile(self.path)
        except (self._arrow.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: of a column's name
            raise SourceError(f"{self.path}: not a Parquet file: {_one_line(error)}") from None
        try:
            if label_column is None and labels is not None and not isinstance(labels, (int, str)):
                label_column = self._one_of_lists(labels)
                labels = None if label_column is not None else labels
            if label_column is not None:
                if labels is not None or label_prefix is not None:
                    raise SourceError("label_column excludes labels and label_prefix")
                ignore, labels = [*ignore, label_column], ()
            names = self._file.schema_arrow.names
            asked = {id_column, weight_column, *([] if labels is None or isinstance(labels, int) else labels)}
            ignore = [*ignore, *(name for name in _row_labels(self._file.schema_arrow) if name not in {*asked, *ignore})]
            roles = assign_roles(
                names,
                labels=labels,
                label_prefix=label_prefix,
                id_column=id_column,
                weight_column=weight_column,
                ignore=ignore,
            )
            self._set_roles(names, roles, label_column)
            if start > self._file.metadata.num_rows:
                raise SourceError(f"row {start} is asked for, and there are {self._file.metadata.num_rows}")
        except SourceError as error:
            self.close()
            raise SourceError(f"{self.path}: {error}") from None

    def _set_roles(self, names: Sequence[str], roles: Roles, label_column: str | None) -> None:
        self.labels = tuple(names[position] for position in roles.labels)
        self.features = tuple(names[position] for position in roles.features)
        self._id_column = None if roles.id is None else names[roles.id]
        self._weight_column = None if roles.weight is None else names[roles.weight]
        self._label_column = label_column
        schema = self._file.schema_arrow
        for name in (*self.features, *self.labels):
            if not self._is_scalar(schema.field(name).type):
                advice = ", no label" if name in self.labels else "; put it among those to ignore"
                raise SourceError(f"column {name!r} is of type {schema.field(name).type}{advice}")
        if label_column is not None:
            kind = schema.field(label_column).type
            if not self._is_lists_of_text(kind):
                raise SourceError(f"column {label_column!r} is of type {kind}, not of lists of text")

    def _one_of_lists(self, labels: Collection[str]) -> str | None:
        """Return the only name among `labels` if its column holds lists."""
        fields = [field for field in self._file.schema_arrow if field.name in labels]
        return fields[0].name if len(labels) == len(fields) == 1 and self._is_lists(fields[0].type) else None

    def _is_lists(self, kind: Any) -> bool:
        return bool(self._arrow.types.is_list(kind) or self._arrow.types.is_large_list(kind))

    def _is_lists_of_text(self, kind: Any) -> bool:
        return self._is_lists(kind) and self._is_text(kind.value_type)

    def _is_text(self, kind: Any) -> bool:
        types = self._arrow.types
        if types.is_dictionary(kind):
            kind = kind.value_type
        return any(test(kind) for test in (types.is_string, types.is_large_string, types.is_string_view))

    def _is_scalar(self, kind: Any) -> bool:
        types = self._arrow.types
        if types.is_dictionary(kind):
            kind = kind.value_type
        return self._is_text(kind) or any(
            test(kind) for test in (types.is_boolean, types.is_integer, types.is_floating, types.is_decimal, types.is_null)
        )

    def _batches(self) -> Iterator[Any]:
        """Yield the rows from the start position on, as record batches of the columns that are used."""
        metadata = self._file.metadata
        groups = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        ends = list(accumulate(groups))
        first = bisect_right(ends, self._position)
        skip = self._position - (ends[first - 1] if first else 0)
        special = (self._id_column, self._weight_column, self._label_column)
        names = [*self.features, *self.labels, *(name for name in special if name is not None)]
        try:
            for batch in self._file.iter_batches(
                batch_size=max(1, min(_MOST_ROWS, _MOST_CELLS // max(1, len(names)))),
                row_groups=list(range(first, len(groups))),
                columns=names,
            ):
                if skip < batch.num_rows:
                    yield batch.slice(skip)
                skip = max(0, skip - batch.num_rows)
        except (self._arrow.ArrowException, OSError) as error:
            message = f"{self.path}: damaged after row {self._position}: {_one_line(error)}"
            raise SourceError(message) from None

    def close(self) -> None:
        super().close()
        self._file.close()

    def _read(self) -> Iterator[Event]:
        for batch in self._batches():
            for values, answer, identifier, weight in self._rows(batch):
                self._position += 1
                try:
                    event = self._event(values, answer, identifier, weight)
                except MalformedEvent as error:
                    self._report(error.at(self.path, row=self._position))
                else:
                    yield event
        self._file.close()

    def _rows(self, batch: Any) -> Iterator[tuple[Any, ...]]:
        """Yield of each row the feature values, what it says of the labels, id and weight."""

        def cells(name: str | None, default: Any = None) -> Iterable[Any]:
            if name is None:
                return repeat(default, batch.num_rows)
            try:
                return cast(list[Any], batch.column(name).to_pylist())
            except UnicodeDecodeError:
                raise SourceError(f"{self.path}: column {name!r} holds text that is not UTF-8") from None
            except self._arrow.ArrowException as error:
                raise SourceError(f"{self.path}: column {name!r} is damaged: {_one_line(error)}") from None

        def together(names: tuple[str, ...]) -> Iterable[Any]:
            return zip(*map(cells, names), strict=True) if names else repeat((), batch.num_rows)

        answers = cells(self._label_column) if self._label_column is not None else together(self.labels)
        weights = cells(self._weight_column, 1.0)
        return zip(together(self.features), answers, cells(self._id_column), weights, strict=True)

    def _event(self, values: Sequence[Any], answer: Any, identifier: Any, weight: Any) -> Event:
        x: dict[str, Value] = {}
        for name, given in zip(self.features, values, strict=True):
            value = float(given) if isinstance(given, Decimal) else given
            if isinstance(value, float) and not math.isfinite(value):
                if value == value:
                    raise MalformedEvent("number", f"the value of {name!r} is not finite")
                x[name] = None
            else:
                x[name] = value
        if not (isinstance(weight, (int, float, Decimal)) and 0.0 < weight < math.inf):
            raise MalformedEvent("weight", f"the weight must be a positive and finite number, not {weight}")
        key = None if identifier is None else str(identifier)
        return Event(x, self._answer(answer), key, float(weight), self._position, row=self._position)

    def _answer(self, answer: Any) -> Truth:
        """Return the labels that apply, or what is known of each if some are not observed."""
        if self._label_column is not None:
            if answer is not None and None in answer:
                raise MalformedEvent("label", "a label is null")
            return None if answer is None else frozenset(answer)
        if not answer:
            return None
        truths = [None if value is None or value != value else as_truth(str(value)) for value in answer]
        if None in truths:
            return dict(zip(self.labels, truths, strict=True))
        return frozenset(compress(self.labels, truths))


def _row_labels(schema: Any) -> list[str]:
    """Return the columns in which pandas has kept the index of a frame: numbers or names of rows, which are no features.

    What is damaged tells of none.
    """
    try:
        columns = (schema.pandas_metadata or {}).get("index_columns", [])
        return [name for name in columns if isinstance(name, str) and name in schema.names]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return []


def _one_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
