"""The experts and the scale of features against their slow twins, on random streams; what holds of them on any stream."""

import itertools
import math
import random
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihomer.encoder import Batch
from ihomer.experts import EXPERTS, neighbours, rehearsal, ridge
from ihomer.kernels.ridge import USED
from ihomer.kernels.scaling import BLOCK_COUNT, NEGATIVE
from ihomer.kernels.window import MOST_PAIRS, N_PAIRS, NUMBER, WIDTH_BITS
from ihomer.mixing import Mixture
from ihomer.scaling import FeatureScale
from tests.expert_parts import (
    KINDS,
    TOLERANCE,
    TWINS,
    WINDOW,
    Event,
    Fast,
    arrays,
    batch_of,
    bits,
    chunks_of,
    compare,
    random_stream,
    slow_rows,
    slow_run,
)
from tests.reference.experts import SlowBayes, SlowRidge
from tests.reference.neighbours import SlowNeighbours
from tests.reference.rehearsal import SlowRehearsal
from tests.reference.scaling import SlowScale


@pytest.fixture
def small_window(monkeypatch):
    monkeypatch.setattr(neighbours, "_WINDOW", WINDOW)
    monkeypatch.setattr(rehearsal, "_WINDOW", WINDOW)


# Scale ---------------------------------------------------------------------------------------------------------------


def check_scale(events, rng, forget=()):
    fast, twin = FeatureScale(), SlowScale()
    fast.grow(100)
    for number, chunk in enumerate(chunks_of(events, rng, 30)):
        for learn in (False, True):
            rows = fast.rows(batch_of(chunk), 0, len(chunk), chunk[0].n_labels, learn)
            for row, event in zip(slow_rows(rows, chunk), chunk, strict=True):
                position, (raw, raw_shrink), (relevant, relevant_shrink), centred = twin.row(event.x, learn)
                assert (row.raw_shrink, row.relevant_shrink) == pytest.approx((raw_shrink, relevant_shrink), rel=2e-6)
                assert row.relevant == pytest.approx(relevant, rel=2e-6, abs=1e-9)
                assert row.position == pytest.approx(position, rel=2e-6, abs=1e-9)
                assert row.centred == centred
                assert row.raw == pytest.approx(raw, rel=2e-6, abs=1e-9)
                assert row.absent == raw.keys() - event.x.keys()
            expected = np.zeros(rows.target.shape, np.uint8)
            for i, event in enumerate(chunk if learn else ()):
                expected[i, sorted(event.y)], expected[i, sorted(event.unobserved)] = 1, 2
            assert (rows.target == expected).all()
        if number == 2 and forget:
            fast.forget_features(np.isin(np.arange(128), forget))
            twin.forget_features(forget)


@pytest.mark.parametrize("forget", [(0, 4, 9), (1, 4)])
@pytest.mark.parametrize("kind", KINDS)
def test_scale_equals_its_twin(kind, forget):
    check_scale(random_stream(kind, 1), random.Random(1), forget)


def test_scale_follows_the_stream():
    fast, twin = FeatureScale(), SlowScale()
    fast.grow(2)
    rng = np.random.default_rng(3)
    value = np.concatenate([rng.normal(3.0, 1.0, 50_100), rng.normal(-900.0, 50.0, 200)])
    batch = Batch(
        np.arange(len(value) + 1), np.zeros(len(value), np.int32), value,
        *(np.zeros(n, np.int64) for n in (len(value) + 1, 0) * 2),
        np.ones(len(value)),
    )  # fmt: skip
    fast.rows(batch, 0, len(value), 1, True)
    for v in value.tolist():
        twin.row({0: v}, True)
    assert twin.n_seen < 30_000
    assert fast._n_seen[0] == pytest.approx(twin.n_seen)
    assert fast._sums[0, :4].tolist() == pytest.approx(twin.sums[0], rel=1e-9)
    assert fast._sums[0, NEGATIVE] == pytest.approx(twin.negative[0], rel=1e-9) != 0.0


def test_a_value_far_out_changes_little_where_others_stand():
    rng = np.random.default_rng(3)
    values = rng.normal(40.0, 1.0, size=2000)
    spoiled = np.where(rng.random(2000) < 0.01, 1e9, values)
    places = []
    for value in (values, spoiled):
        scale = FeatureScale()
        scale.grow(1)
        nothing = (np.zeros(n, np.int64) for n in (2001, 0) * 2)
        batch = Batch(np.arange(2001), np.zeros(2000, np.int32), value, *nothing, np.ones(2000))
        places.append(scale.rows(batch, 0, 2000, 1, True).position[:2000].copy())
    good = np.flatnonzero(spoiled == values)[200:]
    assert np.abs(places[0][good] - places[1][good]).max() < 0.8
    assert np.abs(places[0][good] - places[1][good]).mean() < 0.06


def test_a_rare_feature_changes_its_unit_over_the_halving():
    """Its block is open when the counts are halved: if it counted more than all values, there would be less than no event."""
    fast, twin = FeatureScale(), SlowScale()
    fast.grow(2)
    rare = {**dict.fromkeys(range(11), 1.0), **dict.fromkeys(range(11, 24), 1e9), **dict.fromkeys(range(50_001, 50_041), 1e9)}
    rows = [{0: 1.0, **({1: rare[i]} if i in rare else {})} for i in range(50_041)]
    index, value = zip(*(pair for x in rows for pair in x.items()), strict=True)
    batch = Batch(
        np.cumsum([0, *map(len, rows)]), np.array(index, np.int32), np.array(value),
        *(np.zeros(n, np.int64) for n in (len(rows) + 1, 0) * 2),
        np.ones(len(rows)),
    )  # fmt: skip
    fast.rows(batch, 0, len(rows), 1, True)
    for x in rows:
        twin.row(x, True)
    for f in (0, 1):
        assert fast._sums[f, :4].tolist() == pytest.approx(twin.sums[f], rel=1e-9)
        assert fast._sums[f, NEGATIVE] == pytest.approx(twin.negative[f], rel=1e-9)
    assert (fast._sums[:, [0, 2, 3]] >= 0.0).all()
    assert (fast._sums[:, 0] + fast._sums[:, 3] <= fast._n_seen * (1.0 + 1e-9)).all()


def in_other_units(events, rng):
    """Every 120 events, some features are given in a hundredth of the unit, and some are 7 whatever they were."""
    changed = []
    for i, event in enumerate(events):
        if i % 120 == 0:
            factor = [rng.choice((1.0, 1.0, 0.01, 0.0)) for _ in range(100)]
        changed.append(event._replace(x={f: None if v is None else factor[f] * v or 7.0 for f, v in event.x.items()}))
    return changed


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_learned_as_it_was_asked_about(kind):
    """Also where its values end a block, and the scale starts anew with them."""
    scale, n_restarts = FeatureScale(), 0
    scale.grow(100)
    for event in in_other_units(random_stream(kind, 5, 600), random.Random(5)):
        batch, before = batch_of([event]), scale._sums[:, 0].copy()
        found = []
        for learn in (False, True):
            rows = scale.rows(batch, 0, 1, event.n_labels, learn)
            size = rows.indptr[1]
            by_pair = (rows.feature, rows.is_present, rows.is_new, rows.is_centred, rows.position, rows.raw, rows.relevant)
            found.append([size, rows.shrink.tobytes(), *(values[:size].tobytes() for values in by_pair)])
        assert found[0] == found[1]
        n_restarts += int((scale._sums[:, 0] < before).sum())
    assert n_restarts > 0
    scale._sums[:, BLOCK_COUNT] = 25.0  # as an altered file may hold it: a question still changes nothing
    kept = scale._sums.tobytes()
    scale.rows(batch, 0, 1, event.n_labels, False)
    assert scale._sums.tobytes() == kept


# Experts and their twins ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_window")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", EXPERTS)
def test_expert_equals_its_twin(name, kind):
    n_events = 130 if name == "ridge" else 260
    for seed in (1, 2):
        events = random_stream(kind, seed, n_events)
        twin = TWINS[name]()
        assert compare(name, Fast(name, seed), twin, events, random.Random(seed)) >= n_events
        if name == "ridge":
            assert twin.closest > 1e-6, "the twin may take an event that we skip: choose another seed"


@pytest.mark.usefixtures("small_window")
@pytest.mark.parametrize("name", EXPERTS)
def test_forgetting_then_learning_equals_the_twin(name):
    for seed, kind in enumerate(("binary", "mixed", "sparse")):
        rng = random.Random(seed)
        events = random_stream(kind, 7 + seed, 120 if name == "ridge" else 240)
        fast, twin = Fast(name), TWINS[name]()
        for start in range(0, len(events), 40):
            compare(name, fast, twin, events[start : start + 40], rng)
            features = sorted(rng.sample(range(fast.n_features), fast.n_features // 8))
            labels = sorted(rng.sample(range(events[start].n_labels), rng.randint(0, 1)))
            capacity = 1 << fast.n_features.bit_length()
            fast.expert.forget_features(np.isin(np.arange(capacity), features))
            fast.expert.forget_labels(np.array(labels, np.int32))
            twin.forget_features(features)
            twin.forget_labels(labels)


@pytest.mark.usefixtures("small_window")
@pytest.mark.parametrize("name", ["neighbours", "rehearsal"])
def test_doubting_then_learning_equals_the_twin(name):
    """Before the window is full and later, with none, some or all of its events older than the change."""
    for seed, kind in enumerate(("dense", "mixed", "sparse")):
        rng = random.Random(seed)
        events = random_stream(kind, 11 + seed, 150, heavy=20.0)
        fast, twin = Fast(name), TWINS[name]()
        for start, recent in zip(range(0, len(events), 15), (0, 3, 15, 16, WINDOW - 1, WINDOW, 100, 1, 20, 5), strict=True):
            compare(name, fast, twin, events[start : start + 15], rng)
            before = fast.expert._importance.copy()
            fast.expert.doubt(recent)
            twin.doubt(recent)
            assert (fast.expert._importance < before).sum() == max(0, min(start + 15, WINDOW) - recent)


@pytest.mark.parametrize("kind", ["dense", "mixed", "sparse"])
def test_doubted_ridge_equals_the_twin(kind):
    """While steps wait and while none do: the weights stay as they are, and move from there as at the start."""
    events = random_stream(kind, 11, 120)
    fast, twin = Fast("ridge"), SlowRidge()
    for start, stop in itertools.pairwise((0, 17, 60, 61, 112, 120)):
        compare("ridge", fast, twin, events[start:stop], random.Random(start))
        before = fast.run(events[stop - 1 : stop], learn=False)[1][:, :, 1]
        fast.expert.doubt(3)
        twin.doubt(3)
        np.testing.assert_allclose(fast.run(events[stop - 1 : stop], learn=False)[1][:, :, 1], before, atol=1e-4)
        used = fast.expert._hand[USED]
        assert used > 1
        assert fast.expert._covariance[:used, :used].tolist() == (np.eye(used) * np.float32(1.0 / 0.3)).tolist()
    assert twin.closest > 1e-6, "the twin may take an event that we skip: choose another seed"


def test_rows_that_outweigh_the_rounding_of_their_products():
    """Rows alike but for less than a product is kept to, each of which counts like a million: shares stay of sound size."""
    rng = random.Random(0)
    fast = Fast("neighbours")
    for i in range(200):
        group = 30 * rng.randint(0, 1)  # a feature that all events have would be centred
        x = {f: rng.uniform(0.9, 1.1) for f in range(group, group + 30)}
        fast.run([Event(x, frozenset({i % 3}), weight=10.0 ** rng.randint(0, 9), n_labels=3)])
        share = fast.expert.alike.share[0]
        assert np.abs(share).max() < 2.0
        assert abs(share.sum()) < 2.0


@pytest.mark.usefixtures("small_window")
@pytest.mark.parametrize("name", ["neighbours", "rehearsal"])
def test_what_lies_behind_a_stored_event_plays_no_part(name):
    """A model file may hold anything there."""
    events = random_stream("sparse", 1, 150)
    clean, spoiled = Fast(name), Fast(name)
    answers = []
    for fast in (clean, spoiled):
        for e in events[:60]:
            fast.run([e])
        expert = fast.expert
        sizes = expert._ring[:, 1:] if name == "neighbours" else expert._sizes
        if fast is spoiled:
            for stored, size in ((expert._entry, sizes[:, 0]), (expert._labels, sizes[:, 2])):
                behind = np.arange(stored.shape[1]) >= size[:, None]
                stored[behind] = np.random.default_rng(0).integers(-(2**31), 2**31, behind.sum())
        expert.forget_features(np.isin(np.arange(128), [1, 3, 8, 21]))
        expert.forget_labels(np.array([1], np.int32))
        answers.append([fast.run([e])[1].tobytes() for e in events[60:]])
    assert answers[0] == answers[1]


SMALL_EVENTS = st.lists(
    st.tuples(
        st.dictionaries(st.integers(0, 5), st.sampled_from([None, 1.0, -2.0, 0.3, 1e3]), max_size=4),
        st.dictionaries(st.integers(0, 2), st.booleans(), max_size=3),
        st.sampled_from([1.0, 0.25, 2.0]),
    ),
    min_size=1,
    max_size=24,
)


@pytest.mark.parametrize("name", EXPERTS)
@given(SMALL_EVENTS, st.integers(0, 1000), st.sampled_from([1, 2, 3, 5, 8]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_small_streams(name, drawn, seed, window):
    events = [
        Event(
            dict(sorted(x.items())),
            frozenset(label for label, known in marks.items() if known),
            frozenset(label for label, known in marks.items() if not known),
            weight,
            3,
        )
        for x, marks, weight in drawn
    ]
    with patch.object(neighbours, "_WINDOW", window), patch.object(rehearsal, "_WINDOW", window):
        windowed = {"neighbours": SlowNeighbours, "rehearsal": SlowRehearsal}
        twin = windowed[name](window) if name in windowed else TWINS[name]()
        compare(name, Fast(name, seed), twin, events, random.Random(seed), most=9)


# Neighbours ----------------------------------------------------------------------------------------------------------


def dangling_links(expert):
    """How many links of rows lead to a row that has been overwritten since."""
    count = 0
    for slot, (number, n_pairs, _, _) in enumerate(expert._ring.tolist()):
        for place in range(max(n_pairs, 0)):
            link = int(expert._link[slot, place])
            count += link >= 0 and expert._ring[link >> WIDTH_BITS, NUMBER] >= number
    return count


@pytest.mark.parametrize(("kind", "window"), [("binary", 32), ("mixed", 32), ("sparse", 64), ("dense", 256), ("binary", 256)])
def test_chosen_neighbours_are_those_of_the_twin(kind, window, monkeypatch):
    """Each event has a label of its own, so that the votes tell who was asked."""
    monkeypatch.setattr(neighbours, "_WINDOW", window)
    n_events = 320
    events = [e._replace(y=frozenset({i}), unobserved=frozenset(), n_labels=n_events)
              for i, e in enumerate(random_stream(kind, 5, n_events))]  # fmt: skip
    fast, twin = Fast("neighbours"), SlowNeighbours(window)
    rng = random.Random(0)
    columns, had_links = [], False
    for chunk in chunks_of(events, rng, 25):
        rows = fast.rows(chunk)
        out = np.full((len(chunk), n_events, 4), -9.0, np.float32)
        fast.expert.run(rows, True, out, 1)
        columns.append({int(f) for f in fast.expert._holder[: fast.expert._n_columns]})
        had_links = had_links or dangling_links(fast.expert) > 0
        for i, row in enumerate(slow_rows(rows, chunk)):
            twin.step(row, [-9.0], True)
            share = dict(zip(fast.expert.alike.number[i].tolist(), fast.expert.alike.share[i].tolist(), strict=True))
            share.pop(-1, None)
            assert share == pytest.approx(twin.share, abs=1e-5)  # in 32 bits
            asked = set(np.flatnonzero(out[i, :, 1] > out[i, :, 1].min() + 0.1).tolist())
            assert asked == set(twin.nearest[:5]) or not twin.nearest
    assert fast.expert._number == n_events > window, "no row left the window"
    assert had_links or kind == "dense", "no link led to an overwritten row"
    assert any(columns), "no feature was common"
    if kind == "binary" and window == 32:
        given = set().union(*columns)
        assert given - columns[-1], "no column was taken away"
        assert len(given) > max(map(len, columns)), "no column was given after one was taken"


@pytest.mark.parametrize("window", [32, 64])
def test_state_of_the_window_is_that_of_a_list(window, monkeypatch):
    """Counts, columns and heads are those of the rows kept, after eviction and forgetting."""
    monkeypatch.setattr(neighbours, "_WINDOW", window)
    rng = random.Random(window)
    for kind in ("binary", "mixed"):
        fast, twin = Fast("neighbours"), SlowNeighbours(window)
        for chunk in chunks_of(random_stream(kind, 3, 300), rng, 20):
            rows, out = fast.run(chunk)
            slow_run(twin, rows, chunk, out)
            if rng.random() < 0.2:
                features = rng.sample(range(fast.n_features), 5)
                fast.expert.forget_features(np.isin(np.arange(128), features))
                twin.forget_features(features)
            expert = fast.expert
            for f in range(fast.n_features):
                holders = [e for e in twin.events if f in e.row.relevant]
                assert expert._present[f] == len(holders)
                head = int(expert._head[f])
                newest = int(expert._ring[head >> WIDTH_BITS, NUMBER]) if head >= 0 else -1
                assert newest == (holders[-1].number if holders else -1)
                column = int(expert._column_of[f])
                if column >= 0:
                    expected = np.zeros(window, np.int16)
                    for e in holders:
                        expected[e.number % window] = e.row.relevant[f]
                    assert expert._columns[column, :window].tolist() == expected.tolist()
                    assert expert._holder[column] == f


def test_wide_events_are_cut_but_found():
    fast = Fast("neighbours")
    wide = Event(dict.fromkeys(range(MOST_PAIRS + 500), 1.0), frozenset({0}), n_labels=1)
    narrow = [Event({f: 1.0}, frozenset(), n_labels=1) for f in (0, MOST_PAIRS - 1, MOST_PAIRS, MOST_PAIRS + 499)]
    fast.run([wide])
    assert fast.expert._ring[0, N_PAIRS] == MOST_PAIRS
    _, out = fast.run(narrow, learn=False)
    assert (out[:, 0, 1] > out[:, 0, 0]).tolist() == [True, True, False, False]


# Hidden units --------------------------------------------------------------------------------------------------------


def test_hidden_units_learn_what_no_linear_model_can():
    """The label applies iff exactly one of two features is 1."""
    rng = random.Random(0)
    pairs = [(rng.randrange(2), rng.randrange(2)) for _ in range(3000)]
    events = [Event({a: 1.0, 2 + b: 1.0}, frozenset({0} if a != b else ()), n_labels=1) for a, b in pairs]
    fast = Fast("rehearsal")
    out = np.vstack([fast.run([event])[1] for event in events])
    truth = np.array([a != b for a, b in pairs])
    linear, hidden = (((out[-500:, 0, 1 + k] > 0.0) == truth[-500:]).mean() for k in range(2))
    assert hidden == 1.0
    assert linear < 0.7


# Ridge ---------------------------------------------------------------------------------------------------------------


def test_features_fight_for_places(monkeypatch):
    monkeypatch.setattr(ridge, "_MOST_PLACES", 8)
    for seed in range(3):
        events = random_stream("sparse", seed, 250)
        twin = SlowRidge(most_places=8)
        compared = compare("ridge", Fast("ridge"), twin, events, random.Random(seed))
        assert compared >= 250
        assert twin.n_taken_over > 1
        assert twin.n_skipped > 3
        assert twin.closest > 1e-6


def test_ridge_recovers_planted_weights():
    """Label l applies iff the first of two nominal features has the value l: y = sqrt(2) x_l exactly."""
    rng = random.Random(0)
    fast = Fast("ridge", alike=True)
    events = []
    for _ in range(3000):
        a, b = rng.randrange(4), rng.randrange(4)
        events.append(Event({a: 1.0, 4 + b: 1.0}, frozenset({a}), n_labels=4))
    _, out = fast.run(events)
    place = fast.expert._place_of
    for label in range(4):
        w = fast.expert._weights[place[:8], 0, label].astype(float)
        planted = np.full(4, 0.0)
        planted[label] = math.sqrt(2.0)
        np.testing.assert_allclose(w[:4] - w[:4].mean(), planted - planted.mean(), atol=0.01)
        np.testing.assert_allclose(w[4:] - w[4:].mean(), 0.0, atol=0.01)
    p = 1.0 / (1.0 + np.exp(-out[-200:, :, 1]))
    truth = np.array([[label in e.y for label in range(4)] for e in events[-200:]])
    assert np.abs(p - truth).max() < 0.02


@pytest.mark.parametrize("heavy", [1.0, 1e9])
@pytest.mark.parametrize("kind", KINDS)
def test_covariance_stays_symmetric_with_a_positive_diagonal(kind, heavy):
    fast = Fast("ridge")
    events = [e._replace(n_labels=6) for e in random_stream(kind, 4, 3000)]
    if heavy > 1.0:
        rng = random.Random(1)
        events = [e._replace(weight=rng.choice([1e-9, 1.0, heavy])) for e in events]
    fast.run(events)
    used = int(fast.expert._hand[0])
    p = fast.expert._covariance[:used, :used].astype(float)
    assert np.isfinite(p).all()
    assert (np.diag(p) > 0.0).all()
    scale = np.sqrt(np.outer(np.diag(p), np.diag(p)))
    assert (np.abs(p - p.T) <= (2e-5 if heavy == 1.0 else 5e-4) * scale).all()
    assert (np.abs(p) <= scale * (1.0 + 1e-3)).all()


def test_counts_of_bayes_are_halved_together(monkeypatch):
    """The weight of the events with a feature and a label is never above that of the events with the feature."""
    monkeypatch.setitem(TOLERANCE, "bayes", 0.01)  # counts of some thousands, in float32, are subtracted from each other
    rng = random.Random(3)
    events = [e._replace(weight=rng.choice([1.0, 900.0, 7000.0])) for e in random_stream("binary", 9, 200)]
    twin, fast = SlowBayes(), Fast("bayes")
    compare("bayes", fast, twin, events, random.Random(1))
    assert max(twin.totals.values()) <= SlowBayes.LONG
    assert (fast.expert._counts.max(axis=1) <= fast.expert._totals * (1.0 + 1e-6)).all()


# What holds on any stream --------------------------------------------------------------------------------------------


def learn_in(name, chunks, forget):
    fast = Fast(name)
    outs = []
    for number, chunk in enumerate(chunks):
        rows = fast.rows(chunk)
        out = np.full((len(chunk), chunk[0].n_labels, 1 + len(fast.expert.outputs)), -1.5, np.float32)
        fast.expert.run(rows, True, out, 1)
        alike = fast.expert.alike or [np.zeros((len(chunk), 0))] * 2
        outs.extend((line.tobytes(), n.tolist(), share[n >= 0].tolist()) for line, n, share in zip(out, *alike, strict=True))
        if number in forget:
            fast.expert.forget_features(np.arange(64) % 5 == 0)
            fast.expert.forget_labels(np.array([1], np.int32))
    return outs, bits(fast.expert), bits(fast.scale)


@pytest.mark.usefixtures("small_window")
@pytest.mark.parametrize("name", EXPERTS)
@pytest.mark.parametrize("kind", ["sparse", "binary", "missing"])
def test_chunks_change_no_bit(name, kind):
    events = random_stream(kind, 6, 300)
    rng = random.Random(0)
    parts = list(chunks_of(events, rng, len(events)))
    whole = [[e for e in events if e.n_labels == n] for n in (2, 3, 6)]
    expected = learn_in(name, whole, ())
    assert learn_in(name, [[e] for e in events], ()) == expected
    assert learn_in(name, parts, ()) == expected
    assert learn_in(name, list(chunks_of(events, rng, 50)), ()) == expected


@pytest.mark.usefixtures("small_window")
@pytest.mark.parametrize("name", EXPERTS)
def test_chunks_change_no_bit_after_forgetting(name):
    events = [e._replace(n_labels=6) for e in random_stream("sparse", 8, 200)]
    halves = [events[:110], events[110:]]
    rng = random.Random(4)
    pieces = [list(chunks_of(half, rng, 30)) for half in halves]
    expected = learn_in(name, halves, {0})
    assert learn_in(name, [*pieces[0], *pieces[1]], {len(pieces[0]) - 1}) == expected


@pytest.mark.usefixtures("small_window")
@pytest.mark.parametrize("name", EXPERTS)
def test_predicting_changes_no_bit(name):
    fast = Fast(name)
    unknown = random_stream("binary", 3, 20)
    for chunk in chunks_of(random_stream("mixed", 2, 150), random.Random(5), 70):
        fast.run(chunk)
        before = bits(fast.expert), bits(fast.scale)
        questions = [e._replace(n_labels=chunk[0].n_labels, y=frozenset(), unobserved=frozenset()) for e in unknown]
        _, together = fast.run(questions, learn=False)
        _, again = fast.run(questions, learn=False)
        assert (bits(fast.expert), bits(fast.scale)) == before
        if name == "frequency":
            assert together[:, :, 1:].tobytes() == again[:, :, 1:].tobytes()


def hostile_stream(seed):
    rng = random.Random(seed)
    extremes = [1e100, -1e100, 5e-324, -1e-310, 1e-160, 1e-40, 0.0, 1.0, -1.0, None, 1e38, 3.5]
    events = []
    for i in range(240):
        width = 5000 if i % 80 == 41 else rng.choice([0, 1, 2, 5, 12])
        chosen = range(width) if width == 5000 else sorted(rng.sample(range(40), width))
        x = {f: rng.choice(extremes) for f in chosen}
        labels = range(6)
        y = frozenset(labels) if i % 7 == 0 else frozenset(label for label in labels if rng.random() < 0.2)
        blind = frozenset(label for label in labels if rng.random() < 0.1) - y
        events.append(Event(x, y, blind, rng.choice([1e-9, 1.0, 1e9]), 6))
    return events


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", EXPERTS)
def test_hostile_values_leave_everything_finite(name, seed):
    fast, mixture = Fast(name), None
    for chunk in chunks_of(hostile_stream(seed), random.Random(seed), 60):
        for learn in (False, True):
            rows, out = fast.run(chunk, learn)
            assert np.isfinite(rows.position[: rows.indptr[-1]]).all()
            assert np.isfinite(rows.raw[: rows.indptr[-1]]).all()
            assert np.isfinite(out).all()
            assert np.abs(out[:, :, 1:]).max() <= 12.0
            mixture = mixture or Mixture([1.0] * out.shape[2])
            assert np.isfinite(mixture.run(out, out, rows.target, rows.weight, learn)).all()
        for array in [*arrays(fast.expert), *arrays(fast.scale), *arrays(mixture)]:
            assert np.isfinite(array).all()
    # The stream becomes harmless: the experts go on learning.
    _, out = fast.run([Event({0: 1.0}, frozenset({0}), n_labels=6)] * 40)
    assert np.isfinite(out).all()


@given(
    st.lists(
        st.tuples(st.dictionaries(st.integers(0, 3), st.floats(-1e100, 1e100)), st.floats(1e-9, 1e9)), min_size=1, max_size=8
    )
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_values_leave_everything_finite(drawn):
    events = [Event(x, frozenset({i % 2}), frozenset(), w, 2) for i, (x, w) in enumerate(drawn)]
    for name in EXPERTS:
        fast = Fast(name)
        for event in events:
            rows, out = fast.run([event])
            assert np.isfinite(out).all()
            assert np.isfinite(rows.position[: rows.indptr[-1]]).all()
        assert all(np.isfinite(array).all() for array in [*arrays(fast.expert), *arrays(fast.scale)])
