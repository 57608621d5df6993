"""The multi-label Hoeffding adaptive tree the slow way: objects, dictionaries, every formula literal."""

import math

from .adwin import Adwin

GOLDEN = 0x9E3779B97F4A7C15
WORD = 2**64 - 1
TOTAL = "total"  # stands beside label positions where all events count, whatever their labels
MAX_LABELSETS = 4096
MOST_PAIRS = 4096  # of an event in a leaf's window
DEFAULTS = {
    "grace_period": 200,
    "delta": 1.6587784772850855e-7,
    "tau": 0.05,
    "young_weight": 750,
    "entropy_threshold": 0.3,
    "n_neighbors": 4,
    "window": 170,
    "n_models": 10,
    "learning_rate": 0.3,
    "intercept_rate": 0.01,
    "bootstrap": True,
    "alternate_on": "warning",
    "drift_input": "loss",
    "alternate_weight": 200,
    "switch_significance": 0.05,
    "adwin_delta": 0.002,
    "n_thresholds": 10,
    "min_branch_fraction": 0.01,
    "max_leaves": 64,
    "max_depth": 20,
    "seed": 0,
}


def mix(z):
    """Finaliser of splitmix64 on 64-bit words."""
    z &= WORD
    z ^= z >> 30
    z = z * 0xBF58476D1CE4E5B9 & WORD
    z ^= z >> 27
    z = z * 0x94D049BB133111EB & WORD
    return z ^ z >> 31


def uniform(seed, event, stream):
    """Number in [0, 1) that belongs to this stream of this event."""
    word = mix(seed + GOLDEN)
    word = mix(word + event * GOLDEN + GOLDEN)
    word = mix(word + stream * GOLDEN + GOLDEN)
    return (word >> 11) * 2.0**-53


def poisson_one(u):
    """Inverse of the distribution function of Poisson(1), at most 20."""
    k = 0
    p = math.exp(-1.0)
    c = p
    while u >= c and k < 20:
        k += 1
        p /= k
        c += p
    return k


def sigmoid(z):
    if z < 0.0:
        return math.exp(z) / (1.0 + math.exp(z))
    return 1.0 / (1.0 + math.exp(-z))


def binary_entropy(p):
    """Bits; 0 outside (0, 1); NaN stays NaN."""
    if p <= 0.0 or p >= 1.0:
        return 0.0
    return -p * math.log2(p) - (1.0 - p) * math.log2(1.0 - p)


def entropy(counts, total, observed):
    """Sum of binary entropies; `observed` maps each label that takes part to its observed share."""
    if total <= 0.0:
        return 0.0
    shares = (counts.get(label, 0.0) / (total * share) for label, share in sorted(observed.items()))
    return sum(binary_entropy(share) for share in shares)


def observed_shares(n_labels, unobserved, weight):
    shares = {label: 1.0 - unobserved.get(label, 0.0) / weight for label in range(n_labels)}
    return {label: share for label, share in shares.items() if share > 0.0}


class Event:
    """One event as the leaves see it."""

    def __init__(self, number, pairs, positives, unobserved, weight, kind):
        self.number = number
        self.values = dict(pairs)
        self.positives = frozenset(positives)
        self.unobserved = frozenset(unobserved)
        self.weight = weight
        self.kind = kind

    def known(self):
        return {j: v for j, v in self.values.items() if not math.isnan(v)}

    def kept(self):
        """What a window keeps: the values furthest from 0, of equal ones those of the first features."""
        known = self.known()
        return {j: known[j] for j in sorted(known, key=lambda j: (-abs(known[j]), j))[:MOST_PAIRS]}

    def kind_of(self, feature):
        if callable(self.kind):
            return self.kind(feature)
        if isinstance(self.kind, dict):
            return self.kind.get(feature, 0)
        return self.kind[feature]

    def loss(self, p):
        """Share of observed labels told wrongly, or None where no label is observed."""
        observed = [label for label in range(len(p)) if label not in self.unobserved]
        if not observed:
            return None
        return sum((p[label] > 0.5) != (label in self.positives) for label in observed) / len(observed)


class Moments:
    """Listed values of one feature, of the events of one class: weight, mean, squared deviations, range."""

    def __init__(self, n=0.0, mean=0.0, m2=0.0, low=math.inf, high=-math.inf):
        self.n = n
        self.mean = mean
        self.m2 = m2
        self.low = low
        self.high = high

    def add(self, value, weight):
        """West's weighted update."""
        self.n += weight
        delta = value - self.mean
        self.mean += delta * weight / self.n
        self.m2 += weight * delta * (value - self.mean)
        self.low = min(self.low, value)
        self.high = max(self.high, value)

    def with_zeros(self, zeros):
        """The same and `zeros` more weight at value 0, by Chan's formula."""
        if zeros == 0.0:
            return self
        n = self.n + zeros
        delta = 0.0 - self.mean
        mean = self.mean + delta * zeros / n
        m2 = self.m2 + delta * delta * self.n * zeros / n
        return Moments(n, mean, m2, min(self.low, 0.0), max(self.high, 0.0))


class Feature:
    """Statistics of one feature in one leaf, per class (the total and each label)."""

    def __init__(self):
        self.listed = {}
        self.missing = {}

    def learn(self, value, positives, weight):
        for key in (TOTAL, *sorted(positives)):
            if math.isnan(value):
                self.missing[key] = self.missing.get(key, 0.0) + weight
            else:
                self.listed.setdefault(key, Moments()).add(value, weight)

    def class_of(self, key, weight_of_class, weight_of_leaf):
        """Known weight, weight at zero, and moments of the listed values of one class."""
        known = weight_of_class - self.missing.get(key, 0.0)
        listed = self.listed.get(key, Moments())
        zeros = known - listed.n
        if zeros < 1e-9 * weight_of_leaf:
            zeros = 0.0
        return known, zeros, listed


class Test:
    """One way to cut a leaf in two: threshold and the weights on both sides, per class."""

    __test__ = False  # not for pytest

    def __init__(self, feature, threshold, left, right):
        self.feature = feature
        self.threshold = threshold
        self.left = left
        self.right = right
        self.merit = -math.inf

    def is_valid(self, min_branch_fraction):
        least = min_branch_fraction * (self.left[TOTAL] + self.right[TOTAL])
        return self.left[TOTAL] > least and self.right[TOTAL] > least

    def evaluate(self, before, observed):
        left, right = self.left[TOTAL], self.right[TOTAL]
        after = left * entropy(self.left, left, observed) + right * entropy(self.right, right, observed)
        self.merit = before - after / (left + right)


class LogisticModel:
    """One logistic regression of one label."""

    def __init__(self):
        self.intercept = 0.0
        self.weights = {}

    def score(self, x):
        return self.intercept + sum(self.weights.get(j, 0.0) * v for j, v in x.items())

    def step(self, x, y, weight, learning_rate, intercept_rate):
        gradient = weight * (sigmoid(self.score(x)) - y)
        self.intercept -= intercept_rate * gradient
        for j, v in x.items():
            self.weights[j] = self.weights.get(j, 0.0) - learning_rate * gradient * v


class Node:
    """What leaves and inner nodes share: label counts, and the running loss with its detector."""

    def __init__(self, depth, inherited_weight=0.0, inherited_positive=None):
        self.depth = depth
        self.inherited_weight = inherited_weight
        self.inherited_positive = inherited_positive or {}
        self.weight = 0.0
        self.positive = {}
        self.unobserved = {}
        self.detector = Adwin()
        self.reset_loss()

    def reset_loss(self):
        self.loss_sum = 0.0
        self.loss_weight = 0.0
        self.weight_since_drift = 0.0

    def total_weight(self):
        return self.inherited_weight + self.weight

    def mean_loss(self):
        return self.loss_sum / self.loss_weight if self.loss_weight > 0.0 else 0.0

    def count(self, event):
        self.weight += event.weight
        for label in event.positives:
            self.positive[label] = self.positive.get(label, 0.0) + event.weight
        for label in event.unobserved:
            self.unobserved[label] = self.unobserved.get(label, 0.0) + event.weight


class Inner(Node):
    """A test: values up to the threshold go left. It takes the place, and the history, of a leaf."""

    def __init__(self, leaf, test, keeps_loss):
        super().__init__(leaf.depth, leaf.inherited_weight, leaf.inherited_positive)
        self.weight, self.positive, self.unobserved = leaf.weight, leaf.positive, leaf.unobserved
        if keeps_loss:
            self.detector = leaf.detector
            self.loss_sum, self.loss_weight = leaf.loss_sum, leaf.loss_weight
            self.weight_since_drift = leaf.weight_since_drift
        self.feature = test.feature
        self.threshold = test.threshold
        self.left = self._child(test.left)
        self.right = self._child(test.right)
        self.alternate = None

    def _child(self, weights):
        labels = {label: weight for label, weight in weights.items() if label != TOTAL}
        return Leaf(self.depth + 1, weights[TOTAL], labels)

    def next(self, values):
        value = values.get(self.feature, 0.0)
        if math.isnan(value):
            return self.right if self.right.total_weight() > self.left.total_weight() else self.left
        return self.left if value <= self.threshold else self.right


class Leaf(Node):
    """Where events are remembered."""

    def __init__(self, depth, inherited_weight=0.0, inherited_positive=None):
        super().__init__(depth, inherited_weight, inherited_positive)
        self.features = {}
        self.labelsets = set()
        self.window = []
        self.models = {}
        self.last_attempt = 0.0

    def remember(self, event, tree):
        self.count(event)
        for j, v in event.values.items():
            self.features.setdefault(j, Feature()).learn(v, event.positives, event.weight)
        if len(self.labelsets) < MAX_LABELSETS:
            self.labelsets.add(event.positives)
        self.window = [*self.window, (event.kept(), event.positives)][-tree.window :]
        x = event.known()
        for m in range(tree.n_models):
            for label in range(tree.n_labels):
                if label not in event.unobserved:
                    model = self.models.setdefault((m, label), LogisticModel())
                    for _ in range(tree.repeats(event.number, m)):
                        y = 1.0 if label in event.positives else 0.0
                        model.step(x, y, event.weight, tree.learning_rate, tree.intercept_rate)

    def predict(self, values, tree):
        """L probabilities, or None before the first event."""
        if not self.labelsets:
            return None
        if len(self.labelsets) == 1:
            (labelset,) = self.labelsets
            return [1.0 if label in labelset else 0.0 for label in range(tree.n_labels)]
        if self.weight < tree.young_weight or self.total_entropy(tree) < tree.entropy_threshold:
            return self.predict_by_neighbours(values, tree)
        return self.predict_by_models(values, tree)

    def total_entropy(self, tree):
        """Entropy of the inherited and the own counts together."""
        weight = self.total_weight()
        positive = dict(self.inherited_positive)
        for label, own in self.positive.items():
            positive[label] = positive.get(label, 0.0) + own
        return entropy(positive, weight, observed_shares(tree.n_labels, self.unobserved, weight))

    def predict_by_neighbours(self, values, tree):
        missing = {j for j, v in values.items() if math.isnan(v)}
        rows = []
        for age, (row, labelset) in enumerate(self.window):
            squared = 0.0
            for j in sorted((values.keys() | row.keys()) - missing):
                difference = values.get(j, 0.0) - row.get(j, 0.0)
                squared += difference * difference
            rows.append((squared, age, labelset))
        nearest = sorted(rows, key=lambda row: row[:2])[: tree.n_neighbors]
        if nearest[0][0] == 0.0:
            return [1.0 if label in nearest[0][2] else 0.0 for label in range(tree.n_labels)]
        nearness = [(1.0 / math.sqrt(squared), labelset) for squared, _, labelset in nearest]
        total = sum(near for near, _ in nearness)
        if total == 0.0:
            return [0.0] * tree.n_labels
        votes = [sum(near for near, owned in nearness if label in owned) for label in range(tree.n_labels)]
        return [vote / total for vote in votes]

    def predict_by_models(self, values, tree):
        x = {j: v for j, v in values.items() if not math.isnan(v)}
        p = []
        for label in range(tree.n_labels):
            models = [self.models.get((m, label), LogisticModel()) for m in range(tree.n_models)]
            p.append(sum(sigmoid(model.score(x)) for model in models) / tree.n_models)
        return p

    def find_split(self, event, tree):
        """The test that this leaf should become, or None."""
        if len(self.labelsets) <= 1:
            return None
        spread = max(1.0, math.log2(len(self.labelsets)))
        bound = math.sqrt(spread * spread * math.log(1.0 / tree.delta) / (2.0 * self.weight))
        best = [self.best_test(j, event.kind_of(j), tree) for j in sorted(self.features)]
        best = sorted((test for test in best if test is not None), key=lambda test: -test.merit)
        if not best or not best[0].merit > 0.0:
            return None
        second = max(0.0, best[1].merit) if len(best) > 1 else 0.0
        return best[0] if best[0].merit - second > bound or bound < tree.tau else None

    def best_test(self, j, kind, tree):
        """The valid test of highest merit on feature j, the first one on a tie, or None."""
        observed = observed_shares(tree.n_labels, self.unobserved, self.weight)
        before = entropy(self.positive, self.weight, observed)
        best = None
        for test in self.nominal_tests(j) if kind == 1 else self.numeric_tests(j, tree.n_thresholds):
            if test.is_valid(tree.min_branch_fraction):
                test.evaluate(before, observed)
                if math.isfinite(test.merit) and (best is None or test.merit > best.merit):
                    best = test
        return best

    def classes(self, j):
        """Known weight, weight at zero and listed moments of each class of feature j."""
        weights = {TOTAL: self.weight, **self.positive}
        return {key: self.features[j].class_of(key, weight, self.weight) for key, weight in weights.items()}

    def nominal_tests(self, j):
        classes = self.classes(j)
        left = {key: zeros for key, (_, zeros, _) in classes.items()}
        right = {key: listed.n for key, (_, _, listed) in classes.items()}
        return [Test(j, 0.5, left, right)]

    def numeric_tests(self, j, n_thresholds):
        known = {key: known for key, (known, _, _) in self.classes(j).items()}
        values = {key: listed.with_zeros(zeros) for key, (_, zeros, listed) in self.classes(j).items()}
        low, high = values[TOTAL].low, values[TOTAL].high
        tests = []
        for i in range(n_thresholds):
            threshold = low + (high - low) * (i + 1) / (n_thresholds + 1)
            if low < threshold < high:
                left = {key: left_weight(known[key], values[key], threshold) for key in known}
                right = {key: known[key] - left[key] for key in known}
                tests.append(Test(j, threshold, left, right))
        return tests


def left_weight(known, moments, threshold):
    """Weight of one class up to the threshold, its values taken as Gaussian."""
    if moments.n == 0.0 or threshold < moments.low:
        return 0.0
    if threshold >= moments.high:
        return known
    if known <= 1.0 or moments.m2 / (known - 1.0) <= 0.0:
        return 0.0
    sigma = math.sqrt(moments.m2 / (known - 1.0))
    return known * 0.5 * (1.0 + math.erf((threshold - moments.mean) / sigma / math.sqrt(2.0)))


class Voter:
    """The way of one event through one subtree, and what the leaf at its end says."""

    def __init__(self, holder, root, values, tree):
        self.holder = holder  # the node that holds the subtree: None for the whole tree
        self.path = [root]
        while isinstance(self.path[-1], Inner):
            self.path.append(self.path[-1].next(values))
        self.p = self.path[-1].predict(values, tree)


class SlowTree:
    """One tree for labels 0 .. n_labels - 1."""

    def __init__(self, n_labels, **parameters):
        unknown = parameters.keys() - DEFAULTS.keys()
        if unknown:
            raise TypeError(f"no such parameters: {sorted(unknown)}")
        self.n_labels = n_labels
        self.__dict__.update(DEFAULTS | parameters)
        self.root = Leaf(0)
        self.n_events = 0
        self.n_switched = 0
        self.n_dropped = 0
        self.n_detected = 0

    def add_labels(self, n):
        """New labels at the end: every count of them is 0, so all old events are negatives."""
        self.n_labels += n

    @property
    def n_leaves(self):
        return _leaves(self.root)

    def structure(self):
        return _structure(self.root)

    def repeats(self, event_number, stream):
        """How often model `stream` learns the event; stream -1 belongs to the weight of the event."""
        return poisson_one(uniform(self.seed, event_number, 1 + stream)) if self.bootstrap else 1

    def predict(self, pairs):
        values = dict(pairs)
        main = Voter(None, self.root, values, self)
        votes = [(main.p, main.path[-2] if len(main.path) > 1 else main.path[0])]
        for voter in self._alternates(main, values):
            if voter.path[0].total_weight() > self.alternate_weight:
                votes.append((voter.p, voter.path[0]))
        votes = [(p, 1.0 / max(node.mean_loss(), 0.001) ** 2) for p, node in votes if p is not None]
        if not votes:
            return [0.0] * self.n_labels
        if len(votes) == 1:
            return votes[0][0]
        total = sum(share for _, share in votes)
        return [sum(share * p[label] for p, share in votes) / total for label in range(self.n_labels)]

    def learn(self, pairs, positives, unobserved=(), w=1.0, kind=lambda j: 0):
        weight = w * max(1, self.repeats(self.n_events, -1))
        event = Event(self.n_events, pairs, positives, unobserved, weight, kind)
        self.n_events += 1
        main = Voter(None, self.root, event.values, self)
        learners = self._update_main_path(main, self._alternates(main, event.values), event)
        for voter in learners:
            if voter is not main or len(main.path) == 1:
                self._update_own_loss(voter, event)
        for voter in learners:
            if voter is not main:
                for node in voter.path[:-1]:
                    node.count(event)
            self._learn_leaf(voter.path[-1], voter.path[-2] if len(voter.path) > 1 else voter.holder, event)

    def _alternates(self, main, values):
        holders = [node for node in main.path[:-1] if node.alternate is not None]
        return [Voter(node, node.alternate, values, self) for node in holders]

    def _update_main_path(self, main, alternates, event):
        """Statistics, losses and alternates from the root down; the voters whose leaves learn, in order."""
        inside = {id(voter.holder): voter for voter in alternates}
        loss = event.loss(main.p) if main.p is not None else None
        learners = [main]
        above = None
        for node in main.path[:-1]:
            node.count(event)
            node.weight_since_drift += event.weight
            voter = inside.get(id(node))
            if loss is not None:
                old, new, detected = self._add_loss(node, loss, event.weight)
                if voter is None:
                    voter = self._new_alternate(node, old, new, detected, event)
                else:
                    verdict = self._compare(node, old)
                    if verdict > 0:
                        self._replace(above, node, node.alternate)
                        self.n_switched += 1
                        voter.holder = above
                        return [voter, *learners[1:]]
                    if verdict < 0:
                        node.alternate = voter = None
                        self.n_dropped += 1
                if detected and new < old:
                    node.reset_loss()
            if voter is not None:
                learners.append(voter)
            above = node
        return learners

    def _add_loss(self, node, loss, weight):
        """Mean loss before and after, and whether the detector sees a change."""
        old = node.mean_loss()
        node.loss_sum += weight * loss
        node.loss_weight += weight
        new = node.mean_loss()
        detected = node.detector.update(loss if self.drift_input == "loss" else new, self.adwin_delta) != 0
        self.n_detected += detected
        return old, new, detected

    def _new_alternate(self, node, old, new, detected, event):
        wanted = new > old and (self.alternate_on == "warning" or (self.alternate_on == "drift" and detected))
        if not wanted or self.n_leaves >= self.max_leaves:
            return None
        node.alternate = Leaf(node.depth)
        return Voter(node, node.alternate, event.values, self)

    def _compare(self, node, old):
        """1 if the alternate is better for sure, -1 if it is worse for sure, 0 if one cannot tell."""
        weight = node.alternate.total_weight()
        if not (weight > self.alternate_weight and node.weight_since_drift > self.alternate_weight):
            return 0
        spread = 2.0 * old * (1.0 - old) * math.log(2.0 / self.switch_significance)
        bound = math.sqrt(spread * (1.0 / weight + 1.0 / node.weight_since_drift))
        gain = old - node.alternate.mean_loss()
        return 1 if gain > bound else -1 if -gain > bound else 0

    def _update_own_loss(self, voter, event):
        """Root leaf, root of an alternate, or of the subtree that has just taken over."""
        if voter.p is None:
            return
        node = voter.path[0]
        node.weight_since_drift += event.weight
        loss = event.loss(voter.p)
        if loss is not None:
            old, new, detected = self._add_loss(node, loss, event.weight)
            if detected and new < old:
                node.reset_loss()

    def _learn_leaf(self, leaf, above, event):
        leaf.remember(event, self)
        if leaf.weight - leaf.last_attempt < self.grace_period:
            return
        test = None
        if leaf.depth < self.max_depth and self.n_leaves < self.max_leaves:
            test = leaf.find_split(event, self)
        leaf.last_attempt = leaf.weight
        if test is not None:
            keeps_loss = above is None or above.alternate is leaf
            inner = Inner(leaf, test, keeps_loss)
            self._replace(above, leaf, inner)
            self._learn_leaf(inner.next(event.values), inner, event)

    def _replace(self, above, old, new):
        """Put `new` where `above` (None: the tree itself) holds `old`."""
        if above is None:
            self.root = new
        elif above.left is old:
            above.left = new
        elif above.right is old:
            above.right = new
        else:
            above.alternate = new


def _leaves(node):
    if node is None:
        return 0
    if isinstance(node, Leaf):
        return 1
    return _leaves(node.left) + _leaves(node.right) + _leaves(node.alternate)


def _structure(node):
    if node is None:
        return None
    if isinstance(node, Leaf):
        return ("leaf", node.weight, len(node.labelsets))
    below = (_structure(part) for part in (node.left, node.right, node.alternate))
    return (node.feature, node.threshold, *below)
