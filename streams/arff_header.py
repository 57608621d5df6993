"""The header of an ARFF file, the quoting in it, and where MULAN, MEKA and KEEL say which attributes are labels."""

import html.entities
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from streams.errors import MalformedEvent, SourceError
from streams.lines import Lines

__all__ = [
    "QUOTED",
    "Attribute",
    "items_in_braces",
    "labels_of_outputs",
    "labels_of_relation",
    "labels_of_xml",
    "match_labels",
    "parse_attribute",
    "unquote",
]

QUOTED = r"""(?:'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+")"""
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_CONTROL = {"n": "\n", "r": "\r", "t": "\t"}
_BLANKS_AND_COMMAS = re.compile(r"[ \t,]*")
_ATTRIBUTE = re.compile(
    rf"@attribute[ \t]+(?:(?P<quoted>{QUOTED})|(?P<plain>[^ \t{{'\"][^ \t{{]*))[ \t]*(?P<type>.*)",
    re.IGNORECASE | re.DOTALL,
)
_NUMERIC = re.compile(r"(?:numeric|real|integer)(?![^ \t%{\[])", re.IGNORECASE)
_NOMINAL_VALUE = re.compile(rf"(?:(?P<quoted>{QUOTED})[ \t]*|(?P<plain>[^ \t,}}'\"][^,}}]*))(?=[,}}])", re.DOTALL)
# After a type there may be the range of the values (KEEL) or the attribute's weight, which are read past, and a comment.
_AFTER_TYPE = re.compile(r"[ \t]*(?:\[[^\[\]]*\]|\{[^{}]*\})?[ \t]*(?:%.*)?", re.DOTALL)
_MEKA_OPTION = re.compile(r"(?:^|[\s:'\"])-[Cc]\s+(-?[0-9]{1,9})(?![^\s'\"])")
_AMPERSAND = re.compile(r"&(?:(#[0-9]+|#x[0-9a-fA-F]+|amp|lt|gt|quot|apos);|([A-Za-z][A-Za-z0-9]*);)?")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One column of an ARFF file: its name, and its values if it is nominal, else None.

    Examples
    --------
    >>> from streams.arff_header import parse_attribute
    >>> parse_attribute("@ATTRIBUTE 'sky colour' {grey, 'light blue'}")
    Attribute(name='sky colour', values=('grey', 'light blue'))
    """

    name: str
    values: tuple[str, ...] | None


def unquote(text: str) -> str:
    """Return what a quoted token says: without its quotes and backslashes.

    Examples
    --------
    >>> from streams.arff_header import unquote
    >>> unquote(r"'it\\'s 5\\%'")
    "it's 5%"
    """
    inner = text[1:-1]
    if "\\" not in inner:
        return inner
    return _ESCAPE.sub(lambda match: _CONTROL.get(match[1], match[1]), inner)


def items_in_braces(text: str, at: int, item: re.Pattern[str]) -> tuple[list[re.Match[str]], int]:
    """Match the comma-separated items between braces.

    Parameters
    ----------
    text
        A line.
    at
        Where the opening brace stands in it.
    item
        What each item looks like; it must stop before the next comma or closing brace.

    Returns
    -------
    items, end
        The matches, and the place after the closing brace.

    Raises
    ------
    MalformedEvent
        If an item does not match or the brace is not closed.
    """
    found: list[re.Match[str]] = []
    at += 1
    while True:
        blanks = _BLANKS_AND_COMMAS.match(text, at)
        at = blanks.end() if blanks else at
        if text.startswith("}", at):
            return found, at + 1
        match = item.match(text, at)
        if match is None:
            if at == len(text) or "}" not in text[at:]:
                raise MalformedEvent("columns", "a brace is not closed")
            raise MalformedEvent("value", f"cannot read {text[at : at + 40]!r}")
        found.append(match)
        at = match.end()


def parse_attribute(text: str, ignore: Collection[str] = ()) -> Attribute:
    """Read a line ``@attribute NAME TYPE``.

    Parameters
    ----------
    text
        The line.
    ignore
        Names of attributes that are read past, and may be of type date or string.

    Raises
    ------
    MalformedEvent
        If the line is not of that form, or the type of an attribute that is not ignored is date or string, or that of any is
        relational.
    """
    match = _ATTRIBUTE.fullmatch(text)
    if match is None:
        raise MalformedEvent("quote", f"cannot read the name of the attribute in {text[:60]!r}")
    name = unquote(match["quoted"]) if match["quoted"] else match["plain"]
    kind = match["type"]
    values = None
    if kind.startswith("{"):
        items, end = items_in_braces(kind, 0, _NOMINAL_VALUE)
        values = tuple(unquote(item["quoted"]) if item["quoted"] else item["plain"].rstrip(" \t") for item in items)
        if not values:
            raise MalformedEvent("value", f"attribute {name!r} has no values")
        if len(set(values)) < len(values):
            raise MalformedEvent("duplicate", f"attribute {name!r} names a value twice")
    elif numeric := _NUMERIC.match(kind):
        end = numeric.end()
    else:
        word = re.split(r"[ \t%{\[]", kind, maxsplit=1)[0]
        can_be_ignored = word.lower() in ("date", "string")
        if can_be_ignored and name in ignore:
            return Attribute(name, None)
        advice = "; put it among those to ignore" if can_be_ignored else ""
        raise MalformedEvent("type", f"attribute {name!r} is of type {word!r}, not numeric or nominal{advice}")
    if not _AFTER_TYPE.fullmatch(kind, end):
        raise MalformedEvent("type", f"attribute {name!r}: cannot read {kind[end:].strip()!r} after its type")
    return Attribute(name, values)


def labels_of_relation(relation: str) -> int | None:
    """Return the n of MEKA's option ``-C n``: the first n attributes are labels, or the last -n; else None.

    Examples
    --------
    >>> from streams.arff_header import labels_of_relation
    >>> labels_of_relation("@relation 'Music: -C 6 -split-number 391'"), labels_of_relation("@relation sky")
    (6, None)
    """
    match = _MEKA_OPTION.search(relation)
    return int(match[1]) if match else None


def labels_of_outputs(text: str) -> list[str]:
    """Return the names in a line ``@outputs NAME, NAME, ...``, as KEEL writes it.

    Examples
    --------
    >>> from streams.arff_header import labels_of_outputs
    >>> labels_of_outputs("@outputs rain, 'light snow'")
    ['rain', 'light snow']
    """
    names = [name.strip() for name in re.findall(rf"{QUOTED}|[^,]+", re.sub(r"^[^ \t]*", "", text))]
    return [unquote(name) if name[0] in "'\"" else name for name in names if name]


def labels_of_xml(path: Path) -> list[str]:
    """Return the names of all labels of a MULAN label file, nested ones too, in the order of the file.

    Raises
    ------
    SourceError
        If the file is not XML or names no label.
    """
    text = b"".join(Lines(path))
    try:
        source = text.decode("utf-8")
    except UnicodeDecodeError:
        source = text.decode("latin-1")
    # The text is decoded already, so what the file says of its encoding must not be heard again.
    source = re.sub(r"^\s*<\?xml[^>]*\?>", "", source)
    try:
        root = ElementTree.fromstring(_AMPERSAND.sub(_as_xml, source))
    except ElementTree.ParseError as error:
        raise SourceError(f"{path}: not a file of label names: {error}") from None
    names = [element.get("name") for element in root.iter() if element.tag.rpartition("}")[2] == "label"]
    if not names:
        raise SourceError(f"{path}: no label in it")
    if None in names:
        raise SourceError(f"{path}: a label without a name")
    return [name for name in names if name is not None]


def _as_xml(match: re.Match[str]) -> str:
    """Return what XML can read in place of an ampersand: HTML knows more names, some writers escape none."""
    known, name = match.groups()
    if known:
        return match[0]
    if name in html.entities.name2codepoint:
        return f"&#{html.entities.name2codepoint[name]};"
    return f"&amp;{match[0][1:]}"


def match_labels(wanted: Sequence[str], attributes: Sequence[str]) -> list[str]:
    """Return the names of the attributes that a label file means.

    A name that no attribute has is tried with its HTML escapes resolved, then with backslashes left out on
    both sides, for writers escape names in one of the two files only.

    Raises
    ------
    SourceError
        If no attribute, or more than one, can be meant.

    Examples
    --------
    >>> from streams.arff_header import match_labels
    >>> match_labels(["rain &amp; snow", "it\\\\'s"], ["it's", "rain & snow"])
    ['rain & snow', "it's"]
    """
    known = set(attributes)
    bare: dict[str, list[str]] = {}
    for name in attributes:
        bare.setdefault(name.replace("\\", ""), []).append(name)
    found = []
    for name in wanted:
        plain = html.unescape(name)
        exact = name if name in known else plain
        candidates = [exact] if exact in known else bare.get(plain.replace("\\", ""), [])
        if len(candidates) != 1:
            number = "more than one" if candidates else "no"
            raise SourceError(f"{number} attribute has the name of the label {name!r}")
        found.append(candidates[0])
    return list(dict.fromkeys(found))
