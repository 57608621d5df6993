"""Zipf-distributed label sets, and the checks that generators of streams share."""

import numbers
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["check_count", "check_number", "zipf_distribution", "zipf_labelsets"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IndexArray: TypeAlias = npt.NDArray[np.int64]

ROUNDS = 64


def check_count(name: str, value: int, least: int) -> None:
    """Raise ValueError, which names the setting, unless the value is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be a whole number, at least {least}, not {value!r}")


def check_number(name: str, value: Any, most: float) -> None:
    """Raise ValueError, which names the setting, unless the value is a number from 0 to `most`, and finite."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (is_number and 0.0 <= value <= most and value < np.inf):
        limits = "finite number, at least 0" if most == np.inf else f"number from 0 to {most:g}"
        raise ValueError(f"{name} must be a {limits}, not {value!r}")


def zipf_distribution(n: int, exponent: float) -> FloatArray:
    """Return the distribution function over 0 .. n - 1, without its last value 1."""
    weights = np.arange(1.0, n + 1.0) ** -exponent
    distribution: FloatArray = np.cumsum(weights) / weights.sum()
    return distribution[:-1]


def zipf_labelsets(
    n_labels: int, per_event: float, n_events: int, seed: int, exponent: float = 1.0
) -> tuple[IndexArray, npt.NDArray[np.int32]]:
    """Draw label sets of distinct labels with Zipf-distributed frequencies, quickly.

    Parameters
    ----------
    n_labels
        Number of labels; label i is drawn with a probability proportional to (i + 1)**-exponent.
    per_event
        Mean size of a label set, at least 1: sizes are 1 plus a Poisson number, and at most `n_labels`.
    n_events
        Number of label sets.
    seed
        Seed.
    exponent
        Exponent of the frequencies; 0 makes them equal.

    Returns
    -------
    tuple
        indptr, shape (n_events + 1,), and indices: the labels of event i, rising, are
        indices[indptr[i]:indptr[i + 1]].

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    Examples
    --------
    >>> from streams.zipf import zipf_labelsets
    >>> indptr, indices = zipf_labelsets(n_labels=1000, per_event=4, n_events=3, seed=1)
    >>> [indices[start:stop].tolist() for start, stop in zip(indptr[:-1], indptr[1:])]
    [[1, 2, 3, 10, 16], [4, 20, 153, 750, 865], [1, 3, 31, 127, 798]]
    """
    check_count("n_labels", n_labels, 1)
    check_count("n_events", n_events, 0)
    check_count("seed", seed, 0)
    check_number("exponent", exponent, 10.0)
    check_number("per_event", per_event, 1e9)
    if per_event < 1:
        raise ValueError(f"per_event must be at least 1, not {per_event!r}")
    generator = np.random.default_rng(seed)
    sizes = np.minimum(1 + generator.poisson(per_event - 1, n_events), n_labels)
    bounds = zipf_distribution(n_labels, exponent)
    done: list[IndexArray] = []
    active, keys, held = np.arange(n_events), np.zeros(0, dtype=np.int64), np.zeros(n_events, dtype=np.int64)
    # A label drawn twice is drawn again; sets that hold nearly all labels would go on for long.
    for _ in range(ROUNDS):
        again = np.repeat(active, sizes[active] - held)
        drawn = np.searchsorted(bounds, generator.random(len(again)), side="right")
        keys = np.unique(np.concatenate((keys, again * n_labels + drawn)))
        held = np.diff(np.searchsorted(keys, np.append(active, n_events) * n_labels))
        full = held == sizes[active]
        finished = np.repeat(full, held)
        done.append(keys[finished])
        active, keys, held = active[~full], keys[~finished], held[~full]
    for event, own in zip(active.tolist(), np.split(keys, np.cumsum(held)[:-1]), strict=False):
        done.append(own)
        others = _others(generator, own % n_labels, n_labels, exponent)
        done.append(event * n_labels + others[: sizes[event] - len(own)])
    indices = np.sort(np.concatenate(done)) % n_labels
    return np.concatenate(([0], np.cumsum(sizes))), indices.astype(np.int32)


def _others(generator: np.random.Generator, held: IndexArray, n_labels: int, exponent: float) -> IndexArray:
    """Return all labels in a random order of drawing, those held already last (Gumbel noise on log weights)."""
    scores = -exponent * np.log(np.arange(1.0, n_labels + 1.0)) + generator.gumbel(size=n_labels)
    scores[held] = -np.inf
    return np.argsort(-scores, kind="stable")
