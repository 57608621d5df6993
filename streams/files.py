"""Files as sources and sinks: `open_source` finds the format; the sources of all formats are named here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from streams.arff import ArffSource, xml_beside
from streams.errors import MalformedEvent, SourceError
from streams.jsonlines import JsonLinesSink, JsonLinesSource
from streams.libsvm import LibsvmSource
from streams.lines import FileSource, OnError, plain_name
from streams.memory import MemorySource, limited, shuffled
from streams.parquet import ParquetSource
from streams.tables import CsvSource

__all__ = [
    "FORMATS",
    "ArffSource",
    "CsvSource",
    "FileSource",
    "JsonLinesSink",
    "JsonLinesSource",
    "LibsvmSource",
    "MalformedEvent",
    "MemorySource",
    "OnError",
    "ParquetSource",
    "SourceError",
    "files_read",
    "format_of",
    "limited",
    "open_source",
    "shuffled",
]

FORMATS: dict[str, Callable[..., FileSource]] = {
    "arff": ArffSource,
    "csv": CsvSource,
    "jsonl": JsonLinesSource,
    "libsvm": LibsvmSource,
    "parquet": ParquetSource,
    "xmc": LibsvmSource,
}
_EXTENSIONS = {
    ".arff": "arff",
    ".dat": "arff",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "jsonl",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".libsvm": "libsvm",
    ".svm": "libsvm",
    ".svmlight": "libsvm",
    ".txt": "libsvm",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xmc": "xmc",
}


def format_of(path: str | Path) -> str:
    """Return the format that a file's name tells.

    Raises
    ------
    SourceError
        If it tells none.

    Examples
    --------
    >>> from streams.files import format_of
    >>> format_of("yeast.arff.gz"), format_of("EVENTS.NDJSON"), format_of("train.txt")
    ('arff', 'jsonl', 'libsvm')
    """
    extension = Path(plain_name(Path(path).name)).suffix.lower()
    if extension not in _EXTENSIONS:
        raise SourceError(f"{path}: the name tells no format; give one of {', '.join(sorted(FORMATS))} (--format)")
    return _EXTENSIONS[extension]


def files_read(path: str | Path, format: str | None = None) -> list[Path]:
    """Return the files that are read with a file of events: itself, and that of the label names beside an ARFF file.

    Raises
    ------
    SourceError
        If no format is given and the name tells none.

    Examples
    --------
    >>> from streams.files import files_read
    >>> [file.name for file in files_read("data/yeast.arff")], [file.name for file in files_read("data/yeast.csv")]
    (['yeast.arff', 'yeast.xml'], ['yeast.csv'])
    """
    file = Path(path)
    return [file, xml_beside(file)] if (format or format_of(file)) == "arff" else [file]


def open_source(path: str | Path, *, format: str | None = None, **options: Any) -> FileSource:
    """Open a file of events.

    Parameters
    ----------
    path
        The file; all formats but Parquet may be compressed by gzip, bzip2 or xz.
    format
        One of `FORMATS`; by default what the name's ending tells. "libsvm" sees for itself whether the file
        has the first line of the XMC repository, "xmc" insists on it.
    options
        What the source of that format takes; all take `start` and `on_error`.

    Raises
    ------
    SourceError
        If the format is unknown, or the file is empty, damaged, or says nothing of labels where it has to.
    OSError
        If the file cannot be opened.
    TypeError
        If the format has no such option.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from streams.files import open_source
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sky.csv"
    ...     _ = path.write_text("cloud,rain\\n0.5,1\\n0.25,0\\n")
    ...     with open_source(path, labels=-1) as source:
    ...         first = next(iter(source))
    ...     with open_source(path, labels=-1, start=first.position) as source:
    ...         first.y, [(event.x, event.y) for event in source]
    (frozenset({'rain'}), [({'cloud': 0.25}, frozenset())])
    """
    kind = format_of(path) if format is None else format
    if kind not in FORMATS:
        raise SourceError(f"unknown format {kind!r}; there are {', '.join(sorted(FORMATS))}")
    if kind == "xmc":
        options = {"header": True} | options
    elif kind == "csv" and plain_name(Path(path).name).lower().endswith(".tsv"):
        options = {"delimiter": "\t"} | options
    return FORMATS[kind](path, **options)
