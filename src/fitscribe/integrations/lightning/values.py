"""The values of `self.log`: which ones are new, and how they become numbers without waiting for a device twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["Seen", "by_step", "computed", "floats", "of_batch"]


def computed(trainer: Any) -> dict[str, Any]:
    """Return what Lightning has computed so far; its public property would compute more, with the other ranks."""
    return dict(trainer._logger_connector._callback_metrics)


def of_batch(trainer: Any) -> dict[str, Any]:
    """Return what the batch that just ended logged by step; no sum over the epoch is asked for."""
    connector = trainer._logger_connector
    if connector._first_loop_iter is None:  # Lightning would compute the epoch's
        return {}
    found: dict[str, Any] = connector.metrics["callback"]
    return {key: value for key, value in found.items() if f"{key}_step" not in found}


def by_step(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return values under keys of their own for a series by step, named as Lightning names its forks."""
    named: dict[str, Any] = {}
    for key, value in found.items():
        stem, loader, number = key.partition("/dataloader_idx_")
        if not stem.endswith(("_step", "_epoch")):
            named[f"{stem}_step{loader}{number}"] = value
    return named


class Seen:
    """Knows which tensors it has seen: Lightning keeps old values beside new ones, and each new one is a new tensor."""

    def __init__(self) -> None:
        """Have seen nothing."""
        self.last: dict[str, Any] = {}

    def fresh(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return those that were not there before, and remember them."""
        new = {key: value for key, value in found.items() if self.last.get(key) is not value}
        self.last.update(new)
        return new


def floats(found: Mapping[str, Any]) -> dict[str, float]:
    """Read tensors of one element as numbers, with one transfer for each device and type."""
    alike: dict[tuple[Any, Any], list[str]] = {}
    numbers: dict[str, float] = {}
    for key, value in found.items():
        if hasattr(value, "detach") and value.numel() == 1:
            alike.setdefault((value.device, value.dtype), []).append(key)
        elif isinstance(value, (int, float)):
            numbers[key] = float(value)
    for keys in alike.values():
        read = _together(found[key] for key in keys)
        numbers.update(zip(keys, read, strict=True))
    return {key: numbers[key] for key in found if key in numbers}


def _together(tensors: Iterable[Any]) -> list[float]:
    import torch

    flat = [each.detach() if not each.dim() else each.detach().reshape(()) for each in tensors]
    return [float(each) for each in (torch.stack(flat).tolist() if len(flat) > 1 else [flat[0].item()])]
