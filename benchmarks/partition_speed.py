"""How fast does the clustering of labels learn, and how much memory does it take?

    python -m benchmarks.partition_speed --write

20,000 labels by Zipf's law, 5 distinct ones in each event, tests of the partition included.
"""

import argparse
import time
from typing import Any

import numpy as np

from benchmarks.common import write
from ihomer import LabelPartition
from streams.zipf import zipf_labelsets

LABELS, PER_EVENT, EVENTS = 20_000, 5, 200_000


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
    parser.add_argument("--write", action="store_true")
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
    main()
