"""Whether the results bear out what is claimed of the default model: each figure beside the one that it must reach.

    python -m benchmarks.claims            # what falls short, and how many checks there were
    python -m benchmarks.claims --all      # every check
    python -m benchmarks.claims --write    # and write results/claims.json

Reads the files in benchmarks/results and benchmarks/published.toml, and runs nothing.
"""

import argparse
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.common import load, run_command, write
from benchmarks.scores import ALONE, FURTHER, SETS, SIMPLE

FLOOR = {"subset_accuracy": 0.34, "example_f1": 0.625, "micro_f1": 0.60, "macro_f1": 0.41}
AIM = {"subset_accuracy": 0.38, "example_f1": 0.66, "micro_f1": 0.64, "macro_f1": 0.46}
OBJECTIVES = {"subset": "subset_accuracy", "example_f1": "example_f1", "micro_f1": "micro_f1", "macro_f1": "macro_f1"}
NEAR = 0.01  # below the best way to decode of the prototype on one set
MOST_OVER = 1.02  # log-loss over that of the best single expert
EVENTS_PER_SECOND = {"yeast": 5000, "tmc2007_500": 10000, "bibtex": 2000, "scene": 2500}
JUDGED = ("subset_accuracy", "micro_f1")
SHUFFLED = ("scene", "eukaryote_go")
PEERS = ("river_logistic_regression", "vowpal_wabbit", "mlhat")
TRIVIAL = ("previous labelset", "majority labelset")


class Check(NamedTuple):
    """One claim about one figure."""

    claim: str
    where: str
    figure: float
    bound: float
    at_most: bool = False

    @property
    def holds(self) -> bool:
        """Whether the figure reaches its bound: exceeds it where it is another's, is at most it where less is better."""
        if self.at_most:
            return self.figure <= self.bound
        return self.figure > self.bound if self.claim.startswith("above") else self.figure >= self.bound


def published() -> dict[str, dict[str, list[float]]]:
    """Return the figures of others."""
    return tomllib.loads((Path(__file__).parent / "published.toml").read_text())


def mean_scores() -> Iterator[Check]:
    """The means over the sets: floor and aim."""
    means = load("scores")["means"]["default"]
    for score, bound in FLOOR.items():
        yield Check("mean, floor", score, means[score], bound)
    for score, bound in AIM.items():
        yield Check("mean, aim", score, means[score], bound)


def against_others(name: str, row: dict[str, float], order: str = "") -> Iterator[Check]:
    """One set against the figures of others."""
    figures = published()
    for source in ("best_published", *PEERS):
        for score, bound in zip(("subset_accuracy", "micro_f1", "macro_f1"), figures.get(source + order, {}).get(name, []),
                                strict=False):  # fmt: skip
            yield Check(f"above {source.replace('_', ' ')}", f"{name}{order.replace('_', ', ')}: {score}", row[score], bound)


def against_simple(name: str, rows: dict[str, Any], order: str = "") -> Iterator[Check]:
    """One set against the simple learners of the same run; where one had no time for all events, on those that it had."""
    for other in SIMPLE:
        if other in rows:
            own = rows[other].get("default_on_these", rows["default"])
            on = f", first {rows[other]['n_events']} events" if "n_events" in rows[other] else ""
            for score in JUDGED:
                yield Check(f"above {other}", f"{name}{order}{on}: {score}", own[score], rows[other][score])


def each_set() -> Iterator[Check]:
    """Every set, the further ones included, in file order and shuffled."""
    for file, names, order in (("scores", SETS, ""), ("scores_further", FURTHER, ""),
                               ("scores_further_shuffled", FURTHER, ", shuffled")):  # fmt: skip
        sets = load(file, {}).get("sets", {})
        for name in names:
            if name in sets:
                if not order:
                    yield from against_others(name, sets[name]["default"])
                yield from against_simple(name, sets[name], order)


def shuffled() -> Iterator[Check]:
    """Sets sorted by label, shuffled: against everything simple, and every expert alone."""
    sets = load("scores_shuffled")["sets"]
    for name in SHUFFLED:
        rows = sets[name]
        yield from against_others(name, rows["default"], "_shuffled")
        yield from against_simple(name, rows, ", shuffled")
        yield from against_alone(name, rows, ", shuffled")


def further_alone() -> Iterator[Check]:
    """The further sets: the mixture against each of its families alone."""
    for file, order in (("scores_further", ""), ("scores_further_shuffled", ", shuffled")):
        for name, rows in load(file, {}).get("sets", {}).items():
            yield from against_alone(name, rows, order)


def against_alone(name: str, rows: dict[str, Any], order: str) -> Iterator[Check]:
    """One set against each family of experts alone."""
    for other in ALONE:
        if other in rows:
            for score in JUDGED:
                yield Check(f"above {other}", f"{name}{order}: {score}", rows["default"][score], rows[other][score])


def objectives() -> Iterator[Check]:
    """What each objective names, against the best way to decode of the prototype."""
    found, prototype = load("scores"), published()["prototype"]
    for place, (objective, score) in enumerate(OBJECTIVES.items()):
        model = f"objective={objective}"
        yield Check(f"{model}, mean", score, found["means"][model][score], prototype["mean"][place])
        for name in SETS:
            if place < len(prototype[name]):
                bound = round(prototype[name][place] - NEAR, 4)
                yield Check(f"{model}, at most .01 below", f"{name}: {score}", found["sets"][name][model][score], bound)


def log_loss() -> Iterator[Check]:
    """The mixture's log-loss over that of its best single expert."""
    for name, row in load("ablation")["sets"].items():
        yield Check("log-loss over the best expert", name, row["default"]["over_best_expert"], MOST_OVER, at_most=True)


def first_events() -> Iterator[Check]:
    """The first 200 events of each set, against the best trivial answer in each score."""
    for file in ("scores", "scores_further"):
        for name, rows in load(file, {}).get("sets", {}).items():
            for score in FLOOR:
                best = max(rows[other]["first"][score] for other in TRIVIAL)
                yield Check("first 200 events", f"{name}: {score}", rows["default"]["first"][score], best)


def drift() -> Iterator[Check]:
    """Streams of ten on which the default recovers faster than each single expert: more than half at least."""
    for other, text in load("drift")["default_faster_than"].items():
        if other.endswith("alone"):
            faster, _, streams = text.partition(" of ")
            yield Check("recovers faster after sudden drift", other, float(faster), float(int(streams) // 2 + 1))


def speed() -> Iterator[Check]:
    """Events per second: in batches, one event at a time, and by two calls for each event."""
    found = load("speed")["events_per_second"]
    for name, bound in EVENTS_PER_SECOND.items():
        yield Check("events per second, batches", name, found[name]["default_many"], bound)
        yield Check("events per second, one at a time", name, found[name]["default_one_at_a_time"], bound / 2)
        yield Check("events per second, predict_one and learn_one", name, found[name]["default_one_by_one"], bound / 2)


def checks() -> list[Check]:
    """Return all checks."""
    parts = (mean_scores, each_set, objectives, shuffled, log_loss, first_events, drift, speed, further_alone)
    return [check for part in parts for check in part()]


def as_row(check: Check) -> list[str]:
    """Return a check as cells of a table."""
    sign = "<=" if check.at_most else (">" if check.claim.startswith("above") else ">=")
    return [check.claim, check.where, f"{check.figure:,.4g}", f"{sign} {check.bound:,.4g}", "" if check.holds else "short"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="print the comparisons that hold too")
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    arguments = parser.parse_args()
    found = checks()
    short = [check for check in found if not check.holds]
    for check in found if arguments.all else short:
        print("| " + " | ".join(as_row(check)) + " |")
    print(f"{len(found) - len(short)} of {len(found)} hold")
    if arguments.write:
        rows = [{**check._asdict(), "holds": check.holds} for check in found]
        write("claims", {"n_checks": len(found), "n_holding": len(found) - len(short), "checks": rows})


if __name__ == "__main__":
    run_command(main)
