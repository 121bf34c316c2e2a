"""Searches of KerasTuner: a run for the search, and below it one for each trial, with what was tried and its score.

A trial's first fit writes to the trial's run, further ones (`executions_per_trial`) get children of it. A trial that
is tried again after it failed is a run again. Models of trials are not recorded: the tuner keeps their best weights.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from fitscribe import guarded

__all__ = ["begun", "fitting", "over", "searched"]

TOLD = (
    "max_trials",
    "executions_per_trial",
    "max_retries_per_trial",
    "max_consecutive_failed_trials",
    "max_model_size",
    "max_epochs",
    "factor",
    "hyperband_iterations",
    "seed",
    "tune_new_entries",
    "allow_new_entries",
    "project_name",
)
BAD = ("INVALID", "FAILED")  # how KerasTuner ends a trial that gave no score


class Trial:
    """One trial while it is tried."""

    def __init__(self, run: Any, number: int) -> None:
        """`run` is the child; the first fit writes to it."""
        self.run, self.number = run, number
        self.fitted = False
        self.error: BaseException | None = None


class Search:
    """A search under way, in the thread that searches."""

    def __init__(self, run: Any, tuner: Any) -> None:
        """`run` gets a child for each trial."""
        self.run, self.tuner = run, tuner
        self.trials: dict[str, Trial] = {}  # that have not ended
        self.ended: dict[str, tuple[Any, Any]] = {}  # by the tuner's id: the trial as it ended last, its child
        self.count = 0

    def close(self, error: BaseException | None) -> None:
        """End trials whose end the tuner never came to."""
        for trial in self.trials.values():
            trial.run.end("FAILED" if error is None or isinstance(error, Exception) else "KILLED")


_searching: ContextVar[Search | None] = ContextVar("fitscribe.keras.searching", default=None)
_trying: ContextVar[Trial | None] = ContextVar("fitscribe.keras.trying", default=None)


def searched(call: Any) -> Generator[None, Any, None]:
    """Record a search, where it takes place: the chief of a distributed one only hands out trials."""
    if os.environ.get("KERASTUNER_TUNER_ID", "").startswith("chief"):
        return
    tuner = call.target
    with call.run(type(tuner).__name__) as run:
        search = Search(run, tuner)
        _log_settings(run, tuner)
        token = _searching.set(search)
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            _searching.reset(token)
            search.close(failure)
            _log_outcome(search)


def begun(call: Any) -> Generator[None, Any, None]:
    """Begin a trial; a subclass that calls `run_trial` above itself is in one already."""
    search, told = _searching.get(), call.argument("trial")
    if search is None or told is None or told.trial_id in search.trials or call.target is not search.tuner:
        return
    with call.run(f"trial {told.trial_id}", {"fitscribe.trial_id": told.trial_id}) as run:
        call.owned = None  # it lasts until the tuner has judged it
        trial = search.trials[told.trial_id] = Trial(run, search.count)
        search.count += 1
        run.log_params(dict(told.hyperparameters.values))
        token = _trying.set(trial)
        try:
            yield
        except BaseException as error:
            trial.error = error
            raise
        finally:
            _trying.reset(token)


def over(call: Any) -> Generator[None, Any, None]:
    """End a trial, when the tuner has judged it; too many that failed make an error of this judging."""
    try:
        yield
    finally:
        search, told = _searching.get(), call.argument("trial")
        trial = None if search is None or told is None else search.trials.pop(told.trial_id, None)
        if search is not None and trial is not None:
            judged = _judged(search.tuner.oracle).get(told.trial_id, told)
            search.ended[told.trial_id] = (judged, trial.run)
            _log_trial(search, trial, judged)
            trial.run.end("FAILED" if judged.status in BAD else "FINISHED")


def _judged(oracle: Any) -> dict[str, Any]:
    """Return the trials that an oracle in this process knows, those of earlier processes as well."""
    return dict(getattr(oracle, "trials", None) or {})


@contextmanager
def _of_trial(trial: Trial, run: AbstractContextManager[Any] | None) -> Iterator[Any]:
    """Write to the trial's own run, or to `run`; what is fitted inside, in a callback, is part of this."""
    trial.fitted = True
    token = _trying.set(None)
    try:
        if run is None:
            yield trial.run
        else:
            with run as found:
                yield found
    finally:
        _trying.reset(token)


def fitting(call: Any, name: str) -> AbstractContextManager[Any] | None:
    """Return, for `with`, the run that a fit writes to; None for one inside another watched call, save for trials."""
    if not call.inside:
        run: AbstractContextManager[Any] = call.run(name)
        return run
    trial = _trying.get()
    if trial is None:
        return None
    return _of_trial(trial, call.run(name) if trial.fitted else None)


@guarded("recording the search's settings")
def _log_settings(run: Any, tuner: Any) -> None:
    oracle = tuner.oracle
    found = {"tuner": type(tuner).__name__, "oracle": type(oracle).__name__, **_objective(oracle)}
    for name in TOLD:
        value = getattr(tuner, name, None)
        value = getattr(oracle, name, None) if value is None else value
        if value is not None:
            found[name] = value
    run.log_params(found)


def _objective(oracle: Any) -> dict[str, Any]:
    objective = getattr(oracle, "objective", None)
    told = {"objective": getattr(objective, "name", None), "direction": getattr(objective, "direction", None)}
    return {name: value for name, value in told.items() if value is not None}


@guarded("recording a trial")
def _log_trial(search: Search, trial: Trial, judged: Any) -> None:
    run = trial.run
    run.log_params(dict(judged.hyperparameters.values))  # a trial may ask for more of them while it builds its model
    if judged.score is not None:
        run.log_metrics({"score": judged.score, "best_step": judged.best_step})
        search.run.log_metrics({"score": judged.score}, step=trial.number)
    if not trial.fitted:  # else the metrics of its epochs say more
        for name, history in judged.metrics.metrics.items():
            for seen in history.get_history():
                run.log_metrics({name: seen.mean()}, step=seen.step or 0)
    if judged.status in BAD:
        message = (judged.message or "").strip()
        last = message.rpartition("\n")[2] or (f"the score is {judged.score}" if trial.error is None else "")
        run.set_tags({"fitscribe.error": last or f"{type(trial.error).__name__}: {trial.error}"})
        if message:
            run.log_text(message + "\n", "traceback.txt")


@guarded("recording what the search found")
def _log_outcome(search: Search) -> None:
    run, oracle = search.run, search.tuner.oracle
    space = [{"class_name": type(each).__name__, **each.get_config()} for each in oracle.get_space().space]
    run.log_text(json.dumps(space, indent=2, default=str), "search_space.json")
    trials = {**_judged(oracle), **{name: judged for name, (judged, _) in search.ended.items()}}
    scored = [each for each in trials.values() if each.status == "COMPLETED" and each.score is not None]
    if scored:
        highest = _objective(oracle).get("direction") == "max"
        best = (max if highest else min)(scored, key=lambda each: each.score)
        run.log_params({f"best_{name}": value for name, value in best.hyperparameters.values.items()})
        run.log_metrics({"best_score": best.score})
        run.set_tags({"fitscribe.best_trial": best.trial_id})
        if best.trial_id in search.ended:
            search.ended[best.trial_id][1].set_tags({"fitscribe.best": "true"})
    rows = [
        ({"trial_id": each.trial_id, "status": each.status, "score": each.score}, dict(each.hyperparameters.values))
        for each in trials.values()
    ]
    run.later(partial(_log_table, run, rows))


@guarded("writing the table of trials")
def _log_table(run: Any, rows: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> None:
    names = ["trial_id", "status", "score", *sorted({name for _, values in rows for name in values})]
    told = io.StringIO()
    sheet = csv.DictWriter(told, names, lineterminator="\n")
    sheet.writeheader()
    sheet.writerows({**values, **facts} for facts, values in rows)
    run.log_text(told.getvalue(), "trials.csv")
