"""Webhooks of an endpoint: made, found, changed, deleted and tried out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from fitscribe.entities import PagedList
from fitscribe.entities.model_registry import Webhook
from fitscribe.errors import MisuseError
from fitscribe.reading import answers
from fitscribe.reading.reader import every_page
from fitscribe.reading.registryanswers import webhook
from fitscribe.registering.models import ABSENT
from fitscribe.registering.registration import Registration

__all__ = ["Webhooks"]

PAGE = 100


class Webhooks(Registration):
    """An endpoint's webhooks; MLflow servers have them from version 3.3 on."""

    def create_webhook(
        self,
        name: str,
        url: str,
        events: Sequence[Any],
        description: str | None = None,
        secret: str | None = None,
        status: str | None = None,
    ) -> Webhook:
        """Let a URL be told of events such as "model_version.created", signed with `secret` if there is one."""
        body = {
            "name": name,
            "url": url,
            "events": _events(events),
            "description": description,
            "secret": secret,
            "status": status,
        }
        before = {each.webhook_id for each in self._all_webhooks()}

        def look() -> dict[str, Any] | None:
            """Find what a lost answer may have told of."""
            for each in self._all_webhooks():
                if each.webhook_id not in before and (each.name, each.url) == (name, url):
                    made.append(each)
            return {} if made else None

        made: list[Webhook] = []
        answer = self.registry.ask("POST", "webhooks", body, again=look)
        return made[0] if made else webhook(answer.get("webhook"))

    def _all_webhooks(self) -> list[Webhook]:
        return every_page(self.list_webhooks, PAGE)

    def get_webhook(self, webhook_id: str) -> Webhook:
        """Return a webhook. `NotFoundError`: there is none."""
        return webhook(self._of_webhook("GET", webhook_id).get("webhook"))

    def list_webhooks(self, max_results: int | None = None, page_token: str | None = None) -> PagedList[Webhook]:
        """Return one page of the webhooks, the newest first."""
        body = {"max_results": max_results or PAGE, "page_token": page_token or None}
        return answers.page(self.registry.ask("GET", "webhooks", body), "webhooks", webhook)

    def update_webhook(
        self,
        webhook_id: str,
        name: str | None = None,
        description: str | None = None,
        url: str | None = None,
        events: Sequence[Any] | None = None,
        secret: str | None = None,
        status: str | None = None,
    ) -> Webhook:
        """Change a webhook; what is None stays as it is."""
        fields = {"name": name, "description": description, "url": url, "secret": secret, "status": status}
        told: dict[str, Any] = {**fields, "events": _events(events) if events else None}
        return webhook(self._of_webhook("PATCH", webhook_id, **told).get("webhook"))

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook, and what still waits for it."""
        self._of_webhook("DELETE", webhook_id, done=ABSENT)

    def _of_webhook(self, method: str, webhook_id: str, *, done: str = "", **fields: Any) -> dict[str, Any]:
        path, what = f"webhooks/{quote(webhook_id, safe='')}", f"webhook {webhook_id}"
        return self.registry.ask(method, path, fields, what=what, done=done)


def _events(events: Sequence[Any]) -> list[dict[str, str]]:
    """Return events as the protocol has them, from their texts or from objects of MLflow's."""
    found = [str(event).partition(".") for event in ([events] if isinstance(events, str) else events)]
    if not found or not all(entity and action for entity, _, action in found):
        raise MisuseError(f'events is a list of texts such as "model_version.created", not {events!r}')
    return [{"entity": entity.upper(), "action": action.upper()} for entity, _, action in found]
