"""A store in an empty folder, and short ways to talk to it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fitscribe.store import Store

Call = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def fresh(folder: Path) -> Iterator[Store]:
    """A store whose folder is not there yet."""
    store = Store(folder)
    yield store
    store.close()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory) -> Path:
    """The folder of a store that was opened once: migrating takes longer than most tests."""
    folder: Path = tmp_path_factory.mktemp("migrated") / "store"
    store = Store(folder)
    assert store.handle("GET", "/api/2.0/mlflow/experiments/get", {"experiment_id": "0"})[0] == 200
    store.close()
    return folder


@pytest.fixture
def store(fresh: Store, folder: Path, migrated: Path) -> Store:
    shutil.copytree(migrated, folder)
    return fresh


@pytest.fixture
def post(store: Store) -> Call:
    """POST to the store; the answer of a call that works, or (status, error code) of one that does not."""
    return lambda tail, **body: _said(store.handle("POST", f"/api/2.0/mlflow/{tail}", body))


@pytest.fixture
def get(store: Store) -> Call:
    """GET from the store, with a query as it comes out of a URL."""
    return lambda tail, **query: _said(store.handle("GET", f"/api/2.0/mlflow/{tail}", query))


@pytest.fixture
def refusal(store: Store) -> Call:
    """POST what is refused; the message."""

    def call(tail: str, **body: Any) -> str:
        status, answer = store.handle("POST", f"/api/2.0/mlflow/{tail}", body)
        assert status == 400
        assert answer["error_code"] == "INVALID_PARAMETER_VALUE"
        return answer["message"]

    return call


@pytest.fixture
def new_run(post: Call) -> Call:
    """Create a run; its id."""

    def create(**body: Any) -> str:
        return post("runs/create", **{"experiment_id": "0", "start_time": 1, **body})["run"]["info"]["run_id"]

    return create


@pytest.fixture
def data(get: Call) -> Call:
    """What a run has: its metrics as (value, timestamp, step), params and tags by key."""

    def read(run_id: str) -> dict[str, dict[str, Any]]:
        found = get("runs/get", run_id=run_id)["run"]["data"]
        metrics = {item["key"]: (item["value"], item["timestamp"], item["step"]) for item in found.get("metrics", [])}
        texts = {name: {item["key"]: item["value"] for item in found.get(name, [])} for name in ("params", "tags")}
        texts["tags"].pop("mlflow.runName")
        return {"metrics": metrics, **texts}

    return read


@pytest.fixture
def points(get: Call) -> Call:
    """The history of a metric as (value, timestamp, step)."""

    def read(run_id: str, key: str) -> list[tuple[Any, int, int]]:
        answer = get("metrics/get-history", run_id=run_id, metric_key=key)
        return [(item["value"], item["timestamp"], item["step"]) for item in answer.get("metrics", [])]

    return read


def _said(answer: tuple[int, Any]) -> Any:
    status, body = answer
    return body if status == 200 else (status, body["error_code"])
