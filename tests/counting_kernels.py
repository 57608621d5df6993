"""Runs kernels that are not compiled on numbers that count what is done with them; started with NUMBA_DISABLE_JIT=1."""

import builtins
import copy
import importlib
import json
import math
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np

MODULES = (
    "bayes", "curves", "decoding", "expected", "frequency", "hidden", "labelsets", "linalg", "linear", "local", "mixing",
    "odds", "rehearsal", "ridge", "scaling", "window",
)  # fmt: skip
done = [0, 0]  # operations beside exp, log and square root, and these


class Counted:
    """A number that counts +, -, * and /."""

    __array_ufunc__ = None
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = builtins.float(value)

    def _result(self, value: float) -> "Counted":
        done[0] += 1
        return Counted(value)

    def __add__(self, other: Any) -> "Counted":
        return self._result(self.value + plain(other))

    def __sub__(self, other: Any) -> "Counted":
        return self._result(self.value - plain(other))

    def __rsub__(self, other: Any) -> "Counted":
        return self._result(plain(other) - self.value)

    def __mul__(self, other: Any) -> "Counted":
        return self._result(self.value * plain(other))

    def __truediv__(self, other: Any) -> "Counted":
        return self._result(self.value / plain(other) if plain(other) else math.inf)

    def __rtruediv__(self, other: Any) -> "Counted":
        return self._result(plain(other) / self.value if self.value else math.inf)

    __radd__, __rmul__ = __add__, __mul__

    def __abs__(self) -> "Counted":
        return Counted(abs(self.value))

    def __neg__(self) -> "Counted":
        return Counted(-self.value)

    def __lt__(self, other: Any) -> bool:
        return self.value < plain(other)

    def __le__(self, other: Any) -> bool:
        return self.value <= plain(other)

    def __gt__(self, other: Any) -> bool:
        return self.value > plain(other)

    def __ge__(self, other: Any) -> bool:
        return self.value >= plain(other)

    def __eq__(self, other: Any) -> bool:
        return self.value == plain(other)

    def __float__(self) -> float:
        return self.value

    def __int__(self) -> int:
        return int(self.value)


def plain(number: Any) -> Any:
    return number.value if isinstance(number, Counted) else builtins.float(number)


class CountingMath:
    """exp, log and sqrt that count."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(math, name)

        def call(x: Any) -> Any:
            if not isinstance(x, Counted):
                return function(x)
            done[1] += name in ("exp", "log", "sqrt")
            return Counted(function(x.value)) if name != "isnan" else function(x.value)

        return call


class CountingArrays:
    """NumPy whose new arrays of floats hold counting numbers."""

    def __getattr__(self, name: str) -> Any:
        if name in ("float32", "float64"):
            return lambda x: x if isinstance(x, Counted) else getattr(np, name)(x)
        if name in ("empty", "zeros"):
            return lambda shape, dtype=np.float64: self._new(shape, dtype)
        return getattr(np, name)

    @staticmethod
    def _new(shape: Any, dtype: Any) -> Any:
        try:
            kind = np.dtype(dtype)
        except TypeError:  # a float type of this class
            return np.full(shape, 0.0, object)
        return np.zeros(shape, kind) if kind.kind != "f" else np.full(shape, 0.0, object)


def counting(value: Any) -> Any:
    """Return floats as counting numbers, arrays and all, and the values and kernels that are kept as whole numbers."""
    if isinstance(value, tuple):
        return tuple(map(counting, value))
    is_kernel = isinstance(value, np.ndarray) and value.dtype == np.uint8 and 1 < len(value) == value.shape[-1]
    if is_kernel or (isinstance(value, np.ndarray) and (value.dtype.kind == "f" or value.dtype == np.int16)):
        found = np.empty(value.shape, object)
        for at, number in np.ndenumerate(value):
            found[at] = Counted(number)
        return found
    return copy.deepcopy(value)


def run_counting(kernel: Any, arguments: tuple[Any, ...]) -> list[int]:
    modules = [importlib.import_module(f"ihomer.kernels.{name}") for name in MODULES]
    kept = [(module, {name: module.__dict__[name] for name in ("np", "math") if name in module.__dict__}) for module in modules]
    for module, names in kept:
        if "np" in names:
            module.np = CountingArrays()  # type: ignore[attr-defined]
        if "math" in names:
            module.math = CountingMath()  # type: ignore[attr-defined]
        module.float = lambda x: x if isinstance(x, Counted) else builtins.float(x)  # type: ignore[attr-defined]
    done[:] = [0, 0]
    try:
        kernel(*map(counting, arguments))
    finally:
        for module, names in kept:
            module.__dict__.update(names)
            del module.float  # type: ignore[attr-defined]
    return list(done)


def main() -> None:
    """Write as JSON, for each call in a pickle file, (kernel's module, its name, arguments), what was counted."""
    np.seterr(all="ignore")
    calls = pickle.loads(Path(sys.argv[1]).read_bytes())
    kernels = [(getattr(importlib.import_module(module), name), arguments) for module, name, arguments in calls]
    sys.stdout.write(json.dumps([run_counting(kernel, arguments) for kernel, arguments in kernels]))


if __name__ == "__main__":
    main()
