"""LightGBM: a run for a `train` or `cv`, or the rounds in the run of the `fit` around it; the booster at the end."""

from collections.abc import Generator
from typing import Any

from fitscribe import Integration, guarded

OPTIONS: dict[str, Any] = {"log_models": True, "log_model_signatures": True, "log_input_examples": False}
OPTIONS |= {"log_datasets": True, "registered_model_name": None, "max_model_size": 500_000_000}  # bytes
LOGGED = "num_boost_round nfold stratified shuffle seed metrics keep_training_booster eval_train_metric"
integration = Integration("lightgbm", requires="lightgbm>=4.3", tested="<4.8", options=OPTIONS)


def train(call: Any) -> Generator[None, Any, None]:
    """Follow a training or a cross-validation."""
    from fitscribe.models import lightgbm as flavor

    if call.inside and call.outer is None:
        return  # one of a search's many
    with call.run(f"lightgbm.{call.function.__name__}", joins=True) as run:
        joined, options, data = call.inside and call.owned is None, call.options, call.argument("train_set")
        if joined and "num_boost_round" in run.params:
            return  # another booster of the same fit: its rounds would be mixed with those of the first
        told = {name: call.argument(name, call) for name in LOGGED.split()} | dict(call.argument("params") or {})
        run.log_params({name: value for name, value in told.items() if value is not call and name not in run.params})
        valid = call.argument("valid_sets"), call.argument("valid_names")
        used = flavor.datasets(data, *valid) if options["log_datasets"] else []
        for facts, context, name in used[joined:]:  # scikit-learn's integration has told of the first
            if facts:
                run.log_dataset(facts, context, name)
        rows, rounds = None if joined else flavor.rows(data), {}  # they may be gone after it

        @guarded("a round of LightGBM")
        def each_round(env: Any) -> None:
            rounds[env.iteration] = flavor.scores(env.evaluation_result_list or ())
            run.log_metrics(rounds[env.iteration], env.iteration)
            call.state.model = env.model

        vars(each_round)["order"] = float("-inf")  # before those that may stop
        call.replace("callbacks", [each_round, *(call.argument("callbacks") or ())])
        booster = yield
        if rounds and (best := call.state.model.best_iteration) > 0:
            run.log_metrics({"best_iteration": best, "stopped_iteration": max(rounds) + 1})  # counted from 1
            run.log_metrics(rounds.get(best - 1, {}), max(rounds) + 1)  # the last point is what the model can do
        if not joined and options["log_models"] and hasattr(booster, "save_model"):
            how = {"model_input": rows, "limit": options["max_model_size"], "flavor": "lightgbm"}
            how |= {"signature": options["log_model_signatures"], "input_example": options["log_input_examples"]}
            run.log_model(booster, register_as=options["registered_model_name"] or "", **how)
        for kind, (weights, chart) in flavor.importances(booster).items():
            run.log_dict(weights, f"feature_importance_{kind}.json")
            run.log_chart(chart, f"feature_importance_{kind}.png")


for target in ("train", "cv", "engine.train", "engine.cv", "sklearn.train"):  # the same two, under other names
    integration.around(f"lightgbm:{target}", nested=True)(train)
