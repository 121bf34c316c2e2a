"""A script of the public API, and a fit of scikit-learn, on other servers than MLflow's newest: what is there then."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from fitscribe import Client, config
from fitscribe.dialects import AddressBook
from fitscribe.dialects.mlflow import MLflow
from fitscribe.dialects.parcels import addressed
from fitscribe.records import Params, Record, RunEnded, RunStarted, new_id, now
from fitscribe.shipping.delivery import Delivery
from fitscribe.shipping.sorting import sorted_out
from fitscribe.transport import Answer
from fitscribe.transport.http import Http
from integration.other_servers import requirements, serving

SCRIPT = """
import logging, math, sys
logging.basicConfig(level=logging.INFO, format="SAID %(levelname)s %(message)s")
logging.getLogger("git").setLevel(logging.ERROR)
import fitscribe

fitscribe.set_experiment("other servers")
with fitscribe.start_run(run_name="whole", tags={"gone": "1", "kind": "main"}) as run:
    fitscribe.log_params({f"p{i}": "v" * 10 for i in range(250)})
    fitscribe.log_param("long", "7" * 5000)
    fitscribe.log_param("huge", "8" * 9000)
    for step in range(1500):
        fitscribe.log_metric("loss", step / 2, step=step)
    fitscribe.log_metrics({"odd": math.nan, "up": math.inf, "down": -math.inf, "precision": 0.25}, step=-3)
    fitscribe.set_tags({"stage": "done", "wide": "x" * 7000})
    fitscribe.delete_tag("gone")
    fitscribe.log_text("hello", "a/b c/note.txt")
    fitscribe.log_input([[1.0, 2.0], [3.0, 4.0]] if False else __import__("numpy").ones((3, 2)), context="train")
    for name in "xyz":
        with fitscribe.start_run(run_name=f"child {name}", nested=True):
            fitscribe.log_metric("m", 1.0)
try:
    with fitscribe.start_run(run_name="failed"):
        fitscribe.log_param("a", 1)
        raise ValueError("on purpose")
except ValueError:
    pass

fitscribe.autolog()
import numpy
from sklearn.linear_model import Ridge
x = numpy.arange(40.0).reshape(20, 2)
Ridge(alpha=0.5).fit(x, x.sum(axis=1))
"""


@pytest.fixture(scope="session", params=sorted(requirements()))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Name and tracking URI."""
    with serving(request.param, tmp_path_factory.mktemp(request.param)) as uri:
        yield request.param, uri


@pytest.fixture(scope="session")
def told(server: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """What the script said while it ran, and the folder that it ran in."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "train.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "train.py"],
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": server[1], "FITSCRIBE_EXIT_TIMEOUT": "120"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if line.strip()], folder


@pytest.fixture
def runs(server: tuple[str, str], told: tuple[list[str], Path]) -> dict[str, Any]:
    """All runs of the experiment, by name."""
    config.configure(tracking_uri=server[1])
    client = Client(server[1])
    experiment = client.get_experiment_by_name("other servers")
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    assert len({run.info.run_name for run in found}) == len(found), "no run is there twice"
    return {run.info.run_name: run for run in found}


def ask(uri: str, tail: str, **query: Any) -> dict[str, Any]:
    answer = requests.get(f"{uri}/api/2.0/mlflow/{tail}", params=query, timeout=30)
    answer.raise_for_status()
    return dict(answer.json())


def artifact(server: tuple[str, str], run: Any, path: str) -> Any:
    return Path(Client(server[1]).download_artifacts(run.info.run_id, path))


def test_all_runs_are_there_once_in_their_places(runs: dict[str, Any]) -> None:
    (fitted,) = set(runs) - {"whole", "failed", "child x", "child y", "child z"}
    statuses = {name: run.info.status for name, run in runs.items() if name != fitted}
    children = {f"child {name}": "FINISHED" for name in "xyz"}
    assert statuses == {"whole": "FINISHED", "failed": "FAILED", **children}
    parents = {name: run.data.tags.get("mlflow.parentRunId") for name, run in runs.items()}
    whole = runs["whole"].info.run_id
    assert parents == {"whole": None, "failed": None, fitted: None, **dict.fromkeys(children, whole)}
    fit = runs[fitted]
    assert fit.data.params["alpha"] == "0.5"
    assert "training_r2_score" in fit.data.metrics
    assert (fit.info.status, fit.data.tags["estimator_name"]) == ("FINISHED", "Ridge")


def test_params_and_tags_are_there_and_long_ones_are_kept_whole(server: tuple[str, str], runs: dict[str, Any]) -> None:
    run = runs["whole"]
    params = dict(run.data.params)
    huge, long = params.pop("huge"), params.pop("long")
    assert params == {f"p{i}": "v" * 10 for i in range(250)}
    assert (long, huge[:100], len(huge)) == ("7" * 5000, "8" * 100, 6000)
    text = artifact(server, run, "fitscribe/params.json").read_text()
    assert "8" * 9000 in text
    tags = {key: run.data.tags.get(key) for key in ("kind", "stage", "gone", "wide")}
    assert tags == {"kind": "main", "stage": "done", "gone": None, "wide": "x" * 7000}


def test_every_point_is_there_once_also_those_that_are_no_numbers(
    server: tuple[str, str], runs: dict[str, Any]
) -> None:
    run_id = runs["whole"].info.run_id
    history = ask(server[1], "metrics/get-history", run_id=run_id, metric_key="loss", max_results=25000)["metrics"]
    assert sorted((int(point.get("step", 0)), point["value"]) for point in history) == [
        (step, step / 2) for step in range(1500)
    ]
    metrics = {}
    for key in ("odd", "up", "down", "precision"):
        (point,) = ask(server[1], "metrics/get-history", run_id=run_id, metric_key=key)["metrics"]
        metrics[key] = str(point["value"]), int(point.get("step", 0))
    assert metrics == {
        "odd": ("NaN", -3),
        "up": ("1.7976931348623157e+308", -3),
        "down": ("-1.7976931348623157e+308", -3),
        "precision": ("0.25", -3),
    }


def test_artifacts_arrive(server: tuple[str, str], runs: dict[str, Any]) -> None:
    assert artifact(server, runs["whole"], "a/b c/note.txt").read_text() == "hello"
    (fitted,) = set(runs) - {"whole", "failed", "child x", "child y", "child z"}
    assert artifact(server, runs[fitted], "model/MLmodel").read_text().startswith("artifact_path")


def test_a_dataset_is_an_input_or_kept_in_an_artifact(server: tuple[str, str], runs: dict[str, Any]) -> None:
    run = runs["whole"]
    if server[0] == "fasttrackml":
        assert '"mlflow.data.context"' in artifact(server, run, "fitscribe/datasets.json").read_text()
    else:
        (found,) = ask(server[1], "runs/get", run_id=run.info.run_id)["run"]["inputs"]["dataset_inputs"]
        assert found["tags"] == [{"key": "mlflow.data.context", "value": "train"}]


def test_what_a_server_lacks_is_said_once_and_nothing_is_set_aside(
    server: tuple[str, str], told: tuple[list[str], Path]
) -> None:
    said, folder = told
    warnings = [line for line in said if "SAID WARNING" in line and "kept whole in the artifact" not in line]
    lacks = sorted(line.partition(" has no ")[2].partition(":")[0] for line in said if " has no " in line)
    assert lacks == [*(["log-inputs", "log-model"] if server[0] == "fasttrackml" else []), "logged models"]
    assert warnings == []
    assert not list(folder.rglob("dead-letters.jsonl"))
    assert not list(folder.rglob("*.journal")), "all was delivered"


class Doubling(Http):
    """A road with a proxy on it that sends the creation of a run twice."""

    def send(self, method: str, path: str, body: Any = None) -> Answer:
        if path.endswith("runs/create"):
            super().send(method, path, body)
        return super().send(method, path, body)


def deliver(road: Http, folder: Path, *records: Record) -> None:
    """Deliver as a process of its own does."""
    book = AddressBook(addressed(record) for record in records if isinstance(record, RunStarted))
    delivery = Delivery(lambda uri: MLflow(road, uri), folder)
    assert delivery.deliver(sorted_out(records, book, [folder], {}), lambda seconds, asked: False), delivery.trouble
    assert delivery.set_aside == 0
    delivery.close()


def of_experiment(uri: str, name: str) -> list[Any]:
    client = Client(uri)
    return list(client.search_runs([client.get_experiment_by_name(name).experiment_id], max_results=1000))


def test_runs_that_a_proxy_creates_twice_are_there_once(server: tuple[str, str], tmp_path: Path) -> None:
    parent, children, at = new_id(), [new_id() for _ in range(5)], now()
    where = {"to": server[1], "experiment": "doubles"}
    deliver(
        Doubling(server[1]),
        tmp_path,
        RunStarted(parent, at, name="parent", **where),
        *(RunStarted(child, at, name=f"child {n}", parent=parent, **where) for n, child in enumerate(children)),
        *(RunEnded(child, at + 1, "FINISHED") for child in children),
        RunEnded(parent, at + 2, "FINISHED"),
    )
    found = {run.info.run_name: run.info.status for run in of_experiment(server[1], "doubles")}
    assert found == dict.fromkeys(["parent", *(f"child {n}" for n in range(5))], "FINISHED")
    assert len(of_experiment(server[1], "doubles")) == 6


def test_a_requeued_job_goes_on_with_its_run_and_changed_params_are_drift(
    server: tuple[str, str], tmp_path: Path
) -> None:
    key, at = new_id(), now()

    def job(at: int, lr: str, status: Any, **tags: str) -> None:
        begin = RunStarted(key, at, server[1], name="job", experiment="requeued", resume=True, tags=tags)
        deliver(
            Http(server[1]), tmp_path, begin, Params(key, at, {"lr": lr, "same": "1"}), RunEnded(key, at + 9, status)
        )

    job(at, "0.1", "KILLED")
    job(at + 1000, "0.2", "FINISHED", host="two")
    (run,) = of_experiment(server[1], "requeued")
    assert (run.info.status, run.info.end_time) == ("FINISHED", at + 1009)
    assert run.data.params == {"lr": "0.1", "same": "1"}
    assert {k: run.data.tags[k] for k in ("host", "fitscribe.drift.lr")} == {"host": "two", "fitscribe.drift.lr": "0.2"}
