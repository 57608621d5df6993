"""The speed benchmarks: fitted exponents, counted operations, and a tiny run of each."""

import copy
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import roofline
from benchmarks.kernel_counts import COUNTERS, Count, solve
from ihomer import IHOMERClassifier

ROOT = Path(__file__).resolve().parents[1]


def _small_events() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = np.round(rng.normal(size=(60, 5)), 3)
    X[:, 4] *= rng.random(60) < 0.5
    Y = ((X[:, :3] + 0.3 * rng.normal(size=(60, 3))) > 0.3).astype(np.float64)
    Y[56, 1] = np.nan
    return X, Y


def _calls() -> list[tuple[str, str, Any, Count]]:
    """Return calls of kernels for one event each: module, name, arguments before, and the count by formula."""
    X, Y = _small_events()
    calls: list[tuple[str, str, Any, Count]] = []

    def wrap(name: str, kernel: Any) -> Any:
        def call(*arguments: Any) -> Any:
            before = copy.deepcopy(arguments)
            result = kernel(*arguments)
            if name in COUNTERS:
                calls.append((kernel.py_func.__module__, name, before, COUNTERS[name](before, arguments)))
            return result

        return call

    model = IHOMERClassifier()
    model.learn_many(X[:50], Y[:50])
    with roofline.replaced(wrap):
        for row in range(50, 60):
            model.learn_many(X[row : row + 1], Y[row : row + 1])
    return calls


def _counted_by_running(calls: list[Any], folder: Path) -> list[list[int]]:
    path = folder / "calls.pickle"
    path.write_bytes(pickle.dumps([call[:3] for call in calls]))
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "tests" / "counting_kernels.py"), str(path)]
    found: list[list[int]] = json.loads(
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    )
    return found


def test_operations_by_formula_are_those_that_the_kernels_do(tmp_path: Path) -> None:
    """The kernels run uncompiled on numbers that count; what a bound has replaced by a constant counts no more there."""
    calls = _calls()
    assert {name for _, name, _, _ in calls} == set(COUNTERS)
    for (_, name, _, count), (flops, special) in zip(calls, _counted_by_running(calls, tmp_path), strict=True):
        near = 0.1 if name == "decode_rows" else 0.01  # how many sizes of answers are looked at is not known from outside
        assert count.flops == pytest.approx(flops, rel=near, abs=4), name
        assert count.special == pytest.approx(special, rel=near, abs=10), name


def test_bytes_by_hand() -> None:
    """Two pairs, three labels (two observed), one model whose weights have room for four labels."""
    indptr, index, value = np.array([0, 2]), np.array([0, 1], np.int32), np.ones(2, np.float32)
    target, weight, shrink = np.array([[1, 0, 2]], np.uint8), np.ones(1), np.ones(1, np.float32)
    weights, out = np.zeros((1, 3, 4), np.float32), np.zeros((1, 3, 1), np.float32)
    arguments = (indptr, index, value, target, weight, shrink, True, np.ones(1), -1, weights, out, 0)
    count = COUNTERS["linear_rows"](arguments, arguments)
    pairs, rows = 2 * (4 + 4), 3 * 3 * 4  # rows of weights: two features and the constant, three labels
    assert count.read == pairs + 3 + rows
    assert count.written == 3 * 4 + rows
    predicted, stepped = 3 + 2 * 2 * 3 + 3, 2 + 3 * (2 + 1) + 2 + 2 * 3 + 2 * 2 * 3
    assert count.flops == predicted + stepped
    assert count.special == 3


def test_the_count_of_a_system_is_that_of_its_loops() -> None:
    for n in (1, 2, 3, 16):
        sums = sum(2 * j for i in range(n) for j in range(i + 1)) + sum(i for i in range(n))
        after = sum(2 * i + 1 for i in range(n)) * 2
        assert solve(n) == Count(sums + after, n, 0, 0)
