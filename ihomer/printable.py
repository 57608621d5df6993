"""Text that comes from data, made fit to be shown."""

__all__ = ["printable"]


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
