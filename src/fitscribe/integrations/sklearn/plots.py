"""The plots of a training's predictions, as charts that are drawn in the background.

By default those that MLflow has; the others on request (`log_plots="all"`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fitscribe import Heatmap, Lines, guarded
from fitscribe.integrations.sklearn.answers import has_all

if TYPE_CHECKING:
    from fitscribe.integrations.sklearn.answers import Answers

__all__ = ["log", "log_more"]

MANY_CURVES = 30  # classes, beyond which one curve each is unreadable
MANY_CLASSES = 60  # a confusion matrix of more is unreadable, and is left out
POINTS = 1000  # of a curve, enough for any screen


def log(run: Any, answers: Answers) -> None:
    """Record the confusion matrix, and for two classes the ROC and precision-recall curves."""
    with guarded("the confusion matrix"):
        _confusion(run, answers)
    if answers.scores is not None and has_all(answers):
        with guarded("the ROC curve"):
            _roc(run, answers)
        with guarded("the precision-recall curve"):
            _precision_recall(run, answers)


def log_more(run: Any, answers: Answers) -> None:
    """Record what is drawn on request: of a regressor residuals, of a classifier calibration and one-vs-rest ROC."""
    if answers.kind == "regressor":
        with guarded("the residuals"):
            _residuals(run, answers)
    elif answers.proba is not None and answers.labels is not None and 1 < len(answers.labels) <= MANY_CURVES:
        with guarded("the calibration curve"):
            _calibration(run, answers)
        if len(answers.labels) > 2:
            with guarded("the ROC curves"):
                _roc_each(run, answers)


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

    label = answers.positive
    x, y, _ = roc_curve(answers.y.ravel(), answers.scores, pos_label=label, sample_weight=answers.weight)
    series = {f"AUC = {auc(x, y):.3f}": _thinned(x, y), "chance": ([0.0, 1.0], [0.0, 1.0])}
    axes = (f"False positive rate (positive: {label})", f"True positive rate (positive: {label})")
    run.log_chart(Lines("ROC curve", *axes, series), "training_roc_curve.png")


def _precision_recall(run: Any, answers: Answers) -> None:
    from sklearn.metrics import average_precision_score, precision_recall_curve

    label, weight = answers.positive, answers.weight
    truth = answers.y.ravel()
    y, x, _ = precision_recall_curve(truth, answers.scores, pos_label=label, sample_weight=weight)
    area = average_precision_score(truth, answers.scores, pos_label=label, sample_weight=weight)
    axes = (f"Recall (positive: {label})", f"Precision (positive: {label})")
    chart = Lines("Precision recall curve", *axes, {f"AP = {area:.3f}": _thinned(x, y)})
    run.log_chart(chart, "training_precision_recall_curve.png")


def _roc_each(run: Any, answers: Answers) -> None:
    from sklearn.metrics import auc, roc_curve

    truth, series = answers.y.ravel(), {}
    for at, label in enumerate(answers.labels):
        if not 0 < (truth == label).sum() < len(truth):
            continue  # there is no curve of a class that is nowhere, or everywhere
        x, y, _ = roc_curve(truth == label, answers.proba[:, at], sample_weight=answers.weight)
        series[f"{str(label)[:30]}: AUC = {auc(x, y):.3f}"] = _thinned(x, y, POINTS // len(answers.labels) + 20)
    axes = ("False positive rate (one class against the rest)", "True positive rate")
    run.log_chart(Lines("ROC curves", *axes, {**series, "chance": ([0.0, 1.0], [0.0, 1.0])}), "training_roc_curve.png")


def _calibration(run: Any, answers: Answers) -> None:
    from sklearn.calibration import calibration_curve

    truth, labels = answers.y.ravel(), answers.labels
    series = {}
    for at, label in list(enumerate(labels))[1 if len(labels) == 2 else 0 :]:
        share, predicted = calibration_curve(truth == label, answers.proba[:, at].clip(0.0, 1.0), n_bins=10)
        series[str(label)[:30]] = (predicted.tolist(), share.tolist())
    axes = ("Mean predicted probability", "Share of rows in the class")
    chart = Lines("Calibration curve", *axes, {**series, "perfect": ([0.0, 1.0], [0.0, 1.0])})
    run.log_chart(chart, "training_calibration_curve.png")


def _residuals(run: Any, answers: Answers) -> None:
    """Draw residuals and prediction errors of one output, or of the first of several."""
    import numpy

    truth = answers.y.reshape(len(answers.y), -1)[:, 0].astype(float)
    predicted = answers.predicted.reshape(len(answers.predicted), -1)[:, 0].astype(float)
    chosen = numpy.unique(numpy.linspace(0, len(truth) - 1, min(len(truth), POINTS)).astype(int))
    truth, predicted = truth[chosen], predicted[chosen]
    ends = [float(min(truth.min(), predicted.min())), float(max(truth.max(), predicted.max()))]
    rows = {"rows": (predicted.tolist(), (truth - predicted).tolist()), "no error": (ends, [0.0, 0.0])}
    chart = Lines("Residuals", "Predicted value", "Actual - predicted", rows, ["rows"])
    run.log_chart(chart, "training_residuals.png")
    rows = {"rows": (truth.tolist(), predicted.tolist()), "no error": (ends, ends)}
    chart = Lines("Prediction error", "Actual value", "Predicted value", rows, ["rows"])
    run.log_chart(chart, "training_prediction_error.png")


def _thinned(x: Any, y: Any, points: int = POINTS) -> tuple[list[float], list[float]]:
    """Keep at most so many points of a curve, first and last among them."""
    import numpy

    kept = numpy.unique(numpy.linspace(0, len(x) - 1, min(len(x), points)).astype(int))
    return x[kept].tolist(), y[kept].tolist()
