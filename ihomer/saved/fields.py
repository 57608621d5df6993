"""The state of one object, taken out field by field, each checked; and checks that several kinds of state share."""

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihomer.kernels.adwin import COUNTS, LEVELS, MAX_BUCKETS, TICKS, WIDTH
from ihomer.saved.values import ModelFileError, check_hashes, have_one_hash, is_name
from ihomer.vocabulary import Vocabulary

__all__ = [
    "BEYOND",
    "ENDLESS",
    "MOST",
    "Fields",
    "check_detectors",
    "check_list",
    "check_probes",
    "fill_vocabulary",
    "held",
    "made",
    "next_power",
    "settings_of",
    "vocabulary_state",
]

ENDLESS = 1 << 100  # of counters that no kernel sees
MOST = 1 << 53  # of counters: none comes near, and sums with them do not overflow
BEYOND = 2 * MOST  # what a counter that was at its end in a file may have come to when it is saved again

Shape = tuple[int | None, ...]


def held(owner: Any, *left_out: str) -> dict[str, Any]:
    """Return the attributes of an object by name, but for those that follow from the rest."""
    return {name: value for name, value in sorted(vars(owner).items()) if name not in left_out}


def settings_of(owner: Any) -> dict[str, Any]:
    """Return the arguments that an object was made with; they are kept as attributes of the same names."""
    return {name: getattr(owner, name) for name in inspect.signature(type(owner)).parameters}


def made(cls: type, settings: Any) -> Any:
    """Return a new object made with settings from a file; its constructor checks them.

    Raises
    ------
    ModelFileError
        If a setting is missing, unknown or refused.
    """
    if not isinstance(settings, dict) or settings.keys() != inspect.signature(cls).parameters.keys():
        raise ModelFileError(f"the settings of {cls.__name__} are not those of this version")
    try:
        return cls(**settings)
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelFileError(f"the settings of {cls.__name__} are refused: {error}") from error


def next_power(least: int) -> int:
    """Return the least power of two that is not below a number; 0 for 0."""
    return 1 << (least - 1).bit_length() if least > 0 else 0


class Fields:
    """A dictionary of attributes from a file, which are taken out one by one.

    Parameters
    ----------
    state
        The dictionary.
    where
        Name of the object that it is the state of, for messages.

    Raises
    ------
    ModelFileError
        From every method, if the field is missing or not as asked for.
    """

    def __init__(self, state: Any, where: str) -> None:
        if not isinstance(state, dict):
            raise ModelFileError(f"{where} has no state")
        self._state = dict(state)
        self.where = where

    def require(self, holds: bool | np.bool_, what: str) -> None:
        """Raise unless something holds."""
        if not holds:
            raise ModelFileError(f"{self.where}: {what}")

    def take(self, name: str) -> Any:
        """Return a field of any kind."""
        self.require(name in self._state, f"{name} is missing")
        return self._state.pop(name)

    def array(
        self, name: str, dtype: Any, shape: Shape, least: float | None = None, most: float | None = None
    ) -> NDArray[Any]:
        """Return an array of a dtype and shape (None: any length), with all values in least..most if these are given."""
        value = self.take(name)
        good = isinstance(value, np.ndarray) and value.dtype == np.dtype(dtype)
        self.require(good, f"{name} is no array of {np.dtype(dtype)}")
        fits = value.ndim == len(shape) and all(n is None or n == m for n, m in zip(shape, value.shape, strict=True))
        self.require(fits, f"{name} has the shape {value.shape}, not {shape}")
        self.require(bool(value.flags.c_contiguous and value.flags.aligned), f"{name} is not laid out as it should be")
        if value.size and least is not None:
            self.require(value.min() >= least, f"{name} has values that are too small")  # false for nan
        if value.size and most is not None:
            self.require(value.max() <= most, f"{name} has values that are too large")
        array: NDArray[Any] = value
        return array

    def finite(self, name: str, shape: Shape, least: float | None = None) -> NDArray[np.float64]:
        """Return an array of finite float64."""
        value = self.array(name, np.float64, shape, least)
        self.require(bool(np.isfinite(value).all()), f"{name} has values that are not finite")
        return value

    def counters(self, name: str, shape: Shape) -> NDArray[np.int64]:
        """Return an array of counters, int64; those beyond their end start there again.

        A model that was loaded with counters at their end has counted on when it is saved: what it saves must load as well.
        """
        value: NDArray[np.int64] = np.minimum(self.array(name, np.int64, shape, 0, BEYOND), MOST)
        return value

    def counter(self, name: str) -> int:
        """Return a single counter."""
        return min(self.whole(name, 0, BEYOND), MOST)

    def whole(self, name: str, least: int = 0, most: int = MOST) -> int:
        """Return a whole number within bounds."""
        value = self.take(name)
        self.require(type(value) is int and least <= value <= most, f"{name} is no whole number from {least} to {most}")
        return int(value)

    def flag(self, name: str) -> bool:
        """Return a truth value."""
        value = self.take(name)
        self.require(type(value) is bool, f"{name} is no truth value")
        return bool(value)

    def items(self, name: str) -> list[Any]:
        """Return a list."""
        value = self.take(name)
        self.require(type(value) is list, f"{name} is no list")
        found: list[Any] = value
        return found

    def nested(self, name: str) -> "Fields":
        """Return the fields of a part."""
        return Fields(self.take(name), f"{self.where}, {name.strip('_')}")

    def done(self) -> None:
        """Check that nothing is left."""
        self.require(not self._state, f"{', '.join(map(str, self._state))[:200]} is not known to this version")


def vocabulary_state(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return a vocabulary as names by index, indices by age of the name, and free indices, the one given next last."""
    names = [vocabulary.name(i) for i in range(vocabulary.size)]
    strange = next((name for name in names if not is_name(name)), None)
    if strange is not None:
        raise TypeError(f"{strange!r} is of class {type(strange).__qualname__}, which cannot be a name in a file")
    if have_one_hash(vocabulary):
        raise TypeError("more names have the same hash than a file may have")
    return {"names": names, "order": vocabulary.in_use(), "free": np.array(vocabulary._free, np.int64)}


def fill_vocabulary(vocabulary: Vocabulary, fields: Fields, mark: type | None = None) -> None:
    """Give a new vocabulary its names; `mark` is the class that may stand in them."""
    names = fields.items("names")
    order = fields.array("order", np.int64, (None,), 0, len(names) - 1)
    free = fields.array("free", np.int64, (None,), 0, len(names) - 1)
    fields.done()
    owners = np.bincount(np.concatenate([order, free]), minlength=len(names))
    fields.require(bool((owners == 1).all()), "an index is not one name's")
    fields.require(all(is_name(name) and _has_only(name, mark) for name in names), "what should be a name is none")
    fields.require(all(names[i] is None for i in free.tolist()), "a free index has a name")
    check_hashes(names[i] for i in order.tolist())
    vocabulary._index = {names[i]: i for i in order.tolist()}
    vocabulary._names, vocabulary._free = names, free.tolist()
    fields.require(len(vocabulary._index) == len(order), "a name stands twice")


def _has_only(name: Any, mark: type | None) -> bool:
    """Tell whether the only class in a name, if any, is `mark` at the beginning of a triple (mark, name, text)."""
    if isinstance(name, type):
        return False
    if not isinstance(name, tuple | frozenset):
        return True
    if mark is not None and isinstance(name, tuple) and len(name) == 3 and name[0] is mark:
        return isinstance(name[2], str) and _has_only(name[1], None)
    return all(_has_only(part, None) for part in name)


def check_detectors(fields: Fields, state: NDArray[np.float64]) -> None:
    """Check detectors of `ihomer.kernels.adwin`, one a row: their loops end, and their places lie within the row.

    Bucket counts are whole numbers up to 5, and the width is the number of values in the buckets. Sums may be anything: no loop
    or place depends on them, and none that is finite is sure to stay so.
    """
    counts = state[:, COUNTS : COUNTS + LEVELS]
    whole = (counts == np.floor(counts)).all() and (counts >= 0.0).all()
    fields.require(bool(whole and (counts <= MAX_BUCKETS).all()), "a drift detector has impossible buckets")
    width = (counts * 2.0 ** np.arange(LEVELS)).sum(axis=1)
    fields.require(bool((width == state[:, WIDTH]).all()), "a drift detector has another width than its buckets")
    ticks = state[:, TICKS]
    good = (ticks >= 0.0) & (ticks <= MOST) & (ticks == np.floor(ticks))
    fields.require(bool(good.all()), "a drift detector has an impossible number of updates")


def check_probes(fields: Fields, filled: NDArray[np.bool_], home: NDArray[np.int64], what: str) -> None:
    """Check a hash table with linear probing: a search for each entry finds it, and any search ends.

    filled : bool[power of two]; home : int64[filled], the place where the search for each entry, in order, starts
    """
    size = len(filled)
    fields.require(size > 0 and size & (size - 1) == 0, f"the size of the table of {what} is no power of two")
    empty = np.flatnonzero(~filled)
    fields.require(len(empty) > 0, f"the table of {what} is full")
    place = np.flatnonzero(filled)
    before = np.searchsorted(empty, place) - 1  # -1: the last empty place, once around
    gap = (place - empty[before]) % size
    fields.require(bool(((place - home) % size < gap).all()), f"an entry of the table of {what} cannot be found")


def check_list(fields: Fields, links: NDArray[np.int64], first: int, count: int, what: str) -> NDArray[np.int64]:
    """Return the places of a linked list, which must end after `count` of them, within bounds: so it has no circle."""
    fields.require(0 <= count <= len(links), f"the list of {what} has an impossible length")
    found = np.empty(count, np.int64)
    at = first
    for i in range(count):
        fields.require(0 <= at < len(links), f"the list of {what} leads out of bounds")
        found[i] = at
        at = int(links[at])
    fields.require(at == -1, f"the list of {what} does not end")
    return found
