"""Training metrics under MLflow's names, by scikit-learn's own functions, in the background."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.sklearn import plots
from fitscribe.integrations.sklearn.answers import MANY_OUTPUTS, Answers, has_all, is_many, labelled, towards

__all__ = ["log"]


def log(run: Any, answers: Answers, pos_label: Any, log_plots: str = "default") -> None:
    """Compute and record metrics and plots (in the background)."""
    found: dict[str, float] = dict(answers.numbers)
    if answers.kind == "classifier":
        answers = labelled(answers)
        answers = towards(answers, fitting(pos_label, answers.labels))
        if pos_label is not None and fitting(pos_label, answers.labels) is None and not is_many(answers.y):
            said = f"{pos_label!r} is not one of two classes here; averages are weighted"
            run.set_tags({"fitscribe.pos_label": said})
    if answers.kind == "regressor":
        found.update(_regression(answers))
    elif answers.kind == "classifier" and is_many(answers.y):
        found.update(_outputs(answers, pos_label))
    elif answers.kind == "classifier":
        found.update(_classification(answers, pos_label))
    elif answers.rows is not None:
        found.update(_clustering(answers))
    usual = {"classifier": "training_accuracy_score", "regressor": "training_r2_score"}.get(answers.kind, "")
    score = found.get(usual) if answers.score is None else answers.score
    if score is not None:
        found["training_score"] = score
    run.log_metrics(found)
    if answers.kind == "classifier" and not is_many(answers.y) and log_plots != "none":
        plots.log(run, answers)
    if answers.y is not None and log_plots == "all" and not (answers.kind == "classifier" and is_many(answers.y)):
        plots.log_more(run, answers)


def fitting(pos_label: Any, classes: Any) -> Any:
    """Return the positive label if it is one of two classes; else it says nothing, and averages are weighted."""
    labels = [] if classes is None or isinstance(classes, list) else list(classes)
    return pos_label if len(labels) <= 2 and pos_label in labels else None


def _clustering(answers: Answers) -> dict[str, float]:
    """How well clusters stand apart, of at most so many rows as were copied; noise (-1) belongs to none."""
    import numpy
    from sklearn.metrics import silhouette_score

    rows, labels = answers.rows, answers.predicted
    if rows is None or len(numpy.unique(labels)) not in range(2, len(labels)):
        return {}
    return _computed({"training_silhouette_score": lambda: silhouette_score(rows, labels)})


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
            # of one row there is none, and scikit-learn would warn the user
            **({"training_r2_score": lambda: of.r2_score(y, predicted, sample_weight=w)} if len(y) > 1 else {}),
        }
    )
    if "training_mean_squared_error" in found:
        found["training_root_mean_squared_error"] = found["training_mean_squared_error"] ** 0.5
    return found


def _classification(answers: Answers, pos_label: Any, suffix: str = "") -> dict[str, float]:
    import numpy
    from sklearn import metrics as of

    y, predicted, w, proba = answers.y.ravel(), answers.predicted, answers.weight, answers.proba
    pos_label = fitting(pos_label, numpy.unique(y) if answers.labels is None else answers.labels)
    average: dict[str, Any] = (
        {"average": "weighted"} if pos_label is None else {"average": "binary", "pos_label": pos_label}
    )
    found = {}
    with guarded("computing precision, recall and f1"):
        three = of.precision_recall_fscore_support(y, predicted, sample_weight=w, zero_division=0, **average)
        names = ("precision_score", "recall_score", "f1_score")
        found = {f"training_{name}{suffix}": float(value) for name, value in zip(names, three, strict=False)}
    functions = {"accuracy_score": lambda: of.accuracy_score(y, predicted, sample_weight=w)}
    if proba is not None and len(answers.labels) > 1:
        functions["log_loss"] = lambda: of.log_loss(y, proba, labels=answers.labels, sample_weight=w)
        if has_all(answers):
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
