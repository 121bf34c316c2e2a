"""Logged models: created once, shown, finished, tagged, given params, deleted."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update
from sqlalchemy import delete as delete_from

from fitscribe.store import experiments, limits, params, places, runs
from fitscribe.store.database import Database
from fitscribe.store.fields import Body, choice, identifier, integer_of, items, required, text
from fitscribe.store.logged.data import STATUSES, shapes
from fitscribe.store.logged.tables import logged_models, logged_params, logged_tags, model_outputs
from fitscribe.store.names import random_name
from fitscribe.store.refusal import invalid, missing
from fitscribe.store.tables import experiments as experiment_table
from fitscribe.store.upserts import insert_new, put

__all__ = [
    "MODEL",
    "create",
    "delete",
    "delete_tag",
    "find",
    "finish",
    "folder_uri",
    "get",
    "log_params",
    "outputs",
    "registered",
    "set_tags",
]

KEY = "fitscribe.model_key"
"""The tag whose value becomes the model's id, so that creating it again finds it."""

VERSIONS = "mlflow.modelVersions"
"""The tag that names the registered versions which came from a model, as JSON."""

MODEL: Select[Any] = select(logged_models, experiment_table.c.artifact_location).join_from(
    logged_models, experiment_table
)
"""Everything that a model's info needs."""

_identity = re.compile(r"m-[0-9a-f]{32}").fullmatch
_barred = re.compile(r"[/:.%\"']")


def find(connection: Connection, model_id: str, *, lock: bool = False) -> Row[Any]:
    """Return the row of a model; `lock` keeps other writers from it. `Refusal`: there is none, or it is deleted."""
    query = MODEL.where(logged_models.c.model_id == model_id, logged_models.c.lifecycle_stage == "active")
    row = connection.execute(query.with_for_update(of=logged_models) if lock else query).one_or_none()
    if row is None:
        raise missing(f"Logged model with ID '{model_id}' not found.")
    return row


def folder_uri(database: Database, row: Row[Any]) -> str:
    """Return the artifact URI of a model from a row of `MODEL`."""
    return places.model_uri(database.artifacts, row.experiment, row.artifact_location, row.model_id)


def create(database: Database, body: Body) -> dict[str, Any]:
    """Answer a new model. The tag `fitscribe.model_key` becomes its id; with it a second call finds the model."""
    labels = _tags(body)
    key, now = labels.get(KEY, ""), _now()
    values: dict[str, Any] = {
        "model_id": key if _identity(key) else f"m-{uuid.uuid4().hex}",
        "experiment": identifier(body),
        "name": _name(text(body, "name")) or random_name(),
        "model_type": text(body, "model_type"),
        "status": STATUSES[0],
        "source_run_id": text(body, "source_run_id"),
        "lifecycle_stage": "active",
        "creation_time": now,
        "last_update_time": now,
    }
    settings = _params(body)
    with database.writing() as connection:
        there = connection.execute(MODEL.where(logged_models.c.model_id == values["model_id"])).one_or_none()
        if there is None:
            _insert(connection, values, settings, labels)
        return _shown(database, connection, values["model_id"])


def _insert(
    connection: Connection, values: dict[str, Any], settings: Mapping[str, str], labels: Mapping[str, str]
) -> None:
    experiment = experiments.find(connection, values["experiment"])
    if experiment.lifecycle_stage != "active":
        raise invalid(
            f"The experiment {experiment.id} must be in the 'active' state. "
            f"Current state is {experiment.lifecycle_stage}."
        )
    model = connection.execute(insert(logged_models).values(values).returning(logged_models.c.id)).scalar_one()
    put(connection, logged_params, _rows(model, settings))
    put(connection, logged_tags, _rows(model, labels))


def get(database: Database, body: Body) -> dict[str, Any]:
    """Answer with one model."""
    with database.reading() as connection:
        return _shown(database, connection, required(body, "model_id"))


def finish(database: Database, body: Body) -> dict[str, Any]:
    """Set the status of a model: it is ready, or its files did not arrive."""
    required(body, "model_id")
    status = choice(body, "status", [f"LOGGED_MODEL_{each}" for each in STATUSES])
    if not status:
        raise invalid("Missing value for required parameter 'status'.")
    with database.writing() as connection:
        row = find(connection, body["model_id"], lock=True)
        _change(connection, row, status=status.removeprefix("LOGGED_MODEL_"))
        return _shown(database, connection, row.model_id)


def delete(database: Database, body: Body) -> dict[str, Any]:
    """Mark a model as deleted; its files stay. Again and again."""
    model_id = required(body, "model_id")
    with database.writing() as connection:
        there = connection.execute(MODEL.where(logged_models.c.model_id == model_id)).one_or_none()
        if there is None:
            raise missing(f"Logged model with ID '{model_id}' not found.")
        _change(connection, there, lifecycle_stage="deleted")
    return {}


def set_tags(database: Database, body: Body) -> dict[str, Any]:
    """Set tags of a model."""
    labels = _tags(body)
    with database.writing() as connection:
        row = find(connection, required(body, "model_id"), lock=True)
        put(connection, logged_tags, _rows(row.id, labels))
        _change(connection, row)
    return {}


def delete_tag(database: Database, body: Body) -> dict[str, Any]:
    """Take a tag of a model away. `Refusal`: it has no such tag."""
    model_id, key = required(body, "model_id"), required(body, "tag_key")
    with database.writing() as connection:
        row = find(connection, model_id, lock=True)
        words = delete_from(logged_tags).where(logged_tags.c.model == row.id, logged_tags.c.key == key)
        if not connection.execute(words).rowcount:
            raise missing(f"No tag with key '{key}' found for model with ID '{model_id}'.")
        _change(connection, row)
    return {}


def log_params(database: Database, body: Body) -> dict[str, Any]:
    """Give a model params; one that is there keeps its value, and another value for it is refused."""
    settings = _params(body)
    with database.writing() as connection:
        row = find(connection, required(body, "model_id"), lock=True)
        columns = logged_params.c
        query = select(columns.key, columns.value).where(columns.model == row.id, columns.key.in_(list(settings)))
        changed = [each.key for each in connection.execute(query) if each.value != settings[each.key]]
        if changed:
            raise invalid(f"Changing param values is not allowed: {changed} of model {row.model_id} have other values")
        insert_new(connection, logged_params, _rows(row.id, settings))
        _change(connection, row)
    return {}


def outputs(database: Database, body: Body) -> dict[str, Any]:
    """Answer runs/outputs: which models a run made; to say it again changes nothing."""
    run_id = required(body, "run_id")
    found = [(required(item, "model_id"), integer_of("step", item.get("step") or 0)) for item in items(body, "models")]
    with database.writing() as connection:
        row = runs.active(connection, run_id)
        for model, _ in found:
            find(connection, model)
        rows = [{"run": row.id, "model_id": model, "step": step} for model, step in found]
        insert_new(connection, model_outputs, rows)
    return {}


def registered(connection: Connection, model_id: str, name: str, version: int) -> None:
    """Note in a model's tags that a version of a registered model came from it; a model that is gone has no tags."""
    row = connection.execute(MODEL.where(logged_models.c.model_id == model_id)).one_or_none()
    if row is None:
        return
    query = select(logged_tags.c.value).where(logged_tags.c.model == row.id, logged_tags.c.key == VERSIONS)
    before = _listed(connection.scalar(query))
    found = [each for each in before if each != {"name": name, "version": version}]
    words = json.dumps([*found, {"name": name, "version": version}])
    put(connection, logged_tags, [{"model": row.id, "key": VERSIONS, "value": words}])


def _listed(words: str | None) -> list[Any]:
    try:
        found = json.loads(words or "[]")
    except ValueError:  # a user may have set the tag to anything
        return []
    return found if isinstance(found, list) else []


def _shown(database: Database, connection: Connection, model_id: str) -> dict[str, Any]:
    return {"model": shapes(connection, database.artifacts, [find(connection, model_id)])[0]}


def _change(connection: Connection, row: Row[Any], **values: str) -> None:
    changed = {**values, "last_update_time": _now()}
    connection.execute(update(logged_models).where(logged_models.c.id == row.id).values(changed))


def _rows(model: int, pairs: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"model": model, "key": key, "value": value} for key, value in pairs.items()]


def _tags(body: Body) -> dict[str, str]:
    return {required(item, "key"): text(item, "value")[: limits.TAG] for item in items(body, "tags")}


def _params(body: Body) -> dict[str, str]:
    return params.unique(
        [(required(item, "key"), text(item, "value")[: limits.PARAM]) for item in items(body, "params")]
    )


def _name(name: str) -> str:
    if _barred.search(name):
        raise invalid(
            f"Invalid model name ({name!r}) provided. Model name must be a non-empty string and cannot contain the "
            "following characters: ('/', ':', '.', '%', '\"', \"'\")"
        )
    return limits.length("name", name, limits.EXPERIMENT_NAME)


def _now() -> int:
    return time.time_ns() // 1_000_000
