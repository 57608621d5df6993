"""The rate that a run tells: of events after the first, without the time that compilation takes."""

import time

import pytest
from numba.core.event import trigger_event

from ihomer.baselines import MajorityLabelset
from streams.event import Event
from streams.run import Run


def numbered(n_events):
    return [Event({"number": float(i)}, {"odd"} if i % 2 else {"even"}) for i in range(n_events)]


@pytest.mark.parametrize(("n_events", "delay"), [(12, 11), (12, 20), (1, 0), (0, 0)])
def test_there_is_no_rate_where_nothing_was_predicted_by_a_warm_model(n_events, delay):
    run = Run(MajorityLabelset(), delay=delay)
    run.finish(numbered(n_events))
    assert run.n_learned == n_events
    assert run.events_per_second is None


@pytest.mark.parametrize("delay", [0, 2])
@pytest.mark.parametrize("compiling", [[], [0], [0, 3], [3, 8], range(9)])
def test_the_rate_leaves_out_compilation(monkeypatch, compiling, delay):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    class Slow(MajorityLabelset):
        def learn_one(self, x, y, w=1.0):
            super().learn_one(x, y, w)
            if x["number"] in compiling:
                with trigger_event("numba:compile"):
                    now[0] += 100.0

        def predict_set_one(self, x):
            now[0] += 0.5
            return super().predict_set_one(x)

    run = Run(Slow(), delay=delay)
    run.finish(numbered(9))
    assert run.events_per_second == 2.0
