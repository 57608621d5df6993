"""Streams of log-odds and labels for tests of decoding, and their comparison with its slow twin."""

import pickle
import random

import numpy as np
import pytest

from ihomer.decoding import Decoder
from ihomer.experts.base import Alike
from ihomer.kernels.tallies import EXACT, F1, N_MET
from tests.reference import decoding as slow

# The twins add up in different orders. Numbers of 32 bits lie between, but the two then round to the same one, but for a
# share of 1e-8 of cases; so the difference stays near 1e-13, and 1e-9 is far from it and from any change of a formula.
CLOSE = 1e-9
N_FEATURES = 6


def random_stream(seed, n_labels, n_events, sets=6, unobserved=0.0, weights=(1.0,), growing=False, sure=2.0, share=0.0):
    """Events (log-odds, target, weight): labels of planted labelsets and noise, log-odds that know a part of it."""
    rng = random.Random(seed)
    planted = [[rng.random() < (share or min(0.4, 3.0 / n_labels)) for _ in range(n_labels)] for _ in range(sets)]
    events = []
    for at in range(n_events):
        n = min(n_labels, 2 + at * n_labels // max(n_events // 2, 1)) if growing else n_labels
        y = [int(on ^ (rng.random() < 0.05)) for on in rng.choice(planted)[:n]]
        q = [min(max(rng.gauss(sure * (2 * on - 1.3), sure), -12.0), 12.0) for on in y]
        if rng.random() < 0.3:
            y = [slow.UNOBSERVED if rng.random() < unobserved else on for on in y]
        events.append((q, y, rng.choice(weights)))
    return events


def arrays(events):
    """Events of equally many labels as arrays."""
    q, target, weight = zip(*events, strict=True)
    return np.array(q, np.float64), np.array(target, np.uint8), np.array(weight, np.float64)


def alike_to(at):
    """Past events like event number `at`, and what their labels count: some too old, some yet to come, most of them neither."""
    rng = random.Random(at)
    numbers = {number for number in rng.sample(range(-3, 12), 5) if number < at}
    numbers |= {at - 1 - back for back in rng.sample(range(-2, 40), 6)} | {at - 2048, at - 2049}
    return {number: rng.gauss(0.12, 0.12) for number in sorted(numbers) if number >= 0}


def features_of(at):
    """The features of event number `at`, and what they are multiplied by before they are learned from."""
    rng = random.Random(-at)
    value = {f: slow.single(rng.gauss(0.0, 0.5)) for f in sorted(rng.sample(range(N_FEATURES), rng.randrange(5)))}
    return value, slow.single(rng.choice((1.0, 0.9)))


def feature_arrays(start, n_events, features=features_of):
    """The features of events as arrays."""
    rows = [features(start + i) for i in range(n_events)]
    indptr = np.cumsum([0, *(len(x) for x, _ in rows)])
    feature = np.array([f for x, _ in rows for f in x], np.int32)
    value = np.array([v for x, _ in rows for v in x.values()], np.float32)
    return indptr, feature, value, np.array([shrink for _, shrink in rows], np.float32)


def run(decoder, events, learn=True, start=None, known=False, features=features_of):
    """Decode and learn events of equally many labels; the first has number `start` if they have features and others alike."""
    if start is None:
        return decoder.run(*arrays(events), learn)
    decoder.grow(len(events[0][0]), N_FEATURES)
    found = [alike_to(start + i) for i in range(len(events))]
    number, share = np.full((len(events), 16), -1), np.zeros((len(events), 16))
    for i, row in enumerate(found):
        number[i, : len(row)], share[i, : len(row)] = list(row), list(row.values())
    return decoder.run(*arrays(events), learn, Alike(number, share), known, feature_arrays(start, len(events), features))


def bits(decoder):
    """All of the state, as bytes."""
    return pickle.dumps(decoder.__getstate__())


def assert_same_memory(fast, twin):
    """Compare the labelsets remembered, in their order, and what was learned to weigh them."""
    n = fast.n_labelsets
    ends = fast._ends.tolist()
    members = [frozenset(fast._pool[ends[s] : ends[s + 1]].tolist()) for s in range(n)]
    sets = twin.labelsets.sets
    assert members == list(sets)
    assert fast._stats[:n, 0].tolist() == pytest.approx([seen.count for seen in sets.values()], rel=CLOSE)
    assert fast._last_seen[:n].tolist() == [seen.last for seen in sets.values()]
    assert fast._factor.tolist() == pytest.approx(twin.labelsets.factor, abs=CLOSE)
    assert fast._novelty[:, 0].tolist() == pytest.approx(twin.labelsets.novelty, abs=CLOSE)
    assert fast._events[[EXACT, F1]].tolist() == pytest.approx([twin.right, twin.f1], abs=CLOSE)
    assert fast._total.tolist() == pytest.approx(twin.expected.total, abs=CLOSE)
    own = {label: tuple(counts) for label, counts in enumerate(fast._tally.tolist()) if counts[1] > 0.0}
    assert sorted(own) == sorted(twin.expected.own)
    assert fast._events[N_MET] == len(own)
    for label, counts in own.items():
        assert counts == pytest.approx(twin.expected.own[label], abs=CLOSE)
    assert fast._weights[0].tolist() == pytest.approx(twin.mixing.shared, abs=CLOSE)
    weights = {(slow.CONSTANT if f == len(fast._score_weights[0]) - 1 else f, label): w
               for f, row in enumerate(fast._score_weights[0].tolist()) for label, w in enumerate(row) if w != 0.0}  # fmt: skip
    assert weights == pytest.approx({key: w for key, w in twin.scores.weights.items() if w != 0.0}, abs=CLOSE)


def compare(objective, events, most=8192, forget=None, features=features_of):
    """Run both; return how many events had two best answers."""
    fast, twin = Decoder(objective, most), slow.SlowDecoder(objective, most)
    ties = 0
    for at, (q, target, weight) in enumerate(events):
        if forget and at in forget:
            fast.forget_labels(np.array(forget[at], np.int32))
            twin.forget_labels(forget[at])
        x, shrink = features(at)
        event = twin.decode(q, alike_to(at), x)
        proba, answer = run(fast, [(q, target, weight)], start=at, features=features)
        assert proba[0].tolist() == pytest.approx(event.proba, abs=CLOSE), at
        if event.lead <= CLOSE:
            ties += 1
        else:
            assert set(np.flatnonzero(answer[0])) == event.answer, (at, event.lead)
        event.answer = frozenset(np.flatnonzero(answer[0]).tolist())  # both count the same answer, also where two are as good
        twin.learn(event, target, weight, shrink)
    assert_same_memory(fast, twin)
    return ties
