"""Trees and predictions in words: each test, leaf, alternate, expert and voter as it is."""

import random
import re
from collections import Counter

import numpy as np
import pytest

from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier
from ihomer.encoder import one_row
from tests.partition_parts import events_whose_labels_change_group

ODD = 'a "b\\c"'  # a name that graphviz must not take apart
LABELS = ["1.000 * b", "1.000 * d", "0.000   a", "0.000   c"]


def grown(**options):
    """A tree of three leaves: labels follow the size, and where that is small the colour."""
    tree = MLHATClassifier(grace_period=20, delta=0.5, tau=1.0, bootstrap=False, **options)
    for i in range(120):
        is_red, is_large = i % 2, i // 2 % 2
        x = {"size": 1.0 + 2.0 * is_large, ODD: "red" if is_red else "blue"}
        tree.learn_one(x, {"a"} if is_large else {"b", "d"} if is_red else {"c"})
    return tree


def test_a_tree_as_text():
    assert grown(alternate_on="never").draw("text").splitlines() == [
        "weight 120",
        "  size <= 1.18182: weight 50",
        '    a "b\\c" is not blue: leaf, weight 26, neighbours: b 1.00, d 1.00',
        '    a "b\\c" is blue: leaf, weight 25, neighbours: c 1.00',
        "  size > 1.18182: leaf, weight 66.7482, neighbours: a 0.91",
    ]


def changing(n_events, every, **options):
    """A tree whose labels follow other features every so many events, and all that it noted, in order."""
    rng, noted = random.Random(0), []
    tree = MLHATClassifier(delta=0.3, tau=0.3, window=12, n_models=2, adwin_delta=0.9, switch_significance=0.9, **options)
    for i in range(n_events):
        x = {name: rng.choice((-1.0, 1.0, 2.0)) for name in "uvw"}
        tree.learn_one(x, {"p": x["uvw"[i // every % 3]] > 0.0, "q": x["vwu"[i // every % 3]] > 1.5})
        if i % 50 == 49:
            noted += [note for note in tree.drifts if note["event"] > i - 49]
    return tree, noted


def test_what_a_tree_tells_of_itself_agrees():
    tree, noted = changing(300, 100, grace_period=20, alternate_weight=15)
    found, lines, told = tree.summary, tree.draw("text").splitlines(), Counter(note["what"] for note in noted)
    assert tree.drifts == noted
    assert found["n_nodes"] == len(lines)
    assert found["n_leaves"] == sum(" leaf, " in line for line in lines)
    assert found["n_alternates"] == sum("alternate" in line for line in lines) > 0
    assert found["n_splits"] == told["leaf split"]
    assert found["n_alternates_switched"] == told["alternate switched"]
    assert found["n_alternates_dropped"] == told["alternate dropped"]
    assert found["n_drifts"] == told["loss rose"] > told["loss fell"]


def test_a_tree_tells_the_last_512_of_its_notes():
    tree, noted = changing(1200, 30, grace_period=5, alternate_weight=3)
    assert tree.drifts == noted[-512:]
    assert len(noted) > 513


def test_a_label_as_likely_as_not_is_not_answered():
    tree = MLHATClassifier()
    tree.learn_many([{"u": 1.0}, {"u": -1.0}], [{"a"}, set()])
    assert tree.predict_one({}) == {"a": False}
    assert tree.debug_one({}).splitlines() == ["leaf: weight 2, 2 labelsets, predicts by neighbours", "0.500   a"]


def test_a_tree_with_an_alternate_as_graphviz_source():
    found = grown(alternate_on="warning", young_weight=25.5, entropy_threshold=1e-9).draw()
    box = '  n{} [label="{}"];'.format
    leaf = '  n{} [label="leaf, weight {}", style=rounded];'.format
    not_blue, blue = (f'a \\"b\\\\c\\" {word} blue' for word in ("is not", "is"))
    edge = '  n{} -> n{} [label="{}"];'.format
    assert found.splitlines() == [
        "digraph tree {",
        "  node [shape=box, fontname=Helvetica];",
        box(0, "weight 120"),
        box(8, "weight 99"), '  n0 -> n8 [label="alternate", style=dashed];',
        box(9, "weight 40"), edge(8, 9, "size <= 1.18182"),
        leaf(16, "21, neighbours: b 1.00, d 1.00"), edge(9, 16, not_blue),
        leaf(17, "20, neighbours: c 1.00"), edge(9, 17, blue),
        leaf(10, "55.7482, logistic: a 0.90"), edge(8, 10, "size > 1.18182"),
        box(1, "weight 50"), edge(0, 1, "size <= 1.18182"),
        leaf(11, "26, neighbours: b 1.00, d 1.00"), edge(1, 11, not_blue),
        leaf(12, "25, neighbours: c 1.00"), edge(1, 12, blue),
        leaf(2, "66.7482, logistic: a 0.91"), edge(0, 2, "size > 1.18182"),
        "}",
    ]  # fmt: skip


def test_the_path_of_an_event_through_a_tree():
    """A feature that it does not have is 0."""
    tree = grown(alternate_on="warning", young_weight=25.5, entropy_threshold=1e-9)
    small, not_blue = "size <= 1.18182 (value {}, an alternate grows beside)".format, 'a "b\\c" is not blue (value 0)'
    leaf = "leaf: weight 26, 1 labelset, predicts by neighbours"
    assert tree.debug_one({"size": 1.0, ODD: "red"}).splitlines() == [small(1), not_blue, leaf, *LABELS]
    assert tree.debug_one({}).splitlines() == [small(0), not_blue, leaf, *LABELS]
    assert tree.debug_one({ODD: "blue"}).splitlines()[1:4] == [
        'a "b\\c" is blue (value 1)', "leaf: weight 25, 1 labelset, predicts by neighbours", "1.000 * c",
    ]  # fmt: skip
    assert tree.debug_one({"size": 2.0}).splitlines()[:2] == [
        "size > 1.18182 (value 2, an alternate grows beside)",
        "leaf: weight 66.7482, 1 labelset, predicts by logistic regressions",
    ]


def test_a_tree_whose_features_and_labels_have_been_forgotten():
    """The place of a label that is gone has no name, and a test of a feature that is gone leads where 0 does."""
    tree = grown(alternate_on="never", max_features=4, max_labels=4)
    for i in range(4):
        tree.learn_one({f"n{i}": 1.0}, {"e"})
    assert tree.labels == ["a", "b", "d", "e"]
    first, second, *_, last = tree.draw("text").splitlines()
    assert (first, second) == ("weight 124", "  a forgotten feature is 0: weight 54")
    assert last == "  never: leaf, weight 66.7482, neighbours: a 0.91"
    assert tree.debug_one({"n3": 1.0}).splitlines()[:2] == ["a forgotten feature is 0 (value 0)"] * 2


def test_of_a_leaf_the_three_most_frequent_labels_are_told():
    tree = MLHATClassifier(bootstrap=False)
    for labels in ("abcd", "abc", "ab", "a"):
        tree.learn_one({}, set(labels))
    assert tree.draw("text") == "leaf, weight 4, neighbours: a 1.00, b 0.75, c 0.50"


def test_shares_of_a_new_leaf_are_at_most_1():
    """It starts from estimates, by which more than all the events that came there may have had a label."""
    tree = MLHATClassifier(grace_period=20, delta=0.5, tau=1.0, bootstrap=False)
    for i in range(20):
        tree.learn_one({"size": 1.0 + 2.0 * (i % 2)}, {"a"} if i % 2 else {"b"})
    assert tree.draw("text").splitlines()[1:] == [
        "  size <= 1.90909: leaf, weight 9.29394, neighbours: b 1.00",
        "  size > 1.90909: leaf, weight 11.7061, neighbours: a 0.94",
    ]


def learned(**options):
    model, rng = IHOMERClassifier(mixing="mean", **options), random.Random(0)
    for i in range(60):
        model.learn_one({"u": float(i % 2), "v": rng.random()}, {"p"} if i % 2 else {"q", "r"} if i % 3 else {"q"})
    return model


@pytest.mark.parametrize(("u", "n_told"), [(0.6, 3), (1.0, 1)])
def test_of_each_label_that_may_apply_the_three_experts_with_the_largest_part_are_told(u, n_told):
    model = learned(experts=("linear", "neighbours"))
    proba, answer = model.predict_proba_one({"u": u}), model.predict_one({"u": u})
    odds = model._ensemble.expert_odds(one_row(*model._encoder.encode({"u": u})), 3, None)[0][0] / 5.0
    first, *lines = model.debug_one({"u": u}).splitlines()
    assert first == "cluster 0"
    assert sum(" <- " in line for line in lines) == n_told
    for name, line in zip(sorted(proba, key=lambda name: -proba[name][True]), lines, strict=True):
        start = f"  {proba[name][True]:.3f} {'*' if answer[name] else ' '} {name}"
        parts = dict(zip(model.expert_weights, odds[model.partition.labels.get(name)].tolist(), strict=True))
        largest = sorted(parts, key=lambda expert: -abs(parts[expert]))[:3]
        told = "  <- " + "; ".join(f"{expert} {parts[expert]:+.2f}" for expert in largest)
        assert line == start + (told if answer[name] or proba[name][True] >= 0.1 else "")


def test_where_several_trees_vote_their_shares_and_probabilities_are_told():
    clustering = LabelPartition(n_min=20, min_cluster_size=2, delta=0.1, tau=0.4, fading=0.98)
    tree = MLHATClassifier(window=5, n_models=1)
    model = IHOMERClassifier(experts=("tree",), clustering=clustering, tree=tree, global_drift=False, replay=0)
    n_told = 0
    for i, (x, labels) in enumerate(events_whose_labels_change_group(1000)):
        model.learn_one(x, labels)
        for line in model.debug_one({"x": x["x"]}).splitlines() if i % 20 == 19 else ():
            voters = re.findall(r"learner (\d+) (\d+)% says (\d\.\d+)", line)
            assert line.startswith("cluster ") or len(voters) == line.count("learner") != 1
            if voters:
                numbers, shares, proba = np.array(voters, float).T
                assert len(set(numbers)) == len(numbers)
                assert shares.sum() == pytest.approx(100.0, abs=len(shares))
                assert float(line.split()[0]) == pytest.approx(shares @ proba / 100.0, abs=0.01 * len(shares))
                n_told += 1
    assert n_told > 0
