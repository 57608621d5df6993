"""What compare.toml says: which streams, models, orders and seeds, and what a cell may cost."""

import hashlib
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

DEFAULT = Path(__file__).resolve().parents[1] / "compare.toml"
ORDERS = ("file", "shuffled", "clustered")
GROUPS = ("ours", "global", "local", "trivial", "other")
_OF_RUN: dict[str, type | tuple[type, ...]] = {
    "sets": list, "models": list, "orders": list, "seeds": list, "seconds": (int, float), "memory_mb": int, "limit": int,
}  # fmt: skip


class SettingsError(ValueError):
    """The settings name something that does not exist, or not with that value."""


class Cell(NamedTuple):
    """One measurement: a model on a stream."""

    set: str
    model: str
    order: str
    seed: int


@dataclass(frozen=True)
class Settings:
    """The settings of a run.

    Attributes
    ----------
    sets, models, orders, seeds
        What is measured: each with each. A set is a file of the data folder, or named in `set_tables`.
    seconds
        Processor time that a model may use for predicting and learning in one cell; loading and compiling do not count.
    memory_mb
        Most memory that the process of a cell may use, in 10^6 bytes.
    limit
        Number of events after which a stream ends; 0 for all.
    set_tables, model_tables
        The tables of the file, by name.
    path
        The file.
    """

    sets: tuple[str, ...]
    models: tuple[str, ...]
    orders: tuple[str, ...]
    seeds: tuple[int, ...]
    seconds: float
    memory_mb: int
    limit: int
    set_tables: dict[str, dict[str, Any]]
    model_tables: dict[str, dict[str, Any]]
    path: Path

    def cells(self) -> Iterator[Cell]:
        """Return all cells, stream by stream."""
        for name in self.sets:
            for order in self.orders:
                for seed in self.seeds:
                    for model in self.models:
                        yield Cell(name, model, order, seed)

    def set_table(self, name: str) -> dict[str, Any]:
        """Return what makes a stream; a name without a table is a file of the data folder."""
        return self.set_tables.get(name, {"make": "file", "parameters": {"name": name}})

    def digest(self, cell: Cell) -> str:
        """Return what tells whether a line was made with the same settings of model and stream."""
        model = {key: value for key, value in self.model_tables[cell.model].items() if key in ("make", "parameters", "input")}
        what = {"model": model, "set": self.set_table(cell.set), "limit": self.limit}
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]


def load(path: Path = DEFAULT, *, quick: bool = False, **overrides: Any) -> Settings:
    """Read the settings.

    Parameters
    ----------
    path
        The TOML file.
    quick
        Take what its table ``[quick]`` says where it says something else than ``[run]``.
    overrides
        Values of ``[run]`` that win over the file's; None for those of the file.

    Raises
    ------
    SettingsError
        If the file is not TOML, or a name or a value in it is none that can be.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> from benchmarks.compare.settings import load
    >>> len(list(load(quick=True).cells()))
    32
    """
    try:
        tables = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    models = tables.get("models", {})
    run = {"models": list(models), **tables.get("run", {}), **(tables.get("quick", {}) if quick else {})}
    run.update({key: value for key, value in overrides.items() if value is not None})
    for key, kind in _OF_RUN.items():
        if not isinstance(run.get(key), kind) or isinstance(run[key], bool):
            raise SettingsError(f"{path}: run.{key} is {run.get(key)!r}")
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in run.items() if key in _OF_RUN
    }
    settings = Settings(**values, set_tables=tables.get("sets", {}), model_tables=models, path=path)
    return _checked(replace(settings, seconds=float(settings.seconds)))


def _checked(settings: Settings) -> Settings:
    for name in settings.models:
        if name not in settings.model_tables:
            raise SettingsError(f"{settings.path}: no model is named {name!r}; there are {', '.join(settings.model_tables)}")
        table = settings.model_tables[name]
        if table.get("group") not in GROUPS or "make" not in table:
            raise SettingsError(f"{settings.path}: model {name!r} needs make, and a group of {', '.join(GROUPS)}")
    for order in settings.orders:
        if order not in ORDERS:
            raise SettingsError(f"{settings.path}: no order is named {order!r}; there are {', '.join(ORDERS)}")
    for seed in settings.seeds:
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise SettingsError(f"{settings.path}: a seed is a whole number, at least 0, not {seed!r}")
    if settings.seconds <= 0 or settings.memory_mb <= 0 or settings.limit < 0:
        raise SettingsError(f"{settings.path}: seconds and memory_mb must be greater than 0, limit at least 0")
    return settings
