"""The scores as river's metrics: its interface, its rolling window, its progressive validation."""

import copy
import itertools
import pickle
import random

import numpy as np
import pytest
from hypothesis import given
from river import base, datasets, evaluate, linear_model, metrics, multioutput, preprocessing, utils

from ihomer.metrics import (
    ExampleF1,
    ExampleJaccard,
    HammingLoss,
    LogLoss,
    MacroF1,
    MicroF1,
    MultiLabelMetrics,
    PrecisionAtK,
    SubsetAccuracy,
)
from tests.reference import metrics as slow
from tests.scoring_parts import approximately, events, untimed

LABEL_METRICS = [SubsetAccuracy, HammingLoss, ExampleF1, ExampleJaccard, MicroF1, MacroF1]
KEYS = dict(
    zip(
        LABEL_METRICS,
        ["subset_accuracy", "hamming_loss", "example_f1", "jaccard", "micro_f1", "macro_f1"],
        strict=True,
    )
)


@untimed
@given(events())
def test_metrics_are_the_scoreboard(stream):
    for options in ({}, {"window": 4}, {"fading": 0.8}, {"labels": ("a", "q")}):
        expected = slow.scores(stream, options.get("labels", ()), options.get("window"), options.get("fading"), ranks=(2,))
        known = slow.known_labels(stream, options.get("labels", ()))
        for metric_class, key in KEYS.items():
            metric = metric_class(**options)
            for true, predicted, _, w in stream:
                metric.update(true, predicted, w)
            if slow.known_labels([(t, p, None, w) for t, p, _, w in stream], options.get("labels", ())) == known:
                assert metric.get() == approximately(expected[key])


@untimed
@given(events())
def test_probability_metrics_are_the_scoreboard(stream):
    stream = [(true, (), probabilities or {}, w) for true, _, probabilities, w in stream]
    for options in ({}, {"window": 4}, {"fading": 0.8}):
        expected = slow.scores(stream, (), options.get("window"), options.get("fading"), ranks=(2,))
        for metric, key in (
            (PrecisionAtK(2, **options), "precision_at_2"),
            (LogLoss(**options), "log_loss"),
        ):
            for true, _, probabilities, w in stream:
                metric.update(true, probabilities, w)
            assert metric.get() == approximately(expected.get(key, 0.0))


@pytest.mark.parametrize("make", [*LABEL_METRICS, PrecisionAtK, LogLoss])
def test_river_interface(make):
    metric = make()
    assert not metric.works_with(linear_model.LogisticRegression())
    assert metric.works_with(multioutput.PerOutputClassifier(linear_model.LogisticRegression()))
    assert metric.works_with_weights
    assert metric.requires_labels == (make not in (PrecisionAtK, LogLoss))
    assert metric.bigger_is_better == (make not in (HammingLoss, LogLoss))
    good, bad = make(), make()
    good.update({"a": True, "b": False}, {"a": 0.9, "b": 0.2})
    bad.update({"a": True, "b": False}, {"a": 0.2, "b": 0.9})
    assert good.is_better_than(bad)
    assert good > bad
    assert repr(good) == str(good)
    assert repr(good).startswith(make.__name__ + ": ")
    first = good.get()
    for twin in (pickle.loads(pickle.dumps(good)), copy.deepcopy(good)):
        for _ in range(2):
            twin.update({"b": True, "c": False}, {"b": 0.3, "c": 0.6})
        assert good.get() == first
        for _ in range(2):
            good.update({"b": True, "c": False}, {"b": 0.3, "c": 0.6})
        assert twin.get() == good.get() != first
        for _ in range(2):
            good.revert({"b": True, "c": False}, {"b": 0.3, "c": 0.6})
        assert good.get() == approximately(first)
        good = twin.clone()
        good.update({"a": True, "b": False}, {"a": 0.9, "b": 0.2})
    good.revert({"a": True, "b": False}, {"a": 0.9, "b": 0.2})
    assert good.get() == 0.0
    windowed = make(window=7, labels=["a"])
    windowed.update({"b"}, {"b": 0.9})
    fresh = windowed.clone()
    assert (fresh.window, fresh.labels, fresh.get()) == (7, ["a"], 0.0)


def test_river_rolling_equals_window():
    labels = ["a", "b", "c"]
    rolling = utils.Rolling(MacroF1, window_size=3, labels=labels)
    windowed = MacroF1(window=3, labels=labels)
    generator = random.Random(3)
    for _ in range(50):
        true, predicted = ({x: generator.random() < 0.5 for x in labels} for _ in range(2))
        rolling.update(true, predicted)
        windowed.update(true, predicted)
        assert rolling.get() == windowed.get()


def test_plus_makes_one_metric_of_many():
    labels = SubsetAccuracy() + HammingLoss() + MicroF1()
    assert isinstance(labels, metrics.base.Metrics)
    assert labels.requires_labels
    labels.update({"a": True, "b": True}, {"a": True, "b": False})
    assert labels.get() == approximately([0.0, 0.5, 2 / 3])
    assert repr(labels).count("\n") == 2
    mixed = LogLoss() + MicroF1() + metrics.multioutput.ExactMatch()
    assert isinstance(mixed, MultiLabelMetrics)
    assert not mixed.requires_labels
    mixed.update({"a": True, "b": False}, {"a": {True: 0.5, False: 0.5}, "b": {True: 0.25, False: 0.75}}, 2.0)
    mixed.update({"a": True, "b": False}, {"a": {True: 0.5, False: 0.5}, "b": {True: 0.75, False: 0.25}})
    mixed.revert({"a": True, "b": False}, {"a": {True: 0.5, False: 0.5}, "b": {True: 0.75, False: 0.25}})
    assert mixed.get() == approximately([-np.log(0.5 * 0.75) / 2, 0.0, 0.0])
    assert mixed.clone().get() == [0.0, 0.0, 0.0]
    for left in (MicroF1(), labels):
        with pytest.raises(ValueError, match="not compatible"):
            left + metrics.MAE()


def test_metrics_that_are_updated_together_count_an_event_all_or_none():
    fine = {"a": True, "b": False}, {"a": 0.75, "b": 0.25}
    both, windowed = MicroF1() + LogLoss(), MicroF1() + HammingLoss(window=3)
    foreign = SubsetAccuracy() + metrics.multioutput.ExactMatch()
    for several in (both, windowed):
        several.update(*fine)
    foreign.update({"a": True}, {"a": True})
    before = [pickle.dumps(several) for several in (both, windowed)]
    with pytest.raises(ValueError, match="hard label"):
        both.update({"a": True}, {"a": True})
    with pytest.raises(ValueError, match="totals"):
        windowed.revert(*fine)
    with pytest.raises(ValueError, match="nan cannot be a name"):
        foreign.update({"a": True, float("nan"): True}, {"a": False})
    assert foreign.get() == [1.0, 1.0]
    foreign = foreign + Refusing()
    with pytest.raises(KeyError):
        foreign.update({"a": True}, {"a": False})
    with pytest.raises(KeyError):
        foreign.revert({"a": True}, {"a": True})
    del foreign[-1]
    assert foreign.get() == [1.0, 1.0]
    foreign = foreign + Unready()
    with pytest.raises(KeyError):
        foreign.update({"a": True}, {"a": False})
    assert foreign.get() == [1.0, 1.0, 0.0]
    assert [pickle.dumps(several) for several in (both, windowed)] == before


class Refusing(metrics.multioutput.ExactMatch):
    """A metric that is not of this package, and takes no event."""

    def update(self, y_true, y_pred, w=1.0):
        raise KeyError

    revert = update


class Unready(metrics.multioutput.ExactMatch):
    """A metric that is not of this package, takes no event, and is not to be asked to take one back."""

    def update(self, y_true, y_pred, w=1.0):
        raise KeyError

    def revert(self, y_true, y_pred, w=1.0):
        raise AssertionError("what was not counted is taken back")


@pytest.mark.parametrize(
    "model",
    [
        multioutput.PerOutputClassifier(linear_model.LogisticRegression()),
        multioutput.ClassifierChain(linear_model.LogisticRegression(), order=list(datasets.Yeast._LABELS)),
    ],
)
def test_progressive_validation(model):
    events = list(itertools.islice(datasets.Yeast(), 120))
    pipeline = preprocessing.StandardScaler() | model
    assert isinstance(pipeline, base.MultiLabelClassifier)
    metric = evaluate.progressive_val_score(
        events, copy.deepcopy(pipeline), SubsetAccuracy() + MicroF1() + HammingLoss(window=50)
    )
    stream = []
    for x, y in events:
        prediction = pipeline.predict_one(x)
        if prediction:
            stream.append((y, prediction, None, 1.0))
        pipeline.learn_one(x, y)
    total, window = slow.scores(stream), slow.scores(stream, window=50)
    assert len(stream) >= 119
    assert total["micro_f1"] > 0.3
    assert metric.get() == approximately([total["subset_accuracy"], total["micro_f1"], window["hamming_loss"]])


def test_progressive_validation_refuses_hard_labels_as_probabilities():
    model = multioutput.PerOutputClassifier(linear_model.LogisticRegression())
    with pytest.raises(ValueError, match="hard label"):
        evaluate.progressive_val_score(itertools.islice(datasets.Yeast(), 3), model, LogLoss())


def test_several_metrics_read_an_iterator_once():
    alone, together = MicroF1(), HammingLoss() + MicroF1()
    for update in (alone.update, together.update):
        update((label for label in ("rain", "wind")), iter(["rain"]))
    assert together[1].get() == alone.get() == pytest.approx(2 / 3)
    together.revert(iter(["rain", "wind"]), (label for label in ("rain",)))
    assert together.get() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("true", "predicted", "w", "message"),
    [
        (["a"], ["a"], 10**5000, "w must be 0, or a weight"),
        ({"a": 10**5000}, ["a"], 1.0, "truth of label 'a'"),
        ("a" * 1_000_000, ["a"], 1.0, "truth must be a dictionary"),
    ],
    ids=["weight", "truth", "text"],
)
def test_what_is_refused_is_told_shortly(true, predicted, w, message):
    metric = MicroF1()
    with pytest.raises(ValueError, match=message) as refused:
        metric.update(true, predicted, w)
    assert len(str(refused.value)) < 250
