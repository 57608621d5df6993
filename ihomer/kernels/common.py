"""What all kernels share: the way they are compiled, and the dtypes of their state."""

import os
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

INDEX = np.int32  # features, labels, nodes: two thousand million of each are enough
VALUE = np.float64  # sums over months of events need the digits

# error_model="numpy": a division by zero gives inf or nan, as in NumPy, instead of an exception in mid-update.
# No fastmath: a sum gives the same bits wherever the compiler inlines it.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile on first call; keep the machine code on disk unless IHOMER_CACHE=0 or no place is writable."""
    if os.environ.get("IHOMER_CACHE", "1") != "0":
        try:
            return numba.njit(cache=True, **_OPTIONS)(function)
        except RuntimeError:  # Numba found no writable place for its cache
            pass
    return numba.njit(**_OPTIONS)(function)
