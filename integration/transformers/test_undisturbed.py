"""A Trainer under autologging trains as without it, ends as it ends, and keeps nothing of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import Trainer, TrainerCallback

import fitscribe
from fitscribe.client import Client
from integration.launching import unless_aborted
from integration.transformers import toys


class Breaks(TrainerCallback):
    """Raises in the middle of a training."""

    def __init__(self, error):
        self.error = error

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 3:
            raise self.error


@pytest.mark.parametrize(("error", "status"), [(ArithmeticError("mine"), "FAILED"), (KeyboardInterrupt(), "KILLED")])
def test_an_error_is_the_users_own_and_the_callback_is_gone(error, status, recorder, autolog, tmp_path):
    trainer = toys.trainer(tmp_path, callbacks=[Breaks(error)])
    before = list(trainer.callback_handler.callbacks)
    with pytest.raises(type(error)) as caught:
        trainer.train()
    assert caught.value is error
    assert trainer.callback_handler.callbacks == before
    run = recorder.run()
    assert recorder.status(run) == status
    assert [step for step, _ in recorder.history(run, "loss")] == [2]


def test_weights_values_and_files_are_those_of_a_training_without_us(recorder, autolog, tmp_path):
    with_us, ours = trained(tmp_path / "with")
    fitscribe.autolog(disable=True)
    without, theirs = trained(tmp_path / "without")
    for key, value in without.model.state_dict().items():
        assert torch.equal(with_us.model.state_dict()[key], value)
    timed = ("runtime", "per_second")
    for mine, own in zip(with_us.state.log_history, without.state.log_history, strict=True):
        assert mine.keys() == own.keys()
        assert all(mine[key] == own[key] for key in own if not key.endswith(timed))
    assert ours == theirs
    assert set(vars(with_us)) == set(vars(without))


def trained(folder):
    trainer = toys.trainer(folder, save_strategy="steps", save_steps=3, eval_strategy="steps", eval_steps=3)
    callbacks = list(trainer.callback_handler.callbacks)
    trainer.train()
    assert trainer.callback_handler.callbacks == callbacks
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    for file in files:
        assert b"fitscribe" not in file.read_bytes()
    return trainer, [file.relative_to(folder).parts[1:] for file in files if "runs" not in file.parts]


def test_what_is_reported_to_others_goes_on_as_before(recorder, autolog, tmp_path):
    heard = []

    class Reports(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            logs["perplexity"] = 2.0  # what a user adds for all the others is ours to hear as well
            heard.append((state.global_step, dict(logs)))

    trainer = toys.trainer(tmp_path, callbacks=[Reports()])
    trainer.train()
    assert [step for step, logs in heard if "loss" in logs] == [2, 4, 6]
    assert trainer.args.report_to == []
    assert [step for step, _ in recorder.history(recorder.run(), "perplexity")] == [2, 4, 6, 6]


def test_a_callbacks_state_in_a_checkpoint_is_restored_beside_ours(recorder, autolog, tmp_path):
    from transformers import EarlyStoppingCallback

    usual = {"eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 2, "logging_steps": 1}
    usual |= {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss"}
    usual |= {"restore_callback_states_from_checkpoint": True}
    toys.trainer(tmp_path, max_steps=2, callbacks=[EarlyStoppingCallback(3)], **usual).train()
    state = json.loads((tmp_path / "out" / "checkpoint-2" / "trainer_state.json").read_text())
    assert set(state["stateful_callbacks"]) == {"EarlyStoppingCallback", "TrainerControl"}
    trainer = toys.trainer(tmp_path, max_steps=4, callbacks=[EarlyStoppingCallback(1)], **usual)
    trainer.train(resume_from_checkpoint=True)
    assert [step for step, _ in recorder.history(recorder.runs()[-1], "loss")] == [3, 4]


def test_switched_off_a_trainer_that_was_recorded_is_a_plain_one(recorder, autolog, tmp_path):
    trainer = toys.trainer(tmp_path, max_steps=2)
    trainer.train()
    fitscribe.autolog(disable=True)
    told = len(recorder.said)
    trainer.train()
    trainer.evaluate()
    assert len(recorder.said) == told
    assert not hasattr(Trainer.train, "__fitscribe__")


def test_of_two_processes_under_torchrun_rank_zero_records(tmp_path):
    script = tmp_path / "train.py"
    script.write_text("""
import fitscribe
fitscribe.autolog()
import pathlib
from integration.transformers import toys
trainer = toys.trainer(pathlib.Path("work"), eval_strategy="steps", eval_steps=3, save_strategy="steps", save_steps=6)
trainer.train()
trainer.evaluate()
import torch
torch.distributed.destroy_process_group()  # or one of its threads may abort a process that ends, without us as well
""")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("FITSCRIBE_", "MLFLOW_"))}
    root = str(Path(__file__).resolve().parents[2])
    launcher = ["-W", "ignore", "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", script]

    def launched(folder):
        done = subprocess.run(
            [sys.executable, *launcher],
            check=False,
            cwd=folder,
            env={**kept, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return Client(folder / ".fitscribe")

    client = unless_aborted(launched, tmp_path)
    [run] = client.search_runs([each.experiment_id for each in client.search_experiments()])
    assert run.info.status == "FINISHED"
    assert [each.step for each in client.get_metric_history(run.info.run_id, "loss")] == [2, 4, 6]
    assert [each.step for each in client.get_metric_history(run.info.run_id, "eval_loss")] == [3, 6, 6]
