"""What each expert weighs in the mixture of the default model: at the start, after 400 events of each set, and at its end.

    python -m benchmarks.expert_weights --write    # and write results/expert_weights.json

The weights that a new model starts from (`Expert.start`) are near the means over the sets, none below about .01.
"""

import argparse

import numpy as np

from benchmarks.common import events_of, labels_of, matrices, require_sets, run_command, write
from benchmarks.scores import SETS
from ihomer import IHOMERClassifier

EARLY = 400  # events, or all there are


def weights_on(name: str) -> dict[str, dict[str, float]]:
    """Return the weights after the first events of a set and at its end."""
    events = events_of(name)
    X, Y, _, _ = matrices(events, labels_of(name))
    model = IHOMERClassifier()
    n_early = min(EARLY, len(events))
    model.learn_many(X[:n_early], Y[:n_early])
    early = model.expert_weights
    model.learn_many(X[n_early:], Y[n_early:])
    return {"early": early, "end": model.expert_weights}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    arguments = parser.parse_args()
    require_sets(parser, SETS)
    start = IHOMERClassifier().expert_weights
    sets = {name: weights_on(name) for name in SETS}
    print(f"{'':26} start  early    end  at the end of {', '.join(sets)}")
    for expert, weight in start.items():
        early, end = (np.mean([found[when][expert] for found in sets.values()]) for when in ("early", "end"))
        single = " ".join(f"{found['end'][expert]:6.2f}" for found in sets.values())
        print(f"{expert:26} {weight:5.2f} {early:6.2f} {end:6.2f}  {single}")
    if arguments.write:
        write("expert_weights", {"start": start, "sets": sets})


if __name__ == "__main__":
    run_command(main)
