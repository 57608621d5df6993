"""The models by the name that compare.toml gives to what makes them."""

import importlib
from collections.abc import Callable
from typing import Any

from benchmarks.compare.sets import Stream

# In their own files, imported only when asked for: what is not installed costs its own cells alone.
_PLACES = {
    "ihomer": "models_ours",
    "paper": "models_ours",
    "paper_one_cluster": "models_ours",
    "random_clusters": "models_ours",
    "mlhat": "models_ours",
    "mlht": "models_ours",
    "mlht_ps": "models_ours",
    "previous_labelset": "models_trivial",
    "majority_labelset": "models_trivial",
    "label_prior": "models_trivial",
    "random_at_rate": "models_trivial",
    "neighbours": "models_river",
    "naive_bayes_per_label": "models_river",
    "rules_per_label": "models_river",
    "per_label": "models_river",
    "adwin_logistic": "models_river",
    "logistic": "models_river",
    "chain": "models_river",
    "powerset": "models_river",
    "isoup": "models_river",
    "vowpal": "models_others",
    "napkin": "models_others",
    "moa": "models_moa",
}


def build(table: dict[str, Any], seed: int, stream: Stream) -> Any:
    """Return a new model: one that takes dictionaries one by one, as river's do, or has `test_then_train_many`.

    Parameters
    ----------
    table
        Its table of compare.toml: `make`, `parameters`.
    seed
        Seed of its random numbers, if it uses any.
    stream
        What it will be given; some libraries ask for the number of labels.

    Raises
    ------
    ValueError
        If nothing makes such a model.
    ImportError
        If a library is not installed.
    """
    make = table["make"]
    if make not in _PLACES:
        raise ValueError(f"no model is made by {make!r}; there are {', '.join(_PLACES)}")
    module = importlib.import_module(f"benchmarks.compare.{_PLACES[make]}")
    maker: Callable[..., Any] = getattr(module, make)
    return maker(stream, seed, **table.get("parameters", {}))
