"""What tinyboost trains is recorded, and nothing changes for who trains."""

import json

import numpy as np
import pytest
from fitscribe_tinyboost import integration

import fitscribe
from fitscribe.testing import check_contract

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
y = 2 * X[:, 0] + (X[:, 1] > 0)


def use():
    """Train and search as a user does, the same each time; return what can be compared."""
    import tinyboost

    heard = []
    booster = tinyboost.train({"rate": 0.5}, X, y, 4, [lambda number, metrics: heard.append((number, metrics["mse"]))])
    params, best = tinyboost.search({"rate": [0.1, 0.5]}, X, y, rounds=2)
    return booster.stumps, heard, params, best.stumps


def test_a_training_is_a_run_with_its_metrics_by_round(fitscribe_recorder):
    import tinyboost

    fitscribe.autolog()
    heard = []
    tinyboost.train({"rate": 0.5}, X, y, 4, [lambda number, metrics: heard.append((number, metrics["mse"]))])
    run = fitscribe_recorder.run("tinyboost")
    assert fitscribe_recorder.params(run) == {"rounds": "4", "rate": "0.5"}
    assert fitscribe_recorder.history(run, "mse") == heard
    assert fitscribe_recorder.status(run) == "FINISHED"
    files = fitscribe_recorder.artifacts(run)
    assert json.loads(files["importance.json"])["columns"] == ["column", "cuts"]
    assert {"model/MLmodel", "model/booster.json"} <= set(files)


def test_each_candidate_of_a_search_is_a_child_of_its_run(fitscribe_recorder):
    import tinyboost

    fitscribe.autolog()
    tinyboost.search({"rate": [0.1, 0.5]}, X, y, rounds=2)
    run = fitscribe_recorder.run("tinyboost search")
    assert [child.name for child in fitscribe_recorder.children(run)] == ["rounds=2, rate=0.1", "rounds=2, rate=0.5"]
    assert fitscribe_recorder.tags(run)["fitscribe.progress"] == "2/2"
    assert fitscribe_recorder.params(run)["best_rate"] == "0.5"


def test_a_training_that_fails_is_a_failed_run(fitscribe_recorder):
    import tinyboost

    fitscribe.autolog()
    with pytest.raises(ValueError, match="not above 0"):
        tinyboost.search({"rate": [0.1, 7.0]}, X, y)
    run = fitscribe_recorder.run("tinyboost search")
    ends = [fitscribe_recorder.status(each) for each in [run, *fitscribe_recorder.children(run)]]
    assert ends == ["FAILED", "FINISHED", "FAILED"]


def test_an_option_is_taken_and_checked(fitscribe_recorder):
    import tinyboost

    fitscribe.tinyboost.autolog(log_every_n_rounds=2, log_models=False)
    tinyboost.train({}, X, y, 4)
    run = fitscribe_recorder.run()
    assert [step for step, _ in fitscribe_recorder.history(run, "mse")] == [0, 2]
    assert "model/MLmodel" not in fitscribe_recorder.artifacts(run)
    with pytest.raises(ValueError, match="log_every_n_rounds=0 is no whole number above 0"):
        fitscribe.tinyboost.autolog(log_every_n_rounds=0)


def test_the_model_of_a_run_predicts_as_it_did(fitscribe_store):
    import tinyboost

    fitscribe.autolog()
    booster = tinyboost.train({}, X, y)
    uri = f"runs:/{fitscribe_store.run().info.run_id}/model"
    assert fitscribe.tinyboost.load_model(uri) == booster
    np.testing.assert_array_equal(fitscribe.pyfunc.load_model(uri).predict(X), booster.predict(X))


def test_nothing_changes_for_who_trains():
    check_contract(integration, use)
