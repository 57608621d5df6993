"""Results as tables for people."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ihomer.printable import counted, printable
from streams.results import Result, mean_scores

__all__ = ["SCORES", "print_means", "print_result"]

_MOST_CLUSTERS = 20
_MOST_NAMES = 12
_MOST_EVENTS = 5


class ScoreName(NamedTuple):
    """How a score is called, and whether more is better."""

    title: str
    more_is_better: bool = True


SCORES = {
    "subset_accuracy": ScoreName("subset accuracy"),
    "hamming_loss": ScoreName("Hamming loss", False),
    "example_f1": ScoreName("example-F1"),
    "jaccard": ScoreName("Jaccard"),
    "micro_f1": ScoreName("micro-F1"),
    "macro_f1": ScoreName("macro-F1"),
    "precision_at_1": ScoreName("precision@1"),
    "precision_at_3": ScoreName("precision@3"),
    "precision_at_5": ScoreName("precision@5"),
    "log_loss": ScoreName("log-loss", False),
}


def print_result(console: Console, result: Result, model: str) -> None:
    """Print what came out of one stream: scores, what happened in the model, and the label clusters."""
    counts = result.counts
    facts = [counted(counts["predicted"], "event"), counted(counts["labels"], "label")]
    if result.events_per_second is not None:
        facts.append(f"{result.events_per_second:,.0f} events/s")
    if result.interrupted:
        facts.append("interrupted")
    console.print()
    console.print(_heading(result.stream, ", ".join(facts)))
    if result.error is not None:
        told = Text(f" partial scores, of the events before this: {printable(result.error)}", style="yellow")
        console.print(told, soft_wrap=True)
    _print_scores(console, model, result.scores["total"], result.baseline["total"])
    if counts["predicted"] != counts["scored"]:
        console.print(Padding(Text(f"scored: {counted(counts['scored'], 'event')}", style="dim"), (0, 1)))
    _print_skipped(console, result)
    _print_texts(console, result.nominal)
    _print_drifts(console, result.drifts)
    _print_clusters(console, result)


def print_means(console: Console, results: Sequence[Result], model: str) -> None:
    """Print the means over several streams."""
    console.print()
    console.print(_heading(f"mean of {len(results)} streams", ", ".join(result.stream for result in results)))
    scores = mean_scores([result.scores["total"] for result in results])
    _print_scores(console, model, scores, mean_scores([result.baseline["total"] for result in results]))


def _heading(name: str, facts: str) -> Text:
    return Text.assemble(" ", (printable(name), "bold"), "  ", (printable(facts), "dim"))


def _table(*, header: bool = True) -> Table:
    return Table(box=box.SIMPLE_HEAD, show_header=header, header_style="dim", pad_edge=True, show_edge=False)


def _print_scores(console: Console, model: str, scores: Mapping[str, float], baseline: Mapping[str, float]) -> None:
    table = _table()
    table.add_column("")
    table.add_column(Text(printable(model)), justify="right", min_width=10)
    table.add_column("previous labelset", justify="right")
    for name, (title, more_is_better) in SCORES.items():
        if name not in scores:
            continue
        ours, theirs = scores[name], baseline[name]
        better = ours > theirs if more_is_better else ours < theirs
        worse = ours < theirs if more_is_better else ours > theirs
        table.add_row(
            title if more_is_better else Text.assemble(title, (" (less is better)", "dim")),
            Text(f"{ours:.4f}", style="bold green" if better else ""),
            Text(f"{theirs:.4f}", style="bold yellow" if worse else "dim"),
        )
    console.print(table)


def _print_skipped(console: Console, result: Result) -> None:
    n_skipped = result.counts["skipped"]
    if not n_skipped:
        return
    console.print(Padding(Text(f"skipped: {counted(n_skipped, 'event')}", style="yellow"), (0, 1)))
    for message in result.skipped:  # not wrapped: a place cut in two cannot be copied
        console.print(Text(f"   {printable(message)}", style="dim"), soft_wrap=True)


def _print_texts(console: Console, nominal: Mapping[str, int]) -> None:
    """Print which features are texts, those with the most different ones first: numbers that were read as texts stand there."""
    if not nominal:
        return
    largest = sorted(nominal, key=lambda name: (-nominal[name], name))
    shown = ", ".join(f"{name} ({nominal[name]:,} different)" for name in largest[:_MOST_NAMES])
    rest = f" and {len(nominal) - _MOST_NAMES:,} more" if len(nominal) > _MOST_NAMES else ""
    console.print(Padding(Text(f"features that are texts: {printable(shown)}{rest}", style="dim"), (0, 1)))


def _print_drifts(console: Console, drifts: Sequence[Mapping[str, Any]]) -> None:
    """Print how often each thing happened, and when."""
    if not drifts:
        return
    kinds = Counter((str(drift.get("where", "")), str(drift.get("what", ""))) for drift in drifts)
    table = _table()
    table.add_column("what happened")
    table.add_column("where")
    table.add_column("times", justify="right")
    table.add_column("after events", overflow="fold")
    for (where, what), times in kinds.items():
        at = [drift["event"] for drift in drifts if (drift.get("where", ""), drift.get("what", "")) == (where, what)]
        table.add_row(what, where, f"{times:,}", _some(at))
    console.print()
    console.print(table)


def _some(events: Sequence[int]) -> str:
    """Name the first and the last of many events."""
    texts = [f"{event:,}" for event in events]
    if len(texts) > _MOST_EVENTS:
        texts = [*texts[: _MOST_EVENTS - 1], f"... {texts[-1]}"]
    return "  ".join(texts)


def _print_clusters(console: Console, result: Result) -> None:
    """Print the label clusters, large ones first."""
    if not result.clusters:
        return
    table = _table()
    table.add_column("cluster", justify="right")
    table.add_column("labels", justify="right")
    table.add_column("", overflow="fold")
    by_size = sorted(result.clusters.items(), key=lambda item: (-len(item[1]), item[0]))
    for key, names in by_size[:_MOST_CLUSTERS]:
        shown = Text(printable(", ".join(names[:_MOST_NAMES])))
        if len(names) > _MOST_NAMES:
            shown.append(f" and {len(names) - _MOST_NAMES:,} more", style="dim")
        table.add_row(str(key), f"{len(names):,}", shown)
    if len(by_size) > _MOST_CLUSTERS:
        n_labels = sum(len(names) for _, names in by_size[_MOST_CLUSTERS:])
        rest = f"in {len(by_size) - _MOST_CLUSTERS:,} more clusters"
        table.add_row("", Text(f"{n_labels:,}", style="dim"), Text(rest, style="dim"))
    console.print()
    console.print(table)
