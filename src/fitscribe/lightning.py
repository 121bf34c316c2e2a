"""fitscribe.lightning: autologging of Lightning's Trainer, a logger for it, and LightningModules and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from fitscribe import autologging, pytorch
from fitscribe.errors import MisuseError, Unavailable
from fitscribe.pytorch import load_checkpoint, load_model

if TYPE_CHECKING:
    from typing import Unpack

    from fitscribe.publishing import LoggedModel

    FitscribeLogger: Any

__all__ = ["FitscribeLogger", "autolog", "load_checkpoint", "load_model", "log_model", "save_model"]


class Options(TypedDict, total=False):
    """What `autolog` takes; MLflow's words of `mlflow.pytorch.autolog`, and their meaning there."""

    log_every_n_epoch: int | None
    log_every_n_step: int | None
    log_models: bool
    log_model_signatures: bool
    log_datasets: bool
    checkpoint: bool
    checkpoint_monitor: str
    checkpoint_mode: Literal["min", "max"]
    checkpoint_save_best_only: bool
    checkpoint_save_weights_only: bool
    checkpoint_save_freq: Literal["epoch"] | int
    registered_model_name: str | None
    max_model_size: float | None
    disable: bool
    exclusive: bool
    disable_for_unsupported_versions: bool
    silent: bool
    extra_tags: Mapping[str, str] | None


def autolog(**options: Unpack[Options]) -> None:
    """Record every `Trainer.fit` of this process from here on, of `lightning` and of `pytorch_lightning`.

    Defaults: values by epoch; by step of the optimizer only with `log_every_n_step`; the model and its signature are
    logged; checkpoints are told of by path and hash, and uploaded only with `checkpoint=True`. An option keeps what
    it was told before when it is not given. `Unavailable`: neither package is installed in a version this works with;
    `MisuseError`: a value that an option cannot take.
    """
    missing = []
    for name in ("lightning", "pytorch_lightning"):
        try:
            autologging.autolog_one(name, options)
        except Unavailable as reason:
            missing.append(reason)
    if len(missing) == 2:
        raise missing[0]


def __getattr__(name: str) -> Any:
    """Make `FitscribeLogger` when it is first asked for: its base class is Lightning's, which takes seconds."""
    if name == "FitscribeLogger":
        from fitscribe import lightninglogger

        return lightninglogger.logger_class()
    raise AttributeError(f"module 'fitscribe.lightning' has no attribute {name!r}")


def log_model(model: Any, artifact_path: str | None = None, **words: Any) -> LoggedModel:
    """Record a LightningModule as a model directory of the current run, without its trainer; return where.

    The words are those of `fitscribe.pytorch.log_model`; it is loaded as a PyTorch model, also by MLflow.
    `MisuseError`: it is no LightningModule, or cannot be written.
    """
    return pytorch.log_model(_checked(model), artifact_path, **words)


def save_model(model: Any, path: str | Path, **words: Any) -> None:
    """Write a model directory of a LightningModule; the words are those of `fitscribe.pytorch.save_model`."""
    pytorch.save_model(_checked(model), path, **words)


def _checked(model: Any) -> Any:
    from fitscribe.models import lightning

    if not lightning.is_module(model):
        raise MisuseError(f"a {type(model).__name__} is no LightningModule; fitscribe.pytorch takes other modules")
    return model
