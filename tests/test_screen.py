"""What the commands show on a screen: reports, names from data, progress."""

import io
import json
import os
import pty
import time

import numba
import pytest
from click.testing import CliRunner
from rich.console import Console

from ihomer import IHOMERClassifier
from ihomer.baselines import MajorityLabelset
from streams.answering import Answering
from streams.cli import main
from streams.event import Event
from streams.message import Message
from streams.progress import COMPILING, LineProgress, LiveProgress, Progress, progress_on
from streams.report import print_result
from streams.results import Result
from streams.run import Run
from streams.state import pack_state


@pytest.mark.parametrize("width", [80, 120])
def test_report_fits_the_screen(width):
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    scores = {"total": {"subset_accuracy": 0.5, "hamming_loss": 0.25}}
    drifts = [{"event": 1000 * i, "where": "node", "what": "loss rose"} for i in range(1, 40)]
    clusters = {i: [f"label {i}.{k}" for k in range(20 + i)] for i in range(25)}
    counts = {"predicted": 9, "learned": 8, "scored": 7, "skipped": 4, "labels": 500}
    result = Result("sky", counts, 1e6, scores, scores, drifts, clusters, 3, ["sky.csv:7: [3] values"], True)
    print_result(console, result, "ihomer")
    text = console.export_text()
    console.file.close()
    assert max(map(len, text.splitlines())) <= width
    assert "interrupted" in text
    assert "sky.csv:7: [3] values" in text
    assert "39" in text
    assert "39,000" in text
    assert "32 more" in text
    assert "in 5 more clusters" in text


NAMES = ["[/b]", "[red]x", "a\x1b[2Jb", "c\nd", ":snake:"]
SHOWN = ["[/b]", "[red]x", r"a\x1b[2Jb", r"c\nd", ":snake:"]


def test_names_are_shown_as_they_are_and_do_nothing_to_the_screen(tmp_path):
    answering = Answering(IHOMERClassifier(experts=("frequency",)))
    value = json.dumps({"x": {"f": 1}, "y": NAMES}).encode()
    answering.take([Message("t", 0, number, value) for number in range(3)])
    file = tmp_path / "[bold]checkpoint.ihomer"
    file.write_bytes(pack_state(answering, {("t", 0): 3}))
    answer = CliRunner().invoke(main, ["inspect", str(file)], env={"COLUMNS": "200"})
    assert answer.exit_code == 0, answer.output
    for shown in (*SHOWN, "[bold]checkpoint.ihomer"):
        assert shown in answer.stdout
    assert "\x1b" not in answer.stdout


def test_report_shows_names_as_they_are():
    console = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    scores, counts = {"total": {"subset_accuracy": 0.5}}, {"predicted": 9, "learned": 8, "scored": 7, "skipped": 4, "labels": 6}
    result = Result("[b]\x1bsky", counts, 1e6, scores, scores, [], {0: NAMES}, 3, ["sky.csv:7: \x1b[2J"], False)
    print_result(console, result, "ihomer")
    text = console.export_text()
    console.file.close()
    for shown in (*SHOWN, r"[b]\x1bsky", r"sky.csv:7: \x1b[2J"):
        assert shown in text
    assert "\x1b" not in text


def test_errors_move_no_cursor(tmp_path):
    answer = CliRunner().invoke(main, ["inspect", str(tmp_path / "\x1b[2J")], color=True)
    assert answer.exit_code == 2
    assert r"\x1b[2J: No such file" in answer.stderr
    assert "\x1b" not in answer.stderr


def test_progress_suits_the_screen(tmp_path):
    assert type(progress_on(None, "sky", 10)) is Progress
    with (tmp_path / "log").open("w") as file:
        assert type(progress_on(Console(file=file, force_terminal=True), "sky", 10)) is LineProgress
    parent, child = pty.openpty()
    with os.fdopen(child, "w") as file:
        assert type(progress_on(Console(file=file, _environ={"TERM": "xterm"}), "sky", 10)) is LiveProgress
        assert type(progress_on(Console(file=file, _environ={"TERM": "dumb"}), "sky", 10)) is LineProgress
    os.close(parent)


def test_progress_by_lines(tmp_path, monkeypatch):
    seconds = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    loop = Run(MajorityLabelset())
    with (tmp_path / "log").open("w") as file, LineProgress(Console(file=file), "sky", 10) as progress:
        progress.begin(3000)
        for n_events in loop.blocks(rainy(3000)):
            seconds[0] += 0.01 * n_events
            progress.update(loop)
    lines = (tmp_path / "log").read_text().splitlines()
    # One every ten seconds of thirty, the last of which is not over.
    assert len(lines) == 2
    assert lines[0].startswith("sky: 1,0")
    assert " of 3,000 events, " in lines[0]
    assert lines[0].endswith("last 10: subset accuracy 1.000, example-F1 1.000, micro-F1 1.000")


def test_progress_in_place(monkeypatch):
    monkeypatch.setattr("streams.progress._BETWEEN_READINGS", 0.0)
    loop = Run(MajorityLabelset())
    console = Console(width=60, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    progress = LiveProgress(console, "sky", 10)
    console.print(progress)
    progress.begin(100)
    console.print(progress)
    progress._since -= 100
    progress.compile()
    console.print(progress)
    for _ in loop.blocks(rainy(100)):
        progress.update(loop)
    console.print(progress)
    text = console.export_text()
    console.file.close()
    for expected in ("reading", "starting", "compiling (first run only), 100 s", "100 of 100 events", "last 10", "0.995"):
        assert expected in text


def test_lines_say_when_kernels_are_being_compiled_and_only_then(monkeypatch):
    monkeypatch.setattr("streams.progress._SLOW_START", 0.0)
    for n_compiled, expected in ((2, f"sky: {COMPILING}\n"), (0, "")):
        console, screen = Console(file=io.StringIO()), Console(file=io.StringIO())
        with LineProgress(console, "sky", 10) as progress, LiveProgress(screen, "sky", 10) as live:
            for one in (progress, live):
                one.begin(100)
                one.update(Run(MajorityLabelset()))
            for n in range(n_compiled):
                numba.njit(lambda x, n=n: x + n)(1)
            screen.print(live)
        assert console.file.getvalue() == expected
        assert (COMPILING in screen.file.getvalue()) == bool(n_compiled)


def test_events_without_labels_are_done_when_they_are_predicted(monkeypatch):
    monkeypatch.setattr("streams.progress._BETWEEN_LINES", 0.0)
    loop, console = Run(MajorityLabelset()), Console(file=io.StringIO(), width=80)
    loop.finish([*rainy(3), *(Event({}, None) for _ in range(4))])
    lines, live = LineProgress(console, "sky", 10), LiveProgress(console, "sky", 10)
    for progress in (lines, live):
        progress.begin(100)
        progress.update(loop)
    console.print(live)
    by_line, *_, in_place = [line for line in console.file.getvalue().splitlines() if "events" in line]
    assert by_line.startswith("sky: 7 of 100 events")
    assert "7 of 100 events" in in_place
    lines.stop()


def test_scores_in_place_are_of_the_last_events_and_of_all_and_change_four_times_a_second(monkeypatch):
    seconds = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    loop, console = Run(MajorityLabelset(), window=10), Console(file=io.StringIO(), width=80)
    progress = LiveProgress(console, "sky", 10)

    def shown():
        progress.update(loop)
        before = len(console.file.getvalue())
        console.print(progress)
        return console.file.getvalue()[before:]

    seconds[0] = 103.0
    assert "reading, 3 s" in shown()
    progress.begin(1000)
    assert "starting" in shown()
    loop.finish(rainy(40))
    for n, after in ((40, 0.0), (40, 0.2), (80, 0.1)):
        seconds[0] += after
        text = shown()
        assert f"{n} of 1,000 events" in text
        rates = {line.split()[0]: line.split()[-3] for line in text.splitlines() if line.split()[0] in ("last", "total")}
        assert rates == {"last": "1.000", "total": f"{(n - 1) / n:.3f}"}
        if n == 40 and not after:
            loop.finish(rainy(40))


def test_progress_in_place_leaves_nothing_on_the_screen():
    console = Console(file=io.StringIO(), force_terminal=True, width=60)
    with LiveProgress(console, "sk\x1by", 10) as progress:
        assert progress.stream == r"sk\x1by"
    last = console.file.getvalue().rpartition("reading")[2]
    assert "\x1b[2K" in last


def rainy(n):
    return [Event({}, {"rain"}) for _ in range(n)]
