"""The same trainings under MLflow's autologging of XGBoost and LightGBM and under ours; each difference is listed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

import fitscribe
from fitscribe.client import Client

SCRIPT = """
import importlib, sys, warnings
warnings.simplefilter("ignore")
tracker = importlib.import_module(sys.argv[1])
import lightgbm, numpy, pandas, xgboost

if sys.argv[1] == "mlflow":
    tracker.xgboost.autolog(importance_types=["weight", "gain"])
    tracker.lightgbm.autolog()
else:
    tracker.autolog()
    tracker.xgboost.autolog(importance_types=["weight", "gain"])

random = numpy.random.default_rng(0)
X = pandas.DataFrame(random.random((200, 3)), columns=["a", "b", "c"])
y = ((X["a"] + random.random(200)) > 1).astype(int)

def xgboost_train():
    data, valid = xgboost.DMatrix(X[:150], y[:150]), xgboost.DMatrix(X[150:], y[150:])
    params = {"objective": "binary:logistic", "eval_metric": ["logloss", "error@0.7"], "eta": 0.8, "nthread": 1}
    evals = [(data, "train"), (valid, "test")]
    xgboost.train(params, data, 50, evals=evals, early_stopping_rounds=3, verbose_eval=False)

def lightgbm_train():
    data, valid = lightgbm.Dataset(X[:150], y[:150]), lightgbm.Dataset(X[150:], y[150:])
    params = {"objective": "binary", "learning_rate": 0.8, "num_threads": 1, "verbose": -1}
    stop = lightgbm.early_stopping(3, verbose=False)
    lightgbm.train(params, data, 50, valid_sets=[data, valid], valid_names=["train", "test"], callbacks=[stop])

def xgboost_estimator():
    model = xgboost.XGBClassifier(n_estimators=50, learning_rate=0.8, early_stopping_rounds=3, n_jobs=1)
    model.fit(X[:150], y[:150], eval_set=[(X[150:], y[150:])], verbose=False)

def lightgbm_estimator():
    lightgbm.LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1).fit(X[:150], y[:150])

for case in (xgboost_train, lightgbm_train, xgboost_estimator, lightgbm_estimator):
    tracker.set_experiment(f"{case.__name__} under {sys.argv[1]}")
    with tracker.start_run():
        case()
if sys.argv[1] == "fitscribe":
    tracker.flush()
"""
CASES = ["xgboost_train", "lightgbm_train", "xgboost_estimator", "lightgbm_estimator"]

PICKLE = "an estimator is recorded by scikit-learn's integration: as a pickle, with all its params"
SKLEARN = "an estimator is asked how good it is on what it was trained on, and drawn, as any other estimator"
ONLY_OURS = {
    "params": {
        r"callbacks|enable_categorical|feature_types|feature_weights|importance_type|missing|n_estimators": PICKLE,
        r"class_weight|n_jobs": PICKLE,
    },
    "metrics": {
        r"fit_time": "how long the fit took",
        r"\w+_": "plain numbers that the fit left on the estimator, under their own names",
        r"training_\w+": SKLEARN,
    },
    "tags": {
        r"fitscribe\.(run_key|overhead_ms)": "finds the run again after a lost answer; what recording cost",
        r"mlflow\.source\.git\.(commit|branch|repoURL|dirty)": "MLflow needs GitPython for these",
        r"estimator_(name|class)": "MLflow sets them on runs of its own alone",
    },
    "artifacts": {
        r"feature_importances\.csv": "what the model weighs, with the features' names, as for other estimators",
        r"estimator\.html|training_\w+\.png": SKLEARN,
        r"model/model\.pkl": PICKLE,
    },
}
ONLY_THEIRS = {"params": {}, "metrics": {}, "tags": {}, "artifacts": {r"model/model\.(ubj|skops)": PICKLE}}
OTHER_VALUE = {
    r"tags mlflow\.(runName|source\.name)": "MLflow's names are invented",
    r"params objective": "what the user gave the estimator; MLflow has what the estimator made of it",
}


@pytest.fixture(scope="module")
def recorded(mlflow_server, tmp_path_factory):
    """Run the script once under each tracker; return the client, and by tracker and case the run."""
    client, found = Client(mlflow_server), {}
    for tracker in ("mlflow", "fitscribe"):
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("FITSCRIBE_", "MLFLOW_"))}
        told = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_TRACKING_URI": mlflow_server}
        told["MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT"] = "1"  # or MLflow takes ten seconds for each model
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SCRIPT, tracker],
            cwd=tmp_path_factory.mktemp(tracker), env={**kept, **told},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        for case in CASES:
            experiment = client.get_experiment_by_name(f"{case} under {tracker}")
            [found[tracker, case]] = client.search_runs([experiment.experiment_id])
    return client, found


def record_of(client, run) -> dict[str, dict[str, object]]:
    return {
        "params": run.data.params,
        "metrics": {key: history(client, run, key) for key in run.data.metrics},
        "tags": run.data.tags,
        "artifacts": dict.fromkeys(files_of(client, run.info.run_id), ""),
    }


def history(client, run, key) -> list[tuple[int, float]]:
    return sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, key))


def files_of(client, run_id, path=None):
    for each in client.list_artifacts(run_id, path):
        if each.is_dir:
            yield from files_of(client, run_id, each.path)
        else:
            yield each.path


def explained(patterns, words) -> bool:
    return any(re.fullmatch(pattern, words) for pattern in patterns)


@pytest.mark.parametrize("case", CASES)
def test_the_record_has_mlflows_keys_and_values(recorded, case):
    client, found = recorded
    a, b = record_of(client, found["mlflow", case]), record_of(client, found["fitscribe", case])
    unexplained = []
    for kind in a:
        unexplained += [f"{kind} {key} is MLflow's alone" for key in a[kind].keys() - b[kind].keys()
                        if not explained(ONLY_THEIRS[kind], key)]  # fmt: skip
        unexplained += [f"{kind} {key} is ours alone" for key in b[kind].keys() - a[kind].keys()
                        if not explained(ONLY_OURS[kind], key)]  # fmt: skip
        for key in a[kind].keys() & b[kind].keys():
            one, other = a[kind][key], b[kind][key]
            if not same(one, other) and not explained(OTHER_VALUE, f"{kind} {key}"):
                unexplained.append(f"{kind} {key} is {one!r} there and {other!r} here")
    assert not unexplained, "\n".join(sorted(unexplained))


def same(one, other) -> bool:
    if not isinstance(one, list):
        return one == other
    return [step for step, _ in one] == [step for step, _ in other] and [value for _, value in one] == pytest.approx(
        [value for _, value in other], rel=1e-9
    )


@pytest.mark.parametrize("case", CASES)
def test_datasets_are_told_as_mlflow_tells_them(recorded, case):
    _, found = recorded
    a, b = (sorted(map(used, found[tracker, case].inputs.dataset_inputs)) for tracker in ("mlflow", "fitscribe"))
    assert a == b


def used(entry) -> tuple[str, str]:
    [context] = [tag.value for tag in entry.tags if tag.key == "mlflow.data.context"]
    return context, entry.dataset.name


@pytest.mark.parametrize("case", ["xgboost_train", "lightgbm_train"])
def test_a_booster_has_the_signature_that_mlflow_gives_it(recorded, case, mlflow_server):
    client, found = recorded
    fitscribe.set_tracking_uri(mlflow_server)
    a, b = (signature(client, found[tracker, case]) for tracker in ("mlflow", "fitscribe"))
    assert a == b


def signature(client, run):
    [model] = client.search_logged_models([run.info.experiment_id])
    found = fitscribe.models.get_model_info(f"models:/{model.model_id}").signature.to_dict()
    return {name: json.loads(found[name]) for name in ("inputs", "outputs")}
