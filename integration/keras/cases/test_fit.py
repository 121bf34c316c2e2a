"""What a fit records, at which step; and that nothing of the user's changes for it."""

from __future__ import annotations

import math
import threading
import traceback
from pathlib import Path

import keras
import numpy
import pytest

import fitscribe
from fitscribe.current import entered
from fitscribe.run import Run


def only(recorder):
    return recorder.run()


def steps(recorder, run, key):
    return [step for step, _ in recorder.history(run, key)]


def test_a_fit_is_one_run_with_its_epochs(recorder, autolog, model, data):
    history = model.fit(*data, epochs=3, validation_split=0.25, verbose=0)
    run = only(recorder)
    assert recorder.status(run) == "FINISHED"
    for key, values in history.history.items():
        assert recorder.history(run, key) == list(enumerate(values))
    assert steps(recorder, run, "epoch_time") == [0, 1, 2]
    assert steps(recorder, run, "steps_per_second") == [0, 1, 2]
    assert [round(rate, 6) for _, rate in recorder.history(run, "learning_rate")] == [0.001] * 3


def test_the_arguments_are_told_however_they_are_given(recorder, autolog, model, data, make):
    """W-03, W-13: positional arguments and the batch size that nobody gave are in MLflow's record wrong or None."""
    model.fit(*data, 16, 2, 0, [])
    make().fit(x=data[0], y=data[1], verbose=0)
    first, second = recorder.runs()
    assert recorder.params(first) | {"batch_size": "16", "epochs": "2"} == recorder.params(first)
    assert recorder.params(second) | {"batch_size": "32", "epochs": "1"} == recorder.params(second)


def test_weights_of_samples_are_told_by_their_shape(recorder, autolog, model, data):
    """W-14: not the array as text."""
    model.fit(*data, sample_weight=numpy.ones(96), verbose=0)
    model.fit(*data, class_weight={0: 1.0, 1: 2.0}, verbose=0)
    first, second = recorder.runs()
    assert recorder.params(first)["sample_weight"] == "ndarray of shape (96,)"
    assert recorder.params(second)["class_weight"] == "{0: 1.0, 1: 2.0}"


def test_the_optimizer_is_told_whole(recorder, autolog, data, make):
    model = make(keras.optimizers.Adam(0.01, beta_1=0.8, clipnorm=2.0))
    model.fit(*data, verbose=0)
    told = recorder.params(only(recorder))
    assert told["optimizer_name"] == told["opt_name"] == model.optimizer.name
    expected = {"beta_1": "0.8", "clipnorm": "2.0", "amsgrad": "False"}
    assert {key: told[f"optimizer_{key}"] for key in expected} == expected
    assert float(told["optimizer_learning_rate"]) == pytest.approx(0.01)
    assert set(keras.optimizers.Adam().get_config()) <= {key.removeprefix("optimizer_") for key in told}
    assert told["loss_function"] == "sparse_categorical_crossentropy"
    assert told["keras_backend"] == keras.backend.backend()
    assert told["trainable_params"] == "58"


def test_a_schedule_is_told_and_followed(recorder, autolog, data, make):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    model = make(keras.optimizers.SGD(schedule))
    model.fit(*data, epochs=2, verbose=0)
    model.fit(*data, epochs=1, verbose=0)
    first, second = recorder.runs()
    told = recorder.params(first)
    assert told["optimizer_learning_rate"] == "ExponentialDecay"
    assert told["optimizer_learning_rate_decay_steps"] == "3"
    rates = [rate for run in (first, second) for _, rate in recorder.history(run, "learning_rate")]
    assert rates == pytest.approx([0.05, 0.025, 0.0125])  # three steps an epoch, counted over both fits


def test_later_epochs_go_on_where_the_user_says(recorder, autolog, model, data):
    model.fit(*data, epochs=5, initial_epoch=3, verbose=0)
    assert steps(recorder, only(recorder), "loss") == [3, 4]


def test_a_second_fit_in_a_users_run_is_a_child(recorder, autolog, model, data):
    """W-02: in MLflow's record the second fit is lost, or its metrics stand beside the first one's params."""
    with entered(Run.start("mine", by_user=True)):
        model.fit(*data, epochs=2, verbose=0)
        model.fit(*data, epochs=3, verbose=0)
    parent, child = recorder.runs()
    assert child.parent == parent.run
    assert (recorder.params(parent)["epochs"], recorder.params(child)["epochs"]) == ("2", "3")
    assert steps(recorder, parent, "loss") == [0, 1]
    assert steps(recorder, child, "loss") == [0, 1, 2]


@pytest.mark.parametrize("callbacks", [None, [], "a list", "one", "a CallbackList"])
def test_the_users_callbacks_stay_what_they_are(recorder, autolog, model, data, callbacks):
    """W-04: in MLflow's record callbacks by position raise, None records nothing, and a list is changed for good."""
    mine = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    given = [mine] if callbacks == "a list" else mine if callbacks == "one" else callbacks
    if callbacks == "a CallbackList":
        given = keras.callbacks.CallbackList([mine], add_history=True, model=model, epochs=2, steps=3)
    held = getattr(given, "callbacks", given)
    before = list(held) if isinstance(held, list) else held
    for _ in range(2):
        model.fit(*data, 32, 2, 0, given)
    assert held == before
    assert [steps(recorder, run, "loss") for run in recorder.runs()] == [[0, 1], [0, 1]]


def test_what_fit_returns_and_learns_is_the_same_without_us(recorder, autolog, data, make):
    with_us, without = make(), make()
    keras.utils.set_random_seed(1)
    ours = with_us.fit(*data, epochs=2, verbose=0)
    fitscribe.keras.autolog(disable=True)
    keras.utils.set_random_seed(1)
    plain = without.fit(*data, epochs=2, verbose=0)
    assert ours.history == plain.history
    for one, other in zip(with_us.get_weights(), without.get_weights(), strict=True):
        assert numpy.array_equal(one, other)
    assert sorted(vars(with_us)) == sorted(vars(without))


def test_steps_are_recorded_on_request(recorder, autolog, model, data):
    autolog(log_every_n_steps=2, log_every_epoch=False)
    model.fit(*data, batch_size=16, epochs=2, verbose=0)
    assert sorted(steps(recorder, only(recorder), "loss")) == [2, 4, 6, 8, 10, 12]


def test_steps_and_epochs_have_keys_of_their_own(recorder, autolog, model, data):
    autolog(log_every_n_steps=3)
    model.fit(*data, batch_size=16, epochs=2, verbose=0)
    run = only(recorder)
    assert steps(recorder, run, "loss") == [0, 1]
    assert sorted(steps(recorder, run, "loss_step")) == [3, 6, 9, 12]


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="this backend takes one step at a time only")
def test_steps_that_keras_takes_together_are_told_at_their_end(recorder, autolog, data, make):
    autolog(log_every_n_steps=1, log_every_epoch=False)
    make(steps_per_execution=3).fit(*data, batch_size=16, epochs=2, verbose=0)
    assert sorted(steps(recorder, only(recorder), "loss")) == [3, 6, 9, 12]


def test_our_callback_leaves_training_as_asynchronous_as_it_was(recorder, autolog, model, data):
    seen = []

    class Look(keras.callbacks.Callback):
        async_safe = True

        def on_train_batch_end(self, batch, logs=None):
            seen.append(threading.current_thread() is threading.main_thread())

    autolog(log_every_n_steps=1)
    model.fit(*data, batch_size=16, verbose=0, callbacks=[Look()])
    assert set(seen) == {keras.backend.backend() == "tensorflow"}


def test_a_metric_with_an_odd_name_costs_no_other(recorder, autolog, data, make):
    """W-11: MLflow loses every metric of the step for it."""
    model = make()
    odd = keras.metrics.SparseCategoricalAccuracy(name="top@1")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=[odd], jit_compile=False)
    model.fit(*data, verbose=0)
    run = only(recorder)
    assert steps(recorder, run, "top_1") == [0]
    assert steps(recorder, run, "loss") == [0]


def test_a_loss_that_is_nan_is_told_as_such(recorder, autolog, model, data):
    model.set_weights([weight * numpy.nan for weight in model.get_weights()])
    model.fit(*data, epochs=2, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()])
    run = only(recorder)
    assert recorder.status(run) == "FINISHED"
    assert math.isnan(recorder.history(run, "loss")[-1][1])
    assert recorder.tags(run)["fitscribe.stopped"] == "the loss is NaN"


class Refusal(Exception):
    pass


@pytest.mark.parametrize(("error", "status"), [(Refusal, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_an_error_of_the_users_ends_the_run_and_is_passed_on(recorder, autolog, model, data, error, status):
    raised = error("mine")

    def refuse(epoch, logs):
        if epoch == 2:
            raise raised

    with pytest.raises(error) as caught:
        model.fit(*data, epochs=5, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=refuse)])
    assert caught.value is raised
    run = only(recorder)
    assert recorder.status(run) == status
    assert steps(recorder, run, "loss") == [0, 1]


def test_a_users_error_has_no_line_of_ours_in_its_traceback(recorder, autolog, model, data):
    """W-36: MLflow adds four to six."""
    with pytest.raises(ZeroDivisionError) as caught:
        model.fit(*data, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: 1 / 0)])
    files = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert not [file for file in files if file.startswith(("<fitscribe", str(Path(fitscribe.__file__).parent)))]
    assert files[0] == __file__


@pytest.mark.swallows
@pytest.mark.parametrize("where", ["train_begin", "epoch_begin", "epoch_end", "batch_end"])
def test_an_error_of_ours_never_reaches_fit(recorder, autolog, model, data, monkeypatch, where):
    from fitscribe.integrations.keras import follower

    def broken(*args):
        raise RuntimeError("ours")

    monkeypatch.setattr(follower.Follower, where, broken)
    autolog(log_every_n_steps=1)
    history = model.fit(*data, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    assert recorder.status(only(recorder)) == "FINISHED"


def test_a_subclass_with_its_own_step_is_recorded(recorder, autolog, data):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2, "softmax")

        def call(self, x):
            return self.dense(x)

        def fit(self, *args, **kwargs):
            return super().fit(*args, **kwargs)

    model = Own()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(*data, epochs=2, verbose=0)
    run = only(recorder)
    assert run.name == "Own"
    assert steps(recorder, run, "loss") == [0, 1]


def test_several_inputs_and_outputs(recorder, autolog, data):
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    both = keras.layers.Concatenate()([left, right])
    outputs = {"a": keras.layers.Dense(1, name="a")(both), "b": keras.layers.Dense(1, name="b")(both)}
    model = keras.Model({"left": left, "right": right}, outputs)
    model.compile("sgd", {"a": "mse", "b": "mae"})
    x, y = data
    model.fit({"left": x, "right": x}, {"a": y, "b": y}, verbose=0)
    run = only(recorder)
    assert {"a_loss", "b_loss", "loss"} <= set(recorder.metrics(run))
    assert recorder.params(run)["loss_function"] == "{'a': 'mse', 'b': 'mae'}"


def test_a_model_that_is_fitted_in_a_callback_is_part_of_the_fit(recorder, autolog, model, data, make):
    other = make()
    inner = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: other.fit(*data, verbose=0))
    model.fit(*data, epochs=2, verbose=0, callbacks=[inner])
    assert steps(recorder, only(recorder), "loss") == [0, 1]


def test_fits_in_threads_are_told_apart(recorder, autolog, data, make):
    models = [make() for _ in range(3)]
    threads = [threading.Thread(target=one.fit, args=data, kwargs={"epochs": 2, "verbose": 0}) for one in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [steps(recorder, run, "loss") for run in recorder.runs()] == [[0, 1]] * 3


def test_the_model_is_described(recorder, autolog, model, data):
    model.fit(*data, verbose=0)
    summary = recorder.artifacts(only(recorder))["model_summary.txt"].decode()
    assert "dense" in summary
    assert "58" in summary
