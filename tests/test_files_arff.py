"""ARFF files: a small writer here, the reader there, and much that is wrong or odd in between."""

import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.arff import ArffSource, own_xml, xml_beside
from streams.arff_header import match_labels
from streams.errors import MalformedEvent, SourceError
from streams.files import open_source

any_example = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    [*'?%{},"\\\t\n\r0ü', "a%b", " % ", "{}", "it's", "\\'", "a b", "1_0", "é\x85"]
)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5).map(float)


def quote(text, mark):
    for plain, escape in (("\\", "\\\\"), (mark, "\\" + mark), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(plain, escape)
    return mark + text + mark


@st.composite
def tables(draw):
    """Attributes (name, values or None, whether a label) and rows of values."""
    attributes = []
    for name in draw(st.lists(names, min_size=1, max_size=6, unique=True)):
        kind = draw(st.sampled_from(["numeric", "nominal", "binary", "label"]))
        if kind == "numeric":
            attributes.append((name, None, False))
        elif kind == "nominal":
            values = draw(st.lists(names, min_size=1, max_size=4, unique=True))
            if set(values) <= {"0", "1", "0.0", "1.0"}:
                values.append("other")
            attributes.append((name, values, False))
        else:
            attributes.append((name, draw(st.permutations(["0", "1"])), kind == "label"))
    cells = [numbers if values is None else st.sampled_from(values) for _, values, _ in attributes]
    rows = draw(st.lists(st.tuples(*(st.none() | cell for cell in cells)), max_size=5))
    return attributes, rows


def expected(attributes, row, sparse):
    """The x and y of a row, said independently of how it is written."""
    x, y = {}, {}
    for (name, values, is_label), cell in zip(attributes, row, strict=True):
        if is_label:
            y[name] = None if cell is None else cell == "1"
        elif cell is not None and values is not None and set(values) <= {"0", "1"}:
            x[name] = int(cell)
        else:
            x[name] = cell
    if sparse:
        x = {name: value for name, value in x.items() if value is None or value != 0}
    if not y:
        return x, None
    return x, y if None in y.values() else frozenset(name for name, truth in y.items() if truth)


def written(attributes, row, sparse, draw):
    cells = []
    for place, ((_, values, _), cell) in enumerate(zip(attributes, row, strict=True)):
        if cell is None:
            text = "?"
        elif values is None:
            text = repr(cell)
        else:
            safe = cell.isalnum() and cell.isascii()
            text = cell if safe and draw(st.booleans()) else quote(cell, draw(st.sampled_from("'\"")))
        if not sparse:
            cells.append(text)
        elif cell != (0.0 if values is None else values[0]) or draw(st.booleans()):
            cells.append(f"{place} {text}")
    comma = draw(st.sampled_from([",", ", ", " ,\t", "\t,"]))
    return "{ " + comma.join(cells) + " }" if sparse else comma.join(cells)


@any_example
@given(tables(), st.data())
def test_what_is_written_comes_back(tmp_path, table, data):
    attributes, rows = table
    ignored = data.draw(st.sets(st.sampled_from([name for name, _, _ in attributes])))
    lines = ["% a comment", "", "@RELATION 'all of it'"]
    for name, values, _ in attributes:
        kind = "Real" if values is None else "{" + ", ".join(quote(value, "'") for value in values) + "}"
        if name in ignored:
            kind = data.draw(st.sampled_from([kind, "String", "date 'yyyy-MM-dd {'", "DATE", "string % of any length", "{x}"]))
        lines.append(f"@Attribute\t{quote(name, data.draw(st.sampled_from(chr(34) + chr(39))))} {kind}")
    lines.append("@DATA")
    forms = [data.draw(st.booleans()) for _ in rows]
    for row, sparse in zip(rows, forms, strict=True):
        lines.append(data.draw(st.sampled_from(["", "  ", "% comment, with commas", "\t"])))
        lines.append(written(attributes, row, sparse, data.draw))
    path = tmp_path / "t.arff"
    path.write_bytes("\n".join(lines).encode())
    left = [place for place, (name, _, _) in enumerate(attributes) if name not in ignored]
    labels = [attributes[place][0] for place in left if attributes[place][2]]
    with ArffSource(path, labels=labels, ignore=ignored) as source:
        assert list(source.labels) == labels
        assert list(source.features) == [attributes[place][0] for place in left if not attributes[place][2]]
        found = [(event.x, event.y) for event in source]
    parts = [([attributes[place] for place in left], [row[place] for place in left]) for row in rows]
    assert found == [expected(*part, sparse) for part, sparse in zip(parts, forms, strict=True)]


HEADER = """@relation sky
@attribute cloud numeric
@attribute wind {calm,'very strong'}
@attribute rain {0,1}
@attribute snow {0,1}
@data
"""


def read(tmp_path, text, name="t.arff", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with ArffSource(path, **{"labels": ["rain", "snow"]} | options) as source:
        return list(source)


@pytest.mark.parametrize(
    ("row", "x", "y", "weight"),
    [
        ("1,calm,0,1", {"cloud": 1.0, "wind": "calm"}, {"snow"}, 1.0),
        ("  1 ,  calm , 0 ,\t1  ", {"cloud": 1.0, "wind": "calm"}, {"snow"}, 1.0),
        ("1\tcalm\t0\t1", {"cloud": 1.0, "wind": "calm"}, {"snow"}, 1.0),
        ("1\t'very strong'\t0\t1", {"cloud": 1.0, "wind": "very strong"}, {"snow"}, 1.0),
        ("1,very strong,0,1", {"cloud": 1.0, "wind": "very strong"}, {"snow"}, 1.0),
        ('1,"very strong","0",\'1\'', {"cloud": 1.0, "wind": "very strong"}, {"snow"}, 1.0),
        ("-1.5e-3,calm,0,0", {"cloud": -0.0015, "wind": "calm"}, set(), 1.0),
        ("0,calm,0,0", {"cloud": 0.0, "wind": "calm"}, set(), 1.0),
        ("?,?,1,1", {"cloud": None, "wind": None}, {"rain", "snow"}, 1.0),
        ("NaN,calm,1,1", {"cloud": None, "wind": "calm"}, {"rain", "snow"}, 1.0),
        ("1,calm,?,1", {"cloud": 1.0, "wind": "calm"}, {"rain": None, "snow": True}, 1.0),
        ("1,calm,?,?", {"cloud": 1.0, "wind": "calm"}, {"rain": None, "snow": None}, 1.0),
        ("1,calm,0,1, {2.5}", {"cloud": 1.0, "wind": "calm"}, {"snow"}, 2.5),
        ("1,calm,0,1,{ 3 }", {"cloud": 1.0, "wind": "calm"}, {"snow"}, 3.0),
        ("1,calm,0,1 % then rain, no", {"cloud": 1.0, "wind": "calm"}, {"snow"}, 1.0),
        ("1,'calm',0,1\t% {0}", {"cloud": 1.0, "wind": "calm"}, {"snow"}, 1.0),
        ("{}", {"wind": "calm"}, set(), 1.0),
        ("{ \t }", {"wind": "calm"}, set(), 1.0),
        ("{0 2}", {"wind": "calm", "cloud": 2.0}, set(), 1.0),
        ("{0\t2,3  1}", {"wind": "calm", "cloud": 2.0}, {"snow"}, 1.0),
        ("{ 3 1 , 0 2 }", {"wind": "calm", "cloud": 2.0}, {"snow"}, 1.0),
        ("{0 0,1 calm,2 0}", {"wind": "calm"}, set(), 1.0),
        ("{1 'very strong',2 '1'}", {"wind": "very strong"}, {"rain"}, 1.0),
        ("{1 very strong,2 1}", {"wind": "very strong"}, {"rain"}, 1.0),
        ("{0 ?,1 ?,2 ?}", {"cloud": None, "wind": None}, {"rain": None, "snow": False}, 1.0),
        ("{0 2,3 1}, {4}", {"wind": "calm", "cloud": 2.0}, {"snow"}, 4.0),
        ("{0 2,3 1} {4} % c", {"wind": "calm", "cloud": 2.0}, {"snow"}, 4.0),
        ("{0 2,3 1,} % c", {"wind": "calm", "cloud": 2.0}, {"snow"}, 1.0),
    ],
)
def test_rows(tmp_path, row, x, y, weight):
    (event,) = read(tmp_path, HEADER + row + "\n")
    assert (event.x, event.y, event.w, event.id, event.position) == (x, y, weight, None, 7)
    assert list(map(type, event.x.values())) == list(map(type, x.values()))


def test_a_question_mark_is_a_value_only_in_quotes(tmp_path):
    header = "@relation r\n@attribute a {'?',x}\n@attribute b {0,1}\n@data\n"
    events = read(tmp_path, header + "?,1\n'?',1\n{0 ?}\n{0 '?'}\n{}\n", labels=["b"])
    assert [event.x["a"] for event in events] == [None, "?", None, "?", "?"]


def test_an_omitted_attribute_has_its_first_value(tmp_path):
    header = "@relation r\n@attribute a {1,0}\n@attribute b {1,0}\n@attribute c {1,0}\n@data\n"
    first, second, third = read(tmp_path, header + "{}\n{0 0,1 0}\n{0 1,2 0}\n", labels=["b", "c"])
    assert (first.x, first.y) == ({"a": 1}, {"b", "c"})
    assert (second.x, second.y) == ({}, {"c"})
    assert (third.x, third.y) == ({"a": 1}, {"b"})


MALFORMED = [
    ("1,calm,0", "columns"),
    ("1,calm,0,1,1", "columns"),
    ("1,calm,0,1,", "columns"),
    ("1,calm,0,{2}", "value"),
    ("1 calm 0 1", "columns"),
    (",calm,0,1", "number"),
    ("x,calm,0,1", "number"),
    ("1_0,calm,0,1", "number"),
    ("0x1,calm,0,1", "number"),
    ("inf,calm,0,1", "number"),
    ("-Infinity,calm,0,1", "number"),
    ("1e999,calm,0,1", "number"),
    ("1,storm,0,1", "value"),
    ("1,Calm,0,1", "value"),
    ("1,'?',0,1", "value"),
    ("1,calm,2,1", "value"),
    ("1,calm,yes,1", "value"),
    ("1,'calm,0,1", "quote"),
    ("1,'calm'x,0,1", "quote"),
    ("1,'calm\\',0,1", "quote"),
    ("1,calm,0,1,{0}", "weight"),
    ("1,calm,0,1,{-1}", "weight"),
    ("1,calm,0,1,{inf}", "weight"),
    ("1,calm,0,1,{x}", "weight"),
    ("1,calm,0,1,{}", "weight"),
    ("1,calm,0,1,'{2}'", "columns"),
    ("{0 1", "columns"),
    ("{0 1,", "columns"),
    ("{", "columns"),
    ("{0}", "value"),
    ("{0 }", "value"),
    ("{cloud 1}", "value"),
    ("{-1 1}", "value"),
    ("{0 1 2}", "number"),
    ("{0 1;2 1}", "number"),
    ("{0\xa01}", "value"),
    ("{٠ 1}", "value"),
    ("{0\x1f1}", "value"),
    ("{4 1}", "index"),
    ("{99999999999999999999 1}", "index"),
    ("{" + "9" * 5000 + " 1}", "index"),
    ("{0 1,0 1}", "duplicate"),
    ("{0 0,0 1}", "duplicate"),
    ("{0 x}", "number"),
    ("{0 inf}", "number"),
    ("{1 storm}", "value"),
    ("{1 '?'}", "value"),
    ("{2 2}", "value"),
    ("{1 'calm}", "value"),
    ("{0 1}}", "columns"),
    ("{0 1} 5", "columns"),
    ("{0 1},{0}", "weight"),
]


@pytest.mark.parametrize(("row", "code"), MALFORMED, ids=[row[:20] for row, _ in MALFORMED])
@pytest.mark.parametrize("before", [0, 3])
def test_malformed_rows(tmp_path, row, code, before):
    good = "1,calm,0,1\n"
    text = HEADER + good * before + "% comment\n\n" + row + "\n" + good
    line = 6 + before + 3
    path = tmp_path / "t.arff"
    with pytest.raises(MalformedEvent) as caught:
        read(tmp_path, text)
    error = caught.value
    assert (error.code, error.file, error.line, error.raw) == (code, str(path), line, row.encode() + b"\n")
    assert str(error).startswith(f"{path}:{line}: ")
    with ArffSource(path, labels=["rain", "snow"], on_error="skip") as source:
        assert len(list(source)) == before + 1
        assert source.n_malformed == 1
        assert source.snapshot() == line + 1


@pytest.mark.parametrize("cell", ["1_0", "inf", "1e999"])
def test_what_is_no_number_is_none_where_all_features_are_numbers(tmp_path, cell):
    text = "@relation '-C 1'\n@attribute l {0,1}\n@attribute a numeric\n@data\n1,2\n"
    with pytest.raises(MalformedEvent) as caught:
        read(tmp_path, f"{text}1,{cell}\n", labels=None)
    assert (caught.value.code, caught.value.line) == ("number", 6)


@any_example
@given(st.text(st.sampled_from("{}'\"\\ ,\t%?01acx_\xa0é"), max_size=14), st.booleans())
def test_no_row_raises_anything_else(tmp_path, row, sparse):
    """The short way and the exact way agree on every row: the exact one is forced by a comment."""
    if sparse:
        row = "{0 " + row
    outcomes = []
    for text in (row, row + " %"):
        errors = []
        events = read(tmp_path, HEADER + text + "\n", on_error=errors.append)
        outcomes.append((events, [(error.code, error.line) for error in errors]))
    quoted = row.count("'") + row.count('"')
    if not quoted and "%" not in row and row.strip():
        assert outcomes[0] == outcomes[1]


def test_ignored_attributes_are_read_past_whoever_says_which_are_labels(tmp_path):
    text = (
        "@relation 'r: -C 3'\n@attribute rain {0,1}\n@attribute hail {1,0}\n@attribute snow {0,1}\n@attribute when date\n"
        "@attribute cloud numeric\n@attribute why string\n@data\n"
        "1,1,0,2026-05-01,0.5,plain\n{0 1,3 '1 May, noon',4 2,5 'it\\'s'},{3}\n0,1,1,?,'1',\"a, 'b'\"\n"
    )
    ignore = ["when", "hail", "why"]
    expected = [({"cloud": 0.5}, {"rain"}, 1.0), ({"cloud": 2.0}, {"rain"}, 3.0), ({"cloud": 1.0}, {"snow"}, 1.0)]
    for options in ({"labels": None}, {"labels": 2}, {"labels": ["rain", "snow"]}):
        found = read(tmp_path, text, ignore=ignore, **options)
        assert [(event.x, event.y, event.w) for event in found] == expected
    (tmp_path / "t.xml").write_text('<labels><label name="hail"/><label name="snow"/><label name="rain"/></labels>')
    with ArffSource(tmp_path / "t.arff", ignore=ignore) as source:
        assert source.labels == ("snow", "rain")
        assert [(event.x, event.y, event.w) for event in source] == expected
    for named, told in (
        (["when"], ":7: attribute 'why' is of type 'string', .*; put it among those to ignore"),
        ([*ignore, "w"], "no attribute is named 'w', asked for to be ignored"),
    ):
        with pytest.raises(SourceError, match=told):
            read(tmp_path, text, ignore=named)
    with pytest.raises(SourceError, match=r"attribute 'a' is of type 'relational', not numeric or nominal$"):
        read(tmp_path, "@relation r\n@attribute a relational\n@end a\n@data\n", ignore=["a"])


HEADERS = [
    ("", "empty"),
    ("@relation r\n@attribute a numeric\n", "no @data"),
    ("@relation r\n@attribute a string\n@data\n", ":2: attribute 'a' is of type 'string'"),
    ("@relation r\n@attribute a date 'yyyy-MM-dd'\n@data\n", ":2: attribute 'a' is of type 'date'"),
    ("@relation r\n@attribute a relational\n@end a\n@data\n", ":2: attribute 'a' is of type 'relational'"),
    ("@relation r\n@attribute a\n@data\n", ":2: attribute 'a' is of type ''"),
    ("@relation r\n@attribute a numerical\n@data\n", ":2: attribute 'a' is of type 'numerical'"),
    ("@relation r\n@attribute\n@data\n", ":2: cannot read the name"),
    ("@relation r\n@attribute 'a numeric\n@data\n", ":2: cannot read the name"),
    ("@relation r\n@attribute a {x,y\n@data\n", ":2: a brace is not closed"),
    ("@relation r\n@attribute a {}\n@data\n", ":2: attribute 'a' has no values"),
    ("@relation r\n@attribute a {x,'x'}\n@data\n", ":2: attribute 'a' names a value twice"),
    ("@relation r\n@attribute a {x} y\n@data\n", ":2: attribute 'a': cannot read 'y'"),
    ("@relation r\n@attribute a numeric\n@attribute 'a' {0,1}\n@data\n", "two attributes are named 'a'"),
    ("@relation r\nattribute a numeric\n@data\n", ":2: 'attribute a numeric' is no part"),
    ("1,2,3\n", ":1: '1,2,3' is no part"),
    ("@relation r\n@attribute b numeric\n@data\n", "no column is named 'a'"),
    ("@relation r\n@attribute a {x,y}\n@data\n", "attribute 'a' is no label: its values are x, y"),
    ("@relation r\n@attribute a {0,1,2}\n@data\n", "attribute 'a' is no label: its values are 0, 1, 2"),
    ("@relation r\n@attribute a {1,yes}\n@data\n", "attribute 'a' is no label: its values are 1, yes"),
    (b"\xff\xfe@\x00r\x00", "UTF-16"),
    (b"\xfe\xff\x00@\x00r", "UTF-16"),
]


@pytest.mark.parametrize(("text", "message"), HEADERS, ids=[str(message) for _, message in HEADERS])
def test_headers_that_cannot_be_read(tmp_path, text, message):
    with pytest.raises(SourceError) as caught:
        read(tmp_path, text, labels=["a"])
    assert message in str(caught.value)
    assert str(tmp_path / "t.arff") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_headers_of_many_looks(tmp_path):
    text = (
        "\ufeff% first\r\n\r\n  @RELATION   x y z\r\n@ATTRIBUTE plain REAL\r\n"
        "@attribute\t100% Integer % why\r\n@attribute 'sp ace'numeric\r\n"
        "@attribute it's numeric {2.5}\r\n@attribute sky{grey, blue}\r\n"
        '@attribute "a\\"b" { 0 , 1 }\r\n@attribute l {false,TRUE}\r\n'
        "@attribute m numeric\r\n@Data % now\r\n"
        "1,2,3,4,blue,1,TRUE,0\r\n1,2,3,4,grey,0,false,1.0\r\n"
    )
    first, second = read(tmp_path, text, labels=["l", "m"])
    assert first.x == {"plain": 1, "100%": 2, "sp ace": 3, "it's": 4, "sky": "blue", 'a"b': 1}
    assert (first.y, second.y) == ({"l"}, {"m"})
    assert [first.position, second.position] == [13, 14]


def test_numeric_labels_are_0_or_1(tmp_path):
    header = "@relation r\n@attribute a numeric\n@attribute b numeric\n@data\n"
    rows = "1,0\n1,1.000\n1,2\n{0 1}\n{1 1e0}\n{1 0.5}\n1,nan"
    errors = []
    events = read(tmp_path, header + rows, labels=-1, on_error=errors.append)
    assert [event.y for event in events] == [set(), {"b"}, set(), {"b"}]
    assert [(error.line, error.code) for error in errors] == [(7, "label"), (10, "label"), (11, "label")]


def test_an_omitted_attribute_may_be_an_empty_text(tmp_path):
    (event,) = read(tmp_path, "@relation r\n@attribute a {'',x}\n@attribute l {0,1}\n@data\n{1 1}\n", labels=["l"])
    assert (event.x, event.y) == ({"a": ""}, {"l"})


def test_labels_that_are_not_all_observed_stand_in_the_order_of_the_labels(tmp_path):
    for row in ("?,0", "{0 ?}"):
        text = f"@relation r\n@attribute a {{0,1}}\n@attribute b {{0,1}}\n@data\n{row}\n"
        (event,) = read(tmp_path, text, labels=["b", "a"])
        assert list(event.y.items()) == [("b", False), ("a", None)]


def test_a_label_is_the_attribute_of_just_its_name_if_there_is_one():
    assert match_labels(["&amp;", "&", "a\\b"], ["&", "&amp;", "ab", "a\\b"]) == ["&amp;", "&", "a\\b"]
    for wanted, number in (("ab", "more than one"), ("c", "no")):
        with pytest.raises(SourceError, match=f"{number} attribute has the name of the label '{wanted}'"):
            match_labels([wanted], ["a\\b", "\\ab"])


MEKA = """@relation {}
@attribute a {{0,1}}
@attribute b {{0,1}}
@attribute c {{0,1}}
@data
1,0,1
"""


@pytest.mark.parametrize(
    ("relation", "labels"),
    [
        ("'Music: -C 2'", ("a", "b")),
        ('"Music: -c 1 -split-number 5"', ("a",)),
        ("'Music: -split-number 5 -C -2'", ("b", "c")),
        ("-C 3", ("a", "b", "c")),
        ("'x:-C\t1'", ("a",)),
    ],
)
def test_meka(tmp_path, relation, labels):
    (event,) = read(tmp_path, MEKA.format(relation), labels=None)
    assert event.y == set(labels) & {"a", "c"}
    assert set(event.x) == {"a", "b", "c"} - set(labels)


@pytest.mark.parametrize("relation", ["'Music: -C 4'", "'Music: -C -9'"])
def test_meka_with_more_labels_than_attributes(tmp_path, relation):
    with pytest.raises(SourceError, match="labels are asked for, and there are 3 columns"):
        read(tmp_path, MEKA.format(relation), labels=None)


@pytest.mark.parametrize("relation", ["Music", "'x-C 2'", "'-C two'", "'-C 2x'", "'-Cat 2'"])
def test_nothing_says_which_are_labels(tmp_path, relation):
    with pytest.raises(SourceError, match=r"no file t.xml, no -C in the relation"):
        read(tmp_path, MEKA.format(relation), labels=None)


KEEL = """@relation sky
@attribute wind real [0.0, 1.0]
@attribute gusts integer[0,9]
@attribute kind {{calm, strong}}
@attribute rain {{0, 1}}
@attribute snow {{0,1}}
@inputs wind, gusts, kind
@outputs {}
@data
0.5, 3, calm, 1, 0
<null>, 2, <null>, 0, <null>
"""


def test_keel(tmp_path):
    path = tmp_path / "sky.dat"
    path.write_text(KEEL.format("rain, snow"))
    with open_source(path) as source:
        assert (source.labels, source.features) == (("rain", "snow"), ("wind", "gusts", "kind"))
        assert [(event.x, event.y) for event in source] == [
            ({"wind": 0.5, "gusts": 3.0, "kind": "calm"}, {"rain"}),
            ({"wind": None, "gusts": 2.0, "kind": None}, {"rain": False, "snow": None}),
        ]
    with open_source(path, labels=["snow"]) as source:
        assert source.labels == ("snow",)
    path.write_text(KEEL.format("rain, snow").replace("@relation sky", "@relation 'sky: -C -1'"))
    with open_source(path) as source:  # what the relation says has the higher rank
        assert source.labels == ("snow",)
    path.write_text(KEEL.format("snow,'rain'").replace("@outputs ", "@Output\t"))
    with open_source(path) as source:
        assert source.labels == ("snow", "rain")
    for outputs, message in (("rain, hail", "no column is named 'hail'"), ("kind", "attribute 'kind' is no label")):
        path.write_text(KEEL.format(outputs))
        with pytest.raises(SourceError, match=message):
            open_source(path)


def mulan(tmp_path, xml, attributes=("a", "b", "c"), **options):
    text = "@relation 'r: -C 1'\n" + "".join(f"@attribute {name} {{0,1}}\n" for name in attributes)
    text += "@data\n" + ",".join("1" * len(attributes))
    (tmp_path / "t.xml").write_bytes(xml if isinstance(xml, bytes) else xml.encode())
    path = tmp_path / "t.arff.gz"
    path.write_bytes(gzip.compress(text.encode()))
    with ArffSource(path, **options) as source:
        (event,) = source
        assert event.y == (set(source.labels) or None)
        return source.labels


XML = '<?xml version="1.0" encoding="utf-8"?>\n<labels xmlns="http://mulan.sourceforge.net/labels">{}</labels>'


@pytest.mark.parametrize(
    ("inside", "attributes", "labels"),
    [
        ('<label name="c"></label><label name="a"/>', ("a", "b", "c"), ("c", "a")),
        ('<label name="b"><label name="a"><label name="c"/></label></label>', ("c", "b", "a"), tuple("bac")),
        ("<label name='b'/><!-- <label name='a'/> -->", ("a", "b"), ("b",)),
        ('<label name="x &amp; y"/>', ("'x & y'", "b"), ("x & y",)),
        ('<label name="x &amp;amp; y"/>', ("'x & y'", "b"), ("x & y",)),
        ('<label name="R&B"/>', ("R&B", "b"), ("R&B",)),
        ('<label name="&eacute;&#233;&#xe9;"/>', ("ééé", "b"), ("ééé",)),
        ('<label name="&nosuch;"/>', ("&nosuch;", "b"), ("&nosuch;",)),
        ('<label name="m\\\'u"/>', ("m\\'u", "b"), ("m\\'u",)),
        ('<label name="m\\\'u"/>', ("'m\\'u'", "b"), ("m'u",)),
        ('<label name="m\'u"/>', ("m\\'u", "b"), ("m\\'u",)),
        ('<label name="a"/><label name="a"/>', ("a", "b"), ("a",)),
        ('<label name="日本 語"/>', ('"日本 語"', "b"), ("日本 語",)),
    ],
)
def test_mulan(tmp_path, inside, attributes, labels):
    assert mulan(tmp_path, XML.format(inside), attributes) == labels


def test_label_files_of_other_looks(tmp_path):
    assert mulan(tmp_path, '\ufeff<labels>\r\n <label name="b" />\r\n</labels>') == ("b",)
    latin = '<?xml version="1.0" encoding="ISO-8859-1"?><labels><label name="é"/></labels>'.encode("latin-1")
    assert mulan(tmp_path, latin, ("é", "b")) == ("é",)
    assert mulan(tmp_path, XML.format('<label name="b"/>'), labels=["c"]) == ("c",)
    assert mulan(tmp_path, XML.format('<label name="b"/>'), labels=()) == ()
    other = tmp_path / "other.xml"
    other.write_text(XML.format('<label name="c"/>'))
    with ArffSource(tmp_path / "t.arff.gz", xml=other) as source:
        assert source.labels == ("c",)


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("", "empty"),
        ("<labels>", "not a file of label names"),
        ("rain, snow", "not a file of label names"),
        (XML.format(""), "no label in it"),
        (XML.format("<label/>"), "a label without a name"),
        (XML.format('<label name="z"/>'), "no attribute has the name of the label 'z'"),
        (XML.format('<label name="a\\\\b"/>'), "more than one attribute has the name"),
    ],
)
def test_label_files_that_cannot_be_read(tmp_path, xml, message):
    with pytest.raises(SourceError) as caught:
        mulan(tmp_path, xml, ("ab", "'\\\\ab'", "c"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", ["t-train.arff", "tTest-3.arff", "T-sparse.ARFF", "t_1.arff.gz"])
def test_parts_of_a_set_share_a_label_file(tmp_path, part):
    for name, label in (("t", "c"), ("other", "a"), ("t-train-too", "b")):
        (tmp_path / f"{name}.xml").write_text(XML.format(f'<label name="{label}"/>'))
    path = tmp_path / part
    path.write_text(MEKA.format("parts"))
    with ArffSource(path) as source:
        assert source.labels == ("c",)
    assert xml_beside(path) == tmp_path / "t.xml"
    path.write_text(MEKA.format("'parts: -C 2'"))
    with ArffSource(path) as source:
        assert source.labels == ("a", "b")
    (tmp_path / "t.xml").unlink()
    path.write_text(MEKA.format("parts"))
    with pytest.raises(SourceError, match=rf"no file {own_xml(path).name}, no -C in the relation"):
        ArffSource(path)


def test_the_label_file_with_the_longest_name_counts_and_is_named(tmp_path):
    (tmp_path / "tmc.xml").write_text(XML.format('<label name="a"/>'))
    (tmp_path / "tmc2007.xml").write_text(XML.format('<label name="z"/>'))
    path = tmp_path / "tmc2007-500.arff"
    path.write_text(MEKA.format("r"))
    with pytest.raises(SourceError, match=r"no attribute has the name of the label 'z', in tmc2007\.xml"):
        ArffSource(path)


def test_an_entity_bomb_stays_small(tmp_path):
    entities = '<!DOCTYPE l [<!ENTITY a "bbbbbbbbbb"><!ENTITY c "&a;&a;&a;">]>'
    bomb = f'{entities}<labels><label name="&c;"/></labels>'
    with pytest.raises(SourceError, match="'&c;'"):
        mulan(tmp_path, bomb)


def test_labels_by_the_caller(tmp_path):
    text = HEADER + "1,calm,1,1"
    assert read(tmp_path, text, labels=-2)[0].y == {"rain", "snow"}
    assert read(tmp_path, text, labels=["snow"])[0].x == {"cloud": 1.0, "wind": "calm", "rain": 1}
    assert read(tmp_path, text, labels=0)[0].y is None
    assert read(tmp_path, text, labels=())[0].y is None
    with pytest.raises(SourceError, match=r"no column is named 'hail' and 1 more"):
        read(tmp_path, HEADER, labels=["hail", "rain", "fog"])
    with pytest.raises(SourceError, match="not the text 'rain'"):
        read(tmp_path, HEADER, labels="rain")


def test_a_file_that_is_not_utf8_is_latin1(tmp_path):
    text = HEADER.replace("calm", "brisé") + "1,brisé,0,1\n"
    for encoded in (text.encode(), text.encode("latin-1")):
        assert read(tmp_path, encoded)[0].x["wind"] == "brisé"
    assert read(tmp_path, text.encode("cp1250"), encoding="cp1250")[0].x["wind"] == "brisé"
    errors = []
    read(tmp_path, HEADER.encode() + b"1,bris\xe9,0,1\n", encoding="utf-8", on_error=errors.append)
    assert [(error.line, error.code) for error in errors] == [(7, "encoding")]
    for encoding in ("utf-16", "no-such", "cp037", "base64"):
        with pytest.raises(ValueError, match="line by line"):
            read(tmp_path, text, encoding=encoding)


def test_huge_numbers_do_not_make_a_row_infinite(tmp_path):
    header = "@relation r\n@attribute a numeric\n@attribute b numeric\n@attribute c {0,1}\n@data\n"
    (event,) = read(tmp_path, header + "1e308,1.7e308,1\n", labels=["c"])
    assert event.x == {"a": 1e308, "b": 1.7e308}


def test_more_items_than_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr("streams.arff._MOST_ITEMS", 3)
    rows = "".join(f"{{0 {value},2 1}}\n" for value in range(1, 20))
    events = read(tmp_path, HEADER + rows)
    assert [event.x["cloud"] for event in events] == list(range(1, 20))
    assert all(event.y == {"rain"} for event in events)


def test_open_source_takes_the_same_options(tmp_path):
    path = tmp_path / "sky.data"
    path.write_text(HEADER + "1,calm,1,1\n")
    with open_source(path, format="arff", labels=-1) as source:
        assert next(iter(source)).y == {"snow"}
