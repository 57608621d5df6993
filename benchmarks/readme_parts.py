"""What the makers of README.md's blocks share."""

import json
from typing import Any

from benchmarks.common import RESULTS


def load(name: str) -> dict[str, Any]:
    """Return a result."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return found


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
