"""An evaluation from Python: what progress is told, when nothing is wrong, and settings that are."""

import math

import pytest

from streams.evaluate import Interrupts, Settings, evaluate, reader_options
from streams.models import SettingError, build_model
from streams.progress import Progress
from streams.results import mean_scores


@pytest.mark.parametrize(("limit", "of_memory", "of_a_file"), [(None, 2417, None), (40, 40, 40), (5000, 2417, 5000)])
def test_progress_is_told_how_many_events_there_are_at_most(limit, of_memory, of_a_file, tmp_path):
    class Told(Progress):
        def begin(self, total):
            self.told = total
            super().begin(total)

    path = tmp_path / "short.jsonl"
    path.write_text('{"x": {}, "y": ["p"]}\n')
    for file, expected in ((None, of_memory), (path, of_a_file)):
        progress = Told("days")
        evaluate(file, Settings(model="no-change", limit=limit), progress)
        assert progress.told == expected


def test_an_interrupt_before_the_first_labels_is_no_error(tmp_path):
    path, interrupts = tmp_path / "late.jsonl", Interrupts()
    path.write_text(3 * '{"x": {"a": 1}}\n')
    interrupts.noted = True
    result = evaluate(path, Settings(model="no-change"), Progress("late"), interrupts=interrupts)
    assert result.interrupted
    assert result.counts["predicted"] == 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("oracle", {}, "no model is named 'oracle'"),
        ("no-change", {"depth": 3}, "no-change has no setting 'depth'; it has none"),
        ("majority", {"max_labelsets": 0}, "max_labelsets"),
        ("mlhat", {"tree.delta": 0.1}, "no part 'tree'"),
        ("ihomer", {"tree.height": 3}, "tree has no setting 'height'"),
        ("ihomer", {"clustering.n_min": 0}, "clustering: n_min"),
        ("paper", {"tree": 3}, "tree is set by its own settings"),
        ("mlhat", {"seed": 3}, "seed is given on its own"),
    ],
)
def test_wrong_settings_are_named(name, options, message):
    with pytest.raises(SettingError, match=message):
        build_model(name, 0, options)


def test_lists_of_json_stand_for_tuples():
    made = build_model("ihomer", 0, {"experts": ["frequency", "linear"]})
    assert made.experts == ("frequency", "linear")


def test_settings_of_a_part_change_nothing_else():
    usual, changed = build_model("paper", 5, {}), build_model("paper", 5, {"clustering.n_min": 50})
    assert changed.clustering._get_params() == {**usual.clustering._get_params(), "n_min": 50}
    assert changed.tree._get_params() == usual.tree._get_params()
    assert changed.seed == 5
    by_default, changed = build_model("ihomer", 0, {}), build_model("ihomer", 0, {"tree.max_depth": 3})
    assert changed._tree._get_params() == {**by_default._tree._get_params(), "max_depth": 3}


def test_means_are_of_the_scores_that_all_have():
    assert mean_scores([]) == {}
    means = mean_scores([{"a": 0.25, "b": 1.0}, {"a": 0.5}])
    assert means == {"a": 0.375}
    assert not math.isnan(means["a"])


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ('"rain, snow", "2"', ["rain, snow", "2"]),
        ('"2"', ["2"]),
        ('"hail*"', ["hail*"]),
        ('"say ""so""",""', ['say "so"', ""]),
        ('say "so",2', ['say "so"', "2"]),
        ("2", 2),
        ("-2", -2),
    ],
)
def test_names_that_would_mean_something_else_stand_in_quotes(tmp_path, labels, names):
    path = tmp_path / "a.csv"
    assert reader_options(path, Settings(labels=labels, ignore='"a,b",c')) == {"labels": names, "ignore": ["a,b", "c"]}
