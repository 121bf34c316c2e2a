"""Inserts of rows that may be there already, in the words that SQLite and PostgreSQL share."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table

__all__ = ["insert_new", "put"]


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows that are not there yet, each column being given; rows that are stay as they are."""
    if rows:
        connection.execute(_insert(connection)(table).on_conflict_do_nothing(), rows)


def put(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows, or give those that are there (by primary key) the new `value`."""
    if rows:
        words = _insert(connection)(table)
        index = list(table.primary_key.columns)
        connection.execute(
            words.on_conflict_do_update(index_elements=index, set_={"value": words.excluded.value}), rows
        )


def _insert(connection: Connection) -> Any:
    return importlib.import_module(f"sqlalchemy.dialects.{connection.dialect.name}").insert
