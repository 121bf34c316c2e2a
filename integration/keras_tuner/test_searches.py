"""Searches of KerasTuner: the search above, a trial below, and what a trial was about."""

from __future__ import annotations

import csv
import json
from importlib.util import find_spec

import keras
import keras_tuner
import pytest

import fitscribe
from fitscribe.current import entered
from fitscribe.run import Run

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of KerasTuner's own doing, at each trial
    pytest.mark.skipif(
        keras.backend.backend() == "tensorflow" and find_spec("tensorboard") is None,
        reason="KerasTuner asks for TensorBoard on this backend, whether it is used or not",
    ),
]


def build(hp):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Choice("units", [4, 8])), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-2)), "mse", jit_compile=False)
    return model


@pytest.fixture
def searching(tmp_path):
    def make(hypermodel=build, kind=keras_tuner.RandomSearch, **options):
        told = {"objective": "val_loss", "max_trials": 3, "directory": tmp_path, "seed": 0, **options}
        if kind is keras_tuner.Hyperband:
            del told["max_trials"]
        return kind(hypermodel, **told)

    return make


@pytest.fixture
def arguments(data):
    return {"x": data[0], "y": data[1], "validation_split": 0.25, "epochs": 2, "verbose": 0}


def test_a_search_is_a_run_with_a_child_for_each_trial(recorder, autolog, searching, arguments):
    tuner = searching()
    tuner.search(**arguments)
    parent, *children = recorder.runs()
    assert [child.parent for child in children] == [parent.run] * 3
    assert {recorder.status(run) for run in recorder.runs()} == {"FINISHED"}
    told = recorder.params(parent)
    assert (told["tuner"], told["objective"], told["max_trials"]) == ("RandomSearch", "val_loss", "3")
    by_id = {recorder.tags(child)["fitscribe.trial_id"]: child for child in children}
    for name, trial in tuner.oracle.trials.items():
        child = by_id[name]
        assert float(recorder.params(child)["rate"]) == pytest.approx(trial.hyperparameters.values["rate"])
        assert recorder.params(child)["optimizer_name"].startswith("sgd")
        assert recorder.metrics(child)["score"] == trial.score
        assert recorder.metrics(child)["best_step"] == trial.best_step
        assert [step for step, _ in recorder.history(child, "val_loss")] == [0, 1]
    assert [step for step, _ in recorder.history(parent, "score")] == [0, 1, 2]


def test_the_best_trial_stands_on_the_search(recorder, autolog, searching, arguments):
    tuner = searching()
    tuner.search(**arguments)
    parent, *children = recorder.runs()
    [best] = tuner.oracle.get_best_trials(1)
    assert recorder.metrics(parent)["best_score"] == best.score
    assert recorder.params(parent)["best_units"] == str(best.hyperparameters["units"])
    marked = [child for child in children if recorder.tags(child).get("fitscribe.best") == "true"]
    assert [recorder.tags(child)["fitscribe.trial_id"] for child in marked] == [best.trial_id]
    assert recorder.tags(parent)["fitscribe.best_trial"] == best.trial_id
    assert recorder.tags(parent)["fitscribe.progress"] == "3/3"
    kept = recorder.artifacts(parent)
    rows = list(csv.DictReader(kept["search_results.csv"].decode().splitlines()))
    assert [row["status"] for row in rows] == ["FINISHED"] * 3
    assert {each["name"] for each in json.loads(kept["search_space.json"])} == {"units", "rate"}


def test_in_a_users_run_trials_are_its_children(recorder, autolog, searching, arguments):
    with entered(Run.start("mine", by_user=True)):
        searching().search(**arguments)
    parent, *children = recorder.runs()
    assert parent.name == "mine"
    assert [child.parent for child in children] == [parent.run] * 3


def test_a_trial_that_fails_is_a_run_that_failed_and_says_why(recorder, autolog, searching, arguments):
    class Broken(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, **given):
            if hp["units"] == 4:
                raise ValueError("four is too few")
            return model.fit(**given)

    searching(Broken(), kind=keras_tuner.GridSearch, max_trials=None, max_consecutive_failed_trials=20).search(
        **arguments
    )
    parent, *children = recorder.runs()
    assert recorder.status(parent) == "FINISHED"
    told = {child.run: recorder.params(child)["units"] for child in children}
    assert set(told.values()) == {"4", "8"}
    for child in children:
        assert recorder.status(child) == ("FAILED" if told[child.run] == "4" else "FINISHED")
        if told[child.run] == "4":
            assert recorder.tags(child)["fitscribe.error"] == "ValueError: four is too few"
            assert "in fit" in recorder.artifacts(child)["traceback.txt"].decode()


def test_a_search_that_gives_up_has_failed_and_every_trial_of_it(recorder, autolog, searching, arguments):
    class Broken(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, **given):
            raise ValueError("never")

    with pytest.raises(Exception, match="never"):
        searching(Broken(), max_trials=9).search(**arguments)
    assert {recorder.status(run) for run in recorder.runs()} == {"FAILED"}
    assert len(recorder.runs()) == 4


def test_ctrl_c_in_a_trial_is_told_on_it_and_on_the_search(recorder, autolog, searching, arguments):
    def stop(epoch, logs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searching().search(**arguments, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=stop)])
    assert [recorder.status(run) for run in recorder.runs()] == ["KILLED", "KILLED"]


def test_several_executions_of_a_trial_are_runs_below_it(recorder, autolog, searching, arguments):
    searching(max_trials=1, executions_per_trial=2).search(**arguments)
    parent, trial, second = recorder.runs()
    assert (trial.parent, second.parent) == (parent.run, trial.run)
    assert [step for step, _ in recorder.history(trial, "val_loss")] == [0, 1]
    assert [step for step, _ in recorder.history(second, "val_loss")] == [0, 1]


def test_a_trial_with_a_loop_of_its_own_has_its_steps(recorder, autolog, searching, data):
    class Looping(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, **given):
            losses = [float(model.train_on_batch(data[0][:8], data[1][:8])) for _ in range(3)]
            build(hp).train_on_batch(*data)
            return {"loss": losses[-1]}

    tuner = searching(Looping(), objective=keras_tuner.Objective("loss", "min"), max_trials=2)
    tuner.search()
    parent, *others = recorder.runs()
    trials = [run for run in others if run.parent == parent.run]
    assert len(trials) == 2
    for trial in trials:
        assert [step for step, _ in recorder.history(trial, "loss")] == [0, 1, 2]
        assert recorder.params(trial)["optimizer_name"].startswith("sgd")
        assert recorder.metrics(trial)["score"] == pytest.approx(recorder.history(trial, "loss")[-1][1])
        [second] = [run for run in others if run.parent == trial.run]
        assert len(recorder.history(second, "loss")) == 1
    assert {recorder.status(run) for run in [parent, *trials]} == {"FINISHED"}


def test_a_trial_without_a_fit_tells_what_it_returned(recorder, autolog, searching):
    class Own(keras_tuner.RandomSearch):
        def run_trial(self, trial, **given):
            return {"height": trial.hyperparameters.Float("x", 0.0, 1.0) ** 2}

    tuner = searching(None, kind=Own, objective=keras_tuner.Objective("height", "max"), max_trials=2)
    tuner.search()
    parent, *children = recorder.runs()
    for child in children:
        found = recorder.metrics(child)
        assert found["height"] == found["score"] == pytest.approx(float(recorder.params(child)["x"]) ** 2)
    assert recorder.metrics(parent)["best_score"] == max(recorder.metrics(child)["score"] for child in children)


def test_hyperband_tells_every_round(recorder, autolog, searching, arguments):
    searching(kind=keras_tuner.Hyperband, max_epochs=3, factor=3).search(**arguments)
    parent, *children = recorder.runs()
    assert recorder.params(parent)["tuner"] == "Hyperband"
    assert len(children) > 2
    assert all("tuner/epochs" in recorder.params(child) for child in children)


def test_what_is_trained_after_a_search_is_a_run_of_its_own(recorder, autolog, searching, data, arguments):
    tuner = searching(max_trials=1)
    tuner.search(**arguments)
    model = tuner.hypermodel.build(tuner.get_best_hyperparameters()[0])
    model.fit(*data, verbose=0)
    assert recorder.runs()[-1].parent == ""


def test_a_model_that_a_callback_trains_makes_no_run_in_a_trial(recorder, autolog, searching, data, arguments):
    class Inner(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            build(keras_tuner.HyperParameters()).fit(*data, verbose=0)

    searching(max_trials=1).search(**arguments, callbacks=[Inner()])
    assert len(recorder.runs()) == 2


def test_a_search_finds_the_same_without_us(recorder, autolog, searching, arguments, tmp_path):
    def found(place):
        keras.utils.set_random_seed(0)
        tuner = searching(directory=tmp_path / place)
        tuner.search(**arguments)
        return [trial.score for trial in tuner.oracle.trials.values()]

    ours = found("ours")
    fitscribe.autolog(disable=True)
    assert ours == found("plain")
    before = keras_tuner.engine.base_tuner.BaseTuner
    assert not [
        name
        for kind in (before, keras_tuner.Tuner, keras_tuner.Hyperband)
        for name in ("search", "run_trial")
        if hasattr(getattr(kind, name), "__fitscribe__")
    ]


def test_scikit_learn_models_are_searched_as_well(recorder, autolog, searching, data):
    from sklearn.linear_model import Ridge

    tuner = keras_tuner.SklearnTuner(
        keras_tuner.oracles.RandomSearchOracle(keras_tuner.Objective("score", "max"), max_trials=2),
        lambda hp: Ridge(hp.Float("alpha", 0.1, 1.0)),
        directory=searching().directory,
    )
    tuner.search(data[0], data[1].astype(float))
    _, *children = recorder.runs()
    assert len(children) == 2
    assert all("alpha" in recorder.params(child) for child in children)
