"""The models that the command line knows by name."""

import importlib
import inspect
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol

__all__ = ["MODELS", "Model", "SettingError", "build_model"]


class Model(Protocol):
    """What the loop asks of a model."""

    def learn_one(self, x: Any, y: Any, w: float = 1.0) -> None:
        """Learn one event."""
        ...

    def predict_set_one(self, x: Any) -> set[Hashable]:
        """Return the labels predicted."""
        ...

    def predict_proba_one(self, x: Any) -> dict[Hashable, dict[bool, float]]:
        """Return the probability of each known label."""
        ...


class SettingError(ValueError):
    """A model has no such setting, or not with that value."""


MODELS: dict[str, tuple[str, str]] = {
    "ihomer": ("ihomer.classifier", "IHOMERClassifier"),
    "paper": ("ihomer.classifier", "IHOMERClassifier.paper"),
    "mlhat": ("ihomer.tree", "MLHATClassifier"),
    "majority": ("ihomer.baselines", "MajorityLabelset"),
    "no-change": ("ihomer.baselines", "PreviousLabelset"),
}
"""Name on the command line -> module, and class or class method in it."""


def build_model(name: str, seed: int, options: Mapping[str, Any]) -> Model:
    """Return a new model that has learned nothing.

    Parameters
    ----------
    name
        One of `MODELS`.
    seed
        Seed of its random numbers, if it uses any.
    options
        Settings by the names that its constructor has for them.

    Raises
    ------
    SettingError
        If there is no such model, or it has no such setting, or not with that value; the message names it.

    Examples
    --------
    >>> from streams.models import build_model
    >>> build_model("mlhat", seed=7, options={"grace_period": 100}).grace_period
    100
    >>> build_model("majority", seed=7, options={"depth": 3})
    Traceback (most recent call last):
    ...
    streams.models.SettingError: model majority has no setting 'depth'; it has max_labelsets
    """
    if name not in MODELS:
        raise SettingError(f"no model is named {name!r}; there are {', '.join(MODELS)}")
    module, path = MODELS[name]
    constructor: Any = importlib.import_module(module)
    for part in path.split("."):
        owner, constructor = constructor, getattr(constructor, part)
    described = constructor if inspect.isclass(constructor) else owner
    known = _settings_of(described)
    for option in options:
        if option not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise SettingError(f"model {name} has no setting {option!r}; {has}")
    settings = {"seed": seed, **options} if "seed" in known else dict(options)
    try:
        model: Model = constructor(**settings)
    except (TypeError, ValueError) as error:
        raise SettingError(f"model {name}: {error}") from None
    return model


def _settings_of(constructor: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(constructor).parameters)
