"""Rows of the registry in the JSON shapes of the protocol."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from fitscribe.store.registry.rows import VERSION
from fitscribe.store.registry.tables import (
    model_aliases,
    model_version_tags,
    model_versions,
    registered_model_tags,
)
from fitscribe.store.shapes import pairs

__all__ = ["latest", "models", "source", "versions"]

SOME = 500  # rows that one query asks for: SQLite takes 999 values in older builds


def source(home: Path, row: Row[Any]) -> str:
    """Return where a version comes from, as a URI; `home` is the store's own folder of artifacts."""
    return f"{home.as_uri()}/{row.source}" if row.ours else str(row.source)


def versions(connection: Connection, home: Path, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Return versions from rows of `rows.VERSION`, with their tags and aliases."""
    ids = [row.id for row in rows]
    tags: dict[int, list[tuple[str, str]]] = defaultdict(list)
    aliases: dict[int, list[str]] = defaultdict(list)
    for part in (ids[start : start + SOME] for start in range(0, len(ids), SOME)):
        query = select(model_version_tags).where(model_version_tags.c.version.in_(part))
        for version, key, value in connection.execute(query.order_by(model_version_tags.c.key)):
            tags[version].append((key, value))
        named = select(model_aliases.c.version, model_aliases.c.alias).where(model_aliases.c.version.in_(part))
        for version, alias in connection.execute(named.order_by(model_aliases.c.alias)):
            aliases[version].append(alias)
    return [_version(home, row, tags[row.id], aliases[row.id]) for row in rows]


def _version(home: Path, row: Row[Any], tags: list[tuple[str, str]], aliases: list[str]) -> dict[str, Any]:
    shape = {
        "name": row.name,
        "version": str(row.version),
        "creation_timestamp": row.creation_time,
        "last_updated_timestamp": row.last_update_time,
        "current_stage": row.stage,
        "description": row.description,
        "source": source(home, row),
        "run_id": row.run_id,
        "status": row.status,
        "run_link": row.run_link,
    }
    found = {"tags": pairs(tags), "aliases": aliases, "model_id": row.model_id, "status_message": row.status_message}
    return {**shape, **{name: value for name, value in found.items() if value}}


def models(connection: Connection, home: Path, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Return registered models with their tags, their aliases, and the latest version of each stage."""
    found = []
    for part in (rows[start : start + SOME] for start in range(0, len(rows), SOME)):
        ids = [row.id for row in part]
        tags, aliases = _tags(connection, ids), _aliases(connection, ids)
        newest = latest(connection, ids)
        shown: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for row, shape in zip(newest, versions(connection, home, newest), strict=True):
            shown[row.model].append(shape)
        found += [_model(row, shown[row.id], tags[row.id], aliases[row.id]) for row in part]
    return found


def _model(
    row: Row[Any], newest: list[dict[str, Any]], tags: list[tuple[str, str]], aliases: list[dict[str, str]]
) -> dict[str, Any]:
    shape = {
        "name": row.name,
        "creation_timestamp": row.creation_time,
        "last_updated_timestamp": row.last_update_time,
    }
    found = {"description": row.description, "latest_versions": newest, "tags": pairs(tags), "aliases": aliases}
    return {**shape, **{name: value for name, value in found.items() if value}}


def _tags(connection: Connection, ids: list[int]) -> dict[int, list[tuple[str, str]]]:
    tags: dict[int, list[tuple[str, str]]] = defaultdict(list)
    query = select(registered_model_tags).where(registered_model_tags.c.model.in_(ids))
    for model, key, value in connection.execute(query.order_by(registered_model_tags.c.key)):
        tags[model].append((key, value))
    return tags


def _aliases(connection: Connection, ids: list[int]) -> dict[int, list[dict[str, str]]]:
    aliases: dict[int, list[dict[str, str]]] = defaultdict(list)
    query = select(model_aliases.c.model, model_aliases.c.alias, model_versions.c.version).join_from(
        model_aliases, model_versions, model_aliases.c.version == model_versions.c.id
    )
    query = query.where(model_aliases.c.model.in_(ids)).order_by(model_aliases.c.alias)
    for model, alias, version in connection.execute(query):
        aliases[model].append({"alias": alias, "version": str(version)})
    return aliases


def latest(connection: Connection, ids: Sequence[int], stages: Sequence[str] = ()) -> Sequence[Row[Any]]:
    """Return the newest version of each stage of registered models, as rows of `rows.VERSION`."""
    columns = model_versions.c
    newest = select(columns.model, columns.stage, func.max(columns.version).label("version"))
    newest = newest.where(columns.model.in_(ids), *([columns.stage.in_(stages)] if stages else []))
    newest = newest.group_by(columns.model, columns.stage)
    found = newest.subquery()
    query = VERSION.join(found, and_(found.c.model == columns.model, found.c.version == columns.version))
    return connection.execute(query.order_by(columns.model, columns.version)).all()
