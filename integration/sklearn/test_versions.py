"""The versions that are supported: what is leaned on is there, or its absence is said once and costs little.

Runs with the oldest versions as well (`integration/oldest.txt`), and prints which these are.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import platform
from importlib.metadata import version

import joblib
import numpy as np
import pytest
from packaging.version import Version
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import fitscribe
from fitscribe import discovery
from fitscribe.integrations.sklearn import live
from fitscribe.integrations.sklearn.candidate import Task
from fitscribe.versions import Framework
from integration.sklearn.everything import changed, everything, runs, script

PACKAGES = ("scikit-learn", "numpy", "scipy", "pandas", "joblib", "matplotlib", "skops", "msgspec", "SQLAlchemy")
X, y = make_classification(80, 4, random_state=0)
FOLLOWS = Version(version("joblib")) >= Version("1.3")


def test_these_are_the_versions(capsys):
    with capsys.disabled():
        print(f"\nPython {platform.python_version()},", ", ".join(f"{name} {version(name)}" for name in PACKAGES))
    assert discovery.integration("sklearn").requires == "scikit-learn>=1.5"


def test_a_script_of_today_runs_and_all_of_it_is_recorded(tmp_path):
    code = """
        import fitscribe
        fitscribe.autolog()
        import pandas as pd
        from sklearn.datasets import load_iris
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.linear_model import LogisticRegression, SGDClassifier
        from sklearn.model_selection import GridSearchCV, cross_val_score
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        X, y = load_iris(return_X_y=True, as_frame=True)
        forest = RandomForestClassifier(5, random_state=0).fit(X, y)
        GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [1, 2]}).fit(X, y)
        cross_val_score(LogisticRegression(max_iter=1000), X, y, cv=3)
        model = SGDClassifier(random_state=0)
        for part in range(3):
            model.partial_fit(X[part::3], y[part::3], [0, 1, 2])
        del model
        wanted = "tags.estimator_name = 'RandomForestClassifier'"
        run = fitscribe.search_runs(filter_string=wanted, output_format="list")[0]
        again = fitscribe.sklearn.load_model(f"runs:/{run.info.run_id}/model")
        assert (again.predict(X) == forest.predict(X)).all()
        print(len(fitscribe.search_runs(output_format="list")))
    """
    done = script(tmp_path, code)
    assert done.stdout == "6\n", done.stderr
    assert {each.info.status for each in runs(tmp_path)} == {"FINISHED"}


def test_switched_off_nothing_is_left(recorder):
    before = everything()
    fitscribe.autolog()
    assert len(changed(before, everything())) > 200
    fitscribe.autolog(disable=True)
    assert changed(before, everything()) == []


PRIVATE = {
    "sklearn.utils.parallel": ["_FuncWrapper.__call__", "Parallel.__call__"],
    "sklearn.model_selection._search": ["BaseSearchCV._run_search"],
    "sklearn.model_selection._validation": ["_fit_and_score"],
    "sklearn.neighbors._lof": ["LocalOutlierFactor.fit_predict"],
    "sklearn.multioutput": ["_MultiOutputEstimator.partial_fit"],
}


@pytest.mark.parametrize("module", PRIVATE)
def test_private_names_of_scikit_learn_are_where_they_are_looked_for(module):
    for path in PRIVATE[module]:
        found = importlib.import_module(module)
        for step in path.split("."):
            found = inspect.getattr_static(found, step)
        assert found is not None


def test_every_target_is_found(autolog):
    assert discovery.integration("sklearn").enabled, "a target that is gone switches it off"


def test_a_search_numbers_its_tasks_as_ever(monkeypatch):
    tasks = []
    kept = live.Live.noted
    monkeypatch.setattr(live.Live, "noted", lambda self, given: kept(self, _heard(given, tasks)))
    with fitscribe.testing.recorder.Recorder():
        fitscribe.autolog()
        GridSearchCV(SVC(), {"C": [1, 2, 3]}, cv=2).fit(X, y)
        fitscribe.autolog(disable=True)
    if FOLLOWS:
        known = [Task.of(given[2]) for given in tasks]
        assert [(each.candidate, each.candidates, each.split, each.splits) for each in known] == [
            (candidate, 3, split, 2) for candidate in range(3) for split in range(2)
        ]


def _heard(given, tasks):
    for task in given:
        tasks.append(task)
        yield task


@pytest.mark.parametrize("gone", [(), ("_get_outputs",), ("_wait_retrieval",), ("_get_outputs", "_wait_retrieval")])
def test_where_joblib_has_other_names_it_is_said_once_and_nothing_is_lost(recorder, autolog, monkeypatch, caplog, gone):
    before = {name: getattr(joblib.Parallel, name, None) for name in (*live.TAKEN, live.WAITS)}
    monkeypatch.setattr(
        live, "TAKEN", tuple(name.replace("_get", "_gone") if name in gone else name for name in live.TAKEN)
    )
    monkeypatch.setattr(live, "WAITS", "_gone_wait" if live.WAITS in gone else live.WAITS)
    for _ in range(2):
        search = GridSearchCV(SVC(), {"C": [1, 2]}, cv=2).fit(X, y)
        cross_val_score(SVC(), X, y, cv=2)
    said = [each for each in caplog.records if each.name == "fitscribe" and each.levelno >= logging.WARNING]
    assert len(said) == (1 if gone or not FOLLOWS else 0)
    assert all("none is lost" in each.getMessage() for each in said)
    tops = [run for run in recorder.runs() if not run.parent]
    assert [run.name for run in tops] == ["GridSearchCV", "cross_val_score(SVC)"] * 2
    means = [recorder.metrics(child)["mean_test_score"] for child in recorder.children(tops[2])]
    assert means == search.cv_results_["mean_test_score"].tolist()
    assert len(recorder.history(tops[1], "test_score")) == 2
    assert before == {name: getattr(joblib.Parallel, name, None) for name in before}


def test_an_old_and_a_new_joblib_both_follow_threads_and_processes(recorder, autolog):
    model = make_pipeline(StandardScaler(), LogisticRegression())
    for backend in ("threading", "loky"):
        with joblib.parallel_backend(backend, n_jobs=2):
            GridSearchCV(model, {"logisticregression__C": [1.0, 2.0]}, cv=2).fit(X, y)
    tops = [run for run in recorder.runs() if not run.parent]
    assert [len(recorder.children(run)) for run in tops] == [2, 2]


def test_portions_are_steps(recorder, autolog):
    model = SGDClassifier(random_state=0)
    for _ in range(3):
        model.partial_fit(X, y, np.unique(y))
    assert [run.name for run in recorder.runs()] == ["SGDClassifier"]


@pytest.mark.parametrize(("tested", "kept"), [("<99", True), ("<1", False)])
def test_versions_that_nobody_tried_are_left_out_on_request(recorder, monkeypatch, caplog, tested, kept):
    integration = discovery.integration("sklearn")
    monkeypatch.setattr(integration, "framework", Framework("sklearn", integration.requires, (), tested))
    fitscribe.sklearn.autolog(disable_for_unsupported_versions=True)
    SVC().fit(X, y)
    fitscribe.sklearn.autolog(disable=True)
    assert len(recorder.runs()) == kept
    words = f"autologging for sklearn is off: it was tested with <1 and this is {version('scikit-learn')}"
    assert [each.getMessage() for each in caplog.records if "is off" in each.getMessage()] == ([] if kept else [words])
