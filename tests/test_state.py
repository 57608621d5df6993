"""Checkpoints hold what they were given, and one whose parts do not fit each other is refused whatever its checksum says."""

import json
import math

import numpy as np
import pytest

from ihomer.baselines import MajorityLabelset
from ihomer.encoder import MAX_WEIGHT, MIN_WEIGHT
from ihomer.persistence import Kinds, ModelFileError, Part, pack
from streams import state
from streams.answering import Answering
from streams.event import Event
from streams.inspection import inspect
from streams.message import Message
from streams.scoring import Scoring
from streams.state import pack_state, unpack_state
from tests.test_live import new_answering

EVENTS = [{"x": {"a": 1}, "y": ["p", "q"]}, {"x": {"b": 1}, "y": {"p": True, "r": None}}, {"x": {}, "y": ["q"]}]
NOTHING_OBSERVED = {"x": {}, "y": {"r": None}}


def answering_of(events):
    answering = new_answering()
    answering.take([Message("t", 0, number, json.dumps(event).encode()) for number, event in enumerate(events)])
    return answering


def packed(change, positions=(("t", 0, 3),)):
    """Return a checkpoint after some events whose state of the scores is changed on the way."""

    def state_of(scoring):
        found = state._scoring_state(scoring)
        change(found)
        return found

    kinds = Kinds({**state._KINDS.parts, "Scoring": Part(Scoring, state_of, None)}, *state._KINDS[1:])
    return pack({"version": 2, "positions": list(map(list, positions)), "answering": answering_of(EVENTS).state()}, kinds)


def test_what_is_unpacked_is_what_was_packed():
    answering, again = answering_of([*EVENTS, NOTHING_OBSERVED, {"z": 1}]), new_answering()
    positions = {("t", 1): 4, ("t", 0): 3, ("s", 0): 1}
    content = pack_state(answering, positions)
    assert unpack_state(content, again) == positions
    assert pack_state(again, dict(sorted(positions.items()))) == content
    assert again.n_dead == answering.n_dead == {"field": 1}
    assert again.scoring.all_scores() == answering.scoring.all_scores()
    assert (again.scoring.n_scored, again.scoring.n_labels) == (3, 3)
    assert unpack_state(packed(lambda found: None), new_answering()) == {("t", 0): 3}


def test_a_checkpoint_of_a_run_that_has_scored_nothing_yet_is_a_sound_one():
    again, content = new_answering(), pack_state(answering_of([{"x": {"a": 1}}]), {})
    unpack_state(content, again)
    assert pack_state(again, {}) == content
    assert again.scoring.all_scores() == new_answering().scoring.all_scores()


def test_weights_at_their_bounds_are_taken():
    again = new_answering()
    unpack_state(packed(lambda found: found["weights"].__setitem__(slice(2), [MIN_WEIGHT, MAX_WEIGHT])), again)
    assert again.scoring._weights == [MIN_WEIGHT, MAX_WEIGHT, 1.0]


@pytest.mark.parametrize("place", [("t", "one", 3), ("t", 0, None), ("t", 0), ("t", 0, math.inf)])
def test_a_position_that_is_none_is_refused(place):
    with pytest.raises(ModelFileError, match="it is no checkpoint"):
        unpack_state(packed(lambda found: None, [place]), new_answering())


def test_what_a_checkpoint_holds_is_told(tmp_path):
    answering = new_answering()
    answering.n_read, answering.n_predicted, answering.n_learned, answering.n_joined, answering.n_tombstones = range(11, 16)
    answering.n_dead.update({"value": 7, "json": 6})
    late = answering.late
    late.n_expired, late.n_orphans, late.n_repeated = 3, 4, 5
    late.wait("a", Event({}), (), ())
    late.wait("b", Event({}), (), ())
    late.keep_labels("c", {"p"})
    drift = {"event": 9, "where": "global", "what": "loss rose", "clusters_changed": 1, "learners_replaced": [2]}
    answering.model._drifts.append(drift)
    answering.model._n_drifts = 1
    path = tmp_path / "checkpoint"
    path.write_bytes(pack_state(answering, {("t", 1): 4, ("s", 0): 1}))
    told = inspect(path)
    assert told["counts"] == {
        "n_read": 11, "n_predicted": 12, "n_learned": 13, "n_joined": 14, "n_tombstones": 15, "dead_json": 6, "dead_value": 7,
    }  # fmt: skip
    assert told["late"] == {"waiting": 2, "early": 1, "expired": 3, "orphans": 4, "repeated": 5}
    assert told["positions"] == [{"topic": "s", "partition": 0, "offset": 1}, {"topic": "t", "partition": 1, "offset": 4}]
    assert (told["file"], told["bytes"], told["drifts"]) == ("checkpoint", path.stat().st_size, [drift])
    assert list(told["scores"]) == ["model total", "baseline total", "model window", "baseline window"]
    json.dumps(told, allow_nan=False)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s["labels"].append("p"), "a label stands twice"),
        (lambda s: s["boards"].pop("baseline"), "not of model and baseline"),
        (lambda s: s.update(boards=["model", "baseline"]), "not of model and baseline"),
        (lambda s: s.update(boards=dict(reversed(s["boards"].items()))), "not of model and baseline"),
        (lambda s: s["boards"].update(model=1), "scores are no scoreboard"),
        (lambda s: s.update(weights=s["weights"].tolist()), "not hold a valid state"),
        (lambda s: s.update(weights=s["weights"][:, None]), "weights are none"),
        (lambda s: s.update(weights=s["weights"].astype(np.float32)), "weights are none"),
        (lambda s: s["weights"].__setitem__(0, 0.0), "weights are none"),
        (lambda s: s["weights"].__setitem__(0, np.inf), "weights are none"),
        (lambda s: s["members"].update(model=s["members"]["model"].astype(np.int32)), "sets of labels are none"),
        (lambda s: s["members"].update(model=s["members"]["model"][:, None]), "sets of labels are none"),
        (lambda s: s["sizes"].update(model=s["sizes"]["model"][:, None]), "sets of labels are none"),
        (lambda s: s["sizes"].update(positive=np.array([4, -1, 1])), "sets do not fit"),
        (lambda s: s["sizes"].update(positive=np.array([2, 1, 2])), "sets do not fit"),
        (lambda s: s["sizes"].update(positive=np.array([2, 2])), "sets do not fit"),
        (lambda s: s["members"]["positive"].__setitem__(0, 3), "unknown label"),
        (lambda s: s["members"]["positive"].__setitem__(0, -1), "unknown label"),
        (lambda s: s["members"]["positive"].__setitem__(0, s["members"]["positive"][1]), "a label twice"),
        (lambda s: s.pop("n_counted"), "n_counted"),
        (lambda s: s.update(n_counted=None), "not hold a valid state"),
        (lambda s: s.update(n_scored="many"), "not hold a valid state"),
    ],
)
def test_scores_that_do_not_fit_together_are_refused(change, reason):
    with pytest.raises(ModelFileError, match=reason):
        unpack_state(packed(change), new_answering())


@pytest.mark.parametrize(("name", "part"), [("dead", [1]), ("counts", ["many"] * 5), ("counts", [1] * 4), ("late", None)])
def test_a_part_of_another_form_is_refused(name, part):
    content = {"version": 2, "positions": [], "answering": {**new_answering().state(), name: part}}
    with pytest.raises(ModelFileError, match="it is no checkpoint"):
        unpack_state(pack(content, state._KINDS), new_answering())


@pytest.mark.parametrize("name", ["model", "baseline", "scoring"])
def test_another_thing_in_the_place_of_a_part_is_refused(name):
    answering = answering_of(EVENTS)
    setattr(answering, name, MajorityLabelset())
    with pytest.raises(ModelFileError, match=f"{name} is no "):
        unpack_state(pack_state(answering, {}), new_answering())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([1], "it is no checkpoint: it holds an object of type list"),
        ({"version": 3, "positions": []}, r"^made by a newer version of ihomer \(checkpoint version 3\)"),
        ({"version": 2, "positions": []}, "it is no checkpoint: KeyError"),
        ({"version": "2"}, "it is no checkpoint: TypeError"),
    ],
)
def test_what_is_no_checkpoint_of_this_version_is_refused(content, reason):
    with pytest.raises(ModelFileError, match=reason):
        unpack_state(pack(content, state._KINDS), Answering(MajorityLabelset()))
