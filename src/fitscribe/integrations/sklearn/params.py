"""An estimator's params: the plain ones before its fit, estimators inside it after, in the background.

scikit-learn's text of an estimator takes about twice as long with each level of estimators in it: 10 ms for the
params of an ordinary pipeline with a `ColumnTransformer`, half a minute at twelve levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.sklearn.frozen import frozen_value, holds_estimators, is_deeper

__all__ = ["LEVELS", "log_inside", "log_plain", "plain"]

LEVELS = 5  # of estimators inside one another that are written out; of more, the outermost is named


@guarded("recording the params")
def log_plain(run: Any, estimator: Any, deep: bool) -> dict[str, Any] | None:
    """Record the params that hold no estimator, and return the others as they are now; None if it will not say."""
    params = estimator.get_params(deep=deep)
    inside = {name: frozen_value(value) for name, value in params.items() if holds_estimators(value)}
    run.log_params({name: value for name, value in params.items() if name not in inside})
    return inside


@guarded("recording the params")
def log_inside(run: Any, inside: Mapping[str, Any]) -> None:
    """Record the params that `log_plain` left (in the background)."""
    run.log_params({name: _words(value) for name, value in inside.items()})


@guarded("reading the params")
def plain(estimator: Any) -> dict[str, Any]:
    """Return the params that hold no estimator."""
    return {name: value for name, value in estimator.get_params().items() if not holds_estimators(value)}


def _words(value: Any) -> Any:
    if not is_deeper(value, LEVELS):
        return value
    if type(value) in (list, tuple):
        return [_words(each) for each in value]
    return f"{type(value).__name__}(...)"
