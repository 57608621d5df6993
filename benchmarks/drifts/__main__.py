"""The command `python -m benchmarks.drifts`: every kind of synthetic drift, every model, and the pictures.

python -m benchmarks.drifts            # about twenty minutes on one core
python -m benchmarks.drifts --quick    # two kinds, ours alone, one seed, shorter streams: under a minute
python -m benchmarks.drifts --write    # and write results/drift_kinds.json and results/drift_kinds_*.svg
python -m benchmarks.drifts --write --only default "default, no detector"    # some models; the others' results stay
python -m benchmarks.drifts --draw     # only draw the pictures of the result on file, anew

A stream has 5,000 events, 12 labels in 4 groups and 10 numbers; what drifts does so from event 2,500 on. The generator has
no drift that brings new labels. The loss of an event is 1 - |Y and Z| / |Y or Z|. A detection is what a model notes by itself
(`drifts`: the loss of the whole model, the label pairs of the partition, the loss of a node of a tree), or a step of river's
public counters. Models with many detectors raise many alarms, and then some alarm soon follows any drift by chance: a delay
says something only beside the number of false alarms.
"""

import argparse
import signal
import time
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, commit, load, run_command, write
from benchmarks.drifts import pictures
from benchmarks.drifts.kinds import N_EVENTS, STATIONARY, kinds
from benchmarks.drifts.models import MODELS
from benchmarks.drifts.runs import run, spans_of, summed_up

NAME = "drift_kinds"
_QUICK_KINDS, _QUICK_EVENTS = (STATIONARY, "sudden correlation"), 2_000


def measure(n_events: int, n_seeds: int, wanted: tuple[str, ...], models: list[str], say: Any = print) -> dict[str, Any]:
    """Run models over kinds of streams, all kinds if none is named; an interrupt leaves the rest out."""
    spans = spans_of(n_events)
    chosen = [kind for kind in kinds(n_events) if kind.name in wanted or not wanted]
    result: dict[str, Any] = {"complete": False, "n_events": n_events, "spans": spans._asdict(), "kinds": {}}
    for kind in chosen:
        about = {"starts": None, "ends": None} if kind.drift is None else {"starts": kind.at, "ends": kind.drift.ends}
        result["kinds"][kind.name] = {**about, "models": {}}
    began = time.monotonic()
    try:
        # The slow models stand last: an interrupt costs them alone.
        for name in models:
            model = MODELS[name]
            for kind in chosen:
                runs = [run(model, kind, seed) for seed in range(min(n_seeds, model.most_seeds))]
                row = {**summed_up(runs, kind, model, spans), "commit": commit()}
                result["kinds"][kind.name]["models"][name] = row
                told = {key: row[key] for key in ("loss_before", "loss_during", "loss_after")}
                told |= row.get("detections", {}).get("any", {})
                say(f"{time.monotonic() - began:6.0f} s  {name}, {kind.name}: {told}", flush=True)
        result["complete"] = True
    except KeyboardInterrupt:
        say("interrupted: what is not done is left out")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drifts", description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write result and pictures")
    parser.add_argument("--only", nargs="+", choices=list(MODELS), default=list(MODELS), metavar="MODEL")
    parser.add_argument("--seeds", type=int, default=5, help="streams of each kind; the slow models take fewer")
    parser.add_argument("--quick", action="store_true", help="a small part, to see that it works; nothing is written")
    parser.add_argument("--draw", action="store_true", help="only draw the pictures of the result on file")
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error("--seeds must be at least 1")
    if arguments.draw:
        draw(load(NAME), RESULTS)
        return
    if arguments.quick:
        ours = [name for name in MODELS if not name.startswith("BR ")]
        measure(_QUICK_EVENTS, 1, _QUICK_KINDS, ours)
        return
    # A shell that starts this in the background may have interrupts ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    result = measure(N_EVENTS, arguments.seeds, (), arguments.only)
    if arguments.write:
        if set(arguments.only) != set(MODELS):
            result = merged(result, load(NAME))
        write(NAME, result)
        draw(result, RESULTS)


def merged(result: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Return a result with the models that it lacks from an older one of the same streams."""
    if any(result[name] != old[name] for name in ("n_events", "spans")) or result["kinds"].keys() != old["kinds"].keys():
        raise ValueError("the result on file is of other streams")
    for kind, row in result["kinds"].items():
        both = {**old["kinds"][kind]["models"], **row["models"]}
        row["models"] = {name: both[name] for name in MODELS if name in both}
    return {**result, "complete": result["complete"] and old["complete"]}


def draw(result: dict[str, Any], folder: Path) -> None:
    """Draw the pictures of a result."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures.loss_curves(result, folder / f"{NAME}_loss.svg")
    pictures.agreement_curves(result, folder / f"{NAME}_partition.svg")


if __name__ == "__main__":
    run_command(main)
