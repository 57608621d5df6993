"""The label clusters found in real sets: sizes and members.

python -m benchmarks.partition_sets --write
"""

import argparse
from typing import Any

from benchmarks.common import events_of, require_sets, run_command, write
from ihomer import LabelPartition

SETS = ("yeast", "scene", "birds", "medical", "enron", "slashdot", "tmc2007_500", "bibtex", "corel5k", "delicious")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    arguments = parser.parse_args()
    require_sets(parser, SETS)
    result: dict[str, Any] = {}
    for name in SETS:
        partition = LabelPartition()
        partition.learn_many([labels for _, labels in events_of(name)])
        clusters = sorted(partition.clusters.values(), key=lambda labels: (-len(labels), labels))
        result[name] = {
            "sizes": [len(labels) for labels in clusters],
            "n_drifts": len(partition.drifts),
            "clusters_of_2_to_8": [list(labels) for labels in clusters if 2 <= len(labels) <= 8][:12],
        }
        print(name, result[name]["sizes"], result[name]["clusters_of_2_to_8"][:4], flush=True)
    if arguments.write:
        write("partition_sets", {"sets": result})


if __name__ == "__main__":
    run_command(main)
