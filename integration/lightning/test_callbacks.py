"""Lightning's own callbacks and tuners: their settings, and what they decided."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch

from integration.lightning import toys

fit = {"max_epochs": 6, "num_sanity_val_steps": 0}


def test_early_stopping_of_lightning_pytorch_is_told_with_the_best_epoch(autolog, recorder):
    """W-07, W-08: it was ignored, and told of no best epoch, a stopped epoch of 0 and the wrong sign."""
    stop = pl.callbacks.EarlyStopping("val_loss", patience=2, min_delta=0.01, mode="min")
    toys.trainer(callbacks=[stop], **fit).fit(toys.Scripted(), toys.loader(), toys.loader())
    run = recorder.run()
    params, metrics = recorder.params(run), recorder.metrics(run)
    told = {"monitor": "val_loss", "mode": "min", "patience": "2", "min_delta": "0.01"}
    assert {key: params[key] for key in told} == told
    assert metrics["stopped_epoch"] == 3
    assert metrics["best_epoch"] == 1
    assert metrics["best_score"] == pytest.approx(0.3)
    assert metrics["wait_count"] == 2
    assert "restored_epoch" not in metrics  # nothing was kept that could be restored
    if hasattr(stop, "stopping_reason_message"):  # from 2.6 on
        assert "did not improve" in recorder.tags(run)["fitscribe.stopped"]


def test_the_restored_epoch_is_that_of_the_best_checkpoint(autolog, recorder, tmp_path):
    """W-08: it was the stopped epoch less the patience."""
    stop = pl.callbacks.EarlyStopping("val_loss", patience=1, min_delta=1.0)
    keep = pl.callbacks.ModelCheckpoint(tmp_path, monitor="val_loss")
    trainer = toys.trainer(callbacks=[stop, keep], enable_checkpointing=True, **fit)
    trainer.fit(toys.Scripted(), toys.loader(), toys.loader())
    metrics = recorder.metrics(recorder.run())
    assert metrics["restored_epoch"] == 1 == int(torch.load(keep.best_model_path, weights_only=False)["epoch"])
    assert metrics["best_epoch"] == 0  # by early stopping's own count, which asks for more


def test_every_checkpoint_is_told_by_path_score_and_hash_and_none_is_copied(autolog, recorder, tmp_path):
    """W-48: checkpoints were uploaded within the training, unasked."""
    low = pl.callbacks.ModelCheckpoint(tmp_path / "low", monitor="val_loss", save_top_k=2, save_last=True)
    high = pl.callbacks.ModelCheckpoint(tmp_path / "high", monitor="train_loss", mode="max")
    trainer = toys.trainer(callbacks=[low, high], enable_checkpointing=True, **fit)
    trainer.fit(toys.Scripted(), toys.loader(), toys.loader())
    run = recorder.run()
    params, files = recorder.params(run), recorder.artifacts(run)
    assert (params["checkpoint_monitor"], params["checkpoint_mode"], params["checkpoint_save_top_k"]) == (
        "val_loss",
        "min",
        "2",
    )
    assert (params["checkpoint_monitor_2"], params["checkpoint_mode_2"]) == ("train_loss", "max")
    told = json.loads(files["checkpoints/checkpoints.json"])
    assert len(told) == 4
    for each in told:
        assert hashlib.sha256(Path(each["path"]).read_bytes()).hexdigest() == each["sha256"]
    best = [each for each in told if each["best"]]
    assert [each["path"] for each in best] == [low.best_model_path, high.best_model_path]
    assert best[0]["score"] == pytest.approx(0.3)
    assert recorder.metrics(run)["checkpoint_best_val_loss"] == pytest.approx(0.3)
    tags = recorder.tags(run)
    assert tags["fitscribe.best_checkpoint"] == low.best_model_path
    assert tags["fitscribe.best_checkpoint_2"] == high.best_model_path
    assert not [path for path in files if path.endswith((".ckpt", ".pth"))]


def test_checkpoints_are_uploaded_on_request_and_the_best_is_told_from_the_last(autolog, recorder, tmp_path):
    autolog(checkpoint=True, log_models=True)
    keep = pl.callbacks.ModelCheckpoint(tmp_path, monitor="val_loss")
    trainer = toys.trainer(callbacks=[keep], enable_checkpointing=True, **fit)
    trainer.fit(toys.Scripted(), toys.loader(), toys.loader())
    run = recorder.run()
    files, tags = recorder.artifacts(run), recorder.tags(run)
    (tmp_path / "ours.pth").write_bytes(files["checkpoints/latest_checkpoint.pth"])
    content = torch.load(tmp_path / "ours.pth", weights_only=False)
    assert content["epoch"] == 1
    assert "fitscribe" not in repr(content)
    assert json.loads(files["checkpoints/latest_checkpoint_metrics.json"])["val_loss"] == pytest.approx(0.3)
    assert tags["mlflow.latest_checkpoint_artifact"] == "checkpoints/latest_checkpoint.pth"
    assert (
        files[f"restored_model_checkpoint/{Path(keep.best_model_path).name}"] == Path(keep.best_model_path).read_bytes()
    )
    assert tags["fitscribe.model_epoch"] == "5"
    assert "model/data/model.pth" in files


@pytest.mark.parametrize("often", ["epoch", 4])
def test_every_checkpoint_has_its_place(autolog, recorder, often):
    autolog(checkpoint=True, checkpoint_save_best_only=False, checkpoint_save_weights_only=True)
    autolog(checkpoint_save_freq=often)
    toys.trainer(max_epochs=2).fit(toys.Classifier(), toys.loader(), toys.loader())
    found = [path for path in recorder.artifacts(recorder.run()) if path.endswith(".pth")]
    places = ["epoch_0", "epoch_1"] if often == "epoch" else ["global_step_4", "global_step_8"]
    assert found == [f"checkpoints/{place}/checkpoint.weights.pth" for place in places]


def test_a_resumed_training_takes_our_checkpoint(autolog, recorder, tmp_path):
    autolog(checkpoint=True, checkpoint_monitor="train_loss")
    toys.trainer(max_epochs=2).fit(toys.Classifier(), toys.loader())
    (tmp_path / "ours.ckpt").write_bytes(recorder.artifacts(recorder.run())["checkpoints/latest_checkpoint.pth"])
    toys.trainer(max_epochs=4).fit(toys.Classifier(), toys.loader(), ckpt_path=tmp_path / "ours.ckpt")
    again = recorder.runs()[1]
    assert [step for step, _ in recorder.history(again, "train_loss")] == [2, 3]


def test_what_the_tuner_found_is_in_the_run_of_the_fit_that_follows(autolog, recorder, capfd):
    trainer, model = toys.trainer(max_epochs=1), toys.Classifier()
    found = pl.tuner.Tuner(trainer).lr_find(model, toys.loader(640), num_training=30)
    trainer.fit(model, toys.loader())
    run = recorder.run()  # its own short fits are no runs
    assert float(recorder.params(run)["lr_find_suggestion"]) == pytest.approx(found.suggestion())
    assert len(json.loads(recorder.artifacts(run)["lr_find.json"])["lr"]) > 10


def test_the_learning_rate_finder_and_averaging_are_told(autolog, recorder, capfd):
    finder = pl.callbacks.LearningRateFinder(num_training_steps=30)
    swa = pl.callbacks.StochasticWeightAveraging(0.01, swa_epoch_start=1)
    toys.trainer(callbacks=[finder, swa], max_epochs=3).fit(toys.Classifier(), toys.loader(480))
    run = recorder.run()
    params = recorder.params(run)
    assert float(params["lr_find_suggestion"]) == pytest.approx(finder.optimal_lr.suggestion())
    assert params["lr_find_num_training_steps"] == "30"
    assert params["swa_lrs"] == "0.01"
    assert recorder.metrics(run)["swa_models_averaged"] >= 2
    assert [step for step, _ in recorder.history(run, "train_loss")] == [0, 1, 2]
