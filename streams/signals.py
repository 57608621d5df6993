"""What a run does when it is told to stop; imports little, so that it stands before all else is loaded."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["StopSignals", "taken_by"]


def taken_by(handler: Callable[[int, FrameType | None], object]) -> dict[int, Any]:
    """Let a handler take Ctrl-C, SIGTERM and, unless it is ignored as under nohup, SIGHUP; return what took them before.

    In other threads than the main one nothing can be taken.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return {number: signal.signal(number, handler) for number in numbers}


class StopSignals:
    """Turns the first Ctrl-C, SIGTERM or SIGHUP into a request to stop; a second one ends the process as usual.

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
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.stop = True
        self._restore()
        self.on_stop()
