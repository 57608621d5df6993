"""What a checkpoint holds: the state of `Answering`, and the positions in the source."""

from io import BufferedIOBase
from typing import Any

import numpy as np

from ihomer.encoder import MAX_WEIGHT, MIN_WEIGHT
from ihomer.metrics import Scoreboard
from ihomer.persistence import KINDS, Kinds, ModelFileError, Part, pack_in_parts, unpack
from streams.answering import Answering
from streams.message import Positions
from streams.run import BASELINE, MODEL
from streams.scoring import Scoring

__all__ = ["pack_state", "state_in_parts", "unpack_state"]

_VERSION = 2
_SETS = ("positive", "unobserved", MODEL, BASELINE)


def _scoring_state(scoring: Scoring) -> dict[str, Any]:
    """Return scores with the events that wait to be counted: their labels as indices one after another, with ends."""
    rows = {
        "positive": [positive for positive, _ in scoring._truths],
        "unobserved": [unobserved for _, unobserved in scoring._truths],
        **scoring._predictions,
    }
    return {
        "labels": list(scoring._index),
        "n_scored": scoring.n_scored,
        "n_counted": scoring._n_counted,
        "boards": scoring._boards,
        "weights": np.array(scoring._weights, np.float64),
        "members": {name: np.array([i for row in some for i in row], np.int64) for name, some in rows.items()},
        "sizes": {name: np.array([len(row) for row in some], np.int64) for name, some in rows.items()},
    }


def _scoring_of(state: Any) -> Scoring:
    scoring = Scoring((MODEL, BASELINE))
    labels, boards, weights = state["labels"], state["boards"], state["weights"]
    scoring._index = {label: place for place, label in enumerate(labels)}
    _require(len(scoring._index) == len(labels), "a label stands twice")
    _require(type(boards) is dict and list(boards) == [MODEL, BASELINE], "the scores are not of model and baseline")
    _require(all(type(board) is Scoreboard for board in boards.values()), "scores are no scoreboard")
    scoring._boards = boards
    scoring.n_scored, scoring._n_counted = int(state["n_scored"]), int(state["n_counted"])
    _require(weights.dtype == np.float64 and weights.ndim == 1, "weights are none")
    _require(bool(((weights >= MIN_WEIGHT) & (weights <= MAX_WEIGHT)).all()), "weights are none")
    scoring._weights = weights.tolist()
    rows = {name: _rows(state["members"][name], state["sizes"][name], len(weights), len(labels)) for name in _SETS}
    scoring._truths = list(zip(rows["positive"], rows["unobserved"], strict=True))
    scoring._predictions = {name: rows[name] for name in (MODEL, BASELINE)}
    return scoring


def _rows(members: Any, sizes: Any, n_rows: int, n_labels: int) -> list[list[int]]:
    _require(members.dtype == sizes.dtype == np.int64 and members.ndim == sizes.ndim == 1, "sets of labels are none")
    _require(len(sizes) == n_rows and bool((sizes >= 0).all()) and int(sizes.sum()) == len(members), "sets do not fit")
    _require(bool(((members >= 0) & (members < n_labels)).all()), "a set has an unknown label")
    cells = np.repeat(np.arange(n_rows), sizes) * n_labels + members
    _require(len(np.unique(cells)) == len(cells), "a set has a label twice")
    return [part.tolist() for part in np.split(members, np.cumsum(sizes)[:-1])] if n_rows else []


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ModelFileError(otherwise)


_KINDS = Kinds({**KINDS.parts, "Scoring": Part(Scoring, _scoring_state, _scoring_of)}, KINDS.marks, KINDS.records)


def pack_state(answering: Answering, positions: Positions) -> bytes:
    """Return the bytes of a checkpoint; the same state gives the same bytes."""
    return b"".join(state_in_parts(answering, positions))


def state_in_parts(answering: Answering, positions: Positions) -> list[bytes | memoryview]:
    """Return what `pack_state` does, in parts that are to be written before the state changes; see `pack_in_parts`."""
    places = [[topic, partition, offset] for (topic, partition), offset in sorted(positions.items())]
    return pack_in_parts({"version": _VERSION, "positions": places, "answering": answering.state()}, _KINDS)


def unpack_state(content: bytes | BufferedIOBase, answering: Answering) -> Positions:
    """Fill `answering` with what `pack_state` packed; return the positions.

    Raises
    ------
    ModelFileError
        If it is not such bytes, sound and whole, of this version or an older one. `answering` is then of no use.
    """
    state = unpack(content, _KINDS)
    try:
        _require(type(state) is dict, f"it is no checkpoint: it holds an object of type {type(state).__name__}")
        if state["version"] > _VERSION:
            raise ModelFileError(f"made by a newer version of ihomer (checkpoint version {state['version']})")
        answering.restore(state["answering"])
        return {(str(topic), int(partition)): int(offset) for topic, partition, offset in state["positions"]}
    except ModelFileError:
        raise
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ModelFileError(f"it is no checkpoint: {error!r}") from None
