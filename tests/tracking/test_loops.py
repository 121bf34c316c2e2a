"""What the user logs around a training that is no call, such as a loop by hand: it goes to the run of that training."""

from __future__ import annotations

import sys
import threading
import types

import pytest

import fitscribe
from fitscribe import Integration, current, delivery


@pytest.fixture
def step(monkeypatch):
    """A framework of one function, `step`; the first one of a loop begins a run that goes on after it."""
    module = types.ModuleType("fakeml")
    exec("def step(loop):\n    loop['steps'] = loop.get('steps', 0) + 1", vars(module))
    monkeypatch.setitem(sys.modules, "fakeml", module)
    integration = Integration("fakeml", requires="pytest")

    @integration.around("fakeml:step")
    def hook(call):
        loop = call.target
        if "run" not in loop:
            with call.run(loop["name"]) as run:
                loop["run"], loop["ours"] = run, call.keep()
                run.log_params({"device": "cpu"})
        yield

    delivery.connect()
    integration.enable()
    current._loops.set(())
    yield module.step
    integration.disable()
    current._loops.set(())


def runs():
    assert fitscribe.flush(30)
    client = fitscribe.Client()
    return {run.info.run_name: run for run in client.search_runs(["0"])}


def test_what_is_logged_in_a_loop_goes_to_its_run(step):
    loop = {"name": "net"}
    step(loop)
    fitscribe.log_metric("accuracy", 0.5, step=1)
    assert fitscribe.active_run().run is loop["run"]
    loop["run"].end()
    assert fitscribe.active_run() is None
    fitscribe.log_metric("test_accuracy", 0.75)
    [run] = runs().values()
    assert run.data.metrics == {"accuracy": 0.5, "test_accuracy": 0.75}
    assert (run.info.run_name, run.info.status) == ("net", "FINISHED")


def test_what_is_logged_before_the_loop_is_in_the_same_run(step):
    fitscribe.log_param("lr", 0.1)
    loop = {"name": "net"}
    step(loop)
    fitscribe.log_metric("accuracy", 0.5)
    assert not loop["ours"]
    fitscribe.end_run()
    [run] = runs().values()
    assert (run.data.params, run.data.metrics) == ({"lr": "0.1", "device": "cpu"}, {"accuracy": 0.5})


def test_of_two_loops_under_way_nobody_knows_which_is_meant(step):
    one, other = {"name": "one"}, {"name": "other"}
    step(one)
    step(other)
    fitscribe.log_metric("accuracy", 0.5)
    fitscribe.end_run()
    one["run"].end()
    fitscribe.log_metric("later", 0.75)
    other["run"].end()
    found = runs()
    assert len(found) == 3
    assert (found.pop("one").data.metrics, found.pop("other").data.metrics) == ({}, {"later": 0.75})
    assert next(iter(found.values())).data.metrics == {"accuracy": 0.5}


def test_a_run_that_the_user_begins_beside_a_loop_is_no_part_of_it(step):
    loop = {"name": "net"}
    step(loop)
    with fitscribe.start_run(run_name="mine"):
        fitscribe.log_metric("mine", 1)
    fitscribe.log_metric("its", 1)
    loop["run"].end()
    with fitscribe.start_run(run_name="next"):
        pass
    fitscribe.log_metric("new", 1)  # another run has begun: the loop is not meant any more
    fitscribe.end_run()
    found = runs()
    assert found.pop("mine").data.metrics == {"mine": 1}
    assert found.pop("net").data.metrics == {"its": 1}
    assert found.pop("next").data.metrics == {}
    assert [run.data.metrics for run in found.values()] == [{"new": 1}]
    assert not any("mlflow.parentRunId" in run.data.tags for run in runs().values())


def test_another_thread_does_not_join_a_loop(step):
    loop = {"name": "net"}
    step(loop)

    def elsewhere():
        fitscribe.log_metric("other", 1)
        fitscribe.end_run()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    loop["run"].end()
    assert runs()["net"].data.metrics == {}


def test_the_end_of_a_loops_run_may_be_said(step):
    loop = {"name": "net"}
    step(loop)
    fitscribe.end_run("FAILED")
    assert loop["run"].ended == "FAILED"
    assert runs()["net"].info.status == "FAILED"


def test_a_param_that_autologging_has_written_otherwise_breaks_no_training(step):
    loop = {"name": "net"}
    step(loop)
    fitscribe.log_params({"device": "cuda", "lr": 0.1})
    loop["run"].end()
    run = runs()["net"]
    assert run.data.params == {"device": "cpu", "lr": "0.1"}
    assert run.data.tags["fitscribe.drift.device"] == "cuda"
