"""The drift kinds: the index against textbook and scikit-learn, delays and alarms by hand, one small run, table, pictures."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from benchmarks import common
from benchmarks.drifts import __main__ as command
from benchmarks.drifts import pictures, runs
from benchmarks.drifts.kinds import Kind, cluster_numbers, kinds
from benchmarks.drifts.measures import adjusted_rand_index, delay, false_alarms, losses
from benchmarks.drifts.models import MODELS, river_detections
from benchmarks.drifts.readme_block import drift_kinds
from streams.drift import Drift

PARTITION = st.integers(0, 9).flatmap(lambda n: st.tuples(*[st.lists(st.integers(-2, 4), min_size=n, max_size=n)] * 2))


# The adjusted Rand index -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # Six elements, 15 pairs; 3 and 3 against 2, 2 and 2: 2 pairs in both, 6 and 3 in each, 18 / 15 by chance.
        ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2], (2 - 1.2) / (4.5 - 1.2)),
        ([0, 0, 1, 1], [0, 0, 0, 0], 0.0),
        ([0, 0, 1, 1], [0, 1, 0, 1], -0.5),
        ([3, 3, 3], [1, 1, 1], 1.0),
        ([0, 1, 2], [5, 3, 4], 1.0),
        ([0, 0, 0], [0, 1, 2], 0.0),
        ([], [], 1.0),
        ([7], [2], 1.0),
    ],
)
def test_index_of_examples_by_hand(first: list[int], second: list[int], expected: float) -> None:
    assert adjusted_rand_index(first, second) == pytest.approx(expected)


@given(PARTITION)
def test_index_is_that_of_scikit_learn_symmetric_and_at_most_1(both: tuple[list[int], list[int]]) -> None:
    found = adjusted_rand_index(*both)
    assert found == pytest.approx(adjusted_rand_score(*both))
    assert found == pytest.approx(adjusted_rand_index(both[1], both[0]))
    assert found <= 1.0


@given(PARTITION, st.permutations(range(-2, 5)))
def test_names_of_clusters_do_not_matter(both: tuple[list[int], list[int]], names: list[int]) -> None:
    renamed = [names[cluster + 2] for cluster in both[0]]
    assert adjusted_rand_index(renamed, both[1]) == pytest.approx(adjusted_rand_index(*both))
    assert adjusted_rand_index(renamed, both[0]) == 1.0


def test_partitions_of_different_elements_are_refused() -> None:
    with pytest.raises(ValueError, match="same elements"):
        adjusted_rand_index([0, 1], [0, 1, 1])


# Losses, delays, alarms ------------------------------------------------------------------------------------------------


def test_losses_of_labelsets() -> None:
    answers = np.array([[1, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0]], bool)
    truth = np.array([[0, 1, 1], [0, 0, 0], [0, 1, 0], [1, 0, 0]], np.uint8)
    assert losses(answers, truth).tolist() == pytest.approx([2 / 3, 0.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("detections", "expected"),
    [([], None), ([100], None), ([101], 1), ([150], 50), ([151], None), ([40, 99, 130, 120], 20)],
)
def test_delay_counts_the_events_of_the_drift_that_were_learned(detections: list[int], expected: int | None) -> None:
    assert delay(detections, at=100, horizon=50) == expected


def test_false_alarms_are_those_after_the_warm_up_and_before_the_drift() -> None:
    assert false_alarms([1, 50, 51, 99, 100, 100, 101], warm_up=50, until=100) == 4
    assert false_alarms([], warm_up=50, until=100) == 0


def _kind(drift: Drift | None, n_events: int = 200) -> Kind:
    return Kind("by hand", 1, drift, n_events)


def test_runs_are_summed_up() -> None:
    spans = runs.Spans(warm_up=20, horizon=50, during=50, edge=50)
    loss = np.repeat([0.1, 0.3, 0.5, 0.7], 50)
    first = runs.Run(loss, [(10, "global"), (30, "node"), (130, "node"), (140, "global")], [(100, 1.0), (200, 0.5)])
    second = runs.Run(loss + 0.1, [(99, "global"), (180, "node")], [(100, 0.0), (200, 0.5)])
    model = MODELS["paper"]._replace(detectors=("global", "node"))
    found = runs.summed_up([first, second], _kind(Drift(at=100)), model, spans)
    assert (found["loss_before"], found["loss_during"], found["loss_after"]) == pytest.approx((0.35, 0.55, 0.75))
    assert runs.numbers(found["loss_during_of_seeds"]).tolist() == [0.5, 0.6]
    assert (found["ari_before"], found["ari_after"]) == (0.5, 0.5)
    assert found["detections"] == {
        "quiet_events": 160,
        "any": {"false_alarms": 2, "delays": [30, None]},
        "global": {"false_alarms": 1, "delays": [40, None]},
        "node": {"false_alarms": 1, "delays": [30, None]},
    }
    quiet = runs.summed_up([first], _kind(None), model, spans)["detections"]
    assert quiet["quiet_events"] == 180
    assert quiet["any"] == {"false_alarms": 3}


def test_a_note_of_a_later_tree_stands_at_the_end_of_its_block() -> None:
    notes = runs.Counter([(310, "global", None, None), (7, "node", 4, 0), (7, "node", 4, 0)])
    assert list(runs._placed(notes, 300, 350)) == [(310, "global"), (350, "node"), (350, "node")]


def test_only_rising_losses_of_the_detectors_named_are_detections() -> None:
    model = SimpleNamespace(
        drifts=[
            {"event": 5, "where": "node", "cluster": 1, "node": 0, "what": "leaf split"},
            {"event": 6, "where": "node", "cluster": 1, "node": 0, "what": "loss rose"},
            {"event": 7, "where": "partition", "what": "label pairs cut more often"},
        ]
    )
    assert [note[0] for note in runs._notes(model, ("node", "partition"))] == [6, 7]
    assert [note[0] for note in runs._notes(model, ("partition",))] == [7]


def test_a_model_without_counters_is_refused() -> None:
    with pytest.raises(TypeError, match="counts no drifts"):
        river_detections([object()])


# Streams ---------------------------------------------------------------------------------------------------------------


def test_streams_differ_and_drift_in_the_middle() -> None:
    found = kinds(400)
    assert len({kind.name for kind in found}) == len({kind.number for kind in found}) == 12
    assert {kind.at for kind in found} == {200}
    first = [next(kind.stream(0).blocks(100))[0] for kind in found]
    assert not any(np.array_equal(first[i], first[j]) for i in range(12) for j in range(i))


def test_the_true_partition_changes_with_the_groups() -> None:
    for name, places in {"sudden": (200, 201), "gradual": (240, 241), "recurring": (200, 201)}.items():
        kind = next(kind for kind in kinds(400) if kind.name == f"{name} correlation")
        stream = kind.stream(0)
        before, after = (kind.true_clusters(stream, n_learned) for n_learned in places)
        assert adjusted_rand_index(before, kind.true_clusters(stream, 1)) == 1.0
        assert adjusted_rand_index(before, after) < 1.0
        end = kind.true_clusters(stream, 400)
        assert adjusted_rand_index(end, before if name == "recurring" else after) == 1.0


def test_labels_in_no_cluster_are_marked() -> None:
    assert cluster_numbers({3: ("b",), 8: ("a", "d")}, ("a", "b", "c", "d")).tolist() == [8, 3, -1, 8]


# One small run, its table and its pictures -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    names = ["default", "default, no detector", "MLHAT", "BR HAT"]
    return command.measure(500, 1, ("stationary", "sudden correlation"), names, say=lambda *args, **kwargs: None)


def test_a_small_run_from_end_to_end(result: dict[str, Any]) -> None:
    assert result["complete"]
    assert list(result["kinds"]) == ["stationary", "sudden correlation"]
    for kind in result["kinds"].values():
        for name, row in kind["models"].items():
            assert len(runs.numbers(row["loss_every_50"])) == 10
            assert ("detections" in row) == (name != "default, no detector")
            assert ("ari_after" in row) == name.startswith("default")
            assert row["commit"] == common.commit()
    drifting = result["kinds"]["sudden correlation"]["models"]
    assert drifting["default"]["loss_during"] > drifting["default"]["loss_before"]
    assert runs.numbers(drifting["default"]["ari_every_250"])[0] == 1.0
    assert drifting["BR HAT"]["detections"]["quiet_events"] == 150


def test_an_interrupt_leaves_out_what_is_not_done() -> None:
    told: list[str] = []

    def say(text: str, **kwargs: Any) -> None:
        told.append(text)
        if len(told) == 1:
            raise KeyboardInterrupt

    found = command.measure(500, 1, ("stationary", "sudden correlation"), ["default", "MLHAT"], say=say)
    assert told[1].startswith("interrupted")
    assert not found["complete"]
    assert [list(kind["models"]) for kind in found["kinds"].values()] == [["default"], []]
    assert drift_kinds(found).splitlines()[2].startswith("| default (1 of 2 kinds) | 1 | – |")


def test_the_table_shows_every_model(result: dict[str, Any]) -> None:
    lines = drift_kinds(result).splitlines()
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == [
        "default", "default, no detector", "MLHAT", "BR HAT",
    ]  # fmt: skip
    assert len({line.count("|") for line in lines}) == 1
    nothing_detects = lines[3].split(" | ")
    assert nothing_detects[2:6] == ["–"] * 4


def test_the_table_compares_on_the_same_streams() -> None:
    def row(losses_of_seeds: str) -> dict[str, Any]:
        parts = {f"loss_{part}_of_seeds": losses_of_seeds for part in ("before", "during", "after")}
        return {"n_seeds": len(losses_of_seeds.split()), **parts}

    detections = {"quiet_events": 4000, "any": {"false_alarms": 6, "delays": [40, None, 90]}}
    slow = {**row("0.5"), "detections": detections}
    made = {"kinds": {"sudden labels": {"starts": 5, "ends": 6, "models": {"default": row("0.1 0.3"), "slow": slow}}}}
    cells = [line.strip("| ").split(" | ") for line in drift_kinds(made).splitlines()[2:]]
    assert cells[0][6:] == ["0.200 / 0.200 / 0.200", "", "–"]
    assert cells[1] == [
        "slow", "1", "–", "2 of 3, 65", "–", "15.0", "0.500 / 0.500 / 0.500", "0.100 / 0.100 / 0.100", "–",
    ]  # fmt: skip


def test_pictures_have_the_same_bytes_again(result: dict[str, Any], tmp_path: Path) -> None:
    for folder in ("first", "second"):
        command.draw(result, tmp_path / folder)
    for path in sorted((tmp_path / "first").iterdir()):
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def test_curves_are_smoothed_over_the_past() -> None:
    assert pictures.smoothed(np.array([1.0, 2.0, 3.0, 5.0]), 2).tolist() == [1.0, 1.5, 2.5, 4.0]


def test_models_that_are_run_anew_take_the_place_of_the_old_ones_alone() -> None:
    rows = {"MLHAT": {"loss": 1}, "default": {"loss": 2}}
    old = {"complete": True, "n_events": 5, "spans": {}, "kinds": {"sudden": {"starts": 3, "models": rows}}}
    new = {**old, "kinds": {"sudden": {"starts": 3, "models": {"default": {"loss": 7}}}}}
    found = command.merged(new, old)
    assert list(found["kinds"]["sudden"]["models"].items()) == [("default", {"loss": 7}), ("MLHAT", {"loss": 1})]
    with pytest.raises(ValueError, match="other streams"):
        command.merged({**new, "n_events": 6}, old)
