"""The loop: what is predicted, learned and scored when, in blocks and one by one, with delayed, absent and refused labels."""

import math
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihomer import IHOMERClassifier, MLHATClassifier
from ihomer.baselines import MajorityLabelset, PreviousLabelset
from ihomer.metrics import Scoreboard
from streams.errors import MalformedEvent
from streams.evaluate import Interrupts, Settings, bundled_yeast, evaluate
from streams.event import Event
from streams.progress import Progress
from streams.recorder import Recorder as Watcher
from streams.results import result_of
from streams.run import Run
from streams.scoring import Scoring, check_weight

untimed = settings(deadline=None)

LABELS = st.sampled_from(["a", "b", "é", "", "日本", "\x00", *map(str, range(40))])
LABEL_SETS = st.frozensets(LABELS, max_size=5)
TRUTHS = st.one_of(LABEL_SETS, st.dictionaries(LABELS, st.sampled_from([True, False, None]), max_size=5))
WEIGHTS = st.one_of(st.just(1.0), st.floats(1e-6, 1e6))


class Recorder:
    """Predicts the number of events learned so far, and writes down what it is asked."""

    def __init__(self):
        self.log = []
        self.n_learned = 0

    def predict_set_one(self, x):
        self.log.append(("predict", x["number"]))
        return {str(self.n_learned)}

    def predict_proba_one(self, x):
        return {str(self.n_learned): {True: 0.75, False: 0.25}}

    def learn_one(self, x, y, w=1.0):
        if x.get("bad") == "to learn":
            raise ValueError("bad to learn")
        self.log.append(("learn", x["number"]))
        self.n_learned += 1


class Blocks(PreviousLabelset):
    """The previous labelset, many events at a time; refuses some events, as all models do before it has changed."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def test_then_train_many(self, X, Y, w=None):
        self.sizes.append(len(X))
        if any("bad" in x for x in X):
            raise ValueError("x['bad'] is bad")
        predicted = []
        for x, y, weight in zip(X, Y, w, strict=True):
            predicted.append(self.predict_set_one(x))
            self.learn_one(x, y, weight)
        return predicted

    def predict_set_one(self, x):
        if "bad" in x:
            raise ValueError("x['bad'] is bad")
        return super().predict_set_one(x)


class Kept:
    """A sink in memory."""

    def __init__(self):
        self.records = []

    def write(self, record):
        self.records.append(record)

    def close(self):
        pass


def numbered(n, **more):
    return [Event({"number": i, **more.get(f"x{i}", {})}, {"even" if i % 2 == 0 else "odd"}) for i in range(n)]


def scores(run, name="model", reading="total"):
    return run.scoring.scores(name, reading)


@pytest.mark.parametrize("delay", [0, 1, 2, 5, 9])
def test_labels_arrive_after_so_many_later_events(delay):
    model = Recorder()
    run = Run(model, delay=delay)
    run.finish(numbered(5))
    expected = []
    for event in range(5):
        expected.append(("predict", event))
        if event >= delay:
            expected.append(("learn", event - delay))
    expected += [("learn", event) for event in range(max(0, 5 - delay), 5)]
    assert model.log == expected
    assert (run.n_predicted, run.n_learned, run.scoring.n_scored) == (5, 5, 5)


def test_baseline_is_delayed_as_the_model_is():
    events = [Event({}, labels) for labels in ({"a"}, {"a"}, {"b"}, {"a"}, {"b"}, {"b"})]
    # With two events of delay it predicts {}, {}, {}, a, a, b for a, a, b, a, b, b.
    run = Run(MajorityLabelset(), delay=2)
    run.finish(events)
    assert scores(run, "baseline")["subset_accuracy"] == 2 / 6
    assert scores(run, "baseline")["micro_f1"] == pytest.approx(2 * 2 / (6 + 3))
    # Without, {}, a, a, b, a, b.
    run = Run(MajorityLabelset())
    run.finish(events)
    assert scores(run, "baseline")["subset_accuracy"] == 2 / 6
    assert scores(run, "baseline")["micro_f1"] == pytest.approx(2 * 2 / (6 + 5))


def test_events_without_labels_are_predicted_only():
    events = [Event(event.x, None if i in (0, 2, 3) else event.y) for i, event in enumerate(numbered(6))]
    model = Recorder()
    run = Run(model, delay=1)
    run.finish(events)
    assert [number for what, number in model.log if what == "learn"] == [1, 4, 5]
    # Event 1 is learned when event 2 has been predicted, be it without labels.
    assert model.log.index(("learn", 1)) == model.log.index(("predict", 2)) + 1
    assert (run.n_predicted, run.n_learned, run.scoring.n_scored) == (6, 3, 3)

    together, alone = Blocks(), Blocks()
    Run(together).finish(events)
    Run(alone, sink=Kept()).finish(events)
    assert together.predict_set_one({}) == alone.predict_set_one({}) == {"odd"}


def test_nothing_is_scored_before_its_labels_arrive():
    run = Run(Recorder(), delay=3)
    steps = run.blocks(numbered(10))
    for _ in range(5):
        next(steps)
    assert (run.n_predicted, run.n_learned, run.scoring.n_scored) == (5, 2, 2)


def test_model_and_baseline_are_scored_on_the_same_events_between_any_two_steps():
    run = Run(Blocks())
    for n_events in run.blocks(numbered(1000)):
        assert n_events >= 1
        assert run.n_predicted == run.n_learned == run.scoring.n_scored
        assert scores(run, "model") == scores(run, "baseline")
        assert scores(run, "model", "window") == scores(run, "baseline", "window")


def test_source_is_read_no_further_than_a_block():
    read = []

    def source():
        for event in numbered(3000):
            read.append(event)
            yield event

    run = Run(Blocks())
    for _ in run.blocks(source()):
        assert len(read) == run.n_predicted
    assert len(read) == 3000
    run = Run(Blocks(), sink=Kept())
    assert all(n_events == 1 for n_events in run.blocks(numbered(20)))


@pytest.mark.parametrize("delay", [0, 2])
def test_refused_events_end_the_run_or_are_left_out(delay):
    events = numbered(400, x70={"bad": "to predict"}, x300={"bad": "to predict"})
    with pytest.raises(MalformedEvent, match=r"rain\.csv: event 71: x\['bad'\] is bad"):
        Run(Blocks(), delay=delay, source={"file": "rain.csv"}).finish(events)
    errors = []
    run = Run(Blocks(), delay=delay, on_refused=errors.append)
    run.finish(events)
    assert [str(error) for error in errors] == ["event 71: x['bad'] is bad", "event 301: x['bad'] is bad"]
    assert (run.n_refused, run.n_predicted, run.n_learned, run.scoring.n_scored) == (2, 398, 398, 398)
    without = Run(Blocks(), delay=delay)
    without.finish([event for event in events if "bad" not in event.x])
    for name in ("model", "baseline"):
        assert scores(run, name) == scores(without, name)


@pytest.mark.parametrize("make", [PreviousLabelset, MajorityLabelset, partial(MLHATClassifier, window=20)])
def test_baselines_refuse_the_numbers_that_models_refuse(make):
    values = [1.0, 1e101, True, -(10**400), "text", None, math.nan, 1e100]
    refused = []
    loop = Run(make(), on_refused=refused.append)
    loop.finish(Event({"a": value}, {"rain"} if i % 2 else None) for i, value in enumerate(values))
    assert [str(error).partition(":")[0] for error in refused] == ["event 2", "event 4"]
    assert all("x['a'] must be finite and at most 1e+100 in magnitude" in str(error) for error in refused)
    assert (loop.n_predicted, loop.n_learned, loop.scoring.n_scored) == (6, 2, 2)


def test_event_refused_when_it_is_learned_is_not_scored():
    errors = []
    run = Run(Recorder(), delay=1, on_refused=errors.append)
    run.finish(numbered(5, x2={"bad": "to learn"}))
    assert [str(error) for error in errors] == ["event 3: bad to learn"]
    assert (run.n_refused, run.n_learned, run.scoring.n_scored) == (1, 4, 4)


def test_a_real_model_refuses_one_event_of_a_block():
    events = [Event({"a": float(i % 7)}, {"p"} if i % 7 > 3 else set()) for i in range(60)]
    spoiled = [*events[:40], Event({"a": 1e300}, {"q"}), *events[40:]]
    errors = []
    run = Run(MLHATClassifier(seed=1), on_refused=errors.append)
    run.finish(spoiled)
    sound = Run(MLHATClassifier(seed=1))
    sound.finish(events)
    assert scores(run) == scores(sound)
    assert "event 41: x['a'] must be finite" in str(errors[0])


def one_by_one(model, events):
    """Return the prediction of each event, by the two calls of river's contract."""
    predicted = []
    for event in events:
        predicted.append(model.predict_set_one(event.x))
        model.learn_one(event.x, event.y, event.w)
    return predicted


@pytest.mark.parametrize("make", [MLHATClassifier, IHOMERClassifier])
def test_blocks_give_the_same_as_one_by_one(make):
    events = list(bundled_yeast())[:700]
    events = [Event(e.x, e.y, w=2.0 if i % 5 == 0 else 1.0) for i, e in enumerate(events)]
    expected = one_by_one(make(seed=3), events)
    kept = Kept()
    single, block = Run(make(seed=3), sink=kept), Run(make(seed=3))
    single.finish(events)
    block.finish(events)
    assert [set(record["labels"]) for record in kept.records] == expected
    board = Scoreboard(window=1000)
    for event, labels in zip(events, expected, strict=True):
        board.update(event.y, labels, w=event.w)
    for run in (single, block):
        assert scores(run) == pytest.approx(board.scores(), rel=1e-12)
        assert scores(run, reading="window") == pytest.approx(board.scores("window"), rel=1e-12)
    assert scores(single, "baseline") == scores(block, "baseline")


class Told(Recorder):
    """Writes down which labels it is told of."""

    def __init__(self):
        super().__init__()
        self.truths = []

    def learn_one(self, x, y, w=1.0):
        super().learn_one(x, y, w)
        self.truths.append(y)


@pytest.mark.parametrize("delay", [0, 2])
def test_the_first_event_that_is_learned_names_all_labels(delay):
    model = Told()
    run = Run(model, labels=("a", "b"), delay=delay, on_refused=lambda error: None)
    truths = [None, frozenset("a"), frozenset("ac"), frozenset("b")]
    run.finish(Event({"number": i, "bad": "to learn" if i == 1 else "no"}, y) for i, y in enumerate(truths))
    assert model.truths == [{"a": True, "b": False, "c": True}, frozenset("b")]


def test_a_first_event_that_names_some_labels_names_all_of_them():
    model = Told()
    truths = [{"c": None, "b": True}, {"b": False}]
    Run(model, labels=("a", "b")).finish(Event({"number": i}, y) for i, y in enumerate(truths))
    assert model.truths == [{"a": False, "b": True, "c": None}, {"b": False}]


def test_only_the_first_event_of_the_first_block_names_all_labels():
    class Told(Blocks):
        def test_then_train_many(self, X, Y, w=None):
            told.extend(Y)
            return super().test_then_train_many(X, [set() for _ in Y], w)

    told = []
    Run(Told(), labels=("odd", "even", "none")).finish(numbered(40))
    assert told == [{"odd": False, "even": True, "none": False}, *(event.y for event in numbered(40)[1:])]


@pytest.mark.parametrize("weight", [1e-101, 1.1e9])
def test_an_event_whose_weight_no_score_takes_is_not_learned(weight):
    refused, model = [], Recorder()
    run = Run(model, on_refused=refused.append)
    run.finish([Event({"number": 0}, {"a"}, w=weight), *numbered(1)])
    assert [entry for entry in model.log if entry[0] == "learn"] == [("learn", 0)]
    assert (run.n_refused, run.n_learned, run.scoring.n_scored) == (1, 1, 1)
    assert "weight" in str(refused[0])


def test_an_event_fades_by_one_part_of_the_window_with_each_later_one():
    run = Run(MajorityLabelset(), window=10, recorder=Watcher())
    labels = ["a", "a", "b", "a", "c", "a", "a", "b"]
    run.finish(Event({}, {label}) for label in labels)
    right = [0, 1, 0, 1, 0, 1, 1, 0]  # the first is told nothing, the others {"a"}
    weights = [0.9 ** (len(labels) - 1 - i) for i in range(len(labels))]
    expected = sum(w * r for w, r in zip(weights, right, strict=True)) / sum(weights)
    assert scores(run, reading="faded")["subset_accuracy"] == pytest.approx(expected, rel=1e-12)


def test_a_thousand_labels_are_named_and_no_more():
    for n_labels in (1000, 1001):
        model = Told()
        Run(model, labels=tuple(map(str, range(n_labels)))).finish([Event({"number": 0}, frozenset("7"))])
        assert model.truths == [{str(i): i == 7 for i in range(1000)} if n_labels == 1000 else frozenset("7")]


def test_scores_of_a_file_are_those_of_arrays_that_name_all_labels():
    events, labels = list(bundled_yeast())[:200], tuple(bundled_yeast().labels)
    truths = [frozenset(label for label, applies in event.y.items() if applies) for event in events]
    run = Run(IHOMERClassifier(), labels=labels)
    run.finish(Event(event.x, y) for event, y in zip(events, truths, strict=True))
    board, model = Scoreboard(labels=labels), IHOMERClassifier()
    for event, y in zip(events, truths, strict=True):
        board.update(y, model.test_then_train_one(event.x, {label: label in y for label in labels}))
    assert run.scoring.all_scores()["model"]["total"] == board.scores()


def test_probabilities_are_those_before_learning():
    events = list(bundled_yeast())[:300]
    model, board = MLHATClassifier(seed=2), Scoreboard()
    for event in events:
        board.update(event.y, model.predict_set_one(event.x), model.predict_proba_one(event.x))
        model.learn_one(event.x, event.y)
    kept = Kept()
    run = Run(MLHATClassifier(seed=2), probabilities=True, sink=kept, top=3)
    run.finish(events)
    assert scores(run) == board.scores()
    assert "log_loss" in scores(run, "baseline")
    delayed = Run(MLHATClassifier(seed=2), probabilities=True, delay=300)
    delayed.finish(events)
    assert scores(delayed)["precision_at_1"] == 0.0
    proba = kept.records[-1]["proba"]
    assert len(proba) == 3
    assert list(proba.values()) == sorted(proba.values(), reverse=True)


def test_records_of_predictions():
    kept = Kept()
    events = [Event({"number": 0}, {"b"}, id="x"), Event({"number": 1}, None), Event({"number": 2}, {"b"})]
    Run(Recorder(), sink=kept, source={"file": "rain.csv"}).finish(events)
    assert [record["id"] for record in kept.records] == ["x", None, None]
    assert [record["labels"] for record in kept.records] == [["0"], ["1"], ["1"]]
    assert [record["learned"] for record in kept.records] == [0, 1, 1]
    assert [record["source"] for record in kept.records] == [{"file": "rain.csv", "event": i} for i in (1, 2, 3)]
    assert {record["partition_version"] for record in kept.records} == {0}


def test_records_of_ihomer_carry_the_version_of_its_partition():
    kept = Kept()
    model = IHOMERClassifier(seed=1)
    Run(model, sink=kept).finish(list(bundled_yeast())[:1500])
    versions = [record["partition_version"] for record in kept.records]
    assert versions == sorted(versions)
    assert versions[0] == 0
    assert 0 < versions[-1] <= model.partition.version


def test_top_probabilities_tie_in_name_order():
    class Even(Recorder):
        def predict_proba_one(self, x):
            return {name: {True: 0.5, False: 0.5} for name in "dbac"}

    kept = Kept()
    Run(Even(), sink=kept, probabilities=True, top=3).finish(numbered(1))
    assert list(kept.records[0]["proba"]) == ["a", "b", "c"]


def test_negative_delay_is_refused():
    with pytest.raises(ValueError, match="delay must be"):
        Run(Recorder(), delay=-1)


@untimed
@given(
    st.lists(st.tuples(TRUTHS, LABEL_SETS, LABEL_SETS, WEIGHTS), max_size=40),
    st.lists(LABELS, unique=True, max_size=4),
    st.integers(1, 12),
    st.sets(st.integers(0, 40)),
)
def test_scoring_equals_a_scoreboard_for_each_predictor(events, known, window, read_at):
    scoring = Scoring(["one", "two"], known, window)
    boards = {name: Scoreboard(known, window=window) for name in ("one", "two")}
    n_scored = 0
    for place, (true, one, two, weight) in enumerate(events):
        scoring.add(true, {"one": one, "two": two}, weight=weight)
        n_scored += not (isinstance(true, dict) and true and all(value is None for value in true.values()))
        for name, predicted in (("one", one), ("two", two)):
            boards[name].update(true, predicted, w=weight)
            # What one names, the other knows too.
            boards[name].update(set(), dict.fromkeys(one | two, False), w=0.0)
        if place in read_at:
            scoring.scores("one")
    assert scoring.n_scored == n_scored
    for name, board in boards.items():
        assert scoring.scores(name) == pytest.approx(board.scores(), rel=1e-9, abs=1e-12)
        assert scoring.n_labels == board.n_labels


@pytest.mark.parametrize("with_probabilities", [False, True])
def test_a_label_that_is_known_twice_is_one_label(with_probabilities):
    scoring = Scoring(["one"], ["a", "b", "a"], with_probabilities=with_probabilities)
    for true, predicted in (("a", "c"), ("c", "a"), ("b", "c")):
        scoring.add({true}, {"one": {predicted}}, {"one": {predicted: 1.0}})
    found = scoring.scores("one")
    assert scoring.n_labels == 3
    assert (found["subset_accuracy"], found["micro_f1"], found["hamming_loss"]) == (0.0, 0.0, 6 / 9)


def test_a_label_is_known_from_an_event_that_observes_nothing():
    scoring = Scoring(["one"])
    scoring.add({"a"}, {"one": {"b"}})
    assert scoring.scores("one")["hamming_loss"] == 1.0
    scoring.add({"c": None, "d": None}, {"one": {"c"}})
    assert scoring.n_scored == 1
    assert scoring.scores("one")["hamming_loss"] == 0.5
    offered = Scoring(["one"], with_probabilities=True)
    offered.add({"a"}, {"one": {"b"}}, {"one": {"b": 0.75}})
    offered.add({"c": None, "d": None}, {"one": {"c"}}, {"one": {"c": 0.75}})
    assert offered.n_scored == 1
    assert offered.scores("one")["hamming_loss"] == 0.5


@pytest.mark.parametrize("with_probabilities", [False, True])
def test_a_label_that_is_known_and_never_named_is_one_label(with_probabilities):
    scoring = Scoring(["one"], ["a", "b", "c", "d"], with_probabilities=with_probabilities)
    scoring.add({"a"}, {"one": set()}, {"one": {}})
    assert scoring.scores("one")["hamming_loss"] == 1 / 4


def test_scores_may_be_looked_at_without_those_that_wait_being_counted():
    looked_at, left_alone = Scoring(["one"]), Scoring(["one"])
    found = []
    for number in range(600):
        for scoring in (looked_at, left_alone):
            scoring.add({"a"}, {"one": {"a"} if number % 3 else {"b"}}, weight=1 / (1 + number))
        found.append(looked_at.counted_scores("one"))
    assert len({str(scores) for scores in found}) == 3  # of none, of 256 and of 512 events
    assert looked_at.all_scores() == left_alone.all_scores()


@pytest.mark.parametrize("weights", [(1.0,), (0.1, 1.0, 3.7)])
def test_when_scores_are_looked_at_changes_no_bit_of_them(weights):
    """Progress looks when its time has come, so that two runs of one command would differ."""
    looked_at, left_alone = Scoring(["one"], window=500), Scoring(["one"], window=500)
    one_by_one = Scoreboard(window=500)
    rng = np.random.default_rng(5)
    for _ in range(2000):
        true, predicted = ({label for label in "abcdefgh" if rng.random() < 0.4} for _ in range(2))
        weight = float(rng.choice(weights))
        for scoring in (looked_at, left_alone):
            scoring.add(true, {"one": predicted}, weight=weight)
        one_by_one.update(true, predicted, w=weight)
        if rng.random() < 0.01:
            looked_at.scores("one")
    assert looked_at.all_scores() == left_alone.all_scores()
    for reading in ("total", "window"):
        alone, found = one_by_one.scores(reading), looked_at.scores("one", reading)
        assert [alone[name] - found[name] for name in alone if name != "macro_f1"] == [0.0] * 5


def test_weights_are_taken_up_to_their_bounds():
    for weight in (1e-100, 1e9):
        check_weight(weight)
    for weight in (math.nextafter(1e-100, 0.0), math.nextafter(1e9, math.inf), 0.0, math.inf, math.nan):
        with pytest.raises(MalformedEvent, match=r"1e-100 to 1e\+09"):
            check_weight(weight)


@pytest.mark.parametrize("with_probabilities", [False, True])
def test_nan_in_place_of_a_truth_is_not_observed(with_probabilities):
    scoring = Scoring(["one"], with_probabilities=with_probabilities)
    scoring.add({"a": 1.0, "b": math.nan}, {"one": {"a"}}, {"one": {"a": 0.75}})
    scoring.add({"a": math.nan, "b": math.nan}, {"one": {"a"}}, {"one": {"a": 0.75}})
    assert scoring.n_scored == 1
    assert scoring.scores("one")["subset_accuracy"] == 1.0


@untimed
@given(st.lists(st.tuples(LABEL_SETS, LABEL_SETS), min_size=1, max_size=30), st.integers(1, 8))
def test_window_is_that_of_the_last_events(events, window):
    scoring = Scoring(["one"], window=window)
    for true, predicted in events:
        scoring.add(true, {"one": predicted})
    last = events[-window:]
    exact = Fraction(sum(true == predicted for true, predicted in last), len(last))
    assert scoring.scores("one", "window")["subset_accuracy"] == pytest.approx(float(exact))


def interrupted_source(events, at):
    """Give events, and Ctrl-C before one of them."""
    for place, event in enumerate(events):
        if place == at:
            os.kill(os.getpid(), signal.SIGINT)
        yield event


def test_interrupt_while_reading_leaves_the_run_in_order():
    run = Run(Recorder())
    with Interrupts() as interrupts:
        assert interrupts.finish(run, interrupted_source(numbered(10), at=4), Progress("days"))
    assert interrupts.noted
    assert run.n_predicted == run.n_learned == run.scoring.n_scored == 4
    result = result_of(run, "days", interrupted=True)
    assert result.counts["predicted"] == 4
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_interrupt_before_anything_is_learned_is_raised():
    run = Run(Recorder())
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        interrupts.finish(run, interrupted_source(numbered(10), at=0), Progress("days"))


@pytest.mark.parametrize("delay", [0, 6])
@pytest.mark.parametrize("times", [1, 2])
def test_interrupt_while_learning_waits_for_the_event_to_be_learned_but_only_once(times, delay):
    """Also of an event that is learned when all have been read; what would be learned after it is not."""

    class Struck(Recorder):
        def learn_one(self, x, y, w=1.0):
            if x["number"] == 5:
                for _ in range(times):
                    os.kill(os.getpid(), signal.SIGINT)
            super().learn_one(x, y, w)

    run = Run(Struck(), delay=delay)
    with Interrupts() as interrupts:
        assert interrupts.finish(run, numbered(10), Progress("days"))
    assert run.n_learned == (6 if times == 1 else 5)


def test_interrupt_after_a_run_does_not_wait():
    run = Run(Recorder())
    with Interrupts() as interrupts:
        assert not interrupts.finish(run, numbered(10), Progress("days"))
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert not interrupts.noted


def test_a_thread_takes_no_interrupts_and_finishes_its_run():
    def finish():
        with Interrupts() as interrupts:
            return interrupts.finish(run, numbered(10), Progress("days"))

    run, before = Run(Recorder()), signal.getsignal(signal.SIGINT)
    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(finish).result()
    assert run.n_learned == 10
    assert signal.getsignal(signal.SIGINT) is before


def test_evaluate_limits_and_shuffles():
    def first(**more):
        kept = Kept()
        result = evaluate(None, Settings(model="no-change", limit=40, **more), Progress("yeast"), sink=kept)
        assert result.counts["predicted"] == 40
        return [record["labels"] for record in kept.records]

    assert first(shuffle=1) == first(shuffle=1)
    assert first(shuffle=1) != first(shuffle=2)
    assert first() == [[], *(sorted(k for k, v in e.y.items() if v) for e in list(bundled_yeast())[:39])]
