"""Scores and baselines in files: whatever does not fit in their state is told."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ihomer.baselines import MajorityLabelset, PreviousLabelset
from ihomer.metrics import MicroF1, MultiLabelMetrics, PrecisionAtK, Scoreboard
from ihomer.persistence import ModelFileError
from ihomer.saved.scores import SCORE_PARTS


def board_of(**settings: Any) -> Scoreboard:
    board = Scoreboard(**settings)
    for i in range(8):
        board.update({"u"}, {"u", "v"}, {"u": 0.7, "v": 0.6}, w=0.3 if i % 2 else 1.0)
    return board


def restored(name: str, of: Any, change: Callable[[Any], Any]) -> Any:
    part = SCORE_PARTS[name]
    state = part.state_of(of)
    change(state)
    return part.restore(state)


@pytest.mark.parametrize(("change", "told"), [
    (lambda s: s.update(ranks=[1]), "ranks is no tuple"), (lambda s: s.update(by_index=1), "by_index is no truth value"),
    (lambda s: s.update(times_named=np.array([[0, 1], [0, 2]])), "stands twice"), (lambda s: s.update(more=1), "not known"),
    (lambda s: s.update(window=None), "a window that nothing"), (lambda s: s.update(fading=None), "fading that nothing"),
    (lambda s: s["faded"].update(growth=0.0), "no positive number"), (lambda s: s["faded"].update(growth=np.inf), "no"),
    (lambda s: s["faded"].update(growth=1), "no positive number"), (lambda s: s["faded"].update(more=1), "not known"),
    (lambda s: s["total"].update(weight=1), "weight is no number"), (lambda s: s["total"].update(more=1), "not known"),
    (lambda s: s["total"].update(shared_by_sum=np.zeros(0)), "no sums by size"),
    (lambda s: s["total"].update(shared_by_union=np.zeros(0)), "no sums by size"),
    (lambda s: s["total"].update(per_label=np.zeros(4)), "no three cells"),
    (lambda s: s["total"].update(n_events=-1), "n_events is no whole number"),
    (lambda s: s["total"].update(_touches=np.zeros(3, np.int64)), "has the shape"),
    (lambda s: s["last"].update(weight=np.ones(6)), "too many events"), (lambda s: s["last"].update(more=1), "not known"),
    (lambda s: s["last"]["counts"].__setitem__((0, 0), 99), "unknown labels"),
    (lambda s: s["last"]["counts"].__setitem__((0, 0), 0), "unknown labels"),
    (lambda s: s["last"]["counts"].__setitem__((0, 1), 99), "impossible sizes"),
    (lambda s: s["last"]["counts"].__setitem__((0, 2), 99), "impossible sizes"),
    (lambda s: s["last"]["counts"].__setitem__((0, 3), 2), "impossible sizes"),
    (lambda s: s["last"]["counts"].__setitem__((0, 4), 2**54), "impossible sizes"),
    (lambda s: s["last"]["n_cells"].__setitem__(0, 3), "impossible cells"),
    (lambda s: s["last"]["cells"].__setitem__(0, 99), "unknown labels"),
    (lambda s: s["last"]["cells"].__setitem__(0, -1), "too small"),
    (lambda s: s["last"].update(forgotten=5), "forgotten is no whole"),
    (lambda s: s["last"].update(rounded=1), "no truth value"),
])  # fmt: skip
def test_a_scoreboard_that_is_none_is_refused(change: Callable[[Any], Any], told: str) -> None:
    board = board_of(window=5, fading=0.9)
    assert restored("Scoreboard", board, lambda state: None).scores("window") == board.scores("window")
    with pytest.raises(ModelFileError, match=told):
        restored("Scoreboard", board_of(window=5, fading=0.9), change)


@pytest.mark.parametrize(("metric", "board", "told"), [
    (MicroF1(), 1, "no scoreboard"), (MicroF1(), board_of(window=5), "not the one"),
    (MicroF1(), board_of(fading=0.9), "not the one"), (PrecisionAtK(2), board_of(ranks=(3,)), "not the one"),
    (MicroF1(labels=["u", "v"]), board_of(), "not the one"),
])  # fmt: skip
def test_a_metric_with_the_scores_of_another_is_refused(metric: Any, board: Any, told: str) -> None:
    name = type(metric).__name__
    restored(name, metric, lambda state: None)
    with pytest.raises(ModelFileError, match=told):
        restored(name, metric, lambda state: state.update(board=board))
    with pytest.raises(ModelFileError, match="more is not known"):
        restored(name, metric, lambda state: state.update(more=1))


@pytest.mark.parametrize(("change", "told"), [
    (lambda s: s["metrics"].append(MajorityLabelset()), "should be a metric"), (lambda s: s.update(str_sep=1), "no text"),
    (lambda s: s.update(more=1), "not known"), (lambda s: s.update(metrics=()), "no list"),
])  # fmt: skip
def test_metrics_that_are_none_are_refused(change: Callable[[Any], Any], told: str) -> None:
    with pytest.raises(ModelFileError, match=told):
        restored("MultiLabelMetrics", MultiLabelMetrics([MicroF1()]), change)


@pytest.mark.parametrize(("change", "told"), [
    (lambda s: s.update(answer={"u": 1}), "answer is no answer"), (lambda s: s.update(answer=["u"]), "answer is no answer"),
    (lambda s: s.update(answer={MicroF1: True}), "answer is no answer"), (lambda s: s.update(more=1), "not known"),
])  # fmt: skip
def test_baselines_whose_answer_is_none_are_refused(change: Callable[[Any], Any], told: str) -> None:
    for model in (PreviousLabelset(), MajorityLabelset()):
        model.learn_one({}, {"u": True, "v": False})
        again = restored(type(model).__name__, model, lambda state: None)
        assert again.predict_one({}) == model.predict_one({})
        with pytest.raises(ModelFileError, match=told):
            restored(type(model).__name__, model, change)


@pytest.mark.parametrize(("change", "told"), [
    (lambda s: s["counted"].append([("u",), 1.0, 1]), "a labelset is none"), (lambda s: s.update(best=("w",)), "is unknown"),
    (lambda s: s["counted"].append([["w"], 1.0, 1]), "a labelset is none"), (lambda s: s.update(best=["u"]), "is unknown"),
    (lambda s: s["counted"].append([("w",), 0.0, 1]), "a labelset is none"), (lambda s: s["counted"].append(1), "is none"),
    (lambda s: s["counted"].append([("w",), 1, 1]), "a labelset is none"), (lambda s: s.update(n_seen=-1), "n_seen is no"),
    (lambda s: s["counted"].append([("w",), 1.0, 1.0]), "a labelset is none"),
    (lambda s: s["counted"].extend([[(i,), 1.0, 1] for i in range(2)]), "too many labelsets"),
])  # fmt: skip
def test_counts_of_labelsets_that_are_none_are_refused(change: Callable[[Any], Any], told: str) -> None:
    model = MajorityLabelset(max_labelsets=2)
    model.learn_one({}, {"u"})
    restored("MajorityLabelset", model, lambda state: state["counted"].append([("w",), 0.5, 1]))
    restored("MajorityLabelset", model, lambda state: state.update(best=()))
    with pytest.raises(ModelFileError, match=told):
        restored("MajorityLabelset", model, change)
