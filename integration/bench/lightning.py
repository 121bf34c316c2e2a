"""What autologging of Lightning costs: by epoch and by step, until the first epoch is over, and to switch it on.

Beside the time of an epoch or a step, which drifts with the machine, stands what the callbacks of the hooks took: the
part of it that a tracker can make longer on the thread that trains.
"""

from __future__ import annotations

import logging
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

from integration.bench.measuring import MODES, console, medians, ratio, table

__all__ = ["SCENARIOS", "lightning"]

EPOCHS, STEPS, EVERY = 100, 1000, 10
clock = time.perf_counter


def lightning(uri: str, repeat: int, title: str) -> None:
    """Measure at the endpoint `uri`."""
    for what, argument, words in (
        ("epoch", "epochs", f"median of {EPOCHS} epochs of one step, {title}"),
        ("step", "steps", f"values every {EVERY} of {STEPS} steps, {title}"),
    ):
        made = table(
            f"Lightning, {words}", f"none us a {what}", "mlflow adds", "fitscribe adds", "its hooks: none", "mlflow",
            "fitscribe", "whole fit: none ms", "mlflow", "fitscribe", "delivered",
        )  # fmt: skip
        found = medians("lightning", argument, uri, repeat, MODES)
        none, theirs, ours = (found[mode] for mode in MODES)
        made.add_row(
            f"{none['us']:.0f}", *(f"{each['us'] - none['us']:.0f}" for each in (theirs, ours)),
            *(f"{each['hooks']:.1f}" for each in (none, theirs, ours)),
            *(f"{each['fit']:.0f}" for each in (none, theirs, ours)), f"{ours['delivered'] / 1000:.2f} s",
        )  # fmt: skip
        console.print(made)
    made = table("X.pytorch.autolog(), Lightning being there", "mlflow ms", "fitscribe ms", "ratio")
    found = medians("lightning_on", "-", uri, repeat, MODES[1:])
    theirs, ours = (found[mode]["ms"] for mode in MODES[1:])
    made.add_row(f"{theirs:.0f}", f"{ours:.1f}", ratio(theirs, ours))
    console.print(made)


def lightning_on(mode: str, _: str) -> dict[str, float]:
    """Switch autologging on in a process that has Lightning."""
    import pytorch_lightning  # noqa: F401

    began = clock()
    switched(mode)
    return {"ms": (clock() - began) * 1e3}


def switched(mode: str, **options: Any) -> None:
    """Switch one tracker on, without models and checkpoints."""
    if mode == "mlflow":
        import mlflow

        mlflow.pytorch.autolog(log_models=False, checkpoint=False, **options)
    elif mode == "fitscribe":
        import fitscribe

        fitscribe.lightning.autolog(log_models=False, **options)


def trained(mode: str, what: str) -> dict[str, float]:
    """Train a small module: us of an epoch or a step, of the hooks at its end, and ms of the whole fit."""
    warnings.simplefilter("ignore")
    import pytorch_lightning as pl
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

    class Net(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))

        def training_step(self, batch: Any, index: int) -> Any:
            loss = (self.net(batch[0]) - batch[1]).square().mean()
            self.log_dict({"loss": loss, "mae": loss.sqrt()}, on_step=True, on_epoch=True)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters())

    def fit(epochs: int) -> None:
        trainer = pl.Trainer(
            max_epochs=epochs, logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu",
            devices=1, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(Net(), DataLoader(data, batch_size=32))

    rows, epochs = (32 * STEPS, 1) if what == "steps" else (32, EPOCHS)
    data = TensorDataset(torch.randn(320, 16), torch.randn(320, 1))
    fit(1)  # what is imported once is nobody's cost
    data = TensorDataset(torch.randn(rows, 16), torch.randn(rows, 1))
    switched(mode, **({"log_every_n_step": EVERY} if what == "steps" and mode != "none" else {}))
    seen = Seen("on_train_batch_end" if what == "steps" else "on_train_epoch_end")
    began = clock()
    fit(epochs)
    took = clock() - began
    seen.stop()
    settle(mode)
    times = [later - sooner for sooner, later in zip(seen.ends, seen.ends[1:], strict=False)]
    return {
        "us": statistics.fmean(times) * 1e6,
        "hooks": statistics.fmean(seen.took) * 1e6,
        "fit": took * 1e3,
        "delivered": (clock() - began) * 1e3,
    }


class Seen:
    """How long the trainer's callbacks took at one of their hooks, and when; without being one of them."""

    def __init__(self, hook: str) -> None:
        """Begin to look."""
        from pytorch_lightning.trainer import call

        self.took: list[float] = []
        self.ends: list[float] = []
        self.module, self.before = call, call._call_callback_hooks
        wanted = (hook, "on_train_epoch_start") if hook == "on_train_epoch_end" else (hook,)
        call._call_callback_hooks = self._looked_at(self.before, hook, wanted)

    def _looked_at(self, function: Callable[..., Any], hook: str, wanted: tuple[str, ...]) -> Callable[..., Any]:
        def looked_at(trainer: Any, name: str, *args: Any, **kwargs: Any) -> Any:
            began = clock()
            result = function(trainer, name, *args, **kwargs)
            ended = clock()
            if name in wanted:
                self.took.append(ended - began)
            if name == hook and kwargs.get("monitoring_callbacks") is not True:
                self.ends.append(ended)
            return result

        return looked_at

    def stop(self) -> None:
        """Put back what was there."""
        self.module._call_callback_hooks = self.before


def settle(mode: str) -> None:
    """Wait until all is delivered."""
    if mode == "fitscribe":
        import fitscribe

        fitscribe.flush(300)


SCENARIOS: dict[str, Callable[[str, str], dict[str, float]]] = {"lightning": trained, "lightning_on": lightning_on}
