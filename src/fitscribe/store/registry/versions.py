"""Versions of registered models: numbered one after the other, shown, described, tagged and deleted."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from fitscribe.store.database import Database
from fitscribe.store.fields import Body, required, text
from fitscribe.store.logged import models as logged
from fitscribe.store.logged import models as logged_models
from fitscribe.store.registry import notices, shapes, sources
from fitscribe.store.registry.rows import (
    KEY,
    VERSION,
    description_of,
    find_model,
    find_version,
    now,
    number_of,
    tag,
    tags_of,
    touch,
)
from fitscribe.store.registry.tables import model_aliases, model_version_tags, model_versions, registered_models
from fitscribe.store.upserts import put

__all__ = ["change", "create", "delete_tag", "delete_version", "download_uri", "get", "set_tag", "shown"]


def create(database: Database, body: Body) -> dict[str, Any]:
    """Answer model-versions/create. With the tag `fitscribe.registration_key` a second call finds the version."""
    name, tags, description = required(body, "name"), tags_of(body), description_of(body) or ""
    given = sources.read(body)
    with database.writing() as connection:
        model = find_model(connection, name, lock=True)
        origin = sources.settled(database, connection, given)
        found = _registered(connection, model.id, tags.get(KEY, ""), origin)
        if found is None:
            values = {"description": description, "run_link": text(body, "run_link")}
            found = _insert(connection, model, {**values, **origin})
            _write_tags(connection, found, tags)
            _link(connection, found)
            if given.model_id:
                logged.registered(connection, given.model_id, name, _row(connection, found).version)
            if not notices.is_prompt(tags):
                notices.say(database, connection, "model_version.created", _told(database, connection, found, tags))
        return shown(database, connection, found)


def _registered(connection: Connection, model: int, key: str, origin: dict[str, Any]) -> int | None:
    """Return the version that the same registration made before, if it did; a copy has the tag, and another source."""
    if not key:
        return None
    columns = model_version_tags.c
    query = select(model_versions.c.id).join_from(model_versions, model_version_tags)
    query = query.where(model_versions.c.model == model, columns.key == KEY, columns.value == key)
    return connection.scalar(query.where(model_versions.c.source == origin["source"]))


def _link(connection: Connection, version: int) -> None:
    """Tell the logged model that it has become a version."""
    row = _row(connection, version)
    if row.model_id:
        logged_models.registered(connection, row.model_id, row.name, row.version)


def _insert(connection: Connection, model: Row[Any], values: dict[str, Any]) -> int:
    moment, number = touch(connection, model.id), model.last_version + 1
    counted = update(registered_models).where(registered_models.c.id == model.id)
    connection.execute(counted.values(last_version=number))
    state = {"stage": "None", "status": "READY", "status_message": ""}
    words = insert(model_versions).values(
        **values, **state, model=model.id, version=number, creation_time=moment, last_update_time=moment
    )
    return int(connection.execute(words.returning(model_versions.c.id)).scalar_one())


def _write_tags(connection: Connection, version: int, tags: dict[str, str]) -> None:
    put(connection, model_version_tags, [{"version": version, "key": key, "value": v} for key, v in tags.items()])


def _told(database: Database, connection: Connection, version: int, tags: dict[str, str]) -> dict[str, Any]:
    row = _row(connection, version)
    return {
        "name": row.name,
        "version": str(row.version),
        "source": shapes.source(database.artifacts, row),
        "run_id": row.run_id or None,
        "tags": tags,
        "description": row.description or None,
    }


def _row(connection: Connection, version: int) -> Row[Any]:
    return connection.execute(VERSION.where(model_versions.c.id == version)).one()


def shown(database: Database, connection: Connection, version: int) -> dict[str, Any]:
    """Return the answer that shows one version, by its row's id."""
    row = _row(connection, version)
    return {"model_version": shapes.versions(connection, database.artifacts, [row])[0]}


def get(database: Database, body: Body) -> dict[str, Any]:
    """Answer model-versions/get."""
    name, number = required(body, "name"), number_of(body)
    with database.reading() as connection:
        return shown(database, connection, find_version(connection, name, number).id)


def download_uri(database: Database, body: Body) -> dict[str, Any]:
    """Answer model-versions/get-download-uri: where the version's files lie."""
    name, number = required(body, "name"), number_of(body)
    with database.reading() as connection:
        return {"artifact_uri": sources.location(database, connection, find_version(connection, name, number))}


def change(database: Database, body: Body) -> dict[str, Any]:
    """Answer model-versions/update; without a description it is taken away."""
    name, number, description = required(body, "name"), number_of(body), description_of(body) or ""
    with database.writing() as connection:
        row = find_version(connection, name, number, lock=True)
        words = update(model_versions).where(model_versions.c.id == row.id)
        connection.execute(words.values(description=description, last_update_time=now()))
        return shown(database, connection, row.id)


def delete_version(database: Database, body: Body) -> dict[str, Any]:
    """Answer model-versions/delete: with its aliases, for good; its number is not given again, its files stay."""
    name, number = required(body, "name"), number_of(body)
    with database.writing() as connection:
        row = find_version(connection, name, number, lock=True)
        touch(connection, row.model)
        connection.execute(delete(model_aliases).where(model_aliases.c.version == row.id))
        connection.execute(delete(model_version_tags).where(model_version_tags.c.version == row.id))
        connection.execute(delete(model_versions).where(model_versions.c.id == row.id))
    return {}


def set_tag(database: Database, body: Body) -> dict[str, Any]:
    """Answer model-versions/set-tag."""
    name, number, (key, value) = required(body, "name"), number_of(body), tag(body)
    with database.writing() as connection:
        row = find_version(connection, name, number, lock=True)
        _write_tags(connection, row.id, {key: value})
        told = {"name": name, "version": str(row.version), "key": key, "value": value}
        notices.say(database, connection, "model_version_tag.set", told)
    return {}


def delete_tag(database: Database, body: Body) -> dict[str, Any]:
    """Answer model-versions/delete-tag; a tag that is not there is gone already."""
    name, number, key = required(body, "name"), number_of(body), required(body, "key")
    columns = model_version_tags.c
    with database.writing() as connection:
        row = find_version(connection, name, number, lock=True)
        words = delete(model_version_tags).where(columns.version == row.id, columns.key == key)
        if connection.execute(words).rowcount:
            told = {"name": name, "version": str(row.version), "key": key}
            notices.say(database, connection, "model_version_tag.deleted", told)
    return {}
