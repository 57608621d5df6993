"""How a source file begins: by that, another file of the same name is told from the one that was read."""

import hashlib
import os
from pathlib import Path

import msgspec

from ihomer.persistence import write_file
from streams.errors import SourceError
from streams.message import Gone

__all__ = ["Beginning"]

_MOST = 4096  # bytes that are compared


class _Begun(msgspec.Struct, forbid_unknown_fields=True):
    """What is kept of the first bytes of a file."""

    name: str
    n_bytes: int
    sha256: str


class Beginning:
    """The first bytes of a file, up to 4,096 of those that were read, by their number and SHA-256.

    They are read from the file that is open, whatever has its name by now.

    Parameters
    ----------
    path, name
        The file, and what messages from it call it.
    kept_path
        Where that is kept from one process to the next; None: in memory alone.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from streams.beginning import Beginning
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path, kept = Path(folder) / "sky.jsonl", Path(folder) / "source.json"
    ...     with path.open("w+") as file:
    ...         _ = path.write_text("sunny")
    ...         Beginning(path, "sky.jsonl", kept).note(3, file.fileno())
    ...         _ = path.write_text("sundown")
    ...         Beginning(path, "sky.jsonl", kept).check(file.fileno())
    ...         _ = path.write_text("rainy")
    ...         try:
    ...             Beginning(path, "sky.jsonl", kept).check(file.fileno())
    ...         except LookupError as error:
    ...             print(str(error).removeprefix(str(path)))
    : not the file that was read under this name: its first 3 bytes are others
    """

    def __init__(self, path: Path, name: str, kept_path: Path | None) -> None:
        self._path, self._name, self._kept_path = path, name, kept_path
        self._begun = None if kept_path is None else _read(kept_path)
        if self._begun is not None and self._begun.name != name:
            self._begun = None

    def check(self, descriptor: int) -> None:
        """Compare an open file with what is kept.

        Raises
        ------
        Gone
            If it is another one.
        """
        if self._begun is not None and self._first(self._begun.n_bytes, descriptor) != self._begun:
            raise Gone(
                f"{self._path}: not the file that was read under this name: its first {self._begun.n_bytes} bytes are others"
            )

    def note(self, n_bytes: int, descriptor: int) -> None:
        """Keep the beginning of an open file of which so many bytes have been read, if more than before."""
        kept = 0 if self._begun is None else self._begun.n_bytes
        if kept >= min(n_bytes, _MOST, os.fstat(descriptor).st_size):
            return
        begun = self._first(min(n_bytes, _MOST), descriptor)
        if self._kept_path is not None:
            write_file(self._kept_path, msgspec.json.encode(begun))
        self._begun = begun

    def _first(self, n_bytes: int, descriptor: int) -> _Begun:
        first = os.pread(descriptor, n_bytes, 0)
        return _Begun(self._name, len(first), hashlib.sha256(first).hexdigest())


def _read(path: Path) -> _Begun | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Begun)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: not what a source has written: {error}") from None
