"""What a hook puts in place of the user's arguments arrives where they were, and cannot break the user's call."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import pytest

from fitscribe import Integration, unwatched


def train(params, rounds=2, *, callbacks=None):
    return params, rounds, callbacks


@pytest.fixture
def watched() -> Iterator[tuple[types.ModuleType, Integration]]:
    """A framework, and an integration of it that has no hook yet."""
    framework = sys.modules["gfakeml"] = types.ModuleType("gfakeml")
    framework.train = train
    integration = Integration("gfakeml", requires="pytest")
    yield framework, integration
    integration.disable()
    del sys.modules["gfakeml"]


@pytest.mark.parametrize(
    ("args", "kwargs"), [(({}, 5), {}), (({},), {"rounds": 5}), (({},), {}), ((), {"rounds": 5, "params": {}})]
)
def test_a_replaced_argument_stands_where_the_user_gave_it(watched, recorder, args, kwargs):
    framework, integration = watched

    @integration.around("gfakeml:train")
    def training(call):
        with call.run("gfakeml"):
            call.replace("rounds", 9)
            call.replace("callbacks", [*(call.argument("callbacks") or ()), print])
            yield

    integration.enable()
    assert framework.train(*args, **kwargs) == ({}, 9, [print])
    assert kwargs.get("rounds", 5) == 5, "the user's own stay as they are"


@pytest.mark.swallows
@pytest.mark.parametrize("given", [{"rounds": 9}, {"nonsense": 9}])
def test_arguments_that_the_function_cannot_take_are_our_mistake_and_not_the_users(watched, recorder, caplog, given):
    framework, integration = watched

    @integration.around("gfakeml:train")
    def training(call):
        with call.run("gfakeml"):
            call.kwargs.update(given)
            yield

    integration.enable()
    assert framework.train({}, 5) == ({}, 5, None)
    [line] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "call.replace" in str(line.exc_info[1])
    assert recorder.status(recorder.run()) == "FINISHED"


def test_a_mistake_of_the_users_is_theirs_to_hear_of(watched, recorder, caplog):
    framework, integration = watched

    @integration.around("gfakeml:train")
    def training(call):
        with call.run("gfakeml"):
            call.replace("callbacks", [])
            yield

    integration.enable()
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'params'"):
        framework.train(rounds=1)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    assert recorder.status(recorder.run()) == "FAILED"


def test_in_an_unwatched_block_no_hook_sees_a_call(watched, recorder):
    framework, integration = watched

    @integration.around("gfakeml:train", nested=True)
    def training(call):
        with call.run("gfakeml"):
            yield

    integration.enable()
    with unwatched():
        framework.train({})
    assert not recorder.runs()
