"""`validate`, `test`, `predict`, Fabric, the command line, and the logger."""

from __future__ import annotations

import sys

import pytest
import torch

import fitscribe
from fitscribe.testing.endpoint import Endpoint
from integration.lightning import toys


def test_a_test_after_the_fit_is_in_the_models_run(autolog, recorder):
    trainer, model = toys.trainer(max_epochs=2), toys.Classifier()
    trainer.fit(model, toys.loader(), toys.loader())
    (told,) = trainer.test(model, toys.loader(), verbose=False)
    trainer.predict(model, toys.loader())
    run = recorder.run()
    assert recorder.history(run, "test_loss") == [(1, pytest.approx(told["test_loss"]))]
    assert recorder.metrics(run)["predict_time"] > 0
    assert recorder.tags(run)["Mode"] == "testing"


def test_a_test_alone_has_a_run_of_its_own_and_a_prediction_none(autolog, recorder):
    """W-51."""
    toys.trainer().predict(toys.Classifier(), toys.loader())
    toys.trainer().validate(toys.Classifier(), toys.loader(), verbose=False)
    toys.trainer().test(toys.Classifier(), [toys.loader(), toys.loader(32)], verbose=False)
    first, second = recorder.runs()
    assert (first.name, second.name) == ("Classifier.validate", "Classifier.test")
    assert recorder.metrics(first)["val_loss"] > 0
    assert {"test_loss/dataloader_idx_0", "test_loss/dataloader_idx_1"} <= set(recorder.metrics(second))


def test_what_fabric_logs_goes_to_the_users_run(autolog, recorder):
    """W-51."""
    from lightning.fabric import Fabric

    from fitscribe.current import entered
    from fitscribe.run import Run

    fabric = Fabric(accelerator="cpu", devices=1)
    fabric.log("nobody", 1.0)
    mine = Run.start("mine", by_user=True)
    with entered(mine):
        fabric.log_dict({"loss": torch.tensor(0.5)}, step=3)
        fabric.log("acc", 0.25, step=4)
    run = recorder.run("mine")
    assert recorder.history(run, "loss") == [(3, 0.5)]
    assert recorder.history(run, "acc") == [(4, 0.25)]


def test_the_command_line_is_recorded_with_its_configuration(autolog, recorder, tmp_path, monkeypatch):
    from lightning.pytorch.cli import LightningCLI

    class Data(toys.pl.LightningDataModule):
        def train_dataloader(self):
            return toys.loader()

    monkeypatch.setattr(sys, "argv", ["main.py"])
    told = ["fit", "--model.lr=0.125", "--trainer.max_epochs=1", "--trainer.logger=false"]
    told += [f"--trainer.{name}=false" for name in ("enable_progress_bar", "enable_checkpointing")]
    LightningCLI(toys.Classifier, Data, args=[*told, f"--trainer.default_root_dir={tmp_path}"])
    run = recorder.run("Classifier")
    assert recorder.params(run)["lr"] == "0.125"
    assert "lr: 0.125" in recorder.artifacts(run)["config.yaml"].decode()


def test_a_logger_writes_a_run_without_autologging(tmp_path, monkeypatch):
    with Endpoint() as endpoint:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", endpoint.uri)
        logger = fitscribe.lightning.FitscribeLogger("tries", "one", tags={"by": "hand"}, prefix="p", log_model=True)
        trainer = toys.trainer(logger=logger, log_every_n_steps=2, enable_checkpointing=True, default_root_dir=tmp_path)
        model = toys.Classifier()
        trainer.fit(model, toys.loader(), toys.loader())
        trainer.test(model, toys.loader(), verbose=False)
        assert fitscribe.flush(30)
        (run,) = endpoint.ledger.runs.values()
        assert (run.run_name, run.status, run.tags["by"]) == ("one", "FINISHED", "hand")
        assert run.params["hidden"] == "8"
        assert {"p-train_loss_step", "p-train_loss_epoch", "p-val_loss", "p-test_loss"} <= set(run.points)
        assert [step for _, _, step in run.points["p-train_loss_step"]] == [1, 3, 5, 7, 9, 11]
        assert [path for path in endpoint.ledger.artifacts if "/checkpoints/epoch=2" in path]


def test_a_training_that_is_resumed_in_its_run_goes_on_there(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "store"))
    fitscribe.lightning.autolog(log_models=False)
    try:
        trainer = toys.trainer(max_epochs=2)
        with fitscribe.start_run() as run:
            trainer.fit(toys.Classifier(), toys.loader())
        trainer.save_checkpoint(tmp_path / "two.ckpt")
        with fitscribe.start_run(run_id=run.info.run_id):
            toys.trainer(max_epochs=4).fit(toys.Classifier(), toys.loader(), ckpt_path=tmp_path / "two.ckpt")
        assert fitscribe.flush(30)
    finally:
        fitscribe.autolog(disable=True)
    client = fitscribe.Client(str(tmp_path / "store"))
    points = client.get_metric_history(run.info.run_id, "train_loss")
    assert [point.step for point in points] == [0, 1, 2, 3]
    found = client.get_run(run.info.run_id).data
    assert (found.params["epochs"], found.tags["fitscribe.drift.epochs"]) == ("2", "4")


def test_with_autologging_and_our_logger_there_is_one_run_and_each_value_once(autolog, recorder):
    logger = fitscribe.lightning.FitscribeLogger()
    toys.trainer(logger=logger, log_every_n_steps=2).fit(toys.Classifier(), toys.loader(), toys.loader())
    run = recorder.run()
    assert [step for step, _ in recorder.history(run, "train_loss_step")] == [1, 3, 5, 7, 9, 11]
    assert [step for step, _ in recorder.history(run, "val_loss")] == [3, 7, 11]
    assert recorder.params(run)["optimizer_name"] == "Adam"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("log_every_n_step", 0),
        ("checkpoint_mode", "auto"),
        ("checkpoint_save_freq", "step"),
        ("registered_model_name", 3),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_its_value(autolog, option, value):
    with pytest.raises(fitscribe.MisuseError, match=f"{option}={value!r}"):
        autolog(**{option: value})
