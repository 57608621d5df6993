"""`ihomer run` that ends itself by SIGKILL at one of the steps that matter: python -m tests.dying_run STEP ARGUMENT...

Steps are counted before and after each note in the journal, the start and the end of each commit, and each checkpoint, and in
the middle of writing one, when the temporary file is there and has not got its name yet.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from ihomer.saved import files
from streams.checkpoint import CheckpointFolder
from streams.cli import main
from streams.kafka import KafkaSink


class Steps:
    """Counts steps and dies at the last one."""

    def __init__(self, last: int) -> None:
        self.left = last

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, cls: type, name: str) -> None:
        """Count a step before and one after each call of a method."""
        method: Callable[..., Any] = getattr(cls, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.step()
            result = method(*args, **kwargs)
            self.step()
            return result

        setattr(cls, name, counted)


def run() -> None:
    steps = Steps(int(sys.argv[1]))
    for cls, name in (
        (CheckpointFolder, "note"),
        (KafkaSink, "start_commit"),
        (KafkaSink, "settle"),
        (CheckpointFolder, "save"),
    ):
        steps.around(cls, name)
    replace = os.replace

    def counted_replace(*args: Any, **kwargs: Any) -> None:
        steps.step()
        replace(*args, **kwargs)

    files.os.replace = counted_replace  # type: ignore[attr-defined]
    main(sys.argv[2:])


if __name__ == "__main__":
    run()
