"""What the log of a live run says of dead letters."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["DeadLetterLog"]

_BETWEEN = 1.0  # seconds between two lines on the same code


class DeadLetterLog:
    """Logs code and place of dead letters, not what was in them: of each code one in a while.

    Parameters
    ----------
    warn
        Takes an event with fields; as the method `warning` of structlog's loggers does.

    Examples
    --------
    >>> from streams.dead_letters import DeadLetterLog
    >>> dead_letters = DeadLetterLog(lambda event, **fields: print(event, fields))
    >>> dead_letters("json", {"offset": 7})
    dead_letter {'code': 'json', 'offset': 7}
    >>> dead_letters("json", {"offset": 8})
    >>> dead_letters.tell_rest()
    dead_letters_left_out {'code': 'json', 'left_out': 1}
    """

    def __init__(self, warn: Callable[..., object]) -> None:
        self._warn = warn
        self._next: dict[str, float] = {}
        self._left_out: Counter[str] = Counter()

    def __call__(self, code: str, place: Mapping[str, Any]) -> None:
        """Log a dead letter, or count it where the last line on its code is not long past."""
        now = time.monotonic()
        if now < self._next.get(code, now):
            self._left_out[code] += 1
            return
        self._next[code] = now + _BETWEEN
        more = {"left_out": n_left_out} if (n_left_out := self._left_out.pop(code, 0)) else {}
        self._warn("dead_letter", code=code, **place, **more)

    def tell_rest(self) -> None:
        """Log how many were left out since the last line of each code."""
        for code, n_left_out in sorted(self._left_out.items()):
            self._warn("dead_letters_left_out", code=code, left_out=n_left_out)
        self._left_out.clear()
