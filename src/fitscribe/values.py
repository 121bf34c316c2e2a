"""Anything -> what the protocol takes: short stable text, legal keys, flat names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from fitscribe.guard import quietly

__all__ = ["KEY_LIMIT", "PARAM_LIMIT", "TAG_LIMIT", "flat", "legal_key", "number", "shortened", "text", "unique"]

# Measured on MLflow 3.17 and 3.18: longer keys are refused, longer values cut without a word.
KEY_LIMIT, PARAM_LIMIT, TAG_LIMIT = 250, 6000, 8000
MANY = 1000  # a container longer than this is shown by its beginning

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_FORBIDDEN = re.compile(r"[^\w/. :-]")


def text(value: object) -> str:
    """Return `str(value)` as a person would write it down: bounded work, the same in every process.

    Memory addresses (`<function f at 0x7f...>`) are left out, since no two runs would ever compare equal;
    of a long container only the beginning is shown, with its length.
    """
    if isinstance(value, str):
        return value
    words = quietly(_bounded, value, default="")
    return _ADDRESS.sub("", words) if words else f"<{type(value).__name__}>"


def _bounded(value: object) -> str:
    if isinstance(value, (bytes, bytearray)) and len(value) > MANY:
        return f"{bytes(value[:100])!r}... ({len(value)} bytes)"
    if isinstance(value, (list, tuple, set, frozenset, dict)) and len(value) > MANY:
        return f"{str(list(islice(value, 100)))[:-1]}, ...] ({len(value)} items)"
    return str(value)


def shortened(words: str, limit: int) -> str:
    """Cut text to `limit` characters, the last three of them dots when something is missing."""
    return words if len(words) <= limit else words[: limit - 3] + "..."


def legal_key(key: object) -> str:
    """Return a metric, param or tag key that every server takes: `mAP@50` becomes `mAP_50`.

    Letters of any script, digits, `_ - . : /` and space stay; the key is a normal relative path of at most 250
    characters (a server refuses the whole batch otherwise).
    """
    name = key if isinstance(key, str) else text(key)
    name = _FORBIDDEN.sub("_", name)
    if "/" in name or name in (".", ".."):
        name = "/".join(part for part in name.split("/") if part not in ("", ".", ".."))
    return shortened(name or "_", KEY_LIMIT)


def number(value: Any) -> float | None:
    """Return a metric value as a float, or None where it is no number; a tensor of one element is one."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, (str, bytes)) or value is None:
        return None
    size = quietly(lambda: int(math.prod(value.shape)), default=1)
    if size != 1:
        return None
    return quietly(lambda: float(value.item() if hasattr(value, "item") else value), default=None)


def flat(config: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, object]]:
    """Walk a nested config: `{"a": {"b": 1}, "c": [2]}` gives `a/b` 1 and `c` [2]; an empty mapping is a value."""
    for key, value in config.items():
        name = f"{above}/{text(key)}" if above else text(key)
        if isinstance(value, Mapping) and value:
            yield from flat(value, name)
        else:
            yield name, value


def unique(names: Iterable[str]) -> Iterator[str]:
    """Give a second `a` the name `a_2`, a third `a_3`: keys that became equal when they were made legal."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{shortened(name, KEY_LIMIT - 6)}_{seen[name]}"
