"""Checkpoints on request, by epoch or every so many batches: the model as it was best, or each time."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.tensorflow import workers
from fitscribe.models import kerasfiles

__all__ = ["Checkpoints"]

FOLDER = "checkpoints"


class Checkpoints:
    """Writes the model as it is between two steps of its training; uploading is not waited for."""

    def __init__(self, run: Any, model: Any, options: Mapping[str, Any], warn: Callable[..., None]) -> None:
        """Read the options `checkpoint_...` as they are now; `warn` tells the user what is missing."""
        self.run, self.model, self.warn = run, model, warn
        self.monitor, self.mode = options["checkpoint_monitor"], options["checkpoint_mode"]
        self.best_only = options["checkpoint_save_best_only"]
        self.weights = options["checkpoint_save_weights_only"]
        freq = options["checkpoint_save_freq"]
        self.every: int | None = None if freq == "epoch" else freq  # batches
        self.best: float | None = None

    @guarded("writing a checkpoint")
    def keep(self, epoch: int, steps: int, logs: Mapping[str, float]) -> None:
        """Write the model as it is after so many steps, if it is the best so far or each one is wanted."""
        value = logs.get(self.monitor)
        if value is None and self.best_only:
            self.warn(
                "no checkpoint: the metric %r is not among %s; name another with checkpoint_monitor, or keep all "
                "of them with checkpoint_save_best_only=False",
                self.monitor,
                ", ".join(logs),
            )
            return
        better = value is not None and self._is_better(value)
        if self.best_only and not better:
            return
        getattr(self.model, "jax_state_sync", int)()  # on JAX the weights are elsewhere within an epoch
        model = workers.alone(self.model)
        if model is None:
            self.warn("no checkpoint: a model without get_config() is saved by all its workers or none")
            return
        path = self._write(model, epoch, {**logs, "epoch": epoch, "global_step": steps})
        tags = {"mlflow.latest_checkpoint_artifact": path}
        if better:
            self.best = value
            tags["fitscribe.best_checkpoint"] = path
        self.run.set_tags(tags)

    def _is_better(self, value: float) -> bool:
        higher = self.mode == "max" or (self.mode == "auto" and ("acc" in self.monitor or "auc" in self.monitor))
        if math.isnan(value):
            return False
        return self.best is None or (value > self.best if higher else value < self.best)

    def _write(self, model: Any, epoch: int, told: Mapping[str, Any]) -> str:
        ending = ".weights.h5" if self.weights else ".keras"
        file = self.run.spool_path(f"checkpoint{ending}")
        (model.save_weights if self.weights else partial(kerasfiles.save, model))(file)
        place = f"epoch_{epoch}" if self.every is None else f"global_step_{told['global_step']}"
        stem = f"{FOLDER}/latest_checkpoint" if self.best_only else f"{FOLDER}/{place}/checkpoint"
        self.run.log_spooled(file, f"{stem}{ending}")
        self.run.log_text(json.dumps(told, indent=2), f"{stem}_metrics.json")
        return f"{stem}{ending}"
