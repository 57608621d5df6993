"""Files as live sinks: what stands in them after any end of the process is whole transactions."""

import errno
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

import pytest
from open_files import open_below

from streams.errors import SinkError
from streams.live_sinks import FileLiveSink, StandardOutputSink, refuse_unfit_files
from streams.message import Fenced, Unreachable


def put(sink, number, *numbers, dead=()):
    sink.begin()
    for value in numbers:
        sink.write({"n": value})
    for value in dead:
        sink.write_dead({"n": value})
    sink.commit(number, {("events", 0): number})


def numbers_in(path):
    return [json.loads(line)["n"] for line in path.read_bytes().splitlines()]


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "answers.jsonl", tmp_path / "dead.jsonl"


def test_transactions_are_out_whole_or_not_at_all(paths):
    path, dead = paths
    sink = FileLiveSink(path, dead)
    assert sink.committed() is None
    put(sink, 3, 1, 2, dead=[3])
    assert (numbers_in(path), numbers_in(dead), sink.committed()) == ([1, 2], [3], 3)
    sink.begin()
    sink.write({"n": 4})
    sink.write_dead({"n": 5})
    sink.abort()
    sink.abort()
    put(sink, 6, 6)
    sink.begin()
    sink.write({"n": 7})
    sink.close()
    sink.close()
    sink = FileLiveSink(path, dead)
    assert (numbers_in(path), numbers_in(dead), sink.committed()) == ([1, 2, 6], [3], 6)
    put(sink, 8, 8, dead=[9])
    assert (numbers_in(path), numbers_in(dead), sink.committed()) == ([1, 2, 6, 8], [3, 9], 8)
    sink.close()


def test_what_was_written_after_the_last_transaction_is_cut_off(paths):
    path, dead = paths
    sink = FileLiveSink(path, dead)
    put(sink, 1, 1, dead=[1])
    sink.close()
    for file in paths:
        with file.open("ab") as more:
            more.write(b'{"n": 2}\n{"n"')
    sink = FileLiveSink(path, dead)
    assert (numbers_in(path), numbers_in(dead), sink.committed()) == ([1], [1], 1)
    sink.close()


def test_what_the_first_transaction_has_left_half_written_is_cut_off(paths):
    FileLiveSink(*paths).close()
    for file in paths:
        file.write_bytes(b'{"n": 1}\n{"n"')
    sink = FileLiveSink(*paths)
    assert (sink.committed(), [file.read_bytes() for file in paths]) == (None, [b"", b""])
    put(sink, 1, 1)
    sink.close()


def test_foreign_text_between_transactions_does_not_stay(paths):
    sink = FileLiveSink(*paths)
    put(sink, 1, 1)
    with paths[0].open("ab") as other:
        other.write(b"foreign text that is longer than the next transaction\n")
    put(sink, 2, 2)
    assert numbers_in(paths[0]) == [1, 2]
    sink.close()


def test_transactions_are_asked_for_in_turn(paths):
    sink = FileLiveSink(*paths)
    for misuse in (lambda: sink.write({}), lambda: sink.write_dead({}), lambda: sink.commit(1, {})):
        with pytest.raises(RuntimeError, match="no transaction"):
            misuse()
    sink.begin()
    with pytest.raises(RuntimeError, match="already"):
        sink.begin()
    with pytest.raises(ValueError, match="no number"):
        sink.write({"n": float("nan")})
    sink.write({"n": 1})
    sink.commit(1, {})
    assert numbers_in(paths[0]) == [1]
    sink.close()
    for misuse in (sink.begin, lambda: sink.commit(1, {})):
        with pytest.raises(ValueError, match="closed"):
            misuse()


def test_files_of_others_are_not_touched(paths):
    path, dead = paths
    path.write_text('{"n": 0}\n')
    with pytest.raises(SinkError, match=r"holds something.*; move it away, or name another file$"):
        FileLiveSink(path, dead)
    assert path.read_text() == '{"n": 0}\n'
    sink = FileLiveSink(path, dead, append=True)
    assert sink.committed() is None
    put(sink, 1, 1)
    sink.close()
    assert numbers_in(path) == [0, 1]


def test_answers_of_another_run_are_not_touched(paths):
    path, dead = paths
    first = FileLiveSink(path, dead, run="first")
    put(first, 3, 1, dead=[2])
    first.begin()
    first.write({"n": 3})
    first.close()
    with path.open("ab") as file:
        file.write(b"half")
    before = [file.read_bytes() for file in sorted(path.parent.iterdir())]
    for run in ("second", None):
        with pytest.raises(SinkError, match=r"holds the answers of another run, as .*\.commit says; .* or name a new sink$"):
            FileLiveSink(path, dead, run=run, append=True)
    assert [file.read_bytes() for file in sorted(path.parent.iterdir())] == before
    again = FileLiveSink(path, dead, run="first")
    assert again.committed() == 3
    again.close()


def test_files_that_belong_to_no_run_are_gone_on_with(paths):
    sink = FileLiveSink(*paths)
    put(sink, 3, 1)
    sink.close()
    sink = FileLiveSink(*paths, run="first")
    assert sink.committed() == 3
    sink.close()
    with pytest.raises(SinkError, match="holds the answers of another run"):
        FileLiveSink(*paths)


def test_closed_standard_output(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(SinkError, match="standard output is closed"):
        StandardOutputSink()


@pytest.mark.parametrize(
    "record",
    [
        b"", b"{", b"[]", b'{"number":1}', b'{"number":1,"n_bytes":-4}', b'{"number":"1","n_bytes":4}',
        b'{"number":1,"n_bytes":0,"dead":"dead.jsonl","n_dead_bytes":-1}', b'{"number":-1,"n_bytes":0}',
    ],
)  # fmt: skip
def test_record_of_transactions_that_is_none(paths, record):
    path, dead = paths
    path.write_text('{"n": 0}\n')
    (path.parent / "answers.jsonl.commit").write_bytes(record)
    with pytest.raises(SinkError, match="commit"):
        FileLiveSink(path, dead)
    assert path.read_text() == '{"n": 0}\n'


def test_file_shorter_than_its_last_transaction(paths):
    path, dead = paths
    sink = FileLiveSink(path, dead)
    put(sink, 1, 1, 2)
    sink.close()
    os.truncate(path, 5)
    with pytest.raises(SinkError, match="5 bytes long"):
        FileLiveSink(path, dead)
    assert path.stat().st_size == 5


def test_dead_letters_come_and_go(paths):
    path, dead = paths
    sink = FileLiveSink(path, dead)
    put(sink, 1, 1, dead=[1])
    sink.close()
    sink = FileLiveSink(path)
    put(sink, 2, 2, dead=[2])
    sink.close()
    folder = path.parent / "moved"
    folder.mkdir()
    for file in (path, dead, path.parent / "answers.jsonl.commit"):
        file.rename(folder / file.name)
    sink = FileLiveSink(folder / path.name, folder / dead.name)
    put(sink, 3, 3, dead=[3])
    assert (numbers_in(folder / path.name), numbers_in(folder / dead.name)) == ([1, 2, 3], [1, 3])
    sink.close()


def test_dead_letters_go_to_another_file_from_now_on(paths):
    path, dead = paths
    sink = FileLiveSink(path, dead)
    put(sink, 1, 1, dead=[1, 2, 3])
    sink.close()
    others = path.with_name("others.jsonl")
    others.write_text("a file of somebody else, longer than the dead letters so far")
    before = others.read_bytes()
    with pytest.raises(SinkError, match=r"others\.jsonl: holds something"):
        FileLiveSink(path, others)
    assert others.read_bytes() == before
    sink = FileLiveSink(path, path.with_name("new.jsonl"))
    put(sink, 2, 2, dead=[4])
    sink.close()
    assert (numbers_in(path), numbers_in(dead), numbers_in(path.with_name("new.jsonl"))) == ([1, 2], [1, 2, 3], [4])


def test_what_cannot_be_a_sink(tmp_path):
    for name in ("a.gz", "A.GZ"):
        with pytest.raises(SinkError, match="gzipped"):
            FileLiveSink(tmp_path / name)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/null"):
        with pytest.raises(SinkError, match="regular"):
            FileLiveSink(path)
    for dead in ("a", "a.commit"):
        with pytest.raises(SinkError, match="own"):
            FileLiveSink(tmp_path / "a", tmp_path / dead)
    with pytest.raises(FileNotFoundError):
        FileLiveSink(tmp_path / "none" / "a")


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("taken", ["a", "a.commit"])
def test_dead_letters_do_not_go_into_the_answers_by_a_link(tmp_path, link, taken):
    sink = FileLiveSink(tmp_path / "a")
    put(sink, 1, 1)
    sink.close()
    link(tmp_path / taken, tmp_path / "dead")
    for refusing in (FileLiveSink, refuse_unfit_files):
        with pytest.raises(SinkError, match=rf"dead: dead letters need a file of their own, which .*/{taken} is not"):
            refusing(tmp_path / "a", tmp_path / "dead")
    assert numbers_in(tmp_path / "a") == [1]


def test_second_process_is_refused(paths):
    sink = FileLiveSink(*paths)
    put(sink, 1, 1)
    with pytest.raises(Fenced, match="another process"):
        FileLiveSink(paths[0])
    put(sink, 2, 2)
    assert numbers_in(paths[0]) == [1, 2]
    sink.close()


def test_a_process_that_ends_soon_is_waited_for(paths):
    sink = FileLiveSink(*paths)
    put(sink, 1, 1)
    later = threading.Timer(0.2, sink.close)
    later.start()
    newer = FileLiveSink(*paths, patience=60.0)
    later.join()
    assert newer.committed() == 1
    later = threading.Timer(0.2, newer.close)
    later.start()
    other = FileLiveSink(paths[0].with_name("others.jsonl"), paths[1], patience=60.0)
    later.join()
    other.close()


def test_file_that_was_replaced(paths):
    path, dead = paths
    sink = FileLiveSink(path, dead)
    put(sink, 1, 1)
    path.rename(path.with_name("old"))
    with pytest.raises(Fenced):
        put(sink, 2, 2)
    path.write_text("")
    with pytest.raises(Fenced):
        sink.commit(2, {})
    sink.close()
    assert numbers_in(path.with_name("old")) == [1]


def test_file_of_dead_letters_that_was_replaced(paths):
    path, dead = paths
    sink = FileLiveSink(path, dead)
    put(sink, 1, 1, dead=[1])
    dead.rename(dead.with_name("old"))
    with pytest.raises(Fenced, match="dead"):
        put(sink, 2, 2, dead=[2])
    sink.close()
    assert (numbers_in(path), numbers_in(dead.with_name("old"))) == ([1], [1])


@pytest.mark.parametrize("which", [0, 1])
def test_file_that_is_cut_while_it_is_written_to(paths, which):
    sink = FileLiveSink(*paths)
    put(sink, 1, 1, dead=[1])
    os.truncate(paths[which], 3)
    with pytest.raises(SinkError, match="is 3 bytes long, and was 8"):
        put(sink, 2, 2, dead=[2])
    sink.close()
    assert paths[which].stat().st_size == 3


def test_a_commit_forces_all_of_it_to_the_disk_and_leaves_nothing_open(paths, monkeypatch):
    real, forced = os.fsync, []

    def note(descriptor):
        forced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        sizes[forced[-1]] = os.fstat(descriptor).st_size
        real(descriptor)

    sink, sizes = FileLiveSink(*paths), {}
    put(sink, 1, 1, dead=[1])
    monkeypatch.setattr(os, "fsync", note)
    before = open_below(paths[0].parent)
    put(sink, 2, 2, dead=[2, 3])
    assert before == open_below(paths[0].parent)
    record = paths[0].with_name("answers.jsonl.commit")
    assert forced == [str(path) for path in (*paths, f"{record}.new", record.parent)]
    for path, name in ((paths[0], paths[0]), (paths[1], paths[1]), (record, f"{record}.new")):
        assert sizes[str(name)] == path.stat().st_size > 0
    sink.close()


def test_a_commit_that_may_stand_is_not_taken_back(paths, monkeypatch):
    real = os.fsync

    def folder_fails(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    sink = FileLiveSink(*paths)
    put(sink, 1, 1, dead=[1])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", folder_fails)
        with pytest.raises(Unreachable, match="not known to be on the disk"):
            put(sink, 2, 2, dead=[2])
    sink.close()
    sink = FileLiveSink(*paths)
    assert (numbers_in(paths[0]), numbers_in(paths[1]), sink.committed()) == ([1, 2], [1, 2], 2)
    sink.close()


def test_place_of_the_record_cannot_be_written(paths):
    path, dead = paths
    sink = FileLiveSink(path, dead)
    put(sink, 1, 1, dead=[1])
    obstacle = path.with_name("answers.jsonl.commit.new")
    obstacle.mkdir()
    with pytest.raises(OSError, match="directory"):
        put(sink, 2, 2, dead=[2])
    assert (numbers_in(path), numbers_in(dead), sink.committed()) == ([1], [1], 1)
    obstacle.rmdir()
    sink.commit(2, {})
    assert (numbers_in(path), numbers_in(dead), sink.committed()) == ([1, 2], [1, 2], 2)
    sink.close()


def as_ordinary_user(do, folder):
    """Run `do` in a child that may not write everywhere, as root may; return its exit code."""
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setuid(65534)
        os._exit(do())
    except BaseException:
        traceback.print_exc()
        os._exit(99)


def test_folder_that_cannot_be_written_any_more():
    def commit_without_and_with_permission():
        sink = FileLiveSink(folder / "answers.jsonl", folder / "dead.jsonl")
        put(sink, 1, 1, dead=[1])
        folder.chmod(0o500)
        with pytest.raises(PermissionError):
            put(sink, 2, 2, dead=[2])
        found = numbers_in(folder / "answers.jsonl"), numbers_in(folder / "dead.jsonl")
        with pytest.raises(PermissionError):
            FileLiveSink(folder / "other.jsonl")
        folder.chmod(0o700)
        sink.commit(2, {})
        return 0 if found == ([1], [1]) and numbers_in(folder / "answers.jsonl") == [1, 2] else 1

    # The folders above that of `tmp_path` are closed to others.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert as_ordinary_user(commit_without_and_with_permission, folder) == 0


def test_files_are_looked_at_without_being_touched(paths):
    path, dead = paths
    refuse_unfit_files(path, dead)
    assert list(path.parent.iterdir()) == []
    path.touch()
    refuse_unfit_files(path, dead)
    path.write_text("of somebody else")
    with pytest.raises(SinkError, match="holds something"):
        refuse_unfit_files(path, dead)
    path.write_text("")
    sink = FileLiveSink(*paths)
    put(sink, 1, 1, dead=[1])
    refuse_unfit_files(path, dead)
    put(sink, 2, 2, dead=[2])
    sink.close()
    for none in ((path.parent / "none" / "a", None), (path, path.parent / "none" / "a")):
        with pytest.raises(FileNotFoundError):
            refuse_unfit_files(*none)
    assert (numbers_in(path), numbers_in(dead)) == ([1, 2], [1, 2])


def test_a_folder_where_no_file_can_be_made_is_told_before_one_is_needed():
    def look():
        refuse_unfit_files(folder / "answers.jsonl", None)
        folder.chmod(0o500)
        with pytest.raises(PermissionError, match=r"answers\.jsonl"):
            refuse_unfit_files(folder / "answers.jsonl", None)
        folder.chmod(0o700)
        return 0

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert as_ordinary_user(look, folder) == 0


FULL = """
import json, resource, sys
from streams.live_sinks import FileLiveSink
sink = FileLiveSink(sys.argv[1])
sink.begin(); sink.write({"n": 1}); sink.commit(1, {})
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
sink.begin()
for n in range(2, 3000):
    sink.write({"n": n})
try:
    sink.commit(2, {})
except OSError as error:
    print(type(error).__name__, error.filename == sys.argv[1], sink.committed(), open(sys.argv[1]).read().split())
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
sink.commit(2, {})
print(sink.committed())
"""


def test_full_disk_loses_nothing(paths):
    answer = subprocess.run([sys.executable, "-c", FULL, paths[0]], capture_output=True, text=True, timeout=60)
    assert answer.stdout.splitlines() == ["""OSError True 1 ['{"n":1}']""", "2"], answer.stderr
    assert numbers_in(paths[0]) == list(range(1, 3000))
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 10_000


WRITER = """
import sys
from streams.live_sinks import FileLiveSink
sink = FileLiveSink(sys.argv[1], sys.argv[2])
n = sink.committed() or 0
print("ready", flush=True)
while True:
    sink.begin()
    for _ in range(50):
        n += 1
        (sink.write_dead if n % 10 == 0 else sink.write)({"n": n})
    sink.commit(n, {})
"""

KILLED_IN_COMMIT = """
import os, signal, sys
from streams import live_sinks
sink = live_sinks.FileLiveSink(sys.argv[1], sys.argv[2])
sink.begin(); sink.write({"n": 1}); sink.write_dead({"n": 2}); sink.commit(2, {})
steps = {"fsync": os.fsync, "replace": os.replace}
left = int(sys.argv[4])
def step(*arguments):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return steps[sys.argv[3]](*arguments)
setattr(os, sys.argv[3], step)
sink.begin(); sink.write({"n": 3}); sink.write_dead({"n": 4}); sink.commit(4, {})
"""


@pytest.mark.parametrize(("call", "before", "survives"), [
    ("fsync", 0, False), ("fsync", 1, False), ("fsync", 2, False), ("replace", 0, False), ("fsync", 3, True),
])
def test_killed_at_each_step_of_a_commit(paths, call, before, survives):
    arguments = [sys.executable, "-c", KILLED_IN_COMMIT, *paths, call, str(before)]
    assert subprocess.run(arguments, timeout=60).returncode == -signal.SIGKILL
    sink = FileLiveSink(*paths)
    assert sink.committed() == (4 if survives else 2)
    assert (numbers_in(paths[0]), numbers_in(paths[1])) == (([1, 3], [2, 4]) if survives else ([1], [2]))
    put(sink, 6, 5, dead=[6])
    assert numbers_in(paths[0])[-1] == 5
    sink.close()


def test_killed_at_any_moment_nothing_is_lost_or_doubled(paths):
    for round_ in range(6):
        child = subprocess.Popen([sys.executable, "-c", WRITER, *paths], stdout=subprocess.PIPE)
        assert child.stdout.readline() == b"ready\n"
        try:
            child.wait(timeout=0.03 + 0.017 * round_)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        child.stdout.close()
    sink = FileLiveSink(*paths)
    number = sink.committed()
    assert number > 0
    assert sorted(numbers_in(paths[0]) + numbers_in(paths[1])) == list(range(1, number + 1))
    sink.close()


# Standard output -----------------------------------------------------------------------------------------------------


def test_standard_output_gets_committed_records_only(paths):
    read, write = os.pipe()
    paths[1].write_text('{"n":7}\n')
    sink = StandardOutputSink(write, paths[1])
    for misuse in (lambda: sink.write({"n": 0}), lambda: sink.write_dead({"n": 0}), lambda: sink.commit(1, {})):
        with pytest.raises(RuntimeError, match="no transaction"):
            misuse()
    sink.begin()
    sink.write({"n": 1})
    sink.write_dead({"n": 1})
    sink.abort()
    put(sink, 2, 2, dead=[9])
    put(sink, 3, 3, dead=[8])
    descriptor = sink._dead
    sink.close()
    sink.close()
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(descriptor)
    os.close(write)
    assert numbers_in(paths[1]) == [7, 9, 8]
    assert os.read(read, 1000) == b'{"n":2}\n{"n":3}\n'
    assert sink.committed() is None
    os.close(read)


def test_reader_of_standard_output_has_gone():
    read, write = os.pipe()
    os.close(read)
    sink = StandardOutputSink(write)
    with pytest.raises(SinkError, match="standard output"):
        put(sink, 1, 1)
    os.close(write)


def test_standard_output_that_takes_nothing_for_now():
    with open("/dev/full", "wb") as full, pytest.raises(Unreachable, match="No space left"):
        put(StandardOutputSink(full.fileno()), 1, 1)


def test_writing_to_a_full_pipe_waits_for_its_reader():
    read, write = os.pipe()
    os.set_blocking(write, False)
    sink = StandardOutputSink(write)
    sink.begin()
    for number in range(20_000):
        sink.write({"n": number})
    parts = []
    reader = threading.Thread(target=lambda: parts.extend(iter(lambda: os.read(read, 1 << 16), b"")))
    reader.start()
    sink.commit(1, {})
    os.close(write)
    reader.join()
    os.close(read)
    assert [json.loads(line)["n"] for line in b"".join(parts).splitlines()] == list(range(20_000))
