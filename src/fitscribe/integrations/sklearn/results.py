"""What a metric returned, as numbers of Python's own: one, a small table, or a report."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["as_json", "numbers", "plain"]

SMALL = 1000  # numbers of a result that is no single one, such as a confusion matrix


def plain(result: Any) -> Any:
    """Return a number, a short list of them or a dict of them as Python's own, a text as it is; None for the rest."""
    import numpy

    found: Any = None
    if isinstance(result, (int, float, numpy.integer, numpy.floating)) and not isinstance(result, bool):
        found = float(result)
    elif isinstance(result, str):
        found = result
    elif isinstance(result, numpy.ndarray) and result.size <= SMALL and result.dtype.kind in "iuf":
        found = result.tolist()
    elif isinstance(result, Mapping) and len(result) <= SMALL:
        parts = {str(name): plain(value) for name, value in result.items()}
        found = None if None in parts.values() else parts
    elif isinstance(result, tuple):
        found = _parts(result)
    return found


def _parts(result: tuple[Any, ...]) -> Any:
    """Return several results as a list; one that is missing, such as a support, stays None."""
    if sum(getattr(each, "size", 1) for each in result) > SMALL:
        return None
    parts = [plain(each) for each in result]
    lost = any(part is None and each is not None for part, each in zip(parts, result, strict=True))
    return None if lost else parts


def numbers(key: str, result: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Walk the numbers of a report by their path, such as `.../macro avg/f1-score`."""
    for name, value in result.items():
        if isinstance(value, float):
            yield f"{key}/{name}", value
        elif isinstance(value, dict):
            yield from numbers(f"{key}/{name}", value)


def as_json(value: Any) -> str:
    """Return JSON; infinities, as the first threshold of a ROC curve is, become words."""
    return json.dumps(_finite(value))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list) else value
