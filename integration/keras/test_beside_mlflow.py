"""One training under real `mlflow.keras.autolog()` and `mlflow.tensorflow.autolog()`, and under ours, key by key.

Each difference is listed with its reason. MLflow's TensorFlow flavor adds a TensorBoard callback, and without the
package `tensorboard`, which TensorFlow 2.21 lacks, `fit` fails for that; the script has a silent one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from fitscribe.client import Client

SCRIPT = """
import sys
import keras, numpy

tracker, flavor = sys.argv[1:]
if tracker == "mlflow":
    import mlflow as tracking
else:
    import fitscribe as tracking
getattr(tracking, flavor).autolog(log_models=False)

class Silent(keras.callbacks.TensorBoard):
    def __init__(self):
        keras.callbacks.Callback.__init__(self)
        self.log_dir = "logs"

    def nothing(self, *args, **kwargs):
        pass

    set_model = on_train_begin = on_train_end = on_test_begin = on_test_end = nothing
    on_train_batch_begin = on_train_batch_end = on_epoch_begin = on_epoch_end = nothing
    on_test_batch_begin = on_test_batch_end = nothing

import os
os.makedirs("logs", exist_ok=True)
keras.utils.set_random_seed(0)
rng = numpy.random.default_rng(0)
x = rng.normal(size=(96, 4)).astype("float32")
y = (x[:, 0] > 0).astype("int32")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2, "softmax")])
model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
stop = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=10.0, restore_best_weights=True)
callbacks = [stop] + ([Silent()] if tracker == "mlflow" and flavor == "tensorflow" else [])
model.fit(x[:64], y[:64], batch_size=16, epochs=6, validation_data=(x[64:], y[64:]), verbose=0, callbacks=callbacks)
if tracker == "fitscribe":
    assert tracking.flush(120)
"""

EARLY = "what early stopping was told and did: MLflow's TensorFlow flavor tells it, its Keras flavor does not"
SURROUNDINGS = "where and how the model was compiled and trained: MLflow does not tell"
ONLY_OURS = {
    "params": {
        r"keras_version|keras_backend|tensorflow_version|run_eagerly|jit_compile|steps_per_execution": SURROUNDINGS,
        r"distribution|devices": SURROUNDINGS,
        r"loss_function|compiled_metrics": "what the model was compiled with",
        r"model_class|layers|(total|trainable|non_trainable)_params|dtype_policy": "what the model is made of",
        r"monitor|min_delta|patience|baseline|restore_best_weights|start_from_epoch": EARLY,
        r"opt_(name|learning_rate)": "the names that dashboards of MLflow's TensorFlow flavor look for",
        r"optimizer_\w+": "the names of MLflow's Keras flavor, which Keras models get",
    },
    "metrics": {
        r"fit_time|epoch_time|steps_per_second": "how long it took",
        r"learning_rate": "by epoch: MLflow has it only where a callback of Keras's puts it there",
        r"stopped_epoch|restored_epoch|best_epoch|best_loss": EARLY,
    },
    "tags": {
        r"fitscribe\.(run_key|overhead_ms)": "finds the run again after a lost answer; what recording cost",
        r"mlflow\.source\.git\.(commit|branch|repoURL|dirty)": "MLflow needs GitPython for these",
    },
    "artifacts": {r"model_config\.json|model\.png": "the architecture, as Keras serializes and draws it"},
}
ONLY_THEIRS = {
    "params": {
        r"opt_\w+": "Keras models get these as optimizer_..., and of opt_... those that dashboards use",
    },
    "metrics": {
        r"validation_\w+": "val_... once more, all at step 0: ours has them only from `evaluate`, at the epoch",
    },
    "tags": {
        r"mlflow\.latest_checkpoint_artifact": "made on request; MLflow makes them always",
    },
    "artifacts": {
        r"checkpoints/.*": "likewise",
        r"tensorboard_logs.*": "the user's own TensorBoard files stay where they are",
    },
}
OTHER_VALUE = {
    r"(params|tags) mlflow\.(runName|source\.name)": "MLflow's names are invented; the script lies in another folder",
    r"tags mlflow\.autologging": "each tells its flavor",
    r"metrics (loss|accuracy|val_loss|val_accuracy)": "after a restore ours has one more point: what the model is now",
    r"metrics stopped_epoch|metrics restored_epoch": "MLflow counts them likewise",
    r"artifacts .*": "only the names are compared",
}
FLAVORS = [("keras", "keras"), ("tensorflow", "keras"), ("tensorflow", "tensorflow")]


@pytest.fixture(scope="module")
def recorded(mlflow_server, tmp_path_factory):
    """Run the script once for each tracker and flavor that is asked for; return its client and its run."""
    done = {}

    def run(tracker, flavor):
        if (tracker, flavor) not in done:
            done[tracker, flavor] = trained(tracker, flavor, mlflow_server, tmp_path_factory.mktemp(tracker))
        return done[tracker, flavor]

    return run


def trained(tracker, flavor, uri, folder):
    experiment = f"{flavor} under {tracker}"
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("FITSCRIBE_", "MLFLOW_"))}
    told = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_TRACKING_URI": uri, "MLFLOW_EXPERIMENT_NAME": experiment}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, tracker, flavor],
        cwd=folder, env={**kept, **told}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    client = Client(uri)
    [run] = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return client, run


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


@pytest.mark.parametrize(("theirs", "ours"), FLAVORS)
def test_the_record_has_mlflows_keys_and_values(recorded, theirs, ours):
    a, b = record_of(*recorded("mlflow", theirs)), record_of(*recorded("fitscribe", ours))
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
    if [step for step, _ in one] != [step for step, _ in other]:
        return False
    return [value for _, value in one] == pytest.approx([value for _, value in other], rel=1e-4)


@pytest.mark.parametrize(("theirs", "ours"), FLAVORS)
def test_every_point_of_mlflows_is_there_at_its_step(recorded, theirs, ours):
    a, b = record_of(*recorded("mlflow", theirs))["metrics"], record_of(*recorded("fitscribe", ours))["metrics"]
    for key in ("loss", "accuracy", "val_loss", "val_accuracy"):
        found = dict(b[key])
        for step, value in a[key]:
            assert found[step] == pytest.approx(value, rel=1e-4), (key, step)
    if theirs == "tensorflow":
        assert a["stopped_epoch"] == b["stopped_epoch"]
        assert a["restored_epoch"] == b["restored_epoch"]


def test_under_tensorflows_names_no_param_of_mlflows_is_missing(recorded):
    theirs, ours = (record_of(*recorded(tracker, "tensorflow"))["params"] for tracker in ("mlflow", "fitscribe"))
    assert theirs.items() <= ours.items()
    assert not [name for name in ours if name.startswith("optimizer_")]


@pytest.mark.parametrize(("theirs", "ours"), FLAVORS)
def test_datasets_are_told_as_mlflow_tells_them(recorded, theirs, ours):
    (_, a), (_, b) = recorded("mlflow", theirs), recorded("fitscribe", ours)
    first, second = (sorted(run.inputs.dataset_inputs, key=context) for run in (a, b))
    assert [context(each) for each in first] == [context(each) for each in second] == ["eval", "train"]
    for one, other in zip(first, second, strict=True):
        assert one.dataset.source_type == other.dataset.source_type == "code"
        assert json.loads(one.dataset.schema) == json.loads(other.dataset.schema)
        assert json.loads(one.dataset.profile).items() <= json.loads(other.dataset.profile).items()


def context(used) -> str:
    [found] = [tag.value for tag in used.tags if tag.key == "mlflow.data.context"]
    return found
