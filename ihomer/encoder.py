"""Events as users give them -> sparse arrays of indices, once per event, checked before anything is changed."""

import math
import numbers
from collections.abc import Hashable, Mapping, Set
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ihomer.frames import is_missing
from ihomer.kernels.encoding import MAX_MAGNITUDE, note_seen, pack
from ihomer.settings import is_number, told
from ihomer.vocabulary import Vocabulary, in_name_order, oldest

__all__ = [
    "MAX_MAGNITUDE",
    "NO_LABELS",
    "Batch",
    "Encoder",
    "as_dict",
    "checked_number",
    "checked_weight",
    "is_nominal",
    "joined",
    "labels_of",
    "name_of",
    "one_row",
    "unlabelled",
]

MIN_WEIGHT, MAX_WEIGHT = 1e-100, 1e9  # of an event; scores cannot count less

_FEW = 8  # below that many features looking up each name is faster
_AS_GIVEN = np.arange(64)  # up to so many features are put in order when they are packed, which is faster than a sort
_PLAIN = frozenset((float, int, bool))
_SAME_WHEN_READ_AGAIN = _PLAIN | {str, type(None)}
_NUMBERS = _PLAIN | {np.dtype(code).type for code in np.typecodes["AllInteger"] + "efd?"}  # turned into floats all at once
_LIKE_ARRAYS = (tuple, np.number, np.bool_)  # of names that are these, NumPy makes arrays to compare them: 1 is (1,) then
_REAL = (float, numbers.Real, Decimal, np.number, np.bool_)
_NOT_REAL = (np.complexfloating, np.timedelta64)

Indices = NDArray[np.int32]
Offsets = NDArray[np.int64]
Values = NDArray[np.float64]

NO_LABELS = np.zeros(0, np.int32)
_ONE = np.ones(1)


class Batch(NamedTuple):
    """Encoded events: row r has the pairs x_*[x_indptr[r]:x_indptr[r + 1]], and so on; indices ascend within a row."""

    x_indptr: Offsets
    x_index: Indices
    x_value: Values  # nan where missing
    y_indptr: Offsets
    y_index: Indices  # labels that apply
    u_indptr: Offsets
    u_index: Indices  # labels that were not observed
    weight: Values


def one_row(
    index: Indices, value: Values, positive: Indices = NO_LABELS, unobserved: Indices = NO_LABELS, weight: float = 1.0
) -> Batch:
    """Return one event as a batch."""
    weights = _ONE if weight == 1.0 else np.array((weight,))
    return Batch(_ENDS[len(index)], index, value, _ENDS[len(positive)], positive, _ENDS[len(unobserved)], unobserved, weights)


class _Ends(dict[int, Offsets]):
    """Where a single row begins and ends, by its length."""

    def __missing__(self, n: int) -> Offsets:
        return np.array((0, n))


_ENDS = _Ends((n, np.array((0, n))) for n in range(257))


def joined(rows: list[Batch]) -> Batch:
    """Return single events as one batch."""

    def ends(arrays: list[NDArray[Any]]) -> NDArray[np.int64]:
        indptr = np.zeros(len(arrays) + 1, np.int64)
        np.cumsum([len(array) for array in arrays], out=indptr[1:])
        return indptr

    columns = list(zip(*rows, strict=True))
    x, y, u = list(columns[1]), list(columns[4]), list(columns[6])
    x_index, x_value, y_index, u_index, weight = (np.concatenate(columns[i]) for i in (1, 2, 4, 6, 7))
    return Batch(ends(x), x_index, x_value, ends(y), y_index, ends(u), u_index, weight)


def unlabelled(indptr: NDArray[np.int64], index: Indices, value: Values) -> Batch:
    """Return events that are to be predicted as a batch."""
    nothing = np.zeros(len(indptr), np.int64)
    return Batch(indptr, index, value, nothing, NO_LABELS, nothing, NO_LABELS, np.ones(len(indptr) - 1))


class Nominal:
    """Marks the vocabulary keys (Nominal, name, value) of the values of nominal features."""


def is_nominal(key: Hashable) -> bool:
    """Tell whether a vocabulary key stands for a nominal value."""
    return isinstance(key, tuple) and len(key) == 3 and key[0] is Nominal


def name_of(key: Hashable) -> Hashable:
    """Return the name of the feature that a vocabulary key stands for."""
    return key[1] if is_nominal(key) else key  # type: ignore[index]


def checked_weight(w: Any) -> float:
    """Return the weight of an event as a float; ValueError unless it is from 1e-100 to 1e9."""
    if type(w) is float and MIN_WEIGHT <= w <= MAX_WEIGHT:
        return w
    if not is_number(w):
        raise TypeError(f"w must be a number, not {type(w).__name__}")
    try:
        weight = float(w)
    except OverflowError:
        weight = math.inf
    if not MIN_WEIGHT <= weight <= MAX_WEIGHT:
        raise ValueError(f"w must be from {MIN_WEIGHT:g} to {MAX_WEIGHT:g}, not {told(w)}")
    return weight


def as_dict(x: Any) -> dict[Hashable, Any]:
    """Return a mapping as a dictionary; one that is none is read once, so that what it says does not change on the way.

    Raises
    ------
    TypeError
        If it is no mapping.
    """
    if type(x) is dict:
        return x
    if not isinstance(x, Mapping):
        raise TypeError(f"x must be a dictionary of features, not {type(x).__name__}")
    return dict(x.items())


def labels_of(y: Any) -> tuple[list[Hashable], list[Hashable], list[Hashable]]:
    """Split a label set into the names that apply, those that were not observed, and those named but negative.

    Parameters
    ----------
    y
        A set, list or tuple of the labels that apply; or a dictionary label -> bool or 0 or 1, where None, nan and
        pandas.NA mean not observed.

    Raises
    ------
    TypeError
        If `y` is neither, or a label is not hashable, or a dictionary's value is not a truth value.
    ValueError
        If a list names a label twice, as one of 0 and 1 for each label does.
    """
    if type(y) is set:
        return list(y), [], []
    if isinstance(y, Mapping):
        positive: list[Hashable] = []
        unobserved: list[Hashable] = []
        negative: list[Hashable] = []
        for name, applies in (y if type(y) is dict else dict(y.items())).items():
            if applies is True:
                positive.append(name)
            elif applies is False:
                negative.append(name)
            elif applies is None or (isinstance(applies, numbers.Real) and applies != applies):
                unobserved.append(name)
            elif isinstance(applies, bool | np.bool_ | numbers.Real) and applies in (0, 1):
                (positive if applies else negative).append(name)
            elif is_missing(applies):
                unobserved.append(name)
            else:
                raise TypeError(f"y[{told(name)}] must be True, False, 1, 0, None or nan, not {told(applies)}")
        return positive, unobserved, negative
    if isinstance(y, Set | list | tuple):
        try:
            names = list(dict.fromkeys(y))
        except TypeError:
            raise TypeError("each label in y must be hashable") from None
        if len(names) < len(y):
            raise ValueError(f"y names a label twice: it holds the labels that apply, no 0 or 1 for each; not {told(y)}")
        return names, [], []
    raise TypeError(f"y must be a dictionary label -> bool, or a set or list of labels, not {type(y).__name__}")


def _read_once(x: dict[Hashable, Any]) -> dict[Hashable, Any]:
    """Return an event with plain values in place of those that could tell another number, or none, when they are read again."""
    types = set(map(type, x.values()))
    if types <= _SAME_WHEN_READ_AGAIN:
        return x
    if types <= _NUMBERS:
        try:
            return dict(zip(x, np.fromiter(x.values(), np.float64, len(x)).tolist(), strict=True))
        except OverflowError:  # told below which one it is
            pass
    return {name: value if type(value) in _SAME_WHEN_READ_AGAIN else _plain(name, value) for name, value in x.items()}


def _plain(name: Hashable, value: Any) -> float | str:
    """Return a string as one of no other class, also where a class has made more of it, and any other value as a float."""
    return str.__str__(value) if isinstance(value, str) else checked_number(name, value)


def checked_number(name: Hashable, value: Any) -> float:
    """Return a feature's value as a float, nan if it is missing; refuse what is not a number or too large."""
    if is_missing(value):
        return math.nan
    if not isinstance(value, _REAL) or isinstance(value, _NOT_REAL):
        raise TypeError(f"x[{told(name)}] must be a number, a string, a bool or None, not {type(value).__name__}")
    try:
        number = float(value)
    except (OverflowError, ValueError):  # the latter for a Decimal that is a signaling nan
        number = math.inf
    if abs(number) > MAX_MAGNITUDE:
        raise ValueError(f"x[{told(name)}] must be finite and at most {MAX_MAGNITUDE:g} in magnitude, not {told(value)}")
    return number


class Schema(NamedTuple):
    """Names of an event's features, and their indices in the order in which `pack` takes them."""

    names: tuple[Hashable, ...]  # none where these cannot be compared with others
    version: int  # of the encoder then
    order: NDArray[np.int64]  # position in `names` of each; may go on behind the last
    indices: Indices  # -1 for a name without one


# An event of plain numbers: its schema, its values, and its pairs of index and value.
_NO_EVENT: tuple[Schema | None, tuple[float, ...], tuple[Indices, Values]] = (None, (), (NO_LABELS, np.zeros(0)))


class Checked(NamedTuple):
    """An event that was checked, and may be learned."""

    indices: Indices
    values: Values
    new: list[Hashable]  # vocabulary keys that it would add, in order
    x: Mapping[Hashable, Any]  # the event, whose values stay the same when they are read again


class Encoder:
    """Feature names and nominal values <-> indices.

    A name gets its index when a value of it is first learned that is neither 0 nor missing; each value of a nominal (string)
    feature has an index of its own, with the value 1. New names of one event are numbered in name order. When `max_features`
    indices are in use, the eighth that was learned longest ago makes room.

    Parameters
    ----------
    max_features
        Bound on the number of indices.
    """

    def __init__(self, max_features: int) -> None:
        self.max_features = max_features
        self.features = Vocabulary()
        self.kind = np.zeros(64, np.uint8)  # 1: indicator of a nominal value
        self._last_seen = np.zeros(64, np.int64)
        self._nominal: dict[Hashable, dict[str, int]] = {}
        self._values: dict[tuple[Hashable, Any], int] = {}  # the same by pairs, as a dictionary yields them
        self._n_learned = 0
        self.n_forgotten = 0
        self.version = 0  # rises whenever a name gets or loses its index
        self._schema: Schema | None = None
        self._last = _NO_EVENT  # the last one of plain numbers: one that is predicted is often learned next

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_schema": None, "_last": _NO_EVENT}

    def encode(self, x: Mapping[Hashable, Any]) -> tuple[Indices, Values]:
        """Return the pairs of an event, indices ascending; names without an index are left out."""
        checked = self.check(x)
        return checked.indices, checked.values

    def check(self, x: Mapping[Hashable, Any]) -> Checked:
        """Check an event that is to be learned.

        Raises
        ------
        TypeError, ValueError
            If `x` is not a dictionary, or a value is not a number, string, bool or None, or is infinite.
        """
        found = self._encode_numbers(x)
        if found is not None:
            return Checked(*found, [], x)
        given, x = x, _read_once(as_dict(x))
        found = self._encode_numbers(x) if x is not given else None
        return Checked(*self._look_up(x), x) if found is None else Checked(*found, [], x)

    def _encode_numbers(self, x: Mapping[Hashable, Any]) -> tuple[Indices, Values] | None:
        """Encode an event of plain numbers with the same names as the last one of that kind, in one compiled call.

        None if it is of another kind; its names are then those to compare with, if they are many.
        """
        if type(x) is not dict or len(x) < _FEW:
            return None
        names = tuple(x)
        schema = self._schema
        if schema is None or schema.names != names or schema.version != self.version:
            schema = self._schema = self._order_of(names)
        numbers = tuple(x.values())
        if not _PLAIN.issuperset(map(type, numbers)):
            return None
        last_schema, last_numbers, last_pairs = self._last
        if last_schema is schema and last_numbers == numbers:
            return last_pairs
        n = len(numbers)
        try:
            values = np.fromiter(numbers, np.float64, n)
        except OverflowError:
            return None
        index, value = np.empty(n, np.int32), np.empty(n)
        size = pack(values, schema.order, schema.indices, index, value)
        if size < 0:
            return None
        pairs = index[:size], value[:size]
        self._last = schema, numbers, pairs
        return pairs

    def _order_of(self, names: tuple[Hashable, ...]) -> Schema:
        index = self.features.indices(names)
        if any(issubclass(kind, _LIKE_ARRAYS) for kind in set(map(type, names))):
            names = ()  # equal to none
        if len(index) <= len(_AS_GIVEN):
            return Schema(names, self.version, _AS_GIVEN, index)
        order = index.argsort(kind="stable")
        return Schema(names, self.version, order, index[order])

    def _known_values(self, x: dict[Hashable, Any]) -> tuple[list[int], dict[Hashable, Any]]:
        """Return the indices of the nominal values of an event that have one, and what else it has."""
        if not self._values or len(x) < _FEW:
            return [], x
        try:
            found = list(map(self._values.get, x.items()))
        except TypeError:  # something is not hashable
            return [], x
        if None not in found:
            return found, {}  # type: ignore[return-value]
        others = {name: value for (name, value), index in zip(x.items(), found, strict=True) if index is None}
        return [index for index in found if index is not None], others

    def _look_up(self, x: dict[Hashable, Any]) -> tuple[Indices, Values, list[Hashable]]:
        """Return the pairs of index and value that are not 0, and the keys that have no index yet."""
        get = self.features.get
        indices, others = self._known_values(x)
        values = [1.0] * len(indices)
        new: list[Hashable] = []
        new_nominal: list[tuple[Hashable, str]] = []
        for name, value in others.items():
            if isinstance(value, str):
                index = self._values.get((name, value), -1)
                if index < 0:
                    new_nominal.append((name, value))
                else:
                    indices.append(index)
                    values.append(1.0)
                continue
            if type(value) in _PLAIN and -MAX_MAGNITUDE <= value <= MAX_MAGNITUDE:
                number = float(value)
            else:
                number = checked_number(name, value)
            if number == 0.0:
                continue
            index = get(name)
            if index >= 0:
                indices.append(index)
                values.append(number)
            if number != number:
                of_name = self._nominal.get(name, {}).values()
                indices.extend(of_name)
                values.extend([number] * len(of_name))
            elif index < 0:
                new.append(name)
        return *_sorted(indices, values), self._in_order(new, new_nominal)

    def _in_order(self, new: list[Hashable], new_nominal: list[tuple[Hashable, str]]) -> list[Hashable]:
        """Return the vocabulary keys of what is new in an event, in the order in which they get indices."""
        keys = in_name_order(new) if new else []
        if new_nominal:
            rank = {name: i for i, name in enumerate(in_name_order({name for name, _ in new_nominal}))}
            new_nominal.sort(key=lambda pair: (rank[pair[0]], pair[1]))
            keys.extend((Nominal, name, value) for name, value in new_nominal)
        return keys

    def touch(self, index: Indices) -> None:
        """Note that features are in use by the event being learned."""
        self._n_learned += 1
        note_seen(self._last_seen, index, self._n_learned)

    def protect(self, index: Indices) -> None:
        """Note that features are those of the event that is touched next: what makes room for its new ones are others."""
        self._last_seen[index] = self._n_learned + 1

    def touch_rows(self, indptr: Offsets, index: Indices) -> None:
        """Note the same for many events in turn, whose features are index[indptr[r]:indptr[r + 1]]."""
        number = self._n_learned + 1 + np.arange(len(indptr) - 1)
        self._last_seen[index] = np.repeat(number, np.diff(indptr))  # of equal indices the last one counts
        self._n_learned += len(indptr) - 1

    @property
    def has_nominal(self) -> bool:
        """Whether any nominal value has an index."""
        return bool(self._nominal)

    def feature_names(self) -> set[Hashable]:
        """Return the names of features, each once however many nominal values it has brought."""
        return set(map(name_of, self.features))

    def n_nominal_values(self) -> dict[Hashable, int]:
        """Return how many values of each nominal feature have an index."""
        return {name: len(values) for name, values in self._nominal.items()}

    def add(self, keys: list[Hashable]) -> None:
        """Give indices to vocabulary keys, in turn."""
        self.version += 1
        for key in keys:
            self._add(key)

    def _add(self, key: Hashable) -> None:
        index = self.features.add(key)
        if index >= len(self.kind):
            self.kind = np.concatenate([self.kind, np.zeros_like(self.kind)])
            self._last_seen = np.concatenate([self._last_seen, np.zeros_like(self._last_seen)])
        self.kind[index] = is_nominal(key)
        if is_nominal(key):
            name, value = key[1:]  # type: ignore[index]
            self.note_value(name, value, index)

    def note_value(self, name: Hashable, value: str, index: int) -> None:
        """Note the index that a nominal value has in the vocabulary."""
        self._nominal.setdefault(name, {})[value] = self._values[name, value] = index

    def surplus(self, n_new: int) -> int:
        """Return how many indices too many `n_new` more names would need."""
        return max(0, len(self.features) + n_new - self.max_features)

    def forget_oldest(self, at_least: int) -> NDArray[np.bool_]:
        """Free the indices that were learned longest ago, an eighth of all or `at_least`; return which, bool[indices]."""
        gone = oldest(self.features.in_use(), self._last_seen, self.max_features, at_least)
        forgotten = np.zeros(len(self.kind), np.bool_)
        forgotten[gone] = True
        for index in gone[::-1].tolist():
            key = self.features.name(index)
            if self.kind[index]:
                name, value = key[1:]  # type: ignore[index]
                del self._nominal[name][value], self._values[name, value]
                if not self._nominal[name]:
                    del self._nominal[name]
            self.features.free(index)
        self.n_forgotten += len(gone)
        self.version += 1
        return forgotten


def _sorted(indices: list[int], values: list[float]) -> tuple[Indices, Values]:
    """Return pairs of index and value as two arrays, sorted by index."""
    index, value = np.array(indices, np.int32), np.array(values, np.float64)
    order = index.argsort()
    return index[order], value[order]
