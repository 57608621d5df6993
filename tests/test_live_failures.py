"""What ends a live run and what does not: weights, sinks that fail or remember, options that come too late."""

import errno
import json
import os
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import structlog

from ihomer import IHOMERClassifier
from streams import inspection
from streams.answering import Answering
from streams.checkpoint import CheckpointFolder, Reading, Span
from streams.errors import SinkError
from streams.live import LiveRun, Pace, Saved
from streams.live_files import FileLiveSource
from streams.live_sinks import FileLiveSink, StandardOutputSink
from streams.message import Fenced, Message, Unreachable
from streams.service import Reporter
from streams.state import pack_state, unpack_state
from tests.live_parts import Fate, Ledger, MemoryLive, MemorySink, MemoryTopic, message_values
from tests.test_live import Lines, assert_as_undisturbed, live_run, new_answering, run_through

PACE = Pace(checkpoint_messages=25, commit_messages=12, commit_seconds=0.0, checkpoint_seconds=None)
VALUES = message_values(60)


@pytest.fixture
def clock(monkeypatch):
    """The loop's clock, which goes on only where somebody sleeps."""
    now = [1000.0]
    monkeypatch.setattr("streams.live.time.monotonic", lambda: now[0])
    monkeypatch.setattr("streams.live.time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


@pytest.mark.parametrize("weight", [1e-150, 1e300])
def test_a_weight_that_no_score_can_count_is_a_dead_letter(weight):
    answering = Answering(IHOMERClassifier())
    values = [{"x": {"a": 1}, "y": ["p"], "w": weight}, {"id": "late", "x": {"a": 1}, "w": weight}]
    good = [{"x": {"a": 1}, "y": ["p"]}] * 300
    messages = [Message("t", 0, n, json.dumps(value).encode()) for n, value in enumerate(values + good)]
    answering.take(messages)
    assert dict(answering.n_dead) == {"weight": 2}
    assert answering.n_learned == 300
    answering.scoring.scores("model")


def named(n, **more):
    return Message("t", 0, n, json.dumps({"x": {"a": 1}, "y": [f"l{i}" for i in range(n)], **more}).encode())


def test_an_event_with_too_many_labels_is_a_dead_letter_and_leaves_none_of_them():
    answering = Answering(IHOMERClassifier(), labels_per_event=3)
    late = Message("t", 0, 5, b'{"id": "e", "y": {"m0": true, "m1": false, "m2": null, "m3": true}}')
    answering.take([named(3), named(4), named(200), late, named(2)])
    assert dict(answering.n_dead) == {"label": 3}
    assert answering.n_learned == 2
    assert answering.model.labels == ["l0", "l1", "l2"]


def test_a_continued_run_takes_as_many_labels_as_before():
    kept = pack_state(Answering(IHOMERClassifier(), labels_per_event=3), {})
    answering = Answering(IHOMERClassifier(), labels_per_event=300)
    unpack_state(kept, answering)
    answering.take([named(4)])
    assert dict(answering.n_dead) == {"label": 1}


class BrokenSink(MemorySink):
    """Its commits fail, the first `n_failures` of all sinks of a ledger."""

    def __init__(self, ledger, fate, error, n_failures):
        super().__init__(ledger, fate)
        self._error, self._n_failures = error, n_failures

    def start_commit(self, number, positions):
        self._ledger.n_failed = getattr(self._ledger, "n_failed", 0) + 1
        if self._ledger.n_failed <= self._n_failures:
            raise self._error
        super().start_commit(number, positions)


def broken_run(path, topic, ledger, error, n_failures=10**9, pace=PACE):
    run = live_run(path, topic, ledger, Fate(), 1, pace)
    run._open_sink = lambda name: BrokenSink(ledger, Fate(), error, n_failures)
    return run


@pytest.mark.parametrize("error", [Unreachable("broken pipe"), OSError(28, "No space left on device")])
def test_a_sink_that_never_takes_anything_ends_the_run_when_patience_is_over(tmp_path, clock, error):
    topic, ledger = MemoryTopic(VALUES), Ledger()
    run = broken_run(tmp_path, topic, ledger, error, pace=replace(PACE, patience=20.0))
    with pytest.raises(Unreachable, match=r"broken pipe|No space left"):
        run.run(lambda: clock[0] > 1100.0)
    assert 1020.0 <= clock[0] <= 1030.0
    assert ledger.records == []


@pytest.mark.parametrize("error", [Unreachable("lost"), OSError(28, "No space left on device")])
def test_a_sink_that_fails_for_a_while_loses_nothing(tmp_path, clock, error):
    topic, ledger = MemoryTopic(VALUES), Ledger()
    run = broken_run(tmp_path, topic, ledger, error, n_failures=5)
    run.run(lambda: False)
    assert run.n_reconnects == 5
    assert_as_undisturbed(run, tmp_path, topic, ledger)


def test_a_full_disk_at_a_file_of_answers_loses_nothing(tmp_path, monkeypatch):
    source, answers = tmp_path / "events.jsonl", tmp_path / "answers.jsonl"
    source.write_bytes(b"".join(value + b"\n" for value in VALUES if value))
    real, failures = os.pwrite, []

    def full(*arguments):
        if answers.stat().st_size > 500 and len(failures) < 3:
            failures.append(OSError(28, "No space left on device"))
            raise failures[-1]
        return real(*arguments)

    monkeypatch.setattr("streams.live_sinks.os.pwrite", full)
    monkeypatch.setattr("streams.live.time.sleep", lambda seconds: None)
    log = structlog.wrap_logger(Lines([]))
    ends = (lambda: SmallPolls(source), lambda name: FileLiveSink(answers))
    run = LiveRun(CheckpointFolder(tmp_path / "run"), *ends, new_answering, PACE, log)
    run.run(lambda: False)
    assert (len(failures), run.n_reconnects, run.is_healthy) == (3, 3, True)
    offsets = [json.loads(line)["source"]["offset"] for line in answers.read_bytes().splitlines()]
    assert offsets == sorted(set(offsets))
    assert len(offsets) == run.answering.n_predicted > 40


def test_a_full_disk_at_the_journal_is_told_ever_more_rarely_until_it_has_room(tmp_path, clock, monkeypatch):
    topic, ledger, lines = MemoryTopic(VALUES), Ledger(), []
    full_until, real = clock[0] + 400.0, CheckpointFolder.note

    def note(folder, reading):
        if clock[0] < full_until:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "journal")
        real(folder, reading)

    monkeypatch.setattr(CheckpointFolder, "note", note)
    run = live_run(tmp_path, topic, ledger, Fate(), 1, PACE, lines)
    run.run(lambda: False)
    told = [line for line in lines if " journal_" in line]
    assert [int(re.search(r"times=(\d+)", line)[1]) for line in told] == [1, 2, 4, 8, 16, 32, 64, 124, 184, 244, 304, 364, 400]
    assert "journal_works_again" in told[-1]
    assert all("No space left" in line for line in told[:-1])
    assert run.is_healthy
    assert_as_undisturbed(run, tmp_path, topic, ledger)


class SmallPolls(FileLiveSource):
    """Gives a few messages at a time."""

    def poll(self, timeout):
        messages = super().poll(timeout)
        self._queue.extendleft(reversed(messages[7:]))
        if messages[7:]:
            self._next = messages[7].offset
        return messages[:7]


def test_a_folder_on_a_full_disk_is_told_by_name(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = CheckpointFolder(tmp_path)
    folder.take_over()
    folder.begin(0)
    monkeypatch.setattr(os, "fsync", full)
    note = Reading(1, [Span("t", 0, 0, 1, 1)])
    for write, name in ((folder.take_over, "owner"), (lambda: folder.note(note), "journal-000000000000000")):
        with pytest.raises(OSError, match=re.escape(os.strerror(errno.ENOSPC))) as told:
            write()
        assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(tmp_path / name))
    folder.close()


def test_a_sink_that_is_not_allowed_ends_the_run_at_once(tmp_path, clock):
    run = broken_run(tmp_path, MemoryTopic(VALUES), Ledger(), PermissionError("Kafka does not allow it"))
    with pytest.raises(PermissionError):
        run.run(lambda: False)
    assert clock[0] == 1000.0


def test_a_reader_of_standard_output_that_ends_is_not_waited_for(tmp_path, clock):
    read, write = os.pipe()
    os.close(read)
    run = live_run(tmp_path, MemoryTopic(VALUES), Ledger(), Fate(), 1)
    run._open_sink = lambda name: StandardOutputSink(write)
    with pytest.raises(SinkError, match="has ended"):
        run.run(lambda: False)
    os.close(write)
    assert clock[0] == 1000.0


def test_failures_far_apart_do_not_add_up(tmp_path, clock, monkeypatch):
    topic, ledger = MemoryTopic([]), Ledger()
    real, turns = MemoryLive.poll, []

    def poll(self, timeout):
        turns.append(clock[0])
        clock[0] += 30.0
        if len(turns) % 10 == 0:
            raise Unreachable("the broker was restarted")
        return real(self, timeout)

    monkeypatch.setattr(MemoryLive, "poll", poll)
    monkeypatch.setattr(MemoryLive, "at_end", False)
    run = live_run(tmp_path, topic, ledger, Fate(), 1, replace(PACE, patience=100.0))
    run.run(lambda: len(turns) > 55)
    assert run.n_reconnects == 5


def waits_in_vain(run, clock, patience):
    """Open nothing, as a client does that is told how long it may wait for an answer, and again for the next one."""
    for longest in (patience, patience, 10.0):
        end = clock[0] + longest
        while clock[0] < end:
            clock[0] += 1.0
            end = min(end, clock[0] + 10.0) if run.is_stopping else end
        if longest == 10.0 or run.is_stopping:
            raise Unreachable("no answer")


def test_a_run_that_nobody_answers_at_its_start_ends_when_patience_is_over(tmp_path, clock):
    run = live_run(tmp_path, MemoryTopic(VALUES), Ledger(), Fate(), 1, replace(PACE, patience=100.0))
    run._open_source = lambda: waits_in_vain(run, clock, 100.0)
    with pytest.raises(Unreachable, match=r"no answer; nothing has gone through for 1[01]\d s"):
        run.run(lambda: False)
    assert 1100.0 <= clock[0] <= 1120.0


def test_a_source_that_falls_silent_is_tried_once_more_though_patience_is_over(tmp_path, clock, monkeypatch):
    def poll(self, timeout):
        clock[0] += self.silence
        raise Unreachable("silent")

    run, opened = live_run(tmp_path, MemoryTopic(VALUES), Ledger(), Fate(), 1, replace(PACE, patience=100.0)), []

    def open_source():
        opened.append(clock[0])
        return MemoryLive(MemoryTopic(VALUES), 1, Fate()) if len(opened) == 1 else waits_in_vain(run, clock, 100.0)

    run._open_source = open_source
    monkeypatch.setattr(MemoryLive, "silence", 100.0, raising=False)
    monkeypatch.setattr(MemoryLive, "poll", poll)
    with pytest.raises(Unreachable):
        run.run(lambda: False)
    assert len(opened) == 2
    assert 1100.0 <= clock[0] <= 1120.0


def test_without_a_folder_a_sink_that_holds_transactions_is_refused():
    topic, ledger = MemoryTopic(VALUES), Ledger()

    def run():
        log = structlog.wrap_logger(Lines([]))
        ends = (lambda: MemoryLive(topic, 1, Fate()), lambda name: MemorySink(ledger, Fate()))
        LiveRun(None, *ends, new_answering, PACE, log).run(lambda: False)

    run()
    before = list(ledger.records)
    with pytest.raises(SinkError, match="--checkpoint"):
        run()
    assert ledger.records == before != []


def test_a_sink_that_says_less_than_the_journal_is_not_believed(tmp_path):
    topic, ledger, lines = MemoryTopic(VALUES), Ledger(), []
    pace = Pace(None, None, 12, 0.0, max_messages=40)
    run_through(tmp_path, topic, ledger, pace=pace)
    (tmp_path / f"checkpoint-{ledger.number:015}.ihomer").unlink()
    ledger.number -= 20
    run, _ = run_through(tmp_path, topic, ledger, lines=lines)
    assert any("sink_is_behind" in line for line in lines)
    assert_as_undisturbed(run, tmp_path, topic, ledger)


def test_a_sink_that_another_run_holds_ends_the_run(tmp_path, clock):
    def held(name):
        raise Fenced("another process writes to this file")

    run = live_run(tmp_path, MemoryTopic(VALUES), Ledger(), Fate(), 1)
    run._open_sink = held
    with pytest.raises(Fenced, match="writes to this file"):
        run.run(lambda: clock[0] > 1100.0)
    assert clock[0] < 1010.0


# What is told --------------------------------------------------------------------------------------------------------


class SmallSink(MemorySink):
    """Takes no record with more than one label."""

    def write(self, record, key=None):
        if len(record["labels"]) > 1:
            raise ValueError("larger than topic takes")
        super().write(record, key)


def test_a_newer_process_whose_source_is_out_of_reach_ends_no_older_one(tmp_path, clock):
    older = CheckpointFolder(tmp_path)
    older.take_over()
    run = live_run(tmp_path, MemoryTopic(VALUES), Ledger(), Fate(), 1, replace(PACE, patience=10.0))

    def out_of_reach():
        raise Unreachable("no broker")

    run._open_source = out_of_reach
    with pytest.raises(Unreachable):
        run.run(lambda: False)
    older.check_owner()


def test_dead_letters_and_answers_that_are_too_large_are_counted_and_logged_with_their_place(tmp_path, monkeypatch):
    topic, ledger, told = MemoryTopic(message_values(300)), Ledger(), []
    monkeypatch.setattr("streams.dead_letters._BETWEEN", 0.0)
    run = live_run(tmp_path, topic, ledger, Fate(), 1)
    run._dead_letters._warn = lambda event, **fields: told.append(fields)
    run._open_sink = lambda name: SmallSink(ledger, Fate())
    run.run(lambda: False)
    assert told == [{"code": letter["error"], **letter["source"]} for letter in ledger.dead]
    n_too_large = sum(letter["error"] == "size" for letter in ledger.dead)
    assert run.answering.n_too_large == n_too_large > 0
    assert "size" not in run.answering.n_dead


def test_dead_letters_are_logged_at_a_bounded_rate(tmp_path, clock):
    told = []
    run = live_run(tmp_path, MemoryTopic([b"{"] * 50 + [b'{"x": 1}'] * 50), Ledger(), Fate(), 1)
    run._dead_letters._warn = lambda event, **fields: told.append((event, fields))
    run.run(lambda: False)
    assert [(event, fields["code"]) for event, fields in told[:2]] == [("dead_letter", "json"), ("dead_letter", "type")]
    rest = [("dead_letters_left_out", {"code": code, "left_out": 49}) for code in ("json", "type")]
    assert told[2:] == rest
    for _ in range(3):
        run._dead_letters("json", {"offset": 999})
    clock[0] += 5.0
    run._dead_letters("json", {"offset": 1000})
    assert told[4:] == [("dead_letter", {"code": "json", "offset": 1000, "left_out": 3})]


@pytest.mark.parametrize("options", [{"model": "mlhat"}, {"model": "ihomer", "window": 7}])
def test_options_that_a_continued_run_ignores_are_told_once(tmp_path, options):
    topic, ledger, lines = MemoryTopic(VALUES), Ledger(), []

    def run(made_with, most):
        one = live_run(tmp_path, topic, ledger, Fate(), 1, replace(PACE, max_messages=most), lines)
        one._made_with = made_with
        one.run(lambda: False)

    run({"model": "ihomer", "window": 1000}, 20)
    run({"model": "ihomer", "window": 1000}, 20)
    assert not any("options_ignored" in line for line in lines)
    run({"window": 1000, **options}, 20)
    (told,) = (line for line in lines if "options_ignored" in line)
    assert list(options)[-1] in told


def test_a_folder_that_does_not_say_what_it_was_made_with_stays_silent(tmp_path):
    topic, ledger, lines = MemoryTopic(VALUES), Ledger(), []
    run_through(tmp_path, topic, ledger, pace=replace(PACE, max_messages=20))
    assert CheckpointFolder(tmp_path).made_with() is None
    run = live_run(tmp_path, topic, ledger, Fate(), 1, lines=lines)
    run._made_with = {"model": "mlhat"}
    run.run(lambda: False)
    assert not any("options_ignored" in line for line in lines)
    assert CheckpointFolder(tmp_path).made_with() is None




def test_what_is_counted_never_falls(tmp_path):
    topic, ledger = MemoryTopic(VALUES), Ledger()
    run = live_run(tmp_path, topic, ledger, Fate(), 1)
    run.run(lambda: False)
    run.source.lost, run.answering.n_too_large = 7, 2
    reporter, before = Reporter([]), run.answering
    first = reporter.status(run, 1.0)
    run.answering = new_answering()
    run.source.lost = 0
    second = reporter.status(run, 2.0)
    run.answering, run.source.lost = before, 3
    third = reporter.status(run, 3.0)
    of_late = [f"n_late_{outcome}" for outcome in ("joined", "expired", "orphan", "repeated")]
    for name in ("n_read", "n_predicted", "n_learned", "n_refused", *of_late):
        assert getattr(first, name) == getattr(second, name) == getattr(third, name) >= 0
    assert first.n_read == len(topic)
    assert (first.n_lost, second.n_lost, third.n_lost) == (7, 7, 10)
    assert first.dead_letters["size"] == 2
    assert (third.dead_letters["size"], third.dead_letters["value"]) == (4, first.dead_letters["value"])


def test_drifts_of_clusters_that_are_gone_count_on(tmp_path):
    model = SimpleNamespace(summary={"n_drifts_local": 0}, labels=[])
    answering = new_answering()
    answering.model = model
    run = SimpleNamespace(
        answering=answering, source=None, n_transactions=0, saved=None, is_healthy=True, last_failure=None,
        seconds_committing=0.0,
    )  # fmt: skip
    reporter, found = Reporter([]), []
    for n in (5, 3, 4, 4, 9):
        model.summary["n_drifts_local"] = n
        found.append(reporter.status(run, 1.0).drifts["local"])
    assert found == [5, 5, 6, 6, 11]


def test_the_time_of_a_checkpoint_is_that_of_the_day_it_is_made_on(monkeypatch):
    clocks = {"time": 1_000_000.0, "monotonic": 5.0}
    monkeypatch.setattr("streams.service.time", SimpleNamespace(**{name: lambda name=name: clocks[name] for name in clocks}))
    answering, reporter = new_answering(), Reporter([])
    clocks["time"] += 86_400.0  # the clock was set
    run = SimpleNamespace(
        answering=answering, source=None, n_transactions=0, saved=Saved(1, 10, 0.5, 4.0), n_checkpoints=1, is_healthy=True,
        last_failure=None, seconds_committing=0.0,
    )  # fmt: skip
    assert reporter.status(run, 5.0).checkpoint.at == 1_086_399.0
    clocks.update(time=7.0, monotonic=65.0)
    assert reporter.status(run, 65.0).checkpoint.at == 1_086_399.0
    run.saved = Saved(2, 10, 0.5, 65.0)
    assert reporter.status(run, 66.0).checkpoint.at == 7.0


def test_a_checkpoint_that_the_run_replaces_while_it_is_looked_at_is_no_error(tmp_path, monkeypatch):
    topic = MemoryTopic(message_values(60))
    run_through(tmp_path, topic, Ledger())
    folder = CheckpointFolder(tmp_path, keep=1)
    folder.take_over()
    newest = folder.checkpoint_path(len(topic))
    content, open_file = newest.read_bytes(), inspection.open_file

    def replaced(path):
        if path == newest:
            folder.save(len(topic) + 1, content)
        return open_file(path)

    monkeypatch.setattr(inspection, "open_file", replaced)
    assert inspection.inspect(tmp_path)["file"] == folder.checkpoint_path(len(topic) + 1).name
    folder.close()
    for file in tmp_path.glob("checkpoint-*"):
        file.unlink()
    folder.checkpoint_path(1).symlink_to("nowhere")
    with pytest.raises(FileNotFoundError):
        inspection.inspect(tmp_path)
