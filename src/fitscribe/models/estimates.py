"""What the results of a statistical fit tell: criteria, coefficients, summary; read from a copy, for to read writes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from io import BytesIO
from numbers import Real
from typing import Any

from fitscribe.guard import outcome, quietly

__all__ = ["coefficients", "convergence", "copied", "criteria", "data_of", "settings_kept", "summary"]

CRITERIA = """aic aicc bic hqic centered_tss condition_number deviance df_model df_resid ess f_pvalue fvalue llf llnull
mae mse mse_model mse_resid mse_total nobs null_deviance pearson_chi2 prsquared rsquared rsquared_adj scale sse ssr
uncentered_tss"""
LARGE = 2_000_000  # bytes: of larger results no copies wait in memory
OF_FORMULAS = ("design_info", "frame", "model_spec")
OF_USERS = ("callback", "cov_params_func")  # functions that may hold anything


def criteria(results: Any) -> dict[str, float]:
    """Return how good a fit is, by all criteria that its results have; they are kept in the results' cache."""
    found = {name: quietly(getattr, results, name, default=None) for name in CRITERIA.split()}
    return {name: float(value) for name, value in found.items() if isinstance(value, Real)}


def convergence(results: Any) -> dict[str, bool]:
    """Return whether the fit came to its end, as `converged`; nothing where the results do not know."""
    told = quietly(getattr, results, "mle_retvals", default=None)
    told = told if isinstance(told, Mapping) else {}
    found = quietly(getattr, results, "converged", default=told.get("converged", told.get("success")))
    return {} if found is None else {"converged": bool(found)}


def data_of(model: Any) -> tuple[Any, Any]:
    """Return the user's own data of a model: the frame of a formula, or explaining and explained, or a series."""
    data = getattr(model, "data", None)
    frame, exog, endog = (getattr(data, name, None) for name in ("frame", "orig_exog", "orig_endog"))
    if frame is not None:
        return frame, None
    return (endog, None) if exog is None else (exog, endog)


def summary(results: Any) -> str:
    """Return the summary as text; "" of results that have none."""
    return quietly(lambda: str(results.summary()), default="")


def coefficients(results: Any) -> dict[str, list[Any]]:
    """Return a table of the coefficients with errors, p-values and 95 % bounds; nothing of results that have none.

    Those of several equations stand below one another, as `equation: name`.
    """
    return quietly(_coefficients, results, default={})


def _coefficients(results: Any) -> dict[str, list[Any]]:
    import numpy

    found = {name: quietly(getattr, results, name, default=None) for name in ("params", "bse", "tvalues", "pvalues")}
    if found["params"] is None:
        return {}
    size = numpy.size(found["params"])
    columns = {name: numpy.asarray(value, float).T.ravel() for name, value in found.items() if value is not None}
    bounds = numpy.asarray(quietly(getattr(results, "conf_int", tuple), default=()), float)
    if bounds.size == 2 * size:
        columns["lower"], columns["upper"] = bounds.reshape(-1, 2).T
    told = {name: column.tolist() for name, column in columns.items() if column.size == size}
    return {"name": _names(found["params"], results, size), **told}


def _names(params: Any, results: Any, size: int) -> list[str]:
    rows = getattr(params, "index", None)
    if rows is not None and getattr(params, "ndim", 1) > 1:
        return [f"{column}: {row}" for column in params.columns for row in rows]
    model = getattr(results, "model", None)
    for known in (getattr(model, "param_names", None), rows, getattr(model, "exog_names", None)):
        if known is not None and len(known) == size:
            return list(map(str, known))
    return list(map(str, range(size)))


def copied(results: Any) -> tuple[Callable[[], Any], bool]:
    """Return a function that gives a copy of results to read from, and whether it may be called later.

    The copy has all that was estimated, but no formula: that could only be read again where the user's functions are.
    It may wait where it shares nothing with the results, and takes little memory meanwhile.
    """
    frozen = outcome(_frozen, results)
    if isinstance(frozen, Exception):  # what cannot be pickled
        twin = outcome(_twin, results)
        return lambda: twin, False
    return partial(pickle.loads, frozen), len(frozen) <= LARGE


def _frozen(results: Any) -> bytes:
    stream = BytesIO()
    _pickler()(stream).dump(results)
    return stream.getvalue()


def _twin(results: Any) -> Any:
    """Copy results but not what they hold, so that their cache stays as it is."""
    inner = getattr(results, "_results", results)
    twin = object.__new__(type(inner))
    _filled(twin, {**vars(inner), "_cache": dict(getattr(inner, "_cache", {}))})
    return twin if inner is results else type(results)(twin)


@cache
def _pickler() -> Any:
    """Make a pickler that takes models, data and results as they are, without what they do about being pickled.

    That loses the likelihood of a negative binomial, empties settings, and reads formulas again when it is loaded.
    """
    import cloudpickle
    from statsmodels.base.data import ModelData
    from statsmodels.base.model import Model, Results

    parent: Any = cloudpickle.Pickler

    class AsTheyAre(parent):  # type: ignore[misc]
        def reducer_override(self, thing: Any) -> Any:
            if not isinstance(thing, (Model, ModelData, Results)):
                return parent.reducer_override(self, thing)
            state = {name: value for name, value in vars(thing).items() if name not in OF_FORMULAS}
            if isinstance(state.get("mle_settings"), dict):
                state["mle_settings"] = {**state["mle_settings"], **dict.fromkeys(OF_USERS)}
            return object.__new__, (type(thing),), state, None, None, _filled

    return AsTheyAre


def _filled(made: Any, state: dict[str, Any]) -> None:
    vars(made).update(state)


@contextmanager
def settings_kept(results: Any) -> Iterator[None]:
    """Put back what pickling takes out of the results: the user's callback and function for the covariance."""
    inner = getattr(results, "_results", results)
    found = [getattr(each, "mle_settings", None) for each in (inner, getattr(inner, "mlefit", None))]
    before = [(settings, dict(settings)) for settings in found if isinstance(settings, dict)]
    try:
        yield
    finally:
        for settings, kept in before:
            settings.update(kept)
