"""What the default model loses where features come as they do in practice.

    python -m benchmarks.dirty           # about four minutes
    python -m benchmarks.dirty --write   # and write results/dirty.json

Dense real sets, shuffled, their features spoiled: one value of a hundred is ten thousand times as large (a sensor fails); three
values of ten are missing; three of ten, or five, are left out, so that they are 0; every second feature comes only in the later
half; all values are a thousand times as large from the middle on (another unit); each feature has a scale and an offset of its
own; exp(2 z) stands for each value, z being its standard deviations from the mean of the whole set (long tails).

And words written down in other ways: 1 where a word is there, 0 where it is, 2 where it is and 1 where not, "yes" and "no"; and
counts with long tails that say nothing, exp(1.5 z) rounded up for a standard normal z.
"""

import argparse
import math
import random
import statistics
from collections.abc import Callable
from typing import Any

from benchmarks.common import events_of, load, require_sets, run_command, write
from benchmarks.readme_parts import table
from ihomer import IHOMERClassifier
from ihomer.baselines import MajorityLabelset, PreviousLabelset
from ihomer.metrics import Scoreboard

SETS = ("emotions", "scene", "birds", "foodtruck")
SCORES = ("subset_accuracy", "example_f1", "micro_f1", "macro_f1")

Features = dict[str, Any]
Events = list[tuple[Features, set[str]]]
Spoil = Callable[[Features, float, random.Random], Features]
Code = Callable[[bool, random.Random], Any]


def _as_given(x: Features, part: float, rng: random.Random) -> Features:
    return x


def _changed(x: Features, change: Callable[[float], float | None]) -> Features:
    """Return an event with its numbers changed; nominal values stay."""
    return {name: value if isinstance(value, str) or value is None else change(value) for name, value in x.items()}


def _failing(x: Features, part: float, rng: random.Random) -> Features:
    return _changed(x, lambda value: value * 1e4 * rng.gauss(0.0, 1.0) if rng.random() < 0.01 else value)


def _missing(x: Features, part: float, rng: random.Random) -> Features:
    return _changed(x, lambda value: None if rng.random() < 0.3 else value)


def _left_out(share: float) -> Spoil:
    """Return what leaves out a share of the numbers."""
    return lambda x, part, rng: {name: value for name, value in x.items() if isinstance(value, str) or rng.random() >= share}


def _late(x: Features, part: float, rng: random.Random) -> Features:
    return {name: value for i, (name, value) in enumerate(x.items()) if i % 2 or part >= 0.5}


def _other_unit(x: Features, part: float, rng: random.Random) -> Features:
    return _changed(x, lambda value: 1000.0 * value if part >= 0.5 else value)


def _own_scale(x: Features, part: float, rng: random.Random) -> Features:
    scale = {name: 10.0 ** random.Random(name).uniform(-4.0, 4.0) for name in x}
    return {name: value if isinstance(value, str) else scale[name] * (value + 3.0) for name, value in x.items()}


def long_tailed(events: Events) -> Events:
    """Return events with exp(2 z) in place of each number; z is its standard deviations from the mean of its feature."""
    values: dict[str, list[float]] = {}
    for x, _ in events:
        for name, value in x.items():
            if isinstance(value, int | float):
                values.setdefault(name, []).append(value)
    scale = {name: (statistics.fmean(found), statistics.pstdev(found) or 1.0) for name, found in values.items()}

    def bent(name: str, value: Any) -> Any:
        return math.exp(2.0 * (value - scale[name][0]) / scale[name][1]) if isinstance(value, int | float) else value

    return [({name: bent(name, value) for name, value in x.items()}, y) for x, y in events]


def coded(events: Events, code: Code) -> Events:
    """Return events that name every word of the set, with what stands for its being there or not."""
    names, rng = sorted({name for x, _ in events for name in x}), random.Random(3)
    return [({name: code(bool(x.get(name)), rng) for name in names}, y) for x, y in events]


WORDS = "medical"
CODES: dict[str, Code] = {
    "1 and 0": lambda has, rng: float(has), "0 and 1": lambda has, rng: float(not has),
    "2 and 1": lambda has, rng: 1.0 + has, "yes and no": lambda has, rng: "yes" if has else "no",
    "counts": lambda has, rng: math.ceil(math.exp(1.5 * rng.gauss(0.0, 1.0))) if has else 0.0,
}  # fmt: skip
LONG_TAILS = "long tails"
SPOILS: dict[str, Spoil] = {
    "as given": _as_given, "sensors fail": _failing, "30 % missing": _missing,
    "30 % left out": _left_out(0.3), "50 % left out": _left_out(0.5),
    "half come late": _late, "another unit": _other_unit, "own scales": _own_scale, LONG_TAILS: _as_given,
}  # fmt: skip


def scores_of(events: Events, spoil: Spoil, model: Any) -> dict[str, float]:
    """Return the scores of a model on events whose features are spoiled."""
    rng, board = random.Random(2), Scoreboard()
    for i, (x, y) in enumerate(events):
        spoiled = spoil(x, i / len(events), rng)
        board.update(y, {label for label, applies in model.predict_one(spoiled).items() if applies})
        model.learn_one(spoiled, y)
    return {score: round(board.score(score), 4) for score in SCORES}


def _figures(found: dict[str, float]) -> str:
    return " / ".join(f"{found[score]:.3f}".removeprefix("0") for score in SCORES)


def codes_block() -> str:
    """Return the table of `benchmarks/README.md` on how words are written down."""
    found = load("dirty")["codes"]
    return table([f"{WORDS}, shuffled", *found], [["default", *map(_figures, found.values())]])


def dirty_block() -> str:
    """Return the table of `benchmarks/README.md`."""
    sets = load("dirty")["sets"]
    kinds = ["previous labelset", "majority labelset", *SPOILS]
    rows = [[name, *(_figures(found[kind]) for kind in kinds)] for name, found in sets.items()]
    return table(["set, shuffled", *kinds], rows)


def shuffled(name: str) -> Events:
    """Return the events of a real set in an order of their own."""
    events = events_of(name)
    random.Random(1).shuffle(events)
    return events


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    arguments = parser.parse_args()
    require_sets(parser, [*SETS, WORDS])
    sets: dict[str, dict[str, dict[str, float]]] = {}
    for name in SETS:
        events = shuffled(name)
        sets[name] = {
            "previous labelset": scores_of(events, _as_given, PreviousLabelset()),
            "majority labelset": scores_of(events, _as_given, MajorityLabelset()),
        }
        for kind, spoil in SPOILS.items():
            given = long_tailed(events) if kind == LONG_TAILS else events
            sets[name][kind] = scores_of(given, spoil, IHOMERClassifier())
            print(f"{name:12s} {kind:14s}", *(f"{value:.3f}" for value in sets[name][kind].values()), flush=True)
    codes = {kind: scores_of(coded(shuffled(WORDS), code), _as_given, IHOMERClassifier()) for kind, code in CODES.items()}
    for kind, found in codes.items():
        print(f"{WORDS:12s} {kind:14s}", *(f"{value:.3f}" for value in found.values()))
    if arguments.write:
        write("dirty", {"sets": sets, "codes": codes})


if __name__ == "__main__":
    run_command(main)
