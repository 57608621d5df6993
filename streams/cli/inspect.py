"""The command `ihomer inspect`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.common import OutputFile, of_system

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["command"]


@click.command("inspect")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@click.option(
    "--model-to", type=click.Path(path_type=Path), metavar="FILE", help="Write the model to a file that Python can load."
)
def command(checkpoint: Path, as_json: bool, model_to: Path | None) -> None:
    """Show what a checkpoint holds: clusters, drifts, positions, scores, sizes.

    CHECKPOINT is a file, or the folder of a run, whose newest sound checkpoint is then shown. Nothing in it is changed, and
    nothing in the file is run. What --model-to writes is loaded by `IHOMERClassifier.load` (or `MLHATClassifier.load`).

    "learned" counts the events of the run, "learned by the model" also those that its model had learned before. Of the messages
    read, "joined" are events learned from labels that came later or earlier, "tombstones" those without a value, which are
    passed over, and "dead" the malformed ones, by their code. Events that wait for their labels are "waiting", labels that wait
    for their event "early"; "expired" and "orphans" are those of them that have waited too long or had to make room, and
    "repeated" those whose id was waiting already.
    """
    from streams.errors import SourceError
    from streams.inspection import inspect, model_of

    try:
        if model_to is not None:
            _refuse_folder_of_run(model_to, checkpoint)
            model_of(checkpoint).save(model_to)
        found = inspect(checkpoint)
        if as_json:
            with OutputFile("-") as out:
                out.write(found)
            return
    except OSError as error:
        raise of_system(error) from None
    except (SourceError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    from rich.console import Console

    _show(Console(), found)


def _refuse_folder_of_run(file: Path, checkpoint: Path) -> None:
    """Refuse to write among the files of a run, and over a file that stands beside the checkpoint: it could be another one."""
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    if file.resolve().parent == folder.resolve() and (checkpoint.is_dir() or file.exists()):
        raise click.UsageError(f"--model-to {file} is among the files of the run: name a file elsewhere")


def _show(console: "Console", found: dict[str, Any]) -> None:
    from rich.table import Table

    def table(title: str, *columns: str) -> Table:
        made = Table(title=_cell(title), title_justify="left", box=None, padding=(0, 2, 0, 0))
        for column in columns:
            made.add_column(column, justify="left" if column == columns[0] else "right", overflow="fold")
        return made

    sizes = table(f"{found['file']}", "what", "value")
    model = {"learned_by_the_model" if name == "n_learned" else name: value for name, value in found["model"].items()}
    for name, value in (found["counts"] | model | found["late"] | {"bytes": found["bytes"]}).items():
        sizes.add_row(_cell(name.removeprefix("n_").replace("_", " ")), _cell(value))
    scores = table("scores", "score", *found["scores"])
    readings = list(found["scores"].values())
    for name in readings[0]:
        scores.add_row(name.replace("_", " "), *(_number(reading[name]) for reading in readings))
    positions = table("positions", "topic", "partition", "next offset")
    for place in found["positions"]:
        positions.add_row(*(_cell(place[name]) for name in ("topic", "partition", "offset")))
    clusters = table("clusters", "cluster", "labels")
    for cluster, labels in found["clusters"].items():
        clusters.add_row(_cell(cluster), _cell(", ".join(map(str, labels))))
    drifts = table(f"drifts ({len(found['drifts'])}, the last ten)", "event", "where", "what")
    for drift in found["drifts"][-10:]:
        drifts.add_row(*(_cell(drift[name]) for name in ("event", "where", "what")))
    for each in (sizes, scores, positions, clusters, drifts):
        console.print(each)
        console.print()


def _cell(value: Any) -> "Text":
    """Return what stands in a cell, as it is: names come from the data, and could look like markup."""
    from rich.text import Text

    from ihomer.printable import printable

    return Text(printable(str(value)))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
