"""The command `python -m benchmarks.report`: from results/compare.jsonl to tables (Markdown, LaTeX) and pictures (SVG).

python -m benchmarks.report                     # writes results/compare.md, compare.tex and compare_*.svg
python -m benchmarks.report FILE --to FOLDER    # from other lines, to another folder
"""

import argparse
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.common import replace_text, run_command
from benchmarks.compare.cells import LINES, read
from benchmarks.compare.settings import DEFAULT, Cell, Settings, load
from benchmarks.report import pictures, statistics, tables
from benchmarks.report.results import NAMES, OURS, SCORES, Results, by_order, more_is_better

PUBLISHED = Path(__file__).resolve().parents[1] / "compare" / "published.toml"
_PICTURED = ("subset_accuracy", "example_f1", "micro_f1", "macro_f1")


class Document:
    """The report as it grows, in both forms."""

    def __init__(self) -> None:
        self.markdown: list[str] = []
        self.latex: list[str] = []

    def text(self, text: str) -> None:
        """Add a paragraph or a heading; the LaTeX form has tables alone."""
        self.markdown.append(text)

    def table(self, title: str, head: list[str], rows: list[list[str]]) -> None:
        """Add a table."""
        self.markdown += [f"### {title}", tables.markdown(head, rows)]
        self.latex.append(tables.latex(head, rows, title))


def tests(document: Document, results: Results, order: str, folder: Path) -> None:
    """Add Friedman's test and Nemenyi's diagrams of the models that finished every stream, then Wilcoxon and Holm."""
    finished = results.of(results.finishers())
    document.text("### Do they differ?")
    if len(finished.models) >= 3 and len(finished.sets) >= 2:
        left = [model for model in results.models if model not in finished.models]
        document.text(
            f"Friedman's test and the diagrams take the {len(finished.models)} models that finished all {len(finished.sets)} "
            f"streams{'; not ' + ', '.join(left) if left else ''}. Bars join models that Nemenyi's test does not tell apart."
        )
        rows = []
        for score in SCORES:
            found = statistics.friedman(more_is_better(finished.table(score), score))
            rows.append([NAMES[score], f"{found.chi2:.1f}", f"{found.p:.2g}", f"{found.f:.2f}", f"{found.f_p:.2g}"])
        document.table(f"Friedman, order {order}", ["score", "chi-squared", "p", "F (Iman, Davenport)", "p"], rows)
        for score in _PICTURED:
            path = folder / f"compare_ranks_{order}_{score}.svg"
            pictures.critical_difference_diagram(finished, score, path)
            document.text(f"![Mean ranks, {NAMES[score]}]({path.name})")
    else:
        document.text("Fewer than three models finished every stream: no test over all of them.")
    if OURS in results.models:
        document.table(f"Wilcoxon, p adjusted by Holm, order {order}", *tables.wilcoxon_table(results))


def section(document: Document, order: str, results: Results, published: dict[str, Any], folder: Path) -> None:
    """Add all that is said of one order of the events."""
    document.text(f"## Order of the events: {order}")
    document.text(
        "† scored over the events that the budget was enough for: no part in bold, means and tests, ranks after all others. "
        "Bold: the best that finished. w/t/l: streams where the default model is better, alike to three digits, worse."
    )
    for score in SCORES:
        document.table(f"{NAMES[score]}, order {order}", *tables.score_table(results, score))
    tests(document, results, order, folder)
    document.text(
        "Relative improvement: for each baseline our mean score over the streams that both finished, over its mean there, "
        "minus 1 (for the loss: by which share ours is lower); then the mean over the baselines of the group, in brackets the "
        "lowest and the highest. How the paper computes its percentages is not in the sources at hand; this is the plainest "
        "reading."
    )
    document.table(f"Relative improvement, order {order}", *tables.improvement_table(results, results.group("ours")))
    claims = published["claims"]
    document.text(
        f"Published, not measured here: {claims['global_percent']} % over global and {claims['local_percent']} % over local "
        f"baselines. {claims['caution']}"
    )
    head, rows = tables.partition_table(results)
    if rows:
        document.table(f"Does partitioning help the published trees? Order {order}", head, rows)
    for score in _PICTURED:
        path = folder / f"compare_speed_{order}_{score}.svg"
        pictures.speed_against_score(results, score, path)
        document.text(f"![Events per second against {NAMES[score]}]({path.name})")
    document.table(f"Events per second, order {order}", *tables.speed_table(results))
    head, rows = tables.reasons_table(results)
    if rows:
        document.table(f"Cells that are not complete, order {order}", head, rows)


def report(lines: list[dict[str, Any]], models: Sequence[str], folder: Path) -> None:
    """Write the report of the lines of a comparison into a folder; `models` should all have lines."""
    document = Document()
    published = tomllib.loads(PUBLISHED.read_text())
    machines = sorted({(line["measured"]["cpu"], line["measured"]["python"], line["measured"]["river"]) for line in lines})
    document.text("# All models on all streams")
    document.text(
        "One pass, test then train, the first prediction counted, one configuration for all streams; seconds are processor "
        "time (of MOA, of the wall). Each line of the results holds the command that computes it again. Made by "
        "`python -m benchmarks.report`. Measured on "
        + "; ".join(f"{cpu}, Python {python}, river {river}" for cpu, python, river in machines)
        + "."
    )
    absent = [model for model in models if all(line["model"] != model for line in lines)]
    if absent:
        document.text(f"Not computed: {', '.join(absent)}.")
    for order, results in by_order(lines).items():
        section(document, order, results, published, folder)
    document.text("## Published, not measured here")
    document.text(tables.published_tables(published))
    replace_text(folder / "compare.md", "\n\n".join(document.markdown) + "\n")
    replace_text(folder / "compare.tex", "\n\n".join(document.latex) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description="Tables and pictures of the comparison.")
    parser.add_argument("lines", nargs="?", type=Path, default=LINES)
    parser.add_argument("--to", type=Path, help="folder; that of the lines by default")
    parser.add_argument("--settings", type=Path, default=DEFAULT, help="lines of other settings of a model are left out")
    arguments = parser.parse_args()
    folder = arguments.to or arguments.lines.parent
    settings = load(arguments.settings.resolve())
    found = current(read(arguments.lines), settings)
    if not found:
        parser.error(f"{arguments.lines} has no lines of {settings.path.name}; python -m benchmarks.compare makes them")
    folder.mkdir(parents=True, exist_ok=True)
    report(found, settings.models, folder)
    print(f"written: {folder / 'compare.md'}, compare.tex and compare_*.svg")


def current(lines: list[dict[str, Any]], settings: Settings) -> list[dict[str, Any]]:
    """Return the lines that were made with the present settings of their model and stream, in the order of the models."""
    place = {model: i for i, model in enumerate(settings.model_tables)}

    def holds(line: dict[str, Any]) -> bool:
        cell = Cell(*(line[key] for key in Cell._fields))
        return cell.model in place and replace(settings, limit=line["limit"]).digest(cell) == line["digest"]

    return sorted(filter(holds, lines), key=lambda line: place[line["model"]])


if __name__ == "__main__":
    run_command(main)
