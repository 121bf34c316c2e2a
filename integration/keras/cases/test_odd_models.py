"""Models and trainings that are not like most: each is recorded, and none learns or fails otherwise for it."""

from __future__ import annotations

import copy
import pickle
import threading

import keras
import pytest

import fitscribe

BACKEND = keras.backend.backend()


class Own(keras.Model):
    def __init__(self, **given):
        super().__init__(**given)
        self.dense = keras.layers.Dense(2, "softmax")

    def call(self, x):
        return self.dense(x)


def compiled(model, optimizer="sgd", **options):
    model.compile(optimizer, "sparse_categorical_crossentropy", **{"jit_compile": False, **options})
    return model


class Equal(Own):
    """Equal to whatever has as many layers."""

    def __eq__(self, other):
        return isinstance(other, Own) and len(self.layers) == len(other.layers)

    def __hash__(self):
        return 1


def test_models_are_told_apart_by_which_they_are(recorder, autolog, data):
    one, other = compiled(Equal()), compiled(Equal())
    one.fit(*data, verbose=0)
    other.fit(*data, verbose=0)
    other.evaluate(*data, verbose=0)
    first, second = recorder.runs()
    assert "validation_loss" not in recorder.metrics(first)
    assert "validation_loss" in recorder.metrics(second)
    other.train_on_batch(*data)
    one.train_on_batch(*data)
    assert len(recorder.runs()) == 4


def test_a_callback_that_is_equal_to_ours_stays_in_its_list(recorder, autolog, model, data):
    class Everything(keras.callbacks.Callback):
        def __eq__(self, other):
            return True

        __hash__ = None

    given = keras.callbacks.CallbackList([Everything()], add_history=True, model=model, epochs=1, steps=3)
    before = list(map(id, given.callbacks))
    model.fit(*data, verbose=0, callbacks=given)
    assert list(map(id, given.callbacks)) == before


@pytest.mark.parametrize("built_late", [False, True])
def test_a_model_that_is_built_by_its_first_batch_is_described(recorder, autolog, data, built_late):
    model = compiled(Own())
    if built_late:
        model._symbolic_build = lambda *args, **kwargs: None
        if BACKEND == "jax":
            pytest.skip("JAX builds no model in a step")
    model.fit(*data, epochs=2, verbose=0)
    run = recorder.run()
    assert recorder.params(run)["total_params"] == "10"
    assert "model_summary.txt" in recorder.artifacts(run)


class Rivals(Own):
    """Two optimizers of its own, as a GAN has them, and several losses."""

    def compile(self, one, other, **options):
        super().compile(**options)
        self.one_optimizer, self.other_optimizer = one, other

    if BACKEND == "torch":

        def train_step(self, data):
            import torch

            x, y = data
            for optimizer in (self.one_optimizer, self.other_optimizer):
                self.zero_grad()
                loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, self(x)))
                loss.backward()
                weights = list(self.trainable_weights)
                with torch.no_grad():
                    optimizer.apply([weight.value.grad for weight in weights], weights)
            return {"one_loss": loss, "other_loss": loss * 2}

    elif BACKEND == "tensorflow":

        def train_step(self, data):
            import tensorflow

            x, y = data
            for optimizer in (self.one_optimizer, self.other_optimizer):
                with tensorflow.GradientTape() as tape:
                    loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, self(x)))
                weights = self.trainable_weights
                optimizer.apply(tape.gradient(loss, weights), weights)
            return {"one_loss": loss, "other_loss": loss * 2}


@pytest.mark.skipif(BACKEND == "jax", reason="a step on JAX is free of state, and has one optimizer")
def test_every_optimizer_of_a_model_is_told_and_followed(recorder, autolog, data):
    model = Rivals()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    model.compile(keras.optimizers.Adam(0.01), keras.optimizers.SGD(schedule), jit_compile=False)
    model.fit(*data, epochs=2, verbose=0)
    run = recorder.run()
    told = recorder.params(run)
    assert (told["one_optimizer_beta_1"], told["other_optimizer_learning_rate"]) == ("0.9", "ExponentialDecay")
    assert [rate for _, rate in recorder.history(run, "one_optimizer_learning_rate")] == pytest.approx([0.01, 0.01])
    assert [rate for _, rate in recorder.history(run, "other_optimizer_learning_rate")] == pytest.approx([0.05, 0.025])
    assert "learning_rate" not in recorder.metrics(run)  # of Keras's default, which took no step
    assert [step for step, _ in recorder.history(run, "other_loss")] == [0, 1]


def test_values_of_a_step_have_the_names_that_keras_gives_them(recorder, autolog, data):
    """Two metrics whose names are not in the order of the alphabet."""

    def most(y, predicted):
        return keras.ops.max(predicted, axis=-1)

    def least(y, predicted):
        return keras.ops.min(predicted, axis=-1)

    model = compiled(Own(), metrics=[most, least])
    expected = [model.train_on_batch(*data, return_dict=True) for _ in range(2)]
    for _ in range(2):
        model.train_on_batch(*data)
    run = recorder.run()
    ours = [dict(zip(expected[0], values, strict=True)) for values in zip(
        *([value for _, value in recorder.history(run, key)] for key in expected[0]), strict=True)]  # fmt: skip
    assert ours[:2] == expected
    assert ours[3]["loss"] < ours[1]["loss"]
    assert ours[3]["most"] > 0.5 > ours[3]["least"]


@pytest.mark.skipif(BACKEND == "jax", reason="on JAX a step of one's own has other arguments")
def test_values_that_nobody_named_are_told_by_their_place(recorder, autolog, data):
    class Silent(Own):
        def train_step(self, data):
            return {"b": keras.ops.ones(()), "a": keras.ops.zeros(())}

    model = compiled(Silent())
    model.train_on_batch(*data)
    found = recorder.metrics(recorder.run())
    assert (found["value_0"], found["value_1"]) == (0.0, 1.0)


def test_gradients_that_are_gathered_change_no_step(recorder, autolog, data, make):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    model = make(keras.optimizers.SGD(schedule, gradient_accumulation_steps=2))
    autolog(log_every_n_steps=1)
    model.fit(*data, epochs=2, verbose=0)
    run = recorder.run()
    assert sorted(step for step, _ in recorder.history(run, "loss_step")) == [1, 2, 3, 4, 5, 6]
    assert recorder.params(run)["optimizer_gradient_accumulation_steps"] == "2"
    told = [rate for _, rate in recorder.history(run, "learning_rate")]
    assert told[-1] == pytest.approx(float(model.optimizer.learning_rate))


def test_a_scaled_loss_is_told_with_the_optimizer_inside(recorder, autolog, data, make):
    inner = keras.optimizers.Adam(0.01)
    make(keras.optimizers.LossScaleOptimizer(inner, initial_scale=128.0)).fit(*data, epochs=2, verbose=0)
    run = recorder.run()
    told = recorder.params(run)
    assert told["optimizer_name"] == inner.name
    assert (told["optimizer_loss_scaled"], told["optimizer_initial_scale"]) == ("True", "128.0")
    assert [rate for _, rate in recorder.history(run, "learning_rate")] == pytest.approx([0.01, 0.01])


def test_half_precision_is_told(recorder, autolog, data):
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        compiled(Own()).fit(*data, verbose=0)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    run = recorder.run()
    assert recorder.params(run)["dtype_policy"] == "mixed_bfloat16"
    assert recorder.params(run)["optimizer_learning_rate"][:6] in ("0.01", "0.0099")


def test_an_optimizer_without_a_config_costs_no_other_param(recorder, autolog, data, make):
    class Bare(keras.optimizers.SGD):
        def get_config(self):
            raise NotImplementedError

    make(Bare(0.5)).fit(*data, verbose=0)
    told = recorder.params(recorder.run())
    assert (told["optimizer_name"][:4], told["optimizer_learning_rate"]) == ("bare", "0.5")


def test_a_rate_that_is_a_function_is_named(recorder, autolog, data, make):
    def constant():
        return 0.1

    make(keras.optimizers.SGD(constant)).fit(*data, verbose=0)
    assert recorder.params(recorder.run())["optimizer_learning_rate"] == "constant"


def test_a_step_by_step_training_that_stops_itself(recorder, autolog, data, make):
    stop = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch == 1))
    model = make(run_eagerly=True)
    model.fit(*data, epochs=5, verbose=0, callbacks=[stop])
    run = recorder.run()
    assert recorder.params(run)["run_eagerly"] == "True"
    assert [step for step, _ in recorder.history(run, "loss")] == [0, 1]
    assert recorder.status(run) == "FINISHED"


def test_steps_go_on_with_the_epochs(recorder, autolog, data, make):
    autolog(log_every_n_steps=3)
    model = make()
    model.fit(*data, epochs=2, verbose=0)
    model.fit(*data, epochs=4, initial_epoch=2, verbose=0)
    first, second = recorder.runs()
    assert [step for step, _ in recorder.history(first, "loss_step")] == [3, 6]
    assert [step for step, _ in recorder.history(second, "loss_step")] == [9, 12]


def test_steps_per_second_are_those_of_the_training(recorder, autolog, data, make):
    class Slow(keras.callbacks.Callback):
        def on_test_end(self, logs=None):
            threading.Event().wait(0.5)

    model = make()
    model.fit(*data, verbose=0)
    model.fit(*data, verbose=0, epochs=2, validation_split=0.25, callbacks=[Slow()])
    found = recorder.metrics(recorder.runs()[1])
    assert 3 / found["steps_per_second"] <= found["epoch_time"] - 0.5


def test_a_trained_model_copies_pickles_and_clones_as_ever(recorder, autolog, data, model):
    class Copies(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            pickled.append(pickle.dumps(self.model))

    pickled = []
    model.fit(*data, verbose=0, callbacks=[Copies()])
    assert b"fitscribe" not in pickled[0]
    assert b"fitscribe" not in pickle.dumps(model)
    for twin in (copy.deepcopy(model), keras.models.clone_model(model), pickle.loads(pickled[0])):
        compiled(twin).fit(*data, verbose=0)
        twin.evaluate(*data, verbose=0)
    assert [len(recorder.history(run, "validation_loss")) for run in recorder.runs()] == [0, 1, 1, 1]


def test_a_copy_of_a_model_is_evaluated_for_itself(recorder, autolog, data, model):
    model.fit(*data, verbose=0)
    copy.deepcopy(model).evaluate(*data, verbose=0)
    assert "validation_loss" not in recorder.metrics(recorder.run())


def test_weights_that_two_models_share(recorder, autolog, data):
    inputs = keras.Input((4,))
    shared = keras.layers.Dense(2, "softmax")
    one, other = compiled(keras.Model(inputs, shared(inputs))), compiled(keras.Model(inputs, shared(inputs)))
    one.fit(*data, verbose=0)
    other.fit(*data, verbose=0)
    other.evaluate(*data, verbose=0)
    assert [len(recorder.history(run, "validation_loss")) for run in recorder.runs()] == [0, 1]


def test_the_same_cell_of_a_notebook_again_and_again(recorder, autolog, data, make):
    for _ in range(3):
        fitscribe.keras.autolog()
        make().fit(*data, epochs=2, verbose=0)
    assert [[step for step, _ in recorder.history(run, "loss")] for run in recorder.runs()] == [[0, 1]] * 3


def test_a_metric_of_the_users_that_is_many_numbers_costs_no_other(recorder, autolog, data, caplog):
    class PerClass(keras.metrics.Metric):
        def __init__(self):
            super().__init__(name="per_class")
            self.seen = self.add_weight(shape=(2,), initializer="zeros", name="seen")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.seen.assign(self.seen + keras.ops.mean(y_pred, axis=0))

        def result(self):
            return {"first": self.seen[0], "second": self.seen[1]}

    compiled(Own(), metrics=[PerClass()]).fit(*data, verbose=0)
    found = recorder.metrics(recorder.run())
    assert "loss" in found
    assert {"first", "second"} <= set(found)
