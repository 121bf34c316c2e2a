"""What an estimator says of its own training data, asked on the user's thread right after its fit.

One `predict`, one `predict_proba` or `decision_function`, and its `score` where that is its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fitscribe import guarded

__all__ = ["MANY_OUTPUTS", "Answers", "ask", "is_many", "labelled"]

MANY_OUTPUTS = 20  # of a multi-output classifier, so many get metrics of their own


class Answers(NamedTuple):
    """What a fitted estimator said of its own training data; all of it ours, nothing the user can change."""

    kind: str  # classifier, regressor or other
    y: Any = None
    predicted: Any = None
    proba: Any = None  # probabilities, a list of them by output, or None
    scores: Any = None  # for curves of two classes: probabilities or decision values of the second
    labels: Any = None
    weight: Any = None
    score: float | None = None


def ask(estimator: Any, X: Any, y: Any, weight: Any) -> Answers | None:
    """Ask a fitted estimator about its training data; None where there is nothing to say."""
    import numpy
    from sklearn.base import is_classifier, is_regressor

    if X is None:
        return None
    weight = None if weight is None or numpy.ndim(weight) == 0 else numpy.array(weight)  # one for all weighs nothing
    kind = "classifier" if is_classifier(estimator) else "regressor" if is_regressor(estimator) else "other"
    predicted = None if y is None or kind == "other" else _asked(estimator, "predict", X)
    score = None
    if predicted is None or not _scores_as_usual(estimator):
        score = _asked(estimator, "score", X, y, weight)
    if predicted is None:
        return None if score is None else Answers("other", score=score)
    y, predicted = _dense(y), _dense(predicted)
    if kind == "regressor":
        return Answers(kind, y, predicted, weight=weight, score=score)
    proba = _asked(estimator, "predict_proba", X)
    labels = getattr(estimator, "classes_", None)
    if y.ndim == 2 and y.shape[1] == 1 and isinstance(proba, list):  # several outputs, of which there is one
        proba, labels = proba[0], labels[0] if isinstance(labels, list) else labels
    scores = None
    if not is_many(y) and labels is not None and len(labels) == 2:
        scores = proba[:, 1] if proba is not None else _asked(estimator, "decision_function", X)
    return Answers(kind, y, predicted, proba, scores, labels, weight, score)


def _dense(y: Any) -> Any:
    """Return labels as an array of our own; of a sparse matrix, the outputs that get metrics."""
    import numpy

    return y[:, :MANY_OUTPUTS].toarray() if hasattr(y, "toarray") else numpy.array(y)


def labelled(answers: Answers) -> Answers:
    """Leave out the rows whose label is no class: semi-supervised estimators take -1 for an unknown one.

    In the background: of many texts it takes as long as the prediction.
    """
    import numpy

    if answers.y.ndim > 1 or answers.labels is None:
        return answers
    known = numpy.isin(answers.y, answers.labels)
    if known.all() or not known.any():
        return answers
    y = answers.y[known].astype(numpy.asarray(answers.labels).dtype)
    rest = {name: getattr(answers, name) for name in ("predicted", "proba", "scores", "weight")}
    rows: dict[str, Any] = {name: part if part is None else part[known] for name, part in rest.items()}
    return answers._replace(y=y, **rows)


def _asked(estimator: Any, method: str, X: Any, y: Any = None, weight: Any = None) -> Any:
    """Call a method if the estimator has it; a score with weights where it takes them."""
    if not hasattr(estimator, method):
        return None
    with guarded(f"{type(estimator).__name__}.{method} on the training data"):
        if method != "score":
            return getattr(estimator, method)(X)
        if y is None and _needs_y(estimator.score):
            return None
        if weight is not None and _takes_weights(estimator.score):
            return float(estimator.score(X, y, sample_weight=weight))
        return float(estimator.score(X, y) if y is not None else estimator.score(X))
    return None


def _scores_as_usual(estimator: Any) -> bool:
    """Say whether the estimator's score is the accuracy or R2 that is computed anyway."""
    from sklearn.base import ClassifierMixin, RegressorMixin

    return getattr(type(estimator), "score", None) in (ClassifierMixin.score, RegressorMixin.score)


def _takes_weights(function: Callable[..., Any]) -> bool:
    import inspect

    return "sample_weight" in inspect.signature(function).parameters


def _needs_y(function: Callable[..., Any]) -> bool:
    import inspect

    y = inspect.signature(function).parameters.get("y")
    return y is not None and y.default is y.empty


def is_many(y: Any) -> bool:
    """Say whether labels are of several outputs."""
    return bool(y.ndim > 1 and y.shape[1] > 1)
