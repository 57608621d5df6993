"""The scores against their slow twins, an independent scorer, and scikit-learn."""

import decimal
import importlib.util
import itertools
import pickle
import random
from fractions import Fraction

import numpy as np
import pandas
import pytest
import scipy.sparse
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from ihomer.metrics import (
    MicroF1,
    PrecisionAtK,
    Scoreboard,
    SubsetAccuracy,
)
from tests.reference import metrics as slow
from tests.scoring_parts import approximately, events, filled, matrices, untimed


@untimed
@given(
    events(),
    st.integers(1, 12),
    st.one_of(st.sampled_from([0.5, 0.999]), st.floats(0.05, 0.99)),
    st.booleans(),
)
def test_every_reading_equals_its_slow_twin(stream, window, fading, declare):
    labels = ["a", "never named", "l7"] if declare else ()
    board = filled(stream, labels=labels, window=window, fading=fading)
    assert board.scores() == approximately(slow.scores(stream, labels))
    assert board.scores("window") == approximately(slow.scores(stream, labels, window=window))
    assert board.scores("faded") == approximately(slow.scores(stream, labels, fading=fading))


@untimed
@given(events(min_size=1), st.integers(1, 5))
def test_window_is_right_after_every_event(stream, window):
    board = Scoreboard(window=window)
    for n, (true, predicted, probabilities, w) in enumerate(stream, 1):
        board.update(true, predicted, probabilities, w)
        assert board.scores("window") == approximately(slow.scores(stream[:n], window=window))


@untimed
@given(events(), events(min_size=1), st.randoms(use_true_random=False))
def test_revert_is_the_inverse_of_update(kept, removed, shuffle):
    board, plain = filled(kept), filled(kept)
    for event in removed:
        board.update(*event)
    shuffle.shuffle(removed)
    for event in removed:
        board.revert(*event)
    whole = all(float(w).is_integer() and w < 2**20 for *_, w in kept + removed)
    if whole and all(p is None for _, _, p, _ in removed):
        assert board.scores() == plain.scores()
    elif all(w <= 10.0 for *_, w in kept + removed):
        assert board.n_labels == plain.n_labels
        if sum(w for *_, w in kept) > 1e-6:
            assert board.scores()["micro_f1"] == pytest.approx(plain.scores()["micro_f1"], abs=1e-6)


def test_revert_of_odd_weights_leaves_no_residue():
    board = Scoreboard()
    board.update({"a": False, "b": True}, {"b"}, w=1.0)
    for w in (0.1, 0.2, 0.3):
        board.update({"a"}, {"a"}, w=w)
    for w in (0.1, 0.2, 0.3):
        board.revert({"a"}, {"a"}, w=w)
    assert board.score("macro_f1") == 0.5
    board.revert({"a": False, "b": True}, {"b"}, w=1.0)
    assert set(board.scores().values()) == {0.0}
    assert board.n_labels == 0


def test_events_without_labels_that_are_left_have_no_residue_of_others():
    board, plain = Scoreboard(), Scoreboard()
    board.update(set(), set())
    plain.update(set(), set())
    for w in (0.1, 0.2, 0.3):
        board.update({"a"}, {"a"}, w=w)
        board.update({"b"}, {"a"}, w=w)
    for w in (0.1, 0.2, 0.3):
        board.revert({"a"}, {"a"}, w=w)
        board.revert({"b"}, {"a"}, w=w)
    assert board.scores() == pytest.approx(plain.scores(), abs=1e-12)


@untimed
@given(
    st.lists(st.tuples(matrices(), st.booleans(), st.booleans()), max_size=6),
    st.integers(1, 9),
    st.lists(st.sampled_from([1.0, 1.0, 3.0, 2.0**20, 0.3]), min_size=1, max_size=8),
)
def test_a_window_is_the_same_bit_for_bit_however_events_come(cases, window, weights):
    by_matrices, one_by_one = Scoreboard(window=window), Scoreboard(window=window)
    for (true, predicted, _, _), is_batch, is_pickled in cases:
        for board in (by_matrices, one_by_one):
            board.update_many(true[:0], predicted[:0])  # which names all columns
        n, n_labels = true.shape
        w = np.resize(weights, n)
        step = max(n, 1) if is_batch else 1
        for start in range(0, n, step):
            by_matrices.update_many(*(part[start : start + step] for part in (true, predicted)), w=w[start : start + step])
        for row in range(n):
            unobserved = np.flatnonzero(np.isnan(true[row]))
            if n_labels == 0 or len(unobserved) < n_labels:
                positive, chosen = np.flatnonzero(true[row] == 1), np.flatnonzero(predicted[row])
                one_by_one.update_indices(positive, chosen, unobserved=unobserved, w=w[row])
        if is_pickled:
            by_matrices = pickle.loads(pickle.dumps(by_matrices))
        assert by_matrices.scores("window") == one_by_one.scores("window")


@untimed
@given(matrices(), st.integers(1, 6), st.floats(0.3, 0.99), st.data())
def test_matrices_equal_single_events(case, window, fading, data):
    true, predicted, probabilities, weights = case
    n, n_labels = true.shape
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=3)))
    given_form = data.draw(st.sampled_from([np.asarray, scipy.sparse.csr_matrix, scipy.sparse.csc_array]))
    single = Scoreboard(labels=n_labels, window=window, fading=fading)
    for row in range(n):
        unobserved = np.flatnonzero(np.isnan(true[row]))
        single.update_indices(
            np.flatnonzero(true[row] == 1),
            np.flatnonzero(predicted[row]),
            probabilities[row],
            unobserved,
            weights[row],
        )
    many = Scoreboard(window=window, fading=fading)
    for start, stop in itertools.pairwise([0, *cuts, n]):
        part = slice(start, stop)
        many.update_many(
            given_form(true[part]),
            given_form(predicted[part]),
            given_form(probabilities[part]),
            weights[part],
        )
    assert many.n_labels == single.n_labels == n_labels
    for reading in ("total", "window", "faded"):
        assert many.scores(reading) == approximately(single.scores(reading))


@untimed
@given(events())
def test_indices_equal_names(stream):
    labels = sorted(slow.known_labels(stream))
    position = {label: i for i, label in enumerate(labels)}
    named = filled(stream, labels=labels, window=3, fading=0.9)
    by_index = Scoreboard(labels=len(labels), window=3, fading=0.9)
    for event in filter(slow.is_scored, stream):
        true, predicted, probabilities, w = event
        offers = None
        if probabilities is not None:
            chances = np.array([slow.chance_of(p) for p in probabilities.values()])
            offers = (np.array([position[x] for x in probabilities], dtype=np.int32), chances)
        by_index.update_indices(
            [position[x] for x in labels if slow.truth_of(true, x)],
            {position[x] for x in labels if slow.is_predicted(predicted, x)},
            offers,
            np.array([position[x] for x in labels if slow.truth_of(true, x) is None], dtype=np.uint8),
            w,
        )
    for reading in ("total", "window", "faded"):
        assert by_index.scores(reading) == approximately(named.scores(reading))


def random_matrices(seed, n, n_labels, share):
    generator = np.random.default_rng(seed)
    return tuple((generator.random((n, n_labels)) < share).astype(np.uint8) for _ in range(2))


@pytest.mark.parametrize(("n", "n_labels", "share"), [(200, 12, 0.3), (60, 150, 0.02), (50, 1, 0.5), (80, 7, 0.0)])
def test_scikit_learn_agrees(n, n_labels, share):
    true, predicted = random_matrices(n, n, n_labels, share)
    board = Scoreboard()
    board.update_many(true, predicted)
    f1 = sklearn.metrics.f1_score
    samples = {"average": "samples", "zero_division": 1}
    assert board.scores() == approximately(
        {
            "subset_accuracy": (true == predicted).all(axis=1).mean(),
            "hamming_loss": sklearn.metrics.hamming_loss(true, predicted),
            "example_f1": np.mean([f1([*t, 0], [*p, 0], zero_division=1) for t, p in zip(true, predicted, strict=True)]),
            "jaccard": np.mean(
                [
                    sklearn.metrics.jaccard_score([*t, 0], [*p, 0], zero_division=1) if t.any() or p.any() else 1.0
                    for t, p in zip(true, predicted, strict=True)
                ]
            ),
            "micro_f1": np.float64(f1(true.ravel(), predicted.ravel(), zero_division=0)),
            "macro_f1": np.mean([f1(true[:, i], predicted[:, i], zero_division=0) for i in range(n_labels)]),
        }
    )
    if n_labels > 1:
        assert board.score("example_f1") == approximately(f1(true, predicted, **samples))


def test_log_loss_of_scikit_learn_agrees():
    true, predicted = random_matrices(5, 100, 6, 0.4)
    probabilities = np.random.default_rng(6).random((100, 6))
    board = Scoreboard()
    board.update_many(true, predicted, probabilities)
    per_label = [sklearn.metrics.log_loss(true[:, i], probabilities[:, i]) for i in range(6)]
    assert board.score("log_loss") == approximately(np.mean(per_label))


@pytest.mark.shared
def test_independent_scorer_agrees(shared_data):
    path = shared_data.parent / "tools" / "mlscore.py"
    specification = importlib.util.spec_from_file_location("mlscore", path)
    mlscore = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(mlscore)
    for seed, (n, n_labels, share) in enumerate([(500, 14, 0.3), (300, 200, 0.01), (40, 3, 0.9), (20, 5, 0.0)]):
        true, predicted = random_matrices(seed, n, n_labels, share)
        expected = mlscore.scores(true, predicted)
        board = Scoreboard()
        board.update_many(true, predicted)
        names = [f"label {i}" for i in range(n_labels)]
        named = Scoreboard(labels=names)
        for t, p in zip(true, predicted, strict=True):
            named.update({names[i] for i in np.flatnonzero(t)}, {names[i] for i in np.flatnonzero(p)})
        for key, value in expected.items():
            assert board.score(key) == approximately(value)
            assert named.score(key) == approximately(value)


def test_window_does_not_drift():
    generator = random.Random(1)
    board = Scoreboard(window=40)
    stream = []
    for _ in range(8000):
        true, predicted = ({f"l{i}" for i in range(30) if generator.random() < 0.1} for _ in range(2))
        probabilities = {f"l{i}": generator.random() for i in range(3)}
        stream.append((true, predicted, probabilities, generator.choice([1e12, 0.1, 1.0, generator.random()])))
        board.update(*stream[-1])
    stream[-40:] = [(t, p, q, 0.1) for t, p, q, _ in stream[-40:]]
    for event in stream[-40:]:
        board.update(*event)
    known = [f"l{i}" for i in range(30)]
    assert board.scores("window") == pytest.approx(filled(stream[-40:], labels=known).scores(), rel=1e-13)


def test_window_forgets_large_weights_beside_small_ones():
    for weights in ([1.0, 1e-20, 0.0], [1e16, 1.0, 1.0], [0.1, 1e-20, 1e-20]):
        board = Scoreboard(window=2)
        stream = [({"a"}, {"a"} if n % 2 else {"b"}, None, w) for n, w in enumerate(weights)]
        for event in stream:
            board.update(*event)
        assert board.scores("window") == approximately(slow.scores(stream, window=2))


def test_window_forgets_probabilities():
    board = Scoreboard(window=2)
    board.update({"a"}, {"a"}, {"a": 0.3, "b": 0.7}, w=0.1)
    board.update({"a"}, {"a"}, {"a": 0.3, "b": 0.9}, w=0.2)
    assert "log_loss" in board.scores("window")
    for _ in range(2):
        board.update({"a"}, {"a"})
    assert "log_loss" not in board.scores("window")
    assert board.score("precision_at_1", "window") == board.score("log_loss", "window") == 0.0


def test_window_with_log_loss_is_counted_anew():
    board = Scoreboard(window=10)
    board.update({"a"}, (), {"b": 1.0}, w=2.0**20)
    for n in range(1000):
        board.update({"a"}, (), {"a": 1.0 - 1e-9 * (n % 3)})
    fresh = filled([({"a"}, (), {"a": 1.0 - 1e-9 * (n % 3)}, 1.0) for n in range(990, 1000)], labels=["a", "b"])
    assert board.score("log_loss", "window") == pytest.approx(fresh.score("log_loss"), rel=1e-12)


@pytest.mark.parametrize(("fading", "tail"), [(1e-9, 40), (0.5, 150), (0.9, 400)])
def test_fading_survives_long_streams(fading, tail):
    generator = random.Random(2)
    stream = [
        (
            {x for x in "abc" if generator.random() < 0.5},
            {x for x in "abc" if generator.random() < 0.5},
            None,
            1.0,
        )
        for _ in range(6000)
    ]
    stream += [({"a", "b"}, {"b", "c"}, None, 1.0), ({"c"}, {"a", "c"}, None, 1.0)]
    assert filled(stream, fading=fading).scores("faded") == pytest.approx(
        slow.scores(stream[-tail:], labels="abc", fading=fading), rel=1e-12
    )


def test_macro_of_a_label_long_unseen_keeps_its_share():
    board = Scoreboard(fading=0.9)
    board.update({"a"}, {"a"})
    for _ in range(3000):
        board.update({"b"}, ())
    assert board.score("macro_f1", "faded") == 0.5


def test_scores_of_a_label_space_that_grows():
    board = Scoreboard()
    board.update({"a"}, {"b"})
    assert board.score("hamming_loss") == 1.0
    board.update({"a": False, "b": False, "c": False, "d": True}, {"d": True})
    assert board.n_labels == 4
    assert board.scores() == approximately(
        {
            "subset_accuracy": 1 / 2,
            "hamming_loss": 2 / 8,
            "example_f1": 1 / 2,
            "jaccard": 1 / 2,
            "micro_f1": 1 / 2,
            "macro_f1": 1 / 4,
        }
    )


def test_nothing_known_and_nothing_said():
    board = Scoreboard(window=2, fading=0.5)
    for reading in ("total", "window", "faded"):
        assert set(board.scores(reading).values()) == {0.0}
    board.update({}, {})
    for reading in ("total", "window", "faded"):
        scores = board.scores(reading)
        assert (scores["subset_accuracy"], scores["example_f1"], scores["jaccard"]) == (1.0, 1.0, 1.0)
        assert (scores["hamming_loss"], scores["micro_f1"], scores["macro_f1"]) == (0.0, 0.0, 0.0)


def test_first_empty_prediction_counts():
    metric = SubsetAccuracy()
    metric.update({"a": True}, {})
    assert metric.get() == 0.0
    metric.update({"a": True}, {"a": True})
    assert metric.get() == 0.5


def test_unobserved_labels_count_nowhere():
    board = Scoreboard()
    board.update({"a": None, "b": True}, {"a", "b"}, {"a": 0.9, "b": 0.8})
    assert board.score("subset_accuracy") == 1.0
    assert board.score("hamming_loss") == 0.0
    assert board.score("precision_at_1") == 1.0
    assert board.score("log_loss") == pytest.approx(-np.log(0.8))
    board.update({"a": None, "b": None}, {"a"})
    assert board.score("micro_f1") == 1.0
    assert board.score("macro_f1") == 0.5


def test_an_event_of_which_nothing_is_observed_counts_nowhere_in_any_form():
    boards = [Scoreboard(labels=2, window=3) for _ in range(2)] + [Scoreboard(["a", "b"], window=3)]
    boards[0].update_indices([], [0], unobserved=[0, 1])
    boards[1].update_many(np.full((1, 2), np.nan), np.array([[1, 0]]))
    boards[2].update({"a": None, "b": None}, {"a"})
    for board in boards:
        assert set(board.scores().values()) == set(board.scores("window").values()) == {0.0}
        assert board._readings["total"].tally().n_events == 0


def test_ties_and_zeros_in_the_ranking():
    tied = {"d": 0.5, "a": 0.5, "c": 0.5, "b": 0.9}
    for label, hit in [("b", 1.0), ("a", 0.0)]:
        metric = PrecisionAtK(1)
        metric.update({label}, tied)
        assert metric.get() == hit
    for label, hit in [("a", 0.5), ("c", 0.0), ("d", 0.0)]:
        metric = PrecisionAtK(2)
        metric.update({label}, tied)
        assert metric.get() == hit
    metric = PrecisionAtK(3)
    metric.update({"a", "z"}, {"a": 0.0, "z": 1e-12})
    assert metric.get() == approximately(1 / 3)


def test_names_of_mixed_types_and_any_order():
    labels = [1, "1", ("a", 2), None, frozenset(), 2.5]
    results = []
    for seed in range(5):
        shuffled = random.Random(seed).sample(labels, len(labels))
        board = Scoreboard()
        board.update(dict.fromkeys(shuffled, True), dict.fromkeys(shuffled[:6], 0.5), dict.fromkeys(shuffled, 0.5))
        board.update({1, None}, {"1", None})
        results.append((board.scores(), sorted(map(repr, board.vocabulary.items()))))
    assert all(result == results[0] for result in results)


BAD_SETTINGS = [
    ({"window": 0}, "window"),
    ({"window": 2.5}, "window"),
    ({"window": float("nan")}, "window"),
    ({"window": True}, "window"),
    ({"fading": 0.0}, "fading"),
    ({"fading": 1.0}, "fading"),
    ({"fading": float("nan")}, "fading"),
    ({"labels": "abc"}, "labels"),
    ({"labels": ["a", "a"]}, "^labels names a label twice: each label that is known stands there once; not "),
    ({"labels": -1}, "labels"),
    ({"labels": 5.5}, "labels"),
    ({"labels": True}, "labels"),
    ({"labels": [["a"]]}, "labels"),
    ({"labels": ["a", float("nan")]}, "nan"),
    ({"fading": "0.9"}, "fading"),
    ({"fading": [0.9]}, "fading"),
]


@pytest.mark.parametrize(("given_settings", "word"), BAD_SETTINGS)
def test_bad_settings_are_named(given_settings, word):
    with pytest.raises(ValueError, match=word):
        Scoreboard(**given_settings)
    if given_settings != {"labels": -1}:
        with pytest.raises(ValueError, match=word):
            MicroF1(**given_settings)


def test_bad_ranks_are_named():
    for ranks in [(), (0,), (1.5,), (True,), 5, None]:
        with pytest.raises(ValueError, match="ranks"):
            Scoreboard(ranks=ranks)
    for k in [0, 1.5, True, "3", None]:
        with pytest.raises(ValueError, match=r"^k must be a whole number, at least 1, not "):
            PrecisionAtK(k)
    with pytest.raises(ValueError, match="not both"):
        MicroF1(window=10, fading=0.9)


BAD_EVENTS = [
    (("ab", {"a"}), "truth"),
    (({"a"}, "ab"), "prediction"),
    ((None, {"a"}), "truth"),
    (({"a": "yes"}, {"a"}), "truth of label 'a'"),
    (({"a": 0.5}, {"a"}), "truth of label 'a'"),
    (({"a"}, {"b": "yes"}), "label 'b'"),
    (({"a"}, {"b": float("nan")}), "label 'b'"),
    (({"a"}, {"a"}, {"c": True}), "hard label"),
    (({"a"}, {"a"}, {"c": {True: float("nan")}}), "label 'c'"),
    (({"a"}, {"a"}, {"c": object()}), "label 'c'"),
    (({"a"}, {"a"}, ["c"]), "dictionary"),
    (({"a"}, {"a"}, None, -1.0), "w must"),
    (({"a"}, {"a"}, None, 5e-324), "w must"),
    (({"a"}, {"a"}, None, float("nan")), "w must"),
    (({"a"}, {"a"}, None, float("inf")), "w must"),
    (({"a"}, {"a"}, None, None), "w must"),
    (({"a"}, {"a"}, None, "1"), "w must"),
    (({"a"}, {"a"}, None, [1.0]), "w must"),
    (({"a"}, {"a"}, None, 10**400), "w must"),
    (({"a"}, {"a"}, None, np.complex128(1)), "w must"),
    (({"a"}, {"a"}, None, decimal.Decimal("nan")), "w must"),
    (([["a"]], {"a"}), "hashable"),
    (({"a"}, [{}]), "hashable"),
    (({"a": True}, {"a": True, float("nan"): False}), "nan cannot be a name"),
    (({"a": pandas.Timedelta(0)}, {"a"}), "truth of label 'a'"),
    (({"a": decimal.Decimal("snan")}, {"a"}), "truth of label 'a'"),
    (({"a"}, {"b": pandas.Timedelta(0)}), "label 'b'"),
]


@pytest.mark.parametrize(("event", "message"), BAD_EVENTS)
def test_malformed_events_change_nothing(event, message):
    board = filled([({"a"}, {"a", "b"}, {"a": 0.5}, 1.0)], window=2, fading=0.5)
    before = [board.scores(reading) for reading in ("total", "window", "faded")]
    with pytest.raises(ValueError, match=message):
        board.update(*event)
    assert [board.scores(reading) for reading in ("total", "window", "faded")] == before
    assert board.n_labels == 2
    assert len(board.vocabulary) == 2


def test_numbers_of_any_kind_are_read():
    board = Scoreboard(fading=np.float32(0.5), ranks=[np.int64(1)])
    for w in (np.float32(2), np.int8(2), np.array(2.0), True, 0):
        probabilities = {"a": Fraction(1), "c": np.int8(0)}
        board.update({"a": np.True_, "b": np.float32("nan")}, probabilities, probabilities, w)
    assert board.scores()["micro_f1"] == board.scores()["precision_at_1"] == 1.0
    assert board.score("log_loss") == pytest.approx(0.0, abs=1e-14)


def test_malformed_indices_and_matrices_change_nothing():
    board = Scoreboard()
    two = np.eye(2)
    bad_calls = [
        (board.update_indices, ([-1], []), "true"),
        (board.update_indices, ([0.5], []), "true"),
        (board.update_indices, ([[1]], []), "true"),
        (board.update_indices, ([], ["a"]), "predicted"),
        (board.update_indices, ([1], [], None, [1]), "both true and unobserved"),
        (board.update_indices, ([1], [], np.array([np.nan])), "probabilities holds nan"),
        (board.update_indices, ([1], [], ([1, 1], np.array([0.5, 0.5]))), "distinct"),
        (board.update_indices, ([1], [], ([1], np.array([0.5, 0.5]))), "distinct"),
        (board.update_many, (2 * two, two), "true holds 2.0"),
        (board.update_many, (two, np.full((2, 2), np.nan)), "predicted holds nan"),
        (board.update_many, (two, np.eye(3)), "predicted has shape"),
        (board.update_many, (two, two, np.eye(3)), "probabilities has shape"),
        (board.update_many, (two, two, np.full((2, 2), np.nan)), "probabilities holds nan"),
        (board.update_many, (two, two, None, [1.0]), "w has shape"),
        (board.update_many, (two, two, None, [1.0, -1.0]), "w must"),
        (board.update_many, (two, two, None, [1.0, np.nan]), "w must"),
        (board.update_many, (two, two, None, [1.0, 10**400]), "w must"),
        (board.update_many, (two, two, None, ["1", "1"]), "w must"),
        (board.update_many, (two, two, None, [1.0, {}]), "w must"),
        (board.update_indices, ([1], [], None, (), None), "w must"),
        (board.update_indices, (None, []), "true"),
        (board.update_indices, ([1], [], {1: 0.5}), "probabilities"),
        (board.update_indices, ([1], [], [10**400]), "probabilities"),
        (board.update_many, (np.zeros(3), np.zeros(3)), "matrix"),
        (board.update_many, (np.array([["a"]]), np.eye(1)), "matrix"),
    ]
    for call, arguments, message in bad_calls:
        with pytest.raises(ValueError, match=message):
            call(*arguments)
    assert board.n_labels == 0
    assert set(board.scores().values()) == {0.0}


def test_names_and_indices_do_not_mix_unnoticed():
    board = Scoreboard()
    board.update_indices([0], [1])
    with pytest.raises(ValueError, match="by index"):
        board.update({"a"}, {"a"})
    board = Scoreboard(labels=["a", "b"])
    board.update({"a"}, {"b"})
    board.update_indices([0], [0])
    assert board.score("subset_accuracy") == 0.5
    with pytest.raises(ValueError, match="index 2"):
        board.update_indices([2], [0])


def test_revert_refuses_what_it_cannot_do():
    board = Scoreboard(["b"])
    before = pickle.dumps(board)
    with pytest.raises(ValueError, match="no event is left"):
        board.revert({"a"}, {"a"}, {"c": 0.5})
    assert pickle.dumps(board) == before
    for options in ({"window": 3}, {"fading": 0.5}):
        metric = MicroF1(**options)
        metric.update({"a": True}, {"a": True})
        with pytest.raises(ValueError, match="totals"):
            metric.revert({"a": True}, {"a": True})


def test_unknown_scores_and_readings():
    board = Scoreboard(window=3)
    with pytest.raises(ValueError, match="faded"):
        board.scores("faded")
    with pytest.raises(ValueError, match="accuracy"):
        board.score("accuracy")


def test_scoreboard_pickles_in_the_middle():
    stream = [({"a", "b"}, {"b"}, {"b": 0.7}, 1.0), ({"c"}, {"a"}, None, 0.3)] * 5
    board = filled(stream, window=3, fading=0.9)
    twin = pickle.loads(pickle.dumps(board))
    for event in stream:
        board.update(*event)
        twin.update(*event)
    for reading in ("total", "window", "faded"):
        assert twin.scores(reading) == board.scores(reading)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40))
def test_large_label_spaces_cost_what_is_named(largest, k):
    board = Scoreboard(labels=10**9, ranks=(k,))
    board.update_indices([largest], [largest], ([largest], np.array([0.5])))
    assert board.score("hamming_loss") == 0.0
    assert board.score("macro_f1") == approximately(1e-9)
    assert board.score(f"precision_at_{k}") == approximately(1 / k)
