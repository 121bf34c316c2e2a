"""What is written to a run: one metric, one param, or a batch of metrics, params and tags, all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fitscribe.store import limits, metrics, params, runs, tags
from fitscribe.store.database import Database
from fitscribe.store.fields import Body, items, required, run_id_of
from fitscribe.store.logged import data as logged

__all__ = ["log_batch", "log_metric", "log_parameter"]

T = TypeVar("T")


def log_metric(database: Database, body: Body) -> dict[str, Any]:
    """Answer runs/log-metric."""
    run_id, point = run_id_of(body), metrics.read(dict(body), "")
    with database.writing() as connection:
        metrics.write(connection, runs.active(connection, run_id).id, [point])
        logged.write(connection, run_id, [point], [logged.linked(body)])
    return {}


def log_parameter(database: Database, body: Body) -> dict[str, Any]:
    """Answer runs/log-parameter."""
    run_id, param = run_id_of(body), params.read(dict(body), "")
    with database.writing() as connection:
        params.write(connection, runs.active(connection, run_id), dict([param]))
    return {}


def log_batch(database: Database, body: Body) -> dict[str, Any]:
    """Answer runs/log-batch; everything is checked before the first is written."""
    run_id = required(body, "run_id")
    lists = {name: items(body, name) for name in ("metrics", "params", "tags")}
    limits.batch(lists["metrics"], lists["params"], lists["tags"])
    points = _all(lists, "metrics", metrics.read)
    values = params.unique(_all(lists, "params", params.read))
    labels = dict(_all(lists, "tags", tags.read))
    with database.writing() as connection:
        row = runs.active(connection, run_id)
        params.write(connection, row, values)
        if points:
            metrics.write(connection, row.id, points)
            logged.write(connection, run_id, points, [logged.linked(each) for each in lists["metrics"]])
        tags.write(connection, row.id, labels)
    return {}


def _all(lists: dict[str, list[dict[str, Any]]], name: str, read: Callable[[dict[str, Any], str], T]) -> list[T]:
    return [read(item, f"{name}[{index}]") for index, item in enumerate(lists[name])]
