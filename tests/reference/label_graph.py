"""Links between labels the slow way: how far apart two clusters are, where one is cut, and which two are joined."""

import math


class Graph:
    """Labels 0 .. n - 1: `count[x]`; `links[x]` = {y: (n_xy, energy)} with y ascending."""

    def __init__(self, count, pairs, mass, log_term):
        self.count = count
        self.log_term = log_term
        self.links = [{} for _ in count]
        both_ways = {(i, j): n for (a, b), n in pairs.items() for i, j in ((a, b), (b, a))}
        for x, y in sorted(both_ways):
            n = both_ways[x, y]
            beyond = max(0.0, n - count[x] * count[y] / mass)
            similarity = beyond / (count[x] + count[y] - n + log_term)
            self.links[x][y] = (n, similarity * similarity)

    def dissimilarity(self, x, y):
        n = self.links[x].get(y, (0.0, 0.0))[0]
        either = self.count[x] + self.count[y] - n
        return 1.0 - n / either if either > 0.0 else 1.0

    def energy(self, x, y):
        return self.links[x].get(y, (0.0, 0.0))[1]

    def energy_with(self, x, members):
        total = 0.0
        for y in sorted(members):
            if y in self.links[x]:
                total += self.energy(x, y)
        return total

    def frequent_first(self, members):
        return sorted(members, key=lambda x: (-self.count[x], x))


def bound(n, log_term):
    return math.sqrt(log_term / (2.0 * n)) if n > 0.0 else math.inf


def chance_bound(mean, n, log_term):
    p = min(max(mean, 0.0), 1.0)
    return math.sqrt(2.0 * p * (1.0 - p) * log_term / n) + log_term / (3.0 * n)


def pair_statistics(graph, members):
    values = [graph.dissimilarity(x, y) for x in members for y in sorted(members) if y > x]
    stored = [graph.dissimilarity(x, y) for x in members for y in graph.links[x] if y > x and y in members]
    total = 0.0
    for d in stored:
        total += d
    ordered = sorted(values, reverse=True)
    second = ordered[1] if len(ordered) > 1 else 0.0
    return ordered[0], second, ordered[-1], (total + (len(values) - len(stored))) / len(values)


def pivots(graph, members, published):
    """Return (a, b, d, events that carry either) of the pair that is most certainly far apart; see the fast twin."""
    if published:
        order, weight = list(members), graph.count
    else:
        weight = {x: graph.count[x] * math.sqrt(graph.energy_with(x, members)) for x in members}
        order = sorted(members, key=lambda x: -weight[x])

    def score(b, d):
        if published:
            return d
        return d - bound(weight[order[b]], graph.log_term)

    strangers = [(b, a) for b in range(len(order)) for a in range(b) if order[a] not in graph.links[order[b]]]
    best = None
    if strangers:
        b, a = min(strangers)
        best = (a, b, 1.0)
    for a in range(len(order)):
        for y in graph.links[order[a]]:
            if y in members and order.index(y) > a:
                b, d = order.index(y), graph.dissimilarity(order[a], y)
                if best is None or score(b, d) > score(best[1], best[2]):
                    best = (a, b, d)
    a, b, d = best
    x, y = order[a], order[b]
    return x, y, d, graph.count[x] + graph.count[y] - graph.links[x].get(y, (0.0, 0.0))[0]


class Sides:
    """A cluster being divided: `side[x]` in {0, 1}, `pull[s][x]` the energy between x and side s."""

    def __init__(self, graph, members):
        self.graph = graph
        self.members = list(members)
        self.side = {}
        self.pull = [dict.fromkeys(members, 0.0), dict.fromkeys(members, 0.0)]
        self.linked = []

    def size(self, s):
        return sum(1 for x in self.side if self.side[x] == s)

    def smaller(self):
        return 0 if self.size(0) <= self.size(1) else 1

    def average(self, s, x):
        return self.pull[s][x] / self.size(s)

    def join(self, x, s):
        self.side[x] = s
        for y, (_, energy) in self.graph.links[x].items():
            if y in self.pull[0] and energy > 0.0:
                if y not in self.side and self.pull[0][y] + self.pull[1][y] == 0.0:
                    self.linked.append(y)
                self.pull[s][y] += energy

    def choose(self, a, b):
        self.join(a, 0)
        self.join(b, 1)
        while len(self.side) < len(self.members):
            batch, self.linked = self.linked, []
            if not batch:
                self.join(next(x for x in self.members if x not in self.side), self.smaller())
                continue
            for x in sorted(batch, key=lambda y: -abs(self.average(0, y) - self.average(1, y))):
                if x not in self.side:
                    left, right = self.average(0, x), self.average(1, x)
                    self.join(x, self.smaller() if left == right else 0 if left > right else 1)

    def improve(self):
        for _ in range(10):
            moved = False
            for x in self.members:
                s = self.side[x]
                if self.pull[1 - s][x] > self.pull[s][x] * (1.0 + 1e-9):
                    self.side[x] = 1 - s
                    moved = True
                    for y, (_, energy) in self.graph.links[x].items():
                        if y in self.pull[0]:
                            self.pull[s][y] -= energy
                            self.pull[1 - s][y] += energy
            if not moved:
                return

    def separation(self):
        surplus, ratio = math.inf, 0.0
        sums = []
        for s in (0, 1):
            inside = outside = norm = informed = 0.0
            for x in self.members:
                if self.side[x] == s:
                    own, other = max(self.pull[s][x], 0.0), max(self.pull[1 - s][x], 0.0)
                    inside += own
                    outside += other
                    norm += math.sqrt(own + other)
                    informed += (own + other) * self.graph.count[x]
            sums.append((inside, outside, norm, informed))
        for inside, outside, norm, informed in sums:
            if inside == 0.0:
                return -math.inf, math.inf
            clear = (inside - outside) / norm
            n = informed / (inside + outside)
            surplus = min(surplus, clear - chance_bound(clear, n, self.graph.log_term))
            ratio = max(ratio, outside / inside)
        return surplus, ratio

    def both(self):
        return [[x for x in self.members if self.side[x] == s] for s in (0, 1)]


def energies_of(graph, x, cluster_of):
    """Return cluster -> energy between x and it."""
    total = {}
    for y, (_, energy) in graph.links[x].items():
        total[cluster_of[y]] = total.get(cluster_of[y], 0.0) + energy
    return total


def settle(graph, cluster_of, most):
    """Move labels one after the other, the most frequent first; change `cluster_of`, return how many moved."""
    moved = 0
    for x in graph.frequent_first(cluster_of):
        if graph.count[x] == 0.0:
            continue
        total = energies_of(graph, x, cluster_of)
        own = cluster_of[x]
        sizes = {c: list(cluster_of.values()).count(c) for c in total}
        others = [c for c in total if c != own and total[c] > total.get(own, 0.0) and (most is None or sizes[c] < most)]
        if not others:
            continue
        best = min(others, key=lambda c: (-total[c], c))
        gain = math.sqrt(total[best]) - math.sqrt(total.get(own, 0.0))
        if total.get(own, 0.0) < 0.8 * total[best] and gain > chance_bound(gain, graph.count[x], graph.log_term):
            cluster_of[x] = best
            moved += 1
    return moved


def strongest_tie(graph, members, cluster_of):
    """Return (cluster, surplus) for the other cluster that `members` have most energy with."""
    own = cluster_of[members[0]]
    total = {}
    for x in members:
        for y, (_, energy) in graph.links[x].items():
            total[cluster_of[y]] = total.get(cluster_of[y], 0.0) + energy
    others = [c for c in total if c != own and total[c] > 0.0]
    if not others:
        return None, -math.inf
    best = min(others, key=lambda c: (-total[c], c))
    drawn = total[best] - 0.8 * total.get(own, 0.0)
    if drawn <= 0.0:
        return best, -math.inf
    norm = informed = weight = 0.0
    for x in members:
        both = 0.0
        for y, (_, energy) in graph.links[x].items():
            if cluster_of[y] in (own, best):
                both += energy
        norm += math.sqrt(both)
        weight += both
        informed += both * graph.count[x]
    return best, drawn / norm - chance_bound(drawn / norm, informed / weight, graph.log_term)
