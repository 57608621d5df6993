"""A live run looks round often, whatever its model, disk and source do: it commits, tells its state, and can be ended."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest

from streams import service
from streams.checkpoint import _CHECKPOINT, Span
from streams.endpoints import parse_endpoint
from streams.live import Pace
from streams.message import Gone, Message, Unreachable
from streams.replay import Replay
from streams.service import Reporter
from tests.live_parts import CrashingFolder, Fate, Ledger, MemoryLive, MemorySink, MemoryTopic, message_values
from tests.test_live import Lines, assert_as_undisturbed, live_run, new_answering, run_through
from tests.test_live_failures import BrokenSink, clock  # noqa: F401

PACE = Pace(checkpoint_messages=None, commit_messages=5000, commit_seconds=0.5, checkpoint_seconds=None)


class BigPolls(MemoryLive):
    """Gives out all there is at once; waits as long as it may where there is nothing."""

    def __init__(self, topic, clock):  # noqa: F811
        super().__init__(topic, 1, Fate())
        self._clock = clock

    def poll(self, timeout):
        found = [m for where in self._positions for m in self._left(where)]
        self._clock[0] += 0.0 if found else timeout
        for message in found:
            self._positions[message.topic, message.partition] = message.offset + 1
        return found


class SlowFolder(CrashingFolder):
    """Its disk refuses the journal until a time."""

    def note(self, reading):
        if self.clock[0] < self.until:
            raise OSError(28, "No space left on device")
        super().note(reading)


def slow_run(path, topic, ledger, clock, seconds):  # noqa: F811
    """Return a run that learns a message in so many seconds."""
    run = live_run(path, topic, ledger, Fate(), 1, PACE)
    run._open_source = lambda: BigPolls(topic, clock)
    take = run.answering.take

    def slowly(messages, sink=None):
        clock[0] += seconds * len(messages)
        take(messages, sink)

    def new():
        nonlocal take
        answering = new_answering()
        take, answering.take = answering.take, slowly
        return answering

    run._new = new
    return run


@pytest.mark.parametrize("seconds", [0.04, 2.0])
def test_a_slow_model_keeps_nobody_waiting(tmp_path, clock, seconds):  # noqa: F811
    topic, ledger = MemoryTopic(message_values(400)), Ledger()
    run, turns, answers = slow_run(tmp_path, topic, ledger, clock, seconds), [], []
    run._on_turn = lambda run: (turns.append(clock[0]), answers.append(len(ledger.records)))
    run.run(lambda: False)
    gaps = [after - before for before, after in pairwise(turns)]
    assert max(gaps) <= 50 * seconds  # the first piece: how slow the model is was not known
    assert sorted(gaps)[-3] <= max(0.5, seconds)
    assert sum(after > before for before, after in pairwise(answers)) > 10
    assert_as_undisturbed(run, tmp_path, topic, ledger)


def test_a_slow_run_ends_soon_when_it_is_told_and_goes_on_from_there(tmp_path, clock):  # noqa: F811
    topic, ledger = MemoryTopic(message_values(400)), Ledger()
    slow_run(tmp_path, topic, ledger, clock, 0.04).run(lambda: clock[0] > 1003.0)
    assert 1003.0 < clock[0] < 1004.0
    assert 0 < len(ledger.records) < 100
    run = slow_run(tmp_path, topic, ledger, clock, 0.04)
    run.run(lambda: False)
    assert_as_undisturbed(run, tmp_path, topic, ledger)


def test_a_disk_may_fail_as_long_as_patience_says(tmp_path, clock):  # noqa: F811
    topic, ledger, states = MemoryTopic(message_values(60)), Ledger(), []
    run = live_run(tmp_path, topic, ledger, Fate(), 1, PACE)
    run._open_source = lambda: BigPolls(topic, clock)
    run.folder = SlowFolder(tmp_path, Fate())
    run.folder.clock, run.folder.until = clock, 1100.0
    run._on_turn = lambda run: states.append(run.is_healthy)
    run.run(lambda: False)
    assert states.count(False) >= 100
    assert run.is_healthy
    assert_as_undisturbed(run, tmp_path, topic, ledger)


def test_a_run_that_is_to_end_waits_for_no_disk(tmp_path, clock):  # noqa: F811
    topic, ledger = MemoryTopic(message_values(60)), Ledger()
    run = live_run(tmp_path, topic, ledger, Fate(), 1, PACE)
    run._open_source = lambda: BigPolls(topic, clock)
    run.folder = SlowFolder(tmp_path, Fate())
    run.folder.clock, run.folder.until = clock, 1e9
    with pytest.raises(OSError, match="No space left"):
        run.run(lambda: clock[0] > 1010.0)
    assert clock[0] < 1015.0
    run, _ = run_through(tmp_path, topic, ledger)
    assert_as_undisturbed(run, tmp_path, topic, ledger)


def test_what_was_read_and_not_taken_when_a_sink_failed_is_not_taken_twice(tmp_path, clock):  # noqa: F811
    topic, ledger = MemoryTopic(message_values(400)), Ledger()
    run = slow_run(tmp_path, topic, ledger, clock, 0.04)
    run._open_sink = lambda name: BrokenSink(ledger, Fate(), Unreachable("lost"), n_failures=2)
    run.run(lambda: False)
    assert run.n_reconnects == 2
    assert_as_undisturbed(run, tmp_path, topic, ledger)


def test_a_checkpoint_is_made_after_so_long_if_there_was_any_message(tmp_path, clock):  # noqa: F811
    class Waits(BigPolls):
        at_end = False

    topic, ledger, made = MemoryTopic(message_values(60)), Ledger(), {}
    pace = replace(PACE, checkpoint_seconds=20.0)
    for end in (1100.0, 1200.0):  # the second run finds nothing new
        run = live_run(tmp_path, topic, ledger, Fate(), 1, pace)
        run._open_source = lambda: Waits(topic, clock)
        run._on_turn = lambda run: made.setdefault(round(clock[0], 1), run.n_checkpoints)
        run.run(lambda end=end: clock[0] > end)
    first, second = ({n for time, n in made.items() if a < time < b} for a, b in ((1019.0, 1099.0), (1101.0, 1199.0)))
    assert {n for time, n in made.items() if 1001.0 < time < 1019.0} == {1}  # of what is there before anything is learned
    assert (first - {1}, second) == ({2}, {0})
    assert_as_undisturbed(run, tmp_path, topic, ledger)


def test_a_run_without_messages_ends_when_its_source_has_said_since_that_there_are_none(tmp_path, clock):  # noqa: F811
    class Silent(BigPolls):
        at_end = False

        def is_read_up(self, since):
            heard = 1003.0 if clock[0] < 1050.0 else clock[0]
            return heard >= since

    topic = MemoryTopic(message_values(10))
    run = live_run(tmp_path, topic, Ledger(), Fate(), 1, replace(PACE, idle_exit=5.0))
    run._open_source = lambda: Silent(topic, clock)
    run.run(lambda: clock[0] > 1200.0)
    assert 1050.0 <= clock[0] < 1051.0
    assert run.answering.n_read == len(topic)


def test_a_commit_tells_the_positions_of_the_partitions_that_it_read_from(tmp_path):
    told = []

    class Telling(MemorySink):
        def start_commit(self, number, positions):
            places = [record["source"] for record, _ in self._open[0]] + [record["source"] for record in self._open[1]]
            told.append((positions, places))
            super().start_commit(number, positions)

    events = [b'{"x": {"f": %d}, "y": ["p"]}' % number for number in range(60)]
    topic, ledger = MemoryTopic(events), Ledger()
    run = live_run(tmp_path, topic, ledger, Fate(), 1, replace(PACE, commit_seconds=0.0))
    run._open_sink = lambda name: Telling(ledger, Fate())
    run.run(lambda: False)
    for positions, places in told:
        behind = {}
        for place in places:
            behind[place["topic"], place["partition"]] = place["offset"] + 1
        assert positions == behind
    assert {len(positions) for positions, _ in told} >= {1, 2}


def test_a_run_that_is_to_end_waits_for_no_source(tmp_path, clock):  # noqa: F811
    def out_of_reach():
        raise Unreachable("no broker")

    run = live_run(tmp_path, MemoryTopic(message_values(60)), Ledger(), Fate(), 1, PACE)
    run._open_source = out_of_reach
    with pytest.raises(Unreachable, match="no broker"):
        run.run(lambda: clock[0] > 1010.0)
    assert 1010.0 < clock[0] < 1015.0


def test_a_run_is_not_healthy_from_a_failed_checkpoint_until_the_next(tmp_path, clock):  # noqa: F811
    class FullFolder(CrashingFolder):
        def save(self, number, content):
            if number and clock[0] < 1050.0:
                raise OSError(28, "No space left on device")
            super().save(number, content)

    topic, ledger, states = MemoryTopic(message_values(400)), Ledger(), []
    run = slow_run(tmp_path, topic, ledger, clock, 0.2)
    run.folder, run.pace = FullFolder(tmp_path, Fate()), replace(PACE, checkpoint_messages=10)
    run._on_turn = lambda run: states.append((run.n_failed_checkpoints, run.n_checkpoints, run.n_transactions, run.is_healthy))
    run.run(lambda: False)
    failing = [state for state in states if state[0] and state[1] == 1]
    assert len({n_transactions for _, _, n_transactions, _ in failing}) > 5
    assert not any(healthy for *_, healthy in failing)
    assert all(healthy for _, n_checkpoints, _, healthy in states if n_checkpoints > 1)
    assert_as_undisturbed(run, tmp_path, topic, ledger)


def test_a_transaction_is_committed_after_so_many_messages_however_little_time_has_passed(tmp_path):
    topic, ledger = MemoryTopic(message_values(150)), Ledger()
    pace = replace(PACE, commit_messages=12, commit_seconds=1e9, max_messages=len(topic))
    run = live_run(tmp_path, topic, ledger, Fate(), 1, pace)
    run.run(lambda: False)
    numbers = [0, *(reading.number for reading in run.folder.readings(0, len(topic)))]
    sizes = [after - before for before, after in pairwise(numbers)]
    assert len(sizes) > 5
    assert set(sizes[:-1]) == {12}
    assert 0 < sizes[-1] <= 12
    assert_as_undisturbed(run, tmp_path, topic, ledger)


def test_a_run_whose_source_is_back_is_healthy_though_nothing_comes(tmp_path, clock):  # noqa: F811
    class Waits(MemoryLive):
        at_end = False

        def poll(self, timeout):
            clock[0] += timeout
            if 1020.0 < clock[0] < 1025.0:
                raise Unreachable("no answer")
            return super().poll(timeout)

    topic, states = MemoryTopic(message_values(10)), {}
    run = live_run(tmp_path, topic, Ledger(), Fate(), 1, PACE)
    run._open_source = lambda: Waits(topic, 1, Fate())
    run._on_turn = lambda run: states.setdefault(clock[0], run.is_healthy)
    run.run(lambda: clock[0] > 1060.0)
    assert run.n_reconnects >= 1
    assert not all(state for time, state in states.items() if time < 1026.0)
    assert all(state for time, state in states.items() if time > 1027.0)


def test_a_change_of_health_is_told_at_once(clock):  # noqa: F811
    model = SimpleNamespace(summary={}, labels=[])
    answering = new_answering()
    answering.model = model
    run = SimpleNamespace(
        answering=answering, source=SimpleNamespace(lag=dict, silence=0.0), n_transactions=0, saved=None, is_healthy=True,
        last_failure="the disk", seconds_committing=0.0,
    )  # fmt: skip
    told = []
    reporter = Reporter([lambda status: told.append((status.healthy, status.reason))])
    for healthy in (True, True, False, False, True):
        run.is_healthy = healthy
        reporter(run)
    assert told == [(True, ""), (False, "the disk"), (True, "")]
    run.source.silence = 61.0
    clock[0] += 1.0
    reporter(run)
    assert told[-1] == (False, "nothing heard from the source for 61 s")


@pytest.mark.parametrize("seconds", [0.0, 10.0])
def test_a_run_that_learns_again_ends_when_it_is_told_and_keeps_what_is_whole(tmp_path, clock, seconds):  # noqa: F811
    topic, ledger = MemoryTopic(message_values(150)), Ledger()
    dead = Fate(crash_at=(120,))
    pace = replace(PACE, commit_messages=12, commit_seconds=0.0)
    crashed = live_run(tmp_path, topic, ledger, dead, 1, pace)
    with pytest.raises(BaseException, match="120"):
        crashed.run(lambda: False)
    before, kept = len(ledger.records), set()
    for most in (2, 2, 5):
        turns = []
        run = live_run(tmp_path, topic, ledger, Fate(), 2, pace)
        run._on_turn = lambda run, turns=turns: (turns.append(run), clock.__setitem__(0, clock[0] + seconds))
        run._open_source = lambda: BigPolls(topic, clock)
        run.run(lambda most=most, turns=turns: len(turns) > most)
        assert most < len(turns) <= most + 20
        assert len(ledger.records) == before
        kept.add(run.folder._numbers(_CHECKPOINT)[-1])
    assert (len(kept), len(kept & {0})) == ((3, 0) if seconds == 0.0 else (1, 1))
    run, _ = run_through(tmp_path, topic, ledger, pace=pace)
    assert_as_undisturbed(run, tmp_path, topic, ledger)


# Reading again --------------------------------------------------------------------------------------------------------


class Blocks:
    """Gives out messages of one partition in blocks of ten; says what it was asked for and how much of it was taken."""

    def __init__(self, size):
        self.size, self.asked, self.taken = size, [], 0

    def span(self, partition, first, stop):
        self.asked.append((first, stop))
        for start in range(first, stop, 10):
            block = [Message(*partition, offset, bytes(self.size)) for offset in range(start, min(start + 10, stop))]
            self.taken += len(block)
            yield block


@pytest.mark.parametrize(("size", "n_ahead", "n_asked"), [(10, 5000, 2), (10_000, 1700, 8), (1_000_000, 30, 100)])
def test_what_is_read_ahead_is_bounded_in_number_and_in_bytes(size, n_ahead, n_asked):
    source, read = Blocks(size), 0
    replay = Replay(source, {("t", 0): 6000})
    for start in range(0, 6000, 6):
        for messages in replay.parts(Span("t", 0, start, start + 6, 6)):
            assert [m.offset for m in messages] == list(range(read, read + len(messages)))
            read += len(messages)
        assert source.taken - read <= n_ahead
        if read >= 600 and size > 100_000:
            break
    assert len(source.asked) <= n_asked
    assert max(stop for _, stop in source.asked) <= 6000


def test_nothing_is_read_that_lies_between_spans():
    source = Blocks(10)
    replay = Replay(source, {("t", 0): 6000})
    for start in (0, 5500):
        assert sum(map(len, replay.parts(Span("t", 0, start, start + 6, 6)))) == 6
    assert source.asked == [(0, 5000), (5500, 6000)]


class Gaps:
    """Gives out the messages of partition p at the offsets p, 3, 4, 9, 12 + p one by one, some without a value."""

    def span(self, partition, first, stop):
        p = partition[1]
        for offset in (p, 3, 4, 9, 12 + p):
            if first <= offset < stop:
                yield [Message(*partition, offset, None if offset == 4 else b"1")]


@pytest.mark.parametrize("at_once", [1, 2, 5000])
def test_offsets_without_a_message_and_other_partitions_are_passed_over(at_once, monkeypatch):
    monkeypatch.setattr("streams.replay._AT_ONCE", at_once)
    replay = Replay(Gaps(), {("t", 0): 13, ("t", 1): 14})
    spans = [(0, 0, 4, 2), (1, 2, 4, 1), (0, 4, 9, 1), (0, 9, 10, 1), (1, 4, 12, 2), (0, 10, 12, 0), (1, 12, 14, 1)]
    spans.append((0, 12, 13, 1))
    found = [[m.offset for part in replay.parts(Span("t", *span)) for m in part] for span in spans]
    assert found == [[0, 3], [3], [4], [9], [4, 9], [], [13], [12]]
    assert replay._n_bytes == 0
    with pytest.raises(Gone, match="t/0: 3 of 2 messages from offset 0 are left"):
        list(Replay(Gaps(), {("t", 0): 13}).parts(Span("t", 0, 0, 5, 2)))


def test_a_span_that_is_large_itself_comes_in_parts():
    source = Blocks(1000)
    parts = list(Replay(source, {("t", 0): 100}).parts(Span("t", 0, 0, 95, 95)))
    assert max(map(len, parts)) == 10
    with pytest.raises(Gone, match="95 of 96 messages from offset 0"):
        list(Replay(source, {("t", 0): 100}).parts(Span("t", 0, 0, 95, 96)))


def test_source_and_sink_in_kafka_are_told_when_the_run_is_to_stop(tmp_path, monkeypatch):
    class Source:
        def __init__(self, *ends, **options):
            read.update(options)

    opened, read = {}, {}
    monkeypatch.setattr("streams.kafka.KafkaSource", Source)
    monkeypatch.setattr("streams.kafka.KafkaSink", lambda *ends, **options: opened.update(options))
    ends = {name: parse_endpoint(f"kafka://127.0.0.1:1/{name}") for name in ("source", "sink")}
    run = service.live_run(service.ServiceSettings(**ends, folder=tmp_path), Lines([]), lambda run: None)
    for one, open_end in ((opened, lambda: run._open_sink("name")), (read, run._open_source)):
        open_end()
        run._stop = lambda: False
        assert not one["is_stopping"]()
        run._stop = lambda: True
        assert one["is_stopping"]()


@pytest.mark.parametrize(("servers", "mark"), [("one:1,two:1", "source"), ("two:1", "source"), ("three:1", "sink")])
def test_offsets_are_committed_where_the_servers_are_those_of_the_source(tmp_path, monkeypatch, servers, mark):
    opened = {}
    monkeypatch.setattr("streams.kafka.KafkaSink", lambda *ends, **options: opened.update(options))
    source, sink = parse_endpoint("kafka://two:1,one:1/events"), parse_endpoint(f"kafka://{servers}/answers")
    settings = service.ServiceSettings(source, sink, folder=tmp_path, group="umbrellas", from_group=True)
    service.live_run(settings, Lines([]), lambda run: None)._open_sink("name")
    assert (opened["mark"], opened["group"]) == (mark, "umbrellas")


def test_a_commit_that_never_ends_is_told_though_nothing_comes(tmp_path, clock):  # noqa: F811
    class Waits(MemoryLive):
        at_end = False

        def poll(self, timeout):
            clock[0] += timeout
            return super().poll(timeout)

    class NeverThrough(MemorySink):
        is_settled = False

        def settle(self):
            if self._under_way is not None:
                raise Unreachable("not committed")

    topic, told = MemoryTopic(message_values(10)), {}
    reporter = Reporter([lambda status: told.setdefault(clock[0], status.reason)])
    run = live_run(tmp_path, topic, Ledger(), Fate(), 1, replace(PACE, patience=100.0))
    run._open_source = lambda: Waits(topic, 1, Fate())
    run._open_sink = lambda name: NeverThrough(Ledger(), Fate())
    run._on_turn = reporter
    with pytest.raises(Unreachable, match="not committed"):
        run.run(lambda: clock[0] > 2000.0)
    assert run.n_reconnects == 1
    assert clock[0] < 1110.0
    assert not any(reason for time, reason in told.items() if time < 1060.0)
    assert all("waited for the sink" in reason for time, reason in told.items() if 1063.0 < time < 1098.0)


def test_a_run_tells_how_it_is_while_a_commit_is_waited_for_and_messages_come(tmp_path, clock):  # noqa: F811
    class Slow(MemorySink):
        def start_commit(self, number, positions):
            super().start_commit(number, positions)
            self._through_at = clock[0] + 70.0

        @property
        def is_settled(self):
            return self._under_way is None or clock[0] >= self._through_at

        def settle(self):
            if self._under_way is not None:
                clock[0] = max(clock[0], self._through_at)
            super().settle()

    topic, ledger, told = MemoryTopic(message_values(60)), Ledger(), {}
    run = live_run(tmp_path, topic, ledger, Fate(), 1, replace(PACE, commit_messages=12, commit_seconds=0.0))
    run._open_sink = lambda name: Slow(ledger, Fate())
    run._on_turn = Reporter([lambda status: told.setdefault(clock[0], status.reason)])
    run.run(lambda: False)
    times = sorted(told)
    assert times[-1] - times[0] > 300.0
    assert max(later - earlier for earlier, later in pairwise(times)) < 1.1
    assert any("waited for the sink" in reason for reason in told.values())
