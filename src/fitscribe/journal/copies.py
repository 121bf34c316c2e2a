"""Copies of the journals of processes that are at work, to be sent elsewhere without touching their own delivery."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fitscribe.journal.remains import Left

__all__ = ["copied"]


@contextlib.contextmanager
def copied(left: Left) -> Iterator[Left]:
    """Give a copy of a journal as it is now, in a folder that is removed afterwards. `OSError`: no room for it."""
    with tempfile.TemporaryDirectory(prefix="fitscribe-copy-") as folder:
        home = Path(folder)
        paths = []
        for path in left.paths:
            for suffix in (".journal", ".runs"):
                with contextlib.suppress(FileNotFoundError):  # delivered and deleted meanwhile
                    shutil.copyfile(path.with_suffix(suffix), home / f"{path.stem}{suffix}")
            paths += [home / path.name] if (home / path.name).exists() else []
        _spool(left, home)
        yield Left(left.stem, home, paths, at_work=False)


def _spool(left: Left, home: Path) -> None:
    """Give the copy the snapshots that wait; each is another name of the same file where the disk allows it."""
    for folder in {path.parent for path in left.paths}:
        for file in (folder / "spool" / left.stem).glob("*"):
            target = home / "spool" / left.stem / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                try:
                    os.link(file, target)
                except OSError:
                    shutil.copyfile(file, target)
