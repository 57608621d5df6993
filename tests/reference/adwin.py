"""ADWIN2 the slow way: a list of buckets, everything recomputed where it is asked for."""

import math


class Adwin:
    """One detector; `buckets[l]` lists (total, variance) of the buckets of 2^l values, oldest first."""

    def __init__(self, levels=24, clock=32):
        self.levels = levels
        self.clock = clock
        self.buckets = [[] for _ in range(levels)]
        self.width = 0
        self.total = 0.0
        self.variance = 0.0
        self.updates = 0

    def mean(self):
        return self.total / self.width if self.width else 0.0

    def update(self, value, delta):
        if math.isnan(value) or math.isinf(value):
            return 0
        self._insert(value)
        self.updates += 1
        if self.updates % self.clock:
            return 0
        dropped = []
        while self.width > 10 and self._cut(delta):
            dropped.append(self._drop())
        if not dropped:
            return 0
        size, total = 0.0, 0.0
        for bucket_size, bucket_total in dropped:
            size += bucket_size
            total += bucket_total
        return 1 if self.mean() > total / size else -1

    def _insert(self, value):
        if self.width:
            distance = value - self.mean()
            self.variance += self.width * distance * distance / (self.width + 1.0)
        self.width += 1
        self.total += value
        carry = (value, 0.0)
        for level, row in enumerate(self.buckets):
            if level == self.levels - 1 and len(row) == 5:
                self._drop()
            row.append(carry)
            if len(row) <= 5:
                return
            (total_a, variance_a), (total_b, variance_b) = row[:2]
            del row[:2]
            distance = (total_a - total_b) / 2.0**level
            carry = (total_a + total_b, variance_a + variance_b + 2.0**level * distance * distance / 2.0)

    def _drop(self):
        level = max(level for level, row in enumerate(self.buckets) if row)
        total, variance = self.buckets[level].pop(0)
        size = 2**level
        self.width -= size
        self.total -= total
        if self.width:
            distance = total / size - self.total / self.width
            variance += size * self.width * distance * distance / (size + self.width)
            self.variance = max(0.0, self.variance - variance)
        else:
            self.variance = 0.0
        return size, total

    def _cut(self, delta):
        confidence = math.log(2.0 * math.log(self.width) / delta)
        size_0, total_0 = 0, 0.0
        for level in reversed(range(self.levels)):
            for total, _ in self.buckets[level]:
                size_0 += 2**level
                total_0 += total
                size_1 = self.width - size_0
                if size_0 < 5 or size_1 < 5:
                    continue
                inverse = 1.0 / (size_0 - 4.0) + 1.0 / (size_1 - 4.0)
                deviation = 2.0 * self.variance / self.width * confidence
                bound = math.sqrt(deviation * inverse) + 2.0 / 3.0 * confidence * inverse
                if abs(total_0 / size_0 - (self.total - total_0) / size_1) > bound:
                    return True
        return False
