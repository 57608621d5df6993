"""What all kernels share: the way they are compiled, and the dtypes of their state."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import AnalysisPass, register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering, NopythonTypeInference
from numba.core.types import Dispatcher

INDEX = np.int32  # features, labels: two thousand million of each are enough
VALUE = np.float64  # sums over months of events need the digits

# error_model="numpy": a division by zero gives inf or nan, as in NumPy, instead of an exception in mid-update.
# No fastmath: a sum gives the same bits wherever the compiler inlines it.
_njit: Any = numba.njit
# Each says of itself whether it counts references: by itself, a function does so if the first one that called it does.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, "_nrt": True}


def _digest_of_sources() -> str:
    """Return 16 characters that change with any source of a kernel."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


SOURCES = _digest_of_sources()


class _LowerFromPython(Lower):
    """Makes the way in from Python count no references to arrays, where none is returned: whoever calls holds them meanwhile.

    To take one and give it back makes and frees a record of it, which for the arrays of an event is a twentieth of its time.
    """

    def create_cpython_wrapper(self, release_gil: bool = False) -> None:
        context = self.context
        if not context.data_model_manager[self.fndesc.restype].contains_nrt_meminfo():
            context = context.subtarget(enable_nrt=False)
        context.create_cpython_wrapper(self.library, self.fndesc, self.env, self.call_helper, release_gil=release_gil)


@register_pass(mutates_CFG=True, analysis_only=False)
class _LoweringFromPython(NativeLowering):
    _name = "lowering_from_python"
    lowering_class = _LowerFromPython


class _FromPython(CompilerBase):
    """The compiler of functions that Python calls."""

    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [(_LoweringFromPython if made is NativeLowering else made, what) for made, what in passes.passes]
        passes.finalize()
        return [passes]


def jit(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, on its first call.

    Arrays that belong together come in as a plain tuple, and get names within: Numba takes twice as long over a named one.
    The machine code is kept on disk, until a kernel's source changes, unless IHOMER_CACHE=0 or no place is writable.
    """
    options = {"pipeline_class": _FromPython, **_OPTIONS}
    if os.environ.get("IHOMER_CACHE", "1") != "0":
        try:
            kernel = _njit(cache=True, **options)(function)
        except RuntimeError:  # Numba found no writable place for its cache
            return _njit(**options)(function)
        if hasattr(kernel, "_cache"):  # Numba by itself asks for the file of the function alone, not for those that it calls
            kernel._cache._cache_file._source_stamp = SOURCES
        return kernel
    return _njit(**options)(function)


@register_pass(mutates_CFG=False, analysis_only=True)
class _RefuseArrays(AnalysisPass):
    """Refuse to compile a function that counts no references, but returns an array or calls a kernel that does.

    The caller would give back what was never taken, or nobody would give back what was made.
    """

    _name = "refuse_arrays"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        returned = [state.return_type]
        for call, signature in state.calltypes.items():
            if getattr(call, "op", None) == "call" and isinstance(state.typemap[call.func.name], Dispatcher):
                returned.append(signature.return_type)
        if any(state.targetctx.data_model_manager[kind].contains_nrt_meminfo() for kind in returned):
            raise TypeError(f"{state.func_id.func_name} must be @allocating: it counts no references, and an array is returned")
        return False


class _Borrowing(CompilerBase):
    """The compiler of functions that count no references."""

    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(_RefuseArrays, NopythonTypeInference)
        passes.finalize()
        return [passes]


def inner(function: Callable[..., Any]) -> Any:
    """Compile a function that kernels alone may call: without the way in from Python, which for the state of a tree takes
    longer to compile than most functions.

    Its arrays are borrowed: it makes none and returns none. So it counts no references to them, which would else be done with a
    locked instruction for each array of a named tuple in each call: a twentieth of the time of an event.
    A call from Python would crash.
    """
    return _njit(no_cpython_wrapper=True, pipeline_class=_Borrowing, **{**_OPTIONS, "_nrt": False})(function)


def allocating(function: Callable[..., Any]) -> Any:
    """Compile a function that kernels alone may call, and that makes arrays, or returns some."""
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
