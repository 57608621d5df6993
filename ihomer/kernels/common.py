"""What all kernels share: the way they are compiled, and the dtypes of their state."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

INDEX = np.int32  # features, labels: two thousand million of each are enough
VALUE = np.float64  # sums over months of events need the digits

# error_model="numpy": a division by zero gives inf or nan, as in NumPy, instead of an exception in mid-update.
# No fastmath: a sum gives the same bits wherever the compiler inlines it.
_njit: Any = numba.njit
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}


def _digest_of_sources() -> str:
    """Return 16 characters that change with any source of a kernel."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


SOURCES = _digest_of_sources()


def jit(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, on its first call.

    The machine code is kept on disk, until a kernel's source changes, unless IHOMER_CACHE=0 or no place is writable.
    """
    if os.environ.get("IHOMER_CACHE", "1") != "0":
        try:
            kernel = _njit(cache=True, **_OPTIONS)(function)
        except RuntimeError:  # Numba found no writable place for its cache
            return _njit(**_OPTIONS)(function)
        if hasattr(kernel, "_cache"):  # Numba by itself asks for the file of the function alone, not for those that it calls
            kernel._cache._cache_file._source_stamp = SOURCES
        return kernel
    return _njit(**_OPTIONS)(function)


def inner(function: Callable[..., Any]) -> Any:
    """Compile a function that kernels alone may call: without the way in from Python, which for the state of a tree takes
    longer to compile than most functions.

    A call from Python would crash; IHOMER_INNER_CALLS=1 makes it possible, for tests.
    """
    if os.environ.get("IHOMER_INNER_CALLS", "0") == "1":
        return jit(function)
    return _njit(no_cpython_wrapper=True, **_OPTIONS)(function)


@inner
def row_of(feature, n_rows):
    """Return the row of weights of a feature: its own, or one that it shares where there are fewer rows than features."""
    return feature if feature < n_rows else feature % n_rows  # a division for each feature and model would be felt


@inner
def copy_first(source, target, n):
    """Copy the first n values: an assignment between slices brings its error messages along, which take seconds to compile."""
    for i in range(n):
        target[i] = source[i]
