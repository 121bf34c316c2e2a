"""Metric points: read from a request, written once each, and the latest of each series kept up to date."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from fitscribe.store import limits
from fitscribe.store.fields import float_of, integer_of
from fitscribe.store.refusal import invalid
from fitscribe.store.tables import points, series
from fitscribe.store.upserts import insert_new

__all__ = ["Point", "read", "write"]

KEYS_AT_ONCE = 500


class Point(NamedTuple):
    """A value at a step and a time (milliseconds since 1970), in the order that decides which is latest."""

    step: int
    timestamp: int
    value: float  # 0 for NaN
    is_nan: bool


Latest: TypeAlias = dict[str, Point]


def read(item: dict[str, Any], path: str) -> tuple[str, Point]:
    """Return the key and the point of a metric in a request; `path` is what a refusal calls it."""
    dot = f"{path}." if path else ""
    key = limits.key(f"{dot}key", item.get("key"))
    for name in ("value", "timestamp"):
        if item.get(name) is None:
            raise invalid(f"Missing value for required parameter '{dot}{name}'.")
    value = float_of(f"{dot}value", item["value"])
    timestamp = integer_of(f"{dot}timestamp", item["timestamp"])
    if timestamp < 0:
        raise invalid(
            f"Invalid value {timestamp} for parameter '{dot}timestamp' supplied: metric '{key}' (value={value}). "
            "Timestamp must be a nonnegative long (64-bit integer)"
        )
    step = item.get("step")
    is_nan = math.isnan(value)
    return key, Point(
        0 if step is None else integer_of(f"{dot}step", step), timestamp, 0.0 if is_nan else value, is_nan
    )


def write(connection: Connection, run: int, found: Sequence[tuple[str, Point]]) -> None:
    """Write points of a run; those that are there already change nothing."""
    latest: Latest = {}
    for key, point in found:
        if key not in latest or point > latest[key]:
            latest[key] = point
    known = _known(connection, run, list(latest))
    _advance(connection, known, latest)
    new = [key for key in latest if key not in known]
    if new:
        connection.execute(insert(series), [{"run": run, "key": key, **latest[key]._asdict()} for key in new])
        known |= _known(connection, run, new)
    ids = {key: row.id for key, row in known.items()}
    rows = [
        {"series": ids[key], "timestamp": timestamp, "step": step, "value": value, "is_nan": is_nan}
        for key, (step, timestamp, value, is_nan) in found
    ]
    insert_new(connection, points, rows)


def _known(connection: Connection, run: int, keys: list[str]) -> dict[str, Row[Any]]:
    """Return the series of a run under some keys."""
    found: dict[str, Row[Any]] = {}
    for start in range(0, len(keys), KEYS_AT_ONCE):
        part = keys[start : start + KEYS_AT_ONCE]
        query = select(series).where(series.c.run == run, series.c.key.in_(part))
        found.update((row.key, row) for row in connection.execute(query))
    return found


def _advance(connection: Connection, known: dict[str, Row[Any]], latest: Latest) -> None:
    newer = [
        {"series_id": row.id, **{f"new_{name}": part for name, part in latest[key]._asdict().items()}}
        for key, row in known.items()
        if latest[key] > Point(row.step, row.timestamp, row.value, row.is_nan)
    ]
    if newer:
        connection.execute(_update, newer)


def _values(names: Iterable[str]) -> dict[str, Any]:
    return {name: bindparam(f"new_{name}") for name in names}


_update = update(series).where(series.c.id == bindparam("series_id")).values(_values(Point._fields))
