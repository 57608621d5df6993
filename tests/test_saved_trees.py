"""Trees in files: whatever does not fit is told, as kernels follow links and indices without looking."""

import copy
import functools
import random
from typing import Any

import numpy as np
import pytest

from benchmarks import file_damage, fuzz_files
from ihomer import MLHATClassifier
from ihomer.kernels.window import MOST_PAIRS
from ihomer.persistence import KINDS, ModelFileError, pack, unpack
from ihomer.saved.tree import RECORDS

NAMES = {"table": "tree entries"}


@functools.cache
def parts_of_a_tree() -> tuple[str, Any, dict[str, Any]]:
    """Root 0 has the alternate 8; 2 is a leaf with slot 2, 26 one with slot 8; nodes 3, 28 and slots 1, 18 are free."""
    model = MLHATClassifier(
        grace_period=20, delta=0.4, tau=3.0, young_weight=15, window=20, n_models=2, max_leaves=12, adwin_delta=0.9
    )
    for x, y in fuzz_files.events(300, 2):
        model.learn_one(x, y)
    return file_damage.split(pack(model, KINDS))


def changed(arrays: dict[str, Any], ending: str, change: Any) -> None:
    """Have an array changed by a function of its copy, seen as records where it holds such."""
    name = next(name for name in arrays if name.endswith("." + ending))
    kind = NAMES.get(ending, f"tree {ending}")
    value = arrays[name].copy()
    value = value.view(RECORDS[kind]) if kind in RECORDS else value
    found = change(value)
    value = value if found is None else found
    arrays[name] = value.view(np.uint8) if kind in RECORDS else value


def put(**fields: Any) -> Any:
    """Return a change of some fields of one record, the first by default."""
    at = fields.pop("at", 0)

    def change(value: Any) -> None:
        for field, number in fields.items():
            value[field][at] = number

    return change


def refused(told: str, *changes: Any) -> None:
    head, body, arrays = parts_of_a_tree()
    arrays = dict(arrays)
    for ending, change in changes:
        changed(arrays, ending, change)
    with pytest.raises(ModelFileError, match=told):
        unpack(file_damage.joined(head, body, arrays), KINDS)


@pytest.mark.parametrize(("ending", "place", "field", "number", "told"), [
    ("settings", 0, "max_leaves", 13, "not the model's"), ("header", 0, "n_labels", 12, "too many labels"),
    ("header", 0, "n_labels", -1, "too many labels"), ("label_id", 0, None, 1, "does not rise"),
    ("label_place", 0, None, 1, "one place"), ("label_place", 0, None, 10, "too large"),
    ("label_place", 0, None, -1, "too small"), ("header", 0, "n_events", -1, "n_events is impossible"),
    ("header", 0, "n_notes", 2**54 + 1, "n_notes is impossible"), ("header", 0, "deepest", 21, "too deep"),
    ("header", 0, "deepest", -1, "too deep"), ("detector", (0, 0), None, -1.0, "another width"),
    ("notes", 0, "what", 6, "something unknown"), ("notes", 0, "what", -1, "something unknown"),
    ("notes", 0, "event", -(2**54) - 1, "something unknown"), ("nodes", 3, "used", True, "free nodes are in use"),
    ("header", 0, "free_nodes", 11, "free nodes does not end"), ("header", 0, "free_nodes", 33, "an impossible length"),
    ("header", 0, "next_node", 32, "out of bounds"), ("nodes", 31, "next", 28, "does not end"),
    ("header", 0, "root", 50, "out of the tree"), ("header", 0, "root", -1, "out of the tree"),
    ("header", 0, "root", 3, "a node is free"), ("nodes", 0, "right", 1, "stands twice"),
    ("nodes", 9, "depth", 3, "wrong parent or depth"), ("nodes", 1, "parent", 2, "wrong parent or depth"),
    ("header", 0, "deepest", 2, "wrong parent or depth"), ("nodes", 8, "background", False, "wrongly in or out"),
    ("nodes", 1, "background", True, "wrongly in or out"), ("nodes", 0, "feature", -2, "unknown feature"),
    ("nodes", 0, "slot", 1, "the slot of a leaf"),
    ("nodes", 2, "right", 3, "a leaf is none"), ("nodes", 2, "alternate", 3, "a leaf is none"),
    ("nodes", 2, "feature", 1, "a leaf is none"), ("nodes", 8, "alternate", 16, "an alternate has an alternate"),
    ("nodes", 0, "alternate", -1, "not in the tree"), ("header", 0, "n_leaves", 11, "number of leaves"),
    ("nodes", 2, "slot", 32, "unknown slot"), ("nodes", 2, "slot", -1, "unknown slot"),
    ("nodes", 2, "slot", 0, "no owner, or two"),
    ("header", 0, "free_slots", 19, "free slots does not end"), ("nodes", 2, "row_first", 20, "impossible window"),
    ("nodes", 2, "row_first", -1, "impossible window"), ("nodes", 2, "row_count", 21, "impossible window"),
    ("nodes", 2, "row_count", -1, "impossible window"), ("row_index", (0, 0, 0), None, 33, "a stored event has an unknown"),
    ("row_index", (0, 0, 0), None, -1, "a stored event has an unknown"), ("row_size", (0, 0), None, 13, "too large"),
    ("nodes", 2, "n_labelsets", 15, "number of labelsets is wrong"), ("labelsets", 1, None, 1, "labelsets is too full"),
    ("nodes", 26, "row_count", 0, "labelsets, but no events"), ("slots", 2, "head", 512, "out of bounds or in a circle"),
    ("slots", 2, "head", -1, "belongs to nothing"), ("slots", 2, "head", 386, "out of bounds or in a circle"),
    ("slots", 2, "head", -2, "out of bounds or in a circle"),
    ("header", 0, "free_blocks", 189, "free blocks does not end"), ("blocks", 320, "feature", 33, "a block is of an unknown"),
    ("blocks", 320, "feature", -1, "a block is of an unknown"), ("table", 0, "block", 51, "lists other blocks"),
    ("table", 0, "key", 1, "under the wrong key"),
])  # fmt: skip
def test_what_does_not_fit_is_told(ending: str, place: Any, field: str | None, number: Any, told: str) -> None:
    def change(value: Any) -> None:
        (value if field is None else value[field])[place] = number

    refused(told, (ending, change))


def test_a_tree_that_has_learned_events_wider_than_a_window_keeps_goes_on_after_loading_as_if_nothing_had_been() -> None:
    rng = random.Random(1)
    events = [({f"f{j}": rng.gauss(0.0, 1.0) for j in range(5000)}, {rng.choice("uv")}) for _ in range(8)]
    model = MLHATClassifier(n_models=1)
    for x, y in events[:4]:
        model.learn_one(x, y)
    loaded = unpack(pack(model, KINDS), KINDS)
    for x, y in events[4:]:
        assert loaded.predict_proba_one(x) == model.predict_proba_one(x)
        loaded.learn_one(x, y)
        model.learn_one(x, y)
    assert pack(loaded, KINDS) == pack(model, KINDS)
    assert loaded._learner.state.row_index.shape[2] == MOST_PAIRS


def test_rows_wider_than_a_window_keeps_are_refused() -> None:
    def wider(value: Any) -> Any:
        return np.zeros((*value.shape[:2], MOST_PAIRS + 1), value.dtype)

    refused("rows are wider", ("row_index", wider), ("row_value", wider))


@pytest.mark.parametrize("ending", ["nodes", "slots", "blocks"])
def test_a_tree_without_room_is_refused(ending: str) -> None:
    refused("no nodes, slots or blocks", (ending, lambda value: value[:0]))


@pytest.mark.parametrize(("ending", "change", "told"), [
    ("labelsets", lambda value: np.ascontiguousarray(value[:, :100]), "impossible size"),
    ("labelsets", lambda value: np.ascontiguousarray(value[:, :32]), "impossible size"),
    ("table", lambda value: value[:512], "too small"),
    ("table", lambda value: np.concatenate([value, np.full(512, value[1])]), "no power of two"),
])  # fmt: skip
def test_a_table_of_an_impossible_size_is_refused(ending: str, change: Any, told: str) -> None:
    refused(told, (ending, change))


def test_a_test_on_a_feature_that_was_forgotten_is_a_sound_one() -> None:
    head, body, arrays = parts_of_a_tree()
    arrays = dict(arrays)
    changed(arrays, "nodes", put(feature=-1))
    model = unpack(file_damage.joined(head, body, arrays), KINDS)
    for x, y in fuzz_files.events(20, 3):
        model.predict_one(x)
        model.learn_one(x, y)


def test_a_tree_deeper_than_its_leaves_can_be_is_refused() -> None:
    """Work space is made for the deepest path."""
    model = MLHATClassifier(max_depth=1000)
    model.learn_one({"a": 1.0}, {"u"})
    n_slots = len(model._learner.state.slots)
    for deepest in (n_slots - 1, n_slots):
        model._learner.state.header["deepest"] = deepest
        if deepest < n_slots:
            unpack(pack(model, KINDS), KINDS)
    with pytest.raises(ModelFileError, match="too deep"):
        unpack(pack(model, KINDS), KINDS)


def test_a_label_whose_index_is_free_is_refused() -> None:
    model = MLHATClassifier()
    model.learn_one({"a": 1.0}, {"u", "v"})
    model._labels.free(1)
    with pytest.raises(ModelFileError, match="no label has"):
        unpack(pack(model, KINDS), KINDS)


@pytest.mark.parametrize("inner", [False, True])
def test_what_stands_beside_a_tree_is_refused(inner: bool) -> None:
    head, body, arrays = parts_of_a_tree()
    body = copy.deepcopy(body)
    state = dict(body["state"]["part"][1]["dict"])["tree"]["dict"]
    (dict(state)["arrays"]["dict"] if inner else state).append(["more", 1])
    with pytest.raises(ModelFileError, match="more is not known"):
        unpack(file_damage.joined(head, body, arrays), KINDS)


def test_a_leaf_with_more_labelsets_than_it_may_have_is_refused() -> None:
    def fill(labelsets: Any) -> None:
        labelsets[2, :65], labelsets[2, 65:] = np.arange(1, 66), 0

    def count(nodes: Any) -> None:
        nodes["n_labelsets"][2] = 65

    refused("too many labelsets", ("labelsets", fill), ("nodes", count))


def test_a_block_that_a_search_does_not_find_is_told() -> None:
    def move(table: Any) -> None:
        filled, empty = np.flatnonzero(table["key"] != -1)[0], np.flatnonzero(table["key"] == -1)
        target = empty[np.argmax(empty > filled + 1)]
        table[[target, filled]] = table[[filled, target]]

    refused("cannot be found", ("table", move))


def test_a_node_that_is_neither_free_nor_in_use_or_both_is_told() -> None:
    refused("free nodes", ("header", put(next_node=29, free_nodes=11)))
    refused("free nodes", ("header", put(next_node=2)), ("nodes", put(at=2, next=29)))


def test_a_slot_of_nobody_or_of_two_is_told() -> None:
    refused("no owner, or two", ("header", put(next_slot=19, free_slots=19)))
    header, slots = put(next_slot=2, free_slots=21), put(at=2, next=18)
    refused("no owner, or two", ("header", header), ("slots", slots), ("nodes", put(at=2, slot=0)))
