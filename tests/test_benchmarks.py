"""The benchmarks' own learners and partitions do what the tables say of them."""

import argparse
import importlib
import os
import random
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from benchmarks import ablation, common, scores
from benchmarks.ablation import RandomPartition, SilentRehearsal, StraightRehearsal, probabilities
from benchmarks.common import matrices
from benchmarks.simple import majority_labelset, nearest_neighbours, previous_labelset
from ihomer import IHOMERClassifier, LabelPartition
from ihomer.experts import EXPERTS
from ihomer.experts.rehearsal import Rehearsal


def interrupted(*args):
    raise KeyboardInterrupt


def test_results_are_replaced_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "RESULTS", tmp_path)
    common.write("figures", {"n": 1})
    before = (tmp_path / "figures.json").read_text()
    for step in ("fsync", "replace"):
        with monkeypatch.context() as patched:
            patched.setattr(os, step, interrupted)
            with pytest.raises(KeyboardInterrupt):
                common.write("figures", {"n": 2})
        assert (tmp_path / "figures.json").read_text() == before
        assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


def test_a_result_that_is_not_on_file_is_asked_for_in_vain_or_has_a_stand_in(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "RESULTS", tmp_path)
    assert common.load("figures", {}) == {}
    with pytest.raises(FileNotFoundError):
        common.load("figures")
    common.write("figures", {"n": 1})
    assert common.load("figures")["n"] == common.load("figures", {})["n"] == 1


def test_new_rows_stand_in_place_of_old_ones_beside_those_of_other_models_and_sets():
    old = {"flags": {"b": 1, "gone": 2, "a": 3}, "scene": {"a": 4}}
    new = {"flags": {"a": 5}, "yeast": {"a": 6}}
    together = common.with_rows(old, new)
    assert together == {"flags": {"b": 1, "gone": 2, "a": 5}, "scene": {"a": 4}, "yeast": {"a": 6}}
    ordered = common.with_rows(old, new, ["a", "b", "never run"])
    assert ordered == {"flags": {"a": 5, "b": 1}, "scene": {"a": 4}, "yeast": {"a": 6}}
    assert list(ordered["flags"]) == ["a", "b"]


def test_each_row_of_a_file_that_is_written_in_parts_names_its_commit(monkeypatch):
    for module in (scores, ablation):
        monkeypatch.setattr(module, "commit", lambda: "0123456789ab")
        monkeypatch.setattr(module, "events_of", lambda name: [({"a": 1.0}, {"up"}), ({"b": 1.0}, {"down"})] * 3)
        monkeypatch.setattr(module, "labels_of", lambda name: ["down", "up"])
    found = scores.measure("flags", None, ["previous labelset"])
    found |= ablation.measure("flags", {"frequency alone": {"experts": ("frequency",)}})
    assert [found[name]["commit"] for name in ("previous labelset", "frequency alone")] == ["0123456789ab"] * 2


@pytest.mark.parametrize(
    "module",
    ["ablation", "debug_one", "dirty", "expert_weights", "many_labels", "partition_sets", "roofline", "scores", "speed",
     "speed_change", "speed_paths"],
)  # fmt: skip
@pytest.mark.parametrize("is_there", [True, False])
def test_missing_sets_are_named_before_anything_is_run(module, is_there, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(common, "DATA", tmp_path if is_there else tmp_path / "nowhere")
    monkeypatch.setattr(sys, "argv", [module])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"benchmarks.{module}").main()
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "IHOMER_DATA names another folder" in said.err
    assert ("no set " in said.err) == is_there


@pytest.mark.parametrize("module", ["speed", "speed_paths"])
def test_speeds_of_some_sets_do_not_replace_those_of_all(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [module, "--write", "yeast"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"benchmarks.{module}").main()
    assert ended.value.code == 2
    assert "--write is for all sets at once" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["readme", "debug_one", "expert_weights"])
def test_help_does_nothing_else(module, monkeypatch, capsys):
    found = importlib.import_module(f"benchmarks.{module}")
    if module == "readme":
        monkeypatch.setattr(found, "PAGES", None)
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    with pytest.raises(SystemExit) as ended:
        found.main()
    assert ended.value.code == 0
    assert "usage" in capsys.readouterr().out


# What other benchmarks start, or what deals with interrupts by itself.
APART = ("kafka_broker", "worker")
COMMANDS = [
    path
    for path in sorted(Path(common.__file__).parent.rglob("*.py"))
    if "def main() -> None" in path.read_text() and path.stem not in APART
]


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_an_interrupt_ends_a_command_without_a_traceback(path, monkeypatch, capsys):
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", interrupted)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_nearest_neighbours_by_hand():
    """Every event against all before it, one by one; dense and sparse agree, and the window is forgotten."""
    rng = np.random.default_rng(0)
    X = np.round(rng.normal(size=(1300, 4)), 3)
    Y = (X[:, :3] + rng.normal(size=(1300, 3)) > 0.3).astype(np.uint8)
    answers = nearest_neighbours(X, Y)
    assert not answers[0].any()
    for i in (1, 5, 249, 250, 999, 1000, 1299):
        window = np.arange(max(0, i - 1000), i)
        order = np.argsort(((X[window] - X[i]) ** 2).sum(axis=1), kind="stable")[:10]
        assert answers[i].tolist() == (2 * Y[window[order]].sum(axis=0) > len(order)).tolist(), i
    assert np.array_equal(nearest_neighbours(sparse.csr_array(X), Y), answers)


@pytest.mark.parametrize("n_others", [0, 60])
def test_the_tables_are_those_of_events_of_dictionaries(n_others):
    """Bit by bit, as `ihomer evaluate` reads them: numbers, nominal values and names that come late; dense, and sparse."""
    rng = random.Random(3)
    events = []
    for i in range(300):
        names = ["w10", "w9", "a", "zz"] if i > 100 else ["zz", "w9"]
        x = {name: rng.gauss(3.0, 2.0) for name in names}
        x |= {"sky": rng.choice(["red", "grey"]), "b": rng.choice(["red", "blue"])}
        x |= {f"word {j}": 1.0 for j in rng.sample(range(n_others), n_others // 20)}
        events.append((x, {"up"} if x["zz"] > 3.0 else {x["sky"], "down"}))
    X, Y, _, labels = matrices(events)
    assert sparse.issparse(X) == (n_others > 0)
    many, single = IHOMERClassifier(), IHOMERClassifier()
    answers = many.test_then_train_many(X, Y)
    for row, (x, y) in enumerate(events):
        predicted = single.test_then_train_one(x, {label: label in y for label in labels})
        assert {label for label, on in predicted.items() if on} == {labels[j] for j in np.flatnonzero(answers[row])}
    expected = [p[True] for p in single.predict_proba_one(events[0][0]).values()]
    assert many.predict_proba_many(X[:1])[0].tolist() == expected


def test_previous_labelset():
    assert previous_labelset(np.array([[1, 0], [0, 1], [1, 1]], np.uint8)).tolist() == [[0, 0], [1, 0], [0, 1]]


def test_of_two_labelsets_that_are_as_frequent_the_majority_is_that_seen_first():
    """As `ihomer evaluate --model majority` and `benchmarks.compare` have it."""
    a, b = [1, 0], [0, 1]
    assert majority_labelset(np.array([a, b, b, a, a], np.uint8)).tolist() == [[0, 0], a, a, b, a]


def test_random_partition_keeps_the_sizes_and_mixes_the_labels():
    found, mixed = LabelPartition(n_min=50, min_cluster_size=2), RandomPartition(n_min=50, min_cluster_size=2)
    groups = [{0, 1, 2}, {3, 4, 5}, {6, 7}, {8, 9}]
    for partition in (found, mixed):
        partition.add_labels(list(range(10)), [])
        partition.learn_many([groups[i % 4] for i in range(600)])
    sizes = [np.unique(partition.cluster_index, return_counts=True)[1].tolist() for partition in (found, mixed)]
    assert sizes[0] == sizes[1]
    assert len(sizes[0]) > 1
    assert found.cluster_index.tolist() != mixed.cluster_index.tolist()


def test_neighbours_that_know_which_features_matter_beat_those_that_do_not():
    """Two of 40 features say which of four labels apply, and only both together."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(1500, 40))
    quarter = 2 * (X[:, 3] > 0.0) + (X[:, 17] > 0.0)
    Y = (quarter[:, None] == np.arange(4)).astype(np.uint8)
    _, losses, _ = probabilities(X, Y, True)
    _, plain, _ = probabilities(X, Y, True, rehearsal=SilentRehearsal)
    assert EXPERTS["rehearsal"] is Rehearsal
    assert losses["local ridge"] < 0.8 * plain["local ridge"]
    assert losses["5 neighbours"] < 0.9 * plain["5 neighbours"]


def test_a_label_of_high_and_low_values_is_learned_by_curves_alone():
    """The label applies where a feature is far from its mean on either side: no line tells that."""
    rng = np.random.default_rng(4)
    X = rng.normal(5.0, 3.0, size=(1500, 6))
    Y = (np.abs(X[:, [2]] - 5.0) > 3.0).astype(np.uint8)
    _, losses, _ = probabilities(X, Y, True)
    _, straight, _ = probabilities(X, Y, True, rehearsal=StraightRehearsal)
    assert losses["additive, rehearsing"] < 0.7 * straight["additive, rehearsing"]
    assert losses["hidden layer, rehearsing"] < straight["hidden layer, rehearsing"]
