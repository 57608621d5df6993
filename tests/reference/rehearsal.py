"""Models that rehearse, the slow way: an additive model, and a layer of hidden units, in dictionaries and lists, float64."""

import math

from .experts import BIAS, CONSTANT, MOST_ODDS, clamp, sigmoid, unit, without_features, without_labels
from .tree import uniform


def by_relevance(row, relevance):
    """The relevant values of a row by how much depends on their features, and what is learned from is these times."""
    known = [relevance[f] for f in row.relevant if f not in row.new]
    if not sum(known):
        return row.relevant, row.relevant_shrink
    even = 0.3 * sum(known) / len(known)
    return unit({f: v * math.sqrt(relevance[f] + even) for f, v in row.relevant.items()}, row.new)


class SlowHidden:
    """64 hidden units; each row of weights, from a feature to all units or from a unit to all labels, has a rate of its own."""

    UNITS = range(64)

    def __init__(self, most_weights=1 << 24):
        self.n_rows = most_weights // 64  # features share rows of weights where there are more
        self.lower = {}  # feature, or (feature, knot) -> weight of each unit
        self.upper = {}  # (unit or CONSTANT, label) -> weight
        self.square = {}  # the same, or ("up", unit) -> 0.03 and the summed squared gradients, the mean over the row
        self.strength = [0.0] * 64  # of each unit, what the labels' scores depend on it

    def pairs(self, row, length):
        """The line of each feature, and the curves of those that are centred, as inputs."""
        lines = [(f % self.n_rows, z / length) for f, z in row.position.items()]
        curves = [((f % self.n_rows, j), v / length) for f in sorted(row.centred) for j, v in knots(row.position[f]).items()]
        return [(CONSTANT, BIAS), *lines, *curves]

    def forward(self, row, length, n_labels):
        """Return the units' values, the constant's among them, and the labels' scores."""
        pairs = [(v, self.lower[f]) for f, v in self.pairs(row, length) if f in self.lower]
        unit = {j: max(0.0, sum(v * weights[j] for v, weights in pairs)) for j in self.UNITS}
        unit[CONSTANT] = BIAS
        return unit, [sum(h * self.upper.get((j, label), 0.0) for j, h in unit.items()) for label in range(n_labels)]

    def start(self, f):
        if isinstance(f, tuple):
            return [0.0 for _ in self.UNITS]
        number = 2**32 if f == CONSTANT else f
        return [0.17 * (2.0 * uniform(64, number, j) - 1.0) for j in self.UNITS]

    def relevance(self, x):
        """How fast the labels' log-odds move with each feature, as if all units were active."""
        rows = {f: self.lower.get(f % self.n_rows, [0.0] * len(self.strength)) for f in x}
        return {f: sum(u * u * s for u, s in zip(row, self.strength, strict=True)) for f, row in rows.items()}

    def measure_strength(self, n_labels):
        self.strength = [sum(self.upper.get((j, label), 0.0) ** 2 for label in range(n_labels)) for j in self.UNITS]

    def descend(self, row, length, base, rate):
        for f, _ in self.pairs(row, length):
            if f not in self.lower:
                self.lower[f], self.square[f] = self.start(f), 0.03
        unit, score = self.forward(row, length, len(base))
        error = [
            0.0 if label in row.unobserved
            else rate * min(row.weight, 8.0) * ((label in row.positive) - sigmoid(clamp(s + b, -MOST_ODDS, MOST_ODDS)))
            for label, (s, b) in enumerate(zip(score, base, strict=True))
        ]  # fmt: skip
        back = [
            sum(self.upper.get((j, label), 0.0) * e for label, e in enumerate(error)) if unit[j] > 0.0 else 0.0
            for j in self.UNITS
        ]
        for j, h in unit.items():
            step = h * self.rate(("up", j), h, error)
            for label, e in enumerate(error):
                self.upper[j, label] = self.upper.get((j, label), 0.0) + step * e
        for f, v in self.pairs(row, length):
            step = v * self.rate(f, v, back)
            self.lower[f] = [w + step * b for w, b in zip(self.lower[f], back, strict=True)]

    def rate(self, key, x, gradient):
        self.square[key] = self.square.get(key, 0.03) + x * x * sum(g * g for g in gradient) / len(gradient)
        return 0.1 / math.sqrt(self.square[key])


class SlowRehearsal:
    """Two models that go over past events after each: an additive one over four, hidden units over the first two of them; these
    too start from the odds of the event at hand.
    """

    def __init__(self, window=2048, most_weights=1 << 24):
        self.window, self.most_weights, self.n_rows = window, most_weights, most_weights
        self.slots = []  # rows, and their lengths
        self.number = 0
        self.weights = {}  # (feature or (feature, knot), label) -> weight
        self.hidden = SlowHidden(most_weights)
        self.told = []  # of each row so far, the relevant values and what is learned from is these times

    def grow(self, n_labels, n_features):
        """Features share rows of weights where there are more; labels must not come once they do."""
        self.n_rows = self.most_weights // (1 << (n_labels - 1).bit_length())

    def pairs(self, row, length):
        """The curve of each centred feature, and the line of each other, as inputs."""
        lines = [(f % self.n_rows, z / length) for f, z in row.position.items() if f not in row.centred]
        curves = [((f % self.n_rows, j), v / length) for f in sorted(row.centred) for j, v in knots(row.position[f]).items()]
        return [(CONSTANT, BIAS), *lines, *curves]

    def score(self, row, length, label):
        return sum(v * self.weights.get((f, label), 0.0) for f, v in self.pairs(row, length))

    def step(self, row, base, learn):
        known, whole = lengths(row)
        self.told.append(by_relevance(row, self.hidden.relevance(row.relevant)))
        _, hidden = self.hidden.forward(row, known, len(base))
        result = [
            [clamp(s + start, -MOST_ODDS, MOST_ODDS) for s in (self.score(row, known, label), hidden[label])]
            for label, start in enumerate(base)
        ]
        if not learn:
            return result
        self.descend(row, known, base, known / whole)
        self.hidden.descend(row, known, base, known / whole)
        row = row._replace(weight=min(row.weight, 8.0))
        if len(self.slots) < self.window:
            self.slots.append((row, whole))
        else:
            self.slots[self.number % self.window] = row, whole
        for time in range(4):
            past = self.slots[int(uniform(0, self.number, time) * len(self.slots))]
            self.descend(*past, base, 1.0)
            if time < 2:
                self.hidden.descend(*past, base, 1.0)
        self.number += 1
        if self.number % 16 == 0:
            self.hidden.measure_strength(len(base))
        return result

    def descend(self, row, length, base, rate):
        for label, start in enumerate(base):
            if label in row.unobserved:
                continue
            error = (label in row.positive) - sigmoid(clamp(self.score(row, length, label) + start, -MOST_ODDS, MOST_ODDS))
            for f, v in self.pairs(row, length):
                self.weights[f, label] = self.weights.get((f, label), 0.0) + rate * min(row.weight, 8.0) * error * v

    def doubt(self, recent):
        """Events older than the last `recent` ones count 0.3 of what they did."""
        for number in range(max(self.number - self.window, 0), self.number - recent):
            row, length = self.slots[number % self.window]
            self.slots[number % self.window] = row._replace(weight=0.3 * row.weight), length

    def forget_labels(self, labels):
        self.weights = {key: w for key, w in self.weights.items() if key[1] not in labels}
        self.hidden.upper = {key: w for key, w in self.hidden.upper.items() if key[1] not in labels}
        self.slots = [(without_labels(row, labels), length) for row, length in self.slots]

    def forget_features(self, features):
        gone = {*features, *((f, j) for f in features for j in range(5))}
        self.weights = {key: w for key, w in self.weights.items() if key[0] not in gone}
        self.hidden.lower = {key: w for key, w in self.hidden.lower.items() if key not in gone}
        self.slots = [(without_features(row, features), length) for row, length in self.slots]


def knots(z):
    """What the curve of a feature takes of each of its five knots, at -2, -1, 0, 1 and 2: those on either side of z."""
    away = {j: abs(clamp(z, -2.0, 2.0) - (j - 2.0)) for j in range(5)}
    return {j: 1.0 - distance for j, distance in away.items() if distance < 1.0}


def lengths(row):
    """The length of a row without new features, and with them; a centred feature counts by its knots."""
    square = {f: sum(v * v for v in knots(z).values()) if f in row.centred else z * z for f, z in row.position.items()}
    whole = sum(square.values())
    known = sum(s for f, s in square.items() if f not in row.new) or whole
    return max(math.sqrt(known), 1e-3), max(math.sqrt(whole), 1e-3)
