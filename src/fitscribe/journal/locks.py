"""Locks on files that tell living processes from dead ones; the system lets go of them when a process ends."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

__all__ = ["held", "hold", "let_go"]

_mine: dict[Path, tuple[int, int]] = {}  # path -> process id, file descriptor


def hold(path: Path) -> None:
    """Lock a file, which is created, until `let_go` or the end of this process. `OSError`: another holds it.

    A forked child does not hold it: these locks belong to the process, not to the descriptor.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(file)
    except OSError:
        os.close(file)
        raise
    _mine[path] = (os.getpid(), file)


def let_go(path: Path) -> None:
    """Unlock a file that this process holds, and remove it."""
    owner, file = _mine.pop(path, (0, -1))
    if owner != os.getpid():
        return
    os.close(file)
    with contextlib.suppress(OSError):
        path.unlink()


def held(path: Path) -> bool:
    """True when a living process, this one included, holds the file."""
    if _mine.get(path, (0, 0))[0] == os.getpid():
        return True  # trying would succeed, and closing the file would let go of our own lock
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        _lock(file)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
