"""What belongs to logged models, many at a time: params, tags and metrics, in the protocol's shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, Table, bindparam, select

from fitscribe.store import places
from fitscribe.store.fields import text
from fitscribe.store.logged.tables import logged_metrics, logged_models, logged_params, logged_tags
from fitscribe.store.metrics import Point
from fitscribe.store.shapes import number, pairs
from fitscribe.store.upserts import insert_new

__all__ = ["STATUSES", "Linked", "linked", "shapes", "write"]

STATUSES = ("PENDING", "READY", "UPLOAD_FAILED")
"""Of a model, in the order of the protocol's numbers from 1."""

Linked = tuple[str, str, str]  # the model, dataset and digest that a metric point belongs to, each of them or empty

_wanted: BindParameter[Any] = bindparam("wanted", expanding=True, literal_execute=True)


def shapes(connection: Connection, home: Path, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Return models from rows of `models.MODEL`, in their order; `home` is the store's own folder of artifacts."""
    wanted = [row.id for row in rows]
    params, tags = _pairs(connection, logged_params, wanted), _pairs(connection, logged_tags, wanted)
    metrics = _metrics(connection, wanted)
    found = []
    for row in rows:
        info = _info(home, row)
        if row.id in tags:
            info["tags"] = pairs(tags[row.id].items())
        data: dict[str, Any] = {"params": pairs(params[row.id].items())} if row.id in params else {}
        if row.id in metrics:
            data["metrics"] = [_metric(each, row.model_id) for each in metrics[row.id]]
        found.append({"info": info, "data": data})
    return found


def _info(home: Path, row: Row[Any]) -> dict[str, Any]:
    return {
        "model_id": row.model_id,
        "experiment_id": str(row.experiment),
        "name": row.name,
        "creation_timestamp_ms": row.creation_time,
        "last_updated_timestamp_ms": row.last_update_time,
        "artifact_uri": places.model_uri(home, row.experiment, row.artifact_location, row.model_id),
        "status": f"LOGGED_MODEL_{row.status}",
        "model_type": row.model_type,
        "source_run_id": row.source_run_id,
    }


def _pairs(connection: Connection, table: Table, wanted: list[int]) -> dict[int, dict[str, str]]:
    columns = table.c
    query = select(table).where(columns.model.in_(_wanted)).order_by(columns.model, columns.key)
    found: dict[int, dict[str, str]] = {}
    for row in connection.execute(query, {"wanted": wanted}):
        found.setdefault(row.model, {})[row.key] = row.value
    return found


def _metrics(connection: Connection, wanted: list[int]) -> dict[int, list[Row[Any]]]:
    columns = logged_metrics.c
    order = (columns.model, columns.key, columns.timestamp, columns.step)
    found: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(
        select(logged_metrics).where(columns.model.in_(_wanted)).order_by(*order), {"wanted": wanted}
    ):
        found.setdefault(row.model, []).append(row)
    return found


def _metric(row: Row[Any], model_id: str) -> dict[str, Any]:
    shape = {
        "key": row.key,
        "value": number(row.value, row.is_nan),
        "timestamp": row.timestamp,
        "step": row.step,
        "model_id": model_id,
    }
    optional = {name: getattr(row, name) for name in ("dataset_name", "dataset_digest", "run_id")}
    return {**shape, **{name: value for name, value in optional.items() if value}}


def linked(item: Mapping[str, Any]) -> Linked:
    """Return the model and the dataset that a metric in a request names."""
    return text(item, "model_id"), text(item, "dataset_name"), text(item, "dataset_digest")


def write(connection: Connection, run_id: str, found: Sequence[tuple[str, Point]], links: Sequence[Linked]) -> None:
    """Write the points that belong to models as well; one that is there already, or of no known model, does nothing."""
    named = [(each, point) for each, point in zip(links, found, strict=True) if each[0]]
    if not named:
        return
    ids = {model for (model, _, _), _ in named}
    query = select(logged_models.c.model_id, logged_models.c.id).where(logged_models.c.model_id.in_(ids))
    known = {row.model_id: row.id for row in connection.execute(query)}
    rows = [
        {
            "model": known[model],
            "run_id": run_id,
            "key": key,
            **point._asdict(),
            "dataset_name": dataset,
            "dataset_digest": digest,
        }
        for (model, dataset, digest), (key, point) in named
        if model in known
    ]
    insert_new(connection, logged_metrics, rows)
