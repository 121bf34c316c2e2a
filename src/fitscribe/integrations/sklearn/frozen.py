"""An estimator as it is now, for work in the background: the user may fit or change it the next moment."""

from __future__ import annotations

import copy
from typing import Any

__all__ = ["frozen"]

DEEP = 6  # levels of estimators inside estimators
MANY = 100  # longer lists hold results (the trees of a forest), not steps


def frozen(estimator: Any, deep: int = DEEP) -> Any:
    """Return a copy that shares every array but no attribute: what a later fit sets is not seen in it.

    Estimators inside it (steps, seeds) are copied in the same way; nothing large is.
    """
    twin = copy.copy(estimator)
    if deep:
        for name, value in list(vars(twin).items()):
            vars(twin)[name] = _frozen_value(value, deep - 1)
    return twin


def _frozen_value(value: Any, deep: int) -> Any:
    if hasattr(value, "get_params") and not isinstance(value, type):
        return frozen(value, deep)
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple) and len(value) <= MANY:
        return type(value)(_frozen_value(each, deep) for each in value)
    return value
