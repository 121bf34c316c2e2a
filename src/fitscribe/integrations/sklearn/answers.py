"""What an estimator says of its own training data, asked on the user's thread right after its fit.

One `predict`, one `predict_proba` or `decision_function`, and its `score` where that is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fitscribe import guarded
from fitscribe.integrations.sklearn.iterations import learned

__all__ = ["MANY_OUTPUTS", "Answers", "ask", "has_all", "is_many", "labelled", "towards"]

ROWS = 1000  # of clustered data that are copied, to tell how well the clusters stand apart
WIDE = 1000  # columns of clustered data, beyond which that takes too long
MANY_OUTPUTS = 20  # of a multi-output classifier, so many get metrics of their own


class Answers(NamedTuple):
    """What a fitted estimator said of its own training data; all of it ours, nothing the user can change."""

    kind: str  # classifier, regressor, clusterer, outliers or other
    y: Any = None
    predicted: Any = None
    proba: Any = None  # probabilities, a list of them by output, or None
    scores: Any = None  # for curves of two classes: probabilities or decision values of the second
    labels: Any = None
    weight: Any = None
    score: float | None = None
    rows: Any = None  # of a clustering: some of its rows, with their labels in `predicted`
    numbers: Mapping[str, float] = {}
    positive: Any = None  # the class whose `scores` these are


def ask(estimator: Any, X: Any, y: Any, weight: Any, result: Any = None) -> Answers | None:
    """Ask a fitted estimator about its training data; None where there is nothing to say.

    `result` is what the call returned: of `fit_predict`, the labels.
    """
    import numpy
    from sklearn.base import is_classifier, is_regressor

    if X is None:
        return None
    weight = None if weight is None else numpy.array(weight)
    weight = None if weight is not None and weight.ndim == 0 else weight  # one for all weighs nothing
    kind = "classifier" if is_classifier(estimator) else "regressor" if is_regressor(estimator) else "other"
    predicted = None if y is None or kind == "other" else _asked(estimator, "predict", X)
    score = None
    if predicted is None or not _scores_as_usual(estimator):
        y = None if kind == "other" and _is_no_answer(estimator, y) else y
        score = _asked(estimator, "score", X, y, weight)
    if predicted is None:
        return _unlabelled(estimator, X, result, score)
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
    positive = None if scores is None or labels is None else labels[1]
    return Answers(kind, y, predicted, proba, scores, labels, weight, score, positive=positive)


def towards(answers: Answers, pos_label: Any) -> Answers:
    """Turn the scores of two classes to those of the one that the user calls positive."""
    if answers.scores is None or pos_label is None or pos_label == answers.positive:
        return answers
    scores = answers.proba[:, 0] if answers.proba is not None else -answers.scores
    return answers._replace(scores=scores, positive=pos_label)


def _unlabelled(estimator: Any, X: Any, result: Any, score: float | None) -> Answers | None:
    """What can be said without labels: of clusters a sample of rows, of outliers how many there are."""
    import numpy
    from sklearn.base import is_outlier_detector

    with guarded("looking at clusters and outliers"):
        labels = getattr(estimator, "labels_", None)
        if labels is not None and numpy.ndim(labels) == 1:
            rows, labels = _some_rows(X, numpy.asarray(labels))
            if rows is not None:
                return Answers("clusterer", predicted=labels, score=score, rows=rows)
        if is_outlier_detector(estimator) and isinstance(result, numpy.ndarray) and result.size:
            share = float((result == -1).mean())
            return Answers("outliers", score=score, numbers={"training_outlier_share": share})
    return None if score is None else Answers("other", score=score)


def _some_rows(X: Any, labels: Any) -> tuple[Any, Any]:
    """Copy some rows that are in a cluster; none where they are no plain numbers, or not what was clustered."""
    import numpy

    if not hasattr(X, "shape") or len(X.shape) != 2 or X.shape[0] != len(labels) or X.shape[1] > WIDE:
        return None, None
    chosen = numpy.flatnonzero(labels >= 0)
    if len(chosen) > ROWS:
        chosen = chosen[numpy.linspace(0, len(chosen) - 1, ROWS).astype(int)]
    if hasattr(X, "toarray"):
        return (X.tocsr()[chosen] if X.format == "csr" else None), labels[chosen]
    rows = X.iloc[chosen].to_numpy() if hasattr(X, "iloc") else X[chosen] if isinstance(X, numpy.ndarray) else None
    if rows is None or rows.dtype.kind not in "iuf" or not numpy.isfinite(rows).all():
        return None, None
    return rows, labels[chosen]


def _dense(y: Any) -> Any:
    """Return labels as an array of our own; of a sparse matrix, the outputs that get metrics."""
    import numpy

    return y[:, :MANY_OUTPUTS].toarray() if hasattr(y, "toarray") else numpy.array(y)


def labelled(answers: Answers) -> Answers:
    """Leave out rows that weigh nothing, or whose label is no class: some estimators take -1 for an unknown one.

    In the background: of many texts it takes as long as the prediction.
    """
    import numpy

    if answers.y.ndim > 1 or answers.labels is None:
        return answers
    known = numpy.isin(answers.y, answers.labels)
    if answers.weight is not None:
        known &= answers.weight != 0
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
        if y is None and any(_needs_y(each.score) for each in learned(estimator) if hasattr(each, "score")):
            return None  # a pipeline asks its last step
        if weight is not None and _takes_weights(estimator.score):
            return float(estimator.score(X, y, sample_weight=weight))
        return float(estimator.score(X, y) if y is not None else estimator.score(X))
    return None


def _is_no_answer(estimator: Any, y: Any) -> bool:
    """Say whether labels are none that an outlier detector gives (-1 and 1): it cannot be scored by others."""
    import numpy
    from sklearn.base import is_outlier_detector

    return y is not None and is_outlier_detector(estimator) and not numpy.isin(numpy.asarray(y), (-1, 1)).all()


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


def has_all(answers: Answers) -> bool:
    """Say whether every class has a row: without, there is no ROC, and scikit-learn warns of it."""
    import numpy

    return answers.labels is not None and len(numpy.unique(answers.y.ravel())) == len(answers.labels) > 1


def is_many(y: Any) -> bool:
    """Say whether labels are of several outputs."""
    return bool(y.ndim > 1 and y.shape[1] > 1)
