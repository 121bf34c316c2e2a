"""Remains: the journals in a folder, of processes that are gone and of those that are still at work."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from fitscribe.journal import locks
from fitscribe.journal.places import refuges
from fitscribe.journal.segment import MAGIC, acknowledged, frames, home_of

__all__ = ["Left", "folders_of", "journals", "left_behind", "sweep"]

SUFFIXES = (".journal", ".ack", ".sent", ".runs", ".home", ".lock")
LONG = 24 * 3600.0  # seconds after which files that belong to no journal are nobody's


class Left(NamedTuple):
    """The segments of one process, oldest first."""

    stem: str
    home: Path  # the journal's folder, though some segments may lie elsewhere
    paths: list[Path]
    at_work: bool  # the process lives, or another one is sending this

    @property
    def lock(self) -> Path:
        """What is locked while another process delivers this."""
        folder = self.home if any(path.parent == self.home for path in self.paths) else self.paths[0].parent
        return folder / f"{self.stem}.lock"

    @property
    def pending(self) -> int:
        """How many records wait. `OSError`: a segment cannot be read."""
        return sum(1 for path in self.paths for _ in frames(content_of(path), acknowledged(path)))

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(_size(path) for path in self.paths)

    def now(self) -> Left:
        """Return the same journal as it is now: segments may have come and gone."""
        paths = [path for path in _found(self.home) if _stem(path) == self.stem]
        return self._replace(paths=sorted(paths, key=lambda path: path.name), at_work=_at_work(self.stem, paths))


def content_of(path: Path) -> bytes:
    """Return the bytes of a segment. `OSError`: they cannot be read; `ValueError`: they are of another version."""
    content = path.read_bytes()
    if not content.startswith(MAGIC) and not MAGIC.startswith(content):
        raise ValueError(f"{path.name} begins with {content[: len(MAGIC)]!r}, which this version cannot read")
    return content


def journals(folder: Path) -> list[Left]:
    """Return every journal of a folder, the oldest first; also what had to lie in the folder for temporary files."""
    stems: dict[str, list[Path]] = {}
    for path in sorted(_found(folder), key=_age):
        stems.setdefault(_stem(path), []).append(path)
    return [
        Left(stem, folder, sorted(paths, key=lambda path: path.name), _at_work(stem, paths))
        for stem, paths in stems.items()
    ]


def left_behind(folder: Path) -> list[Left]:
    """Return what processes that are gone have left of a folder's journals, the oldest first."""
    return [each for each in journals(folder) if not each.at_work]


def folders_of(folder: Path) -> list[Path]:
    """Return the folders that journals and snapshots of this one may lie in."""
    return [folder, *(refuge / "journal" for refuge in refuges())]


def sweep(folder: Path) -> None:
    """Remove files beside segments that are not there any more, as a process leaves that is killed while it cleans."""
    for suffix in SUFFIXES[1:]:
        for path in folder.glob(f"*{suffix}"):
            if path.with_suffix(".journal").exists() or time.time() - _age(path) < LONG:
                continue
            if suffix != ".lock" or not locks.held(path):
                with contextlib.suppress(OSError):
                    path.unlink()
    there = {each.stem for each in journals(folder)}
    for spool in folder.glob("spool/*/"):
        if spool.name not in there and time.time() - _age(spool) > LONG:
            shutil.rmtree(spool, ignore_errors=True)


def _found(folder: Path) -> Iterator[Path]:
    """Yield the segments of a folder; those in refuges are asked which folder they belong to."""
    yield from folder.glob("*.journal")
    for refuge in folders_of(folder)[1:]:
        if refuge != folder and _mine(refuge):
            yield from (path for path in refuge.glob("*.journal") if home_of(path) == folder)


def _mine(refuge: Path) -> bool:
    """True when nobody else can have put files there."""
    with contextlib.suppress(OSError):
        found = os.lstat(refuge.parent)
        return not hasattr(os, "geteuid") or (found.st_uid == os.geteuid() and not refuge.parent.is_symlink())
    return False


def _stem(path: Path) -> str:
    return path.stem.rpartition("-")[0]


def _at_work(stem: str, paths: Iterable[Path]) -> bool:
    """True when a living process holds any file of a journal; on another machine, also when it moved lately.

    A file system need not know of locks that other machines hold; a living process gives a sign of life in its
    lock's file now and then, and one that ended in order has removed it.
    """
    own = [path.with_suffix(".lock") for path in paths]
    more = {path.with_name(f"{stem}.lock") for path in own}
    if any(locks.held(path) for path in chain(own, more)):
        return True
    if stem.rsplit("-", 2)[0] == locks.host():
        return False
    signs = [path for path in own if path.exists()]
    return any(time.time() - _age(path) < locks.FRESH for path in signs)


def _age(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0
