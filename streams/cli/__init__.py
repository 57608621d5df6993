"""The command `ihomer`; each of its commands is the `command` of the module that has its name."""

import importlib
from typing import Any

import click

from streams.cli.common import OneLineErrors

__all__ = ["main"]

COMMANDS = (
    "evaluate",
    "generate",
    "inspect",
    "run",
)


class _Commands(OneLineErrors):
    """Imports a command when it is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"streams.cli.{name}").command
        return command

    def resolve_command(self, context: click.Context, arguments: list[str]) -> Any:
        name = arguments[0]
        if name not in COMMANDS and not name.startswith("-") and not context.resilient_parsing:
            context.fail(f"No such command {name!r}. There are {', '.join(COMMANDS)}.")
        return super().resolve_command(context, arguments)


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ihomer", prog_name="ihomer", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Learn multi-label data streams: experts mixed online, one labelset decoded, labels clustered as they come."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
