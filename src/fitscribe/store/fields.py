"""Fields of a request: each read by name, checked, and refused with its value when it is not what it must be.

Stricter than MLflow, which stores a number that it cannot read as 0 and answers 200. The fields of a GET come
from its query, where numbers are text, and a list that has one element does not look like one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from fitscribe.store.refusal import Refusal, invalid

__all__ = [
    "Body",
    "choice",
    "float_of",
    "identifier",
    "integer",
    "integer_of",
    "items",
    "page_size",
    "required",
    "run_id_of",
    "text",
    "text_of",
    "texts",
]

Body: TypeAlias = Mapping[str, Any]

SMALLEST, LARGEST = -(2**63), 2**63 - 1
NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def wrong(name: str, value: object, hint: str) -> Refusal:
    """Return the refusal of a field's value, in the protocol's words."""
    return invalid(f"Invalid value {_shown(value)} for parameter '{name}' supplied: {hint}")


def lacking(name: str) -> Refusal:
    """Return the refusal of a request without a field that it needs."""
    return invalid(
        f"Missing value for required parameter '{name}'. "
        "See the API docs for more information about request parameters."
    )


def text_of(name: str, value: object) -> str:
    """Return a text. Numbers are refused: whoever sends one may mean it to stay a number."""
    if not isinstance(value, str):
        raise wrong(name, value, f"it must be text, and is of type '{type(value).__name__}'")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # half a surrogate pair: no database takes it
            raise wrong(name, value, "it is no valid Unicode text") from None
    return value


def text(body: Body, name: str, default: str = "") -> str:
    """Return a text field, or the default where it is absent or null."""
    value = body.get(name)
    return default if value is None else text_of(name, value)


def required(body: Body, name: str) -> str:
    """Return a text field that must be there and not be empty."""
    found = text(body, name)
    if not found:
        raise lacking(name)
    return found


def run_id_of(body: Body) -> str:
    """Return the run id; `run_uuid` is its old name."""
    return text(body, "run_id") or text(body, "run_uuid") or required(body, "run_id")


def identifier(body: Body, name: str = "experiment_id") -> int:
    """Return an experiment id, which is a decimal number written as text."""
    return identifier_of(name, required(body, name))


def identifier_of(name: str, value: object) -> int:
    """Return an experiment id from its text."""
    found = text_of(name, value)
    if not (found.isascii() and found.isdigit() and len(found) < 19):
        raise invalid(f"Invalid experiment ID '{found}'. Experiment ID must be a valid integer.")
    return int(found)


def integer_of(name: str, value: object) -> int:
    """Return a whole number of 64 bits; its text and a float without a fraction will do as well."""
    number: object = value
    if (isinstance(value, str) and value.isascii() and len(value) < 21 and value.lstrip("-").isdigit()) or (
        isinstance(value, float) and value.is_integer()
    ):
        number = int(value)
    if isinstance(number, bool) or not isinstance(number, int) or not SMALLEST <= number <= LARGEST:
        raise wrong(name, value, "it must be a whole number of at most 64 bits")
    return number


def integer(body: Body, name: str, default: int | None = None) -> int | None:
    """Return a whole number, or the default where it is absent or null."""
    value = body.get(name)
    return default if value is None else integer_of(name, value)


def float_of(name: str, value: object) -> float:
    """Return a number; what is not finite must come as "NaN", "Infinity" or "-Infinity", spelled so."""
    if isinstance(value, str):
        if value in NON_FINITE:
            return NON_FINITE[value]
        number = _parsed(value)
    else:
        number = float(value) if isinstance(value, int | float) and not _huge(value) else math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise wrong(name, value, 'it must be a number, or one of "NaN", "Infinity" and "-Infinity" as text')
    return number


def choice(body: Body, name: str, words: Sequence[str], default: str = "") -> str:
    """Return one of some words, which may also come as its number, counted from 1."""
    value = body.get(name)
    if value is None:
        return default
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= len(words):
        return words[number - 1]
    if value in words:
        return str(value)
    raise wrong(name, value, f"it must be one of {', '.join(words)}")


def items(body: Body, name: str) -> list[dict[str, Any]]:
    """Return a list of objects; absent or null means none."""
    found = body.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise wrong(name, found, "it must be a list of objects")
    return found


def texts(body: Body, name: str, *, query: bool = False) -> list[str]:
    """Return a list of texts; in a query a field that comes once is a list of one."""
    found = body.get(name)
    if found is None:
        return []
    if query and isinstance(found, str):
        found = [found]
    if not isinstance(found, list):
        raise wrong(name, found, f"it must be a list; write [{_shown(found)}]")
    return [text_of(name, item) for item in found]


def page_size(body: Body, most: int, default: int | None = None) -> int:
    """Return how many results a page may have, from 1 to `most`."""
    size = integer(body, "max_results", default)
    if size is None or not 1 <= size <= most:
        shown = 0 if size is None else size
        raise wrong("max_results", shown, f"it must be at least 1 and at most {most}")
    return size


def _parsed(value: str) -> float:
    try:
        return math.nan if "_" in value else float(value)
    except ValueError:
        return math.nan


def _huge(value: int | float) -> bool:
    return isinstance(value, int) and abs(value) >= 1 << 1023


def _shown(value: object) -> str:
    shown = json.dumps(value, default=repr)
    return shown if len(shown) <= 200 else f"{shown[:200]}..."
