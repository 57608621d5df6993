"""Structured logs: one line an event, and nothing in it that should not be."""

import io
import json
import logging
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.logs import Foreign, Paced, make_logger
from streams.secret import Secret


def logged(format="json", level="debug", event="told", method="info", **fields):
    file = io.StringIO()
    getattr(make_logger(format, level, file), method)(event, **fields)
    return file.getvalue()


def test_json_holds_name_level_time_and_fields():
    record = json.loads(logged(number=3, ratio=0.5, topic="events", lag={"a/0": 1}, missing=None, done=True))
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "level": "info", "event": "told", "number": 3, "ratio": 0.5, "topic": "events", "lag": {"a/0": 1},
        "missing": None, "done": True,
    }


def test_text_is_pairs():
    line = logged("text", number=3, topic="two words", lag={"a": [1]})
    assert line.split(" ", 1)[1] == 'level=info event=told number=3 topic="two words" lag="{\\"a\\": [1]}"\n'


def test_levels():
    assert logged(level="warning", method="info") == ""
    assert logged(level="warning", method="warning") != ""
    assert logged(level="info", method="debug") == ""
    assert json.loads(logged(method="error"))["level"] == "error"
    for format, level in (("yaml", "info"), ("text", "loud")):
        with pytest.raises(ValueError, match="there are"):
            make_logger(format, level)


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize("fields", [
    {"password": "swordfish"}, {"sasl_plain_password": "swordfish"}, {"api_key": b"swordfish"}, {"token": ["swordfish"]},
    {"settings": {"ssl_password": "swordfish"}}, {"given": Secret("swordfish")}, {"given": [Secret("swordfish")]},
    {"raw": "swordfish"}, {"value": "swordfish"}, {"x": {"swordfish": 1}}, {"headers": [("swordfish", b"")]},
    {"seen": b"swordfish"}, {"seen": memoryview(b"swordfish")}, {"seen": {"inner": {"raw": "swordfish"}}},
    {"seen": " " * 300 + "swordfish"}, {"seen": {"a": {"b": {"c": ["swordfish"]}}}}, {"event_y": None, "Y": "swordfish"},
    {"seen": type("Box", (), {"__repr__": lambda self: "swordfish"})()},
])
def test_no_secret_and_no_payload_gets_in(format, fields):
    line = logged(format, **fields)
    assert "swordfish" not in line
    assert "told" in line


def test_texts_cannot_forge_lines_or_move_the_cursor():
    for format in ("text", "json"):
        line = logged(format, topic="a\nlevel=error\r\x1b[2J\u2028\ud800", event="b\nc")
        assert line.count("\n") == 1
        assert line.endswith("\n")
        assert not {"\r", "\x1b", "\u2028", "\ud800"} & set(line)


@settings(deadline=None)
@given(fields=st.dictionaries(
    st.text(max_size=8).filter(lambda name: name not in ("event", "level", "timestamp", "self", "format")),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.sets(st.integers()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
        max_leaves=10,
    ),
))
def test_any_field_makes_one_line(fields):
    assert logged("text", **fields).count("\n") == 1
    line = logged("json", **fields)
    assert line.count("\n") == 1
    assert line.isascii()
    assert json.loads(line)["event"] == "told"


def test_log_that_cannot_be_written_ends_nothing():
    file = io.StringIO()
    log = make_logger(file=file)
    file.close()
    log.error("lost")
    full = open("/dev/full", "w")  # noqa: SIM115
    log = make_logger(file=full)
    log.error("lost")
    log.error("lost")
    with pytest.raises(OSError, match="space"):
        full.close()


def test_values_without_end_are_cut():
    endless = {}
    endless["inner"] = endless
    for format in ("text", "json"):
        assert logged(format, huge=10**6000, endless=endless, many=range(10**9)[:10**6]).count("\n") == 1


def test_loggers_are_independent():
    one, two = io.StringIO(), io.StringIO()
    first, second = make_logger("text", "error", one), make_logger("json", "debug", two)
    first.info("a")
    second.info("b")
    assert one.getvalue() == ""
    assert json.loads(two.getvalue())["event"] == "b"


def test_paced():
    file, times = io.StringIO(), [0.0]
    paced = Paced(make_logger(file=file), 1.0, lambda: times[0])
    for tenth in range(35):
        times[0] = tenth / 10
        paced.info("progress")
        paced.info("progress")
    assert file.getvalue().count("\n") == 4


def test_library_is_heard_and_left_as_it_was():
    file = io.StringIO()
    source = logging.getLogger("some_library")
    handlers, propagates = list(source.handlers), source.propagate
    with Foreign(make_logger("json", "debug", file), "some_library"):
        logging.getLogger("some_library.part").error("broken: %s %d", b"swordfish", 3)
        logging.getLogger("some_library.part").info("chatter")
        time.sleep(0.11)
        for _ in range(3):
            logging.getLogger("some_library.part").warning("again")
        time.sleep(0.11)
        logging.getLogger("some_library.part").warning("100 %")
    record, again, last = [json.loads(line) for line in file.getvalue().splitlines()]
    assert (again["message"], last["message"], last["left_out"]) == ("again", "100 %", 2)
    assert (record["level"], record["name"], record["message"]) == ("error", "some_library.part", "broken: (9 bytes) 3")
    assert (source.handlers, source.propagate) == (handlers, propagates)


def test_what_a_library_says_again_and_again_is_told_once_in_a_while(monkeypatch):
    file, now = io.StringIO(), [100.0]
    monkeypatch.setattr("streams.logs.time.monotonic", lambda: now[0])
    with Foreign(make_logger("json", "debug", file), "some_library"):
        for turn in range(250):
            now[0] = 100.05 + turn / 10
            text = "another" if turn == 120 else "no such topic"
            logging.getLogger("some_library.part").error("%s: %s", text, "events")
    told = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [(record["message"], record.get("left_out", 0)) for record in told] == [
        ("no such topic: events", 0), ("no such topic: events", 99), ("another: events", 19), ("no such topic: events", 79),
    ]  # fmt: skip


def test_lines_that_differ_by_the_port_of_a_connection_say_the_same(monkeypatch):
    file, now = io.StringIO(), [100.0]
    monkeypatch.setattr("streams.logs.time.monotonic", lambda: now[0])
    with Foreign(make_logger("json", "debug", file), "some_library"):
        for turn in range(150):
            now[0] = 100.05 + turn / 10
            where = f"[127.0.0.1:{9092 + turn % 2}<-{40000 + turn}]"
            logging.getLogger("some_library.part").error("<Transport %s>: socket disconnected", where)
    told = [json.loads(line)["message"] for line in file.getvalue().splitlines()]
    ports = [(9092, 40000), (9093, 40001), (9092, 40100), (9093, 40101)]
    assert told == [f"<Transport [127.0.0.1:{port}<-{own}]>: socket disconnected" for port, own in ports]


def test_lines_of_a_library_are_not_kept_without_bound():
    with Foreign(make_logger("json", "debug", io.StringIO()), "some_library") as foreign:
        for number in range(1000):
            foreign._next = 0.0
            logging.getLogger("some_library.part").error("connection %d", number)
        assert len(foreign._not_before) <= 100
