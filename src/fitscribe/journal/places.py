"""Places: the folders that take a journal, and whether they can be trusted."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
import tempfile
from pathlib import Path

__all__ = ["fallback", "prepare", "refuges"]

OWN = ".fitscribe"  # the folder that is ours by its name; another one may hold the user's files as well
NAMES = 3  # that a refuge may have, where others sit on the first


def fallback() -> Path:
    """Return the folder that takes the journal when the right one cannot be written; it may not be there yet.

    `OSError`: others have taken every name for it.
    """
    for refuge in refuges():
        if _ours(refuge):
            return refuge / "journal"
    raise PermissionError(f"{next(iter(refuges()))} belongs to somebody else")


def refuges() -> list[Path]:
    """Return the folders that `fallback` chooses from, for who looks for what was left there.

    What is of another owner, or a link, is not to be read either.
    """
    user = re.sub(r"\W", "_", os.environ.get("USER") or os.environ.get("USERNAME") or "user")
    first = _temporary() / f"fitscribe-{user}"
    return [first, *(first.with_name(f"{first.name}-{number}") for number in range(2, NAMES + 1))]


def prepare(folder: Path, home: bool) -> None:
    """Make a journal's folder, with a `.gitignore`. `OSError`: it cannot be made, or is not safe to write to.

    A refuge is for this user alone, since it lies where everybody may write; the home is as open as the user's
    umask leaves it, so that several may work in one folder, and only the files in it are closed to others.
    """
    if home:
        new = not folder.parent.exists()
        folder.mkdir(parents=True, exist_ok=True)
        if new or folder.parent.name == OWN:
            _unversioned(folder.parent)
    else:
        with contextlib.suppress(FileExistsError):
            folder.parent.mkdir(mode=0o700)
        if not _ours(folder.parent):
            raise PermissionError(f"{folder.parent} belongs to somebody else")
        if os.name == "posix":
            folder.parent.chmod(0o700)
        folder.mkdir(mode=0o700, exist_ok=True)
    _unversioned(folder)


def _ours(folder: Path) -> bool:
    """True when nobody else could have put a folder, or a link to one, in this place."""
    try:
        found = os.lstat(folder)
    except FileNotFoundError:
        return True
    return stat.S_ISDIR(found.st_mode) and (sys.platform == "win32" or found.st_uid == os.geteuid())


def _temporary() -> Path:
    """Return the folder for temporary files, not trying to write there as `tempfile` does: the disk may be full."""
    if tempfile.tempdir:
        return Path(os.fsdecode(tempfile.tempdir))
    named = next((name for each in ("TMPDIR", "TEMP", "TMP") if (name := os.environ.get(each))), "")
    if named and os.path.isdir(named):
        return Path(os.path.abspath(named))
    return Path("/tmp") if os.name == "posix" else Path(tempfile.gettempdir())


def _unversioned(folder: Path) -> None:
    """Keep a folder of ours out of the user's repository."""
    mark = folder / ".gitignore"
    with contextlib.suppress(OSError):  # a folder of another user's, or a full disk: the journal matters more
        if not mark.exists() or not mark.stat().st_size:
            mark.write_text("*\n", encoding="ascii")
