"""Values as JSON and arrays, and back: only types named here, so that reading a file never runs what is in it."""

import json
import math
import struct
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Kinds", "ModelFileError", "Part", "Reader", "Writer", "check_hashes", "have_one_hash", "is_name"]

_MOST_DEPTH = 60
_PLAIN_INT = 1 << 63
_MOST_OF_A_HASH = 64
_ARRAYS = ("bool", "uint8", "int8", "int16", "int32", "uint32", "int64", "uint64", "float32", "float64")
_NUMBERS = {name: np.dtype(name) for name in (*_ARRAYS, "uint16", "float16")}
_DTYPES = frozenset(np.dtype(name) for name in _ARRAYS)
_NAME_TYPES = (str, int, float, bool, bytes, type(None), np.generic)


class ModelFileError(ValueError):
    """A file does not hold what was asked for: it is damaged, altered, of another format, or something else."""


class Part(NamedTuple):
    """How one class is kept in a file.

    Attributes
    ----------
    cls
        The class; objects of its subclasses are not taken.
    state_of
        Object -> its state: a value made of plain types, arrays and other parts.
    restore
        State -> a new object. It must check all that it is given, and raise `ModelFileError`, `ValueError` or `TypeError`.
    """

    cls: type
    state_of: Callable[[Any], Any]
    restore: Callable[[Any], Any]


class Kinds(NamedTuple):
    """What may stand in a file beside plain values and arrays: short stable name -> class or dtype.

    Attributes
    ----------
    parts
        Classes whose objects are kept.
    marks
        Classes that stand for themselves, as a constant does.
    records
        Structured dtypes of arrays.
    """

    parts: Mapping[str, Part]
    marks: Mapping[str, type] = {}
    records: Mapping[str, np.dtype[Any]] = {}


def is_name(value: Any, depth: int = 0) -> bool:
    """Tell whether a value can be the name of a label or feature in a file."""
    if isinstance(value, tuple | frozenset):
        return depth < _MOST_DEPTH and all(is_name(part, depth + 1) for part in value)
    return isinstance(value, (*_NAME_TYPES, type))


def check_hashes(names: Iterable[Hashable]) -> None:
    """Raise for names made to have the same hash: a table of them takes time with the square of their number.

    Hashes of numbers, and of tuples and sets of these, are the same in all processes: a stranger can aim at them.
    """
    if have_one_hash(names):
        raise ModelFileError("too many names have the same hash")


def have_one_hash(names: Iterable[Hashable]) -> bool:
    """Tell whether more names have the same hash than may stand in a file."""
    return max(Counter(map(hash, names)).values(), default=0) > _MOST_OF_A_HASH


class Writer:
    """Turns a tree of values into JSON, and collects its arrays.

    Parameters
    ----------
    kinds
        What may stand in the file.

    Attributes
    ----------
    arrays
        Name -> array; the JSON refers to them by name.
    """

    def __init__(self, kinds: Kinds) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self._parts = {part.cls: (name, part) for name, part in kinds.parts.items()}
        self._marks = {cls: name for name, cls in kinds.marks.items()}
        self._records = {dtype: name for name, dtype in kinds.records.items()}
        # An object met twice would be two objects after loading. Kept alive, so that no id is given twice.
        self._met: dict[int, Any] = {}

    def write(self, value: Any, path: tuple[str, ...] = ()) -> Any:
        """Return a value as JSON.

        Raises
        ------
        TypeError
            If a value is of a type that has no place in a file, is nested too deep, or is held twice, or if too many names have
            the same hash.
        """
        if len(path) > _MOST_DEPTH:
            raise TypeError(f"{_shown(path)} is nested too deep for a file")
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return value if value.isascii() or _is_clean(value) else {"text": value.encode("utf-8", "surrogatepass").hex()}
        if kind is int:
            return value if -_PLAIN_INT <= value < _PLAIN_INT else {"int": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"float": struct.pack(">d", value).hex()}
        if kind is bytes:
            return {"bytes": value.hex()}
        if isinstance(value, np.generic):
            return self._number(value, path)
        if isinstance(value, type):
            return self._mark(value, path)
        if kind is tuple:
            return {"tuple": self._all(value, path)}
        if kind is frozenset:
            return {"frozenset": self._in_order(value, path)}
        if isinstance(value, str | int | float) and (plain := _plain(value)) is not None:
            return self.write(plain, path)
        self._meet(value, path)
        if kind is np.ndarray:
            return self._array(value, path)
        if kind is list:
            return self._all(value, path)
        if kind is dict:
            self._refuse_one_hash(value, path)
            pairs = value.items()
            return {"dict": [[self.write(k, (*path, "key")), self.write(v, (*path, str(k)[:40]))] for k, v in pairs]}
        if kind is set:
            return {"set": self._in_order(value, path)}
        if kind is deque:
            return {"deque": [value.maxlen, self._all(value, path)]}
        if kind in self._parts:
            name, part = self._parts[kind]
            return {"part": [name, self.write(part.state_of(value), (*path, name))]}
        bases = [base.__name__ for base in kind.__mro__ if base in self._parts]
        has = f"; {bases[0]}, of which it is a subclass, has one" if bases else ""
        raise TypeError(f"{_shown(path)} is of class {kind.__module__}.{kind.__qualname__}, which has no place in a file{has}")

    def _meet(self, value: Any, path: tuple[str, ...]) -> None:
        if id(value) in self._met:
            raise TypeError(f"{_shown(path)} is held twice, which a file cannot tell from two equal objects")
        self._met[id(value)] = value

    def _all(self, values: Any, path: tuple[str, ...]) -> list[Any]:
        return [self.write(value, (*path, str(i))) for i, value in enumerate(values)]

    def _in_order(self, values: Any, path: tuple[str, ...]) -> list[Any]:
        """Return the members of a set in an order that depends on nothing else."""
        self._refuse_one_hash(values, path)
        return sorted(self._all(values, path), key=json.dumps)

    def _refuse_one_hash(self, names: Iterable[Hashable], path: tuple[str, ...]) -> None:
        if have_one_hash(names):
            raise TypeError(f"{_shown(path)} has more than {_MOST_OF_A_HASH} names with the same hash, too many for a file")

    def _mark(self, value: type, path: tuple[str, ...]) -> dict[str, str]:
        if value not in self._marks:
            raise TypeError(f"{_shown(path)} is the class {value.__qualname__}, which has no place in a file")
        return {"mark": self._marks[value]}

    def _number(self, value: np.generic, path: tuple[str, ...]) -> dict[str, Any]:
        if isinstance(value, np.str_):
            return {"numpy text": self.write(str(value), path)}
        if isinstance(value, np.bytes_):
            return {"numpy bytes": bytes(value).hex()}
        if _NUMBERS.get(value.dtype.name) != value.dtype:
            raise TypeError(f"{_shown(path)} is of class {type(value).__qualname__}, which has no place in a file")
        return {"number": [value.dtype.name, value.tobytes().hex()]}

    def _array(self, array: NDArray[Any], path: tuple[str, ...]) -> dict[str, Any]:
        name = f"{len(self.arrays):06d} {_shown(path)}"
        if array.dtype in self._records and array.ndim == 1:
            self.arrays[name] = np.frombuffer(array.tobytes(), np.uint8)
            return {"records": [self._records[array.dtype], name]}
        if array.dtype not in _DTYPES:
            raise TypeError(f"{_shown(path)} is an array of {array.dtype}, which has no place in a file")
        self.arrays[name] = np.ascontiguousarray(array).reshape(array.shape)
        return {"array": name}


def _plain(value: str | int | float) -> str | int | float | None:
    """Return the plain value that stands for one of a subclass, as a member of an enumeration, in any table; else None."""
    plain: str | int | float
    if isinstance(value, str):
        plain = str.__str__(value)
    else:
        plain = int.__int__(value) if isinstance(value, int) else float.__float__(value)
    return plain if plain == value and hash(plain) == hash(value) else None


def _shown(path: tuple[str, ...]) -> str:
    return ".".join(part if part.isascii() and part.isprintable() else "?" for part in path[-6:]) or "the value"


def _is_clean(text: str) -> bool:
    """Tell whether a text has no lone surrogates, which JSON would join."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Reader:
    """Turns JSON and arrays into values again.

    Parameters
    ----------
    kinds
        What may stand in the file.
    arrays
        Name -> array.
    """

    def __init__(self, kinds: Kinds, arrays: dict[str, NDArray[Any]]) -> None:
        self._kinds = kinds
        self._arrays = arrays
        self._readers: dict[str, Callable[[Any, int], Any]] = {
            "text": lambda value, _: bytes.fromhex(_text(value)).decode("utf-8", "surrogatepass"),
            "int": lambda value, _: int(_text(value), 16),
            "float": lambda value, _: float(struct.unpack(">d", bytes.fromhex(_text(value)))[0]),
            "bytes": lambda value, _: bytes.fromhex(_text(value)),
            "tuple": lambda value, depth: tuple(self._all(value, depth)),
            "frozenset": lambda value, depth: frozenset(self._distinct(value, depth)),
            "set": lambda value, depth: set(self._distinct(value, depth)),
            "dict": self._dict,
            "deque": self._deque,
            "number": self._number,
            "numpy text": lambda value, depth: np.str_(_text(self.read(value, depth + 1))),
            "numpy bytes": lambda value, _: np.bytes_(bytes.fromhex(_text(value))),
            "mark": lambda value, _: _listed(self._kinds.marks, value),
            "array": lambda value, _: self._array(value),
            "records": self._record_array,
            "part": self._part,
        }

    def read(self, value: Any, depth: int = 0) -> Any:
        """Return what a JSON value stands for.

        Raises
        ------
        ModelFileError, ValueError, TypeError
            If it stands for nothing, or a part refuses its state.
        """
        if depth > 2 * _MOST_DEPTH:
            raise ModelFileError("the state is nested too deep")
        if value is None or isinstance(value, str | bool | int):
            return value
        if isinstance(value, float):
            if not math.isfinite(value):
                raise ModelFileError("a number in the state is out of range")
            return value
        if isinstance(value, list):
            return self._all(value, depth)
        if len(value) != 1:
            raise ModelFileError("a value in the state has no single kind")
        [(kind, content)] = value.items()
        if kind not in self._readers:
            raise ModelFileError(f"the state has a value of the unknown kind {kind[:40]!r}")
        return self._readers[kind](content, depth)

    @property
    def left_over(self) -> bool:
        """Whether some array has not been asked for."""
        return bool(self._arrays)

    def _all(self, values: Any, depth: int) -> list[Any]:
        return [self.read(value, depth + 1) for value in _list(values)]

    def _distinct(self, values: Any, depth: int) -> list[Any]:
        found = self._all(values, depth)
        check_hashes(found)
        if len(set(found)) < len(found):
            raise ModelFileError("a set names a member twice")
        return found

    def _dict(self, value: Any, depth: int) -> dict[Hashable, Any]:
        pairs = [_list(pair, 2) for pair in _list(value)]
        names = [self.read(key, depth + 1) for key, _ in pairs]
        if not all(map(is_name, names)):
            raise ModelFileError("a dictionary has a key that is no name")
        check_hashes(names)
        if len(set(names)) < len(names):
            raise ModelFileError("a dictionary has a key twice")
        return {name: self.read(content, depth + 1) for name, (_, content) in zip(names, pairs, strict=True)}

    def _deque(self, value: Any, depth: int) -> deque[Any]:
        most, values = _list(value, 2)
        if most is not None and (type(most) is not int or not len(_list(values)) <= most < 1 << 62):
            raise ModelFileError("a bounded list is longer than its bound")
        return deque(self._all(values, depth), most)

    def _number(self, value: Any, depth: int) -> np.generic:
        name, content = _list(value, 2)
        dtype = _listed(_NUMBERS, name)
        raw = bytes.fromhex(_text(content))
        if len(raw) != dtype.itemsize or (dtype.kind == "b" and raw > b"\x01"):
            raise ModelFileError(f"a number is no {dtype}")
        number: np.generic = np.frombuffer(raw, dtype)[0]
        return number

    def _array(self, name: Any) -> NDArray[Any]:
        if _text(name) not in self._arrays:
            raise ModelFileError(f"the array {name[:80]!r} is missing, or used twice")
        array = self._arrays.pop(name)
        if array.dtype == np.bool_ and array.size and array.view(np.uint8).max() > 1:
            raise ModelFileError(f"the array {name[:80]!r} holds truth values that are neither true nor false")
        return array

    def _record_array(self, value: Any, depth: int) -> NDArray[Any]:
        kind, name = _list(value, 2)
        dtype = _listed(self._kinds.records, kind)
        raw = self._array(name)
        if raw.dtype != np.uint8 or raw.ndim != 1 or len(raw) % dtype.itemsize:
            raise ModelFileError(f"the array {name[:80]!r} holds no records of the kind {kind}")
        records: NDArray[Any] = raw.view(dtype)
        for field in dtype.names or ():
            if dtype[field] == np.bool_ and records[field].view(np.uint8).max(initial=0) > 1:
                raise ModelFileError(f"the array {name[:80]!r} holds truth values that are neither true nor false")
        return records

    def _part(self, value: Any, depth: int) -> Any:
        name, state = _list(value, 2)
        part = _listed(self._kinds.parts, name)
        return part.restore(self.read(state, depth + 1))


def _list(value: Any, size: int | None = None) -> list[Any]:
    if not isinstance(value, list) or (size is not None and len(value) != size):
        raise ModelFileError("a value in the state is not of the form that its kind asks for")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ModelFileError("a value in the state is not of the form that its kind asks for")
    return value


def _listed(known: Mapping[str, Any], name: Any) -> Any:
    if not isinstance(name, str) or name not in known:
        what = f"the state names {str(name)[:40]!r}, which is not known here"
        raise ModelFileError(f"{what}; `ihomer inspect --model-to` takes the model out of a checkpoint of a live run")
    return known[name]
