"""What a checkpoint holds: the state of `Answering`, and the positions in the source."""

from typing import Any

from ihomer.persistence import ModelFileError, pack, unpack
from streams.answering import Answering
from streams.message import Positions
from streams.scoring import Scoring

__all__ = ["pack_state", "unpack_state"]

_VERSION = 1
_CLASSES: dict[str, type[Any]] = {"Scoring": Scoring}


def pack_state(answering: Answering, positions: Positions) -> bytes:
    """Return the bytes of a checkpoint; the same state gives the same bytes."""
    places = [[topic, partition, offset] for (topic, partition), offset in sorted(positions.items())]
    return pack({"version": _VERSION, "positions": places, "answering": answering.state()}, _CLASSES)


def unpack_state(content: bytes, answering: Answering) -> Positions:
    """Fill `answering` with what `pack_state` packed; return the positions.

    Raises
    ------
    ModelFileError
        If it is not such bytes, sound and whole, of this version or an older one. `answering` is then of no use.
    """
    state = unpack(content, _CLASSES)
    try:
        if state["version"] > _VERSION:
            raise ModelFileError(f"made by a newer version of ihomer (checkpoint version {state['version']})")
        answering.restore(state["answering"])
        return {(str(topic), int(partition)): int(offset) for topic, partition, offset in state["positions"]}
    except ModelFileError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"it is no checkpoint: {error!r}") from None
