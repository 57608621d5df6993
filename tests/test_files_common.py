"""What holds for files of every format: opening, damage, resuming, memory, and sources made of other sources."""

import bz2
import gzip
import io
import itertools
import json
import lzma
import tracemalloc
import zipfile

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from streams import lines
from streams.cells import label_positions, picker
from streams.errors import MalformedEvent, SourceError
from streams.event import Event, Sink, Source
from streams.files import FORMATS, JsonLinesSink, MemorySource, format_of, limited, open_source, shuffled

any_example = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

# Of each format that has lines: what stands first, a good row with {} for its number, a row of a kind that is
# malformed, one that is no row, and what the source is to be told.
TEXTS = {
    "t.arff": ("@relation 'r: -C 1'\n@attribute l {0,1}\n@attribute a numeric\n@data\n", "1,{}\n", "1\n", "%\n", {}),
    "sparse.arff": ("@relation '-C 1'\n@attribute l {0,1}\n@attribute a real\n@data\n", "{{1 {}}}\n", "{1\n", "\n", {}),
    "t.csv": ("a,l\n", '{},"1"\n', "x\n", "\n", {"labels": -1}),
    "long.csv": ("a,b,l\n", '{},"two\n""lines""",1\n', '1,"x,1\n', "\n", {"labels": -1}),
    "t.tsv": ("a\tl,m\n", "{}\t1\n", "x\n", "\r\n", {"labels": -1}),
    "t.jsonl": ("", '{{"x":{{"a":{}}}}}\n', '{"x":1}\n', "\n", {}),
    "t.svm": ("", "1 1:{}\n", "1 1 1:1\n", "#\n", {}),
}


def write(tmp_path, name, text):
    path = tmp_path / name
    raw = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") and not raw.startswith(b"\x1f\x8b") else raw)
    return path


def read(path, **options):
    with open_source(path, **options) as source:
        return list(source)


@any_example
@given(st.sampled_from(sorted(TEXTS)), st.booleans(), st.text("gmn", max_size=12), st.data())
def test_a_source_goes_on_after_its_snapshot(tmp_path, name, packed, kinds, data):
    head, good, malformed, nothing, options = TEXTS[name]
    numbers = itertools.count(1)
    body = "".join(good.format(next(numbers)) if kind == "g" else malformed if kind == "m" else nothing for kind in kinds)
    text = head + body
    if data.draw(st.booleans()):
        text = text.removesuffix("\n")
    assume(text)
    path = write(tmp_path, name + ".gz" * packed, text)
    with open_source(path, on_error="skip", **options) as source:
        events = list(source)
        assert source.n_malformed == kinds.count("m")
    assert len(events) == kinds.count("g")
    taken = data.draw(st.integers(0, len(events)))
    with open_source(path, on_error="skip", **options) as source:
        assert list(itertools.islice(source, taken)) == events[:taken]
        position = json.loads(json.dumps(source.snapshot()))
        if taken:
            assert events[taken - 1].position == position
        rest = data.draw(st.booleans())
        assert not rest or list(source) == events[taken:]
    with open_source(path, on_error="skip", start=position, **options) as source:
        assert source.snapshot() == position
        assert list(source) == events[taken:]
        end = source.snapshot()
    with open_source(path, start=end, **options) as source:
        assert list(source) == []


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("packed", [False, True])
def test_a_malformed_row_is_reported_where_it_stands(tmp_path, name, packed):
    head, good, malformed, nothing, options = TEXTS[name]
    text = head + good.format(1) + nothing + malformed + good.format(2)
    line = (head + good.format(1) + nothing).count("\n") + 1
    path = write(tmp_path, name + ".gz" * packed, text)
    source = open_source(path, **options)
    with pytest.raises(MalformedEvent) as caught:
        list(source)
    assert (caught.value.file, caught.value.line, caught.value.raw) == (str(path), line, malformed.encode())
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert source.snapshot() == line
    with open_source(path, start=line, **options) as source:
        assert len(list(source)) == 1
    seen = []
    with open_source(path, on_error=seen.append, **options) as source:
        assert len(list(source)) == 2
    assert [(error.line, error.code) for error in seen] == [(line, caught.value.code)]


@pytest.mark.parametrize("packing", [gzip, bz2, lzma], ids=["gzip", "bzip2", "xz"])
@pytest.mark.parametrize("name", TEXTS)
def test_a_compressed_file_that_is_cut_off_is_noticed(tmp_path, name, packing):
    head, good, _, _, options = TEXTS[name]
    full = packing.compress((head + "".join(good.format(n * 7919 % 1000) for n in range(3000))).encode())
    for size in (10, 20, len(full) // 2, len(full) - 9, len(full) - 1):
        path = write(tmp_path, name + ".xz", full[:size])
        with pytest.raises(SourceError, match=r"cut off after line \d+") as caught:
            read(path, on_error="skip", **options)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    # What is damaged in the middle may first be read as a header that is none.
    for place, message in ((len(full) // 2, None), (-3, r"damaged after line \d+")):
        damaged = bytearray(full)
        damaged[place] ^= 0xFF
        path = write(tmp_path, name + ".xz", bytes(damaged))
        with pytest.raises(SourceError, match=message):
            read(path, on_error="skip", **options)


@pytest.mark.parametrize("name", TEXTS)
def test_lines_that_end_in_cr_alone_are_told(tmp_path, name):
    head, good, _, _, options = TEXTS[name]
    path = write(tmp_path, name, (head + good.format(1) + good.format(2)).replace("\n", "\r"))
    with pytest.raises(SourceError, match="lines end in CR alone"):
        read(path, **options)


def test_a_cr_behind_the_one_line_is_its_end(tmp_path):
    (event,) = read(write(tmp_path, "t.svm", "1 2:3\r"))
    assert (event.x, event.y) == ({"2": 3.0}, {"1"})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
@pytest.mark.parametrize("name", TEXTS)
def test_text_that_is_not_utf_8_is_told(tmp_path, name, encoding):
    head, good, _, _, options = TEXTS[name]
    path = write(tmp_path, name, (head + good.format(1)).encode(encoding))
    named = {"utf-16": "this is UTF-16;", "utf-32": "this is UTF-32;"}
    with pytest.raises(SourceError, match=named.get(encoding, "no text, or in an encoding as UTF-16; convert it to UTF-8")):
        read(path, **options)


def test_what_follows_a_gzip_file_is_damage(tmp_path):
    path = write(tmp_path, "t.jsonl.gz", gzip.compress(b'{"x":{}}\n') + b"more")
    with pytest.raises(SourceError, match="damaged after line 1: behind the compressed data stand other bytes"):
        read(path)


@pytest.mark.parametrize("text", ["[\n", "[{\n", '[{"x":{}},{"x":{}}]', "{\n"])
def test_json_that_is_no_json_lines_is_told_so(tmp_path, text):
    with pytest.raises(MalformedEvent, match=r"t\.jsonl:1: .*; each line has to be one event, from { to }"):
        read(write(tmp_path, "t.jsonl", text))


@pytest.mark.parametrize("name", [*TEXTS, "t.parquet"])
def test_files_that_cannot_be_opened(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=name):
        open_source(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(IsADirectoryError, match=name):
        open_source(tmp_path / name)
    for raw in (b"", gzip.compress(b"")):
        path = write(tmp_path, "empty" + name, raw)
        if raw == b"" or not name.endswith("parquet"):
            with pytest.raises(SourceError, match=f"empty{name}: the file is empty"):
                open_source(path)


@pytest.mark.parametrize("name", TEXTS)
def test_packed_is_seen_from_the_bytes_not_the_name(tmp_path, name):
    head, good, _, _, options = TEXTS[name]
    text = (head + good.format(1)).encode()
    parts = text[:20], text[20:]
    for file, raw in (
        (name, gzip.compress(text)),
        (name + ".gz", text),
        (name + ".GZ", b"".join(map(gzip.compress, parts))),
        (name + ".bz2", b"".join(map(bz2.compress, parts))),
        (name + ".XZ", b"".join(map(lzma.compress, parts))),
        (name + ".bz2", text),
    ):
        path = tmp_path / file
        path.write_bytes(raw)
        with open_source(path, **options) as source:
            assert len(list(source)) == 1


@pytest.mark.parametrize("name", TEXTS)
def test_archives_are_told(tmp_path, name):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(name, "".join(TEXTS[name][:2]))
    for raw, kind in (
        (archive.getvalue(), "zip"),
        (b"Rar!\x1a\x07\x00\xcf\x90s", "RAR"),
        (b"7z\xbc\xaf'\x1c\0\4", "7z"),
        (b"(\xb5/\xfd$\0", "Zstandard"),
    ):
        for told in (raw, gzip.compress(raw)):
            with pytest.raises(SourceError, match=f"{name}: this is a {kind} archive; unpack it"):
                read(write(tmp_path, name, told), **TEXTS[name][-1])


def test_formats():
    assert [format_of(f"A.SVM{packed}") for packed in (".gz", ".BZ2", ".xz")] == ["libsvm"] * 3
    assert {format_of(f"a.b.{name}") for name in ("arff", "csv", "jsonl", "libsvm", "parquet", "xmc")} == set(FORMATS)
    for name in ("a", "a.gz", "a.xls", ".arff", "arff"):
        with pytest.raises(SourceError, match="the name tells no format; give one of arff, csv"):
            format_of(name)
    with pytest.raises(SourceError, match="unknown format 'xls'; there are arff, csv"):
        open_source("a.arff", format="xls")


@pytest.mark.parametrize("options", [{"on_error": "ignore"}, {"on_error": None}, {"start": -1}, {"start": "3"}])
def test_options_that_cannot_be(tmp_path, options):
    path = write(tmp_path, "t.jsonl", '{"x":{}}\n')
    with pytest.raises(ValueError, match=next(iter(options))):
        open_source(path, **options)
    with pytest.raises(TypeError, match="colour"):
        open_source(path, colour=1)


def test_a_start_behind_the_end_is_an_error(tmp_path):
    path = write(tmp_path, "t.jsonl", '{"x":{}}\n')
    with pytest.raises(SourceError, match="goes on after line 2, but there are only 1"):
        open_source(path, start=2)


def test_a_source_is_one_cursor(tmp_path):
    path = write(tmp_path, "t.jsonl", '{"x":{"a":1}}\n' * 3)
    source = open_source(path)
    assert isinstance(source, Source)
    assert len(list(itertools.islice(source, 1))) == 1
    assert len(list(source)) == 2
    assert list(source) == []
    source.close()
    source.close()
    with pytest.raises(ValueError, match=r"t\.jsonl: the source is closed"):
        iter(source)
    with JsonLinesSink(path) as sink:
        assert isinstance(sink, Sink)


def test_an_exception_in_on_error_ends_the_loop(tmp_path):
    def refuse(error):
        raise KeyError(error.line)

    path = write(tmp_path, "t.jsonl", "{\n")
    with open_source(path, on_error=refuse) as source, pytest.raises(KeyError):
        list(source)


def test_a_line_longer_than_memory_allows(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 100)
    path = write(tmp_path, "t.jsonl", '{"x":{}}\n' + " " * 200)
    with pytest.raises(SourceError, match=r"t\.jsonl:2: a line of more than 100 bytes"):
        read(path)


LONG = {
    "t.csv": ("a,b,l\n", "{},'{}',1\n", {"labels": -1}),
    "quoted.csv": ("a,b,l\n", '{},"{}\n",1\n', {"labels": -1}),
    "t.arff": ("@relation '-C 1'\n@attribute l {0,1}\n@attribute a numeric\n@data\n", "1,{} % {}\n", {}),
    "sparse.arff": ("@relation '-C 1'\n@attribute l {0,1}\n@attribute a numeric\n@data\n", "{{1 {}}}% {}\n", {}),
    "t.jsonl": ("", '{{"x":{{"a":{},"b":"{}"}}}}\n', {}),
    "t.svm": ("", "1,2 {}:1 # {}\n", {}),
}


@pytest.mark.parametrize("name", [*LONG, "t.csv.gz", "t.parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path, name):
    path = tmp_path / name
    n_rows, long = 10_000, "x" * 500
    if name == "t.parquet":
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        table = pyarrow.table({"a": [f"{n}{long}" for n in range(n_rows)], "l": [1] * n_rows})
        parquet.write_table(table, path, row_group_size=1000)
        options = {"labels": -1}
    else:
        head, row, options = LONG[name.removesuffix(".gz")]
        write(tmp_path, name, head + "".join(row.format(n % 100, long) for n in range(n_rows)))
    with open_source(path, **options) as source:
        tracemalloc.start()
        try:
            count = sum(1 for _ in source)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert count == n_rows
    assert peak < n_rows * len(long) / 4


def test_shuffled_is_a_permutation_that_the_seed_fixes():
    events = [Event({"a": n}, frozenset(), str(n), position="elsewhere") for n in range(50)]
    one, same, other = (list(shuffled(events, seed)) for seed in (3, 3, 4))
    assert one == same
    assert [event.id for event in one] != [event.id for event in other]
    assert sorted(int(event.id) for event in one) == list(range(50))
    assert [event.position for event in one] == list(range(1, 51))
    for start in (0, 1, 49, 50):
        assert list(shuffled(events, 3, start=start)) == one[start:]
    with pytest.raises(SourceError, match="event 51 is asked for, and there are 50"):
        shuffled(events, 3, start=51)


def test_shuffled_keeps_labels_and_closes_its_source(tmp_path):
    head, good, _, _, options = TEXTS["t.csv"]
    path = write(tmp_path, "t.csv", head + good.format(1) * 5)
    inner = open_source(path, **options)
    with shuffled(inner, seed=0) as source:
        assert isinstance(source, Source)
        assert source.labels == ("l",)
        assert len(source) == len(list(source)) == source.snapshot() == 5
    with pytest.raises(ValueError, match="closed"):
        iter(inner)


def test_shuffled_closes_a_source_that_cannot_be_read_to_its_end(tmp_path):
    inner = open_source(write(tmp_path, "t.xmc", "2 3 2\n0 0:1\n0 1:1\n0 2:1\n"))
    with pytest.raises(SourceError, match="more rows than the 2 of the first line"):
        shuffled(inner, seed=0)
    with pytest.raises(ValueError, match="closed"):
        iter(inner)


@pytest.mark.parametrize("n", [0, 1, 4, 5, 6, 10**30])
def test_limited_stops_and_takes_nothing_more(n):
    inner = MemorySource([Event({"a": k}) for k in range(5)], labels=["x"])
    with limited(inner, n) as source:
        assert isinstance(source, Source)
        assert source.labels == ("x",)
        assert [event.x["a"] for event in source] == list(range(min(n, 5)))
        assert list(source) == []
        assert source.snapshot() == min(n, 5)
    assert len(list(inner)) == 5 - min(n, 5)


def test_limited_cannot_be_negative():
    with pytest.raises(ValueError, match="cannot be limited to -1"):
        limited(MemorySource([]), -1)


@given(st.lists(st.integers(0, 9), unique=True))
def test_picker(positions):
    cells = list("abcdefghij")
    picked = picker(positions)(cells)
    assert [picked] if isinstance(picked, str) else list(picked) == [cells[position] for position in positions]


@given(st.lists(st.text(), unique=True, max_size=6), st.integers(-6, 6))
def test_label_positions_by_number(names, n):
    if abs(n) > len(names):
        with pytest.raises(SourceError, match="labels are asked for"):
            label_positions(names, n)
    else:
        expected = names[:n] if n >= 0 else names[n:]
        assert [names[place] for place in label_positions(names, n)] == expected
        assert label_positions(names, expected) == label_positions(names, n)
