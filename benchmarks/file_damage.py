"""Ways to alter a model file, blindly or with a checksum that fits again."""

import hashlib
import json
import random
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from ihomer.saved.tree import RECORDS

__all__ = ["damaged", "joined", "resealed", "split"]

_DIGEST = re.compile(rb'\{"__metadata__":\{"ihomer":"\d+ ([0-9a-f]{64}) ')
_INTS = (-(2**63), -(2**31), -1000, -2, -1, 0, 1, 2, 3, 7, 63, 64, 255, 1000, 65535, 2**31 - 1, 2**53, 2**63 - 1)
_FLOATS = (0.0, -0.0, -1.0, 1.0, 0.5, 2.0, 1e-300, 1e300, -1e300, float("inf"), float("-inf"), float("nan"), 5e-324)

Arrays = dict[str, Any]
Alter = Callable[[random.Random, bytes, list[bytes]], bytes]


def split(data: bytes) -> tuple[str, Any, Arrays]:
    """Return the head of the metadata, the JSON of the state, and the arrays of a file by name, in one order."""
    n_header = int.from_bytes(data[:8], "little")
    text = json.loads(data[8 : 8 + n_header])["__metadata__"]["ihomer"]
    head, body = text[: text.index("{")], text[text.index("{") :]
    return head, json.loads(body), {name: array.copy() for name, array in sorted(load(data).items())}


def joined(head: str, body: Any, arrays: Arrays) -> bytes:
    """Return the file of a state, with a checksum that fits."""
    text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
    return resealed(save(arrays, {"ihomer": head + text}))


def resealed(data: bytes) -> bytes:
    """Return a file with a checksum that fits, where it has a place for one."""
    found = _DIGEST.match(data[8:300])
    if found is None:
        return data
    begin, end = 8 + found.start(1), 8 + found.end(1)
    blank = data[:begin] + b"0" * 64 + data[end:]
    return data[:begin] + hashlib.sha256(blank).hexdigest().encode() + data[end:]


def damaged(r: random.Random, data: bytes, others: list[bytes]) -> tuple[str, bytes]:
    """Return a way to alter a file, and the altered file."""
    name, (alter, _) = r.choices(list(_WAYS.items()), [weight for _, weight in _WAYS.values()])[0]
    return name, alter(r, data, others)


# Blindly -----------------------------------------------------------------------------------------------------------


def _flip(r: random.Random, data: bytes, others: list[bytes]) -> bytes:
    found = bytearray(data)
    for _ in range(r.choice((1, 1, 2, 8, 64))):
        found[_place(r, data)] ^= 1 << r.randrange(8)
    return bytes(found)


def _place(r: random.Random, data: bytes) -> int:
    """Return a place, in the header as often as behind it."""
    n_header = int.from_bytes(data[:8], "little")
    return r.randrange(8 + n_header) if r.random() < 0.5 else r.randrange(len(data))


def _cut(r: random.Random, data: bytes, others: list[bytes]) -> bytes:
    return data[: _place(r, data)] if r.random() < 0.7 else data[_place(r, data) :]


def _swap(r: random.Random, data: bytes, others: list[bytes]) -> bytes:
    size = r.randrange(1, 200)
    a, b = sorted((_place(r, data), _place(r, data)))
    if b < a + size or b + size > len(data):
        return data[b:] + data[:b]
    return data[:a] + data[b : b + size] + data[a + size : b] + data[a : a + size] + data[b + size :]


def _splice(r: random.Random, data: bytes, others: list[bytes]) -> bytes:
    other = r.choice(others)
    at = _place(r, data)
    return data[:at] + other[r.choice((at, _place(r, other))) :]


def _insert(r: random.Random, data: bytes, others: list[bytes]) -> bytes:
    at = _place(r, data)
    return data[:at] + r.randbytes(r.randrange(1, 100)) + data[at + r.choice((0, 0, 50)) :]


# With a checksum that fits -----------------------------------------------------------------------------------------


def _sealed(alter: Alter) -> Alter:
    return lambda r, data, others: resealed(alter(r, data, others))


def _header(r: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Alter one entry of the header: dtype, shape, offsets; or its length, or what else stands there."""
    n_header = int.from_bytes(data[:8], "little")
    header, rest = json.loads(data[8 : 8 + n_header]), data[8 + n_header :]
    name = r.choice([name for name in header if name != "__metadata__"])
    entry = header[name]
    way = r.randrange(8)
    if way == 0:
        entry["dtype"] = r.choice(["F64", "F32", "I64", "U8", "BOOL", "F16", "BF16", "F8_E4M3", "C64", "O", "", "object"])
    elif way == 1:
        entry["shape"] = r.choice([[2**40], [2**62, 4], [0], [-1], [], [1] * 100, [2**63], [0, 2**60], ["3"], None])
    elif way == 2:
        entry["data_offsets"] = r.choice([[0, 2**50], [0, 0], [5, 1], [-1, 8], None, [0, len(rest)]])
    elif way == 3:
        header[r.choice(["__metadata__", "999999 more", name + "x", "../../etc"])] = dict(entry)
    elif way == 4:
        header["__metadata__"][r.choice(["ihomer2", "format", "a"])] = r.choice(["x", "y" * 1000])
    elif way == 5:
        entry["more"] = 3
    elif way == 6:
        del header[name]
    text = json.dumps(header, separators=(",", ":")).encode()
    length = len(text) if way != 7 else r.choice([0, 1, 2**62, 2**64 - 1, len(text) - 1, len(text) + 9])
    return resealed(struct.pack("<Q", length) + text + rest)


def _value(r: random.Random, array: Any, at: Any) -> Any:
    """Return a value to put in an array: a special one, one from elsewhere in it, or one close to what is there."""
    if array.dtype.kind == "f":
        return r.choice([*_FLOATS, float(array.flat[r.randrange(array.size)]), float(array[at]) + r.choice((-1.0, 1.0))])
    if array.dtype.kind == "b":
        return not array[at]
    bounds = np.iinfo(array.dtype)
    near = [int(array[at]) + d for d in (-64, -2, -1, 1, 2, 64, 4096)]
    found = r.choice([*_INTS, *near, *near, int(array.flat[r.randrange(array.size)]), r.randrange(300)])
    return min(max(found, bounds.min), bounds.max)


def _alter_values(r: random.Random, array: Any) -> None:
    """Alter some places of an array, more often those that are not as most are."""
    if not array.size:
        return
    for _ in range(r.choice((1, 1, 1, 2, 5, 50))):
        used = np.flatnonzero(array.ravel() != array.flat[-1])
        flat = int(r.choice(used.tolist())) if len(used) and r.random() < 0.6 else r.randrange(array.size)
        at = np.unravel_index(flat, array.shape)
        with np.errstate(over="ignore"):
            array[at] = _value(r, array, at)


def _array_values(r: random.Random, data: bytes, others: list[bytes]) -> bytes:
    head, body, arrays = split(data)
    for _ in range(r.choice((1, 1, 2))):
        name = r.choice(list(arrays))
        dtype = _record_of(body, name)
        if dtype is None:
            _alter_values(r, arrays[name])
            continue
        records = arrays[name].view(dtype)
        _alter_values(r, records[r.choice(dtype.names)])
    return joined(head, body, arrays)


def _record_of(body: Any, name: str) -> Any:
    """Return the dtype of the records that an array holds, None for a plain array."""
    found = re.search(r'\{"records": \["([^"]*)", ' + re.escape(json.dumps(name)) + r"\]\}", json.dumps(body))
    return None if found is None else RECORDS[found[1]]


def _array_bytes(r: random.Random, data: bytes, others: list[bytes]) -> bytes:
    head, body, arrays = split(data)
    name = r.choice(list(arrays))
    raw = arrays[name].reshape(-1).view(np.uint8)
    for _ in range(r.choice((1, 4, 100))):
        if len(raw):
            raw[r.randrange(len(raw))] = r.choice((0, 1, 127, 128, 255, r.randrange(256)))
    return joined(head, body, arrays)


def _array_shape(r: random.Random, data: bytes, others: list[bytes]) -> bytes:
    head, body, arrays = split(data)
    name = r.choice(list(arrays))
    array = arrays[name]
    changes: list[Callable[[], Any]] = [
        lambda: array[: r.randrange(max(1, len(array)))],
        lambda: np.concatenate([array, array[-1:]]),
        lambda: np.concatenate([array, array]),
        lambda: np.ascontiguousarray(array.T),
        lambda: array.reshape(-1),
        lambda: array[..., : max(0, array.shape[-1] - 1)],
        lambda: np.zeros((*array.shape, 0), array.dtype),
        lambda: array.astype(r.choice([np.float32, np.float64, np.int32, np.int64, np.uint8])),
        lambda: np.flip(array, 0).copy(),
        lambda: np.zeros_like(array),
        lambda: np.ones_like(array),
        lambda: np.full_like(array, -1 if array.dtype.kind in "if" else 1),
        lambda: array[np.random.default_rng(r.randrange(2**32)).permutation(len(array))],
    ]
    with np.errstate(invalid="ignore"):
        arrays[name] = np.ascontiguousarray(r.choice(changes)()) if array.ndim else array.reshape(1)
    return joined(head, body, arrays)


def _array_moved(r: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Put an array in the place of another one, of the same file or of another model."""
    head, body, arrays = split(data)
    donors = arrays if r.random() < 0.5 else split(r.choice(others))[2]
    name = r.choice(list(arrays))
    old = arrays[name]
    alike = [a for a in donors.values() if a.dtype == old.dtype and (r.random() < 0.3 or a.shape == old.shape)]
    same = [a for other, a in donors.items() if other.split(".")[-1] == name.split(".")[-1]]
    arrays[name] = r.choice([*alike, *same, old])
    return joined(head, body, arrays)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return all (container, key) of a JSON value."""
    found, waiting = [], [value]
    while waiting:
        part = waiting.pop()
        pairs = list(part.items()) if isinstance(part, dict) else list(enumerate(part)) if isinstance(part, list) else []
        found += [(part, key) for key, _ in pairs]
        waiting += [inner for _, inner in pairs]
    return found


def _json_number(r: random.Random, data: bytes, others: list[bytes]) -> bytes:
    head, body, arrays = split(data)
    places = [(part, key) for part, key in _places(body["state"]) if isinstance(part[key], int | float)]
    for part, key in r.sample(places, min(len(places), r.choice((1, 1, 2, 5)))):
        old = part[key]
        part[key] = r.choice([*_INTS, 0.5, -1.5, 1e300, old + 1, old - 1, -old, 2 * old, True, False, None, 10**400])
    return joined(head, body, arrays)


def _json_value(r: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Remove, double, exchange or replace a value of the JSON."""
    head, body, arrays = split(data)
    places = _places(body)
    part, key = r.choice(places)
    way = r.randrange(6)
    if way == 0:
        del part[key]
    elif way == 1 and isinstance(part, list):
        part.insert(key, part[key])
    elif way == 2 and isinstance(part, dict):
        part[r.choice(["dict", "tuple", "set", "part", "mark", "x", "array"])] = part.pop(key)
    elif way == 3:
        other, its_key = r.choice(places)
        part[key], other[its_key] = other[its_key], part[key]
    else:
        part[key] = r.choice(_STRANGE)(part[key])
    try:
        return joined(head, body, arrays)
    except (RecursionError, ValueError):  # a value that now holds itself
        return joined(head, "{}", arrays)


def _nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


_STRANGE: tuple[Callable[[Any], Any], ...] = (
    lambda old: None,
    lambda old: "text",
    lambda old: [],
    lambda old: {},
    lambda old: [old],
    lambda old: {"tuple": [old]},
    lambda old: {"dict": []},
    lambda old: {"deque": [2**62, []]},
    lambda old: {"deque": [0, [1]]},
    lambda old: {"set": [1, 1]},
    lambda old: {"mark": "nominal"},
    lambda old: {"number": ["float64", "00" * 8]},
    lambda old: {"number": ["object", "00" * 8]},
    lambda old: {"float": "7ff8000000000000"},
    lambda old: {"int": "0x" + "f" * 100},
    lambda old: {"bytes": "zz"},
    lambda old: {"part": ["IHOMERClassifier", old]},
    lambda old: {"part": ["os.system", "true"]},
    lambda old: {"text": "edb080"},
    lambda old: _nested(200),
    lambda old: "y" * 10_000,
)


def _json_text(r: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Alter the JSON as a text: letters, deep nesting, names that stand twice, numbers that JSON does not have."""
    head, body, arrays = split(data)
    text = json.dumps(body, separators=(",", ":"))
    at = r.randrange(len(text))
    way = r.randrange(6)
    if way == 0:
        text = text[:at] + r.choice("0123456789[]{},:\"-e.") + text[at + 1 :]
    elif way == 1:
        text = text.replace('"state":', '"state":' + "[" * r.choice((50, 500, 100_000)), 1)
    elif way == 2:
        text = text.replace("{", '{"ihomer":"0",', 1)
    elif way == 3:
        text = re.sub(r"\b\d+\b", lambda m: r.choice((m[0], m[0], "NaN", "-Infinity", "1e999", "9" * 5000)), text, count=3)
    elif way == 4:
        text = text[:at]
    else:
        text = text[:at] + text[at : at + 200] + text[at:]
    return joined(head, text, arrays)


def _setting(r: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Alter settings, of the model or of one of its parts."""
    head, body, arrays = split(data)
    named = [part for part, key in _places(body) if isinstance(part, list) and part[key] == "settings"]
    settings = [pair for part in named for pair in part[1].get("dict", [])]
    if not settings:
        return joined(head, body, arrays)
    for _ in range(r.choice((1, 1, 3))):
        pair = r.choice(settings)
        pair[1] = r.choice([*_INTS, 0.1, 0.9, 1e300, True, None, "never", "drift", {"tuple": ["tree"]}, {"int": hex(10**400)}])
    return joined(head, body, arrays)


_WAYS: dict[str, tuple[Alter, float]] = {
    "bits flipped": (_flip, 1.0),
    "cut": (_cut, 1.0),
    "parts swapped": (_swap, 0.5),
    "spliced": (_splice, 0.5),
    "bytes inserted": (_insert, 0.5),
    "sealed: bits flipped": (_sealed(_flip), 2.0),
    "sealed: cut": (_sealed(_cut), 0.5),
    "sealed: spliced": (_sealed(_splice), 0.5),
    "sealed: bytes inserted": (_sealed(_insert), 0.5),
    "sealed: header": (_header, 1.5),
    "sealed: values of arrays": (_array_values, 8.0),
    "sealed: bytes of arrays": (_array_bytes, 3.0),
    "sealed: shapes of arrays": (_array_shape, 3.0),
    "sealed: arrays moved": (_array_moved, 3.0),
    "sealed: numbers of the JSON": (_json_number, 3.0),
    "sealed: values of the JSON": (_json_value, 3.0),
    "sealed: text of the JSON": (_json_text, 1.0),
    "sealed: settings": (_setting, 2.0),
}
