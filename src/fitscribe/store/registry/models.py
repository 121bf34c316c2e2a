"""Registered models: created, shown, renamed, described, tagged and deleted."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from fitscribe.store.database import Database
from fitscribe.store.fields import Body, required
from fitscribe.store.refusal import exists
from fitscribe.store.registry import notices, shapes
from fitscribe.store.registry.rows import description_of, find_model, model_name, now, tag, tags_of
from fitscribe.store.registry.tables import (
    model_aliases,
    model_version_tags,
    model_versions,
    registered_model_tags,
    registered_models,
)
from fitscribe.store.upserts import put

__all__ = ["change", "create", "delete_model", "delete_tag", "get", "rename", "set_tag"]


def create(database: Database, body: Body) -> dict[str, Any]:
    """Answer registered-models/create."""
    name, tags, description = model_name(body), tags_of(body), description_of(body)
    with database.writing() as connection:
        _refuse_taken(connection, name)
        moment = now()
        values = {"name": name, "description": description or None, "last_version": 0}
        words = insert(registered_models).values(**values, creation_time=moment, last_update_time=moment)
        model = connection.execute(words.returning(registered_models.c.id)).scalar_one()
        _write_tags(connection, model, tags)
        if not notices.is_prompt(tags):
            told = {"name": name, "tags": tags, "description": description or ""}
            notices.say(database, connection, "registered_model.created", told)
        return _shown(database, connection, name)


def _refuse_taken(connection: Connection, name: str) -> None:
    if connection.scalar(select(registered_models.c.id).where(registered_models.c.name == name)) is not None:
        raise exists(f"Registered Model (name={name}) already exists.")


def _write_tags(connection: Connection, model: int, tags: dict[str, str]) -> None:
    rows = [{"model": model, "key": key, "value": value} for key, value in tags.items()]
    put(connection, registered_model_tags, rows)


def _shown(database: Database, connection: Connection, name: str) -> dict[str, Any]:
    row = find_model(connection, name)
    return {"registered_model": shapes.models(connection, database.artifacts, [row])[0]}


def get(database: Database, body: Body) -> dict[str, Any]:
    """Answer registered-models/get."""
    name = required(body, "name")
    with database.reading() as connection:
        return _shown(database, connection, name)


def change(database: Database, body: Body) -> dict[str, Any]:
    """Answer registered-models/update; without a description it is taken away."""
    name, description = required(body, "name"), description_of(body)
    with database.writing() as connection:
        row = find_model(connection, name, lock=True)
        words = update(registered_models).where(registered_models.c.id == row.id)
        connection.execute(words.values(description=description or None, last_update_time=now()))
        return _shown(database, connection, name)


def rename(database: Database, body: Body) -> dict[str, Any]:
    """Answer registered-models/rename; versions, tags and aliases stay with the model."""
    name, new = required(body, "name"), model_name(body, "new_name")
    with database.writing() as connection:
        row = find_model(connection, name, lock=True)
        if new != name:
            _refuse_taken(connection, new)
        moment = now()
        for table, own in ((registered_models, registered_models.c.id), (model_versions, model_versions.c.model)):
            connection.execute(update(table).where(own == row.id).values(last_update_time=moment))
        connection.execute(update(registered_models).where(registered_models.c.id == row.id).values(name=new))
        return _shown(database, connection, new)


def delete_model(database: Database, body: Body) -> dict[str, Any]:
    """Answer registered-models/delete: the model with its versions, for good; their files stay."""
    name = required(body, "name")
    with database.writing() as connection:
        model = find_model(connection, name, lock=True).id
        own = select(model_versions.c.id).where(model_versions.c.model == model)
        connection.execute(delete(model_aliases).where(model_aliases.c.model == model))
        connection.execute(delete(model_version_tags).where(model_version_tags.c.version.in_(own)))
        connection.execute(delete(model_versions).where(model_versions.c.model == model))
        connection.execute(delete(registered_model_tags).where(registered_model_tags.c.model == model))
        connection.execute(delete(registered_models).where(registered_models.c.id == model))
    return {}


def set_tag(database: Database, body: Body) -> dict[str, Any]:
    """Answer registered-models/set-tag."""
    name, (key, value) = required(body, "name"), tag(body)
    with database.writing() as connection:
        _write_tags(connection, find_model(connection, name, lock=True).id, {key: value})
    return {}


def delete_tag(database: Database, body: Body) -> dict[str, Any]:
    """Answer registered-models/delete-tag; a tag that is not there is gone already."""
    name, key = required(body, "name"), required(body, "key")
    columns = registered_model_tags.c
    with database.writing() as connection:
        model = find_model(connection, name, lock=True).id
        connection.execute(delete(registered_model_tags).where(columns.model == model, columns.key == key))
    return {}
