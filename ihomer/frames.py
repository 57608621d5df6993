"""Data frames of any kind that river takes: what they are, their columns, and their rows."""

from collections.abc import Hashable, Mapping
from typing import Any

from river.utils import dataframe

__all__ = ["column_names", "is_frame", "rows_of_frame"]


def is_frame(X: Any) -> bool:
    """Tell whether `X` is a data frame of a kind that river takes."""
    try:
        dataframe.into_frame(X)
    except TypeError:
        return False
    return True


def column_names(frame: Any) -> list[Hashable]:
    """Return the names of the columns of a data frame of any kind; those of pandas need not be strings."""
    found = dataframe.into_frame(frame)
    return list(frame.columns) if found.implementation.is_pandas_like() else list(found.columns)


def rows_of_frame(X: Any) -> list[Mapping[Hashable, Any]]:
    """Return the rows of a frame as dictionaries; what pandas calls missing, in whatever way, is None."""
    frame = dataframe.into_frame(X)
    if frame.implementation.is_pandas_like():
        frame = dataframe.into_frame(X.astype(object).where(X.notna(), None))
    names = column_names(X)
    return [dict(zip(names, row, strict=True)) for row in frame.iter_rows()]
