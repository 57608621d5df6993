"""What a refusal says is one short line, and what is drawn names all names, also numbers with thousands of digits."""

import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow
import pytest
from scipy import sparse

from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier

HUGE = 10**5000
TWICE = pd.DataFrame([[1.0, 0.0]], columns=["a", "a"])
ARROW = pyarrow.table([[1.0], [0.0]], names=["a", "a"])
LONG = np.longdouble("1e400")


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


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda model: model.learn_one({"a": Decimal("sNaN")}, {"u"}), ValueError, r"x\['a'\] must be finite"),
        (lambda model: model.learn_many([{}, {}], [{"u"}, {math.nan}]), ValueError, "row 1: nan cannot be a name"),
        (lambda model: model.learn_many(ARROW, [{"u"}]), ValueError, "X has more than one column named 'a'$"),
        (lambda model: model.learn_many(TWICE, [{"u"}]), ValueError, "X has more than one column named 'a'$"),
        (lambda model: model.learn_many([{}], TWICE), ValueError, "Y has more than one column named 'a'$"),
        (lambda model: model.test_then_train_many([{}], TWICE), ValueError, "Y has more than one column named 'a'$"),
        (lambda model: model.predict_many(pd.DataFrame([[1.0, 2.0]], columns=[1, True])), ValueError, "X has more than one"),
        (lambda model: LabelPartition().learn_many(np.ones((1, 2)), names=5), TypeError, "names must be a list .* a int$"),
        (lambda model: LabelPartition().learn_many(np.ones((1, 2)), names=[[], []]), TypeError, "names holds .* not hashable"),
        (lambda model: LabelPartition().add_labels([[]], []), TypeError, "names holds a name that is not hashable"),
        (lambda model: LabelPartition().add_labels(["u"], [[]]), TypeError, "positive holds a name that is not hashable"),
        (lambda model: LabelPartition().add_labels(["u"], 5), TypeError, "positive must be a list of names, not a int$"),
        (lambda model: model.learn_many(np.full((1, 1), LONG), [{"u"}]), ValueError, "every value in X must be finite"),
        (lambda model: model.learn_many(sparse.csr_array([[LONG]]), [{"u"}]), ValueError, "every value in X must be finite"),
        (lambda model: model.learn_many([{}], np.full((1, 1), LONG)), ValueError, "every value in Y must be 0 or 1"),
    ],
)
def test_refusals_name_the_argument(call, kind, says, recwarn):
    model = MLHATClassifier()
    with pytest.raises(kind, match=says) as caught:
        call(model)
    assert "\n" not in str(caught.value)
    assert not recwarn.list
    assert model.n_learned == 0
