"""LightGBM: `train`, `cv` and the estimators, each one run with all its rounds; training goes as ever."""

from __future__ import annotations

import json

import lightgbm
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor

import fitscribe
from integration.boosting.data import NOISY, X, charts, datasets, inputs, records, steps, y

BINARY = {"objective": "binary", "metric": "binary_logloss", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}


def sets():
    one = lightgbm.Dataset(X[:160], NOISY[:160])
    return one, lightgbm.Dataset(X[160:], NOISY[160:], reference=one)


def validated(features, labels):
    """The words by which an estimator is told what to evaluate on; the older ones are deprecated from 4.7 on."""
    if tuple(map(int, lightgbm.__version__.split(".")[:2])) >= (4, 7):
        return {"eval_X": features, "eval_y": labels}
    return {"eval_set": [(features, labels)]}


def test_a_training_is_a_run_with_its_rounds(everything):
    one, other = sets()
    log = {}
    params = {**BINARY, "metric": ["binary_logloss", "auc"]}
    booster = lightgbm.train(
        params, one, 6, valid_sets=[one, other], valid_names=["fit", "täst [%]"],
        callbacks=[lightgbm.record_evaluation(log)],
    )  # fmt: skip
    run = everything.run()
    assert (run.name, everything.status(run)) == ("lightgbm.train", "FINISHED")
    assert run.tags["mlflow.autologging"] == "lightgbm"
    assert everything.params(run)["num_boost_round"] == "6"
    assert [value for _, value in everything.history(run, "fit-auc")] == log["fit"]["auc"]
    assert everything.history(run, "täst ___-binary_logloss") == list(enumerate(log["täst [%]"]["binary_logloss"]))
    assert datasets(everything, run) == [("train", "dataset"), ("eval", "fit"), ("eval", "täst [%]")]
    files = everything.artifacts(run)
    for kind in ("split", "gain"):
        expected = dict(zip(booster.feature_name(), booster.feature_importance(kind).tolist(), strict=True))
        assert json.loads(files[f"feature_importance_{kind}.json"]) == expected
        assert charts(everything, run)[f"feature_importance_{kind}.png"].values == sorted(expected.values())[::-1]
    assert files["model/model.lgb"].decode() == booster.model_to_string()
    assert inputs(everything, run)[4] == {"name": "rooms", "type": "long", "required": True}


def test_what_is_trained_is_the_same_with_and_without(everything):
    def trained():
        one, other = sets()
        return lightgbm.train(BINARY, one, 6, valid_sets=other).model_to_string()

    with fitscribe.unwatched():
        plain = trained()
    assert trained() == plain
    assert len(everything.runs()) == 1


def test_early_stopping_is_told_with_its_best_round(everything):
    one, other = sets()
    stop = lightgbm.early_stopping(3, verbose=False)
    booster = lightgbm.train({**BINARY, "learning_rate": 1.0}, one, 100, valid_sets=other, callbacks=[stop])
    run = everything.run()
    found, history = everything.metrics(run), everything.history(run, "valid_0-binary_logloss")
    assert found["best_iteration"] == booster.best_iteration
    assert found["stopped_iteration"] == booster.best_iteration + 3 == history[-1][0]
    assert history[-1][1] == booster.best_score["valid_0"]["binary_logloss"] == min(value for _, value in history)


def test_a_callback_that_stops_hides_no_round_and_keeps_its_order(everything):
    seen = []

    def enough(env):
        seen.append(env.iteration)
        if env.iteration == 2:
            raise lightgbm.callback.EarlyStopException(1, env.evaluation_result_list)

    one, other = sets()
    callbacks = [enough]
    lightgbm.train(BINARY, one, 9, valid_sets=other, callbacks=callbacks)
    assert (callbacks, vars(enough)) == ([enough], {"order": -1}), "as LightGBM itself leaves them"
    assert steps(everything, everything.run(), "valid_0-binary_logloss") == [0, 1, 2, 3]
    assert everything.metrics(everything.run())["best_iteration"] == 2


def test_after_a_model_given_the_steps_go_on(everything):
    with fitscribe.unwatched():
        first = lightgbm.train(BINARY, sets()[0], 4)
    one, other = sets()
    stop = lightgbm.early_stopping(2, verbose=False)
    booster = lightgbm.train(
        {**BINARY, "learning_rate": 1.0}, one, 50, valid_sets=other, init_model=first, callbacks=[stop]
    )
    run = everything.run()
    assert steps(everything, run, "valid_0-binary_logloss")[:3] == [4, 5, 6]
    assert everything.metrics(run)["best_iteration"] == booster.best_iteration
    assert everything.metrics(run)["valid_0-binary_logloss"] == booster.best_score["valid_0"]["binary_logloss"]


def test_a_cross_validation_has_means_and_deviations(everything):
    table = lightgbm.cv(
        {**BINARY, "learning_rate": 1.0}, sets()[0], 50, nfold=3, eval_train_metric=True,
        callbacks=[lightgbm.early_stopping(2, verbose=False)],
    )  # fmt: skip
    run = everything.run()
    assert (run.name, everything.params(run)["nfold"]) == ("lightgbm.cv", "3")
    for name in ("valid binary_logloss-mean", "valid binary_logloss-stdv", "train binary_logloss-mean"):
        history = [value for _, value in everything.history(run, name.replace(" ", "-"))]
        assert history[: len(table[name])] == table[name]
        assert history[-1] == table[name][-1], "the best round stands last"
    assert everything.metrics(run)["best_iteration"] == len(table["valid binary_logloss-mean"])


def test_a_training_with_nothing_to_evaluate(everything):
    lightgbm.train(BINARY, sets()[0], 2)
    run = everything.run()
    assert everything.metrics(run) == {}
    assert {"feature_importance_gain.json", "model/model.lgb"} <= everything.artifacts(run).keys()


def test_an_objective_and_a_metric_of_the_users_own(everything):
    def objective(predictions, data):
        return predictions - data.get_label(), predictions * 0 + 1

    def share(predictions, data):
        return "share@0.5", float((predictions > 0.5).mean()), True

    one, other = sets()
    params = {"objective": objective, "metric": "None", "verbose": -1, "num_threads": 1}
    lightgbm.train(params, one, 2, valid_sets=other, feval=share)
    run = everything.run()
    assert steps(everything, run, "valid_0-share_at_0.5") == [0, 1]
    assert "at 0x" not in everything.params(run)["objective"]


def test_an_error_in_a_callback_is_the_users_own(everything):
    one, other = sets()
    for error, status in ((ValueError("mine"), "FAILED"), (KeyboardInterrupt(), "KILLED")):

        def breaks(env, error=error):
            if env.iteration == 1:
                raise error

        with pytest.raises(type(error)) as caught:
            lightgbm.train(BINARY, one, 9, valid_sets=other, callbacks=[breaks])
        assert caught.value is error
        run = everything.runs()[-1]
        assert everything.status(run) == status
        assert steps(everything, run, "valid_0-binary_logloss") == [0, 1]


def test_estimators_write_their_rounds_into_the_run_of_the_fit(everything):
    model = lightgbm.LGBMClassifier(n_estimators=50, learning_rate=1.0, verbose=-1, n_jobs=1)
    callbacks = [lightgbm.early_stopping(2, verbose=False)]
    model.fit(X[:160], NOISY[:160], callbacks=callbacks, **validated(X[160:], NOISY[160:]))
    run = everything.run()
    assert run.name == "LGBMClassifier"
    found = everything.metrics(run)
    assert found["best_iteration"] == model.best_iteration_
    assert found["valid_0-binary_logloss"] == model.best_score_["valid_0"]["binary_logloss"]
    assert found["training_accuracy_score"] == model.score(X[:160], NOISY[:160])
    assert datasets(everything, run) == [("train", "dataset"), ("eval", "valid_0")]
    assert {"feature_importance_split.json", "model/model.pkl"} <= everything.artifacts(run).keys()
    assert len(callbacks) == 1


def test_an_estimator_under_lightgbms_autologging_alone_is_one_run_as_well(only, recorder):
    only("lightgbm")
    lightgbm.LGBMRegressor(n_estimators=3, verbose=-1, n_jobs=1).fit(X, y, **validated(X[:50], y[:50]))
    run = recorder.run()
    assert (run.name, recorder.params(run)["objective"]) == ("lightgbm.train", "regression")
    assert steps(recorder, run, "valid_0-l2") == [0, 1, 2]
    assert "model/model.lgb" in recorder.artifacts(run)


def test_searches_and_ensembles_make_no_runs_but_their_own(everything):
    model = lightgbm.LGBMRegressor(n_estimators=3, verbose=-1, n_jobs=1)
    search = GridSearchCV(model, {"num_leaves": [2, 3]}, cv=2).fit(X, y, **validated(X[:50], y[:50]))
    MultiOutputRegressor(model).fit(X, X[["a", "rooms"]])
    tops = [run for run in everything.runs() if not run.parent]
    assert [run.name for run in tops] == ["GridSearchCV", "MultiOutputRegressor"]
    assert len(everything.runs()) == 4
    expected = search.best_estimator_.evals_result_["valid_0"]["l2"]
    assert everything.history(tops[0], "valid_0-l2") == list(enumerate(expected)), "the refit's, no other's"


def test_data_that_is_gone_or_in_a_file_is_told_as_far_as_it_is_known(everything, tmp_path):
    one = lightgbm.Dataset(X, y, params=BINARY).construct()
    lightgbm.train(BINARY, one, 1)
    file = tmp_path / "data.csv"
    X.assign(y=y)[["y", *X]].to_csv(file, index=False)
    lightgbm.train({**BINARY, "header": True}, lightgbm.Dataset(str(file), params={"header": True, "verbose": -1}), 1)
    gone, filed = everything.runs()
    [told] = records(everything, gone, "DatasetUsed")
    assert json.loads(told.profile) == {"num_rows": 240, "num_elements": 1200}
    assert [each["name"] for each in json.loads(told.schema)["mlflow_colspec"]] == list(X)
    assert datasets(everything, filed) == []
    assert "model/model.lgb" in everything.artifacts(filed)


def test_data_is_not_kept_longer_than_lightgbm_keeps_it(everything):
    import weakref

    features = X.to_numpy().copy()
    gone = weakref.ref(features)
    data = lightgbm.Dataset(features, y)
    del features
    freed = []
    lightgbm.train(BINARY, data, 2, callbacks=[lambda env: freed.append(gone() is None)])
    assert freed == [True, True]
    [taken] = inputs(everything, everything.run())
    assert taken["tensor-spec"] == {"dtype": "float64", "shape": [-1, 5]}
