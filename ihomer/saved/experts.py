"""State of the experts: arrays of the shapes that the numbers of labels and features ask for, and the places in them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ihomer.experts.base import Expert, square_in_lines, weight_rows, width_in_lines
from ihomer.experts.bayes import Bayes
from ihomer.experts.frequency import Frequency
from ihomer.experts.linear import Linear
from ihomer.experts.neighbours import _MOST_LABELS as MOST_NEAR_LABELS
from ihomer.experts.neighbours import _REVISED, _WINDOW, Neighbours
from ihomer.experts.rehearsal import _MOST_LABELS as MOST_PAST_LABELS
from ihomer.experts.rehearsal import _MOST_PAIRS, Rehearsal
from ihomer.experts.rehearsal import _WINDOW as PAST
from ihomer.experts.ridge import _MOST_PLACES, Ridge
from ihomer.kernels.curves import LEAST_LENGTH, MOST_LENGTH, N_KNOTS
from ihomer.kernels.hidden import MOST_RELEVANCE, N_UNITS, START
from ihomer.kernels.ridge import AT_ONCE, FALLS, FALLS_AT_ONCE, WAITING
from ihomer.kernels.scaling import MOST_POSITION
from ihomer.kernels.window import MOST_PAIRS, N_LABELS, N_PAIRS, N_POSITIVE, NUMBER, UNITS, WIDTH_BITS
from ihomer.saved.fields import Fields, held, next_power

__all__ = ["FILL", "NAMES", "Room", "expert_state"]


class Room(NamedTuple):
    """What an ensemble has made room for: indices of labels and of features; (0, 0) before the first event."""

    labels: int
    features: int

    @property
    def width(self) -> int:
        """Places for labels."""
        return next_power(self.labels)

    @property
    def rows(self) -> int:
        """Rows of weights."""
        return weight_rows(self.width, self.features) if self.features else 0


def expert_state(expert: Expert) -> dict[str, Any]:
    """Return the state of an expert."""
    return held(expert, "_products", "_columns", "alike")


def _fill_frequency(expert: Frequency, f: Fields, room: Room) -> None:
    expert._rates = f.array("_rates", np.float64, (room.width, 2, 2))
    expert._shared = f.array("_shared", np.float64, (2, 2))
    expert._marks = f.array("_marks", np.uint8, (room.width, 2), 0, 1)
    expert._sequence = f.array("_sequence", np.float64, (room.width, 4, 2))
    expert._sequence_shared = f.array("_sequence_shared", np.float64, (4, 2))
    expert._n_labels = f.whole("_n_labels", room.labels, room.labels)


def _fill_bayes(expert: Bayes, f: Fields, room: Room) -> None:
    n_rows = next_power(room.rows) if room.features else 1
    expert._counts = f.array("_counts", np.float32, (n_rows, room.width))
    expert._totals = f.array("_totals", np.float64, (n_rows,))
    expert._rates = f.array("_rates", np.float64, (room.width, 2))
    expert._n_labels = f.whole("_n_labels", room.labels, room.labels)


def _fill_linear(expert: Linear, f: Fields, room: Room) -> None:
    shape = (room.rows + 1, room.width)
    expert._weights = f.array("_weights", np.float32, (len(expert._weights), *shape))
    expert._raw_weights = f.array("_raw_weights", np.float32, (len(expert._raw_weights), *shape))


def _fill_rehearsal(expert: Rehearsal, f: Fields, room: Room) -> None:
    expert._number = f.counter("_number")
    n_slots = next_power(min(expert._number, PAST))
    expert._sizes = f.array("_sizes", np.int64, (n_slots, 3), 0)
    expert._importance = f.array("_importance", np.float64, (n_slots,))
    expert._entry = f.array("_entry", np.int32, (n_slots, None))
    width = expert._entry.shape[1]
    f.require(width == next_power(width) <= _MOST_PAIRS, "_entry has an impossible width")
    expert._entry_position = f.array("_entry_position", np.float32, (n_slots, width), -MOST_POSITION, MOST_POSITION)
    expert._entry_centred = f.array("_entry_centred", np.bool_, (n_slots, width))
    expert._length = f.array("_length", np.float64, (n_slots,), LEAST_LENGTH, MOST_LENGTH)
    expert._labels = f.array("_labels", np.int32, (n_slots, None))
    most = expert._labels.shape[1]
    f.require(most == next_power(most) <= MOST_PAST_LABELS, "_labels has an impossible width")
    expert._weights = f.array("_weights", np.float32, (1, room.rows + 1, room.width))
    _fill_curves(expert, f, room)
    n_rows = weight_rows(N_UNITS, room.features) + 1 if room.features else 1
    expert._lower = f.array("_lower", np.float32, (n_rows, N_UNITS))
    expert._lower_square = f.array("_lower_square", np.float64, (n_rows,), 0.0)
    expert._upper = f.array("_upper", np.float32, (N_UNITS + 1, room.width))
    expert._upper_square = f.array("_upper_square", np.float64, (N_UNITS + 1,), START)
    expert._strength = f.array("_strength", np.float32, (N_UNITS,), 0.0, MOST_RELEVANCE)
    _check_stored(f, expert._sizes, expert._entry, expert._labels, room, 0)


def _fill_curves(expert: Rehearsal, f: Fields, room: Room) -> None:
    n_curves = expert._n_curves = f.whole("_n_curves", 0, room.features)
    n_rows = weight_rows(room.width, n_curves) + 1 if n_curves else 1
    expert._curves = f.array("_curves", np.float32, (N_KNOTS, n_rows, room.width))
    n_rows = weight_rows(N_UNITS, n_curves) + 1 if n_curves else 1
    expert._lower_curves = f.array("_lower_curves", np.float32, (N_KNOTS, n_rows, N_UNITS))
    expert._lower_curves_square = f.array("_lower_curves_square", np.float64, (N_KNOTS, n_rows), START)


def _check_stored(
    f: Fields, sizes: NDArray[np.int64], entry: NDArray[np.int32], labels: NDArray[np.int32], room: Room, least: int
) -> None:
    """Check the sizes of stored events, int64[slots, pairs / positives / labels], and the features and labels in them."""
    n_pairs, n_positive, n_labels = sizes.T
    good = (n_pairs <= entry.shape[1]) & (n_positive <= n_labels) & (n_labels <= labels.shape[1])
    f.require(bool(good.all()), "a stored event has impossible sizes")
    index = entry[np.arange(entry.shape[1]) < n_pairs[:, None]]
    f.require(bool(((index >= least) & (index < room.features)).all()), "a stored event has an unknown feature")
    label = labels[np.arange(labels.shape[1]) < n_labels[:, None]]
    f.require(bool(((label >= 0) & (label < room.labels)).all()), "a stored event has an unknown label")


def _fill_neighbours(expert: Neighbours, f: Fields, room: Room) -> None:
    number = expert._number = f.whole("_number")
    n_slots, n_features = next_power(min(-(-number // _REVISED) * _REVISED, _WINDOW)), next_power(room.features)
    expert._ring = f.array("_ring", np.int64, (n_slots, 4))
    expert._importance = f.array("_importance", np.float64, (n_slots,))
    expert._entry = f.array("_entry", np.int32, (n_slots, None))
    width = expert._entry.shape[1]
    f.require(width == next_power(width) <= MOST_PAIRS, "_entry has an impossible width")
    expert._entry_value = f.array("_entry_value", np.int16, (n_slots, width), -UNITS, UNITS)
    expert._link = f.array("_link", np.int32, (n_slots, width))
    expert._labels = f.array("_labels", np.int32, (n_slots, None))
    most = expert._labels.shape[1]
    f.require(most == next_power(most) <= MOST_NEAR_LABELS, "_labels has an impossible width")
    expert._gram = f.array("_gram", np.uint8, (n_slots, n_slots))
    expert._head = f.array("_head", np.int32, (n_features,))
    expert._present = f.array("_present", np.int32, (n_features,))
    _check_ring(f, expert, number, room)
    for links in (expert._link, expert._head):
        slot, place = links >> WIDTH_BITS, links & (MOST_PAIRS - 1)
        f.require(bool(((links == -1) | ((links >= 0) & (slot < n_slots) & (place < width))).all()), "a link leads nowhere")
    _fill_columns(f, expert, n_features)


def _check_ring(f: Fields, expert: Neighbours, number: int, room: Room) -> None:
    """Check that each slot holds the event whose turn it was, and how often each feature stands in the window."""
    ring, kept = expert._ring, min(number, _WINDOW)
    slot = np.arange(kept)
    turn = number - 1 - (number - 1 - slot) % _WINDOW
    f.require(bool((ring[:kept, NUMBER] == turn).all()), "an event stands in the wrong slot")
    f.require(bool((ring[kept:] == -1).all()), "an empty slot is not empty")
    sizes = ring[:kept, [N_PAIRS, N_POSITIVE, N_LABELS]]
    f.require(bool((sizes >= 0).all()), "a stored event has impossible sizes")
    entry = expert._entry[:kept]
    _check_stored(f, sizes, entry, expert._labels[:kept], room, -1)
    index = entry[(np.arange(entry.shape[1]) < sizes[:, [0]]) & (entry >= 0)]
    found = np.bincount(index, minlength=len(expert._present))
    f.require(bool(np.array_equal(found, expert._present)), "the number of rows with a feature is wrong")


def _fill_columns(f: Fields, expert: Neighbours, n_features: int) -> None:
    """Fill the columns of common features anew: each has one holder, which knows it."""
    expert._column_of = f.array("_column_of", np.int32, (n_features,), -1)
    expert._holder = f.array("_holder", np.int32, (None,))
    room = len(expert._holder)
    f.require(room == next_power(room) <= n_features, "_holder has an impossible length")
    n_columns = expert._n_columns = f.whole("_n_columns", 0, room)
    holder = expert._holder[:n_columns]
    f.require(bool(((holder >= 0) & (holder < n_features)).all()), "a column is held by an unknown feature")
    f.require(bool((expert._column_of[holder] == np.arange(n_columns)).all()), "a column is not its holder's")
    f.require(int((expert._column_of >= 0).sum()) == n_columns, "a feature has a column that is another one's")
    expert.fill_columns(room)


def _fill_ridge(expert: Ridge, f: Fields, room: Room) -> None:
    n_features = next_power(room.features)
    places = min(room.features + 1, _MOST_PLACES)
    expert._place_of = f.array("_place_of", np.int32, (n_features,), -1, places - 1)
    expert._counts = f.array("_counts", np.float64, (n_features,))
    expert._holder = f.array("_holder", np.int32, (places,), -1, n_features - 1)
    expert._hand = f.counters("_hand", (6,))
    covariance = f.array("_covariance", np.float32, (places, width_in_lines(places)))
    expert._covariance = square_in_lines(covariance, places)
    expert._weights = f.array("_weights", np.float32, (places, 2, room.width))
    expert._gains = f.array("_gains", np.float32, (AT_ONCE, places))
    expert._errors = f.array("_errors", np.float32, (AT_ONCE, 2, room.width))
    expert._falls = f.array("_falls", np.float32, (FALLS_AT_ONCE, places))
    expert._scales = f.array("_scales", np.float32, (FALLS_AT_ONCE,))
    used, tried = expert._hand[:2].tolist()
    f.require(tried < used <= places, "the places in use are impossible")
    f.require(expert._hand[WAITING] < AT_ONCE and expert._hand[FALLS] < FALLS_AT_ONCE, "too many steps wait")
    held_places = np.flatnonzero(expert._holder >= 0)
    holder = expert._holder[held_places]
    f.require(bool((held_places[:1] > 0).all() and (held_places < used).all()), "a place that is not in use has a holder")
    f.require(bool((expert._place_of[holder] == held_places).all()), "a place is not its holder's")
    f.require(int((expert._place_of >= 0).sum()) == len(holder), "a feature has a place that is another one's")


FILL: dict[type[Expert], Callable[[Any, Fields, Room], None]] = {
    Frequency: _fill_frequency,
    Neighbours: _fill_neighbours,
    Linear: _fill_linear,
    Rehearsal: _fill_rehearsal,
    Ridge: _fill_ridge,
    Bayes: _fill_bayes,
}
"""Class of an expert -> function that gives a new one its state."""

NAMES: dict[type[Expert], str] = {
    Frequency: "frequency",
    Neighbours: "neighbours",
    Linear: "linear",
    Rehearsal: "rehearsal",
    Ridge: "ridge",
    Bayes: "bayes",
}
"""Class of an expert -> its name in files and settings; `EXPERTS` may have others by now."""
