"""The labels that the experts know: all of them, or the most frequent ones where there are too many to ask about each."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ihomer.encoder import Batch
from ihomer.experts.base import larger

__all__ = ["FREE", "LabelPlaces", "OftenOf"]

OftenOf: TypeAlias = Callable[[NDArray[np.int32]], NDArray[np.float64]]

FREE = -1
_TIMES_AS_OFTEN = 2.0  # a label applies, compared with the rarest that has a place: so that no two take turns
_DISCOUNT = 0.75  # of one time that a label has applied; see `LabelPlaces.spread`
_PART = 64  # of the places are freed at once: to clean them takes not much longer than to clean one


class LabelPlaces:
    """Places for labels: the experts, the mixture and the decoder have as many, and know only labels that have one.

    As long as there are no more label indices than places, each label has the place of its index. After that a label without
    a place gets one when it applies twice as often as the rarest label that has one; where none is free, the rarest ones lose
    theirs. A label without a place has the probability of one that has not applied since it last did, or lost its place.

    Parameters
    ----------
    most
        Number of places.

    Examples
    --------
    >>> import numpy as np
    >>> from ihomer.places import LabelPlaces
    >>> places = LabelPlaces(2)
    >>> places.grow(3)
    >>> [places.of(label) for label in range(3)]
    [0, 1, -1]
    >>> often = np.array([0.5, 0.1, 0.2])
    >>> places.seat(np.array([2], np.int32), lambda labels: often[labels], 20)  # label 2 applies twice as often as label 1
    array([1])
    >>> [places.of(label) for label in range(3)], places.times.tolist()  # label 1: a tenth of 20 events
    ([0, -1, 1], [0.0, 2.0, 0.0, 0.0])
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.label = np.zeros(0, np.int32)  # of each place, or FREE; empty while a label's index is its place
        self.times = np.zeros(0)  # how often each label without a place has applied
        self._place = np.zeros(0, np.int32)  # of each label; -1: none

    @property
    def is_partial(self) -> bool:
        """Whether there are more labels than places."""
        return len(self.label) > 0

    def of(self, label: int) -> int:
        """Return the place of a label; -1: none."""
        return int(self._place[label]) if self.is_partial else label

    def grow(self, n_labels: int) -> None:
        """Take note of label indices below `n_labels`."""
        if n_labels <= self.most:
            return
        if not self.is_partial:
            self.label = np.arange(self.most, dtype=np.int32)
        if n_labels > len(self.times):
            self.times = larger(self.times, 0, n_labels)
            self.find()

    def find(self) -> None:
        """Find out each label's place from each place's label."""
        self._place = np.full(len(self.times), -1, np.int32)
        taken = np.flatnonzero(self.label != FREE).astype(np.int32)
        self._place[self.label[taken]] = taken

    def stop(self, batch: Batch, start: int, stop: int) -> int:
        """Return where the rows end that can be learned at once: a row to which a label without a place applies is the last."""
        if not self.is_partial:
            return stop
        first = batch.y_indptr[start]
        without = np.flatnonzero(self._place[batch.y_index[first : batch.y_indptr[stop]]] < 0)
        return int(np.searchsorted(batch.y_indptr, first + without[0], "right")) if len(without) else stop

    def seat(self, applied: NDArray[np.int32], often_of: OftenOf, n_events: int) -> NDArray[np.int64]:
        """Give places to labels that have just applied and are no longer rare; return those that were freed for that.

        Parameters
        ----------
        applied
            int32[:], the labels. One that has a place is given none; it may lose it if it is among the rarest.
        often_of
            Returns how often each of some labels applies, as a share of events.
        n_events
            Number of events so far.
        """
        freed = [np.zeros(0, np.int64)]
        without = applied[self._place[applied] < 0]
        if not len(without):
            return freed[0]
        here = np.full(self.most, np.inf)  # how often the label of each place applies
        taken = self.label != FREE
        here[taken] = often_of(self.label[taken])
        for label, often in zip(without.tolist(), often_of(without).tolist(), strict=True):
            self.times[label] = often * n_events
            if often < _TIMES_AS_OFTEN * here.min() < np.inf:
                continue
            if (self.label != FREE).all():
                freed.append(self._free(here, often / _TIMES_AS_OFTEN, n_events))
            place = int(np.argmin(self.label))
            self.label[place], self._place[label], self.times[label], here[place] = label, place, 0.0, often
        return np.unique(np.concatenate(freed))

    def _free(self, here: NDArray[np.float64], most: float, n_events: int) -> NDArray[np.int64]:
        """Free the places of the rarest labels, of those that apply to this share of events at most; return these places."""
        places = np.argsort(here, kind="stable")[: max(self.most // _PART, 1)]
        places = places[here[places] <= most]
        labels = self.label[places]
        self.times[labels] = here[places] * n_events
        self._place[labels], self.label[places], here[places] = -1, FREE, np.inf
        return places

    def forget_labels(self, labels: NDArray[np.int32]) -> NDArray[Any]:
        """Start labels anew whose indices are given to others, which keep their places; return these."""
        if not self.is_partial:
            return labels
        self.times[labels] = 0.0
        places = self._place[labels]
        return places[places >= 0]

    def seated(self, by_label: NDArray[Any]) -> NDArray[Any]:
        """Return what belongs to each place, [rows, places], from what belongs to each label; 0 of a free place."""
        if not self.is_partial:
            return by_label
        result = by_label.take(self.label, axis=1)  # C order, for which the kernels are compiled; indexing gives the other
        result[:, self.label == FREE] = 0
        return result

    def spread(
        self, p: NDArray[np.float64], answer: NDArray[np.bool_], n_labels: int, n_events: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return probabilities and answers by label from those by place, [rows, places], where there are fewer places.

        A label without a place that has applied a times in n events is expected with probability (a - 0.75 min(a, 1)) / n:
        what has been seen once comes again less often than once in n, and 0.75 is about what is missing, also from counts of
        more (Church and Gale 1991). `n_events` holds the n of each row.
        """
        all_p, all_answers = np.empty((len(p), n_labels)), np.zeros((len(p), n_labels), np.bool_)
        times = self.times[:n_labels]
        times = times - _DISCOUNT * np.minimum(times, 1.0)
        all_p[:] = np.minimum(times / np.maximum(n_events, 1)[:, None], 1.0)
        taken = self.label != FREE
        all_p[:, self.label[taken]], all_answers[:, self.label[taken]] = p[:, taken], answer[:, taken]
        return all_p, all_answers
