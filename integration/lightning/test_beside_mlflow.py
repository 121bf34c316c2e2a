"""One training under real `mlflow.pytorch.autolog()` and under ours, key by key; each difference has its reason."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from fitscribe.client import Client

SCRIPT = """
import logging, sys, warnings
import pytorch_lightning as pl
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

tracker = sys.argv[1]
if tracker == "mlflow":
    import mlflow as tracking
else:
    import fitscribe as tracking
getattr(tracking, "pytorch" if tracker == "mlflow" else "lightning").autolog(log_models=False, checkpoint=False)

class Net(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(4, 2)

    def training_step(self, batch, index):
        loss = cross_entropy(self.net(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        self.log("by_step", loss)
        return loss

    def validation_step(self, batch, index):
        self.log("val_loss", cross_entropy(self.net(batch[0]), batch[1]))

    def test_step(self, batch, index):
        self.log("test_loss", cross_entropy(self.net(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.05)

pl.seed_everything(0)
x = torch.randn(64, 4)
data = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=16)
stop = pl.callbacks.EarlyStopping("val_loss", patience=1, min_delta=10.0)
trainer = pl.Trainer(max_epochs=6, callbacks=[stop], logger=False, enable_checkpointing=False, accelerator="cpu",
                     devices=1, enable_progress_bar=False, enable_model_summary=False)
model = Net()
trainer.fit(model, data, data)
trainer.test(model, data, verbose=False)
if tracker == "fitscribe":
    assert tracking.flush(120)
"""
ONLY_OURS = {
    "params": {
        r"(min|max)_(epochs|steps)|(limit|val)_\w+|check_val_every_n_epoch|accumulate_grad_batches|gradient_clip_\w+"
        r"|overfit_batches|log_every_n_steps|reload_dataloaders_every_n_epochs": "what the trainer was told",
        r"num_nodes|num_devices|world_size|precision|accelerator|strategy|device|\w+_version": "where and how it ran",
        r"(total|trainable|non_trainable)_params": "what the model is made of",
        r"batch_size|num_workers|pin_memory|drop_last|sampler|train_\w+": "the data, which MLflow does not look at",
        r"stopping_threshold|divergence_threshold": "early stopping, all of it",
    },
    "metrics": {
        r"fit_time|epoch_time|steps_per_second": "how long it took",
        r"learning_rate": "by epoch",
        r"best_epoch": "MLflow tells none, but one that it takes for it: see restored_epoch",
    },
    "tags": {
        r"fitscribe\.(run_key|overhead_ms)": "finds the run again after a lost answer; what recording cost",
        r"fitscribe\.stopped": "why it stopped, in Lightning's words",
        r"mlflow\.source\.git\.(commit|branch|repoURL|dirty)": "MLflow needs GitPython for these",
    },
    "artifacts": {},
}
ONLY_THEIRS = {
    "params": {r"stopped_epoch": "before the training, where it is always 0; ours is a metric, after it"},
    "metrics": {r"restored_epoch": "stopped_epoch less patience; ours is the epoch of a checkpoint, and here is none"},
    "tags": {},
    "artifacts": {},
}
OTHER_VALUE = {
    r"tags mlflow\.(runName|source\.name)": "MLflow's names are invented",
    r"params min_delta": "MLflow has Lightning's sign, -10.0 for 10.0",
    r"metrics test_loss": "at the epoch of the model, where MLflow has step 0",
    r"metrics (best_score|stopped_epoch|wait_count)": "the step alone differs: MLflow's is the epoch",
    r"artifacts .*": "only the names are compared",
}


@pytest.fixture(scope="module")
def recorded(mlflow_server, tmp_path_factory):
    return {tracker: trained(tracker, mlflow_server, tmp_path_factory.mktemp(tracker)) for tracker in TRACKERS}


TRACKERS = ("mlflow", "fitscribe")


def trained(tracker, uri, folder):
    experiment = f"lightning under {tracker}"
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("FITSCRIBE_", "MLFLOW_"))}
    told = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_TRACKING_URI": uri, "MLFLOW_EXPERIMENT_NAME": experiment}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, tracker],
        cwd=folder, env={**kept, **told}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    client = Client(uri)
    [run] = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return {
        "params": run.data.params,
        "metrics": {key: history(client, run, key) for key in run.data.metrics},
        "tags": run.data.tags,
        "artifacts": {each.path: "" for each in client.list_artifacts(run.info.run_id)},
    }


def history(client, run, key) -> list[tuple[int, float]]:
    return sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, key))


def explained(patterns, words) -> bool:
    return any(re.fullmatch(pattern, words) for pattern in patterns)


def same(one, other) -> bool:
    if isinstance(one, list):
        return [step for step, _ in one] == [step for step, _ in other] and [
            value for _, value in one
        ] == pytest.approx([value for _, value in other])
    return one == other


def test_the_record_has_mlflows_keys_and_values(recorded):
    a, b = (recorded[tracker] for tracker in TRACKERS)
    unexplained = []
    for kind in a:
        unexplained += [f"{kind} {key} is MLflow's alone" for key in a[kind].keys() - b[kind].keys()
                        if not explained(ONLY_THEIRS[kind], key)]  # fmt: skip
        unexplained += [f"{kind} {key} is ours alone" for key in b[kind].keys() - a[kind].keys()
                        if not explained(ONLY_OURS[kind], key)]  # fmt: skip
        for key in a[kind].keys() & b[kind].keys():
            one, other = a[kind][key], b[kind][key]
            if not same(one, other) and not explained(OTHER_VALUE, f"{kind} {key}"):
                unexplained.append(f"{kind} {key} is {one!r} there and {other!r} here")
    assert unexplained == []


def test_every_difference_to_mlflows_keys_is_one(recorded):
    a, b = (recorded[tracker] for tracker in TRACKERS)
    assert {kind: sorted(a[kind].keys() - b[kind].keys()) for kind in a} == {
        "params": ["stopped_epoch"],
        "metrics": ["restored_epoch"],
        "tags": [],
        "artifacts": [],
    }
