"""Limits of the protocol: what a key may look like, and how long a value may be."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from functools import lru_cache

from fitscribe.store.fields import text_of, wrong
from fitscribe.store.refusal import invalid

__all__ = ["EXPERIMENT_NAME", "PARAM", "TAG", "batch", "experiment_name", "key", "length"]

KEY = 250
PARAM = 6000
TAG = 8000
EXPERIMENT_NAME = 500

_good = re.compile(r"[/\w.\- :]*").fullmatch


def key(name: str, value: object) -> str:
    """Return the key of a metric, param or tag. `name` is what the refusal calls it."""
    if value is None or value == "":
        raise invalid(f"Missing value for required parameter '{name}'.")
    trouble = _trouble(text_of(name, value))
    if trouble:
        raise wrong(name, value, trouble)
    return str(value)


@lru_cache(4096)
def _trouble(value: str) -> str:
    if not _good(value):
        return (
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), "
            "colon(:) and slashes (/)."
        )
    resolved = posixpath.normpath(value)
    if resolved != value or value == "." or value.startswith(("..", "/")):
        return (
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as "
            f"such. This name would resolve to {resolved!r}"
        )
    return f"it exceeds the maximum length of {KEY} characters" if len(value) > KEY else ""


def length(name: str, value: str, most: int) -> str:
    """Return the value, which may have so many characters at most."""
    if len(value) > most:
        raise invalid(f"'{name}' exceeds the maximum length of {most} characters; it has {len(value)}")
    return value


def experiment_name(name: str, value: str) -> str:
    """Return the name of an experiment."""
    if not value.strip():
        raise wrong(name, value, "the name of an experiment must not be blank")
    return length(name, value, EXPERIMENT_NAME)


def batch(metrics: Sequence[object], params: Sequence[object], tags: Sequence[object]) -> None:
    """Refuse a log-batch request with more than it may have."""
    for kind, most, count in (
        ("metrics", 1000, len(metrics)),
        ("params", 100, len(params)),
        ("tags", 100, len(tags)),
        ("metrics, params, and tags", 1000, len(metrics) + len(params) + len(tags)),
    ):
        if count > most:
            raise invalid(
                f"A batch logging request can contain at most {most} {kind}. Got {count} {kind}. "
                f"Please split up {kind} across multiple requests and try again."
            )
