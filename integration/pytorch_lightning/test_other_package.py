"""A trainer of pytorch_lightning is recorded as one of lightning.pytorch."""

from __future__ import annotations

import json
import types
import warnings

import torch

from integration.lightning import toys

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pytorch_lightning


def classifier():
    """Make the same module on the base class of this package."""

    def made(self):
        pytorch_lightning.LightningModule.__init__(self)
        self.net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        self.save_hyperparameters({"lr": 0.02})

    body = {name: each for name, each in vars(toys.Classifier).items() if isinstance(each, types.FunctionType)}
    return type("Other", (pytorch_lightning.LightningModule,), {**body, "__init__": made})()


def test_the_other_package_is_recorded_with_what_its_callbacks_decided(autolog, recorder, tmp_path):
    autolog(log_models=True)
    stop = pytorch_lightning.callbacks.EarlyStopping("val_loss", patience=1, min_delta=10.0)
    keep = pytorch_lightning.callbacks.ModelCheckpoint(tmp_path, monitor="val_loss")
    trainer = toys.trainer(pytorch_lightning, callbacks=[stop, keep], enable_checkpointing=True)
    model = classifier()
    trainer.fit(model, toys.loader(), toys.loader())
    trainer.test(model, toys.loader(), verbose=False)
    run = recorder.run("Other")
    assert [step for step, _ in recorder.history(run, "val_loss")] == [0, 1]
    assert recorder.metrics(run)["stopped_epoch"] == 1
    assert recorder.metrics(run)["test_loss"] > 0
    assert recorder.params(run)["patience"] == "1"
    files = recorder.artifacts(run)
    assert "net.0" in files["model_summary.txt"].decode()
    assert json.loads(files["checkpoints/checkpoints.json"])[0]["path"] == keep.best_model_path
    assert "model/data/model.pth" in files
    assert [each for each in trainer.callbacks if "fitscribe" in type(each).__module__] == []
