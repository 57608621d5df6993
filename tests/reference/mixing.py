"""Mixing of log-odds from its formula, in plain Python."""

import math

__all__ = ["SlowMixture"]

MOST_ODDS, MOST_INPUT = 12.0, 8.0


def clamp(value, least, most):
    return min(max(value, least), most)


def solve(matrix, right):
    """Solve A x = b by elimination with pivots."""
    n = len(right)
    rows = [[*line, b] for line, b in zip(matrix, right, strict=True)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(i + 1, n):
            share = rows[r][i] / rows[i][i]
            rows[r] = [a - share * b for a, b in zip(rows[r], rows[i], strict=True)]
    x = [0.0] * n
    for i in reversed(range(n)):
        x[i] = (rows[i][n] - sum(rows[i][j] * x[j] for j in range(i + 1, n))) / rows[i][i]
    return x


def zeros(n):
    return [[0.0] * n for _ in range(n)]


class SlowMixture:
    """q = sum of (w + w_g + v_l) s, the last s of each label 1: w and w_g by Newton's method, v by AdaGrad.

    The group of a label depends on how often it applies and on how much likelier the weights of the start make it. `grouped` is
    False where labels have no groups.
    """

    KEEP, STRENGTH, RATE, LEAST_CURVATURE, OWN_START = 0.9995, 150.0, 0.001, 1e-4, 1.0

    def __init__(self, n_inputs, grouped=True, start=None):
        self.n = n_inputs + 1
        self.grouped = grouped
        start = start or [1.0] * n_inputs
        self.start = [w / sum(start) for w in start]
        self.shared = [*self.start, 0.0]
        often, lifted = ("rare", "uncommon", "common"), ("less likely", "likelier", "far likelier")
        self.of_group = {(a, b): [0.0] * self.n for a in often for b in lifted if grouped}
        self.seen = {g: zeros(self.n) for g in self.of_group or ("all",)}  # information, by group
        self.own = {}  # label -> deviations by input
        self.squares = {}  # label -> sum of the mean squared gradients

    def group_of(self, rate, inputs):
        if not self.grouped:
            return "all"
        lift = -clamp(rate, -MOST_INPUT, MOST_INPUT)
        for w, v in zip(self.start, inputs, strict=True):
            lift += w * clamp(v, -MOST_INPUT, MOST_INPUT)
        often = "rare" if rate < -4.0 else "uncommon" if rate < -2.0 else "common"
        return often, "less likely" if lift < 0.0 else "likelier" if lift < 2.5 else "far likelier"

    def weights_of(self, label, rate, inputs):
        """The weights of the inputs for a label, and that of the constant."""
        own = self.own.setdefault(label, [0.0] * self.n)
        groups = self.of_group.get(self.group_of(rate, inputs), [0.0] * self.n)
        return [w + g + v for w, g, v in zip(self.shared, groups, own, strict=True)]

    def mix(self, label, inputs, rate=0.0):
        """The log-odds of a label."""
        s = [*(clamp(v, -MOST_INPUT, MOST_INPUT) for v in inputs), 1.0]
        total = sum(w * v for w, v in zip(self.weights_of(label, rate, inputs), s, strict=True))
        return clamp(total, -MOST_ODDS, MOST_ODDS)

    def learn(self, rows, weight):
        """Learn an event: (label, inputs, log-odds answered, y, log-odds of the rate) for each observed label."""
        w = min(weight, 8.0)
        gradients = {g: [0.0] * self.n for g in self.seen}
        for label, inputs, odds, y, rate in rows:
            g = self.group_of(rate, inputs)
            p = 1.0 / (1.0 + math.exp(-odds))
            s = [*(clamp(v, -MOST_INPUT, MOST_INPUT) for v in inputs), 1.0]
            step = [w * (y - p) * v for v in s]
            square = self.squares.get(label, self.OWN_START) + sum(v**2 for v in step) / self.n
            self.squares[label] = square
            gradients[g] = [a + b for a, b in zip(gradients[g], step, strict=True)]
            self.own[label] = [a + self.RATE * b / math.sqrt(square) for a, b in zip(self.own[label], step, strict=True)]
            curvature = w * p * (1.0 - p)
            if curvature > self.LEAST_CURVATURE:
                for i in range(self.n):
                    for j in range(self.n):
                        self.seen[g][i][j] += curvature * s[i] * s[j]
        self.seen = {g: [[self.KEEP * v for v in line] for line in information] for g, information in self.seen.items()}
        for g, weights in self.of_group.items():
            self.of_group[g] = self.moved(weights, gradients[g], [self.seen[g]])
        total = [sum(parts) for parts in zip(*gradients.values(), strict=True)]
        self.shared = self.moved(self.shared, total, list(self.seen.values()))

    def moved(self, weights, gradient, information):
        """The weights after a Newton step."""
        matrix = [
            [sum(part[i][j] for part in information) + self.STRENGTH * (i == j) for j in range(self.n)] for i in range(self.n)
        ]
        return [a + b for a, b in zip(weights, solve(matrix, gradient), strict=True)]

    def doubt(self):
        self.seen = {g: [[0.3 * v for v in line] for line in information] for g, information in self.seen.items()}

    def forget(self, labels):
        """Start labels anew."""
        for label in labels:
            self.own.pop(label, None)
            self.squares.pop(label, None)
