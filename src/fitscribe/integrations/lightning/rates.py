"""The learning rate of each optimizer and group of parameters, as it is now."""

from __future__ import annotations

from typing import Any

from fitscribe import guarded

__all__ = ["of"]


def of(trainer: Any) -> dict[str, float]:
    """Return the rates: `learning_rate`, then `learning_rate_group_2`, and of more optimizers `learning_rate_2`..."""
    found: dict[str, float] = {}
    with guarded("reading the learning rate"):
        for number, optimizer in enumerate(trainer.optimizers, 1):
            stem = "learning_rate" if number == 1 else f"learning_rate_{number}"
            for place, group in enumerate(optimizer.param_groups, 1):
                if "lr" in group:
                    found[stem if place == 1 else f"{stem}_group_{place}"] = float(group["lr"])
    return found
