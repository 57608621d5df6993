"""Sparse text with numbered features: libsvm with many labels, and the files of the XMC repository."""

import math
import re
from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import cast

from streams.cells import as_number
from streams.errors import MalformedEvent, SourceError
from streams.event import Event, Value
from streams.lines import LineSource, OnError

__all__ = ["LibsvmSource"]

_XMC_HEADER = re.compile(r"[ \t]*([0-9]{1,18})[ \t]+([0-9]{1,18})[ \t]+([0-9]{1,18})[ \t]*")
_COMMENT = re.compile(r"(?:^|[ \t])#.*", re.DOTALL)
# So many different feature numbers are remembered, and so many label names made up front.
_MOST_NAMES = 1 << 20
# Of so many lines one at least has a feature.
_LINES_TO_SEE = 100


class _FeatureNames(dict[str, str]):
    """The text of a feature number to its name: the number without leading zeros.

    Raises MalformedEvent for a text that is no number, or one that is not below `bound`.
    """

    def __init__(self, bound: float) -> None:
        super().__init__()
        self._bound = bound

    def __missing__(self, text: str) -> str:
        if not _is_below(text, math.inf):
            raise MalformedEvent("index", f"{text[:40]!r} is not the number of a feature")
        if not _is_below(text, self._bound):
            raise MalformedEvent("index", f"no feature {text}: there are {self._bound}, from 0")
        name = str(int(text))
        if len(self) < _MOST_NAMES:
            self[text] = name
        return name


def _is_below(text: str, bound: float) -> bool:
    """Say whether `text` is a natural number below `bound`, and not so long that it is no sensible one."""
    return text.isascii() and text.isdigit() and len(text) <= 18 and int(text) < bound


class LibsvmSource(LineSource):
    """Events of a file with lines such as ``1,5 3:0.5 7:1``: labels, then features with their values.

    The features are named by their numbers, the labels by their text. A line that begins with a blank or a
    feature has no labels. ``qid:3`` and what follows ``#`` are read past; a feature of value 0 is left out;
    NaN is a missing value.

    A first line of three numbers (rows, features, labels), as the XMC repository has it, is recognised. All
    numbers must then be below those counts, and the rows as many as it says.

    Parameters
    ----------
    path
        The file, plain or compressed.
    header
        Whether there is that line; by default it is seen from the file, and one that has neither that line nor a feature in
        its first 100 lines is refused: it is taken for one of another format.
    start, on_error
        As in `LineSource`; a position is the number of lines behind it.

    Attributes
    ----------
    labels
        "0", "1", ... if the file says how many there are, and they are not more than 2**20; else ().

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from streams.libsvm import LibsvmSource
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "train.txt"
    ...     _ = path.write_text("2 8 6\\n1,5 3:0.5 7:1\\n 0:2\\n")
    ...     with LibsvmSource(path) as source:
    ...         source.labels, [(event.x, sorted(event.y)) for event in source]
    (('0', '1', '2', '3', '4', '5'), [({'3': 0.5, '7': 1.0}, ['1', '5']), ({'0': 2.0}, [])])
    """

    def __init__(
        self,
        path: str | Path,
        *,
        header: bool | None = None,
        start: int = 0,
        on_error: OnError = "raise",
    ) -> None:
        self._header = header
        self._n_rows: int | None = None
        self._n_labels = math.inf
        self._names = _FeatureNames(math.inf)
        super().__init__(path, start=start, on_error=on_error)

    def _read_header(self) -> None:
        if self._header is False:
            return
        raw = next(self._lines)
        match = _XMC_HEADER.fullmatch(self._text(raw))
        if match is not None:
            self._n_rows, n_features, self._n_labels = (int(count) for count in match.groups())
            self._names = _FeatureNames(n_features)
            if self._n_labels <= _MOST_NAMES:
                self.labels = tuple(map(str, range(self._n_labels)))
        elif self._header:
            raise MalformedEvent("columns", "the first line is not three numbers: rows, features, labels")
        else:
            self._lines.give_back([raw])
            self._refuse_other_text()

    def _refuse_other_text(self) -> None:
        """Raise where the first lines have labels alone: a CSV file, any row of which reads as a list of labels."""
        seen = []
        has_rows = False
        for raw in islice(self._lines, _LINES_TO_SEE):
            seen.append(raw)
            text = _COMMENT.sub("", self._text(raw))
            if ":" in text:
                break
            has_rows = has_rows or bool(text.strip())
        else:
            if has_rows:
                message = f"no feature, as 3:0.5, in the first {len(seen)} lines: give the format if it is another one"
                raise SourceError(f"{self.path}: {message}")
        self._lines.give_back(seen)

    def _event(self, raw: bytes, number: int) -> Event | None:
        text = _COMMENT.sub("", self._text(raw)).replace("\t", " ")
        if not text.strip():
            # The row that a header counts may be empty: it is an event without labels and features.
            if self._n_rows is None or number > self._n_rows + 1:
                return None
        elif self._n_rows is not None and number > self._n_rows + 1:
            raise SourceError(f"{self.path}:{number}: more rows than the {self._n_rows} of the first line")
        head, colon, _ = text.partition(":")
        cut = head.rfind(" ") + 1 if colon else len(text)
        labels = self._labels(text[:cut])
        try:
            x = self._features(text[cut:])
        except ValueError:
            x = self._features_exactly(text[cut:])
        return Event(x, labels, None, 1.0, number, number)

    def _labels(self, text: str) -> frozenset[str]:
        text = text.strip(" ")
        if not text:
            return frozenset()
        labels = [label.strip(" ") for label in text.split(",")]
        for label in labels:
            if not label or " " in label:
                raise MalformedEvent("label", f"labels are to be parted by commas, unlike {text[:40]!r}")
            if self._n_rows is not None and not _is_below(label, self._n_labels):
                raise MalformedEvent("index", f"no label {label[:20]}: there are {self._n_labels}, from 0")
        return frozenset(labels if self._n_rows is None else (str(int(label)) for label in labels))

    def _finish(self) -> None:
        rows = self._lines.number - 1
        if self._n_rows is not None and rows < self._n_rows:
            raise SourceError(f"{self.path}: cut off: {rows} rows, and the first line says {self._n_rows}")

    def _features(self, text: str) -> dict[str, Value]:
        """Read features that hold nothing unusual; ValueError if they do."""
        names = self._names
        pairs = [token.split(":") for token in text.split()]
        x: dict[str, Value] = {names[number]: float(numeral) for number, numeral in pairs}
        values = cast(Collection[float], x.values())
        if len(x) < len(pairs) or 0.0 in values or not math.isfinite(sum(values)) or "_" in text:
            raise ValueError(text)
        return x

    def _features_exactly(self, text: str) -> dict[str, Value]:
        """Read any features, one after the other."""
        x: dict[str, Value] = {}
        seen = set()
        for place, token in enumerate(text.split()):
            number, colon, numeral = token.partition(":")
            if not colon:
                raise MalformedEvent("value", f"{token[:40]!r} is not a feature's number:value")
            if place == 0 and number == "qid":
                continue
            name = self._names[number]
            if name in seen:
                raise MalformedEvent("duplicate", f"feature {name} stands twice in the row")
            seen.add(name)
            value = as_number(numeral, f"feature {name}")
            if value != 0:
                x[name] = value
        return x
