"""The scale of features where a share, a size or a rounding decides how a feature counts."""

import numpy as np
import pytest

from ihomer.kernels.scaling import COUNT, TOTAL
from ihomer.scaling import FeatureScale
from tests.expert_parts import KINDS, Event, batch_of, random_stream, slow_rows


def last_row(xs):
    """The last of some events as experts see it, all before it learned."""
    events = [Event(x, frozenset(), n_labels=1) for x in xs]
    scale = FeatureScale()
    scale.grow(1 + max(f for x in xs for f in x))
    scale.rows(batch_of(events[:-1]), 0, len(events) - 1, 1, True)
    return slow_rows(scale.rows(batch_of(events[-1:]), 0, 1, 1, False), events[-1:])[0]


@pytest.mark.parametrize(("count", "n_events", "is_centred"), [(9, 20, False), (10, 20, True), (9, 19, True)])
def test_a_feature_is_centred_that_more_than_45_percent_of_the_events_have(count, n_events, is_centred):
    xs = [{0: 1.0, 1: 2.0 + i % 3} if i < count else {0: 1.0} for i in range(n_events)]
    assert (1 in last_row([*xs, {0: 1.0}]).centred) == is_centred


@pytest.mark.parametrize(("step", "is_centred"), [(0.01, False), (0.1, True)])
def test_values_are_not_the_same_whose_variance_is_a_thousand_millionth_of_their_mean_square(step, is_centred):
    xs = [{0: 1000.0 + step * (i % 2)} for i in range(40)]
    assert (0 in last_row(xs).centred) == is_centred


@pytest.mark.parametrize(("value", "counted"), [(29.5, 29.5), (30.5, 15.0), (-9.5, -9.5), (-10.5, 5.0)])
def test_a_value_more_than_20_standard_deviations_out_counts_as_one_at_5(value, counted):
    """The mean of the values before is 10, their standard deviation 1."""
    scale, values = FeatureScale(), [9.0, 11.0] * 10 + [value]
    scale.grow(1)
    scale.rows(batch_of([Event({0: v}, frozenset()) for v in values]), 0, 21, 1, True)
    assert scale._sums[0, TOTAL] == 200.0 + counted


@pytest.mark.parametrize(("n_far", "count"), [(12, 50), (13, 25)])
def test_the_scale_goes_on_from_25_values_of_which_13_are_far_out(n_far, count):
    scale, values = FeatureScale(), [1.0 + i % 3 for i in range(50)]
    values[-n_far:] = [1e9] * n_far
    scale.grow(1)
    scale.rows(batch_of([Event({0: v}, frozenset()) for v in values]), 0, 50, 1, True)
    assert scale._sums[0, COUNT] == count


def test_rows_that_end_the_room_for_pairs_half_way_tell_of_those_before():
    """Feature 9 is centred in the first of three rows alone, which is the widest; the second finds no room."""
    scale, xs = FeatureScale(), [{0: 1.0 + i % 3, 9: 2.0 + i % 3} if i < 10 else {0: 1.0 + i % 3} for i in range(22)]
    scale.grow(10)
    for x in xs:
        scale.rows(batch_of([Event(x, frozenset())]), 0, 1, 1, True)
    room, events = len(scale._pairs[0]), [Event(x, frozenset()) for x in ({0: 2.0, 1: 1.0}, {0: 1.0, 2: 3.0}, {})]
    rows = scale.rows(batch_of(events), 0, 3, 1, True)
    assert len(scale._pairs[0]) > room
    centred = [rows.feature[a:b][rows.is_centred[a:b]].tolist() for a, b in zip(rows.indptr, rows.indptr[1:], strict=False)]
    assert centred == [[0, 9], [0], [0]]
    assert rows.n_centred == 10
    assert rows.widest == np.diff(rows.indptr).max() == 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_usual_features_found_out_from_the_sums_are_those_of_the_stream(kind):
    """A model out of a file goes on as the other, also where a feature has just become usual or ceased to be so."""
    scale = FeatureScale()
    scale.grow(100)
    seen = set()
    for event in random_stream(kind, 4, 300):
        scale.rows(batch_of([event]), 0, 1, event.n_labels, True)
        usual = scale._usual[: scale._n_usual[0]].tolist()
        scale.find_usual()
        assert scale._usual[: scale._n_usual[0]].tolist() == usual
        seen.add(tuple(usual))
    assert len(seen) > 1
