"""What the direct API refuses, at once and in plain words."""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from fitscribe.errors import MisuseError
from fitscribe.values import KEY_LIMIT, legal_key, number

__all__ = ["artifact_path", "key", "mapping", "metric", "model_name", "moment", "step"]

_known: set[str] = set()
_MANY_KEYS = 100_000
_ILLEGAL = re.compile(r"[^\w/. :-]")


def key(name: object, what: str) -> str:
    """Return a key of a `what` ("metric", "param", "tag") that every server takes, or raise `MisuseError`."""
    if type(name) is str and name in _known:
        return name
    if not isinstance(name, str) or not name:
        raise MisuseError(f"a {what}'s name is a text with at least one character, not {name!r}")
    if len(name) > KEY_LIMIT:
        raise MisuseError(
            f"the {what} name {name[:40]!r}... has {len(name)} characters; servers take at most {KEY_LIMIT}"
        )
    if found := _ILLEGAL.search(name):
        raise MisuseError(
            f"the {what} name {name!r} holds {found.group()!r}, which no server takes; letters, digits, "
            f"_ - . : / and space are allowed: {legal_key(name)!r} would do"
        )
    if posixpath.normpath(name) != name or name.startswith(("/", "..")) or name == ".":
        raise MisuseError(f"the {what} name {name!r} is no plain path; {legal_key(name)!r} would do")
    if len(_known) < _MANY_KEYS:
        _known.add(name)
    return name


def metric(name: str, value: Any) -> float:
    """Return a metric's value as a float; NaN and infinities are values. `MisuseError` for what is no number."""
    found = value if type(value) is float else number(value)
    if found is None:
        raise MisuseError(f"the metric {name!r} was given {value!r} ({type(value).__name__}), which is no number")
    return found


def step(value: Any) -> int:
    """Return a step as a whole number; 2.0 counts, 1.5 raises `MisuseError` (a server would store 0)."""
    if value is None:
        return 0
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    found = number(value)
    if found is None or not math.isfinite(found) or not found.is_integer():
        raise MisuseError(f"a step is a whole number, not {value!r}")
    whole = value if type(value) is int else int(found)
    if not -(2**63) <= whole < 2**63:
        raise MisuseError(f"the step {value!r} does not fit into 64 bits")
    return whole


def moment(value: Any) -> int:
    """Return a timestamp in whole milliseconds since 1970, or raise `MisuseError`."""
    found = number(value)
    if found is None or not 0 <= found < 2**63:
        raise MisuseError(f"a timestamp is in milliseconds since 1970, not {value!r}")
    return int(value) if type(value) is int else int(found)


def mapping(values: Any, what: str) -> Mapping[str, Any]:
    """Return `values` if it is a dict of `what`, or raise `MisuseError`."""
    if not isinstance(values, Mapping):
        raise MisuseError(f"{what} come as a dict of names and values, not as {type(values).__name__}: {values!r:.80}")
    return values


def model_name(name: str) -> str:
    """Return the name of a registered model, or raise `MisuseError` for one that no registry takes."""
    if not isinstance(name, str) or not name.strip() or set(name) & set("/:"):
        raise MisuseError(f"a registered model's name is a text without / and :, not {name!r}")
    return name


def artifact_path(path: object) -> str:
    """Return a path inside a run's artifact folder with forward slashes, or raise `MisuseError`."""
    words = str(path).replace("\\", "/").strip("/") if path else ""
    if words and (posixpath.normpath(words) != words or words.startswith("..") or "\0" in words or words == "."):
        raise MisuseError(f"the artifact path {str(path)!r} is no plain relative path, such as 'plots/loss.png'")
    return words
