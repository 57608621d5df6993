"""Kernels that count no references to arrays take none away and leave none behind."""

import gc
import sys

import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys

from ihomer import IHOMERClassifier, LabelPartition
from ihomer.decoding import OBJECTIVES
from ihomer.kernels.common import allocating, inner, jit


def _made(x):
    return np.ones(x.size)


def _same(x):
    return x


def _pair(x):
    return x.size, x


@pytest.mark.parametrize("decorate", [inner, allocating])
@pytest.mark.parametrize("function", [_made, _same, _pair])
def test_what_returns_an_array_counts_references(function, decorate):
    callee = decorate(function)
    caller = jit(lambda x: len(callee(x)))
    x = np.zeros(3)
    if decorate is allocating:
        assert caller(x) == len(function(x))
        return
    with pytest.raises(Exception, match=r"must be @allocating|Only accept returning of array|No implementation of function"):
        caller(x)


def test_what_is_returned_by_a_callee_is_refused_as_well():
    made = allocating(_made)
    between = inner(lambda x: made(x)[0])
    with pytest.raises(Exception, match="must be @allocating"):
        jit(lambda x: between(x))(np.zeros(3))


def _events(n, n_labels):
    rng = np.random.default_rng(5)
    for k in range(n):
        x = {name: float(value) for name, value in enumerate(rng.normal(size=6).round(2)) if rng.random() < 0.8}
        y = {f"l{label}": bool(rng.random() < 0.3) if rng.random() < 0.95 else None for label in range(n_labels)}
        yield x | {"nominal": "abc"[k % 3]}, y


def _held():
    gc.collect()
    found = rtsys.get_allocation_stats()
    return found.mi_alloc - found.mi_free, found.alloc - found.free


MODELS = {objective: {"objective": objective} for objective in OBJECTIVES} | {
    "with trees": {"experts": ("frequency", "neighbours", "tree")},
    "few places": {"clustering": LabelPartition(max_labels=8), "max_features": 8},
}


@pytest.mark.parametrize("name", [*MODELS, "paper"])
def test_no_array_is_left_behind(name):
    """What is held after a run is what was held before it: for each array that was taken one was given back."""
    _nrt_python.memsys_enable_stats()
    try:
        model = IHOMERClassifier.paper() if name == "paper" else IHOMERClassifier(**MODELS[name])
        before = _held()
        for x, y in _events(150, 9):
            model.predict_proba_one(x)
            model.test_then_train_one(x, y)
        assert _held() == before
        assert rtsys.get_allocation_stats().mi_alloc > 1000
    finally:
        _nrt_python.memsys_disable_stats()


@pytest.mark.parametrize("function", [_made, _same, _pair])
def test_an_array_that_is_returned_to_python_is_counted(function):
    """It outlives what it was made from."""
    x = np.arange(3.0)
    found = jit(function)(x)
    array = found[1] if isinstance(found, tuple) else found
    expected = array.copy()
    del x, found
    gc.collect()
    assert array.tolist() == expected.tolist()


def test_what_python_passes_is_neither_taken_nor_given_back():
    total, x = jit(lambda pair: pair[0].sum() + pair[1][0]), np.ones(3)
    assert total((x, x)) == 4.0
    before = sys.getrefcount(x)
    _nrt_python.memsys_enable_stats()
    try:
        made = rtsys.get_allocation_stats().mi_alloc
        assert total((x, x)) == 4.0
        assert rtsys.get_allocation_stats().mi_alloc == made
    finally:
        _nrt_python.memsys_disable_stats()
    assert sys.getrefcount(x) == before
