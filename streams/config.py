"""The file of `--config`: defaults of the command, the model, and settings of clients with their secrets."""

import os
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from streams.secret import Secret, is_secret_name

__all__ = ["ClientSettings", "Config", "ConfigError", "load_config"]

_TABLES = ("run", "model", "kafka", "source", "sink")
_LARGEST_FILE = 1 << 20
_LARGEST_SECRET = 1 << 16
_HOW = '{ env = "NAME" } or { file = "PATH" }'

_Check: TypeAlias = Callable[[str, Any, str], object]


class ConfigError(ValueError):
    """The file cannot be read or says what it cannot say; the message holds no value of a secret."""


class ClientSettings:
    """Settings of a client by name; some of them can be secrets, which `repr` does not show.

    Examples
    --------
    >>> from streams.config import ClientSettings
    >>> from streams.secret import Secret
    >>> ClientSettings({"client_id": "rain", "ssl_password": Secret("swordfish")})
    ClientSettings({'client_id': 'rain', 'ssl_password': Secret(...)})
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._values = dict(values or {})

    def revealed(self) -> dict[str, Any]:
        """Return the settings with the secrets in them, for the client alone."""
        return {name: value.reveal() if isinstance(value, Secret) else value for name, value in self._values.items()}

    def updated(self, other: "ClientSettings") -> "ClientSettings":
        """Return these settings, with those of `other` in place of those that both have."""
        return ClientSettings(self._values | other._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"ClientSettings({self._values!r})"


@dataclass(frozen=True, slots=True)
class Config:
    """What the file says.

    Attributes
    ----------
    run
        Defaults of the command's options, by their names with ``_`` for ``-``.
    model
        Name of the model, or None.
    model_options
        Its settings, as `build_model` takes them.
    source_kafka, sink_kafka
        Settings of the client that reads and of the one that writes: those of ``[kafka]``, then the own ones.
    """

    run: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    model_options: dict[str, Any] = field(default_factory=dict)
    source_kafka: ClientSettings = field(default_factory=ClientSettings)
    sink_kafka: ClientSettings = field(default_factory=ClientSettings)

    def options_of(self, model: str) -> dict[str, Any]:
        """Return the settings of a model.

        Raises
        ------
        ConfigError
            If the file has settings of another one: they would be of no effect.

        Examples
        --------
        >>> from streams.config import Config
        >>> Config(model="mlhat", model_options={"grace_period": 100}).options_of("mlhat")
        {'grace_period': 100}
        >>> Config(model="mlhat", model_options={"grace_period": 100}).options_of("ihomer")
        Traceback (most recent call last):
        ...
        streams.config.ConfigError: the file's settings of a model are those of mlhat, and the model is ihomer
        """
        if self.model_options and model != self.model:
            raise ConfigError(f"the file's settings of a model are those of {self.model}, and the model is {model}")
        return dict(self.model_options)


def load_config(
    path: str | Path,
    options: Collection[str] | None = None,
    environment: Mapping[str, str] | None = None,
    check: _Check | None = None,
) -> Config:
    """Read the file of `--config`, a TOML file.

    Parameters
    ----------
    path
        The file. Its tables: ``[run]``, ``[model]`` with ``name`` and settings (those of a part in a table of its own,
        as ``[model.tree]``), ``[kafka]`` for reading and writing, ``[source.kafka]``, ``[sink.kafka]``. Relative paths
        of secrets start at its folder.
    options
        Names that ``[run]`` may hold; without them it is not looked at.
    environment
        Where ``{ env = "NAME" }`` is looked up; by default the environment of the process.
    check
        Called with the name of an option, its value and how it stands in the file; raises ConfigError for a value that the
        option cannot have. Without it, any text, number, true, false or list of these is taken.

    Raises
    ------
    ConfigError
        If it cannot be read, a name is unknown, a secret stands in the file itself or cannot be found.

    Examples
    --------
    >>> import tempfile
    >>> from streams.config import load_config
    >>> text = '''
    ... [run]
    ... max-events = 1000
    ... [model]
    ... name = "ihomer"
    ... tree.grace_period = 100
    ... [kafka]
    ... sasl_plain_password = { env = "KAFKA_PASSWORD" }
    ... '''
    >>> with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
    ...     _ = file.write(text)
    ...     file.flush()
    ...     config = load_config(file.name, ["max_events"], {"KAFKA_PASSWORD": "swordfish"})
    >>> config.run, config.model_options
    ({'max_events': 1000}, {'tree.grace_period': 100})
    >>> config.source_kafka
    ClientSettings({'sasl_plain_password': Secret(...)})
    """
    place = Path(path)
    tables = _read(place)
    try:
        for name in tables:
            if name.replace("_", "-") in {option.replace("_", "-") for option in options or ()} - set(_TABLES):
                raise ConfigError(f"{name} is an option of the command: it stands in the table [run]")
        _check_names(tables, _TABLES, "")
        resolver = _Resolver(place.parent, os.environ if environment is None else environment)
        own = {}
        for side in ("source", "sink"):
            table = _table(tables, side, side)
            _check_names(table, ("kafka",), f"{side}.")
            own[side] = resolver.settings(_table(table, "kafka", f"{side}.kafka"), f"{side}.kafka")
        both = resolver.settings(_table(tables, "kafka", "kafka"), "kafka")
        model = _table(tables, "model", "model")
        return Config(
            run=_run(_table(tables, "run", "run"), options, check),
            model=_model_name(model, options, check),
            model_options=_model_options({name: value for name, value in model.items() if name != "name"}, ""),
            source_kafka=both.updated(own["source"]),
            sink_kafka=both.updated(own["sink"]),
        )
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    if len(raw) > _LARGEST_FILE:
        raise ConfigError(f"{path}: longer than {_LARGEST_FILE} bytes")
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply") from None
    except ValueError as error:
        raise ConfigError(f"{path}: no TOML: {error}") from None


def _table(parent: Mapping[str, Any], name: str, title: str) -> dict[str, Any]:
    table = parent.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{title} must be a table, [{title}]")
    return table


def _check_names(names: Collection[str], known: Collection[str], prefix: str) -> None:
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {prefix}{close[0]}?" if close else f"there are {', '.join(sorted(known))}"
            raise ConfigError(f"unknown name {prefix}{name}; {hint}")


def _run(table: Mapping[str, Any], options: Collection[str] | None, check: _Check | None) -> dict[str, Any]:
    if options is None:
        return {}
    shown = [option.replace("_", "-") for option in options]
    values: dict[str, Any] = {}
    for given, value in table.items():
        name = given.replace("_", "-")
        _check_names([name], shown, "run.")
        key = name.replace("-", "_")
        if key in values:
            raise ConfigError(f"run.{name} is given twice, with - and with _")
        if check is None:
            _check_plain(value, f"run.{given}")
        else:
            check(key, value, f"run.{given}")
        values[key] = value
    return values


def _model_name(table: Mapping[str, Any], options: Collection[str] | None, check: _Check | None) -> str | None:
    name = table.get("name")
    if name is not None and not isinstance(name, str):
        raise ConfigError("model.name must be a text")
    if name is None and table:
        raise ConfigError("model.name is missing: settings are those of a model that is named")
    if name is not None and check is not None and "model" in (options or ()):
        check("model", name, "model.name")
    return name


def _model_options(table: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            options |= _model_options(value, f"{prefix}{name}.")
        else:
            _check_plain(value, f"model.{prefix}{name}")
            options[prefix + name] = value
    return options


def _check_plain(value: Any, title: str) -> None:
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, str | int | float) for part in parts):
        raise ConfigError(f"{title} must be a text, a number, true or false, or a list of these")


class _Resolver:
    """Finds secrets in the environment and in files."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment

    def settings(self, table: Mapping[str, Any], title: str) -> ClientSettings:
        values: dict[str, Any] = {}
        for name, value in table.items():
            full = f"{title}.{name}"
            if isinstance(value, dict):
                values[name] = self._resolved(value, full)
            elif is_secret_name(name) and value != "":
                raise ConfigError(f"{full} is a secret and must not stand in this file; give {_HOW}")
            else:
                _check_plain(value, full)
                values[name] = value
        return ClientSettings(values)

    def _resolved(self, reference: Mapping[str, Any], title: str) -> Secret:
        kind, where = next(iter(reference.items()), ("", None))
        if len(reference) != 1 or kind not in ("env", "file") or not isinstance(where, str) or not where:
            raise ConfigError(f"{title} must be a plain value, or {_HOW}")
        return Secret(self._from_environment(where, title) if kind == "env" else self._from_file(where, title))

    def _from_environment(self, name: str, title: str) -> str:
        text = self._environment.get(name)
        if not text:
            raise ConfigError(f"{title}: the environment variable {name} is not set")
        return text

    def _from_file(self, name: str, title: str) -> str:
        try:
            with (self._folder / name).open("rb") as file:
                raw = file.read(_LARGEST_SECRET + 1)
            text = raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except OSError as error:
            raise ConfigError(f"{title}: {name}: {error.strerror or error}") from None
        except ValueError:
            raise ConfigError(f"{title}: {name} cannot be read as UTF-8") from None
        if not text or len(raw) > _LARGEST_SECRET:
            raise ConfigError(f"{title}: {name} is empty or longer than {_LARGEST_SECRET} bytes")
        return text
