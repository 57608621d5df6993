"""State of the classifiers: names, what was learned of features and labels, and all parts that fit to these."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihomer.classifier import IHOMERClassifier
from ihomer.encoder import Batch, Encoder, Nominal, is_nominal
from ihomer.interface import StreamClassifier
from ihomer.learner import TreeLearner
from ihomer.members import Member
from ihomer.partition import LabelPartition
from ihomer.replay import Replay
from ihomer.saved.ensemble import ensemble_state, fill_ensemble
from ihomer.saved.experts import NAMES
from ihomer.saved.fields import (
    BEYOND,
    ENDLESS,
    Fields,
    check_detectors,
    fill_vocabulary,
    held,
    made,
    next_power,
    settings_of,
    vocabulary_state,
)
from ihomer.saved.tree import fill_learner, learner_state
from ihomer.tree import MLHATClassifier

__all__ = ["classifier_of", "classifier_state", "tree_of", "tree_state"]

_DRIFT_KEYS = ("event", "where", "what", "clusters_changed", "learners_replaced")


def _encoder_state(encoder: Encoder) -> dict[str, Any]:
    """Return the state of an encoder; `version` and what follows from the names are left out."""
    state = held(encoder, "max_features", "features", "_nominal", "_values", "_schema", "_last", "version")
    return {**state, "features": vocabulary_state(encoder.features)}


def _fill_encoder(encoder: Encoder, f: Fields) -> int:
    """Give a new encoder its state; return the number of feature indices that there is room for."""
    features = encoder.features
    fill_vocabulary(features, f.nested("features"), Nominal)
    room = max(len(encoder.kind), next_power(features.size))
    f.require(len(features) <= encoder.max_features, "there are more features than max_features")
    encoder.kind = f.array("kind", np.uint8, (room,), 0, 1)
    encoder._n_learned = f.counter("_n_learned")
    encoder._last_seen = f.counters("_last_seen", (room,))
    f.require(bool((encoder._last_seen <= encoder._n_learned).all()), "a feature was seen after the last event")
    encoder.n_forgotten = f.whole("n_forgotten", 0, ENDLESS)
    f.done()
    for key, index in features.items():
        f.require(bool(encoder.kind[index]) == is_nominal(key), "the kind of a feature is wrong")
        if is_nominal(key):
            name, value = key[1:]  # type: ignore[index]
            encoder.note_value(name, value, index)
    return room


def _model_state(model: StreamClassifier) -> dict[str, Any]:
    """Return what all classifiers have."""
    model._refuse_if_broken()
    return {"settings": settings_of(model), "n_learned": model.n_learned, "encoder": _encoder_state(model._encoder)}


def tree_state(model: MLHATClassifier) -> dict[str, Any]:
    """Return the state of a single tree."""
    return {
        **_model_state(model),
        "labels": vocabulary_state(model._vocabulary),
        "last_applied": model._last_applied,
        "tree": learner_state(model._learner),
    }


def tree_of(state: Any) -> MLHATClassifier:
    """Return a single tree with a state from a file."""
    fields = Fields(state, "the tree model")
    settings = fields.take("settings")
    # What a setting makes a new tree hold must stand in the file: else a short file would take much memory.
    stored = state["tree"]["arrays"]["row_size"].shape[1]
    fields.require(settings["window"] == stored, "the windows of the leaves are not those of the settings")
    model: MLHATClassifier = made(MLHATClassifier, settings)
    model.n_learned = fields.counter("n_learned")
    _fill_encoder(model._encoder, fields.nested("encoder"))
    fill_vocabulary(model._vocabulary, fields.nested("labels"))
    used = model._vocabulary.is_in_use()
    fields.require(len(model._vocabulary) <= model.max_labels, "there are more labels than max_labels")
    model._last_applied = fields.counters("last_applied", (None,))
    fields.require(len(used) <= len(model._last_applied) <= 2 * len(used), "last_applied has an impossible length")
    fill_learner(model._learner, fields.nested("tree"), used, model._encoder.features.size)
    fields.require(len(model._learner.label_id) == len(model._vocabulary), "the tree has other labels than the model")
    fields.done()
    model._fit_dense()
    return model


def classifier_state(model: IHOMERClassifier) -> dict[str, Any]:
    """Return the state of the whole classifier."""
    strange = set(model.experts) - {*NAMES.values(), "labelsets", "tree"}
    if strange:
        raise TypeError(f"a file holds the experts that ihomer brings, and no {min(strange)!r}")
    return {
        **_model_state(model),
        "partition": model.partition,
        "trees": model._tree,
        "ensemble": None if model._ensemble is None else ensemble_state(model._ensemble),
        "members": [_member_state(member) for member in model._members],
        "n_members": model._n_members,
        "replay": _replay_state(model._replay),
        "detector": model._detector,
        "drifts": list(model._drifts),
        "n_drifts": model._n_drifts,
    }


def classifier_of(state: Any) -> IHOMERClassifier:
    """Return a classifier with a state from a file."""
    fields = Fields(state, "the classifier")
    model: IHOMERClassifier = made(IHOMERClassifier, fields.take("settings"))
    model.n_learned = fields.counter("n_learned")
    room, n_features = _fill_encoder(model._encoder, fields.nested("encoder")), model._encoder.features.size
    _take_same(fields, model, "partition", "partition", LabelPartition)
    model._own_partition()
    _take_same(fields, model, "trees", "_tree", MLHATClassifier)
    used = model.partition.labels.is_in_use()
    if model._ensemble is not None:
        fill_ensemble(model._ensemble, fields.nested("ensemble"), used, room)
    else:
        fields.require(fields.take("ensemble") is None, "there is an ensemble that the settings do not ask for")
    _fill_members(model, fields, used, n_features)
    _fill_replay(model._replay, fields.nested("replay"), used, n_features)
    model._detector = fields.array("detector", np.float64, model._detector.shape)
    check_detectors(fields, model._detector)
    drifts = fields.items("drifts")
    fields.require(len(drifts) <= (model._drifts.maxlen or 0) and all(map(_is_drift, drifts)), "a drift is none")
    model._drifts.extend(drifts)
    model._n_drifts = fields.whole("n_drifts", len(drifts), ENDLESS)
    fields.done()
    model._fit_dense()
    return model


def _take_same(fields: Fields, model: IHOMERClassifier, name: str, attribute: str, cls: type) -> None:
    """Give a model a part, which must have the settings that the model's own settings ask for."""
    found, expected = fields.take(name), getattr(model, attribute)
    same = type(found) is type(expected) is cls and repr(settings_of(found)) == repr(settings_of(expected))
    fields.require(same, f"{name} has other settings than the model's")
    vars(model)[attribute] = found  # from outside some parts cannot be replaced


def _is_drift(drift: Any) -> bool:
    if type(drift) is not dict or tuple(drift) != _DRIFT_KEYS:
        return False
    numbers = (drift["event"], drift["clusters_changed"])
    replaced = drift["learners_replaced"]
    words = drift["where"] == "global" and drift["what"] == "loss rose"
    return words and type(replaced) is list and all(type(n) is int and abs(n) <= BEYOND for n in (*numbers, *replaced))


def _member_state(member: Member) -> dict[str, Any]:
    return {**held(member, "learner"), "learner": learner_state(member.learner)}


def _fill_members(model: IHOMERClassifier, fields: Fields, used: NDArray[np.bool_], n_features: int) -> None:
    states = fields.items("members")
    model._n_members = fields.whole("n_members")
    fields.require(model._has_trees or not states, "there are trees that the settings do not ask for")
    for state in states:
        f = Fields(state, "a learner")
        number, cluster = f.whole("number", 0, model._n_members - 1), f.whole("cluster")
        learner = TreeLearner(model._member_settings(number), np.zeros(0, np.int32))
        member = Member(number, cluster, learner, f.whole("start"))
        member.is_primary = f.flag("is_primary")
        fill_learner(member.learner, f.nested("learner"), used, n_features)
        n_labels = member.learner.n_labels
        # Losses are not numbers where a tree has learned from values that are too large for it.
        member.mean_loss = f.array("mean_loss", np.float64, (2,))
        member.voting, member.alone = f.array("voting", np.bool_, (n_labels,)), f.array("alone", np.bool_, (n_labels,))
        member.recent = f.array("recent", np.float64, (n_labels,))
        member.duel_sum = f.array("duel_sum", np.float64, (n_labels,))
        member.duel_weight = f.array("duel_weight", np.float64, (n_labels,))
        f.done()
        model._members.append(member)
    numbers = [member.number for member in model._members]
    fields.require(all(a < b for a, b in pairwise(numbers)), "the learners are out of order")
    primary = [member.cluster for member in model._members if member.is_primary]
    clusters = set(model.partition.clusters) if model._has_trees else set()
    fields.require(len(primary) == len(clusters) and set(primary) == clusters, "the learners are not those of the clusters")


def _replay_state(replay: Replay) -> dict[str, Any]:
    return replay.latest(len(replay))._asdict()


def _fill_replay(replay: Replay, f: Fields, used: NDArray[np.bool_], n_features: int) -> None:
    weight = f.finite("weight", (None,), 0.0)
    n_rows = len(weight)
    f.require(n_rows <= (replay._rows.maxlen or 0), "there are too many events")
    parts: list[Any] = []
    for name, n_indices in (("x", n_features), ("y", len(used)), ("u", len(used))):
        index = f.array(f"{name}_index", np.int32, (None,), 0, n_indices - 1)
        indptr = f.array(f"{name}_indptr", np.int64, (n_rows + 1,), 0, len(index))
        rising = _rises(index, indptr)
        f.require(indptr[0] == 0 and indptr[-1] == len(index) and rising, "an event is not in order")
        parts += [indptr, index]
        if name == "x":
            parts.append(f.array("x_value", np.float64, index.shape))
    f.done()
    replay.extend(Batch._make([*parts, weight]), 0, n_rows)


def _rises(index: NDArray[np.int32], indptr: NDArray[np.int64]) -> bool:
    """Tell whether rows follow each other, and the indices rise within each."""
    if (np.diff(indptr) < 0).any():
        return False
    row = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    return bool(((np.diff(index) > 0) | (np.diff(row) > 0)).all())
