"""Aliases: names of a registered model's that each point at one version, and are moved at will."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from fitscribe.store import limits
from fitscribe.store.database import Database
from fitscribe.store.fields import Body, required
from fitscribe.store.refusal import invalid
from fitscribe.store.registry import notices, versions
from fitscribe.store.registry.rows import find_model, find_version, number_of
from fitscribe.store.registry.tables import model_aliases

__all__ = ["get", "remove", "resolved", "set_alias"]

LONGEST = 255
_good = re.compile(r"[\w\-]+").fullmatch
_number = re.compile(r"v\d+", re.IGNORECASE).fullmatch


def _alias(body: Body) -> str:
    alias = limits.length("alias", required(body, "alias"), LONGEST)
    if not _good(alias):
        raise invalid(
            f"Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )
    if alias.lower() == "latest":
        raise invalid("'latest' alias name (case insensitive) is reserved.")
    if _number(alias):
        raise invalid(f"Version alias name '{alias}' is reserved.")
    return alias


def set_alias(database: Database, body: Body) -> dict[str, Any]:
    """Answer POST registered-models/alias; an alias that is set already moves."""
    name, alias, number = required(body, "name"), _alias(body), number_of(body)
    with database.writing() as connection:
        row = find_version(connection, name, number, lock=True)
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        words = dialect.insert(model_aliases).values(model=row.model, alias=alias, version=row.id)
        index = list(model_aliases.primary_key.columns)
        connection.execute(words.on_conflict_do_update(index_elements=index, set_={"version": row.id}))
        told = {"name": name, "alias": alias, "version": str(row.version)}
        notices.say(database, connection, "model_version_alias.created", told)
    return {}


def resolved(connection: Connection, name: str, alias: str) -> int:
    """Return the row's id of the version that an alias points at. `Refusal`: no such model, or alias."""
    model = find_model(connection, name).id
    query = select(model_aliases.c.version).where(model_aliases.c.model == model, model_aliases.c.alias == alias)
    found = connection.scalar(query)
    if found is None:
        raise invalid(f"Registered model alias {alias} not found.")
    return int(found)


def get(database: Database, body: Body) -> dict[str, Any]:
    """Answer GET registered-models/alias: the version. One that is not there is refused with 400, as ever."""
    name, alias = required(body, "name"), required(body, "alias")
    with database.reading() as connection:
        return versions.shown(database, connection, resolved(connection, name, alias))


def remove(database: Database, body: Body) -> dict[str, Any]:
    """Answer DELETE registered-models/alias; an alias that is not there is gone already."""
    name, alias = required(body, "name"), required(body, "alias")
    with database.writing() as connection:
        model = find_model(connection, name, lock=True).id
        words = delete(model_aliases).where(model_aliases.c.model == model, model_aliases.c.alias == alias)
        if connection.execute(words).rowcount:
            notices.say(database, connection, "model_version_alias.deleted", {"name": name, "alias": alias})
    return {}
