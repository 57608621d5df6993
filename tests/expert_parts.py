"""Experts beside their slow twins: random streams for them, and the two run side by side."""

import math
import random
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from ihomer.encoder import Batch
from ihomer.experts import EXPERTS
from ihomer.scaling import FeatureScale
from tests.reference.experts import (
    Row,
    SlowBayes,
    SlowFrequency,
    SlowLinear,
    SlowRidge,
)
from tests.reference.neighbours import SlowNeighbours
from tests.reference.rehearsal import SlowRehearsal

WINDOW = 32  # of neighbours and rehearsal, instead of 2,048, so that events leave it
TWINS = {
    "frequency": SlowFrequency,
    "neighbours": lambda: SlowNeighbours(WINDOW),
    "linear": SlowLinear,
    "rehearsal": lambda: SlowRehearsal(WINDOW),
    "ridge": SlowRidge,
    "bayes": SlowBayes,
}
# Largest difference of log-odds. float32 has 24 bits: a log-odds of up to 12 is written with an error of 5e-7. States of
# float32 add up such errors over hundreds of events; where log-odds are taken of a sum near 0.002, they are 500 times larger. A
# hidden unit near 0 may be silent in one and not in the other.
TOLERANCE = {"frequency": 2e-6, "neighbours": 5e-3, "linear": 2e-4, "rehearsal": 1e-3, "ridge": 5e-3, "bayes": 2e-4}
KINDS = ("sparse", "dense", "binary", "missing", "outliers", "mixed", "marks")


class Event(NamedTuple):
    x: dict  # feature -> value, None where missing
    y: frozenset
    unobserved: frozenset = frozenset()
    weight: float = 1.0
    n_labels: int = 0  # known by then


# Streams -------------------------------------------------------------------------------------------------------------


def features_of(kind, rng, part):
    """One event; in the second half of a stream (part > 0.5) other features are frequent."""
    shift = 20 if part > 0.5 else 0
    if kind == "binary":
        return {f: 1.0 for f in range(shift, shift + 40) if rng.random() < (0.7 if f % 9 == 0 else 0.1)}
    if kind == "sparse":
        found = {min(int(rng.expovariate(0.15)), 59) + shift for _ in range(rng.randint(0, 9))}
        return {f: rng.uniform(0.1, 3.0) for f in found}
    if kind == "marks":  # nearly all have the odd ones, all the same value, which is no longer so of two in the second half
        x = {f: (1.0 if f % 4 else -2.0) for f in range(24) if rng.random() < (0.9 if f % 2 else 0.1)}
        x |= {f: None for f in range(24) if rng.random() < 0.04}
        return x | ({f: rng.gauss(2.0, 1.0) for f in (3, 11)} if part > 0.5 else {})
    x = {f: rng.gauss(10.0 * f - 20.0, 0.1 + f * f) for f in range(6 if part < 0.3 else 9)}
    if kind == "missing":
        x = {f: None if rng.random() < 0.3 else v for f, v in x.items()}
    if kind == "outliers":
        x = {f: v * 1e4 if rng.random() < 0.04 else v for f, v in x.items()}
    if kind == "mixed":
        x |= {f: 1.0 for f in range(9, 20 + shift) if rng.random() < 0.2}
        x = {f: v for f, v in x.items() if rng.random() < 0.9}
    return x


def random_stream(kind, seed, n_events=200, n_labels=6, heavy=3.0):
    """Events with labels that depend on features, and with features and labels that come when others have been learned."""
    rng = random.Random(f"{kind} {seed}")
    events = []
    for i in range(n_events):
        part = i / n_events
        x = {f: v for f, v in sorted(features_of(kind, rng, part).items()) if v != 0.0}
        known = n_labels if part > 0.6 else 3 if part > 0.25 else 2
        y = {f % n_labels for f, v in x.items() if v is not None and v > 0.5 and f % 4 == 0}
        y |= {label for label in range(known) if rng.random() < 0.1}
        blind = {label for label in range(known) if rng.random() < 0.1}
        weight = rng.choice([1.0, 1.0, rng.uniform(0.05, heavy)])
        events.append(Event(x, frozenset(label for label in y - blind if label < known), frozenset(blind), weight, known))
    return events


def batch_of(events):
    def flat(rows, dtype):
        return (
            np.cumsum([0, *map(len, rows)]).astype(np.int64),
            np.array([item for row in rows for item in row], dtype),
        )

    x_indptr, x_index = flat([sorted(e.x) for e in events], np.int32)
    _, x_value = flat([[math.nan if v is None else v for _, v in sorted(e.x.items())] for e in events], np.float64)
    weight = np.array([e.weight for e in events])
    labels = [
        flat([sorted(part) for part in parts], np.int32) for parts in zip(*((e.y, e.unobserved) for e in events), strict=True)
    ]
    return Batch(x_indptr, x_index, x_value, *labels[0], *labels[1], weight)


def n_features_of(events):
    return 1 + max((f for e in events for f in e.x), default=0)


def chunks_of(events, rng, most):
    """Pieces of random sizes, none of which goes beyond the coming of a label."""
    start = 0
    while start < len(events):
        stop = start + 1
        size = rng.randint(1, most)
        while stop < min(len(events), start + size) and events[stop].n_labels == events[start].n_labels:
            stop += 1
        yield events[start:stop]
        start = stop


class Fast:
    """An expert of ours, fed as the ensemble feeds it. The log-odds that it starts from are given, or random."""

    def __init__(self, name, seed=0, alike=False):
        self.is_told = name in ("linear", "neighbours", "ridge") and not alike
        self.expert = EXPERTS[name]()
        self.scale = FeatureScale()
        self.n_features = 1
        self.rng = np.random.default_rng(seed)

    def rows(self, events, learn=True):
        if learn:
            self.n_features = max(self.n_features, n_features_of(events))
        else:  # the encoder leaves out what was never learned
            events = [e._replace(x={f: v for f, v in e.x.items() if f < self.n_features}) for e in events]
        self.scale.grow(self.n_features)
        self.expert.grow(events[0].n_labels, self.n_features)
        return self.scale.rows(batch_of(events), 0, len(events), events[0].n_labels, learn)

    def run(self, events, learn=True):
        """Return the rows as the expert saw them, and its log-odds, behind those that it started from."""
        rows = self.rows(events, learn)
        out = np.full((len(events), events[0].n_labels, 1 + len(self.expert.outputs)), np.nan, np.float32)
        out[:, :, 0] = self.rng.normal(-1.5, 1.0, out.shape[:2])
        if self.is_told:  # as if another expert had told how much depends on each feature
            used = rows.indptr[-1]
            rows.relevant[:used] *= 0.6 + 0.05 * (rows.feature[:used] * 7 % 9)
        seen = replace(rows, relevant=rows.relevant.copy(), shrink=rows.shrink.copy())
        self.expert.run(rows, learn, out, 1)
        self.rows_after = rows
        return seen, out


def slow_rows(rows, events):
    """The rows of float32 values as the twins take them."""
    found = []
    for i, event in enumerate(events):
        span = slice(rows.indptr[i], rows.indptr[i + 1])
        index = rows.feature[span].tolist()
        position = dict(zip(index, rows.position[span].tolist(), strict=True))
        raw = dict(zip(index, rows.raw[span].tolist(), strict=True))
        relevant = dict(zip(index, rows.relevant[span].tolist(), strict=True))
        absent = frozenset(f for f, present in zip(index, rows.is_present[span].tolist(), strict=True) if not present)
        new = frozenset(f for f, is_new in zip(index, rows.is_new[span].tolist(), strict=True) if is_new)
        centred = frozenset(f for f, is_centred in zip(index, rows.is_centred[span].tolist(), strict=True) if is_centred)
        raw_shrink, relevant_shrink = rows.shrink[:, i].tolist()
        seen = event.y, event.unobserved, event.weight
        found.append(Row(position, raw, *seen, raw_shrink, absent, new, relevant, relevant_shrink, centred))
    return found


def slow_run(twin, rows, events, out, learn=True):
    """Return what the twin says, by row, label and output."""
    if not isinstance(twin, SlowRidge):  # which has room for the features that there are
        twin.grow(out.shape[1], 1 << 20)
    starts = out[:, :, 0].tolist()
    return np.array([twin.step(row, start, learn) for row, start in zip(slow_rows(rows, events), starts, strict=True)])


def compare(name, fast, twin, events, rng, most=40):
    """Run both over a stream, asking before learning now and then; return how many rows were compared."""
    compared = 0
    for chunk in chunks_of(events, rng, most):
        for learn in (False, True) if rng.random() < 0.3 else (True,):
            rows, out = fast.run(chunk, learn)
            if isinstance(twin, SlowRidge):
                twin.grow(out.shape[1], fast.n_features)
            expected = slow_run(twin, rows, chunk, out, learn)
            np.testing.assert_allclose(out[:, :, 1:], expected, rtol=0.0, atol=TOLERANCE[name])
            if name == "rehearsal":
                assert_told(fast.rows_after, twin.told[-len(chunk) :])
            compared += len(chunk)
    return compared


def assert_told(rows, told):
    """What the rows' values have come to by how much depends on their features is what the twin told."""
    for i, (relevant, shrink) in enumerate(told):
        span = slice(rows.indptr[i], rows.indptr[i + 1])
        found = dict(zip(rows.feature[span].tolist(), rows.relevant[span].tolist(), strict=True))
        assert found == pytest.approx(relevant, rel=1e-3, abs=1e-5)
        assert rows.shrink[1, i] == pytest.approx(shrink, rel=1e-4)


def bits(thing):
    """All of an object's state, byte for byte, without work space."""
    if isinstance(thing, np.ndarray):
        return thing.dtype.str, thing.shape, thing.tobytes()
    if isinstance(thing, dict):
        return {name: bits(part) for name, part in thing.items()}
    if isinstance(thing, tuple):
        return tuple(map(bits, thing))
    return bits(thing.__getstate__()) if hasattr(thing, "__dict__") else thing


def arrays(thing):
    return [part for part in vars(thing).values() if isinstance(part, np.ndarray)]
