"""river's models for the comparison; settings come from compare.toml."""

import copy
from collections.abc import Hashable
from typing import Any

from river import drift, ensemble, forest, linear_model, multioutput, naive_bayes, neighbors, preprocessing, rules, tree
from river.tree.splitter import TEBSTSplitter

from benchmarks.compare.sets import Stream

_PER_LABEL: dict[str, Any] = {
    "HoeffdingTreeClassifier": tree.HoeffdingTreeClassifier,
    "HoeffdingAdaptiveTreeClassifier": tree.HoeffdingAdaptiveTreeClassifier,
    "ExtremelyFastDecisionTreeClassifier": tree.ExtremelyFastDecisionTreeClassifier,
    "SGTClassifier": tree.SGTClassifier,
    "AMFClassifier": forest.AMFClassifier,
    "ARFClassifier": forest.ARFClassifier,
}
_ADWIN: dict[str, Any] = {
    "bagging": ensemble.ADWINBaggingClassifier,
    "boosting": ensemble.ADWINBoostingClassifier,
}


class SharedNeighbours:
    """Binary relevance of river's nearest neighbours with one search for all labels.

    All labels of binary relevance keep the same window and find the same neighbours; only the votes differ. The answers
    are those of `PerOutputClassifier(KNNClassifier(...))`, at one label's cost.

    Parameters
    ----------
    n_neighbors
        Number of neighbours that vote.
    window_size
        Number of the last events among which they are looked for.
    """

    def __init__(self, n_neighbors: int, window_size: int) -> None:
        self.n_neighbors = n_neighbors
        # The classifier gives the search its compiled distance; absent features are 0 there.
        knn = neighbors.KNNClassifier(n_neighbors=n_neighbors, engine=neighbors.LazySearch(window_size=window_size))
        self._search: Any = knn._nn

    def learn_one(self, x: dict[str, float], y: dict[str, bool]) -> None:
        """Learn one event."""
        self._search.append((x, y))

    def predict_one(self, x: dict[str, float]) -> dict[str, bool]:
        """Return for each label whether it is predicted; {} before anything is learned."""
        found, distances = self._search.search((x, None), n_neighbors=self.n_neighbors)
        if not found:
            return {}
        near = [labels for _, labels in found]
        if distances[0] == 0:
            return dict(near[0])
        balance = dict.fromkeys(near[0], 0.0)
        for labels, distance in zip(near, distances, strict=True):
            for label, on in labels.items():
                balance[label] += 1.0 / distance if on else -1.0 / distance
        return {label: vote > 0.0 for label, vote in balance.items()}


class Thresholded:
    """A multi-target regressor on 0 and 1 as a classifier: a label is predicted from 1/2 on.

    Parameters
    ----------
    regressor
        river's regressor of many targets.
    """

    def __init__(self, regressor: Any) -> None:
        self._regressor = regressor

    def learn_one(self, x: dict[str, float], y: dict[str, bool]) -> None:
        """Learn one event."""
        self._regressor.learn_one(x, {label: float(on) for label, on in y.items()})

    def predict_one(self, x: dict[str, float]) -> dict[str, bool]:
        """Return for each label whether it is predicted; {} before anything is learned."""
        return {label: value >= 0.5 for label, value in self._regressor.predict_one(x).items()}


def _scaled(model: Any, scale: bool) -> Any:
    return _Pipeline(model) if scale else model


class _Pipeline:
    """A model behind river's `StandardScaler`, which has seen an event before it scales it only when learning."""

    def __init__(self, model: Any) -> None:
        self._scaler = preprocessing.StandardScaler()
        self._model = model

    def learn_one(self, x: dict[str, float], y: dict[str, bool]) -> None:
        self._scaler.learn_one(x)
        self._model.learn_one(self._scaler.transform_one(x), y)

    def predict_one(self, x: dict[str, float]) -> dict[str, bool]:
        answer: dict[str, bool] = self._model.predict_one(self._scaler.transform_one(x))
        return answer


def neighbours(stream: Stream, seed: int, n_neighbors: int, window_size: int, scale: bool = False) -> Any:
    """Return nearest neighbours for each label."""
    return _scaled(SharedNeighbours(n_neighbors, window_size), scale)


def logistic(stream: Stream, seed: int, scale: bool = False, **parameters: Any) -> Any:
    """Return logistic regression for each label."""
    return _scaled(multioutput.PerOutputClassifier(linear_model.LogisticRegression(**parameters)), scale)


def per_label(stream: Stream, seed: int, classifier: str, **parameters: Any) -> Any:
    """Return one of river's trees or forests for each label."""
    cls = _PER_LABEL[classifier]
    if "seed" in cls.__init__.__annotations__:
        parameters = {**parameters, "seed": seed}
    return multioutput.PerOutputClassifier(cls(**parameters))


def adwin_logistic(stream: Stream, seed: int, ensemble: str, n_models: int) -> Any:
    """Return ADWIN bagging or boosting of logistic regressions for each label."""
    return multioutput.PerOutputClassifier(_ADWIN[ensemble](linear_model.LogisticRegression(), n_models=n_models, seed=seed))


def chain(stream: Stream, seed: int, scale: bool = False) -> Any:
    """Return a chain of logistic regressions in the order of the labels."""
    return _scaled(multioutput.ClassifierChain(linear_model.LogisticRegression(), order=list(stream.labels)), scale)


class Powerset(multioutput.MultiClassEncoder):
    """river's label powerset, answering with the labelset of the most probable class.

    river's own answer takes the opposite of each label where that class has a probability below 1/2.

    Parameters
    ----------
    model
        The classifier of the labelsets.
    """

    def predict_one(self, x: dict[Hashable, Any], **kwargs: Any) -> dict[Hashable, bool]:
        """Return for each label whether it is predicted; {} before anything is learned."""
        found = self.model.predict_one(x, **kwargs)
        return {} if found is None else dict(self._r_label_map[int(found)])


def powerset(stream: Stream, seed: int, **parameters: Any) -> Powerset:
    """Return a Hoeffding tree whose classes are the labelsets."""
    return Powerset(tree.HoeffdingTreeClassifier(**parameters))


def isoup(stream: Stream, seed: int, **parameters: Any) -> Any:
    """Return iSOUP-Tree with logistic regression at its leaves."""
    at_leaves: Any = linear_model.LogisticRegression()  # works, though river's annotation asks for a regressor
    return Thresholded(
        tree.ISOUPTreeRegressor(leaf_prediction="model", leaf_model=at_leaves, splitter=TEBSTSplitter(), **parameters)
    )


class _RulesPerLabel:
    """AMRules, a regressor of one target, for each label."""

    def __init__(self, template: rules.AMRules) -> None:
        self._template = template
        self._models: dict[str, rules.AMRules] = {}

    def learn_one(self, x: dict[str, float], y: dict[str, float]) -> None:
        for label, value in y.items():
            if label not in self._models:
                self._models[label] = copy.deepcopy(self._template)
            self._models[label].learn_one(x, value)

    def predict_one(self, x: dict[str, float]) -> dict[str, float]:
        return {label: float(model.predict_one(x)) for label, model in self._models.items()}


def rules_per_label(stream: Stream, seed: int, **parameters: Any) -> Any:
    """Return AMRules with logistic regression for each label."""
    of_rules: Any = linear_model.LogisticRegression()  # as for iSOUP-Tree
    template = rules.AMRules(pred_model=of_rules, splitter=TEBSTSplitter(), drift_detector=drift.ADWIN(), **parameters)
    return Thresholded(_RulesPerLabel(template))


def naive_bayes_per_label(stream: Stream, seed: int) -> Any:
    """Return Gaussian naive Bayes for each label."""
    return multioutput.PerOutputClassifier(naive_bayes.GaussianNB())
