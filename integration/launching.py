"""What PyTorch's launcher starts may be aborted at its end by a thread of PyTorch's; then it is tried once more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

__all__ = ["unless_aborted"]

T = TypeVar("T")

# Seen on a busy machine, now and then, of a script that does not import fitscribe as well: a thread that is none of
# Python's is still there when the interpreter ends, though the process group was destroyed
ABORTED = "terminate called without an active exception"


def unless_aborted(attempt: Callable[[Path], T], folder: Path, left: int = 2) -> T:
    """Return `attempt(a fresh folder)`; where it fails because PyTorch aborted a process, try again, `left` times."""
    fresh = folder / f"with {left} left"
    fresh.mkdir()
    try:
        return attempt(fresh)
    except AssertionError as error:
        if not left or ABORTED not in str(error):
            raise
    return unless_aborted(attempt, folder, left - 1)
