"""Signals, errors and other threads while a model changes: it is left whole, or it says that it is not."""

import _signal  # type: ignore[import-not-found]
import copy
import functools
import inspect
import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import compress
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar, cast

import numpy as np

__all__ = ["Changeable", "Uninterrupted", "in_turn", "writable"]

# Signals are handled by `_signal`: the enumerations that `signal` puts around it take ten times as long as the rest.
_SIGINT = int(signal.SIGINT)
# Those of real time, which programs give a meaning of their own, are left out: to ask for all takes half as long again.
_HELD = tuple(number for number in sorted(map(int, signal.valid_signals())) if number < getattr(signal, "SIGRTMIN", 64))


class Changeable:
    """Base of what changes as a whole: calls from several threads take turns (`in_turn`), copies are made between two changes.

    An error in the middle of a change, as of memory that is out, leaves it between two states. It is not to be used then:
    arrays that no longer fit each other are written beside.

    Settings stay as they were given: what is built from them would not follow, and a file would hold a model that never was.
    """

    _fixed: frozenset[str] = frozenset()
    _parts: frozenset[str] = frozenset()  # that can be looked at: with another one what is learned would be written beside
    _broken_by: str | None = None
    _is_loaded = False  # the kernels that answer
    _turn: threading.RLock
    _process: int  # whose threads take turns

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith("ihomer.") and "__init__" in vars(cls):  # what a subclass of others adds is theirs
            cls._fixed |= inspect.signature(cls).parameters.keys()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._fixed and name in self.__dict__:
            kind = type(self).__name__
            another = f"clone({{{name!r}: ...}}) makes one that has learned nothing"
            raise AttributeError(f"{name} is set when a {kind} is made; {another}")
        if name in self._parts and name in self.__dict__:
            raise AttributeError(f"{name} is part of this {type(self).__name__}, which cannot go on with another one")
        super().__setattr__(name, value)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        made._begin_turns()
        return made

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_turn", "_process", "_is_loaded")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(writable(state))
        self._begin_turns()  # not every way to make a copy goes through `__new__`

    def __repr__(self) -> str:
        """Return what makes another one: the settings that are not the defaults, those of its parts too."""
        told = []
        for name, parameter in inspect.signature(type(self)).parameters.items():
            value = getattr(self, name, parameter.default)
            if value is not parameter.default and value != parameter.default:
                told.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(told)})"

    def _begin_turns(self) -> None:
        self._turn = threading.RLock()
        self._process = os.getpid()

    def _next_turn(self) -> threading.RLock:
        """Return what is held during a turn."""
        if self._process != os.getpid():
            if self._turn.acquire(blocking=False):
                self._turn.release()
                self._process = os.getpid()
            else:  # by a thread that there is in the parent process only
                self._broken_by = "a fork"
                self._begin_turns()
        return self._turn

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        with self._next_turn():
            memo[id(self)] = made = type(self).__new__(type(self))
            made.__setstate__(copy.deepcopy(self.__getstate__(), memo))
            return made

    def __copy__(self) -> Self:
        return copy.deepcopy(self)  # two that share arrays would write beside them

    def clone(self, new_params: dict[str, Any] | None = None, include_attributes: bool = False) -> Self:
        """Return one with the same settings that has learned nothing, or a copy of this one.

        Parameters
        ----------
        new_params
            Settings in place of those of this one.
        include_attributes
            Whether it has learned what this one has.

        Raises
        ------
        ValueError
            If there are new settings for what has learned with others.
        """
        if not include_attributes:
            made: Self = super().clone(new_params)  # type: ignore[misc]
            return made
        if new_params:
            raise ValueError(f"{type(self).__name__} has learned with its own settings: clone has new ones or its attributes")
        return copy.deepcopy(self)

    def _while_loading(self) -> AbstractContextManager[Any]:
        """Let signals wait where kernels may be loaded or compiled: what a handler raises within Numba, it may not survive."""
        # An answer changes nothing, so that an error breaks nothing of this one.
        return nullcontext() if self._is_loaded else Uninterrupted(Changeable())

    def _refuse_if_broken(self) -> None:
        """Raise RuntimeError if a change has ended half-way."""
        if self._broken_by is not None:
            name = type(self).__name__
            raise RuntimeError(f"{self._broken_by} has ended a change of this {name} half-way: load it as it was last saved")


def writable(value: Any) -> Any:
    """Return a value of plain objects and arrays with copies of the arrays that cannot be written to, as those of a file that
    joblib has mapped into memory.
    """
    if isinstance(value, np.ndarray):
        return value if value.flags.writeable else np.array(value)
    if isinstance(value, dict):
        value.update((name, writable(part)) for name, part in value.items() if not isinstance(part, int | float | str))
    elif isinstance(value, list):
        value[:] = map(writable, value)
    elif isinstance(value, tuple):
        parts = [writable(part) for part in value]
        if any(part is not before for part, before in zip(parts, value, strict=True)):
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    elif type(value).__module__.startswith("ihomer.") and not isinstance(value, Changeable) and hasattr(value, "__dict__"):
        writable(value.__dict__)
    return value


_Method = TypeVar("_Method", bound=Callable[..., Any])


def in_turn(method: _Method) -> _Method:
    """Return a method of a `Changeable` that waits until no other thread is in such a method of the same object."""

    @functools.wraps(method)
    def waiting(self: Changeable, /, *args: Any, **kwargs: Any) -> Any:
        with self._next_turn():
            return method(self, *args, **kwargs)

    return cast(_Method, waiting)


def _may_raise(handler: Callable[..., Any]) -> bool:
    owner = getattr(handler, "__self__", None)
    return not (isinstance(owner, Uninterrupted) or getattr(owner, "never_raises", False))


class Uninterrupted:
    """Lets signals that something in Python waits for wait until `release`, or the end of the block; a second Ctrl-C does not.

    So a handler that raises, as that of Ctrl-C does, leaves a model whole. In other threads than the main one, in which no
    handler ever runs, and within another such block, it has no effect on signals. Nor has it where the handler is a method of
    an object whose attribute `never_raises` is true.

    Parameters
    ----------
    owner
        What changes in the block. If an error ends the block half-way, it refuses to be used from then on.

    Raises
    ------
    RuntimeError
        If it has come to that before.

    Examples
    --------
    >>> import os, signal
    >>> from ihomer.interrupts import Changeable, Uninterrupted
    >>> try:
    ...     with Uninterrupted(Changeable()):
    ...         os.kill(os.getpid(), signal.SIGINT)
    ...         print("whole")
    ... except KeyboardInterrupt:
    ...     print("interrupted")
    whole
    interrupted
    """

    def __init__(self, owner: Changeable) -> None:
        self._owner = owner
        self._before: dict[int, Any] = {}
        self._waiting: list[tuple[int, FrameType | None]] = []
        self._is_whole = False  # what is raised comes from a handler, between two changes

    def __enter__(self) -> Self:
        self._owner._refuse_if_broken()
        if threading.get_ident() == threading.main_thread().ident:
            try:
                self._hold()
            except BaseException:  # a handler's, of a signal that is not held back yet
                self._let_go()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not self._is_whole:
            self._owner._broken_by = kind.__name__
        self._let_go()

    def release(self) -> None:
        """Do now, between two changes, what the signals that wait do."""
        if self._waiting:
            self._is_whole = True
            self._let_go()
            self._hold()
            self._is_whole = False

    def _hold(self) -> None:
        """Take the place of the handlers that may raise, but not of those of such a block around this one."""
        for number in compress(_HELD, map(callable, map(_signal.getsignal, _HELD))):
            before = _signal.getsignal(number)
            if callable(before) and _may_raise(before):
                self._before[number] = before
                try:
                    _signal.signal(number, self._take)
                except ValueError:  # `threading` takes the thread that imports it for the main one
                    return

    def _let_go(self) -> None:
        """Give signals their handlers back, then do what those that wait do."""
        try:
            self._restore()
        finally:
            self._hand_out()

    def _restore(self) -> None:
        """Give signals their handlers back, whatever a handler raises meanwhile; one that a handler has set stays."""
        try:
            while self._before:
                number = next(iter(self._before))
                if _signal.getsignal(number) == self._take:
                    _signal.signal(number, self._before[number])
                del self._before[number]
        finally:
            if self._before:
                self._restore()

    def _hand_out(self) -> None:
        """Do what the signals that wait do, each by the handler that it has then, whatever one of them raises."""
        try:
            while self._waiting:
                number, frame = self._waiting.pop(0)
                handler = _signal.getsignal(number)
                if callable(handler):
                    handler(number, frame)
                else:  # one before has set that the signal is ignored, or ends the process
                    _signal.raise_signal(number)
        finally:
            if self._waiting:
                self._hand_out()

    def _take(self, number: int, frame: FrameType | None) -> None:
        is_second = number == _SIGINT and any(waiting == number for waiting, _ in self._waiting)
        self._waiting.append((number, frame))
        if is_second:
            self._let_go()
            self._hold()
