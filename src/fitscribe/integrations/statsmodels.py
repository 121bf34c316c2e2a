"""statsmodels: a run for each fit that the user makes; what its results tell is read from a copy, in the background."""

import inspect
import sys
from numbers import Real
from typing import Any

from fitscribe import Integration
from fitscribe.models import estimates

__all__ = ["integration"]

PLAIN = (str, Real, dict, list, tuple, type(None))  # of what is none of these the class is told, and of data nothing
OPTIONS = {"log_models": True, "log_datasets": True, "registered_model_name": None, "max_model_size": 500_000_000}
integration = Integration("statsmodels", requires="statsmodels>=0.14.2", tested="<0.16", options=OPTIONS)


def settings(call: Any) -> dict[str, Any]:
    model, takes = call.target, inspect.signature(call.function).parameters.values()
    made = {name: vars(model).get(name) for name in ("formula", *inspect.signature(type(model)).parameters)}
    found = {"model": type(model).__name__, **{name: value for name, value in made.items() if value is not None}}
    found |= {each.name: call.argument(each.name) for each in takes if each.kind != each.VAR_KEYWORD} | call.kwargs
    told = {name: value for name, value in found.items() if name != "self" and getattr(value, "shape", ()) == ()}
    return {name: value if isinstance(value, PLAIN) else type(value).__name__ for name, value in told.items()}


def tell(run: Any, results: Any) -> None:
    run.log_metrics(estimates.criteria(results))
    run.set_tags(estimates.convergence(results))
    if table := estimates.coefficients(results):
        run.log_table(table, "coefficients.json")
    if summary := estimates.summary(results):
        run.log_text(summary, "model_summary.txt")


def fit(call: Any) -> Any:
    caller: Any = sys._getframe()
    while (module := caller.f_globals.get("__name__", "")).partition(".")[0] == "fitscribe":
        caller = caller.f_back
    if module.startswith("statsmodels."):
        return  # for a test, a null model, a search of lags: the user trains nothing
    with call.run() as run:
        run.log_params(settings(call))
        if call.options["log_datasets"]:
            run.log_data(*estimates.data_of(call.target))
        results = yield
        if call.options["log_models"]:
            name, most = call.options["registered_model_name"] or "", call.options["max_model_size"]
            run.log_model(results, flavor="statsmodels", signature=False, register_as=name, limit=most)
        copy, may_wait = estimates.copied(results)
        run.later(lambda: tell(run, copy())) if may_wait else tell(run, copy())


for method in ("fit", "fit_constrained", "fit_regularized", "fit_map", "fit_vb", "fit_em", "fitgmm"):
    integration.around(f"statsmodels.base.model:Model*.{method}")(fit)
for target in ("tsa.forecasting.theta:ThetaModel", "tsa.forecasting.stl:STLForecast", "imputation.mice:MICE"):
    integration.around(f"statsmodels.{target}.fit")(fit)
