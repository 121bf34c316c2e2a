"""A LightningModule with a validation loop, early stopping and a checkpoint of the best epoch; then its test."""

import logging

import lightning.pytorch as pl
import torch
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, TensorDataset

import fitscribe

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
fitscribe.autolog()


class Regression(pl.LightningModule):
    def __init__(self, hidden: int = 32, lr: float = 0.05):
        super().__init__()
        self.save_hyperparameters()
        self.net = torch.nn.Sequential(torch.nn.Linear(8, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 1))

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, index):
        loss = mse_loss(self(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch, index):
        self.log("val_loss", mse_loss(self(batch[0]), batch[1]))

    def test_step(self, batch, index):
        self.log("test_loss", mse_loss(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.95)]


def loader(rows):
    x = torch.randn(rows, 8)
    return DataLoader(TensorDataset(x, x[:, :1] - 2 * x[:, 1:2] + torch.randn(rows, 1)), batch_size=16)


pl.seed_everything(0, verbose=False)
model = Regression()
stop = pl.callbacks.EarlyStopping("val_loss", patience=3)
best = pl.callbacks.ModelCheckpoint("checkpoints", monitor="val_loss")
trainer = pl.Trainer(
    max_epochs=60, callbacks=[stop, best], logger=False, enable_progress_bar=False, accelerator="cpu", devices=1,
    enable_model_summary=False,
)  # fmt: skip
trainer.fit(model, loader(64), loader(32))
trainer.test(model, loader(32), verbose=False)

run = fitscribe.last_active_run()
client = fitscribe.Client()
rates = [point.value for point in client.get_metric_history(run.info.run_id, "learning_rate")]
print({key: run.data.params[key] for key in ("hidden", "optimizer_name", "patience", "lr_scheduler_name")})
print("the rate falls:", rates == sorted(rates, reverse=True))
print("stopped early:", run.data.metrics["stopped_epoch"] < 59)
print("the checkpoint is of the best epoch:", f"epoch={int(run.data.metrics['best_epoch'])}-" in best.best_model_path)
print("tested:", run.data.metrics["test_loss"] > 0)
