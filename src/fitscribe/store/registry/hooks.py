"""Webhooks: who is told of which changes of the registry."""

from __future__ import annotations

import re
import uuid
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, delete, insert, select, update

from fitscribe.store import limits
from fitscribe.store.database import Database
from fitscribe.store.fields import Body, choice, items, page_size, required, text, wrong
from fitscribe.store.paging import offset, page
from fitscribe.store.refusal import missing
from fitscribe.store.registry.rows import description_of, now
from fitscribe.store.registry.tables import notices, webhooks

__all__ = ["EVENTS", "change", "create", "get", "listed", "remove"]

EVENTS = (
    "registered_model.created",
    "model_version.created",
    "model_version.updated",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
)
"""`model_version.updated` tells of a new stage; the others are the protocol's own."""

STATUSES = ("ACTIVE", "DISABLED")
NAME = re.compile(r"[\w.\-]{1,63}")


def create(database: Database, body: Body) -> dict[str, Any]:
    """Answer POST webhooks."""
    webhook_id, moment = str(uuid.uuid4()), now()
    values = {
        "webhook_id": webhook_id,
        "name": _name(required(body, "name")),
        "url": _url(required(body, "url")),
        "events": _events(body) or _no_events(body),
        "description": description_of(body) or "",
        "status": choice(body, "status", STATUSES, STATUSES[0]),
    }
    secret = text(body, "secret")
    with database.writing() as connection:
        database.secrets.write(webhook_id, secret)
        connection.execute(insert(webhooks).values(**values, creation_time=moment, last_update_time=moment))
        return {"webhook": _shape(_found(connection, webhook_id))}


def get(database: Database, body: Body) -> dict[str, Any]:
    """Answer GET webhooks/<id>; a secret is never shown."""
    with database.reading() as connection:
        return {"webhook": _shape(_found(connection, required(body, "webhook_id")))}


def listed(database: Database, body: Body) -> dict[str, Any]:
    """Answer GET webhooks: one page, the newest first."""
    size, start = page_size(body, 1000, 100), offset(body)
    query = select(webhooks).order_by(webhooks.c.creation_time.desc(), webhooks.c.id.desc())
    with database.reading() as connection:
        rows, token = page(connection.execute(query.limit(size + 1).offset(start)).all(), size, start)
    return {**({"webhooks": [_shape(row) for row in rows]} if rows else {}), **token}


def change(database: Database, body: Body) -> dict[str, Any]:
    """Answer PATCH webhooks/<id>; what is not sent stays as it is."""
    webhook_id = required(body, "webhook_id")
    found = {
        "name": _name(text(body, "name")) if text(body, "name") else "",
        "url": _url(text(body, "url")) if text(body, "url") else "",
        "events": _events(body),
        "status": choice(body, "status", STATUSES),
    }
    values: dict[str, Any] = {name: value for name, value in found.items() if value}
    if (description := description_of(body)) is not None:
        values["description"] = description
    with database.writing() as connection:
        row = _found(connection, webhook_id)
        if body.get("secret") is not None:
            database.secrets.write(webhook_id, text(body, "secret"))
        connection.execute(update(webhooks).where(webhooks.c.id == row.id).values(**values, last_update_time=now()))
        if "url" in values:  # what waits for a receiver that has moved goes to its new address
            connection.execute(update(notices).where(notices.c.webhook == row.id).values(url=values["url"]))
        return {"webhook": _shape(_found(connection, webhook_id))}


def remove(database: Database, body: Body) -> dict[str, Any]:
    """Answer DELETE webhooks/<id>; what still waits for it goes with it."""
    webhook_id = required(body, "webhook_id")
    with database.writing() as connection:
        row = _found(connection, webhook_id)
        connection.execute(delete(notices).where(notices.c.webhook == row.id))
        connection.execute(delete(webhooks).where(webhooks.c.id == row.id))
        database.secrets.write(webhook_id, "")
    return {}


def _found(connection: Connection, webhook_id: str) -> Row[Any]:
    row = connection.execute(select(webhooks).where(webhooks.c.webhook_id == webhook_id)).one_or_none()
    if row is None:
        raise missing(f"Webhook with ID {webhook_id} not found.")
    return row


def _name(name: str) -> str:
    if not NAME.fullmatch(limits.length("name", name, 63)):
        raise wrong("name", name, "a webhook's name has letters, digits, and '-', '_' and '.' between them")
    return name


def _url(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or any(mark.isspace() or not mark.isprintable() for mark in url):
        raise wrong("url", url, "it must be http(s)://host/path")
    return url


def _events(body: Body) -> str:
    """Return the events of a request as they are kept; the protocol sends entity and action of each."""
    found: dict[str, None] = {}
    for item in items(body, "events"):
        event = f"{required(item, 'entity').lower()}.{required(item, 'action').lower()}"
        if event not in EVENTS:
            raise wrong("events", event, f"it must be one of {', '.join(EVENTS)}")
        found[event] = None
    return " ".join(found)


def _no_events(body: Body) -> str:
    raise wrong("events", body.get("events"), f"name one of {', '.join(EVENTS)}")


def _shape(row: Row[Any]) -> dict[str, Any]:
    events = [each.partition(".") for each in row.events.split()]
    shape = {
        "webhook_id": row.webhook_id,
        "name": row.name,
        "url": row.url,
        "events": [{"entity": entity.upper(), "action": action.upper()} for entity, _, action in events],
        "status": row.status,
        "creation_timestamp": row.creation_time,
        "last_updated_timestamp": row.last_update_time,
    }
    return {**shape, "description": row.description} if row.description else shape
