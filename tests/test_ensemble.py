"""Experts, mixture and decoder as one learner: rows at once, which outputs are mixed, what was asked before it is learned."""

import numpy as np
import pytest

from ihomer import IHOMERClassifier
from ihomer.ensemble import Ensemble
from ihomer.experts.linear import Linear
from ihomer.persistence import KINDS, pack

Y = [{"u"}, {"v"}, {"u", "v"}, set()]


def learned(**options):
    model = IHOMERClassifier(**options)
    for i in range(40):
        model.learn_one({"a": float(i % 3), "b": float(i % 5)}, Y[i % 4])
    return model


@pytest.mark.parametrize("experts", [("linear", "neighbours"), ("tree", "linear"), ("frequency", "labelsets")])
@pytest.mark.parametrize("asked", [{"a": 1.0, "b": 2.0}, {"a": 2.0}, {"b": 2.0, "c": 1.0}, {}])
def test_what_was_asked_about_another_event_is_not_learned(experts, asked):
    told, silent = learned(experts=experts), learned(experts=experts)
    told.predict_one(asked)
    for model in (told, silent):
        model.learn_one({"a": 2.0, "b": 2.0}, {"u"})
    told.predict_one({"a": 3.0})
    for model in (told, silent):
        model.learn_one({"b": 3.0}, {"u"})
    told.predict_one({"a": 1.0})
    for model in (told, silent):
        model.learn_one({"a": 1.0}, {"v", "new"})  # the same event, but another number of labels
    assert pack(told, KINDS) == pack(silent, KINDS)


@pytest.mark.parametrize("change", [
    lambda model: model.predict_many([{"a": 2.0}, {"b": 1.0}]), lambda model: model.learn_one({"a": 1.0}, {"w"}),
    lambda model: model.debug_one({"a": 2.0, "b": 1.0}), lambda model: model._ensemble.doubt(5),
])  # fmt: skip
def test_what_happened_since_the_question_is_learned_from(change):
    told, silent = learned(experts=("tree", "linear", "frequency")), learned(experts=("tree", "linear", "frequency"))
    told.predict_one({"a": 2.0, "b": 2.0})
    for model in (told, silent):
        change(model)
        model.learn_one({"a": 2.0, "b": 2.0}, {"u"})
    assert pack(told, KINDS) == pack(silent, KINDS)


def test_a_question_is_kept_in_no_copy_and_only_until_the_next_event():
    model = learned()
    model.predict_one({"a": 1.0})
    assert model._ensemble._asked is not None
    assert model._ensemble.__getstate__()["_asked"] is None
    model.learn_one({"a": 1.0}, {"u"})
    assert model._ensemble._asked is None


def test_as_many_rows_are_run_at_once_as_four_million_outputs_allow():
    ensemble = Ensemble(("linear", "tree"), "learned", "subset", 64, 1000)
    n_outputs = len(ensemble.outputs)
    assert n_outputs > 2
    assert [ensemble.rows_at_once(n) for n in (0, 1, 10)] == [4_000_000 // (n_outputs * n) for n in (1, 1, 10)]
    assert ensemble.rows_at_once(1000) == ensemble.rows_at_once(10**6) == 4_000_000 // (n_outputs * 1000)
    assert Ensemble(("linear",), "learned", "subset", 64, 10**7).rows_at_once(10**7) == 1


def test_the_rates_of_labels_are_mixed_only_where_they_are_asked_for():
    without, rates = (Ensemble(names, "learned", "subset", 64, 9) for names in (("linear", "tree"), ("linear", "frequency")))
    first = without.outputs[: len(without.outputs) - len(without.mixed_outputs)]
    assert first
    assert rates.outputs == rates.mixed_outputs == [*first, *without.mixed_outputs[:-1]]
    assert without.mixed_outputs[-1] == "tree"
    mean = Ensemble(("linear", "tree"), "mean", "subset", 64, 9)
    assert mean.mixed_outputs == without.mixed_outputs
    assert len(set(mean.mixture.weights.tolist())) == 1
    start = np.array([*Linear().start, 0.05])
    assert without.mixture.weights == pytest.approx(start / start.sum())
    assert (without.mixture.fixed, mean.mixture.fixed) == (False, True)


class Part:
    """Notes what it is told."""

    def __init__(self, name, calls):
        self.name, self.calls = name, calls

    def __getattr__(self, method):
        return lambda *arguments: self.calls.append((self.name, method, *arguments))


@pytest.mark.parametrize(("method", "argument", "told"), [
    ("doubt", 5, {("mixture", "doubt"), ("expert", "doubt", 5), ("other", "doubt", 5)}),
    ("forget_features", "some", {(name, "forget_features", "some") for name in ("expert", "other", "decoder", "scale")}),
    ("forget_labels", (3,), {(name, "forget_labels", (3,)) for name in ("expert", "other", "mixture", "decoder")}),
    ("forget_labels", (), set()),
])  # fmt: skip
def test_every_part_is_told_what_is_doubted_and_forgotten(method, argument, told):
    ensemble, calls = Ensemble(("linear",), "learned", "subset", 64, 9), []
    ensemble._experts = [Part("expert", calls), Part("other", calls)]
    ensemble.mixture, ensemble.decoder, ensemble._scale = (Part(name, calls) for name in ("mixture", "decoder", "scale"))
    ensemble._asked = asked = object()
    getattr(ensemble, method)(argument)
    assert (set(calls), len(calls)) == (told, len(told))
    assert ensemble._asked is (None if told else asked)


def test_trees_tell_of_the_labels_that_have_a_place():
    model = IHOMERClassifier(experts=("linear", "tree"), most_labels=2)
    for i in range(30):
        model.learn_one({"a": float(i % 3)}, {f"l{i % 5}"})
    assert len(model.predict_proba_one({"a": 1.0})) == 5
    assert model.debug_one({"a": 1.0}).count("\n") >= 5


def test_a_label_that_is_brought_without_a_place_hides_no_other():
    ensemble = Ensemble(("linear",), "learned", "subset", 64, 2)
    ensemble.places.grow(3)
    target = np.ones((2, 2), np.uint8)
    assert ensemble._judged(target, np.array([2, 0], np.int32)).tolist() == [[2, 1], [1, 1]]
    assert ensemble._judged(target, np.array([2], np.int32)).tolist() == [[1, 1], [1, 1]]
