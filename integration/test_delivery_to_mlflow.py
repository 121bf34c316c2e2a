"""Records through journal, shipper, dialect and HTTP to a real MLflow server, read back with MLflow's own client."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fitscribe.dialects import dialect_for
from fitscribe.records import (
    Artifact,
    DatasetUsed,
    Drawing,
    Lines,
    Metrics,
    ModelLogged,
    Params,
    RunEnded,
    RunResumed,
    RunStarted,
    Tags,
    new_id,
    now,
)
from fitscribe.shipping.shipper import Shipper

pytestmark = pytest.mark.server


@pytest.fixture
def shipper(tmp_path: Path) -> Iterator[Shipper]:
    opened = Shipper(tmp_path / "journal", dialect_for)
    yield opened
    opened.close()


@pytest.fixture
def theirs(mlflow_server: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(mlflow_server)


def begin(shipper: Shipper, uri: str, **fields: object) -> str:
    run = new_id()
    shipper.emit(RunStarted(**{"run": run, "at": now(), "to": uri, "experiment": "delivery", **fields}))  # type: ignore[arg-type]
    return run


def test_everything_a_run_says_is_read_back_by_mlflow(
    shipper: Shipper, mlflow_server: str, theirs: Any, tmp_path: Path
) -> None:
    at = now()
    run = begin(shipper, mlflow_server, name="whole", tags={"mlflow.user": "ada", "gone": "1"}, at=at)
    shipper.emit(Params(run, at, {f"p{i}": "v" * 10 for i in range(250)}))
    for step in range(2500):
        shipper.emit(Metrics(run, at + step, step, {"loss": step / 2}))
    shipper.emit(Metrics(run, at, -3, {"précision": 0.25, "odd": math.nan, "up": math.inf}))
    shipper.emit(Tags(run, at, {"stage": "done"}))
    shipper.emit(DatasetUsed(run, at, "iris", "abc123", context="train"))
    for path in ("a/b c/é.txt", "empty"):
        shipper.emit(Artifact(run, at, path, shipper.snapshot(b"" if path == "empty" else b"hello", path)))
    shipper.emit(Drawing(run, at, "loss.png", Lines("loss", "epoch", "loss", {"train": ([0.0, 1.0], [1.0, 0.5])})))
    shipper.emit(ModelLogged(run, at, "model", '{"flavors": {"python_function": {}}, "utc_time_created": "now"}'))
    shipper.emit(RunEnded(run, at + 9000, "FINISHED"))
    assert shipper.flush(60), shipper.trouble()
    found = theirs.get_run(shipper.theirs(run, 1))
    info = (found.info.run_name, found.info.status, found.info.start_time, found.info.end_time, found.info.user_id)
    assert info == ("whole", "FINISHED", at, at + 9000, "ada")
    assert found.data.params == {f"p{i}": "v" * 10 for i in range(250)}
    history = theirs.get_metric_history(found.info.run_id, "loss")
    assert [(m.value, m.timestamp, m.step) for m in history] == [(s / 2, at + s, s) for s in range(2500)]
    (odd,) = theirs.get_metric_history(found.info.run_id, "odd")
    assert (math.isnan(odd.value), odd.timestamp, odd.step) == (True, at, -3)
    assert found.data.metrics["précision"] == 0.25
    assert found.data.metrics["up"] > 1e308
    assert {k: found.data.tags[k] for k in ("stage", "fitscribe.run_key")} == {
        "stage": "done",
        "fitscribe.run_key": run,
    }
    assert "python_function" in found.data.tags["mlflow.log-model.history"]
    assert [(d.dataset.name, d.dataset.digest, d.tags[0].value) for d in found.inputs.dataset_inputs] == [
        ("iris", "abc123", "train")
    ]
    folder = Path(theirs.download_artifacts(found.info.run_id, "", str(tmp_path)))
    assert (folder / "a/b c/é.txt").read_bytes() == b"hello"
    assert (folder / "empty").read_bytes() == b""
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_children_a_resumed_run_and_a_tag_taken_away(shipper: Shipper, mlflow_server: str, theirs: Any) -> None:
    parent = begin(shipper, mlflow_server, name="parent", tags={"gone": "1"})
    children = [begin(shipper, mlflow_server, name=f"child {i}", parent=parent) for i in range(12)]
    for child in children:
        shipper.emit(Metrics(child, now(), 0, {"m": 1.0}))
        shipper.emit(RunEnded(child, now(), "FAILED"))
    shipper.emit(RunEnded(parent, now(), "FINISHED"))
    assert shipper.flush(60), shipper.trouble()
    known = shipper.theirs(parent, 1)
    experiment = theirs.get_run(known).info.experiment_id
    nested = theirs.search_runs([experiment], f"tags.mlflow.parentRunId = '{known}'")
    assert sorted(run.info.run_name for run in nested) == sorted(f"child {i}" for i in range(12))
    assert {run.info.status for run in nested} == {"FAILED"}
    again = new_id()
    shipper.emit(RunResumed(again, now(), mlflow_server, known))
    shipper.emit(Tags(again, now(), {"gone": None}))
    assert shipper.flush(60)
    assert theirs.get_run(known).info.status == "RUNNING"
    assert "gone" not in theirs.get_run(known).data.tags
    shipper.emit(RunEnded(again, now(), "KILLED"))
    assert shipper.flush(60)
    assert theirs.get_run(known).info.status == "KILLED"


def test_a_bad_metric_a_conflict_and_a_deleted_run_cost_themselves_alone(
    shipper: Shipper, mlflow_server: str, theirs: Any, tmp_path: Path
) -> None:
    run = begin(shipper, mlflow_server, name="bad")
    shipper.emit(Metrics(run, now(), 0, {"mAP@50": 1.0, "fine": 2.0}))
    shipper.emit(Params(run, now(), {"a": "1"}))
    shipper.emit(Params(run, now(), {"a": "2", "b": "3"}))
    assert shipper.flush(60)
    known = shipper.theirs(run, 1)
    assert (theirs.get_run(known).data.metrics, theirs.get_run(known).data.params) == (
        {"fine": 2.0},
        {"a": "1", "b": "3"},
    )
    theirs.delete_run(known)
    shipper.emit(Metrics(run, now(), 1, {f"m{i}": 1.0 for i in range(100)}))
    assert shipper.flush(60)
    letters = (tmp_path / "journal" / "dead-letters.jsonl").read_text().splitlines()
    assert [("mAP@50" in line, "Changing param values" in line, "the run is deleted" in line) for line in letters] == [
        (True, False, False),
        (False, True, False),
        *[(False, False, True)] * 100,
    ]


def test_an_upload_that_breaks_the_server_leaves_the_next_request_alone(
    shipper: Shipper, mlflow_server: str, theirs: Any
) -> None:
    run = begin(shipper, mlflow_server)
    shipper.emit(Artifact(run, now(), "file", shipper.snapshot(b"x", "file")))
    shipper.emit(Artifact(run, now(), "file/below", shipper.snapshot(b"y", "below")))
    shipper.emit(RunEnded(run, now(), "FINISHED"))
    assert shipper.flush(60)
    known = shipper.theirs(run, 1)
    assert theirs.get_run(known).info.status == "FINISHED"
    assert [(f.path, f.file_size) for f in theirs.list_artifacts(known)] == [("file", 1)]


def test_a_wrong_prefix_is_helpful_and_loses_nothing(
    shipper: Shipper, mlflow_server: str, caplog: pytest.LogCaptureFixture
) -> None:
    begin(shipper, mlflow_server + "/wrong")
    assert not shipper.flush(1)
    assert "does not look like a tracking server" in caplog.text
    assert shipper.pending() >= 1, "the run, and what was found out about the repository"


def test_how_fast_it_is(shipper: Shipper, mlflow_server: str, theirs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run = begin(shipper, mlflow_server)
    began = time.perf_counter()
    for step in range(10_000):
        shipper.emit(Metrics(run, 1, step, {"loss": 0.5}))
    emitted = time.perf_counter() - began
    assert shipper.flush(120)
    arrived = time.perf_counter() - began
    with capsys.disabled():
        print(f"\n10,000 metrics: {emitted * 100:.2f} us per emit, all on the server after {arrived:.2f} s")
    history = theirs.get_metric_history(shipper.theirs(run, 1), "loss")
    assert len(history) == 10_000
