"""What the text of one cell means, and which columns are labels: the same for all formats of tables."""

import math
from collections.abc import Callable, Collection, Sequence
from operator import itemgetter

from streams.errors import MalformedEvent, SourceError

__all__ = ["TRUTHS", "as_number", "as_truth", "as_value", "as_weight", "label_positions", "picker"]

TRUTHS = {
    **dict.fromkeys(("1", "1.0", "+1", "true", "yes", "t", "y"), True),
    **dict.fromkeys(("0", "0.0", "-1", "false", "no", "f", "n"), False),
}


def as_number(text: str, of: str) -> float | None:
    """Return the number that `text` spells, or None for NaN, which is a missing value.

    Parameters
    ----------
    text
        The cell.
    of
        What it is the value of, for the message.

    Raises
    ------
    MalformedEvent
        If `text` is no number, or the number is infinite or too large.

    Examples
    --------
    >>> from streams.cells import as_number
    >>> as_number(" 2.50 ", "rain"), as_number("nan", "rain")
    (2.5, None)
    """
    value = as_value(text)
    if isinstance(value, str):
        raise MalformedEvent("number", f"{text[:40]!r} is not a number, as {of} needs")
    return value


def as_value(text: str) -> float | str | None:
    """Return the number that `text` spells, None for NaN, or `text` itself if it is no number.

    Raises
    ------
    MalformedEvent
        If the number is infinite or too large.

    Examples
    --------
    >>> from streams.cells import as_value
    >>> as_value("1e3"), as_value("1_000"), as_value("red")
    (1000.0, '1_000', 'red')
    """
    try:
        number = float(text)
    except ValueError:
        return text
    # Python reads 1_000 as a number; the file formats do not.
    if "_" in text:
        return text
    if math.isinf(number):
        raise MalformedEvent("number", f"{text.strip()[:40]} is not a finite number")
    return None if number != number else number


def as_truth(text: str) -> bool:
    """Say whether a label applies, from the text of its cell.

    Raises
    ------
    MalformedEvent
        If `text` is neither 0 nor 1 nor another spelling of no or yes.

    Examples
    --------
    >>> from streams.cells import as_truth
    >>> as_truth("1"), as_truth("0.00"), as_truth("True")
    (True, False, True)
    """
    truth = TRUTHS.get(text.strip().lower())
    if truth is None:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if number not in (0.0, 1.0):
            words = "1 and 0, true and false, yes and no, t and f, y and n"
            raise MalformedEvent("label", f"{text!r} does not say whether a label applies, as {words} do")
        truth = number == 1.0
    return truth


def as_weight(text: str) -> float:
    """Return the weight of an event from its text.

    Raises
    ------
    MalformedEvent
        If it is not a positive finite number.
    """
    try:
        weight = float(text)
    except ValueError:
        raise MalformedEvent("weight", f"the weight {text!r} is not a number") from None
    if not 0.0 < weight < math.inf:
        raise MalformedEvent("weight", f"the weight must be positive and finite, not {text.strip()}")
    return weight


def label_positions(
    names: Sequence[str], labels: Collection[str] | int, allowed: Collection[int] | None = None
) -> tuple[int, ...]:
    """Return which columns are the labels.

    Parameters
    ----------
    names
        The names of all columns.
    labels
        Names, whose order is kept; or a count: the first n columns, or with n < 0 the last -n.
    allowed
        Positions of the columns that can be labels and that a count counts; by default all.

    Raises
    ------
    SourceError
        If a name is unknown or the count too large; the message needs the file's name in front.

    Examples
    --------
    >>> from streams.cells import label_positions
    >>> label_positions(["a", "b", "c"], -2), label_positions(["a", "b", "c"], ["c", "a"])
    ((1, 2), (2, 0))
    """
    candidates = range(len(names)) if allowed is None else sorted(allowed)
    if isinstance(labels, int):
        if abs(labels) > len(candidates):
            raise SourceError(f"{abs(labels)} labels are asked for, and there are {len(candidates)} columns")
        return tuple(candidates[:labels] if labels >= 0 else candidates[labels:])
    if isinstance(labels, str):
        raise SourceError(f"labels must be a list of names or a count, not the text {labels!r}")
    places = {names[position]: position for position in candidates}
    unknown = [name for name in labels if name not in places]
    if unknown:
        if unknown[0] in names:
            raise SourceError(f"column {unknown[0]!r} is asked for as a label, and as id, weight or one to ignore")
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise SourceError(f"no column is named {unknown[0]!r}{more}, asked for as a label")
    return tuple(dict.fromkeys(places[name] for name in labels))


def picker(positions: Sequence[int]) -> Callable[[Sequence[str]], Sequence[str]]:
    """Return a function that takes the cells at these positions from a row.

    Examples
    --------
    >>> from streams.cells import picker
    >>> list(picker([1, 2])("abcd")), list(picker([3])("abcd")), list(picker([3, 0])("abcd"))
    (['b', 'c'], ['d'], ['d', 'a'])
    """
    if not positions:
        return lambda cells: ()
    if list(positions) == list(range(positions[0], positions[-1] + 1)):
        return itemgetter(slice(positions[0], positions[-1] + 1))
    return itemgetter(*positions)
