"""Text that comes from data, and numbers of things, made fit to be shown."""

__all__ = ["counted", "printable"]


def printable(text: str) -> str:
    r"""Return a text with what could break a line, move a cursor or hide other text written as an escape.

    Examples
    --------
    >>> from ihomer.printable import printable
    >>> printable("rain\x1b[2J\nsnow")
    'rain\\x1b[2J\\nsnow'
    """
    if text.isprintable():
        return text
    return "".join(part if part.isprintable() else part.encode("unicode_escape").decode("ascii") for part in text)


def counted(number: int, thing: str) -> str:
    """Return a number of things in words, for things whose plural ends in s.

    Examples
    --------
    >>> from ihomer.printable import counted
    >>> counted(1, "event"), counted(2417, "event")
    ('1 event', '2,417 events')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
