"""The bagged logistic regressions of a leaf: M models for each of L labels, over sparse features.

Weights of one feature stand together, float64[L * M], so that both kernels below run over contiguous memory.
"""

import math

import numpy as np

from ihomer.kernels.common import allocating, copy_first, inner
from ihomer.kernels.odds import UNOBSERVED
from ihomer.kernels.random import poisson_one, uniform
from ihomer.kernels.tree_state import NONE


@inner
def sigmoid(z):
    """Return 1 / (1 + exp(-z)) without overflow."""
    if z >= 0.0:
        return 1.0 / (1.0 + math.exp(-z))
    e = math.exp(z)
    return e / (1.0 + e)


@inner
def logistic_scores(t, slot, blocks, x_value, z):
    """Write the score of every model to `z`, float64[L * M]: z = intercept + sum over features of weight * value.

    blocks : int64[k], the block of each feature of the event, NONE where the leaf has none
    """
    copy_first(t.intercept[slot], z, z.size)
    for k in range(x_value.size):
        if blocks[k] != NONE and not math.isnan(x_value[k]):
            value = x_value[k]
            weights = t.coefficient[blocks[k]]
            for i in range(z.size):
                z[i] += value * weights[i]


@inner
def logistic_predict(z, n_models, out):
    """Write the mean of the models' probabilities to `out`, float64[L]."""
    for label in range(out.size):
        total = 0.0
        for model in range(n_models):
            total += sigmoid(z[label * n_models + model])
        out[label] = total / n_models


@allocating
def logistic_learn(t, slot, blocks, x_value, y, weight, z):
    """Let each model take k ~ Poisson(1) steps of stochastic gradient descent on one event; `z` is used up.

    z : float64[L * M], the scores before; y : uint8[L], 0 negative, 1 positive, 2 unobserved; all blocks exist

    A step with g = weight * (sigmoid(z) - y) changes the weights by -rate * g * x and the intercept by -rate0 * g, so the
    score of the same event by -g * (rate * |x|^2 + rate0): k steps need one pass over the features, with the sum of the g.
    """
    settings = t.settings[0]
    n_models = settings["n_models"]
    rate, intercept_rate = settings["learning_rate"], settings["intercept_rate"]
    shrink = intercept_rate
    for k in range(x_value.size):
        if not math.isnan(x_value[k]):
            shrink += rate * x_value[k] * x_value[k]
    event = t.header[0]["n_events"]
    steps = np.empty(n_models, np.int64)
    for model in range(n_models):
        steps[model] = poisson_one(uniform(settings["seed"], event, 1 + model)) if settings["bootstrap"] else 1
    for label in range(y.size):
        for model in range(n_models):
            i = label * n_models + model
            score, gradient = z[i], 0.0
            if y[label] != UNOBSERVED:
                for _ in range(steps[model]):
                    g = weight * (sigmoid(score) - y[label])
                    gradient += g
                    score -= g * shrink
            z[i] = gradient
            t.intercept[slot, i] -= intercept_rate * gradient
    for k in range(x_value.size):
        if not math.isnan(x_value[k]):
            scale = rate * x_value[k]
            weights = t.coefficient[blocks[k]]
            for i in range(z.size):
                weights[i] -= scale * z[i]
