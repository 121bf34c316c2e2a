"""CatBoost: a run for a `fit`, or what came out of it in the run of the pipeline around it; and one for a `cv`."""

from collections.abc import Generator
from typing import Any

from fitscribe import Integration, guarded

OPTIONS: dict[str, Any] = {"log_models": True, "log_model_signatures": True, "log_input_examples": False}
OPTIONS |= {"log_datasets": True, "registered_model_name": None, "max_model_size": 500_000_000, "live": False}
integration = Integration("catboost", requires="catboost>=1.2.5", tested="<1.3", options=OPTIONS)


@integration.around("catboost.core:CatBoost+.fit", nested=True)
def fit(call: Any) -> Generator[None, Any, None]:
    """Follow a training."""
    from fitscribe.models import catboost as flavor

    model, options, call.state.fit = call.target, call.options, True
    if call.inside and (call.outer is None or vars(call.outer.state).setdefault("fit", call) is not call):
        return  # one of a search's many, the inner half of a user's own `fit`, or the second one of a `fit`
    with call.run(type(model).__name__, joins=True) as run:
        joined, X = call.inside and call.owned is None, call.argument("X")
        run.log_params({} if joined else model.get_params())
        data = X, call.argument("y"), call.argument("eval_set")
        for facts, context, name in flavor.datasets(*data)[joined:] if options["log_datasets"] else ():
            if facts:
                run.log_dataset(facts, context, name)
        rounds = flavor.Rounds(model, call.argument("metric_period"), call.argument("init_model"))
        tell: Any = guarded("the rounds of CatBoost")(lambda metrics: rounds.tell(metrics, run.log_metrics))
        # CatBoost hands all rounds so far to callbacks, at each one: 3,000 take 2 s more. Without, they are told later.
        if options["live"] or call.argument("callbacks"):
            call.replace("callbacks", [flavor.Follower(tell), *(call.argument("callbacks") or ())])
        try:
            yield
        except BaseException:
            tell(rounds.interrupted())
            raise
        tell(model.evals_result_)
        rounds.tell_best(run.log_metrics)
        run.log_params({name: value for name, value in model.get_all_params().items() if name not in run.params})
        if not joined and options["log_models"]:
            how = {"model_input": flavor.rows(X), "limit": options["max_model_size"], "flavor": "catboost"}
            how |= {"signature": options["log_model_signatures"], "input_example": options["log_input_examples"]}
            run.log_model(model, register_as=options["registered_model_name"] or "", **how)
        for kind, (weights, chart) in flavor.importances(model).items():
            run.log_dict(weights, f"feature_importance_{kind}.json")
            run.log_chart(chart, f"feature_importance_{kind}.png")


@integration.around("catboost:core.cv")
@integration.around("catboost:cv")
def cv(call: Any) -> Generator[None, Any, None]:
    """Record a cross-validation when it is done."""
    from fitscribe.models import catboost as flavor

    with call.run("catboost.cv") as run:
        run.log_params(call.argument("params") or {})
        for step, values in flavor.folds((yield)):
            run.log_metrics(values, step)
