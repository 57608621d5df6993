"""Test set-up: a compile cache named by what the kernels say, and the folder of real data sets where there is one."""

import hashlib
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _digest_of_kernels() -> str:
    digest = hashlib.sha256()
    for path in sorted((ROOT / "ihomer" / "kernels").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


# Numba's cache does not see edits of callees in other files; a directory named by all sources does.
os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".numba_cache" / _digest_of_kernels()))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real MULAN sets; IHOMER_DATA names another one."""
    folder = Path(os.environ.get("IHOMER_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "yeast.arff.gz").exists():
        pytest.skip(f"no data sets in {folder}")
    return folder
