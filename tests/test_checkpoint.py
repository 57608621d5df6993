"""The folder of a live run: what its journal tells after failures, what is on the disk, and who may write."""

import errno
import fcntl
import json
import os
import resource
import signal
import tempfile
import threading

import pytest

from streams.checkpoint import CheckpointFolder, Reading, Span
from streams.errors import SourceError
from streams.message import Fenced


def reading(number, count=1):
    """Return what a transaction has read whose last message is the one of that number."""
    return Reading(number, [Span("t", 0, number - count, number, count)])


@pytest.fixture
def folder(tmp_path):
    one = CheckpointFolder(tmp_path, keep=2)
    one.take_over()
    one.begin(0)
    yield one
    one.close()


def numbers(folder, number, until):
    return [each.number for each in folder.readings(number, until)]


def names(folder, beginning):
    return sorted(int(name.split("-")[1].split(".")[0]) for name in os.listdir(folder.path) if name.startswith(beginning))


def test_no_checkpoint_at_all_is_no_number_to_keep(tmp_path):
    with pytest.raises(ValueError, match="keep must be at least 1, not 0"):
        CheckpointFolder(tmp_path, 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "damaged"), ("[]", "damaged"), ('{"version": 1}', "damaged"), ('{"version": 1, "run": 7}', "newer version"),
        ('{"version": 2, "run": "sky"}', "newer version"),
    ],
)  # fmt: skip
def test_a_folder_whose_description_is_none_is_refused(tmp_path, content, reason):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(SourceError, match=reason):
        CheckpointFolder(tmp_path)


def test_what_a_model_was_made_with_stands_beside_the_name_of_the_run(folder):
    assert folder.made_with() is None
    folder.note_made_with({"seed": 3})
    again = CheckpointFolder(folder.path)
    assert (again.run, again.made_with()) == (folder.run, {"seed": 3})


# The journal ---------------------------------------------------------------------------------------------------------


def test_a_note_is_on_the_disk_when_it_is_written(folder, monkeypatch):
    real, forced = os.fsync, []

    def note(descriptor):
        forced.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    folder.note(reading(1))
    assert forced == ["journal-000000000000000"]
    folder.note_committed()
    assert len(forced) == 1
    folder.begin(1)
    assert forced[1:] == [folder.path.name]


def test_a_note_that_is_written_in_part_leaves_the_journal_as_it_was(folder):
    folder.note(reading(1))
    folder.note_committed()
    journal = folder.path / "journal-000000000000000"
    before = journal.read_bytes()
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 7, limits[1]))
    try:
        with pytest.raises(OSError, match="No space left") as told:
            folder.note(reading(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(journal))
    assert journal.read_bytes() == before
    folder.note(reading(3, 2))
    folder.note_committed()
    assert (numbers(folder, 0, 3), folder.last_committed()) == ([1, 3], 3)


def test_a_journal_without_a_clean_end_is_not_used_again(folder, monkeypatch):
    folder.note(reading(1))

    def broken(*arguments):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        patch.setattr(os, "ftruncate", broken)
        with pytest.raises(OSError, match="Input/output"):
            folder.note(reading(2))
    with pytest.raises(OSError, match="not open"):
        folder.note(reading(3, 2))


def test_a_journal_goes_on_where_the_next_one_cannot_be_opened(folder):
    folder.note(reading(1))
    (folder.path / "journal-000000000000001").mkdir()
    with pytest.raises(IsADirectoryError):
        folder.save(1, b"state")
    assert names(folder, "checkpoint") == []
    (folder.path / "journal-000000000000001").rmdir()
    folder.note(reading(2))
    assert numbers(folder, 0, 2) == [1, 2]


def test_a_journal_that_is_begun_again_goes_on(folder):
    folder.note(reading(1))
    folder.begin(0)
    folder.note(reading(2))
    assert numbers(folder, 0, 2) == [1, 2]


def test_nothing_behind_a_damaged_line_is_believed(folder):
    for number in (1, 2, 3):
        folder.note(reading(number))
        folder.note_committed()
    journal = folder.path / "journal-000000000000000"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"2", b"9")
    journal.write_bytes(b"".join(lines))
    assert folder.last_committed() == 1
    assert numbers(folder, 0, 1) == [1]
    for until in (2, 3):
        with pytest.raises(SourceError, match=f"end at message 1, and {until} have been answered"):
            numbers(folder, 0, until)


def test_a_journal_that_cannot_be_read_is_not_taken_for_an_empty_one(folder):
    (folder.path / "journal-000000000000001").mkdir()
    for read in (folder.last_committed, lambda: numbers(folder, 0, 0)):
        with pytest.raises(IsADirectoryError):
            read()


def test_the_journals_tell_all_that_is_asked_for_or_are_refused(folder):
    for number in (2, 4, 6):
        folder.note(reading(number, 2))
    assert [numbers(folder, *part) for part in ((0, 6), (2, 6), (0, 4), (4, 4))] == [[2, 4, 6], [4, 6], [2, 4], []]
    for first, until in ((0, 5), (1, 6), (0, 8), (6, 4)):
        with pytest.raises(SourceError, match="journals end at"):
            numbers(folder, first, until)


def test_what_did_not_go_through_is_forgotten(folder):
    folder.save(0, b"state")
    for number in (1, 2):
        folder.note(reading(number))
        folder.note_committed()
    folder.save(2, b"state")
    folder.note(reading(3))
    folder.note_committed()
    folder.note(reading(9, 6))
    assert folder.last_committed() == 3
    folder.cut(3)
    folder.note(reading(4))
    folder.note_committed()
    assert (numbers(folder, 0, 4), numbers(folder, 2, 4), folder.last_committed()) == ([1, 2, 3, 4], [3, 4], 4)
    folder.cut(1)
    assert (names(folder, "journal"), folder.last_committed()) == ([0], 1)
    folder.note(reading(3, 2))
    assert numbers(folder, 0, 3) == [1, 3]


def test_where_a_journal_begins_all_before_it_has_gone_through(folder):
    folder.note(reading(1))
    folder.note_committed()
    folder.begin(7)
    assert folder.last_committed() == 7


def test_what_stands_behind_the_beginning_of_the_next_journal_did_not_go_through(folder):
    folder.note(reading(2, 2))
    folder.note(reading(9, 7))
    folder.note_committed()
    folder.begin(2)
    folder.note(reading(3))
    assert folder.last_committed() == 2
    assert numbers(folder, 0, 3) == [2, 3]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not write")
def test_the_journal_goes_on_where_the_folder_cannot_be_written_any_more():
    with tempfile.TemporaryDirectory() as name:  # not below one that only root may enter
        folder = CheckpointFolder(name)
        folder.take_over()
        folder.begin(0)
        os.chmod(name, 0o555)
        os.seteuid(65534)
        try:
            folder.note(reading(1))
            with pytest.raises(PermissionError):
                folder.save(1, b"state")
            folder.note(reading(2))
        finally:
            os.seteuid(0)
        assert numbers(folder, 0, 2) == [1, 2]
        folder.close()


# Checkpoints ---------------------------------------------------------------------------------------------------------


def test_journals_go_with_the_checkpoints_that_need_them(folder):
    for number in (1, 2, 3, 4):
        folder.note(reading(number))
        folder.save(number, b"%d" % number)
    assert (names(folder, "checkpoint"), names(folder, "journal")) == ([3, 4], [3, 4])
    folder.note(reading(5))
    assert numbers(folder, 3, 5) == [4, 5]
    assert folder.checkpoints() == [4, 3]
    folder.save_within(5, b"5")
    assert (names(folder, "checkpoint"), names(folder, "journal")) == ([3, 4, 5], [3, 4])


def test_what_cannot_be_removed_any_more_stays(folder, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    for number in (1, 2, 3):
        folder.save(number, b"%d" % number)
    assert (names(folder, "checkpoint"), names(folder, "journal")) == ([1, 2, 3], [0, 1, 2, 3])


def test_a_checkpoint_that_cannot_be_written_leaves_those_before(folder):
    for number in (1, 2):
        folder.save(number, b"%d" % number)
    folder.checkpoint_path(3).mkdir()
    with pytest.raises(OSError, match="directory"):
        folder.save(3, b"3")
    folder.note(reading(3))
    assert (names(folder, "checkpoint"), numbers(folder, 2, 3)) == ([1, 2, 3], [3])


# Who may write -------------------------------------------------------------------------------------------------------


def test_an_older_process_writes_nothing_any_more(folder):
    newer = CheckpointFolder(folder.path)
    folder.note(reading(1))
    newer.take_over()
    before = {path.name: path.read_bytes() for path in folder.path.iterdir()}
    writes = [
        lambda: folder.begin(1), lambda: folder.note(reading(2)), folder.note_committed, lambda: folder.save(1, b"state"),
        lambda: folder.save_within(1, b"state"), lambda: folder.cut(0), lambda: folder.note_made_with({}), folder.check_owner,
    ]  # fmt: skip
    for write in writes:
        with pytest.raises(Fenced, match="another process has taken over"):
            write()
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == before


def test_what_a_killed_process_left_half_written_goes_when_another_takes_over(folder):
    half, other = folder.path / ".ihomer.0123456789abcdef.part", folder.path / ".ihomer.mine.part"
    half.touch()
    other.touch()
    CheckpointFolder(folder.path).take_over()
    assert (half.exists(), other.exists()) == (False, True)


def test_nobody_owns_a_folder_that_nobody_has_taken_over(tmp_path):
    with pytest.raises(Fenced):
        CheckpointFolder(tmp_path).begin(0)


def test_a_folder_that_was_emptied_is_not_said_to_be_taken_over(folder):
    for path in folder.path.iterdir():
        path.unlink()
    for write in (folder.check_owner, lambda: folder.note(reading(1))):
        with pytest.raises(SourceError, match="removed or emptied"):
            write()


def test_a_folder_that_is_held_is_waited_for_but_not_for_ever(folder, monkeypatch):
    lock = os.open(folder.path / "lock", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    later = threading.Timer(0.3, lambda: fcntl.flock(lock, fcntl.LOCK_UN))
    later.start()
    folder.note(reading(1))
    later.join()
    assert numbers(folder, 0, 1) == [1]
    fcntl.flock(lock, fcntl.LOCK_EX)
    monkeypatch.setattr("streams.checkpoint._PATIENCE", 0.1)
    for write in (lambda: folder.note(reading(2)), folder.take_over, lambda: CheckpointFolder(folder.path)):
        with pytest.raises(TimeoutError, match=r"held by another process for 0\.1 seconds"):
            write()
    os.close(lock)


def test_who_waits_for_the_lock_while_another_takes_over_writes_nothing(folder):
    """The owner is looked at with the lock held: before, it may still have been this one."""
    lock = os.open(folder.path / "lock", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    told = []

    def write():
        try:
            folder.note(reading(1))
        except Fenced as error:
            told.append(error)

    writing = threading.Thread(target=write)
    writing.start()
    writing.join(0.3)
    (folder.path / "owner").write_text("of a newer process, which has the lock")
    os.close(lock)
    writing.join()
    assert len(told) == 1
    assert (folder.path / "journal-000000000000000").read_bytes() == b""


def test_a_folder_is_taken_over_only_when_its_owner_writes_nothing(folder):
    newer, order = CheckpointFolder(folder.path), []
    taking = threading.Thread(target=lambda: (newer.take_over(), order.append("taken over")))
    with folder.owned():
        taking.start()
        taking.join(0.3)
        order.append("written")
    taking.join()
    assert order == ["written", "taken over"]
    assert json.loads((folder.path / "run.json").read_bytes())["run"] == newer.run
