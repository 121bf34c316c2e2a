"""Experiments: created, found, renamed, tagged, deleted and restored."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from fitscribe.store import limits, places
from fitscribe.store.database import Database
from fitscribe.store.fields import Body, identifier, items, required, text
from fitscribe.store.refusal import Refusal, exists, invalid, missing
from fitscribe.store.shapes import experiment_shape
from fitscribe.store.tables import experiment_tags, experiments, runs
from fitscribe.store.upserts import put

__all__ = [
    "by_name",
    "create",
    "delete_experiment",
    "delete_tag",
    "find",
    "get",
    "rename",
    "restore",
    "set_tag",
    "tags_of",
]

TAG_VALUE = 20_000


def now() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def find(connection: Connection, experiment: int) -> Row[Any]:
    """Return the row of an experiment, deleted or not. `Refusal`: there is none."""
    row = connection.execute(select(experiments).where(experiments.c.id == experiment)).one_or_none()
    if row is None:
        raise missing(f"No Experiment with id={experiment} exists")
    return row


def tags_of(connection: Connection, found: list[int]) -> dict[int, dict[str, str]]:
    """Return the tags of experiments by their ids."""
    tags: dict[int, dict[str, str]] = {experiment: {} for experiment in found}
    columns = experiment_tags.c
    query = select(columns.experiment, columns.key, columns.value).where(columns.experiment.in_(found))
    for experiment, key, value in connection.execute(query.order_by(columns.experiment, columns.key)):
        tags[experiment][key] = value
    return tags


def create(database: Database, body: Body) -> dict[str, Any]:
    """Answer experiments/create."""
    name = limits.experiment_name("name", required(body, "name"))
    own = places.location(text(body, "artifact_location"))
    tags = dict(_tag(item) for item in items(body, "tags"))
    row = {"name": name, "artifact_location": own, "lifecycle_stage": "active"}
    with database.writing() as connection:
        _refuse_taken(connection, name)
        moment = now()
        words = insert(experiments).values(**row, creation_time=moment, last_update_time=moment)
        experiment = connection.execute(words.returning(experiments.c.id)).scalar_one()
        put(connection, experiment_tags, [{"experiment": experiment, "key": k, "value": v} for k, v in tags.items()])
    return {"experiment_id": str(experiment)}


def _tag(item: Body) -> tuple[str, str]:
    key = limits.key("key", item.get("key"))
    return key, limits.length("value", text(item, "value"), TAG_VALUE)


def _refuse_taken(connection: Connection, name: str, but: int | None = None) -> None:
    row = connection.execute(select(experiments).where(experiments.c.name == name)).one_or_none()
    if row is not None and row.id != but:
        state = " It is deleted: restore it, or choose another name." if row.lifecycle_stage == "deleted" else ""
        raise exists(f"Experiment(name={name}) already exists, as experiment {row.id}.{state}")


def get(database: Database, body: Body) -> dict[str, Any]:
    """Answer experiments/get; a deleted one is shown as well."""
    experiment = identifier(body)
    with database.reading() as connection:
        row = find(connection, experiment)
        return {"experiment": experiment_shape(database.artifacts, row, tags_of(connection, [row.id])[row.id])}


def by_name(database: Database, body: Body) -> dict[str, Any]:
    """Answer experiments/get-by-name; a deleted one is shown as well."""
    name = required(body, "experiment_name")
    with database.reading() as connection:
        row = connection.execute(select(experiments).where(experiments.c.name == name)).one_or_none()
        if row is None:
            raise missing(f"Could not find experiment with name '{name}'")
        return {"experiment": experiment_shape(database.artifacts, row, tags_of(connection, [row.id])[row.id])}


def rename(database: Database, body: Body) -> dict[str, Any]:
    """Answer experiments/update."""
    experiment, name = identifier(body), limits.experiment_name("new_name", required(body, "new_name"))
    with database.writing() as connection:
        if find(connection, experiment).lifecycle_stage != "active":
            raise Refusal(500, "INVALID_STATE", "Cannot rename a non-active experiment.")
        _refuse_taken(connection, name, but=experiment)
        _update(connection, experiment, name=name)
    return {}


def delete_experiment(database: Database, body: Body) -> dict[str, Any]:
    """Answer experiments/delete: the experiment and its runs are marked as deleted."""
    return _mark(database, identifier(body), "active", "deleted")


def restore(database: Database, body: Body) -> dict[str, Any]:
    """Answer experiments/restore: the experiment and all its runs are back."""
    return _mark(database, identifier(body), "deleted", "active")


def _mark(database: Database, experiment: int, before: str, after: str) -> dict[str, Any]:
    with database.writing() as connection:
        if find(connection, experiment).lifecycle_stage != before:
            raise missing(f"No {before} experiment with id={experiment} exists; it is {after} already")
        _update(connection, experiment, lifecycle_stage=after)
        connection.execute(update(runs).where(runs.c.experiment == experiment).values(lifecycle_stage=after))
    return {}


def _update(connection: Connection, experiment: int, **values: str) -> None:
    words = update(experiments).where(experiments.c.id == experiment)
    connection.execute(words.values(**values, last_update_time=now()))


def set_tag(database: Database, body: Body) -> dict[str, Any]:
    """Answer experiments/set-experiment-tag."""
    experiment, (key, value) = identifier(body), _tag(body)
    with database.writing() as connection:
        _check_active(find(connection, experiment))
        put(connection, experiment_tags, [{"experiment": experiment, "key": key, "value": value}])
    return {}


def delete_tag(database: Database, body: Body) -> dict[str, Any]:
    """Answer experiments/delete-experiment-tag."""
    experiment, key = identifier(body), required(body, "key")
    columns = experiment_tags.c
    with database.writing() as connection:
        _check_active(find(connection, experiment))
        words = delete(experiment_tags).where(columns.experiment == experiment, columns.key == key)
        if not connection.execute(words).rowcount:
            raise missing(f"No tag with name: {key} in experiment with id {experiment}")
    return {}


def _check_active(row: Row[Any]) -> None:
    if row.lifecycle_stage != "active":
        raise invalid(f"The experiment {row.id} must be in the 'active' state. Current state is {row.lifecycle_stage}.")
