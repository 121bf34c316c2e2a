"""Neighbours: living processes that work in the same folder, and what they are about to deliver."""

from __future__ import annotations

import contextlib
from pathlib import Path

from fitscribe.journal import locks

__all__ = ["speak_of"]


def speak_of(folder: Path, run: str) -> bool:
    """True when the journal of a living process in a folder holds a run, which may be on its way."""
    for path in folder.glob("*.journal"):
        with contextlib.suppress(OSError):  # delivered and deleted meanwhile
            if locks.held(path.with_suffix(".lock")) and run.encode() in path.read_bytes():
                return True
    return False
