"""Multi-label streams whose truth is known: planted groups of labels, a known model of the features, known drift."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from streams.drift import WHATS, Drift, Mixture, Timeline
from streams.errors import SourceError
from streams.event import Closing, Event, Value
from streams.zipf import check_count, check_number, zipf_distribution, zipf_labelsets

__all__ = ["Drift", "SyntheticSource", "SyntheticStream", "zipf_labelsets"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IndexArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

# Events are drawn in runs of this length, each from its own generator: any run can be drawn without those before.
RUN = 1024
# First entries of the seeds of generators, so that no two share a sequence.
EVENTS, FEATURES, LABELS, GROUPS = range(4)
NOMINAL_VALUES = 5
NOMINAL_SIGNAL = 0.75
TOPIC_WORDS = 20
BACKGROUND = 0.3
LARGEST_WEIGHT_CHANGE = 4.0
MOST_EVENTS = 2**62


class _Run(NamedTuple):
    """RUN events: values of the dense features, those of the words as triplets, and labels."""

    dense: FloatArray
    words: tuple[IndexArray, IndexArray, IndexArray]
    labels: BoolArray


class SyntheticStream:
    """A stream of events with planted groups of labels, a known model of the features, and known drift.

    An event is drawn from one group of labels (with probability `mixing` from two): each label of the group is then
    active or not, labels of other groups are not. Features tell of the active labels: each label has a centre, and
    the numbers of an event are the sum of the centres of its labels plus noise.

    The stream can be iterated again and again, from any event on, with the same result.

    Parameters
    ----------
    n_events
        Number of events.
    n_labels
        Number of labels, named "l0", "l1", ...
    n_features
        Number of numeric features, named "x0", "x1", ...
    groups
        Number of groups, of sizes as equal as can be; or the groups themselves as lists of label names.
    cardinality
        Mean number of labels per event.
    cohesion
        Probability that the labels of an event's groups are drawn by one common random number: then the rarer of
        two comes only with the more frequent one. Else they are drawn independently.
    mixing
        Probability that an event belongs to two groups.
    zipf
        Exponent s of the label frequencies: label i has a frequency proportional to (i + 1)**-s, as far as no label
        of a group must come more often than its group. 0: all equal.
    separation
        Standard deviation of the centres.
    noise
        Standard deviation of the noise of numeric features.
    n_irrelevant
        Number of numeric features that tell nothing, named "irrelevant0", ...; standard normal.
    n_nominal
        Number of nominal features, named "c0", ...: with probability 3/4 the value that a random active label
        prefers, else any of the five.
    n_words
        Number of words of a bag-of-words, named "w0", ...; their values are counts, and absent ones are not named.
    words_per_event
        Mean number of words of an event: 70 % from the twenty words that are the topic of a random active label, the
        others of Zipf-distributed background.
    missing
        Probability that a numeric or nominal value is missing.
    drifts
        The drifts. Those of the same part of the model must follow each other.
    seed
        Seed of everything.

    Attributes
    ----------
    labels
        Names of the labels.
    feature_names
        Names of the features, in the order of the columns of `blocks`.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or `cardinality` is more than the smallest group can carry.

    Examples
    --------
    >>> from streams.synthetic import Drift, SyntheticStream
    >>> stream = SyntheticStream(2000, n_labels=6, groups=2, drifts=[Drift(at=1000, what="correlation")], seed=7)
    >>> [sorted(group) for group in stream.groups_at(999)]
    [['l0', 'l1', 'l2'], ['l3', 'l4', 'l5']]
    >>> [sorted(group) for group in stream.groups_at(1000)]
    [['l0', 'l2', 'l5'], ['l1', 'l3', 'l4']]
    >>> event = next(iter(stream))
    >>> len(event.x), sorted(event.y)
    (20, ['l5'])
    """

    def __init__(
        self,
        n_events: int = 10_000,
        *,
        n_labels: int = 12,
        n_features: int = 20,
        groups: int | Sequence[Sequence[str]] = 4,
        cardinality: float = 2.0,
        cohesion: float = 0.5,
        mixing: float = 0.0,
        zipf: float = 0.0,
        separation: float = 1.0,
        noise: float = 1.0,
        n_irrelevant: int = 0,
        n_nominal: int = 0,
        n_words: int = 0,
        words_per_event: float = 20.0,
        missing: float = 0.0,
        drifts: Sequence[Drift] = (),
        seed: int = 0,
    ) -> None:
        for name, count, least in (
            ("n_events", n_events, 0),
            ("n_labels", n_labels, 1),
            ("n_features", n_features, 0),
            ("n_irrelevant", n_irrelevant, 0),
            ("n_nominal", n_nominal, 0),
            ("n_words", n_words, 0),
            ("seed", seed, 0),
        ):
            check_count(name, count, least)
        if n_events > MOST_EVENTS:
            raise ValueError(f"n_events must be at most {MOST_EVENTS}, not {n_events}")
        for name, number, most in (
            ("cardinality", cardinality, np.inf),
            ("cohesion", cohesion, 1.0),
            ("mixing", mixing, 1.0),
            ("zipf", zipf, 10.0),
            ("separation", separation, np.inf),
            ("noise", noise, np.inf),
            ("words_per_event", words_per_event, 1e6),
            ("missing", missing, 1.0),
        ):
            check_number(name, number, most)
        self.n_events = n_events
        self.labels = tuple(f"l{i}" for i in range(n_labels))
        self.drifts = tuple(sorted(drifts, key=lambda drift: drift.at))
        self._seed = seed
        self._cohesion, self._mixing, self._missing = cohesion, mixing, missing
        self._noise, self._words_per_event = noise, words_per_event
        self._sizes = (n_features, n_irrelevant, n_nominal, n_words)
        self.feature_names = tuple(
            f"{prefix}{i}" for prefix, size in zip(("x", "irrelevant", "c", "w"), self._sizes, strict=True) for i in range(size)
        )
        self._timelines = self._make_timelines()
        self._members = self._make_groups(groups)
        self._make_frequencies(zipf, cardinality)
        self._make_features(separation)

    def __len__(self) -> int:
        return self.n_events

    @property
    def drift_points(self) -> tuple[int, ...]:
        """Numbers of the events at which a drift starts, and those at which a recurring one turns."""
        points: set[int] = set()
        for drift in self.drifts:
            points.add(drift.at)
            if drift.kind == "recurring":
                later = [other.at for other in self.drifts if other.what == drift.what and other.at > drift.at]
                points.update(range(drift.at, min([self.n_events, *later]), drift.width))
        return tuple(sorted(points))

    def groups_at(self, number: int) -> tuple[frozenset[str], ...]:
        """Return the groups of labels that an event was drawn from.

        Raises
        ------
        ValueError
            If there is no event of that number.
        """
        version = self._mixtures_at(number)["correlation"].first[0]
        return tuple(frozenset(self.labels[i] for i in np.flatnonzero(member)) for member in self._members[version])

    def frequencies_at(self, number: int) -> FloatArray:
        """Return the probability of each label in the model that an event was drawn from, shape (labels,).

        Raises
        ------
        ValueError
            If there is no event of that number.
        """
        mixtures = self._mixtures_at(number)
        group, share = mixtures["correlation"].first, mixtures["labels"]
        of_group = _blended(self._group_chances, group, share)[0]
        others = self._mixing * (1.0 - of_group) / max(len(of_group) - 1, 1)
        of_label: FloatArray = _blended(self._label_chances, group, share)[0]
        frequencies: FloatArray = of_label * ((of_group + others) @ self._members[group[0]])
        return frequencies

    def centres_at(self, number: int) -> FloatArray:
        """Return the centre of each label in the model that an event was drawn from, shape (labels, n_features).

        Raises
        ------
        ValueError
            If there is no event of that number.
        """
        first, second, share = self._mixtures_at(number)["features"]
        centres: FloatArray = self._centres[first[0]] * (1.0 - share[0]) + self._centres[second[0]] * share[0]
        return centres

    def __iter__(self) -> Iterator[Event]:
        """Return an iterator over all events, from the first on."""
        return self.events()

    def events(self, start: int = 0) -> Iterator[Event]:
        """Yield the events from number `start` on; ids are the numbers, positions those of the next events."""
        n_numeric = self._sizes[0] + self._sizes[1]
        names = self.feature_names[: n_numeric + self._sizes[2]]
        word_names = self.feature_names[len(names) :]
        for number, run, rows in self._runs(start):
            bounds = np.searchsorted(run.words[0], np.arange(RUN + 1)).tolist()
            words, counts = run.words[1].tolist(), run.words[2].tolist()
            dense = run.dense.tolist()
            active = [np.flatnonzero(row).tolist() for row in run.labels]
            for row in rows:
                values: list[Value] = dense[row]
                values[n_numeric:] = [f"v{code:.0f}" if code == code else None for code in dense[row][n_numeric:]]
                if self._missing:
                    values = [value if value == value else None for value in values]
                x = dict(zip(names, values, strict=True))
                for place in range(bounds[row], bounds[row + 1]):
                    x[word_names[words[place]]] = float(counts[place])
                y = frozenset(self.labels[i] for i in active[row])
                yield Event(x, y, id=str(number + row), position=number + row + 1)

    def blocks(self, size: int = RUN, start: int = 0) -> Iterator[tuple[FloatArray, npt.NDArray[np.uint8]]]:
        """Yield the same events as matrices, quickly.

        Parameters
        ----------
        size
            Rows of a block; the last one may have fewer.
        start
            Number of the first event.

        Yields
        ------
        tuple
            X, shape (n, features), and Y of 0 and 1, shape (n, labels). NaN is missing, the nominal value "v3" is
            3.0, and absent words are 0.

        Raises
        ------
        ValueError
            If `size` is below 1.
        """
        check_count("size", size, 1)
        kept: list[tuple[FloatArray, npt.NDArray[np.uint8]]] = []
        n_kept = 0
        for _, run, rows in self._runs(start):
            part = slice(rows.start, rows.stop)
            kept.append((self._features_of(run)[part], run.labels[part].astype(np.uint8)))
            n_kept += len(rows)
            if n_kept >= size:
                x, y = (np.concatenate(parts) for parts in zip(*kept, strict=True))
                whole = n_kept - n_kept % size
                for first in range(0, whole, size):
                    yield x[first : first + size].copy(), y[first : first + size].copy()
                kept, n_kept = [(x[whole:], y[whole:])], n_kept - whole
        if n_kept:
            x, y = (np.concatenate(parts) for parts in zip(*kept, strict=True))
            yield x, y

    def source(self, start: int = 0) -> "SyntheticSource":
        """Return the stream as a source that goes forward once, from event `start` on."""
        return SyntheticSource(self, start)

    def _features_of(self, run: _Run) -> FloatArray:
        rows, words, counts = run.words
        x = np.zeros((RUN, len(self.feature_names)))
        x[:, : run.dense.shape[1]] = run.dense
        x[rows, run.dense.shape[1] + words] = counts
        return x

    def _runs(self, start: int) -> Iterator[tuple[int, _Run, range]]:
        """Yield the number of the first event of each run, the run, and which of its rows are asked for."""
        check_count("start", start, 0)
        for number in range(start - start % RUN, self.n_events, RUN):
            yield (
                number,
                self._draw_run(number),
                range(max(start - number, 0), min(self.n_events - number, RUN)),
            )

    def _make_timelines(self) -> dict[str, Timeline]:
        for drift in self.drifts:
            if drift.at >= self.n_events:
                raise ValueError(f"drifts: {drift} lies behind the last of {self.n_events} events")
        return {what: Timeline([drift for drift in self.drifts if drift.what == what]) for what in WHATS}

    def _make_groups(self, groups: int | Sequence[Sequence[str]]) -> BoolArray:
        """Return which labels each group holds, shape (versions, groups, labels)."""
        first = self._read_groups(groups)
        versions = [first]
        sizes = first.sum(axis=1)
        if self._timelines["correlation"].n_versions > 1 and (len(sizes) < 2 or sizes.max() < 2):
            raise ValueError("groups: a drift of correlation needs two groups, and two labels in one of them")
        if self._mixing > 0 and len(sizes) < 2:
            raise ValueError("mixing: an event cannot belong to two groups where there is one")
        for version in range(1, self._timelines["correlation"].n_versions):
            generator = np.random.default_rng([self._seed, GROUPS, version])
            old = {member.tobytes() for member in versions[-1]}
            new = versions[-1]
            while {member.tobytes() for member in new} == old:
                new = first[:, generator.permutation(len(self.labels))]
            versions.append(new)
        return np.stack(versions)

    def _read_groups(self, groups: int | Sequence[Sequence[str]]) -> BoolArray:
        n_labels = len(self.labels)
        if isinstance(groups, int | np.integer):
            if not 1 <= groups <= n_labels:
                raise ValueError(f"groups must be from 1 to n_labels = {n_labels}, not {groups}")
            parts = np.array_split(np.arange(n_labels), groups)
        else:
            named = [name for group in groups for name in group]
            if Counter(named) != Counter(self.labels) or not all(groups):
                raise ValueError(f"groups must hold each of {self.labels[0]} to {self.labels[-1]} once: {groups!r}")
            parts = [np.array([self.labels.index(name) for name in group]) for group in groups]
        members = np.zeros((len(parts), n_labels), dtype=bool)
        for member, part in zip(members, parts, strict=True):
            member[part] = True
        return members

    def _make_frequencies(self, zipf: float, cardinality: float) -> None:
        """Set the chance of each group, and of each label within its group, for each pair of versions."""
        n_labels = len(self.labels)
        smallest = int(self._members.sum(axis=2).min())
        most = smallest * (1.0 + self._mixing)
        if cardinality > most:
            raise ValueError(f"cardinality must be at most {most:g}, what the smallest group can carry")
        mean = min(cardinality / (1.0 + self._mixing), float(smallest))
        weights = [np.arange(1.0, n_labels + 1.0) ** -zipf]
        for version in range(1, self._timelines["labels"].n_versions):
            generator = np.random.default_rng([self._seed, LABELS, version])
            factors = LARGEST_WEIGHT_CHANGE ** generator.uniform(-1.0, 1.0, n_labels)
            weights.append(generator.permutation(weights[0]) * factors)
        chances = [[_chances(members, weight, mean) for weight in weights] for members in self._members]
        self._group_chances = np.array([[of_group for of_group, _ in row] for row in chances])
        self._label_chances = np.array([[of_label for _, of_label in row] for row in chances])

    def _make_features(self, separation: float) -> None:
        """Draw centres, preferred nominal values and topics, for each version."""
        n_labels, (n_numeric, _, n_nominal, n_words) = len(self.labels), self._sizes
        centres, preferred, topics = [], [], []
        for version in range(self._timelines["features"].n_versions):
            generator = np.random.default_rng([self._seed, FEATURES, version])
            centres.append(separation * generator.standard_normal((n_labels, n_numeric)))
            preferred.append(generator.integers(NOMINAL_VALUES, size=(n_labels, n_nominal)))
            topics.append(generator.integers(max(n_words, 1), size=(n_labels, TOPIC_WORDS)))
        self._centres, self._preferred, self._topics = (
            np.stack(centres),
            np.stack(preferred),
            np.stack(topics),
        )
        self._background = zipf_distribution(max(n_words, 1), 1.0)

    def _mixtures(self, numbers: IndexArray, generator: np.random.Generator) -> dict[str, Mixture]:
        uniform = generator.random((len(WHATS), RUN))
        return {what: self._timelines[what].mixture(numbers, uniform[i]) for i, what in enumerate(WHATS)}

    def _mixtures_at(self, number: int) -> dict[str, Mixture]:
        if not 0 <= number < self.n_events:
            raise ValueError(f"number {number}: there are events 0 to {self.n_events - 1}")
        numbers = number - number % RUN + np.arange(RUN)
        mixtures = self._mixtures(numbers, self._generator(number))
        row = slice(number % RUN, number % RUN + 1)
        return {what: Mixture(m.first[row], m.second[row], m.share[row]) for what, m in mixtures.items()}

    def _generator(self, number: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, EVENTS, number // RUN])

    def _draw_run(self, number: int) -> _Run:
        """Draw RUN events; `number` is that of the first."""
        generator = self._generator(number)
        mixtures = self._mixtures(number + np.arange(RUN), generator)
        labels = self._draw_labels(generator, mixtures["correlation"].first, mixtures["labels"])
        features = mixtures["features"]
        numeric = self._draw_numeric(generator, labels, features)
        version = np.where(generator.random(RUN) < features.share, features.second, features.first)
        dense = np.hstack((numeric, self._draw_nominal(generator, labels, version)))
        if self._missing:
            dense[generator.random(dense.shape) < self._missing] = np.nan
        return _Run(dense, self._draw_words(generator, labels, version), labels)

    def _draw_labels(self, generator: np.random.Generator, version: IndexArray, frequencies: Mixture) -> BoolArray:
        """Draw the labels of RUN events, shape (RUN, labels)."""
        n_groups = self._members.shape[1]
        which, again, other, common, together = generator.random((5, RUN))
        bounds = np.cumsum(_blended(self._group_chances, version, frequencies), axis=1)[:, :-1]
        group = (which[:, None] >= bounds).sum(axis=1)
        member = self._members[version, group]
        if self._mixing:
            second = (group + 1 + (other * (n_groups - 1)).astype(np.int64)) % n_groups
            member = member | (self._members[version, second] & (again < self._mixing)[:, None])
        uniform = generator.random(member.shape)
        uniform = np.where((together < self._cohesion)[:, None], common[:, None], uniform)
        labels: BoolArray = member & (uniform < _blended(self._label_chances, version, frequencies))
        return labels

    def _draw_numeric(self, generator: np.random.Generator, labels: BoolArray, features: Mixture) -> FloatArray:
        """Draw numeric features, shape (RUN, n_features + n_irrelevant)."""
        n_informative, n_irrelevant = self._sizes[:2]
        numeric = generator.standard_normal((RUN, n_informative + n_irrelevant))
        numeric[:, :n_informative] *= self._noise
        rows, active = np.nonzero(labels)
        if len(rows) and n_informative:
            centres = self._centres[features.first[rows], active]
            if features.share.any():
                move = self._centres[features.second[rows], active] - centres
                centres = centres + features.share[rows, None] * move
            filled, starts = np.unique(rows, return_index=True)
            numeric[filled, :n_informative] += np.add.reduceat(centres, starts, axis=0)
        return numeric

    def _draw_nominal(self, generator: np.random.Generator, labels: BoolArray, version: IndexArray) -> FloatArray:
        """Draw codes of nominal values, shape (RUN, n_nominal)."""
        n_nominal = self._sizes[2]
        rows = np.repeat(np.arange(RUN), n_nominal)
        feature = np.tile(np.arange(n_nominal), RUN)
        label = _random_labels(generator, labels, rows)
        told = (label >= 0) & (generator.random(len(rows)) < NOMINAL_SIGNAL)
        codes = generator.integers(NOMINAL_VALUES, size=len(rows))
        codes = np.where(told, self._preferred[version[rows], label, feature], codes)
        return codes.reshape(RUN, n_nominal).astype(np.float64)

    def _draw_words(
        self, generator: np.random.Generator, labels: BoolArray, version: IndexArray
    ) -> tuple[IndexArray, IndexArray, IndexArray]:
        """Draw the words of RUN events: rows (rising), words, counts."""
        n_words = self._sizes[3]
        if not n_words:
            nothing = np.zeros(0, dtype=np.int64)
            return nothing, nothing, nothing
        rows = np.repeat(np.arange(RUN), generator.poisson(self._words_per_event, RUN))
        label = _random_labels(generator, labels, rows)
        told = (label >= 0) & (generator.random(len(rows)) >= BACKGROUND)
        topical = self._topics[version[rows], label, generator.integers(TOPIC_WORDS, size=len(rows))]
        common = np.searchsorted(self._background, generator.random(len(rows)), side="right")
        keys, counts = np.unique(rows * n_words + np.where(told, topical, common), return_counts=True)
        return keys // n_words, keys % n_words, counts


class SyntheticSource(Closing):
    """A synthetic stream as a source: one cursor that goes forward, and can be opened again where it was.

    Parameters
    ----------
    stream
        The stream.
    start
        What `snapshot` gave; 0 is the beginning.

    Raises
    ------
    SourceError
        If there is no such place.

    Examples
    --------
    >>> from streams.synthetic import SyntheticStream
    >>> source = SyntheticStream(3).source()
    >>> [event.id for event in source], source.snapshot()
    (['0', '1', '2'], 3)
    """

    def __init__(self, stream: SyntheticStream, start: int = 0) -> None:
        if not 0 <= start <= stream.n_events:
            raise SourceError(f"event {start} is asked for, and there are {stream.n_events}")
        self.labels = stream.labels
        self._position = start
        self._events = self._read(stream)

    def __iter__(self) -> Iterator[Event]:
        """Return the one iterator over the events not given out yet."""
        return self._events

    def _read(self, stream: SyntheticStream) -> Iterator[Event]:
        for event in stream.events(self._position):
            self._position += 1
            yield event

    def snapshot(self) -> int:
        """Return the number of events given out, those before the start too."""
        return self._position


def _blended(table: FloatArray, version: IndexArray, mixture: Mixture) -> FloatArray:
    """Look up rows of a table by version of groups and of frequencies, the latter mixed by their shares."""
    blended: FloatArray = table[version, mixture.first]
    if mixture.share.any():
        blended = blended + mixture.share[:, None] * (table[version, mixture.second] - blended)
    return blended


def _chances(members: BoolArray, weights: FloatArray, mean: float) -> tuple[FloatArray, FloatArray]:
    """Return the chance of each group, and of each label within its group so that a group has `mean` on average."""
    of_group = members @ weights / weights.sum()
    of_label = np.zeros(len(weights))
    for member in members:
        free, left = member.copy(), mean
        while free.any():
            of_label[free] = left * weights[free] / weights[free].sum()
            certain = free & (of_label > 1.0)
            if not certain.any():
                break
            of_label[certain] = 1.0
            free &= ~certain
            left = max(left - certain.sum(), 0.0)
    return of_group, of_label


def _random_labels(generator: np.random.Generator, labels: BoolArray, rows: IndexArray) -> IndexArray:
    """Pick one active label of the event in each row, -1 where there is none."""
    n_active = labels.sum(axis=1)
    active = np.append(np.nonzero(labels)[1], -1)
    starts = np.cumsum(n_active) - n_active
    place = starts[rows] + (generator.random(len(rows)) * n_active[rows]).astype(np.int64)
    return np.where(n_active[rows] > 0, active[np.minimum(place, len(active) - 1)], -1)
