"""Experiments and runs are changed when the call returns, also when an answer got lost on the way."""

from __future__ import annotations

import pytest

from fitscribe.errors import MisuseError, NotFoundError, ServerError, TransportError
from fitscribe.transport import Answer, Unsent

ROOT = "/api/2.0/mlflow/"
LOST = TransportError("the connection broke")
TAKEN = Answer(400, {"error_code": "RESOURCE_ALREADY_EXISTS", "message": "name is taken"})
GONE = Answer(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "not there"})


def test_every_change_as_it_is_sent(scripted):
    client, transport = scripted(*[{} for _ in range(8)])
    client.delete_experiment("1")
    client.restore_experiment("1")
    client.rename_experiment("1", "new")
    client.set_experiment_tag("1", "k", 5)
    client.delete_experiment_tag("1", "k")
    client.delete_run("r")
    client.restore_run("r")
    client.delete_tag("r", "k")
    assert transport.sent == [
        ("POST", ROOT + "experiments/delete", {"experiment_id": "1"}),
        ("POST", ROOT + "experiments/restore", {"experiment_id": "1"}),
        ("POST", ROOT + "experiments/update", {"experiment_id": "1", "new_name": "new"}),
        ("POST", ROOT + "experiments/set-experiment-tag", {"experiment_id": "1", "key": "k", "value": "5"}),
        ("POST", ROOT + "experiments/delete-experiment-tag", {"experiment_id": "1", "key": "k"}),
        ("POST", ROOT + "runs/delete", {"run_id": "r"}),
        ("POST", ROOT + "runs/restore", {"run_id": "r"}),
        ("POST", ROOT + "runs/delete-tag", {"run_id": "r", "key": "k"}),
    ]


def test_a_new_experiment(scripted):
    client, transport = scripted({"experiment_id": "5"}, {"experiment_id": "6"})
    assert client.create_experiment("n", "file:///a", {"k": 1}) == "5"
    assert client.create_experiment("m") == "6"
    assert [body for _, _, body in transport.sent] == [
        {"name": "n", "artifact_location": "file:///a", "tags": [{"key": "k", "value": "1"}]},
        {"name": "m"},
    ]


@pytest.mark.parametrize("name", ["", "  ", None, 5])
def test_an_experiment_without_a_name_is_refused(scripted, name):
    client, transport = scripted()
    with pytest.raises(MisuseError, match="needs a name"):
        client.create_experiment(name)
    assert transport.sent == []


def test_an_experiment_whose_answer_got_lost_is_found_again(scripted):
    client, transport = scripted(LOST, TAKEN, {"experiment": {"experiment_id": "5", "name": "n"}})
    assert client.create_experiment("n") == "5"
    assert [path for _, path, _ in transport.sent] == [
        ROOT + "experiments/create",
        ROOT + "experiments/create",
        ROOT + "experiments/get-by-name",
    ]


@pytest.mark.parametrize("first", [Unsent("connection refused"), Answer(429, {})])
def test_a_name_that_was_taken_before_is_an_error(scripted, first):
    client, _ = scripted(first, TAKEN)
    with pytest.raises(ServerError, match="RESOURCE_ALREADY_EXISTS 400: name is taken"):
        client.create_experiment("n")


def test_a_tag_that_is_not_there_cannot_be_taken_away(scripted):
    client, _ = scripted(GONE)
    with pytest.raises(NotFoundError, match="tag 'k' of run r: not there"):
        client.delete_tag("r", "k")


def test_a_tag_whose_removal_was_not_answered_is_gone(scripted):
    client, transport = scripted(Answer(503, {}), GONE)
    client.delete_tag("r", "k")
    assert len(transport.sent) == 2


def test_a_status_and_a_name_leave_the_rest_of_a_run_as_it_is(scripted):
    run = {"run": {"info": {"run_id": "r", "status": "FINISHED", "end_time": 9}}}
    client, transport = scripted(run, {}, run, {})
    client.update_run("r", status="FAILED")
    client.update_run("r", name="better")
    client.update_run("r")
    changes = [body for method, _, body in transport.sent if method == "POST"]
    assert changes == [
        {"run_id": "r", "status": "FAILED", "end_time": 9},
        {"run_id": "r", "status": "FINISHED", "end_time": 9, "run_name": "better"},
    ]


def test_a_status_that_nobody_knows_is_refused(scripted):
    client, transport = scripted()
    with pytest.raises(MisuseError, match="RunStatus has no 'DONE'"):
        client.update_run("r", status="DONE")
    assert transport.sent == []
