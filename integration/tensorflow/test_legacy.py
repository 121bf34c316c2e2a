"""Keras 2 as `tf_keras`, which TensorFlow uses under TF_USE_LEGACY_KERAS=1."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy
import pytest
import tf_keras

import fitscribe
from fitscribe import discovery


@pytest.fixture
def data():
    rng = numpy.random.default_rng(0)
    x = rng.normal(size=(64, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int32")


@pytest.fixture
def model():
    return made()


def made(optimizer="adam"):
    model = tf_keras.Sequential([tf_keras.layers.Input((4,)), tf_keras.layers.Dense(2, "softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def watched(autolog):
    """As `autolog`; at the end `tf_keras` too is what it was."""
    owners = (tf_keras.Model, tf_keras.callbacks.CallbackList, tf_keras.callbacks.TensorBoard)
    discovery.disable()
    before = [dict(vars(owner)) for owner in owners]
    autolog(log_models=False)
    yield autolog
    discovery.disable()
    assert [dict(vars(owner)) for owner in owners] == before


def test_a_fit_is_recorded(recorder, watched, model, data):
    mine = [tf_keras.callbacks.EarlyStopping(monitor="loss", patience=3)]
    model.fit(*data, epochs=2, batch_size=32, verbose=0, validation_split=0.25, callbacks=mine)
    run = recorder.run()
    params = recorder.params(run)
    assert (params["opt_beta_1"], params["opt_name"], params["epochs"], params["patience"]) == ("0.9", "Adam", "2", "3")
    assert float(params["opt_learning_rate"]) == pytest.approx(0.001)
    for key in ("loss", "val_accuracy", "learning_rate"):
        assert [step for step, _ in recorder.history(run, key)] == [0, 1]
    assert {"model_summary.txt", "model_config.json"} <= set(recorder.artifacts(run))
    assert recorder.status(run) == "FINISHED"
    assert len(mine) == 1


def test_steps_on_request_have_no_epoch_to_wait_for(recorder, watched, model, data):
    watched(log_every_n_steps=1)
    model.fit(*data, batch_size=16, epochs=2, verbose=0)
    assert [step for step, _ in recorder.history(recorder.run(), "loss_step")] == list(range(1, 9))


def test_evaluate_and_train_on_batch_are_recorded(recorder, watched, model, data):
    model.fit(*data, verbose=0)
    model.evaluate(*data, verbose=0)
    assert len(recorder.history(recorder.run(), "validation_accuracy")) == 1
    other = made()
    other.train_on_batch(*data)
    assert set(recorder.metrics(recorder.runs()[1])) == {"loss", "accuracy"}


def test_a_list_that_the_user_made_is_heard_and_left_as_it_was(recorder, watched, model, data):
    mine = tf_keras.callbacks.CallbackList([], add_history=True, model=model, epochs=1)
    model.fit(*data, verbose=0, callbacks=mine)
    assert [type(each).__name__ for each in mine.callbacks] == ["History"]
    assert len(recorder.history(recorder.run(), "loss")) == 1


def test_a_schedule_is_told_with_its_settings(recorder, watched, data):
    rate = tf_keras.optimizers.schedules.ExponentialDecay(0.5, 2, 0.5)
    made(tf_keras.optimizers.SGD(rate)).fit(*data, batch_size=32, epochs=2, verbose=0)
    run = recorder.run()
    assert recorder.params(run)["opt_learning_rate"] == "ExponentialDecay"
    assert recorder.params(run)["opt_learning_rate_decay_rate"] == "0.5"
    assert [value for _, value in recorder.history(run, "learning_rate")] == [0.25, 0.125]


def test_a_failed_fit_is_told_and_the_error_is_the_users(recorder, watched, model):
    with pytest.raises(IndexError):
        model.fit("nothing", "at all", verbose=0)
    assert recorder.status(recorder.run()) == "FAILED"


def test_the_model_is_kept_and_loads(recorder, watched, model, data, tmp_path):
    watched(log_models=True)
    model.fit(*data, verbose=0)
    run = recorder.run()
    assert "fitscribe.model" not in recorder.tags(run)
    files = {path: content for path, content in recorder.artifacts(run).items() if path.startswith("model/")}
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    loaded = fitscribe.tensorflow.load_model(tmp_path / "model", trust=True)
    rows = data[0][:3]
    found = loaded(rows) if callable(loaded) else loaded.signatures["serving_default"](rows)
    assert numpy.allclose(numpy.asarray(found), numpy.asarray(model(rows)), atol=1e-6)


SCRIPT = """
import json, sys
import fitscribe
from fitscribe import delivery
from fitscribe.testing.recorder import Recorder
delivery.connect = lambda: None
with Recorder() as recorder:
    {head}
    import numpy
    x = numpy.zeros((8, 2), "float32")
    model = tf.keras.Sequential([tf.keras.layers.Input((2,)), tf.keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x, x[:, 0], verbose=0)
    [run] = recorder.runs()
    told = [type(model).__module__, sorted(recorder.params(run)), recorder.metrics(run)]
print(json.dumps(told))
"""
HEADS = {
    "plain, before": "fitscribe.autolog(log_models=False); import tensorflow as tf",
    "by name, after": "import tensorflow as tf; fitscribe.tensorflow.autolog(log_models=False)",
}


@pytest.mark.parametrize("head", HEADS)
def test_under_tensorflows_switch_tf_keras_is_watched_whenever_it_comes(head, tmp_path):
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", SCRIPT.format(head=HEADS[head])]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    module, params, metrics = json.loads(done.stdout.splitlines()[-1])
    assert module.startswith("tf_keras")
    assert {"opt_learning_rate", "opt_momentum", "epochs"} <= set(params)
    assert "loss" in metrics
