"""What experts keep of past events: labels, columns, counts."""

import random

import numpy as np
import pytest

from ihomer.experts import neighbours, rehearsal
from ihomer.experts.base import close_gaps
from tests.expert_parts import Event, Fast, compare, random_stream
from tests.reference.experts import SlowFrequency


@pytest.mark.parametrize(("name", "module"), [("neighbours", neighbours), ("rehearsal", rehearsal)])
def test_of_more_labels_than_are_kept_the_first_are(name, module, monkeypatch):
    """Those that apply come before those that were not observed."""
    monkeypatch.setattr(module, "_MOST_LABELS", 4)
    fast = Fast(name)
    for y, unobserved in (({7}, {6}), ({1, 3}, {0, 2, 5}), (set(range(6)), {6, 7}), ({4}, set())):
        fast.run([Event({0: 1.0}, frozenset(y), frozenset(unobserved), n_labels=8)])
    sizes = fast.expert._ring[:, 1:] if name == "neighbours" else fast.expert._sizes
    kept = [row[:n].tolist() for row, n in zip(fast.expert._labels, sizes[:, 2], strict=True)]
    assert kept[:4] == [[7, 6], [1, 3, 0, 2], [0, 1, 2, 3], [4]]
    assert sizes[:4, 1:].tolist() == [[1, 2], [2, 4], [4, 4], [1, 1]]


@pytest.mark.parametrize(("name", "module"), [("neighbours", neighbours), ("rehearsal", rehearsal)])
def test_room_ends_with_the_window_however_wide_events_become(name, module, monkeypatch):
    monkeypatch.setattr(module, "_WINDOW", 64)
    fast = Fast(name)
    for i in range(150):
        fast.run([Event(dict.fromkeys(range(8 * i, 8 * i + 1 + i // 20), 1.0), frozenset({0}), n_labels=1)])
    assert {len(getattr(fast.expert, of)) for of in ("_importance", "_entry", "_labels")} == {64}


def test_of_more_features_than_are_rehearsed_the_first_are(monkeypatch):
    monkeypatch.setattr(rehearsal, "_MOST_PAIRS", 4)
    fast = Fast("rehearsal")
    for features in ({8}, range(7), {2, 3}):
        fast.run([Event(dict.fromkeys(features, 1.0), frozenset({0}), n_labels=1)])
    kept = [row[:n].tolist() for row, n in zip(fast.expert._entry, fast.expert._sizes[:, 0], strict=True)]
    assert kept[:3] == [[8], [0, 1, 2, 3], [2, 3]]
    assert fast.expert._entry.shape[1] == 4


def test_events_alike_are_those_of_the_last_rows_alone():
    fast, event = Fast("neighbours"), Event({0: 1.0}, frozenset({0}), n_labels=1)
    for n_rows, learn in ((5, True), (1, False), (2, True), (2, True)):
        fast.run([event] * n_rows, learn)
        assert len(fast.expert.alike.number) == len(fast.expert.alike.share) == n_rows


def test_what_stays_of_long_rows_keeps_its_order():
    kept = np.array([np.arange(300), np.arange(300)])
    dropped = np.array([kept[0] % 3 == 0, np.zeros(300, np.bool_)])
    close_gaps(dropped, kept)
    assert kept[0].tolist() == sorted(range(300), key=lambda i: (i % 3 == 0, i))
    assert kept[1].tolist() == list(range(300))


def test_features_that_become_rare_together_give_their_columns_back(monkeypatch):
    """The first and the last of three, so that the column in between moves."""
    monkeypatch.setattr(neighbours, "_WINDOW", 64)
    fast, given = Fast("neighbours"), []
    for i in range(193):
        features = (0, 1, 2) if i < 64 else (1, 3, 4)
        fast.run([Event({f: 1.0 for f in features if (i + 3 * f) % 5 < 2}, frozenset(), n_labels=1)])
        columns = fast.expert._column_of
        given.append({f: column for f, column in enumerate(columns.tolist()) if column >= 0})
        assert sorted(given[-1].values()) == list(range(fast.expert._n_columns))
        assert all(fast.expert._holder[column] == f for f, column in given[-1].items())
    assert [set(given[i]) for i in (63, 64, 128, 192)] == [set(), {0, 1, 2}, {1, 3, 4}, {1, 3, 4}]


def test_counts_of_what_follows_what_are_halved():
    rng = random.Random(3)
    events = [e._replace(weight=rng.choice([1.0, 9e3])) for e in random_stream("sparse", 9)]
    fast = Fast("frequency")
    compare("frequency", fast, SlowFrequency(), events, random.Random(1))
    assert fast.expert._sequence_shared[:, 1].max() <= 1e5
