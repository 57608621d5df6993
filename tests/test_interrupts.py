"""Signals while a model learns: what has been begun is learned whole. After an error half-way it refuses to go on."""

import copy
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import ihomer
from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier
from ihomer.interrupts import Changeable, Uninterrupted
from streams.signals import StopSignals

SOURCES = str(Path(ihomer.__file__).parent)
MAKERS = {
    "default": lambda: IHOMERClassifier(clustering=LabelPartition(n_min=10, max_labels=12), max_features=80, most_labels=6),
    "tree": lambda: MLHATClassifier(max_labels=12, max_features=80, grace_period=20, delta=0.3, tau=1.0),
    "partition": lambda: LabelPartition(n_min=10, max_labels=12, max_pairs=64),
}


def events_with_ever_new_names(n):
    rng = random.Random(1)
    for i in range(n):
        x = {f"f{rng.randrange(min(30 + i, 120))}": rng.gauss(0.0, 1.0) for _ in range(10)}
        yield {**x, "colour": rng.choice("abcd")}, {f"l{rng.randrange(3 + i // 4)}" for _ in range(3)}


def learn(model, x, y):
    model.learn_one(y) if isinstance(model, LabelPartition) else model.learn_one(x, y)


class CtrlC:
    """Presses Ctrl-C before a line of ihomer is run, the first but `lines`."""

    def __init__(self, lines):
        self.lines = lines

    def __call__(self, frame, event, argument):
        if not frame.f_code.co_filename.startswith(SOURCES):
            return None
        if event == "line":
            self.lines -= 1
            if self.lines == 0:
                os.kill(os.getpid(), signal.SIGINT)
        return self


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_model_is_whole_after_an_interrupt(name):
    """Wherever it comes: an event is learned or not, and all that follow leave the model as it would be anyway."""
    interrupted, calm = MAKERS[name](), MAKERS[name]()
    n_interrupts = 0
    for i, (x, y) in enumerate(events_with_ever_new_names(120)):
        learn(calm, x, y)
        before = learned(interrupted)
        sys.settrace(CtrlC(1 + i * 37 % 400))
        try:
            learn(interrupted, x, y)
        except KeyboardInterrupt:
            n_interrupts += 1
        finally:
            sys.settrace(None)
        if learned(interrupted) == before:
            learn(interrupted, x, y)
    assert n_interrupts > 40
    assert pickle.dumps(interrupted) == pickle.dumps(calm)


def learned(model):
    return model.n_events if isinstance(model, LabelPartition) else model.n_learned


@pytest.mark.parametrize("as_sets", [False, True])
def test_a_batch_ends_with_the_rows_that_are_being_learned(as_sets, monkeypatch):
    model, n_rows = MLHATClassifier(), 600
    run = MLHATClassifier._learn

    def interrupt(self, batch, brought):
        os.kill(os.getpid(), signal.SIGINT)
        return run(self, batch, brought)

    monkeypatch.setattr(MLHATClassifier, "_learn", interrupt)
    rows = ([{"a": 1.0}] * n_rows, [{"p"}] * n_rows) if as_sets else (np.ones((n_rows, 1)), np.ones((n_rows, 1)))
    with pytest.raises(KeyboardInterrupt):
        model.learn_many(*rows)
    assert 0 < model.n_learned <= 256


@pytest.mark.parametrize("copied", [copy.copy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copy", "pickle"])
@pytest.mark.parametrize("ask", ["predict_one", "predict_many"])
def test_a_signal_waits_for_the_first_answer_of_a_model_alone(ask, copied, monkeypatch):
    """It may load or compile kernels, which Numba does not survive; an answer before anything is learned loads few of them."""
    model, finished = MLHATClassifier(), []
    answer = MLHATClassifier._predict

    def interrupt(self, batch):
        os.kill(os.getpid(), signal.SIGINT)
        finished.append(answer(self, batch))
        return finished[-1]

    def has_waited(model):
        finished.clear()
        with pytest.raises(KeyboardInterrupt):
            getattr(model, ask)([{"a": 1.0}] if ask.endswith("many") else {"a": 1.0})
        return bool(finished)

    monkeypatch.setattr(MLHATClassifier, "_predict", interrupt)
    assert has_waited(model)
    assert has_waited(model)
    model.learn_one({"a": 1.0}, {"p"})
    for of_same_events in (model, copied(model)):
        assert has_waited(of_same_events)
        assert not has_waited(of_same_events)
    assert model.n_learned == 1


def interrupt_twice():
    """Press Ctrl-C twice in a block that goes on if it is not interrupted, which the error at its end would hide."""
    went_on = []
    try:
        with Uninterrupted(Changeable()):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            went_on.append(True)
    finally:
        assert not went_on


def test_a_second_interrupt_does_not_wait():
    with pytest.raises(KeyboardInterrupt):
        interrupt_twice()


def test_after_a_second_interrupt_signals_wait_again():
    numbers = [signal.SIGINT, signal.SIGTERM]
    taken, before = [], {each: signal.signal(each, lambda number, frame: taken.append(number)) for each in numbers}
    try:
        with Uninterrupted(Changeable()):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            assert taken == [signal.SIGINT] * 2
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            assert len(taken) == 2
        assert taken[2:] == [signal.SIGTERM, signal.SIGINT]
        assert all(signal.getsignal(each).__name__ == "<lambda>" for each in numbers)
    finally:
        for each, own in before.items():
            signal.signal(each, own)


def test_signals_of_real_time_do_not_wait():
    taken = []
    before = signal.signal(signal.SIGRTMIN, lambda number, frame: taken.append(number))
    try:
        with Uninterrupted(Changeable()):
            os.kill(os.getpid(), signal.SIGRTMIN)
            assert taken
    finally:
        signal.signal(signal.SIGRTMIN, before)


def test_a_handler_that_never_raises_does_not_wait():
    with StopSignals() as signals, Uninterrupted(Changeable()):
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.stop


def test_handlers_are_as_they_were():
    taken = []
    before = signal.signal(signal.SIGINT, lambda number, frame: taken.append(number))
    try:
        own = signal.getsignal(signal.SIGINT)
        with Uninterrupted(Changeable()), Uninterrupted(Changeable()) as inner:
            os.kill(os.getpid(), signal.SIGINT)
            inner.release()
            assert not taken
        assert taken == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT) is own
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with Uninterrupted(Changeable()):
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("is_released", [False, True])
@pytest.mark.parametrize("chosen", [signal.SIG_IGN, signal.default_int_handler])
def test_a_handler_that_a_handler_sets_stays(chosen, is_released):
    """As where the first Ctrl-C is to stop a program softly, and the second at once."""
    taken = []

    def handler(number, frame):
        taken.append(number)
        signal.signal(number, chosen)

    before = signal.signal(signal.SIGINT, handler)
    try:
        with Uninterrupted(Changeable()) as held:
            os.kill(os.getpid(), signal.SIGINT)
            if is_released:
                held.release()
        assert taken == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT) == chosen
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_second_interrupt_is_for_the_handler_that_the_first_has_set():
    def handler(number, frame):
        signal.signal(number, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupt_twice()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, lambda number, frame: signal.signal(number, signal.SIG_IGN))
        with Uninterrupted(Changeable()):
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_learn_too():
    model = MLHATClassifier()
    thread = threading.Thread(target=model.learn_one, args=({"a": 1.0}, {"p"}))
    thread.start()
    thread.join()
    assert model.n_learned == 1


LEARNS_IN_A_THREAD = """
import _thread, time

def learn():
    from ihomer import LabelPartition

    partition = LabelPartition()
    try:
        partition.learn_one({"p"})
    finally:
        found.append(partition.n_events)

found = []
_thread.start_new_thread(learn, ())
while not found:
    time.sleep(0.01)
print(found[0])
"""


def test_a_thread_that_imports_threading_first_learns_too():
    """As in a program in another language, which calls Python from a thread of its own."""
    done = subprocess.run([sys.executable, "-c", LEARNS_IN_A_THREAD], capture_output=True, text=True, timeout=200, check=False)
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr[-500:]


class Timeout(BaseException):
    pass


OTHERS = [signal.SIGALRM, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGCHLD, signal.SIGXCPU]


@pytest.mark.parametrize("number", OTHERS)
def test_other_signals_wait_as_well(number):
    """As of a timeout, or a request to stop, whose handler raises."""
    order = []

    def handler(number, frame):
        order.append("handled")
        raise Timeout

    def end_the_block():
        with Uninterrupted(owner):
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            order.append("whole")

    before, owner = signal.signal(number, handler), Changeable()
    try:
        with pytest.raises(Timeout):
            end_the_block()
        assert order == ["whole", "handled", "handled"]
        assert signal.getsignal(number) is handler
        owner._refuse_if_broken()
    finally:
        signal.signal(number, before)


def test_a_signal_that_waited_leaves_what_is_between_two_changes_whole():
    def change():
        with Uninterrupted(owner) as held:
            os.kill(os.getpid(), signal.SIGINT)
            held.release()
            pytest.fail("not interrupted")

    owner = Changeable()
    with pytest.raises(KeyboardInterrupt):
        change()
    owner._refuse_if_broken()


def test_handlers_are_given_back_whatever_one_of_them_raises():
    def handler(number, frame):
        raise Timeout

    def end_a_change():
        with Uninterrupted(Changeable()):
            for number in numbers:
                os.kill(os.getpid(), number)

    numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGUSR2]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        with pytest.raises(Timeout):
            end_a_change()
        assert all(signal.getsignal(number) is handler for number in numbers)
    finally:
        for number, own in before.items():
            signal.signal(number, own)


def test_signals_that_wait_are_handed_out_in_the_order_in_which_they_came():
    taken, numbers = [], [signal.SIGUSR2, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1]
    before = {number: signal.signal(number, lambda number, frame: taken.append(number)) for number in numbers}
    try:
        with Uninterrupted(Changeable()):
            for number in numbers:
                os.kill(os.getpid(), number)
            assert taken == []
    finally:
        for number, own in before.items():
            signal.signal(number, own)
    assert taken == numbers


def test_an_error_half_way_counts_also_where_a_signal_waits():
    def change():
        with Uninterrupted(owner):
            os.kill(os.getpid(), signal.SIGINT)
            raise MemoryError

    owner = Changeable()
    with pytest.raises(KeyboardInterrupt):
        change()
    with pytest.raises(RuntimeError, match="MemoryError"):
        owner._refuse_if_broken()


def test_after_a_release_signals_wait_again_and_errors_count():
    def change():
        with Uninterrupted(owner) as held:
            os.kill(os.getpid(), signal.SIGTERM)
            held.release()
            os.kill(os.getpid(), signal.SIGTERM)
            taken.append("half-way")
            raise MemoryError

    taken, owner = [], Changeable()
    before = signal.signal(signal.SIGTERM, lambda number, frame: taken.append("handled"))
    try:
        with pytest.raises(MemoryError):
            change()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert taken == ["handled", "half-way", "handled"]
    with pytest.raises(RuntimeError, match="MemoryError"):
        owner._refuse_if_broken()


def test_a_handler_that_is_set_meanwhile_stays():
    before = signal.getsignal(signal.SIGINT)
    try:
        with Uninterrupted(Changeable()):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_that_ends_the_process_from_now_on_ends_it():
    child = os.fork()
    if not child:
        signal.signal(signal.SIGTERM, lambda number, frame: signal.signal(number, signal.SIG_DFL))
        with Uninterrupted(Changeable()):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM


@pytest.mark.parametrize(("function", "number"), [("_hold", signal.SIGTERM), ("_restore", signal.SIGINT)])
def test_no_handler_is_lost_where_a_signal_comes_while_they_change_places(function, number):
    """SIGTERM when the handler of Ctrl-C has been taken and its own has not; Ctrl-C when its own is back and that not.

    A signal that waits then is handed out all the same.
    """

    def handler(number, frame):
        raise Timeout

    def trace(frame, event, argument):
        if frame.f_code.co_name == function and not sent and (signal.getsignal(signal.SIGINT) is handler) == (number == 2):
            sent.append(number)
            os.kill(os.getpid(), number)
        return trace

    def change():
        with Uninterrupted(Changeable()):
            os.kill(os.getpid(), signal.SIGUSR1)

    sent, taken = [], []
    before = {each: signal.signal(each, handler) for each in (signal.SIGINT, signal.SIGTERM)}
    of_user = signal.signal(signal.SIGUSR1, lambda number, frame: taken.append(number))
    try:
        sys.settrace(trace)
        with pytest.raises(Timeout):
            change()
        sys.settrace(None)
        assert sent == [number]
        assert len(taken) == (function == "_restore")
        assert [signal.getsignal(each) for each in before] == [handler, handler]
    finally:
        sys.settrace(None)
        for each, own in {**before, signal.SIGUSR1: of_user}.items():
            signal.signal(each, own)


USES = {
    "default": [
        lambda model: model.learn_one({"a": 1.0}, {"p"}),
        lambda model: model.learn_many([{"a": 1.0}], [{"p"}]),
        lambda model: model.test_then_train_many(np.ones((3, 2)), np.ones((3, 2))),
        lambda model: model.predict_one({"a": 1.0}),
        lambda model: model.predict_proba_many([{"a": 1.0}]),
        lambda model: model.debug_one({"a": 1.0}),
        lambda model: model.save("/dev/null"),
        lambda model: pickle.loads(pickle.dumps(model)).predict_one({"a": 1.0}),
    ],
    "partition": [
        lambda model: model.learn_one({"p"}),
        lambda model: model.learn_many([{"p"}]),
        lambda model: model.add_labels(["q"], ["q"]),
        lambda model: model.rebuild(),
        lambda model: pickle.loads(pickle.dumps(model)).learn_one({"p"}),
    ],
}
USES["tree"] = USES["default"]


@pytest.mark.filterwarnings("ignore:[XY] is a matrix")
@pytest.mark.parametrize("name", sorted(MAKERS))
def test_what_an_error_leaves_half_changed_is_not_used(name, monkeypatch):
    """Its arrays may not fit each other: what writes into them would write beside them."""
    model = MAKERS[name]()
    for x, y in events_with_ever_new_names(12):
        learn(model, x, y)
    inside = model if name == "partition" else model._encoder
    method = "_count" if name == "partition" else "touch"

    def out_of_memory(*arguments):
        raise MemoryError

    monkeypatch.setattr(inside, method, out_of_memory)
    with pytest.raises(MemoryError):
        learn(model, {"never seen": 1.0}, {"nor this"})
    monkeypatch.undo()
    for use in USES[name]:
        with pytest.raises(RuntimeError, match=r"MemoryError has ended a change of this \w+ half-way"):
            use(model)


def test_a_tree_that_an_error_left_half_changed_is_not_walked(monkeypatch):
    model = MLHATClassifier()

    def out_of_memory(*arguments):
        raise MemoryError

    monkeypatch.setattr(model._encoder, "touch", out_of_memory)
    with pytest.raises(MemoryError):
        model.learn_one({"a": 1.0}, set())
    with pytest.raises(RuntimeError, match="half-way"):
        model.debug_one({"a": 1.0})


def test_an_argument_that_is_refused_breaks_nothing():
    model = MAKERS["default"]()
    for bad in ({"a": "x" * 3, "b": object()}, {"a": float("inf")}, {"a": [1]}):
        with pytest.raises((TypeError, ValueError)):
            model.learn_one(bad, {"p"})
    with pytest.raises((TypeError, ValueError)):
        model.learn_many([{"a": 1.0}, {"a": [1]}], [{"p"}, {"q"}])
    model.learn_one({"a": 1.0}, {"p"})
    assert model.n_learned == 1
