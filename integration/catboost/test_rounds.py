"""CatBoost: each `fit` and `cv` is a run with all its rounds; training goes as ever, and as fast."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import catboost
import numpy as np
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor, Pool
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fitscribe
from integration.boosting.data import NOISY, X, charts, datasets, inputs, records, steps, y

QUIET = {"verbose": False, "allow_writing_files": False, "thread_count": 1}


def parts():
    return (X[:160], NOISY[:160]), (X[160:], NOISY[160:])


def test_a_training_is_a_run_with_its_rounds(everything):
    one, other = parts()
    model = CatBoostClassifier(iterations=6, custom_metric=["AUC"], **QUIET).fit(*one, eval_set=other)
    run = everything.run()
    assert (run.name, everything.status(run)) == ("CatBoostClassifier", "FINISHED")
    assert run.tags["mlflow.autologging"] == "catboost"
    told = everything.params(run)
    assert (told["iterations"], told["custom_metric"], told["depth"]) == ("6", "['AUC']", "6")
    assert float(told["learning_rate"]) == pytest.approx(model.learning_rate_), "which CatBoost chose"
    assert everything.history(run, "learn-Logloss")[:6] == list(enumerate(model.evals_result_["learn"]["Logloss"]))
    history = everything.history(run, "validation-AUC")
    assert [value for _, value in history[:6]] == model.evals_result_["validation"]["AUC"]
    assert datasets(everything, run) == [("train", "dataset"), ("eval", "validation")]
    files = everything.artifacts(run)
    weights = dict(zip(model.feature_names_, model.feature_importances_.tolist(), strict=True))
    assert json.loads(files["feature_importance_PredictionValuesChange.json"]) == weights
    bars = charts(everything, run)["feature_importance_PredictionValuesChange.png"]
    assert bars.values == sorted(weights.values(), reverse=True)
    assert inputs(everything, run)[4] == {"name": "rooms", "type": "long", "required": True}


def test_what_is_trained_is_the_same_with_and_without(everything):
    one, other = parts()
    with fitscribe.unwatched():
        plain = CatBoostRegressor(iterations=6, **QUIET).fit(*one, eval_set=other)
    ours = CatBoostRegressor(iterations=6, **QUIET).fit(*one, eval_set=other)
    assert np.array_equal(plain.predict(X), ours.predict(X))
    assert plain.evals_result_ == ours.evals_result_


def test_early_stopping_is_told_with_its_best_round(everything):
    one, other = parts()
    model = CatBoostClassifier(iterations=200, learning_rate=0.9, early_stopping_rounds=3, **QUIET)
    model.fit(*one, eval_set=[other, one])
    run = everything.run()
    found, history = everything.metrics(run), everything.history(run, "validation_0-Logloss")
    trained = len(model.evals_result_["learn"]["Logloss"])
    assert (found["best_iteration"], found["stopped_iteration"]) == (model.best_iteration_, trained - 1)
    assert history[-1][0] == trained
    assert history[-1][1] == history[model.best_iteration_][1]
    assert datasets(everything, run) == [("train", "dataset"), ("eval", "validation_0"), ("eval", "validation_1")]


def test_after_a_model_given_the_steps_go_on(everything):
    one, other = parts()
    with fitscribe.unwatched():
        first = CatBoostClassifier(iterations=4, **QUIET).fit(*one)
    CatBoostClassifier(iterations=3, **QUIET).fit(*one, eval_set=other, init_model=first)
    run = everything.run()
    assert steps(everything, run, "learn-Logloss")[:3] == [4, 5, 6]
    assert 4 <= everything.metrics(run)["best_iteration"] <= 6


def test_metrics_that_are_measured_now_and_then_have_the_steps_of_then(everything):
    one, other = parts()
    CatBoostRegressor(iterations=10, metric_period=4, use_best_model=False, **QUIET).fit(*one, eval_set=other)
    assert steps(everything, everything.run(), "validation-RMSE")[:4] == [0, 4, 8, 9]


def test_with_callbacks_of_the_users_own_the_rounds_come_live(everything):
    seen = []

    class Stops:
        def after_iteration(self, info):
            found = everything.history(everything.run(), "learn-RMSE")
            seen.append((info.iteration, len(found), found[-1][1] == info.metrics["learn"]["RMSE"][-1]))
            return info.iteration < 3

    callbacks = [Stops()]
    CatBoostRegressor(iterations=9, **QUIET).fit(X, y, callbacks=callbacks)
    assert seen == [(1, 1, True), (2, 2, True), (3, 3, True)]
    assert steps(everything, everything.run(), "learn-RMSE") == [0, 1, 2]
    assert len(callbacks) == 1


def test_live_on_request(only, recorder):
    only("catboost", live=True, log_models=False)
    CatBoostRegressor(iterations=10, metric_period=4, **QUIET).fit(X, y)
    points = [each for each in recorder.said if type(each).__name__ == "Metrics"]
    assert [each.step for each in points] == [0, 4, 8, 9]


def test_an_error_in_a_callback_is_what_catboost_makes_of_it(everything):
    class Breaks:
        def after_iteration(self, info):
            if info.iteration == 2:
                raise ValueError("mine")
            return True

    with pytest.raises(catboost.CatBoostError, match="ValueError: mine"):
        CatBoostRegressor(iterations=9, **QUIET).fit(X, y, callbacks=[Breaks()])
    run = everything.run()
    assert everything.status(run) == "FAILED"
    assert steps(everything, run, "learn-RMSE") == [0, 1]


def test_a_training_that_is_interrupted_keeps_its_rounds(only, recorder, tmp_path):
    only("catboost")

    def interrupt():
        file, deadline = tmp_path / "info" / "test_error.tsv", time.monotonic() + 60
        while time.monotonic() < deadline and (not file.exists() or len(file.read_bytes().splitlines()) < 5):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    model = CatBoostRegressor(iterations=1_000_000, verbose=False, train_dir=str(tmp_path / "info"), thread_count=1)
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y, eval_set=(X, y))
    run = recorder.run()
    assert recorder.status(run) == "KILLED"
    assert steps(recorder, run, "validation-RMSE")[:4] == [0, 1, 2, 3]
    assert recorder.history(run, "learn-RMSE")[0][1] < 0.5
    with pytest.raises(ValueError, match="none"):
        model.fit(X, y, cat_features=["none"])
    again = recorder.runs()[-1]
    assert recorder.metrics(again) == {}, "the files of the training before are not its own"


def test_a_cross_validation_has_means_and_deviations(everything):
    how = {"fold_count": 3, "logging_level": "Silent"}
    table = catboost.cv(Pool(X, y), {"loss_function": "RMSE", "iterations": 4, "allow_writing_files": False}, **how)
    run = everything.run()
    assert (run.name, everything.params(run)["loss_function"]) == ("catboost.cv", "RMSE")
    for column in ("test-RMSE-mean", "train-RMSE-std"):
        assert everything.history(run, column) == list(enumerate(table[column]))


def test_a_pipeline_and_a_search_make_no_runs_but_their_own(everything):
    model = CatBoostRegressor(iterations=3, **QUIET)
    make_pipeline(StandardScaler(), model).fit(X, y)
    GridSearchCV(model, {"depth": [1, 2]}, cv=2).fit(X, y)
    tops = [run for run in everything.runs() if not run.parent]
    assert [run.name for run in tops] == ["Pipeline", "GridSearchCV"]
    assert len(everything.runs()) == 4
    assert [steps(everything, run, "learn-RMSE") for run in tops] == [[0, 1, 2], [0, 1, 2]]


def test_a_class_of_the_users_own_is_one_run(everything):
    class Mine(CatBoostRegressor):
        def fit(self, X, y=None, **how):
            return super().fit(X, y, **how)

    Mine(iterations=2, **QUIET).fit(X, y)
    run = everything.run()
    assert run.name == "Mine"
    assert b"model_type: CatBoostRegressor" in everything.artifacts(run)["model/MLmodel"]


def test_catboosts_own_train_and_search(everything):
    catboost.train(Pool(X, y), {"loss_function": "RMSE", "iterations": 2, "verbose": False})
    CatBoostRegressor(iterations=2, **QUIET).grid_search({"depth": [1, 2]}, X, y, verbose=False, cv=2, plot=False)
    first, second = everything.runs()
    assert (first.name, second.name) == ("CatBoost", "CatBoostRegressor")
    assert steps(everything, first, "learn-RMSE") == [0, 1]


def test_categories_and_missing_values(everything):
    features = X.assign(town=np.where(X["a"] > 0.5, "Ulm", "Graz"))
    features.loc[0, "b"] = np.nan
    CatBoostClassifier(iterations=2, **QUIET).fit(features, y, cat_features=["town"])
    CatBoostClassifier(iterations=2, **QUIET).fit(Pool(features, y, cat_features=["town"]))
    CatBoostClassifier(iterations=2, **QUIET).fit(Pool(X, y))
    frame, pool, numbers = everything.runs()
    assert inputs(everything, frame)[5] == {"name": "town", "type": "string", "required": True}
    assert "model/model.cb" in everything.artifacts(pool)
    assert [each["name"] for each in inputs(everything, numbers)] == list(X)
    [told] = records(everything, pool, "DatasetUsed")
    assert json.loads(told.profile) == {"num_rows": 240, "num_elements": 1440}


def test_a_ranker_has_no_importance_without_the_data(everything):
    groups = np.repeat(np.arange(24), 10)
    model = catboost.CatBoostRanker(iterations=2, loss_function="YetiRank", custom_metric=["NDCG:top=3"], **QUIET)
    model.fit(X, X["rooms"], group_id=groups, eval_set=Pool(X, X["rooms"], group_id=groups))
    run = everything.run()
    assert steps(everything, run, "validation-NDCG:top_3_type_Base")[:2] == [0, 1]
    assert not [name for name in everything.artifacts(run) if name.startswith("feature")]


def test_what_catboost_refuses_is_refused_as_ever(everything):
    for how in ({"eval_set": 5}, {"cat_features": ["none"]}, {"X": None}):
        given = {"X": X, "y": y, **how}
        with fitscribe.unwatched(), pytest.raises(Exception) as plain:  # noqa: PT011 - whatever it is
            CatBoostRegressor(iterations=2, **QUIET).fit(**given)
        with pytest.raises(type(plain.value)) as ours:
            CatBoostRegressor(iterations=2, **QUIET).fit(**given)
        assert str(ours.value) == str(plain.value)
    assert {everything.status(run) for run in everything.runs()} == {"FAILED"}


FORKED = """
import os, fitscribe
fitscribe.autolog(log_models=False)
import catboost, lightgbm, xgboost
X = [[float(i), float(i % 3)] for i in range(40)]
y = [i % 2 for i in range(40)]
def work():
    with fitscribe.start_run():
        import numpy
        features, labels = numpy.array(X), numpy.array(y)
        data = xgboost.DMatrix(features, labels, nthread=1)
        xgboost.train({"nthread": 1}, data, 2, evals=[(data, "x")], verbose_eval=False)
        data = lightgbm.Dataset(features, labels)
        lightgbm.train({"num_threads": 1, "verbose": -1}, data, 2, valid_sets=data)
        catboost.CatBoostRegressor(iterations=2, thread_count=1, verbose=False, allow_writing_files=False).fit(X, y)
children = []
for _ in range(2):
    pid = os.fork()
    if not pid:
        work()
        fitscribe.flush()
        os._exit(0)
    children.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
def test_forked_children_train_with_each_library(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED],
        cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    client = fitscribe.Client(tmp_path / ".fitscribe")
    found = client.search_runs([each.experiment_id for each in client.search_experiments()])
    assert len(found) == 6
    assert {run.info.status for run in found} == {"FINISHED"}
    assert sorted(run.info.run_name for run in found if "mlflow.parentRunId" in run.data.tags) == sorted(
        ["CatBoostRegressor", "lightgbm.train"] * 2
    )


def test_plain_lists_are_data_as_well(everything):
    CatBoostRegressor(iterations=2, **QUIET).fit(X.to_numpy().tolist(), y.tolist())
    run = everything.run()
    assert datasets(everything, run) == [("train", "dataset")]
    assert "model/model.cb" in everything.artifacts(run)
