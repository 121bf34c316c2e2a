"""Training metrics and plots under MLflow's names, by scikit-learn's own functions.

The estimator is asked on the user's thread, right after its fit: one `predict`, one `predict_proba`. The
metrics themselves are computed in the background, from copies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fitscribe import guarded
from fitscribe.integrations.sklearn import plots

__all__ = ["Answers", "ask", "log"]

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
    weight = None if weight is None else numpy.array(weight)
    kind = "classifier" if is_classifier(estimator) else "regressor" if is_regressor(estimator) else "other"
    predicted = None if y is None or kind == "other" else _asked(estimator, "predict", X)
    score = None
    if predicted is None or not _scores_as_usual(estimator):
        score = _asked(estimator, "score", X, y, weight)
    if predicted is None:
        return None if score is None else Answers("other", score=score)
    y = numpy.array(y)
    if kind == "regressor":
        return Answers(kind, y, predicted, weight=weight, score=score)
    proba = _asked(estimator, "predict_proba", X)
    labels = getattr(estimator, "classes_", None)
    scores = None
    if y.ndim == 1 and labels is not None and len(labels) == 2:
        scores = proba[:, 1] if proba is not None else _asked(estimator, "decision_function", X)
    return Answers(kind, y, predicted, proba, scores, labels, weight, score)


def _asked(estimator: Any, method: str, X: Any, y: Any = None, weight: Any = None) -> Any:
    """Call a method if the estimator has it; a score with weights where it takes them."""
    if not hasattr(estimator, method):
        return None
    with guarded(f"{type(estimator).__name__}.{method} on the training data"):
        if method != "score":
            return getattr(estimator, method)(X)
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


def log(run: Any, answers: Answers, pos_label: Any) -> None:
    """Compute and record metrics and plots (in the background)."""
    found: dict[str, float] = {}
    if answers.kind == "regressor":
        found = _regression(answers)
    elif answers.kind == "classifier" and _is_many(answers.y):
        found = _outputs(answers, pos_label)
    elif answers.kind == "classifier":
        found = _classification(answers, pos_label)
    usual = {"classifier": "training_accuracy_score", "regressor": "training_r2_score"}.get(answers.kind, "")
    score = found.get(usual) if answers.score is None else answers.score
    if score is not None:
        found["training_score"] = score
    run.log_metrics(found)
    if answers.kind == "classifier" and not _is_many(answers.y):
        plots.log(run, answers)


def _is_many(y: Any) -> bool:
    return bool(y.ndim > 1 and y.shape[1] > 1)


def _computed(functions: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """Compute each metric apart: one that fails is left out with a line, and takes no other with it."""
    found = {}
    for name, compute in functions.items():
        with guarded(f"computing {name}"):
            found[name] = float(compute())
    return found


def _regression(answers: Answers) -> dict[str, float]:
    from sklearn import metrics as of

    y, predicted, w = answers.y, answers.predicted, answers.weight
    found = _computed(
        {
            "training_mean_squared_error": lambda: of.mean_squared_error(y, predicted, sample_weight=w),
            "training_mean_absolute_error": lambda: of.mean_absolute_error(y, predicted, sample_weight=w),
            "training_r2_score": lambda: of.r2_score(y, predicted, sample_weight=w),
        }
    )
    if "training_mean_squared_error" in found:
        found["training_root_mean_squared_error"] = found["training_mean_squared_error"] ** 0.5
    return found


def _classification(answers: Answers, pos_label: Any, suffix: str = "") -> dict[str, float]:
    from sklearn import metrics as of

    y, predicted, w, proba = answers.y.ravel(), answers.predicted, answers.weight, answers.proba
    average: dict[str, Any] = (
        {"average": "weighted"} if pos_label is None else {"average": "binary", "pos_label": pos_label}
    )
    found = {}
    with guarded("computing precision, recall and f1"):
        three = of.precision_recall_fscore_support(y, predicted, sample_weight=w, zero_division=0, **average)
        names = ("precision_score", "recall_score", "f1_score")
        found = {f"training_{name}{suffix}": float(value) for name, value in zip(names, three, strict=False)}
    functions = {"accuracy_score": lambda: of.accuracy_score(y, predicted, sample_weight=w)}
    if proba is not None:
        functions["log_loss"] = lambda: of.log_loss(y, proba, labels=answers.labels, sample_weight=w)
        if len(answers.labels) > 1:
            functions["roc_auc"] = lambda: _roc_auc(answers)
    return {**found, **_computed({f"training_{name}{suffix}": each for name, each in functions.items()})}


def _roc_auc(answers: Answers) -> float:
    from sklearn.metrics import roc_auc_score

    scores = answers.proba[:, 1] if len(answers.labels) == 2 else answers.proba
    # scikit-learn knows no weights for one-versus-one averages
    weight = answers.weight if len(answers.labels) == 2 else None
    y = answers.y.ravel()
    return float(roc_auc_score(y, scores, average="weighted", multi_class="ovo", sample_weight=weight))


def _outputs(answers: Answers, pos_label: Any) -> dict[str, float]:
    """A classifier of several outputs: each gets its own set, named by its number."""
    found: dict[str, float] = {}
    for number in range(min(answers.y.shape[1], MANY_OUTPUTS)):
        proba = answers.proba[number] if isinstance(answers.proba, list) else None
        several = isinstance(answers.labels, list)
        one = answers._replace(
            y=answers.y[:, number],
            predicted=answers.predicted[:, number],
            proba=proba,
            labels=answers.labels[number] if several else answers.labels,
        )
        found.update(_classification(one, pos_label, f"_output_{number}"))
    return found
