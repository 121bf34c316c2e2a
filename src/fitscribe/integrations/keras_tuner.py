"""KerasTuner: a run for each search, below it each trial, with what was tried and how good it was."""

import os
from collections.abc import Generator
from typing import Any
from weakref import WeakKeyDictionary

from fitscribe import Integration, guarded

integration = Integration("keras_tuner", requires="keras-tuner>=1.4.6")
TOLD = "max_trials executions_per_trial max_retries_per_trial max_consecutive_failed_trials max_model_size max_epochs"
TOLD += " factor hyperband_iterations seed tune_new_entries allow_new_entries project_name"
searches: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()  # by tuner


@integration.around("keras_tuner.engine.base_tuner:BaseTuner+.search")
def _search(call: Any) -> Generator[None, Any, None]:
    tuner, oracle, name = call.target, call.target.oracle, type(call.target).__name__
    if os.environ.get("KERASTUNER_TUNER_ID", "").startswith("chief"):  # it hands out trials, and tries none
        return
    told = {key: getattr(tuner, key, getattr(oracle, key, None)) for key in TOLD.split()}
    told |= {"tuner": name, "oracle": type(oracle).__name__, "objective": oracle.objective.name}
    goal = told["direction"] = oracle.objective.direction
    with call.run(name) as run, run.search("score", goal, told["max_trials"], offered=True) as searches[tuner]:
        run.log_params({key: value for key, value in told.items() if value is not None})
        yield
        space = [{"class_name": type(each).__name__, **each.get_config()} for each in oracle.get_space().space]
        run.log_dict(space, "search_space.json")


@integration.around("keras_tuner.engine.base_tuner:BaseTuner+.run_trial", nested=True)
def _run_trial(call: Any) -> Generator[None, Any, None]:
    trial, search = call.argument("trial"), searches.get(call.target)
    if search is not None and not search.closed:
        search.trial(trial.trial_id, trial.hyperparameters.values)
        call.state.trial = True  # a fit inside is recorded
        with call.entering(search.running(trial.trial_id)):
            yield


@integration.around("keras_tuner.engine.base_tuner:BaseTuner+.on_trial_end", nested=True)
def _on_trial_end(call: Any) -> Generator[None, Any, None]:
    try:
        yield
    finally:  # too many trials that failed make an error of this judging
        _record(searches.get(call.target, ()), getattr(call.target.oracle, "trials", {}), call.argument("trial"))


@guarded("recording a trial of KerasTuner")
def _record(search: Any, known: Any, told: Any) -> None:
    if told.trial_id in search:
        trial, run = known.get(told.trial_id, told), search.trial(told.trial_id)
        for name, history in {} if run.autologged else trial.metrics.metrics.items():  # else its fit has told more
            for seen in history.get_history():
                run.log_metrics({name: seen.mean()}, seen.step or 0)
        told = {"metrics": {"best_step": trial.best_step}, "params": trial.hyperparameters.values}
        status = "FAILED" if trial.status in ("INVALID", "FAILED") else "FINISHED"
        search.done(trial.trial_id, trial.score, status, message=trial.message or f"the score is {trial.score}", **told)
