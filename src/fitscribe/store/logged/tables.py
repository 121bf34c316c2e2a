"""The tables of logged models, and which runs made them.

A model is the server's record of what lies in a folder of its own; `run_id` is text and no reference, since a model may
come from elsewhere.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, String, Table, Text

from fitscribe.store.tables import Number, metadata, owned

__all__ = ["logged_metrics", "logged_models", "logged_params", "logged_tags", "model_outputs"]

logged_models = Table(
    "logged_models",
    metadata,
    Column("id", Number, primary_key=True),
    Column("model_id", String(64), nullable=False, unique=True),
    owned("experiment", "experiments"),
    Column("name", Text, nullable=False),
    Column("model_type", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("source_run_id", Text, nullable=False),
    Column("lifecycle_stage", String(8), nullable=False),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
)
Index("ix_logged_models_newest", logged_models.c.experiment, logged_models.c.creation_time.desc())


def _texts(name: str) -> Table:
    return Table(
        name,
        metadata,
        owned("model", "logged_models", primary_key=True),
        Column("key", Text, primary_key=True),
        Column("value", Text, nullable=False),
        sqlite_with_rowid=False,
    )


logged_params = _texts("logged_params")
logged_tags = _texts("logged_tags")

logged_metrics = Table(
    "logged_metrics",
    metadata,
    owned("model", "logged_models", primary_key=True),
    Column("key", Text, primary_key=True),
    Column("timestamp", BigInteger, primary_key=True),
    Column("step", BigInteger, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("value", Double, nullable=False),
    Column("is_nan", Boolean, nullable=False),
    Column("dataset_name", Text, nullable=False),
    Column("dataset_digest", Text, nullable=False),
    sqlite_with_rowid=False,
)

model_outputs = Table(
    "model_outputs",
    metadata,
    owned("run", "runs", primary_key=True),
    Column("model_id", Text, primary_key=True),
    Column("step", BigInteger, nullable=False),
)
