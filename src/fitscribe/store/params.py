"""Params: read from a request, and written once; another value for one that is there is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from fitscribe.store import limits
from fitscribe.store.fields import text
from fitscribe.store.refusal import invalid
from fitscribe.store.tables import params

__all__ = ["read", "unique", "write"]


def read(item: dict[str, Any], path: str) -> tuple[str, str]:
    """Return key and value of a param in a request; a long value is cut, a missing one is empty."""
    dot = f"{path}." if path else ""
    return limits.key(f"{dot}key", item.get("key")), text(item, "value")[: limits.PARAM]


def unique(found: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the params of one request by key. `Refusal`: one comes twice, with whatever values."""
    values = dict(found)
    if len(values) < len(found):
        keys = [key for key, _ in found]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise invalid(
            f"Duplicate parameter keys have been submitted: {twice}. Please ensure the request contains only one "
            "param value per param key."
        )
    return values


def write(connection: Connection, row: Row[Any], found: dict[str, str]) -> None:
    """Write params of a run. `Refusal`: one has another value already; then none is written."""
    if not found:
        return
    columns = params.c
    query = select(columns.key, columns.value).where(columns.run == row.id, columns.key.in_(list(found)))
    there = {row.key: row.value for row in connection.execute(query)}
    changed = [
        {"key": key, "old_value": value, "new_value": found[key]} for key, value in there.items() if value != found[key]
    ]
    if changed:
        raise invalid(
            f"Changing param values is not allowed. Params were already logged='{changed}' for run ID='{row.run_id}'. "
            "Use another key, or a nested run."
        )
    new = [{"run": row.id, "key": key, "value": value} for key, value in found.items() if key not in there]
    if new:
        connection.execute(insert(params), new)
