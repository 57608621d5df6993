"""ADWIN: the kernel against its slow twin, false alarms, delay, and what it must not be disturbed by."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihomer.kernels.adwin import (
    CLOCK,
    COUNTS,
    MAX_BUCKETS,
    adwin_arrays,
    adwin_mean,
    adwin_reset,
    adwin_update,
    adwin_updates_to_check,
    adwin_width,
)
from tests.reference.adwin import Adwin

DELTA = 0.002


def row_of(twin):
    """The detector of a twin as an array: what is not in use is 0."""
    buckets = np.zeros((twin.levels, MAX_BUCKETS, 2))
    for level, row in enumerate(twin.buckets):
        buckets[level, : len(row)] = np.array(row).reshape(-1, 2)
    row = np.concatenate([np.zeros(COUNTS), [len(row) for row in twin.buckets], buckets.ravel()])
    row[:COUNTS] = twin.width, twin.total, twin.variance, twin.updates
    return row


def agree(values, delta=DELTA, levels=24, clock=CLOCK):
    """Feed both; every answer, width and mean must be the same, and the state in the end. Returns the answers."""
    state = adwin_arrays(2, levels)
    twin = Adwin(levels, clock)
    answers = []
    for value in values:
        answer = adwin_update(state, 1, value, delta, clock)
        assert answer == twin.update(value, delta)
        assert adwin_width(state, 1) == twin.width
        mean = twin.mean()
        assert adwin_mean(state, 1) == mean or (math.isnan(mean) and math.isnan(adwin_mean(state, 1)))
        answers.append(answer)
    assert not state[0].any()
    np.testing.assert_array_equal(state[1], row_of(twin))
    return answers


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["bernoulli", "uniform", "constant", "alternate"]),
            st.floats(0.0, 1.0),
            st.integers(1, 400),
        ),
        max_size=4,
    ),
    st.floats(1e-6, 0.5),
    st.integers(1, 6),
    st.sampled_from([1, 7, CLOCK, 128]),
    st.integers(0, 2**32 - 1),
)
def test_twin_on_pieces(pieces, delta, levels, clock, seed):
    rng = np.random.default_rng(seed)
    values = []
    for kind, level, size in pieces:
        if kind == "bernoulli":
            values += (rng.random(size) < level).astype(float).tolist()
        elif kind == "uniform":
            values += (rng.random(size) * level).tolist()
        elif kind == "constant":
            values += [level] * size
        else:
            values += [level * (i % 2) for i in range(size)]
    agree(values, delta, levels, clock)
    agree(values, delta)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(), max_size=300), st.floats(1e-6, 0.5))
def test_twin_on_hostile_values(values, delta):
    agree(values, delta)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_changes_nothing(value):
    state = adwin_arrays(1)
    for i in range(40):
        adwin_update(state, 0, i % 2, DELTA, CLOCK)
    before = state.copy()
    assert adwin_update(state, 0, value, DELTA, CLOCK) == 0
    np.testing.assert_array_equal(state, before)


def test_false_alarms_are_rare():
    alarms = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        state = adwin_arrays(1)
        probability = (seed % 10) / 10.0 + 0.05
        alarms += sum(adwin_update(state, 0, v, DELTA, CLOCK) != 0 for v in (rng.random(5_000) < probability) * 1.0)
    # 500,000 values, 15,600 checks.
    assert alarms <= 5


@pytest.mark.parametrize(("before", "after", "answer"), [(0.2, 0.8, 1), (0.8, 0.2, -1), (0.0, 1.0, 1), (0.1, 0.4, 1)])
def test_a_step_is_found_soon_and_its_direction_told(before, after, answer):
    rng = np.random.default_rng(7)
    state = adwin_arrays(1)
    for value in rng.random(2_000) < before:
        assert adwin_update(state, 0, float(value), DELTA, CLOCK) == 0
    answers = [adwin_update(state, 0, float(value), DELTA, CLOCK) for value in rng.random(320) < after]
    found = next(i for i, a in enumerate(answers) if a)
    assert answers[found] == answer
    assert found < 160 if abs(after - before) > 0.5 else found < 320
    assert adwin_width(state, 0) < 1_000


def test_the_last_bucket_boundary_of_a_level_is_tried():
    """After 20 zeros and 12 ones the window is five buckets of 4, four of 2, four of 1.

    The boundary behind the last bucket of 4 needs delta > .201, every other boundary delta > .488.
    """
    values = [0.0] * 20 + [1.0] * 12
    assert agree(values, delta=0.3) == [0] * 31 + [1]
    assert agree(values, delta=0.2) == [0] * 32


def test_what_rounding_leaves_of_a_variance_is_not_below_0():
    """Else the root in the bound is of no number, and no change is found."""
    agree([0.3] * 96 + [0.7] * 96 + [0.3] * 128)


def test_window_grows_while_nothing_changes_and_is_bounded_by_its_levels():
    state = adwin_arrays(1)
    small = adwin_arrays(1, levels=4)
    for _ in range(3_000):
        adwin_update(state, 0, 0.5, DELTA, CLOCK)
        adwin_update(small, 0, 0.5, DELTA, CLOCK)
    assert adwin_width(state, 0) == 3_000
    assert adwin_width(small, 0) <= 5 * 15
    assert adwin_mean(small, 0) == 0.5


def test_slots_do_not_touch_each_other_and_reset_empties_one():
    rng = np.random.default_rng(1)
    together = adwin_arrays(3)
    alone = [adwin_arrays(1) for _ in range(3)]
    for _ in range(500):
        for d in range(3):
            value = rng.random()
            assert adwin_update(together, d, value, DELTA, CLOCK) == adwin_update(alone[d], 0, value, DELTA, CLOCK)
    np.testing.assert_array_equal(together, np.concatenate(alone))
    adwin_reset(together, 1)
    assert adwin_width(together, 1) == 0
    assert adwin_mean(together, 1) == 0.0
    assert not together[1].any()
    np.testing.assert_array_equal(together[[0, 2]], np.concatenate([alone[0], alone[2]]))


@pytest.mark.parametrize("clock", [CLOCK, 128])
def test_updates_to_check_counts_down_to_the_only_updates_that_can_answer(clock):
    rng = np.random.default_rng(3)
    state = adwin_arrays(1)
    values = np.concatenate([rng.random(500) * 0.3, 0.7 + rng.random(500) * 0.3] * 3)
    n_alarms = 0
    for value in values:
        left = adwin_updates_to_check(state, 0, clock)
        assert 1 <= left <= clock
        if adwin_update(state, 0, value, DELTA, clock):
            assert left == 1
            n_alarms += 1
        elif left > 1:
            assert adwin_updates_to_check(state, 0, clock) == left - 1
    assert n_alarms >= 5


def test_memory_of_a_detector():
    assert adwin_arrays(1).nbytes <= 4096
