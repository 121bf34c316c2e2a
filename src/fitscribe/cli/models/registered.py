"""`fitscribe models list` and `models register`: what the registry holds, and one version more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from fitscribe.cli.models.options import endpoint_option

if TYPE_CHECKING:
    from fitscribe.client import Client
    from fitscribe.entities.model_registry import ModelVersion, RegisteredModel

__all__ = ["list_command", "register_command"]

PAGE = 100


@click.command("list")
@click.option("--filter", "condition", metavar="F", help="Such as \"name LIKE 'churn%' AND tags.team = 'a'\".")
@click.option("--versions", metavar="NAME", help="The versions of this model instead.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@endpoint_option
def list_command(condition: str | None, versions: str | None, limit: int, as_json: bool, uri: str | None) -> None:
    """List registered models, or the versions of one, newest first."""
    from fitscribe.cli.models.listing import models_table, versions_table
    from fitscribe.client import Client

    client = Client(uri)
    found = _versions(client, versions, limit) if versions else _models(client, condition, limit)
    if as_json:
        click.echo(json.dumps([each.to_dictionary() for each in found], indent=2, ensure_ascii=False))
    elif not found:
        click.echo(f"no models are registered at {client.endpoint.clean_uri}" + (" that fit" if condition else " yet"))
    else:
        from rich.console import Console

        Console().print(versions_table(found) if versions else models_table(found))  # type: ignore[arg-type]


def _models(client: Client, condition: str | None, limit: int) -> list[RegisteredModel]:
    from fitscribe.reading.reader import every_page

    folder = client.endpoint.directory
    if folder is not None and not folder.exists():  # looking must not make it
        return []
    return every_page(lambda size, token: client.search_registered_models(condition, size, None, token), PAGE, limit)


def _versions(client: Client, name: str, limit: int) -> list[ModelVersion]:
    from fitscribe.reading.reader import every_page

    client.get_registered_model(name)  # says so where there is none
    words = "name = '{}'".format(name.replace("'", "''"))
    order = ["version_number DESC"]
    return every_page(lambda size, token: client.search_model_versions(words, size, order, token), PAGE, limit)


@click.command("register")
@click.argument("model_uri", metavar="URI")
@click.argument("name")
@click.option("--alias", metavar="ALIAS", help="Point this alias at the new version, such as champion.")
@click.option("--await", "seconds", default=300.0, show_default=True, help="Seconds to wait until it is ready.")
@endpoint_option
def register_command(model_uri: str, name: str, alias: str | None, seconds: float, uri: str | None) -> None:
    """Make the model at URI the next version of NAME."""
    from fitscribe.client import Client

    client = Client(uri)
    made = client.register_model(model_uri, name, seconds, None)
    if alias:
        client.set_registered_model_alias(name, alias, made.version)
    click.echo(f"models:/{made.name}/{made.version}" + (f" and models:/{name}@{alias}" if alias else ""))
