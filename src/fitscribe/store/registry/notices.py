"""Notices to webhooks: written down with the change they tell of, sent by whoever has the time, once they are taken.

What is in this outbox stays there until a receiver took it, or refused it for good.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from fitscribe.store.database import Database
from fitscribe.store.registry.rows import now
from fitscribe.store.registry.tables import notices, webhooks

__all__ = ["PROMPT", "Notice", "claimed", "is_prompt", "put_off", "refused", "say", "sent", "waiting"]

PROMPT = "mlflow.prompt.is_prompt"
"""The tag of models that are prompts, which are no models."""


class Notice(NamedTuple):
    """One request to one receiver; `webhook_id` is empty for a URL of the settings."""

    id: int
    delivery_id: str
    webhook_id: str
    url: str
    body: str
    signed: bool
    attempts: int


def is_prompt(tags: Mapping[str, str]) -> bool:
    """True if what has these tags is a prompt."""
    return tags.get(PROMPT, "").lower() == "true"


def say(database: Database, connection: Connection, event: str, data: Mapping[str, Any]) -> None:
    """Write down, in the transaction of a change, whom to tell of it; `event` is such as `model_version.created`."""
    hooks = connection.execute(select(webhooks).where(webhooks.c.status == "ACTIVE")).all()
    told: list[tuple[int | None, str, bool]] = [
        (hook.id, hook.url, database.secrets.has(hook.webhook_id)) for hook in hooks if event in hook.events.split()
    ]
    told += [(None, url, signed) for url, signed in database.listeners]
    if not told:
        return
    entity, _, action = event.partition(".")
    moment = datetime.now(UTC).isoformat()
    body = json.dumps({"entity": entity, "action": action, "timestamp": moment, "data": dict(data)})
    fresh = {"body": body, "trouble": "", "refused": False, "attempts": 0, "due": now()}
    connection.execute(
        insert(notices),
        [
            {**fresh, "delivery_id": str(uuid.uuid4()), "webhook": webhook, "url": url, "signed": signed}
            for webhook, url, signed in told
        ],
    )
    database.noticed += 1


def waiting(database: Database, skip: Sequence[str] = ()) -> int:
    """Return how many notices nobody has taken yet, those to the URLs in `skip` aside."""
    columns = notices.c
    query = select(func.count()).select_from(notices).where(columns.refused.is_(False))
    with database.reading() as connection:
        return int(connection.scalar(query.where(columns.url.not_in(list(skip)))) or 0)


def claimed(database: Database, seconds: float, skip: Sequence[str], *, all_due: bool = False) -> list[Notice]:
    """Return the first notice for each receiver, which nobody else takes for so many seconds.

    Those to a URL wait for one another, so that they come in order. `skip` are URLs that are left alone; `all_due`
    takes those too that were put off.
    """
    columns = notices.c
    moment = now()
    with database.writing() as connection:
        first = select(func.min(columns.id)).where(columns.refused.is_(False), columns.url.not_in(list(skip)))
        first = first.group_by(columns.url)
        query = select(notices, webhooks.c.webhook_id).outerjoin(webhooks, webhooks.c.id == columns.webhook)
        rows = connection.execute(query.where(columns.id.in_(first)).order_by(columns.id)).all()
        taken = [row for row in rows if row.due <= moment or (all_due and row.trouble)]
        lease = update(notices).where(columns.id.in_([row.id for row in taken]))
        connection.execute(lease.values(due=moment + int(seconds * 1000), trouble=""))
    return [
        Notice(row.id, row.delivery_id, row.webhook_id or "", row.url, row.body, row.signed, row.attempts)
        for row in taken
    ]


def sent(database: Database, notice: Notice) -> None:
    """Forget a notice that was taken."""
    with database.writing() as connection:
        connection.execute(delete(notices).where(notices.c.id == notice.id))


def refused(database: Database, notice: Notice, words: str) -> None:
    """Set a notice aside that its receiver will not take: the next one gets its turn."""
    _note(database, notice, words, 0.0, refused=True)


def put_off(database: Database, notice: Notice, words: str, seconds: float) -> None:
    """Let a notice wait so many seconds until the next attempt."""
    _note(database, notice, words, seconds, refused=False)


def _note(database: Database, notice: Notice, words: str, seconds: float, *, refused: bool) -> None:
    due = now() + int(seconds * 1000)
    values = {"trouble": words[:500], "refused": refused, "attempts": notice.attempts + 1, "due": due}
    with database.writing() as connection:
        connection.execute(update(notices).where(notices.c.id == notice.id).values(values))
