"""Labels that an event brings by applying are learned, but tell nothing of the experts: there are none that do not apply."""

import copy
import random

import numpy as np
import pytest

from ihomer import IHOMERClassifier
from ihomer.decoding import OBJECTIVES, Decoder
from tests.reference import decoding as slow

CLOSE = 1e-9


def zipf_events(n_events, n_labels, seed, most=3):
    """Events of some of many labels, frequent and rare, the first of which has a word of its own."""
    rng = random.Random(seed)
    ranks = range(1, n_labels + 1)
    for _ in range(n_events):
        labels = rng.choices(ranks, [1.0 / rank for rank in ranks], k=rng.randint(1 + most // 4, most))
        yield {f"word {labels[0]}": 1.0, f"noise {rng.randrange(30)}": 1.0}, {f"label {rank}" for rank in labels}


def mixtures(model):
    """All that the two mixtures have learned for all labels together."""
    ensemble = model._ensemble
    of_experts, decoder = ensemble.mixture, ensemble.decoder
    return [of_experts._weights, of_experts._information, decoder._weights, decoder._weights_information]


@pytest.fixture
def learned():
    model = IHOMERClassifier()
    for x, y in zipf_events(60, 40, 1):
        model.learn_one(x, y)
    return model


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_decoder_same_as_the_slow_twin(objective):
    rng = random.Random(3)
    fast, twin = Decoder(objective, 64), slow.SlowDecoder(objective, 64)
    for n_labels in [2] * 20 + [3] * 20 + [5] * 40:
        q = [rng.gauss(-1.0, 2.0) for _ in range(n_labels)]
        target = [int(rng.random() < 0.4) for _ in range(n_labels)]
        brought = [label for label in range(n_labels) if target[label] and rng.random() < 0.3]
        judged = np.array([target], np.uint8)
        judged[0, brought] = slow.UNOBSERVED
        event = twin.decode(q, {})
        given = np.array([q]), np.array([target], np.uint8), np.ones(1)
        proba, answer = fast.run(*given, True, judged=judged)
        assert proba[0].tolist() == pytest.approx(event.proba, abs=CLOSE)
        event.answer = frozenset(np.flatnonzero(answer[0]).tolist())
        twin.learn(event, target, 1.0, brought=brought)
    assert fast._weights[0].tolist() == pytest.approx(twin.mixing.shared, abs=CLOSE)


def test_a_brought_label_teaches_the_mixtures_as_one_that_was_not_observed(learned):
    x, known = {"word 1": 1.0}, learned.labels[0]
    there, unknown = copy.deepcopy(learned), copy.deepcopy(learned)
    there.learn_one(x, {known, "new"})
    unknown.learn_one(x, {known: True, "new": None, **dict.fromkeys(learned.labels[1:], False)})
    for one, other in zip(mixtures(there), mixtures(unknown), strict=True):
        assert np.array_equal(one, other)
    assert there.predict_proba_one(x)["new"][True] > unknown.predict_proba_one(x)["new"][True]


def test_an_event_that_says_what_does_not_apply_is_learned_from_as_a_whole(learned):
    x, others = {"word 1": 1.0}, dict.fromkeys(learned.labels, False)
    there, unknown = copy.deepcopy(learned), copy.deepcopy(learned)
    there.learn_one(x, {**others, "new": True, "new too": False})
    unknown.learn_one(x, {**others, "new": None, "new too": None})
    assert not any(np.array_equal(one, other) for one, other in zip(mixtures(there), mixtures(unknown), strict=True))


def test_the_labelset_of_an_event_that_brings_a_label_is_remembered(learned):
    """The mixtures alone are not told of the label."""
    there = copy.deepcopy(learned)
    decoder = there._ensemble.decoder
    before = decoder.n_labelsets
    there.learn_one({"word 1": 1.0}, {learned.labels[0], "new"})
    assert decoder.n_labelsets == before + 1
    latest = decoder._latest[(decoder.n_events - 1) % len(decoder._latest)]
    members = decoder._pool[decoder._ends[latest] : decoder._ends[latest + 1]].tolist()
    assert sorted(there.partition.labels.name(label) for label in members) == sorted([learned.labels[0], "new"])


def test_the_same_in_batches():
    events = list(zipf_events(150, 200, 5))
    one, many = IHOMERClassifier(), IHOMERClassifier()
    answers = [{label for label, applies in one.test_then_train_one(x, y).items() if applies} for x, y in events]
    assert many.test_then_train_many([x for x, _ in events], [y for _, y in events]) == answers
    for of_one, of_many in zip(mixtures(one), mixtures(many), strict=True):
        assert np.array_equal(of_one, of_many)


@pytest.mark.parametrize("most_labels", [4096, 100], ids=["all have places", "few have places"])
def test_as_many_labels_are_expected_as_apply_where_most_are_rare(most_labels):
    """Of those known before. If the mixtures learned from brought labels, more than twice as many would be expected."""
    model, expected, found = IHOMERClassifier(most_labels=most_labels), 0.0, 0
    for at, (x, y) in enumerate(zipf_events(400, 10_000, 7, most=12)):
        if at >= 100:
            expected += sum(p[True] for p in model.predict_proba_one(x).values())
            found += len(y.intersection(model.labels))
        model.learn_one(x, y)
    assert expected == pytest.approx(found, rel=0.1)
