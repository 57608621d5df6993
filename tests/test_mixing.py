"""The mixture of log-odds against its slow twin, and what mixing is for."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihomer.mixing import Mixture
from tests.reference.experts import Row, SlowMixture

CLOSE = 1e-8  # both count in float64; the order of the sums, and of the solution of a linear system, differs


def random_inputs(rng, n_rows, n_labels, n_inputs, spread=3.0):
    """Log-odds around those of a truth, the marks of what was observed (0, 1, or 2 for not), and weights."""
    truth = rng.normal(-1.0, 2.0, (n_rows, n_labels, 1))
    inputs = (truth * rng.uniform(0.0, 1.5, n_inputs) + rng.normal(0.0, spread, (n_rows, n_labels, n_inputs))).astype(
        np.float32
    )
    target = (rng.random((n_rows, n_labels)) < 1.0 / (1.0 + np.exp(-truth[..., 0]))).astype(np.uint8)
    target[rng.random(target.shape) < 0.1] = 2
    return inputs, target, rng.choice([1.0, 0.2, 3.0, 50.0], n_rows, p=[0.7, 0.1, 0.1, 0.1])


def slow_run(twin, inputs, target, weight, learn):
    answers = []
    for s, marks, w in zip(inputs.tolist(), target.tolist(), weight.tolist(), strict=True):
        row = Row({}, {}, *(frozenset(np.flatnonzero(np.equal(marks, kind)).tolist()) for kind in (1, 2)), w)
        answers.append(twin.step(s, row, learn))
    return np.array(answers)


def bits(mixture):
    return [part.tobytes() for part in vars(mixture).values() if isinstance(part, np.ndarray)]


def check(fast, twin, n_labels):
    np.testing.assert_allclose(fast.weights, twin.shared, rtol=0.0, atol=CLOSE)
    for label in range(n_labels):
        own = [v for v, _ in twin.own[label][:-1]] if label in twin.own else 0.0
        np.testing.assert_allclose(fast.weights_of(label), np.add(twin.shared, own), rtol=0.0, atol=CLOSE)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_inputs", [1, 2, 7])
def test_mixture_equals_its_twin(n_inputs, seed):
    rng = np.random.default_rng([seed, n_inputs])
    fast, twin = Mixture(n_inputs), SlowMixture(n_inputs)
    for n_labels in (2, 2, 3, 3, 6, 6):
        inputs, target, weight = random_inputs(rng, int(rng.integers(1, 60)), n_labels, n_inputs)
        for learn in (False, True):
            odds = fast.run(inputs, target, weight, learn)
            np.testing.assert_allclose(odds, slow_run(twin, inputs, target, weight, learn), rtol=0.0, atol=CLOSE)
        check(fast, twin, n_labels)
        chosen = rng.random()
        if chosen < 0.3:
            fast.doubt()
            twin.doubt()
        elif chosen < 0.6:
            gone = rng.permutation(n_labels)[: n_labels // 2]
            fast.forget_labels(gone.astype(np.int32))
            twin.forget_labels(gone.tolist())
        check(fast, twin, n_labels)


@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(-20.0, 20.0, width=32), min_size=4, max_size=4),
            st.tuples(st.integers(0, 2), st.integers(0, 2)),
            st.sampled_from([1e-9, 0.5, 1.0, 9.0, 1e9]),
        ),
        min_size=1,
        max_size=20,
    )
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_small_streams(drawn):
    inputs = np.array([s for s, _, _ in drawn], np.float32).reshape(-1, 2, 2)
    target = np.array([marks for _, marks, _ in drawn], np.uint8)
    weight = np.array([w for _, _, w in drawn])
    fast, twin = Mixture(2), SlowMixture(2)
    odds = fast.run(inputs, target, weight, True)
    np.testing.assert_allclose(odds, slow_run(twin, inputs, target, weight, True), rtol=0.0, atol=CLOSE)
    check(fast, twin, 2)


def test_chunks_change_no_bit():
    rng = np.random.default_rng(5)
    inputs, target, weight = random_inputs(rng, 300, 5, 4)
    whole = Mixture(4)
    expected = whole.run(inputs, target, weight, True).tobytes()
    for most in (1, 40):
        sizes = random.Random(most)
        parts, start, answers = Mixture(4), 0, []
        while start < 300:
            stop = start + sizes.randint(1, most)
            answers.append(parts.run(inputs[start:stop], target[start:stop], weight[start:stop], True))
            start = stop
        assert np.concatenate(answers).tobytes() == expected
        assert bits(parts) == bits(whole)


def test_asking_changes_no_bit_and_equal_weights_stay():
    rng = np.random.default_rng(6)
    inputs, target, weight = random_inputs(rng, 100, 5, 4)
    mixture, fixed = Mixture(4), Mixture(4, fixed=True)
    mixture.run(inputs, target, weight, True)
    before = bits(mixture)
    first = mixture.run(inputs, target, weight, False)
    assert bits(mixture) == before
    assert (first == mixture.run(inputs, target, weight, False)).all()
    odds = fixed.run(inputs, target, weight, True)
    assert (fixed.weights == 0.25).all()
    np.testing.assert_allclose(odds, np.clip(inputs, -8.0, 8.0).mean(axis=2), atol=1e-6)


def log_loss(odds, target):
    return np.logaddexp(0.0, np.where(target == 1, -odds, odds)).mean()


@pytest.mark.parametrize("noise", [0.5, 2.0, 6.0])
def test_a_random_expert_beside_a_perfect_one_costs_little(noise):
    rng = np.random.default_rng(7)
    truth = rng.normal(-1.0, 2.0, (4000, 5)).clip(-8.0, 8.0)
    target = (rng.random(truth.shape) < 1.0 / (1.0 + np.exp(-truth))).astype(np.uint8)
    inputs = np.stack([truth, rng.normal(0.0, noise, truth.shape)], axis=2).astype(np.float32)
    odds = Mixture(2).run(inputs, target, np.ones(len(truth)), True)
    assert log_loss(odds[:200], target[:200]) > log_loss(truth[:200], target[:200])
    assert log_loss(odds, target) < 1.02 * log_loss(truth, target)


def test_a_label_may_trust_another_expert():
    """What is right for half of the labels is wrong for the others: own weights make up for it."""
    rng = np.random.default_rng(8)
    truth = rng.normal(0.0, 2.0, (8000, 2))
    target = (rng.random(truth.shape) < 1.0 / (1.0 + np.exp(-truth))).astype(np.uint8)
    inputs = np.stack([truth, rng.normal(0.0, 2.0, truth.shape)], axis=2).astype(np.float32)
    inputs[:, 1] = inputs[:, 1, ::-1]
    mixture = Mixture(2)
    mixture.run(inputs, target, np.ones(len(truth)), True)
    first, second = mixture.weights_of(0), mixture.weights_of(1)
    assert first[0] > first[1]
    assert second[1] > second[0]


def test_doubt_makes_the_weights_move():
    rng = np.random.default_rng(9)
    inputs, target, weight = random_inputs(rng, 1000, 4, 3)
    sure, unsure = Mixture(3), Mixture(3)
    for mixture in (sure, unsure):
        mixture.run(inputs, target, weight, True)
    unsure.doubt()
    start = sure.weights.copy()
    flipped = np.where(target < 2, 1 - target, 2).astype(np.uint8)
    for mixture in (sure, unsure):
        mixture.run(inputs[:20], flipped[:20], weight[:20], True)
    assert np.abs(unsure.weights - start).max() > 1.5 * np.abs(sure.weights - start).max()
