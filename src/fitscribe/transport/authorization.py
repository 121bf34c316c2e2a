"""Which credential a request to a tracking URI carries: of the URL, then the token, then user and password."""

from __future__ import annotations

import base64
from urllib.parse import unquote, urlsplit

from fitscribe.config import settings, without_credentials

__all__ = ["authorization"]


def authorization(uri: str) -> str:
    """Return the value of the Authorization header for an endpoint, or "" where nothing was set.

    Records keep tracking URIs without credentials; those of the configured URI count for the same endpoint.
    """
    found = settings()
    same = without_credentials(found.tracking_uri.rstrip("/")) == without_credentials(uri)
    return (
        _of_url(uri)
        or (_of_url(found.tracking_uri) if same else "")
        or (f"Bearer {found.tracking_token}" if found.tracking_token else "")
        or _basic(found.tracking_username, found.tracking_password)
    )


def _of_url(uri: str) -> str:
    parts = urlsplit(uri)
    return _basic(unquote(parts.username or ""), unquote(parts.password or ""))


def _basic(user: str, password: str) -> str:
    if not user or not password:  # MLflow sends nothing for a user alone, and servers rely on that
        return ""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
