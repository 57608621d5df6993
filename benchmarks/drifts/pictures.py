"""The pictures of the drift kinds as SVG."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.drawing import BLUE, GREEN, GREY, ORANGE, PINK, PURPLE, plain_axes, plotter, save
from benchmarks.drifts.kinds import Kind, kinds
from benchmarks.drifts.runs import ARI_EVERY, CURVE_EVERY, numbers
from streams.drift import KINDS, WHATS

SMOOTHED_OVER = 200  # events
_WHAT = {"features": "P(x | labels)", "labels": "label frequencies", "correlation": "groups of labels"}


class _Look(NamedTuple):
    colour: str
    style: Any = "-"
    width: float = 1.4


_DASHED = (0, (4, 2))
# Lines that lie on each other are still seen: those below, which are drawn first, are wider.
_LOSS = {
    "BR ARF": _Look(PURPLE), "BR HAT": _Look(GREEN), "MLHAT": _Look(BLUE), "paper": _Look(PINK),
    "default, no detector": _Look(GREY, "-", 4.0), "default": _Look(ORANGE, "-", 1.6),
}  # fmt: skip
_DETECTORS = {
    "no detector": _Look(GREY, "-", 5.0), "no partition detector": _Look(BLUE, "-", 3.4),
    "no global detector": _Look(GREEN, "-", 2.0), "no alternates in trees": _Look(PURPLE, _DASHED, 1.4),
    "all detectors": _Look(ORANGE, (0, (2, 2)), 1.4),
}  # fmt: skip


def smoothed(curve: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Return the mean of each value and those before it, `steps` in all; fewer at the beginning."""
    total = np.concatenate([[0.0], np.cumsum(curve)])
    stop = np.arange(1, len(curve) + 1)
    start = np.maximum(stop - steps, 0)
    means: NDArray[np.float64] = (total[stop] - total[start]) / (stop - start)
    return means


def loss_curves(result: dict[str, Any], path: Path) -> None:
    """Draw the loss over time around the drift: a panel for each kind, a line for each model that was run on it."""
    plt = plotter()
    drifts = {kind.name: kind for kind in kinds(result["n_events"])}
    figure, panels = plt.subplots(len(KINDS), len(WHATS), figsize=(8.4, 8.2), sharex=True, sharey=True, layout="constrained")
    shown: dict[str, Any] = {}
    for row, kind in enumerate(KINDS):
        for column, what in enumerate(WHATS):
            axes, found = panels[row][column], result["kinds"].get(f"{kind} {what}")
            if found is None:
                axes.set_axis_off()
                continue
            plain_axes(axes)
            axes.xaxis.set_tick_params(labelbottom=row == len(KINDS) - 1 or f"{KINDS[row + 1]} {what}" not in result["kinds"])
            axes.yaxis.set_tick_params(labelleft=column == 0)
            axes.set_title(f"{kind}: {_WHAT[what]}", fontsize=9)
            _mark(axes, drifts[f"{kind} {what}"])
            for name, look in _LOSS.items():
                if name in found["models"]:
                    loss = smoothed(numbers(found["models"][name][f"loss_every_{CURVE_EVERY}"]), SMOOTHED_OVER // CURVE_EVERY)
                    shown[name] = _line(axes, CURVE_EVERY, loss, look)
            axes.set_xlim(0.3 * result["n_events"], result["n_events"])
    panels[0][0].set_ylim(bottom=0.0)
    figure.supxlabel("events", fontsize=9, color=GREY)
    figure.supylabel(f"loss, 1 - Jaccard, mean of the last {SMOOTHED_OVER} events and of all seeds", fontsize=9, color=GREY)
    _legend(figure, shown, _LOSS)
    save(plt, figure, path)


def agreement_curves(result: dict[str, Any], path: Path) -> None:
    """Draw how far the partition is the true one over time where the true one changes, with each detector off."""
    plt = plotter()
    drifts = {kind.name: kind for kind in kinds(result["n_events"])}
    drawn = [kind for kind in KINDS if f"{kind} correlation" in result["kinds"]]
    figure, panels = plt.subplots(
        2, len(drawn), figsize=(8.4, 4.2), sharex=True, sharey=True, layout="constrained", squeeze=False
    )
    shown: dict[str, Any] = {}
    for row, family in enumerate(("default", "paper")):
        for column, kind in enumerate(drawn):
            axes, found = panels[row][column], result["kinds"][f"{kind} correlation"]
            plain_axes(axes)
            axes.set_title(f"{family}, {kind}", fontsize=9)
            _mark(axes, drifts[f"{kind} correlation"])
            for name, look in _DETECTORS.items():
                model = found["models"].get(family if name == "all detectors" else f"{family}, {name}", {})
                if f"ari_every_{ARI_EVERY}" in model:
                    shown[name] = _line(axes, ARI_EVERY, numbers(model[f"ari_every_{ARI_EVERY}"]), look)
            axes.set_ylim(-0.25, 1.08)
    figure.supxlabel("events", fontsize=9, color=GREY)
    figure.supylabel("adjusted Rand index to the true groups", fontsize=9, color=GREY)
    _legend(figure, shown, _DETECTORS)
    save(plt, figure, path)


def _line(axes: Any, every: int, values: NDArray[np.float64], look: _Look) -> Any:
    places = every * np.arange(1, len(values) + 1)
    return axes.plot(places, values, color=look.colour, linestyle=look.style, linewidth=look.width)[0]


def _legend(figure: Any, lines: dict[str, Any], looks: dict[str, _Look]) -> None:
    names = [name for name in reversed(looks) if name in lines]
    handles = [lines[name] for name in names]
    figure.legend(handles, names, loc="outside upper center", ncols=len(names), frameon=False, fontsize=8)


def _mark(axes: Any, kind: Kind) -> None:
    """Mark where the drift starts, where a recurring one turns, and how long a slow one goes on."""
    for number in kind.stream(0).drift_points:
        axes.axvline(number, color=GREY, linewidth=0.8, linestyle=":")
    if kind.drift is not None and kind.drift.ends > kind.at:
        axes.axvspan(kind.at, kind.drift.ends, color=GREY, alpha=0.15, linewidth=0)
