"""The live loop: whatever ends it and wherever, each message is learned once and answered once."""

import os
import random
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from ihomer import IHOMERClassifier, LabelPartition
from streams.answering import Answering
from streams.checkpoint import _CHECKPOINT, CheckpointFolder
from streams.errors import SinkError, SourceError
from streams.inspection import inspect
from streams.late import LateStore
from streams.live import LiveRun, Pace
from streams.message import Fenced, Gone
from streams.state import pack_state
from tests.live_parts import Crash, CrashingFolder, Fate, Ledger, MemoryLive, MemorySink, MemoryTopic, message_values

VALUES = message_values(150)
PACE = Pace(checkpoint_messages=25, commit_messages=12, commit_seconds=0.0, checkpoint_seconds=None)


def new_answering():
    model = IHOMERClassifier(seed=3, clustering=LabelPartition(n_min=20), experts=("frequency", "linear"))
    return Answering(model, top=2, late=LateStore(most=6, longest=40.0))


class Lines:
    """A logger that keeps its lines."""

    def __init__(self, lines):
        self.msg = self.info = self.warning = self.error = lines.append


def live_run(path, topic, ledger, fate, seed, pace=PACE, lines=None, **options):
    lines = [] if lines is None else lines
    folder = CrashingFolder(path, fate, **options)
    return LiveRun(
        folder,
        lambda: MemoryLive(topic, seed, fate),
        lambda name: MemorySink(ledger, fate),
        new_answering,
        pace,
        structlog.wrap_logger(Lines(lines)),
    )


def run_through(path, topic, ledger, crashes=(), losses=(), pace=PACE, **options):
    """Start a run again and again until it comes to its end; each start goes as far as the next crash."""
    starts = 0
    for at in (*crashes, None):
        starts += 1
        fate = Fate(() if at is None else (at,), losses if at is None else ())
        run = live_run(path, topic, ledger, fate, starts, pace, **options)
        try:
            run.run(lambda: False)
            return run, starts
        except Crash:
            continue
    raise AssertionError("the last run came to no end")


def in_recorded_order(path, topic):
    """Return the messages in the order in which the journals say that they were learned."""
    folder = CheckpointFolder(path)
    by_place = {(m.topic, m.partition, m.offset): m for part in topic.messages.values() for m in part}
    found = []
    for reading in folder.readings(0, len(topic)):
        for span in reading.spans:
            offsets = range(span.first, span.stop)
            block = [by_place[*span.where, offset] for offset in offsets if (*span.where, offset) in by_place]
            assert len(block) == span.count
            found += block
    return found


def assert_as_undisturbed(run, path, topic, ledger):
    """The same messages in the same order, in one go, give the same answers and the same last checkpoint."""
    messages = in_recorded_order(path, topic)
    assert len(messages) == len({(m.topic, m.partition, m.offset) for m in messages}) == len(topic)
    calm, calm_ledger = new_answering(), Ledger()
    sink = MemorySink(calm_ledger, Fate())
    sink.begin()
    calm.take(messages, sink)
    sink.start_commit(calm.n_read, {})
    sink.settle()
    assert ledger.records == calm_ledger.records
    assert ledger.dead == calm_ledger.dead
    positions = {where: part[-1].offset + 1 for where, part in topic.messages.items()}
    last = run.folder.checkpoint_path(len(topic)).read_bytes()
    assert last == pack_state(calm, positions)


def test_an_undisturbed_run_answers_each_event_once(tmp_path):
    topic, ledger = MemoryTopic(VALUES), Ledger()
    run, starts = run_through(tmp_path, topic, ledger)
    assert starts == 1
    assert_as_undisturbed(run, tmp_path, topic, ledger)
    assert run.answering.n_read == len(topic)
    assert set(run.answering.n_dead) == {"number", "value"}
    assert run.answering.n_joined > 5
    assert run.answering.late.n_expired > 0
    places = [tuple(record["source"].values()) for record, _ in ledger.records]
    assert len(set(places)) == len(places) == run.answering.n_predicted


@pytest.mark.parametrize("n", range(40, 44))
def test_the_last_transaction_of_a_run_is_through_when_it_ends(tmp_path, n):
    """However long the sink takes for it."""
    topic, ledger = MemoryTopic([value for value in VALUES if value][:n]), Ledger()
    run, _ = run_through(tmp_path, topic, ledger)
    assert run.answering.n_read == ledger.number == n
    assert_as_undisturbed(run, tmp_path, topic, ledger)


@settings(max_examples=60, deadline=None)
@given(crashes=st.lists(st.integers(1, 400), max_size=6), seed=st.integers(0, 3))
def test_a_run_that_is_killed_anywhere_ends_as_an_undisturbed_one(tmp_path_factory, crashes, seed):
    path = tmp_path_factory.mktemp("run")
    topic, ledger = MemoryTopic(VALUES, seed=seed), Ledger()
    run, _ = run_through(path, topic, ledger, crashes)
    assert_as_undisturbed(run, path, topic, ledger)


@settings(max_examples=20, deadline=None)
@given(losses=st.sets(st.integers(1, 300), max_size=4))
def test_a_lost_connection_changes_nothing(tmp_path_factory, losses, monkeypatch_sleep):
    path = tmp_path_factory.mktemp("run")
    topic, ledger = MemoryTopic(VALUES), Ledger()
    run, starts = run_through(path, topic, ledger, losses=losses)
    assert starts == 1
    assert_as_undisturbed(run, path, topic, ledger)
    assert run.n_reconnects <= len(losses)


@pytest.fixture(scope="module")
def monkeypatch_sleep():
    """Reconnecting does not wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.live.time.sleep", lambda seconds: None)
        yield


def test_few_checkpoints_are_kept_and_the_journals_that_they_need(tmp_path):
    topic, ledger = MemoryTopic(VALUES), Ledger()
    run_through(tmp_path, topic, ledger, crashes=(200, 150), keep=2)
    numbers = sorted(int(path.stem[-15:]) for path in tmp_path.glob("checkpoint-*"))
    assert len(numbers) == 2
    assert numbers[-1] == len(topic)
    journals = sorted(int(path.name[-15:]) for path in tmp_path.glob("journal-*"))
    assert journals[0] <= numbers[0] < journals[1]


def killed_while_it_saves(path):
    """Let a process end by SIGKILL when all but the name of a checkpoint is written."""
    child = os.fork()
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        return
    folder = CheckpointFolder(path)
    folder.take_over()
    os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
    folder.save(1, b"x" * 1000)
    os._exit(0)


def test_what_a_killed_process_has_half_written_is_removed(tmp_path):
    for _ in range(2):
        killed_while_it_saves(tmp_path)
    (tmp_path / "notes.part").write_text("of somebody else")
    CheckpointFolder(tmp_path).take_over()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"journal-000000000000001", "lock", "notes.part", "owner", "run.json"}


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "older", "unreadable"])
def test_a_damaged_checkpoint_is_passed_over_loudly(tmp_path, harm):
    topic, ledger = MemoryTopic(VALUES), Ledger()
    run, _ = run_through(tmp_path, topic, ledger, pace=Pace(25, None, 12, 0.0, max_messages=100))
    newest = run.folder.checkpoint_path(run.answering.n_read)
    content = bytearray(newest.read_bytes())
    if harm == "flip":
        content[len(content) // 2] ^= 4
    older = run.folder.checkpoint_path(run.folder._numbers(_CHECKPOINT)[-2]).read_bytes()
    if harm == "unreadable":
        newest.unlink()
        newest.symlink_to("nowhere")
    else:
        newest.write_bytes({"cut": content[:-5], "flip": content, "empty": b"", "older": older}[harm])
    lines = []
    run, _ = run_through(tmp_path, topic, ledger, lines=lines)
    assert any("checkpoint_damaged" in line and newest.name in line for line in lines)
    assert_as_undisturbed(run, tmp_path, topic, ledger)


def test_a_run_without_a_sound_checkpoint_does_not_start_from_nothing(tmp_path):
    topic, ledger = MemoryTopic(VALUES), Ledger()
    run_through(tmp_path, topic, ledger, keep=2)
    for path in tmp_path.glob("checkpoint-*"):
        path.write_bytes(b"")
    said = "none of 2 checkpoints can be read, the newest because .*this is not a file of ihomer"
    for look in (lambda: run_through(tmp_path, topic, ledger), lambda: inspect(tmp_path)):
        with pytest.raises(SourceError, match=said):
            look()


def test_the_older_of_two_processes_is_fenced_and_overwrites_nothing(tmp_path, monkeypatch_sleep):
    topic, ledger = MemoryTopic(VALUES), Ledger()
    older = live_run(tmp_path, topic, ledger, Fate(), seed=1)
    newer = live_run(tmp_path, topic, ledger, Fate(), seed=2)
    turns = []

    def take_over(run):
        if not run._is_committing:
            turns.append(run)
            if len(turns) == 8:
                newer.run(lambda: False)

    older._on_turn = take_over
    with pytest.raises(Fenced, match="another process"):
        older.run(lambda: False)
    assert_as_undisturbed(newer, tmp_path, topic, ledger)


def test_a_newer_process_whose_sink_cannot_be_opened_ends_no_older_one(tmp_path, monkeypatch_sleep):
    topic, ledger = MemoryTopic(VALUES), Ledger()
    older = live_run(tmp_path, topic, ledger, Fate(), seed=1)
    refused = []

    def no_sink(name):
        refused.append(name)
        raise SinkError("not for you")

    def start_another(run):
        if not refused and run.n_transactions:
            ends = (lambda: MemoryLive(topic, 2, Fate())), no_sink
            newer = LiveRun(CheckpointFolder(tmp_path), *ends, new_answering, PACE, run._log, sink_first=True)
            with pytest.raises(SinkError, match="not for you"):
                newer.run(lambda: False)

    older._on_turn = start_another
    older.run(lambda: False)
    assert refused == [older.folder.run]
    assert_as_undisturbed(older, tmp_path, topic, ledger)


def test_an_older_process_that_waits_for_messages_is_told_too(tmp_path, monkeypatch_sleep, monkeypatch):
    topic, ledger = MemoryTopic(VALUES), Ledger()
    older = live_run(tmp_path, topic, ledger, Fate(), seed=1, pace=replace(PACE, checkpoint_messages=1))
    newer = live_run(tmp_path, topic, ledger, Fate(), seed=2)
    turns = []

    def take_over(run):
        turns.append(run)
        assert len(turns) < 2000, "it waits for ever"
        if run._n_saved == len(topic) and newer.answering.n_read == 0:  # the older one has nothing left to write
            with monkeypatch.context() as patch:
                patch.setattr(MemoryLive, "at_end", True)
                newer.run(lambda: False)

    older._on_turn = take_over
    monkeypatch.setattr(MemoryLive, "at_end", False)
    with pytest.raises(Fenced, match="another process"):
        older.run(lambda: False)
    assert newer.n_transactions == 0
    assert_as_undisturbed(newer, tmp_path, topic, ledger)


def test_a_journal_that_ends_in_half_a_line_is_read_up_to_it(tmp_path):
    topic, ledger = MemoryTopic(VALUES), Ledger()
    run, _ = run_through(tmp_path, topic, ledger, pace=Pace(None, None, 12, 0.0, max_messages=60))
    newest = max(tmp_path.glob("journal-*"))
    with newest.open("ab") as file:
        file.write(b'0badc0de [61,[["clicks"')
    run, _ = run_through(tmp_path, topic, ledger)
    assert_as_undisturbed(run, tmp_path, topic, ledger)


def test_what_a_damaged_journal_still_holds_is_left_in_it(tmp_path):
    topic, ledger = MemoryTopic(VALUES), Ledger()
    with pytest.raises(Crash):
        live_run(tmp_path, topic, ledger, Fate(crash_at=(190,)), 1, Pace(None, None, 12, 0.0)).run(lambda: False)
    newest = max(tmp_path.glob("journal-*"))
    sound = newest.read_bytes()
    damaged = sound.replace(b"clicks", b"clucks", 1)
    newest.write_bytes(damaged)
    with pytest.raises(SourceError, match="the journals end at message 0"):
        run_through(tmp_path, topic, ledger)
    assert newest.read_bytes() == damaged
    newest.write_bytes(sound)
    run, _ = run_through(tmp_path, topic, ledger)
    assert_as_undisturbed(run, tmp_path, topic, ledger)


def test_messages_that_are_gone_are_not_passed_over_silently(tmp_path):
    topic, ledger = MemoryTopic(VALUES), Ledger()
    fate = Fate(crash_at=(190,))
    with pytest.raises(Crash):
        live_run(tmp_path, topic, ledger, fate, 1, Pace(None, None, 12, 0.0)).run(lambda: False)
    for where, part in topic.messages.items():
        topic.messages[where] = part[len(part) // 3 :]
    with pytest.raises(Gone):
        run_through(tmp_path, topic, ledger)


def test_the_sink_may_forget_its_number(tmp_path):
    topic, ledger = MemoryTopic(VALUES), Ledger()
    run_through(tmp_path, topic, ledger, pace=Pace(None, None, 12, 0.0, max_messages=60))
    ledger.forgets = True
    run, _ = run_through(tmp_path, topic, ledger)
    assert_as_undisturbed(run, tmp_path, topic, ledger)


def test_what_went_through_is_not_answered_again_where_the_sink_keeps_no_number(tmp_path):
    """Though no checkpoint was made behind it."""
    topic, ledger = MemoryTopic(VALUES), Ledger(forgets=True)
    crashed = live_run(tmp_path, topic, ledger, Fate(), 1, replace(PACE, checkpoint_messages=None))

    def crash(run):
        if run.n_transactions >= 5 and not run._is_committing:
            raise Crash

    crashed._on_turn = crash
    with pytest.raises(Crash):
        crashed.run(lambda: False)
    assert len(ledger.records) > 20
    run, _ = run_through(tmp_path, topic, ledger)
    assert_as_undisturbed(run, tmp_path, topic, ledger)


def test_a_run_ends_when_it_is_told_and_goes_on_from_there(tmp_path):
    topic, ledger = MemoryTopic(VALUES), Ledger()
    rng = random.Random(4)
    for _ in range(6):
        live_run(tmp_path, topic, ledger, Fate(), 1).run(lambda: rng.random() < 0.2)
    run, _ = run_through(tmp_path, topic, ledger)
    assert_as_undisturbed(run, tmp_path, topic, ledger)


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch, monkeypatch_sleep):
    topic, ledger = MemoryTopic(VALUES), Ledger()
    run = live_run(tmp_path, topic, ledger, Fate(), 1)
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if 40 < len(calls) < 60:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    run.run(lambda: False)
    assert run.last_failure is not None
    assert_as_undisturbed(run, tmp_path, topic, ledger)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not write")
def test_a_folder_that_cannot_be_written_loses_nothing(monkeypatch_sleep):
    with tempfile.TemporaryDirectory() as folder:  # not below one that only root may enter
        lose_the_right_to_write(Path(folder))


def lose_the_right_to_write(tmp_path):
    topic, ledger, turns = MemoryTopic(VALUES), Ledger(), []
    tmp_path.chmod(0o755)
    run = live_run(tmp_path, topic, ledger, Fate(), 1)

    def lock_and_unlock(_):
        turns.append(run.n_failed_checkpoints)
        if len(turns) == 4:
            tmp_path.chmod(0o555)
            os.seteuid(65534)
        elif os.geteuid() != 0 and (run.n_failed_checkpoints or run.last_failure):
            os.seteuid(0)
            tmp_path.chmod(0o755)

    run._on_turn = lock_and_unlock
    try:
        run.run(lambda: False)
    finally:
        os.seteuid(0)
        tmp_path.chmod(0o755)
    assert run.last_failure is not None
    assert_as_undisturbed(run, tmp_path, topic, ledger)
