"""Streams of predictions for tests of scores."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from ihomer.metrics import Scoreboard

untimed = settings(deadline=None)

NAMES = st.sampled_from([list("abc"), [f"l{i}" for i in range(300)], ["é", "", " ", "\x00", "日本", "A'", "𝕏"]])
CHANCES = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.floats(0.0, 1.0))
WEIGHTS = st.one_of(st.sampled_from([1.0, 1.0, 2.0, 0.0, 1e16]), st.floats(1e-100, 10.0))


@st.composite
def events(draw, min_size=0):
    """Events by name: label spaces small and large that grow, with unobserved labels and weights."""
    labels = st.sampled_from(draw(NAMES))
    chance = st.one_of(CHANCES, CHANCES.map(lambda p: {True: p, False: 1 - p}), st.just({}))
    true = st.one_of(
        st.sets(labels, max_size=6),
        st.dictionaries(labels, st.sampled_from([True, False, None, 1, 0, float("nan")]), max_size=6),
    )
    predicted = st.one_of(
        st.sets(labels, max_size=6),
        st.dictionaries(labels, st.one_of(st.booleans(), st.none(), chance), max_size=6),
    )
    probabilities = st.one_of(st.none(), st.dictionaries(labels, chance, max_size=12))
    return draw(st.lists(st.tuples(true, predicted, probabilities, WEIGHTS), min_size=min_size, max_size=25))


def matrices(max_rows=12, max_labels=9):
    shape = st.tuples(st.integers(0, max_rows), st.integers(0, max_labels))
    return shape.flatmap(
        lambda size: st.tuples(
            st_numpy.arrays(np.float64, size, elements=st.sampled_from([0.0, 0.0, 1.0, np.nan])),
            st_numpy.arrays(np.uint8, size, elements=st.integers(0, 1)),
            st_numpy.arrays(np.float64, size, elements=CHANCES),
            st_numpy.arrays(np.float64, size[0], elements=st.floats(1e-9, 4.0)),
        )
    )


def approximately(expected):
    return pytest.approx(expected, rel=1e-9, abs=1e-9)


def filled(stream, **options):
    board = Scoreboard(**options)
    for true, predicted, probabilities, w in stream:
        board.update(true, predicted, probabilities, w)
    return board
