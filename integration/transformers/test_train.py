"""A Trainer's training is one run: settings, values at their steps, evaluations, checkpoints, how it ended."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, Trainer

import fitscribe
from integration.transformers import toys

EVERY = {"eval_strategy": "steps", "eval_steps": 3}


def test_a_training_is_one_run_with_its_values_at_their_steps(recorder, autolog, tmp_path):
    trainer = toys.trainer(tmp_path, compute_metrics=toys.accuracy, **EVERY)
    result = trainer.train()
    run = recorder.run()  # one: the integration of PyTorch does not tell it a second time
    assert recorder.status(run) == "FINISHED"
    assert run.name == "BertForSequenceClassification"
    assert run.tags["mlflow.autologging"] == "transformers"
    logs = trainer.state.log_history
    for key in ("loss", "grad_norm", "learning_rate", "eval_loss", "eval_accuracy", "train_runtime"):
        assert recorder.history(run, key) == [(each["step"], each[key]) for each in logs if key in each]
    assert [step for step, _ in recorder.history(run, "loss")] == [2, 4, 6]
    assert [step for step, _ in recorder.history(run, "eval_loss")] == [3, 6]
    assert recorder.history(run, "total_flos") == [(6, trainer.state.total_flos)]
    assert recorder.metrics(run)["train_loss"] == pytest.approx(result.training_loss)


def test_params_are_what_was_set_and_what_matters_and_files_hold_the_rest(recorder, autolog, tmp_path):
    toys.trainer(tmp_path, learning_rate=0.01, warmup_steps=1, hub_token="hf_secret", run_name="mine").train()
    run = recorder.run()
    assert run.name == "mine"
    params = recorder.params(run)
    wanted = {"learning_rate": "0.01", "max_steps": "6", "warmup_steps": "1", "lr_scheduler_type": "linear"}
    wanted |= {"weight_decay": "0.0", "seed": "42", "model_type": "bert", "hidden_size": "16", "run_name": "mine"}
    wanted |= {"model_class": "BertForSequenceClassification", "per_device_train_batch_size": "8"}
    assert wanted.items() <= params.items()
    assert (
        int(params["total_params"])
        == int(params["trainable_params"])
        == sum(each.numel() for each in toys.model().parameters())
    )
    assert len(params) < 80
    files = recorder.artifacts(run)
    whole = json.loads(files["training_arguments.json"])
    assert len(whole) > 100
    assert whole["learning_rate"] == 0.01
    assert json.loads(files["model_config.json"])["num_hidden_layers"] == 2
    assert b"hf_secret" not in b"".join(files.values())
    assert not [value for value in params.values() if "hf_secret" in value]


def test_evaluate_predict_and_log_afterwards_are_in_the_same_run(recorder, autolog, tmp_path):
    trainer = toys.trainer(tmp_path, compute_metrics=toys.accuracy)
    trainer.train()
    found = trainer.evaluate()
    predicted = trainer.predict(toys.Rows(8))
    trainer.log({"mine": 3.5})
    run = recorder.run()
    assert recorder.history(run, "eval_loss") == [(6, found["eval_loss"])]
    assert recorder.history(run, "test_accuracy") == [(6, predicted.metrics["test_accuracy"])]
    assert recorder.history(run, "mine") == [(6, 3.5)]
    assert trainer.evaluate({"some": toys.Rows(8), "more": toys.Rows(12)}).items() >= {}.items()
    assert {"eval_some_loss", "eval_more_loss"} <= set(recorder.metrics(run))


def test_an_evaluation_without_a_training_is_a_run_of_its_own(recorder, autolog, tmp_path):
    trainer = toys.trainer(tmp_path)
    trainer.evaluate()
    trainer.evaluate()
    assert [recorder.status(run) for run in recorder.runs()] == ["FINISHED", "FINISHED"]
    assert [len(recorder.history(run, "eval_loss")) for run in recorder.runs()] == [1, 1]


def test_an_evaluation_before_the_training_is_in_the_users_run_with_it(recorder, autolog, tmp_path):
    with fitscribe.start_run():
        trainer = toys.trainer(tmp_path, max_steps=2)
        trainer.evaluate()
        trainer.train()
        trainer.evaluate()
    assert [step for step, _ in recorder.history(recorder.run(), "eval_loss")] == [0, 2]


def test_in_a_users_run_the_first_training_is_that_run_and_the_second_a_child(recorder, autolog, tmp_path):
    with fitscribe.start_run(run_name="outer") as outer:
        for rate in (0.1, 0.2):
            trainer = toys.trainer(tmp_path, learning_rate=rate, max_steps=2)
            trainer.train()
            trainer.evaluate()
    first, second = recorder.runs()
    assert (first.run, second.parent) == (outer.info.run_id, outer.info.run_id)
    assert [recorder.params(run)["learning_rate"] for run in (first, second)] == ["0.1", "0.2"]
    assert [len(recorder.history(run, "eval_loss")) for run in (first, second)] == [1, 1]


def test_checkpoints_are_told_by_path_and_hash_and_the_best_is_named(recorder, autolog, tmp_path):
    best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss"}
    trainer = toys.trainer(tmp_path, save_strategy="steps", save_steps=3, **EVERY, **best)
    trainer.train()
    trainer.save_model(str(tmp_path / "final"))
    run = recorder.run()
    files = recorder.artifacts(run)
    table = json.loads(files["checkpoints.json"])
    assert table["columns"] == ["path", "size", "sha256"]
    assert [Path(path).parent.name for path, *_ in table["data"]] == ["checkpoint-3", "checkpoint-6", "final"]
    for path, size, digest in table["data"]:
        content = Path(path).read_bytes()
        assert (size, digest) == (len(content), hashlib.sha256(content).hexdigest())
    assert recorder.metrics(run)["best_metric"] == trainer.state.best_metric
    assert not [path for path in files if "safetensors" in path]


def test_on_request_what_is_saved_is_uploaded(recorder, autolog, tmp_path):
    autolog(checkpoint=True)
    trainer = toys.trainer(tmp_path, save_strategy="steps", save_steps=3)
    trainer.train()
    trainer.save_model()
    files = recorder.artifacts(recorder.run())
    wanted = {f"checkpoints/{place}/model.safetensors" for place in ("checkpoint-3", "checkpoint-6", "out")}
    assert wanted | {"checkpoints/checkpoint-6/config.json"} <= set(files)
    assert len([path for path in files if path.endswith("model.safetensors")]) == 3


def test_a_resumed_training_goes_on_in_steps(recorder, autolog, tmp_path):
    toys.trainer(tmp_path, max_steps=4, save_strategy="steps", save_steps=4).train()
    trainer = toys.trainer(tmp_path, max_steps=8)
    trainer.train(resume_from_checkpoint=True)
    first, second = recorder.runs()
    assert [step for step, _ in recorder.history(first, "loss")] == [2, 4]
    assert [step for step, _ in recorder.history(second, "loss")] == [6, 8]
    assert recorder.params(second)["resume_from_checkpoint"] == "True"


def test_subclasses_and_models_of_ones_own_are_recorded_once(recorder, autolog, tmp_path):
    class Mine(Trainer):
        def train(self, *args, **kwargs):
            self.log({"before": 1.0})
            return super().train(*args, **kwargs)

        def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
            loss = model(inputs["input_ids"].float()).square().mean()
            return (loss, {"logits": loss}) if return_outputs else loss

    class Small(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(6, 1)

        def forward(self, input_ids, labels=None):
            return self.layer(input_ids)

    trainer = Mine(model=Small(), args=toys.arguments(tmp_path), train_dataset=toys.Rows())
    trainer.train()
    run = recorder.run()
    assert run.name == "Small"
    assert recorder.params(run)["total_params"] == "7"
    assert len(recorder.history(run, "loss")) == 3


def test_a_trainer_for_sequences_is_one_too(recorder, autolog, tmp_path):
    given = {"max_steps": 2, "report_to": "none", "disable_tqdm": True, "use_cpu": True, "save_strategy": "no"}
    args = Seq2SeqTrainingArguments(output_dir=str(tmp_path), **given)
    trainer = Seq2SeqTrainer(model=toys.model(), args=args, train_dataset=toys.Rows(), eval_dataset=toys.Rows(8))
    trainer.train()
    found = trainer.evaluate()
    assert recorder.history(recorder.run(), "eval_loss") == [(2, found["eval_loss"])]


def test_a_search_by_optuna_has_every_training_below_its_trial(recorder, autolog, tmp_path):
    trainer = toys.trainer(tmp_path, model_init=toys.model, max_steps=2, **EVERY)
    best = trainer.hyperparameter_search(
        hp_space=lambda trial: {"learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)},
        n_trials=2,
        backend="optuna",
    )
    trainings = [run for run in recorder.runs() if run.tags.get("mlflow.autologging") == "transformers"]
    assert len(trainings) == 2
    rates = {recorder.params(run)["learning_rate"] for run in trainings}
    assert len(rates) == 2
    assert best.hyperparameters["learning_rate"] in {float(rate) for rate in rates}
    [study] = [run for run in recorder.runs() if run.tags.get("mlflow.autologging") == "optuna" and not run.parent]
    trials = {run.run for run in recorder.children(study)}
    assert {run.parent for run in trainings} == trials
