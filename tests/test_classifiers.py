"""What every classifier promises: river's checks, what they leave out, batches, bad input, bounds."""

import copy
import math
import pickle
import random
import resource
from typing import Any, get_args, get_type_hints

import numpy as np
import pandas as pd
import pytest
import river.datasets
from river import checks, preprocessing
from scipy import sparse

from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier
from ihomer.baselines import MajorityLabelset, PreviousLabelset
from ihomer.persistence import KINDS, pack
from tests.partition_parts import events_whose_labels_change_group

MAKERS = {
    "tree": lambda **options: MLHATClassifier(seed=3, **options),
    "default": lambda **options: IHOMERClassifier(seed=3, clustering=LabelPartition(n_min=50), **options),
    "few places": lambda **options: IHOMERClassifier(seed=3, clustering=LabelPartition(n_min=50), most_labels=3, **options),
    "paper": lambda **options: IHOMERClassifier.paper(seed=3, **options),
}


@pytest.fixture(params=sorted(MAKERS))
def make(request):
    return MAKERS[request.param]


@pytest.fixture(scope="module")
def yeast():
    return list(river.datasets.Yeast().take(400))


def mixed_events(n, seed=0):
    """Events of every kind: labels and features that appear, missing and nominal values, unobserved labels."""
    rng = random.Random(seed)
    events = []
    for i in range(n):
        x = {f"f{j}": rng.gauss(0, 1) for j in range(10) if rng.random() < 0.7}
        x["colour"] = rng.choice(["red", "green", None])
        x["flag"] = rng.random() < 0.5
        x["gap"] = rng.choice([1.0, math.nan, None, 3])
        if i > n // 2:
            x["late"] = rng.random()
        labels = {f"l{j}" for j in range(6 if i > n // 3 else 3) if rng.random() < 0.3 + 0.1 * (x.get("f1", 0) > 0)}
        events.append((x, {name: name in labels for name in ("l0", "l1", *labels)} if i % 3 else labels))
        if i % 7 == 0 and isinstance(events[-1][1], dict):
            events[-1][1]["l1"] = None
    return events


def state(model):
    return pickle.dumps(model)


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_river_checks(name, monkeypatch):
    monkeypatch.setattr(river.datasets, "Music", river.datasets.Yeast)
    checks.check_estimator(MAKERS[name]())


def test_works_behind_a_scaler(make, yeast):
    model = preprocessing.StandardScaler() | make()
    for x, y in yeast[:60]:
        model.predict_one(x)
        model.learn_one(x, y)
    assert set(model.predict_one(yeast[0][0])) == set(yeast[0][1])


def test_before_any_learning(make):
    model = make()
    assert model.predict_one({"a": 1.0}) == {}
    assert model.predict_proba_one({}) == {}
    assert model.predict_set_one({"a": "b"}) == set()
    assert model.predict_topk_one({"a": 1.0}, 3) == []
    assert model.debug_one({"a": 1.0}) is not None


def test_probabilities_are_probabilities_and_prediction_is_pure(make):
    model = make()
    for x, y in mixed_events(250):
        model.learn_one(x, y)
        before = state(model)
        p = model.predict_proba_one(x)
        assert all(0.0 <= pair[True] <= 1.0 and pair[True] + pair[False] == pytest.approx(1.0) for pair in p.values())
        assert model.predict_set_one(x) == {name for name, on in model.predict_one(x).items() if on}
        top = model.predict_topk_one(x, 2)
        assert [q for _, q in top] == sorted((pair[True] for pair in p.values()), reverse=True)[:2]
        assert state(model) == before


def test_asking_before_learning_changes_no_later_bit(make):
    """Whether asked about the event that comes next, or about another one in between."""
    events = mixed_events(300)
    asked, silent = make(), make()
    for i, (x, y) in enumerate(events):
        if i % 3:
            asked.predict_one(x)
        if i % 3 == 2:
            asked.predict_proba_one(events[i // 2][0])
        asked.learn_one(x, y)
        silent.learn_one(x, y)
    assert asked.predict_proba_one(events[0][0]) == silent.predict_proba_one(events[0][0])
    assert state(asked) == state(silent)


def test_copies_in_mid_stream_change_no_later_bit(make):
    events = mixed_events(300)
    straight, copied = make(), make()
    for i, (x, y) in enumerate(events):
        straight.learn_one(x, y)
        copied.learn_one(x, y)
        if i in (40, 160):
            copied = pickle.loads(pickle.dumps(copied))
        if i in (80, 200):
            copied = copy.deepcopy(copied)
        assert straight.predict_proba_one(x) == copied.predict_proba_one(x)
    assert straight.clone().summary == make().summary


def test_same_seed_same_bits_other_seed_other_bits(yeast):
    def final(seed):
        model = MLHATClassifier(seed=seed, young_weight=10)
        for x, y in yeast[:200]:
            model.learn_one(x, y)
        return model.predict_proba_one(yeast[0][0])

    assert final(1) == final(1)
    assert final(1) != final(2)


def test_order_of_names_has_no_influence(make):
    rng = random.Random(5)

    def shuffled(mapping):
        items = list(mapping.items())
        rng.shuffle(items)
        return dict(items)

    plain, mixed = make(), make()
    for x, y in mixed_events(200):
        plain.learn_one(x, y)
        mixed.learn_one(shuffled(x), shuffled(y) if isinstance(y, dict) else rng.sample(sorted(y), len(y)))
        assert plain.predict_proba_one(x) == mixed.predict_proba_one(shuffled(x))


def test_zero_is_the_same_as_absent(make):
    given, absent = make(), make()
    for x, y in mixed_events(200):
        given.learn_one({**{f"f{j}": 0.0 for j in range(10)}, **x}, y)
        absent.learn_one({name: value for name, value in x.items() if value != 0}, y)
        assert given.predict_proba_one(x) == absent.predict_proba_one(x)


def test_lists_are_learned_as_one_by_one(make):
    events = mixed_events(400)
    single, many, tested = make(), make(), make()
    before = []
    for x, y in events:
        before.append(single.predict_set_one(x))
        single.learn_one(x, y)
    X, Y = [x for x, _ in events], [y for _, y in events]
    many.learn_many(X[:150], Y[:150])
    many.learn_many(X[150:], Y[150:])
    assert tested.test_then_train_many(X, Y) == before
    for x, _ in events[:20]:
        assert single.predict_proba_one(x) == many.predict_proba_one(x) == tested.predict_proba_one(x)


def test_weights_count_in_batches_as_one_by_one(make):
    X, Y = (list(part) for part in zip(*mixed_events(300), strict=True))
    weights = [0.5 + i % 4 for i in range(300)]
    single, many = make(), make()
    for x, y, w in zip(X, Y, weights, strict=True):
        single.learn_one(x, y, w)
    many.learn_many(X, Y, weights)
    assert pack(many, KINDS) == pack(single, KINDS)


def test_tested_and_trained_as_asked_and_then_learned(make):
    """Also for the event that brings a label, and with what was asked about another event in between."""
    both, apart = make(), make()
    events = mixed_events(400)
    for i, (x, y) in enumerate(events):
        expected = apart.predict_one(x)
        apart.learn_one(x, y, w=1.0 + i % 3)
        if i % 5 == 0:
            both.predict_one(events[i - 1][0])
        assert both.test_then_train_one(x, y, w=1.0 + i % 3) == expected
    assert both.predict_proba_one(events[0][0]) == apart.predict_proba_one(events[0][0])


def test_a_change_of_unit_is_learned_as_it_was_asked_about(make):
    """By two calls, by one, without being asked, and by a copy that was made between the calls."""
    rng = np.random.default_rng(4)
    both, apart, unasked, copied = make(), make(), make(), make()
    for i in range(300):
        u, v = rng.normal(size=2).tolist()
        x = {"a": 1000.0 * u if 80 <= i < 200 else u, "b": -9999.0 if 150 <= i < 250 else v}
        y = {"up"} if u > 0.0 else {"down"}
        expected = apart.predict_one(x)
        apart.learn_one(x, y)
        assert both.test_then_train_one(x, y) == expected
        unasked.learn_one(x, y)
        assert copied.predict_one(x) == expected
        if i % 25 == 24:
            copied = copy.deepcopy(copied)
        copied.learn_one(x, y)
    for x in ({"a": 1.0, "b": 1.0}, {"a": -2.0}):
        expected = apart.predict_proba_one(x)
        assert expected == both.predict_proba_one(x) == unasked.predict_proba_one(x) == copied.predict_proba_one(x)


def matrix_events(n=300, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 12)) * (rng.random((n, 12)) < 0.5)
    X[: n // 2, 3] = 0.0
    X[rng.random(X.shape) < 0.02] = np.nan
    Y = (X[:, :5] > 0.3).astype(float)
    return X, Y


def test_matrices_are_learned_as_dictionaries(make):
    X, Y = matrix_events()
    single = make()
    before = []
    for x, y in zip(X.tolist(), Y.tolist(), strict=True):
        x, y = dict(enumerate(x)), {label: on == 1.0 for label, on in enumerate(y)}
        before.append([single.predict_one(x).get(label, False) for label in range(5)])
        single.learn_one(x, y)
    models = {"array": (X, Y), "frame": (pd.DataFrame(X), pd.DataFrame(Y.astype(bool)))}
    for kind, (features, labels) in models.items():
        model = make()
        answer = model.test_then_train_many(features, labels)
        assert type(answer) is type(labels)
        assert np.asarray(answer).tolist() == before, kind
        assert np.array_equal(model.predict_proba_many(X), single.predict_proba_many(X))
        assert list(model.predict_proba_many(pd.DataFrame(X)).columns) == list(range(5))


def test_sparse_matrices_are_learned_as_sets(make):
    X, Y = matrix_events()
    X = np.nan_to_num(X)
    single = make()
    before = []
    for x, y in zip(X.tolist(), Y.tolist(), strict=True):
        x = {i: value for i, value in enumerate(x) if value}
        before.append(single.predict_set_one(x))
        single.learn_one(x, {label for label, on in enumerate(y) if on})
    model = make()
    answer = model.test_then_train_many(sparse.csr_array(X), sparse.csr_array(Y))
    assert [set(row.nonzero()[0].tolist()) for row in answer.toarray()] == before
    assert np.array_equal(model.predict_proba_many(sparse.csr_array(X)), single.predict_proba_many(X))


def test_answers_have_the_columns_that_were_asked_for(make):
    """Whatever their order. What is answered beside them a frame tells in more columns; a matrix has none for it."""
    X, Y = matrix_events()
    X[100, :5] = [3.0, 3.0, 0.0, 3.0, 0.0]
    for form in (lambda Y: Y, pd.DataFrame, sparse.csr_array):
        whole, part = make(), make()
        for model in (whole, part):
            model.learn_many(X[:100], Y[:100])
        answer = whole.test_then_train_many(X[100:101], form(Y[100:101]))
        some = pd.DataFrame(Y[100:101, [3, 1]], columns=[3, 1]) if form is pd.DataFrame else form(Y[100:101, :2])
        fewer = part.test_then_train_many(X[100:101], some)
        expected, found = (np.asarray(a.todense() if sparse.issparse(a) else a)[0].tolist() for a in (answer, fewer))
        assert any(found)
        if form is pd.DataFrame:
            assert list(fewer.columns[:2]) == [3, 1]
            assert found == [expected[3], expected[1], *[True] * (sum(expected) - expected[3] - expected[1])]
            assert all(expected[label] for label in fewer.columns[2:])
        else:
            assert found == expected[:2]


def test_weights(make):
    events = mixed_events(150)
    weights = [0.5 + (i % 4) for i in range(150)]
    single, many = make(), make()
    for (x, y), w in zip(events, weights, strict=True):
        single.learn_one(x, y, w=w)
    many.learn_many([x for x, _ in events], [y for _, y in events], weights)
    assert single.predict_proba_one(events[0][0]) == many.predict_proba_one(events[0][0])


@pytest.mark.parametrize(
    ("x", "y", "w"),
    [
        ({"a": math.inf}, {"p"}, 1.0),
        ({"a": -math.inf}, {"p"}, 1.0),
        ({"a": 1e300}, {"p"}, 1.0),
        ({"a": 10**400}, {"p"}, 1.0),
        ({"a": 1j}, {"p"}, 1.0),
        ({"a": b"bytes"}, {"p"}, 1.0),
        ({"a": [1.0]}, {"p"}, 1.0),
        ({"new": 1.0, "a": object()}, {"brand new"}, 1.0),
        ([1.0, 2.0], {"p"}, 1.0),
        (None, {"p"}, 1.0),
        ({"new": 1.0}, "p", 1.0),
        ({"new": 1.0}, None, 1.0),
        ({"new": 1.0}, 7, 1.0),
        ({"new": 1.0}, [["p"]], 1.0),
        ({"new": 1.0}, {"p": "yes"}, 1.0),
        ({"new": 1.0}, {"p": 0.5}, 1.0),
        ({"new": 1.0}, {"brand new"}, 0.0),
        ({"new": 1.0}, {"brand new"}, 9e-101),
        ({"new": 1.0}, {"brand new"}, 1.1e9),
        ({"new": 1.0}, {"brand new"}, 10**400),
        ({"new": 1.0}, {"brand new"}, np.complex128(1 + 2j)),
        ({"new": 1.0}, {"brand new"}, np.float16(0)),
        ({"new": 1.0}, {"brand new"}, -1.0),
        ({"new": 1.0}, {"brand new"}, math.nan),
        ({"new": 1.0}, {"brand new"}, math.inf),
        ({"new": 1.0}, {"brand new"}, "1"),
        ({"new": 1.0}, {"brand new"}, None),
    ],
)
def test_bad_input_leaves_the_model_as_it_was(make, x, y, w):
    model = make()
    for good in mixed_events(60):
        model.learn_one(*good)
    before = state(model)
    for learn in (model.learn_one, model.test_then_train_one):
        with pytest.raises((TypeError, ValueError)) as caught:
            learn(x, y, w)
        assert str(caught.value)
        assert state(model) == before


@pytest.mark.parametrize(
    ("X", "Y"),
    [
        (np.array([[1.0, math.inf]]), np.array([[1, 0]])),
        (np.array([[1.0, 2.0]]), np.array([[1, 2]])),
        (np.array([[1.0, 2.0]]), np.array([[1, 0], [0, 1]])),
        (np.array([1.0, 2.0]), np.array([[1, 0]])),
        ([{"a": 1.0}, {"a": math.inf}], [{"p"}, {"p"}]),
        ([{"a": 1.0}, {"a": 2.0}], [{"p"}, "p"]),
        ("ab", [{"p"}, {"p"}]),
    ],
)
@pytest.mark.filterwarnings("ignore:[XY] is a matrix")
def test_a_bad_batch_leaves_the_model_as_it_was(make, X, Y):
    model = make()
    for good in mixed_events(30):
        model.learn_one(*good)
    before = state(model)
    with pytest.raises((TypeError, ValueError)):
        model.learn_many(X, Y)
    assert state(model) == before


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (MLHATClassifier, {"grace_period": 0}),
        (MLHATClassifier, {"delta": 1.0}),
        (MLHATClassifier, {"tau": -0.1}),
        (MLHATClassifier, {"young_weight": "old"}),
        (MLHATClassifier, {"entropy_threshold": math.nan}),
        (MLHATClassifier, {"n_neighbors": 0}),
        (MLHATClassifier, {"window": 2.5}),
        (MLHATClassifier, {"n_models": True}),
        (MLHATClassifier, {"learning_rate": math.inf}),
        (MLHATClassifier, {"bootstrap": 1}),
        (MLHATClassifier, {"alternate_on": "sometimes"}),
        (MLHATClassifier, {"drift_input": None}),
        (MLHATClassifier, {"alternate_weight": 0}),
        (MLHATClassifier, {"switch_significance": 0.0}),
        (MLHATClassifier, {"adwin_delta": 2}),
        (MLHATClassifier, {"max_leaves": 0}),
        (MLHATClassifier, {"max_depth": -1}),
        (MLHATClassifier, {"max_features": 1}),
        (MLHATClassifier, {"max_labels": 0}),
        (MLHATClassifier, {"seed": -1}),
        (IHOMERClassifier, {"global_drift": "yes"}),
        (IHOMERClassifier, {"drift_delta": 0}),
        (IHOMERClassifier, {"max_ancestors": -1}),
        (IHOMERClassifier, {"replay": 0.5}),
        (IHOMERClassifier, {"max_features": None}),
        (IHOMERClassifier, {"seed": 1.5}),
        (IHOMERClassifier, {"clustering": 5}),
        (IHOMERClassifier, {"clustering": MLHATClassifier()}),
        (IHOMERClassifier, {"tree": 5}),
        (IHOMERClassifier, {"tree": LabelPartition()}),
        (IHOMERClassifier, {"experts": ("linear", [])}),
        (IHOMERClassifier, {"experts": ("linear", "linear")}),
        (IHOMERClassifier, {"experts": ()}),
        (IHOMERClassifier, {"experts": ("labelsets",)}),
        (IHOMERClassifier, {"experts": "linear"}),
    ],
)
def test_a_setting_out_of_range_is_named(cls, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        cls(**options)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (IHOMERClassifier, {"most_labels": 4, "most_labelsets": 64, "max_features": 20, "seed": 5, "drift_delta": 0.25}),
        (IHOMERClassifier.paper, {"seed": 3, "replay": 5, "max_ancestors": 1, "global_drift": True}),
        (MLHATClassifier, {"seed": 3, "window": 9, "max_labels": 3, "grace_period": 20, "tau": 0.5, "bootstrap": False}),
        (LabelPartition, {"seed": 3, "n_min": 25, "max_labels": 8, "max_pairs": 64, "tau": 0.25, "min_cluster_size": 2}),
    ],
)
def test_settings_of_numpy_are_those_of_python(make, options):
    models = [make(**options), make(**{name: np.asarray(value)[()] for name, value in options.items()})]
    small = {name: np.asarray(value, np.int16)[()] for name, value in options.items() if type(value) is int}
    models.append(make(**{**options, **small}))
    for model in models:
        for x, y in mixed_events(90):
            if isinstance(model, LabelPartition):
                model.learn_one(y)
            else:
                model.learn_one(x, y)
    first, *others = (pack(model, KINDS) for model in models)
    assert others == [first, first]


def test_no_more_ancestors_vote_than_may():
    for most in (0, 1):
        clustering = LabelPartition(n_min=20, min_cluster_size=2, delta=0.1, tau=0.4, fading=0.98)
        options = {"clustering": clustering, "tree": MLHATClassifier(window=5, n_models=1), "global_drift": False}
        model = IHOMERClassifier(experts=("tree",), max_ancestors=most, replay=0, **options)
        most_voters = 0
        for x, labels in events_whose_labels_change_group(1000):
            model.learn_one(x, labels)
            for label in range(model.partition.labels.size):
                most_voters = max(most_voters, sum(member.weight_on(label) > 0.0 for member in model._members))
        assert most_voters == most + 1


def test_numbers_with_thousands_of_digits_are_names_too(make):
    model, huge = make(), 10**5000
    model.learn_many([{"a": 1.0}] * 3, [["p"], [huge, "q"], {huge: True, "p": False}])
    assert model.n_learned == 3
    assert huge in model.labels
    assert model.answer_many([{"a": 1.0}], [[huge]], 2)


@pytest.mark.parametrize("k", [1.5, "2", None, True, -1])
def test_a_number_of_labels_that_is_none_leaves_the_model_as_it_was(make, k):
    model = make()
    model.learn_one({"a": 1.0}, {"p"})
    before = state(model)
    for ask in (
        lambda: model.answer_many([{"b": 1.0}], [{"q"}], k),
        lambda: model.foresee_many([{"a": 1.0}], k),
        lambda: model.predict_topk_one({"a": 1.0}, k),
    ):
        with pytest.raises(ValueError, match="k must be a whole number"):
            ask()
    assert state(model) == before
    with pytest.raises(ValueError, match="at least 1"):
        model.predict_topk_one({"a": 1.0}, 0)
    assert len(model.predict_topk_one({"a": 1.0}, np.int64(3))) == 1


def test_the_least_and_the_largest_weight(make):
    model = make()
    model.learn_one({"a": 1.0}, {"p"}, w=1e-100)
    model.learn_one({"a": 1.0}, {"p"}, w=np.float32(1e9))
    assert model.n_learned == 2


def test_a_label_that_applies_now_makes_no_room_for_another():
    model = MLHATClassifier(max_labels=2)
    model.learn_many([{"x": 1.0}] * 3, [{"a"}, {"b"}, {"a", "c"}])
    assert model.labels == ["a", "c"]


def test_looking_inside(make):
    model = make()
    events = mixed_events(300)
    model.learn_many([x for x, _ in events], [y for _, y in events])
    assert model.draw().startswith("digraph")
    assert model.draw("text")
    assert model.summary["n_learned"] == 300
    assert model.labels == [f"l{i}" for i in range(6)]
    assert "l3" in model.debug_one(events[0][0])
    assert all("event" in drift for drift in model.drifts)
    with pytest.raises(ValueError, match="form"):
        model.draw("picture")


@pytest.mark.parametrize("name", ["tree", "default"])
def test_memory_is_bounded_while_names_never_end(name):
    """100,000 events, each with a feature name never seen before, and every fortieth with such a label."""
    tree = {"max_leaves": 4, "window": 20, "n_models": 2, "grace_period": 1000}
    if name == "tree":
        model = MLHATClassifier(max_features=512, max_labels=32, **tree)
    else:
        clustering = LabelPartition(max_labels=32, max_pairs=256, n_min=500)
        model = IHOMERClassifier(clustering=clustering, tree=MLHATClassifier(**tree), max_features=512, replay=16)
    rng = random.Random(0)
    peaks = []
    for block in range(10):
        X, Y = [], []
        for i in range(block * 10_000, (block + 1) * 10_000):
            a = rng.random()
            X.append({f"only once {i}": 1.0, "a": a, "b": rng.random()})
            Y.append(({"usual"} if a > 0.5 else set()) | ({f"label {i}"} if i % 40 == 0 else set()))
        model.learn_many(X, Y)
        assert model.summary["n_features"] <= 512
        assert model.summary["n_labels"] <= 32
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # KiB
    assert model.n_learned == 100_000
    assert len(pickle.dumps(model)) < 12_000_000
    assert peaks[-1] - peaks[3] < 10_000


def test_answers_to_many_events_do_not_depend_on_how_they_are_cut(make):
    X, Y = (list(part) for part in zip(*mixed_events(150), strict=True))
    Y[40] = {"l0", "late comer"}
    single, apart = make(), make()
    foreseen = []
    for x, y in zip(X, Y, strict=True):
        foreseen += single.foresee_many([x], 3)
        single.learn_one(x, y)
    answers = make().answer_many(X, Y, 3)
    assert [answer for i in range(0, 150, 7) for answer in apart.answer_many(X[i : i + 7], Y[i : i + 7], 3)] == answers
    assert [answer.version for answer in answers] == [answer.version for answer in foreseen]
    assert len(answers[0].top) == 0
    assert len(answers[-1].top) == 3
    assert all("late comer" not in dict(answer.top) for answer in answers[:41])
    assert [answer.learned for answer in answers] == list(range(150))
    # A feature or label that an event brings is known to it when it is learned, and is not when it is foreseen.
    same = [answer == other for answer, other in zip(answers, foreseen, strict=True)]
    assert sum(same) > 100


@pytest.mark.parametrize("cls", [IHOMERClassifier, MLHATClassifier, PreviousLabelset, MajorityLabelset])
def test_type_checkers_let_features_have_names_of_any_type(cls):
    methods = [getattr(cls, name) for name in dir(cls) if name.endswith("_one") and not name.startswith("_")]
    taken = {method.__name__: get_type_hints(method).get("x") for method in methods}
    assert {get_args(kind)[0] for kind in taken.values()} == {Any}, taken
