"""The comparison: its streams and orders, every model, its processes, its lines, and that a cell comes out the same again."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from river import multioutput, neighbors

from benchmarks.compare import cells, pool, sets, worker
from benchmarks.compare.hoeffding import MajorityLabelset, MultiLabelHoeffdingTree, PrunedSets
from benchmarks.compare.models import build
from benchmarks.compare.models_ours import ClustersOfTrees
from benchmarks.compare.models_river import SharedNeighbours
from benchmarks.compare.pool import Runner, run_all
from benchmarks.compare.settings import DEFAULT, Cell, Settings, SettingsError, load
from ihomer import MLHATClassifier

ROOT = Path(__file__).resolve().parents[1]
ALL_MODELS = list(load().model_tables)
TINY = {"n_events": 60, "n_labels": 5, "n_features": 4, "groups": 2, "seed": 3}
OPTIONAL = {"vowpal": "vowpalwabbit", "napkin": "napkinxc"}


@pytest.fixture
def settings() -> Settings:
    return replace(
        load(), sets=("tiny",), models=("previous labelset",), set_tables={"tiny": {"make": "synthetic", "parameters": TINY}}
    )


def tiny_stream(n_events: int = 60) -> sets.Stream:
    return sets.load({"make": "synthetic", "parameters": {**TINY, "n_events": n_events}})


# Settings --------------------------------------------------------------------------------------------------------------


def test_quick_has_four_streams_without_a_data_folder_and_eight_models() -> None:
    quick = load(quick=True)
    assert len(quick.sets) == 4
    assert len(quick.models) == 8
    assert all(quick.set_table(name)["make"] != "file" for name in quick.sets)


def test_every_table_builds_its_stream() -> None:
    for name, table in load().set_tables.items():
        stream = sets.load(table)
        assert len(stream) >= 1500, name
        assert (stream.Y.sum(0) > 0).all(), name


def run_table(**changes: str) -> str:
    values = {"sets": '["a"]', "orders": '["file"]', "seeds": "[0]", "seconds": "1", "memory_mb": "1", "limit": "0"}
    return "[run]\n" + "".join(f"{key} = {value}\n" for key, value in {**values, **changes}.items())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[run", "Expected"),
        ("[run]\nsets = []", "run.models|run.orders"),
        (run_table(models='["x"]'), "no model is named 'x'"),
        (run_table(orders='["up"]'), "no order is named 'up'"),
        (run_table(seeds="[-1]"), "a seed is"),
        (run_table(seconds="0"), "seconds"),
        (run_table(seconds="true"), "run.seconds"),
        (run_table(limit="-1"), "limit"),
        (run_table(models='["x"]') + '[models.x]\nmake = "y"', "group"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=says):
        load(path)


def test_digest_changes_with_what_changes_a_result_and_with_nothing_else(settings: Settings) -> None:
    cell = Cell("tiny", "BR HT", "file", 0)
    digest = settings.digest(cell)
    table = settings.model_tables["BR HT"]
    other = {**table, "parameters": {**table["parameters"], "tau": 0.1}}
    assert replace(settings, limit=5).digest(cell) != digest
    assert replace(settings, model_tables={**settings.model_tables, "BR HT": other}).digest(cell) != digest
    assert replace(settings, set_tables={}).digest(cell) != digest
    noted = {**table, "note": "other words"}
    assert replace(settings, seconds=1.0, model_tables={**settings.model_tables, "BR HT": noted}).digest(cell) == digest


# Streams and orders ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["file", "shuffled", "clustered"])
def test_an_order_has_all_events_once_and_keeps_features_and_labels_together(order: str) -> None:
    stream = tiny_stream()
    found = sets.ordered(stream, order, seed=4)
    assert sorted(map(bytes, np.hstack([found.X, found.Y]))) == sorted(map(bytes, np.hstack([stream.X, stream.Y])))
    again = sets.ordered(stream, order, seed=4)
    assert (again.X == found.X).all()
    assert (order == "file") == bool((sets.ordered(stream, order, seed=5).X == found.X).all())


def test_clustered_order_brings_planted_groups_one_after_the_other() -> None:
    Y = np.array([[1, 1, 0, 0], [0, 0, 1, 1]] * 20, np.uint8)
    stream = sets.Stream(np.arange(40.0)[:, None], Y, ["x"], list("abcd"))
    cluster = sets.dominant_cluster(sets.ordered(stream, "clustered", 1).Y)
    assert sets.label_clusters(Y)[0] == sets.label_clusters(Y)[1] != sets.label_clusters(Y)[2]
    assert (np.diff(cluster) != 0).sum() == 1


def test_an_event_without_labels_is_in_no_cluster_and_labels_never_seen_do_no_harm() -> None:
    Y = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 0]], np.uint8)
    assert sets.dominant_cluster(Y)[0] == -1
    assert sets.dominant_cluster(np.zeros((2, 1), np.uint8)).tolist() == [-1, -1]


@pytest.mark.parametrize("sparse", [False, True])
def test_rows_name_zeros_only_when_asked_and_never_what_is_missing(sparse: bool) -> None:
    from scipy.sparse import csr_array

    X: Any = np.array([[0.0, 2.0, np.nan], [3.0, 0.0, 0.0]])
    stream = sets.Stream(csr_array(X) if sparse else X, np.array([[0, 1], [0, 0]], np.uint8), list("abc"), ["p", "q"])
    assert [sets.Rows(stream, dense=True).x(row) for row in range(2)] == [{"a": 0.0, "b": 2.0}, {"a": 3.0, "b": 0.0, "c": 0.0}]
    assert [sets.Rows(stream, dense=False).x(row) for row in range(2)] == [{"b": 2.0}, {"a": 3.0}]
    assert sets.Rows(stream, dense=False).y(0) == {"p": False, "q": True}


def test_beyond_so_many_features_rows_stay_sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "MOST_DENSE", 3)
    rows = sets.Rows(tiny_stream(), dense=True)
    assert not rows.dense


def test_a_set_that_is_not_there_is_said() -> None:
    with pytest.raises(ValueError, match="no set 'nowhere'"):
        sets.load({"make": "file", "parameters": {"name": "nowhere"}})


# Models ----------------------------------------------------------------------------------------------------------------


def request_of(model: str, **changes: Any) -> dict[str, Any]:
    table = load().model_tables[model]
    if table["make"] in OPTIONAL:
        pytest.importorskip(OPTIONAL[table["make"]])
    if table["make"] == "moa" and not os.environ.get("MOA_LIBS"):
        pytest.skip("MOA_LIBS names no folder with MOA's jar")
    whole = {
        "set": {"make": "synthetic", "parameters": TINY}, "model": table, "order": "shuffled", "seed": 1, "limit": 0,
        "seconds": 60.0, "memory_mb": 10_000, "events": None,
    }  # fmt: skip
    return {**whole, **changes}


def outcome(request: dict[str, Any]) -> dict[str, Any]:
    states: list[dict[str, Any]] = []
    worker.run(request, states.append)
    return states[-1]


@pytest.mark.parametrize("model", ALL_MODELS)
def test_every_model_answers_every_event_and_again_the_same(model: str) -> None:
    first, second = outcome(request_of(model)), outcome(request_of(model))
    assert first["ended"] == "end"
    assert first["events_done"] == first["events"] == 60
    assert first["scores"] == second["scores"]
    assert set(first["scores"]) == set(worker.SCORES)
    assert all(0.0 <= value <= 1.0 for value in first["scores"].values())


@pytest.mark.parametrize("model", ["default", "BR HT", "random at rate"])
def test_stopping_after_some_events_gives_the_scores_of_a_shorter_stream(model: str) -> None:
    stopped = outcome(request_of(model, events=37))
    shorter = outcome(request_of(model, limit=37))
    assert stopped["events_done"] == 37
    assert stopped["events"] == 60
    assert stopped["scores"] == shorter["scores"]


@pytest.mark.parametrize("model", ["BR kNN", "BR LR", "MLHT", "previous labelset", "default"])
def test_the_first_answer_is_made_before_anything_is_learned(model: str) -> None:
    stream = tiny_stream()
    answers, _ = next(worker.steps(build(load().model_tables[model], 0, stream), stream, 1, {}))
    assert not answers.any()


def test_scores_are_those_of_counted_tables() -> None:
    random = np.random.default_rng(5)
    truth, predicted = random.random((50, 4)) < 0.4, random.random((50, 4)) < 0.4
    scores = worker.Scores(list("abcd"))
    for start in range(0, 50, 7):
        scores.update(truth[start : start + 7], predicted[start : start + 7])
    found = scores.found()
    both = (truth & predicted).sum()
    assert found["micro_precision"] == pytest.approx(both / predicted.sum(), abs=1e-6)
    assert found["micro_recall"] == pytest.approx(both / truth.sum(), abs=1e-6)
    assert found["micro_f1"] == pytest.approx(2 * both / (truth.sum() + predicted.sum()), abs=1e-6)
    assert found["hamming_loss"] == pytest.approx((truth != predicted).mean(), abs=1e-6)
    assert found["subset_accuracy"] == pytest.approx((truth == predicted).all(1).mean(), abs=1e-6)


def test_shared_neighbours_answer_as_rivers_one_for_each_label() -> None:
    ours = SharedNeighbours(n_neighbors=5, window_size=20)
    theirs = multioutput.PerOutputClassifier(
        neighbors.KNNClassifier(n_neighbors=5, engine=neighbors.LazySearch(window_size=20))
    )
    rows = sets.Rows(tiny_stream(200), dense=False)
    for row in range(200):
        x, y = rows.x(row), rows.y(row)
        assert ours.predict_one(x) == theirs.predict_one(x)
        ours.learn_one(x, y)
        theirs.learn_one(x, y)


def test_random_clusters_hold_each_label_once_and_one_cluster_is_the_tree_alone() -> None:
    stream = tiny_stream()
    assert sorted(np.concatenate(ClustersOfTrees(10, 4, seed=3).clusters).tolist()) == list(range(10))
    one = ClustersOfTrees(5, 1, seed=3).test_then_train_many(stream.X, stream.Y)
    assert (one == MLHATClassifier(seed=3).test_then_train_many(stream.X, stream.Y)).all()


def test_the_powerset_answers_with_a_labelset_it_has_seen_where_river_answers_with_the_opposite() -> None:
    stream = sets.Stream(np.ones((30, 1)), np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]] * 10, np.uint8), ["x"], list("abc"))
    rows = sets.Rows(stream, dense=True)
    model = build(load().model_tables["LP HT"], 0, stream)
    for row in range(30):
        model.learn_one(rows.x(row), rows.y(row))
    assert sum(model.predict_one(rows.x(0)).values()) == 1
    assert sum(multioutput.MultiClassEncoder.predict_one(model, rows.x(0)).values()) != 1


def test_pruned_sets_learn_a_rare_labelset_as_its_largest_frequent_part() -> None:
    leaf = PrunedSets(buffer=7, prune=1)
    a, b, ab, abc = (frozenset(letters) for letters in ("a", "b", "ab", "abc"))
    for labels in (a, a, ab, ab, a, b, frozenset("")):
        leaf.learn({"x": float(len(labels))}, labels)
    assert leaf._classes == [a, ab]
    learned: list[int] = []
    leaf._tree.learn_one = lambda x, y: learned.append(y)  # type: ignore[method-assign, assignment, misc]
    for labels in (abc, b, frozenset("ac"), frozenset("")):
        leaf.learn({"x": 0.0}, labels)
    assert learned == [1, 0]


def test_the_hoeffding_tree_without_drift_splits_and_its_leaves_differ() -> None:
    random = np.random.default_rng(0)
    model = MultiLabelHoeffdingTree(leaf=MajorityLabelset(), grace_period=50)
    for _ in range(2000):
        x = float(random.integers(2))
        model.learn_one({"x": x, "noise": float(random.random())}, {"low": x == 0.0, "high": x == 1.0})
    assert model.n_leaves > 1
    assert model.predict_one({"x": 0.0, "noise": 0.5}) == {"low": True, "high": False}
    assert model.predict_one({"x": 1.0, "noise": 0.5}) == {"low": False, "high": True}


# Processes and lines ---------------------------------------------------------------------------------------------------


def without_measured(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key != "measured"}


def test_a_cell_in_its_own_process_comes_out_the_same_again(settings: Settings) -> None:
    cell = Cell("tiny", "BR HAT", "clustered", 2)
    first, second = Runner(settings).run(cell), Runner(settings).run(cell)
    assert first["status"] == "complete"
    assert without_measured(first) == without_measured(second)
    assert first["measured"]["peak_memory_mb"] > 10
    assert json.loads(json.dumps(first)) == first


def test_a_model_out_of_time_is_scored_so_far_and_its_command_gives_the_same_line(settings: Settings) -> None:
    big = {"make": "synthetic", "parameters": {**TINY, "n_events": 5000, "n_features": 30}}
    settings = replace(settings, set_tables={"tiny": big}, seconds=0.3)
    cell = Cell("tiny", "BR ARF", "file", 0)
    line = Runner(settings).run(cell)
    assert line["status"] == "partial"
    assert 0 < line["events_done"] < 5000
    assert line["reason"] == f"0.3 s and 6000 MB were enough for {line['events_done']} of 5000 events"
    assert f"--events {line['events_done']} " in line["command"]
    again = Runner(settings, events=line["events_done"]).run(cell)
    assert without_measured(again) == without_measured(line)


def test_a_model_over_its_memory_is_stopped_and_says_so() -> None:
    ended = outcome(request_of("BR ARF", memory_mb=1, set={"make": "synthetic", "parameters": {**TINY, "n_events": 50_000}}))
    assert ended["ended"] == "memory"
    assert 0 < ended["events_done"] < 50_000


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"make": "moa", "group": "other", "parameters": {"learner": "x", "heap_mb": 10}}, "MOA_LIBS names no folder"),
        ({"make": "nothing", "group": "other"}, "no model is made by 'nothing'"),
        ({"make": "per_label", "group": "other", "parameters": {"classifier": "ARFClassifier", "trees": 3}}, "trees"),
    ],
)
def test_a_model_that_fails_is_a_line_with_its_reason(
    settings: Settings, table: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MOA_LIBS", raising=False)
    settings = replace(settings, model_tables={**settings.model_tables, "broken": table})
    line = Runner(settings).run(Cell("tiny", "broken", "file", 0))
    assert line["status"] == "failed"
    assert says in line["reason"]
    assert line["scores"] is None


def test_a_process_that_dies_is_a_line_with_the_signal(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_bound_memory", lambda pid, memory_mb: pool.os.kill(pid, signal.SIGSEGV))
    line = Runner(settings).run(Cell("tiny", "previous labelset", "file", 0))
    assert line["status"] == "failed"
    assert "SIGSEGV" in line["reason"]


def test_a_model_that_does_not_look_at_its_budget_is_killed_and_keeps_what_it_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_PATIENCE", 0.0)
    monkeypatch.setattr(pool, "_GRACE_SECONDS", 6.0)
    big = {"make": "synthetic", "parameters": {**TINY, "n_events": 50_000, "n_features": 30}}
    settings = replace(settings, set_tables={"tiny": big}, seconds=600.0)
    line = Runner(settings).run(Cell("tiny", "BR ARF", "file", 0))
    assert line["status"] == "failed"
    assert line["reason"] == "killed: had not come back 6 s after it started"
    assert 0 < line["events_done"] < 50_000
    assert line["scores"] is not None


def test_ending_a_run_ends_its_processes(settings: Settings) -> None:
    big = {"make": "synthetic", "parameters": {**TINY, "n_events": 50_000, "n_features": 30}}
    settings = replace(settings, set_tables={"tiny": big, "small": settings.set_tables["tiny"]}, seconds=600.0)
    runner = Runner(settings)
    todo = [Cell("tiny", "BR ARF", "file", 0), Cell("small", "previous labelset", "file", 0)]
    lines = run_all(runner, todo, 2, lambda cell: None)
    assert next(lines)["set"] == "small"
    began = time.monotonic()
    lines.close()
    assert time.monotonic() - began < 60


def test_lines_are_read_back_the_last_of_each_cell_and_a_torn_one_is_passed_over(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    cell = Cell("tiny", "previous labelset", "file", 0)
    line = cells.line_of(settings, cell, {"events_done": 3, "events": 9, "ended": "time", "seconds": 1.0}, None)
    cells.append(path, line)
    with path.open("a") as file:
        file.write('{"set": "tiny", "mod')
    cells.append(path, {**line, "events_done": 9, "status": "complete"})
    assert [(found["events_done"], found["status"]) for found in cells.read(path)] == [(9, "complete")]


def test_what_is_done_is_not_computed_again_unless_it_can_change(settings: Settings) -> None:
    cell = Cell("tiny", "previous labelset", "file", 0)
    state = {"events_done": 3, "events": 9, "ended": "time", "seconds": 1.0}
    partial = cells.line_of(settings, cell, state, None)
    complete = cells.line_of(settings, cell, {**state, "events_done": 9}, None)
    failed = cells.line_of(settings, cell, {}, "it broke")
    richer = replace(settings, seconds=settings.seconds + 1)
    assert cells.is_done(settings, cell, partial, retry=False)
    assert not cells.is_done(richer, cell, partial, retry=False)
    assert cells.is_done(richer, cell, complete, retry=True)
    assert cells.is_done(settings, cell, failed, retry=False)
    assert not cells.is_done(settings, cell, failed, retry=True)
    assert not cells.is_done(replace(settings, limit=4), cell, complete, retry=False)
    assert not cells.is_done(settings, cell._replace(seed=1), complete, retry=False)


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.compare", *words], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_command_goes_on_where_it_stopped(tmp_path: Path) -> None:
    out = tmp_path / "lines.jsonl"
    words = ["--sets", "sudden", "--limit", "40", "--out", str(out), "--models", "previous labelset"]
    assert command(*words).returncode == 0
    done = command(*words, "label prior", "--jobs", "2")
    assert "1 of 2 cells to compute" in done.stderr
    assert [line["model"] for line in cells.read(out)] == ["previous labelset", "label prior"]
    printed = command("--limit", "40", "--cell", "sudden", "label prior", "file", "0")
    assert without_measured(json.loads(printed.stdout)) == without_measured(cells.read(out)[1])


def test_a_signal_that_does_not_wake_the_main_thread_ends_the_run_all_the_same(settings: Settings) -> None:
    class Signalled(Runner):
        def run(self, cell: Cell) -> dict[str, Any]:
            time.sleep(0.3)  # until the main thread waits
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
            ended_early.append(self._stopped.wait(20))
            return {}

    ended_early: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        list(run_all(Signalled(settings), settings.cells(), 1, lambda cell: None))
    assert ended_early == [True]


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 130), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_command_that_is_ended_leaves_no_process(tmp_path: Path, number: int, code: int) -> None:
    # After SIGKILL the process of the cell sees for itself that it is alone, when it next tells its state.
    words = ["--sets", "incremental", "--models", "BR ARF", "--seconds", "1000", "--out", str(tmp_path / "lines.jsonl")]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.compare", *words], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        waiting_for(lambda: bool(descendants(process.pid)))
        workers = descendants(process.pid)
        process.send_signal(number)
        assert process.wait(120) == code
        waiting_for(lambda: not any(is_alive(pid) for pid in workers))
    finally:
        process.kill()
        process.wait()


def waiting_for(happens: Callable[[], bool]) -> None:
    latest = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < latest
        time.sleep(0.1)


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--models", "nobody"], "no model is named 'nobody'"),
        (["--events", "5"], "--events needs --cell"),
        (["--cell", "flags", "default", "file", "x"], "SEED must be a whole number"),
        (["--settings", "nowhere.toml"], "No such file"),
    ],
)
def test_the_command_says_what_is_wrong(words: list[str], says: str) -> None:
    done = command(*words)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_default_settings_are_in_the_repository() -> None:
    assert DEFAULT.is_file()
