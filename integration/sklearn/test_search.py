"""What a user finds after a search: the parent's best, and every candidate as a run."""

from __future__ import annotations

import csv
import io
import math
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, get_scorer, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    ShuffleSplit,
)
from sklearn.model_selection._search import BaseSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import fitscribe
from fitscribe import discovery
from fitscribe.client import Client
from fitscribe.errors import MisuseError
from fitscribe.testing.endpoint import Endpoint

X, y = load_iris(return_X_y=True)


SPLITS = ("test_", "train_", "fit_time", "score_time")


PAUSE = 0.1  # seconds


class SlowClassifier(ClassifierMixin, BaseEstimator):
    """Takes its time; -1 is a user who has seen enough, -2 a mistake."""

    def __init__(self, max_iter=1):
        self.max_iter = max_iter

    def fit(self, X, y):
        time.sleep(PAUSE)
        if self.max_iter == -1:
            raise KeyboardInterrupt
        if self.max_iter == -2:
            raise ValueError("max_iter is -2")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.max_iter % 3)


def numbers(search, row):
    """The numeric cells of one candidate, as `cv_results_` has them."""
    skipped = ("param_", "params")
    return {name: float(column[row]) for name, column in search.cv_results_.items() if not name.startswith(skipped)}


def assert_children_are_the_candidates(recorder, parent, search):
    children = recorder.children(parent)
    assert len(children) == len(search.cv_results_["params"])
    for row, child in enumerate(children):
        found = recorder.metrics(child)
        expected = numbers(search, row)
        assert expected.keys() <= found.keys()
        assert np.array_equal([found[name] for name in expected], list(expected.values()), equal_nan=True)
        assert all(name.startswith(SPLITS) for name in found.keys() - expected.keys())
        for name, value in expected.items():  # what a split said as it came in is what the table says in the end
            if split := re.fullmatch(r"split(\d+)_(.+)", name):
                series = dict(recorder.history(child, split[2]))
                assert np.array_equal(series[int(split[1])], value, equal_nan=True)
        params = recorder.params(child)
        for name, value in search.cv_results_["params"][row].items():
            assert params[name] == str(value)
        assert recorder.tags(child)["estimator_name"] == type(search.estimator).__name__
    best = [child for child in children if recorder.tags(child).get("fitscribe.best")]
    assert [children.index(child) for child in best] == ([search.best_index_] if hasattr(search, "best_index_") else [])


@pytest.mark.parametrize(
    "make",
    [
        lambda: GridSearchCV(SVC(), {"C": [1, 2, 3], "kernel": ["rbf", "linear"]}, return_train_score=True),
        lambda: GridSearchCV(SVC(), [{"C": [1]}, {"kernel": ["linear"], "C": [1, 2]}], cv=3),
        lambda: RandomizedSearchCV(SVC(), {"C": loguniform(0.1, 10)}, n_iter=7, cv=2, random_state=0),
        lambda: HalvingGridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 3, 4]}, cv=2),
        lambda: HalvingRandomSearchCV(SVC(), {"C": loguniform(0.1, 10)}, n_candidates=6, cv=2, random_state=0),
    ],
    ids=["grid", "list of grids", "random", "halving grid", "halving random"],
)
def test_every_candidate_is_a_child_with_every_number_to_the_last_digit(recorder, autolog, make):
    """MLflow keeps five of them, and of a halving search none."""
    autolog(log_models=False)
    search = make().fit(X, y)
    [parent] = [run for run in recorder.runs() if not run.parent]
    assert parent.name == type(search).__name__
    assert_children_are_the_candidates(recorder, parent, search)
    params = recorder.params(parent)
    assert {f"best_{name}": str(value) for name, value in search.best_params_.items()}.items() <= params.items()
    assert not any(name.startswith("estimator__") for name in params)
    assert recorder.metrics(parent)["best_cv_score"] == search.best_score_
    table = list(csv.DictReader(io.StringIO(recorder.artifacts(parent)["cv_results.csv"].decode())))
    assert [float(row["mean_test_score"]) for row in table] == list(search.cv_results_["mean_test_score"])
    assert list(table[0]) == list(search.cv_results_)


def test_both_models_are_there(recorder, autolog):
    GridSearchCV(SVC(), {"C": [1, 2]}, cv=2).fit(X, y)
    [parent] = [run for run in recorder.runs() if not run.parent]
    files = set(recorder.artifacts(parent))
    assert {"model/MLmodel", "model/model.pkl", "best_estimator/MLmodel", "best_estimator/model.pkl"} <= files
    assert all(not recorder.artifacts(child) for child in recorder.children(parent))


@pytest.mark.parametrize("backend", ["sequential", "threading", "loky", "multiprocessing"])
def test_a_search_is_one_parent_on_every_backend(recorder, autolog, backend):
    autolog(log_models=False)
    with joblib.parallel_config(backend=backend, n_jobs=1 if backend == "sequential" else 2):
        search = GridSearchCV(make_pipeline(StandardScaler(), SVC()), {"svc__C": [1, 2, 3]}, cv=3).fit(X, y)
    [parent] = [run for run in recorder.runs() if not run.parent]
    assert len(recorder.runs()) == 4
    assert_children_are_the_candidates(recorder, parent, search)


def test_several_scorers_and_ones_own(recorder, autolog):
    """MLflow's warning about the rank is not ours, and no scorer is missing."""
    autolog(log_models=False)
    scoring = {"acc": "accuracy", "mine": make_scorer(accuracy_score)}
    search = GridSearchCV(SVC(), {"C": [1, 2]}, scoring=scoring, refit="mine", cv=2).fit(X, y)
    [parent] = [run for run in recorder.runs() if not run.parent]
    assert_children_are_the_candidates(recorder, parent, search)
    assert "mean_test_mine" in recorder.metrics(recorder.children(parent)[0])


def test_without_refit_there_are_children_and_no_noise(recorder, autolog, caplog):
    search = GridSearchCV(SVC(), {"C": [1, 2]}, refit=False, cv=2).fit(X, y)
    [parent] = [run for run in recorder.runs() if not run.parent]
    assert_children_are_the_candidates(recorder, parent, search)
    assert recorder.metrics(parent)["best_cv_score"] == search.best_score_
    assert [record.getMessage() for record in caplog.records if record.name == "fitscribe"] == []


def test_several_scorers_without_refit(recorder, autolog):
    search = GridSearchCV(SVC(), {"C": [1, 2]}, scoring=["accuracy", "f1_macro"], refit=False, cv=2).fit(X, y)
    [parent] = [run for run in recorder.runs() if not run.parent]
    assert_children_are_the_candidates(recorder, parent, search)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more of the t")
def test_a_candidate_that_fails_is_a_failed_run(recorder, autolog):
    autolog(log_models=False)
    search = GridSearchCV(LogisticRegression(max_iter=500), {"C": [1.0, -1.0]}, cv=2).fit(X, y)
    [parent] = [run for run in recorder.runs() if not run.parent]
    children = recorder.children(parent)
    assert [recorder.status(child) for child in children] == ["FINISHED", "FAILED"]
    assert math.isnan(recorder.metrics(children[1])["mean_test_score"])
    assert search.best_index_ == 0


def test_a_search_that_fails_is_a_failed_run(recorder, autolog):
    with pytest.raises(ValueError, match=r"All the \d+ fits failed"):
        GridSearchCV(LogisticRegression(), {"C": [-1.0]}, cv=2).fit(X, y)
    [parent] = [run for run in recorder.runs() if not run.parent]
    [child] = recorder.children(parent)
    assert recorder.status(parent) == recorder.status(child) == "FAILED"
    assert "InvalidParameterError" in recorder.tags(child)["fitscribe.error"]
    assert b"Traceback" in recorder.artifacts(child)["split1_traceback.txt"]


def test_children_have_times_of_their_own(recorder, autolog):
    """MLflow gives all of them the same start and the same end."""
    autolog(log_models=False)
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2, 3]}, cv=3).fit(X, y)
    [parent] = [run for run in recorder.runs() if not run.parent]
    ends = {each.run: each.at for each in recorder.said if type(each).__name__ == "RunEnded"}
    spans = [(child.at, ends[child.run]) for child in recorder.children(parent)]
    for row, (begins, finishes) in enumerate(spans):
        length = (search.cv_results_["mean_fit_time"][row] + search.cv_results_["mean_score_time"][row]) * 3 * 1000
        assert finishes - begins >= length - 2
        assert parent.at - 1 <= begins <= finishes <= ends[parent.run] + 1
    assert [finishes for _, finishes in spans] == sorted(finishes for _, finishes in spans)


@pytest.mark.parametrize(("backend", "jobs"), [("loky", 1), ("loky", 2), ("threading", 2), ("multiprocessing", 2)])
def test_candidates_are_runs_while_the_search_goes_on(recorder, autolog, backend, jobs):
    """MLflow writes them when all is over: of a search that is killed half-way nothing is left."""
    autolog(log_models=False)
    slow = {"max_iter": [1, 2, 3, 4, 5, 6]}
    with joblib.parallel_backend(backend, n_jobs=jobs):
        search = GridSearchCV(SlowClassifier(), slow, cv=2).fit(X, y)
    [parent] = [run for run in recorder.runs() if not run.parent]
    assert_children_are_the_candidates(recorder, parent, search)
    ends = {each.run: each.at for each in recorder.said if type(each).__name__ == "RunEnded"}
    first, *_, last = (ends[child.run] for child in recorder.children(parent))
    assert last - first > 5 * 2 * PAUSE * 1000 / jobs / 2


def test_what_a_search_had_done_stays_when_it_is_stopped(recorder, autolog):
    autolog(log_models=False)
    with pytest.raises(KeyboardInterrupt):
        GridSearchCV(SlowClassifier(), {"max_iter": [1, 2, 3, -1, 5]}, cv=2).fit(X, y)
    [parent] = [run for run in recorder.runs() if not run.parent]
    assert [recorder.status(child) for child in recorder.children(parent)] == ["FINISHED"] * 3
    assert all("mean_test_score" in recorder.metrics(child) for child in recorder.children(parent))
    assert recorder.status(parent) == "KILLED"


def test_an_error_that_is_to_be_raised_is_raised_and_what_was_done_stays(recorder, autolog):
    autolog(log_models=False)
    with pytest.raises(ValueError, match="max_iter") as raised:
        GridSearchCV(SlowClassifier(), {"max_iter": [1, 2, -2]}, cv=2, error_score="raise").fit(X, y)
    assert raised.value.__context__ is None
    [parent] = [run for run in recorder.runs() if not run.parent]
    assert [recorder.status(child) for child in recorder.children(parent)] == ["FINISHED"] * 2
    assert recorder.status(parent) == "FAILED"


def test_nothing_is_left_on_what_scikit_learn_uses(recorder, autolog, monkeypatch):
    autolog(log_models=False)
    engines, make = [], joblib.Parallel.__init__

    def noted(self, *args, **kwargs):
        engines.append(self)
        make(self, *args, **kwargs)

    monkeypatch.setattr(joblib.Parallel, "__init__", noted)
    GridSearchCV(SVC(), {"C": [1, 2]}, cv=2).fit(X, y)
    assert engines
    assert not any("_get_outputs" in vars(each) or "_get_sequential_output" in vars(each) for each in engines)


def test_children_are_named_by_what_sets_them_apart(recorder, autolog):
    autolog(log_models=False)
    GridSearchCV(make_pipeline(StandardScaler(), SVC()), {"svc__C": [0.1], "svc__kernel": ["rbf"]}, cv=2).fit(X, y)
    [parent] = [run for run in recorder.runs() if not run.parent]
    assert [child.name for child in recorder.children(parent)] == ["C=0.1, kernel=rbf"]


def test_max_tuning_runs_keeps_the_best_on_request(recorder, autolog):
    autolog(log_models=False, max_tuning_runs=2)
    search = GridSearchCV(SVC(), {"C": [1e-6, 1, 1e-5, 10]}, cv=2).fit(X, y)
    [parent] = [run for run in recorder.runs() if not run.parent]
    kept = {recorder.params(child)["C"] for child in recorder.children(parent)}
    ranked = sorted(range(4), key=lambda row: search.cv_results_["rank_test_score"][row])
    assert kept == {str(search.cv_results_["params"][row]["C"]) for row in ranked[:2]}
    autolog(max_tuning_runs=0)
    GridSearchCV(SVC(), {"C": [1, 2]}, cv=2).fit(X, y)
    assert recorder.children(recorder.runs()[-1]) == []
    with pytest.raises(MisuseError, match="max_tuning_runs=-1 is neither"):
        autolog(max_tuning_runs=-1)


def test_values_of_an_array_are_params_like_others(recorder, autolog):
    """numpy's own texts were: all params of the candidate had been lost with them."""
    autolog(log_models=False)
    search = GridSearchCV(SVC(), {"kernel": np.array(["rbf", "linear"]), "C": np.array([1.5])}, cv=2).fit(X, y)
    parent, children = only(recorder)
    assert_children_are_the_candidates(recorder, parent, search)
    assert [recorder.params(child)["kernel"] for child in children] == ["rbf", "linear"]


def only(recorder):
    """The one run that is no child, and its children."""
    [parent] = [run for run in recorder.runs() if not run.parent]
    return parent, recorder.children(parent)


def first(recorder, child, kind):
    """The first of all records of a kind that a child got."""
    return next(each for each in recorder.said if type(each).__name__ == kind and each.run == child.run)


@pytest.mark.parametrize(
    "search",
    [
        HalvingGridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 3, 4]}, cv=2),
        HalvingGridSearchCV(
            RandomForestClassifier(random_state=0),
            {"max_depth": [1, 2, 3, 4]},
            cv=2, resource="n_estimators", max_resources=8,
        ),
    ],
    ids=["samples", "trees"],
)  # fmt: skip
def test_halving_tells_resources_and_who_goes_on(recorder, autolog, search):
    """From the beginning of each candidate, not when all is over."""
    autolog(log_models=False)
    search = clone(search).fit(X, y)
    parent, children = only(recorder)
    assert_children_are_the_candidates(recorder, parent, search)
    iterations, last = search.cv_results_["iter"], max(search.cv_results_["iter"])
    assert last > 0
    for row, child in enumerate(children):
        given = first(recorder, child, "Params").values
        assert given["iter"] == str(iterations[row])
        assert given["n_resources"] == str(search.cv_results_["n_resources"][row])
    said = [recorder.tags(child)["fitscribe.halving"] for child in children]
    for iteration in range(last):
        on = said.count(f"went on after iteration {iteration}")
        out = said.count(f"eliminated after iteration {iteration}")
        assert (on, out) == (sum(iterations == iteration + 1), sum(iterations == iteration) - on)
    assert said.count("in the last iteration") == sum(iterations == last)
    told = [place for place, each in enumerate(recorder.said) if "fitscribe.halving" in getattr(each, "values", ())]
    assert told[0] < recorder.said.index(first(recorder, children[-1], "Params"))


def test_a_search_at_the_end_of_a_pipeline_has_its_candidates_there(recorder, autolog):
    """MLflow says nothing of it."""
    autolog(log_models=False)
    pipeline = make_pipeline(StandardScaler(), GridSearchCV(SVC(), {"C": [1, 2]}, cv=2)).fit(X, y)
    parent, _ = only(recorder)
    assert parent.name == "Pipeline"
    assert_children_are_the_candidates(recorder, parent, pipeline[-1])
    assert recorder.params(parent)["best_C"] == str(pipeline[-1].best_params_["C"])
    assert recorder.metrics(parent)["best_cv_score"] == pipeline[-1].best_score_
    assert "cv_results.csv" in recorder.artifacts(parent)


class Chooser(ClassifierMixin, BaseEstimator):
    """A user's own model that searches twice before it knows."""

    def fit(self, X, y):
        self.searches_ = [GridSearchCV(SVC(), {"C": [1, 2]}, cv=2), GridSearchCV(SVC(), {"kernel": ["rbf"]}, cv=2)]
        for search in self.searches_:
            search.fit(X, y)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.searches_[0].predict(X)


def test_two_searches_in_a_fit_do_not_mix(recorder, autolog):
    autolog(log_models=False)
    chooser = Chooser().fit(X, y)
    [parent] = [run for run in recorder.runs() if not run.parent]
    *candidates, second = recorder.children(parent)
    assert [child.name for child in candidates] == ["C=1", "C=2"]
    assert_children_are_the_candidates(recorder, second, chooser.searches_[1])
    assert recorder.params(second)["best_kernel"] == "rbf"
    assert "best_kernel" not in recorder.params(parent)
    assert recorder.status(second) == recorder.status(parent) == "FINISHED"


@pytest.mark.parametrize("jobs", [None, 2])
def test_a_search_in_a_search_is_part_of_its_candidate(recorder, autolog, jobs):
    """The same in one process and in workers, of which we see nothing; nor has its refit children of its own."""
    autolog(log_models=False)
    inner = make_pipeline(StandardScaler(), GridSearchCV(SVC(), {"C": [1, 2, 3]}, cv=2))
    search = GridSearchCV(inner, {"gridsearchcv__cv": [2, 3]}, cv=2, n_jobs=jobs).fit(X, y)
    assert len(recorder.runs()) == 3
    assert_children_are_the_candidates(recorder, only(recorder)[0], search)


def test_searches_inside_what_is_fitted_in_parallel_are_part_of_it(recorder, autolog):
    autolog(log_models=False)
    OneVsRestClassifier(GridSearchCV(SVC(), {"C": [1, 2]}, cv=2)).fit(X, y)
    assert [run.name for run in recorder.runs()] == ["OneVsRestClassifier"]


def test_searches_side_by_side_stay_apart(recorder, autolog):
    autolog(log_models=False)
    searches = [GridSearchCV(SVC(), {"C": [1 + n, 10 + n]}, cv=2) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda search: search.fit(X, y), searches))
    parents = [run for run in recorder.runs() if not run.parent]
    assert len(parents) == 4
    for parent in parents:
        params = {recorder.params(child)["C"] for child in recorder.children(parent)}
        [search] = [each for each in searches if params == {str(C) for C in each.param_grid["C"]}]
        assert_children_are_the_candidates(recorder, parent, search)


def two_scores(estimator, X, y):
    right = estimator.predict(X) == y
    return {"right": right.mean(), "wrong": 1 - right.mean()}


def a_score(estimator, X, y):
    return (estimator.predict(X) == y).mean()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more of the t")
@pytest.mark.parametrize(
    "how",
    [
        {"scoring": two_scores, "refit": "right"},
        {"scoring": two_scores, "refit": False},
        {"scoring": a_score},
        {"refit": lambda results: 0},
        {"return_train_score": True, "pre_dispatch": "all", "n_jobs": 2},
        {"scoring": ["accuracy", "f1_macro"], "refit": "f1_macro", "return_train_score": True},
        {"error_score": 0.0},
        {"error_score": 0.0, "scoring": two_scores, "refit": "right"},
    ],
    ids=["two scores", "no refit", "a score", "refit callable", "all at once", "many", "error score", "error scores"],
)
def test_however_a_search_is_told_to_score_and_choose(recorder, autolog, how):
    """One of the candidates fails: no score of it, and none that scikit-learn does not have, is made up."""
    autolog(log_models=False)
    cv = ShuffleSplit(3, random_state=0)
    search = GridSearchCV(LogisticRegression(max_iter=500), {"C": [1.0, -1.0, 10.0]}, cv=cv, **how).fit(X, y)
    parent, children = only(recorder)
    assert_children_are_the_candidates(recorder, parent, search)
    assert [recorder.status(child) for child in children] == ["FINISHED", "FAILED", "FINISHED"]
    assert recorder.tags(children[1])["fitscribe.failed_splits"] == "3 of 3"
    assert {name for name in recorder.metrics(children[1]) if "mean" in name} == {
        name for name in search.cv_results_ if name.startswith("mean_")
    }


class FailsOnSome(SVC):
    def fit(self, X, y):
        if self.C == 2 and len(X) == 90:
            raise RuntimeError("90 rows are too many for a C of 2")
        return super().fit(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more of the t")
def test_a_candidate_that_fails_in_part_says_where(recorder, autolog):
    autolog(log_models=False)
    cv = [(np.arange(n), np.arange(n, 150)) for n in (110, 90, 120)]
    search = GridSearchCV(FailsOnSome(), {"C": [1, 2]}, cv=cv).fit(X, y)
    parent, children = only(recorder)
    assert_children_are_the_candidates(recorder, parent, search)
    assert [recorder.status(child) for child in children] == ["FINISHED", "FAILED"]
    assert recorder.tags(children[1])["fitscribe.failed_splits"] == "1 of 3"
    assert recorder.tags(children[1])["fitscribe.error"] == "RuntimeError: 90 rows are too many for a C of 2"
    assert list(recorder.artifacts(children[1])) == ["split1_traceback.txt"]


class Zooming(BaseSearchCV):
    """A third party's search: it looks three times, and says of each candidate at which look."""

    def __init__(self, estimator, start=1.0, *, cv=None):
        super().__init__(estimator, cv=cv)
        self.start = start

    def _run_search(self, evaluate_candidates):
        C = self.start
        for look in range(3):
            grid = ({"C": C * factor} for factor in (0.5, 2))
            results = evaluate_candidates(grid, more_results={"look": [look] * 2, "word": ["low", "high"]})
            C = results["params"][int(np.argmax(results["mean_test_score"]))]["C"]


def test_a_search_of_a_third_party_is_followed_too(recorder, autolog):
    autolog(log_models=False)
    search = Zooming(SVC(), cv=2).fit(X, y)
    _, children = only(recorder)
    assert len(children) == 6
    for row, child in enumerate(children):
        given = first(recorder, child, "Params").values
        assert (given["look"], given["word"]) == (str(row // 2), ["low", "high"][row % 2])
        assert given["C"] == str(search.cv_results_["params"][row]["C"])
        assert recorder.metrics(child)["mean_test_score"] == search.cv_results_["mean_test_score"][row]
        assert recorder.metrics(child)["rank_test_score"] == search.cv_results_["rank_test_score"][row]


class OwnWay(BaseSearchCV):
    """A third party's search that does all by itself."""

    def __init__(self, estimator):
        super().__init__(estimator)

    def fit(self, X, y):
        scores = np.array([0.1, 0.9])
        self.best_index_, self.best_score_, self.best_params_ = 1, 0.9, {"C": 2}
        self.cv_results_ = {"params": [{"C": 1}, {"C": 2}], "mean_test_score": scores, "rank_test_score": [2, 1]}
        self.best_estimator_ = clone(self.estimator).set_params(C=2).fit(X, y)
        self.multimetric_, self.scorer_ = False, get_scorer("accuracy")
        return self


def test_a_search_that_goes_its_own_way_has_its_children_at_the_end(recorder, autolog):
    autolog(log_models=False)
    search = OwnWay(SVC()).fit(X, y)
    assert_children_are_the_candidates(recorder, only(recorder)[0], search)


def test_a_search_that_is_killed_leaves_the_candidates_that_were_done(mlflow_place):
    """kill -9 in the middle: what was finished is finished, what was open is failed."""
    place, run = mlflow_place
    before = {each.info.run_id for each in Client(place).search_runs(["0"], max_results=1000)}
    run(KILLED)
    found = Client(place).search_runs(["0"], max_results=1000)
    runs = [each for each in found if each.info.run_id not in before]
    by_mark = {each.data.params["mark"]: each for each in runs if "mlflow.parentRunId" in each.data.tags}
    assert {"0", "1", "2"} <= by_mark.keys()
    for mark in "012":
        assert by_mark[mark].info.status == "FINISHED"
        assert "mean_test_score" in by_mark[mark].data.metrics
    [parent] = [each for each in runs if "mlflow.parentRunId" not in each.data.tags]
    assert parent.info.status in ("FAILED", "KILLED")


KILLED = """
import os, signal, threading, time
import numpy as np
import fitscribe
from sklearn.model_selection import GridSearchCV
from integration.sklearn.waiting import Waits

fitscribe.autolog()
X, y = np.zeros((20, 2)), np.arange(20) % 2

class Ends(Waits):
    def fit(self, X, y):
        if self.mark == 3:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        return super().fit(X, y)

GridSearchCV(Ends(), {"mark": list(range(6))}, cv=2).fit(X, y)
"""


@pytest.fixture(params=["the embedded store", "a real MLflow server"])
def mlflow_place(request, tmp_path):
    """A place for runs, and a function that runs a script to its end, and then `fitscribe sync`."""
    embedded = request.param == "the embedded store"
    place = str(tmp_path / ".fitscribe") if embedded else request.getfixturevalue("mlflow_server")

    def run(script):
        root = str(Path(__file__).resolve().parent.parent.parent)
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        if not embedded:
            env["FITSCRIBE_TRACKING_URI"] = place
        assert subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=env, check=False).returncode != 0
        subprocess.run([sys.executable, "-m", "fitscribe", "sync"], cwd=tmp_path, env=env, check=True)

    return place, run


def test_a_candidate_costs_few_requests(autolog_to_endpoint):
    """Its creation, its values, its end, and its rank when the search is over."""
    endpoint = autolog_to_endpoint
    GridSearchCV(SVC(), {"C": list(range(1, 101))}, cv=2).fit(X, y)
    fitscribe.flush(60)
    paths = endpoint.paths()
    assert paths.count("POST runs/create") == paths.count("POST runs/update") == 101
    assert paths.count("POST runs/log-batch") <= 2 * 101 + 20


@pytest.fixture
def autolog_to_endpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Endpoint() as endpoint:
        monkeypatch.setenv("FITSCRIBE_TRACKING_URI", endpoint.uri)
        fitscribe.sklearn.autolog(log_models=False)
        yield endpoint
        fitscribe.autolog(disable=True)
        discovery.disable()
