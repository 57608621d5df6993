"""The nearest of the last events as experts, the slow way."""

import math
from typing import NamedTuple

from .experts import Row, clamp, log_odds, sigmoid, single, without_features, without_labels
from .mixing import solve


class Past(NamedTuple):
    """An event kept, its values in 32767ths, with its kernel with the older ones at the time when it was new, in 255ths."""

    number: int
    row: Row
    kernel: dict


def kept(row):
    """The row as it is kept."""
    values = {f: single(row.relevant_shrink * v) for f, v in row.relevant.items()}
    return row._replace(relevant={f: math.floor(32767.0 * clamp(v, -1.0, 1.0) + 0.5) for f, v in values.items()})


def product(row, past):
    """Dot product of a row and one that is kept, each step rounded to 32 bits, in the order of the row's features."""
    total = 0.0
    for f, v in row.relevant.items():
        if f in past.relevant:
            total = single(total + single(single(v / 32767.0) * past.relevant[f]))
    return total


def kernel(z):
    """((1 + z) / 2)^8, each step rounded to 32 bits."""
    z = single(0.5 + 0.5 * z)
    for _ in range(3):
        z = single(z * z)
    return z


def in_steps(k):
    return int(single(single(255.0 * k) + 0.5))


class SlowNeighbours:
    """Votes of the nearest of the last events, and kernel ridge regression among them; all products are computed each time."""

    def __init__(self, window=2048):
        self.window = window
        self.events = []  # oldest first
        self.number = 0
        self.nearest = []  # numbers of the events that the last answer rests on
        self.share = {}  # what the labels of each counted in the regression

    def grow(self, n_labels, n_features):
        pass

    def step(self, row, base, learn):
        products = {e.number: product(row, e.row) for e in self.events}
        prior = [clamp(sigmoid(b), 1e-4, 0.9) for b in base]
        ranked = [e for e in reversed(self.events) if products[e.number] > 0.0]
        ranked.sort(key=lambda e: -products[e.number])
        near = [(e, products[e.number]) for e in ranked[:32]]
        self.nearest = [e.number for e, _ in near]
        answers = self.vote(near[:5], prior), self.regress(near, prior)
        if learn:
            steps = {number: in_steps(kernel(single(row.relevant_shrink * p))) for number, p in products.items()}
            self.events = [*self.events, Past(self.number, kept(row), steps)][-self.window :]
            self.number += 1
        return [list(odds) for odds in zip(*answers, strict=True)]

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

    def regress(self, near, prior):
        matrix = []
        for i, (a, _) in enumerate(near):
            matrix.append([])
            for b, _ in near:
                newer, older = (a, b) if a.number > b.number else (b, a)
                matrix[i].append(1.0 if a is b else newer.kernel[older.number] / 255.0)
            matrix[i][i] += 0.3 / min(a.row.weight, 8.0)
        share = solve(matrix, [((1.0 + similarity) / 2.0) ** 8 for _, similarity in near])
        self.share = {e.number: s for (e, _), s in zip(near, share, strict=True)}
        answer = []
        for label, rate in enumerate(prior):
            p = rate + sum(s * (self.carries(e, label, prior) - rate) for s, (e, _) in zip(share, near, strict=True))
            answer.append(log_odds(p, 0.002))
        return answer

    def doubt(self, recent):
        self.events = [
            e if e.number >= self.number - recent else e._replace(row=e.row._replace(weight=0.3 * e.row.weight))
            for e in self.events
        ]

    def forget_labels(self, labels):
        self.events = [e._replace(row=without_labels(e.row, labels)) for e in self.events]

    def forget_features(self, features):
        self.events = [e._replace(row=without_features(e.row, features)) for e in self.events]
