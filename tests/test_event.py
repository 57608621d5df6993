"""The JSON forms of events, late labels, predictions and dead letters."""

import contextlib
import json
import math
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import MalformedEvent
from streams.event import (
    Event,
    LateLabels,
    dead_letter_record,
    decode_event,
    decode_message,
    encode_event,
    encode_record,
    event_record,
    prediction_record,
)

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ['"', "\\", ":", "a:b", "{}", "null", "NaN", "\u2028", "\x00", "é", "\\u003a", "x", "y", "", "😀"]
)
finite = st.floats(allow_nan=False, allow_infinity=False)
values = st.one_of(finite, st.integers(-(2**70), 2**70), names, st.booleans(), st.none())
truths = st.one_of(st.none(), st.frozensets(names, max_size=4), st.dictionaries(names, st.none() | st.booleans(), max_size=4))
weights = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
events = st.builds(Event, st.dictionaries(names, values, max_size=6), truths, st.none() | names, weights, st.none())


def same(one, other):
    """Equal, with types and the sign of zero told apart."""
    return repr(one) == repr(other)


@given(events)
def test_an_event_comes_back_as_it_was(event):
    again = decode_event(encode_event(event))
    assert again == event
    assert same(again.x, event.x)
    assert type(again.y) is type(event.y)


@given(events)
def test_what_is_written_is_json_on_one_line(event):
    raw = encode_event(event)
    assert b"\n" not in raw
    assert json.loads(raw).keys() <= {"id", "x", "y", "w"}


def escaped(text, draw_escape):
    """A JSON string in which some characters stand as escapes though they need not."""

    def one(c):
        needed = c in '"\\' or c < " "
        return f"\\u{ord(c):04x}" if ord(c) < 0x10000 and (needed or draw_escape()) else c

    return '"' + "".join(map(one, text)) + '"'


def scalar(value):
    return json.dumps(value, ensure_ascii=True)


@given(st.data(), st.lists(st.tuples(names, values), max_size=6), st.booleans())
def test_a_name_that_stands_twice_is_always_seen(data, pairs, in_y):
    def flip():
        return data.draw(st.booleans())

    if in_y:
        pairs = [(name, True) for name, _ in pairs]
    body = ",".join(f"{escaped(name, flip)}:{scalar(value)}" for name, value in pairs)
    raw = (f'{{"x":{{}},"y":{{{body}}}}}' if in_y else f'{{"x" : {{{body}}}, "id":"a:b"}}').encode()
    if len({name for name, _ in pairs}) < len(pairs):
        with pytest.raises(MalformedEvent) as caught:
            decode_event(raw)
        assert caught.value.code == "duplicate"
    else:
        event = decode_event(raw)
        assert (event.y if in_y else event.x) == dict(pairs)


MALFORMED = [
    (b"", "json"),
    (b"   ", "json"),
    (b"{", "json"),
    (b'{"x":{}} {}', "json"),
    (b'{"x":{"a":01}}', "json"),
    (("[" * 100_000).encode("utf-16"), "json"),
    (b'{"x":{"a":1.}}', "json"),
    (b'{"x":{"a":"\x01"}}', "json"),
    (b'{"x":{"\\ud800":1}}', "json"),
    (b'{"x":{"a":"\\udc00\\ud800"}}', "json"),
    (b"{'x':{}}", "json"),
    (b'{"x":{"\xff":1}}', "encoding"),
    (b'{"x":{"a":"\xc3"}}', "encoding"),
    (b"[]", "type"),
    (b"null", "type"),
    (b'"x"', "type"),
    (b"[" * 100_000, "type"),
    (b'{"x":' * 5_000, "type"),
    (b'{"x":null}', "type"),
    (b'{"x":[]}', "type"),
    (b'{"x":{"a":[1]}}', "type"),
    (b'{"x":{"a":{}}}', "type"),
    (b'{"id":"a","y":null}', "field"),
    (b'{"id":null,"y":["a"]}', "field"),
    (b'{"x":{},"id":null,"id":null}', "duplicate"),
    (b'{"x":{},"y":"a"}', "type"),
    (b'{"x":{},"y":[1]}', "type"),
    (b'{"x":{},"y":{"a":1}}', "type"),
    (b'{"x":{},"y":{"a":"true"}}', "type"),
    (b'{"x":{},"id":7}', "type"),
    (b'{"x":{},"w":"1"}', "type"),
    (b'{"x":{},"w":true}', "type"),
    (b'{"x":{},"w":null}', "type"),
    (b'{"x":{},"z":1}', "field"),
    (b'{"x":{},"out of range":1}', "field"),
    (b'{"x":{},"labels":["a"]}', "field"),
    (b"{}", "field"),
    (b'{"id":"a"}', "field"),
    (b'{"y":["a"]}', "field"),
    (b'{"id":"a","y":["a"]}', "field"),
    (b'{"x":{"a":NaN}}', "number"),
    (b'{"x":{"a":Infinity}}', "number"),
    (b'{"x":{"a":-Infinity}}', "number"),
    (b'{"x":{},"w":NaN}', "number"),
    (b'{"x":{"a":1e999}}', "number"),
    (b'{"x":{"a":-1e999}}', "number"),
    (b'{"x":{"a":' + b"9" * 309 + b"}}", "number"),
    (b'{"x":{"a":-' + b"9" * 5000 + b"}}", "number"),
    (b'{"x":{},"w":1e999}', "number"),
    (b'{"x":{},"w":0}', "weight"),
    (b'{"x":{},"w":-0.0}', "weight"),
    (b'{"x":{},"w":-1}', "weight"),
    (b'{"x":{},"w":1e-999}', "weight"),
    (b'{"x":{},"x":{}}', "duplicate"),
    (b'{"x":{},"w":1,"w":1}', "duplicate"),
    (b'{"x":{"a":1,"a":1}}', "duplicate"),
    (b'{"x":{"a":1,"\\u0061":1}}', "duplicate"),
    (b'{"x":{"a:":1,"a\\u003a":1}}', "duplicate"),
    (b'{"x":{},"y":{"a":true,"a":true}}', "duplicate"),
]


@pytest.mark.parametrize(("raw", "code"), MALFORMED, ids=[str(raw[:40]) for raw, _ in MALFORMED])
def test_malformed_events(raw, code):
    with pytest.raises(MalformedEvent) as caught:
        decode_event(raw)
    assert caught.value.code == code
    assert caught.value.message
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"x":{},"y":["\\ud800"]}',
        b'{"x":{},"y":["\\ud800\\u0041"]}',
        b'{"x":{"\\udc00":1}}',
        b'{"x":{"a":"b\\udc00"}}',
        b'{"id":"\\ud800 and more","x":{}}',
        b'{"\\ud800":{}}',
    ],
)
def test_half_of_a_surrogate_pair_is_told_as_such(raw):
    with pytest.raises(MalformedEvent, match=r"^half of a surrogate pair, as \\ud800 alone, is no character$") as caught:
        decode_event(raw)
    assert caught.value.code == "json"


@pytest.mark.parametrize("raw", [b"", b"{", b'{"x":{"a":1', b'{"x":{"a":"\\ud800'])
def test_json_that_is_cut_off_is_told_as_such(raw):
    with pytest.raises(MalformedEvent, match=r"^it ends before its JSON object does$"):
        decode_event(raw)


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(raw):
    with contextlib.suppress(MalformedEvent):
        decode_message(raw)


@given(events, st.data())
def test_no_damaged_event_raises_anything_else(event, data):
    raw = bytearray(encode_event(event))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        again = decode_message(bytes(raw))
    except MalformedEvent:
        return
    if isinstance(again, Event):
        assert 0 < again.w < math.inf
        assert all(math.isfinite(value) for value in again.x.values() if isinstance(value, float))


def test_minimal_forms():
    assert decode_event(b'{"x":{}}') == Event({}, None, None, 1.0, None)
    assert decode_event(b'{"x":{},"y":[]}').y == frozenset()
    assert decode_event(b'{"x":{},"y":{}}').y == {}
    assert decode_event(b'{"x":{},"y":["b","a","b"]}').y == {"a", "b"}
    event = decode_event(b' {"w": 2, "x": {"a": null}, "id": ""} ', position=17, line=9)
    assert event == Event({"a": None}, None, "", 2.0, 17)
    assert event.line == 9


def test_numbers_keep_their_kind():
    x = decode_event(b'{"x":{"a":1,"b":1.0,"c":true,"d":"1","e":-0.0,"f":18446744073709551616}}').x
    assert same(x, {"a": 1, "b": 1.0, "c": True, "d": "1", "e": -0.0, "f": 2**64})


def test_digits_in_a_text_are_no_number():
    digits = "9" * 400
    assert decode_event(f'{{"x":{{"{digits}":"{digits}"}}}}'.encode()).x == {digits: digits}


def test_late_labels():
    assert decode_message(b'{"id":"a","y":["b"]}', 5) == LateLabels("a", frozenset("b"), 5)
    assert decode_message(b'{"id":"a","y":{"b":null}}') == LateLabels("a", {"b": None})
    assert decode_message(b'{"id":"a","x":{},"y":[]}') == Event({}, frozenset(), "a")
    for raw in (b'{"id":"a","y":["b"],"w":2}', b'{"id":"a"}', b'{"y":["b"]}', b'{"id":"a","w":2}', b"{}"):
        with pytest.raises(MalformedEvent) as caught:
            decode_message(raw)
        assert caught.value.code == "field"


WITHOUT_JSON_FORM = {
    "infinite": Event({"a": math.inf}),
    "infinite and missing": Event({"a": -math.inf, "b": None}),
    "surrogate value": Event({"a": "\ud800"}),
    "surrogate name": Event({"\udfff": 1}),
    "beyond a float": Event({"a": 10**400}),
    "object": Event({"a": object()}),
    "surrogate label": Event({}, {"\ud800"}),
    "weight 0": Event({}, w=0.0),
    "weight below 0": Event({}, w=-1.0),
    "weight infinite": Event({}, w=math.inf),
    "weight nan": Event({}, w=math.nan),
}


@pytest.mark.parametrize("event", WITHOUT_JSON_FORM.values(), ids=WITHOUT_JSON_FORM)
def test_events_that_have_no_json_form(event):
    with pytest.raises(ValueError, match=r"\S"):
        encode_event(event)


def test_a_missing_number_is_written_as_null():
    assert decode_event(encode_event(Event({"a": math.nan, "b": None}))).x == {"a": None, "b": None}


def test_records_of_events_are_the_same_whatever_the_order_of_the_set():
    one = event_record(Event({}, set("abcdef"), w=2.0))
    other = event_record(Event({}, set("fedcba"), w=2.0))
    assert encode_record(one) == encode_record(other) == b'{"x":{},"y":["a","b","c","d","e","f"],"w":2.0}'


def test_prediction():
    source = {"topic": "t", "partition": 0, "offset": 12}
    record = prediction_record(
        frozenset({"b", "a"}), {"a": 0.75, "b": 0.5}, learned=3, partition_version=2, id="e", source=source
    )
    assert json.loads(encode_record(record)) == {
        "id": "e",
        "source": source,
        "labels": ["a", "b"],
        "proba": {"a": 0.75, "b": 0.5},
        "learned": 3,
        "partition_version": 2,
    }


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_records_with_numbers_that_json_has_not(bad):
    for proba in (bad, {"a": bad}, [1, [bad]], {"a": ({"b": bad},)}, {bad}, [frozenset({bad})]):
        with pytest.raises(ValueError, match="JSON has no number"):
            encode_record({"proba": proba, "id": None})


def test_a_record_that_is_nested_too_deep_has_no_json_form():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="no JSON form"):
        encode_record({"a": deep})


def test_dead_letter():
    error = MalformedEvent("json", "broken").at("f.jsonl", 7, raw=b'{"\xff')
    assert dead_letter_record(error) == {
        "source": {"file": "f.jsonl", "line": 7},
        "error": "json",
        "message": "broken",
        "raw": '{"\\xff',
    }
    source = {"topic": "t", "partition": 1, "offset": 2}
    record = dead_letter_record(MalformedEvent("json", "broken"), source)
    assert record["source"] == source
    assert record["raw"] == ""
    assert json.loads(encode_record(record)) == record


def test_errors_say_where():
    assert str(MalformedEvent("c", "m")) == "m"
    assert str(MalformedEvent("c", "m").at(line=3)) == "line 3: m"
    assert str(MalformedEvent("c", "m").at("f", 3)) == "f:3: m"
    assert str(MalformedEvent("c", "m").at("f", row=3)) == "f, row 3: m"
    again = pickle.loads(pickle.dumps(MalformedEvent("c", "m").at("f", 3, raw=b"r")))
    assert (str(again), again.code, again.message) == ("f:3: m", "c", "m")
    assert (again.file, again.line, again.raw) == ("f", 3, b"r")


def test_an_event_cannot_be_changed():
    event = Event({})
    with pytest.raises(AttributeError):
        event.w = 2.0
    with pytest.raises((AttributeError, TypeError)):
        event.other = 2.0


def test_null_for_the_labels_or_the_id_is_as_none():
    assert decode_message(b'{"id":"a","x":{"b":1},"y":null}') == decode_message(b'{"id":"a","x":{"b":1}}')
    assert decode_message(b'{"id":null,"x":{"b":1},"y":["c"]}') == decode_message(b'{"x":{"b":1},"y":["c"]}')


def test_what_an_event_looks_like_is_told_with_a_field_that_it_has_not():
    with pytest.raises(MalformedEvent, match=re.escape('unknown field `cloud`; an event is {"id": "...", "x": {...}, "y"')):
        decode_message(b'{"cloud":1}')


def test_a_fault_in_words_is_bounded_whatever_the_event_says():
    for raw in (b'{"x":{"%b":1,"%b":2}}' % (b"n" * 9999, b"n" * 9999), b'{"x":{},"%b":1}' % (b"n" * 9999)):
        with pytest.raises(MalformedEvent) as told:
            decode_message(raw)
        assert len(told.value.message) == 500
        assert told.value.message.endswith(("' stands twice in one object", "of which only x must be"))
    assert MalformedEvent("json", "m" * 500).message == "m" * 500


@pytest.mark.parametrize(
    ("raw", "code", "says"),
    [
        (b'{"x":{"a":1,"b c":1e999}}', "number", "out of range - at `$.x[...]`, of 'b c'"),
        (b'{"x":{"a":1,"b":-1e999,"c":1e999}}', "number", ", of 'b'"),
        (b'{"x":{"a":"[","b":[1e999]}}', "type", "`array` - at `$.x[...]`, of 'b'"),
        (b'{"x":{"a":{},"b":[', "type", "`object` - at `$.x[...]`"),
        (b'{"x":' * 5000, "type", "`object` - at `$.x[...]`"),
        (b'{"x":{"a":[1]},"x":3}', "type", "`$.x[...]`, of 'a'"),
        (b'{"x":{"a":[1]},"x":{"b":[]}}', "type", "`$.x[...]`, of 'a'"),
        (b'{"x":{"a":1e999,"a":1,"b":[1]}}', "number", "`$.x[...]`, of 'a'"),
        (b'{"y":[],"x":{"a":{"x":1}}}', "type", "`$.x[...]`, of 'a'"),
    ],
)
def test_the_feature_with_a_value_that_is_none_is_named(raw, code, says):
    with pytest.raises(MalformedEvent) as caught:
        decode_message(raw)
    assert caught.value.code == code
    assert str(caught.value).endswith(says)
