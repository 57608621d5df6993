"""What a run does when it is told to stop; imports little, so that it stands before all else is loaded."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["StopSignals", "given_back", "heard_once", "taken_by"]

_SIGHUP: int | None = getattr(signal, "SIGHUP", None)


def taken_by(handler: Callable[[int, FrameType | None], object]) -> dict[int, Any]:
    """Let a handler take Ctrl-C, SIGTERM and, unless it is ignored as under nohup, SIGHUP; return what took them before.

    In other threads than the main one nothing can be taken.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is not threading.main_thread():
        return before
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, handler)
        if _SIGHUP is not None and signal.getsignal(_SIGHUP) is not signal.SIG_IGN:
            before[_SIGHUP] = signal.signal(_SIGHUP, handler)
    except BaseException:  # of a handler that has been called already
        given_back(before)
        raise
    return before


def heard_once(number: int) -> None:
    """Ignore a signal from now on if it is SIGHUP: a terminal that is closed may send it twice."""
    if number == _SIGHUP:
        signal.signal(number, signal.SIG_IGN)


def given_back(before: dict[int, Any]) -> None:
    """Let signals be taken as they were."""
    for number, handler in before.items():
        signal.signal(number, handler)


class StopSignals:
    """Turns the first Ctrl-C, SIGTERM or SIGHUP into a request to stop; a second one, but of SIGHUP, ends the process as usual.

    Attributes
    ----------
    stop
        Whether there was one.
    on_stop
        Called when there is; it is not to raise, for that could be in the middle of what has to be left whole.
    never_raises
        True: so a model that is learning does not let these signals wait, nor do kernels that are being compiled.
    """

    never_raises = True

    def __init__(self) -> None:
        self.stop = False
        self.on_stop: Callable[[], object] = lambda: None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = taken_by(self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        given_back(self._before)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.stop = True
        given_back({number: handler for number, handler in self._before.items() if number != _SIGHUP})
        heard_once(number)
        self.on_stop()
