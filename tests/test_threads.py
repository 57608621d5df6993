"""Threads that share a model take turns: it learns as if there were one, and copies and files of it are whole."""

import copy
import os
import pickle
import random
import sys
import threading

import pytest

from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier
from ihomer.interrupts import Changeable
from ihomer.persistence import KINDS, pack


def default():
    return IHOMERClassifier(seed=3, max_features=200)


def with_trees():
    return IHOMERClassifier(seed=3, experts=("linear", "tree"), clustering=LabelPartition(n_min=20, max_labels=30))


MAKERS = [default, with_trees, MLHATClassifier]


def events(n, seed):
    """Events whose names come and go, so that all arrays are made anew now and then."""
    draw = random.Random(seed)
    for i in range(n):
        x = {f"f{draw.randrange(10 + i)}": draw.random() for _ in range(12)} | {"colour": draw.choice("rgb")}
        yield x, {f"l{draw.randrange(5 + i // 5)}" for _ in range(3)}


@pytest.fixture
def restless():
    """Threads change as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*tasks):
    """Run tasks in a thread each; raise what one of them raises."""
    errors = []

    def run(task):
        try:
            task()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error


def all_of(stream, learn, done):
    """Return a task that learns events in turn; then, or after an error, it is done."""

    def task():
        try:
            for event in stream:
                learn(*event)
        finally:
            done.set()

    return task


def until(done, *calls):
    """Return a task that makes calls, over and over, until something is done, and once at least."""

    def task():
        while True:
            for call in calls:
                call()
            if done.is_set():
                return

    return task


@pytest.mark.parametrize("make", MAKERS)
def test_what_is_asked_meanwhile_changes_nothing_that_is_learned(make, restless):
    model, expected = make(), make()
    stream, others = list(events(300, 1)), [x for x, _ in events(300, 2)]
    for x, y in stream:
        expected.learn_one(x, y)
    done = threading.Event()

    def ask():
        x = random.choice(others)
        assert model.predict_one(x).keys() <= set(expected.labels) | {f"l{i}" for i in range(65)}
        assert all(0.0 <= p <= 1.0 for _, p in model.predict_topk_one(x, 3))
        model.predict_many(others[:5])
        assert len(model.debug_one(x)) >= 0

    def look():
        assert model.summary["n_learned"] <= len(stream)
        assert isinstance(model.drifts, list)
        assert isinstance(model.labels, list)
        assert isinstance(model.draw("text"), str)
        if isinstance(model, IHOMERClassifier):
            names = [name for cluster in model.partition.clusters.values() for name in cluster]
            assert len(names) == len(set(names))
            assert model.partition.summary["n_events"] <= len(stream)

    together(all_of(stream, model.learn_one, done), until(done, ask), until(done, look))
    assert pack(model, KINDS) == pack(expected, KINDS)


@pytest.mark.parametrize("make", MAKERS)
def test_events_of_several_threads_are_all_learned(make, restless):
    model = make()
    parts = [list(events(100, seed)) for seed in range(4)]

    def learn(part, at_once):
        for start in range(0, len(part), at_once):
            xs, ys = zip(*part[start : start + at_once], strict=True)
            answers = model.test_then_train_many(list(xs), list(ys))
            assert len(answers) == len(xs)

    together(*(lambda part=part, n=n: learn(part, n) for part, n in zip(parts, (1, 1, 7, 50), strict=True)))
    assert model.n_learned == 400
    model.predict_one(parts[0][0][0])
    pack(model, KINDS)


@pytest.mark.parametrize("make", MAKERS)
def test_copies_and_files_that_are_made_meanwhile_are_whole(make, restless, tmp_path):
    stream = list(events(60, 5))
    model, expected = make(), make()
    states = {0: pack(expected, KINDS)}
    for x, y in stream:
        expected.learn_one(x, y)
        states[expected.n_learned] = pack(expected, KINDS)
    done, found = threading.Event(), []

    def keep():
        found.extend([copy.deepcopy(model), copy.copy(model)])
        model.save(tmp_path / "model")
        found.append(type(model).load(tmp_path / "model"))

    together(all_of(stream, model.learn_one, done), until(done, keep))
    assert len(found) >= 3
    for each in found:
        assert pack(each, KINDS) == states[each.n_learned]
        for x, y in stream[each.n_learned :][:3]:
            each.learn_one(x, y)
        assert pack(each, KINDS) == states[each.n_learned]


@pytest.mark.parametrize("make", [*MAKERS, LabelPartition])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_each_protocol_go_on(make, protocol):
    stream = list(events(12, 7))
    original = make()

    def learn(model, part):
        for x, y in part:
            model.learn_one(y) if make is LabelPartition else model.learn_one(x, y)

    learn(original, stream[:8])
    again = pickle.loads(pickle.dumps(original, protocol))
    learn(original, stream[8:])
    learn(again, stream[8:])
    assert pack(again, KINDS) == pack(original, KINDS)


def test_a_partition_is_read_while_it_changes(restless):
    partition, expected = (LabelPartition(n_min=10, max_labels=40) for _ in range(2))
    stream = [(y,) for _, y in events(600, 9)]
    expected.learn_many([y for (y,) in stream])
    done = threading.Event()

    def look():
        names = [name for cluster in partition.clusters.values() for name in cluster]
        assert len(names) == len(set(names)) <= 40
        assert {name for node in partition.tree for name in node.labels} <= {f"l{i}" for i in range(130)}
        assert isinstance(partition.draw("text"), str)
        assert all(change.event <= 600 for change in partition.changes)

    together(all_of(stream, partition.learn_one, done), until(done, look), until(done, look))
    assert pack(partition, KINDS) == pack(expected, KINDS)


def test_an_error_gives_the_turn_back():
    model = MLHATClassifier()
    with pytest.raises(TypeError):
        model.learn_one({"a": object()}, {"p"})
    with pytest.raises(TypeError):
        model.predict_one(3)
    together(lambda: model.learn_one({"a": 1.0}, {"p"}))
    assert model.n_learned == 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("is_busy", [False, True])
def test_a_process_that_was_forked_goes_on_unless_another_thread_was_in_a_call(is_busy):
    model, in_call, may_end = MLHATClassifier(), threading.Event(), threading.Event()
    model.learn_one({"a": 1.0}, {"p"})

    class Slow(dict):
        def items(self):
            in_call.set()
            may_end.wait(60)
            return super().items()

    thread = threading.Thread(target=lambda: model.learn_one(Slow({"a": 2.0}), {"p"}))
    if is_busy:
        thread.start()
        assert in_call.wait(60)
    child = os.fork()
    if child == 0:
        code = 2
        try:
            model.learn_one({"a": 3.0}, {"q"})
            code = 0 if model.n_learned == 2 and model.predict_one({"a": 1.0}).keys() == {"p", "q"} else 3
        except RuntimeError as error:
            code = 1 if "a fork has ended a change" in str(error) else 4
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    may_end.set()
    if is_busy:
        thread.join()
    assert os.waitstatus_to_exitcode(status) == (1 if is_busy else 0)
    assert model.n_learned == (2 if is_busy else 1)


def test_after_a_fork_threads_take_turns_anew():
    owner, got = Changeable(), []
    owner._process = 0  # as in a process that was forked
    owner._next_turn()
    assert owner._process == os.getpid()
    together(lambda: got.append(owner._next_turn().acquire(blocking=False)))
    owner._refuse_if_broken()
    owner._process = 0  # the thread that has the turn is another process's
    assert owner._next_turn().acquire(blocking=False)
    assert (got, owner._process) == ([True], os.getpid())
    with pytest.raises(RuntimeError, match="a fork has ended"):
        owner._refuse_if_broken()
