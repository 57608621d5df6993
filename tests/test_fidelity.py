"""The tree is the published one: scores of its authors' code on real sets, and the one rule of it that is wrong."""

import importlib.util
import statistics

import numpy as np
import pytest
from scipy import sparse

from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier
from tests.reference.tree import SlowTree

PUBLISHED = {
    "flags": (None, 0.062, 0.646),
    "emotions": (None, 0.169, 0.486),
    "yeast": (None, 0.139, 0.614),
    "scene": (None, 0.894, 0.941),
    "medical": (773, 0.391, 0.561),
}
MODELS = {
    "tree": MLHATClassifier,
    "paper, one cluster": lambda seed: IHOMERClassifier.paper(
        clustering=LabelPartition(n_min=1_000_000), global_drift=False, seed=seed
    ),
}


@pytest.fixture(scope="module")
def scorer(shared_data):
    path = shared_data.parent / "tools" / "mlscore.py"
    if not path.exists():
        pytest.skip("the independent scorer is not there")
    spec = importlib.util.spec_from_file_location("mlscore", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # the scorer's
@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("kind", MODELS)
def test_scores_are_those_of_the_published_tree(scorer, shared_data, kind, name):
    rows, subset_accuracy, micro_f1 = PUBLISHED[name]
    X, Y, _, _ = scorer.load(str(shared_data / name))
    X, Y = X[:rows], Y[:rows]
    X = sparse.csr_array(np.nan_to_num(X)) if (X == 0).mean() > 0.8 else X
    found = [scorer.scores(Y, MODELS[kind](seed=seed).test_then_train_many(X, Y)) for seed in range(3)]
    assert statistics.mean(s["subset_accuracy"] for s in found) == pytest.approx(subset_accuracy, abs=0.03)
    assert statistics.mean(s["micro_f1"] for s in found) == pytest.approx(micro_f1, abs=0.03)


def published_entropy(counts, total):
    """The entropy of the published code: 0 where the counts hold a single label, whatever its share."""
    if len(counts) == 1:
        return 0.0
    return sum(-p * np.log2(p) - (1 - p) * np.log2(1 - p) for p in (c / total for c in counts.values()) if 0 < p < 1)


def test_a_single_label_is_not_certain():
    """One label that applies to half of the events has 1 bit; the published code says 0, and calls a useless split perfect."""
    assert published_entropy({"l": 50.0}, 100.0) == 0.0
    assert published_entropy({"l": 50.0, "never": 0.0}, 100.0) == pytest.approx(1.0)
    # The label does not depend on the feature: with the right entropy neither twin nor tree may split, however long.
    rng = np.random.default_rng(0)
    twin = SlowTree(1, grace_period=50, delta=0.01, bootstrap=False, n_models=1, window=5)
    model = MLHATClassifier(grace_period=50, delta=0.01, bootstrap=False, n_models=1, window=5)
    for _ in range(600):
        value, on = float(rng.normal()), bool(rng.random() < 0.5)
        twin.learn([(0, value)], [0] if on else [])
        model.learn_one({"a": value}, {"l": on})
    assert twin.n_leaves == 1
    assert model.summary["n_leaves"] == 1
