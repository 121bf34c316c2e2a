"""Processes that train one model together: rank zero records, the others cost and change nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import fitscribe
from fitscribe import config, ranks
from fitscribe.errors import MisuseError
from fitscribe.integration import Integration
from fitscribe.ranks import Rank, rank_in

CLUSTER = {"worker": ["a:1", "b:1"], "ps": ["c:1"]}


def tensorflow(cluster, kind, index):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({}, Rank()),
        ({"RANK": "3", "WORLD_SIZE": "8"}, Rank(3, 8, "RANK")),
        ({"RANK": "3"}, Rank()),
        ({"RANK": "first", "WORLD_SIZE": "8"}, Rank()),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "4"}, Rank(1, 4, "SLURM_PROCID")),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "4", "RANK": "0", "WORLD_SIZE": "1"}, Rank(0, 1, "RANK")),
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "3"}, Rank(2, 3, "OMPI_COMM_WORLD_RANK")),
        ({"PMI_RANK": "2", "PMI_SIZE": "3"}, Rank(2, 3, "PMI_RANK")),
        ({"HOROVOD_RANK": "2", "HOROVOD_SIZE": "3"}, Rank(2, 3, "HOROVOD_RANK")),
        ({"LOCAL_RANK": "0", "NODE_RANK": "0", "WORLD_SIZE": "4"}, Rank(0, 4, "LOCAL_RANK")),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1", "WORLD_SIZE": "4"}, Rank(1, 4, "LOCAL_RANK")),
        ({"LOCAL_RANK": "1", "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, Rank(1, 2, "LOCAL_RANK")),
        (tensorflow(CLUSTER, "worker", 0), Rank(0, 2, "TF_CONFIG")),
        (tensorflow(CLUSTER, "worker", 1), Rank(1, 2, "TF_CONFIG")),
        (tensorflow(CLUSTER, "ps", 0), Rank(1, 2, "TF_CONFIG")),
        (tensorflow({"chief": ["z:1"], **CLUSTER}, "worker", 0), Rank(1, 3, "TF_CONFIG")),
        (tensorflow({"chief": ["z:1"], **CLUSTER}, "chief", 0), Rank(0, 3, "TF_CONFIG")),
        ({"TF_CONFIG": "{}"}, Rank()),
        ({"TF_CONFIG": "no JSON"}, Rank()),
    ],
    ids=str,
)
def test_every_launcher_says_which_process_this_is(environment, rank):
    assert rank_in(environment) == rank


@pytest.fixture
def second(monkeypatch):
    """Be the second of two processes that train together."""
    monkeypatch.setattr(ranks, "_said", False)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")


def test_another_rank_logs_as_ever_and_leaves_nothing(second, endpoint, caplog):
    caplog.set_level("INFO", "fitscribe")
    fitscribe.set_tracking_uri(endpoint.uri)
    fitscribe.set_experiment("together")
    Path("notes.txt").write_text("x")
    with fitscribe.start_run(run_name="ours") as run:
        fitscribe.log_param("lr", 0.1)
        fitscribe.log_metrics({"loss": 0.5}, step=1)
        fitscribe.set_tag("team", "blue")
        fitscribe.log_artifact("notes.txt")
        fitscribe.log_dict({"a": 1}, "a.json")
        with pytest.raises(MisuseError):
            fitscribe.log_metric("loss", "high")
        with pytest.raises(MisuseError):
            fitscribe.log_param("lr", 0.2)
        with fitscribe.start_run(nested=True):
            fitscribe.log_metric("inner", 1)
        client = fitscribe.MlflowClient()
        client.log_metric(run.info.run_id, "by_id", 2.0)
        assert fitscribe.flush()
    again = fitscribe.get_run(run.info.run_id)
    assert (again.info.status, again.info.run_name) == ("FINISHED", "ours")
    assert (again.data.params, again.data.metrics) == ({"lr": "0.1"}, {"loss": 0.5, "by_id": 2.0})
    assert fitscribe.last_active_run().data.metrics == {"inner": 1.0}
    assert endpoint.requests == []
    assert not Path(".fitscribe").exists()
    said = "this is rank 1 of 2 (RANK): rank 0 records the runs; set FITSCRIBE_RANKS=all where each rank is to"
    assert caplog.messages == [said]


def test_a_run_made_by_the_client_is_set_aside_too(second, endpoint):
    client = fitscribe.MlflowClient(endpoint.uri)
    run = client.create_run("0", run_name="low")
    client.log_param(run.info.run_id, "a", 1)
    client.set_terminated(run.info.run_id)
    assert client.get_run(run.info.run_id).info.status == "FINISHED"
    assert endpoint.requests == []


def test_a_training_on_another_rank_is_not_watched(second, recorder):
    integration, seen = Integration("fake", requires="pytest"), []

    @integration.around("fakelib:train")
    def train(call):
        with call.run():
            seen.append(call)
            yield

    from fitscribe.observing import observe

    assert observe(integration, train, False, lambda: 7, (), {}) == 7
    assert (seen, recorder.said) == ([], [])
    config.configure(ranks="all")
    assert observe(integration, train, False, lambda: 7, (), {}) == 7
    assert len(seen) == 1


def test_all_ranks_record_when_asked(second):
    config.configure(ranks="all")
    with fitscribe.start_run():
        fitscribe.log_metric("a", 1)
    assert [run.data.metrics for run in fitscribe.search_runs(output_format="list")] == [{"a": 1.0}]


def test_a_word_that_ranks_cannot_be_is_said_and_means_zero(second, caplog):
    config.configure(ranks="every")
    with fitscribe.start_run() as run:
        assert run.run.aside
    assert "FITSCRIBE_RANKS='every' is neither `zero` nor `all`; it is taken as `zero`" in caplog.messages


@pytest.mark.parametrize("variable", ["FITSCRIBE_RUN_ID", "MLFLOW_RUN_ID"])
def test_a_rank_that_is_attached_to_a_run_records_whatever_its_number(monkeypatch, second, variable):
    with monkeypatch.context() as first:
        first.setenv("RANK", "0")
        with fitscribe.start_run() as run:
            fitscribe.log_metric("first", 1)
    monkeypatch.setenv(variable, run.info.run_id)
    config.configure()
    with fitscribe.start_run():
        fitscribe.log_metric("second", 2)
        with fitscribe.start_run(nested=True, run_name="inner"):
            fitscribe.log_metric("third", 3)
    with fitscribe.start_run(run_id=run.info.run_id):
        fitscribe.log_metric("fourth", 4)
    found = {each.info.run_name: each.data.metrics for each in fitscribe.search_runs(output_format="list")}
    assert found.pop("inner") == {"third": 3.0}
    assert list(found.values()) == [{"first": 1.0, "second": 2.0, "fourth": 4.0}]


@pytest.mark.parametrize(("rank", "warned"), [("1", True), ("2", False)])
def test_tasks_that_may_be_independent_are_told_once_how_to_record(monkeypatch, caplog, rank, warned):
    monkeypatch.setattr(ranks, "_said", False)
    monkeypatch.setenv("SLURM_PROCID", rank)
    monkeypatch.setenv("SLURM_NTASKS", "3")
    for _ in range(2):
        with fitscribe.start_run():
            pass
    said = [record.levelname for record in caplog.records]
    assert said == ["WARNING"] * warned
    assert not warned or "FITSCRIBE_RANKS=all" in caplog.text


def run_ranks(tmp_path, text: str, world: int) -> list[subprocess.CompletedProcess[str]]:
    (tmp_path / "train.py").write_text(textwrap.dedent(text), encoding="utf-8")
    started = [
        subprocess.Popen(
            [sys.executable, "train.py"], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": str(world)},
        )
        for rank in range(world)
    ]  # fmt: skip
    return [(each.communicate(timeout=60)[1], each.returncode) for each in started]


def test_four_processes_of_one_job_make_one_run(tmp_path):
    text = """
        import os, threading, fitscribe
        rank = int(os.environ["RANK"])
        fitscribe.log_metric("loss", rank, step=rank)
        if rank:
            assert not [each for each in threading.enumerate() if each.name.startswith("fitscribe")]
    """
    assert run_ranks(tmp_path, text, 4) == [("", 0)] * 4
    assert [run.data.metrics for run in fitscribe.search_runs(output_format="list")] == [{"loss": 0.0}]


def test_a_process_group_knows_where_the_environment_does_not(tmp_path):
    """Of processes that torch.multiprocessing starts; a stand-in for the module is enough."""
    package = tmp_path / "torch"
    package.mkdir()
    package.joinpath("__init__.py").touch()
    package.joinpath("distributed.py").write_text(
        "is_available = is_initialized = lambda: True\nget_rank = lambda: 1\nget_world_size = lambda: 2\n"
    )
    (tmp_path / "train.py").write_text("import torch.distributed, fitscribe\nfitscribe.log_metric('a', 1)\n")
    done = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert not (tmp_path / ".fitscribe").exists()
