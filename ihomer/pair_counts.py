"""PairCounts: owns the arrays that count labels and pairs of labels, and lets them grow within bounds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihomer.kernels import partition_counts as kernels
from ihomer.kernels.adwin import adwin_arrays, adwin_mean, adwin_reset, adwin_width

__all__ = ["PairCounts"]

MOST_OF_A_ROW = 1024  # labels of one event whose pairs are counted
ROWS_KEPT = 4096  # the newest, which are counted anew after a drift
LABELS_KEPT = 65536  # of these, all together
OLD_SHARE = 0.05  # weight of what lies before a drift, compared with what lies after,
OLD_COUNT = 20.0  # unless that leaves a label of average frequency with less than this
DRIFT_DELTA = 0.002  # ADWIN's risk of a false alarm
MISSED = 3.0  # times that a label has failed to apply, had it kept to its share: chance does that once in 20 times


def _power_of_two(least: int) -> int:
    return 1 << max(0, least - 1).bit_length()


class PairCounts:
    """Counts of labels and of pairs of labels, and the newest label sets.

    Parameters
    ----------
    max_pairs
        Bound on the number of pairs; when it is reached, the quarter that occurred least often is dropped.
    fading
        Factor by which all counts shrink with each event.
    detect_drift
        Watch with ADWIN the share of an event's pairs that lie in different clusters.
    seed
        Decides which pairs go when all occurred equally often, and which labels of a huge event are counted.
    """

    def __init__(self, max_pairs: int, fading: float, detect_drift: bool, seed: int) -> None:
        self.max_pairs = max_pairs
        self.fading = fading
        self.drift_delta = DRIFT_DELTA if detect_drift else 0.0
        self.seed = seed % (1 << 31)
        most = 1
        while (most + 1) * most <= max_pairs and most < MOST_OF_A_ROW:  # an event fills half of the pairs at most
            most += 1
        self.label_count = np.zeros(16)
        self.last_seen = np.zeros(16, np.int64)
        self.size_count = np.zeros(most + 1)
        self.keys = np.full(256, kernels.EMPTY, np.int64)
        self.values = np.zeros(256)
        self.ring_label = np.zeros(LABELS_KEPT if detect_drift else 1, np.int32)
        self.ring_row = np.zeros((ROWS_KEPT if detect_drift else 1, 2), np.int64)
        self.ring_weight = np.zeros(ROWS_KEPT if detect_drift else 1)
        self.detector = adwin_arrays(1)
        self.meta = np.zeros(6, np.int64)
        self.scale = np.ones(1)
        self._taken = np.zeros(most, np.int32)
        self.n_dropped = 0

    @property
    def n_events(self) -> int:
        """Number of events counted."""
        return int(self.meta[kernels.EVENTS])

    @property
    def mass(self) -> float:
        """Weight of all events, as far as it has not faded."""
        return float(self.size_count.sum() * self.scale[0])

    @property
    def n_pairs(self) -> int:
        """Number of pairs held."""
        return int(self.meta[kernels.PAIRS])

    @property
    def n_bytes(self) -> int:
        """Bytes of the table of pairs."""
        return self.keys.nbytes + self.values.nbytes

    @property
    def work(self) -> int:
        """Work done since the last call of `rest`, in pairs counted."""
        return int(self.meta[kernels.WORK])

    @property
    def drift_seen(self) -> bool:
        """Whether ADWIN has seen the share of cut pairs rise since the last call of `calm`."""
        return bool(self.meta[kernels.DRIFT])

    @property
    def cut_share(self) -> float:
        """Mean share of cut pairs over ADWIN's window."""
        return float(adwin_mean(self.detector, 0))

    def rest(self) -> None:
        """Start to measure work anew."""
        self.meta[kernels.WORK] = 0

    def calm(self) -> None:
        """Empty the detector of drift."""
        self.meta[kernels.DRIFT] = 0
        adwin_reset(self.detector, 0)

    def fit(self, n_labels: int) -> None:
        """Make room for label indices below `n_labels`."""
        if n_labels > len(self.label_count):
            more = _power_of_two(n_labels) - len(self.label_count)
            self.label_count = np.concatenate([self.label_count, np.zeros(more)])
            self.last_seen = np.concatenate([self.last_seen, np.zeros(more, np.int64)])

    def touch(self, index: NDArray[np.int32]) -> None:
        """Note that labels are named by the event that comes next."""
        self.last_seen[index] = self.n_events + 1

    def counts(self, n_labels: int) -> NDArray[np.float64]:
        """Return how often each label occurred: float64[n_labels]."""
        counts: NDArray[np.float64] = self.label_count[:n_labels] * self.scale[0]
        return counts

    def how_often(self, index: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return how often labels apply, float64[index.size]: the share of all events that each has applied to, or, where it
        has not applied to the last t events and that is less, 3 / (t + 1).
        """
        share = self.label_count[index] * self.scale[0] / max(self.mass, 1e-100)
        idle = np.maximum(self.n_events - self.last_seen[index], 0)
        least: NDArray[np.float64] = np.minimum(np.minimum(share, 1.0), MISSED / (idle + 1))
        return least

    def count(
        self,
        indptr: NDArray[np.int64],
        index: NDArray[np.int32],
        weight: NDArray[np.float64],
        cluster: NDArray[np.int32],
    ) -> None:
        """Count rows of label indices; a full table grows, or drops its weakest pairs, in between."""
        row = 0
        while True:
            row = kernels.count_rows(
                indptr, index, weight, row, cluster, self._counts(), self._ring(), self.detector, self._taken, self.max_pairs,
                self.fading, self.drift_delta, self.seed,
            )  # fmt: skip
            if row == len(weight):
                return
            if kernels.room_in(self.keys) < self.max_pairs:
                self._rehash(np.flatnonzero(self.keys != kernels.EMPTY), 2 * len(self.keys))
            else:
                self._drop_weakest()

    def _counts(self) -> tuple[NDArray[Any], ...]:
        """Return `Counts` as the kernels take them."""
        return self.meta, self.scale, self.label_count, self.last_seen, self.size_count, self.keys, self.values

    def _ring(self) -> tuple[NDArray[Any], ...]:
        """Return `Ring` as the kernels take it."""
        return self.ring_label, self.ring_row, self.ring_weight

    def _rehash(self, kept: NDArray[np.int64], n_slots: int) -> None:
        """Move the pairs in the slots `kept` to a new table."""
        old_keys, old_values = self.keys[kept], self.values[kept]
        self.keys = np.full(n_slots, kernels.EMPTY, np.int64)
        self.values = np.zeros(n_slots)
        kernels.insert_pairs(self.keys, self.values, old_keys, old_values)
        self.meta[kernels.PAIRS] = len(old_keys)

    def _drop_weakest(self) -> None:
        """Drop the least frequent pairs: a quarter, or as many as the largest event needs."""
        used = np.flatnonzero(self.keys != kernels.EMPTY)
        most = len(self._taken)
        n_dropped = max((len(used) + 3) // 4, len(used) + most * (most - 1) // 2 - self.max_pairs)
        mixed = (self.keys[used].astype(np.uint64) + np.uint64(self.seed)) * kernels.HASH
        order = np.lexsort((mixed, self.values[used]))
        self._rehash(used[np.sort(order[n_dropped:])], len(self.keys))
        self.n_dropped += int(n_dropped)

    def forget_labels(self, index: NDArray[np.int32]) -> None:
        """Drop all that is known about labels, whose indices will be used again."""
        forgotten = np.zeros(len(self.label_count), np.bool_)
        forgotten[index] = True
        self.label_count[index] = 0.0
        self.last_seen[index] = 0
        used = np.flatnonzero(self.keys != kernels.EMPTY)
        key = self.keys[used]
        self._rehash(used[~(forgotten[key >> 32] | forgotten[key & 0xFFFFFFFF])], len(self.keys))
        known = self.ring_label >= 0
        self.ring_label[known & forgotten[np.where(known, self.ring_label, 0)]] = kernels.FORGOTTEN

    def forget_before_drift(self, n_labels: int) -> int:
        """Let the window that ADWIN kept outweigh what lies before it; return the number of events in it."""
        width = adwin_width(self.detector, 0)
        rows = kernels.rows_of_window(self.ring_label, self.ring_row, self.meta, width)
        least = OLD_COUNT * n_labels / self.scale[0]
        kernels.forget_before(rows, OLD_SHARE, least, self._counts(), self._ring(), self._taken, self.fading)
        return int(rows)

    def similarity(self, i: int, j: int) -> float:
        """Return the Jaccard similarity of two labels, n_ij / (n_i + n_j - n_ij)."""
        if i == j:
            return 1.0
        both = kernels.pair_count(self.keys, self.values, i, j)
        either = self.label_count[i] + self.label_count[j] - both
        return float(both / either) if either > 0.0 else 0.0

    def __getstate__(self) -> dict[str, object]:
        state = self.__dict__.copy()
        state["_taken"] = len(self._taken)
        return state

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._taken = np.zeros(state["_taken"], np.int32)  # type: ignore[call-overload]
