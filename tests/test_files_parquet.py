"""Parquet files."""

import builtins
import math
import sys
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from open_files import open_below

from streams.errors import MalformedEvent, SourceError
from streams.files import open_source
from streams.parquet import ParquetSource

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

any_example = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
KINDS = {
    "float64": st.floats(allow_nan=False, allow_infinity=False),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "string": texts,
}


def write(tmp_path, columns, **options):
    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table(columns), path, **options)
    return path


def read(path, **options):
    with ParquetSource(path, **options) as source:
        return list(source)


@any_example
@given(
    st.lists(texts.filter(bool), min_size=2, max_size=5, unique=True),
    st.integers(0, 40),
    st.integers(1, 15),
    st.data(),
)
def test_what_is_written_comes_back(tmp_path, names, n_rows, group, data):
    n_labels = data.draw(st.integers(0, len(names)))
    arrays = []
    for place in range(len(names)):
        kind = "bool" if place < n_labels else data.draw(st.sampled_from(sorted(KINDS)))
        cells = st.lists(st.none() | KINDS[kind], min_size=n_rows, max_size=n_rows)
        array = pyarrow.array(data.draw(cells), pyarrow.type_for_alias(kind))
        arrays.append(array.dictionary_encode() if kind == "string" and data.draw(st.booleans()) else array)
    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table(arrays, names=names), path, row_group_size=group)
    rows = list(zip(*(array.to_pylist() for array in arrays), strict=True))
    events = read(path, labels=n_labels)
    assert len(events) == len(rows)
    for event, row in zip(events, rows, strict=True):
        assert repr(event.x) == repr(dict(zip(names[n_labels:], row[n_labels:], strict=True)))
        truths = dict(zip(names, row[:n_labels], strict=False))
        complete = None not in truths.values()
        expected = {name for name, truth in truths.items() if truth} if complete else truths
        assert event.y == (expected if n_labels else None)
    assert [event.position for event in events] == list(range(1, n_rows + 1))
    start = data.draw(st.integers(0, n_rows))
    assert read(path, labels=n_labels, start=start) == events[start:]


@pytest.mark.parametrize(("bound", "number"), [("_MOST_ROWS", 7), ("_MOST_CELLS", 1)])
def test_pieces_smaller_than_row_groups(tmp_path, monkeypatch, bound, number):
    monkeypatch.setattr(f"streams.parquet.{bound}", number)
    path = write(tmp_path, {"a": range(50), "l": [1, 0] * 25}, row_group_size=20)
    events = read(path, labels=-1)
    assert [event.x["a"] for event in events] == list(range(50))
    for start in range(51):
        assert read(path, labels=-1, start=start) == events[start:]
    with pytest.raises(SourceError, match="row 51 is asked for, and there are 50"):
        read(path, labels=-1, start=51)


def test_a_source_that_has_come_to_its_end_gives_nothing_more_and_holds_no_file(tmp_path):
    path = write(tmp_path, {"x": [1.0, 2.0], "l": [1, 0]})
    with open_source(path, labels=-1) as source:
        assert (len(list(source)), list(source), source.snapshot()) == (2, [], 2)
        assert open_below(path) == []
    with pytest.raises(ValueError, match="the source is closed"):
        iter(source)


def test_one_column_of_lists(tmp_path):
    tags = [["a", "b", "a"], [], None, ["c", None], ["a"]]
    path = write(tmp_path, {"x": [1.5, math.nan, None, 1.0, math.inf], "tags": tags, "k": [7, 8, None, 1, 2]})
    errors = []
    events = read(path, label_column="tags", id_column="k", on_error=errors.append)
    assert [(event.x, event.y, event.id) for event in events] == [
        ({"x": 1.5}, {"a", "b"}, "7"),
        ({"x": None}, set(), "8"),
        ({"x": None}, None, None),
    ]
    path = str(path)
    assert [(error.code, error.file, error.row, error.line) for error in errors] == [
        ("label", path, 4, None),
        ("number", path, 5, None),
    ]
    with pytest.raises(MalformedEvent, match=r"t\.parquet, row 4: a label is null"):
        read(path, label_column="tags")


def test_one_column_of_lists_is_asked_for_as_any_label_is(tmp_path):
    path = write(tmp_path, {"x": [1.5, 2.5], "tags": [["a", "b"], []]})
    with open_source(path, labels=["tags"]) as source:
        assert source.labels == ()
        assert [(event.x, event.y) for event in source] == [({"x": 1.5}, {"a", "b"}), ({"x": 2.5}, set())]
    for labels in (["tags", "x"], -1):
        with pytest.raises(SourceError, match="column 'tags' is of type list"):
            read(path, labels=labels)
    with pytest.raises(SourceError, match="no column is named 'tag', asked for as a label"):
        read(path, labels=["tag"])


def test_lists_of_other_kinds(tmp_path):
    large = pyarrow.array([["a"], []], pyarrow.large_list(pyarrow.large_string()))
    coded = pyarrow.array([["a"], []], pyarrow.list_(pyarrow.dictionary(pyarrow.int8(), pyarrow.string())))
    for array in (large, coded):
        assert [event.y for event in read(write(tmp_path, {"t": array}), label_column="t")] == [{"a"}, set()]


def test_labels_of_many_kinds(tmp_path):
    columns = {"x": [0] * 5, "l": [0, 1, 1, 1, 0], "m": [1.0, 0.0, math.nan, 0.5, None], "n": ["yes", "0", "1", "1", "?"]}
    errors = []
    events = read(write(tmp_path, columns), labels=-3, on_error=errors.append)
    assert [event.y for event in events] == [{"m", "n"}, {"l"}, {"l": True, "m": None, "n": True}]
    assert [(error.code, error.row) for error in errors] == [("label", 4), ("label", 5)]


@pytest.mark.parametrize("weight", [0.0, -1.0, math.inf, math.nan, None])
def test_weights(tmp_path, weight):
    path = write(tmp_path, {"x": [1, 1], "w": [2.5, weight], "l": [1, 1]})
    errors = []
    (event,) = read(path, labels=["l"], weight_column="w", on_error=errors.append)
    assert (event.w, event.x) == (2.5, {"x": 1})
    assert [(error.code, error.row) for error in errors] == [("weight", 2)]


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"x": [1], "l": [1]}, {}, "nothing says which columns are labels"),
        ({"x": [1], "l": [1]}, {"labels": ["m"]}, "no column is named 'm'"),
        ({"x": [1], "l": [1]}, {"label_column": "m"}, "no column is named 'm'"),
        ({"x": [1], "l": [1]}, {"label_column": "l"}, "column 'l' is of type int64, not of lists"),
        ({"x": [1], "l": [[1]]}, {"label_column": "l"}, "not of lists of text"),
        ({"x": [1], "l": [[1]]}, {"labels": ["l"]}, "column 'l' is of type list<element: int64>, not of lists of text"),
        ({"x": [1], "l": pyarrow.array([0], pyarrow.timestamp("s"))}, {"labels": ["l"]}, "], no label"),
        ({"x": [1], "l": [["a"]]}, {"label_column": "l", "labels": 1}, "excludes"),
        ({"x": [1], "l": [["a"]]}, {"label_column": "l", "label_prefix": "x"}, "excludes"),
        ({"x": [[1.0]], "l": [1]}, {"labels": -1}, "column 'x' is of type list"),
        ({"x": [b"a"], "l": [1]}, {"labels": -1}, "column 'x' is of type binary"),
        ({"x": [{"a": 1}], "l": [1]}, {"labels": -1}, "column 'x' is of type struct"),
        ({"x": pyarrow.array([0], pyarrow.timestamp("s")), "l": [1]}, {"labels": -1}, "of type timestamp"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, columns, options, message):
    path = write(tmp_path, columns)
    with pytest.raises(SourceError) as caught:
        read(path, **options)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert open_below(path) == []


def test_the_index_of_a_frame_is_no_feature_unless_it_is_asked_for(tmp_path):
    path = tmp_path / "shuffled.parquet"
    frame = pd.DataFrame({"f": [0.1, 0.2, 0.3], "l1": [1, 0, 1], "l2": [0, 0, 1]})
    frame.sample(frac=1.0, random_state=1).to_parquet(path)
    for labels in (["l1", "l2"], -2):
        assert {name for event in read(path, labels=labels) for name in event.x} == {"f"}
    assert sorted(event.id for event in read(path, labels=-2, id_column="__index_level_0__")) == ["0", "1", "2"]


def test_texts_of_the_newer_type_are_texts(tmp_path):
    view = pyarrow.string_view()
    columns = {"sky": pyarrow.array(["grey", None], view), "y": pyarrow.array([["rain"], []], pyarrow.list_(view))}
    try:
        path = write(tmp_path, columns)
    except pyarrow.ArrowNotImplementedError:
        pytest.skip(f"pyarrow {pyarrow.__version__} writes no such texts")
    assert [(event.x, event.y) for event in read(path, labels=["y"])] == [({"sky": "grey"}, {"rain"}), ({"sky": None}, set())]


def test_decimal_numbers_are_numbers(tmp_path):
    ones = [Decimal("1.00"), Decimal("0.00")]
    path = write(tmp_path, {"x": [Decimal("2.50"), None], "l": ones, "w": [Decimal("0.5"), Decimal("1")]})
    found = [(event.x, event.y, event.w) for event in read(path, labels=["l"], weight_column="w")]
    assert found == [({"x": 2.5}, {"l"}, 0.5), ({"x": None}, frozenset(), 1.0)]
    assert type(found[0][0]["x"]) is float


def test_columns_that_are_ignored_may_be_of_any_kind(tmp_path):
    path = write(tmp_path, {"x": [1], "z": [{"a": 1}], "l": [1]})
    assert read(path, labels=-1, ignore=["z"])[0].x == {"x": 1}


def test_damaged_files(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_bytes(b"")
    with pytest.raises(SourceError, match="the file is empty"):
        open_source(path, labels=1)
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(SourceError, match="not a Parquet file") as caught:
        open_source(path, labels=1)
    assert "\n" not in str(caught.value)
    write(tmp_path, {"x": [float(n) for n in range(5000)], "l": [1] * 5000}, row_group_size=1000, use_dictionary=False)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 2000] = b"\xff" * 2000
    path.write_bytes(raw)
    with open_source(path, labels=-1) as source, pytest.raises(SourceError, match=r"damaged after row \d+"):
        for _ in source:
            pass
    with pytest.raises(FileNotFoundError):
        open_source(tmp_path / "no.parquet", labels=1)
    with pytest.raises(IsADirectoryError):
        open_source(tmp_path, format="parquet", labels=1)


@pytest.mark.parametrize("change", [0x80, 0x01])
def test_any_byte_may_be_damaged(tmp_path, change):
    path = tmp_path / "t.parquet"
    sky = pd.Categorical(["grey", "blue", "red", "blue"])
    pd.DataFrame({"sky": sky, "n": [1.5, 0.0, 2.5, 3.0], "l": [1, 0, 1, 1]}, index=list("abcd")).to_parquet(path)
    sound, n_refused = path.read_bytes(), 0
    for place in range(len(sound)):
        damaged = bytearray(sound)
        damaged[place] ^= change
        path.write_bytes(damaged)
        try:
            read(path, labels=["l"])
        except (SourceError, MalformedEvent) as error:
            n_refused += str(path) in str(error)
    assert n_refused > len(sound) // 10


@pytest.mark.parametrize("said", [b"{", b"\xff", b"[1]", b'{"index_columns": 5}', b"[" * 100_000])
def test_what_pandas_says_of_an_index_may_be_damaged(tmp_path, said):
    table = pyarrow.table({"x": [2.5], "l": [1]}).replace_schema_metadata({b"pandas": said})
    parquet.write_table(table, tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet", labels=["l"])[0].x == {"x": 2.5}


def test_without_pyarrow(tmp_path, monkeypatch):
    path = write(tmp_path, {"x": [1], "l": [1]})
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.partition(".")[0] == "pyarrow":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="Parquet files need pyarrow: install the extra 'parquet' of ihomer"):
        open_source(path, labels=1)
