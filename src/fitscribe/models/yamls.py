"""YAML of somebody else: read only when it is as harmless as what a model directory needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError
from fitscribe.models.inside import opened

__all__ = ["read"]

LARGEST = 16_000_000  # bytes; a table of 50 thousand columns has an MLmodel file of 4
DEEPEST = 100  # the parser in C ends the process at some ten thousand
KINDS = ("binary", "bool", "float", "int", "map", "null", "seq", "str", "timestamp")
PLAIN = {None, "!", *(f"tag:yaml.org,2002:{kind}" for kind in KINDS)}
MOST = 40_000  # values, each counted wherever an alias repeats it; the columns of a signature are one text


def read(file: Path) -> Any:
    """Return what a YAML file holds: plain values, and no more of them than stand there.

    `MisuseError`: it is no YAML, is too large or too deep, names types of Python, or repeats itself without end.
    `FileNotFoundError`, `OSError`: it cannot be read.
    """
    import yaml

    with open(opened(file), "rb") as stream:
        text = stream.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise MisuseError(f"the file {str(file)!r} has more than {LARGEST / 1e6:g} MB, which is too much to describe")
    try:
        words = text.decode("utf-8")
        _measure(yaml, words)
        content = yaml.load(words, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        _expanded(content, {}, set())
    except _Odd as error:
        raise MisuseError(f"the file {str(file)!r} {error}, as no model's does; it is not read") from None
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError) as error:  # a date without digits: the third
        raise MisuseError(f"the file {str(file)!r} is no YAML: {error}") from None
    return content


class _Odd(Exception):
    pass


def _measure(yaml: Any, words: str) -> None:
    """Go through the text event by event, which takes no memory, before anything is built of it."""
    depth = 0
    for count, event in enumerate(yaml.parse(words, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))):
        if count > 2 * MOST:
            raise _Odd(f"holds more than {MOST:,} values")
        if getattr(event, "tag", None) not in PLAIN:
            raise _Odd(f"has the tag {event.tag!r:.100}")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise _Odd(f"is nested more than {DEEPEST} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
            raise _Odd("merges mappings (<<)")


def _expanded(value: Any, known: dict[int, int], above: set[int]) -> int:
    """Return how many values there are when every alias stands for all that it repeats."""
    if not isinstance(value, (dict, list)):
        return 1
    me = id(value)
    if me in known:
        return known[me]
    if me in above:
        raise _Odd("repeats itself within itself")
    above.add(me)
    parts = value.values() if isinstance(value, dict) else value
    known[me] = 1 + sum(_expanded(one, known, above) for one in parts)
    above.discard(me)
    if known[me] > MOST:
        raise _Odd(f"repeats parts of itself into more than {MOST:,} values")
    return known[me]
