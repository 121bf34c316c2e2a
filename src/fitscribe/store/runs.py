"""Runs: created once, shown, updated, deleted and restored."""

from __future__ import annotations

import re
import uuid
from typing import Any

from sqlalchemy import Connection, Row, insert, update

from fitscribe.store import experiments, limits, rundata
from fitscribe.store.database import Database
from fitscribe.store.fields import Body, choice, identifier, integer, items, required, run_id_of, text
from fitscribe.store.names import random_name
from fitscribe.store.refusal import invalid, missing
from fitscribe.store.shapes import RUN, STATUSES, run_info
from fitscribe.store.tables import runs, tags
from fitscribe.store.upserts import put

__all__ = ["NAME", "active", "change", "create", "delete", "find", "get", "restore"]

KEY = "fitscribe.run_key"
"""The tag whose value becomes the run's id, so that creating it again finds it."""

NAME = "mlflow.runName"
_hexadecimal = re.compile(r"[0-9a-fA-F]{32}").fullmatch


def find(connection: Connection, run_id: str, *, lock: bool = False) -> Row[Any]:
    """Return the row of a run, deleted or not; `lock` keeps other writers from it. `Refusal`: there is none."""
    query = RUN.where(runs.c.run_id == run_id)
    row = connection.execute(query.with_for_update(of=runs) if lock else query).one_or_none()
    if row is None:
        raise missing(f"Run with id={run_id} not found")
    return row


def active(connection: Connection, run_id: str) -> Row[Any]:
    """Return the row of a run to write to. `Refusal`: there is none, or it is deleted."""
    row = find(connection, run_id, lock=True)
    if row.lifecycle_stage != "active":
        raise invalid(f"The run {run_id} must be in the 'active' state. Current state is {row.lifecycle_stage}.")
    return row


def create(database: Database, body: Body) -> dict[str, Any]:
    """Answer runs/create. The tag `fitscribe.run_key` becomes the run's id; with it a second call finds the run."""
    experiment, given = identifier(body), _tags(body)
    name = _name(text(body, "run_name"), given.get(NAME, ""))
    key = given.get(KEY, "")
    run_id = key if _hexadecimal(key) else uuid.uuid4().hex
    values = {
        "run_id": run_id,
        "experiment": experiment,
        "name": name,
        "user_id": text(body, "user_id"),
        "status": "RUNNING",
        "start_time": integer(body, "start_time", 0),
        "lifecycle_stage": "active",
    }
    with database.writing() as connection:
        row = connection.execute(RUN.where(runs.c.run_id == run_id)).one_or_none()
        if row is None:
            row = _insert(connection, values, {**given, NAME: name})
        return {"run": rundata.shapes(connection, database.artifacts, [row])[0]}


def _insert(connection: Connection, values: dict[str, Any], given: dict[str, str]) -> Row[Any]:
    experiment = experiments.find(connection, values["experiment"])
    if experiment.lifecycle_stage != "active":
        raise invalid(
            f"The experiment {experiment.id} must be in the 'active' state. "
            f"Current state is {experiment.lifecycle_stage}."
        )
    run = connection.execute(insert(runs).values(values).returning(runs.c.id)).scalar_one()
    put(connection, tags, [{"run": run, "key": key, "value": value} for key, value in given.items()])
    return find(connection, values["run_id"])


def _tags(body: Body) -> dict[str, str]:
    """Return the tags of a new run, whose keys may be any text, as servers have always let them."""
    found: dict[str, str] = {}
    for item in items(body, "tags"):
        key = required(item, "key")
        if key in found:
            raise invalid(f"Duplicate tag key {key!r} in runs/create; send each tag once")
        found[key] = text(item, "value")[: limits.TAG]
    return found


def _name(name: str, tag: str) -> str:
    if name and tag and name != tag:
        raise invalid(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
            f"(run_name='{name}', mlflow.runName='{tag}')."
        )
    return name or tag or random_name()


def get(database: Database, body: Body) -> dict[str, Any]:
    """Answer runs/get."""
    run_id = run_id_of(body)
    with database.reading() as connection:
        return {"run": rundata.shapes(connection, database.artifacts, [find(connection, run_id)])[0]}


def change(database: Database, body: Body) -> dict[str, Any]:
    """Answer runs/update: any status after any other, an end time, a name."""
    run_id, name = run_id_of(body), text(body, "run_name")
    found = {"status": choice(body, "status", STATUSES) or None, "end_time": integer(body, "end_time"), "name": name}
    values = {key: value for key, value in found.items() if value not in (None, "")}
    with database.writing() as connection:
        row = active(connection, run_id)
        if values:
            connection.execute(update(runs).where(runs.c.id == row.id).values(values))
        if name:
            put(connection, tags, [{"run": row.id, "key": NAME, "value": name[: limits.TAG]}])
        return {"run_info": run_info(database.artifacts, find(connection, run_id))}


def delete(database: Database, body: Body) -> dict[str, Any]:
    """Answer runs/delete, again and again."""
    return _mark(database, required(body, "run_id"), "deleted")


def restore(database: Database, body: Body) -> dict[str, Any]:
    """Answer runs/restore, again and again."""
    return _mark(database, required(body, "run_id"), "active")


def _mark(database: Database, run_id: str, stage: str) -> dict[str, Any]:
    with database.writing() as connection:
        row = find(connection, run_id, lock=True)
        connection.execute(update(runs).where(runs.c.id == row.id).values(lifecycle_stage=stage))
    return {}
