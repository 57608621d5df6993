"""Labels that come late: joined, bounded, kept in checkpoints."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.event import Event
from streams.late import LateStore


def waiting_store(most=3, longest=10.0, n=0):
    store = LateStore(most, longest)
    for number in range(n):
        store.advance(float(number))
        store.wait(f"e{number}", Event({"f": number}), {"a"}, set())
    return store


def test_an_event_finds_its_labels_once():
    store = waiting_store(n=1)
    found = store.event_of("e0")
    assert (found.x, found.w, found.predicted, found.by_baseline) == ({"f": 0}, 1.0, ["a"], [])
    assert store.event_of("e0") is None


def test_an_event_keeps_its_weight_and_what_was_predicted_in_order():
    store = LateStore()
    store.wait("e0", Event({}, w=2.0), ["b", "a"], ["d", "c"])
    found = store.event_of("e0")
    assert (found.w, found.predicted, found.by_baseline) == (2.0, ["a", "b"], ["c", "d"])


@pytest.mark.parametrize("y", [frozenset({"a", "b"}), frozenset(), {"a": True, "b": None, "c": False}])
def test_labels_that_are_early_are_kept_for_their_event(y):
    store = LateStore()
    store.keep_labels("e1", y)
    assert store.n_early == 1
    assert store.labels_of("e1") == y
    assert store.labels_of("e1") is None


def test_the_oldest_go_when_there_are_too_many():
    store = waiting_store(most=3, longest=100.0, n=5)
    assert store.n_waiting == 3
    assert store.n_expired == 2
    assert store.event_of("e1") is None
    assert store.event_of("e2") is not None


def test_bounds_go_with_what_waits():
    """Messages that are read again meet the bounds that they met before."""
    store, again = waiting_store(most=3, longest=2.5, n=3), LateStore(1, 1.0, 1)
    again.restore(store.state())
    assert (again.most, again.longest, again.most_bytes) == (store.most, store.longest, store.most_bytes)
    for each in (store, again):
        each.advance(3.0)
        each.wait("e3", Event({"f": 3}), {"a"}, set())
        assert (each.n_waiting, each.n_expired) == (3, 1)
    for bounds in ([-1, 1.0, 1], [1, float("nan"), 1], [1, 1.0, -1]):
        with pytest.raises(ValueError, match="negative"):
            again.restore({**store.state(), "bounds": bounds})


def test_the_oldest_go_when_they_are_too_long_together():
    store = LateStore(most=100, longest=100.0, most_bytes=3000)
    for number in range(5):
        store.wait(f"e{number}", Event({"f": "x" * 900}), set(), set())
        store.keep_labels(f"l{number}", {"y" * 900})
    assert (store.n_waiting, store.n_early, store.n_expired, store.n_orphans) == (3, 3, 2, 2)
    assert store.event_of("e1") is None
    assert store.event_of("e2") is not None
    store.wait("e3", Event({"f": "x" * 900}), set(), set())  # in place of itself
    again = LateStore(most=100, longest=100.0, most_bytes=3000)
    again.restore(store.state())
    for each in (store, again):
        each.wait("e5", Event({"f": "x" * 900}), set(), set())
        assert (each.n_waiting, each.n_expired) == (3, 2)
        each.wait("e6", Event({"f": "x" * 3000}), set(), set())
        assert (each.n_waiting, each.n_early) == (0, 3)


def test_what_is_just_as_long_as_is_allowed_stays():
    store = LateStore()
    store.wait("e0", Event({"f": "x" * 900}), set(), set())
    n_bytes = len(store.state()["events"]["text"])
    for most_bytes, n_waiting in ((n_bytes, 1), (n_bytes - 1, 0)):
        store = LateStore(most_bytes=most_bytes)
        store.wait("e0", Event({"f": "x" * 900}), set(), set())
        assert store.n_waiting == n_waiting


def test_names_count_among_the_bytes_that_wait():
    store = LateStore(most_bytes=1100)
    for name, n_waiting in (("a" * 1000, 1), ("b" * 1000, 1), ("c" * 1101, 0), ("d" * 1000, 1)):
        store.wait(name, Event({}), set(), set())
        store.keep_labels(name, set())
        assert (store.n_waiting, store.n_early) == (n_waiting, n_waiting)
    for _ in range(3):  # what is taken out gives its room back
        assert store.event_of("d" * 1000) is not None
        store.wait("d" * 1000, Event({}), set(), set())
    assert (store.n_waiting, store.n_expired) == (1, 3)


def seconds_of_advances(store):
    best = np.inf
    for round_ in range(5):
        begun = time.perf_counter()
        for number in range(500):
            store.advance(1e6 + 500 * round_ + number)
        best = min(best, time.perf_counter() - begun)
    return best


def test_events_that_went_before_are_no_burden():
    n_events = 50_000
    store, fresh = (waiting_store(most=n_events, longest=1e9, n=n) for n in (n_events, 1))
    for number in range(n_events - 1):
        assert store.event_of(f"e{number}") is not None
    assert seconds_of_advances(store) < 5 * seconds_of_advances(fresh)


def test_what_is_too_old_goes_by_the_time_of_the_messages():
    store = waiting_store(most=100, longest=2.0, n=3)
    store.keep_labels("early", {"a"})
    store.advance(4.0)
    assert (store.n_waiting, store.n_expired, store.n_early) == (1, 2, 1)
    store.advance(3.0)  # time does not go back
    assert store.n_waiting == 1
    store.advance(4.25)
    assert (store.n_waiting, store.n_early, store.n_orphans) == (0, 0, 1)
    store.advance(3.0)
    store.wait("late", Event({}), set(), set())  # at 4.25, not at 3
    store.advance(6.0)
    assert store.n_waiting == 1


def test_a_name_that_comes_again_replaces_the_one_that_waits():
    store = waiting_store(n=1)
    store.wait("e0", Event({"f": 7}), set(), set())
    assert store.n_repeated == 1
    assert store.event_of("e0").x == {"f": 7}


def test_a_store_without_room_keeps_nothing():
    store = waiting_store(most=0, n=2)
    assert (store.n_waiting, store.n_expired) == (0, 2)


def test_bounds_are_checked():
    for bounds in ((-1, 1.0), (1, -1.0), (1, float("nan")), (1, 1.0, -1)):
        with pytest.raises(ValueError, match="bounds"):
            LateStore(*bounds)


names = st.text(min_size=0, max_size=5).filter(lambda text: text.isprintable())


@given(st.lists(st.tuples(st.booleans(), names, st.floats(0, 50)), max_size=20))
def test_what_is_restored_goes_on_as_the_original(steps):
    store = LateStore(5, 20.0)
    for is_event, name, when in steps:
        store.advance(when)
        if is_event:
            store.wait(name, Event({"f": when, "g": None, "h": "x"}, w=2.0), {name}, {"b"})
        else:
            store.keep_labels(name, {"a": None, name: True})
    again = LateStore(5, 20.0)
    again.restore(store.state())
    assert repr(again.state()) == repr(store.state())
    for _, name, _ in steps:
        assert again.event_of(name) == store.event_of(name)
        assert again.labels_of(name) == store.labels_of(name)


@pytest.mark.parametrize("harm", ["ends", "times", "nan", "text", "more", "dtype", "json", "json of labels"])
def test_arrays_that_do_not_fit_are_refused(harm):
    store = waiting_store(n=2)
    store.keep_labels("early", {"a"})
    state = store.state()
    arrays = state["labels" if harm == "json of labels" else "events"]
    if harm == "ends":
        arrays["ends"][0] = 10_000
    elif harm == "times":
        arrays["times"] = arrays["times"][:1]
    elif harm == "nan":
        arrays["times"][0] = np.nan
    elif harm == "text":
        arrays["text"] = arrays["text"][:-1]
    elif harm == "more":
        arrays["text"] = np.append(arrays["text"], arrays["text"][-1])
    elif harm == "dtype":
        arrays["text"] = arrays["text"].astype(np.int64)
    else:
        arrays["text"][:] = ord("[")
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        LateStore(3, 10.0).restore(state)
