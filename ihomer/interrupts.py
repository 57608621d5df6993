"""Ctrl-C while a model changes: it waits, because a model left between two states could not be used any more."""

import _signal  # type: ignore[import-not-found]
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Uninterrupted"]

# Signals are handled by `_signal`: the enumerations that `signal` puts around it take ten times as long as the rest.
_SIGINT = int(signal.SIGINT)


class Uninterrupted:
    """Lets the first Ctrl-C wait until `release`, or the end of the block; a second one does not wait.

    In other threads than the main one, which Ctrl-C never interrupts, within another such block, and where Ctrl-C does nothing
    in Python, it has no effect.

    Examples
    --------
    >>> import os, signal
    >>> from ihomer.interrupts import Uninterrupted
    >>> try:
    ...     with Uninterrupted():
    ...         os.kill(os.getpid(), signal.SIGINT)
    ...         print("whole")
    ... except KeyboardInterrupt:
    ...     print("interrupted")
    whole
    interrupted
    """

    def __init__(self) -> None:
        self._before: Any = None
        self._waiting: tuple[int, FrameType | None] | None = None

    def __enter__(self) -> Self:
        if threading.get_ident() == threading.main_thread().ident:
            before = _signal.getsignal(_SIGINT)
            if callable(before) and not isinstance(getattr(before, "__self__", None), Uninterrupted):
                self._before = before
                _signal.signal(_SIGINT, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            _signal.signal(_SIGINT, self._before)
            self.release()

    def release(self) -> None:
        """Do now what Ctrl-C does, if it waits."""
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._before(*waiting)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._waiting is not None:
            self.release()
        self._waiting = number, frame
