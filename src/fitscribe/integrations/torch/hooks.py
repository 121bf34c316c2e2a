"""Torch's own global hooks at the steps of optimizers: whatever their class, whenever they were made.

This file alone is open to `torch.compile`: of a step that is compiled whole, the hooks leave no trace.
"""

from __future__ import annotations

from typing import Any

from torch.compiler import is_compiling

from fitscribe.integrations.torch import steps

__all__ = ["after", "before"]


def before(optimizer: Any, args: Any, kwargs: Any) -> None:
    """Note that a step begins."""
    if not is_compiling():
        steps.enter(optimizer)


def after(optimizer: Any, args: Any, kwargs: Any) -> None:
    """Record a step that was taken."""
    if not is_compiling():
        steps.stepped(optimizer)
