"""How fast does the clustering of labels learn, and how much memory does it take?

    python -m benchmarks.partition_speed --write

20,000 labels by Zipf's law, 5 distinct ones in each event, in no groups, so that nothing is cut. The partition puts off tests
until counting has cost a share of what they cost: `n_rounds` says how many were held, `n_rounds_at_n_min` how many one every
n_min events would have been. `events_per_second_at_every_n_min` holds them all, over fewer events.
"""

import argparse
import time
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.common import run_command, write
from ihomer import LabelPartition
from ihomer.cluster_upkeep import ClusterUpkeep
from streams.zipf import zipf_labelsets

LABELS, PER_EVENT, EVENTS = 20_000, 5, 200_000
EVENTS_AT_N_MIN = 40_000


def in_batches(indptr: np.ndarray, indices: np.ndarray) -> tuple[LabelPartition, float]:
    """Learn all events by index, in the largest batches there are; return the partition and events per second."""
    partition = LabelPartition()
    start = time.perf_counter()
    partition.add_labels(list(range(LABELS)), [])
    row, n_rows = 0, len(indptr) - 1
    while row < n_rows:
        stop = min(row + partition.rows_to_check, n_rows)
        first, last = indptr[row], indptr[stop]
        index = np.concatenate([np.sort(indices[indptr[i] : indptr[i + 1]]) for i in range(row, stop)]).astype(np.int32)
        partition.learn_rows(indptr[row : stop + 1] - first, index, np.ones(stop - row))
        assert last - first == len(index)
        row = stop
    return partition, n_rows / (time.perf_counter() - start)


def count_rounds(indptr: np.ndarray, indices: np.ndarray) -> int:
    """Return how many rounds of tests the partition holds; apart from the timed run, which stays as it is."""
    with mock.patch.object(ClusterUpkeep, "check", autospec=True, side_effect=ClusterUpkeep.check) as check:
        in_batches(indptr, indices)
    return check.call_count


def at_every_n_min(indptr: np.ndarray, indices: np.ndarray) -> float:
    """Learn in batches with a round of tests every n_min events, none put off; return events per second."""
    due = property(lambda upkeep: upkeep.counts.n_events % upkeep.n_min == 0)
    with mock.patch.object(ClusterUpkeep, "is_due", due):
        return in_batches(indptr, indices)[1]


def one_by_one(indptr: np.ndarray, indices: np.ndarray, n_rows: int) -> float:
    """Learn events by name, one at a time; return events per second."""
    partition = LabelPartition()
    labelsets = [[f"label {i}" for i in indices[indptr[row] : indptr[row + 1]].tolist()] for row in range(n_rows)]
    start = time.perf_counter()
    for labels in labelsets:
        partition.learn_one(labels)
    return n_rows / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    arguments = parser.parse_args()
    indptr, indices = zipf_labelsets(LABELS, PER_EVENT, EVENTS, seed=0)
    indptr = np.asarray(indptr, np.int64)
    in_batches(indptr[:2001], indices)  # compiles
    partition, rate = in_batches(indptr, indices)
    summary = partition.summary
    result: dict[str, Any] = {
        "n_labels": LABELS,
        "labels_per_event": PER_EVENT,
        "n_events": EVENTS,
        "events_per_second_in_batches": round(rate),
        "events_per_second_one_by_one": round(one_by_one(indptr, indices, 50_000)),
        "n_rounds": count_rounds(indptr, indices),
        "n_rounds_at_n_min": EVENTS // partition.n_min,
        "events_at_every_n_min": EVENTS_AT_N_MIN,
        "events_per_second_at_every_n_min": round(at_every_n_min(indptr[: EVENTS_AT_N_MIN + 1], indices)),
        "n_pairs": summary["n_pairs"],
        "bytes_of_pairs": summary["bytes_of_pairs"],
        "bytes_per_pair": round(summary["bytes_of_pairs"] / summary["n_pairs"], 1),
        "n_clusters": summary["n_clusters"],
        "largest_cluster": summary["largest_cluster"],
    }
    print(result)
    if arguments.write:
        write("partition_speed", result)


if __name__ == "__main__":
    run_command(main)
