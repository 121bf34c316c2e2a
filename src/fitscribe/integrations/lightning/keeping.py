"""The model as it is when training ends, kept as a model directory of its run; the best one is told apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.lightning import deciding

__all__ = ["log"]

SHARDED = ("FSDP", "DeepSpeed", "ModelParallel", "XLAFSDP")


def log(run: Any, trainer: Any, module: Any, follower: Any, options: Mapping[str, Any]) -> None:
    """Record the model under `model`; what no single rank has, and what `fast_dev_run` tried, is no model."""
    if trainer.fast_dev_run:
        return
    strategy = type(trainer.strategy).__name__
    if strategy.startswith(SHARDED):
        run.set_tags({"fitscribe.model": f"left out: with {strategy} each rank has a part; see its checkpoints"})
        return
    run.log_model(
        module,
        flavor="lightning",
        signature=follower.signature or False,
        limit=options["max_model_size"],
        register_as=options["registered_model_name"] or "",
    )
    with guarded("telling the best model from the last"):
        _tell_best(run, trainer, follower, options)


def _tell_best(run: Any, trainer: Any, follower: Any, options: Mapping[str, Any]) -> None:
    """Say of which epoch the model is; upload the best checkpoint beside it where checkpoints are asked for."""
    run.set_tags({"fitscribe.model_epoch": follower.epoch} if follower.epoch is not None else {})
    if not options["checkpoint"]:
        return
    for callback in deciding.monitored(trainer, "ModelCheckpoint"):
        best = callback.best_model_path
        if best and callback.monitor and Path(best).is_file():
            run.log_checkpoint(best, f"restored_model_checkpoint/{Path(best).name}")
            return
