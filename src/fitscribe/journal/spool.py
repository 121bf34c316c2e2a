"""The spool: a process's folder of artifact snapshots that wait to be delivered."""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
from pathlib import Path

from fitscribe.errors import MisuseError
from fitscribe.journal.places import fallback, prepare
from fitscribe.journal.snapshots import copied

__all__ = ["Spool"]

ENOUGH = 64 << 20  # bytes free on a disk that takes what somebody else is to write
ODD = re.compile(r"[^A-Za-z0-9._-]+")


class Spool:
    """Files under `<folder>/spool/<stem>/`, each with a number before its name; in the refuge when no other works."""

    def __init__(self, folder: Path, stem: str) -> None:
        """Make no folder yet."""
        self.folder = folder
        self.here = folder / "spool" / stem
        self._numbers = itertools.count(1)
        self._refuge: Path | None = None  # the spool in the folder for temporary files, once it was used

    def path(self, name: str) -> Path:
        """Return a path that no file has had, in a folder with room, if there is one."""
        best, room = self.here / f"{next(self._numbers):06d}", -1
        for elsewhere in (False, True):
            with contextlib.suppress(OSError):
                found = self._path(self._elsewhere() if elsewhere else self.here, name)
                free = shutil.disk_usage(found.parent).free
                if free > room:
                    best, room = found, free
                if free >= ENOUGH:
                    break
        return best

    def keep(self, content: str | Path | bytes, name: str) -> Path:
        """Copy a file, sharing its blocks where the file system can, or write bytes; return where it lies.

        `OSError`: no folder has room for it. `MissingFile`, `MisuseError`: there is no such file, or it is none.
        """
        try:
            return self._keep(self.here, content, name)
        except MisuseError:
            raise
        except OSError:
            return self._keep(self._elsewhere(), content, name)

    def name(self, file: Path) -> str:
        """Return the name for `Artifact.file`: relative to the journal's folder, forward slashes."""
        with contextlib.suppress(ValueError):
            return file.relative_to(self.folder).as_posix()
        return str(file)

    def clear(self) -> None:
        """Remove the folder if nothing is left in it."""
        for here in (self.here, self._refuge):
            for folder in (here, here.parent) if here else ():
                with contextlib.suppress(OSError):
                    folder.rmdir()

    def _keep(self, here: Path, content: str | Path | bytes, name: str) -> Path:
        target = self._path(here, name)
        if isinstance(content, bytes):
            _written(content, target)
        else:
            copied(Path(content), target)
        return target

    def _path(self, here: Path, name: str) -> Path:
        here.parent.mkdir(parents=True, exist_ok=True)
        here.mkdir(mode=0o700, exist_ok=True)  # the files in it are as readable as the umask says, and may be secret
        tail = ODD.sub("_", name.replace("\\", "/").rpartition("/")[2])[-80:]
        return here / f"{next(self._numbers):06d}-{tail}"

    def _elsewhere(self) -> Path:
        folder = fallback()
        prepare(folder, home=False)
        self._refuge = folder / "spool" / self.here.name
        return self._refuge


def _written(content: bytes, target: Path) -> None:
    """Write a file whole; what a full disk takes of it is removed."""
    try:
        target.write_bytes(content)
    except OSError:
        with contextlib.suppress(OSError):
            target.unlink()
        raise
