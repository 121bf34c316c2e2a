"""The data of a fit, by its loaders: how much there is and how it comes; no batch is drawn."""

from __future__ import annotations

from typing import Any

from fitscribe import guarded
from fitscribe.integrations.torch.inputs import in_memory
from fitscribe.models import datasets

__all__ = ["log"]


def log(run: Any, trainer: Any, as_dataset: bool) -> None:
    """Record the loaders' settings as params and, where tensors lie in memory, their digest as a dataset."""
    for stage, given in (("train", trainer.train_dataloader), ("val", trainer.val_dataloaders)):
        with guarded(f"reading the {stage} data"):
            for number, loader in enumerate(_loaders(given)):
                _log_one(run, loader, stage if not number else f"{stage}_{number + 1}", as_dataset)
    with guarded("reading the number of batches"):
        if isinstance(trainer.num_training_batches, int):
            run.log_params({"train_batches": trainer.num_training_batches})


def _loaders(given: Any) -> list[Any]:
    if isinstance(given, dict):
        return list(given.values())
    return list(given) if isinstance(given, (list, tuple)) else [] if given is None else [given]


def _log_one(run: Any, loader: Any, stage: str, as_dataset: bool) -> None:
    data: Any = getattr(loader, "dataset", None)
    found: dict[str, Any] = {}
    stem = "" if stage == "train" else f"{stage}_"
    for name in ("batch_size", "num_workers", "pin_memory", "drop_last"):
        if (value := getattr(loader, name, None)) is not None:
            found[f"{stem}{name}"] = value
    sampler = getattr(loader, "sampler", None)
    if sampler is not None:
        found[f"{stem}sampler"] = type(sampler).__name__
    found[f"{stage}_dataset"] = type(data if data is not None else loader).__name__
    if hasattr(type(data), "__len__"):
        found[f"{stage}_samples"] = len(data)
    run.log_params(found)
    if as_dataset and data is not None:
        _describe(run, data, "train" if stage.startswith("train") else "eval")


def _describe(run: Any, data: Any, context: str) -> None:
    """Tell of tensors in memory alone: anything else would have to be read, which may cost as much as to train."""
    arrays = in_memory(data)
    facts = datasets.describe(arrays[0], arrays[1] if len(arrays) > 1 else None) if arrays else None
    if facts is not None:
        run.log_dataset(facts, context)
