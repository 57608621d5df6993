"""What a refusal says is one short line, and what is drawn names all names, also numbers with thousands of digits."""

import numpy as np
import pytest

from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier

HUGE = 10**5000


@pytest.mark.parametrize("value", [HUGE, (HUGE,), 10**400, np.zeros((9, 9)), "x" * 5000, ["a\nb"]], ids=range(6))
def test_refusals_are_one_short_line(value):
    model = MLHATClassifier()
    calls = [
        lambda: model.learn_one({"x": value if type(value) is not str else [value]}, {"a"}),
        lambda: model.learn_one({"x" * 5000: []}, {"a"}),
        lambda: model.learn_one({}, {"a": value}),
        lambda: model.learn_one({}, {"a"}, value),
        lambda: model.predict_topk_one({}, [value]),
        lambda: MLHATClassifier(bootstrap=value),
        lambda: MLHATClassifier(delta=value),
        lambda: LabelPartition(split_test=value),
        lambda: LabelPartition(seed=value),
        lambda: IHOMERClassifier(experts=value),
        lambda: IHOMERClassifier(tree=value),
    ]
    for call in calls:
        with pytest.raises((TypeError, ValueError), match="must be") as caught:
            call()
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400
    with pytest.raises(KeyError, match="no label"):
        LabelPartition().cluster_of(HUGE)


@pytest.mark.parametrize("make", [MLHATClassifier, IHOMERClassifier])
def test_numbers_with_thousands_of_digits_are_drawn(make):
    model = make()
    model.learn_one({HUGE: 1.0, (HUGE, "b"): "red"}, {HUGE, ("a", HUGE), "c"})
    for text in (model.draw("dot"), model.draw("text"), model.debug_one({HUGE: 1.0})):
        assert hex(HUGE) in text


def test_a_tree_is_drawn_whose_tests_have_such_names():
    tree = MLHATClassifier(grace_period=20, delta=0.5, tau=1.0)
    for i in range(100):
        tree.learn_one({HUGE: float(i % 2), "b": 1.0}, {"a"} if i % 2 else {"b"})
    assert f"{hex(HUGE)} <= " in tree.draw("text")
    assert f"{hex(HUGE)} > " in tree.debug_one({HUGE: 1.0})
