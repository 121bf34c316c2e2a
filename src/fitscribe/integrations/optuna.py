"""Optuna: a run for each `optimize`, or for a study that is asked and told; below it each trial while it runs."""

from collections.abc import Generator
from typing import Any
from weakref import WeakKeyDictionary

from fitscribe import Integration, guarded

integration = Integration("optuna", requires="optuna>=3.6")
STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}  # as in MLflow's storage for Optuna
searches: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()  # by study


def _begun(study: Any, run: Any, total: int | None = None) -> Any:
    goals = [each.name for each in study.directions]
    run.set_tags({"fitscribe.study": study.study_name, "optuna.study_direction": ",".join(goals)})
    run.log_params({"sampler": type(study.sampler).__name__, "pruner": type(study.pruner).__name__})
    searches[study] = run.search(study.metric_names or "value", goals, total)
    return searches[study]


@guarded("recording a trial of Optuna")
def _record(search: Any, trial: Any) -> Any:
    if not hasattr(trial, "state"):  # it was asked for, and has not ended
        return search.trial(trial.number, trial.params)
    tags = {f"user_{key}": value for key, value in trial.user_attrs.items()} | {"optuna.trial_state": trial.state.name}
    limits = trial.system_attrs.get("constraints") or getattr(trial, "constraints", {}).values()
    told = {"params": trial.params, "tags": tags, "feasible": all(limit <= 0 for limit in limits)}
    return search.done(trial.number, trial.values, STATUS[trial.state.name], **told)


@integration.around("optuna.study.study:Study.optimize")
def _optimize(call: Any) -> Generator[None, Any, None]:
    with call.run(call.target.study_name) as run, _begun(call.target, run, call.argument("n_trials")) as search:
        call.replace("func", call.within(call.argument("func"), lambda trial: search.running(trial.number)))
        call.replace("callbacks", [lambda _, trial: _record(search, trial), *(call.argument("callbacks") or ())])
        yield


@integration.around("optuna.study.study:Study.ask", nested=True)
@integration.around("optuna.study.study:Study.tell", nested=True)
def _asked(call: Any) -> Generator[None, Any, None]:
    if call.inside or call.target._thread_local.in_optimize_loop:
        return
    if call.target not in searches or searches[call.target].closed:
        with call.run(call.target.study_name) as run:
            _begun(call.target, run)
            call.keep(until_gone=call.target)
    _record(searches[call.target], (yield))


@integration.around("optuna.trial._trial:Trial._suggest", nested=True)
@integration.around("optuna.trial._trial:Trial.report", nested=True)
def _said(call: Any) -> Generator[None, Any, None]:
    said, name, search = (yield), call.argument("name"), searches.get(call.target.study)
    if search and name:
        search.params(call.target.number, {name: said})
    elif search:
        search.report(call.target.number, {"intermediate_value": call.argument("value")}, call.argument("step"))
