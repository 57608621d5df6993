"""The models that the command line knows by name."""

import importlib
import inspect
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ihomer.interface import StreamClassifier

__all__ = ["MODELS", "Model", "SettingError", "build_model", "drifts_since", "load_model"]


class Model(Protocol):
    """What the loop asks of a model.

    One that also has `test_then_train_many`, as ihomer's have, is given many events at once.
    """

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


MODELS = {
    "ihomer": ("ihomer.classifier", "IHOMERClassifier", ""),
    "paper": ("ihomer.classifier", "IHOMERClassifier", "paper"),
    "mlhat": ("ihomer.tree", "MLHATClassifier", ""),
    "majority": ("ihomer.baselines", "MajorityLabelset", ""),
    "no-change": ("ihomer.baselines", "PreviousLabelset", ""),
}
"""Name on the command line -> module, class, and the class method that makes one if it is not the class itself."""

PARTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "clustering": ("ihomer.partition", "LabelPartition", {}),
    "tree": ("ihomer.tree", "MLHATClassifier", {"alternate_on": "drift"}),
}
"""Setting that is itself a model -> module, class, and how it differs from the class's defaults where it is None."""


def build_model(name: str, seed: int, options: Mapping[str, Any]) -> Model:
    """Return a new model that has learned nothing.

    Parameters
    ----------
    name
        One of `MODELS`.
    seed
        Seed of its random numbers, if it uses any.
    options
        Settings by the names that its constructor has for them; those of a part of the model as ``part.setting``. Lists stand
        for tuples, which JSON and TOML do not have.

    Raises
    ------
    SettingError
        If there is no such model, or it has no such setting, or not with that value; the message names it.

    Examples
    --------
    >>> from streams.models import build_model
    >>> build_model("mlhat", seed=7, options={"grace_period": 100}).grace_period
    100
    >>> build_model("ihomer", seed=7, options={"tree.grace_period": 100}).tree.grace_period
    100
    >>> build_model("majority", seed=7, options={"depth": 3})
    Traceback (most recent call last):
    ...
    streams.models.SettingError: model majority has no setting 'depth'; it has max_labelsets
    """
    if name not in MODELS:
        raise SettingError(f"no model is named {name!r}; there are {', '.join(MODELS)}")
    module, attribute, method = MODELS[name]
    cls: Any = getattr(importlib.import_module(module), attribute)
    constructor = getattr(cls, method) if method else cls
    owner = f"model {name}"
    options = {option: tuple(value) if isinstance(value, list) else value for option, value in options.items()}
    whole = {option: value for option, value in options.items() if "." not in option}
    known = _checked(whole, cls, owner)
    for option in whole:
        if option == "seed" or option in PARTS:
            how = "is given on its own" if option == "seed" else f"is set by its own settings, as {option}.NAME"
            raise SettingError(f"{owner}: {option} {how}")
    if "seed" in known:
        whole["seed"] = seed
    model: Model = _built(owner, lambda: constructor(**whole, **_parts(options, constructor, known, owner)))
    return model


def load_model(path: Path) -> "StreamClassifier":
    """Return the model that a file holds, as `save` of any of ihomer's classifiers has written it.

    Raises
    ------
    ModelFileError
        If the file is damaged, holds something else, or a model with labels or features that are no texts, by which alone files
        and messages name them; the message names it.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from streams.models import build_model, load_model
    >>> model = build_model("mlhat", seed=7, options={})
    >>> model.learn_one({"rain": 1}, {"wet"})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(Path(folder) / "weather")
    ...     load_model(Path(folder) / "weather").predict_set_one({"rain": 1})
    {'wet'}
    """
    from ihomer.interface import StreamClassifier
    from ihomer.persistence import KINDS, ModelFileError, open_file, unpack

    try:
        with open_file(path) as file:
            found = unpack(file, KINDS)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from None
    if not isinstance(found, StreamClassifier):
        raise ModelFileError(f"{path}: it holds an object of type {type(found).__name__}, which is no classifier")
    for what, names in (("label", found.labels), ("feature", found.features)):
        for name in names:
            if type(name) is not str:
                raise ModelFileError(f"{path}: its {what} {name!r} is no text; files and messages name {what}s by texts alone")
    return found


def drifts_since(model: Any, n_before: int) -> list[dict[str, Any]]:
    """Return what happened in a model since it had learned some events, oldest first, with "event" counted from there.

    Examples
    --------
    >>> from ihomer.baselines import MajorityLabelset
    >>> from streams.models import drifts_since
    >>> drifts_since(MajorityLabelset(), 0)
    []
    """
    drifts: list[dict[str, Any]] = getattr(model, "drifts", [])
    return [{**drift, "event": drift["event"] - n_before} for drift in drifts if drift["event"] > n_before]


def _built(owner: str, build: Callable[[], Any]) -> Any:
    try:
        return build()
    except SettingError:
        raise
    except (TypeError, ValueError) as error:
        raise SettingError(f"{owner}: {error}") from None


def _checked(options: Iterable[str], cls: type[Any], owner: str) -> list[str]:
    """Return the settings of a class, if all options are among them."""
    known = list(inspect.signature(cls).parameters)
    for option in options:
        if option not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise SettingError(f"{owner} has no setting {option!r}; {has}")
    return known


def _parts(options: Mapping[str, Any], constructor: Callable[..., Any], known: Collection[str], owner: str) -> dict[str, Any]:
    """Return the parts of a model that options are given for: those it would have, with these settings changed."""
    changes: dict[str, dict[str, Any]] = {}
    for option, value in options.items():
        part, dot, setting = option.partition(".")
        if dot:
            changes.setdefault(part, {})[setting] = value
    parts = {}
    for part, settings in changes.items():
        if part not in PARTS or part not in known:
            raise SettingError(f"{owner} has no part {part!r}")
        module, attribute, defaults = PARTS[part]
        cls: Any = getattr(importlib.import_module(module), attribute)
        _checked(settings, cls, f"{owner}: {part}")
        usual = getattr(constructor(), part) or cls(**defaults)
        parts[part] = _built(f"{owner}: {part}", partial(usual.clone, settings))
    return parts
