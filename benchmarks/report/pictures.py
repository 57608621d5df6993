"""The pictures of the report as SVG; the same results give the same bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, plain_axes, plotter, save
from benchmarks.report import statistics
from benchmarks.report.results import NAMES, OURS, Results, more_is_better

COLOURS = {"ours": ORANGE, "global": BLUE, "local": GREEN, "trivial": GREY, "other": PURPLE}
MARKERS = {"ours": "*", "global": "s", "local": "o", "trivial": "x", "other": "D"}


def speed_against_score(results: Results, score: str, path: Path) -> None:
    """Draw, for each model that finished at least one stream, its events per second against its score.

    The rate is the geometric mean over all streams. The score is the mean over the streams that the model finished, over the
    default model's mean on the same streams, so that a model that finished only easy ones gains nothing by it; an open marker
    and the number of streams say that it did not finish all.
    """
    plt = plotter()
    figure, axes = plt.subplots(figsize=(7.5, 5.5))
    table = results.table(score)
    ours = table[:, results.models.index(OURS)]
    points = []
    for j, model in enumerate(results.models):
        done = ~(np.isnan(table[:, j]) | np.isnan(ours))
        if not done.any() or ours[done].mean() == 0.0:
            continue
        rates = [_rate(results.cells.get((name, model), [])) for name in results.sets]
        x = float(np.exp(np.mean(np.log([rate for rate in rates if rate]))))
        y = float(table[done, j].mean() / ours[done].mean())
        group = results.groups[model]
        axes.plot(
            [x], [y], linestyle="none", marker=MARKERS[group], markersize=11 if group == "ours" else 6, color=COLOURS[group],
            fillstyle="full" if done.all() else "none",
        )  # fmt: skip
        points.append((x, y, model if done.all() else f"{model} ({int(done.sum())})", COLOURS[group]))
    _frame(axes, results, score)
    label_points(figure, axes, points)
    save(plt, figure, path)


def _frame(axes: Any, results: Results, score: str) -> None:
    axes.set_xscale("log")
    axes.margins(x=0.18)
    axes.set_xlabel("events per second, predict and learn (geometric mean over streams)")
    axes.set_ylabel(f"mean {NAMES[score]} over the default model's on the same streams")
    plain_axes(axes)
    for group, colour in COLOURS.items():
        if group in results.groups.values():
            axes.plot([], [], linestyle="none", marker=MARKERS[group], color=colour, label=group)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(COLOURS), frameon=False)


def _rate(lines: Sequence[dict[str, Any]]) -> float | None:
    known = [line["measured"]["events_per_second"] for line in lines if line["measured"]["events_per_second"]]
    return float(np.mean(known)) if known else None


def label_points(
    figure: Any,
    axes: Any,
    points: list[tuple[float, float, str, str]],
    avoid: Sequence[tuple[float, float]] = (),
    lines_apart: bool = False,
) -> None:
    """Write names beside points (x, y, name, colour), from the top down, each in the first place that is free of names,
    markers, and points to avoid; if `lines_apart`, the line from a name to its point stays clear of these too.
    """
    from matplotlib.transforms import Bbox

    figure.canvas.draw()
    inside = axes.get_window_extent()
    at = axes.transData.transform([(x, y) for x, y, _, _ in points])
    taken: list[Any] = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in at]
    taken += [Bbox.from_bounds(x - 1, y - 1, 2, 2) for x, y in (axes.transData.transform(list(avoid)) if avoid else ())]
    for x, y, name, colour in sorted(points, key=lambda point: (-point[1], point[2])):
        for dx, dy, side in _PLACES:
            text = axes.annotate(
                name, (x, y), xytext=(dx, dy), textcoords="offset points", fontsize=7, color=colour, ha=side, va="center"
            )
            box = Bbox(text.get_window_extent())
            free = inside.y0 <= box.y0 and box.y1 <= inside.y1 and not any(box.overlaps(other) for other in taken)
            line = _along_line(figure, axes, (x, y), (dx, dy)) if lines_apart and dy else []
            free = free and not any(dot.overlaps(other) for dot in line for other in taken)
            if free or (dx, dy, side) == _PLACES[-1]:
                break
            text.remove()
        taken += [box, *line]
        if dy:
            arrow = {"arrowstyle": "-", "color": colour, "lw": 0.6, "shrinkA": 0, "shrinkB": 2}
            axes.annotate("", (x, y), xytext=(dx, dy), textcoords="offset points", arrowprops=arrow)


def _along_line(figure: Any, axes: Any, point: tuple[float, float], offset: tuple[float, float]) -> list[Any]:
    """Return small boxes along the line to a name, but for its end at the point's own marker."""
    from matplotlib.transforms import Bbox

    start = axes.transData.transform([point])[0]
    step = np.array(offset) * figure.dpi / 72.0
    length = float(np.hypot(*step))
    shares = np.arange(8.0, length, 3.0) / length
    return [Bbox.from_bounds(x - 0.5, y - 0.5, 1, 1) for x, y in start + shares[:, None] * step]


_PLACES = [
    (sign * dx, dy, side)
    for reach in range(0, 90, 9)
    for dy in ((0,) if reach == 0 else (-reach, reach))
    for dx in (8, 40)
    for sign, side in ((1, "left"), (-1, "right"))
    if reach or dx == 8
]


def critical_difference_diagram(results: Results, score: str, path: Path, alpha: float = 0.05) -> None:
    """Draw mean ranks with bars over models that Nemenyi's test does not tell apart; all models must have finished."""
    plt = plotter()
    table = more_is_better(results.table(score), score)
    mean_ranks = statistics.ranks(table).mean(0)
    order = np.argsort(mean_ranks, kind="stable").tolist()
    ranked = [float(mean_ranks[j]) for j in order]
    n = len(order)
    difference = statistics.critical_difference(n, len(results.sets), alpha)
    bars = statistics.cliques(ranked, difference)
    height = 0.6 + 0.16 * ((n + 1) // 2) + 0.09 * len(bars)
    figure, axes = plt.subplots(figsize=(5.5, max(1.6, height)))
    axes.set_axis_off()
    axes.set_xlim(1, n)
    top, first = 1.0, -0.6 - 0.35 * len(bars)
    axes.plot([1, n], [0, 0], color=GREY, lw=1)
    for rank in range(1, n + 1, max(1, n // 12)):
        axes.plot([rank, rank], [0, 0.2], color=GREY, lw=1)
        axes.text(rank, 0.3, str(rank), ha="center", va="bottom", fontsize=8)
    axes.plot([1, 1 + difference], [top + 0.5, top + 0.5], color=GREY, lw=1.5, marker="|")
    told = f"critical difference {difference:.2f} (Nemenyi, {alpha:g}); mean ranks by {NAMES[score]}, 1 is best"
    axes.text(1, top + 0.9, told, fontsize=8, va="bottom")
    for i, (start, stop) in enumerate(bars):
        axes.plot([ranked[start], ranked[stop]], [-0.3 - 0.35 * i] * 2, color=GREY, lw=3, solid_capstyle="round")
    half = (n + 1) // 2
    for i, j in enumerate(order):
        left = i < half
        y = first - 0.6 * (i if left else n - 1 - i)
        edge = 1 - 0.05 * n if left else n + 0.05 * n
        model = results.models[j]
        colour = COLOURS[results.groups[model]]
        axes.plot([ranked[i], ranked[i], edge], [0, y, y], color=colour, lw=1, clip_on=False)
        text = f"{model}  {ranked[i]:.1f}" if left else f"{ranked[i]:.1f}  {model}"
        weight = "bold" if model == OURS else "normal"
        axes.text(
            edge + (-0.1 if left else 0.1), y, text, ha="right" if left else "left", va="center", fontsize=8, color=colour,
            fontweight=weight,
        )  # fmt: skip
    save(plt, figure, path)
