"""Trials of a search, such as KerasTuner's: what is trained in one is recorded, though it is inside another call."""

from __future__ import annotations

from typing import Any

__all__ = ["fitting", "is_recorded"]


def is_recorded(call: Any) -> bool:
    """Tell if what this call trains is recorded: not inside another watched call, save for that of a trial."""
    return not call.inside or getattr(getattr(call.outer, "state", None), "trial", False)


def fitting(call: Any, name: str) -> Any:
    """Return, for `with`, the run that a fit writes to: of a trial's fits, the first one to that of the trial."""
    return call.run(name)
