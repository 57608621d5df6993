"""Machine code that is kept on disk is that of the present sources."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ihomer.kernels import common

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
