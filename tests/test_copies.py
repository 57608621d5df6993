"""Copies of models: clones that have learned, and what comes out of a file that is mapped into memory."""

import copy
import pickle
from typing import NamedTuple

import numpy as np
import pytest
from river import compose, preprocessing

from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier
from ihomer.interrupts import Changeable, writable
from ihomer.metrics import Scoreboard
from ihomer.pair_counts import PairCounts
from ihomer.partition_changes import Change
from tests.test_threads import MAKERS, events


def learned(make, n=150):
    model = make()
    for x, y in events(n, seed=1):
        model.learn_one(x, y)
    return model


def from_read_only_memory(value):
    """Return a copy whose arrays lie in memory that cannot be written to, as joblib maps it."""
    parts = []
    content = pickle.dumps(value, protocol=5, buffer_callback=parts.append)
    return pickle.loads(content, buffers=[bytes(part.raw()) for part in parts])


def go_on_alike(one, other):
    for x, y in events(80, seed=2):
        assert one.predict_proba_one(x) == other.predict_proba_one(x)
        one.learn_one(x, y)
        other.learn_one(x, y)


@pytest.mark.parametrize("make", MAKERS)
def test_a_model_out_of_read_only_memory_goes_on_as_the_other(make):
    model = learned(make)
    go_on_alike(from_read_only_memory(model), model)


def test_a_partition_out_of_read_only_memory_goes_on_as_the_other():
    one = LabelPartition(n_min=20)
    for _, y in events(150, seed=1):
        one.learn_one(y)
    other = from_read_only_memory(one)
    for _, y in events(80, seed=2):
        one.learn_one(y)
        other.learn_one(y)
    assert one.clusters == other.clusters


def test_a_scoreboard_out_of_read_only_memory_counts_on():
    boards = [Scoreboard(window=20)]
    rng = np.random.default_rng(1)
    boards[0].update_many(*(rng.random((2, 50, 4)) < 0.5))
    boards.append(from_read_only_memory(boards[0]))
    true, predicted = rng.random((2, 50, 4)) < 0.5
    for board in boards:
        board.update_many(true, predicted)
    assert boards[0].scores() == boards[1].scores()
    assert boards[0].scores("window") == boards[1].scores("window")


def test_arrays_that_can_be_written_to_stay_what_they_are():
    kept, locked = np.zeros(3), np.ones(2)
    locked.flags.writeable = False
    given = {"kept": kept, "some": [kept, locked, 7], "pair": (kept, locked), "name": "a"}
    found = writable(given)
    assert found is given
    assert found["kept"] is found["some"][0] is found["pair"][0] is kept
    for array in (found["some"][1], found["pair"][1]):
        assert array.flags.writeable
        assert array.tolist() == [1.0, 1.0]


class Pair(NamedTuple):
    first: object
    second: object


class Stranger:
    def __init__(self, array):
        self.array = array


def test_tuples_keep_their_type_and_only_objects_of_our_own_are_looked_into():
    locked, counts = np.ones(2), PairCounts(100, 1.0, False, 0)
    locked.flags.writeable = counts.values.flags.writeable = False
    found = writable(Pair(locked, 1))
    assert type(found) is Pair
    assert found.first.flags.writeable
    kept = Pair(1, (2, "a"))
    assert writable(kept) is kept
    assert writable([Change(1, "born", 0, (), ("a",), (0,)), counts])[1] is counts
    assert counts.values.flags.writeable
    assert writable(Stranger(locked)).array is locked


def test_copies_of_one_object_in_one_copy_are_one():
    partition = LabelPartition(n_min=20)
    partition.learn_one({"a", "b"})
    pair = copy.deepcopy([partition, partition])
    assert pair[0] is pair[1] is not partition
    model = MAKERS[0]()
    model.own = model
    both = copy.deepcopy([model, model.partition])
    assert both[0].own is both[0] is not model
    assert both[0].partition is both[1] is not model.partition
    single = copy.copy(partition)
    single.learn_one({"c"})
    assert sorted(partition.labels) == ["a", "b"]
    assert partition._counts.n_events == 1


def test_whose_threads_take_turns_is_no_part_of_a_copy():
    assert Changeable().__getstate__() == {}


@pytest.mark.parametrize("make", MAKERS)
def test_a_clone_has_learned_nothing_or_all(make):
    model = learned(make)
    assert make().clone(include_attributes=True).n_learned == 0
    new, copied = model.clone(), model.clone(include_attributes=True)
    assert (new.n_learned, copied.n_learned) == (0, 150)
    assert new._get_params().keys() == model._get_params().keys()
    go_on_alike(copied, model)
    assert model.clone({}, include_attributes=True).n_learned == 230
    with pytest.raises(ValueError, match="clone has new ones or its attributes"):
        model.clone({"seed": 7}, include_attributes=True)


def test_a_pipeline_is_cloned_with_what_its_steps_have_learned():
    pipeline = compose.Pipeline(preprocessing.StandardScaler(), IHOMERClassifier())
    numbers = [({name: value for name, value in x.items() if name != "colour"}, y) for x, y in events(60, seed=1)]
    for x, y in numbers:
        pipeline.learn_one(x, y)
    copied = pipeline.clone(include_attributes=True)
    assert copied.predict_proba_one(numbers[0][0]) == pipeline.predict_proba_one(numbers[0][0])
    assert pipeline.clone()["IHOMERClassifier"].n_learned == 0


def test_a_tree_as_a_setting_is_cloned_as_one():
    model = IHOMERClassifier(experts=("tree",), tree=MLHATClassifier(grace_period=77))
    assert model.clone().tree.grace_period == 77
    assert model.clone({"tree": MLHATClassifier(grace_period=55)}).tree.grace_period == 55


def test_the_partition_of_a_model_is_taught_by_the_model_alone(tmp_path):
    """Labels that the model has no room for were read from beyond its arrays."""
    model = learned(MAKERS[0])
    model.save(tmp_path / "model")
    others = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), type(model).load(tmp_path / "model")]
    for one in (model, *others):
        for teach in (
            lambda one=one: one.partition.learn_one({"new"}),
            lambda one=one: one.partition.learn_many([{"new"}]),
            lambda one=one: one.partition.add_labels(["new"], []),
            lambda one=one: one.partition.learn_rows(np.array([0, 1]), np.zeros(1, np.int32), np.ones(1)),
        ):
            with pytest.raises(RuntimeError, match="is that of a model, which alone teaches it"):
                teach()
    for other in others:
        go_on_alike(copy.deepcopy(model), other)
    apart = [model.partition.clone(include_attributes=True), pickle.loads(pickle.dumps(model.partition)), LabelPartition()]
    for partition in apart:
        partition.learn_one({"new"})
        assert "new" in partition.labels
    assert "new" not in model.partition.labels
    assert not IHOMERClassifier(clustering=model.partition).labels


@pytest.mark.parametrize(
    "made",
    [
        "IHOMERClassifier()",
        "IHOMERClassifier(objective='subset', experts=('tree',), clustering=LabelPartition(n_min=50), seed=3)",
        "IHOMERClassifier(tree=MLHATClassifier(window=20))",
        "MLHATClassifier(delta=0.01)",
        "LabelPartition()",
    ],
)
def test_a_model_tells_what_makes_another_one(made):
    assert repr(eval(made)) == made
    assert repr(learned(lambda: eval("IHOMERClassifier(experts=('linear',))"))) == "IHOMERClassifier(experts=('linear',))"


def test_the_published_model_tells_its_settings():
    assert repr(IHOMERClassifier.paper()) == (
        "IHOMERClassifier(experts=('tree',), clustering=LabelPartition(delta=0.1, tau=0.1, split_test='odac'), "
        "tree=MLHATClassifier(), max_ancestors=1, replay=0)"
    )
