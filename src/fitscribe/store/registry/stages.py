"""Stages: where a version stands on its way, one of four; and which versions are the latest of each."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, update

from fitscribe.store.database import Database
from fitscribe.store.fields import Body, required, texts, wrong
from fitscribe.store.refusal import invalid
from fitscribe.store.registry import notices, shapes, versions
from fitscribe.store.registry.rows import VERSION, find_model, find_version, number_of, stage_of, touch
from fitscribe.store.registry.tables import model_versions

__all__ = ["latest", "transition"]

ACTIVE = ("Staging", "Production")


def transition(database: Database, body: Body) -> dict[str, Any]:
    """Answer model-versions/transition-stage; with `archive_existing_versions` those that are there make room."""
    name, number, stage = required(body, "name"), number_of(body), stage_of(required(body, "stage"))
    archive = _flag(body, "archive_existing_versions")
    if archive and stage not in ACTIVE:
        raise invalid(
            "Model version transition cannot archive existing model versions because "
            f"'{stage}' is not an Active stage. Valid stages are {', '.join(ACTIVE)}"
        )
    with database.writing() as connection:
        row = find_version(connection, name, number, lock=True)
        moment = touch(connection, row.model)
        for other in _others(connection, row, stage) if archive else []:
            _move(database, connection, other, "Archived", moment)
        _move(database, connection, row, stage, moment)
        return versions.shown(database, connection, row.id)


def _flag(body: Body, name: str) -> bool:
    value = body.get(name)
    if value in (None, True, False, "true", "false"):
        return value in (True, "true")
    raise wrong(name, value, "it must be true or false")


def _others(connection: Connection, row: Row[Any], stage: str) -> list[Row[Any]]:
    columns = model_versions.c
    query = VERSION.where(columns.model == row.model, columns.stage == stage, columns.id != row.id)
    return list(connection.execute(query.order_by(columns.version)))


def _move(database: Database, connection: Connection, row: Row[Any], stage: str, moment: int) -> None:
    words = update(model_versions).where(model_versions.c.id == row.id)
    connection.execute(words.values(stage=stage, last_update_time=moment))
    if stage != row.stage:
        told = {
            "name": row.name,
            "version": str(row.version),
            "stage": stage,
            "previous_stage": row.stage,
            "run_id": row.run_id or None,
        }
        notices.say(database, connection, "model_version.updated", told)


def latest(database: Database, body: Body) -> dict[str, Any]:
    """Answer registered-models/get-latest-versions: of each stage, or of those that are asked for."""
    name, stages = required(body, "name"), [stage_of(each) for each in texts(body, "stages", query=True)]
    with database.reading() as connection:
        model = find_model(connection, name)
        rows = shapes.latest(connection, [model.id], stages)
        found = shapes.versions(connection, database.artifacts, rows)
    return {"model_versions": found} if found else {}
