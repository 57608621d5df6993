"""Decoding the slow way: a dictionary of labelsets, joint distributions and answers by going through all subsets.

An event's best answer comes with its lead: how much better it is than what would have been answered next. Where two answers
are as good as each other, the last digits of a sum decide, and the twins may differ.
"""

import math
from itertools import chain, combinations

from .experts import BIAS, CONSTANT, single
from .mixing import SlowMixture, solve

MOST_ODDS, MOST_INPUT = 12.0, 8.0
MOST_ACTIVE, LEAST_ACTIVE = 64, 0.003
LOOK_BACK, KEEP_RECENT, LEAST_RECENT = 256, 0.98, 0.02
LATEST, EVEN = 2048, 0.02
SCORE_RATE, MOST_SQUARE = 0.3, 8.0
EXCHANGES = 4
WORTH_OF_MICRO, WORTH_OF_MACRO = 0.2, 0.6
NEGATIVE, POSITIVE, UNOBSERVED = 0, 1, 2


def sigmoid(x):
    """Probability of log-odds."""
    return 1.0 / (1.0 + math.exp(-x))


def clip(x, least, most):
    """The number of the interval that is nearest to x."""
    return min(max(x, least), most)


def logit(p, least):
    """Log-odds of a probability, which is kept off 0 and 1."""
    p = clip(p, least, 1.0 - least)
    return math.log(p / (1.0 - p))


def subsets(items):
    """All subsets, the empty one first."""
    items = list(items)
    return [frozenset(s) for s in chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))]


def symmetric(diagonal, n):
    """A diagonal matrix as lists."""
    return [[diagonal if i == j else 0.0 for j in range(n)] for i in range(n)]


# Joint distributions ---------------------------------------------------------------------------------------------------


def independent(p):
    """P(S) for all subsets of the labels of p, a dictionary of probabilities."""
    return {s: math.prod(p[x] if x in s else 1.0 - p[x] for x in p) for s in subsets(p)}


def without_large(distribution, negligible=1e-4):
    """The distribution without its largest sets, sizes that have less than `negligible` in all; size 1 stays."""
    by_size = {}
    for s, p in distribution.items():
        by_size[len(s)] = by_size.get(len(s), 0.0) + p
    largest, tail = max(by_size), 0.0
    while largest > 1 and tail + by_size[largest] < negligible:
        tail += by_size[largest]
        largest -= 1
    return {s: p for s, p in distribution.items() if len(s) <= largest}


def expected_f1(answer, distribution):
    """Mean over the labelsets of 2 |answer and S| / (|answer| + |S|), which is 1 for two empty sets."""
    total = 0.0
    for s, p in distribution.items():
        total += p * (2.0 * len(answer & s) / (len(answer) + len(s)) if answer or s else 1.0)
    return total


def size_matrix(distribution, labels):
    """D[l][k] = P(label l applies, and k labels apply), and P(none applies)."""
    d = {x: {} for x in labels}
    for s, p in distribution.items():
        for x in s:
            d[x][len(s)] = d[x].get(len(s), 0.0) + p
    return d, distribution.get(frozenset(), 0.0)


def expected_f1_of_sizes(answer, d, none):
    """The same mean, from D."""
    if not answer:
        return none
    return sum(p * 2.0 / (len(answer) + k) for x in answer for k, p in d[x].items())


def best_of(worth):
    """The answer of largest worth, the first of equal ones, and its lead; `worth` holds (answer, worth)."""
    answer, best = worth[0]
    for s, value in worth:
        if value > best:
            answer, best = s, value
    return answer, min((best - value for s, value in worth if s != answer), default=math.inf)


def best_expected_f1(d, none, labels):
    """The subset of largest expected F1, and its lead."""
    return best_of([(s, expected_f1_of_sizes(s, d, none)) for s in subsets(labels)])


# Labelsets --------------------------------------------------------------------------------------------------------------


class Seen:
    """What is known of one labelset."""

    def __init__(self, now):
        self.count, self.recent, self.last = 0.0, 0.0, now


class Scores:
    """Scores u of labels, linear in the features, learned by the log-probability of whole labelsets; in numbers of 32 bits."""

    def __init__(self):
        self.weights = {}  # (feature, label) -> weight

    def of(self, x, n_labels):
        """u of each label for an event {feature: value}."""
        result = []
        for label in range(n_labels):
            u = single(single(BIAS) * self.weights.get((CONSTANT, label), 0.0))
            for f, value in x.items():
                u = single(u + single(value * self.weights.get((f, label), 0.0)))
            result.append(clip(u, -MOST_ODDS, MOST_ODDS))
        return result

    def learn(self, x, true, marginal, rate):
        """Step on log P(true): e_l = [l in true] - P(l), the step no longer than where sum of e^2 is 8."""
        e = [single(single(-p) + float(label in true)) for label, p in enumerate(marginal)]
        rate *= MOST_SQUARE / max(sum(v * v for v in e), MOST_SQUARE)
        for label, v in enumerate(e):
            step = single(v * rate)
            for f, value in [(CONSTANT, single(BIAS)), *x.items()]:
                self.weights[f, label] = single(self.weights.get((f, label), 0.0) + single(value * step))


class Labelsets:
    """Labelsets seen: set -> count, recent count, event seen last; and the factors by which they are weighed."""

    def __init__(self, most):
        self.sets = {}
        self.most, self.room = most, min(64, most)
        self.n_events = 0
        self.past = []  # the labelset of each event, None where it is not known
        self.factor = [1.0, 0.3, 0.1, 1.0, 0.5]
        self.information = symmetric(20.0, 5)
        self.novelty, self.novelty_squares = [-1.0, 1.0, 0.0], [1.0, 1.0, 1.0]

    def lift(self, s, alike):
        """How much more S is expected among events alike, {number: share}, than among all."""
        latest = {n: share for n, share in alike.items() if max(self.n_events - LATEST, 0) <= n < self.n_events}
        known = [(self.past[n], share) for n, share in latest.items() if self.past[n] is not None]
        of_all = self.sets[s].count / sum(seen.count for seen in self.sets.values())
        of_alike = max(sum(share for t, share in known if t == s), 0.0)
        x = (of_alike - max(sum(share for _, share in known), 0.0) * of_all) / (of_all + EVEN)
        return math.log1p(x) if x > 0.0 else x

    def factors(self, s, q, u, alike):
        """The five factors of log P(S) before weighing."""
        seen = self.sets[s]
        age = self.n_events - seen.last
        recent = seen.recent * KEEP_RECENT**age if age <= LOOK_BACK else 0.0
        likely, scored = sum(q[x] for x in sorted(s)), sum(u[x] for x in sorted(s))
        return likely, math.log(seen.count), math.log(recent + LEAST_RECENT), self.lift(s, alike), scored

    def weigh(self, q, u, active, log_none, alike):
        """P(S) of the sets of active labels, in the order in which they were met first, and the share that they cover."""
        f = {s: self.factors(s, q, u, alike) for s in self.sets if s <= active}
        score = {s: sum(a * x for a, x in zip(self.factor, f[s], strict=True)) for s in f}
        share = [log_none + f[s][0] for s in f]
        covered = clip(sum(math.exp(x) for x in share if x > -9.0), 1e-4, 1.0 - 1e-4)
        largest = max(score.values(), default=0.0)
        p = {s: math.exp(score[s] - largest) for s in f if score[s] - largest > -10.0}
        total = sum(p.values())
        return {s: p[s] / total for s in p}, covered

    def novelty_of(self, posterior, covered):
        """The probability that the labelset is a new one, and what the log-odds of that are made of."""
        if not posterior:
            return 1.0, []
        inputs = [1.0, -math.log(covered / (1.0 - covered)), -math.log(max(max(posterior.values()), 1e-6))]
        odds = sum(b * x for b, x in zip(self.novelty, inputs, strict=True))
        return sigmoid(clip(odds, -12.0, 12.0)), inputs

    def learn(self, s, q, u, alike, weight, posterior, new, novelty_inputs):
        """Take a labelset in; s is None where it is not known."""
        if s is not None:
            w = min(weight, 8.0)
            known = s in self.sets
            if known and posterior:
                self.learn_factors(s, q, u, alike, w, posterior)
            seen = self.sets.setdefault(s, Seen(self.n_events))
            if len(self.sets) > 1 and novelty_inputs:
                for i, x in enumerate(novelty_inputs):
                    g = w * ((0.0 if known else 1.0) - new) * x
                    self.novelty_squares[i] += g * g
                    self.novelty[i] += 0.3 * g / math.sqrt(self.novelty_squares[i])
            seen.count += weight
            seen.recent = seen.recent * KEEP_RECENT ** (self.n_events - seen.last) + weight
            seen.last = self.n_events
        self.n_events += 1
        self.past.append(s)
        if len(self.sets) == self.room:
            self.make_room()

    def learn_factors(self, true, q, u, alike, w, posterior):
        """Newton's step on log P(true set): a += I^-1 (f_true - mean f), I += covariance of f; a in [0, 4]."""
        f = {s: self.factors(s, q, u, alike) for s in posterior if posterior[s] > 1e-6}
        mean = [sum(posterior[s] * f[s][i] for s in f) for i in range(5)]
        for s in f:
            off = [f[s][i] - mean[i] for i in range(5)]
            for i in range(5):
                for j in range(5):
                    self.information[i][j] += w * posterior[s] * off[i] * off[j]
        step = solve(self.information, [w * (x - m) for x, m in zip(self.factors(true, q, u, alike), mean, strict=True)])
        self.factor = [clip(a + b, 0.0, 4.0) for a, b in zip(self.factor, step, strict=True)]

    def make_room(self):
        """Double the room, or forget the rarer half."""
        if self.room < self.most:
            self.room = min(2 * self.room, self.most)
            return

        def worth(item):
            seen = item[1]
            return seen.count + seen.recent * KEEP_RECENT ** (self.n_events - seen.last), seen.last

        kept = {s for s, _ in sorted(self.sets.items(), key=worth, reverse=True)[: self.most // 2]}
        self.keep({s: seen for s, seen in self.sets.items() if s in kept})

    def keep(self, sets):
        """Forget all other sets; which events had them is not known either from then on."""
        self.sets = sets
        self.past = [s if s in sets else None for s in self.past]

    def forget_labels(self, labels):
        """Drop the sets with one of the labels."""
        self.keep({s: seen for s, seen in self.sets.items() if not s & set(labels)})


# F1 to be expected ------------------------------------------------------------------------------------------------------


class ExpectedF1:
    """Fading counts [true positives, answered plus true] that probabilities promise, of all labels and of each label."""

    KEEP, FADE_LABEL = 0.999, 0.005

    def __init__(self):
        self.total = [0.0, 0.0]
        self.own = {}
        self.n_events = 0.0

    def of_all(self):
        """Micro-F1; at first .62 of 100 labels that applied or were answered."""
        return (2.0 * self.total[0] + 62.0) / (self.total[1] + 100.0)

    def of_label(self, label):
        """F1 of a label, with one label of two right before."""
        hits, size = self.own.get(label, (0.0, 0.0))
        return (2.0 * hits + 1.0) / (size + 2.0)

    def value(self, label, p):
        """What a label adds to the worth of an answer: the gain in micro-F1 and in its own F1, if p is its probability."""
        n = self.n_events + 3.0
        gain = 2.0 * n * (p - self.of_all() / 2.0) / (self.total[1] + 6.0)
        own_gain = 2.0 * n / max(len(self.own), 1) * (p - self.of_label(label) / 2.0) / (self.own[label][1] + 4.0)
        return WORTH_OF_MICRO * gain + WORTH_OF_MACRO * own_gain

    def learn(self, target, proba):
        """Count what labels above half of the F1 promise; one that is new was missed."""
        self.n_events = self.KEEP * self.n_events + 1.0
        half = self.of_all() / 2.0
        promised = [(float(p > half), p) for label, p in enumerate(proba) if label in self.own]
        new = [label for label, mark in enumerate(target) if mark == POSITIVE and label not in self.own]
        self.total[0] = self.KEEP * self.total[0] + sum(said * p for said, p in promised)
        self.total[1] = self.KEEP * self.total[1] + sum(said + p for said, p in promised) + len(new)
        for label, (hits, size) in self.own.items():
            if label < len(proba):
                p = proba[label]
                said = float(p > self.of_label(label) / 2.0)
                keep = 1.0 - self.FADE_LABEL * max(said, p)
                self.own[label] = (keep * hits + said * p, keep * size + said + p)
        self.own.update(dict.fromkeys(new, (0.0, 1.0)))


# Events -----------------------------------------------------------------------------------------------------------------


class Event:
    """All that is known of one event before its labelset is."""

    def __init__(self, decoder, q, alike, x):
        self.q, self.alike, self.x = q, alike, x
        self.u = decoder.scores.of(x, len(q))
        self.p = [sigmoid(x) if label in decoder.expected.own else 0.0 for label, x in enumerate(q)]
        self.log_none = sum(math.log(1.0 - p) for p in self.p)
        self.active = self._active()
        self.likely = frozenset(label for label, p in enumerate(self.p) if p > 0.5) - self.active
        self.posterior, self.covered = decoder.labelsets.weigh(q, self.u, self.active, self.log_none, alike)
        self.new, self.novelty_inputs = decoder.labelsets.novelty_of(self.posterior, self.covered)
        self.seen = {s: (1.0 - self.new) * p for s, p in self.posterior.items()}
        self._mix(decoder.mixing, decoder.expected.own)
        self._sizes = None

    def _active(self):
        least = LEAST_ACTIVE
        while sum(p > least for p in self.p) > MOST_ACTIVE:
            least = 2.0 * least if least < 0.4 else 0.5 * (1.0 + least)
        return frozenset(label for label, p in enumerate(self.p) if p > least)

    def _mix(self, mixing, met):
        self.marginal = [0.0] * len(self.p)  # of the seen labelsets
        for s, p in self.posterior.items():
            if p > 1e-6:
                for x in s:
                    self.marginal[x] += p
        marginal = [(1.0 - self.new) * m + self.new * p for m, p in zip(self.marginal, self.p, strict=True)]
        # A label not met yet has no marginal: its log-odds are kept.
        pairs = [(x, logit(marginal[label], 1e-5) if label in met else x) for label, x in enumerate(self.q)]
        self.inputs = [[clip(single(x), -MOST_INPUT, MOST_INPUT) for x in pair] for pair in pairs]
        self.odds = [mixing.mix(label, inputs) for label, inputs in enumerate(self.inputs)]
        self.proba = [sigmoid(x) for x in self.odds]

    def sizes(self):
        """D and P(none) of the labelset: one of those seen, or, if new, one of independent labels."""
        if self._sizes is None:
            joint = {s: p for s, p in self.seen.items() if self.posterior[s] > 1e-6}
            for s, p in without_large(independent({x: self.p[x] for x in sorted(self.active)})).items():
                joint[s] = joint.get(s, 0.0) + self.new * p
            self._sizes = size_matrix(joint, self.active)
        return self._sizes

    def probability(self, s):
        """P(S): of a seen labelset, or of a new one."""
        if s in self.known:
            return self.seen.get(s, 0.0)
        return self.new * math.exp(min(self.log_none + sum(self.q[x] for x in sorted(s)), 0.0)) / (1.0 - self.covered)


class SlowDecoder:
    """From log-odds to probabilities and an answer for an objective; its state changes in `learn` alone."""

    def __init__(self, objective, most_labelsets):
        self.objective = objective
        self.labelsets = Labelsets(most_labelsets)
        self.scores = Scores()
        self.mixing = SlowMixture(2, grouped=False)
        self.expected = ExpectedF1()
        self.right, self.f1 = 0.0, 0.0  # fading sums over the answers

    def decode(self, q, alike, x=None):
        """The event of log-odds q, with its answer and lead; `alike` holds what the labels of past events count for it,
        {number: share}, `x` its features, {feature: value}.
        """
        event = Event(self, q, alike, x or {})
        event.known = self.labelsets.sets
        event.answer, event.lead = getattr(self, f"best_{self.objective}")(event)
        if self.objective != "hamming":
            event.answer |= event.likely
        return event

    def learn(self, event, target, weight, shrink=1.0, brought=()):
        """Learn the labels of a decoded event, from its features times `shrink`; the mixture does not from those `brought`."""
        observed = [label for label, mark in enumerate(target) if mark != UNOBSERVED]
        true = frozenset(label for label in observed if target[label] == POSITIVE)
        judged = [x for x in observed if x not in brought]
        self.mixing.learn([(x, event.inputs[x], event.odds[x], float(x in true), 0.0) for x in judged], weight)
        self.expected.learn(target, event.proba)
        whole = true if len(observed) == len(target) else None
        if whole is not None:
            size = len(event.answer) + len(true)
            self.right = 0.999 * self.right + (event.answer == true)
            self.f1 = 0.999 * self.f1 + (2.0 * len(event.answer & true) / size if size else 1.0)
        if whole in self.labelsets.sets and event.posterior:
            rate = SCORE_RATE * shrink * min(weight, 8.0)
            self.scores.learn(event.x, whole, event.marginal, rate)
        self.labelsets.learn(whole, event.q, event.u, event.alike, weight, event.posterior, event.new, event.novelty_inputs)

    def forget_labels(self, labels):
        """Start labels anew."""
        self.mixing.forget(labels)
        self.labelsets.forget_labels(labels)
        for label in labels:
            self.expected.own.pop(label, None)
        self.scores.weights = {key: w for key, w in self.scores.weights.items() if key[1] not in labels}

    def worth_of_f1(self):
        """What expected example-F1 counts for in the balanced answer, beside the probability that all is right."""
        return min(3.6 * (self.right + 50.0 * 0.35) / (self.f1 + 50.0 * 0.62), 2.3)

    # Answers, each with its lead

    def best_hamming(self, event):
        """All labels that are more probable than not."""
        return self.above(event, 0.5, range(len(event.q)))

    def best_subset(self, event):
        """The more probable of the best seen set and the set of all labels that alone are more probable than not."""
        likely = frozenset(x for x in event.active if event.q[x] > 0.0)
        lead = min((abs(event.q[x]) for x in event.active), default=math.inf)
        worth = [*event.seen.items(), *([] if likely in event.seen else [(likely, event.probability(likely))])]
        answer, gap = best_of(worth)
        return answer, min(lead, gap)

    def best_example_f1(self, event):
        """The best of all subsets."""
        return best_expected_f1(*event.sizes(), sorted(event.active))

    def best_balanced(self, event):
        """The set of largest worth among the best ones for single scores and the probable seen ones; then, up to four times,
        with the label put in or taken out by which it gains most.
        """
        firsts = [self.best_example_f1(event), self.best_subset(event), self.best_micro_f1(event)]
        candidates = [answer for answer, _ in firsts] + [s for s, p in event.seen.items() if p > 0.02][:17]
        value = {x: self.expected.value(x, event.proba[x]) for x in event.active}

        def worth(s):
            e_f1 = expected_f1_of_sizes(s, *event.sizes())
            return event.probability(s) + self.worth_of_f1() * e_f1 + sum(value[x] for x in sorted(s))

        answer, gap = best_of([(s, worth(s)) for s in candidates])
        lead = min(gap, *(lead for _, lead in firsts))
        for _ in range(EXCHANGES):
            before = answer
            answer, gap = best_of([(s, worth(s)) for s in (before, *(before ^ {x} for x in sorted(event.active)))])
            lead = min(lead, gap)
            if answer == before:
                break
        return answer, lead

    def best_micro_f1(self, event):
        """All labels above half of the micro-F1 to be expected."""
        return self.above(event, self.expected.of_all() / 2.0, event.active)

    def best_macro_f1(self, event):
        """All labels above half of their own F1."""
        half = {x: self.expected.of_label(x) / 2.0 for x in event.active}
        lead = min((abs(event.proba[x] - half[x]) for x in half), default=math.inf)
        return frozenset(x for x in half if event.proba[x] > half[x]), lead

    @staticmethod
    def above(event, threshold, labels):
        """All of some labels that are above a threshold."""
        lead = min((abs(event.proba[x] - threshold) for x in labels), default=math.inf)
        return frozenset(x for x in labels if event.proba[x] > threshold), lead
