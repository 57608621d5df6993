"""The nearest of the last events as experts, the slow way."""

import itertools
import math
from typing import NamedTuple

from .experts import Row, clamp, dot, log_odds, shrunk, sigmoid, without_features, without_labels
from .mixing import solve


class Past(NamedTuple):
    """An event kept, with its products with the older ones at the time when it was new."""

    number: int
    row: Row
    products: dict


def in_units(z):
    """A dot product as it is kept, one of 65,535 numbers."""
    return math.floor(32767.0 * clamp(z, -1.0, 1.0) + 0.5) / 32767.0


class SlowNeighbours:
    """Votes of the nearest of the last events, and kernel ridge regression among them; all products are computed each time."""

    def __init__(self, window=2048):
        self.window = window
        self.events = []  # oldest first
        self.number = 0
        self.gap = math.inf  # least difference, but for 0, between products whose order the last answer rests on
        self.nearest = []  # numbers of the events that the last answer rests on
        self.share = {}  # what the labels of each counted in the regression

    def grow(self, n_labels, n_features):
        pass

    def step(self, row, base, learn):
        products = {e.number: dot(row.scaled, e.row.scaled) for e in self.events}
        prior = [clamp(sigmoid(b), 1e-4, 0.9) for b in base]
        ranked = [e for e in reversed(self.events) if products[e.number] > 0.0]
        ranked.sort(key=lambda e: -products[e.number])
        self.gap = self.least_gap(
            {e.number: products[e.number] for e in self.events if row.scaled.keys() & e.row.scaled.keys()}, ranked
        )
        near = [(e, products[e.number]) for e in ranked[:32]]
        self.nearest = [e.number for e, _ in near]
        answers = self.vote(near[:5], prior), self.regress(near, prior, lambda k: ((1.0 + k) / 2.0) ** 8)
        if learn:
            products = {number: in_units(row.shrink * p) for number, p in products.items()}
            self.events = [*self.events, Past(self.number, shrunk(row), products)][-self.window :]
            self.number += 1
        return [list(odds) for odds in zip(*answers, strict=True)]

    @staticmethod
    def least_gap(products, ranked):
        """Of neighbours in rank, and of those that share a feature against 0."""
        found = [abs(p) for p in products.values()]
        order = sorted(products[e.number] for e in ranked)
        found += [b - a for a, b in itertools.pairwise(order) if b > a]
        return min(found, default=math.inf)

    @staticmethod
    def carries(event, label, prior):
        """1 if the event has the label, its rate if that was not observed."""
        return prior[label] if label in event.row.unobserved else float(label in event.row.positive)

    def vote(self, near, prior):
        shares = [max(similarity, 1e-3) * e.row.weight for e, similarity in near]
        mean = sum(shares) / len(shares) if shares else 1.0
        answer = []
        for label, rate in enumerate(prior):
            votes = sum(share * self.carries(e, label, prior) for (e, _), share in zip(near, shares, strict=True))
            answer.append(log_odds((votes + mean * rate) / (sum(shares) + mean), 1e-5))
        return answer

    def regress(self, near, prior, kernel):
        matrix = []
        for i, (a, _) in enumerate(near):
            matrix.append([])
            for b, _ in near:
                newer, older = (a, b) if a.number > b.number else (b, a)
                matrix[i].append(kernel(1.0 if a is b else newer.products[older.number]))
            matrix[i][i] += 0.3 / a.row.weight
        share = solve(matrix, [kernel(similarity) for _, similarity in near])
        self.share = {e.number: s for (e, _), s in zip(near, share, strict=True)}
        answer = []
        for label, rate in enumerate(prior):
            p = rate + sum(s * (self.carries(e, label, prior) - rate) for s, (e, _) in zip(share, near, strict=True))
            answer.append(log_odds(p, 0.002))
        return answer

    def forget_labels(self, labels):
        self.events = [e._replace(row=without_labels(e.row, labels)) for e in self.events]

    def forget_features(self, features):
        self.events = [e._replace(row=without_features(e.row, features)) for e in self.events]
