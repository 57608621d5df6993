"""The last events of a stream, which new learners start from: against a list of rows."""

from itertools import pairwise

import numpy as np
import pytest

from ihomer.encoder import Batch
from ihomer.replay import Replay

N_FEATURES, N_LABELS = 9, 7


def drawn_rows(rng, n):
    """Events as (features, labels that apply, labels that were not observed, weight)."""
    rows = []
    for _ in range(n):
        features = [(f, float(rng.normal())) for f in range(N_FEATURES) if rng.random() < 0.4]
        kind = rng.integers(0, 3, N_LABELS)
        applying, unobserved = (np.flatnonzero(kind == value).tolist() for value in (1, 2))
        rows.append((features, applying, unobserved, float(rng.integers(1, 9))))
    return rows


def batch_of(rows):
    def ends(part):
        return np.cumsum([0, *(len(row[part]) for row in rows)], dtype=np.int64)

    def joined(part):
        return np.array([index for row in rows for index in row[part]], np.int32)

    pairs = [pair for row in rows for pair in row[0]]
    x_index, x_value = np.array([f for f, _ in pairs], np.int32), np.array([value for _, value in pairs], np.float64)
    weight = np.array([row[3] for row in rows])
    return Batch(ends(0), x_index, x_value, ends(1), joined(1), ends(2), joined(2), weight)


def rows_of(batch):
    def parts(indptr, array):
        return [array[a:b].tolist() for a, b in pairwise(indptr)]

    features, values = parts(batch.x_indptr, batch.x_index), parts(batch.x_indptr, batch.x_value)
    pairs = [list(zip(f, value, strict=True)) for f, value in zip(features, values, strict=True)]
    labels = parts(batch.y_indptr, batch.y_index), parts(batch.u_indptr, batch.u_index)
    return list(zip(pairs, *labels, batch.weight.tolist(), strict=True))


@pytest.mark.parametrize("size", [1, 5, 40])
def test_the_last_events_are_kept_as_they_came_without_what_was_forgotten(size):
    rng = np.random.default_rng(size)
    replay, twin = Replay(size), []
    for _ in range(60):
        rows = drawn_rows(rng, int(rng.integers(1, 13)))
        start, stop = sorted(rng.integers(0, len(rows) + 1, 2).tolist())
        batch = batch_of(rows)
        replay.extend(batch, start, stop)
        twin = [*twin, *rows[start:stop]][-size:]
        for array in batch:
            array[:] = 0  # the caller's arrays serve for the next events
        if rng.random() < 0.3:
            gone = rng.choice(N_LABELS, 2, replace=False).astype(np.int32)
            replay.forget_labels(gone)
            twin = [(x, [i for i in y if i not in gone], [i for i in u if i not in gone], w) for x, y, u, w in twin]
        if rng.random() < 0.3:
            forgotten = rng.random(N_FEATURES) < 0.2
            replay.forget_features(forgotten)
            twin = [([(f, value) for f, value in x if not forgotten[f]], y, u, w) for x, y, u, w in twin]
        assert len(replay) == len(twin)
        for count in (0, 1, 3, size, size + 5):
            assert rows_of(replay.latest(count)) == (twin[-count:] if count else [])


def test_without_room_nothing_is_kept():
    replay = Replay(0)
    replay.extend(batch_of(drawn_rows(np.random.default_rng(0), 4)), 0, 4)
    assert len(replay) == 0
    assert rows_of(replay.latest(5)) == []
