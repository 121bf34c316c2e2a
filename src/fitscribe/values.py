"""Anything -> what the protocol takes: short stable text, legal keys, flat names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from fitscribe.guard import quietly

__all__ = [
    "KEY_LIMIT",
    "PARAM_LIMIT",
    "TAG_LIMIT",
    "flat",
    "legal_key",
    "number",
    "points",
    "shortened",
    "text",
    "unique",
]

# Measured on MLflow 3.17 and 3.18: longer keys are refused, longer values cut without a word.
KEY_LIMIT, PARAM_LIMIT, TAG_LIMIT = 250, 6000, 8000
MANY = 1000  # a container longer than this is shown by its beginning
MOST_PLAIN = 10_000  # keys that are remembered

_CONTAINERS = (list, tuple, set, frozenset, dict)
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_FORBIDDEN = re.compile(r"[^\w/. :-]")
_plain: set[str] = set()  # metric keys that were legal as they are


def text(value: object) -> str:
    """Return `str(value)` as a person would write it down: bounded work, the same in every process.

    Memory addresses (`<function f at 0x7f...>`) are left out, since no two runs would ever compare equal;
    of a long container only the beginning is shown, with its length.
    """
    if isinstance(value, str):
        return str.__str__(value)  # of a kind of its own, as numpy's, a plain one: no other can be written down
    words = quietly(_bounded, value, default="")
    return _ADDRESS.sub("", words) if words else f"<{type(value).__name__}>"


def _bounded(value: object) -> str:
    if isinstance(value, (bytes, bytearray)) and len(value) > MANY:
        return f"{bytes(value[:100])!r}... ({len(value)} bytes)"
    if isinstance(value, _CONTAINERS) and _weight(value, MANY) > MANY:
        return _beginning(value)
    return str(value)


def _weight(value: Any, most: int) -> int:
    """Count what stands in a container, however deep, until it is more than `most`; a table or array counts as 100."""
    if not isinstance(value, _CONTAINERS):
        return 100 if hasattr(type(value), "shape") and quietly(getattr, value, "shape", default=()) else 1
    if len(value) > most:
        return most + 1
    found = 0
    for each in value.values() if isinstance(value, dict) else value:
        found += _weight(each, most - found)
        if found > most:
            break
    return found


def _beginning(container: Any) -> str:
    """Write a container down until it is a param's length; what stands in it is cut in the same way."""
    words, length = [], 0
    for each in islice(container, 100):
        words.append(text(each) if isinstance(each, _CONTAINERS) else repr(each))
        if isinstance(container, dict):
            words[-1] += f": {text(container[each])}"
        length += len(words[-1])
        if length > PARAM_LIMIT:
            break
    more = ", ..." if len(words) < len(container) else ""
    return f"[{', '.join(words)}{more}] ({len(container)} items)"


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
    if type(value) is float:
        return value
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, (str, bytes)) or value is None:
        return None
    size = quietly(lambda: int(math.prod(value.shape)), default=1)
    if size != 1:
        return None
    return quietly(lambda: float(value.item() if hasattr(value, "item") else value), default=None)


def points(values: Mapping[Any, object]) -> tuple[dict[str, float], list[Any]]:
    """Return metric values as floats by legal key, and the keys of those that are no numbers.

    A training loop says the same keys again and again, each time with caches that are full of other things: then
    every function that is entered costs microseconds, and so what came before takes the shortest way.
    """
    found: dict[str, float] = {}
    for key, value in values.items():
        if type(value) is not float or key not in _plain:
            break
        found[key] = value
    else:
        return found, []
    found.clear()
    unfit = []
    for name, (key, value) in zip(unique(map(legal_key, values)), values.items(), strict=True):
        measured = number(value)
        if measured is None:
            unfit.append(key)
            continue
        found[name] = measured
        if type(key) is str and key == name and len(_plain) < MOST_PLAIN:
            _plain.add(key)
    return found, unfit


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
