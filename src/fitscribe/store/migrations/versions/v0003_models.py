"""Logged models: their params, tags and metrics, and which runs made them."""

import sqlalchemy as sa
from alembic import op

from fitscribe.store.migrations.columns import big, create, identity, owner, text, unique

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make them."""
    _models()
    for name in ("logged_params", "logged_tags"):
        whose = owner(name, "model", "logged_models")
        create(name, *whose, text("key"), text("value"), key=("model", "key"), sqlite_with_rowid=False)
    _metrics()
    whose = owner("model_outputs", "run", "runs")
    create("model_outputs", *whose, text("model_id"), big("step"), key=("run", "model_id"))


def _models() -> None:
    models = create(
        "logged_models",
        identity(),
        sa.Column("model_id", sa.String(64), nullable=False),
        *owner("logged_models", "experiment", "experiments"),
        text("name"),
        text("model_type"),
        sa.Column("status", sa.String(16), nullable=False),
        text("source_run_id"),
        sa.Column("lifecycle_stage", sa.String(8), nullable=False),
        big("creation_time"),
        big("last_update_time"),
        unique("logged_models", "model_id"),
    )
    op.create_index("ix_logged_models_newest", "logged_models", [models.c.experiment, models.c.creation_time.desc()])


def _metrics() -> None:
    create(
        "logged_metrics",
        *owner("logged_metrics", "model", "logged_models"),
        text("key"),
        big("timestamp"),
        big("step"),
        text("run_id"),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("is_nan", sa.Boolean, nullable=False),
        text("dataset_name"),
        text("dataset_digest"),
        key=("model", "key", "timestamp", "step", "run_id"),
        sqlite_with_rowid=False,
    )
