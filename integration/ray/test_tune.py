"""An experiment of Ray Tune is a run, each trial a child of it, told by the driver; workers are left alone."""

from __future__ import annotations

import logging
import tempfile

import pytest
import ray
from ray import tune
from ray.tune.callback import CallbackList
from ray.tune.impl import tuner_internal

import fitscribe
from fitscribe import delivery, discovery
from fitscribe.testing import check_contract
from fitscribe.testing.recorder import Recorder

old = None if hasattr(tune, "RunConfig") else pytest.importorskip("ray.train")  # before Ray 2.43
RunConfig, report = (old or tune).RunConfig, (old or tune).report
pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray's own doing

NAMES = ("setup", "on_trial_start", "on_trial_result", "on_trial_complete", "on_trial_error")


CHEAP = ("same_result", "too_old", "not_installed", "a_name_is_gone")  # each training takes seconds


def patched():
    return [tune.run, tuner_internal.run, *(vars(CallbackList)[name] for name in NAMES)]


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Two workers, for all tests here."""
    ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.CRITICAL, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def recorder(monkeypatch):
    before = patched()
    with Recorder() as recorder:
        monkeypatch.setattr(delivery, "connect", lambda: None)  # the recorder listens instead
        fitscribe.ray.autolog()
        yield recorder
        discovery.disable()
    assert patched() == before


def trainable(config):
    for step in range(2):
        if config["x"] == 3:
            raise ValueError("three is too many")
        report({"loss": config["x"] / (step + 1), "inner": {"half": 0.5}})


def test_trials_have_their_params_their_results_by_step_and_their_ends(recorder, tmp_path):
    callbacks = []
    found = tune.Tuner(
        trainable,
        param_space={"x": tune.grid_search([2, 1, 3]), "fixed": {"depth": 7}},
        tune_config=tune.TuneConfig(metric="loss", mode="min"),
        run_config=RunConfig(storage_path=str(tmp_path), name="three", verbose=0, callbacks=callbacks),
    ).fit()
    assert callbacks == []
    parent = recorder.run("three")
    trials = {recorder.params(each)["x"]: each for each in recorder.children(parent)}
    ends = {x: recorder.status(each) for x, each in trials.items()}
    assert ends == {"1": "FINISHED", "2": "FINISHED", "3": "FAILED"}
    assert recorder.history(trials["2"], "loss") == [(1, 2.0), (2, 1.0)]
    assert recorder.metrics(trials["2"])["inner/half"] == 0.5
    assert "pid" not in recorder.metrics(trials["2"])
    assert recorder.params(trials["2"]) == {"x": "2", "fixed/depth": "7"}
    assert recorder.tags(trials["3"])["fitscribe.error"] == "ValueError: three is too many"
    assert "in trainable" in recorder.artifacts(trials["3"])["traceback.txt"].decode()
    assert recorder.status(parent) == "FINISHED"
    assert recorder.tags(parent)["fitscribe.progress"] == "3/3"
    assert recorder.metrics(parent)["best_loss"] == found.get_best_result().metrics["loss"] == 0.5
    assert recorder.params(parent)["best_x"] == "1"
    assert recorder.params(parent)["num_samples"] == "1"


def test_an_experiment_that_fails_as_a_whole_is_a_run_that_failed(recorder, tmp_path):
    class Stops(tune.Callback):
        def setup(self, **info):
            raise KeyError("the user's own")

    with pytest.raises(KeyError, match="the user's own"), fitscribe.start_run(run_name="mine"):
        tune.run(trainable, config={"x": 1}, storage_path=str(tmp_path), verbose=0, callbacks=[Stops()])
    assert recorder.status(recorder.run("mine")) == "FAILED"


def use():
    with tempfile.TemporaryDirectory() as folder:
        found = tune.run(trainable, config={"x": 1}, storage_path=folder, verbose=0, metric="loss", mode="min")
        return found.best_result["loss"], found.best_config


def test_the_contract_is_kept():
    check_contract(discovery.integration("ray"), use, only=CHEAP)
