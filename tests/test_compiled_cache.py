"""Machine code that is kept on disk is that of the present sources; the making of more is told."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from ihomer.kernels import common
from ihomer.kernels.compiling import watched_compilation

CALLEE = "from kernels.common import inner\n\n@inner\ndef callee(x):\n    return x + {}\n"
CALLER = "from kernels.common import jit\nfrom kernels.callee import callee\n\n@jit\ndef caller(x):\n    return callee(x)\n"


def test_a_change_of_a_callee_in_another_file_is_seen(tmp_path):
    """By itself Numba looks at the file of the kernel that is called from Python."""
    folder = tmp_path / "kernels"
    folder.mkdir()
    shutil.copy(Path(common.__file__), folder / "common.py")
    (folder / "caller.py").write_text(CALLER)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "IHOMER_CACHE": "1"}

    def answer(added):
        (folder / "callee.py").write_text(CALLEE.format(added))
        program = "from kernels.caller import caller; print(caller(1), sum(caller.stats.cache_hits.values()))"
        command = [sys.executable, "-B", "-c", program]
        found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return found.stdout.split()

    assert answer(1) == ["2", "0"]
    assert answer(1) == ["2", "1"]
    assert answer(100) == ["101", "0"]


def test_compilation_is_told_when_it_begins_and_again_after_it_was_asked_for():
    told = []
    callee = numba.njit(lambda x: x + 1)
    with watched_compilation(lambda: told.append("begun")) as compilation:
        assert compilation.taken() == 0.0
        caller = numba.njit(lambda x: callee(x))
        assert caller(1) == 2
        assert told == ["begun"]  # once for both
        broken = numba.njit(lambda x: x.no_such_attribute)
        with pytest.raises(numba.TypingError):
            broken(1)
        assert compilation.taken() > 0.0
        assert caller(5) == 6
        assert (told, compilation.taken()) == (["begun"], 0.0)
        assert caller(1.5) == 2.5  # of another type
        assert told == ["begun"] * 2
        assert compilation.taken() > 0.0
    assert caller(1j) == 1 + 1j
    assert (told, compilation.taken()) == (["begun"] * 2, 0.0)
