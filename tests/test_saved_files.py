"""A model's file by itself: its checksum, its format, and that nothing stands in it beside the state."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from open_files import open_below

from benchmarks import file_damage
from ihomer.persistence import KINDS, ModelFileError, pack, unpack, write_file
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
