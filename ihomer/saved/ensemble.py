"""State of an ensemble: experts, the scale of features, the mixture, and the decoder with the labelsets seen."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihomer.decoding import Decoder
from ihomer.ensemble import Ensemble
from ihomer.experts import EXPERTS, Expert
from ihomer.kernels.encoding import MAX_MAGNITUDE
from ihomer.kernels.labelsets import COUNT as SET_COUNT
from ihomer.kernels.labelsets import N_EVENTS, N_FACTORS, N_LATEST, N_MEMBERS, N_SETS, N_WORDS
from ihomer.kernels.ranks import MOST_TAKEN, N_COLUMNS, N_QUANTILES, N_TAKEN, N_WAITING
from ihomer.kernels.scaling import BLOCK_COUNT, BLOCK_FAR, BLOCK_SQUARE, COUNT, MISSING, N_SUMS, NEGATIVE, SQUARE
from ihomer.kernels.tallies import N_TALLIES
from ihomer.mixing import Mixture
from ihomer.places import FREE, LabelPlaces
from ihomer.saved.experts import FILL, NAMES, Room, expert_state
from ihomer.saved.fields import Fields, check_probes, held, next_power
from ihomer.saved.tree import mixed
from ihomer.scaling import FeatureScale

__all__ = ["ensemble_state", "fill_ensemble"]

_ROUNDING = 1e-6  # of counts that have been halved again and again


def ensemble_state(ensemble: Ensemble) -> dict[str, Any]:
    """Return the state of an ensemble."""
    return {
        "experts": {_name_of(expert): expert_state(expert) for expert in ensemble._experts},
        "mixture": held(ensemble.mixture, "fixed", "_start"),
        "decoder": held(ensemble.decoder, "_objective", "_most", "_score_rate", "_asked", "_workings", "_signatures"),
        "scale": held(ensemble._scale, "_usual", "_n_usual", "_pairs"),
        "places": held(ensemble.places, "most", "_place"),
        "room": ensemble._room,
    }


def _name_of(expert: Expert) -> str:
    name = NAMES.get(type(expert))
    if name is None or EXPERTS.get(name) is not type(expert):
        raise TypeError(f"a file holds the experts that ihomer brings, and no {type(expert).__qualname__}")
    return name


def fill_ensemble(ensemble: Ensemble, fields: Fields, labels_in_use: NDArray[np.bool_], n_features: int) -> None:
    """Give a new ensemble its state.

    Parameters
    ----------
    ensemble
        The new ensemble, made with the settings of the model.
    fields
        Its state.
    labels_in_use
        bool[label indices].
    n_features
        Number of feature indices that there is room for.
    """
    found = fields.take("room")
    expected = (len(labels_in_use), n_features)
    fields.require(found in ((0, 0), expected) and type(found) is tuple, "there is room for other labels and features")
    n_labels, room_for_features = map(int, found)
    fields.require(found == expected or not len(labels_in_use), "there is no room for the labels")
    ensemble._room = (n_labels, room_for_features)
    _fill_places(ensemble.places, fields.nested("places"), n_labels)
    room = Room(min(n_labels, ensemble.places.most), room_for_features)
    experts = fields.nested("experts")
    for expert in ensemble._experts:
        f = experts.nested(NAMES[type(expert)])
        FILL[type(expert)](expert, f, room)
        f.done()
    experts.done()
    _fill_scale(ensemble._scale, fields.nested("scale"), room.features)
    _fill_mixture(ensemble.mixture, fields.nested("mixture"), room)
    _fill_decoder(ensemble.decoder, fields.nested("decoder"), ensemble.places.seated(labels_in_use[None])[0], room)
    fields.done()


def _fill_scale(scale: FeatureScale, f: Fields, n_features: int) -> None:
    sums = scale._sums = f.finite("_sums", (next_power(n_features), N_SUMS))
    counts = sums[:, [COUNT, SQUARE, MISSING, BLOCK_COUNT, BLOCK_SQUARE, BLOCK_FAR, NEGATIVE]]
    f.require(bool((counts >= 0.0).all()), "a feature has been seen less than never")
    n_negative, n_most = sums[:, NEGATIVE], sums[:, COUNT] * (1.0 + _ROUNDING) + _ROUNDING
    f.require(bool((n_negative <= n_most).all()), "a feature has more values below 0 than values")
    scale._n_seen = f.finite("_n_seen", (1,), 0.0)
    n_known = sums[:, COUNT] + sums[:, MISSING]
    most = scale._n_seen * (1.0 + _ROUNDING) + _ROUNDING
    f.require(bool((n_known <= most).all()), "a feature has been seen more often than there were events")
    _fill_ranks(scale, f, n_features)
    f.done()


def _fill_ranks(scale: FeatureScale, f: Fields, n_features: int) -> None:
    ranks = f.array("_ranks", np.float64, (None, N_COLUMNS), -MAX_MAGNITUDE, MAX_MAGNITUDE)
    n_rows = len(ranks)
    f.require(not n_rows or n_rows == next_power(n_rows) <= next_power(n_features), "_ranks has an impossible length")
    f.require(scale.find_usual() <= n_rows, "a centred feature has no ranks")
    taken, waiting, known = ranks[:, N_TAKEN], ranks[:, N_WAITING], ranks[:, N_TAKEN] > 0.0
    f.require(bool(np.isin(waiting, np.arange(N_QUANTILES)).all()), "_ranks has an impossible number of waiting values")
    f.require(bool(((taken == 0.0) | ((taken >= N_QUANTILES) & (taken <= MOST_TAKEN))).all()), "_ranks has impossible counts")
    f.require(bool((np.diff(ranks[known, :N_QUANTILES]) >= 0.0).all()), "quantiles are not in order")
    scale._ranks = ranks


def _fill_places(places: LabelPlaces, f: Fields, n_labels: int) -> None:
    is_partial = n_labels > places.most
    places.label = f.array("label", np.int32, (places.most if is_partial else 0,), FREE, n_labels - 1)
    taken = places.label[places.label != FREE]
    f.require(len(np.unique(taken)) == len(taken), "a label has two places")
    places.times = f.array("times", np.float64, (next_power(n_labels) if is_partial else 0,), 0.0, 2.0**53)
    if is_partial:
        places.find()
    f.done()


def _fill_mixture(mixture: Mixture, f: Fields, room: Room) -> None:
    for name in ("_weights", "_information"):
        setattr(mixture, name, f.array(name, np.float64, getattr(mixture, name).shape))
    mixture._own = f.array("_own", np.float64, (room.width, mixture._own.shape[1]))
    f.require(bool((mixture._own[:, -1] > 0.0).all()), "a sum of squares is not positive")
    f.done()


def _fill_decoder(decoder: Decoder, f: Fields, labels_in_use: NDArray[np.bool_], room: Room) -> None:
    shapes = {
        "_factor": (N_FACTORS,), "_information": (N_FACTORS, N_FACTORS), "_novelty": (3, 2), "_weights": (1, 3),
        "_total_count": (1,), "_weights_information": (1, 3, 3), "_own": (room.width, 4), "_total": (2,),
        "_tally": (room.width, 2), "_events": (N_TALLIES,),
    }  # fmt: skip
    rows = room.rows if decoder._score_rate else min(room.rows, 1)
    decoder._score_weights = f.array("_score_weights", np.float32, (1, rows + 1, room.width))
    for name, shape in shapes.items():
        setattr(decoder, name, f.array(name, np.float64, shape))
    f.require(bool((decoder._own[:, -1] > 0.0).all()), "a sum of squares is not positive")
    decoder._header = f.counters("_header", (3,))
    least = len(decoder._hashes)
    decoder._hashes = f.array("_hashes", np.uint64, (None,))
    most, n_places = int(decoder._most), len(decoder._hashes)
    doubled = least * max(1, next_power(-(-n_places // least)))
    f.require(n_places == min(doubled, most), "there are places for an impossible number of labelsets")
    decoder._table = f.array("_table", np.int32, (next_power(4 * n_places),), -1, n_places - 1)
    decoder._ends = f.array("_ends", np.int64, (n_places + 1,), 0)
    decoder._pool = f.array("_pool", np.int32, (None,))
    decoder._stats = f.array("_stats", np.float64, (n_places, 3))
    count = decoder._stats[: decoder.n_labelsets, SET_COUNT]
    f.require(bool((count > 0.0).all()), "a labelset has been seen less than never")
    f.require(bool(np.isclose(decoder._total_count[0], count.sum(), rtol=1e-6)), "labelsets have another total than counts")
    now = int(decoder._header[N_EVENTS])
    decoder._last_seen = f.counters("_last_seen", (n_places,))
    f.require(bool((decoder._last_seen <= now).all()), "a labelset was seen after the last event")
    decoder._latest = f.array("_latest", np.int32, (N_LATEST,), -1, decoder.n_labelsets - 1)
    f.done()
    _check_labelsets(f, decoder, labels_in_use)


def _check_labelsets(f: Fields, decoder: Decoder, labels_in_use: NDArray[np.bool_]) -> None:
    """Check the labelsets seen: set s has the labels pool[ends[s]:ends[s + 1]], ascending, and stands in the table once."""
    n_sets, n_members = int(decoder._header[N_SETS]), int(decoder._header[N_MEMBERS])
    f.require(n_sets < max(2, len(decoder._hashes)) and n_members <= len(decoder._pool), "there are too many labelsets")
    ends = decoder._ends[: n_sets + 1]
    size = np.diff(ends)
    f.require(bool(ends[0] == 0 and (size >= 0).all() and ends[-1] == n_members), "the labelsets do not follow each other")
    members = decoder._pool[:n_members]
    known = (members >= 0) & (members < len(labels_in_use))
    f.require(bool(known.all() and labels_in_use[members].all()), "a labelset has an unknown label")
    owner = np.repeat(np.arange(n_sets), size)
    f.require(bool(((np.diff(members) > 0) | (np.diff(owner) > 0)).all()), "a labelset does not rise")
    hashes = np.zeros(n_sets, np.uint64)
    np.add.at(hashes, owner, mixed(members.astype(np.uint64) + np.uint64(1)))
    f.require(bool(np.array_equal(hashes, decoder._hashes[:n_sets])), "a labelset has the wrong hash")
    decoder._signatures = np.zeros((N_WORDS, len(decoder._hashes)), np.uint64)
    np.bitwise_or.at(
        decoder._signatures, ((members >> 6) % N_WORDS, owner), np.uint64(1) << (members & 63).astype(np.uint64)
    )
    filled = decoder._table >= 0
    f.require(bool(np.array_equal(np.sort(decoder._table[filled]), np.arange(n_sets))), "the table lists other labelsets")
    home = (hashes[decoder._table[filled]] >> np.uint64(20)).astype(np.int64) & (len(decoder._table) - 1)
    check_probes(f, filled, home, "labelsets")
