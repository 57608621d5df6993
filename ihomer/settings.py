"""Checks of settings: each raises a ValueError that names the setting, says what it may be, and what was given."""

import contextlib
import math
import numbers
import sys
from typing import Any, TypeVar

import numpy as np

__all__ = ["flag", "fraction", "is_number", "one_of", "plain", "positive", "told", "whole"]

_T = TypeVar("_T")
_LONGEST = 100  # text of a value in a message


def is_number(value: Any) -> bool:
    """Tell whether a value is a real number; truth values and spans of time are none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.timedelta64)


def told(value: Any) -> str:
    """Return the text of a value as messages tell it: one line, of 100 characters at most."""
    try:
        text = " ".join(repr(value).splitlines())
    except ValueError:
        text = f"a value of type {type(value).__name__} with thousands of digits"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def plain(value: _T) -> _T:
    """Return a number of any kind, or a value of NumPy, as Python has it; anything else as it is.

    No sum overflows what Python has, compiled code takes it, and it has a place in a file.
    """
    result: Any = value.item() if isinstance(value, np.generic) and not isinstance(value, np.timedelta64) else value
    if is_number(result):
        with contextlib.suppress(OverflowError):
            result = int(result) if isinstance(result, numbers.Integral) else float(result)
    return result  # type: ignore[no-any-return]


def whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return a whole number within bounds."""
    good = is_number(value) and isinstance(value, numbers.Integral)
    if not good or value < least or (most is not None and value > most):
        limits = f"at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be a whole number, {limits}, not {told(value)}")
    return int(value)


def positive(name: str, value: Any, most: float = math.inf) -> float:
    """Return a finite number greater than 0 and at most `most`."""
    if not is_number(value) or not 0.0 < value <= min(most, sys.float_info.max):
        limits = "greater than 0" if math.isinf(most) else f"greater than 0 and at most {most:g}"
        raise ValueError(f"{name} must be a number {limits}, not {told(value)}")
    return float(value)


def fraction(name: str, value: Any) -> float:
    """Return a number between 0 and 1, both excluded."""
    if not is_number(value) or not 0.0 < value < 1.0:
        raise ValueError(f"{name} must be a number between 0 and 1, not {told(value)}")
    return float(value)


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """Return one of a few words."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {told(value)}")
    return value


def flag(name: str, value: Any) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, not {told(value)}")
    return value
