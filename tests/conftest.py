"""Test set-up: a compile cache named by what the kernels say, and the folder of real data sets where there is one."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Broker, missing

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


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """HOST:PORT of a real Kafka broker: IHOMER_KAFKA if that is set, else one of our own."""
    running = os.environ.get("IHOMER_KAFKA")
    if running:
        yield running
        return
    absent = missing()
    if absent:
        if os.environ.get("IHOMER_REQUIRE_KAFKA") == "1":
            pytest.fail(f"a Kafka broker is required: {absent}")
        pytest.skip(f"no Kafka broker: {absent}")
    with Broker() as ours:
        yield ours.address
