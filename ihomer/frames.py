"""Data frames of any kind that river takes: what they are, their columns, and their rows."""

import sys
from collections import Counter
from collections.abc import Hashable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river.utils import dataframe
from scipy import sparse

from ihomer.settings import told

__all__ = ["column_names", "holds_truth_values", "is_frame", "is_missing", "numbers_of_frame", "rows_of_frame"]


def is_missing(value: Any) -> bool:
    """Tell whether a value is None, or what stands for it among pandas' values; NaN is a number and not told."""
    if value is None:
        return True
    pandas = sys.modules.get("pandas")  # no value is of pandas before something has imported it, all of it
    return value is getattr(pandas, "NA", None) or value is getattr(pandas, "NaT", None)


def is_frame(X: Any) -> bool:
    """Tell whether `X` is a data frame of a kind that river takes."""
    if isinstance(X, np.ndarray | list) or sparse.issparse(X):  # river asks each kind of frame whether it is that
        return False
    try:
        with suppress(ValueError):  # of two columns with the same name
            dataframe.into_frame(X)
    except TypeError:
        return False
    return True


def column_names(frame: Any, what: str = "a data frame") -> list[Hashable]:
    """Return the names of the columns of a data frame of any kind; those of pandas need not be strings.

    Raises
    ------
    ValueError
        If two columns have the same name; the message calls the frame `what`.
    """
    try:
        found = dataframe.into_frame(frame)
    except ValueError as error:
        names = getattr(frame, "column_names", frame.columns)  # PyArrow's `columns` are the columns
        twice = [name for name, times in Counter(names).items() if times > 1]
        told_of = f"has more than one column named {told(twice[0])}" if twice else f"cannot be read: {error}"
        raise ValueError(f"{what} {told_of}") from None
    return list(frame.columns) if found.implementation.is_pandas_like() else list(found.columns)


def rows_of_frame(X: Any) -> list[Mapping[Hashable, Any]]:
    """Return the rows of a frame as dictionaries; what pandas calls missing, in whatever way, is None."""
    frame = dataframe.into_frame(X)
    if frame.implementation.is_pandas_like():
        frame = dataframe.into_frame(X.astype(object).where(X.notna(), None))
    names = column_names(X)
    return [dict(zip(names, row, strict=True)) for row in frame.iter_rows()]


def holds_truth_values(X: Any) -> bool:
    """Tell whether a column of a frame is of truth values."""
    return any(str(dtype) == "Boolean" for dtype in dataframe.into_frame(X).schema.values())


def numbers_of_frame(X: Any) -> NDArray[np.float64] | None:
    """Return the values of a frame, nan where one is missing; None if a column holds other than numbers and truth values."""
    frame = dataframe.into_frame(X)
    if not all(dtype.is_numeric() or str(dtype) == "Boolean" for dtype in frame.schema.values()):
        return None
    return dataframe.to_numpy(frame)
