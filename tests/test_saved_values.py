"""Values of a file, each by itself: what stands for nothing is told."""

import json
from collections import deque
from typing import Any

import numpy as np
import pytest

from ihomer import IHOMERClassifier
from ihomer.persistence import KINDS, ModelFileError
from ihomer.saved.tree import RECORDS
from ihomer.saved.values import Reader, Writer, is_name

HEADER = RECORDS["tree nodes"]


def nested(depth: int, kind: str | None = None) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind is None else {kind: [value]}
    return value


@pytest.mark.parametrize(("value", "told"), [
    ({"set": [1, 1]}, "a member twice"), ({"frozenset": [1, True]}, "a member twice"), ({"dict": [[[1], 1]]}, "no name"),
    ({"dict": [[{"dict": []}, 1]]}, "no name"), ({"dict": [[1, 2], [True, 3]]}, "a key twice"),
    ({"strange": 1}, "unknown kind"),
    ({"set": [], "tuple": []}, "no single kind"), ({}, "no single kind"), ({"tuple": 1}, "not of the form"),
    ({"dict": [[1]]}, "not of the form"), ({"dict": 1}, "not of the form"), ({"text": 1}, "not of the form"),
    ({"deque": [1, [1, 2]]}, "longer than its bound"), ({"deque": [1.0, []]}, "longer than its bound"),
    ({"deque": [True, [1]]}, "longer than its bound"), ({"deque": [1 << 62, []]}, "longer than its bound"),
    ({"number": ["bool", "02"]}, "is no bool"), ({"number": ["int64", "00"]}, "is no int64"),
    ({"number": ["O", "00"]}, "not known"),
    ({"number": [1, "00"]}, "not known"), ({"array": "b"}, "missing, or used twice"), ({"array": 1}, "not of the form"),
    ([{"array": "good"}, {"array": "good"}], "missing, or used twice"), ({"array": "marks"}, "neither true nor false"),
    ({"records": ["tree nodes", "floats"]}, "no records"), ({"records": ["tree nodes", "short"]}, "no records"),
    ({"records": ["tree nodes", "square"]}, "no records"), ({"records": ["tree nodes", "twos"]}, "neither true nor false"),
    ({"records": ["tree", "short"]}, "not known"), ({"mark": "tree"}, "not known"), ({"part": ["tree", 1]}, "not known"),
    (float("inf"), "out of range"), (nested(122), "nested too deep"), (nested(122, "tuple"), "nested too deep"),
])  # fmt: skip
def test_a_value_that_stands_for_nothing_is_told(value: Any, told: str) -> None:
    size = HEADER.itemsize
    arrays: dict[str, Any] = {
        "good": np.zeros(2), "marks": np.array([0, 2], np.uint8).view(np.bool_), "short": np.zeros(size - 1, np.uint8),
        "square": np.zeros((size, size), np.uint8),
        "floats": np.zeros(size), "twos": np.full(size, 2, np.uint8),
    }  # fmt: skip
    with pytest.raises(ModelFileError, match=told):
        Reader(KINDS, arrays).read(value)


def test_values_at_the_bounds_are_read() -> None:
    arrays: dict[str, Any] = {"raw": np.zeros(2 * HEADER.itemsize, np.uint8), "marks": np.array([True, False])}
    reader = Reader(KINDS, arrays)
    found = reader.read([{"records": ["tree nodes", "raw"]}, {"array": "marks"}, {"deque": [2, [1, 2]]}, {"deque": [None, []]}])
    assert (len(found[0]), found[0].dtype, found[1].tolist()) == (2, HEADER, [True, False])
    assert (found[2], found[2].maxlen, found[3].maxlen) == (deque([1, 2]), 2, None)
    assert not reader.left_over
    assert json.dumps(reader.read(nested(120))) == json.dumps(nested(120))
    assert [reader.read({"number": ["bool", raw]}) for raw in ("00", "01")] == [False, True]


def test_what_is_nested_too_deep_is_not_written_and_is_no_name() -> None:
    deep: Any = 1
    for _ in range(60):
        deep = (deep,)
    assert is_name(deep)
    assert not is_name((deep,))
    Writer(KINDS).write(deep)
    with pytest.raises(TypeError, match="nested too deep"):
        Writer(KINDS).write((deep,))


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, -(2**63), -(2**63) - 1])
def test_whole_numbers_come_back_as_numbers_or_text(number: int) -> None:
    written = Writer(KINDS).write(number)
    assert isinstance(written, int) == (-(2**63) <= number < 2**63)
    assert Reader(KINDS, {}).read(json.loads(json.dumps(written))) == number


@pytest.mark.parametrize("value", [
    dict, 1j, np.complex128(1), np.datetime64("2020-01-01"), np.longdouble(1), np.array(["a"]), np.zeros(2, ">i8"),
    np.zeros(2, np.complex128), np.zeros(2, HEADER).reshape(2, 1), range(3), np.random.default_rng(1),
], ids=str)  # fmt: skip
def test_what_has_no_place_in_a_file_is_not_written(value: Any) -> None:
    with pytest.raises(TypeError, match="no place in a file"):
        Writer(KINDS).write(value)


def test_a_model_of_a_subclass_is_not_written(tmp_path: Any) -> None:
    class Watched(IHOMERClassifier):
        pass

    with pytest.raises(TypeError, match=r"class .*Watched, which has no place in a file; IHOMERClassifier, of which it is"):
        Watched().save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_what_stands_twice_is_not_written() -> None:
    twice: list[int] = []
    with pytest.raises(TypeError, match="held twice"):
        Writer(KINDS).write([twice, twice])
