"""The scale of features and the ranks of their values the slow way: dictionaries and lists, every formula literal."""

import itertools
import math
from statistics import NormalDist

from .experts import clamp, unit


class SlowMixture:
    """The distribution of the values so far and the latest ones, of which the next quantiles are taken."""

    def __init__(self, quantiles, taken, latest, least):
        self.parts = (quantiles, taken / (taken + 16.0)), (latest, 16.0 / (taken + 16.0))
        self.least = least
        self.values = sorted({value for own, _ in self.parts for value, _ in SlowRanks.points(own, least)})

    def limits(self, v):
        """Shares of values below v, and up to it."""
        found = [(SlowRanks.limits(own, v, self.least), weight) for own, weight in self.parts]
        return tuple(sum(weight * limits[side] for limits, weight in found) for side in (0, 1))


class SlowRanks:
    """Normal scores of ranks, by 16 quantiles of the values so far and the latest values.

    A distribution of 16 sorted values is a line through the points (value i, (i + 1/2) / 16); equal values are a step. It
    begins at 0 and ends at 1, half as far beyond the outermost values as the next ones are away, and `least` at least.
    """

    SHARES = tuple((i + 0.5) / 16.0 for i in range(16))

    def __init__(self):
        self.quantiles, self.taken, self.latest = [], 0.0, []
        self.mixed = None  # what the quantiles are of

    @staticmethod
    def points(values, least):
        """Points (value, share) of the line."""
        begin = values[0] - max((values[1] - values[0]) / 2.0, least)
        end = values[-1] + max((values[-1] - values[-2]) / 2.0, least)
        return [(begin, 0.0), *zip(values, SlowRanks.SHARES, strict=True), (end, 1.0)]

    @staticmethod
    def limits(values, v, least):
        """Shares of values below v, and up to it."""
        points = SlowRanks.points(values, least)
        equal = [share for value, share in points[1:-1] if value == v]
        if equal:
            return equal[0], equal[-1]
        (left, below), (right, above) = [
            max([p for p in points if p[0] < v], default=(v, 0.0), key=lambda p: p[1]),
            min([p for p in points if p[0] >= v], default=(v, 1.0), key=lambda p: p[1]),
        ]
        if below == 1.0 or above == 0.0:
            return below, above
        share = below + (v - left) / (right - left) * (above - below)
        return share, share

    def score(self, v, least):
        r = sum(self.limits(self.quantiles, v, least)) / 2.0
        knots = [(0.0, 1.0 / 64.0), *((share, share) for share in self.SHARES), (1.0, 63.0 / 64.0)]
        for (left, p), (right, q) in itertools.pairwise(knots):
            if left <= r <= right:
                low, high = NormalDist().inv_cdf(p), NormalDist().inv_cdf(q)
                return low + (r - left) / (right - left) * (high - low)
        raise ValueError(r)

    def note(self, v, least):
        self.latest.append(v)
        if len(self.latest) < 16:
            return
        latest = sorted(self.latest)
        if self.taken == 0.0:
            self.quantiles = latest
        else:
            mixed = SlowMixture(self.quantiles, self.taken, latest, least)
            line = [(share, value) for value in mixed.values for share in mixed.limits(value)]
            self.quantiles, self.mixed = [self.value_at(line, share) for share in self.SHARES], mixed
        self.taken, self.latest = min(self.taken + 16.0, 2000.0), []

    @staticmethod
    def value_at(line, share):
        """First value of a line of points (share, value) where the share is reached."""
        for (left, before), (right, value) in itertools.pairwise([(0.0, line[0][1]), *line]):
            if share <= right or (right, value) == line[-1]:
                if right <= left or before == value:
                    return value
                return before + min((share - left) / (right - left), 1.0) * (value - before)
        raise ValueError(share)


class SlowScale:
    """Running mean and spread of each feature, of the values that are not missing."""

    def __init__(self, long=50_000.0):
        self.long = long
        self.sums = {}  # feature -> how many values, their sum, sum of squares, how many were missing
        self.negative = {}  # feature -> how many of its values were below 0
        self.blocks = {}  # feature -> its last values, fewer than 25, whether each was far out, and what each counts
        self.ranks = {}  # of features that are centred, or were
        self.n_seen = 0.0

    def row(self, x, learn):
        """Return the pairs on the scale of their features; as given, and on the scale with rare features counting more, each of
        unit length without the features that are new and with what it is to be multiplied by to be so with them; and which are
        centred. None stands for missing. A feature that nearly all events have, with one and the same value, counts as 0 where
        it is there, and as that value's negative where not.
        """
        seen = self.n_seen + 1.0
        kept = self.sums if learn else dict(self.sums)
        negative = self.negative if learn else dict(self.negative)
        new = {f for f, v in x.items() if v is not None and self.sums.get(f, (0.0,))[0] == 0.0}
        most = {f for f, (count, _, _, missing) in kept.items() if count > max(0.45 * (seen - 1.0 - missing), 0.0)}
        usual = {f for f in most if self.is_usual(*kept[f][:3], seen - 1.0 - kept[f][3])}
        constant = {f: kept[f][:2] for f in most - usual if kept[f][0] > max(0.75 * (seen - 1.0 - kept[f][3]), 1.0)}
        position, raw, relevant = {}, {}, {}
        for f in sorted({*x, *usual, *constant}):
            count, total, square, missing = kept.get(f, (0.0, 0.0, 0.0, 0.0))
            rarity = 1.0 if f in usual else 1.0 + 0.3 * math.log((seen + 100.0) / (count + 101.0))
            v = x.get(f, 0.0)
            if v is None:
                kept[f] = count, total, square, missing + 1.0
                continue
            if f in x:
                if count == 0.0:
                    missing = max(missing, seen - 6.0)
                taken, far = v, False
                if count >= 10.0:
                    mean, spread = self.scale(count, total, square, seen - missing - 1.0)
                    far = abs(v - mean) > 20.0 * spread
                    if far:
                        taken = clamp(v, mean - 5.0 * spread, mean + 5.0 * spread)
                count, total, square = count + 1.0, total + taken, square + taken * taken
                kept[f] = count, total, square, missing
                negative[f] = below = negative.get(f, 0.0) + (v < 0.0)
                if learn:
                    self.note(f, v, far)
            mean, spread = self.scale(count, total, square, seen - missing)
            differ = count > 0.0 and self.differ(count, total, square)
            if f in constant and not differ:
                if f in x:
                    if learn:
                        self.end_block(f, seen)
                    continue
                n_with, sum_with = constant[f]
                v = -sum_with / n_with
                n_without = max(seen - 1.0 - missing - n_with, 0.0)
                rarity = 1.0 + 0.3 * math.log((seen + 100.0) / (n_without + 101.0))
            if f in x or f in constant or f in usual:
                position[f], raw[f] = math.copysign(v != 0.0, v), v
                if v != 0.0 and mean != 0.0:
                    position[f] = clamp((v - mean) / spread, -5.0, 5.0) if spread > 0.0 else 0.0
                elif v != 0.0 and count >= 10.0 and differ:
                    z = (v - total / count) / math.sqrt(square / count - (total / count) ** 2)
                    sign = 1.0 - 2.0 * below / count
                    position[f] = (sign + 0.7 * math.tanh(z)) / math.sqrt(sign**2 + 0.19)
                if f in usual:
                    position[f] = clamp((v - mean) / spread, -5.0, 5.0) if spread > 0.0 else 0.0
                    ranks = self.ranks.setdefault(f, SlowRanks())
                    if ranks.taken > 0.0:
                        position[f] = ranks.score(v, spread / 32.0)
                    if learn:
                        ranks.note(clamp(v, mean - 5.0 * spread, mean + 5.0 * spread), spread / 32.0)
                relevant[f] = rarity * position[f]
            if learn:
                self.end_block(f, seen)
        if learn:
            self.n_seen = seen
            if seen > self.long:
                self.n_seen /= 2.0
                self.sums = {f: tuple(s / 2.0 for s in sums) for f, sums in self.sums.items()}
                self.negative = {f: n / 2.0 for f, n in self.negative.items()}
                self.blocks = {f: [(v, far, share / 2.0) for v, far, share in block] for f, block in self.blocks.items()}
        return position, unit(raw, new), unit(relevant, new), usual & position.keys()

    def note(self, f, v, far):
        self.blocks.setdefault(f, []).append((v, far, 1.0))

    def end_block(self, f, seen):
        """Go on from the last values alone, where these count 25 and are on another scale."""
        block = self.blocks.get(f, [])
        whole = sum(share for _, _, share in block)
        if whole < 25.0:
            return
        count, total, square, missing = self.sums[f]
        n_events = whole * (seen - missing) / count
        late = whole, sum(share * v for v, _, share in block), sum(share * v * v for v, _, share in block)
        n_far = sum(share * far for _, far, share in block)
        spread, spread_late = self.scale(count, total, square, seen - missing)[1], self.scale(*late, n_events)[1]
        if 2.0 * n_far > whole or (n_far == 0.0 and 0.0 < 20.0 * spread_late < spread):
            self.sums[f] = *late, max(seen - n_events, 0.0)
            self.negative[f] *= whole / count
            self.ranks.pop(f, None)
        block.clear()

    def is_usual(self, count, total, square, n_events):
        """Whether many events have it, with values that differ."""
        return count > 0.0 and self.differ(count, total, square) and count > max(0.45 * n_events, 0.0)

    def differ(self, count, total, square):
        return square / count - (total / count) ** 2 > 1e-9 * square / count

    def scale(self, count, total, square, n_events):
        """Mean and standard deviation of a usual feature; 0 and the root mean square of another."""
        if self.is_usual(count, total, square, n_events):
            mean = total / n_events
            return mean, math.sqrt(square / n_events - mean * mean)
        return 0.0, math.sqrt(square / count)

    def forget_features(self, features):
        for f in features:
            self.sums.pop(f, None)
            self.negative.pop(f, None)
            self.blocks.pop(f, None)
            self.ranks.pop(f, None)
