"""fitscribe.lightning: LightningModules and their checkpoints logged, saved and loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitscribe import pytorch
from fitscribe.errors import MisuseError
from fitscribe.pytorch import load_checkpoint, load_model

if TYPE_CHECKING:
    from fitscribe.publishing import LoggedModel

__all__ = ["load_checkpoint", "load_model", "log_model", "save_model"]


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
