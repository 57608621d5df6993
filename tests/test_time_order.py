"""Messages of several partitions in the order of their times."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.message import Message
from streams.time_order import TimeOrder

NOW = 1e9
A, B, C = ("a", 0), ("a", 1), ("b", 0)


def message(place, offset, timestamp, value=b"{}", key=None):
    return Message(*place, offset, value, timestamp, key)


def log(place, times, first=0):
    return [message(place, first + i, timestamp) for i, timestamp in enumerate(times)]


def order_of(*logs, tolerance=1.0, most_bytes=1 << 26, now=NOW):
    order = TimeOrder(tolerance, most_bytes, lambda: now)
    for messages in logs:
        order.put(messages)
    return order


def times(messages):
    return [message.timestamp for message in messages]


class SlowOrder:
    """What `take` gives: the partition whose first message is oldest, by number where they are equal, then its next messages of
    the next second; where that first one is younger than what a partition that is behind has reached, no more.
    """

    def __init__(self, logs, reached, most_bytes):
        self.logs = {place: list(messages) for place, messages in logs.items()}
        self.reached, self.most_bytes = reached, most_bytes

    def size(self):
        return sum(200 + len(one.value or b"") + len(one.key or b"") for messages in self.logs.values() for one in messages)

    def take(self, most, behind):
        taken = []
        while len(taken) < most and any(self.logs.values()):
            first, place = min((time_of(messages[0]), place) for place, messages in self.logs.items() if messages)
            older_may_come = any(not self.logs.get(one) and first > self.reached.get(one, -math.inf) for one in behind)
            if older_may_come and self.size() <= self.most_bytes:
                break
            while self.logs[place] and len(taken) < most and time_of(self.logs[place][0]) <= first + 1.0:
                taken.append(self.logs[place].pop(0))
        return taken


def time_of(one):
    return -math.inf if one.timestamp is None else min(one.timestamp, NOW)


stamps = st.one_of(st.none(), st.integers(0, 12).map(float), st.sampled_from([NOW - 0.5, NOW + 10.0, 0.0]))
texts = st.sampled_from([b"", b"{}", None, b"x" * 500])


@given(
    st.dictionaries(st.sampled_from([A, B, C]), st.lists(st.tuples(stamps, texts, texts), min_size=1, max_size=8)),
    st.lists(st.tuples(st.integers(1, 6), st.sets(st.sampled_from([A, B, C, ("d", 0)]))), max_size=12),
    st.sampled_from([0, 1000, 1 << 26]),
)
def test_the_order_is_that_of_its_twin(contents, calls, most_bytes):
    logs = {
        place: [message(place, 5 + 2 * i, *one) for i, one in enumerate(entries)] for place, entries in contents.items()
    }
    reached = {place: time_of(messages[-1]) for place, messages in logs.items()}
    order, slow = order_of(*logs.values(), most_bytes=most_bytes), SlowOrder(logs, reached, most_bytes)
    for most, behind in calls:
        assert order.take(most, behind) == slow.take(most, behind)
        assert set(order.partitions) == {place for place, messages in slow.logs.items() if messages}
        for place, messages in slow.logs.items():
            assert order.next_offset(place) == (messages[-1].offset + 1 if messages else None)
    rest = slow.take(1000, set())
    assert order.take(1000) == rest
    assert order.take(1) == []


def test_the_oldest_come_first_and_a_second_makes_no_difference():
    order = order_of(log(A, [10.0, 10.5, 11.0, 11.5, 30.0]), log(B, [10.2, 20.0]), log(C, [5.0, 40.0]))
    assert times(order.take(100)) == [5.0, 10.0, 10.5, 11.0, 10.2, 11.5, 20.0, 30.0, 40.0]


def test_one_that_is_behind_is_waited_for_beyond_what_it_has_reached():
    order = order_of(log(A, [10.0, 20.0, 30.0]), log(B, [15.0]))
    assert times(order.take(100, {C})) == []
    assert times(order.take(2, {A, B})) == [10.0, 15.0]
    assert times(order.take(100, {A, B})) == []
    assert times(order.take(100, {A})) == [20.0, 30.0]
    order.put(log(A, [40.0, 50.0], first=3))
    assert times(order.take(100, {B})) == []
    order.put(log(B, [45.0], first=1))
    assert times(order.take(2)) == [40.0, 45.0]
    assert times(order.take(100, {A, B})) == []
    order.put(log(B, [60.0], first=2))
    assert times(order.take(100, {C})) == []
    assert times(order.take(100)) == [50.0, 60.0]


def test_awaited_is_the_one_that_has_reached_least():
    order = order_of(log(A, [10.0]), log(B, [5.0]), log(C, [20.0]))
    assert order.awaited({A, B, C}) is None
    assert order.awaited({A, B, ("d", 0)}) == ("d", 0)
    order.take(2)
    assert order.awaited({A, B, C}) == B
    assert order.awaited({A, C}) == A
    assert order.awaited(()) is None


def test_out_of_order_within_a_partition_stays_in_its_order():
    order = order_of(log(A, [30.0, 10.0, 40.0]), log(B, [20.0, 35.0]))
    assert times(order.take(100)) == [20.0, 30.0, 10.0, 35.0, 40.0]


def test_what_has_no_time_waits_for_nothing_and_what_has_a_future_one_waits_until_now():
    order = order_of(log(A, [None, None, NOW + 1e6]), log(B, [NOW - 3.0, NOW - 0.5]))
    assert times(order.take(2, {C})) == [None, None]
    assert times(order.take(100)) == [NOW - 3.0, NOW - 0.5, NOW + 1e6]


def test_memory_ends_the_waiting():
    order = order_of(log(A, [10.0, 20.0, 30.0]), most_bytes=2 * 202)
    assert times(order.take(100, {B})) == [10.0]
    assert times(order.take(100, {B})) == []
    order.put([message(A, 3, 30.5, key=b"k"), message(A, 4, 31.0, value=None)])
    assert times(order.take(100, {B})) == [20.0, 30.0, 30.5, 31.0]


def test_what_is_dropped_is_forgotten():
    order = order_of(log(A, [10.0, 20.0]), log(B, [15.0]), most_bytes=202)
    order.drop(A)
    order.drop(C)
    assert set(order.partitions) == {B}
    assert order.next_offset(A) is None
    assert times(order.take(100, {A})) == []
    order.put(log(A, [12.0], first=7))
    order.drop(A)
    assert times(order.take(100, {A})) == []
    assert times(order.take(100)) == [15.0]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_more_are_given_than_asked_for(count):
    order = order_of(log(A, [10.0] * 3), log(B, [10.0] * 3))
    assert len(order.take(count)) == count
    assert len(order.take(100)) == 6 - count
