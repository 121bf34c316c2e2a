"""Evaluation: in the run of the model that it is about, once."""

from __future__ import annotations

import gc
import weakref

import pytest

import fitscribe
from fitscribe.current import entered
from fitscribe.run import Run


def test_what_evaluate_finds_goes_to_the_models_run(recorder, autolog, make, data):
    """W-52: MLflow records no evaluation."""
    first, second = make(), make()
    first.fit(*data, epochs=2, verbose=0)
    second.fit(*data, epochs=3, verbose=0)
    loss, accuracy = first.evaluate(*data, verbose=0)
    found = second.evaluate(*data, verbose=0, return_dict=True)
    one, two = recorder.runs()
    assert recorder.history(one, "validation_loss") == [(1, loss)]
    assert recorder.history(one, "validation_accuracy") == [(1, accuracy)]
    assert recorder.history(two, "validation_loss") == [(2, found["loss"])]


def test_validation_inside_fit_is_told_once(recorder, autolog, model, data):
    """W-12: MLflow repeats it as `validation_...`, all at step 0."""
    model.fit(*data, epochs=2, validation_data=data, verbose=0)
    run = recorder.run()
    assert len(recorder.history(run, "val_loss")) == 2
    assert not [key for key in recorder.metrics(run) if key.startswith("validation_")]


def test_a_model_that_was_not_trained_here_is_told_in_the_users_run(recorder, autolog, model, data):
    with entered(Run.start("mine", by_user=True)):
        loss, _ = model.evaluate(*data, verbose=0)
    assert recorder.metrics(recorder.run())["validation_loss"] == loss


def test_without_any_run_an_evaluation_makes_none(recorder, autolog, model, data):
    model.evaluate(*data, verbose=0)
    model.predict(data[0], verbose=0)
    assert recorder.runs() == []


def test_the_data_of_an_evaluation_is_told(recorder, autolog, model, data):
    model.fit(*data, verbose=0)
    model.evaluate(data[0][:10], data[1][:10], verbose=0)
    assert [each.context for each in recorder.said if type(each).__name__ == "DatasetUsed"] == ["train", "eval"]


def test_no_model_is_kept_alive(recorder, autolog, make, data):
    model = make()
    model.fit(*data, verbose=0)
    model.evaluate(*data, verbose=0)
    recorder.runs()
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_metrics_of_scikit_learn_on_a_models_predictions_go_to_its_run(recorder, autolog, make, data):
    metrics = pytest.importorskip("sklearn.metrics")
    fitscribe.sklearn.autolog()
    x_new, y_new = data
    first, second = make(), make()
    first.fit(*data, epochs=2, verbose=0)
    second.fit(*data, epochs=3, verbose=0)
    loss = metrics.log_loss(y_new, first.predict(x_new, verbose=0))
    said = second.predict(x_new, verbose=0)
    area = metrics.roc_auc_score(y_new, said[:, 1])
    metrics.accuracy_score(y_new, said.argmax(axis=1))  # of what was computed nobody knows where it came from
    one, two = recorder.runs()
    assert recorder.history(one, "log_loss_x_new") == [(1, loss)]
    assert recorder.history(two, "roc_auc_score_x_new") == [(2, area)]
    assert not [key for key in recorder.metrics(two) if key.startswith("accuracy_score")]


def test_what_a_model_that_nobody_trained_predicts_is_measured_in_no_run(recorder, autolog, make, data):
    metrics = pytest.importorskip("sklearn.metrics")
    fitscribe.sklearn.autolog()
    stranger = make()
    assert metrics.log_loss(data[1], stranger.predict(data[0], verbose=0)) > 0
    assert recorder.runs() == []
