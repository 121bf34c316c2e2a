"""Every example does its job on the embedded store, and again against a real MLflow server."""

from __future__ import annotations

import pytest

from fitscribe.client import Client
from integration import examples
from integration.launching import unless_aborted

SHOWN = {
    "catboost_rounds": ["rounds: 60 and the best once more: True", "chosen by CatBoost: 0.0", "predicted: [1, 0]"],
    "elastic_net": ["params.alpha", "metrics.rmse", "0.05"],
    "grid_search": ["params.kernel", "metrics.mean_test_score", "linear", "rbf"],
    "keras_custom_loop": ["steps: 0 to 19 ['loss', 'mae', 'validation_loss']", "epochs: [0, 1, 2]"],
    "keras_early_stopping": ["the rate falls: True", "stopped early: True", "restored the best: True"],
    "keras_mlp": ["'total_params': '13254'", "epochs: [0, 1, 2, 3, 4]", "good on new texts: True", "'confused.txt'"],
    "lightgbm_search": ["learning_rate=0.3, num_leaves=8", "feature_importance_gain.png", "loaded: True"],
    "lightning_early_stopping": [
        "the rate falls: True",
        "stopped early: True",
        "of the best epoch: True",
        "tested: True",
    ],
    "linear_regression": ["training_r2_score = 1.0", "fit_intercept = True", "estimator.html", "truth.txt", "model/"],
    "models_and_registry": ["registered: wine 1 of the run depth 6", "loaded: ['alcohol'", "predicted: [", "served: ["],
    "optuna_study": ["KILLED", "params.alpha", "progress: 8/8", "the best is marked: True"],
    "pipeline": ["'lr__fit_intercept': 'True'", "'scaler__with_mean': 'True'"],
    "product_loop": ["params.max_depth", "metrics.test_acc", "depth 5, leaf 3"],
    "quickstart": ["GridSearchCV", "C=10, kernel=rbf", "RandomForestClassifier", "cv_results.csv", "best_estimator"],
    "statsmodels_ols": ["price ~ area + age", "area: 3.1, 95 % of the time in 2.9 to 3.2", "predicted: [403.0]"],
    "torch_gan": ["Generator: lr = 0.002, 120 points, to step 300", "Discriminator: lr = 0.001, 120 points"],
    "torch_loop": ["loss_function = cross_entropy", "clip_grad_norm = 1.0", "learning rates: 8", "epochs = 8"],
    "torchrun_two_processes": ["world_size = 2", "DistributedDataParallel", "last loss below the first: True"],
    "tracking_api": ["'learning_rate': '0.1'", "points: 1000 steps: 0 to 999", "the file may change"],
    "transformers_trainer": ["lr_scheduler_type = linear", "eval_accuracy: 4 points, to step 80", "reviews: True"],
    "xgboost_rounds": ["the best round: True", "the last point is the best: True", "weighed: ['age'", "loaded: True"],
}
RUNS = {
    "catboost_rounds": 1,
    "elastic_net": 7,
    "grid_search": 7,
    "keras_custom_loop": 2,
    "keras_early_stopping": 1,
    "keras_mlp": 1,
    "lightgbm_search": 5,
    "lightning_early_stopping": 1,
    "linear_regression": 1,
    "models_and_registry": 3,
    "optuna_study": 9,
    "pipeline": 1,
    "product_loop": 12,
    "quickstart": 9,
    "statsmodels_ols": 3,
    "torch_gan": 1,
    "torch_loop": 1,
    "torchrun_two_processes": 1,
    "tracking_api": 1,
    "transformers_trainer": 1,
    "xgboost_rounds": 1,
}
ENDS = {"optuna_study": {"FINISHED", "KILLED"}}  # pruned trials


def test_every_example_is_known_here():
    assert examples.NAMES == sorted(SHOWN) == sorted(RUNS)


@pytest.fixture(params=["the embedded store", "a real MLflow server"])
def uri(request, tmp_path) -> str:
    return (
        str(tmp_path / "store") if request.param == "the embedded store" else request.getfixturevalue("mlflow_server")
    )


@pytest.mark.parametrize("name", examples.NAMES)
def test_an_example_shows_and_records_its_work(name, uri, tmp_path):
    for framework in ("keras", "lightning", "torch", "transformers"):
        if name.startswith(framework):
            pytest.importorskip(framework, reason="it is installed on one Python alone")
    client = Client(uri)

    def shows(folder):
        before = {run.info.run_id for run in every_run(client)}
        shown = examples.run(name, folder / "work", uri)
        return shown, [run for run in every_run(client) if run.info.run_id not in before], folder / "work"

    shown, runs, work = unless_aborted(shows, tmp_path)
    for words in SHOWN[name]:
        assert words in shown
    assert len(runs) == RUNS[name]
    assert {run.info.status for run in runs} == ENDS.get(name, {"FINISHED"})
    assert all(run.info.end_time >= run.info.start_time > 0 for run in runs)
    journal = work / ".fitscribe" / "journal"
    assert [each.name for each in journal.iterdir()] == [".gitignore"], "all is delivered, nothing is left"


def every_run(client):
    ids = [each.experiment_id for each in client.search_experiments()]
    return client.search_runs(ids, max_results=1000)


def test_without_a_setting_all_is_in_the_working_directory(tmp_path):
    examples.run("linear_regression", tmp_path)
    [run] = every_run(Client(tmp_path / ".fitscribe"))
    assert run.info.artifact_uri.startswith((tmp_path / ".fitscribe" / "artifacts").as_uri())
    assert (tmp_path / ".fitscribe" / ".gitignore").read_text().strip() == "*"
