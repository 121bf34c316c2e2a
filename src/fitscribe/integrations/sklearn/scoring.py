"""What is measured of a recorded model after its fit: by `score`, by scikit-learn's metrics, and by its scorers.

Metrics are watched inside what scikit-learn's check of arguments calls, so the functions stay the same objects, and
whoever imported them before is seen too. A metric inside a fit, a search, a validation or another metric is part of it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from fitscribe.integrations.sklearn.evaluation import Evaluation
from fitscribe.integrations.sklearn.predictions import any_lives, evaluation_of, prediction_in
from fitscribe.integrations.sklearn.written import Argument, Call, parameters

__all__ = ["measured", "scored", "scored_by"]

LABELS = ("y_true", "labels_true")


def measured(call: Any) -> Generator[None, Any, None]:
    """Record the call of a metric, if one of its arguments is a prediction that a recorded model made."""
    if not any_lives() or not call.options["log_post_training_metrics"]:
        return
    at, prediction = prediction_in((*call.args, *call.kwargs.values()))
    if prediction is None:
        return
    name = call.function.__name__
    words = Call.of(name, call)
    y = _labels(call) if at else None
    result = yield
    prediction.evaluation.note(name, result, words, prediction.data, y, prediction.step)


def _labels(call: Any) -> Any:
    """Return the true labels: a metric's first parameter, if it is called so."""
    first = parameters(call.function)[0]
    if first not in LABELS:
        return None
    return call.args[0] if call.args else call.kwargs.get(first)


def scored(call: Any) -> Generator[None, Any, None]:
    """Record the call of a recorded model's `score`."""
    evaluation = evaluation_of(call.target) if call.options["log_post_training_metrics"] else None
    if evaluation is None:
        return
    kind = type(call.target).__name__
    words = Call.of(f"{kind}.score", call, bound=1)
    X, y = _given(call, ("X", "y"))
    data = evaluation.data(X, words.place, Argument("score", 0, "X"))
    result = yield
    evaluation.note(f"{kind}_score", result, words, data, y, evaluation.step)


def _given(call: Any, names: Sequence[str]) -> list[Any]:
    """Return the first arguments after the object itself, by position or by name."""
    given = call.args[1 : len(names) + 1]
    return [*given, *(call.kwargs.get(name) for name in names[len(given) :])]


def scored_by(call: Any) -> Generator[None, Any, None]:
    """Record the call of a scorer, or of several as one, on a recorded model."""
    model, X, y = _given(call, ("estimator", "X", "y_true"))
    evaluation = evaluation_of(model) if call.options["log_post_training_metrics"] else None
    if evaluation is None:
        return
    words = Call.of("", call, bound=1, direct=True)
    data = evaluation.data(X, words.place, Argument("", 1, "X"))
    result = yield
    scorers = getattr(call.target, "_scorers", None)
    for name, each in scorers.items() if isinstance(scorers, dict) else [("", call.target)]:
        _note(evaluation, each, result.get(name) if name else result, words, data, y)


def _note(evaluation: Evaluation, scorer: Any, result: Any, call: Call, data: Any, y: Any) -> None:
    """Record what a scorer says as the metric behind it: of an error it says the negative."""
    function = getattr(scorer, "_score_func", None)
    if function is not None:  # else it is the model's own `score`, which is seen by itself
        name = getattr(function, "__name__", type(function).__name__)
        value = result * scorer._sign if isinstance(result, (int, float)) else result
        evaluation.note(name, value, call._replace(name=name), data, y, evaluation.step)
