"""Logged models in the store: made once, finished, tagged, searched, with their files, metrics and runs."""

from __future__ import annotations

from typing import Any

import pytest

from fitscribe.store import Store

KEY = "m-" + "a" * 32


@pytest.fixture
def call(store: Store) -> Any:
    """Ask about models: the answer, or (status, error code)."""

    def ask(method: str, tail: str = "", **body: Any) -> Any:
        status, answer = store.handle(method, f"/api/2.0/mlflow/logged-models{tail}", body)
        return answer if status == 200 else (status, answer["error_code"])

    return ask


@pytest.fixture
def made(call: Any) -> Any:
    """Make a model; its info."""

    def create(**body: Any) -> dict[str, Any]:
        return call("POST", **{"experiment_id": "0", "name": "model", **body})["model"]["info"]

    return create


def names(answer: dict[str, Any]) -> list[str]:
    return [each["info"]["name"] for each in answer.get("models", [])]


def test_a_model_with_our_key_is_made_once_under_that_id(call, made):
    tags = [{"key": "fitscribe.model_key", "value": KEY}, {"key": "t", "value": "1"}]
    first = made(source_run_id="r", params=[{"key": "C", "value": "1"}], tags=tags)
    assert made(tags=tags) == first
    assert (first["model_id"], first["status"]) == (KEY, "LOGGED_MODEL_PENDING")
    assert first["artifact_uri"].endswith(f"/artifacts/0/models/{KEY}/artifacts")
    assert names(call("POST", "/search", experiment_ids=["0"])) == ["model"]
    assert call("GET", f"/{KEY}")["model"]["data"] == {"params": [{"key": "C", "value": "1"}]}


def test_without_a_key_each_is_another_one_and_without_a_name_it_gets_one(call, made):
    assert made()["model_id"] != made()["model_id"]
    assert made(name=None)["name"]


@pytest.mark.parametrize("name", ["a/b", "a:b", "a.b", "a%", 'a"', "a'"])
def test_a_name_with_signs_of_a_uri_is_refused(call, name):
    assert call("POST", experiment_id="0", name=name) == (400, "INVALID_PARAMETER_VALUE")


def test_it_is_finished_tagged_and_given_params(call, made):
    model = made()["model_id"]
    assert call("PATCH", f"/{model}", model_id=model, status="LOGGED_MODEL_READY")["model"]["info"]["status"] == (
        "LOGGED_MODEL_READY"
    )
    assert call("PATCH", f"/{model}", status=3)["model"]["info"]["status"] == "LOGGED_MODEL_UPLOAD_FAILED"
    assert call("PATCH", f"/{model}", status="DONE") == (400, "INVALID_PARAMETER_VALUE")
    assert call("PATCH", f"/{model}/tags", tags=[{"key": "a b", "value": "1"}, {"key": "c", "value": "2"}]) == {}
    assert call("DELETE", f"/{model}/tags/a%20b") == {}
    assert call("DELETE", f"/{model}/tags/a%20b") == (404, "RESOURCE_DOES_NOT_EXIST")
    for _ in range(2):
        assert call("POST", f"/{model}/params", params=[{"key": "p", "value": "1"}]) == {}
    assert call("POST", f"/{model}/params", params=[{"key": "p", "value": "2"}]) == (400, "INVALID_PARAMETER_VALUE")
    found = call("GET", f"/{model}")["model"]
    assert (found["info"]["tags"], found["data"]["params"]) == (
        [{"key": "c", "value": "2"}],
        [{"key": "p", "value": "1"}],
    )


def test_a_deleted_one_is_gone_to_all_but_deleting(call, made):
    model = made()["model_id"]
    for _ in range(2):
        assert call("DELETE", f"/{model}") == {}
    for method, tail in (("GET", ""), ("PATCH", "/tags"), ("POST", "/params")):
        assert call(method, f"/{model}{tail}") == (404, "RESOURCE_DOES_NOT_EXIST")
    assert call("POST", "/search", experiment_ids=["0"]) == {}
    assert call("DELETE", "/m-nothing") == (404, "RESOURCE_DOES_NOT_EXIST")


def test_metrics_belong_to_it_and_to_the_run_and_an_unknown_model_loses_none(call, made, post, new_run, points):
    run, model = new_run(), made()["model_id"]
    point = {"key": "acc", "value": 0.5, "timestamp": 5, "step": 1, "dataset_name": "d", "dataset_digest": "x"}
    for _ in range(2):
        assert post("runs/log-batch", run_id=run, metrics=[{**point, "model_id": model}]) == {}
    assert post("runs/log-metric", run_id=run, key="nan", value="NaN", timestamp=1, model_id=model) == {}
    assert post("runs/log-metric", run_id=run, key="lost", value=1, timestamp=1, model_id="m-unknown") == {}
    found = call("GET", f"/{model}")["model"]["data"]["metrics"]
    assert found[0] == {**point, "model_id": model, "run_id": run}
    assert [(each["key"], each["value"]) for each in found] == [("acc", 0.5), ("nan", "NaN")]
    assert points(run, "acc") == [(0.5, 5, 1)]
    assert points(run, "lost") == [(1.0, 1, 0)]


def test_a_run_shows_the_models_that_it_made(made, post, get, new_run):
    run, model = new_run(), made()["model_id"]
    for _ in range(2):
        assert post("runs/outputs", run_id=run, models=[{"model_id": model, "step": 3}]) == {}
    assert get("runs/get", run_id=run)["run"]["outputs"] == {"model_outputs": [{"model_id": model, "step": 3}]}
    assert post("runs/outputs", run_id=run, models=[{"model_id": "m-x"}]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_its_files_lie_below_its_own_folder_and_nowhere_else(store, call, made):
    model = made()["model_id"]
    route = f"/api/2.0/mlflow-artifacts/artifacts/0/models/{model}/artifacts"
    assert store.handle("PUT", f"{route}/sub/a.txt", b"hi")[0] == 200
    status, file = store.handle("GET", f"{route}/sub/a.txt")
    assert (status, file.read_bytes()) == (200, b"hi")
    listed = call("GET", f"/{model}/artifacts/directories", artifact_directory_path="sub")
    assert listed["files"] == [{"path": "sub/a.txt", "is_dir": False, "file_size": 2}]
    assert call("GET", f"/{model}/artifacts/directories")["files"] == [{"path": "sub", "is_dir": True}]
    assert call("GET", f"/{model}/artifacts/files", artifact_file_path="sub/a.txt") == file
    for path in ("../../x", "..%2Fx", "%2e%2e/x"):
        assert store.handle("PUT", f"{route}/{path}", b"no")[0] == 400
    assert call("GET", f"/{model}/artifacts/files", artifact_file_path="../x") == (400, "INVALID_PARAMETER_VALUE")
    assert store.handle("PUT", route.replace(model, "m-unknown") + "/a", b"no")[0] == 404


@pytest.fixture
def three(made, post, new_run) -> dict[str, str]:
    """Models by name, with metrics on datasets."""
    run, found = new_run(), {}
    for name, value, dataset in (("low", 0.25, "d"), ("high", 0.75, "e"), ("none", None, "")):
        found[name] = made(name=name, source_run_id=run, params=[{"key": "kind", "value": name}])["model_id"]
        point = {"key": "acc", "value": value, "timestamp": 1, "model_id": found[name], "dataset_name": dataset}
        if value is not None:
            post("runs/log-batch", run_id=run, metrics=[point])
    return {**found, "run": run}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ["none", "high", "low"]),
        ("metrics.acc > 0.5", ["high"]),
        ("name LIKE 'l%'", ["low"]),
        ("params.kind != 'low' AND attributes.status = 'PENDING'", ["none", "high"]),
        ("status = 'LOGGED_MODEL_READY'", []),
        ("creation_timestamp > 0 AND params.kind = 'none'", ["none"]),
    ],
)
def test_a_search_finds_by_metrics_params_and_attributes_the_newest_first(call, three, words, expected):
    assert names(call("POST", "/search", experiment_ids=["0"], filter=words)) == expected


def test_a_search_sorts_and_pages_and_looks_at_datasets(call, three):
    order = [{"field_name": "metrics.acc", "ascending": False}]
    assert names(call("POST", "/search", experiment_ids=["0"], order_by=order)) == ["high", "low", "none"]
    order = [{"field_name": "name"}]
    page = call("POST", "/search", experiment_ids=["0"], order_by=order, max_results=2)
    assert names(page) == ["high", "low"]
    token = page["next_page_token"]
    assert names(call("POST", "/search", experiment_ids=["0"], order_by=order, page_token=token)) == ["none"]
    on = {"experiment_ids": ["0"], "filter": "metrics.acc > 0", "datasets": [{"dataset_name": "d"}]}
    assert names(call("POST", "/search", **on)) == ["low"]
    assert names(call("POST", "/search", experiment_ids=["0"], filter=f"source_run_id = '{three['run']}'"))
    assert call("POST", "/search", experiment_ids=["0"], order_by=[{"field_name": "zzz"}])[0] == 400
    assert call("POST", "/search", experiment_ids=["0"], filter="foo.x = 1")[0] == 400
    assert call("POST", "/search")[0] == 400


def test_a_version_of_a_registered_model_stands_in_the_models_tags(store, call, made, post):
    model = made()["model_id"]
    post("registered-models/create", name="digits")
    for _ in range(2):
        post("model-versions/create", name="digits", source=f"models:/{model}", model_id=model)
    [tag] = call("GET", f"/{model}")["model"]["info"]["tags"]
    assert tag == {
        "key": "mlflow.modelVersions",
        "value": '[{"name": "digits", "version": 1}, {"name": "digits", "version": 2}]',
    }
