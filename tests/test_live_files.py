"""JSON lines as live sources: positions, reading again, growing and damaged files, pipes."""

import bz2
import contextlib
import gzip
import importlib
import json
import lzma
import os
import threading
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import SourceError
from streams.live_files import FileLiveSource, StandardInputSource
from streams.message import Gone


def drained(source):
    messages = []
    while not source.at_end:
        messages += source.poll(0.0)
    return [(message.offset, message.value) for message in messages]


@pytest.fixture(params=["plain", "gzip", "bz2", "lzma"])
def numbers(request, tmp_path):
    """Three thousand lines, every tenth of them blank."""
    lines = [b"" if number % 10 == 0 else b"%d" % number for number in range(3000)]
    text = b"\n".join(lines) + b"\n"
    path = tmp_path / "numbers.jsonl"
    path.write_bytes(text if request.param == "plain" else importlib.import_module(request.param).compress(text))
    return path


def expected(first=0, stop=3000):
    return [(number, b"%d" % number) for number in range(first, stop) if number % 10]


def test_all_lines_once_in_order(numbers):
    source = FileLiveSource(numbers)
    assert source.positions == {("numbers.jsonl", 0): 0}
    first = source.poll(0.0)
    assert len(first) == 1000
    assert source.positions == {("numbers.jsonl", 0): first[-1].offset + 1}
    assert [(message.offset, message.value) for message in first] + drained(source) == expected()
    assert source.positions == {("numbers.jsonl", 0): 3000}
    assert source.lag() == {("numbers.jsonl", 0): 0}
    source.close()
    source.close()


@pytest.mark.parametrize("number", [0, 1, 1110, 2999, 3000])
def test_goes_on_at_a_position(numbers, number):
    source = FileLiveSource(numbers)
    source.poll(0.0)
    source.seek({("numbers.jsonl", 0): number, ("elsewhere", 3): 7})
    assert source.positions == {("numbers.jsonl", 0): number}
    assert source.lag() == {("numbers.jsonl", 0): 3000 - number}
    assert drained(source) == expected(number)
    source.close()


def test_position_behind_the_end_is_refused_and_changes_nothing(numbers):
    source = FileLiveSource(numbers)
    source.poll(0.0)
    before = source.positions
    with pytest.raises(Gone, match="only 3000"):
        source.seek({("numbers.jsonl", 0): 3001})
    assert source.positions == before
    next_offset = next(iter(before.values()))
    assert drained(source) == expected(next_offset)
    source.close()


@pytest.mark.parametrize(("first", "stop"), [(0, 3000), (5, 5), (11, 12), (990, 2500), (2990, 3000), (10, 11)])
def test_span_reads_again_and_moves_nothing(numbers, first, stop):
    source = FileLiveSource(numbers)
    source.poll(0.0)
    before = source.positions
    again = [message for some in source.span(("numbers.jsonl", 0), first, stop) for message in some]
    assert [(message.offset, message.value) for message in again] == expected(first, stop)
    assert source.positions == before
    source.close()


def test_spans_one_after_another_read_the_file_once(numbers, monkeypatch):
    source = FileLiveSource(numbers)
    opened = []
    real = FileLiveSource._open
    monkeypatch.setattr(FileLiveSource, "_open", lambda self: (opened.append(self), real(self))[1])
    found = []
    for first, stop in ((0, 7), (7, 11), (11, 12), (12, 1500), (1500, 2990), (2990, 3000), (5, 8), (8, 21)):
        messages = [message for some in source.span(("numbers.jsonl", 0), first, stop) for message in some]
        found += [(message.offset, message.value) for message in messages]
    assert found == [*expected(), *expected(5, 21)]
    assert len(opened) == 2
    half_read = source.span(("numbers.jsonl", 0), 21, 3000)
    next(half_read)
    half_read.close()
    assert [message.offset for some in source.span(("numbers.jsonl", 0), 21, 25) for message in some] == [21, 22, 23, 24]
    source.close()
    assert all(one._file.closed for one in opened)


def test_span_of_what_is_not_there(numbers):
    source = FileLiveSource(numbers)
    for partition, stop in ((("numbers.jsonl", 0), 3001), (("numbers.jsonl", 1), 2), (("other", 0), 2)):
        with pytest.raises(Gone):
            list(source.span(partition, 0, stop))
    source.close()


def test_growing_file_is_followed_line_by_line(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"x": 1}\n{"x"')
    source = FileLiveSource(path, follow=True)
    with path.open("ab", buffering=0) as file:
        assert [message.value for message in source.poll(0.0)] == [b'{"x": 1}']
        assert source.lag() == {("log.jsonl", 0): 0}
        assert source.poll(0.0) == []
        file.write(b": 2}\n\n{")
        assert source.lag() == {("log.jsonl", 0): 2}
        assert [(message.offset, message.value) for message in source.poll(5.0)] == [(1, b'{"x": 2}')]
        assert source.positions == {("log.jsonl", 0): 3}
        later = threading.Timer(0.1, file.write, [b"}\n"])
        later.start()
        assert [(message.offset, message.value) for message in source.poll(60.0)] == [(3, b"{}")]
        later.join()
    assert not source.at_end
    source.seek({("log.jsonl", 0): 1})
    assert [message.offset for message in source.poll(0.0)] == [1, 3]
    with pytest.raises(Gone):
        source.seek({("log.jsonl", 0): 5})
    source.close()


def test_file_that_is_cut_or_replaced_while_it_is_followed(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"{}\n{}\n")
    source = FileLiveSource(path, follow=True)
    assert len(source.poll(0.0)) == 2
    os.truncate(path, 3)
    with pytest.raises(Gone, match="cut"):
        source.poll(0.0)
    path.rename(tmp_path / "log.1")
    with pytest.raises(Gone, match="not there"):
        source.poll(0.0)
    path.write_bytes(b"{}\n{}\n{}\n")
    with pytest.raises(Gone, match="another file"):
        source.poll(0.0)
    source.close()


def test_file_that_is_written_anew_while_it_is_followed_is_no_longer_the_one_that_was_read(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"n": 1}\n')
    with contextlib.closing(FileLiveSource(path, follow=True)) as source:
        assert len(source.poll(0.0)) == 1
        assert source.poll(0.0) == []
        with path.open("ab") as file:
            file.write(b'{"n": 2}\n')
        assert len(source.poll(0.0)) == 1
        assert source.poll(0.0) == []
        path.write_bytes(b'{"n": 3}\n{"n": 4}\n{"n": 5}\n')
        with pytest.raises(Gone, match="its first 18 bytes are others"):
            source.poll(0.0)


def test_file_that_is_cut_while_it_is_read_does_not_end_there(tmp_path):
    path = tmp_path / "long.jsonl"
    path.write_bytes(b'{"x": {}}\n' * 100_000)
    with contextlib.closing(FileLiveSource(path)) as source:
        assert source.poll(1.0)
        os.truncate(path, 15)
        with pytest.raises(Gone, match="cut to 15 bytes"):
            drained(source)
        assert 1000 < source.positions["long.jsonl", 0] < 100_000
        assert not source.at_end


def test_file_that_never_tells_its_size_is_read_to_its_end():
    with contextlib.closing(FileLiveSource("/proc/self/status")) as source:
        lines = source.poll(0.0)
        assert lines[0].value.startswith(b"Name:")
        while more := source.poll(0.0):
            lines += more
        assert source.at_end


def test_line_too_long_is_cut_off_to_what_is_no_json(tmp_path):
    path = tmp_path / "long.jsonl"
    path.write_bytes(b"{}" + b" " * 5000 + b"\n" + b"[" * 600_000 + b'\n{"x": {}}\n')
    source = FileLiveSource(path, longest=1000)
    (_, first), (_, second), (_, third) = drained(source)
    assert third == b'{"x": {}}'
    for value in (first, second):
        assert len(value) < 5000
        assert value.endswith(b"too long")
    source.close()
    path.write_bytes(b"7" * 1000 + b"\n" + b"8" * 1001)
    with contextlib.closing(FileLiveSource(path, longest=1000)) as source:
        assert [len(value) for _, value in drained(source)] == [1000, 1001 + len(b" ... cut off: the line is too long")]


def test_endless_line_does_not_fill_the_memory(tmp_path):
    path = tmp_path / "endless.jsonl"
    path.write_bytes(b" " * 30_000_000)
    source = FileLiveSource(path, longest=1000)
    tracemalloc.start()
    try:
        ((offset, _),) = drained(source)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert offset == 0
    assert peak < 5_000_000
    source.close()


def test_unfinished_line_of_a_growing_file_is_no_line_yet(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"{}\n{")
    source = FileLiveSource(path, follow=True)
    with pytest.raises(Gone):
        source.seek({("log.jsonl", 0): 3})
    source.seek({("log.jsonl", 0): 1})
    assert source.poll(0.0) == []
    os.truncate(path, 1)
    with pytest.raises(Gone, match="cut to 1 bytes, and 4 were read"):
        source.poll(0.0)
    source.close()


def test_a_last_line_that_was_taken_without_its_end_comes_no_second_time(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"1\n2")
    source = FileLiveSource(path)
    assert [value for _, value in drained(source)] == [b"1", b"2"]
    positions = source.positions
    source.close()
    source = FileLiveSource(path, follow=True)
    source.seek(positions)
    assert (source.poll(0.0), source.positions, source.lag()) == ([], positions, {("log.jsonl", 0): 0})
    with path.open("ab") as file:
        file.write(b"\n3\n")
    assert [(message.offset, message.value) for message in source.poll(0.0)] == [(2, b"3")]
    source.close()


def test_what_was_taken_without_its_end_is_no_end_to_what_is_read_again(tmp_path):
    path, place = tmp_path / "log.jsonl", ("log.jsonl", 0)
    path.write_bytes(b"1\n2")
    with contextlib.closing(FileLiveSource(path, follow=True)) as source:
        assert [m.value for part in source.span(place, 0, 2) for m in part] == [b"1", b"2"]
        with path.open("ab") as file:
            file.write(b"\n3\n")
        assert [m.value for part in source.span(place, 2, 3) for m in part] == [b"3"]


def test_a_last_line_that_is_not_finished_is_left_for_later(tmp_path):
    path, place, told = tmp_path / "log.jsonl", ("log.jsonl", 0), []

    def read(start=None):
        with contextlib.closing(FileLiveSource(path, on_unfinished=told.append)) as source:
            if start is not None:
                source.seek({place: start})
            return [value for _, value in drained(source)], source.positions[place], source.at_end

    path.write_bytes(b'1\n\n{"x": {"a":')
    assert read() == ([b"1"], 2, True)
    assert read(2) == ([], 2, True)
    assert told == [2, 2]
    path.write_bytes(b'1\n\n{"x": {"a": 1}}\n3')
    assert read(2) == ([b'{"x": {"a": 1}}', b"3"], 4, True)
    assert read(4) == ([], 4, True)
    path.write_bytes(b'1\n\n{"x": {"a": 1}}\n3\n{"x')
    assert read(4) == ([], 4, True)
    assert read(1) == ([b'{"x": {"a": 1}}', b"3"], 4, True)
    assert told == [2, 2, 4, 4]
    path.write_bytes(b'1\n\n{"x": {"a": 1}}\n3\n{"x\n')
    assert read(4) == ([b'{"x'], 5, True)
    with pytest.raises(Gone, match="line 7 is asked for"):
        read(6)
    assert told == [2, 2, 4, 4]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (b'\xef\xbb\xbf{"x": {}}', [b'{"x": {}}']),
        (b"1\n \t", [b"1"]),
        (b"1\n2 \r", [b"1", b"2"]),
        (b'{"x": {"a": 1e999}}', [b'{"x": {"a": 1e999}}']),
        (b"[" * 5000 + b"]" * 5000, [b"[" * 5000 + b"]" * 5000]),
    ],
)
def test_a_last_line_that_is_whole_needs_no_end(tmp_path, text, values):
    path = tmp_path / "log.jsonl"
    path.write_bytes(text)
    with contextlib.closing(FileLiveSource(path, on_unfinished=pytest.fail)) as source:
        assert [value for _, value in drained(source)] == values
        assert source.lag() == {("log.jsonl", 0): 0}


def test_a_line_that_was_left_may_be_written_anew(tmp_path):
    path, begun = tmp_path / "log.jsonl", tmp_path / "source.json"
    for text, read, told in ((b'1\n{"a', 1, [1]), (b"1\n2\n", 2, [])):
        path.write_bytes(text)
        left = []
        with contextlib.closing(FileLiveSource(path, begun_path=begun, on_unfinished=left.append)) as source:
            assert (len(drained(source)), left) == (read, told)
    path.write_bytes(b'1\n{"a')
    with contextlib.closing(FileLiveSource(path, on_unfinished=pytest.fail)) as source:
        source.seek({("log.jsonl", 0): 2})  # as of a run that had taken the second line as it was
        assert drained(source) == []


@pytest.mark.parametrize(("packed", "n_bytes"), [(False, 4096), (True, None)])
def test_how_a_file_begins_is_written_down_once(tmp_path, packed, n_bytes):
    path, begun = tmp_path / "log.jsonl", tmp_path / "source.json"
    text = b"7\n" * 5000
    path.write_bytes(gzip.compress(text) if packed else text)
    with contextlib.closing(FileLiveSource(path, begun_path=begun)) as source:
        source.poll(0.0)
        kept, time = json.loads(begun.read_bytes()), begun.stat().st_mtime_ns
        assert len(drained(source)) == 4000
        assert begun.stat().st_mtime_ns == time
    assert kept["n_bytes"] == (n_bytes or path.stat().st_size)


@pytest.mark.parametrize("packed", [False, True])
def test_another_file_of_the_same_name_is_told_from_the_one_that_was_read(tmp_path, packed):
    path, begun = tmp_path / "log.jsonl", tmp_path / "source.json"

    def write(text):
        path.write_bytes(gzip.compress(text, mtime=0) if packed else text)

    def read():
        with contextlib.closing(FileLiveSource(path, begun_path=begun)) as source:
            return drained(source)

    text = b"".join(b"%d\n" % number for number in range(3000))
    write(text)
    assert len(read()) == 3000
    kept, time = begun.read_bytes(), begun.stat().st_mtime_ns
    assert len(read()) == 3000
    assert begun.stat().st_mtime_ns == time
    if not packed:
        write(text + b"4\n")
        assert len(read()) == 3001
    for other in (b"x" + text, text[:2000], b""):
        write(other)
        with pytest.raises(Gone, match="not the file that was read"):
            read()
    assert begun.read_bytes() == kept
    path.rename(tmp_path / "older.jsonl")
    path = tmp_path / "new.jsonl"
    write(b"1\n")
    assert read() == [(0, b"1")]
    begun.write_bytes(b"{}")
    with pytest.raises(SourceError, match="not what a source has written"):
        read()


def test_how_a_growing_file_begins_is_kept_as_it_grows(tmp_path):
    path, begun = tmp_path / "log.jsonl", tmp_path / "source.json"
    path.write_bytes(b"1\n")
    with contextlib.closing(FileLiveSource(path, follow=True, begun_path=begun)) as source:
        source.poll(0.0)
        with path.open("ab") as file:
            file.write(b"2\n")
        source.poll(0.0)
    path.write_bytes(b"1\n3\n")
    with pytest.raises(Gone, match="its first 4 bytes are others"):
        FileLiveSource(path, begun_path=begun)


def test_a_name_that_is_not_utf_8_is_named_in_ascii(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.jsonl")
    path.write_bytes(b"1\n")
    with contextlib.closing(FileLiveSource(path, begun_path=tmp_path / "source.json")) as source:
        assert source.poll(0.0)[0].topic == "\\xff.jsonl"
        assert source.positions == {("\\xff.jsonl", 0): 1}


def test_closed_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(SourceError, match="standard input is closed"):
        StandardInputSource()


@pytest.mark.parametrize("packing", [gzip, bz2, lzma], ids=lambda module: module.__name__)
def test_a_damaged_file_gives_what_is_sound_and_says_the_rest(tmp_path, packing):
    path = tmp_path / "cut"
    path.write_bytes(packing.compress(b"".join(b"%d\n" % (number * 7919 % 1_000_003) for number in range(200_000)))[:-20])
    source = FileLiveSource(path)
    found = []
    with pytest.raises(SourceError, match="cut off"):
        found.extend(iter(lambda: source.poll(0.0), []))
    assert sum(map(len, found)) > 1000
    assert source.lag() != {}
    source.close()


def replace(path, content):
    new = path.with_name("new")
    new.write_bytes(content)
    new.replace(path)


def test_the_beginning_that_is_kept_is_that_of_the_file_that_was_read(tmp_path):
    path, begun = tmp_path / "log.jsonl", tmp_path / "source.json"
    path.write_bytes(b"1\n2\n")
    with contextlib.closing(FileLiveSource(path, follow=True, begun_path=begun)) as source:
        assert len(source.poll(0.0)) == 2
        with path.open("ab") as file:
            file.write(b"3\n4\n")
        replace(path, b"a\nb\nc\nd\ne\n")
        assert len(source.poll(0.0)) == 2
        with pytest.raises(Gone, match="another file"):
            source.poll(0.0)
    with pytest.raises(Gone, match="its first 8 bytes are others"):
        FileLiveSource(path, follow=True, begun_path=begun)


def test_after_a_seek_the_file_is_read_as_what_it_is_by_now(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"1\n" * 500)
    with contextlib.closing(FileLiveSource(path)) as source:
        assert source.lag() == {("log.jsonl", 0): 500}
        replace(path, gzip.compress(b"1\n" * 900))
        source.seek({("log.jsonl", 0): 100})
        assert source.lag() == {("log.jsonl", 0): 800}
        assert len(drained(source)) == 800


def test_lines_are_read_again_in_the_file_that_was_read_alone(tmp_path):
    path, begun = tmp_path / "log.jsonl", tmp_path / "source.json"
    path.write_bytes(b"1\n2\n3\n")
    with contextlib.closing(FileLiveSource(path, begun_path=begun)) as source:
        assert len(source.poll(0.0)) == 3
        replace(path, b"a\nb\nc\n")
        for again in (lambda: source.seek({("log.jsonl", 0): 1}), lambda: list(source.span(("log.jsonl", 0), 0, 2))):
            with pytest.raises(Gone, match="its first 6 bytes are others"):
                again()


@pytest.mark.parametrize("follower", [None, "file", "folder"])
def test_a_file_that_has_lost_its_name_is_read_to_its_end(numbers, follower):
    with contextlib.closing(FileLiveSource(numbers)) as source:
        first = [(message.offset, message.value) for message in source.poll(0.0)]
        before = source.lag()
        numbers.unlink()
        if follower == "folder":
            numbers.mkdir()
        elif follower == "file":
            numbers.write_bytes(b"")
        assert source.lag() == before
        assert first + drained(source) == expected()
        assert source.lag() == {("numbers.jsonl", 0): 0}


@pytest.mark.parametrize(("place", "value"), [(10, 7), (-8, 0)], ids=["kind of block", "checksum"])
def test_a_damaged_gzip_file_is_told_as_such(tmp_path, place, value):
    packed = bytearray(gzip.compress(b"1\n2\n"))
    assert packed[place] != value
    packed[place] = value
    path = tmp_path / "damaged.gz"
    path.write_bytes(packed)
    with contextlib.closing(FileLiveSource(path)) as source:
        with pytest.raises(SourceError, match="after line 0: damaged"):
            source.poll(0.0)
        assert source.lag() == {("damaged.gz", 0): 0}


def test_what_is_no_file_to_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        FileLiveSource(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(SourceError, match="not a regular file"):
            FileLiveSource(path)
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"{}\n"))
    with pytest.raises(SourceError, match="followed"):
        FileLiveSource(tmp_path / "a.gz", follow=True)
    (tmp_path / "a").write_bytes(b"")
    source = FileLiveSource(tmp_path / "a")
    assert drained(source) == []
    source.close()
    with pytest.raises(ValueError, match="closed"):
        source.poll(0.0)


@settings(deadline=None)
@given(lines=st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line)), ends=st.booleans(), at=st.integers(0, 99))
def test_any_bytes(tmp_path_factory, lines, ends, at):
    path = tmp_path_factory.mktemp("any") / "any"
    # What begins like gzip is read as gzip.
    path.write_bytes(b"#\n" + b"\n".join(lines) + b"\n" * (ends and bool(lines)))
    wanted = [(0, b"#")] + [
        (number, line.strip(b" \t\r")) for number, line in enumerate(lines, 1) if line.strip(b" \t\r")
    ]
    source = FileLiveSource(path)
    n_lines = next(iter(source.lag().values()))
    assert drained(source) == wanted
    assert source.positions == {("any", 0): n_lines}
    at = min(at, n_lines)
    source.seek({("any", 0): at})
    assert drained(source) == [message for message in wanted if message[0] >= at]
    source.close()


def test_byte_order_mark_and_other_line_ends(tmp_path):
    path = tmp_path / "windows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf{}\r\n\r\n\xef\xbb\xbf{}")
    source = FileLiveSource(path)
    assert drained(source) == [(0, b"{}"), (2, b"\xef\xbb\xbf{}")]
    source.close()


# Standard input ------------------------------------------------------------------------------------------------------


@pytest.fixture
def pipe():
    read, write = os.pipe()
    ends = {read, write}

    def close(descriptor):
        ends.discard(descriptor)
        os.close(descriptor)

    yield read, write, close
    for descriptor in ends:
        os.close(descriptor)


def test_pipe_gives_whole_lines_as_they_come(pipe):
    read, write, close = pipe
    source = StandardInputSource(read)
    assert source.poll(0.05) == []
    os.write(write, b"1\n\n2\n3")
    assert [(message.offset, message.value) for message in source.poll(5.0)] == [(0, b"1"), (2, b"2")]
    assert source.positions == {("-", 0): 3}
    close(write)
    assert [message.value for message in source.poll(5.0)] == [b"3"]
    assert source.at_end
    assert source.positions == {("-", 0): 4}
    assert source.poll(5.0) == []
    source.close()
    assert os.read(read, 1) == b""


def test_pipe_is_not_read_again(pipe):
    read, write, _ = pipe
    source = StandardInputSource(read)
    source.seek({("-", 0): 500})
    os.write(write, b"1\n2\n")
    assert [message.offset for message in source.poll(5.0)] == [500, 501]
    assert source.positions == {("-", 0): 502}
    source.seek({("-", 0): 502})
    with pytest.raises(Gone):
        source.seek({("-", 0): 500})
    with pytest.raises(Gone):
        source.span(("-", 0), 500, 501)
    assert list(source.span(("-", 0), 500, 500)) == []


def test_pipe_holds_back_its_writer(pipe):
    read, write, _ = pipe
    os.set_blocking(write, False)
    source = StandardInputSource(read)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, b"{}\n" * 1000)
    assert len(source.poll(5.0)) == 1000
    assert source.lag()[("-", 0)] < 1 << 18


def test_the_lines_of_another_file_that_has_taken_the_name_are_not_counted(tmp_path):
    path, other = tmp_path / "log.jsonl", tmp_path / "other.jsonl"
    path.write_bytes(b"{}\n" * 3000)
    other.write_bytes(b"{}\n" * 9000)
    with contextlib.closing(FileLiveSource(path)) as source:
        assert len(source.poll(1.0)) == 1000
        assert source.lag() == {("log.jsonl", 0): 2000}
        other.rename(path)
        assert source.lag() == {("log.jsonl", 0): 2000}
