"""libsvm text with many labels, and the same with the header of the XMC repository."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.errors import MalformedEvent, SourceError
from streams.files import open_source
from streams.libsvm import LibsvmSource

any_example = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
finite = st.floats(allow_nan=False, allow_infinity=False)
rows = st.lists(
    st.tuples(
        st.lists(st.integers(0, 30), max_size=5, unique=True),
        st.dictionaries(st.integers(0, 10**6), finite | st.none(), max_size=8),
    ),
    max_size=6,
)


def read(tmp_path, text, **options):
    path = tmp_path / "t.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with LibsvmSource(path, **options) as source:
        return list(source)


@any_example
@given(rows, st.booleans(), st.sampled_from(["\n", "\r\n"]), st.data())
def test_what_is_written_comes_back(tmp_path, rows, header, line_end, data):
    lines = []
    if header:
        lines.append(f"{len(rows)} 1000001 31")
    for labels, features in rows:
        head = data.draw(st.sampled_from([",", ", "])).join(map(str, labels))
        cells = [f"{index}:{'nan' if value is None else repr(value)}" for index, value in features.items()]
        if not header and (data.draw(st.booleans()) or not labels + cells):
            cells.insert(0, "qid:3")
        tail = data.draw(st.sampled_from(["", " # 1:1", "\t#", " "]))
        lines.append(head + data.draw(st.sampled_from([" ", "\t", "  "])) + " ".join(cells) + tail)
        if not header:
            lines.append(data.draw(st.sampled_from(["", "# note", "   "])))
    text = line_end.join([*lines, ""])
    events = read(tmp_path, text or "\n", header=header and None)
    assert [event.y for event in events] == [set(map(str, labels)) for labels, _ in rows]
    assert [event.x for event in events] == [
        {str(index): value for index, value in features.items() if value != 0} for _, features in rows
    ]


@pytest.mark.parametrize(
    ("row", "y", "x"),
    [
        ("1,5 3:0.5 7:1", {"1", "5"}, {"3": 0.5, "7": 1.0}),
        ("1, 5 ,7\t3:0.5", {"1", "5", "7"}, {"3": 0.5}),
        ("1,1 3:1", {"1"}, {"3": 1.0}),
        ("+1 3:1", {"+1"}, {"3": 1.0}),
        ("new_york,two 3:1 4:1e-3", {"new_york", "two"}, {"3": 1.0, "4": 0.001}),
        ("C#,F# 3:1 # note", {"C#", "F#"}, {"3": 1.0}),
        (" 3:1", set(), {"3": 1.0}),
        ("3:1", set(), {"3": 1.0}),
        ("4", {"4"}, {}),
        ("4,2", {"4", "2"}, {}),
        ("1 qid:9 3:1", {"1"}, {"3": 1.0}),
        ("qid:9 3:1", set(), {"3": 1.0}),
        ("1 003:1 0:2", {"1"}, {"3": 1.0, "0": 2.0}),
        ("1 3:0 4:-0.0 5:1", {"1"}, {"5": 1.0}),
        ("1 3:nan 5:1", {"1"}, {"3": None, "5": 1.0}),
        ("1 3:1e308 5:1.7e308", {"1"}, {"3": 1e308, "5": 1.7e308}),
    ],
)
def test_rows(tmp_path, row, y, x):
    (event,) = read(tmp_path, f"# first\n\n{row}\n", header=False)
    assert (event.y, event.x, event.position) == (y, x, 3)


MALFORMED = [
    ("1 5 3:1", "label"),
    ("1,,5 3:1", "label"),
    (",1 3:1", "label"),
    ("1, 3:1", "label"),
    ("1 3:1 4", "value"),
    ("1 3:1 4:", "number"),
    ("1 3:1 4:x", "number"),
    ("1 3:1 4:1:1", "number"),
    ("1 3:1 4:1_0", "number"),
    ("1 3:inf", "number"),
    ("1 3:1e999", "number"),
    ("1 x:1", "index"),
    ("1 -3:1", "index"),
    ("1 3.0:1", "index"),
    ("1 :1", "index"),
    ("1 ٣:1", "index"),
    ("1 1_0:1", "index"),
    ("1 " + "9" * 5000 + ":1", "index"),
    ("1 3:1 qid:2", "index"),
    ("1 3:1 3:2", "duplicate"),
    ("1 3:1 03:2", "duplicate"),
    ("1 3:0 3:2", "duplicate"),
]


@pytest.mark.parametrize(("row", "code"), MALFORMED, ids=[row[:20] for row, _ in MALFORMED])
def test_malformed_rows(tmp_path, row, code):
    errors = []
    events = read(tmp_path, f"1 1:1\n\n{row}\n2 2:1\n", on_error=errors.append)
    assert [event.position for event in events] == [1, 4]
    (error,) = errors
    assert (error.code, error.line, error.raw) == (code, 3, row.encode() + b"\n")
    with pytest.raises(MalformedEvent, match=r"t\.txt:3: "):
        read(tmp_path, f"1 1:1\n\n{row}\n2 2:1\n")


@any_example
@given(st.text(st.sampled_from("019:,. -_#\tqid\xa0é٣"), max_size=16))
def test_no_row_raises_anything_else(tmp_path, row):
    read(tmp_path, row + "\n", on_error="skip", header=False)


def test_xmc_knows_its_labels_and_bounds(tmp_path):
    errors = []
    text = "5 4 3\n0,2 0:1 3:2\n 1:1\n\n0,3 1:1\n0 4:1\n\n\n"
    path = tmp_path / "t.txt"
    path.write_text(text)
    with open_source(path, on_error=errors.append) as source:
        assert source.labels == ("0", "1", "2")
        events = list(source)
    assert [(event.y, event.x) for event in events] == [
        ({"0", "2"}, {"0": 1.0, "3": 2.0}),
        (set(), {"1": 1.0}),
        (set(), {}),
    ]
    assert [event.position for event in events] == [2, 3, 4]
    assert [(error.line, error.code) for error in errors] == [(5, "index"), (6, "index")]


def test_the_last_row_of_xmc_may_be_empty(tmp_path):
    events = read(tmp_path, "2 4 3\n0 1:1\n\n\n")
    assert [(event.y, event.x, event.position) for event in events] == [({"0"}, {"1": 1.0}, 2), (set(), {}, 3)]


def test_labels_of_xmc_have_one_form(tmp_path):
    events = read(tmp_path, "2 4 2\n01 3:1\n0,1 3:1\n", header=True)
    assert [event.y for event in events] == [{"1"}, {"0", "1"}]


@pytest.mark.parametrize("label", ["x", "-1", "+1", "1.0", "9" * 5000])
def test_labels_of_xmc_are_numbers(tmp_path, label):
    with pytest.raises(MalformedEvent, match="no label"):
        read(tmp_path, f"1 4 3\n{label} 1:1\n")


def test_an_xmc_file_with_another_number_of_rows(tmp_path):
    with pytest.raises(SourceError, match=r"t\.txt: cut off: 1 rows, and the first line says 2"):
        read(tmp_path, "2 4 3\n0 1:1\n")
    with pytest.raises(SourceError, match=r"t\.txt:3: more rows than the 1 of the first line"):
        read(tmp_path, "1 4 3\n0 1:1\n0 1:1\n")
    with pytest.raises(SourceError, match="cut off"):
        read(tmp_path, "2 4 3\n0 1:1\n", start=2)


def test_an_xmc_header_can_be_demanded_or_refused(tmp_path):
    with pytest.raises(SourceError, match="the first line is not three numbers"):
        read(tmp_path, "0 1:1\n", header=True)
    with pytest.raises(SourceError, match="the first line is not three numbers"):
        open_source(tmp_path / "t.txt", format="xmc")
    with pytest.raises(MalformedEvent, match=r"t\.txt:1: labels are to be parted"):
        read(tmp_path, "1 4 3\n0 1:1\n", header=False)


def test_a_file_without_features_is_another_one(tmp_path):
    path = tmp_path / "t.txt"
    for head, end, n in (("cloud,rain\n", "", 1), ("cloud;rain\n", "0,5;1\n", 2), ("0.5\t1\n", "0.5\t1\n" * 200, 100)):
        path.write_text(head + end)
        for options in ({}, {"format": "libsvm", "on_error": "skip"}):
            message = rf"t\.txt: no feature, as 3:0\.5, in the first {n} lines: give the format"
            with pytest.raises(SourceError, match=message):
                open_source(path, **options)
    assert len(read(tmp_path, "1\n" * 99 + "1 3:1\n")) == 100
    assert len(read(tmp_path, "1\n" * 100, header=False)) == 100
    assert read(tmp_path, "\n# 3:1\n") == []
    assert [event.x for event in read(tmp_path, "2 1 1\n0\n0\n")] == [{}, {}]


def test_a_header_that_claims_too_much_costs_nothing(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("1 999999999999999999 999999999999999999\n7 8:1\n")
    with open_source(path) as source:
        assert source.labels == ()
        assert [event.y for event in source] == [{"7"}]


def test_more_features_than_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr("streams.libsvm._MOST_NAMES", 3)
    path = tmp_path / "t.svm"
    path.write_text("".join(f"1 {index}:1 {index + 1}:2\n" for index in range(9)))
    with open_source(path) as source:
        assert [event.x for event in source] == [{str(i): 1.0, str(i + 1): 2.0} for i in range(9)]
        assert len(source._names) == 3
