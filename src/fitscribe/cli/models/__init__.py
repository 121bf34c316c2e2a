"""`fitscribe models`: serve a model, predict with it, look at it, and at the registry."""

from __future__ import annotations

import importlib
from typing import Any

import click

__all__ = ["command"]

COMMANDS = {
    "list": "registered",
    "predict": "predicting",
    "register": "registered",
    "serve": "serving",
    "show": "shown",
    "verify": "shown",
}


class Models(click.Group):
    """The commands, each in one of the modules beside this one; imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module: Any = importlib.import_module(f"fitscribe.cli.models.{COMMANDS[cmd_name]}")
        found: click.Command = getattr(module, f"{cmd_name}_command")
        return found


@click.command("models", cls=Models)
def command() -> None:
    """Serve models, predict with them, and look at the registry.

    A model is named by a URI: runs:/RUN_ID/model, models:/NAME/3, models:/NAME@champion, or a folder.
    """
