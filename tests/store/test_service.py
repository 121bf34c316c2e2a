"""The store as a whole: routes, answers to what is no request, trouble with the disk."""

from __future__ import annotations

import json
import sqlite3

import pytest

import fitscribe
from fitscribe.store.routes import ROUTES

INVALID, ABSENT = "INVALID_PARAMETER_VALUE", "ENDPOINT_NOT_FOUND"


def code(answer):
    status, body = answer
    return status, body["error_code"]


def test_the_store_is_well_and_says_its_version(fresh, folder):
    assert fresh.handle("GET", "/health") == (200, b"OK")
    assert fresh.handle("GET", "/version") == (200, fitscribe.__version__.encode())
    assert not folder.exists()  # until something needs the database


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/2.0/mlflow/traces", 404),
        ("PUT", "/api/2.0/mlflow/logged-models", 405),
        ("POST", "/api/2.0/mlflow/logged-models//tags", 404),
        ("GET", "/api/3.0/mlflow/server-info", 404),
        ("POST", "/api/2.0/preview/mlflow/runs/create", 404),
        ("POST", "/api/2.0/mlflow/runs/create/", 404),
        ("POST", "/mlflow/runs/create", 404),
        ("GET", "/", 404),
        ("GET", "", 404),
        ("POST", "/health", 404),
        ("GET", "/api/2.0/mlflow/runs/search", 405),
        ("POST", "/api/2.0/mlflow/runs/get", 405),
        ("POST", "/api/2.0/mlflow-artifacts/artifacts/0/x/artifacts/y", 405),
    ],
)
def test_a_route_that_is_not_there_is_told_as_json(store, method, path, status):
    assert code(store.handle(method, path, {})) == (status, ABSENT)


def test_the_web_pages_prefix_serves_the_same(store):
    made = store.handle("POST", "/ajax-api/2.0/mlflow/runs/create", {"experiment_id": "0"})[1]
    query = {"run_id": made["run"]["info"]["run_id"]}
    assert store.handle("GET", "/api/2.0/mlflow/runs/get", query) == (200, made)


@pytest.mark.parametrize("body", [[], [1], "text", 5, b"{}"])
def test_a_body_that_is_no_object_is_refused(store, body):
    assert code(store.handle("POST", "/api/2.0/mlflow/runs/create", body)) == (400, INVALID)


NONSENSE = [
    None,
    "",
    "x",
    "\ud800",
    "\x00",
    "NaN",
    -1,
    0,
    1.5,
    2**70,
    10**400,
    float("nan"),
    True,
    [],
    [[]],
    [None],
    {},
    {"key": []},
]
FIELDS = (
    "name artifact_location tags experiment_id experiment_name new_name key value run_id run_uuid run_name user_id "
    "start_time end_time status metrics params datasets models timestamp step filter order_by max_results page_token "
    "view_type run_view_type experiment_ids metric_key run_ids start_step end_step path model_json"
)


@pytest.mark.parametrize("value", NONSENSE, ids=ascii)
def test_nonsense_in_any_field_of_any_route_is_an_answer(store, new_run, value):
    good = {"experiment_id": "0", "run_id": new_run(), "key": "k", "value": "1", "timestamp": 1, "metric_key": "k"}
    for path, handlers in ROUTES.items():
        for field in FIELDS.split():
            for method in handlers:
                status, body = store.handle(method, f"/api/2.0/{path}", {**good, "name": "n", field: value})
                assert status in (200, 400, 404), (path, field, body)
                json.dumps(body, allow_nan=False)


@pytest.mark.parametrize("kind", ["metrics", "params", "tags", "datasets", "models"])
@pytest.mark.parametrize("value", NONSENSE, ids=ascii)
def test_nonsense_in_a_list_is_an_answer(store, new_run, kind, value):
    run = new_run()
    for item in (
        {"key": value, "value": "1"},
        {"key": "k", "value": value},
        {"dataset": value},
        {"tags": [value]},
        value,
    ):
        for tail in ("log-batch", "log-inputs", "create"):
            body = {"run_id": run, "experiment_id": "0", kind: [item]}
            assert store.handle("POST", f"/api/2.0/mlflow/runs/{tail}", body)[0] in (200, 400)


def test_a_locked_database_is_trouble_that_passes(store, post, folder, monkeypatch):
    post("experiments/create", name="one")
    store.close()
    monkeypatch.setattr("fitscribe.store.sqlite.PATIENCE", 0.05)
    other = sqlite3.connect(folder / "fitscribe.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert post("experiments/create", name="two") == (503, "TEMPORARILY_UNAVAILABLE")
    assert post("experiments/search", max_results=5)["experiments"][0]["name"] == "one"  # readers do not wait
    other.execute("ROLLBACK")
    other.close()
    assert post("experiments/create", name="two") == {"experiment_id": "2"}


def test_a_full_disk_is_trouble_that_passes_and_leaves_nothing_half(store, post, points, new_run):
    run = new_run()
    with store._database.writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    metrics = [{"key": f"m{n}", "value": n, "timestamp": n} for n in range(1000)]
    for _ in range(2):
        assert post("runs/log-batch", run_id=run, metrics=metrics) == (503, "TEMPORARILY_UNAVAILABLE")
    assert points(run, "m1") == []
    store.close()
    assert post("runs/log-batch", run_id=run, metrics=metrics) == {}
    assert points(run, "m1") == [(1.0, 1, 0)]


def test_a_file_in_the_folders_place_is_trouble(fresh, folder):
    folder.write_text("mine")
    status, body = fresh.handle("GET", "/api/2.0/mlflow/experiments/get", {"experiment_id": "0"})
    assert (status, body["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert str(folder) in body["message"]


def test_a_database_that_is_none_is_trouble_for_good(fresh, folder):
    folder.mkdir()
    (folder / "fitscribe.db").write_bytes(b"no database at all" * 100)
    assert code(fresh.handle("GET", "/api/2.0/mlflow/experiments/get", {"experiment_id": "0"})) == (
        500,
        "INTERNAL_ERROR",
    )


def test_trouble_tells_nothing_of_statements_and_values(store, post, folder, new_run):
    run = new_run()
    with store._database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE dataset_tags")
    status, body = store.handle("GET", "/api/2.0/mlflow/runs/get", {"run_id": run})
    assert (status, body) == (
        500,
        {"error_code": "INTERNAL_ERROR", "message": "the store's database: no such table: dataset_tags"},
    )
