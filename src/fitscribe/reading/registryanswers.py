"""The registry's JSON, read into entities, leniently."""

from __future__ import annotations

from typing import Any

from fitscribe.entities.model_registry import ModelVersion, RegisteredModel, Webhook
from fitscribe.reading.answers import items, text, whole

__all__ = ["model_version", "registered_model", "webhook"]


def model_version(answer: Any) -> ModelVersion:
    """Return a version from the protocol's `model_version` object."""
    aliases = answer.get("aliases") if isinstance(answer, dict) else None
    return ModelVersion(
        name=text(answer, "name"),
        version=text(answer, "version"),
        creation_timestamp=whole(answer, "creation_timestamp") or 0,
        last_updated_timestamp=whole(answer, "last_updated_timestamp"),
        description=text(answer, "description"),
        user_id=text(answer, "user_id") or None,
        current_stage=text(answer, "current_stage") or "None",
        source=text(answer, "source"),
        run_id=text(answer, "run_id"),
        status=text(answer, "status") or "READY",
        status_message=text(answer, "status_message"),
        tags=_tags(answer),
        run_link=text(answer, "run_link"),
        aliases=[str(alias) for alias in aliases] if isinstance(aliases, list) else [],
        model_id=text(answer, "model_id") or None,
    )


def registered_model(answer: Any) -> RegisteredModel:
    """Return a registered model from the protocol's `registered_model` object."""
    return RegisteredModel(
        name=text(answer, "name"),
        creation_timestamp=whole(answer, "creation_timestamp") or 0,
        last_updated_timestamp=whole(answer, "last_updated_timestamp"),
        description=text(answer, "description"),
        latest_versions=[model_version(one) for one in items(answer, "latest_versions")],
        tags=_tags(answer),
        aliases={text(one, "alias"): text(one, "version") for one in items(answer, "aliases")},
    )


def _tags(answer: Any) -> dict[str, str]:
    return {text(one, "key"): text(one, "value") for one in items(answer, "tags")}


def webhook(answer: Any) -> Webhook:
    """Return a webhook from the protocol's `webhook` object."""
    return Webhook(
        webhook_id=text(answer, "webhook_id"),
        name=text(answer, "name"),
        url=text(answer, "url"),
        events=[f"{text(one, 'entity')}.{text(one, 'action')}".lower() for one in items(answer, "events")],
        description=text(answer, "description"),
        status=text(answer, "status") or "ACTIVE",
        creation_timestamp=whole(answer, "creation_timestamp") or 0,
        last_updated_timestamp=whole(answer, "last_updated_timestamp"),
    )
