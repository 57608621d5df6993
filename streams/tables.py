"""CSV files, and what the columns of any table with named columns are."""

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import compress, islice
from pathlib import Path
from typing import Any, Literal

from streams.cells import as_truth, as_value, as_weight, label_positions, picker
from streams.errors import MalformedEvent, SourceError
from streams.event import Event, Truth, Value
from streams.lines import LineSource, OnError

__all__ = ["CsvSource", "Roles", "assign_roles"]

# What tools write for a value that is missing: R, pandas and SQL, and ARFF's question mark. NaN is read as a number.
_MISSING = frozenset({"", "?", "NA", "N/A", "<NA>", "null", "NULL"})
_NOT_OBSERVED = _MISSING | {"nan", "NaN"}
_NOTHING_KNOWN = _NOT_OBSERVED - {""}
_DELIMITERS = ",;\t|"
_DECIMAL_COMMA = re.compile(r"[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]*),[0-9]+(?:[eE][+-]?[0-9]+)?")
_SEPARATOR_LINE = re.compile(r"sep=([^\r\n])[\r\n]*")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# A quoted cell may hold line ends; one that is never closed must not swallow the file.
_MOST_LINES = 1000


@dataclass(frozen=True, slots=True)
class Roles:
    """Which columns of a table are what, as positions from 0.

    Examples
    --------
    >>> from streams.tables import assign_roles
    >>> assign_roles(["key", "cloud", "is_rain"], label_prefix="is_", id_column="key")
    Roles(labels=(2,), features=(1,), id=0, weight=None)
    """

    labels: tuple[int, ...]
    features: tuple[int, ...]
    id: int | None = None
    weight: int | None = None


def assign_roles(
    names: Sequence[str],
    *,
    labels: Collection[str] | int | None = None,
    label_prefix: str | None = None,
    id_column: str | None = None,
    weight_column: str | None = None,
    ignore: Collection[str] = (),
) -> Roles:
    """Say which columns are labels, features, id and weight.

    Parameters
    ----------
    names
        The names of all columns.
    labels
        Names of the label columns; or their number n: the first n columns, or the last -n, of those that are
        neither id, weight nor ignored; () for no labels.
    label_prefix
        What the names of the label columns begin with, if `labels` does not say which they are.
    id_column, weight_column
        Columns of `Event.id` and `Event.w`.
    ignore
        Columns that are read past.

    Raises
    ------
    SourceError
        If a column is asked for that is not there, two have one name, one has none, or nothing says which
        are the labels; the message needs the file's name in front.
    """
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SourceError(f"two columns are named {twice!r}")
    places = {name: position for position, name in enumerate(names)}
    special = [name for name in (id_column, weight_column) if name is not None]
    for name in (*special, *ignore):
        if name not in places:
            raise SourceError(f"no column is named {name!r}")
    left = [position for name, position in places.items() if name not in {*special, *ignore}]
    if "" in places and places[""] in left:
        raise SourceError(f"column {places[''] + 1} has no name; put '' among those to ignore")
    if labels is not None:
        chosen = label_positions(names, labels, left)
    elif label_prefix is not None:
        chosen = tuple(position for position in left if names[position].startswith(label_prefix))
        if not chosen:
            raise SourceError(f"no column begins with {label_prefix!r}")
    else:
        raise SourceError("nothing says which columns are labels: give their names, number or prefix (--labels)")
    return Roles(
        chosen,
        tuple(position for position in left if position not in set(chosen)),
        None if id_column is None else places[id_column],
        None if weight_column is None else places[weight_column],
    )


def _refuse_numbers(names: Sequence[str]) -> None:
    """Raise for a first row of numbers that are no names: taken for these, it would be an event that is lost."""
    if all(_NUMBER.fullmatch(name) for name in names) and (len(set(names)) < len(names) or not all(map(str.isdigit, names))):
        raise SourceError("the first row is all numbers, and has to name the columns")


def _refuse_unfit_separator(separator: str, labels: Collection[str] | int | None, label_prefix: str | None) -> None:
    if not separator or set(separator) & set('"\r\n'):
        raise SourceError(f"what stands between labels must be a text without quotes and line ends, not {separator!r}")
    if label_prefix is not None or labels is None or isinstance(labels, int | str) or len(labels) != 1:
        raise SourceError(f"labels with {separator!r} between them stand in one column: name it, and it alone")


def _cell_pattern(delimiter: str) -> re.Pattern[str]:
    """Return what matches one cell: group 1 is the inside of a quoted one, group 2 all of a plain one."""
    mark = re.escape(delimiter)
    return re.compile(rf' *+(?:"((?:[^"]|"")*+)"[ ]*|([^"{mark}\r\n][^{mark}\r\n]*|))(?={mark}|\Z)')


def _split_quoted(text: str, cell: re.Pattern[str]) -> list[str]:
    """Return the cells of a record: what is quoted exactly, other cells without the blanks around them.

    Raises
    ------
    MalformedEvent
        If a quote is not closed, or something stands beside a quoted text in its cell.
    """
    cells = []
    at = 0
    while at <= len(text):
        match = cell.match(text, at)
        if match is None:
            place = text[at : at + 40]
            raise MalformedEvent("quote", f"a quote is not closed, or has text beside it: {place!r}")
        quoted, plain = match.groups()
        cells.append(plain.strip(" \t") if quoted is None else quoted.replace('""', '"'))
        at = match.end() + 1
    return cells


class CsvSource(LineSource):
    """Events of a CSV file whose first row names the columns; plain or compressed.

    A cell that is empty or NaN, NA, N/A, <NA>, null, NULL or ? is missing, one that spells a number is a number, any
    other is a text. A label applies where its cell is 1 (or true, yes, ...), does not where it is 0, and is not observed
    where it is missing. Cells may be quoted with ``"``, and then hold delimiters, doubled quotes and line ends.
    A first column without a name holds the names of rows, as pandas and R write them, and is read past; so is a last one, where
    each line ends with a delimiter, and a first line ``sep=;``, as Excel writes it.

    Parameters
    ----------
    path
        The file.
    labels, label_prefix, id_column, weight_column, ignore
        As in `assign_roles`.
    label_separator
        What stands between the labels that apply in the one column that `labels` names, such as ``|``; a blank stands for any
        blanks. Where that cell is empty no label applies, where it is NaN, NA, ... nothing is known of the labels. By default
        each label has a column.
    nominal
        Columns whose cells are names, so that numbers, NA and the like are kept as text there; an empty cell is missing.
    delimiter
        The character between cells; by default that of ``, ; tab |`` which the first row has most of.
    decimal
        ``.``, or ``,`` where 0,5 and 1.000,5 are numbers; by default ``,`` where ``;`` stands between the cells.
    start, on_error, encoding
        As in `LineSource`; a position is the number of lines behind it.

    Attributes
    ----------
    labels
        Names of the label columns; () with `label_separator`.
    features
        Names of the feature columns.

    Raises
    ------
    SourceError
        If the first row does not name the columns that are asked for, or not each column by its own name; or if the separator
        cannot stand between labels, or not one column is named with it.
    ValueError
        If the delimiter or the decimal mark is none.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from streams.tables import CsvSource
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sky.csv"
    ...     _ = path.write_text("cloud,wind,rain,snow\\n0.5,calm,1,0\\n,strong,1,1\\n")
    ...     with CsvSource(path, labels=["rain", "snow"]) as source:
    ...         for event in source:
    ...             print(event.x, sorted(event.y))
    {'cloud': 0.5, 'wind': 'calm'} ['rain']
    {'cloud': None, 'wind': 'strong'} ['rain', 'snow']
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sky.csv"
    ...     _ = path.write_text("cloud,tags\\n0.5,rain|snow\\n0.25,\\n")
    ...     with CsvSource(path, labels=["tags"], label_separator="|") as source:
    ...         [sorted(event.y) for event in source]
    [['rain', 'snow'], []]
    """

    def __init__(
        self,
        path: str | Path,
        *,
        labels: Collection[str] | int | None = None,
        label_prefix: str | None = None,
        id_column: str | None = None,
        weight_column: str | None = None,
        ignore: Collection[str] = (),
        label_separator: str | None = None,
        nominal: Collection[str] = (),
        delimiter: str | None = None,
        decimal: Literal[".", ","] | None = None,
        start: int = 0,
        on_error: OnError = "raise",
        encoding: str | None = None,
    ) -> None:
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '" \r\n'):
            raise ValueError(f"the delimiter must be one character, no quote or blank, not {delimiter!r}")
        if decimal not in (None, ".", ","):
            raise ValueError(f"the decimal mark must be . or , and not {decimal!r}")
        self._label_separator = label_separator
        self._delimiter = delimiter
        self._decimal = decimal
        self._nominal = frozenset(nominal)
        self._asked: dict[str, Any] = {
            "labels": labels,
            "label_prefix": label_prefix,
            "id_column": id_column,
            "weight_column": weight_column,
            "ignore": ignore,
        }
        super().__init__(path, start=start, on_error=on_error, encoding=encoding)

    def _read_header(self) -> None:
        raw = self._next_line()
        if self._delimiter is None and (said := _SEPARATOR_LINE.fullmatch(self._text(raw))):
            self._delimiter, raw = said[1], self._next_line()
        if not raw.strip():
            raise SourceError(f"{self.path}: the file has no line with names of columns")
        if self._delimiter is None:
            plain = re.sub('"[^"]*"', "", self._text(raw))
            self._delimiter = max(_DELIMITERS, key=plain.count)
        self._cell = _cell_pattern(self._delimiter)
        names = self._cells(raw)
        self._has_decimal_commas = self._decimal == "," or (self._decimal is None and self._delimiter == ";")
        if "" in (names[0], names[-1]) and names.count("") == 1:
            self._asked["ignore"] = {"", *self._asked["ignore"]}
        try:
            if self._label_separator is not None:
                _refuse_unfit_separator(self._label_separator, self._asked["labels"], self._asked["label_prefix"])
            if isinstance(self._asked["labels"], int):
                _refuse_numbers(names)
            roles = assign_roles(names, **self._asked)
            self._set_roles(names, roles)
        except SourceError as error:
            raise SourceError(f"{self.path}: {error}") from None

    def _next_line(self) -> bytes:
        """Return the next line that is not blank; b"" if there is none."""
        return next((raw for raw in self._lines if raw.strip()), b"")

    def _set_roles(self, names: Sequence[str], roles: Roles) -> None:
        self.labels = () if self._label_separator is not None else tuple(names[position] for position in roles.labels)
        self.features = tuple(names[position] for position in roles.features)
        unknown = self._nominal - set(self.features)
        if unknown:
            raise SourceError(f"no feature is named {min(unknown)!r}, asked for as nominal")
        self._n_columns = len(names)
        self._roles = roles
        of_texts = roles.labels if self._label_separator is not None else ()
        self._texts = {roles.id, *of_texts, *(position for position in roles.features if names[position] in self._nominal)}
        self._pick_features = picker(roles.features)
        self._pick_labels = picker(roles.labels)

    def _cells(self, raw: bytes) -> list[str]:
        """Return the cells of the record that begins with this line; read its other lines, if it has any."""
        text = self._text(raw)
        if '"' not in text:
            cells = text.split(self._delimiter)
            return [cell.strip(" \t") for cell in cells] if " " in text or "\t" in text else cells
        try:
            return _split_quoted(text, self._cell)
        except MalformedEvent:
            if raw.count(b'"') % 2 == 0:
                raise
        more = self._lines_to_closing_quote()
        try:
            return _split_quoted(self._text(b"".join([raw, *more])), self._cell)
        except MalformedEvent:
            self._lines.give_back(more)
            raise

    def _lines_to_closing_quote(self) -> list[bytes]:
        more = []
        for raw in islice(self._lines, _MOST_LINES):
            more.append(raw)
            if raw.count(b'"') % 2:
                break
        return more

    def _event(self, raw: bytes, number: int) -> Event | None:
        if not raw.strip(b" \r\n"):
            return None
        cells = self._cells(raw)
        if len(cells) != self._n_columns:
            raise MalformedEvent("columns", f"{len(cells)} cells for {self._n_columns} columns")
        if self._has_decimal_commas and any("," in cell for cell in cells):
            cells = self._with_points(cells)
        roles = self._roles
        identifier = None if roles.id is None else cells[roles.id] or None
        weight = 1.0 if roles.weight is None else as_weight(cells[roles.weight])
        x = dict(zip(self.features, self._values(self._pick_features(cells)), strict=True))
        return Event(x, self._answer(self._pick_labels(cells)), identifier, weight, self._lines.number, number)

    def _with_points(self, cells: Sequence[str]) -> list[str]:
        """Return cells with points in place of decimal commas, and without points between thousands."""
        return [
            cell.replace(".", "").replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) and place not in self._texts else cell
            for place, cell in enumerate(cells)
        ]

    def _values(self, cells: Sequence[str]) -> Sequence[Value]:
        if not self._nominal:
            try:
                numbers = list(map(float, cells))
            except ValueError:
                numbers = [math.nan]
            if math.isfinite(sum(numbers)) and "_" not in "".join(cells):
                return numbers
        return [
            None if not cell else cell if name in self._nominal else None if cell in _MISSING else as_value(cell)
            for name, cell in zip(self.features, cells, strict=True)
        ]

    def _answer(self, cells: Sequence[str]) -> Truth:
        """Return the labels that apply, or what is known of each if some are not observed."""
        if not cells:
            return None
        if self._label_separator is not None:
            return self._listed(cells[0])
        truths = [None if cell in _NOT_OBSERVED else as_truth(cell) for cell in cells]
        if None in truths:
            return dict(zip(self.labels, truths, strict=True))
        return frozenset(compress(self.labels, truths))

    def _listed(self, cell: str) -> Truth:
        """Return the labels that a cell lists, None where it says that nothing is known."""
        if cell in _NOTHING_KNOWN:
            return None
        parts = cell.split(None if self._label_separator == " " else self._label_separator)
        return frozenset(part.strip() for part in parts if part.strip())
