"""A model's file by itself: its checksum, its format, that nothing stands in it beside the state, and that all of this fits."""

import functools
import json
import os
import stat
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from open_files import open_below

from benchmarks import file_damage, fuzz_files
from ihomer import IHOMERClassifier
from ihomer.persistence import KINDS, ModelFileError, open_file, pack, pack_in_parts, save, unpack, write_file
from ihomer.saved.files import FORMAT


def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[Any] = []
    force, rename = os.fsync, os.replace

    def note_forced(descriptor: int) -> None:
        found = os.fstat(descriptor)
        steps.append("folder" if stat.S_ISDIR(found.st_mode) else found.st_size)
        force(descriptor)

    def note_renamed(old: Any, new: Any) -> None:
        steps.append(new.name)
        rename(old, new)

    monkeypatch.setattr(os, "fsync", note_forced)
    monkeypatch.setattr(os, "replace", note_renamed)
    write_file(tmp_path / "a", b"1" * 1000)
    assert steps == [1000, "a", "folder"]
    assert not open_below(tmp_path)


def test_a_file_in_parts_is_as_one_in_one_piece_and_is_not_there_if_a_part_fails(tmp_path: Path) -> None:
    write_file(tmp_path / "a", [b"12", memoryview(b""), memoryview(bytearray(b"345"))])
    assert (tmp_path / "a").read_bytes() == b"12345"
    with pytest.raises(BufferError):
        write_file(tmp_path / "a", [b"6", memoryview(np.arange(6).reshape(2, 3).T)])  # lies in no order that can be written
    assert (tmp_path / "a").read_bytes() == b"12345"
    assert os.listdir(tmp_path) == ["a"]


def test_nothing_large_is_copied_when_it_is_saved(tmp_path: Path) -> None:
    array = np.ones((1000, 5000))
    tracemalloc.start()
    try:
        save([array, "text"], tmp_path / "a")
        assert tracemalloc.get_traced_memory()[1] < array.nbytes / 10
    finally:
        tracemalloc.stop()
    assert unpack((tmp_path / "a").read_bytes(), KINDS)[0].sum() == 5_000_000


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (3,), (5, 7)])
def test_arrays_of_all_types_lie_where_the_library_of_the_format_finds_them(shape: tuple[int, ...]) -> None:
    dtypes = ("bool", "uint8", "int8", "int16", "int32", "uint32", "int64", "uint64", "float32", "float64")
    arrays = [np.random.default_rng(1).integers(0, 2, shape).astype(dtype) for dtype in dtypes]
    data = pack([*arrays, np.asfortranarray(np.arange(6.0).reshape(2, 3))], KINDS)
    found = sorted(safetensors.numpy.load(data).items())
    assert [array.dtype.name for _, array in found] == [*dtypes, "float64"]
    assert [array.tolist() for _, array in found] == [*(array.tolist() for array in arrays), [[0, 1, 2], [3, 4, 5]]]
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    begins = {name: tensor["data_offsets"][0] for name, tensor in header.items() if name != "__metadata__"}
    assert len(data[: 8 + int.from_bytes(data[:8], "little")]) % 8 == 0
    assert all(begins[name] % array.itemsize == 0 for name, array in found)


def test_every_cut_and_every_altered_byte_is_seen() -> None:
    data = pack([np.arange(5), "text", 1.5], KINDS)
    for i in range(len(data)):
        for altered in (data[:i], data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :]):
            with pytest.raises(ModelFileError):
                unpack(altered, KINDS)
    with pytest.raises(ModelFileError):
        unpack(data + b"\0", KINDS)


@pytest.mark.parametrize("number", [FORMAT + 1, FORMAT - 1])
def test_another_format_is_refused_by_its_number(number: int) -> None:
    data = pack([1], KINDS).replace(f'"ihomer":"{FORMAT} '.encode(), f'"ihomer":"{number:0{len(str(FORMAT))}d} '.encode())
    with pytest.raises(ModelFileError, match=f"format {number}"):
        unpack(file_damage.resealed(data), KINDS)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"ihomer":"0","state":1,"state":1}', "twice"), ('{"ihomer":"0","state":NaN}', "NaN"), ("[]", "state is missing"),
        ('{"ihomer":"0","state":1e999}', "out of range"), ('{"ihomer":"0","state":1,"more":1}', "state is missing"),
        ('{"state":1}', "state is missing"), ('{"ihomer":"0","state":{}}', "no single kind"),
    ],
)  # fmt: skip
def test_a_state_that_is_not_one_is_refused(text: str, reason: str) -> None:
    head, _, _ = file_damage.split(pack([1], KINDS))
    with pytest.raises(ModelFileError, match=reason):
        unpack(file_damage.joined(head, text, {}), KINDS)


def test_what_stands_in_a_file_beside_the_state_is_refused() -> None:
    head, body, arrays = file_damage.split(pack([np.arange(5)], KINDS))
    (name,) = arrays
    with pytest.raises(ModelFileError, match="arrays that belong to nothing"):
        unpack(file_damage.joined(head, body, {**arrays, "more": np.arange(2)}), KINDS)
    data = file_damage.joined(head, body, arrays)
    n_header = int.from_bytes(data[:8], "little")
    header, rest = data[8 : 8 + n_header].rstrip(), data[8 + n_header :]
    entry = json.dumps({name: json.loads(header)[name]}).encode()[1:-1]
    more_metadata = header.replace(b'"},', b'","more":"x"},', 1)
    for changed, reason in ((header[:-1] + b"," + entry + b"}", "twice"), (more_metadata, "metadata that belong to nothing")):
        assert changed != header
        with pytest.raises(ModelFileError, match=reason):
            unpack(file_damage.resealed(len(changed).to_bytes(8, "little") + changed + rest), KINDS)


def test_each_array_of_a_file_is_read_once_to_its_place(tmp_path: Path) -> None:
    array = np.arange(3_000_000.0)
    write_file(tmp_path / "arrays", pack_in_parts([array, array[:1000].copy()], KINDS))
    tracemalloc.start()
    try:
        with open_file(tmp_path / "arrays") as file:
            whole, part = unpack(file, KINDS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < array.nbytes + 3e6
    assert (whole == array).all()
    assert whole.flags.writeable
    assert (part == array[:1000]).all()


_TENSOR = {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ([{**_TENSOR, "dtype": "F16"}], "a type that is not known"),
        ([{**_TENSOR, "more": 1}], "a type that is not known"),
        ([{**_TENSOR, "shape": [3]}], "where the file has room"),
        ([{**_TENSOR, "shape": [1 << 40], "data_offsets": [0, 1 << 43]}], "where the file has room"),
        ([{**_TENSOR, "shape": [0, 1 << 62, 1 << 62], "data_offsets": [0, 0]}], "not hold a valid state|room"),
        ([{**_TENSOR, "shape": [1 << 70]}], "a shape or place"),
        ([{**_TENSOR, "shape": [-2], "data_offsets": [0, 16]}], "a shape or place"),
        ([{**_TENSOR, "shape": [2.0]}], "a shape or place"),
        ([{**_TENSOR, "shape": [True, 2]}], "a shape or place"),
        ([{**_TENSOR, "shape": [1] * 100 + [2]}], "a shape or place"),
        ([{**_TENSOR, "shape": [1], "data_offsets": [8, 16]}], "where the file has room"),
        ([{**_TENSOR, "shape": [1], "data_offsets": [0, 8]}], "bytes that belong to nothing"),
        ([_TENSOR, {**_TENSOR, "shape": [1], "data_offsets": [8, 16]}], "where the file has room"),
        ([_TENSOR, _TENSOR], "where the file has room"),
        ([{**_TENSOR, "data_offsets": [0]}], "not hold a valid state"),
        ([{**_TENSOR, "data_offsets": ["0", "16"]}], "a shape or place"),
        (["array"], "not hold a valid state"),
        ([{"dtype": "F64"}], "not hold a valid state"),
    ],
)
def test_a_header_whose_arrays_do_not_fill_the_file_is_refused(tensors: list[Any], told: str) -> None:
    data = pack([np.arange(2.0)], KINDS)
    n_header = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + n_header])
    (name,) = header.keys() - {"__metadata__"}
    changed = {"__metadata__": header["__metadata__"], **dict(zip((name, "another"), tensors, strict=False))}
    text = json.dumps(changed, separators=(",", ":")).encode()
    with pytest.raises(ModelFileError, match=told):
        unpack(file_damage.resealed(len(text).to_bytes(8, "little") + text + data[8 + n_header :]), KINDS)


@functools.cache
def parts_of_a_model() -> tuple[str, Any, dict[str, Any]]:
    model = IHOMERClassifier()
    for x, y in fuzz_files.events(120, 2):
        model.learn_one(x, y)
    return file_damage.split(pack(model, KINDS))


@pytest.mark.parametrize(("ending", "place", "number", "told"), [
    ("encoder._last_seen", 0, 121, "seen after the last event"), ("encoder.kind", 0, 1, "kind of a feature is wrong"),
    ("labels.order", 0, 3, "an index is not one name's"), ("counts.keys", 2, 7 << 32 | 7, "none of two known labels"),
    ("counts.keys", 2, 6 << 32 | 16, "none of two known labels"), ("counts.keys", 1, 6 << 32 | 7, "number of pairs is wrong"),
    ("counts.keys", 10, 6 << 32 | 7, "number of pairs is wrong"), ("counts.keys", 2, -1, "number of pairs is wrong"),
    ("counts.keys", 2, 1 << 32 | 9, "of pairs cannot be found"),
    ("counts.ring_row", (0, 1), 1025, "too long"), ("counts.scale", 0, 0.0, "too small"),
    ("counts.ring_label", 0, 10, "too large"), ("counts.detector", (0, 0), -1.0, "another width"),
    ("counts.detector", (0, 4), 0.5, "impossible buckets"), ("counts.detector", (0, 4), 9.0, "impossible buckets"),
    ("counts.detector", (0, 3), 0.5, "impossible number of updates"), ("counts.label_count", 0, np.inf, "not finite"),
    ("classifier.detector", (0, 0), -1.0, "another width"), ("clusters.cluster", 15, 0, "an index that no label had"),
    ("clusters.cluster", 9, -1, "a label has no cluster"), ("clusters.cluster", 0, 1, "not the leaves of the tree"),
    ("rehearsal._sizes", (1, 0), 17, "impossible sizes"), ("rehearsal._sizes", (1, 1), 3, "impossible sizes"),
    ("rehearsal._sizes", (1, 2), 5, "impossible sizes"), ("rehearsal._entry", (0, 0), -1, "unknown feature"),
    ("rehearsal._entry", (0, 0), 64, "unknown feature"), ("rehearsal._labels", (0, 0), 10, "unknown label"),
    ("rehearsal._entry_position", (0, 0), 1e9, "too large"), ("rehearsal._length", 0, 1e9, "too large"),
    ("rehearsal._strength", 0, np.inf, "too large"), ("neighbours._ring", (0, 0), 5, "in the wrong slot"),
    ("neighbours._ring", (127, 0), 0, "an empty slot"), ("neighbours._ring", (0, 1), -1, "impossible sizes"),
    ("neighbours._entry", (0, 0), 1, "rows with a feature is wrong"), ("neighbours._present", 0, 31, "is wrong"),
    ("neighbours._entry_value", (0, 0), -32768, "too small"), ("neighbours._link", (0, 0), 16, "leads nowhere"),
    ("neighbours._link", (0, 0), 128 << 12, "leads nowhere"), ("neighbours._head", 0, -2, "leads nowhere"),
    ("neighbours._column_of", 1, 9, "another one's"), ("neighbours._holder", 1, 0, "not its holder's"),
    ("neighbours._holder", 1, 64, "an unknown feature"), ("ridge._place_of", 0, 2, "not its holder's"),
    ("ridge._place_of", 40, 1, "another one's"), ("ridge._holder", 0, 1, "not in use"), ("ridge._holder", 40, 0, "not in use"),
    ("ridge._hand", 0, 0, "impossible"), ("ridge._hand", 0, 66, "impossible"), ("ridge._hand", 1, 34, "impossible"),
    ("decoder._header", 2, 300, "too many labelsets"), ("decoder._header", 2, 54, "do not follow each other"),
    ("decoder._ends", 0, 1, "do not follow each other"), ("decoder._ends", 1, 9, "do not follow each other"),
    ("decoder._pool", 0, 12, "unknown label"), ("decoder._pool", 1, 4, "does not rise"),
    ("decoder._hashes", 0, 1, "wrong hash"),
    ("decoder._table", 1, 17, "lists other"), ("decoder._last_seen", 0, 121, "after the last event"),
    ("decoder._stats", (0, 0), 0.0, "less than never"), ("decoder._total_count", 0, 105.0, "another total"),
    ("decoder._latest", 0, 26, "too large"), ("scale._sums", (0, 0), -1.0, "less than never"),
    ("scale._sums", (0, 0), 121.0, "more often than there were events"),
])  # fmt: skip
def test_what_does_not_fit_is_told(ending: str, place: Any, number: Any, told: str) -> None:
    head, body, arrays = parts_of_a_model()
    name = next(name for name in arrays if name.lower().endswith(ending) and arrays[name].size)
    changed = arrays[name].copy()
    changed[place] = number
    with pytest.raises(ModelFileError, match=told):
        unpack(file_damage.joined(head, body, {**arrays, name: changed}), KINDS)


def test_an_entry_that_a_search_does_not_find_is_told() -> None:
    head, body, arrays = parts_of_a_model()
    for ending in ("decoder._table", "counts.keys"):
        name = next(name for name in arrays if name.endswith(ending))
        filled, empty = np.flatnonzero(arrays[name] != -1)[0], np.flatnonzero(arrays[name] == -1)
        changed = arrays[name].copy()
        changed[empty[np.argmax(empty > filled + 1)]], changed[filled] = changed[filled], -1
        with pytest.raises(ModelFileError, match="cannot be found"):
            unpack(file_damage.joined(head, body, {**arrays, name: changed}), KINDS)
