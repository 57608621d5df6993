"""The recorder, what it counts, and the page that `ihomer evaluate --report` writes."""

import json
import math
import os
import pickle
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ihomer import IHOMERClassifier
from ihomer.baselines import MajorityLabelset
from ihomer.metrics import Scoreboard
from streams.cli import main
from streams.evaluate import Settings, bundled_yeast, evaluate
from streams.event import Event
from streams.html_report import page_of, report_page
from streams.label_counts import N_BINS, Calibration, Instead
from streams.partition_bands import bands
from streams.progress import Progress
from streams.recorder import Recorder, Sample
from streams.report_data import stream_data
from streams.results import Failure
from streams.run import Run
from tests.report_parts import HOSTILE, drifting


def watched(how=None, file=None):
    recorder = Recorder()
    how = how or Settings(limit=600)
    result = evaluate(file, how, Progress("yeast"), recorder=recorder)
    return recorder, result, page_of(recorder, result, how, file)


def embedded(page, name="data"):
    return json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.S)[1])


@pytest.fixture(scope="module")
def yeast():
    return watched()


# Counts ------------------------------------------------------------------------------------------------------------


def test_watching_changes_no_score_and_counts_what_the_scores_count(yeast):
    recorder, result, page = yeast
    alone = evaluate(None, Settings(limit=600), Progress("yeast"))
    assert result.scores["total"] == alone.scores["total"]
    assert result.baseline == {key: result.baseline[key] for key in alone.baseline} | {"window": alone.baseline["window"]}
    f1 = [row[5] or 0.0 for row in page["labels"]]
    assert np.mean(f1) == pytest.approx(result.scores["total"]["macro_f1"], abs=1e-4)
    both, true, predicted = (getattr(recorder.labels, name).sum() for name in ("both", "true", "predicted"))
    assert 2 * both / (true + predicted) == pytest.approx(result.scores["total"]["micro_f1"])


def test_log_loss_is_the_one_of_the_scores(yeast):
    page = yeast[2]
    asked = evaluate(None, Settings(limit=600, probabilities=True), Progress("yeast")).scores["total"]["log_loss"]
    assert page["final"]["model"]["total"]["log_loss"] == pytest.approx(asked, abs=1e-5)
    assert np.mean([row[6] for row in page["labels"]]) == pytest.approx(asked, abs=1e-4)


@pytest.mark.parametrize("window", [1, 2, 2**54, 10**400])
def test_any_window_can_be_watched(window):
    final = watched(Settings(model="majority", limit=50, window=window))[2]["final"]["model"]
    assert ("faded" in final) == (window > 1)
    if window > 2:
        assert final["faded"] == pytest.approx({name: final["total"][name] for name in final["faded"]}, abs=1e-5)


@pytest.mark.parametrize("how", [Settings(limit=300, delay=40), Settings(limit=300, probabilities=True)])
def test_labels_that_come_late_and_probabilities_asked_for_are_recorded_too(how):
    recorder, result, page = watched(how)
    assert recorder.calibration.weight == 300
    assert page["events"][-1] == result.counts["learned"] == 300
    assert page["calibration"]["pairs"] > 300 * 10


def test_declared_labels_that_never_occur_count_as_in_the_scores(tmp_path):
    source = tmp_path / "events.csv"
    source.write_text("x,a,b,never\n" + "".join(f"{i % 3},{int(i % 3 == 0)},{int(i % 2)},0\n" for i in range(60)))
    page = watched(Settings(labels="a,b,never"), source)[2]
    asked = evaluate(source, Settings(labels="a,b,never", probabilities=True), Progress("x")).scores["total"]
    assert page["n_labels"] == page["counts"]["labels"] == 3
    assert page["final"]["model"]["total"]["log_loss"] == pytest.approx(asked["log_loss"], abs=1e-5)
    assert np.mean([row[5] or 0.0 for row in page["labels"]]) == pytest.approx(asked["macro_f1"], abs=1e-4)


events_of_labels = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([True, False, None, math.nan]), min_size=1),
        st.sets(st.sampled_from("abcdef")),
        st.none() | st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([0.0, 0.04, 0.5, 0.97, 1.0])),
        st.sampled_from([0.5, 1.0, 3.0]),
    ),
    max_size=30,
)


@given(events_of_labels)
@example([({"a": True}, set(), {}, 0.5), ({"a": None}, set(), {"b": 0.0}, 0.5)])
@settings(deadline=None)
def test_counts_agree_with_counting_one_by_one(events):
    recorder = Recorder()
    counts, bins, loss, instead = Counter(), Counter(), Counter(), Counter()
    board = Scoreboard()
    for true, predicted, offers, w in events:
        recorder.add(true, predicted, offers, w)
        board.update(true, predicted, offers, w)
        true = {label: None if value is None or math.isnan(value) else value for label, value in true.items()}
        if all(value is None for value in true.values()):
            continue
        positive = {label for label, value in true.items() if value}
        said = {label for label in predicted if true.get(label, False) is not None}
        for label in positive | said:
            counts[label, "both"] += w * (label in positive and label in said)
            counts[label, "true"] += w * (label in positive)
            counts[label, "predicted"] += w * (label in said)
        for label in positive - said:
            for other in said - positive or {None}:
                instead[label, other] += w / max(1, len(said - positive))
        for label in "abcdef" if offers is not None else ():
            if true.get(label, False) is None:
                continue
            p, happened = offers.get(label), label in positive
            q = min(max(p or 0.0, 1e-15), 1 - 1e-15)
            loss[label] -= w * math.log(q if happened else 1.0 - q)
            if p is not None:
                bins[min(int(p * N_BINS), N_BINS - 1)] += w
    for label, place in recorder.labels.index.items():
        for name in ("both", "true", "predicted"):
            assert getattr(recorder.labels, name)[place] == pytest.approx(counts[label, name])
        names = {place: name for name, place in recorder.labels.index.items()}
        found = {names.get(other): share for other, share in recorder.instead.of(place).items()}
        assert found == pytest.approx({other: share for (missed, other), share in instead.items() if missed == label})
    recorder.calibration.flush()
    assert recorder.calibration.count == pytest.approx(np.array([bins[i] for i in range(N_BINS)], float))
    known = sum(loss[label] for label in recorder.labels.index)
    assert recorder.calibration.total_loss == pytest.approx(known, abs=1e-9)
    recorder.sample(len(events), None, {})
    scores = recorder.all_samples[-1].scores.get("model", {}).get("total", {})
    assert scores.get("log_loss", 0.0) == pytest.approx(board.scores().get("log_loss", 0.0))
    json.dumps(stream_data(recorder, "stream"), allow_nan=False)


def test_confusion_is_bounded_and_keeps_what_is_frequent():
    instead = Instead(most_cells=100)
    for i in range(1000):
        instead.add([0], [1], 1.0)
        instead.add([i], [i + 1], 1.0)
    assert instead.of(0)[1] >= 1000
    assert len(instead._cells) <= 100
    assert instead.n_dropped > 0
    instead = Instead(most_cells=4)
    for weight, label in enumerate(range(5), 1):
        instead.add([label], [9], float(weight))
    assert [instead.of(label) for label in range(5)] == [{}, {}, {}, {9: 4.0}, {9: 5.0}]
    assert instead.n_dropped == 3


def test_many_probabilities_wait_in_bounded_number():
    calibration = Calibration()
    for _ in range(300):
        calibration.add(list(range(5000)), [0.5] * 5000, [0], [], 1.0)
        assert len(calibration._rows) * 5000 <= 600_000
    calibration.flush()
    assert calibration.count.sum() == 300 * 5000


def test_an_interval_is_as_wide_as_the_number_of_events_says_whatever_they_weigh():
    """Wilson's interval of 12 of 16 pairs; of weights 1 and 3 in equal numbers, that of 16 * 4^2 / (2 * 10) pairs."""
    middle, half = (0.75 + 1.96**2 / 32) / (1 + 1.96**2 / 16), 1.96 * math.sqrt(0.75 * 0.25 / 16 + (1.96 / 32) ** 2)
    for weight in (1.0, 100.0, 1e-100):
        page = _calibration_of([(0.72, i < 12, weight) for i in range(16)])
        assert page["pairs"] == 16
        assert page["bins"][14][0] == 16
        assert page["bins"][14][1:] == pytest.approx(
            [0.72, 0.75, middle - half / (1 + 1.96**2 / 16), middle + half / (1 + 1.96**2 / 16)], abs=1e-4
        )
    mixed = _calibration_of([(0.72, i < 12, 1.0 + 2.0 * (i % 2)) for i in range(16)])
    n = 32.0**2 / (8 * 1.0 + 8 * 9.0)
    middle, half = (0.75 + 1.96**2 / (2 * n)) / (1 + 1.96**2 / n), 1.96 * math.sqrt(0.75 * 0.25 / n + (1.96 / (2 * n)) ** 2)
    low, high = mixed["bins"][14][3:]
    assert (low, high) == pytest.approx(
        (middle - half / (1 + 1.96**2 / n), middle + half / (1 + 1.96**2 / n)), abs=1e-4
    )
    assert mixed["bins"][14][0] == 16


def _calibration_of(pairs):
    recorder = Recorder()
    for p, happens, weight in pairs:
        recorder.add({"a": happens}, set(), {"a": p}, weight)
    recorder.sample(len(pairs), None, {})
    return stream_data(recorder, "pairs")["calibration"]


# Samples -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_events", [0, 1, 15, 16, 3199, 3216, 50_001])
def test_samples_are_bounded_and_evenly_spaced(n_events):
    recorder = Recorder()
    for n in range(1, n_events + 1):
        if recorder.events_to_sample(n) == 0:
            recorder.sample(n, None, {})
    recorder.sample(n_events, None, {})
    at = [sample.event for sample in recorder.all_samples]
    assert len(at) <= 201
    assert at[-1] == n_events
    assert len(set(np.diff([0, *at[:-1]]))) <= 1
    if n_events > 3200:
        assert len(at) >= 100
    json.dumps(stream_data(recorder, "stream"), allow_nan=False)


@pytest.mark.parametrize("number", [0, 1, 3, -2])
def test_an_impossible_number_of_samples_is_refused(number):
    with pytest.raises(ValueError, match="most_samples"):
        Recorder(most_samples=number)


def test_any_learner_can_be_watched():
    recorder, model = Recorder(), MajorityLabelset()
    for n, event in enumerate(bundled_yeast(), 1):
        recorder.add(event.y, model.predict_set_one(event.x), weight=event.w)
        model.learn_one(event.x, event.y)
        if recorder.events_to_sample(n) == 0:
            recorder.sample(n, model, {"model": {"total": {"micro_f1": 0.5}}})
    page = stream_data(recorder, "yeast")
    assert page["partition"] is None
    assert page["calibration"] is None
    assert page["experts"] == page["tree"] == []
    assert page["series"]["model"]["total"]["micro_f1"] == [0.5] * len(page["events"])


def test_the_samples_hold_the_weights_and_clusters_of_their_time(yeast):
    recorder, _, page = yeast
    assert set(recorder.samples[0].weights) == set(recorder.model.expert_weights)
    assert {name: weights[-1] for name, weights in page["experts"]} == pytest.approx(recorder.model.expert_weights, abs=1e-4)
    runs = dict(page["partition"]["rows"])
    clusters = recorder.model.partition.clusters
    assert {name: runs[name][-1][1] for name in runs} == {name: key for key, names in clusters.items() for name in names}
    assert page["events"][runs["Class1"][-1][0]] == 208  # the first sample after the first round of tests
    assert sum(node.get("n", 0) for node in page["tree"]) == 14


def test_expert_weights_are_those_of_the_mixture():
    model = IHOMERClassifier(experts=("linear", "ridge"))
    before = model.expert_weights
    assert sum(before.values()) == pytest.approx(1.0)
    stream = bundled_yeast()
    for _ in range(300):
        event = next(iter(stream))
        model.learn_one(event.x, event.y)
    assert list(model.expert_weights) == list(before)
    assert model.expert_weights != before
    model.expert_weights.clear()
    assert model.expert_weights
    assert IHOMERClassifier.paper().expert_weights == {}


def test_the_leaves_of_the_label_tree_are_the_clusters():
    model = IHOMERClassifier(experts=("frequency",))
    events = list(drifting(3000))
    model.learn_many([event.x for event in events], [event.y for event in events])
    tree = model.partition.tree
    assert {node.number: node.labels for node in tree if node.cut is None} == model.partition.clusters
    assert len(tree) == 2 * len(model.partition.clusters) - 1 > 1
    assert [node.depth for node in tree if node.depth == 0] == [0]
    assert IHOMERClassifier().partition.tree == []


def sample_with(clusters, event=0):
    return Sample(event, 0.0, 0, {}, {}, np.array(clusters, np.int32))


def test_a_cluster_with_a_new_number_keeps_its_colour():
    samples = [sample_with([0, 0, 0, 0]), sample_with([1, 1, 2, 2, 2]), sample_with([7, 7, 8, 8, 8])]
    found = bands(samples, list("abcde"), np.arange(5), np.ones(5), [8, 7])
    runs = dict(found["rows"])
    assert [run[1:] for run in runs["a"]] == [(0, 0), (1, 0), (7, 0)]
    assert [run[1:] for run in runs["e"]] == [(-1, -1), (2, 1), (8, 1)]
    assert found["colours"] == {"7": 0, "8": 1}
    assert {name for name, _ in found["rows"][:3]} == {"c", "d", "e"}


# The page ----------------------------------------------------------------------------------------------------------


def test_two_runs_give_the_same_page_but_for_times():
    pages = [watched(Settings(limit=500))[2] for _ in range(2)]
    assert pages[0]["times"] != pages[1]["times"]
    for page in pages:
        page["times"] = {"seconds": [], "memory": []}
    assert report_page(pages[:1], "yeast") == report_page(pages[1:], "yeast")


def test_the_order_of_sets_leaves_no_trace(tmp_path):
    source = tmp_path / "events.jsonl"
    rows = [{"x": {}, "y": {f"l{i % 7}": True, f"m{i % 5}": None, f"n{i % 3}": True, f"o{i}": False}} for i in range(40)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code = "import sys; from streams.cli import main; main(['evaluate', *sys.argv[1:], '--model', 'majority', '--quiet'])"
    pages = []
    for seed in "12":
        arguments = [sys.executable, "-c", code, str(source), "--report", "-"]
        answer = subprocess.run(arguments, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True)
        pages.append({**embedded(answer.stdout.decode())[0], "times": {}})
    assert pages[0] == pages[1]


def test_the_page_stays_small_however_long_the_stream_is():
    recorder = Recorder()
    run = Run(IHOMERClassifier(experts=("frequency",)), recorder=recorder)
    run.finish(drifting(20_000, n_labels=100))
    run.record()
    page = report_page([stream_data(recorder, "drift")], "drift")
    assert len(page.encode()) < 500_000
    assert len(embedded(page)[0]["labels"]) == 100


@given(st.lists(st.text() | st.sampled_from(HOSTILE), min_size=1, max_size=6, unique=True), st.text())
@settings(deadline=None)
def test_hostile_names_are_only_data(names, title):
    recorder = Recorder()
    recorder.add(set(names), set(names[:1]))
    recorder.sample(1, None, {"model": {"total": {"micro_f1": math.nan}}})
    page = report_page([stream_data(recorder, names[0])], title, [Failure(names[0], title)])
    assert page.count("<script") == page.count("</script>") == 3
    assert embedded(page, "failed") == [[names[0], title, False]]
    data = embedded(page)[0]
    cut = {name if len(name) <= 120 else f"{name[:119]}…" for name in names}
    assert {row[0] for row in data["labels"]} == cut
    assert data["series"]["model"]["total"]["micro_f1"] == [None]
    page.encode()


def test_nothing_to_show_is_refused():
    with pytest.raises(ValueError, match="no stream"):
        report_page([], "title")


def test_the_page_asks_for_nothing_from_elsewhere(yeast):
    page = report_page([yeast[2]], "yeast")
    assert "default-src 'none'" in page
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|<link(?! rel=\"icon\" href=\"data:,\")", page)


def command(*arguments):
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


def test_the_command_writes_a_page_of_several_streams(tmp_path):
    files = []
    for name in ("first", "second"):
        files.append(tmp_path / f"{name}.jsonl")
        files[-1].write_text("".join(json.dumps({"x": {"a": i % 3}, "y": [f"l{i % 3}"]}) + "\n" for i in range(50)))
    out = tmp_path / "out.html"
    answer = command(*files, "--report", out, "--quiet")
    assert answer.exit_code == 0, answer.output
    streams = embedded(out.read_text("utf-8"))
    assert [stream["stream"] for stream in streams] == ["first", "second"]
    assert streams[0]["counts"]["learned"] == 50
    assert command(files[0], "--report", "-", "--quiet").stdout.startswith("<!doctype html>")


def test_a_run_that_fails_before_any_score_leaves_the_page_as_it_was(tmp_path):
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"x": {"a": 1}}\n{"x": \n')
    out = tmp_path / "out.html"
    assert command(broken, "--report", out, "--quiet").exit_code == 2
    assert not out.exists()
    out.write_text("before")
    assert command(broken, "--report", out, "--quiet").exit_code == 2
    assert out.read_text() == "before"
    assert command("--limit", 5, "--report", "-", "--json", "-").exit_code == 2
    assert command("--limit", 5, "--report", tmp_path / "nowhere" / "out.html").exit_code == 2


def test_a_recorder_can_be_pickled_in_the_middle_of_a_stream():
    events = [Event({}, {"a"} if i % 3 else {"b"}) for i in range(2000)]
    pages = []
    for cut in (0, 777):
        recorder, model = Recorder(), MajorityLabelset()
        for part in (events[:cut], events[cut:]):
            recorder, model = pickle.loads(pickle.dumps((recorder, model)))
            for event in part:
                recorder.add(event.y, model.predict_set_one(event.x), model.predict_proba_one(event.x))
                model.learn_one(event.x, event.y)
                n_learned = int(recorder.labels.true.sum())
                if recorder.events_to_sample(n_learned) == 0:
                    recorder.sample(n_learned, model, {})
        pages.append({**stream_data(recorder, "stream"), "times": {}})
    assert pages[0] == pages[1]
    assert pages[0]["events"][-1] == 2000


class Parity:
    """Says for sure whether the number of an event is even; learns nothing."""

    def learn_one(self, x, y, w=1.0):
        pass

    def predict_set_one(self, x):
        return {"odd"} if x["n"] % 2 else {"even"}

    def predict_proba_one(self, x):
        even = 1.0 - x["n"] % 2
        return {"even": {True: even, False: 1.0 - even}, "odd": {True: 1.0 - even, False: even}}

    def test_then_train_many(self, X, Y, w=None):
        return [self.predict_set_one(x) for x in X]


def test_a_model_without_answer_many_is_asked_for_the_probabilities_of_each_event():
    recorder = Recorder()
    run = Run(Parity(), recorder=recorder)
    run.finish(Event({"n": n}, {"odd"} if n % 2 else {"even"}) for n in range(600))
    run.record()
    scores = recorder.all_samples[-1].scores["model"]["total"]
    assert (scores["subset_accuracy"], scores["log_loss"] < 1e-9) == (1.0, True)
