"""Models in files: saved at once or not at all, loaded without running anything that stands in the file.

A file is a safetensors file: arrays, and one entry of metadata that holds everything else as JSON, the number of the format and
a checksum over all. Loading checks the checksum, and then every value: its type, shape and range, and that links between
values lead somewhere. A file that is cut short, altered, of another format or made to do harm is refused.
"""

import os
from contextlib import nullcontext
from typing import Any, TypeVar

from ihomer.classifier import IHOMERClassifier
from ihomer.encoder import Nominal
from ihomer.interrupts import Changeable
from ihomer.partition import LabelPartition
from ihomer.saved.files import Content, open_file, pack, pack_in_parts, remove_unfinished, unpack, write_file
from ihomer.saved.models import classifier_of, classifier_state, tree_of, tree_state
from ihomer.saved.partition import partition_of, partition_state
from ihomer.saved.scores import SCORE_PARTS
from ihomer.saved.tree import RECORDS
from ihomer.saved.values import Kinds, ModelFileError, Part
from ihomer.tree import MLHATClassifier

__all__ = [
    "KINDS",
    "Content",
    "Kinds",
    "ModelFileError",
    "Part",
    "load",
    "open_file",
    "pack",
    "pack_in_parts",
    "remove_unfinished",
    "save",
    "unpack",
    "write_file",
]

KINDS = Kinds(
    parts={
        "IHOMERClassifier": Part(IHOMERClassifier, classifier_state, classifier_of),
        "MLHATClassifier": Part(MLHATClassifier, tree_state, tree_of),
        "LabelPartition": Part(LabelPartition, partition_state, partition_of),
        **SCORE_PARTS,
    },
    marks={"nominal": Nominal},
    records=RECORDS,
)
"""What ihomer's files may hold beside plain values: classifiers, partitions, scoreboards, metrics and baselines."""

Saved = TypeVar("Saved")


def save(value: Any, path: str | os.PathLike[str]) -> None:
    """Write an object, or a tree of plain values with such objects in it, to a file; its arrays are not copied for that.

    Other threads that use a classifier wait until it is written.

    Parameters
    ----------
    value
        A classifier, partition, scoreboard, metric or baseline of ihomer, or lists and dictionaries of them. Names of labels
        and features may be str, int, float, bool, None, bytes, NumPy numbers, and tuples and frozensets of these.
    path
        The file. After any error it is as it was before.

    Raises
    ------
    TypeError
        If something has no place in a file, as a label of a class of one's own; the message says what.
    OSError
        If the file cannot be written.
    """
    with value._next_turn() if isinstance(value, Changeable) else nullcontext():
        write_file(path, pack_in_parts(value, KINDS))


def load(path: str | os.PathLike[str], cls: type[Saved]) -> Saved:
    """Return the object that a file holds.

    Parameters
    ----------
    path
        The file.
    cls
        The class that the object must have.

    Raises
    ------
    ModelFileError
        If the file is damaged, altered, of another format, or holds something else.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ihomer import MLHATClassifier
    >>> from ihomer.persistence import load, save
    >>> model = MLHATClassifier(seed=1)
    >>> model.learn_one({"clouds": 0.9}, {"rain"})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(model, Path(folder) / "model")
    ...     again = load(Path(folder) / "model", MLHATClassifier)
    >>> again.predict_one({"clouds": 0.9})
    {'rain': True}
    """
    try:
        with open_file(path) as file:
            value = unpack(file, KINDS)
    except ModelFileError as error:
        raise ModelFileError(f"{os.fspath(path)}: {error}") from None
    if type(value) is not cls:
        raise ModelFileError(f"{os.fspath(path)} holds an object of type {type(value).__name__}, not of type {cls.__name__}")
    return value
