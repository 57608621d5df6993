"""An expert of one's own: registered by name, mixed, copied, and refused by files, which could not make it anew."""

import copy
import pickle

import numpy as np
import pytest

from ihomer import IHOMERClassifier
from ihomer.experts import EXPERTS, Expert
from tests.test_threads import events


class Persistence(Expert):
    """Says that the labels of the event before apply again."""

    outputs, start = ("as before",), (0.3,)

    def grow(self, n_labels, n_features):
        known = getattr(self, "before", np.zeros(0, np.bool_))
        self.before = np.pad(known, (0, n_labels - len(known)))

    def run(self, rows, learn, out, at, known=False):
        for row, target in enumerate(rows.target):
            out[row, :, at] = np.where(self.before, 2.0, -2.0)
            if learn:
                self.before = target == 1

    def forget_labels(self, labels):
        self.before[labels] = False

    def forget_features(self, forgotten):
        pass


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setitem(EXPERTS, "persistence", Persistence)


def test_an_expert_of_ones_own_is_mixed_and_copied(registered):
    model = IHOMERClassifier(experts=("frequency", "persistence"))
    stream = list(events(60, seed=3))
    for x, y in stream:
        model.learn_one(x, y)
    assert "as before" in model.expert_weights
    assert "as before" in model.debug_one(stream[0][0])
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.predict_proba_one(stream[5][0]) == model.predict_proba_one(stream[5][0])
    together = IHOMERClassifier(experts=("frequency", "persistence"))
    together.learn_many([x for x, _ in stream], [y for _, y in stream])
    assert together.predict_proba_one(stream[5][0]) == model.predict_proba_one(stream[5][0])


def test_a_model_with_an_expert_of_ones_own_is_not_saved(registered, tmp_path):
    model = IHOMERClassifier(experts=("persistence",))
    with pytest.raises(TypeError, match="a file holds the experts that ihomer brings, and no 'persistence'"):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_name_that_has_another_class_by_now_or_a_class_with_another_name_is_not_saved(monkeypatch, tmp_path):
    monkeypatch.setitem(EXPERTS, "linear again", EXPERTS["linear"])
    with pytest.raises(TypeError, match="and no 'linear again'"):
        IHOMERClassifier(experts=("linear again",)).save(tmp_path / "model")
    monkeypatch.setitem(EXPERTS, "linear", Persistence)
    with pytest.raises(TypeError, match="and no Persistence"):
        IHOMERClassifier(experts=("linear",)).save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_an_expert_that_is_not_registered_is_refused():
    with pytest.raises(ValueError, match=r"experts must be one of 'frequency', .*, not 'persistence'"):
        IHOMERClassifier(experts=("persistence",))


def test_experts_may_be_named_in_a_list():
    model = IHOMERClassifier(experts=["frequency", "ridge"])
    assert model.experts == ("frequency", "ridge")
    assert model.clone().experts == model.experts
    with pytest.raises(ValueError, match="experts must be a tuple or list of different names"):
        IHOMERClassifier(experts=["ridge", "ridge"])
