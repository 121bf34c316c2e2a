"""Inputs of runs: the datasets that were used, each kept once per experiment, and models."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from fitscribe.store import limits, runs
from fitscribe.store.database import Database
from fitscribe.store.fields import Body, items, required, text
from fitscribe.store.refusal import invalid
from fitscribe.store.tables import dataset_tags, datasets, inputs, model_inputs
from fitscribe.store.upserts import insert_new

__all__ = ["log_inputs"]

LENGTHS = {
    "name": 500,
    "digest": 36,
    "source_type": 36,
    "source": 65_535,
    "schema": 1_048_575,
    "profile": 16_777_215,
}
TAG_KEY, TAG_VALUE = 255, 500
MOST = 1000


def log_inputs(database: Database, body: Body) -> dict[str, Any]:
    """Answer runs/log-inputs; a dataset that the run has already stays as it is, with the tags it has."""
    run_id = required(body, "run_id")
    found = [_read(item, f"datasets[{index}]") for index, item in enumerate(items(body, "datasets"))]
    models = [required(item, "model_id") for item in items(body, "models")]
    if len(found) > MOST or len(models) > MOST:
        raise invalid(f"A request can contain at most {MOST} datasets and {MOST} models. Send them in several.")
    with database.writing() as connection:
        row = runs.active(connection, run_id)
        for dataset, labels in found:
            _write(connection, row.id, {"experiment": row.experiment, **dataset}, labels)
        insert_new(connection, model_inputs, [{"run": row.id, "model_id": model} for model in models])
    return {}


def _read(item: dict[str, Any], path: str) -> tuple[dict[str, str], dict[str, str]]:
    given = item.get("dataset")
    if not isinstance(given, dict):
        raise invalid(f"Missing value for required parameter '{path}.dataset'.")
    dataset = {name: limits.length(f"{path}.dataset.{name}", text(given, name), most) for name, most in LENGTHS.items()}
    labels = {}
    for label in items(item, "tags"):
        key = limits.length(f"{path}.tags.key", required(label, "key"), TAG_KEY)
        labels[key] = limits.length(f"{path}.tags.value", text(label, "value"), TAG_VALUE)
    return dataset, labels


def _write(connection: Connection, run: int, dataset: dict[str, Any], labels: dict[str, str]) -> None:
    columns = datasets.c
    insert_new(connection, datasets, [dataset])
    same = [columns[name] == dataset[name] for name in ("experiment", "name", "digest")]
    used = {"run": run, "dataset": connection.scalar(select(columns.id).where(*same))}
    query = select(inputs.c.id).where(inputs.c.run == run, inputs.c.dataset == used["dataset"])
    if connection.scalar(query) is not None:
        return
    insert_new(connection, inputs, [used])
    owner = connection.scalar(query)
    insert_new(connection, dataset_tags, [{"input": owner, "key": key, "value": labels[key]} for key in labels])
