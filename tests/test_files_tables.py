"""CSV and JSON lines."""

import csv
import io
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.errors import MalformedEvent, SourceError
from streams.event import Event, encode_event, event_record
from streams.jsonlines import JsonLinesSink, JsonLinesSource
from streams.tables import CsvSource, assign_roles

any_example = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    [*"\"\\'é?", "NA", '""', "a\nb", "a\r\nb", "a,b", "a;b", "a\tb", "100%", " a ", "nan", "1e3", "1_000", "-7"]
)


def read(tmp_path, text, **options):
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with CsvSource(path, **options) as source:
        return list(source)


def meaning(text):
    """What a cell says, told apart by other means than the reader's."""
    if text in ("", "?", "NA", "N/A", "<NA>", "null", "NULL"):
        return None
    if any(mark in text for mark in "_()jJ"):
        return text
    try:
        number = complex(text).real
    except ValueError:
        return text
    return None if math.isnan(number) else number


@any_example
@given(
    st.lists(texts.filter(lambda name: name and "\0" not in name), min_size=1, max_size=5, unique=True),  # a file of texts
    st.data(),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_writes_comes_back(tmp_path, names, data, delimiter, line_end):
    n_labels = data.draw(st.integers(0, len(names)))
    n_features = len(names) - n_labels
    cells = texts.filter(lambda text: "inf" not in text.lower())
    row = st.tuples(*[cells] * n_features, *[st.sampled_from(["0", "1", ""])] * n_labels)
    rows = data.draw(st.lists(row, max_size=4))
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator=line_end)
    writer.writerows([names, *rows])
    labels = names[n_features:]
    events = read(tmp_path, file.getvalue(), labels=labels, delimiter=delimiter)
    assert len(events) == len(rows)
    for event, row in zip(events, rows, strict=True):
        assert event.x == dict(zip(names, map(meaning, row[:n_features]), strict=False))
        truths = dict(zip(labels, map({"1": True, "0": False, "": None}.get, row[n_features:]), strict=True))
        if not labels:
            assert event.y is None
        elif None in truths.values():
            assert event.y == truths
        else:
            assert event.y == {name for name, truth in truths.items() if truth}


SKY = "cloud,wind,rain,snow\n"


@pytest.mark.parametrize(
    ("row", "x", "y"),
    [
        ("0.5,calm,1,0", {"cloud": 0.5, "wind": "calm"}, {"rain"}),
        (" 0.5 , calm day ,1, 0", {"cloud": 0.5, "wind": "calm day"}, {"rain"}),
        ("5,6,0,0", {"cloud": 5.0, "wind": 6.0}, set()),
        (",,1,1", {"cloud": None, "wind": None}, {"rain", "snow"}),
        ("NaN,nan,1,1", {"cloud": None, "wind": None}, {"rain", "snow"}),
        ("NA,?,1,?", {"cloud": None, "wind": None}, {"rain": True, "snow": None}),
        ("null,0.5,NA,1", {"cloud": None, "wind": 0.5}, {"rain": None, "snow": True}),
        ("na,NAN,1,0", {"cloud": "na", "wind": None}, {"rain"}),
        ("1_0,1e3,true,No", {"cloud": "1_0", "wind": 1000.0}, {"rain"}),
        ("0.5,calm,,0", {"cloud": 0.5, "wind": "calm"}, {"rain": None, "snow": False}),
        ("0.5,calm,nan,NaN", {"cloud": 0.5, "wind": "calm"}, {"rain": None, "snow": None}),
        ('"0.5","a ""b"", c",1,"0"', {"cloud": 0.5, "wind": 'a "b", c'}, {"rain"}),
        ('0.5,5" pipe,1,0', {"cloud": 0.5, "wind": '5" pipe'}, {"rain"}),
        ('0.5, "a" ,1,0', {"cloud": 0.5, "wind": "a"}, {"rain"}),
        ('0.5,"two\nlines",1,0', {"cloud": 0.5, "wind": "two\nlines"}, {"rain"}),
        ('0.5,"a\n""b""\nc",1,0', {"cloud": 0.5, "wind": 'a\n"b"\nc'}, {"rain"}),
        ('"","  ",1,0', {"cloud": None, "wind": "  "}, {"rain"}),
        ('0.5,calm," yes "," NO "', {"cloud": 0.5, "wind": "calm"}, {"rain"}),
        ("true,-0,1.0,0.00", {"cloud": "true", "wind": 0.0}, {"rain"}),
    ],
)
def test_rows(tmp_path, row, x, y):
    (event,) = read(tmp_path, SKY + row + "\n", labels=["rain", "snow"])
    assert (event.x, event.y, event.w, event.position) == (x, y, 1.0, 2 + row.count("\n"))
    assert list(map(type, event.x.values())) == list(map(type, x.values()))


MALFORMED = [
    ("0.5,calm,1", "columns"),
    ("0.5,calm,1,0,1", "columns"),
    ("0.5", "columns"),
    (",,,,", "columns"),
    ("0.5,calm,2,0", "label"),
    ("0.5,calm,maybe,0", "label"),
    ("inf,calm,1,0", "number"),
    ("0.5,-Infinity,1,0", "number"),
    ("0.5,1e999,1,0", "number"),
    ('0.5,"calm,1,0', "quote"),
    ('"0.5,calm,1,0', "quote"),
    ('0.5,"calm"er,1,0', "quote"),
    ('0.5,"calm" "er",1,0', "quote"),
    ('0.5,"a""b"c",1,0', "quote"),
]


@pytest.mark.parametrize(("row", "code"), MALFORMED)
def test_malformed_rows(tmp_path, row, code):
    good = '0.5,"calm",1,0\n'
    errors = []
    events = read(tmp_path, SKY + good + "\n" + row + "\n" + good * 2, labels=-2, on_error=errors.append)
    assert len(events) == 3
    assert [event.position for event in events] == [2, 5, 6]
    (error,) = errors
    path = tmp_path / "t.csv"
    assert (error.code, error.file, error.line, error.raw) == (code, str(path), 4, row.encode() + b"\n")
    with pytest.raises(MalformedEvent, match=r"t\.csv:4: "):
        read(tmp_path, SKY + good + "\n" + row + "\n", labels=-2)


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path):
    text = SKY + "1,a,1,0\n" + '2,"open,1,0\n' + "".join(f"{n},a,1,0\n" for n in range(3000)) + '4,"b\nc",1,0\n'
    errors = []
    events = read(tmp_path, text, labels=-2, on_error=errors.append)
    assert [(error.line, error.code) for error in errors] == [(3, "quote")]
    assert [event.x["cloud"] for event in events] == [1, *range(3000), 4]
    assert events[-1].x == {"cloud": 4.0, "wind": "b\nc"}
    assert [event.position for event in events[-2:]] == [3003, 3005]


@any_example
@given(st.text(st.sampled_from('",\n01a \r\x00é'), max_size=20))
def test_no_text_raises_anything_else(tmp_path, text):
    errors = []
    events = read(tmp_path, SKY + text, labels=-2, on_error=errors.append)
    assert all(error.code in {"columns", "label", "number", "quote"} for error in errors)
    lines = [error.line for error in errors]
    assert lines == sorted(set(lines))
    assert all(2 <= line <= 1 + SKY.count("\n") + text.count("\n") for line in lines)
    assert [event.position for event in events] == sorted({event.position for event in events})


@pytest.mark.parametrize(
    ("options", "labels", "features"),
    [
        ({"labels": ["snow", "rain"]}, ("snow", "rain"), ("cloud", "wind")),
        ({"labels": -1}, ("snow",), ("cloud", "wind", "rain")),
        ({"labels": 1}, ("cloud",), ("wind", "rain", "snow")),
        ({"labels": ()}, (), ("cloud", "wind", "rain", "snow")),
        ({"label_prefix": "r"}, ("rain",), ("cloud", "wind", "snow")),
        ({"label_prefix": "r", "labels": ["snow"]}, ("snow",), ("cloud", "wind", "rain")),
        ({"labels": -1, "id_column": "snow"}, ("rain",), ("cloud", "wind")),
        ({"labels": -1, "weight_column": "rain", "ignore": ["snow"]}, ("wind",), ("cloud",)),
    ],
)
def test_which_columns_are_what(tmp_path, options, labels, features):
    path = tmp_path / "t.csv"
    path.write_text(SKY)
    with CsvSource(path, **options) as source:
        assert (source.labels, source.features) == (labels, features)
        assert list(source) == []


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {"labels": 1}, "the file is empty"),
        ("\n \n", {"labels": 1}, "the file has no line with names of columns"),
        ("sep=;\n\n \n", {"labels": 1}, "the file has no line with names of columns"),
        (SKY, {}, "nothing says which columns are labels"),
        (SKY, {"labels": ["hail"]}, "no column is named 'hail', asked for"),
        (SKY, {"labels": 5}, "5 labels are asked for, and there are 4 columns"),
        (SKY, {"labels": "rain"}, "not the text 'rain'"),
        (SKY, {"label_prefix": "hail"}, "no column begins with 'hail'"),
        (SKY, {"labels": ["rain"], "id_column": "rain"}, "column 'rain' is asked for as a label, and as id, weight or"),
        (SKY, {"labels": 1, "id_column": "key"}, "no column is named 'key'"),
        (SKY, {"labels": 1, "weight_column": "w"}, "no column is named 'w'"),
        (SKY, {"labels": 1, "ignore": ["w"]}, "no column is named 'w'"),
        (SKY, {"labels": -1, "nominal": ["w"]}, "no feature is named 'w'"),
        ("a,b,a\n", {"labels": 1}, "two columns are named 'a'"),
        ("a,,b\n0,1,1\n", {"labels": -1}, "column 2 has no name"),
        (",a,,b\n0,0,1,1\n", {"labels": -1}, "two columns are named ''"),
        ("0.5,7,1,1\n0.5,7,1,0\n", {"labels": -2}, "the first row is all numbers, and has to name the columns"),
        ("-.5;1e-3;1;0\n", {"labels": -2}, "the first row is all numbers, and has to name the columns"),
        ('a,"b\n1,2\n', {"labels": 1}, "t.csv:1: a quote is not closed"),
        (SKY, {"labels": ["hail"], "label_separator": "|"}, "no column is named 'hail', asked for"),
        (SKY, {"labels": ["rain", "snow"], "label_separator": "|"}, "labels with '|' between them stand in one column"),
        (SKY, {"labels": -1, "label_separator": "|"}, "labels with '|' between them stand in one column"),
        (SKY, {"label_separator": "|"}, "labels with '|' between them stand in one column"),
        (SKY, {"labels": ["rain"], "label_prefix": "s", "label_separator": "|"}, "labels with '|' between them stand in one"),
        (SKY, {"labels": ["rain"], "label_separator": ""}, "what stands between labels must be a text"),
        (SKY, {"labels": ["rain"], "label_separator": 'a"'}, "what stands between labels must be a text"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, text, options, message):
    with pytest.raises(SourceError) as caught:
        read(tmp_path, text, **options)
    assert message in str(caught.value)
    assert str(tmp_path / "t.csv") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_first_column_without_a_name_is_no_feature(tmp_path):
    for text in (",a,l\n7,0.5,1\n", '"","a","l"\n"row 7",0.5,1\n'):
        for labels in (["l"], -1):
            assert read(tmp_path, text, labels=labels) == [Event({"a": 0.5}, frozenset("l"), position=2)]
        assert read(tmp_path, text, labels=-1, ignore=["", "a"])[0].x == {}
        assert read(tmp_path, text, labels=-1, id_column="")[0].id in {"7", "row 7"}


@pytest.mark.parametrize(
    ("separator", "cell", "labels"),
    [
        ("|", "rain|snow", {"rain", "snow"}),
        ("|", " rain | snow ||rain|", {"rain", "snow"}),
        ("|", "light rain", {"light rain"}),
        ("|", "1,5", {"1,5"}),
        ("|", "", set()),
        ("|", " | ", set()),
        ("|", "1|0|NA|", {"1", "0", "NA"}),
        ("|", "NA", None),
        ("|", "?", None),
        ("|", '"rain|""snow"""', {"rain", '"snow"'}),
        (" ", "  rain\tsnow  hail", {"rain", "snow", "hail"}),
        (", ", '"a, b,c"', {"a", "b,c"}),
        (";", "a;1,5", {"a", "1,5"}),
        ("ü", "aüb", {"a", "b"}),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_labels_that_stand_in_one_column(tmp_path, separator, cell, labels, delimiter):
    if (separator == delimiter or delimiter in cell) and not cell.startswith('"'):
        cell = f'"{cell}"'
    path = tmp_path / "t.csv"
    path.write_text(f"a{delimiter}tags{delimiter}b\n1{delimiter}{cell}{delimiter}2\n")
    with CsvSource(path, labels=["tags"], label_separator=separator) as source:
        assert (source.labels, source.features) == ((), ("a", "b"))
        assert list(source) == [Event({"a": 1.0, "b": 2.0}, labels if labels is None else frozenset(labels), position=2)]


@pytest.mark.parametrize(
    ("cell", "with_commas", "with_points"),
    [
        ("0,5", 0.5, "0,5"),
        (",5", 0.5, ",5"),
        ("-1.830,50", -1830.5, "-1.830,50"),
        ("1.234.567,0", 1234567.0, "1.234.567,0"),
        ("12.34,5", "12.34,5", "12.34,5"),
        ("1,2,3", "1,2,3", "1,2,3"),
        ("1.830", 1.83, 1.83),
        ("1,5e3", 1500.0, "1,5e3"),
    ],
)
def test_the_decimal_mark_is_chosen_or_follows_from_the_delimiter(tmp_path, cell, with_commas, with_points):
    for delimiter, decimal, expected in (
        (";", None, with_commas), (";", ".", with_points), ("\t", None, with_points), ("\t", ",", with_commas),
        (",", None, with_points), (",", ",", with_commas),
    ):  # fmt: skip
        text = f'a{delimiter}b\n"{cell}"{delimiter}1\n'
        assert read(tmp_path, text, labels=-1, decimal=decimal)[0].x == {"a": expected}
    with pytest.raises(ValueError, match="the decimal mark must be"):
        read(tmp_path, "a,b\n", labels=-1, decimal=";")


def test_a_line_that_names_the_delimiter_and_delimiters_at_the_end_of_lines(tmp_path):
    for mark in ";|,":
        text = f"sep={mark}\r\na{mark}b{mark}\r\n2{mark}1{mark}\r\n"
        assert read(tmp_path, text, labels=["b"]) == [Event({"a": 2.0}, frozenset("b"), position=3)]
        assert read(tmp_path, text, labels=-1)[0].y == {"b"}
        assert read(tmp_path, text, labels=["b"], ignore=["a", ""])[0].x == {}
    with pytest.raises(SourceError):
        read(tmp_path, "sep=;\n", labels=1)


def test_columns_may_be_named_by_different_numbers(tmp_path):
    assert read(tmp_path, "0,1,10\n0.5,7,1\n", labels=-1) == [Event({"0": 0.5, "1": 7.0}, frozenset({"10"}), position=2)]
    assert read(tmp_path, "0.5,1.5\n0,1\n", labels=["1.5"]) == [Event({"0.5": 0.0}, frozenset({"1.5"}), position=2)]


def test_id_weight_and_names(tmp_path):
    text = "key,,kind,w,l\na,0,007,2,1\n,1,NA,0.5,0\nb,2,x,0,1\nc,2,,-1,1\nd,2,x,,1\n"
    options = {"labels": -1, "id_column": "key", "weight_column": "w", "ignore": [""], "nominal": ["kind"]}
    errors = []
    one, two = read(tmp_path, text, **options, on_error=errors.append)
    assert one == Event({"kind": "007"}, frozenset("l"), "a", 2.0, 2)
    assert two == Event({"kind": "NA"}, frozenset(), None, 0.5, 3)
    assert [(error.line, error.code) for error in errors] == [(4, "weight"), (5, "weight"), (6, "weight")]


def test_an_empty_cell_is_missing_also_among_names(tmp_path):
    events = read(tmp_path, "a,l\n,1\nNA,1\n", labels=-1, nominal=["a"])
    assert [event.x for event in events] == [{"a": None}, {"a": "NA"}]


def test_a_prefix_is_where_a_name_begins():
    assert assign_roles(["this_is_it", "is_rain"], label_prefix="is_").labels == (1,)


def test_a_row_of_tabs_alone_is_one_of_missing_values(tmp_path):
    (event,) = read(tmp_path, "a\tb\tl\n\t\t\n  \r\n", labels=-1)
    assert (event.x, event.y) == ({"a": None, "b": None}, {"l": None})


@pytest.mark.parametrize("before", ["\n", " \r\n\r\n", "\ufeff\n", "\nsep=,\n", "sep=,\n\n"])
def test_empty_lines_before_the_names_are_read_past(tmp_path, before):
    (event,) = read(tmp_path, before + "a,l\n1,1\n", labels=-1)
    assert (event.x, event.y, event.position) == ({"a": 1.0}, {"l"}, before.count("\n") + 2)
    with pytest.raises(SourceError, match="the file has no line with names of columns"):
        read(tmp_path, before[:-1] + "\n\n", labels=["l"])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_seen_from_the_first_row(tmp_path, delimiter):
    other = ";" if delimiter == "," else ","
    text = delimiter.join(["a", f'"b{other * 5}"', "c"]) + "\n" + delimiter.join(["1", "x", "1"]) + "\n"
    assert read(tmp_path, text, labels=-1)[0].x == {"a": 1.0, f"b{other * 5}": "x"}


def test_commas_are_decimal_between_semicolons(tmp_path):
    text = 'key;kind;a;b;w;l\n1,5;2,5;0,5;"-1,25e2";0,5;1,0\n2;x;,5;1,2,3;2;0\n'
    options = {"labels": -1, "id_column": "key", "nominal": ["kind"], "weight_column": "w"}
    one, two = read(tmp_path, text, **options)
    assert one == Event({"kind": "2,5", "a": 0.5, "b": -125.0}, frozenset("l"), "1,5", 0.5, 2)
    assert two == Event({"kind": "x", "a": 0.5, "b": "1,2,3"}, frozenset(), "2", 2.0, 3)
    for delimiter in ("\t", "|", ","):
        other = delimiter.join(["a", "l"]) + "\n" + delimiter.join(['"0,5"', "1"])
        assert read(tmp_path, other, labels=-1)[0].x == {"a": "0,5"}


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", " "])
def test_delimiters_that_cannot_be(tmp_path, delimiter):
    with pytest.raises(ValueError, match="the delimiter must be"):
        read(tmp_path, SKY, labels=1, delimiter=delimiter)


def test_a_byte_order_mark_and_latin1(tmp_path):
    assert read(tmp_path, "\ufeffa,l\né,1\n", labels=-1)[0].x == {"a": "é"}
    assert read(tmp_path, "à,l\né,1\n".encode("latin-1"), labels=-1)[0].x == {"à": "é"}
    assert read(tmp_path, "l,a\r\n1,é\r\n".encode("latin-1"), labels=1)[0].x == {"a": "é"}
    first, second = read(tmp_path, "a,l\n\ufeffb,1\n\ufeffc,1\n", labels=-1)  # it is one at the beginning alone
    assert (first.x, second.x) == ({"a": "\ufeffb"}, {"a": "\ufeffc"})


finite = st.floats(allow_nan=False, allow_infinity=False)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
events = st.builds(
    Event,
    st.dictionaries(any_text, finite | any_text | st.booleans() | st.none() | st.integers(-9, 9), max_size=5),
    st.none() | st.frozensets(any_text, max_size=3) | st.dictionaries(any_text, st.none() | st.booleans()),
    st.none() | any_text,
    st.floats(0, 1e9, exclude_min=True),
)


@any_example
@given(st.lists(events, min_size=1, max_size=5), st.sampled_from(["t.jsonl", "t.jsonl.gz"]))
def test_json_lines_come_back(tmp_path, stream, name):
    path = tmp_path / name
    with JsonLinesSink(path) as sink:
        for event in stream:
            sink.write(event_record(event))
    with JsonLinesSource(path) as source:
        again = list(source)
    assert [(e.x, e.y, e.id, e.w) for e in again] == [(e.x, e.y, e.id, e.w) for e in stream]
    assert [event.position for event in again] == list(range(1, len(stream) + 1))


def test_json_lines_with_malformed_ones(tmp_path):
    path = tmp_path / "t.jsonl"
    late, twice = b'{"id":"i","y":["l"]}', b'{"x":{"a":1,"a":2}}'
    lines = [b'{"x":{"a":1}}', b"", b"{", twice, late, b"\xff", b' {"x":{}} \r']
    path.write_bytes(b"\n".join(lines))
    errors = []
    with JsonLinesSource(path, labels=["b", "a"], on_error=errors.append) as source:
        assert source.labels == ("b", "a")
        assert [event.position for event in source] == [1, 7]
    assert [error.line for error in errors] == [3, 4, 5, 6]
    assert [error.code for error in errors] == ["json", "duplicate", "field", "json"]
    assert [error.raw for error in errors] == [line + b"\n" for line in lines[2:6]]
    with pytest.raises(ValueError, match="not the text 'ab'"):
        JsonLinesSource(path, labels="ab")


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz"])
def test_a_sink_replaces_or_continues(tmp_path, name):
    path = tmp_path / name
    for number, append in enumerate([False, False, True]):
        with JsonLinesSink(path, append=append) as sink:
            sink.write({"x": {"a": number}})
            sink.flush()
        sink.close()
    with JsonLinesSource(path) as source:
        assert [event.x["a"] for event in source] == [1, 2]


def test_a_packed_file_tells_neither_its_name_nor_when_it_was_written(tmp_path):
    path = tmp_path / "t.jsonl.gz"
    with JsonLinesSink(path) as sink:
        sink.write({"x": {}})
    assert path.read_bytes()[3:8] == bytes(5)  # flags and time


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz"])
def test_a_sink_writes_nothing_of_a_record_that_has_no_form(tmp_path, name):
    path = tmp_path / name
    with JsonLinesSink(path) as sink:
        sink.write({"x": {}})
        with pytest.raises(ValueError, match="JSON has no number inf"):
            sink.write({"x": {"a": math.inf}})
        with pytest.raises(ValueError, match="no JSON form"):
            sink.write({"x": {"a": object()}})
    with pytest.raises(ValueError, match="closed"):
        sink.write({"x": {}})
    with JsonLinesSource(path) as source:
        assert list(source) == [Event({}, position=1)]


def test_what_was_flushed_can_be_read(tmp_path):
    path = tmp_path / "t.jsonl"
    with JsonLinesSink(path) as sink:
        sink.write({"x": {}})
        sink.flush()
        assert path.read_bytes() == encode_event(Event({})) + b"\n"
