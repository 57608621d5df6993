"""What stands in a checkpoint, as plain values."""

import copy
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ihomer import IHOMERClassifier
from ihomer.interface import StreamClassifier
from ihomer.persistence import ModelFileError, open_file
from streams.answering import Answering
from streams.errors import SourceError
from streams.message import Positions
from streams.run import BASELINE, MODEL
from streams.state import unpack_state

__all__ = ["inspect", "model_of"]

_Read = TypeVar("_Read")


def inspect(path: Path) -> dict[str, Any]:
    """Return what a checkpoint holds, as JSON can hold it.

    Parameters
    ----------
    path
        A checkpoint, or the folder of a run: then the newest one that is sound.

    Raises
    ------
    ModelFileError
        If the file is no sound checkpoint.
    SourceError
        If the folder holds none.
    OSError
        If it cannot be read.
    """
    return _of_newest(path, _inspect_file)


def model_of(path: Path) -> StreamClassifier:
    """Return the model that a checkpoint holds; it goes on as that of the run would have.

    Parameters and errors are those of `inspect`.
    """
    return _of_newest(path, lambda file: _restored(file)[0].model)


def _of_newest(path: Path, read: Callable[[Path], _Read]) -> _Read:
    """Return what is read from a checkpoint, or from the newest one in a folder that is sound."""
    if not path.is_dir():
        return read(path)
    damaged: dict[Path, str] = {}
    while files := sorted(set(path.glob("checkpoint-*.ihomer")) - set(damaged), reverse=True):
        try:
            return read(files[0])
        except ModelFileError as error:
            damaged[files[0]] = str(error)
        except FileNotFoundError:  # the run has a newer one
            if os.path.lexists(files[0]):
                raise
    if not damaged:
        raise SourceError(f"{path}: no checkpoint in it")
    newest = next(iter(damaged.values()))
    raise SourceError(f"{path}: none of {len(damaged)} checkpoints can be read, the newest because {newest}")


def _restored(file: Path) -> tuple[Answering, Positions, int]:
    """Return what a checkpoint holds, and how many bytes it has."""
    answering = Answering(IHOMERClassifier())
    try:
        with open_file(file) as content:
            return answering, unpack_state(content, answering), content.seek(0, os.SEEK_END)
    except ModelFileError as error:
        raise ModelFileError(f"{file}: {error}") from None


def _inspect_file(file: Path) -> dict[str, Any]:
    answering, places, n_bytes = _restored(file)
    positions = sorted(places.items())
    model, late = answering.model, answering.late
    partition = getattr(model, "partition", None)
    scoring = copy.deepcopy(answering.scoring)
    return {
        "file": file.name,
        "bytes": n_bytes,
        "counts": {
            "n_read": answering.n_read,
            "n_predicted": answering.n_predicted,
            "n_learned": answering.n_learned,
            "n_joined": answering.n_joined,
            "n_tombstones": answering.n_tombstones,
            **{f"dead_{code}": n for code, n in sorted(answering.n_dead.items())},
        },
        "model": {"class": type(model).__name__, **getattr(model, "summary", {})},
        "late": {
            "waiting": late.n_waiting,
            "early": late.n_early,
            "expired": late.n_expired,
            "orphans": late.n_orphans,
            "repeated": late.n_repeated,
        },
        "positions": [
            {"topic": topic, "partition": number, "offset": offset} for (topic, number), offset in positions
        ],
        "scores": {
            f"{name} {reading}": {score: _finite(value) for score, value in scoring.scores(name, reading).items()}
            for reading in ("total", "window")
            for name in (MODEL, BASELINE)
        },
        "clusters": {} if partition is None else {str(id): list(names) for id, names in partition.clusters.items()},
        "drifts": getattr(model, "drifts", []),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
