"""The mixture of log-odds against its slow twin, and what mixing is for."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihomer.kernels.common import jit
from ihomer.kernels.linalg import solve_four, solve_large, solve_positive
from ihomer.mixing import Mixture
from tests.reference.mixing import SlowMixture

CLOSE = 1e-8  # both count in float64; the order of the sums, and of the solution of a linear system, differs


def random_inputs(rng, n_rows, n_labels, n_inputs, spread=3.0):
    """Log-odds around those of a truth, those of rates, the marks of what was observed (0, 1, or 2 for not), and weights."""
    truth = rng.normal(-1.0, 2.0, (n_rows, n_labels, 1))
    inputs = (truth * rng.uniform(0.0, 1.5, n_inputs) + rng.normal(0.0, spread, (n_rows, n_labels, n_inputs))).astype(
        np.float32
    )
    rate = (rng.uniform(-6.0, 1.0, n_labels) + rng.normal(0.0, 0.3, (n_rows, n_labels))).astype(np.float32)
    target = (rng.random((n_rows, n_labels)) < 1.0 / (1.0 + np.exp(-truth[..., 0]))).astype(np.uint8)
    target[rng.random(target.shape) < 0.1] = 2
    return inputs, rate, target, rng.choice([1.0, 0.2, 3.0, 50.0], n_rows, p=[0.7, 0.1, 0.1, 0.1])


def slow_run(twin, inputs, rate, target, weight, learn):
    answers = []
    for s, r, marks, w in zip(inputs.tolist(), rate.tolist(), target.tolist(), weight.tolist(), strict=True):
        odds = [twin.mix(label, line, r[label]) for label, line in enumerate(s)]
        answers.append(odds)
        if learn:
            observed = [label for label, mark in enumerate(marks) if mark != 2]
            twin.learn([(label, s[label], odds[label], float(marks[label]), r[label]) for label in observed], w)
    return np.array(answers)


def bits(mixture):
    return [part.tobytes() for part in vars(mixture).values() if isinstance(part, np.ndarray)]


def check(fast, twin, n_labels):
    """Compare the weights of labels, of one that no event has named, and the mean of all."""
    unknown, n_inputs = 10**6, twin.n - 1
    for label in (*range(n_labels + 1), unknown):
        for rate, odds in itertools.product((-20.0, -5.0, -4.0, -3.0, -2.0, 0.0), (-5.0, -2.0, -1.5, 0.0, 0.5, 20.0)):
            inputs = np.full(n_inputs, odds, np.float32)
            expected = twin.weights_of(label, rate, inputs.tolist())[:-1]
            np.testing.assert_allclose(fast.weights_of(label, rate, inputs), expected, rtol=0.0, atol=CLOSE)
    given = [np.diag(information)[:-1].sum() for information in twin.seen.values()]
    of_groups = [
        twin.weights_of(unknown, rate, [rate + lift] * n_inputs)[:-1] for rate in (-5.0, -3.0, 0.0) for lift in (-1.0, 1.0, 3.0)
    ]
    expected = np.average(of_groups, axis=0, weights=given if any(given) else None)
    np.testing.assert_allclose(fast.weights, expected, rtol=0.0, atol=CLOSE)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_inputs", [1, 2, 7])
def test_mixture_equals_its_twin(n_inputs, seed):
    rng = np.random.default_rng([seed, n_inputs])
    start = rng.uniform(0.1, 3.0, n_inputs).tolist()
    fast, twin = Mixture(start), SlowMixture(n_inputs, start=start)
    for n_labels in (2, 2, 3, 3, 6, 6):
        inputs, rate, target, weight = random_inputs(rng, int(rng.integers(1, 60)), n_labels, n_inputs)
        for learn in (False, True):
            odds = fast.run(inputs, rate[..., None], target, weight, learn)
            np.testing.assert_allclose(odds, slow_run(twin, inputs, rate, target, weight, learn), rtol=0.0, atol=CLOSE)
        check(fast, twin, n_labels)
        chosen = rng.random()
        if chosen < 0.3:
            fast.doubt()
            twin.doubt()
        elif chosen < 0.6:
            gone = rng.permutation(n_labels)[: n_labels // 2]
            fast.forget_labels(gone.astype(np.int32))
            twin.forget(gone.tolist())
        check(fast, twin, n_labels)


@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(-20.0, 20.0, width=32), min_size=4, max_size=4),
            st.tuples(st.floats(-12.0, 12.0, width=32), st.floats(-12.0, 12.0, width=32)),
            st.tuples(st.integers(0, 2), st.integers(0, 2)),
            st.sampled_from([1e-9, 0.5, 1.0, 9.0, 1e9]),
        ),
        min_size=1,
        max_size=20,
    )
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_small_streams(drawn):
    inputs = np.array([s for s, _, _, _ in drawn], np.float32).reshape(-1, 2, 2)
    rate = np.array([r for _, r, _, _ in drawn], np.float32)
    target = np.array([marks for _, _, marks, _ in drawn], np.uint8)
    weight = np.array([w for _, _, _, w in drawn])
    fast, twin = Mixture([1.0] * 2), SlowMixture(2)
    odds = fast.run(inputs, rate[..., None], target, weight, True)
    np.testing.assert_allclose(odds, slow_run(twin, inputs, rate, target, weight, True), rtol=0.0, atol=CLOSE)
    check(fast, twin, 2)


def test_chunks_change_no_bit():
    rng = np.random.default_rng(5)
    inputs, rate, target, weight = random_inputs(rng, 300, 5, 4)
    whole = Mixture([1.0] * 4)
    expected = whole.run(inputs, rate[..., None], target, weight, True).tobytes()
    for most in (1, 40):
        sizes = random.Random(most)
        parts, start, answers = Mixture([1.0] * 4), 0, []
        while start < 300:
            stop = start + sizes.randint(1, most)
            part = slice(start, stop)
            answers.append(parts.run(inputs[part], rate[part, :, None], target[part], weight[part], True))
            start = stop
        assert np.concatenate(answers).tobytes() == expected
        assert bits(parts) == bits(whole)


def test_a_row_is_learned_as_it_was_asked_about():
    inputs, rate, target, weight = random_inputs(np.random.default_rng(7), 100, 5, 4)
    asked, silent = Mixture([1.0] * 4), Mixture([1.0] * 4)
    for i in range(100):
        row = inputs[i : i + 1], rate[i : i + 1, :, None], target[i : i + 1], weight[i : i + 1]
        odds = asked.run(*row, False)
        known = odds.tobytes()
        assert asked.run(*row, True, odds).tobytes() == silent.run(*row, True).tobytes() == known
        assert bits(asked) == bits(silent)


def test_asking_changes_no_bit_and_equal_weights_stay():
    rng = np.random.default_rng(6)
    inputs, rate, target, weight = random_inputs(rng, 100, 5, 4)
    mixture, fixed = Mixture([1.0] * 4), Mixture([1.0] * 4, fixed=True)
    mixture.run(inputs, rate[..., None], target, weight, True)
    before = bits(mixture)
    first = mixture.run(inputs, rate[..., None], target, weight, False)
    assert bits(mixture) == before
    assert (first == mixture.run(inputs, rate[..., None], target, weight, False)).all()
    odds = fixed.run(inputs, rate[..., None], target, weight, True)
    assert (fixed.weights == 0.25).all()
    np.testing.assert_allclose(odds, np.clip(inputs, -8.0, 8.0).mean(axis=2), atol=1e-6)


def test_what_is_mixed_is_12_at_most():
    """An expert that is always right and says little gets a large weight, and may say more one day."""
    rng = np.random.default_rng(8)
    target = rng.integers(0, 2, (400, 40)).astype(np.uint8)
    inputs = (2.0 * target[:, :, None] - 1.0).astype(np.float32)
    mixture = Mixture([1.0])
    mixture.run(inputs, no_rate(target), target, np.ones(400), True)
    assert mixture.weights > 2.0
    odds = mixture.run(8.0 * inputs, no_rate(target), target, np.ones(400), False)
    assert (odds == np.where(target, 12.0, -12.0)).all()


def no_rate(target):
    return np.zeros((*target.shape, 1), np.float32)


def log_loss(odds, target):
    return np.logaddexp(0.0, np.where(target == 1, -odds, odds)).mean()


@pytest.mark.parametrize("noise", [0.5, 2.0, 6.0])
def test_a_random_expert_beside_a_perfect_one_costs_little(noise):
    rng = np.random.default_rng(7)
    truth = rng.normal(-1.0, 2.0, (4000, 5)).clip(-8.0, 8.0)
    target = (rng.random(truth.shape) < 1.0 / (1.0 + np.exp(-truth))).astype(np.uint8)
    inputs = np.stack([truth, rng.normal(0.0, noise, truth.shape)], axis=2).astype(np.float32)
    odds = Mixture([1.0] * 2).run(inputs, no_rate(target), target, np.ones(len(truth)), True)
    assert log_loss(odds[:200], target[:200]) > log_loss(truth[:200], target[:200])
    assert log_loss(odds, target) < 1.02 * log_loss(truth, target)


def test_a_label_may_trust_another_expert():
    """What is right for half of the labels is wrong for the others: own weights make up for it."""
    rng = np.random.default_rng(8)
    truth = rng.normal(0.0, 2.0, (8000, 2))
    target = (rng.random(truth.shape) < 1.0 / (1.0 + np.exp(-truth))).astype(np.uint8)
    inputs = np.stack([truth, rng.normal(0.0, 2.0, truth.shape)], axis=2).astype(np.float32)
    inputs[:, 1] = inputs[:, 1, ::-1]
    mixture = Mixture([1.0] * 2)
    mixture.run(inputs, no_rate(target), target, np.ones(len(truth)), True)
    alike = np.ones(2, np.float32)
    first, second = mixture.weights_of(0, 0.0, alike), mixture.weights_of(1, 0.0, alike)
    assert first[0] > first[1]
    assert second[1] > second[0]


def test_doubt_makes_the_weights_move():
    rng = np.random.default_rng(9)
    inputs, rate, target, weight = random_inputs(rng, 1000, 4, 3)
    sure, unsure = Mixture([1.0] * 3), Mixture([1.0] * 3)
    for mixture in (sure, unsure):
        mixture.run(inputs, rate[..., None], target, weight, True)
    unsure.doubt()
    start = sure.weights.copy()
    flipped = np.where(target < 2, 1 - target, 2).astype(np.uint8)
    for mixture in (sure, unsure):
        mixture.run(inputs[:20], rate[:20, :, None], flipped[:20], weight[:20], True)
    assert np.abs(unsure.weights - start).max() > 1.5 * np.abs(sure.weights - start).max()


def test_a_group_of_labels_may_trust_another_expert_and_a_constant_is_learned():
    """What serves common labels misleads about rare ones, whose rate all inputs state too high."""
    rng = np.random.default_rng(10)
    truth = rng.normal(0.0, 2.0, (6000, 4)) - np.array([0.0, 0.0, 3.0, 3.0])
    target = (rng.random(truth.shape) < 1.0 / (1.0 + np.exp(-truth))).astype(np.uint8)
    noise = rng.normal(0.0, 2.0, truth.shape)
    common = np.array([True, True, False, False])
    inputs = np.stack([np.where(common, truth, noise), np.where(common, noise, truth + 1.0)], axis=2).astype(np.float32)
    rate = np.tile(np.array([0.0, 0.0, -5.0, -5.0], np.float32), (len(truth), 1))
    mixture = Mixture([1.0] * 2)
    odds = mixture.run(inputs, rate[..., None], target, np.ones(len(truth)), True)
    blind = Mixture([1.0] * 2).run(inputs, no_rate(target), target, np.ones(len(truth)), True)
    first = mixture.weights_of(0, 0.0, np.ones(2, np.float32))
    second = mixture.weights_of(2, -5.0, np.full(2, -1.0, np.float32))  # as likely as most of its events say
    assert first[0] > 0.8 > 0.2 > first[1]
    assert second[1] > 0.8 > 0.2 > second[0]
    assert log_loss(odds[1000:], target[1000:]) < 1.015 * log_loss(truth[1000:], target[1000:])
    assert log_loss(odds[1000:], target[1000:]) < 0.95 * log_loss(blind[1000:], target[1000:])


def test_an_expert_may_be_trusted_on_what_it_makes_likelier_alone():
    """One expert is right where it speaks for a label and knows nothing where it speaks against it; the other has the rest."""
    rng = np.random.default_rng(11)
    truth = rng.normal(0.0, 2.5, (6000, 4))
    target = (rng.random(truth.shape) < 1.0 / (1.0 + np.exp(-truth))).astype(np.uint8)
    for_it, against = np.where(truth > 0.0, truth, -1.5), np.where(truth < 0.0, truth, 1.5)
    inputs = np.stack([for_it, against], axis=2).astype(np.float32)
    mixture = Mixture([1.0] * 2)
    odds = mixture.run(inputs, no_rate(target), target, np.ones(len(truth)), True)
    likelier, less = mixture.weights_of(0, 0.0, np.ones(2, np.float32)), mixture.weights_of(0, 0.0, -np.ones(2, np.float32))
    assert likelier[0] > 0.8 > 0.4 > likelier[1]
    assert less[1] > 0.8 > 0.4 > less[0]
    assert log_loss(odds[2000:], target[2000:]) < 1.01 * log_loss(truth[2000:], target[2000:])


@jit
def solved(a, b, four, right, size):
    """Solve four systems one by one and side by side."""
    for g in range(4):
        solve_positive(a[g], b[g], size)
    solve_four(four, right, size)


@jit
def solved_large(a, b, size, least):
    """Solve one large system."""
    solve_large(a, b, size, least)


@pytest.mark.parametrize(("kind", "near"), [(np.float64, 1e-8), (np.float32, 1e-2)])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 15, 16, 31, 46, 47, 48])
def test_a_large_system_of_any_size(size, kind, near):
    """What lies below the diagonal and beyond the size plays no part."""
    rng = np.random.default_rng(size)
    roots = rng.normal(size=(size, size + 2))
    a = roots @ roots.T + 0.1 * np.eye(size)
    b = rng.normal(size=size)
    matrix, right = np.full((48, 48), 1e30, kind), np.full(48, 1e30, kind)
    matrix[:size, :size] = np.where(np.tri(size, k=-1, dtype=bool), 1e30, a)
    right[:size] = b
    solved_large(matrix, right, size, 0.1)
    np.testing.assert_allclose(right[:size], np.linalg.solve(a, b), rtol=near, atol=near)


def test_a_large_system_that_is_hardly_positive_definite_stays_finite():
    matrix, right = np.ones((48, 48)), np.ones(48)
    solved_large(matrix, right, 46, 1e-9)
    assert np.isfinite(right[:46]).all()


@pytest.mark.parametrize("size", [1, 2, 3, 16, 18])
def test_four_systems_side_by_side_have_the_bits_of_each_alone(size):
    rng = np.random.default_rng(size)
    roots = rng.normal(size=(4, size + 1, size + 1))
    a = roots @ roots.transpose(0, 2, 1) + 0.01 * np.eye(size + 1)
    a[3] = np.eye(size + 1)
    b = rng.normal(size=(4, size + 1))
    a[1, 0, 0], b[2] = 0.0, 0.0  # one is not positive definite
    four, right = np.ascontiguousarray(a.transpose(1, 2, 0)), np.ascontiguousarray(b.T)
    solved(a, b, four, right, size)
    assert np.ascontiguousarray(right.T).tobytes() == b.tobytes()
