"""What a user finds after a search: the parent's best, and every candidate as a run."""

from __future__ import annotations

import csv
import io
import math
import re
import time

import joblib
import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from fitscribe.errors import MisuseError

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


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more of the test scores")
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


def test_halving_tells_resources_and_iterations(recorder, autolog):
    autolog(log_models=False)
    search = HalvingGridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 3, 4]}, cv=2).fit(X, y)
    [parent] = [run for run in recorder.runs() if not run.parent]
    for row, child in enumerate(recorder.children(parent)):
        params = recorder.params(child)
        assert params["iter"] == str(search.cv_results_["iter"][row])
        assert params["n_resources"] == str(search.cv_results_["n_resources"][row])


def test_a_search_inside_a_pipeline_is_part_of_it(recorder, autolog):
    autolog(log_models=False)
    make_pipeline(StandardScaler(), GridSearchCV(SVC(), {"C": [1, 2]}, cv=2)).fit(X, y)
    assert [run.name for run in recorder.runs()] == ["Pipeline"]
