"""What models:/ URIs name: a version by number, stage or alias, the latest one, or a logged model."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from fitscribe.errors import MisuseError

__all__ = ["Address", "address", "logged_model_of"]

FORMS = "models:/<name>/<version>, models:/<name>/<stage>, models:/<name>/latest or models:/<name>@<alias>"


class Address(NamedTuple):
    """A registered model and one of `version`, `stage` and `alias`; with none of them it is the latest version."""

    name: str
    version: str = ""
    stage: str = ""
    alias: str = ""


def address(uri: str) -> Address:
    """Return what a models:/ URI names. `MisuseError`: it is none, or one of a logged model."""
    rest = _rest(uri)
    name, mark, alias = rest.partition("@")
    if mark and "/" not in rest:
        if name and alias:
            return Address(name, alias=alias)
    else:
        name, _, suffix = rest.partition("/")
        if name and suffix and "/" not in suffix:
            if suffix.isascii() and suffix.isdigit():
                return Address(name, version=suffix)
            return Address(name) if suffix.lower() == "latest" else Address(name, stage=suffix)
    raise MisuseError(f"{uri!r} names no version of a registered model; write {FORMS}")


def logged_model_of(uri: str) -> str:
    """Return the id in models:/<id>; empty for any other URI."""
    rest = _rest(uri) if uri.startswith("models:/") else ""
    return rest if rest.startswith("m-") and not set(rest) & set("/@") else ""


def _rest(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.scheme != "models" or parts.netloc:
        raise MisuseError(f"{uri!r} is no URI of the registry; write {FORMS}")
    return unquote(uri.removeprefix("models:").strip("/"))
