"""An estimator as it is now, for work in the background: the user may fit or change it the next moment."""

from __future__ import annotations

from typing import Any

from fitscribe import guarded

__all__ = ["DEEP", "frozen", "frozen_value", "holds_estimators", "is_deeper", "witness"]

DEEP = 6  # levels of estimators inside estimators
MANY = 100  # longer lists hold results (the trees of a forest), not steps


def frozen(estimator: Any, deep: int = DEEP) -> Any:
    """Return a copy that shares every array but no attribute: what a later fit sets is not seen in it.

    Estimators inside it (steps, seeds) are copied in the same way; nothing large is. Not by `copy.copy`: that calls
    `__new__` and `__getstate__`, of which the one warns (deprecated classes) and the other writes whole networks.
    """
    twin = object.__new__(type(estimator))
    for name, value in list(vars(estimator).items()):
        vars(twin)[name] = frozen_value(value, deep - 1) if deep > 0 else value
    return twin


def frozen_value(value: Any, deep: int = DEEP) -> Any:
    """Return what an estimator holds as it is now: estimators, and short lists of them, as copies."""
    if _is_estimator(value):
        return frozen(value, deep)
    if _is_short_list(value) and deep >= 0:
        return type(value)(frozen_value(each, deep - 1 if _is_short_list(each) else deep) for each in value)
    return value


def witness(estimator: Any) -> Any:
    """Return what to ask in the estimator's place, so that the user draws the same random numbers as without us.

    An estimator without a seed draws from numpy's global generator, or from one of the user's, also to predict
    (`DummyClassifier`). Its copy has a seed of its own.
    """
    with guarded("looking at the estimator's seeds"):
        if any(_is_seedless(name, value) for name, value in estimator.get_params().items()):
            twin = frozen(estimator)
            _seed(twin)
            return twin
    return estimator


def _seed(twin: Any) -> None:
    for name, value in list(vars(twin).items()):
        if _is_seedless(name, value):
            vars(twin)[name] = 0
        for each in value if _is_short_list(value) else [value]:
            for inner in each if _is_short_list(each) else [each]:
                if _is_estimator(inner):
                    _seed(inner)


def _is_seedless(name: str, value: Any) -> bool:
    return name.endswith("random_state") and not isinstance(value, int)


def holds_estimators(value: Any, deep: int = 3) -> bool:
    """Say whether a value is an estimator or a list of them, such as the steps of a pipeline."""
    if _is_short_list(value):
        return deep > 0 and any(holds_estimators(each, deep - 1) for each in value)
    return _is_estimator(value)


def is_deeper(value: Any, most: int) -> bool:
    """Say whether estimators stand inside one another on more levels than `most`."""
    if _is_short_list(value):
        return any(is_deeper(each, most) for each in value)
    if not _is_estimator(value):
        return False
    return most <= 0 or any(is_deeper(each, most - 1) for each in value.get_params(deep=False).values())


def _is_estimator(value: Any) -> bool:
    return hasattr(value, "get_params") and not isinstance(value, type)


def _is_short_list(value: Any) -> bool:
    return type(value) in (list, tuple) and len(value) <= MANY
