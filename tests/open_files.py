"""Which files of a folder this process holds open."""

import contextlib
import os
from pathlib import Path


def open_below(folder: Path) -> list[str]:
    """Return what the open descriptors name in a folder, the folder itself too; other threads may open and close others."""
    named: list[str] = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # it was closed since the list was made
            named.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return [name for name in named if Path(name).is_relative_to(folder)]
