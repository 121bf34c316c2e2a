"""What is read of an optimizer at a step: its learning rates, and on request the norm of its gradients."""

from __future__ import annotations

from typing import Any

from fitscribe.integrations.torch.readings import Number, is_shared, taken

__all__ = ["changed", "gradient_norm"]


def changed(optimizer: Any, known: dict[str, Any]) -> dict[str, Number]:
    """Return the learning rates of the groups that are others than when this was asked last, and keep them."""
    fresh: dict[str, Number] = {}
    first = None
    for place, group in enumerate(optimizer.param_groups):
        rate = group.get("lr")
        if place == 0:
            first = rate
        key = "learning_rate" if place == 0 else f"learning_rate_group_{place}"
        if isinstance(rate, (int, float)):
            if known.get(key) == rate or (place and rate == first and key not in known):
                continue
            known[key] = rate
        if (number := taken(rate)) is not None:
            fresh[key] = number
    return fresh


def gradient_norm(optimizer: Any) -> Number | None:
    """Return the norm of all gradients together; None where they are still scaled, or sharded, or there are none."""
    import torch

    gradients = [each.grad for group in optimizer.param_groups for each in group["params"] if each.grad is not None]
    if not gradients or getattr(optimizer, "grad_scale", None) is not None or any(map(is_shared, gradients)):
        return None
    return taken(torch.nn.utils.get_total_norm(gradients))
