"""Names stand in one order, whatever order they come in and whatever they are."""

import itertools
import math
import os
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from ihomer.vocabulary import in_name_order

SETS = [frozenset(names) for names in ("a", "ab", "c", "bcd")]


@pytest.mark.parametrize(
    "names",
    [
        SETS,
        [("x", some) for some in SETS],
        [frozenset((some, "z")) for some in SETS],
        [(1.0, "a"), (None, "b"), (0.5, "c"), ("d",)],
        [1, "a", b"a", None],
        [(1, "a"), (1, 2), (0, "b"), ((), 3)],
        [np.float32(0.1), 0.1, np.float64(0.2), 10**400],
        [16**4000, -(16**4000), None],
    ],
)
def test_partly_ordered_names_have_one_order(names):
    first, *others = [in_name_order(some) for some in itertools.permutations(names)]
    assert all(list(map(id, other)) == list(map(id, first)) for other in others)


def test_the_natural_order_is_kept_where_there_is_one():
    for names in (
        ["", "B", "a", "b"],
        [b"", b"A", b"a", b"\xff"],
        [-1.5, False, 1, np.int64(3), 3.5, math.inf],
        [(), (1,), (1, "a"), (2, 5), (2, 5, b"x"), (10,)],
    ):
        assert in_name_order(names[::-1]) == in_name_order(reversed(names)) == names


def test_names_of_several_types_are_ordered_by_type_then_by_text():
    names = [None, b"a", 10, 2, "1"]
    assert in_name_order(names[::-1]) == names


def test_what_is_no_number_is_a_name_though_it_cannot_be_compared():
    assert in_name_order(["a", pd.NA]) == [pd.NA, "a"]


@pytest.mark.parametrize(
    "name", [math.nan, np.float32("nan"), ("a", (1, math.nan)), np.datetime64("NaT", "s"), Decimal("nan"), complex("nanj")]
)
def test_nan_is_no_name(name):
    for others in ([], ["a"], [1.0, frozenset()]):
        with pytest.raises(ValueError, match="nan cannot be a name"):
            in_name_order([*others, name])


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_the_order_does_not_depend_on_the_seed_of_hashes(seed):
    code = (
        "from ihomer.vocabulary import in_name_order as order;"
        "sets = {frozenset(s) for s in ('ab', 'xyz', 'c', 'bcd', 'az')};"
        "print([sorted(some) for some in order(sets)], [sorted(some) for _, some in order({(1, some) for some in sets})])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
    )
    expected = "[['a', 'b'], ['a', 'z'], ['b', 'c', 'd'], ['c'], ['x', 'y', 'z']]"
    assert found.stdout == f"{expected} {expected}\n"
