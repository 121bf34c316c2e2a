"""XGBoost: a run for a `train` or `cv`, or the rounds in the run of the `fit` around it; the booster at the end."""

from collections.abc import Generator
from typing import Any

from fitscribe import Integration, guarded

OPTIONS: dict[str, Any] = {"log_models": True, "log_model_signatures": True, "log_input_examples": False}
OPTIONS |= {"log_datasets": True, "registered_model_name": None, "model_format": "ubj", "max_model_size": 500_000_000}
OPTIONS |= {"importance_types": None}
LOGGED = (
    "num_boost_round nfold stratified seed shuffle metrics maximize early_stopping_rounds verbose_eval custom_metric"
)
integration = Integration("xgboost", requires="xgboost>=2.1", also=("xgboost-cpu",), tested="<3.3", options=OPTIONS)
integration.check("model_format")(lambda value: "" if value in ("json", "ubj") else "is neither 'json' nor 'ubj'")


@integration.around("xgboost:cv>func", nested=True)
@integration.around("xgboost:train>func", nested=True)
def train(call: Any) -> Generator[None, Any, None]:
    """Follow a training or a cross-validation."""
    import xgboost

    from fitscribe.models import xgboost as flavor

    if (call.inside and call.outer is None) or xgboost.collective.get_rank():
        return  # one of a search's many, or not the first of the workers that train one booster together
    with call.run(f"xgboost.{call.function.__name__}", joins=True) as run:
        joined, options, data = call.inside and call.owned is None, call.options, call.argument("dtrain")
        if joined and "num_boost_round" in run.params:
            return  # another booster of the same fit: its rounds would be mixed with those of the first
        told = {name: call.argument(name, call) for name in LOGGED.split()} | dict(call.argument("params") or {})
        run.log_params({name: value for name, value in told.items() if value is not call and name not in run.params})
        used = flavor.datasets(data, call.argument("evals")) if options["log_datasets"] else []
        for facts, context, name in used[joined:]:  # scikit-learn's integration has told of the first
            if facts:
                run.log_dataset(facts, context, name)
        rounds = flavor.Rounds(run.log_metrics, call.argument("xgb_model"))
        follower = xgboost.callback.TrainingCallback()
        follower.after_iteration = guarded("a round of XGBoost")(rounds.heard)
        call.replace("callbacks", [follower, *(call.argument("callbacks") or ())])
        try:
            booster = yield
        finally:
            rounds.end()
        if not joined and isinstance(booster, xgboost.Booster) and options["log_models"]:
            how = {"model_format": options["model_format"], "register_as": options["registered_model_name"] or ""}
            how |= {"signature": options["log_model_signatures"], "input_example": options["log_input_examples"]}
            how |= {"model_input": flavor.rows(data), "limit": options["max_model_size"]}
            run.log_model(booster, flavor="xgboost", **how)
        for kind, (weights, chart) in flavor.importances(booster, options["importance_types"]).items():
            run.log_dict(weights, f"feature_importance_{kind}.json")
            run.log_chart(chart, f"feature_importance_{kind}.png")
