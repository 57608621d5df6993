"""How does the time per event grow with the stream? Each size is varied alone; the exponent of a power law is fitted.

    python -m benchmarks.growth            # about two minutes
    python -m benchmarks.growth --write    # and write results/growth.json and results/growth.svg

The default model learns a synthetic stream (`streams.synthetic`, `streams.zipf`) by `test_then_train_many`; the time per event
is that of the events after the first 1,500, in processor time, the fastest of three. Along the length of a stream it is the
time of the last events before each length. The exponent is the slope of log time over log size by least squares, with its
standard error; `last_exponent` is the slope between the two largest sizes, where costs that do not grow count least. 1 is
linear, 0 constant. A model file's size and the memory of a process at its most are measured against the number of labels.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse, stats

from benchmarks.common import RESULTS, load, run_command, write
from benchmarks.compare.worker import peak_memory_mb
from benchmarks.drawing import GREY, plotter, save
from benchmarks.readme_parts import table
from benchmarks.report.pictures import COLOURS
from ihomer import IHOMERClassifier
from streams.synthetic import SyntheticStream
from streams.zipf import zipf_labelsets

WARM, TIMED, REPEATS = 1500, 1000, 3
SIZES: dict[str, tuple[int, ...]] = {
    "features per event": (10, 30, 100, 300, 900, 2700),
    "words known": (100, 300, 1000, 3000, 9000),
    "labels": (8, 24, 72, 216, 648, 1944),
    "planted clusters": (1, 2, 4, 8, 16),
    "events learned": (1000, 3000, 10_000, 30_000, 100_000),
}
FIXED = {
    "features per event": "12 labels in 4 groups",
    "words known": "20 words an event, 12 labels in 4 groups",
    "labels": "20 features, Zipf's law, 3 labels an event",
    "planted clusters": "20 features, 48 labels, 2 an event",
    "events learned": "20 features, 12 labels in 4 groups",
}
MEMORY = SIZES["labels"]
_WINDOW = 500  # events timed before each length of a stream; half of them where that is less

Data = tuple[Any, Any]


def fit(sizes: Sequence[float], values: Sequence[float]) -> dict[str, float]:
    """Return the exponent of a power law with its standard error, and the exponent between the two largest sizes.

    Examples
    --------
    >>> from benchmarks.growth import fit
    >>> fit([1, 10, 100, 1000], [3, 30, 300, 3000])
    {'exponent': 1.0, 'standard_error': 0.0, 'last_exponent': 1.0}
    """
    x, y = np.log(np.asarray(sizes, float)), np.log(np.asarray(values, float))
    line = stats.linregress(x, y)
    last = (y[-1] - y[-2]) / (x[-1] - x[-2])
    return {
        "exponent": round(float(line.slope), 3),
        "standard_error": round(float(np.nan_to_num(line.stderr)), 3),  # nan where nothing varies
        "last_exponent": round(float(last), 3),
    }


def synthetic(n_events: int, **parameters: Any) -> Data:
    """Return a synthetic stream as matrices, words as a sparse one."""
    stream = SyntheticStream(n_events, seed=1, **parameters)
    X, Y = (np.concatenate(parts) for parts in zip(*stream.blocks(), strict=True))
    return (sparse.csr_array(X) if parameters.get("n_words") else X), Y


def zipf_labelled(n_events: int, n_labels: int, n_features: int = 20, per_event: int = 3) -> Data:
    """Return labelsets by Zipf's law, with features that are the sum of a random centre of each label, and noise."""
    indptr, indices = zipf_labelsets(n_labels, per_event, n_events, seed=1)
    generator = np.random.default_rng(1)
    Y = sparse.csr_array((np.ones(len(indices)), indices, indptr), shape=(n_events, n_labels)).toarray()
    centres = generator.normal(size=(n_labels, n_features))
    return Y @ centres + generator.normal(size=(n_events, n_features)), Y.astype(np.uint8)


def stream_of(what: str, size: int, n_events: int) -> Data:
    """Return the stream in which one size is varied."""
    if what == "features per event":
        return synthetic(n_events, n_features=size)
    if what == "words known":
        return synthetic(n_events, n_features=0, n_words=size)
    if what == "labels":
        return zipf_labelled(n_events, size)
    if what == "planted clusters":
        return synthetic(n_events, n_labels=48, groups=size)
    return synthetic(n_events)


def seconds_per_event(data: Data, n_warm: int) -> float:
    """Return the processor seconds per event after the first `n_warm`."""
    X, Y = data
    model = IHOMERClassifier()
    model.learn_many(X[:n_warm], Y[:n_warm])
    start = time.process_time()
    model.test_then_train_many(X[n_warm:], Y[n_warm:])
    return (time.process_time() - start) / (len(Y) - n_warm)


def seconds_along(data: Data, lengths: Sequence[int]) -> list[float]:
    """Return the processor seconds per event of the last events before each length, in one pass."""
    X, Y = data
    model = IHOMERClassifier()
    done, found = 0, []
    for length in lengths:
        start = length - min(_WINDOW, (length - done) // 2)
        model.learn_many(X[done:start], Y[done:start])
        began = time.process_time()
        model.test_then_train_many(X[start:length], Y[start:length])
        found.append((time.process_time() - began) / (length - start))
        done = length
    return found


def measure(what: str, sizes: Sequence[int], warm: int = WARM, timed: int = TIMED, repeats: int = REPEATS) -> dict[str, Any]:
    """Return the microseconds per event for each size, and the fitted exponent."""
    if what == "events learned":
        data = stream_of(what, 0, max(sizes))
        runs = [seconds_along(data, sizes) for _ in range(repeats)]
    else:
        streams = [stream_of(what, size, warm + timed) for size in sizes]
        runs = [[seconds_per_event(data, warm) for data in streams] for _ in range(repeats)]
    best = [round(min(column) * 1e6, 2) for column in zip(*runs, strict=True)]
    return {"sizes": list(sizes), "microseconds_per_event": best, **fit(sizes, best)}


def memory_of(n_labels: int, n_events: int = WARM + TIMED) -> dict[str, float]:
    """Return the most memory that this process has used, before and after learning, and the model file's, in 10^6 bytes."""
    X, Y = zipf_labelled(n_events, n_labels)
    warm_up = IHOMERClassifier()
    warm_up.learn_many(X[:300, :2], Y[:300, :4])
    del warm_up
    before = peak_memory_mb()
    model = IHOMERClassifier()
    model.learn_many(X, Y)
    after = peak_memory_mb()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        model.save(path)
        return {"before_mb": round(before, 1), "peak_mb": round(after, 1), "file_mb": round(path.stat().st_size / 1e6, 2)}


def measure_memory(sizes: Sequence[int]) -> dict[str, Any]:
    """Return the memory for each number of labels, each in its own process, and the exponents of file and growth."""
    rows = []
    for size in sizes:
        command = [sys.executable, "-m", "benchmarks.growth", "--memory", str(size)]
        rows.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    found: dict[str, Any] = {"labels": list(sizes)}
    for name in ("before_mb", "peak_mb", "file_mb"):
        found[name] = [row[name] for row in rows]
    return {**found, "file": fit(sizes, found["file_mb"])}


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw the time per event against each size, both logarithmic, with the fitted lines; and the memory against labels."""
    plt = plotter()
    figure, grid = plt.subplots(2, 3, figsize=(9.0, 5.6))
    cells = list(grid.flat)
    top = [value for row in found["time"].values() for value in row["microseconds_per_event"]]
    for axes, (what, row) in zip(cells, found["time"].items(), strict=False):
        _panel(axes, row["sizes"], row["microseconds_per_event"], row, COLOURS["ours"])
        axes.set_ylim(min(top) / 1.5, max(top) * 1.5)
        axes.set_xlabel(what)
        axes.set_ylabel("µs per event")
    memory, axes = found["memory"], cells[len(found["time"])]
    _panel(axes, memory["labels"], memory["file_mb"], memory["file"], COLOURS["global"])
    grown = [after - before for after, before in zip(memory["peak_mb"], memory["before_mb"], strict=True)]
    axes.plot(memory["labels"], grown, marker="s", markersize=5, color=COLOURS["local"], lw=1)
    first = memory["labels"][0]
    for name, value, dy, colour in (
        ("file", memory["file_mb"][0], -11, COLOURS["global"]),
        ("process", grown[0], 8, COLOURS["local"]),
    ):
        axes.annotate(
            name, (first, value), xytext=(0, dy), textcoords="offset points", ha="left", va="center", color=colour, fontsize=8
        )  # fmt: skip
    axes.set_ylim(min(memory["file_mb"] + grown) / 2, max(memory["file_mb"] + grown) * 3)
    axes.set_xlabel("labels")
    axes.set_ylabel("MB")
    figure.tight_layout()
    save(plt, figure, path)


def _panel(axes: Any, sizes: Sequence[float], values: Sequence[float], fitted: dict[str, float], colour: str) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    x = np.log(np.asarray(sizes, float))
    line = np.exp(np.mean(np.log(values)) + fitted["exponent"] * (x - x.mean()))
    axes.plot(sizes, line, color=GREY, lw=1, linestyle="--")
    axes.plot(sizes, values, linestyle="none", marker="o", markersize=5, color=colour)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(sizes)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.tick_params(labelsize=7.5)
    axes.grid(alpha=0.25, color=GREY)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    told = f"exponent {fitted['exponent']:.2f} ± {fitted['standard_error']:.2f}, at the end {fitted['last_exponent']:.2f}"
    axes.set_title(told, fontsize=8, color=GREY)


def growth_block(found: dict[str, Any] | None = None) -> str:
    """Return times and fitted exponents of each size, and the memory against labels."""
    found = found or load("growth")
    rows = [
        [
            f"{what} ({FIXED[what]})", " / ".join(f"{size:,}" for size in row["sizes"]),
            " / ".join(f"{value:,.0f}" for value in row["microseconds_per_event"]),
            f"{row['exponent']:.2f} ± {row['standard_error']:.2f}", f"{row['last_exponent']:.2f}",
        ]
        for what, row in found["time"].items()
    ]  # fmt: skip
    memory = found["memory"]
    grown = [after - before for after, before in zip(memory["peak_mb"], memory["before_mb"], strict=True)]
    told = (
        f"With {' / '.join(f'{size:,}' for size in memory['labels'])} labels a model's file has "
        f"{' / '.join(f'{size:,.1f}' for size in memory['file_mb'])} MB (exponent {memory['file']['exponent']:.2f} ± "
        f"{memory['file']['standard_error']:.2f}), and its process grows by {' / '.join(f'{size:,.0f}' for size in grown)} MB."
    )
    head = ["varied alone", "sizes", "µs per event", "exponent", "between the last two"]
    return table(head, rows) + "\n\n" + told


def run(sizes: dict[str, tuple[int, ...]], say: Callable[[str], None]) -> dict[str, Any]:
    """Measure all."""
    IHOMERClassifier().test_then_train_many(*synthetic(300))  # compiles
    result: dict[str, Any] = {"n_warm": WARM, "n_timed": TIMED, "time": {}}
    for what, some in sizes.items():
        result["time"][what] = measure(what, some)
        say(f"{what} {result['time'][what]}")
    result["memory"] = measure_memory(MEMORY)
    say(f"memory {result['memory']}")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    parser.add_argument("--memory", type=int, metavar="LABELS", help="measure this process alone")
    arguments = parser.parse_args()
    if arguments.memory is not None:
        print(json.dumps(memory_of(arguments.memory)))
        return
    result = run(SIZES, lambda line: print(line, flush=True))
    print(growth_block(result))
    if arguments.write:
        write("growth", result)
        draw(result, RESULTS / "growth.svg")


if __name__ == "__main__":
    run_command(main)
