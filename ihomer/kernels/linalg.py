"""Small dense linear algebra for kernels, in an order of operations that is the same everywhere."""

import math

from ihomer.kernels.common import inner

_LEAST_PIVOT = 1e-9


@inner
def solve_positive(a, b, size):
    """Solve A x = b for a symmetric positive definite A by Cholesky's method: A = G G', G z = b, G' x = z.

    a : float64[n, n], its lower triangle is overwritten by G; b : float64[n], overwritten by x; size : how much of both is used
    """
    for i in range(size):
        for j in range(i + 1):
            left = a[i, j]
            for k in range(j):
                left -= a[i, k] * a[j, k]
            if i == j:
                a[i, i] = math.sqrt(max(left, _LEAST_PIVOT))
            else:
                a[i, j] = left / a[j, j]
    for i in range(size):
        left = b[i]
        for k in range(i):
            left -= a[i, k] * b[k]
        b[i] = left / a[i, i]
    for i in range(size - 1, -1, -1):
        left = b[i]
        for k in range(i + 1, size):
            left -= a[k, i] * b[k]
        b[i] = left / a[i, i]
