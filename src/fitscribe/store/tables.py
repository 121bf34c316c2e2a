"""The tables of the store, as SQLAlchemy Core has them; the migrations make them.

Small on purpose: the text of a metric's key stands once per run (`series`), not with every point and again in
an index, and a run is an integer wherever it is referred to. What is latest of a metric stands in its series.
NaN is stored as 0 with `is_nan`: SQLite has no NaN, and it must sort and be unique like any other value.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "Number",
    "dataset_tags",
    "datasets",
    "experiment_tags",
    "experiments",
    "inputs",
    "metadata",
    "model_inputs",
    "owned",
    "params",
    "points",
    "runs",
    "series",
    "tags",
]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Number = BigInteger().with_variant(Integer(), "sqlite")
"""A key that counts up: only a column of type INTEGER is SQLite's own row number."""


def owned(name: str, table: str, *, primary_key: bool = False) -> Column[int]:
    """Return the column that says whose a row is."""
    return Column(name, Number, ForeignKey(f"{table}.id"), nullable=False, primary_key=primary_key)


experiments = Table(
    "experiments",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("artifact_location", Text),  # a URI; null: the store's own folder, wherever that lies today
    Column("lifecycle_stage", String(8), nullable=False),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
    sqlite_autoincrement=True,  # the id of an experiment that is gone for good is not used again
)

experiment_tags = Table(
    "experiment_tags",
    metadata,
    owned("experiment", "experiments", primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Number, primary_key=True),
    Column("run_id", String(32), nullable=False, unique=True),
    owned("experiment", "experiments"),
    Column("name", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("status", String(9), nullable=False),
    Column("start_time", BigInteger, nullable=False),
    Column("end_time", BigInteger),
    Column("lifecycle_stage", String(8), nullable=False),
)
Index("ix_runs_newest", runs.c.experiment, runs.c.start_time.desc(), runs.c.run_id)


def _texts(name: str) -> Table:
    return Table(
        name,
        metadata,
        owned("run", "runs", primary_key=True),
        Column("key", Text, primary_key=True),
        Column("value", Text, nullable=False),
        sqlite_with_rowid=False,
    )


params = _texts("params")
tags = _texts("tags")

series = Table(
    "series",
    metadata,
    Column("id", Number, primary_key=True),
    owned("run", "runs"),
    Column("key", Text, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("value", Double, nullable=False),
    Column("is_nan", Boolean, nullable=False),
    UniqueConstraint("run", "key"),
)

points = Table(
    "points",
    metadata,
    owned("series", "series", primary_key=True),
    Column("timestamp", BigInteger, primary_key=True),
    Column("step", BigInteger, primary_key=True),
    Column("value", Double, primary_key=True),
    Column("is_nan", Boolean, primary_key=True),
    sqlite_with_rowid=False,
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", Number, primary_key=True),
    owned("experiment", "experiments"),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("source_type", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("schema", Text, nullable=False),
    Column("profile", Text, nullable=False),
    UniqueConstraint("experiment", "name", "digest"),
)

inputs = Table(
    "inputs",
    metadata,
    Column("id", Number, primary_key=True),
    owned("run", "runs"),
    owned("dataset", "datasets"),
    UniqueConstraint("run", "dataset"),
)

dataset_tags = Table(
    "dataset_tags",
    metadata,
    owned("input", "inputs", primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

model_inputs = Table(
    "model_inputs",
    metadata,
    owned("run", "runs", primary_key=True),
    Column("model_id", Text, primary_key=True),
)
