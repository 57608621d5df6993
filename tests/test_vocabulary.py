"""The table of names and indices, which names make room in it, and how names are shown."""

import math

import numpy as np
import pytest

from ihomer.vocabulary import Vocabulary, _text, in_name_order, oldest, shown


def test_freed_indices_are_given_again_the_last_one_first_and_their_names_are_not_kept():
    table = Vocabulary()
    assert [table.add(name) for name in "abcd"] == [0, 1, 2, 3]
    table.free(1)
    table.free(2)
    assert (table.name(1), table.name(2)) == (None, None)
    assert (list(table), list(table.items()), table.size) == (["a", "d"], [("a", 0), ("d", 3)], 4)
    assert table.in_use().tolist() == [0, 3]
    assert table.indices(["d", "b", "a"]).tolist() == [3, -1, 0]
    assert table.has_all(["a", "d"])
    assert not table.has_all(["a", "b"])
    assert [table.add(name) for name in "ebf"] == [2, 1, 4]


@pytest.mark.parametrize(("surplus", "expected"), [(1, 5), (5, 5), (9, 9)])
def test_an_eighth_makes_room_or_more_of_those_used_at_the_same_time_the_lowest_indices(surplus, expected):
    last_used = np.full(40, 7)
    assert oldest(np.arange(40)[::-1], last_used, 40, surplus).tolist() == list(range(expected))
    last_used[[31, 8]] = 3, 4
    assert oldest(np.arange(40), last_used, 40, surplus).tolist() == [31, 8, *range(expected - 2)]


@pytest.mark.parametrize(
    ("name", "text"), [("wet", "wet"), ("a\nb\x1b", "a\\nb\\x1b"), (("a", 1), "('a', 1)"), (-(16**4000), "-0x1" + "0" * 4000)],
    ids=["plain", "lines", "tuple", "digits"],
)
def test_a_name_is_shown_on_one_line(name, text):
    assert shown(name) == text


def test_sets_within_sets_are_put_in_order_in_no_time():
    name = "x"
    for _ in range(59):
        name = frozenset({name, (len(str(name)),)} if isinstance(name, str) else {name})
    assert in_name_order([name, 1, "a"]) == [name, 1, "a"]
    texts = [_text(frozenset(names)) for names in ({"b", "a"}, {2, "a"}, {frozenset({2, 1})})]
    assert texts == ["frozenset({'a', 'b'})", "frozenset({2, 'a'})", "frozenset({frozenset({1, 2})})"]


NANS = [math.nan, (math.nan,), frozenset({math.nan}), frozenset({("a", math.nan)}), np.float32("nan")]


@pytest.mark.parametrize("name", NANS)
def test_nan_is_no_name_wherever_it_stands(name):
    with pytest.raises(ValueError, match="nan cannot be a name"):
        Vocabulary().new_names(["a", name])
