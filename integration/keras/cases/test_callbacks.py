"""Keras's own callbacks: what they were told and what they decided; and checkpoints on request."""

from __future__ import annotations

import json

import keras
import numpy
import pytest

from fitscribe.integrations.keras import rates, stopping

callbacks = keras.callbacks


class Falling(callbacks.Callback):
    """Makes a `val_loss` of its own in the logs: falling for two epochs, rising afterwards."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = [3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0][epoch]


def test_early_stopping_tells_when_and_what_was_restored(recorder, autolog, model, data):
    """W-52: MLflow's Keras flavor tells nothing of it."""
    stop = callbacks.EarlyStopping(patience=2, min_delta=0.1, restore_best_weights=True)
    model.fit(*data, epochs=8, verbose=0, callbacks=[Falling(), stop])
    run = recorder.run()
    told = recorder.params(run)
    expected = {"monitor": "val_loss", "patience": "2", "min_delta": "0.1", "restore_best_weights": "True"}
    assert {key: told[key] for key in expected} == expected
    found = recorder.metrics(run)
    assert (found["stopped_epoch"], found["restored_epoch"], found["best_epoch"]) == (4, 2, 2)
    assert found["best_val_loss"] == 1.0
    losses = recorder.history(run, "loss")
    assert losses[-1] == (5, losses[2][1])  # what the model is now


def test_a_training_that_was_not_stopped_has_no_stopped_epoch(recorder, autolog, model, data):
    model.fit(*data, epochs=2, verbose=0, callbacks=[callbacks.EarlyStopping("loss", patience=5)])
    found = recorder.metrics(recorder.run())
    assert "stopped_epoch" not in found
    assert "restored_epoch" not in found


def test_two_of_a_kind_are_both_told(recorder, autolog, model, data):
    both = [callbacks.EarlyStopping("loss", patience=5), callbacks.EarlyStopping("accuracy", mode="max", patience=6)]
    model.fit(*data, verbose=0, callbacks=both)
    told = recorder.params(recorder.run())
    assert (told["monitor"], told["monitor_2"], told["patience_2"]) == ("loss", "accuracy", "6")


def test_a_learning_rate_that_falls_is_followed(recorder, autolog, model, data):
    plateau = callbacks.ReduceLROnPlateau(factor=0.5, patience=1, min_delta=0)
    model.fit(*data, epochs=5, verbose=0, callbacks=[Falling(), plateau])
    run = recorder.run()
    rates = [rate for _, rate in recorder.history(run, "learning_rate")]
    assert rates == pytest.approx([0.001, 0.001, 0.001, 0.001, 0.0005])
    assert recorder.params(run)["reduce_lr_factor"] == "0.5"


@pytest.mark.parametrize("how", ["callback", "lambda"])
def test_a_rate_that_the_users_code_sets_is_read_at_each_epoch(recorder, autolog, model, data, how):
    def halve(epoch, logs=None):
        model.optimizer.learning_rate = 0.1 * 0.5**epoch

    class Halving(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            halve(epoch)

    given = {"callback": Halving(), "lambda": callbacks.LambdaCallback(on_epoch_begin=halve)}
    model.fit(*data, epochs=3, verbose=0, callbacks=[given[how]])
    rates = [rate for _, rate in recorder.history(recorder.run(), "learning_rate")]
    assert rates == pytest.approx([0.1, 0.05, 0.025])


def test_a_step_of_the_users_may_set_the_rate(recorder, autolog, data):
    class Stepping(keras.Model):
        def train_step(self, *args, **kwargs):
            return super().train_step(*args, **kwargs)

    class Plain(keras.Model):
        pass

    inputs = keras.Input((4,))
    made = [kind(inputs, keras.layers.Dense(1)(inputs)) for kind in (Stepping, Plain)]
    for model in made:
        model.compile("sgd", "mse")
    assert [rates.is_plain(model) for model in made] == [False, True]


def test_a_scheduler_of_the_users_is_named(recorder, autolog, model, data):
    def halved(epoch, rate):
        return rate / 2

    model.fit(*data, epochs=2, verbose=0, callbacks=[callbacks.LearningRateScheduler(halved)])
    run = recorder.run()
    assert recorder.params(run)["lr_scheduler_schedule"].endswith("halved")
    assert [rate for _, rate in recorder.history(run, "learning_rate")] == pytest.approx([0.0005, 0.00025])


def test_the_users_own_checkpoints_are_told_and_not_copied(recorder, autolog, model, data, tmp_path):
    keep = callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="loss", save_best_only=True)
    model.fit(*data, epochs=2, verbose=0, callbacks=[keep])
    run = recorder.run()
    assert recorder.params(run)["checkpoint_monitor"] == "loss"
    assert recorder.metrics(run)["checkpoint_best_loss"] == min(value for _, value in recorder.history(run, "loss"))
    told = json.loads(recorder.artifacts(run)["checkpoints/checkpoints.json"])
    assert [each["path"] for each in told] == [str(tmp_path / "best.keras")]
    assert told[0]["bytes"] == (tmp_path / "best.keras").stat().st_size
    assert not [path for path in recorder.artifacts(run) if path.endswith(".keras")]


def test_what_is_interrupted_goes_on_from_its_backup(recorder, autolog, model, data, tmp_path):
    def interrupt(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    kept = callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data, epochs=4, verbose=0, callbacks=[callbacks.LambdaCallback(on_epoch_end=interrupt), kept])
    model.fit(*data, epochs=4, verbose=0, callbacks=[kept])
    second = recorder.runs()[1]
    assert recorder.params(second)["backup_backup_dir"] == str(tmp_path)
    assert [step for step, _ in recorder.history(second, "loss")] == [1, 2, 3]


@pytest.mark.parametrize("weights", [False, True])
def test_the_best_checkpoint_is_kept_on_request(recorder, autolog, model, data, tmp_path, weights):
    autolog(checkpoint=True, checkpoint_save_weights_only=weights)
    model.fit(*data, epochs=5, verbose=0, callbacks=[Falling()])
    run = recorder.run()
    name = f"checkpoints/latest_checkpoint{'.weights.h5' if weights else '.keras'}"
    kept = recorder.artifacts(run)
    assert json.loads(kept["checkpoints/latest_checkpoint_metrics.json"])["epoch"] == 2
    tags = recorder.tags(run)
    assert tags["mlflow.latest_checkpoint_artifact"] == tags["fitscribe.best_checkpoint"] == name
    file = tmp_path / name.rpartition("/")[2]
    file.write_bytes(kept[name])
    if not weights:
        assert keras.saving.load_model(file).count_params() == model.count_params()


def test_every_checkpoint_is_kept_on_request(recorder, autolog, model, data):
    autolog(checkpoint=True, checkpoint_save_best_only=False, checkpoint_monitor="loss")
    model.fit(*data, epochs=2, verbose=0)
    kept = recorder.artifacts(recorder.run())
    assert {"checkpoints/epoch_0/checkpoint.keras", "checkpoints/epoch_1/checkpoint.keras"} <= set(kept)


def test_checkpoints_by_batches_hold_the_weights_of_their_step(recorder, autolog, make, data, tmp_path):
    autolog(checkpoint=True, checkpoint_save_best_only=False, checkpoint_save_freq=2)
    x, y = data
    make().fit(x, y, batch_size=32, epochs=2, shuffle=False, verbose=0)
    run = recorder.run()
    kept = {name: content for name, content in recorder.artifacts(run).items() if name.endswith(".keras")}
    assert set(kept) == {f"checkpoints/global_step_{step}/checkpoint.keras" for step in (2, 4, 6)}
    assert recorder.tags(run)["mlflow.latest_checkpoint_artifact"] == "checkpoints/global_step_6/checkpoint.keras"
    told = json.loads(recorder.artifacts(run)["checkpoints/global_step_4/checkpoint_metrics.json"])
    assert (told["epoch"], told["global_step"]) == (1, 4)
    file = tmp_path / "checkpoint.keras"
    file.write_bytes(kept["checkpoints/global_step_2/checkpoint.keras"])
    autolog(disable=True)
    twin = make()
    twin.fit(x[:64], y[:64], batch_size=32, shuffle=False, verbose=0)
    for one, other in zip(keras.saving.load_model(file).get_weights(), twin.get_weights(), strict=True):
        numpy.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_monitor_that_is_not_there_is_told_once(recorder, autolog, model, data, caplog):
    """W-38: MLflow says so at every epoch."""
    autolog(checkpoint=True)
    model.fit(*data, epochs=3, verbose=0)
    said = [record for record in caplog.records if "no checkpoint" in record.getMessage()]
    assert len(said) == 1
    assert "'val_loss' is not among" in said[0].getMessage()


def test_every_callback_that_is_told_of_is_keras_own():
    for name, (_, settings) in stopping.SETTINGS.items():
        kind = getattr(callbacks, name)
        made = kind(
            **{"filepath": "a.keras"}
            if name == "ModelCheckpoint"
            else {"backup_dir": "a"}
            if name == "BackupAndRestore"
            else {"schedule": abs}
            if name == "LearningRateScheduler"
            else {}
        )
        assert [each for each in settings if not hasattr(made, each)] == []
