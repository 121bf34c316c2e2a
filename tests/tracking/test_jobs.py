"""A job that its scheduler starts again goes on with its runs, when told to; what changed meanwhile is drift."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

import fitscribe
from fitscribe import config, jobs
from fitscribe.errors import ParamConflict
from fitscribe.testing.endpoint import Endpoint

SCHEDULERS = [
    {"SLURM_JOB_ID": "7"},
    {"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "8", "SLURM_ARRAY_TASK_ID": "1"},
    {"LSB_JOBID": "7"},
    {"LSB_JOBID": "7", "LSB_JOBINDEX": "2"},
    {"PBS_JOBID": "7[2].host"},
    {"JOB_ID": "7", "SGE_TASK_ID": "undefined"},
    {"AWS_BATCH_JOB_ID": "a:1"},
    {"TRAINING_JOB_NAME": "a"},
    {"TORCHELASTIC_RUN_ID": "a"},
]


def test_each_scheduler_tells_its_jobs_apart():
    keys = {jobs.key_in(environment) for environment in SCHEDULERS}
    assert len(keys) == len(SCHEDULERS)
    assert "" not in keys


@pytest.mark.parametrize("environment", [{}, {"JOB_ID": "7"}, {"TORCHELASTIC_RUN_ID": "none"}, {"SLURM_JOB_ID": ""}])
def test_no_job_is_made_up(environment):
    assert jobs.key_in(environment) == ""


def test_a_run_without_a_job_is_a_new_one_and_that_is_said(monkeypatch, caplog):
    for environment in SCHEDULERS:
        for name in environment:
            monkeypatch.delenv(name, raising=False)
    config.configure(resume="auto")
    with fitscribe.start_run() as run:
        assert not run.run.resumed
    assert "FITSCRIBE_RESUME=auto, but no scheduler says which job this is" in caplog.text


TRAIN = """
import os, sys
import fitscribe
begin, lr, way = int(os.environ["BEGIN"]), os.environ["LR"], os.environ.get("WAY", "")
with fitscribe.start_run() as run:
    fitscribe.log_params({"lr": lr, "depth": 3})
    for step in range(begin, begin + 5):
        fitscribe.log_metric("loss", step, step=step)
    with fitscribe.start_run(run_name="fold", nested=True):
        fitscribe.log_metric("fold", begin)
        if way == "delivered":
            assert fitscribe.flush()
        if way:
            os.kill(os.getpid(), 9)
with fitscribe.start_run():
    fitscribe.log_metric("second", 1)
"""


def train(tmp_path, uri: str, begin: int, lr: str, way: str = "", *words: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")
    told = {"SLURM_JOB_ID": "7", "FITSCRIBE_RESUME": "auto", "FITSCRIBE_TRACKING_URI": uri}
    environment = {**os.environ, **told, "BEGIN": str(begin), "LR": lr, "WAY": way, "FITSCRIBE_EXIT_PATIENCE": "20"}
    return subprocess.run(
        [sys.executable, "train.py", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90,
        check=False,
    )  # fmt: skip


def stored(uri: str) -> list[SimpleNamespace]:
    """Return the runs of an embedded store."""
    client, found = fitscribe.MlflowClient(uri), []
    for run in client.search_runs(["0"]):
        history = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
        points = {key: sorted((point.value, point.step) for point in told) for key, told in history.items()}
        data, info = run.data, run.info
        found.append(
            SimpleNamespace(id=info.run_id, status=info.status, params=data.params, tags=data.tags, points=points)
        )
    return found


def received(endpoint: Endpoint) -> list[SimpleNamespace]:
    """Return the runs that a fake endpoint has."""
    return [
        SimpleNamespace(
            id=run.run_id, status=run.status, params=run.params, tags=run.tags,
            points={key: sorted((value, step) for value, _, step in told) for key, told in run.points.items()},
        )
        for run in endpoint.ledger.runs.values()
    ]  # fmt: skip


def check_two_halves(runs: list[SimpleNamespace], drift: str = "0.2") -> None:
    assert len(runs) == 3, runs
    main = next(run for run in runs if "loss" in run.points)
    fold = next(run for run in runs if "fold" in run.points)
    assert [run.status for run in runs] == ["FINISHED"] * 3
    assert main.points["loss"] == [(float(step), step) for step in range(10)]
    assert {main.params["lr"], main.tags["fitscribe.drift.lr"]} == {"0.1", "0.2"}
    assert main.tags["fitscribe.drift.lr"] in drift
    assert "fitscribe.drift.depth" not in main.tags
    assert fold.tags["mlflow.parentRunId"] == main.id
    assert fold.points["fold"] == [(0.0, 0), (5.0, 0)]
    assert [run for run in runs if "fitscribe.end" in run.tags] == []


def sync(tmp_path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "fitscribe", "sync"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("way", ["delivered", "at once"])
def test_a_requeued_job_goes_on_with_its_run_in_the_embedded_store(tmp_path, way):
    uri = (tmp_path / ".fitscribe").as_uri()
    assert train(tmp_path, uri, 0, "0.1", way).returncode == -9
    assert train(tmp_path, uri, 5, "0.2").returncode == 0
    sync(tmp_path)
    check_two_halves(stored(uri), "0.1 or 0.2")


@pytest.mark.parametrize("way", ["delivered", "at once"])
def test_a_requeued_job_goes_on_with_its_run_at_a_server(tmp_path, way):
    with Endpoint() as endpoint:
        assert train(tmp_path, endpoint.uri, 0, "0.1", way).returncode == -9
        done = train(tmp_path, endpoint.uri, 5, "0.2")
        assert (done.returncode, "conflict" in done.stderr) == (0, False), done.stderr
        sync(tmp_path)
        check_two_halves(received(endpoint), "0.1 or 0.2")


def test_what_was_never_sent_before_the_kill_is_of_the_same_run(tmp_path):
    with Endpoint() as endpoint:
        endpoint.trouble("answer", times=10_000)
        assert train(tmp_path, endpoint.uri, 0, "0.1", "at once").returncode == -9
        endpoint.troubles.clear()
        assert train(tmp_path, endpoint.uri, 5, "0.2").returncode == 0
        sync(tmp_path)
        check_two_halves(received(endpoint), "0.1 or 0.2")


def test_a_script_that_a_job_runs_with_other_arguments_has_runs_of_its_own(tmp_path):
    uri = (tmp_path / ".fitscribe").as_uri()
    assert train(tmp_path, uri, 0, "0.1", "", "--lr=0.1").returncode == 0
    assert train(tmp_path, uri, 0, "0.2", "", "--lr=0.2").returncode == 0
    runs = fitscribe.MlflowClient(uri).search_runs(["0"])
    assert sorted(run.data.params["lr"] for run in runs if run.data.params) == ["0.1", "0.2"]


def test_workers_of_a_requeued_job_make_runs_of_their_own(tmp_path):
    text = """
import multiprocessing, fitscribe
def work(number):
    with fitscribe.start_run(run_name=f"worker {number}", nested=True):
        fitscribe.log_metric("number", number)
if __name__ == "__main__":
    for method in ("spawn", "fork"):
        if method in multiprocessing.get_all_start_methods():
            with multiprocessing.get_context(method).Pool(2) as pool:
                pool.map(work, range(2), chunksize=1)
                pool.close()
                pool.join()
"""
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    environment = {**os.environ, "SLURM_JOB_ID": "7", "FITSCRIBE_RESUME": "auto"}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "train.py"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
    ways = 2 if hasattr(os, "fork") else 1
    found = [run.data.metrics["number"] for run in fitscribe.search_runs(output_format="list")]
    assert sorted(found) == sorted([0.0, 1.0] * ways * 2)


# start_run(run_id=...)


def test_a_param_that_changed_since_is_drift_and_the_rest_goes_on():
    long = "x" * 7000
    with fitscribe.start_run() as run:
        fitscribe.log_params({"lr": 0.1, "depth": 3, "long": long})
    with fitscribe.start_run(run_id=run.info.run_id):
        fitscribe.log_params({"lr": 0.2, "depth": 3, "fresh": 1, "long": long})
        with pytest.raises(ParamConflict):
            fitscribe.log_param("fresh", 2)
        with pytest.raises(ParamConflict):
            fitscribe.log_param("lr", 0.3)
    found = fitscribe.get_run(run.info.run_id)
    assert {key: found.data.params[key] for key in ("lr", "depth", "fresh")} == {
        "lr": "0.1",
        "depth": "3",
        "fresh": "1",
    }
    drift = {key: value for key, value in found.data.tags.items() if key.startswith("fitscribe.drift")}
    assert drift == {"fitscribe.drift.lr": "0.2"}


def test_a_client_is_as_strict_as_ever():
    with fitscribe.start_run() as run:
        fitscribe.log_param("lr", 0.1)
    with pytest.raises(ParamConflict):
        fitscribe.MlflowClient().log_param(run.info.run_id, "lr", 0.2)
