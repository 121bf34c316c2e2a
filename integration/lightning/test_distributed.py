"""Several processes train one model: one run, one model, and no word from the others. Real processes, on gloo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fitscribe.testing.endpoint import Endpoint
from integration.launching import unless_aborted

ROOT = Path(__file__).resolve().parent.parent.parent
START = """
    import os, sys, warnings
    warnings.simplefilter("ignore")
    if os.environ.get("LOCAL_RANK", "0") != "0" or __name__ != "__main__":
        os.environ["MLFLOW_TRACKING_URI"] = os.environ["URI_OF_OTHERS"]
    import fitscribe
    fitscribe.autolog()
    from integration.lightning import toys
"""


def script(tmp_path, body: str) -> Path:
    file = tmp_path / "train.py"
    file.write_text(textwrap.dedent(START) + textwrap.dedent(body), encoding="utf-8")
    return file


def environment(endpoint, **more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("FITSCRIBE_", "SLURM_"))}
    told = {"MLFLOW_TRACKING_URI": endpoint.uri, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return {**kept, **told, "FITSCRIBE_HOME": "", **more}


def trained(file, endpoint, **more: str) -> str:
    done = subprocess.run(
        [sys.executable, file.name],
        cwd=file.parent,
        env=environment(endpoint, **more),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("strategy", ["ddp", "ddp_spawn", "ddp_notebook"])
def test_two_ranks_without_a_guard_make_one_run_and_one_model(tmp_path, strategy):
    """W-05: they made two runs and two models, or a stray run."""
    body = f"""
        if __name__ == "__main__":
            stop = toys.pl.callbacks.EarlyStopping("val_loss", patience=1)
            keep = toys.pl.callbacks.ModelCheckpoint("kept", monitor="val_loss")
            given = dict(devices=2, strategy="{strategy}", callbacks=[stop, keep], enable_checkpointing=True)
            trainer = toys.trainer(**given, max_epochs=3, num_sanity_val_steps=0)
            trainer.fit(toys.Scripted(), toys.loader(), toys.loader())
    """

    def attempt(folder):
        with Endpoint() as endpoint, Endpoint() as others:
            trained(script(folder, body), endpoint, URI_OF_OTHERS=others.uri)
            assert others.requests == []
            (run,) = endpoint.ledger.runs.values()
            assert run.status == "FINISHED"
            for key in ("train_loss", "val_loss", "learning_rate"):
                assert [step for _, _, step in run.points[key]] == [0, 1, 2], key
            named = "ddp_fork" if strategy == "ddp_notebook" else strategy  # another name of it
            told = {"world_size": "2", "strategy": named, "optimizer_name": "Adam", "patience": "1"}
            assert {key: run.params.get(key) for key in told} == told
            assert run.points["stopped_epoch"][0][0] == 2
            assert run.points["best_epoch"][0][0] == 1
            assert "fitscribe.best_checkpoint" in run.tags
            models = [path for path in endpoint.ledger.artifacts if path.endswith("data/model.pth")]
            assert len(models) == 1
            descriptions = [text for path, text in endpoint.ledger.artifacts.items() if path.endswith("/MLmodel")]
            assert b"signature" in descriptions[0]

    unless_aborted(attempt, tmp_path)


def test_two_ranks_with_a_logger_of_ours_make_one_run_with_each_value_once(tmp_path):
    body = """
        if __name__ == "__main__":
            logger = fitscribe.lightning.FitscribeLogger()
            given = dict(devices=2, strategy="ddp_spawn", logger=logger, log_every_n_steps=2)
            trainer = toys.trainer(**given, max_epochs=2, num_sanity_val_steps=0)
            trainer.fit(toys.Classifier(), toys.loader(), toys.loader())
    """

    def attempt(folder):
        with Endpoint() as endpoint:
            trained(script(folder, body), endpoint, URI_OF_OTHERS=endpoint.uri)  # it is a child that has the values
            (run,) = endpoint.ledger.runs.values()
            assert run.status == "FINISHED"
            assert [step for _, _, step in run.points["train_loss_step"]] == [1, 3]
            assert [step for _, _, step in run.points["val_loss"]] == [1, 3]
            assert run.params["optimizer_name"] == "Adam"

    unless_aborted(attempt, tmp_path)


SLURM = {"SLURM_NTASKS": "1", "SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}


def test_a_preempted_job_keeps_what_it_trained_and_its_run_is_no_success(tmp_path):
    body = """
        class Slow(toys.Classifier):
            def on_train_epoch_end(self):
                import time
                time.sleep(0.2)
                print("epoch", self.current_epoch, flush=True)

        toys.trainer(max_epochs=500).fit(Slow(), toys.loader())
        print("not here")
    """
    with Endpoint() as endpoint:
        told = environment(endpoint, SLURM_JOB_NAME="train", SLURM_NODELIST="localhost", **SLURM)
        command = [sys.executable, script(tmp_path, body).name]
        with subprocess.Popen(command, cwd=tmp_path, env=told, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                if line.startswith("epoch 2"):
                    break
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=60)
        assert "not here" not in output
        (run,) = endpoint.ledger.runs.values()
        assert run.status in ("KILLED", "FAILED")
        assert [step for _, _, step in run.points["train_loss"]][:3] == [0, 1, 2]
