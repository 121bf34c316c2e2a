"""What is recorded of one training: before it its configuration and data, after it what came out."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from functools import partial
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.sklearn import (
    answers,
    iterations,
    metrics,
    params,
    paths,
    portions,
    predictions,
    search,
    tables,
)
from fitscribe.integrations.sklearn.frozen import DEEP, is_deeper, witness
from fitscribe.models import kinds

__all__ = ["recorded"]

# Fitting these prepares data; MLflow leaves them out as well. The params of the model that comes next
# would otherwise not find the run that the user opened for it.
PREPARATION = ("sklearn.preprocessing", "sklearn.impute", "sklearn.feature_extraction", "sklearn.feature_selection")
COMPOSITION = "sklearn.compose._column_transformer"
WIDE = 2000  # columns of a frame, beyond which to tell them one by one takes longer than many a fit


def prepares(estimator: Any) -> bool:
    """Say whether fitting this is data preparation and no training: scikit-learn's own transformers without a model."""
    where = type(estimator).__module__
    if not hasattr(estimator, "get_params"):
        return True  # a transformer that is no estimator
    if not where.startswith((*PREPARATION, COMPOSITION)):
        return False
    return not (where.startswith("sklearn.feature_selection") and hasattr(estimator, "estimator"))


def recorded(call: Any) -> Generator[None, Any, None]:
    """Record the call of an estimator's `fit`, `fit_transform` or `fit_predict`."""
    import numpy

    estimator, options = call.target, call.options
    if prepares(estimator):
        yield
        return
    kind = type(estimator)
    with call.run(kind.__name__) as run:
        data = _Data(call)
        run.set_tags({"estimator_name": kind.__name__, "estimator_class": f"{kind.__module__}.{kind.__qualname__}"})
        portions.begins(run, estimator)
        predictions.forget(estimator)
        searches = search.is_search(estimator)
        inside = params.log_plain(run, estimator, deep=not searches)
        digest = _log_dataset(run, data) if options["log_datasets"] else None
        inner = search.Searches(run, estimator, options)
        clock = time.perf_counter()
        try:
            with inner:
                result = yield
        finally:
            if inside:
                run.later(partial(params.log_inside, run, inside))
        seconds = time.perf_counter() - clock
        predictions.learned(call, run, data.X, result, digest)
        run.log_metrics({"fit_time": seconds, **(scalars(estimator) or {})})
        inner.log_results()
        iterations.log(run, estimator)
        paths.log(run, estimator)
        if options["log_staged_metrics"]:
            iterations.log_staged(run, estimator, data.X, data.y)
        _keep_estimator(run, estimator, options["log_plots"] == "all")
        if searches and not hasattr(estimator, "best_estimator_"):
            return  # without a refit there is no model to ask or to keep
        with numpy.errstate(all="ignore"):  # what a prediction divides by zero, the user did not ask for
            asked = witness(estimator)
            _after(run, asked, data, options, result)
            if options["log_models"]:
                _log_models(run, estimator, asked, data, options)


class _Data:
    """The training data as the user passed it: looked at, never copied whole."""

    def __init__(self, call: Any) -> None:
        self.X: Any = call.args[1] if len(call.args) > 1 else next(iter(call.kwargs.values()), None)
        for name in ("X", "raw_documents", "X_train"):
            if name in call.kwargs:
                self.X = call.kwargs[name]
        if hasattr(self.X, "__next__"):
            self.X = None  # an iterator is the user's to consume, and after the fit there is nothing left in it
        self.y = call.argument("y") if self.X is not None else None
        if self.y is None:
            self.y = call.argument("Y")
        self.weight = call.argument("sample_weight")
        self.left_out = ""
        if kinds.is_lazy(self.X):  # to ask it, even for its columns, is to compute it
            self.X, self.left_out = None, "a LazyFrame, which is never collected here"
        self.wide = kinds.kind_of(self.X) in ("frame", "polars frame", "arrow") and self.X.shape[1] > WIDE


def _log_dataset(run: Any, data: _Data) -> str:
    """Record the training data, and return its digest, if it has one."""
    if data.left_out:
        run.set_tags({"fitscribe.dataset": f"left out: {data.left_out}"})
        return ""
    return str(run.log_data(data.X, data.y))


@guarded("reading the fitted attributes")
def scalars(estimator: Any) -> Mapping[str, float]:
    """Return the plain numbers that the fit left on the estimator, under their own names: `n_iter_`, `inertia_`."""
    import numpy

    found = {}
    for name, value in vars(estimator).items():
        number = isinstance(value, (int, float, numpy.integer, numpy.floating)) and not isinstance(value, bool)
        if number and name.endswith("_") and not name.startswith("_"):
            found[name] = float(value)
    return found


@guarded("recording the training metrics")
def _after(run: Any, estimator: Any, data: _Data, options: Mapping[str, Any], result: Any) -> None:
    """Ask the estimator now, since it may be fitted anew the next moment; compute and draw in the background."""
    found = answers.ask(estimator, data.X, data.y, data.weight, result)
    if found is not None:
        run.later(partial(metrics.log, run, found, options["pos_label"], options["log_plots"]))


@guarded("looking at the estimator")
def _keep_estimator(run: Any, estimator: Any, all_plots: bool) -> None:
    """Keep the estimator as it is now, for its picture and for the tables of what it learned."""
    twin = tables.kept(estimator)
    run.later(partial(_log_html, run, twin))
    run.later(partial(tables.log, run, twin, all_plots))


@guarded("drawing the estimator")
def _log_html(run: Any, estimator: Any) -> None:
    from sklearn.utils import estimator_html_repr

    if is_deeper(estimator, DEEP):
        return  # each level takes twice as long as the one above
    run.log_text(estimator_html_repr(estimator), "estimator.html")


def _log_models(run: Any, estimator: Any, asked: Any, data: _Data, options: Mapping[str, Any]) -> None:
    how: dict[str, Any] = {
        "serialization_format": options["serialization_format"],
        "model_input": data.X,
        "signature": options["log_model_signatures"] and not data.wide,
        "input_example": options["log_input_examples"],
        "skops_trusted_types": ("sklearn.*", "numpy.*", "scipy.*"),
        "limit": options["max_model_size"],
    }
    best = getattr(estimator, "best_estimator_", None) if search.is_search(estimator) else None
    name = options["registered_model_name"] or ""
    how["witness"] = asked
    run.log_model(estimator, "model", flavor="sklearn", register_as="" if best is not None else name, **how)
    if best is not None:  # it is what one deploys, and not the search that found it
        told = params.plain(best)
        run.log_model(best, "best_estimator", flavor="sklearn", register_as=name, params=told, **how)
