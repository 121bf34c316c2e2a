"""The Lightning flavor: a LightningModule is a PyTorch module, in a directory of that flavor; and its checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError, NotFoundError
from fitscribe.models import pytorch, torchfiles
from fitscribe.models import trust as trusting
from fitscribe.models.kinds import is_a
from fitscribe.models.pytorch import Predictor, check, load, predictor, runs_code
from fitscribe.models.written import Written

__all__ = [
    "FLAVOR",
    "Predictor",
    "answers",
    "check",
    "is_module",
    "load",
    "load_checkpoint",
    "predictor",
    "runs_code",
    "write",
]

FLAVOR = "pytorch"  # the name under which it stands in an MLmodel file
MODULES = ("lightning.pytorch", "pytorch_lightning")


def is_module(model: Any) -> bool:
    """Tell if it is a LightningModule, of either package that has them."""
    return any(is_a(module, ("LightningModule",), model) for module in MODULES)


def write(model: Any, folder: Path, **options: Any) -> Written:
    """Write a LightningModule without its trainer; the words are those of `models.pytorch.write`.

    `MisuseError`: it is none, or cannot be written.
    """
    model = pytorch.plain(model)
    if not is_module(model):
        raise MisuseError(f"a {type(model).__name__} is no LightningModule; fitscribe.pytorch takes other modules")
    with _alone(model):
        return pytorch.write(model, folder, **options)


def answers(model: Any, rows: Any, **options: Any) -> Any:
    """Return what `forward` makes of these rows."""
    return pytorch.answers(model, rows, **options)


@contextmanager
def _alone(model: Any) -> Iterator[None]:
    """Within it the module and its parts know no trainer: with it would go the data, the optimizers and the logger."""
    parts = [part for part in model.modules() if "_trainer" in vars(part)]
    trainers = [vars(part)["_trainer"] for part in parts]
    try:
        for part in parts:
            vars(part)["_trainer"] = None
        yield
    finally:
        for part, trainer in zip(parts, trainers, strict=True):
            vars(part)["_trainer"] = trainer


def load_checkpoint(
    model_class: Any, file: Path, trust: bool | str | Iterable[str] | None = None, **options: Any
) -> Any:
    """Make a module of a checkpoint by its own `load_from_checkpoint`, whose options these are.

    Only tensors and plain values are read; a checkpoint with other objects is read only if `trust` says so.
    """
    import torch

    if not file.is_file():
        raise NotFoundError(f"there is no checkpoint at {str(file)!r}")
    file = trusting.check_file(file, lambda it: not torchfiles.harmless(it), trust)
    plain = torchfiles.runs_nothing(file)
    options.setdefault("map_location", None if torch.cuda.is_available() else "cpu")
    return model_class.load_from_checkpoint(str(file), weights_only=plain, **options).eval()
