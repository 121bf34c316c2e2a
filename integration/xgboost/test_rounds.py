"""XGBoost: `train`, `cv` and the estimators, each one run with all its rounds; training goes as ever."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
import xgboost
from sklearn.ensemble import AdaBoostRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import train as imported_before

import fitscribe
from fitscribe.errors import MisuseError
from integration.boosting.data import NOISY, X, charts, datasets, inputs, records, steps, y

BINARY = {"objective": "binary:logistic", "eta": 0.5, "nthread": 1}


def matrices():
    return xgboost.DMatrix(X[:160], NOISY[:160]), xgboost.DMatrix(X[160:], NOISY[160:])


def test_a_training_is_a_run_with_its_rounds(everything):
    one, other = matrices()
    params = {**BINARY, "eval_metric": ["logloss", "error@0.7"]}
    evals = [(one, "train"), (other, "test")]
    log = {}
    booster = xgboost.train(params, one, 6, evals=evals, evals_result=log, verbose_eval=False)
    run = everything.run()
    assert (run.name, everything.status(run)) == ("xgboost.train", "FINISHED")
    assert run.tags["mlflow.autologging"] == "xgboost"
    told = everything.params(run)
    assert (told["eta"], told["num_boost_round"], told["eval_metric"]) == ("0.5", "6", "['logloss', 'error@0.7']")
    assert [value for _, value in everything.history(run, "test-logloss")] == log["test"]["logloss"]
    assert everything.history(run, "train-error_at_0.7") == list(enumerate(log["train"]["error@0.7"]))
    assert datasets(everything, run) == [("train", "dataset"), ("eval", "train"), ("eval", "test")]
    files = everything.artifacts(run)
    assert json.loads(files["feature_importance_weight.json"]) == booster.get_score(importance_type="weight")
    assert "model/model.ubj" in files
    bars = charts(everything, run)["feature_importance_weight.png"]
    assert bars.values == sorted(booster.get_score().values(), reverse=True)
    assert "best_iteration" not in everything.metrics(run)


def test_what_is_trained_is_the_same_with_and_without(everything):
    one, other = matrices()
    with fitscribe.unwatched():
        plain = xgboost.train(BINARY, one, 6, evals=[(other, "test")], verbose_eval=False)
    ours = xgboost.train(BINARY, one, 6, evals=[(other, "test")], verbose_eval=False)
    assert plain.save_raw("json") == ours.save_raw("json")
    assert plain.get_dump() == ours.get_dump()
    assert len(everything.runs()) == 1


def test_early_stopping_is_told_with_its_best_round(everything):
    one, other = matrices()
    booster = xgboost.train(
        {**BINARY, "eta": 1.0}, one, 100, evals=[(other, "test")], early_stopping_rounds=3, verbose_eval=False
    )
    run = everything.run()
    found, history = everything.metrics(run), everything.history(run, "test-logloss")
    assert found["best_iteration"] == booster.best_iteration
    assert found["stopped_iteration"] == booster.best_iteration + 3 == history[-2][0]
    assert history[-1] == (history[-2][0] + 1, pytest.approx(booster.best_score, rel=1e-6))


def test_a_callback_of_the_users_own_that_stops_early_hides_no_round(everything):
    class Enough(xgboost.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            return epoch == 2

    one, other = matrices()
    given = [Enough(), xgboost.callback.EarlyStopping(rounds=2, save_best=True)]
    callbacks = list(given)
    xgboost.train(BINARY, one, 9, evals=[(other, "test")], callbacks=callbacks, verbose_eval=False)
    assert callbacks == given
    assert steps(everything, everything.run(), "test-logloss")[:3] == [0, 1, 2]


def test_after_a_model_given_the_steps_go_on(everything):
    one, other = matrices()
    how = {"evals": [(other, "test")], "verbose_eval": False, "early_stopping_rounds": 2}
    with fitscribe.unwatched():
        first = xgboost.train(BINARY, one, 4)
    booster = xgboost.train({**BINARY, "eta": 1.0}, one, 50, xgb_model=first, **how)
    run = everything.run()
    assert steps(everything, run, "test-logloss")[:3] == [4, 5, 6]
    assert everything.metrics(run)["best_iteration"] == booster.best_iteration >= 4
    assert everything.metrics(run)["test-logloss"] == pytest.approx(booster.best_score, rel=1e-6)


def test_a_cross_validation_has_means_and_deviations(everything):
    one, _ = matrices()
    table = xgboost.cv({**BINARY, "eta": 1.0}, one, 50, nfold=3, early_stopping_rounds=2, metrics=["error", "logloss"])
    run = everything.run()
    assert (run.name, everything.params(run)["nfold"]) == ("xgboost.cv", "3")
    for column in table:
        history = [value for _, value in everything.history(run, column)]
        assert history[: len(table)] == pytest.approx(table[column].tolist())
        assert history[-1] == pytest.approx(table[column].iloc[-1]), "the best round stands last"
    assert everything.metrics(run)["best_iteration"] == len(table) - 1


def test_without_data_to_evaluate_there_are_no_rounds_and_all_the_rest(everything):
    one, _ = matrices()
    xgboost.train(list(BINARY.items()), one, num_boost_round=2)
    run = everything.run()
    assert everything.metrics(run) == {}
    assert everything.params(run)["num_boost_round"] == "2"
    assert {"feature_importance_weight.json", "model/MLmodel"} <= everything.artifacts(run).keys()


def test_a_metric_of_the_users_own_has_a_key_that_servers_take(everything):
    def share(predictions, data):
        return "share>0.5(%)", float((predictions > 0.5).mean())

    one, other = matrices()
    xgboost.train(BINARY, one, 2, evals=[(other, "täst")], custom_metric=share, verbose_eval=False)
    run = everything.run()
    assert steps(everything, run, "täst-share_0.5___") == [0, 1]
    assert "at 0x" not in everything.params(run)["custom_metric"]


def test_an_error_in_a_callback_is_the_users_own(everything):
    class Breaks(xgboost.callback.TrainingCallback):
        def __init__(self, error):
            self.error = error

        def after_iteration(self, model, epoch, evals_log):
            if epoch == 1:
                raise self.error

    one, other = matrices()
    for error, status in ((ValueError("mine"), "FAILED"), (KeyboardInterrupt(), "KILLED")):
        with pytest.raises(type(error)) as caught:
            xgboost.train(BINARY, one, 9, evals=[(other, "test")], callbacks=[Breaks(error)], verbose_eval=False)
        assert caught.value is error
        run = everything.runs()[-1]
        assert everything.status(run) == status
        assert steps(everything, run, "test-logloss") == [0, 1]
        assert everything.artifacts(run) == {}


def test_a_call_that_xgboost_refuses_is_refused_as_ever(everything):
    one, _ = matrices()
    for arguments in ({"evals": [(X, "x")]}, {"callbacks": [1]}, {"nonsense": 1}):
        with fitscribe.unwatched(), pytest.raises(Exception) as plain:  # noqa: PT011 - whatever it is
            xgboost.train(BINARY, one, 2, **arguments)
        with pytest.raises(type(plain.value)) as ours:
            xgboost.train(BINARY, one, 2, **arguments)
        assert str(ours.value) == str(plain.value)


def test_a_function_imported_before_is_seen_and_stays_the_same_object(only, recorder):
    one, _ = matrices()
    only("xgboost", log_models=False)
    assert imported_before is xgboost.train
    imported_before(BINARY, one, 2)
    assert recorder.run().name == "xgboost.train"


def test_estimators_write_their_rounds_into_the_run_of_the_fit(everything):
    model = xgboost.XGBClassifier(n_estimators=50, learning_rate=1.0, early_stopping_rounds=2, n_jobs=1)
    model.fit(X[:160], NOISY[:160], eval_set=[(X[160:], NOISY[160:])], verbose=False)
    run = everything.run()
    assert run.name == "XGBClassifier"
    found = everything.metrics(run)
    assert found["best_iteration"] == model.best_iteration
    assert steps(everything, run, "validation_0-logloss")[:2] == [0, 1]
    assert found["training_accuracy_score"] == model.score(X[:160], NOISY[:160])
    assert datasets(everything, run) == [("train", "dataset"), ("eval", "validation_0")]
    files = everything.artifacts(run)
    assert {"feature_importance_weight.json", "model/model.pkl"} <= files.keys()
    assert "model/model.ubj" not in files
    assert model.get_params()["callbacks"] is None


def test_an_estimator_under_xgboosts_autologging_alone_is_one_run_as_well(only, recorder):
    only("xgboost")
    model = xgboost.XGBRegressor(n_estimators=3, n_jobs=1).fit(X, y, eval_set=[(X, y)], verbose=False)
    run = recorder.run()
    assert (run.name, recorder.params(run)["objective"]) == ("xgboost.train", "reg:squarederror")
    assert [value for _, value in recorder.history(run, "validation_0-rmse")] == model.evals_result()["validation_0"][
        "rmse"
    ]
    assert "model/model.ubj" in recorder.artifacts(run)


def test_a_pipeline_has_the_rounds_of_its_last_step(everything):
    model = make_pipeline(StandardScaler(), xgboost.XGBClassifier(n_estimators=3, n_jobs=1))
    model.fit(X, y, xgbclassifier__eval_set=[(X.to_numpy(), y)], xgbclassifier__verbose=False)
    run = everything.run()
    assert run.name == "Pipeline"
    assert steps(everything, run, "validation_0-logloss") == [0, 1, 2]


def test_a_search_makes_no_runs_but_its_own_and_mixes_no_rounds(everything):
    model = xgboost.XGBClassifier(n_estimators=3, n_jobs=1)
    search = GridSearchCV(model, {"max_depth": [1, 2]}, cv=2).fit(X, y, eval_set=[(X, y)], verbose=False)
    cross_val_score(model, X, y, cv=2)
    tops = [run for run in everything.runs() if not run.parent]
    assert [run.name for run in tops] == ["GridSearchCV", "cross_val_score(XGBClassifier)"]
    assert len(everything.children(tops[0])) == 2
    assert len(everything.runs()) == 4
    expected = search.best_estimator_.evals_result()["validation_0"]["logloss"]
    assert everything.history(tops[0], "validation_0-logloss") == list(enumerate(expected)), "the refit's, no other's"


def test_an_ensemble_of_boosters_has_the_rounds_of_one(everything):
    booster = xgboost.XGBRegressor(n_estimators=2, n_jobs=1)
    AdaBoostRegressor(booster, n_estimators=3, random_state=0).fit(X, X["a"] + X["rooms"])
    run = everything.run()
    assert everything.params(run)["num_boost_round"] == "2"


def test_the_second_training_in_a_run_of_the_users_is_a_child(everything):
    one, other = matrices()
    with fitscribe.start_run(run_name="mine"):
        for _ in range(2):
            xgboost.train(BINARY, one, 2, evals=[(other, "test")], verbose_eval=False)
    mine, second = everything.runs()
    assert (mine.name, second.parent) == ("mine", mine.run)
    assert steps(everything, mine, "test-logloss") == steps(everything, second, "test-logloss") == [0, 1]


def test_a_training_inside_a_training_is_left_alone(everything):
    one, other = matrices()

    class Inner(xgboost.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            xgboost.train(BINARY, one, 3, evals=[(one, "test")], verbose_eval=False)
            return False

    xgboost.train(BINARY, one, 2, evals=[(other, "test")], callbacks=[Inner()], verbose_eval=False)
    assert steps(everything, everything.run(), "test-logloss") == [0, 1]


def test_threads_train_each_in_a_run_of_its_own(everything):
    one, other = matrices()

    def job(rounds):
        for _ in range(3):
            xgboost.train(BINARY, one, rounds, evals=[(other, "test")], verbose_eval=False)

    threads = [threading.Thread(target=job, args=(rounds,)) for rounds in (2, 3, 4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = sorted(len(everything.history(run, "test-logloss")) for run in everything.runs())
    assert found == [2, 2, 2, 3, 3, 3, 4, 4, 4]


def test_a_worker_that_is_not_the_first_records_nothing(everything, monkeypatch):
    one, _ = matrices()
    monkeypatch.setattr(xgboost.collective, "get_rank", lambda: 1)
    xgboost.train(BINARY, one, 2)
    assert everything.runs() == []


def test_other_boosters_and_kinds_of_importance(only, recorder):
    one, _ = matrices()
    only("xgboost", importance_types=["gain", "total_cover"])
    classes = xgboost.DMatrix(X, X["rooms"])
    xgboost.train({**BINARY, "booster": "dart"}, one, 2)
    xgboost.train({"booster": "gblinear", "objective": "multi:softprob", "num_class": 4, "nthread": 1}, classes, 2)
    only("xgboost", importance_types=None)
    xgboost.train({"booster": "gblinear", "objective": "multi:softprob", "num_class": 4, "nthread": 1}, classes, 2)
    xgboost.train({**BINARY, "max_depth": 1, "min_child_weight": 1e6}, one, 1)
    dart, linear, weighted, stump = recorder.runs()
    assert {"feature_importance_gain.json", "feature_importance_total_cover.json"} <= recorder.artifacts(dart).keys()
    assert not [name for name in recorder.artifacts(linear) if name.startswith("feature")]
    assert len(json.loads(recorder.artifacts(weighted)["feature_importance_weight.json"])["a"]) == 4
    assert len(charts(recorder, weighted)["feature_importance_weight.png"].values) == 5
    assert json.loads(recorder.artifacts(stump)["feature_importance_weight.json"]) == {}


@pytest.mark.parametrize("form", ["DMatrix", "QuantileDMatrix", "array", "categories", "groups"])
def test_data_is_told_by_shape_names_and_types(everything, form):
    make, features, more = xgboost.DMatrix, X, {}
    if form == "QuantileDMatrix":
        make = xgboost.QuantileDMatrix
    elif form == "array":
        features = X.to_numpy()
    elif form == "categories":
        features, more = X.assign(rooms=X["rooms"].astype("category")), {"enable_categorical": True}
    data = make(features, y, **more)
    if form == "groups":
        data.set_group([100, 140])
    xgboost.train(BINARY, data, 2)
    run = everything.run()
    [told] = records(everything, run, "DatasetUsed")
    assert json.loads(told.profile) == {"num_rows": 240, "num_elements": 1200, "num_stored": 1200}
    taken = inputs(everything, run)
    if form == "array":
        assert taken == [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 5]}}]
        assert told.schema == ""
    elif form == "categories":
        assert taken == [], "the names of the categories are nowhere"
    else:
        assert taken[4] == {"name": "rooms", "type": "long", "required": True}
        assert json.loads(told.schema)["mlflow_colspec"][4] == {"name": "rooms", "type": "long", "required": True}


def test_other_labels_are_another_dataset(everything):
    for labels in (y, y, NOISY):
        xgboost.train(BINARY, xgboost.DMatrix(X, labels), 1)
    first, second, third = (records(everything, run, "DatasetUsed")[0].digest for run in everything.runs())
    assert first == second != third


def test_missing_values_stay_missing_in_the_example(only, recorder):
    only("xgboost", log_input_examples=True, model_format="json")
    holes = X.copy()
    holes.loc[0, "a"] = np.nan
    xgboost.train(BINARY, xgboost.DMatrix(holes, y), 2)
    files = recorder.artifacts(recorder.run())
    example = json.loads(files["model/input_example.json"])
    assert example["data"][0][0] is None
    assert example["data"][1] == pytest.approx(X.iloc[1].tolist(), rel=1e-6)
    assert "model/model.json" in files


def test_options_are_checked_at_once(only):
    with pytest.raises(MisuseError, match="model_format='pickle' is neither 'json' nor 'ubj'"):
        only("xgboost", model_format="pickle")
    with pytest.raises(MisuseError, match="has no option 'log_everything'"):
        only("xgboost", log_everything=True)


def test_what_is_switched_off_is_not_there(only, recorder):
    one, other = matrices()
    only("xgboost", log_models=False, log_datasets=False, importance_types=[], extra_tags={"team": "trees"})
    xgboost.train(BINARY, one, 2, evals=[(other, "test")], verbose_eval=False)
    run = recorder.run()
    assert recorder.artifacts(run) == {}
    assert datasets(recorder, run) == []
    assert recorder.tags(run)["team"] == "trees"
