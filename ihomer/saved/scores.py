"""State of scoreboards, metrics and baselines."""

from collections import Counter
from typing import Any

import numpy as np

from ihomer import metrics
from ihomer.baselines import MajorityLabelset, PreviousLabelset
from ihomer.metrics.readings import Faded, Window, _is_exact
from ihomer.metrics.scoreboard import Scoreboard
from ihomer.metrics.tally import CELLS, SUMS, Outcome, Tally
from ihomer.saved.fields import MOST, Fields, fill_vocabulary, made, settings_of, vocabulary_state
from ihomer.saved.values import Part, is_name

__all__ = ["SCORE_PARTS"]

_ARRAYS = ("shared_by_sum", "shared_by_union", "per_label")
_COUNTS = ("n_labels", "n_true", "n_predicted", "n_both", "n_unobserved")


def _tally_state(tally: Tally) -> dict[str, Any]:
    return dict(sorted(vars(tally).items()))


def _fill_tally(tally: Tally, f: Fields) -> None:
    tally.n_events, tally.n_ranked = f.counter("n_events"), f.counter("n_ranked")
    for name in SUMS:
        value = f.take(name)
        f.require(isinstance(value, float), f"{name} is no number")
        setattr(tally, name, value)
    tally.hits = f.array("hits", np.float64, tally.hits.shape)
    for name in _ARRAYS:
        setattr(tally, name, f.array(name, np.float64, (None,)))
    f.require(len(tally.shared_by_sum) > 0 and len(tally.shared_by_union) > 0, "there are no sums by size")
    f.require(len(tally.per_label) % CELLS == 0, "a label has no three cells")
    tally._touches = f.counters("_touches", tally.per_label.shape)
    f.done()


def _window_state(window: Window) -> dict[str, Any]:
    events = window.events()
    outcomes = [outcome for outcome, _ in events]
    n_ranks = window._n_ranks
    hits = [np.zeros(n_ranks, np.int64) if outcome.hits is None else outcome.hits for outcome in outcomes]
    return {
        "tally": _tally_state(window._tally),
        "counts": np.array([[getattr(o, name) for name in _COUNTS] for o in outcomes], np.int64).reshape(-1, len(_COUNTS)),
        "cells": np.concatenate([np.zeros(0, np.int64), *(outcome.cells for outcome in outcomes)]),
        "n_cells": np.array([len(outcome.cells) for outcome in outcomes], np.int64),
        "has_hits": np.array([outcome.hits is not None for outcome in outcomes], np.bool_),
        "hits": np.array(hits, np.int64).reshape(-1, n_ranks),
        "loss": np.array([outcome.loss for outcome in outcomes], np.float64),
        "weight": np.array([weight for _, weight in events], np.float64),
        "forgotten": window._forgotten,
        "n_inexact": window._n_inexact,
        "rounded": window._rounded,
    }


def _fill_window(window: Window, f: Fields) -> None:
    _fill_tally(window._tally, f.nested("tally"))
    weight = f.array("weight", np.float64, (None,))
    n = len(weight)
    f.require(n <= window._size, "there are too many events")
    counts = f.array("counts", np.int64, (n, len(_COUNTS)), 0)
    cells, n_cells = f.array("cells", np.int64, (None,), 0), f.array("n_cells", np.int64, (n,), 0)
    has_hits, hits = f.array("has_hits", np.bool_, (n,)), f.array("hits", np.int64, (n, window._n_ranks))
    losses = f.array("loss", np.float64, (n,)).tolist()
    window._forgotten = f.whole("forgotten", 0, window._size - 1)
    window._n_inexact, window._rounded = f.whole("n_inexact", 0, n), f.flag("rounded")
    f.done()
    # What is in the window has been counted: there is a place for it.
    n_labels, n_true, n_predicted, n_both = counts[:, :4].T
    room = len(window._tally.per_label) // CELLS
    f.require(bool((n_labels <= room).all()), "an event has unknown labels")
    most = min(len(window._tally.shared_by_sum), len(window._tally.shared_by_union))
    sizes = (n_true < most) & (n_predicted < most) & (n_true + n_predicted < len(window._tally.shared_by_sum))
    f.require(bool((sizes & (n_both <= n_true) & (n_both <= n_predicted)).all()), "an event has impossible sizes")
    sizes = (n_true + n_predicted - n_both < most) & (counts[:, 4] <= MOST)
    f.require(bool(sizes.all()), "an event has impossible sizes")
    f.require(bool((n_cells <= len(cells)).all()) and int(n_cells.sum()) == len(cells), "an event has impossible cells")
    f.require(bool((cells < CELLS * np.repeat(n_labels, n_cells)).all()), "an event has unknown labels")
    f.require(window._tally.n_events == n, "there are other events than were counted")
    touches = np.bincount(cells, minlength=len(window._tally._touches))
    f.require(bool(np.array_equal(window._tally._touches, touches)), "labels have other events than were counted")
    n_inexact = sum(not _is_exact(one) for one in weight.tolist())
    f.require(window._n_inexact == n_inexact, "other weights are rounded than were counted")
    ends = np.cumsum(n_cells).tolist()
    for i, (numbers, end) in enumerate(zip(counts.tolist(), ends, strict=True)):
        its_cells = cells[end - int(n_cells[i]) : end].copy()
        its_hits = hits[i].copy() if has_hits[i] else None
        n_labels, n_true, n_predicted, n_both, n_unobserved = numbers
        outcome = Outcome(its_cells, n_labels, None, n_true, n_predicted, n_both, n_unobserved, its_hits, losses[i])
        window._events.append((outcome, float(weight[i])))


def _board_state(board: Scoreboard) -> dict[str, Any]:
    window, faded = board._readings.get("window"), board._readings.get("faded")
    named = np.array(list(board._times_named.items()), np.int64).reshape(-1, 2)
    return {
        "window": window._size if isinstance(window, Window) else None,
        "fading": faded._factor if isinstance(faded, Faded) else None,
        "ranks": board._ranks,
        "labels": vocabulary_state(board.vocabulary),
        "n_declared": board._n_declared,
        "times_named": named,
        "by_index": board._by_index,
        "total": _tally_state(board._readings["total"]._tally),
        "last": _window_state(window) if isinstance(window, Window) else None,
        "faded": {"growth": faded._growth, "tally": _tally_state(faded._tally)} if isinstance(faded, Faded) else None,
    }


def _board_of(state: Any) -> Scoreboard:
    fields = Fields(state, "the scoreboard")
    settings = {name: fields.take(name) for name in ("window", "fading", "ranks")}
    fields.require(type(settings["ranks"]) is tuple, "ranks is no tuple")
    board: Scoreboard = made(Scoreboard, {"labels": None, **settings})
    fill_vocabulary(board.vocabulary, fields.nested("labels"))
    board._n_declared = fields.whole("n_declared")
    named = fields.counters("times_named", (None, 2))
    board._times_named = Counter(dict(named.tolist()))
    fields.require(len(board._times_named) == len(named), "a label's count stands twice")
    board._by_index = fields.flag("by_index")
    _fill_tally(board._readings["total"]._tally, fields.nested("total"))
    last, faded = board._readings.get("window"), board._readings.get("faded")
    if isinstance(last, Window):
        _fill_window(last, fields.nested("last"))
    else:
        fields.require(fields.take("last") is None, "there is a window that nothing asks for")
    if isinstance(faded, Faded):
        f = fields.nested("faded")
        growth = f.take("growth")
        f.require(isinstance(growth, float) and 0.0 < growth < np.inf, "growth is no positive number")
        faded._growth = growth
        _fill_tally(faded._tally, f.nested("tally"))
        f.done()
    else:
        fields.require(fields.take("faded") is None, "there is fading that nothing asks for")
    fields.done()
    return board


def _metric_state(metric: metrics.MultiLabelMetric) -> dict[str, Any]:
    return {"settings": settings_of(metric), "board": metric._board}


def _metric_part(cls: type[metrics.MultiLabelMetric]) -> Part:
    def restore(state: Any) -> metrics.MultiLabelMetric:
        fields = Fields(state, f"the metric {cls.__name__}")
        metric: metrics.MultiLabelMetric = made(cls, fields.take("settings"))
        board = fields.take("board")
        fields.done()
        fields.require(type(board) is Scoreboard, "there is no scoreboard")
        wanted = metric._board
        same = board._ranks == wanted._ranks and board._readings.keys() == wanted._readings.keys()
        same = same and board._n_declared >= wanted._n_declared
        fields.require(same, "the scoreboard is not the one that the settings ask for")
        metric._board = board
        return metric

    return Part(cls, _metric_state, restore)


def _metrics_of(state: Any) -> metrics.MultiLabelMetrics:
    fields = Fields(state, "the metrics")
    found, separator = fields.items("metrics"), fields.take("str_sep")
    fields.done()
    fields.require(type(separator) is str, "str_sep is no text")
    fields.require(all(isinstance(metric, metrics.MultiLabelMetric) for metric in found), "what should be a metric is none")
    return metrics.MultiLabelMetrics(found, separator)  # type: ignore[no-untyped-call]


def _answer(fields: Fields, name: str) -> dict[Any, bool]:
    answer = fields.take(name)
    good = type(answer) is dict and all(type(value) is bool and not isinstance(key, type) for key, value in answer.items())
    fields.require(good, f"{name} is no answer")
    found: dict[Any, bool] = answer
    return found


def _previous_of(state: Any) -> PreviousLabelset:
    fields = Fields(state, "the previous labelset")
    model = PreviousLabelset()
    model._answer = _answer(fields, "answer")
    model._applying = [label for label, applies in model._answer.items() if applies]
    fields.done()
    return model


def _majority_state(model: MajorityLabelset) -> dict[str, Any]:
    counted = [[labelset, weight, model._ages[labelset]] for labelset, weight in model._weights.items()]
    return {
        "settings": settings_of(model), "answer": model._answer, "counted": counted, "n_seen": model._n_seen,
        "best": model._best,
    }  # fmt: skip


def _majority_of(state: Any) -> MajorityLabelset:
    fields = Fields(state, "the majority labelset")
    model: MajorityLabelset = made(MajorityLabelset, fields.take("settings"))
    model._answer, model._n_seen = _answer(fields, "answer"), fields.whole("n_seen")
    counted = fields.items("counted")
    fields.require(len(counted) <= model.max_labelsets, "there are too many labelsets")
    for entry in counted:
        fields.require(type(entry) is list and len(entry) == 3, "a labelset is none")
        labelset, weight, age = entry
        good = type(labelset) is tuple and is_name(labelset) and type(weight) is float and weight > 0.0
        fields.require(good and type(age) is int and labelset not in model._weights, "a labelset is none")
        model._weights[labelset], model._ages[labelset] = weight, age
    model._best = fields.take("best")
    known = type(model._best) is tuple and (model._best in model._weights or not model._best)
    fields.require(known, "the most frequent labelset is unknown")
    fields.done()
    return model


SCORE_PARTS = {
    "Scoreboard": Part(Scoreboard, _board_state, _board_of),
    **{
        cls.__name__: _metric_part(cls)
        for cls in (
            metrics.ExampleF1, metrics.ExampleJaccard, metrics.HammingLoss, metrics.LogLoss, metrics.MacroF1, metrics.MicroF1,
            metrics.PrecisionAtK, metrics.SubsetAccuracy,
        )
    },
    "MultiLabelMetrics": Part(
        metrics.MultiLabelMetrics, lambda found: {"metrics": list(found), "str_sep": found.str_sep}, _metrics_of
    ),
    "PreviousLabelset": Part(PreviousLabelset, lambda model: {"answer": model._answer}, _previous_of),
    "MajorityLabelset": Part(MajorityLabelset, _majority_state, _majority_of),
}  # fmt: skip
"""Name -> part, for everything that counts scores or answers without learning from features."""
