"""Checkpoints on request: the training as it was at the best epoch, or at each, uploaded while it goes on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.lightning import values

__all__ = ["Checkpoints"]

FOLDER = "checkpoints"
WHOLE = ("SingleDeviceStrategy", "DDPStrategy")  # one rank holds the whole model, and needs no other to write it


class Checkpoints:
    """Writes a checkpoint where one is wanted; uploading is not waited for."""

    def __init__(self, run: Any, options: Mapping[str, Any], warn: Callable[..., None]) -> None:
        """Read the options `checkpoint_...` as they are now; `warn` tells the user what is missing."""
        self.run, self.warn = run, warn
        self.monitor, self.mode = options["checkpoint_monitor"], options["checkpoint_mode"]
        self.best_only = options["checkpoint_save_best_only"]
        self.weights = options["checkpoint_save_weights_only"]
        self.often = options["checkpoint_save_freq"]
        self.best: float | None = None

    def epoch_end(self, trainer: Any) -> None:
        """Write one at the end of an epoch, if epochs are what is asked for."""
        if self.often == "epoch":
            self._keep(trainer, f"epoch_{trainer.current_epoch}")

    def batch_end(self, trainer: Any, before: int) -> None:
        """Write one after a step of the optimizer that is asked for; `before` is the step of the batch before."""
        if self.often != "epoch" and trainer.global_step // self.often > before // self.often:
            self._keep(trainer, f"global_step_{trainer.global_step}")

    @guarded("writing a checkpoint")
    def _keep(self, trainer: Any, moment: str) -> None:
        if type(trainer.strategy).__name__ not in WHOLE:
            self.warn(
                "no checkpoint is uploaded: with %s it takes all ranks to write one; ModelCheckpoint does, and its "
                "files are recorded by path and hash",
                type(trainer.strategy).__name__,
            )
            return
        found = values.floats(self._known(trainer))
        value = found.get(self.monitor)
        if value is None and self.best_only:
            self.warn(
                "no checkpoint: the metric %r is not among %s; name another with checkpoint_monitor, or keep each "
                "one with checkpoint_save_best_only=False",
                self.monitor,
                ", ".join(found) or "any that was logged",
            )
            return
        better = value is not None and self._is_better(value)
        if self.best_only and not better:
            return
        told = {**found, "epoch": trainer.current_epoch, "global_step": trainer.global_step}
        path = self._write(trainer, moment, told)
        tags = {"mlflow.latest_checkpoint_artifact": path}
        if better:
            self.best = value
            tags["fitscribe.best_checkpoint_artifact"] = path
        self.run.set_tags(tags)

    def _known(self, trainer: Any) -> dict[str, Any]:
        """Return the values as far as they are there; alone in the world, we may ask for those of this epoch too."""
        if trainer.world_size == 1:
            return dict(trainer.callback_metrics)
        return values.computed(trainer)

    def _is_better(self, value: float) -> bool:
        if math.isnan(value):
            return False
        return self.best is None or (value > self.best if self.mode == "max" else value < self.best)

    def _write(self, trainer: Any, moment: str, told: Mapping[str, Any]) -> str:
        import torch

        ending = ".weights.pth" if self.weights else ".pth"
        file = self.run.spool_path(f"checkpoint{ending}")
        # not `trainer.save_checkpoint`: that waits for the other ranks, which do not come
        torch.save(trainer._checkpoint_connector.dump_checkpoint(self.weights), file)
        stem = f"{FOLDER}/latest_checkpoint" if self.best_only else f"{FOLDER}/{moment}/checkpoint"
        self.run.log_spooled(file, f"{stem}{ending}")
        self.run.log_text(json.dumps(told, indent=2), f"{stem}_metrics.json")
        return f"{stem}{ending}"
