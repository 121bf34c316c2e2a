"""Listings of artifact folders, in the protocol's words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

__all__ = ["listing"]


def listing(root: Path, folder: Path, prefix: str) -> list[dict[str, Any]]:
    """Return what lies in a folder, by name; nothing if it is a file or is not there.

    A name gets `prefix` before it. Links that lead out of `root` are not shown, since they are not served.
    """
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    home = os.path.realpath(root).rstrip(os.sep) + os.sep
    paths = [(name, folder / name) for name in names]
    return [_entry(prefix + name, path) for name, path in paths if os.path.realpath(path).startswith(home)]


def _entry(name: str, path: Path) -> dict[str, Any]:
    if path.is_dir():
        return {"path": name, "is_dir": True}
    size = path.stat().st_size
    return {"path": name, "is_dir": False, **({"file_size": size} if size else {})}
