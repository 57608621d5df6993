"""MOA's multi-label learners for the comparison, in a Java process that answers one line for each event."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.compare.sets import Stream

FOLDER = "MOA_LIBS"  # environment variable: the folder with MOA's jar and those it needs
_BRIDGE = Path(__file__).with_name("MoaBridge.java")


class Moa:
    """A learner of MOA; a label is predicted when more than half of the votes are for it.

    Parameters
    ----------
    n_labels, n_features
        Sizes of the stream; MOA has to know them from the start.
    learner
        As on MOA's command line.
    heap_mb
        Most memory of the Java heap; it is not part of the memory that the comparison measures.
    seed
        Its seed.

    Raises
    ------
    FileNotFoundError
        If the folder has no jar of MOA, or there is no Java.
    RuntimeError
        If Java ends; the message is its exception.
    """

    works_elsewhere = True

    def __init__(self, n_labels: int, n_features: int, learner: str, heap_mb: int, seed: int) -> None:
        folder = os.environ.get(FOLDER, "")
        if not folder or not list(Path(folder).glob("moa-*.jar")):
            raise FileNotFoundError(f"{FOLDER} names no folder with MOA's jar and those it needs")
        java = shutil.which("java")
        if java is None:
            raise FileNotFoundError("there is no Java")
        command = [java, f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", "-cp", f"{folder}/*", str(_BRIDGE)]
        sizes = [learner, str(n_labels), str(n_features), str(seed)]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [*command, *sizes], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self._tell("")  # until Java has started and compiled

    def test_then_train_many(self, X: Any, Y: Any) -> Any:
        """Return the answers, bool[events, labels], each made before its event was learned."""
        X = sparse.csr_array(X)
        answers = np.zeros(Y.shape, bool)
        for row in range(len(Y)):
            cells = slice(X.indptr[row], X.indptr[row + 1])
            pairs = zip(X.indices[cells].tolist(), X.data[cells].tolist(), strict=True)
            features = " ".join(f"{column}:{'NaN' if value != value else repr(value)}" for column, value in pairs)
            labels = " ".join(map(str, np.flatnonzero(Y[row]).tolist()))
            found = self._tell(f"{labels};{features}\n")
            answers[row, [int(label) for label in found.split()]] = True
        return answers

    def _tell(self, line: str) -> str:
        """Send a line and return the one that comes back."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
            found = self._process.stdout.readline()
        except BrokenPipeError:
            found = ""
        if not found:
            self._errors.seek(0)
            told = [text for text in self._errors.read().splitlines() if "Exception" in text or "Error" in text]
            raise RuntimeError(f"MOA ended: {told[0] if told else 'it said nothing'}")
        return found

    def __del__(self) -> None:
        process = getattr(self, "_process", None)
        if process is not None:
            process.kill()
            process.communicate()
            self._errors.close()


def moa(stream: Stream, seed: int, learner: str, heap_mb: int) -> Moa:
    """Return a learner of MOA."""
    return Moa(len(stream.labels), len(stream.features), learner, heap_mb, seed)
