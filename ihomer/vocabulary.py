"""Names <-> indices, for labels and features that appear while the stream runs."""

from collections.abc import Collection, Hashable, Iterable, Iterator
from itertools import repeat
from numbers import Number, Real
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ihomer.printable import printable

__all__ = ["Vocabulary", "in_name_order", "oldest", "refuse_nan", "shown"]

_Value = TypeVar("_Value")

_NO_INDICES = np.zeros(0, np.int32)


def in_name_order(names: Iterable[Hashable]) -> list[Hashable]:
    """Sort names so that the order in which a dictionary or set yields them never matters.

    Strings, bytes, numbers and tuples of these stand in their natural order where all can be compared with each other; other
    names are ordered by type, then by their text.

    Raises
    ------
    ValueError
        If nan is among them, or within a tuple or frozenset: it equals no name, also not itself.
    """
    names = list(names)
    if set(map(type, names)) == {str}:
        return sorted(names)  # type: ignore[type-var]
    refuse_nan(names)
    try:
        return sorted(names, key=_comparable)
    except TypeError:
        return sorted(names, key=_type_and_text)


def refuse_nan(names: Collection[Hashable]) -> None:
    """Raise ValueError if nan is among the names, or within a tuple or frozenset: it equals no name, also not itself."""
    if set(map(type, names)) != {str} and any(map(_has_nan, names)):
        raise ValueError("nan cannot be a name: it equals no other, also not itself")


def _has_nan(name: Any) -> bool:
    if isinstance(name, tuple | frozenset):
        return any(map(_has_nan, name))
    return isinstance(name, Number | np.generic) and bool(name != name)


def _comparable(name: Any) -> Any:
    """Return what stands for a name in the natural order; TypeError for one that is not totally ordered, as sets are not."""
    if isinstance(name, np.generic):
        name = name.item()
    if isinstance(name, str | bytes | Real):
        return name
    if isinstance(name, tuple):
        return tuple(map(_comparable, name))
    raise TypeError(f"a {type(name).__name__} is not totally ordered")


def _type_and_text(name: Hashable) -> tuple[str, str]:
    return type(name).__qualname__, _text(name)


def _text(name: Hashable) -> str:
    """Return the text of a name, in which the elements of sets stand in an order of their own."""
    if isinstance(name, frozenset):
        return f"frozenset({{{', '.join(text for _, text in sorted(map(_type_and_text, name)))}}})"
    if isinstance(name, tuple):
        return f"({', '.join(map(_text, name))})"
    try:
        return repr(name)
    except ValueError:  # of a number with thousands of digits
        return hex(name)  # type: ignore[arg-type]


def shown(name: Hashable) -> str:
    """Return a name as people read it, on one line."""
    try:
        return printable(str(name))
    except ValueError:  # of a number with thousands of digits
        return printable(_text(name))


class Vocabulary:
    """A two-way table of names and small integers; a freed index is given to a later name.

    Examples
    --------
    >>> from ihomer.vocabulary import Vocabulary
    >>> table = Vocabulary()
    >>> table.add("rain"), table.add("snow"), table.add("rain")
    (0, 1, 0)
    >>> table.free(0)
    >>> table.get("rain"), table.add("hail"), table.name(0), len(table)
    (-1, 0, 'hail', 2)
    """

    def __init__(self) -> None:
        self._index: dict[Hashable, int] = {}
        self._names: list[Hashable] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        """Return the number of names that have an index now."""
        return len(self._index)

    def __contains__(self, name: Hashable) -> bool:
        return name in self._index

    def __iter__(self) -> Iterator[Hashable]:
        """Yield the names, oldest first."""
        return iter(self._index)

    @property
    def size(self) -> int:
        """One more than the largest index ever given: the length of arrays that are indexed by it."""
        return len(self._names)

    def get(self, name: Hashable) -> int:
        """Return the index of `name`, or -1."""
        return self._index.get(name, -1)

    def indices(self, names: Collection[Hashable]) -> NDArray[np.int32]:
        """Return the indices of names, int32[names], -1 for one without."""
        return np.fromiter(map(self._index.get, names, repeat(-1)), np.int32, len(names))

    def index_by_name(self, names: Collection[Hashable]) -> dict[Hashable, int]:
        """Return name -> index of names that all have one.

        Examples
        --------
        >>> from ihomer.vocabulary import Vocabulary
        >>> table = Vocabulary()
        >>> _ = table.add("rain"), table.add("snow")
        >>> table.index_by_name(["snow"])
        {'snow': 1}
        """
        return dict(zip(names, map(self._index.__getitem__, names), strict=True))

    def known(self, names: Collection[Hashable]) -> NDArray[np.int32]:
        """Return the indices of those names that have one, ascending.

        Examples
        --------
        >>> from ihomer.vocabulary import Vocabulary
        >>> table = Vocabulary()
        >>> _ = table.add("rain"), table.add("snow")
        >>> table.known(["snow", "hail", "rain"]).tolist()
        [0, 1]
        """
        if not names:
            return _NO_INDICES
        found = [index for index in map(self._index.get, names) if index is not None]
        found.sort()
        return np.array(found, np.int32)

    def in_use(self) -> NDArray[np.int64]:
        """Return the indices that names have, int64[names], that of the oldest name first."""
        return np.fromiter(self._index.values(), np.int64, len(self._index))

    def is_in_use(self) -> NDArray[np.bool_]:
        """Tell which indices a name has, bool[size]."""
        used = np.zeros(self.size, np.bool_)
        used[self.in_use()] = True
        return used

    def has_all(self, names: Iterable[Hashable]) -> bool:
        """Tell whether each name has an index."""
        return all(map(self._index.__contains__, names))

    def new_names(self, *groups: Collection[Hashable]) -> list[Hashable]:
        """Return the names without an index in some groups of names, each once, in name order.

        Raises
        ------
        ValueError
            If nan is among them, or within a tuple or frozenset.

        Examples
        --------
        >>> from ihomer.vocabulary import Vocabulary
        >>> table = Vocabulary()
        >>> _ = table.add("rain")
        >>> table.new_names(["snow", "rain"], ["hail", "snow"])
        ['hail', 'snow']
        """
        known = self._index
        new = {name for group in groups if not self.has_all(group) for name in group if name not in known}
        return in_name_order(new) if new else []

    def name(self, index: int) -> Hashable:
        """Return the name that has `index`."""
        return self._names[index]

    def items(self) -> Iterable[tuple[Hashable, int]]:
        """Return the pairs of name and index, oldest name first."""
        return self._index.items()

    def by_name(self, values: list[_Value]) -> dict[Hashable, _Value]:
        """Return name -> the value in the place of its index; by index.

        Examples
        --------
        >>> from ihomer.vocabulary import Vocabulary
        >>> table = Vocabulary()
        >>> for name in ("rain", "snow", "hail"):
        ...     _ = table.add(name)
        >>> table.free(0)
        >>> table.by_name([0.1, 0.2, 0.3])
        {'snow': 0.2, 'hail': 0.3}
        >>> _ = table.add("fog")
        >>> table.by_name([0.1, 0.2, 0.3])
        {'fog': 0.1, 'snow': 0.2, 'hail': 0.3}
        """
        if len(self._index) == len(self._names):
            return dict(zip(self._names, values, strict=True))
        return {self._names[i]: values[i] for i in sorted(self._index.values())}

    def add(self, name: Hashable) -> int:
        """Return the index of `name`, giving it one if it has none: a freed one first, else the next."""
        index = self._index.get(name, -1)
        if index >= 0:
            return index
        if self._free:
            index = self._free.pop()
            self._names[index] = name
        else:
            index = len(self._names)
            self._names.append(name)
        self._index[name] = index
        return index

    def free(self, index: int) -> None:
        """Forget the name that has `index`; a later name may get the index."""
        del self._index[self._names[index]]
        self._names[index] = None
        self._free.append(index)


def oldest(in_use: NDArray[np.integer], last_used: NDArray[np.int64], most: int, surplus: int) -> NDArray[np.int64]:
    """Return the indices that make room where there are `surplus` too many: the eighth of `most` that were used longest ago, or
    more if that is not enough; of indices used at the same time the lowest first.

    Examples
    --------
    >>> import numpy as np
    >>> from ihomer.vocabulary import oldest
    >>> oldest(np.array([3, 0, 1]), last_used=np.array([7, 5, 0, 5]), most=8, surplus=2).tolist()
    [1, 3]
    """
    ordered = np.sort(in_use).astype(np.int64)
    count = max(surplus, most // 8)
    return ordered[np.argsort(last_used[ordered], kind="stable")[:count]]
