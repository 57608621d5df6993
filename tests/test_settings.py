"""Settings and weights of every kind of number: as Python's own, or refused with their name."""

import inspect
import re
from fractions import Fraction

import numpy as np
import pytest

from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier
from ihomer.baselines import MajorityLabelset

TINY, HUGE = Fraction(1, 10**400), 10**400


@pytest.mark.parametrize("kind", [Fraction, np.longdouble, np.float16])
def test_numbers_of_every_kind_are_settings(kind, tmp_path):
    quarter = kind(0.25)
    clustering = LabelPartition(delta=quarter, tau=quarter, fading=quarter)
    tree = MLHATClassifier(delta=quarter, tau=quarter, learning_rate=quarter)
    model = IHOMERClassifier(drift_delta=quarter, clustering=clustering, tree=tree)
    for options in (clustering._get_params(), tree._get_params(), model._get_params()):
        assert {type(value) for value in options.values() if value == 0.25} == {float}
    clustering.learn_one({"a", "b"})
    model.learn_one({"x": 1.0}, {"a"})
    model.save(tmp_path / "model")
    assert IHOMERClassifier.load(tmp_path / "model").predict_proba_one({}) == model.predict_proba_one({})


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (LabelPartition, "delta", TINY),
        (LabelPartition, "tau", HUGE),
        (LabelPartition, "tau", Fraction(HUGE, 3)),
        (LabelPartition, "fading", -HUGE),
        (LabelPartition, "n_min", np.timedelta64(20, "ns")),
        (MLHATClassifier, "grace_period", HUGE),
        (MLHATClassifier, "tau", np.timedelta64(1, "s")),
        (MLHATClassifier, "adwin_delta", TINY),
        (MLHATClassifier, "n_neighbors", 10_001),
        (MLHATClassifier, "window", 0),
        (MLHATClassifier, "window", 1_000_001),
        (MLHATClassifier, "n_models", 0),
        (MLHATClassifier, "n_models", 1001),
        (MLHATClassifier, "learning_rate", 1.1e6),
        (MLHATClassifier, "max_leaves", 1_000_001),
        (MLHATClassifier, "max_depth", 1001),
        (MLHATClassifier, "max_features", 2**31),
        (MLHATClassifier, "max_labels", 2**31),
        (MLHATClassifier, "seed", 2**63),
        (IHOMERClassifier, "drift_delta", TINY),
        (IHOMERClassifier, "seed", np.timedelta64(1, "ns")),
    ],
    ids=range(21),
)
def test_numbers_that_are_too_small_or_too_large_and_spans_of_time_are_refused(make, name, value):
    with pytest.raises(ValueError, match=name):
        make(**{name: value})


def test_the_least_and_the_largest_settings_may_be_taken():
    least = dict.fromkeys(("n_neighbors", "window", "n_models", "max_leaves", "max_labels"), 1)
    least |= {"max_depth": 0, "max_features": 2, "seed": 0}
    assert MLHATClassifier(**least)._get_params().items() >= least.items()
    assert IHOMERClassifier(max_ancestors=100, experts=("tree",)).max_ancestors == 100
    assert MLHATClassifier(max_depth=1000, learning_rate=1e6).learning_rate == 1e6


@pytest.mark.parametrize("make", [IHOMERClassifier, MLHATClassifier, LabelPartition])
def test_a_setting_stays_as_it_was_given(make):
    """What was built from it would not follow, and a file of it would hold another model, or one that is refused."""
    made = make()
    for name, value in made._get_params().items():
        with pytest.raises(AttributeError, match=rf"^{name} is set when a {make.__name__} is made; clone\(\{{'{name}': "):
            setattr(made, name, value)
    assert made.clone({"seed": 7}).seed == 7


def test_a_subclass_sets_its_own_settings_when_it_likes():
    class Watched(IHOMERClassifier):
        def __init__(self, patience=3):
            super().__init__(objective="subset")
            self.patience = patience

    model = Watched()
    model.patience = 5
    assert (model.patience, model.objective) == (5, "subset")
    with pytest.raises(AttributeError, match="objective is set when a Watched is made"):
        model.objective = "hamming"


def test_a_value_is_told_up_to_a_hundred_characters():
    for length, told in ((98, f"not '{'x' * 98}'"), (99, f"not '{'x' * 96}...")):
        with pytest.raises(ValueError, match="objective") as caught:
            IHOMERClassifier(objective="x" * length)
        assert str(caught.value).endswith(told)


@pytest.mark.parametrize(
    ("make", "name", "value", "told"),
    [
        (MLHATClassifier, "window", np.zeros((2, 1)), "a whole number, from 1 to 1000000, not array([[0.],        [0.]])"),
        (MLHATClassifier, "tau", 10**5000, "a number greater than 0, not a value of type int with thousands of digits"),
        (LabelPartition, "fading", 2, "a number greater than 0 and at most 1, not 2"),
        (MLHATClassifier, "drift_input", np.array("mean"), "one of 'loss', 'mean', not array('mean', dtype='<U4')"),
    ],
    ids=["array", "digits", "bound", "word"],
)
def test_a_refusal_is_one_line_that_says_what_may_be_and_what_was_given(make, name, value, told):
    with pytest.raises(ValueError, match=name) as caught:
        make(**{name: value})
    assert str(caught.value) == f"{name} must be {told}"


@pytest.mark.parametrize("span", [np.timedelta64(1, "ns"), np.timedelta64(1, "s")])
def test_a_span_of_time_is_no_weight_and_no_number_of_labels(span):
    model = MLHATClassifier()
    with pytest.raises(TypeError, match="w must be a number, not timedelta64"):
        model.learn_one({}, {"a"}, span)
    with pytest.raises(TypeError, match="w must be a number, not timedelta64"):
        LabelPartition().learn_one({"a"}, span)
    with pytest.raises(ValueError, match="k must be a whole number"):
        model.predict_topk_one({}, span)


def _told_of(make):
    """Return parameter -> what the docstring says of it, on one line."""
    lines = inspect.cleandoc(make.__doc__).split("\n")
    told = {}
    for line in lines[lines.index("Parameters") + 2 :]:
        if set(line) == {"-"}:  # the next section
            break
        if line and not line.startswith(" "):
            names = line.split(", ")
            told.update(dict.fromkeys(names, ""))
        for name in names if line.startswith(" ") else ():
            told[name] += f" {line.strip()}"
    return told


def _range_in(message):
    """Return the range that a message tells, as docstrings do: bounds that only the machine has are left out."""
    told = re.search(r"from (\d+) to (\d+)|at least \d+|greater than 0( and at most [\d.e+]+)?|between 0 and 1", message)
    if told[1] is None:
        return told[0].replace("1e+06", "1e6")
    return f"at least {told[1]}" if int(told[2]) >= 2**30 else f"from {told[1]} to {int(told[2]):,}"


@pytest.mark.parametrize("make", [IHOMERClassifier, LabelPartition, MLHATClassifier, MajorityLabelset])
def test_docstrings_tell_the_range_of_each_number(make):
    told, seen = _told_of(make), 0
    for name, parameter in inspect.signature(make).parameters.items():
        if parameter.annotation in (int, float, "int", "float"):
            with pytest.raises(ValueError, match=f"^{name} must be ") as refused:
                make(**{name: -1})
            assert _range_in(str(refused.value)) in told[name], name
            seen += 1
    assert seen == {IHOMERClassifier: 7, LabelPartition: 7, MLHATClassifier: 17, MajorityLabelset: 1}[make]


def test_parts_are_there_to_be_looked_at():
    model = IHOMERClassifier()
    model.learn_many([{"a": 1.0}] * 20, [{"rain", "snow"}] * 20)
    before = model.predict_proba_one({"a": 1.0})
    with pytest.raises(AttributeError, match=r"^partition is part of this IHOMERClassifier, which cannot"):
        model.partition = LabelPartition()
    for partition in (model.partition, LabelPartition()):
        with pytest.raises(AttributeError, match=r"^labels is part of this LabelPartition"):
            partition.labels = type(partition.labels)()
    with pytest.raises(ValueError, match="read-only"):
        model.partition.cluster_index[:] = 99
    assert model.predict_proba_one({"a": 1.0}) == before
