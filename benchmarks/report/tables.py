"""The tables of the report, as Markdown and as LaTeX."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.report import statistics
from benchmarks.report.results import LESS_IS_BETTER, NAMES, OURS, Results, by_order, more_is_better

Row = list[str]
_FOUR = ("subset_accuracy", "example_f1", "micro_f1", "macro_f1")
_PARTITIONS = {
    "paper": "clusters found online",
    "paper, one cluster": "no partition",
    "MLHAT": "one tree for all labels",
    "MLHAT, random clusters": "random partition",
    "MLHAT, each label": "a tree for each label",
}
_LATEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "†": r"$^\dagger$", "–": "--", "±": r"$\pm$"}


def markdown(head: Row, rows: Sequence[Row]) -> str:
    """Return a Markdown table, all columns but the first to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def latex(head: Row, rows: Sequence[Row], caption: str) -> str:
    """Return a LaTeX table (package booktabs)."""
    body = [r"\midrule" if i == 1 else _latex_row(row) for i, row in enumerate([head, [], *rows])]
    return "\n".join(
        [r"\begin{table}", rf"\caption{{{_escaped(caption)}}}", rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}", r"\toprule",
         *body, r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    )  # fmt: skip


def _latex_row(row: Row) -> str:
    return " & ".join(_escaped(cell) for cell in row) + r" \\"


def _escaped(text: str) -> str:
    bold = text.startswith("**") and text.endswith("**") and len(text) > 4
    inner = "".join(_LATEX.get(letter, letter) for letter in (text[2:-2] if bold else text))
    return rf"\textbf{{{inner}}}" if bold else inner


def number(value: float, digits: int = 3) -> str:
    """Return a score without its leading 0, – for none."""
    if math.isnan(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def score_table(results: Results, score: str) -> tuple[Row, list[Row]]:
    """Return one score of each model on each stream, with the mean, the mean rank, and wins / ties / losses.

    The best of each stream is bold. † marks a score over the events that a budget was enough for; it has no part in bold, in
    means and in comparisons, and it ranks after all others.
    """
    all_of_it, finished = results.table(score, partial=True), results.table(score)
    ranked = statistics.ranks(more_is_better(finished, score)).mean(0)
    best = np.nanmax(np.where(np.isnan(finished), -np.inf, more_is_better(finished, score)), axis=1)
    rows = []
    for j in np.argsort(ranked, kind="stable").tolist():
        cells = []
        for i in range(len(results.sets)):
            text = number(all_of_it[i, j])
            if math.isnan(finished[i, j]):
                text += "†" if text != "–" else ""
            elif np.round(more_is_better(finished, score)[i, j], 3) == np.round(best[i], 3):
                text = f"**{text}**"
            cells.append(text)
        n_finished = int((~np.isnan(finished[:, j])).sum())
        mean = number(float(finished[:, j].mean())) if n_finished == len(results.sets) else "–"
        rows.append([results.models[j], *cells, mean, f"{ranked[j]:.1f}", _against(results, score, results.models[j])])
    return ["model", *results.sets, "mean", "rank", f"{OURS} w/t/l"], rows


def _against(results: Results, score: str, model: str) -> str:
    if OURS not in results.models or model == OURS:
        return ""
    table = more_is_better(results.table(score), score)
    found = statistics.versus(table[:, results.models.index(OURS)], table[:, results.models.index(model)])
    return f"{found.wins}/{found.ties}/{found.losses}"


def wilcoxon_table(results: Results) -> tuple[Row, list[Row]]:
    """Return the p values of the default model against each other one, adjusted by Holm within each score."""
    others = [model for model in results.models if model != OURS]
    columns, counts = [], {}
    for score in (*_FOUR, "hamming_loss"):
        table = more_is_better(results.table(score), score)
        ours = table[:, results.models.index(OURS)]
        found = [statistics.versus(ours, table[:, results.models.index(model)]) for model in others]
        columns.append(statistics.holm([versus.p for versus in found]))
        counts = {model: v.wins + v.ties + v.losses for model, v in zip(others, found, strict=True)}
    rows = [[model, str(counts[model]), *[_p(column[i]) for column in columns]] for i, model in enumerate(others)]
    return [f"{OURS} against", "streams", *[NAMES[score] for score in (*_FOUR, "hamming_loss")]], rows


def _p(p: float) -> str:
    return "< .001" if p < 0.001 else number(p)


def improvement_table(results: Results, ours: Sequence[str]) -> tuple[Row, list[Row]]:
    """Return the mean relative improvement of each model of `ours` over the baselines of the groups, in percent.

    For each baseline: our mean score over the streams that both finished, over its mean score there, minus 1 (for a loss: by
    which share ours is lower). Then the mean over the baselines of the group; in brackets the lowest and the highest.
    """
    rows = []
    for model in ours:
        for group in ("global", "local"):
            cells = []
            for score in (*_FOUR, "hamming_loss"):
                table = results.table(score)
                mine = table[:, results.models.index(model)]
                gains = [
                    statistics.relative_improvement(mine, table[:, results.models.index(other)], score in LESS_IS_BETTER)
                    for other in results.group(group)
                    if other != model
                ]
                mean, low, high, _ = statistics.group_improvement(gains)
                cells.append("–" if math.isnan(mean) else f"{100 * mean:+.0f} % ({100 * low:+.0f} to {100 * high:+.0f})")
            n = sum(other != model for other in results.group(group))
            rows.append([f"{model} over {n} {group}", *cells])
    return ["model, group", *[NAMES[score] for score in (*_FOUR, "hamming_loss")]], rows


def partition_table(results: Results) -> tuple[Row, list[Row]]:
    """Return the mean scores of the published trees with several partitions, over the streams that all of them finished."""
    models = [model for model in _PARTITIONS if model in results.models]
    common = [i for i, name in enumerate(results.sets) if all(results.is_complete(name, model) for model in models)]
    rows = []
    for model in models if common else []:
        means = [results.table(score)[common, results.models.index(model)].mean() for score in (*_FOUR, "hamming_loss")]
        rows.append([f"{model}: {_PARTITIONS[model]}", *[number(float(mean)) for mean in means]])
    return [f"mean of {len(common)} streams", *[NAMES[score] for score in (*_FOUR, "hamming_loss")]], rows


def reasons_table(results: Results) -> tuple[Row, list[Row]]:
    """Return the cells that are not complete, each with its reason."""
    rows = []
    for name in results.sets:
        for model in results.models:
            for line in results.cells.get((name, model), [{"status": "missing", "reason": "not computed", "seed": ""}]):
                if line["status"] != "complete":
                    rows.append([name, model, str(line["seed"]), line["status"], str(line["reason"]).replace("|", "/")])
    return ["stream", "model", "seed", "status", "reason"], rows


def speed_table(results: Results) -> tuple[Row, list[Row]]:
    """Return the events per second of predicting and learning of each model on each stream."""
    rows = []
    for model in results.models:
        cells = []
        for name in results.sets:
            rates = [line["measured"]["events_per_second"] for line in results.cells.get((name, model), [])]
            known = [rate for rate in rates if rate]
            cells.append(_rate(float(np.mean(known))) if known else "–")
        rows.append([model, *cells])
    return ["events per second", *results.sets], rows


def mean_rate(results: Results, model: str) -> str:
    """Return the geometric mean over streams of the events per second of a model, – for none."""
    lines = [line for name in results.sets for line in results.cells.get((name, model), [])]
    rates = [line["measured"]["events_per_second"] for line in lines if line["measured"]["events_per_second"]]
    return _rate(float(np.exp(np.mean(np.log(rates))))) if rates else "–"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def _four(line: dict[str, Any]) -> str:
    if not line["scores"]:
        return f"failed: {line['reason']}"
    return " / ".join(number(line["scores"][score]) for score in _FOUR) + ("†" if line["status"] != "complete" else "")


def small_table(lines: Sequence[dict[str, Any]]) -> str:
    """Return four scores of each model on each stream, with the reasons of what is not complete."""
    parts = []
    for order, results in by_order(lines).items():
        rows = []
        for model in results.models:
            cells = [[_four(line) for line in results.cells.get((name, model), [])] or ["–"] for name in results.sets]
            rows.append([model, *[cell[0] for cell in cells]])
        title = f"order: {order}; subset accuracy / example-F1 / micro-F1 / macro-F1; † scored up to the end of its budget"
        parts.append(f"{title}\n\n{markdown(['model', *results.sets], rows)}")
        head, rest = reasons_table(results)
        if rest:
            parts.append(markdown(head, rest))
    return "\n\n".join(parts)


def published_tables(published: dict[str, Any]) -> str:
    """Return what others have published, with its source."""
    claims, means = published["claims"], published["means"]
    head = ["published means", *[NAMES[score] for score in means["columns"]]]
    rows = [[name, *[number(value) for value in values]] for name, values in means["rows"].items()]
    return "\n\n".join(
        [
            f"iHOMER, relative improvement: {claims['global_percent']} % over global baselines, {claims['local_percent']} % "
            f"over local ones, {claims['random_percent']} % over random clusters. {claims['caution']} "
            f"Source: {claims['source']}.",
            markdown(head, rows),
            f"{means['source']}. {means['caution']}",
        ]
    )


