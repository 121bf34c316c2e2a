"""Discretion: credentials are taken out of what is logged, raised, or kept of an endpoint's words."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus, unquote, urlsplit

__all__ = ["Discretion", "without_users"]

SHORTEST = 4  # characters of what is taken for a secret: a shorter one would be found everywhere
STARS = "***"
OPEN = ("X-MLFLOW-WORKSPACE",)  # headers that are no secret


class Discretion:
    """Knows the secrets of one endpoint in all the forms that they may turn up in."""

    def __init__(self, uris: Iterable[str] = (), headers: Mapping[str, str] = {}) -> None:
        """`uris` are what may have credentials in it: the tracking URI, proxies; `headers` go with each request."""
        found = {value for uri in uris for value in _of_uri(uri)}
        for name, value in headers.items():
            found.update(_of_header(value) if name not in OPEN else ())
        forms = {
            form for secret in found for form in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
        }
        self._forms = sorted((form for form in forms if len(form) >= SHORTEST), key=len, reverse=True)

    def text(self, words: str) -> str:
        """Return words without secrets, and without users in addresses."""
        for form in self._forms:
            words = words.replace(form, STARS)
        return without_users(words)

    def content(self, body: bytes) -> bytes:
        """Return the body of an answer without secrets."""
        for form in self._forms:
            body = body.replace(form.encode(), STARS.encode())
        return body


def without_users(words: str) -> str:
    """Return words without the user and password of any address in them."""
    return re.sub(r"//[^/\s]*@", "//", words)


def _of_uri(uri: str) -> set[str]:
    with contextlib.suppress(ValueError):
        password = urlsplit(uri).password or ""
        return {password, unquote(password)} | _pair(urlsplit(uri).username or "", password)
    return set()


def _pair(user: str, password: str) -> set[str]:
    """Return what a proxy's header holds of the two."""
    return {base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()} if password else set()


def _of_header(value: str) -> set[str]:
    kind, _, rest = value.partition(" ")
    found = {value, rest}
    if kind == "Basic":
        with contextlib.suppress(binascii.Error, UnicodeDecodeError):
            found.add(base64.b64decode(rest).decode().partition(":")[2])
    return found
