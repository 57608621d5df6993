"""One file of a state: the safetensors format, with version and checksum inside, written at once or not at all.

The header of the file has one entry of metadata, "ihomer": the number of the format, a checksum, and the state as JSON, which
refers to the arrays by name. The checksum is the SHA-256 of the whole file with 64 zeros in its place.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihomer.saved.values import Kinds, ModelFileError, Reader, Writer

__all__ = ["FORMAT", "Content", "open_file", "pack", "pack_in_parts", "remove_unfinished", "unpack", "write_file"]

Content = bytes | Sequence[bytes | memoryview]  # of a file, in one piece or in parts that follow each other
FORMAT = 20  # rises whenever a file means something else than before; a file of any other format is refused
_PREFIX = b'{"__metadata__":{"ihomer":"'
_START = re.compile(rb"(\d{1,9}) ([0-9a-f]{64}) ")
_NO_DIGEST = b"0" * 64
_PIECE = 1 << 18  # bytes that are read at once for the checksum
_MOST_AXES = 32  # of an array
_UNFINISHED = re.compile(r"\.ihomer\.[0-9a-f]{16}\.part")
_TENSORS = {
    "BOOL": np.bool_, "U8": np.uint8, "I8": np.int8, "I32": np.int32, "U32": np.uint32, "I64": np.int64, "U64": np.uint64,
    "I16": np.int16, "F32": np.float32, "F64": np.float64,
}  # fmt: skip
_NAMES = {np.dtype(kind): name for name, kind in _TENSORS.items()}


def _own_version() -> str:
    try:
        return version("ihomer")
    except PackageNotFoundError:
        return "unknown"


def pack(value: Any, kinds: Kinds) -> bytes:
    """Return a value as the bytes of a file; equal states give equal bytes.

    Parameters
    ----------
    value
        A tree of None, bools, numbers, texts, bytes, lists, tuples, dictionaries, sets, deques, NumPy scalars and arrays, and
        objects of the classes of `kinds`.
    kinds
        What may stand in it beside plain values.

    Raises
    ------
    TypeError
        If a value is of another type, or a list, dictionary, array or object is held twice.
    """
    return b"".join(pack_in_parts(value, kinds))


def pack_in_parts(value: Any, kinds: Kinds) -> list[bytes | memoryview]:
    """Return what `pack` does, in parts: the header, and the arrays as they lie in memory, so that nothing large is copied.

    The checksum is that of the moment: the parts are to be written before anything in the value changes.
    """
    writer = Writer(kinds)
    body = json.dumps({"ihomer": _own_version(), "state": writer.write(value)}, separators=(",", ":"), allow_nan=False)
    header: dict[str, Any] = {"__metadata__": {"ihomer": f"{FORMAT} {_NO_DIGEST.decode()} {body}"}}
    begin, arrays = 0, []
    for name, array in sorted(writer.arrays.items(), key=lambda item: (-item[1].itemsize, item[0])):  # each one aligned
        end = begin + array.nbytes
        header[name] = {"dtype": _NAMES[array.dtype], "shape": array.shape, "data_offsets": [begin, end]}
        arrays.append(array.reshape(-1).view(np.uint8).data)
        begin = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    before = len(text).to_bytes(8, "little") + text
    digest = hashlib.sha256(before)
    for part in arrays:
        digest.update(part)
    at = 8 + len(_PREFIX) + len(f"{FORMAT} ")
    assert before[8 : 8 + len(_PREFIX)] == _PREFIX
    assert before[at : at + 64] == _NO_DIGEST
    return [b"".join((before[:at], digest.hexdigest().encode(), before[at + 64 :])), *arrays]


def unpack(data: bytes | BufferedIOBase, kinds: Kinds) -> Any:
    """Return the value that `pack` made the bytes of, or those of a file that is open for reading.

    No code in the bytes is run, and the memory used is at most a constant times their length. Of a file, each array is read to
    where it stays, so that it is not held a second time.

    Raises
    ------
    ModelFileError
        If the bytes are damaged, altered, of another format, or hold what `kinds` does not allow.
    OSError
        If the file cannot be read.
    """
    try:
        arrays, text = _opened(BytesIO(data) if isinstance(data, bytes) else data)
        body = json.loads(text, object_pairs_hook=_distinct, parse_constant=_refuse)
        if not isinstance(body, dict) or body.keys() != {"ihomer", "state"}:
            raise ModelFileError("the state is missing")
        reader = Reader(kinds, arrays)
        value = reader.read(body["state"])
    except ModelFileError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError, LookupError, AttributeError) as error:
        raise ModelFileError(f"the file does not hold a valid state: {str(error)[:300]}") from error
    if reader.left_over:
        raise ModelFileError("the file holds arrays that belong to nothing")
    return value


def _opened(file: BufferedIOBase) -> tuple[dict[str, NDArray[Any]], str]:
    """Check a file from outside; return its arrays by name, and the JSON of the state."""
    at = 8 + len(_PREFIX)
    start = file.read(at + 80)
    found = _START.match(start[at:])
    if start[8:at] != _PREFIX or found is None:
        raise ModelFileError("this is not a file of ihomer, or its beginning is damaged")
    if int(found[1]) != FORMAT:
        raise ModelFileError(
            f"the file has format {int(found[1])}; this version of ihomer ({_own_version()}) reads format {FORMAT}"
        )
    length = _checked_length(file, at + found.start(2), found[2])
    n_header = int.from_bytes(start[:8], "little")
    if n_header > length - 8:
        raise ModelFileError("the header is longer than the file")
    file.seek(8)
    header = json.loads(file.read(n_header), object_pairs_hook=_distinct, parse_constant=_refuse)
    metadata = header.pop("__metadata__")
    text: str = metadata.pop("ihomer")
    if metadata:
        raise ModelFileError("the header holds metadata that belong to nothing")
    return _arrays(file, header, length - 8 - n_header), text[found.end() :]


def _checked_length(file: BufferedIOBase, at: int, expected: bytes) -> int:
    """Return the length of a file; raise unless its checksum, which stands at a place in it, fits."""
    file.seek(0)
    digest = hashlib.sha256(file.read(at))
    digest.update(_NO_DIGEST)
    file.seek(len(_NO_DIGEST), os.SEEK_CUR)
    while part := file.read(_PIECE):
        digest.update(part)
    if digest.hexdigest().encode() != expected:
        raise ModelFileError("the checksum does not fit: the file is cut short, damaged or altered")
    return file.tell()


def _arrays(file: BufferedIOBase, header: dict[str, Any], length: int) -> dict[str, NDArray[Any]]:
    """Read the arrays that a header tells of, which follow each other without gaps up to the end of the file.

    Nothing is allocated before it is known that the file holds as much.
    """
    arrays, end = {}, 0
    for name, tensor in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        if tensor.keys() != {"dtype", "shape", "data_offsets"} or tensor["dtype"] not in _TENSORS:
            raise ModelFileError(f"the array {name[:80]!r} has a type that is not known here")
        dtype, shape, (begin, stop) = np.dtype(_TENSORS[tensor["dtype"]]), tensor["shape"], tensor["data_offsets"]
        if len(shape) > _MOST_AXES or not all(type(n) is int and 0 <= n < 1 << 63 for n in (*shape, begin, stop)):
            raise ModelFileError(f"the array {name[:80]!r} has a shape or place that is none")
        if begin != end or stop > length or stop - begin != math.prod(shape) * dtype.itemsize:
            raise ModelFileError(f"the array {name[:80]!r} does not lie where the file has room for it")
        array = np.empty(shape, dtype)
        if file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
            raise ModelFileError("the file was cut short while it was read")
        arrays[name], end = array, stop
    if end != length:
        raise ModelFileError("the file holds bytes that belong to nothing")
    return arrays


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ModelFileError("the header or the state names something twice")
    return found


def _refuse(constant: str) -> Any:
    raise ModelFileError(f"the header or the state holds {constant}, which is no number of JSON")


def write_file(path: str | os.PathLike[str], data: Content) -> None:
    """Write a file at once: after any error, or a crash at any moment, the file is as it was before.

    The bytes go to another name in the same folder, are forced to the disk, and take the name of the file then.

    Parameters
    ----------
    path
        The file; what has its name is replaced.
    data
        Its bytes.

    Raises
    ------
    OSError
        If the folder is missing or not writable, the disk is full, or `path` is a folder, a pipe or a device; it names `path`.
    """
    try:
        _replace(Path(os.path.realpath(path)), [data] if isinstance(data, bytes) else data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def _replace(target: Path, parts: Sequence[bytes | memoryview]) -> None:
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise OSError(errno.EINVAL, "not a regular file")
    name = target.parent / f".ihomer.{secrets.token_hex(8)}.part"
    number = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(number, "wb") as file:
            if target.exists():
                os.fchmod(number, stat.S_IMODE(target.stat().st_mode))
            file.writelines(parts)
            file.flush()
            os.fsync(number)
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_unfinished(folder: str | os.PathLike[str]) -> None:
    """Remove what `write_file` has left in a folder where its process was killed; nobody may be writing a file there.

    One that cannot be removed stays: it does no harm but for its size.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    for name in os.listdir(folder):
        if _UNFINISHED.fullmatch(name):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))


@contextlib.contextmanager
def open_file(path: str | os.PathLike[str]) -> Iterator[BufferedIOBase]:
    """Open a regular file to read it.

    Raises
    ------
    ModelFileError
        If it is a folder, a pipe or a device.
    OSError
        If it cannot be opened.
    """
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise ModelFileError(f"{os.fspath(path)} is not a regular file")
        with os.fdopen(number, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(number)
