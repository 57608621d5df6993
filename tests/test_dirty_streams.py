"""Streams as they come: sensors that fail, values that are missing, units that change; and answers to events with news."""

import math
import random

import numpy as np
import pytest

from ihomer import IHOMERClassifier, LabelPartition
from ihomer.metrics import MicroF1

N_FEATURES, N_LABELS = 12, 4


def clean_stream(n_events=600):
    """Dense events far from 0, whose labels say which of their features are above their mean."""
    rng = random.Random(3)
    for _ in range(n_events):
        z = [rng.gauss(0.0, 1.0) for _ in range(N_FEATURES)]
        x = {f"f{i}": 50.0 * (i + 1) + 3.0 * value for i, value in enumerate(z)}
        yield x, {f"l{i}" for i in range(N_LABELS) if z[i] + z[i + N_LABELS] > 0.5}


def failing(x, rng):
    return {name: value * 1e4 if rng.random() < 0.01 else value for name, value in x.items()}


def incomplete(x, rng):
    return {name: None if rng.random() < 0.3 else value for name, value in x.items()}


def score_of(spoil):
    rng, model, score = random.Random(5), IHOMERClassifier(), MicroF1()
    for x, y in clean_stream():
        score.update(y, model.test_then_train_one(spoil(x, rng), y))
    return score.get()


@pytest.mark.parametrize(("spoil", "cost"), [(failing, 0.06), (incomplete, 0.2)])
def test_what_fails_or_is_missing_costs_little(spoil, cost):
    """One value of a hundred is ten thousand times too large, and so one event of nine has one; or 30 % are missing."""
    assert score_of(lambda x, rng: x) > 0.85
    assert score_of(spoil) > score_of(lambda x, rng: x) - cost


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_another_unit_in_mid_stream_costs_little(factor):
    model, score = IHOMERClassifier(), MicroF1()
    for i, (x, y) in enumerate(clean_stream()):
        answer = model.test_then_train_one(x if i < 300 else {name: factor * value for name, value in x.items()}, y)
        if i >= 400:
            score.update(y, answer)
    assert score.get() > 0.85


def test_absent_features_that_nearly_all_events_have_are_0_and_not_usual():
    """A feature of mean 10 that is absent is the lowest that it can be."""
    rng = random.Random(1)
    model = IHOMERClassifier()
    for _ in range(600):
        low = rng.random() < 0.1
        x = {"level": 0.0 if low else rng.gauss(10.0, 1.0), "other": rng.gauss(5.0, 1.0)}
        model.learn_one(x, {"low"} if low else {"high"})
    assert model.predict_set_one({"other": 5.0}) == {"low"}
    assert model.predict_set_one({"level": 0.0, "other": 5.0}) == {"low"}
    assert model.predict_set_one({"level": 10.0, "other": 5.0}) == {"high"}
    assert model.predict_set_one({"level": None, "other": 5.0}) == {"high"}


@pytest.mark.parametrize("code", [lambda has: 1.0 - has, lambda has: 3.0 - has, lambda has: "yes" if has else "no"])
def test_what_few_have_is_seen_however_it_is_coded(code):
    """Words that few events have, as 0 where they are there and 1 where not, as 2 and 3, or as nominal values."""

    def score_of(code):
        rng, model, score = random.Random(3), IHOMERClassifier(), MicroF1()
        for i in range(600):
            words = set(rng.sample(range(200), 8))
            y = {f"l{word % 7}" for word in words if word % 5 == 0}
            answer = model.test_then_train_one({f"w{word}": code(float(word in words)) for word in range(200)}, y)
            if i >= 200:
                score.update(y, answer)
        return score.get()

    assert score_of(code) > score_of(lambda has: has) - 0.02


def test_counts_with_long_tails_are_learned_from_as_well_as_marks():
    """Words that few events have, and how often: that says nothing."""

    def score_of(count):
        rng, model, score = random.Random(3), IHOMERClassifier(), MicroF1()
        for i in range(800):
            words = rng.sample(range(200), 12)
            y = {f"l{word % 7}" for word in words if word % 5 == 0}
            answer = model.test_then_train_one({f"w{word}": count(rng.gauss(0.0, 1.0)) for word in words}, y)
            if i >= 200:
                score.update(y, answer)
        return score.get()

    assert score_of(lambda z: math.ceil(math.exp(1.5 * z))) > score_of(lambda z: 1.0) - 0.04


@pytest.mark.parametrize(("offset", "least"), [(0.0, 0.9), (100.0, 0.72)])
def test_the_size_of_a_value_says_something_where_few_events_have_the_feature(offset, least):
    """One event of five has a feature, whose values say by their size what applies; they lie about 0, or far from it."""
    rng, model, score = random.Random(4), IHOMERClassifier(), MicroF1()
    for i in range(1500):
        x = {f"f{f}": offset + rng.gauss(0.0, 1.0) for f in range(10) if rng.random() < 0.2}
        y = {f"l{f[1:]}" for f, value in x.items() if value > offset}
        answer = model.test_then_train_one(x, y)
        if i >= 500:
            score.update(y, answer)
    assert score.get() > least


def wide_stream(n_events, n_features):
    rng = random.Random(7)
    for i in range(n_events):
        common = min(i * n_features // n_events + 40, n_features)
        x = {rng.randrange(common): rng.choice([1.0, 2.5]) for _ in range(rng.randint(20, 60))}
        yield x, {f"l{f % 7}" for f in x if f % 31 == 0}


@pytest.mark.parametrize("experts", [("ridge",), IHOMERClassifier().experts])
def test_learning_answers_as_predicting_does_with_more_features_than_ridge_has_places(experts):
    asked, told = IHOMERClassifier(experts=experts), IHOMERClassifier(experts=experts)
    for x, y in wide_stream(150, 3000):
        expected = asked.predict_proba_one(x)
        asked.learn_one(x, y)
        top = told.answer_many([x], [y], k=100)[0].top
        assert {name: p for name, p in top if name in expected} == {name: p[True] for name, p in expected.items()}


@pytest.mark.parametrize("objective", ["hamming", "balanced"])
@pytest.mark.parametrize("max_labels", [8, 1000])
def test_a_label_is_never_answered_before_it_was_learned(objective, max_labels):
    model = IHOMERClassifier(objective=objective, clustering=LabelPartition(max_labels=max_labels))
    rng = random.Random(2)
    X = [{"f": rng.random(), "g": float(i % 3)} for i in range(400)]
    Y = [{f"l{int(rng.paretovariate(0.5)) % 60}", f"m{i % 3}"} for i in range(400)]
    many = model.test_then_train_many(X, Y)
    single = IHOMERClassifier(objective=objective, clustering=LabelPartition(max_labels=max_labels))
    for answer, x, y in zip(many, X, Y, strict=True):
        expected = single.test_then_train_one(x, y)
        assert answer == {name for name, applies in expected.items() if applies}


def test_asking_changes_nothing_when_learning_forgets_features():
    events = [
        ({}, {2: False, 3: False}, 1.0), ({}, {0: True}, 1e9), ({6: 1.0}, {3: True}, 1.0), ({17: 1.0}, {1: False}, 1e9),
        ({6: 1.0, 17: -1.1, 42: 1.0}, {}, 1.0),
    ]  # fmt: skip
    asked, silent = IHOMERClassifier(max_features=2), IHOMERClassifier(max_features=2)
    for x, y, w in events:
        asked.predict_one(x)
        asked.learn_one(x, y, w)
        silent.learn_one(x, y, w)
    assert np.array_equal(asked._ensemble.decoder._factor, silent._ensemble.decoder._factor)


@pytest.mark.parametrize("weight", [1e-100, 1e9])
def test_extreme_weights_with_alarms_leave_probabilities(weight):
    model, rng = IHOMERClassifier(), random.Random(4)
    for i, (x, y) in enumerate(clean_stream(200)):
        model.learn_one(x, y, rng.choice([1.0, weight]))
        if i % 40 == 39:
            model._answer_drift(i)
        assert all(math.isfinite(p[True]) and 0.0 <= p[True] <= 1.0 for p in model.predict_proba_one(x).values())
