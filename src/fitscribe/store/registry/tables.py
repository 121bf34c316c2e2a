"""The tables of the registry, beside those of runs.

A version's number comes from `last_version` of its model, which only counts up: the number of one that was deleted
is not given again. What lies in the store's own folder is kept by its path from there (`ours`), since the folder may be
moved.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, String, Table, Text, UniqueConstraint

from fitscribe.store.tables import Number, metadata, owned

__all__ = [
    "model_aliases",
    "model_version_tags",
    "model_versions",
    "notices",
    "registered_model_tags",
    "registered_models",
    "webhooks",
]

registered_models = Table(
    "registered_models",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
    Column("last_version", BigInteger, nullable=False),
)

registered_model_tags = Table(
    "registered_model_tags",
    metadata,
    owned("model", "registered_models", primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("id", Number, primary_key=True),
    owned("model", "registered_models"),
    Column("version", BigInteger, nullable=False),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
    Column("stage", String(10), nullable=False),
    Column("description", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("run_link", Text, nullable=False),
    Column("model_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_message", Text, nullable=False),
    Column("ours", Boolean, nullable=False),  # the source is a path below the store's own folder of artifacts
    Column("location", Text),  # where the files lie, if not at the source
    UniqueConstraint("model", "version"),
)
Index("ix_model_versions_run_id", model_versions.c.run_id)

model_version_tags = Table(
    "model_version_tags",
    metadata,
    owned("version", "model_versions", primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

model_aliases = Table(
    "model_aliases",
    metadata,
    owned("model", "registered_models", primary_key=True),
    Column("alias", Text, primary_key=True),
    owned("version", "model_versions"),
    sqlite_with_rowid=False,
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Number, primary_key=True),
    Column("webhook_id", String(36), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("events", Text, nullable=False),  # such as "model_version.created", with a space between two
    Column("status", String(8), nullable=False),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
)

notices = Table(
    "notices",
    metadata,
    Column("id", Number, primary_key=True),
    Column("delivery_id", String(36), nullable=False, unique=True),
    Column("webhook", Number, ForeignKey("webhooks.id")),  # null: of the settings of the process that made the change
    Column("url", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("trouble", Text, nullable=False),  # of the last attempt
    Column("signed", Boolean, nullable=False),  # it does not go out without a signature
    Column("refused", Boolean, nullable=False),  # for good; kept to be looked at
    Column("attempts", BigInteger, nullable=False),
    Column("due", BigInteger, nullable=False),  # milliseconds; not before then
)
