"""Places of labels: against the slow twin; and in the model: who has none, who gets one, and that nothing else changes."""

import copy
import pickle
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ihomer import IHOMERClassifier, LabelPartition
from ihomer.encoder import Batch
from ihomer.metrics import MicroF1
from ihomer.persistence import KINDS, ModelFileError, pack, unpack
from ihomer.places import FREE, LabelPlaces
from ihomer.saved.fields import next_power
from tests.reference.places import Places


def stream(n, n_labels, seed=0, drift=True):
    """Events whose labels follow Zipf's law, other ones after half of the stream; each has a word of its own."""
    rng = random.Random(seed)
    share = [1 / (k + 1) for k in range(n_labels)]
    found = []
    for i in range(n):
        shift = n_labels // 2 if drift and 2 * i > n else 0
        labels = {(k + shift) % n_labels for k in rng.choices(range(n_labels), share, k=rng.randrange(4))}
        x = {f"w{k}": 1.0 for k in labels} | {f"n{rng.randrange(9)}": rng.random()}
        found.append((x, {f"l{k}" for k in labels}))
    return found


def few(most, **options):
    return IHOMERClassifier(most_labels=most, clustering=LabelPartition(n_min=50, **options))


def check(model):
    """Check that places and labels are each other's inverse, and that only labels without a place have a rate."""
    places = model._ensemble.places
    if not places.is_partial:
        assert model._labels.size <= places.most
        return
    assert (len(places.label), len(places.times)) == (places.most, next_power(model._labels.size))
    held = places.label[places.label != FREE].tolist()
    assert len(set(held)) == len(held)
    for label in range(model._labels.size):
        place = places.of(label)
        assert (place >= 0) == (label in held)
        if place >= 0:
            assert (places.label[place], places.times[label]) == (label, 0.0)
        assert 0.0 <= places.times[label] <= model.n_learned


# The rule -----------------------------------------------------------------------------------------------------------


@given(st.integers(2, 200), st.integers(1, 60), st.integers(0, 2**32 - 1), st.sampled_from([1, 100, 10**9]))
@example(57, 31, 16440, 1)  # a label that has just applied gives way to another one that has
def test_labels_sit_where_the_slow_twin_has_them(most, more, seed, pause):
    rng = np.random.default_rng(seed)
    n_labels = most + more
    places, twin = LabelPlaces(most), Places(most)
    count, last, n_events = np.floor(rng.pareto(1.0, n_labels)).clip(0, 99), np.zeros(n_labels, np.int64), 100
    for model in (places, twin):
        model.grow(most)
        assert (model.of if model is places else model.place)(most - 1) == most - 1
        model.grow(n_labels)
    for _ in range(20):
        applied = np.unique(rng.integers(0, n_labels, rng.integers(0, 6))).astype(np.int32)
        n_events += int(rng.integers(1, pause + 1))
        count[applied] += rng.integers(0, 50)
        last[applied] = n_events
        often = np.minimum(np.minimum(count / n_events, 1.0), 3.0 / (n_events - last + 1))
        freed = places.seat(applied, often.__getitem__, n_events).tolist()
        assert freed == twin.seat(applied.tolist(), often.tolist(), n_events)
        assert places.label.tolist() == [FREE if label is None else label for label in twin.label]
        assert [places.of(label) for label in range(n_labels)] == [twin.place(label) for label in range(n_labels)]
        assert places.times[:n_labels].tolist() == [twin.times.get(label, 0.0) for label in range(n_labels)]


@pytest.mark.parametrize(("rare", "freed"), [(0.025, [5, 9]), (0.026, [5])])
@pytest.mark.parametrize("at_once", [False, True])
def test_of_the_rarest_labels_those_half_as_frequent_make_room_and_a_free_place_is_for_none_that_is_rare(rare, freed, at_once):
    places, often = LabelPlaces(128), np.full(130, 0.1)
    places.grow(130)
    often[[5, 9, 128, 129]] = 0.01, rare, 0.05, 0.09 if len(freed) > 1 else 0.05
    applied = np.array([128, 129], np.int32)
    parts = [applied] if at_once else [applied[:1], applied[1:]]
    assert [place for part in parts for place in places.seat(part, often.__getitem__, 1000).tolist()] == freed
    assert [places.of(label) for label in (5, 9, 128, 129)] == [-1, -1 if len(freed) > 1 else 9, 5, -1]
    assert places.times[[5, 129]].tolist() == [10.0, often[129] * 1000]


def test_rows_end_behind_the_first_label_without_a_place():
    places = LabelPlaces(2)
    labels = [[0], [], [0, 1], [1, 3], [2], [], [0]]
    indptr = np.cumsum([0, *map(len, labels)])
    nothing = np.zeros(len(labels) + 1, np.int64), np.zeros(0, np.int32)
    index = np.array([label for row in labels for label in row], np.int32)
    batch = Batch(nothing[0], nothing[1], np.zeros(0), indptr, index, *nothing, np.ones(len(labels)))
    places.grow(2)
    assert not places.is_partial
    assert places.stop(batch, 0, 7) == 7
    places.grow(4)
    assert [places.stop(batch, start, 7) for start in range(7)] == [4, 4, 4, 4, 5, 7, 7]
    assert places.stop(batch, 0, 2) == 2


def test_what_belongs_to_labels_goes_to_places_and_back():
    places = LabelPlaces(3)
    p = np.array([[0.1, 0.2, 0.3, 0.4]])
    assert places.seated(p) is p
    places.grow(4)
    places.label[:], places.times[:] = [3, FREE, 0], [0.0, 0.8, 6.0, 0.0]
    places.find()
    assert [places.of(label) for label in range(4)] == [2, -1, -1, 0]
    assert places.seated(p).tolist() == [[0.4, 0.0, 0.1]]
    assert places.seated(np.array([[1, 1, 1, 2]], np.uint8)).tolist() == [[2, 0, 1]]
    many = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert places.seated(many).tolist() == [[3, 0, 0], [7, 0, 4], [11, 0, 8]]
    assert places.seated(many).flags.c_contiguous  # for another order all kernels would be compiled once more
    of_places = np.array([[0.7, 0.8, 0.9]] * 3), np.array([[True, True, False]] * 3)
    all_p, answer = places.spread(*of_places, 4, np.array([80, 5, 0]))
    assert all_p.tolist() == [[0.9, pytest.approx(0.2 / n), min(5.25 / n, 1.0), 0.7] for n in (80, 5, 1)]
    assert answer.tolist() == [[False, False, False, True]] * 3


def test_a_label_that_starts_anew_has_not_applied_and_keeps_its_place():
    places, labels = LabelPlaces(2), np.array([0, 1], np.int32)
    places.grow(2)
    assert places.forget_labels(labels) is labels
    places.grow(4)
    places.times[:] = [0.0, 0.0, 3.0, 5.0]
    assert places.forget_labels(np.array([1, 2], np.int32)).tolist() == [1]
    assert places.times.tolist() == [0.0, 0.0, 0.0, 5.0]
    assert [places.of(label) for label in range(4)] == [0, 1, -1, -1]


# In the model -------------------------------------------------------------------------------------------------------


def test_with_places_for_all_labels_nothing_changes():
    events = stream(150, 12)
    models = [few(12), few(1000)]
    for x, y in events:
        first, second = (model.test_then_train_one(x, y) for model in models)
        assert first == second
        assert models[0].predict_proba_one(x) == models[1].predict_proba_one(x)


@pytest.mark.parametrize(("most", "options"), [(2, {}), (5, {}), (5, {"max_labels": 9}), (11, {"fading": 0.98})])
def test_places_hold_after_every_event_and_through_files_copies_and_batches(most, options):
    events = stream(500, 14)
    one, many, again = few(most, **options), few(most, **options), few(most, **options)
    places = []
    for i, (x, y) in enumerate(events):
        asked = again.predict_one(x)
        assert {name for name, applies in asked.items() if applies} == again.predict_set_one(x)
        one.learn_one(x, y)
        again.learn_one(x, y)
        check(one)
        places.append(one._ensemble.places.label.tolist())
        if i % 40 == 7:
            again = unpack(pack(again, KINDS), KINDS)
        elif i % 40 == 27:
            again = copy.deepcopy(pickle.loads(pickle.dumps(again)))
    for start in range(0, len(events), 31):
        part = events[start : start + 31]
        many.learn_many([x for x, _ in part], [y for _, y in part])
    assert pack(one, KINDS) == pack(many, KINDS) == pack(again, KINDS)
    assert sum(a != b for a, b in pairwise(places)) >= 3  # places change hands


def test_probabilities_are_the_same_in_batches():
    events = stream(300, 40)
    x, y = zip(*events, strict=True)
    one, told = few(10), few(10).answer_many(x, y, 40)
    for (features, labels), prediction in zip(events, told, strict=True):
        assert one.predict_topk_one(features, 40) == prediction.top
        one.learn_one(features, labels)
    asked = zip(x, few(10).foresee_many(x[:3], 2), strict=False)
    assert all(prediction.top == few(10).predict_topk_one(features, 2) for features, prediction in asked)


def test_tested_and_trained_is_asked_and_then_learned_also_where_places_change_hands():
    one, two = few(4), few(4)
    for x, y in stream(500, 14):
        assert one.test_then_train_one(x, y) == two.predict_one(x)
        two.learn_one(x, y)
    assert pack(one, KINDS) == pack(two, KINDS)


def probability(model, x, label):
    p = model.predict_proba_one(x)[label]
    return p[True] if isinstance(p, dict) else p


def test_a_label_without_a_place_counts_as_one_that_does_not_apply_again_and_gets_one_when_it_is_frequent():
    model = few(2)
    for _ in range(8):
        model.learn_one({"a": 1.0}, {"u", "v"})
    model.learn_one({"b": 1.0}, {"rare"})
    model.learn_one({"b": 1.0}, {"rare", "u"})
    for learned in range(10, 14):
        assert probability(model, {"b": 1.0}, "rare") == (2 - 0.75) / learned
        model.learn_one({"a": 1.0}, {"u", "v"})
    assert "  0.089   rare" in model.debug_one({"b": 1.0}).splitlines()
    # After t more events "rare" has applied to t + 2 of t + 14; the others have missed t and count 3 / (t + 1).
    wait = min(t for t in range(1, 40) if (t + 2) / (t + 14) >= 2 * min(12 / (t + 14), 3 / (t + 1)))
    for _ in range(wait):
        assert "rare" not in model.predict_set_one({"b": 1.0})
        assert model._ensemble.places.of(2) < 0
        model.learn_one({"b": 1.0}, {"rare"})
    assert model._ensemble.places.of(2) == 0
    for _ in range(6):
        model.learn_one({"b": 1.0}, {"rare"})
    assert model.predict_set_one({"b": 1.0}) == {"rare"}
    assert probability(model, {"b": 1.0}, "u") == pytest.approx((3 / (wait + 1) * (wait + 14) - 0.75) / (wait + 20))


def test_few_places_for_many_labels_cost_little_accuracy():
    x, y = zip(*stream(1500, 40, drift=False), strict=True)
    score = {}
    for most in (10, 1000):
        score[most] = MicroF1()
        for told, true in zip(few(most).test_then_train_many(x, y), y, strict=True):
            score[most].update(true, told)
    assert 0.78 * score[1000].get() < score[10].get() < score[1000].get()
    assert score[10].get() > 0.7


@pytest.mark.parametrize("label", [[0, 0, 1], [0, 1, 14], [-2, 0, 1], [0, 1]])
def test_places_that_cannot_be_are_refused(label):
    model = few(3)
    x, y = zip(*stream(60, 14), strict=True)
    model.learn_many(x, y)
    model._ensemble.places.label = np.array(label, np.int32)
    with pytest.raises(ModelFileError):
        unpack(pack(model, KINDS), KINDS)


def test_a_file_whose_places_are_all_free_is_a_sound_one():
    events = stream(90, 14)
    model = few(3)
    x, y = zip(*events[:60], strict=True)
    model.learn_many(x, y)
    model._ensemble.places.label[:] = FREE
    model._ensemble.forget_labels(np.arange(14, dtype=np.int32))
    model._ensemble._forget_places(np.arange(3))
    model = unpack(pack(model, KINDS), KINDS)
    for x, y in events[60:]:
        model.predict_one(x)
        model.learn_one(x, y)
        check(model)
    assert (model._ensemble.places.label != FREE).any()
