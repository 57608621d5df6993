"""A name for the state of the kernels' sources: Numba's cache does not see edits of callees in other files."""

import hashlib
from pathlib import Path

__all__ = ["digest_of_kernels"]

KERNELS = Path(__file__).resolve().parents[1] / "ihomer" / "kernels"


def digest_of_kernels() -> str:
    """Return 16 characters that change with any source of a kernel.

    Examples
    --------
    >>> len(digest_of_kernels())
    16
    """
    digest = hashlib.sha256()
    for path in sorted(KERNELS.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
