"""Lines of the comparison as tables of streams and models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCORES = ("subset_accuracy", "example_f1", "micro_f1", "macro_f1", "hamming_loss", "micro_precision", "micro_recall")
LESS_IS_BETTER = frozenset({"hamming_loss"})
NAMES = {
    "subset_accuracy": "subset accuracy", "example_f1": "example-F1", "micro_f1": "micro-F1", "macro_f1": "macro-F1",
    "hamming_loss": "Hamming loss", "micro_precision": "micro-precision", "micro_recall": "micro-recall",
}  # fmt: skip
OURS = "default"

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Results:
    """The cells of one order of the events.

    Attributes
    ----------
    sets, models
        Names, in the order of the lines.
    groups
        The group of each model.
    cells
        The lines of each stream and model, one for each seed.
    """

    sets: tuple[str, ...]
    models: tuple[str, ...]
    groups: dict[str, str]
    cells: dict[tuple[str, str], list[dict[str, Any]]]

    def is_complete(self, name: str, model: str) -> bool:
        """Tell whether a model finished a stream with every seed."""
        lines = self.cells.get((name, model), [])
        return bool(lines) and all(line["status"] == "complete" for line in lines)

    def table(self, score: str, partial: bool = False) -> Table:
        """Return the mean score over seeds, float[streams, models]; nan where a model did not finish.

        With `partial`, what was scored before the end of the budget stands there.
        """
        found = np.full((len(self.sets), len(self.models)), np.nan)
        for i, name in enumerate(self.sets):
            for j, model in enumerate(self.models):
                scored = [line["scores"][score] for line in self.cells.get((name, model), []) if line["scores"]]
                if scored and (partial or self.is_complete(name, model)):
                    found[i, j] = np.mean(scored)
        return found

    def of(self, models: Sequence[str]) -> "Results":
        """Return the results of some of the models."""
        return Results(self.sets, tuple(models), self.groups, self.cells)

    def finishers(self) -> list[str]:
        """Return the models that finished every stream."""
        return [model for model in self.models if all(self.is_complete(name, model) for name in self.sets)]

    def group(self, name: str) -> list[str]:
        """Return the models of a group."""
        return [model for model in self.models if self.groups[model] == name]


def by_order(lines: Sequence[dict[str, Any]]) -> dict[str, Results]:
    """Return the results of each order that the lines have.

    Raises
    ------
    ValueError
        If a cell has two lines of different settings: they cannot stand in one table.
    """
    found: dict[str, Results] = {}
    for order in dict.fromkeys(line["order"] for line in lines):
        here = [line for line in lines if line["order"] == order]
        cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for line in here:
            cell = cells.setdefault((line["set"], line["model"]), [])
            if any(other["seed"] == line["seed"] for other in cell):
                raise ValueError(f"{line['set']}, {line['model']}, {order}, {line['seed']}: two lines of different settings")
            cell.append(line)
        found[order] = Results(
            tuple(dict.fromkeys(line["set"] for line in here)),
            tuple(dict.fromkeys(line["model"] for line in here)),
            {line["model"]: line["group"] for line in here},
            cells,
        )
    return found


def more_is_better(table: Table, score: str) -> Table:
    """Return a table with the sign of losses changed."""
    return -table if score in LESS_IS_BETTER else table
