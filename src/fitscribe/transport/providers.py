"""Request headers of installed packages, by entry points of the group `fitscribe.request_headers`.

Each names a function that takes the tracking URI (without credentials) and returns headers, `{"X-Team": "blue"}`:

    [project.entry-points."fitscribe.request_headers"]
    acme = "acme_login:request_headers"

It is called in the background when a connection to an endpoint is first opened, and again when the endpoint says 401,
so that it may return a token that lives for minutes. MLflow's own plugins (`mlflow.request_header_provider`) are built
on classes of MLflow, which would have to be imported for them; they are left alone.
"""

from __future__ import annotations

import importlib.metadata
import re

from fitscribe.errors import MisuseError
from fitscribe.guard import guarded
from fitscribe.undivided import undivided

__all__ = ["GROUP", "carried", "provided"]

GROUP = "fitscribe.request_headers"

NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
VALUE = re.compile(r"[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?|")


def provided(uri: str) -> dict[str, str]:
    """Return the headers that installed packages want on requests to `uri`; one that fails is logged and left out."""
    headers: dict[str, str] = {}
    for point in sorted(importlib.metadata.entry_points(group=GROUP)):
        with guarded(f"asking the package behind {point.name!r} for request headers"):
            with undivided:
                provider = point.load()
            headers.update(_sound(point.name, provider(uri)))
    return headers


def _sound(name: str, headers: object) -> dict[str, str]:
    if not isinstance(headers, dict):
        raise MisuseError(f"{name!r} returned {type(headers).__name__} instead of a dict of request headers")
    for key, value in headers.items():
        if not (isinstance(key, str) and NAME.fullmatch(key) and isinstance(value, str) and carried(value)):
            raise MisuseError(f"{name!r} returned the header {key!r}, whose name or value no request can carry")
    return headers


def carried(value: str) -> bool:
    """Whether a request can carry a value in a header: Latin-1 without control characters, no space around it."""
    return VALUE.fullmatch(value) is not None
