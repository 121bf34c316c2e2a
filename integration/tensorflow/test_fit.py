"""Keras's fits under MLflow's TensorFlow names, and the two integrations beside each other."""

from __future__ import annotations

import keras
import numpy
import pytest
import tensorflow as tf

import fitscribe
from fitscribe import discovery
from fitscribe.current import entered
from fitscribe.run import Run

from .conftest import names


@pytest.fixture
def data():
    rng = numpy.random.default_rng(0)
    x = rng.normal(size=(64, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int32")


@pytest.fixture
def model():
    return made()


def made(optimizer="adam"):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_a_fit_has_mlflows_tensorflow_names(recorder, autolog, model, data):
    model.fit(*data, epochs=2, verbose=0, validation_split=0.25)
    run = recorder.run()
    params = recorder.params(run)
    assert (params["opt_beta_1"], params["epochs"]) == ("0.9", "2")
    assert params["opt_name"].startswith("adam")  # Keras numbers them
    assert float(params["opt_learning_rate"]) == pytest.approx(0.001)
    assert not [key for key in params if key.startswith("optimizer")]
    assert [step for step, _ in recorder.history(run, "val_accuracy")] == [0, 1]
    assert recorder.tags(run)["mlflow.autologging"] == "tensorflow"
    assert "model_summary.txt" in recorder.artifacts(run)
    assert recorder.status(run) == "FINISHED"


def test_steps_and_evaluate_are_recorded_as_well(recorder, autolog, model, data):
    autolog(log_every_n_steps=1)
    model.fit(*data, batch_size=32, verbose=0)
    model.evaluate(*data, verbose=0)
    run = recorder.run()
    assert [step for step, _ in recorder.history(run, "loss_step")] == [1, 2]
    assert len(recorder.history(run, "validation_loss")) == 1


def test_train_on_batch_has_the_same_names(recorder, autolog, model, data):
    model.train_on_batch(*data)
    run = recorder.run()
    assert recorder.params(run)["opt_beta_1"] == "0.9"
    assert len(recorder.history(run, "loss")) == 1


def test_the_users_callback_list_is_as_it_was(recorder, autolog, model, data):
    mine = [keras.callbacks.EarlyStopping(monitor="loss", patience=1)]
    model.fit(data[0], data[1], 32, 2, 0, mine)  # by position
    model.fit(*data, epochs=1, verbose=0, callbacks=keras.callbacks.CallbackList(mine, model=model, epochs=1))
    assert len(mine) == 1
    assert [len(recorder.history(run, "loss")) for run in recorder.runs()] == [2, 1]
    assert recorder.params(recorder.runs()[0])["patience"] == "1"


@pytest.mark.parametrize("order", [("keras", "tensorflow"), ("tensorflow", "keras")])
@pytest.mark.parametrize("off", [("keras", "tensorflow"), ("tensorflow", "keras")])
def test_both_record_a_fit_once_under_keras_names_in_any_order(recorder, model, data, order, off):
    before = names()
    for name in order:
        getattr(fitscribe, name).autolog(log_models=False, log_every_n_steps=1)
    model.fit(*data, verbose=0)
    model.evaluate(*data, verbose=0)
    model.train_on_batch(*data)
    fit, loop = recorder.runs()
    assert recorder.params(fit)["optimizer_beta_1"] == recorder.params(loop)["optimizer_beta_1"] == "0.9"
    assert recorder.params(fit)["opt_name"].startswith("adam")
    assert "opt_beta_1" not in recorder.params(fit)
    assert len(recorder.history(fit, "loss")) == len(recorder.history(fit, "validation_loss")) == 1
    assert len(recorder.history(fit, "loss_step")) == 2
    for name in off:
        discovery.disable(name)
    assert names() == before


def test_when_keras_goes_off_tensorflow_takes_over(recorder, data):
    fitscribe.keras.autolog(log_models=False)
    fitscribe.tensorflow.autolog(log_models=False)
    fitscribe.keras.autolog(disable=True)
    made().fit(*data, verbose=0)
    assert recorder.params(recorder.run())["opt_beta_1"] == "0.9"
    fitscribe.tensorflow.autolog(disable=True)


def test_a_fit_that_keras_leaves_out_is_not_recorded_here(recorder, model, data):
    fitscribe.tensorflow.autolog(log_models=False)
    fitscribe.keras.autolog(log_models=False, exclusive=True)
    with entered(Run.start("mine", by_user=True)):
        model.fit(*data, verbose=0)
    assert recorder.params(recorder.run()) == {}
    discovery.disable()


def test_a_fit_that_fails_is_told_and_passes_the_users_error(recorder, autolog, model, data):
    class Broken(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise mine

    mine = RuntimeError("mine")
    with pytest.raises(RuntimeError) as raised:
        model.fit(*data, verbose=0, callbacks=[Broken()])
    assert raised.value is mine
    assert recorder.status(recorder.run()) == "FAILED"


def test_load_model_still_compiles_while_watched(recorder, autolog, model, data, tmp_path):
    model.fit(*data, verbose=0)
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").optimizer is not None


def test_a_custom_callbacks_summaries_go_to_the_fits_run(recorder, autolog, model, data, tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path))

    class Norms(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            with writer.as_default():
                tf.summary.scalar("norm", 2.0, step=epoch)

    model.fit(*data, epochs=2, verbose=0, callbacks=[Norms()])
    assert recorder.history(recorder.run(), "norm") == [(0, 2.0), (1, 2.0)]
    writer.close()


def test_what_the_tensorboard_callback_writes_is_not_recorded_twice(recorder, autolog, model, data, tmp_path):
    """W-48: MLflow uploads its whole folder again after every fit."""

    class Mine(keras.callbacks.TensorBoard):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            with self._train_writer.as_default():
                tf.summary.scalar("mine", 1.0, step=epoch)

    board = Mine(str(tmp_path), histogram_freq=1, update_freq=1, profile_batch=0)
    model.fit(*data, epochs=2, verbose=0, validation_split=0.25, callbacks=[board])
    run = recorder.run()
    assert recorder.history(run, "train/mine") == [(0, 1.0), (1, 1.0)]
    assert not [key for key in recorder.metrics(run) if "epoch_" in key and key != "epoch_time"]
    assert not [path for path in recorder.artifacts(run) if path.startswith("histograms")]
    assert list(tmp_path.glob("train/*")), "its files are the user's, as ever"


def test_options_that_cannot_be_are_clear_errors(recorder):
    with pytest.raises(fitscribe.MisuseError, match="checkpoint_save_freq=0 is neither 'epoch' nor a number"):
        fitscribe.tensorflow.autolog(checkpoint_save_freq=0)
    with pytest.raises(fitscribe.MisuseError, match="keras_model_kwargs='h5' is neither a dict"):
        fitscribe.tensorflow.autolog(keras_model_kwargs="h5")
    with pytest.raises(fitscribe.MisuseError, match="tensorflow has no option 'log_batches'"):
        fitscribe.tensorflow.autolog(log_batches=True)


def test_checkpoints_on_request_lie_where_mlflow_has_them(recorder, autolog, model, data):
    autolog(checkpoint=True)
    model.fit(*data, epochs=2, verbose=0, validation_split=0.25)
    run = recorder.run()
    assert {"checkpoints/latest_checkpoint.keras", "checkpoints/latest_checkpoint_metrics.json"} <= set(
        recorder.artifacts(run)
    )
    assert recorder.tags(run)["mlflow.latest_checkpoint_artifact"] == "checkpoints/latest_checkpoint.keras"


def test_the_model_is_of_mlflows_tensorflow_flavor(recorder, autolog, model, data):
    autolog(log_models=True, log_input_examples=True)
    model.fit(*data, verbose=0)
    files = recorder.artifacts(recorder.run())
    assert {"model/data/model.keras", "model/data/save_format.txt", "model/MLmodel"} <= set(files)
    assert b"loader_module: mlflow.tensorflow" in files["model/MLmodel"]
    assert b"signature" in files["model/MLmodel"]
