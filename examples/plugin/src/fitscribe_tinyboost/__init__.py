"""tinyboost: a run for each `train`, metrics by round; of a `search` each candidate is a run below the search's."""

import math

from fitscribe import Bars, Integration, guarded

options = {"log_models": True, "log_datasets": True, "log_every_n_rounds": 1}
integration = Integration("tinyboost", requires="tinyboost>=1.2", options=options)


@integration.check("log_every_n_rounds")
def problem(value):
    return "" if isinstance(value, int) and value > 0 else "is no whole number above 0"


@integration.around("tinyboost:train", nested=True)  # nested: the trainings inside a search are seen as well
def train(call):
    params, last = {"rounds": call.argument("rounds"), **call.argument("params")}, {}
    search = getattr(call.outer and call.outer.state, "tinyboost_search", None)
    candidate = ", ".join(f"{name}={value}" for name, value in params.items())
    if search:
        search.trial(candidate, params, name=candidate)
    with search.running(candidate) if search else call.run("tinyboost", joins=True) as run:
        run.log_params({} if search else params)
        if call.options["log_datasets"] and not search:
            run.log_data(call.argument("X"), call.argument("y"))

        @guarded("a round of tinyboost")  # an error in here is logged, and the training goes on
        def each_round(number, metrics):
            last.update(metrics)
            if number % call.options["log_every_n_rounds"] == 0:
                run.log_metrics(metrics, step=number)

        call.replace("callbacks", [*call.argument("callbacks"), each_round])
        booster = yield
        if search:
            search.done(candidate, last.get("mse"))
        else:
            tell(call, run, booster)


@integration.around("tinyboost:search")
def search(call):
    space = call.argument("space")
    with call.run("tinyboost search") as run:
        run.log_params(space)
        total = math.prod(map(len, space.values()))
        with run.search("final_mse", "minimize", total) as call.state.tinyboost_search:  # `train` finds it there
            _, booster = yield
        tell(call, run, booster)


def tell(call, run, booster):
    """Record what came out; the flavor that keeps the booster is in `flavor.py`."""
    columns, cuts = zip(*booster.importance().items(), strict=True) if booster.stumps else ((), ())
    run.log_table({"column": columns, "cuts": cuts}, "importance.json")
    run.log_chart(Bars("Cuts by column", "cuts", [str(column) for column in columns], list(cuts)), "importance.png")
    if call.options["log_models"]:
        run.log_model(booster, flavor="tinyboost", model_input=call.argument("X"))
