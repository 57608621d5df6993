"""Experts the slow way: dictionaries and lists, every formula literal, float64."""

import math
from struct import pack, unpack
from typing import NamedTuple

MOST_ODDS = 12.0
BIAS = 0.3  # value of the constant feature of linear models
CONSTANT = "constant"


class Row(NamedTuple):
    """An event as experts see it."""

    position: dict  # feature -> value on the scale of the feature
    raw: dict  # feature -> value as given, the row of unit length
    positive: frozenset  # labels that apply
    unobserved: frozenset
    weight: float
    raw_shrink: float = 1.0  # what is learned from is the row of raw values times it
    absent: frozenset = frozenset()  # features of the pairs that the event itself does not have
    new: frozenset = frozenset()  # features that no event had before
    relevant: dict | None = None  # feature -> value by how much depends on the feature, the row of unit length
    relevant_shrink: float = 1.0
    centred: frozenset = frozenset()  # features that nearly all events before had


def sigmoid(z):
    return 1.0 / (1.0 + math.exp(-z))


def single(x):
    """The nearest number of 32 bits. Of a sum or a product of two such numbers it is what the machine gives for them."""
    return unpack("f", pack("f", x))[0]


def clamp(value, least, most):
    return min(max(value, least), most)


def log_odds(p, least):
    p = clamp(p, least, 1.0 - least)
    return math.log(p / (1.0 - p))


def unit(x, new):
    """Divide by the length without new features, which are cut to [-1, 1]; and the share of that length in the whole."""
    if not any(v for f, v in x.items() if f not in new):
        new = ()
    length = math.hypot(*(v for f, v in x.items() if f not in new)) or 1.0
    x = {f: clamp(v / length, -1.0, 1.0) if f in new else v / length for f, v in x.items()}
    known, whole = math.hypot(*(v for f, v in x.items() if f not in new)), math.hypot(*x.values())
    return x, known / whole if whole > 0.0 else 1.0


def dot(x, z):
    """Product of two sparse vectors, in the order of x."""
    return sum(value * z[f] for f, value in x.items() if f in z)


def without_labels(row, labels):
    return row._replace(positive=row.positive - set(labels), unobserved=row.unobserved - set(labels))


def without_features(row, features):
    position, relevant = ({f: v for f, v in x.items() if f not in features} for x in (row.position, row.relevant))
    return row._replace(position=position, relevant=relevant, centred=row.centred - set(features))


class SlowFrequency:
    """Rates that fade slowly and fast, and rates after what the last two events carried."""

    KEEP = (0.9999, 0.95)
    KEEP_SEQUENCE = 0.995

    def __init__(self):
        self.rates = []  # by label and speed: weight of the positives, of all
        self.shared = [[0.0, 0.0], [0.0, 0.0]]
        self.last = []  # by label: whether the last event carried it, and the one before
        self.sequence = []  # by label, and by what the last two carried: positives, all
        self.sequence_shared = {(a, b): [0.5, 1.0] for a in (False, True) for b in (False, True)}

    def grow(self, n_labels, n_features):
        while len(self.rates) < n_labels:
            self.rates.append(None)
            self.last.append(None)
            self.sequence.append(None)
            self.start(len(self.rates) - 1, self.rates[:-1])

    def start(self, label, others):
        """A label of which all events so far are taken to have been without it."""
        self.rates[label] = [[0.0, max((r[speed][1] for r in others), default=0.0)] for speed in range(2)]
        self.last[label] = (False, False)
        self.sequence[label] = {}

    def step(self, row, base, learn):
        result = [self.predict(label) for label in range(len(base))]
        if learn:
            self.learn(row)
        return result

    def predict(self, label):
        found = []
        for (positive, weight), (all_positive, all_weight) in zip(self.rates[label], self.shared, strict=True):
            rate = clamp((all_positive + 0.02) / (all_weight + 1.0), 0.001, 0.5)
            found.append(log_odds((positive + 2.0 * rate) / (weight + 2.0), 1e-5))
        positive, weight = self.sequence[label].get(self.last[label], (0.0, 0.0))
        all_positive, all_weight = self.sequence_shared[self.last[label]]
        found.append(log_odds((positive + 2.0 * all_positive / all_weight) / (weight + 2.0), 1e-5))
        return found

    def learn(self, row):
        for shared, keep in zip(self.shared, self.KEEP, strict=True):
            shared[:] = [keep * s for s in shared]
        for label, rates in enumerate(self.rates):
            before = self.last[label]
            self.last[label] = (label in row.positive, before[0])
            if label in row.unobserved:
                continue
            now = (row.weight if label in row.positive else 0.0, row.weight)
            for rate, shared, keep in zip(rates, self.shared, self.KEEP, strict=True):
                for i in range(2):
                    rate[i] = keep * rate[i] + now[i]
                    shared[i] += now[i]
            old = self.sequence[label].get(before, (0.0, 0.0))
            self.sequence[label][before] = [self.KEEP_SEQUENCE * old[i] + now[i] for i in range(2)]
            shared = self.sequence_shared[before]
            shared[:] = [shared[i] + now[i] for i in range(2)]
            if shared[1] > 1e5:
                shared[:] = [s / 2.0 for s in shared]

    def forget_labels(self, labels):
        others = [rates for label, rates in enumerate(self.rates) if label not in labels]
        for label in labels:
            self.start(label, others)

    def forget_features(self, features):
        pass


class SlowLinear:
    """Logistic regressions: two of scaled values from the label's rate, one of values as given from nothing."""

    RATES = (0.5, 2.0, 2.0)

    def __init__(self, most_weights=1 << 24):
        self.most_weights = most_weights
        self.n_rows = 1 << 62  # features share rows of weights where there are more
        self.n_features = 0  # that were learned so far
        self.weights = [{} for _ in self.RATES]  # (feature, label) -> weight

    def grow(self, n_labels, n_features):
        n_rows = max(1, self.most_weights // (1 << (n_labels - 1).bit_length()))
        if n_rows < min(self.n_rows, self.n_features):
            self.fold(n_rows, min(self.n_rows, self.n_features))
        self.n_rows = n_rows

    def fold(self, n_rows, before):
        """Average the weights of features that share a row from now on; there were `before` rows."""
        for m, weights in enumerate(self.weights):
            sums = {}
            for (f, label), w in weights.items():
                owner = f if f == CONSTANT else f % n_rows
                share = 1 if f == CONSTANT else len(range(owner, before, n_rows))
                sums[owner, label] = sums.get((owner, label), 0.0) + w / share
            self.weights[m] = sums

    def pairs(self, row, m):
        self.n_features = max(self.n_features, *(f + 1 for f in row.position), 0)
        x = row.raw if m == 2 else row.relevant
        return [(CONSTANT, BIAS), *((f % self.n_rows, v) for f, v in x.items())]

    def step(self, row, base, learn):
        result = []
        for label, start in enumerate(base):
            found = []
            for m, weights in enumerate(self.weights):
                pairs = self.pairs(row, m)
                s = sum(v * weights.get((f, label), 0.0) for f, v in pairs) + (0.0 if m == 2 else start)
                s = clamp(s, -MOST_ODDS, MOST_ODDS)
                found.append(s)
                if learn and label not in row.unobserved:
                    error = (label in row.positive) - sigmoid(s)
                    rate = self.RATES[m] * min(row.weight, 8.0) * (row.raw_shrink if m == 2 else row.relevant_shrink)
                    for f, v in pairs:
                        weights[f, label] = weights.get((f, label), 0.0) + rate * error * v
            result.append(found)
        return result

    def forget_labels(self, labels):
        for weights in self.weights:
            for key in [key for key in weights if key[1] in labels]:
                del weights[key]

    def forget_features(self, features):
        for weights in self.weights:
            for key in [key for key in weights if key[0] in features]:
                del weights[key]


class SlowBayes:
    """Naive Bayes over the presence of features."""

    LONG = 20_000.0

    def __init__(self, most_weights=1 << 24):
        self.most_weights = most_weights
        self.n_rows = 1 << 62
        self.counts = {}  # (feature, label) -> weight of the events with both
        self.totals = {}  # feature -> weight of the events with it
        self.rates = []  # by label: weight of the positives, of all

    def grow(self, n_labels, n_features):
        while len(self.rates) < n_labels:
            self.rates.append([0.0, max((r[1] for r in self.rates), default=0.0)])
        n_rows = max(1, self.most_weights // (1 << (n_labels - 1).bit_length()))
        if n_rows < self.n_rows <= self.most_weights:
            counts, totals = {}, {}
            for (f, label), count in self.counts.items():
                counts[f % n_rows, label] = counts.get((f % n_rows, label), 0.0) + count
            for f, total in self.totals.items():
                totals[f % n_rows] = totals.get(f % n_rows, 0.0) + total
            self.counts, self.totals = counts, totals
        self.n_rows = n_rows

    def step(self, row, base, learn):
        features = [f % self.n_rows for f in row.position if f not in row.absent]
        result = []
        for label in range(len(base)):
            r = self.rate(label)
            total = math.log(r / (1.0 - r))
            for f in features:
                n, with_label = self.totals.get(f, 0.0), self.counts.get((f, label), 0.0)
                odds = (with_label + 2.0 * r) / (max(n - with_label, 0.0) + 2.0 * (1.0 - r))
                total += math.log(odds * (1.0 - r) / r)
            result.append([clamp(total, -8.0, 8.0)])
        if learn:
            self.learn(row, features)
        return result

    def rate(self, label):
        return (self.rates[label][0] + 0.5) / (self.rates[label][1] + 1.0)

    def learn(self, row, features):
        for label, rates in enumerate(self.rates):
            share = self.rate(label) if label in row.unobserved else float(label in row.positive)
            for f in features:
                self.counts[f, label] = self.counts.get((f, label), 0.0) + share * row.weight
            rates[0] += share * row.weight
            rates[1] += row.weight
            if rates[1] > self.LONG:
                rates[:] = [n / 2.0 for n in rates]
        for f in features:
            self.totals[f] = self.totals.get(f, 0.0) + row.weight
        for f in features:
            if self.totals[f] > self.LONG:
                self.totals[f] /= 2.0
                for label in range(len(self.rates)):
                    self.counts[f, label] /= 2.0

    def forget_labels(self, labels):
        for label in labels:
            self.rates[label] = [0.0, max((r[1] for i, r in enumerate(self.rates) if i not in labels), default=0.0)]
        self.counts = {key: n for key, n in self.counts.items() if key[1] not in labels}

    def forget_features(self, features):
        self.counts = {key: n for key, n in self.counts.items() if key[0] not in features}
        self.totals = {f: n for f, n in self.totals.items() if f not in features}


class SlowRidge:
    """Recursive least squares, and logistic regression along its gain, on the features that have a place."""

    START = 1.0 / 0.3  # variance of a weight of which nothing is known

    def __init__(self, most_places=1025):
        self.most_places = most_places
        self.capacity = 1
        self.counts = {}  # feature -> events with it
        self.place_of = {}
        self.holder = [CONSTANT]
        self.hand = 0
        self.n_events = 0
        self.n_falls = self.n_noises = 0  # falls of the covariance, and noises, since the noise was last added to it
        self.covariance = [[self.START]]
        self.weights = [{}, {}]  # of both models: (place, label) -> weight
        self.closest = math.inf  # of all x' P x to the bound at which an event is skipped
        self.n_skipped = self.n_taken_over = 0

    def grow(self, n_labels, n_features):
        self.capacity = max(self.capacity, min(n_features + 1, self.most_places))

    def clear(self, place):
        for i in range(len(self.holder)):
            self.covariance[place][i] = self.covariance[i][place] = 0.0
        self.covariance[place][place] = self.START
        for weights in self.weights:
            for key in [key for key in weights if key[0] == place]:
                del weights[key]

    def doubt(self, recent):
        self.settle()
        n = len(self.holder)
        self.covariance = [[self.START if i == j else 0.0 for j in range(n)] for i in range(n)]

    def give_places(self, features):
        for f in features:
            self.counts[f] = self.counts.get(f, 0) + 1
            if f in self.place_of:
                continue
            if len(self.holder) < self.capacity:
                place = len(self.holder)
                self.holder.append(None)
                for line in self.covariance:
                    line.append(0.0)
                self.covariance.append([0.0] * (place + 1))
            else:
                self.hand = self.hand + 1 if self.hand + 1 < len(self.holder) else 1
                place = self.hand
                holder = self.holder[place]
                if holder is not None:
                    if self.counts[f] <= 2 * self.counts[holder] + 1:
                        continue
                    self.n_taken_over += 1
                    del self.place_of[holder]
                self.settle()
            self.clear(place)
            self.place_of[f], self.holder[place] = place, f

    def step(self, row, base, learn):
        x = self.placed(row)
        scores = [
            [sum(v * w.get((place, label), 0.0) for place, v in x.items()) for label in range(len(base))] for w in self.weights
        ]
        result = [
            [log_odds(scores[0][label], 0.002), clamp(scores[1][label] + start, -MOST_ODDS, MOST_ODDS)]
            for label, start in enumerate(base)
        ]
        if learn:
            errors = []
            for label in range(len(base)):
                y = float(label in row.positive)
                seen = label not in row.unobserved
                errors.append([seen * (y - scores[0][label]), seen * 6.0 * (y - sigmoid(result[label][1]))])
            self.give_places(row.relevant)
            x = {place: v * (1.0 if place == 0 else row.relevant_shrink) for place, v in self.placed(row).items()}
            self.learn(x, row.weight, errors)
        return result

    def placed(self, row):
        """The row by the places of its features."""
        return {0: BIAS} | {self.place_of[f]: v for f, v in row.relevant.items() if f in self.place_of}

    def learn(self, x, weight, errors):
        places = range(len(self.holder))
        gain = [sum(v * self.covariance[place][i] for place, v in x.items()) for i in places]
        quadratic = sum(v * gain[place] for place, v in x.items())
        assert 0.0 <= quadratic < 1e6
        for m, weights in enumerate(self.weights):
            for label, error in enumerate(errors):
                for i in places:
                    step = gain[i] * error[m] / (1.0 / weight + quadratic)
                    weights[i, label] = weights.get((i, label), 0.0) + step
        self.n_events += 1
        self.closest = min(self.closest, abs(quadratic - 0.15))
        times = 1
        if quadratic < 0.15:
            times = 0 if self.n_events % 4 else 4
            self.n_skipped += times == 0
        if times:
            scale = 1.0 / (1.0 / (times * weight) + quadratic)
            for i in places:
                for j in places:
                    self.covariance[i][j] -= gain[i] * gain[j] * scale
            self.n_noises += times
            self.n_falls += 1
            if self.n_falls == 4:
                self.settle()

    def settle(self):
        """Add the noise of the last events to the variances."""
        for i in range(len(self.holder)):
            if self.covariance[i][i] < self.START:
                self.covariance[i][i] += self.n_noises * 2e-5
        self.n_falls = self.n_noises = 0

    def forget_labels(self, labels):
        for weights in self.weights:
            for key in [key for key in weights if key[1] in labels]:
                del weights[key]

    def forget_features(self, features):
        if any(f in self.place_of for f in features):
            self.settle()
        for f in features:
            self.counts.pop(f, None)
            if f in self.place_of:
                place = self.place_of.pop(f)
                self.clear(place)
                self.holder[place] = None
