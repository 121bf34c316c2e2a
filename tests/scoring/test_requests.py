"""What a client sends and what it gets: predictions, or an error that says what to do."""

from __future__ import annotations

import json
import logging
import math
import socket
import time

import pytest

from fitscribe.errors import MisuseError


def message(answer) -> str:
    assert answer.kind == "application/json"
    found = json.loads(answer.body)
    assert set(found) == {"error_code", "message"}
    assert "Traceback" not in found["message"]
    return found["message"]


def test_a_request_gets_its_predictions(serve):
    answer = serve(lambda data, params: [2 * each for each in data]).predict([1, 2.5])
    assert (answer.status, answer.kind, answer.body) == (200, "application/json", b'{"predictions": [2, 5.0]}')


def test_params_reach_the_model(serve):
    assert serve(lambda data, params: params).predict([1], params={"k": [1]}).body == b'{"predictions": {"k": [1]}}'


def test_a_chat_request_gets_a_bare_answer(serve):
    place = serve(lambda data, params: {"asked": data}, {"is_signature_from_type_hint": False})
    answer = place.predict(raw=b'{"messages": [{"role": "user", "content": "hi"}]}')
    assert answer.body == b'{"asked": {"messages": [{"role": "user", "content": "hi"}]}}'


def test_a_probe_is_answered(echo):
    assert (echo.ask("GET", "/ping").status, echo.ask("GET", "/ping").body) == (200, b"\n")
    assert echo.ask("GET", "/health").body == b"\n"
    assert echo.ask("HEAD", "/ping").status == 200
    assert echo.ask("GET", "/version").body == b"1.2.3"


def test_a_wrong_address_or_method_is_said(echo):
    assert (echo.ask("POST", "/predict").status, echo.ask("GET", "/invocations").status) == (404, 405)
    assert echo.ask("POST", "/predict").body == b'{"detail":"Not Found"}'


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (None, "send application/json, text/csv"),
        ("", "send application/json, text/csv"),
        ("text/plain", "'text/plain': send"),
        ("application/json; charset=latin-1", "must be UTF-8"),
        ("application/json; format=pandas-split", "format is not understood; the form of the data is said by its key"),
        ("multipart/form-data; boundary=x", "boundary is not understood"),
        (";;;", "send application/json"),
    ],
)
def test_a_content_type_that_cannot_be_read_is_refused(echo, kind, words):
    answer = echo.predict([1], kind)
    assert answer.status == 415
    assert words in message(answer)


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON", "application/json; charset=UTF-8", 'application/json;charset="utf8";'],
)
def test_a_content_type_may_be_written_in_many_ways(echo, kind):
    assert echo.predict([1], kind).status == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body is no JSON"),
        (b" \n", "the body is no JSON"),
        (b'{"inputs": [1', "the body is no JSON"),
        (b'{"inputs": ["\xff"]}', "the body is no JSON: 'utf-8' codec"),
        (b"[" * 200_000, "nests deeper"),
        (b'{"inputs": ' + b"[" * 200_000, "nests deeper"),
        (b"[[1, 2]]", "the body is a list; send an object with one of the keys dataframe_split"),
        (b"null", "the body is null"),
        (b"{}", "this one has none"),
        (b'{"columns": ["a"], "data": [[1]]}', "this one has 'columns', 'data'"),
        (b'{"inputs": 1, "instances": 1}', "this one has 'inputs', 'instances'"),
        (b'{"inputs": 1, "params": [1]}', "params is a list"),
        (b'{"instances": 1}', "send its data under the key inputs, not instances"),
        (b'{"' + b"k" * 100_000 + b'": 1}', "with exactly one of the keys"),
    ],
)
def test_a_body_that_asks_nothing_is_refused(echo, body, words):
    answer = echo.predict(raw=body)
    assert answer.status == 400
    assert words in message(answer)
    assert len(answer.body) < 5000


def test_an_error_of_the_signature_names_the_column_and_is_a_400(serve):
    def predict(data, params):
        raise MisuseError("column 'age' is missing")

    answer = serve(predict).predict([1])
    assert (answer.status, json.loads(answer.body)) == (
        400,
        {"error_code": "INVALID_PARAMETER_VALUE", "message": "column 'age' is missing"},
    )


@pytest.mark.swallows
def test_an_error_of_the_model_is_told_without_its_traceback(serve, caplog):
    def predict(data, params):
        raise ZeroDivisionError("division by zero, in the model" + "!" * 10_000)

    answer = serve(predict).predict([1])
    assert answer.status == 400
    assert message(answer).startswith("the model raised ZeroDivisionError: division by zero, in the model!")
    assert len(answer.body) < 3000
    [record] = [each for each in caplog.records if each.name == "fitscribe" and each.levelno == logging.ERROR]
    assert record.exc_info[0] is ZeroDivisionError


@pytest.mark.swallows
@pytest.mark.parametrize("leave", [SystemExit(2), SystemExit("bye")])
def test_a_model_that_leaves_the_process_ends_its_request_alone(serve, leave):
    def predict(data, params):
        if data == "leave":
            raise leave
        return data

    place = serve(predict, threads=1)
    assert "sys.exit" in message(place.predict("leave"))
    assert place.predict("stay").body == b'{"predictions": "stay"}'


def test_an_answer_that_has_no_json_is_a_500(serve):
    answer = serve(lambda data, params: {1, 2}).predict([1])
    assert answer.status == 500
    assert "the model's answer, a set, cannot be written as JSON: set is no type of JSON's" in message(answer)


def test_an_answer_that_holds_itself_is_a_500(serve):
    def predict(data, params):
        data.append(data)
        return data

    assert serve(predict).predict([1]).status == 500


def test_what_is_no_number_comes_as_mlflow_sends_it(serve):
    answer = serve(lambda data, params: [math.nan, math.inf, -math.inf]).predict([1])
    assert answer.body == b'{"predictions": [NaN, Infinity, -Infinity]}'


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(serve):
    place = serve(limit=1000)
    with socket.create_connection(("127.0.0.1", place.port), 20) as line:
        head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        line.sendall(head + b"Content-Length: 99999999999\r\n\r\n")
        answer = b"".join(iter(lambda: line.recv(10_000), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"larger than 1,000 bytes" in answer


def test_a_body_without_a_length_is_counted_as_it_comes(serve):
    place = serve(limit=1000)
    kind = {"content-type": "application/json"}
    small = place.ask("POST", "/invocations", iter([b'{"inputs"', b": [1]}"]), kind, encode_chunked=True)
    assert small.body == b'{"predictions": [1]}'
    with socket.create_connection(("127.0.0.1", place.port), 20) as line:
        head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        line.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"x" * 2000)
        assert line.recv(10_000).startswith(b"HTTP/1.1 413 ")


def test_a_slow_body_has_its_time(serve):
    place = serve(seconds=0.3)
    with socket.create_connection(("127.0.0.1", place.port), 20) as line:
        head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        began = time.monotonic()
        line.sendall(head + b"Content-Length: 100\r\n\r\n{")
        assert line.recv(10_000).startswith(b"HTTP/1.1 504 ")
        assert time.monotonic() - began < 10


def test_a_client_that_goes_away_leaves_no_trace(serve, caplog):
    place = serve()
    with socket.create_connection(("127.0.0.1", place.port), 20) as line:
        head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        line.sendall(head + b"Content-Length: 100\r\n\r\n{")
    time.sleep(0.1)
    assert place.predict([1]).status == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
