"""The synthetic streams: same seed same bits, truth as planted, drift where it is said to be."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import SourceError
from streams.event import Event, Source
from streams.synthetic import Drift, SyntheticStream, zipf_labelsets

untimed = settings(deadline=None, max_examples=40)


def matrices_of(stream, start=0):
    """Read a stream event by event into the matrices that `blocks` should give."""
    columns = {name: i for i, name in enumerate(stream.feature_names)}
    rows, label_rows = [], []
    for event in stream.events(start):
        row, label_row = np.zeros(len(columns)), np.zeros(len(stream.labels), dtype=np.uint8)
        for name, value in event.x.items():
            row[columns[name]] = np.nan if value is None else float(str(value).lstrip("v"))
        for label in event.y:
            label_row[stream.labels.index(label)] = 1
        rows.append(row)
        label_rows.append(label_row)
    return (
        np.array(rows).reshape(len(rows), len(columns)),
        np.array(label_rows, dtype=np.uint8).reshape(len(rows), len(stream.labels)),
    )


def all_blocks(stream, size=500, start=0):
    blocks = list(stream.blocks(size, start))
    return tuple(np.concatenate(parts) for parts in zip(*blocks, strict=True))


DRIFTS = st.lists(
    st.builds(
        Drift,
        at=st.integers(1, 1299),
        kind=st.sampled_from(["sudden", "gradual", "recurring"]),
        width=st.integers(1, 400),
        what=st.sampled_from(["features", "labels", "correlation"]),
    ),
    max_size=3,
    unique_by=lambda drift: drift.what,
)


@st.composite
def streams(draw):
    n_labels = draw(st.integers(2, 15))
    groups = draw(st.integers(2, max(2, n_labels // 2)))
    smallest = n_labels // groups
    drifts = draw(DRIFTS) if smallest > 1 else []
    return SyntheticStream(
        draw(st.integers(1300, 2300)) if drifts else draw(st.integers(0, 2300)),
        n_labels=n_labels,
        groups=groups,
        n_features=draw(st.integers(0, 4)),
        n_irrelevant=draw(st.integers(0, 2)),
        n_nominal=draw(st.integers(0, 2)),
        n_words=draw(st.sampled_from([0, 1, 50])),
        words_per_event=draw(st.floats(0.0, 5.0)),
        cardinality=draw(st.floats(0.0, smallest)),
        cohesion=draw(st.floats(0.0, 1.0)),
        mixing=draw(st.sampled_from([0.0, 0.3, 1.0])),
        zipf=draw(st.sampled_from([0.0, 1.0, 3.0])),
        missing=draw(st.sampled_from([0.0, 0.2, 1.0])),
        separation=draw(st.floats(0.0, 5.0)),
        noise=draw(st.floats(0.0, 5.0)),
        drifts=drifts,
        seed=draw(st.integers(0, 2**40)),
    )


@settings(deadline=None, max_examples=25)
@given(streams(), st.integers(1, 1500), st.data())
def test_blocks_are_the_events(stream, size, data):
    start = data.draw(st.integers(0, stream.n_events))
    x, y = matrices_of(stream, start)
    blocks = list(stream.blocks(size, start))
    assert all(len(rows) == size for rows, _ in blocks[:-1])
    assert sum(len(rows) for rows, _ in blocks) == len(x) == stream.n_events - start
    if blocks:
        assert np.concatenate([rows for rows, _ in blocks]).tobytes() == x.tobytes()
        assert np.concatenate([rows for _, rows in blocks]).tobytes() == y.tobytes()
        assert blocks[0][0].dtype == np.float64
        assert blocks[0][1].dtype == np.uint8


@untimed
@given(streams())
def test_labels_keep_to_their_groups(stream):
    numbers = range(0, stream.n_events, 97)
    events = list(stream)
    most = 2 if stream._mixing else 1
    for number in numbers:
        groups = stream.groups_at(number)
        assert sorted(label for group in groups for label in group) == sorted(stream.labels)
        assert sum(bool(group & events[number].y) for group in groups) <= most
        assert stream.frequencies_at(number).sum() == pytest.approx(stream.frequencies_at(0).sum())


@pytest.mark.parametrize("seed", [0, 1, 2**60])
def test_same_seed_same_events(seed):
    settings_of_stream = {"n_words": 30, "n_nominal": 2, "missing": 0.1, "seed": seed}
    drifts = [Drift(at=700, kind="gradual", width=300)]
    one = SyntheticStream(1500, drifts=drifts, **settings_of_stream)
    other = SyntheticStream(1500, drifts=drifts, **settings_of_stream)
    first = list(one)
    assert first == list(one) == list(other)
    assert [event.id for event in first] == [str(i) for i in range(1500)]
    assert [event.position for event in first] == list(range(1, 1501))
    different = SyntheticStream(1500, drifts=drifts, **(settings_of_stream | {"seed": seed + 1}))
    assert sum(a.y != b.y for a, b in zip(first, different, strict=True)) > 700


def test_a_longer_stream_begins_with_the_shorter():
    short, long = SyntheticStream(1100), SyntheticStream(3000)
    assert list(short) == list(itertools.islice(long, 1100))


def test_source_can_be_opened_again_where_it_was():
    stream = SyntheticStream(2500, n_words=10)
    events = list(stream)
    for stop in (0, 1, 1023, 1024, 1025, 2500):
        source = stream.source()
        assert isinstance(source, Source)
        with source:
            before = list(itertools.islice(source, stop))
        again = stream.source(source.snapshot())
        assert before + list(again) == events
        assert again.snapshot() == len(stream) == 2500
        assert list(again) == []
    for start in (-1, 2501):
        with pytest.raises(SourceError, match=str(start)):
            stream.source(start)


def test_event_form():
    stream = SyntheticStream(200, n_features=2, n_irrelevant=1, n_nominal=1, n_words=20, words_per_event=5.0, missing=0.3)
    assert stream.feature_names[:4] == ("x0", "x1", "irrelevant0", "c0")
    missing = 0
    for event in stream:
        assert isinstance(event, Event)
        assert isinstance(event.y, frozenset)
        assert set(event.x) - set(stream.feature_names[4:]) == set(stream.feature_names[:4])
        missing += sum(value is None for value in event.x.values())
        assert event.x["c0"] is None or event.x["c0"] in {"v0", "v1", "v2", "v3", "v4"}
        assert all(value is None or isinstance(value, float) for name, value in event.x.items() if name != "c0")
        assert all(value >= 1.0 for name, value in event.x.items() if name.startswith("w"))
    assert 180 < missing < 300


@pytest.mark.parametrize("cohesion", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("mixing", [0.0, 0.4])
@pytest.mark.parametrize("zipf", [0.0, 1.0])
def test_cardinality_and_frequencies_are_those_asked_for(cohesion, mixing, zipf):
    stream = SyntheticStream(40_000, cardinality=1.8, cohesion=cohesion, mixing=mixing, zipf=zipf, seed=3)
    _, y = all_blocks(stream)
    expected = stream.frequencies_at(0)
    assert expected.sum() == pytest.approx(1.8)
    assert y.mean(axis=0) == pytest.approx(expected, abs=0.012)
    if zipf == 0.0:
        assert expected == pytest.approx(np.full(12, 0.15))
    elif mixing == 0.0:
        assert np.all(np.diff(expected) < 0)
        assert expected[1:] / expected[:-1] == pytest.approx(np.arange(1, 12) / np.arange(2, 13), rel=0.1)


def test_labels_of_a_group_depend_on_each_other():
    _, y = all_blocks(SyntheticStream(20_000, cohesion=0.5, seed=4))
    correlation = np.corrcoef(y.T)
    same = np.kron(np.eye(4, dtype=bool), np.ones((3, 3), dtype=bool))
    assert correlation[same].min() > 0.5
    assert correlation[~same].max() < -0.1
    common = y.astype(np.int64).T @ y
    assert common[~same].max() == 0
    _, loose = all_blocks(SyntheticStream(20_000, cohesion=0.0, seed=4))
    assert np.corrcoef(loose.T)[same].mean() < correlation[same].mean()
    _, mixed = all_blocks(SyntheticStream(20_000, mixing=0.2, seed=4))
    share_across = ((mixed.reshape(-1, 4, 3).any(axis=2)).sum(axis=1) > 1).mean()
    assert 0.05 < share_across < 0.2


def test_groups_can_be_named():
    groups = [["l0", "l3"], ["l1", "l2", "l4"]]
    stream = SyntheticStream(500, n_labels=5, groups=groups)
    assert stream.groups_at(0) == (frozenset(groups[0]), frozenset(groups[1]))
    assert {frozenset(event.y) for event in stream if len(event.y) == 3} == {frozenset(groups[1])}


def test_numbers_are_centres_plus_noise():
    stream = SyntheticStream(3000, n_features=5, n_irrelevant=2, noise=0.0, separation=2.0, seed=5)
    x, y = all_blocks(stream)
    assert x[:, :5] == pytest.approx(y @ stream.centres_at(0), abs=1e-12)
    assert stream.centres_at(0).std() == pytest.approx(2.0, rel=0.25)
    assert abs(x[:, 5:].mean()) < 0.06
    assert x[:, 5:].std() == pytest.approx(1.0, abs=0.05)
    noisy, _ = all_blocks(SyntheticStream(3000, n_features=5, n_irrelevant=2, noise=0.5, separation=2.0, seed=5))
    residue = noisy[:, :5] - y @ stream.centres_at(0)
    assert residue.std() == pytest.approx(0.5, rel=0.05)
    assert np.abs(np.corrcoef(np.hstack((residue, noisy[:, 5:], y[:, :-1])).T)[:7, 7:]).max() < 0.08


def test_nominal_values_and_words_tell_of_labels():
    stream = SyntheticStream(8000, n_labels=4, groups=4, cardinality=1.0, n_features=0, n_nominal=3, n_words=400, seed=6)
    x, y = all_blocks(stream)
    label = y.argmax(axis=1)
    assert set(np.unique(x[:, :3])) == {0.0, 1.0, 2.0, 3.0, 4.0}
    for feature, value in itertools.product(range(3), range(4)):
        shares = np.bincount(x[label == value, feature].astype(int), minlength=5) / (label == value).sum()
        assert shares.max() == pytest.approx(0.8, abs=0.04)
    assert x[:, 3:].sum(axis=1).mean() == pytest.approx(20.0, abs=0.3)
    means = np.array([x[label == value, 3:].mean(axis=0) for value in range(4)])
    topical = (means[0] > 3 * means[1:].max(axis=0)) & (means[0] > 0.2)
    assert 10 <= topical.sum() <= 20


def distance(first, second):
    return float(np.abs(first - second).max())


def measured(x, y):
    """Return what each kind of drift should change: P(x | labels), label frequencies, dependence of labels."""
    return {
        "features": np.linalg.lstsq(y.astype(float), x, rcond=None)[0],
        "labels": y.mean(axis=0),
        "correlation": np.corrcoef(y.T),
    }


@pytest.mark.parametrize("what", ["features", "labels", "correlation"])
def test_sudden_drift_is_where_it_should_be(what):
    at, n_events = 6100, 12_000
    options = {"zipf": 0.5, "noise": 0.1, "seed": 8}
    plain_x, plain_y = all_blocks(SyntheticStream(n_events, **options))
    stream = SyntheticStream(n_events, drifts=[Drift(at=at, what=what)], **options)
    x, y = all_blocks(stream)
    assert stream.drift_points == (at,)
    assert x[:at].tobytes() == plain_x[:at].tobytes()
    assert y[:at].tobytes() == plain_y[:at].tobytes()
    parts = [slice(0, at // 2), slice(at // 2, at), slice(at, n_events)]
    first, second, after = (measured(x[part], y[part]) for part in parts)
    for name in first:
        stable, change = distance(first[name], second[name]), distance(first[name], after[name])
        if name == what:
            assert change > 4 * stable
        elif "features" in (name, what):
            assert change < 2 * stable + 0.05
    assert (distance(stream.centres_at(at - 1), stream.centres_at(at)) > 0) == (what == "features")
    assert (set(stream.groups_at(at - 1)) != set(stream.groups_at(at))) == (what == "correlation")
    for number in (0, at - 1, at, n_events - 1):
        part = y[:at] if number < at else y[at:]
        assert part.mean(axis=0) == pytest.approx(stream.frequencies_at(number), abs=0.025)
    if what == "labels":
        assert distance(stream.frequencies_at(at - 1), stream.frequencies_at(at)) > 0.1


def distance_to_centres(stream, first, second):
    """Return for each event whether the second centres explain it better than the first (noise must be 0)."""
    x, y = all_blocks(stream)
    errors = [np.abs(x - y @ centres).max(axis=1) for centres in (first, second)]
    informative = y.any(axis=1)
    assert np.all(np.minimum(*errors)[informative] < 1e-9)
    return informative, errors[1] < errors[0]


def test_gradual_drift_is_a_mixture_that_rises():
    stream = SyntheticStream(8000, noise=0.0, drifts=[Drift(at=2000, kind="gradual", width=4000)], seed=9)
    informative, new = distance_to_centres(stream, stream.centres_at(0), stream.centres_at(7999))
    assert not new[:2000].any()
    assert new[6000:][informative[6000:]].all()
    shares = [new[start : start + 1000][informative[start : start + 1000]].mean() for start in range(2000, 6000, 1000)]
    assert shares == pytest.approx([1 / 8, 3 / 8, 5 / 8, 7 / 8], abs=0.05)


def test_recurring_drift_goes_back_and_forth():
    drifts = [Drift(at=1500, kind="recurring", width=700)]
    stream = SyntheticStream(5000, noise=0.0, drifts=drifts, seed=10)
    informative, new = distance_to_centres(stream, stream.centres_at(0), stream.centres_at(1500))
    expected = np.arange(5000) >= 1500
    expected &= (np.arange(5000) - 1500) // 700 % 2 == 0
    assert np.array_equal(new[informative], expected[informative])
    assert stream.drift_points == (1500, 2200, 2900, 3600, 4300)


@pytest.mark.parametrize("what", ["features", "labels"])
def test_incremental_drift_moves_linearly(what):
    stream = SyntheticStream(
        9000, noise=0.0, zipf=1.0, drifts=[Drift(at=2000, kind="incremental", width=5000, what=what)], seed=11
    )
    look = stream.centres_at if what == "features" else stream.frequencies_at
    before, after = look(1999), look(7000)
    assert distance(before, after) > 0.1
    for number in (0, 1000, 1999):
        assert distance(look(number), before) == 0.0
    for number in (6999, 7000, 8999):
        assert distance(look(number), after) == 0.0
    if what == "features":
        for number in (2000, 3249, 4499, 6998):
            share = (number - 1999) / 5000
            assert look(number) == pytest.approx(before * (1 - share) + after * share)
        x, y = all_blocks(stream)
        for number in (1999, 2000, 4499, 6999, 7000):
            assert x[number] == pytest.approx(y[number] @ look(number), abs=1e-12)
    else:
        _, y = all_blocks(stream)
        for start in (0, 4200, 7400):
            middle = look(start + 300)
            assert y[start : start + 600].mean(axis=0) == pytest.approx(middle, abs=0.09)
        assert all(look(number).sum() == pytest.approx(2.0) for number in range(0, 9000, 500))


def test_gradual_change_of_groups():
    stream = SyntheticStream(6000, drifts=[Drift(at=1000, kind="gradual", width=4000, what="correlation")], seed=12)
    old, new = stream.groups_at(0), stream.groups_at(5999)
    assert set(old) != set(new)
    in_force = [stream.groups_at(number) for number in range(0, 6000, 50)]
    assert set(in_force) == {old, new}
    assert all(groups == old for groups in in_force[:20])
    assert all(groups == new for groups in in_force[100:])
    assert 20 < sum(groups == new for groups in in_force[20:100]) < 60
    for number, event in zip(range(6000), stream, strict=True):
        if number % 50 == 0:
            assert any(event.y <= group for group in stream.groups_at(number))


def test_drifts_follow_each_other():
    drifts = [
        Drift(at=4000, what="features"),
        Drift(at=1000, kind="recurring", width=800, what="features"),
        Drift(at=4000, what="labels"),
        Drift(at=2000, kind="gradual", width=1000, what="correlation"),
    ]
    stream = SyntheticStream(6000, zipf=1.0, drifts=drifts, seed=13)
    assert stream.drift_points == (1000, 1800, 2000, 2600, 3400, 4000)
    centres = [stream.centres_at(number) for number in (0, 1000, 1800, 2600, 3400, 4000, 5999)]
    assert distance(centres[0], centres[2]) == distance(centres[0], centres[4]) == 0.0
    assert distance(centres[1], centres[3]) == distance(centres[5], centres[6]) == 0.0
    assert distance(centres[5], centres[0]) > 0.1
    assert distance(centres[5], centres[1]) > 0.1
    late = SyntheticStream(
        6000,
        drifts=[Drift(at=1000, kind="recurring", width=500), Drift(at=2000, kind="recurring", width=700)],
    )
    # The second one starts where the first has gone back, and goes back there.
    assert distance(late.centres_at(2700), late.centres_at(0)) == 0.0


BAD_STREAMS = [
    ({"n_events": -1}, "n_events"),
    ({"n_events": 1.5}, "n_events"),
    ({"n_events": 10**30, "drifts": [Drift(at=10**29)]}, "n_events"),
    ({"n_labels": 0}, "n_labels"),
    ({"n_features": -1}, "n_features"),
    ({"n_nominal": None}, "n_nominal"),
    ({"n_words": "3"}, "n_words"),
    ({"n_irrelevant": True}, "n_irrelevant"),
    ({"seed": -1}, "seed"),
    ({"cardinality": -0.1}, "cardinality"),
    ({"cardinality": float("nan")}, "cardinality"),
    ({"cardinality": 3.5}, "cardinality must be at most 3"),
    ({"cardinality": None}, "cardinality must be a finite number, at least 0, not None"),
    ({"noise": "1"}, "noise must be a finite number, at least 0, not '1'"),
    ({"missing": True}, "missing must be a number from 0 to 1, not True"),
    ({"cohesion": 1.1}, "cohesion"),
    ({"mixing": -1.0}, "mixing"),
    ({"mixing": 0.5, "groups": 1}, "mixing"),
    ({"zipf": float("inf")}, "zipf"),
    ({"separation": float("inf")}, "separation"),
    ({"noise": -1.0}, "noise"),
    ({"words_per_event": float("nan")}, "words_per_event"),
    ({"missing": 2.0}, "missing"),
    ({"groups": 0}, "groups"),
    ({"groups": 13}, "groups"),
    ({"groups": [["l0", "l1"]]}, "groups"),
    ({"groups": [["l0", "l1"], []], "n_labels": 2}, "groups"),
    ({"groups": [["l0", "l1"], ["l1"]], "n_labels": 2}, "groups"),
    ({"groups": 1, "drifts": [Drift(at=5, what="correlation")]}, "groups"),
    ({"groups": 12, "cardinality": 1.0, "drifts": [Drift(at=5, what="correlation")]}, "groups"),
    ({"n_events": 10, "drifts": [Drift(at=10)]}, "drifts"),
    ({"drifts": [Drift(at=10), Drift(at=10)]}, "drifts"),
    ({"drifts": [Drift(at=10, kind="gradual", width=50), Drift(at=59)]}, "drifts"),
]


@pytest.mark.parametrize(("parameters", "word"), BAD_STREAMS)
def test_bad_settings_are_named(parameters, word):
    with pytest.raises(ValueError, match=word):
        SyntheticStream(**parameters)


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"at": 0}, "at"),
        ({"at": 1.5}, "at"),
        ({"at": 5, "width": 0}, "width"),
        ({"at": 5, "kind": "slow"}, "kind"),
        ({"at": 5, "what": "weather"}, "what"),
        ({"at": 5, "what": "correlation", "kind": "incremental"}, "incremental"),
    ],
)
def test_bad_drifts_are_named(parameters, word):
    with pytest.raises(ValueError, match=word):
        Drift(**parameters)


def test_bad_requests_are_named():
    stream = SyntheticStream(10)
    for number in (-1, 10):
        for look in (stream.groups_at, stream.frequencies_at, stream.centres_at):
            with pytest.raises(ValueError, match="number"):
                look(number)
    with pytest.raises(ValueError, match="size"):
        next(stream.blocks(0))
    with pytest.raises(ValueError, match="start"):
        next(stream.events(-1))


@untimed
@given(
    st.integers(1, 60),
    st.floats(1.0, 70.0),
    st.integers(0, 60),
    st.integers(0, 2**30),
    st.sampled_from([0.0, 1.0, 2.5, 10.0]),
)
def test_zipf_labelsets_are_sets(n_labels, per_event, n_events, seed, exponent):
    indptr, indices = zipf_labelsets(n_labels, per_event, n_events, seed, exponent)
    again = zipf_labelsets(n_labels, per_event, n_events, seed, exponent)
    assert indptr.tobytes() == again[0].tobytes()
    assert indices.tobytes() == again[1].tobytes()
    assert len(indptr) == n_events + 1
    assert (indptr[0], indptr[-1]) == (0, len(indices))
    assert indices.dtype == np.int32
    for start, stop in itertools.pairwise(indptr.tolist()):
        labels = indices[start:stop]
        assert 1 <= len(labels) <= n_labels
        assert labels.min() >= 0
        assert labels.max() < n_labels
        assert np.all(np.diff(labels) > 0)


def test_zipf_labelsets_follow_their_law():
    indptr, indices = zipf_labelsets(2000, 1.0, 100_000, seed=1)
    assert np.all(np.diff(indptr) == 1)
    weights = 1.0 / np.arange(1.0, 2001.0)
    counts = np.bincount(indices, minlength=2000)
    expected = 100_000 * weights / weights.sum()
    assert counts[:50] == pytest.approx(expected[:50], rel=0.2)
    assert counts[1000:].sum() == pytest.approx(expected[1000:].sum(), rel=0.05)
    indptr, _ = zipf_labelsets(2000, 5.0, 20_000, seed=1)
    assert np.diff(indptr).mean() == pytest.approx(5.0, abs=0.1)


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ((0, 1.0, 5, 1), "n_labels"),
        ((5, 0.5, 5, 1), "per_event"),
        ((5, float("nan"), 5, 1), "per_event"),
        ((5, "2", 5, 1), "per_event"),
        ((5, 1.0, -1, 1), "n_events"),
        ((5, 1.0, 5, -1), "seed"),
        ((5, 1.0, 5, 1, -1.0), "exponent"),
    ],
)
def test_zipf_labelsets_name_bad_settings(parameters, word):
    with pytest.raises(ValueError, match=word):
        zipf_labelsets(*parameters)
