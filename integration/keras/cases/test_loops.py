"""Loops of the user's own, by `train_on_batch`."""

from __future__ import annotations

import gc

import keras
import pytest

from fitscribe.current import entered
from fitscribe.run import Run


def test_a_loop_is_one_run_with_a_step_for_each_call(recorder, autolog, model, data):
    """W-52."""
    for _ in range(3):
        model.train_on_batch(*data)
    run = recorder.run()
    assert [step for step, _ in recorder.history(run, "loss")] == [0, 1, 2]
    assert [step for step, _ in recorder.history(run, "accuracy")] == [0, 1, 2]
    assert recorder.params(run)["optimizer_beta_1"] == "0.9"
    assert "model_summary.txt" in recorder.artifacts(run)


def test_two_models_in_one_loop_are_two_runs(recorder, autolog, make, data):
    one, other = make(), make()
    for _ in range(2):
        one.train_on_batch(*data, return_dict=True)
        other.train_on_batch(*data)
    assert [len(recorder.history(run, "loss")) for run in recorder.runs()] == [2, 2]


def test_in_a_users_run_a_loop_is_told_there(recorder, autolog, model, data):
    with entered(Run.start("mine", by_user=True)):
        model.train_on_batch(*data)
        model.train_on_batch(*data)
    assert len(recorder.history(recorder.run(), "loss")) == 2


def test_the_run_ends_when_the_model_is_let_go_of(recorder, autolog, make, data):
    model = make()
    model.train_on_batch(*data)
    assert recorder.status(recorder.run()) == "RUNNING"
    del model
    gc.collect()
    assert recorder.status(recorder.run()) == "FINISHED"


def test_a_fit_ends_the_loop_before_it(recorder, autolog, model, data):
    model.train_on_batch(*data)
    model.fit(*data, verbose=0)
    loop, fit = recorder.runs()
    assert (recorder.status(loop), recorder.status(fit)) == ("FINISHED", "FINISHED")


def test_a_first_call_that_fails_ends_the_run(recorder, autolog, model):
    with pytest.raises(Exception, match=r".+"):
        model.train_on_batch("no data", "at all")
    assert recorder.status(recorder.run()) == "FAILED"


def test_an_evaluation_in_between_is_told_at_its_step(recorder, autolog, model, data):
    model.train_on_batch(*data)
    model.train_on_batch(*data)
    model.evaluate(*data, verbose=0)
    assert [step for step, _ in recorder.history(recorder.run(), "validation_loss")] == [1]


def test_batches_that_a_callback_trains_on_make_no_run_in_a_fit(recorder, autolog, make, model, data):
    other = make()
    each = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: other.train_on_batch(*data))
    model.fit(*data, epochs=2, verbose=0, callbacks=[each])
    assert len(recorder.history(recorder.run(), "loss")) == 2
