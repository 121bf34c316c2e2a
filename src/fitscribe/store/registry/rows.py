"""Rows of registered models and versions, found by what requests call them, and what of them may be written."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from fitscribe.store import limits
from fitscribe.store.fields import Body, items, required, text, text_of
from fitscribe.store.refusal import invalid, missing
from fitscribe.store.registry.tables import model_versions, registered_models

__all__ = [
    "KEY",
    "STAGES",
    "VERSION",
    "description_of",
    "find_model",
    "find_version",
    "model_name",
    "now",
    "number_of",
    "stage_of",
    "tag",
    "tags_of",
    "touch",
]

KEY = "fitscribe.registration_key"
"""The tag that tells one registration from another, so that asking for the same one again finds its version."""

STAGES = ("None", "Staging", "Production", "Archived")
TAG_VALUE = 100_000
NAME = 256
VERSION: Select[Any] = select(model_versions, registered_models.c.name).join_from(model_versions, registered_models)
"""Everything that `shapes.versions` needs."""


def now() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def model_name(body: Body, field: str = "name") -> str:
    """Return a name that a registered model may have."""
    name = required(body, field)
    if not name.strip():
        raise invalid(f"Missing value for required parameter '{field}'.")
    if "/" in name or ":" in name:
        raise invalid(f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")
    return limits.length(field, name, NAME)


def find_model(connection: Connection, name: str, *, lock: bool = False) -> Row[Any]:
    """Return the row of a registered model; `lock` keeps other writers from it. `Refusal`: there is none."""
    query = select(registered_models).where(registered_models.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise missing(f"Registered Model with name={name} not found")
    return row


def number_of(body: Body) -> int:
    """Return a version's number from its text."""
    word = required(body, "version")
    number = word.strip()
    if not (number.isascii() and number.lstrip("-").isdigit()):
        raise invalid(f"Parameter 'version' must be an integer, got '{word}'.")
    return int(number) if len(number) < 19 else -1


def find_version(connection: Connection, name: str, version: int, *, lock: bool = False) -> Row[Any]:
    """Return the row of a version; `lock` keeps other writers from it. `Refusal`: there is none."""
    query = VERSION.where(registered_models.c.name == name, model_versions.c.version == version)
    query = query.with_for_update(of=model_versions) if lock else query
    row = connection.execute(query).one_or_none()
    if row is None:
        raise missing(f"Model Version (name={name}, version={version}) not found")
    return row


def stage_of(word: str) -> str:
    """Return a stage as it is written, from any mixture of capitals."""
    found = {stage.lower(): stage for stage in STAGES}.get(word.lower())
    if found is None:
        raise invalid(f"Invalid Model Version stage: {word}. Value must be one of {', '.join(STAGES)}.")
    return found


def tag(item: Body) -> tuple[str, str]:
    """Return key and value of a tag in a request; a missing value is empty."""
    key = limits.key("key", item.get("key"))
    return key, limits.length("value", text(item, "value"), TAG_VALUE)


def tags_of(body: Body) -> dict[str, str]:
    """Return the tags of what a request creates; of two with one key the last holds."""
    return dict(tag(item) for item in items(body, "tags"))


def description_of(body: Body) -> str | None:
    """Return the description in a request; None where it is absent."""
    found = body.get("description")
    return None if found is None else text_of("description", found)


def touch(connection: Connection, model: int) -> int:
    """Note that a registered model has changed, and return when: milliseconds since 1970."""
    moment = now()
    words = update(registered_models).where(registered_models.c.id == model)
    connection.execute(words.values(last_update_time=moment))
    return moment
