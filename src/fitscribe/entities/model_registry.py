"""What a registry knows: registered models, their versions, tags and aliases, and the webhooks that are told."""

from __future__ import annotations

from typing import Any

import msgspec

from fitscribe.entities import Entity, Run

__all__ = [
    "Lineage",
    "ModelVersion",
    "ModelVersionStatus",
    "ModelVersionTag",
    "RegisteredModel",
    "RegisteredModelAlias",
    "RegisteredModelTag",
    "Webhook",
]

PARENT, CHILD = "fitscribe.parent_run_id", "fitscribe.child_run_id"


class RegisteredModelTag(Entity, frozen=True):
    """A tag of a registered model."""

    key: str
    value: str


class ModelVersionTag(Entity, frozen=True):
    """A tag of a version."""

    key: str
    value: str


class RegisteredModelAlias(Entity, frozen=True):
    """An alias, and the version it points at."""

    alias: str
    version: str


class ModelVersionStatus:
    """Whether a version can be used."""

    PENDING_REGISTRATION = "PENDING_REGISTRATION"
    FAILED_REGISTRATION = "FAILED_REGISTRATION"
    READY = "READY"


class ModelVersion(Entity, frozen=True):
    """A version of a registered model; times in milliseconds since 1970, `version` as text."""

    name: str
    version: str
    creation_timestamp: int = 0
    last_updated_timestamp: int | None = None
    description: str = ""
    user_id: str | None = None
    current_stage: str = "None"
    source: str = ""
    run_id: str = ""
    status: str = "READY"
    status_message: str = ""
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    run_link: str = ""
    aliases: list[str] = msgspec.field(default_factory=list)
    model_id: str | None = None
    params: list[Any] | None = None
    metrics: list[Any] | None = None

    @property
    def parent_run_id(self) -> str | None:
        """The run that the version's run is nested in, such as a search; None if it had none when it was registered."""
        return self.tags.get(PARENT)

    @property
    def child_run_id(self) -> str | None:
        """The run of the candidate that won, where the version's run is a search; else None."""
        return self.tags.get(CHILD)


class RegisteredModel(Entity, frozen=True):
    """A name that versions are counted under; `latest_versions` has the newest of each stage, `aliases` a version."""

    name: str
    creation_timestamp: int = 0
    last_updated_timestamp: int | None = None
    description: str = ""
    latest_versions: list[ModelVersion] = msgspec.field(default_factory=list)
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    aliases: dict[str, str] = msgspec.field(default_factory=dict)


class Lineage(Entity, frozen=True):
    """Where a version comes from: its run, the runs around that, outermost last, and of a search the best candidate.

    `run` is None where nobody knows of one, or it is gone.
    """

    version: ModelVersion
    run: Run | None = None
    parents: list[Run] = msgspec.field(default_factory=list)
    child: Run | None = None


class Webhook(Entity, frozen=True):
    """A URL that is told of changes; `events` such as "model_version.created". A secret is never shown."""

    webhook_id: str
    name: str
    url: str
    events: list[str] = msgspec.field(default_factory=list)
    description: str = ""
    status: str = "ACTIVE"
    creation_timestamp: int = 0
    last_updated_timestamp: int | None = None
