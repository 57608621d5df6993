"""The option `--config`: a file whose values become defaults of the other options, each checked by the option's own type."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.types import IntParamType

from streams.cli.common import Time

if TYPE_CHECKING:
    from streams.config import Config

__all__ = ["read_config"]


def read_config(context: click.Context, parameter: click.Parameter, path: Path | None) -> "Config":
    """Read the file of `--config`, whose ``[run]`` and ``[model]`` become defaults of the other options.

    The option must be eager, so that it is read before them. What stands on the command line wins.
    """
    from streams.config import Config, ConfigError, load_config

    if path is None:
        return Config()
    options = {_own_name(option): option for option in context.command.params if option is not parameter}

    def check(name: str, value: Any, title: str) -> None:
        if (wanted := _wanted(options[name], value)) is not None:
            raise ConfigError(f"{title} must be {wanted}")
        try:
            options[name].process_value(context, _as_given(options[name], value))
        except click.BadParameter as error:
            raise ConfigError(f"{title}: {error.message}") from None
        except (OverflowError, ValueError) as error:
            raise ConfigError(f"{title}: {error}") from None

    try:
        config = load_config(path, options, check=check)
        if config.model is not None and (other := config.run.get("model", config.model)) != config.model:
            raise ConfigError(f"{path}: model.name is {config.model}, and run.model is {other}: name one")
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    context.default_map = {**(context.default_map or {}), **_defaults(config, options)}
    return config


def _defaults(config: "Config", options: Mapping[str, click.Parameter]) -> dict[str, Any]:
    defaults = {str(options[name].name): _as_given(options[name], value) for name, value in config.run.items()}
    if config.model is not None and "model" in options:
        defaults.setdefault("model", config.model)
    return defaults


def _as_given(option: click.Parameter, value: Any) -> Any:
    """Return a value as the command line would give it: of an option that can be repeated, one value is a list of one."""
    return [value] if option.multiple and not isinstance(value, list) else value


def _wanted(option: click.Parameter, value: Any) -> str | None:
    """Return what the value of an option must be, or None if it is that. Click itself would cut 2.9 to 2."""
    if isinstance(option, click.Option) and option.is_flag:
        return None if isinstance(value, bool) else "true or false"
    wanted = "a text in quotes"
    types: set[type] = {str}
    if isinstance(option.type, IntParamType):
        wanted, types = "a whole number, as 10", {int}
    elif isinstance(option.type, Time):
        wanted, types = 'a number of seconds, or a time in quotes, as "10m"', {int, float, str}
    values = value if option.multiple and isinstance(value, list) else [value]
    if all(type(each) in types for each in values):
        return None
    return f"{wanted}, or a list of such" if option.multiple else wanted


def _own_name(option: click.Parameter) -> str:
    """Return what an option is called on the command line, with ``_`` for ``-``."""
    return max(option.opts, key=len).removeprefix("--").replace("-", "_")
