"""Secrets that webhooks are signed with: a file each beside the database, which only this user can read."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["Secrets"]


class Secrets:
    """Files in one folder, by name."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made with the first secret."""
        self._folder = folder

    def has(self, name: str) -> bool:
        """Whether there is a secret under a name."""
        return (self._folder / name).exists()

    def read(self, name: str) -> str:
        """Return a secret; empty if there is none. `OSError`: it cannot be read by this user."""
        try:
            return (self._folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def write(self, name: str, secret: str) -> None:
        """Keep a secret, over an older one; an empty one removes it."""
        if not secret:
            with contextlib.suppress(FileNotFoundError):
                (self._folder / name).unlink()
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._folder / f"{name}.{os.getpid()}"
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(secret)
        os.replace(unfinished, self._folder / name)
