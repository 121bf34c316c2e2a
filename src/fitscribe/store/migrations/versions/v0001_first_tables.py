"""The first tables, and the experiment Default.

Not made from `tables`: that describes the newest schema, and this the first one.
"""

import time

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make them."""
    _experiments()
    _runs()
    _metrics()
    _inputs()


def _create(name: str, *parts: sa.schema.SchemaItem, key: tuple[str, ...] = ("id",), **options: bool) -> sa.Table:
    return op.create_table(name, *parts, sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"), **options)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _id() -> sa.Column[int]:
    return sa.Column("id", Number, nullable=False)


def _owner(table: str, name: str, there: str) -> tuple[sa.Column[int], sa.ForeignKeyConstraint]:
    reference = sa.ForeignKeyConstraint([name], [f"{there}.id"], name=f"fk_{table}_{name}_{there}")
    return sa.Column(name, Number, nullable=False), reference


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=f"uq_{table}_{'_'.join(columns)}")


def _experiments() -> None:
    experiments = _create(
        "experiments",
        _id(),
        _text("name"),
        sa.Column("artifact_location", sa.Text),
        sa.Column("lifecycle_stage", sa.String(8), nullable=False),
        _big("creation_time"),
        _big("last_update_time"),
        _unique("experiments", "name"),
        sqlite_autoincrement=True,
    )
    _create(
        "experiment_tags",
        *_owner("experiment_tags", "experiment", "experiments"),
        _text("key"),
        _text("value"),
        key=("experiment", "key"),
    )
    now = time.time_ns() // 1_000_000
    default = {"id": 0, "name": "Default", "artifact_location": None, "lifecycle_stage": "active"}
    op.bulk_insert(experiments, [{**default, "creation_time": now, "last_update_time": now}])


def _runs() -> None:
    runs = _create(
        "runs",
        _id(),
        sa.Column("run_id", sa.String(32), nullable=False),
        *_owner("runs", "experiment", "experiments"),
        _text("name"),
        _text("user_id"),
        sa.Column("status", sa.String(9), nullable=False),
        _big("start_time"),
        sa.Column("end_time", sa.BigInteger),
        sa.Column("lifecycle_stage", sa.String(8), nullable=False),
        _unique("runs", "run_id"),
    )
    op.create_index("ix_runs_newest", "runs", [runs.c.experiment, runs.c.start_time.desc(), runs.c.run_id])
    for name in ("params", "tags"):
        owner = _owner(name, "run", "runs")
        _create(name, *owner, _text("key"), _text("value"), key=("run", "key"), sqlite_with_rowid=False)


def _metrics() -> None:
    latest = (_big("step"), _big("timestamp"), sa.Column("value", sa.Double, nullable=False))
    is_nan = sa.Column("is_nan", sa.Boolean, nullable=False)
    _create(
        "series",
        _id(),
        *_owner("series", "run", "runs"),
        _text("key"),
        *latest,
        is_nan,
        _unique("series", "run", "key"),
    )
    _create(
        "points",
        *_owner("points", "series", "series"),
        _big("timestamp"),
        _big("step"),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("is_nan", sa.Boolean, nullable=False),
        key=("series", "timestamp", "step", "value", "is_nan"),
        sqlite_with_rowid=False,
    )


def _inputs() -> None:
    words = [_text(name) for name in ("name", "digest", "source_type", "source", "schema", "profile")]
    owner = _owner("datasets", "experiment", "experiments")
    _create("datasets", _id(), *owner, *words, _unique("datasets", "experiment", "name", "digest"))
    ends = (*_owner("inputs", "run", "runs"), *_owner("inputs", "dataset", "datasets"))
    _create("inputs", _id(), *ends, _unique("inputs", "run", "dataset"))
    owner = _owner("dataset_tags", "input", "inputs")
    _create("dataset_tags", *owner, _text("key"), _text("value"), key=("input", "key"))
    _create("model_inputs", *_owner("model_inputs", "run", "runs"), _text("model_id"), key=("run", "model_id"))
