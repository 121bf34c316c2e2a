"""A study is a run, each trial a child of it while it is tried, with what the objective trains below that."""

from __future__ import annotations

import csv
import gc
import io
import threading
import traceback
import weakref

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import TrialState
from sklearn.linear_model import LinearRegression

import fitscribe


class UserError(Exception):
    pass


def parabola(trial):
    return (trial.suggest_float("x", -3, 3) - 1) ** 2


def study(name="a study", **options):
    return optuna.create_study(study_name=name, sampler=RandomSampler(seed=0), **options)


def states(recorder, parent):
    return {each.name: recorder.status(each) for each in recorder.children(parent)}


def test_a_trial_is_there_with_its_params_while_it_is_tried(recorder):
    seen = []

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        n = trial.suggest_int("n", 1, 5)
        kind = trial.suggest_categorical("kind", ["a", None])
        trial.report(0.5, step=3)
        trial.report(0.4, step=4)
        child = recorder.children(recorder.run("a study"))[trial.number]
        seen.append((recorder.status(child), recorder.params(child), recorder.history(child, "intermediate_value")))
        assert recorder.params(child) == {"x": str(x), "n": str(n), "kind": str(kind)}
        return x

    study().optimize(objective, n_trials=2)
    assert [each[0] for each in seen] == ["RUNNING", "RUNNING"]
    assert seen[0][2] == [(3, 0.5), (4, 0.4)]
    assert states(recorder, recorder.run("a study")) == {"trial 0": "FINISHED", "trial 1": "FINISHED"}


def test_the_run_of_a_study_says_how_far_it_is_and_what_was_best(recorder):
    found = study()
    found.optimize(parabola, n_trials=10)
    parent = recorder.run("a study")
    assert recorder.status(parent) == "FINISHED"
    tags = recorder.tags(parent)
    assert tags["mlflow.autologging"] == "optuna"
    assert tags["fitscribe.study"] == "a study"
    assert tags["optuna.study_direction"] == "MINIMIZE"
    assert tags["fitscribe.progress"] == "10/10"
    assert tags["fitscribe.best_trial"] == str(found.best_trial.number)
    assert recorder.metrics(parent)["best_value"] == found.best_value
    assert recorder.history(parent, "value") == [(each.number, each.value) for each in found.trials]
    assert recorder.params(parent) == {
        "sampler": "RandomSampler",
        "pruner": "MedianPruner",
        "best_x": str(found.best_params["x"]),
    }
    text = recorder.artifacts(parent)["search_results.csv"].decode()
    assert [row["value"] for row in csv.DictReader(io.StringIO(text))] == [str(each.value) for each in found.trials]


def test_pruned_and_failed_trials_end_as_mlflow_has_them(recorder):
    def objective(trial):
        if trial.number == 0:
            trial.report(0.7, step=1)
            raise optuna.TrialPruned
        if trial.number == 1:
            raise UserError("no such luck")
        if trial.number == 2:
            return float("nan")
        trial.set_user_attr("why", "it went well")
        return 1.0

    study().optimize(objective, n_trials=4, catch=(UserError,))
    parent = recorder.run("a study")
    ends = {"trial 0": "KILLED", "trial 1": "FAILED", "trial 2": "FAILED", "trial 3": "FINISHED"}
    assert states(recorder, parent) == ends
    tags = [recorder.tags(each) for each in recorder.children(parent)]
    assert [each["optuna.trial_state"] for each in tags] == ["PRUNED", "FAIL", "FAIL", "COMPLETE"]
    assert [each.get("fitscribe.error") for each in tags] == [None, "UserError: no such luck", None, None]
    assert tags[3]["user_why"] == "it went well"
    assert recorder.metrics(recorder.run("trial 0")) == {"intermediate_value": 0.7, "value": 0.7}
    assert recorder.tags(parent)["fitscribe.trials"] == "1 FINISHED, 2 FAILED, 1 KILLED"
    assert recorder.tags(parent)["fitscribe.best_trial"] == "3"


@pytest.mark.parametrize(("error", "status"), [(UserError("no"), "FAILED"), (KeyboardInterrupt(), "KILLED")])
def test_the_objectives_own_error_is_the_users_and_ends_the_trial_and_the_study(recorder, error, status):
    def objective(trial):
        raise error

    with pytest.raises(type(error)) as raised:
        study().optimize(objective, n_trials=3)
    assert raised.value is error
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    assert not [file for file in files if "fitscribe" in file.replace("test_studies", "") and "/src/" in file]
    assert recorder.status(recorder.run("a study")) == status
    assert states(recorder, recorder.run("a study")) == {"trial 0": status}


def test_what_the_objective_trains_is_a_child_of_its_trial_also_in_threads(recorder):
    both = threading.Barrier(2, timeout=60)

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        both.wait()  # two trials are under way at once
        LinearRegression().fit([[0.0], [1.0]], [0.0, x])
        return x

    study().optimize(objective, n_trials=4, n_jobs=2)
    parent = recorder.run("a study")
    trials = recorder.children(parent)
    assert len(trials) == 4
    for each in trials:
        assert [inside.name for inside in recorder.children(each)] == ["LinearRegression"]
        assert recorder.status(each) == "FINISHED"
    assert len(recorder.runs()) == 9


def test_the_results_are_the_same_with_and_without_us(recorder):
    def searched():
        found = optuna.create_study(sampler=TPESampler(seed=1, n_startup_trials=3))
        found.optimize(parabola, n_trials=12)
        return [each.params for each in found.trials]

    watched = searched()
    fitscribe.autolog(disable=True)
    assert searched() == watched


def test_the_users_callbacks_get_what_they_would_get_and_their_list_is_untouched(recorder):
    seen = []

    def stops(study, trial):
        seen.append((study, trial.number, trial.state))
        if trial.number == 2:
            study.stop()

    found, callbacks = study(), [stops]
    found.optimize(parabola, 10, None, 1, (), callbacks)
    assert callbacks == [stops]
    assert seen == [(found, number, TrialState.COMPLETE) for number in range(3)]
    assert recorder.tags(recorder.run("a study"))["fitscribe.progress"] == "3/10"


def test_a_study_writes_to_the_run_that_the_user_opened_and_a_second_one_below_it(recorder):
    with fitscribe.start_run(run_name="mine"):
        study("first").optimize(parabola, timeout=60, n_trials=2)
        study("second").optimize(parabola, n_trials=1)
    mine = recorder.run("mine")
    assert [each.name for each in recorder.children(mine)] == ["trial 0", "trial 1", "second"]
    assert recorder.tags(mine)["fitscribe.study"] == "first"
    assert states(recorder, recorder.run("second")) == {"trial 0": "FINISHED"}


def test_of_several_objectives_the_front_is_marked(recorder):
    found = study("two", directions=["minimize", "maximize"])
    found.optimize(lambda trial: (trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)), n_trials=8)
    parent = recorder.run("two")
    marked = recorder.tags(parent)["fitscribe.best_trial"].split(", ")
    assert {int(each) for each in marked} == {each.number for each in found.best_trials}
    first = recorder.children(parent)[0]
    assert recorder.metrics(first) == {"value_0": found.trials[0].values[0], "value_1": found.trials[0].values[1]}


@pytest.mark.filterwarnings("ignore:.*set_metric_names is experimental")
def test_values_have_the_names_that_the_user_gave_them(recorder):
    named = study("named", directions=["minimize", "minimize"])
    named.set_metric_names(["loss", "size"])
    named.optimize(lambda trial: (1.0, 2.0), n_trials=1)
    assert recorder.metrics(recorder.children(recorder.run("named"))[0]) == {"loss": 1.0, "size": 2.0}


@pytest.mark.filterwarnings("ignore")  # of Optuna, that its constraints are experimental, then deprecated
def test_a_trial_that_breaks_a_constraint_is_not_the_best(recorder):
    sampler = TPESampler(seed=0, constraints_func=lambda trial: [0.5 - trial.params["x"]])
    optuna.create_study(study_name="bounded", sampler=sampler).optimize(
        lambda trial: trial.suggest_float("x", 0, 1), n_trials=8
    )
    parent = recorder.run("bounded")
    assert 0.5 <= recorder.metrics(parent)["best_value"] < 1


def test_enqueued_trials_and_a_study_that_goes_on_keep_their_numbers(recorder):
    found = study()
    found.enqueue_trial({"x": 1.0}, user_attrs={"from": "me"})
    found.optimize(parabola, n_trials=1)
    found.optimize(parabola, n_trials=2)
    first, second = recorder.runs()[0], recorder.runs()[2]
    assert (first.name, second.name) == ("a study", "a study")
    assert list(states(recorder, first)) == ["trial 0"]
    assert list(states(recorder, second)) == ["trial 1", "trial 2"]
    child = recorder.children(first)[0]
    assert recorder.params(child) == {"x": "1.0"}
    assert recorder.tags(child)["user_from"] == "me"


def test_a_study_inside_an_objective_lies_below_the_trial(recorder):
    def objective(trial):
        inner = study("inner")
        inner.optimize(parabola, n_trials=2)
        return inner.best_value

    study("outer").optimize(objective, n_trials=1)
    inner = recorder.run("inner")
    assert inner.parent == recorder.children(recorder.run("outer"))[0].run
    assert states(recorder, inner) == {"trial 0": "FINISHED", "trial 1": "FINISHED"}


def test_a_study_that_is_asked_and_told_is_a_run_until_it_is_gone(recorder):
    found = study()
    first = found.ask({"x": FloatDistribution(0, 1)})
    n = first.suggest_int("n", 1, 9)
    parent = recorder.run("a study")
    child = recorder.run("trial 0")
    assert (recorder.status(parent), recorder.status(child)) == ("RUNNING", "RUNNING")
    assert recorder.params(child) == {"x": str(first.params["x"]), "n": str(n)}
    first.report(0.5, step=1)
    found.tell(first, 2.0)
    second, third = found.ask(), found.ask()
    found.tell(third.number, state=TrialState.PRUNED)
    found.tell(second, state=TrialState.FAIL)
    assert found.tell(first, 9.0, skip_if_finished=True).value == 2.0
    left = found.ask()
    assert states(recorder, parent) == {
        "trial 0": "FINISHED",
        "trial 1": "FAILED",
        "trial 2": "KILLED",
        "trial 3": "RUNNING",
    }
    del found, first, second, third, left
    gc.collect()
    assert recorder.history(child, "intermediate_value") == [(1, 0.5)]
    assert recorder.tags(parent)["fitscribe.best_trial"] == "0"
    assert recorder.status(recorder.run("trial 3")) == "KILLED"
    assert recorder.status(parent) == "FINISHED"


def test_a_study_that_is_asked_and_told_in_the_users_run_ends_with_it(recorder):
    found = study()
    with fitscribe.start_run(run_name="mine"):
        for value in 2.0, 1.0:
            found.tell(found.ask(), value)
    assert recorder.tags(recorder.run("mine"))["fitscribe.best_trial"] == "1"
    found.tell(found.ask(), 0.5)
    assert states(recorder, recorder.run("a study")) == {"trial 2": "FINISHED"}
    del found
    gc.collect()
    assert recorder.status(recorder.run("a study")) == "FINISHED"


def test_two_threads_that_optimize_one_study_have_a_run_each(recorder):
    found = study(storage=optuna.storages.InMemoryStorage())
    threads = [threading.Thread(target=found.optimize, args=(parabola,), kwargs={"n_trials": 5}) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    parents = [each for each in recorder.runs() if each.name == "a study"]
    assert [len(recorder.children(each)) for each in parents] == [5, 5]
    assert {end for each in parents for end in states(recorder, each).values()} == {"FINISHED"}
    params = [recorder.params(child) for each in parents for child in recorder.children(each)]
    assert all("x" in each for each in params)


def test_nothing_is_recorded_where_the_user_does_not_want_it(recorder):
    with fitscribe.unwatched():
        study().optimize(parabola, n_trials=2, n_jobs=2)
        found = study()
        found.tell(found.ask(), 1.0)
    assert recorder.runs() == []


def test_extra_tags_stand_on_the_study_and_its_trials(recorder):
    fitscribe.optuna.autolog(extra_tags={"team": "blue"})
    study().optimize(parabola, n_trials=1)
    assert [recorder.tags(each).get("team") for each in recorder.runs()] == ["blue", "blue"]


def test_what_an_objective_that_failed_had_in_hand_is_let_go_of(recorder):
    class Model:
        pass

    held = []

    def objective(trial):
        model = Model()
        held.append(weakref.ref(model))
        raise UserError

    found = study()
    found.optimize(objective, n_trials=2, catch=(UserError,))
    found.optimize(parabola, n_trials=1)
    gc.collect()
    assert [each() for each in held] == [None, None]
