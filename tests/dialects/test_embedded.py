"""The same records to the embedded store, in this process."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fitscribe.config import canonical_uri
from fitscribe.dialects import Address, AddressBook, Parcel, dialect_for
from fitscribe.dialects.mlflow import MLflow
from fitscribe.records import Artifact, DatasetUsed, Metrics, Params, RunEnded, RunStarted, Tags
from fitscribe.transport.local import Local

RUN, CHILD = "a" * 32, "b" * 32


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MLflow]:
    opened = MLflow(Local(tmp_path / "store"), canonical_uri(tmp_path / "store"))
    yield opened
    opened.close()


@pytest.fixture
def pack(tmp_path: Path) -> Callable[..., Parcel]:
    uri = canonical_uri(tmp_path / "store")
    book = AddressBook([Address(RUN, uri, RUN), Address(CHILD, uri, CHILD)])
    return lambda run, *records: Parcel(run, uri, records, book, [tmp_path])


def test_a_run_keeps_its_id_and_has_all_that_was_said(
    store: MLflow, pack: Callable[..., Parcel], tmp_path: Path
) -> None:
    (tmp_path / "snapshot").write_bytes(b"content")
    sent = pack(
        RUN,
        RunStarted(RUN, 1000, "file:///", "fit", experiment="new", tags={"mlflow.user": "ada"}),
        Params(RUN, 1001, {"lr": "0.1"}),
        Metrics(RUN, 1002, 3, {"loss": 0.5, "odd": math.nan}),
        Tags(RUN, 1003, {"stage": "one"}),
        DatasetUsed(RUN, 1004, "iris", "abc", context="train"),
        Artifact(RUN, 1005, "a b/é.txt", "snapshot"),
        RunEnded(RUN, 1006, "FINISHED"),
    )
    store.write(sent)
    assert sent.refused == []
    found = store.calls.need("GET", "runs/get", {"run_id": RUN})["run"]
    assert {name: found["info"][name] for name in ("run_id", "run_name", "status", "start_time", "end_time")} == {
        "run_id": RUN,
        "run_name": "fit",
        "status": "FINISHED",
        "start_time": 1000,
        "end_time": 1006,
    }
    assert found["data"]["params"] == [{"key": "lr", "value": "0.1"}]
    assert sorted((m["key"], m["value"], m["step"], m["timestamp"]) for m in found["data"]["metrics"]) == [
        ("loss", 0.5, 3, 1002),
        ("odd", "NaN", 3, 1002),
    ]
    (file,) = (path for path in (tmp_path / "store").rglob("*") if path.name == "é.txt")
    assert (file.read_bytes(), file.parent.name, file.parents[2].name) == (b"content", "a b", RUN)


def test_a_run_that_is_created_twice_is_one_run(store: MLflow, pack: Callable[..., Parcel]) -> None:
    started = RunStarted(RUN, 1000, "file:///", "fit")
    store.write(pack(RUN, started))
    store.write(pack(RUN, started, Params(RUN, 1001, {"a": "1"})))
    store.write(pack(CHILD, RunStarted(CHILD, 1002, "file:///", "child", parent=RUN)))
    runs = store.calls.need("POST", "runs/search", {"experiment_ids": ["0"], "max_results": 10})["runs"]
    parents = {
        run["info"]["run_id"]: [tag["value"] for tag in run["data"]["tags"] if tag["key"] == "mlflow.parentRunId"]
        for run in runs
    }
    assert parents == {CHILD: [RUN], RUN: []}


def test_each_uri_has_one_dialect(tmp_path: Path) -> None:
    uri = canonical_uri(tmp_path / "store")
    assert dialect_for(uri) is dialect_for(uri)
    assert (dialect_for(uri).parallel, dialect_for("http://127.0.0.1:1").parallel) == (1, 8)
