"""Tags of runs: read from a request, set, and taken away."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy import delete as delete_from

from fitscribe.store import limits, runs
from fitscribe.store.database import Database
from fitscribe.store.fields import Body, required, run_id_of, text
from fitscribe.store.refusal import invalid, missing
from fitscribe.store.tables import runs as run_table
from fitscribe.store.tables import tags
from fitscribe.store.upserts import put

__all__ = ["delete", "log_model", "read", "set_tag", "write"]

HISTORY = "mlflow.log-model.history"
NEEDED = ("artifact_path", "flavors", "utc_time_created", "run_id")


def read(item: dict[str, Any], path: str) -> tuple[str, str]:
    """Return key and value of a tag in a request; a long value is cut, a missing one is empty."""
    dot = f"{path}." if path else ""
    return limits.key(f"{dot}key", item.get("key")), text(item, "value")[: limits.TAG]


def write(connection: Connection, run: int, found: dict[str, str]) -> None:
    """Set tags of a run; one of them names the run."""
    put(connection, tags, [{"run": run, "key": key, "value": value} for key, value in found.items()])
    if found.get(runs.NAME):
        connection.execute(update(run_table).where(run_table.c.id == run).values(name=found[runs.NAME]))


def set_tag(database: Database, body: Body) -> dict[str, Any]:
    """Answer runs/set-tag."""
    run_id, (key, value) = run_id_of(body), read(dict(body), "")
    with database.writing() as connection:
        write(connection, runs.active(connection, run_id).id, {key: value})
    return {}


def delete(database: Database, body: Body) -> dict[str, Any]:
    """Answer runs/delete-tag."""
    run_id, key = required(body, "run_id"), required(body, "key")
    with database.writing() as connection:
        run = runs.active(connection, run_id).id
        words = delete_from(tags).where(tags.c.run == run, tags.c.key == key)
        if not connection.execute(words).rowcount:
            raise missing(f"No tag with name: {key} in run with id {run_id}")
    return {}


def log_model(database: Database, body: Body) -> dict[str, Any]:
    """Answer runs/log-model, the old way to tell of a model: a list of them in one tag, of any length."""
    run_id, model = required(body, "run_id"), _model(required(body, "model_json"))
    with database.writing() as connection:
        run = runs.active(connection, run_id).id
        before = connection.scalar(select(tags.c.value).where(tags.c.run == run, tags.c.key == HISTORY))
        write(connection, run, {HISTORY: json.dumps([*_listed(before), model])})
    return {}


def _model(words: str) -> dict[str, Any]:
    """Return what the tag keeps of a model."""
    try:
        model = json.loads(words)
    except (ValueError, RecursionError):
        model = None
    if not isinstance(model, dict):
        raise invalid(f"Malformed model info: {words[:200]!r} is not a valid JSON object.")
    lacking = [name for name in NEEDED if name not in model]
    if lacking:
        raise invalid(f"Model json is missing mandatory fields: {lacking}")
    kept = {name: model[name] for name in (*NEEDED, "model_uuid", "model_id") if name in model}
    if isinstance(kept["flavors"], dict):
        kept["flavors"] = {name: _without_config(flavor) for name, flavor in kept["flavors"].items()}
    return kept


def _without_config(flavor: Any) -> Any:
    """Leave out what may be long and is in the model's own files."""
    return {key: value for key, value in flavor.items() if key != "config"} if isinstance(flavor, dict) else flavor


def _listed(before: str | None) -> list[Any]:
    """Return the models before; a user may have set the tag to anything."""
    try:
        models = json.loads(before or "[]")
    except ValueError:
        return []
    return models if isinstance(models, list) else []
