"""SQLite: all that is said to it alone. Everything else is SQLAlchemy Core."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event

__all__ = ["engine", "passing"]

PATIENCE = 60.0  # seconds to wait for another process's transaction


def engine(file: Path) -> Engine:
    """Return an engine on a database file, whose folder is there; the option `writes` takes the write lock at once."""
    made = create_engine(
        URL.create("sqlite", database=os.fspath(file)),
        connect_args={"timeout": PATIENCE, "check_same_thread": False},
        pool_size=4,
        max_overflow=-1,
    )
    event.listen(made, "connect", _prepare)
    event.listen(made, "begin", _begin)
    return made


def passing(error: BaseException | None) -> bool:
    """True unless the same statement meets the error again: a mistake in it, a missing table."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is None or code & 0xFF != sqlite3.SQLITE_ERROR


def _begin(connection: Connection) -> None:
    """Begin a transaction ourselves: the driver would do it late, and a late writer can be refused at once."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    try:
        connection.isolation_level = None
        # a rollback journal, where there can be no WAL, may lose what is committed unless it is synced in full
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if _write_ahead(connection) else 'FULL'}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA case_sensitive_like = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.create_function("lower", 1, _lower, deterministic=True)  # SQLite's own knows ASCII only
    except BaseException:
        connection.close()
        raise


def _lower(value: str | float | bytes | None) -> str | float | bytes | None:
    return value.lower() if isinstance(value, str) else value


def _write_ahead(connection: sqlite3.Connection) -> bool:
    """Switch the file to a write-ahead log once; False where the file system cannot have one.

    The switch does not wait for others by itself: of many processes that start at once most are told "locked".
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
            return bool(mode == "wal" or connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
