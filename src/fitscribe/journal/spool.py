"""The spool: a process's folder of artifact snapshots that wait to be delivered."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from pathlib import Path

from fitscribe.journal.snapshots import copied

__all__ = ["Spool"]

ODD = re.compile(r"[^A-Za-z0-9._-]+")


class Spool:
    """Files under `<folder>/spool/<stem>/`, each with a number before its name."""

    def __init__(self, folder: Path, stem: str) -> None:
        """Make no folder yet."""
        self.folder = folder
        self.here = folder / "spool" / stem
        self._numbers = itertools.count(1)

    def path(self, name: str) -> Path:
        """Return a path that no file has had, in a folder that exists. `OSError`: it cannot be made."""
        self.here.mkdir(parents=True, exist_ok=True)
        tail = ODD.sub("_", name.replace("\\", "/").rpartition("/")[2])[-80:]
        return self.here / f"{next(self._numbers):06d}-{tail}"

    def keep(self, content: str | Path | bytes, name: str) -> Path:
        """Copy a file, sharing its blocks where the file system can, or write bytes; return where it lies.

        `OSError`: there is no room for it. `MissingFile`, `MisuseError`: there is no such file, or it is none.
        """
        target = self.path(name)
        if isinstance(content, bytes):
            _written(content, target)
        else:
            copied(Path(content), target)
        return target

    def name(self, file: Path) -> str:
        """Return the name for `Artifact.file`: relative to the journal's folder, forward slashes."""
        with contextlib.suppress(ValueError):
            return file.relative_to(self.folder).as_posix()
        return str(file)

    def clear(self) -> None:
        """Remove the folder if nothing is left in it."""
        for folder in (self.here, self.here.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _written(content: bytes, target: Path) -> None:
    """Write a file whole; what a full disk takes of it is removed."""
    try:
        target.write_bytes(content)
    except OSError:
        with contextlib.suppress(OSError):
            target.unlink()
        raise
