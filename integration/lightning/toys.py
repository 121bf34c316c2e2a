"""Small modules and data, the same each time."""

from __future__ import annotations

import lightning.pytorch as pl
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

QUIET = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "accelerator": "cpu",
    "devices": 1,
}


class Classifier(pl.LightningModule):
    """Logs in every way that `self.log` has."""

    def __init__(self, lr: float = 0.02, hidden: int = 8) -> None:
        super().__init__()
        self.save_hyperparameters()
        torch.manual_seed(0)
        self.net = torch.nn.Sequential(torch.nn.Linear(4, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 2))

    def forward(self, x):
        return self.net(x)

    def loss(self, batch):
        x, y = batch
        return cross_entropy(self(x), y)

    def training_step(self, batch, index):
        loss = self.loss(batch)
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        self.log("by_step", loss)
        self.log("acc@1", loss, on_step=False, on_epoch=True, logger=False)
        return loss

    def validation_step(self, batch, index, dataloader_idx=0):
        self.log("val_loss", self.loss(batch))

    def test_step(self, batch, index, dataloader_idx=0):
        self.log("test_loss", self.loss(batch))

    def predict_step(self, batch, index):
        return self(batch[0])

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)]


class Scripted(Classifier):
    """Its validation loss is what a list says, epoch by epoch."""

    def __init__(self, losses=(0.5, 0.3, 0.4, 0.45, 0.5, 0.6)) -> None:
        super().__init__()
        self.losses = losses

    def validation_step(self, batch, index, dataloader_idx=0):
        self.log("val_loss", self.losses[self.current_epoch])


class Gan(pl.LightningModule):
    """Two optimizers, taken by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.a, self.b = torch.nn.Linear(4, 1), torch.nn.Linear(4, 1)

    def training_step(self, batch, index):
        for optimizer, part in zip(self.optimizers(), (self.a, self.b), strict=True):
            loss = part(batch[0]).square().mean()
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        self.log("loss", loss)

    def configure_optimizers(self):
        groups = [{"params": [self.b.weight]}, {"params": [self.b.bias], "lr": 0.3}]
        return torch.optim.Adam(self.a.parameters(), 0.1), torch.optim.SGD(groups, 0.2)


class Interrupted(Classifier):
    """Raises in its third epoch."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def on_train_batch_start(self, batch, index):
        if self.current_epoch == 2:
            raise self.error


def loader(rows: int = 64, batch: int = 16) -> DataLoader:
    x = torch.randn(rows, 4, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=batch)


def trainer(package=pl, **given):
    return package.Trainer(**{**QUIET, "max_epochs": 3, **given})
