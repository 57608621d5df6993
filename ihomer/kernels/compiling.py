"""When machine code is being made: where a kernel is first used, and no code of an earlier process is kept."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from numba.core import event

__all__ = ["Compilation", "watched_compilation"]


class Compilation(event.Listener):
    """Measures how long kernels are being compiled, and tells when that begins.

    Parameters
    ----------
    begins
        Called when the first kernel is being compiled, and when the first one is after `taken`.
    """

    def __init__(self, begins: Callable[[], object]) -> None:
        self._begins = begins
        self._n_open = 0  # a kernel has others compiled that it calls
        self._started = self._seconds = 0.0
        self._is_told = False

    def on_start(self, event: event.Event) -> None:
        self._n_open += 1
        if self._n_open == 1:
            self._started = time.perf_counter()
        if not self._is_told:
            self._is_told = True
            self._begins()

    def on_end(self, event: event.Event) -> None:
        self._n_open -= 1
        if self._n_open == 0:
            self._seconds += time.perf_counter() - self._started

    def taken(self) -> float:
        """Return the seconds that compilation has taken since this was asked last, 0 if there was none."""
        seconds = self._seconds
        self._seconds, self._is_told = 0.0, False
        return seconds


@contextmanager
def watched_compilation(begins: Callable[[], object]) -> Iterator[Compilation]:
    """Watch compilation, of all threads of the process, inside a with statement.

    Examples
    --------
    >>> import numba
    >>> from ihomer.kernels.compiling import watched_compilation
    >>> with watched_compilation(lambda: print("compiling")) as compilation:
    ...     double = numba.njit(lambda x: 2 * x)
    ...     double(1), double(2), compilation.taken() > 0.0, compilation.taken()
    compiling
    (2, 4, True, 0.0)
    """
    with event.install_listener("numba:compile", Compilation(begins)) as compilation:
        yield compilation
