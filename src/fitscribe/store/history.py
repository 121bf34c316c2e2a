"""The history of a metric: all of its points in pages, or a sample over several runs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from fitscribe.store.database import Database
from fitscribe.store.fields import Body, integer, page_size, required, run_id_of, texts
from fitscribe.store.paging import offset, page
from fitscribe.store.refusal import invalid
from fitscribe.store.shapes import number
from fitscribe.store.tables import points, runs, series

__all__ = ["history", "sampled"]

EVERYTHING = 2**62
RUNS, SAMPLE = 100, 2500

_columns = (points.c.value, points.c.is_nan, points.c.timestamp, points.c.step)


def history(database: Database, body: Body) -> dict[str, Any]:
    """Answer metrics/get-history: by time, step and value; an unknown run or key has no points."""
    run_id, key, start = run_id_of(body), required(body, "metric_key"), offset(body)
    size = page_size(body, EVERYTHING, EVERYTHING)
    order = (points.c.timestamp, points.c.step, points.c.value, points.c.is_nan)
    query = (
        select(*_columns)
        .join_from(points, series)
        .join(runs)
        .where(runs.c.run_id == run_id, series.c.key == key)
        .order_by(points.c.series, *order)
    )
    with database.reading() as connection:
        found, token = page(connection.execute(query.limit(size + 1).offset(start)).all(), size, start)
    metrics = [
        {"key": key, "value": number(value, is_nan), "timestamp": timestamp, "step": step}
        for value, is_nan, timestamp, step in found
    ]
    return {**({"metrics": metrics} if metrics else {}), **token}


def sampled(database: Database, body: Body) -> dict[str, Any]:
    """Answer metrics/get-history-bulk-interval: at most so many points a run, evenly over its steps, first and last."""
    run_ids, key = texts(body, "run_ids", query=True), required(body, "metric_key")
    if not 1 <= len(run_ids) <= RUNS:
        raise invalid(f"get-history-bulk-interval needs 1 to {RUNS} run_ids; got {len(run_ids)}.")
    size, bounds = page_size(body, SAMPLE, SAMPLE), _bounds(body)
    found: list[dict[str, Any]] = []
    with database.reading() as connection:
        for run_id in dict.fromkeys(run_ids):  # an unknown one has no points
            run = select(runs.c.id).where(runs.c.run_id == run_id).scalar_subquery()
            wanted = [series.c.run == run, series.c.key == key, *bounds]
            found += [{"key": key, **each, "run_id": run_id} for each in _sample(connection, wanted, size)]
    return {"metrics": found} if found else {}


def _bounds(body: Body) -> list[ColumnElement[bool]]:
    first, last = integer(body, "start_step"), integer(body, "end_step")
    if first is None and last is None:
        return []
    if first is None or last is None:
        raise invalid("If either start step or end step are specified, both must be specified.")
    if first > last:
        raise invalid(f"end_step must be greater than start_step. Found start_step={first} and end_step={last}.")
    return [points.c.step.between(first, last)]


def _sample(connection: Connection, wanted: list[ColumnElement[bool]], size: int) -> list[dict[str, Any]]:
    order = (points.c.step, points.c.timestamp, points.c.value, points.c.is_nan)
    place = func.row_number().over(order_by=order).label("place")
    count = connection.scalar(select(func.count()).select_from(points.join(series)).where(*wanted)) or 0
    numbered = select(*_columns, place).join_from(points, series).where(*wanted).subquery()
    query = select(numbered).where(numbered.c.place.in_(_places(count, size))).order_by(numbered.c.place)
    return [
        {"value": number(value, is_nan), "timestamp": timestamp, "step": step}
        for value, is_nan, timestamp, step, _ in connection.execute(query)
    ]


def _places(count: int, size: int) -> list[int]:
    """Return which of `count` points to show, counted from 1: evenly spread, the last always, the first if it fits."""
    if count <= size:
        return list(range(1, count + 1))
    if size == 1:
        return [count]
    return [1 + index * (count - 1) // (size - 1) for index in range(size)]
