"""The registry: models, their versions, tags and aliases; webhooks, and what is to be told to them."""

import sqlalchemy as sa
from alembic import op

from fitscribe.store.migrations.columns import Number, big, create, identity, owner, text, unique

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make them."""
    _models()
    _versions()
    _webhooks()


def _models() -> None:
    create(
        "registered_models",
        identity(),
        text("name"),
        text("description", nullable=True),
        big("creation_time"),
        big("last_update_time"),
        big("last_version"),
        unique("registered_models", "name"),
    )
    whose = owner("registered_model_tags", "model", "registered_models")
    create("registered_model_tags", *whose, text("key"), text("value"), key=("model", "key"), sqlite_with_rowid=False)


def _versions() -> None:
    texts = [text(name) for name in ("source", "run_id", "run_link", "model_id", "status", "status_message")]
    versions = create(
        "model_versions",
        identity(),
        *owner("model_versions", "model", "registered_models"),
        big("version"),
        big("creation_time"),
        big("last_update_time"),
        sa.Column("stage", sa.String(10), nullable=False),
        text("description"),
        *texts,
        sa.Column("ours", sa.Boolean, nullable=False),
        text("location", nullable=True),
        unique("model_versions", "model", "version"),
    )
    op.create_index("ix_model_versions_run_id", "model_versions", [versions.c.run_id])
    whose = owner("model_version_tags", "version", "model_versions")
    create("model_version_tags", *whose, text("key"), text("value"), key=("version", "key"), sqlite_with_rowid=False)
    create(
        "model_aliases",
        *owner("model_aliases", "model", "registered_models"),
        text("alias"),
        *owner("model_aliases", "version", "model_versions"),
        key=("model", "alias"),
        sqlite_with_rowid=False,
    )


def _webhooks() -> None:
    create(
        "webhooks",
        identity(),
        sa.Column("webhook_id", sa.String(36), nullable=False),
        *(text(name) for name in ("name", "url", "description", "events")),
        sa.Column("status", sa.String(8), nullable=False),
        big("creation_time"),
        big("last_update_time"),
        unique("webhooks", "webhook_id"),
    )
    create(
        "notices",
        identity(),
        sa.Column("delivery_id", sa.String(36), nullable=False),
        sa.Column("webhook", Number, nullable=True),
        sa.ForeignKeyConstraint(["webhook"], ["webhooks.id"], name="fk_notices_webhook_webhooks"),
        *(text(name) for name in ("url", "body", "trouble")),
        sa.Column("signed", sa.Boolean, nullable=False),
        sa.Column("refused", sa.Boolean, nullable=False),
        big("attempts"),
        big("due"),
        unique("notices", "delivery_id"),
    )
