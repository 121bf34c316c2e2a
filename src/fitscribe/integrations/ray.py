"""Ray Tune: a run for each experiment, below it each trial while it runs, as the driver hears of it."""

from collections.abc import Generator
from numbers import Real
from pathlib import Path
from typing import Any

from fitscribe import Integration, guarded

integration = Integration("ray", requires="ray>=2.40")
TOLD = ("num_samples", "metric", "mode", "time_budget_s", "max_concurrent_trials", "max_failures")
OWN = {"pid", "timestamp", "done", "should_checkpoint", "iterations_since_restore", "time_since_restore"}  # of Ray


@integration.around("ray.tune:run")
@integration.around("ray.tune.impl.tuner_internal:run")
def _run(call: Any) -> Generator[None, Any, None]:
    metric, mode = call.argument("metric"), call.argument("mode")
    told = {name: call.argument(name) for name in TOLD}
    told |= {name: type(call.argument(name)).__name__ for name in ("search_alg", "scheduler") if call.argument(name)}
    with call.run(call.argument("name") or "ray tune") as run, run.search(metric or "metric", mode or "min") as search:
        run.log_params({name: value for name, value in told.items() if value is not None})
        call.state.search, call.state.metric = search, metric
        yield


@integration.around("ray.tune.callback:CallbackList.setup", nested=True)
@integration.around("ray.tune.callback:CallbackList.on_trial_start", nested=True)
@integration.around("ray.tune.callback:CallbackList.on_trial_result", nested=True)
@integration.around("ray.tune.callback:CallbackList.on_trial_complete", nested=True)
@integration.around("ray.tune.callback:CallbackList.on_trial_error", nested=True)
def _told(call: Any) -> Generator[None, Any, None]:
    yield
    if found := vars(getattr(call.outer, "state", object)).get("search"):
        _record(found, call.outer.state.metric, call.function.__name__, **call.kwargs)


@guarded("recording a trial of Ray Tune")
def _record(search: Any, metric: Any, what: str, trial: Any = None, result: Any = None, **others: Any) -> None:
    from ray.tune.utils import flatten_dict

    if trial is None:
        search.total = others.get("total_num_samples")
        return
    config = {name: value for name, value in flatten_dict(trial.config).items() if isinstance(value, (str, Real))}
    search.trial(trial.trial_id, config, str(trial))
    if what == "on_trial_result":
        numbers = {name: value for name, value in flatten_dict(result).items() if isinstance(value, Real)}
        kept = {name: value for name, value in numbers.items() if name not in OWN and not name.startswith("config/")}
        search.report(trial.trial_id, kept, result.get("training_iteration", 0))
    elif what == "on_trial_complete":
        search.done(trial.trial_id, (trial.last_result or {}).get(metric))
    elif what == "on_trial_error":
        file = trial.error_file
        search.done(trial.trial_id, None, "FAILED", message=Path(file).read_text("utf-8") if file else "")
