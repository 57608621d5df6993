"""How often labels occur, alone and in pairs: counts, a hash table of pairs, and a ring of the newest label sets.

Pairs live in an open-addressing table (linear probing). Counts fade by a factor per event: what is stored, times `scale[0]`, is
the count.

The ring: row r of the stream is row r % R of `row` and `weight`, position q of the label stream is `label` at q % Q. A row is
whole while none of its labels has been overwritten. A label that was forgotten reads `FORGOTTEN`.
"""

from typing import NamedTuple

import numpy as np

from ihomer.kernels.adwin import CLOCK, adwin_update
from ihomer.kernels.common import inner, jit

EMPTY = -1
FORGOTTEN = -1
EVENTS, PAIRS, WORK, DRIFT, RING_ROWS, RING_LABELS = range(6)
EVENT_WORK = 32  # cost of an event beside its pairs, in pairs
TINY_SCALE = 1e-100
HASH = np.uint64(0x9E3779B97F4A7C15)


class Counts(NamedTuple):
    """The counts, as kernels hand them to each other."""

    meta: np.ndarray  # int64[6], the whole numbers named above
    scale: np.ndarray  # float64[1]
    label_count: np.ndarray  # float64[labels]
    last_seen: np.ndarray  # int64[labels], number of the last event with each
    size_count: np.ndarray  # float64[most labels counted of a row + 1], by number of labels
    keys: np.ndarray  # int64[slots], a power of two of them: i << 32 | j with i < j, or `EMPTY`
    values: np.ndarray  # float64[slots]


class Ring(NamedTuple):
    """The newest rows, as kernels hand them to each other."""

    label: np.ndarray  # int32[Q]
    row: np.ndarray  # int64[R, 2], position of its first label, number of labels
    weight: np.ndarray  # float64[R]


@inner
def pair_hash(key):
    """Mix the bits of a key (Fibonacci hashing of both halves)."""
    mixed = np.uint64(key) * HASH
    return np.int64((mixed ^ (mixed >> np.uint64(29))) >> np.uint64(3))


@inner
def pair_key(i, j):
    """Return the key of labels i != j."""
    low, high = min(i, j), max(i, j)
    return np.int64(low) << 32 | np.int64(high)


@inner
def find_slot(keys, key):
    """Return the slot that holds `key`, or the empty one where it would go."""
    mask = keys.size - 1
    slot = pair_hash(key) & mask
    while keys[slot] != EMPTY and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@jit
def room_in(keys):
    """Return how many pairs the table may hold: 5/8 of its slots."""
    return keys.size // 8 * 5


@jit
def insert_pairs(keys, values, more_keys, more_values):
    """Add the pairs of another table or list, which are not in this one, to a table with room for them."""
    for k in range(more_keys.size):
        if more_keys[k] != EMPTY:
            slot = find_slot(keys, more_keys[k])
            keys[slot] = more_keys[k]
            values[slot] = more_values[k]


@jit
def pair_count(keys, values, i, j):
    """Return the stored count of a pair, 0 if it never occurred."""
    slot = find_slot(keys, pair_key(i, j))
    return values[slot] if keys[slot] != EMPTY else 0.0


@inner
def _sample(index, begin, end, most, turn, taken):
    """Copy the labels of a row to `taken`; of more than `most` a stretch of that length whose start moves with `turn`."""
    size = end - begin
    start = 0 if size <= most else (turn * 40503) % size
    n = min(size, most)
    for k in range(n):
        taken[k] = index[begin + (start + k) % size]
    return n


@inner
def _missing_pairs(taken, n, keys):
    """Return how many pairs of taken[:n] the table does not hold."""
    missing = 0
    for a in range(n):
        for b in range(a + 1, n):
            missing += keys[find_slot(keys, pair_key(taken[a], taken[b]))] == EMPTY
    return missing


@inner
def _count_pairs(taken, n, amount, cluster, counts):
    """Add `amount` to each pair of taken[:n]; return how many pairs lie in two clusters."""
    keys, values, cut = counts.keys, counts.values, 0
    for a in range(n):
        for b in range(a + 1, n):
            key = pair_key(taken[a], taken[b])
            slot = find_slot(keys, key)
            if keys[slot] == EMPTY:
                keys[slot] = key
                values[slot] = 0.0
                counts.meta[PAIRS] += 1
            values[slot] += amount
            cut += cluster[taken[a]] != cluster[taken[b]]
    return cut


@inner
def _remember(taken, n, weight, ring, meta):
    """Append a row to the ring."""
    row = meta[RING_ROWS] % ring.weight.size
    ring.row[row, 0] = meta[RING_LABELS]
    ring.row[row, 1] = n
    ring.weight[row] = weight
    for k in range(n):
        ring.label[(meta[RING_LABELS] + k) % ring.label.size] = taken[k]
    meta[RING_ROWS] += 1
    meta[RING_LABELS] += n


@inner
def _multiply(counts, factor):
    """Multiply all that is counted."""
    for stored in (counts.label_count, counts.size_count, counts.values):
        stored *= factor


@jit
def count_rows(
    indptr, index, weight, first, cluster, of_counts, of_ring, detector, taken, max_pairs, fading, drift_delta, seed
):  # fmt: skip
    """Count the labels and pairs of rows first, first + 1, ...; return the row before which the table was full.

    n_i += w, n_ij += w; then the share of the row's pairs that lie in two clusters goes to ADWIN, which sets meta[DRIFT]
    if it has risen. Nothing of the row that does not fit is counted.

    indptr int64[rows + 1], index int32[:] ascending within a row, weight float64[rows]; cluster int32[labels]
    of_counts : `Counts`; of_ring : `Ring`; taken : int32[:], work space, whose length bounds how many labels of a row are
    counted; drift_delta 0 : no ADWIN
    """
    counts, ring = Counts(*of_counts), Ring(*of_ring)
    meta, scale, keys = counts.meta, counts.scale, counts.keys
    limit = min(max_pairs, room_in(keys))
    for row in range(first, weight.size):
        n = _sample(index, indptr[row], indptr[row + 1], taken.size, meta[EVENTS] + seed, taken)
        pairs = n * (n - 1) // 2
        if meta[PAIRS] + pairs > limit and meta[PAIRS] + _missing_pairs(taken, n, keys) > limit:
            return row
        meta[EVENTS] += 1
        meta[WORK] += pairs + EVENT_WORK
        for k in range(indptr[row], indptr[row + 1]):
            counts.last_seen[index[k]] = meta[EVENTS]
        scale[0] *= fading
        if scale[0] < TINY_SCALE:
            _multiply(counts, scale[0])
            scale[0] = 1.0
        amount = weight[row] / scale[0]
        for k in range(n):
            counts.label_count[taken[k]] += amount
        counts.size_count[n] += amount
        cut = _count_pairs(taken, n, amount, cluster, counts)
        if drift_delta > 0.0:
            _remember(taken, n, weight[row], ring, meta)
            if n > 1 and adwin_update(detector, np.int64(0), cut / pairs, drift_delta, CLOCK) > 0:
                meta[DRIFT] = 1
    return weight.size


@jit
def rows_of_window(ring_label, ring_row, meta, width):
    """Return how many of the newest rows, all whole, hold `width` rows of two labels or more (or as many as there are)."""
    rows, found = 0, 0
    while found < width and rows < min(meta[RING_ROWS], ring_row.shape[0]):
        start, n = ring_row[(meta[RING_ROWS] - 1 - rows) % ring_row.shape[0]]
        if start < meta[RING_LABELS] - ring_label.size:
            break
        found += n > 1
        rows += 1
    return rows


@inner
def _recount_row(label, n, amount, counts):
    """Count one row again; a pair that the table no longer holds stays out."""
    keys = counts.keys
    for a in range(n):
        counts.label_count[label[a]] += amount
        for b in range(a + 1, n):
            slot = find_slot(keys, pair_key(label[a], label[b]))
            if keys[slot] != EMPTY:
                counts.values[slot] += amount
    counts.size_count[n] += amount


@inner
def _recount_rows(rows, times, counts, ring, taken, fading):
    """Add `times` what the newest `rows` rows count now, oldest first."""
    for age in range(rows - 1, -1, -1):
        row = (counts.meta[RING_ROWS] - 1 - age) % ring.weight.size
        n = 0
        for k in range(ring.row[row, 1]):
            label = ring.label[(ring.row[row, 0] + k) % ring.label.size]
            if label != FORGOTTEN:
                taken[n] = label
                n += 1
        _recount_row(taken, n, times * ring.weight[row] * fading**age / counts.scale[0], counts)


@jit
def forget_before(rows, old_share, old_least, of_counts, of_ring, taken, fading):
    """Let the newest `rows` rows outweigh all that was counted before: n = rho (n - n_recent) + n_recent.

    rho <= 1 is such that the counts of labels before sum to `old_share` of what those of the recent rows do, or to `old_least`
    if that is more. Parameters: see `count_rows`.
    """
    counts, ring, recent = Counts(*of_counts), Ring(*of_ring), 0.0
    for age in range(rows):
        row = (counts.meta[RING_ROWS] - 1 - age) % ring.weight.size
        recent += ring.row[row, 1] * ring.weight[row] * fading**age / counts.scale[0]
    _recount_rows(rows, -1.0, counts, ring, taken, fading)
    for stored in (counts.label_count, counts.size_count, counts.values):
        stored[:] = np.maximum(stored, 0.0)  # of a pair that was dropped and came back fewer rows are counted
    old = counts.label_count.sum()
    _multiply(counts, min(1.0, max(old_share * recent, old_least) / old) if old > 0.0 else 1.0)
    _recount_rows(rows, 1.0, counts, ring, taken, fading)
