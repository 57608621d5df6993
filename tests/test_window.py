"""The nearest rows of a ring of events, against sorting all of them."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ihomer.kernels.common import jit
from ihomer.kernels.window import nearest_slots


@jit
def nearest(products, slot, n_rows, size, candidates, near, best, similarity):
    """Choose by the kernel that only kernels call."""
    return nearest_slots(products, slot, n_rows, size, candidates, near, best, similarity)


def by_sorting(products, slot, n_rows, size, m):
    """The m largest positive products of the rows before `slot`, of equal ones the newer; newest first."""
    slots = [(slot - 1 - back) % size for back in range(n_rows)]
    ranked = sorted((-products[s], back) for back, s in enumerate(slots) if products[s] > 0.0)
    return [slots[back] for back in sorted(back for _, back in ranked[:m])]


def check(products, slot, n_rows, m):
    size = len(products)
    best, similarity = np.full(m, -1), np.full(m, np.nan)
    space = np.empty(size + 1, np.int64), np.empty(size + 1, np.float32)
    found = nearest(products, slot, n_rows, size, *space, best, similarity)
    expected = by_sorting(products.tolist(), slot, n_rows, size, m)
    assert best[:found].tolist() == expected
    assert similarity[:found].tolist() == products[expected].tolist()
    assert (best[found:] == -1).all()


PRODUCTS = st.one_of(
    st.floats(-1.5, 1.5, width=32),
    st.sampled_from([0.0, -0.0, 0.25, 0.5, 1.0, 1e-45, 1e-38, 3e38]),
    st.sampled_from([np.float32(0.5), np.nextafter(np.float32(0.5), np.float32(1.0))]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PRODUCTS, min_size=1, max_size=90), st.integers(0, 89), st.integers(1, 48))
@example([0.5] * 60, 7, 48)
@example([0.5] * 30 + [0.25] * 30, 7, 40)
@example([1e-45] * 30 + [2e-45] * 30, 3, 40)
@example([3e38] * 50 + [3.4e38] * 10, 40, 48)
def test_the_nearest_of_a_full_ring(products, slot, m):
    check(np.array(products, np.float32), slot % len(products), len(products), m)


@pytest.mark.parametrize("n_rows", [0, 1, 5, 47, 48, 49, 63])
def test_the_nearest_of_a_ring_that_fills(n_rows):
    """Slots from the first on; those behind hold what must not be seen."""
    products = np.random.default_rng(n_rows).normal(size=64).astype(np.float32)
    products[n_rows:] = 9.0
    check(products, n_rows, n_rows, 48)


def test_thousands_of_rows_in_which_most_are_equal():
    rng = np.random.default_rng(1)
    for distinct in (1, 2, 3, 10, 1000):
        products = (rng.integers(0, distinct + 1, 2048) / np.float32(distinct)).astype(np.float32)
        check(products, 500, 2048, 32)
