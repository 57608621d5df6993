"""What is predicted for events, as the parts of a classifier hand it to each other and to its users."""

from collections.abc import Callable, Hashable, Sequence
from itertools import chain
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Answer", "Collect", "Learned", "Prediction", "Proba", "all_learned"]

Proba = NDArray[np.float64]
Answer = NDArray[np.bool_]


class Learned(NamedTuple):
    """What was predicted for some rows, each before it was learned."""

    proba: Proba  # float64[rows, labels]
    answer: Answer  # bool[rows, labels]
    version: list[int]  # of each row: changes of the label clusters before


def all_learned(parts: Sequence[Learned]) -> Learned:
    """Return what was predicted for the rows of all parts, one part after the other."""
    if len(parts) == 1:
        return parts[0]
    p, answer, version = zip(*parts, strict=True)
    return Learned(np.concatenate(p), np.concatenate(answer), list(chain.from_iterable(version)))


class Prediction(NamedTuple):
    """What was predicted for one event, and what the model was like then.

    Attributes
    ----------
    labels
        The predicted labels, in the order of their indices.
    top
        The most probable labels with their probabilities, the most probable first; ties in name order.
    learned
        Number of events learned before.
    version
        Number of changes of the label clusters before.
    """

    labels: list[Hashable]
    top: list[tuple[Hashable, float]]
    learned: int
    version: int


Collect: TypeAlias = Callable[[Learned, frozenset[Hashable]], None]
"""Takes what was learned, and the labels that the first row has brought."""
