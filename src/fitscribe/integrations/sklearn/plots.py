"""The plots of a classifier's training, as charts that are drawn in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fitscribe import Heatmap, Lines, guarded

if TYPE_CHECKING:
    from fitscribe.integrations.sklearn.answers import Answers

__all__ = ["log"]

MANY_CLASSES = 60  # a confusion matrix of more is unreadable, and is left out
POINTS = 1000  # of a curve, enough for any screen


def log(run: Any, answers: Answers) -> None:
    """Record the confusion matrix, and for two classes the ROC and precision-recall curves."""
    with guarded("the confusion matrix"):
        _confusion(run, answers)
    if answers.scores is not None:
        with guarded("the ROC curve"):
            _roc(run, answers)
        with guarded("the precision-recall curve"):
            _precision_recall(run, answers)


def _confusion(run: Any, answers: Answers) -> None:
    from sklearn.metrics import confusion_matrix

    labels = answers.labels
    if labels is None or not 1 < len(labels) <= MANY_CLASSES:
        return  # of one class it would show a 1, and scikit-learn warns of it
    matrix = confusion_matrix(
        answers.y.ravel(), answers.predicted, labels=labels, sample_weight=answers.weight, normalize="true"
    )
    names = [str(label) for label in labels]
    chart = Heatmap("Normalized confusion matrix", "Predicted label", "True label", names, names, matrix.tolist())
    run.log_chart(chart, "training_confusion_matrix.png")


def _roc(run: Any, answers: Answers) -> None:
    from sklearn.metrics import auc, roc_curve

    label = answers.labels[1]
    x, y, _ = roc_curve(answers.y.ravel(), answers.scores, pos_label=label, sample_weight=answers.weight)
    series = {f"AUC = {auc(x, y):.3f}": _thinned(x, y), "chance": ([0.0, 1.0], [0.0, 1.0])}
    axes = (f"False positive rate (positive: {label})", f"True positive rate (positive: {label})")
    run.log_chart(Lines("ROC curve", *axes, series), "training_roc_curve.png")


def _precision_recall(run: Any, answers: Answers) -> None:
    from sklearn.metrics import average_precision_score, precision_recall_curve

    label, weight = answers.labels[1], answers.weight
    truth = answers.y.ravel()
    y, x, _ = precision_recall_curve(truth, answers.scores, pos_label=label, sample_weight=weight)
    area = average_precision_score(truth, answers.scores, pos_label=label, sample_weight=weight)
    axes = (f"Recall (positive: {label})", f"Precision (positive: {label})")
    chart = Lines("Precision recall curve", *axes, {f"AP = {area:.3f}": _thinned(x, y)})
    run.log_chart(chart, "training_precision_recall_curve.png")


def _thinned(x: Any, y: Any) -> tuple[list[float], list[float]]:
    """Keep at most so many points of a curve, first and last among them."""
    import numpy

    kept = numpy.unique(numpy.linspace(0, len(x) - 1, min(len(x), POINTS)).astype(int))
    return x[kept].tolist(), y[kept].tolist()
