"""Counter-based random numbers: a number is a function of (seed, event, stream), so no generator state exists.

The finaliser is that of splitmix64 (Steele, Lea, Flood 2014). One event gives the same numbers whether it is learned alone or
in a batch, before or after a reload.
"""

import math

import numpy as np

from ihomer.kernels.common import jit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_MAX_POISSON = 20  # P(k > 20) < 1e-19


@jit
def mix(z):
    """Scatter the bits of a uint64 over all 64 bits (splitmix64's finaliser)."""
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@jit
def uniform(seed, event, stream):
    """Return a number in [0, 1) that depends on the three whole numbers alone."""
    z = mix(np.uint64(seed) + _GOLDEN)
    z = mix(z + np.uint64(event) * _GOLDEN + _GOLDEN)
    z = mix(z + np.uint64(stream) * _GOLDEN + _GOLDEN)
    return np.float64(z >> np.uint64(11)) * 2.0**-53


@jit
def poisson_one(u):
    """Return the quantile u of the Poisson distribution with mean 1: the least k with P(K <= k) > u."""
    k = 0
    probability = math.exp(-1.0)
    total = probability
    while u >= total and k < _MAX_POISSON:
        k += 1
        probability /= k
        total += probability
    return k
