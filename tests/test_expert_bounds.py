"""Experts against their slow twins where a bound acts: heavy events, many of them, and labels that hardly ever apply."""

import random

import numpy as np
import pytest

from ihomer.experts import base, rehearsal
from ihomer.experts.linear import fitted
from ihomer.kernels.curves import bounded_length
from ihomer.kernels.hidden import MOST_RELEVANCE, START, mean_square_of, measure_strength
from ihomer.kernels.window import UNITS, in_units
from tests.expert_parts import TWINS, WINDOW, Event, Fast, compare, random_stream
from tests.reference.experts import SlowBayes, SlowLinear
from tests.reference.rehearsal import SlowRehearsal


def heavy_stream(kind, weights):
    rng = random.Random(5)
    return [e._replace(weight=rng.choice(weights)) for e in random_stream(kind, 9, 160)]


@pytest.mark.parametrize("name", ["linear", "rehearsal"])
def test_an_event_of_weight_40_is_learned_as_one_of_weight_8(name, monkeypatch):
    monkeypatch.setattr(rehearsal, "_WINDOW", WINDOW)
    events = heavy_stream("binary", [1.0, 1.0, 1.0, 40.0])
    assert compare(name, Fast(name), TWINS[name](), events, random.Random(1)) >= len(events)


def test_rates_that_labels_share_after_what_was_before_forget_where_their_weight_is_large():
    """From a weight of 100,000 on, positives and all are halved, so that later events count twice as much."""
    events = heavy_stream("binary", [1.0, 900.0, 7000.0])
    twin = TWINS["frequency"]()
    assert compare("frequency", Fast("frequency"), twin, events, random.Random(1)) >= len(events)
    assert sum(e.weight for e in events) > 1e5 >= max(weight for _, weight in twin.sequence_shared.values())


def test_the_rate_that_labels_share_is_a_thousandth_at_least():
    events = [e._replace(y=frozenset()) for e in random_stream("binary", 9, 160)]
    twin = TWINS["frequency"]()
    assert compare("frequency", Fast("frequency"), twin, events, random.Random(1)) >= len(events)
    assert all(0.02 / (weight + 1.0) < 0.001 for _, weight in twin.shared)


@pytest.mark.parametrize("name", sorted(TWINS))
def test_the_second_label_of_all_comes_late(name):
    events = [e._replace(y=e.y & {0}, unobserved=frozenset(), n_labels=1) for e in random_stream("mixed", 4, 12)]
    events += [e._replace(y=e.y & {0, 1}, unobserved=frozenset(), n_labels=2) for e in random_stream("mixed", 5, 20)]
    assert compare(name, Fast(name), TWINS[name](), events, random.Random(1)) >= WINDOW


def test_the_place_of_a_forgotten_feature_in_ridge_regression_is_as_one_never_used():
    fast = Fast("ridge")
    fast.run([e._replace(n_labels=6) for e in random_stream("mixed", 3, 60)])
    expert, gone = fast.expert, [1, 4, 12]
    places = expert._place_of[gone]
    assert (places > 0).all()
    expert.forget_features(np.isin(np.arange(64), gone))
    start = np.zeros((len(places), expert._covariance.shape[1]), np.float32)
    start[range(len(places)), places] = 1.0 / 0.3
    assert np.array_equal(expert._covariance[places], start)
    assert np.array_equal(expert._covariance[:, places], start.T[: len(expert._covariance)])
    assert not expert._weights[places].any()
    assert (expert._holder[places] == -1).all()


def test_ridge_regression_has_1024_features_and_the_constant():
    expert = Fast("ridge").expert
    expert.grow(1, 5000)
    assert len(expert._covariance) == 1025


@pytest.mark.parametrize("n_features", [1, 15, 16, 100, 5000])
def test_each_row_of_the_covariance_begins_with_a_cache_line_also_when_it_has_grown(n_features):
    expert = Fast("ridge").expert
    for size in (3, n_features, 2 * n_features):
        expert.grow(1, size)
        p, places = expert._covariance, min(max(size, 3) + 1, 1025)
        assert len(p) >= places
        assert (p.ctypes.data % 64, p.strides[0] % 64) == (0, 0)
        assert np.array_equal(p[:1, :1], np.full((1, 1), 1.0 / 0.3, np.float32))
        assert np.count_nonzero(p) == 1


def test_the_variance_of_a_weight_grows_up_to_where_it_started():
    """A feature that comes once, in an event of hardly any weight, and never again; at once, noise of 16 events is added."""
    often, once = Event({0: 1.0}, frozenset(), n_labels=1), Event({0: 1.0, 1: 1.0}, frozenset(), weight=1e-6, n_labels=1)
    fast = Fast("ridge")
    fast.run([often] * 40 + [once] + [often] * 2000)
    variances = fast.expert._covariance.diagonal()[:3]
    assert 1.0 / 0.3 - 1e-4 < variances.max() <= 1.0 / 0.3 + 16 * 2e-5


@pytest.mark.parametrize("bad", [-1.0, np.nan])
@pytest.mark.parametrize("n_events", [40, 43])
def test_variances_that_rounding_has_spoiled_start_anew_with_the_weights_kept(n_events, bad):
    """x' P x below 0 cannot be: all of P that is in use is then that of the start, and the event is learned from there.
    So it is also where the steps of three events wait.
    """
    events = [Event({0: 1.0, 1: 0.5}, frozenset({0}), n_labels=1) for _ in range(n_events)]
    fast = Fast("ridge")
    fast.run(events)
    expert = fast.expert
    used = np.flatnonzero(expert._covariance.diagonal() > 0.0)
    weights = expert._weights.copy()
    np.fill_diagonal(expert._covariance, bad)
    fast.run(events[:1])
    diagonal = expert._covariance.diagonal()[used]
    assert (diagonal > 0.0).all()
    assert (diagonal <= 1.0 / 0.3 + 1e-3).all()
    assert np.isfinite(expert._weights).all()
    assert abs(expert._weights - weights).max() < abs(weights).max()


@pytest.mark.parametrize(("z", "units"), [(1.5, UNITS), (-7.0, -UNITS), (1.0, UNITS), (-1.0, -UNITS), (0.5, 16384), (1e-9, 0)])
def test_a_number_beyond_1_is_kept_as_1(z, units):
    assert in_units.py_func(z) == units


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, 1e30])
def test_a_step_that_is_not_finite_or_too_large_is_taken_as_0(bad):
    step = np.array([3.0, bad, 4.0])
    assert mean_square_of.py_func(step, 3) == 0.0
    assert step.tolist() == [0.0] * 3
    step = np.array([3.0, 4.0, 100.0])
    assert mean_square_of.py_func(step, 2) == 12.5
    assert step.tolist() == [3.0, 4.0, 100.0]
    assert mean_square_of.py_func(step, 0) == 0.0


@pytest.mark.parametrize(("name", "twin"), [("linear", SlowLinear(64)), ("bayes", SlowBayes(64))])
def test_features_that_share_weights(name, twin, monkeypatch):
    """64 weights: 32 rows for 2 labels, 16 for 3, 8 for 6. Forgetting one empties no row but its own."""
    monkeypatch.setattr(base, "MOST_WEIGHTS", 64)
    fast, events = Fast(name), random_stream("sparse", 2, 240)
    compare(name, fast, twin, events, random.Random(2))
    n_rows = len(fast.expert._counts) if name == "bayes" else fast.expert._weights.shape[1] - 1
    assert n_rows == 8 == twin.n_rows
    for gone in ([7], [8, 40]):
        fast.expert.forget_features(np.isin(np.arange(128), gone))
        twin.forget_features(gone)
        compare(name, fast, twin, events[-20:], random.Random(2))


def test_one_feature_more_than_there_are_rows_shares_the_first(monkeypatch):
    """64 weights: 9 rows for 4 labels, 8 for 8."""
    monkeypatch.setattr(base, "MOST_WEIGHTS", 64)
    weights = np.arange(40, dtype=np.float32).reshape(1, 10, 4)
    found = fitted(weights, 5, 9)[0]
    assert found.shape == (9, 8)
    assert found[:, 0].tolist() == [16.0, 4.0, 8.0, 12.0, 16.0, 20.0, 24.0, 28.0, 36.0]


def test_features_that_share_weights_of_hidden_units(monkeypatch):
    """1,024 weights: 16 rows for 64 units, enough rows for 6 labels."""
    monkeypatch.setattr(base, "MOST_WEIGHTS", 1024)
    fast = Fast("rehearsal")
    compare("rehearsal", fast, SlowRehearsal(2048, 1024), random_stream("sparse", 2, 240), random.Random(2))
    assert len(fast.expert._lower) == 17


def test_a_row_that_stored_events_share_stays_awake_when_a_feature_is_forgotten(monkeypatch):
    """16 rows for 64 units: feature 16 stands in a stored event with 0, and its row is that of feature 0."""
    monkeypatch.setattr(base, "MOST_WEIGHTS", 1024)
    fast = Fast("rehearsal")
    fast.run([Event({0: 1.0}, frozenset({0}), n_labels=2)])
    for i in range(60):
        x = {1: 1.0} if i % 3 else {**dict.fromkeys(range(2, 16), 1.0), 16: 1e-60 if i else 1.0}
        fast.run([Event(x, frozenset({i % 2}), n_labels=2)])
    fast.expert.forget_features(np.arange(32) == 0)
    for i in range(40):
        fast.run([Event({1: 1.0}, frozenset({i % 2}), n_labels=2)])
    assert np.isfinite(fast.expert._lower).all()
    square, asleep = fast.expert._lower_square, (fast.expert._lower == 0.0).all(axis=1)
    assert (square[~asleep] >= START).all()
    assert (square[asleep] == 0.0).all()


def test_features_become_centred_one_by_one():
    rng, events, fast = random.Random(4), [], Fast("rehearsal")
    for i in range(80):
        x = {f: rng.gauss(f, 1.0) for f, first in enumerate((0, 10, 25)) if i >= first}
        events.append(Event(x, frozenset({int(x[max(x)] > max(x))}), n_labels=2))
    assert compare("rehearsal", fast, SlowRehearsal(), events, random.Random(2), 1) >= len(events)
    assert len(fast.expert._curves[0]) == 4


def test_features_come_to_share_rows_of_curves_when_labels_come(monkeypatch):
    """256 weights: 128 rows for 2 labels, 32 for 6; all events have feature 100, with other values."""
    monkeypatch.setattr(base, "MOST_WEIGHTS", 256)
    fast = Fast("rehearsal")
    for n_labels, n_rows in ((2, 101), (6, 32), (6, 32)):
        fast.run([Event({100: float(i)}, frozenset({i % 2}), n_labels=n_labels) for i in range(10)])
        assert [len(w[0]) - 1 for w in (fast.expert._weights, fast.expert._curves)] == [n_rows, n_rows]


@pytest.mark.parametrize("kind", ["dense", "mixed"])
def test_centred_features_share_rows_of_weights_and_of_curves(kind, monkeypatch):
    """256 weights: 32 rows for 6 labels, 4 for 64 hidden units; feature 16 f + f % 3 in place of f."""
    monkeypatch.setattr(base, "MOST_WEIGHTS", 256)
    events = [
        e._replace(x={16 * f + f % 3: v for f, v in e.x.items() if f < 12}, n_labels=6) for e in random_stream(kind, 3, 120)
    ]
    fast = Fast("rehearsal")
    assert compare("rehearsal", fast, SlowRehearsal(2048, 256), events, random.Random(2)) >= len(events)
    expert = fast.expert
    assert [len(w[0]) - 1 for w in (expert._weights, expert._curves, expert._lower_curves)] == [32, 32, 4]
    assert len(expert._lower) - 1 == 4


@pytest.mark.parametrize(
    ("length", "bounded"),
    [(0.0, 1e-3), (9e-4, 1e-3), (1.1e-3, 1.1e-3), (320.0, 320.0), (999.0, 999.0), (1001.0, 1e3), (float("inf"), 1e3)],
)
def test_the_length_of_a_row_is_a_thousandth_at_least_and_a_thousand_at_most(length, bounded):
    assert bounded_length.py_func(length) == bounded


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, 1e20])
def test_a_hidden_unit_whose_weights_are_spoiled_has_a_strength_that_is_a_number(bad):
    upper, strength = np.array([[3.0, 4.0, 9.0], [1.0, bad, 9.0]], np.float32), np.zeros(2, np.float32)
    measure_strength.py_func(upper, 2, strength)
    assert strength.tolist() == [25.0, np.float32(MOST_RELEVANCE)]


@pytest.mark.parametrize("bad", [np.inf, np.nan, 1e30])
def test_a_feature_whose_weights_are_spoiled_leaves_what_later_experts_are_told_sound(bad):
    """Of three features its relevance alone is more than nothing, s: they count sqrt(0.1 s), sqrt(1.1 s) and sqrt(0.1 s)."""
    fast = Fast("rehearsal")
    event, other = (Event(x, frozenset(), n_labels=2) for x in ({0: 1.0, 1: 1.0, 2: 1.0}, {3: 1.0}))
    fast.run([event, other, other, other])
    fast.expert._strength[:], fast.expert._lower[1] = 1.0, bad
    fast.run([event], learn=False)
    assert fast.rows_after.relevant[:3] ** 2 == pytest.approx([0.1 / 1.3, 1.1 / 1.3, 0.1 / 1.3], rel=1e-5)
    assert fast.rows_after.shrink[1, 0] == 1.0
