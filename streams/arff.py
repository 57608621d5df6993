"""ARFF files of multi-label data, as MULAN, MEKA and KEEL write them."""

import math
import re
from collections.abc import Callable, Collection, Sequence
from itertools import compress
from pathlib import Path

from streams.arff_header import (
    QUOTED,
    Attribute,
    items_in_braces,
    labels_of_outputs,
    labels_of_relation,
    labels_of_xml,
    match_labels,
    parse_attribute,
    unquote,
)
from streams.cells import TRUTHS, as_number, as_truth, as_weight, label_positions, picker
from streams.errors import MalformedEvent, SourceError
from streams.event import Event, Truth, Value
from streams.lines import LineSource, OnError, plain_name

__all__ = ["ArffSource"]

_NUMERALS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
_MISSING = ("?", "<null>")  # the second is KEEL's
_BLANKS = " \t\r\n"
_DELIMITER = re.compile(r"[ \t]*,[ \t]*|[ \t]*\t[ \t]*")
_QUOTED_CELL = re.compile(QUOTED, re.DOTALL)
_PLAIN_CELL = re.compile(r"[^,\t]*")
_COMMENT = re.compile(r"[ \t]*%")
_COMMENT_IN_CELL = re.compile(r"(?:^|[ \t])%")
_SPARSE_ITEM = re.compile(
    rf"(?P<index>[0-9]+)[ \t]+(?:(?P<quoted>{QUOTED})[ \t]*|(?P<plain>[^ \t,}}'\"][^,}}]*))(?=[,}}])",
    re.DOTALL,
)
_AFTER_SPARSE = re.compile(r"[ \t]*(?:[, \t][ \t]*\{(?P<weight>[^{}]*)\})?[ \t]*(?:%.*)?", re.DOTALL)
_WEIGHT_CELL = re.compile(r"\{([^{}]*)\}")
# Items of sparse rows repeat; so many different ones are remembered, if they are short.
_MOST_ITEMS = 1 << 16
_LONGEST_ITEM = 48

Entry = tuple[int, str, Value, bool]


class _Column:
    """One attribute, and what the text of its cells means; that of one that is ignored means 0, whatever it is.

    Attributes
    ----------
    table
        Text to value, for a nominal attribute.
    default
        The value of the attribute in a sparse row that leaves it out.
    """

    __slots__ = ("default", "is_ignored", "is_label", "name", "table")

    def __init__(self, attribute: Attribute, is_label: bool, is_ignored: bool = False) -> None:
        self.name = attribute.name
        self.is_label = is_label
        self.is_ignored = is_ignored
        self.table: dict[str, Value] | None = None
        self.default: Value = False if is_label else 0
        values = attribute.values
        if values is None or is_ignored:
            return
        if is_label:
            truths = {value: TRUTHS.get(value.lower()) for value in values}
            if None in truths.values() or len(set(truths.values())) < len(values):
                raise SourceError(f"attribute {self.name!r} is no label: its values are {', '.join(values)}")
            self.table = dict(truths)
        elif all(value in _NUMERALS for value in values):
            self.table = {value: _NUMERALS[value] for value in values}
        else:
            self.table = {value: value for value in values}
        self.default = self.table[values[0]]

    def converter(self) -> Callable[[str], Value]:
        """Return a quick `value` for cells without quotes, raising ValueError or KeyError if in doubt."""
        if self.table is None:
            return _finite
        return {text: value for text, value in self.table.items() if text not in _MISSING}.__getitem__

    def value(self, text: str, quoted: bool = False) -> Value:
        """Return the value that a cell says, None if it is missing.

        Raises
        ------
        MalformedEvent
            If the attribute has no such value.
        """
        if self.is_ignored:
            return 0
        if text in _MISSING and not quoted:
            return None
        if self.table is not None:
            if text not in self.table:
                raise MalformedEvent("value", f"{text!r} is no value of attribute {self.name!r}")
            return self.table[text]
        if self.is_label:
            return as_truth(text)
        return as_number(text, f"attribute {self.name!r}")


class _SparseItems(dict[str, Entry]):
    """The text of one item of a sparse row, such as ``17 0.5``, to what it says; bounded in size.

    Raises ValueError for an item that has to be looked at character by character.
    """

    def __init__(self, columns: Sequence[_Column]) -> None:
        super().__init__()
        self._columns = columns

    def __missing__(self, item: str) -> Entry:
        index, text = item.split()
        # Only ASCII without control characters: split() takes more for blanks than ARFF does.
        if not item.isascii() or not item.isprintable() or not index.isdigit() or set(text) & set("'\"{}%"):
            raise ValueError(item)
        position = int(index)
        if position >= len(self._columns):
            raise ValueError(item)
        column = self._columns[position]
        entry = (position, column.name, column.value(text), column.is_label)
        if len(self) < _MOST_ITEMS and len(item) < _LONGEST_ITEM:
            self[item] = entry
        return entry


def _finite(text: str) -> float:
    number = float(text)
    if "_" in text or not math.isfinite(number):
        raise ValueError(text)
    return number


def _split_cells(text: str) -> list[tuple[str, bool]]:
    """Return the cells of a dense row and whether each was quoted, without a comment at the end.

    Raises
    ------
    MalformedEvent
        If a quote is not closed, or something follows it in its cell.
    """
    cells = []
    at = 0
    after_comma = False
    while True:
        if text[at : at + 1] in ("'", '"'):
            match = _QUOTED_CELL.match(text, at)
            if match is None:
                raise MalformedEvent("quote", "a quote is not closed")
            cells.append((unquote(match[0]), True))
            at = match.end()
        else:
            plain = _PLAIN_CELL.match(text, at)
            cell = plain[0] if plain else ""
            comment = _COMMENT_IN_CELL.search(cell)
            if comment is not None:
                cell = cell[: comment.start()].strip(_BLANKS)
                return [*cells, (cell, False)] if cell or after_comma else cells
            cells.append((cell.strip(_BLANKS), False))
            at += len(cell)
        if at == len(text) or _COMMENT.match(text, at):
            return cells
        delimiter = _DELIMITER.match(text, at)
        if delimiter is None:
            raise MalformedEvent("quote", f"{text[at : at + 20]!r} stands after a closing quote")
        at = delimiter.end()
        after_comma = "," in delimiter[0]


def own_xml(path: Path) -> Path:
    """Return the file of label names that has the name of an ARFF file, whether there is one or not.

    Examples
    --------
    >>> from streams.arff import own_xml
    >>> own_xml(Path("data/yeast.ARFF.gz")).as_posix()
    'data/yeast.xml'
    """
    stem = re.sub(r"\.(arff|dat)$", "", plain_name(path.name), flags=re.IGNORECASE)
    return path.with_name(f"{stem}.xml")


def xml_beside(path: Path) -> Path:
    """Return where MULAN's file of label names for an ARFF file is, if it has one.

    Parts of a set share one: without `own_xml`, it is the file with the longest name that the name of the ARFF file begins
    with, such as ``yeast.xml`` beside ``yeast-train.arff``.
    """
    own = own_xml(path)
    if own.is_file():
        return own
    shared = [file for file in path.parent.glob("*.xml") if own.stem.lower().startswith(file.stem.lower())]
    return max(sorted(shared), key=lambda file: len(file.stem), default=own)


class ArffSource(LineSource):
    """Events of an ARFF file, plain or compressed.

    Which attributes are labels is said, in this order of rank, by `labels`, by `xml`, by a file beside it
    that has the same name but ends in ``.xml`` (MULAN), by the option ``-C n`` in its relation (MEKA), by a line
    ``@outputs`` (KEEL), or by the ``.xml`` with the longest name that its own name begins with, as parts of a set share it.

    Numeric values become floats; the ranges that KEEL gives them are read past. A nominal attribute whose values are 0 and 1
    becomes a number, any other gives its value as text. ``?`` is None, and so is KEEL's ``<null>``. Of a sparse row only what
    is not 0 is in `Event.x`; an attribute it leaves out is 0, or the first value of a nominal attribute. A weight ``{5}`` at
    the end of a row is `Event.w`; weights of attributes are read past.

    Parameters
    ----------
    path
        The file.
    labels
        Names of the labels; or their number n: the first n attributes, or the last -n; () for no labels.
    xml
        A MULAN file of label names.
    ignore
        Attributes that are read past, of any type but relational. A number of `labels` counts the others.
    start, on_error, encoding
        As in `LineSource`; a position is the number of lines behind it.

    Attributes
    ----------
    labels
        Names of the labels.
    features
        Names of all other attributes.

    Raises
    ------
    SourceError
        If the header cannot be read, has an attribute of another type, has none that is to be ignored, or nothing says which
        are the labels.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from streams.arff import ArffSource
    >>> text = '''@relation 'Sky: -C 1'
    ... @attribute rain {0,1}
    ... @attribute cloud numeric
    ... @attribute wind {calm, strong}
    ... @data
    ... 1, 0.75, strong
    ... {1 0.25}
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sky.arff"
    ...     _ = path.write_text(text)
    ...     with ArffSource(path) as source:
    ...         for event in source:
    ...             print(event.x, event.y)
    {'cloud': 0.75, 'wind': 'strong'} frozenset({'rain'})
    {'wind': 'calm', 'cloud': 0.25} frozenset()
    """

    def __init__(
        self,
        path: str | Path,
        *,
        labels: Sequence[str] | int | None = None,
        xml: str | Path | None = None,
        ignore: Collection[str] = (),
        start: int = 0,
        on_error: OnError = "raise",
        encoding: str | None = None,
    ) -> None:
        self._wanted = labels
        self._xml = xml
        self._ignored = frozenset(ignore)
        super().__init__(path, start=start, on_error=on_error, encoding=encoding)

    def _read_header(self) -> None:
        relation = ""
        outputs: list[str] | None = None
        attributes: list[Attribute] = []
        for raw in self._lines:
            text = self._text(raw).strip(_BLANKS)
            if not text or text[0] == "%":
                continue
            word = text.replace("\t", " ").partition(" ")[0].lower()
            if word == "@relation":
                relation = text
            elif word == "@attribute":
                attributes.append(parse_attribute(text, self._ignored))
            elif word in ("@output", "@outputs"):
                outputs = labels_of_outputs(text)
            elif word in ("@input", "@inputs"):
                continue
            elif word == "@data":
                break
            else:
                raise MalformedEvent("type", f"{text[:40]!r} is no part of an ARFF header")
        else:
            raise SourceError(f"{self.path}: no @data line")
        try:
            self._assign(attributes, relation, outputs)
        except SourceError as error:
            raise SourceError(f"{self.path}: {error}") from None

    def _assign(self, attributes: Sequence[Attribute], relation: str, outputs: Sequence[str] | None) -> None:
        """Prepare what the rows need to be read."""
        names = [attribute.name for attribute in attributes]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise SourceError(f"two attributes are named {twice!r}")
        if unknown := sorted(self._ignored - set(names)):
            raise SourceError(f"no attribute is named {unknown[0]!r}, asked for to be ignored")
        left = {place for place, name in enumerate(names) if name not in self._ignored}
        label_places = self._label_places(names, left, relation, outputs)
        feature_places = sorted(left - set(label_places))
        self.labels = tuple(names[place] for place in label_places)
        self.features = tuple(names[place] for place in feature_places)
        is_label = set(label_places)
        columns = [
            _Column(attribute, place in is_label, attribute.name in self._ignored)
            for place, attribute in enumerate(attributes)
        ]
        self._columns = columns
        self._pick_features = picker(feature_places)
        self._pick_labels = picker(label_places)
        features = [columns[place] for place in feature_places]
        self._all_numeric = all(column.table is None for column in features)
        self._converters = [column.converter() for column in features]
        self._truth_tables = [columns[place].table or TRUTHS for place in label_places]
        self._items = _SparseItems(columns)
        self._default_x = {column.name: column.default for column in features if column.default != 0}
        self._default_y = frozenset(column.name for column in columns if column.is_label and column.default)

    def _label_places(
        self, names: Sequence[str], left: Collection[int], relation: str, outputs: Sequence[str] | None
    ) -> tuple[int, ...]:
        """Return where the labels stand, which are among the attributes `left`."""
        if self._wanted is not None:
            return label_positions(names, self._wanted, left)
        of_file = self._label_places_of_file(names, relation, outputs)
        return tuple(place for place in of_file if place in left)

    def _label_places_of_file(
        self, names: Sequence[str], relation: str, outputs: Sequence[str] | None
    ) -> tuple[int, ...]:
        xml = own_xml(self.path) if self._xml is None else Path(self._xml)
        if self._xml is None and not xml.is_file():
            of_relation = labels_of_relation(relation)
            told = outputs if of_relation is None else of_relation
            if told is not None:
                return label_positions(names, told)
            xml = xml_beside(self.path)
            if not xml.is_file():
                raise SourceError(
                    f"nothing says which attributes are labels: no file {xml.name}, no -C in the relation, no line @outputs; "
                    "give their names or number (--labels)"
                )
        wanted = labels_of_xml(xml)
        try:
            return label_positions(names, match_labels(wanted, names))
        except SourceError as error:
            raise SourceError(f"{error}, in {xml.name}") from None

    def _event(self, raw: bytes, number: int) -> Event | None:
        text = self._text(raw.strip())
        if not text or text[0] == "%":
            return None
        if text[0] != "{":
            try:
                return self._dense(text, number)
            except (ValueError, KeyError):
                return self._dense_exactly(text, number)
        try:
            if text[-1] != "}":
                raise ValueError(text)
            entries = list(map(self._items.__getitem__, text[1:-1].split(",")))
        except ValueError:
            return self._sparse_exactly(text, number)
        return self._sparse(entries, 1.0, number)

    def _dense(self, text: str, number: int) -> Event:
        """Read a dense row that holds nothing unusual; ValueError or KeyError if it does."""
        if "'" in text or '"' in text or "%" in text or "\t" in text:
            raise ValueError(text)
        cells = text.split(",")
        if len(cells) != len(self._columns):
            raise ValueError(text)
        if " " in text:
            cells = [cell.strip(" ") for cell in cells]
        values: Sequence[Value]
        if self._all_numeric:
            numbers = list(map(float, self._pick_features(cells)))
            if "_" in text or not math.isfinite(sum(numbers)):
                raise ValueError(text)
            values = numbers
        else:
            picked = self._pick_features(cells)
            values = [convert(cell) for convert, cell in zip(self._converters, picked, strict=True)]
        y = None
        if self.labels:
            picked = self._pick_labels(cells)
            truths = [table[cell] for table, cell in zip(self._truth_tables, picked, strict=True)]
            y = frozenset(compress(self.labels, truths))
        return Event(dict(zip(self.features, values, strict=True)), y, None, 1.0, number, number)

    def _dense_exactly(self, text: str, number: int) -> Event:
        """Read any dense row, character by character."""
        cells = _split_cells(text)
        weight = 1.0
        if len(cells) == len(self._columns) + 1 and not cells[-1][1]:
            match = _WEIGHT_CELL.fullmatch(cells[-1][0])
            if match:
                weight = as_weight(match[1])
                cells.pop()
        if len(cells) != len(self._columns):
            raise MalformedEvent("columns", f"{len(cells)} values for {len(self._columns)} attributes")
        x: dict[str, Value] = {}
        truths: dict[str, bool | None] = {}
        for column, (cell, quoted) in zip(self._columns, cells, strict=True):
            value = column.value(cell, quoted)
            if column.is_label:
                truths[column.name] = None if value is None else bool(value)
            elif not column.is_ignored:
                x[column.name] = value
        return Event(x, self._answer(truths), None, weight, number, number)

    def _answer(self, truths: dict[str, bool | None]) -> Truth:
        """Return the labels that apply, or what is known of each if some are not observed."""
        if not self.labels:
            return None
        if None in truths.values():
            return {name: truths[name] for name in self.labels}
        return frozenset(name for name, truth in truths.items() if truth)

    def _sparse_exactly(self, text: str, number: int) -> Event:
        """Read any sparse row, character by character."""
        items, end = items_in_braces(text, 0, _SPARSE_ITEM)
        after = _AFTER_SPARSE.fullmatch(text, end)
        if after is None:
            raise MalformedEvent("columns", f"cannot read {text[end : end + 40]!r} after the closing brace")
        weight = 1.0 if after["weight"] is None else as_weight(after["weight"])
        entries: list[Entry] = []
        for item in items:
            index = item["index"]
            if len(index) > 9 or int(index) >= len(self._columns):
                raise MalformedEvent("index", f"no attribute {index[:20]}: there are {len(self._columns)}")
            position = int(index)
            column = self._columns[position]
            if item["quoted"]:
                value = column.value(unquote(item["quoted"]), quoted=True)
            else:
                value = column.value(item["plain"].strip(_BLANKS))
            entries.append((position, column.name, value, column.is_label))
        return self._sparse(entries, weight, number)

    def _sparse(self, entries: list[Entry], weight: float, number: int) -> Event:
        positions = {entry[0] for entry in entries}
        if len(positions) != len(entries):
            raise MalformedEvent("duplicate", "an attribute stands twice in the row")
        x = self._default_x.copy()
        applied = set(self._default_y)
        unobserved = []
        for _, name, value, is_label in entries:
            if not is_label:
                if value != 0:
                    x[name] = value
                else:
                    x.pop(name, None)
            elif value:
                applied.add(name)
            else:
                applied.discard(name)
                if value is None:
                    unobserved.append(name)
        y: Truth = None
        if unobserved:
            y = {name: name in applied for name in self.labels} | dict.fromkeys(unobserved)
        elif self.labels:
            y = frozenset(applied)
        return Event(x, y, None, weight, number, number)
