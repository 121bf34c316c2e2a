"""One request to MLflow's scoring server and to ours: the same answer, byte for byte, or a known reason why not."""

from __future__ import annotations

import json
import re

import pytest

from integration.scoring.requests import TABLE

STRICTER = {
    "does not fit into": "MLflow makes 1 of 1.5, and True of 'no'",
    "is no CSV with a header: rows have more cells": "MLflow takes a first cell for a row's name, and shifts the rest",
    "has one value in each row, and there is a list in each": "MLflow hands on a list as a value",
    "params is a ": "MLflow ignores params that are none where the model takes none",
    "asks for string; row 0 holds": "MLflow hands on a number as a text",
    "none of which has a name": "MLflow drops columns that are too many",
    "the tensor 'a' is object": "MLflow makes a tensor of the lists in a column",
}
"""Words of ours: what MLflow lets pass, and how."""

MORE = {
    "Integer column has NA": "integers may be missing",
    "non-finite values": "integers may be missing",
    "Handling Integers With Missing Values": "integers may be missing",
    "int\\(\\) argument must be": "integers may be missing",
    "encoding without a string": "bytes may be missing",
    "timezone-aware dtype": "a time may name its zone",
    "Model is missing inputs .* extra inputs: \\[0\\]": "one value will do for one column",
    "you must pass an index": "one value will do for one column",
    "Can not safely convert int64 to float64": "integers are numbers",
    "len\\(\\) of unsized": "rows have no need of names where the signature has none",
    "only has 0 inputs": "no rows are rows",
    "an input of type <class 'list'>": "no rows are rows",
    "Expected list, but got dict": "a type hint is not enforced",
    "`2` with dtype `double`": "integers are numbers",
    "Invalid properties not defined": "what a signature does not know is left alone",
    "Data must be 1-dimensional": "a list is a value where the signature says so",
}
"""Words of MLflow's: what it refuses, and we do not."""

MORE_TYPES = ("application/json;", "APPLICATION/JSON", 'application/json; charset="utf-8"')
"""Content types that mean what they mean to everybody but MLflow."""

APART = {"nested", "params", "only params"}
"""Models whose answers may differ in how numbers inside objects and params are typed, and in the order of params."""


def words(answer) -> str:
    return json.loads(answer.body)["message"]


def alike(one, two) -> bool:
    """Whether the answers are the same; of errors, whether they have the same status."""
    return one.status == two.status and (one.status != 200 or (one.kind, one.body) == (two.kind, two.body))


def known(request, one, two) -> bool:
    """Whether it is known why MLflow answers one thing and we another."""
    if one.status == two.status:
        return request.model in APART
    if (one.status, two.status) == (200, 400):
        return any(each in words(two) for each in STRICTER)
    if (one.status, two.status) == (400, 200):
        return any(re.search(each, words(one)) for each in MORE)
    if one.status == 500:  # an answer with values that JSON does not know, or no content type at all
        return two.status == 200 if request.content_type else two.status == 415
    return one.status == 415 and request.content_type in MORE_TYPES


def test_every_request_of_the_table_has_the_same_answer(theirs, ours):
    same = 0
    for request in TABLE:
        path = f"/{request.model}/invocations"
        one = theirs.server.ask("POST", path, request.body, request.content_type)
        two = ours.ask("POST", path, request.body, request.content_type)
        same += alike(one, two)
        assert alike(one, two) or known(request, one, two), f"{request}\n{one}\n{two}"
    assert same > 0.85 * len(TABLE)


def test_no_answer_of_ours_holds_a_traceback(ours):
    for request in TABLE:
        answer = ours.ask("POST", f"/{request.model}/invocations", request.body, request.content_type)
        assert b"Traceback" not in answer.body
        assert b'File "' not in answer.body
        if answer.status != 200:
            assert set(json.loads(answer.body)) == {"error_code", "message"}


@pytest.mark.parametrize(
    ("model", "body", "column"),
    [
        ("numbers", {"dataframe_records": [{"x": 1}]}, "'n'"),
        ("numbers", {"dataframe_records": [{"x": "a", "n": 1}]}, "'x'"),
        ("numbers", {"dataframe_records": [{"x": 1, "n": 1.5}]}, "'n'"),
        ("numbers", {"inputs": {"x": [1.5], "n": [0.5]}}, "'n'"),
        ("tensors", {"inputs": {"a": [[1, 2]]}}, "'b'"),
        ("tensors", {"inputs": {"a": [[1, 2, 3]], "b": [1]}}, "'a'"),
        ("params", {"inputs": [1.5], "params": {"n": 1.5}}, "'n'"),
        ("regression", {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}}, "'c'"),
    ],
)
def test_what_does_not_fit_the_signature_is_a_400_that_names_the_column(ours, model, body, column):
    answer = ours.ask("POST", f"/{model}/invocations", json.dumps(body).encode(), "application/json")
    assert answer.status == 400
    assert column in words(answer)


def test_the_commands_of_both_answer_alike(start, theirs):
    model = theirs.folder / "regression"
    mlflow = start("mlflow", "models", "serve", "-m", model, "-p", "PORT", "--env-manager", "local")
    fitscribe = start("fitscribe", "models", "serve", "-m", model, "-p", "PORT", "--env-manager", "local").ready()
    mlflow.ready()
    for request in [each for each in TABLE if each.model == "regression"]:
        one, two = (
            server.ask("POST", "/invocations", request.body, request.content_type) for server in (mlflow, fitscribe)
        )
        assert one.status == two.status
        if one.status == 200:
            assert (one.kind, one.body) == (two.kind, two.body)
    for path in ("/ping", "/health"):
        one, two = (server.ask("GET", path) for server in (mlflow, fitscribe))
        assert (one.status, one.kind, one.body) == (two.status, two.kind, two.body)
    one, two = (server.ask("GET", "/version") for server in (mlflow, fitscribe))
    assert (one.status, one.kind) == (two.status, two.kind)
    assert one.body.count(b".") == two.body.count(b".") == 2
