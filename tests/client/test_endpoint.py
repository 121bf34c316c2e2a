"""Patience and its limit, and what refusals say."""

from __future__ import annotations

import time

import pytest

from fitscribe.client import Client
from fitscribe.config import configure
from fitscribe.errors import NotFoundError, ServerError, TransportError
from fitscribe.reading import endpoint
from fitscribe.reading.endpoint import Deadline
from fitscribe.testing.endpoint import Endpoint
from fitscribe.transport import Answer, Unsent

REQUEST = "GET /api/2.0/mlflow/runs/get"
RUN = {"run": {"info": {"run_id": "r"}}}


@pytest.mark.parametrize(
    "trouble",
    [
        Unsent("refused"),
        TransportError("broke"),
        *(Answer(status, b"") for status in (408, 425, 429, 500, 502, 503, 504)),
    ],
)
def test_what_may_pass_is_tried_again(scripted, trouble):
    client, transport = scripted(trouble, RUN)
    assert client.get_run("r").info.run_id == "r"
    assert len(transport.sent) == 2


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (
            Answer(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "bad id"}),
            ServerError,
            "INVALID_PARAMETER_VALUE 400: bad id",
        ),
        (
            Answer(500, {"error_code": "INVALID_STATE", "message": "it is deleted"}),
            ServerError,
            "INVALID_STATE 500: it is deleted",
        ),
        (
            Answer(404, b"<!doctype html><html><title>404  Not\nFound</title>"),
            ServerError,
            f"HTTP 404: this does not look like a tracking server: http://tracking.test answered {REQUEST} with the "
            "web page '404 Not Found'. Check host and port, and the path prefix if the server runs under one "
            "(http://host:port/prefix)",
        ),
        (
            Answer(200, b"<html>welcome"),
            ServerError,
            f"HTTP 200: this does not look like a tracking server: http://tracking.test answered {REQUEST} with a "
            "web page. Check host and port, and the path prefix if the server runs under one (http://host:port/prefix)",
        ),
        (
            Answer(404, {"error_code": "ENDPOINT_NOT_FOUND", "message": "no such route"}),
            ServerError,
            f"ENDPOINT_NOT_FOUND 404: http://tracking.test does not have {REQUEST}: no such route",
        ),
        (
            Answer(401, b"You are not authenticated."),
            ServerError,
            f"HTTP 401: http://tracking.test refused the credentials of {REQUEST} (You are not authenticated.); set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, or ask who runs the "
            "server for the permission",
        ),
        (Answer(422, {"detail": "odd"}), ServerError, f"HTTP 422: http://tracking.test answered {REQUEST} with: odd"),
        (
            Answer(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Run with id=r not found"}),
            NotFoundError,
            "Run with id=r not found",
        ),
    ],
)
def test_what_is_refused_for_good_is_said_once_and_plainly(scripted, answer, error, words):
    client, transport = scripted(answer)
    with pytest.raises(error) as raised:
        client.get_run("r")
    assert str(raised.value) == words
    assert len(transport.sent) == 1


def test_an_endpoint_that_keeps_failing_is_given_up_in_time(scripted):
    configure(read_timeout=0.5)
    client, transport = scripted(*[Answer(503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "busy"})] * 50)
    began = time.monotonic()
    with pytest.raises(TransportError) as raised:
        client.get_run("r")
    assert time.monotonic() - began < 0.6
    assert 2 <= len(transport.sent) <= 6
    assert str(raised.value) == (
        f"http://tracking.test gave no answer to {REQUEST} within 0.5 s: HTTP 503 TEMPORARILY_UNAVAILABLE busy. Check "
        "that MLFLOW_TRACKING_URI or FITSCRIBE_TRACKING_URI names a server that runs. (FITSCRIBE_READ_TIMEOUT sets how "
        "many seconds a read may wait.)"
    )


def test_a_server_that_asks_to_stay_away_for_an_hour_is_not_waited_for(scripted):
    client, transport = scripted(Answer(429, {}, {"Retry-After": "3600"}))
    began = time.monotonic()
    with pytest.raises(TransportError) as raised:
        client.get_run("r")
    assert (time.monotonic() - began < 0.5, raised.value.wait, len(transport.sent)) == (True, 3600, 1)


def test_a_wait_that_was_asked_for_is_kept():
    deadline = Deadline(0.3)
    began = time.monotonic()
    assert deadline.pause(0, 0.2)
    assert time.monotonic() - began >= 0.2
    assert not deadline.pause(0, 0.2)


def test_a_server_that_never_answers_is_left_in_time():
    configure(read_timeout=0.6)
    with Endpoint() as server:
        server.trouble("hang", times=9)
        began = time.monotonic()
        with pytest.raises(TransportError, match=r"within 0\.6 s: connected, but no answer"):
            Client(server.uri).get_run("a" * 32)
        assert time.monotonic() - began < 1.4
        endpoint.close_transports()


def test_a_server_that_is_gone_is_named_without_its_password():
    configure(read_timeout=0.2)
    with pytest.raises(TransportError) as raised:
        Client("http://kim:secret@127.0.0.1:1").get_run("a" * 32)
    assert str(raised.value).startswith(
        f"http://127.0.0.1:1 gave no answer to {REQUEST} within 0.2 s: connection refused"
    )
    assert "secret" not in str(raised.value)


def test_another_kind_of_server_is_recognised():
    with Endpoint() as server:
        server.trouble("html")
        with pytest.raises(ServerError, match=r"this does not look like a tracking server.*'Something else'"):
            Client(server.uri).get_run("a" * 32)
        endpoint.close_transports()


def test_clients_of_one_endpoint_share_its_connections():
    one, other = Client("http://tracking.test:1"), Client("http://tracking.test:1/")
    assert one.endpoint.transport is other.endpoint.transport
    assert Client("http://tracking.test:2").endpoint.transport is not one.endpoint.transport


def test_a_credential_that_is_set_later_is_used():
    with Endpoint() as server:
        configure(tracking_uri=server.uri)
        Client().get_experiment_by_name("Default")
        configure(tracking_token="t0ken")
        Client().get_experiment_by_name("Default")
        endpoint.close_transports()
    assert [request.headers.get("Authorization") for request in server.requests] == [None, "Bearer t0ken"]
