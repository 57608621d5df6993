"""A label or feature whose place another one takes leaves nothing behind for it, in whatever expert."""

import random

import pytest

from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier
from ihomer.experts import EXPERTS
from ihomer.kernels.voting import FAST, SLOW

ALONE = [(name,) for name in (*EXPERTS, "tree")]


@pytest.mark.parametrize("experts", [*ALONE, ("frequency", "labelsets")], ids=" ".join)
def test_a_label_in_the_place_of_a_forgotten_one_starts_as_one_that_never_applied(experts):
    model = IHOMERClassifier(experts=experts, clustering=LabelPartition(max_labels=8), global_drift=False)
    rng, others = random.Random(1), [f"other {i}" for i in range(7)]
    for _ in range(200):
        a = rng.random() < 0.6
        model.learn_one({"a" if a else "b": 1.0}, {"old"} if a else {rng.choice(others)})
    place = model.partition.labels.get("old")
    assert model.predict_proba_one({"a": 1.0})["old"][True] > 0.5
    for name in others:
        model.learn_one({"b": 1.0}, {name})
    model.learn_one({"b": 1.0}, {"new": False})
    assert "old" not in model.labels
    assert model.partition.labels.get("new") == place
    assert model.predict_proba_one({"a": 1.0})["new"][True] < 0.1
    assert not model.predict_one({"a": 1.0})["new"]


def start_trees_anew(model):
    """Let all trees be replaced by new ones, which start from the last events."""
    for member in model._members:
        member.mean_loss[[FAST, SLOW]] = 0.9, 0.1
    model._answer_drift(model.n_learned)
    assert model.drifts[-1]["learners_replaced"]


def test_past_events_tell_new_trees_nothing_of_forgotten_labels():
    model = IHOMERClassifier(experts=("tree",), clustering=LabelPartition(max_labels=8), max_ancestors=0)
    rng, others = random.Random(1), [f"other {i}" for i in range(6)]
    for _ in range(200):
        a = rng.random() < 0.6
        model.learn_one({"a" if a else "b": 1.0}, {"old"} if a else {"common", rng.choice(others)})
    for name in others:
        model.learn_one({"b": 1.0}, {"common", name})
    model.learn_one({"b": 1.0}, {"new": False})
    start_trees_anew(model)
    assert "old" not in model.labels
    assert model.predict_proba_one({"b": 1.0})["common"][True] > 0.5
    assert model.predict_proba_one({"a": 1.0})["new"][True] < 0.1


@pytest.mark.parametrize("experts", [*ALONE[1:], ("frequency", "labelsets")], ids=" ".join)
def test_a_feature_in_the_place_of_a_forgotten_one_tells_nothing_of_it(experts):
    model = IHOMERClassifier(experts=experts, max_features=16, global_drift=False)
    rng = random.Random(1)
    for i in range(600):
        a = rng.random() < 0.4
        model.learn_one({"a": 1.0} if a else {f"b{i % 3}": 1.0}, {"p"} if a else {"q"})
    place = model._encoder.features.get("a")
    assert model.predict_proba_one({"a": 1.0})["p"][True] > 0.6
    for i in range(30):
        model.learn_one({f"c{i}": 1.0}, {"q"})
        model.learn_many([{f"b{k}": 1.0} for k in range(3)], [{"q"}] * 3)
        if model._encoder.features.get(f"c{i}") == place:
            break
    assert "a" not in model.features
    assert model._encoder.features.get(f"c{i}") == place
    assert model.predict_proba_one({f"c{i}": 1.0})["p"][True] < 0.5


def test_past_events_that_new_trees_start_from_have_lost_forgotten_features():
    """Each feature stands in one event, so that those left are those known."""
    model = IHOMERClassifier(experts=("tree",), max_features=16)
    for i in range(40):
        model.learn_one({f"f{i}": 1.0}, {"p"})
    known = [model._encoder.features.get(name) for name in model.features]
    assert sorted(model._replay.latest(40).x_index.tolist()) == sorted(known)


def test_what_a_window_of_a_leaf_takes_ends_with_4096_features_however_wide_events_are(tmp_path):
    sizes = []
    for window in (1, 201):
        tree = MLHATClassifier(window=window, n_models=1, max_leaves=1)
        for n_features in (20, 3000, 20_000):
            tree.learn_one({f"f{i}": 1.0 for i in range(n_features)}, {"p"})
        tree.save(tmp_path / "model")
        sizes.append((tmp_path / "model").stat().st_size)
    bound = 2 * 200 * 4096 * 12  # there is room for twice `max_leaves`
    assert bound <= sizes[1] - sizes[0] <= 1.01 * bound


def test_the_features_that_are_known_at_most_bound_what_one_wide_event_makes_a_tree_keep(tmp_path):
    tree = MLHATClassifier(max_features=64)
    for first in (0, 100_000):
        tree.learn_one({f"f{i}": 1.0 for i in range(first, first + 100_000)}, {"p"})
        tree.learn_one(dict.fromkeys(tree.features, 1.0), {"q"})
    tree.save(tmp_path / "model")
    assert len(tree.features) == 64
    assert (tmp_path / "model").stat().st_size < 1_000_000
