"""What is measured: the distance of two partitions, the loss of an event, delays and false alarms of a detector."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def adjusted_rand_index(first: ArrayLike, second: ArrayLike) -> float:
    """Return how far two partitions agree, beyond chance.

    Of all pairs of elements, the number that both partitions put together, less what chance would give, over the greatest
    number possible, less the same.

    Parameters
    ----------
    first, second
        The number of the cluster of each element, int[elements]; which numbers are used does not matter.

    Returns
    -------
    float
        1 for the same partition, about 0 for one drawn at random; below 0 if worse. Two partitions that put nothing
        together, or everything, are the same: 1.

    Raises
    ------
    ValueError
        If the two do not have the same elements.

    References
    ----------
    Hubert, Arabie: Comparing partitions. Journal of Classification 2, 1985.

    Examples
    --------
    >>> from benchmarks.drifts.measures import adjusted_rand_index
    >>> adjusted_rand_index([0, 0, 1, 1], [5, 5, 7, 7]), round(adjusted_rand_index([0, 0, 1, 1], [0, 1, 0, 1]), 3)
    (1.0, -0.5)
    """
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"two partitions of the same elements are needed, not of shapes {first.shape} and {second.shape}")
    rows, columns = np.unique(first, return_inverse=True)[1], np.unique(second, return_inverse=True)[1]
    shared = np.zeros((rows.max(initial=-1) + 1, columns.max(initial=-1) + 1), np.int64)
    np.add.at(shared, (rows, columns), 1)
    together = _pairs(shared)
    in_first, in_second = _pairs(shared.sum(1)), _pairs(shared.sum(0))
    n_pairs = len(first) * (len(first) - 1) // 2
    by_chance = in_first * in_second / n_pairs if n_pairs else 0.0
    most = (in_first + in_second) / 2
    return 1.0 if most == by_chance else float((together - by_chance) / (most - by_chance))


def _pairs(sizes: NDArray[np.int64]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def losses(answers: NDArray[np.bool_], Y: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return 1 - |Y and Z| / |Y or Z| of each event, float64[events]; 0 where both are empty."""
    truth = Y.astype(bool)
    either = (answers | truth).sum(1)
    both = (answers & truth).sum(1)
    return np.where(either > 0, 1.0 - both / np.maximum(either, 1), 0.0)


def delay(detections: Sequence[int], at: int, horizon: int) -> int | None:
    """Return how many events of a drift were learned until the first detection; None if it was missed.

    Parameters
    ----------
    detections
        Numbers of events learned when a drift was detected.
    at
        Number of the first event of the drift, counted from 0: so many events were learned before it.
    horizon
        A detection later than this many events counts no more.

    Examples
    --------
    >>> from benchmarks.drifts.measures import delay
    >>> delay([90, 132, 140], at=100, horizon=50), delay([90, 151], at=100, horizon=50)
    (32, None)
    """
    return min((event - at for event in detections if 0 < event - at <= horizon), default=None)


def false_alarms(detections: Sequence[int], warm_up: int, until: int) -> int:
    """Return the number of detections after the warm-up, while `until` events without drift were learned.

    Examples
    --------
    >>> from benchmarks.drifts.measures import false_alarms
    >>> false_alarms([10, 60, 100, 101], warm_up=50, until=100)
    2
    """
    return sum(warm_up < event <= until for event in detections)
