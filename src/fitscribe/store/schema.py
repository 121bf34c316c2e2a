"""The schema's version: read by ourselves at every opening, so that Alembic is imported only to migrate."""

from __future__ import annotations

import threading

from sqlalchemy import Connection, Engine, column, inspect, select, table

from fitscribe.store.refusal import Refusal

__all__ = ["HEAD", "HISTORY", "bring_up"]

HISTORY = ("0001", "0002", "0003")
"""Every version there was, oldest first; each has its file in `migrations/versions`."""

HEAD = HISTORY[-1]

_migrating = threading.Lock()  # Alembic keeps the migration in progress in a module


def bring_up(engine: Engine) -> None:
    """Migrate the database to this version's schema; of many processes that find it older, one does it.

    `Refusal`: a newer version wrote it.
    """
    with engine.connect() as connection, connection.begin():
        if _known(connection) == HEAD:
            return
    with _migrating, engine.execution_options(writes=True).connect() as connection, connection.begin():
        if _known(connection) != HEAD:  # another process may have been faster
            _upgrade(connection)


def _known(connection: Connection) -> str:
    version = _version(connection)
    if version and version not in HISTORY:
        raise Refusal(
            500,
            "INVALID_STATE",
            f"{connection.engine.url.database} was written by a newer version of fitscribe (its schema is {version}, "
            f"this version knows {HEAD}); upgrade fitscribe to use it",
        )
    return version


def _version(connection: Connection) -> str:
    """Return the version that is written down; empty for a database without tables."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.scalar(select(column("version_num")).select_from(table("alembic_version"))) or ""


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "fitscribe.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
