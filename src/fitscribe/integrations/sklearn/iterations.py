"""What an estimator that learns in steps tells of them: a curve for each, and whether it came to its end.

Read after the fit from what the estimator keeps. scikit-learn's own callbacks (since 1.9) tell less: of all estimators
with iterations `LogisticRegression` alone has them, they are given no loss, they stay on the user's object and in its
pickles, and what they raise ends the fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from fitscribe import guarded

__all__ = ["attributes", "learned", "log", "log_staged"]

CURVES = (
    "loss_curve_",
    "validation_scores_",
    "train_score_",
    "validation_score_",
    "oob_scores_",
    "oob_improvement_",
    "estimator_errors_",
    "estimator_weights_",
    "lower_bounds_",
    "loglike_",
    "costs_",
)
BY_WISH = {"scores_": "compute_score"}  # elsewhere this is the score of each feature
POINTS = 2000  # of a curve; longer ones are thinned, with the first and the last point kept
DEEP = 4  # levels of pipelines and searches inside one another


def attributes(estimator: Any) -> Mapping[str, Any]:
    """Return an estimator's own attributes; no code of its class runs, neither properties nor `__getattr__`."""
    try:
        found: dict[str, Any] = object.__getattribute__(estimator, "__dict__")
    except AttributeError:
        return {}  # it has slots
    return found


def learned(estimator: Any) -> Iterator[Any]:
    """Yield the estimators that a fit has trained: itself, a search's best, and the last step of a pipeline."""
    for _ in range(DEEP):
        yield estimator
        held = attributes(estimator)
        steps, inner = held.get("steps"), held.get("best_estimator_")
        if inner is None and isinstance(steps, list) and steps:
            inner = steps[-1][1]
        if not hasattr(inner, "get_params") or isinstance(inner, type):
            return
        estimator = inner


@guarded("recording the iterations")
def log(run: Any, estimator: Any) -> None:
    """Record the curves of a fitted estimator, its iterations, and a tag where they were too few."""
    curves: dict[str, Any] = {}
    for each in learned(estimator):
        curves |= {name: curve for name, curve in _curves(each) if name not in curves}
        most = iterations(each)
        if most is not None and (each is not estimator or _is_many(attributes(each)["n_iter_"])):
            run.log_metrics({"n_iter_": most})  # a plain number of the estimator itself is recorded anyway
        if unconverged(each, most):
            run.set_tags({"fitscribe.converged": "false"})
    if curves:
        run.later(partial(_log_curves, run, curves))


def _curves(estimator: Any) -> Iterator[tuple[str, Any]]:
    import numpy

    held = attributes(estimator)
    names = [*CURVES, *(name for name, wish in BY_WISH.items() if held.get(wish))]
    for name in names:
        values = held.get(name)
        if not isinstance(values, (list, tuple, numpy.ndarray)) or len(values) < 2:
            continue
        curve = numpy.array(values)  # a copy: a warm start goes on with the same list
        if curve.ndim == 2 and name == "costs_":
            curve = curve[:, 0]  # the objective; beside it stands the gap
        if name.startswith("estimator_") and isinstance(held.get("estimators_"), list):
            curve = curve[: len(held["estimators_"])]  # what was to be trained; it may have stopped before
        if curve.ndim == 1 and curve.dtype.kind in "biuf":
            yield name.rstrip("_"), curve


@guarded("recording the curves")
def _log_curves(run: Any, curves: Mapping[str, Any]) -> None:
    """Record the curves side by side; the step is the place in the attribute (in the background)."""
    steps: dict[int, dict[str, float]] = {}
    for name, curve in curves.items():
        for step in _kept(len(curve)):
            steps.setdefault(step, {})[name] = float(curve[step])
    for step in sorted(steps):
        run.log_metrics(steps[step], step=step)


def _kept(count: int) -> Iterator[int]:
    if count <= POINTS:
        return iter(range(count))
    return (round(place * (count - 1) / (POINTS - 1)) for place in range(POINTS))


def iterations(estimator: Any) -> int | None:
    """Return `n_iter_`, the most of them where each class or fold has its own; None where there is none."""
    import numpy

    found = attributes(estimator).get("n_iter_")
    if found is None or isinstance(found, (bool, str)):
        return None
    array = numpy.asarray(found)
    return int(array.max()) if array.size and array.dtype.kind in "iuf" else None


def unconverged(estimator: Any, most: int | None) -> bool:
    """Say whether a fit ended because its iterations were used up, by `converged_` or by `n_iter_` and `max_iter`.

    Not by the warning: to see one that the user's filters hide, the filters of all threads would have to change.
    """
    held = attributes(estimator)
    if isinstance(held.get("converged_"), (bool, int)):
        return not held["converged_"]
    limit = held.get("max_iter")
    tests = held.get("tol") is not None or "convergence_iter" in held
    if most is None or not tests or isinstance(limit, bool) or not isinstance(limit, int) or limit <= 0:
        return False
    return most >= limit and "ensemble" not in type(estimator).__module__  # boosting is meant to use them up


def _is_many(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) > 0


@guarded("recording the staged metrics")
def log_staged(run: Any, estimator: Any, X: Any, y: Any) -> None:
    """Record the training metrics after each stage of a boosted model: a prediction a stage, on the user's thread."""
    if X is None or y is None:
        return
    for each in learned(estimator):
        if hasattr(each, "staged_predict"):
            _log_stages(run, each, X, y)
            return
        if isinstance(attributes(each).get("steps"), list):
            X = each[:-1].transform(X) if len(each.steps) > 1 else X


def _log_stages(run: Any, estimator: Any, X: Any, y: Any) -> None:
    from sklearn import metrics as of
    from sklearn.base import is_classifier

    functions: dict[str, Any] = {"r2_score": of.r2_score, "mean_squared_error": of.mean_squared_error}
    if is_classifier(estimator):
        functions = {"accuracy_score": of.accuracy_score}
    for stage, predicted in enumerate(estimator.staged_predict(X)):
        found = {f"staged_training_{name}": float(function(y, predicted)) for name, function in functions.items()}
        run.log_metrics(found, step=stage)
