"""The baselines: their rules, their memory, and river's contract."""

import collections
import copy
import fractions
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import checks, datasets, evaluate

from ihomer.baselines import MajorityLabelset, PreviousLabelset
from ihomer.metrics import MicroF1, Scoreboard

untimed = settings(deadline=None)

LABELSETS = st.lists(st.frozensets(st.sampled_from("abcd"), max_size=3), max_size=40)
BOTH = pytest.mark.parametrize("make", [PreviousLabelset, MajorityLabelset])


@BOTH
def test_nothing_before_learning(make):
    model = make()
    assert model.predict_one({"x": 1}) == {}
    assert model.predict_proba_one({"x": 1}) == {}
    assert model.predict_set_one({"x": 1}) == set()


@untimed
@given(LABELSETS)
def test_previous_labelset(stream):
    model, known = PreviousLabelset(), set()
    for labelset in stream:
        model.learn_one({}, labelset)
        known |= labelset
        assert model.predict_set_one({}) == labelset
        assert model.predict_one({}) == {label: label in labelset for label in known}
        assert model.predict_proba_one({}) == {
            label: {True: float(label in labelset), False: float(label not in labelset)} for label in known
        }


@untimed
@given(LABELSETS)
def test_majority_labelset(stream):
    model = MajorityLabelset()
    for n, labelset in enumerate(stream, 1):
        model.learn_one({}, dict.fromkeys("abcd", False) | dict.fromkeys(labelset, True))
        # most_common keeps the order of first appearance among equals.
        assert model.predict_set_one({}) == collections.Counter(stream[:n]).most_common(1)[0][0]
        assert set(model.predict_one({})) == set("abcd")


@untimed
@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from([1.0, 2.0, 0.5])), max_size=80), st.integers(1, 6))
def test_majority_within_bounded_memory(stream, max_labelsets):
    model = MajorityLabelset(max_labelsets=max_labelsets)
    truth = collections.Counter()
    for number, w in stream:
        labelset = tuple(sorted({f"{number}{digit}" for digit in format(number, "b")}))
        model.learn_one({}, labelset, w=w)
        truth[labelset] += w
        assert len(model._weights) == len(model._ages) <= max_labelsets
        lost = sum(truth.values()) / (max_labelsets + 1)
        for each, weight in truth.items():
            kept = model._weights.get(each, 0.0)
            assert weight - lost <= kept <= weight
        if model._weights:
            heaviest = max(model._weights.values())
            tied = [each for each in model._weights if model._weights[each] == heaviest]
            assert model.predict_set_one({}) == set(min(tied, key=model._ages.__getitem__))


def test_majority_forgets_only_when_full():
    model = MajorityLabelset(max_labelsets=2)
    for labels in ("a", "a", "b"):
        model.learn_one({}, {labels})
    model.learn_one({}, {"c"})
    assert model.predict_set_one({}) == {"a"}
    model.learn_one({}, {"c"}, w=3.0)
    assert model.predict_set_one({}) == {"c"}


def test_majority_forgets_all_that_are_as_light_as_a_new_one():
    model = MajorityLabelset(max_labelsets=np.int64(2))
    for labels in ("a", "b", "c"):
        model.learn_one({}, {labels})
    assert model.predict_one({}) == dict.fromkeys("abc", False)
    model.learn_one({}, {"b"})
    assert model.predict_set_one({}) == {"b"}


def test_majority_knows_a_labelset_in_whatever_order_its_labels_come():
    model = MajorityLabelset()
    for labels in ("c", "ab", "ba"):
        model.learn_one({}, list(labels))
    assert model.predict_set_one({}) == {"a", "b"}


def test_unobserved_labels():
    previous, majority = PreviousLabelset(), MajorityLabelset()
    for model in (previous, majority):
        model.learn_one({}, {"a": True, "b": False, "c": True})
        for _ in range(3):
            model.learn_one({}, {"a": None, "b": True, "c": False, "d": float("nan")})
    assert previous.predict_set_one({}) == {"a", "b"}
    assert majority.predict_set_one({}) == {"a", "c"}
    assert set(majority.predict_one({})) == {"a", "b", "c", "d"}


@BOTH
def test_weight_zero_is_not_learned(make):
    model = make()
    model.learn_one({}, {"a"}, w=0.0)
    assert model.predict_one({}) == {}


@BOTH
@pytest.mark.parametrize("w", [True, np.True_, np.float32(1), np.int8(1), fractions.Fraction(1, 3), 1e100, 1e-100])
def test_weights_of_any_numeric_type_are_learned(make, w):
    model = make()
    model.learn_one({}, {"a"}, w=w)
    assert model.predict_set_one({}) == {"a"}


@BOTH
@pytest.mark.parametrize(
    ("y", "w", "word"),
    [("ab", 1.0, "y must"), (None, 1.0, "y must"), ({"a"}, -1.0, "w must"), ({"a"}, float("nan"), "w must")]
    + [({"a"}, w, "w must") for w in (10**400, 1e101, 1e-101, None, "1", [1.0])]
    + [([["c"]], 1.0, "hashable"), ({"c", float("nan")}, 1.0, "nan"), ({"c": True, float("nan"): None}, 1.0, "nan")]
    + [({"a": value}, 1.0, "True, False or None") for value in (0.1, "no", 2, [], 1j, object(), 10**400)],
)
def test_malformed_events_change_nothing(make, y, w, word):
    model = make()
    model.learn_one({}, {"b"})
    with pytest.raises(ValueError, match=word):
        model.learn_one({}, y, w=w)
    assert model.predict_one({}) == {"b": True}


@pytest.mark.parametrize("max_labelsets", [0, -1, 2.5, True, "2", None])
def test_bad_bound_is_named(max_labelsets):
    with pytest.raises(ValueError, match="max_labelsets"):
        MajorityLabelset(max_labelsets=max_labelsets)


@BOTH
def test_prediction_is_pure_and_not_shared(make):
    model = make()
    y = {"a": True, "b": False}
    model.learn_one({}, y)
    y["b"] = True
    before = pickle.dumps(model)
    model.predict_set_one({}).add("z")
    model.predict_one({})["a"] = False
    model.predict_proba_one({})["a"].clear()
    assert pickle.dumps(model) == before
    assert copy.deepcopy(model).predict_one({}) == {"a": True, "b": False}
    assert model.clone().predict_one({}) == {}


@BOTH
def test_river_checks(make, monkeypatch):
    # The checks ask for a set that must be downloaded; this one comes with river.
    monkeypatch.setattr(datasets, "Music", datasets.Yeast)
    checks.check_estimator(make())


def test_progressive_validation():
    metric = evaluate.progressive_val_score(datasets.Yeast(), PreviousLabelset(), MicroF1())
    assert metric.get() == pytest.approx(0.458, abs=5e-4)


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("name", "expected"), [("scene", (0.875, 0.937)), ("flags", (0.046, 0.578)), ("emotions", (0.074, 0.312))]
)
def test_previous_labelset_on_real_sets(shared_data, name, expected):
    tool = shared_data.parent / "tools" / "mlscore.py"
    namespace = {"__name__": "mlscore"}
    exec(compile(tool.read_text(encoding="utf8"), str(tool), "exec"), namespace)
    _, labels, _, names = namespace["load"](str(shared_data / name))
    board, model = Scoreboard(labels=names), PreviousLabelset()
    for row in labels:
        board.update({label for label, value in zip(names, row, strict=True) if value}, model.predict_set_one({}))
        model.learn_one({}, dict(zip(names, row, strict=True)))
    assert (board.score("subset_accuracy"), board.score("micro_f1")) == pytest.approx(expected, abs=5e-4)
