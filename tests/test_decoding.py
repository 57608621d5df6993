"""Decoding against its slow twin, event by event: probabilities, answers, and what is remembered."""

import pickle
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihomer.decoding import OBJECTIVES, Decoder
from ihomer.kernels.common import jit
from ihomer.kernels.expected import MOST_ACTIVE, active_labels, add_independent, best_expected_f1, expected_f1
from tests.decoding_parts import CLOSE, N_FEATURES, arrays, bits, compare, feature_arrays, random_stream, run
from tests.reference import decoding as slow

# Against the twin ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    "kind",
    [
        {"n_labels": 5},
        {"n_labels": 5, "unobserved": 0.2, "weights": (0.2, 1.0, 3.0, 20.0)},
        {"n_labels": 6, "growing": True, "sets": 12},
        {"n_labels": 4, "sure": 6.0},
        {"n_labels": 1},
        {"n_labels": 8, "sets": 60, "sure": 0.7},
    ],
    ids=["plain", "unobserved and weights", "new labels", "sure", "one label", "unsure"],
)
def test_same_as_the_slow_twin(objective, kind):
    ties = sum(compare(objective, random_stream(seed, n_events=150, **kind)) for seed in range(2))
    assert ties <= 6


@pytest.mark.parametrize("objective", ["hamming", "subset", "macro_f1"])
def test_same_as_the_slow_twin_with_more_labels_than_take_part(objective):
    assert compare(objective, random_stream(3, 100, 60, sets=20, sure=1.5)) <= 2
    assert compare(objective, random_stream(5, 80, 40, sets=20, sure=1.5, share=0.95)) <= 2


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_labels_that_all_apply_are_all_answered(objective):
    events = [([9.0] * 100, [1] * 100, 1.0)] * 12
    decoder = Decoder(objective, 8192)
    run(decoder, events)
    assert run(decoder, events[:1], learn=False)[1].all()


@pytest.mark.parametrize("most", [10, 41, 64, 100, 128])
def test_same_labelsets_forgotten(most):
    assert compare("balanced", random_stream(most, 7, 400, sets=40, sure=2.0, weights=(0.7, 1.0, 1.9)), most) <= 8


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_same_after_labels_are_forgotten(objective):
    forget = {40: [1, 3], 41: [0], 90: [9], 120: [0, 1, 2, 3, 4]}
    assert compare(objective, random_stream(7, 5, 160), forget=forget) <= 3


def test_same_when_the_labelsets_of_old_events_are_forgotten():
    """More events than the decoder knows the labelsets of, some of which are unknown; events alike take no older ones."""
    assert compare("subset", random_stream(4, 3, 2300, unobserved=0.2)) <= 20


def test_a_labelset_with_an_impossible_label_does_not_matter_whatever_other_labels_may_apply():
    """With more than 256 labels, some of them share a bit of the signatures by which labelsets are passed over."""
    odds = [-9.0] * 257
    both, first = [*odds[1:], 4.0], [4.0, *odds[1:]]
    both[0] = 4.0
    events = [(both, [1, *[0] * 255, 1], 1.0), (first, [1, *[0] * 256], 1.0), (first, [0] * 257, 1.0)]
    assert compare("subset", [events[0], *events, *events]) == 0


def test_same_with_scores_at_their_bounds():
    """Large features make scores that differ from event to event by more than the bounds let through."""

    def large(at):
        return {at % N_FEATURES: (-6.0, 7.0, 9.0)[at % 3]}, 1.0

    assert compare("subset", random_stream(8, 5, 200), features=large) <= 3


@pytest.mark.parametrize("objective", ["balanced", "micro_f1", "macro_f1"])
def test_same_where_most_labels_never_apply(objective):
    """What a label is worth to macro-F1 goes by how many labels have been met, not by how many there are."""
    events = [
        ([*q, *[-9.0] * 20], [*target, *[0] * 20], weight)
        for q, target, weight in random_stream(12, 5, 200, sets=12, sure=1.0)
    ]
    assert compare(objective, events) <= 3


def test_same_where_faint_log_odds_are_always_right():
    """The weight of the labels' log-odds grows up to its bound, which is 4."""
    rng = random.Random(2)
    events = []
    for _ in range(300):
        target = [1, 0] if rng.random() < 0.5 else [0, 1]
        events.append(([rng.uniform(0.27, 0.33) * (2 * on - 1) for on in target], target, 8.0))
    assert compare("subset", events) == 0
    decoder = Decoder("subset", 64)
    run(decoder, events, start=0)
    assert decoder._factor[0] == 4.0


@pytest.mark.parametrize("n_labels", [58, 62])
def test_same_where_nearly_all_of_many_labels_are_sure(n_labels):
    """That none of more than 58 applies is less probable than a float can hold; that a few do not must not seem likely."""
    rng = random.Random(1)
    events = []
    for at in range(30):
        target = [int(label >= 4 or at % 3 == 0) for label in range(n_labels)]
        if at % 5 == 4:
            target[rng.randrange(n_labels)] = 0
        events.append(([rng.uniform(11.9, 12.0) for _ in target], target, 1.0))
    assert compare("subset", events) == 0


def test_labelsets_all_impossible_teach_nothing_about_their_weights():
    """The only labelset seen has a label of negligible probability: there is no posterior to learn from."""
    sure, unlikely = ([6.0, 6.0], [1, 1], 1.0), ([-9.0, -9.0], [1, 1], 1.0)
    assert compare("subset", [sure, unlikely, sure, unlikely, sure]) == 0


# Expected F1 alone -----------------------------------------------------------------------------------------------------


@jit
def answer_of(none, joint, n_active, largest, chosen):
    """Choose by the kernel that only kernels call; return the answer's expected F1."""
    gain, trial = np.empty(MOST_ACTIVE), np.zeros(MOST_ACTIVE, np.uint8)
    size = best_expected_f1(none, joint, n_active, largest, gain, trial, chosen)
    return expected_f1(chosen, size, joint, n_active, largest) if size > 0 else none


@jit
def independent_joint(p, joint):
    """D of independent labels; return P(none), the largest size, and how many labels take part."""
    active, place = np.empty(MOST_ACTIVE, np.int64), np.empty(p.size, np.int64)
    n_active = active_labels(p, active, place)
    counts, without = np.empty(MOST_ACTIVE + 1), np.empty(MOST_ACTIVE + 1)
    none, largest = add_independent(1.0, p, active, n_active, joint, counts, without)
    return none, largest, n_active


def distribution_of(n, weights):
    """A distribution over the subsets of n labels."""
    sets = slow.subsets(range(n))
    total = sum(weights)
    return {s: w / total for s, w in zip(sets, weights, strict=True) if w > 0}


DISTRIBUTIONS = st.integers(1, 8).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.integers(0, 2**n - 1),
        st.one_of(
            st.lists(st.integers(0, 1000), min_size=2**n, max_size=2**n),
            st.lists(st.sampled_from([0] * 30 + [1, 2, 3]), min_size=2**n, max_size=2**n),
        ),
    )
)


def chosen_by_kernel(n, distribution):
    joint = np.zeros((MOST_ACTIVE, MOST_ACTIVE + 1))
    for s, p in distribution.items():
        for x in s:
            joint[x, len(s)] += p
    chosen = np.zeros(MOST_ACTIVE, np.uint8)
    largest = max(1, *map(len, distribution), 1)
    value = answer_of(distribution.get(frozenset(), 0.0), joint, n, largest, chosen)
    return frozenset(np.flatnonzero(chosen).tolist()), value


@settings(max_examples=150, deadline=None)
@given(DISTRIBUTIONS)
def test_answer_of_largest_expected_f1(case):
    n, sure, weights = case
    weights[sure] += 1
    distribution = distribution_of(n, weights)
    best = max(slow.expected_f1_of_sizes(s, *slow.size_matrix(distribution, range(n))) for s in slow.subsets(range(n)))
    answer, value = chosen_by_kernel(n, distribution)
    assert value == pytest.approx(slow.expected_f1(answer, distribution), abs=CLOSE)
    assert value == pytest.approx(best, abs=CLOSE)


@pytest.mark.parametrize("n", [3, 8])
def test_of_labels_that_exclude_each_other_all_are_answered(n):
    """Each alone has probability 1 / n: s of them are worth 2 s / (n (s + 1)), which grows with s."""
    answer, value = chosen_by_kernel(n, {frozenset([x]): 1.0 / n for x in range(n)})
    assert answer == set(range(n))
    assert value == pytest.approx(2.0 / (n + 1))


def test_answer_much_larger_than_a_good_small_one():
    """One label alone, or ten others together: both are best answered together, though nothing between is as good."""
    small, large = frozenset([0]), frozenset(range(1, 11))
    distribution = {small: 0.5, large: 0.5}
    answer, value = chosen_by_kernel(11, distribution)
    assert answer == small | large
    assert value == pytest.approx(1.0 / 12 + 10.0 / 21)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.004, 0.9999), min_size=1, max_size=7))
def test_sizes_of_independent_labels(p):
    joint = np.zeros((MOST_ACTIVE, MOST_ACTIVE + 1))
    none, largest, n_active = independent_joint(np.array(p), joint)
    distribution = slow.without_large(slow.independent(dict(enumerate(p))))
    d, expected_none = slow.size_matrix(distribution, range(len(p)))
    assert n_active == len(p)
    assert none == pytest.approx(expected_none, abs=1e-12)
    for x in d:
        for k in range(1, len(p) + 1):
            assert joint[x, k] == pytest.approx(d[x].get(k, 0.0), abs=1e-12)
    assert largest == max(map(len, distribution))


def test_most_probable_set_of_all():
    """By going through all subsets: wrong only where the set of labels with q > 0 was seen, and so is no new one."""
    twin, fast = slow.SlowDecoder("subset", 8192), Decoder("subset", 8192)
    new = 0
    for q, target, weight in random_stream(11, 5, 200, sets=10):
        event = twin.decode(q, {})
        _, answer = run(fast, [(q, target, weight)])
        best, lead = slow.best_of([(s, event.probability(s)) for s in slow.subsets(sorted(event.active))])
        likely = frozenset(x for x in event.active if q[x] > 0.0)
        if likely not in event.known or best in event.known:
            assert set(np.flatnonzero(answer[0])) == best or lead <= CLOSE
            new += best not in event.known
        twin.learn(event, target, weight)
    assert new > 5


# One answer for all ways of asking -------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_chunks_of_any_size_give_equal_bits(objective):
    events = random_stream(1, 9, 600, sets=60, unobserved=0.1, weights=(0.5, 1.0, 4.0))
    whole = Decoder(objective, 100)
    proba, answer = run(whole, events, start=0)
    for size in (1, 7, 64, 599):
        parts = Decoder(objective, 100)
        results = [run(parts, events[i : i + size], start=i) for i in range(0, len(events), size)]
        assert np.array_equal(np.concatenate([r[0] for r in results]), proba)
        assert np.array_equal(np.concatenate([r[1] for r in results]), answer)
        assert bits(parts) == bits(whole)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_predicting_is_what_learning_predicts_and_changes_nothing(objective):
    """Also where the table of labelsets is full."""
    decoder = Decoder(objective, 100)
    for at, event in enumerate(random_stream(2, 9, 400, sets=60)):
        before = bits(decoder) if len(event[0]) <= len(decoder._own) else None
        predicted = run(decoder, [event], learn=False, start=at)
        assert before is None or bits(decoder) == before
        learned = run(decoder, [event], start=at)
        assert np.array_equal(predicted[0], learned[0])
        assert np.array_equal(predicted[1], learned[1])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_asking_before_learning_changes_no_bit(objective):
    """Whether asked about the event, about another one, or about the event and then with labels forgotten."""
    asked, silent = Decoder(objective, 100), Decoder(objective, 100)
    events = [event for event in random_stream(3, 9, 300, sets=60, unobserved=0.1) if len(event[0]) == 9]
    for i, event in enumerate(events):
        if i % 4:
            run(asked, [event], learn=False, start=i)
        if i % 4 == 2:
            run(asked, [events[i - 1]], learn=False, start=i)
        if i in (70, 71, 150):
            asked.forget_labels(np.array([2], np.int32))
            silent.forget_labels(np.array([2], np.int32))
        if i == 101:
            asked, silent = (pickle.loads(pickle.dumps(decoder)) for decoder in (asked, silent))
        known = i % 4 in (1, 3) and i not in (70, 71, 150)
        with_question, without = run(asked, [event], start=i, known=known), run(silent, [event], start=i)
        assert np.array_equal(with_question[0], without[0])
        assert np.array_equal(with_question[1], without[1])
    assert len(events) > 100
    assert bits(asked) == bits(silent)


def distinct_labelsets(n_events, n_labels=12):
    """Events that each have another labelset."""
    rng = np.random.default_rng(0)
    target = np.arange(n_events)[:, None] >> np.arange(n_labels) & 1
    return rng.normal(size=target.shape), target.astype(np.uint8), np.ones(n_events)


def test_asking_changes_no_bit_where_there_is_no_room_for_the_labelset():
    """As a file may hold it: what the answer was made from has less room then."""
    asked, silent = Decoder("subset", 100), Decoder("subset", 100)
    events = list(zip(*distinct_labelsets(60), strict=True))
    for decoder in (asked, silent):
        run(decoder, events[:50])
        decoder._keep(np.arange(50), 50)
    for event in events[50:]:
        run(asked, [event], learn=False)
        asked.run(*arrays([event]), True, known=True)
        run(silent, [event])
    assert bits(asked) == bits(silent)


def is_findable(decoder):
    """Whether the hash table leads to each labelset, and has gaps where a search ends."""
    table, n = decoder._table, decoder.n_labelsets
    mask = len(table) - 1
    if len(table) & mask or sorted(table[table >= 0]) != list(range(n)):
        return False
    for number, h in enumerate(decoder._hashes[:n].tolist()):
        at = h >> 20 & mask
        while table[at] != number:
            if table[at] < 0:
                return False
            at = (at + 1) & mask
    return 2 * n <= len(table)


@pytest.mark.parametrize("most", [64, 65, 100, 1000, 1024, 3000])
def test_room_for_any_number_of_labelsets(most):
    decoder = Decoder("subset", most)
    events = distinct_labelsets(1500)
    held = []
    for start in range(0, 1500, 50):
        decoder.run(*(part[start : start + 50] for part in events), True)
        assert is_findable(decoder)
        held.append(decoder.n_labelsets)
    assert max(held) <= most
    assert max(held) >= min(most - 50, 1450)


def test_no_labelset_is_forgotten_before_there_are_too_many():
    decoder = Decoder("subset", 1000)
    decoder.run(*distinct_labelsets(999), True)
    assert decoder.n_labelsets == 999


def test_of_labelsets_seen_equally_often_the_older_are_forgotten():
    """Also of those so old that the weight of what is recent no longer tells them apart."""
    decoder = Decoder("subset", 4000)
    decoder.run(*distinct_labelsets(4000), True)
    assert decoder._last_seen[: decoder.n_labelsets].tolist() == list(range(2000, 4000))


def test_forgetting_again_and_again_takes_no_more_memory():
    decoder = Decoder("subset", 64)
    odds, target, weight = distinct_labelsets(400)
    sizes = []
    for _ in range(40):
        decoder.run(odds, target, weight, True)
        decoder.forget_labels(np.array([3, 5], np.int32))
        sizes.append(sum(len(pickle.dumps(part)) for part in decoder.__getstate__().values()))
    assert sizes[-1] <= sizes[1]


def test_forgotten_labels_leave_no_trace():
    decoder = Decoder("balanced", 8192)
    events = random_stream(5, 8, 200)
    run(decoder, events)
    decoder.forget_labels(np.array([2, 7], np.int32))
    assert not decoder._score_weights[:, :, [2, 7]].any()
    assert decoder._score_weights[0, :, [0, 1, 3, 4, 5, 6]].any(axis=1).all()
    ends = decoder._ends
    assert not np.isin(decoder._pool[: ends[decoder.n_labelsets]], [2, 7]).any()
    assert not decoder._tally[[2, 7]].any()
    assert is_findable(decoder)
    proba, answer = run(decoder, [([0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 0.0, 8.0], [0] * 8, 1.0)], learn=False)
    assert np.isfinite(proba).all()
    assert not answer[0, [2, 7]].any()


def test_a_labelset_that_alone_has_a_forgotten_label_is_forgotten():
    decoder = Decoder("balanced", 8192)
    run(decoder, [([0.0] * 3, list(target), 1.0) for target in np.eye(3, dtype=int)])
    decoder.forget_labels(np.array([1], np.int32))
    assert decoder.n_labelsets == 2


def test_forgotten_features_leave_no_trace():
    decoder = Decoder("balanced", 8192)
    run(decoder, random_stream(6, 6, 200), start=0)
    constant = decoder._score_weights[0, -1].copy()
    assert decoder._score_weights[0, 1].any()
    assert constant.any()
    decoder.forget_features(np.arange(8) == 1)
    assert not decoder._score_weights[0, 1].any()
    assert decoder._score_weights[0, 2].any()
    assert np.array_equal(decoder._score_weights[0, -1], constant)


def test_features_that_had_no_weights_yet_can_be_forgotten():
    """The constant, which has the last row of weights, is none of them."""
    decoder = Decoder("balanced", 8192)
    run(decoder, random_stream(6, 6, 200), start=0)
    weights = decoder._score_weights[0]
    constant = weights[-1].copy()
    decoder.forget_features(np.ones(len(weights) + 3, np.bool_))
    assert not weights[:-1].any()
    assert np.array_equal(weights[-1], constant)
    assert constant.any()


# Hostile streams -------------------------------------------------------------------------------------------------------


def hostile(kind, n_labels, n_events, seed=0):
    """Events that nobody would send."""
    rng = np.random.default_rng(seed)
    sign = rng.choice([-1.0, 1.0], (n_events, n_labels))
    odds = rng.normal(size=(n_events, n_labels)) if kind == "weights" else 12.0 * sign
    target = (rng.random((n_events, n_labels)) < 0.3).astype(np.uint8)
    weight = np.ones(n_events)
    if kind == "always wrong":
        target = (odds < 0).astype(np.uint8)
    elif kind == "all positive":
        target[:] = 1
    elif kind == "all sure, all positive":
        odds[:], target[:] = 12.0, 1
    elif kind == "all impossible, all positive":
        odds[:], target[:] = -12.0, 1
    elif kind == "unobserved":
        target[:] = slow.UNOBSERVED
    elif kind == "same odds":
        odds[:] = 0.0
    elif kind == "weights":
        weight = rng.choice([1e-300, 1e-9, 1e9], n_events)
    return odds, target, weight


KINDS = [
    "certain", "always wrong", "all positive", "all sure, all positive", "all impossible, all positive", "unobserved",
        "same odds",
    "weights",
]  # fmt: skip


def assert_sound(decoder, proba, answer):
    """Compare every number of the state and of the results with what can be."""
    assert np.isfinite(proba).all()
    assert (proba > 0.0).all()
    assert (proba < 1.0).all()
    assert set(np.unique(answer.view(np.uint8)).tolist()) <= {0, 1}
    n = decoder.n_labelsets
    for part in (
        decoder._factor, decoder._information, decoder._score_weights, decoder._novelty, decoder._weights,
        decoder._weights_information, decoder._own, decoder._total, decoder._tally, decoder._events,
        decoder._stats[:n],
    ):  # fmt: skip
        assert np.isfinite(part).all()


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_streams(kind, objective):
    for n_labels, n_events in ((0, 3), (1, 300), (7, 300), (2000, 6)):
        decoder = Decoder(objective, 64)
        decoder.grow(n_labels, N_FEATURES)
        events = hostile(kind, n_labels, n_events)
        proba, answer = decoder.run(*events, True, features=feature_arrays(0, n_events))
        assert_sound(decoder, proba, answer)
        assert_sound(decoder, *decoder.run(-events[0], *events[1:], False))


def test_no_events():
    decoder = Decoder("balanced", 64)
    proba, answer = decoder.run(np.empty((0, 4)), np.empty((0, 4), np.uint8), np.empty(0), True)
    assert proba.shape == answer.shape == (0, 4)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("kind", ["certain", "always wrong", "all positive", "weights"])
def test_hostile_streams_are_those_of_the_slow_twin(kind, objective):
    odds, target, weight = hostile(kind, 4, 80, seed=1)
    odds += np.random.default_rng(2).normal(0.0, 0.01, odds.shape)  # no two answers as good as each other
    events = list(zip(np.clip(odds, -12, 12).tolist(), target.tolist(), weight.tolist(), strict=True))
    compare(objective, events)


# What the answers are good for -----------------------------------------------------------------------------------------


def exclusive_pairs(n_pairs, n_events, seed):
    """Labels of which at most one of each pair applies, independent given x; log-odds are the true ones of each label."""
    rng = np.random.default_rng(seed)
    rate = np.linspace(0.35, 1.2, 2 * n_pairs).reshape(n_pairs, 2)
    odds, target = np.empty((n_events, 2 * n_pairs)), np.zeros((n_events, 2 * n_pairs), np.uint8)
    for row in range(n_events):
        for pair in range(n_pairs):
            p = rng.dirichlet([*rate[pair], 1.2])
            p = 0.98 * p + 0.02 / 3
            odds[row, 2 * pair : 2 * pair + 2] = np.log(p[:2] / (1.0 - p[:2]))
            applies = rng.choice(3, p=p)
            if applies < 2:
                target[row, 2 * pair + applies] = 1
    return odds, target, np.ones(n_events)


def told_apart(scored):
    """Share of right answers where two labelsets of two labels each are as probable, and a feature says which one it is."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 600)
    target = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], np.uint8)[truth]
    odds = np.zeros(target.shape)
    feature = np.arange(601), truth.astype(np.int32), np.ones(600, np.float32), np.ones(600, np.float32)
    decoder = Decoder("subset", 64, scored)
    decoder.grow(4, 2)
    _, answer = decoder.run(odds, target, np.ones(600), True, features=feature)
    return (answer[100:] == target[100:]).all(1).mean()


def test_labelsets_are_told_apart_by_features():
    assert told_apart(scored=True) > 0.98
    assert told_apart(scored=False) < 0.7


def test_without_scores_features_change_no_bit():
    """Nor does what the room for scores held before."""
    events = random_stream(9, 5, 200)
    with_features, without = Decoder("balanced", 8192, scored=False), Decoder("balanced", 8192, scored=False)
    for at, event in enumerate(events):
        part = arrays([event])
        expected = without.run(*part, True)
        with_features._workings.score[:] = 5.0
        proba, answer = with_features.run(*part, True, features=feature_arrays(at, 1))
        assert np.array_equal(proba, expected[0])
        assert np.array_equal(answer, expected[1])


def test_an_answer_differs_from_all_that_were_tried_where_that_is_worth_more():
    events = random_stream(3, 12, 300, sets=60, sure=0.7)
    with_exchange, without = Decoder("balanced", 8192), Decoder("balanced", 8192)
    without.n_exchanges = 0
    proba, answer = run(with_exchange, events)
    same, tried = run(without, events)
    assert np.array_equal(proba, same)
    differs = (answer != tried).any(axis=1)
    assert 0.05 < differs.mean() < 0.5


def test_up_to_four_labels_are_put_in_or_taken_out():
    events = random_stream(3, 20, 60, sets=100, sure=0.5)
    answers = [run(Decoder("balanced", 8192), events)[1]]
    for n_exchanges in range(6):
        decoder = Decoder("balanced", 8192)
        decoder.n_exchanges = n_exchanges
        answers.append(run(decoder, events)[1])
    by_default, *each = answers
    assert [np.array_equal(by_default, answer) for answer in each] == [False, False, False, False, True, False]


def scores_of(target, answer):
    """The score of each objective; the balanced one is the sum that it is made to enlarge."""
    hits = (target & answer).sum(1)
    named = (target + answer.astype(int)).sum(1)
    own = 2.0 * (target & answer).sum(0) / np.maximum((target + answer.astype(int)).sum(0), 1)
    scores = {
        "hamming": (target == answer).mean(),
        "subset": (target == answer).all(1).mean(),
        "example_f1": np.where(named == 0, 1.0, 2.0 * hits / np.maximum(named, 1)).mean(),
        "micro_f1": 2.0 * hits.sum() / named.sum(),
        "macro_f1": own.mean(),
    }
    scores["balanced"] = float(
        np.dot([1.0, 1.4, 0.2, 0.6], [scores[o] for o in ("subset", "example_f1", "micro_f1", "macro_f1")])
    )
    return scores


def test_the_f1_to_be_expected_is_that_of_the_answers():
    """Of probabilities that are right; the counts of all labels are those of the last 1,000 events or so."""
    odds, target, weight = exclusive_pairs(3, 8000, 0)
    decoder = Decoder("micro_f1", 8192)
    _, answer = decoder.run(odds, target, weight, True)
    found = scores_of(target[7000:], answer[7000:].astype(np.uint8))
    promised = (2.0 * decoder._total[0] + 62.0) / (decoder._total[1] + 100.0)
    assert promised == pytest.approx(found["micro_f1"], abs=0.02)


def test_each_objective_is_best_in_its_own_score():
    odds, target, weight = exclusive_pairs(3, 8000, 0)
    table = {}
    for objective in OBJECTIVES:
        _, answer = Decoder(objective, 8192).run(odds, target, weight, True)
        table[objective] = scores_of(target[1000:], answer[1000:].astype(np.uint8))
    single = [objective for objective in OBJECTIVES if objective != "balanced"]
    for objective in single:
        others = {o: table[o][objective] for o in single if o != objective}
        # The labels are alike, so that some objectives want nearly the same answers: what they differ by is chance.
        assert table[objective][objective] > max(others.values()) - 5e-3, (objective, table[objective][objective], others)
