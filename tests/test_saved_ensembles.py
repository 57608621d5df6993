"""Experts, mixture and decoder in files: whatever does not fit is told, as kernels follow indices without looking."""

import copy
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks import fuzz_files
from ihomer import IHOMERClassifier
from ihomer.experts import EXPERTS
from ihomer.experts.base import MOST_WEIGHTS
from ihomer.experts.neighbours import Neighbours
from ihomer.kernels.scaling import BLOCK_COUNT, BLOCK_FAR, BLOCK_SQUARE, COUNT, MISSING, NEGATIVE, SQUARE, TOTAL
from ihomer.persistence import ModelFileError
from ihomer.saved.ensemble import ensemble_state, fill_ensemble
from ihomer.saved.experts import Room
from ihomer.saved.fields import BEYOND, MOST, Fields

IN_USE, N_FEATURES = np.ones(10, np.bool_), 64


def new() -> Any:
    return IHOMERClassifier(experts=tuple(EXPERTS), most_labels=6)


@functools.cache
def learned() -> dict[str, Any]:
    """Return the state of an ensemble with 6 places for 10 labels, room for 64 features, 20 of them usual, and 120 events."""
    model = new()
    for x, y in fuzz_files.events(120, 2):
        model.learn_one(x, y)
    return ensemble_state(model._ensemble)


def filled(state: dict[str, Any]) -> Any:
    ensemble = new()._ensemble
    fill_ensemble(ensemble, Fields(state, "the ensemble"), IN_USE, N_FEATURES)
    return ensemble


def put(value: Any, *place: Any) -> Callable[[Any], Any]:
    """Return a change of some values of an array."""

    def change(array: Any) -> None:
        array[place] = value

    return change


def centred(feature: int) -> Callable[[Any], Any]:
    """Return a change of the sums that has a feature centred."""
    return put([100.0, 0.0, 100.0], feature, [COUNT, TOTAL, SQUARE])


def to(value: Any) -> Callable[[Any], Any]:
    return lambda before: value


def columns(n: int) -> Callable[[Any], Any]:
    """Return a change of the number of columns."""
    return lambda array: np.ascontiguousarray(np.pad(array, ((0, 0), (0, max(n - array.shape[1], 0))))[:, :n])


def told(path: str, change: Callable[[Any], Any], reason: str) -> None:
    """Change what stands at a path in the state; the reason must be told."""
    state = copy.deepcopy(learned())
    *parts, name = path.split(".")
    inner = functools.reduce(dict.__getitem__, parts, state)
    found = change(inner.get(name))
    if found is not None:
        inner[name] = found
    with pytest.raises(ModelFileError, match=reason):
        filled(state)


def test_what_is_filled_has_the_state_again() -> None:
    again = ensemble_state(filled(learned()))
    assert str(again) == str(learned())
    assert np.array_equal(again["experts"]["neighbours"]["_gram"], learned()["experts"]["neighbours"]["_gram"])


@pytest.mark.parametrize("events", [
    [({}, {"a"})], [({"f": 1.0}, {"a"})], [({i % 7: 1.0}, {"a", i % 3}) for i in range(2100)],
    [(dict.fromkeys(range(1200), 1.0), {"a"})],
])  # fmt: skip
def test_windows_and_places_that_have_just_begun_or_are_full_are_sound(events: list[Any]) -> None:
    models = [IHOMERClassifier(experts=("rehearsal", "neighbours", "ridge")) for _ in range(2)]
    models[0].learn_many(*zip(*events, strict=True))
    state = ensemble_state(models[0]._ensemble)
    n_labels, n_features = state["room"]
    fill_ensemble(models[1]._ensemble, Fields(copy.deepcopy(state), "the ensemble"), np.ones(n_labels, np.bool_), n_features)
    assert str(ensemble_state(models[1]._ensemble)) == str(state)
    columns = [e._columns for model in models for e in model._ensemble._experts if isinstance(e, Neighbours)]
    assert np.array_equal(*columns)


def test_a_stored_event_may_have_a_feature_that_is_forgotten_and_counters_may_be_beyond_their_end() -> None:
    state = copy.deepcopy(learned())
    neighbours, rehearsal = state["experts"]["neighbours"], state["experts"]["rehearsal"]
    neighbours["_present"][neighbours["_entry"][0, 0]] -= 1
    neighbours["_entry"][0, 0] = -1
    rehearsal["_number"] = BEYOND
    for name, array in rehearsal.items():
        if isinstance(array, np.ndarray) and len(array) == 128:
            rehearsal[name] = np.resize(array, (2048, *array.shape[1:]))
    assert filled(state)._experts[1]._number == MOST


@pytest.mark.parametrize(("labels", "features", "rows"), [
    (0, 0, 0), (6, 0, 0), (6, 64, 64), (0, 64, 64), (6, MOST_WEIGHTS, MOST_WEIGHTS // 8), (2 * MOST_WEIGHTS, 64, 1),
])  # fmt: skip
def test_there_is_a_row_of_weights_for_each_feature_as_far_as_there_is_room(labels: int, features: int, rows: int) -> None:
    assert Room(labels, features).rows == rows


def test_an_ensemble_that_has_learned_nothing_is_a_sound_one() -> None:
    state, ensemble = ensemble_state(new()._ensemble), new()._ensemble
    fill_ensemble(ensemble, Fields(copy.deepcopy(state), "the ensemble"), IN_USE[:0], 0)
    assert str(ensemble_state(ensemble)) == str(state)
    fill_ensemble(new()._ensemble, Fields(copy.deepcopy(state), "the ensemble"), IN_USE[:0], N_FEATURES)
    with pytest.raises(ModelFileError, match="no room for the labels"):
        fill_ensemble(new()._ensemble, Fields(state, "the ensemble"), IN_USE, N_FEATURES)


@pytest.mark.parametrize("part", ["", "experts.", "experts.ridge.", "mixture.", "decoder.", "scale.", "places."])
def test_what_stands_beside_the_state_is_refused(part: str) -> None:
    told(f"{part}more", to(1), "more is not known")


@pytest.mark.parametrize(("name", "change", "reason"), [
    ("_sums", put(-1.0, 0, SQUARE), "less than never"), ("_sums", put(-1.0, 0, MISSING), "less than never"),
    ("_sums", put(-1.0, 0, BLOCK_COUNT), "less than never"), ("_sums", put(-1.0, 0, BLOCK_SQUARE), "less than never"),
    ("_sums", put(-1.0, 0, BLOCK_FAR), "less than never"), ("_sums", put(-1.0, 0, NEGATIVE), "less than never"),
    ("_sums", put(28.0, 0, NEGATIVE), "more values below 0"), ("_sums", put(121.0, 0, COUNT), "more often than"),
    ("_sums", put(121.0, 0, MISSING), "more often than"), ("_sums", put(np.inf, 0, 1), "not finite"),
    ("_n_seen", put(-1.0, 0), "too small"), ("_ranks", put(np.inf, 0, 0), "too large"),
    ("_ranks", put(-np.inf, 0, 0), "too small"), ("_ranks", lambda ranks: ranks[:31], "impossible length"),
    ("_ranks", lambda ranks: np.tile(ranks, (4, 1)), "impossible length"), ("_sums", centred(32), "has no ranks"),
    ("_ranks", put(16.0, 0, -1), "number of waiting values"),
    ("_ranks", put(0.5, 0, -1), "number of waiting values"), ("_ranks", put(15.0, 0, -2), "impossible counts"),
    ("_ranks", put(2001.0, 0, -2), "impossible counts"), ("_ranks", put([9.0, 1.0, 16.0], 0, [0, 1, -2]), "not in order"),
])  # fmt: skip
def test_a_scale_that_is_none_is_refused(name: str, change: Callable[[Any], Any], reason: str) -> None:
    told(f"scale.{name}", change, reason)


def test_quantiles_are_in_order_where_they_are_equal_or_not_yet_known_and_counts_may_be_rounded() -> None:
    state = copy.deepcopy(learned())
    ranks = state["scale"]["_ranks"]
    ranks[0, [-2, -1]], ranks[1, [0, 1, -2]] = (16.0, 15.0), (9.0, 1.0, 0.0)
    ranks[2, -2] = 2000.0
    sums, a_little_more = state["scale"]["_sums"], 1.0 + 1e-7  # as counts that have been halved again and again may be
    centred(31)(sums)
    sums[5, NEGATIVE] = sums[5, COUNT] * a_little_more
    sums[6, [COUNT, NEGATIVE, MISSING]] = 0.0, 0.0, 120.0 * a_little_more
    filled(state)


@pytest.mark.parametrize(("path", "change", "reason"), [
    ("room", to((10, 63)), "room for other"), ("room", to([10, 64]), "room for other"),
    ("places.label", put(0, 1), "two places"), ("places.label", put(10, 1), "too large"),
    ("places.label", put(-2, 1), "too small"),
    ("places.times", put(-1.0, 1), "too small"), ("places.times", put(2.0**54, 1), "too large"),
    ("decoder._hashes", lambda hashes: np.resize(hashes, 96), "impossible number of labelsets"),
    ("decoder._hashes", lambda hashes: hashes[:0], "impossible number of labelsets"),
    ("decoder._table", put(64, 0), "too large"), ("decoder._table", put(-2, 0), "too small"),
    ("decoder._table", lambda table: np.resize(table, 512), "has the shape"), ("decoder._ends", put(-1, 0), "too small"),
    ("decoder._latest", put(-2, 0), "too small"), ("decoder._pool", lambda pool: pool[:3], "too many labelsets"),
])  # fmt: skip
def test_places_and_labelsets_that_are_none_are_refused(path: str, change: Callable[[Any], Any], reason: str) -> None:
    told(path, change, reason)


@pytest.mark.parametrize(("path", "change", "reason"), [
    ("frequency._marks", put(2, 0, 0), "too large"), ("frequency._n_labels", to(5), "no whole number"),
    ("bayes._n_labels", to(5), "no whole number"), ("linear._weights", lambda w: w[:1], "has the shape"),
    ("linear._raw_weights", lambda w: np.tile(w, (2, 1, 1)), "has the shape"),
    ("rehearsal._number", to(BEYOND + 1), "no whole number"), ("rehearsal._sizes", put(-1, 0, 0), "too small"),
    ("rehearsal._entry", columns(12), "impossible width"), ("rehearsal._entry", columns(1 << 13), "impossible width"),
    ("rehearsal._entry_position", put(5.5, 0, 0), "too large"), ("rehearsal._entry_position", put(-5.5, 0, 0), "too small"),
    ("rehearsal._length", put(0.0, 0), "too small"), ("rehearsal._labels", columns(3), "impossible width"),
    ("rehearsal._labels", columns(1 << 13), "impossible width"), ("rehearsal._labels", put(-1, 0, 0), "unknown label"),
    ("rehearsal._lower_square", put(-1.0, 0), "too small"), ("rehearsal._upper_square", put(0.0, 0), "too small"),
    ("rehearsal._strength", put(-1.0, 0), "too small"), ("rehearsal._n_curves", to(65), "no whole number"),
    ("rehearsal._n_curves", to(-1), "no whole number"), ("rehearsal._lower_curves_square", put(0.0, 0, 0), "too small"),
    ("neighbours._entry", columns(12), "impossible width"), ("neighbours._entry", columns(1 << 13), "impossible width"),
    ("neighbours._entry", put(64, 0, 0), "unknown feature"), ("neighbours._entry", put(-2, 0, 0), "unknown feature"),
    ("neighbours._labels", columns(3), "impossible width"),
    ("neighbours._labels", columns(1 << 13), "impossible width"), ("neighbours._column_of", put(-2, 40), "too small"),
    ("neighbours._holder", lambda holder: np.resize(holder, 12), "impossible length"),
    ("neighbours._holder", lambda holder: np.resize(holder, 128), "impossible length"),
    ("neighbours._holder", put(-1, 0), "unknown feature"),
    ("neighbours._head", put(-4096, 0), "leads nowhere"), ("neighbours._link", put(-4096, 0, 0), "leads nowhere"),
    ("neighbours._n_columns", to(17), "no whole number"), ("neighbours._n_columns", to(-1), "no whole number"),
    ("ridge._place_of", put(65, 40), "too large"), ("ridge._place_of", put(-2, 40), "too small"),
    ("ridge._holder", put(64, 40), "too large"), ("ridge._holder", put(-2, 40), "too small"),
    ("ridge._hand", put(-1, 1), "too small"),
    ("ridge._hand", lambda hand: put(hand[0], 1)(hand), "places in use"),
    ("ridge._hand", put(8, 3), "too many steps wait"), ("ridge._hand", put(4, 4), "too many steps wait"),
    ("ridge._place_of", put(-1, 0), "not its holder's"),
])  # fmt: skip
def test_an_expert_that_is_none_is_refused(path: str, change: Callable[[Any], Any], reason: str) -> None:
    told(f"experts.{path}", change, reason)
