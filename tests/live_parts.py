"""Live sources and sinks in memory that fall over where a test wants, messages of every kind, and how they are read."""

import json
import random
import time

from streams.checkpoint import CheckpointFolder
from streams.message import Fenced, Gone, Message, Unreachable


def read(source, count, patience=30.0):
    """Read from a live source until so many messages are there, or for so many seconds."""
    messages = []
    end = time.monotonic() + patience
    while len(messages) < count and time.monotonic() < end:
        messages += source.poll(0.2)
    return messages


class Crash(BaseException):
    """The process is gone: nothing catches this."""


class Fate:
    """Counts the steps of a run and ends it at some of them, as SIGKILL or a lost connection would."""

    def __init__(self, crash_at=(), lose_at=()):
        self.steps = 0
        self.crash_at, self.lose_at = set(crash_at), set(lose_at)

    def step(self, can_be_lost=True):
        self.steps += 1
        if self.steps in self.crash_at:
            raise Crash(self.steps)
        if self.steps in self.lose_at and can_be_lost:
            raise Unreachable(f"step {self.steps}")


class MemoryTopic:
    """Partitions of messages, with gaps in the offsets, as transactions and compaction leave them."""

    def __init__(self, values, partitions=3, seed=0, name="clicks"):
        rng = random.Random(seed)
        self.messages = {(name, p): [] for p in range(partitions)}
        next_offset = dict.fromkeys(self.messages, 0)
        for number, value in enumerate(values):
            where = rng.choice(list(self.messages))
            next_offset[where] += rng.choice((1, 1, 1, 2))
            key = None if value is None or number % 2 else b"k%d" % number
            self.messages[where].append(Message(*where, next_offset[where], value, 1000.0 + number, key))

    def __len__(self):
        return sum(map(len, self.messages.values()))


class MemoryLive:
    """Reads a `MemoryTopic`, its partitions in random order."""

    def __init__(self, topic, seed, fate):
        self._topic, self._fate, self._rng = topic, fate, random.Random(seed)
        self._positions = dict.fromkeys(topic.messages, 0)

    @property
    def positions(self):
        return dict(self._positions)

    def seek(self, positions):
        self._positions.update(positions)

    def _left(self, where):
        return [m for m in self._topic.messages[where] if m.offset >= self._positions[where]]

    def poll(self, timeout):
        self._fate.step()
        found = []
        for where in self._rng.sample(list(self._positions), 2):
            block = self._left(where)[: self._rng.randint(1, 9)]
            if block:
                self._positions[where] = block[-1].offset + 1
            found += block
        return found

    def span(self, partition, first, stop):
        found = [m for m in self._topic.messages[partition] if first <= m.offset < stop]
        if not self._topic.messages[partition] or first < self._topic.messages[partition][0].offset - 2:
            raise Gone(str(partition))
        for start in range(0, len(found), 4):
            self._fate.step()
            yield found[start : start + 4]

    def lag(self):
        return {where: len(self._left(where)) for where in self._positions}

    @property
    def at_end(self):
        return not any(self._left(where) for where in self._positions)

    def close(self):
        pass


class Ledger:
    """What outlives the processes: the records of committed transactions, and who may write."""

    def __init__(self, forgets=False):
        self.records, self.dead, self.number, self.epoch = [], [], None, 0
        self.forgets = forgets


class MemorySink:
    """Writes to a `Ledger` in transactions; a newer one fences the older.

    A commit goes through when it is started or when it is settled, by turns, and takes a few looks to be settled.
    """

    def __init__(self, ledger, fate):
        self._ledger, self._fate = ledger, fate
        ledger.epoch += 1
        self._epoch = ledger.epoch
        self._open = self._under_way = None
        self._looks = 0

    def begin(self):
        assert self._open is None
        self._open = [], []

    def write(self, record, key=None):
        self._fate.step()
        self._open[0].append((json.loads(json.dumps(record)), key))

    def write_dead(self, record, key=None):
        self._open[1].append(json.loads(json.dumps(record)))

    def start_commit(self, number, positions):
        assert self._under_way is None
        self._fate.step()
        self._under_way, self._open = (number, *self._open), None
        self._looks = number % 4
        if number % 2:
            self._bring_out()
        self._fate.step()

    @property
    def is_settled(self):
        self._looks -= 1
        return self._under_way is None or self._looks < 0

    def settle(self):
        if self._under_way is None:
            return
        self._fate.step()
        if not self._under_way[0] % 2:
            self._bring_out()
        self._under_way = None
        self._fate.step()

    def _bring_out(self):
        if self._ledger.epoch != self._epoch:
            raise Fenced("a newer one")
        number, records, dead = self._under_way
        self._ledger.records += records
        self._ledger.dead += dead
        self._ledger.number = number

    def abort(self):
        self._open = None

    def committed(self):
        return None if self._ledger.forgets else self._ledger.number

    def close(self):
        self._open = None


class CrashingFolder(CheckpointFolder):
    """A folder whose process may end before and after each write."""

    def __init__(self, path, fate, keep=10_000):
        super().__init__(path, keep)
        self._fate = fate

    def note(self, reading):
        self._fate.step(can_be_lost=False)
        super().note(reading)
        self._fate.step(can_be_lost=False)

    def note_committed(self):
        self._fate.step(can_be_lost=False)
        super().note_committed()

    def save(self, number, content):
        self._fate.step(can_be_lost=False)
        super().save(number, content)
        self._fate.step(can_be_lost=False)


def message_values(n, seed=0):
    """Return JSON messages of every kind: labelled, unlabelled with late or early labels, malformed, tombstones."""
    rng = random.Random(seed)
    values = []
    for number in range(n):
        x = {f"f{j}": round(rng.gauss(0, 1), 3) for j in range(rng.randint(2, 6))}
        x["colour"] = rng.choice(["red", "green"])
        labels = [f"l{j}" for j in range(5) if rng.random() < 0.3]
        kind = rng.random()
        if kind < 0.6:
            values.append({"id": f"e{number}", "x": x, "y": labels})
        elif kind < 0.7:
            values.append({"x": x, "y": {"l0": True, "l1": None}, "w": 2.0})
        elif kind < 0.8:
            values += [{"id": f"e{number}", "x": x}, {"id": f"e{number}", "y": labels}]
        elif kind < 0.85:
            values += [{"id": f"e{number}", "y": labels}, {"id": f"e{number}", "x": x}]
        elif kind < 0.9:
            values.append({"x": x})
        elif kind < 0.94:
            values.append({"x": {**x, "f0": 1e300}, "y": labels})  # the model refuses it
        elif kind < 0.97:
            values.append(None)
        else:
            values.append(b'{"x": {"f0": NaN}}')
    return [value if value is None or isinstance(value, bytes) else json.dumps(value).encode() for value in values]
