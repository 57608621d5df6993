"""Small dense linear algebra for kernels, in an order of operations that is the same everywhere."""

import math

import numpy as np

from ihomer.kernels.common import inner

_LEAST_PIVOT = 1e-9  # rounding leaves less, or less than nothing, of a matrix that is hardly positive


@inner
def solve_positive(a, b, size):
    """Solve A x = b for a symmetric positive definite A by Cholesky's method: A = G G', G z = b, G' x = z.

    a : float64[n, n], its lower triangle is overwritten by G, but its diagonal by 1 / that of G, since to multiply takes less
    time than to divide; b : float64[n], overwritten by x; size : how much of both is used
    """
    for i in range(size):
        for j in range(i + 1):
            left = a[i, j]
            for k in range(j):
                left -= a[i, k] * a[j, k]
            if i == j:
                a[i, i] = 1.0 / math.sqrt(max(left, _LEAST_PIVOT))
            else:
                a[i, j] = left * a[j, j]
    for i in range(size):
        left = b[i]
        for k in range(i):
            left -= a[i, k] * b[k]
        b[i] = left * a[i, i]
    for i in range(size - 1, -1, -1):
        left = b[i]
        for k in range(i + 1, size):
            left -= a[k, i] * b[k]
        b[i] = left * a[i, i]


@inner
def eliminate(a, b, pivot, row, size):
    """Take a multiple of one row of A x = b from another below it, so that the latter has 0 under the former's diagonal.

    The multiple is kept there: it is what L holds.
    """
    share = a[pivot, row] / a[pivot, pivot]
    for j in range(row, size):
        a[row, j] -= share * a[pivot, j]
    a[row, pivot] = share
    b[row] -= share * b[pivot]


@inner
def solve_large(a, b, size, least):
    """Solve A x = b for a symmetric positive definite A of ten rows and more: A = L D L', four columns of L at a time.

    a : float[n, n], n divisible by 4, upper triangle; overwritten by D on the diagonal, D L' above, L below
    b : float[n], overwritten by x; size : how much of both is used; least : no eigenvalue of A is below it, and so nothing on
    the diagonal of D but by rounding
    """
    padded, one = (size + 3) // 4 * 4, np.float32(1.0)
    for i in range(size, padded):  # unknowns that are 0
        a[: i + 1, i], b[i] = 0.0, 0.0
        a[i, i] = 1.0
    for k in range(0, padded, 4):
        for pivot in range(k, k + 4):
            a[pivot, pivot] = max(a[pivot, pivot], least)
            for row in range(pivot + 1, k + 4):
                eliminate(a, b, pivot, row, padded)
        by_first, by_second = one / a[k, k], one / a[k + 1, k + 1]
        by_third, by_fourth = one / a[k + 2, k + 2], one / a[k + 3, k + 3]
        for i in range(k + 4, padded):
            first, second = a[k, i] * by_first, a[k + 1, i] * by_second
            third, fourth = a[k + 2, i] * by_third, a[k + 3, i] * by_fourth
            for j in range(i, padded):
                a[i, j] -= first * a[k, j] + second * a[k + 1, j] + third * a[k + 2, j] + fourth * a[k + 3, j]
            a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3] = first, second, third, fourth
            b[i] -= first * b[k] + second * b[k + 1] + third * b[k + 2] + fourth * b[k + 3]
    for k in range(size):
        b[k] /= a[k, k]
    for k in range(size - 1, -1, -1):
        for i in range(k):
            b[i] -= a[k, i] * b[k]


@inner
def solve_four(a, b, size):
    """Solve four systems as `solve_positive` does one, with the same bits, side by side: none waits for its own last term.

    a : float64[n, n, 4], lower triangles, overwritten; b : float64[n, 4], overwritten by x; size : how much of both is used
    """
    for i in range(size):
        for j in range(i + 1):
            first, second, third, fourth = a[i, j, 0], a[i, j, 1], a[i, j, 2], a[i, j, 3]
            for k in range(j):
                first -= a[i, k, 0] * a[j, k, 0]
                second -= a[i, k, 1] * a[j, k, 1]
                third -= a[i, k, 2] * a[j, k, 2]
                fourth -= a[i, k, 3] * a[j, k, 3]
            a[i, j, 0], a[i, j, 1], a[i, j, 2], a[i, j, 3] = first, second, third, fourth
            for g in range(4):
                a[i, j, g] = 1.0 / math.sqrt(max(a[i, i, g], _LEAST_PIVOT)) if i == j else a[i, j, g] * a[j, j, g]
    for i in range(size):
        for k in range(i):
            for g in range(4):
                b[i, g] -= a[i, k, g] * b[k, g]
        for g in range(4):
            b[i, g] *= a[i, i, g]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            for g in range(4):
                b[i, g] -= a[k, i, g] * b[k, g]
        for g in range(4):
            b[i, g] *= a[i, i, g]
