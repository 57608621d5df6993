"""The encoder by itself: what is known of features that make room, are missing, or are those of the event at hand."""

import math

import numpy as np
import pytest

from ihomer.encoder import Encoder, is_nominal, name_of


def learned(encoder, x):
    """Learn an event; return its pairs of index and value."""
    checked = encoder.check(x)
    encoder.protect(checked.indices)
    if surplus := encoder.surplus(len(checked.new)):
        encoder.forget_oldest(surplus)
    encoder.add(checked.new)
    index, value = encoder.encode(x)
    encoder.touch(index)
    return dict(zip(index.tolist(), value.tolist(), strict=True))


def test_a_missing_nominal_value_is_missing_in_each_that_the_feature_has_had():
    encoder = Encoder(16)
    learned(encoder, {"color": "red", "size": 2.0})
    learned(encoder, {"color": "blue"})
    index, value = encoder.encode({"color": None, "size": 3.0})
    keys = [encoder.features.name(i) for i in index.tolist()]
    found = dict(zip([key[1:] if is_nominal(key) else key for key in keys], value.tolist(), strict=True))
    assert set(found) == {("color", "red"), ("color", "blue"), "size"}
    assert math.isnan(found["color", "red"])
    assert math.isnan(found["color", "blue"])
    assert found["size"] == 3.0


@pytest.mark.parametrize("n_features", [3, 8])
def test_what_makes_room_are_other_features_than_those_of_the_event(n_features):
    encoder = Encoder(8)
    for i in range(8):
        learned(encoder, {f"f{i}": 1.0})
    learned(encoder, {**{f"f{i}": 1.0 for i in range(n_features - 1)}, "new": 1.0})
    assert encoder.feature_names() == {"new", *(f"f{i}" for i in range(8) if i != n_features - 1)}
    assert len(encoder.features) == 8


def test_values_that_have_made_room_leave_nothing_behind():
    encoder = Encoder(8)
    for i in range(8):
        learned(encoder, {"color": f"c{i}"})
    learned(encoder, {f"f{i}": 1.0 for i in range(8)})
    assert not encoder.has_nominal
    assert encoder.n_nominal_values() == {}
    many = {f"f{i}": 1.0 for i in range(7)} | {"color": "c0"}
    assert [name_of(key) for key in encoder.check(many).new] == ["color"]
    assert len(encoder.encode(many)[0]) == 7


def test_names_that_have_made_room_are_looked_up_anew():
    encoder = Encoder(16)
    x = {f"f{i}": float(i + 1) for i in range(9)}
    learned(encoder, x)
    assert len(encoder.encode(x)[0]) == 9
    forgotten = encoder.forget_oldest(9)
    assert np.count_nonzero(forgotten) == 9
    assert len(encoder.encode(x)[0]) == 0


@pytest.mark.parametrize("number", [np.float32(1.0), np.int64(1), np.bool_(True)])
@pytest.mark.parametrize("name", [(1,), (1, "a"), ((1,), None)])
def test_a_name_of_numpy_is_not_taken_for_a_tuple(number, name):
    encoder = Encoder(32)
    others = {f"f{i}": 1.0 for i in range(8)}
    for names in ([number], [name]):
        learned(encoder, dict.fromkeys(names, 2.0) | others)
    for names in ([number], [name], [number]):
        index, value = encoder.encode(dict.fromkeys(names, 2.0) | others)
        assert {encoder.features.name(i) for i in index[value == 2.0].tolist()} == set(names)
