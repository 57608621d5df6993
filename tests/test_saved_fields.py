"""The fields of a state from a file, each by itself: what is good is returned, and what is not is told."""

from typing import Any

import numpy as np
import pytest

from ihomer import LabelPartition
from ihomer.persistence import KINDS, ModelFileError
from ihomer.saved.fields import (
    BEYOND,
    MOST,
    Fields,
    check_list,
    check_probes,
    fill_vocabulary,
    made,
    next_power,
    settings_of,
    vocabulary_state,
)
from ihomer.saved.values import Writer
from ihomer.vocabulary import Vocabulary

MATRIX = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(("method", "arguments", "value", "told"), [
    ("flag", (), 1, "no truth value"), ("flag", (), None, "no truth value"), ("items", (), (1,), "no list"),
    ("whole", (), True, "no whole number from 0"), ("whole", (), 1.0, "no whole number"), ("whole", (), -1, "no whole number"),
    ("whole", (0, 5), 6, "no whole number from 0 to 5"), ("counter", (), BEYOND + 1, "no whole number"),
    ("nested", (), [1], "it, a has no state"), ("array", (np.int32, (2,)), np.zeros(2), "no array of int32"),
    ("array", (np.float64, (2,)), [0.0, 0.0], "no array of float64"), ("array", (np.float64, (2, 2)), MATRIX, "has the shape"),
    ("array", (np.float64, (6,)), MATRIX, "has the shape"), ("array", (np.float64, (None, None)), MATRIX.T, "laid out"),
    ("array", (np.float64, (2, None), 1.0), MATRIX, "too small"),
    ("array", (np.float64, (2, None), 0.0, 4.0), MATRIX, "too large"),
    ("array", (np.float64, (None,), 0.0), np.array([1.0, np.nan]), "too small"),
    ("finite", ((1,),), np.array([np.inf]), "not finite"),
    ("finite", ((1,), 0.0), np.array([-1.0]), "too small"), ("counters", ((1,),), np.array([-1]), "too small"),
    ("counters", ((1,),), np.array([BEYOND + 1]), "too large"),
])  # fmt: skip
def test_a_field_that_is_not_as_asked_for_is_told(method: str, arguments: Any, value: Any, told: str) -> None:
    with pytest.raises(ModelFileError, match=told):
        getattr(Fields({"a": value}, "it"), method)("a", *arguments)


def test_good_fields_are_returned_once() -> None:
    state = {"a": True, "b": [1], "c": 5, "d": BEYOND, "e": np.array([0, BEYOND]), "f": MATRIX, "g": {"h": 1}}
    fields = Fields(state, "it")
    assert (fields.flag("a"), fields.items("b"), fields.whole("c", 5, 5), fields.counter("d")) == (True, [1], 5, MOST)
    assert fields.counters("e", (None,)).tolist() == [0, MOST]
    assert fields.array("f", np.float64, (None, 3), 0.0, 5.0) is MATRIX
    fields.nested("g").take("h")
    fields.done()
    assert len(state) == 7
    with pytest.raises(ModelFileError, match="it: a is missing"):
        fields.take("a")


def test_settings_are_all_there_and_no_others() -> None:
    settings = settings_of(LabelPartition(n_min=7))
    assert made(LabelPartition, settings).n_min == 7
    without = {name: value for name, value in settings.items() if name != "n_min"}
    for wrong, told in ((without, "not those"), ({**settings, "more": 1}, "not those"), ([], "not those")):
        with pytest.raises(ModelFileError, match=told):
            made(LabelPartition, wrong)
    for value in (0, "7", 2.5):
        with pytest.raises(ModelFileError, match="are refused"):
            made(LabelPartition, {**settings, "n_min": value})


def test_a_power_of_two_is_its_own_next_one() -> None:
    assert [next_power(n) for n in (-1, 0, 1, 2, 3, 4, 5)] == [0, 0, 1, 2, 4, 4, 8]


class Mark:
    """Stands at the beginning of names of nominal values."""


@pytest.mark.parametrize(("names", "is_good"), [
    ([(Mark, "a", "b"), "c"], True), ([(Mark, "a", 1), "c"], False), ([(Mark, "a"), "c"], False), ([Mark, "c"], False),
    ([("a", Mark, "b"), "c"], False), ([(Mark, (Mark, "a", "b"), "b"), "c"], False), ([(Mark, ("a", 1), "b"), ("c",)], True),
    ([("a", (Mark, "a", "b")), "c"], False),
])  # fmt: skip
def test_a_mark_stands_only_at_the_beginning_of_a_name(names: list[Any], is_good: bool) -> None:
    state = {"names": names, "order": np.array([1, 0]), "free": np.zeros(0, np.int64)}
    for mark in (Mark, None):
        vocabulary = Vocabulary()
        if is_good and mark is not None:
            fill_vocabulary(vocabulary, Fields(state, "it"), mark)
            assert list(vocabulary.items()) == [(names[1], 1), (names[0], 0)]
            continue
        with pytest.raises(ModelFileError, match="should be a name"):
            fill_vocabulary(vocabulary, Fields(state, "it"), mark)
    with pytest.raises(ModelFileError, match="more is not known"):
        fill_vocabulary(Vocabulary(), Fields({**state, "more": 1}, "it"), Mark)


@pytest.mark.parametrize(("filled", "home", "told"), [
    ([1, 1, 0, 1], [0, 0, 3], None), ([1, 0, 0, 1], [3, 3], None), ([1, 1, 1, 0], [0, 0, 1], None),
    ([1, 1, 0, 1], [0, 2, 3], "cannot be found"), ([1, 0, 0, 1], [2, 3], "cannot be found"),
    ([1, 0, 1], [0, 2], "power of two"), ([], [], "power of two"), ([1, 1], [0, 1], "is full"),
])  # fmt: skip
def test_each_entry_of_a_table_is_found_and_each_search_ends(filled: list[int], home: list[int], told: str | None) -> None:
    table = np.array(filled, np.bool_), np.array(home, np.int64)
    if told is None:
        check_probes(Fields({}, "it"), *table, "words")
        return
    with pytest.raises(ModelFileError, match=told):
        check_probes(Fields({}, "it"), *table, "words")


@pytest.mark.parametrize(("first", "count", "told"), [
    (0, 3, None), (2, 2, None), (-1, 0, None), (0, 2, "does not end"), (3, 4, "does not end"), (0, 5, "an impossible length"),
    (-1, 1, "out of bounds"), (4, 1, "out of bounds"), (2, 1, "does not end"), (0, -1, "an impossible length"),
])  # fmt: skip
def test_a_list_ends_where_its_length_says(first: int, count: int, told: str | None) -> None:
    links = np.array([2, -1, 1, 3])
    if told is None:
        assert check_list(Fields({}, "it"), links, first, count, "words").tolist() == [0, 2, 1][3 - count :]
        return
    with pytest.raises(ModelFileError, match=told):
        check_list(Fields({}, "it"), links, first, count, "words")


def test_names_of_the_same_hash_are_refused() -> None:
    names = [(2**61 - 1) * i for i in range(1, 100)]
    state = {"names": names, "order": np.arange(len(names)), "free": np.zeros(0, np.int64)}
    with pytest.raises(ModelFileError, match="the same hash"):
        fill_vocabulary(Vocabulary(), Fields(state, "it"))


def test_names_of_the_same_hash_are_refused_before_a_file_is_written() -> None:
    names = Vocabulary()
    for i in range(1, 65):
        names.add((2**61 - 1) * i)
    assert vocabulary_state(names)["order"].tolist() == list(range(64))
    names.add(0)
    with pytest.raises(TypeError, match="more names have the same hash"):
        vocabulary_state(names)
    for value in (dict.fromkeys(names), set(names), frozenset(names)):
        with pytest.raises(TypeError, match="the value has more than 64 names with the same hash"):
            Writer(KINDS).write(value)
