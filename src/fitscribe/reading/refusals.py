"""What an endpoint refused, as the error that tells its user why and what to do."""

from __future__ import annotations

import re
from typing import Any

from fitscribe.errors import FilterError, FitscribeError, NotFoundError, ServerError
from fitscribe.transport import Answer

__all__ = ["refusal", "words_of"]

LONGEST_QUOTE = 200
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
CREDENTIALS = (
    "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, or ask who runs the server "
    "for the permission"
)


def refusal(answer: Answer, request: str, uri: str, what: str, body: dict[str, Any]) -> FitscribeError:
    """Return the error for an answer that is final; `what` is what was asked for, `body` with which fields."""
    code, words = words_of(answer)
    if answer.status in (401, 403):
        said = words or "no reason given"
        return ServerError(answer.status, code, f"{uri} refused the credentials of {request} ({said}); {CREDENTIALS}")
    if code in ABSENT:
        said = words if not what or _names(words, what.rsplit(maxsplit=1)[-1]) else f"{what}: {words}"
        return NotFoundError(said or f"{what or request} is not there")
    if answer.status == 400 and (body.get("filter") or body.get("order_by")):
        return FilterError(words or f"the endpoint refused the filter {body.get('filter')!r}")
    if code and code != "ENDPOINT_NOT_FOUND":
        return ServerError(answer.status, code, words)
    return ServerError(answer.status, code, _stranger(answer, request, uri, words))


def _names(words: str, identity: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(identity)}(?!\w)", words) is not None


def _stranger(answer: Answer, request: str, uri: str, words: str) -> str:
    if answer.status in (200, 404, 405) and not isinstance(answer.body, dict):
        return (
            f"this does not look like a tracking server: {uri} answered {request} with {words or 'nothing readable'}. "
            "Check host and port, and the path prefix if the server runs under one (http://host:port/prefix)"
        )
    if answer.status in (404, 405, 501):
        return f"{uri} does not have {request}: {words or 'no reason given'}"
    return f"{uri} answered {request} with: {words or 'nothing'}"


def words_of(answer: Answer) -> tuple[str, str]:
    """Return the error code and the words of an answer, whichever form its server gives them."""
    body = answer.body
    if isinstance(body, dict):
        words = body.get("message") or body.get("detail") or body.get("error") or ""
        return str(body.get("error_code") or ""), str(words)
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else ""
    return "", _shown(text)


def _shown(text: str) -> str:
    """Return a web page as its title, other text shortened to one line."""
    if "<html" in text.lower() or text.lstrip().lower().startswith("<!doctype"):
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        return f"the web page {' '.join(title[1].split())[:LONGEST_QUOTE]!r}" if title else "a web page"
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST_QUOTE else flat[:LONGEST_QUOTE] + "…"
