"""Normal scores of ranks, against a twin and against what they are made for."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ihomer.kernels.common import jit
from ihomer.kernels.encoding import MAX_MAGNITUDE
from ihomer.kernels.ranks import N_COLUMNS, N_QUANTILES, N_TAKEN, normal_score, note_value
from tests.reference.scaling import SlowRanks

VALUES = st.one_of(
    st.floats(-1e3, 1e3),
    st.integers(-3, 3).map(float),
    st.sampled_from([0.0, -0.0, 5e-324, 1e-300, 1e100, -1e100, 1.0, math.nextafter(1.0, 2.0)]),
)


@jit
def scores_of(values, table, least, scores):
    """Score each value by those before it, nan while these are too few, and take it in."""
    for i in range(values.size):
        scores[i] = normal_score(values[i], table, least) if table[N_TAKEN] > 0.0 else np.nan
        note_value(values[i], table, least)


def run(values, least=0.03, table=None):
    scores, table = np.empty(len(values)), np.zeros(N_COLUMNS) if table is None else table
    scores_of(np.array(values, np.float64), table, least, scores)
    return scores, table


def check_against_twin(values, least):
    """Where a share is reached at the edge of a step, rounding decides on which side a quantile is: each is of its share."""
    twin, table = SlowRanks(), np.zeros(N_COLUMNS)
    for value in values:
        score = run([value], least, table)[0][0]
        assert (score == pytest.approx(twin.score(value, least), abs=1e-6)) if twin.taken else math.isnan(score)
        twin.note(value, least)
        quantiles = table[:N_QUANTILES].tolist()
        assert table[N_TAKEN] == twin.taken
        assert quantiles == sorted(quantiles)
        if twin.mixed is None:
            assert quantiles == (twin.quantiles or [0.0] * N_QUANTILES)
        elif not twin.latest:
            for share, quantile, expected in zip(twin.SHARES, quantiles, twin.quantiles, strict=True):
                below, up_to = twin.mixed.limits(quantile)
                assert quantile == expected or below - 1e-9 <= share <= up_to + 1e-9
            twin.quantiles = quantiles
    return twin


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES, max_size=120), st.sampled_from([0.0, 0.03, 1.0]))
@example([1.0] * 40 + [2.0] * 40, 0.0)
@example([1.0] * 40 + [2.0] * 40, 0.03)
@example([1.0] * 16 + [1.01, 0.99], 0.03)
@example([-1e100, 1e100] * 20, 0.03)
@example([0.0] * 15 + [5e-324] * 17 + [-5e-324] * 17, 0.0)
@example([0.0] * 14 + [-1.0, -1e100] + [0.0] * 15 + [-1e100], 0.0)
def test_scores_and_quantiles_equal_those_of_a_twin(values, least):
    check_against_twin(values, least)


def test_values_count_2000_at_most():
    """Those that come later are 16 of 2,016, whatever came before."""
    values = np.random.default_rng(5).normal(size=2400)
    values[2100:] += 3.0
    assert check_against_twin(values.tolist(), 0.03).taken == 2000.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=40, max_size=80))
def test_a_larger_value_has_no_smaller_score(values):
    _, table = run(values)
    scores = [run([value], table=table.copy())[0][0] for value in sorted(values)]
    assert scores == sorted(scores)
    assert max(map(abs, scores)) <= 2.16


@pytest.mark.parametrize("unit", [2.0**-40, 2.0**30])
def test_a_unit_changes_no_score(unit):
    values = np.random.default_rng(1).normal(size=500) ** 3
    assert (run(values)[0][16:] == run(values * unit, 0.03 * unit)[0][16:]).all()


@pytest.mark.parametrize("draw", [lambda z: z, lambda z: np.exp(2.0 * z), lambda z: z**3, lambda z: 1e-3 * z - 40.0])
def test_scores_are_those_of_a_normal_variable_whatever_the_distribution(draw):
    z = np.random.default_rng(2).normal(size=6000)
    usual = 1000 + np.flatnonzero(np.abs(z[1000:]) < 1.5)
    off = run(draw(z), least=1e-5)[0][usual] - z[usual]
    assert np.sqrt((off**2).mean()) < 0.16
    assert abs(off.mean()) < 0.12


def test_quantiles_follow_the_stream():
    """Values count 2,000 at most: after a shift of the mean and 4,000 values, these are about what is seen."""
    z = np.random.default_rng(4).normal(size=24_000)
    z[20_000:] += 5.0
    scores = run(z)[0]
    assert abs(scores[19_000:20_000].mean()) < 0.1
    assert scores[20_000:20_100].mean() > 1.9
    assert scores[23_000:].mean() < 0.7


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_no_quantile_is_rounded_beyond_the_largest_values(sign):
    rng = np.random.default_rng(0)
    table = run(sign * rng.choice([-MAX_MAGNITUDE, MAX_MAGNITUDE], 160), MAX_MAGNITUDE / 10)[1]
    assert np.abs(table[:N_QUANTILES]).max() == MAX_MAGNITUDE
