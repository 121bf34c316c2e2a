"""Which model made a prediction: known for as long as the array lives, and of what is a part of it.

`proba[:, 1]` and any other view leads back to its array. A copy leads nowhere, nor does what was computed from it
(`proba > 0.5`), a pickle, or a frame that it became a column of: what is measured on those is recorded nowhere, since
to guess the model would now and then be wrong.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

from fitscribe import guarded
from fitscribe.integrations.identity import ByIdentity
from fitscribe.integrations.sklearn.evaluation import Data, Evaluation
from fitscribe.integrations.sklearn.iterations import attributes
from fitscribe.integrations.sklearn.iterations import learned as trained
from fitscribe.integrations.sklearn.written import Argument, here
from fitscribe.models.kinds import is_array

__all__ = [
    "Prediction",
    "any_lives",
    "evaluation_of",
    "forget",
    "goes_on",
    "learned",
    "predicted",
    "prediction_in",
    "remember",
]

_models: ByIdentity[Evaluation] = ByIdentity()
_predictions: ByIdentity[Prediction] = ByIdentity()


class Prediction(NamedTuple):
    """What a model said of some data, at a step of its training."""

    evaluation: Evaluation
    data: Data
    step: int


def evaluation_of(estimator: Any) -> Evaluation | None:
    """Return what is measured of a fitted model goes to; None for one that was not recorded."""
    return _models.get(estimator)


def forget(estimator: Any) -> None:
    """Say that an estimator is fitted anew: what it says from now on is of another model."""
    _models.pop(estimator)


@guarded("remembering the model")
def learned(call: Any, run: Any, X: Any = None, result: Any = None, digest: str | None = None) -> None:
    """Say that the estimator that was just fitted is a model of `run` from now on.

    So are the best one that a search found and the last step of a pipeline. Labels that a clustering gave its training
    data are predictions as well. `digest` is that of the training data, None where no datasets are to be recorded.
    """
    evaluation = Evaluation(run, digest)
    for each in trained(call.target):
        _remember(_models, each, evaluation)
    name = call.function.__name__
    labels = result if name == "fit_predict" else attributes(call.target).get("labels_")
    if labels is not None and X is not None:
        data = evaluation.data(X, here(), Argument(name, 0, "X"))
        _remember(_predictions, labels, Prediction(evaluation, data, 0))


@guarded("remembering the model")
def goes_on(call: Any, run: Any, step: int) -> None:
    """Say that an estimator has learned a portion more, as step `step` of its run."""
    evaluation = evaluation_of(call.target)
    if evaluation is None or evaluation.run is not run:
        learned(call, run, digest="" if call.options["log_datasets"] else None)
        evaluation = evaluation_of(call.target)
    if evaluation is not None:
        evaluation.step = step


def predicted(call: Any) -> Generator[None, Any, None]:
    """Remember what the call of `predict`, `predict_proba`, ... of a recorded model returns."""
    evaluation = evaluation_of(call.target) if call.options["log_post_training_metrics"] else None
    if evaluation is None:
        return
    X = call.args[1] if len(call.args) > 1 else call.kwargs.get("X")
    data = evaluation.data(X, here(), Argument(call.function.__name__, 0, "X"))
    result = yield
    prediction = Prediction(evaluation, data, evaluation.step)
    for each in result if isinstance(result, (list, tuple)) else (result,):  # of several outputs one each
        if each is not X:
            _remember(_predictions, each, prediction)
            _remember_below(each, prediction, X, call.target)


def remember(result: Any, prediction: Prediction) -> None:
    """Say that a model of another framework returned this: an array, or several in a list or a dict."""
    if isinstance(result, (list, tuple, dict)):
        for each in result.values() if isinstance(result, dict) else result:
            remember(each, prediction)
    elif is_array(result):
        _remember(_predictions, result, prediction)


def _remember(known: ByIdentity[Any], thing: Any, what: Any) -> None:
    try:
        known.put(thing, what)
    except TypeError:  # None, one number, or a class with slots alone
        return


def _remember_below(array: Any, prediction: Prediction, X: Any, estimator: Any) -> None:
    """A view of an array that nobody else has: views of the view are views of that one."""
    base = _base(array)
    if base is None or base is X or base is _base(X):
        return
    if not any(base is each or base is _base(each) for each in attributes(estimator).values()):
        _remember(_predictions, base, prediction)


def any_lives() -> bool:
    """Say whether there is any prediction to look for."""
    return len(_predictions) > 0


def prediction_in(values: Any) -> tuple[int, Prediction | None]:
    """Return the last of some values that is a prediction, or a part of one, by its place."""
    found: tuple[int, Prediction | None] = -1, None
    for place, value in enumerate(values):
        if (prediction := _of(value)) is not None:
            found = place, prediction
    return found


def _of(value: Any) -> Prediction | None:
    found = _predictions.get(value)
    if found is None and (base := _below(value)) is not None:
        found = _predictions.get(base)
    return found


def _below(value: Any) -> Any:
    """Return the array that a view, or a column of pandas, shows a part of."""
    if type(value).__module__.startswith("pandas"):
        value = getattr(value, "array", None)  # of a series: no copy
        value = getattr(value, "_ndarray", None)
        return value if _predictions.get(value) is not None else _base(value)
    return _base(value)


def _base(value: Any) -> Any:
    return value.base if is_array(value) else None
