"""What the pictures of the benchmarks share: SVG, the same bytes for the same results, readable on white and on black."""

from pathlib import Path
from typing import Any

# Colours and a grey that stand out on white and on black alike; the background is left transparent.
GREY, ORANGE, BLUE, GREEN, PURPLE, PINK = "#808080", "#e8590c", "#2b8aeb", "#2f9e44", "#ae5fd0", "#e64980"


def plotter() -> Any:
    """Return matplotlib's pyplot, set up; it is imported here, because only pictures need it."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {
            "svg.hashsalt": "ihomer", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9, "text.color": GREY,
            "axes.edgecolor": GREY, "axes.labelcolor": GREY, "xtick.color": GREY, "ytick.color": GREY,
        }
    )  # fmt: skip
    return plt


def save(plt: Any, figure: Any, path: Path) -> None:
    """Write a figure as SVG and close it."""
    figure.savefig(path, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def plain_axes(axes: Any) -> None:
    """Take away the frame above and to the right, and draw a faint grid behind."""
    axes.grid(alpha=0.25, color=GREY)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
