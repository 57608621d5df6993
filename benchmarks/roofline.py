"""Which kernels take the time, and how near do they come to what the machine can do?

    python -m benchmarks.roofline            # about a minute
    python -m benchmarks.roofline --write    # and write results/roofline.json and results/roofline.svg

The machine, one core: memory bandwidth by the triad a = b + s c over arrays much larger than the cache, and within each
cache, 24 bytes counted for each element; operations per second by chains of four multiplications and additions of independent
numbers out of the first-level cache. Both are compiled as the kernels are.

The kernels: a default model learns all but the last events of the first 5,000 of a set; in learning the last 512 by
`learn_many` each call of a kernel is timed (processor time, best of some copies of the model), and on another copy their
operations and bytes are counted event by event (`benchmarks.kernel_counts`). The roof at a point is the lesser of the
multiply-add rate and bandwidth times operations per byte. Cells that stay in a cache from one event to the next can lift a
kernel above the roof of the memory; the roof of the second-level cache stands beside it. The top of the roof is that of
float32; decoder, mixture, naive Bayes and the local systems of equations reckon in float64, whose top is half as high.
"""

import argparse
import copy
import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import RESULTS, events_of, load, matrices, require_sets, run_command, write
from benchmarks.drawing import GREY, plotter, save
from benchmarks.kernel_counts import COUNTERS, Count, count_call
from benchmarks.readme_parts import table
from benchmarks.report.pictures import COLOURS, MARKERS, label_points
from ihomer import IHOMERClassifier
from ihomer.kernels.common import jit

SETS = ("yeast", "tmc2007_500", "bibtex")
EVENTS, TIMED, REPEATS = 5000, 512, 5
WORKING_SETS = {"L1": 24_000, "L2": 600_000, "L3": 12_000_000, "memory": 400_000_000}  # bytes of the triad's three arrays
_SECONDS = 0.3  # of each measurement of the machine
_LEAST_SECONDS = 1e-9  # of a kernel: too short for the clock of the processor is not for nothing
# Kernel -> the modules that call it.
_CALLERS = {
    "scale_rows": ("ihomer.scaling",),
    "mark_targets": ("ihomer.scaling",),
    "frequency_rows": ("ihomer.experts.frequency",),
    "local_rows": ("ihomer.experts.neighbours",),
    "linear_rows": ("ihomer.experts.linear",),
    "rehearsal_rows": ("ihomer.experts.rehearsal",),
    "ridge_rows": ("ihomer.experts.ridge",),
    "bayes_rows": ("ihomer.experts.bayes",),
    "mix_rows": ("ihomer.mixing",),
    "decode_rows": ("ihomer.decoding",),
    "learn_rows": ("ihomer.kernels.tree_learn",),
    "watch_answers": ("ihomer.classifier",),
    "count_votes": ("ihomer.classifier",),
}
# How a kernel goes over its cells: what it waits for where it is far from both roofs.
_ACCESS = {
    "local_rows": "links from row to row (random access), sums over few rows",
    "decode_rows": "members of labelsets (random access), short loops with branches",
    "bayes_rows": "a division for each label and feature",
    "mix_rows": "a root and a division for each label and expert",
    "linear_rows": "short rows of weights, one for each feature",
    "rehearsal_rows": "short rows of weights, one for each feature",
}
_NEAR, _FAR = 0.5, 0.25  # of the roof of the memory: from here on bandwidth holds a kernel back; below, something else does


@jit
def _triad(a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], s: float, times: int) -> None:
    for _ in range(times):
        for i in range(a.size):
            a[i] = b[i] + s * c[i]


@jit
def _multiply_add(values: NDArray[Any], factor: Any, term: Any, times: int) -> None:
    """Let each value go through four steps x = x * factor + term in a register, again and again."""
    for _ in range(times):
        for i in range(values.size):
            x = values[i] * factor + term
            x = x * factor + term
            x = x * factor + term
            values[i] = x * factor + term


def fastest(run: Callable[[], Any], seconds: float = _SECONDS) -> float:
    """Return the least seconds that a function took, called again and again for some time.

    By the wall: the clock of the processor moves in steps of milliseconds on some machines.
    """
    run()
    best, until = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return float(best)


def bandwidth(n_bytes: int) -> float:
    """Return the bytes per second of the triad over three arrays of doubles of so many bytes together."""
    n = n_bytes // 24
    a, b, c = np.zeros(n), np.ones(n), np.ones(n)
    times = max(1, 3_000_000 // n)
    return 24 * n * times / fastest(lambda: _triad(a, b, c, 1.5, times))


def multiply_add_rate(dtype: Any, size: int = 512, times: int = 4000) -> float:
    """Return the operations per second of multiplications and additions of independent numbers."""
    values = np.ones(size, dtype)
    factor, term = dtype(0.999), dtype(0.001)
    return 8 * size * times / fastest(lambda: _multiply_add(values, factor, term, times))


def measure_machine() -> dict[str, Any]:
    """Return bandwidths in GB/s and operation rates in GFLOP/s of one core."""
    return {
        "bandwidth_gb_s": {name: round(bandwidth(size) / 1e9, 1) for name, size in WORKING_SETS.items()},
        "multiply_add_gflop_s": {t.__name__: round(multiply_add_rate(t) / 1e9, 1) for t in (np.float32, np.float64)},
    }


@contextmanager
def replaced(wrap: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """Put a function around each kernel where it is called from, and take it away again."""
    kept = []
    try:
        for name, modules in _CALLERS.items():
            for module in map(importlib.import_module, modules):
                kept.append((module, name, getattr(module, name)))
                setattr(module, name, wrap(name, kept[-1][2]))
        yield
    finally:
        for module, name, kernel in kept:
            setattr(module, name, kernel)


def timed(model: Any, X: Any, Y: Any) -> dict[str, float]:
    """Learn rows by `learn_many`; return the processor seconds of each kernel, and of all as `total`."""
    spent: dict[str, float] = {}

    def wrap(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            start = time.process_time()
            result = kernel(*arguments)
            spent[name] = spent.get(name, 0.0) + time.process_time() - start
            return result

        return call

    with replaced(wrap):
        start = time.process_time()
        model.learn_many(X, Y)
        spent["total"] = time.process_time() - start
    return spent


def counted(model: Any, X: Any, Y: Any) -> dict[str, Count]:
    """Learn rows one at a time; return what each kernel that can be counted does for all of them."""
    counts: dict[str, Count] = {}

    def wrap(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        if name not in COUNTERS:
            return kernel

        def call(*arguments: Any) -> Any:
            before = copy.deepcopy(arguments)
            result = kernel(*arguments)
            counts[name] = counts.get(name, Count()).plus(count_call(kernel, before, arguments))
            return result

        return call

    with replaced(wrap):
        for row in range(len(Y)):
            model.learn_many(X[row : row + 1], Y[row : row + 1])
    return counts


def learned(make: Callable[[], Any], X: Any, Y: Any, n_last: int) -> Any:
    """Return a model that has learned all rows but the last ones."""
    model = make()
    model.learn_many(X[: len(Y) - n_last], Y[: len(Y) - n_last])
    return model


def microseconds(model: Any, X: Any, Y: Any, repeats: int) -> dict[str, float]:
    """Return the microseconds per event of each kernel, of all together as `total`, and of what is outside, most first."""
    runs = [timed(copy.deepcopy(model), X, Y) for _ in range(repeats)]
    best = {name: min(run[name] for run in runs) / len(Y) * 1e6 for name in runs[0]}
    total = best.pop("total")
    best["outside the kernels"] = max(0.0, total - sum(best.values()))
    ranked = sorted(best.items(), key=lambda item: -item[1])
    return {"total": round(total, 2), **{name: round(value, 2) for name, value in ranked}}


def about(count: Count, n_events: int, spent: float, machine: dict[str, Any]) -> dict[str, float]:
    """Return where a kernel stands that took some seconds for what was counted."""
    count, spent = Count(*map(float, count)), max(spent, _LEAST_SECONDS)
    rate, moved = count.operations / spent / 1e9, count.moved / spent / 1e9
    intensity = count.operations / count.moved
    peak = machine["multiply_add_gflop_s"]["float32"]
    roofs = {name: min(peak, intensity * machine["bandwidth_gb_s"][name]) for name in ("memory", "L2")}
    return {
        "operations_per_event": round(count.operations / n_events),
        "special_per_event": round(count.special / n_events),
        "bytes_per_event": round(count.moved / n_events),
        "operations_per_byte": round(intensity, 3),
        "gflop_s": round(rate, 3),
        "gb_s": round(moved, 3),
        "of_peak": round(rate / peak, 4),
        "of_memory_bandwidth": round(moved / machine["bandwidth_gb_s"]["memory"], 4),
        "of_memory_roof": round(rate / roofs["memory"], 4),
        "of_L2_roof": round(rate / roofs["L2"], 4),
    }


def measure(X: Any, Y: Any, machine: dict[str, Any], n_timed: int = TIMED, repeats: int = REPEATS) -> dict[str, Any]:
    """Return the times of the kernels on the last events of a set, and where those that can be counted stand."""
    last = slice(len(Y) - n_timed, len(Y))
    model = learned(IHOMERClassifier, X, Y, n_timed)
    times = microseconds(model, X[last], Y[last], repeats)
    counts = counted(copy.deepcopy(model), X[last], Y[last])
    trees = learned(IHOMERClassifier.paper, X, Y, n_timed) if Y.shape[1] < 50 else None
    stands = {name: about(counts[name], n_timed, times[name] * n_timed * 1e-6, machine) for name in times if name in counts}
    return {
        "n_events": len(Y),
        "n_features": X.shape[1],
        "n_labels": Y.shape[1],
        "microseconds_per_event": times,
        "paper_microseconds_per_event": microseconds(trees, X[last], Y[last], 2) if trees is not None else {},
        "kernels": stands,
    }


def held_back(kernel: str, row: dict[str, float]) -> str:
    """Return in words what holds a kernel back.

    Examples
    --------
    >>> from benchmarks.roofline import held_back
    >>> held_back("decode_rows", {"of_memory_roof": 0.06, "of_memory_bandwidth": 0.06})
    'latency: members of labelsets (random access), short loops with branches'
    """
    if row["of_memory_roof"] > 1.0:
        return "bandwidth of the caches"
    if row["of_memory_roof"] >= _NEAR:
        return "bandwidth"
    why = _ACCESS.get(kernel, "short loops")
    return f"latency: {why}" if row["of_memory_roof"] < _FAR else f"in part bandwidth; {why}"


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw roofs and kernels: operations per second against operations per byte, both logarithmic."""
    plt = plotter()
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    figure, axes = plt.subplots(figsize=(7.5, 6.0))
    machine = found["machine_measured"]
    peak = machine["multiply_add_gflop_s"]["float32"]
    points = [
        (row["operations_per_byte"], row["gflop_s"], name, i)
        for i, measured in enumerate(found["sets"].values())
        for name, row in measured["kernels"].items()
    ]
    left = min(x for x, *_ in points) / 2
    right = max(max(x for x, *_ in points), peak / machine["bandwidth_gb_s"]["memory"]) * 1.5
    for name, rate in machine["bandwidth_gb_s"].items():
        weight = 1.6 if name == "memory" else 0.8
        corner = peak / rate
        axes.plot([left, corner, right], [left * rate, peak, peak], color=GREY, lw=weight, zorder=1)
    low = min(y for _, y, *_ in points) / 1.8
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(left, right)
    axes.set_ylim(low, peak * 2.5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("operations per byte of the cells that an event needs")
    axes.set_ylabel("GFLOP/s")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(alpha=0.25, color=GREY)
    axes.set_axisbelow(True)
    _name_roofs(figure, axes, machine, peak, left, right)
    styles = list(zip(COLOURS, COLOURS.values(), strict=True))
    for i, name in enumerate(found["sets"]):
        group, colour = styles[i % len(styles)]
        marker = "o" if MARKERS[group] == "*" else MARKERS[group]
        own = [(x, y) for x, y, _, which in points if which == i]
        axes.plot(*zip(*own, strict=True), linestyle="none", marker=marker, markersize=6, color=colour, label=name, zorder=2)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(found["sets"]), frameon=False)
    named = [(x, y, name.removesuffix("_rows"), styles[i % len(styles)][1]) for x, y, name, i in points]
    along = np.geomspace(left, right, 400).tolist()
    roofs = [(x, min(x * rate, peak)) for rate in machine["bandwidth_gb_s"].values() for x in along]
    label_points(figure, axes, named, roofs, lines_apart=True)
    save(plt, figure, path)


def _name_roofs(figure: Any, axes: Any, machine: dict[str, Any], peak: float, left: float, right: float) -> None:
    """Write beside each roof what it is, turned along the line."""
    figure.canvas.draw()
    axes.text(right, peak * 1.08, f"multiply and add, float32: {peak:,.0f} GFLOP/s", ha="right", va="bottom", fontsize=7)
    for name, rate in machine["bandwidth_gb_s"].items():
        x = left * 1.15
        (x0, y0), (x1, y1) = axes.transData.transform([(x, x * rate), (2 * x, 2 * x * rate)])
        angle = float(np.degrees(np.arctan2(y1 - y0, x1 - x0)))
        axes.text(
            x, x * rate * 1.06, f"{name} {rate:,.0f} GB/s", rotation=angle, rotation_mode="anchor", fontsize=7, va="bottom"
        )  # fmt: skip


def profile_block(found: dict[str, Any] | None = None) -> str:
    """Return the microseconds per event of each kernel on each set."""
    sets = (found or load("roofline"))["sets"]
    names = sorted(
        {name for row in sets.values() for name in row["microseconds_per_event"]} - {"total", "outside the kernels"},
        key=lambda name: -sum(row["microseconds_per_event"].get(name, 0.0) for row in sets.values()),
    )
    rows = [
        [name, *[f"{row['microseconds_per_event'].get(name, 0.0):,.1f}" for row in sets.values()]]
        for name in [*names, "outside the kernels", "total"]
    ]
    return table(["µs per event, default, many", *sets], rows)


def roofline_block(found: dict[str, Any] | None = None) -> str:
    """Return what the machine can do, and how near each kernel comes to it."""
    found = found or load("roofline")
    machine = found["machine_measured"]
    rates = ", ".join(f"{name} {rate:,.1f}" for name, rate in machine["bandwidth_gb_s"].items())
    adds = machine["multiply_add_gflop_s"]
    head = (
        f"One core of this machine: triad {rates} GB/s; multiply and add {adds['float32']:,.0f} GFLOP/s in float32, "
        f"{adds['float64']:,.0f} in float64."
    )
    rows = [
        [
            f"{name}: {kernel}", f"{row['operations_per_event']:,}", f"{row['bytes_per_event']:,}",
            f"{row['operations_per_byte']:.2f}", f"{row['gflop_s']:.2f}", f"{row['gb_s']:.2f}", f"{row['of_peak']:.1%}",
            f"{row['of_memory_bandwidth']:.0%}", f"{row['of_memory_roof']:.0%}", held_back(kernel, row),
        ]
        for name, measured in found["sets"].items()
        for kernel, row in measured["kernels"].items()
    ]  # fmt: skip
    columns = ["kernel", "operations per event", "bytes", "operations per byte", "GFLOP/s", "GB/s", "of peak", "of bandwidth"]
    return head + "\n\n" + table([*columns, "of the memory's roof", "held back by"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    parser.add_argument("sets", nargs="*", default=list(SETS), help="names of data sets; all by default")
    arguments = parser.parse_args()
    require_sets(parser, arguments.sets)
    result: dict[str, Any] = {"machine_measured": measure_machine(), "sets": {}}
    print(result["machine_measured"], flush=True)
    for name in arguments.sets:
        X, Y, _, _ = matrices(events_of(name)[:EVENTS])
        result["sets"][name] = measure(X, Y, result["machine_measured"])
        print(name, result["sets"][name], flush=True)
    print(profile_block(result), roofline_block(result), sep="\n\n")
    if arguments.write:
        write("roofline", result)
        draw(result, RESULTS / "roofline.svg")


if __name__ == "__main__":
    run_command(main)
