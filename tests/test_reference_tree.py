"""The slow twin of the tree alone: cases worked out by hand, planted concepts, hostile streams."""

import math
import random
from statistics import NormalDist, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.tree import (
    Event,
    Inner,
    Leaf,
    Moments,
    SlowTree,
    Test,
    left_weight,
    mix,
    poisson_one,
    uniform,
)

GOLDEN = 0x9E3779B97F4A7C15
NAN = math.nan


def entropy_bits(*shares):
    return sum(-p * math.log2(p) - (1 - p) * math.log2(1 - p) for p in shares if 0 < p < 1)


def plain(n_labels, **parameters):
    """A tree without random numbers that does not split by itself."""
    return SlowTree(n_labels, **{"bootstrap": False, "grace_period": 1e9, "n_models": 1, **parameters})


def teach(tree, events, kind=0):
    for pairs, positives in events:
        tree.learn(pairs, positives, kind=lambda j: kind)
    return tree


def test_mix_is_splitmix64():
    words = [mix(1234567 + i * GOLDEN) for i in range(1, 6)]
    assert words[:3] == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert words[3:] == [4593380528125082431, 16408922859458223821]


def test_uniform_known_values():
    assert uniform(0, 0, 0) == 0.13870941014555427
    assert uniform(2**63 + 5, 10**12, 10) == 0.07735529148173947


def test_poisson_one_steps_at_the_distribution_function():
    below = 0.0
    for k in range(10):
        above = below + math.exp(-1.0) / math.factorial(k)
        assert poisson_one(below + 1e-12) == poisson_one(above - 1e-12) == k
        below = above
    assert poisson_one(1.0) == 20


def test_bagging_weights():
    tree = SlowTree(1, seed=5)
    own = [tree.repeats(event, -1) for event in range(20_000)]
    first = [tree.repeats(event, 0) for event in range(20_000)]
    for draws in (own, first):
        assert sum(draws) / len(draws) == pytest.approx(1.0, abs=0.03)
        assert draws.count(0) / len(draws) == pytest.approx(math.exp(-1.0), abs=0.015)
    both_zero = sum(a == b == 0 for a, b in zip(own, first, strict=True))
    assert both_zero / 20_000 == pytest.approx(math.exp(-2.0), abs=0.015)
    tree.learn([], [0], w=0.5)
    assert tree.root.weight == 0.5 * max(1, poisson_one(uniform(5, 0, 0)))
    assert SlowTree(1, seed=6).repeats(0, 0) == poisson_one(uniform(6, 0, 1))


def test_nominal_merit_by_hand():
    events = [([(7, 1.0)], [0]), ([(7, 1.0)], [0, 1]), ([(7, 1.0)], [0]), ([], []), ([], [1]), ([], [0])]
    tree = teach(plain(2), events)
    test = tree.root.best_test(7, 1, tree)
    after = 0.5 * entropy_bits(1.0, 1 / 3) + 0.5 * entropy_bits(1 / 3, 1 / 3)
    assert test.merit == pytest.approx(entropy_bits(4 / 6, 2 / 6) - after, rel=1e-12)
    assert (test.feature, test.threshold) == (7, 0.5)
    assert test.left == {"total": 3.0, 0: 1.0, 1: 1.0}
    assert test.right == {"total": 3.0, 0: 3.0, 1: 1.0}


def test_nominal_merit_with_missing_programs():
    events = [([(0, 1.0)], [0]), ([(0, 1.0)], [0]), ([], []), ([], []), ([(0, NAN)], [0]), ([(0, NAN)], [])]
    tree = teach(plain(1), events)
    test = tree.root.best_test(0, 1, tree)
    assert test.left == {"total": 2.0, 0: 0.0}
    assert test.right == {"total": 2.0, 0: 2.0}
    assert test.merit == 1.0


def test_gaussian_merit_by_hand():
    with_label = [0.0, 2.0, 2.5, 4.0]
    without = [0.0, 0.0, -3.0, -1.0, 1.0]
    tree = plain(2)
    for values, positives in ((with_label, [1]), (without, [])):
        for v in values:
            tree.learn([(3, v)] if v else [], positives)
    everything = with_label + without
    total, label = (NormalDist(sum(v) / len(v), stdev(v)) for v in (everything, with_label))
    merits = {}
    for i in range(10):
        s = -3.0 + 7.0 * (i + 1) / 11
        left, left_label = 9 * total.cdf(s), 0.0 if s < 0.0 else 4 * label.cdf(s)
        after = left * entropy_bits(left_label / left)
        after += (9 - left) * entropy_bits(min(1.0, (4 - left_label) / (9 - left)))
        merits[s] = entropy_bits(4 / 9) - after / 9
    test = tree.root.best_test(3, 0, tree)
    assert test.merit == pytest.approx(max(merits.values()), rel=1e-12)
    assert test.threshold == pytest.approx(max(merits, key=merits.get), rel=1e-12)
    assert len(tree.root.numeric_tests(3, 10)) == 10


@pytest.mark.parametrize(
    ("known", "values", "threshold", "expected"),
    [
        (3.0, [1.0, 2.0, 3.0], 0.999, 0.0),
        (3.0, [1.0, 2.0, 3.0], 3.0, 3.0),
        (3.0, [1.0, 2.0, 3.0], 2.0, 1.5),
        (3.0, [1.0, 2.0, 3.0], 1.0, 3 * NormalDist(2.0, 1.0).cdf(1.0)),
        (2.0, [5.0, 5.0], 5.0, 2.0),
        (2.0, [5.0, 5.0], 4.0, 0.0),
        (1.0, [0.0, 9.0], 4.0, 0.0),
        (0.0, [], 4.0, 0.0),
    ],
)
def test_left_weight(known, values, threshold, expected):
    moments = Moments()
    for value in values:
        moments.add(value, 1.0)
    assert left_weight(known, moments, threshold) == pytest.approx(expected, rel=1e-12)


def test_thresholds_lie_strictly_inside_the_range():
    tree = teach(plain(1), [([(0, 1.0)], []), ([(0, 1.0 + 2**-52)], [0])])
    assert tree.root.numeric_tests(0, 10) == []
    assert tree.root.best_test(0, 0, tree) is None


def test_one_sided_tests_are_not_valid():
    events = [([(0, 1.0)], [0])] + 200 * [([], [])]
    tree = teach(plain(1), events)
    assert tree.root.best_test(0, 1, tree) is None
    tree.min_branch_fraction = 0.001
    assert tree.root.best_test(0, 1, tree).merit > 0.0


def test_a_label_never_observed_stays_out_of_the_merit():
    tree = plain(2)
    for value, positives in [(1.0, [0]), (1.0, [0]), (0.0, []), (0.0, [])]:
        tree.learn([(0, value)] if value else [], positives, unobserved=[1])
    assert tree.root.best_test(0, 1, tree).merit == 1.0
    assert tree.root.unobserved == {1: 4.0}


def test_shares_are_among_the_observed():
    tree = plain(2)
    for value, positives, unobserved in [
        (1, [0], []),
        (1, [0], []),
        (0, [1], []),
        (0, [], [0]),
        (0, [], [0]),
    ]:
        tree.learn([(0, 1.0)] if value else [], positives, unobserved)
    test = tree.root.best_test(0, 1, tree)
    before = entropy_bits(2 / (5 * 0.6), 1 / 5)
    assert test.merit == pytest.approx(before - 3 / 5 * entropy_bits(1 / 3), rel=1e-12)


def test_a_label_observed_half_of_the_time():
    tree = plain(1)
    for unobserved in ([], [0]):
        for _ in range(4):
            tree.learn([], [] if unobserved else [0], unobserved=unobserved)
    assert tree.root.total_entropy(tree) == 0.0
    tree.learn([], [])
    assert tree.root.total_entropy(tree) == pytest.approx(entropy_bits(4 / 5), rel=1e-12)


def test_nothing_then_one_labelset():
    tree = plain(3)
    assert tree.predict([(0, 1.0)]) == [0.0, 0.0, 0.0]
    tree.learn([(0, 1.0)], [0, 2])
    assert tree.predict([(5, -1.0)]) == [1.0, 0.0, 1.0]


def test_neighbours_by_hand():
    rows = [([(0, 3.0)], [0]), ([(1, 4.0)], [0, 1]), ([(0, 6.0), (1, 8.0)], [1]), ([(2, 100.0)], [2])]
    tree = teach(plain(3, n_neighbors=3), rows)
    total = 1 / 3 + 1 / 4 + 1 / 10
    expected = [(1 / 3 + 1 / 4) / total, (1 / 4 + 1 / 10) / total, 0.0]
    assert tree.predict([]) == pytest.approx(expected, rel=1e-12)
    assert tree.predict([(1, 4.0)]) == [1.0, 1.0, 0.0]


def test_the_older_neighbour_wins_a_tie_and_old_rows_leave_the_window():
    tree = teach(plain(2, n_neighbors=1, window=2), [([(0, 1.0)], [0]), ([(0, -1.0)], [1])])
    assert tree.predict([]) == [1.0, 0.0]
    assert tree.predict([(0, NAN)]) == [1.0, 0.0]
    tree.learn([(0, 5.0)], [0, 1])
    assert tree.predict([]) == [0.0, 1.0]


def test_missing_values_and_neighbours():
    rows = [([(0, 1.0), (1, 50.0)], [0]), ([(0, NAN), (1, 3.0)], [1])]
    tree = teach(plain(2, n_neighbors=2), rows)
    assert tree.predict([(0, 2.0), (1, NAN)]) == pytest.approx([2 / 3, 1 / 3])
    near, far = 1 / math.hypot(2.0, 1.0), 1 / math.hypot(1.0, 48.0)
    assert tree.predict([(0, 2.0), (1, 2.0)])[1] == pytest.approx(near / (near + far))
    assert tree.predict([(1, 1.0)])[1] == pytest.approx(0.5 / (0.5 + 1 / math.hypot(1.0, 49.0)))


def test_logistic_models_by_hand():
    tree = plain(1, young_weight=0, entropy_threshold=0.0, n_models=2)
    tree.learn([(0, 2.0), (1, NAN)], [0], w=3.0)
    model = tree.root.models[0, 0]
    assert (model.intercept, model.weights) == (0.01 * 1.5, {0: 0.3 * 1.5 * 2.0})
    tree.learn([(0, -1.0)], [])
    gradient = 1 / (1 + math.exp(-(0.015 - 0.9)))
    assert model.intercept == pytest.approx(0.015 - 0.01 * gradient)
    assert model.weights[0] == pytest.approx(0.9 + 0.3 * gradient)
    z = model.intercept + 4.0 * model.weights[0]
    assert tree.predict([(0, 4.0), (1, NAN)]) == pytest.approx([1 / (1 + math.exp(-z))])


def test_each_model_learns_an_event_as_often_as_its_draw_says():
    tree = SlowTree(1, seed=11, n_models=6)
    tree.learn([], [0])
    weight = max(1, poisson_one(uniform(11, 0, 0)))
    for m in range(6):
        intercept = 0.0
        for _ in range(poisson_one(uniform(11, 0, 1 + m))):
            intercept += 0.01 * weight * (1 - 1 / (1 + math.exp(-intercept)))
        assert tree.root.models.get((m, 0)).intercept == pytest.approx(intercept, abs=1e-15)


def test_young_or_even_leaves_ask_neighbours_others_ask_models():
    events = [([(0, float(i + 1))], [0] if i % 2 else []) for i in range(8)]
    tree = teach(plain(1, young_weight=8), events)
    assert tree.predict([(0, 2.0)]) == tree.root.predict_by_models({0: 2.0}, tree) != [1.0]
    tree.entropy_threshold = 1.01
    assert tree.predict([(0, 2.0)]) == [1.0]
    tree.entropy_threshold, tree.young_weight = 0.3, 8.5
    assert tree.predict([(0, 2.0)]) == [1.0]


def planted(n, rng):
    """Label 0 says that feature 2 is above 1, label 1 the contrary; the other features are noise."""
    for _ in range(n):
        x = [rng.gauss(0.0, 1.0) for _ in range(4)]
        label = rng.randrange(2)
        x[2] = rng.gauss(-1.0 if label else 3.0, 0.4)
        yield list(enumerate(x)), [label]


def test_a_planted_split_is_found():
    tree = teach(SlowTree(2, seed=3), planted(300, random.Random(1)))
    feature, threshold, left, right, _ = tree.structure()
    assert feature == 2
    assert -0.5 < threshold < 2.5
    assert left[0] == right[0] == "leaf"
    assert left[2] == right[2] == 1
    assert tree.predict([(2, 3.0)]) == [1.0, 0.0]
    assert tree.predict([(2, -1.0)]) == [0.0, 1.0]


def test_a_planted_nominal_split_is_found():
    rng = random.Random(2)
    tree = plain(2, grace_period=50)
    for _ in range(60):
        x = [j for j in range(6) if rng.random() < 0.5]
        tree.learn([(j, 1.0) for j in x], [1 if 4 in x else 0], kind=[1] * 6)
    feature, threshold, left, right, _ = tree.structure()
    assert (feature, threshold, left[2], right[2]) == (4, 0.5, 1, 1)
    assert left[1] + right[1] == 11.0  # the event that made the split, and the ten after it
    assert tree.root.weight == 60.0
    assert tree.root.loss_weight == 58.0  # kept from its time as a leaf; twice no prediction
    assert tree.root.left.inherited_weight + tree.root.right.inherited_weight == 50.0


def test_the_threshold_itself_goes_left():
    inner = Inner(Leaf(0), Test(0, 0.5, {"total": 1.0}, {"total": 1.0}), keeps_loss=False)
    assert inner.next({0: 0.5}) is inner.left
    assert inner.next({0: math.nextafter(0.5, 1.0)}) is inner.right
    assert inner.next({}) is inner.left


def test_noise_is_not_split():
    rng = random.Random(4)
    tree = plain(2, grace_period=50)
    for _ in range(400):
        tree.learn([(j, rng.gauss(0.0, 1.0)) for j in range(5)], [rng.randrange(2)])
    assert tree.structure() == ("leaf", 400.0, 2)
    assert tree.root.last_attempt == 400.0


@pytest.mark.parametrize("limit", [{"max_leaves": 1}, {"max_depth": 0}])
def test_limits_of_growth(limit):
    assert teach(SlowTree(2, **limit), planted(300, random.Random(1))).n_leaves == 1


def test_equal_features_split_on_the_lower_index_only_below_tau():
    events = [([(4, 1.0), (9, 1.0)], [0]), ([], [])] * 50
    tree = teach(plain(1, grace_period=100, delta=0.5), events, kind=1)
    assert tree.n_leaves == 1  # both have merit 1: the difference is 0
    tree = teach(plain(1, grace_period=100, delta=0.5, tau=0.06), events, kind=1)
    assert tree.structure()[0] == 4


def test_a_missing_test_value_follows_the_heavier_child():
    tree = teach(plain(1, grace_period=50), 30 * [([(0, 1.0)], [0])] + 20 * [([], [])], kind=1)
    assert tree.root.left.total_weight() == 21.0  # 20 inherited, and the event that made the split
    tree.learn([(0, NAN)], [0], kind={0: 1})
    assert (tree.root.left.weight, tree.root.right.weight) == (1.0, 1.0)
    for _ in range(20):
        tree.learn([], [], kind={0: 1})
    tree.learn([(0, NAN)], [0], kind={0: 1})
    assert (tree.root.left.weight, tree.root.right.weight) == (22.0, 1.0)


def sudden(tree, before, after, seed=0):
    """Two values of feature 0 tell the labels apart; then they change sides."""
    rng = random.Random(seed)
    for t in range(before + after):
        high = rng.random() < 0.5
        tree.learn([(0, 1.0 if high else -1.0)], [int(high != (t >= before))], kind=[0])
    return tree


def test_an_alternate_takes_over_after_a_sudden_change():
    tree = sudden(plain(2, alternate_on="drift", grace_period=100, alternate_weight=50), 400, 0)
    assert isinstance(tree.root, Inner)
    assert (tree.n_detected, tree.n_switched, tree.root.alternate) == (0, 0, None)
    old_root, lost = tree.root, tree.root.loss_sum
    sudden(tree, 0, 8)
    assert old_root.loss_sum == lost + 8.0
    assert old_root.alternate is None  # a loss alone is no drift
    sudden(tree, 0, 32)
    assert tree.n_detected == 1
    assert old_root.loss_weight == 438.0  # a rising loss is not forgotten
    assert tree.predict([(0, 1.0)]) == [0.0, 1.0]
    new_root = tree.root.alternate
    assert isinstance(new_root, Leaf)
    sudden(tree, 0, 100)
    assert (tree.n_switched, tree.n_dropped) == (1, 0)
    assert tree.root is not old_root
    assert tree.predict([(0, 1.0)]) == [1.0, 0.0]
    assert tree.predict([(0, -1.0)]) == [0.0, 1.0]


def test_no_alternates_where_none_are_wanted():
    tree = sudden(plain(2, alternate_on="never", grace_period=100, alternate_weight=50), 400, 140)
    assert tree.n_detected > 0
    assert (tree.root.alternate, tree.n_switched) == (None, 0)
    assert tree.predict([(0, 1.0)]) == [0.0, 1.0]
    full = {"alternate_on": "drift", "grace_period": 100, "alternate_weight": 50, "max_leaves": 2}
    tree = sudden(plain(2, **full), 400, 140)
    assert (tree.root.alternate, tree.n_switched, tree.n_leaves) == (None, 0, 2)


def test_a_falling_loss_starts_anew():
    rng = random.Random(0)
    tree = plain(1)
    for t in range(512):
        tree.learn([(0, rng.random())], [0] if t >= 256 or rng.random() < 0.5 else [])
    assert tree.n_detected > 0
    assert tree.root.loss_weight == tree.root.weight_since_drift < 256


def test_the_event_that_switches_is_learned_once():
    tree = sudden(plain(2, alternate_on="drift", grace_period=100, alternate_weight=50), 400, 0)
    tree.grace_period = 1000
    rng = random.Random(0)
    since = 0
    while tree.n_switched == 0:
        since += tree.root.alternate is not None
        high = rng.random() < 0.5
        tree.learn([(0, 1.0 if high else -1.0)], [int(not high)])
    assert tree.root.weight == since + 1  # the event that made the alternate, and each one after it
    assert tree.root.loss_weight == since
    assert tree.n_leaves == 1


def test_a_worse_alternate_is_dropped_and_the_event_is_not_learned_by_it():
    tree = sudden(plain(2, grace_period=100, alternate_weight=50), 150, 0)
    assert tree.root.alternate is None
    alternate = tree.root.alternate = Leaf(0)
    alternate.weight, alternate.loss_sum, alternate.loss_weight = 50.5, 40.0, 50.0
    tree.learn([(0, 1.0)], [1])
    assert (tree.root.alternate, tree.n_dropped, tree.n_switched) == (None, 1, 0)
    assert alternate.weight == 50.5


def test_the_comparison_looks_at_the_loss_before_the_event():
    tree = sudden(plain(2, grace_period=100, alternate_weight=50), 150, 0)
    tree.root.reset_loss()
    tree.root.loss_weight = tree.root.weight_since_drift = 100.0
    alternate = tree.root.alternate = Leaf(0)
    alternate.weight, alternate.loss_sum, alternate.loss_weight = 100.0, 0.1, 100.0
    tree.learn([(0, 1.0)], [0])
    assert (tree.n_dropped, tree.n_switched) == (1, 0)


def grown(positives, weight=60.0):
    """A leaf that knows one labelset and has a clean record."""
    leaf = Leaf(1)
    leaf.labelsets = {frozenset(positives)}
    leaf.weight = leaf.loss_weight = weight
    return leaf


def three_deep():
    """Root test on feature 0, below it on the right a test on feature 1; each has an alternate."""
    tree = plain(2, alternate_weight=50)
    for t in range(8):
        tree.learn([(j, 1.0) for j in range(2) if t >> j & 1], [0] if t & 1 else [1])
    tree.root = Inner(tree.root, tree.root.best_test(0, 1, tree), keeps_loss=True)
    middle = Inner(tree.root.right, Test(1, 0.5, {"total": 2.0, 0: 2.0}, {"total": 2.0, 0: 2.0}), keeps_loss=False)
    tree.root.right = middle
    middle.right.labelsets = {frozenset([1])}
    tree.root.alternate = grown([0], weight=20.0)
    middle.alternate = grown([0])
    middle.loss_sum, middle.loss_weight, middle.weight_since_drift = 40.0, 80.0, 80.0
    return tree, middle


def test_a_switch_below_the_root():
    tree, middle = three_deep()
    below, above, winner = middle.right, tree.root.alternate, middle.alternate
    tree.learn([(0, 1.0), (1, 1.0)], [0])
    assert tree.root.right is winner
    assert (tree.n_switched, tree.n_leaves) == (1, 3)
    assert below.weight == 0.0
    assert (winner.weight, winner.loss_weight, winner.loss_sum) == (61.0, 61.0, 0.0)
    assert (above.weight, above.loss_weight) == (21.0, 21.0)
    assert (tree.root.weight, tree.root.weight_since_drift) == (9.0, 8.0)  # the first event had no prediction


def test_a_subtree_can_split_in_the_event_that_brings_it_up():
    tree, middle = three_deep()
    winner = middle.alternate
    for t in range(60):
        winner.remember(Event(t, [(3, 1.0)] if t % 2 else [], [t % 2], [], 1.0, None), tree)
    tree.grace_period, tree.delta = 120.0, 0.5
    tree.learn([(0, 1.0), (1, 1.0)], [0], kind=[1] * 4)
    assert (tree.n_switched, tree.root.right.feature, tree.root.right.weight) == (1, 3, 121.0)
    assert tree.root.right.loss_weight == 0.0
    assert tree.root.right.left.weight == 1.0


def test_inner_nodes_of_an_alternate_count_and_only_its_root_keeps_a_loss():
    tree, _ = three_deep()
    leaf = grown([0])
    tree.root.alternate = Inner(leaf, Test(1, 0.5, {"total": 2.0}, {"total": 2.0}), keeps_loss=True)
    inside = Inner(grown([0]), Test(0, 0.5, {"total": 2.0}, {"total": 2.0}), keeps_loss=False)
    inside.right.labelsets = {frozenset([1])}
    tree.root.alternate.right = inside
    tree.learn([(0, 1.0), (1, 1.0)], [1])
    alternate = tree.root.alternate
    assert (alternate.weight, alternate.positive, alternate.loss_weight) == (61.0, {1: 1.0}, 61.0)
    assert (inside.weight, inside.loss_weight, inside.weight_since_drift) == (61.0, 0.0, 0.0)
    assert inside.right.weight == 1.0


def test_only_the_path_of_the_event_is_touched():
    tree, middle = three_deep()
    before = tree.structure()[3]
    tree.learn([(1, 1.0)], [0])
    assert tree.structure()[3] == before
    assert (tree.root.left.weight, tree.root.alternate.weight, tree.root.weight) == (1.0, 21.0, 9.0)
    assert middle.loss_weight == 80.0


def test_without_a_prediction_only_counts_change():
    tree, middle = three_deep()
    middle.right.labelsets = set()
    loss = (tree.root.loss_sum, tree.root.loss_weight)
    tree.learn([(0, 1.0), (1, 1.0)], [0])
    assert (tree.root.loss_sum, tree.root.loss_weight, middle.loss_weight, tree.n_switched) == (
        *loss,
        80.0,
        0,
    )
    assert (middle.weight, middle.weight_since_drift, tree.root.positive[0]) == (1.0, 81.0, 5.0)
    assert (middle.right.weight, middle.alternate.weight, middle.alternate.loss_weight) == (1.0, 61.0, 61.0)


def test_votes_weigh_by_squared_loss():
    tree = sudden(plain(2, grace_period=100, alternate_weight=50), 150, 0)
    alternate = tree.root.alternate = Leaf(0)
    alternate.labelsets = {frozenset([0])}
    alternate.loss_sum, alternate.loss_weight = 20.0, 100.0
    tree.root.loss_sum, tree.root.loss_weight = 10.0, 100.0
    alternate.weight = 50.0
    assert tree.predict([(0, 1.0)]) == [0.0, 1.0]
    alternate.weight = 50.5
    assert tree.predict([(0, 1.0)]) == pytest.approx([25 / 125, 100 / 125])
    tree, middle = three_deep()  # the main leaf votes with the loss of the deepest inner node
    middle.loss_sum, middle.alternate.loss_sum = 8.0, 12.0
    assert tree.predict([(0, 1.0), (1, 1.0)]) == pytest.approx([25 / 125, 100 / 125])


def test_new_labels_are_negative_so_far():
    tree = teach(plain(1), [([(0, 1.0)], [0]), ([(0, 4.0)], [])])
    tree.add_labels(2)
    assert tree.predict([(0, 1.0)]) == [1.0, 0.0, 0.0]
    tree.learn([(0, 9.0)], [2])
    assert tree.predict([(0, 9.0)]) == [0.0, 0.0, 1.0]
    assert tree.root.total_entropy(tree) == pytest.approx(2 * entropy_bits(1 / 3), rel=1e-12)


def test_events_without_observed_labels_change_no_loss():
    tree = sudden(plain(2, grace_period=100), 150, 0)
    before = (tree.root.loss_sum, tree.root.loss_weight)
    tree.learn([(0, 1.0)], [], unobserved=[0, 1])
    assert (tree.root.loss_sum, tree.root.loss_weight, tree.root.weight) == (*before, 151.0)


def test_an_unknown_parameter_is_refused():
    with pytest.raises(TypeError, match="grace"):
        SlowTree(1, grace=3)


HOSTILE = [NAN, 1e100, -1e100, 5e-324]


def drifting(seed, n):
    """Three labels follow three features, each its own; who follows whom changes; some values are hostile."""
    rng = random.Random(seed)
    order = [0, 1, 2]
    for t in range(n):
        if t % 48 == 47:
            rng.shuffle(order)
        x = [rng.choice([-1.0, 1.0, rng.gauss(0.0, 1.0)]) for _ in range(3)]
        positives = {label for label in range(3) if x[order[label]] > 0.0}
        unobserved = {label for label in range(3) if rng.random() < 0.05}
        pairs = [(j, rng.choice(HOSTILE) if rng.random() < 0.02 else v) for j, v in enumerate(x)]
        yield pairs[rng.random() < 0.1 :], positives - unobserved, unobserved, rng.choice([0.25, 1.0, 7.0])


CHOICES = {
    "grace_period": [5, 30],
    "delta": [0.1, 0.9],
    "tau": [0.05, 9.0],
    "young_weight": [0, 10, 1000],
    "window": [1, 2, 5],
    "n_models": [1, 2],
    "bootstrap": [True, False],
    "alternate_on": ["warning", "drift", "never"],
    "drift_input": ["loss", "mean"],
    "alternate_weight": [0, 20],
    "adwin_delta": [0.002, 0.9],
    "max_leaves": [1, 5, 12],
    "max_depth": [1, 4, 20],
    "seed": [0, 77, 2**64 - 1],
}
SMALL = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in CHOICES.items()})


def nodes_below(node):
    if node is not None:
        yield node
        if isinstance(node, Inner):
            for part in (node.left, node.right, node.alternate):
                yield from nodes_below(part)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 500), SMALL)
def test_invariants_on_hostile_streams(seed, n, parameters):
    first, second = SlowTree(3, **parameters), SlowTree(3, **parameters)
    learned = 0.0
    for number, event in enumerate(drifting(seed, n)):
        answer = first.predict(event[0])
        assert first.predict(event[0]) == answer
        assert all(0.0 <= p <= 1.0 for p in answer)
        first.learn(*event)
        second.learn(*event)
        learned += event[3] * max(1, first.repeats(number, -1))
    assert first.structure() == second.structure()
    nodes = list(nodes_below(first.root))
    assert first.n_leaves == sum(isinstance(node, Leaf) for node in nodes) <= first.max_leaves
    assert all(node.depth <= first.max_depth for node in nodes)
    assert first.n_switched > 0 or first.root.weight == pytest.approx(learned)
    for node in nodes:
        assert 0.0 <= node.mean_loss() <= 1.0
        if isinstance(node, Inner):
            assert node.left.depth == node.right.depth == node.depth + 1
            assert node.left.weight + node.right.weight <= node.weight * (1 + 1e-9)
            inside = [part for part in nodes_below(node.alternate) if isinstance(part, Inner)]
            assert all(part.alternate is None for part in inside)
