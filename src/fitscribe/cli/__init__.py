"""The command line, one module per command; each is imported when it is asked for."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

import click

__all__ = ["main", "version"]

COMMANDS = ("doctor", "integrations", "models", "new-integration", "runs", "sync")


class Commands(click.Group):
    """Commands that live in modules of their name, as `command`; errors made on purpose end with one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"fitscribe.cli.{cmd_name.replace('-', '_')}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        from fitscribe.errors import FitscribeError

        try:
            return super().invoke(ctx)
        except FitscribeError as error:
            raise click.ClickException(str(error)) from None


def version() -> str:
    """Return the version that is installed, or "unknown" for sources on the path alone."""
    try:
        return importlib.metadata.version("fitscribe")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _version(ctx: click.Context, option: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(f"fitscribe {version()}")
        ctx.exit()


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Say which version this is."
)
def main() -> None:
    """Every training run records itself; this shows what was recorded."""
