"""A watched call runs exactly once, as the user wrote it, whatever an integration's hook does."""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
import types

import pytest

from fitscribe import Integration, guarded, unwatched
from fitscribe.current import current, entered
from fitscribe.records import Metrics, Params, RunEnded, RunStarted
from fitscribe.run import Run

calls = []


class UserError(Exception):
    pass


def train(params, rounds=2, callbacks=(), *, fails=None, inner=None):
    calls.append((params, rounds, tuple(callbacks)))
    if inner:
        inner()
    for each in range(rounds):
        for callback in callbacks:
            callback(each, {"loss": 1.0 / (each + 1)})
    if fails:
        raise fails
    return {"model": params}


@pytest.fixture
def fakeml(monkeypatch):
    """A framework of one function, as a module of its own."""
    module = types.ModuleType("fakeml")
    module.train = types.FunctionType(train.__code__, train.__globals__, "train", train.__defaults__)
    module.train.__kwdefaults__ = train.__kwdefaults__
    module.train.__module__ = "fakeml"
    monkeypatch.setitem(sys.modules, "fakeml", module)
    calls.clear()
    return module


@pytest.fixture
def watched(fakeml):
    """Declare, enable and at the end disable an integration with one hook."""
    made = []

    def declare(hook, **options):
        integration = Integration("fakeml", requires="pytest", options=options.pop("own", None))
        integration.around("fakeml:train")(hook)
        integration.configure(options, explicit=True)
        integration.enable()
        made.append(integration)
        return integration

    original = fakeml.train
    yield declare
    for integration in made:
        integration.disable()
    assert fakeml.train is original


def plain(call):
    with call.run("fakeml") as run:

        @guarded("fakeml round")
        def each_round(step, metrics):
            run.log_metrics(metrics, step)

        run.log_params(call.argument("params"))
        call.kwargs["callbacks"] = [*call.argument("callbacks"), each_round]
        yield


def test_one_run_per_train(fakeml, watched, recorder):
    watched(plain)
    assert fakeml.train({"a": 1}) == {"model": {"a": 1}}
    first = recorder.run()
    assert [type(each) for each in recorder.said] == [RunStarted, Params, Metrics, Metrics, RunEnded]
    assert recorder.params(first) == {"a": "1"}
    assert recorder.history(first, "loss") == [(0, 1.0), (1, 0.5)]
    assert recorder.tags(first) == {"mlflow.autologging": "fakeml"}
    assert recorder.status(first) == "FINISHED"


def test_the_users_error_is_the_same_object_and_the_run_failed(fakeml, watched, recorder):
    watched(plain)
    mine = UserError("mine")
    with pytest.raises(UserError) as raised:
        fakeml.train({}, fails=mine)
    assert raised.value is mine
    assert mine.__context__ is None
    assert recorder.status(recorder.run()) == "FAILED"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_ctrl_c_and_exit_pass_and_the_run_was_killed(fakeml, watched, recorder, error):
    watched(plain)
    with pytest.raises(type(error)) as raised:
        fakeml.train({}, fails=error)
    assert raised.value is error
    assert recorder.status(recorder.run()) == "KILLED"


@pytest.mark.swallows
def test_a_hook_that_fails_before_the_call_leaves_the_users_arguments(fakeml, watched, recorder):
    def broken(call):
        with call.run("fakeml"):
            call.args, call.kwargs["rounds"] = ("spoilt",), 99
            raise ValueError("ours")
            yield

    watched(broken)
    assert fakeml.train({"a": 1}, rounds=1) == {"model": {"a": 1}}
    assert calls == [({"a": 1}, 1, ())]
    assert recorder.status(recorder.run()) == "FINISHED", "our own failure is not the training's"


@pytest.mark.swallows
def test_a_hook_that_fails_after_the_call_keeps_the_result(fakeml, watched, recorder):
    def broken(call):
        with call.run("fakeml"):
            yield
            raise ValueError("ours")

    watched(broken)
    assert fakeml.train({"a": 1}) == {"model": {"a": 1}}
    assert recorder.status(recorder.run()) == "FINISHED"
    assert current() is None


@pytest.mark.swallows
def test_a_hook_that_swallows_or_replaces_the_users_error_is_ignored(fakeml, watched, recorder):
    def swallowing(call):
        with contextlib.suppress(UserError):
            yield

    def replacing(call):
        try:
            yield
        except UserError as error:
            raise RuntimeError("ours") from error

    for hook in (swallowing, replacing):
        mine = UserError()
        integration = watched(hook)
        with pytest.raises(UserError) as raised:
            fakeml.train({}, fails=mine)
        assert raised.value is mine
        assert mine.__context__ is None
        integration.disable()


@pytest.mark.swallows
def test_a_hook_with_two_yields_is_closed_and_the_result_stays(fakeml, watched, recorder, caplog):
    def twice(call):
        yield
        yield

    watched(twice)
    assert fakeml.train({}) == {"model": {}}
    assert "one yield" in caplog.text


def test_a_hook_that_returns_before_its_yield_steps_aside(fakeml, watched, recorder):
    def never(call):
        return
        yield

    watched(never)
    assert fakeml.train({}) == {"model": {}}
    assert recorder.runs() == []


def test_a_training_inside_a_training_makes_no_run_of_its_own(fakeml, watched, recorder):
    watched(plain)
    fakeml.train({"a": 1}, inner=lambda: fakeml.train({"b": 2}))
    assert len(calls) == 2
    assert recorder.params(recorder.run()) == {"a": "1"}


def test_unwatched_calls_make_no_run(fakeml, watched, recorder):
    watched(plain)
    with unwatched():
        fakeml.train({"a": 1})
    assert recorder.runs() == []


def test_a_second_training_in_the_users_run_gets_a_child(fakeml, watched, recorder):
    """MLflow mixes the params of the first with the metrics of the second."""
    watched(plain)
    mine = Run.start("mine", by_user=True)
    with entered(mine):
        fakeml.train({"a": 1})
        fakeml.train({"a": 2})
    mine.end()
    parent, child = recorder.runs()
    assert recorder.params(parent) == {"a": "1"}
    assert recorder.params(child) == {"a": "2"}
    assert child.parent == parent.run
    assert [recorder.status(parent), recorder.status(child)] == ["FINISHED", "FINISHED"]


def test_exclusive_leaves_the_users_run_alone(fakeml, watched, recorder):
    watched(plain, exclusive=True)
    mine = Run.start("mine", by_user=True)
    with entered(mine):
        assert fakeml.train({"a": 1}) == {"model": {"a": 1}}
    mine.end()
    assert recorder.params(recorder.run()) == {}


def test_threads_that_train_at_the_same_time_each_have_their_run(fakeml, watched, recorder):
    """MLflow leaves 3 of 4 such runs empty."""
    watched(plain)
    together = threading.Barrier(8)

    def work(number):
        fakeml.train({"number": number}, inner=together.wait)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs = recorder.runs()
    assert sorted(recorder.params(run)["number"] for run in runs) == [str(number) for number in range(8)]
    assert all(len(recorder.history(run, "loss")) == 2 for run in runs)
    assert {recorder.status(run) for run in runs} == {"FINISHED"}


def test_a_pool_in_the_users_run_writes_into_children_of_it(fakeml, watched, recorder):
    watched(plain)
    mine = Run.start("mine", by_user=True)
    with entered(mine):
        thread = threading.Thread(target=fakeml.train, args=({"a": 1},))
        thread.start()
        thread.join()
    mine.end()
    assert recorder.params(recorder.run("mine")) == {"a": "1"}


def test_extra_tags_are_set_on_runs_of_ours(fakeml, watched, recorder):
    watched(plain, extra_tags={"team": "blue"})
    fakeml.train({})
    assert recorder.tags(recorder.run()) == {"mlflow.autologging": "fakeml", "team": "blue"}


@pytest.mark.swallows
def test_silent_says_nothing_even_of_our_own_errors(fakeml, watched, recorder, caplog):
    def broken(call):
        raise ValueError("ours")
        yield

    caplog.set_level("DEBUG")
    watched(broken, silent=True)
    fakeml.train({})
    assert [record.levelname for record in caplog.records if record.name == "fitscribe"] == ["DEBUG"]


def test_an_argument_is_found_by_place_by_name_and_by_default(fakeml, watched, recorder):
    found = []

    def hook(call):
        found.append([call.argument(name, "nothing") for name in ("params", "rounds", "fails", "unknown")])
        yield

    watched(hook)
    fakeml.train({"a": 1}, 3)
    fakeml.train(rounds=1, params={})
    assert found == [[{"a": 1}, 3, None, "nothing"], [{}, 1, None, "nothing"]]


@pytest.mark.swallows
def test_the_same_trouble_of_ours_is_said_once(fakeml, watched, recorder, caplog):
    def broken(call):
        raise ValueError("ours")
        yield

    watched(broken)
    for _ in range(5):
        fakeml.train({})
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


def test_what_is_called_too_often_passes_unseen_while_nobody_wants_to_hear_of_it(fakeml, recorder):
    wanted, heard = [True], []
    integration = Integration("fakeml", requires="pytest")

    @integration.around("fakeml:train", when=lambda: wanted[0])
    def hook(call):
        heard.append(call.argument("params"))
        yield

    integration.enable()
    try:
        fakeml.train("a", rounds=0)
        wanted[0] = False
        fakeml.train("b", rounds=0)
        wanted.clear()  # it fails: then the call is seen
        fakeml.train("c", rounds=0)
        wanted.append(False)
        with pytest.raises(UserError) as raised:
            fakeml.train("d", rounds=0, fails=UserError())
    finally:
        integration.disable()
    assert heard == ["a", "c"]
    assert [each[0] for each in calls] == ["a", "b", "c", "d"]
    assert "fitscribe" not in "".join(traceback.format_exception(raised.value)).replace("test_observing", "")


def test_a_block_that_is_not_watched_is_told_apart(watched, fakeml, recorder):
    seen = []

    def hook(call):
        seen.append(unwatched.here())
        yield

    watched(hook)
    seen.append(unwatched.here())
    fakeml.train("a", rounds=0)
    with unwatched():
        seen.append(unwatched.here())
    assert seen == [False, True, True]
